
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A call and its reply.  This file chooses the connection for a key, and
 * judges what comes back.
 */


#include "ngx_mdm_redis.h"
#include "ngx_mdm_redis_mode.h"


/*
 * Bytes of a call from which on it takes the second connection.  What is
 * behind it on the same one waits until Redis has read it.
 */
#define NGX_MDM_REDIS_BULK   65536


static ngx_int_t ngx_mdm_redis_send(ngx_mdm_redis_t *redis,
    ngx_mdm_redis_op_t *op);
static void ngx_mdm_redis_resend(ngx_mdm_redis_t *redis,
    ngx_mdm_redis_op_t *op);
static void ngx_mdm_redis_refuse(ngx_mdm_redis_t *redis, mdm_call_t *call);
static void ngx_mdm_redis_reply(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op, mdm_reply_t *reply, mdm_arena_t *arena);
static void ngx_mdm_redis_drop(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);
static void ngx_mdm_redis_expire(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);
static mdm_call_e ngx_mdm_redis_error(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_op_t *op, mdm_str_t *error, ngx_str_t *reset);
static void ngx_mdm_redis_done(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op,
    mdm_call_e rc, mdm_reply_t *reply, mdm_arena_t *arena);


static const ngx_mdm_redis_owner_t  ngx_mdm_redis_owner = {
    ngx_mdm_redis_reply,
    ngx_mdm_redis_drop,
    ngx_mdm_redis_expire,
    ngx_mdm_redis_node_up,
    ngx_mdm_redis_node_down,
    ngx_mdm_redis_node_replicated,
    ngx_mdm_redis_node_resolve_start,
    NULL,
    ngx_mdm_redis_handshake,
    ngx_mdm_redis_handshake_reply
};


/* by store->mode */

static const ngx_mdm_redis_mode_t  *ngx_mdm_redis_modes[] = {
    &ngx_mdm_redis_single,                 /* NGX_MDM_STORE_SINGLE */
    &ngx_mdm_redis_sentinel,               /* NGX_MDM_STORE_SENTINEL */
    &ngx_mdm_redis_cluster                 /* NGX_MDM_STORE_CLUSTER */
};


ngx_mdm_redis_t  *ngx_mdm_redis_stores;
ngx_uint_t        ngx_mdm_redis_nstores;


ngx_int_t
ngx_mdm_redis_open(ngx_mdm_redis_t *redis, ngx_mdm_store_t *store,
    ngx_pool_t *pool)
{
    redis->store = store;
    redis->log = *ngx_cycle->log;
    redis->fd = (ngx_socket_t) -1;
    redis->owner = &ngx_mdm_redis_owner;

    redis->stats = ngx_mdm_count_store(&store->name, &redis->place);

    if (redis->stats == NULL) {
        redis->stats = &redis->own;
    }

    ngx_queue_init(&redis->nodes);

    ngx_mdm_redis_park_init(redis, ngx_mdm_redis_resend);

    ngx_mdm_redis_gather_init(&redis->gather, &redis->pending, &redis->log);

    redis->mode = ngx_mdm_redis_modes[store->mode];

    return redis->mode->create(redis, pool);
}


void
ngx_mdm_redis_close(ngx_mdm_redis_t *redis)
{
    ngx_queue_t  *q;

    if (redis->data != NULL && redis->mode->destroy != NULL) {
        redis->mode->destroy(redis);
    }

    while (!ngx_queue_empty(&redis->nodes)) {
        q = ngx_queue_head(&redis->nodes);

        ngx_mdm_redis_node_free(ngx_queue_data(q, ngx_mdm_redis_node_t,
                                               queue));
    }

    ngx_mdm_redis_park_destroy(redis);

    if (redis->gather.event.posted) {
        ngx_delete_posted_event(&redis->gather.event);
    }
}


