
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * /v1/serials: devices of the organization, which may enroll by Automated
 * Device Enrolment, and what they are given when they do.  Each lies in a slot
 * of its own, as a device that comes is looked up there; the list, and the
 * audit, in another.
 */


#include "mdm_api.h"
#include "mdm_api_ddm.h"
#include "mdm_api_json.h"
#include "mdm_api_util.h"
#include "mdm_gives.h"
#include "mdm_key.h"
#include "mdm_owned.h"


#define MDM_API_OWNED         100
#define MDM_API_OWNED_MAX     500
#define MDM_API_OWNED_ASSET   1024    /* bytes */


typedef struct {
    mdm_str_t                 serial;      /* raw */
    mdm_str_t                 name;        /* key form, upper case */
    mdm_str_t                 key;
    mdm_str_t                 tag;         /* "mdm:{tenant/prof}" */
    mdm_str_t                 bind;        /* JSON */
    mdm_str_t                 rev;         /* of the change */
    mdm_uint_t                known;
} mdm_api_owned_t;


typedef struct {
    mdm_str_t                 tag;
    int64_t                   limit;
    const mdm_reply_t        *page;
    mdm_str_t                *keys;
} mdm_api_owned_list_t;


enum {
    MDM_API_OWNED_BEGIN = 0,
    MDM_API_OWNED_INDEXED,
    MDM_API_OWNED_CHANGED,
    MDM_API_OWNED_DONE
};


static mdm_int_t mdm_api_owned_begin(mdm_exchange_t *x,
    mdm_api_owned_t **owned);
static mdm_int_t mdm_api_owned_read(mdm_exchange_t *x,
    mdm_api_owned_t *owned);
static mdm_int_t mdm_api_owned_asset(mdm_exchange_t *x, const json_t *value,
    mdm_str_t *asset);
static mdm_int_t mdm_api_owned_index(mdm_exchange_t *x,
    const mdm_api_owned_t *owned, const char *change, mdm_int_t state);
static mdm_int_t mdm_api_owned_put(mdm_exchange_t *x,
    const mdm_api_owned_t *owned);
static mdm_int_t mdm_api_owned_get(mdm_exchange_t *x,
    const mdm_api_owned_t *owned);
static mdm_int_t mdm_api_owned_delete(mdm_exchange_t *x,
    mdm_api_owned_t *owned);
static mdm_int_t mdm_api_owned_ask(mdm_exchange_t *x);
static mdm_int_t mdm_api_owned_look(mdm_exchange_t *x,
    mdm_api_owned_list_t *list);
static mdm_int_t mdm_api_owned_answer(mdm_exchange_t *x,
    mdm_api_owned_list_t *list);
static mdm_int_t mdm_api_owned_row(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_str_t *name, const mdm_str_t *key, const mdm_reply_t *reply);


/* PUT, GET, DELETE /v1/serials/SERIAL */

mdm_int_t
mdm_api_owned_step(mdm_exchange_t *x)
{
    mdm_int_t         rc;
    mdm_json_out_t    j;
    mdm_api_owned_t  *owned;

    owned = x->ctx;

    switch (x->state) {

    case MDM_API_OWNED_BEGIN:
        break;

    case MDM_API_OWNED_INDEXED:
        owned->rev = mdm_reply_str(x->calls[0].reply, MDM_RET_OWNED_INDEX_REV);

        return (x->method == MDM_PUT) ? mdm_api_owned_put(x, owned)
                                      : mdm_api_owned_delete(x, owned);

    case MDM_API_OWNED_CHANGED:

        if (x->method == MDM_DELETE) {
            owned->known |= (mdm_reply_code(x->calls[0].reply, 0) == 1);

            return mdm_api_owned_index(x, owned, "gone", MDM_API_OWNED_DONE);
        }

        return mdm_exchange_empty(x, 204);

    default: /* MDM_API_OWNED_DONE */

        if (x->method == MDM_GET
            && mdm_reply_code(x->calls[0].reply, 0) == 1)
        {
            mdm_json_init(&j, x->arena, 512);

            rc = mdm_api_owned_row(x, &j, &owned->name, &owned->key,
                                   x->calls[0].reply);

            return (rc == MDM_OK) ? mdm_api_json_answer(&j, x, 200) : rc;
        }

        return (x->method == MDM_DELETE && owned->known)
               ? mdm_exchange_empty(x, 204)
               : mdm_exchange_refuse(x, 404, "there is no such serial number "
                                     "in the list");
    }

    rc = mdm_api_owned_begin(x, &owned);
    if (rc != MDM_OK) {
        return rc;
    }

    x->ctx = owned;

    switch (x->method) {

    case MDM_PUT:
        rc = mdm_api_owned_read(x, owned);

        return (rc == MDM_OK) ? mdm_api_owned_index(x, owned, "put",
                                                    MDM_API_OWNED_INDEXED)
                              : rc;

    case MDM_DELETE:
        return mdm_api_owned_index(x, owned, "delete", MDM_API_OWNED_INDEXED);

    default: /* MDM_GET */
        return mdm_api_owned_get(x, owned);
    }
}


