
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Large calls of the API through a real redis-server: none of their scripts
 * does more than a few milliseconds of work.
 */


#include <stdlib.h>

#include "api_redis.h"


#define DDM  "mdm:{default/ddm}"


/* what the calls of a script were */

typedef struct {
    const mdm_script_t       *script;
    mdm_uint_t                calls;
    mdm_uint_t                most;        /* arguments of one */
} seen_t;


static mdm_unit_fault_e
look(mdm_call_t *call, mdm_uint_t n, void *data)
{
    seen_t  *seen = data;

    (void) n;

    if (call->script == seen->script) {
        seen->calls++;
        seen->most = (call->nargs > seen->most) ? call->nargs : seen->most;
    }

    return MDM_UNIT_FAULT_NONE;
}


static void
watch(seen_t *seen, const mdm_script_t *script)
{
    memset(seen, 0, sizeof(seen_t));
    seen->script = script;

    redis->fault = look;
    redis->fault_data = seen;
}


/* enrolled without their messages */

static void
fleet(mdm_uint_t n)
{
    freeReplyObject(mdm_unit_redis_command(redis, "EVAL %s 1 %s %lu",
                        "for i = 0, ARGV[1] - 1 do "
                        "redis.call('HSET', KEYS[1] .. ':e:d' .. i, "
                        "'type', 'Device', 'enabled', 1) end",
                        tag("d"), (unsigned long) n));
}


/* "/v1/PATH/d0,d1,…"; to be freed */

static char *
path(const char *name, mdm_uint_t n)
{
    char        *uri, *p;
    mdm_uint_t   i;

    uri = malloc(512 + 12 * n);
    assert_non_null(uri);

    p = uri + sprintf(uri, "/v1/%s/d0", name);

    for (i = 1; i < n; i++) {
        p += sprintf(p, ",d%lu", (unsigned long) i);
    }

    return uri;
}


static mdm_uint_t
enqueue_all(mdm_uint_t n, const char *uuid)
{
    char         *uri;
    mdm_uint_t    status;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(1024);
    uri = path("enqueue", n);

    status = run(MDM_PUT, uri, mdm_unit_api_command(arena, uuid,
                                                    "ProfileList"));
    free(uri);
    mdm_arena_destroy(arena);

    return status;
}


static void
test_enqueue(void **state)
{
    seen_t  seen;

    (void) state;

    mdm_unit_store.partitions = 1;

    fleet(10000);
    watch(&seen, &mdm_script_enqueue);

    assert_int_equal(enqueue_all(10000, "U1"), 200);
    assert_int_equal(seen.calls, 100);
    assert_int_equal(seen.most, MDM_NARGS_ENQUEUE + 100);

    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:c:U1 refs", tag("d")),
                     10000);
    assert_int_equal(mdm_unit_redis_int(redis, "XLEN %s:events", tag("d")),
                     100);

    /* again: nothing is queued twice, whatever the cuts are */

    assert_int_equal(enqueue_all(9900, "U1"), 200);
    assert_int_equal(json_array_size(json_object_get(mdm_unit_api_json(x),
                                                     "already")), 9900);
    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:c:U1 refs", tag("d")),
                     10000);
}


/* each queue is looked through for the command: a long one is work, too */

static void
test_enqueue_long(void **state)
{
    seen_t       seen;
    mdm_uint_t   i;
    const char  *d;

    (void) state;

    mdm_unit_store.partitions = 1;
    settings.queue_limit = 3000;
    d = tag("d");

    fleet(250);

    for (i = 0; i < 250; i++) {
        freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:e:d%lu q U0",
                                               d, (unsigned long) i));
        freeReplyObject(mdm_unit_redis_command(redis, "EVAL %s 1 %s:q:d%lu %d",
                            "for i = 1, tonumber(ARGV[1]) do "
                            "redis.call('RPUSH', KEYS[1], 'V' .. i) end", d,
                            (unsigned long) i, (i == 249) ? 2999 : 2560));
    }

    watch(&seen, &mdm_script_enqueue);

    assert_int_equal(enqueue_all(250, "U1"), 207);

    /* 11 for each of the queues: 10 of them a call */

    assert_int_equal(seen.calls, 25);

    /* a failure in the last call is that of its own id */

    assert_int_equal(json_object_size(json_object_get(mdm_unit_api_json(x),
                                                      "status")), 1);
    assert_string_equal(mdm_unit_api_text(x, "status/d249/command_error"),
                        "the queue is full");
    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:c:U1 refs", d), 249);

    for (i = 0; i < 249; i++) {
        assert_int_equal(mdm_unit_redis_int(redis, "LLEN %s:q:d%lu", d,
                                            (unsigned long) i), 2561);
    }
}


