
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST /v1/enrollments/query through a real redis-server.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_api_reindex.h"
#include "mdm_endpoint.h"
#include "mdm_key.h"
#include "mdm_unit_call.h"


#define DEVICES  700
#define PAGES    4000


static mdm_uint_t
query(const char *args, const char *body)
{
    char  uri[1024];

    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    (void) snprintf(uri, sizeof(uri), "/v1/enrollments/query%s", args);

    x = mdm_unit_api_request(&settings, MDM_POST, uri, "application/json",
                             body, strlen(body));

    mdm_unit_redis_run(redis, x);

    return x->status;
}


static json_t *
rows(void)
{
    return json_object_get(mdm_unit_api_json(x), "enrollments");
}


/* users belong to their device; a device to the index, as by the call beside
   the claim */

static void
put_beside(const char *id, const char *more, mdm_uint_t p)
{
    int          n;
    char         key[128];
    const char  *serial;

    n = (int) strcspn(id, ":");
    serial = strstr(more, "serial=");

    if (id[n] == ':') {
        (void) snprintf(key, sizeof(key), "mdm:{default/%lu}:users:%.*s",
                        (unsigned long) p, n, id);

    } else if (serial != NULL) {
        serial += sizeof("serial=") - 1;
        (void) snprintf(key, sizeof(key), "mdm:{default/serial:%.*s}",
                        (int) strcspn(serial, " "), serial);

    } else {
        (void) snprintf(key, sizeof(key), "mdm:none");
    }

    assert_int_equal(redisAppendCommand(redis->context, "SADD %s %s", key,
                                        id), REDIS_OK);
}


/* pipelined: a fleet is written in no time */

static void
put(const char *id, const char *type, const char *more)
{
    mdm_str_t   s;
    mdm_uint_t  p;

    s.data = (u_char *) id;
    s.len = strcspn(id, ":");

    p = mdm_partition(&s, mdm_unit_store.partitions);

    assert_int_equal(redisAppendCommand(redis->context, "ZADD "
                     "mdm:{default/%lu}:ids 0 %s", (unsigned long) p, id),
                     REDIS_OK);
    assert_int_equal(redisAppendCommand(redis->context, "EVAL %s 1 "
                     "mdm:{default/%lu}:e:%s %s %s",
                     "redis.call('HSET', KEYS[1], 'type', ARGV[1], 'tally', "
                     "1, 'last_seen', 1736222686) "
                     "local set = '([%w_]+)=([^ ]+)' "
                     "for k, v in string.gmatch(ARGV[2], set) do "
                     "redis.call('HSET', KEYS[1], k, v) end",
                     (unsigned long) p, id, type, more),
                     REDIS_OK);

    put_beside(id, more, p);
}


static void
flush(mdm_uint_t n)
{
    void  *reply;

    for (n *= 3; n != 0; n--) {
        assert_int_equal(redisGetReply(redis->context, &reply), REDIS_OK);
        assert_int_not_equal(((redisReply *) reply)->type,
                             REDIS_REPLY_ERROR);
        freeReplyObject(reply);
    }
}


/* devices d0 …, every 10th with a user, every 7th disabled */

static mdm_uint_t
fleet(void)
{
    char         id[32], more[128];
    mdm_uint_t   i, n;

    n = 0;

    for (i = 0; i < DEVICES; i++) {
        (void) snprintf(id, sizeof(id), "d%lu", (unsigned long) i);
        (void) snprintf(more, sizeof(more), "serial=S%lu enabled=%d",
                        (unsigned long) i, i % 7 != 0);
        put(id, "Device", more);
        n++;

        if (i % 10 == 0) {
            (void) snprintf(more, sizeof(more), "parent=d%lu enabled=1 "
                            "short_name=user%lu long_name=Long",
                            (unsigned long) i, (unsigned long) i % 3);
            (void) snprintf(id, sizeof(id), "d%lu:U", (unsigned long) i);
            put(id, "User", more);
            n++;
        }
    }

    flush(n);

    return n;
}


