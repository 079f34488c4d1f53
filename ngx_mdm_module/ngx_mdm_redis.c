
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A call and its reply.  This file chooses the connection for a key, judges
 * what comes back and tells the log; there is one server, so far.
 */


#include "ngx_mdm_redis_conn.h"


/* seconds without an error after which a state has ended */
#define NGX_MDM_REDIS_QUIET  10


/* of a store in this worker; nothing here is configuration memory */

typedef struct {
    ngx_mdm_store_t           *store;
    ngx_mdm_redis_conn_t       conn;
    ngx_mdm_redis_stats_t      stats;

    /* what the log has been told */

    time_t                     since;      /* when it went down */
    ngx_uint_t                 refused;    /* calls up to then */
    ngx_str_t                  reason;
    ngx_str_t                  code;       /* of the errors it answers */
    const mdm_script_t        *script;     /* to which, at first */
    time_t                     last;       /* when, at last */
    ngx_uint_t                 answered;   /* of them, since then */
    time_t                     failed;     /* when a script last failed */
    ngx_uint_t                 failures;   /* not logged since then */

    unsigned                   down:1;
    unsigned                   full:1;
    unsigned                   trouble:1;
    unsigned                   write:1;    /* and only of scripts that write */

    u_char                     buffer[NGX_MDM_REDIS_REASON];
} ngx_mdm_redis_t;


static ngx_mdm_redis_t *ngx_mdm_redis_get(ngx_mdm_store_t *store);
static ngx_mdm_redis_conn_t *ngx_mdm_redis_route(ngx_mdm_redis_t *redis,
    mdm_str_t *key);
static void ngx_mdm_redis_refuse(ngx_mdm_redis_t *redis, mdm_call_t *call);
static void ngx_mdm_redis_reply(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op, mdm_reply_t *reply, mdm_arena_t *arena);
static void ngx_mdm_redis_drop(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);
static void ngx_mdm_redis_done(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op,
    mdm_call_e rc, mdm_reply_t *reply, mdm_arena_t *arena);
static void ngx_mdm_redis_up(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_down(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);
static void ngx_mdm_redis_full(ngx_mdm_redis_t *redis);
static void ngx_mdm_redis_trouble(ngx_mdm_redis_t *redis,
    ngx_mdm_redis_op_t *op, ngx_str_t *code, mdm_str_t *error);
static ngx_uint_t ngx_mdm_redis_trouble_ends(ngx_mdm_redis_t *redis,
    ngx_mdm_redis_op_t *op);
static void ngx_mdm_redis_trouble_over(ngx_mdm_redis_t *redis);
static void ngx_mdm_redis_failure(ngx_mdm_redis_t *redis,
    ngx_mdm_redis_op_t *op, mdm_str_t *error);


static const ngx_mdm_redis_owner_t  ngx_mdm_redis_owner = {
    ngx_mdm_redis_reply,
    ngx_mdm_redis_drop,
    ngx_mdm_redis_up,
    ngx_mdm_redis_down
};


static ngx_pool_t       *ngx_mdm_redis_pool;
static ngx_mdm_redis_t  *ngx_mdm_redis_stores;
static ngx_uint_t        ngx_mdm_redis_nstores;


ngx_int_t
ngx_mdm_redis_init_process(ngx_cycle_t *cycle, ngx_array_t *stores)
{
    ngx_uint_t             i;
    ngx_mdm_redis_t       *redis;
    ngx_mdm_store_t      **store;
    ngx_mdm_redis_conn_t  *conn;

    if ((ngx_process != NGX_PROCESS_WORKER
         && ngx_process != NGX_PROCESS_SINGLE)
        || stores->nelts == 0)
    {
        return NGX_OK;
    }

    /* the cached time is that of the master, timers would be early */

    ngx_time_update();

    ngx_mdm_redis_pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cycle->log);
    if (ngx_mdm_redis_pool == NULL) {
        return NGX_ERROR;
    }

    redis = ngx_pcalloc(ngx_mdm_redis_pool,
                        stores->nelts * sizeof(ngx_mdm_redis_t));
    if (redis == NULL) {
        return NGX_ERROR;
    }

    ngx_mdm_redis_stores = redis;

    store = stores->elts;

    for (i = 0; i < stores->nelts; i++) {

        redis[i].store = store[i];

        conn = &redis[i].conn;

        conn->data = &redis[i];
        conn->store = store[i];
        conn->owner = &ngx_mdm_redis_owner;
        conn->stats = &redis[i].stats;

        /* mode single: one server, which may have several addresses */

        conn->addrs = ((ngx_mdm_store_server_t *) store[i]->servers.elts)
                      ->url.addrs;
        conn->naddrs = ((ngx_mdm_store_server_t *) store[i]->servers.elts)
                       ->url.naddrs;

        ngx_mdm_redis_nstores++;

        ngx_mdm_redis_conn_open(conn);
    }

    return NGX_OK;
}


