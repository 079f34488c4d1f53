
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Sealing from four threads, with keys of their own, while the keys that they
 * were copied from are in use: as calls of work do it.  Runs under
 * ThreadSanitizer, too: scripts/build unit-tsan.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "mdm_deflate.h"
#include "mdm_exchange_secret.h"


#define THREADS  4
#define TIMES    200
#define BYTES    20000


typedef struct {
    const mdm_secret_keys_t  *keys;
    mdm_str_t                 text;        /* shared, read only */
    mdm_str_t                 kept;
} work_t;


static mdm_str_t  tag = mdm_string("mdm:{default/0}");
static mdm_str_t  id = mdm_string("A");
static mdm_str_t  uuid = mdm_string("u-1");


static mdm_int_t
pack(mdm_arena_t *arena, void *data)
{
    work_t              *w = data;
    mdm_str_t            kept;
    mdm_uint_t           i, z;
    mdm_secret_where_t   where;

    for (i = 0; i < TIMES; i++) {

        if (mdm_deflate(arena, &w->text, &kept, &z) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_where_result(&where, &tag, &id, &uuid, z);

        if (mdm_where_seal(arena, w->keys, &where, &kept, NULL) != MDM_OK) {
            return MDM_ERROR;
        }

        /* equal values in one place are equal ciphertexts */

        if (i != 0 && !mdm_str_eq(&kept, &w->kept)) {
            return MDM_ERROR;
        }

        w->kept = kept;
    }

    return MDM_OK;
}


static void *
thread(void *data)
{
    mdm_call_work(data);

    return NULL;
}


static void
test_threads(void **state)
{
    size_t              i;
    u_char              raw[MDM_SECRET_RAW], text[BYTES];
    work_t              works[THREADS], own;
    pthread_t           threads[THREADS];
    mdm_exchange_t     *x;
    mdm_settings_t      settings;
    mdm_secret_keys_t   keys;

    (void) state;

    memset(&settings, 0, sizeof(mdm_settings_t));
    memset(&keys, 0, sizeof(mdm_secret_keys_t));

    for (i = 0; i < 2; i++) {
        memset(raw, (int) i + 1, sizeof(raw));
        raw[0] = 9;
        assert_int_equal(mdm_secret_key_add(&keys, raw), MDM_OK);
    }

    for (i = 0; i < BYTES; i++) {
        text[i] = (u_char) ('a' + i * i / 7 % 26);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    assert_int_equal(mdm_exchange_calls(x, THREADS, 1), MDM_CALL);

    for (i = 0; i < THREADS; i++) {
        memset(&works[i], 0, sizeof(work_t));
        works[i].text.data = text;
        works[i].text.len = sizeof(text);

        assert_int_equal(mdm_secret_keys_copy(x->arena, &keys,
                                              &works[i].keys),
                         MDM_OK);
        assert_int_equal(mdm_exchange_work(x, i, pack, &works[i]), MDM_OK);
    }

    own = works[0];
    own.keys = &keys;

    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, thread,
                                        &x->calls[i]),
                         0);
    }

    /* the event loop goes on with its own, on the exchange's arena */

    assert_int_equal(pack(x->arena, &own), MDM_OK);

    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(x->calls[i].rc, MDM_CALL_OK);
        assert_true(mdm_str_eq(&works[i].kept, &own.kept));
    }

    mdm_arena_destroy(x->arena);
    mdm_secret_keys_clear(&keys);
}


/* without keys there is nothing to copy; a copy outlives what it came from */

static void
test_copy(void **state)
{
    u_char                    raw[MDM_SECRET_RAW];
    mdm_int_t                 under;
    mdm_str_t                 value, kept, again, why;
    mdm_arena_t              *arena;
    mdm_secret_keys_t         keys;
    mdm_secret_place_t        place;
    const mdm_secret_keys_t  *copy;

    (void) state;

    arena = mdm_arena_create(1024);
    assert_non_null(arena);

    copy = &keys;

    assert_int_equal(mdm_secret_keys_copy(arena, NULL, &copy), MDM_OK);
    assert_null(copy);

    memset(&keys, 0, sizeof(mdm_secret_keys_t));
    memset(raw, 3, sizeof(raw));
    raw[0] = 9;

    assert_int_equal(mdm_secret_key_add(&keys, raw), MDM_OK);

    mdm_str_set(&place.key, "mdm:{default/0}:u:A");
    mdm_str_set(&place.field, "bootstrap");
    mdm_str_set(&value, "a secret");

    assert_int_equal(mdm_secret_seal(arena, &keys, &place, &value, &kept),
                     MDM_OK);
    assert_int_equal(mdm_secret_keys_copy(arena, &keys, &copy), MDM_OK);

    mdm_secret_keys_clear(&keys);

    assert_int_equal(mdm_secret_seal(arena, copy, &place, &value, &again),
                     MDM_OK);
    assert_true(mdm_str_eq(&kept, &again));

    assert_int_equal(mdm_secret_open(arena, copy, &place, &kept, &again,
                                     &under, &why),
                     MDM_OK);
    assert_true(mdm_str_eq(&again, &value));

    mdm_arena_destroy(arena);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
