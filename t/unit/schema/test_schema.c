
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/schema/mdm_schema*.c with the table of Apple's commands.
 */


#include "schema.h"


static void test_commands_minimal(void **state);
static void test_commands_full(void **state);
static void test_commands_required(void **state);
static void test_commands_types(void **state);
static void test_commands_unknown_key(void **state);
static void test_request_type(void **state);
static void test_texts(void **state);
static void test_queries(void **state);
static void test_rules(void **state);
static void test_urls(void **state);
static void test_settings(void **state);
static void test_common_keys(void **state);
static void test_warnings(void **state);
static void test_lookup(void **state);

static mdm_int_t check(plist_t command, mdm_uint_t strict);
static mdm_int_t check_xml(const char *xml, mdm_uint_t strict);
static void walk_required(plist_t root, const mdm_schema_node_t *node,
    plist_t value, const char *path, mdm_uint_t *n);
static void walk_types(plist_t root, const mdm_schema_node_t *node,
    plist_t value, const char *path, mdm_uint_t *n);
static plist_t other_type(int type);
static char *nth_key(plist_t dict, uint32_t n);
static const mdm_schema_node_t *child_of(const mdm_schema_node_t *node,
    plist_t value, const char *key);


#define COMMAND(type, keys)                                                   \
    "<dict><key>RequestType</key><string>" type "</string>" keys "</dict>"

#define SETTINGS(elements)                                                    \
    COMMAND("Settings", "<key>Settings</key><array>" elements "</array>")


static mdm_int_t
check(plist_t command, mdm_uint_t strict)
{
    mdm_int_t  rc;

    rc = mdm_schema_command(arena, command, strict, &result);

    assert_true((rc == MDM_DECLINED) == (result.error.len != 0));

    return rc;
}


static mdm_int_t
check_xml(const char *xml, mdm_uint_t strict)
{
    return check_text(&mdm_schema_commands, xml, strict);
}


static void
test_commands_minimal(void **state)
{
    plist_t     command;
    mdm_uint_t  i;

    (void) state;

    assert_true(mdm_schema_commands.ncommands >= 68);

    for (i = 0; i < mdm_schema_commands.ncommands; i++) {
        command = command_instance(i, 0);

        if (check(command, 1) != MDM_OK) {
            fail_msg("command %d: %s", (int) i, ERROR);
        }

        assert_null(result.warnings);
        plist_free(command);
    }
}


static void
test_commands_full(void **state)
{
    plist_t     command;
    mdm_uint_t  i;

    (void) state;

    for (i = 0; i < mdm_schema_commands.ncommands; i++) {
        command = command_instance(i, 1);

        if (check(command, 1) != MDM_OK) {
            fail_msg("command %d: %s", (int) i, ERROR);
        }

        assert_null(result.warnings);
        plist_free(command);
    }
}


/* the node of a member, or of an array's element */

static const mdm_schema_node_t *
child_of(const mdm_schema_node_t *node, plist_t value, const char *key)
{
    char                     *item;
    plist_t                   p;
    mdm_str_t                 name;
    const mdm_schema_node_t  *child;

    if (key != NULL) {
        name.data = (u_char *) key;
        name.len = strlen(key);
        return mdm_schema_member(&mdm_schema_commands, node, &name);
    }

    p = plist_dict_get_item(value, "Item");

    if (p == NULL) {
        return mdm_schema_element(&mdm_schema_commands, node, NULL);
    }

    item = NULL;
    plist_get_string_val(p, &item);
    name.data = (u_char *) item;
    name.len = strlen(item);
    child = mdm_schema_element(&mdm_schema_commands, node, &name);
    free(item);

    return child;
}


/* takes each key out in turn */

