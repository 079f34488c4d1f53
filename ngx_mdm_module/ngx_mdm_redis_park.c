
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Calls that cannot be sent for the moment: the slot of their key is on its
 * way from one node to another, or it is not known yet who has it.
 */


#include "ngx_mdm_redis_node.h"


/* milliseconds after which what is parked is tried again */
#define NGX_MDM_REDIS_RETRY  20


static void ngx_mdm_redis_park_handler(ngx_event_t *ev);


void
ngx_mdm_redis_park_init(ngx_mdm_redis_t *redis,
    ngx_mdm_redis_resend_pt resend)
{
    ngx_queue_init(&redis->parked);

    redis->resend = resend;

    redis->retry.handler = ngx_mdm_redis_park_handler;
    redis->retry.data = redis;
    redis->retry.log = &redis->log;
}


void
ngx_mdm_redis_park_destroy(ngx_mdm_redis_t *redis)
{
    ngx_queue_t         *q;
    ngx_mdm_redis_op_t  *op;

    while (!ngx_queue_empty(&redis->parked)) {
        q = ngx_queue_head(&redis->parked);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);
        ngx_mdm_redis_op_free(op);
    }

    if (redis->retry.timer_set) {
        ngx_del_timer(&redis->retry);
    }
}


void
ngx_mdm_redis_park(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op)
{
    op->state = NGX_MDM_REDIS_OP_PARKED;
    op->conn = NULL;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &redis->log, 0,
                   "mdm redis park, kind:%d ms:%M",
                   (int) op->kind, ngx_current_msec - op->called);

    ngx_queue_insert_tail(&redis->parked, &op->queue);

    if (!redis->retry.timer_set) {
        ngx_add_timer(&redis->retry, NGX_MDM_REDIS_RETRY);
    }
}


static void
ngx_mdm_redis_park_handler(ngx_event_t *ev)
{
    ngx_mdm_redis_unpark(ev->data);
}


void
ngx_mdm_redis_unpark(ngx_mdm_redis_t *redis)
{
    ngx_queue_t          ops, *q;
    ngx_mdm_redis_op_t  *op;

    /* some of them will be parked again */

    ngx_queue_init(&ops);
    ngx_queue_add(&ops, &redis->parked);
    ngx_queue_init(&redis->parked);

    while (!ngx_queue_empty(&ops)) {

        q = ngx_queue_head(&ops);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);
        op->state = NGX_MDM_REDIS_OP_OFF;

        redis->resend(redis, op);
    }
}
