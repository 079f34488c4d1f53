
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Calls on a connection to one server: their queues, from the first byte to
 * the last reply.
 */


#include "ngx_mdm_redis_conn.h"


static ngx_int_t ngx_mdm_redis_conn_resolve_start(ngx_mdm_peer_t *peer,
    ngx_str_t *reason);
static ngx_int_t ngx_mdm_redis_conn_next(ngx_mdm_peer_t *peer);
static ngx_int_t ngx_mdm_redis_conn_connected(ngx_mdm_peer_t *peer);
static ngx_int_t ngx_mdm_redis_conn_read(ngx_mdm_peer_t *peer, u_char *data,
    size_t len);
static ngx_int_t ngx_mdm_redis_conn_drained(ngx_mdm_peer_t *peer);
static ngx_int_t ngx_mdm_redis_conn_flush(ngx_mdm_peer_t *peer);
static void ngx_mdm_redis_conn_sent(ngx_mdm_peer_t *peer, ngx_uint_t all,
    ngx_uint_t progress);
static void ngx_mdm_redis_conn_closed(ngx_mdm_peer_t *peer);
static void ngx_mdm_redis_conn_broken(ngx_mdm_peer_t *peer,
    ngx_str_t *reason);
static void ngx_mdm_redis_conn_down(ngx_mdm_peer_t *peer, ngx_str_t *reason);
static void ngx_mdm_redis_conn_refuse(ngx_mdm_peer_t *peer);
static void ngx_mdm_redis_conn_failed(ngx_mdm_peer_t *peer);
static void ngx_mdm_redis_conn_quit(ngx_mdm_peer_t *peer, ngx_uint_t now);
static u_char *ngx_mdm_redis_conn_log(ngx_mdm_peer_t *peer, u_char *buf,
    size_t len);
static ngx_int_t ngx_mdm_redis_conn_replies(ngx_mdm_redis_conn_t *conn);
static ngx_int_t ngx_mdm_redis_conn_reply(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, mdm_arena_t *arena);
static void ngx_mdm_redis_conn_confirmed(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, mdm_arena_t *arena);
static void ngx_mdm_redis_conn_garbled(ngx_mdm_redis_conn_t *conn,
    const char *text);
static void ngx_mdm_redis_conn_ready(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_conn_resume(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_conn_timeout_handler(ngx_event_t *ev);
static void ngx_mdm_redis_conn_lost(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason, ngx_uint_t timedout);
static void ngx_mdm_redis_conn_update_timers(ngx_mdm_redis_conn_t *conn);


static const ngx_mdm_peer_handlers_t  ngx_mdm_redis_conn_handlers = {
    "redis",
    "looking for redis",
    "connecting to redis",
    "TLS handshaking with redis",
    ngx_mdm_redis_conn_resolve_start,
    ngx_mdm_redis_conn_next,
    ngx_mdm_redis_conn_connected,
    ngx_mdm_redis_conn_read,
    ngx_mdm_redis_conn_drained,
    ngx_mdm_redis_conn_flush,
    ngx_mdm_redis_conn_sent,
    ngx_mdm_redis_conn_closed,
    ngx_mdm_redis_conn_broken,
    ngx_mdm_redis_conn_down,
    ngx_mdm_redis_conn_refuse,
    ngx_mdm_redis_conn_failed,
    ngx_mdm_redis_conn_quit,
    ngx_mdm_redis_conn_log
};


void
ngx_mdm_redis_conn_init(ngx_mdm_redis_conn_t *conn)
{
    ngx_queue_init(&conn->waiting);
    ngx_queue_init(&conn->sent);
    ngx_queue_init(&conn->unacked);

    conn->peer.data = conn;
    conn->peer.conf = &conn->store->peer;
    conn->peer.handlers = &ngx_mdm_redis_conn_handlers;
    conn->peer.sends = &conn->stats->sends;

    ngx_mdm_peer_init(&conn->peer);

    conn->timeout.handler = ngx_mdm_redis_conn_timeout_handler;
    conn->timeout.data = conn;
    conn->timeout.log = &conn->peer.log;
}


static ngx_int_t
ngx_mdm_redis_conn_resolve_start(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    return conn->owner->resolve_start(conn, reason);
}


ngx_int_t
ngx_mdm_redis_resolve(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    return ngx_mdm_peer_resolve(&conn->peer, reason);
}


static ngx_int_t
ngx_mdm_redis_conn_next(ngx_mdm_peer_t *peer)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    return (conn->owner->next != NULL) ? conn->owner->next(conn)
                                       : NGX_DECLINED;
}


static ngx_int_t
ngx_mdm_redis_conn_connected(ngx_mdm_peer_t *peer)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    peer->log.action = "greeting redis";

    if (ngx_mdm_redis_reader_init(&conn->reader) != NGX_OK) {
        return NGX_ERROR;
    }

    return conn->owner->handshake_send(conn);
}


