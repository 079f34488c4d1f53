
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Finds the certificate of the device that made a request, and verifies it.
 */


#include "ngx_mdm_module.h"

#include "mdm_certificate.h"
#include "mdm_cms.h"


/* what is kept with a TLS connection once its certificate was asked for */

typedef struct {
    mdm_str_t                 der;
    u_char                    digest[MDM_SHA256];
    u_char                    sha256[2 * MDM_SHA256];
} ngx_mdm_identity_kept_t;


static ngx_int_t ngx_mdm_identity_tls(ngx_http_request_t *r,
    mdm_exchange_t *x, mdm_identity_t *identity, ngx_uint_t *status,
    ngx_str_t *why);
static ngx_mdm_identity_kept_t *ngx_mdm_identity_keep(SSL *ssl, X509 *cert);
static ngx_int_t ngx_mdm_identity_header(ngx_http_request_t *r,
    ngx_mdm_identity_conf_t *conf, mdm_exchange_t *x,
    mdm_identity_t *identity, ngx_uint_t *status, ngx_str_t *why);
static ngx_int_t ngx_mdm_identity_signature(ngx_http_request_t *r,
    ngx_mdm_identity_conf_t *conf, mdm_exchange_t *x,
    ngx_mdm_signature_t *signature, mdm_identity_t *identity,
    ngx_uint_t *status, ngx_str_t *why);
static ngx_int_t ngx_mdm_identity_find_header(ngx_http_request_t *r,
    ngx_str_t *name, ngx_table_elt_t **header);
static ngx_int_t ngx_mdm_identity_trusted_peer(ngx_http_request_t *r,
    ngx_array_t *proxies);
static ngx_int_t ngx_mdm_identity_certified(mdm_exchange_t *x, X509 *cert,
    mdm_identity_e source, mdm_identity_t *identity);
static ngx_int_t ngx_mdm_identity_join(mdm_exchange_t *x,
    mdm_identity_t *identity, ngx_uint_t *status, ngx_str_t *why);


/*
 * Where a certificate is kept in an SSL object.  There is no free function
 * on purpose: OpenSSL would still call it after this module was unloaded by
 * a reload.  The memory is of the connection's pool.
 */

static int  ngx_mdm_identity_index = -1;


static ngx_str_t  ngx_mdm_identity_signature_name =
    ngx_string("Mdm-Signature");
static ngx_str_t  ngx_mdm_identity_peer_name =
    ngx_string("realip_remote_addr");


