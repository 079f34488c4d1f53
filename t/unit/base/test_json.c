
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/base/mdm_json.c: what a text costs, measured by an
 * allocator that counts, stays within 16 times its size and a megabyte, in all
 * of the ways into JSON; and texts that people send are read.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <malloc.h>

#include "mdm_json.h"
#include "mdm_unit_api.h"


#define SIZE   ((size_t) 1024 * 1024)
#define LIMIT  (16 * SIZE + 1024 * 1024)


static size_t  used, peak;


/* as the allocator rounds it, with its own header */

static void *
count_malloc(size_t size)
{
    void  *p;

    p = malloc(size);

    if (p != NULL) {
        used += malloc_usable_size(p) + 8;
        peak = (used > peak) ? used : peak;
    }

    return p;
}


static void
count_free(void *p)
{
    if (p != NULL) {
        used -= malloc_usable_size(p) + 8;
        free(p);
    }
}


static int
count_setup(void **state)
{
    (void) state;

    json_set_alloc_funcs(count_malloc, count_free);

    return 0;
}


/*
 * "before", "unit" as often as it fits, "after"; "%" in a unit is a number
 * that grows, in letters that make it short
 */

static mdm_str_t
shape(const char *before, const char *unit, const char *after, size_t size)
{
    char               *p, *last, digits[8];
    size_t              n, k, i;
    mdm_str_t           s;
    const char         *u;
    static const char   letters[] = "abcdefghijklmnopqrstuvwxyz"
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    s.data = malloc(size + 64);
    assert_non_null(s.data);

    p = (char *) s.data;
    last = p + size - strlen(after);

    p = stpcpy(p, before);

    for (n = 0; p < last; n++) {

        for (u = unit; *u != '\0'; u++) {

            if (*u != '%') {
                *p++ = *u;
                continue;
            }

            i = 0;
            k = n;

            do {
                digits[i++] = letters[k % 62];
                k /= 62;
            } while (k != 0);

            while (i != 0) {
                *p++ = digits[--i];
            }
        }
    }

    if (p[-1] == '\n') {
        p--;
    }

    if (p[-1] == ',') {
        p--;
    }

    p = stpcpy(p, after);

    s.len = (size_t) (p - (char *) s.data);

    return s;
}


static const struct {
    const char  *before;
    const char  *unit;
    const char  *after;
} shapes[] = {
    { "{\"filter\":{\"serials\":[", "{},", "]}}" },
    { "{\"filter\":{\"serials\":[", "[],", "]}}" },
    { "{\"filter\":{\"serials\":[", "\"\",", "]}}" },
    { "{\"filter\":{\"serials\":[", "\"a\",", "]}}" },
    { "{\"filter\":{\"serials\":[", "\"%\",", "]}}" },
    { "{\"filter\":{\"serials\":[", "1,", "]}}" },
    { "{\"filter\":{\"serials\":[", "-1e1,", "]}}" },
    { "{\"filter\":{\"serials\":[", "null,", "]}}" },
    { "{\"filter\":{\"serials\":[", "[[[[[]]]]],", "]}}" },
    { "{\"filter\":{\"serials\":[", "{\"a\":{\"a\":{}}},", "]}}" },
    { "{\"filter\":{\"serials\":[", "{\"\":0},", "]}}" },
    { "{", "\"%\":{},", "}" },
    { "{", "\"%\":[],", "}" },
    { "{", "\"%\":0,", "}" },
    { "{", "\"%\":\"\",", "}" },
    { "{", "\"%\":null,", "}" },
    { "[", "[", "" },
    { "{\"a\":", "{\"a\":", "" },
    { "{\"filter\":{\"serials\":[\"", "x", "\"]}}" },
    { "{\"filter\":{\"serials\":[\"", "\\u0001", "\"]}}" },
    { "{\"", "x", "\":1}" },
    { "[", " ", "]" },
    { "[", "[]", "]" },
    { "", "\"\"", "" },
    { "", "1 ", "" },
    { "{", "\"%\" ", "}" }
};


static void
test_json_memory(void **state)
{
    size_t              i, limit;
    json_t             *root;
    mdm_int_t           rc;
    mdm_str_t           s, error;
    mdm_arena_t        *arena;
    json_error_t        je;
    mdm_limits_t  limits;

    (void) state;

    limits.depth = (mdm_uint_t) -1;
    limits.nodes = (mdm_uint_t) -1;

    for (i = 0; i < 2 * sizeof(shapes) / sizeof(shapes[0]); i++) {
        s = shape(shapes[i / 2].before, shapes[i / 2].unit,
                  shapes[i / 2].after, SIZE);

        used = 0;
        peak = 0;
        limit = 16 * s.len + 1024 * 1024;

        arena = mdm_arena_create(1024);

        rc = (i % 2) ? mdm_json_load(arena, &s, &limits, &root, &error)
                     : mdm_json_read(arena, &s, JSON_DECODE_ANY, &root, &je);

        mdm_arena_destroy(arena);

        if (rc == MDM_ERROR || peak > limit) {
            fail_msg("%s%s…: %ld, %zu bytes for %zu", shapes[i / 2].before,
                     shapes[i / 2].unit, (long) rc, peak, s.len);
        }

        /* and it is given back */

        assert_int_equal(used, 0);

        free(s.data);
    }
}


