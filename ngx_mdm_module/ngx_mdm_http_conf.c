
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * How HTTP requests are made, as it is configured: mdm_http_client { }, and the
 * clients of those who have their own.
 */


#include "ngx_mdm_http.h"
#include "ngx_mdm_block.h"
#include "ngx_mdm_file.h"
#include "ngx_mdm_file_pem.h"
#include "ngx_mdm_peer.h"

#include <curl/curl.h>


#define NGX_MDM_HTTP_MAX      32
#define NGX_MDM_HTTP_TIMEOUT  60000

/* bytes of "name:password" */
#define NGX_MDM_HTTP_USER     512

/* RFC 1035 */
#define NGX_MDM_HTTP_HOST     255


static ngx_mdm_http_client_t *ngx_mdm_http_client_add(ngx_conf_t *cf);
static void ngx_mdm_http_client_free(void *data);
static char *ngx_mdm_http_client_merge(ngx_conf_t *cf,
    ngx_mdm_http_client_t *client, ngx_mdm_http_client_t *parent);
static char *ngx_mdm_http_client_names(ngx_conf_t *cf,
    ngx_mdm_http_client_t *client);
static char *ngx_mdm_http_library(ngx_conf_t *cf,
    ngx_mdm_http_client_t *client);
static char *ngx_mdm_http_trusted(ngx_conf_t *cf,
    ngx_mdm_http_client_t *client, ngx_mdm_http_client_t *parent);
static char *ngx_mdm_http_certificate(ngx_conf_t *cf,
    ngx_mdm_http_client_t *client, ngx_mdm_http_client_t *parent);
static char *ngx_mdm_http_proxy(ngx_conf_t *cf, ngx_mdm_http_client_t *client,
    ngx_mdm_http_client_t *parent);
static char *ngx_mdm_http_proxy_url(ngx_conf_t *cf,
    ngx_mdm_http_client_t *client);
static char *ngx_mdm_http_proxy_auth(ngx_conf_t *cf,
    ngx_mdm_http_client_t *client);


static ngx_mdm_block_command_t  ngx_mdm_http_client_commands[] = {
    { ngx_string("trusted_certificate"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_http_client_t, trusted_certificate), 0, 0 },
    { ngx_string("certificate"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_http_client_t, certificate), 0, 0 },
    { ngx_string("certificate_key"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_http_client_t, certificate_key), 0, 0 },
    { ngx_string("proxy"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_http_client_t, proxy), 0, 0 },
    { ngx_string("proxy_auth_file"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_http_client_t, proxy_auth_file), 0, 0 },
    { ngx_string("max"), 1, 1, ngx_mdm_block_number,
      offsetof(ngx_mdm_http_client_t, max), 1, 1024 },
    { ngx_string("timeout"), 1, 1, ngx_mdm_block_msec,
      offsetof(ngx_mdm_http_client_t, timeout), 0, 0 },
    ngx_mdm_block_null_command
};


/* of the package ca-certificates on Debian, and of others */

static ngx_str_t  ngx_mdm_http_cas[] = {
    ngx_string("/etc/ssl/certs/ca-certificates.crt"),
    ngx_string("/etc/pki/tls/certs/ca-bundle.crt"),
    ngx_string("/etc/ssl/cert.pem"),
    ngx_null_string
};


ngx_mdm_http_conf_t *
ngx_mdm_http_create_conf(ngx_conf_t *cf)
{
    ngx_mdm_http_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_http_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    return (ngx_array_init(&conf->clients, cf->pool, 4,
                           sizeof(ngx_mdm_http_client_t *))
            == NGX_OK) ? conf : NULL;
}


/* mdm_http_client { … } */

char *
ngx_mdm_http_client(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    ngx_mdm_http_client_t  *client;

    (void) cmd;

    if (mmcf->http->client != NULL) {
        return "is duplicate";
    }

    client = ngx_mdm_http_client_create(cf);
    if (client == NULL) {
        return NGX_CONF_ERROR;
    }

    mmcf->http->client = client;

    return ngx_mdm_block_parse(cf, "mdm_http_client",
                               ngx_mdm_http_client_commands, client);
}


ngx_mdm_http_client_t *
ngx_mdm_http_client_create(ngx_conf_t *cf)
{
    ngx_mdm_http_client_t  *client;

    client = ngx_mdm_http_client_add(cf);

    if (client != NULL) {
        ngx_mdm_place_set(cf, &client->place);
    }

    return client;
}


