
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Declarations, sets and watchers through a real redis-server: the API's
 * answers, what partitions get of it (ddm_changes, ddm_body), and that neither
 * the order of changes nor a lost reply makes a difference.
 */


#include "ddm_redis.h"


/* the answer of a GET, which is compact */

static const char *
get(const char *uri)
{
    static char  text[65536];

    assert_int_equal(run(MDM_GET, uri, ""), 200);
    assert_true(mdm_str_is(&x->response_type, "application/json"));

    (void) snprintf(text, sizeof(text), "%.*s", mdm_fmt(&x->response));

    return text;
}


static long long
rev(void)
{
    return mdm_unit_redis_int(redis, "EVAL %s 0", "return tonumber(redis.call("
                              "'HGET', '" D ":meta', 'rev') or '0')");
}


/* a script's reply in the arena of x */

static mdm_reply_t *
script(const mdm_script_t *s, mdm_uint_t n, const char *one, const char *two)
{
    static mdm_call_t  call;
    static mdm_str_t   args[2];

    memset(&call, 0, sizeof(mdm_call_t));

    args[0].data = (u_char *) one;
    args[0].len = strlen(one);

    if (two != NULL) {
        args[1].data = (u_char *) two;
        args[1].len = strlen(two);
    }

    call.script = s;
    call.args = args;
    call.nargs = n;
    mdm_str_set(&call.key, D);

    assert_int_equal(mdm_unit_redis_eval(redis, x->arena, &call),
                     MDM_CALL_OK);

    return call.reply;
}


/* all that partitions are told from a revision on, a line each */

static const char *
since(const char *from)
{
    size_t        i;
    mdm_str_t     s;
    static char   text[65536];
    mdm_reply_t  *reply;

    reply = script(&mdm_script_ddm_changes, 2, from, "100000");
    text[0] = '\0';

    assert_int_equal(mdm_reply_int(reply, MDM_RET_DDM_CHANGES_LAST, 0), 1);

    for (i = MDM_RET_DDM_CHANGES_WATCHERS; i < reply->nelements; i++) {
        s = mdm_reply_str(reply, i);

        (void) snprintf(text + strlen(text), sizeof(text) - strlen(text),
                        "%.*s\n", mdm_fmt(&s));
    }

    return text;
}


static void
test_declaration(void **state)
{
    char  token[41];

    (void) state;

    assert_string_equal(get("/v1/declarations"), "[]");
    fails(404, MDM_GET, "/v1/declarations/a%2Fb", "",
          "there is no such declaration");

    assert_int_equal(put(TEST("a/b", "x")), 204);
    assert_int_equal(put(" {\"Payload\" : {\"Echo\":\"\\u0078\"}, \"Type\":"
                         "\"com.apple.configuration.management.test\","
                         "\"ServerToken\":\"other\",\"Identifier\":\"a/b\"}"),
                     304);

    assert_string_equal(get("/v1/declarations"), "[\"a/b\"]");

    (void) get("/v1/declarations/a%2Fb");

    assert_string_equal(mdm_unit_api_text(x, "Identifier"), "a/b");
    assert_string_equal(mdm_unit_api_text(x, "Type"),
                        "com.apple.configuration.management.test");
    assert_string_equal(mdm_unit_api_text(x, "Payload/Echo"), "x");

    (void) snprintf(token, sizeof(token), "%s",
                    mdm_unit_api_text(x, "ServerToken"));
    assert_int_equal(strlen(token), 40);

    /* nobody has it: there is nothing to roll out */

    assert_int_equal(rev(), 0);

    /* what it said stays to be fetched, and the token comes back with it */

    assert_int_equal(put(TEST("a/b", "y")), 204);
    assert_int_equal(mdm_reply_int(script(&mdm_script_ddm_body, 2, "a%2Fb",
                                          token), 0, 0), 1);
    assert_int_equal(mdm_unit_redis_int(redis, "TTL " D ":v:a%%2Fb:%s", token)
                     > 86000, 1);

    (void) get("/v1/declarations/a%2Fb");
    assert_string_not_equal(mdm_unit_api_text(x, "ServerToken"), token);

    assert_int_equal(put(TEST("a/b", "x")), 204);
    (void) get("/v1/declarations/a%2Fb");
    assert_string_equal(mdm_unit_api_text(x, "ServerToken"), token);

    /* touched, it is another one with the same content */

    assert_int_equal(run(MDM_POST, "/v1/declarations/a%2Fb/touch", ""), 204);
    (void) get("/v1/declarations/a%2Fb");
    assert_string_not_equal(mdm_unit_api_text(x, "ServerToken"), token);
    assert_string_equal(mdm_unit_api_text(x, "Payload/Echo"), "x");

    fails(404, MDM_POST, "/v1/declarations/none/touch", "",
          "there is no such declaration");

    assert_int_equal(run(MDM_DELETE, "/v1/declarations/a%2Fb", ""), 204);

    /* as KMFDDM has it: nothing changes */

    assert_int_equal(run(MDM_DELETE, "/v1/declarations/a%2Fb", ""), 304);
    assert_string_equal(get("/v1/declarations"), "[]");

    assert_int_equal(mdm_reply_int(script(&mdm_script_ddm_body, 2, "a%2Fb",
                                          token), 0, 0), 1);
    assert_int_equal(mdm_reply_int(script(&mdm_script_ddm_body, 2, "a%2Fb",
                                          "none"), 0, 0), 0);
}


