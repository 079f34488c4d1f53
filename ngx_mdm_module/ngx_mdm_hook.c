
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Delivers events to webhooks.  Each worker sees to those that it has written,
 * and to those that the job finds: a place is a stream of which a webhook may
 * have to get something.  Redis leases it to one worker at a time.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/rand.h>

#include "ngx_mdm_hook_place.h"
#include "ngx_mdm_redis_resp.h"


/* ms until a stream that another worker is at is looked at again, at most */
#define NGX_MDM_HOOK_HELD     250

/* ms without a success, after which one means that the webhook is back */
#define NGX_MDM_HOOK_AWAY     10000


static void ngx_mdm_hook_wake_place(ngx_mdm_store_t *store, mdm_uint_t i,
    mdm_str_t *tenant, mdm_str_t *tag);
static void ngx_mdm_hook_start_handler(ngx_event_t *ev);
static void ngx_mdm_hook_start(ngx_mdm_hook_t *hook);
static ngx_int_t ngx_mdm_hook_begin(ngx_mdm_hook_place_t *place);
static void ngx_mdm_hook_run(void *data);
static void ngx_mdm_hook_end(ngx_mdm_hook_place_t *place);
static void ngx_mdm_hook_outcome(ngx_mdm_hook_place_t *place);
static void ngx_mdm_hook_back(ngx_mdm_hook_t *hook);
static void ngx_mdm_hook_ready(ngx_mdm_hook_place_t *place);
static void ngx_mdm_hook_list(ngx_mdm_hook_t *hook);
static void ngx_mdm_hook_wait(ngx_mdm_hook_place_t *place, ngx_msec_t delay);
static void ngx_mdm_hook_waited(ngx_mdm_hook_place_t *place);
static void ngx_mdm_hook_timer(void);


static ngx_queue_t            ngx_mdm_hook_busy;
static ngx_rbtree_t           ngx_mdm_hook_dues;
static ngx_rbtree_node_t      ngx_mdm_hook_sentinel;
static ngx_event_t            ngx_mdm_hook_posted;
static ngx_event_t            ngx_mdm_hook_timed;
static ngx_mdm_threads_t     *ngx_mdm_hook_threads;
static ngx_uint_t             ngx_mdm_hook_workers;
static uint64_t               ngx_mdm_hook_worker;     /* random: names it
                                                          among all hosts */
static ngx_uint_t             ngx_mdm_hook_number;
static ngx_log_t             *ngx_mdm_hook_log;


/* a debug line of a timer prints the fourth field of its data as a socket */

static ngx_connection_t       ngx_mdm_hook_dummy;


ngx_int_t
ngx_mdm_hook_init_process(ngx_cycle_t *cycle, ngx_mdm_hook_conf_t *conf)
{
    ngx_core_conf_t  *ccf;

    if (RAND_bytes((u_char *) &ngx_mdm_hook_worker, sizeof(uint64_t)) != 1) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0, "RAND_bytes() failed");
        return NGX_ERROR;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    ngx_mdm_hook_log = cycle->log;
    ngx_mdm_hook_threads = conf->threads;
    ngx_mdm_hook_workers = (ngx_process == NGX_PROCESS_SINGLE)
                           ? 1 : (ngx_uint_t) ngx_max(ccf->worker_processes, 1);

    if (ngx_mdm_hook_count_init_process(cycle, conf) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_mdm_hook_place_init_process(cycle->log);

    ngx_queue_init(&ngx_mdm_hook_busy);
    ngx_rbtree_init(&ngx_mdm_hook_dues, &ngx_mdm_hook_sentinel,
                    ngx_rbtree_insert_timer_value);

    ngx_mdm_hook_dummy.fd = (ngx_socket_t) -1;

    ngx_mdm_hook_posted.handler = ngx_mdm_hook_start_handler;
    ngx_mdm_hook_posted.data = &ngx_mdm_hook_dummy;
    ngx_mdm_hook_posted.log = cycle->log;

    ngx_mdm_hook_timed.handler = ngx_mdm_hook_start_handler;
    ngx_mdm_hook_timed.data = &ngx_mdm_hook_dummy;
    ngx_mdm_hook_timed.log = cycle->log;
    ngx_mdm_hook_timed.cancelable = 1;

    return NGX_OK;
}