static ngx_mdm_http_client_t *
ngx_mdm_http_client_add(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t      *cln;
    ngx_mdm_main_conf_t     *mmcf;
    ngx_mdm_http_client_t   *client, **p;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_mdm_module);

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_mdm_http_client_t));
    if (cln == NULL) {
        return NULL;
    }

    client = cln->data;
    ngx_memzero(client, sizeof(ngx_mdm_http_client_t));

    cln->handler = ngx_mdm_http_client_free;

    client->max = NGX_CONF_UNSET_UINT;
    client->timeout = NGX_CONF_UNSET_MSEC;
    client->index = mmcf->http->clients.nelts;

    p = ngx_array_push(&mmcf->http->clients);
    if (p == NULL) {
        return NULL;
    }

    *p = client;

    return client;
}


static void
ngx_mdm_http_client_free(void *data)
{
    ngx_mdm_http_client_t *client = data;

    X509_STORE_free(client->trusted);
    X509_free(client->cert);
    sk_X509_pop_free(client->chain, X509_free);
    EVP_PKEY_free(client->key);

    if (client->proxy_password.len != 0) {
        ngx_explicit_memzero(client->proxy_password.data,
                             client->proxy_password.len);
    }
}


ngx_mdm_http_client_t *
ngx_mdm_http_client_default(ngx_conf_t *cf)
{
    ngx_mdm_main_conf_t    *mmcf;
    ngx_mdm_http_client_t  *client;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_mdm_module);

    client = mmcf->http->client;

    if (client == NULL) {
        client = ngx_mdm_http_client_add(cf);
        if (client == NULL) {
            return NULL;
        }

        ngx_str_set(&client->place.name, "mdm_http_client");
        mmcf->http->client = client;
    }

    if (client->trusted == NULL
        && ngx_mdm_http_client_init(cf, client, client) != NGX_CONF_OK)
    {
        return NULL;
    }

    return client;
}


ngx_int_t
ngx_mdm_http_init(ngx_conf_t *cf, ngx_mdm_http_conf_t *conf)
{
    return (conf->client == NULL || ngx_mdm_http_client_default(cf) != NULL)
           ? NGX_OK : NGX_ERROR;
}


