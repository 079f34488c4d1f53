
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/ddm/mdm_ddm_token.c and mdm_ddm_body.c.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_ddm_body.h"
#include "mdm_ddm_token.h"
#include "mdm_plist.h"
#include "mdm_unit_arena.h"


#define str_is(s, text)                                                       \
    assert_int_equal((s)->len, strlen(text));                                 \
    assert_memory_equal((s)->data, text, strlen(text))


static mdm_limits_t   limits = { 32, 1000 };


static mdm_str_t
text(const char *s)
{
    mdm_str_t  str;

    str.data = (u_char *) s;
    str.len = strlen(s);

    return str;
}


static void
test_tokens(void **state)
{
    mdm_str_t   token, time, json;
    mdm_uint_t  i;

    static const struct {
        const char  *token;
        const char  *time;
        const char  *out;
    } tests[] = {
        { "abc", "1700000000", "{\"SyncTokens\":{\"DeclarationsToken\":"
          "\"abc\",\"Timestamp\":\"2023-11-14T22:13:20Z\"}}" },
        { "", "0", "{\"SyncTokens\":{\"DeclarationsToken\":\""
          MDM_DDM_EMPTY_TOKEN "\",\"Timestamp\":\"1970-01-01T00:00:00Z\"}}" },
        { "", "", "{\"SyncTokens\":{\"DeclarationsToken\":\""
          MDM_DDM_EMPTY_TOKEN "\",\"Timestamp\":\"1970-01-01T00:00:00Z\"}}" },
        { "x", "253402300799", "{\"SyncTokens\":{\"DeclarationsToken\":"
          "\"x\",\"Timestamp\":\"9999-12-31T23:59:59Z\"}}" },
        { "x", "253402300800", "{\"SyncTokens\":{\"DeclarationsToken\":"
          "\"x\",\"Timestamp\":\"1970-01-01T00:00:00Z\"}}" }
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        token = text(tests[i].token);
        time = text(tests[i].time);

        assert_int_equal(mdm_ddm_tokens(arena, &token, &time, &json), MDM_OK);
        str_is(&json, tests[i].out);
    }
}


static void
test_splice(void **state)
{
    plist_t      plist, command;
    mdm_str_t    uuid, body, before, token, time, value, json;
    const char  *why;

    (void) state;

    uuid = text("8C0C6FD5-4A3D-4E0C-9B0A-7F5D2C1B0A99");
    token = text("abc");
    time = text("1700000000");

    assert_int_equal(mdm_ddm_command(arena, &uuid, &body), MDM_OK);
    assert_int_equal(mdm_plist_parse(arena, &body, &limits, &plist, &why),
                     MDM_OK);

    assert_int_equal(mdm_ddm_splice(arena, &body, &token, &time), MDM_OK);
    assert_int_equal(mdm_plist_parse(arena, &body, &limits, &plist, &why),
                     MDM_OK);
    assert_int_equal(mdm_plist_string(plist, "CommandUUID", &value), MDM_OK);
    assert_true(mdm_str_eq(&value, &uuid));

    command = plist_dict_get_item(plist, "Command");
    assert_int_equal(mdm_plist_string(command, "RequestType", &value),
                     MDM_OK);
    str_is(&value, "DeclarativeManagement");
    assert_int_equal(mdm_plist_data(command, "Data", &value), MDM_OK);
    assert_int_equal(mdm_ddm_tokens(arena, &token, &time, &json), MDM_OK);
    assert_true(mdm_str_eq(&value, &json));

    /* another plist stays as it is */

    body = text("<plist><dict/></plist>");
    before = body;

    assert_int_equal(mdm_ddm_splice(arena, &body, &token, &time),
                     MDM_DECLINED);
    assert_true(mdm_str_eq(&body, &before));

    mdm_str_null(&body);
    assert_int_equal(mdm_ddm_splice(arena, &body, &token, &time),
                     MDM_DECLINED);
}


