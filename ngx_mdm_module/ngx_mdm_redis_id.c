
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A server that is emptied under a connection answers on: the scripts find
 * no device, and a device that is told so is lost.  So before it is, the
 * store is asked for its id once more.  All that were told so in a moment
 * share one question, so that strangers cost next to nothing.
 */


#include "ngx_mdm_redis.h"
#include "ngx_mdm_redis_id.h"
#include "ngx_mdm_redis_meta.h"


/* milliseconds between two questions */
#define NGX_MDM_REDIS_ID_DELAY  50


static void ngx_mdm_redis_id_later(ngx_mdm_redis_id_t *rid);
static void ngx_mdm_redis_id_timer_handler(ngx_event_t *ev);
static void ngx_mdm_redis_id_answer(mdm_call_t *call, void *data);
static ngx_uint_t ngx_mdm_redis_id_same(ngx_mdm_store_t *store,
    mdm_reply_t *reply);
static void ngx_mdm_redis_id_notify(ngx_mdm_redis_id_t *rid, ngx_uint_t lost);
static void ngx_mdm_redis_id_lost(ngx_mdm_redis_t *redis,
    mdm_reply_t *reply);


ngx_mdm_redis_id_t *
ngx_mdm_redis_id_create(ngx_mdm_redis_t *redis, ngx_pool_t *pool)
{
    ngx_mdm_redis_id_t  *rid;

    rid = ngx_pcalloc(pool, sizeof(ngx_mdm_redis_id_t));
    if (rid == NULL) {
        return NULL;
    }

    rid->redis = redis;
    rid->last = ngx_current_msec - NGX_MDM_REDIS_ID_DELAY;

    ngx_queue_init(&rid->waiting);
    ngx_queue_init(&rid->asked);

    /* requests wait for it, so a worker that quits does, too */

    rid->timer.handler = ngx_mdm_redis_id_timer_handler;
    rid->timer.data = rid;
    rid->timer.log = &redis->log;

    return rid;
}


void
ngx_mdm_redis_id_destroy(ngx_mdm_redis_id_t *rid)
{
    if (rid->timer.timer_set) {
        ngx_del_timer(&rid->timer);
    }
}


void
ngx_mdm_redis_check(ngx_mdm_store_t *store, ngx_mdm_redis_check_t *check)
{
    ngx_mdm_redis_id_t  *rid;

    rid = ngx_mdm_redis_get(store)->id;

    check->waits = 1;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &rid->redis->log, 0,
                   "mdm redis check \"%V\"",
                   &store->name);

    ngx_queue_insert_tail(&rid->waiting, &check->queue);

    ngx_mdm_redis_id_later(rid);
}


void
ngx_mdm_redis_check_abandon(ngx_mdm_redis_check_t *check)
{
    if (check->waits) {
        check->waits = 0;
        ngx_queue_remove(&check->queue);
    }
}


static void
ngx_mdm_redis_id_later(ngx_mdm_redis_id_t *rid)
{
    ngx_msec_int_t  left;

    if (rid->op != NULL || rid->timer.timer_set) {
        return;
    }

    left = (ngx_msec_int_t) (rid->last + NGX_MDM_REDIS_ID_DELAY
                             - ngx_current_msec);

    ngx_add_timer(&rid->timer, (left > 0) ? (ngx_msec_t) left : 1);
}


static void
ngx_mdm_redis_id_timer_handler(ngx_event_t *ev)
{
    ngx_mdm_redis_id_t  *rid;

    rid = ev->data;

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, ev->log, 0, "mdm redis id timer");

    if (ngx_queue_empty(&rid->waiting)) {

        /* all who asked have gone away */

        return;
    }

    ngx_queue_add(&rid->asked, &rid->waiting);
    ngx_queue_init(&rid->waiting);

    rid->last = ngx_current_msec;

    ngx_memzero(&rid->call, sizeof(mdm_call_t));

    rid->call.script = &mdm_script_store_id;
    mdm_str_set(&rid->call.key, "mdm:meta");

    if (ngx_mdm_redis_call(rid->redis->store, &rid->call,
                           NGX_MDM_REDIS_DEVICE, ngx_mdm_redis_id_answer, rid,
                           &rid->op)
        != NGX_OK)
    {
        rid->op = NULL;
        ngx_mdm_redis_id_notify(rid, 1);
    }
}


