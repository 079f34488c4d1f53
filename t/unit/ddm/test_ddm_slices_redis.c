
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is computed of declarations at the sizes that the limits allow, through
 * a real redis-server: each script does a slice of it.  What a script has taken
 * is shown with MDM_MEASURE=1; what is checked is how much work it was.
 */


#include "ddm_redis.h"
#include "ddm_copy.h"
#include "mdm_ddm_rollout.h"


#define T  "mdm:{default/0}"


static int
one_partition(void **state)
{
    static mdm_store_settings_t  store;

    (void) setup(state);

    store = *settings.store;
    store.partitions = 1;
    settings.store = &store;

    measure(redis);

    return 0;
}


static char *
text(const char *lua)
{
    return mdm_unit_redis_str(redis, x->arena, "EVAL %s 0", lua);
}


static void
enrolled(const char *id)
{
    (void) mdm_unit_redis_int(redis, "HSET " T ":e:%s type Device enabled 1 "
                              "serial S-%s", id, id);
    (void) mdm_unit_redis_int(redis, "ZADD " T ":ids 0 %s", id);
}


/* the longest field of the manifest of A */

static mdm_uint_t
longest(void)
{
    return (mdm_uint_t) mdm_unit_redis_int(redis, "EVAL %s 0", "local n = 0 "
        "for _, v in ipairs(redis.call('HVALS', '" T ":dm:' .. redis.call("
        "'HGET', '" T ":e:A', 'dt'))) do n = math.max(n, #v) end return n");
}


/* the pieces of A's manifest, by the script that devices ask; its calls */

static mdm_uint_t
pieces(mdm_str_t *items)
{
    size_t              i;
    mdm_str_t           args[MDM_NARGS_DDM_ITEMS + 1], piece;
    mdm_call_t          call;
    mdm_uint_t          n;
    const mdm_reply_t  *reply;

    memset(&call, 0, sizeof(mdm_call_t));
    memset(args, 0, sizeof(args));
    (void) mdm_unit_redis_int(redis, "HSET " T ":e:A dm before");

    call.script = &mdm_script_ddm_items;
    mdm_str_set(&call.key, T);
    call.args = args;
    call.nargs = MDM_NARGS_DDM_ITEMS;

    mdm_str_set(&args[MDM_ARG_DDM_ITEMS_ID], "A");
    mdm_str_set(&args[MDM_ARG_DDM_ITEMS_DEVICE], "A");
    mdm_str_set(&args[MDM_ARG_DDM_ITEMS_CERT], "C");
    mdm_str_set(&args[MDM_ARG_DDM_ITEMS_WITHHOLD], "0");

    items->data = mdm_arena_alloc(x->arena, 4 * 1024 * 1024);
    items->len = 0;
    n = 0;

    do {
        assert_int_equal(mdm_unit_redis_eval(redis, x->arena, &call),
                         MDM_CALL_OK);
        reply = call.reply;
        assert_int_equal(mdm_reply_code(reply, -1), 0);
        assert_in_range(call.bytes, 0, 700000);

        for (i = MDM_RET_DDM_ITEMS_ITEMS; i < mdm_reply_size(reply); i++) {
            piece = mdm_reply_str(reply, i);
            memcpy(items->data + items->len, piece.data, piece.len);
            items->len += piece.len;
        }

        args[MDM_ARG_DDM_ITEMS_TOKEN] = mdm_reply_str(reply,
                                                  MDM_RET_DDM_ITEMS_TOKEN);
        args[MDM_ARG_DDM_ITEMS_FROM] = mdm_reply_str(reply,
                                                  MDM_RET_DDM_ITEMS_NEXT);
        n++;

        /* declarations of the one before are there until it has all */

        assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS " T ":e:A dm"),
                         args[MDM_ARG_DDM_ITEMS_FROM].len != 0);

    } while (args[MDM_ARG_DDM_ITEMS_FROM].len != 0);

    return n;
}


/* ten sets of a thousand */

