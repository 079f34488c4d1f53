
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * "mode cluster": which node has a slot, and what to do when it has not.
 *
 * The slot map comes by CLUSTER SLOTS from any node that answers; it is
 * asked for at start, when a node is down and when a MOVED says that it is
 * old, by one question at a time.
 */


#include "ngx_mdm_redis_query.h"
#include "ngx_mdm_redis_mode.h"
#include "ngx_mdm_redis_slots.h"

#include "mdm_key.h"


/* redirects of a call */
#define NGX_MDM_REDIS_HOPS     5

/* milliseconds between two questions */
#define NGX_MDM_REDIS_REFRESH  100

/* and while slots have no node that works */
#define NGX_MDM_REDIS_WATCH    250


typedef struct {
    ngx_mdm_redis_t           *redis;
    ngx_mdm_redis_node_t     **slots;      /* MDM_SLOTS, NULL: nobody's */
    ngx_mdm_redis_node_t     **next;       /* as the answer says */
    ngx_uint_t                 covered;    /* slots of it that have a node */

    ngx_mdm_redis_query_t        ask;
    ngx_mdm_redis_health_t     health;
    ngx_event_t                timer;      /* the next question */
    ngx_msec_t                 asked;      /* when the last one was over */

    unsigned                   known:1;    /* there is a map */
} ngx_mdm_redis_cluster_t;


static ngx_int_t ngx_mdm_redis_cluster_create(ngx_mdm_redis_t *redis,
    ngx_pool_t *pool);
static void ngx_mdm_redis_cluster_destroy(ngx_mdm_redis_t *redis);
static ngx_int_t ngx_mdm_redis_cluster_route(ngx_mdm_redis_t *redis,
    mdm_str_t *key, ngx_mdm_redis_node_t **node);
static ngx_int_t ngx_mdm_redis_cluster_error(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_op_t *op, mdm_str_t *error);
static void ngx_mdm_redis_cluster_doubt(ngx_mdm_redis_t *redis);
static size_t ngx_mdm_redis_cluster_key(ngx_mdm_redis_node_t *node,
    u_char *buf, const char *fmt);