static void
test_body(void **state)
{
    mdm_str_t            s;
    mdm_reply_t         *reply;
    static const char    payload[] = "{\"Echo\":\"\\\"Type\\\":\\\"x\\\"}\","
                                     "\"e\":[],\"n\":9007199254740993,"
                                     "\"o\":{}}";

    (void) state;

    /* an old version is handed out to the byte */

    assert_int_equal(put(BODY("a", "configuration.management.test",
                              "{\"o\":{},\"n\":9007199254740993,\"e\":[],"
                              "\"Echo\":\"\\\"Type\\\":\\\"x\\\"}\"}")), 204);

    s.data = (u_char *) mdm_unit_redis_str(redis, x->arena,
                                           "HGET " D ":d:a token");

    assert_int_equal(put(TEST("a", "y")), 204);
    assert_int_equal(run(MDM_GET, "/v1/declarations", ""), 200);

    s.data = (u_char *) mdm_unit_redis_str(redis, x->arena,
                                           "EVAL %s 0",
                                           "return string.sub(redis.call("
                                           "'KEYS', '" D ":v:a:*')[1], -40)");

    reply = script(&mdm_script_ddm_body, 2, "a", (char *) s.data);

    assert_int_equal(mdm_reply_int(reply, 0, 0), 1);

    s = mdm_reply_str(reply, 1);
    assert_true(mdm_str_is(&s, "com.apple.configuration.management.test"));

    s = mdm_reply_str(reply, 2);
    assert_true(mdm_str_is(&s, payload));
}


/* what others need keeps its kind, whether or not it is validated */

