
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Messages that change nothing, for webhooks that want them: they wait in the
 * memory of this worker, and are sent once.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "mdm_hook_once.h"
#include "mdm_topic.h"
#include "ngx_mdm_count.h"
#include "ngx_mdm_hook.h"
#include "ngx_mdm_redis_resp.h"
#include "ngx_mdm_round.h"


/* of a webhook: messages that wait, bytes of them, and how many are sent */
#define NGX_MDM_HOOK_ONCE     1000
#define NGX_MDM_HOOK_BYTES    (4 * 1024 * 1024)
#define NGX_MDM_HOOK_SENDS    4

/* ms between two lines of the log that say how many were dropped */
#define NGX_MDM_HOOK_SAY      60000


/* what waits of a webhook, for all tenants and stores */

typedef struct {
    ngx_queue_t               waiting;
    ngx_queue_t               sending;
    ngx_uint_t                nwaiting;
    ngx_uint_t                nsending;
    size_t                    bytes;       /* of those that wait */
    mdm_metrics_webhook_t    *counts;      /* NULL: nothing is counted */
    ngx_uint_t                dropped;     /* since that was said, */
    ngx_msec_t                said;        /* and when; 0: never */
} ngx_mdm_hook_line_t;


/* body, query and tenant stand behind it */

typedef struct {
    ngx_queue_t               queue;
    ngx_mdm_hook_line_t      *line;
    ngx_mdm_store_t          *store;
    mdm_str_t                 tenant;
    size_t                    bytes;
    mdm_hook_once_t           once;
    mdm_exchange_t           *exchange;
    ngx_mdm_round_t           round;
} ngx_mdm_hook_message_t;


static void ngx_mdm_hook_once_add(ngx_mdm_store_t *store, mdm_exchange_t *x,
    const mdm_webhook_t *webhook, ngx_mdm_hook_line_t *line, mdm_str_t *name);
static void ngx_mdm_hook_once_drop(const mdm_webhook_t *webhook,
    ngx_mdm_hook_line_t *line);
static void ngx_mdm_hook_once_start(ngx_mdm_hook_line_t *line);
static ngx_int_t ngx_mdm_hook_once_begin(ngx_mdm_hook_message_t *message);
static void ngx_mdm_hook_once_run(void *data);
static void ngx_mdm_hook_once_end(ngx_mdm_hook_message_t *message);
static void ngx_mdm_hook_once_free(ngx_mdm_hook_message_t *message);


static uint64_t              ngx_mdm_hook_once_topics;
static ngx_mdm_hook_line_t  *ngx_mdm_hook_lines;
static ngx_uint_t            ngx_mdm_hook_nlines;
static ngx_mdm_threads_t    *ngx_mdm_hook_once_threads;


ngx_int_t
ngx_mdm_hook_once_init_process(ngx_cycle_t *cycle, ngx_mdm_hook_conf_t *conf)
{
    ngx_uint_t      i;
    mdm_webhook_t  *webhooks;

    webhooks = conf->webhooks.elts;

    ngx_mdm_hook_once_topics = 0;

    for (i = 0; i < conf->webhooks.nelts; i++) {
        ngx_mdm_hook_once_topics |= webhooks[i].topics & mdm_topics_once();
    }

    if (ngx_mdm_hook_once_topics == 0) {
        return NGX_OK;
    }

    ngx_mdm_hook_lines = ngx_pcalloc(cycle->pool,
                                     conf->webhooks.nelts
                                     * sizeof(ngx_mdm_hook_line_t));
    if (ngx_mdm_hook_lines == NULL) {
        return NGX_ERROR;
    }

    ngx_mdm_hook_nlines = conf->webhooks.nelts;
    ngx_mdm_hook_once_threads = conf->threads;

    for (i = 0; i < ngx_mdm_hook_nlines; i++) {
        ngx_queue_init(&ngx_mdm_hook_lines[i].waiting);
        ngx_queue_init(&ngx_mdm_hook_lines[i].sending);

        ngx_mdm_hook_lines[i].counts
            = ngx_mdm_count_webhook((ngx_str_t *) &webhooks[i].name);
    }

    return NGX_OK;
}


