
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/device/mdm_command_json.c.
 */


#include "command.h"

#include <jansson.h>


static void test_json(void **state);
static void test_json_wrapped(void **state);
static void test_json_types(void **state);
static void test_json_every_command(void **state);
static void test_json_refused(void **state);
static void test_json_text(void **state);
static void test_json_hostile(void **state);

static json_t *to_json(plist_t plist);


static void
test_json(void **state)
{
    static const char  head[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
        "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
        "<plist version=\"1.0\">\n<dict>\n"
        "<key>CommandUUID</key>\n<string>J-1</string>\n"
        "<key>Command</key>\n<dict>\n"
        "<key>RequestType</key>\n<string>InstallProfile</string>\n"
        "<key>Payload</key>\n<data>MAA=</data>\n"
        "</dict>\n</dict>\n</plist>\n";

    (void) state;

    ok(read_json("{\"RequestType\":\"InstallProfile\",\"CommandUUID\":"
                 "\"J-1\",\"Payload\":\"MA\\nA=\"}", MDM_VALIDATE_STRICT));
    assert_true(mdm_str_is(&command.uuid, "J-1"));
    assert_true(mdm_str_is(&command.request_type, "InstallProfile"));
    assert_true(mdm_str_is(&command.body, head));

    ok(read_json("{\"RequestType\":\"SecurityInfo\"}", MDM_VALIDATE_STRICT));
    assert_int_equal(command.uuid.len, 36);
    assert_true(has("<key>CommandUUID</key>"));
    (void) body();
}


static void
test_json_wrapped(void **state)
{
    (void) state;

    ok(read_json("{\"CommandUUID\":\"W-1\",\"Command\":{\"RequestType\":"
                 "\"InstallProfile\",\"Payload\":\"MAA=\"}}",
                 MDM_VALIDATE_STRICT));
    assert_true(mdm_str_is(&command.uuid, "W-1"));
    assert_non_null(strstr((char *) command.body.data,
                           "<key>Payload</key>\n<data>MAA=</data>"));

    ok(read_json("{\"Command\":{\"RequestType\":\"SecurityInfo\"}}",
                 MDM_VALIDATE_STRICT));
    assert_int_equal(command.uuid.len, 36);

    /* all of it belongs in Command */

    refused(read_json("{\"Command\":{},\"RequestType\":\"SecurityInfo\"}",
                      MDM_VALIDATE_OFF),
            "Command.RequestType: required key is missing");
    ok(read_json("{\"Command\":{\"RequestType\":\"SecurityInfo\"},"
                 "\"X\":true,\"CommandUUID\":\"u\"}", MDM_VALIDATE_WARN));
    assert_string_equal(first_warning(), "X: unknown key beside Command");

    refused(read_json("{\"Command\":\"SecurityInfo\"}", MDM_VALIDATE_OFF),
            "Command: dictionary expected");
    refused(read_json("{\"Command\":null}", MDM_VALIDATE_OFF),
            "Command: null is not allowed");
    refused(read_json("{\"Command\":true,\"CommandUUID\":true}",
                      MDM_VALIDATE_OFF),
            "Command: dictionary expected");
}


static void
test_json_types(void **state)
{
    (void) state;

    /* where Apple says nothing, JSON's own types and the explicit forms */

    ok(read_json("{\"RequestType\":\"Settings\",\"CommandUUID\":\"u\","
                 "\"Settings\":[{\"Item\":\"ApplicationConfiguration\","
                 "\"Identifier\":\"org.example\",\"Configuration\":{"
                 "\"s\":\"QUJD\",\"i\":-5,\"big\":9223372036854775807,"
                 "\"small\":-9223372036854775808,\"r\":0.1,\"n\":-2.5e-10,"
                 "\"t\":true,\"f\":false,\"a\":[1,\"x\",{}],"
                 "\"d\":{\"$data\":\"QUJD\"},"
                 "\"when\":{\"$date\":\"2026-11-24T12:30:00.5+02:00\"},"
                 "\"both\":{\"$data\":\"QUJD\",\"x\":1}}},"
                 "{\"Image\":\"QUJD\",\"Item\":\"Wallpaper\",\"Where\":1},"
                 "{\"Item\":\"Later\",\"Image\":\"QUJD\"}]}",
                 MDM_VALIDATE_WARN));

    (void) body();

    assert_true(has("<key>s</key>\n<string>QUJD</string>\n"));
    assert_true(has("<key>i</key>\n<integer>-5</integer>\n"));
    assert_true(has("<key>big</key>\n"
                    "<integer>9223372036854775807</integer>\n"));
    assert_true(has("<key>small</key>\n"
                    "<integer>-9223372036854775808</integer>\n"));
    assert_true(has("<key>r</key>\n<real>0.1</real>\n"));
    assert_true(has("<key>n</key>\n<real>-2.5e-10</real>\n"));
    assert_true(has("<key>t</key>\n<true/>\n"));
    assert_true(has("<key>f</key>\n<false/>\n"));
    assert_true(has("<key>a</key>\n<array>\n<integer>1</integer>\n"
                    "<string>x</string>\n"
                    "<dict>\n</dict>\n</array>\n"));
    assert_true(has("<key>d</key>\n<data>QUJD</data>\n"));
    assert_true(has("<key>when</key>\n<date>2026-11-24T10:30:00Z</date>\n"));
    assert_true(has("<key>both</key>\n<dict>\n<key>$data</key>\n"
                    "<string>QUJD</string>"));
    assert_true(has("<key>Image</key>\n<data>QUJD</data>\n<key>Item</key>\n"
                    "<string>Wallpaper</string>"));
    assert_true(has("<string>Later</string>\n<key>Image</key>\n"
                    "<string>QUJD</string>"));
    assert_string_equal(first_warning(), "Command.Settings[2].Item: unknown "
                        "item \"Later\"");

    /* the explicit form where the schema says data too, and where not */

    ok(read_json("{\"RequestType\":\"InstallProfile\","
                 "\"Payload\":{\"$data\":\"MAA=\"}}", MDM_VALIDATE_STRICT));
    assert_true(has("<key>Payload</key>\n<data>MAA=</data>"));

    refused(read_json("{\"RequestType\":\"RemoveProfile\","
                      "\"Identifier\":{\"$data\":\"QUJD\"}}",
                      MDM_VALIDATE_WARN),
            "Command.Identifier: string expected, data found");

    /* no 0 and 1 for booleans, no 1.0 for integers */

    refused(read_json("{\"RequestType\":\"ProfileList\","
                      "\"ManagedOnly\":1}", MDM_VALIDATE_WARN),
            "Command.ManagedOnly: boolean expected, integer found");
    refused(read_json("{\"RequestType\":\"InstallApplication\","
                      "\"iTunesStoreID\":1.0}", MDM_VALIDATE_WARN),
            "Command.iTunesStoreID: integer expected, real found");
}


static json_t *
to_json(plist_t plist)
{
    char              *s;
    json_t            *json;
    plist_t            value;
    uint64_t           n;
    uint32_t           i;
    mdm_str_t          data, text;
    plist_dict_iter    iter;
    uint8_t            b;

    s = NULL;
    n = 0;
    b = 0;

    switch (plist_get_node_type(plist)) {

    case PLIST_STRING:
        plist_get_string_val(plist, &s);
        json = json_string(s);
        free(s);
        return json;

    case PLIST_UINT:
        plist_get_uint_val(plist, &n);
        return json_integer((json_int_t) n);

    case PLIST_BOOLEAN:
        plist_get_bool_val(plist, &b);
        return json_boolean(b);

    case PLIST_DATA:
        plist_get_data_val(plist, &s, &n);
        data.data = (u_char *) s;
        data.len = (size_t) n;
        ok(mdm_base64(arena, &text, &data));
        free(s);
        return json_stringn((char *) text.data, text.len);

    case PLIST_ARRAY:
        json = json_array();

        for (i = 0; i < plist_array_get_size(plist); i++) {
            json_array_append_new(json,
                                  to_json(plist_array_get_item(plist, i)));
        }

        return json;

    case PLIST_DICT:
        json = json_object();
        iter = NULL;
        plist_dict_new_iter(plist, &iter);

        for ( ;; ) {
            plist_dict_next_item(plist, iter, &s, &value);

            if (s == NULL) {
                break;
            }

            json_object_set_new(json, s, to_json(value));
            free(s);
            s = NULL;
        }

        free(iter);

        return json;

    default:
        fail();
        return NULL;
    }
}


/* each command, bare and with all it may have, from JSON and back */

static void
test_json_every_command(void **state)
{
    char        *text, *first, *second;
    json_t      *json;
    plist_t      dict;
    mdm_uint_t   i, n;

    (void) state;

    for (i = 0; i < mdm_schema_commands.ncommands * 2; i++) {
        dict = command_instance(i / 2, (int) (i % 2));
        json = to_json(dict);
        first = xml(dict);

        /* flat, then with Command */

        for (n = 0; n < 2; n++) {
            json_object_set_new(json, "CommandUUID", json_string("R-1"));

            text = json_dumps(json, 0);
            assert_non_null(text);

            if (read_json(text, MDM_VALIDATE_STRICT) != MDM_OK) {
                fail_msg("%s: %s", text, error_text());
            }

            free(text);

            assert_null(command.schema.warnings);
            assert_true(mdm_str_is(&command.uuid, "R-1"));

            second = xml(plist_dict_get_item(body(), "Command"));
            assert_string_equal(first, second);
            free(second);

            if (n == 0) {
                json_object_del(json, "CommandUUID");
                json = json_pack("{s:o}", "Command", json);
                assert_non_null(json);
            }
        }

        free(first);
        json_decref(json);
        plist_free(dict);
    }
}


static void
test_json_refused(void **state)
{
    mdm_uint_t  i;

    static const struct {
        const char  *json;
        const char  *error;                      /* what it begins with */
    } tests[] = {
        { "", "the body is empty" },
        { " ", "JSON: line 1" },
        { "{", "JSON: line 1" },
        { "[]", "JSON: object expected" },
        { "null", "JSON: line 1" },
        { "{} x", "JSON: line 1" },
        { "{\"RequestType\":\"SecurityInfo\",}", "JSON: line 1" },
        { "{}", "Command.RequestType: required key is missing" },
        { "{\"RequestType\":\"\"}",
          "Command.RequestType: 1 to 255 bytes expected" },
        { "{\"RequestType\":7}", "Command.RequestType: string expected" },
        { "{\"RequestType\":null}", "Command.RequestType: null is not" },
        { "{\"RequestType\":\"A\",\"RequestType\":\"A\"}",
          "JSON: line 1, column " },
        { "{\"RequestType\":\"A\",\"B\":{\"C\":[0,{\"D\":null}]}}",
          "Command.B.C[1].D: null is not allowed" },
        { "{\"RequestType\":\"A\",\"CommandUUID\":null}",
          "CommandUUID: null is not allowed" },
        { "{\"RequestType\":\"A\",\"CommandUUID\":5}",
          "CommandUUID: string expected" },
        { "{\"RequestType\":\"A\",\"CommandUUID\":\"\"}",
          "CommandUUID: 1 to 255 bytes expected" },
        { "{\"RequestType\":\"A\",\"CommandUUID\":\"a\\nb\"}",
          "CommandUUID: a control character" },
        { "{\"RequestType\":\"A\",\"N\":9223372036854775808}",
          "JSON: line 1" },
        { "{\"RequestType\":\"A\",\"N\":-9223372036854775809}",
          "JSON: line 1" },
        { "{\"RequestType\":\"A\",\"N\":1e999}", "JSON: line 1" },
        { "{\"RequestType\":\"A\",\"N\":NaN}", "JSON: line 1" },
        { "{\"RequestType\":\"InstallProfile\",\"Payload\":\"?\"}",
          "Command.Payload: not base64" },
        { "{\"RequestType\":\"InstallProfile\",\"Payload\":\"QUJ\"}",
          "Command.Payload: not base64" },
        { "{\"RequestType\":\"InstallProfile\",\"Payload\":5}",
          "Command.Payload: data expected, integer found" },
        { "{\"RequestType\":\"InstallProfile\",\"Payload\":{\"$data\":5}}",
          "Command.Payload: base64 string expected" },
        { "{\"RequestType\":\"A\",\"B\":[{\"$data\":\"%\"}]}",
          "Command.B[0]: not base64" },
        { "{\"RequestType\":\"A\",\"B\":[{\"$date\":\"today\"}]}",
          "Command.B[0]: RFC 3339 date expected" },
        { "{\"RequestType\":\"A\",\"B\":[{\"$date\":1700000000}]}",
          "Command.B[0]: RFC 3339 date expected" },
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        assert_int_equal(read_json(tests[i].json, MDM_VALIDATE_WARN),
                         MDM_DECLINED);

        if (strncmp(error_text(), tests[i].error, strlen(tests[i].error))
            != 0)
        {
            fail_msg("%s: %s", tests[i].json, error_text());
        }
    }
}


static void
test_json_text(void **state)
{
    char     *text;
    plist_t   root, p;

    (void) state;

    /* what is special in XML comes out as it went in */

    ok(read_json("{\"RequestType\":\"RemoveProfile\",\"Identifier\":"
                 "\"<a href=\\\"x\\\">&amp;]]></a>\\t\\n\\u00e4\\ud83d\\ude00"
                 "'\",\"<key>&\":1}", MDM_VALIDATE_WARN));

    root = body();
    p = plist_dict_get_item(plist_dict_get_item(root, "Command"),
                            "Identifier");
    text = NULL;
    plist_get_string_val(p, &text);
    assert_string_equal(text, "<a href=\"x\">&amp;]]></a>\t\n\xc3\xa4"
                        "\xf0\x9f\x98\x80'");
    free(text);

    assert_non_null(plist_dict_get_item(plist_dict_get_item(root, "Command"),
                                        "<key>&"));
    assert_string_equal(first_warning(), "Command.<key>&: unknown key");

    assert_true(has("&lt;a href=\"x\"&gt;&amp;amp;]]&gt;"));

    /* a carriage return would become a line feed on the way */

    ok(read_json("{\"RequestType\":\"A\",\"B\":\"\\r\"}", MDM_VALIDATE_OFF));
    assert_true(has("<string>&#13;</string>"));

    refused(read_json("{\"RequestType\":\"A\",\"B\":[\"\\u0007\"]}",
                      MDM_VALIDATE_OFF),
            "Command.B[0]: a control character");
    refused(read_json("{\"RequestType\":\"A\",\"B\\u001b\":1}",
                      MDM_VALIDATE_OFF),
            "Command.B?: a control character");
    refused(read_json("{\"RequestType\":\"A\",\"B\":\"x\\uffff\"}",
                      MDM_VALIDATE_OFF),
            "Command.B: a character that no plist can hold");
    ok(read_json("{\"RequestType\":\"A\",\"B\":\"\\uffef\\ufffd\"}",
                 MDM_VALIDATE_OFF));
}


static void
test_json_hostile(void **state)
{
    char        *text;
    size_t       len, i;

    static const char  *bad[] = {
        "{\"RequestType\":\"A\",\"B\":\"\xff\"}",
        "{\"RequestType\":\"A\",\"B\":\"\xc0\x80\"}",
        "{\"RequestType\":\"A\",\"B\":\"\xed\xa0\x80\"}",
        "{\"RequestType\":\"A\",\"B\":\"\xf4\x90\x80\x80\"}",
        "{\"RequestType\":\"A\",\"B\xe2\x82\":1}",
        "{\"RequestType\":\"A\",\"B\":\"\\ud800\"}",
        "{\"RequestType\":\"A\",\"B\":\"\\udc00\\ud800\"}",
        "{\"RequestType\":\"A\",\"B\":\"a\\u0000b\"}",
        "{\"RequestType\":\"A\",\"B\\u0000C\":1}",
        "{\"RequestType\":\"A\",\"B\":\"\\",
        "{\"RequestType\":\"A\",\"B\":\"\n\"}",
        "\xef\xbb\xbf{\"RequestType\":\"A\"}",
        "]]]]]]]]]]]]", "}", ",,,,,,", "\"", "\\"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(read_json(bad[i], MDM_VALIDATE_WARN), MDM_DECLINED);
        assert_true(mdm_utf8_valid(&command.error));
    }

    assert_int_equal(read_bytes("{\"RequestType\":\"A\0\"}", 20, 1,
                                MDM_VALIDATE_OFF), MDM_DECLINED);
    assert_int_equal(read_bytes("{\"RequestType\":\"A\"}\0", 20, 1,
                                MDM_VALIDATE_OFF), MDM_DECLINED);

    len = 4 * 1024 * 1024;
    text = malloc(len + 1);

    if (text == NULL) {
        fail();
        return;
    }

    text[len] = '\0';

    /* depth */

    for (i = 0; i < len; i++) {
        text[i] = '[';
    }

    refused(read_json(text, MDM_VALIDATE_OFF), "JSON: nested too deep");

    for (i = 0; i + 5 <= len; i += 5) {
        memcpy(text + i, "{\"a\":", 5);
    }

    refused(read_json(text, MDM_VALIDATE_OFF), "JSON: nested too deep");

    /* values */

    memcpy(text, "{\"RequestType\":\"A\",\"B\":[0", 25);

    for (i = 25; i < len; i++) {
        text[i] = (i % 2) ? ',' : '0';
    }

    memcpy(text + len - 3, "0]}", 3);
    refused(read_json(text, MDM_VALIDATE_OFF), "JSON: too many values");

    /* a large string is no offence */

    memcpy(text, "{\"RequestType\":\"A\",\"B\":\"", 24);
    memset(text + 24, '&', len - 26);
    memcpy(text + len - 2, "\"}", 2);
    ok(read_json(text, MDM_VALIDATE_OFF));
    assert_true(command.body.len > 5 * (len - 26));

    memcpy(text, "{\"RequestType\":\"", 16);
    memset(text + 16, 'x', len - 18);
    refused(read_json(text, MDM_VALIDATE_OFF),
            "Command.RequestType: 1 to 255 bytes expected");

    /* and neither is a large key, but a message does not repeat it */

    memcpy(text, "{\"RequestType\":\"A\",\"", 20);
    memset(text + 20, 'k', len - 25);
    memcpy(text + len - 7, "\":null}", 7);
    assert_int_equal(read_json(text, MDM_VALIDATE_OFF), MDM_DECLINED);
    assert_true(command.error.len < 120);

    /* cut anywhere, it is refused and nothing else */

    snprintf(text, len, "{\"RequestType\":\"Settings\",\"Settings\":[{\"Item\""
             ":\"Wallpaper\",\"Image\":\"QUJD\",\"Where\":1,\"\\u00e4\":{"
             "\"$date\":\"2026-01-01T00:00:00Z\"}}]}");
    ok(read_json(text, MDM_VALIDATE_WARN));

    for (i = 0; i < strlen(text); i++) {
        assert_int_equal(read_bytes(text, i, 1, MDM_VALIDATE_WARN),
                         MDM_DECLINED);
    }

    free(text);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_wrapped),
        cmocka_unit_test(test_json_types),
        cmocka_unit_test(test_json_every_command),
        cmocka_unit_test(test_json_refused),
        cmocka_unit_test(test_json_text),
        cmocka_unit_test(test_json_hostile),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
