
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Status reports taken apart: what becomes a value, and where, what is left
 * out, what is refused.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_ddm_item.h"
#include "mdm_ddm_report.h"


static mdm_limits_t  limits = { MDM_PLIST_DEPTH, MDM_PLIST_NODES };

static mdm_arena_t       *arena;
static mdm_ddm_report_t   report;
static const char        *why;


static mdm_int_t
read_bytes(const char *text, size_t len)
{
    mdm_str_t  s;

    mdm_arena_destroy(arena);

    arena = mdm_arena_create(1024);
    assert_non_null(arena);

    s.data = (u_char *) text;
    s.len = len;

    return mdm_ddm_report_read(arena, &s, &limits, 100, &report, &why);
}


static mdm_int_t
read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}


/* all values as text: "=path JSON" a line, 0x1f as "|" */

static const char *
shown(void)
{
    size_t         k;
    char          *p;
    mdm_uint_t     i;

    static char    text[8192];

    p = text;
    *p = '\0';

    for (i = 0; i < report.nvalues; i++) {
        p += snprintf(p, (size_t) (text + sizeof(text) - p), "%c%.*s %.*s\n",
                      (char) report.values[i].type,
                      mdm_fmt(&report.values[i].place),
                      mdm_fmt(&report.values[i].json));
        assert_true(p < text + sizeof(text));
    }

    for (k = 0; text[k] != '\0'; k++) {
        if (text[k] == MDM_DDM_ELEMENT) {
            text[k] = '|';
        }
    }

    return text;
}


static const struct {
    const char  *items;
    const char  *values;
    mdm_uint_t   skipped;
} value_cases[] = {

    { "{}", "", 0 },

    /* known: as far as the item goes */

    { "{\"device\":{\"model\":{\"family\":\"Mac\"},"
      "\"operating-system\":{\"version\":\"15.1\"}}}",
      "=device.model.family \"Mac\"\n"
      "=device.operating-system.version \"15.1\"\n", 0 },
    { "{\"softwareupdate\":{\"failure-reason\":{\"reason\":\"x\","
      "\"count\":2}}}",
      "=softwareupdate.failure-reason {\"count\":2,\"reason\":\"x\"}\n",
      0 },
    { "{\"device\":{\"model\":{}}}", "", 0 },
    { "{\"test\":{\"dictionary-value\":{}}}",
      "=test.dictionary-value {}\n", 0 },
    { "{\"management\":{\"client-capabilities\":{\"a\":{\"b\":[]}}}}",
      "=management.client-capabilities {\"a\":{\"b\":[]}}\n", 0 },

    /* unknown: down to the leaves, unless keys are data */

    { "{\"x\":{\"y\":{\"z\":1,\"n\":null},\"w\":{}}}",
      "=x.y.z 1\n=x.y.n null\n=x.w {}\n", 0 },
    { "{\"x\":{\"a.b\":1,\"c\":2}}", "=x {\"a.b\":1,\"c\":2}\n", 0 },
    { "{\"x\":{\"\":1}}", "=x {\"\":1}\n", 0 },
    { "{\"x\":{\"a\\u0001\":1}}", "=x {\"a\\u0001\":1}\n", 0 },
    { "{\"device\":{\"new\":{\"deep\":true}}}",
      "=device.new.deep true\n", 0 },

    /* names with dots at the top, where nesting was forgotten */

    { "{\"device.model.family\":\"Mac\"}",
      "=device.model.family \"Mac\"\n", 0 },
    { "{\".a\":1,\"a.\":1,\"a..b\":1,\"\":1,\"\\u0002\":1}", "", 5 },

    /* what stands where items are */

    { "{\"device\":null,\"app\":[1],\"test\":5}", "", 3 },

    /* arrays */

    { "{\"app\":{\"managed\":{\"list\":[{\"identifier\":\"a\","
      "\"n\":1},{\"identifier\":\"b\",\"_removed\":true},"
      "{\"identifier\":\"c\",\"_removed\":false}]}}}",
      "@app.managed.list| []\n"
      "=app.managed.list|a {\"identifier\":\"a\",\"n\":1}\n"
      "-app.managed.list|b \n"
      "=app.managed.list|c {\"identifier\":\"c\"}\n", 0 },
    { "{\"app\":{\"managed\":{\"list\":[]}}}",
      "[app.managed.list []\n", 0 },
    { "{\"x\":[{\"identifier\":\"a\"}]}",
      "@x| []\n=x|a {\"identifier\":\"a\"}\n", 0 },
    { "{\"x\":[{\"identifier\":\"a\"},{\"identifier\":\"\"},{},5]}",
      "@x| []\n=x|a {\"identifier\":\"a\"}\n", 3 },
    { "{\"x\":[{\"identifier\":1}],\"y\":[[]],\"z\":[1,\"a\"]}",
      "~x [{\"identifier\":1}]\n=y [[]]\n=z [1,\"a\"]\n", 0 },
    { "{\"app\":{\"managed\":{\"list\":[{\"state\":\"x\"},5]}}}",
      "~app.managed.list [{\"state\":\"x\"},5]\n", 0 },
    { "{\"test\":{\"array-value\":[{\"key1\":\"a\"}]}}",
      "=test.array-value [{\"key1\":\"a\"}]\n", 0 },

    /* declarations: each array whole, nothing else */

    { "{\"management\":{\"declarations\":{\"assets\":[],"
      "\"configurations\":[{\"valid\":\"valid\"}],\"x\":1}}}",
      "=management.declarations.assets []\n"
      "=management.declarations.configurations "
      "[{\"valid\":\"valid\"}]\n", 1 },
    { "{\"management\":{\"declarations\":null}}", "", 1 },
    { "{\"management\":{\"declarations\":[]}}", "", 1 },

    /* numbers as they came, strings as they are */

    { "{\"n\":9007199254740993,\"r\":0.1,\"e\":1e3,"
      "\"p\":0.12345678901234568,\"s\":\"\\u00e4\\/\\u0000\"}",
      "=n 9007199254740993\n=r 0.1\n=e 1000.0\n"
      "=p 0.12345678901234568\n=s \"\xc3\xa4/\\u0000\"\n", 0 }
};


