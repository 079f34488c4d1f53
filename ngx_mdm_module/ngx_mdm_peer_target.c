
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Where a peer goes: addresses, and the names that become some.
 */


#include "ngx_mdm_peer_target.h"


/* RFC 1035 */
#define NGX_MDM_PEER_HOST_MAX  255


ngx_int_t
ngx_mdm_peer_target_host(ngx_mdm_peer_target_t *target, ngx_str_t *host,
    in_port_t port)
{
    u_char      *p;
    size_t       i;
    ngx_addr_t   addr;
    ngx_int_t    rc;
    ngx_uint_t   six;
    ngx_pool_t  *pool;
    struct {
        ngx_addr_t         addr;
        ngx_sockaddr_t     sockaddr;
        u_char             text[];
    } *t;

    ngx_memzero(target, sizeof(ngx_mdm_peer_target_t));

    if (host->len == 0 || host->len > NGX_MDM_PEER_HOST_MAX || port == 0) {
        return NGX_DECLINED;
    }

    for (i = 0; i < host->len; i++) {
        if (host->data[i] <= 0x20 || host->data[i] >= 0x7f) {
            return NGX_DECLINED;
        }
    }

    /* the host and a NUL; the name, where an IPv6 address has brackets */

    t = ngx_calloc(sizeof(*t) + 2 * host->len + 1
                   + sizeof("[]:65535") - 1, ngx_cycle->log);
    if (t == NULL) {
        return NGX_ERROR;
    }

    pool = ngx_create_pool(NGX_MIN_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        ngx_free(t);
        return NGX_ERROR;
    }

    rc = ngx_parse_addr(pool, &addr, host->data, host->len);

    if (rc == NGX_OK) {
        ngx_memcpy(&t->sockaddr, addr.sockaddr, addr.socklen);
    }

    ngx_destroy_pool(pool);

    if (rc == NGX_ERROR) {
        ngx_free(t);
        return NGX_ERROR;
    }

    target->text = t;
    target->port = port;

    target->host.data = t->text;
    target->host.len = host->len;

    p = ngx_cpymem(t->text, host->data, host->len);
    *p++ = '\0';

    target->name.data = p;

    six = (ngx_strlchr(host->data, host->data + host->len, ':') != NULL);

    p = ngx_sprintf(p, six ? "[%V]:%ui" : "%V:%ui", host, (ngx_uint_t) port);

    target->name.len = p - target->name.data;

    if (rc == NGX_DECLINED) {
        target->named = 1;
        return NGX_OK;
    }

    ngx_inet_set_port(&t->sockaddr.sockaddr, port);

    t->addr.sockaddr = &t->sockaddr.sockaddr;
    t->addr.socklen = addr.socklen;
    t->addr.name = target->name;

    target->addrs = &t->addr;
    target->naddrs = 1;

    return NGX_OK;
}


ngx_int_t
ngx_mdm_peer_target_resolved(ngx_mdm_peer_target_t *target,
    ngx_resolver_addr_t *addrs, ngx_uint_t naddrs)
{
    u_char          *p;
    ngx_uint_t       i;
    ngx_addr_t      *list;
    ngx_sockaddr_t  *sockaddr;

    list = ngx_calloc(naddrs * (sizeof(ngx_addr_t) + sizeof(ngx_sockaddr_t)
                                + NGX_SOCKADDR_STRLEN), ngx_cycle->log);
    if (list == NULL) {
        return NGX_ERROR;
    }

    sockaddr = (ngx_sockaddr_t *) &list[naddrs];
    p = (u_char *) &sockaddr[naddrs];

    for (i = 0; i < naddrs; i++) {
        ngx_memcpy(&sockaddr[i], addrs[i].sockaddr, addrs[i].socklen);
        ngx_inet_set_port(&sockaddr[i].sockaddr, target->port);

        list[i].sockaddr = &sockaddr[i].sockaddr;
        list[i].socklen = addrs[i].socklen;
        list[i].name.data = p;
        list[i].name.len = ngx_sock_ntop(list[i].sockaddr, list[i].socklen, p,
                                         NGX_SOCKADDR_STRLEN, 1);

        p += NGX_SOCKADDR_STRLEN;
    }

    if (target->resolved != NULL) {
        ngx_free(target->resolved);
    }

    target->resolved = list;
    target->addrs = list;
    target->naddrs = naddrs;

    return NGX_OK;
}


void
ngx_mdm_peer_target_free(ngx_mdm_peer_target_t *target)
{
    if (target->resolved != NULL) {
        ngx_free(target->resolved);
    }

    if (target->text != NULL) {
        ngx_free(target->text);
    }

    ngx_memzero(target, sizeof(ngx_mdm_peer_target_t));
}
