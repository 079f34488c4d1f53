
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/enrollments/ID, DELETE /v1/enrollments/ID/certificate.
 */


#include "mdm_api.h"
#include "mdm_api_audit.h"
#include "mdm_api_json.h"
#include "mdm_api_util.h"
#include "mdm_block.h"
#include "mdm_exchange_secret.h"


static mdm_int_t mdm_api_enrollment_call(mdm_exchange_t *x);
static mdm_int_t mdm_api_enrollment_answer(mdm_exchange_t *x);
static void mdm_api_enrollment_channel(mdm_json_out_t *j,
    const mdm_reply_t *own);
static void mdm_api_enrollment_state(mdm_json_out_t *j,
    const mdm_reply_t *own);
static void mdm_api_enrollment_counts(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_reply_t *counts);
static void mdm_api_enrollment_block(mdm_json_out_t *j,
    const mdm_reply_t *device);
static void mdm_api_enrollment_push(mdm_json_out_t *j,
    const mdm_reply_t *push);
static mdm_uint_t mdm_api_enrollment_has(mdm_exchange_t *x,
    const mdm_reply_t *counts, size_t i);
static void mdm_api_enrollment_device(mdm_json_out_t *j,
    const mdm_reply_t *reply, const mdm_str_t *unlock);


/* in the order of the script */

static const char  *mdm_api_device_names[] = {
    "serial_number", "name", "model", "model_name", "product", "os_version",
    "build", "imei", "meid", NULL
};


mdm_int_t
mdm_api_enrollment_get_step(mdm_exchange_t *x)
{
    return (x->state == 0) ? mdm_api_enrollment_call(x)
                           : mdm_api_enrollment_answer(x);
}


static mdm_int_t
mdm_api_enrollment_call(mdm_exchange_t *x)
{
    mdm_int_t          rc;
    mdm_str_t         *args;
    mdm_uint_t         cert, unlock;
    mdm_enrollment_t   en;

    cert = 0;
    unlock = 0;

    rc = mdm_api_enrollment(x, 0, &en);

    if (rc == MDM_OK) {
        rc = mdm_api_arg_flag(x, "include_device_cert", &cert);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg_flag(x, "include_unlock_token", &unlock);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_exchange_calls(x, 1, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_enrollment_get, &en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_ENROLLMENT_GET_ID] = en.id_key;
    args[MDM_ARG_ENROLLMENT_GET_WITH_CERTIFICATE] = mdm_api_flag(cert);
    args[MDM_ARG_ENROLLMENT_GET_WITH_UNLOCK] = mdm_api_flag(unlock);

    return MDM_CALL;
}


static mdm_int_t
mdm_api_enrollment_answer(mdm_exchange_t *x)
{
    size_t               i;
    mdm_int_t            rc;
    mdm_str_t            s, unlock, *id;
    mdm_json_out_t       j;
    mdm_secret_where_t   where;
    const mdm_reply_t   *reply, *own, *counts, *users;

    reply = x->calls[0].reply;

    if (mdm_reply_code(reply, 0) == 0) {
        return mdm_api_not_enrolled(x);
    }

    unlock = mdm_reply_str(reply, MDM_RET_ENROLLMENT_GET_UNLOCK);

    id = &x->calls[0].args[MDM_ARG_ENROLLMENT_GET_ID];

    mdm_where_token(&where, &x->calls[0].key, id, "unlock");

    rc = mdm_exchange_open(x, &where, &unlock);
    if (rc != MDM_OK) {
        return rc;
    }

    if (unlock.len != 0
        && mdm_api_audit(x, &x->calls[0].key, "unlock_token",
                         id, NULL)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    own = mdm_reply_at(reply, MDM_RET_ENROLLMENT_GET_OWN);
    counts = mdm_reply_at(reply, MDM_RET_ENROLLMENT_GET_COUNTS);
    users = mdm_reply_at(reply, MDM_RET_ENROLLMENT_GET_USERS);

    mdm_json_init(&j, x->arena, 1024);
    mdm_json_open(&j, NULL, '{');

    mdm_json_str(&j, "id", &x->enrollment_id);

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_TYPE);
    mdm_json_str(&j, "type", &s);

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_PARENT);

    if (s.len != 0) {
        mdm_json_id(&j, "parent", &s);
    }

    mdm_api_enrollment_device(&j, reply, &unlock);
    mdm_api_enrollment_channel(&j, own);
    mdm_api_enrollment_state(&j, own);
    mdm_api_enrollment_block(&j, mdm_reply_at(reply,
                                              MDM_RET_ENROLLMENT_GET_DEVICE));
    mdm_api_enrollment_counts(x, &j, counts);
    mdm_api_enrollment_push(&j, mdm_reply_at(reply,
                                             MDM_RET_ENROLLMENT_GET_PUSH));

    mdm_json_open(&j, "users", '[');

    for (i = 0; i < mdm_reply_size(users); i++) {
        s = mdm_reply_str(users, i);
        mdm_json_id(&j, NULL, &s);
    }

    mdm_json_close(&j, ']');
    mdm_json_close(&j, '}');

    return mdm_api_audited(x, mdm_api_json_answer(&j, x, 200));
}


