
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/base/mdm_cache.c, and a random run against a model.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_cache.h"


#define KEYS  64


static mdm_str_t
text(const char *s)
{
    mdm_str_t  str;

    str.data = (u_char *) s;
    str.len = strlen(s);

    return str;
}


static void
put(mdm_cache_t *cache, const char *key, const char *value)
{
    mdm_str_t  k, v;

    k = text(key);
    v = text(value);

    assert_int_equal(mdm_cache_put(cache, &k, &v), MDM_OK);
}


static const char *
get(mdm_cache_t *cache, const char *key)
{
    mdm_str_t    k, v;
    static char  copy[256];

    k = text(key);

    if (mdm_cache_get(cache, &k, &v) != MDM_OK) {
        return "";
    }

    (void) snprintf(copy, sizeof(copy), "%.*s", mdm_fmt(&v));

    return copy;
}


static void
test_keeps(void **state)
{
    mdm_str_t     none;
    mdm_cache_t  *cache;

    (void) state;

    cache = mdm_cache_create(64 * 1024);
    assert_non_null(cache);

    assert_string_equal(get(cache, "a"), "");
    put(cache, "a", "one");
    put(cache, "b", "two");
    assert_string_equal(get(cache, "a"), "one");
    put(cache, "a", "three");
    assert_string_equal(get(cache, "a"), "three");
    assert_string_equal(get(cache, "b"), "two");

    mdm_str_null(&none);
    assert_int_equal(mdm_cache_put(cache, &none, &none), MDM_OK);
    assert_int_equal(mdm_cache_get(cache, &none, &none), MDM_OK);
    assert_int_equal(none.len, 0);

    mdm_cache_destroy(cache);
    mdm_cache_destroy(NULL);
}


static void
test_bound(void **state)
{
    char          key[16];
    u_char        big[2048];
    mdm_str_t     k, v;
    mdm_uint_t    i;
    mdm_cache_t  *cache;

    (void) state;

    memset(big, 'x', sizeof(big));

    cache = mdm_cache_create(8 * 1024);

    for (i = 0; i < 200; i++) {
        (void) snprintf(key, sizeof(key), "key%u", (unsigned) i);
        put(cache, key, "0123456789");
        assert_true(mdm_cache_used(cache) <= 8 * 1024);

        /* what is asked for stays */

        assert_string_equal(get(cache, "key0"), "0123456789");
    }

    assert_string_equal(get(cache, "key1"), "");
    assert_string_equal(get(cache, "key199"), "0123456789");

    /* too large: what the key had is gone, all others stay */

    k = text("key199");
    v.data = big;
    v.len = sizeof(big);

    assert_int_equal(mdm_cache_put(cache, &k, &v), MDM_DECLINED);
    assert_string_equal(get(cache, "key199"), "");
    assert_string_equal(get(cache, "key0"), "0123456789");

    mdm_cache_destroy(cache);

    /* one that holds nothing */

    cache = mdm_cache_create(0);
    assert_int_equal(mdm_cache_put(cache, &k, &k), MDM_DECLINED);
    mdm_cache_destroy(cache);
}


static void
test_random(void **state)
{
    char          key[16], value[64];
    mdm_uint_t    i, n, found;
    mdm_cache_t  *cache;
    static char   model[KEYS][64];

    (void) state;

    srand(1);
    cache = mdm_cache_create(4 * 1024);
    found = 0;

    for (i = 0; i < 20000; i++) {
        n = (mdm_uint_t) rand() % KEYS;

        (void) snprintf(key, sizeof(key), "%u", (unsigned) n);

        if (rand() % 2) {
            (void) snprintf(value, sizeof(value), "%u%.*s", (unsigned) i,
                            rand() % 40,
                            "........................................");
            put(cache, key, value);
            memcpy(model[n], value, sizeof(value));

        } else if (get(cache, key)[0] != '\0') {
            assert_string_equal(get(cache, key), model[n]);
            found++;
        }

        assert_true(mdm_cache_used(cache) <= 4 * 1024);
    }

    assert_true(found > 1000);

    mdm_cache_destroy(cache);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_keeps),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_random)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
