
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What metrics count of requests, when nginx writes its log: the answer is
 * out, and nothing that is waited for comes behind it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_metrics.h"
#include "ngx_mdm_count.h"
#include "ngx_mdm_log.h"


static void ngx_mdm_log_metrics_device(ngx_http_request_t *r,
    mdm_exchange_t *x);


ngx_int_t
ngx_mdm_log_metrics(ngx_http_request_t *r)
{
    ngx_time_t      *tp;
    ngx_uint_t       kind;
    ngx_mdm_ctx_t   *ctx;
    ngx_msec_int_t   ms;
    mdm_exchange_t  *x;

    ctx = ngx_http_get_module_ctx(r, ngx_mdm_module);

    if (ctx == NULL || ngx_mdm_count_row == NULL) {
        return NGX_OK;
    }

    x = ctx->exchange;

    kind = mdm_metrics_kind(x->kind);

    if (kind < MDM_METRICS_KINDS) {
        tp = ngx_timeofday();

        ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                               + ((ngx_msec_int_t) tp->msec
                                  - (ngx_msec_int_t) r->start_msec));

        ngx_mdm_count_time(&ngx_mdm_count_row->requests[kind],
                           MDM_METRICS_SHORT, (uint64_t) ngx_max(ms, 0));
    }

    ngx_mdm_log_metrics_device(r, x);

    return NGX_OK;
}


/* and of commands, also those that the API has queued */

static void
ngx_mdm_log_metrics_device(ngx_http_request_t *r, mdm_exchange_t *x)
{
    ngx_uint_t  status, state;

    if (x->queued != 0) {
        ngx_mdm_count(commands[mdm_metrics_type(&x->request_type)]
                              [MDM_METRICS_QUEUED], x->queued);
    }

    if (x->kind != MDM_KIND_CONNECT && x->kind != MDM_KIND_CHECKIN
        && x->kind != MDM_KIND_AUTH)
    {
        return;
    }

    status = (r->err_status != 0) ? r->err_status : r->headers_out.status;

    ngx_mdm_count(messages[mdm_metrics_message(&x->message)]
                          [mdm_metrics_code(status)], 1);

    if (x->kind != MDM_KIND_CONNECT || x->mdm_status.len == 0) {
        return;
    }

    ngx_mdm_count(connects[mdm_metrics_connect(&x->mdm_status)], 1);

    if (x->answered) {
        state = mdm_metrics_state(&x->mdm_status);

        ngx_mdm_count(commands[mdm_metrics_type(&x->answered_type)][state], 1);

        if (x->answered_age >= 0 && state != MDM_METRICS_NOT_NOW) {
            ngx_mdm_count_time(&ngx_mdm_count_row->answers, MDM_METRICS_LONG,
                               (uint64_t) x->answered_age * 1000);
        }
    }

    if (status == NGX_HTTP_OK && x->request_type.len != 0) {
        ngx_mdm_count(commands[mdm_metrics_type(&x->request_type)]
                              [MDM_METRICS_SENT], 1);
    }
}
