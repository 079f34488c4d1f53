
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The socket of a peer, and nginx's connection around it.
 */


#include "ngx_mdm_peer.h"


static ngx_int_t ngx_mdm_peer_nodelay(ngx_mdm_peer_t *peer,
    ngx_connection_t *c);


ngx_connection_t *
ngx_mdm_peer_socket(ngx_mdm_peer_t *peer, ngx_addr_t *addr, ngx_str_t *reason)
{
    ngx_socket_t       s;
    ngx_connection_t  *c;

    peer->log.action = (char *) peer->handlers->connecting;

    /* the cached time may be that before something that took long */

    ngx_time_update();

    s = ngx_socket(addr->sockaddr->sa_family, SOCK_STREAM, 0);

    if (s == (ngx_socket_t) -1) {
        ngx_mdm_peer_errno(peer, ngx_socket_errno, reason);
        return NULL;
    }

    c = ngx_get_connection(s, &peer->log);

    if (c == NULL) {
        if (ngx_close_socket(s) == -1) {
            ngx_log_error(NGX_LOG_ALERT, &peer->log, ngx_socket_errno,
                          ngx_close_socket_n " failed");
        }

        ngx_str_set(reason, "no free worker connections");
        return NULL;
    }

    c->read->log = &peer->log;
    c->write->log = &peer->log;

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;
    c->type = SOCK_STREAM;
    c->data = peer;
    c->idle = 1;

    peer->log.connection = c->number;
    peer->connection = c;
    peer->fd = s;
    peer->state = NGX_MDM_PEER_CONNECTING;

    c->recv = ngx_recv;
    c->send = ngx_send;
    c->recv_chain = ngx_recv_chain;
    c->send_chain = ngx_send_chain;

    /* how a connection ends is told by the owner */

    c->log_error = NGX_ERROR_INFO;

    c->pool = ngx_create_pool(256, &peer->log);

    if (c->pool == NULL) {
        ngx_str_set(reason, "no memory");
        return NULL;
    }

    if (ngx_nonblocking(c->fd) == -1
        || ngx_mdm_peer_nodelay(peer, c) != NGX_OK)
    {
        ngx_mdm_peer_errno(peer, ngx_socket_errno, reason);
        return NULL;
    }

    return c;
}


static ngx_int_t
ngx_mdm_peer_nodelay(ngx_mdm_peer_t *peer, ngx_connection_t *c)
{
    int                on;
    struct sockaddr   *sa;

    sa = peer->target->addrs[peer->addr].sockaddr;

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

    /* keep-alive finds out that an idle server's host is gone */

    if (setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, (const void *) &on,
                   sizeof(int))
        == -1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
