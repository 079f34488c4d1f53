
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is configured of pushes: "mdm_push…" on the level of http.
 */


#include "ngx_mdm_apns.h"
#include "ngx_mdm_file.h"


#define NGX_MDM_APNS_SERVER     "api.push.apple.com:443"
#define NGX_MDM_APNS_PORT       443
#define NGX_MDM_APNS_WAIT       2000
#define NGX_MDM_APNS_PING       (15 * 60 * 1000)
#define NGX_MDM_APNS_CONNECT    5000

/* bytes of "name:password" */
#define NGX_MDM_APNS_USER       512


static ngx_int_t ngx_mdm_apns_host(ngx_conf_t *cf, ngx_str_t *text,
    in_port_t port, ngx_str_t *host, in_port_t *found);
static ngx_int_t ngx_mdm_apns_check_name(ngx_conf_t *cf,
    ngx_mdm_apns_conf_t *conf);
static ngx_int_t ngx_mdm_apns_tls(ngx_conf_t *cf, ngx_mdm_apns_conf_t *conf);
static ngx_uint_t ngx_mdm_apns_named(ngx_str_t *host);
static char *ngx_mdm_apns_read(ngx_conf_t *cf, ngx_mdm_apns_conf_t *conf,
    ngx_mdm_apns_cert_t *cert, mdm_str_t *pem);
static ssize_t ngx_mdm_apns_file(ngx_conf_t *cf, const char *what,
    ngx_str_t *name, u_char *buf, size_t size, ngx_uint_t secret);
static char *ngx_mdm_apns_auth_file(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *user);
static void ngx_mdm_apns_destroy(void *data);


/* of the package ca-certificates on Debian, and of others */

static ngx_str_t  ngx_mdm_apns_trusted[] = {
    ngx_string("/etc/ssl/certs/ca-certificates.crt"),
    ngx_string("/etc/pki/tls/certs/ca-bundle.crt"),
    ngx_string("/etc/ssl/cert.pem"),
    ngx_null_string
};


ngx_mdm_apns_conf_t *
ngx_mdm_apns_create_conf(ngx_conf_t *cf)
{
    ngx_mdm_apns_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_apns_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&conf->certs, cf->pool, 2,
                       sizeof(ngx_mdm_apns_cert_t *))
        != NGX_OK
        || ngx_array_init(&conf->files, cf->pool, 2, sizeof(mdm_push_file_t))
           != NGX_OK)
    {
        return NULL;
    }

    conf->on = NGX_CONF_UNSET;
    conf->plain = NGX_CONF_UNSET;
    conf->wait = NGX_CONF_UNSET_MSEC;
    conf->ping = NGX_CONF_UNSET_MSEC;
    conf->proxied = NGX_CONF_UNSET;

    return conf;
}


void
ngx_mdm_apns_init_conf(ngx_mdm_apns_conf_t *conf)
{
    ngx_conf_init_value(conf->on, 0);
    ngx_conf_init_value(conf->plain, 0);
    ngx_conf_init_msec_value(conf->wait, NGX_MDM_APNS_WAIT);
    ngx_conf_init_msec_value(conf->ping, NGX_MDM_APNS_PING);
    ngx_conf_init_value(conf->proxied, 0);
}


