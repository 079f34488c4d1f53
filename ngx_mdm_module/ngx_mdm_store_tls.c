
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * "tls on" of a store: what it has to say besides.
 */


#include "ngx_mdm_store.h"


char *
ngx_mdm_store_tls_init(ngx_conf_t *cf, ngx_mdm_store_t *store)
{
    ngx_uint_t               i;
    ngx_mdm_store_server_t  *server;

    if (store->tls.trusted_certificate.len == 0) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\" has \"tls on\" but no "
                          "\"tls_trusted_certificate\"", &store->name);
        return NGX_CONF_ERROR;
    }

    if ((store->tls.certificate.len == 0)
        != (store->tls.certificate_key.len == 0))
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\" has only one of "
                          "\"tls_certificate\" and \"tls_certificate_key\"",
                          &store->name);
        return NGX_CONF_ERROR;
    }

    server = store->servers.elts;

    for (i = 0; i < store->servers.nelts && store->tls.name.len == 0; i++) {

        if (server[i].host.len == 0) {
            ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                              "mdm store \"%V\" has \"tls on\" and a Unix "
                              "socket, but no \"tls_name\"", &store->name);
            return NGX_CONF_ERROR;
        }
    }

    store->peer.tls = ngx_mdm_peer_tls_create(cf, &store->tls);

    return (store->peer.tls == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;
}
