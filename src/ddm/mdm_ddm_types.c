
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Finds out what a client does not support of its manifest.
 */


#include "mdm_ddm_body.h"
#include "mdm_ddm_types.h"
#include "mdm_json.h"
#include "mdm_key.h"
#include "mdm_quote.h"


#define MDM_DDM_TYPES_CHUNK   20      /* ids a call */
#define MDM_DDM_TYPES_ROUND   64      /* calls a round */

/* bytes of a payload that is looked into */
#define MDM_DDM_TYPES_LARGEST  "65536"


static void mdm_ddm_types_take(mdm_exchange_t *x, mdm_ddm_types_t *types);
static mdm_int_t mdm_ddm_types_items(mdm_arena_t *arena,
    const mdm_ddm_client_t *client, const mdm_ddm_target_t *target,
    const mdm_str_t *json, mdm_str_t *reason);
static mdm_int_t mdm_ddm_types_item(mdm_arena_t *arena,
    const mdm_ddm_client_t *client, const mdm_ddm_target_t *target,
    const mdm_str_t *item, mdm_str_t *reason);


mdm_int_t
mdm_ddm_types_next(mdm_exchange_t *x, mdm_ddm_types_t *types,
    mdm_int_t state)
{
    size_t      i, k, n, left;
    mdm_str_t   key, *args;

    if (x->state == state) {
        mdm_ddm_types_take(x, types);
    }

    left = types->n - types->taken;

    if (left == 0) {
        return MDM_OK;
    }

    n = (left + MDM_DDM_TYPES_CHUNK - 1) / MDM_DDM_TYPES_CHUNK;
    n = (n > MDM_DDM_TYPES_ROUND) ? MDM_DDM_TYPES_ROUND : n;

    if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, n, state) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        k = (left > MDM_DDM_TYPES_CHUNK) ? MDM_DDM_TYPES_CHUNK : left;

        args = mdm_exchange_call(x, i, &mdm_script_ddm_types, &key, k);
        if (args == NULL) {
            return MDM_ERROR;
        }

        mdm_str_set(&args[MDM_ARG_DDM_TYPES_LARGEST], "0");

        if (types->payloads) {
            mdm_str_set(&args[MDM_ARG_DDM_TYPES_LARGEST],
                        MDM_DDM_TYPES_LARGEST);
        }

        for ( /* void */ ; k != 0; k--) {
            args[MDM_ARG_DDM_TYPES_IDS + k - 1] =
                types->list[types->n - left + k - 1].id;
        }

        left -= (left > MDM_DDM_TYPES_CHUNK) ? MDM_DDM_TYPES_CHUNK : left;
    }

    return MDM_CALL;
}


static void
mdm_ddm_types_take(mdm_exchange_t *x, mdm_ddm_types_t *types)
{
    size_t              i, k, row;
    mdm_ddm_typed_t    *d;
    const mdm_reply_t  *reply;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;

        for (k = 0;
             k < MDM_DDM_TYPES_CHUNK && types->taken != types->n;
             k++)
        {
            row = MDM_RET_DDM_TYPES_TYPES + MDM_NRET_DDM_TYPES_TYPES * k;
            d = &types->list[types->taken++];

            d->type = mdm_reply_str(reply, row + MDM_RET_DDM_TYPES_TYPES_TYPE);
            d->payload = mdm_reply_str(reply,
                                       row + MDM_RET_DDM_TYPES_TYPES_PAYLOAD);
        }
    }
}


mdm_int_t
mdm_ddm_types_reason(mdm_arena_t *arena, const mdm_ddm_client_t *client,
    const mdm_ddm_target_t *target, const mdm_ddm_typed_t *declaration,
    const mdm_str_t *subs, mdm_str_t *reason, mdm_uint_t *type)
{
    mdm_int_t       rc;
    mdm_quote_t     quote;
    mdm_ddm_body_t  body;

    mdm_str_null(reason);
    *type = 0;

    memset(&body, 0, sizeof(mdm_ddm_body_t));

    body.identifier = declaration->id;
    body.type = declaration->type;
    body.payload = declaration->payload;

    /* the module's own are in no table */

    if (body.type.len == 0) {
        rc = (subs->len != 0) ? mdm_ddm_own(arena, &body, subs)
                              : MDM_DECLINED;

        if (rc != MDM_OK) {
            return (rc == MDM_DECLINED) ? MDM_OK : MDM_ERROR;
        }
    }

    if (!mdm_ddm_client_takes(client, &body.type)) {
        *type = 1;

        return mdm_printf(arena, reason, "the client has not said that it "
                          "supports the type \"%s\"",
                          mdm_quote(&quote, (char *) body.type.data,
                                    body.type.len));
    }

    rc = mdm_ddm_target_type(arena, target, &body.type, client->declarations,
                             reason);

    if (rc == MDM_OK && reason->len == 0) {
        rc = mdm_ddm_target_keys(arena, target, &body.type, &body.payload,
                                 reason);
    }

    if (rc == MDM_OK && reason->len == 0
        && mdm_str_is(&body.type, "com.apple.configuration.management."
                                  "status-subscriptions"))
    {
        rc = mdm_ddm_types_items(arena, client, target, &body.payload, reason);
    }

    return rc;
}


/* the first status item of a subscription that the client has not */

static mdm_int_t
mdm_ddm_types_items(mdm_arena_t *arena, const mdm_ddm_client_t *client,
    const mdm_ddm_target_t *target, const mdm_str_t *json,
    mdm_str_t *reason)
{
    size_t         i;
    json_t        *root, *item, *name;
    mdm_int_t      rc;
    mdm_str_t      s;
    json_error_t   error;

    if (json->len == 0) {
        return MDM_OK;
    }

    rc = mdm_json_read(arena, json, JSON_ALLOW_NUL, &root, &error);

    if (rc != MDM_OK) {
        return (rc == MDM_DECLINED) ? MDM_OK : MDM_ERROR;
    }

    json_array_foreach(json_object_get(root, "StatusItems"), i, item) {
        name = json_object_get(item, "Name");

        if (!json_is_string(name)) {
            continue;
        }

        s.data = (u_char *) json_string_value(name);
        s.len = json_string_length(name);

        rc = mdm_ddm_types_item(arena, client, target, &s, reason);

        if (rc != MDM_OK || reason->len != 0) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_types_item(mdm_arena_t *arena, const mdm_ddm_client_t *client,
    const mdm_ddm_target_t *target, const mdm_str_t *item,
    mdm_str_t *reason)
{
    mdm_quote_t  quote;

    if (!client->status) {
        return mdm_ddm_target_item(arena, target, item, reason);
    }

    if (mdm_ddm_client_has(client, item)) {
        return MDM_OK;
    }

    return mdm_printf(arena, reason, "the client has not said that it supports "
                      "the status item \"%s\"",
                      mdm_quote(&quote, (char *) item->data, item->len));
}
