
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/ddm/mdm_ddm_target.c: what is not for a channel and its
 * system, by the table; and what of a declaration a client does not support.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mdm_ddm_types.h"
#include "mdm_unit_arena.h"


#define PASSCODE      "com.apple.configuration.passcode.settings"
#define BACKGROUND    "com.apple.configuration.services.background-tasks"
#define MATH          "com.apple.configuration.math.settings"
#define UPDATES       "com.apple.configuration.softwareupdate.settings"
#define SUBSCRIPTION  "com.apple.configuration.management.status-subscriptions"


static mdm_ddm_client_t  client;
static mdm_ddm_target_t  target;
static mdm_uint_t        type;


static void
text(mdm_str_t *s, const char *value)
{
    s->data = (u_char *) value;
    s->len = strlen(value);
}


static void
device(const char *product, const char *version)
{
    mdm_str_t  s;

    text(&s, product);
    memset(&target, 0, sizeof(mdm_ddm_target_t));
    target.known.system = mdm_ddm_system(&s);
    text(&target.version, version);
}


static void
says(const char *json)
{
    mdm_str_t  s;

    text(&s, json);
    assert_int_equal(mdm_ddm_client_read(arena, &s, &client), MDM_OK);
}


static const char *
reason(const char *name, const char *payload)
{
    mdm_str_t        subs, why;
    mdm_ddm_typed_t  d;

    text(&d.id, "x");
    text(&d.type, name);
    text(&d.payload, payload);
    text(&subs, "");

    assert_int_equal(mdm_ddm_types_reason(arena, &client, &target, &d, &subs,
                                          &why, &type), MDM_OK);

    return (why.len != 0) ? (char *) why.data : "";
}


static void
test_type(void **state)
{
    (void) state;

    says("");

    device("iPhone14,2", "17.4");
    assert_string_equal(reason("com.apple.configuration.diskmanagement."
                               "settings", "{}"),
                        "the type \"com.apple.configuration.diskmanagement."
                        "settings\" is not for iOS");
    assert_int_equal(type, 0);

    device("Mac14,2", "14.6.1");
    assert_string_equal(reason("com.apple.configuration.diskmanagement."
                               "settings", "{}"),
                        "the type \"com.apple.configuration.diskmanagement."
                        "settings\" needs macOS 15.0, the device has 14.6.1");

    device("Mac14,2", "15");
    assert_string_equal(reason("com.apple.configuration.diskmanagement."
                               "settings", "{}"), "");

    /* nothing is known of the type, the device, or its version */

    assert_string_equal(reason("com.apple.configuration.new", "{}"), "");

    device("Toaster1,1", "1.0");
    assert_string_equal(reason("com.apple.configuration.diskmanagement."
                               "settings", "{}"), "");
    device("iPhone14,2", "");
    assert_string_equal(reason("com.apple.configuration.diskmanagement."
                               "settings", "{}"), "");

    /* a client that says so knows better */

    device("iPhone14,2", "17.4");
    says("{\"supported-payloads\":{\"declarations\":{\"configurations\":["
         "\"com.apple.configuration.diskmanagement.settings\"]}}}");

    assert_string_equal(reason("com.apple.configuration.diskmanagement."
                               "settings", "{}"), "");
    assert_string_equal(reason(PASSCODE, "{}"),
                        "the client has not said that it supports the type "
                        "\"" PASSCODE "\"");
    assert_int_equal(type, 1);
}


static void
test_keys(void **state)
{
    (void) state;

    says("");

    device("iPad13,1", "16.1");
    assert_string_equal(reason(PASSCODE, "{\"MinimumLength\":8,"
                               "\"MinimumComplexCharacters\":1}"),
                        "Payload.MinimumComplexCharacters needs iOS 16.2, "
                        "the device has 16.1");
    assert_string_equal(reason(PASSCODE, "{\"ChangeAtNextAuth\":true}"),
                        "Payload.ChangeAtNextAuth is not for iOS");

    device("iPad13,1", "16.2");
    assert_string_equal(reason(PASSCODE, "{\"MinimumLength\":8,"
                               "\"MinimumComplexCharacters\":1}"), "");

    /* what is no payload, and keys that nobody knows */

    assert_string_equal(reason(PASSCODE, ""), "");
    assert_string_equal(reason(PASSCODE, "{"), "");
    assert_string_equal(reason(PASSCODE, "[{\"ChangeAtNextAuth\":1}]"), "");
    assert_string_equal(reason(PASSCODE, "{\"new\":{\"a\":[1,{}]}}"), "");
}


