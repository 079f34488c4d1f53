
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a SCEP client is answered.
 */


#include <openssl/crypto.h>

#include "mdm_scep.h"


#define MDM_SCEP_PKI_MESSAGE  "application/x-pki-message"


typedef enum {
    MDM_SCEP_START = 0,
    MDM_SCEP_OPENED,
    MDM_SCEP_ANSWERED
} mdm_scep_state_e;


/* of a PKIOperation; what a call of work touches is in here */

typedef struct {
    const mdm_scep_t         *scep;
    int64_t                   now;
    mdm_str_t                 der;
    mdm_scep_message_t        message;
    mdm_ca_issue_t            issue;
    mdm_int_t                 rc;          /* of what was done last */
    mdm_uint_t                read;        /* 1: it is a message */
    const char               *why;         /* for the log */
    const char               *text;        /* for the client; NULL: nothing */
    mdm_scep_fail_e           fail;
    mdm_str_t                 cert;
    mdm_str_t                 reply;
} mdm_scep_ctx_t;


static mdm_int_t mdm_scep_answer(mdm_exchange_t *x, const char *type,
    const mdm_str_t *body);
static mdm_int_t mdm_scep_operation(mdm_exchange_t *x,
    const mdm_str_t *message);
static mdm_int_t mdm_scep_open_work(mdm_arena_t *arena, void *data);
static mdm_int_t mdm_scep_opened(mdm_exchange_t *x);
static const char *mdm_scep_check(mdm_exchange_t *x, mdm_scep_ctx_t *ctx);
static mdm_int_t mdm_scep_refuse(mdm_exchange_t *x);
static mdm_int_t mdm_scep_refuse_work(mdm_arena_t *arena, void *data);
static mdm_int_t mdm_scep_issue(mdm_exchange_t *x);
static mdm_int_t mdm_scep_issue_work(mdm_arena_t *arena, void *data);
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

    default: /* MDM_SCEP_START */
        break;
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

    if (mdm_exchange_calls(x, 1, MDM_SCEP_OPENED) != MDM_CALL
        || mdm_exchange_work(x, 0, mdm_scep_open_work, ctx) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
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

    return (ctx->rc == MDM_ERROR) ? MDM_ERROR : MDM_OK;
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

    if (ctx->message.type == MDM_SCEP_CERT_POLL) {

        /* an answer is a certificate or a refusal, never PENDING */

        ctx->why = "no such transaction is pending";
        ctx->text = ctx->why;
        ctx->fail = MDM_SCEP_BAD_CERT_ID;

        return mdm_scep_refuse(x);
    }

    ctx->why = mdm_scep_check(x, ctx);

    if (ctx->why != NULL) {
        ctx->text = ctx->why;
        ctx->fail = MDM_SCEP_BAD_REQUEST;

        return mdm_scep_refuse(x);
    }

    return mdm_scep_issue(x);
}


/* may this client have a certificate?  NULL, or why not */

static const char *
mdm_scep_check(mdm_exchange_t *x, mdm_scep_ctx_t *ctx)
{
    mdm_str_t  *given;

    given = &ctx->message.request.challenge;

    if (mdm_ca_dates(ctx->scep->ca, x->now, &ctx->issue.from,
                     &ctx->issue.until)
        != MDM_OK)
    {
        return "the CA has expired";
    }

    switch (ctx->scep->challenge) {

    case MDM_SCEP_CHALLENGE_NONE:
        return NULL;

    case MDM_SCEP_CHALLENGE_STATIC:

        if (given->len == ctx->scep->secret.len
            && CRYPTO_memcmp(given->data, ctx->scep->secret.data, given->len)
               == 0)
        {
            return NULL;
        }

        return "the challenge is wrong";

    default: /* MDM_SCEP_CHALLENGE_ONCE */
        return "the challenge is not known";
    }
}


static mdm_int_t
mdm_scep_refuse(mdm_exchange_t *x)
{
    mdm_scep_ctx_t  *ctx;

    ctx = x->ctx;

    mdm_exchange_log(x, MDM_LOG_WARN, "mdm scep: %s: %s, transaction \"%.*s\"",
                     mdm_scep_fail_name(ctx->fail), ctx->why,
                     mdm_fmt(&ctx->message.transaction));

    x->scep_status.data = (u_char *) mdm_scep_fail_name(ctx->fail);
    x->scep_status.len = strlen(mdm_scep_fail_name(ctx->fail));

    if (mdm_exchange_calls(x, 1, MDM_SCEP_ANSWERED) != MDM_CALL
        || mdm_exchange_work(x, 0, mdm_scep_refuse_work, ctx) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_scep_refuse_work(mdm_arena_t *arena, void *data)
{
    mdm_scep_ctx_t *ctx = data;

    return mdm_scep_failure(arena, ctx->scep, &ctx->message, ctx->fail,
                            ctx->text, &ctx->reply);
}


static mdm_int_t
mdm_scep_issue(mdm_exchange_t *x)
{
    mdm_str_t        serial;
    mdm_scep_ctx_t  *ctx;

    ctx = x->ctx;
    ctx->issue.key = ctx->message.request.key;

    serial.data = ctx->issue.serial;
    serial.len = MDM_CA_SERIAL;

    if (mdm_ca_serial(ctx->issue.serial) != MDM_OK
        || mdm_hex_str(x->arena, &x->ca_serial, &serial) != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (ctx->message.request.ignored) {
        mdm_exchange_log(x, MDM_LOG_INFO, "mdm scep: subject and extensions "
                         "of the request are ignored");
    }

    mdm_str_set(&x->scep_status, "success");

    if (mdm_exchange_calls(x, 1, MDM_SCEP_ANSWERED) != MDM_CALL
        || mdm_exchange_work(x, 0, mdm_scep_issue_work, ctx) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_scep_issue_work(mdm_arena_t *arena, void *data)
{
    mdm_scep_ctx_t *ctx = data;

    if (mdm_ca_issue(arena, ctx->scep->ca, &ctx->issue, &ctx->cert) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_scep_success(arena, ctx->scep, &ctx->message, &ctx->cert,
                            &ctx->reply);
}


static mdm_int_t
mdm_scep_answered(mdm_exchange_t *x)
{
    mdm_scep_ctx_t  *ctx;

    ctx = x->ctx;

    if (x->ca_serial.len != 0) {
        mdm_exchange_log(x, MDM_LOG_NOTICE, "mdm scep: certificate %.*s is "
                         "issued, transaction \"%.*s\"",
                         mdm_fmt(&x->ca_serial),
                         mdm_fmt(&ctx->message.transaction));
    }

    return mdm_scep_answer(x, MDM_SCEP_PKI_MESSAGE, &ctx->reply);
}
