
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The copy of the sets that a partition has, through a real redis-server: how
 * it comes there in pages, what is computed from it, and what a failover leaves
 * of it.
 */


#include "ddm_redis.h"
#include "mdm_ddm_rollout.h"


#define T  "mdm:{default/0}"

/* for text in "text": the manifest of a channel, as its token goes by it */
#define MANIFEST(id)                                                          \
    "local T = '" T "' "                                                      \
    "local dt = redis.call('HGET', T .. ':e:" id "', 'dt') "                  \
    "if not dt then return 'none' end "                                       \
    "local all = redis.call('HGETALL', T .. ':dm:' .. dt) "                   \
    "local lines, f, sum = {}, {}, {} "                                       \
    "for i = 1, #all, 2 do "                                                  \
    "    f[all[i]] = all[i + 1] "                                             \
    "    if string.find(all[i], '/') then "                                   \
    "        lines[#lines + 1] = all[i] .. '\\t' "                            \
    "                            .. string.sub(all[i + 1], 1, 40) .. '\\n' "  \
    "    end "                                                                \
    "end "                                                                    \
    "table.sort(lines) "                                                      \
    "local items = f.items "                                                  \
    "if string.sub(items, 1, 1) == '#' then "                                 \
    "    local pieces = tonumber(string.sub(items, 2)) "                      \
    "    items = '' "                                                         \
    "    for i = 1, pieces do items = items .. f['#' .. i] end "              \
    "end "                                                                    \
    "for i = 1, #lines, 400 do "                                              \
    "    sum[#sum + 1] = redis.sha1hex(table.concat(lines, '', i, "           \
    "                                  math.min(i + 399, #lines))) "          \
    "end "                                                                    \
    "sum = #sum > 1 and redis.sha1hex(table.concat(sum)) or sum[1] "          \
    "local json, n = cjson.decode(items), 0 "                                 \
    "for _, list in pairs(json.Declarations) do n = n + #list end "           \
    "if n ~= #lines or sum ~= dt or json.DeclarationsToken ~= dt then "       \
    "    return 'odd ' .. n .. ' ' .. #lines end "                            \
    "return '' .. n "


static int
one_partition(void **state)
{
    static mdm_store_settings_t  store;

    (void) setup(state);

    store = *settings.store;
    store.partitions = 1;
    settings.store = &store;

    return 0;
}


static char *
text(const char *lua)
{
    return mdm_unit_redis_str(redis, x->arena, "EVAL %s 0", lua);
}


/* a rollout, as a worker does it, in "job"; its status */

static mdm_exchange_t  *job;


static mdm_uint_t
rollout(void)
{
    mdm_uint_t  status;

    job = mdm_exchange_create(&settings);
    assert_non_null(job);

    job->kind = MDM_KIND_JOB;
    job->step = mdm_ddm_rollout_step;
    mdm_str_set(&job->tenant, "default");

    mdm_unit_redis_run(redis, job);

    status = job->status;
    mdm_arena_destroy(job->arena);

    return status;
}


static void
enrolled(const char *id)
{
    (void) mdm_unit_redis_int(redis, "HSET " T ":e:%s type Device enabled 1 "
                              "serial S-%s", id, id);
    (void) mdm_unit_redis_int(redis, "ZADD " T ":ids 0 %s", id);
}


/* n declarations in a set, from a number on */

static void
fill(const char *set, mdm_uint_t from, mdm_uint_t n, const char *echo)
{
    char        uri[128], body[256];
    mdm_uint_t  i;

    for (i = from; i < from + n; i++) {
        (void) snprintf(body, sizeof(body), TEST("d%05lu", "%s"),
                        (unsigned long) i, echo);
        (void) run(MDM_PUT, "/v1/declarations?validate=0&nonotify=1", body);
        assert_true(x->status == 204 || x->status == 304);

        (void) snprintf(uri, sizeof(uri), "/v1/set-declarations/%s?declaration"
                        "=d%05lu&nonotify=1", set, (unsigned long) i);
        (void) run(MDM_PUT, uri, "");
        assert_true(x->status == 204 || x->status == 304);
    }
}


static mdm_unit_fault_e
no_changes(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return (call->script == &mdm_script_ddm_changes) ? MDM_UNIT_FAULT_BEFORE
                                                     : MDM_UNIT_FAULT_NONE;
}


