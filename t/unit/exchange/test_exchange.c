
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The exchange itself: steps in steps, why something failed, and what the
 * table of endpoints captures.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mdm_deflate.h"
#include "mdm_message.h"
#include "mdm_unit_api.h"


static char  trace[64];


static mdm_exchange_t *
exchange(mdm_step_pt step)
{
    mdm_exchange_t         *x;
    static mdm_settings_t   settings;

    settings = mdm_unit_api_settings();

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_API;
    x->step = step;
    trace[0] = '\0';

    return x;
}


static void
mark(const char *name, mdm_exchange_t *x)
{
    size_t  n;

    n = strlen(trace);

    assert_true(n + 3 < sizeof(trace));

    trace[n] = name[0];
    trace[n + 1] = (char) ('0' + x->state);
    trace[n + 2] = '\0';
}


static mdm_int_t
call(mdm_exchange_t *x, mdm_int_t state)
{
    mdm_str_t  key;

    mdm_str_set(&key, "mdm:{default/0}");

    assert_int_equal(mdm_exchange_calls(x, 1, state), MDM_CALL);
    assert_non_null(mdm_exchange_call(x, 0, &mdm_script_idle, &key, 0));

    return MDM_CALL;
}


/* runs it as a runner does whose calls all are answered nothing */

static void
run(mdm_exchange_t *x)
{
    mdm_uint_t  i;

    while (mdm_exchange_run(x) == MDM_CALL) {
        for (i = 0; i < x->ncalls; i++) {
            x->calls[i].rc = MDM_CALL_OK;
        }
    }
}


/* c: calls, then ends; b: enters c in between two calls; a: enters b */

static mdm_int_t
step_c(mdm_exchange_t *x)
{
    mark("c", x);

    assert_string_equal(x->ctx, "of c");

    return (x->state == 0) ? call(x, 1) : mdm_exchange_leave(x);
}


static mdm_int_t
step_b(mdm_exchange_t *x)
{
    mark("b", x);

    assert_string_equal(x->ctx, "of b");

    switch (x->state) {

    case 0:
        return call(x, 1);

    case 1:
        return mdm_exchange_enter(x, step_c, "of c", 2);

    case 2:
        return call(x, 3);

    default:
        return mdm_exchange_leave(x);
    }
}


static mdm_int_t
step_a(mdm_exchange_t *x)
{
    mark("a", x);

    assert_string_equal(x->ctx, "of a");

    if (x->state == 0) {
        return mdm_exchange_enter(x, step_b, "of b", 5);
    }

    return mdm_exchange_empty(x, 204);
}


static void
test_enter(void **state)
{
    mdm_exchange_t  *x;

    (void) state;

    x = exchange(step_a);
    x->ctx = "of a";

    run(x);

    assert_string_equal(trace, "a0b0b1c0c1b2b3a5");
    assert_int_equal(x->status, 204);
    assert_null(x->frames);

    mdm_arena_destroy(x->arena);
}


/* who is entered may answer for all */

static mdm_int_t
step_refuse(mdm_exchange_t *x)
{
    mark("r", x);

    return (x->state == 0) ? call(x, 1)
                           : mdm_exchange_refuse(x, 409, "it will not do");
}


static mdm_int_t
step_outer(mdm_exchange_t *x)
{
    mark("o", x);

    return mdm_exchange_enter(x, step_refuse, NULL, 1);
}


static mdm_int_t
step_behind(mdm_exchange_t *x)
{
    mark("z", x);

    if (x->state == 0) {
        assert_int_equal(x->status, 409);
        return call(x, 1);
    }

    return mdm_exchange_leave(x);
}


static mdm_int_t
step_behind_fails(mdm_exchange_t *x)
{
    mark("f", x);

    return MDM_ERROR;
}


static void
test_behind(void **state)
{
    mdm_exchange_t  *x;

    (void) state;

    x = exchange(step_outer);

    run(x);

    assert_string_equal(trace, "o0r0r1");
    assert_int_equal(x->status, 409);

    mdm_arena_destroy(x->arena);

    /* behind the response, and once */

    x = exchange(step_outer);
    x->behind = step_behind;

    run(x);

    assert_string_equal(trace, "o0r0r1z0z1");
    assert_int_equal(x->status, 409);

    mdm_arena_destroy(x->arena);

    /* how it ends changes nothing */

    x = exchange(step_outer);
    x->behind = step_behind_fails;

    run(x);

    assert_string_equal(trace, "o0r0r1f0");
    assert_int_equal(x->status, 409);
    assert_int_equal(x->failure, MDM_FAILURE_NONE);

    mdm_arena_destroy(x->arena);
}


