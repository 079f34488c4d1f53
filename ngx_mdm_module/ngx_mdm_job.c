
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_mdm_job.h"
#include "ngx_mdm_round.h"

#include "mdm_ddm_rollout.h"
#include "mdm_endpoint.h"
#include "mdm_key.h"


/* milliseconds between two looks at the list of tenants, and after a failure */
#define NGX_MDM_JOB_POLL      10000
#define NGX_MDM_JOB_RETRY     1000

/* tenants that wait; what does not fit is in the list in Redis */
#define NGX_MDM_JOB_TENANTS   64

#define NGX_MDM_JOB_RUNNER    32


typedef struct {
    size_t                    len;
    u_char                    name[MDM_TENANT_MAX];
    unsigned                  look:1;      /* there is work for sure */
} ngx_mdm_job_tenant_t;


typedef struct {
    /* a timer's debug line prints the fourth field of its data as a socket */
    ngx_mdm_store_t          *store;
    mdm_exchange_t           *exchange;    /* NULL: nothing is going on */
    mdm_ddm_rollout_t        *rollout;     /* of it; NULL: a look at the list */
    ngx_socket_t              fd;

    ngx_log_t                 log;
    ngx_event_t               start;       /* posted: begin what waits */
    ngx_event_t               timer;       /* when to look at the list */

    ngx_mdm_round_t           round;

    ngx_mdm_job_tenant_t      current;
    ngx_mdm_job_tenant_t      tenants[NGX_MDM_JOB_TENANTS];
    ngx_uint_t                ntenants;

    unsigned                  again:1;     /* the current one has more work */
    unsigned                  list:1;      /* look at the list next */
    unsigned                  failed:1;    /* the log was told */
} ngx_mdm_job_t;


static void ngx_mdm_job_start_handler(ngx_event_t *ev);
static void ngx_mdm_job_timer_handler(ngx_event_t *ev);
static void ngx_mdm_job_add(ngx_mdm_job_t *job, u_char *name, size_t len,
    ngx_uint_t look);
static ngx_int_t ngx_mdm_job_begin(ngx_mdm_job_t *job);
static void ngx_mdm_job_run(void *data);
static void ngx_mdm_job_done(ngx_mdm_job_t *job);
static void ngx_mdm_job_tenants(ngx_mdm_job_t *job);
static void ngx_mdm_job_log(ngx_mdm_job_t *job);
static void ngx_mdm_job_later(ngx_mdm_job_t *job, ngx_msec_t delay);
static void ngx_mdm_job_free(ngx_mdm_job_t *job);


static ngx_mdm_job_t  *ngx_mdm_jobs;
static ngx_uint_t      ngx_mdm_njobs;
static u_char          ngx_mdm_job_runner[NGX_MDM_JOB_RUNNER];
static size_t          ngx_mdm_job_runner_len;


ngx_int_t
ngx_mdm_job_init_process(ngx_cycle_t *cycle, ngx_array_t *stores)
{
    ngx_uint_t         i;
    ngx_mdm_job_t     *job;
    ngx_mdm_store_t  **store;

    if ((ngx_process != NGX_PROCESS_WORKER
         && ngx_process != NGX_PROCESS_SINGLE)
        || stores->nelts == 0)
    {
        return NGX_OK;
    }

    ngx_mdm_jobs = ngx_pcalloc(cycle->pool,
                               stores->nelts * sizeof(ngx_mdm_job_t));
    if (ngx_mdm_jobs == NULL) {
        return NGX_ERROR;
    }

    ngx_mdm_njobs = stores->nelts;

    /* names this worker among all that share the Redis */

    ngx_mdm_job_runner_len = ngx_snprintf(ngx_mdm_job_runner,
                                          NGX_MDM_JOB_RUNNER,
                                          "%P-%xD-%xD", ngx_pid,
                                          (uint32_t) ngx_time(),
                                          (uint32_t) ngx_random())
                             - ngx_mdm_job_runner;

    store = stores->elts;

    for (i = 0; i < stores->nelts; i++) {
        job = &ngx_mdm_jobs[i];

        job->store = store[i];
        job->round.store = store[i];
        job->round.done = ngx_mdm_job_run;
        job->round.data = job;
        job->fd = (ngx_socket_t) -1;
        job->log = *cycle->log;

        job->start.handler = ngx_mdm_job_start_handler;
        job->start.data = job;
        job->start.log = &job->log;

        job->timer.handler = ngx_mdm_job_timer_handler;
        job->timer.data = job;
        job->timer.log = &job->log;
        job->timer.cancelable = 1;

        if (store[i]->used) {
            ngx_mdm_job_later(job, NGX_MDM_JOB_RETRY);
        }
    }

    return NGX_OK;
}