ngx_int_t
ngx_mdm_identity(ngx_http_request_t *r, ngx_mdm_identity_conf_t *conf,
    mdm_exchange_t *x, ngx_mdm_signature_t *signature, ngx_uint_t *status,
    ngx_str_t *why)
{
    ngx_int_t       rc;
    mdm_identity_t  identity;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mdm identity, sources: %ui", conf->sources);

    ngx_memzero(&x->identity, sizeof(mdm_identity_t));
    ngx_str_null(why);

    /* from the strongest to the weakest */

    if (conf->sources & NGX_MDM_CERTIFICATE_TLS) {
        rc = ngx_mdm_identity_tls(r, x, &x->identity, status, why);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (conf->sources & NGX_MDM_CERTIFICATE_HEADER) {
        rc = ngx_mdm_identity_header(r, conf, x, &identity, status, why);
        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_mdm_identity_join(x, &identity, status, why);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if ((conf->sources & NGX_MDM_CERTIFICATE_SIGNATURE)
        && x->kind != MDM_KIND_AUTH)
    {
        rc = ngx_mdm_identity_signature(r, conf, x, signature, &identity,
                                        status, why);
        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_mdm_identity_join(x, &identity, status, why);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (x->identity.source == MDM_IDENTITY_NONE && why->len != 0) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_identity_tls(ngx_http_request_t *r, mdm_exchange_t *x,
    mdm_identity_t *identity, ngx_uint_t *status, ngx_str_t *why)
{
    long                      result;
    SSL                      *ssl;
    X509                     *cert;
    ngx_http_ssl_srv_conf_t  *sscf;
    ngx_mdm_identity_kept_t  *kept;

    if (r->connection->ssl == NULL) {
        return NGX_OK;
    }

    /*
     * A certificate may have been verified for another server of this
     * address, by other CAs; nginx refuses such a request only where
     * certificates are asked for.
     */

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_ssl_module);

    if (sscf->verify == 0) {
        return NGX_OK;
    }

    ssl = r->connection->ssl->connection;

    result = SSL_get_verify_result(ssl);

    if (result != X509_V_OK) {

        /* "ssl_verify_client optional_no_ca" lets it through; not we */

        *status = NGX_HTTP_FORBIDDEN;

        if (SSL_get0_peer_certificate(ssl) != NULL
            && mdm_printf(x->arena, (mdm_str_t *) why, "the client "
                          "certificate is not verified (%s)",
                          X509_verify_cert_error_string(result))
               != MDM_OK)
        {
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    kept = SSL_get_ex_data(ssl, ngx_mdm_identity_index);

    if (kept == NULL) {

        cert = SSL_get0_peer_certificate(ssl);
        if (cert == NULL) {
            return NGX_OK;
        }

        kept = ngx_mdm_identity_keep(ssl, cert);
        if (kept == NULL) {
            return NGX_ERROR;
        }
    }

    /* early data may be a replay: it does not prove the key */

    if (!SSL_is_init_finished(ssl)) {
        *status = NGX_MDM_HTTP_TOO_EARLY;
        ngx_str_set(why, "client certificate in TLS early data");
        return NGX_DECLINED;
    }

    identity->source = MDM_IDENTITY_TLS;
    identity->digest.data = kept->digest;
    identity->digest.len = sizeof(kept->digest);
    identity->sha256.data = kept->sha256;
    identity->sha256.len = sizeof(kept->sha256);
    identity->der = kept->der;

    return NGX_OK;
}


static ngx_mdm_identity_kept_t *
ngx_mdm_identity_keep(SSL *ssl, X509 *cert)
{
    int                       len;
    u_char                   *p;
    ngx_connection_t         *c;
    ngx_mdm_identity_kept_t  *kept;

    /* the real connection: that of an HTTP/2 stream goes with its stream */

    c = ngx_ssl_get_connection(ssl);

    len = i2d_X509(cert, NULL);
    if (len <= 0) {
        return NULL;
    }

    kept = ngx_palloc(c->pool, sizeof(ngx_mdm_identity_kept_t));
    if (kept == NULL) {
        return NULL;
    }

    p = ngx_pnalloc(c->pool, len);
    if (p == NULL) {
        return NULL;
    }

    kept->der.data = p;
    kept->der.len = len;

    if (i2d_X509(cert, &p) != len
        || mdm_certificate_sha256(&kept->der, kept->digest, kept->sha256)
           != MDM_OK
        || SSL_set_ex_data(ssl, ngx_mdm_identity_index, kept) != 1)
    {
        ngx_ssl_error(NGX_LOG_ALERT, c->log, 0,
                      "could not keep the client certificate");
        return NULL;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "mdm identity of TLS connection: %*s",
                   sizeof(kept->sha256), kept->sha256);

    return kept;
}


static ngx_int_t
ngx_mdm_identity_header(ngx_http_request_t *r, ngx_mdm_identity_conf_t *conf,
    mdm_exchange_t *x, mdm_identity_t *identity, ngx_uint_t *status,
    ngx_str_t *why)
{
    X509             *cert;
    ngx_int_t         rc;
    const char       *reason;
    ngx_table_elt_t  *h;

    identity->source = MDM_IDENTITY_NONE;

    rc = ngx_mdm_identity_find_header(r, &conf->header, &h);

    if (h == NULL) {
        return NGX_OK;
    }

    switch (ngx_mdm_identity_trusted_peer(r, conf->trusted_proxies)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "header \"%V\" is ignored: the peer is no "
                      "\"mdm_trusted_proxy\"", &conf->header);
        return NGX_OK;

    default:
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        *status = NGX_HTTP_BAD_REQUEST;
        ngx_str_set(why, "client certificate header is sent twice");
        return NGX_DECLINED;
    }

    if (h->value.len == 0) {
        return NGX_OK;
    }

    switch (mdm_certificate_header(x->arena, (mdm_str_t *) &h->value, &cert)) {

    case MDM_OK:
        break;

    case MDM_DECLINED:
        *status = NGX_HTTP_BAD_REQUEST;
        ngx_str_set(why, "client certificate header holds no certificate");
        return NGX_DECLINED;

    default:
        return NGX_ERROR;
    }

    switch (mdm_certificate_verify(cert, NULL, conf->trusted, x->now,
                                   &reason))
    {

    case MDM_OK:
        return ngx_mdm_identity_certified(x, cert, MDM_IDENTITY_HEADER,
                                          identity);

    case MDM_DECLINED:
        *status = NGX_HTTP_FORBIDDEN;

        if (mdm_printf(x->arena, (mdm_str_t *) why,
                       "client certificate header: %s", reason)
            != MDM_OK)
        {
            return NGX_ERROR;
        }

        return NGX_DECLINED;

    default:
        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_mdm_identity_signature(ngx_http_request_t *r,
    ngx_mdm_identity_conf_t *conf, mdm_exchange_t *x,
    ngx_mdm_signature_t *signature, mdm_identity_t *identity,
    ngx_uint_t *status, ngx_str_t *why)
{
    ngx_int_t         rc;
    ngx_table_elt_t  *h;

    identity->source = MDM_IDENTITY_NONE;

    rc = ngx_mdm_identity_find_header(r, &ngx_mdm_identity_signature_name,
                                      &h);
    if (rc != NGX_OK) {
        *status = NGX_HTTP_BAD_REQUEST;
        ngx_str_set(why, "Mdm-Signature is sent twice");
        return NGX_DECLINED;
    }

    if (h == NULL || h->value.len == 0) {
        return NGX_OK;
    }

    if (!signature->checked) {
        ngx_mdm_identity_verify(conf, x, (mdm_str_t *) &h->value, signature);
    }

    switch (signature->rc) {

    case MDM_OK:
        return ngx_mdm_identity_certified(x, signature->signer,
                                          MDM_IDENTITY_SIGNATURE, identity);

    case MDM_CMS_MALFORMED:
        *status = NGX_HTTP_BAD_REQUEST;
        break;

    case MDM_DECLINED:
        *status = NGX_HTTP_FORBIDDEN;
        break;

    default:
        return NGX_ERROR;
    }

    if (mdm_printf(x->arena, (mdm_str_t *) why, "Mdm-Signature: %s",
                   signature->reason)
        != MDM_OK)
    {
        return NGX_ERROR;
    }

    return NGX_DECLINED;
}


void
ngx_mdm_identity_signed(ngx_http_request_t *r, ngx_mdm_identity_conf_t *conf,
    mdm_str_t *signature)
{
    ngx_table_elt_t  *h;

    mdm_str_null(signature);

    if ((conf->sources & NGX_MDM_CERTIFICATE_SIGNATURE)
        && ngx_mdm_identity_find_header(r, &ngx_mdm_identity_signature_name,
                                        &h)
           == NGX_OK
        && h != NULL)
    {
        ngx_mdm_str_copy(signature, &h->value);
    }
}


void
ngx_mdm_identity_verify(ngx_mdm_identity_conf_t *conf, mdm_exchange_t *x,
    const mdm_str_t *signature, ngx_mdm_signature_t *result)
{
    result->rc = mdm_cms_verify(x->arena, signature, &x->body, conf->trusted,
                                x->now, &result->signer, &result->reason);
    result->checked = 1;
}


/*
 * NGX_OK: *header is the only one of this name, or NULL.  NGX_DECLINED: there
 * are more, and *header is the first.
 */

static ngx_int_t
ngx_mdm_identity_find_header(ngx_http_request_t *r, ngx_str_t *name,
    ngx_table_elt_t **header)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    *header = NULL;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len != name->len
            || ngx_strncasecmp(h[i].key.data, name->data, name->len) != 0)
        {
            continue;
        }

        if (*header != NULL) {
            return NGX_DECLINED;
        }

        *header = &h[i];
    }

    return NGX_OK;
}


/*
 * Is the address that the connection came from, before the realip module
 * changed it, one of the proxies?  NGX_OK, NGX_DECLINED or NGX_ERROR.
 */

static ngx_int_t
ngx_mdm_identity_trusted_peer(ngx_http_request_t *r, ngx_array_t *proxies)
{
    ngx_int_t                   rc;
    ngx_addr_t                  addr;
    ngx_uint_t                  key;
    struct sockaddr             sa;
    ngx_http_variable_value_t  *v;

    if (proxies == NULL) {
        return NGX_DECLINED;
    }

    key = ngx_hash_key(ngx_mdm_identity_peer_name.data,
                       ngx_mdm_identity_peer_name.len);

    v = ngx_http_get_variable(r, &ngx_mdm_identity_peer_name, key);
    if (v == NULL) {
        return NGX_ERROR;
    }

    if (v->not_found) {

        /* nginx without the realip module: nothing changed it */

        return ngx_cidr_match(r->connection->sockaddr, proxies);
    }

    if (v->len >= 5 && ngx_strncmp(v->data, "unix:", 5) == 0) {
        ngx_memzero(&sa, sizeof(struct sockaddr));
        sa.sa_family = AF_UNIX;

        return ngx_cidr_match(&sa, proxies);
    }

    rc = ngx_parse_addr(r->pool, &addr, v->data, v->len);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_cidr_match(addr.sockaddr, proxies);
}


static ngx_int_t
ngx_mdm_identity_certified(mdm_exchange_t *x, X509 *cert,
    mdm_identity_e source, mdm_identity_t *identity)
{
    u_char  *p;

    p = mdm_arena_alloc(x->arena, 3 * MDM_SHA256);
    if (p == NULL) {
        return NGX_ERROR;
    }

    identity->digest.data = p;
    identity->digest.len = MDM_SHA256;
    identity->sha256.data = p + MDM_SHA256;
    identity->sha256.len = 2 * MDM_SHA256;

    if (mdm_certificate_der(x->arena, cert, &identity->der) != MDM_OK
        || mdm_certificate_sha256(&identity->der, p, p + MDM_SHA256)
           != MDM_OK)
    {
        return NGX_ERROR;
    }

    identity->source = source;

    return NGX_OK;
}


/* all sources that have a certificate must have the same */

static ngx_int_t
ngx_mdm_identity_join(mdm_exchange_t *x, mdm_identity_t *identity,
    ngx_uint_t *status, ngx_str_t *why)
{
    if (identity->source == MDM_IDENTITY_NONE) {
        return NGX_OK;
    }

    if (x->identity.source == MDM_IDENTITY_NONE) {
        x->identity = *identity;
        return NGX_OK;
    }

    if (mdm_str_eq(&x->identity.digest, &identity->digest)) {
        return NGX_OK;
    }

    *status = NGX_HTTP_FORBIDDEN;

    if (identity->source == MDM_IDENTITY_HEADER) {
        ngx_str_set(why, "certificates of TLS and of the header differ");

    } else {
        ngx_str_set(why, "certificate of Mdm-Signature differs from that of "
                         "the connection");
    }

    return NGX_DECLINED;
}


void
ngx_mdm_identity_create_conf(ngx_mdm_identity_conf_t *conf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     conf->sources = 0;
     *     conf->header = { 0, NULL };
     *     conf->trusted_certificate = { 0, NULL };
     *     conf->trusted = NULL;
     *     conf->crl = { 0, NULL };
     *     conf->crl_loaded = 0;
     */

    conf->trusted_proxies = NGX_CONF_UNSET_PTR;
}


char *
ngx_mdm_identity_merge_conf(ngx_conf_t *cf, ngx_mdm_identity_conf_t *prev,
    ngx_mdm_identity_conf_t *conf)
{
    ngx_uint_t  own;

    if (ngx_mdm_identity_index == -1) {
        ngx_mdm_identity_index = SSL_get_ex_new_index(0, NULL, NULL, NULL,
                                                      NULL);
        if (ngx_mdm_identity_index == -1) {
            ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                          "SSL_get_ex_new_index() failed");
            return NGX_CONF_ERROR;
        }
    }

    if (conf->sources == 0) {
        conf->sources = prev->sources ? prev->sources
                                      : NGX_MDM_CERTIFICATE_TLS;
        conf->header = prev->header;
        conf->certificate_place = prev->certificate_place;
    }

    own = (conf->trusted != NULL || conf->crl.data != NULL);

    if (conf->crl.data == NULL) {
        conf->crl = prev->crl;
        conf->crl_place = prev->crl_place;
    }

    if (conf->trusted == NULL) {
        conf->trusted = prev->trusted;
        conf->trusted_certificate = prev->trusted_certificate;
        conf->trusted_place = prev->trusted_place;
    }

    if (conf->crl.len != 0 && conf->trusted != NULL) {

        if (own) {
            if (ngx_mdm_identity_crl_store(cf, conf) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

        } else {

            /* that of http {} is not merged itself: its first heir loads it */

            if (!prev->crl_loaded
                && ngx_mdm_identity_crl_store(cf, prev) != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

            conf->trusted = prev->trusted;
            conf->crl_loaded = 1;
        }
    }

    ngx_conf_merge_ptr_value(conf->trusted_proxies, prev->trusted_proxies,
                             NULL);

    return NGX_CONF_OK;
}


char *
ngx_mdm_identity_check_conf(ngx_conf_t *cf, ngx_mdm_identity_conf_t *conf,
    ngx_mdm_place_t *place)
{
    ngx_http_ssl_srv_conf_t   *sscf;
    ngx_http_core_srv_conf_t  *cscf;

    if ((conf->sources & (NGX_MDM_CERTIFICATE_HEADER
                          |NGX_MDM_CERTIFICATE_SIGNATURE))
        && conf->trusted == NULL)
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->certificate_place,
                          "\"mdm_certificate %s\" needs "
                          "\"mdm_trusted_certificate\"",
                          (conf->sources & NGX_MDM_CERTIFICATE_HEADER)
                          ? "header" : "signature");
        return NGX_CONF_ERROR;
    }

    if (conf->crl.len != 0 && conf->trusted == NULL) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->crl_place,
                          "\"mdm_crl\" needs \"mdm_trusted_certificate\" "
                          "(for certificates of TLS there is \"ssl_crl\")");
        return NGX_CONF_ERROR;
    }

    if ((conf->sources & NGX_MDM_CERTIFICATE_HEADER)
        && conf->trusted_proxies == NULL)
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->certificate_place,
                          "\"mdm_certificate header\" needs "
                          "\"mdm_trusted_proxy\"");
        return NGX_CONF_ERROR;
    }

    sscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_ssl_module);

    if (conf->sources == NGX_MDM_CERTIFICATE_TLS && sscf->verify == 0) {
        cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

        ngx_mdm_place_log(NGX_LOG_WARN, cf, place,
                          "\"mdm_certificate tls\" without "
                          "\"ssl_verify_client\" in server \"%V\" in %s:%ui: "
                          "no device will have a certificate, and \"%V\" "
                          "answers each with 403",
                          &cscf->server_name, cscf->file_name, cscf->line,
                          &place->name);
    }

    return NGX_CONF_OK;
}
