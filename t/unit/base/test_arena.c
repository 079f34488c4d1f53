
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Arenas that give their blocks back to a pool, and take them from it.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mdm_base.h"
#include "mdm_unit_sanitized.h"


#define BLOCK  4096


static void
test_again(void **state)
{
    void              *p;
    mdm_arena_t       *arena;
    mdm_arena_pool_t   pool = { NULL, 0, 4 * BLOCK };

    (void) state;

    arena = mdm_arena_create_from(&pool, 1000);
    assert_non_null(arena);

    p = mdm_arena_alloc(arena, 2000);
    assert_non_null(p);
    memset(p, 0xff, 2000);

    mdm_arena_destroy(arena);

    if (SANITIZED) {
        assert_int_equal(pool.size, 0);
        return;
    }

    assert_int_equal(pool.size, BLOCK);

    assert_ptr_equal(mdm_arena_create_from(&pool, 1), arena);
    assert_int_equal(pool.size, 0);

    p = mdm_arena_zalloc(arena, 2000);
    assert_non_null(p);
    assert_int_equal(*(u_char *) p, 0);

    mdm_arena_destroy(arena);
    mdm_arena_pool_clear(&pool);

    assert_null(pool.free);
    assert_int_equal(pool.size, 0);
}


/* further blocks of the usual size are kept, large ones are not */

static void
test_blocks(void **state)
{
    size_t             i;
    u_char            *p;
    mdm_arena_t       *arena;
    mdm_arena_pool_t   pool = { NULL, 0, 100 * BLOCK };

    (void) state;

    arena = mdm_arena_create_from(&pool, 100);
    assert_non_null(arena);

    for (i = 0; i < 40; i++) {
        p = mdm_arena_alloc(arena, 512);
        assert_non_null(p);
        memset(p, (int) i, 512);
    }

    p = mdm_arena_alloc(arena, 100000);
    assert_non_null(p);
    memset(p, 1, 100000);

    mdm_arena_destroy(arena);

    if (!SANITIZED) {
        assert_in_range(pool.size, 5 * BLOCK, 7 * BLOCK);
    }

    /* an arena whose first block is large */

    i = pool.size;

    arena = mdm_arena_create_from(&pool, 10000);
    assert_non_null(arena);

    p = mdm_arena_alloc(arena, 10000);
    assert_non_null(p);
    memset(p, 1, 10000);

    mdm_arena_destroy(arena);

    assert_int_equal(pool.size, i);

    mdm_arena_pool_clear(&pool);
}


static void
test_most(void **state)
{
    size_t             i;
    mdm_arena_t       *arena[8];
    mdm_arena_pool_t   pool = { NULL, 0, 3 * BLOCK };

    (void) state;

    for (i = 0; i < 8; i++) {
        arena[i] = mdm_arena_create_from(&pool, 3000);
        assert_non_null(arena[i]);
    }

    for (i = 0; i < 8; i++) {
        mdm_arena_destroy(arena[i]);
        assert_true(pool.size <= pool.most);
    }

    if (!SANITIZED) {
        assert_int_equal(pool.size, 3 * BLOCK);
    }

    mdm_arena_pool_clear(&pool);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