char *
ngx_mdm_http_client_init(ngx_conf_t *cf, ngx_mdm_http_client_t *client,
    ngx_mdm_http_client_t *parent)
{
    char             *rv;
    ngx_conf_file_t  *save, file;

    if (parent == NULL) {
        parent = ngx_mdm_http_client_default(cf);
        if (parent == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    /* what is wrong is wrong where the directive stands */

    save = cf->conf_file;

    if (client->place.file != NULL) {
        file = *save;
        file.file.name.data = client->place.file;
        file.line = client->place.line;

        cf->conf_file = &file;
    }

    rv = ngx_mdm_http_client_merge(cf, client, parent);

    cf->conf_file = save;

    return rv;
}


static char *
ngx_mdm_http_client_merge(ngx_conf_t *cf, ngx_mdm_http_client_t *client,
    ngx_mdm_http_client_t *parent)
{
    char                      *rv;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->resolver != NULL
        && ngx_mdm_resolver_has_servers(clcf->resolver))
    {
        client->resolver = clcf->resolver;
    }

    ngx_conf_merge_uint_value(client->max, parent->max, NGX_MDM_HTTP_MAX);
    ngx_conf_merge_msec_value(client->timeout, parent->timeout,
                              NGX_MDM_HTTP_TIMEOUT);

    rv = ngx_mdm_http_library(cf, client);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_mdm_http_client_names(cf, client);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_mdm_http_certificate(cf, client, parent);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_mdm_http_proxy(cf, client, parent);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_mdm_http_trusted(cf, client, parent);
}


/* names of files are relative to that of the configuration */

static char *
ngx_mdm_http_client_names(ngx_conf_t *cf, ngx_mdm_http_client_t *client)
{
    ngx_uint_t   i;
    ngx_str_t   *names[4];

    names[0] = &client->trusted_certificate;
    names[1] = &client->certificate;
    names[2] = &client->certificate_key;
    names[3] = &client->proxy_auth_file;

    for (i = 0; i < 4; i++) {

        if (names[i]->len != 0
            && ngx_conf_full_name(cf->cycle, names[i], 1) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* it shares OpenSSL with nginx, and must not wait for a name server */

static char *
ngx_mdm_http_library(ngx_conf_t *cf, ngx_mdm_http_client_t *client)
{
    curl_version_info_data  *info;

    info = curl_version_info(CURLVERSION_NOW);

    if (info->ssl_version == NULL
        || ngx_strncmp(info->ssl_version, "OpenSSL/", 8) != 0
        || !(info->features & CURL_VERSION_ASYNCHDNS))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                          "\"%V\" needs a libcurl with OpenSSL and with "
                          "names that are resolved beside other work, this "
                          "one is %s with %s", &client->place.name,
                          info->version,
                          (info->ssl_version != NULL) ? info->ssl_version
                                                      : "no TLS");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_http_trusted(ngx_conf_t *cf, ngx_mdm_http_client_t *client,
    ngx_mdm_http_client_t *parent)
{
    ngx_str_t        *file;
    X509_STORE       *store;
    ngx_file_info_t   fi;

    if (client->trusted_certificate.len == 0 && client != parent) {
        client->trusted_certificate = parent->trusted_certificate;

        if (X509_STORE_up_ref(parent->trusted) != 1) {
            return NGX_CONF_ERROR;
        }

        client->trusted = parent->trusted;

        return NGX_CONF_OK;
    }

    for (file = ngx_mdm_http_cas;
         client->trusted_certificate.len == 0 && file->len != 0;
         file++)
    {
        if (ngx_file_info(file->data, &fi) != NGX_FILE_ERROR) {
            client->trusted_certificate = *file;
        }
    }

    if (client->trusted_certificate.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                          "\"%V\" needs the system's CAs, such as in \"%V\": "
                          "install the package ca-certificates, or name a file "
                          "by \"trusted_certificate\"", &client->place.name,
                          &ngx_mdm_http_cas[0]);
        return NGX_CONF_ERROR;
    }

    store = X509_STORE_new();

    if (store == NULL
        || X509_STORE_load_locations(store,
                                  (char *) client->trusted_certificate.data,
                                  NULL)
           != 1)
    {
        X509_STORE_free(store);
        ERR_clear_error();

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                          "\"%V\": no certificates of CAs can be read from "
                          "\"%V\"", &client->place.name,
                          &client->trusted_certificate);
        return NGX_CONF_ERROR;
    }

    /* some CAs of a bundle may be there twice */

    ERR_clear_error();

    client->trusted = store;

    return NGX_CONF_OK;
}


/* a certificate and its key go together */

static char *
ngx_mdm_http_certificate(ngx_conf_t *cf, ngx_mdm_http_client_t *client,
    ngx_mdm_http_client_t *parent)
{
    ngx_str_t      *key;
    ngx_mdm_pem_t   pem;

    if (client->certificate.len == 0) {

        if (client->certificate_key.len != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                              "\"%V\" has a key without a certificate",
                              &client->place.name);
            return NGX_CONF_ERROR;
        }

        if (client == parent || parent->cert == NULL) {
            return NGX_CONF_OK;
        }

        client->chain = X509_chain_up_ref(parent->chain);

        if (client->chain == NULL || X509_up_ref(parent->cert) != 1) {
            return NGX_CONF_ERROR;
        }

        client->cert = parent->cert;

        if (EVP_PKEY_up_ref(parent->key) != 1) {
            return NGX_CONF_ERROR;
        }

        client->key = parent->key;

        return NGX_CONF_OK;
    }

    ngx_memzero(&pem, sizeof(ngx_mdm_pem_t));

    pem.kind = "directive";
    pem.name = &client->place.name;

    if (ngx_mdm_file_certificates(cf, &pem, "certificate",
                                  &client->certificate, &client->cert,
                                  &client->chain)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    key = (client->certificate_key.len != 0) ? &client->certificate_key
                                             : &client->certificate;

    client->key = ngx_mdm_file_key(cf, &pem, "certificate_key", key);

    if (client->key == NULL) {
        return NGX_CONF_ERROR;
    }

    if (X509_check_private_key(client->cert, client->key) != 1) {
        ERR_clear_error();

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                          "\"%V\": the key in \"%V\" is not that of the "
                          "certificate in \"%V\"", &client->place.name, key,
                          &client->certificate);
        return NGX_CONF_ERROR;
    }

    ngx_mdm_http_expiry(client, cf->log, ngx_time());

    return NGX_CONF_OK;
}


/* who names another proxy does not tell it the password of the first one */

static char *
ngx_mdm_http_proxy(ngx_conf_t *cf, ngx_mdm_http_client_t *client,
    ngx_mdm_http_client_t *parent)
{
    char  *rv;

    if (client->proxy.len == 0 && client != parent) {
        client->proxy = parent->proxy;

        if (client->proxy_auth_file.len == 0) {
            client->proxy_host = parent->proxy_host;
            client->proxy_port = parent->proxy_port;
            client->proxy_user = parent->proxy_user;
            client->proxy_password = parent->proxy_password;

            return NGX_CONF_OK;
        }
    }

    if (client->proxy.len == 0 || ngx_strcmp(client->proxy.data, "off") == 0) {

        if (client->proxy_auth_file.len != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                              "\"%V\" has a password for a proxy, and no "
                              "proxy", &client->place.name);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    rv = ngx_mdm_http_proxy_url(cf, client);

    if (rv != NGX_CONF_OK || client->proxy_auth_file.len == 0) {
        return rv;
    }

    return ngx_mdm_http_proxy_auth(cf, client);
}


/* http://host:port */

static char *
ngx_mdm_http_proxy_url(ngx_conf_t *cf, ngx_mdm_http_client_t *client)
{
    u_char     *p;
    ngx_url_t   u;
    ngx_str_t  *text;

    text = &client->proxy;

    ngx_memzero(&u, sizeof(ngx_url_t));

    if (text->len > 7
        && ngx_strncasecmp(text->data, (u_char *) "http://", 7) == 0)
    {
        u.url.data = text->data + 7;
        u.url.len = text->len - 7;

        if (u.url.data[u.url.len - 1] == '/') {
            u.url.len--;
        }

        u.no_resolve = 1;
    }

    if (u.url.len == 0 || ngx_parse_url(cf->pool, &u) != NGX_OK
        || u.family == AF_UNIX || u.host.len == 0 || u.no_port || u.port == 0
        || u.host.len > NGX_MDM_HTTP_HOST
        || ngx_strlchr(u.host.data, u.host.data + u.host.len, '@') != NULL
        || u.uri.len != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                          "\"%V\": the proxy is none, such as "
                          "\"http://proxy.example.com:3128\"",
                          &client->place.name);
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, u.host.len + 1);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) ngx_cpystrn(p, u.host.data, u.host.len + 1);

    client->proxy_host.data = p;
    client->proxy_host.len = u.host.len;
    client->proxy_port = u.port;

    return NGX_CONF_OK;
}


