
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/device/mdm_command.c.
 */


#include "command.h"


static void test_raw(void **state);
static void test_raw_binary(void **state);
static void test_raw_characters(void **state);
static void test_raw_made_uuid(void **state);
static void test_raw_refused(void **state);
static void test_raw_twice(void **state);
static void test_names(void **state);
static void test_validate(void **state);


static void
test_raw(void **state)
{
    static const char  text[] =
        PLIST("<dict>" UUID COMMAND(TYPE("InstallProfile")
              "<key>Payload</key><data>MAA=</data>") "</dict>");

    (void) state;

    ok(read_raw(text, MDM_VALIDATE_STRICT));
    assert_true(mdm_str_is(&command.uuid, "C-1"));
    assert_true(mdm_str_is(&command.request_type, "InstallProfile"));
    assert_true(mdm_str_is(&command.body, text));
    assert_null(command.schema.warnings);
}


static void
test_raw_binary(void **state)
{
    char       *bin;
    plist_t     root, dict;
    uint32_t    len;

    (void) state;

    root = plist_new_dict();
    dict = plist_new_dict();
    plist_dict_set_item(root, "CommandUUID", plist_new_string("B-1"));
    plist_dict_set_item(root, "Command", dict);
    plist_dict_set_item(dict, "RequestType",
                        plist_new_string("SecurityInfo"));

    bin = NULL;
    plist_to_bin(root, &bin, &len);
    assert_non_null(bin);

    ok(read_bytes(bin, len, 0, MDM_VALIDATE_STRICT));
    assert_true(mdm_str_is(&command.uuid, "B-1"));
    assert_int_equal(command.body.len, len);
    assert_memory_equal(command.body.data, bin, len);
    free(bin);

    /* without a CommandUUID it is written anew, as XML */

    plist_dict_remove_item(root, "CommandUUID");

    bin = NULL;
    plist_to_bin(root, &bin, &len);
    assert_non_null(bin);

    ok(read_bytes(bin, len, 0, MDM_VALIDATE_STRICT));
    assert_int_equal(command.uuid.len, 36);
    assert_memory_equal(command.body.data, "<?xml", 5);
    free(bin);

    plist_free(root);
}


/* what XML cannot hold: as it came it may stay, written anew it may not */

