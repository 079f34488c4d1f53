
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The response of an exchange goes out.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_module.h"


static ngx_int_t ngx_mdm_send_response(ngx_http_request_t *r,
    mdm_exchange_t *x);
static ngx_int_t ngx_mdm_send_location(ngx_http_request_t *r);


ngx_int_t
ngx_mdm_send(ngx_http_request_t *r, mdm_exchange_t *x)
{
    ngx_int_t   rc;
    ngx_log_t  *log;

    log = r->connection->log;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log, 0,
                   "mdm send: %ui, %uz bytes", (ngx_uint_t) x->status,
                   x->response.len);

    log->action = "sending mdm response to client";

    rc = ngx_mdm_send_response(r, x);

    /* the rest of a main request's response is sent by nginx */

    if (rc != NGX_AGAIN || r != r->main) {
        log->action = NULL;
    }

    return rc;
}


static ngx_int_t
ngx_mdm_send_response(ngx_http_request_t *r, mdm_exchange_t *x)
{
    ngx_int_t      rc;
    ngx_buf_t     *b;
    ngx_chain_t    out;
    mdm_header_t  *h;

    r->headers_out.status = x->status;
    r->headers_out.content_length_n = (off_t) x->response.len;

    if (x->response_type.len != 0) {
        ngx_mdm_str_copy(&r->headers_out.content_type, &x->response_type);
        r->headers_out.content_type_len = x->response_type.len;
        r->headers_out.content_type_lowcase = NULL;
    }

    if (x->retry_after != 0
        && ngx_mdm_retry_after(r, x->retry_after) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (x->allow.len != 0
        && ngx_mdm_header(r, "Allow", (ngx_str_t *) &x->allow) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (x->last_modified != 0) {
        r->headers_out.last_modified_time = (time_t) x->last_modified;
    }

    if (x->status == NGX_HTTP_MOVED_TEMPORARILY
        && ngx_mdm_send_location(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (h = x->headers; h != NULL; h = h->next) {
        if (ngx_mdm_header(r, h->name, (ngx_str_t *) &h->value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (x->response.len == 0) {
        r->header_only = 1;
        return ngx_http_send_header(r);
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = x->response.data;
    b->last = b->pos + x->response.len;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* where somebody who wants to enroll logs in */

static ngx_int_t
ngx_mdm_send_location(ngx_http_request_t *r)
{
    ngx_str_t            url;
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (mlcf->way.login == NULL
        || ngx_http_complex_value(r, mlcf->way.login, &url) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_mdm_header(r, "Location", &url);
}


ngx_int_t
ngx_mdm_retry_after(ngx_http_request_t *r, ngx_uint_t seconds)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%ui", seconds) - value.data;

    return ngx_mdm_header(r, "Retry-After", &value);
}


ngx_int_t
ngx_mdm_header(ngx_http_request_t *r, const char *name, ngx_str_t *value)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    /* after an error_page it may be there already */

    for (part = &r->headers_out.headers.part;
         part != NULL;
         part = part->next)
    {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash != 0 && h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                h[i].value = *value;
                return NGX_OK;
            }
        }
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = len;
    h->value = *value;
    h->lowcase_key = NULL;

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}
