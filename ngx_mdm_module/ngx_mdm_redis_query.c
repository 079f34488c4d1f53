
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Asks one of several servers a question, over a connection of its own.
 */


#include "ngx_mdm_redis_query.h"


/* steps of its handshake */

#define NGX_MDM_REDIS_QUERY_AUTH      0
#define NGX_MDM_REDIS_QUERY_QUESTION  1


static void ngx_mdm_redis_query_reply(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op, mdm_reply_t *reply, mdm_arena_t *arena);
static void ngx_mdm_redis_query_drop(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);
static void ngx_mdm_redis_query_up(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_query_down(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);
static ngx_int_t ngx_mdm_redis_query_resolve_start(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);
static ngx_int_t ngx_mdm_redis_query_next(ngx_mdm_redis_conn_t *conn);
static ngx_int_t ngx_mdm_redis_query_handshake_send(ngx_mdm_redis_conn_t *conn);
static ngx_int_t ngx_mdm_redis_query_handshake_recv(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, ngx_str_t *reason);


static const ngx_mdm_redis_owner_t  ngx_mdm_redis_query_owner = {
    ngx_mdm_redis_query_reply,
    ngx_mdm_redis_query_drop,
    NULL,
    ngx_mdm_redis_query_up,
    ngx_mdm_redis_query_down,
    NULL,
    ngx_mdm_redis_query_resolve_start,
    ngx_mdm_redis_query_next,
    ngx_mdm_redis_query_handshake_send,
    ngx_mdm_redis_query_handshake_recv
};


ngx_int_t
ngx_mdm_redis_query_init(ngx_mdm_redis_query_t *ask, ngx_mdm_store_t *store,
    ngx_pool_t *pool)
{
    ngx_uint_t                i, n;
    ngx_mdm_store_server_t   *server;
    ngx_mdm_peer_target_t    *target, **p;

    n = store->servers.nelts;
    server = store->servers.elts;

    target = ngx_pcalloc(pool, n * sizeof(ngx_mdm_peer_target_t));
    if (target == NULL) {
        return NGX_ERROR;
    }

    if (ngx_array_init(&ask->targets, pool, n,
                       sizeof(ngx_mdm_peer_target_t *))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        ngx_mdm_store_target(&server[i], &target[i]);

        /* there is room */

        p = ngx_array_push(&ask->targets);
        *p = &target[i];
    }

    /* workers begin with different ones */

    ask->index = (ngx_uint_t) ngx_random() % n;

    ask->conn.data = ask;
    ask->conn.store = store;
    ask->conn.owner = &ngx_mdm_redis_query_owner;
    ask->conn.stats = &ask->stats;

    ngx_mdm_redis_conn_init(&ask->conn);

    return NGX_OK;
}


void
ngx_mdm_redis_query(ngx_mdm_redis_query_t *ask)
{
    if (ask->asking) {
        return;
    }

    ask->asking = 1;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &ask->conn.peer.log, 0,
                   "mdm redis ask \"%V\" of %ui servers",
                   &ask->argv[0], ask->targets.nelts);
    ask->asked = 0;

    /* not always the same one: it may know less than the others */

    ask->index = (ask->index + 1) % ask->targets.nelts;

    /* not at once: the asker may not be ready for an answer yet */

    ask->conn.peer.delay = 0;
    ask->conn.peer.tried = 0;

    ngx_post_event(&ask->conn.peer.timer, &ngx_posted_next_events);
}


void
ngx_mdm_redis_query_destroy(ngx_mdm_redis_query_t *ask)
{
    ngx_uint_t                i;
    ngx_mdm_peer_target_t   **target;

    ngx_mdm_redis_conn_destroy(&ask->conn);

    /* those of the store come first, the others are the asker's */

    target = ask->targets.elts;

    for (i = 0; i < ask->conn.store->servers.nelts; i++) {
        ngx_mdm_peer_target_free(target[i]);
    }

    ask->asking = 0;
}


static ngx_int_t
ngx_mdm_redis_query_resolve_start(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_query_t      *ask;
    ngx_mdm_peer_target_t   **target;

    ask = conn->data;
    target = ask->targets.elts;

    conn->peer.target = target[ask->index];

    return ngx_mdm_redis_resolve(conn, reason);
}


static ngx_int_t
ngx_mdm_redis_query_next(ngx_mdm_redis_conn_t *conn)
{
    ngx_mdm_redis_query_t  *ask;

    ask = conn->data;

    ask->index = (ask->index + 1) % ask->targets.nelts;

    if (++ask->asked < ask->targets.nelts) {
        return NGX_OK;
    }

    ask->asked = 0;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_mdm_redis_query_handshake_send(ngx_mdm_redis_conn_t *conn)
{
    ngx_mdm_redis_query_t  *ask;

    ask = conn->data;

    conn->step = (ask->password->len != 0) ? NGX_MDM_REDIS_QUERY_AUTH
                                           : NGX_MDM_REDIS_QUERY_QUESTION;

    if (ngx_mdm_redis_out_auth(&conn->peer.out, ask->user, ask->password)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_mdm_redis_out_command(&conn->peer.out, ask->argv, ask->argc);
}


static ngx_int_t
ngx_mdm_redis_query_handshake_recv(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, ngx_str_t *reason)
{
    ngx_mdm_redis_query_t  *ask;

    ask = conn->data;

    if (reply->type == MDM_REPLY_ERROR) {
        ngx_mdm_redis_text(reason, &reply->str, conn->peer.reason,
                           NGX_MDM_REDIS_REASON);
        return NGX_ERROR;
    }

    if (conn->step == NGX_MDM_REDIS_QUERY_AUTH) {
        conn->step = NGX_MDM_REDIS_QUERY_QUESTION;
        return NGX_AGAIN;
    }

    return ask->answer(ask, reply, reason);
}


static void
ngx_mdm_redis_query_up(ngx_mdm_redis_conn_t *conn)
{
    ngx_mdm_redis_query_t  *ask;

    ask = conn->data;

    ngx_mdm_peer_close(&conn->peer);

    conn->peer.target = NULL;
    ask->asking = 0;

    ask->done(ask);
}


static void
ngx_mdm_redis_query_down(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_query_t  *ask;

    ask = conn->data;

    ask->failed(ask, reason);
}


/* it carries no calls */

static void
ngx_mdm_redis_query_reply(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op,
    mdm_reply_t *reply, mdm_arena_t *arena)
{
    (void) conn;
    (void) op;
    (void) reply;

    mdm_arena_destroy(arena);
}


static void
ngx_mdm_redis_query_drop(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    (void) conn;

    ngx_mdm_redis_op_free(op);
}
