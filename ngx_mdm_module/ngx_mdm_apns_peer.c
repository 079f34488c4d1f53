
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A connection to APNs on a peer: how it comes up, when it is given up, and
 * its timer.  HTTP/2 itself is in ngx_mdm_apns_session.c.
 */


#include "ngx_mdm_apns_conn.h"


/* a connection without pushes is closed after so many silences */
#define NGX_MDM_APNS_IDLE       4


#define ngx_mdm_apns_due(at)                                                  \
    ((ngx_msec_int_t) ((at) - ngx_current_msec) <= 0)


static ngx_int_t ngx_mdm_apns_peer_resolve_start(ngx_mdm_peer_t *peer,
    ngx_str_t *reason);
static ngx_int_t ngx_mdm_apns_peer_next(ngx_mdm_peer_t *peer);
static ngx_int_t ngx_mdm_apns_peer_connected(ngx_mdm_peer_t *peer);
static ngx_int_t ngx_mdm_apns_peer_read(ngx_mdm_peer_t *peer, u_char *data,
    size_t len);
static ngx_int_t ngx_mdm_apns_peer_drained(ngx_mdm_peer_t *peer);
static ngx_int_t ngx_mdm_apns_peer_flush(ngx_mdm_peer_t *peer);
static void ngx_mdm_apns_peer_sent(ngx_mdm_peer_t *peer, ngx_uint_t all,
    ngx_uint_t progress);
static void ngx_mdm_apns_peer_closed(ngx_mdm_peer_t *peer);
static void ngx_mdm_apns_peer_lost(ngx_mdm_peer_t *peer, ngx_str_t *reason);
static void ngx_mdm_apns_peer_down(ngx_mdm_peer_t *peer, ngx_str_t *reason);
static void ngx_mdm_apns_peer_refuse(ngx_mdm_peer_t *peer);
static void ngx_mdm_apns_peer_failed(ngx_mdm_peer_t *peer);
static void ngx_mdm_apns_peer_quit(ngx_mdm_peer_t *peer, ngx_uint_t now);
static u_char *ngx_mdm_apns_peer_log(ngx_mdm_peer_t *peer, u_char *buf,
    size_t len);
static ngx_int_t ngx_mdm_apns_conn_submit(ngx_mdm_apns_conn_t *conn);
static void ngx_mdm_apns_conn_retire(ngx_mdm_apns_conn_t *conn);
static ngx_int_t ngx_mdm_apns_conn_look(ngx_mdm_apns_conn_t *conn);
static void ngx_mdm_apns_conn_timer_handler(ngx_event_t *ev);
static void ngx_mdm_apns_conn_overdue(ngx_mdm_apns_conn_t *conn);
static void ngx_mdm_apns_conn_ping(ngx_mdm_apns_conn_t *conn);
static void ngx_mdm_apns_conn_set_timer(ngx_mdm_apns_conn_t *conn);
static void ngx_mdm_apns_conn_bury(ngx_mdm_apns_conn_t *conn);


static const ngx_mdm_peer_handlers_t  ngx_mdm_apns_peer_handlers = {
    "APNs",
    "looking for APNs",
    "connecting to APNs",
    "TLS handshaking with APNs",
    ngx_mdm_apns_peer_resolve_start,
    ngx_mdm_apns_peer_next,
    ngx_mdm_apns_peer_connected,
    ngx_mdm_apns_peer_read,
    ngx_mdm_apns_peer_drained,
    ngx_mdm_apns_peer_flush,
    ngx_mdm_apns_peer_sent,
    ngx_mdm_apns_peer_closed,
    ngx_mdm_apns_peer_lost,
    ngx_mdm_apns_peer_down,
    ngx_mdm_apns_peer_refuse,
    ngx_mdm_apns_peer_failed,
    ngx_mdm_apns_peer_quit,
    ngx_mdm_apns_peer_log
};


