
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The exchange of a request, whatever handler it has: made, run, resumed when
 * its calls are answered, and given back.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_count.h"
#include "ngx_mdm_hook.h"
#include "ngx_mdm_job.h"
#include "ngx_mdm_log.h"
#include "ngx_mdm_metrics_gauges.h"
#include "ngx_mdm_module.h"
#include "ngx_mdm_redis_resp.h"


static void ngx_mdm_wait(ngx_mdm_ctx_t *ctx);
static void ngx_mdm_replies(void *data);
static void ngx_mdm_checked(void *data, ngx_uint_t lost);
static void ngx_mdm_resume(ngx_mdm_ctx_t *ctx);
static void ngx_mdm_abandon(void *data);
static void ngx_mdm_destroy(void *data);


ngx_int_t
ngx_mdm_create_ctx(ngx_http_request_t *r, ngx_mdm_done_pt done,
    ngx_mdm_ctx_t **pctx)
{
    ngx_mdm_ctx_t       *ctx;
    mdm_exchange_t      *x;
    ngx_pool_cleanup_t  *cln;
    ngx_http_cleanup_t  *hcln;
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_mdm_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /*
     * Two cleanups: calls are let go as soon as the request ends, even if it
     * is terminated; the memory stays until the log was written and the pool
     * goes away.
     */

    hcln = ngx_http_cleanup_add(r, 0);
    if (hcln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    hcln->handler = ngx_mdm_abandon;
    hcln->data = ctx;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    x = mdm_exchange_create_from(&ngx_mdm_redis_arenas, &mlcf->settings);
    if (x == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_mdm_destroy;
    cln->data = ctx;

    ctx->request = r;
    ctx->exchange = x;
    ctx->handler = done;

    ctx->round.exchange = x;
    ctx->round.store = mlcf->store;
    ctx->round.threads = mlcf->threads;
    ctx->round.done = ngx_mdm_replies;
    ctx->round.data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_mdm_module);

    *pctx = ctx;

    x->now = ngx_time();
    x->cache = ngx_mdm_cache;
    ngx_mdm_str_copy(&x->remote_addr, &r->connection->addr_text);

    return NGX_OK;
}


ngx_int_t
ngx_mdm_identify(ngx_mdm_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_str_t            why;
    ngx_uint_t           status;
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_mdm_module);

    ngx_str_null(&why);

    rc = ngx_mdm_identity(ctx->request, &mlcf->identity, ctx->exchange,
                          &ctx->signature, &status, &why);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        (void) mdm_exchange_refuse(ctx->exchange, status, "%.*s",
                                   mdm_fmt(&why));
        ctx->done = 1;
    }

    return NGX_OK;
}


ngx_int_t
ngx_mdm_run(ngx_mdm_ctx_t *ctx)
{
    mdm_int_t        rc;
    mdm_exchange_t  *x;

    x = ctx->exchange;

    while (!ctx->done) {

        switch (ngx_mdm_round_step(&ctx->round, &rc)) {

        case NGX_DONE:
            ngx_mdm_wait(ctx);

            return NGX_DONE;

        case NGX_ERROR:
            rc = mdm_exchange_busy(x);
            break;

        default: /* NGX_OK */
            break;
        }

        ngx_log_debug4(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                       "mdm exchange run: \"%V\", rc %d, state %d, %ui calls",
                       (ngx_str_t *) &x->message, (int) rc, (int) x->state,
                       (ngx_uint_t) x->ncalls);

        if (rc == MDM_DONE) {
            ctx->done = 1;
            break;
        }

        ctx->sent = ngx_current_msec;

        if (ngx_mdm_round_send(&ctx->round) != 0) {
            ngx_mdm_wait(ctx);

            return NGX_DONE;
        }
    }

    if (x->unknown) {

        /* who is not found in a store that was lost must not be told so */

        x->unknown = 0;

        ctx->sent = ngx_current_msec;
        ctx->check.handler = ngx_mdm_checked;
        ctx->check.data = ctx;

        ngx_mdm_redis_check(ctx->round.store, &ctx->check);

        ngx_mdm_wait(ctx);

        return NGX_DONE;
    }

    ngx_mdm_log_exchange(ctx);

    ngx_mdm_job_kicks(ctx->round.store, x);
    ngx_mdm_hook_once(ctx->round.store, x);

    if (ngx_mdm_count_row != NULL && x->status == NGX_HTTP_OK) {
        ngx_mdm_gauges_seen(ctx->round.store, &x->tenant);
    }

    if (x->push_topic.len != 0 && x->status == NGX_HTTP_OK) {
        ngx_mdm_push_seen(ctx->round.store, &x->tenant, &x->push_topic);
    }

    return NGX_OK;
}


static void
ngx_mdm_wait(ngx_mdm_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->round.working != 0) {
        r->connection->log->action = "waiting for a thread";

    } else if (ctx->round.nredis == 0 && ctx->round.pushes != NULL) {
        r->connection->log->action = "waiting for APNs";

    } else if (ctx->round.nredis == 0 && ctx->round.https != NULL) {
        r->connection->log->action = "waiting for another server";

    } else {
        r->connection->log->action = "waiting for redis";
    }

    /*
     * A thread reads the body of the request, and an exchange that is to last
     * needs all of it: it stays, even if it is terminated meanwhile.
     */

    if (ctx->round.working != 0 || ctx->exchange->lasting) {
        ctx->blocked = 1;
        r->main->blocked++;
    }
}


static void
ngx_mdm_replies(void *data)
{
    ngx_mdm_resume(data);
}


static void
ngx_mdm_checked(void *data, ngx_uint_t lost)
{
    ngx_mdm_ctx_t *ctx = data;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "mdm exchange checked: lost:%ui", lost);

    if (lost) {
        (void) mdm_exchange_unavailable(ctx->exchange);
    }

    ngx_mdm_resume(ctx);
}


void
ngx_mdm_awake(ngx_mdm_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_http_set_log_request(r->connection->log, r);
    r->connection->log->action = NULL;

    if (ctx->blocked) {
        ctx->blocked = 0;
        r->main->blocked--;
    }
}


static void
ngx_mdm_resume(ngx_mdm_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_mdm_awake(ctx);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "mdm exchange resume: %M ms, gone:%d",
                   ngx_current_msec - ctx->sent, ctx->gone);

    if (ctx->round.nredis != 0) {
        ctx->rounds++;
        ctx->redis_time += ngx_current_msec - ctx->sent;
    }

    if (!ctx->gone || ctx->exchange->lasting) {

        if (ngx_mdm_run(ctx) == NGX_DONE) {
            return;
        }
    }

    if (ctx->gone) {

        /* it was terminated, and has waited for this */

        ngx_http_finalize_request(r, NGX_ERROR);

    } else {
        ctx->handler(ctx);
    }

    ngx_http_run_posted_requests(c);
}


static void
ngx_mdm_abandon(void *data)
{
    ngx_mdm_ctx_t *ctx = data;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "mdm exchange abandon: %ui calls pending, blocked:%d",
                   ctx->round.pending, ctx->blocked);

    ctx->gone = 1;

    if (ctx->blocked && ctx->exchange->lasting) {
        return;
    }

    ngx_mdm_round_abandon(&ctx->round);
    ngx_mdm_redis_check_abandon(&ctx->check);
}


static void
ngx_mdm_destroy(void *data)
{
    ngx_mdm_ctx_t *ctx = data;

    ngx_mdm_work_destroy(ctx->round.threads, ctx->exchange->arena);
}