void
ngx_mdm_hook_exit_process(void)
{
    ngx_queue_t           *q, *p;
    ngx_mdm_hook_t        *hook;
    ngx_mdm_hook_place_t  *place;

    if (ngx_mdm_hook_log == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_mdm_hook_all);
         q != ngx_queue_sentinel(&ngx_mdm_hook_all);
         q = ngx_queue_next(q))
    {
        hook = ngx_queue_data(q, ngx_mdm_hook_t, queue);

        while (!ngx_queue_empty(&hook->under_way)) {
            p = ngx_queue_head(&hook->under_way);
            place = ngx_queue_data(p, ngx_mdm_hook_place_t, queue);

            ngx_mdm_round_abandon(&place->round);

            /* a thread that is at it has it until the process ends */

            if (place->round.working == 0) {
                mdm_arena_destroy(place->exchange->arena);
                ngx_mdm_hook_place_free(place);

            } else {
                ngx_queue_remove(p);
            }
        }

        while (!ngx_queue_empty(&hook->ready)) {
            p = ngx_queue_head(&hook->ready);
            place = ngx_queue_data(p, ngx_mdm_hook_place_t, queue);

            ngx_mdm_hook_place_free(place);
        }

        while (!ngx_queue_empty(&hook->waiting)) {
            p = ngx_queue_head(&hook->waiting);
            place = ngx_queue_data(p, ngx_mdm_hook_place_t, queue);

            ngx_mdm_hook_waited(place);
            ngx_queue_init(&place->queue);
            ngx_mdm_hook_place_free(place);
        }
    }

    ngx_mdm_hook_place_exit_process();

    if (ngx_mdm_hook_timed.timer_set) {
        ngx_del_timer(&ngx_mdm_hook_timed);
    }

    if (ngx_mdm_hook_posted.posted) {
        ngx_delete_posted_event(&ngx_mdm_hook_posted);
    }

    ngx_mdm_hook_log = NULL;
}


ngx_uint_t
ngx_mdm_hook_wake(ngx_mdm_store_t *store, mdm_exchange_t *x)
{
    mdm_uint_t             i;
    mdm_settings_t        *settings;
    const mdm_webhook_t   *webhook;
    mdm_event_tag_t       *event;

    settings = &store->settings;

    if (ngx_mdm_hook_log == NULL || !store->used || ngx_exiting
        || ngx_terminate)
    {
        return 0;
    }

    for (i = 0; i < settings->nwebhooks; i++) {
        webhook = &settings->webhooks[i];

        if (!mdm_webhook_of(webhook, &x->tenant)) {
            continue;
        }

        for (event = x->event_tags; event != NULL; event = event->next) {
            ngx_mdm_hook_wake_place(store, i, &x->tenant, &event->tag);
        }
    }

    return ngx_mdm_hook_place_tenant(store, &x->tenant);
}


/* the job finds what there is no memory for */

static void
ngx_mdm_hook_wake_place(ngx_mdm_store_t *store, mdm_uint_t i,
    mdm_str_t *tenant, mdm_str_t *tag)
{
    ngx_mdm_hook_place_t  *place;

    place = ngx_mdm_hook_place(store, i, tenant, tag);
    if (place == NULL) {
        return;
    }

    if (place->state == NGX_MDM_HOOK_RUNNING) {
        place->again = 1;
        return;
    }

    if (place->state == NGX_MDM_HOOK_IDLE) {
        ngx_mdm_hook_ready(place);
    }
}


static void
ngx_mdm_hook_start_handler(ngx_event_t *ev)
{
    ngx_queue_t            list;
    ngx_mdm_hook_t        *hook;
    ngx_rbtree_node_t     *node;
    ngx_mdm_hook_place_t  *place;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, ev->log, 0, "mdm hook start: timer:%ud",
                   ev->timedout);

    while (ngx_mdm_hook_dues.root != ngx_mdm_hook_dues.sentinel) {
        node = ngx_rbtree_min(ngx_mdm_hook_dues.root,
                              ngx_mdm_hook_dues.sentinel);

        if ((ngx_msec_int_t) (node->key - ngx_current_msec) > 0) {
            break;
        }

        place = ngx_rbtree_data(node, ngx_mdm_hook_place_t, due);

        ngx_mdm_hook_waited(place);
        ngx_mdm_hook_ready(place);
    }

    /* what becomes ready meanwhile posts this once more */

    ngx_queue_init(&list);

    if (!ngx_queue_empty(&ngx_mdm_hook_busy)) {
        ngx_queue_add(&list, &ngx_mdm_hook_busy);
        ngx_queue_init(&ngx_mdm_hook_busy);
    }

    while (!ngx_queue_empty(&list)) {
        hook = ngx_queue_data(ngx_queue_head(&list), ngx_mdm_hook_t, busy);

        ngx_queue_remove(&hook->busy);
        hook->listed = 0;

        ngx_mdm_hook_start(hook);
    }

    ngx_mdm_hook_timer();
}


/* as many as may be under way in this worker */

