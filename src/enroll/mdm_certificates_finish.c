
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A certificate that is signed is stored, step by step: whoever begins anew
 * finds what is done.
 */


#include "mdm_certificate.h"
#include "mdm_certificates_job.h"
#include "mdm_key.h"
#include "mdm_number.h"


/* seconds that what is kept of a certificate outlives it: clocks differ */
#define MDM_CERTIFICATES_AFTER  86400

#define MDM_CERTIFICATES_RENEW  (30 * 86400)

/* devices that are looked at: whom it is for may not be known for sure */
#define MDM_CERTIFICATES_DEVICES  8


enum {
    MDM_CERTIFICATES_BEGIN = 0,
    MDM_CERTIFICATES_NOTED,
    MDM_CERTIFICATES_ENTERED,
    MDM_CERTIFICATES_LOOKED,
    MDM_CERTIFICATES_STORED,
    MDM_CERTIFICATES_TOLD,
    MDM_CERTIFICATES_LISTED
};


static mdm_int_t mdm_certificates_note(mdm_exchange_t *x,
    mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_half(mdm_exchange_t *x,
    mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_done(mdm_exchange_t *x,
    mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_look(mdm_exchange_t *x,
    mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_candidates(mdm_exchange_t *x,
    mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_cases(mdm_exchange_t *x,
    mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_candidate(mdm_exchange_t *x,
    mdm_certificates_issued_t *c, const mdm_str_t *id);
static mdm_int_t mdm_certificates_looked(mdm_exchange_t *x,
    mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_store(mdm_exchange_t *x,
    mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_ledger(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_number(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_tell(mdm_exchange_t *x,
    mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_next(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_certificates_issued_t *c, const mdm_str_t *digest);
static mdm_int_t mdm_certificates_told(mdm_exchange_t *x,
    mdm_certificates_issued_t *c);
static mdm_int_t mdm_certificates_list(mdm_exchange_t *x,
    mdm_certificates_issued_t *c, const char *tell);


mdm_int_t
mdm_certificates_finish(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_CERTIFICATES_BEGIN:
        return mdm_certificates_note(x, x->ctx);

    case MDM_CERTIFICATES_NOTED:
        return mdm_certificates_done(x, x->ctx);

    case MDM_CERTIFICATES_ENTERED:
        return mdm_certificates_look(x, x->ctx);

    case MDM_CERTIFICATES_LOOKED:
        return mdm_certificates_looked(x, x->ctx);

    case MDM_CERTIFICATES_STORED:
        return mdm_certificates_tell(x, x->ctx);

    case MDM_CERTIFICATES_TOLD:
        return mdm_certificates_told(x, x->ctx);

    default: /* MDM_CERTIFICATES_LISTED */
        return mdm_exchange_leave(x);
    }
}


int64_t
mdm_certificates_due(int64_t from, int64_t ends, int64_t before)
{
    int64_t  half;

    half = from + (ends - from) / 2;

    return (ends - before < half) ? half : ends - before;
}


/* who asked may never come back: a job is told before anything is stored */

static mdm_int_t
mdm_certificates_note(mdm_exchange_t *x, mdm_certificates_issued_t *c)
{
    if (c->device.len == 0) {
        c->device = c->c.udid;
    }

    if (c->renew == 0) {
        c->renew = mdm_certificates_due(c->from, c->ends,
                                        MDM_CERTIFICATES_RENEW);
    }

    if (c->noted) {
        return mdm_certificates_done(x, c);
    }

    return (mdm_exchange_calls(x, 2, MDM_CERTIFICATES_NOTED) == MDM_CALL
            && mdm_certificates_half(x, c) == MDM_OK
            && mdm_job_kick_call(x, 1, MDM_CERTIFICATES_JOB, MDM_JOB_ANNOUNCE)
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_certificates_half(mdm_exchange_t *x, mdm_certificates_issued_t *c)
{
    size_t      i;
    mdm_str_t   key, *args;

    const struct {
        const char  *name;
        mdm_str_t    value;
    } texts[] = {
        { "key", c->key }, { "name", c->name }, { "spki", c->spki },
        { "ca", c->ca }, { "owner", c->owner }, { "before", c->before }
    };

    const struct {
        const char  *name;
        int64_t      value;
    } numbers[] = {
        { "from", c->from }, { "ends", c->ends }, { "renew", c->renew },
        { "at", c->at }
    };

    if (mdm_key_ca(x->arena, &key, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_certificate_half, &key,
                             2 * (sizeof(texts) / sizeof(texts[0])
                                  + sizeof(numbers) / sizeof(numbers[0])));
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CERTIFICATE_HALF_SN] = c->sn;
    args += MDM_ARG_CERTIFICATE_HALF_FIELDS;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        args->data = (u_char *) (uintptr_t) texts[i].name;
        args++->len = strlen(texts[i].name);
        *args++ = texts[i].value;
    }

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        args->data = (u_char *) (uintptr_t) numbers[i].name;
        args++->len = strlen(numbers[i].name);

        if (mdm_itoa(x->arena, args++, numbers[i].value) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_certificates_done(mdm_exchange_t *x, mdm_certificates_issued_t *c)
{
    mdm_str_t   key, *args;
    mdm_uint_t  serial;

    /* for a renewal it counts which device has the serial number */

    serial = (c->device.len == 0 && c->c.serial.len != 0
              && c->c.purpose == MDM_PURPOSE_RENEW);

    if (mdm_exchange_calls(x, 1 + serial, MDM_CERTIFICATES_ENTERED)
        != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_challenge_done, &c->key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CHALLENGE_DONE_NAME] = c->name;
    args[MDM_ARG_CHALLENGE_DONE_DER] = c->der;

    if (!serial) {
        return MDM_CALL;
    }

    if (mdm_key_serial(x->arena, &key, &x->tenant, &c->c.serial) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 1, &mdm_script_serial_get, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    return (mdm_itoa(x->arena, &args[MDM_ARG_SERIAL_GET_MOST],
                     MDM_CERTIFICATES_DEVICES)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


/* is the device enrolled?  An OTA certificate is never a device's. */

static mdm_int_t
mdm_certificates_look(mdm_exchange_t *x, mdm_certificates_issued_t *c)
{
    mdm_str_t   *args;
    mdm_uint_t   i;

    if (mdm_reply_code(x->calls[0].reply, -1) < 0) {
        c->refused = 1;
        return mdm_exchange_leave(x);
    }

    c->der = mdm_reply_str(x->calls[0].reply, MDM_RET_CHALLENGE_DONE_DER);

    if (c->der.len == 0) {
        return mdm_exchange_odd(x, 0);
    }

    c->nen = 0;

    if (c->c.purpose != MDM_PURPOSE_OTA
        && mdm_certificates_candidates(x, c) != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (c->nen == 0) {
        return mdm_certificates_store(x, c);
    }

    if (mdm_exchange_calls(x, c->nen, MDM_CERTIFICATES_LOOKED) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < c->nen; i++) {

        args = mdm_exchange_call(x, i, &mdm_script_authenticate_check,
                                 &c->en[i].tag, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        args[MDM_ARG_AUTHENTICATE_CHECK_DEVICE] = c->en[i].device_key;
    }

    return MDM_CALL;
}


/* those that came with the serial number, or that of the id */

static mdm_int_t
mdm_certificates_candidates(mdm_exchange_t *x, mdm_certificates_issued_t *c)
{
    size_t              i;
    mdm_int_t           rc;
    mdm_str_t           id, raw;
    const mdm_reply_t  *reply;

    c->en = mdm_arena_zalloc(x->arena, MDM_CERTIFICATES_DEVICES
                                       * sizeof(mdm_enrollment_t));
    if (c->en == NULL) {
        return MDM_ERROR;
    }

    if (c->device.len != 0) {
        return mdm_certificates_cases(x, c);
    }

    if (x->ncalls != 2) {
        return MDM_OK;
    }

    reply = x->calls[1].reply;

    for (i = MDM_RET_SERIAL_GET_IDS; i < mdm_reply_size(reply); i++) {
        id = mdm_reply_str(reply, i);
        rc = mdm_unescape(x->arena, &raw, &id);

        if (rc == MDM_OK) {
            rc = mdm_certificates_candidate(x, c, &raw);
        }

        if (rc == MDM_ERROR) {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


/* a UDID has letters of one case, which an administrator may mistake */

static mdm_int_t
mdm_certificates_cases(mdm_exchange_t *x, mdm_certificates_issued_t *c)
{
    mdm_str_t   id[3];
    mdm_uint_t  i;

    id[0] = c->device;

    if (mdm_str_dup(x->arena, &id[1], &id[0]) != MDM_OK
        || mdm_str_dup(x->arena, &id[2], &id[0]) != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_str_upper(&id[1]);
    mdm_str_lower(&id[2]);

    for (i = 0; i < 3; i++) {

        if (i != 0 && mdm_str_eq(&id[i], &id[0])) {
            continue;
        }

        if (mdm_certificates_candidate(x, c, &id[i]) == MDM_ERROR) {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


/* MDM_OK; MDM_DECLINED: it is none; MDM_ERROR */

static mdm_int_t
mdm_certificates_candidate(mdm_exchange_t *x, mdm_certificates_issued_t *c,
    const mdm_str_t *id)
{
    mdm_int_t  rc;

    if (c->nen == MDM_CERTIFICATES_DEVICES) {
        return MDM_DECLINED;
    }

    rc = mdm_enrollment_from_id(x->arena, id, &x->tenant,
                                x->settings->store->partitions,
                                &c->en[c->nen]);
    if (rc == MDM_OK) {
        c->nen++;
    }

    return rc;
}


static mdm_int_t
mdm_certificates_looked(mdm_exchange_t *x, mdm_certificates_issued_t *c)
{
    mdm_str_t           serial;
    mdm_uint_t          i, n;
    const mdm_reply_t  *reply;

    n = 0;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;

        serial = mdm_reply_str(reply, MDM_RET_AUTHENTICATE_CHECK_SERIAL);

        /* the index may know a number that it had once */

        if (mdm_reply_int(reply, MDM_RET_AUTHENTICATE_CHECK_KNOWN, 0) == 1
            && (c->c.serial.len == 0 || mdm_str_eq_i(&c->c.serial, &serial)))
        {
            c->en[n++] = c->en[i];
        }
    }

    /* of an id the first one, which is as it was said */

    c->nen = (c->device.len != 0 && n > 1) ? 1 : n;

    return mdm_certificates_store(x, c);
}


/* each in a slot of its own, side by side */

static mdm_int_t
mdm_certificates_store(mdm_exchange_t *x, mdm_certificates_issued_t *c)
{
    return (mdm_challenge_sha256(x->arena, &c->der, &c->sha256) == MDM_OK
            && mdm_exchange_calls(x, 2, MDM_CERTIFICATES_STORED) == MDM_CALL
            && mdm_certificates_ledger(x, 0, c) == MDM_OK
            && mdm_certificates_number(x, 1, c) == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_certificates_ledger(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_certificates_issued_t *c)
{
    mdm_str_t           key, *args;
    mdm_secret_where_t  where;

    if (mdm_key_certificate(x->arena, &key, &x->tenant, &c->sha256)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_certificate_store, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    /* of several, whoever comes with it */

    if (c->nen == 1) {
        args[MDM_ARG_CERTIFICATE_STORE_DEVICE] = c->en[0].device_key;
    }

    args[MDM_ARG_CERTIFICATE_STORE_CA] = c->ca;
    args[MDM_ARG_CERTIFICATE_STORE_SN] = c->sn;
    args[MDM_ARG_CERTIFICATE_STORE_SPKI] = c->spki;
    args[MDM_ARG_CERTIFICATE_STORE_PURPOSE] = mdm_purpose_name(c->c.purpose);
    args[MDM_ARG_CERTIFICATE_STORE_CHALLENGE] = c->c.id;
    args[MDM_ARG_CERTIFICATE_STORE_OWNER] = c->owner;
    args[MDM_ARG_CERTIFICATE_STORE_DER] = c->der;

    mdm_where_certificate(&where, &key);

    return (mdm_challenge_bind(x, &where, &c->c,
                               &args[MDM_ARG_CERTIFICATE_STORE_BIND])
            == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_CERTIFICATE_STORE_ENDS],
                        c->ends + MDM_CERTIFICATES_AFTER)
               == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_CERTIFICATE_STORE_FROM],
                        c->from)
               == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_CERTIFICATE_STORE_TO],
                        c->ends)
               == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_CERTIFICATE_STORE_RENEW],
                        c->renew)
               == MDM_OK)
           ? MDM_OK : MDM_ERROR;
}


static mdm_int_t
mdm_certificates_number(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_certificates_issued_t *c)
{
    mdm_str_t  key, *args;

    if (mdm_key_issued(x->arena, &key, &x->tenant, &c->ca, &c->sn) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_certificate_number, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CERTIFICATE_NUMBER_DIGEST] = c->sha256;

    return mdm_itoa(x->arena, &args[MDM_ARG_CERTIFICATE_NUMBER_ENDS],
                    c->ends + MDM_CERTIFICATES_AFTER);
}


/* its device learns of it, with one for a renewal what comes next */

static mdm_int_t
mdm_certificates_tell(mdm_exchange_t *x, mdm_certificates_issued_t *c)
{
    mdm_str_t   digest;
    mdm_uint_t  i;

    if (mdm_reply_code(x->calls[0].reply, -1) < 0) {
        c->refused = 1;
        return mdm_exchange_leave(x);
    }

    if (c->nen == 0) {
        return mdm_certificates_list(x, c, "1");
    }

    digest.data = mdm_arena_alloc(x->arena, MDM_SHA256);
    digest.len = MDM_SHA256;

    if (digest.data == NULL
        || mdm_certificate_sha256(&c->der, digest.data, c->sha256.data)
           != MDM_OK
        || mdm_exchange_calls(x, c->nen, MDM_CERTIFICATES_TOLD) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < c->nen; i++) {

        if (mdm_certificates_next(x, i, c, &digest) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_certificates_next(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_certificates_issued_t *c, const mdm_str_t *digest)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, &mdm_script_certificate_next,
                             &c->en[i].tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CERTIFICATE_NEXT_DEVICE] = c->en[i].device_key;
    args[MDM_ARG_CERTIFICATE_NEXT_CERT] = *digest;
    args[MDM_ARG_CERTIFICATE_NEXT_CA] = c->ca;
    args[MDM_ARG_CERTIFICATE_NEXT_SN] = c->sn;
    args[MDM_ARG_CERTIFICATE_NEXT_PURPOSE] = mdm_purpose_name(c->c.purpose);
    args[MDM_ARG_CERTIFICATE_NEXT_BEFORE] = c->before;

    return (mdm_itoa(x->arena, &args[MDM_ARG_CERTIFICATE_NEXT_ENDS], c->ends)
            == MDM_OK)
           ? mdm_itoa(x->arena, &args[MDM_ARG_CERTIFICATE_NEXT_AT], c->at)
           : MDM_ERROR;
}


static mdm_int_t
mdm_certificates_told(mdm_exchange_t *x, mdm_certificates_issued_t *c)
{
    int64_t     code;
    mdm_uint_t  i, n;

    n = 0;

    for (i = 0; i < x->ncalls; i++) {
        code = mdm_reply_code(x->calls[i].reply, -1);

        if (code == -2) {
            c->refused = 1;
            return mdm_exchange_leave(x);
        }

        n += (code >= 0);
    }

    /* the devices are gone: nobody was told */

    return mdm_certificates_list(x, c, (n == 0) ? "1" : "0");
}


/* the last of it: a certificate that is in the list of all is stored */

static mdm_int_t
mdm_certificates_list(mdm_exchange_t *x, mdm_certificates_issued_t *c,
    const char *tell)
{
    mdm_str_t  key, *args;

    if (mdm_key_ca(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_CERTIFICATES_LISTED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_certificate_issued, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CERTIFICATE_ISSUED_TELL].data = (u_char *) (uintptr_t) tell;
    args[MDM_ARG_CERTIFICATE_ISSUED_TELL].len = 1;
    args[MDM_ARG_CERTIFICATE_ISSUED_DIGEST] = c->sha256;
    args[MDM_ARG_CERTIFICATE_ISSUED_CA] = c->ca;
    args[MDM_ARG_CERTIFICATE_ISSUED_SN] = c->sn;
    args[MDM_ARG_CERTIFICATE_ISSUED_PURPOSE] = mdm_purpose_name(c->c.purpose);
    args[MDM_ARG_CERTIFICATE_ISSUED_CHALLENGE] = c->c.id;

    return (mdm_itoa(x->arena, &args[MDM_ARG_CERTIFICATE_ISSUED_ENDS],
                     c->ends)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}
