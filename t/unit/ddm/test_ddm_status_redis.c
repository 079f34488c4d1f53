
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Status reports at the sizes that the limits allow, through a real
 * redis-server: each script stores a part.  MDM_MEASURE=1 shows what they have
 * taken.
 */


#include "device.h"
#include "ddm_copy.h"
#include "mdm_ddm_store.h"


#define T  "mdm:{default/0}"

/* as mdm_api_status_query.c asks */
#define MDM_TEST_ROWS  "80"

#define SIZE  (8 * 1024 * 1024)


static mdm_unit_redis_t  *redis;
static char              *json, *body;


static int
begin(void **state)
{
    (void) mdm_unit_redis_setup(state);

    redis = *state;
    measure(redis);

    json = malloc(SIZE);
    body = malloc(2 * SIZE);
    assert_true(json != NULL && body != NULL);

    return clean(state);
}


static int
end(void **state)
{
    free(json);
    free(body);

    return teardown(state);
}


/*
 * A report of n values, whose names have "name" bytes and which have "value"
 * themselves, of which the first "same" are those of every other report.
 */

static mdm_uint_t
status(void **state, int n, int name, int value, int round, int same, int full)
{
    int           i;
    char         *p;
    mdm_str_t     s, data;
    mdm_arena_t  *arena;

    p = json + sprintf(json, "{\"StatusItems\":{\"x\":{");

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s\"n%0*d\":\"%0*d\"", (i != 0) ? "," : "", name, i,
                     value, (i < same) ? 0 : round);
    }

    p += sprintf(p, "}}%s}", full ? ",\"FullReport\":true" : "");

    arena = mdm_arena_create(4096);
    s.data = (u_char *) json;
    s.len = (size_t) (p - json);
    assert_int_equal(mdm_base64(arena, &data, &s), MDM_OK);

    (void) sprintf(body, "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>"
                   "<key>MessageType</key><string>DeclarativeManagement"
                   "</string>" id_is(UDID) "<key>Endpoint</key><string>status"
                   "</string><key>Data</key><data>%.*s</data></dict></plist>",
                   (int) data.len, (char *) data.data);

    mdm_arena_destroy(arena);
    freeReplyObject(mdm_unit_redis_command(redis, "SLOWLOG RESET"));

    return send_raw(state, MDM_KIND_CHECKIN, CERT_A, body);
}


static void
test_parts(void **state)
{
    enroll(state, CERT_A);
    assert_int_equal(status(state, 3, 5, 5, 1, 0, 0), 200);

    assert_int_equal(status(state, 500, 5, 5, 2, 0, 0), 200);
    (void) measured(redis, "500 new short values", &mdm_script_ddm_status);
    assert_int_equal(status(state, 500, 5, 5, 3, 0, 0), 200);
    (void) measured(redis, "500 changed short values", &mdm_script_ddm_status);
    assert_int_equal(status(state, 10000, 5, 5, 4, 0, 1), 200);
    assert_in_range(measured(redis, "10,000 new short values",
                             &mdm_script_ddm_status), 40, 45);
    assert_int_equal(redis_int("HLEN " T ":s:" UDID), 10000);
    assert_int_equal(status(state, 10000, 5, 5, 5, 0, 1), 200);
    (void) measured(redis, "10,000 changed", &mdm_script_ddm_status);
    assert_int_equal(status(state, 10000, 6, 5, 5, 0, 1), 200);
    (void) measured(redis, "10,000 replaced", &mdm_script_ddm_status);
    (void) measured(redis, "10,000 replaced, scan", &mdm_script_status_scan);
    assert_int_equal(status(state, 500, 500, 10, 1, 0, 1), 200);
    (void) measured(redis, "500 with long names", &mdm_script_ddm_status);
    assert_int_equal(status(state, 500, 500, 10, 2, 0, 0), 200);
    (void) measured(redis, "500 changed", &mdm_script_ddm_status);
    assert_int_equal(status(state, 3, 5, 250000, 6, 0, 1), 200);
    (void) measured(redis, "3 of 250 kB", &mdm_script_ddm_status);
}


