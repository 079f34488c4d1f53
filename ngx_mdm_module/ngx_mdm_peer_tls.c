
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * TLS of a peer: settings, handshake, verification, and the goodbye.
 */


#include "ngx_mdm_peer.h"

#include <openssl/x509v3.h>


/* certificates between that of the server and the trusted one */
#define NGX_MDM_PEER_TLS_DEPTH  8


static ngx_int_t ngx_mdm_peer_tls_cert(ngx_mdm_peer_t *peer,
    ngx_connection_t *c);
static void ngx_mdm_peer_tls_info(const SSL *ssl, int where, int ret);
static ngx_uint_t ngx_mdm_peer_tls_expected(ngx_mdm_peer_t *peer,
    ngx_str_t *name);
static void ngx_mdm_peer_tls_handler(ngx_connection_t *c);
static ngx_int_t ngx_mdm_peer_tls_verify(ngx_mdm_peer_t *peer,
    ngx_connection_t *c, ngx_str_t *reason);
static ngx_int_t ngx_mdm_peer_tls_protocol(ngx_mdm_peer_t *peer,
    ngx_connection_t *c, ngx_str_t *reason);


ngx_mdm_peer_tls_t *
ngx_mdm_peer_tls_create(ngx_conf_t *cf, ngx_mdm_peer_tls_conf_t *conf)
{
    u_char              *p;
    ngx_mdm_peer_tls_t  *tls;
    ngx_pool_cleanup_t  *cln;

    tls = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_peer_tls_t));
    if (tls == NULL) {
        return NULL;
    }

    tls->alpn = conf->alpn;

    if (conf->name.len != 0) {

        /* OpenSSL wants the name with a NUL */

        p = ngx_pnalloc(cf->pool, conf->name.len + 1);
        if (p == NULL) {
            return NULL;
        }

        tls->name.data = p;
        tls->name.len = conf->name.len;

        p = ngx_cpymem(p, conf->name.data, conf->name.len);
        *p = '\0';
    }

    tls->ssl.log = cf->log;

    if (ngx_ssl_create(&tls->ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(&tls->ssl);
        return NULL;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = &tls->ssl;

    if (conf->certificate.len != 0
        && ngx_ssl_certificate(cf, &tls->ssl, &conf->certificate,
                               &conf->certificate_key, NULL)
           != NGX_OK)
    {
        return NULL;
    }

    if (ngx_ssl_trusted_certificate(cf, &tls->ssl,
                                    &conf->trusted_certificate,
                                    NGX_MDM_PEER_TLS_DEPTH)
        != NGX_OK)
    {
        return NULL;
    }

    /* 0 is success here */

    if (conf->alpn.len != 0
        && SSL_CTX_set_alpn_protos(tls->ssl.ctx, conf->alpn.data,
                                   (unsigned) conf->alpn.len)
           != 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_set_alpn_protos() failed");
        return NULL;
    }

    return tls;
}


/* the name that the server's certificate has to have; 1: it is an address */

static ngx_uint_t
ngx_mdm_peer_tls_expected(ngx_mdm_peer_t *peer, ngx_str_t *name)
{
    struct in6_addr  in6;

    *name = peer->conf->tls->name;

    if (name->len == 0) {
        *name = peer->target->host;
    }

    return (ngx_inet_addr(name->data, name->len) != INADDR_NONE
            || ngx_inet6_addr(name->data, name->len, in6.s6_addr) == NGX_OK);
}


ngx_int_t
ngx_mdm_peer_tls_start(ngx_mdm_peer_t *peer)
{
    ngx_int_t             rc;
    ngx_str_t             name;
    ngx_connection_t     *c;
    ngx_mdm_peer_tls_t   *tls;

    c = peer->connection;
    tls = peer->conf->tls;

    peer->log.action = (char *) peer->handlers->securing;
    peer->state = NGX_MDM_PEER_SECURING;

    if (ngx_ssl_create_connection(&tls->ssl, c, NGX_SSL_CLIENT) != NGX_OK) {
        return NGX_ERROR;
    }

    /* bytes that were copied meanwhile are sent again from another address */

    (void) SSL_set_mode(c->ssl->connection,
                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    if (ngx_mdm_peer_tls_cert(peer, c) != NGX_OK) {
        return NGX_ERROR;
    }

    /* that of the context is for servers */

    SSL_set_info_callback(c->ssl->connection, ngx_mdm_peer_tls_info);

    /* Server Name Indication knows no addresses, RFC 6066 */

    if (!ngx_mdm_peer_tls_expected(peer, &name)
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
        c->ssl->handler = ngx_mdm_peer_tls_handler;
        return NGX_OK;
    }

    ngx_mdm_peer_tls_handler(c);

    return NGX_OK;
}


/* not ngx_ssl_connection_certificate(), whose arguments changed */

static ngx_int_t
ngx_mdm_peer_tls_cert(ngx_mdm_peer_t *peer, ngx_connection_t *c)
{
    SSL                        *ssl;
    const ngx_mdm_peer_cert_t  *cert;

    cert = peer->cert;

    if (cert == NULL) {
        return NGX_OK;
    }

    ssl = c->ssl->connection;

    if (SSL_use_certificate(ssl, cert->cert) != 1
        || SSL_use_PrivateKey(ssl, cert->key) != 1
        || (cert->chain != NULL && SSL_set1_chain(ssl, cert->chain) != 1))
    {
        ngx_ssl_error(NGX_LOG_ERR, c->log, 0,
                      "a client certificate could not be set");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* TLS 1.3: what the server thinks of our certificate comes as an alert later */

static void
ngx_mdm_peer_tls_info(const SSL *ssl, int where, int ret)
{
    ngx_mdm_peer_t    *peer;
    ngx_connection_t  *c;

    if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT
        || (ret & 0xff) == SSL_AD_CLOSE_NOTIFY)
    {
        return;
    }

    c = ngx_ssl_get_connection(ssl);
    peer = c->data;

    peer->alert = ret & 0xff;
}


const char *
ngx_mdm_peer_tls_alert(ngx_mdm_peer_t *peer)
{
    switch (peer->alert) {

    case 0:
        return NULL;

    case SSL_AD_BAD_CERTIFICATE:
        peer->fault = NGX_MDM_PEER_FAULT_REFUSED;
        return "it refuses our certificate: TLS alert \"bad certificate\"";

    case SSL_AD_UNSUPPORTED_CERTIFICATE:
        peer->fault = NGX_MDM_PEER_FAULT_REFUSED;
        return "it refuses our certificate: TLS alert "
               "\"unsupported certificate\"";

    case SSL_AD_CERTIFICATE_REVOKED:
        peer->fault = NGX_MDM_PEER_FAULT_REFUSED;
        return "it refuses our certificate: TLS alert "
               "\"certificate revoked\"";

    case SSL_AD_CERTIFICATE_EXPIRED:
        peer->fault = NGX_MDM_PEER_FAULT_REFUSED;
        return "it refuses our certificate: TLS alert "
               "\"certificate expired\"";

    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
#ifdef SSL_AD_CERTIFICATE_REQUIRED
    case SSL_AD_CERTIFICATE_REQUIRED:
#endif
        peer->fault = NGX_MDM_PEER_FAULT_REFUSED;
        return "it refuses our certificate: a TLS alert";

    default:
        return "it has ended TLS by an alert";
    }
}


static void
ngx_mdm_peer_tls_handler(ngx_connection_t *c)
{
    ngx_str_t        reason;
    const char      *alert;
    ngx_mdm_peer_t  *peer;

    peer = c->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "mdm peer TLS handler, handshaked:%d",
                   (int) c->ssl->handshaked);

    if (!c->ssl->handshaked) {
        ngx_str_set(&reason, "the TLS handshake has failed");

        alert = ngx_mdm_peer_tls_alert(peer);

        if (alert != NULL && peer->fault == NGX_MDM_PEER_FAULT_REFUSED) {
            reason.data = (u_char *) alert;
            reason.len = ngx_strlen(alert);
        }

        peer->secured(c, &reason);
        return;
    }

    if (ngx_mdm_peer_tls_verify(peer, c, &reason) != NGX_OK) {
        peer->secured(c, &reason);
        return;
    }

    peer->secured(c, NULL);
}


static ngx_int_t
ngx_mdm_peer_tls_verify(ngx_mdm_peer_t *peer, ngx_connection_t *c,
    ngx_str_t *reason)
{
    int         ok;
    long        rc;
    X509       *cert;
    ngx_str_t   name;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        peer->fault = NGX_MDM_PEER_FAULT_UNTRUSTED;
        ngx_mdm_peer_reason(peer, reason,
                                  "its certificate is not trusted: %s",
                                  X509_verify_cert_error_string(rc));
        return NGX_ERROR;
    }

    if (ngx_mdm_peer_tls_expected(peer, &name)) {
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
        return ngx_mdm_peer_tls_protocol(peer, c, reason);
    }

    peer->fault = NGX_MDM_PEER_FAULT_UNTRUSTED;
    ngx_mdm_peer_reason(peer, reason,
                              "its certificate is not for \"%V\"",
                              &name);

    return NGX_ERROR;
}


/* has the server chosen the first protocol, if any is wanted? */

static ngx_int_t
ngx_mdm_peer_tls_protocol(ngx_mdm_peer_t *peer, ngx_connection_t *c,
    ngx_str_t *reason)
{
    ngx_str_t             *alpn;
    unsigned int           len;
    const unsigned char   *data;

    alpn = &peer->conf->tls->alpn;

    if (alpn->len == 0) {
        return NGX_OK;
    }

    SSL_get0_alpn_selected(c->ssl->connection, &data, &len);

    if (len != 0 && len == alpn->data[0] && len < alpn->len
        && ngx_memcmp(data, alpn->data + 1, len) == 0)
    {
        return NGX_OK;
    }

    peer->fault = NGX_MDM_PEER_FAULT_ALPN;
    ngx_str_set(reason, "it does not speak the protocol (ALPN)");

    return NGX_ERROR;
}


void
ngx_mdm_peer_tls_close(ngx_connection_t *c)
{
    c->ssl->no_wait_shutdown = 1;

    /* unsent bytes would keep a goodbye waiting, and its memory would leak */

    if (!c->write->ready) {
        c->ssl->no_send_shutdown = 1;
    }

    (void) ngx_ssl_shutdown(c);
}
