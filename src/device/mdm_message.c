
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What all messages of a device share: who speaks, the pin, the refusals.
 */


#include <openssl/rand.h>

#include "mdm_certificate.h"
#include "mdm_exchange_secret.h"
#include "mdm_key.h"
#include "mdm_message.h"
#include "mdm_number.h"
#include "mdm_webhook.h"


static mdm_int_t mdm_message_pin_step(mdm_exchange_t *x);
static mdm_int_t mdm_message_pin_check(mdm_exchange_t *x);
static mdm_int_t mdm_message_pin_kick(mdm_exchange_t *x, mdm_uint_t i);
static mdm_int_t mdm_message_pin_claim(mdm_exchange_t *x);
static mdm_int_t mdm_message_pin_end(mdm_exchange_t *x);
static mdm_int_t mdm_message_renew_step(mdm_exchange_t *x);
static mdm_int_t mdm_message_renew(mdm_exchange_t *x);
static mdm_int_t mdm_message_renew_end(mdm_exchange_t *x);


/* how often it begins anew when first contacts of one device meet */
#define MDM_MESSAGE_PIN_TRIES  3


enum {
    MDM_MESSAGE_PIN_LOOK = 0,
    MDM_MESSAGE_PIN_CHECK,
    MDM_MESSAGE_PIN_CLAIM,
    MDM_MESSAGE_PIN_END,
    MDM_MESSAGE_PIN_RELEASED,
    MDM_MESSAGE_PIN_REFUSED
};


enum {
    MDM_MESSAGE_RENEW_BEGIN = 0,
    MDM_MESSAGE_RENEW_CLAIMED,
    MDM_MESSAGE_RENEW_DONE,
    MDM_MESSAGE_RENEW_END
};


mdm_int_t
mdm_message_create(mdm_exchange_t *x)
{
    if (x->identity.source == MDM_IDENTITY_NONE) {
        (void) mdm_exchange_refuse(x, 403, "no client certificate");
        return MDM_DECLINED;
    }

    x->ctx = mdm_arena_zalloc(x->arena, sizeof(mdm_message_t));

    return (x->ctx == NULL) ? MDM_ERROR : MDM_OK;
}


mdm_int_t
mdm_message_read(mdm_exchange_t *x)
{
    mdm_int_t            rc;
    const char          *why;
    mdm_message_t       *m;
    mdm_limits_t   limits;

    rc = mdm_message_create(x);
    if (rc != MDM_OK) {
        return rc;
    }

    m = x->ctx;

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    rc = mdm_plist_parse(x->arena, &x->body, &limits, &m->plist, &why);

    if (rc == MDM_OK) {
        rc = mdm_enrollment_resolve(x->arena, m->plist, &x->tenant,
                                    x->settings->store->partitions, &m->en,
                                    &why);
    }

    if (rc == MDM_DECLINED) {
        (void) mdm_exchange_refuse(x, 400, "%s", why);
        return MDM_DECLINED;
    }

    if (rc == MDM_OK) {
        x->enrollment_id = m->en.id;
    }

    return rc;
}


mdm_int_t
mdm_message_nonce(mdm_exchange_t *x, mdm_message_t *m)
{
    if (m->nonce.len != 0) {
        return MDM_OK;
    }

    m->nonce.data = mdm_arena_alloc(x->arena, MDM_MESSAGE_NONCE);

    if (m->nonce.data == NULL) {
        return MDM_ERROR;
    }

    if (RAND_bytes(m->nonce.data, MDM_MESSAGE_NONCE) != 1) {
        return mdm_arena_failed(x->arena, "RAND_bytes");
    }

    m->nonce.len = MDM_MESSAGE_NONCE;

    return MDM_OK;
}


mdm_str_t *
mdm_message_call(mdm_exchange_t *x, const mdm_script_t *script,
    mdm_uint_t more, mdm_int_t state)
{
    return (mdm_exchange_calls(x, 1, state) == MDM_CALL)
           ? mdm_message_args(x, 0, script, more) : NULL;
}


