
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What somebody carries through a login, or through a Profile Service: who
 * opens it, and until when.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mdm_enroll_seal.h"


#define NOW  1700000000


static mdm_secret_keys_t     old, own, both;
static mdm_store_settings_t  store;
static mdm_settings_t        settings = { .store = &store };
static mdm_exchange_t       *x;
static mdm_str_t             block = mdm_string("main");
static const char           *why;


static mdm_str_t
seal(mdm_enroll_seal_e use, const char *text)
{
    mdm_str_t  s, token;

    s.data = (u_char *) text;
    s.len = strlen(text);

    assert_int_equal(mdm_enroll_seal(x, use, &block, &s, &token), MDM_OK);

    return token;
}


static mdm_int_t
open_as(mdm_enroll_seal_e use, const mdm_str_t *token, mdm_str_t *text)
{
    mdm_int_t  rc;

    why = NULL;
    rc = mdm_enroll_open(x, use, &block, token, text, &why);

    if (rc != MDM_OK) {
        assert_non_null(why);
    }

    return rc;
}


static void
test_open(void **state)
{
    mdm_str_t  token, text;

    (void) state;

    token = seal(MDM_ENROLL_STATE, "{\"udid\":\"a b\"}");
    assert_null(memmem(token.data, token.len, "udid", 4));

    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_OK);
    assert_true(mdm_str_is(&text, "{\"udid\":\"a b\"}"));

    token = seal(MDM_ENROLL_CHALLENGE, "");
    assert_int_equal(open_as(MDM_ENROLL_CHALLENGE, &token, &text), MDM_OK);
    assert_int_equal(text.len, 0);
}


static void
test_time(void **state)
{
    mdm_str_t  token, text;

    (void) state;

    token = seal(MDM_ENROLL_STATE, "x");

    x->now = NOW + MDM_ENROLL_SEAL_TTL;
    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_OK);

    x->now = NOW + MDM_ENROLL_SEAL_TTL + 1;
    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_DECLINED);
    assert_string_equal(why, "it has expired");

    /* another host's clock is a little late */

    x->now = NOW - 60;
    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_OK);

    x->now = NOW - 61;
    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_DECLINED);
}


static void
test_other(void **state)
{
    size_t     i;
    mdm_str_t  token, text, bare;

    (void) state;

    token = seal(MDM_ENROLL_STATE, "x");

    /* for another use, block, tenant */

    assert_int_equal(open_as(MDM_ENROLL_CHALLENGE, &token, &text),
                     MDM_DECLINED);

    mdm_str_set(&block, "other");
    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_DECLINED);
    mdm_str_set(&block, "main");

    mdm_str_set(&x->tenant, "other");
    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_DECLINED);
    mdm_str_set(&x->tenant, "default");

    /* each character changed, each length cut */

    for (i = 0; i < token.len; i++) {
        u_char  c;

        c = token.data[i];
        token.data[i] = (c == 'A') ? 'B' : 'A';
        assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text),
                         MDM_DECLINED);
        token.data[i] = c;

        bare = token;
        bare.len = i;
        assert_int_equal(open_as(MDM_ENROLL_STATE, &bare, &text),
                         MDM_DECLINED);
    }

    /* what is not sealed: "1700000000 x" */

    mdm_str_set(&bare, "MTcwMDAwMDAwMCB4");
    assert_int_equal(open_as(MDM_ENROLL_STATE, &bare, &text), MDM_DECLINED);

    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_OK);
}


static void
test_keys(void **state)
{
    mdm_str_t  token, text, s;

    (void) state;

    /* of a host whose key is older; of one that has another store */

    store.secrets = &old;
    token = seal(MDM_ENROLL_STATE, "x");

    store.secrets = &both;
    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_OK);

    store.secrets = &own;
    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_DECLINED);

    store.secrets = NULL;
    assert_int_equal(open_as(MDM_ENROLL_STATE, &token, &text), MDM_DECLINED);

    mdm_str_set(&s, "x");
    assert_int_equal(mdm_enroll_seal(x, MDM_ENROLL_STATE, &block, &s, &token),
                     MDM_ERROR);
}


static int
begin(void **state)
{
    (void) state;

    store.secrets = &own;

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    mdm_str_set(&x->tenant, "default");
    x->now = NOW;

    return 0;
}


static int
end(void **state)
{
    (void) state;

    mdm_arena_destroy(x->arena);

    return 0;
}


static int
setup(void **state)
{
    static const u_char  a[MDM_SECRET_RAW] = "a key of 32 bytes, more or les";
    static const u_char  b[MDM_SECRET_RAW] = "another key of 32 bytes, or so";

    (void) state;

    return mdm_secret_key_add(&own, a) != MDM_OK
           || mdm_secret_key_add(&old, b) != MDM_OK
           || mdm_secret_key_add(&both, a) != MDM_OK
           || mdm_secret_key_add(&both, b) != MDM_OK;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_secret_keys_clear(&own);
    mdm_secret_keys_clear(&old);
    mdm_secret_keys_clear(&both);

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_open, begin, end),
        cmocka_unit_test_setup_teardown(test_time, begin, end),
        cmocka_unit_test_setup_teardown(test_other, begin, end),
        cmocka_unit_test_setup_teardown(test_keys, begin, end)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