ngx_int_t
ngx_mdm_apns_init(ngx_conf_t *cf, ngx_mdm_apns_conf_t *conf)
{
    ngx_str_t  server = ngx_string(NGX_MDM_APNS_SERVER);

    if (conf->server.len == 0) {
        conf->server = server;

        if (ngx_mdm_apns_host(cf, &server, NGX_MDM_APNS_PORT, &conf->host,
                              &conf->port)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_mdm_apns_check_name(cf, conf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!conf->on) {
        return NGX_OK;
    }

    conf->peer.connect_timeout = NGX_MDM_APNS_CONNECT;

    if (conf->proxied) {
        conf->peer.proxy = ngx_mdm_peer_proxy_create(cf, &conf->server,
                                                     &conf->proxy_user);
        if (conf->peer.proxy == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_mdm_apns_tls(cf, conf);
}


/* a name is asked for whenever a worker connects, and never blocks */

static ngx_int_t
ngx_mdm_apns_check_name(ngx_conf_t *cf, ngx_mdm_apns_conf_t *conf)
{
    ngx_str_t                 *host;
    ngx_mdm_place_t           *place;
    ngx_http_core_loc_conf_t  *clcf;

    if (conf->proxied) {
        host = &conf->proxy_host;
        place = &conf->proxy_place;

    } else if (conf->on) {
        host = &conf->host;
        place = (conf->server_place.file != NULL) ? &conf->server_place
                                                  : &conf->place;

    } else {
        return NGX_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->resolver != NULL
        && ngx_mdm_resolver_has_servers(clcf->resolver))
    {
        conf->peer.resolver = clcf->resolver;
    }

    if (!ngx_mdm_apns_named(host) || conf->peer.resolver != NULL) {
        return NGX_OK;
    }

    ngx_mdm_place_log(NGX_LOG_EMERG, cf, place,
                      "\"%V\" needs a \"resolver\" on the level of http for "
                      "the name \"%V\"", &place->name, host);

    return NGX_ERROR;
}


static ngx_int_t
ngx_mdm_apns_tls(ngx_conf_t *cf, ngx_mdm_apns_conf_t *conf)
{
    ngx_str_t                *file;
    ngx_file_info_t           fi;
    ngx_mdm_peer_tls_conf_t   tls;

    ngx_memzero(&tls, sizeof(ngx_mdm_peer_tls_conf_t));

    tls.name = conf->host;
    tls.trusted_certificate = conf->trusted_certificate;
    ngx_str_set(&tls.alpn, "\x02h2");

    for (file = ngx_mdm_apns_trusted;
         tls.trusted_certificate.len == 0 && file->len != 0;
         file++)
    {
        if (ngx_file_info(file->data, &fi) != NGX_FILE_ERROR) {
            tls.trusted_certificate = *file;
        }
    }

    if (tls.trusted_certificate.len == 0) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->place,
                          "\"mdm_push\" needs the system's CAs, such as in "
                          "\"%V\": install the package ca-certificates, or "
                          "name a file by \"mdm_push_trusted_certificate\"",
                          &ngx_mdm_apns_trusted[0]);
        return NGX_ERROR;
    }

    conf->peer.tls = ngx_mdm_peer_tls_create(cf, &tls);

    return (conf->peer.tls != NULL) ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_mdm_apns_named(ngx_str_t *host)
{
    struct in6_addr  in6;

    return ngx_inet_addr(host->data, host->len) == INADDR_NONE
           && ngx_inet6_addr(host->data, host->len, in6.s6_addr) != NGX_OK;
}


ngx_mdm_apns_cert_t *
ngx_mdm_apns_cert(ngx_mdm_apns_conf_t *conf, ngx_str_t *tenant,
    ngx_str_t *topic)
{
    ngx_uint_t             i;
    ngx_mdm_apns_cert_t  **cert;

    cert = conf->certs.elts;

    for (i = 0; i < conf->certs.nelts; i++) {

        if (cert[i]->topic.len == topic->len
            && cert[i]->tenant.len == tenant->len
            && ngx_memcmp(cert[i]->topic.data, topic->data, topic->len) == 0
            && ngx_memcmp(cert[i]->tenant.data, tenant->data, tenant->len)
               == 0)
        {
            return cert[i];
        }
    }

    return NULL;
}


char *
ngx_mdm_apns_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    ngx_mdm_place_set(cf, &mmcf->apns->place);

    return ngx_conf_set_flag_slot(cf, cmd, mmcf->apns);
}


char *
ngx_mdm_apns_plain(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    return ngx_conf_set_flag_slot(cf, cmd, mmcf->apns);
}


char *
ngx_mdm_apns_msec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    return ngx_conf_set_msec_slot(cf, cmd, mmcf->apns);
}


char *
ngx_mdm_apns_server(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    ngx_str_t            *value;
    ngx_mdm_apns_conf_t  *apns;

    (void) cmd;

    apns = mmcf->apns;

    if (apns->server.len != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_mdm_apns_host(cf, &value[1], 0, &apns->host, &apns->port)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    apns->server = value[1];

    ngx_mdm_place_set(cf, &apns->server_place);

    return NGX_CONF_OK;
}


/* "host:port"; "port" 0: it has to be there.  The host ends by NUL. */

static ngx_int_t
ngx_mdm_apns_host(ngx_conf_t *cf, ngx_str_t *text, in_port_t port,
    ngx_str_t *host, in_port_t *found)
{
    u_char     *p;
    ngx_url_t   u;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *text;
    u.default_port = port;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.family == AF_UNIX
        || u.host.len == 0 || u.port == 0 || (port == 0 && u.no_port))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is no host:port", text);
        return NGX_ERROR;
    }

    *host = u.host;
    *found = u.port;

    if (host->len > 2 && host->data[0] == '['
        && host->data[host->len - 1] == ']')
    {
        host->data++;
        host->len -= 2;
    }

    p = ngx_pnalloc(cf->pool, host->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(p, host->data, host->len + 1);

    host->data = p;

    return NGX_OK;
}


char *
ngx_mdm_apns_trusted_certificate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    ngx_str_t   *value, *file;
    X509_STORE  *store;

    (void) cmd;

    file = &mmcf->apns->trusted_certificate;

    if (file->len != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "has no file";
    }

    *file = value[1];

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* to have it said where the directive stands */

    store = X509_STORE_new();

    if (store == NULL
        || X509_STORE_load_locations(store, (char *) file->data, NULL) != 1)
    {
        X509_STORE_free(store);
        ERR_clear_error();

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no certificates of CAs can be read from \"%V\"",
                           file);
        return NGX_CONF_ERROR;
    }

    X509_STORE_free(store);

    return NGX_CONF_OK;
}


