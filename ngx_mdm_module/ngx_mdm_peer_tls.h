
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * TLS of a peer: between the connected socket and the protocol.
 */


#ifndef _NGX_MDM_PEER_TLS_H_INCLUDED_
#define _NGX_MDM_PEER_TLS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/*
 * Settings as a configuration has them.  A certificate and its key are what
 * ngx_ssl_certificate() takes: a file, or "data:" and PEM text in memory.
 */

typedef struct {
    ngx_str_t                 trusted_certificate; /* a file of CAs */
    ngx_str_t                 certificate; /* our own, and */
    ngx_str_t                 certificate_key; /* its key; empty: none */
    ngx_str_t                 name;        /* of the server's certificate;
                                              empty: the target's host */
    ngx_str_t                 alpn;        /* each protocol behind a byte with
                                              its length; empty: none.  The
                                              server has to choose the first
                                              one */
} ngx_mdm_peer_tls_conf_t;


/* made of them while the configuration is read, read-only afterwards */

typedef struct {
    ngx_ssl_t                 ssl;
    ngx_str_t                 name;        /* closed by NUL */
    ngx_str_t                 alpn;
} ngx_mdm_peer_tls_t;


/* the peer's TLS is up, or with a reason: it is not */
typedef void (*ngx_mdm_peer_tls_pt)(ngx_connection_t *c, ngx_str_t *reason);


/*
 * Makes the context: TLS 1.2 and 1.3, and the server is verified by the CAs
 * and by name.  NULL: the log says why.
 */
ngx_mdm_peer_tls_t *ngx_mdm_peer_tls_create(ngx_conf_t *cf,
    ngx_mdm_peer_tls_conf_t *conf);

/* says goodbye without waiting for an answer, and frees it */
void ngx_mdm_peer_tls_close(ngx_connection_t *c);


#endif /* _NGX_MDM_PEER_TLS_H_INCLUDED_ */
