
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/checkin/mdm_checkin_ddm.c, with replies made up.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_endpoint.h"


#define REPLY_MAX  8


static mdm_store_settings_t  store_settings = {
    .partitions = 1
};

static mdm_settings_t   settings = {
    .store = &store_settings,
    .plist_depth = 32,
    .plist_nodes = 1000
};

static mdm_exchange_t  *x;
static mdm_cache_t     *cache;
static char             plist[1024];


#define str_is(s, text)                                                       \
    assert_int_equal((s)->len, strlen(text));                                 \
    assert_memory_equal((s)->data, text, strlen(text))


static mdm_int_t
ask(const char *endpoint)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    (void) snprintf(plist, sizeof(plist), "<plist version=\"1.0\"><dict>"
                    "<key>MessageType</key>"
                    "<string>DeclarativeManagement</string>"
                    "<key>UDID</key><string>U</string>%s</dict></plist>",
                    endpoint);

    x->kind = MDM_KIND_CHECKIN;
    x->method = MDM_PUT;
    x->cache = cache;
    x->body.data = (u_char *) plist;
    x->body.len = strlen(plist);
    mdm_str_set(&x->tenant, "t");

    x->identity.source = MDM_IDENTITY_TLS;
    mdm_str_set(&x->identity.digest, "0123456789abcdef0123456789abcdef");

    mdm_endpoint_find(x);

    return mdm_exchange_run(x);
}


#define ask_for(name)                                                         \
    ask("<key>Endpoint</key><string>" name "</string>")


/* the reply of call 0: a code, then strings; NULL ends it */

static mdm_int_t
answer(int64_t code, ...)
{
    va_list             args;
    const char         *s;
    mdm_str_t           copy;
    mdm_reply_t        *reply, *all, **elements;

    reply = mdm_arena_zalloc(x->arena, sizeof(mdm_reply_t));
    all = mdm_arena_zalloc(x->arena, REPLY_MAX * sizeof(mdm_reply_t));
    elements = mdm_arena_zalloc(x->arena, REPLY_MAX * sizeof(mdm_reply_t *));
    assert_true(reply != NULL && all != NULL && elements != NULL);

    reply->type = MDM_REPLY_ARRAY;
    reply->elements = elements;
    reply->nelements = 1;

    elements[0] = &all[0];
    all[0].type = MDM_REPLY_INTEGER;
    all[0].integer = code;

    va_start(args, code);

    while ((s = va_arg(args, const char *)) != NULL) {
        copy.data = (u_char *) s;
        copy.len = strlen(s);

        elements[reply->nelements] = &all[reply->nelements];
        all[reply->nelements].type = MDM_REPLY_STRING;
        all[reply->nelements].str = copy;
        reply->nelements++;
    }

    va_end(args);

    /* the last of ddm_get is a number */

    if (x->calls[0].script == &mdm_script_ddm_get && reply->nelements == 6) {
        all[5].type = MDM_REPLY_INTEGER;
        all[5].integer = all[5].str.data[0] - '0';
    }

    x->calls[0].rc = MDM_CALL_OK;
    x->calls[0].reply = reply;

    return mdm_exchange_run(x);
}


static int
setup(void **state)
{
    (void) state;

    cache = mdm_cache_create(65536);

    return cache == NULL;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_arena_destroy(x->arena);
    x = NULL;

    mdm_cache_destroy(cache);
    cache = NULL;

    return 0;
}


