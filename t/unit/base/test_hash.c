
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/base/mdm_hash.c, and what chosen ids cost.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "mdm_api_ids.h"
#include "mdm_unit_api.h"


#define IDS  9000


/* of the paper: key 00 01 … 0f, message 00 01 … 0e */

static void
test_hash_vector(void **state)
{
    size_t          i;
    u_char          bytes[15];
    mdm_str_t       s;
    mdm_hash_key_t  key;

    (void) state;

    key.k0 = 0x0706050403020100;
    key.k1 = 0x0f0e0d0c0b0a0908;

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (u_char) i;
    }

    s.data = bytes;
    s.len = sizeof(bytes);

    assert_int_equal(mdm_hash(&key, &s), 0xa129ca6149be45e5);

    mdm_str_null(&s);
    assert_int_equal(mdm_hash(&key, &s), 0x726fdb47dd0e0e31);
}


/* seconds for a list of these ids */

static double
measure(mdm_str_t *list)
{
    size_t           i;
    double           took;
    mdm_api_ids_t    ids;
    mdm_settings_t   settings;
    mdm_exchange_t  *x;

    settings = mdm_unit_api_settings();
    x = mdm_exchange_create(&settings);

    took = (double) clock();

    assert_int_equal(mdm_api_ids_init(x, &ids, IDS), MDM_OK);

    for (i = 0; i < IDS; i++) {
        assert_int_equal(mdm_api_ids_add(x, &ids, &list[i]), MDM_OK);
    }

    took = ((double) clock() - took) / CLOCKS_PER_SEC;

    assert_int_equal(ids.n, IDS);

    for (i = 0; i < IDS; i++) {
        assert_true(mdm_api_ids_has(&ids, &list[i]));
    }

    mdm_arena_destroy(x->arena);

    return took;
}


/*
 * Ids that all fall into a few places of a table of 32,768 that goes by
 * FNV-1a, as it did: with those it took 40 million comparisons.
 */

static void
test_hash_chosen(void **state)
{
    char            *id, text[24];
    size_t           i, n, k, len;
    double           took, usual;
    uint32_t         hash;
    mdm_str_t       *list;
    mdm_arena_t     *arena;

    (void) state;

    arena = mdm_arena_create(4096);
    list = malloc(IDS * sizeof(mdm_str_t));
    assert_non_null(list);

    for (i = 0, n = 0; n < IDS; i++) {
        len = (size_t) sprintf(text, "%zx", i);
        hash = 2166136261U;

        for (k = 0; k < len; k++) {
            hash = (hash ^ (u_char) text[k]) * 16777619U;
        }

        hash ^= hash >> 16;

        if ((hash & 0x7fff) < 16) {
            id = mdm_arena_alloc(arena, len);
            memcpy(id, text, len);

            list[n].data = (u_char *) id;
            list[n++].len = len;
        }
    }

    took = measure(list);

    for (i = 0; i < IDS; i++) {
        id = mdm_arena_alloc(arena, 24);
        list[i].data = (u_char *) id;
        list[i].len = (size_t) sprintf(id, "%zx", i);
    }

    usual = measure(list);

    print_message("%d ids in %.4f s, others in %.4f s\n", IDS, took, usual);

    mdm_arena_destroy(arena);
    free(list);

    assert_true(took < 8 * usual + 0.03);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_hash_vector),
        cmocka_unit_test(test_hash_chosen)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