/* mdm_push_certificate cert [key] [tenant=T] */

char *
ngx_mdm_apns_certificate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    char                 *rv;
    u_char               *buf;
    ssize_t               n;
    mdm_str_t             pem, name;
    ngx_str_t            *value, *file[2];
    ngx_uint_t            i, nfiles;
    ngx_mdm_apns_cert_t  *cert;

    (void) cmd;

    cert = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_apns_cert_t));
    if (cert == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_str_set(&cert->tenant, NGX_MDM_TENANT);

    value = cf->args->elts;
    nfiles = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "tenant=", 7) == 0) {
            cert->tenant.data = value[i].data + 7;
            cert->tenant.len = value[i].len - 7;

        } else if (nfiles < 2) {
            file[nfiles++] = &value[i];

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    ngx_mdm_str_copy(&name, &cert->tenant);

    if (mdm_tenant_check(&name) != MDM_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "tenant \"%V\" must be 1 to "
                           "64 letters, digits, \"-\", \".\" or \"_\"",
                           &cert->tenant);
        return NGX_CONF_ERROR;
    }

    if (nfiles == 0) {
        return "has no file";
    }

    /* a line feed in between, since the last line may lack its own */

    buf = ngx_alloc(MDM_PUSH_PEM + 2, cf->log);
    if (buf == NULL) {
        return NGX_CONF_ERROR;
    }

    pem.data = buf;
    pem.len = 0;
    rv = NGX_CONF_OK;

    for (i = 0; i < nfiles; i++) {

        n = ngx_mdm_apns_file(cf, "push certificate", file[i], buf + pem.len,
                              MDM_PUSH_PEM + 2 - pem.len, i == nfiles - 1);

        if (n == NGX_ERROR) {
            rv = NGX_CONF_ERROR;
            break;
        }

        pem.len += (size_t) n;

        if (i == 0 && nfiles == 2 && pem.len <= MDM_PUSH_PEM) {
            buf[pem.len++] = LF;
        }
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_mdm_apns_read(cf, mmcf->apns, cert, &pem);
    }

    OPENSSL_cleanse(buf, MDM_PUSH_PEM + 2);
    ngx_free(buf);

    return rv;
}


