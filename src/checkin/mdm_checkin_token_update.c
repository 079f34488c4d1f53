
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * TokenUpdate: what a push to a channel needs, and the UnlockToken.
 */


#include "mdm_checkin.h"
#include "mdm_ddm_replica.h"
#include "mdm_ddm_rollout.h"
#include "mdm_ddm_token.h"
#include "mdm_exchange_secret.h"
#include "mdm_key.h"
#include "mdm_setup.h"
#include "mdm_topic.h"


#define MDM_UNLOCK_TOKEN_MAX  65536

/* seconds until a job looks whether what is owed was begun */
#define MDM_TOKEN_LOOK        15


enum {
    MDM_TOKEN_BEGIN = 0,
    MDM_TOKEN_STORED,
    MDM_TOKEN_SET_UP,
    MDM_TOKEN_FOLLOWED
};


/* m->data once it is stored: what is to follow */

typedef struct {
    mdm_uint_t                fresh;
    int64_t                   follows;
    int64_t                   replica;
    int64_t                   rev;         /* -1: not known */
    mdm_setup_t               setup;
} mdm_checkin_token_t;


static mdm_int_t mdm_checkin_token_store(mdm_exchange_t *x);
static mdm_int_t mdm_checkin_token_stored(mdm_exchange_t *x);
static mdm_int_t mdm_checkin_token_told(mdm_exchange_t *x);
static mdm_int_t mdm_checkin_token_set_up(mdm_exchange_t *x);
static mdm_int_t mdm_checkin_token_follow(mdm_exchange_t *x,
    mdm_checkin_token_t *token);


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
    switch (x->state) {

    case MDM_TOKEN_STORED:
        return mdm_checkin_token_stored(x);

    case MDM_TOKEN_SET_UP:
        return mdm_checkin_token_set_up(x);

    case MDM_TOKEN_FOLLOWED:
        return mdm_exchange_empty(x, 200);

    default: /* MDM_TOKEN_BEGIN */
        return mdm_checkin_token_store(x);
    }
}