static void
test_kind(void **state)
{
    size_t  i;

    static const char  *uris[] = {
        "/v1/declarations", "/v1/declarations?validate=0"
    };

    (void) state;

    assert_int_equal(put(TEST("c", "x")), 204);
    assert_int_equal(put(ACTIVATION("act", "c")), 204);
    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/s?declaration=c", ""),
                     204);

    for (i = 0; i < 2; i++) {
        fails(409, MDM_PUT, uris[i], BODY("c", "asset.useridentity", "{}"),
              "Type: the declaration is in the set \"s\", and cannot become "
              "one of another kind");
    }

    /* another type of the same kind is none */

    assert_int_equal(put(BODY("c", "configuration.passcode.settings", "{}")),
                     204);
    assert_int_equal(run(MDM_DELETE, "/v1/set-declarations/s?declaration=c",
                         ""), 204);

    for (i = 0; i < 2; i++) {
        fails(409, MDM_PUT, uris[i], BODY("c", "asset.useridentity", "{}"),
              "Type: the declaration \"act\" refers to it, and it cannot "
              "become one of another kind");
    }

    (void) get("/v1/declarations/c");
    assert_string_equal(mdm_unit_api_text(x, "Type"),
                        "com.apple.configuration.passcode.settings");

    /* one that refers to nobody but itself does not need itself */

    assert_int_equal(run(MDM_PUT, uris[1], ACTIVATION("own", "own")), 204);
    assert_int_equal(run(MDM_PUT, uris[1], TEST("own", "x")), 204);

    assert_int_equal(run(MDM_DELETE, "/v1/declarations/act", ""), 204);
    assert_int_equal(put(BODY("c", "asset.useridentity", "{}")), 204);
}


static void
test_validate(void **state)
{
    mdm_uint_t  i;

    (void) state;

    fails(400, MDM_PUT, "/v1/declarations",
          BODY("a", "configuration.management.test", "{\"Echo\":1}"),
          "Payload.Echo: string expected, integer found");

    assert_int_equal(run(MDM_PUT, "/v1/declarations?warnings=1",
                         BODY("a", "configuration.management.test", "{}")),
                     200);
    assert_string_equal(mdm_unit_api_text(x, "warnings/0"),
                        "Payload.Echo: required key is missing");
    assert_int_equal(run(MDM_DELETE, "/v1/declarations/a", ""), 204);

    assert_int_equal(run(MDM_PUT, "/v1/declarations?validate=0",
                         BODY("a", "configuration.management.test", "{}")),
                     204);

    assert_int_equal(put(BODY("b", "configuration.new", "{}")), 204);
    assert_non_null(x->log);
    assert_int_equal(x->log->level, MDM_LOG_NOTICE);
    assert_true(mdm_str_is(&x->log->text, "declaration \"b\": Type: unknown "
                           "type \"com.apple.configuration.new\""));

    for (i = 0; i < 2; i++) {
        assert_int_equal(run(MDM_PUT, "/v1/declarations?warnings=1",
                             BODY("c", "configuration.new", "{}")), 200);
        assert_true(json_is_boolean(mdm_unit_api_at(mdm_unit_api_json(x),
                                                    "changed")));
        assert_int_equal(json_is_true(mdm_unit_api_at(mdm_unit_api_json(x),
                                                      "changed")), i == 0);
        assert_string_equal(mdm_unit_api_text(x, "warnings/0"),
                            "Type: unknown type "
                            "\"com.apple.configuration.new\"");
        assert_int_equal(x->kick != NULL, i == 0);
    }

    settings.validate = MDM_VALIDATE_STRICT;

    fails(400, MDM_PUT, "/v1/declarations", BODY("d", "configuration.new",
          "{}"), "Type: unknown type \"com.apple.configuration.new\"");

    settings.validate = MDM_VALIDATE_OFF;

    assert_int_equal(put(BODY("d", "configuration.management.test", "{}")),
                     204);
    fails(400, MDM_PUT, "/v1/declarations?validate=1",
          BODY("d", "configuration.management.test", "{\"Echo\":1}"),
          "Payload.Echo: string expected, integer found");
    fails(400, MDM_PUT, "/v1/declarations?validate=2", TEST("d", ""),
          "the argument \"validate\" is neither 0 nor 1");
}


