
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Owned devices, with a real redis-server: /v1/serials, its list, its audit,
 * and what is sealed.
 */


#include "admin.h"

#include <stdlib.h>

#include <unistd.h>

#include "mdm_owned.h"


#define P     "mdm:{default/prof}"
#define DEV   "mdm:{default/dev:C02X}"

#define BODY                                                                  \
    "{\"sets\":[\"office\"],\"tags\":[\"lab\"],"                              \
    "\"variables\":{\"site\":\"north\"},\"asset\":\"A-17\"}"


static mdm_secret_keys_t  keys;


#define is(s, text)  assert_true(mdm_str_is(&(s), text))


static mdm_uint_t
put(void **state, const char *serial, const char *body)
{
    static char  path[1024];

    (void) snprintf(path, sizeof(path), "/v1/serials/%s", serial);

    return api(state, MDM_PUT, path, "", body);
}


static void
test_life(void **state)
{
    assert_int_equal(api(state, MDM_GET, "/v1/serials/C02X", "", ""), 404);
    assert_int_equal(api(state, MDM_DELETE, "/v1/serials/C02X", "", ""), 404);

    assert_int_equal(put(state, "C02X", BODY), 204);
    assert_int_equal(redis_int("ZCARD " P ":dev"), 1);
    assert_string_equal(redis_str("HGET " DEV " by"), "admin");

    assert_int_equal(api(state, MDM_GET, "/v1/serials/C02X", "", ""), 200);
    assert_true(says("{\"serial\":\"C02X\",\"sets\":[\"office\"],"
                     "\"tags\":[\"lab\"],\"variables\":{\"site\":\"north\"},"
                     "\"asset\":\"A-17\",\"time\":\""));
    assert_true(says("\"by\":\"admin\"}"));

    /* the same one in small letters; it is replaced as a whole */

    assert_int_equal(put(state, "c02x", ""), 204);
    assert_int_equal(redis_int("ZCARD " P ":dev"), 1);
    assert_int_equal(api(state, MDM_GET, "/v1/serials/c02X", "", ""), 200);
    assert_true(says("{\"serial\":\"C02X\",\"time\":"));

    assert_int_equal(api(state, MDM_DELETE, "/v1/serials/c02x", "", ""), 204);
    assert_int_equal(api(state, MDM_GET, "/v1/serials/C02X", "", ""), 404);
    assert_int_equal(redis_int("HEXISTS " DEV " bind"), 0);
    assert_int_equal(redis_int("EXISTS " P ":dev"), 0);

    /* its number stays for a while, and that of the last change for ever */

    assert_in_range(redis_int("TTL " DEV), 500, 600);
    assert_int_equal(redis_int("HLEN " P ":dev_rev"), 1);
    assert_int_equal(put(state, "C02X", ""), 204);
    assert_int_equal(redis_int("TTL " DEV), -1);
    assert_int_equal(redis_int("HLEN " P ":dev_rev"), 1);

    /* audited: each of them, also what was not there, in the order */

    assert_int_equal(redis_int("XLEN " P ":events"), 5);
}


/* the tenant's list is of some time ago, which a failover may bring back */

static void
test_failover(void **state)
{
    assert_int_equal(put(state, "C02X", BODY), 204);
    assert_int_equal(put(state, "C02X", BODY), 204);
    (void) redis_int("UNLINK " P ":dev_rev");
    (void) usleep(5000);

    assert_int_equal(put(state, "C02X", ""), 204);
    assert_int_equal(api(state, MDM_GET, "/v1/serials/C02X", "", ""), 200);
    assert_true(says("{\"serial\":\"C02X\",\"time\":"));

    (void) redis_int("UNLINK " P ":dev_rev");
    (void) usleep(5000);
    assert_int_equal(api(state, MDM_DELETE, "/v1/serials/C02X", "", ""), 204);
    assert_int_equal(redis_int("HEXISTS " DEV " bind"), 0);

    /* a clock that runs backwards: one after the other all the same */

    (void) redis_int("HSET " P ":dev_rev %s 4000000000000", "");
    assert_int_equal(put(state, "C02X", BODY), 204);
    assert_string_equal(redis_str("HGET " DEV " rev"), "4000000000001");
    assert_int_equal(put(state, "C02X", ""), 204);
    assert_string_equal(redis_str("HGET " DEV " rev"), "4000000000002");
}