void
ngx_mdm_hook_once_exit_process(void)
{
    ngx_uint_t               i;
    ngx_mdm_hook_line_t     *line;
    ngx_mdm_hook_message_t  *message;

    for (i = 0; i < ngx_mdm_hook_nlines; i++) {
        line = &ngx_mdm_hook_lines[i];

        while (!ngx_queue_empty(&line->sending)) {
            message = ngx_queue_data(ngx_queue_head(&line->sending),
                                     ngx_mdm_hook_message_t, queue);

            ngx_mdm_round_abandon(&message->round);

            /* a thread that is at it has it until the process ends */

            if (message->round.working == 0) {
                mdm_arena_destroy(message->exchange->arena);
                ngx_mdm_hook_once_free(message);

            } else {
                ngx_queue_remove(&message->queue);
            }
        }

        while (!ngx_queue_empty(&line->waiting)) {
            ngx_mdm_hook_once_free(
                ngx_queue_data(ngx_queue_head(&line->waiting),
                               ngx_mdm_hook_message_t, queue));
        }
    }

    ngx_mdm_hook_nlines = 0;
    ngx_mdm_hook_once_topics = 0;
}


void
ngx_mdm_hook_once(ngx_mdm_store_t *store, mdm_exchange_t *x)
{
    uint64_t               topic;
    mdm_str_t              name;
    ngx_uint_t             i;
    const mdm_settings_t  *settings;

    if (ngx_mdm_hook_once_topics == 0
        || (x->kind != MDM_KIND_CONNECT && x->kind != MDM_KIND_CHECKIN))
    {
        return;
    }

    topic = mdm_hook_once_topic(x, &name);

    if ((topic & ngx_mdm_hook_once_topics) == 0 || ngx_exiting
        || ngx_terminate)
    {
        return;
    }

    settings = &store->settings;

    for (i = 0; i < settings->nwebhooks && i < ngx_mdm_hook_nlines; i++) {

        if ((settings->webhooks[i].topics & topic)
            && mdm_webhook_of(&settings->webhooks[i], &x->tenant))
        {
            ngx_mdm_hook_once_add(store, x, &settings->webhooks[i],
                                  &ngx_mdm_hook_lines[i], &name);
        }
    }
}


static void
ngx_mdm_hook_once_add(ngx_mdm_store_t *store, mdm_exchange_t *x,
    const mdm_webhook_t *webhook, ngx_mdm_hook_line_t *line, mdm_str_t *name)
{
    u_char                  *p;
    size_t                   bytes;
    ngx_time_t              *tp;
    ngx_mdm_hook_message_t  *message;

    bytes = x->body.len + x->query.len + x->tenant.len;

    if (line->nwaiting >= NGX_MDM_HOOK_ONCE
        || line->bytes + bytes > NGX_MDM_HOOK_BYTES)
    {
        ngx_mdm_hook_once_drop(webhook, line);
        return;
    }

    message = ngx_calloc(sizeof(ngx_mdm_hook_message_t) + bytes,
                         ngx_cycle->log);
    if (message == NULL) {
        ngx_mdm_hook_once_drop(webhook, line);
        return;
    }

    p = (u_char *) message + sizeof(ngx_mdm_hook_message_t);

    message->once.body.data = p;
    message->once.body.len = x->body.len;
    p = ngx_cpymem(p, x->body.data, x->body.len);

    message->once.params.data = p;
    message->once.params.len = (x->query.len <= MDM_EVENT_PARAMS_MAX)
                               ? x->query.len : 0;

    if (message->once.params.len != 0) {
        p = ngx_cpymem(p, x->query.data, x->query.len);
    }

    message->tenant.data = p;
    message->tenant.len = x->tenant.len;
    ngx_memcpy(p, x->tenant.data, x->tenant.len);

    tp = ngx_timeofday();

    message->once.webhook = webhook;
    message->once.name = *name;
    message->once.ms = (int64_t) tp->sec * 1000 + (int64_t) tp->msec;
    message->line = line;
    message->store = store;
    message->bytes = bytes;

    ngx_queue_insert_tail(&line->waiting, &message->queue);
    line->nwaiting++;
    line->bytes += bytes;

    ngx_mdm_hook_once_start(line);
}


