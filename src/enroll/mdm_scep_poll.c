
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * CertPoll: whoever asks again for what he was given is given it once more.
 * Kept is the last transaction of each key that has signed one; it is known by
 * its transactionID and the subject that was asked for, which a poll names.
 */


#include "mdm_ca_spki.h"
#include "mdm_key.h"
#include "mdm_number.h"
#include "mdm_scep_issue.h"


static mdm_int_t mdm_scep_poll_ask(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_poll_found(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_poll_end(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_poll_no(mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_poll_key(mdm_exchange_t *x,
    const mdm_scep_ctx_t *ctx, mdm_str_t *key);
static mdm_int_t mdm_scep_poll_name(mdm_exchange_t *x,
    const mdm_scep_ctx_t *ctx, const mdm_str_t *subject, mdm_str_t *name);


mdm_int_t
mdm_scep_poll(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_SCEP_POLLED:
        return mdm_scep_poll_found(x, x->ctx);

    case MDM_SCEP_POLL_READ:
        return mdm_scep_poll_end(x, x->ctx);

    default: /* MDM_SCEP_ISSUE */
        return mdm_scep_poll_ask(x, x->ctx);
    }
}


/*
 * Also where the envelope has held nothing that can be read: who tries what he
 * has recorded hears the same after the same time.
 */

static mdm_int_t
mdm_scep_poll_ask(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_str_t  key, *args;

    if (mdm_scep_poll_key(x, ctx, &key) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_SCEP_POLLED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_transaction_get, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    return (mdm_scep_poll_name(x, ctx, &ctx->message.subject,
                               &args[MDM_ARG_TRANSACTION_GET_NAME])
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_scep_poll_found(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    ctx->entry.sha256 = mdm_reply_str(x->calls[0].reply,
                                      MDM_RET_TRANSACTION_GET_CERT);

    if (ctx->entry.sha256.len == 0 || ctx->message.subject.len == 0) {
        return mdm_scep_poll_no(ctx);
    }

    return mdm_exchange_enter(x, mdm_certificates_get, &ctx->entry,
                              MDM_SCEP_POLL_READ);
}


static mdm_int_t
mdm_scep_poll_end(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    int64_t                          ends;
    const mdm_certificates_entry_t  *entry;

    entry = &ctx->entry;

    if (!entry->found || entry->der.len == 0
        || !mdm_str_eq(&entry->ca, &ctx->scep->ca->name)
        || mdm_atoi(&entry->ends, &ends) != MDM_OK
        || ends <= x->now)
    {
        return mdm_scep_poll_no(ctx);
    }

    ctx->issued.der = entry->der;
    ctx->issued.sn = entry->sn;

    return MDM_OK;
}


/* an answer is a certificate or a refusal, never PENDING */

static mdm_int_t
mdm_scep_poll_no(mdm_scep_ctx_t *ctx)
{
    ctx->why = "no such transaction is done";
    ctx->text = ctx->why;
    ctx->fail = MDM_SCEP_BAD_CERT_ID;

    return MDM_DECLINED;
}


mdm_int_t
mdm_scep_poll_keep(mdm_exchange_t *x, mdm_uint_t i, const mdm_scep_ctx_t *ctx)
{
    mdm_str_t  key, *args;

    if (mdm_scep_poll_key(x, ctx, &key) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_transaction_put, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_TRANSACTION_PUT_CERT] = ctx->issued.sha256;

    return (mdm_scep_poll_name(x, ctx, &ctx->message.request.subject,
                               &args[MDM_ARG_TRANSACTION_PUT_NAME])
            == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_TRANSACTION_PUT_ENDS],
                        ctx->issued.ends)
               == MDM_OK)
           ? MDM_OK : MDM_ERROR;
}


/*
 * That of the signer, which need not be the one that is certified, but mostly
 * is: then its digest is there, and to encode a key takes OpenSSL long
 */

static mdm_int_t
mdm_scep_poll_key(mdm_exchange_t *x, const mdm_scep_ctx_t *ctx, mdm_str_t *key)
{
    u_char                   digest[MDM_SHA256];
    EVP_PKEY                *signer;
    mdm_str_t                s, hex;
    const mdm_ca_request_t  *request;

    request = &ctx->message.request;
    signer = X509_get0_pubkey(ctx->message.outer.signer);

    if (request->key != NULL && EVP_PKEY_eq(request->key, signer) == 1) {
        memcpy(digest, request->spki, MDM_SHA256);

    } else if (mdm_ca_spki(x->arena, signer, digest) != MDM_OK) {
        return MDM_ERROR;
    }

    s.data = digest;
    s.len = MDM_SHA256;

    return (mdm_hex_str(x->arena, &hex, &s) == MDM_OK)
           ? mdm_key_spki(x->arena, key, &x->tenant, &hex) : MDM_ERROR;
}


/* no transactionID holds a zero octet */

static mdm_int_t
mdm_scep_poll_name(mdm_exchange_t *x, const mdm_scep_ctx_t *ctx,
    const mdm_str_t *subject, mdm_str_t *name)
{
    mdm_str_t         s;
    const mdm_str_t  *id;

    id = &ctx->message.transaction;

    s.len = id->len + 1 + subject->len;
    s.data = mdm_arena_alloc(x->arena, s.len);

    if (s.data == NULL) {
        return MDM_ERROR;
    }

    memcpy(s.data, id->data, id->len);
    s.data[id->len] = '\0';

    if (subject->len != 0) {
        memcpy(s.data + id->len + 1, subject->data, subject->len);
    }

    return mdm_challenge_sha256(x->arena, &s, name);
}