mdm_str_t *
mdm_message_args(mdm_exchange_t *x, mdm_uint_t i, const mdm_script_t *script,
    mdm_uint_t more)
{
    mdm_str_t      *args, *who;
    mdm_message_t  *m;

    m = x->ctx;

    args = mdm_exchange_call(x, i, script, &m->en.tag, more);
    if (args == NULL) {
        return NULL;
    }

    who = args + (script->events ? MDM_NARGS_EVENT : 0);

    who[MDM_ARG_AUTH_ID] = m->en.id_key;
    who[MDM_ARG_AUTH_DEVICE] = m->en.device_key;
    who[MDM_ARG_AUTH_CERT] = x->identity.digest;

    return args;
}


mdm_int_t
mdm_message_claim_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_script_t *script)
{
    mdm_str_t      *args;
    mdm_message_t  *m;

    m = x->ctx;

    if (mdm_key_certificate(x->arena, &m->claim, &x->tenant,
                            &x->identity.sha256)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, script, &m->claim, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    if (script == &mdm_script_claim) {
        args[MDM_ARG_CLAIM_DEVICE] = m->en.device_key;

        return mdm_pin_certificate(x, NULL, &args[MDM_ARG_CLAIM_ENDS]);
    }

    if (script == &mdm_script_claim_release) {
        args[MDM_ARG_CLAIM_RELEASE_DEVICE] = m->en.device_key;
    }

    return MDM_OK;
}


mdm_int_t
mdm_message_look_call(mdm_exchange_t *x, mdm_uint_t i)
{
    mdm_str_t      *args;
    mdm_message_t  *m;

    m = x->ctx;

    args = mdm_exchange_call(x, i, &mdm_script_authenticate_check, &m->en.tag,
                             0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_AUTHENTICATE_CHECK_DEVICE] = m->en.device_key;

    return MDM_OK;
}


mdm_int_t
mdm_message_unbound(mdm_exchange_t *x, const char *why, mdm_int_t state)
{
    mdm_str_t      *args;
    mdm_message_t  *m;

    m = x->ctx;

    (void) mdm_exchange_refuse(x, 403, "%s", why);

    mdm_exchange_log(x, MDM_LOG_WARN, "certificate %.*s is not pinned to "
                     "\"%.*s\": %s", mdm_fmt(&x->identity.sha256),
                     mdm_fmt(&m->en.device_key), why);

    if (mdm_exchange_calls(x, 1, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_certificate_refused, &m->en.tag,
                             0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CERTIFICATE_REFUSED_DEVICE] = m->en.device_key;
    args[MDM_ARG_CERTIFICATE_REFUSED_CERT] = x->identity.digest;
    args[MDM_ARG_CERTIFICATE_REFUSED_CA] = m->binding.ca;
    args[MDM_ARG_CERTIFICATE_REFUSED_PURPOSE] =
                                   mdm_purpose_name(m->binding.c.purpose);
    args[MDM_ARG_CERTIFICATE_REFUSED_WHY].data = (u_char *) (uintptr_t) why;
    args[MDM_ARG_CERTIFICATE_REFUSED_WHY].len = strlen(why);

    return (mdm_certificate_number(x->arena, &x->identity.der,
                                   &args[MDM_ARG_CERTIFICATE_REFUSED_SN])
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


mdm_int_t
mdm_message_replaced_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_str_t *digest)
{
    mdm_str_t  hex, key, *args;

    if (mdm_hex_str(x->arena, &hex, digest) != MDM_OK
        || mdm_key_certificate(x->arena, &key, &x->tenant, &hex) != MDM_OK)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_certificate_state, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    mdm_str_set(&args[MDM_ARG_CERTIFICATE_STATE_STATE], "replaced");

    return MDM_OK;
}


mdm_int_t
mdm_message_unclaim(mdm_exchange_t *x, mdm_int_t state)
{
    mdm_message_t  *m;

    m = x->ctx;

    if (!m->claimed) {
        return MDM_DONE;
    }

    if (mdm_exchange_calls(x, 1, state) != MDM_CALL
        || mdm_message_claim_call(x, 0, &mdm_script_claim_release) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


mdm_int_t
mdm_message_refused(mdm_exchange_t *x, int64_t code)
{
    mdm_message_t  *m;

    m = x->ctx;

    switch (code) {

    case MDM_CODE_UNKNOWN:
        return mdm_exchange_unknown(x, "the device is not enrolled");

    case MDM_CODE_MISMATCH:
        return mdm_exchange_refuse(x, 403, "the certificate is not the one "
                                   "pinned to the device");

    case MDM_CODE_USERS:
        return mdm_exchange_refuse(x, 403, "the device has too many user "
                                   "channels");

    case MDM_CODE_NEXT:

        if (m->renewed) {
            return mdm_exchange_unavailable(x);
        }

        m->renewed = 1;

        return mdm_exchange_enter(x, mdm_message_renew_step, m, 0);

    case MDM_CODE_UNPINNED:

        if (m->pinned) {
            return mdm_exchange_refuse(x, 403, "no certificate is pinned to "
                                       "the device: it must enroll again");
        }

        m->pinned = 1;

        return mdm_exchange_enter(x, mdm_message_pin_step, m, 0);

    default:
        return mdm_exchange_odd(x, 0);
    }
}


static mdm_int_t
mdm_message_pin_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_MESSAGE_PIN_LOOK:

        if (mdm_exchange_calls(x, 2, MDM_MESSAGE_PIN_CHECK) != MDM_CALL
            || mdm_message_look_call(x, 0) != MDM_OK
            || mdm_message_claim_call(x, 1, &mdm_script_claim_get) != MDM_OK)
        {
            return MDM_ERROR;
        }

        return MDM_CALL;

    case MDM_MESSAGE_PIN_CHECK:
        return mdm_message_pin_check(x);

    case MDM_MESSAGE_PIN_CLAIM:
        return mdm_message_pin_claim(x);

    case MDM_MESSAGE_PIN_END:
        return mdm_message_pin_end(x);

    case MDM_MESSAGE_PIN_REFUSED:
        return mdm_message_unclaim(x, MDM_MESSAGE_PIN_RELEASED);

    default: /* MDM_MESSAGE_PIN_RELEASED: it was refused before */
        return MDM_DONE;
    }
}


static mdm_int_t
mdm_message_pin_check(mdm_exchange_t *x)
{
    mdm_int_t       rc;
    mdm_str_t       owner;
    const char     *why;
    mdm_message_t  *m;

    m = x->ctx;

    if (mdm_pin_read(x, x->calls[0].reply, &m->pin) != MDM_OK) {
        return MDM_ERROR;
    }

    /* its certificate went aside: none is to be pinned in its place */

    if (m->pin.blocked != MDM_BLOCK_NONE) {
        (void) mdm_block_refuse(x, m->pin.blocked);
        return mdm_message_unclaim(x, MDM_MESSAGE_PIN_RELEASED);
    }

    rc = mdm_binding_read(x, x->calls[1].reply, MDM_RET_CLAIM_GET_CA,
                          &m->claim, &m->binding);
    if (rc != MDM_OK) {
        return rc;
    }

    owner = mdm_reply_str(x->calls[1].reply, MDM_RET_CLAIM_GET_DEVICE);

    if (!m->pin.migrated) {
        (void) mdm_exchange_refuse(x, 403, "no certificate is pinned to the "
                                   "device: it must enroll again");
        return mdm_message_unclaim(x, MDM_MESSAGE_PIN_RELEASED);
    }

    if (owner.len != 0 && !mdm_str_eq(&owner, &m->en.device_key)) {
        return mdm_exchange_refuse(x, 403, "the certificate belongs to "
                                   "another device");
    }

    /* only its first messages tell a serial number: the stored one counts */

    why = mdm_binding_refuses(x, &m->binding, &m->en, &m->pin.serial,
                              &m->pin.serial);

    if (why != NULL) {
        return mdm_message_unbound(x, why, MDM_MESSAGE_PIN_REFUSED);
    }

    if (!mdm_pin_allowed(x, &m->en, &m->pin)
        && !(x->settings->reenroll == MDM_REENROLL_BOUND
             && mdm_binding_names(&m->binding, m->pin.serial.len != 0)))
    {
        (void) mdm_exchange_refuse(x, 403, "the certificate does not name "
                                   "the migrated device");
        return mdm_message_unclaim(x, MDM_MESSAGE_PIN_RELEASED);
    }

    if (mdm_exchange_calls(x, 2, MDM_MESSAGE_PIN_CLAIM) != MDM_CALL
        || mdm_message_claim_call(x, 0, &mdm_script_claim) != MDM_OK
        || mdm_message_pin_kick(x, 1) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


/* it is to be renewed some day: none of its tenant may have enrolled here */

static mdm_int_t
mdm_message_pin_kick(mdm_exchange_t *x, mdm_uint_t i)
{
    mdm_str_t  key, *args;

    mdm_str_set(&key, "mdm:{work}");

    args = mdm_exchange_call(x, i, &mdm_script_work_kick, &key, 0);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_WORK_KICK_WORK],
                      MDM_PIN_JOB " %.*s", mdm_fmt(&x->tenant))
           != MDM_OK
        || mdm_message_number(x, &args[MDM_ARG_WORK_KICK_DELAY], MDM_PIN_LOOK)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_WORK_KICK_FIRST] = args[MDM_ARG_WORK_KICK_DELAY];

    return MDM_OK;
}


static mdm_int_t
mdm_message_pin_claim(mdm_exchange_t *x)
{
    int64_t           code;
    mdm_str_t        *args;
    mdm_message_t    *m;
    mdm_pin_dates_t   dates;

    m = x->ctx;

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_MISMATCH);

    if (code < 0) {
        return mdm_exchange_refuse(x, 403, "the certificate belongs to "
                                   "another device");
    }

    if (code == 1) {
        m->claimed = 1;
    }

    if (mdm_exchange_calls(x, 1, MDM_MESSAGE_PIN_END) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_pin, &m->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_PIN_DEVICE] = m->en.device_key;
    args[MDM_ARG_PIN_CERT] = x->identity.digest;

    if (x->settings->keep_certificate) {
        args[MDM_ARG_PIN_DER] = x->identity.der;
    }

    args[MDM_ARG_PIN_SERIAL] = m->pin.serial;

    if (mdm_pin_dates(x, &m->binding, &dates) != MDM_OK) {
        return MDM_ERROR;
    }

    args[MDM_ARG_PIN_CA] = dates.ca;
    args[MDM_ARG_PIN_SN] = dates.sn;
    args[MDM_ARG_PIN_ENDS] = dates.ends;
    args[MDM_ARG_PIN_RENEW] = dates.renew;

    return (mdm_pin_certificate(x, &args[MDM_ARG_PIN_SUBJECT], NULL) == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_message_pin_end(mdm_exchange_t *x)
{
    int64_t         code;
    mdm_int_t       rc;
    mdm_message_t  *m;

    m = x->ctx;

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_CHANGED);

    switch (code) {

    case MDM_CODE_NONE:
        mdm_exchange_log(x, MDM_LOG_NOTICE, "certificate %.*s was pinned "
                         "to the migrated device \"%.*s\"",
                         mdm_fmt(&x->identity.sha256),
                         mdm_fmt(&m->en.device_key));
        break;

    case MDM_CODE_CHANGED:
    case MDM_CODE_UNPINNED:

        /* the pin that was decided about has changed meanwhile */

        if (++m->tries < MDM_MESSAGE_PIN_TRIES) {
            x->state = MDM_MESSAGE_PIN_LOOK;
            return mdm_message_pin_step(x);
        }

        (void) mdm_exchange_unavailable(x);

        return mdm_message_unclaim(x, MDM_MESSAGE_PIN_RELEASED);

    default:

        /* somebody else was first: the certificate is not the device's */

        rc = mdm_message_refused(x, code);

        if (rc != MDM_DONE) {
            return rc;
        }

        return mdm_message_unclaim(x, MDM_MESSAGE_PIN_RELEASED);
    }

    m->tries = 0;

    return mdm_exchange_leave(x);
}


/* the first message under a renewed certificate */

static mdm_int_t
mdm_message_renew_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_MESSAGE_RENEW_BEGIN:

        return (mdm_exchange_calls(x, 1, MDM_MESSAGE_RENEW_CLAIMED)
                == MDM_CALL
                && mdm_message_claim_call(x, 0, &mdm_script_claim) == MDM_OK)
               ? MDM_CALL : MDM_ERROR;

    case MDM_MESSAGE_RENEW_CLAIMED:
        return mdm_message_renew(x);

    case MDM_MESSAGE_RENEW_DONE:
        return mdm_message_renew_end(x);

    default: /* MDM_MESSAGE_RENEW_END */
        return mdm_exchange_leave(x);
    }
}


