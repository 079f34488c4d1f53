
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Takes values of status apart down to their leaves.
 */


#include "mdm_api_status_row.h"
#include "mdm_json.h"
#include "mdm_number.h"


typedef struct {
    mdm_exchange_t                 *x;
    mdm_json_out_t                 *j;
    mdm_arena_t                    *arena;     /* of this value */
    const mdm_api_status_t         *s;
    const mdm_api_status_prefix_t  *prefix;
    u_char                         *path;      /* grows with each key */
    size_t                          len;
    size_t                          size;
} mdm_api_status_flat_t;


static mdm_int_t mdm_api_status_flat(mdm_api_status_flat_t *f,
    json_t *value);
static mdm_int_t mdm_api_status_leaf(mdm_api_status_flat_t *f,
    json_t *value);
static mdm_int_t mdm_api_status_tree(mdm_api_status_flat_t *f);
static void mdm_api_status_row(mdm_api_status_flat_t *f,
    const mdm_str_t *json);
static mdm_int_t mdm_api_status_append(mdm_api_status_flat_t *f,
    const void *data, size_t len);
static mdm_uint_t mdm_api_status_fits(const mdm_api_status_prefix_t *prefix,
    const mdm_str_t *path);
static mdm_uint_t mdm_api_status_like(const mdm_str_t *pattern,
    const mdm_str_t *text);


mdm_int_t
mdm_api_status_prefix(mdm_api_status_prefix_t *prefix, const mdm_str_t *text)
{
    size_t     i, n;
    mdm_str_t  *head;

    prefix->text = *text;
    prefix->head = *text;
    prefix->like = (text->len != 0 && memchr(text->data, '%', text->len));

    head = &prefix->head;

    if (prefix->like) {

        if (text->len > MDM_API_STATUS_LIKE) {
            return MDM_DECLINED;
        }

        for (i = 0; i < text->len; i++) {
            if (text->data[i] == '%' || text->data[i] == '_'
                || text->data[i] == '\\')
            {
                break;
            }
        }

        head->len = i;
    }

    /* as KMFDDM writes it, or without what is the same everywhere */

    n = sizeof(MDM_API_STATUS_ITEMS) - 1;
    n = (head->len < n) ? head->len : n;

    if (n != 0 && memcmp(head->data, MDM_API_STATUS_ITEMS, n) == 0) {
        head->data += n;
        head->len -= n;
    }

    return MDM_OK;
}


mdm_int_t
mdm_api_status_rows(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_api_status_t *s, const mdm_api_status_prefix_t *prefix)
{
    u_char                  c;
    mdm_int_t               rc;
    mdm_api_status_flat_t   f;

    memset(&f, 0, sizeof(mdm_api_status_flat_t));

    f.x = x;
    f.j = j;
    f.s = s;
    f.prefix = prefix;

    if (mdm_api_status_append(&f, MDM_API_STATUS_ITEMS,
                              sizeof(MDM_API_STATUS_ITEMS) - 1)
        != MDM_OK
        || mdm_api_status_append(&f, s->path.data, s->path.len) != MDM_OK)
    {
        return MDM_ERROR;
    }

    c = (s->json.len != 0) ? s->json.data[0] : 'n';

    if (c == 'n') {
        return MDM_OK;
    }

    if (c != '{' && c != '[') {
        mdm_api_status_row(&f, &s->json);
        return MDM_OK;
    }

    f.arena = mdm_arena_create(1024);
    if (f.arena == NULL) {
        return mdm_arena_no_memory(x->arena);
    }

    rc = mdm_api_status_tree(&f);

    mdm_arena_destroy(f.arena);

    return rc;
}


static mdm_int_t
mdm_api_status_tree(mdm_api_status_flat_t *f)
{
    json_t        *root;
    json_error_t   error;

    switch (mdm_json_read(f->arena, &f->s->json, JSON_ALLOW_NUL, &root,
                          &error))
    {

    case MDM_OK:
        break;

    case MDM_DECLINED:

        /* Redis has what we did not write */

        mdm_api_status_row(f, &f->s->json);
        return MDM_OK;

    default: /* MDM_ERROR */
        return mdm_arena_no_memory(f->x->arena);
    }

    return mdm_api_status_flat(f, root);
}


/* as deep as the limits of a report allow */