static void
test_watched(void **state)
{
    enroll(state, CERT_A);
    (void) redis_int("HSET " T ":ddm to 1 rev 1");
    (void) redis_int("EVAL %s 0", "local w = {} for i = 1, 100 do local l = {} "
        "for k = 1, 100 do l[k] = 'x.n' .. string.rep('0', k % 90) end "
        "w[i] = '\"w' .. i .. '\":' .. cjson.encode({items = l}) end "
        "return redis.call('HSET', '" T ":ddm', 'w', '{' .. table.concat(w, "
        "',') .. '}')");
    assert_int_equal(status(state, 500, 100, 5, 2, 0, 0), 200);
    assert_int_equal(status(state, 500, 100, 5, 3, 0, 0), 200);
    assert_in_range(measured(redis, "500, watched by 100",
                             &mdm_script_ddm_status), 3, 5);
    assert_int_equal(redis_int("EVAL %s 0", "local n = 0 for _, e in ipairs("
        "redis.call('XRANGE', '" T ":events', '-', '+')) do if string.find("
        "cjson.encode(e), 'mdm.StatusChanged\"') then n = n + 1 end end "
        "return n"), 200);
    assert_int_equal(status(state, 60, 100, 4000, 2, 0, 0), 200);
    (void) measured(redis, "60 of 4 kB, watched", &mdm_script_ddm_status);
    assert_int_equal(status(state, 60, 100, 4000, 3, 0, 0), 200);
    (void) measured(redis, "60 of 4 kB, watched", &mdm_script_ddm_status);
}


/* a page of an index, of values that are as long as it takes, of users */

static void
test_query(void **state)
{
    int          i;
    mdm_str_t    args[MDM_NARGS_STATUS_QUERY + 1];
    mdm_call_t   call;

    (void) redis_int("EVAL %s 0", "local T = '" T "' for i = 1, 1000 do "
        "local id = string.format('%036d:%036d', i, i) "
        "local v = string.rep('0', 247) .. string.format('%09d', i) "
        "redis.call('HSET', T .. ':e:' .. id, 'type', 'User', 'parent', "
        "           string.format('%036d', i), 'era', '1') "
        "redis.call('HSET', T .. ':e:' .. string.format('%036d', i), 'era', "
        "           '1') "
        "redis.call('HSET', T .. ':sl:' .. id, 'x', '1795546801465067 \"' .. v "
        "           .. '\"') "
        "redis.call('ZADD', T .. ':si:x', 0, 's' .. v .. '\\0' .. id) end "
        "return 1");

    x = mdm_exchange_create(&settings);
    memset(args, 0, sizeof(args));
    memset(&call, 0, sizeof(mdm_call_t));

    call.script = &mdm_script_status_query;
    mdm_str_set(&call.key, T);
    call.args = args;
    call.nargs = MDM_NARGS_STATUS_QUERY;

    mdm_str_set(&args[MDM_ARG_STATUS_QUERY_ITEM], "x");
    mdm_str_set(&args[MDM_ARG_STATUS_QUERY_OP], "begins");
    mdm_str_set(&args[MDM_ARG_STATUS_QUERY_JSON], "\"\"");
    mdm_str_set(&args[MDM_ARG_STATUS_QUERY_ROWS], MDM_TEST_ROWS);

    for (i = 0; i < 4; i++) {
        assert_int_equal(mdm_unit_redis_eval(redis, x->arena, &call),
                         MDM_CALL_OK);
        assert_int_equal(mdm_reply_int(call.reply, MDM_RET_STATUS_QUERY_MORE,
                                       0), 1);
        assert_int_equal(mdm_reply_size(call.reply), 2 + 2 * atoi(
                                                     MDM_TEST_ROWS));
        args[MDM_ARG_STATUS_QUERY_CURSOR] = mdm_reply_str(call.reply,
                                           MDM_RET_STATUS_QUERY_CURSOR);
    }

    (void) measured(redis, "status_query", &mdm_script_status_query);
}


#define test(name)                                                            \
    cmocka_unit_test_setup_teardown(name, begin, end)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        test(test_parts),
        test(test_watched),
        test(test_query)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
