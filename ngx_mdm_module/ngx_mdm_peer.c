
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The socket of a connection: what is specific to how bytes come and go.
 */


#include "ngx_mdm_redis_conn.h"
#include "ngx_mdm_peer_tls.h"


#define NGX_MDM_REDIS_BUFFER     65536

/* reads in a row before other connections get their turn */
#define NGX_MDM_REDIS_READS      16


#define ngx_mdm_redis_clear_event()                                           \
    ((ngx_event_flags & NGX_USE_CLEAR_EVENT) ? NGX_CLEAR_EVENT                \
                                             : NGX_LEVEL_EVENT)


static ngx_int_t ngx_mdm_redis_conn_nodelay(ngx_mdm_redis_conn_t *conn,
    ngx_connection_t *c);
static ngx_int_t ngx_mdm_redis_conn_connected(ngx_mdm_redis_conn_t *conn);
static ngx_int_t ngx_mdm_redis_conn_greet(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_conn_write_handler(ngx_event_t *wev);
static void ngx_mdm_redis_conn_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_mdm_redis_conn_read(ngx_mdm_redis_conn_t *conn,
    ngx_connection_t *c);
static ngx_int_t ngx_mdm_redis_conn_replies(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_conn_flush(ngx_mdm_redis_conn_t *conn);
static void ngx_mdm_redis_conn_garbled(ngx_mdm_redis_conn_t *conn,
    const char *text);
static void ngx_mdm_redis_conn_broken(ngx_mdm_redis_conn_t *conn,
    const char *text);
static void ngx_mdm_redis_conn_errno(ngx_mdm_redis_conn_t *conn,
    ngx_err_t err, ngx_str_t *reason);


/* what has been received is copied by the reader before anything else runs */

static u_char  ngx_mdm_redis_buffer[NGX_MDM_REDIS_BUFFER];


/*
 * Not ngx_event_connect_peer(): that one registers the write event for good,
 * which wakes the worker up again for each call that is sent.
 */

ngx_int_t
ngx_mdm_redis_conn_connect(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    int                rc;
    ngx_err_t          err;
    ngx_addr_t        *addr;
    ngx_pool_t        *pool;
    ngx_socket_t       s;
    ngx_connection_t  *c;

    if (conn->target->naddrs == 0) {
        ngx_str_set(reason, "its name is not resolved");
        return NGX_ERROR;
    }

    addr = &conn->target->addrs[conn->addr];

    conn->log.action = "connecting to redis";

    /* the cached time may be that of before something long */

    ngx_time_update();

    s = ngx_socket(addr->sockaddr->sa_family, SOCK_STREAM, 0);

    if (s == (ngx_socket_t) -1) {
        ngx_mdm_redis_conn_errno(conn, ngx_socket_errno, reason);
        return NGX_ERROR;
    }

    c = ngx_get_connection(s, &conn->log);

    if (c == NULL) {
        if (ngx_close_socket(s) == -1) {
            ngx_log_error(NGX_LOG_ALERT, &conn->log, ngx_socket_errno,
                          ngx_close_socket_n " failed");
        }

        ngx_str_set(reason, "no free worker connections");
        return NGX_ERROR;
    }

    c->read->log = &conn->log;
    c->write->log = &conn->log;
    c->read->handler = ngx_mdm_redis_conn_read_handler;
    c->write->handler = ngx_mdm_redis_conn_write_handler;

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;
    c->type = SOCK_STREAM;
    c->data = conn;
    c->idle = 1;

    conn->log.connection = c->number;
    conn->connection = c;
    conn->fd = s;
    conn->state = NGX_MDM_REDIS_CONN_CONNECTING;

    c->recv = ngx_recv;
    c->send = ngx_send;
    c->recv_chain = ngx_recv_chain;
    c->send_chain = ngx_send_chain;

    /* how a connection ends is told by the owner */

    c->log_error = NGX_ERROR_INFO;

    pool = ngx_create_pool(256, &conn->log);
    if (pool == NULL) {
        goto nomem;
    }

    c->pool = pool;

    if (ngx_mdm_redis_reader_init(&conn->reader) != NGX_OK) {
        goto nomem;
    }

    if (ngx_nonblocking(s) == -1) {
        ngx_mdm_redis_conn_errno(conn, ngx_socket_errno, reason);
        return NGX_ERROR;
    }

    if (ngx_mdm_redis_conn_nodelay(conn, c) != NGX_OK) {
        ngx_mdm_redis_conn_errno(conn, ngx_socket_errno, reason);
        return NGX_ERROR;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "mdm redis connect to %V, fd:%d #%uA",
                   &addr->name, s, c->number);

    rc = connect(s, addr->sockaddr, addr->socklen);

    if (rc == -1) {
        err = ngx_socket_errno;

        if (err != NGX_EINPROGRESS) {
            ngx_mdm_redis_conn_errno(conn, err, reason);
            return NGX_ERROR;
        }

        if (ngx_add_event(c->write, NGX_WRITE_EVENT,
                          ngx_mdm_redis_clear_event())
            != NGX_OK)
        {
            goto failed;
        }
    }

    ngx_add_timer(&conn->timer, conn->store->connect_timeout);

    if (rc == 0 && ngx_mdm_redis_conn_connected(conn) != NGX_OK) {
        goto failed;
    }

    return NGX_OK;

nomem:

    ngx_str_set(reason, "no memory");
    return NGX_ERROR;

failed:

    ngx_str_set(reason, "it cannot be waited for");
    return NGX_ERROR;
}


static ngx_int_t
ngx_mdm_redis_conn_nodelay(ngx_mdm_redis_conn_t *conn, ngx_connection_t *c)
{
    int                on;
    struct sockaddr   *sa;

    sa = conn->target->addrs[conn->addr].sockaddr;

#if (NGX_HAVE_UNIX_DOMAIN)

    if (sa->sa_family == AF_UNIX) {
        c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;
        c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
        return NGX_OK;
    }

#endif

    on = 1;

    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, (const void *) &on,
                   sizeof(int))
        == -1)
    {
        return NGX_ERROR;
    }

    c->tcp_nodelay = NGX_TCP_NODELAY_SET;

    /* finds out that an idle server's host is gone */

    if (setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, (const void *) &on,
                   sizeof(int))
        == -1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_redis_conn_connected(ngx_mdm_redis_conn_t *conn)
{
    return conn->store->tls != NULL ? ngx_mdm_redis_tls_start(conn)
                                    : ngx_mdm_redis_conn_greet(conn);
}


void
ngx_mdm_redis_conn_secured(ngx_mdm_redis_conn_t *conn)
{
    ngx_connection_t  *c;

    c = conn->connection;

    /* the TLS handshake had its own */

    c->read->handler = ngx_mdm_redis_conn_read_handler;
    c->write->handler = ngx_mdm_redis_conn_write_handler;
    c->idle = 1;

    if (ngx_mdm_redis_conn_greet(conn) != NGX_OK) {
        ngx_mdm_redis_conn_broken(conn, "no memory");
        return;
    }

    /* what came behind the handshake is no event of the socket any more */

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_next_events);
    }
}


