
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * No subscription: a Sentinel that makes a master of a replica has the
 * clients of the old master disconnected, a dead one loses them anyway, and
 * each new connection asks and verifies ROLE.
 */


#include "ngx_mdm_redis_ask.h"
#include "ngx_mdm_redis_sentinel.h"


struct ngx_mdm_redis_sentinel_s {
    ngx_mdm_redis_t           *redis;
    ngx_mdm_redis_ask_t        ask;
    ngx_str_t                  argv[3];
    ngx_mdm_redis_target_t     master;     /* of the last answer */
};


static ngx_int_t ngx_mdm_redis_sentinel_answer(ngx_mdm_redis_ask_t *ask,
    mdm_reply_t *reply, ngx_str_t *reason);
static void ngx_mdm_redis_sentinel_done(ngx_mdm_redis_ask_t *ask);
static void ngx_mdm_redis_sentinel_failed(ngx_mdm_redis_ask_t *ask,
    ngx_str_t *reason);
static ngx_mdm_redis_node_t *ngx_mdm_redis_sentinel_node(
    ngx_mdm_redis_sentinel_t *sentinel);
static void ngx_mdm_redis_sentinel_found(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);


ngx_mdm_redis_sentinel_t *
ngx_mdm_redis_sentinel_create(ngx_mdm_redis_t *redis, ngx_pool_t *pool)
{
    ngx_mdm_store_t            *store;
    ngx_mdm_redis_ask_t        *ask;
    ngx_mdm_redis_sentinel_t   *sentinel;

    store = redis->store;

    sentinel = ngx_pcalloc(pool, sizeof(ngx_mdm_redis_sentinel_t));
    if (sentinel == NULL) {
        return NULL;
    }

    ask = &sentinel->ask;

    if (ngx_mdm_redis_ask_init(ask, store, pool) != NGX_OK) {
        return NULL;
    }

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

    return sentinel;
}


void
ngx_mdm_redis_sentinel_destroy(ngx_mdm_redis_sentinel_t *sentinel)
{
    ngx_mdm_redis_ask_destroy(&sentinel->ask);
    ngx_mdm_redis_target_free(&sentinel->master);
}


ngx_int_t
ngx_mdm_redis_sentinel_locate(ngx_mdm_redis_sentinel_t *sentinel,
    ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_ask_t  *ask;

    ask = &sentinel->ask;

    /* for the log, until there is an answer */

    if (conn->target->name.len == 0) {
        conn->target->name = sentinel->redis->store->master;
    }

    /* while all of them fail, say so without waiting */

    if (ask->asking && ask->conn.down) {
        ngx_mdm_redis_conn_reason(conn, reason, "no Sentinel answers");
        return NGX_ERROR;
    }

    conn->later = 1;

    ngx_mdm_redis_ask(ask);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_mdm_redis_sentinel_answer(ngx_mdm_redis_ask_t *ask, mdm_reply_t *reply,
    ngx_str_t *reason)
{
    ngx_int_t                  port, rc;
    ngx_str_t                  host;
    mdm_str_t                  s;
    ngx_mdm_redis_target_t     master;
    ngx_mdm_redis_sentinel_t  *sentinel;

    sentinel = ask->data;

    if (reply->type == MDM_REPLY_NIL) {
        ngx_mdm_redis_conn_reason(&ask->conn, reason,
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
         ? ngx_mdm_redis_target_host(&master, &host, (in_port_t) port)
         : NGX_DECLINED;

    if (rc != NGX_OK) {
        ngx_str_set(reason, "the Sentinel's answer is no address");
        return NGX_ERROR;
    }

    ngx_mdm_redis_target_free(&sentinel->master);

    sentinel->master = master;

    return NGX_OK;
}


static void
ngx_mdm_redis_sentinel_done(ngx_mdm_redis_ask_t *ask)
{
    ngx_uint_t                 i, n;
    ngx_mdm_redis_node_t      *node;
    ngx_mdm_redis_conn_t      *conn[NGX_MDM_REDIS_CONNS];
    ngx_mdm_redis_sentinel_t  *sentinel;

    sentinel = ask->data;
    node = ngx_mdm_redis_sentinel_node(sentinel);

    n = ngx_mdm_redis_node_conns(node, conn);

    for (i = 0; i < n; i++) {

        /* it holds on to the name */

        if (conn[i]->resolving != NULL) {
            ngx_resolve_name_done(conn[i]->resolving);
            conn[i]->resolving = NULL;
        }
    }

    ngx_mdm_redis_target_free(&node->target);

    node->target = sentinel->master;

    ngx_memzero(&sentinel->master, sizeof(ngx_mdm_redis_target_t));

    for (i = 0; i < n; i++) {
        ngx_mdm_redis_sentinel_found(conn[i], NULL);
    }
}


static void
ngx_mdm_redis_sentinel_failed(ngx_mdm_redis_ask_t *ask, ngx_str_t *reason)
{
    ngx_uint_t             i, n;
    ngx_mdm_redis_conn_t  *conn[NGX_MDM_REDIS_CONNS];

    n = ngx_mdm_redis_node_conns(ngx_mdm_redis_sentinel_node(ask->data), conn);

    for (i = 0; i < n; i++) {
        ngx_mdm_redis_sentinel_found(conn[i], reason);
    }
}


/* there is one */

static ngx_mdm_redis_node_t *
ngx_mdm_redis_sentinel_node(ngx_mdm_redis_sentinel_t *sentinel)
{
    ngx_queue_t  *q;

    q = ngx_queue_head(&sentinel->redis->nodes);

    return ngx_queue_data(q, ngx_mdm_redis_node_t, queue);
}


/* to a connection that waits for it */

static void
ngx_mdm_redis_sentinel_found(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_int_t  rc;
    ngx_str_t  why;

    if (conn->state != NGX_MDM_REDIS_CONN_LOCATING || !conn->later) {
        return;
    }

    conn->later = 0;
    conn->addr = 0;

    if (reason == NULL) {
        rc = ngx_mdm_redis_resolve(conn, &why);

        if (rc == NGX_AGAIN) {
            return;
        }

        if (rc == NGX_ERROR) {
            reason = &why;
        }
    }

    ngx_mdm_redis_conn_located(conn, reason);
}
