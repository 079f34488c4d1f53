
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * TLS to redis: between the connected socket and the handshake of redis.
 */


#ifndef _NGX_MDM_PEER_TLS_H_INCLUDED_
#define _NGX_MDM_PEER_TLS_H_INCLUDED_


#include "ngx_mdm_redis_conn.h"


/* of a store, built while the configuration is read */

struct ngx_mdm_store_tls_s {
    ngx_ssl_t                 ssl;
    ngx_str_t                 name;        /* "tls_name"; empty: the host's */
};


/*
 * Makes the context of a store with "tls on" from its other settings.
 * NGX_CONF_OK or NGX_CONF_ERROR; the log says why.
 */
char *ngx_mdm_redis_tls_conf(ngx_conf_t *cf, ngx_mdm_store_t *store);

/*
 * Starts TLS on a connected socket; ngx_mdm_redis_conn_secured() or
 * ngx_mdm_redis_conn_failed() is called when it is done, now or later.
 * NGX_OK; NGX_ERROR: no memory, neither is called.
 */
ngx_int_t ngx_mdm_redis_tls_start(ngx_mdm_redis_conn_t *conn);

/* says goodbye without waiting for an answer, and frees it */
void ngx_mdm_redis_tls_close(ngx_connection_t *c);


#endif /* _NGX_MDM_PEER_TLS_H_INCLUDED_ */