void
ngx_mdm_job_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t      i;
    ngx_mdm_job_t  *job;

    (void) cycle;

    for (i = 0; i < ngx_mdm_njobs; i++) {
        job = &ngx_mdm_jobs[i];

        if (job->exchange != NULL) {
            ngx_mdm_job_free(job);
        }

        if (job->timer.timer_set) {
            ngx_del_timer(&job->timer);
        }

        if (job->start.posted) {
            ngx_delete_posted_event(&job->start);
        }
    }

    ngx_mdm_njobs = 0;
}


void
ngx_mdm_job_kick(ngx_mdm_store_t *store, mdm_exchange_t *x)
{
    ngx_mdm_job_t  *job;

    if (store->index >= ngx_mdm_njobs || !store->used) {
        return;
    }

    job = &ngx_mdm_jobs[store->index];

    ngx_mdm_job_add(job, x->tenant.data, x->tenant.len, 1);

    if (job->exchange == NULL && !ngx_exiting) {
        ngx_post_event(&job->start, &ngx_posted_events);
    }
}


static void
ngx_mdm_job_add(ngx_mdm_job_t *job, u_char *name, size_t len, ngx_uint_t look)
{
    ngx_uint_t             i;
    ngx_mdm_job_tenant_t  *tenant;

    if (job->rollout != NULL && job->current.len == len
        && ngx_memcmp(job->current.name, name, len) == 0)
    {
        job->again |= look;
        return;
    }

    for (i = 0; i < job->ntenants; i++) {
        tenant = &job->tenants[i];

        if (tenant->len == len && ngx_memcmp(tenant->name, name, len) == 0) {
            tenant->look |= look;
            return;
        }
    }

    if (job->ntenants == NGX_MDM_JOB_TENANTS || len > MDM_TENANT_MAX) {
        return;
    }

    tenant = &job->tenants[job->ntenants++];

    tenant->len = len;
    tenant->look = look;
    ngx_memcpy(tenant->name, name, len);
}


static void
ngx_mdm_job_timer_handler(ngx_event_t *ev)
{
    ngx_mdm_job_t  *job;

    job = ev->data;
    job->list = 1;

    if (job->exchange == NULL) {
        ngx_mdm_job_start_handler(&job->start);
    }
}


static void
ngx_mdm_job_start_handler(ngx_event_t *ev)
{
    ngx_mdm_job_t  *job;

    job = ev->data;

    if (job->exchange != NULL || ngx_exiting || ngx_terminate) {
        return;
    }

    if (job->ntenants == 0 && !job->list) {
        ngx_mdm_job_later(job, NGX_MDM_JOB_POLL);
        return;
    }

    if (ngx_mdm_job_begin(job) != NGX_OK) {
        ngx_mdm_job_free(job);
        ngx_mdm_job_later(job, NGX_MDM_JOB_POLL);
        return;
    }

    ngx_mdm_job_run(job);
}