static void
walk_required(plist_t root, const mdm_schema_node_t *node, plist_t value,
    const char *path, mdm_uint_t *n)
{
    char                      place[512], text[600];
    plist_t                   p, copy;
    uint32_t                  i;
    mdm_int_t                 rc;
    const char               *key;
    const mdm_schema_node_t  *child;

    if (node == NULL) {
        return;
    }

    if (node->type == 'A') {
        for (i = 0; i < plist_array_get_size(value); i++) {
            p = plist_array_get_item(value, i);
            snprintf(place, sizeof(place), "%s[%u]", path, i);
            walk_required(root, child_of(node, p, NULL), p, place, n);
        }

        return;
    }

    if (node->type != 'D') {
        return;
    }

    for (i = 0; i < node->nchildren; i++) {
        child = mdm_schema_commands.nodes + node->child + i;
        key = mdm_schema_commands.pool + child->name;
        p = plist_dict_get_item(value, key);

        if (p == NULL) {
            assert_true(instance_ruled(&mdm_schema_commands, node, key));
            continue;
        }

        snprintf(place, sizeof(place), "%s.%s", path, key);
        walk_required(root, child, p, place, n);

        copy = plist_copy(p);
        plist_dict_remove_item(value, key);

        if (child->flags & MDM_SCHEMA_REQUIRED) {
            snprintf(text, sizeof(text), "%s: required key is missing",
                     place);

            assert_int_equal(check(root, 0), MDM_OK);
            assert_string_equal(warning(0), text);
            assert_int_equal(check(root, 1), MDM_DECLINED);
            assert_string_equal(ERROR, text);
            (*n)++;

        } else {
            rc = check(root, 1);
            assert_true(rc == MDM_OK
                        || instance_ruled(&mdm_schema_commands, node, key));
        }

        plist_dict_set_item(value, key, copy);
    }
}


static void
test_commands_required(void **state)
{
    plist_t                   command;
    mdm_uint_t                i, n;
    const mdm_schema_node_t  *node;

    (void) state;

    n = 0;

    for (i = 0; i < mdm_schema_commands.ncommands; i++) {
        command = command_instance(i, 1);
        node = mdm_schema_commands.nodes + i;

        walk_required(command, node, command, "Command", &n);

        plist_free(command);
    }

    assert_true(n > 60);
}


static plist_t
other_type(int type)
{
    plist_t  p;

    switch (type) {

    case 's':
        return plist_new_string("1");

    case 'i':
        return plist_new_uint(1);

    case 'r':
        return plist_new_real(1);

    case 'b':
        return plist_new_bool(1);

    case 't':
        return instance_date(1);

    case 'd':
        return plist_new_data("1", 1);

    case 'A':
        return plist_new_array();

    default:
        p = plist_new_dict();
        plist_dict_set_item(p, "Item", plist_new_string("Bluetooth"));
        return p;
    }
}


static char *
nth_key(plist_t dict, uint32_t n)
{
    char             *key;
    plist_t           p;
    uint32_t          i;
    plist_dict_iter   iter;

    iter = NULL;
    plist_dict_new_iter(dict, &iter);

    key = NULL;

    for (i = 0; i <= n; i++) {
        free(key);
        key = NULL;
        plist_dict_next_item(dict, iter, &key, &p);
    }

    free(iter);

    return key;
}


/* puts each wrong type in the place of each value in turn */

static void
walk_types(plist_t root, const mdm_schema_node_t *node, plist_t value,
    const char *path, mdm_uint_t *n)
{
    char                      place[512];
    char                     *key;
    plist_t                   p, copy;
    uint32_t                  i, size;
    const char               *type;
    const mdm_schema_node_t  *child;

    if (node->type == 'A') {
        size = plist_array_get_size(value);

    } else if (node->type == 'D') {
        size = plist_dict_get_size(value);

    } else {
        return;
    }

    for (i = 0; i < size; i++) {

        if (node->type == 'A') {
            key = NULL;
            p = plist_array_get_item(value, i);
            snprintf(place, sizeof(place), "%s[%u]", path, i);

        } else {
            key = nth_key(value, i);
            p = plist_dict_get_item(value, key);
            snprintf(place, sizeof(place), "%s.%s", path, key);
        }

        child = child_of(node, p, key);
        assert_non_null(child);

        walk_types(root, child, p, place, n);

        copy = plist_copy(p);

        for (type = "sirbtdAD"; *type != '\0'; type++) {

            if (child->type == 0 || *type == child->type) {
                continue;
            }

            if (key != NULL) {
                plist_dict_set_item(value, key, other_type(*type));

            } else {
                plist_array_set_item(value, other_type(*type), i);
            }

            assert_int_equal(check(root, 0), MDM_DECLINED);
            starts(ERROR, place);
            assert_non_null(strstr(ERROR, " expected"));
            (*n)++;
        }

        if (key != NULL) {
            plist_dict_set_item(value, key, copy);

        } else {
            plist_array_set_item(value, copy, i);
        }

        free(key);
    }
}


