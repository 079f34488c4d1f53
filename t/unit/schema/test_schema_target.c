
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/schema/mdm_schema_target.c.
 */


#include "schema.h"

#include "mdm_schema_target.h"


#define COMMAND(type, keys)                                                   \
    "<dict><key>RequestType</key><string>" type "</string>" keys "</dict>"

#define SETTING(keys)                                                         \
    COMMAND("Settings", "<key>Settings</key><array><dict>" keys               \
            "</dict></array>")


static mdm_int_t
check(const mdm_schema_target_t *target, const char *xml, mdm_uint_t strict)
{
    char       text[4096];
    plist_t    plist;
    mdm_int_t  rc;

    snprintf(text, sizeof(text), "<plist version=\"1.0\">%s</plist>", xml);

    plist = NULL;
    plist_from_xml(text, (uint32_t) strlen(text), &plist);
    assert_non_null(plist);

    memset(&result, 0, sizeof(mdm_schema_result_t));

    rc = mdm_schema_command_target(arena, target, plist, strict, &result);

    assert_true((rc == MDM_DECLINED) == (result.error.len != 0));
    plist_free(plist);

    return rc;
}


static void
test_target(void **state)
{
    mdm_uint_t  i;

    enum { IOS = MDM_SCHEMA_IOS, MAC = MDM_SCHEMA_MACOS };

    /* system, version, unsupervised, user, enrollment, shared */

    static const struct {
        mdm_schema_target_t   target;
        const char           *xml;
        const char           *text;            /* NULL: it is well */
    } tests[] = {
        { { IOS, 180000, 0, 0, 0, 0 }, COMMAND("SetRecoveryLock",
          "<key>NewPassword</key><string>x</string>"),
          "Command: not on iOS" },
        { { MAC, 110400, 0, 0, 0, 0 }, COMMAND("SetRecoveryLock",
          "<key>NewPassword</key><string>x</string>"),
          "Command: needs macOS 11.5, the device has 11.4" },
        { { MAC, 110500, 0, 0, 0, 0 }, COMMAND("SetRecoveryLock", ""), NULL },
        { { MAC, 0, 0, 0, 0, 0 }, COMMAND("SetRecoveryLock", ""), NULL },
        { { MDM_SCHEMA_SYSTEMS, 1, 1, 1, 1, 1 },
          COMMAND("SetRecoveryLock", ""), NULL },
        { { MAC, 150000, 0, 1, 0, 0 }, COMMAND("SetRecoveryLock", ""),
          "Command: not on the user channel" },
        { { MAC, 150000, 0, 0, 1, 0 }, COMMAND("SetRecoveryLock", ""),
          "Command: not with User Enrollment" },
        { { MAC, 150000, 0, 0, 0, 0 }, COMMAND("ActiveNSExtensions", ""),
          "Command: only on the user channel" },
        { { MAC, 150000, 0, 1, 0, 0 }, COMMAND("ActiveNSExtensions", ""),
          NULL },
        { { IOS, 170000, 1, 0, 0, 0 }, COMMAND("EnableLostMode", ""),
          "Command: needs a supervised device" },
        { { IOS, 170000, 0, 0, 0, 0 }, COMMAND("EnableLostMode", ""), NULL },
        { { IOS, 180000, 0, 1, 0, 1 }, COMMAND("InstallApplication", ""),
          "Command: not on the user channel" },

        /* a key alone */

        { { IOS, 60000, 0, 0, 0, 0 }, COMMAND("InstallApplication",
          "<key>Identifier</key><string>a.b</string>"),
          "Command.Identifier: needs iOS 7.0, the device has 6.0" },
        { { MAC, 150000, 0, 0, 0, 0 }, COMMAND("InstallApplication",
          "<key>Attributes</key><dict><key>VPNUUID</key><string>x</string>"
          "</dict>"),
          "Command.Attributes: not on macOS" },
        { { MAC, 150100, 0, 0, 0, 0 }, SETTING("<key>Item</key>"
          "<string>Wallpaper</string>"), "Command.Settings[0]: not on macOS" },
        { { IOS, 160000, 1, 0, 0, 0 }, SETTING("<key>Item</key>"
          "<string>Wallpaper</string>"),
          "Command.Settings[0]: needs a supervised device" },

        /* what is no command at all is not looked at */

        { { IOS, 160000, 1, 0, 0, 0 }, SETTING("<key>Item</key><true/>"),
          NULL },
        { { IOS, 160000, 1, 0, 0, 0 }, COMMAND("Settings",
          "<key>Settings</key><true/>"), NULL },
        { { IOS, 160000, 1, 0, 0, 0 }, COMMAND("Telepathy", ""), NULL },
        { { IOS, 160000, 1, 0, 0, 0 }, "<dict/>", NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {

        if (tests[i].text == NULL) {

            if (check(&tests[i].target, tests[i].xml, 1) != MDM_OK
                || result.nwarnings != 0)
            {
                fail_msg("%s: %s", tests[i].xml, ERROR);
            }

            continue;
        }

        assert_int_equal(check(&tests[i].target, tests[i].xml, 0), MDM_OK);
        assert_string_equal(warning(0), tests[i].text);
        assert_int_equal(result.nwarnings, 1);

        assert_int_equal(check(&tests[i].target, tests[i].xml, 1),
                         MDM_DECLINED);
        assert_string_equal(ERROR, tests[i].text);
    }
}


static void
test_version(void **state)
{
    mdm_str_t   s;
    mdm_uint_t  i;

    static const struct {
        const char  *text;
        uint32_t     version;
    } list[] = {
        { "17.4.1", 170401 },
        { "26", 260000 },
        { "10.15.7", 101507 },
        { "18.0b2", 180000 },
        { "17.4 (c)", 170400 },
        { "17.123", 179900 },
        { "1.2.3.4", 10203 },
        { "", 0 },
        { "beta", 0 },
        { "99999999999999999999", 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        s.data = (u_char *) list[i].text;
        s.len = strlen(list[i].text);

        assert_int_equal(mdm_schema_version(&s), list[i].version);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_version),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
