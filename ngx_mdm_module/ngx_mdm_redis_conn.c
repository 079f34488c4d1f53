
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "ngx_mdm_redis_conn.h"


/* between attempts to connect: at first, and at most */
#define NGX_MDM_REDIS_DELAY      100
#define NGX_MDM_REDIS_DELAY_MAX  1000

/* a connection that lasted this long was a good one */
#define NGX_MDM_REDIS_STABLE     1000

/* a worker that quits keeps an idle connection for this long */
#define NGX_MDM_REDIS_LINGER     1000


#define ngx_mdm_redis_expired(op)                                             \
    ((ngx_msec_int_t) ((op)->deadline - ngx_current_msec) <= 0)

#define ngx_mdm_redis_idle(conn)                                              \
    (ngx_queue_empty(&(conn)->sent) && ngx_queue_empty(&(conn)->waiting))


static void ngx_mdm_redis_conn_start(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_conn_timeout_handler(ngx_event_t *ev);
static void ngx_mdm_redis_conn_timer_handler(ngx_event_t *ev);
static const char *ngx_mdm_redis_phase(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_conn_down(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);
static void ngx_mdm_redis_conn_drop(ngx_mdm_redis_conn_t *conn,
    ngx_queue_t *ops);
static void ngx_mdm_redis_conn_arm(ngx_mdm_redis_conn_t *conn);


ngx_int_t
ngx_mdm_redis_conn_open(ngx_mdm_redis_conn_t *conn)
{
    ngx_queue_init(&conn->waiting);
    ngx_queue_init(&conn->sent);

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

    ngx_mdm_redis_conn_start(conn);

    return NGX_OK;
}


static void
ngx_mdm_redis_conn_start(ngx_mdm_redis_conn_t *conn)
{
    ngx_str_t  reason;

    if (ngx_mdm_redis_conn_connect(conn, &reason) != NGX_OK) {
        ngx_mdm_redis_conn_failed(conn, &reason);
    }
}


/* the handshake is done */

void
ngx_mdm_redis_conn_ready(ngx_mdm_redis_conn_t *conn)
{
    ngx_queue_t          dead, *q;
    ngx_mdm_redis_op_t  *op;

    ngx_del_timer(&conn->timer);

    conn->log.action = "waiting for replies of redis";
    conn->state = NGX_MDM_REDIS_CONN_READY;
    conn->since = ngx_current_msec;
    conn->tried = 0;
    conn->down = 0;

    conn->stats->connects++;

    conn->owner->up(conn);

    ngx_queue_init(&dead);

    while (!ngx_queue_empty(&conn->waiting)) {

        q = ngx_queue_head(&conn->waiting);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (ngx_mdm_redis_out_call(&conn->out, op->call, op->eval)
            != NGX_OK)
        {
            ngx_queue_insert_tail(&dead, q);
            continue;
        }

        op->state = NGX_MDM_REDIS_OP_SENT;
        ngx_queue_insert_tail(&conn->sent, q);
    }

    if (conn->out.first != NULL) {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    ngx_mdm_redis_conn_drop(conn, &dead);
}


ngx_int_t
ngx_mdm_redis_conn_send(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    if (conn->down) {
        return NGX_DECLINED;
    }

    if (conn->state == NGX_MDM_REDIS_CONN_READY) {

        if (ngx_mdm_redis_out_call(&conn->out, op->call, op->eval)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        op->state = NGX_MDM_REDIS_OP_SENT;
        ngx_queue_insert_tail(&conn->sent, &op->queue);

        ngx_post_event(&conn->flush, &ngx_posted_events);

    } else {
        op->state = NGX_MDM_REDIS_OP_WAITING;
        ngx_queue_insert_tail(&conn->waiting, &op->queue);

        if (conn->state == NGX_MDM_REDIS_CONN_CLOSED) {

            /* closed by a worker that quits: connect once more */

            ngx_post_event(&conn->timer, &ngx_posted_events);
        }
    }

    op->conn = conn;

    if (!conn->timeout.timer_set) {
        ngx_mdm_redis_conn_arm(conn);
    }

    return NGX_OK;
}


void
ngx_mdm_redis_conn_remove(ngx_mdm_redis_op_t *op)
{
    ngx_queue_remove(&op->queue);

    op->state = NGX_MDM_REDIS_OP_OFF;

    ngx_mdm_redis_conn_settle(op->conn);
}


/* calls that were not answered in time */

static void
ngx_mdm_redis_conn_timeout_handler(ngx_event_t *ev)
{
    ngx_str_t              reason;
    ngx_queue_t            dead, *q;
    ngx_mdm_redis_op_t    *op;
    ngx_mdm_redis_conn_t  *conn;

    conn = ev->data;

    if (!ngx_queue_empty(&conn->sent)) {

        q = ngx_queue_head(&conn->sent);
        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (ngx_mdm_redis_expired(op)) {
            ngx_mdm_redis_conn_reason(conn, &reason, "no reply within %Mms",
                                      conn->store->timeout);

            conn->stats->timeouts++;

            ngx_mdm_redis_conn_lost(conn, &reason, 1);
            return;
        }
    }

    ngx_queue_init(&dead);

    while (!ngx_queue_empty(&conn->waiting)) {

        q = ngx_queue_head(&conn->waiting);
        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (!ngx_mdm_redis_expired(op)) {
            break;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&dead, q);

        conn->stats->timeouts++;
    }

    ngx_mdm_redis_conn_arm(conn);
    ngx_mdm_redis_conn_drop(conn, &dead);
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

    partial = ngx_mdm_redis_reader_started(&conn->reader);

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
            op->retried = 1;
            ngx_queue_insert_tail(&again, q);

            conn->stats->retries++;
        }

        partial = 0;
    }

    /* nothing waits on a connection that was ready */

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

        if (++conn->tried >= conn->naddrs) {
            break;
        }

        conn->addr = (conn->addr + 1) % conn->naddrs;

        if (ngx_mdm_redis_conn_connect(conn, reason) == NGX_OK) {
            return;
        }
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

    conn->addr = (conn->addr + 1) % conn->naddrs;

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
    ngx_queue_add(&dead, &conn->sent);
    ngx_queue_init(&conn->sent);
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

static void
ngx_mdm_redis_conn_drop(ngx_mdm_redis_conn_t *conn, ngx_queue_t *ops)
{
    ngx_queue_t         *q;
    ngx_mdm_redis_op_t  *op;

    while (!ngx_queue_empty(ops)) {

        q = ngx_queue_head(ops);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);
        op->state = NGX_MDM_REDIS_OP_OFF;

        conn->owner->drop(conn, op);
    }
}


/* sets the timeout for the oldest call */

static void
ngx_mdm_redis_conn_arm(ngx_mdm_redis_conn_t *conn)
{
    ngx_uint_t           i;
    ngx_queue_t         *queues[2];
    ngx_msec_int_t       left, n;
    ngx_mdm_redis_op_t  *op;

    if (ngx_mdm_redis_idle(conn)) {
        return;
    }

    queues[0] = &conn->sent;
    queues[1] = &conn->waiting;

    left = (ngx_msec_int_t) conn->store->timeout;

    for (i = 0; i < 2; i++) {

        if (ngx_queue_empty(queues[i])) {
            continue;
        }

        op = ngx_queue_data(ngx_queue_head(queues[i]), ngx_mdm_redis_op_t,
                            queue);

        n = (ngx_msec_int_t) (op->deadline - ngx_current_msec);

        left = ngx_min(left, n);
    }

    ngx_add_timer(&conn->timeout, (left > 0) ? (ngx_msec_t) left : 1);
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
    ngx_uint_t    i;
    ngx_queue_t  *q, *queues[2];

    ngx_mdm_redis_conn_close(conn);

    if (conn->timeout.timer_set) {
        ngx_del_timer(&conn->timeout);
    }

    queues[0] = &conn->sent;
    queues[1] = &conn->waiting;

    for (i = 0; i < 2; i++) {

        while (!ngx_queue_empty(queues[i])) {
            q = ngx_queue_head(queues[i]);
            ngx_queue_remove(q);
            ngx_free(ngx_queue_data(q, ngx_mdm_redis_op_t, queue));
        }
    }
}
