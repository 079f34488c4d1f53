
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The way of a peer through an HTTP proxy: CONNECT, and the answer to it.
 */


#include "ngx_mdm_peer.h"


/* bytes of the head of an answer */
#define NGX_MDM_PEER_PROXY_HEAD  8192


typedef struct {
    size_t                    sent;        /* of the request */
    size_t                    len;         /* of what has come */
    u_char                    head[NGX_MDM_PEER_PROXY_HEAD];
} ngx_mdm_peer_proxying_t;


static void ngx_mdm_peer_proxy_write_handler(ngx_event_t *wev);
static ngx_int_t ngx_mdm_peer_proxy_write(ngx_mdm_peer_t *peer);
static void ngx_mdm_peer_proxy_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_mdm_peer_proxy_read(ngx_mdm_peer_t *peer,
    ngx_str_t *reason);
static ngx_int_t ngx_mdm_peer_proxy_head(ngx_mdm_peer_t *peer,
    ngx_str_t *reason);
static size_t ngx_mdm_peer_proxy_end(ngx_mdm_peer_proxying_t *p);


ngx_mdm_peer_proxy_t *
ngx_mdm_peer_proxy_create(ngx_conf_t *cf, ngx_str_t *destination,
    ngx_str_t *user)
{
    u_char                *p;
    ngx_str_t              basic;
    ngx_mdm_peer_proxy_t  *proxy;

    proxy = ngx_palloc(cf->pool, sizeof(ngx_mdm_peer_proxy_t));
    if (proxy == NULL) {
        return NULL;
    }

    ngx_str_null(&basic);

    if (user->len != 0) {
        basic.data = ngx_pnalloc(cf->pool,
                                 ngx_base64_encoded_length(user->len));
        if (basic.data == NULL) {
            return NULL;
        }

        ngx_encode_base64(&basic, user);
    }

    p = ngx_pnalloc(cf->pool, 2 * destination->len + basic.len
                    + sizeof("CONNECT  HTTP/1.1" CRLF "Host: " CRLF
                             "Proxy-Authorization: Basic " CRLF CRLF));
    if (p == NULL) {
        return NULL;
    }

    proxy->request.data = p;

    p = ngx_sprintf(p, "CONNECT %V HTTP/1.1" CRLF "Host: %V" CRLF,
                    destination, destination);

    if (basic.len != 0) {
        p = ngx_sprintf(p, "Proxy-Authorization: Basic %V" CRLF, &basic);
    }

    p = ngx_cpymem(p, CRLF, sizeof(CRLF) - 1);

    proxy->request.len = p - proxy->request.data;

    return proxy;
}


ngx_int_t
ngx_mdm_peer_proxy_start(ngx_mdm_peer_t *peer)
{
    ngx_connection_t  *c;

    c = peer->connection;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "mdm peer proxy, %uz bytes", peer->conf->proxy->request.len);

    peer->log.action = "asking a proxy";
    peer->state = NGX_MDM_PEER_PROXYING;

    peer->proxying = ngx_pcalloc(c->pool, sizeof(ngx_mdm_peer_proxying_t));

    if (peer->proxying == NULL) {
        return NGX_ERROR;
    }

    /* these handlers know nothing of c->close, which is for idle ones */

    c->idle = 0;

    c->read->handler = ngx_mdm_peer_proxy_read_handler;
    c->write->handler = ngx_mdm_peer_proxy_write_handler;
    c->write->ready = 1;

    if (!c->read->active
        && ngx_add_event(c->read, NGX_READ_EVENT,
                         (ngx_event_flags & NGX_USE_CLEAR_EVENT)
                         ? NGX_CLEAR_EVENT : NGX_LEVEL_EVENT)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_mdm_peer_proxy_write(peer);
}


static void
ngx_mdm_peer_proxy_write_handler(ngx_event_t *wev)
{
    ngx_str_t          reason;
    ngx_mdm_peer_t    *peer;
    ngx_connection_t  *c;

    c = wev->data;
    peer = c->data;

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, c->log, 0, "mdm peer proxy write");

    if (ngx_mdm_peer_proxy_write(peer) != NGX_OK) {
        ngx_str_set(&reason, "the proxy reset the connection");
        peer->proxied(c, &reason);
    }
}


/* NGX_OK or NGX_ERROR */

