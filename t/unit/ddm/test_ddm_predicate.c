
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/ddm/mdm_ddm_predicate.c.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mdm_ddm_predicate.h"
#include "mdm_unit_arena.h"


static mdm_schema_result_t   result;


static mdm_int_t
check(const char *text, mdm_uint_t strict)
{
    mdm_int_t  rc;
    mdm_str_t  s;

    memset(&result, 0, sizeof(mdm_schema_result_t));

    s.data = (u_char *) text;
    s.len = strlen(text);

    rc = mdm_ddm_predicate(arena, &s, "P", strict, &result);

    assert_true((rc == MDM_DECLINED) == (result.error.len != 0));

    return rc;
}


static void
test_good(void **state)
{
    mdm_uint_t  i;

    static const char  *good[] = {
        "@status(device.model.family) == 'iPad'",
        "@status(device.operating-system.version) BEGINSWITH '17.'",
        "@status(passcode.is-compliant) == TRUE",
        "(@property(age) >= 18) AND (\"Grade12\" IN @property(roles))",
        "SUBQUERY(@status(app.managed.list), $app, "
        "($app.@key(identifier) == \"com.example.app\") AND "
        "($app.@key(state) == \"managed\")).@count != 0",
        "@status(softwareupdate.install-reason.reason).@count > 1",
        "@property(a) IN { 'x', \"y\" } AND list[FIRST] == 1",
        "@property(a) == 'it\\'s ) a \" quote'",
        "@property(a) == \"back\\\\\"",
        "@status(${item}) == '${value}'",
        "TRUEPREDICATE"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {

        if (check(good[i], 1) != MDM_OK) {
            fail_msg("%s: %s", good[i], (char *) result.error.data);
        }

        assert_int_equal(result.nwarnings, 0);
    }
}


static void
test_bad(void **state)
{
    mdm_uint_t  i;

    static const struct {
        const char  *text;
        const char  *error;
    } bad[] = {
        { "", "P: is empty, at byte 1" },
        { " \t\r\n", "P: is empty, at byte 1" },
        { "(a == 1", "P: a bracket is not closed, at byte 1" },
        { "a == {1, (2}", "P: a bracket closes one of another kind, at byte "
          "12" },
        { "a) == 1", "P: a bracket closes none, at byte 2" },
        { "a == 'x", "P: a quote is not closed, at byte 6" },
        { "a == 'x\\'", "P: a quote is not closed, at byte 6" },
        { "a == \"x\\", "P: a quote is not closed, at byte 6" },
        { "a == @", "P: a word expected behind \"@\", at byte 6" },
        { "a == @(x)", "P: a word expected behind \"@\", at byte 6" },
        { "@status == 1", "P: \"(\" expected behind \"@status\", "
          "\"@property\", \"@key\", at byte 1" },
        { "@key", "P: \"(\" expected behind \"@status\", \"@property\", "
          "\"@key\", at byte 1" },
        { "@status()", "P: a name and \")\" expected, at byte 1" },
        { "@status(", "P: a name and \")\" expected, at byte 1" },
        { "@property(a b)", "P: a name and \")\" expected, at byte 1" },
        { "@key(\"a\")", "P: a name and \")\" expected, at byte 1" },
        { "1 == @key(a(b))", "P: a name and \")\" expected, at byte 6" }
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(check(bad[i].text, 0), MDM_DECLINED);
        assert_string_equal((char *) result.error.data, bad[i].error);
    }
}


static void
test_unknown(void **state)
{
    const char  *p;

    (void) state;

    p = "@status(device.colour) == 'red' AND @status(device.model) == 1";

    assert_int_equal(check(p, 0), MDM_OK);
    assert_int_equal(result.nwarnings, 2);
    assert_string_equal((char *) result.warnings->text.data,
                        "P: unknown status item \"device.colour\"");
    assert_string_equal((char *) result.warnings->next->text.data,
                        "P: unknown status item \"device.model\"");

    assert_int_equal(check(p, 1), MDM_DECLINED);
    assert_string_equal((char *) result.error.data,
                        "P: unknown status item \"device.colour\"");

    /* the keys of properties are anybody's */

    assert_int_equal(check("@property(device.colour) == 1", 1), MDM_OK);
}


static void
test_deep(void **state)
{
    char  text[2 * MDM_DDM_BRACKETS + 3];

    (void) state;

    memset(text, '(', MDM_DDM_BRACKETS);
    memset(text + MDM_DDM_BRACKETS, ')', MDM_DDM_BRACKETS);
    text[2 * MDM_DDM_BRACKETS] = '\0';

    assert_int_equal(check(text, 1), MDM_OK);

    memset(text, '(', MDM_DDM_BRACKETS + 1);
    memset(text + MDM_DDM_BRACKETS + 1, ')', MDM_DDM_BRACKETS + 1);
    text[2 * MDM_DDM_BRACKETS + 2] = '\0';

    assert_int_equal(check(text, 0), MDM_DECLINED);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deep, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
