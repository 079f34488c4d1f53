
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


static ngx_int_t ngx_mdm_filter_init(ngx_conf_t *cf);
static ngx_int_t ngx_mdm_filter_header(ngx_http_request_t *r);
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

    if (mlcf->api && ngx_mdm_filter_api(r, mlcf->origins) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_mdm_filter_next_header(r);
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
