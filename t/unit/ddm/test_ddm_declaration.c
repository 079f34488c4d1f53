
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/ddm/mdm_ddm_declaration.c and mdm_ddm_check.c.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_ddm_declaration.h"
#include "mdm_exchange.h"
#include "mdm_unit_arena.h"


#define TEST     "com.apple.configuration.management.test"
#define SIMPLE   "com.apple.activation.simple"

#define DECLARATION(type, payload)                                            \
    "{\"Identifier\":\"a\",\"Type\":\"" type "\",\"Payload\":" payload "}"


static mdm_ddm_declaration_t   d;

static mdm_limits_t  limits = { MDM_PLIST_DEPTH, MDM_PLIST_NODES };


static mdm_int_t
read_mode(const char *text, mdm_uint_t validate)
{
    mdm_int_t  rc;
    mdm_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    rc = mdm_ddm_declaration_read(arena, &s, &limits, validate, &d);

    assert_true((rc == MDM_DECLINED) == (d.error.len != 0));

    return rc;
}


static void
good(const char *text)
{
    if (read_mode(text, MDM_VALIDATE_STRICT) != MDM_OK) {
        fail_msg("%s: %s", text, (char *) d.error.data);
    }

    assert_int_equal(d.schema.nwarnings, 0);
}


static void
bad(const char *text, mdm_uint_t validate, const char *error)
{
    assert_int_equal(read_mode(text, validate), MDM_DECLINED);
    assert_string_equal((char *) d.error.data, error);
}


/* said in warn, refused in strict, not looked at in off */

static void
unknown(const char *text, const char *what)
{
    assert_int_equal(read_mode(text, MDM_VALIDATE_OFF), MDM_OK);
    assert_int_equal(d.schema.nwarnings, 0);

    assert_int_equal(read_mode(text, MDM_VALIDATE_WARN), MDM_OK);
    assert_int_equal(d.schema.nwarnings, 1);
    assert_string_equal((char *) d.schema.warnings->text.data, what);

    bad(text, MDM_VALIDATE_STRICT, what);
}


/* refused in warn and strict */

static void
wrong(const char *text, const char *what)
{
    assert_int_equal(read_mode(text, MDM_VALIDATE_OFF), MDM_OK);

    bad(text, MDM_VALIDATE_WARN, what);
    bad(text, MDM_VALIDATE_STRICT, what);
}


#define is(s, text)                                                           \
    assert_int_equal((s).len, strlen(text));                                  \
    assert_memory_equal((s).data, text, strlen(text))


/* a real goes out as it came, wherever its key is sorted to */

