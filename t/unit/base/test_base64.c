
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of base64 for URLs.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mdm_base.h"


static mdm_arena_t  *arena;


static mdm_str_t
str(const char *text)
{
    mdm_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    return s;
}


/* RFC 4648, section 10, and what differs from base64 */

static void
test_vectors(void **state)
{
    size_t     i;
    mdm_str_t  plain, text, back;

    static const char *const  vectors[][2] = {
        { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xfe", "-__-" }
    };

    (void) state;

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        plain = str(vectors[i][0]);

        assert_int_equal(mdm_base64url_encode(arena, &text, &plain), MDM_OK);
        assert_true(mdm_str_is(&text, vectors[i][1]));

        assert_int_equal(mdm_base64url_decode(arena, &back, &text), MDM_OK);
        assert_true(mdm_str_eq(&back, &plain));
    }
}


/* each length, each byte */

static void
test_all(void **state)
{
    size_t     i, n;
    u_char     bytes[256];
    mdm_str_t  plain, text, back;

    (void) state;

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (u_char) (i * 167 + 13);
    }

    for (n = 0; n <= sizeof(bytes); n++) {
        plain.data = bytes;
        plain.len = n;

        assert_int_equal(mdm_base64url_encode(arena, &text, &plain), MDM_OK);
        assert_int_equal(text.len, (n * 4 + 2) / 3);
        assert_null(memchr(text.data, '=', text.len));

        assert_int_equal(mdm_base64url_decode(arena, &back, &text), MDM_OK);
        assert_true(mdm_str_eq(&back, &plain));
    }
}


/* there is one text for what it says */

static void
test_refused(void **state)
{
    size_t     i;
    mdm_str_t  text, back;

    static const char *const  bad[] = {
        "Z", "Zm9vY", "Zg==", "Zm8=", "Zh", "Zm9", "Zm9vYmG", "+__-", "-//-",
        "Zm 9", "Zm9v\n", "Zm9v.", "\xc3\xa4zz"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        text = str(bad[i]);

        if (mdm_base64url_decode(arena, &back, &text) != MDM_DECLINED) {
            fail_msg("\"%s\" is taken", bad[i]);
        }
    }
}


static int
setup(void **state)
{
    (void) state;

    arena = mdm_arena_create(4096);

    return arena == NULL;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_arena_destroy(arena);

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_refused)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
