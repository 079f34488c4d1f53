
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Looks ServerTokens up in a channel's manifest, which is kept as the device
 * gets it.
 */


#include <stdlib.h>

#include "mdm_api_status_manifest.h"
#include "mdm_json.h"


/* bytes of declaration-items; the largest that a tenant can have is smaller */
#define MDM_API_STATUS_TEXT  ((size_t) 16 * 1024 * 1024)


static mdm_int_t mdm_api_status_manifest_add(mdm_exchange_t *x,
    mdm_api_status_manifest_t *m, const mdm_str_t *piece);
static mdm_int_t mdm_api_status_manifest_parse(mdm_exchange_t *x,
    mdm_api_status_manifest_t *m);
static mdm_int_t mdm_api_status_manifest_load(mdm_exchange_t *x,
    mdm_api_status_manifest_t *m, json_t *lists);
static mdm_str_t mdm_api_status_manifest_str(mdm_arena_t *arena,
    json_t *object, const char *name);
static int mdm_api_status_manifest_compare(const void *a, const void *b);


mdm_int_t
mdm_api_status_manifest_read(mdm_exchange_t *x, mdm_api_status_manifest_t *m,
    const mdm_reply_t *reply)
{
    size_t              i, len;
    mdm_int_t           rc;
    mdm_str_t           piece;
    const mdm_reply_t  *pieces;

    len = m->len;
    pieces = mdm_reply_at(reply, MDM_RET_STATUS_GET_CHANNELS);

    for (i = 0; i < mdm_reply_size(pieces); i++) {
        piece = mdm_reply_str(pieces, i);

        rc = mdm_api_status_manifest_add(x, m, &piece);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    m->cursor = mdm_reply_str(reply, MDM_RET_STATUS_GET_CURSOR);

    if (m->cursor.len != 0) {
        return (m->len - len < MDM_EXCHANGE_LARGE) ? MDM_DECLINED : MDM_OK;
    }

    m->read = 1;

    return mdm_api_status_manifest_parse(x, m);
}


static mdm_int_t
mdm_api_status_manifest_add(mdm_exchange_t *x, mdm_api_status_manifest_t *m,
    const mdm_str_t *piece)
{
    u_char  *p;

    if (piece->len == 0) {
        return MDM_OK;
    }

    if (piece->len > MDM_API_STATUS_TEXT - m->len) {
        return MDM_DECLINED;
    }

    if (piece->len > m->size - m->len) {
        m->size = 2 * (m->len + piece->len);

        p = mdm_arena_alloc(x->arena, m->size);
        if (p == NULL) {
            return MDM_ERROR;
        }

        if (m->len != 0) {
            memcpy(p, m->text, m->len);
        }

        m->text = p;
    }

    memcpy(m->text + m->len, piece->data, piece->len);
    m->len += piece->len;

    return MDM_OK;
}


static mdm_int_t
mdm_api_status_manifest_parse(mdm_exchange_t *x, mdm_api_status_manifest_t *m)
{
    json_t        *root;
    mdm_int_t      rc;
    mdm_str_t      items;
    mdm_arena_t   *arena;
    json_error_t   error;

    items.data = m->text;
    items.len = m->len;

    if (items.len == 0) {
        return MDM_OK;
    }

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return mdm_arena_no_memory(x->arena);
    }

    rc = mdm_json_read(arena, &items, 0, &root, &error);

    if (rc == MDM_OK) {
        rc = mdm_api_status_manifest_load(x, m,
                                          json_object_get(root,
                                                          "Declarations"));

    } else if (rc == MDM_DECLINED) {

        /* Redis has what we did not write */

        rc = MDM_OK;

    } else {
        rc = mdm_arena_no_memory(x->arena);
    }

    mdm_arena_destroy(arena);

    return rc;
}


static mdm_int_t
mdm_api_status_manifest_load(mdm_exchange_t *x, mdm_api_status_manifest_t *m,
    json_t *lists)
{
    json_t                  *list, *one;
    size_t                   i, n;
    const char              *key;
    mdm_api_status_token_t  *t;

    n = 0;

    json_object_foreach(lists, key, list) {
        n += json_array_size(list);
    }

    m->tokens = mdm_arena_alloc(x->arena,
                                (n + 1) * sizeof(mdm_api_status_token_t));
    if (m->tokens == NULL) {
        return MDM_ERROR;
    }

    json_object_foreach(lists, key, list) {
        json_array_foreach(list, i, one) {
            t = &m->tokens[m->ntokens];

            if (mdm_printf(x->arena, &t->kind, "%s", key) != MDM_OK) {
                return MDM_ERROR;
            }

            t->id = mdm_api_status_manifest_str(x->arena, one, "Identifier");
            t->token = mdm_api_status_manifest_str(x->arena, one,
                                                   "ServerToken");

            if (t->id.data == NULL || t->token.data == NULL) {
                return MDM_ERROR;
            }

            m->ntokens++;
        }
    }

    qsort(m->tokens, m->ntokens, sizeof(mdm_api_status_token_t),
          mdm_api_status_manifest_compare);

    return MDM_OK;
}


/* a copy; its data are NULL: no memory */

static mdm_str_t
mdm_api_status_manifest_str(mdm_arena_t *arena, json_t *object,
    const char *name)
{
    json_t     *value;
    mdm_str_t   s;

    value = json_object_get(object, name);

    s.len = json_string_length(value);
    s.data = mdm_arena_alloc(arena, s.len + 1);

    if (s.data != NULL && s.len != 0) {
        memcpy(s.data, json_string_value(value), s.len);
    }

    return s;
}


mdm_str_t
mdm_api_status_manifest_token(const mdm_api_status_manifest_t *m,
    const char *kind, const mdm_str_t *id)
{
    mdm_str_t                      none;
    mdm_api_status_token_t         name;
    const mdm_api_status_token_t  *found;

    mdm_str_null(&none);

    if (m == NULL || m->ntokens == 0) {
        return none;
    }

    name.kind.data = (u_char *) (uintptr_t) kind;
    name.kind.len = strlen(kind);
    name.id = *id;
    mdm_str_null(&name.token);

    found = bsearch(&name, m->tokens, m->ntokens,
                    sizeof(mdm_api_status_token_t),
                    mdm_api_status_manifest_compare);

    return (found != NULL) ? found->token : none;
}


static int
mdm_api_status_manifest_compare(const void *a, const void *b)
{
    int                            rc;
    const mdm_api_status_token_t  *one, *two;

    one = a;
    two = b;

    rc = mdm_str_cmp(&one->id, &two->id);

    return (rc != 0) ? rc : mdm_str_cmp(&one->kind, &two->kind);
}