static void
ngx_mdm_hook_start(ngx_mdm_hook_t *hook)
{
    ngx_uint_t             most;
    ngx_queue_t           *q;
    ngx_mdm_hook_place_t  *place;

    most = hook->webhook->connections / ngx_mdm_hook_workers;
    most = ngx_max(most, 1);

    while (hook->running < most && !ngx_queue_empty(&hook->ready)
           && !ngx_exiting && !ngx_terminate)
    {
        q = ngx_queue_head(&hook->ready);
        place = ngx_queue_data(q, ngx_mdm_hook_place_t, queue);

        ngx_queue_remove(q);

        if (ngx_mdm_hook_begin(place) != NGX_OK) {
            ngx_mdm_hook_wait(place, NGX_MDM_HOOK_HELD);
            continue;
        }

        place->state = NGX_MDM_HOOK_RUNNING;
        ngx_queue_insert_tail(&hook->under_way, &place->queue);
        hook->running++;

        ngx_mdm_hook_run(place);
    }
}


static ngx_int_t
ngx_mdm_hook_begin(ngx_mdm_hook_place_t *place)
{
    mdm_str_t        tag;
    ngx_uint_t       leased;
    mdm_exchange_t  *x;
    ngx_mdm_hook_t  *hook;

    hook = place->hook;

    x = mdm_exchange_create_from(&ngx_mdm_redis_arenas,
                                 &hook->store->settings);
    if (x == NULL) {
        return NGX_ERROR;
    }

    tag = place->run.tag;
    leased = place->run.leased;

    ngx_memzero(&place->run, sizeof(mdm_hook_t));

    place->run.tag = tag;
    place->run.webhook = hook->webhook;
    place->run.force = place->force;
    place->run.quiet = (hook->failed != 0);

    /* its own lease must not hold it up */

    if (!leased) {
        place->number = ngx_mdm_hook_number++;
    }

    if (mdm_printf(x->arena, &place->run.runner, "%ld-%llx-%lx",
                   (long) ngx_pid, (unsigned long long) ngx_mdm_hook_worker,
                   (unsigned long) place->number)
        != MDM_OK)
    {
        mdm_arena_destroy(x->arena);
        return NGX_ERROR;
    }

    place->force = 0;
    place->again = 0;
    place->exchange = x;

    ngx_memzero(&place->round, sizeof(ngx_mdm_round_t));

    place->round.exchange = x;
    place->round.store = hook->store;
    place->round.threads = ngx_mdm_hook_threads;
    place->round.done = ngx_mdm_hook_run;
    place->round.data = place;

    x->kind = MDM_KIND_JOB;
    x->now = ngx_time();
    x->cache = ngx_mdm_cache;
    x->tenant = hook->tenant;
    x->step = mdm_hook_step;
    x->ctx = &place->run;

    return NGX_OK;
}


static void
ngx_mdm_hook_run(void *data)
{
    ngx_mdm_hook_place_t *place = data;

    mdm_int_t        rc;
    mdm_exchange_t  *x;

    x = place->exchange;

    do {
        if (ngx_exiting || ngx_terminate) {
            x->stop = 1;
        }

        x->now = ngx_time();

        switch (ngx_mdm_round_step(&place->round, &rc)) {

        case NGX_DONE:
            return;

        case NGX_ERROR:

            /* too much waits for a thread */

            rc = mdm_exchange_run(x);
            break;

        default: /* NGX_OK */
            break;
        }

        ngx_mdm_hook_count_run(place->hook, &place->run);

        if (rc == MDM_DONE) {
            ngx_mdm_hook_end(place);
            return;
        }

    } while (ngx_mdm_round_send(&place->round) == 0);
}


static void
ngx_mdm_hook_end(ngx_mdm_hook_place_t *place)
{
    mdm_exchange_t  *x;
    ngx_mdm_hook_t  *hook;

    x = place->exchange;
    hook = place->hook;

    ngx_log_debug5(NGX_LOG_DEBUG_CORE, ngx_mdm_hook_log, 0,
                   "mdm hook end: \"%V\" %ui, end %d, delivered %ui, failed "
                   "%ui", &place->sn.str, (ngx_uint_t) x->status,
                   (int) place->run.end, (ngx_uint_t) place->run.delivered,
                   (ngx_uint_t) place->run.failed);

    ngx_mdm_round_log(x, ngx_mdm_hook_log);

    if (x->status == 500) {
        ngx_log_error(NGX_LOG_ERR, ngx_mdm_hook_log, 0,
                      "mdm webhook \"%V\" failed: %V",
                      (ngx_str_t *) &hook->webhook->name,
                      (ngx_str_t *) &x->error);
    }

    mdm_arena_destroy(x->arena);

    place->exchange = NULL;

    ngx_queue_remove(&place->queue);
    hook->running--;

    ngx_mdm_hook_outcome(place);
    ngx_mdm_hook_note(hook);

    if (!ngx_queue_empty(&hook->ready)) {
        ngx_mdm_hook_list(hook);
    }

    if (!ngx_exiting && !ngx_terminate) {
        ngx_post_event(&ngx_mdm_hook_posted, &ngx_posted_events);
    }
}


