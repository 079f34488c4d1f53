
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The ledger of certificates: whose a public key is, what a renewal gets, and
 * what is known of one that was issued.
 */


#include "mdm_certificates.h"
#include "mdm_key.h"
#include "mdm_number.h"


/* bytes of an owner's HMAC */
#define MDM_CERTIFICATES_OWNER  20

/* names of an owner, each under each key, and plain */
#define MDM_CERTIFICATES_NAMES  (3 * (MDM_SECRET_KEYS + 1))


enum {
    MDM_CERTIFICATES_BEGIN = 0,
    MDM_CERTIFICATES_ENTERED
};


static mdm_int_t mdm_certificates_owner_ask(mdm_exchange_t *x,
    mdm_certificates_owner_t *o);
static mdm_uint_t mdm_certificates_plain(const mdm_exchange_t *x,
    const mdm_str_t *owner);
static mdm_int_t mdm_certificates_names(mdm_exchange_t *x,
    const mdm_certificates_owner_t *o, mdm_str_t *names, mdm_uint_t *n);
static mdm_int_t mdm_certificates_name(mdm_exchange_t *x,
    const mdm_certificates_owner_t *o, const char *kind, const mdm_str_t *value,
    mdm_str_t *names, mdm_uint_t *n);
static mdm_int_t mdm_certificates_renew_ask(mdm_exchange_t *x,
    mdm_certificates_renew_t *r);
static mdm_int_t mdm_certificates_renewed(mdm_exchange_t *x,
    mdm_certificates_renew_t *r);


mdm_int_t
mdm_certificates_owner(mdm_exchange_t *x)
{
    int64_t                    code;
    mdm_str_t                  owner;
    mdm_certificates_owner_t  *o;

    o = x->ctx;

    if (x->state == MDM_CERTIFICATES_BEGIN) {
        return mdm_certificates_owner_ask(x, o);
    }

    code = mdm_reply_code(x->calls[0].reply, -1);

    owner = mdm_reply_str(x->calls[0].reply, MDM_RET_SPKI_CLAIM_OWNER);

    if (code == -1 || (code >= 0 && owner.len == 0)) {
        return mdm_exchange_odd(x, 0);
    }

    if (code < 0 && o->plain.len == 0 && mdm_certificates_plain(x, &owner)) {
        o->plain = owner;
        return mdm_certificates_owner_ask(x, o);
    }

    o->refused = (code < 0);
    o->owner = owner;

    return mdm_exchange_leave(x);
}


static mdm_int_t
mdm_certificates_owner_ask(mdm_exchange_t *x, mdm_certificates_owner_t *o)
{
    mdm_str_t   key, *args, names[MDM_CERTIFICATES_NAMES + 1];
    mdm_uint_t  n, same;

    const mdm_secret_keys_t  *keys;

    n = 0;

    if (mdm_certificates_names(x, o, names, &n) != MDM_OK) {
        return MDM_ERROR;
    }

    keys = mdm_exchange_secrets(x);
    same = (n == 0 || keys == NULL) ? 1 : keys->n + (o->plain.len != 0);

    /* that of the certificate before is one of these as they are kept */

    if (o->before.len != 0) {
        names[n++] = o->before;
    }

    if (n == 0) {
        o->refused = 1;
        return mdm_exchange_leave(x);
    }

    if (mdm_key_spki(x->arena, &key, &x->tenant, &o->spki) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_CERTIFICATES_ENTERED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_spki_claim, &key, n);
    if (args == NULL) {
        return MDM_ERROR;
    }

    if (o->look) {
        mdm_str_set(&args[MDM_ARG_SPKI_CLAIM_LOOK], "1");
    }

    memcpy(&args[MDM_ARG_SPKI_CLAIM_OWNERS], names, n * sizeof(mdm_str_t));

    return (mdm_itoa(x->arena, &args[MDM_ARG_SPKI_CLAIM_ENDS], o->ends)
            == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_SPKI_CLAIM_SAME],
                        (int64_t) same)
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


