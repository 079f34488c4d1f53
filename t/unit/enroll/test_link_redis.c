
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Links to enroll by, with a real redis-server: what opening one costs, who
 * spends it, what is sealed, and what is left of it.
 */


#include "admin.h"

#include <stdlib.h>
#include <unistd.h>

#include "enrollment.h"
#include "mdm_link.h"


#define KEYS     64

#define P        "mdm:{default/prof}"


static mdm_secret_keys_t  keys;
static mdm_link_fetch_t   opened;
static mdm_link_spend_t   spent;


/* what the API has answered with: a member of the response */

static const char *
member(const char *name)
{
    char        *at, *end;
    char         what[64];
    static char  value[256];

    (void) snprintf(what, sizeof(what), "\"%s\":\"", name);

    at = memmem(x->response.data, x->response.len, what, strlen(what));
    if (at == NULL) {
        return "";
    }

    at += strlen(what);
    end = memchr(at, '"', x->response.len);

    (void) snprintf(value, sizeof(value), "%.*s", (int) (end - at), at);

    return value;
}


/* the token of a new one */

static const char *
create(void **state, const char *body)
{
    const char   *url;
    static char   value[64];

    assert_int_equal(api(state, MDM_POST, "/v1/enrollment-links", "", body),
                     201);

    url = member("url");
    assert_memory_equal(url, "https://mdm.example/enroll/", 27);

    (void) snprintf(value, sizeof(value), "%.63s", url + 27);
    assert_int_equal(strlen(value), MDM_CHALLENGE_TEXT);

    return value;
}


static void
begin(void)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_ENROLL;
    mdm_str_set(&x->tenant, "default");
    x->now = 1700000000;
}


static mdm_int_t
open_step(mdm_exchange_t *x_)
{
    return (x_->state == 0)
           ? mdm_exchange_enter(x_, mdm_link_fetch, &opened, 1)
           : mdm_exchange_empty(x_, 200);
}


static int64_t
open_link(void **state, const char *value, mdm_uint_t count)
{
    begin();

    memset(&opened, 0, sizeof(opened));
    opened.value.data = (u_char *) value;
    opened.value.len = strlen(value);
    mdm_str_set(&opened.enrollment, "main");
    opened.count = count;

    x->step = open_step;
    mdm_unit_redis_run(*state, x);

    return (x->status == 200) ? opened.code : 1000 + (int64_t) x->status;
}


static mdm_int_t
spend_step(mdm_exchange_t *x_)
{
    return (x_->state == 0)
           ? mdm_exchange_enter(x_, mdm_link_spend, &spent, 1)
           : mdm_exchange_empty(x_, 200);
}


static int64_t
spend(void **state, const char *value, const char *spki)
{
    mdm_str_t  s;

    begin();

    s.data = (u_char *) value;
    s.len = strlen(value);

    memset(&spent, 0, sizeof(spent));
    spent.spki.data = (u_char *) spki;
    spent.spki.len = strlen(spki);
    assert_int_equal(mdm_challenge_sha256(x->arena, &s, &spent.digest),
                     MDM_OK);

    x->step = spend_step;
    mdm_unit_redis_run(*state, x);

    return (x->status == 200) ? spent.code : 1000 + (int64_t) x->status;
}


#define is(s, text)  assert_true(mdm_str_is(&(s), text))


static void
test_opened(void **state)
{
    char        value[64];
    mdm_uint_t  i;

    (void) snprintf(value, sizeof(value), "%s",
                    create(state, "{\"enrollment\":\"main\",\"uses\":2,"
                                  "\"person\":\"ann\",\"serial\":\"S\","
                                  "\"sets\":[\"a\"],\"ttl\":\"1h\"}"));

    /* to look costs nothing */

    for (i = 0; i < 50; i++) {
        assert_int_equal(open_link(state, value, 0), MDM_LINK_GOOD);
    }

    is(opened.c.person, "ann");
    is(opened.c.serial, "S");
    is(opened.c.enrollment, "main");
    is(opened.c.gives, "{\"sets\":[\"a\"]}");
    assert_int_equal(opened.c.link.len, 64);

    /* 20 profiles a use */

    for (i = 0; i < 40; i++) {
        assert_int_equal(open_link(state, value, 1), MDM_LINK_GOOD);
    }

    assert_int_equal(open_link(state, value, 1), MDM_LINK_OPENED);
    assert_int_equal(open_link(state, value, 0), MDM_LINK_OPENED);

    /* who has one by then may use it */

    assert_int_equal(spend(state, value, "k1"), 0);

    value[0] ^= 1;
    assert_int_equal(open_link(state, value, 1), MDM_LINK_UNKNOWN);
    assert_int_equal(open_link(state, "", 1), MDM_LINK_UNKNOWN);
}


