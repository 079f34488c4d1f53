
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A server that holds keys, with one connection or two.
 */


#include "ngx_mdm_redis_cluster.h"
#include "ngx_mdm_redis_sentinel.h"


static void ngx_mdm_redis_node_conn(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_node_up(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_node_down(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);
static void ngx_mdm_redis_node_replicated(ngx_mdm_redis_conn_t *conn,
    ngx_uint_t enough, ngx_int_t replicas);
static ngx_int_t ngx_mdm_redis_node_locate(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);


static const ngx_mdm_redis_owner_t  ngx_mdm_redis_node_owner = {
    ngx_mdm_redis_reply,
    ngx_mdm_redis_drop,
    ngx_mdm_redis_expire,
    ngx_mdm_redis_node_up,
    ngx_mdm_redis_node_down,
    ngx_mdm_redis_node_replicated,
    ngx_mdm_redis_node_locate,
    NULL,
    ngx_mdm_redis_handshake,
    ngx_mdm_redis_handshake_reply
};


ngx_mdm_redis_node_t *
ngx_mdm_redis_node_create(ngx_mdm_redis_t *redis,
    ngx_mdm_redis_target_t *target)
{
    ngx_mdm_redis_node_t  *node;

    node = ngx_calloc(sizeof(ngx_mdm_redis_node_t), ngx_cycle->log);
    if (node == NULL) {
        return NULL;
    }

    node->redis = redis;
    node->told.redis = redis;

    if (target != NULL) {
        node->target = *target;
    }

    ngx_queue_insert_tail(&redis->nodes, &node->queue);

    ngx_mdm_redis_node_conn(node, &node->conn);
    ngx_mdm_redis_conn_open(&node->conn);

    if (ngx_mdm_redis_has_durable(redis)) {
        ngx_mdm_redis_node_conn(node, &node->durable);
        node->durable.durable = 1;
        ngx_mdm_redis_conn_open(&node->durable);
    }

    return node;
}


static void
ngx_mdm_redis_node_conn(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t *conn)
{
    conn->data = node;
    conn->store = node->redis->store;
    conn->owner = &ngx_mdm_redis_node_owner;
    conn->stats = &node->redis->stats;
    conn->target = &node->target;

    if (node->redis->cluster != NULL) {
        conn->gather = &node->redis->gather;
    }

    ngx_mdm_redis_conn_init(conn);
}


void
ngx_mdm_redis_node_free(ngx_mdm_redis_node_t *node)
{
    ngx_queue_remove(&node->queue);

    ngx_mdm_redis_conn_destroy(&node->conn);

    if (ngx_mdm_redis_has_durable(node->redis)) {
        ngx_mdm_redis_conn_destroy(&node->durable);
    }

    ngx_mdm_redis_target_free(&node->target);

    ngx_free(node);
}


void
ngx_mdm_redis_node_reset(ngx_mdm_redis_node_t *node, ngx_str_t *reason)
{
    if (node->conn.state == NGX_MDM_REDIS_CONN_READY) {
        ngx_mdm_redis_conn_reset(&node->conn, reason);
    }

    if (ngx_mdm_redis_has_durable(node->redis)
        && node->durable.state == NGX_MDM_REDIS_CONN_READY)
    {
        ngx_mdm_redis_conn_reset(&node->durable, reason);
    }
}


ngx_uint_t
ngx_mdm_redis_node_busy(ngx_mdm_redis_node_t *node)
{
    return !ngx_mdm_redis_idle(&node->conn)
           || (ngx_mdm_redis_has_durable(node->redis)
               && !ngx_mdm_redis_idle(&node->durable));
}


static void
ngx_mdm_redis_node_up(ngx_mdm_redis_conn_t *conn)
{
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    /* both connections have to be */

    if (!node->conn.down && !node->durable.down) {
        ngx_mdm_redis_told_up(&node->told, "redis",
                              ngx_mdm_redis_conn_name(conn));
    }

    if (node->redis->cluster != NULL) {
        ngx_mdm_redis_cluster_up(node, conn);
    }
}


static void
ngx_mdm_redis_node_down(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    /* it is the server's trouble: one of its connections tells it */

    if (conn == &node->conn || !node->conn.down) {
        ngx_mdm_redis_told_down(&node->told, "redis",
                                ngx_mdm_redis_conn_name(conn), reason);
    }

    if (node->redis->cluster != NULL) {
        ngx_mdm_redis_cluster_down(node);
    }
}


static void
ngx_mdm_redis_node_replicated(ngx_mdm_redis_conn_t *conn, ngx_uint_t enough,
    ngx_int_t replicas)
{
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    ngx_mdm_redis_told_replicated(&node->told, ngx_mdm_redis_conn_name(conn),
                                  enough, replicas);
}


static ngx_int_t
ngx_mdm_redis_node_locate(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    if (node->redis->sentinel != NULL) {
        return ngx_mdm_redis_sentinel_locate(node->redis->sentinel, conn,
                                             reason);
    }

    return ngx_mdm_redis_resolve(conn, reason);
}
