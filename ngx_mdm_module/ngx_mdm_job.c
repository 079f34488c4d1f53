
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Runs work that no request waits for, several pieces at a time.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_mdm_hook.h"
#include "ngx_mdm_job.h"
#include "ngx_mdm_job_look.h"
#include "ngx_mdm_job_own.h"
#include "ngx_mdm_redis_resp.h"

#include "mdm_endpoint.h"
#include "mdm_key.h"
#include "mdm_renew.h"


/* milliseconds between two looks at what is due, and after a failure */
#define NGX_MDM_JOB_POLL      10000
#define NGX_MDM_JOB_RETRY     1000

/* milliseconds within which workers look at what is due at once, at least */
#define NGX_MDM_JOB_SPREAD    100

/*
 * After t of job scripts a worker pauses for so many t, and at most for so many
 * milliseconds.  A round that takes longer than so many microseconds is more
 * than a script, or has waited for devices: these are to have more of Redis.
 */
#define NGX_MDM_JOB_PAUSE       1
#define NGX_MDM_JOB_PAUSE_BUSY  4
#define NGX_MDM_JOB_PAUSE_MAX   1000
#define NGX_MDM_JOB_BUSY        4000

#define NGX_MDM_JOB_RUNNER    48


static void ngx_mdm_job_runner_init(ngx_mdm_runner_t *runner,
    ngx_mdm_store_t *store, ngx_log_t *log);
static void ngx_mdm_job_files(ngx_mdm_runner_t *runner);
static void ngx_mdm_job_renewals(ngx_mdm_runner_t *runner);
static void ngx_mdm_job_webhooks(ngx_mdm_runner_t *runner);
static void ngx_mdm_job_kick(ngx_mdm_store_t *store, mdm_exchange_t *x,
    const char *name);
static void ngx_mdm_job_start_handler(ngx_event_t *ev);
static void ngx_mdm_job_pause_handler(ngx_event_t *ev);
static void ngx_mdm_job_look(ngx_mdm_runner_t *runner);
static void ngx_mdm_job_look_run(void *data);
static void ngx_mdm_job_look_done(ngx_mdm_runner_t *runner);
static void ngx_mdm_job_looked(ngx_mdm_runner_t *runner);
static void ngx_mdm_job_begin(ngx_mdm_runner_t *runner, mdm_str_t *work);
static void ngx_mdm_job_replied(void *data);
static void ngx_mdm_job_run(ngx_mdm_job_t *job);
static void ngx_mdm_job_end(ngx_mdm_job_t *job);
static void ngx_mdm_job_log(ngx_mdm_runner_t *runner, mdm_exchange_t *x,
    const char *what);
static void ngx_mdm_job_post(ngx_mdm_runner_t *runner);
static void ngx_mdm_job_later(ngx_mdm_runner_t *runner, ngx_msec_t delay);
static void ngx_mdm_job_due(ngx_mdm_runner_t *runner, ngx_msec_t delay);
static void ngx_mdm_job_timer(ngx_mdm_runner_t *runner, ngx_msec_t delay);
static void ngx_mdm_job_free(ngx_mdm_job_t *job);
static uint64_t ngx_mdm_job_clock(void);


static ngx_mdm_runner_t      *ngx_mdm_runners;
static ngx_uint_t             ngx_mdm_nrunners;
static const mdm_job_kind_t  *ngx_mdm_job_kinds[MDM_ENDPOINT_JOBS];
static ngx_uint_t             ngx_mdm_job_nkinds;
static u_char                 ngx_mdm_job_name[NGX_MDM_JOB_RUNNER];
static size_t                 ngx_mdm_job_name_len;

/* microseconds: until then no job of this worker sends scripts */
static uint64_t               ngx_mdm_job_paused;


ngx_int_t
ngx_mdm_job_init_process(ngx_cycle_t *cycle, ngx_array_t *stores)
{
    ngx_uint_t         i;
    ngx_mdm_store_t  **store;

    if ((ngx_process != NGX_PROCESS_WORKER
         && ngx_process != NGX_PROCESS_SINGLE)
        || stores->nelts == 0)
    {
        return NGX_OK;
    }

    ngx_mdm_runners = ngx_pcalloc(cycle->pool,
                                  stores->nelts * sizeof(ngx_mdm_runner_t));
    if (ngx_mdm_runners == NULL) {
        return NGX_ERROR;
    }

    ngx_mdm_nrunners = stores->nelts;
    ngx_mdm_job_nkinds = mdm_endpoint_job_kinds(ngx_mdm_job_kinds);

    /* names this worker among all that share the Redis */

    ngx_mdm_job_name_len = ngx_snprintf(ngx_mdm_job_name, NGX_MDM_JOB_RUNNER,
                                        "%P-%xD-%xD", ngx_pid,
                                        (uint32_t) ngx_time(),
                                        (uint32_t) ngx_random())
                           - ngx_mdm_job_name;

    store = stores->elts;

    for (i = 0; i < stores->nelts; i++) {
        ngx_mdm_job_runner_init(&ngx_mdm_runners[i], store[i], cycle->log);
    }

    return NGX_OK;
}