static void
test_spent(void **state)
{
    char        value[64], spki[8];
    mdm_uint_t  i, n;

    (void) snprintf(value, sizeof(value), "%s",
                    create(state, "{\"enrollment\":\"main\",\"uses\":3}"));

    n = 0;

    for (i = 0; i < KEYS; i++) {
        (void) snprintf(spki, sizeof(spki), "k%u", (unsigned) i);
        n += (spend(state, value, spki) == 0);
    }

    assert_int_equal(n, 3);

    /* a reply that was lost */

    assert_int_equal(spend(state, value, "k0"), 1);
    assert_int_equal(spend(state, value, "k2"), 1);
    assert_int_equal(spend(state, value, "k3"), MDM_LINK_USED);
    assert_int_equal(open_link(state, value, 1), MDM_LINK_USED);

    assert_int_equal(api(state, MDM_GET, "/v1/enrollment-links", "", ""), 200);
    assert_true(says("\"state\":\"used\",\"uses\":3,\"used\":3"));
}


static void
test_expired(void **state)
{
    char  value[64];

    (void) snprintf(value, sizeof(value), "%s",
                    create(state, "{\"enrollment\":\"main\",\"ttl\":1}"));

    assert_int_equal(spend(state, value, "k1"), 0);

    (void) usleep(2100 * 1000);

    assert_int_equal(open_link(state, value, 1), MDM_LINK_EXPIRED);
    assert_int_equal(spend(state, value, "k2"), MDM_LINK_EXPIRED);
    assert_int_equal(spend(state, value, "k1"), 1);

    assert_int_equal(api(state, MDM_GET, "/v1/enrollment-links", "", ""), 200);
    is(x->response, "{\"links\":[]}");

    /* the list forgets it with the next one */

    assert_int_equal(redis_int("ZCARD " P ":links"), 1);
    (void) create(state, "{\"enrollment\":\"main\"}");
    assert_int_equal(redis_int("ZCARD " P ":links"), 1);
    assert_int_equal(redis_int("ZCARD " P ":links_due"), 1);
}


static void
test_deleted(void **state)
{
    char  value[64], path[96];

    (void) snprintf(value, sizeof(value), "%s",
                    create(state, "{\"enrollment\":\"main\"}"));
    (void) snprintf(path, sizeof(path), "/v1/enrollment-links/%s",
                    member("id"));

    assert_int_equal(api(state, MDM_DELETE, path, "", ""), 204);
    assert_int_equal(api(state, MDM_DELETE, path, "", ""), 404);
    assert_int_equal(open_link(state, value, 1), MDM_LINK_UNKNOWN);
    assert_int_equal(spend(state, value, "k1"), MDM_LINK_EXPIRED);

    /* events are all that is left */

    assert_int_equal(redis_int("DBSIZE"), 1);
    assert_int_equal(redis_int("XLEN " P ":events"), 2);
}


static void
test_sealed(void **state)
{
    char  value[64];

    store_settings.secrets = &keys;

    (void) snprintf(value, sizeof(value), "%s",
                    create(state, "{\"enrollment\":\"main\","
                                  "\"person\":\"anna@example\","
                                  "\"variables\":{\"v\":\"hidden\"}}"));

    assert_int_equal(open_link(state, value, 1), MDM_LINK_GOOD);
    is(opened.c.person, "anna@example");
    is(opened.c.gives, "{\"variables\":{\"v\":\"hidden\"}}");

    assert_int_equal(api(state, MDM_GET, "/v1/enrollment-links", "", ""), 200);
    assert_true(says("\"variables\":{\"v\":\"hidden\"}"));
}


static void
test_limit(void **state)
{
    settings.challenge_limit = 1;

    (void) create(state, "{\"enrollment\":\"main\"}");
    assert_int_equal(api(state, MDM_POST, "/v1/enrollment-links", "",
                         "{\"enrollment\":\"main\"}"),
                     409);
    assert_int_equal(redis_int("ZCARD " P ":links"), 1);
    assert_int_equal(redis_int("XLEN " P ":events"), 1);
}


static int
fresh(void **state)
{
    settings.challenge_ttl = 3600;
    settings.challenge_limit = 100;
    settings.enrollments = enrollments;
    settings.nenrollments = 1;
    store_settings.secrets = NULL;

    return clean(state);
}


static int
setup(void **state)
{
    static const u_char  raw[MDM_SECRET_RAW] = "a key of 32 bytes, more or les";

    return mdm_secret_key_add(&keys, raw) != MDM_OK
           || mdm_unit_redis_setup(state);
}


static int
ended(void **state)
{
    mdm_secret_keys_clear(&keys);

    return teardown(state);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_opened, fresh),
        cmocka_unit_test_setup(test_spent, fresh),
        cmocka_unit_test_setup(test_expired, fresh),
        cmocka_unit_test_setup(test_deleted, fresh),
        cmocka_unit_test_setup(test_sealed, fresh),
        cmocka_unit_test_setup(test_limit, fresh)
    };

    return cmocka_run_group_tests(tests, setup, ended);
}