static void
test_sets(void **state)
{
    (void) state;

    assert_string_equal(get("/v1/sets"), "[]");
    assert_string_equal(get("/v1/set-declarations/none"), "[]");
    assert_string_equal(get("/v1/declaration-sets/none"), "[]");

    assert_int_equal(put(TEST("a", "x")), 204);
    assert_int_equal(put(TEST("b/c", "x")), 204);

    fails(400, MDM_PUT, "/v1/set-declarations/s", "",
          "the argument \"declaration\" is missing");
    fails(404, MDM_PUT, "/v1/set-declarations/s?declaration=z", "",
          "there is no such declaration");

    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/s%3A1?declaration=a",
                         ""), 204);
    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/s%3A1?declaration=a",
                         ""), 304);
    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/s%3A1?declaration="
                         "b%2Fc&nonotify=1", ""), 204);
    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/t?declaration=a",
                         ""), 204);
    assert_int_equal(run(MDM_DELETE, "/v1/set-declarations/t?declaration="
                         "b%2Fc", ""), 304);

    assert_string_equal(get("/v1/sets"), "[\"s:1\",\"t\"]");
    assert_string_equal(get("/v1/set-declarations/s%3A1"),
                        "[\"a\",\"b/c\"]");
    assert_string_equal(get("/v1/declaration-sets/a"), "[\"s:1\",\"t\"]");

    /* those that are not to be told are not */

    assert_int_equal(rev(), 3);
    assert_int_equal(mdm_unit_redis_int(redis, "EVAL %s 0", "return tonumber("
                     "redis.call('ZSCORE', '" D ":n', 's:1'))"), 1);

    fails(409, MDM_DELETE, "/v1/declarations/b%2Fc", "",
          "the declaration is in the set \"s:1\"");

    /* a change of a declaration is one of all its sets, in one revision */

    assert_int_equal(put(TEST("a", "y")), 204);
    assert_int_equal(rev(), 4);
    assert_non_null(strstr(since("3"), "s\ns:1\n4 4 0\n"));
    assert_non_null(strstr(since("3"), "s\nt\n4 4 0\n"));
    assert_non_null(strstr(since("3"), "d\na\n\nconfiguration/ "));
    assert_null(strstr(since("3"), "m\n"));

    assert_int_equal(run(MDM_POST, "/v1/declarations/b%2Fc/touch?nonotify=1",
                         ""), 204);
    assert_non_null(strstr(since("4"), "s\ns:1\n5 4 0\n"));
    assert_null(strstr(since("4"), "s\nt\n"));

    /* a set that is empty is not listed, but partitions hear of it */

    assert_int_equal(run(MDM_DELETE, "/v1/set-declarations/t?declaration=a",
                         ""), 204);
    assert_string_equal(get("/v1/sets"), "[\"s:1\"]");
    assert_string_equal(since("5"),
                        "\nm\nt\n6 6\n\n\n\ns\nt\n6 6 0\n\n\n");

    /* the same of a declaration that no set has any more, nor is there */

    assert_int_equal(run(MDM_DELETE, "/v1/set-declarations/s%3A1?declaration=a",
                         ""), 204);
    assert_int_equal(run(MDM_DELETE, "/v1/declarations/a", ""), 204);
    assert_non_null(strstr(since("6"), "d\na\n\n\n\nm\n"));
}


static void
test_limits(void **state)
{
    (void) state;

    assert_int_equal(put(TEST("a", "x")), 204);
    assert_int_equal(put(TEST("b", "x")), 204);

    (void) mdm_unit_redis_int(redis, "EVAL %s 0",
        "for i = 1, 1000 do redis.call('SADD', '" D ":s:full', i) end "
        "for i = 1, 1000 do redis.call('ZADD', '" D ":sets', 0, i) end "
        "for i = 1, 9998 do redis.call('ZADD', '" D ":ids', 0, i) end "
        "return 0");

    fails(409, MDM_PUT, "/v1/set-declarations/new?declaration=a", "",
          "there are 1000 sets already, the most that a tenant has");
    fails(409, MDM_PUT, "/v1/set-filters/new", "{\"tag\":[\"a\"]}",
          "there are 1000 sets already, the most that a tenant has");

    (void) mdm_unit_redis_int(redis, "ZREM " D ":sets 1");

    fails(409, MDM_PUT, "/v1/set-declarations/full?declaration=a", "",
          "the set has 1000 declarations already, the most that fit");

    fails(409, MDM_PUT, "/v1/declarations", TEST("c", "x"),
          "there are 10000 declarations already, the most that a tenant has");
    assert_int_equal(put(TEST("a", "y")), 204);
}


