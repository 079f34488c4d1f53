
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The ledger with a real redis-server: what is left where calls fail, and the
 * lists of the API.
 */


#include "issued.h"


#define LEDGERS  64


/* each call fails once, before and after: the retry finishes all of it */

static mdm_uint_t             fault_at;
static mdm_unit_fault_e       fault_kind;


static mdm_unit_fault_e
fault(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) call;
    (void) data;

    return (n == fault_at) ? fault_kind : MDM_UNIT_FAULT_NONE;
}


static void
test_faults(void **state)
{
    char               v[64];
    issued_t          *a, *b;
    mdm_uint_t         i, kind, status;
    mdm_unit_redis_t  *redis;

    redis = *state;

    for (kind = MDM_UNIT_FAULT_BEFORE; kind <= MDM_UNIT_FAULT_AFTER; kind++) {
        for (i = 0; i < LEDGERS; i++) {

            mdm_unit_redis_clean(redis);
            a = enrolled(state);

            assert_int_equal(api(state, MDM_POST, "/v1/challenge", "",
                                 "{\"purpose\":\"renew\",\"udid\":\"" UDID
                                 "\"}"), 200);
            (void) snprintf(v, sizeof(v), "%.*s", MDM_CHALLENGE_TEXT,
                            (char *) memmem(x->response.data, x->response.len,
                                            "\":\"", 3) + 3);

            b = certificate();

            fault_kind = (mdm_unit_fault_e) kind;
            fault_at = redis->calls + i;
            redis->fault = fault;

            status = issue(state, b, v, 0, "", "");
            redis->fault = NULL;

            if (status == 200) {
                break;
            }

            assert_int_equal(status, 503);

            /* nothing of it is the pin yet, and the retry gets one */

            is_pin(state, a);
            assert_int_equal(issue(state, b, v, 0, "", ""), 200);
            assert_int_equal(redis_int("EVAL %s 0", "return #redis.call("
                             "'KEYS', 'mdm:{default/cert:*}:x')"), 2);
            assert_string_equal(ledger(b, "purpose"), "renew");
            assert_int_equal(events(state, T ":events",
                                    "mdm.CertificateIssued"), 1);

            /* and so it is when the device comes with it */

            fault_at = redis->calls + i;
            redis->fault = fault;
            status = polls(state, b, id_is(UDID));
            redis->fault = NULL;

            assert_true(status == 503 || status == 200);
            assert_int_equal(polls(state, b, id_is(UDID)), 200);
            kept(state, b);
            assert_int_equal(events(state, T ":events",
                                    "mdm.CertificateRenewed"), 1);
        }

        assert_true(i >= 6 && i < LEDGERS);
    }
}


/* each call fails once, and nobody comes again: a job finishes all of it */

static void
job(void **state)
{
    (void) mdm_unit_redis_int(*state, "EVAL %s 0", "for _, sn in ipairs("
        "redis.call('ZRANGE', '" C ":half', 0, -1)) do "
        "redis.call('ZADD', '" C ":half', 0, sn) end return 0");

    mdm_arena_destroy(x->arena);
    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_JOB;
    x->now = FROM;
    x->step = mdm_certificates_job_step;
    mdm_str_set(&x->tenant, "default");

    mdm_unit_redis_run(*state, x);
    assert_int_equal(x->status, 200);

    assert_int_equal(redis_int("ZCARD " C ":half"), 0);
    assert_int_equal(redis_int("EVAL %s 0", "return #redis.call('KEYS', '"
                               C ":h:*')"), 0);
}


