
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a SCEP client is answered.
 */


#include "mdm_certificate.h"
#include "mdm_key.h"
#include "mdm_scep.h"
#include "mdm_scep_issue.h"


#define MDM_SCEP_PKI_MESSAGE  "application/x-pki-message"


static mdm_int_t mdm_scep_answer(mdm_exchange_t *x, const char *type,
    const mdm_str_t *body);
static mdm_int_t mdm_scep_operation(mdm_exchange_t *x,
    const mdm_str_t *message);
static mdm_int_t mdm_scep_open_work(mdm_arena_t *arena, void *data);
static mdm_int_t mdm_scep_ours(mdm_arena_t *arena, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_opened(mdm_exchange_t *x);
static mdm_uint_t mdm_scep_polls(const mdm_exchange_t *x);
static mdm_int_t mdm_scep_decide(mdm_exchange_t *x);
static mdm_int_t mdm_scep_ids(mdm_exchange_t *x, mdm_str_t *ids);
static mdm_int_t mdm_scep_refuse(mdm_exchange_t *x);
static mdm_int_t mdm_scep_refuse_work(mdm_arena_t *arena, void *data);
static mdm_int_t mdm_scep_refused_event(mdm_exchange_t *x, mdm_uint_t i,
    mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_reply(mdm_exchange_t *x);
static mdm_int_t mdm_scep_reply_work(mdm_arena_t *arena, void *data);
static mdm_int_t mdm_scep_answered(mdm_exchange_t *x);


mdm_int_t
mdm_scep(mdm_exchange_t *x)
{
    mdm_str_t          message;
    const mdm_scep_t  *scep;

    switch (x->state) {

    case MDM_SCEP_OPENED:
        return mdm_scep_opened(x);

    case MDM_SCEP_ANSWERED:
        return mdm_scep_answered(x);

    case MDM_SCEP_START:
        break;

    default:
        return mdm_scep_decide(x);
    }

    scep = x->settings->scep;

    switch (mdm_scep_query(&x->query, &message)) {

    case MDM_SCEP_GET_CA_CAPS:
        mdm_str_set(&x->scep_operation, "GetCACaps");

        return mdm_scep_answer(x, "text/plain", &scep->caps);

    case MDM_SCEP_GET_CA_CERT:
        mdm_str_set(&x->scep_operation, "GetCACert");

        return mdm_scep_answer(x, (const char *) scep->certs_type.data,
                               &scep->certs);

    case MDM_SCEP_PKI_OPERATION:
        mdm_str_set(&x->scep_operation, "PKIOperation");

        return mdm_scep_operation(x, &message);

    default: /* MDM_SCEP_UNKNOWN */
        return mdm_exchange_refuse(x, 400, "the operation is none of "
                                   "GetCACaps, GetCACert and PKIOperation");
    }
}


static mdm_int_t
mdm_scep_answer(mdm_exchange_t *x, const char *type, const mdm_str_t *body)
{
    return mdm_exchange_body(x, 200, type, body);
}


/* the body is the message or, where there is none, that of the query */

static mdm_int_t
mdm_scep_operation(mdm_exchange_t *x, const mdm_str_t *message)
{
    mdm_int_t        rc;
    mdm_scep_ctx_t  *ctx;

    ctx = mdm_arena_zalloc(x->arena, sizeof(mdm_scep_ctx_t));
    if (ctx == NULL) {
        return MDM_ERROR;
    }

    ctx->scep = x->settings->scep;
    ctx->now = x->now;
    ctx->der = x->body;

    if (x->body.len == 0) {
        rc = mdm_scep_decode(x->arena, message, &ctx->der);

        if (rc == MDM_ERROR) {
            return MDM_ERROR;
        }

        if (rc != MDM_OK) {
            return mdm_exchange_refuse(x, 400, "PKIOperation has no body, and "
                                       "no message in base64");
        }
    }

    x->ctx = ctx;

    return mdm_exchange_work_alone(x, MDM_SCEP_OPENED, mdm_scep_open_work,
                                   ctx);
}


static mdm_int_t
mdm_scep_open_work(mdm_arena_t *arena, void *data)
{
    mdm_scep_ctx_t *ctx = data;

    ctx->rc = mdm_scep_read(arena, &ctx->der, ctx->now, &ctx->message,
                            &ctx->why);

    if (ctx->rc == MDM_OK) {
        ctx->read = 1;
        ctx->rc = mdm_scep_open(arena, ctx->scep, ctx->now, &ctx->message,
                                &ctx->why);
        ctx->fail = ctx->message.fail;
    }

    if (ctx->rc == MDM_OK && mdm_scep_ours(arena, ctx) != MDM_OK) {
        return MDM_ERROR;
    }

    return (ctx->rc == MDM_ERROR) ? MDM_ERROR : MDM_OK;
}


/* has this CA, or one before it, issued the certificate of the signer? */

static mdm_int_t
mdm_scep_ours(mdm_arena_t *arena, mdm_scep_ctx_t *ctx)
{
    int              i;
    X509            *signer;
    u_char          *hex;
    mdm_str_t        der;
    const mdm_ca_t  *ca;

    ca = ctx->scep->ca;
    signer = ctx->message.outer.signer;
    ctx->ours = mdm_ca_issued(signer, ca->cert);

    for (i = 0; !ctx->ours && i < sk_X509_num(ca->previous); i++) {
        ctx->ours = mdm_ca_issued(signer, sk_X509_value(ca->previous, i));
    }

    if (!ctx->ours) {
        return MDM_OK;
    }

    hex = mdm_arena_alloc(arena, 3 * MDM_SHA256);

    if (hex == NULL
        || mdm_certificate_der(arena, signer, &der) != MDM_OK
        || mdm_certificate_sha256(&der, hex + 2 * MDM_SHA256, hex) != MDM_OK)
    {
        return MDM_ERROR;
    }

    ctx->signer.data = hex;
    ctx->signer.len = 2 * MDM_SHA256;
    ctx->signer_raw.data = hex + 2 * MDM_SHA256;
    ctx->signer_raw.len = MDM_SHA256;

    return MDM_OK;
}


static mdm_int_t
mdm_scep_opened(mdm_exchange_t *x)
{
    mdm_scep_ctx_t  *ctx;

    ctx = x->ctx;

    if (!ctx->read) {
        return mdm_exchange_refuse(x, 400, "SCEP: %s", ctx->why);
    }

    if (ctx->rc != MDM_OK) {
        return mdm_scep_refuse(x);
    }

    if (ctx->message.request.ignored) {
        mdm_exchange_log(x, MDM_LOG_INFO, "mdm scep: subject and extensions "
                         "of the request are ignored");
    }

    x->state = MDM_SCEP_ISSUE;

    return mdm_scep_decide(x);
}


static mdm_uint_t
mdm_scep_polls(const mdm_exchange_t *x)
{
    const mdm_scep_ctx_t  *ctx;

    ctx = x->ctx;

    return ctx->message.type == MDM_SCEP_CERT_POLL;
}


static mdm_int_t
mdm_scep_decide(mdm_exchange_t *x)
{
    mdm_int_t  rc;

    rc = mdm_scep_polls(x) ? mdm_scep_poll(x) : mdm_scep_issue(x);

    if (rc == MDM_DECLINED) {
        return mdm_scep_refuse(x);
    }

    return (rc == MDM_OK) ? mdm_scep_reply(x) : rc;
}


/*
 * What a line of the log ends with: the transaction and, as far as they are
 * known, the challenge by its id, never by its value, and the device.
 */

static mdm_int_t
mdm_scep_ids(mdm_exchange_t *x, mdm_str_t *ids)
{
    mdm_str_t              device;
    mdm_uint_t             named, known;
    const mdm_scep_ctx_t  *ctx;

    ctx = x->ctx;

    /* who signs, unless it renews, may have been another device */

    if (ctx->renewal) {
        device = ctx->entry.claimed;

    } else if (mdm_key_id(x->arena, &device, &ctx->take.c.udid) != MDM_OK) {
        return MDM_ERROR;
    }

    named = (ctx->take.c.id.len != 0);
    known = (device.len != 0);

    return mdm_printf(x->arena, ids, "transaction \"%.*s\"%s%.*s%s%s%.*s%s",
                      mdm_fmt(&ctx->message.transaction),
                      named ? ", challenge \"" : "",
                      mdm_fmt(&ctx->take.c.id), named ? "\"" : "",
                      known ? ", device \"" : "", mdm_fmt(&device),
                      known ? "\"" : "");
}


static mdm_int_t
mdm_scep_refuse(mdm_exchange_t *x)
{
    mdm_str_t        ids;
    mdm_uint_t       told;
    mdm_scep_ctx_t  *ctx;

    ctx = x->ctx;

    if (mdm_scep_ids(x, &ids) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_exchange_log(x, MDM_LOG_WARN, "mdm scep: %s: %s, %.*s",
                     mdm_scep_fail_name(ctx->fail), ctx->why, mdm_fmt(&ids));

    if (ctx->text == NULL) {
        ctx->text = mdm_scep_fail_text(ctx->fail);
    }

    x->scep_status.data = (u_char *) mdm_scep_fail_name(ctx->fail);
    x->scep_status.len = strlen(mdm_scep_fail_name(ctx->fail));

    /*
     * What is wrong with a key others may want to know, and that a challenge
     * which is used up has come again: it may be stolen.  Who has shown no
     * secret of ours writes nothing: events of others would have to go.
     */

    told = (ctx->fail == MDM_SCEP_BAD_REQUEST
            && (ctx->take.c.id.len != 0 || ctx->renewal));

    if (mdm_exchange_calls(x, 1 + told, MDM_SCEP_ANSWERED) != MDM_CALL
        || mdm_exchange_work(x, 0, mdm_scep_refuse_work, ctx) != MDM_OK
        || (told && mdm_scep_refused_event(x, 1, ctx) != MDM_OK))
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


/* as mdm.CertificateIssued in the same stream: of a device, or a challenge */

static mdm_int_t
mdm_scep_refused_event(mdm_exchange_t *x, mdm_uint_t i, mdm_scep_ctx_t *ctx)
{
    mdm_str_t   key, *args;
    mdm_uint_t  purpose;

    purpose = ctx->renewal ? MDM_PURPOSE_RENEW : ctx->take.c.purpose;

    if (ctx->renewal) {
        key = ctx->tag;

    } else if (mdm_key_ca(x->arena, &key, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_certificate_refused, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CERTIFICATE_REFUSED_DEVICE] = ctx->renewal
                                               ? ctx->entry.claimed
                                               : ctx->take.c.id;
    args[MDM_ARG_CERTIFICATE_REFUSED_CERT] = ctx->signer_raw;

    if (!ctx->renewal) {
        args[MDM_ARG_CERTIFICATE_REFUSED_CHALLENGE] = ctx->take.c.id;
    }

    args[MDM_ARG_CERTIFICATE_REFUSED_CA] = ctx->issued.ca;
    args[MDM_ARG_CERTIFICATE_REFUSED_SN] = ctx->entry.sn;
    args[MDM_ARG_CERTIFICATE_REFUSED_PURPOSE] = mdm_purpose_name(purpose);
    args[MDM_ARG_CERTIFICATE_REFUSED_WHY].data = (u_char *) ctx->why;
    args[MDM_ARG_CERTIFICATE_REFUSED_WHY].len = strlen(ctx->why);

    return MDM_OK;
}


static mdm_int_t
mdm_scep_refuse_work(mdm_arena_t *arena, void *data)
{
    mdm_scep_ctx_t *ctx = data;

    return mdm_scep_failure(arena, ctx->scep, &ctx->message, ctx->fail,
                            ctx->text, &ctx->reply);
}


static mdm_int_t
mdm_scep_reply(mdm_exchange_t *x)
{
    mdm_uint_t       keep;
    mdm_scep_ctx_t  *ctx;

    ctx = x->ctx;
    keep = !mdm_scep_polls(x);

    x->ca_serial = ctx->issued.sn;
    mdm_str_set(&x->scep_status, "success");

    return (mdm_exchange_calls(x, 1 + keep, MDM_SCEP_ANSWERED) == MDM_CALL
            && mdm_exchange_work(x, 0, mdm_scep_reply_work, ctx) == MDM_OK
            && (!keep || mdm_scep_poll_keep(x, 1, ctx) == MDM_OK))
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_scep_reply_work(mdm_arena_t *arena, void *data)
{
    mdm_scep_ctx_t *ctx = data;

    X509  *made;

    /* another one may have been stored before */

    made = mdm_str_eq(&ctx->made_der, &ctx->issued.der) ? ctx->made : NULL;

    return mdm_scep_success(arena, ctx->scep, &ctx->message, &ctx->issued.der,
                            made, &ctx->reply);
}


static mdm_int_t
mdm_scep_answered(mdm_exchange_t *x)
{
    mdm_str_t        ids;
    mdm_scep_ctx_t  *ctx;

    ctx = x->ctx;

    if (x->ca_serial.len != 0) {

        if (mdm_scep_ids(x, &ids) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_exchange_log(x, MDM_LOG_NOTICE, "mdm scep: certificate %.*s is "
                         "%s, %.*s", mdm_fmt(&x->ca_serial),
                         mdm_scep_polls(x) ? "given again" : "issued",
                         mdm_fmt(&ids));
    }

    return mdm_scep_answer(x, MDM_SCEP_PKI_MESSAGE, &ctx->reply);
}
