
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a runner of jobs asks Redis: what has ended, what goes on, what is due.
 */


#include "ngx_mdm_job_look.h"
#include "ngx_mdm_redis_resp.h"


static ngx_int_t ngx_mdm_job_look_jobs(ngx_mdm_runner_t *runner);
static ngx_int_t ngx_mdm_job_look_wants(ngx_mdm_runner_t *runner);


ngx_int_t
ngx_mdm_job_look_create(ngx_mdm_runner_t *runner)
{
    ngx_uint_t       i;
    mdm_str_t       *kicks;
    mdm_job_look_t  *look;
    mdm_exchange_t  *x;

    x = mdm_exchange_create_from(&ngx_mdm_redis_arenas,
                                 &runner->store->settings);
    if (x == NULL) {
        return NGX_ERROR;
    }

    runner->exchange = x;
    runner->round.exchange = x;

    x->kind = MDM_KIND_JOB;
    x->now = ngx_time();
    x->step = mdm_job_look_step;

    look = mdm_arena_zalloc(x->arena, sizeof(mdm_job_look_t));
    kicks = mdm_arena_alloc(x->arena, NGX_MDM_JOB_KICKS * sizeof(mdm_str_t));

    if (look == NULL || kicks == NULL) {
        return NGX_ERROR;
    }

    runner->look = look;
    x->ctx = look;

    look->runner = runner->name;

    if (ngx_mdm_job_look_jobs(runner) != NGX_OK
        || ngx_mdm_job_look_wants(runner) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* kicks that come while this look is under way are for the next one */

    look->kicks = kicks;
    look->nkicks = runner->nkicks;

    for (i = 0; i < runner->nkicks; i++) {

        if (mdm_str_dup(x->arena, &kicks[i],
                        &(mdm_str_t) { runner->kicks[i].len,
                                       runner->kicks[i].data })
            != MDM_OK)
        {
            return NGX_ERROR;
        }
    }

    runner->nkicks = 0;

    return NGX_OK;
}


/* what has ended, and what goes on */

static ngx_int_t
ngx_mdm_job_look_jobs(ngx_mdm_runner_t *runner)
{
    ngx_uint_t       i;
    mdm_str_t        work;
    mdm_arena_t     *arena;
    ngx_mdm_job_t   *job;
    mdm_job_look_t  *look;

    look = runner->look;
    arena = runner->exchange->arena;

    look->done = mdm_arena_alloc(arena, NGX_MDM_JOB_SLOTS
                                        * sizeof(mdm_job_done_t));
    look->held = mdm_arena_alloc(arena, NGX_MDM_JOB_SLOTS
                                        * sizeof(mdm_job_held_t));

    if (look->done == NULL || look->held == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_MDM_JOB_SLOTS; i++) {
        job = &runner->jobs[i];

        if (job->kind == NULL) {
            continue;
        }

        /* the slot may get other work before the exchange ends */

        work.data = job->work.data;
        work.len = job->work.len;

        if (mdm_str_dup(arena, &work, &work) != MDM_OK) {
            return NGX_ERROR;
        }

        if (job->ended) {
            look->done[look->ndone].work = work;
            look->done[look->ndone].again = job->again;
            look->done[look->ndone].often = job->kind->often;
            runner->told[look->ndone++] = job;

        } else {
            look->held[look->nheld].work = work;
            look->held[look->nheld].lease = job->kind->lease;
            runner->looked[look->nheld++] = job;
        }
    }

    return NGX_OK;
}


/* how much of each kind there is room for */

static ngx_int_t
ngx_mdm_job_look_wants(ngx_mdm_runner_t *runner)
{
    ngx_uint_t       i, k, total, busy[MDM_ENDPOINT_JOBS];
    mdm_job_look_t  *look;

    look = runner->look;

    look->wants = mdm_arena_alloc(runner->exchange->arena,
                                  MDM_ENDPOINT_JOBS * sizeof(mdm_job_want_t));
    if (look->wants == NULL) {
        return NGX_ERROR;
    }

    if (ngx_exiting || ngx_terminate) {
        return NGX_OK;
    }

    ngx_memzero(busy, sizeof(busy));

    for (i = 0; i < look->nheld; i++) {
        for (k = 0; k < runner->nkinds; k++) {
            busy[k] += (runner->looked[i]->kind == runner->kinds[k]);
        }
    }

    /* a kind of which nothing is under way keeps a slot of its own */

    total = NGX_MDM_JOB_SPARE;

    for (k = 0; k < runner->nkinds; k++) {
        total -= (busy[k] > 1) ? ngx_min(total, busy[k] - 1) : 0;
    }

    for (k = 0; k < runner->nkinds; k++) {
        look->wants[k].kind = runner->kinds[k];
        look->wants[k].most = (busy[k] == 0) ? 1 + total : total;
        look->most += (busy[k] == 0);
    }

    look->nwants = runner->nkinds;
    look->most += total;

    return NGX_OK;
}


void
ngx_mdm_job_kick_tenant(ngx_mdm_runner_t *runner, const char *kind,
    const mdm_str_t *tenant)
{
    u_char  *p, work[NGX_MDM_JOB_WORK];

    p = ngx_snprintf(work, sizeof(work), "%s %*s", kind, tenant->len,
                     tenant->data);

    ngx_mdm_job_kick_add(runner, work, (size_t) (p - work));
}


void
ngx_mdm_job_kick_add(ngx_mdm_runner_t *runner, u_char *work, size_t len)
{
    ngx_uint_t           i;
    ngx_mdm_job_work_t  *kick;

    for (i = 0; i < runner->nkicks; i++) {
        kick = &runner->kicks[i];

        if (kick->len == len && ngx_memcmp(kick->data, work, len) == 0) {
            return;
        }
    }

    if (runner->nkicks < NGX_MDM_JOB_KICKS) {
        kick = &runner->kicks[runner->nkicks++];
        kick->len = len;
        ngx_memcpy(kick->data, work, len);
    }
}
