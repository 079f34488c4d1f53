
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The queues of calls of a connection: those that wait, that were sent, and
 * what becomes of them when it is lost.
 */


#include "ngx_mdm_redis_conn.h"


ngx_int_t
ngx_mdm_redis_conn_write(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    ngx_int_t   rc;
    ngx_uint_t  flags;

    flags = (op->eval ? NGX_MDM_REDIS_EVAL : 0)
            | (op->pair ? NGX_MDM_REDIS_PAIR : 0)
            | (op->asking ? NGX_MDM_REDIS_ASKING : 0);

    rc = (op->size > NGX_MDM_REDIS_LARGE)
         ? ngx_mdm_redis_out_large(&conn->peer.out, op->call, flags, op)
         : ngx_mdm_redis_out_call(&conn->peer.out, op->call, flags);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    op->state = NGX_MDM_REDIS_OP_SENT;
    ngx_queue_insert_tail(&conn->sent, &op->queue);
    conn->nsent++;

    if (op->durable) {
        conn->batch = 1;
    }

    ngx_mdm_redis_conn_written(conn, op);

    return NGX_OK;
}


void
ngx_mdm_redis_conn_wait(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    ngx_queue_t         *q;
    ngx_mdm_redis_op_t  *other;

    op->state = NGX_MDM_REDIS_OP_WAITING;

    if (conn->limit != 0 && !op->renew) {

        /* it has had its turn already, on another connection */

        ngx_queue_insert_head(&conn->waiting, &op->queue);

    } else if (conn->limit == 0 || op->kind != NGX_MDM_REDIS_DEVICE) {
        ngx_queue_insert_tail(&conn->waiting, &op->queue);

    } else {

        for (q = ngx_queue_head(&conn->waiting);
             q != ngx_queue_sentinel(&conn->waiting);
             q = ngx_queue_next(q))
        {
            other = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

            if (other->kind != NGX_MDM_REDIS_DEVICE) {
                break;
            }
        }

        /* ahead of that one, or last */

        ngx_queue_insert_tail(q, &op->queue);
    }

    if (conn->peer.state == NGX_MDM_PEER_READY) {
        ngx_mdm_redis_conn_queued(conn, op);
    }
}


void
ngx_mdm_redis_conn_recall(ngx_mdm_redis_conn_t *conn, ngx_queue_t *dead,
    ngx_uint_t timedout)
{
    ngx_uint_t           partial;
    ngx_queue_t          again, *q;
    ngx_mdm_redis_op_t  *op;

    ngx_queue_init(&again);

    /* what is unacked may not have reached a replica: it is sent again, too */

    for (q = ngx_queue_head(&conn->unacked);
         q != ngx_queue_sentinel(&conn->unacked);
         q = ngx_queue_next(q))
    {
        ngx_mdm_redis_wait_discard(ngx_queue_data(q, ngx_mdm_redis_op_t,
                                                  queue));
    }

    partial = ngx_mdm_redis_reader_started(&conn->reader)
              && ngx_queue_empty(&conn->unacked);

    if (!ngx_queue_empty(&conn->unacked)) {
        ngx_queue_add(&conn->unacked, &conn->sent);
        ngx_queue_init(&conn->sent);
        ngx_queue_add(&conn->sent, &conn->unacked);
        ngx_queue_init(&conn->unacked);
    }

    while (!ngx_queue_empty(&conn->sent)) {

        q = ngx_queue_head(&conn->sent);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (timedout || partial || op->call == NULL || op->retried
            || ngx_mdm_redis_expired(op))
        {
            ngx_queue_insert_tail(dead, q);

        } else {
            op->state = NGX_MDM_REDIS_OP_WAITING;
            op->leaving = 0;
            op->retried = 1;
            ngx_queue_insert_tail(&again, q);

            ngx_mdm_redis_count(conn->stats, retries);
        }

        partial = 0;
    }

    conn->nsent = 0;

    /* ahead of what waits for the end of a batch */

    ngx_queue_add(&again, &conn->waiting);
    ngx_queue_init(&conn->waiting);
    ngx_queue_add(&conn->waiting, &again);
}


void
ngx_mdm_redis_conn_drop(ngx_mdm_redis_conn_t *conn, ngx_queue_t *ops)
{
    ngx_queue_t         *q;
    ngx_mdm_redis_op_t  *op;

    while (!ngx_queue_empty(ops)) {

        q = ngx_queue_head(ops);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);
        op->state = NGX_MDM_REDIS_OP_OFF;

        ngx_mdm_redis_wait_discard(op);

        conn->owner->drop(conn, op);
    }
}