static void
test_writes(void **state)
{
    (void) state;

    enrolled("A");

    /* what was put quietly is in the manifest, and is told */

    fill("s", 0, 3, "x");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=s", ""), 204);
    assert_string_equal(text(MANIFEST("A")), "3");
    assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS " T ":e:A dc"), 1);

    /* by a tag and a filter; by a variable */

    fill("t", 3, 1, "${site}");
    assert_int_equal(run(MDM_PUT, "/v1/set-filters/t?nonotify=1",
                         "{\"tag\":[\"la*\"],\"model\":[\"*\"]}"), 204);
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-tags/A?tag=lab", ""), 204);
    assert_string_equal(text(MANIFEST("A")), "4");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-variables/A?variable=site"
                         "&value=x", ""), 204);
    assert_string_equal(text(MANIFEST("A")), "4");
    assert_string_equal(text("return redis.call('HGET', '" T ":dm:' .. redis."
                             "call('HGET', '" T ":e:A', 'dt'), 'vars')"),
                        "{\"site\":\"x\"}");

    /* the rollout has nothing to say to it */

    (void) mdm_unit_redis_int(redis, "HDEL " T ":e:A dc q");
    assert_int_equal(rollout(), 200);
    assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS " T ":e:A dc"), 0);
    assert_string_equal(text("return redis.call('HGET', '" T ":ddm', 'rev')"),
                        text("return redis.call('HGET', '" D ":meta', "
                             "'rev')"));

    /* Redis is away: nothing is answered that does not hold */

    fill("u", 4, 1, "x");
    redis->fault = no_changes;
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=u", ""), 503);
    redis->fault = NULL;
    assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS " T ":d:A s:u"), 0);
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=u", ""), 204);
    assert_string_equal(text(MANIFEST("A")), "5");
}


static void
test_pages(void **state)
{
    char  *token;

    (void) state;

    enrolled("A");
    enrolled("B");

    fill("s", 0, 700, "x");
    fill("t", 600, 700, "x");

    /* more than a page, and a manifest that is more than a slice */

    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=s", ""), 204);
    assert_string_equal(text(MANIFEST("A")), "700");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=t", ""), 204);
    assert_true(redis->rounds > 4);
    assert_string_equal(text(MANIFEST("A")), "1300");

    /* another one that has the same is looked up */

    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/B?set=t", ""), 204);
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/B?set=s", ""), 204);
    assert_int_equal(redis->rounds, 2);
    assert_string_equal(text(MANIFEST("B")), "1300");
    assert_string_equal(text("return redis.call('HGET', '" T ":dm:' .. redis."
                             "call('HGET', '" T ":e:A', 'dt'), 'refs')"), "2");

    token = text("return redis.call('HGET', '" T ":e:A', 'dt')");
    assert_int_equal(strlen(token), 40);

    /* one of them uses a variable: two large ones, of which each has its own */

    assert_int_equal(put(TEST("d00007", "${serial}")), 204);
    assert_int_equal(rollout(), 200);
    assert_string_equal(text(MANIFEST("A")), "1300");
    assert_string_equal(text(MANIFEST("B")), "1300");
    assert_string_not_equal(text("return redis.call('HGET', '" T ":e:A', "
                                 "'dt')"),
                            text("return redis.call('HGET', '" T ":e:B', "
                                 "'dt')"));

    /* what they share is left, and goes by itself */

    assert_int_equal(mdm_unit_redis_int(redis, "EVAL %s 0", "local n = 0 "
        "for _, key in ipairs(redis.call('KEYS', '" T ":dw:*')) do "
        "if redis.call('TTL', key) < 1 or redis.call('TTL', key) > 600 then "
        "return -1 end n = n + 1 end return n"), 3);

    /* one that was touched is one row */

    assert_int_equal(run(MDM_POST, "/v1/declarations/d00650/touch", ""), 204);
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-tags/A?tag=x", ""), 204);
    assert_string_equal(text("return redis.call('HGET', '" T ":dk', "
                             "'configuration/d00650')"),
                        text("return redis.call('HGET', '" D ":d:d00650', "
                             "'token')"));
    assert_int_equal(rollout(), 200);
    assert_string_equal(text(MANIFEST("B")), "1300");
}


/* values with line ends, of which two channels have the same text */

static void
test_line_ends(void **state)
{
    (void) state;

    enrolled("A");
    enrolled("B");

    fill("s", 0, 1, "${a} ${b}");
    (void) mdm_unit_redis_int(redis, "HSET " T ":d:A v:a %s v:b 3", "1\nb=2");
    (void) mdm_unit_redis_int(redis, "HSET " T ":d:B v:a 1 v:b %s", "2\nb=3");

    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=s", ""), 204);
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/B?set=s", ""), 204);
    assert_string_not_equal(text("return redis.call('HGET', '" T ":e:A', "
                                 "'dt')"),
                            text("return redis.call('HGET', '" T ":e:B', "
                                 "'dt')"));
    assert_string_equal(text("return redis.call('HGET', '" T ":dm:' .. redis."
                             "call('HGET', '" T ":e:B', 'dt'), 'vars')"),
                        "{\"a\":\"1\",\"b\":\"2\\nb=3\"}");

    /* models, by which filters go, where what follows from them is kept */

    fill("t", 1, 1, "x");
    assert_int_equal(run(MDM_PUT, "/v1/set-filters/t?nonotify=1",
                         "{\"model\":[\"Mac\"]}"), 204);

    (void) mdm_unit_redis_int(redis, "EVAL %s 0", "redis.call('HSET', '" T
        ":e:A', 'model', 'Mac', 'product', 'x\\nx') "
        "redis.call('HSET', '" T ":e:B', 'model', 'Mac\\nx', 'product', 'x') "
        "redis.call('HDEL', '" T ":d:A', 'v:a', 'v:b') "
        "return redis.call('HDEL', '" T ":d:B', 'v:a', 'v:b')");
    assert_int_equal(rollout(), 200);
    assert_string_equal(text(MANIFEST("A")), "2");
    assert_string_equal(text(MANIFEST("B")), "1");
}