/* follows the cursors to the end; how many rows there were, each id once */

static mdm_uint_t
walk(const char *args, const char *body, mdm_uint_t *requests)
{
    char         uri[512], cursor[400];
    size_t       i;
    json_t      *seen, *list;
    const char  *id;
    mdm_uint_t   n;

    seen = json_object();
    cursor[0] = '\0';

    for (n = 0; n < PAGES; n++) {
        (void) snprintf(uri, sizeof(uri), "%s%s%s", args,
                        cursor[0] ? "&cursor=" : "", cursor);

        assert_int_equal(query(uri, body), 200);

        list = rows();
        assert_true(json_is_array(list));

        for (i = 0; i < json_array_size(list); i++) {
            id = json_string_value(json_object_get(json_array_get(list, i),
                                                   "id"));
            assert_non_null(id);
            assert_null(json_object_get(seen, id));
            json_object_set_new(seen, id, json_true());
        }

        if (json_object_get(mdm_unit_api_json(x), "next_cursor") == NULL) {
            break;
        }

        assert_true(strlen(mdm_unit_api_text(x, "next_cursor"))
                    < sizeof(cursor));
        strcpy(cursor, mdm_unit_api_text(x, "next_cursor"));
    }

    assert_true(n < PAGES);

    if (requests != NULL) {
        *requests = n + 1;
    }

    n = json_object_size(seen);
    json_decref(seen);

    return n;
}


static void
test_pages(void **state)
{
    char         args[64];
    mdm_uint_t   all, i;

    static const uint32_t    partitions[] = { 1, 2, 8, 256 };
    static const char       *limits[] = { "1", "7", "100", "499", "1000" };

    (void) state;

    mdm_unit_store.partitions = 8;
    assert_int_equal(query("", ""), 200);
    assert_true(mdm_str_is(&x->response, "{\"enrollments\":[]}"));

    for (i = 0; i < 4; i++) {
        mdm_unit_redis_clean(redis);
        mdm_unit_store.partitions = partitions[i];
        all = fleet();

        for (mdm_uint_t k = (i == 0) ? 0 : 1; k < 5; k++) {
            (void) snprintf(args, sizeof(args), "?limit=%s", limits[k]);
            assert_int_equal(walk(args, "", NULL), all);
        }

        /* an offset counts from the first page on */

        assert_int_equal(walk("?limit=10&offset=0", "{}", NULL), all);
        assert_int_equal(walk("?limit=50&offset=123", "{}", NULL), all - 123);
        assert_int_equal(walk("?limit=50&offset=5000", "{}", NULL), 0);

        assert_int_equal(query("", "{\"filter\":null,\"options\":{}}"), 200);
        assert_int_equal(json_array_size(rows()), 100);
    }
}


