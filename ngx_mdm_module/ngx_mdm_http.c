
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Calls of kind http: each goes to the connections of its client, as many at a
 * time as that allows.
 */


#include "ngx_mdm_http_pool.h"


/* requests of a worker that have not ended */
#define NGX_MDM_HTTP_PENDING  4096

/* milliseconds between two looks at those that wait, or at a worker's end */
#define NGX_MDM_HTTP_TICK     100

/* a worker that ends waits so long for answers */
#define NGX_MDM_HTTP_QUIT     3000


static ngx_int_t ngx_mdm_http_refuse(mdm_call_t *call, mdm_http_e outcome,
    const char *text);
static ngx_mdm_http_pool_t *ngx_mdm_http_pool(ngx_mdm_http_t *http,
    ngx_mdm_http_client_t *client);
static void ngx_mdm_http_pool_free(ngx_mdm_http_pool_t *pool);
static void ngx_mdm_http_start(ngx_mdm_http_op_t *op);
static void ngx_mdm_http_resolved(ngx_mdm_http_op_t *op, ngx_str_t *reason);
static void ngx_mdm_http_send(ngx_mdm_http_op_t *op);
static void ngx_mdm_http_ran(ngx_mdm_http_pool_t *pool);
static void ngx_mdm_http_next(ngx_mdm_http_pool_t *pool);
static void ngx_mdm_http_stop(ngx_mdm_http_op_t *op);
static void ngx_mdm_http_end(ngx_mdm_http_op_t *op, mdm_http_e outcome,
    ngx_str_t *reason);
static void ngx_mdm_http_post(ngx_mdm_http_t *http);
static void ngx_mdm_http_deliver_handler(ngx_event_t *ev);
static void ngx_mdm_http_tick_handler(ngx_event_t *ev);
static void ngx_mdm_http_late(ngx_mdm_http_pool_t *pool);
static void ngx_mdm_http_quit(ngx_mdm_http_pool_t *pool, ngx_uint_t now);


/* that of this worker; NULL: nobody makes requests, or it serves none */
static ngx_mdm_http_t  *ngx_mdm_http;


ngx_int_t
ngx_mdm_http_call(mdm_call_t *call, ngx_mdm_http_handler_pt handler,
    void *data, ngx_mdm_http_op_t **op)
{
    ngx_str_t               reason;
    ngx_mdm_http_t         *http;
    ngx_mdm_http_op_t      *o;
    ngx_mdm_http_pool_t    *pool;
    ngx_mdm_http_client_t  *client;

    http = ngx_mdm_http;

    if (http == NULL) {
        return ngx_mdm_http_refuse(call, MDM_HTTP_OFF,
                                   "there is no HTTP client");
    }

    client = (ngx_mdm_http_client_t *) call->http->client;

    if (client == NULL) {
        client = http->conf->client;
    }

    if (client == NULL) {
        return ngx_mdm_http_refuse(call, MDM_HTTP_OFF,
                                   "there is no HTTP client");
    }

    if (ngx_exiting || ngx_terminate) {
        return ngx_mdm_http_refuse(call, MDM_HTTP_BUSY, "the worker ends");
    }

    if (http->pending >= NGX_MDM_HTTP_PENDING) {
        return ngx_mdm_http_refuse(call, MDM_HTTP_BUSY,
                                   "too many requests wait");
    }

    pool = ngx_mdm_http_pool(http, client);
    if (pool == NULL) {
        return ngx_mdm_http_refuse(call, MDM_HTTP_BUSY, "no memory");
    }

    o = ngx_mdm_http_op_create(pool, call, &reason);

    if (o == NULL) {
        return (reason.len != 0)
               ? ngx_mdm_http_refuse(call, MDM_HTTP_ODD, (char *) reason.data)
               : ngx_mdm_http_refuse(call, MDM_HTTP_BUSY, "no memory");
    }

    o->handler = handler;
    o->data = data;

    ngx_queue_insert_tail(&pool->waiting, &o->queue);

    *op = o;

    ngx_log_debug4(NGX_LOG_DEBUG_EVENT, &http->log, 0,
                   "mdm http call: %V running:%ui of %ui pending:%ui",
                   &o->site, pool->nrunning, client->max, http->pending);

    if (!http->tick.timer_set) {
        ngx_add_timer(&http->tick, NGX_MDM_HTTP_TICK);
    }

    ngx_mdm_http_next(pool);

    return NGX_OK;
}


/* "text" is a constant */