static void
test_list(void **state)
{
    char  serial[32], cursor[256], *p, *end;
    int   i, n, pages;

    assert_int_equal(api(state, MDM_GET, "/v1/serials", "", ""), 200);
    assert_true(says("{\"serials\":[]}"));

    for (i = 0; i < 25; i++) {
        (void) snprintf(serial, sizeof(serial), "S%%20%02d", i);
        assert_int_equal(put(state, serial, ""), 204);
    }

    /* one that was being taken away when the worker ended is not shown */

    redis_int("UNLINK mdm:{default/dev:S%%2007}");

    cursor[0] = '\0';
    n = 0;
    pages = 0;

    do {
        assert_int_equal(api(state, MDM_GET, "/v1/serials", cursor, ""), 200);

        for (i = 0; i < 25; i++) {
            (void) snprintf(serial, sizeof(serial), "\"serial\":\"S %02d\"",
                            i);
            n += says(serial);
        }

        pages++;

        p = memmem(x->response.data, x->response.len, "\"next_cursor\":\"",
                   15);
        if (p != NULL) {
            p += 15;
            end = strchr(p, '"');
            (void) snprintf(cursor, sizeof(cursor), "limit=10&cursor=%.*s",
                            (int) (end - p), p);
        }

        if (pages == 1) {

            /* the first page was of 100; begin again with 10 */

            assert_null(p);
            assert_int_equal(n, 24);
            (void) snprintf(cursor, sizeof(cursor), "limit=10");
            n = 0;
            p = cursor;
        }

    } while (p != NULL);

    assert_int_equal(n, 24);
    assert_int_equal(pages, 4);

    assert_int_equal(api(state, MDM_GET, "/v1/serials", "limit=501", ""), 400);
    assert_int_equal(api(state, MDM_GET, "/v1/serials", "cursor=!", ""), 400);
}


static void
test_refused(void **state)
{
    char        path[1024], many[2048], *p;
    mdm_uint_t  i;

    static const char *const  bodies[] = {
        "[]", "{", "{\"set\":[]}", "{\"sets\":{}}", "{\"sets\":[1]}",
        "{\"sets\":[\"\"]}", "{\"tags\":[\"a\\nb\"]}", "{\"tags\":\"a\"}",
        "{\"variables\":[]}", "{\"variables\":{\"a b\":\"c\"}}",
        "{\"variables\":{\"a\":1}}", "{\"asset\":1}", "{\"asset\":\"\\n\"}"
    };

    static const char *const  serials[] = {
        "%00", "%0a", "%zz", "%ff"
    };

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_int_equal(put(state, "C02X", bodies[i]), 400);
    }

    for (i = 0; i < sizeof(serials) / sizeof(serials[0]); i++) {
        assert_int_equal(put(state, serials[i], ""), 400);
    }

    memset(path, 'x', 256);
    path[256] = '\0';
    assert_int_equal(put(state, path, ""), 400);

    /* 65 tags; 64 are fine */

    p = many + snprintf(many, sizeof(many), "{\"tags\":[");

    for (i = 0; i < 65; i++) {
        p += snprintf(p, 16, "%s\"t%u\"", i ? "," : "", (unsigned) i);
    }

    (void) snprintf(p, 8, "]}");
    assert_int_equal(put(state, "C02X", many), 400);

    assert_int_equal(redis_int("DBSIZE"), 0);

    p = strstr(many, ",\"t64\"");
    (void) snprintf(p, 8, "]}");
    assert_int_equal(put(state, "C02X", many), 204);
}


static void
test_sealed(void **state)
{
    store_settings.secrets = &keys;

    assert_int_equal(put(state, "C02X", BODY), 204);
    assert_null(strstr(redis_str("HGET " DEV " bind"), "north"));

    assert_int_equal(api(state, MDM_GET, "/v1/serials/C02X", "", ""), 200);
    assert_true(says("\"site\":\"north\""));

    /* what cannot be opened, or read, is said so */

    redis_int("HSET " DEV " bind x");
    store_settings.secrets = NULL;
    assert_int_equal(api(state, MDM_GET, "/v1/serials/C02X", "", ""), 500);
    assert_int_equal(api(state, MDM_GET, "/v1/serials", "", ""), 500);

    redis_int("HSET " DEV " bind []");
    assert_int_equal(api(state, MDM_GET, "/v1/serials/C02X", "", ""), 500);
}


static mdm_uint_t        fault_at;
static mdm_unit_fault_e  fault_kind;


static mdm_unit_fault_e
fault(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) call;
    (void) data;

    return (n == fault_at) ? fault_kind : MDM_UNIT_FAULT_NONE;
}


/* whatever call is lost: the request is repeated, and has done what it says */