static void
ngx_mdm_job_runner_init(ngx_mdm_runner_t *runner, ngx_mdm_store_t *store,
    ngx_log_t *log)
{
    ngx_uint_t      i;
    ngx_mdm_job_t  *job;

    runner->store = store;
    runner->kinds = ngx_mdm_job_kinds;
    runner->nkinds = ngx_mdm_job_nkinds;
    runner->name.data = ngx_mdm_job_name;
    runner->name.len = ngx_mdm_job_name_len;
    runner->fd = (ngx_socket_t) -1;
    runner->log = *log;

    runner->round.store = store;
    runner->round.done = ngx_mdm_job_look_run;
    runner->round.data = runner;

    runner->start.handler = ngx_mdm_job_start_handler;
    runner->start.data = runner;
    runner->start.log = &runner->log;

    runner->timer.handler = ngx_mdm_job_start_handler;
    runner->timer.data = runner;
    runner->timer.log = &runner->log;
    runner->timer.cancelable = 1;

    for (i = 0; i < NGX_MDM_JOB_SLOTS; i++) {
        job = &runner->jobs[i];

        job->runner = runner;
        job->fd = (ngx_socket_t) -1;

        job->pause.handler = ngx_mdm_job_pause_handler;
        job->pause.data = job;
        job->pause.log = &runner->log;

        job->round.store = store;
        job->round.done = ngx_mdm_job_replied;
        job->round.data = job;
    }

    if (!store->used) {
        return;
    }

    ngx_mdm_job_files(runner);
    ngx_mdm_job_webhooks(runner);
    ngx_mdm_job_renewals(runner);
    ngx_mdm_job_later(runner, NGX_MDM_JOB_RETRY);
}


/*
 * Whose push certificate is in a file may be owed something since before push
 * was switched on; of others the job of certificates says so.
 */

static void
ngx_mdm_job_files(ngx_mdm_runner_t *runner)
{
    ngx_uint_t             i;
    const mdm_settings_t  *settings;

    settings = &runner->store->settings;

    for (i = 0; settings->push && i < settings->npush_files; i++) {
        ngx_mdm_job_kick_tenant(runner, MDM_PUSH_JOB,
                                &settings->push_files[i].tenant);
    }
}


/*
 * Somebody may have to get events that were written before this worker began;
 * of other tenants whoever writes an event says so.
 */

static void
ngx_mdm_job_webhooks(ngx_mdm_runner_t *runner)
{
    ngx_uint_t             i;
    const mdm_webhook_t   *webhook;
    const mdm_settings_t  *settings;

    settings = &runner->store->settings;

    for (i = 0; i < settings->nwebhooks; i++) {
        webhook = &settings->webhooks[i];

        if (webhook->tenant.len == 0) {
            continue;
        }

        ngx_mdm_job_kick_tenant(runner, MDM_HOOK_JOB, &webhook->tenant);
    }
}


/*
 * Certificates may be due of devices that were enrolled before there was such
 * work, or came from another server.
 */

static void
ngx_mdm_job_renewals(ngx_mdm_runner_t *runner)
{
    ngx_uint_t                 i, k;
    const mdm_settings_t      *settings;
    const mdm_enroll_block_t  *block;

    settings = &runner->store->settings;

    for (i = 0; i < settings->npush_files; i++) {
        ngx_mdm_job_kick_tenant(runner, MDM_RENEW_JOB,
                                &settings->push_files[i].tenant);
    }

    for (i = 0; i < settings->nenrollments; i++) {
        block = settings->enrollments[i];

        for (k = 0; k < block->ntenants; k++) {
            ngx_mdm_job_kick_tenant(runner, MDM_RENEW_JOB, &block->tenants[k]);
        }
    }
}