static void
test_union(void **state)
{
    json_t     *json;
    mdm_str_t   items;

    (void) state;

    enrolled("A");
    (void) mdm_unit_redis_int(redis, "HSET " T ":e:A cert C");
    copy(redis, 10, 1000, 1000, 0, 0);

    (void) mdm_unit_redis_int(redis, "HSET " T ":d:A s:s0 1 s:s1 1 s:s2 1 "
                              "s:s3 1 s:s4 1 s:s5 1 s:s6 1 s:s7 1 s:s8 1");

    /* none of the scripts has much of it, and the manifest is in pieces */

    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=s9", ""), 204);
    assert_in_range(measured(redis, "union of 10,000", &mdm_script_ddm_assign),
                    80, 600);
    assert_in_range(longest(), 30000, 70000);

    assert_in_range(pieces(&items), 3, 5);
    (void) measured(redis, "its declaration-items", &mdm_script_ddm_items);

    json = json_loadb((char *) items.data, items.len, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_array_size(json_object_get(json_object_get(json,
                         "Declarations"), "Configurations")), 10000);
    assert_string_equal(json_string_value(json_object_get(json,
                                              "DeclarationsToken")),
                        text("return redis.call('HGET', '" T ":e:A', 'dt')"));
    json_decref(json);

    /* what was made once is looked up */

    assert_int_equal(run(MDM_DELETE, "/v1/enrollment-sets/A?set=s9", ""), 204);
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=s9", ""), 204);
    assert_int_equal(redis->rounds, 2);
}


/* variables count, not declarations */

static void
test_variables(void **state)
{
    (void) state;

    enrolled("A");
    copy(redis, 1, 100, 1000, 256, 0);
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=s0", ""), 204);
    assert_in_range(measured(redis, "100 with 256 variables",
                             &mdm_script_ddm_assign), 20, 300);

    /* none has a value */

    assert_string_equal(text("return redis.call('HGET', '" T ":dm:' .. redis."
                             "call('HGET', '" T ":e:A', 'dt'), 'vars')"),
                        "{}");
    assert_string_equal(text("for _, k in ipairs(redis.call('KEYS', '" T
                             ":db:*')) do local v = redis.call('GET', k) "
                             "if string.sub(v, 1, 1) == 'v' then return v end "
                             "end"), "v *");
}


/* a thousand sets, of which each subscribes to others */

static void
test_subscriptions(void **state)
{
    (void) state;

    enrolled("A");
    copy(redis, 1000, 0, 0, 0, 256);
    (void) mdm_unit_redis_int(redis, "EVAL %s 0", "return redis.call('HSET', '"
                              T ":df', 'any', string.rep('\\255', 125))");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-tags/A?tag=x", ""), 204);
    assert_in_range(measured(redis, "1,000 sets with 256 items",
                             &mdm_script_ddm_assign), 400, 2000);
    assert_string_equal(text("return '' .. #cjson.decode(redis.call('HGET', '"
                             T ":dm:' .. redis.call('HGET', '" T ":e:A', 'dt')"
                             ", 'subs'))"), "1000");
}


static void
rollout(void)
{
    mdm_exchange_t  *job;

    job = mdm_exchange_create(&settings);
    assert_non_null(job);

    job->kind = MDM_KIND_JOB;
    job->step = mdm_ddm_rollout_step;
    mdm_str_set(&job->tenant, "default");

    (void) mdm_unit_redis_int(redis, "HSET " T ":ddm rev 4");
    freeReplyObject(mdm_unit_redis_command(redis, "SLOWLOG RESET"));
    mdm_unit_redis_run(redis, job);
    mdm_arena_destroy(job->arena);
}


/* a rollout where channels have many sets, and all that may be given to them */