static mdm_int_t
mdm_api_owned_begin(mdm_exchange_t *x, mdm_api_owned_t **owned)
{
    mdm_int_t         rc;
    mdm_api_owned_t  *o;

    o = mdm_arena_zalloc(x->arena, sizeof(mdm_api_owned_t));
    if (o == NULL) {
        return MDM_ERROR;
    }

    rc = mdm_api_param(x, 0, &o->serial);

    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    if (rc != MDM_OK || o->serial.len == 0
        || o->serial.len > MDM_MACHINE_INFO_TEXT || !mdm_utf8_valid(&o->serial)
        || mdm_utf8_control(&o->serial))
    {
        return mdm_exchange_refuse(x, 400, "a serial number is UTF-8 of 1 to "
                                   "%d octets without control characters",
                                   MDM_MACHINE_INFO_TEXT);
    }

    if (mdm_owned_name(x->arena, &o->name, &o->serial) != MDM_OK
        || mdm_key_owned(x->arena, &o->key, &x->tenant, &o->name) != MDM_OK
        || mdm_key_profiles(x->arena, &o->tag, &x->tenant) != MDM_OK)
    {
        return MDM_ERROR;
    }

    *owned = o;

    return MDM_OK;
}


/* {"sets":[…],"tags":[…],"variables":{…},"asset":"…"}, any of them */

static mdm_int_t
mdm_api_owned_read(mdm_exchange_t *x, mdm_api_owned_t *owned)
{
    json_t          *root, *value;
    mdm_int_t        rc;
    mdm_str_t        asset, gives;
    mdm_quote_t      quote;
    const char      *name;
    mdm_json_out_t   j;

    mdm_str_set(&owned->bind, "{}");

    if (x->body.len == 0) {
        return MDM_OK;
    }

    rc = mdm_api_body_load(x, &root);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!json_is_object(root)) {
        return mdm_exchange_refuse(x, 400, "the body is not a JSON object");
    }

    json_object_foreach(root, name, value) {

        if (strcmp(name, "sets") != 0 && strcmp(name, "tags") != 0
            && strcmp(name, "variables") != 0 && strcmp(name, "asset") != 0)
        {
            return mdm_exchange_refuse(x, 400, "unknown member \"%s\"",
                                       mdm_quote(&quote, name, strlen(name)));
        }
    }

    rc = mdm_gives_read(x, root, &gives);

    if (rc == MDM_OK) {
        rc = mdm_api_owned_asset(x, json_object_get(root, "asset"), &asset);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    mdm_json_init(&j, x->arena, 64 + gives.len);
    mdm_json_open(&j, NULL, '{');
    mdm_json_opt_str(&j, "asset", &asset);
    mdm_json_opt_str(&j, "gives", &gives);
    mdm_json_close(&j, '}');

    return mdm_json_end(&j, &owned->bind);
}