static void
test_refused(void **state)
{
    (void) state;

    assert_int_equal(ask(""), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_int_equal(ask("<key>Endpoint</key><true/>"), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_int_equal(ask_for("other"), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_int_equal(ask_for("declaration/"), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_int_equal(ask_for("declaration/asset"), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_int_equal(ask_for("declaration/assets/x"), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_int_equal(ask_for("tokens/"), MDM_DONE);
    assert_int_equal(x->status, 400);

    assert_int_equal(ask_for("tokens"), MDM_CALL);
    assert_int_equal(answer(-2, NULL), MDM_DONE);
    assert_int_equal(x->status, 403);
    assert_int_equal(ask_for("declaration-items"), MDM_CALL);
    assert_int_equal(answer(-1, NULL), MDM_DONE);
    assert_int_equal(x->status, 403);
    assert_int_equal(ask_for("declaration/asset/x"), MDM_CALL);
    assert_int_equal(answer(-2, NULL), MDM_DONE);
    assert_int_equal(x->status, 403);
}


static void
test_lists(void **state)
{
    static char  large[40000];

    (void) state;

    assert_int_equal(ask_for("tokens"), MDM_CALL);
    assert_ptr_equal(x->calls[0].script, &mdm_script_ddm_tokens);
    str_is(&x->calls[0].key, "mdm:{t/0}");
    assert_int_equal(answer(0, "abc", "1700000000", NULL), MDM_DONE);
    assert_int_equal(x->status, 200);
    str_is(&x->response_type, "application/json");
    str_is(&x->response, "{\"SyncTokens\":{\"DeclarationsToken\":\"abc\","
                         "\"Timestamp\":\"2023-11-14T22:13:20Z\"}}");

    assert_int_equal(ask_for("declaration-items"), MDM_CALL);
    assert_int_equal(answer(0, "", "", "T", "", "{}", NULL), MDM_DONE);
    assert_int_equal(x->status, 200);
    str_is(&x->response, "{}");

    /* in pieces; one that goes on brings something */

    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';

    assert_int_equal(ask_for("declaration-items"), MDM_CALL);
    assert_int_equal(answer(0, "", "", "T", "3", large, "y", NULL), MDM_CALL);
    assert_ptr_equal(x->calls[0].script, &mdm_script_ddm_items);
    str_is(&x->calls[0].args[MDM_ARG_DDM_ITEMS_TOKEN], "T");
    str_is(&x->calls[0].args[MDM_ARG_DDM_ITEMS_FROM], "3");
    assert_int_equal(answer(0, "", "", "T", "", "z", NULL), MDM_DONE);
    assert_int_equal(x->status, 200);
    assert_int_equal(x->response.len, sizeof(large) + 1);
    assert_memory_equal(x->response.data + sizeof(large) - 2, "xyz", 3);

    assert_int_equal(ask_for("declaration-items"), MDM_CALL);
    assert_int_equal(answer(0, "", "", "T", "3", "y", NULL), MDM_DONE);
    assert_int_equal(x->status, 500);

    assert_int_equal(ask_for("declaration-items"), MDM_CALL);
    assert_int_equal(answer(0, "", "", "", "", NULL), MDM_DONE);
    str_is(&x->response, "{\"Declarations\":{\"Activations\":[],"
           "\"Assets\":[],\"Configurations\":[],\"Management\":[]},"
           "\"DeclarationsToken\":"
           "\"da39a3ee5e6b4b0d3255bfef95601890afd80709\"}");

    /* a hand in the keys: not "{}", the device would drop all */

    assert_int_equal(ask_for("declaration-items"), MDM_CALL);
    assert_int_equal(answer(-5, NULL), MDM_DONE);
    assert_int_equal(x->status, 503);
    assert_non_null(x->log);
}


static void
test_declaration(void **state)
{
    mdm_uint_t  i;

    (void) state;

    /* the identifier is all behind the kind; what may be an encoding of
       another one goes along */

    assert_int_equal(ask_for("declaration/asset/a/b%20c"), MDM_CALL);
    assert_ptr_equal(x->calls[0].script, &mdm_script_ddm_get);
    str_is(&x->calls[0].args[MDM_ARG_DDM_GET_KEY], "asset/a%2Fb%2520c");
    str_is(&x->calls[0].args[MDM_ARG_DDM_GET_OTHER], "asset/a%2Fb%20c");
    assert_int_equal(answer(404, NULL), MDM_DONE);
    assert_int_equal(x->status, 404);

    assert_int_equal(ask_for("declaration/asset/a%2"), MDM_CALL);
    str_is(&x->calls[0].args[MDM_ARG_DDM_GET_KEY], "asset/a%252");
    assert_int_equal(x->calls[0].args[MDM_ARG_DDM_GET_OTHER].len, 0);
    assert_int_equal(answer(404, NULL), MDM_DONE);

    /* from the master copy, then from the cache */

    for (i = 0; i < 2; i++) {
        assert_int_equal(ask_for("declaration/asset/x%2Fy"), MDM_CALL);
        assert_int_equal(answer(0, "S", "T", "{\"v\":\"\\\"1\"}", "", "1",
                                NULL),
                         i == 0 ? MDM_CALL : MDM_DONE);

        if (i == 0) {
            assert_ptr_equal(x->calls[0].script, &mdm_script_ddm_body);
            str_is(&x->calls[0].key, "mdm:{t/ddm}");
            str_is(&x->calls[0].args[MDM_ARG_DDM_BODY_ID], "x%2Fy");
            str_is(&x->calls[0].args[MDM_ARG_DDM_BODY_TOKEN], "T");

            assert_int_equal(answer(1, "type", "{\"A\":\"${v}\"}", NULL),
                             MDM_DONE);
        }

        assert_int_equal(x->status, 200);
        str_is(&x->response, "{\"Type\":\"type\",\"Identifier\":\"x/y\","
                             "\"ServerToken\":\"S\",\"Payload\":"
                             "{\"A\":\"\\\"1\"}}");
    }

    /* the same declaration, as it is now, and of another name */

    assert_int_equal(ask_for("declaration/asset/x%2Fy"), MDM_CALL);
    assert_int_equal(answer(0, "S", "T2", "", "", "1", NULL), MDM_CALL);
    assert_int_equal(ask_for("declaration/asset/x"), MDM_CALL);
    assert_int_equal(answer(0, "S", "T", "", "", "0", NULL), MDM_CALL);

    /* it is listed: that it cannot be found is no 404 */

    assert_int_equal(answer(0, NULL), MDM_DONE);
    assert_int_equal(x->status, 503);
    assert_non_null(x->log);

    /* variables that cannot be read */

    assert_int_equal(ask_for("declaration/asset/x%2Fy"), MDM_CALL);
    assert_int_equal(answer(0, "S", "T", "[", "", "1", NULL), MDM_DONE);
    assert_int_equal(x->status, 503);
}


static void
test_own(void **state)
{
    (void) state;

    assert_int_equal(ask_for("declaration/configuration/"
                             "ngx_mdm.status-subscriptions"), MDM_CALL);
    assert_int_equal(answer(0, "S", "-", "", "[\"a\"]", "0", NULL), MDM_DONE);
    assert_int_equal(x->status, 200);
    assert_non_null(strstr((char *) x->response.data,
                           "{\"StatusItems\":[{\"Name\":\"a\"}]}"));
}


static void
test_no_cache(void **state)
{
    mdm_uint_t  i;

    (void) state;

    mdm_cache_destroy(cache);
    cache = NULL;

    for (i = 0; i < 2; i++) {
        assert_int_equal(ask_for("declaration/management/x"), MDM_CALL);
        assert_int_equal(answer(0, "S", "T", "", "", "0", NULL), MDM_CALL);
        assert_int_equal(answer(1, "type", "{}", NULL), MDM_DONE);
        assert_int_equal(x->status, 200);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_declaration, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_cache, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
