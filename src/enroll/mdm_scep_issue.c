
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Who is given a certificate by SCEP, and with what in it.  Whatever decides
 * is kept before anything is signed, and the certificate before it is given
 * out: a request that is repeated, by whomever it is served, is answered with
 * the same certificate.
 */


#include <openssl/crypto.h>

#include "mdm_block.h"
#include "mdm_enroll.h"
#include "mdm_key.h"
#include "mdm_scep_issue.h"


/* of a device in a day, which are kept for as long as they are good */
#define MDM_SCEP_RENEWALS     "20"


static mdm_int_t mdm_scep_begin(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_signer(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_uint_t mdm_scep_renews(const mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_pinned(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_admit(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_static(const mdm_scep_ctx_t *ctx,
    const mdm_str_t *given);
static mdm_int_t mdm_scep_looked(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_answer_of(mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_free(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_taken(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_spent(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_own(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_bind(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_block(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_blocked(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_claim(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_owned(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_kept(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_sign(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_sign_work(mdm_arena_t *arena, void *data);
static mdm_int_t mdm_scep_store(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_stored(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_number(const mdm_str_t *hex, u_char *serial);
static mdm_int_t mdm_scep_no(mdm_scep_ctx_t *ctx, const char *why);


mdm_int_t
mdm_scep_issue(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_SCEP_SIGNER:
        return mdm_scep_signer(x, x->ctx);

    case MDM_SCEP_PINNED:
        return mdm_scep_pinned(x, x->ctx);

    case MDM_SCEP_LOOKED:
        return mdm_scep_looked(x, x->ctx);

    case MDM_SCEP_FREE:
        return mdm_scep_free(x, x->ctx);

    case MDM_SCEP_TAKEN:
        return mdm_scep_taken(x, x->ctx);

    case MDM_SCEP_SPENT:
        return mdm_scep_spent(x, x->ctx);

    case MDM_SCEP_BLOCK:
        return mdm_scep_blocked(x, x->ctx);

    case MDM_SCEP_OWNED:
        return mdm_scep_owned(x, x->ctx);

    case MDM_SCEP_BACK:
        return mdm_scep_no(x->ctx, "the public key is another device's");

    case MDM_SCEP_KEPT:
        return mdm_scep_kept(x, x->ctx);

    case MDM_SCEP_SIGNED:
        return mdm_scep_store(x, x->ctx);

    case MDM_SCEP_STORED:
        return mdm_scep_stored(x, x->ctx);

    default: /* MDM_SCEP_ISSUE */
        return mdm_scep_begin(x, x->ctx);
    }
}


/* the dates and the number that a new certificate would have; who asks? */

static mdm_int_t
mdm_scep_begin(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_str_t        s;
    mdm_ca_issue_t  *issue;

    issue = &ctx->issue;
    issue->key = ctx->message.request.key;

    if (mdm_ca_dates(ctx->scep->ca, x->now, &issue->from, &issue->until)
        != MDM_OK)
    {
        return mdm_scep_no(ctx, "the CA has expired");
    }

    s.data = issue->serial;
    s.len = MDM_CA_SERIAL;

    if (mdm_ca_serial(issue->serial) != MDM_OK
        || mdm_hex_str(x->arena, &ctx->issued.sn, &s) != MDM_OK)
    {
        return MDM_ERROR;
    }

    s.data = ctx->message.request.spki;
    s.len = MDM_SHA256;

    if (mdm_hex_str(x->arena, &ctx->issued.spki, &s) != MDM_OK) {
        return MDM_ERROR;
    }

    ctx->issued.ca = ctx->scep->ca->name;
    ctx->issued.from = issue->from;
    ctx->issued.ends = issue->until;

    if (!ctx->ours) {
        return mdm_scep_admit(x, ctx);
    }

    ctx->entry.sha256 = ctx->signer;

    return mdm_exchange_enter(x, mdm_certificates_get, &ctx->entry,
                              MDM_SCEP_SIGNER);
}


static mdm_int_t
mdm_scep_signer(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_int_t         rc;
    mdm_str_t        *args;
    mdm_enrollment_t  en;

    if (!mdm_scep_renews(ctx)) {
        return mdm_scep_admit(x, ctx);
    }

    if (mdm_unescape(x->arena, &ctx->issued.device, &ctx->entry.claimed)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    memset(&en, 0, sizeof(mdm_enrollment_t));

    rc = mdm_enrollment_from_id(x->arena, &ctx->issued.device, &x->tenant,
                                x->settings->store->partitions, &en);

    if (rc == MDM_DECLINED) {
        mdm_str_null(&ctx->issued.device);
        return mdm_scep_admit(x, ctx);
    }

    if (rc != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_SCEP_PINNED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_renewal_check, &en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    ctx->tag = en.tag;

    args[MDM_ARG_RENEWAL_CHECK_DEVICE] = en.device_key;
    args[MDM_ARG_RENEWAL_CHECK_CERT] = ctx->signer_raw;
    args[MDM_ARG_RENEWAL_CHECK_SPKI] = ctx->issued.spki;
    mdm_str_set(&args[MDM_ARG_RENEWAL_CHECK_MOST], MDM_SCEP_RENEWALS);

    return MDM_CALL;
}


/* one of the ledger, a device's, that has not ended */

static mdm_uint_t
mdm_scep_renews(const mdm_scep_ctx_t *ctx)
{
    const mdm_certificates_entry_t  *entry;

    entry = &ctx->entry;

    return entry->found
           && entry->claimed.len != 0
           && entry->c.purpose != MDM_PURPOSE_OTA
           && mdm_ca_ends(ctx->message.outer.signer) > ctx->now;
}


static mdm_int_t
mdm_scep_pinned(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    switch (mdm_reply_code(x->calls[0].reply, -1)) {

    case 1:
        ctx->renewal = 1;
        ctx->issued.before = ctx->signer_raw;
        ctx->serial = mdm_reply_str(x->calls[0].reply,
                                    MDM_RET_RENEWAL_CHECK_SERIAL);
        break;

    case -7:
        ctx->renewal = 1;

        return mdm_scep_no(ctx, "the device has renewed its certificate too "
                           "often today");

    default:
        mdm_str_null(&ctx->issued.device);
        break;
    }

    return mdm_scep_admit(x, ctx);
}


/* a challenge that is there must be right, also where none is needed */

static mdm_int_t
mdm_scep_admit(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    const mdm_str_t  *given;

    given = &ctx->message.request.challenge;

    /* any other signer counts as self-signed: the challenge decides */

    if (ctx->message.type == MDM_SCEP_RENEWAL_REQ && !ctx->renewal
        && given->len == 0)
    {
        return mdm_scep_no(ctx, "a renewal is not signed with the pinned "
                           "certificate of a device");
    }

    switch (ctx->scep->challenge) {

    case MDM_SCEP_CHALLENGE_NONE:
        return mdm_scep_bind(x, ctx);

    case MDM_SCEP_CHALLENGE_STATIC:

        if ((ctx->renewal && given->len == 0)
            || mdm_scep_static(ctx, given) == MDM_OK)
        {
            return mdm_scep_bind(x, ctx);
        }

        return mdm_scep_no(ctx, "the challenge is wrong");

    default: /* MDM_SCEP_CHALLENGE_ONCE */
        break;
    }

    if (given->len == 0) {
        return ctx->renewal ? mdm_scep_bind(x, ctx)
                            : mdm_scep_no(ctx, "there is no challenge");
    }

    /* it is not spent before all that could refuse has been asked */

    ctx->take.look = 1;
    ctx->take.value = *given;
    ctx->take.spki = ctx->issued.spki;
    ctx->take.sn = ctx->issued.sn;
    ctx->take.from = ctx->issued.from;
    ctx->take.ends = ctx->issued.ends;
    ctx->take.ca = ctx->issued.ca;

    return mdm_exchange_enter(x, mdm_challenge_take, &ctx->take,
                              MDM_SCEP_LOOKED);
}


static mdm_int_t
mdm_scep_static(const mdm_scep_ctx_t *ctx, const mdm_str_t *given)
{
    const mdm_str_t  *secret;

    secret = &ctx->scep->secret;

    return (given->len == secret->len
            && CRYPTO_memcmp(given->data, secret->data, given->len) == 0)
           ? MDM_OK : MDM_DECLINED;
}


static mdm_int_t
mdm_scep_looked(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_int_t                  rc;
    const mdm_enroll_block_t  *block;

    rc = mdm_scep_answer_of(ctx);
    if (rc != MDM_OK) {
        return rc;
    }

    /* that of a profile is for the CA which the profile names */

    block = mdm_enroll_block(x->settings, &ctx->take.c.enrollment);

    if (block != NULL && block->scep.ca != ctx->scep->ca) {
        return mdm_scep_no(ctx, "the challenge is one for another CA");
    }

    ctx->challenge = 1;
    ctx->issued.c = ctx->take.c;

    return mdm_scep_bind(x, ctx);
}


static mdm_int_t
mdm_scep_answer_of(mdm_scep_ctx_t *ctx)
{
    switch (ctx->take.code) {

    case MDM_CHALLENGE_TAKEN:
    case MDM_CHALLENGE_AGAIN:
        break;

    case MDM_CHALLENGE_USED:
        return mdm_scep_no(ctx, "the challenge is used up");

    default: /* MDM_CHALLENGE_UNKNOWN */
        return mdm_scep_no(ctx, "the challenge is not known, or has expired");
    }

    return mdm_str_eq(&ctx->take.ca, &ctx->issued.ca)
           ? MDM_OK
           : mdm_scep_no(ctx, "the challenge was taken for another CA");
}


/* the key may have it, as far as can be seen */

static mdm_int_t
mdm_scep_free(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    if (ctx->owner.refused) {
        return mdm_scep_no(ctx, "the public key is another device's");
    }

    ctx->take.look = 0;

    return mdm_exchange_enter(x, mdm_challenge_take, &ctx->take,
                              MDM_SCEP_TAKEN);
}


static mdm_int_t
mdm_scep_taken(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_int_t              rc;
    mdm_challenge_take_t  *take;

    take = &ctx->take;

    rc = mdm_scep_answer_of(ctx);
    if (rc != MDM_OK) {
        return rc;
    }

    /* between two profiles, and no longer */

    if (take->c.purpose == MDM_PURPOSE_OTA
        && take->ends > take->from + ctx->scep->ca->backdate
                        + MDM_CHALLENGE_OTA)
    {
        take->ends = take->from + ctx->scep->ca->backdate + MDM_CHALLENGE_OTA;
    }

    ctx->issued.key = take->key;
    ctx->issued.name = ctx->issued.spki;
    ctx->issued.sn = take->sn;
    ctx->issued.from = take->from;
    ctx->issued.ends = take->ends;
    ctx->issued.der = take->der;

    ctx->owner.look = 0;
    ctx->owner.ends = take->ends;

    /* what leads to a profile spends nothing, but what is in it */

    if (take->c.link.len == 0 || take->c.purpose == MDM_PURPOSE_OTA
        || take->der.len != 0)
    {
        return mdm_scep_own(x, ctx);
    }

    ctx->spend.digest = take->c.link;
    ctx->spend.spki = ctx->issued.spki;

    return mdm_exchange_enter(x, mdm_link_spend, &ctx->spend, MDM_SCEP_SPENT);
}


/* the profile was fetched by a link, perhaps by many, which this one may use */

static mdm_int_t
mdm_scep_spent(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    if (ctx->spend.code < 0) {
        return mdm_scep_no(ctx, (ctx->spend.code == MDM_LINK_USED)
                                ? "the link of the profile is used up"
                                : "the link of the profile is gone, or has "
                                  "expired");
    }

    return mdm_scep_own(x, ctx);
}


static mdm_int_t
mdm_scep_own(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    return mdm_exchange_enter(x, mdm_certificates_owner, &ctx->owner,
                              MDM_SCEP_OWNED);
}


/* a renewal is for its device, and for whom the certificate before was */

static mdm_int_t
mdm_scep_bind(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_str_t               serial;
    mdm_challenge_t        *c;
    const mdm_challenge_t  *was;

    c = &ctx->issued.c;

    if (!ctx->renewal) {
        return mdm_scep_block(x, ctx);
    }

    was = &ctx->entry.c;
    serial = (was->serial.len != 0) ? was->serial : ctx->serial;

    if ((c->udid.len != 0 && !mdm_str_eq_i(&c->udid, &ctx->issued.device))
        || (c->serial.len != 0 && !mdm_str_eq_i(&c->serial, &serial)))
    {
        return mdm_scep_no(ctx, "the challenge is another device's");
    }

    if (c->purpose == MDM_PURPOSE_OTA) {
        return mdm_scep_no(ctx, "the challenge is not one for a renewal");
    }

    mdm_certificates_bind(c, &ctx->issued.device, was);

    return mdm_scep_block(x, ctx);
}


/* whom it would be for, if that is known: blocked devices get none */

static mdm_int_t
mdm_scep_block(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_str_t               id;
    const mdm_challenge_t  *c;

    c = &ctx->issued.c;

    if (c->udid.len == 0 && c->serial.len == 0) {
        return mdm_scep_claim(x, ctx);
    }

    return (mdm_key_id(x->arena, &id, &c->udid) == MDM_OK
            && mdm_exchange_calls(x, 1, MDM_SCEP_BLOCK) == MDM_CALL
            && mdm_block_call(x, 0, &id, &c->serial) == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_scep_blocked(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    return (mdm_block_read(x->calls[0].reply, MDM_RET_BLOCK_GET_ANSWER)
            == MDM_BLOCK_NONE)
           ? mdm_scep_claim(x, ctx)
           : mdm_scep_no(ctx, "the device is blocked");
}


/* one public key is one device's; without any name it is its own owner */

static mdm_int_t
mdm_scep_claim(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_certificates_owner_t  *owner;

    owner = &ctx->owner;
    owner->spki = ctx->issued.spki;
    owner->c = ctx->issued.c;
    owner->device = ctx->issued.device;
    owner->ends = ctx->issued.ends;

    if (ctx->renewal) {
        owner->before = ctx->entry.owner;
    }

    if (owner->c.id.len == 0) {
        owner->c.id = ctx->issued.spki;
    }

    owner->look = ctx->challenge;

    return mdm_exchange_enter(x, mdm_certificates_owner, owner,
                              ctx->challenge ? MDM_SCEP_FREE
                                             : MDM_SCEP_OWNED);
}


static mdm_int_t
mdm_scep_owned(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_certificates_renew_t  *kept;

    if (ctx->owner.refused) {

        /* somebody was faster: the challenge is for who may have it */

        return ctx->challenge
               ? mdm_exchange_enter(x, mdm_challenge_back, &ctx->take,
                                    MDM_SCEP_BACK)
               : mdm_scep_no(ctx, "the public key is another device's");
    }

    ctx->issued.owner = ctx->owner.owner;

    if (ctx->challenge) {
        return mdm_scep_sign(x, ctx);
    }

    kept = &ctx->kept;
    kept->spki = ctx->issued.spki;
    kept->renews = ctx->renewal ? ctx->signer : ctx->issued.spki;
    kept->sn = ctx->issued.sn;
    kept->from = ctx->issued.from;
    kept->ends = ctx->issued.ends;
    kept->ca = ctx->issued.ca;

    return mdm_exchange_enter(x, mdm_certificates_renew, kept, MDM_SCEP_KEPT);
}


static mdm_int_t
mdm_scep_kept(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_certificates_renew_t  *kept;

    kept = &ctx->kept;

    if (kept->code == MDM_CHALLENGE_UNKNOWN
        || !mdm_str_eq(&kept->ca, &ctx->issued.ca))
    {
        return mdm_scep_no(ctx, "the public key was certified by another CA");
    }

    ctx->issued.key = kept->key;
    ctx->issued.name = kept->renews;
    ctx->issued.sn = kept->sn;
    ctx->issued.from = kept->from;
    ctx->issued.ends = kept->ends;
    ctx->issued.der = kept->der;

    return mdm_scep_sign(x, ctx);
}


static mdm_int_t
mdm_scep_sign(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_ca_issue_t             *issue;
    mdm_certificates_issued_t  *issued;

    issue = &ctx->issue;
    issued = &ctx->issued;

    if (issued->ends <= x->now) {
        return mdm_scep_no(ctx, "the certificate for this key has expired");
    }

    issued->at = issued->from + ctx->scep->ca->backdate;
    issued->renew = mdm_certificates_due(issued->from, issued->ends,
                                         ctx->scep->ca->renew);

    if (issued->der.len != 0) {

        /* it was signed before; what is not stored yet is now */

        return mdm_scep_store(x, ctx);
    }

    if (mdm_scep_number(&issued->sn, issue->serial) != MDM_OK) {
        return mdm_exchange_refuse(x, 500, "the serial number of a certificate"
                                   " in redis cannot be read");
    }

    issue->from = issued->from;
    issue->until = issued->ends;
    issue->id = (issued->device.len != 0) ? issued->device : issued->c.udid;
    issue->device_serial = issued->c.serial;
    issue->person = issued->c.person;
    issue->challenge_id = issued->c.id;

    return mdm_exchange_work_alone(x, MDM_SCEP_SIGNED, mdm_scep_sign_work,
                                   ctx);
}


static mdm_int_t
mdm_scep_sign_work(mdm_arena_t *arena, void *data)
{
    mdm_scep_ctx_t *ctx = data;

    mdm_int_t  rc;

    rc = mdm_ca_issue(arena, ctx->scep->ca, &ctx->issue, &ctx->issued.der,
                      &ctx->made);

    ctx->made_der = ctx->issued.der;

    return rc;
}


static mdm_int_t
mdm_scep_store(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    return mdm_exchange_enter(x, mdm_certificates_finish, &ctx->issued,
                              MDM_SCEP_STORED);
}


static mdm_int_t
mdm_scep_stored(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    (void) x;

    return ctx->issued.refused
           ? mdm_scep_no(ctx, "the challenge is gone, or the certificate is "
                         "another device's")
           : MDM_OK;
}


/* as Redis has it: outside input */

static mdm_int_t
mdm_scep_number(const mdm_str_t *hex, u_char *serial)
{
    long     len;
    u_char  *p;
    char     text[2 * MDM_CA_SERIAL + 1];

    if (hex->len != 2 * MDM_CA_SERIAL) {
        return MDM_DECLINED;
    }

    memcpy(text, hex->data, hex->len);
    text[hex->len] = '\0';

    p = OPENSSL_hexstr2buf(text, &len);

    if (p == NULL || len != MDM_CA_SERIAL) {
        OPENSSL_free(p);
        return MDM_DECLINED;
    }

    memcpy(serial, p, MDM_CA_SERIAL);
    OPENSSL_free(p);

    return MDM_OK;
}


static mdm_int_t
mdm_scep_no(mdm_scep_ctx_t *ctx, const char *why)
{
    ctx->why = why;
    ctx->text = why;
    ctx->fail = MDM_SCEP_BAD_REQUEST;

    return MDM_DECLINED;
}