static void
test_commands_types(void **state)
{
    plist_t                   command;
    mdm_uint_t                i, n;
    const mdm_schema_node_t  *node;

    (void) state;

    n = 0;

    for (i = 0; i < mdm_schema_commands.ncommands; i++) {
        command = command_instance(i, 1);
        node = mdm_schema_commands.nodes + i;

        walk_types(command, node, command, "Command", &n);

        assert_int_equal(check(command, 1), MDM_OK);
        plist_free(command);
    }

    assert_true(n > 1000);
}


static void
test_commands_unknown_key(void **state)
{
    plist_t     command;
    mdm_uint_t  i;

    (void) state;

    for (i = 0; i < mdm_schema_commands.ncommands; i++) {
        command = command_instance(i, 0);
        plist_dict_set_item(command, "NewIn2027", plist_new_array());

        assert_int_equal(check(command, 0), MDM_OK);
        assert_string_equal(warning(0), "Command.NewIn2027: unknown key");
        assert_int_equal(result.nwarnings, 1);

        assert_int_equal(check(command, 1), MDM_DECLINED);
        assert_string_equal(ERROR, "Command.NewIn2027: unknown key");
        assert_null(result.warnings);

        plist_free(command);
    }
}


static void
test_request_type(void **state)
{
    plist_t     plist;
    mdm_uint_t  i;

    /* names are case-sensitive */

    static const char  *unknown[] = {
        COMMAND("securityinfo", ""),
        COMMAND("SecurityInf", ""),
        COMMAND("SecurityInfoX", ""),
        COMMAND("*", ""),
        COMMAND("", "")
    };

    (void) state;

    assert_int_equal(check_xml(COMMAND("Telepathy", "<key>X</key><true/>"),
                               0), MDM_OK);
    assert_string_equal(warning(0), "Command.RequestType: unknown command "
                        "\"Telepathy\"");
    assert_string_equal(warning(1), "");

    assert_int_equal(check_xml(COMMAND("Telepathy", ""), 1), MDM_DECLINED);
    assert_string_equal(ERROR, "Command.RequestType: unknown command "
                        "\"Telepathy\"");

    for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(check_xml(unknown[i], 0), MDM_OK);
        assert_int_equal(result.nwarnings, 1);
        assert_int_equal(check_xml(unknown[i], 1), MDM_DECLINED);
    }

    assert_int_equal(check_xml("<dict/>", 0), MDM_DECLINED);
    assert_string_equal(ERROR, "Command.RequestType: required key is missing");

    assert_int_equal(check_xml("<dict><key>RequestType</key><true/></dict>",
                               0), MDM_DECLINED);
    assert_string_equal(ERROR, "Command.RequestType: string expected");

    plist = plist_new_string("x");
    assert_int_equal(check(plist, 0), MDM_DECLINED);
    assert_string_equal(ERROR, "Command: dictionary expected");
    plist_free(plist);
}