void
ngx_mdm_redis_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    (void) cycle;

    for (i = 0; i < ngx_mdm_redis_nstores; i++) {
        ngx_mdm_redis_conn_destroy(&ngx_mdm_redis_stores[i].conn);
    }

    ngx_mdm_redis_nstores = 0;
    ngx_mdm_redis_stores = NULL;

    if (ngx_mdm_redis_pool != NULL) {
        ngx_destroy_pool(ngx_mdm_redis_pool);
        ngx_mdm_redis_pool = NULL;
    }
}


ngx_int_t
ngx_mdm_redis_call(ngx_mdm_store_t *store, mdm_call_t *call,
    ngx_mdm_redis_handler_pt handler, void *data, ngx_mdm_redis_op_t **op)
{
    ngx_int_t            rc;
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

    if (redis->stats.pending >= store->max_pending) {
        ngx_mdm_redis_full(redis);
        ngx_mdm_redis_refuse(redis, call);
        return NGX_DECLINED;
    }

    o = ngx_alloc(sizeof(ngx_mdm_redis_op_t), ngx_cycle->log);
    if (o == NULL) {
        return NGX_ERROR;
    }

    o->call = call;
    o->handler = handler;
    o->data = data;
    o->deadline = ngx_current_msec + store->timeout;
    o->eval = 0;
    o->retried = 0;
    o->write = (call->script->write != 0);

    rc = ngx_mdm_redis_conn_send(ngx_mdm_redis_route(redis, &call->key), o);

    if (rc != NGX_OK) {
        ngx_free(o);

        if (rc == NGX_DECLINED) {
            ngx_mdm_redis_refuse(redis, call);
        }

        return rc;
    }

    redis->stats.calls++;
    redis->stats.pending++;

    *op = o;

    return NGX_OK;
}


void
ngx_mdm_redis_abandon(ngx_mdm_redis_op_t *op)
{
    op->call = NULL;

    if (op->state != NGX_MDM_REDIS_OP_WAITING) {
        return;
    }

    ngx_mdm_redis_conn_remove(op);
    ngx_mdm_redis_done(op->conn->data, op, MDM_CALL_UNAVAILABLE, NULL, NULL);
}


ngx_mdm_redis_stats_t *
ngx_mdm_redis_stats(ngx_mdm_store_t *store)
{
    ngx_mdm_redis_t  *redis;

    redis = ngx_mdm_redis_get(store);

    return (redis == NULL) ? NULL : &redis->stats;
}


static ngx_mdm_redis_t *
ngx_mdm_redis_get(ngx_mdm_store_t *store)
{
    if (store->index >= ngx_mdm_redis_nstores
        || ngx_mdm_redis_stores[store->index].store != store)
    {
        return NULL;
    }

    return &ngx_mdm_redis_stores[store->index];
}


/* the connection for a key */

static ngx_mdm_redis_conn_t *
ngx_mdm_redis_route(ngx_mdm_redis_t *redis, mdm_str_t *key)
{
    (void) key;

    return &redis->conn;
}


static void
ngx_mdm_redis_refuse(ngx_mdm_redis_t *redis, mdm_call_t *call)
{
    redis->stats.refused++;

    call->rc = MDM_CALL_UNAVAILABLE;
}


