
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Writes the path of a value that a schema refuses, for people to read.
 */


#include <stdio.h>

#include "mdm_schema.h"


mdm_int_t
mdm_schema_path(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_schema_path_t *path)
{
    u_char                   *p;
    size_t                    len;
    mdm_uint_t                n;
    const char               *s;
    mdm_quote_t        quote;
    const mdm_schema_path_t  *step, *steps[MDM_SCHEMA_DEPTH];

    n = 0;

    for (step = path; step != NULL; step = step->parent) {

        /* of a path too long only the end is shown */

        if (n == MDM_SCHEMA_DEPTH) {
            break;
        }

        steps[n++] = step;
    }

    /* a step takes a quoted key and a dot, or an index in brackets */

    p = mdm_arena_alloc(arena, n * sizeof(mdm_quote_t) + 1);
    if (p == NULL) {
        return MDM_ERROR;
    }

    dst->data = p;

    while (n != 0) {
        step = steps[--n];

        if (step->key != NULL) {
            if (p != dst->data) {
                *p++ = '.';
            }

            s = mdm_quote(&quote, step->key, step->len);
            len = strlen(s);
            memcpy(p, s, len);
            p += len;

        } else {
            p += snprintf((char *) p, sizeof(mdm_quote_t), "[%zu]",
                          step->index);
        }
    }

    *p = '\0';
    dst->len = (size_t) (p - dst->data);

    return MDM_OK;
}
