
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Variables for log_format and for other modules.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_module.h"


/* bytes: what comes from outside may be written to a log with each request */

#define NGX_MDM_VARIABLE_MAX  256


static ngx_int_t ngx_mdm_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_mdm_variable_state(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_mdm_variable_redis_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_mdm_variable_counter(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_mdm_variable_pending(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_mdm_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_uint_t n);


#define ngx_mdm_counter(name, field)                                          \
    { ngx_string(name), NULL, ngx_mdm_variable_counter,                       \
      offsetof(ngx_mdm_redis_stats_t, field), NGX_HTTP_VAR_NOCACHEABLE, 0 }


static ngx_http_variable_t  ngx_mdm_variables[] = {

    { ngx_string("mdm_enrollment_id"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, enrollment_id), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_message"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, message), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_status"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, mdm_status), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_command_uuid"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, command_uuid), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_request_type"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, request_type), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_push_status"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, push_status), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_push_owed"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, push_owed), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_scep_operation"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, scep_operation), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_scep_status"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, scep_status), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_ca_serial"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, ca_serial), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_enroll_state"), NULL, ngx_mdm_variable_state, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_certificate"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, identity.sha256), NGX_HTTP_VAR_NOCACHEABLE,
      0 },

    { ngx_string("mdm_tenant"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, tenant), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_error"), NULL, ngx_mdm_variable,
      offsetof(mdm_exchange_t, error), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    /* counters of the location's store in this worker */

    ngx_mdm_counter("mdm_redis_calls", calls),
    ngx_mdm_counter("mdm_redis_replies", replies),
    ngx_mdm_counter("mdm_redis_sends", sends),
    ngx_mdm_counter("mdm_redis_refused", refused),
    ngx_mdm_counter("mdm_redis_timeouts", timeouts),
    ngx_mdm_counter("mdm_redis_unavailable", unavailable),
    ngx_mdm_counter("mdm_redis_errors", errors),
    ngx_mdm_counter("mdm_redis_retries", retries),
    ngx_mdm_counter("mdm_redis_redirects", redirects),
    ngx_mdm_counter("mdm_redis_tryagain", tryagain),
    ngx_mdm_counter("mdm_redis_unconfirmed", unconfirmed),
    ngx_mdm_counter("mdm_redis_connects", connects),

    { ngx_string("mdm_redis_pending"), NULL, ngx_mdm_variable_pending, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mdm_redis_time"), NULL, ngx_mdm_variable_redis_time, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_mdm_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_mdm_variables; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    size_t          len;
    mdm_str_t      *s;
    ngx_mdm_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_mdm_module);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    s = (mdm_str_t *) ((u_char *) ctx->exchange + data);

    if (s->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    len = s->len;

    if (len > NGX_MDM_VARIABLE_MAX) {
        len = NGX_MDM_VARIABLE_MAX;

        /* no character is cut in two */

        while (len != 0 && (s->data[len] & 0xc0) == 0x80) {
            len--;
        }
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = len;
    v->data = s->data;

    return NGX_OK;
}


/* of any length: a part of it would be good for nothing */

static ngx_int_t
ngx_mdm_variable_state(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_mdm_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_mdm_module);

    if (ctx == NULL || ctx->exchange->enroll_state.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = ctx->exchange->enroll_state.len;
    v->data = ctx->exchange->enroll_state.data;

    return NGX_OK;
}


/* seconds with milliseconds, as $upstream_response_time; all rounds */

static ngx_int_t
ngx_mdm_variable_redis_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char         *p;
    ngx_mdm_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_mdm_module);

    if (ctx == NULL || ctx->rounds == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%T.%03M", (time_t) ctx->redis_time / 1000,
                         ctx->redis_time % 1000)
             - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


/* of this worker and the location's store; how well calls are batched */

static ngx_int_t
ngx_mdm_variable_counter(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_mdm_loc_conf_t     *mlcf;
    ngx_mdm_redis_stats_t  *stats;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    stats = (mlcf->store == NULL) ? NULL : ngx_mdm_redis_stats(mlcf->store);

    if (stats == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_mdm_variable_number(r, v,
                            *(ngx_atomic_t *) ((u_char *) stats + data));
}


static ngx_int_t
ngx_mdm_variable_pending(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (mlcf->store == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_mdm_variable_number(r, v, ngx_mdm_redis_pending(mlcf->store));
}


static ngx_int_t
ngx_mdm_variable_number(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    ngx_uint_t n)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%ui", n) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}
