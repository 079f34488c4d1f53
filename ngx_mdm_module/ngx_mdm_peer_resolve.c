
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A server's name is resolved again before each attempt to connect, without
 * blocking, where there is a "resolver".
 */


#include "ngx_mdm_peer.h"


static void ngx_mdm_peer_resolved(ngx_resolver_ctx_t *ctx);


ngx_int_t
ngx_mdm_peer_resolve(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    ngx_resolver_ctx_t      *ctx;
    ngx_mdm_peer_target_t   *target;

    target = peer->target;

    if (!target->named) {
        return NGX_OK;
    }

    if (peer->conf->resolver == NULL) {

        if (target->naddrs != 0) {
            return NGX_OK;
        }

        ngx_mdm_peer_reason(peer, reason,
                                  "no \"resolver\" for the name \"%V\"",
                                  &target->host);
        return NGX_ERROR;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm peer resolve \"%V\"", &target->host);

    ctx = ngx_resolve_start(peer->conf->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_str_set(reason, "its name cannot be resolved");
        return NGX_ERROR;
    }

    ctx->name = target->host;
    ctx->handler = ngx_mdm_peer_resolved;
    ctx->data = peer;
    ctx->timeout = peer->conf->connect_timeout;

    /* the handler may run at once, which frees "ctx" */

    peer->resolving = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        peer->resolving = NULL;
        ngx_str_set(reason, "its name cannot be resolved");
        return NGX_ERROR;
    }

    if (peer->resolving == NULL) {

        /* the handler has run at once, and has kept the result */

        if (target->naddrs != 0) {
            return NGX_OK;
        }

        ngx_mdm_peer_reason(peer, reason, "the name \"%V\" is unknown",
                                  &target->host);
        return NGX_ERROR;
    }

    peer->pending_address = 1;

    return NGX_AGAIN;
}


static void
ngx_mdm_peer_resolved(ngx_resolver_ctx_t *ctx)
{
    ngx_int_t               state;
    ngx_str_t               reason, *why;
    ngx_uint_t              later;
    ngx_mdm_peer_t         *peer;
    ngx_mdm_peer_target_t  *target;

    peer = ctx->data;
    target = peer->target;
    state = ctx->state;
    why = NULL;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm peer resolved \"%V\", state:%i addrs:%ui",
                   &target->host, state, ctx->naddrs);

    if (state == 0 && ctx->naddrs != 0) {

        if (ngx_mdm_peer_target_resolved(target, ctx->addrs, ctx->naddrs)
            != NGX_OK)
        {
            ngx_str_set(&reason, "no memory");
            why = &reason;
        }

    } else {
        ngx_log_error(NGX_LOG_INFO, &peer->log, 0,
                      "\"%V\" could not be resolved (%i: %s)", &target->host,
                      state, ngx_resolver_strerror(state));

        /* the addresses that it had may still be right */

        if (target->naddrs == 0) {
            ngx_mdm_peer_reason(peer, &reason,
                                      "the name \"%V\" could not be resolved "
                                      "(%s)", &target->host,
                                      ngx_resolver_strerror(state));
            why = &reason;
        }
    }

    ngx_resolve_name_done(ctx);

    later = peer->pending_address;

    peer->resolving = NULL;
    peer->pending_address = 0;

    if (later) {
        ngx_mdm_peer_resolve_done(peer, why);
    }
}