static void
mdm_api_enrollment_channel(mdm_json_out_t *j, const mdm_reply_t *own)
{
    mdm_str_t  s;

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_SHORT_NAME);

    if (s.len != 0
        || mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_LONG_NAME).len != 0)
    {
        mdm_json_open(j, "user", '{');
        mdm_json_opt_str(j, "user_short_name", &s);

        s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_LONG_NAME);
        mdm_json_opt_str(j, "user_long_name", &s);
        mdm_json_close(j, '}');
    }
}


static void
mdm_api_enrollment_state(mdm_json_out_t *j, const mdm_reply_t *own)
{
    int64_t    tally;
    mdm_str_t  s;

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_ENABLED);
    mdm_json_bool(j, "enabled", mdm_str_is(&s, "1"));

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_TALLY);

    if (mdm_atoi(&s, &tally) != MDM_OK) {
        tally = 0;
    }

    mdm_json_int(j, "token_update_tally", tally);

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_LAST_SEEN);
    mdm_json_opt_time(j, "last_seen", &s);

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_ENROLLED);
    mdm_json_opt_time(j, "enrolled", &s);

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_UPDATED);
    mdm_json_opt_time(j, "updated", &s);

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_AWAITING);
    mdm_json_bool(j, "awaiting_configuration", mdm_str_is(&s, "1"));

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_WAITS);

    if (s.len != 0) {
        mdm_json_bool(j, "awaiting", 1);
    }

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_CONSOLE);

    if (mdm_str_is(&s, "1")) {
        mdm_json_bool(j, "not_on_console", 1);
    }

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_MIGRATED);
    mdm_json_bool(j, "migrated", mdm_str_is(&s, "1"));

    s = mdm_reply_str(own, MDM_RET_ENROLLMENT_GET_OWN_TOPIC);
    mdm_json_opt_str(j, "topic", &s);
}


static void
mdm_api_enrollment_counts(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_reply_t *counts)
{
    mdm_json_int(j, "queue_length",
                 mdm_reply_int(counts, MDM_RET_ENROLLMENT_GET_COUNTS_QUEUE,
                               0));

    mdm_json_bool(j, "has_bootstrap_token",
                  mdm_api_enrollment_has(x, counts,
                            MDM_RET_ENROLLMENT_GET_COUNTS_BOOTSTRAP));

    mdm_json_bool(j, "has_unlock_token",
                  mdm_api_enrollment_has(x, counts,
                            MDM_RET_ENROLLMENT_GET_COUNTS_UNLOCK));

    if (mdm_reply_int(counts, MDM_RET_ENROLLMENT_GET_COUNTS_BOOTSTRAP_HELD, 0)
        != 0)
    {
        mdm_json_bool(j, "bootstrap_token_withheld", 1);
    }

    if (mdm_reply_int(counts, MDM_RET_ENROLLMENT_GET_COUNTS_UNLOCK_HELD, 0)
        != 0)
    {
        mdm_json_bool(j, "unlock_token_withheld", 1);
    }
}


/* of a user what is of its device */

static void
mdm_api_enrollment_block(mdm_json_out_t *j, const mdm_reply_t *device)
{
    mdm_str_t    s;
    mdm_block_e  blocked;

    s = mdm_reply_str(device, MDM_RET_ENROLLMENT_GET_DEVICE_ERASED);
    mdm_json_opt_time(j, "erased", &s);

    s = mdm_reply_str(device, MDM_RET_ENROLLMENT_GET_DEVICE_LAPSED);
    mdm_json_opt_time(j, "certificate_lapsed", &s);

    blocked = mdm_block_read(device, MDM_RET_ENROLLMENT_GET_DEVICE_BLOCKED);

    if (blocked == MDM_BLOCK_NONE) {
        return;
    }

    mdm_json_open(j, "blocked", '{');

    s = mdm_reply_str(device, MDM_RET_ENROLLMENT_GET_DEVICE_BLOCK_TIME);
    mdm_json_opt_time(j, "since", &s);

    mdm_json_bool(j, "unenroll", blocked != MDM_BLOCK_REFUSE);

    s = mdm_reply_str(device, MDM_RET_ENROLLMENT_GET_DEVICE_BLOCK_REASON);
    mdm_json_opt_str(j, "reason", &s);

    mdm_json_close(j, '}');
}


/* why a queue does not move */