static void
test_substitute(void **state)
{
    mdm_str_t   in, vars, out;
    mdm_uint_t  i;

    static const char  values[] = "{\"a\":\"1\",\"q\":\"x\\\"\\\\\\n\","
                                  "\"e\":\"\",\"x%20y\":\"key form\"}";

    static const struct {
        const char  *in;
        const char  *out;
    } tests[] = {
        { "", "" },
        { "{}", "{}" },
        { "${a}", "1" },
        { "\"${a}${a}-${q}\"", "\"11-x\\\"\\\\\\u000a\"" },
        { "<${e}>", "<>" },
        { "${x y}", "key form" },
        { "<${b}>", "<>" },
        { "${b c}", "${b c}" },
        { "$${a}", "${a}" },
        { "$$${a}", "$${a}" },
        { "$a $", "$a $" },
        { "${", "${" },
        { "${a", "${a" },
        { "$", "$" },
        { "$$", "$$" },
        { "$${", "${" },
        { "${${a}", "${1" }
    };

    (void) state;

    vars = text(values);

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        in = text(tests[i].in);

        assert_int_equal(mdm_ddm_substitute(arena, &out, &in, &vars), MDM_OK);
        str_is(&out, tests[i].out);
    }

    /* no variables: but "$${" */

    mdm_str_null(&vars);
    in = text("${a} $${a}");

    assert_int_equal(mdm_ddm_substitute(arena, &out, &in, &vars), MDM_OK);
    str_is(&out, "${a} ${a}");

    vars = text("[]");
    assert_int_equal(mdm_ddm_substitute(arena, &out, &in, &vars),
                     MDM_DECLINED);
    vars = text("{");
    assert_int_equal(mdm_ddm_substitute(arena, &out, &in, &vars),
                     MDM_DECLINED);
}


static void
test_own(void **state)
{
    mdm_str_t        subs, none, json;
    mdm_ddm_body_t   body;

    (void) state;

    mdm_str_null(&none);

    subs = text("[\"a\",\"b.c\"]");
    body.token = text("t");
    body.identifier = text("ngx_mdm.status-subscriptions");

    assert_int_equal(mdm_ddm_own(arena, &body, &subs), MDM_OK);
    assert_int_equal(mdm_ddm_write(arena, &json, &body, &none), MDM_OK);
    str_is(&json, "{\"Type\":\"com.apple.configuration.management.status-"
                  "subscriptions\",\"Identifier\":\"ngx_mdm.status-"
                  "subscriptions\",\"ServerToken\":\"t\",\"Payload\":"
                  "{\"StatusItems\":[{\"Name\":\"a\"},{\"Name\":\"b.c\"}]}}");

    body.identifier = text("ngx_mdm.status-subscriptions.activation");

    assert_int_equal(mdm_ddm_own(arena, &body, &subs), MDM_OK);
    str_is(&body.payload, "{\"StandardConfigurations\":"
                          "[\"ngx_mdm.status-subscriptions\"]}");

    body.identifier = text("ngx_mdm.other");
    assert_int_equal(mdm_ddm_own(arena, &body, &subs), MDM_DECLINED);

    body.identifier = text("ngx_mdm.status-subscriptions");
    assert_int_equal(mdm_ddm_own(arena, &body, &none), MDM_DECLINED);

    body.type = text("x\"y");
    body.identifier = text("a\n\\b");
    body.payload = text("{\"A\":\"${v}\"}");
    subs = text("{\"v\":\"1\"}");

    assert_int_equal(mdm_ddm_write(arena, &json, &body, &subs), MDM_OK);
    str_is(&json, "{\"Type\":\"x\\\"y\",\"Identifier\":\"a\\u000a\\\\b\","
                  "\"ServerToken\":\"t\",\"Payload\":{\"A\":\"1\"}}");
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_splice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_substitute, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