static mdm_int_t
mdm_api_owned_asset(mdm_exchange_t *x, const json_t *value, mdm_str_t *asset)
{
    mdm_str_null(asset);

    if (value == NULL || json_is_null(value)) {
        return MDM_OK;
    }

    asset->data = (u_char *) (uintptr_t) json_string_value(value);
    asset->len = json_string_length(value);

    if (asset->data == NULL || asset->len > MDM_API_OWNED_ASSET
        || mdm_utf8_control(asset))
    {
        return mdm_exchange_refuse(x, 400, "\"asset\" is not a string of up "
                                   "to %d octets without control characters",
                                   MDM_API_OWNED_ASSET);
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_owned_index(mdm_exchange_t *x, const mdm_api_owned_t *owned,
    const char *change, mdm_int_t state)
{
    mdm_str_t  *args;

    if (mdm_exchange_calls(x, 1, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_owned_index, &owned->tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_OWNED_INDEX_SERIAL] = owned->name;
    args[MDM_ARG_OWNED_INDEX_CHANGE].data = (u_char *) (uintptr_t) change;
    args[MDM_ARG_OWNED_INDEX_CHANGE].len = strlen(change);
    args[MDM_ARG_OWNED_INDEX_REV] = owned->rev;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_owned_put(mdm_exchange_t *x, const mdm_api_owned_t *owned)
{
    mdm_str_t           *args;
    mdm_secret_where_t   where;

    if (mdm_exchange_calls(x, 1, MDM_API_OWNED_CHANGED) != MDM_CALL
        || mdm_exchange_actor(x) != MDM_OK)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_owned_put, &owned->key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_OWNED_PUT_BY] = x->actor[MDM_ARG_WHO];
    args[MDM_ARG_OWNED_PUT_BIND] = owned->bind;
    args[MDM_ARG_OWNED_PUT_REV] = owned->rev;

    mdm_where_challenge(&where, &owned->key);

    return (mdm_exchange_seal(x, x->arena, &where,
                              &args[MDM_ARG_OWNED_PUT_BIND], NULL)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_owned_get(mdm_exchange_t *x, const mdm_api_owned_t *owned)
{
    if (mdm_exchange_calls(x, 1, MDM_API_OWNED_DONE) != MDM_CALL) {
        return MDM_ERROR;
    }

    return (mdm_exchange_call(x, 0, &mdm_script_owned_get, &owned->key, 0)
            != NULL)
           ? MDM_CALL : MDM_ERROR;
}


/* first what lets it in, then what tells of it */

static mdm_int_t
mdm_api_owned_delete(mdm_exchange_t *x, mdm_api_owned_t *owned)
{
    mdm_str_t  *args;

    owned->known = (mdm_reply_int(x->calls[0].reply,
                                  MDM_RET_OWNED_INDEX_KNOWN, 0) == 1);

    if (mdm_exchange_calls(x, 1, MDM_API_OWNED_CHANGED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_owned_delete, &owned->key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_OWNED_DELETE_REV] = owned->rev;

    return MDM_CALL;
}


/* GET /v1/serials */

mdm_int_t
mdm_api_owned_list_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_OWNED_BEGIN:
        return mdm_api_owned_ask(x);

    case MDM_API_OWNED_INDEXED:
        return mdm_api_owned_look(x, x->ctx);

    default: /* MDM_API_OWNED_DONE */
        return mdm_api_owned_answer(x, x->ctx);
    }
}


static mdm_int_t
mdm_api_owned_ask(mdm_exchange_t *x)
{
    mdm_int_t              rc;
    mdm_str_t              cursor, *args;
    mdm_api_owned_list_t  *list;

    list = mdm_arena_zalloc(x->arena, sizeof(mdm_api_owned_list_t));
    if (list == NULL) {
        return MDM_ERROR;
    }

    x->ctx = list;
    list->limit = MDM_API_OWNED;

    rc = mdm_api_page_args(x, MDM_API_OWNED_MAX, &list->limit, &cursor);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_key_profiles(x->arena, &list->tag, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_OWNED_INDEXED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_owned_list, &list->tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_OWNED_LIST_AFTER] = cursor;

    return (mdm_api_number(x, &args[MDM_ARG_OWNED_LIST_MOST], list->limit)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_owned_look(mdm_exchange_t *x, mdm_api_owned_list_t *list)
{
    size_t      i, n;
    mdm_str_t   name;

    list->page = x->calls[0].reply;
    n = mdm_reply_size(list->page);

    if (n > (size_t) list->limit) {
        return mdm_exchange_odd(x, 0);
    }

    if (n == 0) {
        x->ncalls = 0;
        return mdm_api_owned_answer(x, list);
    }

    list->keys = mdm_arena_alloc(x->arena, n * sizeof(mdm_str_t));

    if (list->keys == NULL
        || mdm_exchange_calls(x, n, MDM_API_OWNED_DONE) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        name = mdm_reply_str(list->page, i);

        if (mdm_key_owned(x->arena, &list->keys[i], &x->tenant, &name)
            != MDM_OK
            || mdm_exchange_call(x, i, &mdm_script_owned_get, &list->keys[i],
                                 0)
               == NULL)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_owned_answer(mdm_exchange_t *x, mdm_api_owned_list_t *list)
{
    mdm_int_t       rc;
    mdm_str_t       name, next;
    mdm_uint_t      i;
    mdm_json_out_t  j;

    mdm_json_init(&j, x->arena, 64 + 256 * (x->ncalls + 1));
    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "serials", '[');

    for (i = 0; i < x->ncalls; i++) {

        /* one that was being put, or taken away, when the worker ended */

        if (mdm_reply_code(x->calls[i].reply, 0) != 1) {
            continue;
        }

        name = mdm_reply_str(list->page, i);

        rc = mdm_api_owned_row(x, &j, &name, &list->keys[i],
                               x->calls[i].reply);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    mdm_str_null(&next);

    if ((int64_t) x->ncalls == list->limit) {
        next = mdm_reply_str(list->page, x->ncalls - 1);
    }

    return mdm_api_page_end(x, &j, &next);
}


/* MDM_OK, MDM_DONE, MDM_ERROR */

static mdm_int_t
mdm_api_owned_row(mdm_exchange_t *x, mdm_json_out_t *j, const mdm_str_t *name,
    const mdm_str_t *key, const mdm_reply_t *reply)
{
    mdm_int_t    rc;
    mdm_str_t    value;
    mdm_owned_t  owned;

    value = mdm_reply_str(reply, MDM_RET_OWNED_GET_BIND);

    rc = mdm_owned_read(x, key, &value, &owned);
    if (rc != MDM_OK) {
        return rc;
    }

    mdm_json_open(j, NULL, '{');
    mdm_json_id(j, "serial", name);

    if (mdm_gives_show(x->arena, &owned.gives, j) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_json_opt_str(j, "asset", &owned.asset);
    value = mdm_reply_str(reply, MDM_RET_OWNED_GET_TIME);
    mdm_json_opt_time(j, "time", &value);
    value = mdm_reply_str(reply, MDM_RET_OWNED_GET_BY);
    mdm_json_opt_str(j, "by", &value);
    mdm_json_close(j, '}');

    return MDM_OK;
}
