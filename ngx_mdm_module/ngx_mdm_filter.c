
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What every response of our locations has in its header, those that nginx
 * makes itself included.  A module of its own: nginx orders filters by
 * modules.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_module.h"
#include "ngx_mdm_origin.h"


/* seconds; as the core has it */
#define NGX_MDM_RETRY_AFTER       5
#define NGX_MDM_RETRY_AFTER_SPAN  16


static ngx_int_t ngx_mdm_filter_init(ngx_conf_t *cf);
static ngx_int_t ngx_mdm_filter_header(ngx_http_request_t *r);
static ngx_int_t ngx_mdm_filter_unavailable(ngx_http_request_t *r);
static ngx_int_t ngx_mdm_filter_enroll(ngx_http_request_t *r);
static ngx_int_t ngx_mdm_filter_api(ngx_http_request_t *r,
    ngx_array_t *origins);


static ngx_http_module_t  ngx_mdm_filter_module_ctx = {
    NULL,                          /* preconfiguration */
    ngx_mdm_filter_init,           /* postconfiguration */

    NULL,                          /* create main configuration */
    NULL,                          /* init main configuration */

    NULL,                          /* create server configuration */
    NULL,                          /* merge server configuration */

    NULL,                          /* create location configuration */
    NULL                           /* merge location configuration */
};


ngx_module_t  ngx_mdm_filter_module = {
    NGX_MODULE_V1,
    &ngx_mdm_filter_module_ctx,    /* module context */
    NULL,                          /* module directives */
    NGX_HTTP_MODULE,               /* module type */
    NULL,                          /* init master */
    NULL,                          /* init module */
    NULL,                          /* init process */
    NULL,                          /* init thread */
    NULL,                          /* exit thread */
    NULL,                          /* exit process */
    NULL,                          /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_mdm_filter_next_header;


static ngx_int_t
ngx_mdm_filter_init(ngx_conf_t *cf)
{
    ngx_mdm_filter_next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_mdm_filter_header;

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_filter_header(ngx_http_request_t *r)
{
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (r != r->main) {
        return ngx_mdm_filter_next_header(r);
    }

    if (r->headers_out.status == NGX_HTTP_INTERNAL_SERVER_ERROR
        && (mlcf->checkin || mlcf->connect || mlcf->api || mlcf->auth_request
            || mlcf->way.enrollment != NULL)
        && ngx_mdm_filter_unavailable(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (mlcf->api && ngx_mdm_filter_api(r, mlcf->origins) != NGX_OK) {
        return NGX_ERROR;
    }

    if (mlcf->way.enrollment != NULL && ngx_mdm_filter_enroll(r) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_mdm_filter_next_header(r);
}


/*
 * nginx answers 500 where it cannot keep the body (a full disk) or has no
 * memory: that passes, and whoever asks is to come again.  Its page, which
 * would still say 500, is left out.  A 500 of the exchange stays: the same
 * message would fail again.
 */

static ngx_int_t
ngx_mdm_filter_unavailable(ngx_http_request_t *r)
{
    ngx_mdm_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_mdm_module);

    if (ctx != NULL
        && ctx->exchange->status == NGX_HTTP_INTERNAL_SERVER_ERROR)
    {
        return NGX_OK;
    }

    r->headers_out.status = NGX_HTTP_SERVICE_UNAVAILABLE;
    r->headers_out.status_line.len = 0;

    ngx_http_clear_content_length(r);

    r->headers_out.content_length_n = 0;
    r->headers_out.content_type.len = 0;
    r->header_only = 1;

    return ngx_mdm_retry_after(r, NGX_MDM_RETRY_AFTER
                                  + ngx_random() % NGX_MDM_RETRY_AFTER_SPAN);
}


/* a profile is made for whoever has asked for it, and has a secret in it */

static ngx_int_t
ngx_mdm_filter_enroll(ngx_http_request_t *r)
{
    static ngx_str_t  no_store = ngx_string("no-store");
    static ngx_str_t  nosniff = ngx_string("nosniff");

    return (ngx_mdm_header(r, "Cache-Control", &no_store) == NGX_OK
            && ngx_mdm_header(r, "X-Content-Type-Options", &nosniff)
               == NGX_OK)
           ? NGX_OK : NGX_ERROR;
}


/*
 * What the API says is for who asked, and not for a browser to show or to keep
 * somewhere: a result may hold HTML that a device has sent.
 */

static ngx_int_t
ngx_mdm_filter_api(ngx_http_request_t *r, ngx_array_t *origins)
{
    static ngx_str_t  no_store = ngx_string("no-store");
    static ngx_str_t  nosniff = ngx_string("nosniff");
    static ngx_str_t  policy = ngx_string("default-src 'none'; sandbox");

    if (ngx_mdm_header(r, "Cache-Control", &no_store) != NGX_OK
        || ngx_mdm_header(r, "X-Content-Type-Options", &nosniff) != NGX_OK
        || ngx_mdm_header(r, "Content-Security-Policy", &policy) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_mdm_origin_headers(r, origins);
}
