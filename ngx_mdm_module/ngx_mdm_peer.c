
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * An outgoing connection: how it comes up, carries bytes, and ends.
 */


#include "ngx_mdm_peer.h"


/* between attempts to connect: at first, and at most */
#define NGX_MDM_PEER_DELAY      100
#define NGX_MDM_PEER_DELAY_MAX  1000

/* a connection that lasted this long was a good one */
#define NGX_MDM_PEER_STABLE     1000

/* a worker that quits keeps an idle connection for this long */
#define NGX_MDM_PEER_LINGER     1000

#define NGX_MDM_PEER_BUFFER     65536

/* reads in a row before other connections get their turn */
#define NGX_MDM_PEER_READS      16


#define ngx_mdm_peer_clear_event()                                            \
    ((ngx_event_flags & NGX_USE_CLEAR_EVENT) ? NGX_CLEAR_EVENT                \
                                             : NGX_LEVEL_EVENT)


static void ngx_mdm_peer_timer_handler(ngx_event_t *ev);
static ngx_int_t ngx_mdm_peer_connect(ngx_mdm_peer_t *peer,
    ngx_str_t *reason);
static ngx_int_t ngx_mdm_peer_connected(ngx_mdm_peer_t *peer);
static void ngx_mdm_peer_proxied(ngx_connection_t *c, ngx_str_t *reason);
static void ngx_mdm_peer_resume(ngx_connection_t *c);
static ngx_int_t ngx_mdm_peer_secure(ngx_mdm_peer_t *peer);
static void ngx_mdm_peer_secured(ngx_connection_t *c, ngx_str_t *reason);
static ngx_int_t ngx_mdm_peer_greeting(ngx_mdm_peer_t *peer);
static void ngx_mdm_peer_write_handler(ngx_event_t *wev);
static void ngx_mdm_peer_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_mdm_peer_read(ngx_mdm_peer_t *peer,
    ngx_connection_t *c);
static void ngx_mdm_peer_flush_handler(ngx_event_t *ev);
static void ngx_mdm_peer_send(ngx_mdm_peer_t *peer);
static void ngx_mdm_peer_down(ngx_mdm_peer_t *peer, ngx_str_t *reason);


/* what has been received is copied by the reader before anything else runs */

static u_char  ngx_mdm_peer_buffer[NGX_MDM_PEER_BUFFER];


void
ngx_mdm_peer_init(ngx_mdm_peer_t *peer)
{
    peer->fd = (ngx_socket_t) -1;

    peer->log = *ngx_cycle->log;
    peer->log.handler = ngx_mdm_peer_log_error;
    peer->log.data = peer;
    peer->log.action = NULL;

    peer->secured = ngx_mdm_peer_secured;
    peer->proxied = ngx_mdm_peer_proxied;

    peer->flush.handler = ngx_mdm_peer_flush_handler;
    peer->flush.data = peer;
    peer->flush.log = &peer->log;

    peer->timer.handler = ngx_mdm_peer_timer_handler;
    peer->timer.data = peer;
    peer->timer.log = &peer->log;
    peer->timer.cancelable = 1;
}


void
ngx_mdm_peer_open(ngx_mdm_peer_t *peer)
{
    peer->tried = 0;
    peer->delay = 0;

    ngx_mdm_peer_start(peer);
}


void
ngx_mdm_peer_start(ngx_mdm_peer_t *peer)
{
    ngx_int_t  rc;
    ngx_str_t  reason;

    peer->state = NGX_MDM_PEER_LOCATING;
    peer->fault = NGX_MDM_PEER_FAULT_NONE;
    peer->log.action = (char *) peer->handlers->locating;

    rc = peer->handlers->resolve_start(peer, &reason);

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm peer start, located:%i tried:%ui", rc, peer->tried);

    if (rc == NGX_AGAIN) {
        ngx_add_timer(&peer->timer, peer->conf->connect_timeout);
        return;
    }

    if (rc == NGX_OK) {
        ngx_mdm_peer_resolve_done(peer, NULL);

    } else {
        ngx_mdm_peer_failed(peer, &reason);
    }
}


void
ngx_mdm_peer_resolve_done(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    ngx_str_t  why;

    if (peer->timer.timer_set) {
        ngx_del_timer(&peer->timer);
    }

    if (reason != NULL) {
        ngx_mdm_peer_failed(peer, reason);
        return;
    }

    if (peer->addr >= peer->target->naddrs) {
        peer->addr = 0;
    }

    if (ngx_mdm_peer_connect(peer, &why) != NGX_OK) {
        ngx_mdm_peer_failed(peer, &why);
    }
}