ngx_int_t
ngx_mdm_apns_conn_open(ngx_mdm_apns_topic_t *topic)
{
    ngx_mdm_apns_t       *apns;
    ngx_mdm_apns_conn_t  *conn;

    apns = topic->apns;

    conn = ngx_calloc(sizeof(ngx_mdm_apns_conn_t), &apns->log);
    if (conn == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&conn->streams);

    conn->topic = topic;
    conn->key = topic->cert->key;
    conn->key->refs++;
    conn->used = ngx_current_msec;

    conn->peer.data = conn;
    conn->peer.conf = &apns->conf->peer;
    conn->peer.handlers = &ngx_mdm_apns_peer_handlers;
    conn->peer.sends = &apns->sends;
    conn->peer.cert = &topic->cert->key->peer;
    conn->peer.addr = topic->addr;

    ngx_mdm_peer_init(&conn->peer);

    conn->timer.handler = ngx_mdm_apns_conn_timer_handler;
    conn->timer.data = conn;
    conn->timer.log = &conn->peer.log;

    ngx_queue_insert_tail(&topic->conns, &conn->queue);

    topic->conn = conn;

    ngx_mdm_peer_open(&conn->peer);

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_apns_peer_resolve_start(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    ngx_mdm_apns_conn_t  *conn;

    conn = peer->data;

    peer->target = &conn->topic->apns->target;

    return ngx_mdm_peer_resolve(peer, reason);
}


static ngx_int_t
ngx_mdm_apns_peer_next(ngx_mdm_peer_t *peer)
{
    (void) peer;

    return NGX_DECLINED;
}


/* a first push may go out before APNs' SETTINGS are here */

static ngx_int_t
ngx_mdm_apns_peer_connected(ngx_mdm_peer_t *peer)
{
    ngx_mdm_apns_conn_t  *conn;

    conn = peer->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm apns connected, topic \"%V\"",
                   &conn->topic->cert->topic);

    peer->log.action = "waiting for APNs' SETTINGS";

    conn->limit = 1;
    conn->heard = ngx_current_msec;

    return ngx_mdm_apns_session_create(conn);
}


static ngx_int_t
ngx_mdm_apns_peer_read(ngx_mdm_peer_t *peer, u_char *data, size_t len)
{
    const char           *why;
    ngx_mdm_apns_conn_t  *conn;

    conn = peer->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm apns read %uz, streams:%ui", len, conn->nstreams);

    conn->heard = ngx_current_msec;

    if (ngx_mdm_apns_session_read(conn, data, len, &why) != NGX_OK) {
        ngx_mdm_peer_broken(peer, why);
        return NGX_DONE;
    }

    if (conn->settled && peer->state == NGX_MDM_PEER_GREETING) {
        ngx_mdm_peer_ready(peer);

        peer->log.action = "talking to APNs";
        conn->topic->addr = peer->addr;
        conn->topic->owner->up(conn);
    }

    return ngx_mdm_apns_conn_look(conn);
}


static ngx_int_t
ngx_mdm_apns_peer_drained(ngx_mdm_peer_t *peer)
{
    ngx_mdm_apns_conn_set_timer(peer->data);

    return NGX_OK;
}


/* NGX_OK; NGX_DONE: the connection is closed */

static ngx_int_t
ngx_mdm_apns_conn_look(ngx_mdm_apns_conn_t *conn)
{
    ngx_str_t  reason;

    if (conn->goaway) {
        conn->goaway = 0;

        if (conn->stop) {
            reason.data = conn->text;
            reason.len = conn->reason;

            conn->peer.fault = NGX_MDM_PEER_FAULT_REFUSED;
            conn->topic->owner->down(conn, &reason);
        }

        ngx_mdm_apns_conn_retire(conn);

    } else if (conn->errors >= NGX_MDM_APNS_ERRORS && !conn->retired) {
        ngx_log_error(NGX_LOG_NOTICE, &conn->peer.log, 0,
                      "APNs has answered %ui pushes with 5xx in a row, "
                      "another connection is tried", conn->errors);

        ngx_mdm_apns_conn_retire(conn);
    }

    if (conn->retired && conn->nstreams == 0) {
        ngx_mdm_apns_conn_close(conn);
        return NGX_DONE;
    }

    if (ngx_mdm_apns_session_over(conn)) {
        ngx_mdm_peer_broken(&conn->peer, "APNs has broken off HTTP/2");
        return NGX_DONE;
    }

    ngx_mdm_apns_conn_wake(conn);

    return NGX_OK;
}


