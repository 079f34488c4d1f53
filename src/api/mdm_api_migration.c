
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * PUT /migration: an Authenticate, TokenUpdate or SetBootstrapToken that
 * another server kept.
 */


#include "mdm_api.h"
#include "mdm_api_migration.h"
#include "mdm_checkin.h"
#include "mdm_ddm_replica.h"
#include "mdm_ddm_token.h"
#include "mdm_exchange_secret.h"
#include "mdm_key.h"


#define MDM_API_MIGRATE_UNLOCK  65536   /* bytes of an UnlockToken */


enum {
    MDM_API_MIGRATION_BEGIN = 0,
    MDM_API_MIGRATION_STORED,
    MDM_API_MIGRATION_FOLLOWED,
    MDM_API_MIGRATION_BOOTSTRAP,
    MDM_API_MIGRATION_SERIAL
};


static mdm_int_t mdm_api_migration_call(mdm_exchange_t *x);
static mdm_int_t mdm_api_migration_message(mdm_exchange_t *x,
    plist_t *message, mdm_enrollment_t *en);
static mdm_int_t mdm_api_migration_token(mdm_exchange_t *x, plist_t message,
    mdm_str_t *unlock, mdm_uint_t *awaiting);
static mdm_str_t mdm_api_migration_serial_of(const mdm_str_t *args,
    mdm_uint_t n);
static mdm_int_t mdm_api_migration_serial(mdm_exchange_t *x,
    const mdm_str_t *serial, const mdm_str_t *device, mdm_int_t state);
static mdm_int_t mdm_api_migration_answer(mdm_exchange_t *x);


mdm_int_t
mdm_api_migration_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_MIGRATION_BEGIN:
        return mdm_api_migration_call(x);

    case MDM_API_MIGRATION_STORED:
        return mdm_api_migration_answer(x);

    case MDM_API_MIGRATION_SERIAL:
        return mdm_exchange_empty(x, 200);

    case MDM_API_MIGRATION_BOOTSTRAP:
        return mdm_api_migration_bootstrap_answer(x);

    default: /* MDM_API_MIGRATION_FOLLOWED */
        return mdm_exchange_empty(x, 200);
    }
}


static mdm_int_t
mdm_api_migration_call(mdm_exchange_t *x)
{
    plist_t              message;
    mdm_int_t            rc;
    mdm_str_t            unlock, *args, *pairs;
    mdm_uint_t           n, awaiting, token;
    mdm_enrollment_t     en;
    mdm_secret_where_t   where;

    message = NULL;
    memset(&en, 0, sizeof(mdm_enrollment_t));

    rc = mdm_api_migration_message(x, &message, &en);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_str_is(&x->message, "SetBootstrapToken")) {
        return mdm_api_migration_bootstrap(x, &en, message,
                                           MDM_API_MIGRATION_BOOTSTRAP);
    }

    token = mdm_str_is(&x->message, "TokenUpdate");

    if (!token && !mdm_str_is(&x->message, "Authenticate")) {
        return mdm_exchange_refuse(x, 400, "MessageType is neither "
                                   "Authenticate, TokenUpdate nor "
                                   "SetBootstrapToken");
    }

    mdm_str_null(&unlock);
    awaiting = 0;

    if (token) {
        rc = mdm_api_migration_token(x, message, &unlock, &awaiting);
        if (rc != MDM_OK) {
            return rc;
        }

        rc = mdm_checkin_fields_token_update(x->arena, message, &pairs, &n);

    } else {

        if (mdm_enrollment_user(&en)) {
            return mdm_exchange_refuse(x, 400, "Authenticate of a user "
                                       "channel");
        }

        rc = mdm_checkin_fields_authenticate(x->arena, message, &pairs, &n);
    }

    if (rc != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_MIGRATION_STORED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_migrate, &en.tag, n);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_MIGRATE_MESSAGE] = x->message;
    args[MDM_ARG_MIGRATE_ID] = en.id_key;
    args[MDM_ARG_MIGRATE_DEVICE] = en.device_key;
    args[MDM_ARG_MIGRATE_KIND] = mdm_type_name(en.type);
    args[MDM_ARG_MIGRATE_AWAITING] = mdm_api_flag(awaiting);
    args[MDM_ARG_MIGRATE_UNLOCK] = unlock;

    mdm_where_token(&where, &en.tag, &en.id_key, "unlock");

    if (mdm_exchange_seal(x, x->arena, &where, &args[MDM_ARG_MIGRATE_UNLOCK],
                          NULL)
        != MDM_OK
        || mdm_message_payload(x, &en.tag, &en.id_key, 0,
                               &args[MDM_ARG_MIGRATE_RAW])
           != MDM_OK
        || mdm_ddm_notify_args(x, &en.tag, &args[MDM_ARG_MIGRATE_UUID],
                               &args[MDM_ARG_MIGRATE_BODY])
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    memcpy(&args[MDM_ARG_MIGRATE_FIELDS], pairs, n * sizeof(mdm_str_t));

    return MDM_CALL;
}


/*
 * The message in the body, and whose it is: x->message and x->enrollment_id
 * are set.  MDM_OK; else what the step is to return.
 */

