
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/ddm/mdm_ddm_client.c: what a client says that it can do.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mdm_ddm_client.h"
#include "mdm_unit_arena.h"


static mdm_ddm_client_t  client;


static void
says(const char *json)
{
    mdm_str_t  s;

    s.data = (u_char *) json;
    s.len = strlen(json);

    assert_int_equal(mdm_ddm_client_read(arena, &s, &client), MDM_OK);
}


static mdm_uint_t
takes(const char *type)
{
    mdm_str_t  s;

    s.data = (u_char *) type;
    s.len = strlen(type);

    return mdm_ddm_client_takes(&client, &s);
}


static mdm_uint_t
has(const char *item)
{
    mdm_str_t  s;

    s.data = (u_char *) item;
    s.len = strlen(item);

    return mdm_ddm_client_has(&client, &s);
}


static void
test_said(void **state)
{
    (void) state;

    says("{\"supported-payloads\":{\"declarations\":{\"b\":[\"y\",5,\"x\"],"
         "\"a\":[\"z\"],\"c\":7},\"status-items\":[\"n\",null,\"m\"]}}");

    assert_int_equal(client.ntypes, 3);
    assert_int_equal(client.nitems, 2);

    assert_int_equal(takes("x"), 1);
    assert_int_equal(takes("y"), 1);
    assert_int_equal(takes("z"), 1);
    assert_int_equal(takes(""), 0);
    assert_int_equal(takes("xy"), 0);
    assert_int_equal(takes("n"), 0);

    assert_int_equal(has("m"), 1);
    assert_int_equal(has("n"), 1);
    assert_int_equal(has("x"), 0);

    /* a list without anything says so */

    says("{\"supported-payloads\":{\"declarations\":{},"
         "\"status-items\":[]}}");

    assert_int_equal(takes("x"), 0);
    assert_int_equal(has("m"), 0);
}


/* who has not said it may support all */

static void
test_unsaid(void **state)
{
    size_t     i;
    mdm_str_t  digest;

    static const char  *cases[] = {
        "", "null", "5", "[]", "{}", "{", "\xff", "{\"supported-payloads\":[]}",
        ("{\"supported-payloads\":{\"declarations\":[],"
         "\"status-items\":{}}}")
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        says(cases[i]);

        assert_int_equal(takes("x"), 1);
        assert_int_equal(has("m"), 1);

        assert_int_equal(mdm_ddm_client_digest(arena, &client, &digest),
                         MDM_OK);
        assert_int_equal(digest.len, 0);
    }
}


/* of the types alone, in whatever order and lists they were said */

static void
test_digest(void **state)
{
    size_t     i;
    mdm_str_t  digests[4];

    static const char  *cases[] = {
        "{\"supported-payloads\":{\"declarations\":{\"a\":[\"x\",\"y\"]}}}",
        ("{\"supported-payloads\":{\"declarations\":{\"a\":[\"y\"],"
         "\"b\":[\"x\"]},\"status-items\":[]},\"supported-versions\":[]}"),
        "{\"supported-payloads\":{\"declarations\":{\"a\":[\"xy\"]}}}",
        "{\"supported-payloads\":{\"declarations\":{}}}"
    };

    (void) state;

    for (i = 0; i < 4; i++) {
        says(cases[i]);

        assert_int_equal(mdm_ddm_client_digest(arena, &client, &digests[i]),
                         MDM_OK);
        assert_int_equal(digests[i].len, 40);
    }

    assert_true(mdm_str_eq(&digests[0], &digests[1]));
    assert_false(mdm_str_eq(&digests[0], &digests[2]));
    assert_false(mdm_str_eq(&digests[0], &digests[3]));
    assert_false(mdm_str_eq(&digests[2], &digests[3]));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unsaid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_digest, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