static void
test_reals(void **state)
{
    size_t  i;

    static const struct {
        const char  *payload;
        const char  *kept;
    } cases[] = {
        { "{\"a\":0.1}", "{\"a\":0.1}" },
        { "{ \"z\": 0.1 , \"a\": [1.10,{\"y\":1e3,\"b\":0.3}], \"m\":-0.0 }",
          "{\"a\":[1.10,{\"b\":0.3,\"y\":1e3}],\"m\":-0.0,\"z\":0.1}" },
        { "{\"b\":0.1,\"a\":0.10,\"c\":1.0E-1}",
          "{\"a\":0.10,\"b\":0.1,\"c\":1.0E-1}" },
        { "{\"a\":3.14159265358979323846264338327950288,\"b\":100,"
          "\"c\":1e-400}",
          "{\"a\":3.14159265358979323846264338327950288,\"b\":100,"
          "\"c\":1e-400}" },
        { "{\"\\\"1.5\":\"-2.5\\\\\",\"a\":\"1e5\",\"b\":[true,2.5,null,-7]}",
          "{\"\\\"1.5\":\"-2.5\\\\\",\"a\":\"1e5\",\"b\":[true,2.5,null,-7]}" },
        { "{\"a\":9007199254740993,\"b\":-0}",
          "{\"a\":9007199254740993,\"b\":0}" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char  text[512];

        (void) snprintf(text, sizeof(text), "{\"ServerToken\":\"0.5\","
                        "\"Payload\":%s,\"Identifier\":\"a\","
                        "\"Type\":\"" TEST "\"}", cases[i].payload);

        assert_int_equal(read_mode(text, MDM_VALIDATE_OFF), MDM_OK);
        is(d.payload, cases[i].kept);

        (void) snprintf(text, sizeof(text), "{\"ServerToken\":0.5,"
                        "\"Payload\":%s,\"Identifier\":\"a\","
                        "\"Type\":\"" TEST "\"}", cases[i].payload);

        assert_int_equal(read_mode(text, MDM_VALIDATE_OFF), MDM_OK);
        is(d.payload, cases[i].kept);
    }
}


static void
test_head(void **state)
{
    char  text[256], id[80];

    (void) state;

    good("{\"Identifier\":\"a/b:\xc3\xa9\",\"Type\":\"" TEST "\","
         "\"ServerToken\":\"mine\",\"Payload\":{\"Echo\":\"x\"}}");

    is(d.id, "a/b:\xc3\xa9");
    is(d.key, "a%2Fb:%C3%A9");
    is(d.type, TEST);
    is(d.kind, "c");
    is(d.payload, "{\"Echo\":\"x\"}");
    is(d.vars, "");
    is(d.refs, "");

    good(DECLARATION("com.apple.asset.useridentity", "{}"));
    is(d.kind, "s");

    good(DECLARATION("com.apple.management.properties", "{\"a\":[1]}"));
    is(d.kind, "m");

    good(DECLARATION(SIMPLE, "{\"StandardConfigurations\":[\"c\"]}"));
    is(d.kind, "a");

    /* 64 octets, not characters */

    memset(id, 'x', 65);
    id[64] = '\0';

    (void) snprintf(text, sizeof(text), "{\"Identifier\":\"%s\",\"Type\":\""
                    TEST "\",\"Payload\":{\"Echo\":\"\"}}", id);
    good(text);

    memcpy(id, "\xc3\xa9", 2);
    id[64] = 'x';
    id[65] = '\0';

    (void) snprintf(text, sizeof(text), "{\"Identifier\":\"%s\",\"Type\":\""
                    TEST "\",\"Payload\":{\"Echo\":\"\"}}", id);
    bad(text, 0, "Identifier: has 1 to 64 octets");
}


static void
test_refused(void **state)
{
    mdm_uint_t  i;

    static const struct {
        const char  *text;
        const char  *error;
    } list[] = {
        { "[]", "JSON: object expected" },
        { "{\"Identifier\":1}", "Identifier: string expected" },
        { "{\"Type\":\"" TEST "\"}", "Identifier: missing" },
        { "{\"Identifier\":\"ngx_mdm.a\"}",
          "Identifier: \"ngx_mdm.\" is reserved" },
        { "{\"Identifier\":\"a\"}", "Type: missing" },
        { "{\"Identifier\":\"a\",\"Type\":[]}", "Type: string expected" },
        { "{\"Identifier\":\"a\",\"Type\":\"" TEST "\"}",
          "Payload: missing" },
        { "{\"Identifier\":\"a\",\"Type\":\"" TEST "\",\"Payload\":[]}",
          "Payload: object expected" },
        { "{\"Identifier\":\"a\",\"Name\":\"" TEST "\"}",
          "Name: not a key of a declaration" },
        { DECLARATION("com.apple.configuration.",  "{}"),
          "Type: not of the form com.apple.{activation,asset,configuration,"
          "management}.NAME" },
        { DECLARATION("com.apple.credential.scep",  "{}"),
          "Type: not of the form com.apple.{activation,asset,configuration,"
          "management}.NAME" },
        { DECLARATION("com.apple.configuration.a b",  "{}"),
          "Type: not of the form com.apple.{activation,asset,configuration,"
          "management}.NAME" },
        { DECLARATION(TEST, "{\"Echo\":\"${\"}"),
          "Payload: \"${\" names no variable" },
        { DECLARATION(TEST, "{\"Echo\":\"${a b}\"}"),
          "Payload: \"${a b}\" names no variable" },
        { DECLARATION(TEST, "{\"Echo\":\"${}\"}"),
          "Payload: \"${}\" names no variable" },
        { DECLARATION(TEST, "{\"${x}\":1}"),
          "Payload: a key has no variables" },
    };

    (void) state;

    for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        bad(list[i].text, MDM_VALIDATE_OFF, list[i].error);
    }

    /* no JSON at all; a key twice; a NUL; a surrogate that is alone */

    assert_int_equal(read_mode("", 0), MDM_DECLINED);
    assert_int_equal(read_mode("{", 0), MDM_DECLINED);
    assert_int_equal(read_mode(DECLARATION(TEST, "{\"a\":1,\"a\":2}"), 0),
                     MDM_DECLINED);
    assert_int_equal(read_mode(DECLARATION(TEST, "{\"a\":\"\\u0000\"}"), 0),
                     MDM_DECLINED);
    assert_int_equal(read_mode(DECLARATION(TEST, "{\"a\":\"\\ud800\"}"), 0),
                     MDM_DECLINED);
    assert_int_equal(read_mode(DECLARATION(TEST, "{\"a\":\"\xff\"}"), 0),
                     MDM_DECLINED);
    assert_int_equal(read_mode(DECLARATION(TEST, "{\"a\":1e999}"), 0),
                     MDM_DECLINED);
    assert_int_equal(read_mode(DECLARATION(TEST, "{\"a\":18446744073709551615"
                                           "}"), 0),
                     MDM_DECLINED);
}


