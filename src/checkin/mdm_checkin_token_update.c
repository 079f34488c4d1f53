
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * TokenUpdate: what a push to a channel needs, and the UnlockToken.
 */


#include "mdm_checkin.h"
#include "mdm_ddm_rollout.h"
#include "mdm_ddm_token.h"
#include "mdm_exchange_secret.h"


#define MDM_UNLOCK_TOKEN_MAX  65536


enum {
    MDM_TOKEN_BEGIN = 0,
    MDM_TOKEN_STORED,
    MDM_TOKEN_KICKED
};


static mdm_int_t mdm_checkin_token_stored(mdm_exchange_t *x);


static const mdm_checkin_field_t  mdm_token_update_fields[] = {
    { "Topic", mdm_string("topic"), 0 },
    { "PushMagic", mdm_string("magic"), 0 },
    { "Token", mdm_string("token"), 1 },
    { "UserShortName", mdm_string("short_name"), 0 },
    { "UserLongName", mdm_string("long_name"), 0 },
    { NULL, mdm_null_string, 0 }
};


mdm_int_t
mdm_checkin_token_update(mdm_exchange_t *x)
{
    mdm_str_t            unlock, *args, *pairs;
    const char          *missing;
    mdm_uint_t           n, awaiting;
    mdm_message_t       *m;
    mdm_secret_where_t   where;

    if (x->state != MDM_TOKEN_BEGIN) {
        return mdm_checkin_token_stored(x);
    }

    m = x->ctx;

    missing = mdm_checkin_token_missing(m->plist);
    if (missing != NULL) {
        return mdm_exchange_refuse(x, 400, "%s is missing", missing);
    }

    mdm_str_null(&unlock);
    awaiting = 0;

    (void) mdm_plist_bool(m->plist, "AwaitingConfiguration", &awaiting);

    if (mdm_plist_data(m->plist, "UnlockToken", &unlock) == MDM_ERROR
        || unlock.len > MDM_UNLOCK_TOKEN_MAX)
    {
        return mdm_exchange_refuse(x, 400, "UnlockToken is not data, or too "
                                   "long");
    }

    if (mdm_checkin_fields_token_update(x->arena, m->plist, &pairs, &n)
        != MDM_OK
        || mdm_message_nonce(x, m) != MDM_OK)
    {
        return MDM_ERROR;
    }

    args = mdm_message_call(x, &mdm_script_token_update, n,
                            MDM_TOKEN_STORED);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_TOKEN_UPDATE_KIND] = mdm_type_name(m->en.type);
    args[MDM_ARG_TOKEN_UPDATE_NONCE] = m->nonce;

    mdm_str_set(&args[MDM_ARG_TOKEN_UPDATE_AWAITING], "0");

    if (awaiting) {
        mdm_str_set(&args[MDM_ARG_TOKEN_UPDATE_AWAITING], "1");
    }

    args[MDM_ARG_TOKEN_UPDATE_UNLOCK] = unlock;

    mdm_where_token(&where, &m->en.tag, &m->en.id_key, "unlock");

    if (mdm_exchange_seal(x, x->arena, &where,
                          &args[MDM_ARG_TOKEN_UPDATE_UNLOCK], NULL)
        != MDM_OK
        || mdm_message_payload(x, &m->en.tag, &m->en.id_key,
                               &args[MDM_ARG_TOKEN_UPDATE_RAW])
           != MDM_OK
        || mdm_ddm_notify_args(x, &m->en.tag, &args[MDM_ARG_TOKEN_UPDATE_UUID],
                               &args[MDM_ARG_TOKEN_UPDATE_BODY])
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    memcpy(&args[MDM_ARG_TOKEN_UPDATE_FIELDS], pairs, n * sizeof(mdm_str_t));

    return MDM_CALL;
}


static mdm_int_t
mdm_checkin_token_stored(mdm_exchange_t *x)
{
    if (x->state == MDM_TOKEN_KICKED) {
        return mdm_exchange_empty(x, 200);
    }

    if (mdm_reply_int(x->calls[0].reply, MDM_RET_TOKEN_UPDATE_FIRST, 0) != 1) {
        return mdm_checkin_end(x);
    }

    /* if the worker ends here, the device repeats its TokenUpdate */

    return mdm_exchange_enter(x, mdm_ddm_ensure_sets, x->ctx, MDM_TOKEN_KICKED);
}


mdm_int_t
mdm_checkin_fields_token_update(mdm_arena_t *arena, plist_t message,
    mdm_str_t **pairs, mdm_uint_t *n)
{
    return mdm_checkin_fields(arena, message, mdm_token_update_fields, pairs,
                              n);
}


const char *
mdm_checkin_token_missing(plist_t message)
{
    mdm_str_t           value;
    const mdm_checkin_field_t  *field;

    /* the first three: Topic, PushMagic, Token */

    for (field = mdm_token_update_fields;
         field < &mdm_token_update_fields[3];
         field++)
    {
        if ((field->data ? mdm_plist_data(message, field->key, &value)
                         : mdm_plist_string(message, field->key, &value))
            != MDM_OK
            || value.len == 0 || value.len > MDM_FIELD_MAX)
        {
            return field->key;
        }
    }

    return NULL;
}