static void
test_filters(void **state)
{
    (void) state;

    fails(404, MDM_GET, "/v1/set-filters/s", "", "the set has no filter");

    assert_int_equal(run(MDM_PUT, "/v1/set-filters/s",
                         "{\"tag\":[\"a*\"], \"model\":[\"iPad\"]}"), 204);
    assert_int_equal(run(MDM_PUT, "/v1/set-filters/s",
                         "{\"model\":[\"iPad\"],\"tag\":[\"a*\"]}"), 304);
    assert_string_equal(get("/v1/set-filters/s"),
                        "{\"model\":[\"iPad\"],\"tag\":[\"a*\"]}");
    assert_string_equal(get("/v1/sets"), "[\"s\"]");
    assert_string_equal(since("0"), "\nm\ns\n1 1\n{\"model\":[\"iPad\"],"
                        "\"tag\":[\"a*\"]}\n\n\ns\ns\n1 1 0\n\n\n");

    assert_int_equal(run(MDM_PUT, "/v1/set-filters/s", "{}"), 400);
    assert_int_equal(run(MDM_PUT, "/v1/set-filters/s", "{\"tag\":[1]}"), 400);
    assert_int_equal(run(MDM_PUT, "/v1/set-filters/s", "{\"tag\":[]}"), 400);
    assert_int_equal(run(MDM_PUT, "/v1/set-filters/s", "{\"os\":[\"1\"]}"),
                     400);

    assert_int_equal(run(MDM_DELETE, "/v1/set-filters/s", ""), 204);
    assert_int_equal(run(MDM_DELETE, "/v1/set-filters/s", ""), 304);
}


static void
test_watchers(void **state)
{
    char        uri[64];
    mdm_uint_t  i;

    static const struct {
        const char  *body;
        const char  *error;
    } bad[] = {
        { "[]", "JSON: object expected" },
        { "{}", "items: an array of 1 to 100 strings expected" },
        { "{\"items\":[]}", "items: an array of 1 to 100 strings expected" },
        { "{\"items\":[\"\"]}",
          "items[0]: a string of 1 to 255 octets expected" },
        { "{\"items\":[\"a\",1]}",
          "items[1]: a string of 1 to 255 octets expected" },
        { "{\"items\":[\"a\\n\"]}", "items[0]: a control character" },
        { "{\"items\":[\"a\"],\"set\":\"\"}",
          "set: a string of 1 to 128 octets expected" },
        { "{\"items\":[\"a\"],\"sets\":\"s\"}",
          "a watcher has items and set only" }
    };

    (void) state;

    assert_string_equal(get("/v1/status-watchers"), "[]");
    fails(404, MDM_GET, "/v1/status-watchers/w", "",
          "there is no such watcher");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fails(400, MDM_PUT, "/v1/status-watchers/w", bad[i].body,
              bad[i].error);
    }

    assert_int_equal(run(MDM_PUT, "/v1/status-watchers/w%2F2",
                         "{\"set\":\"a/b\",\"items\":[\"mdm.app\","
                         "\"device.\",\"mdm.app\"]}"), 204);
    assert_int_equal(run(MDM_PUT, "/v1/status-watchers/w%2F2",
                         "{\"items\":[\"device.\",\"mdm.app\"],"
                         "\"set\":\"a/b\"}"), 304);
    assert_int_equal(run(MDM_PUT, "/v1/status-watchers/w1",
                         "{\"items\":[\"\\\"\"]}"), 204);

    assert_string_equal(get("/v1/status-watchers/w%2F2"),
                        "{\"items\":[\"device.\",\"mdm.app\"],"
                        "\"set\":\"a/b\"}");
    assert_string_equal(get("/v1/status-watchers"),
                        "[{\"name\":\"w/2\",\"items\":[\"device.\","
                        "\"mdm.app\"],\"set\":\"a/b\"},"
                        "{\"name\":\"w1\",\"items\":[\"\\\"\"]}]");

    assert_int_equal(rev(), 2);
    assert_string_equal(since("2"), "\n");
    assert_string_equal(since("1"),
                        "{\"w%2F2\":{\"items\":[\"device.\",\"mdm.app\"],"
                        "\"set\":\"a%2Fb\"},\"w1\":{\"items\":[\"\\\"\"]}}\n");

    assert_int_equal(run(MDM_DELETE, "/v1/status-watchers/w1", ""), 204);
    assert_int_equal(run(MDM_DELETE, "/v1/status-watchers/w1", ""), 304);

    for (i = 1; i < 100; i++) {
        (void) snprintf(uri, sizeof(uri), "/v1/status-watchers/%lu",
                        (unsigned long) i);
        assert_int_equal(run(MDM_PUT, uri, "{\"items\":[\"a\"]}"), 204);
    }

    fails(409, MDM_PUT, "/v1/status-watchers/more", "{\"items\":[\"a\"]}",
          "there are 100 watchers already, the most that a tenant has");
    assert_int_equal(run(MDM_PUT, "/v1/status-watchers/99",
                         "{\"items\":[\"b\"]}"), 204);
}