static void
test_limits(void **state)
{
    char       *text;
    size_t      n;
    mdm_str_t   s;

    (void) state;

    n = MDM_DDM_DECLARATION + 1;

    text = malloc(n);
    assert_non_null(text);

    memset(text, ' ', n);

    s.data = (u_char *) text;
    s.len = n;

    assert_int_equal(mdm_ddm_declaration_read(arena, &s, &limits, 0, &d),
                     MDM_DECLINED);
    assert_string_equal((char *) d.error.data,
                        "a declaration has 1 MiB at most");

    memset(text, '[', n - 1);
    s.len = n - 1;

    assert_int_equal(mdm_ddm_declaration_read(arena, &s, &limits, 0, &d),
                     MDM_DECLINED);
    assert_string_equal((char *) d.error.data, "JSON: nested too deep");

    memset(text, ',', n - 1);

    assert_int_equal(mdm_ddm_declaration_read(arena, &s, &limits, 0, &d),
                     MDM_DECLINED);
    assert_string_equal((char *) d.error.data, "JSON: too many values");

    free(text);
}


static void
test_names(void **state)
{
    (void) state;

    good(DECLARATION(TEST, "{\"Echo\":\"${z} ${a.b-c_1}${z} $${no} $ {no}\"}"));
    is(d.vars, "a.b-c_1,z");

    good(DECLARATION(SIMPLE, "{\"StandardConfigurations\":[\"b\",\"a/1\"]}"));
    is(d.refs, "a%2F1,b");
    is(d.wants, "b com.apple.configuration.,a%2F1 com.apple.configuration.");

    unknown(DECLARATION(SIMPLE, "{\"StandardConfigurations\":[\"b\",\"a/1\","
                        "\"b\"]}"),
            "Payload.StandardConfigurations[0]: \"b\" is there twice");
    is(d.refs, "");

    good(DECLARATION("com.apple.configuration.account.mail",
         "{\"UserIdentityAssetReference\":\"u\",\"IncomingServer\":{"
         "\"ServerType\":\"IMAP\",\"HostName\":\"h\","
         "\"AuthenticationMethod\":\"None\","
         "\"AuthenticationCredentialsAssetReference\":\"in\"},"
         "\"OutgoingServer\":{\"HostName\":\"h\","
         "\"AuthenticationMethod\":\"None\","
         "\"AuthenticationCredentialsAssetReference\":\"out\"}}"));
    is(d.refs, "in,out,u");
    is(d.wants, "u com.apple.asset.useridentity,"
       "in com.apple.asset.credential.userpassword,"
       "out com.apple.asset.credential.userpassword");

    good(DECLARATION("com.apple.configuration.watch.enrollment",
         "{\"EnrollmentProfileURL\":\"https://a\","
         "\"AnchorCertificateAssetReferences\":[\"c2\",\"c1\"]}"));
    is(d.refs, "c1,c2");

    /* another one on each device */

    good(DECLARATION(SIMPLE, "{\"StandardConfigurations\":[\"b.${serial}\"]}"));
    is(d.refs, "");
    is(d.vars, "serial");
}


