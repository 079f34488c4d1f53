
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A request on its way: the body comes in, the exchange runs, the response
 * goes out.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_endpoint.h"
#include "ngx_mdm_health.h"
#include "ngx_mdm_metrics.h"
#include "ngx_mdm_module.h"
#include "ngx_mdm_tenant.h"


static ngx_int_t ngx_mdm_refuse_large(ngx_http_request_t *r);
static ngx_int_t ngx_mdm_refuse_first(ngx_http_request_t *r);
static void ngx_mdm_body_handler(ngx_http_request_t *r);
static void ngx_mdm_request_body(ngx_mdm_ctx_t *ctx, ngx_int_t rc);
static void ngx_mdm_request_done(ngx_mdm_ctx_t *ctx);
static ngx_int_t ngx_mdm_start(ngx_http_request_t *r, ngx_mdm_ctx_t *ctx);
static ngx_int_t ngx_mdm_find(ngx_mdm_ctx_t *ctx);
static void ngx_mdm_scep_request(ngx_mdm_ctx_t *ctx,
    ngx_mdm_loc_conf_t *mlcf);
static void ngx_mdm_request_line(ngx_http_request_t *r,
    ngx_mdm_loc_conf_t *mlcf, mdm_exchange_t *x);
static void ngx_mdm_kind(ngx_http_request_t *r, ngx_mdm_loc_conf_t *mlcf,
    mdm_exchange_t *x);
static void ngx_mdm_method(ngx_http_request_t *r, mdm_exchange_t *x);