ngx_int_t
ngx_mdm_redis_call(ngx_mdm_store_t *store, mdm_call_t *call,
    ngx_mdm_redis_kind_e kind, ngx_mdm_redis_handler_pt handler, void *data,
    ngx_mdm_redis_op_t **op)
{
    size_t               size;
    ngx_int_t            rc;
    mdm_uint_t           i;
    ngx_uint_t           bulk, pending;
    ngx_mdm_redis_t     *redis;
    ngx_mdm_redis_op_t  *o;

    call->rc = MDM_CALL_PENDING;
    call->reply = NULL;
    call->reply_arena = NULL;

    redis = ngx_mdm_redis_get(store);

    if (redis == NULL) {
        call->rc = MDM_CALL_UNAVAILABLE;
        return NGX_DECLINED;
    }

    size = call->key.len;

    for (i = 0; i < call->nargs; i++) {
        size += call->args[i].len;
    }

    bulk = (kind != NGX_MDM_REDIS_DEVICE || size > NGX_MDM_REDIS_BULK);

    pending = bulk ? redis->bulk
                   : redis->pending - redis->bulk;

    if (pending >= store->max_pending) {
        ngx_mdm_redis_log_full(redis, bulk, pending);
        ngx_mdm_redis_refuse(redis, call);
        return NGX_DECLINED;
    }

    o = ngx_mdm_redis_op_create();
    if (o == NULL) {
        return NGX_ERROR;
    }

    o->call = call;
    o->handler = handler;
    o->data = data;
    o->redis = redis;
    o->kind = kind;
    o->size = size;
    o->called = ngx_current_msec;
    o->deadline = ngx_current_msec + store->timeout;
    o->write = (call->script->write != 0);
    o->durable = (call->script->durable && ngx_mdm_redis_has_durable(redis));
    o->bulk = (bulk != 0);
    o->renew = o->bulk;
    o->pair = (redis->mode->slots && !call->script->onekey);

    rc = ngx_mdm_redis_send(redis, o);

    if (rc != NGX_OK) {
        ngx_mdm_redis_op_free(o);

        if (rc == NGX_DECLINED) {
            ngx_mdm_redis_refuse(redis, call);
        }

        return rc;
    }

    ngx_mdm_redis_count(redis->stats, calls);
    redis->pending++;
    redis->bulk += bulk;

    *op = o;

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, &redis->log, 0,
                   "mdm redis call \"%*s\", %uz bytes, pending:%ui",
                   call->script->name.len, call->script->name.data, size,
                   redis->pending);

    return NGX_OK;
}


void
ngx_mdm_redis_abandon(ngx_mdm_redis_op_t *op)
{
    op->call = NULL;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "mdm redis abandon, state:%d ms:%M",
                   (int) op->state, ngx_current_msec - op->called);

    switch (op->state) {

    case NGX_MDM_REDIS_OP_WAITING:
        ngx_mdm_redis_conn_remove(op);
        break;

    case NGX_MDM_REDIS_OP_PARKED:
        ngx_queue_remove(&op->queue);
        break;

    default:
        ngx_mdm_redis_conn_detach(op);
        return;
    }

    ngx_mdm_redis_done(op->redis, op, MDM_CALL_UNAVAILABLE, NULL, NULL);
}


ngx_mdm_redis_stats_t *
ngx_mdm_redis_stats(ngx_mdm_store_t *store)
{
    ngx_mdm_redis_t  *redis;

    redis = ngx_mdm_redis_get(store);

    return (redis == NULL) ? NULL : redis->stats;
}


ngx_uint_t
ngx_mdm_redis_pending(ngx_mdm_store_t *store)
{
    ngx_mdm_redis_t  *redis;

    redis = ngx_mdm_redis_get(store);

    return (redis == NULL) ? 0 : redis->pending;
}


ngx_mdm_redis_t *
ngx_mdm_redis_get(ngx_mdm_store_t *store)
{
    if (store->index >= ngx_mdm_redis_nstores
        || ngx_mdm_redis_stores[store->index].store != store)
    {
        return NULL;
    }

    return &ngx_mdm_redis_stores[store->index];
}


/*
 * NGX_OK; NGX_DECLINED: it cannot be sent; NGX_ERROR: no memory.  The op is
 * the caller's unless NGX_OK.
 */