static void
mdm_api_enrollment_push(mdm_json_out_t *j, const mdm_reply_t *push)
{
    int64_t    tries;
    mdm_str_t  s;

    mdm_json_open(j, "push", '{');

    s = mdm_reply_str(push, MDM_RET_ENROLLMENT_GET_PUSH_LAST);
    mdm_json_opt_time(j, "last", &s);

    s = mdm_reply_str(push, MDM_RET_ENROLLMENT_GET_PUSH_RESULT);
    mdm_json_opt_str(j, "result", &s);

    s = mdm_reply_str(push, MDM_RET_ENROLLMENT_GET_PUSH_TRIES);

    if (mdm_atoi(&s, &tries) == MDM_OK) {
        mdm_json_int(j, "tries", tries);
    }

    s = mdm_reply_str(push, MDM_RET_ENROLLMENT_GET_PUSH_NEXT);
    mdm_json_opt_time(j, "next", &s);

    s = mdm_reply_str(push, MDM_RET_ENROLLMENT_GET_PUSH_REASON);

    if (s.len != 0) {
        mdm_json_open(j, "dead", '{');
        mdm_json_str(j, "reason", &s);

        s = mdm_reply_str(push, MDM_RET_ENROLLMENT_GET_PUSH_SINCE);
        mdm_json_opt_time(j, "since", &s);
        mdm_json_close(j, '}');
    }

    if (mdm_reply_int(push, MDM_RET_ENROLLMENT_GET_PUSH_ERASED, 0) != 0) {
        mdm_json_bool(j, "erased", 1);
    }

    mdm_json_close(j, '}');
}


/* a token that devices would get: not one that somebody else has put there */

static mdm_uint_t
mdm_api_enrollment_has(mdm_exchange_t *x, const mdm_reply_t *counts, size_t i)
{
    int64_t  there;

    there = mdm_reply_int(counts, i, 0);

    return there == 1
           || (there != 0 && !x->settings->store->encryption_required);
}


static void
mdm_api_enrollment_device(mdm_json_out_t *j, const mdm_reply_t *reply,
    const mdm_str_t *unlock)
{
    size_t              i;
    mdm_str_t           s;
    const mdm_reply_t  *device;

    device = mdm_reply_at(reply, MDM_RET_ENROLLMENT_GET_DEVICE);

    mdm_json_open(j, "device", '{');

    for (i = 0; mdm_api_device_names[i] != NULL; i++) {
        s = mdm_reply_str(device, i);
        mdm_json_opt_str(j, mdm_api_device_names[i], &s);
    }

    s = mdm_reply_str(device, MDM_RET_ENROLLMENT_GET_DEVICE_SUPERVISED);

    if (s.len != 0) {
        mdm_json_bool(j, "supervised", mdm_str_is(&s, "1"));
    }

    s = mdm_reply_str(device, MDM_RET_ENROLLMENT_GET_DEVICE_PERSON);
    mdm_json_opt_str(j, "person", &s);

    s = mdm_reply_str(device, MDM_RET_ENROLLMENT_GET_DEVICE_ENROLLMENT);
    mdm_json_opt_str(j, "enrollment", &s);

    s = mdm_reply_str(device, MDM_RET_ENROLLMENT_GET_DEVICE_WAY);
    mdm_json_opt_str(j, "way", &s);

    s = mdm_reply_str(device, MDM_RET_ENROLLMENT_GET_DEVICE_CERT);

    if (s.len != 0) {
        mdm_json_hex(j, "certificate_sha256", &s);
    }

    s = mdm_reply_str(reply, MDM_RET_ENROLLMENT_GET_DER);

    if (s.len != 0) {
        mdm_json_pem(j, "device_cert", &s);
    }

    if (unlock->len != 0) {
        mdm_json_base64(j, "unlock_token", unlock);
    }

    mdm_json_close(j, '}');
}


mdm_int_t
mdm_api_pin_reset_step(mdm_exchange_t *x)
{
    int64_t            code;
    mdm_int_t          rc;
    mdm_str_t         *args;
    mdm_enrollment_t   en;

    if (x->state != 0) {
        code = mdm_reply_code(x->calls[0].reply, -1);

        if (code < 0) {
            return mdm_api_not_enrolled(x);
        }

        if (code == 0) {
            return mdm_exchange_refuse(x, 404, "no certificate is pinned");
        }

        mdm_exchange_log(x, MDM_LOG_NOTICE, "the pinned certificate was "
                         "reset by an administrator");

        return mdm_exchange_empty(x, 204);
    }

    rc = mdm_api_enrollment(x, 0, &en);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!mdm_str_eq(&en.id, &en.device)) {
        return mdm_exchange_refuse(x, 400, "a certificate is pinned to a "
                                   "device, not to a user channel");
    }

    if (mdm_exchange_calls(x, 1, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_pin_reset, &en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_PIN_RESET_DEVICE] = en.id_key;

    return MDM_CALL;
}