static void
test_managed(void **state)
{
    (void) state;

    says("");

    /* a type: supervised, channel, User Enrollment */

    device("Mac14,2", "26.0");
    assert_string_equal(reason(BACKGROUND, "{}"), "");

    target.known.unsupervised = 1;
    assert_string_equal(reason(BACKGROUND, "{}"),
                        "the type \"" BACKGROUND "\": needs a supervised "
                        "device");
    assert_int_equal(type, 0);

    device("Mac14,2", "26.0");
    target.known.user = 1;
    assert_string_equal(reason(BACKGROUND, "{}"),
                        "the type \"" BACKGROUND "\": not on the user "
                        "channel");
    assert_string_equal(reason(MATH, "{}"), "");

    device("Mac14,2", "26.0");
    assert_string_equal(reason(MATH, "{}"),
                        "the type \"" MATH "\": only on the user channel");

    target.known.enrollment = 1;
    assert_string_equal(reason(BACKGROUND, "{}"),
                        "the type \"" BACKGROUND "\": not with User "
                        "Enrollment");

    /* another system has other rules; of one that is not known nothing is
       said, of one without a version what has to do with none */

    device("iPhone14,2", "26.0");
    assert_string_equal(reason(PASSCODE, "{}"), "");
    target.known.enrollment = 1;
    assert_string_equal(reason(PASSCODE, "{}"), "");

    device("Toaster1,1", "1.0");
    target.known.unsupervised = 1;
    target.known.enrollment = 1;
    assert_string_equal(reason(BACKGROUND, "{}"), "");

    device("Mac14,2", "");
    target.known.enrollment = 1;
    assert_string_equal(reason(PASSCODE, "{}"),
                        "the type \"" PASSCODE "\": not with User "
                        "Enrollment");

    /* what the client says of itself is of its channel, and not of how its
       device is managed */

    device("Mac14,2", "14.0");
    says("{\"supported-payloads\":{\"declarations\":{\"configurations\":["
         "\"" MATH "\",\"" BACKGROUND "\"]}}}");
    assert_string_equal(reason(MATH, "{}"), "");

    target.known.user = 1;
    assert_string_equal(reason(BACKGROUND, "{}"), "");

    target.known.unsupervised = 1;
    assert_string_equal(reason(BACKGROUND, "{}"),
                        "the type \"" BACKGROUND "\": needs a supervised "
                        "device");
}


static void
test_managed_keys(void **state)
{
    (void) state;

    says("");

    device("iPhone14,2", "18.0");
    assert_string_equal(reason(UPDATES, "{\"Deferrals\":{}}"), "");

    target.known.unsupervised = 1;
    assert_string_equal(reason(UPDATES, "{\"Deferrals\":{}}"),
                        "Payload.Deferrals: needs a supervised device");
    assert_string_equal(reason(UPDATES, "{\"Beta\":{\"ProgramEnrollment\":"
                               "\"AlwaysOn\"}}"),
                        "Payload.Beta.ProgramEnrollment: needs a supervised "
                        "device");

    /* whatever its client takes */

    says("{\"supported-payloads\":{\"declarations\":{\"configurations\":["
         "\"" UPDATES "\",\"" PASSCODE "\"]}}}");
    assert_string_equal(reason(UPDATES, "{\"Deferrals\":{}}"),
                        "Payload.Deferrals: needs a supervised device");

    device("iPad13,1", "18.0");
    assert_string_equal(reason(PASSCODE, "{\"RequirePasscode\":true}"), "");

    target.known.user = 1;
    target.known.shared = 1;
    assert_string_equal(reason(PASSCODE, "{\"RequirePasscode\":true}"),
                        "Payload.RequirePasscode: not on Shared iPad");
    assert_string_equal(reason(UPDATES, "{\"Deferrals\":{}}"),
                        "Payload.Deferrals: not on the user channel");
}


static void
test_items(void **state)
{
    (void) state;

    says("");

    device("iPhone14,2", "15.4");
    assert_string_equal(reason(SUBSCRIPTION, "{\"StatusItems\":[{},5,"
                               "{\"Name\":\"device.model.family\"},"
                               "{\"Name\":\"account.list.caldav\"}]}"),
                        "the status item \"account.list.caldav\" needs iOS "
                        "16.0, the device has 15.4");
    assert_string_equal(reason(SUBSCRIPTION, "{\"StatusItems\":["
                               "{\"Name\":\"device.new\"}]}"), "");
    assert_string_equal(reason(SUBSCRIPTION, "{\"StatusItems\":5}"), "");

    says("{\"supported-payloads\":{\"status-items\":"
         "[\"account.list.caldav\"]}}");
    assert_string_equal(reason(SUBSCRIPTION, "{\"StatusItems\":["
                               "{\"Name\":\"account.list.caldav\"}]}"), "");
    assert_string_equal(reason(SUBSCRIPTION, "{\"StatusItems\":["
                               "{\"Name\":\"device.new\"}]}"),
                        "the client has not said that it supports the status "
                        "item \"device.new\"");
    assert_int_equal(type, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_type, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_managed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_managed_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_items, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