static ngx_int_t
ngx_mdm_http_refuse(mdm_call_t *call, mdm_http_e outcome, const char *text)
{
    mdm_http_t  *http;

    http = call->http;

    call->rc = MDM_CALL_OK;
    call->reply = NULL;
    call->reply_arena = NULL;

    http->outcome = outcome;
    http->reason.data = (u_char *) text;
    http->reason.len = ngx_strlen(text);

    return NGX_DONE;
}


static ngx_mdm_http_pool_t *
ngx_mdm_http_pool(ngx_mdm_http_t *http, ngx_mdm_http_client_t *client)
{
    ngx_mdm_http_pool_t  *pool;

    pool = http->pools[client->index];

    if (pool != NULL) {
        return pool;
    }

    pool = ngx_calloc(sizeof(ngx_mdm_http_pool_t), &http->log);
    if (pool == NULL) {
        return NULL;
    }

    pool->http = http;
    pool->client = client;
    pool->ran = ngx_mdm_http_ran;
    pool->fd = (ngx_socket_t) -1;

    ngx_queue_init(&pool->waiting);
    ngx_queue_init(&pool->running);
    ngx_queue_init(&pool->watches);

    pool->idle = ngx_calloc(client->max * sizeof(CURL *), &http->log);

    if (pool->idle == NULL || ngx_mdm_http_multi_create(pool) != NGX_OK) {
        ngx_mdm_http_pool_free(pool);
        return NULL;
    }

    http->pools[client->index] = pool;

    return pool;
}


/* nobody waits for any of its requests any more */

static void
ngx_mdm_http_pool_free(ngx_mdm_http_pool_t *pool)
{
    ngx_mdm_http_op_t  *op;

    while (!ngx_queue_empty(&pool->running)) {
        op = ngx_queue_data(ngx_queue_head(&pool->running), ngx_mdm_http_op_t,
                            queue);
        ngx_mdm_http_stop(op);
        ngx_mdm_http_op_free(op);
    }

    while (!ngx_queue_empty(&pool->waiting)) {
        op = ngx_queue_data(ngx_queue_head(&pool->waiting), ngx_mdm_http_op_t,
                            queue);
        ngx_mdm_http_stop(op);
        ngx_mdm_http_op_free(op);
    }

    while (pool->nidle != 0) {
        curl_easy_cleanup(pool->idle[--pool->nidle]);
    }

    ngx_mdm_http_multi_destroy(pool);
    ngx_mdm_http_op_forget_url(pool);

    if (pool->idle != NULL) {
        ngx_free(pool->idle);
    }

    ngx_free(pool);
}


/* begins what waits, as far as the client allows it */

static void
ngx_mdm_http_next(ngx_mdm_http_pool_t *pool)
{
    ngx_queue_t  *q;

    ngx_mdm_http_late(pool);

    while (pool->nrunning < pool->client->max
           && !ngx_queue_empty(&pool->waiting)
           && !ngx_exiting && !ngx_terminate)
    {
        q = ngx_queue_head(&pool->waiting);

        ngx_mdm_http_start(ngx_queue_data(q, ngx_mdm_http_op_t, queue));
    }
}


static void
ngx_mdm_http_start(ngx_mdm_http_op_t *op)
{
    ngx_mdm_http_pool_t  *pool;

    pool = op->pool;

    ngx_queue_remove(&op->queue);
    ngx_queue_insert_tail(&pool->running, &op->queue);

    pool->nrunning++;
    op->state = NGX_MDM_HTTP_RESOLVING;

    if (ngx_mdm_http_resolve(op, ngx_mdm_http_resolved) == NGX_OK) {
        ngx_mdm_http_send(op);
    }
}


static void
ngx_mdm_http_resolved(ngx_mdm_http_op_t *op, ngx_str_t *reason)
{
    if (reason != NULL) {
        ngx_mdm_http_end(op, MDM_HTTP_RESOLVE, reason);
        return;
    }

    ngx_mdm_http_send(op);
}


static void
ngx_mdm_http_send(ngx_mdm_http_op_t *op)
{
    CURLMcode   rc;
    ngx_str_t   reason;

    if (ngx_mdm_http_easy_create(op) != NGX_OK) {
        ngx_str_set(&reason, "no memory");
        ngx_mdm_http_end(op, MDM_HTTP_BUSY, &reason);
        return;
    }

    op->state = NGX_MDM_HTTP_RUNNING;

    rc = curl_multi_add_handle(op->pool->multi, op->easy);

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_ALERT, &op->pool->http->log, 0,
                      "curl_multi_add_handle() failed: %s",
                      curl_multi_strerror(rc));

        ngx_str_set(&reason, "libcurl takes no request");
        ngx_mdm_http_end(op, MDM_HTTP_BUSY, &reason);
    }
}


/* libcurl has been called */

