
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Writes JSON with its reals as they were written.
 */


#include <stdlib.h>

#include "mdm_json_real.h"
#include "mdm_json_write.h"


/* a real of the tree and its text */

typedef struct {
    const json_t             *value;
    mdm_str_t                 text;
} mdm_json_real_t;


typedef struct {
    mdm_arena_t              *arena;
    mdm_json_real_t          *reals;       /* in the order of the text, then of
                                              their values' addresses */
    size_t                    nreals;
    mdm_str_t                *order;       /* texts, in the order of the
                                              output */
    size_t                    n;           /* of the reals that were met */
    mdm_uint_t                failed;      /* no memory, or another tree */
} mdm_json_reals_t;


static size_t mdm_json_real_tokens(const mdm_str_t *text,
    mdm_json_real_t *reals);
static const u_char *mdm_json_real_next(const u_char *p, const u_char *last,
    mdm_str_t *token);
static void mdm_json_real_read(mdm_json_reals_t *r, json_t *value);
static void mdm_json_real_write(mdm_json_reals_t *r, json_t *value);
static void mdm_json_real_members(mdm_json_reals_t *r, json_t *object);
static int mdm_json_real_by_value(const void *one, const void *two);
static int mdm_json_real_by_name(const void *one, const void *two);
static mdm_int_t mdm_json_real_fill(mdm_json_reals_t *r, mdm_str_t *dst);


mdm_int_t
mdm_json_dump_written(mdm_arena_t *arena, const mdm_str_t *text, json_t *root,
    json_t *value, mdm_str_t *dst)
{
    mdm_json_reals_t  r;

    if (mdm_json_dump(arena, value, 0, dst) != MDM_OK) {
        return MDM_ERROR;
    }

    memset(&r, 0, sizeof(mdm_json_reals_t));

    r.arena = arena;
    r.nreals = mdm_json_real_tokens(text, NULL);

    if (r.nreals == 0) {
        return MDM_OK;
    }

    r.reals = mdm_arena_alloc(arena, r.nreals * sizeof(mdm_json_real_t));
    r.order = mdm_arena_alloc(arena, r.nreals * sizeof(mdm_str_t));

    if (r.reals == NULL || r.order == NULL) {
        return MDM_ERROR;
    }

    (void) mdm_json_real_tokens(text, r.reals);

    /* jansson keeps members in the order in which it read them */

    mdm_json_real_read(&r, root);

    if (r.failed || r.n != r.nreals) {
        return mdm_arena_failed(arena, "json_loadb");
    }

    qsort(r.reals, r.nreals, sizeof(mdm_json_real_t), mdm_json_real_by_value);

    r.n = 0;
    mdm_json_real_write(&r, value);

    return r.failed ? MDM_ERROR : mdm_json_real_fill(&r, dst);
}


/* the reals of a text that is JSON; "reals" may be NULL: they are counted */

static size_t
mdm_json_real_tokens(const mdm_str_t *text, mdm_json_real_t *reals)
{
    size_t         n;
    mdm_str_t      token;
    const u_char  *p, *last;

    n = 0;
    p = text->data;
    last = p + text->len;

    for ( ;; ) {
        p = mdm_json_real_next(p, last, &token);

        if (p == NULL) {
            return n;
        }

        if (reals != NULL) {
            reals[n].text = token;
        }

        n++;
    }
}


/* the next real from p on, and what is behind it; NULL: there is none */

static const u_char *
mdm_json_real_next(const u_char *p, const u_char *last, mdm_str_t *token)
{
    mdm_uint_t     real;
    const u_char  *start;

    while (p != last) {

        if (*p == '"') {

            for (p++; p != last && *p != '"'; p++) {
                p += (*p == '\\' && last - p > 1);
            }

            p += (p != last);
            continue;
        }

        if (*p != '-' && (*p < '0' || *p > '9')) {
            p++;
            continue;
        }

        real = 0;

        for (start = p; p != last; p++) {

            if (*p == '.' || *p == 'e' || *p == 'E') {
                real = 1;

            } else if ((*p < '0' || *p > '9') && *p != '-' && *p != '+') {
                break;
            }
        }

        if (real) {
            token->data = (u_char *) start;
            token->len = (size_t) (p - start);

            return p;
        }
    }

    return NULL;
}


