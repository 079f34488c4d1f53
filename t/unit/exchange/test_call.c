
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Calls of scripts: how many arguments they get, and who is behind them; calls
 * of other servers; and the reader of replies.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mdm_exchange.h"


static mdm_settings_t   settings = { .event_limit = 1000 };
static mdm_exchange_t  *x;
static mdm_str_t        key = mdm_string("mdm:{default/0}");


static int
setup(void **state)
{
    (void) state;

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    mdm_str_set(&x->remote_user, "adm\xffin");
    mdm_str_set(&x->remote_addr, "192.0.2.1");

    assert_int_equal(mdm_exchange_calls(x, 1, 1), MDM_CALL);

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_arena_destroy(x->arena);

    return 0;
}


static void
test_count(void **state)
{
    (void) state;

    assert_non_null(mdm_exchange_call(x, 0, &mdm_script_claim_get, &key, 0));
    assert_int_equal(x->calls[0].nargs, 0);

    assert_non_null(mdm_exchange_call(x, 0, &mdm_script_auth, &key, 0));
    assert_int_equal(x->calls[0].nargs, MDM_NARGS_AUTH);

    assert_null(mdm_exchange_call(x, 0, &mdm_script_auth, &key, 1));

    /* one that may be absent */

    assert_non_null(mdm_exchange_call(x, 0, &mdm_script_idle, &key, 0));
    assert_int_equal(x->calls[0].nargs, MDM_ARG_IDLE_CONSOLE);
    assert_non_null(mdm_exchange_call(x, 0, &mdm_script_idle, &key, 1));
    assert_int_equal(x->calls[0].nargs, MDM_ARG_IDLE_CONSOLE + 1);
    assert_null(mdm_exchange_call(x, 0, &mdm_script_idle, &key, 2));

    /* and a list at the end */

    assert_non_null(mdm_exchange_call(x, 0, &mdm_script_enqueue, &key, 500));
    assert_int_equal(x->calls[0].nargs, MDM_ARG_ENQUEUE_IDS + 500);
    assert_int_equal(mdm_script_enqueue.most, MDM_SCRIPT_ANY);
}


static void
test_api(void **state)
{
    mdm_str_t  *args;

    (void) state;

    x->kind = MDM_KIND_API;

    args = mdm_exchange_call(x, 0, &mdm_script_pin_reset, &key, 0);
    assert_non_null(args);

    assert_true(mdm_str_is(&args[MDM_ARG_PIN_RESET_WHO], "adm%FFin"));
    assert_true(mdm_str_is(&args[MDM_ARG_PIN_RESET_ADDRESS], "192.0.2.1"));
    assert_true(mdm_str_is(&args[MDM_ARG_PIN_RESET_LIMIT], "1000"));
    assert_int_equal(args[MDM_ARG_PIN_RESET_DEVICE].len, 0);
}


/* a device's event names the device */

static void
test_device(void **state)
{
    mdm_str_t  *args;

    (void) state;

    x->kind = MDM_KIND_CONNECT;

    args = mdm_exchange_call(x, 0, &mdm_script_report, &key, 0);
    assert_non_null(args);

    assert_int_equal(args[MDM_ARG_REPORT_WHO].len, 0);
    assert_int_equal(args[MDM_ARG_REPORT_ADDRESS].len, 0);
    assert_true(mdm_str_is(&args[MDM_ARG_REPORT_LIMIT], "1000"));

    /* a poll writes no event */

    args = mdm_exchange_call(x, 0, &mdm_script_idle, &key, 0);
    assert_non_null(args);
    assert_int_equal(mdm_script_idle.events, 0);
    assert_int_equal(args[MDM_ARG_IDLE_ID].len, 0);
}