void
ngx_mdm_job_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t         i, k;
    ngx_mdm_runner_t  *runner;

    (void) cycle;

    for (i = 0; i < ngx_mdm_nrunners; i++) {
        runner = &ngx_mdm_runners[i];

        for (k = 0; k < NGX_MDM_JOB_SLOTS; k++) {
            ngx_mdm_job_free(&runner->jobs[k]);
        }

        if (runner->exchange != NULL) {
            ngx_mdm_round_abandon(&runner->round);
            mdm_arena_destroy(runner->exchange->arena);
            runner->exchange = NULL;
        }

        if (runner->timer.timer_set) {
            ngx_del_timer(&runner->timer);
        }

        if (runner->start.posted) {
            ngx_delete_posted_event(&runner->start);
        }
    }

    ngx_mdm_nrunners = 0;

    ngx_mdm_job_own_exit();
}


void
ngx_mdm_job_kicks(ngx_mdm_store_t *store, mdm_exchange_t *x)
{
    if (x->kick != NULL) {
        ngx_mdm_job_kick(store, x, x->kick);
    }

    if (x->event_tags != NULL && ngx_mdm_hook_wake(store, x)) {
        ngx_mdm_job_kick(store, x, MDM_HOOK_JOB);
    }

    /* a look tells when it will be due, which is long before the next poll */

    if (x->kicked && store->index < ngx_mdm_nrunners && store->used) {
        ngx_mdm_job_post(&ngx_mdm_runners[store->index]);
    }

    if (x->owed
        && (x->owed_tag.len == 0 || ngx_mdm_job_own(store, x) != NGX_OK))
    {
        ngx_mdm_job_kick(store, x, MDM_PUSH_JOB);
    }
}


static void
ngx_mdm_job_kick(ngx_mdm_store_t *store, mdm_exchange_t *x, const char *name)
{
    mdm_str_t          kind, work;
    ngx_mdm_runner_t  *runner;

    if (store->index >= ngx_mdm_nrunners || !store->used) {
        return;
    }

    runner = &ngx_mdm_runners[store->index];

    kind.data = (u_char *) name;
    kind.len = ngx_strlen(name);

    /* if this kick is lost, Redis still has the announcement of the change */

    if (mdm_job_work(x->arena, &work, &kind, &x->tenant) != MDM_OK
        || work.len > NGX_MDM_JOB_WORK)
    {
        return;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, &runner->log, 0,
                   "mdm job kick: store \"%V\" \"%V\"", &store->name,
                   (ngx_str_t *) &work);

    ngx_mdm_job_kick_add(runner, work.data, work.len);
    ngx_mdm_job_post(runner);
}


/* looks when the current event, or the look that is under way, is over */

static void
ngx_mdm_job_post(ngx_mdm_runner_t *runner)
{
    if (runner->exchange != NULL) {
        runner->again = 1;
        return;
    }

    ngx_post_event(&runner->start, &ngx_posted_events);
}


static void
ngx_mdm_job_start_handler(ngx_event_t *ev)
{
    ngx_mdm_runner_t  *runner;

    runner = ev->data;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "mdm job start: store \"%V\" timer:%ud busy:%d",
                   &runner->store->name, ev->timedout,
                   runner->exchange != NULL);

    if (runner->exchange == NULL) {
        ngx_mdm_job_look(runner);
    }
}


static void
ngx_mdm_job_look(ngx_mdm_runner_t *runner)
{
    runner->again = 0;

    if (ngx_mdm_job_look_create(runner) != NGX_OK) {

        if (runner->exchange != NULL) {
            mdm_arena_destroy(runner->exchange->arena);
            runner->exchange = NULL;
        }

        ngx_mdm_job_later(runner, NGX_MDM_JOB_POLL);
        return;
    }

    ngx_mdm_job_look_run(runner);
}


static void
ngx_mdm_job_look_run(void *data)
{
    ngx_mdm_runner_t *runner = data;

    do {
        if (mdm_exchange_run(runner->exchange) == MDM_DONE) {
            ngx_mdm_job_look_done(runner);
            return;
        }

    } while (ngx_mdm_round_send(&runner->round) == 0);
}