static void
test_values(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < sizeof(value_cases) / sizeof(value_cases[0]); i++) {
        char  text[1024];

        (void) snprintf(text, sizeof(text),
                        "{ \"Errors\" : [], \"StatusItems\": %s }",
                        value_cases[i].items);

        assert_int_equal(read_text(text), MDM_OK);
        assert_string_equal(shown(), value_cases[i].values);
        assert_int_equal(report.skipped, value_cases[i].skipped);
        assert_int_equal(report.full, 0);
        assert_int_equal(report.nerrors, 0);
    }
}


static const struct {
    const char  *value;
    const char  *kept;
    const char  *name;
} odd_cases[] = {
    { "9223372036854775808", "\"9223372036854775808\"", "" },
    { "-9223372036854775809", "\"-9223372036854775809\"", "" },
    { "1e400", "\"1e400\"", "" },
    { "-1.5E+999", "\"-1.5E+999\"", "" },
    { "NaN", "\"NaN\"", "" },
    { "01", "\"01\"", "" },
    { "1.", "\"1.\"", "" },
    { "a\\\xff", "\"a\\\\\xef\xbf\xbd\"", "" },
    { "\"\\ud800\"", "\"\xef\xbf\xbd\"", "" },
    { "\"a\\udc00b\"", "\"a\xef\xbf\xbd" "b\"", "" },
    { "\"\\ud83d\\ud83d\\ude00\"",
      "\"\xef\xbf\xbd\xf0\x9f\x98\x80\"", "" },
    { "\"\xff\"", "\"\xef\xbf\xbd\"", "" },
    { "\"\xe2\x82\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"", "" },
    { "\"\xed\xa0\x80\"",
      "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", "" },
    { "\"a\nb\"", "\"a\\nb\"", "" },
    { "\"a\\qb\\u12\"", "\"a\\\\qb\\\\u12\"", "" },
    { "[1,[2,1e400]]", "[1,[2,\"1e400\"]]", "[1][1]" },
    { "{\"b.c\":{\"\":1e400}}", "{\"b.c\":{\"\":\"1e400\"}}",
      ".b.c." }
};


/* one odd value is kept as text, and named; the others do not suffer */

static void
test_odd(void **state)
{
    size_t  i, n;

    (void) state;

    n = sizeof(odd_cases) / sizeof(odd_cases[0]);

    for (i = 0; i < n; i++) {
        char  text[512], values[512], name[64];

        (void) snprintf(text, sizeof(text), "{\"StatusItems\":{\"a\":1,"
                        "\"o\\\"d\":%s,\"z\":[0.1,\"\\u00e9\"]},"
                        "\"FullReport\":true}", odd_cases[i].value);
        (void) snprintf(values, sizeof(values), "=a 1\n=o\"d %s\n"
                        "=z [0.1,\"\xc3\xa9\"]\n", odd_cases[i].kept);
        (void) snprintf(name, sizeof(name), "StatusItems.o\\\"d%s",
                        odd_cases[i].name);

        assert_int_equal(read_text(text), MDM_OK);
        assert_string_equal(shown(), values);
        assert_int_equal(report.full, 1);
        assert_int_equal(report.odd.n, 1);
        assert_int_equal(report.odd.nnames, 1);
        assert_true(mdm_str_is(&report.odd.names[0], name));
    }

    /* a key, which then is another name */

    assert_int_equal(read_text("{\"StatusItems\":{\"a\\u0000\":1,"
                               "\"b\xff\":2}}"), MDM_OK);
    assert_string_equal(shown(), "=a\xef\xbf\xbd 1\n=b\xef\xbf\xbd 2\n");
    assert_int_equal(report.odd.n, 2);

    /* in what becomes an element, a declaration, an error */

    assert_int_equal(read_text("{\"StatusItems\":{\"x\":[{\"identifier\":"
                               "\"i\",\"n\":1e999}],\"management\":"
                               "{\"declarations\":{\"assets\":[{\"identifier"
                               "\":\"d\",\"n\":1e999}]}}},\"Errors\":"
                               "[1e999,2,1e998,1e997]}"), MDM_OK);
    assert_string_equal(shown(), "@x| []\n=x|i {\"identifier\":\"i\","
                        "\"n\":\"1e999\"}\n=management.declarations.assets "
                        "[{\"identifier\":\"d\",\"n\":\"1e999\"}]\n");
    assert_int_equal(report.nerrors, 5);
    assert_true(mdm_str_is(&report.errors[0], "\"1e999\""));
    assert_int_equal(report.odd.n, 5);
    assert_int_equal(report.odd.nnames, MDM_JSON_MEND_NAMES);
    assert_true(mdm_str_is(&report.odd.names[3], "Errors[2]"));

    /* what is within bounds is not touched */

    assert_int_equal(read_text("{\"StatusItems\":{\"a\":"
                               "[9223372036854775807,-9223372036854775808,"
                               "1e308,\"\\ud83d\\ude00\"],\"b\":1e309}}"),
                     MDM_OK);
    assert_int_equal(report.odd.n, 1);
    assert_true(mdm_str_is(&report.odd.names[0], "StatusItems.b"));

    /* a long name is cut */

    {
        char  text[1024], key[301];

        memset(key, 'k', 300);
        key[300] = '\0';

        (void) snprintf(text, sizeof(text),
                        "{\"StatusItems\":{\"%s\":1e999}}", key);

        assert_int_equal(read_text(text), MDM_OK);
        assert_int_equal(report.odd.names[0].len, MDM_JSON_MEND_NAME);
    }

    /* what was left out: the first is named */

    assert_int_equal(read_text("{\"StatusItems\":{\"x\":[{\"identifier\":"
                               "\"a\"},{}],\"device\":5}}"), MDM_OK);
    assert_int_equal(report.skipped, 2);
    assert_true(mdm_str_is(&report.first, "x"));
}


static void
test_full(void **state)
{
    (void) state;

    assert_int_equal(read_text("{\"StatusItems\":{},\"FullReport\":true}"),
                     MDM_OK);
    assert_int_equal(report.full, 1);

    assert_int_equal(read_text("{\"StatusItems\":{},\"FullReport\":1}"),
                     MDM_OK);
    assert_int_equal(report.full, 0);

    /* one that says nothing takes nothing away */

    assert_int_equal(read_text("{\"Errors\":[],\"FullReport\":true}"),
                     MDM_OK);
    assert_int_equal(report.full, 0);
}


static void
test_errors(void **state)
{
    char    text[4096], *p;
    size_t  i, n;

    static const struct {
        const char  *state;
        mdm_uint_t   failed;
    } states[] = {
        { "\"active\":false,\"valid\":\"unknown\"", 1 },
        { "\"active\":false,\"valid\":\"invalid\"", 1 },
        { "\"active\":false,\"valid\":\"valid\"", 0 },
        { "\"active\":false,\"reasons\":[{}],\"valid\":\"valid\"", 0 },
        { "\"active\":true,\"valid\":\"valid\"", 0 },
        { "\"active\":true,\"valid\":\"invalid\"", 0 },
        { "\"active\":true,\"reasons\":[],\"valid\":\"invalid\"", 0 },
        { "\"active\":true,\"reasons\":[{}],\"valid\":\"invalid\"", 1 }
    };

    (void) state;

    /* declarations that failed, behind all others */

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        (void) snprintf(text, sizeof(text), "{\"StatusItems\":{\"management\":"
                        "{\"declarations\":{\"assets\":[{%s},5],\"a b\":[{}]"
                        "}}},\"Errors\":[7]}", states[i].state);

        assert_int_equal(read_text(text), MDM_OK);
        assert_int_equal(report.nerrors, 1 + states[i].failed);
        assert_true(mdm_str_is(&report.errors[0], "7"));

        if (states[i].failed) {
            (void) snprintf(text, sizeof(text), ".StatusItems.management."
                            "declarations.assets {%s}", states[i].state);
            assert_true(mdm_str_is(&report.errors[1], text));
        }
    }

    p = text + sprintf(text, "{\"StatusItems\":{\"management\":{"
                       "\"declarations\":{\"assets\":[{}");

    for (n = 1; n < 101; n++) {
        p += sprintf(p, ",{}");
    }

    (void) strcpy(p, "]}}},\"Errors\":[1]}");

    assert_int_equal(read_text(text), MDM_OK);
    assert_int_equal(report.nerrors, 100);
    assert_true(mdm_str_is(&report.errors[0], "1"));

    assert_int_equal(read_text("{\"Errors\":[{\"StatusItem\":\"a\","
                               "\"Reasons\":[{\"Code\":\"x\"}]},5]}"),
                     MDM_OK);
    assert_int_equal(report.nerrors, 2);
    assert_true(mdm_str_is(&report.errors[0], "{\"Reasons\":[{\"Code\":\"x\"}"
                           "],\"StatusItem\":\"a\"}"));
    assert_true(mdm_str_is(&report.errors[1], "5"));

    p = text + sprintf(text, "{\"Errors\":[0");

    for (i = 1; i < 200; i++) {
        p += sprintf(p, ",%zu", i);
    }

    (void) strcpy(p, "]}");

    assert_int_equal(read_text(text), MDM_OK);
    assert_int_equal(report.nerrors, 100);
    assert_true(mdm_str_is(&report.errors[99], "99"));

    assert_int_equal(read_text("{\"StatusItems\":{},\"Errors\":{}}"), MDM_OK);
    assert_int_equal(report.nerrors, 0);
}