static void
test_queue_clear(void **state)
{
    char        *uri, uuid[16];
    seen_t       seen;
    mdm_uint_t   i;

    (void) state;

    mdm_unit_store.partitions = 1;

    fleet(10000);
    assert_int_equal(enqueue_all(10000, "U1"), 200);

    uri = path("queue", 10000);
    watch(&seen, &mdm_script_queue_clear);

    assert_int_equal(run(MDM_DELETE, uri, ""), 204);
    assert_int_equal(seen.calls, 500);
    assert_int_equal(count("*:c:*"), 0);
    assert_int_equal(mdm_unit_redis_int(redis, "XLEN %s:events", tag("d")),
                     600);
    free(uri);

    /* 50 queues of 100 commands are some calls; what one of them has set aside
       is gone with the next */

    for (i = 0; i < 100; i++) {
        (void) sprintf(uuid, "V%lu", (unsigned long) i);
        assert_int_equal(enqueue_all(50, uuid), 200);
    }

    uri = path("queue", 50);
    watch(&seen, &mdm_script_queue_clear);

    assert_int_equal(run(MDM_DELETE, uri, ""), 204);
    assert_in_range(seen.calls, 18, 26);
    assert_int_equal(run(MDM_DELETE, "/v1/queue/d0", ""), 204);
    assert_int_equal(count("*:c:*"), 0);
    free(uri);
}


/* the budget is spent when it comes to a queue of a single command */

static void
test_queue_clear_spent(void **state)
{
    char        *uri, uuid[16];
    mdm_uint_t   i;

    (void) state;

    mdm_unit_store.partitions = 1;

    fleet(20);

    for (i = 0; i < 40; i++) {
        (void) sprintf(uuid, "V%lu", (unsigned long) i);
        assert_int_equal(enqueue_all(5, uuid), 200);
    }

    assert_int_equal(enqueue_all(20, "U1"), 200);

    uri = path("queue", 20);

    assert_int_equal(run(MDM_DELETE, uri, ""), 204);
    assert_int_equal(count("*:c:*"), 0);
    assert_int_equal(count("*:q:*"), 0);
    free(uri);
}


static void
test_notify(void **state)
{
    char        *uri, *p;
    seen_t       seen;
    mdm_uint_t   i, k;

    (void) state;

    /* 50 declarations in each of 400 sets */

    for (i = 0; i < 50; i++) {
        freeReplyObject(mdm_unit_redis_command(redis, "HSET " DDM ":d:d%lu "
                                               "kind c", (unsigned long) i));

        for (k = 0; k < 400; k++) {
            freeReplyObject(mdm_unit_redis_command(redis, "SADD " DDM
                                                   ":in:d%lu s%lu",
                                                   (unsigned long) i,
                                                   (unsigned long) k));
        }
    }

    for (k = 0; k < 401; k++) {
        freeReplyObject(mdm_unit_redis_command(redis, "ZADD " DDM ":sets 1 "
                                               "s%lu", (unsigned long) k));
    }

    uri = malloc(4096);
    assert_non_null(uri);

    p = uri + sprintf(uri, "/v1/notify?set=s400&set=s0");

    for (i = 0; i < 50; i++) {
        p += sprintf(p, "&declaration=d%lu", (unsigned long) i);
    }

    watch(&seen, &mdm_script_ddm_sets_of);

    assert_int_equal(run(MDM_POST, uri, ""), 204);
    assert_non_null(x->kick);
    assert_in_range(seen.calls, 15, 17);
    assert_int_equal(mdm_unit_redis_int(redis, "ZCARD " DDM ":force"), 401);
    assert_int_equal(mdm_unit_redis_int(redis, "ZCOUNT " DDM ":sets 1 3"), 401);
    assert_int_equal(mdm_unit_redis_int(redis, "ZCOUNT " DDM ":sets 1 1"), 200);
    assert_int_equal(mdm_unit_redis_int(redis, "XLEN " DDM ":events"), 3);

    /* what is not there changes nothing, wherever it stands */

    (void) sprintf(p, "&declaration=none");
    assert_int_equal(run(MDM_POST, uri, ""), 404);
    assert_string_equal(mdm_unit_api_text(x, "error"),
                        "there is no declaration \"none\"");
    (void) sprintf(p, "&set=none");
    assert_int_equal(run(MDM_POST, uri, ""), 404);
    assert_string_equal(mdm_unit_api_text(x, "error"),
                        "there is no set \"none\"");
    assert_int_equal(run(MDM_POST, "/v1/notify?set=s1&set=none", ""), 404);
    assert_string_equal(mdm_unit_api_text(x, "error"),
                        "there is no set \"none\"");
    assert_int_equal(mdm_unit_redis_int(redis, "HGET " DDM ":meta rev"), 3);
    assert_int_equal(mdm_unit_redis_int(redis, "XLEN " DDM ":events"), 3);

    /* one that is in no set */

    freeReplyObject(mdm_unit_redis_command(redis, "HSET " DDM ":d:lone kind "
                                           "c"));
    assert_int_equal(run(MDM_POST, "/v1/notify?declaration=lone", ""), 204);
    assert_null(x->kick);
    assert_int_equal(run(MDM_POST, "/v1/notify?declaration=lone&set=s7", ""),
                     204);
    assert_non_null(x->kick);
    assert_int_equal(mdm_unit_redis_int(redis, "ZSCORE " DDM ":force s7"), 4);
    assert_int_equal(mdm_unit_redis_int(redis, "ZSCORE " DDM ":force s8"), 2);

    free(uri);
}