static void
ngx_mdm_peer_timer_handler(ngx_event_t *ev)
{
    ngx_str_t        reason;
    ngx_mdm_peer_t  *peer;

    peer = ev->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm peer timer, state:%d", (int) peer->state);

    switch (peer->state) {

    case NGX_MDM_PEER_CLOSED:
        ngx_mdm_peer_start(peer);
        break;

    case NGX_MDM_PEER_LOCATING:
    case NGX_MDM_PEER_CONNECTING:
    case NGX_MDM_PEER_PROXYING:
    case NGX_MDM_PEER_SECURING:
    case NGX_MDM_PEER_GREETING:
        ngx_mdm_peer_reason(peer, &reason, "%s within %Mms",
                            ngx_mdm_peer_phase(peer),
                            (peer->state == NGX_MDM_PEER_PROXYING)
                            ? (ngx_msec_t) NGX_MDM_PEER_PROXY_TIMEOUT
                            : peer->conf->connect_timeout);

        ngx_mdm_peer_failed(peer, &reason);
        break;

    default: /* NGX_MDM_PEER_READY */
        peer->handlers->quit(peer, 0);
    }
}


/*
 * Not ngx_event_connect_peer(): that one registers the write event for good,
 * which wakes the worker up again for each call that is sent.
 */

static ngx_int_t
ngx_mdm_peer_connect(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    int                rc;
    ngx_err_t          err;
    ngx_addr_t        *addr;
    ngx_connection_t  *c;

    peer->alert = 0;
    peer->fault = NGX_MDM_PEER_FAULT_NONE;

    if (peer->target->naddrs == 0) {
        ngx_str_set(reason, "its name is not resolved");
        return NGX_ERROR;
    }

    addr = &peer->target->addrs[peer->addr];

    c = ngx_mdm_peer_socket(peer, addr, reason);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->read->handler = ngx_mdm_peer_read_handler;
    c->write->handler = ngx_mdm_peer_write_handler;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm peer connect to %V, fd:%d #%uA",
                   &addr->name, c->fd, c->number);

    rc = connect(c->fd, addr->sockaddr, addr->socklen);
    if (rc == -1) {
        err = ngx_socket_errno;

        if (err != NGX_EINPROGRESS) {
            ngx_mdm_peer_errno(peer, err, reason);
            return NGX_ERROR;
        }

        if (ngx_add_event(c->write, NGX_WRITE_EVENT,
                          ngx_mdm_peer_clear_event())
            != NGX_OK)
        {
            goto failed;
        }
    }

    ngx_add_timer(&peer->timer, peer->conf->connect_timeout);

    if (rc == 0 && ngx_mdm_peer_connected(peer) != NGX_OK) {
        goto failed;
    }

    return NGX_OK;

failed:

    ngx_str_set(reason, "it cannot be waited for");
    return NGX_ERROR;
}


static ngx_int_t
ngx_mdm_peer_connected(ngx_mdm_peer_t *peer)
{
    if (peer->conf->proxy != NULL) {
        ngx_add_timer(&peer->timer, NGX_MDM_PEER_PROXY_TIMEOUT);

        return ngx_mdm_peer_proxy_start(peer);
    }

    return ngx_mdm_peer_secure(peer);
}


static void
ngx_mdm_peer_proxied(ngx_connection_t *c, ngx_str_t *reason)
{
    ngx_mdm_peer_t  *peer;

    peer = c->data;

    if (reason != NULL) {
        ngx_mdm_peer_failed(peer, reason);
        return;
    }

    ngx_mdm_peer_resume(c);

    ngx_add_timer(&peer->timer, peer->conf->connect_timeout);

    if (ngx_mdm_peer_secure(peer) != NGX_OK) {
        ngx_mdm_peer_broken(peer, "no memory");
    }
}


/* proxy and TLS handshake have handlers of their own while they last */

static void
ngx_mdm_peer_resume(ngx_connection_t *c)
{
    c->read->handler = ngx_mdm_peer_read_handler;
    c->write->handler = ngx_mdm_peer_write_handler;
    c->idle = 1;
}


static ngx_int_t
ngx_mdm_peer_secure(ngx_mdm_peer_t *peer)
{
    return (peer->conf->tls != NULL) ? ngx_mdm_peer_tls_start(peer)
                                     : ngx_mdm_peer_greeting(peer);
}


static void
ngx_mdm_peer_secured(ngx_connection_t *c, ngx_str_t *reason)
{
    ngx_mdm_peer_t  *peer;

    peer = c->data;

    if (reason != NULL) {
        ngx_mdm_peer_failed(peer, reason);
        return;
    }

    ngx_mdm_peer_resume(c);

    if (ngx_mdm_peer_greeting(peer) != NGX_OK) {
        ngx_mdm_peer_broken(peer, "no memory");
        return;
    }

    /* what came right behind the handshake causes no event of the socket */

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_next_events);
    }
}