static void
refused(const char *text, const char *reason)
{
    assert_int_equal(read_text(text), MDM_DECLINED);
    assert_string_equal(why, reason);
}


static void
test_refused(void **state)
{
    char    *text, *p;
    size_t   i;

    (void) state;

    refused("", "not JSON");
    refused("{", "not JSON");
    refused("{\"StatusItems\":{}}x", "not JSON");
    refused("{\"StatusItems\":{\"a\":18446744073709551616}", "not JSON");
    refused("{\"StatusItems\":{\"a\":\"\xff}}", "not JSON");
    refused("{\"StatusItems\":{a:1e999}}", "not JSON");
    refused("{\"StatusItems\":{\"a\":1 1e999}}", "not JSON");
    refused("[]", "neither StatusItems nor Errors");
    refused("{}", "neither StatusItems nor Errors");
    refused("{\"StatusItems\":[],\"Errors\":{}}",
            "neither StatusItems nor Errors");

    text = malloc(4 * 1024 * 1024);
    assert_non_null(text);

    /* depth: as many containers as the limit says, and one more */

    for (i = MDM_PLIST_DEPTH; i <= MDM_PLIST_DEPTH + 1; i++) {
        p = text + sprintf(text, "{\"StatusItems\":{\"a\":");
        memset(p, '[', i - 2);
        memset(p + i - 2, ']', i - 2);
        (void) strcpy(p + 2 * i - 4, "}}");

        if (i == MDM_PLIST_DEPTH) {
            assert_int_equal(read_text(text), MDM_OK);

        } else {
            refused(text, "too deep");
        }
    }

    /* brackets in strings are none */

    assert_int_equal(read_text("{\"StatusItems\":{\"a\":\"[[[[[[[[[[[[[[[[[[["
                               "[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"}}"),
                     MDM_OK);

    /* nodes */

    p = text + sprintf(text, "{\"StatusItems\":{\"a\":[0");

    for (i = 0; i < MDM_PLIST_NODES; i++) {
        *p++ = ',';
        *p++ = '0';
    }

    (void) strcpy(p, "]}}");
    refused(text, "too many values");

    /* values */

    for (i = MDM_DDM_VALUES; i <= MDM_DDM_VALUES + 1; i++) {
        size_t  k;

        p = text + sprintf(text, "{\"StatusItems\":{\"a\":1");

        for (k = 1; k < i; k++) {
            p += sprintf(p, ",\"k%zu\":1", k);
        }

        (void) strcpy(p, "}}");

        if (i == MDM_DDM_VALUES) {
            assert_int_equal(read_text(text), MDM_OK);
            assert_int_equal(report.nvalues, MDM_DDM_VALUES);

        } else {
            refused(text, "too many items");
        }
    }

    free(text);
}


