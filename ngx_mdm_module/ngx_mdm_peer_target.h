
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Where a connection goes: a server by its addresses, or by a name that
 * nginx's resolver turns into them.
 */


#ifndef _NGX_MDM_PEER_TARGET_H_INCLUDED_
#define _NGX_MDM_PEER_TARGET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_str_t                 name;        /* "host:port", for the log */
    ngx_str_t                 host;        /* closed by NUL, which len does
                                              not count; TLS verifies it;
                                              empty for a Unix socket */
    in_port_t                 port;
    ngx_addr_t               *addrs;
    ngx_uint_t                naddrs;      /* 0: not resolved yet */

    void                     *text;        /* to be freed with it */
    void                     *resolved;    /* addrs, if they are its own */
    unsigned                  named:1;     /* host is no address */
} ngx_mdm_peer_target_t;


/*
 * A host, address or name, that is told while serving.  NGX_OK; NGX_DECLINED:
 * it cannot be one; NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_peer_target_host(ngx_mdm_peer_target_t *target,
    ngx_str_t *host, in_port_t port);

/* the addresses that a resolver has found; NGX_OK, or NGX_ERROR: no memory */
ngx_int_t ngx_mdm_peer_target_resolved(ngx_mdm_peer_target_t *target,
    ngx_resolver_addr_t *addrs, ngx_uint_t naddrs);

void ngx_mdm_peer_target_free(ngx_mdm_peer_target_t *target);


#endif /* _NGX_MDM_PEER_TARGET_H_INCLUDED_ */