/* the first line of the file is "name:password" */

static char *
ngx_mdm_http_proxy_auth(ngx_conf_t *cf, ngx_mdm_http_client_t *client)
{
    u_char      *p, *last, *colon;
    ssize_t      n;
    ngx_uint_t   others;

    p = ngx_pnalloc(cf->pool, NGX_MDM_HTTP_USER + 1);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    n = ngx_mdm_file_read(cf, "proxy_auth_file", &client->proxy_auth_file, p,
                          NGX_MDM_HTTP_USER + 1, &others);

    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    if (others) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                          "\"%V\": \"%V\" holds a secret, and everybody can "
                          "read or write it: chmod o-rwx", &client->place.name,
                          &client->proxy_auth_file);
        return NGX_CONF_ERROR;
    }

    last = ngx_strlchr(p, p + n, LF);

    if (last == NULL) {
        last = p + n;
    }

    if (last > p && last[-1] == CR) {
        last--;
    }

    colon = ngx_strlchr(p, last, ':');

    if (colon == NULL || colon == p || last - p > NGX_MDM_HTTP_USER
        || ngx_strlchr(p, last, '\0') != NULL)
    {
        ngx_explicit_memzero(p, n);

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                          "\"%V\": the first line of \"%V\" is no "
                          "\"name:password\"", &client->place.name,
                          &client->proxy_auth_file);
        return NGX_CONF_ERROR;
    }

    *colon = '\0';
    *last = '\0';

    client->proxy_user.data = p;
    client->proxy_user.len = colon - p;
    client->proxy_password.data = colon + 1;
    client->proxy_password.len = last - colon - 1;

    return NGX_CONF_OK;
}
