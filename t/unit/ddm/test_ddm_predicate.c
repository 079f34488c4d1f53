
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


#define starts(text, beginning)                                               \
    assert_memory_equal(text, beginning, sizeof(beginning) - 1)


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
        "TRUEPREDICATE",
        "falsepredicate OR a == 1",
        "a = 1 && b == 2 || c == d",
        "NOT a != 1 AND ! (b <> 2)",
        "a >= -1.5e+3 or b => 0.5 and c =< 0x1f and d <= 1E9",
        "a < 1 OR b > 2",
        "a BETWEEN {1, 10} AND b BETWEEN $range",
        "a BEGINSWITH[cd] 'x' AND a ENDSWITH [c] 'y'",
        "a CONTAINS[d] 'x' AND b CONTAINS 5",
        "a LIKE[c] '*x?' AND a MATCHES \"[0-9]+\"",
        "ANY a.b == 1 AND ALL c[0] > 2 AND NONE d IN {} AND SOME e.f LIKE g",
        "a == NULL OR b != nil OR c == YES OR d == no OR e == false",
        "((((a == 1))))",
        "(a) == (b)",
        "SELF IN {'a', {1, 2}, @property(x)}",
        "a.b.@max.c > list[SIZE] AND m['key'] == d[LAST]",
        "a UTI-CONFORMS-TO 'public.image'",
        "@count > 1",
        "  a\t==\r\n1  "
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {

        if (check(good[i], 1) != MDM_OK) {
            fail_msg("%s: %s", good[i], (char *) result.error.data);
        }

        if (result.nwarnings != 0) {
            fail_msg("%s: %s", good[i], (char *) result.warnings->text.data);
        }
    }
}


