
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include <stdio.h>

#include "mdm_schema.h"


static size_t mdm_schema_utf8(const u_char *p, size_t len);


mdm_int_t
mdm_schema_path(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_schema_path_t *path)
{
    u_char                   *p;
    size_t                    len;
    mdm_uint_t                n;
    const char               *s;
    mdm_schema_quote_t        quote;
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

    p = mdm_arena_alloc(arena, n * sizeof(mdm_schema_quote_t) + 1);
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

            s = mdm_schema_quote(&quote, step->key, step->len);
            len = strlen(s);
            memcpy(p, s, len);
            p += len;

        } else {
            p += snprintf((char *) p, sizeof(mdm_schema_quote_t), "[%zu]",
                          step->index);
        }
    }

    *p = '\0';
    dst->len = (size_t) (p - dst->data);

    return MDM_OK;
}


const char *
mdm_schema_quote(mdm_schema_quote_t *quote, const char *text, size_t len)
{
    size_t         i, n, left;
    u_char        *p;
    const u_char  *s;

    p = quote->data;
    s = (const u_char *) text;
    left = MDM_SCHEMA_QUOTE;

    for (i = 0; i < len; i += n) {
        n = mdm_schema_utf8(s + i, len - i);

        if (left < ((n == 0) ? 1 : n)) {
            memcpy(p, "...", 3);
            p += 3;
            break;
        }

        if (n == 0) {
            *p++ = '?';
            left--;
            n = 1;
            continue;
        }

        memcpy(p, s + i, n);
        p += n;
        left -= n;
    }

    *p = '\0';

    return (const char *) quote->data;
}


/*
 * The length of the character, 1 to 4; 0: a control character, or no UTF-8.
 * What overlongs and surrogates are is left to mdm_utf8_valid().
 */

static size_t
mdm_schema_utf8(const u_char *p, size_t len)
{
    size_t     n;
    mdm_str_t  s;

    if (*p < 0x80) {
        return (*p < 0x20 || *p == 0x7f) ? 0 : 1;
    }

    n = (*p >= 0xf0) ? 4 : (*p >= 0xe0) ? 3 : 2;

    if (n > len || (*p == 0xc2 && p[1] < 0xa0)) {
        return 0;
    }

    s.data = (u_char *) p;
    s.len = n;

    return mdm_utf8_valid(&s) ? n : 0;
}
