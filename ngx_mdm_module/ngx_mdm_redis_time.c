
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * How long calls may take.  Two things are told apart: a caller that cannot
 * wait any longer gets 503, and its reply is still read; a server that has
 * said nothing at all for as long as the oldest call may take is given up,
 * with all that was sent to it.  So one late reply fails one call.
 *
 * Nothing runs before the last byte of a call has left: "timeout" begins
 * then, and a large call is given more.
 */


#include "ngx_mdm_redis_conn.h"


/* a call of the second connection waits for its turn at most so many times
   "timeout" */
#define NGX_MDM_REDIS_TURN  10

/*
 * a connection without a reply is kept so many times longer while the server
 * answers on another one
 */
#define NGX_MDM_REDIS_PATIENCE  3

/* a turn that took fewer milliseconds is not corrected for */
#define NGX_MDM_REDIS_LATE  10


static ngx_msec_t ngx_mdm_redis_conn_due(ngx_mdm_redis_conn_t *conn,
    ngx_msec_t *limit);
static void ngx_mdm_redis_conn_left(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);


ngx_uint_t
ngx_mdm_redis_conn_silent(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_msec_t  due, limit;

    if (ngx_queue_empty(&conn->unacked) && ngx_queue_empty(&conn->sent)) {
        return 0;
    }

    due = ngx_mdm_redis_conn_due(conn, &limit);

    if ((ngx_msec_int_t) (due - ngx_current_msec) > 0) {
        return 0;
    }

    ngx_mdm_peer_reason(&conn->peer, reason, "no reply within %Mms", limit);

    return 1;
}


/*
 * Until when the server has to say something, while calls have been sent;
 * *limit is what the oldest of them is given.
 */

static ngx_msec_t
ngx_mdm_redis_conn_due(ngx_mdm_redis_conn_t *conn, ngx_msec_t *limit)
{
    ngx_msec_t           from, patience;
    ngx_queue_t         *q;
    ngx_mdm_redis_op_t  *op;

    q = ngx_queue_empty(&conn->unacked) ? ngx_queue_head(&conn->sent)
                                     : ngx_queue_head(&conn->unacked);

    op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

    from = op->left;

    if ((ngx_msec_int_t) (conn->heard - from) > 0) {
        from = conn->heard;
    }

    if (op->leaving && (ngx_msec_int_t) (conn->moved - from) > 0) {
        from = conn->moved;
    }

    *limit = conn->store->timeout + ngx_mdm_redis_allowance(op->size);

    /*
     * A server that answers elsewhere is busy, not away, which is no reason
     * to fail all that was sent here; but not for ever: this connection may
     * be broken.
     */

    patience = 0;

    if (conn->alive != NULL && (ngx_msec_int_t) (*conn->alive - from) > 0) {
        patience = ngx_min(*conn->alive - from,
                           NGX_MDM_REDIS_PATIENCE * *limit);
    }

    return from + patience + *limit;
}


