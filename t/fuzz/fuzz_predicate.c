
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes predicates: src/ddm/mdm_ddm_predicate*.c.
 */


#include <stdlib.h>

#include "mdm_ddm_predicate.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static mdm_int_t fuzz_check(mdm_arena_t *arena, const mdm_str_t *in,
    mdm_uint_t strict, mdm_schema_result_t *result);
static void fuzz_place(const mdm_str_t *text, size_t len);
static mdm_uint_t fuzz_unchecked(const mdm_schema_result_t *result);
static void fuzz_compound(mdm_arena_t *arena, const mdm_str_t *in);
static void fuzz_cut(mdm_arena_t *arena, const mdm_str_t *in);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mdm_int_t             rc;
    mdm_str_t             in;
    mdm_arena_t          *arena;
    mdm_schema_result_t   warn, strict;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        abort();
    }

    in.data = (u_char *) data;
    in.len = size;

    if (fuzz_check(arena, &in, 0, &warn) != MDM_OK) {
        abort();
    }

    rc = fuzz_check(arena, &in, 1, &strict);

    if (rc == MDM_DECLINED) {

        /* the first warning is what is refused */

        if (strict.error.len == 0 || warn.nwarnings == 0
            || !mdm_str_eq(&strict.error, &warn.warnings->text))
        {
            abort();
        }

    } else if (warn.nwarnings > 1
               || warn.nwarnings != strict.nwarnings
               || (warn.nwarnings == 1 && !fuzz_unchecked(&warn)))
    {
        abort();
    }

    /* no JSON has a NUL, at which the texts below would end */

    if (rc == MDM_OK && warn.nwarnings == 0
        && memchr(data, '\0', size) == NULL)
    {
        fuzz_compound(arena, &in);
        fuzz_cut(arena, &in);
    }

    mdm_arena_destroy(arena);

    return 0;
}


static mdm_int_t
fuzz_check(mdm_arena_t *arena, const mdm_str_t *in, mdm_uint_t strict,
    mdm_schema_result_t *result)
{
    mdm_int_t              rc;
    mdm_schema_warning_t  *w;

    memset(result, 0, sizeof(mdm_schema_result_t));

    rc = mdm_ddm_predicate(arena, in, "P", strict, result);

    if (rc != MDM_OK && rc != MDM_DECLINED) {
        abort();
    }

    for (w = result->warnings; w != NULL; w = w->next) {
        fuzz_place(&w->text, in->len);
    }

    if (rc == MDM_DECLINED) {
        fuzz_place(&result->error, in->len);
    }

    return rc;
}


/* where it is lies within, or just behind */

static void
fuzz_place(const mdm_str_t *text, size_t len)
{
    size_t      i, n;
    mdm_str_t   at;

    static const char  before[] = ", at byte ";

    if (text->len < 3 || memcmp(text->data, "P: ", 3) != 0) {
        abort();
    }

    for (i = text->len; i > sizeof(before) - 1; i--) {
        at.data = text->data + i - (sizeof(before) - 1);
        at.len = sizeof(before) - 1;

        if (!mdm_str_is(&at, before)) {
            continue;
        }

        for (n = 0; i < text->len; i++) {

            /* the name of an item may look like it */

            if (text->data[i] < '0' || text->data[i] > '9') {
                return;
            }

            n = n * 10 + (size_t) (text->data[i] - '0');
        }

        if (n == 0 || n > len + 1) {
            abort();
        }

        return;
    }
}


static mdm_uint_t
fuzz_unchecked(const mdm_schema_result_t *result)
{
    return strstr((char *) result->warnings->text.data, " is not checked, at ")
           != NULL;
}


/* what parses does so in brackets, too, but for their depth */

static void
fuzz_compound(mdm_arena_t *arena, const mdm_str_t *in)
{
    mdm_str_t            text;
    mdm_schema_result_t  result;

    if (mdm_printf(arena, &text, "NOT (%.*s) AND (%.*s)", mdm_fmt(in),
                   mdm_fmt(in))
        != MDM_OK)
    {
        abort();
    }

    if (fuzz_check(arena, &text, 1, &result) != MDM_OK
        || (result.nwarnings != 0 && !fuzz_unchecked(&result)))
    {
        abort();
    }
}


/* and it does not with half of another behind it */

static void
fuzz_cut(mdm_arena_t *arena, const mdm_str_t *in)
{
    size_t               i;
    mdm_str_t            text;
    mdm_schema_result_t  result;

    static const char  *rest[] = { " AND", " == 1", " (", ")", " '" };

    for (i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {

        if (mdm_printf(arena, &text, "%.*s%s", mdm_fmt(in), rest[i])
            != MDM_OK)
        {
            abort();
        }

        (void) fuzz_check(arena, &text, 0, &result);

        if (result.nwarnings == 0) {
            abort();
        }
    }
}