static mdm_int_t
mdm_checkin_token_store(mdm_exchange_t *x)
{
    mdm_str_t            key, unlock, *args, *pairs;
    const char          *missing;
    mdm_uint_t           n, awaiting;
    mdm_message_t       *m;
    mdm_secret_where_t   where;

    static const mdm_str_t  event = mdm_string("mdm.TokenUpdate");

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

    /* who waits in Setup Assistant is looked after, whatever becomes of us */

    if (mdm_exchange_calls(x, 2 + awaiting, MDM_TOKEN_STORED) != MDM_CALL
        || (awaiting
            && mdm_job_kick_call(x, 2, MDM_SETUP_JOB, MDM_TOKEN_LOOK)
               != MDM_OK)
        || mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_call(x, 1, &mdm_script_ddm_rev, &key, 0) == NULL)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    args = mdm_message_args(x, 0, &mdm_script_token_update, n);
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
    args[MDM_ARG_TOKEN_UPDATE_RELEASE] =
                                mdm_setup_release_name(x->settings->release);

    mdm_where_token(&where, &m->en.tag, &m->en.id_key, "unlock");

    if (mdm_exchange_seal(x, x->arena, &where,
                          &args[MDM_ARG_TOKEN_UPDATE_UNLOCK], NULL)
        != MDM_OK
        || mdm_message_payload(x, &m->en.tag, &m->en.id_key, mdm_topic(&event),
                               &args[MDM_ARG_TOKEN_UPDATE_RAW])
           != MDM_OK
        || mdm_ddm_notify_args(x, &m->en.tag, &args[MDM_ARG_TOKEN_UPDATE_UUID],
                               &args[MDM_ARG_TOKEN_UPDATE_BODY])
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    memcpy(&args[MDM_ARG_TOKEN_UPDATE_FIELDS], pairs, n * sizeof(mdm_str_t));

    if (x->settings->push) {
        (void) mdm_plist_string(m->plist, "Topic", &x->push_topic);
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_checkin_token_stored(mdm_exchange_t *x)
{
    mdm_message_t         *m;
    mdm_setup_t           *setup;
    const mdm_reply_t     *reply;
    mdm_checkin_token_t   *token;

    m = x->ctx;

    if (x->calls[0].rc == MDM_CALL_UNAVAILABLE) {
        return mdm_exchange_unavailable(x);
    }

    if (x->calls[0].rc != MDM_CALL_OK) {
        return MDM_ERROR;
    }

    reply = x->calls[0].reply;

    if (mdm_reply_code(reply, MDM_CODE_LOST) != MDM_CODE_NONE) {
        return mdm_checkin_end(x);
    }

    x->owed = mdm_reply_int(reply, MDM_RET_TOKEN_UPDATE_OWED, 0) == 1;
    x->owed_tag = x->calls[0].key;

    token = mdm_arena_zalloc(x->arena, sizeof(mdm_checkin_token_t));
    if (token == NULL) {
        return MDM_ERROR;
    }

    m->data = token;

    token->fresh = mdm_reply_int(reply, MDM_RET_TOKEN_UPDATE_FRESH, 0) == 1;
    token->follows = mdm_reply_int(reply, MDM_RET_TOKEN_UPDATE_FOLLOW, 0);
    token->replica = mdm_reply_int(reply, MDM_RET_TOKEN_UPDATE_REPLICA, -1);
    token->rev = (x->calls[1].rc == MDM_CALL_OK)
                 ? mdm_reply_int(x->calls[1].reply, MDM_RET_DDM_REV_REV, 0)
                 : -1;

    if (mdm_reply_int(reply, MDM_RET_TOKEN_UPDATE_SETUP, 0) != 1) {
        return mdm_checkin_token_follow(x, token);
    }

    setup = &token->setup;
    setup->tag = m->en.tag;
    setup->id = m->en.id_key;
    setup->device = m->en.device_key;
    setup->facts = mdm_reply_at(reply, MDM_RET_TOKEN_UPDATE_FACTS);
    setup->changes = (x->calls[1].rc == MDM_CALL_OK)
                     ? mdm_reply_int(x->calls[1].reply, MDM_RET_DDM_REV_SETUPS,
                                     -1)
                     : -1;

    return mdm_exchange_enter(x, mdm_setup_run, setup, MDM_TOKEN_SET_UP);
}


static mdm_int_t
mdm_checkin_token_set_up(mdm_exchange_t *x)
{
    mdm_message_t        *m;
    mdm_checkin_token_t  *token;

    m = x->ctx;
    token = m->data;

    if (!token->setup.done) {
        x->kick = MDM_SETUP_JOB;
    }

    if (token->setup.owed) {
        x->owed = 1;
        x->owed_tag = m->en.tag;
    }

    /* what it was given is computed with the rest */

    if (token->setup.given != 0) {
        token->follows = 2;
    }

    return mdm_checkin_token_follow(x, token);
}


/*
 * Has the partition all that this channel is to get?  Where its copy lacks
 * something and it cannot be brought, a device that enrolls has to come again:
 * a rollout tells nobody of what was changed with "nonotify=1".  One that has
 * no copy yet tells everybody when it gets its first one.
 */

static mdm_int_t
mdm_checkin_token_follow(mdm_exchange_t *x, mdm_checkin_token_t *token)
{
    mdm_uint_t         must;
    mdm_message_t     *m;
    mdm_ddm_follow_t  *follow;

    must = (token->follows == 2 || (token->fresh && token->replica >= 0));

    if (token->rev < 0) {
        x->kick = MDM_DDM_ROLLOUT;

        return must ? mdm_exchange_unavailable(x)
                    : mdm_exchange_empty(x, 200);
    }

    if (token->follows != 2
        && (token->rev == 0 || token->replica >= token->rev))
    {
        return (token->fresh && token->replica >= 0)
               ? mdm_checkin_token_told(x) : mdm_exchange_empty(x, 200);
    }

    m = x->ctx;

    follow = mdm_arena_zalloc(x->arena, sizeof(mdm_ddm_follow_t));
    if (follow == NULL) {
        return MDM_ERROR;
    }

    follow->tag = m->en.tag;
    follow->id = m->en.id_key;
    follow->must = must;
    follow->fresh = token->fresh;

    /* if the worker ends here, the device repeats its TokenUpdate */

    return mdm_exchange_enter(x, mdm_ddm_follow, follow, MDM_TOKEN_FOLLOWED);
}


/* if this fails, the next one does more than it need */

static mdm_int_t
mdm_checkin_token_told(mdm_exchange_t *x)
{
    mdm_str_t      *args;
    mdm_message_t  *m;

    m = x->ctx;

    if (mdm_exchange_calls(x, 1, MDM_TOKEN_FOLLOWED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_token_told, &m->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_TOKEN_TOLD_ID] = m->en.id_key;

    x->own_failures = 1;

    return MDM_CALL;
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
