
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/base/mdm_deflate.c.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_deflate.h"


static void test_small(void **state);
static void test_text(void **state);
static void test_random(void **state);
static void test_mixed(void **state);
static void test_cost(void **state);
static mdm_uint_t deflates(u_char *data, size_t len);
static void noise(u_char *p, size_t len);
static void text(u_char *p, size_t len);


#define MB  (1024 * 1024)


static void
test_small(void **state)
{
    u_char  data[MDM_DEFLATE_MIN + 1];

    (void) state;

    memset(data, 'x', sizeof(data));

    assert_int_equal(deflates(data, 0), 0);
    assert_int_equal(deflates(data, MDM_DEFLATE_MIN), 0);
    assert_int_equal(deflates(data, MDM_DEFLATE_MIN + 1), 1);

    /* without a sample it is tried, and dropped */

    noise(data, sizeof(data));
    assert_int_equal(deflates(data, sizeof(data)), 0);
}


static void
test_text(void **state)
{
    size_t   i;
    u_char  *data;

    static const size_t  lens[] = { 65535, 65536, 65537, 70000, 2 * MB,
                                    15 * MB };

    (void) state;

    data = malloc(15 * MB);
    assert_non_null(data);

    text(data, 15 * MB);

    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        assert_int_equal(deflates(data, lens[i]), 1);
    }

    free(data);
}


static void
test_random(void **state)
{
    size_t   i;
    u_char  *data;

    static const size_t  lens[] = { 65536, 65537, 70000, 2 * MB, 15 * MB };

    (void) state;

    data = malloc(15 * MB);
    assert_non_null(data);

    noise(data, 15 * MB);

    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        assert_int_equal(deflates(data, lens[i]), 0);
    }

    free(data);
}


/* what one part of it does not say: an image in a list, a list of images */

static void
test_mixed(void **state)
{
    u_char  *data;
    size_t   i;

    (void) state;

    data = malloc(2 * MB);
    assert_non_null(data);

    text(data, 2 * MB);
    noise(data, MB);
    assert_int_equal(deflates(data, 2 * MB), 1);

    text(data, 2 * MB);
    noise(data + MB / 2, MB);
    assert_int_equal(deflates(data, 2 * MB), 1);

    /* a head and an end of text around it */

    noise(data, 2 * MB);
    text(data, 300);
    text(data + 2 * MB - 300, 300);
    assert_int_equal(deflates(data, 2 * MB), 0);

    /* base64 saves a quarter */

    noise(data, 2 * MB);

    for (i = 0; i < 2 * MB; i++) {
        data[i] = (u_char) ('0' + data[i] % 64);
    }

    assert_int_equal(deflates(data, 2 * MB), 1);

    free(data);
}


/* random bytes are passed on, not copied */

static void
test_cost(void **state)
{
    u_char       *data;
    mdm_str_t     src, dst;
    mdm_uint_t    z;
    mdm_arena_t  *arena;

    (void) state;

    data = malloc(15 * MB);
    assert_non_null(data);

    noise(data, 15 * MB);

    arena = mdm_arena_create(64);
    assert_non_null(arena);

    src.data = data;
    src.len = 15 * MB;

    assert_int_equal(mdm_deflate(arena, &src, &dst, &z), MDM_OK);
    assert_int_equal(z, 0);
    assert_ptr_equal(dst.data, data);
    assert_int_equal(dst.len, 15 * MB);

    mdm_arena_destroy(arena);
    free(data);
}


static mdm_uint_t
deflates(u_char *data, size_t len)
{
    mdm_str_t     src, dst, back;
    mdm_uint_t    z;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(64);
    assert_non_null(arena);

    src.data = data;
    src.len = len;

    assert_int_equal(mdm_deflate(arena, &src, &dst, &z), MDM_OK);

    if (z) {
        assert_true(dst.len < len);
        assert_int_equal(mdm_inflate(arena, &dst, &back), MDM_OK);
        assert_int_equal(back.len, len);
        assert_memory_equal(back.data, data, len);

    } else {
        assert_ptr_equal(dst.data, data);
        assert_int_equal(dst.len, len);
    }

    mdm_arena_destroy(arena);

    return z;
}


static void
noise(u_char *p, size_t len)
{
    uint64_t  x = 88172645463325252ull;

    while (len-- != 0) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        *p++ = (u_char) (x >> 32);
    }
}


static void
text(u_char *p, size_t len)
{
    size_t             i;
    static const char  line[] = "<key>Identifier</key><string>com.example";

    for (i = 0; i < len; i++) {
        p[i] = (u_char) line[i % (sizeof(line) - 1)];

        if (i % 41 == 0) {
            p[i] = (u_char) ('a' + (i / 41) % 26);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