/* which value has which text; depth is bounded by the limits */

static void
mdm_json_real_read(mdm_json_reals_t *r, json_t *value)
{
    size_t       i;
    json_t      *inner;
    const char  *key;

    switch (json_typeof(value)) {

    case JSON_REAL:
        if (r->n == r->nreals) {
            r->failed = 1;
            break;
        }

        r->reals[r->n++].value = value;
        break;

    case JSON_ARRAY:
        json_array_foreach(value, i, inner) {
            mdm_json_real_read(r, inner);
        }

        break;

    case JSON_OBJECT:
        json_object_foreach(value, key, inner) {
            mdm_json_real_read(r, inner);
        }

        break;

    default:
        break;
    }
}


/* the texts as they come out, where keys are sorted */

static void
mdm_json_real_write(mdm_json_reals_t *r, json_t *value)
{
    size_t            i;
    json_t           *inner;
    mdm_json_real_t   key, *real;

    switch (json_typeof(value)) {

    case JSON_REAL:
        key.value = value;

        real = bsearch(&key, r->reals, r->nreals, sizeof(mdm_json_real_t),
                       mdm_json_real_by_value);

        if (real == NULL || r->n == r->nreals) {
            r->failed = 1;
            break;
        }

        r->order[r->n++] = real->text;
        break;

    case JSON_ARRAY:
        json_array_foreach(value, i, inner) {
            mdm_json_real_write(r, inner);
        }

        break;

    case JSON_OBJECT:
        mdm_json_real_members(r, value);
        break;

    default:
        break;
    }
}


static void
mdm_json_real_members(mdm_json_reals_t *r, json_t *object)
{
    size_t       i, n;
    json_t      *inner;
    const char  *key, **keys;

    n = json_object_size(object);

    keys = mdm_arena_alloc(r->arena, n * sizeof(char *));
    if (keys == NULL) {
        r->failed = 1;
        return;
    }

    i = 0;

    json_object_foreach(object, key, inner) {
        (void) inner;
        keys[i++] = key;
    }

    qsort(keys, n, sizeof(char *), mdm_json_real_by_name);

    for (i = 0; i < n; i++) {
        mdm_json_real_write(r, json_object_get(object, keys[i]));
    }
}


static int
mdm_json_real_by_value(const void *one, const void *two)
{
    const mdm_json_real_t *a = one;
    const mdm_json_real_t *b = two;

    return ((uintptr_t) a->value > (uintptr_t) b->value)
           - ((uintptr_t) a->value < (uintptr_t) b->value);
}


static int
mdm_json_real_by_name(const void *one, const void *two)
{
    return strcmp(*(const char *const *) one, *(const char *const *) two);
}


/* puts the texts where jansson wrote reals */

static mdm_int_t
mdm_json_real_fill(mdm_json_reals_t *r, mdm_str_t *dst)
{
    u_char        *out, *start;
    size_t         i, len;
    mdm_str_t      token;
    const u_char  *p, *last, *next;

    len = dst->len;

    for (i = 0; i < r->n; i++) {
        len += r->order[i].len;
    }

    start = mdm_arena_alloc(r->arena, len);
    if (start == NULL) {
        return MDM_ERROR;
    }

    out = start;
    p = dst->data;
    last = p + dst->len;

    for (i = 0; i < r->n; i++) {
        next = mdm_json_real_next(p, last, &token);

        if (next == NULL) {
            return mdm_arena_failed(r->arena, "json_dumpb");
        }

        len = (size_t) (token.data - p);

        memcpy(out, p, len);
        out += len;

        memcpy(out, r->order[i].data, r->order[i].len);
        out += r->order[i].len;

        p = next;
    }

    len = (size_t) (last - p);

    memcpy(out, p, len);

    dst->data = start;
    dst->len = (size_t) (out + len - start);

    return MDM_OK;
}