static mdm_int_t
step_memory(mdm_exchange_t *x)
{
    return (mdm_arena_alloc(x->arena, SIZE_MAX) == NULL) ? MDM_ERROR
                                                         : MDM_DONE;
}


static mdm_int_t
step_library(mdm_exchange_t *x)
{
    mdm_str_t  broken, s;

    mdm_str_set(&broken, "this is not compressed");

    return mdm_inflate(x->arena, &broken, &s);
}


static mdm_int_t
step_unknown(mdm_exchange_t *x)
{
    (void) x;

    return MDM_ERROR;
}


static mdm_int_t
step_code(mdm_exchange_t *x)
{
    return (x->state == 0) ? call(x, 1) : mdm_message_refused(x, -99);
}


static mdm_int_t
step_script(mdm_exchange_t *x)
{
    return call(x, 1);
}


/* no memory, a library, a script: each has its own words */

static void
test_failure(void **state)
{
    size_t           i;
    mdm_exchange_t  *x;

    static const struct {
        mdm_step_pt     step;
        mdm_call_e      rc;
        mdm_failure_e   failure;
        const char     *error;

    } causes[] = {
        { step_memory, MDM_CALL_OK, MDM_FAILURE_MEMORY, "out of memory" },
        { step_library, MDM_CALL_OK, MDM_FAILURE_LIBRARY,
          "a library failed: inflate()" },
        { step_unknown, MDM_CALL_OK, MDM_FAILURE_LIBRARY,
          "a library failed" },
        { step_code, MDM_CALL_OK, MDM_FAILURE_SCRIPT,
          "the script \"idle\" answered what it never does" },
        { step_script, MDM_CALL_FAILED, MDM_FAILURE_SCRIPT,
          "the script \"idle\" failed" }
    };

    (void) state;

    for (i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        x = exchange(causes[i].step);

        if (mdm_exchange_run(x) == MDM_CALL) {
            x->calls[0].rc = causes[i].rc;
            assert_int_equal(mdm_exchange_run(x), MDM_DONE);
        }

        assert_int_equal(x->status, 500);
        assert_int_equal(x->failure, causes[i].failure);
        assert_true(mdm_str_is(&x->error, causes[i].error));

        mdm_arena_destroy(x->arena);
    }

    /* that Redis is away is no failure */

    x = exchange(step_script);

    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    x->calls[0].rc = MDM_CALL_UNAVAILABLE;
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);

    assert_int_equal(x->status, 503);
    assert_int_equal(x->failure, MDM_FAILURE_NONE);

    mdm_arena_destroy(x->arena);
}


static void
test_param(void **state)
{
    size_t           i;
    mdm_settings_t   settings;
    mdm_exchange_t  *x;

    static const struct {
        const char  *path;
        const char  *param[MDM_PARAMS];

    } paths[] = {
        { "/v1/queue/A", { "A", "" } },
        { "/v1/queue/A/B", { "A", "B" } },
        { "/v1/queue/a%2Fb/%00", { "a%2Fb", "%00" } },
        { "/v1/queue/A,B%2C", { "A,B%2C", "" } },
        { "/v1/enrollments", { "", "" } },
        { "/v1/queue/", { "", "" } },
        { "/v1/queue//B", { "", "" } },
        { "/v1/queue/A/B/C", { "", "" } }
    };

    (void) state;

    settings = mdm_unit_api_settings();

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        x = mdm_unit_api_request(&settings, MDM_GET, paths[i].path, NULL, "",
                                 0);

        assert_true(mdm_str_is(&x->param[0], paths[i].param[0]));
        assert_true(mdm_str_is(&x->param[1], paths[i].param[1]));

        mdm_arena_destroy(x->arena);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_enter),
        cmocka_unit_test(test_behind),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_param),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