static void
test_list(void **state)
{
    char        text[16];
    seen_t      seen;
    json_t     *list;
    mdm_uint_t  i;

    (void) state;

    for (i = 0; i < 3000; i++) {
        freeReplyObject(mdm_unit_redis_command(redis, "ZADD " DDM ":ids 0 "
                                               "%%3A%04lu",
                                               (unsigned long) i));
    }

    watch(&seen, &mdm_script_ddm_list);

    assert_int_equal(run(MDM_GET, "/v1/declarations", ""), 200);
    assert_int_equal(seen.calls, 4);

    list = mdm_unit_api_json(x);
    assert_int_equal(json_array_size(list), 3000);

    for (i = 0; i < 3000; i++) {
        (void) sprintf(text, ":%04lu", (unsigned long) i);
        assert_string_equal(json_string_value(json_array_get(list, i)), text);
    }

    /* what has no order of its own comes by its bytes */

    freeReplyObject(mdm_unit_redis_command(redis, "SADD " DDM ":s:x b a B _ "
                                           "aa"));

    assert_int_equal(run(MDM_GET, "/v1/set-declarations/x", ""), 200);
    assert_true(mdm_str_is(&x->response, "[\"B\",\"_\",\"a\",\"aa\",\"b\"]"));
}


/* a channel's manifest is read in pages, while it may get another one */

static void
test_manifest(void **state)
{
    char        text[16], body[64];
    seen_t      seen;
    json_t     *list;
    mdm_uint_t  i;

    (void) state;

    mdm_unit_store.partitions = 1;

    fleet(1);

    assert_int_equal(run(MDM_GET, "/v1/enrollment-declarations/d0", ""), 200);

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:e:d0 dt T dts 9 "
                                           "product Mac14,2 os 15.0",
                                           tag("d0")));
    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:dm:T items {} refs "
                                           "1 subs []", tag("d0")));

    for (i = 0; i < 3000; i++) {
        freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:dm:T "
                            "configuration/c%04lu S%lu", tag("d0"),
                            (unsigned long) i, (unsigned long) i));
    }

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:dm:T activation/z "
                                           "Z", tag("d0")));

    watch(&seen, &mdm_script_ddm_manifest);

    assert_int_equal(run(MDM_GET, "/v1/enrollment-declarations/d0", ""), 200);
    assert_in_range(seen.calls, 5, 8);
    assert_string_equal(mdm_unit_api_text(x, "DeclarationsToken"), "T");
    assert_string_equal(mdm_unit_api_text(x, "Declarations/Activations/0/"
                                          "Identifier"), "z");

    list = mdm_unit_api_at(mdm_unit_api_json(x),
                           "Declarations/Configurations");
    assert_int_equal(json_array_size(list), 3000);

    for (i = 0; i < 3000; i++) {
        (void) sprintf(text, "c%04lu", (unsigned long) i);
        (void) sprintf(body, "Declarations/Configurations/%lu/Identifier",
                       (unsigned long) i);
        assert_string_equal(mdm_unit_api_text(x, body), text);
    }
}