static ngx_int_t
ngx_mdm_peer_greeting(ngx_mdm_peer_t *peer)
{
    ngx_connection_t  *c;

    c = peer->connection;

    if (c->write->active
        && ngx_del_event(c->write, NGX_WRITE_EVENT,
                         ngx_mdm_peer_clear_event())
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!c->read->active
        && ngx_add_event(c->read, NGX_READ_EVENT, ngx_mdm_peer_clear_event())
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    c->write->ready = 1;

    peer->state = NGX_MDM_PEER_GREETING;

    if (peer->handlers->connected(peer) != NGX_OK) {
        return NGX_ERROR;
    }

    /*
     * A Unix socket is connected at once, when a worker starts: what is in
     * ngx_posted_events then waits for the first event of all.
     */

    ngx_post_event(&peer->flush, &ngx_posted_next_events);

    return NGX_OK;
}


void
ngx_mdm_peer_ready(ngx_mdm_peer_t *peer)
{
    ngx_del_timer(&peer->timer);

    peer->state = NGX_MDM_PEER_READY;
    peer->since = ngx_current_msec;
    peer->tried = 0;
    peer->down = 0;
}


static void
ngx_mdm_peer_write_handler(ngx_event_t *wev)
{
    int                    err;
    socklen_t              len;
    ngx_str_t              reason;
    ngx_connection_t      *c;
    ngx_mdm_peer_t  *peer;

    c = wev->data;
    peer = c->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "mdm peer write handler, state %d", (int) peer->state);

    if (peer->state != NGX_MDM_PEER_CONNECTING) {
        ngx_mdm_peer_send(peer);
        return;
    }

    err = 0;
    len = sizeof(int);

    /* Solaris returns -1 and sets errno */

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_mdm_peer_errno(peer, err, &reason);
        ngx_mdm_peer_failed(peer, &reason);
        return;
    }

    if (ngx_mdm_peer_connected(peer) != NGX_OK) {
        ngx_mdm_peer_broken(peer, "no memory");
    }
}


static void
ngx_mdm_peer_read_handler(ngx_event_t *rev)
{
    ngx_connection_t  *c;
    ngx_mdm_peer_t    *peer;

    c = rev->data;
    peer = c->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "mdm peer read handler, state %d", (int) peer->state);

    if (c->close) {
        c->close = 0;

        /* c->error: worker_shutdown_timeout has passed */

        peer->handlers->quit(peer, c->error);
        return;
    }

    if (ngx_mdm_peer_read(peer, c) != NGX_OK) {
        return;
    }

    if (peer->handlers->drained(peer) != NGX_OK) {
        ngx_mdm_peer_broken(peer, "no memory");
    }
}


/* NGX_OK; NGX_DONE: this connection is gone */

static ngx_int_t
ngx_mdm_peer_read(ngx_mdm_peer_t *peer, ngx_connection_t *c)
{
    ssize_t       n;
    ngx_uint_t    i;
    const char   *alert;
    ngx_event_t  *rev;

    rev = c->read;

    for (i = 0; i < NGX_MDM_PEER_READS; i++) {

        n = c->recv(c, ngx_mdm_peer_buffer, NGX_MDM_PEER_BUFFER);

        if (n == NGX_AGAIN) {
            return NGX_OK;
        }

        if (n == NGX_ERROR) {
            alert = ngx_mdm_peer_tls_alert(peer);

            ngx_mdm_peer_broken(peer, (alert != NULL) ? alert
                                                : "the connection was reset");
            return NGX_DONE;
        }

        if (n == 0) {
            ngx_mdm_peer_broken(peer, "the server closed the connection");
            return NGX_DONE;
        }

        if (peer->handlers->read(peer, ngx_mdm_peer_buffer, n) != NGX_OK) {
            return NGX_DONE;
        }

        if (!rev->ready) {
            return NGX_OK;
        }
    }

    ngx_post_event(rev, &ngx_posted_next_events);

    return NGX_OK;
}


static void
ngx_mdm_peer_flush_handler(ngx_event_t *ev)
{
    ngx_mdm_peer_t  *peer;

    peer = ev->data;

    if (peer->handlers->flush(peer) != NGX_OK) {
        ngx_mdm_peer_broken(peer, "no memory");
        return;
    }

    ngx_mdm_peer_send(peer);
}


