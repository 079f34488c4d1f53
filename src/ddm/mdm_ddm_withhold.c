
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Leaves out of a manifest what its client does not support.
 */


#include <openssl/evp.h>

#include "mdm_ddm_withhold.h"
#include "mdm_json.h"
#include "mdm_json_write.h"
#include "mdm_key.h"


static mdm_int_t mdm_ddm_withhold_list(mdm_exchange_t *x,
    mdm_ddm_withhold_t *w, json_t *list);
static mdm_int_t mdm_ddm_withhold_filter(mdm_exchange_t *x,
    mdm_ddm_withhold_t *w, json_t *list, size_t *at);


mdm_int_t
mdm_ddm_withhold_token(mdm_exchange_t *x, const mdm_str_t *client,
    mdm_str_t *token)
{
    u_char     sha[EVP_MAX_MD_SIZE];
    mdm_str_t  text;

    if (!x->settings->ddm_withhold || client->len == 0 || token->len == 0) {
        return MDM_OK;
    }

    if (mdm_printf(x->arena, &text, "%.*s\n%.*s", mdm_fmt(token),
                   mdm_fmt(client))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (EVP_Digest(text.data, text.len, sha, NULL, EVP_sha1(), NULL) != 1) {
        return mdm_arena_failed(x->arena, "EVP_Digest");
    }

    text.data = sha;
    text.len = 20;

    return mdm_hex_str(x->arena, token, &text);
}


mdm_int_t
mdm_ddm_withhold_read(mdm_exchange_t *x, const mdm_str_t *items,
    const mdm_str_t *said, const mdm_str_t *client, mdm_ddm_withhold_t *w)
{
    size_t         n;
    json_t        *lists, *list;
    mdm_int_t      rc;
    const char    *key;
    json_error_t   error;

    memset(w, 0, sizeof(mdm_ddm_withhold_t));

    w->digest = *client;

    rc = mdm_ddm_client_read(x->arena, said, &w->client);

    if (rc == MDM_OK) {
        rc = mdm_json_read(x->arena, items, 0, &w->root, &error);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    lists = json_object_get(w->root, "Declarations");

    if (!json_is_object(lists)) {
        return MDM_DECLINED;
    }

    n = 0;

    json_object_foreach(lists, key, list) {
        n += json_array_size(list);
    }

    w->types.list = mdm_arena_zalloc(x->arena, n * sizeof(mdm_ddm_typed_t));
    if (w->types.list == NULL) {
        return MDM_ERROR;
    }

    json_object_foreach(lists, key, list) {
        if (mdm_ddm_withhold_list(x, w, list) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_withhold_list(mdm_exchange_t *x, mdm_ddm_withhold_t *w, json_t *list)
{
    size_t      i;
    json_t     *element, *id;
    mdm_str_t   raw;

    json_array_foreach(list, i, element) {
        id = json_object_get(element, "Identifier");

        raw.data = (u_char *) json_string_value(id);
        raw.len = json_string_length(id);

        if (mdm_key_id(x->arena, &w->types.list[w->types.n++].id, &raw)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


mdm_int_t
mdm_ddm_withhold_items(mdm_exchange_t *x, mdm_ddm_withhold_t *w,
    mdm_str_t *items)
{
    size_t       at;
    json_t      *list, *value;
    mdm_str_t    token;
    const char  *key;

    at = 0;

    json_object_foreach(json_object_get(w->root, "Declarations"), key, list) {
        if (mdm_ddm_withhold_filter(x, w, list, &at) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    value = json_object_get(w->root, "DeclarationsToken");

    token.data = (u_char *) json_string_value(value);
    token.len = json_string_length(value);

    if (mdm_ddm_withhold_token(x, &w->digest, &token) != MDM_OK) {
        return MDM_ERROR;
    }

    value = json_stringn((char *) token.data, token.len);

    if (json_object_set_new(w->root, "DeclarationsToken", value) != 0) {
        return mdm_arena_no_memory(x->arena);
    }

    return mdm_json_dump(x->arena, w->root, 0, items);
}


/* "at": the type of the list's first declaration, then of the next list's */

static mdm_int_t
mdm_ddm_withhold_filter(mdm_exchange_t *x, mdm_ddm_withhold_t *w,
    json_t *list, size_t *at)
{
    size_t            i;
    mdm_str_t         subs, reason;
    mdm_uint_t        type;
    mdm_ddm_target_t  target;

    /* what the client says decides, and nothing else */

    memset(&target, 0, sizeof(mdm_ddm_target_t));
    target.known.system = MDM_SCHEMA_SYSTEMS;

    mdm_str_set(&subs, "[]");

    i = 0;

    while (i < json_array_size(list)) {

        if (mdm_ddm_types_reason(x->arena, &w->client, &target,
                                 &w->types.list[(*at)++], &subs, &reason,
                                 &type)
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        if (type) {
            (void) json_array_remove(list, i);

        } else {
            i++;
        }
    }

    return MDM_OK;
}