static void
test_schema(void **state)
{
    (void) state;

    unknown(DECLARATION("com.apple.configuration.of.next.year", "{\"a\":1}"),
            "Type: unknown type \"com.apple.configuration.of.next.year\"");
    unknown(DECLARATION(TEST, "{\"Echo\":\"x\",\"Ecko\":\"x\"}"),
            "Payload.Ecko: unknown key");
    unknown(DECLARATION(TEST, "{\"Echo\":\"x\",\"ReturnStatus\":\"Gone\"}"),
            "Payload.ReturnStatus: unknown value \"Gone\"");
    unknown(DECLARATION("com.apple.configuration.management."
                        "status-subscriptions",
                        "{\"StatusItems\":[{\"Name\":\"mdm.app\"},"
                        "{\"Name\":\"mdm.apps\"}]}"),
            "Payload.StatusItems[1].Name: unknown status item \"mdm.apps\"");
    unknown(DECLARATION(SIMPLE, "{\"StandardConfigurations\":[\"c\"],"
                        "\"Predicate\":\"@status(device.colour) == 1\"}"),
            "Payload.Predicate: unknown status item \"device.colour\"");

    unknown(DECLARATION(TEST, "{}"), "Payload.Echo: required key is missing");
    wrong(DECLARATION(TEST, "{\"Echo\":1}"),
          "Payload.Echo: string expected, integer found");
    wrong(DECLARATION(TEST, "{\"Echo\":null}"),
          "Payload.Echo: string expected, null found");
    wrong(DECLARATION(SIMPLE, "{\"StandardConfigurations\":[\"a\",[]]}"),
          "Payload.StandardConfigurations[1]: string expected, array found");
    unknown(DECLARATION(SIMPLE, "{\"StandardConfigurations\":[\"c\"],"
                        "\"Predicate\":\"(\"}"),
            "Payload.Predicate: a value expected, at byte 2");
    unknown(DECLARATION("com.apple.configuration.passcode.settings",
                        "{\"MinimumLength\":17}"),
            "Payload.MinimumLength: out of range");
    wrong(DECLARATION("com.apple.configuration.passcode.settings",
                      "{\"MinimumLength\":\"${len}\"}"),
          "Payload.MinimumLength: integer expected, string with variables "
          "found");
    wrong(DECLARATION("com.apple.configuration.passcode.settings",
                      "{\"MinimumLength\":8.5}"),
          "Payload.MinimumLength: integer expected, real found");
    wrong(DECLARATION("com.apple.configuration.passcode.settings",
                      "{\"RequirePasscode\":\"yes\"}"),
          "Payload.RequirePasscode: boolean expected, string found");
    wrong(DECLARATION("com.apple.configuration.softwareupdate.settings",
                      "{\"Deferrals\":[]}"),
          "Payload.Deferrals: object expected, array found");
    unknown(DECLARATION("com.apple.configuration.softwareupdate.settings",
                        "{\"Deferrals\":{\"MajorPeriodInDays\":0}}"),
            "Payload.Deferrals.MajorPeriodInDays: out of range");

    good(DECLARATION("com.apple.configuration.passcode.settings",
                     "{\"MinimumLength\":16,\"RequirePasscode\":true}"));

    unknown(DECLARATION(SIMPLE, "{\"StandardConfigurations\":[]}"),
            "Payload.StandardConfigurations: at least one element expected");
    unknown(DECLARATION("com.apple.configuration.app.managed", "{}"),
            "Payload: one of AppStoreID, BundleID, ManifestURL expected");
    unknown(DECLARATION("com.apple.configuration.app.managed",
                        "{\"AppStoreID\":\"1\",\"BundleID\":\"a.b\","
                        "\"ManifestURL\":\"https://a/b\"}"),
            "Payload: only one of AppStoreID, BundleID, ManifestURL "
            "expected");
    unknown(DECLARATION("com.apple.configuration.legacy", "{}"),
            "Payload: one of ProfileURL, ProfileAssetReference expected");
    unknown(DECLARATION("com.apple.configuration.legacy",
                        "{\"ProfileURL\":\"a.mobileconfig\"}"),
            "Payload.ProfileURL: URL expected");
    good(DECLARATION("com.apple.configuration.legacy",
                     "{\"ProfileURL\":\"${base}/a.mobileconfig\"}"));

    /* a listed value may come of a variable; any key where any may be */

    good(DECLARATION(TEST, "{\"Echo\":\"x\",\"ReturnStatus\":\"${s}\"}"));
    good(DECLARATION("com.apple.configuration.safari.extensions.settings",
                     "{\"ManagedExtensions\":{\"com.x\":{\"State\":"
                     "\"Allowed\"}}}"));
    unknown(DECLARATION("com.apple.configuration.safari.extensions.settings",
                        "{\"ManagedExtensions\":{\"com.x\":{\"Stat\":1}}}"),
            "Payload.ManagedExtensions.com.x.Stat: unknown key");

    /* later than 18.1 */

    good(DECLARATION("com.apple.configuration.package",
                     "{\"ManifestURL\":\"https://a\"}"));
    good(DECLARATION("com.apple.configuration.legacy",
                     "{\"ProfileAssetReference\":\"a\"}"));
    unknown(DECLARATION("com.apple.configuration.safari.bookmarks",
                        "{\"ManagedBookmarks\":[{\"GroupIdentifier\":\"x\","
                        "\"Bookmarks\":[{\"Title\":\"x\"}],"
                        "\"Title\":\"t\",\"Icon\":1}]}"),
            "Payload.ManagedBookmarks[0].Icon: unknown key");
    wrong(DECLARATION("com.apple.configuration.safari.bookmarks",
                      "{\"ManagedBookmarks\":{}}"),
          "Payload.ManagedBookmarks: array expected, object found");
}