static ngx_int_t
ngx_mdm_redis_conn_greet(ngx_mdm_redis_conn_t *conn)
{
    ngx_connection_t  *c;

    c = conn->connection;

    if (c->write->active
        && ngx_del_event(c->write, NGX_WRITE_EVENT,
                         ngx_mdm_redis_clear_event())
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!c->read->active
        && ngx_add_event(c->read, NGX_READ_EVENT, ngx_mdm_redis_clear_event())
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    c->write->ready = 1;

    conn->log.action = "greeting redis";
    conn->state = NGX_MDM_REDIS_CONN_GREETING;

    if (conn->owner->greet(conn) != NGX_OK) {
        return NGX_ERROR;
    }

    /*
     * A Unix socket is connected at once, when a worker starts: what is in
     * ngx_posted_events then waits for the first event of all.
     */

    ngx_post_event(&conn->flush, &ngx_posted_next_events);

    return NGX_OK;
}


static void
ngx_mdm_redis_conn_write_handler(ngx_event_t *wev)
{
    int                    err;
    socklen_t              len;
    ngx_str_t              reason;
    ngx_connection_t      *c;
    ngx_mdm_redis_conn_t  *conn;

    c = wev->data;
    conn = c->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "mdm redis write handler, state %d", (int) conn->state);

    if (conn->state != NGX_MDM_REDIS_CONN_CONNECTING) {
        ngx_mdm_redis_conn_flush(conn);
        return;
    }

    err = 0;
    len = sizeof(int);

    /* Solaris returns -1 and sets errno */

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_mdm_redis_conn_errno(conn, err, &reason);
        ngx_mdm_redis_conn_failed(conn, &reason);
        return;
    }

    if (ngx_mdm_redis_conn_connected(conn) != NGX_OK) {
        ngx_mdm_redis_conn_broken(conn, "no memory");
    }
}


static void
ngx_mdm_redis_conn_read_handler(ngx_event_t *rev)
{
    ngx_connection_t      *c;
    ngx_mdm_redis_conn_t  *conn;

    c = rev->data;
    conn = c->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "mdm redis read handler, state %d", (int) conn->state);

    if (c->close) {
        c->close = 0;

        /* c->error: worker_shutdown_timeout has passed */

        ngx_mdm_redis_conn_quit(conn, c->error);
        return;
    }

    if (ngx_mdm_redis_conn_read(conn, c) != NGX_OK) {
        return;
    }

    if (ngx_mdm_redis_reader_shrink(&conn->reader) != NGX_OK) {
        ngx_mdm_redis_conn_broken(conn, "no memory");
        return;
    }

    ngx_mdm_redis_conn_settle(conn);
}