static void
test_filters(void **state)
{
    json_t  *row;

    (void) state;

    mdm_unit_store.partitions = 8;
    (void) fleet();

    assert_int_equal(walk("?limit=100", "{\"filter\":{\"enabled\":false}}",
                          NULL), DEVICES / 7);
    assert_int_equal(walk("?limit=100", "{\"filter\":{\"types\":[\"User\"]}}",
                          NULL), DEVICES / 10);
    assert_int_equal(walk("?limit=100", "{\"filter\":{\"types\":[\"User\","
                          "\"Device\"],\"enabled\":true,\"serials\":[],"
                          "\"user_short_names\":null}}", NULL),
                     DEVICES + DEVICES / 10 - DEVICES / 7);
    assert_int_equal(walk("?limit=100", "{\"filter\":{\"user_short_names\":"
                          "[\"user0\",\"user9\"]}}", NULL), 24);

    /* a serial is its users' too */

    assert_int_equal(walk("?limit=3", "{\"filter\":{\"serials\":[\"S20\","
                          "\"S21\",\"S9999\"]}}", NULL), 3);
    assert_int_equal(walk("?limit=3", "{\"filter\":{\"serials\":[\"S20\","
                          "\"S21\"],\"types\":[\"User\"]}}", NULL), 1);
    assert_int_equal(query("", "{\"filter\":{\"serials\":[\"S20\"],\"types\":"
                           "[\"User\"]}}"), 200);

    row = json_array_get(rows(), 0);
    assert_string_equal(json_string_value(json_object_get(row, "id")),
                        "d20:U");
    assert_string_equal(json_string_value(mdm_unit_api_at(row,
                                          "device/serial_number")), "S20");
    assert_string_equal(json_string_value(mdm_unit_api_at(row,
                                          "user/user_short_name")), "user2");
    assert_string_equal(json_string_value(mdm_unit_api_at(row, "last_seen")),
                        "2025-01-07T04:04:46Z");
    assert_int_equal(json_integer_value(json_object_get(row,
                                              "token_update_tally")), 1);
    assert_true(json_is_true(json_object_get(row, "enabled")));

    /* by id: only these are looked up, in one round */

    assert_int_equal(query("", "{\"filter\":{\"ids\":[\"d1\",\"d2\",\"d1\","
                           "\"nobody\",\"d20:U\",\"d7\"]}}"), 200);
    assert_int_equal(json_array_size(rows()), 4);
    assert_int_equal(redis->rounds, 1);
    assert_null(json_object_get(mdm_unit_api_json(x), "next_cursor"));

    assert_int_equal(walk("?limit=1", "{\"filter\":{\"ids\":[\"d1\",\"d2\","
                          "\"d3\",\"d4\",\"d5\",\"d20:U\",\"d7\"],"
                          "\"enabled\":true}}", NULL), 6);
    assert_int_equal(walk("?limit=2&offset=3", "{\"filter\":{\"ids\":[\"d1\","
                          "\"d2\",\"d3\",\"d4\",\"d5\",\"d20:U\",\"d7\"]}}",
                          NULL), 4);

    settings.api_ids = 2;
    assert_int_equal(query("", "{\"filter\":{\"ids\":[\"1\",\"2\",\"3\"]}}"),
                     400);
}


static void
test_options(void **state)
{
    char         der[100];
    mdm_uint_t   i;

    (void) state;

    mdm_unit_store.partitions = 1;

    put("d", "Device", "serial=S enabled=1");
    put("e%0A", "Device", "serial=T");
    flush(2);

    for (i = 0; i < sizeof(der); i++) {
        der[i] = (char) i;
    }

    freeReplyObject(mdm_unit_redis_command(redis, "SET mdm:{default/0}:crt:d "
                                           "%b", der, sizeof(der)));
    freeReplyObject(mdm_unit_redis_command(redis, "HSET mdm:{default/0}:u:d "
                                           "unlock %b", "a\0b", (size_t) 3));

    assert_int_equal(query("", "{\"options\":{\"include_device_cert\":true,"
                           "\"include_unlock_token\":true}}"), 200);
    assert_string_equal(mdm_unit_api_text(x,
                                          "enrollments/0/device/unlock_token"),
                        "YQBi");
    assert_string_equal(mdm_unit_api_text(x,
                                          "enrollments/0/device/device_cert"),
        "-----BEGIN CERTIFICATE-----\n"
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\n"
        "MDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5f\n"
        "YGFiYw==\n-----END CERTIFICATE-----\n");
    assert_string_equal(mdm_unit_api_text(x, "enrollments/1/id"), "e\n");

    assert_int_equal(query("", ""), 200);
    assert_null(mdm_unit_api_at(rows(), "0/device/device_cert"));
    assert_null(mdm_unit_api_at(rows(), "0/device/unlock_token"));
}


/* a request does not go through a whole fleet: it answers with a cursor */