static void
ngx_mdm_hook_once_drop(const mdm_webhook_t *webhook, ngx_mdm_hook_line_t *line)
{
    line->dropped++;

    if (line->counts != NULL) {
        ngx_mdm_count_add(&line->counts->deliveries[MDM_METRICS_DROPPED], 1);
    }

    if (line->said != 0
        && ngx_current_msec - line->said < NGX_MDM_HOOK_SAY)
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "mdm webhook \"%V\" is too slow for messages that are not "
                  "kept: %ui were dropped", (ngx_str_t *) &webhook->name,
                  line->dropped);

    line->dropped = 0;
    line->said = ngx_current_msec | 1;
}


static void
ngx_mdm_hook_once_start(ngx_mdm_hook_line_t *line)
{
    ngx_queue_t             *q;
    ngx_mdm_hook_message_t  *message;

    while (line->nsending < NGX_MDM_HOOK_SENDS
           && !ngx_queue_empty(&line->waiting))
    {
        q = ngx_queue_head(&line->waiting);
        message = ngx_queue_data(q, ngx_mdm_hook_message_t, queue);

        ngx_queue_remove(q);
        line->nwaiting--;
        line->bytes -= message->bytes;

        ngx_queue_insert_tail(&line->sending, q);
        line->nsending++;

        if (ngx_mdm_hook_once_begin(message) != NGX_OK) {
            ngx_mdm_hook_once_drop(message->once.webhook, line);
            ngx_mdm_hook_once_free(message);
            line->nsending--;
            continue;
        }

        ngx_mdm_hook_once_run(message);
    }
}


static ngx_int_t
ngx_mdm_hook_once_begin(ngx_mdm_hook_message_t *message)
{
    mdm_exchange_t  *x;

    x = mdm_exchange_create_from(&ngx_mdm_redis_arenas,
                                 &message->store->settings);
    if (x == NULL) {
        return NGX_ERROR;
    }

    message->exchange = x;

    message->round.exchange = x;
    message->round.store = message->store;
    message->round.threads = ngx_mdm_hook_once_threads;
    message->round.done = ngx_mdm_hook_once_run;
    message->round.data = message;

    x->kind = MDM_KIND_JOB;
    x->now = ngx_time();
    x->tenant = message->tenant;
    x->step = mdm_hook_once_step;
    x->ctx = &message->once;

    /* whose request it is has no answer yet */

    x->heavy = (message->once.body.len > MDM_EXCHANGE_LARGE);

    return NGX_OK;
}


static void
ngx_mdm_hook_once_run(void *data)
{
    ngx_mdm_hook_message_t *message = data;

    mdm_int_t  rc;

    do {

        switch (ngx_mdm_round_step(&message->round, &rc)) {

        case NGX_DONE:
            return;

        case NGX_ERROR:

            /* too much waits for a thread */

            ngx_mdm_hook_once_drop(message->once.webhook, message->line);
            rc = MDM_DONE;
            break;

        default: /* NGX_OK */
            break;
        }

        if (rc == MDM_DONE) {
            ngx_mdm_hook_once_end(message);
            return;
        }

    } while (ngx_mdm_round_send(&message->round) == 0);
}


static void
ngx_mdm_hook_once_end(ngx_mdm_hook_message_t *message)
{
    mdm_exchange_t       *x;
    ngx_mdm_hook_line_t  *line;

    x = message->exchange;
    line = message->line;

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm hook once: \"%V\" %ui \"%V\"",
                   (ngx_str_t *) &message->once.name,
                   (ngx_uint_t) x->status, (ngx_str_t *) &x->error);

    if (message->once.attempt != NULL) {
        ngx_mdm_hook_count(line->counts, message->once.attempt);
    }

    mdm_arena_destroy(x->arena);
    ngx_mdm_hook_once_free(message);
    line->nsending--;

    if (!ngx_exiting && !ngx_terminate) {
        ngx_mdm_hook_once_start(line);
    }
}


static void
ngx_mdm_hook_once_free(ngx_mdm_hook_message_t *message)
{
    ngx_queue_remove(&message->queue);
    ngx_free(message);
}