void
ngx_mdm_apns_conn_wake(ngx_mdm_apns_conn_t *conn)
{
    if (conn->session == NULL || conn->peer.flush.posted) {
        return;
    }

    if (ngx_mdm_apns_session_wants(conn)
        || (!conn->retired && conn->nstreams < conn->limit
            && !ngx_queue_empty(&conn->topic->waiting)))
    {
        ngx_post_event(&conn->peer.flush, &ngx_posted_events);
    }
}


static ngx_int_t
ngx_mdm_apns_peer_flush(ngx_mdm_peer_t *peer)
{
    ngx_mdm_apns_conn_t  *conn;

    conn = peer->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm apns flush, streams:%ui of %ui", conn->nstreams,
                   conn->limit);

    /* what waits for the socket goes first */

    if (peer->out.first != NULL) {
        return NGX_OK;
    }

    if (ngx_mdm_apns_conn_submit(conn) != NGX_OK
        || ngx_mdm_apns_session_write(conn) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conn->retired && conn->nstreams == 0) {
        conn->ending = 1;
        conn->end = ngx_current_msec;
    }

    ngx_mdm_apns_conn_set_timer(conn);

    return NGX_OK;
}


/* gives streams to what waits, as many as APNs allows */

static ngx_int_t
ngx_mdm_apns_conn_submit(ngx_mdm_apns_conn_t *conn)
{
    ngx_int_t            rc;
    ngx_queue_t         *q, *waiting;
    ngx_mdm_apns_op_t   *op;

    waiting = &conn->topic->waiting;

    while (!conn->retired && conn->nstreams < conn->limit
           && !ngx_queue_empty(waiting))
    {
        q = ngx_queue_head(waiting);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_apns_op_t, queue);

        rc = ngx_mdm_apns_session_submit(conn, op);

        if (rc == NGX_OK) {
            continue;
        }

        ngx_queue_insert_head(waiting, q);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        /* the numbers of streams are used up */

        ngx_mdm_apns_conn_retire(conn);
    }

    return NGX_OK;
}


static void
ngx_mdm_apns_peer_sent(ngx_mdm_peer_t *peer, ngx_uint_t all,
    ngx_uint_t progress)
{
    ngx_mdm_apns_conn_t  *conn;

    (void) progress;

    conn = peer->data;

    if (!all || conn->session == NULL) {
        return;
    }

    if (ngx_mdm_apns_session_over(conn)) {

        /* with a GOAWAY of ours: nothing will come that would tell */

        conn->ending = 1;
        conn->end = ngx_current_msec;

        ngx_mdm_apns_conn_set_timer(conn);
        return;
    }

    ngx_mdm_apns_conn_wake(conn);
}


/* what is on it waits again, in the same order */

static void
ngx_mdm_apns_peer_closed(ngx_mdm_peer_t *peer)
{
    ngx_queue_t          *q;
    ngx_mdm_apns_op_t    *op;
    ngx_mdm_apns_conn_t  *conn;

    conn = peer->data;

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    if (conn->session != NULL) {
        ngx_mdm_apns_session_free(conn);
    }

    while (!ngx_queue_empty(&conn->streams)) {
        q = ngx_queue_last(&conn->streams);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_apns_op_t, queue);

        /* where APNs has said nothing yet, it was not tried either */

        if (!conn->settled) {
            op->tries--;
        }

        ngx_mdm_apns_op_again(op, "the connection to APNs was lost");
    }

    conn->settled = 0;
    conn->pinging = 0;
    conn->goaway = 0;
}


static void
ngx_mdm_apns_peer_lost(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    ngx_mdm_apns_conn_t  *conn;

    conn = peer->data;

    ngx_log_error(NGX_LOG_INFO, &peer->log, 0,
                  "connection to APNs is given up: %V", reason);

    ngx_mdm_peer_close(peer);

    if (peer->fault == NGX_MDM_PEER_FAULT_REFUSED) {
        conn->topic->owner->down(conn, reason);
    }

    ngx_mdm_apns_conn_retire(conn);
    ngx_mdm_apns_conn_bury(conn);
}


static void
ngx_mdm_apns_peer_down(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    ngx_mdm_apns_conn_t  *conn;

    conn = peer->data;

    /* the next attempt begins with the next address */

    conn->topic->addr = peer->addr + 1;

    conn->topic->owner->down(conn, reason);
}


