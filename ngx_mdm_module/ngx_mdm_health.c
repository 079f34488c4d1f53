
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdm_health, for load balancers and the like.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_health.h"
#include "ngx_mdm.h"
#include "ngx_mdm_apns.h"
#include "ngx_mdm_hook.h"
#include "ngx_mdm_redis.h"
#include "ngx_mdm_store.h"


/* bytes of the answer but for what is said of each store */
#define NGX_MDM_HEALTH_TEXT   512
#define NGX_MDM_HEALTH_STORE  64


typedef enum {
    NGX_MDM_HEALTH_LIVE = 0,
    NGX_MDM_HEALTH_READY,
    NGX_MDM_HEALTH_NONE
} ngx_mdm_health_e;


static ngx_mdm_health_e ngx_mdm_health_asked(ngx_http_request_t *r);
static ngx_int_t ngx_mdm_health_ready(ngx_http_request_t *r, ngx_str_t *text,
    ngx_uint_t *ready);
static size_t ngx_mdm_health_size(ngx_array_t *stores);
static u_char *ngx_mdm_health_stores(ngx_array_t *stores, u_char *p,
    ngx_str_t *worst, ngx_uint_t *up);
static ngx_int_t ngx_mdm_health_send(ngx_http_request_t *r, ngx_str_t *text,
    ngx_uint_t status);


ngx_int_t
ngx_mdm_health_handler(ngx_http_request_t *r)
{
    ngx_int_t   rc;
    ngx_str_t   text;
    ngx_uint_t  ready;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    switch (ngx_mdm_health_asked(r)) {

    case NGX_MDM_HEALTH_LIVE:
        ngx_str_set(&text, "{\"live\":true}");

        return ngx_mdm_health_send(r, &text, NGX_HTTP_OK);

    case NGX_MDM_HEALTH_READY:

        if (ngx_mdm_health_ready(r, &text, &ready) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_mdm_health_send(r, &text,
                                   ready ? NGX_HTTP_OK
                                         : NGX_HTTP_SERVICE_UNAVAILABLE);

    default: /* NGX_MDM_HEALTH_NONE */
        return NGX_HTTP_NOT_FOUND;
    }
}


/* the last part of the path, whatever the location's name is */

static ngx_mdm_health_e
ngx_mdm_health_asked(ngx_http_request_t *r)
{
    size_t                     len;
    u_char                    *p, *last;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    p = r->uri.data;
    last = r->uri.data + r->uri.len;

    if (r->uri.len >= clcf->name.len
        && ngx_memcmp(p, clcf->name.data, clcf->name.len) == 0)
    {
        p += clcf->name.len;

    } else {

        /* the name is an expression */

        for (p = last; p > r->uri.data && p[-1] != '/'; p--) { /* void */ }
    }

    while (p < last && *p == '/') {
        p++;
    }

    len = last - p;

    if (len == 0 || (len == 4 && ngx_memcmp(p, "live", 4) == 0)) {
        return NGX_MDM_HEALTH_LIVE;
    }

    if (len == 5 && ngx_memcmp(p, "ready", 5) == 0) {
        return NGX_MDM_HEALTH_READY;
    }

    return NGX_MDM_HEALTH_NONE;
}


/* push and webhooks are said, but do not count: devices are served without */

static ngx_int_t
ngx_mdm_health_ready(ngx_http_request_t *r, ngx_str_t *text,
    ngx_uint_t *ready)
{
    u_char               *p, *stores, *end;
    ngx_str_t             worst;
    ngx_uint_t            hooks, failing;
    ngx_mdm_apns_state_t  push;
    ngx_mdm_main_conf_t  *mmcf;

    mmcf = ngx_http_get_module_main_conf(r, ngx_mdm_module);

    text->data = ngx_pnalloc(r->pool, NGX_MDM_HEALTH_TEXT
                                      + ngx_mdm_health_size(&mmcf->stores));
    stores = ngx_pnalloc(r->pool, ngx_mdm_health_size(&mmcf->stores) + 1);

    if (text->data == NULL || stores == NULL) {
        return NGX_ERROR;
    }

    end = ngx_mdm_health_stores(&mmcf->stores, stores, &worst, ready);

    if (ngx_exiting || ngx_terminate) {
        *ready = 0;
    }

    p = ngx_sprintf(text->data, "{\"ready\":%s,\"redis\":\"",
                    *ready ? "true" : "false");
    ngx_strlow(p, worst.data, worst.len);
    p += worst.len;

    p = ngx_sprintf(p, "\",\"stores\":{%*s},\"draining\":%s,\"push\":",
                    (size_t) (end - stores), stores,
                    (ngx_exiting || ngx_terminate) ? "true" : "false");

    if (ngx_mdm_apns_state(&push) != NGX_OK) {
        p = ngx_sprintf(p, "\"off\"");

    } else {
        p = ngx_sprintf(p, "{\"connections\":%ui,\"topics_down\":%ui}",
                        push.connections, push.down);
    }

    p = ngx_sprintf(p, ",\"webhooks\":");

    if (ngx_mdm_hook_state(&hooks, &failing) != NGX_OK) {
        p = ngx_sprintf(p, "\"off\"}");

    } else {
        p = ngx_sprintf(p, "{\"configured\":%ui,\"failing\":%ui}}", hooks,
                        failing);
    }

    text->len = p - text->data;

    return NGX_OK;
}


static size_t
ngx_mdm_health_size(ngx_array_t *stores)
{
    size_t             size;
    ngx_uint_t         i;
    ngx_mdm_store_t  **store;

    store = stores->elts;
    size = 0;

    for (i = 0; i < stores->nelts; i++) {
        size += store[i]->name.len + NGX_MDM_HEALTH_STORE;
    }

    return size;
}


/*
 * A store's name needs no escapes; *worst is the state of one that cannot be
 * called, if any is, or of one that has trouble.
 */

static u_char *
ngx_mdm_health_stores(ngx_array_t *stores, u_char *p, ngx_str_t *worst,
    ngx_uint_t *up)
{
    u_char            *first;
    ngx_str_t          state;
    ngx_uint_t         i;
    ngx_mdm_store_t  **store;

    store = stores->elts;
    first = p;

    *up = 1;

    ngx_str_set(worst, "up");

    for (i = 0; i < stores->nelts; i++) {

        if (!store[i]->used) {
            continue;
        }

        if (!ngx_mdm_redis_state(store[i], &state)) {
            *worst = state;
            *up = 0;

        } else if (*up && state.len != 2) {
            *worst = state;
        }

        p = ngx_sprintf(p, "%s\"%V\":\"", (p == first) ? "" : ",",
                        &store[i]->name);
        ngx_strlow(p, state.data, state.len);
        p += state.len;
        *p++ = '"';
    }

    return p;
}


static ngx_int_t
ngx_mdm_health_send(ngx_http_request_t *r, ngx_str_t *text, ngx_uint_t status)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = (off_t) text->len;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