static void
test_bounds(void **state)
{
    char         id[32], more[64];
    mdm_uint_t   i, p, requests;

    (void) state;

    for (p = 1; p <= 256; p *= 256) {
        mdm_unit_redis_clean(redis);
        mdm_unit_store.partitions = (uint32_t) p;

        for (i = 0; i < 45000; i++) {
            (void) snprintf(id, sizeof(id), "d%05lu", (unsigned long) i);
            (void) snprintf(more, sizeof(more), "serial=S%lu enabled=1 "
                            "short_name=N%lu", (unsigned long) i,
                            (unsigned long) i);
            put(id, "Device", more);

            if (i % 1000 == 999) {
                flush(1000);
            }
        }

        redis->calls = 0;

        assert_int_equal(query("", "{\"filter\":{\"user_short_names\":"
                               "[\"N44999\"]}}"), 200);
        assert_true(redis->calls <= 120);
        assert_true(redis->round_calls <= 16);

        assert_int_equal(walk("?limit=10", "{\"filter\":{"
                              "\"user_short_names\":[\"N44999\",\"N1\","
                              "\"N25000\"]}}", &requests),
                         3);
        assert_in_range(requests, 3, 5);

        /* but a serial number is known where it is */

        redis->calls = 0;

        assert_int_equal(walk("?limit=10", "{\"filter\":{\"serials\":"
                              "[\"S44999\",\"S1\",\"S25000\"]}}", &requests),
                         3);
        assert_int_equal(requests, 1);
        assert_true(redis->calls <= 6);

        /* the first page of all costs little */

        redis->calls = 0;
        assert_int_equal(query("", ""), 200);
        assert_int_equal(json_array_size(rows()), 100);
        assert_true(redis->calls <= 3);
    }
}


static void
get(const char *args)
{
    char  uri[1024];

    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    (void) snprintf(uri, sizeof(uri), "/v1/enrollments%s", args);

    x = mdm_unit_api_request(&settings, MDM_GET, uri, NULL, NULL, 0);

    mdm_unit_redis_run(redis, x);
}


static long long
members(const char *serial)
{
    long long    n;
    redisReply  *reply;

    reply = redisCommand(redis->context, "SCARD mdm:{default/serial:%s}",
                         serial);
    assert_non_null(reply);

    n = reply->integer;
    freeReplyObject(reply);

    return n;
}


static void
command(const char *text)
{
    redisReply  *reply;

    reply = redisCommand(redis->context, text);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
}


static void
test_serials(void **state)
{
    (void) state;

    mdm_unit_store.partitions = 8;
    (void) fleet();

    get("?serial=S20&serial=S21&serial=S20");
    assert_int_equal(x->status, 200);
    assert_int_equal(json_array_size(rows()), 3);

    get("");
    assert_int_equal(x->status, 400);
    get("?serial=");
    assert_int_equal(x->status, 400);
    get("?serial=%zz");
    assert_int_equal(x->status, 400);
    get("?serial=none");
    assert_int_equal(x->status, 200);
    assert_int_equal(json_array_size(rows()), 0);

    /* pages */

    get("?serial=S20&serial=S21&serial=S30&limit=2");
    assert_int_equal(json_array_size(rows()), 2);
    assert_string_not_equal(mdm_unit_api_text(x, "next_cursor"), "");

    /* both lists, and one that only the scan can find */

    assert_int_equal(walk("?limit=3", "{\"filter\":{\"serials\":[\"S20\","
                          "\"S21\"],\"ids\":[\"d21\",\"d20:U\",\"d1\"]}}",
                          NULL), 2);
    assert_int_equal(walk("?limit=100", "{\"filter\":{\"serials\":[\"\","
                          "\"S21\"],\"types\":[\"Device\"]}}", NULL), 1);

    /* gone, another number, and the same in other letters */

    command("SADD mdm:{default/serial:S20} d21 gone d22 d23:U");
    command("SADD mdm:{default/serial:S9} d9");

    get("?serial=S20");
    assert_int_equal(json_array_size(rows()), 2);
    assert_int_equal(members("S20"), 2);

    get("?serial=s9&serial=S9");
    assert_int_equal(json_array_size(rows()), 1);
    assert_int_equal(members("S9"), 1);
}