/* names at the limits, and one byte above */

static void
test_lengths(void **state)
{
    char    *text, *p;
    size_t   n;

    (void) state;

    text = malloc(8192);
    assert_non_null(text);

    for (n = MDM_DDM_PATH_MAX - 3; n <= MDM_DDM_PATH_MAX; n++) {
        p = text + sprintf(text, "{\"StatusItems\":{\"x\":{\"");
        memset(p, 'k', n);
        (void) strcpy(p + n, "\":1}}}");

        assert_int_equal(read_text(text), MDM_OK);
        assert_int_equal(report.nvalues, n + 2 <= MDM_DDM_PATH_MAX);
        assert_int_equal(report.skipped, n + 2 > MDM_DDM_PATH_MAX);
    }

    for (n = MDM_DDM_ID_MAX; n <= MDM_DDM_ID_MAX + 1; n++) {
        p = text + sprintf(text, "{\"StatusItems\":{\"x\":"
                           "[{\"identifier\":\"");
        memset(p, 'i', n);
        (void) strcpy(p + n, "\"}]}}");

        assert_int_equal(read_text(text), MDM_OK);
        assert_int_equal(report.nvalues, (n == MDM_DDM_ID_MAX) ? 2 : 1);
        assert_int_equal(report.skipped, n != MDM_DDM_ID_MAX);
    }

    /* longer than the buffer that most values fit into */

    for (n = 400; n < 600; n += 10) {
        p = text + sprintf(text, "{\"StatusItems\":{\"x\":\"");
        memset(p, 'v', n);
        (void) strcpy(p + n, "\"}}");

        assert_int_equal(read_text(text), MDM_OK);
        assert_int_equal(report.values[0].json.len, n + 2);
        assert_int_equal(report.values[0].json.data[n + 1], '"');
    }

    free(text);
}


static void
test_items(void **state)
{
    mdm_str_t  s;

    (void) state;

    mdm_str_set(&s, "device.model.family");
    assert_non_null(mdm_ddm_item_find(&s));
    assert_int_equal(mdm_ddm_item_prefix(&s), 0);

    mdm_str_set(&s, "device.model");
    assert_null(mdm_ddm_item_find(&s));
    assert_int_equal(mdm_ddm_item_prefix(&s), 1);

    mdm_str_set(&s, "device.mode");
    assert_null(mdm_ddm_item_find(&s));
    assert_int_equal(mdm_ddm_item_prefix(&s), 0);

    mdm_str_set(&s, "zzz");
    assert_null(mdm_ddm_item_find(&s));
    assert_int_equal(mdm_ddm_item_prefix(&s), 0);

    mdm_str_set(&s, "");
    assert_null(mdm_ddm_item_find(&s));
}


int
main(void)
{
    int  rc;

    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_odd),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_items)
    };

    rc = cmocka_run_group_tests(tests, NULL, NULL);

    mdm_arena_destroy(arena);

    return rc;
}