/* the peer's own next attempt is none of ours: the owner says when it is */

static void
ngx_mdm_apns_peer_refuse(ngx_mdm_peer_t *peer)
{
    ngx_mdm_peer_close(peer);

    ngx_mdm_apns_conn_retire(peer->data);
    ngx_mdm_apns_conn_bury(peer->data);
}


static void
ngx_mdm_apns_peer_failed(ngx_mdm_peer_t *peer)
{
    (void) peer;
}


static void
ngx_mdm_apns_conn_retire(ngx_mdm_apns_conn_t *conn)
{
    if (conn->retired) {
        return;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm apns retire, streams:%ui", conn->nstreams);

    conn->retired = 1;

    if (conn->topic->conn == conn) {
        conn->topic->conn = NULL;
    }

    conn->topic->owner->retired(conn);
}


static void
ngx_mdm_apns_peer_quit(ngx_mdm_peer_t *peer, ngx_uint_t now)
{
    ngx_mdm_apns_conn_t  *conn;

    conn = peer->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm apns quit, now:%ui streams:%ui", now, conn->nstreams);

    if (now || conn->nstreams == 0) {
        ngx_mdm_apns_conn_close(conn);
        return;
    }

    if (!conn->ending) {
        conn->ending = 1;
        conn->end = ngx_current_msec + NGX_MDM_APNS_TIMEOUT;
    }

    ngx_mdm_apns_conn_retire(conn);
    ngx_mdm_apns_conn_set_timer(conn);
}


void
ngx_mdm_apns_conn_close(ngx_mdm_apns_conn_t *conn)
{
    if (conn->dead) {
        return;
    }

    /* one write: whether all of it leaves does not matter any more */

    if (conn->session != NULL && conn->peer.connection != NULL
        && conn->peer.out.first == NULL)
    {
        ngx_mdm_apns_session_end(conn);

        if (ngx_mdm_apns_session_write(conn) == NGX_OK) {
            (void) ngx_mdm_peer_out_send(&conn->peer.out, conn->peer.connection,
                                         conn->peer.sends);
        }
    }

    ngx_mdm_peer_close(&conn->peer);

    ngx_mdm_apns_conn_retire(conn);
    ngx_mdm_apns_conn_bury(conn);
}


void
ngx_mdm_apns_conn_replace(ngx_mdm_apns_conn_t *conn)
{
    if (conn->nstreams == 0) {
        ngx_mdm_apns_conn_close(conn);
        return;
    }

    ngx_mdm_apns_conn_retire(conn);
    ngx_mdm_apns_conn_set_timer(conn);
}


static u_char *
ngx_mdm_apns_peer_log(ngx_mdm_peer_t *peer, u_char *buf, size_t len)
{
    ngx_mdm_apns_conn_t  *conn;

    conn = peer->data;

    return ngx_snprintf(buf, len, ", push topic: \"%V\"",
                        &conn->topic->cert->topic);
}


static void
ngx_mdm_apns_conn_timer_handler(ngx_event_t *ev)
{
    ngx_mdm_apns_conn_t  *conn;

    conn = ev->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm apns timer, streams:%ui pinging:%d", conn->nstreams,
                   (int) conn->pinging);

    if (conn->pinging
        && ngx_mdm_apns_due(conn->pinged + NGX_MDM_APNS_PONG))
    {
        ngx_mdm_peer_broken(&conn->peer, "APNs does not answer a PING");
        return;
    }

    if ((conn->ending && ngx_mdm_apns_due(conn->end))
        || (ngx_queue_empty(&conn->streams)
            && ngx_mdm_apns_due(conn->used + NGX_MDM_APNS_IDLE
                                             * conn->topic->apns->conf->ping)))
    {
        ngx_mdm_apns_conn_close(conn);
        return;
    }

    ngx_mdm_apns_conn_overdue(conn);

    if (ngx_mdm_apns_due(conn->heard + conn->topic->apns->conf->ping)) {
        ngx_mdm_apns_conn_ping(conn);
    }

    ngx_mdm_apns_conn_set_timer(conn);
    ngx_mdm_apns_conn_wake(conn);
}