static ngx_int_t
ngx_mdm_peer_proxy_write(ngx_mdm_peer_t *peer)
{
    ssize_t                   n;
    ngx_str_t                *request;
    ngx_uint_t                flags;
    ngx_event_t              *wev;
    ngx_connection_t         *c;
    ngx_mdm_peer_proxying_t  *p;

    c = peer->connection;
    wev = c->write;
    p = peer->proxying;
    request = &peer->conf->proxy->request;

    flags = (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? NGX_CLEAR_EVENT
                                                    : NGX_LEVEL_EVENT;

    while (p->sent < request->len) {

        n = c->send(c, request->data + p->sent, request->len - p->sent);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n == NGX_AGAIN) {
            return wev->active ? NGX_OK
                               : ngx_add_event(wev, NGX_WRITE_EVENT, flags);
        }

        p->sent += n;
    }

    if (wev->active) {
        return ngx_del_event(wev, NGX_WRITE_EVENT, flags);
    }

    return NGX_OK;
}


static void
ngx_mdm_peer_proxy_read_handler(ngx_event_t *rev)
{
    ngx_int_t          rc;
    ngx_str_t          reason;
    ngx_mdm_peer_t    *peer;
    ngx_connection_t  *c;

    c = rev->data;
    peer = c->data;

    rc = ngx_mdm_peer_proxy_read(peer, &reason);

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "mdm peer proxy read: %i", rc);

    if (rc == NGX_AGAIN) {
        return;
    }

    peer->proxied(c, (rc == NGX_OK) ? NULL : &reason);
}


/* NGX_OK: it leads where we want; NGX_AGAIN; NGX_ERROR with *reason */

static ngx_int_t
ngx_mdm_peer_proxy_read(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    ssize_t                   n;
    ngx_int_t                 rc;
    ngx_connection_t         *c;
    ngx_mdm_peer_proxying_t  *p;

    c = peer->connection;
    p = peer->proxying;

    for ( ;; ) {
        n = c->recv(c, p->head + p->len, NGX_MDM_PEER_PROXY_HEAD - p->len);

        if (n == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_str_set(reason, "the proxy closed the connection");
            return NGX_ERROR;
        }

        p->len += n;

        rc = ngx_mdm_peer_proxy_head(peer, reason);

        if (rc != NGX_AGAIN) {
            return rc;
        }

        if (p->len == NGX_MDM_PEER_PROXY_HEAD) {
            peer->fault = NGX_MDM_PEER_FAULT_PROXY_ODD;
            ngx_str_set(reason, "the head of the proxy's answer is too large");
            return NGX_ERROR;
        }

        if (!c->read->ready) {
            return NGX_AGAIN;
        }
    }
}


static ngx_int_t
ngx_mdm_peer_proxy_head(ngx_mdm_peer_t *peer, ngx_str_t *reason)
{
    size_t                    end;
    ngx_int_t                 status;
    ngx_mdm_peer_proxying_t  *p;

    p = peer->proxying;

    /* HTTP/1.1 200 */

    if (ngx_memcmp(p->head, "HTTP/1.", ngx_min(p->len, 7)) != 0) {
        peer->fault = NGX_MDM_PEER_FAULT_PROXY_ODD;
        ngx_str_set(reason, "the proxy answers what is no HTTP");
        return NGX_ERROR;
    }

    end = ngx_mdm_peer_proxy_end(p);

    if (end == 0) {
        return NGX_AGAIN;
    }

    status = (end > 12 && p->head[8] == ' ') ? ngx_atoi(p->head + 9, 3)
                                             : NGX_ERROR;

    if (status == NGX_ERROR) {
        peer->fault = NGX_MDM_PEER_FAULT_PROXY_ODD;
        ngx_str_set(reason, "the proxy answers what is no HTTP");
        return NGX_ERROR;
    }

    if (status == 407) {
        peer->fault = NGX_MDM_PEER_FAULT_PROXY_AUTH;
        ngx_str_set(reason, "the proxy does not take our name and password "
                    "(407)");
        return NGX_ERROR;
    }

    if (status < 200 || status > 299) {
        peer->fault = NGX_MDM_PEER_FAULT_PROXY_STATUS;
        ngx_mdm_peer_reason(peer, reason, "the proxy answers %i", status);
        return NGX_ERROR;
    }

    /* the server says nothing before we do: somebody else would speak here */

    if (p->len != end) {
        peer->fault = NGX_MDM_PEER_FAULT_PROXY_ODD;
        ngx_str_set(reason, "the proxy sends bytes behind its answer");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* where the head ends, 0: not yet */

static size_t
ngx_mdm_peer_proxy_end(ngx_mdm_peer_proxying_t *p)
{
    size_t  i;

    for (i = 1; i < p->len; i++) {

        if (p->head[i] != LF) {
            continue;
        }

        if (p->head[i - 1] == LF
            || (i > 1 && p->head[i - 1] == CR && p->head[i - 2] == LF))
        {
            return i + 1;
        }
    }

    return 0;
}
