
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * How many bytes of results are kept, with a real redis-server.
 */


#include "device.h"

#include <stdlib.h>
#include <unistd.h>


#define T  "mdm:{default/0}"
#define R  T ":r:" UDID ":"


/* an answer with so many bytes, that deflate makes no smaller */

static void
answer(void **state, const char *uuid, size_t size)
{
    char         *body;
    size_t        i, len;
    static char   letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
                              "stuvwxyz0123456789+/";

    body = malloc(size + 1024);
    assert_non_null(body);

    len = (size_t) sprintf(body, "<?xml version=\"1.0\"?><plist "
                           "version=\"1.0\"><dict>" id_is(UDID)
                           "<key>Status</key><string>Acknowledged</string>"
                           "<key>CommandUUID</key><string>%s</string>"
                           "<key>Answer</key><string>", uuid);

    for (i = 0; i < size; i++) {
        body[len++] = letters[random() % 64];
    }

    (void) strcpy(body + len, "</string></dict></plist>");

    assert_int_equal(send_raw(state, MDM_KIND_CONNECT, CERT_A, body), 200);

    free(body);
}


/* which of u0, u1, … have a body still, as a string of 0 and 1 */

static void
bodies(void **state, const char *expected)
{
    char  uuid[16], found[64];
    int   i;

    for (i = 0; expected[i] != '\0'; i++) {
        (void) snprintf(uuid, sizeof(uuid), "u%d", i);
        found[i] = redis_int("HEXISTS " R "%s body", uuid) ? '1' : '0';

        /* status and tombstone stay */

        assert_string_equal(redis_str("HGET " R "%s status", uuid),
                            "Acknowledged");
        assert_int_equal(redis_int("EVAL %s 0 %s", "return redis.call("
                         "'ZSCORE', '" T ":done:" UDID "', ARGV[1]) and 1 or "
                         "0", uuid), 1);
    }

    found[i] = '\0';
    assert_string_equal(found, expected);
}


/* the sum that is counted is that of the bodies that are there */

static void
exact(void **state, const char *account)
{
    long long  kept;

    kept = redis_int("EVAL %s 0 %s",
        "local n = 0 for _, k in ipairs(redis.call('KEYS', '" R "*')) do "
        "local v = redis.call('HMGET', k, 'body', 'known') "
        "if v[1] and v[2] == ARGV[1] then n = n + #v[1] end end return n",
        (*account == 'k') ? "1" : "0");

    assert_int_equal(redis_int("HGET " T ":rb:" UDID " %s", account), kept);
    assert_true(kept <= (long long) settings.result_bytes);
}


static void
fill(void **state, int from, int to, size_t size)
{
    char  uuid[16];

    for ( /* void */ ; from < to; from++) {
        (void) snprintf(uuid, sizeof(uuid), "u%d", from);
        assert_true(enqueue(state, UDID, uuid));
        answer(state, uuid, size);
    }
}


static void
test_budget(void **state)
{
    settings.result_bytes = 60000;

    enroll(state, CERT_A);

    /* about 7,600 bytes each, compressed */

    fill(state, 0, 7, 10000);
    bodies(state, "1111111");
    exact(state, "k");

    fill(state, 7, 9, 10000);
    bodies(state, "001111111");
    exact(state, "k");

    assert_string_equal(redis_str("EVAL %s 0",
        "local e = redis.call('XRANGE', '" T ":events', '-', '+') "
        "local f = e[#e][2] local d = cjson.decode(f[6]) "
        "return f[2] .. ' ' .. #d.command_uuids .. d.command_uuids[1] .. "
        "tostring(d.known) .. tostring(d.bytes > 7000)"),
        "mdm.ResultsDropped 1u1truetrue");
}


static void
test_large(void **state)
{
    settings.result_bytes = 60000;

    enroll(state, CERT_A);
    fill(state, 0, 4, 10000);

    /* one that has no room by itself takes no other's */

    fill(state, 4, 5, 200000);
    bodies(state, "11110");
    exact(state, "k");

    /* one that takes the place of several */

    fill(state, 5, 6, 60000);
    bodies(state, "000101");
    exact(state, "k");
}


/* what nobody asked for has a sixteenth */

static void
test_unknown(void **state)
{
    int   i;
    char  uuid[16];

    settings.result_bytes = 160000;

    enroll(state, CERT_A);
    fill(state, 0, 2, 10000);

    for (i = 2; i < 8; i++) {
        (void) snprintf(uuid, sizeof(uuid), "u%d", i);
        answer(state, uuid, 5000);
    }

    bodies(state, "11000011");
    exact(state, "k");
    exact(state, "u");

    /* results without a CommandUUID replace each other */

    for (i = 0; i < 5; i++) {
        answer(state, "", 3000);
        assert_int_equal(redis_int("HEXISTS " R " body"), 1);
        exact(state, "u");
    }

    bodies(state, "11000001");
}


/* what has expired does not count */

static void
test_expired(void **state)
{
    settings.result_bytes = 20000;
    settings.result_ttl = 1;

    enroll(state, CERT_A);
    fill(state, 0, 2, 10000);

    settings.result_ttl = 3600;
    (void) usleep(300000);
    redis_int("PERSIST " T ":rk:" UDID);
    redis_int("PERSIST " T ":rb:" UDID);
    redis_int("PERSIST " T ":done:" UDID);
    (void) usleep(900000);

    assert_int_equal(redis_int("EXISTS " R "u0"), 0);

    fill(state, 2, 4, 10000);
    assert_int_equal(redis_int("HEXISTS " R "u2 body"), 1);
    assert_int_equal(redis_int("HEXISTS " R "u3 body"), 1);
    exact(state, "k");
    assert_int_equal(redis_int("LLEN " T ":rk:" UDID), 2);
}


/* the list does not grow behind the results */

static void
test_entries(void **state)
{
    int  i;

    settings.result_bytes = 0;
    settings.queue_limit = 5;

    enroll(state, CERT_A);

    for (i = 0; i < 40; i++) {
        fill(state, i, i + 1, 100);
    }

    assert_int_equal(redis_int("ZCARD " T ":done:" UDID), 5);
    assert_in_range(redis_int("LLEN " T ":rk:" UDID), 5, 6);
}


/* many small ones for a large one: a bounded script */

static void
test_many(void **state)
{
    settings.result_bytes = 200000;
    settings.queue_limit = 1000;

    enroll(state, CERT_A);
    fill(state, 0, 600, 200);
    exact(state, "k");

    fill(state, 600, 601, 250000);
    assert_int_equal(redis_int("HEXISTS " R "u600 body"), 1);
    assert_int_equal(redis_int("HEXISTS " R "u100 body"), 0);
    exact(state, "k");
}


static int
prepare(void **state)
{
    settings.result_bytes = 0;
    settings.result_ttl = 3600;
    settings.queue_limit = 20;
    srandom(11);

    return clean(state);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_budget, prepare),
        cmocka_unit_test_setup(test_large, prepare),
        cmocka_unit_test_setup(test_unknown, prepare),
        cmocka_unit_test_setup(test_expired, prepare),
        cmocka_unit_test_setup(test_entries, prepare),
        cmocka_unit_test_setup(test_many, prepare)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