static ngx_int_t
ngx_mdm_redis_conn_read(ngx_mdm_peer_t *peer, u_char *data, size_t len)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm redis read %uz, nsent:%ui", len, conn->nsent);

    conn->heard = ngx_current_msec;

    if (conn->alive != NULL) {
        *conn->alive = ngx_current_msec;
    }

    if (ngx_mdm_redis_reader_feed(&conn->reader, data, len) != NGX_OK) {
        ngx_mdm_redis_conn_garbled(conn, conn->reader.error);
        return NGX_DONE;
    }

    return ngx_mdm_redis_conn_replies(conn);
}


static ngx_int_t
ngx_mdm_redis_conn_drained(ngx_mdm_peer_t *peer)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    if (ngx_mdm_redis_reader_shrink(&conn->reader) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_mdm_redis_conn_update_timers(conn);

    return NGX_OK;
}


/* NGX_OK; NGX_DONE: this connection is gone */

static ngx_int_t
ngx_mdm_redis_conn_replies(ngx_mdm_redis_conn_t *conn)
{
    ngx_int_t            rc;
    ngx_str_t            reason;
    ngx_uint_t           generation;
    mdm_reply_t         *reply;
    mdm_arena_t         *arena;

    generation = conn->peer.generation;

    for ( ;; ) {

        rc = ngx_mdm_redis_reader_get(&conn->reader, &reply, &arena);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            ngx_mdm_redis_conn_garbled(conn, conn->reader.error);
            return NGX_DONE;
        }

        if (conn->peer.state == NGX_MDM_PEER_GREETING) {

            rc = conn->owner->handshake_recv(conn, reply, &reason);

            mdm_arena_destroy(arena);

            if (rc == NGX_ERROR) {
                ngx_mdm_peer_failed(&conn->peer, &reason);
                return NGX_DONE;
            }

            if (rc == NGX_OK) {
                ngx_mdm_redis_conn_ready(conn);
            }

        } else if (ngx_queue_empty(&conn->sent)) {

            if (conn->acks != 0) {
                ngx_mdm_redis_conn_confirmed(conn, reply, arena);

                if (conn->peer.generation != generation) {
                    return NGX_DONE;
                }

                continue;
            }

            mdm_arena_destroy(arena);
            ngx_mdm_redis_conn_garbled(conn, "a reply came that was not "
                                             "asked for");
            return NGX_DONE;

        } else {
            rc = ngx_mdm_redis_conn_reply(conn, reply, arena);

            if (rc == NGX_ERROR) {
                return NGX_DONE;
            }

            if (rc == NGX_AGAIN) {
                continue;
            }
        }

        /* what has just run may have closed the connection */

        if (conn->peer.generation != generation) {
            return NGX_DONE;
        }

        if (conn->limit != 0 && !ngx_queue_empty(&conn->waiting)
            && conn->peer.state == NGX_MDM_PEER_READY)
        {
            ngx_mdm_redis_conn_resume(conn);

            if (conn->peer.generation != generation) {
                return NGX_DONE;
            }
        }
    }
}