/* NGX_OK; NGX_DONE: this connection is gone */

static ngx_int_t
ngx_mdm_redis_conn_read(ngx_mdm_redis_conn_t *conn, ngx_connection_t *c)
{
    ssize_t       n;
    ngx_uint_t    i;
    ngx_event_t  *rev;

    rev = c->read;

    for (i = 0; i < NGX_MDM_REDIS_READS; i++) {

        n = c->recv(c, ngx_mdm_redis_buffer, NGX_MDM_REDIS_BUFFER);

        if (n == NGX_AGAIN) {
            return NGX_OK;
        }

        if (n == NGX_ERROR) {
            ngx_mdm_redis_conn_broken(conn, "the connection was reset");
            return NGX_DONE;
        }

        if (n == 0) {
            ngx_mdm_redis_conn_broken(conn, "the server closed the "
                                            "connection");
            return NGX_DONE;
        }

        conn->heard = ngx_current_msec;

        if (conn->alive != NULL) {
            *conn->alive = ngx_current_msec;
        }

        if (ngx_mdm_redis_reader_feed(&conn->reader, ngx_mdm_redis_buffer, n)
            != NGX_OK)
        {
            ngx_mdm_redis_conn_garbled(conn, conn->reader.error);
            return NGX_DONE;
        }

        if (ngx_mdm_redis_conn_replies(conn) != NGX_OK) {
            return NGX_DONE;
        }

        if (!rev->ready) {
            return NGX_OK;
        }
    }

    ngx_post_event(rev, &ngx_posted_next_events);

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_redis_conn_replies(ngx_mdm_redis_conn_t *conn)
{
    ngx_int_t            rc;
    ngx_str_t            reason;
    ngx_uint_t           generation;
    ngx_queue_t         *q;
    mdm_reply_t         *reply;
    mdm_arena_t         *arena;
    ngx_mdm_redis_op_t  *op;

    generation = conn->generation;

    for ( ;; ) {

        rc = ngx_mdm_redis_reader_get(&conn->reader, &reply, &arena);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            ngx_mdm_redis_conn_garbled(conn, conn->reader.error);
            return NGX_DONE;
        }

        if (conn->state == NGX_MDM_REDIS_CONN_GREETING) {

            rc = conn->owner->greeted(conn, reply, &reason);

            mdm_arena_destroy(arena);

            if (rc == NGX_ERROR) {
                ngx_mdm_redis_conn_failed(conn, &reason);
                return NGX_DONE;
            }

            if (rc == NGX_OK) {
                ngx_mdm_redis_conn_ready(conn);
            }

        } else if (ngx_queue_empty(&conn->sent)) {

            if (conn->acks != 0) {
                ngx_mdm_redis_wait_reply(conn, reply, arena);

                if (conn->generation != generation) {
                    return NGX_DONE;
                }

                continue;
            }

            mdm_arena_destroy(arena);
            ngx_mdm_redis_conn_garbled(conn, "a reply came that was not "
                                             "asked for");
            return NGX_DONE;

        } else {
            q = ngx_queue_head(&conn->sent);
            op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

            if (op->asking) {

                /* ASKING: what it says does not matter, the call's does */

                op->asking = 0;
                mdm_arena_destroy(arena);
                continue;
            }

            if (op->leaving) {
                mdm_arena_destroy(arena);
                ngx_mdm_redis_conn_garbled(conn, "a reply came before its "
                                                 "call had been sent");
                return NGX_DONE;
            }

            ngx_queue_remove(q);
            conn->nsent--;

            if (op->durable && ngx_mdm_redis_waits(conn)
                && reply->type == MDM_REPLY_ARRAY)
            {
                ngx_mdm_redis_wait_hold(conn, op, reply, arena);
                continue;
            }

            op->state = NGX_MDM_REDIS_OP_OFF;

            conn->owner->reply(conn, op, reply, arena);
        }

        /* what has just run may have closed the connection */

        if (conn->generation != generation) {
            return NGX_DONE;
        }

        if (conn->limit != 0 && !ngx_queue_empty(&conn->waiting)
            && conn->state == NGX_MDM_REDIS_CONN_READY)
        {
            ngx_mdm_redis_conn_resume(conn);

            if (conn->generation != generation) {
                return NGX_DONE;
            }
        }
    }
}


