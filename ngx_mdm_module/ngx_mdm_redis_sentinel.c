
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * "mode sentinel": before each attempt to connect a Sentinel is asked where
 * the master is.
 *
 * No subscription: a Sentinel that makes a master of a replica has the
 * clients of the old master disconnected, a dead one loses them anyway, and
 * each new connection asks and verifies ROLE.
 */


#include "ngx_mdm_redis_query.h"
#include "ngx_mdm_redis_mode.h"


typedef struct {
    ngx_mdm_redis_t           *redis;
    ngx_mdm_redis_query_t        ask;
    ngx_str_t                  argv[3];
    ngx_mdm_peer_target_t      master;     /* of the last answer */
} ngx_mdm_redis_sentinel_t;


static ngx_int_t ngx_mdm_redis_sentinel_create(ngx_mdm_redis_t *redis,
    ngx_pool_t *pool);
static void ngx_mdm_redis_sentinel_destroy(ngx_mdm_redis_t *redis);
static ngx_int_t ngx_mdm_redis_sentinel_route(ngx_mdm_redis_t *redis,
    mdm_str_t *key, ngx_mdm_redis_node_t **node);
static ngx_int_t ngx_mdm_redis_sentinel_error(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_op_t *op, mdm_str_t *error);
static void ngx_mdm_redis_sentinel_reset(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);
static ngx_int_t ngx_mdm_redis_sentinel_locate(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);
static ngx_int_t ngx_mdm_redis_sentinel_answer(ngx_mdm_redis_query_t *ask,
    mdm_reply_t *reply, ngx_str_t *reason);
static void ngx_mdm_redis_sentinel_done(ngx_mdm_redis_query_t *ask);
static void ngx_mdm_redis_sentinel_failed(ngx_mdm_redis_query_t *ask,
    ngx_str_t *reason);
static void ngx_mdm_redis_sentinel_found(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);


const ngx_mdm_redis_mode_t  ngx_mdm_redis_sentinel = {
    ngx_mdm_redis_sentinel_create,
    ngx_mdm_redis_sentinel_route,
    ngx_mdm_redis_sentinel_error,
    NULL,
    NULL,
    ngx_mdm_redis_sentinel_locate,
    ngx_mdm_redis_sentinel_reset,
    NULL,
    NULL,
    ngx_mdm_redis_sentinel_destroy,
    0,
    1
};


static ngx_int_t
ngx_mdm_redis_sentinel_create(ngx_mdm_redis_t *redis, ngx_pool_t *pool)
{
    ngx_mdm_store_t           *store;
    ngx_mdm_redis_query_t       *ask;
    ngx_mdm_redis_sentinel_t  *sentinel;

    store = redis->store;

    sentinel = ngx_pcalloc(pool, sizeof(ngx_mdm_redis_sentinel_t));
    if (sentinel == NULL) {
        return NGX_ERROR;
    }

    ask = &sentinel->ask;

    if (ngx_mdm_redis_query_init(ask, store, pool) != NGX_OK) {
        return NGX_ERROR;
    }

    redis->data = sentinel;
    sentinel->redis = redis;

    ngx_str_set(&sentinel->argv[0], "SENTINEL");
    ngx_str_set(&sentinel->argv[1], "get-master-addr-by-name");
    sentinel->argv[2] = store->master;

    ask->data = sentinel;
    ask->user = &store->sentinel_user;
    ask->password = &store->sentinel_password;
    ask->argv = sentinel->argv;
    ask->argc = 3;
    ask->answer = ngx_mdm_redis_sentinel_answer;
    ask->done = ngx_mdm_redis_sentinel_done;
    ask->failed = ngx_mdm_redis_sentinel_failed;

    /* the Sentinel will say where it is */

    return (ngx_mdm_redis_node_create(redis, NULL) == NULL) ? NGX_ERROR
                                                            : NGX_OK;
}


static void
ngx_mdm_redis_sentinel_destroy(ngx_mdm_redis_t *redis)
{
    ngx_mdm_redis_sentinel_t  *sentinel;

    sentinel = redis->data;

    ngx_mdm_redis_query_destroy(&sentinel->ask);
    ngx_mdm_peer_target_free(&sentinel->master);
}


static ngx_int_t
ngx_mdm_redis_sentinel_route(ngx_mdm_redis_t *redis, mdm_str_t *key,
    ngx_mdm_redis_node_t **node)
{
    (void) key;

    *node = ngx_mdm_redis_node(redis);

    return NGX_OK;
}


/* if this server is not the master any more, the Sentinel says which one is */

static ngx_int_t
ngx_mdm_redis_sentinel_error(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_op_t *op, mdm_str_t *error)
{
    ngx_str_t  code;

    (void) node;
    (void) op;

    if (ngx_mdm_redis_unavailable(error, &code)
        && code.len == 8 && ngx_memcmp(code.data, "READONLY", 8) == 0)
    {
        return NGX_ABORT;
    }

    return NGX_DECLINED;
}


