
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The servers of a store, and how their names become addresses at start.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_store.h"


#define NGX_MDM_REDIS_PORT  6379


static ngx_int_t ngx_mdm_store_host(ngx_conf_t *cf,
    ngx_mdm_store_server_t *server);
static ngx_int_t ngx_mdm_store_resolve_server(ngx_conf_t *cf,
    ngx_mdm_store_t *store, ngx_mdm_store_server_t *server);


char *
ngx_mdm_store_server(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_store_t *store = block;

    ngx_str_t               *value, *text;
    ngx_mdm_store_server_t  *server;

    (void) cmd;

    value = cf->args->elts;
    text = &value[1];

    server = ngx_array_push(&store->servers);
    if (server == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(server, sizeof(ngx_mdm_store_server_t));

    ngx_mdm_place_set(cf, &server->place);

    server->text = *text;
    server->url.url = *text;
    server->url.default_port = NGX_MDM_REDIS_PORT;
    server->url.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &server->url) != NGX_OK) {

        if (server->url.err) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in server \"%V\"",
                               server->url.err, text);
        }

        return NGX_CONF_ERROR;
    }

    if (server->url.family != AF_UNIX
        && ngx_mdm_store_host(cf, server) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_mdm_store_host(ngx_conf_t *cf, ngx_mdm_store_server_t *server)
{
    u_char     *p;
    ngx_str_t   host;

    host = server->url.host;

    if (host.len > 2 && host.data[0] == '['
        && host.data[host.len - 1] == ']')
    {
        host.data++;
        host.len -= 2;
    }

    p = ngx_pnalloc(cf->pool, host.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    server->host.data = p;
    server->host.len = host.len;

    p = ngx_cpymem(p, host.data, host.len);
    *p = '\0';

    /* an address has been parsed, a name has not been resolved yet */

    server->named = (server->url.naddrs == 0);

    return NGX_OK;
}


void
ngx_mdm_store_check_servers(ngx_conf_t *cf, ngx_mdm_store_t *store)
{
    ngx_uint_t               i, named;
    ngx_mdm_store_server_t  *server;

    named = 0;
    server = store->servers.elts;

    for (i = 0; i < store->servers.nelts; i++) {

        named |= server[i].named;

        if (store->mode == NGX_MDM_STORE_CLUSTER
            && server[i].url.family == AF_UNIX)
        {
            ngx_mdm_place_log(NGX_LOG_WARN, cf, &server[i].place,
                              "server \"%V\" of mdm store \"%V\" is a Unix "
                              "socket, but nodes of a cluster tell host and "
                              "port of each other: calls go there by TCP",
                              &server[i].text, &store->name);
        }
    }

    /* the names of others come from Sentinels and nodes */

    if (store->mode == NGX_MDM_STORE_SINGLE && !named
        && store->peer.resolver != NULL)
    {
        ngx_mdm_place_log(NGX_LOG_WARN, cf, &store->resolver_place,
                          "\"resolver\" has no use in mdm store \"%V\", "
                          "whose server \"%V\" is no name",
                          &store->name, &server[0].text);
    }
}


ngx_int_t
ngx_mdm_store_resolve(ngx_conf_t *cf, ngx_array_t *stores)
{
    ngx_uint_t                 i, j;
    ngx_mdm_store_t          **store;
    ngx_mdm_store_server_t    *server;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    store = stores->elts;

    for (i = 0; i < stores->nelts; i++) {

        if (store[i]->peer.resolver == NULL && clcf->resolver != NULL
            && ngx_mdm_resolver_has_servers(clcf->resolver))
        {
            store[i]->peer.resolver = clcf->resolver;
        }

        server = store[i]->servers.elts;

        for (j = 0; j < store[i]->servers.nelts; j++) {

            if (server[j].named
                && ngx_mdm_store_resolve_server(cf, store[i], &server[j])
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_store_resolve_server(ngx_conf_t *cf, ngx_mdm_store_t *store,
    ngx_mdm_store_server_t *server)
{
    if (ngx_inet_resolve_host(cf->pool, &server->url) == NGX_OK) {
        return NGX_OK;
    }

    if (server->url.err == NULL) {
        return NGX_ERROR;
    }

    if (store->peer.resolver != NULL) {

        /* workers ask again before each attempt to connect */

        server->url.naddrs = 0;

        ngx_mdm_place_log(NGX_LOG_WARN, cf, &server->place,
                          "%s in server \"%V\" of mdm store \"%V\", "
                          "\"resolver\" will be asked for it",
                          server->url.err, &server->text, &store->name);
        return NGX_OK;
    }

    ngx_mdm_place_log(NGX_LOG_EMERG, cf, &server->place,
                      "%s in server \"%V\" of mdm store \"%V\"",
                      server->url.err, &server->text, &store->name);

    return NGX_ERROR;
}


void
ngx_mdm_store_target(ngx_mdm_store_server_t *server,
    ngx_mdm_peer_target_t *target)
{
    ngx_memzero(target, sizeof(ngx_mdm_peer_target_t));

    target->name = server->text;
    target->host = server->host;
    target->port = server->url.port;
    target->addrs = server->url.addrs;
    target->naddrs = server->url.naddrs;
    target->named = server->named;

    /* as nginx writes it, with the port */

    if (target->naddrs == 1 && !target->named) {
        target->name = target->addrs[0].name;
    }
}