static void
ngx_mdm_http_ran(ngx_mdm_http_pool_t *pool)
{
    int                 left;
    char               *private;
    CURLMsg            *msg;
    CURLcode            code;
    ngx_str_t           reason;
    mdm_http_e          outcome;
    ngx_queue_t        *q;
    ngx_mdm_http_op_t  *op;

    while ((msg = curl_multi_info_read(pool->multi, &left)) != NULL) {

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        private = NULL;
        code = msg->data.result;

        (void) curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);

        op = (ngx_mdm_http_op_t *) (void *) private;
        outcome = ngx_mdm_http_easy_outcome(op, code, &reason);

        ngx_mdm_http_end(op, outcome, &reason);
    }

    q = ngx_queue_head(&pool->running);

    while (q != ngx_queue_sentinel(&pool->running)) {
        op = ngx_queue_data(q, ngx_mdm_http_op_t, queue);
        q = ngx_queue_next(q);

        if (op->starved) {
            ngx_str_set(&reason, "nginx has no free connection");
            ngx_mdm_http_end(op, MDM_HTTP_UNREACHABLE, &reason);
        }
    }
}


/* takes it away from whoever is at it, and out of its queue */

static void
ngx_mdm_http_stop(ngx_mdm_http_op_t *op)
{
    ngx_mdm_http_pool_t  *pool;

    pool = op->pool;

    switch (op->state) {

    case NGX_MDM_HTTP_RESOLVING:
        ngx_mdm_http_resolve_cancel(op);
        pool->nrunning--;
        break;

    case NGX_MDM_HTTP_RUNNING:

        /* a connection in the middle of something is closed by this */

        (void) curl_multi_remove_handle(pool->multi, op->easy);
        pool->nrunning--;

        ERR_clear_error();
        break;

    default:
        break;
    }

    if (op->easy != NULL) {
        ngx_mdm_http_easy_release(op);
    }

    ngx_queue_remove(&op->queue);
}


static void
ngx_mdm_http_end(ngx_mdm_http_op_t *op, mdm_http_e outcome, ngx_str_t *reason)
{
    ngx_mdm_http_t  *http;

    http = op->pool->http;

    /* the reason may be in the handle's memory */

    ngx_mdm_http_op_end(op, outcome, reason);
    ngx_mdm_http_log(op);
    ngx_mdm_http_stop(op);

    op->state = NGX_MDM_HTTP_ENDED;
    ngx_queue_insert_tail(&http->done, &op->queue);

    ngx_mdm_http_post(http);
}


static void
ngx_mdm_http_post(ngx_mdm_http_t *http)
{
    ngx_post_event(&http->deliver, &ngx_posted_events);

    /* a worker that quits ends without a look at what is posted */

    if (ngx_exiting && !http->deliver.timer_set) {
        ngx_add_timer(&http->deliver, 1);
    }
}


static void
ngx_mdm_http_deliver_handler(ngx_event_t *ev)
{
    ngx_uint_t           i;
    ngx_queue_t         *q;
    ngx_mdm_http_t      *http;
    ngx_mdm_http_op_t   *op;

    http = ev->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "mdm http deliver, pending:%ui", http->pending);

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    while (!ngx_queue_empty(&http->done)) {
        q = ngx_queue_head(&http->done);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_http_op_t, queue);

        ngx_mdm_http_op_deliver(op);
    }

    for (i = 0; i < http->npools; i++) {

        if (http->pools[i] != NULL) {
            ngx_mdm_http_next(http->pools[i]);
        }
    }
}


void
ngx_mdm_http_abandon(ngx_mdm_http_op_t *op)
{
    ngx_mdm_http_t  *http;

    http = op->pool->http;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &http->log, 0,
                   "mdm http abandon: %V state:%d ms:%M", &op->site,
                   (int) op->state, ngx_current_msec - op->called);

    ngx_mdm_http_stop(op);
    ngx_mdm_http_op_free(op);

    /* another one may have its place */

    ngx_mdm_http_post(http);
}


static void
ngx_mdm_http_tick_handler(ngx_event_t *ev)
{
    ngx_uint_t       i, now;
    ngx_mdm_http_t  *http;

    http = ev->data;

    if ((ngx_exiting || ngx_terminate) && !http->quitting) {
        http->quitting = 1;
        http->quit = ngx_current_msec;
    }

    now = http->quitting
          && (http->hurry
              || ngx_current_msec - http->quit >= NGX_MDM_HTTP_QUIT);

    for (i = 0; i < http->npools; i++) {

        if (http->pools[i] == NULL) {
            continue;
        }

        if (http->quitting) {
            ngx_mdm_http_quit(http->pools[i], now);

        } else {
            ngx_mdm_http_late(http->pools[i]);
        }
    }

    if (http->pending != 0) {
        ngx_add_timer(&http->tick, NGX_MDM_HTTP_TICK);
    }
}


