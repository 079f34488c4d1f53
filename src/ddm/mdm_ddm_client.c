
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads what a client says it can do.
 */


#include <stdlib.h>

#include <openssl/evp.h>

#include "mdm_ddm_client.h"
#include "mdm_json.h"


static mdm_int_t mdm_ddm_client_types(mdm_arena_t *arena, json_t *lists,
    mdm_ddm_client_t *client);
static mdm_uint_t mdm_ddm_client_add(json_t *list, mdm_str_t *names,
    mdm_uint_t n);
static mdm_uint_t mdm_ddm_client_find(const mdm_str_t *names, mdm_uint_t n,
    const mdm_str_t *name);


mdm_int_t
mdm_ddm_client_read(mdm_arena_t *arena, const mdm_str_t *json,
    mdm_ddm_client_t *client)
{
    json_t        *root, *payloads, *list;
    mdm_int_t      rc;
    json_error_t   error;

    memset(client, 0, sizeof(mdm_ddm_client_t));

    if (json->len == 0) {
        return MDM_OK;
    }

    rc = mdm_json_read(arena, json, JSON_ALLOW_NUL|JSON_DECODE_ANY, &root,
                       &error);

    if (rc != MDM_OK) {
        return (rc == MDM_DECLINED) ? MDM_OK : MDM_ERROR;
    }

    payloads = json_object_get(root, "supported-payloads");

    list = json_object_get(payloads, "declarations");

    if (json_is_object(list)
        && mdm_ddm_client_types(arena, list, client) != MDM_OK)
    {
        return MDM_ERROR;
    }

    list = json_object_get(payloads, "status-items");

    if (!json_is_array(list)) {
        return MDM_OK;
    }

    client->items = mdm_arena_alloc(arena, json_array_size(list)
                                           * sizeof(mdm_str_t));
    if (client->items == NULL) {
        return MDM_ERROR;
    }

    client->status = 1;
    client->nitems = mdm_ddm_client_add(list, client->items, 0);

    qsort(client->items, client->nitems, sizeof(mdm_str_t), mdm_str_order);

    return MDM_OK;
}


/* the kinds, each with a list of its own */

static mdm_int_t
mdm_ddm_client_types(mdm_arena_t *arena, json_t *lists,
    mdm_ddm_client_t *client)
{
    size_t       n;
    json_t      *list;
    const char  *key;

    n = 0;

    json_object_foreach(lists, key, list) {
        n += json_array_size(list);
    }

    client->types = mdm_arena_alloc(arena, n * sizeof(mdm_str_t));
    if (client->types == NULL) {
        return MDM_ERROR;
    }

    client->declarations = 1;

    json_object_foreach(lists, key, list) {
        client->ntypes = mdm_ddm_client_add(list, client->types,
                                            client->ntypes);
    }

    qsort(client->types, client->ntypes, sizeof(mdm_str_t), mdm_str_order);

    return MDM_OK;
}


/* puts the strings of a list behind n names; how many there are then */

static mdm_uint_t
mdm_ddm_client_add(json_t *list, mdm_str_t *names, mdm_uint_t n)
{
    size_t   i;
    json_t  *name;

    json_array_foreach(list, i, name) {

        if (json_is_string(name)) {
            names[n].data = (u_char *) json_string_value(name);
            names[n].len = json_string_length(name);
            n++;
        }
    }

    return n;
}


mdm_int_t
mdm_ddm_client_digest(mdm_arena_t *arena, const mdm_ddm_client_t *client,
    mdm_str_t *digest)
{
    u_char       sha[EVP_MAX_MD_SIZE], *p;
    size_t       len;
    mdm_str_t    text;
    mdm_uint_t   i;

    mdm_str_null(digest);

    if (!client->declarations) {
        return MDM_OK;
    }

    len = 0;

    for (i = 0; i < client->ntypes; i++) {
        len += client->types[i].len + 1;
    }

    text.len = len;
    text.data = mdm_arena_alloc(arena, len);
    if (text.data == NULL) {
        return MDM_ERROR;
    }

    p = text.data;

    for (i = 0; i < client->ntypes; i++) {
        memcpy(p, client->types[i].data, client->types[i].len);
        p += client->types[i].len;
        *p++ = '\n';
    }

    if (EVP_Digest(text.data, text.len, sha, NULL, EVP_sha1(), NULL) != 1) {
        return mdm_arena_failed(arena, "EVP_Digest");
    }

    text.data = sha;
    text.len = 20;

    return mdm_hex_str(arena, digest, &text);
}


static mdm_uint_t
mdm_ddm_client_find(const mdm_str_t *names, mdm_uint_t n,
    const mdm_str_t *name)
{
    return n != 0
           && bsearch(name, names, n, sizeof(mdm_str_t), mdm_str_order)
              != NULL;
}


mdm_uint_t
mdm_ddm_client_takes(const mdm_ddm_client_t *client, const mdm_str_t *type)
{
    return !client->declarations
           || mdm_ddm_client_find(client->types, client->ntypes, type);
}


mdm_uint_t
mdm_ddm_client_has(const mdm_ddm_client_t *client, const mdm_str_t *item)
{
    return !client->status
           || mdm_ddm_client_find(client->items, client->nitems, item);
}