static void
test_half(void **state)
{
    char               v[64], first[65];
    issued_t          *a, *b;
    mdm_uint_t         i, kind, status, made, finished;
    mdm_unit_redis_t  *redis;

    redis = *state;

    for (kind = MDM_UNIT_FAULT_BEFORE; kind <= MDM_UNIT_FAULT_AFTER; kind++) {

        finished = 0;

        for (i = 0; i < LEDGERS; i++) {

            mdm_unit_redis_clean(redis);
            store_settings.secrets = (i & 1) ? &keys : NULL;
            a = enrolled(state);

            assert_int_equal(api(state, MDM_POST, "/v1/challenge", "",
                                 "{\"purpose\":\"renew\",\"udid\":\"" UDID
                                 "\",\"person\":\"anna\"}"), 200);
            (void) snprintf(v, sizeof(v), "%.*s", MDM_CHALLENGE_TEXT,
                            (char *) memmem(x->response.data, x->response.len,
                                            "\":\"", 3) + 3);

            b = certificate();

            fault_kind = (mdm_unit_fault_e) kind;
            fault_at = redis->calls + i;
            redis->fault = fault;

            status = issue(state, b, v, 0, "", "");
            redis->fault = NULL;

            if (status == 200) {
                assert_int_equal(redis_int("ZCARD " C ":half"), 0);
                break;
            }

            assert_int_equal(status, 503);

            made = (mdm_uint_t) redis_int("EVAL %s 0", "local n = 0; "
                "for _, k in ipairs(redis.call('KEYS', "
                "'mdm:{default/chal:*')) do "
                "for _, f in ipairs(redis.call('HKEYS', k)) do "
                "if string.sub(f, 1, 2) == 'd:' and "
                "redis.call('HGET', k, 'purpose') == 'renew' then "
                "n = n + 1 end end end return n");

            job(state);

            assert_int_equal(redis_int("EXISTS mdm:{default/cert:%s}:x",
                                       b->sha256), made);
            assert_int_equal(redis_int("EVAL %s 0", "return #redis.call("
                "'KEYS', 'mdm:{default/cert:*}:x')"), 1 + made);
            assert_int_equal(redis_int("ZCARD " C ":certs"), 1 + made);
            assert_int_equal(redis_int("HEXISTS " E " next"), made);
            finished += made;

            if (made) {
                (void) snprintf(first, sizeof(first), "%s", b->sha256);
                assert_int_equal(api(state, MDM_GET, "/v1/certificates",
                                     "state=issued", ""), 200);
                assert_true(says("\"person\":\"anna\""));
            }

            /* whoever comes after all gets that one */

            assert_int_equal(issue(state, b, v, 0, "", ""), 200);

            if (made) {
                assert_string_equal(b->sha256, first);
            }

            assert_int_equal(events(state, T ":events",
                                    "mdm.CertificateIssued"), 1);
            assert_int_equal(polls(state, b, id_is(UDID)), 200);
            kept(state, b);
            assert_string_equal(ledger(a, "state"), "replaced");
        }

        assert_in_range(finished, 4, LEDGERS);
    }
}


static int
says_times(const char *text)
{
    int          n;
    const char  *p, *end;

    n = 0;
    p = (const char *) x->response.data;
    end = p + x->response.len;

    while ((p = memmem(p, (size_t) (end - p), text, strlen(text))) != NULL) {
        p++;
        n++;
    }

    return n;
}


/* rows of all pages */

static mdm_uint_t
all_pages(void **state, const char *args, mdm_uint_t *pages)
{
    char        query[512], *p;
    mdm_uint_t  rows;

    rows = 0;
    *pages = 0;
    (void) snprintf(query, sizeof(query), "%s", args);

    do {
        assert_int_equal(api(state, MDM_GET, "/v1/certificates", query, ""),
                         200);
        rows += (mdm_uint_t) says_times("\"sha256\"");
        (*pages)++;

        p = memmem(x->response.data, x->response.len, "\"next_cursor\":\"",
                   15);

        if (p != NULL) {
            (void) snprintf(query, sizeof(query), "%s&cursor=%.*s", args,
                            (int) strcspn(p + 15, "\""), p + 15);
        }

    } while (p != NULL && *pages < 100);

    return rows;
}


/* what the API has of them */

