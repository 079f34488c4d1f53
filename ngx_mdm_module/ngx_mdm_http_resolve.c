
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Names of servers: by nginx's resolver where there is one, and libcurl is told
 * what it has found.
 */


#include "ngx_mdm_http_pool.h"


/* addresses of a name that are tried */
#define NGX_MDM_HTTP_ADDRS    16


static void ngx_mdm_http_resolve_handler(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_mdm_http_resolve_addrs(ngx_mdm_http_op_t *op,
    ngx_resolver_addr_t *addrs, ngx_uint_t naddrs);


ngx_int_t
ngx_mdm_http_resolve(ngx_mdm_http_op_t *op, ngx_mdm_http_resolved_pt resolved)
{
    ngx_str_t            reason;
    ngx_msec_t           spent;
    ngx_resolver_t      *resolver;
    ngx_resolver_ctx_t  *ctx;

    resolver = op->pool->client->resolver;

    if (!op->named || resolver == NULL) {
        return NGX_OK;
    }

    ngx_str_set(&reason, "its name cannot be resolved");

    ctx = ngx_resolve_start(resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        resolved(op, &reason);
        return NGX_AGAIN;
    }

    spent = ngx_current_msec - op->called;

    ctx->name = op->host;
    ctx->handler = ngx_mdm_http_resolve_handler;
    ctx->data = op;
    ctx->timeout = (spent < op->timeout)
                   ? ngx_min(op->timeout - spent, NGX_MDM_HTTP_CONNECT) : 1;

    op->resolved = resolved;

    /* the handler may run at once, which frees "ctx" */

    op->resolving = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        op->resolving = NULL;
        resolved(op, &reason);
    }

    return NGX_AGAIN;
}


void
ngx_mdm_http_resolve_cancel(ngx_mdm_http_op_t *op)
{
    if (op->resolving != NULL) {
        ngx_resolve_name_done(op->resolving);
        op->resolving = NULL;
    }
}


static void
ngx_mdm_http_resolve_handler(ngx_resolver_ctx_t *ctx)
{
    u_char              text[NGX_MDM_HTTP_TEXT];
    ngx_int_t           rc, state;
    ngx_str_t           reason;
    ngx_mdm_http_op_t  *op;

    op = ctx->data;
    state = ctx->state;
    rc = NGX_OK;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &op->pool->http->log, 0,
                   "mdm http resolved: \"%V\" state:%i addrs:%ui", &op->host,
                   state, ctx->naddrs);

    if (state == 0) {
        rc = ngx_mdm_http_resolve_addrs(op, ctx->addrs, ctx->naddrs);
    }

    ngx_resolve_name_done(ctx);
    op->resolving = NULL;

    if (state == 0 && rc == NGX_OK) {
        op->resolved(op, NULL);
        return;
    }

    reason.data = text;
    reason.len = ngx_snprintf(text, sizeof(text),
                              "the name \"%V\" could not be resolved (%s)",
                              &op->host,
                              (state != 0) ? ngx_resolver_strerror(state)
                                           : "no memory")
                 - text;

    op->resolved(op, &reason);
}


/* "+host:port:address,address": until libcurl's own time for a name is over */

static ngx_int_t
ngx_mdm_http_resolve_addrs(ngx_mdm_http_op_t *op, ngx_resolver_addr_t *addrs,
    ngx_uint_t naddrs)
{
    u_char      *p, *last, text[NGX_MDM_HTTP_ADDRS * 64 + NGX_MDM_HTTP_TEXT];
    u_char       buf[NGX_SOCKADDR_STRLEN];
    ngx_str_t    addr;
    ngx_uint_t   i, six;

    last = text + sizeof(text) - 1;

    p = ngx_slprintf(text, last, "+%V:%ui:", &op->host, (ngx_uint_t) op->port);

    for (i = 0; i < ngx_min(naddrs, NGX_MDM_HTTP_ADDRS); i++) {
        addr.data = buf;
        addr.len = ngx_sock_ntop(addrs[i].sockaddr, addrs[i].socklen, buf,
                                 sizeof(buf), 0);
        six = (addrs[i].sockaddr->sa_family == AF_INET6);

        p = ngx_slprintf(p, last, "%s%s%V%s", (i != 0) ? "," : "",
                         six ? "[" : "", &addr, six ? "]" : "");
    }

    *p = '\0';

    op->addrs = curl_slist_append(NULL, (char *) text);

    return (op->addrs != NULL) ? NGX_OK : NGX_ERROR;
}