static void ngx_mdm_redis_cluster_up(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_cluster_down(ngx_mdm_redis_node_t *node);
static ngx_int_t ngx_mdm_redis_cluster_moved(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_op_t *op, mdm_str_t *error, ngx_uint_t ask);
static void ngx_mdm_redis_cluster_later(ngx_mdm_redis_cluster_t *cluster,
    ngx_msec_t delay);
static ngx_uint_t ngx_mdm_redis_cluster_hopeless(
    ngx_mdm_redis_cluster_t *cluster);
static void ngx_mdm_redis_cluster_refresh(ngx_mdm_redis_cluster_t *cluster);
static void ngx_mdm_redis_cluster_timer_handler(ngx_event_t *ev);
static void ngx_mdm_redis_cluster_ask(ngx_mdm_redis_cluster_t *cluster);
static ngx_int_t ngx_mdm_redis_cluster_answer(ngx_mdm_redis_query_t *ask,
    mdm_reply_t *reply, ngx_str_t *reason);
static ngx_int_t ngx_mdm_redis_cluster_range(void *data, ngx_uint_t first,
    ngx_uint_t last, ngx_str_t *host, in_port_t port);
static void ngx_mdm_redis_cluster_done(ngx_mdm_redis_query_t *ask);
static void ngx_mdm_redis_cluster_compare(ngx_mdm_redis_cluster_t *cluster);
static ngx_uint_t ngx_mdm_redis_cluster_sweep(ngx_mdm_redis_cluster_t *cluster);
static void ngx_mdm_redis_cluster_failed(ngx_mdm_redis_query_t *ask,
    ngx_str_t *reason);
static ngx_mdm_redis_node_t *ngx_mdm_redis_cluster_node(
    ngx_mdm_redis_cluster_t *cluster, ngx_str_t *host, in_port_t port);


static const ngx_str_t  ngx_mdm_redis_cluster_argv[] = {
    ngx_string("CLUSTER"),
    ngx_string("SLOTS")
};

static ngx_str_t  ngx_mdm_redis_cluster_name = ngx_string("cluster");


const ngx_mdm_redis_mode_t  ngx_mdm_redis_cluster = {
    ngx_mdm_redis_cluster_create,
    ngx_mdm_redis_cluster_route,
    ngx_mdm_redis_cluster_error,
    ngx_mdm_redis_cluster_up,
    ngx_mdm_redis_cluster_down,
    ngx_mdm_redis_resolve,
    ngx_mdm_redis_conn_reset,
    ngx_mdm_redis_cluster_doubt,
    ngx_mdm_redis_cluster_key,
    ngx_mdm_redis_cluster_destroy,
    1,
    0
};


static ngx_int_t
ngx_mdm_redis_cluster_create(ngx_mdm_redis_t *redis, ngx_pool_t *pool)
{
    ngx_mdm_store_t          *store;
    ngx_mdm_redis_query_t      *ask;
    ngx_mdm_redis_cluster_t  *cluster;

    store = redis->store;

    cluster = ngx_pcalloc(pool, sizeof(ngx_mdm_redis_cluster_t));
    if (cluster == NULL) {
        return NGX_ERROR;
    }

    cluster->slots = ngx_pcalloc(pool, 2 * MDM_SLOTS
                                       * sizeof(ngx_mdm_redis_node_t *));
    if (cluster->slots == NULL) {
        return NGX_ERROR;
    }

    cluster->next = cluster->slots + MDM_SLOTS;

    ask = &cluster->ask;

    if (ngx_mdm_redis_query_init(ask, store, pool) != NGX_OK) {
        return NGX_ERROR;
    }

    redis->data = cluster;
    cluster->redis = redis;
    cluster->health.redis = redis;

    cluster->timer.handler = ngx_mdm_redis_cluster_timer_handler;
    cluster->timer.data = cluster;
    cluster->timer.log = &redis->log;
    cluster->timer.cancelable = 1;

    ask->data = cluster;
    ask->user = &store->user;
    ask->password = &store->password;
    ask->argv = ngx_mdm_redis_cluster_argv;
    ask->argc = 2;
    ask->answer = ngx_mdm_redis_cluster_answer;
    ask->done = ngx_mdm_redis_cluster_done;
    ask->failed = ngx_mdm_redis_cluster_failed;

    ngx_mdm_redis_cluster_ask(cluster);

    return NGX_OK;
}


static void
ngx_mdm_redis_cluster_destroy(ngx_mdm_redis_t *redis)
{
    ngx_mdm_redis_cluster_t  *cluster;

    cluster = redis->data;

    ngx_mdm_redis_query_destroy(&cluster->ask);

    if (cluster->timer.timer_set) {
        ngx_del_timer(&cluster->timer);
    }
}


static ngx_int_t
ngx_mdm_redis_cluster_route(ngx_mdm_redis_t *redis, mdm_str_t *key,
    ngx_mdm_redis_node_t **node)
{
    ngx_mdm_redis_cluster_t  *cluster;

    cluster = redis->data;

    if (!cluster->known || !cluster->redis->meta_checked) {

        /* it may come in a moment, unless the cluster is known to be away */

        return cluster->health.down ? NGX_DECLINED : NGX_AGAIN;
    }

    *node = cluster->slots[mdm_key_slot(key)];

    if (*node == NULL) {
        ngx_mdm_redis_cluster_refresh(cluster);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_redis_cluster_error(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_op_t *op, mdm_str_t *error)
{
    ngx_mdm_redis_t  *redis;

    redis = node->redis;

    if (ngx_mdm_redis_begins(error, "MOVED ")) {
        return ngx_mdm_redis_cluster_moved(node, op, error, 0);
    }

    if (ngx_mdm_redis_begins(error, "ASK ")) {
        return ngx_mdm_redis_cluster_moved(node, op, error, 1);
    }

    if (ngx_mdm_redis_begins(error, "TRYAGAIN")) {

        /* the slot is on its way to another node */

        if (op->call == NULL) {
            return NGX_ERROR;
        }

        op->hops = 0;

        ngx_mdm_redis_count(redis->stats, tryagain);

        ngx_mdm_redis_park(redis, op);

        return NGX_OK;
    }

    if (ngx_mdm_redis_begins(error, "CLUSTERDOWN")) {
        ngx_mdm_redis_cluster_refresh(redis->data);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_mdm_redis_cluster_moved(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_op_t *op, mdm_str_t *error, ngx_uint_t ask)
{
    in_port_t                 port;
    ngx_int_t                 rc;
    ngx_str_t                 host;
    ngx_uint_t                slot;
    ngx_mdm_redis_node_t     *to;
    ngx_mdm_redis_cluster_t  *cluster;

    cluster = node->redis->data;

    if (ngx_mdm_redis_slots_redirect(error, &slot, &host, &port) != NGX_OK) {
        return NGX_ERROR;
    }

    if (host.len == 0) {
        host = node->target.host;
    }

    to = ngx_mdm_redis_cluster_node(cluster, &host, port);

    if (to == NULL) {
        return NGX_ERROR;
    }

    ngx_mdm_redis_count(cluster->redis->stats, redirects);

    if (!ask) {
        cluster->slots[slot] = to;
        ngx_mdm_redis_cluster_refresh(cluster);
    }

    if (op->call == NULL || op->hops >= NGX_MDM_REDIS_HOPS) {
        return NGX_ERROR;
    }

    op->hops++;
    op->asking = ask;

    rc = ngx_mdm_redis_node_send(to, op);

    if (rc != NGX_OK) {
        op->asking = 0;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_mdm_redis_cluster_doubt(ngx_mdm_redis_t *redis)
{
    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, &redis->log, 0,
                   "mdm redis cluster doubt");

    redis->meta_checked = 0;

    ngx_mdm_redis_cluster_refresh(redis->data);
}


static size_t
ngx_mdm_redis_cluster_key(ngx_mdm_redis_node_t *node, u_char *buf,
    const char *fmt)
{
    mdm_str_t                 key;
    ngx_uint_t                n;
    ngx_mdm_redis_cluster_t  *cluster;

    cluster = node->redis->data;

    key.data = buf;
    key.len = 0;

    /* a node with a single slot is found as well, most likely */

    for (n = 0; n < 8 * MDM_SLOTS; n++) {
        key.len = ngx_sprintf(buf, fmt, n) - buf;

        if (cluster->slots[mdm_key_slot(&key)] == node) {
            break;
        }
    }

    return key.len;
}


static void
ngx_mdm_redis_cluster_up(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t *conn)
{
    ngx_mdm_redis_cluster_t  *cluster;

    cluster = node->redis->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis cluster up: %V, meta:%d",
                   &node->target.name, (int) conn->meta);

    if (!conn->meta || cluster->redis->meta_checked) {
        return;
    }

    /* the number of partitions never changes: one comparison is enough */

    cluster->redis->meta_checked = 1;

    ngx_mdm_redis_log_up(&cluster->health, "redis",
                         &ngx_mdm_redis_cluster_name);

    ngx_mdm_redis_unpark(cluster->redis);
}


static void
ngx_mdm_redis_cluster_down(ngx_mdm_redis_node_t *node)
{
    ngx_str_t                 reason;
    ngx_mdm_redis_cluster_t  *cluster;

    cluster = node->redis->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &node->redis->log, 0,
                   "mdm redis cluster down: %V",
                   &node->target.name);

    if (!cluster->redis->meta_checked
        && ngx_mdm_redis_cluster_hopeless(cluster))
    {
        ngx_str_set(&reason, "the node of \"mdm:meta\" cannot be used");

        ngx_mdm_redis_log_down(&cluster->health, "redis",
                               &ngx_mdm_redis_cluster_name, &reason);

        ngx_mdm_redis_unpark(cluster->redis);
    }

    /* a replica may have its slots by now */

    ngx_mdm_redis_cluster_refresh(cluster);
}


/* no node is still being connected to */

static ngx_uint_t
ngx_mdm_redis_cluster_hopeless(ngx_mdm_redis_cluster_t *cluster)
{
    ngx_queue_t           *q;
    ngx_mdm_redis_node_t  *node;

    for (q = ngx_queue_head(&cluster->redis->nodes);
         q != ngx_queue_sentinel(&cluster->redis->nodes);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_mdm_redis_node_t, queue);

        if (!node->conn.peer.down
            && node->conn.peer.state != NGX_MDM_PEER_READY)
        {
            return 0;
        }
    }

    return 1;
}


/* asks for the map, at once or soon */

static void
ngx_mdm_redis_cluster_refresh(ngx_mdm_redis_cluster_t *cluster)
{
    ngx_msec_int_t  passed;

    passed = (ngx_msec_int_t) (ngx_current_msec - cluster->asked);

    ngx_mdm_redis_cluster_later(cluster,
                                (passed >= 0
                                 && passed < NGX_MDM_REDIS_REFRESH)
                                ? (ngx_msec_t) (NGX_MDM_REDIS_REFRESH - passed)
                                : 1);
}


static void
ngx_mdm_redis_cluster_later(ngx_mdm_redis_cluster_t *cluster,
    ngx_msec_t delay)
{
    if (cluster->ask.asking || cluster->timer.timer_set) {
        return;
    }

    /* not all workers at once */

    ngx_add_timer(&cluster->timer,
                  delay + (ngx_msec_t) ngx_random() % (delay / 2 + 1));
}


static void
ngx_mdm_redis_cluster_timer_handler(ngx_event_t *ev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, ev->log, 0, "mdm redis cluster timer");

    ngx_mdm_redis_cluster_ask(ev->data);
}


static void
ngx_mdm_redis_cluster_ask(ngx_mdm_redis_cluster_t *cluster)
{
    ngx_queue_t              *q;
    ngx_mdm_redis_node_t     *node;
    ngx_mdm_peer_target_t   **p;

    if (cluster->ask.asking) {
        return;
    }

    /* beside the seeds, the nodes that seem to be well */

    cluster->ask.targets.nelts = cluster->redis->store->servers.nelts;

    for (q = ngx_queue_head(&cluster->redis->nodes);
         q != ngx_queue_sentinel(&cluster->redis->nodes);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_mdm_redis_node_t, queue);

        if (node->conn.peer.state != NGX_MDM_PEER_READY) {
            continue;
        }

        p = ngx_array_push(&cluster->ask.targets);
        if (p == NULL) {
            break;
        }

        *p = &node->target;
    }

    ngx_mdm_redis_query(&cluster->ask);
}


static ngx_int_t
ngx_mdm_redis_cluster_answer(ngx_mdm_redis_query_t *ask, mdm_reply_t *reply,
    ngx_str_t *reason)
{
    ngx_mdm_redis_cluster_t  *cluster;

    cluster = ask->data;

    cluster->covered = 0;

    ngx_memzero(cluster->next, MDM_SLOTS * sizeof(ngx_mdm_redis_node_t *));

    if (ngx_mdm_redis_slots_read(reply, ngx_mdm_redis_cluster_range, cluster)
        != NGX_OK)
    {
        ngx_str_set(reason, "its answer to CLUSTER SLOTS cannot be used");
        return NGX_ERROR;
    }

    if (cluster->covered == 0) {
        ngx_str_set(reason, "it knows of no slots");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_redis_cluster_range(void *data, ngx_uint_t first, ngx_uint_t last,
    ngx_str_t *host, in_port_t port)
{
    ngx_uint_t                i;
    ngx_mdm_redis_node_t     *node;
    ngx_mdm_redis_cluster_t  *cluster;

    cluster = data;

    if (host->len == 0) {
        host = &cluster->ask.conn.peer.target->host;
    }

    node = ngx_mdm_redis_cluster_node(cluster, host, port);

    if (node == NULL) {
        return NGX_ERROR;
    }

    for (i = first; i <= last; i++) {
        cluster->next[i] = node;
    }

    cluster->covered += last - first + 1;

    return NGX_OK;
}


static void
ngx_mdm_redis_cluster_done(ngx_mdm_redis_query_t *ask)
{
    ngx_str_t                  reason;
    ngx_mdm_redis_node_t     **slots;
    ngx_mdm_redis_cluster_t   *cluster;

    cluster = ask->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &ask->conn.peer.log, 0,
                   "mdm redis cluster map, slots:%ui",
                   cluster->covered);

    slots = cluster->slots;
    cluster->slots = cluster->next;
    cluster->next = slots;

    cluster->known = 1;
    cluster->asked = ngx_current_msec;

    if (ngx_mdm_redis_cluster_sweep(cluster)) {

        /* a replica may be about to take its place */

        ngx_mdm_redis_cluster_later(cluster, NGX_MDM_REDIS_WATCH);
    }

    if (cluster->covered < MDM_SLOTS) {
        ngx_str_set(&reason, "slots without a node");

        ngx_mdm_redis_log_down(&cluster->health, "redis",
                               &ngx_mdm_redis_cluster_name, &reason);

        ngx_mdm_redis_cluster_later(cluster, NGX_MDM_REDIS_WATCH);

    } else if (cluster->redis->meta_checked && cluster->health.down) {
        ngx_mdm_redis_log_up(&cluster->health, "redis",
                             &ngx_mdm_redis_cluster_name);
    }

    if (!cluster->redis->meta_checked) {
        ngx_mdm_redis_cluster_compare(cluster);
    }

    ngx_mdm_redis_unpark(cluster->redis);
}


/*
 * A connection asks for "partitions" when it is made: one that was told then
 * that another node has them, which is not so any more, asks anew.
 */

static void
ngx_mdm_redis_cluster_compare(ngx_mdm_redis_cluster_t *cluster)
{
    ngx_str_t              reason;
    mdm_str_t              key;
    ngx_mdm_redis_node_t  *node;

    mdm_str_set(&key, "mdm:meta");

    node = cluster->slots[mdm_key_slot(&key)];

    if (node != NULL && node->conn.peer.state == NGX_MDM_PEER_READY
        && !node->conn.meta)
    {
        ngx_str_set(&reason, "it has \"mdm:meta\" now");
        ngx_mdm_redis_conn_reset(&node->conn, &reason);
    }

    ngx_mdm_redis_cluster_later(cluster, NGX_MDM_REDIS_WATCH);
}


/*
 * Takes away nodes without slots, once their calls have ended; 1: one that
 * has some is down.
 */

static ngx_uint_t
ngx_mdm_redis_cluster_sweep(ngx_mdm_redis_cluster_t *cluster)
{
    ngx_uint_t             i, level, down;
    ngx_queue_t           *q, *next;
    ngx_mdm_redis_t       *redis;
    ngx_mdm_redis_node_t  *node;

    redis = cluster->redis;

    for (q = ngx_queue_head(&redis->nodes);
         q != ngx_queue_sentinel(&redis->nodes);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_mdm_redis_node_t, queue);
        node->listed = 0;
    }

    for (i = 0; i < MDM_SLOTS; i++) {
        if (cluster->slots[i] != NULL) {
            cluster->slots[i]->listed = 1;
        }
    }

    down = 0;

    for (q = ngx_queue_head(&redis->nodes);
         q != ngx_queue_sentinel(&redis->nodes);
         q = next)
    {
        next = ngx_queue_next(q);

        node = ngx_queue_data(q, ngx_mdm_redis_node_t, queue);

        if (node->listed) {
            down |= node->conn.peer.down;
            continue;
        }

        if (ngx_mdm_redis_node_busy(node)) {
            continue;
        }

        level = node->health.down ? NGX_LOG_NOTICE : NGX_LOG_INFO;

        ngx_log_error(level, ngx_cycle->log, 0,
                      "mdm store \"%V\": redis %V has no slots any more",
                      &redis->store->name, &node->target.name);

        ngx_mdm_redis_node_free(node);
    }

    return down;
}


static void
ngx_mdm_redis_cluster_failed(ngx_mdm_redis_query_t *ask, ngx_str_t *reason)
{
    ngx_mdm_redis_cluster_t  *cluster;

    cluster = ask->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &ask->conn.peer.log, 0,
                   "mdm redis cluster map failed: %V",
                   reason);

    /* once there is a map, each node logs its own trouble */

    if (!cluster->known) {
        ngx_mdm_redis_log_down(&cluster->health, "redis",
                               &ngx_mdm_redis_cluster_name, reason);

        ngx_mdm_redis_unpark(cluster->redis);
    }
}


static ngx_mdm_redis_node_t *
ngx_mdm_redis_cluster_node(ngx_mdm_redis_cluster_t *cluster, ngx_str_t *host,
    in_port_t port)
{
    ngx_queue_t             *q;
    ngx_mdm_redis_node_t    *node;
    ngx_mdm_peer_target_t    target;

    for (q = ngx_queue_head(&cluster->redis->nodes);
         q != ngx_queue_sentinel(&cluster->redis->nodes);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_mdm_redis_node_t, queue);

        if (node->target.port == port
            && node->target.host.len == host->len
            && ngx_memcmp(node->target.host.data, host->data, host->len) == 0)
        {
            return node;
        }
    }

    if (ngx_mdm_peer_target_host(&target, host, port) != NGX_OK) {
        return NULL;
    }

    node = ngx_mdm_redis_node_create(cluster->redis, &target);

    if (node == NULL) {
        ngx_mdm_peer_target_free(&target);
    }

    return node;
}
