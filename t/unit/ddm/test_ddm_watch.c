
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Watchers of status values: compiled, and found again by the values of a
 * report.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_ddm_watch.h"
#include "mdm_json.h"


static mdm_arena_t  *arena;


static mdm_str_t
text(const char *s)
{
    mdm_str_t  str;

    str.data = (u_char *) (uintptr_t) s;
    str.len = strlen(s);

    return str;
}


static mdm_str_t
compile(const char *watchers)
{
    mdm_str_t  w, dst;

    w = text(watchers);

    assert_int_equal(mdm_ddm_watch_compile(arena, &w, &dst), MDM_OK);

    return dst;
}


/* with what the worker's cache gives: any alignment */

static const char *
find(const mdm_str_t *compiled, const char *place, mdm_str_t *heads)
{
    u_char           *p;
    mdm_str_t         copy, json;
    mdm_ddm_value_t   v;

    p = mdm_arena_alloc(arena, compiled->len + 1);
    assert_non_null(p);

    copy.data = p + 1;
    copy.len = compiled->len;
    memcpy(copy.data, compiled->data, copy.len);

    memset(&v, 0, sizeof(mdm_ddm_value_t));
    v.place = text(place);

    assert_int_equal(mdm_ddm_watch_find(arena, &copy, &v, 1, &json, heads),
                     MDM_OK);
    assert_int_equal(mdm_printf(arena, &copy, "%.*s", mdm_fmt(&json)), MDM_OK);

    return (char *) copy.data;
}


static void
test_small(void **state)
{
    mdm_str_t  w, heads;

    (void) state;

    w = compile("{\"b\":{\"items\":[\"x.\",\"a\"],\"set\":\"s\"},"
                "\"a\":{\"items\":[\"x.\"]}}");

    assert_string_equal(find(&w, "nothing", &heads),
                        "{\"w\":[[\"b\",\"s\"],[\"a\",false]],"
                        "\"g\":[[1],[1,2]],\"x\":0,"
                        "\"p\":{\"a\":1,\"x.\":2}}");
    assert_int_equal(heads.len, 0);

    w = compile("{}");
    assert_string_equal(find(&w, "x", &heads), "");
}


static void
test_odd(void **state)
{
    mdm_str_t         w, json, heads;
    mdm_ddm_value_t   v;

    (void) state;

    w = text("[1,");
    assert_int_equal(mdm_ddm_watch_compile(arena, &w, &json),
                     MDM_DECLINED);

    w = text("[1,{\"items\":5}]");
    assert_int_equal(mdm_ddm_watch_compile(arena, &w, &json), MDM_OK);

    w = text("{\"a\":5,\"b\":{\"items\":{\"x\":1}},\"c\":{\"items\":[1]}}");
    assert_int_equal(mdm_ddm_watch_compile(arena, &w, &json), MDM_OK);
    assert_string_equal(find(&json, "x", &heads), "");

    memset(&v, 0, sizeof(mdm_ddm_value_t));

    w = text("12345678901234567890");
    assert_int_equal(mdm_ddm_watch_find(arena, &w, &v, 1, &json, &heads),
                     MDM_DECLINED);
    w = text("");
    assert_int_equal(mdm_ddm_watch_find(arena, &w, &v, 1, &json, &heads),
                     MDM_DECLINED);
}


/* a path of few letters, so that many begin alike */

static void
path(char *dst, size_t most)
{
    size_t  i, n;

    n = 1 + (size_t) rand() % most;

    for (i = 0; i < n; i++) {
        dst[i] = "ab."[rand() % 3];
    }

    dst[n] = '\0';
}


/* the same as by looking at each prefix of each watcher */

static void
test_many(void **state)
{
    int           i, k, k2, round, fits;
    json_t       *root, *lists, *list, *one;
    mdm_str_t     w, heads, json;
    const char   *found;
    json_error_t  error;

    static char   items[60][40][12];
    static char   all[65536];
    char          place[16], *p, *line;

    (void) state;

    srand(7);

    for (round = 0; round < 20; round++) {
        p = all;
        p += sprintf(p, "{");

        for (i = 0; i < 60; i++) {
            p += sprintf(p, "%s\"w%d\":{\"items\":[", (i == 0) ? "" : ",", i);

            for (k = 0; k < 40; k++) {
                path(items[i][k], 9);
                p += sprintf(p, "%s\"%s\"", (k == 0) ? "" : ",", items[i][k]);
            }

            p += sprintf(p, "]}");
        }

        (void) sprintf(p, "}");

        w = compile(all);

        for (k = 0; k < 50; k++) {
            path(place, 10);
            found = find(&w, place, &heads);

            assert_true(heads.len != 0);

            root = NULL;

            if (*found != '\0') {
                json = text(found);
                assert_int_equal(mdm_json_read(arena, &json, 0, &root, &error),
                                 MDM_OK);
            }

            one = json_object_get(json_object_get(root, "p"), place);
            list = json_array_get(json_object_get(root, "g"),
                                  (size_t) json_integer_value(one) - 1);
            lists = json_object_get(root, "w");

            for (i = 0; i < 60; i++) {
                char         name[8];
                size_t       at, index;
                mdm_uint_t   has;

                for (fits = 0, k2 = 0; k2 < 40; k2++) {
                    fits |= (strncmp(place, items[i][k2],
                                     strlen(items[i][k2]))
                             == 0);
                }

                has = 0;
                (void) snprintf(name, sizeof(name), "w%d", i);

                json_array_foreach(list, at, one) {
                    index = (size_t) json_integer_value(one) - 1;

                    has += (strcmp(json_string_value(json_array_get(
                                       json_array_get(lists, index), 0)), name)
                            == 0);
                }

                assert_int_equal(fits, has);
            }

            /* whatever fits begins as one of the heads */

            if (*found != '\0') {
                assert_int_equal(mdm_printf(arena, &json, "%.*s",
                                            mdm_fmt(&heads)), MDM_OK);
                fits = 0;

                for (line = strtok((char *) json.data, "\n");
                     line != NULL;
                     line = strtok(NULL, "\n"))
                {
                    fits |= (strcmp(line, "*") == 0
                             || strncmp(place, line, strlen(line)) == 0);
                }

                assert_true(fits);
            }
        }
    }
}


static int
setup(void **state)
{
    (void) state;

    arena = mdm_arena_create(4096);

    return (arena == NULL);
}


static int
teardown(void **state)
{
    (void) state;

    mdm_arena_destroy(arena);

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_small, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