static ngx_int_t
ngx_mdm_job_begin(ngx_mdm_job_t *job)
{
    mdm_str_t        runner;
    mdm_exchange_t  *x;

    x = mdm_exchange_create(&job->store->settings);
    if (x == NULL) {
        return NGX_ERROR;
    }

    job->exchange = x;
    job->round.exchange = x;
    job->rollout = NULL;

    x->kind = MDM_KIND_JOB;
    x->now = ngx_time();

    if (job->ntenants == 0) {
        job->list = 0;
        mdm_str_set(&x->message, "tenants");
        mdm_endpoint_find(x);

        return NGX_OK;
    }

    job->current = job->tenants[0];
    job->ntenants--;
    ngx_memmove(&job->tenants[0], &job->tenants[1],
                job->ntenants * sizeof(ngx_mdm_job_tenant_t));

    job->again = 0;

    x->tenant.data = job->current.name;
    x->tenant.len = job->current.len;
    mdm_str_set(&x->message, "rollout");
    mdm_endpoint_find(x);

    runner.data = ngx_mdm_job_runner;
    runner.len = ngx_mdm_job_runner_len;

    job->rollout = mdm_ddm_rollout_create(x, &runner);
    if (job->rollout == NULL) {
        return NGX_ERROR;
    }

    job->rollout->look = job->current.look;

    return NGX_OK;
}


static void
ngx_mdm_job_run(void *data)
{
    ngx_mdm_job_t *job = data;

    do {
        if (job->rollout != NULL && (ngx_exiting || ngx_terminate)) {
            job->rollout->stop = 1;
        }

        if (mdm_exchange_run(job->exchange) == MDM_DONE) {
            ngx_mdm_job_done(job);
            return;
        }

    } while (ngx_mdm_round_send(&job->round) == 0);
}


static void
ngx_mdm_job_done(ngx_mdm_job_t *job)
{
    ngx_uint_t  status, again, retry;

    ngx_mdm_job_log(job);

    retry = 0;
    status = job->exchange->status;

    again = job->again;
    job->again = 0;

    if (job->rollout == NULL) {

        if (status == 200) {
            ngx_mdm_job_tenants(job);
        }

    } else if (status >= 500) {

        /* the list in Redis has it still, and others may be luckier */

        retry = 1;
        again |= job->current.look;
    }

    ngx_mdm_job_free(job);

    if (again || retry) {
        ngx_mdm_job_add(job, job->current.name, job->current.len, again);
    }

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    if (status >= 500) {
        ngx_mdm_job_later(job, (status == 503) ? NGX_MDM_JOB_RETRY
                                               : NGX_MDM_JOB_POLL);
        return;
    }

    if (job->ntenants != 0) {
        ngx_post_event(&job->start, &ngx_posted_next_events);
        return;
    }

    ngx_mdm_job_later(job, NGX_MDM_JOB_POLL);
}


static void
ngx_mdm_job_tenants(ngx_mdm_job_t *job)
{
    size_t              i;
    mdm_str_t           name;
    const mdm_reply_t  *reply;

    reply = job->exchange->calls[0].reply;

    for (i = 0; i + 1 < reply->nelements; i += 2) {
        name = mdm_reply_str(reply, i);

        if (mdm_tenant_check(&name) == MDM_OK) {
            ngx_mdm_job_add(job, name.data, name.len, 0);
        }
    }
}


static void
ngx_mdm_job_log(ngx_mdm_job_t *job)
{
    ngx_uint_t       level;
    mdm_exchange_t  *x;

    x = job->exchange;

    /* that Redis is away is said elsewhere; the rest once, until it works */

    if (x->status != 500) {
        job->failed = 0;
        return;
    }

    level = job->failed ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, &job->log, 0,
                  "mdm store \"%V\": rolling out declarations of tenant "
                  "\"%V\" failed: %V", &job->store->name,
                  (ngx_str_t *) &x->tenant, (ngx_str_t *) &x->error);

    job->failed = 1;
}


static void
ngx_mdm_job_later(ngx_mdm_job_t *job, ngx_msec_t delay)
{
    if (job->timer.timer_set) {
        ngx_del_timer(&job->timer);
    }

    /* workers need not look at the same moment */

    ngx_add_timer(&job->timer, delay + (ngx_msec_t) ngx_random() % delay);
}


static void
ngx_mdm_job_free(ngx_mdm_job_t *job)
{
    ngx_mdm_round_abandon(&job->round);

    job->rollout = NULL;

    if (job->exchange != NULL) {
        mdm_arena_destroy(job->exchange->arena);
        job->exchange = NULL;
    }
}