static void
ngx_mdm_hook_outcome(ngx_mdm_hook_place_t *place)
{
    ngx_msec_t       wait;
    mdm_hook_t      *run;
    ngx_mdm_hook_t  *hook;

    run = &place->run;
    hook = place->hook;

    if (run->delivered != 0) {
        ngx_mdm_hook_back(hook);
    }

    hook->failed += run->failed;

    if (run->failed != 0) {
        place->silent = (run->silent != 0);
    }

    if (ngx_exiting || ngx_terminate) {
        ngx_queue_init(&place->queue);
        ngx_mdm_hook_place_free(place);
        return;
    }

    if (run->end == MDM_HOOK_WAIT) {
        wait = run->wait;

        /* who is at it may have seen the end of what was there */

        if (run->held) {
            wait = ngx_min(wait, NGX_MDM_HOOK_HELD);
        }

        ngx_mdm_hook_wait(place, wait);
        return;
    }

    if ((run->end == MDM_HOOK_MORE && !run->last) || place->again) {
        ngx_mdm_hook_ready(place);
        return;
    }

    ngx_queue_init(&place->queue);
    ngx_mdm_hook_place_free(place);
}


/*
 * Who was away for a while is there again: whatever waits for its next attempt
 * need not, unless the last one was answered.
 */

static void
ngx_mdm_hook_back(ngx_mdm_hook_t *hook)
{
    ngx_uint_t             away;
    ngx_queue_t           *q, *next;
    ngx_mdm_hook_place_t  *place;

    away = (hook->failed > 1
            && ngx_current_msec - hook->success > NGX_MDM_HOOK_AWAY);

    hook->failed = 0;
    hook->success = ngx_current_msec;

    if (!away) {
        return;
    }

    for (q = ngx_queue_head(&hook->waiting);
         q != ngx_queue_sentinel(&hook->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        place = ngx_queue_data(q, ngx_mdm_hook_place_t, queue);

        if (place->silent) {
            ngx_mdm_hook_waited(place);
            place->force = 1;
            ngx_mdm_hook_ready(place);
        }
    }
}


static void
ngx_mdm_hook_ready(ngx_mdm_hook_place_t *place)
{
    place->state = NGX_MDM_HOOK_READY;
    ngx_queue_insert_tail(&place->hook->ready, &place->queue);

    ngx_mdm_hook_list(place->hook);

    ngx_post_event(&ngx_mdm_hook_posted, &ngx_posted_events);
}


/* it may start something */

static void
ngx_mdm_hook_list(ngx_mdm_hook_t *hook)
{
    if (!hook->listed) {
        ngx_queue_insert_tail(&ngx_mdm_hook_busy, &hook->busy);
        hook->listed = 1;
    }
}


static void
ngx_mdm_hook_wait(ngx_mdm_hook_place_t *place, ngx_msec_t delay)
{
    place->state = NGX_MDM_HOOK_WAITING;
    place->due.key = ngx_current_msec + delay;

    ngx_rbtree_insert(&ngx_mdm_hook_dues, &place->due);
    ngx_queue_insert_tail(&place->hook->waiting, &place->queue);

    ngx_mdm_hook_timer();
}


/* it does not wait any more, and is in no queue */

static void
ngx_mdm_hook_waited(ngx_mdm_hook_place_t *place)
{
    ngx_rbtree_delete(&ngx_mdm_hook_dues, &place->due);
    ngx_queue_remove(&place->queue);
}


/* when the first of those that wait is due */

static void
ngx_mdm_hook_timer(void)
{
    ngx_msec_t          first;
    ngx_msec_int_t      left;
    ngx_rbtree_node_t  *node;

    if (ngx_mdm_hook_dues.root == ngx_mdm_hook_dues.sentinel
        || ngx_exiting || ngx_terminate)
    {
        return;
    }

    node = ngx_rbtree_min(ngx_mdm_hook_dues.root, ngx_mdm_hook_dues.sentinel);
    left = (ngx_msec_int_t) (node->key - ngx_current_msec);

    first = (ngx_msec_t) ngx_max(left, 1);

    if (ngx_mdm_hook_timed.timer_set) {

        if ((ngx_msec_int_t) (ngx_mdm_hook_timed.timer.key - ngx_current_msec)
            <= (ngx_msec_int_t) first)
        {
            return;
        }

        ngx_del_timer(&ngx_mdm_hook_timed);
    }

    ngx_add_timer(&ngx_mdm_hook_timed, first);
}
