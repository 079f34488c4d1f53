
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Refuses requests to the API that come from pages of other web sites.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_endpoint.h"
#include "ngx_mdm_log.h"
#include "ngx_mdm_module.h"
#include "ngx_mdm_origin.h"


#define NGX_MDM_ORIGIN_MAX_AGE  "7200"     /* seconds; what Chromium caps at */


/* of a URL, or of Host */

typedef struct {
    ngx_str_t                 host;        /* an IPv6 address in brackets */
    ngx_uint_t                port;        /* 0: not given */
    ngx_uint_t                standard;    /* port of the scheme; 0: none */
} ngx_mdm_origin_t;


static ngx_uint_t ngx_mdm_origin_safe(ngx_http_request_t *r);
static ngx_uint_t ngx_mdm_origin_same(ngx_http_request_t *r,
    ngx_array_t *origins);
static ngx_uint_t ngx_mdm_origin_is_host(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_int_t ngx_mdm_origin_host(ngx_http_request_t *r,
    ngx_mdm_origin_t *host);
static ngx_int_t ngx_mdm_origin_parse(ngx_str_t *value, ngx_mdm_origin_t *o);
static ngx_int_t ngx_mdm_origin_authority(u_char *p, u_char *end,
    ngx_mdm_origin_t *o);
static ngx_uint_t ngx_mdm_origin_host_eq(ngx_str_t *a, ngx_str_t *b);
static ngx_str_t *ngx_mdm_origin_allowed(ngx_http_request_t *r,
    ngx_array_t *origins);
static ngx_uint_t ngx_mdm_origin_header(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_mdm_origin_preflight(ngx_http_request_t *r);
static ngx_int_t ngx_mdm_origin_refuse(ngx_http_request_t *r);


static ngx_str_t  ngx_mdm_origin_name = ngx_string("Origin");
static ngx_str_t  ngx_mdm_origin_site_name = ngx_string("Sec-Fetch-Site");
static ngx_str_t  ngx_mdm_origin_method_name =
    ngx_string("Access-Control-Request-Method");


ngx_int_t
ngx_mdm_origin_handler(ngx_http_request_t *r)
{
    ngx_str_t            value;
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (!mlcf->api) {
        return NGX_DECLINED;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mdm origin handler");

    if (r->method == NGX_HTTP_OPTIONS
        && ngx_mdm_origin_header(r, &ngx_mdm_origin_method_name, &value) == 1
        && ngx_mdm_origin_allowed(r, mlcf->origins) != NULL)
    {
        return ngx_mdm_origin_preflight(r);
    }

    if (ngx_mdm_origin_safe(r) || ngx_mdm_origin_same(r, mlcf->origins)) {
        return NGX_DECLINED;
    }

    return ngx_mdm_origin_refuse(r);
}


/* 1: a method that reads, on a path where it does nothing but read */

static ngx_uint_t
ngx_mdm_origin_safe(ngx_http_request_t *r)
{
    mdm_str_t  path;

    if (r->method == NGX_HTTP_OPTIONS) {
        return 1;
    }

    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) {
        return 0;
    }

    ngx_mdm_api_path(r, &path);

    return mdm_endpoint_get_is_safe(&path);
}


/* 1: of a page of ours, of one that is allowed, or of no page at all */

static ngx_uint_t
ngx_mdm_origin_same(ngx_http_request_t *r, ngx_array_t *origins)
{
    ngx_str_t   origin, site;
    ngx_uint_t  norigins, nsites;

    norigins = ngx_mdm_origin_header(r, &ngx_mdm_origin_name, &origin);
    nsites = ngx_mdm_origin_header(r, &ngx_mdm_origin_site_name, &site);

    if (norigins > 1 || nsites > 1) {
        return 0;
    }

    if (ngx_mdm_origin_allowed(r, origins) != NULL) {
        return 1;
    }

    if (nsites == 1
        && !mdm_str_is((mdm_str_t *) &site, "same-origin")
        && !mdm_str_is((mdm_str_t *) &site, "none"))
    {
        return 0;
    }

    return norigins == 0 || ngx_mdm_origin_is_host(r, &origin);
}


/*
 * 1: the origin has the host and the port of the request.  Where Host names no
 * port it is that of the scheme, which is ours if TLS ends here; if it does
 * not, a proxy in front may have ended it, and the origin's is believed.
 */

static ngx_uint_t
ngx_mdm_origin_is_host(ngx_http_request_t *r, ngx_str_t *value)
{
    ngx_uint_t        standard;
    ngx_mdm_origin_t  origin, host;

    if (ngx_mdm_origin_parse(value, &origin) != NGX_OK
        || ngx_mdm_origin_host(r, &host) != NGX_OK)
    {
        return 0;
    }

    standard = origin.standard;

#if (NGX_HTTP_SSL)

    if (r->connection->ssl != NULL) {
        standard = 443;

        if (origin.standard != standard) {
            return 0;
        }
    }

#endif

    if (origin.port == 0) {
        origin.port = origin.standard;
    }

    if (host.port == 0) {
        host.port = standard;
    }

    return origin.port == host.port
           && ngx_mdm_origin_host_eq(&origin.host, &host.host);
}


/* of Host, or of ":authority", which HTTP/3 does not make a header of */

static ngx_int_t
ngx_mdm_origin_host(ngx_http_request_t *r, ngx_mdm_origin_t *host)
{
    ngx_str_t  *value;

    ngx_memzero(host, sizeof(ngx_mdm_origin_t));

    if (r->headers_in.host != NULL) {
        value = &r->headers_in.host->value;

        return ngx_mdm_origin_authority(value->data, value->data + value->len,
                                        host);
    }

    if (r->host_start != NULL && r->host_end != NULL) {
        return ngx_mdm_origin_authority(r->host_start, r->host_end, host);
    }

    return NGX_DECLINED;
}


/* scheme "://" host [ ":" port ] and nothing behind it, or NGX_DECLINED */

static ngx_int_t
ngx_mdm_origin_parse(ngx_str_t *value, ngx_mdm_origin_t *o)
{
    u_char  *p, *end;

    ngx_memzero(o, sizeof(ngx_mdm_origin_t));

    p = value->data;
    end = p + value->len;

    if (value->len > 8
        && ngx_strncasecmp(p, (u_char *) "https://", 8) == 0)
    {
        o->standard = 443;
        return ngx_mdm_origin_authority(p + 8, end, o);
    }

    if (value->len > 7 && ngx_strncasecmp(p, (u_char *) "http://", 7) == 0) {
        o->standard = 80;
        return ngx_mdm_origin_authority(p + 7, end, o);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_mdm_origin_authority(u_char *p, u_char *end, ngx_mdm_origin_t *o)
{
    u_char     *q;
    ngx_int_t   port;

    o->host.data = p;

    if (p < end && *p == '[') {
        q = ngx_strlchr(p, end, ']');
        q = (q == NULL) ? p : q + 1;

    } else {
        for (q = p; q < end && *q != ':'; q++) {
            if (!(*q >= 'a' && *q <= 'z') && !(*q >= 'A' && *q <= 'Z')
                && !(*q >= '0' && *q <= '9')
                && *q != '-' && *q != '.' && *q != '_')
            {
                return NGX_DECLINED;
            }
        }
    }

    o->host.len = q - p;

    if (o->host.len == 0) {
        return NGX_DECLINED;
    }

    if (q == end) {
        return NGX_OK;
    }

    if (*q++ != ':') {
        return NGX_DECLINED;
    }

    port = ngx_atoi(q, end - q);

    if (port < 1 || port > 65535) {
        return NGX_DECLINED;
    }

    o->port = port;

    return NGX_OK;
}


static ngx_uint_t
ngx_mdm_origin_host_eq(ngx_str_t *a, ngx_str_t *b)
{
#if (NGX_HAVE_INET6)
    u_char  addr[2][16];

    /* one address can be written in several ways */

    if (a->data[0] == '[' && b->data[0] == '['
        && ngx_inet6_addr(a->data + 1, a->len - 2, addr[0]) == NGX_OK
        && ngx_inet6_addr(b->data + 1, b->len - 2, addr[1]) == NGX_OK)
    {
        return ngx_memcmp(addr[0], addr[1], 16) == 0;
    }
#endif

    return a->len == b->len
           && ngx_strncasecmp(a->data, b->data, a->len) == 0;
}


/* which "mdm_api_origin" it is, or NULL */

static ngx_str_t *
ngx_mdm_origin_allowed(ngx_http_request_t *r, ngx_array_t *origins)
{
    ngx_str_t   *allowed, origin;
    ngx_uint_t   i;

    if (origins == NULL
        || ngx_mdm_origin_header(r, &ngx_mdm_origin_name, &origin) != 1)
    {
        return NULL;
    }

    allowed = origins->elts;

    for (i = 0; i < origins->nelts; i++) {
        if (allowed[i].len == origin.len
            && ngx_strncmp(allowed[i].data, origin.data, origin.len) == 0)
        {
            return &allowed[i];
        }
    }

    return NULL;
}


/* how often the header came: 0, 1 or 2 for more; *value is the first one's */

static ngx_uint_t
ngx_mdm_origin_header(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    n = 0;

    for (part = &r->headers_in.headers.part;
         part != NULL;
         part = part->next)
    {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != name->len
                || ngx_strncasecmp(h[i].key.data, name->data, name->len) != 0)
            {
                continue;
            }

            if (n == 1) {
                return 2;
            }

            *value = h[i].value;
            n = 1;
        }
    }

    return n;
}


/* the rest of its headers is that of every response */

static ngx_int_t
ngx_mdm_origin_preflight(ngx_http_request_t *r)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    static struct {
        const char  *name;
        ngx_str_t    value;

    } headers[] = {
        { "Access-Control-Allow-Methods",
          ngx_string("GET, HEAD, POST, PUT, DELETE") },
        { "Access-Control-Allow-Headers",
          ngx_string("Authorization, Content-Type, If-Modified-Since") },
        { "Access-Control-Max-Age", ngx_string(NGX_MDM_ORIGIN_MAX_AGE) }
    };

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (ngx_mdm_header(r, headers[i].name, &headers[i].value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    r->header_only = 1;

    ngx_http_finalize_request(r, ngx_http_send_header(r));

    return NGX_DONE;
}


static ngx_int_t
ngx_mdm_origin_refuse(ngx_http_request_t *r)
{
    ngx_int_t       rc;
    ngx_mdm_ctx_t  *ctx;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_mdm_create_ctx(r, NULL, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->done = 1;
    ctx->exchange->kind = MDM_KIND_API;

    (void) mdm_exchange_refuse(ctx->exchange, NGX_HTTP_FORBIDDEN,
                               "cross-site request");
    ngx_mdm_log_exchange(ctx);

    ngx_http_finalize_request(r, ngx_mdm_send(r, ctx->exchange));

    return NGX_DONE;
}


ngx_int_t
ngx_mdm_origin_headers(ngx_http_request_t *r, ngx_array_t *origins)
{
    ngx_str_t  *origin;

    static ngx_str_t  vary = ngx_string("Origin");
    static ngx_str_t  yes = ngx_string("true");
    static ngx_str_t  expose = ngx_string("Allow, Retry-After, "
                                          "X-Status-Report-ID, "
                                          "X-Status-Report-Index");

    if (origins == NULL) {
        return NGX_OK;
    }

    if (ngx_mdm_header(r, "Vary", &vary) != NGX_OK) {
        return NGX_ERROR;
    }

    origin = ngx_mdm_origin_allowed(r, origins);

    if (origin == NULL) {
        return NGX_OK;
    }

    if (ngx_mdm_header(r, "Access-Control-Allow-Origin", origin) != NGX_OK
        || ngx_mdm_header(r, "Access-Control-Allow-Credentials", &yes)
           != NGX_OK
        || ngx_mdm_header(r, "Access-Control-Expose-Headers", &expose)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


char *
ngx_mdm_api_origin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    u_char            *p;
    ngx_str_t         *value, *origin;
    ngx_uint_t         i, n;
    ngx_mdm_origin_t   o;

    if (mlcf->origins != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        mlcf->origins = NULL;
        return NGX_CONF_OK;
    }

    mlcf->origins = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                     sizeof(ngx_str_t));
    if (mlcf->origins == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_mdm_origin_parse(&value[i], &o) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" is no origin, such as "
                               "\"https://admin.example.com\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        /* it must be written as a browser does, or it would never match */

        for (p = value[i].data; p < value[i].data + value[i].len; p++) {
            if (*p >= 'A' && *p <= 'Z') {
                break;
            }
        }

        if (p != value[i].data + value[i].len || o.port == o.standard) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "a browser writes the origin \"%V\" in lower "
                               "case and without the scheme's own port",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        origin = mlcf->origins->elts;

        for (n = 0; n < mlcf->origins->nelts; n++) {
            if (mdm_str_eq((mdm_str_t *) &origin[n],
                           (mdm_str_t *) &value[i]))
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "origin \"%V\" is named twice", &value[i]);
                return NGX_CONF_ERROR;
            }
        }

        /* there is room */

        origin = ngx_array_push(mlcf->origins);
        *origin = value[i];
    }

    return NGX_CONF_OK;
}