static void
test_raw_characters(void **state)
{
    char       *bin;
    size_t      i, k;
    plist_t     root, dict;
    uint32_t    len;

    static const struct {
        const char  *text;
        const char  *error;      /* NULL: XML can hold it */
    } cases[] = {
        { "a\tb\nc", NULL },
        { "\xef\xbf\xbd \xef\xbc\x80", NULL },
        { "a\x08" "b", "plist: a control character" },
        { "\x01", "plist: a control character" },
        { "\x1f", "plist: a control character" },
        { "\xef\xbf\xbe", "plist: a character that no plist can hold" },
        { "\xef\xbf\xbf", "plist: a character that no plist can hold" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (k = 0; k < 3; k++) {

            root = plist_new_dict();
            dict = plist_new_dict();
            plist_dict_set_item(root, "Command", dict);
            plist_dict_set_item(dict, "RequestType",
                                plist_new_string("SecurityInfo"));

            if (k == 0) {
                plist_dict_set_item(dict, cases[i].text, plist_new_bool(1));

            } else {
                plist_dict_set_item(dict, "A",
                                    plist_new_string(cases[i].text));
            }

            if (k == 2) {
                plist_dict_set_item(root, "CommandUUID",
                                    plist_new_string("B-1"));
            }

            bin = NULL;
            plist_to_bin(root, &bin, &len);
            assert_non_null(bin);
            plist_free(root);

            if (cases[i].error == NULL || k == 2) {
                ok(read_bytes(bin, len, 0, MDM_VALIDATE_OFF));

            } else {
                refused(read_bytes(bin, len, 0, MDM_VALIDATE_OFF),
                        cases[i].error);
            }

            free(bin);
        }
    }

    refused(read_raw(PLIST("<dict>" COMMAND(TYPE("SecurityInfo")
                           "<key>A</key><string>&#8;</string>") "</dict>"),
                     MDM_VALIDATE_OFF),
            "plist: a control character");
}


static void
test_raw_made_uuid(void **state)
{
    char       *uuid, *first, *second;
    plist_t     root, p;

    (void) state;

    ok(read_raw(PLIST("<dict>" COMMAND(TYPE("InstallProfile")
                      "<key>Payload</key><data>QUJD</data>"
                      "<key>Extra</key><array><integer>-7</integer>"
                      "<real>1.5</real><true/>"
                      "<date>2026-11-24T10:00:00Z</date>"
                      "<string>&lt;&amp;</string></array>")
                      "<key>Beside</key><string>b</string></dict>"),
                MDM_VALIDATE_OFF));

    root = body();
    p = plist_dict_get_item(root, "CommandUUID");
    assert_non_null(p);
    uuid = NULL;
    plist_get_string_val(p, &uuid);
    assert_int_equal(command.uuid.len, 36);
    assert_true(mdm_str_is(&command.uuid, uuid));
    free(uuid);

    /* nothing else has changed */

    plist_dict_remove_item(root, "CommandUUID");
    first = xml(root);

    p = NULL;
    plist_from_xml(PLIST("<dict>" COMMAND(TYPE("InstallProfile")
                   "<key>Payload</key><data>QUJD</data>"
                   "<key>Extra</key><array><integer>-7</integer>"
                   "<real>1.5</real><true/>"
                   "<date>2026-11-24T10:00:00Z</date>"
                   "<string>&lt;&amp;</string></array>")
                   "<key>Beside</key><string>b</string></dict>"),
                   sizeof(PLIST("<dict>" COMMAND(TYPE("InstallProfile")
                   "<key>Payload</key><data>QUJD</data>"
                   "<key>Extra</key><array><integer>-7</integer>"
                   "<real>1.5</real><true/>"
                   "<date>2026-11-24T10:00:00Z</date>"
                   "<string>&lt;&amp;</string></array>")
                   "<key>Beside</key><string>b</string></dict>")) - 1, &p);
    second = xml(p);

    assert_string_equal(first, second);

    free(first);
    free(second);
    plist_free(p);
}


static void
test_raw_refused(void **state)
{
    (void) state;

    refused(read_raw("", MDM_VALIDATE_OFF), "the body is empty");

    assert_int_equal(read_raw("hello", MDM_VALIDATE_OFF), MDM_DECLINED);
    assert_memory_equal(error_text(), "plist: ", 7);

    assert_int_equal(read_raw(PLIST("<array/>"), MDM_VALIDATE_OFF),
                     MDM_DECLINED);
    assert_memory_equal(error_text(), "plist: ", 7);

    refused(read_raw(PLIST("<dict>" UUID "</dict>"), MDM_VALIDATE_OFF),
            "Command: required key is missing");
    refused(read_raw(PLIST("<dict>" UUID TYPE("SecurityInfo") "</dict>"),
                     MDM_VALIDATE_OFF),
            "Command: required key is missing");
    refused(read_raw(PLIST("<dict>" UUID
                           "<key>Command</key><string>x</string></dict>"),
                     MDM_VALIDATE_OFF),
            "Command: dictionary expected");
    refused(read_raw(PLIST("<dict>" UUID COMMAND("") "</dict>"),
                     MDM_VALIDATE_OFF),
            "Command.RequestType: required key is missing");
    refused(read_raw(PLIST("<dict>" UUID COMMAND("<key>RequestType</key>"
                           "<integer>1</integer>") "</dict>"),
                     MDM_VALIDATE_OFF),
            "Command.RequestType: string expected");
}


/*
 * A device need not take the same one of two equal keys, and then a result
 * would not find its command
 */

static void
test_raw_twice(void **state)
{
    static const char  why[] = "plist: the same key twice in a dictionary";

    (void) state;

    refused(read_raw(PLIST("<dict>" UUID UUID COMMAND(TYPE("SecurityInfo"))
                           "</dict>"), MDM_VALIDATE_OFF), why);
    refused(read_raw(PLIST("<dict>" UUID COMMAND(TYPE("SecurityInfo"))
                           COMMAND(TYPE("EraseDevice")) "</dict>"),
                     MDM_VALIDATE_OFF), why);
    refused(read_raw(PLIST("<dict>" UUID COMMAND(TYPE("SecurityInfo")
                           TYPE("EraseDevice")) "</dict>"),
                     MDM_VALIDATE_OFF), why);
}


static void
test_names(void **state)
{
    char        text[1024], name[300];
    mdm_uint_t  i;

    static const struct {
        const char  *name;
        const char  *why;
    } tests[] = {
        { "x", NULL },
        { "any text, even with blanks/\xc3\xa4", NULL },
        { "", "1 to 255 bytes expected" },
        { "a\tb", "a control character" },
        { "a\nb", "a control character" },
        { "a\x7f", "a control character" },
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {

        snprintf(text, sizeof(text), PLIST("<dict><key>CommandUUID</key>"
                 "<string>%s</string>" COMMAND(TYPE("%s")) "</dict>"),
                 tests[i].name, "SecurityInfo");

        if (tests[i].why == NULL) {
            ok(read_raw(text, MDM_VALIDATE_OFF));
            assert_true(mdm_str_is(&command.uuid, tests[i].name));

        } else {
            assert_int_equal(read_raw(text, MDM_VALIDATE_OFF), MDM_DECLINED);
            snprintf(name, sizeof(name), "CommandUUID: %s", tests[i].why);
            assert_string_equal(error_text(), name);
        }

        snprintf(text, sizeof(text), PLIST("<dict><key>CommandUUID</key>"
                 "<string>%s</string>" COMMAND(TYPE("%s")) "</dict>"),
                 "u", tests[i].name);

        if (tests[i].why == NULL) {
            ok(read_raw(text, MDM_VALIDATE_OFF));
            assert_true(mdm_str_is(&command.request_type, tests[i].name));

        } else {
            assert_int_equal(read_raw(text, MDM_VALIDATE_OFF), MDM_DECLINED);
            snprintf(name, sizeof(name), "Command.RequestType: %s",
                     tests[i].why);
            assert_string_equal(error_text(), name);
        }
    }

    /* 255 bytes are welcome, 256 are not */

    for (i = MDM_COMMAND_UUID_MAX; i <= MDM_COMMAND_UUID_MAX + 1; i++) {
        memset(name, 'u', i);
        name[i] = '\0';

        snprintf(text, sizeof(text), PLIST("<dict><key>CommandUUID</key>"
                 "<string>%s</string>" COMMAND(TYPE("SecurityInfo"))
                 "</dict>"), name);

        if (i == MDM_COMMAND_UUID_MAX) {
            ok(read_raw(text, MDM_VALIDATE_OFF));
            assert_true(mdm_str_is(&command.uuid, name));

        } else {
            refused(read_raw(text, MDM_VALIDATE_OFF),
                    "CommandUUID: 1 to 255 bytes expected");
        }
    }

    refused(read_raw(PLIST("<dict><key>CommandUUID</key><data>AAAA</data>"
                           COMMAND(TYPE("SecurityInfo")) "</dict>"),
                     MDM_VALIDATE_OFF), "CommandUUID: string expected");
}


static void
test_validate(void **state)
{
    static const char  missing[] =
        PLIST("<dict>" UUID COMMAND(TYPE("InstallProfile")) "</dict>");
    static const char  unknown[] =
        PLIST("<dict>" UUID COMMAND(TYPE("Telepathy")) "</dict>");
    static const char  beside[] =
        PLIST("<dict>" UUID COMMAND(TYPE("SecurityInfo"))
              "<key>Payload</key><data>QUJD</data></dict>");

    (void) state;

    ok(read_raw(missing, MDM_VALIDATE_OFF));
    assert_null(command.schema.warnings);
    ok(read_raw(missing, MDM_VALIDATE_WARN));
    assert_string_equal(first_warning(), "Command.Payload: required key is "
                        "missing");
    refused(read_raw(missing, MDM_VALIDATE_STRICT),
            "Command.Payload: required key is missing");

    ok(read_raw(unknown, MDM_VALIDATE_OFF));
    assert_null(command.schema.warnings);
    ok(read_raw(unknown, MDM_VALIDATE_WARN));
    assert_string_equal(first_warning(), "Command.RequestType: unknown "
                        "command \"Telepathy\"");
    refused(read_raw(unknown, MDM_VALIDATE_STRICT),
            "Command.RequestType: unknown command \"Telepathy\"");

    ok(read_raw(beside, MDM_VALIDATE_OFF));
    assert_null(command.schema.warnings);
    ok(read_raw(beside, MDM_VALIDATE_WARN));
    assert_string_equal(first_warning(), "Payload: unknown key beside "
                        "Command");
    assert_true(mdm_str_is(&command.body, beside));
    refused(read_raw(beside, MDM_VALIDATE_STRICT),
            "Payload: unknown key beside Command");
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_raw_binary),
        cmocka_unit_test(test_raw_characters),
        cmocka_unit_test(test_raw_made_uuid),
        cmocka_unit_test(test_raw_refused),
        cmocka_unit_test(test_raw_twice),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_validate),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