static const struct {
    const char  *text;
    const char  *error;
} bad[] = {
    { "", "is empty, at byte 1" },
    { " \t\r\n", "is empty, at byte 1" },
    { "foo bar baz", "an operator expected, at byte 5" },
    { "foo", "an operator expected, at byte 4" },
    { "a ==", "a value expected, at byte 5" },
    { "= =", "a value expected, at byte 1" },
    { "a = = 1", "a value expected, at byte 5" },
    { "a == == 1", "a value expected, at byte 6" },
    { "a === 1", "a value expected, at byte 5" },
    { "a == 1 AND", "a value expected, at byte 11" },
    { "AND a == 1", "a value expected, at byte 1" },
    { "a == 1 AND AND b == 2", "a value expected, at byte 12" },
    { "a == 1 OR b", "an operator expected, at byte 12" },
    { "a OR b == 1", "an operator expected, at byte 3" },
    { "NOT a", "an operator expected, at byte 6" },
    { "NOT", "a value expected, at byte 4" },
    { "ANY a", "an operator expected, at byte 6" },
    { "ANY NOT a == 1", "a value expected, at byte 5" },
    { "a NOT IN {1}", "an operator expected, at byte 3" },
    { "a == 1 == 2", "AND, OR or the end expected, at byte 8" },
    { "a == 1 b == 2", "AND, OR or the end expected, at byte 8" },
    { "a == (b == 1)", "a value expected, at byte 6" },
    { "a == TRUEPREDICATE", "a value expected, at byte 6" },
    { "()", "a value expected, at byte 2" },
    { "(a == 1", "AND, OR or \")\" expected, at byte 8" },
    { "(a", "an operator or \")\" expected, at byte 3" },
    { "(a == 1 b", "AND, OR or \")\" expected, at byte 9" },
    { "a == {1, (2}", "an operator or \")\" expected, at byte 12" },
    { "a IN {1, b == 2}", "\",\" or \"}\" expected, at byte 12" },
    { "a IN {1,}", "a value expected, at byte 9" },
    { "a IN {(b == 2)}", "an operator has no place in a list, at byte "
      "15" },
    { "a) == 1", "an operator expected, at byte 2" },
    { "a == 1)", "AND, OR or the end expected, at byte 7" },
    { "a == 'x", "a quote is not closed, at byte 6" },
    { "a == 'x\\'", "a quote is not closed, at byte 6" },
    { "a == \"x\\", "a quote is not closed, at byte 6" },
    { "a == \xe2\x80\x9cx\xe2\x80\x9d",
      "a quote that is none, \" or ' expected, at byte 6" },
    { "a == \xe2\x80\x98x\xe2\x80\x99",
      "a quote that is none, \" or ' expected, at byte 6" },
    { "a == \xc2\xabx\xc2\xbb",
      "a quote that is none, \" or ' expected, at byte 6" },
    { "a BETWEEN 1", "{lower, upper} expected behind BETWEEN, at byte "
      "11" },
    { "a BETWEEN {1}", "{lower, upper} expected behind BETWEEN, at byte "
      "11" },
    { "a BETWEEN 1 AND 2", "{lower, upper} expected behind BETWEEN, at "
      "byte 11" },
    { "a IN 5", "a collection expected behind IN, at byte 6" },
    { "a IN NULL", "a collection expected behind IN, at byte 6" },
    { "a LIKE 5", "a string expected, at byte 8" },
    { "a BEGINSWITH[x] 'a'", "[c], [d] or [cd] expected, at byte 14" },
    { "a BEGINSWITH[] 'a'", "[c], [d] or [cd] expected, at byte 14" },
    { "a BEGINSWITH[c 'a'", "[c], [d] or [cd] expected, at byte 16" },
    { "a BEGINSWITH", "a value expected, at byte 13" },
    { "a STARTSWITH 'x'", "an operator expected, at byte 3" },
    { "a & b == 1", "an unexpected character, at byte 3" },
    { "a == 1;", "an unexpected character, at byte 7" },
    { "a == %@", "there is no argument for \"%\", at byte 6" },
    { "1a == 1", "neither a number nor a name, at byte 1" },
    { "a. == 1", "a name expected behind \".\", at byte 4" },
    { "a[1 == 1", "\"]\" expected, at byte 5" },
    { "$ == 1", "a name expected behind \"$\", at byte 1" },
    { "${a == 1", "a variable is not closed, at byte 1" },
    { "SUBQUERY == 1", "\"(\" expected behind SUBQUERY, at byte 10" },
    { "SUBQUERY(a, b, c == 1).@count > 0",
      "a variable, as $x, expected, at byte 13" },
    { "SUBQUERY(a, $b, $b).@count > 0",
      "an operator expected, at byte 19" },
    { "SUBQUERY(a, $b, $b == 1)", "an operator expected, at byte 25" },
    { "SUBQUERY(a $b, $b == 1).@count > 0", "\",\" expected, at byte 12" },
    { "a == @", "a word expected behind \"@\", at byte 6" },
    { "a == @(x)", "a word expected behind \"@\", at byte 6" },
    { "@Status(a) == 1", "\"@status(\", \"@property(\" or \"@key(\" "
      "expected, at byte 1" },
    { "@status == 1", "\"(\" expected behind \"@status\", "
      "\"@property\", \"@key\", at byte 1" },
    { "@key", "\"(\" expected behind \"@status\", \"@property\", "
      "\"@key\", at byte 1" },
    { "@status()", "a name and \")\" expected, at byte 1" },
    { "@status(", "a name and \")\" expected, at byte 1" },
    { "@status('x) == 1", "a name and \")\" expected, at byte 1" },
    { "1 == @key(a(b))", "a name and \")\" expected, at byte 6" },

    /* a name, which a device does not find so */

    { "@property(two words) == 1", "a name without spaces expected, at "
      "byte 11" },
    { "@property('a') == 1", "a name without quotes expected, at byte "
      "11" },
    { "@status(\"device.model.family\") == 1", "a name without quotes "
      "expected, at byte 9" },
    { "1 == @key(\"a\")", "a name without quotes expected, at byte 11" }
};


static void
test_bad(void **state)
{
    mdm_uint_t  i;

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        if (check(bad[i].text, 0) != MDM_OK || result.nwarnings != 1) {
            fail_msg("%s: no warning, or another one, too", bad[i].text);
        }

        starts(result.warnings->text.data, "P: ");
        assert_string_equal((char *) result.warnings->text.data + 3,
                            bad[i].error);

        assert_int_equal(check(bad[i].text, 1), MDM_DECLINED);
        assert_string_equal((char *) result.error.data + 3, bad[i].error);
    }
}


