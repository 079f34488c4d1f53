
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/base/mdm_date.c.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_date.h"


static void test_date(void **state);


static void
test_date(void **state)
{
    u_char      utc[MDM_DATE_LEN + 1];
    u_char     *copy;
    mdm_str_t   text;
    mdm_uint_t  i;

    static const struct {
        const char  *in;
        const char  *out;
    } tests[] = {
        { "2026-11-24T05:06:07Z", "2026-11-24T05:06:07Z" },
        { "2026-11-24t05:06:07z", "2026-11-24T05:06:07Z" },
        { "2026-11-24T05:06:07.999999999999Z", "2026-11-24T05:06:07Z" },
        { "2026-11-24T05:06:07+00:00", "2026-11-24T05:06:07Z" },
        { "2026-01-01T00:00:00+00:01", "2025-12-31T23:59:00Z" },
        { "2025-12-31T23:59:59-23:59", "2026-01-01T23:58:59Z" },
        { "2024-02-29T23:00:00-02:00", "2024-03-01T01:00:00Z" },
        { "2000-03-01T00:30:00+01:00", "2000-02-29T23:30:00Z" },
        { "1900-03-01T00:30:00+01:00", "1900-02-28T23:30:00Z" },
        { "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z" },
        { "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z" },
        { "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z" },
        { "0000-12-31T23:59:59-00:01", "0001-01-01T00:00:59Z" },
        { "0001-01-01T00:00:00+00:01", NULL },
        { "0000-01-01T00:00:00+00:01", NULL },
        { "9999-12-31T23:59:59-00:01", NULL },
        { "2023-02-29T00:00:00Z", NULL },
        { "1900-02-29T00:00:00Z", NULL },
        { "2026-00-01T00:00:00Z", NULL },
        { "2026-13-01T00:00:00Z", NULL },
        { "2026-04-31T00:00:00Z", NULL },
        { "2026-12-32T00:00:00Z", NULL },
        { "2026-12-00T00:00:00Z", NULL },
        { "2026-12-01T24:00:00Z", NULL },
        { "2026-12-01T00:60:00Z", NULL },
        { "2026-12-01T00:00:60Z", NULL },
        { "2026-12-01 00:00:00Z", NULL },
        { "2026-12-01T00:00:00", NULL },
        { "2026-12-01T00:00:00.", NULL },
        { "2026-12-01T00:00:00.Z", NULL },
        { "2026-12-01T00:00:00.1", NULL },
        { "2026-12-01T00:00:00+0100", NULL },
        { "2026-12-01T00:00:00+01:60", NULL },
        { "2026-12-01T00:00:00+24:00", NULL },
        { "2026-12-01T00:00:00Z ", NULL },
        { "2026-12-01", NULL },
        { "26-12-01T00:00:00Z", NULL },
        { "-026-12-01T00:00:00Z", NULL },
        { "", NULL },
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        text.len = strlen(tests[i].in);
        copy = malloc((text.len == 0) ? 1 : text.len);
        assert_non_null(copy);
        memcpy(copy, tests[i].in, text.len);
        text.data = copy;

        if (tests[i].out == NULL) {
            if (mdm_date_utc(utc, &text) != MDM_DECLINED) {
                fail_msg("\"%s\" was taken", tests[i].in);
            }

        } else {
            assert_int_equal(mdm_date_utc(utc, &text), MDM_OK);
            utc[MDM_DATE_LEN] = '\0';
            assert_string_equal((char *) utc, tests[i].out);
        }

        free(copy);
    }
}


static void
test_unix(void **state)
{
    size_t  i;
    u_char  utc[MDM_DATE_LEN + 1];

    static const struct {
        int64_t      seconds;
        const char  *out;
    } tests[] = {
        { 0, "1970-01-01T00:00:00Z" },
        { -1, "1969-12-31T23:59:59Z" },
        { 951782400, "2000-02-29T00:00:00Z" },
        { 1795554773, "2026-11-24T21:12:53Z" },
        { -62135596800, "0001-01-01T00:00:00Z" },
        { 253402300799, "9999-12-31T23:59:59Z" },
        { -62135596801, NULL },
        { 253402300800, NULL },
        { INT64_MAX, NULL },
        { INT64_MIN, NULL }
    };

    (void) state;

    utc[MDM_DATE_LEN] = '\0';

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {

        if (tests[i].out == NULL) {
            assert_int_equal(mdm_date_unix(utc, tests[i].seconds),
                             MDM_DECLINED);
            continue;
        }

        assert_int_equal(mdm_date_unix(utc, tests[i].seconds), MDM_OK);
        assert_string_equal((char *) utc, tests[i].out);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_date),
        cmocka_unit_test(test_unix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