ngx_int_t
ngx_mdm_redis_conn_expire(ngx_mdm_redis_conn_t *conn, ngx_queue_t *ops)
{
    ngx_uint_t           generation;
    ngx_queue_t         *q, *next;
    ngx_mdm_redis_op_t  *op;

    generation = conn->peer.generation;

    for (q = ngx_queue_head(ops); q != ngx_queue_sentinel(ops); q = next) {

        next = ngx_queue_next(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (op->call == NULL) {
            continue;
        }

        if (!ngx_mdm_redis_expired(op)) {

            if (conn->early_deadline) {
                continue;
            }

            break;
        }

        ngx_mdm_redis_count(conn->stats, timeouts);

        conn->owner->expire(conn, op);

        if (conn->peer.generation != generation) {
            return NGX_DONE;
        }
    }

    return NGX_OK;
}


void
ngx_mdm_redis_conn_overdue(ngx_mdm_redis_conn_t *conn, ngx_queue_t *dead)
{
    ngx_queue_t         *q, *next;
    ngx_mdm_redis_op_t  *op;

    for (q = ngx_queue_head(&conn->waiting);
         q != ngx_queue_sentinel(&conn->waiting);
         q = next)
    {
        next = ngx_queue_next(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (!ngx_mdm_redis_expired(op)) {

            if (conn->early_deadline) {
                continue;
            }

            break;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(dead, q);

        ngx_mdm_redis_count(conn->stats, timeouts);
    }
}


void
ngx_mdm_redis_conn_written(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    op->left = ngx_current_msec;
    op->end = conn->peer.out.queued;

    if (op->bulk) {

        /* its arguments may be sent from where they are */

        op->leaving = 1;
        conn->behind = 1;
    }

    if (op->deadline != op->left + conn->store->timeout) {

        /*
         * its deadline is not the usual one: it has waited, was sent before, or
         * is large
         */

        conn->early_deadline = 1;
    }
}


void
ngx_mdm_redis_conn_queued(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    if (op->renew) {

        /*
         * others are ahead of it, and are answered, or the connection would be
         * down
         */

        op->deadline = ngx_current_msec
                       + NGX_MDM_REDIS_TURN * conn->store->timeout;

        conn->early_deadline = 1;
    }
}


/*
 * nginx reads the clock once a turn.  Where something of this turn has taken
 * long, such as to compress 15 MB, calls made behind it would have less time
 * than they are due, or none.
 */

void
ngx_mdm_redis_conn_clock(ngx_mdm_redis_conn_t *conn)
{
    off_t                sent;
    ngx_msec_t           late;
    ngx_queue_t         *q;
    ngx_mdm_redis_op_t  *op;

    late = ngx_current_msec;

    ngx_time_update();

    late = ngx_current_msec - late;

    if (late < NGX_MDM_REDIS_LATE) {
        return;
    }

    sent = conn->peer.connection->sent;

    for (q = ngx_queue_last(&conn->sent);
         q != ngx_queue_sentinel(&conn->sent);
         q = ngx_queue_prev(q))
    {
        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (op->end <= sent) {
            return;
        }

        op->left += late;
        op->deadline += late;
    }
}


void
ngx_mdm_redis_conn_moved(ngx_mdm_redis_conn_t *conn, ngx_uint_t all,
    ngx_uint_t progress)
{
    off_t                sent;
    ngx_queue_t         *q;
    ngx_mdm_redis_op_t  *op;

    sent = conn->peer.connection->sent;

    if (progress) {
        conn->moved = ngx_current_msec;
    }

    conn->behind = !all;

    for (q = ngx_queue_last(&conn->sent);
         q != ngx_queue_sentinel(&conn->sent) && !all;
         q = ngx_queue_prev(q))
    {
        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (op->end <= sent || (op->leaving && !op->bulk)) {
            break;
        }

        op->leaving = 1;
    }

    if (!all && !progress) {
        return;
    }

    for (q = ngx_queue_head(&conn->sent);
         q != ngx_queue_sentinel(&conn->sent);
         q = ngx_queue_next(q))
    {
        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (op->end > sent) {
            break;
        }

        if (op->leaving) {
            ngx_mdm_redis_conn_left(conn, op);
        }
    }
}


static void
ngx_mdm_redis_conn_left(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    op->leaving = 0;
    op->left = ngx_current_msec;

    if (!op->renew) {
        return;
    }

    /* only once: a call that is sent again has what is left of its time */

    op->renew = 0;
    op->deadline = op->left + conn->store->timeout
                   + ngx_mdm_redis_allowance(op->size);

    ngx_mdm_redis_conn_within(conn, op->deadline);
}


void
ngx_mdm_redis_conn_within(ngx_mdm_redis_conn_t *conn, ngx_msec_t until)
{
    ngx_msec_int_t  left;

    if (conn->timeout.timer_set) {

        if ((ngx_msec_int_t) (until - conn->timeout.timer.key) >= 0) {
            return;
        }

        /* ngx_add_timer() alone would not move it by less than 300 ms */

        ngx_del_timer(&conn->timeout);
    }

    left = (ngx_msec_int_t) (until - ngx_current_msec);

    ngx_add_timer(&conn->timeout, (left > 0) ? (ngx_msec_t) left : 1);
}


void
ngx_mdm_redis_conn_set_timeout(ngx_mdm_redis_conn_t *conn)
{
    ngx_msec_t           limit;
    ngx_uint_t           i, early_deadline;
    ngx_queue_t         *q, *queues[3];
    ngx_msec_int_t       left, n;
    ngx_mdm_redis_op_t  *op;

    if (ngx_mdm_redis_idle(conn)) {
        return;
    }

    queues[0] = &conn->unacked;
    queues[1] = &conn->sent;
    queues[2] = &conn->waiting;

    left = (ngx_msec_int_t) conn->store->timeout;

    if (!ngx_queue_empty(&conn->unacked) || !ngx_queue_empty(&conn->sent)) {
        n = (ngx_msec_int_t) (ngx_mdm_redis_conn_due(conn, &limit)
                              - ngx_current_msec);
        left = ngx_min(left, n);
    }

    early_deadline = 0;

    for (i = 0; i < 3; i++) {

        for (q = ngx_queue_head(queues[i]);
             q != ngx_queue_sentinel(queues[i]);
             q = ngx_queue_next(q))
        {
            op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

            if (op->call == NULL) {
                continue;
            }

            n = (ngx_msec_int_t) (op->deadline - ngx_current_msec);

            left = ngx_min(left, n);

            if (op->deadline != op->left + conn->store->timeout) {
                early_deadline = 1;
            }

            if (!conn->early_deadline) {

                /* the first one is the oldest */

                break;
            }
        }
    }

    if (conn->early_deadline) {
        conn->early_deadline = early_deadline;
    }

    ngx_add_timer(&conn->timeout, (left > 0) ? (ngx_msec_t) left : 1);
}