/* NSPredicate has it: never refused, and said */

static void
test_outside(void **state)
{
    mdm_uint_t  i;

    static const struct {
        const char  *text;
        const char  *what;
    } outside[] = {
        { "a + 1 == 2", "arithmetic is not checked, at byte 3" },
        { "a - 1 == 2", "arithmetic is not checked, at byte 3" },
        { "a == b * 2", "arithmetic is not checked, at byte 8" },
        { "(a / 2) > 1", "arithmetic is not checked, at byte 4" },
        { "-a == 2", "arithmetic is not checked, at byte 2" },
        { "a ** 2 == 2", "arithmetic is not checked, at byte 3" },
        { "now() > a", "a function is not checked, at byte 1" },
        { "CAST(a, 'NSDate') > b", "a function is not checked, at byte 1" },
        { "FUNCTION(a, 'b') > b", "a function is not checked, at byte 1" },
        { "a == sum:({1, 2})", "a function is not checked, at byte 6" },
        { "a UNION b == c", "an operation on sets is not checked, at byte "
          "3" },
        { "a.@foo == 1", "an operator of collections that is not known is "
          "not checked, at byte 3" },
        { "a.first == 1 AND a.in == 2", "a name that is a word of the "
          "language is not checked, at byte 20" },
        { "#size == 1", "what follows here is not checked, at byte 1" },
        { "n\xc3\xa4me == 1", "a name that is not ASCII is not checked, at "
          "byte 2" },
        { "a ${operator} 1", "a variable is not checked, at byte 3" },
        { "a == 1 ${and_more}", "a variable is not checked, at byte 8" },
        { "ANY (a == 1)", "ANY, ALL, NONE or SOME of a predicate is not "
          "checked, at byte 13" }
    };

    (void) state;

    for (i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {

        if (check(outside[i].text, 1) != MDM_OK || result.nwarnings != 1) {
            fail_msg("%s: no warning, or another one, too", outside[i].text);
        }

        assert_string_equal((char *) result.warnings->text.data + 3,
                            outside[i].what);
    }

    /* a variable may be a value, too */

    assert_int_equal(check("a == ${b}", 1), MDM_OK);
    assert_int_equal(result.nwarnings, 0);

    /* brackets and quotes of the rest */

    assert_int_equal(check("a + (1 == 2", 0), MDM_OK);
    assert_string_equal((char *) result.warnings->text.data,
                        "P: a bracket is not closed, at byte 5");

    assert_int_equal(check("a + (1]", 1), MDM_DECLINED);
    assert_string_equal((char *) result.error.data,
                        "P: a bracket closes one of another kind, at byte 7");

    assert_int_equal(check("a + 1) == '2'", 1), MDM_DECLINED);
    assert_string_equal((char *) result.error.data,
                        "P: a bracket closes none, at byte 6");

    assert_int_equal(check("a + '1", 1), MDM_DECLINED);
    assert_string_equal((char *) result.error.data,
                        "P: a quote is not closed, at byte 5");
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
    char        text[8 * MDM_DDM_BRACKETS];
    mdm_uint_t  i, n;

    (void) state;

    for (n = MDM_DDM_BRACKETS; n <= MDM_DDM_BRACKETS + 1; n++) {
        text[0] = '\0';

        for (i = 0; i < n; i++) {
            strcat(text, "(");
        }

        strcat(text, "a == 1");

        for (i = 0; i < n; i++) {
            strcat(text, ")");
        }

        assert_int_equal(check(text, 1), MDM_OK);
        assert_int_equal(result.nwarnings, n > MDM_DDM_BRACKETS);
    }

    assert_string_equal((char *) result.warnings->text.data,
                        "P: what is in so many brackets is not checked, at "
                        "byte 65");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad, setup, teardown),
        cmocka_unit_test_setup_teardown(test_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deep, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