static void
ngx_mdm_redis_id_answer(mdm_call_t *call, void *data)
{
    ngx_mdm_redis_id_t *rid = data;

    ngx_uint_t  told, same;

    rid->op = NULL;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &rid->redis->log, 0,
                   "mdm redis id answer, rc:%d ms:%M",
                   (int) call->rc, ngx_current_msec - rid->last);

    /* what is no answer to the question says nothing about the store */

    told = (call->rc == MDM_CALL_OK && call->reply->nelements == 2
            && call->reply->elements[0]->type == MDM_REPLY_STRING
            && call->reply->elements[1]->type == MDM_REPLY_STRING);

    same = (told && ngx_mdm_redis_id_same(rid->redis->store, call->reply));

    if (told && !same) {
        ngx_mdm_redis_id_lost(rid->redis, call->reply);
    }

    mdm_arena_destroy(call->reply_arena);

    /* without an answer it is not known that a device is unknown */

    ngx_mdm_redis_id_notify(rid, !same);

    if (!ngx_queue_empty(&rid->waiting)) {
        ngx_mdm_redis_id_later(rid);
    }
}


static ngx_uint_t
ngx_mdm_redis_id_same(ngx_mdm_store_t *store, mdm_reply_t *reply)
{
    u_char      buf[NGX_MDM_STORE_ID], *p, *last;
    mdm_str_t   id, adopted, expected;

    expected.data = buf;
    expected.len = ngx_mdm_store_id_expected(store, buf);

    id = mdm_reply_str(reply, 0);

    if (!ngx_mdm_redis_meta_id(&id)) {
        return 0;
    }

    if (mdm_str_eq(&id, &expected)) {
        return 1;
    }

    adopted = mdm_reply_str(reply, 1);
    last = adopted.data + adopted.len;

    for (p = adopted.data;
         (size_t) (last - p) >= NGX_MDM_STORE_ID;
         p += NGX_MDM_STORE_ID + 1)
    {
        if (expected.len != 0
            && ngx_memcmp(p, expected.data, NGX_MDM_STORE_ID) == 0)
        {
            return (ngx_mdm_store_id_learn(store, &expected, &id) == NGX_OK);
        }

        if ((size_t) (last - p) == NGX_MDM_STORE_ID) {
            break;
        }
    }

    return 0;
}


/* a handler may end another request that waits, which takes it off the list */

static void
ngx_mdm_redis_id_notify(ngx_mdm_redis_id_t *rid, ngx_uint_t lost)
{
    ngx_queue_t            *q, told;
    ngx_mdm_redis_check_t  *check;

    ngx_queue_init(&told);

    if (!ngx_queue_empty(&rid->asked)) {
        ngx_queue_add(&told, &rid->asked);
        ngx_queue_init(&rid->asked);
    }

    while (!ngx_queue_empty(&told)) {
        q = ngx_queue_head(&told);
        ngx_queue_remove(q);

        check = ngx_queue_data(q, ngx_mdm_redis_check_t, queue);
        check->waits = 0;

        check->handler(check->data, lost);
    }
}


/*
 * new connections ask for everything again: their handshake logs what is wrong
 */

static void
ngx_mdm_redis_id_lost(ngx_mdm_redis_t *redis, mdm_reply_t *reply)
{
    u_char                 buf[NGX_MDM_REDIS_REASON];
    u_char                 expect[NGX_MDM_STORE_ID];
    mdm_str_t              id, expected;
    ngx_str_t              reason;
    ngx_queue_t           *q, *next;
    ngx_mdm_redis_node_t  *node;

    expected.data = expect;
    expected.len = ngx_mdm_store_id_expected(redis->store, expect);

    id = mdm_reply_str(reply, 0);

    node = ngx_mdm_redis_node(redis);

    ngx_mdm_redis_meta_other(redis->store,
                             ngx_mdm_redis_conn_name(&node->conn), &id,
                             &expected, buf, &reason);

    if (redis->mode->doubt != NULL) {
        redis->mode->doubt(redis);
    }

    for (q = ngx_queue_head(&redis->nodes);
         q != ngx_queue_sentinel(&redis->nodes);
         q = next)
    {
        next = ngx_queue_next(q);

        node = ngx_queue_data(q, ngx_mdm_redis_node_t, queue);

        ngx_mdm_redis_node_reset(node, &reason);
    }
}
