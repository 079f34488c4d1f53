
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * docs/openapi.yaml and docs/api.md name the very calls that the table of
 * endpoints has.  Runs in the top directory.
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


#define CALLS  64


static struct {
    char                      path[128];   /* "*" for a parameter */
    mdm_uint_t                methods;
} calls[CALLS];

static mdm_uint_t  ncalls;


static mdm_uint_t *
call(const char *path)
{
    mdm_uint_t  i;

    for (i = 0; i < ncalls; i++) {
        if (strcmp(calls[i].path, path) == 0) {
            return &calls[i].methods;
        }
    }

    assert_true(ncalls < CALLS && strlen(path) < sizeof(calls[0].path));

    strcpy(calls[ncalls].path, path);

    return &calls[ncalls++].methods;
}


static void
read_openapi(void)
{
    FILE        *file;
    char         line[256], path[128], *p;
    mdm_uint_t   i, n, *methods;

    static const struct {
        const char  *line;
        mdm_uint_t   method;
    } names[] = {
        { "    get:", MDM_GET }, { "    put:", MDM_PUT },
        { "    post:", MDM_POST }, { "    delete:", MDM_DELETE }
    };

    file = fopen("docs/openapi.yaml", "r");
    if (file == NULL) {
        fail_msg("docs/openapi.yaml: run in the top directory");
    }

    methods = NULL;

    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';

        if (strcmp(line, "components:") == 0) {
            break;
        }

        if (strncmp(line, "  /", 3) == 0) {
            n = 0;

            for (p = line + 2; *p != ':'; p++) {
                assert_true(n < sizeof(path) - 1);

                if (*p == '{') {
                    path[n++] = '*';
                    p = strchr(p, '}');
                    assert_non_null(p);
                    continue;
                }

                path[n++] = *p;
            }

            path[n] = '\0';
            methods = call(path);
        }

        for (i = 0; i < 4; i++) {
            if (strcmp(line, names[i].line) == 0) {
                assert_non_null(methods);
                *methods |= names[i].method;
            }
        }
    }

    fclose(file);
}


static void
test_openapi(void **state)
{
    char                   path[128];
    mdm_uint_t             i, n;
    const mdm_endpoint_t  *ep;

    (void) state;

    read_openapi();

    n = 0;

    for (ep = mdm_api_endpoints; ep->step != NULL; ep++) {
        n++;

        (void) snprintf(path, sizeof(path), "%.*s", mdm_fmt(&ep->name));

        i = *call(path);

        if ((i & ep->methods) != ep->methods) {
            fail_msg("%s: methods %lx in the table, %lx in openapi.yaml",
                     path, (unsigned long) ep->methods, (unsigned long) i);
        }

        *call(path) &= ~ep->methods;
    }

    assert_true(n >= 10);

    for (i = 0; i < ncalls; i++) {
        if (calls[i].methods != 0) {
            fail_msg("%s: methods %lx only in openapi.yaml", calls[i].path,
                     (unsigned long) calls[i].methods);
        }
    }
}


/* what a page of another origin may make a browser fetch */

static void
test_safe(void **state)
{
    size_t  i;

    static const struct {
        mdm_str_t   path;
        mdm_uint_t  safe;

    } paths[] = {
        { mdm_string("/v1/push/A"), 0 },
        { mdm_string("/v1/push/A,B"), 0 },
        { mdm_string("/v1/push/%2F"), 0 },
        { mdm_string("/v1/push"), 0 },       /* with ?identifier= */
        { mdm_string("/v1/push/"), 1 },      /* no such call */
        { mdm_string("/v1/push/A/B"), 1 },
        { mdm_string("/v1/pushcert"), 1 },
        { mdm_string("/v1/queue/A"), 1 },
        { mdm_string("/v1/enqueue/A"), 1 },
        { mdm_string("/version"), 1 },
        { mdm_string(""), 1 }
    };

    (void) state;

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(mdm_endpoint_get_is_safe(&paths[i].path),
                         paths[i].safe);
    }
}


static void
test_text(void **state)
{
    FILE                  *file;
    char                   text[65536], stem[128], *p;
    size_t                 n;
    const mdm_endpoint_t  *ep;

    (void) state;

    file = fopen("docs/api.md", "r");
    if (file == NULL) {
        fail_msg("docs/api.md: run in the top directory");
    }

    n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);

    assert_true(n < sizeof(text) - 1);
    text[n] = '\0';

    for (ep = mdm_api_endpoints; ep->step != NULL; ep++) {
        (void) snprintf(stem, sizeof(stem), "%.*s", mdm_fmt(&ep->name));

        p = strchr(stem, '*');

        if (p != NULL) {
            *p = '\0';
        }

        if (strstr(text, stem) == NULL) {
            fail_msg("docs/api.md does not name %s", stem);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_openapi),
        cmocka_unit_test(test_safe),
        cmocka_unit_test(test_text)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