static mdm_int_t
mdm_api_status_flat(mdm_api_status_flat_t *f, json_t *value)
{
    size_t       i, len;
    json_t      *inner;
    mdm_int_t    rc;
    const char  *key;

    switch (json_typeof(value)) {

    case JSON_OBJECT:
        len = f->len;

        json_object_foreach(value, key, inner) {

            if (mdm_api_status_append(f, ".", 1) != MDM_OK
                || mdm_api_status_append(f, key, strlen(key)) != MDM_OK)
            {
                return MDM_ERROR;
            }

            rc = mdm_api_status_flat(f, inner);
            if (rc != MDM_OK) {
                return rc;
            }

            f->len = len;
        }

        return MDM_OK;

    case JSON_ARRAY:
        json_array_foreach(value, i, inner) {
            rc = mdm_api_status_flat(f, inner);
            if (rc != MDM_OK) {
                return rc;
            }
        }

        return MDM_OK;

    case JSON_NULL:
        return MDM_OK;

    default:
        return mdm_api_status_leaf(f, value);
    }
}


static mdm_int_t
mdm_api_status_leaf(mdm_api_status_flat_t *f, json_t *value)
{
    size_t     flags;
    mdm_str_t  json;

    flags = 0;

    if (json_is_real(value)) {
        flags = JSON_REAL_PRECISION(
                    (size_t) mdm_real_digits(json_real_value(value)));
    }

    if (mdm_json_dump(f->arena, value, flags, &json) != MDM_OK) {
        return mdm_arena_failed(f->x->arena, "json_dumpb");
    }

    mdm_api_status_row(f, &json);

    return MDM_OK;
}


static void
mdm_api_status_row(mdm_api_status_flat_t *f, const mdm_str_t *json)
{
    mdm_str_t  path;

    path.data = f->path;
    path.len = f->len;

    if (!mdm_api_status_fits(f->prefix, &path)) {
        return;
    }

    mdm_json_open(f->j, NULL, '{');
    mdm_json_str(f->j, "path", &path);
    mdm_json_opt_str(f->j, "identifier", &f->s->identifier);

    /* as KMFDDM: text; what is no string as the JSON that it is */

    if (json->data[0] == '"') {
        mdm_json_value(f->j, "value", json);

    } else {
        mdm_json_str(f->j, "value", json);
    }

    mdm_api_status_when(f->j, "timestamp", f->s);
    mdm_json_close(f->j, '}');
}


static mdm_int_t
mdm_api_status_append(mdm_api_status_flat_t *f, const void *data, size_t len)
{
    u_char  *p;

    if (len > f->size - f->len) {
        f->size = 2 * (f->len + len) + 128;

        p = mdm_arena_alloc(f->x->arena, f->size);
        if (p == NULL) {
            return MDM_ERROR;
        }

        if (f->len != 0) {
            memcpy(p, f->path, f->len);
        }

        f->path = p;
    }

    if (len != 0) {
        memcpy(f->path + f->len, data, len);
        f->len += len;
    }

    return MDM_OK;
}


static mdm_uint_t
mdm_api_status_fits(const mdm_api_status_prefix_t *prefix,
    const mdm_str_t *path)
{
    mdm_str_t         rest;
    const mdm_str_t  *text;

    text = &prefix->text;

    rest.data = path->data + sizeof(MDM_API_STATUS_ITEMS) - 1;
    rest.len = path->len - (sizeof(MDM_API_STATUS_ITEMS) - 1);

    if (prefix->like) {
        return mdm_api_status_like(text, path)
               || mdm_api_status_like(text, &rest);
    }

    if (text->len == 0) {
        return 1;
    }

    return (path->len >= text->len
            && memcmp(path->data, text->data, text->len) == 0)
           || (rest.len >= text->len
               && memcmp(rest.data, text->data, text->len) == 0);
}


/* "%": anything, "_": any byte, "\": the next one is itself */

static mdm_uint_t
mdm_api_status_like(const mdm_str_t *pattern, const mdm_str_t *text)
{
    size_t         i, k, again, from;
    mdm_uint_t     any, fits;
    const u_char  *p;

    p = pattern->data;

    any = 0;
    i = k = again = from = 0;

    while (k < text->len) {

        if (i < pattern->len && p[i] == '%') {
            any = 1;
            again = ++i;
            from = k;
            continue;
        }

        fits = 0;

        if (i < pattern->len) {

            if (p[i] == '\\' && i + 1 < pattern->len) {
                fits = (p[i + 1] == text->data[k]) ? 2 : 0;

            } else {
                fits = (p[i] == '_' || p[i] == text->data[k]);
            }
        }

        if (fits) {
            i += fits;
            k++;

        } else if (any) {

            /* the last "%" takes one byte more */

            i = again;
            k = ++from;

        } else {
            return 0;
        }
    }

    while (i < pattern->len && p[i] == '%') {
        i++;
    }

    return i == pattern->len;
}


void
mdm_api_status_when(mdm_json_out_t *j, const char *name,
    const mdm_api_status_t *s)
{
    mdm_json_opt_time(j, name, &s->seconds);
    mdm_json_opt_str(j, "status_id", &s->id);
}
