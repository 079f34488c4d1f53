
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdm_metrics: what the workers have counted, as Prometheus reads it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_mdm_metrics.h"
#include "ngx_mdm_apns.h"
#include "ngx_mdm_count.h"
#include "ngx_mdm_metrics_gauges.h"
#include "ngx_mdm_redis.h"
#include "ngx_mdm_store.h"


/* milliseconds between two looks at what is so now */
#define NGX_MDM_METRICS_TICK  1000


/* of this worker */

typedef struct {
    ngx_mdm_main_conf_t      *conf;
    ngx_event_t               tick;
    ngx_connection_t          dumb;        /* for the timer's debug line */
} ngx_mdm_metrics_t;


static void ngx_mdm_metrics_tick_handler(ngx_event_t *ev);
static ngx_uint_t ngx_mdm_metrics_used(ngx_mdm_main_conf_t *mmcf);
static void ngx_mdm_metrics_note(ngx_mdm_main_conf_t *mmcf);
static void ngx_mdm_metrics_files(ngx_mdm_main_conf_t *mmcf,
    mdm_gauges_t *gauges);


static ngx_mdm_metrics_t  ngx_mdm_metrics;


ngx_int_t
ngx_mdm_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_buf_t            *b;
    ngx_chain_t           out;
    mdm_metrics_t         metrics;
    ngx_mdm_count_t      *count;
    mdm_metrics_out_t     text;
    ngx_mdm_main_conf_t  *mmcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    mmcf = ngx_http_get_module_main_conf(r, ngx_mdm_module);

    count = ngx_palloc(r->pool, sizeof(ngx_mdm_count_t));
    text.data = ngx_palloc(r->pool, MDM_METRICS_TEXT);
    b = ngx_calloc_buf(r->pool);

    if (count == NULL || text.data == NULL || b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_mdm_count_read(mmcf->metrics, ngx_mdm_metrics_used(mmcf), count);
    ngx_mdm_metrics_files(mmcf, &count->gauges);

    ngx_memzero(&metrics, sizeof(mdm_metrics_t));

    metrics.sums = &count->sums;
    metrics.now = &count->now;
    metrics.stores = count->stores;
    metrics.nstores = count->nstores;
    metrics.webhooks = count->webhooks;
    metrics.nwebhooks = MDM_METRICS_WEBHOOKS;
    metrics.gauges = &count->gauges;
    metrics.time = (unsigned long) ngx_time();
    metrics.server = NGINX_VERSION;

    mdm_metrics_write(&text, &metrics);

    if (text.cut) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "mdm metrics have more than %d bytes, and were cut",
                      MDM_METRICS_TEXT);
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = (off_t) text.len;
    ngx_str_set(&r->headers_out.content_type,
                "text/plain; version=0.0.4; charset=utf-8");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = text.data;
    b->last = text.data + text.len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* bit by bit, the places of stores of this configuration */

static ngx_uint_t
ngx_mdm_metrics_used(ngx_mdm_main_conf_t *mmcf)
{
    ngx_uint_t         i, place, used;
    ngx_mdm_store_t  **store;

    store = mmcf->stores.elts;
    used = 0;

    for (i = 0; i < mmcf->stores.nelts; i++) {

        if (store[i]->used
            && ngx_mdm_count_store(&store[i]->name, &place) != NULL)
        {
            used |= (ngx_uint_t) 1 << place;
        }
    }

    return used;
}


ngx_int_t
ngx_mdm_metrics_init(ngx_conf_t *cf, ngx_mdm_main_conf_t *mmcf)
{
    if (mmcf->metrics_size == 0) {

        if (!mmcf->metrics_on) {
            return NGX_OK;
        }

        mmcf->metrics_size = NGX_MDM_COUNT_SIZE;
    }

    mmcf->metrics = ngx_mdm_count_zone(cf, mmcf->metrics_size);

    return (mmcf->metrics != NULL) ? NGX_OK : NGX_ERROR;
}


char *
ngx_mdm_metrics_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (mmcf->metrics_size != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR) {
        return "invalid value";
    }

    if (size < NGX_MDM_COUNT_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone of \"%V\" is too small: it must have %dk "
                           "at least", &cmd->name, NGX_MDM_COUNT_MIN / 1024);
        return NGX_CONF_ERROR;
    }

    mmcf->metrics_size = (size_t) size;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_mdm_metrics_init_process(ngx_mdm_main_conf_t *mmcf)
{
    ngx_event_t  *ev;

    if (ngx_mdm_count_row == NULL) {
        return NGX_OK;
    }

    ngx_mdm_metrics.conf = mmcf;
    ngx_mdm_metrics.dumb.fd = (ngx_socket_t) -1;

    ev = &ngx_mdm_metrics.tick;

    ev->handler = ngx_mdm_metrics_tick_handler;
    ev->data = &ngx_mdm_metrics.dumb;
    ev->log = ngx_cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, NGX_MDM_METRICS_TICK);

    return ngx_mdm_gauges_init_process(mmcf);
}


void
ngx_mdm_metrics_exit_process(void)
{
    if (ngx_mdm_metrics.tick.timer_set) {
        ngx_del_timer(&ngx_mdm_metrics.tick);
    }

    ngx_mdm_gauges_exit_process();
}


static void
ngx_mdm_metrics_tick_handler(ngx_event_t *ev)
{
    mdm_metrics_now_t  *now;

    if (ngx_exiting || ngx_terminate) {

        /* it may take long to end, and knows no more of stores */

        now = ngx_mdm_count_noted();

        if (now != NULL) {
            ngx_memzero((void *) (uintptr_t) now->up, sizeof(now->up));
        }

        return;
    }

    ngx_mdm_metrics_note(ngx_mdm_metrics.conf);
    ngx_mdm_gauges_tick();

    ngx_add_timer(ev, NGX_MDM_METRICS_TICK);
}


static void
ngx_mdm_metrics_note(ngx_mdm_main_conf_t *mmcf)
{
    ngx_uint_t             i, place;
    ngx_str_t              state;
    ngx_mdm_store_t      **store;
    mdm_metrics_now_t     *now;
    ngx_mdm_apns_state_t   push;

    now = ngx_mdm_count_noted();

    if (now == NULL) {
        return;
    }

    (void) ngx_mdm_apns_state(&push);

    now->push_connections = push.connections;
    now->push_streams = push.streams;

    store = mmcf->stores.elts;

    for (i = 0; i < mmcf->stores.nelts; i++) {

        if (store[i]->used
            && ngx_mdm_count_store(&store[i]->name, &place) != NULL)
        {
            now->up[place] = ngx_mdm_redis_state(store[i], &state) ? 1 : 2;
        }
    }
}


/* certificates of files are no secret of Redis: they are known here */

static void
ngx_mdm_metrics_files(ngx_mdm_main_conf_t *mmcf, mdm_gauges_t *gauges)
{
    ngx_uint_t           i;
    mdm_push_file_t     *file;
    mdm_gauges_topic_t   topic;

    file = mmcf->apns->files.elts;

    for (i = 0; i < mmcf->apns->files.nelts; i++) {

        if (file[i].topic.len > MDM_METRICS_TOPIC) {
            continue;
        }

        ngx_memzero(&topic, sizeof(mdm_gauges_topic_t));

        topic.len = file[i].topic.len;
        ngx_memcpy(topic.data, file[i].topic.data, topic.len);
        topic.not_after = (unsigned long) file[i].not_after;

        mdm_gauges_topic_add(gauges, &topic);
    }
}