/*
 * Ends pushes that were not answered in time.  One behind which nothing at all
 * has come makes the connection suspect.
 */

static void
ngx_mdm_apns_conn_overdue(ngx_mdm_apns_conn_t *conn)
{
    ngx_queue_t         *q;
    ngx_mdm_apns_op_t   *op;

    while (!ngx_queue_empty(&conn->streams)) {
        q = ngx_queue_head(&conn->streams);
        op = ngx_queue_data(q, ngx_mdm_apns_op_t, queue);

        if (!ngx_mdm_apns_due(op->sent + NGX_MDM_APNS_TIMEOUT)) {
            break;
        }

        if ((ngx_msec_int_t) (conn->heard - op->sent) <= 0) {
            ngx_mdm_apns_conn_ping(conn);
        }

        ngx_mdm_apns_session_cancel(conn, op);

        ngx_mdm_apns_op_fail(op, MDM_PUSH_TIMEOUT,
                             "APNs did not answer within 10 s");
    }
}


static void
ngx_mdm_apns_conn_ping(ngx_mdm_apns_conn_t *conn)
{
    if (conn->pinging || conn->session == NULL) {
        return;
    }

    if (ngx_mdm_apns_session_ping(conn) == NGX_OK) {
        conn->pinging = 1;
        conn->pinged = ngx_current_msec;
    }
}


/* for what is due next; a worker that quits waits for pushes only */

static void
ngx_mdm_apns_conn_set_timer(ngx_mdm_apns_conn_t *conn)
{
    ngx_msec_t          next, ping;
    ngx_mdm_apns_op_t  *op;

    if (conn->dead || conn->session == NULL) {
        return;
    }

    ping = conn->topic->apns->conf->ping;

#define ngx_mdm_apns_earlier(at)                                              \
    if ((ngx_msec_int_t) ((at) - next) < 0) { next = (at); }

    if (ngx_queue_empty(&conn->streams)) {
        next = conn->used + NGX_MDM_APNS_IDLE * ping;

    } else {
        op = ngx_queue_data(ngx_queue_head(&conn->streams),
                            ngx_mdm_apns_op_t, queue);

        next = op->sent + NGX_MDM_APNS_TIMEOUT;
    }

    if (conn->pinging) {
        ngx_mdm_apns_earlier(conn->pinged + NGX_MDM_APNS_PONG);

    } else {
        ngx_mdm_apns_earlier(conn->heard + ping);
    }

    if (conn->ending) {
        ngx_mdm_apns_earlier(conn->end);
    }

    conn->timer.cancelable = (conn->nstreams == 0);

    /* one that is set for earlier finds the new time by itself */

    if (conn->timer.timer_set
        && (ngx_msec_int_t) (conn->timer.timer.key - next) <= 0)
    {
        return;
    }

    ngx_add_timer(&conn->timer, (ngx_msec_int_t) (next - ngx_current_msec) > 0
                                ? next - ngx_current_msec : 1);
}


/* freed by an event of its own: whoever has closed it may look at it still */

static void
ngx_mdm_apns_conn_bury(ngx_mdm_apns_conn_t *conn)
{
    ngx_mdm_apns_t  *apns;

    if (conn->dead) {
        return;
    }

    conn->dead = 1;

    apns = conn->topic->apns;

    ngx_queue_remove(&conn->queue);
    ngx_queue_insert_tail(&apns->dead, &conn->queue);

    ngx_post_event(&apns->reap, &ngx_posted_events);
}


void
ngx_mdm_apns_conn_reap_handler(ngx_event_t *ev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, ev->log, 0, "mdm apns reap");

    ngx_mdm_apns_conn_reap(ev->data);
}


void
ngx_mdm_apns_conn_reap(ngx_mdm_apns_t *apns)
{
    ngx_queue_t          *q;
    ngx_mdm_apns_conn_t  *conn;

    while (!ngx_queue_empty(&apns->dead)) {
        q = ngx_queue_head(&apns->dead);
        ngx_queue_remove(q);

        conn = ngx_queue_data(q, ngx_mdm_apns_conn_t, queue);

        ngx_mdm_apns_key_release(conn->key);
        ngx_free(conn);
    }
}