/*
 * Gives the reply to the first call that was sent.  NGX_OK: its handler has
 * run; NGX_AGAIN: there is nothing to run yet; NGX_ERROR: the connection was
 * closed, as the reply cannot be.
 */

static ngx_int_t
ngx_mdm_redis_conn_reply(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
    mdm_arena_t *arena)
{
    ngx_queue_t         *q;
    ngx_mdm_redis_op_t  *op;

    q = ngx_queue_head(&conn->sent);
    op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

    if (op->asking) {

        /* the reply to ASKING: only that of the call behind it matters */

        op->asking = 0;
        mdm_arena_destroy(arena);
        return NGX_AGAIN;
    }

    if (op->leaving) {
        mdm_arena_destroy(arena);
        ngx_mdm_redis_conn_garbled(conn, "a reply came before its "
                                         "call had been sent");
        return NGX_ERROR;
    }

    ngx_queue_remove(q);
    conn->nsent--;

    if (op->durable && ngx_mdm_redis_waits(conn)
        && reply->type == MDM_REPLY_ARRAY)
    {
        ngx_mdm_redis_wait_defer(conn, op, reply, arena);
        return NGX_AGAIN;
    }

    op->state = NGX_MDM_REDIS_OP_OFF;

    conn->owner->reply(conn, op, reply, arena);

    return NGX_OK;
}


/* the reply to WAIT has come */

static void
ngx_mdm_redis_conn_confirmed(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
    mdm_arena_t *arena)
{
    ngx_uint_t   generation;
    ngx_queue_t  dead;

    generation = conn->peer.generation;

    ngx_queue_init(&dead);

    if (ngx_mdm_redis_wait_reply(conn, reply, arena, &dead) != NGX_OK) {
        return;
    }

    ngx_mdm_redis_conn_drop(conn, &dead);

    if (conn->peer.generation == generation) {
        ngx_mdm_redis_conn_resume(conn);
    }
}


/*
 * What has come cannot be used.  The next connection may well come up, so
 * that nothing else would tell.
 */

static void
ngx_mdm_redis_conn_garbled(ngx_mdm_redis_conn_t *conn, const char *text)
{
    if (conn->peer.state == NGX_MDM_PEER_READY) {
        ngx_log_error(NGX_LOG_ERR, &conn->peer.log, 0,
                      "redis has sent what cannot be used: %s", text);
    }

    ngx_mdm_peer_broken(&conn->peer, text);
}


/* the handshake is done: what waits is written */

static void
ngx_mdm_redis_conn_ready(ngx_mdm_redis_conn_t *conn)
{
    ngx_mdm_peer_ready(&conn->peer);

    conn->peer.log.action = "waiting for replies of redis";

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis ready, nsent:%ui", conn->nsent);

    ngx_mdm_redis_count(conn->stats, connects);

    conn->owner->up(conn);

    ngx_mdm_redis_conn_resume(conn);
}


/* writes what waits and may, on a connection that is ready */

static void
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

    if (conn->peer.out.first != NULL) {
        ngx_post_event(&conn->peer.flush, &ngx_posted_events);
    }

    ngx_mdm_redis_conn_drop(conn, &dead);
}


ngx_int_t
ngx_mdm_redis_conn_send(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op)
{
    if (conn->peer.down) {
        return NGX_DECLINED;
    }

    /* redis reads nothing behind a WAIT: the call goes with the next batch */

    if (conn->peer.state == NGX_MDM_PEER_READY
        && ngx_mdm_redis_conn_room(conn))
    {

        if (ngx_mdm_redis_conn_write(conn, op) != NGX_OK) {
            return NGX_ERROR;
        }

        if (conn->gather != NULL) {
            ngx_mdm_redis_gather(conn);

        } else {
            ngx_post_event(&conn->peer.flush, &ngx_posted_events);
        }

    } else {
        ngx_mdm_redis_conn_wait(conn, op);

        if (conn->peer.state == NGX_MDM_PEER_CLOSED) {

            /* closed by a worker that quits: connect once more */

            ngx_post_event(&conn->peer.timer, &ngx_posted_events);
        }
    }

    op->conn = conn;

    if (!conn->timeout.timer_set) {
        ngx_mdm_redis_conn_set_timeout(conn);

    } else {
        ngx_mdm_redis_conn_within(conn, op->deadline);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_redis_conn_flush(ngx_mdm_peer_t *peer)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm redis flush, nsent:%ui batch:%d",
                   conn->nsent, (int) conn->batch);

    ngx_mdm_redis_count(conn->stats, flushes);

    ngx_mdm_redis_conn_clock(conn);

    if (conn->batch && ngx_mdm_redis_waits(conn)
        && conn->peer.state == NGX_MDM_PEER_READY)
    {
        return ngx_mdm_redis_wait_write(conn);
    }

    return NGX_OK;
}


