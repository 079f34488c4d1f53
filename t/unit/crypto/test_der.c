
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/crypto/mdm_der.c: what is counted, how deep it may be, and
 * what is cut off.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mdm_der.h"


/* each case in memory of its own, so that a sanitizer sees what is read */

static void
check(const void *data, size_t len, const char *expected)
{
    u_char      *copy;
    mdm_str_t    der;
    const char  *why;

    copy = malloc(len == 0 ? 1 : len);
    assert_non_null(copy);
    memcpy(copy, data, len);

    der.data = copy;
    der.len = len;
    why = "";

    if (expected == NULL) {
        assert_int_equal(mdm_der_check(&der, &why), MDM_OK);

    } else {
        assert_int_equal(mdm_der_check(&der, &why), MDM_DECLINED);
        assert_string_equal(why, expected);
    }

    free(copy);
}


#define good(bytes)      check(bytes, sizeof(bytes) - 1, NULL)
#define bad(bytes, why)  check(bytes, sizeof(bytes) - 1, why)

#define CUT              "message is cut off"


static void
test_forms(void **state)
{
    (void) state;

    good("");
    good("\x05\x00");
    good("\x04\x01x\x04\x01y");
    good("\x30\x05\x04\x00\x04\x01x");
    good("\x30\x81\x03\x04\x01x");
    good("\x30\x84\x00\x00\x00\x03\x04\x01x");
    good("\x1f\x81\x01\x01x");
    good("\xa0\x80\x24\x80\x04\x01x\x00\x00\x00\x00");
    good("\x30\x80\x00\x00");
    good("\x30\x04\x30\x80\x00\x00");

    bad("\x05", CUT);
    bad("\x04\x02x", CUT);
    bad("\x30\x05\x04\x04xxxx", CUT);
    bad("\x30\x03\x04\x02x\x04\x00", CUT);
    bad("\x30\x80", CUT);
    bad("\x30\x80\x00", CUT);
    bad("\x30\x80\x04\x01x\x00", CUT);
    bad("\x04\x80\x00\x00", CUT);
    bad("\x1f\x81", CUT);
    bad("\x1f", CUT);
    bad("\x04\x82\x01", CUT);
    bad("\x04\x85", CUT);
    bad("\x04\x89\x01\x00\x00\x00\x00\x00\x00\x00\x00", CUT);
    bad("\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff", CUT);

    /* an end is one only where a length is missing */

    good("\x00\x00");
    bad("\x30\x80\x30\x02\x00\x00", CUT);
}


static void
test_depth(void **state)
{
    size_t  i;
    u_char  bytes[4 * (MDM_DER_DEPTH + 1)];

    (void) state;

    for (i = 0; i <= MDM_DER_DEPTH; i++) {
        bytes[2 * i] = 0x30;
        bytes[2 * i + 1] = 0x80;
    }

    memset(bytes + 2 * i, 0, 2 * i);

    check(bytes + 2, 4 * MDM_DER_DEPTH, NULL);
    check(bytes, sizeof(bytes), "message has values that are too deep");
}


static void
test_values(void **state)
{
    size_t   n, len;
    u_char  *bytes;

    (void) state;

    /* of two octets, as many as there may be in all of them */

    n = MDM_DER_VALUES;

    while (n + 1 <= MDM_DER_VALUES + 2 * (n + 1) / MDM_DER_OCTETS) {
        n++;
    }

    len = 2 * (n + 1);
    bytes = calloc(1, len);
    assert_non_null(bytes);

    check(bytes, 2 * n, NULL);
    check(bytes, len, "message has too many values");

    free(bytes);

    /* what is long may have more */

    len = 4 + MDM_DER_OCTETS;
    bytes = calloc(3000, len);
    assert_non_null(bytes);

    for (n = 0; n < 3000; n++) {
        bytes[n * len] = 0x04;
        bytes[n * len + 1] = 0x82;
        bytes[n * len + 2] = MDM_DER_OCTETS >> 8;
        bytes[n * len + 3] = MDM_DER_OCTETS & 0xff;
    }

    check(bytes, 3000 * len, NULL);

    free(bytes);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_values)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
