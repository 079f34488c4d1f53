
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Decides which certificate may take the place of a pinned one.
 */


#include "mdm_certificate.h"
#include "mdm_number.h"
#include "mdm_pin.h"


/*
 * seconds that a claim lasts longer than the certificate: clocks differ, and
 * TLS sessions are resumed
 */
#define MDM_PIN_CLAIM_AFTER  86400

/* seconds before its end that one which is none of ours is to be renewed */
#define MDM_PIN_RENEW        (30 * 86400)

static mdm_uint_t mdm_pin_names(mdm_exchange_t *x, const mdm_enrollment_t *en,
    const mdm_pin_t *pin);
static mdm_int_t mdm_pin_facts(mdm_exchange_t *x, const mdm_str_t *der,
    mdm_str_t *subject, int64_t *not_after);


mdm_int_t
mdm_pin_read(mdm_exchange_t *x, const mdm_reply_t *reply, mdm_pin_t *pin)
{
    int64_t    time;
    mdm_str_t  der;

    pin->blocked = mdm_block_read(reply, MDM_RET_AUTHENTICATE_CHECK_BLOCKED);
    pin->known = mdm_reply_int(reply, MDM_RET_AUTHENTICATE_CHECK_KNOWN, 0) == 1;
    pin->enabled = mdm_reply_int(reply, MDM_RET_AUTHENTICATE_CHECK_ENABLED, 0)
                   == 1;
    pin->migrated = mdm_reply_int(reply, MDM_RET_AUTHENTICATE_CHECK_MIGRATED, 0)
                    == 1;
    pin->digest = mdm_reply_str(reply, MDM_RET_AUTHENTICATE_CHECK_CERT);
    pin->serial = mdm_reply_str(reply, MDM_RET_AUTHENTICATE_CHECK_SERIAL);
    pin->subject = mdm_reply_str(reply, MDM_RET_AUTHENTICATE_CHECK_SUBJECT);

    pin->next = mdm_reply_str(reply, MDM_RET_AUTHENTICATE_CHECK_NEXT);
    pin->marks = mdm_reply_str(reply, MDM_RET_AUTHENTICATE_CHECK_MARKS);

    der = mdm_reply_str(reply, MDM_RET_AUTHENTICATE_CHECK_DER);

    if (pin->subject.len != 0 || der.len == 0) {
        return MDM_OK;
    }

    return mdm_pin_facts(x, &der, &pin->subject, &time);
}


mdm_uint_t
mdm_pin_allowed(mdm_exchange_t *x, const mdm_enrollment_t *en,
    const mdm_pin_t *pin)
{
    if (pin->digest.len != 0 && mdm_str_eq(&pin->digest, &x->identity.digest))
    {
        return 1;
    }

    switch (x->settings->reenroll) {

    case MDM_REENROLL_BOUND:

        if (!pin->known && en->type == MDM_TYPE_USER_ENROLLMENT_DEVICE) {

            /* the device has just made this id: no CA can have known it */

            return 1;
        }

        return mdm_pin_names(x, en, pin);

    case MDM_REENROLL_DENY:
        return pin->digest.len == 0;

    default: /* MDM_REENROLL_ANY */
        return 1;
    }
}


static mdm_uint_t
mdm_pin_names(mdm_exchange_t *x, const mdm_enrollment_t *en,
    const mdm_pin_t *pin)
{
    return mdm_certificate_names(&x->identity.der, &en->device, &pin->serial);
}


mdm_uint_t
mdm_pin_names_serial(mdm_exchange_t *x, const mdm_str_t *serial)
{
    static const mdm_str_t  none = mdm_null_string;

    return mdm_certificate_names(&x->identity.der, &none, serial);
}


mdm_uint_t
mdm_pin_withholds(mdm_exchange_t *x, const mdm_enrollment_t *en,
    const mdm_pin_t *pin, const mdm_str_t *subject)
{
    if (!x->settings->withhold_secrets || !pin->known) {
        return 0;
    }

    /* the first certificate here of a migrated device replaces none */

    if (pin->digest.len == 0 && pin->migrated) {
        return 0;
    }

    if (mdm_str_eq(&pin->digest, &x->identity.digest)) {
        return 0;
    }

    if (subject->len != 0 && mdm_str_eq(subject, &pin->subject)) {
        return 0;
    }

    return !mdm_pin_names(x, en, pin);
}


mdm_int_t
mdm_pin_certificate(mdm_exchange_t *x, mdm_str_t *subject,
    mdm_str_t *expires)
{
    int64_t    time;
    mdm_str_t  digest;

    if (mdm_pin_facts(x, &x->identity.der, &digest, &time) != MDM_OK) {
        return MDM_ERROR;
    }

    if (subject != NULL) {
        *subject = digest;
    }

    if (expires == NULL) {
        return MDM_OK;
    }

    if (time <= 0) {
        mdm_str_set(expires, "0");
        return MDM_OK;
    }

    return mdm_printf(x->arena, expires, "%lld",
                      (long long) time + MDM_PIN_CLAIM_AFTER);
}


mdm_int_t
mdm_pin_dates(mdm_exchange_t *x, const mdm_binding_t *b,
    mdm_pin_dates_t *dates)
{
    int64_t    ends, renew;
    mdm_str_t  subject;

    dates->ca = b->ca;

    if (mdm_pin_facts(x, &x->identity.der, &subject, &ends) != MDM_OK
        || mdm_certificate_number(x->arena, &x->identity.der, &dates->sn)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (ends < 0) {
        ends = 0;
    }

    if (mdm_atoi(&b->renew, &renew) != MDM_OK) {
        renew = (ends > MDM_PIN_RENEW) ? ends - MDM_PIN_RENEW : 0;
    }

    return (mdm_itoa(x->arena, &dates->ends, ends) == MDM_OK)
           ? mdm_itoa(x->arena, &dates->renew, renew) : MDM_ERROR;
}


static mdm_int_t
mdm_pin_facts(mdm_exchange_t *x, const mdm_str_t *der, mdm_str_t *subject,
    int64_t *not_after)
{
    u_char  *digest;

    mdm_str_null(subject);

    digest = mdm_arena_alloc(x->arena, MDM_SHA256);
    if (digest == NULL) {
        return MDM_ERROR;
    }

    subject->data = digest;

    return mdm_certificate_facts(der, digest, &subject->len, not_after);
}