static mdm_uint_t  seed = 7;


static mdm_uint_t
chance(mdm_uint_t n)
{
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;

    return (seed >> 8) % n;
}


/* what comes to a partition, but not when it changed */

static char *
replica(void)
{
    assert_int_equal(run(MDM_PUT, "/v1/enrollment-sets/A?set=none", ""), 204);

    return mdm_unit_redis_str(redis, x->arena, "EVAL %s 0",
        "local T, lines = string.match(redis.call('KEYS', '*:d:A')[1], "
        "    '^(.-):d:A'), {} "
        "for _, key in ipairs({'dk', 'ds', 'dd', 'df'}) do "
        "    local all = redis.call('HGETALL', T .. ':' .. key) "
        "    for i = 1, #all, 2 do "
        "        local value = all[i + 1] "
        "        if key == 'dd' then value = string.match(value, '%d+$') "
        "        elseif key == 'df' then value = '' end "
        "        if string.sub(all[i], 1, 1) ~= '#' then "
        "            lines[#lines + 1] = key .. ' ' .. all[i] .. ' ' "
        "                                .. (value or '') end "
        "    end "
        "end "
        "table.sort(lines) "
        "lines[#lines + 1] = redis.call('HGET', T .. ':ddm', 'w') "
        "return table.concat(lines, '\\n')");
}


/* the same state, reached in any order and by detours, is the same */

