
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Sends what is owed in a partition, for whoever has queued something there.
 */


#include "ngx_mdm_job_own.h"
#include "ngx_mdm_redis_resp.h"
#include "ngx_mdm_round.h"

#include "mdm_push_sweep.h"


/* under way at a time */
#define NGX_MDM_JOB_OWN       64


/* in the arena of its exchange */

typedef struct {
    ngx_queue_t               queue;
    mdm_exchange_t           *exchange;
    ngx_mdm_round_t           round;
} ngx_mdm_job_own_t;


static void ngx_mdm_job_own_run(void *data);


static ngx_queue_t  ngx_mdm_job_owns;
static ngx_uint_t   ngx_mdm_job_nowns;


ngx_int_t
ngx_mdm_job_own(ngx_mdm_store_t *store, mdm_exchange_t *x)
{
    mdm_exchange_t     *own;
    ngx_mdm_job_own_t  *job;

    if (ngx_mdm_job_nowns >= NGX_MDM_JOB_OWN || ngx_exiting || ngx_terminate) {
        return NGX_DECLINED;
    }

    own = mdm_exchange_create_from(&ngx_mdm_redis_arenas, &store->settings);
    if (own == NULL) {
        return NGX_DECLINED;
    }

    job = mdm_arena_zalloc(own->arena, sizeof(ngx_mdm_job_own_t));

    if (job == NULL
        || mdm_str_dup(own->arena, &own->tenant, &x->tenant) != MDM_OK
        || mdm_str_dup(own->arena, &own->owed_tag, &x->owed_tag) != MDM_OK)
    {
        mdm_arena_destroy(own->arena);
        return NGX_DECLINED;
    }

    own->kind = MDM_KIND_JOB;
    own->now = ngx_time();
    own->step = mdm_push_sweep_step;

    job->exchange = own;
    job->round.exchange = own;
    job->round.store = store;
    job->round.done = ngx_mdm_job_own_run;
    job->round.data = job;

    if (ngx_mdm_job_nowns++ == 0) {
        ngx_queue_init(&ngx_mdm_job_owns);
    }

    ngx_queue_insert_tail(&ngx_mdm_job_owns, &job->queue);

    ngx_log_debug2(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm job own: \"%V\", %ui under way",
                   (ngx_str_t *) &own->owed_tag, ngx_mdm_job_nowns);

    ngx_mdm_job_own_run(job);

    return NGX_OK;
}


static void
ngx_mdm_job_own_run(void *data)
{
    ngx_mdm_job_own_t *job = data;

    do {
        if (ngx_exiting || ngx_terminate) {
            job->exchange->stop = 1;
        }

        if (mdm_exchange_run(job->exchange) == MDM_DONE) {
            ngx_queue_remove(&job->queue);
            ngx_mdm_job_nowns--;

            /* the job of the tenant does what could not be done */

            ngx_mdm_round_log(job->exchange, ngx_cycle->log);
            mdm_arena_destroy(job->exchange->arena);

            return;
        }

    } while (ngx_mdm_round_send(&job->round) == 0);
}


void
ngx_mdm_job_own_exit(void)
{
    ngx_queue_t        *q;
    ngx_mdm_job_own_t  *job;

    while (ngx_mdm_job_nowns != 0) {
        q = ngx_queue_head(&ngx_mdm_job_owns);
        ngx_queue_remove(q);
        ngx_mdm_job_nowns--;

        job = ngx_queue_data(q, ngx_mdm_job_own_t, queue);

        ngx_mdm_round_abandon(&job->round);
        mdm_arena_destroy(job->exchange->arena);
    }
}
