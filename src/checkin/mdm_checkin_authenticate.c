
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Authenticate: the one message that may bring a new certificate.  The
 * certificate's key lies in another slot than the device's, so it takes three
 * rounds: look (nothing is written for who is refused), claim the certificate
 * for the device, carry it out if the pin is still what was seen.
 */


#include "mdm_checkin.h"


#define MDM_AUTHENTICATE_TRIES  3


static mdm_int_t mdm_authenticate_look(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_claim(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_commit(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_end(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_refuse(mdm_exchange_t *x, const char *why);


enum {
    MDM_AUTHENTICATE_LOOK = 0,
    MDM_AUTHENTICATE_CLAIM,
    MDM_AUTHENTICATE_COMMIT,
    MDM_AUTHENTICATE_END,
    MDM_AUTHENTICATE_RELEASED
};


mdm_int_t
mdm_checkin_authenticate(mdm_exchange_t *x)
{
    mdm_str_t       topic;
    mdm_message_t  *m;

    m = x->ctx;

    switch (x->state) {

    case MDM_AUTHENTICATE_LOOK:

        if (mdm_enrollment_user(&m->en)) {
            return mdm_exchange_refuse(x, 400, "Authenticate on a user "
                                       "channel");
        }

        if (mdm_plist_string(m->plist, "Topic", &topic) != MDM_OK
            || topic.len == 0 || topic.len > MDM_FIELD_MAX)
        {
            return mdm_exchange_refuse(x, 400, "Topic is missing");
        }

        return mdm_authenticate_look(x);

    case MDM_AUTHENTICATE_CLAIM:
        return mdm_authenticate_claim(x);

    case MDM_AUTHENTICATE_COMMIT:
        return mdm_authenticate_commit(x);

    case MDM_AUTHENTICATE_END:
        return mdm_authenticate_end(x);

    default: /* MDM_AUTHENTICATE_RELEASED: x->error is set */
        return mdm_exchange_empty(x, 403);
    }
}


static mdm_int_t
mdm_authenticate_look(mdm_exchange_t *x)
{
    mdm_str_t      *args;
    mdm_message_t  *m;

    m = x->ctx;

    if (mdm_exchange_calls(x, 2, MDM_AUTHENTICATE_CLAIM) != MDM_CALL
        || mdm_message_claim_call(x, 1, &mdm_script_claim_get) != MDM_OK)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_authenticate_check,
                             &m->en.tag, 1);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[0] = m->en.device_key;

    return MDM_CALL;
}


static mdm_int_t
mdm_authenticate_claim(mdm_exchange_t *x)
{
    mdm_str_t           owner, serial;
    mdm_uint_t          migrated;
    mdm_message_t      *m;
    const mdm_reply_t  *reply;

    m = x->ctx;

    reply = x->calls[0].reply;
    owner = mdm_reply_str(x->calls[1].reply, 0);

    m->pin = mdm_reply_str(reply, 1);
    serial = mdm_reply_str(reply, 2);
    migrated = mdm_reply_int(reply, 3, 0) == 1;

    if (owner.len != 0 && !mdm_str_eq(&owner, &m->en.device_key)) {
        return mdm_authenticate_refuse(x, "the certificate belongs to "
                                       "another device");
    }

    if ((m->pin.len != 0 && !mdm_str_eq(&m->pin, &x->identity.digest))
        || (m->pin.len == 0 && migrated))
    {
        if (!mdm_message_may_pin(x, &serial, m->pin.len != 0)) {
            return mdm_authenticate_refuse(x, "mdm_reenroll does not let this "
                                           "certificate replace the pinned "
                                           "one");
        }
    }

    if (mdm_exchange_calls(x, 1, MDM_AUTHENTICATE_COMMIT) != MDM_CALL
        || mdm_message_claim_call(x, 0, &mdm_script_claim) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_authenticate_commit(mdm_exchange_t *x)
{
    int64_t         code;
    mdm_str_t      *args, *pairs;
    mdm_uint_t      n;
    mdm_message_t  *m;

    m = x->ctx;

    code = mdm_reply_int(x->calls[0].reply, 0, MDM_CODE_MISMATCH);

    if (code < 0) {
        return mdm_authenticate_refuse(x, "the certificate belongs to "
                                       "another device");
    }

    if (code == 1) {
        m->claimed = 1;
    }

    if (mdm_checkin_fields_authenticate(x->arena, m->plist, &pairs, &n)
        != MDM_OK
        || mdm_message_once(x, m) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_AUTHENTICATE_END) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_authenticate, &m->en.tag,
                             8 + n);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[0] = m->en.device_key;
    args[1] = x->identity.digest;
    args[2] = m->pin;
    args[3] = mdm_type_name(m->en.type);
    args[4] = m->once;

    if (x->settings->keep_certificate) {
        args[5] = x->identity.der;
    }

    if (mdm_message_number(x, &args[6], x->settings->event_limit) != MDM_OK
        || mdm_message_payload(x, &m->en.tag, &m->en.device_key, &args[7])
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    memcpy(&args[8], pairs, n * sizeof(mdm_str_t));

    return MDM_CALL;
}


static mdm_int_t
mdm_authenticate_end(mdm_exchange_t *x)
{
    int64_t         code;
    mdm_str_t       old;
    mdm_message_t  *m;

    m = x->ctx;

    code = mdm_reply_int(x->calls[0].reply, 0, MDM_CODE_CHANGED);

    if (code == MDM_CODE_CHANGED) {

        /* two Authenticates at once: look again at what the other one did */

        if (++m->tries == MDM_AUTHENTICATE_TRIES) {
            return mdm_exchange_unavailable(x);
        }

        return mdm_authenticate_look(x);
    }

    if (m->pin.len != 0 && !mdm_str_eq(&m->pin, &x->identity.digest)) {

        if (mdm_hex_str(x->arena, &old, &m->pin) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_exchange_note(x, MDM_NOTE_NOTICE, "the certificate of \"%.*s\" "
                          "was replaced: %.*s by %.*s",
                          mdm_fmt(&m->en.device_key), mdm_fmt(&old),
                          mdm_fmt(&x->identity.sha256));
    }

    return mdm_exchange_empty(x, 200);
}


static mdm_int_t
mdm_authenticate_refuse(mdm_exchange_t *x, const char *why)
{
    mdm_message_t  *m;

    m = x->ctx;

    (void) mdm_exchange_refuse(x, 403, "%s", why);

    if (!m->claimed) {
        return MDM_DONE;
    }

    /* refused after all, by a race: the claim is not to stay */

    if (mdm_exchange_calls(x, 1, MDM_AUTHENTICATE_RELEASED) != MDM_CALL
        || mdm_message_claim_call(x, 0, &mdm_script_claim_release)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}