static void
test_faults(void **state)
{
    mdm_uint_t         i, kind;
    mdm_unit_redis_t  *redis;

    redis = *state;

    for (kind = MDM_UNIT_FAULT_BEFORE; kind <= MDM_UNIT_FAULT_AFTER; kind++) {

        fault_kind = (mdm_unit_fault_e) kind;

        for (i = 0; i < 2; i++) {
            mdm_unit_redis_clean(redis);

            fault_at = redis->calls + i;
            redis->fault = fault;
            assert_int_equal(put(state, "C02X", BODY), 503);
            redis->fault = NULL;

            assert_int_equal(put(state, "C02X", BODY), 204);
            assert_int_equal(redis_int("ZCARD " P ":dev"), 1);
            assert_int_equal(redis_int("EXISTS " DEV), 1);
        }

        for (i = 0; i < 3; i++) {
            mdm_unit_redis_clean(redis);
            assert_int_equal(put(state, "C02X", BODY), 204);

            fault_at = redis->calls + i;
            redis->fault = fault;
            assert_int_equal(api(state, MDM_DELETE, "/v1/serials/C02X", "",
                                 ""), 503);
            redis->fault = NULL;

            /* all of it is gone already, if the last reply alone was lost */

            assert_int_equal(api(state, MDM_DELETE, "/v1/serials/C02X", "",
                                 ""),
                             (i == 2 && kind == MDM_UNIT_FAULT_AFTER) ? 404
                                                                      : 204);
            assert_int_equal(redis_int("HEXISTS " DEV " bind"), 0);
            assert_int_equal(redis_int("EXISTS " P ":dev"), 0);
        }
    }
}


/* requests at once: each is at one of its rounds */

#define MANY  3

static mdm_exchange_t  *many[MANY];


static void
many_begin(mdm_uint_t i, mdm_uint_t method)
{
    many[i] = mdm_exchange_create(&settings);
    assert_non_null(many[i]);

    many[i]->kind = MDM_KIND_API;
    many[i]->method = method;
    many[i]->now = 1700000000;
    mdm_str_set(&many[i]->tenant, "default");
    mdm_str_set(&many[i]->path, "/v1/serials/C02X");
    mdm_endpoint_find(many[i]);
}


/* one round; 0: it has its answer */

static mdm_uint_t
many_step(void **state, mdm_uint_t i)
{
    if (mdm_exchange_run(many[i]) != MDM_CALL) {
        return 0;
    }

    assert_int_equal(many[i]->ncalls, 1);
    assert_int_equal(mdm_unit_redis_eval(*state, many[i]->arena,
                                         &many[i]->calls[0]), MDM_CALL_OK);
    return 1;
}


/*
 * Whatever the order of rounds: what is there is listed.  An order is a number
 * whose digits say who is next.
 */

static void
test_at_once(void **state)
{
    mdm_uint_t  i, order, n, puts, listed, there, seen[2];

    seen[0] = 0;
    seen[1] = 0;

    for (puts = 0; puts < 2 * 729; puts++) {
        order = puts / 2;

        mdm_unit_redis_clean(*state);

        if (puts & 1) {
            assert_int_equal(put(state, "C02X", ""), 204);
        }

        many_begin(0, MDM_PUT);
        many_begin(1, MDM_DELETE);
        many_begin(2, MDM_DELETE);

        for (n = 0; n < 6; n++, order /= 3) {
            (void) many_step(state, order % 3);
        }

        for (i = 0; i < MANY; i++) {
            while (many_step(state, i)) {
                /* void */
            }
        }

        there = (mdm_uint_t) redis_int("HEXISTS " DEV " bind");
        listed = (mdm_uint_t) redis_int("EXISTS " P ":dev");

        if (there && !listed) {
            fail_msg("order %d: there, but not listed", (int) puts / 2);
        }

        /* a request that comes alone then is not in the way of these */

        assert_int_equal(put(state, "C02X", ""), 204);
        assert_int_equal(redis_int("HEXISTS " DEV " bind"), 1);
        assert_int_equal(redis_int("EXISTS " P ":dev"), 1);

        seen[there]++;

        for (i = 0; i < MANY; i++) {
            mdm_arena_destroy(many[i]->arena);
        }
    }

    assert_true(seen[0] != 0 && seen[1] != 0);
}


static int
fresh(void **state)
{
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
        cmocka_unit_test_setup(test_life, fresh),
        cmocka_unit_test_setup(test_failover, fresh),
        cmocka_unit_test_setup(test_list, fresh),
        cmocka_unit_test_setup(test_refused, fresh),
        cmocka_unit_test_setup(test_sealed, fresh),
        cmocka_unit_test_setup(test_faults, fresh),
        cmocka_unit_test_setup(test_at_once, fresh)
    };

    return cmocka_run_group_tests(tests, setup, ended);
}
