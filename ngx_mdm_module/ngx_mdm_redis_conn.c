
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "ngx_mdm_redis_conn.h"


/* between attempts to connect: at first, and at most */
#define NGX_MDM_REDIS_DELAY      100
#define NGX_MDM_REDIS_DELAY_MAX  1000

/* a connection that lasted this long was a good one */
#define NGX_MDM_REDIS_STABLE     1000

/* a call of more bytes than this is sent from where it lies */
#define NGX_MDM_REDIS_LARGE      16384

/* a worker that quits keeps an idle connection for this long */
#define NGX_MDM_REDIS_LINGER     1000

static void ngx_mdm_redis_conn_start(ngx_mdm_redis_conn_t *conn);
static ngx_int_t ngx_mdm_redis_conn_write(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);
static void ngx_mdm_redis_conn_wait(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);
static void ngx_mdm_redis_conn_timer_handler(ngx_event_t *ev);
static const char *ngx_mdm_redis_phase(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_conn_down(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);


void
ngx_mdm_redis_conn_init(ngx_mdm_redis_conn_t *conn)
{
    ngx_queue_init(&conn->waiting);
    ngx_queue_init(&conn->sent);
    ngx_queue_init(&conn->held);

    conn->fd = (ngx_socket_t) -1;

    conn->log = *ngx_cycle->log;
    conn->log.handler = ngx_mdm_redis_conn_log_error;
    conn->log.data = conn;
    conn->log.action = NULL;

    conn->flush.handler = ngx_mdm_redis_conn_flush_handler;
    conn->flush.data = conn;
    conn->flush.log = &conn->log;

    conn->timeout.handler = ngx_mdm_redis_conn_timeout_handler;
    conn->timeout.data = conn;
    conn->timeout.log = &conn->log;

    conn->timer.handler = ngx_mdm_redis_conn_timer_handler;
    conn->timer.data = conn;
    conn->timer.log = &conn->log;
    conn->timer.cancelable = 1;
}


void
ngx_mdm_redis_conn_open(ngx_mdm_redis_conn_t *conn)
{
    conn->tried = 0;
    conn->delay = 0;

    ngx_mdm_redis_conn_start(conn);
}


static void
ngx_mdm_redis_conn_start(ngx_mdm_redis_conn_t *conn)
{
    ngx_int_t  rc;
    ngx_str_t  reason;

    conn->state = NGX_MDM_REDIS_CONN_LOCATING;
    conn->log.action = "looking for redis";

    rc = conn->owner->locate(conn, &reason);

    if (rc == NGX_AGAIN) {
        ngx_add_timer(&conn->timer, conn->store->connect_timeout);
        return;
    }

    if (rc == NGX_OK) {
        ngx_mdm_redis_conn_located(conn, NULL);

    } else {
        ngx_mdm_redis_conn_failed(conn, &reason);
    }
}


void
ngx_mdm_redis_conn_located(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_str_t  why;

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    if (reason != NULL) {
        ngx_mdm_redis_conn_failed(conn, reason);
        return;
    }

    if (conn->addr >= conn->target->naddrs) {
        conn->addr = 0;
    }

    if (ngx_mdm_redis_conn_connect(conn, &why) != NGX_OK) {
        ngx_mdm_redis_conn_failed(conn, &why);
    }
}


ngx_str_t *
ngx_mdm_redis_conn_name(ngx_mdm_redis_conn_t *conn)
{
    static ngx_str_t  nowhere = ngx_string("(unknown)");

    if (conn->target == NULL) {
        return &nowhere;
    }

    return (conn->addr < conn->target->naddrs)
           ? &conn->target->addrs[conn->addr].name : &conn->target->name;
}


/* the handshake is done */

void
ngx_mdm_redis_conn_ready(ngx_mdm_redis_conn_t *conn)
{
    ngx_del_timer(&conn->timer);

    conn->log.action = "waiting for replies of redis";
    conn->state = NGX_MDM_REDIS_CONN_READY;
    conn->since = ngx_current_msec;
    conn->tried = 0;
    conn->down = 0;

    conn->stats->connects++;

    conn->owner->up(conn);

    ngx_mdm_redis_conn_resume(conn);
}


void
ngx_mdm_redis_conn_resume(ngx_mdm_redis_conn_t *conn)
{
    ngx_queue_t          dead, *q;
    ngx_mdm_redis_op_t  *op;

    ngx_queue_init(&dead);

    while (!ngx_queue_empty(&conn->waiting)
           && ngx_mdm_redis_conn_room(conn))
    {

        q = ngx_queue_head(&conn->waiting);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (ngx_mdm_redis_conn_write(conn, op) != NGX_OK) {
            ngx_queue_insert_tail(&dead, q);
        }
    }

    if (conn->out.first != NULL) {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    ngx_mdm_redis_conn_drop(conn, &dead);
}


static ngx_int_t
ngx_mdm_redis_conn_write(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    ngx_int_t   rc;
    ngx_uint_t  flags;

    flags = (op->eval ? NGX_MDM_REDIS_EVAL : 0)
            | (op->pair ? NGX_MDM_REDIS_PAIR : 0)
            | (op->asking ? NGX_MDM_REDIS_ASKING : 0);

    rc = (op->size > NGX_MDM_REDIS_LARGE)
         ? ngx_mdm_redis_out_large(&conn->out, op->call, flags, op)
         : ngx_mdm_redis_out_call(&conn->out, op->call, flags);

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


ngx_int_t
ngx_mdm_redis_conn_send(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    if (conn->down) {
        return NGX_DECLINED;
    }

    /* behind a WAIT redis would not even read it: it goes with the next */

    if (conn->state == NGX_MDM_REDIS_CONN_READY
        && ngx_mdm_redis_conn_room(conn))
    {

        if (ngx_mdm_redis_conn_write(conn, op) != NGX_OK) {
            return NGX_ERROR;
        }

        if (conn->gather != NULL) {
            ngx_mdm_redis_gather(conn);

        } else {
            ngx_post_event(&conn->flush, &ngx_posted_events);
        }

    } else {
        ngx_mdm_redis_conn_wait(conn, op);

        if (conn->state == NGX_MDM_REDIS_CONN_CLOSED) {

            /* closed by a worker that quits: connect once more */

            ngx_post_event(&conn->timer, &ngx_posted_events);
        }
    }

    op->conn = conn;

    if (!conn->timeout.timer_set) {
        ngx_mdm_redis_conn_arm(conn);

    } else {
        ngx_mdm_redis_conn_within(conn, op->deadline);
    }

    return NGX_OK;
}


/* among those that wait devices go first */

static void
ngx_mdm_redis_conn_wait(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    ngx_queue_t         *q;
    ngx_mdm_redis_op_t  *other;

    op->state = NGX_MDM_REDIS_OP_WAITING;

    if (conn->limit != 0 && !op->renew) {

        /* it has had its turn, but was sent elsewhere */

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

    if (conn->state == NGX_MDM_REDIS_CONN_READY) {
        ngx_mdm_redis_conn_queued(conn, op);
    }
}


void
ngx_mdm_redis_conn_detach(ngx_mdm_redis_op_t *op)
{
    ngx_str_t              reason;
    ngx_mdm_redis_conn_t  *conn;

    conn = op->conn;

    /* smaller ones were copied as they were written */

    if (op->state != NGX_MDM_REDIS_OP_SENT
        || op->size <= NGX_MDM_REDIS_LARGE
        || ngx_mdm_peer_out_detach(&conn->out, op) == NGX_OK)
    {
        return;
    }

    /* the op stays: it is dropped by whoever finds it without a call */

    ngx_mdm_peer_out_free(&conn->out);

    ngx_str_set(&reason, "no memory");
    ngx_mdm_redis_conn_reset(conn, &reason);
}


void
ngx_mdm_redis_conn_remove(ngx_mdm_redis_op_t *op)
{
    ngx_queue_remove(&op->queue);

    op->state = NGX_MDM_REDIS_OP_OFF;

    ngx_mdm_redis_conn_settle(op->conn);
}


static void
ngx_mdm_redis_conn_timer_handler(ngx_event_t *ev)
{
    ngx_str_t              reason;
    ngx_mdm_redis_conn_t  *conn;

    conn = ev->data;

    switch (conn->state) {

    case NGX_MDM_REDIS_CONN_CLOSED:
        ngx_mdm_redis_conn_start(conn);
        break;

    case NGX_MDM_REDIS_CONN_LOCATING:
    case NGX_MDM_REDIS_CONN_CONNECTING:
    case NGX_MDM_REDIS_CONN_SECURING:
    case NGX_MDM_REDIS_CONN_GREETING:
        ngx_mdm_redis_conn_reason(conn, &reason, "%s within %Mms",
                                  ngx_mdm_redis_phase(conn),
                                  conn->store->connect_timeout);

        ngx_mdm_redis_conn_failed(conn, &reason);
        break;

    default: /* NGX_MDM_REDIS_CONN_READY */
        ngx_mdm_redis_conn_quit(conn, 0);
    }
}


void
ngx_mdm_redis_conn_reason(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason,
    const char *fmt, ...)
{
    u_char   *last;
    va_list   args;

    va_start(args, fmt);
    last = ngx_vslprintf(conn->reason, conn->reason + NGX_MDM_REDIS_REASON,
                         fmt, args);
    va_end(args);

    reason->data = conn->reason;
    reason->len = last - conn->reason;
}


/* what has not come in time */

static const char *
ngx_mdm_redis_phase(ngx_mdm_redis_conn_t *conn)
{
    switch (conn->state) {

    case NGX_MDM_REDIS_CONN_LOCATING:
        return "no address";

    case NGX_MDM_REDIS_CONN_CONNECTING:
        return "no connection";

    case NGX_MDM_REDIS_CONN_SECURING:
        return "no TLS handshake";

    default:
        return "no answer to the handshake";
    }
}


void
ngx_mdm_redis_conn_reset(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_conn_lost(conn, reason, 0);
}


/*
 * A connection that was ready is gone.  Calls whose reply had not begun are
 * made once more: the scripts may be repeated.
 */

void
ngx_mdm_redis_conn_lost(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason,
    ngx_uint_t timedout)
{
    ngx_uint_t           level, partial, stable;
    ngx_queue_t          dead, again, *q;
    ngx_mdm_redis_op_t  *op;

    ngx_queue_init(&dead);
    ngx_queue_init(&again);

    /* what is held may not have reached a replica: it is made again, too */

    for (q = ngx_queue_head(&conn->held);
         q != ngx_queue_sentinel(&conn->held);
         q = ngx_queue_next(q))
    {
        ngx_mdm_redis_wait_forget(ngx_queue_data(q, ngx_mdm_redis_op_t,
                                                 queue));
    }

    partial = ngx_mdm_redis_reader_started(&conn->reader)
              && ngx_queue_empty(&conn->held);

    if (!ngx_queue_empty(&conn->held)) {
        ngx_queue_add(&conn->held, &conn->sent);
        ngx_queue_init(&conn->sent);
        ngx_queue_add(&conn->sent, &conn->held);
        ngx_queue_init(&conn->held);
    }

    while (!ngx_queue_empty(&conn->sent)) {

        q = ngx_queue_head(&conn->sent);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (timedout || partial || op->call == NULL || op->retried
            || ngx_mdm_redis_expired(op))
        {
            ngx_queue_insert_tail(&dead, q);

        } else {
            op->state = NGX_MDM_REDIS_OP_WAITING;
            op->leaving = 0;
            op->retried = 1;
            ngx_queue_insert_tail(&again, q);

            conn->stats->retries++;
        }

        partial = 0;
    }

    conn->nsent = 0;

    /* ahead of what waits for the end of a batch */

    ngx_queue_add(&again, &conn->waiting);
    ngx_queue_init(&conn->waiting);
    ngx_queue_add(&conn->waiting, &again);

    /* that it is down is told by the owner */

    level = (ngx_queue_empty(&dead) || timedout) ? NGX_LOG_INFO
                                                 : NGX_LOG_WARN;

    ngx_log_error(level, &conn->log, 0, "connection to redis is given up: %V",
                  reason);

    ngx_mdm_redis_conn_close(conn);

    stable = (ngx_msec_int_t) (ngx_current_msec - conn->since)
             >= NGX_MDM_REDIS_STABLE;

    if (stable) {
        conn->delay = 0;
    }

    if (timedout || !stable) {
        ngx_mdm_redis_conn_down(conn, reason);

    } else if (!ngx_queue_empty(&conn->waiting) || !ngx_exiting) {
        ngx_mdm_redis_conn_start(conn);
    }

    ngx_mdm_redis_conn_drop(conn, &dead);
    ngx_mdm_redis_conn_settle(conn);
}


/* an attempt to connect has failed: on to the next address, if any */

void
ngx_mdm_redis_conn_failed(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    for ( ;; ) {
        ngx_log_error(NGX_LOG_INFO, &conn->log, 0,
                      "connecting to redis has failed: %V", reason);

        ngx_mdm_redis_conn_close(conn);

        if (conn->target == NULL || ++conn->tried >= conn->target->naddrs) {
            break;
        }

        conn->addr = (conn->addr + 1) % conn->target->naddrs;

        if (ngx_mdm_redis_conn_connect(conn, reason) == NGX_OK) {
            return;
        }
    }

    if (conn->owner->next != NULL && conn->owner->next(conn) == NGX_OK) {
        conn->tried = 0;
        conn->addr = 0;
        ngx_mdm_redis_conn_start(conn);
        return;
    }

    ngx_mdm_redis_conn_down(conn, reason);
    ngx_mdm_redis_conn_settle(conn);
}


/* calls are refused until it is up again */

static void
ngx_mdm_redis_conn_down(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_msec_t   delay;
    ngx_queue_t  dead;

    conn->down = 1;
    conn->tried = 0;

    conn->owner->down(conn, reason);

    /* the next round begins with the next address */

    if (conn->target != NULL && conn->target->naddrs != 0) {
        conn->addr = (conn->addr + 1) % conn->target->naddrs;
    }

    conn->delay = (conn->delay == 0) ? NGX_MDM_REDIS_DELAY
                                     : ngx_min(conn->delay * 2,
                                               NGX_MDM_REDIS_DELAY_MAX);

    delay = conn->delay - (ngx_msec_t) ngx_random() % (conn->delay / 4);

    ngx_add_timer(&conn->timer, delay);

    ngx_queue_init(&dead);
    ngx_queue_add(&dead, &conn->waiting);
    ngx_queue_init(&conn->waiting);

    ngx_mdm_redis_conn_drop(conn, &dead);
}


/* the worker quits; now: without waiting for replies */

void
ngx_mdm_redis_conn_quit(ngx_mdm_redis_conn_t *conn, ngx_uint_t now)
{
    ngx_queue_t  dead;

    if (!ngx_mdm_redis_idle(conn) && !now) {
        return;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, &conn->log, 0, "mdm redis quit");

    ngx_mdm_redis_conn_close(conn);

    ngx_queue_init(&dead);
    ngx_queue_add(&dead, &conn->held);
    ngx_queue_init(&conn->held);
    ngx_queue_add(&dead, &conn->sent);
    ngx_queue_init(&conn->sent);
    conn->nsent = 0;
    ngx_queue_add(&dead, &conn->waiting);
    ngx_queue_init(&conn->waiting);

    if (now) {
        conn->down = 1;

    } else if (conn->down) {
        ngx_add_timer(&conn->timer, conn->delay);
    }

    ngx_mdm_redis_conn_drop(conn, &dead);
    ngx_mdm_redis_conn_settle(conn);
}


/*
 * Hands ops that failed to the owner, who frees them.  A caller may abandon
 * another one of them meanwhile, which takes a waiting one off the list.
 */

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

        ngx_mdm_redis_wait_forget(op);

        conn->owner->drop(conn, op);
    }
}


/*
 * The timeout stays set when the last call has ended, since the next one is
 * likely to come before it: only a worker that quits must not wait for it.
 */

void
ngx_mdm_redis_conn_settle(ngx_mdm_redis_conn_t *conn)
{
    if (!ngx_mdm_redis_idle(conn)) {

        if (!conn->timeout.timer_set) {
            ngx_mdm_redis_conn_arm(conn);
        }

        return;
    }

    if (!ngx_exiting) {
        return;
    }

    if (conn->timeout.timer_set) {
        ngx_del_timer(&conn->timeout);
    }

    if (conn->state == NGX_MDM_REDIS_CONN_READY) {
        ngx_add_timer(&conn->timer, NGX_MDM_REDIS_LINGER);
    }
}


void
ngx_mdm_redis_conn_destroy(ngx_mdm_redis_conn_t *conn)
{
    ngx_uint_t           i;
    ngx_queue_t         *q, *queues[3];
    ngx_mdm_redis_op_t  *op;

    ngx_mdm_redis_conn_close(conn);

    if (conn->timeout.timer_set) {
        ngx_del_timer(&conn->timeout);
    }

    queues[0] = &conn->held;
    queues[1] = &conn->sent;
    queues[2] = &conn->waiting;

    for (i = 0; i < 3; i++) {

        while (!ngx_queue_empty(queues[i])) {
            q = ngx_queue_head(queues[i]);
            ngx_queue_remove(q);

            op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

            ngx_mdm_redis_wait_forget(op);
            ngx_free(op);
        }
    }
}