static void
test_places(void **state)
{
    mdm_uint_t  i;

    (void) state;

    assert_int_equal((int) MDM_ARG_AUDIT_WHO, (int) MDM_ARG_WHO);
    assert_int_equal((int) MDM_ARG_ENQUEUE_ADDRESS, (int) MDM_ARG_ADDRESS);
    assert_int_equal((int) MDM_ARG_REPORT_LIMIT, (int) MDM_ARG_LIMIT);
    assert_int_equal((int) MDM_ARG_REPORT_ID, (int) MDM_NARGS_EVENT);

    for (i = 0; i < mdm_nscripts; i++) {

        if (mdm_scripts[i]->events) {
            assert_true(mdm_scripts[i]->nargs >= MDM_NARGS_EVENT);
            assert_true(mdm_scripts[i]->write);
        }

        assert_int_equal(mdm_scripts[i]->events,
                         strstr((char *) mdm_scripts[i]->body.data,
                                "local function event(") != NULL);
    }
}


static void
test_reply(void **state)
{
    mdm_str_t     s;
    mdm_reply_t   i, t, reply;
    mdm_reply_t  *elements[2] = { &i, &t };

    (void) state;

    memset(&i, 0, sizeof(i));
    memset(&t, 0, sizeof(t));
    memset(&reply, 0, sizeof(reply));

    i.type = MDM_REPLY_INTEGER;
    i.integer = -5;
    t.type = MDM_REPLY_STRING;
    mdm_str_set(&t.str, "text");
    reply.type = MDM_REPLY_ARRAY;
    reply.nelements = 2;
    reply.elements = elements;

    assert_int_equal(mdm_reply_size(&reply), 2);
    assert_int_equal(mdm_reply_code(&reply, 0), -5);
    assert_int_equal(mdm_reply_int(&reply, 1, 9), 9);
    assert_int_equal(mdm_reply_int(&reply, 2, 9), 9);
    assert_int_equal(mdm_reply_count(&reply, 0, 9), 0);

    s = mdm_reply_str(&reply, 1);
    assert_true(mdm_str_is(&s, "text"));
    assert_int_equal(mdm_reply_str(&reply, 0).len, 0);
    assert_null(mdm_reply_at(&reply, 2));

    assert_true(mdm_reply_row(&reply, 0, 2));
    assert_true(mdm_reply_row(&reply, 2, 0));
    assert_false(mdm_reply_row(&reply, 1, 2));
    assert_false(mdm_reply_row(&reply, 3, 0));
    assert_false(mdm_reply_row(&reply, 1, SIZE_MAX));
    assert_false(mdm_reply_row(&reply, SIZE_MAX, 2));

    /* no array, or none at all */

    assert_int_equal(mdm_reply_size(&i), 0);
    assert_int_equal(mdm_reply_code(&i, 3), 3);
    assert_null(mdm_reply_at(&t, 0));
    assert_int_equal(mdm_reply_size(NULL), 0);
    assert_int_equal(mdm_reply_code(NULL, 3), 3);
    assert_false(mdm_reply_row(NULL, 0, 1));
}


/* one whose answer there is no memory for is not known to have come */

static void
test_http(void **state)
{
    mdm_http_t  *http;

    (void) state;

    http = mdm_exchange_http(x, 0);
    assert_non_null(http);

    assert_int_equal(x->calls[0].kind, MDM_CALL_KIND_HTTP);
    assert_ptr_equal(x->calls[0].http, http);
    assert_null(http->client);
    assert_int_equal(http->outcome, MDM_HTTP_OFF);
    assert_int_equal(http->limit, 0);

    http->outcome = MDM_HTTP_ANSWERED;
    http->status = 200;
    http->retry_after = 5;
    mdm_str_set(&http->answer, "text");

    mdm_exchange_http_lost(&x->calls[0]);

    assert_int_equal(x->calls[0].rc, MDM_CALL_OK);
    assert_int_equal(http->outcome, MDM_HTTP_RESET);
    assert_int_equal(http->status, 0);
    assert_int_equal(http->retry_after, 0);
    assert_int_equal(http->answer.len, 0);
    assert_true(mdm_str_is(&http->reason, "no memory"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_api, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device, setup, teardown),
        cmocka_unit_test(test_places),
        cmocka_unit_test_setup_teardown(test_http, setup, teardown),
        cmocka_unit_test(test_reply)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