static void
ngx_mdm_redis_reply(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op,
    mdm_reply_t *reply, mdm_arena_t *arena)
{
    ngx_str_t         code;
    ngx_uint_t        reset;
    mdm_call_e        rc;
    ngx_mdm_redis_t  *redis;

    redis = conn->data;

    redis->stats.replies++;

    if (reply->type == MDM_REPLY_ARRAY) {

        if (redis->trouble && ngx_mdm_redis_trouble_ends(redis, op)) {
            ngx_mdm_redis_trouble_over(redis);
        }

        ngx_mdm_redis_done(redis, op, MDM_CALL_OK, reply, arena);
        return;
    }

    reset = 0;

    if (reply->type != MDM_REPLY_ERROR) {

        /* replies and calls do not fit each other any more */

        ngx_str_set(&code, "a script's reply is no array");

        ngx_log_error(NGX_LOG_ERR, &conn->log, 0,
                      "redis has sent what cannot be used: %V", &code);

        rc = MDM_CALL_UNAVAILABLE;
        reset = 1;

    } else if (reply->str.len >= 8
               && ngx_memcmp(reply->str.data, "NOSCRIPT", 8) == 0
               && !op->eval)
    {
        /* the server has lost its scripts; EVAL brings this one back */

        op->eval = 1;

        if (op->call != NULL && ngx_mdm_redis_conn_send(conn, op) == NGX_OK) {
            redis->stats.evals++;
            mdm_arena_destroy(arena);
            return;
        }

        rc = MDM_CALL_UNAVAILABLE;

    } else if (ngx_mdm_redis_unavailable(&reply->str, &code)) {
        redis->stats.unavailable++;

        ngx_mdm_redis_trouble(redis, op, &code, &reply->str);

        rc = MDM_CALL_UNAVAILABLE;

        /* only a new connection can be authenticated again */

        reset = (code.len == 6 && ngx_memcmp(code.data, "NOAUTH", 6) == 0);

    } else {
        redis->stats.errors++;

        ngx_mdm_redis_failure(redis, op, &reply->str);

        rc = MDM_CALL_FAILED;
    }

    ngx_mdm_redis_done(redis, op, rc, reply, arena);

    if (reset && conn->state == NGX_MDM_REDIS_CONN_READY) {
        ngx_mdm_redis_conn_reset(conn, &code);
    }
}


static void
ngx_mdm_redis_drop(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    ngx_mdm_redis_t  *redis;

    redis = conn->data;

    if (op->call != NULL) {
        redis->stats.refused++;
    }

    ngx_mdm_redis_done(redis, op, MDM_CALL_UNAVAILABLE, NULL, NULL);
}


static void
ngx_mdm_redis_done(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op,
    mdm_call_e rc, mdm_reply_t *reply, mdm_arena_t *arena)
{
    mdm_call_t  *call;

    redis->stats.pending--;

    if (redis->full && redis->stats.pending < redis->store->max_pending / 2) {
        redis->full = 0;
    }

    call = op->call;

    if (call == NULL) {
        mdm_arena_destroy(arena);

    } else {
        call->rc = rc;
        call->reply = reply;
        call->reply_arena = arena;

        /* so that to abandon it from now on does nothing */

        op->call = NULL;

        op->handler(call, op->data);
    }

    ngx_free(op);
}


static void
ngx_mdm_redis_up(ngx_mdm_redis_conn_t *conn)
{
    ngx_mdm_redis_t  *redis;

    redis = conn->data;

    if (!redis->down) {
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                      "mdm store \"%V\": connected to redis %V",
                      &redis->store->name, &conn->addrs[conn->addr].name);
        return;
    }

    redis->down = 0;
    redis->reason.len = 0;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "mdm store \"%V\": redis %V is up again after %Ts, "
                  "%ui calls were refused",
                  &redis->store->name, &conn->addrs[conn->addr].name,
                  ngx_time() - redis->since,
                  redis->stats.refused - redis->refused);
}