/* what a device has said of itself, and is still to be told of */

static void
test_left(void **state)
{
    (void) state;

    enrolled("A");
    fill("s", 0, 2, "${model}");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=s", ""), 204);
    assert_int_equal(rollout(), 200);

    /* nobody is told of what changes quietly */

    (void) mdm_unit_redis_int(redis, "HDEL " T ":e:A dc q");
    fill("t", 2, 1, "x");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=t&nonotify=1",
                         ""), 204);
    assert_string_equal(text(MANIFEST("A")), "3");
    assert_int_equal(rollout(), 200);
    assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS " T ":e:A dc"), 0);

    /* but then it would be with that, too */

    (void) mdm_unit_redis_int(redis, "HSET " T ":e:A model Mac df mark");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-tags/A?tag=x&nonotify=1",
                         ""), 204);
    assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS " T ":e:A dc"), 1);
}


/* a worker that ended between two pages; what the tenant has lost */

static void
test_failover(void **state)
{
    (void) state;

    enrolled("A");
    fill("s", 0, 700, "x");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=s", ""), 204);
    assert_int_equal(rollout(), 200);

    /* its copy had half of the pages */

    (void) mdm_unit_redis_int(redis, "EVAL %s 0",
        "redis.call('DEL', '" T ":dd', '" T ":ds', '" T ":dk', '" T ":ddm') "
        "return redis.call('HSET', '" T ":ddm', 'in', 0)");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-tags/A?tag=x", ""), 204);
    assert_string_equal(text(MANIFEST("A")), "700");
    assert_int_equal(rollout(), 200);

    /* the tenant has lost changes that the copy has, of it or of a page */

    (void) mdm_unit_redis_int(redis, "EVAL %s 0",
        "redis.call('HSET', '" T ":dk', 'configuration/d00001', "
        "'0123456789012345678901234567890123456789') "
        "return redis.call('HSET', '" T ":ddm', 'in', 999999)");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-tags/A?tag=y", ""), 204);
    assert_string_equal(text("return redis.call('HGET', '" T ":dk', "
                             "'configuration/d00001')"),
                        text("return redis.call('HGET', '" D ":d:d00001', "
                             "'token')"));
    assert_string_equal(text("return redis.call('HGET', '" T ":ddm', 'gen')"),
                        "1");

    (void) mdm_unit_redis_int(redis, "HSET " T ":ddm to 999999 rev 999999");
    (void) mdm_unit_redis_int(redis, "HSET " T ":dk configuration/d00002 "
                              "0123456789012345678901234567890123456789");
    assert_int_equal(rollout(), 200);
    assert_string_equal(text("return redis.call('HGET', '" T ":dk', "
                             "'configuration/d00002')"),
                        text("return redis.call('HGET', '" D ":d:d00002', "
                             "'token')"));
    assert_string_equal(text("return redis.call('HGET', '" T ":ddm', 'gen')"),
                        "2");
    assert_string_equal(text("return redis.call('HGET', '" T ":ddm', 'rev')"),
                        text("return redis.call('HGET', '" D ":meta', "
                             "'rev')"));
    assert_string_equal(text(MANIFEST("A")), "700");
}


/* another worker begins the copy anew, behind the back of one that assigns */

static mdm_unit_fault_e
anew(mdm_call_t *call, mdm_uint_t n, void *data)
{
    mdm_uint_t  *times = data;

    (void) n;

    if (call->script == &mdm_script_ddm_assign && (*times)-- != 0) {
        (void) mdm_unit_redis_int(redis, "EVAL %s 0",
            "redis.call('DEL', '" T ":dd', '" T ":ds', '" T ":dk') "
            "redis.call('HDEL', '" T ":ddm', 'to', 'rev') "
            "redis.call('HINCRBY', '" T ":ddm', 'gen', 1) "
            "return redis.call('HSET', '" T ":ddm', 'in', 0)");
    }

    return MDM_UNIT_FAULT_NONE;
}