static mdm_int_t
mdm_api_migration_message(mdm_exchange_t *x, plist_t *message,
    mdm_enrollment_t *en)
{
    mdm_int_t     rc;
    const char   *why;
    mdm_limits_t  limits;

    if (x->body.len == 0) {
        return mdm_exchange_refuse(x, 400, "the body is empty, a check-in "
                                   "message is expected");
    }

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    rc = mdm_plist_parse(x->arena, &x->body, &limits, message, &why);

    if (rc == MDM_OK) {
        rc = mdm_enrollment_resolve(x->arena, *message, &x->tenant,
                                    x->settings->store->partitions, en, &why);
    }

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 400, "%s", why);
    }

    if (rc != MDM_OK) {
        return MDM_ERROR;
    }

    x->enrollment_id = en->id;

    if (mdm_plist_string(*message, "MessageType", &x->message) != MDM_OK) {
        return mdm_exchange_refuse(x, 400, "MessageType is missing");
    }

    return MDM_OK;
}


/* what a TokenUpdate brings beside its fields; results as above */

static mdm_int_t
mdm_api_migration_token(mdm_exchange_t *x, plist_t message,
    mdm_str_t *unlock, mdm_uint_t *awaiting)
{
    const char  *why;

    why = mdm_checkin_token_missing(message);

    if (why != NULL) {
        return mdm_exchange_refuse(x, 400, "%s is missing, of another "
                                   "type, or too long", why);
    }

    if (mdm_plist_data(message, "UnlockToken", unlock) == MDM_ERROR
        || unlock->len > MDM_API_MIGRATE_UNLOCK)
    {
        return mdm_exchange_refuse(x, 400, "UnlockToken is not data, or "
                                   "too long");
    }

    (void) mdm_plist_bool(message, "AwaitingConfiguration", awaiting);

    return MDM_OK;
}


/* the serial number that is stored; empty: none */

static mdm_str_t
mdm_api_migration_serial_of(const mdm_str_t *args, mdm_uint_t n)
{
    mdm_uint_t  i;

    for (i = MDM_ARG_MIGRATE_FIELDS; i + 1 < n; i += 2) {
        if (mdm_str_is(&args[i], "serial")) {
            return args[i + 1];
        }
    }

    return (mdm_str_t) mdm_null_string;
}


/* enters the device where it is looked for by its serial number */

static mdm_int_t
mdm_api_migration_serial(mdm_exchange_t *x, const mdm_str_t *serial,
    const mdm_str_t *device, mdm_int_t state)
{
    mdm_str_t  key, *args;

    if (mdm_key_serial(x->arena, &key, &x->tenant, serial) != MDM_OK
        || mdm_exchange_calls(x, 1, state) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_serial_claim, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_SERIAL_CLAIM_DEVICE] = *device;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_migration_answer(mdm_exchange_t *x)
{
    mdm_str_t           outcome, serial, *args;
    mdm_ddm_follow_t   *follow;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;
    args = x->calls[0].args;

    switch (mdm_reply_code(reply, MDM_CODE_LOST)) {

    case MDM_CODE_NONE:
        break;

    case MDM_CODE_UNKNOWN:
        return mdm_exchange_refuse(x, 409, "the device of this user channel "
                                   "is not enrolled: migrate it first");

    case MDM_CODE_USERS:
        return mdm_exchange_refuse(x, 409, "the device has too many user "
                                   "channels");

    default:
        return mdm_exchange_odd(x, 0);
    }

    outcome = mdm_reply_str(reply, MDM_RET_MIGRATE_OUTCOME);
    x->owed = mdm_reply_int(reply, MDM_RET_MIGRATE_OWED, 0) == 1;
    x->owed_tag = x->calls[0].key;

    if (mdm_str_is(&outcome, "kept")) {
        mdm_exchange_log(x, MDM_LOG_NOTICE, "migration changed nothing: "
                         "the device itself has enrolled here since");
        return mdm_exchange_empty(x, 200);
    }

    /* an Authenticate has one, and brings no channel that waits for sets */

    serial = mdm_api_migration_serial_of(args, x->calls[0].nargs);

    if (serial.len != 0) {
        return mdm_api_migration_serial(x, &serial,
                                        &args[MDM_ARG_MIGRATE_DEVICE],
                                        MDM_API_MIGRATION_SERIAL);
    }

    if (mdm_reply_int(reply, MDM_RET_MIGRATE_FOLLOW, 0) == 0) {
        return mdm_exchange_empty(x, 200);
    }

    follow = mdm_arena_zalloc(x->arena, sizeof(mdm_ddm_follow_t));
    if (follow == NULL) {
        return MDM_ERROR;
    }

    follow->tag = x->calls[0].key;
    follow->id = args[MDM_ARG_MIGRATE_ID];
    follow->must = 1;
    follow->fresh = mdm_reply_int(reply, MDM_RET_MIGRATE_FRESH, 0) == 1;

    return mdm_exchange_enter(x, mdm_ddm_follow, follow,
                              MDM_API_MIGRATION_FOLLOWED);
}