/* tells the log once, and again when the reason is another one */

static void
ngx_mdm_redis_down(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_t  *redis;

    redis = conn->data;

    if (redis->down
        && redis->reason.len == reason->len
        && ngx_memcmp(redis->reason.data, reason->data, reason->len) == 0)
    {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mdm store \"%V\": redis %V is %sdown (%V), requests get "
                  "503",
                  &redis->store->name, &conn->addrs[conn->addr].name,
                  redis->down ? "still " : "", reason);

    redis->reason.data = redis->buffer;
    redis->reason.len = ngx_min(reason->len, NGX_MDM_REDIS_REASON);

    ngx_memcpy(redis->reason.data, reason->data, redis->reason.len);

    if (!redis->down) {
        redis->down = 1;
        redis->since = ngx_time();
        redis->refused = redis->stats.refused;
    }
}


static void
ngx_mdm_redis_full(ngx_mdm_redis_t *redis)
{
    if (redis->full) {
        return;
    }

    redis->full = 1;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mdm store \"%V\": %ui calls are pending, which is "
                  "\"max_pending\", further requests get 503",
                  &redis->store->name, redis->stats.pending);
}


/* the server answers, but with LOADING, READONLY, OOM … */

static void
ngx_mdm_redis_trouble(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op,
    ngx_str_t *code, mdm_str_t *error)
{
    u_char     buf[NGX_MDM_REDIS_REASON];
    ngx_str_t  text;

    redis->answered++;
    redis->last = ngx_time();

    if (redis->trouble && redis->code.data == code->data) {

        if (!op->write) {
            redis->write = 0;
        }

        return;
    }

    redis->trouble = 1;
    redis->write = op->write;
    redis->code = *code;
    redis->script = (op->call != NULL) ? op->call->script : NULL;
    redis->answered = 1;

    ngx_mdm_redis_text(&text, error, buf, sizeof(buf));

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mdm store \"%V\": redis %V answers %V, requests get 503 "
                  "(%V)",
                  &redis->store->name,
                  &redis->conn.addrs[redis->conn.addr].name, code, &text);
}


/*
 * Does the success of this call say that the server is well again?  Where
 * only writes are refused, most polls succeed all the time, and some writes
 * may: then the one that failed has to, or all must have been quiet a while.
 */

static ngx_uint_t
ngx_mdm_redis_trouble_ends(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op)
{
    if (!redis->write) {
        return 1;
    }

    if (!op->write) {
        return 0;
    }

    if (op->call != NULL && op->call->script == redis->script) {
        return 1;
    }

    return (ngx_time() - redis->last >= NGX_MDM_REDIS_QUIET);
}


static void
ngx_mdm_redis_trouble_over(ngx_mdm_redis_t *redis)
{
    redis->trouble = 0;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "mdm store \"%V\": redis %V does not answer %V any more, "
                  "%ui calls got it",
                  &redis->store->name,
                  &redis->conn.addrs[redis->conn.addr].name, &redis->code,
                  redis->answered);
}


/* a script has failed: at most a line a second */

static void
ngx_mdm_redis_failure(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op,
    mdm_str_t *error)
{
    u_char     *p, buf[NGX_MDM_REDIS_REASON], more[64];
    ngx_str_t   text, name, before;

    if (redis->failed == ngx_time()) {
        redis->failures++;
        return;
    }

    redis->failed = ngx_time();

    ngx_mdm_redis_text(&text, error, buf, sizeof(buf));

    if (op->call != NULL) {
        name.len = op->call->script->name.len;
        name.data = op->call->script->name.data;

    } else {
        ngx_str_set(&name, "(abandoned)");
    }

    p = more;

    if (redis->failures != 0) {
        p = ngx_snprintf(more, sizeof(more), ", %ui failures before it were "
                         "not logged", redis->failures);
    }

    before.data = more;
    before.len = p - more;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mdm store \"%V\": the script \"%V\" has failed (%V)%V",
                  &redis->store->name, &name, &text, &before);

    redis->failures = 0;
}