static void
test_anew(void **state)
{
    mdm_uint_t  times;

    (void) state;

    enrolled("A");
    fill("s", 0, 3, "x");
    fill("t", 3, 1, "x");
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=s", ""), 204);

    times = 1;
    redis->fault = anew;
    redis->fault_data = &times;
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=t", ""), 204);
    redis->fault = NULL;
    assert_string_equal(text(MANIFEST("A")), "4");
}


/* the copy changes in the middle of a scan, which goes around */

static mdm_uint_t  scans;


static mdm_unit_fault_e
third_scan(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return (call->script == &mdm_script_ddm_scan && ++scans == 3)
           ? MDM_UNIT_FAULT_BEFORE : MDM_UNIT_FAULT_NONE;
}


static void
test_around(void **state)
{
    char        id[16];
    mdm_uint_t  i;

    (void) state;

    for (i = 0; i < 350; i++) {
        (void) snprintf(id, sizeof(id), "X%03lu", (unsigned long) i);
        enrolled(id);
    }

    assert_int_equal(put(TEST("a", "x")), 204);
    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/s?declaration=a", ""),
                     204);
    assert_int_equal(run(MDM_PUT, "/v1/set-filters/s", "{\"type\":[\"Device\"]"
                         "}"), 204);

    scans = 0;
    redis->fault = third_scan;
    assert_int_equal(rollout(), 503);
    redis->fault = NULL;

    assert_true(strlen(text("return redis.call('HGET', '" T ":ddm', 'after')"))
                > 0);

    assert_int_equal(put(TEST("b", "x")), 204);
    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/s?declaration=b", ""),
                     204);
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-tags/X349?tag=x", ""), 204);
    assert_string_equal(text("return redis.call('HGET', '" T ":ddm', 'after')"),
                        text("return redis.call('HGET', '" T ":ddm', "
                             "'stop')"));

    /* and once more when the scan is back at the start */

    (void) mdm_unit_redis_int(redis, "HSET " T ":ddm turn 1");
    (void) mdm_unit_redis_int(redis, "HDEL " T ":ddm after");

    assert_int_equal(put(TEST("c", "x")), 204);
    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/s?declaration=c", ""),
                     204);
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-tags/X349?tag=y", ""), 204);
    assert_int_equal(rollout(), 200);

    assert_string_equal(text("local n = 0 for i = 0, 349 do "
        "local dt = redis.call('HGET', string.format('" T ":e:X%03d', i), "
        "'dt') if redis.call('HLEN', '" T ":dm:' .. dt) == 5 then n = n + 1 "
        "end end return '' .. n"), "350");
    assert_string_equal(text("return cjson.encode(redis.call('HMGET', '" T
                             ":ddm', 'after', 'stop', 'turn'))"),
                        "[false,false,false]");
}


/* the first copy that a partition gets, with channels that are there already */

static void
test_first(void **state)
{
    (void) state;

    enrolled("A");
    fill("s", 0, 1, "x");
    assert_int_equal(run(MDM_PUT, "/v1/set-filters/s?nonotify=1",
                         "{\"type\":[\"Device\"]}"), 204);
    assert_int_equal(rollout(), 200);
    assert_string_equal(text(MANIFEST("A")), "1");
    assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS " T ":e:A dc"), 0);

    assert_int_equal(put(TEST("d00000", "y")), 204);
    assert_int_equal(rollout(), 200);
    assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS " T ":e:A dc"), 1);
}


/* one that is to end counts what it has told by then */

static mdm_unit_fault_e
stop_at_scan(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    job->stop = (call->script == &mdm_script_ddm_scan);

    return MDM_UNIT_FAULT_NONE;
}


static void
test_stopped(void **state)
{
    char        id[16];
    mdm_uint_t  i;

    (void) state;

    for (i = 0; i < 150; i++) {
        (void) snprintf(id, sizeof(id), "X%03lu", (unsigned long) i);
        enrolled(id);
    }

    assert_int_equal(put(TEST("a", "x")), 204);
    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/s?declaration=a", ""),
                     204);
    assert_int_equal(run(MDM_PUT, "/v1/set-filters/s", "{\"type\":[\"Device\"]"
                         "}"), 204);

    redis->fault = stop_at_scan;
    assert_int_equal(rollout(), 202);
    redis->fault = NULL;
    assert_int_equal(rollout(), 200);

    assert_string_equal(text("return cjson.encode(redis.call('HMGET', '" D
                             ":job', 'seen', 'changed', 'queued'))"),
                        "[\"150\",\"150\",\"150\"]");
}


#define test(name)                                                            \
    cmocka_unit_test_setup_teardown(name, one_partition, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        test(test_writes),
        test(test_pages),
        test(test_line_ends),
        test(test_left),
        test(test_failover),
        test(test_anew),
        test(test_around),
        test(test_first),
        test(test_stopped)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  mdm_unit_redis_teardown);
}
