
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a status report takes away, where a script is not to look for it.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_ddm_replace.h"


static mdm_limits_t  limits = { MDM_PLIST_DEPTH, MDM_PLIST_NODES };


static mdm_uint_t
takes(const char *json, const char *place)
{
    mdm_str_t           s, p;
    mdm_uint_t          rc;
    const char         *why;
    mdm_arena_t        *arena;
    mdm_ddm_report_t    report;
    mdm_ddm_replace_t  *r;

    arena = mdm_arena_create(1024);
    assert_non_null(arena);

    s.data = (u_char *) (uintptr_t) json;
    s.len = strlen(json);

    assert_int_equal(mdm_ddm_report_read(arena, &s, &limits, 10, &report,
                                         &why), MDM_OK);

    r = mdm_ddm_replace_create(arena, &report);
    assert_non_null(r);

    p.data = (u_char *) (uintptr_t) place;
    p.len = strlen(place);

    rc = mdm_ddm_replace_takes(r, &p);

    mdm_arena_destroy(arena);

    return rc;
}


static const struct {
    const char  *items;
    const char  *place;
    mdm_uint_t   part;     /* taken away by a report */
    mdm_uint_t   full;     /* by a full one */
} cases[] = {
    { "{}", "a", 0, 1 },
    { "{\"a\":1}", "a", 0, 0 },
    { "{\"a\":1}", "ab", 0, 1 },
    { "{\"a\":1}", "a.b", 1, 1 },
    { "{\"a\":1}", "a.b.c", 1, 1 },
    { "{\"a\":1}", "a\37x", 1, 1 },
    { "{\"a\":1}", "a\37", 1, 1 },
    { "{\"a\":1}", "a.b\37x", 1, 1 },
    { "{\"a\":1,\"a-b\":1,\"a0\":1}", "a.b", 1, 1 },
    { "{\"a\":{\"b\":1},\"a-b\":1,\"a/b\":1}", "a", 1, 1 },
    { "{\"a\":{\"b\":{\"c\":1}}}", "a", 1, 1 },
    { "{\"a\":{\"b\":{\"c\":1}}}", "a.b", 1, 1 },
    { "{\"a\":{\"b\":{\"c\":1}}}", "a\37", 1, 1 },
    { "{\"a\":{\"b\":{\"c\":1}}}", "a.c", 0, 1 },
    { "{\"a\":{\"b\":{\"c\":1}}}", "a.bc", 0, 1 },
    { "{\"a\":{\"bc\":1}}", "a.b", 0, 1 },

    /* arrays */

    { "{\"a\":[{\"identifier\":\"x\"}]}", "a\37", 0, 0 },
    { "{\"a\":[{\"identifier\":\"x\"}]}", "a\37x", 0, 0 },
    { "{\"a\":[{\"identifier\":\"x\"}]}", "a\37y", 0, 1 },
    { "{\"a\":[{\"identifier\":\"x\"}]}", "a", 1, 1 },
    { "{\"a\":[{\"identifier\":\"x\"}]}", "a.b", 1, 1 },
    { "{\"a\":[{\"identifier\":\"x\",\"_removed\":true}]}", "a\37y", 0, 1 },
    { "{\"a\":[]}", "a\37y", 0, 1 },
    { "{\"a\":[]}", "a", 0, 0 },
    { "{\"a\":[]}", "a.b", 1, 1 },
    { "{\"a\":[{\"n\":1}]}", "a\37y", 0, 1 },

    /* what a full one need not speak of */

    { "{\"a\":1}", "management.declarations.assets", 0, 0 },
    { "{\"a\":1}", "management.client-capabilities", 0, 0 },
    { "{\"management\":{\"declarations\":{\"activations\":[]}}}",
      "management.declarations.assets", 0, 1 },
    { "{\"management\":{\"declarations\":{\"activations\":[]}}}",
      "management.client-capabilities", 0, 0 },
    { "{\"management\":{\"client-capabilities\":{}}}",
      "management.client-capabilities", 0, 0 },
    { "{\"management\":{\"client-capabilities\":{}}}",
      "management.declarations.assets", 0, 0 }
};


static void
test_takes(void **state)
{
    size_t  i;
    char    json[256];

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        (void) snprintf(json, sizeof(json), "{\"StatusItems\":%s}",
                        cases[i].items);

        if (takes(json, cases[i].place) != cases[i].part) {
            fail_msg("%s: \"%s\"", json, cases[i].place);
        }

        (void) snprintf(json, sizeof(json), "{\"StatusItems\":%s,"
                        "\"FullReport\":true}", cases[i].items);

        if (takes(json, cases[i].place) != cases[i].full) {
            fail_msg("%s: \"%s\"", json, cases[i].place);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_takes)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