static void
ngx_mdm_peer_send(ngx_mdm_peer_t *peer)
{
    off_t              before;
    ngx_int_t          rc;
    ngx_event_t       *wev;
    ngx_connection_t  *c;

    c = peer->connection;
    wev = c->write;

    before = c->sent;

    rc = ngx_mdm_peer_out_send(&peer->out, c, peer->sends);

    if (rc != NGX_ERROR) {
        peer->handlers->sent(peer, rc == NGX_OK, c->sent != before);
    }

    if (rc == NGX_BUSY) {
        ngx_post_event(&peer->flush, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_OK) {

        if (wev->active) {
            rc = ngx_del_event(wev, NGX_WRITE_EVENT,
                               ngx_mdm_peer_clear_event());
        }

    } else if (rc == NGX_AGAIN) {
        rc = NGX_OK;

        if (!wev->active) {
            rc = ngx_add_event(wev, NGX_WRITE_EVENT,
                               ngx_mdm_peer_clear_event());
        }
    }

    if (rc != NGX_OK) {
        ngx_mdm_peer_broken(peer, "the connection was reset");
    }
}


void
ngx_mdm_peer_broken(ngx_mdm_peer_t *peer, const char *text)
{
    ngx_str_t  reason;

    reason.data = (u_char *) text;
    reason.len = ngx_strlen(text);

    if (peer->state == NGX_MDM_PEER_READY) {
        peer->handlers->lost(peer, &reason);

    } else {
        ngx_mdm_peer_failed(peer, &reason);
    }
}


void
ngx_mdm_peer_lost(ngx_mdm_peer_t *peer, ngx_str_t *reason, ngx_uint_t level,
    ngx_uint_t away, ngx_uint_t wanted)
{
    ngx_uint_t  stable;

    ngx_log_error(level, &peer->log, 0, "connection to %s is given up: %V",
                  peer->handlers->name, reason);

    ngx_mdm_peer_close(peer);

    stable = (ngx_msec_int_t) (ngx_current_msec - peer->since)
             >= NGX_MDM_PEER_STABLE;

    if (stable) {
        peer->delay = 0;
    }

    if (away || !stable) {
        ngx_mdm_peer_down(peer, reason);

    } else if (wanted || !ngx_exiting) {
        ngx_mdm_peer_start(peer);
    }
}


void
ngx_mdm_peer_failed(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    for ( ;; ) {
        ngx_log_error(NGX_LOG_INFO, &peer->log, 0,
                      "connecting to %s has failed: %V",
                      peer->handlers->name, reason);

        ngx_mdm_peer_close(peer);

        if (peer->target == NULL || ++peer->tried >= peer->target->naddrs) {
            break;
        }

        peer->addr = (peer->addr + 1) % peer->target->naddrs;

        if (ngx_mdm_peer_connect(peer, reason) == NGX_OK) {
            return;
        }
    }

    if (peer->handlers->next(peer) == NGX_OK) {
        peer->tried = 0;
        peer->addr = 0;
        ngx_mdm_peer_start(peer);
        return;
    }

    ngx_mdm_peer_down(peer, reason);

    peer->handlers->failed(peer);
}


/* set until it is ready again */

static void
ngx_mdm_peer_down(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    ngx_msec_t  delay;

    peer->down = 1;
    peer->tried = 0;

    peer->handlers->down(peer, reason);

    /* the next round begins with the next address */

    if (peer->target != NULL && peer->target->naddrs != 0) {
        peer->addr = (peer->addr + 1) % peer->target->naddrs;
    }

    peer->delay = (peer->delay == 0) ? NGX_MDM_PEER_DELAY
                                     : ngx_min(peer->delay * 2,
                                               NGX_MDM_PEER_DELAY_MAX);

    delay = peer->delay - (ngx_msec_t) ngx_random() % (peer->delay / 4);

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm peer down, next attempt in %M", delay);

    ngx_add_timer(&peer->timer, delay);

    peer->handlers->refuse(peer);
}


void
ngx_mdm_peer_linger(ngx_mdm_peer_t *peer)
{
    if (peer->state == NGX_MDM_PEER_READY) {
        ngx_add_timer(&peer->timer, NGX_MDM_PEER_LINGER);
    }
}


void
ngx_mdm_peer_close(ngx_mdm_peer_t *peer)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    peer->state = NGX_MDM_PEER_CLOSED;
    peer->generation++;

    if (peer->resolving != NULL) {
        ngx_resolve_name_done(peer->resolving);
        peer->resolving = NULL;
    }

    peer->pending_address = 0;

    if (peer->flush.posted) {
        ngx_delete_posted_event(&peer->flush);
    }

    if (peer->timer.posted) {
        ngx_delete_posted_event(&peer->timer);
    }

    if (peer->timer.timer_set) {
        ngx_del_timer(&peer->timer);
    }

    ngx_mdm_peer_out_free(&peer->out);

    peer->handlers->closed(peer);

    c = peer->connection;

    if (c == NULL) {
        return;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &peer->log, 0,
                   "mdm peer close connection: %d", c->fd);

    if (c->ssl != NULL) {
        ngx_mdm_peer_tls_close(c);
    }

    peer->connection = NULL;
    peer->fd = (ngx_socket_t) -1;

    pool = c->pool;

    ngx_close_connection(c);

    if (pool != NULL) {
        ngx_destroy_pool(pool);
    }

    peer->log.connection = 0;
}