/* there may be another master, for all of them */

static void
ngx_mdm_redis_sentinel_reset(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_node_reset(conn->data, reason);
}


static ngx_int_t
ngx_mdm_redis_sentinel_locate(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_query_t       *ask;
    ngx_mdm_redis_node_t      *node;
    ngx_mdm_redis_sentinel_t  *sentinel;

    node = conn->data;
    sentinel = node->redis->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis sentinel locate \"%V\"",
                   &node->redis->store->master);

    ask = &sentinel->ask;

    /* for the log, until there is an answer */

    if (conn->peer.target->name.len == 0) {
        conn->peer.target->name = sentinel->redis->store->master;
    }

    /* while all of them fail, say so without waiting */

    if (ask->asking && ask->conn.peer.down) {
        ngx_mdm_peer_reason(&conn->peer, reason, "no Sentinel answers");
        return NGX_ERROR;
    }

    conn->peer.pending_address = 1;

    ngx_mdm_redis_query(ask);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_mdm_redis_sentinel_answer(ngx_mdm_redis_query_t *ask, mdm_reply_t *reply,
    ngx_str_t *reason)
{
    ngx_int_t                  port, rc;
    ngx_str_t                  host;
    mdm_str_t                  s;
    ngx_mdm_peer_target_t      master;
    ngx_mdm_redis_sentinel_t  *sentinel;

    sentinel = ask->data;

    if (reply->type == MDM_REPLY_NIL) {
        ngx_mdm_peer_reason(&ask->conn.peer, reason,
                                  "the Sentinel %V knows no master \"%V\"",
                                  ngx_mdm_redis_conn_name(&ask->conn),
                                  &sentinel->argv[2]);
        return NGX_ERROR;
    }

    s = mdm_reply_str(reply, 0);
    host.data = s.data;
    host.len = s.len;

    s = mdm_reply_str(reply, 1);
    port = ngx_atoi(s.data, s.len);

    rc = (port > 0 && port <= 65535)
         ? ngx_mdm_peer_target_host(&master, &host, (in_port_t) port)
         : NGX_DECLINED;

    if (rc != NGX_OK) {
        ngx_str_set(reason, "the Sentinel's answer is no address");
        return NGX_ERROR;
    }

    ngx_mdm_peer_target_free(&sentinel->master);

    sentinel->master = master;

    return NGX_OK;
}


static void
ngx_mdm_redis_sentinel_done(ngx_mdm_redis_query_t *ask)
{
    ngx_uint_t                 i, n;
    ngx_mdm_redis_node_t      *node;
    ngx_mdm_redis_conn_t      *conn[NGX_MDM_REDIS_CONNS];
    ngx_mdm_redis_sentinel_t  *sentinel;

    sentinel = ask->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &ask->conn.peer.log, 0,
                   "mdm redis sentinel answer: %V",
                   &sentinel->master.name);
    node = ngx_mdm_redis_node(sentinel->redis);

    n = ngx_mdm_redis_node_conns(node, conn);

    for (i = 0; i < n; i++) {

        /* a lookup that is under way would go on using the old name */

        if (conn[i]->peer.resolving != NULL) {
            ngx_resolve_name_done(conn[i]->peer.resolving);
            conn[i]->peer.resolving = NULL;
        }
    }

    ngx_mdm_peer_target_free(&node->target);

    node->target = sentinel->master;

    ngx_memzero(&sentinel->master, sizeof(ngx_mdm_peer_target_t));

    for (i = 0; i < n; i++) {
        ngx_mdm_redis_sentinel_found(conn[i], NULL);
    }
}


static void
ngx_mdm_redis_sentinel_failed(ngx_mdm_redis_query_t *ask, ngx_str_t *reason)
{
    ngx_uint_t                 i, n;
    ngx_mdm_redis_conn_t      *conn[NGX_MDM_REDIS_CONNS];
    ngx_mdm_redis_sentinel_t  *sentinel;

    sentinel = ask->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &ask->conn.peer.log, 0,
                   "mdm redis sentinel failed: %V",
                   reason);

    n = ngx_mdm_redis_node_conns(ngx_mdm_redis_node(sentinel->redis), conn);

    for (i = 0; i < n; i++) {
        ngx_mdm_redis_sentinel_found(conn[i], reason);
    }
}


/* to a connection that waits for it */

static void
ngx_mdm_redis_sentinel_found(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_int_t  rc;
    ngx_str_t  why;

    if (conn->peer.state != NGX_MDM_PEER_LOCATING
        || !conn->peer.pending_address)
    {
        return;
    }

    conn->peer.pending_address = 0;
    conn->peer.addr = 0;

    if (reason == NULL) {
        rc = ngx_mdm_redis_resolve(conn, &why);

        if (rc == NGX_AGAIN) {
            return;
        }

        if (rc == NGX_ERROR) {
            reason = &why;
        }
    }

    ngx_mdm_peer_resolve_done(&conn->peer, reason);
}