static void
ngx_mdm_redis_conn_sent(ngx_mdm_peer_t *peer, ngx_uint_t all,
    ngx_uint_t progress)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    if (!all || conn->behind) {
        ngx_mdm_redis_conn_moved(conn, all, progress);
    }
}


static void
ngx_mdm_redis_conn_closed(ngx_mdm_peer_t *peer)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    conn->acks = 0;
    conn->batch = 0;
    conn->behind = 0;

    ngx_mdm_redis_gather_forget(conn);

    ngx_mdm_redis_reader_free(&conn->reader);
}


void
ngx_mdm_redis_conn_detach(ngx_mdm_redis_op_t *op)
{
    ngx_str_t              reason;
    ngx_mdm_redis_conn_t  *conn;

    conn = op->conn;

    /* smaller calls were copied when they were written */

    if (op->state != NGX_MDM_REDIS_OP_SENT
        || op->size <= NGX_MDM_REDIS_LARGE
        || ngx_mdm_peer_out_detach(&conn->peer.out, op) == NGX_OK)
    {
        return;
    }

    /* the op stays: whoever finds it without a call drops it */

    ngx_mdm_peer_out_free(&conn->peer.out);

    ngx_str_set(&reason, "no memory");
    ngx_mdm_redis_conn_reset(conn, &reason);
}


void
ngx_mdm_redis_conn_remove(ngx_mdm_redis_op_t *op)
{
    ngx_queue_remove(&op->queue);

    op->state = NGX_MDM_REDIS_OP_OFF;

    ngx_mdm_redis_conn_update_timers(op->conn);
}


static void
ngx_mdm_redis_conn_timeout_handler(ngx_event_t *ev)
{
    ngx_str_t              reason;
    ngx_queue_t            dead;
    ngx_mdm_redis_conn_t  *conn;

    conn = ev->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis timeout, nsent:%ui", conn->nsent);

    if (ngx_mdm_redis_conn_silent(conn, &reason)) {
        ngx_mdm_redis_count(conn->stats, timeouts);

        ngx_mdm_redis_conn_lost(conn, &reason, 1);
        return;
    }

    if (ngx_mdm_redis_conn_expire(conn, &conn->unacked) != NGX_OK
        || ngx_mdm_redis_conn_expire(conn, &conn->sent) != NGX_OK)
    {
        return;
    }

    ngx_queue_init(&dead);

    ngx_mdm_redis_conn_overdue(conn, &dead);

    ngx_mdm_redis_conn_set_timeout(conn);
    ngx_mdm_redis_conn_drop(conn, &dead);
}


void
ngx_mdm_redis_conn_reset(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    ngx_mdm_redis_conn_lost(conn, reason, 0);
}


static void
ngx_mdm_redis_conn_broken(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    ngx_mdm_redis_conn_lost(peer->data, reason, 0);
}


/* a connection that was ready is gone */