static void
test_texts(void **state)
{
    char        text[512];
    mdm_uint_t  i;

    static const int  flags[] = { 0, 1, 4, 5 };

    (void) state;

    warned(&mdm_schema_commands, COMMAND("InstallProfile", ""),
           "Command.Payload: required key is missing");

    /* each that is missing */

    assert_int_equal(check_xml(COMMAND("SetFirmwarePassword",
        "<key>Other</key><true/>"), 0), MDM_OK);
    assert_string_equal(warning(0), "Command.Other: unknown key");
    assert_string_equal(warning(1), "Command.NewPassword: required key is "
                        "missing");

    assert_int_equal(check_xml(COMMAND("DeviceInformation",
        "<key>Queries</key><string>UDID</string>"), 0), MDM_DECLINED);
    assert_string_equal(ERROR, "Command.Queries: array expected, "
                        "string found");

    assert_int_equal(check_xml(COMMAND("CertificateList",
        "<key>ManagedOnly</key><integer>1</integer>"), 0), MDM_DECLINED);
    assert_string_equal(ERROR, "Command.ManagedOnly: boolean expected, "
                        "integer found");

    /* required only where its parent is */

    assert_int_equal(check_xml(COMMAND("EraseDevice", ""), 0), MDM_OK);
    warned(&mdm_schema_commands, COMMAND("EraseDevice",
           "<key>ReturnToService</key><dict/>"),
           "Command.ReturnToService.Enabled: required key is missing");

    /* a string, an integer that Apple may add */

    assert_int_equal(check_xml(COMMAND("EraseDevice",
        "<key>ObliterationBehavior</key><string>Sometimes</string>"), 0),
        MDM_OK);
    assert_string_equal(warning(0), "Command.ObliterationBehavior: unknown "
                        "value \"Sometimes\"");

    warned(&mdm_schema_commands, COMMAND("Settings",
           "<key>Settings</key><array><dict><key>Item</key>"
           "<string>AccessibilitySettings</string>"
           "<key>TextSize</key><integer>12</integer></dict></array>"),
           "Command.Settings[0].TextSize: 12 is not an allowed value");

    /* bits are put together as one likes */

    for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        snprintf(text, sizeof(text), COMMAND("InstallApplication",
                 "<key>iTunesStoreID</key><integer>361309726</integer>"
                 "<key>ManagementFlags</key><integer>%d</integer>"), flags[i]);
        assert_int_equal(check_xml(text, 1), MDM_OK);
    }

    warned(&mdm_schema_commands, COMMAND("InstallApplication",
           "<key>iTunesStoreID</key><integer>1</integer>"
           "<key>ManagementFlags</key><integer>6</integer>"),
           "Command.ManagementFlags: 6 has unknown bits");
    warned(&mdm_schema_commands, COMMAND("InstallApplication",
           "<key>iTunesStoreID</key><integer>1</integer>"
           "<key>ManagementFlags</key><integer>-1</integer>"),
           "Command.ManagementFlags: -1 has unknown bits");

    assert_int_equal(check_xml(COMMAND("ScheduleOSUpdate",
        "<key>Updates</key><array/>"), 0), MDM_OK);
    assert_string_equal(warning(0), "Command.Updates: at least one element "
                        "expected");
}


static void
test_queries(void **state)
{
    static const char  queries[] = COMMAND("DeviceInformation",
        "<key>Queries</key><array><string>UDID</string>"
        "<string>EACSPreflight</string><string>SIMCarrierNetwork</string>"
        "<string>NewQuery</string><string></string>"
        "<string>UDID</string></array>");

    (void) state;

    assert_int_equal(check_xml(queries, 0), MDM_OK);
    assert_string_equal(warning(0), "Command.Queries[3]: unknown value "
                        "\"NewQuery\"");
    assert_string_equal(warning(1), "Command.Queries[4]: unknown value "
                        "\"\"");
    assert_int_equal(result.nwarnings, 2);

    assert_int_equal(check_xml(queries, 1), MDM_DECLINED);
    assert_string_equal(ERROR, "Command.Queries[3]: unknown value "
                        "\"NewQuery\"");

    assert_int_equal(check_xml(COMMAND("DeviceInformation",
        "<key>Queries</key><array><string>UDID</string><integer>1</integer>"
        "</array>"), 0), MDM_DECLINED);
    assert_string_equal(ERROR, "Command.Queries[1]: string expected, "
                        "integer found");
}