static mdm_int_t
mdm_message_renew(mdm_exchange_t *x)
{
    mdm_int_t         rc;
    mdm_str_t        *args;
    mdm_message_t    *m;
    mdm_pin_dates_t   dates;

    m = x->ctx;

    if (mdm_reply_code(x->calls[0].reply, MDM_CODE_MISMATCH) < 0) {
        return mdm_exchange_refuse(x, 403, "the certificate belongs to "
                                   "another device");
    }

    rc = mdm_binding_read(x, x->calls[0].reply, MDM_RET_CLAIM_CA, &m->claim,
                          &m->binding);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_pin_dates(x, &m->binding, &dates) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_MESSAGE_RENEW_DONE) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_renewed, &m->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_RENEWED_DEVICE] = m->en.device_key;
    args[MDM_ARG_RENEWED_CERT] = x->identity.digest;
    args[MDM_ARG_RENEWED_CA] = dates.ca;
    args[MDM_ARG_RENEWED_SN] = dates.sn;
    args[MDM_ARG_RENEWED_ENDS] = dates.ends;
    args[MDM_ARG_RENEWED_RENEW] = dates.renew;

    if (x->settings->keep_certificate) {
        args[MDM_ARG_RENEWED_DER] = x->identity.der;
    }

    return (mdm_message_number(x, &args[MDM_ARG_RENEWED_GRACE],
                               x->settings->renew_grace)
            == MDM_OK
            && mdm_pin_certificate(x, &args[MDM_ARG_RENEWED_SUBJECT], NULL)
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_message_renew_end(mdm_exchange_t *x)
{
    int64_t         code;
    mdm_str_t       old;
    mdm_message_t  *m;

    m = x->ctx;

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_MISMATCH);

    if (code != MDM_CODE_NONE) {
        return mdm_message_refused(x, (code == MDM_CODE_UNKNOWN)
                                      ? code : MDM_CODE_MISMATCH);
    }

    old = mdm_reply_str(x->calls[0].reply, MDM_RET_RENEWED_OLD);

    mdm_exchange_log(x, MDM_LOG_NOTICE, "the certificate of \"%.*s\" was "
                     "renewed: it is %.*s now", mdm_fmt(&m->en.device_key),
                     mdm_fmt(&x->identity.sha256));

    if (old.len == 0) {
        return mdm_exchange_leave(x);
    }

    if (mdm_exchange_calls(x, 1, MDM_MESSAGE_RENEW_END) != MDM_CALL
        || mdm_message_replaced_call(x, 0, &old) != MDM_OK)
    {
        return MDM_ERROR;
    }

    /* the ledger is for people: the device need not wait if this fails */

    x->own_failures = 1;

    return MDM_CALL;
}


mdm_int_t
mdm_message_payload(mdm_exchange_t *x, const mdm_str_t *tag,
    const mdm_str_t *id, uint64_t topic, mdm_str_t *dst)
{
    mdm_secret_where_t  where;

    if (!x->settings->event_payload && !mdm_webhook_payload(x, topic, 0)) {
        mdm_str_null(dst);
        return MDM_OK;
    }

    *dst = x->body;

    mdm_where_event(&where, tag, id);

    return mdm_exchange_seal(x, x->arena, &where, dst, NULL);
}


mdm_int_t
mdm_message_number(mdm_exchange_t *x, mdm_str_t *dst, mdm_uint_t n)
{
    return mdm_itoa(x->arena, dst, (int64_t) n);
}
