
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "ngx_mdm_peer_tls.h"

#include <openssl/x509v3.h>


/* certificates between that of the server and the trusted one */
#define NGX_MDM_REDIS_TLS_DEPTH  8


static ngx_int_t ngx_mdm_redis_tls_name(ngx_conf_t *cf,
    ngx_mdm_store_t *store, ngx_mdm_store_tls_t *tls);
static ngx_uint_t ngx_mdm_redis_tls_expected(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *name);
static void ngx_mdm_redis_tls_handler(ngx_connection_t *c);
static ngx_int_t ngx_mdm_redis_tls_verify(ngx_mdm_redis_conn_t *conn,
    ngx_connection_t *c, ngx_str_t *reason);


char *
ngx_mdm_redis_tls_conf(ngx_conf_t *cf, ngx_mdm_store_t *store)
{
    ngx_pool_cleanup_t   *cln;
    ngx_mdm_store_tls_t  *tls;

    if (store->tls_trusted_certificate.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm store \"%V\" has \"tls on\" but no "
                           "\"tls_trusted_certificate\"", &store->name);
        return NGX_CONF_ERROR;
    }

    if ((store->tls_certificate.len == 0)
        != (store->tls_certificate_key.len == 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm store \"%V\" has only one of "
                           "\"tls_certificate\" and \"tls_certificate_key\"",
                           &store->name);
        return NGX_CONF_ERROR;
    }

    tls = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_store_tls_t));
    if (tls == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_mdm_redis_tls_name(cf, store, tls) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    tls->ssl.log = cf->log;

    if (ngx_ssl_create(&tls->ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(&tls->ssl);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = &tls->ssl;

    if (store->tls_certificate.len != 0
        && ngx_ssl_certificate(cf, &tls->ssl, &store->tls_certificate,
                               &store->tls_certificate_key, NULL)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_ssl_trusted_certificate(cf, &tls->ssl,
                                    &store->tls_trusted_certificate,
                                    NGX_MDM_REDIS_TLS_DEPTH)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    store->tls = tls;

    return NGX_CONF_OK;
}


/* the name that the server's certificate must have */

/* OpenSSL wants the name with a NUL */

static ngx_int_t
ngx_mdm_redis_tls_name(ngx_conf_t *cf, ngx_mdm_store_t *store,
    ngx_mdm_store_tls_t *tls)
{
    u_char                  *p;
    ngx_uint_t               i;
    ngx_mdm_store_server_t  *server;

    if (store->tls_name.len != 0) {
        p = ngx_pnalloc(cf->pool, store->tls_name.len + 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        tls->name.data = p;
        tls->name.len = store->tls_name.len;

        p = ngx_cpymem(p, store->tls_name.data, store->tls_name.len);
        *p = '\0';

        return NGX_OK;
    }

    server = store->servers.elts;

    for (i = 0; i < store->servers.nelts; i++) {
        if (server[i].host.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "mdm store \"%V\" has \"tls on\" and a Unix "
                               "socket, but no \"tls_name\"", &store->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the name that the server's certificate has to have; 1: it is an address */

static ngx_uint_t
ngx_mdm_redis_tls_expected(ngx_mdm_redis_conn_t *conn, ngx_str_t *name)
{
    struct in6_addr  in6;

    *name = conn->store->tls->name;

    if (name->len == 0) {
        *name = conn->target->host;
    }

    return (ngx_inet_addr(name->data, name->len) != INADDR_NONE
            || ngx_inet6_addr(name->data, name->len, in6.s6_addr) == NGX_OK);
}


ngx_int_t
ngx_mdm_redis_tls_start(ngx_mdm_redis_conn_t *conn)
{
    ngx_int_t             rc;
    ngx_str_t             name;
    ngx_connection_t     *c;
    ngx_mdm_store_tls_t  *tls;

    c = conn->connection;
    tls = conn->store->tls;

    conn->log.action = "TLS handshaking with redis";
    conn->state = NGX_MDM_REDIS_CONN_SECURING;

    if (ngx_ssl_create_connection(&tls->ssl, c, NGX_SSL_CLIENT) != NGX_OK) {
        return NGX_ERROR;
    }

    /* what is detached from its owner is repeated from another place */

    (void) SSL_set_mode(c->ssl->connection,
                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    /* Server Name Indication knows no addresses, RFC 6066 */

    if (!ngx_mdm_redis_tls_expected(conn, &name)
        && SSL_set_tlsext_host_name(c->ssl->connection,
                                    (char *) name.data)
           == 0)
    {
        ngx_ssl_error(NGX_LOG_ERR, c->log, 0,
                      "SSL_set_tlsext_host_name(\"%s\") failed",
                      name.data);
        return NGX_ERROR;
    }

    /* its handlers know nothing of c->close, which is for idle ones */

    c->idle = 0;

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_mdm_redis_tls_handler;
        return NGX_OK;
    }

    ngx_mdm_redis_tls_handler(c);

    return NGX_OK;
}


static void
ngx_mdm_redis_tls_handler(ngx_connection_t *c)
{
    ngx_str_t              reason;
    ngx_mdm_redis_conn_t  *conn;

    conn = c->data;

    if (!c->ssl->handshaked) {
        ngx_str_set(&reason, "the TLS handshake has failed");
        ngx_mdm_redis_conn_failed(conn, &reason);
        return;
    }

    if (ngx_mdm_redis_tls_verify(conn, c, &reason) != NGX_OK) {
        ngx_mdm_redis_conn_failed(conn, &reason);
        return;
    }

    ngx_mdm_redis_conn_secured(conn);
}


static ngx_int_t
ngx_mdm_redis_tls_verify(ngx_mdm_redis_conn_t *conn, ngx_connection_t *c,
    ngx_str_t *reason)
{
    int         ok;
    long        rc;
    X509       *cert;
    ngx_str_t   name;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_mdm_redis_conn_reason(conn, reason,
                                  "its certificate is not trusted: %s",
                                  X509_verify_cert_error_string(rc));
        return NGX_ERROR;
    }

    if (ngx_mdm_redis_tls_expected(conn, &name)) {
        ok = 0;
        cert = SSL_get_peer_certificate(c->ssl->connection);

        if (cert != NULL) {
            ok = (X509_check_ip_asc(cert, (char *) name.data, 0) == 1);
            X509_free(cert);
        }

    } else {
        ok = (ngx_ssl_check_host(c, &name) == NGX_OK);
    }

    if (ok) {
        return NGX_OK;
    }

    ngx_mdm_redis_conn_reason(conn, reason,
                              "its certificate is not for \"%V\"",
                              &name);

    return NGX_ERROR;
}


void
ngx_mdm_redis_tls_close(ngx_connection_t *c)
{
    c->ssl->no_wait_shutdown = 1;

    /* behind what could not be sent a goodbye would wait, and leak */

    if (!c->write->ready) {
        c->ssl->no_send_shutdown = 1;
    }

    (void) ngx_ssl_shutdown(c);
}
