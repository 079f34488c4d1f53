
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Which call of the API a request is: ids in the path, and in the query, where
 * nginx would make another path of them.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_api.h"
#include "mdm_endpoint.h"
#include "mdm_unit_api.h"


static mdm_settings_t  settings;


/* "call" is the pattern that is found, or the error that is answered */

static void
check(mdm_uint_t method, const char *uri, const char *call,
    const char *identifier, const char *uuid)
{
    mdm_exchange_t  *x;

    x = mdm_unit_api_request(&settings, method, uri, NULL, "", 0);

    if (call[0] != '/') {
        assert_null(x->endpoint);
        assert_int_equal(mdm_exchange_run(x), MDM_DONE);
        assert_string_equal(mdm_unit_api_text(x, "error"), call);

    } else {

        if (x->endpoint == NULL || !mdm_str_is(&x->endpoint->name, call)) {
            fail_msg("%s: not found to be %s: %.*s", uri, call,
                     mdm_fmt(&x->response));
        }

        assert_true(mdm_str_is(&x->param[0], identifier));
        assert_true(mdm_str_is(&x->param[1], uuid));
    }

    mdm_arena_destroy(x->arena);
}


static void
test_path(void **state)
{
    (void) state;

    check(MDM_GET, "/v1/queue/A", "/v1/queue/*", "A", "");
    check(MDM_GET, "/v1/queue/A/B", "/v1/queue/*/*", "A", "B");
    check(MDM_DELETE, "/v1/enrollments/%2F/certificate",
          "/v1/enrollments/*/certificate", "%2F", "");
    check(MDM_GET, "/v1/declarations", "/v1/declarations", "", "");
    check(MDM_GET, "/v1/declarations?limit=1", "/v1/declarations", "", "");
    check(MDM_GET, "/v1/declarations/", "there is no such API call", "", "");
    check(MDM_GET, "/v1/queue", "there is no such API call", "", "");
    check(MDM_POST, "/v1/queue/A", "the method is not allowed here", "", "");
}


static void
test_query(void **state)
{
    (void) state;

    check(MDM_GET, "/v1/queue?identifier=A", "/v1/queue/*", "A", "");
    check(MDM_GET, "/v1/queue?a=b&identifier=%2Fa&c", "/v1/queue/*", "%2Fa",
          "");
    check(MDM_PUT, "/v1/enqueue?identifier=A,B", "/v1/enqueue/*", "A,B", "");
    check(MDM_GET, "/v1/queue?uuid=..&identifier=.", "/v1/queue/*/*", ".",
          "..");
    check(MDM_DELETE, "/v1/queue/A?uuid=a%2F%2Fb", "/v1/queue/*/*", "A",
          "a%2F%2Fb");
    check(MDM_DELETE, "/v1/queue?identifier=A", "/v1/queue/*", "A", "");

    /* what has a call of its own without it */

    check(MDM_GET, "/v1/declarations?identifier=..", "/v1/declarations/*",
          "..", "");
    check(MDM_GET, "/v1/enrollments?identifier=A", "/v1/enrollments/*", "A",
          "");
    check(MDM_POST, "/v1/enrollments/secrets/release?identifier=A",
          "/v1/enrollments/*/secrets/release", "A", "");
    check(MDM_POST, "/v1/enrollments/secrets/release",
          "/v1/enrollments/secrets/release", "", "");

    /* in the middle */

    check(MDM_POST, "/v1/declarations/touch?identifier=A",
          "/v1/declarations/*/touch", "A", "");
    check(MDM_GET, "/v1/declarations/touch", "/v1/declarations/*", "touch",
          "");
    check(MDM_DELETE, "/v1/enrollments/certificate?identifier=A",
          "/v1/enrollments/*/certificate", "A", "");
    check(MDM_DELETE, "/v1/enrollment-sets-all?identifier=A",
          "/v1/enrollment-sets-all/*", "A", "");
    check(MDM_DELETE, "/v1/enrollment-sets-all/sets?identifier=A",
          "/v1/enrollment-sets-all/sets/*", "A", "");
}


/* what is said in two ways, or not understood, must not touch another one */

static void
test_refused(void **state)
{
    (void) state;

    check(MDM_DELETE, "/v1/queue/A?identifier=B",
          "the argument \"identifier\" has no use in this call", "", "");
    check(MDM_DELETE, "/v1/queue/A/B?uuid=C",
          "the argument \"uuid\" has no use in this call", "", "");
    check(MDM_DELETE, "/v1/queue/A?identifier=B&uuid=C",
          "the argument \"identifier\" has no use in this call", "", "");
    check(MDM_DELETE, "/v1/queue?uuid=A", "there is no such API call", "",
          "");
    check(MDM_DELETE, "/v1/queue?identifier=A&identifier=B",
          "the argument \"identifier\" is given twice", "", "");
    check(MDM_DELETE, "/v1/queue?identifier=A&uuid=B&uuid=B",
          "the argument \"uuid\" is given twice", "", "");
    check(MDM_DELETE, "/v1/queue?identifier=",
          "the argument \"identifier\" is empty", "", "");
    check(MDM_DELETE, "/v1/queue?identifier&uuid=A",
          "the argument \"identifier\" is empty", "", "");
    check(MDM_DELETE, "/v1/queue?identifier=A&uuid=",
          "the argument \"uuid\" is empty", "", "");
    check(MDM_POST, "/v1/enrollments/secrets/release?identifier=A&uuid=B",
          "the argument \"identifier\" has no use in this call", "", "");
    check(MDM_PUT, "/v1/declarations?identifier=A",
          "the argument \"identifier\" has no use in this call", "", "");
    check(MDM_POST, "/v1/queue?identifier=A",
          "the method is not allowed here", "", "");
    check(MDM_GET, "/v1/queue?Identifier=A", "there is no such API call", "",
          "");
    check(MDM_GET, "/v1/queue?identifiers=A", "there is no such API call",
          "", "");
}


/* each call that takes an id in its path can be asked for without one there */

static void
test_all(void **state)
{
    char                   uri[256];
    size_t                 i, n, stars, all;
    mdm_uint_t             method;
    const mdm_endpoint_t  *ep;

    (void) state;

    all = 0;

    for (ep = mdm_api_endpoints; ep->step != NULL; ep++) {

        stars = 0;
        n = 0;

        for (i = 0; i < ep->name.len; i++) {
            uri[n++] = (char) ep->name.data[i];

            if (ep->name.data[i] == '*') {
                stars++;
                n -= 2;
            }
        }

        uri[n] = '\0';

        if (stars == 0) {
            continue;
        }

        assert_true(stars <= 2 && n < 200);

        strcat(uri, (stars == 1) ? "?identifier=%2Fa"
                                 : "?identifier=%2Fa&uuid=..");

        for (method = MDM_GET; method <= MDM_DELETE; method <<= 1) {
            if (ep->methods & method) {
                check(method, uri, (char *) ep->name.data, "%2Fa",
                      (stars == 2) ? ".." : "");
                all++;
            }
        }
    }

    assert_true(all > 30);
}


static int
setup(void **state)
{
    (void) state;

    settings = mdm_unit_api_settings();

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_path, setup),
        cmocka_unit_test_setup(test_query, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_all, setup)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