static void
ngx_mdm_job_look_done(ngx_mdm_runner_t *runner)
{
    ngx_uint_t       i, status, known;
    ngx_msec_t       delay;
    mdm_exchange_t  *x;
    mdm_job_look_t  *look;

    x = runner->exchange;
    look = runner->look;
    status = x->status;

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, &runner->log, 0,
                   "mdm job looked: store \"%V\" %ui, %ui taken, next in %L",
                   &runner->store->name, status, look->ntaken,
                   (int64_t) look->next);

    ngx_mdm_job_log(runner, x, "looking for work");

    delay = NGX_MDM_JOB_POLL;
    known = 0;

    if (status == 200) {
        ngx_mdm_job_looked(runner);

        if (look->nheld != 0 || look->ntaken != 0) {
            delay = MDM_JOB_RENEW * 1000;
        }

        if (look->next >= 0 && look->next < (int64_t) delay
            && look->ntaken < look->most)
        {
            delay = (ngx_msec_t) look->next;
            known = 1;
        }

    } else {

        /* none of it may have arrived, so all of it is said again */

        for (i = 0; i < look->nkicks; i++) {
            ngx_mdm_job_kick_add(runner, look->kicks[i].data,
                                 look->kicks[i].len);
        }

        delay = (status == 503) ? NGX_MDM_JOB_RETRY : NGX_MDM_JOB_POLL;
    }

    runner->exchange = NULL;
    runner->look = NULL;

    for (i = 0; status == 200 && i < look->ntaken; i++) {
        ngx_mdm_job_begin(runner, &look->taken[i]);
    }

    mdm_arena_destroy(x->arena);

    if (runner->again && (status == 200 || ngx_exiting)) {
        ngx_mdm_job_post(runner);
        return;
    }

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    if (known) {
        ngx_mdm_job_due(runner, delay);

    } else {
        ngx_mdm_job_later(runner, delay);
    }
}


static void
ngx_mdm_job_looked(ngx_mdm_runner_t *runner)
{
    ngx_uint_t       i;
    ngx_mdm_job_t   *job;
    mdm_job_look_t  *look;

    look = runner->look;

    for (i = 0; i < look->ndone; i++) {
        runner->told[i]->kind = NULL;
        runner->told[i]->ended = 0;
    }

    for (i = 0; i < look->nheld; i++) {
        job = runner->looked[i];

        if (look->lost[i] && job->exchange != NULL) {
            ngx_log_error(NGX_LOG_NOTICE, &runner->log, 0,
                          "mdm store \"%V\": work \"%*s\" was silent for too "
                          "long, it is another worker's now",
                          &runner->store->name, job->work.len,
                          job->work.data);

            job->exchange->stop = 1;
            job->lost = 1;
        }
    }
}


static void
ngx_mdm_job_begin(ngx_mdm_runner_t *runner, mdm_str_t *work)
{
    ngx_uint_t       i;
    mdm_str_t        tenant;
    mdm_uint_t       kind;
    ngx_mdm_job_t   *job;
    mdm_exchange_t  *x;

    job = NULL;

    for (i = 0; i < NGX_MDM_JOB_SLOTS; i++) {
        if (runner->jobs[i].kind == NULL) {
            job = &runner->jobs[i];
            break;
        }
    }

    /* work that is not begun goes to another worker when its lease ends */

    if (job == NULL || work->len > NGX_MDM_JOB_WORK
        || mdm_job_parse(work, ngx_mdm_job_kinds, ngx_mdm_job_nkinds, &kind,
                         &tenant)
           != MDM_OK)
    {
        return;
    }

    x = mdm_exchange_create_from(&ngx_mdm_redis_arenas,
                                 &runner->store->settings);
    if (x == NULL) {
        return;
    }

    job->kind = ngx_mdm_job_kinds[kind];
    job->exchange = x;
    job->round.exchange = x;
    job->ended = 0;
    job->lost = 0;

    job->work.len = work->len;
    ngx_memcpy(job->work.data, work->data, work->len);

    x->kind = MDM_KIND_JOB;
    x->now = ngx_time();
    x->cache = ngx_mdm_cache;
    x->step = job->kind->step;
    x->message = job->kind->name;
    x->tenant.data = job->work.data + job->work.len - tenant.len;
    x->tenant.len = tenant.len;

    ngx_mdm_job_run(job);
}


/* jobs of a worker keep to a share of Redis */

static void
ngx_mdm_job_replied(void *data)
{
    ngx_mdm_job_t *job = data;

    uint64_t  now, pause;

    if (job->round.nredis == 0 || job->kind->rated) {
        ngx_mdm_job_run(job);
        return;
    }

    now = ngx_mdm_job_clock();
    pause = now - job->sent;
    pause *= (pause > NGX_MDM_JOB_BUSY) ? NGX_MDM_JOB_PAUSE_BUSY
                                        : NGX_MDM_JOB_PAUSE;

    ngx_mdm_job_paused = ngx_max(ngx_mdm_job_paused, now)
                         + ngx_min(pause, NGX_MDM_JOB_PAUSE_MAX * 1000);

    ngx_mdm_job_run(job);
}


static void
ngx_mdm_job_pause_handler(ngx_event_t *ev)
{
    ngx_mdm_job_run(ev->data);
}