/* each call that takes JSON, by the same */

static void
test_json_api(void **state)
{
    size_t           i, k;
    mdm_str_t        s;
    mdm_settings_t   settings;
    mdm_exchange_t  *x;

    static const struct {
        mdm_uint_t   method;
        const char  *uri;
    } calls[] = {
        { MDM_POST, "/v1/enrollments/query" },
        { MDM_POST, "/v1/status/query" },
        { MDM_PUT, "/v1/enrollment-variables/A" },
        { MDM_PUT, "/v1/status-subscriptions/A" },
        { MDM_PUT, "/v1/set-filters/A" },
        { MDM_PUT, "/v1/status-watchers/A" },
        { MDM_PUT, "/v1/declarations" },
        { MDM_POST, "/v1/enqueue/A" }
    };

    (void) state;

    settings = mdm_unit_api_settings();
    settings.plist_nodes = (mdm_uint_t) -1;

    for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        s = shape(shapes[i].before, shapes[i].unit, shapes[i].after, SIZE);

        for (k = 0; k < sizeof(calls) / sizeof(calls[0]); k++) {
            used = 0;
            peak = 0;

            x = mdm_unit_api_request(&settings, calls[k].method, calls[k].uri,
                                     "application/json", s.data, s.len);

            /* one long serial number is nobody's */

            if (mdm_exchange_run(x) == MDM_DONE && x->status != 200) {
                assert_int_equal(x->status, 400);
            }

            mdm_arena_destroy(x->arena);

            if (peak > LIMIT || used != 0) {
                fail_msg("%s: %s%s…: %zu bytes", calls[k].uri,
                         shapes[i].before, shapes[i].unit, peak);
            }
        }

        free(s.data);
    }
}


/* what people send costs less, at any size */

static void
test_json_plenty(void **state)
{
    size_t               i;
    json_t              *root;
    mdm_int_t            rc;
    mdm_str_t            s, error;
    mdm_arena_t         *arena;
    mdm_limits_t   limits;

    static const struct {
        const char  *before;
        const char  *unit;
        const char  *after;
    } well[] = {
        { "{\"filter\":{\"serials\":[", "\"C02X%\",", "]}}" },
        { "{\"filter\":{\"serials\":[", "\"F2LX%ABCDEF\",", "]}}" },
        { "{\"filter\":{\"ids\":[\"x\",",
          "\"00008030-001A2B3C4D5E%6F70\",", "]}}" },
        { "{", "\"some.variable.%\": \"a value of it\",\n", "}" },
        { "[", "{\"identifier\": \"com.example.%\", \"enabled\": true,"
               " \"priority\": 10, \"tags\": [\"one\", \"two\"]},\n", "]" }
    };

    (void) state;

    limits.depth = 32;
    limits.nodes = (mdm_uint_t) -1;

    for (i = 0; i < sizeof(well) / sizeof(well[0]); i++) {
        s = shape(well[i].before, well[i].unit, well[i].after, SIZE);

        used = 0;
        peak = 0;

        arena = mdm_arena_create(1024);
        rc = mdm_json_load(arena, &s, &limits, &root, &error);

        if (rc != MDM_OK || peak > LIMIT) {
            fail_msg("%s: %ld: %.*s: %zu", well[i].unit, (long) rc,
                     mdm_fmt(&error), peak);
        }

        mdm_arena_destroy(arena);
        free(s.data);
    }
}


/* a small text is never refused for what it costs */

static void
test_json_small(void **state)
{
    json_t              *root;
    mdm_str_t            s, error;
    mdm_arena_t         *arena;
    mdm_limits_t   limits;

    (void) state;

    limits.depth = 32;
    limits.nodes = 100000;

    s = shape("[", "{},", "]", 8192);
    arena = mdm_arena_create(1024);

    assert_int_equal(mdm_json_load(arena, &s, &limits, &root, &error),
                     MDM_OK);

    mdm_arena_destroy(arena);
    free(s.data);
}