static void
test_listed(void **state)
{
    char         path[128], query[512];
    issued_t    *a, *b, *c;
    mdm_uint_t   i, pages;

    a = enrolled(state);
    b = certificate();
    c = certificate();

    assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW, UDID, ""), 200);
    assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, "", "S7"), 200);

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "", ""), 200);
    assert_int_equal(says_times("\"sha256\""), 3);
    assert_true(says(a->sha256) && says(b->sha256) && says(c->sha256));
    assert_true(says("\"id\":\"" UDID "\",\"state\":\"pinned\",\"ca\":"
                     "\"devices\""));
    assert_true(says("\"purpose\":\"renew\""));

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "state=issued",
                         ""), 200);
    assert_int_equal(says_times("\"sha256\""), 2);
    assert_true(says(b->sha256) && says(c->sha256));

    static const struct {
        const char  *query;
        int          rows;
    } cases[] = {
        { "id=" UDID, 2 }, { "id=" OTHER, 0 }, { "device_serial=s1", 2 },
        { "device_serial=S2", 0 }, { "device_serial=s7", 1 },
        { "ca=devices", 3 }, { "ca=other", 0 }, { "state=pinned", 1 },
        { "state=replaced", 0 }, { "expires_before=2096-10-02T07:06:40Z", 0 },
        { "expires_before=2096-10-02T07:06:41Z", 3 }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(api(state, MDM_GET, "/v1/certificates",
                             cases[i].query, ""), 200);

        if (says_times("\"sha256\"") != cases[i].rows) {
            fail_msg("%s: %.*s", cases[i].query, mdm_fmt(&x->response));
        }
    }

    /* one of a device that has not come yet */

    (void) snprintf(query, sizeof(query), "ca=devices&certificate_serial=%s",
                    c->sn);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates", query, ""), 200);
    assert_int_equal(says_times("\"sha256\""), 1);
    assert_true(says(c->sha256) && says("\"serial\":\"S7\""));

    (void) snprintf(query, sizeof(query), "ca=devices&certificate_serial=CD%s",
                    c->sn + 2);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates", query, ""), 200);
    assert_int_equal(says_times("\"sha256\""), 1);
    assert_non_null(strstr(query, "=CD"));

    (void) snprintf(path, sizeof(path), "/v1/certificates/%s", c->sha256);
    assert_int_equal(api(state, MDM_GET, path, "", ""), 200);
    assert_true(says("\"state\":\"issued\""));
    assert_int_equal(api(state, MDM_GET, path, "format=pem", ""), 200);
    assert_true(says("-----BEGIN CERTIFICATE-----\nbm8gcmVhbCBjZXJ0"));
    assert_int_equal(api(state, MDM_GET, path, "format=der", ""), 400);

    path[20]++;
    assert_int_equal(api(state, MDM_GET, path, "", ""), 404);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates/XYZ", "", ""),
                     400);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates",
                         "expires_before=soon", ""), 400);

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "state=gone",
                         ""), 400);

    /* page by page, each once, also of a device that has two */

    a = certificate();
    assert_int_equal(issue(state, a, "", 0, "", ""), 200);
    assert_int_equal(authenticates(state, a, id_is(OTHER), ""), 200);
    assert_int_equal(all_pages(state, "limit=1", &pages), 4);
    assert_in_range(pages, 3, 6);
}


/* those that no device has, whatever became of them */

static void
test_listed_all(void **state)
{
    issued_t    *a, *b, *c;
    mdm_uint_t   i, pages;

    a = enrolled(state);
    b = certificate();
    c = certificate();

    assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW, UDID, ""), 200);
    assert_int_equal(polls(state, b, id_is(UDID)), 200);
    assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, OTHER, ""), 200);

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "state=replaced",
                         ""), 200);
    assert_int_equal(says_times("\"sha256\""), 1);
    assert_true(says(a->sha256));
    assert_true(says("\"id\":\"" UDID "\",\"state\":\"replaced\""));

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "id=" UDID, ""),
                     200);
    assert_int_equal(says_times("\"sha256\""), 2);
    assert_true(says(a->sha256) && says(b->sha256));

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "id=" OTHER, ""),
                     200);
    assert_int_equal(says_times("\"sha256\""), 1);
    assert_true(says(c->sha256));

    /* a pin that was taken away */

    assert_int_equal(api(state, MDM_DELETE, "/v1/enrollments/" UDID
                         "/certificate", "", ""), 204);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "state=replaced",
                         ""), 200);
    assert_int_equal(says_times("\"sha256\""), 2);

    /* one that cannot be read does not hide the others */

    (void) mdm_unit_redis_int(*state, "HSET mdm:{default/cert:%s}:x purpose x",
                              c->sha256);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "", ""), 200);
    assert_int_equal(says_times("\"sha256\""), 2);
    assert_false(says("error"));
    assert_non_null(x->log);

    b = enrolled(state);
    (void) mdm_unit_redis_int(*state, "HSET mdm:{default/cert:%s}:x bind x",
                              b->sha256);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "", ""), 200);
    assert_int_equal(says_times("\"sha256\""), 2);

    /* many, most of which expire at once */

    for (i = 0; i < 250; i++) {
        assert_int_equal(issue(state, certificate(), "", 0, "", ""), 200);
    }

    assert_int_equal(all_pages(state, "limit=7", &pages), 252);
    assert_in_range(pages, 36, 38);
    assert_int_equal(all_pages(state, "limit=7&state=issued", &pages), 250);
    assert_int_equal(all_pages(state, "limit=500", &pages), 252);
    assert_int_equal(pages, 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_faults, fresh),
        cmocka_unit_test_setup(test_half, fresh),
        cmocka_unit_test_setup(test_listed, fresh),
        cmocka_unit_test_setup(test_listed_all, fresh)
    };

    return cmocka_run_group_tests(tests, setup, ended);
}