/* who has waited for too long is not begun any more */

static void
ngx_mdm_http_late(ngx_mdm_http_pool_t *pool)
{
    ngx_str_t           reason;
    ngx_queue_t        *q;
    ngx_mdm_http_op_t  *op;

    ngx_str_set(&reason, "too many requests wait");

    q = ngx_queue_head(&pool->waiting);

    while (q != ngx_queue_sentinel(&pool->waiting)) {
        op = ngx_queue_data(q, ngx_mdm_http_op_t, queue);
        q = ngx_queue_next(q);

        if (ngx_current_msec - op->called >= op->timeout) {
            ngx_mdm_http_end(op, MDM_HTTP_BUSY, &reason);
        }
    }
}


/* what was not sent is handed back; "now": the rest is not waited for either */

static void
ngx_mdm_http_quit(ngx_mdm_http_pool_t *pool, ngx_uint_t now)
{
    ngx_str_t           reason;
    ngx_queue_t        *q;
    ngx_mdm_http_op_t  *op;

    ngx_str_set(&reason, "the worker ends");

    while (!ngx_queue_empty(&pool->waiting)) {
        q = ngx_queue_head(&pool->waiting);

        ngx_mdm_http_end(ngx_queue_data(q, ngx_mdm_http_op_t, queue),
                         MDM_HTTP_BUSY, &reason);
    }

    q = ngx_queue_head(&pool->running);

    while (q != ngx_queue_sentinel(&pool->running)) {
        op = ngx_queue_data(q, ngx_mdm_http_op_t, queue);
        q = ngx_queue_next(q);

        if (!ngx_mdm_http_easy_sent(op)) {
            ngx_mdm_http_end(op, MDM_HTTP_BUSY, &reason);

        } else if (now) {
            ngx_mdm_http_end(op, MDM_HTTP_RESET, &reason);
        }
    }
}


ngx_int_t
ngx_mdm_http_init_process(ngx_cycle_t *cycle, ngx_mdm_http_conf_t *conf)
{
    CURLcode         rc;
    ngx_mdm_http_t  *http;

    if (conf->clients.nelts == 0
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    ngx_mdm_http_expiry_watch(cycle, conf);

    rc = curl_global_init(CURL_GLOBAL_ALL);

    if (rc != CURLE_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "curl_global_init() failed: %s", curl_easy_strerror(rc));
        return NGX_ERROR;
    }

    http = ngx_pcalloc(cycle->pool, sizeof(ngx_mdm_http_t));
    if (http == NULL) {
        return NGX_ERROR;
    }

    http->npools = conf->clients.nelts;

    http->pools = ngx_pcalloc(cycle->pool,
                              http->npools * sizeof(ngx_mdm_http_pool_t *));
    if (http->pools == NULL) {
        return NGX_ERROR;
    }

    http->conf = conf;
    http->fd = (ngx_socket_t) -1;
    http->log = *cycle->log;

    ngx_queue_init(&http->done);
    ngx_queue_init(&http->sites);

    http->deliver.handler = ngx_mdm_http_deliver_handler;
    http->deliver.data = http;
    http->deliver.log = &http->log;

    http->tick.handler = ngx_mdm_http_tick_handler;
    http->tick.data = http;
    http->tick.log = &http->log;

    ngx_mdm_http = http;

    return NGX_OK;
}


/*
 * libcurl itself stays: a thread of it that still waits for a name server ends
 * with the process.
 */

void
ngx_mdm_http_exit_process(void)
{
    ngx_uint_t          i;
    ngx_mdm_http_t     *http;
    ngx_mdm_http_op_t  *op;

    http = ngx_mdm_http;

    if (http == NULL) {
        return;
    }

    ngx_mdm_http = NULL;

    while (!ngx_queue_empty(&http->done)) {
        op = ngx_queue_data(ngx_queue_head(&http->done), ngx_mdm_http_op_t,
                            queue);
        ngx_queue_remove(&op->queue);
        ngx_mdm_http_op_free(op);
    }

    for (i = 0; i < http->npools; i++) {

        if (http->pools[i] != NULL) {
            ngx_mdm_http_pool_free(http->pools[i]);
            http->pools[i] = NULL;
        }
    }

    ngx_mdm_http_log_free(http);

    if (http->deliver.posted) {
        ngx_delete_posted_event(&http->deliver);
    }

    if (http->deliver.timer_set) {
        ngx_del_timer(&http->deliver);
    }

    if (http->tick.timer_set) {
        ngx_del_timer(&http->tick);
    }
}