void
ngx_mdm_redis_conn_flush_handler(ngx_event_t *ev)
{
    ngx_mdm_redis_conn_t  *conn;

    conn = ev->data;

    conn->stats->flushes++;

    ngx_mdm_redis_conn_clock(conn);

    if (conn->batch && ngx_mdm_redis_waits(conn)
        && conn->state == NGX_MDM_REDIS_CONN_READY
        && ngx_mdm_redis_wait_write(conn) != NGX_OK)
    {
        ngx_mdm_redis_conn_broken(conn, "no memory");
        return;
    }

    ngx_mdm_redis_conn_flush(conn);
}


static void
ngx_mdm_redis_conn_flush(ngx_mdm_redis_conn_t *conn)
{
    off_t              before;
    ngx_int_t          rc;
    ngx_event_t       *wev;
    ngx_connection_t  *c;

    c = conn->connection;
    wev = c->write;

    before = c->sent;

    rc = ngx_mdm_peer_out_send(&conn->out, c, &conn->stats->sends);

    if (rc != NGX_ERROR && (rc != NGX_OK || conn->behind)) {
        ngx_mdm_redis_conn_moved(conn, rc == NGX_OK, c->sent != before);
    }

    if (rc == NGX_BUSY) {
        ngx_post_event(&conn->flush, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_OK) {

        if (wev->active) {
            rc = ngx_del_event(wev, NGX_WRITE_EVENT,
                               ngx_mdm_redis_clear_event());
        }

    } else if (rc == NGX_AGAIN) {
        rc = NGX_OK;

        if (!wev->active) {
            rc = ngx_add_event(wev, NGX_WRITE_EVENT,
                               ngx_mdm_redis_clear_event());
        }
    }

    if (rc != NGX_OK) {
        ngx_mdm_redis_conn_broken(conn, "the connection was reset");
    }
}


/*
 * What has come cannot be used.  The next connection may well come up, so
 * that nothing else would tell.
 */

static void
ngx_mdm_redis_conn_garbled(ngx_mdm_redis_conn_t *conn, const char *text)
{
    if (conn->state == NGX_MDM_REDIS_CONN_READY) {
        ngx_log_error(NGX_LOG_ERR, &conn->log, 0,
                      "redis has sent what cannot be used: %s", text);
    }

    ngx_mdm_redis_conn_broken(conn, text);
}


static void
ngx_mdm_redis_conn_broken(ngx_mdm_redis_conn_t *conn, const char *text)
{
    ngx_str_t  reason;

    reason.data = (u_char *) text;
    reason.len = ngx_strlen(text);

    if (conn->state == NGX_MDM_REDIS_CONN_READY) {
        ngx_mdm_redis_conn_lost(conn, &reason, 0);

    } else {
        ngx_mdm_redis_conn_failed(conn, &reason);
    }
}


void
ngx_mdm_redis_conn_close(ngx_mdm_redis_conn_t *conn)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    conn->state = NGX_MDM_REDIS_CONN_CLOSED;
    conn->generation++;
    conn->acks = 0;
    conn->batch = 0;
    conn->behind = 0;

    if (conn->resolving != NULL) {
        ngx_resolve_name_done(conn->resolving);
        conn->resolving = NULL;
    }

    ngx_mdm_redis_gather_forget(conn);

    if (conn->flush.posted) {
        ngx_delete_posted_event(&conn->flush);
    }

    if (conn->timer.posted) {
        ngx_delete_posted_event(&conn->timer);
    }

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    ngx_mdm_peer_out_free(&conn->out);
    ngx_mdm_redis_reader_free(&conn->reader);

    c = conn->connection;

    if (c == NULL) {
        return;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "mdm redis close connection: %d", c->fd);

    if (c->ssl != NULL) {
        ngx_mdm_redis_tls_close(c);
    }

    conn->connection = NULL;
    conn->fd = (ngx_socket_t) -1;

    pool = c->pool;

    ngx_close_connection(c);

    if (pool != NULL) {
        ngx_destroy_pool(pool);
    }

    conn->log.connection = 0;
}


/* "Connection refused" as "connection refused" */

static void
ngx_mdm_redis_conn_errno(ngx_mdm_redis_conn_t *conn, ngx_err_t err,
    ngx_str_t *reason)
{
    u_char  *last;

    last = ngx_strerror(err, conn->reason, NGX_MDM_REDIS_REASON);

    reason->data = conn->reason;
    reason->len = last - conn->reason;

    if (reason->len != 0) {
        reason->data[0] = ngx_tolower(reason->data[0]);
    }
}


u_char *
ngx_mdm_redis_conn_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                *p;
    ngx_mdm_redis_conn_t  *conn;

    p = buf;

    if (log->action) {
        p = ngx_snprintf(p, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    conn = log->data;

    return ngx_snprintf(buf, len, ", mdm store: \"%V\", server: %V",
                        &conn->store->name, ngx_mdm_redis_conn_name(conn));
}