static char *
ngx_mdm_apns_read(ngx_conf_t *cf, ngx_mdm_apns_conf_t *conf,
    ngx_mdm_apns_cert_t *cert, mdm_str_t *pem)
{
    mdm_int_t                rc;
    ngx_str_t               *value;
    const char              *why;
    mdm_arena_t             *arena;
    mdm_push_file_t         *file;
    ngx_pool_cleanup_t      *cln;
    ngx_mdm_apns_cert_t    **place;
    mdm_push_certificate_t  *read;

    read = ngx_palloc(cf->pool, sizeof(mdm_push_certificate_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);
    arena = mdm_arena_create(4096);

    if (read == NULL || cln == NULL || arena == NULL) {
        mdm_arena_destroy(arena);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_mdm_apns_destroy;
    cln->data = arena;

    value = cf->args->elts;

    rc = mdm_push_certificate_read(arena, pem, read, &why);

    if (rc != MDM_OK) {

        if (rc == MDM_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "push certificate \"%V\": %s", &value[1], why);
        }

        return NGX_CONF_ERROR;
    }

    ngx_mdm_str_copy(&cert->topic, &read->topic);
    cert->not_after = (time_t) read->not_after;

    cert->key = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_apns_key_t));
    if (cert->key == NULL) {
        return NGX_CONF_ERROR;
    }

    /* workers make copies of it */

    cert->key->refs = 1;
    cert->key->arena = arena;
    cert->key->peer.cert = read->cert;
    cert->key->peer.chain = read->chain;
    cert->key->peer.key = read->key;

    if (ngx_mdm_apns_cert(conf, &cert->tenant, &cert->topic) != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tenant \"%V\" has two push certificates for the "
                           "topic \"%V\"", &cert->tenant, &cert->topic);
        return NGX_CONF_ERROR;
    }

    /* refused, nginx could not be started any more once it has expired */

    if (cert->not_after <= ngx_time()) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "push certificate \"%V\" has expired: devices of "
                           "topic \"%V\" are not pushed to", &value[1],
                           &cert->topic);
    }

    place = ngx_array_push(&conf->certs);
    file = ngx_array_push(&conf->files);

    if (place == NULL || file == NULL) {
        return NGX_CONF_ERROR;
    }

    *place = cert;

    ngx_mdm_str_copy(&file->tenant, &cert->tenant);
    ngx_mdm_str_copy(&file->topic, &cert->topic);
    file->not_after = read->not_after;
    file->sha256.data = read->sha256;
    file->sha256.len = sizeof(read->sha256);

    return NGX_CONF_OK;
}


static void
ngx_mdm_apns_destroy(void *data)
{
    mdm_arena_destroy(data);
}


/*
 * What others can read is no secret any more, nor is a private key, in whatever
 * file it comes; bytes, or NGX_ERROR.
 */

static ssize_t
ngx_mdm_apns_file(ngx_conf_t *cf, const char *what, ngx_str_t *name,
    u_char *buf, size_t size, ngx_uint_t secret)
{
    ssize_t     n;
    ngx_uint_t  others;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    n = ngx_mdm_file_read(cf, what, name, buf, size, &others);

    if (n == NGX_ERROR || !others) {
        return n;
    }

    if (secret || ngx_strlcasestrn(buf, buf + n, (u_char *) "PRIVATE KEY",
                                   sizeof("PRIVATE KEY") - 2)
                  != NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" holds a secret, and everybody can read or "
                           "write it: chmod o-rwx", name);
        return NGX_ERROR;
    }

    return n;
}


/* mdm_push_proxy http://host:port [auth_file=F] | off */

char *
ngx_mdm_apns_proxy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    ngx_str_t            *value, text, file;
    ngx_mdm_apns_conf_t  *apns;

    (void) cmd;

    apns = mmcf->apns;

    if (apns->proxied != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts != 2) {
            return "is off, and takes no parameter";
        }

        apns->proxied = 0;

        return NGX_CONF_OK;
    }

    text = value[1];

    if (text.len < 7
        || ngx_strncasecmp(text.data, (u_char *) "http://", 7) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is no proxy, such as "
                           "\"http://proxy.example.com:3128\"", &text);
        return NGX_CONF_ERROR;
    }

    text.data += 7;
    text.len -= 7;

    if (text.len != 0 && text.data[text.len - 1] == '/') {
        text.len--;
    }

    if (ngx_mdm_apns_host(cf, &text, 0, &apns->proxy_host, &apns->proxy_port)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 3) {

        if (ngx_strncmp(value[2].data, "auth_file=", 10) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        file.data = value[2].data + 10;
        file.len = value[2].len - 10;

        if (ngx_mdm_apns_auth_file(cf, &file, &apns->proxy_user)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    apns->proxied = 1;

    ngx_mdm_place_set(cf, &apns->proxy_place);

    return NGX_CONF_OK;
}


/* its first line is "name:password" */

static char *
ngx_mdm_apns_auth_file(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *user)
{
    u_char   *p, *last;
    ssize_t   n;

    p = ngx_pnalloc(cf->pool, NGX_MDM_APNS_USER + 1);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    n = ngx_mdm_apns_file(cf, "auth_file", name, p, NGX_MDM_APNS_USER + 1, 1);

    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    last = ngx_strlchr(p, p + n, LF);

    user->data = p;
    user->len = (last != NULL) ? (size_t) (last - p) : (size_t) n;

    if (user->len != 0 && user->data[user->len - 1] == CR) {
        user->len--;
    }

    if (user->len > NGX_MDM_APNS_USER || user->len == 0
        || ngx_strlchr(user->data, user->data + user->len, ':') == NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the first line of \"%V\" is no \"name:password\"",
                           name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