static void
test_scan(void **state)
{
    int   i;
    char  id[16];

    (void) state;

    copy(redis, 1000, 1, 1, 0, 0);

    for (i = 0; i < 100; i++) {
        (void) snprintf(id, sizeof(id), "C%d", i);
        enrolled(id);
        (void) mdm_unit_redis_int(redis, "HSET " T ":d:%s s:s%d 1 s:s%d 1",
                                  id, i % 7, i % 10);
    }

    rollout();
    rollout();
    (void) measured(redis, "scan of 100, two sets", &mdm_script_ddm_scan);

    (void) mdm_unit_redis_int(redis, "EVAL %s 0", "for i = 0, 99 do "
        "for k = 0, 99 do redis.call('HSET', '" T ":d:C' .. i, "
        "'s:s' .. (i * 7 + k) % 1000, 1) end for k = 1, 64 do "
        "redis.call('HSET', '" T ":d:C' .. i, 't:' .. string.rep('t', 120) "
        ".. k .. '.' .. i, 1, 'v:v' .. k, string.rep('x', 1024)) end end "
        "return 1");
    rollout();
    (void) measured(redis, "scan of 100, all is given", &mdm_script_ddm_scan);

    (void) mdm_unit_redis_int(redis, "EVAL %s 0", "return redis.call('HSET', '"
                              T ":df', 'any', string.rep('\255', 125))");
    rollout();
    (void) measured(redis, "scan of 100, 1,000 sets", &mdm_script_ddm_scan);
    rollout();
    assert_in_range(measured(redis, "the same again", &mdm_script_ddm_scan),
                    100, 600);
    assert_int_equal(mdm_unit_redis_int(redis, "EVAL %s 0", "local n = 0 for i "
        "= 0, 99 do n = n + redis.call('HEXISTS', '" T ":e:C' .. i, 'dt') end "
        "return n"), 100);
}


/* POST /v1/notify for a thousand sets, and for channels with long queues */

static void
test_notify(void **state)
{
    int    i;
    char  *uri, *p;

    (void) state;

    uri = malloc(1000 * 128);
    assert_non_null(uri);

    (void) mdm_unit_redis_int(redis, "EVAL %s 0", "for i = 0, 999 do "
        "redis.call('ZADD', '" D ":sets', 1, string.format('s%091d', i)) end "
        "for i = 0, 199 do redis.call('HSET', '" T ":e:d' .. i, 'type', "
        "'Device', 'enabled', 1, 'q', 'Q', 'dc', 'none') for k = 1, 990 do "
        "redis.call('RPUSH', '" T ":q:d' .. i, string.format('%036d', k)) "
        "end end return 1");

    p = uri + sprintf(uri, "/v1/notify?set=s%091d", 7);

    assert_int_equal(run(MDM_POST, uri, ""), 204);
    assert_int_equal(run(MDM_POST, strcat(uri, "&id=x"), ""), 204);
    freeReplyObject(mdm_unit_redis_command(redis, "SLOWLOG RESET"));

    for (i = 0; i < 200; i++) {
        p += sprintf(p, "&id=d%d", i);
    }

    assert_int_equal(run(MDM_POST, uri, ""), 204);
    assert_in_range(measured(redis, "notify 200 ids", &mdm_script_ddm_notify),
                    4, 4);

    p = uri + sprintf(uri, "/v1/notify?set=s%091d", 0);

    for (i = 1; i < 1000; i++) {
        p += sprintf(p, "&set=s%091d", i);
    }

    freeReplyObject(mdm_unit_redis_command(redis, "SLOWLOG RESET"));

    assert_int_equal(run(MDM_POST, uri, ""), 204);
    assert_in_range(measured(redis, "notify 1,000 sets",
                             &mdm_script_ddm_force), 5, 5);
    assert_int_equal(mdm_unit_redis_int(redis, "ZCARD " D ":force"), 1000);

    free(uri);
}


#define test(name)                                                            \
    cmocka_unit_test_setup_teardown(name, one_partition, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        test(test_union),
        test(test_variables),
        test(test_subscriptions),
        test(test_scan),
        test(test_notify)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  mdm_unit_redis_teardown);
}