ngx_int_t
ngx_mdm_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_mdm_loc_conf_t  *mlcf;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0, "mdm handler");

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (mlcf->auth_request) {
        return ngx_mdm_access_request(r);
    }

    if (mlcf->metrics) {
        return ngx_mdm_metrics_handler(r);
    }

    if (mlcf->health) {
        return ngx_mdm_health_handler(r);
    }

    if (!mlcf->checkin && !mlcf->connect && !mlcf->api
        && mlcf->enroll.ca == NULL && mlcf->way.enrollment == NULL)
    {

        /* all is off in an "if" block, where the handler stays */

        return NGX_DECLINED;
    }

    if (mlcf->api
        && r->headers_in.content_length_n > (off_t) mlcf->api_body)
    {
        return ngx_mdm_refuse_large(r);
    }

    rc = ngx_mdm_refuse_first(r);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_mdm_body_read(r, ngx_mdm_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


/* a body that is too large for the API: 413, unread */

static ngx_int_t
ngx_mdm_refuse_large(ngx_http_request_t *r)
{
    ngx_int_t       rc;
    ngx_mdm_ctx_t  *ctx;

    /* as nginx does it for client_max_body_size: no "100 Continue" either */

    r->expect_tested = 1;
    r->keepalive = 0;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_mdm_create_ctx(r, NULL, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->exchange->kind = MDM_KIND_API;
    ngx_mdm_api_request(r, ctx->exchange);
    ngx_mdm_api_refuse_body(ctx);

    (void) ngx_mdm_run(ctx);

    return ngx_mdm_send(r, ctx->exchange);
}


/*
 * If the body cannot bring a signature, a request without a certificate is
 * refused before the body is read, which may be large and go to a temporary
 * file.  NGX_DECLINED: read the body; else what the handler returns.
 */

static ngx_int_t
ngx_mdm_refuse_first(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_mdm_ctx_t       *ctx;
    mdm_exchange_t      *x;
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (mlcf->api
        || mlcf->enroll.ca != NULL
        || mlcf->way.enrollment != NULL
        || (mlcf->identity.sources & NGX_MDM_CERTIFICATE_SIGNATURE))
    {
        return NGX_DECLINED;
    }

    rc = ngx_mdm_create_ctx(r, ngx_mdm_request_done, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->first = 1;
    ctx->reading = 1;

    x = ctx->exchange;

    ngx_mdm_request_line(r, mlcf, x);

    if (ngx_mdm_tenant_find(ctx) != NGX_OK
        || (!ctx->done && ngx_mdm_identify(ctx) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->done) {

        if (x->status == NGX_MDM_HTTP_TOO_EARLY) {

            /* the handshake may be at its end when the body is there */

            ctx->done = 0;
            mdm_str_null(&x->error);

            return NGX_DECLINED;
        }

    } else if (x->identity.source != MDM_IDENTITY_NONE
               && x->method == MDM_PUT)
    {
        ctx->identified = 1;

        return NGX_DECLINED;

    } else {
        mdm_endpoint_find(x);
    }

    ctx->reading = 0;

    /* what is not read is not asked for: no "100 Continue" */

    if (r->headers_in.expect != NULL) {
        r->expect_tested = 1;
        r->keepalive = 0;
    }

    /* nginx may close the connection instead, if the body is long */

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_mdm_run(ctx);

    return (rc == NGX_OK) ? ngx_mdm_send(r, x)
                          : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static void
ngx_mdm_body_handler(ngx_http_request_t *r)
{
    ngx_int_t       rc;
    ngx_mdm_ctx_t  *ctx;

    if (ngx_mdm_body_more(r)) {
        return;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_mdm_module);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mdm body handler: %O bytes, first:%d", r->request_length,
                   ctx != NULL && ctx->first);

    if (ctx != NULL && ctx->first) {
        ctx->reading = 0;
        ctx->exchange->now = ngx_time();
        rc = NGX_OK;

    } else {
        rc = ngx_mdm_create_ctx(r, ngx_mdm_request_done, &ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_mdm_start(r, ctx);
    }

    if (rc == NGX_DONE) {

        /* a thread reads it; the reference that the body took is kept */

        r->read_event_handler = ngx_http_test_reading;

        return;
    }

    ngx_mdm_request_body(ctx, rc);
}


/* the body is there */

static void
ngx_mdm_request_body(ngx_mdm_ctx_t *ctx, ngx_int_t rc)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (rc == NGX_OK && !ctx->done) {
        rc = ngx_mdm_find(ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_mdm_run(ctx);
    }

    if (rc == NGX_DONE) {

        /* waits for Redis or for a thread; the reference is kept as well */

        r->read_event_handler = ngx_http_test_reading;

        return;
    }

    if (ctx->gone) {
        rc = NGX_ERROR;

    } else if (rc == NGX_OK) {
        rc = ngx_mdm_send(r, ctx->exchange);
    }

    ngx_http_finalize_request(r, rc);
}


static void
ngx_mdm_request_done(ngx_mdm_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mdm request done");

    ngx_http_finalize_request(r, ngx_mdm_send(r, ctx->exchange));
}


static ngx_int_t
ngx_mdm_start(ngx_http_request_t *r, ngx_mdm_ctx_t *ctx)
{
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (!ctx->first) {
        ngx_mdm_request_line(r, mlcf, ctx->exchange);

        if (ngx_mdm_tenant_find(ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ctx->done) {
            return NGX_OK;
        }
    }

    return ngx_mdm_body(ctx, ngx_mdm_request_body);
}


/* who has sent it, and what for; NGX_OK, or an HTTP status */

static ngx_int_t
ngx_mdm_find(ngx_mdm_ctx_t *ctx)
{
    mdm_exchange_t      *x;
    ngx_http_request_t  *r;
    ngx_mdm_loc_conf_t  *mlcf;

    r = ctx->request;
    x = ctx->exchange;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (x->kind == MDM_KIND_API) {
        ngx_mdm_api_request(r, x);

        if (x->body.len > mlcf->api_body) {

            /* nobody has said how long it would be */

            ngx_mdm_api_refuse_body(ctx);

            return NGX_OK;
        }

    } else if (x->kind == MDM_KIND_SCEP) {
        ngx_mdm_scep_request(ctx, mlcf);

    } else if (x->kind == MDM_KIND_ENROLL) {

        if (ngx_mdm_enroll_request(ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else if (!ctx->identified && ngx_mdm_identify(ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ctx->done) {
        x->step = mdm_endpoint_step;
    }

    return NGX_OK;
}


/* whoever wants a certificate has none yet */

static void
ngx_mdm_scep_request(ngx_mdm_ctx_t *ctx, ngx_mdm_loc_conf_t *mlcf)
{
    mdm_exchange_t  *x;

    x = ctx->exchange;

    ngx_mdm_str_copy(&x->query, &ctx->request->args);

    /* the threads that sign are the CA's */

    ctx->round.threads = mlcf->enroll.ca->threads;

    if (!ngx_mdm_ca_serves(mlcf->enroll.ca, (ngx_str_t *) &x->tenant)) {
        (void) mdm_exchange_refuse(x, NGX_HTTP_FORBIDDEN,
                                   "mdm ca \"%.*s\" does not serve tenant "
                                   "\"%.*s\"",
                                   mdm_fmt(&x->settings->scep->ca->name),
                                   mdm_fmt(&x->tenant));
        ctx->done = 1;
    }
}


static void
ngx_mdm_request_line(ngx_http_request_t *r, ngx_mdm_loc_conf_t *mlcf,
    mdm_exchange_t *x)
{
    if (r->headers_in.content_type != NULL) {
        ngx_mdm_str_copy(&x->content_type,
                         &r->headers_in.content_type->value);
    }

    ngx_mdm_method(r, x);
    ngx_mdm_kind(r, mlcf, x);

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mdm request: kind %d, method %xi, \"%V\"", (int) x->kind,
                   (ngx_int_t) x->method, (ngx_str_t *) &x->content_type);
}


static void
ngx_mdm_kind(ngx_http_request_t *r, ngx_mdm_loc_conf_t *mlcf,
    mdm_exchange_t *x)
{
    if (mlcf->api) {
        x->kind = MDM_KIND_API;
        return;
    }

    if (mlcf->enroll.ca != NULL) {
        x->kind = MDM_KIND_SCEP;
        return;
    }

    if (mlcf->way.enrollment != NULL) {
        x->kind = MDM_KIND_ENROLL;
        return;
    }

    if (!mlcf->connect) {
        x->kind = MDM_KIND_CHECKIN;
        return;
    }

    x->kind = MDM_KIND_CONNECT;

    if (mlcf->checkin && mdm_endpoint_is_checkin(&x->content_type)) {
        x->kind = MDM_KIND_CHECKIN;
    }
}


static void
ngx_mdm_method(ngx_http_request_t *r, mdm_exchange_t *x)
{
    switch (r->method) {

    case NGX_HTTP_GET:
    case NGX_HTTP_HEAD:
        x->method = MDM_GET;
        break;

    case NGX_HTTP_POST:
        x->method = MDM_POST;
        break;

    case NGX_HTTP_PUT:
        x->method = MDM_PUT;
        break;

    case NGX_HTTP_DELETE:
        x->method = MDM_DELETE;
        break;

    default:
        x->method = 0;
    }
}