/*
 * Is it a name that was kept before there was a key?  Such a one may be asked
 * for as it is: ours are not shown to Redis.
 */

static mdm_uint_t
mdm_certificates_plain(const mdm_exchange_t *x, const mdm_str_t *owner)
{
    return mdm_exchange_secrets(x) != NULL
           && !x->settings->store->encryption_required
           && owner->len != 0
           && memchr(owner->data, ' ', owner->len) != NULL;
}


/* what may own it: a device by its id, or its serial number, or a challenge */

static mdm_int_t
mdm_certificates_names(mdm_exchange_t *x, const mdm_certificates_owner_t *o,
    mdm_str_t *names, mdm_uint_t *n)
{
    const mdm_str_t  *device;

    device = (o->device.len != 0) ? &o->device : &o->c.udid;

    if (device->len != 0
        && mdm_certificates_name(x, o, "device", device, names, n) != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (o->c.serial.len != 0
        && mdm_certificates_name(x, o, "serial", &o->c.serial, names, n)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (*n != 0 || o->before.len != 0 || o->c.id.len == 0) {
        return MDM_OK;
    }

    return mdm_certificates_name(x, o, "challenge", &o->c.id, names, n);
}


/*
 * As it is kept: under each key, the newest first; and as it was found, if that
 * was before there was a key.  Letters are compared without case.
 */

static mdm_int_t
mdm_certificates_name(mdm_exchange_t *x, const mdm_certificates_owner_t *o,
    const char *kind, const mdm_str_t *value, mdm_str_t *names, mdm_uint_t *n)
{
    size_t                    i;
    mdm_str_t                 s, digests;
    mdm_secret_place_t        place;
    const mdm_secret_keys_t  *keys;

    if (mdm_escape(x->arena, &s, value, ":") != MDM_OK) {
        return MDM_ERROR;
    }

    if (mdm_printf(x->arena, &s, "%s %.*s", kind, mdm_fmt(&s)) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_str_lower(&s);

    keys = mdm_exchange_secrets(x);

    if (keys == NULL) {
        names[(*n)++] = s;
        return MDM_OK;
    }

    /* one name for all keys: a device that has two is found */

    if (mdm_printf(x->arena, &place.key, "mdm:{%.*s/spki}",
                   mdm_fmt(&x->tenant))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_str_set(&place.field, "owner");

    if (mdm_secret_digests(x->arena, keys, &place, &s, MDM_CERTIFICATES_OWNER,
                           &digests)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    for (i = 0; i + 2 * MDM_CERTIFICATES_OWNER <= digests.len;
         i += 2 * MDM_CERTIFICATES_OWNER)
    {
        names[*n].data = digests.data + i;
        names[(*n)++].len = 2 * MDM_CERTIFICATES_OWNER;
    }

    if (o->plain.len != 0) {
        names[*n] = mdm_str_eq(&s, &o->plain) ? s : names[*n - 1];
        (*n)++;
    }

    return MDM_OK;
}


mdm_int_t
mdm_certificates_renew(mdm_exchange_t *x)
{
    return (x->state == MDM_CERTIFICATES_BEGIN)
           ? mdm_certificates_renew_ask(x, x->ctx)
           : mdm_certificates_renewed(x, x->ctx);
}


static mdm_int_t
mdm_certificates_renew_ask(mdm_exchange_t *x, mdm_certificates_renew_t *r)
{
    mdm_str_t  *args;

    if (mdm_key_spki(x->arena, &r->key, &x->tenant, &r->spki) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_CERTIFICATES_ENTERED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_spki_take, &r->key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_SPKI_TAKE_NAME] = r->renews;
    args[MDM_ARG_SPKI_TAKE_SN] = r->sn;
    args[MDM_ARG_SPKI_TAKE_CA] = r->ca;

    return (mdm_itoa(x->arena, &args[MDM_ARG_SPKI_TAKE_FROM], r->from)
            == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_SPKI_TAKE_ENDS], r->ends)
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_certificates_renewed(mdm_exchange_t *x, mdm_certificates_renew_t *r)
{
    mdm_str_t           from, ends;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    r->code = mdm_reply_code(reply, MDM_CHALLENGE_LIMIT);

    if (r->code == MDM_CHALLENGE_UNKNOWN) {
        return mdm_exchange_leave(x);
    }

    r->sn = mdm_reply_str(reply, MDM_RET_SPKI_TAKE_SN);
    r->ca = mdm_reply_str(reply, MDM_RET_SPKI_TAKE_CA);
    r->der = mdm_reply_str(reply, MDM_RET_SPKI_TAKE_DER);
    from = mdm_reply_str(reply, MDM_RET_SPKI_TAKE_FROM);
    ends = mdm_reply_str(reply, MDM_RET_SPKI_TAKE_ENDS);

    if ((r->code != MDM_CHALLENGE_TAKEN && r->code != MDM_CHALLENGE_AGAIN)
        || r->sn.len == 0
        || mdm_atoi(&from, &r->from) != MDM_OK
        || mdm_atoi(&ends, &r->ends) != MDM_OK)
    {
        return mdm_exchange_odd(x, 0);
    }

    return mdm_exchange_leave(x);
}


void
mdm_certificates_bind(mdm_challenge_t *c, const mdm_str_t *device,
    const mdm_challenge_t *was)
{
    c->purpose = MDM_PURPOSE_RENEW;
    c->udid = *device;

    if (c->serial.len == 0) {
        c->serial = was->serial;
    }

    if (c->person.len == 0) {
        c->person = was->person;
    }

    if (c->enrollment.len == 0) {
        c->enrollment = was->enrollment;
        c->way = was->way;
        c->keys = was->keys;
    }
}


mdm_int_t
mdm_certificates_get(mdm_exchange_t *x)
{
    mdm_int_t                  rc;
    mdm_str_t                  key;
    mdm_certificates_entry_t  *entry;

    entry = x->ctx;

    if (x->state == MDM_CERTIFICATES_BEGIN) {

        return (mdm_key_certificate(x->arena, &key, &x->tenant,
                                    &entry->sha256)
                == MDM_OK
                && mdm_exchange_calls(x, 1, MDM_CERTIFICATES_ENTERED)
                   == MDM_CALL
                && mdm_exchange_call(x, 0, &mdm_script_certificate_get, &key,
                                     0)
                   != NULL)
               ? MDM_CALL : MDM_ERROR;
    }

    rc = mdm_certificates_read(x, x->calls[0].reply, entry);

    return (rc == MDM_OK) ? mdm_exchange_leave(x) : rc;
}


mdm_int_t
mdm_certificates_read(mdm_exchange_t *x, const mdm_reply_t *reply,
    mdm_certificates_entry_t *entry)
{
    mdm_str_t           key, bind, purpose;
    mdm_secret_where_t  where;

    entry->found = (mdm_reply_code(reply, 0) == 1);
    entry->claimed = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_DEVICE);

    if (!entry->found) {
        return MDM_OK;
    }

    entry->ca = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_CA);
    entry->sn = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_SN);
    entry->spki = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_SPKI);
    entry->from = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_FROM);
    entry->ends = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_ENDS);
    entry->renew = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_RENEW);
    entry->state = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_STATE);
    entry->owner = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_OWNER);
    entry->der = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_DER);
    entry->c.id = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_CHALLENGE);

    purpose = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_PURPOSE);
    bind = mdm_reply_str(reply, MDM_RET_CERTIFICATE_GET_BIND);

    if (mdm_key_certificate(x->arena, &key, &x->tenant, &entry->sha256)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (mdm_purpose_read(&purpose, &entry->c.purpose) != MDM_OK) {
        return mdm_exchange_refuse(x, 500, "the purpose in %.*s in redis "
                                   "cannot be read", mdm_fmt(&key));
    }

    mdm_where_certificate(&where, &key);

    return mdm_challenge_bound(x, &where, &bind, &entry->c);
}