static void
ngx_mdm_job_run(ngx_mdm_job_t *job)
{
    uint64_t         now;
    mdm_exchange_t  *x;

    x = job->exchange;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, &job->runner->log, 0,
                   "mdm job run: \"%*s\" state %i", job->work.len,
                   job->work.data, (ngx_int_t) x->state);

    do {
        if (ngx_exiting || ngx_terminate) {
            x->stop = 1;
        }

        now = ngx_mdm_job_clock();

        /* timers count in milliseconds, so a shorter pause is none */

        if (ngx_mdm_job_paused >= now + 1000 && !job->kind->rated
            && !x->stop)
        {
            ngx_add_timer(&job->pause,
                          (ngx_msec_t) ((ngx_mdm_job_paused - now) / 1000));
            return;
        }

        if (mdm_exchange_run(x) == MDM_DONE) {
            ngx_mdm_job_end(job);
            return;
        }

        job->sent = now;

    } while (ngx_mdm_round_send(&job->round) == 0);
}


static void
ngx_mdm_job_end(ngx_mdm_job_t *job)
{
    ngx_uint_t         lost;
    mdm_exchange_t    *x;
    ngx_mdm_runner_t  *runner;

    x = job->exchange;
    runner = job->runner;

    ngx_mdm_job_log(runner, x, NULL);

    lost = job->lost;

    switch (x->status) {

    case 202:
        job->again = 0;
        break;

    case 503:
        job->again = NGX_MDM_JOB_RETRY;
        break;

    case 500:
        job->again = NGX_MDM_JOB_POLL;
        break;

    default:
        job->again = (x->again != 0) ? x->again
                     : (job->kind->poll != 0)
                       ? (int64_t) job->kind->poll * 1000 : -1;
    }

    ngx_mdm_job_kicks(runner->store, x);

    mdm_arena_destroy(x->arena);
    job->exchange = NULL;

    if (lost) {
        job->kind = NULL;
        return;
    }

    job->ended = 1;

    ngx_mdm_job_post(runner);
}


static void
ngx_mdm_job_log(ngx_mdm_runner_t *runner, mdm_exchange_t *x, const char *what)
{
    ngx_uint_t  level;

    ngx_mdm_round_log(x, &runner->log);

    /*
     * that Redis is away is logged elsewhere; other failures once, until it
     * works
     */

    if (x->status != 500) {
        runner->failed = 0;
        return;
    }

    level = runner->failed ? NGX_LOG_INFO : NGX_LOG_ERR;
    runner->failed = 1;

    if (what != NULL) {
        ngx_log_error(level, &runner->log, 0,
                      "mdm store \"%V\": %s failed: %V", &runner->store->name,
                      what, (ngx_str_t *) &x->error);
        return;
    }

    ngx_log_error(level, &runner->log, 0,
                  "mdm store \"%V\": %V of tenant \"%V\" failed: %V",
                  &runner->store->name, (ngx_str_t *) &x->message,
                  (ngx_str_t *) &x->tenant, (ngx_str_t *) &x->error);
}


static void
ngx_mdm_job_later(ngx_mdm_runner_t *runner, ngx_msec_t delay)
{
    /* workers do not look at the same moment, but in time to renew leases */

    if (delay > MDM_JOB_RENEW * 1000) {
        delay += (ngx_msec_t) ngx_random() % delay;

    } else {
        delay -= (ngx_msec_t) ngx_random() % (delay / 2 + 1);
    }

    ngx_mdm_job_timer(runner, delay);
}


/*
 * That is when there will be work: a look before it finds none.  Workers do not
 * look at the same moment, nor much later than that: a rate may allow some more
 * each few 100 ms.
 */

static void
ngx_mdm_job_due(ngx_mdm_runner_t *runner, ngx_msec_t delay)
{
    ngx_msec_t  spread;

    spread = ngx_min(ngx_max(delay, NGX_MDM_JOB_SPREAD), NGX_MDM_JOB_RETRY);

    ngx_mdm_job_timer(runner, delay + spread / 2
                              + (ngx_msec_t) ngx_random() % (spread / 2));
}


static void
ngx_mdm_job_timer(ngx_mdm_runner_t *runner, ngx_msec_t delay)
{
    if (runner->timer.timer_set) {
        ngx_del_timer(&runner->timer);
    }

    ngx_add_timer(&runner->timer, delay);
}


static void
ngx_mdm_job_free(ngx_mdm_job_t *job)
{
    if (job->pause.timer_set) {
        ngx_del_timer(&job->pause);
    }

    if (job->exchange != NULL) {
        ngx_mdm_round_abandon(&job->round);
        mdm_arena_destroy(job->exchange->arena);
        job->exchange = NULL;
    }

    job->kind = NULL;
}


static uint64_t
ngx_mdm_job_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}