static void
ngx_mdm_redis_conn_lost(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason,
    ngx_uint_t timedout)
{
    ngx_uint_t   level;
    ngx_queue_t  dead;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis lost, sent:%ui timedout:%ui ms:%M",
                   conn->nsent, timedout,
                   ngx_current_msec - conn->peer.since);

    ngx_queue_init(&dead);

    ngx_mdm_redis_conn_recall(conn, &dead, timedout);

    /* that it is down is told by the owner */

    level = (ngx_queue_empty(&dead) || timedout) ? NGX_LOG_INFO
                                                 : NGX_LOG_WARN;

    ngx_mdm_peer_lost(&conn->peer, reason, level, timedout,
                      !ngx_queue_empty(&conn->waiting));

    ngx_mdm_redis_conn_drop(conn, &dead);
    ngx_mdm_redis_conn_update_timers(conn);
}


/* calls are refused until it is up again */

static void
ngx_mdm_redis_conn_down(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm redis down: %V", reason);

    conn->owner->down(conn, reason);
}


static void
ngx_mdm_redis_conn_refuse(ngx_mdm_peer_t *peer)
{
    ngx_queue_t            dead;
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    ngx_queue_init(&dead);
    ngx_queue_add(&dead, &conn->waiting);
    ngx_queue_init(&conn->waiting);

    ngx_mdm_redis_conn_drop(conn, &dead);
}


static void
ngx_mdm_redis_conn_failed(ngx_mdm_peer_t *peer)
{
    ngx_mdm_redis_conn_update_timers(peer->data);
}


static void
ngx_mdm_redis_conn_quit(ngx_mdm_peer_t *peer, ngx_uint_t now)
{
    ngx_queue_t            dead;
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    if (!ngx_mdm_redis_idle(conn) && !now) {
        return;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0, "mdm redis quit");

    ngx_mdm_peer_close(&conn->peer);

    ngx_queue_init(&dead);
    ngx_queue_add(&dead, &conn->unacked);
    ngx_queue_init(&conn->unacked);
    ngx_queue_add(&dead, &conn->sent);
    ngx_queue_init(&conn->sent);
    conn->nsent = 0;
    ngx_queue_add(&dead, &conn->waiting);
    ngx_queue_init(&conn->waiting);

    if (now) {
        conn->peer.down = 1;

    } else if (conn->peer.down) {
        ngx_add_timer(&conn->peer.timer, conn->peer.delay);
    }

    ngx_mdm_redis_conn_drop(conn, &dead);
    ngx_mdm_redis_conn_update_timers(conn);
}


/*
 * The timeout stays set when the last call has ended, since the next one is
 * likely to come before it: only a worker that quits must not wait for it.
 */

static void
ngx_mdm_redis_conn_update_timers(ngx_mdm_redis_conn_t *conn)
{
    if (!ngx_mdm_redis_idle(conn)) {

        if (!conn->timeout.timer_set) {
            ngx_mdm_redis_conn_set_timeout(conn);
        }

        return;
    }

    if (!ngx_exiting) {
        return;
    }

    if (conn->timeout.timer_set) {
        ngx_del_timer(&conn->timeout);
    }

    ngx_mdm_peer_linger(&conn->peer);
}


void
ngx_mdm_redis_conn_destroy(ngx_mdm_redis_conn_t *conn)
{
    ngx_uint_t           i;
    ngx_queue_t         *q, *queues[3];
    ngx_mdm_redis_op_t  *op;

    ngx_mdm_peer_close(&conn->peer);

    if (conn->timeout.timer_set) {
        ngx_del_timer(&conn->timeout);
    }

    queues[0] = &conn->unacked;
    queues[1] = &conn->sent;
    queues[2] = &conn->waiting;

    for (i = 0; i < 3; i++) {

        while (!ngx_queue_empty(queues[i])) {
            q = ngx_queue_head(queues[i]);
            ngx_queue_remove(q);

            op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

            ngx_mdm_redis_wait_discard(op);
            ngx_mdm_redis_op_free(op);
        }
    }
}


static u_char *
ngx_mdm_redis_conn_log(ngx_mdm_peer_t *peer, u_char *buf, size_t len)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = peer->data;

    return ngx_snprintf(buf, len, ", mdm store: \"%V\"", &conn->store->name);
}
