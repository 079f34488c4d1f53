
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdm_auth: an access check in front of any other handler; mdm_auth_request:
 * the same as a handler, for who asks from elsewhere.  Never 401: a device
 * would unenroll.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_endpoint.h"
#include "ngx_mdm_module.h"
#include "ngx_mdm_tenant.h"


/* seconds; for what has no time of its own */
#define NGX_MDM_ACCESS_RETRY  1


static ngx_int_t ngx_mdm_access_start(ngx_http_request_t *r,
    ngx_mdm_done_pt done, ngx_mdm_ctx_t **ctx);
static void ngx_mdm_access_done(ngx_mdm_ctx_t *ctx);
static ngx_int_t ngx_mdm_access_result(ngx_http_request_t *r,
    ngx_mdm_ctx_t *ctx);
static void ngx_mdm_access_request_done(ngx_mdm_ctx_t *ctx);
static ngx_int_t ngx_mdm_access_answer(ngx_mdm_ctx_t *ctx);


ngx_int_t
ngx_mdm_access_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_mdm_ctx_t       *ctx;
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (!mlcf->auth) {
        return NGX_DECLINED;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mdm access handler");

    ctx = ngx_http_get_module_ctx(r, ngx_mdm_module);

    if (ctx != NULL) {
        return ctx->done ? ngx_mdm_access_result(r, ctx) : NGX_AGAIN;
    }

    rc = ngx_mdm_access_start(r, ngx_mdm_access_done, &ctx);

    if (rc == NGX_DONE) {
        return NGX_AGAIN;
    }

    return (rc == NGX_OK) ? ngx_mdm_access_result(r, ctx) : rc;
}


/* NGX_OK: it is done; NGX_DONE: done() will be called; an HTTP status */

static ngx_int_t
ngx_mdm_access_start(ngx_http_request_t *r, ngx_mdm_done_pt done,
    ngx_mdm_ctx_t **pctx)
{
    ngx_int_t        rc;
    ngx_mdm_ctx_t   *ctx;
    mdm_exchange_t  *x;

    rc = ngx_mdm_create_ctx(r, done, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    *pctx = ctx;

    x = ctx->exchange;
    x->kind = MDM_KIND_AUTH;
    mdm_str_set(&x->message, "auth");
    mdm_endpoint_find(x);

    if (ngx_mdm_tenant_find(ctx) != NGX_OK
        || (!ctx->done && ngx_mdm_identify(ctx) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_mdm_run(ctx);
}


static void
ngx_mdm_access_done(ngx_mdm_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mdm access done: %ui",
                   (ngx_uint_t) ctx->exchange->status);

    /* the phases go on with the access handler, which finds the result */

    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}


static ngx_int_t
ngx_mdm_access_result(ngx_http_request_t *r, ngx_mdm_ctx_t *ctx)
{
    mdm_exchange_t  *x;

    x = ctx->exchange;

    if (x->status == NGX_HTTP_OK) {
        return NGX_OK;
    }

    if (x->retry_after != 0
        && ngx_mdm_retry_after(r, x->retry_after) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return x->status;
}


ngx_int_t
ngx_mdm_access_request(ngx_http_request_t *r)
{
    ngx_int_t       rc;
    ngx_mdm_ctx_t  *ctx;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mdm access request");

    /* a gateway may hand on the body of what it asks about */

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_mdm_access_start(r, ngx_mdm_access_request_done, &ctx);

    if (rc == NGX_OK) {
        return ngx_mdm_access_answer(ctx);
    }

    if (rc == NGX_DONE) {
        r->main->count++;
    }

    return rc;
}


static void
ngx_mdm_access_request_done(ngx_mdm_ctx_t *ctx)
{
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "mdm access request done: %ui",
                   (ngx_uint_t) ctx->exchange->status);

    ngx_http_finalize_request(ctx->request, ngx_mdm_access_answer(ctx));
}


/*
 * One of three, as whoever asks knows no other: 204, 403 for what is wrong
 * with the client, 503 for what may be right the next time.
 */

static ngx_int_t
ngx_mdm_access_answer(ngx_mdm_ctx_t *ctx)
{
    mdm_exchange_t  *x;

    x = ctx->exchange;

    if (x->status == NGX_HTTP_OK) {
        return NGX_HTTP_NO_CONTENT;
    }

    if (x->status < NGX_HTTP_INTERNAL_SERVER_ERROR
        && x->status != NGX_MDM_HTTP_TOO_EARLY)
    {
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_mdm_retry_after(ctx->request,
                            (x->retry_after != 0) ? x->retry_after
                                                  : NGX_MDM_ACCESS_RETRY)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_HTTP_SERVICE_UNAVAILABLE;
}