static void
test_json_empty(void **state)
{
    size_t           i;
    mdm_settings_t   settings;
    mdm_exchange_t  *x;

    static const struct {
        mdm_uint_t   method;
        const char  *uri;
    } calls[] = {
        { MDM_POST, "/v1/status/query" },
        { MDM_PUT, "/v1/enrollment-variables/A" },
        { MDM_PUT, "/v1/status-subscriptions/A" },
        { MDM_PUT, "/v1/set-filters/A" },
        { MDM_PUT, "/v1/status-watchers/A" },
        { MDM_PUT, "/v1/declarations" },
        { MDM_PUT, "/migration" }
    };

    (void) state;

    settings = mdm_unit_api_settings();

    for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        x = mdm_unit_api_request(&settings, calls[i].method, calls[i].uri,
                                 "application/json", "", 0);

        assert_int_equal(mdm_exchange_run(x), MDM_DONE);
        assert_int_equal(x->status, 400);

        if (strncmp(mdm_unit_api_text(x, "error"), "the body is empty", 17)
            != 0)
        {
            fail_msg("%s: \"%s\"", calls[i].uri,
                     mdm_unit_api_text(x, "error"));
        }

        mdm_arena_destroy(x->arena);
    }
}


/* JSON that comes without its Content-Type is not "not a plist" */

static void
test_json_type(void **state)
{
    mdm_settings_t   settings;
    mdm_exchange_t  *x;

    static const char  body[] = " {\"RequestType\":\"DeviceLock\"}";

    (void) state;

    settings = mdm_unit_api_settings();

    x = mdm_unit_api_request(&settings, MDM_POST, "/v1/enqueue/A",
                             "application/x-www-form-urlencoded", body,
                             sizeof(body) - 1);

    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_string_equal(mdm_unit_api_text(x, "command_error"),
                        "the body looks like JSON, but its Content-Type is "
                        "not application/json");

    mdm_arena_destroy(x->arena);
}


/* names that administrators give hold no line ends */

static void
test_json_names(void **state)
{
    size_t           i;
    mdm_settings_t   settings;
    mdm_exchange_t  *x;

    static const struct {
        mdm_uint_t   method;
        const char  *uri;
        const char  *body;
        mdm_uint_t   refused;
    } calls[] = {
        { MDM_PUT, "/v1/set-declarations/a%0Ab?declaration=A", "", 1 },
        { MDM_PUT, "/v1/set-declarations/a?declaration=A%0D", "", 1 },
        { MDM_PUT, "/v1/set-filters/a%0D", "{\"tag\":[\"x\"]}", 1 },
        { MDM_PUT, "/v1/set-filters/a%C2%85b", "{\"tag\":[\"x\"]}", 1 },
        { MDM_PUT, "/v1/set-filters/a%7F", "{\"tag\":[\"x\"]}", 1 },
        { MDM_PUT, "/v1/status-watchers/a%1Bb",
          "{\"items\":[\"device.model.family\"]}", 1 },
        { MDM_PUT, "/v1/status-watchers/a",
          "{\"items\":[\"device.model.family\"],\"set\":\"a\\nb\"}", 1 },
        { MDM_PUT, "/v1/enrollment-sets/A?set=a%0Ab", "", 1 },
        { MDM_PUT, "/v1/enrollment-tags/A?tag=a%0Ab", "", 1 },
        { MDM_PUT, "/v1/declarations", "{\"Identifier\":\"a\\rb\",\"Type\":"
          "\"com.apple.activation.simple\",\"Payload\":"
          "{\"StandardConfigurations\":[]}}", 1 },
        { MDM_PUT, "/v1/enrollment-tags/A?tag=a%20%C3%A9%E2%80%93b", "", 0 },
        { MDM_DELETE, "/v1/enrollment-tags/A?tag=a%0Ab", "", 0 },
        { MDM_DELETE, "/v1/set-filters/a%0Ab", "", 0 }
    };

    (void) state;

    settings = mdm_unit_api_settings();

    for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        x = mdm_unit_api_request(&settings, calls[i].method, calls[i].uri,
                                 "application/json", calls[i].body,
                                 strlen(calls[i].body));

        assert_int_equal(mdm_exchange_run(x), calls[i].refused ? MDM_DONE
                                                               : MDM_CALL);

        if (calls[i].refused
            && strstr(mdm_unit_api_text(x, "error"), "control characters")
               == NULL)
        {
            fail_msg("%s: \"%s\"", calls[i].uri,
                     mdm_unit_api_text(x, "error"));
        }

        mdm_arena_destroy(x->arena);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_json_memory, count_setup),
        cmocka_unit_test_setup(test_json_api, count_setup),
        cmocka_unit_test_setup(test_json_plenty, count_setup),
        cmocka_unit_test_setup(test_json_small, count_setup),
        cmocka_unit_test(test_json_empty),
        cmocka_unit_test(test_json_type),
        cmocka_unit_test(test_json_names)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