/* devices with a thousand users each go in slices */

static void
test_serial_users(void **state)
{
    char        id[32];
    mdm_uint_t  i, k, requests;

    (void) state;

    mdm_unit_store.partitions = 1;

    for (i = 0; i < 5; i++) {
        (void) snprintf(id, sizeof(id), "d%lu", (unsigned long) i);
        put(id, "Device", "serial=SAME enabled=1");

        for (k = 0; k < 999; k++) {
            (void) snprintf(id, sizeof(id), "d%lu:u%lu", (unsigned long) i,
                            (unsigned long) k);
            put(id, "User", (i == 0) ? "parent=d0" : (i == 1) ? "parent=d1"
                            : (i == 2) ? "parent=d2" : (i == 3) ? "parent=d3"
                            : "parent=d4");
        }
    }

    flush(5000);

    assert_int_equal(walk("?limit=1000", "{\"filter\":{\"serials\":"
                          "[\"SAME\"]}}", &requests), 5000);
    assert_in_range(requests, 5, 6);
}


/* what enrolled before there was an index */

static void
test_reindex(void **state)
{
    mdm_uint_t          i;
    mdm_api_reindex_t  *re;

    (void) state;

    mdm_unit_store.partitions = 8;
    (void) fleet();

    freeReplyObject(mdm_unit_redis_command(redis, "EVAL %s 0",
        "for _, key in ipairs(redis.call('KEYS', 'mdm:{default/serial:*}')) "
        "do redis.call('DEL', key) end"));

    get("?serial=S20");
    assert_int_equal(json_array_size(rows()), 0);

    for (i = 0; i < 2; i++) {
        mdm_arena_destroy(x->arena);

        x = mdm_exchange_create(&settings);
        x->kind = MDM_KIND_JOB;
        x->step = mdm_api_reindex_step;
        mdm_str_set(&x->tenant, "default");

        re = mdm_arena_zalloc(x->arena, sizeof(mdm_api_reindex_t));
        x->ctx = re;

        mdm_unit_redis_run(redis, x);

        assert_int_equal(x->status, 200);
        assert_int_equal(re->more, 0);
        assert_int_equal(re->added, i ? 0 : DEVICES);
        assert_int_equal(re->devices, DEVICES);
        assert_int_equal(re->seen, DEVICES + DEVICES / 10);
    }

    get("?serial=S20&serial=S699");
    assert_int_equal(json_array_size(rows()), 3);
}


/* 10,000 serials to 256 partitions: 10 MB went to each before */

static void
test_serial_many(void **state)
{
    char        *body, *p, id[32], more[64];
    size_t       sent;
    mdm_uint_t   i;

    (void) state;

    mdm_unit_store.partitions = 256;

    body = malloc(200000);
    assert_non_null(body);
    p = body + sprintf(body, "{\"filter\":{\"serials\":[");

    for (i = 0; i < 10000; i++) {
        (void) snprintf(id, sizeof(id), "d%lu", (unsigned long) i);
        (void) snprintf(more, sizeof(more), "serial=SERIAL%lu",
                        (unsigned long) i);

        if (i % 10 == 0) {
            put(id, "Device", more);
        }

        p += sprintf(p, "%s\"SERIAL%lu\"", i ? "," : "", (unsigned long) i);
    }

    (void) sprintf(p, "]}}");

    flush(1000);

    redis->calls = 0;
    redis->bytes = 0;

    assert_int_equal(query("?limit=1000", body), 200);
    assert_int_equal(json_array_size(rows()), 1000);
    assert_true(redis->calls <= 10256);

    sent = redis->bytes;
    print_message("%zu bytes in %lu calls\n", sent,
                  (unsigned long) redis->calls);
    assert_true(sent < 4 * 1024 * 1024);

    free(body);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_filters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serial_users, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serial_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reindex, setup, teardown),
        cmocka_unit_test_setup_teardown(test_options, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  mdm_unit_redis_teardown);
}
