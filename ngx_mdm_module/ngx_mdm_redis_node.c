
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A server that holds keys, and its connections: what waits for it is not
 * always a device.
 */


#include "ngx_mdm_redis_node.h"


static void ngx_mdm_redis_node_conn(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t *conn);
static ngx_uint_t ngx_mdm_redis_node_first(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t *conn);


/*
 * Calls that the second connection has with the server at a time: the server
 * takes them one after the other before it looks at what devices want, and
 * with two there is always one to run.
 */
#define NGX_MDM_REDIS_FLIGHT  2


ngx_mdm_redis_node_t *
ngx_mdm_redis_node_create(ngx_mdm_redis_t *redis,
    ngx_mdm_peer_target_t *target)
{
    ngx_uint_t             i, n;
    ngx_mdm_redis_conn_t  *conns[NGX_MDM_REDIS_CONNS];
    ngx_mdm_redis_node_t  *node;

    node = ngx_calloc(sizeof(ngx_mdm_redis_node_t), ngx_cycle->log);
    if (node == NULL) {
        return NULL;
    }

    node->redis = redis;
    node->health.redis = redis;

    if (target != NULL) {
        node->target = *target;
    }

    ngx_queue_insert_tail(&redis->nodes, &node->queue);

    node->durable.durable = 1;

    node->bulk.durable = 1;
    node->bulk.limit = NGX_MDM_REDIS_FLIGHT;

    n = ngx_mdm_redis_node_conns(node, conns);

    for (i = 0; i < n; i++) {
        ngx_mdm_redis_node_conn(node, conns[i]);
    }

    for (i = 0; i < n; i++) {
        ngx_mdm_redis_conn_open(conns[i]);
    }

    return node;
}


static void
ngx_mdm_redis_node_conn(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t *conn)
{
    conn->data = node;
    conn->store = node->redis->store;
    conn->owner = node->redis->owner;
    conn->stats = node->redis->stats;
    conn->peer.target = &node->target;
    conn->alive = &node->alive;

    if (node->redis->mode->slots) {
        conn->gather = &node->redis->gather;
    }

    ngx_mdm_redis_conn_init(conn);
}


void
ngx_mdm_redis_node_free(ngx_mdm_redis_node_t *node)
{
    ngx_uint_t             i, n;
    ngx_mdm_redis_conn_t  *conns[NGX_MDM_REDIS_CONNS];

    ngx_queue_remove(&node->queue);

    n = ngx_mdm_redis_node_conns(node, conns);

    for (i = 0; i < n; i++) {
        ngx_mdm_redis_conn_destroy(conns[i]);
    }

    ngx_mdm_peer_target_free(&node->target);

    ngx_free(node);
}


ngx_uint_t
ngx_mdm_redis_node_busy(ngx_mdm_redis_node_t *node)
{
    ngx_uint_t             i, n;
    ngx_mdm_redis_conn_t  *conns[NGX_MDM_REDIS_CONNS];

    n = ngx_mdm_redis_node_conns(node, conns);

    for (i = 0; i < n; i++) {

        if (!ngx_mdm_redis_idle(conns[i])) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_mdm_redis_node_conns(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t **conns)
{
    ngx_uint_t  n;

    n = 0;

    conns[n++] = &node->conn;

    if (ngx_mdm_redis_has_durable(node->redis)) {
        conns[n++] = &node->durable;
    }

    conns[n++] = &node->bulk;

    return n;
}


ngx_int_t
ngx_mdm_redis_node_send(ngx_mdm_redis_node_t *node, ngx_mdm_redis_op_t *op)
{
    ngx_mdm_redis_conn_t  *conn;

    if (op->bulk) {
        conn = &node->bulk;

    } else {
        conn = op->durable ? &node->durable : &node->conn;
    }

    /*
     * polls find out first that a server is away: no other call has to wait for
     * that
     */

    if (node->conn.peer.down) {
        return NGX_DECLINED;
    }

    return ngx_mdm_redis_conn_send(conn, op);
}


void
ngx_mdm_redis_node_reset(ngx_mdm_redis_node_t *node, ngx_str_t *reason)
{
    ngx_uint_t             i, n;
    ngx_mdm_redis_conn_t  *conns[NGX_MDM_REDIS_CONNS];

    n = ngx_mdm_redis_node_conns(node, conns);

    for (i = 0; i < n; i++) {

        if (conns[i]->peer.state == NGX_MDM_PEER_READY) {
            ngx_mdm_redis_conn_reset(conns[i], reason);
        }
    }
}


/* 1: no connection that comes before this one is down */

static ngx_uint_t
ngx_mdm_redis_node_first(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t *conn)
{
    ngx_uint_t             i;
    ngx_mdm_redis_conn_t  *conns[NGX_MDM_REDIS_CONNS];

    (void) ngx_mdm_redis_node_conns(node, conns);

    for (i = 0; conns[i] != conn; i++) {

        if (conns[i]->peer.down) {
            return 0;
        }
    }

    return 1;
}


void
ngx_mdm_redis_node_up(ngx_mdm_redis_conn_t *conn)
{
    ngx_uint_t             i, n;
    ngx_mdm_redis_node_t  *node;
    ngx_mdm_redis_conn_t  *conns[NGX_MDM_REDIS_CONNS];

    node = conn->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis node up: %V",
                   ngx_mdm_redis_conn_name(conn));

    n = ngx_mdm_redis_node_conns(node, conns);

    for (i = 0; i < n; i++) {

        if (conns[i]->peer.state != NGX_MDM_PEER_READY
            && (conns[i]->peer.down || !ngx_exiting))
        {
            break;
        }
    }

    /* the last one that comes up logs it */

    if (i == n) {
        ngx_mdm_redis_log_up(&node->health, "redis",
                             ngx_mdm_redis_conn_name(conn));
    }

    if (node->redis->mode->up != NULL) {
        node->redis->mode->up(node, conn);
    }
}


void
ngx_mdm_redis_node_down(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis node down: %V, %V",
                   ngx_mdm_redis_conn_name(conn), reason);

    /* the server is in trouble: only one of its connections logs that */

    if (ngx_mdm_redis_node_first(node, conn)) {

        /*
         * another one has logged it in other words, such as "reset" for
         * "closed"
         */

        if (node->health.down && node->teller != conn) {
            node->teller = conn;
            goto refresh;
        }

        node->teller = conn;

        ngx_mdm_redis_log_down(&node->health, "redis",
                               ngx_mdm_redis_conn_name(conn), reason);
    }

refresh:

    if (node->redis->mode->down != NULL) {
        node->redis->mode->down(node);
    }
}


void
ngx_mdm_redis_node_replicated(ngx_mdm_redis_conn_t *conn, ngx_uint_t enough,
    ngx_int_t replicas)
{
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis node replicated, enough:%ui replicas:%i",
                   enough, replicas);

    ngx_mdm_redis_log_replicated(&node->health, ngx_mdm_redis_conn_name(conn),
                                 enough, replicas);
}


ngx_int_t
ngx_mdm_redis_node_resolve_start(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    return node->redis->mode->locate(conn, reason);
}