/* what is known of betas only is warned of at most */

static void
test_beta(void **state)
{
    mdm_uint_t  i;

    static const struct {
        const char  *text;
        const char  *warning;
    } list[] = {
        { DECLARATION("com.apple.configuration.network.relay",
                      "{\"What\":[true]}"),
          "Payload.What: unknown key" },
        { DECLARATION("com.apple.configuration.network.relay",
                      "{\"UIToggleEnabled\":1}"),
          "Payload.UIToggleEnabled: boolean expected, integer found" },
        { DECLARATION("com.apple.configuration.app.managed",
                      "{\"AppStoreID\":\"1\",\"AppConfig\":1}"),
          "Payload.AppConfig: object expected, integer found" },
        { DECLARATION("com.apple.configuration.app.managed",
                      "{\"AppStoreID\":\"1\",\"AppConfig\":{\"a\":1}}"),
          "Payload.AppConfig.a: unknown key" }
    };

    (void) state;

    for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        assert_int_equal(read_mode(list[i].text, MDM_VALIDATE_STRICT), MDM_OK);
        assert_true(d.schema.nwarnings >= 1);
        assert_string_equal((char *) d.schema.warnings->text.data,
                            list[i].warning);
    }

    /* beside one, all is as ever */

    bad(DECLARATION("com.apple.configuration.app.managed",
                    "{\"AppConfig\":{},\"AppStoreID\":1}"),
        MDM_VALIDATE_WARN,
        "Payload.AppStoreID: string expected, integer found");
}


static mdm_uint_t  seed = 1;


static mdm_uint_t
chance(mdm_uint_t n)
{
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;

    return (seed >> 8) % n;
}


/* the same content, its members in any order, with any white space */

static void
shuffled(char *text, mdm_uint_t depth)
{
    char        part[64];
    mdm_uint_t  i, k, m, n, order[6];

    static const char  *space[] = { "", " ", "\n", "\t  ", "\r\n" };

    static const char  *members[] = {
        "\"Echo\":\"x${a}\\u00e9\"", "\"n\" : -17", "\"list\":[1, 2.5,null]",
        "\"none\":{}", "\"bool\" :true", "\"text\":\"\\/\\n\""
    };

    n = 6;

    for (i = 0; i < n; i++) {
        order[i] = i;
    }

    for (i = n - 1; i != 0; i--) {
        k = chance(i + 1);

        m = order[i];
        order[i] = order[k];
        order[k] = m;
    }

    strcat(text, "{");

    for (i = 0; i < n; i++) {
        (void) snprintf(part, sizeof(part), "%s%s%s%s", (i != 0) ? "," : "",
                        space[chance(5)], members[order[i]],
                        space[chance(5)]);
        strcat(text, part);

        if (i == 2 && depth != 0) {
            strcat(text, ",\"in\":");
            shuffled(text, depth - 1);
        }
    }

    strcat(text, "}");
}


static void
test_canonical(void **state)
{
    char        text[4096], first[4096];
    mdm_uint_t  i;

    (void) state;

    first[0] = '\0';

    for (i = 0; i < 500; i++) {
        strcpy(text, "{\"Payload\":");
        shuffled(text, 3);
        strcat(text, ",\"Identifier\":\"a\",\"Type\":\"" TEST "\"}");

        assert_int_equal(read_mode(text, MDM_VALIDATE_WARN), MDM_OK);

        if (i == 0) {
            (void) snprintf(first, sizeof(first), "%.*s",
                            mdm_fmt(&d.payload));
            continue;
        }

        is(d.payload, first);
    }

    /* what is canonical stays as it is */

    (void) snprintf(text, sizeof(text), "{\"Identifier\":\"a\",\"Type\":\""
                    TEST "\",\"Payload\":%.3000s}", first);

    assert_int_equal(read_mode(text, MDM_VALIDATE_WARN), MDM_OK);
    is(d.payload, first);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_head, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beta, setup, teardown),
        cmocka_unit_test_setup_teardown(test_canonical, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