static void
test_rules(void **state)
{
    mdm_uint_t  i;

    static const struct {
        const char  *xml;
        const char  *text;           /* NULL: it is well */
    } tests[] = {
        { COMMAND("InstallApplication", ""),
          "Command: one of iTunesStoreID, Identifier, ManifestURL expected" },
        { COMMAND("InstallApplication",
                  "<key>iTunesStoreID</key><integer>1</integer>"
                  "<key>Identifier</key><string>a.b</string>"),
          "Command: only one of iTunesStoreID, Identifier, ManifestURL "
          "expected" },
        { COMMAND("EnableLostMode", ""),
          "Command: one of Message, PhoneNumber expected" },
        { COMMAND("EnableLostMode", "<key>Message</key><string>m</string>"
                  "<key>PhoneNumber</key><string>1</string>"), NULL },
        { COMMAND("RotateFileVaultKey", "<key>KeyType</key>"
                  "<string>personal</string><key>FileVaultUnlock</key><dict>"
                  "<key>PrivateKeyExport</key><data>AAAA</data></dict>"),
          "Command.FileVaultUnlock: PrivateKeyExport, "
          "PrivateKeyExportPassword belong together" },
        { COMMAND("ScheduleOSUpdate", "<key>Updates</key><array><dict>"
                  "<key>InstallAction</key><string>Default</string></dict>"
                  "</array>"),
          "Command.Updates[0]: one of ProductKey, ProductVersion expected" },
        { COMMAND("DeviceInformation", "<key>Queries</key><array/>"),
          "Command.Queries: at least one element expected" },
        { COMMAND("DeviceLock", "<key>PIN</key><string>123456</string>"),
          NULL },
        { COMMAND("DeviceLock", "<key>PIN</key><string>12345</string>"),
          "Command.PIN: 6 digits expected" },
        { COMMAND("DeviceLock", "<key>PIN</key><string>1234567</string>"),
          "Command.PIN: 6 digits expected" },
        { COMMAND("DeviceLock", "<key>PIN</key><string>12345x</string>"),
          "Command.PIN: 6 digits expected" },
        { COMMAND("RemoveProvisioningProfile",
                  "<key>UUID</key><string>1B4E28BA-2FA1-11D2-883F-0016D3CCA427"
                  "</string>"), NULL },
        { COMMAND("RemoveProvisioningProfile",
                  "<key>UUID</key><string>1B4E28BA-2FA1-11D2-883F-0016D3CCA42"
                  "</string>"), "Command.UUID: UUID expected" },
        { COMMAND("RemoveProvisioningProfile",
                  "<key>UUID</key><string>1B4E28BA+2FA1-11D2-883F-0016D3CCA427"
                  "</string>"), "Command.UUID: UUID expected" },
        { COMMAND("RemoveProvisioningProfile",
                  "<key>UUID</key><string>1B4E28BA-2FA1-11D2-883F-0016D3CCA42g"
                  "</string>"), "Command.UUID: UUID expected" },
        { COMMAND("InstallProfile", "<key>Payload</key><data></data>"),
          "Command.Payload: profile expected: it is empty" },
        { COMMAND("InstallProfile", "<key>Payload</key><data>QUJD</data>"),
          "Command.Payload: profile expected: text where a tag is due" },
        { COMMAND("InstallProfile", "<key>Payload</key><data>PHBsaXN0PjxkaWN0"
                  "Lz48L3BsaXN0Pg==</data>"),
          "Command.Payload: profile expected: its PayloadType is not "
          "Configuration" },
        { COMMAND("InstallProfile", "<key>Payload</key><data>MAMCAQE=</data>"),
          NULL },
        { COMMAND("InstallProfile", "<key>Payload</key><data>MAQCAQE=</data>"),
          "Command.Payload: profile expected: a signature that is cut" },
        { COMMAND("InstallProfile", "<key>Payload</key><data>MIIBAAI=</data>"),
          "Command.Payload: profile expected: a signature that is cut" }
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {

        if (tests[i].text != NULL) {
            warned(&mdm_schema_commands, tests[i].xml, tests[i].text);

        } else if (check_xml(tests[i].xml, 1) != MDM_OK) {
            fail_msg("%s: %s", tests[i].xml, ERROR);
        }
    }
}


static void
test_urls(void **state)
{
    char        xml[512];
    mdm_uint_t  i;

    static const struct {
        const char  *url;
        mdm_uint_t   good;
    } urls[] = {
        { "https://example.com/a.plist", 1 },
        { "http://[::1]:8080/?a=b&amp;c=%20#d", 1 },
        { "itms-services://?action=x", 0 },
        { "data:application/json;base64,AAAA", 1 },
        { "HTTPS://example.com", 1 },
        { "", 0 },
        { "example.com/a", 0 },
        { "/a.plist", 0 },
        { "https:", 0 },
        { "https:example.com", 0 },
        { "https://", 0 },
        { "https:///a", 0 },
        { "https://:80/a", 0 },
        { "://example.com", 0 },
        { "1http://example.com", 0 },
        { "https://example.com/a b", 0 },
        { "https://example.com/&lt;a>", 0 },
        { "https://ex\xc3\xa4mple.com/", 0 },
        { " https://example.com", 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        snprintf(xml, sizeof(xml), COMMAND("InstallApplication",
                 "<key>ManifestURL</key><string>%s</string>"), urls[i].url);

        if (urls[i].good) {
            assert_int_equal(check_xml(xml, 1), MDM_OK);
            continue;
        }

        warned(&mdm_schema_commands, xml, "Command.ManifestURL: URL expected");
    }
}


static void
test_settings(void **state)
{
    (void) state;

    assert_int_equal(check_xml(SETTINGS(
        "<dict><key>Item</key><string>Bluetooth</string>"
        "<key>Enabled</key><true/></dict>"
        "<dict><key>Item</key><string>DefaultApplications</string>"
        "<key>WebBrowser</key><string>org.example</string></dict>"
        "<dict><key>Item</key><string>ApplicationConfiguration</string>"
        "<key>Identifier</key><string>org.example</string>"
        "<key>Configuration</key><dict><key>a</key><integer>1</integer>"
        "<key>b</key><dict/></dict></dict>"), 1), MDM_OK);

    assert_int_equal(check_xml(SETTINGS(
        "<dict><key>Item</key><string>Bluetooth</string>"
        "<key>Enabled</key><true/></dict>"
        "<dict><key>Item</key><string>Wallpaper</string>"
        "<key>Image</key><data>AAAA</data></dict>"), 0), MDM_OK);
    assert_string_equal(warning(0), "Command.Settings[1].Where: required key "
                        "is missing");

    warned(&mdm_schema_commands, SETTINGS(
        "<dict><key>Item</key><string>Wallpaper</string>"
        "<key>Where</key><integer>4</integer>"
        "<key>Image</key><data>AAAA</data></dict>"),
        "Command.Settings[0].Where: 4 is not an allowed value");

    /* a key of another item */

    assert_int_equal(check_xml(SETTINGS(
        "<dict><key>Item</key><string>DataRoaming</string>"
        "<key>Enabled</key><true/>"
        "<key>Where</key><integer>4</integer></dict>"), 0), MDM_OK);
    assert_string_equal(warning(0), "Command.Settings[0].Where: unknown key");

    warned(&mdm_schema_commands, SETTINGS(
        "<dict><key>Enabled</key><true/></dict>"),
        "Command.Settings[0].Item: required key is missing");

    assert_int_equal(check_xml(SETTINGS(
        "<dict><key>Item</key><integer>1</integer></dict>"), 0),
        MDM_DECLINED);
    assert_string_equal(ERROR, "Command.Settings[0].Item: string expected");

    assert_int_equal(check_xml(SETTINGS("<string>Bluetooth</string>"), 0),
                     MDM_DECLINED);
    assert_string_equal(ERROR, "Command.Settings[0]: dictionary expected, "
                        "string found");

    assert_int_equal(check_xml(SETTINGS(
        "<dict><key>Item</key><string>Antigravity</string>"
        "<key>Enabled</key><integer>1</integer></dict>"), 0), MDM_OK);
    assert_string_equal(warning(0), "Command.Settings[0].Item: unknown item "
                        "\"Antigravity\"");

    assert_int_equal(check_xml(SETTINGS(
        "<dict><key>Item</key><string>Antigravity</string></dict>"), 1),
        MDM_DECLINED);
}


static void
test_common_keys(void **state)
{
    (void) state;

    assert_int_equal(check_xml(COMMAND("SecurityInfo",
        "<key>RequestRequiresNetworkTether</key><true/>"), 1), MDM_OK);

    assert_int_equal(check_xml(COMMAND("SecurityInfo",
        "<key>RequestRequiresNetworkTether</key><string>yes</string>"), 0),
        MDM_DECLINED);
    assert_string_equal(ERROR, "Command.RequestRequiresNetworkTether: "
                        "boolean expected, string found");

    /* only at the top */

    assert_int_equal(check_xml(COMMAND("RotateFileVaultKey",
        "<key>KeyType</key><string>personal</string>"
        "<key>FileVaultUnlock</key><dict>"
        "<key>RequestRequiresNetworkTether</key><true/></dict>"), 0),
        MDM_OK);
    assert_string_equal(warning(0), "Command.FileVaultUnlock."
                        "RequestRequiresNetworkTether: unknown key");
}


static void
test_warnings(void **state)
{
    char        key[32], text[64];
    plist_t     command;
    mdm_uint_t  i;

    (void) state;

    command = plist_new_dict();
    plist_dict_set_item(command, "RequestType",
                        plist_new_string("SecurityInfo"));

    for (i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "Key%d", (int) i);
        plist_dict_set_item(command, key, plist_new_bool(1));
    }

    assert_int_equal(check(command, 0), MDM_OK);
    assert_int_equal(result.nwarnings, MDM_SCHEMA_WARNINGS);

    for (i = 0; i < MDM_SCHEMA_WARNINGS; i++) {
        snprintf(text, sizeof(text), "Command.Key%d: unknown key", (int) i);
        assert_string_equal(warning(i), text);
    }

    assert_string_equal(warning(i), "");

    /* an error after more warnings than are listed is still an error */

    plist_dict_set_item(command, "RequestType",
                        plist_new_string("InstallProfile"));
    plist_dict_set_item(command, "Payload", plist_new_bool(1));

    assert_int_equal(check(command, 0), MDM_DECLINED);
    assert_string_equal(ERROR, "Command.Payload: data expected, boolean "
                        "found");
    assert_int_equal(result.nwarnings, MDM_SCHEMA_WARNINGS);

    plist_free(command);
}


static void
test_lookup(void **state)
{
    mdm_str_t                  name;
    mdm_uint_t                 i;
    const mdm_schema_node_t   *node, *wallpaper;
    const mdm_schema_table_t  *table;

    static mdm_str_t  settings = mdm_string("Settings");
    static mdm_str_t  item = mdm_string("Wallpaper");
    static mdm_str_t  image = mdm_string("Image");
    static mdm_str_t  where = mdm_string("Where");
    static mdm_str_t  zero = mdm_string("Image\0");
    static mdm_str_t  null = mdm_null_string;

    (void) state;

    table = &mdm_schema_commands;

    /* every command is found, and what is near it is not */

    for (i = 0; i < table->ncommands; i++) {
        name.data = (u_char *) (table->pool + table->nodes[i].name);
        name.len = strlen((char *) name.data);
        assert_ptr_equal(mdm_schema_find(table, &name), table->nodes + i);

        name.len--;
        assert_null(mdm_schema_find(table, &name));

        name.len += 2;
        assert_null(mdm_schema_find(table, &name));
    }

    assert_null(mdm_schema_find(table, &null));

    node = mdm_schema_find(table, &settings);
    node = mdm_schema_member(table, node, &settings);
    assert_int_equal(mdm_schema_type(node), 'A');

    assert_null(mdm_schema_element(table, node, NULL));
    assert_null(mdm_schema_element(table, node, &image));
    assert_null(mdm_schema_element(table, node, &null));

    wallpaper = mdm_schema_element(table, node, &item);
    assert_int_equal(mdm_schema_type(wallpaper), 'D');

    node = mdm_schema_member(table, wallpaper, &image);
    assert_int_equal(mdm_schema_type(node), 'd');
    node = mdm_schema_member(table, wallpaper, &where);
    assert_int_equal(mdm_schema_type(node), 'i');

    assert_null(mdm_schema_member(table, wallpaper, &zero));
    assert_null(mdm_schema_member(table, wallpaper, &null));
    assert_null(mdm_schema_member(table, node, &where));
    assert_null(mdm_schema_member(table, NULL, &where));
    assert_null(mdm_schema_element(table, NULL, &where));
    assert_int_equal(mdm_schema_type(NULL), 0);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_commands_minimal),
        cmocka_unit_test(test_commands_full),
        cmocka_unit_test(test_commands_required),
        cmocka_unit_test(test_commands_types),
        cmocka_unit_test(test_commands_unknown_key),
        cmocka_unit_test(test_request_type),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_common_keys),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_lookup),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