static ngx_int_t
ngx_mdm_redis_send(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op)
{
    ngx_int_t              rc;
    ngx_mdm_redis_node_t  *node;

    rc = redis->mode->route(redis, &op->call->key, &node);

    if (rc == NGX_AGAIN) {
        ngx_mdm_redis_park(redis, op);
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_mdm_redis_node_send(node, op);
}


static void
ngx_mdm_redis_resend(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op)
{
    if (!ngx_mdm_redis_expired(op)
        && ngx_mdm_redis_send(redis, op) == NGX_OK)
    {
        return;
    }

    ngx_mdm_redis_count(redis->stats, refused);

    ngx_mdm_redis_done(redis, op, MDM_CALL_UNAVAILABLE, NULL, NULL);
}


static void
ngx_mdm_redis_refuse(ngx_mdm_redis_t *redis, mdm_call_t *call)
{
    ngx_mdm_redis_count(redis->stats, refused);

    call->rc = MDM_CALL_UNAVAILABLE;
}


static void
ngx_mdm_redis_reply(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op,
    mdm_reply_t *reply, mdm_arena_t *arena)
{
    ngx_str_t              reset;
    mdm_call_e             rc;
    ngx_mdm_redis_t       *redis;
    ngx_mdm_redis_node_t  *node;

    node = conn->data;
    redis = node->redis;

    ngx_mdm_redis_count(redis->stats, replies);

    if (reply->type == MDM_REPLY_ARRAY) {
        ngx_mdm_redis_log_recovered(&node->health,
                                    ngx_mdm_redis_conn_name(conn), op);

        ngx_mdm_redis_done(redis, op, MDM_CALL_OK, reply, arena);
        return;
    }

    ngx_str_null(&reset);

    if (reply->type != MDM_REPLY_ERROR) {

        /* replies do not belong to the calls any more */

        ngx_str_set(&reset, "a script's reply is no array");

        ngx_log_error(NGX_LOG_ERR, &conn->peer.log, 0,
                      "redis has sent what cannot be used: %V", &reset);

        rc = MDM_CALL_UNAVAILABLE;

    } else {
        rc = ngx_mdm_redis_error(node, op, &reply->str, &reset);

        if (rc == MDM_CALL_PENDING) {
            mdm_arena_destroy(arena);
            return;
        }
    }

    ngx_mdm_redis_done(redis, op, rc, reply, arena);

    if (reset.len == 0 || conn->peer.state != NGX_MDM_PEER_READY) {
        return;
    }

    redis->mode->reset(conn, &reset);
}


/*
 * MDM_CALL_PENDING: it was sent once more.  With *reset the connection is
 * of no use any more.
 */

static mdm_call_e
ngx_mdm_redis_error(ngx_mdm_redis_node_t *node, ngx_mdm_redis_op_t *op,
    mdm_str_t *error, ngx_str_t *reset)
{
    ngx_int_t              rc;
    ngx_str_t              code;
    ngx_mdm_redis_t       *redis;
    ngx_mdm_redis_conn_t  *conn;

    redis = node->redis;
    conn = op->conn;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis error: %*s",
                   error->len, error->data);

    if (error->len >= 8 && ngx_memcmp(error->data, "NOSCRIPT", 8) == 0
        && !op->eval)
    {
        /* the server has lost its scripts; EVAL brings this one back */

        op->eval = 1;

        if (op->call != NULL && ngx_mdm_redis_conn_send(conn, op) == NGX_OK) {
            ngx_mdm_redis_count(redis->stats, evals);
            return MDM_CALL_PENDING;
        }

        return MDM_CALL_UNAVAILABLE;
    }

    rc = NGX_DECLINED;

    if (redis->mode->error != NULL) {
        rc = redis->mode->error(node, op, error);
    }

    if (rc == NGX_OK) {
        return MDM_CALL_PENDING;
    }

    if (rc == NGX_ERROR) {
        ngx_mdm_redis_count(redis->stats, unavailable);
        return MDM_CALL_UNAVAILABLE;
    }

    if (ngx_mdm_redis_unavailable(error, &code)) {
        ngx_mdm_redis_count(redis->stats, unavailable);

        ngx_mdm_redis_log_trouble(&node->health, ngx_mdm_redis_conn_name(conn),
                                  op, &code, error);

        /* only a new connection can be authenticated again */

        if (rc == NGX_ABORT
            || (code.len == 6 && ngx_memcmp(code.data, "NOAUTH", 6) == 0))
        {
            *reset = code;
        }

        return MDM_CALL_UNAVAILABLE;
    }

    ngx_mdm_redis_count(redis->stats, errors);

    ngx_mdm_redis_log_failure(redis, op, error);

    return MDM_CALL_FAILED;
}


static void
ngx_mdm_redis_drop(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    ngx_mdm_redis_t       *redis;
    ngx_mdm_redis_node_t  *node;

    node = conn->data;
    redis = node->redis;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis drop, ms:%M",
                   ngx_current_msec - op->called);

    if (op->call != NULL) {
        ngx_mdm_redis_count(redis->stats, refused);
    }

    ngx_mdm_redis_done(redis, op, MDM_CALL_UNAVAILABLE, NULL, NULL);
}


static void
ngx_mdm_redis_expire(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    void                      *data;
    mdm_call_t                *call;
    ngx_mdm_redis_node_t      *node;
    ngx_mdm_redis_handler_pt   handler;

    node = conn->data;
    call = op->call;
    data = op->data;
    handler = op->handler;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis expire, ms:%M",
                   ngx_current_msec - op->called);

    /* as if it had been abandoned */

    op->call = NULL;

    ngx_mdm_redis_refuse(node->redis, call);

    ngx_mdm_redis_conn_detach(op);

    handler(call, data);
}


static void
ngx_mdm_redis_done(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op,
    mdm_call_e rc, mdm_reply_t *reply, mdm_arena_t *arena)
{
    mdm_call_t  *call;
    ngx_uint_t   pending;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &redis->log, 0,
                   "mdm redis done, rc:%d ms:%M",
                   (int) rc, ngx_current_msec - op->called);

    redis->pending--;

    if (reply != NULL && redis->stats != &redis->own) {
        ngx_mdm_count_time(&redis->stats->duration, MDM_METRICS_SHORT,
                           ngx_current_msec - op->called);
    }

    if (op->bulk) {
        redis->bulk--;
    }

    pending = op->bulk ? redis->bulk
                       : redis->pending - redis->bulk;

    if (pending < redis->store->max_pending / 2) {
        redis->full[op->bulk] = 0;
    }

    call = op->call;

    if (call == NULL) {
        mdm_arena_destroy(arena);

    } else {
        call->rc = rc;
        call->reply = reply;
        call->reply_arena = arena;

        /* from now on abandoning it does nothing */

        op->call = NULL;

        op->handler(call, op->data);
    }

    ngx_mdm_redis_op_free(op);
}
