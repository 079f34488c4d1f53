
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * When it is said that a push certificate ends.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mdm_push_expiry.h"
#include "mdm_unit_arena.h"


#define NOW   1795478400             /* 2026-11-24, 00:00 UTC */
#define HOUR  3600
#define DAY   MDM_PUSH_DAY


static void
says(int64_t left, const char *expected)
{
    char    told[MDM_PUSH_TOLD + 1];
    size_t  n;

    n = mdm_push_expiry(NOW + left, NOW, (u_char *) told);

    assert_true(n <= MDM_PUSH_TOLD);
    told[n] = '\0';

    assert_string_equal(told, expected);
}


static void
test_told(void **state)
{
    (void) state;

    says(365 * DAY, "");
    says(30 * DAY + 1, "");
    says(30 * DAY, "30");
    says(14 * DAY + 1, "30");
    says(14 * DAY, "14");
    says(7 * DAY, "7");
    says(3 * DAY + 1, "7");
    says(3 * DAY, "3");
    says(2 * DAY, "2");
    says(DAY + 1, "2");
    says(DAY, "1");
    says(23 * HOUR + 1, "1");
    says(23 * HOUR, "h1");
    says(22 * HOUR, "h2");
    says(1, "h23");
    says(0, "x0");
    says(-HOUR + 1, "x0");
    says(-HOUR, "x1");
    says(-1000000000LL * DAY, "x24000000000");
}


static mdm_uint_t
event(const char *told, const char *before)
{
    mdm_str_t  t, b;

    t.data = (u_char *) told;
    t.len = strlen(told);
    b.data = (u_char *) before;
    b.len = strlen(before);

    return mdm_push_expiry_event(&t, &b);
}


/* one a line of days, one a day before the end, one at the end */

static void
test_event(void **state)
{
    (void) state;

    assert_int_equal(event("", ""), 0);
    assert_int_equal(event("30", ""), 1);
    assert_int_equal(event("14", "30"), 1);
    assert_int_equal(event("14", "14"), 0);
    assert_int_equal(event("1", "2"), 1);
    assert_int_equal(event("h1", "1"), 0);
    assert_int_equal(event("h4", "h3"), 0);
    assert_int_equal(event("h4", "30"), 1);
    assert_int_equal(event("h4", ""), 1);
    assert_int_equal(event("x0", "h23"), 1);
    assert_int_equal(event("x1", "x0"), 0);
    assert_int_equal(event("x1", ""), 1);
}


static void
test_state(void **state)
{
    (void) state;

#define is(left, stopped, name)                                               \
    assert_string_equal(mdm_push_state_name(mdm_push_state(NOW + (left), NOW, \
                                                           stopped)), name)

    is(31 * DAY, 0, "ok");
    is(30 * DAY, 0, "expiring");
    is(1, 0, "expiring");
    is(0, 0, "expired");
    is(31 * DAY, 1, "stopped");
    is(DAY, 1, "stopped");
    is(-DAY, 1, "expired");
}


static void
line(int64_t left, const char *expected)
{
    mdm_str_t     tenant, topic, text;
    mdm_arena_t  *own;

    own = mdm_arena_create(256);

    mdm_str_set(&tenant, "t");
    mdm_str_set(&topic, "com.apple.mgmt.x\n");

    assert_int_equal(mdm_push_expiry_line(own, &tenant, &topic, NOW + left,
                                          NOW, &text), MDM_OK);

    if (strstr((char *) text.data, expected) == NULL) {
        fail_msg("\"%.*s\", not \"%s\"", mdm_fmt(&text), expected);
    }

    mdm_arena_destroy(own);
}


static void
test_line(void **state)
{
    (void) state;

    line(30 * DAY, "push certificate of topic \"com.apple.mgmt.x?\", tenant "
         "\"t\", expires on 2026-12-24T00:00:00Z, within 30 days: renew it");
    line(7 * DAY - 1, "within 7 days");
    line(DAY, "within 24 hours");
    line(1, "within 1 hours");
    line(0, "has expired on 2026-11-24T00:00:00Z: none of its devices");
    line(-DAY, "has expired on 2026-11-23");
    line(INT64_MAX / 2, "expires on ?");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_line)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