static void
test_order(void **state)
{
    char        text[65536], first[65536];
    mdm_uint_t  i, k, n, m, order[16];

    static const struct {
        mdm_uint_t   method;
        const char  *uri;
        const char  *body;
    } steps[] = {
        { MDM_PUT, "/v1/set-declarations/s1?declaration=a", "" },
        { MDM_PUT, "/v1/set-declarations/s1?declaration=b", "" },
        { MDM_PUT, "/v1/set-declarations/s2?declaration=act", "" },
        { MDM_PUT, "/v1/set-declarations/s2?declaration=b", "" },
        { MDM_PUT, "/v1/set-declarations/s3?declaration=c&nonotify=1", "" },
        { MDM_PUT, "/v1/set-filters/s1", "{\"type\":[\"Device\"]}" },
        { MDM_PUT, "/v1/set-filters/s3", "{\"tag\":[\"x\",\"y\"]}" },
        { MDM_PUT, "/v1/declarations", TEST("a", "${serial}") },
        { MDM_PUT, "/v1/status-watchers/w1", "{\"items\":[\"mdm.app\"]}" },
        { MDM_PUT, "/v1/status-watchers/w2", "{\"items\":[\"device.\"]}" }
    };

    static const struct {
        mdm_uint_t   method;
        const char  *uri;
        const char  *body;
    } detours[] = {
        { MDM_PUT, "/v1/set-declarations/s1?declaration=c", "" },
        { MDM_PUT, "/v1/declarations", TEST("a", "else") },
        { MDM_DELETE, "/v1/set-declarations/s2?declaration=b", "" },
        { MDM_PUT, "/v1/set-filters/s1", "{\"tag\":[\"z\"]}" },
        { MDM_DELETE, "/v1/status-watchers/w1", "" }
    };

    (void) state;

    n = sizeof(steps) / sizeof(steps[0]);
    first[0] = '\0';

    for (i = 0; i < 40; i++) {
        mdm_unit_redis_clean(redis);

        assert_int_equal(put(TEST("a", "first")), 204);
        assert_int_equal(put(TEST("b", "x")), 204);
        assert_int_equal(put(TEST("c", "x")), 204);
        assert_int_equal(put(ACTIVATION("act", "b")), 204);

        for (k = 0; k < chance(6); k++) {
            m = chance(5);
            assert_true(run(detours[m].method, detours[m].uri,
                            detours[m].body) < 400);
        }

        for (k = 0; k < n; k++) {
            order[k] = k;
        }

        for (k = n - 1; k != 0; k--) {
            m = chance(k + 1);

            if (m != k) {
                order[k] ^= order[m];
                order[m] ^= order[k];
                order[k] ^= order[m];
            }
        }

        for (k = 0; k < n; k++) {
            m = order[k];
            assert_true(run(steps[m].method, steps[m].uri, steps[m].body)
                        < 400);

            /* a retry after a reply that was lost */

            assert_int_equal(run(steps[m].method, steps[m].uri,
                                 steps[m].body), 304);
        }

        (void) run(MDM_DELETE, "/v1/set-declarations/s1?declaration=c", "");

        (void) snprintf(text, sizeof(text), "%s", replica());

        if (i == 0) {
            strcpy(first, text);
            assert_non_null(strstr(first, "dk configuration/a "));
            assert_non_null(strstr(first, " serial\n"));
            assert_non_null(strstr(first, "ds d:s1 configuration/a\n"
                                   "configuration/b\n"));
            continue;
        }

        assert_string_equal(text, first);
    }
}


static void
test_audit(void **state)
{
    (void) state;

    assert_int_equal(put(TEST("a", "secret")), 204);
    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/s?declaration=a", ""),
                     204);
    assert_int_equal(run(MDM_PUT, "/v1/set-declarations/s?declaration=a", ""),
                     304);
    assert_int_equal(run(MDM_PUT, "/v1/status-watchers/w",
                         "{\"items\":[\"a\"]}"), 204);

    /* a change is an event, and what is in a payload is in none */

    assert_int_equal(mdm_unit_redis_int(redis, "XLEN " D ":events"), 3);
    assert_int_equal(mdm_unit_redis_int(redis, "EVAL %s 0",
        "for _, e in ipairs(redis.call('XRANGE', '" D ":events', '-', '+')) "
        "do if string.find(cjson.encode(e), 'secret', 1, true) then return 1 "
        "end end return 0"), 0);

    /* the tenant is on the list of those that may have work */

    assert_int_equal(mdm_unit_redis_int(redis,
                                        "EXISTS mdm:{work}:due:rollout"), 1);
}


#define test(name)                                                            \
    cmocka_unit_test_setup_teardown(name, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        test(test_declaration),
        test(test_body),
        test(test_kind),
        test(test_validate),
        test(test_sets),
        test(test_limits),
        test(test_filters),
        test(test_watchers),
        test(test_order),
        test(test_audit)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  mdm_unit_redis_teardown);
}