/*
 * Channels that have a large manifest each: those of the ids that are written
 * first are read first, and no more of them than a page has room for.
 */

typedef struct {
    mdm_uint_t                begun;
    mdm_uint_t                calls;
    mdm_uint_t                wrong;       /* begun out of turn */
} manifests_t;


static mdm_unit_fault_e
look_manifests(mdm_call_t *call, mdm_uint_t n, void *data)
{
    char          name[16];
    manifests_t  *seen = data;

    (void) n;

    if (call->script == &mdm_script_status_get
        && mdm_str_is(&call->args[MDM_ARG_STATUS_GET_WHAT], "manifests"))
    {
        seen->calls++;

        if (call->args[MDM_ARG_STATUS_GET_CURSOR].len == 0) {
            (void) snprintf(name, sizeof(name), "T%lu",
                            (unsigned long) seen->begun++);
            seen->wrong += !mdm_str_is(&call->args[MDM_ARG_STATUS_GET_NAMES],
                                       name);
        }
    }

    return MDM_UNIT_FAULT_NONE;
}


static void
test_declared(void **state)
{
    char         *uri, next[256];
    size_t        n;
    manifests_t   seen;

    (void) state;

    mdm_unit_store.partitions = 1;

    fleet(60);
    freeReplyObject(mdm_unit_redis_command(redis, "EVAL %s 1 %s",
        "local T = KEYS[1] for i = 0, 59 do "
        "redis.call('HSET', T .. ':e:d' .. i, 'dt', 'T' .. i) "
        "redis.call('HSET', T .. ':sl:d' .. i, "
        "'management.declarations.activations', "
        "'1 [{\"identifier\":\"i\",\"server-token\":\"S' .. i .. '\"}]') "
        "local key = T .. ':dm:T' .. i "
        "redis.call('HSET', key, 'items', '#16', '#1', "
        "'{\"Declarations\":{\"Activations\":[{\"Identifier\":\"i\",' .. "
        "'\"ServerToken\":\"S' .. i .. '\"}]}') "
        "for k = 2, 15 do "
        "redis.call('HSET', key, '#' .. k, string.rep(' ', 65536)) end "
        "redis.call('HSET', key, '#16', '}') end", tag("d")));

    memset(&seen, 0, sizeof(manifests_t));
    redis->fault = look_manifests;
    redis->fault_data = &seen;

    uri = path("declaration-status", 60);
    assert_int_equal(run(MDM_GET, uri, ""), 200);

    /* 36 of them are 32 MB; each is read by four calls or so */

    assert_int_equal(seen.wrong, 0);
    assert_in_range(seen.begun, 36, 52);
    assert_in_range(seen.calls, 4 * 36, 5 * 52);

    assert_true(json_is_true(mdm_unit_api_at(mdm_unit_api_json(x),
                                             "d0/0/current")));
    assert_true(json_is_true(mdm_unit_api_at(mdm_unit_api_json(x),
                                             "d35/0/current")));
    assert_null(json_object_get(mdm_unit_api_json(x), "d52"));

    /* the next page goes on behind them */

    assert_non_null(x->headers);
    n = json_object_size(mdm_unit_api_json(x));
    (void) snprintf(next, sizeof(next), "?cursor=%.*s",
                    (int) x->headers->value.len,
                    (char *) x->headers->value.data);
    assert_int_equal(run(MDM_GET, strcat(uri, next), ""), 200);
    assert_null(x->headers);
    assert_int_equal(n + json_object_size(mdm_unit_api_json(x)), 60);
    assert_true(json_is_true(mdm_unit_api_at(mdm_unit_api_json(x),
                                             "d59/0/current")));

    free(uri);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_enqueue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_enqueue_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_clear, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_clear_spent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_notify, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_declared, setup, teardown)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  mdm_unit_redis_teardown);
}
