
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One round of an exchange: each call goes to whoever runs its kind.
 */


#include "ngx_mdm_round.h"
#include "ngx_mdm_count.h"


static mdm_int_t ngx_mdm_round_run(mdm_arena_t *arena, void *data);
static void ngx_mdm_round_ran(mdm_call_t *call, void *data);
static ngx_mdm_redis_kind_e ngx_mdm_round_kind(mdm_exchange_t *x);
static ngx_int_t ngx_mdm_round_call(ngx_mdm_round_t *round, ngx_uint_t i,
    ngx_mdm_redis_kind_e kind);
static void ngx_mdm_round_reply(mdm_call_t *call, void *data);
static ngx_int_t ngx_mdm_round_push(ngx_mdm_round_t *round, ngx_uint_t i);
static void ngx_mdm_round_pushed(mdm_call_t *call, void *data);
static ngx_int_t ngx_mdm_round_http(ngx_mdm_round_t *round, ngx_uint_t i);
static void ngx_mdm_round_answered(mdm_call_t *call, void *data);
static void ngx_mdm_round_worked(mdm_call_t *call, void *data);


ngx_int_t
ngx_mdm_round_step(ngx_mdm_round_t *round, mdm_int_t *rc)
{
    mdm_exchange_t  *x;

    x = round->exchange;

    if (round->stepped) {
        round->stepped = 0;
        *rc = round->rc;

        return NGX_OK;
    }

    if (round->threads == NULL
        || !mdm_exchange_heavy(x)
        || mdm_exchange_away(x) != MDM_OK)
    {
        *rc = mdm_exchange_run(x);

        return NGX_OK;
    }

    round->step.kind = MDM_CALL_KIND_WORK;
    round->step.work = ngx_mdm_round_run;
    round->step.data = round;

    round->nops = 0;
    round->nredis = 0;

    switch (ngx_mdm_work_call(round->threads, x->arena, &round->step,
                              ngx_mdm_round_ran, round))
    {

    case NGX_OK:
        round->pending = 1;
        round->working = 1;

        return NGX_DONE;

    case NGX_ERROR:
        mdm_exchange_back(x);

        return NGX_ERROR;

    default: /* NGX_DONE: no memory for a task */
        mdm_exchange_back(x);

        *rc = mdm_exchange_run(x);

        return NGX_OK;
    }
}


/* in a thread */

static mdm_int_t
ngx_mdm_round_run(mdm_arena_t *arena, void *data)
{
    ngx_mdm_round_t *round = data;

    (void) arena;

    round->rc = mdm_exchange_run(round->exchange);

    return MDM_OK;
}


static void
ngx_mdm_round_ran(mdm_call_t *call, void *data)
{
    ngx_mdm_round_t *round = data;

    (void) call;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm round ran: rc %d", (int) round->rc);

    mdm_exchange_back(round->exchange);

    round->pending = 0;
    round->working = 0;
    round->stepped = 1;

    round->done(round->data);
}


ngx_uint_t
ngx_mdm_round_send(ngx_mdm_round_t *round)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    mdm_exchange_t        *x;
    ngx_mdm_redis_kind_e   kind;

    x = round->exchange;
    kind = ngx_mdm_round_kind(x);

    round->pending = 0;
    round->working = 0;
    round->nredis = 0;
    round->nops = x->ncalls;
    round->pushes = NULL;
    round->https = NULL;

    round->ops = mdm_arena_zalloc(x->arena,
                                  x->ncalls * sizeof(ngx_mdm_redis_op_t *));
    if (round->ops == NULL) {
        round->nops = 0;

        for (i = 0; i < x->ncalls; i++) {
            x->calls[i].rc = MDM_CALL_UNAVAILABLE;
        }

        return 0;
    }

    for (i = 0; i < x->ncalls; i++) {

        rc = ngx_mdm_round_call(round, i, kind);

        if (rc == NGX_OK) {
            round->pending++;
            continue;
        }

        round->ops[i] = NULL;

        if (rc == NGX_ERROR) {
            x->calls[i].rc = MDM_CALL_UNAVAILABLE;
        }
    }

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm round: %ui calls, %ui pending, %ui of work",
                   (ngx_uint_t) x->ncalls, round->pending, round->working);

    return round->pending;
}


static ngx_int_t
ngx_mdm_round_call(ngx_mdm_round_t *round, ngx_uint_t i,
    ngx_mdm_redis_kind_e kind)
{
    ngx_int_t    rc;
    mdm_call_t  *call;

    call = &round->exchange->calls[i];

    if (call->kind == MDM_CALL_KIND_REDIS) {
        round->nredis++;

        return ngx_mdm_redis_call(round->store, call, kind,
                                  ngx_mdm_round_reply, round, &round->ops[i]);
    }

    if (call->kind == MDM_CALL_KIND_PUSH) {
        return ngx_mdm_round_push(round, i);
    }

    if (call->kind == MDM_CALL_KIND_HTTP) {
        return ngx_mdm_round_http(round, i);
    }

    rc = ngx_mdm_work_call(round->threads, round->exchange->arena, call,
                           ngx_mdm_round_worked, round);

    if (rc == NGX_OK) {
        round->working++;
    }

    return rc;
}


static ngx_int_t
ngx_mdm_round_push(ngx_mdm_round_t *round, ngx_uint_t i)
{
    ngx_int_t        rc;
    mdm_exchange_t  *x;

    x = round->exchange;

    if (round->pushes == NULL) {
        round->pushes = mdm_arena_zalloc(x->arena,
                                    x->ncalls * sizeof(ngx_mdm_apns_op_t *));
        if (round->pushes == NULL) {
            return NGX_ERROR;
        }
    }

    rc = ngx_mdm_push_send(round->store, &x->tenant, &x->calls[i],
                           ngx_mdm_round_pushed, round, &round->pushes[i]);

    if (rc != NGX_OK) {
        mdm_exchange_keep(round->exchange, &x->calls[i]);
    }

    /* one that was not sent; others are counted when they end */

    if (rc == NGX_DONE) {
        ngx_mdm_count(pushes[mdm_metrics_push(x->calls[i].push->outcome, 0)],
                      1);
    }

    return rc;
}


static ngx_int_t
ngx_mdm_round_http(ngx_mdm_round_t *round, ngx_uint_t i)
{
    mdm_exchange_t  *x;

    x = round->exchange;

    if (round->https == NULL) {
        round->https = mdm_arena_zalloc(x->arena,
                                    x->ncalls * sizeof(ngx_mdm_http_op_t *));
        if (round->https == NULL) {
            mdm_exchange_http_lost(&x->calls[i]);
            return NGX_DONE;
        }
    }

    return ngx_mdm_http_call(&x->calls[i], ngx_mdm_round_answered, round,
                             &round->https[i]);
}


static ngx_mdm_redis_kind_e
ngx_mdm_round_kind(mdm_exchange_t *x)
{
    switch (x->kind) {

    case MDM_KIND_API:
        return NGX_MDM_REDIS_API;

    case MDM_KIND_JOB:
        return NGX_MDM_REDIS_JOB;

    default:
        return NGX_MDM_REDIS_DEVICE;
    }
}


void
ngx_mdm_round_abandon(ngx_mdm_round_t *round)
{
    ngx_uint_t  i;

    ngx_log_debug2(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm round abandon: %ui pending, %ui of work",
                   round->pending, round->working);

    for (i = 0; i < round->nops; i++) {

        if (round->ops[i] != NULL) {
            ngx_mdm_redis_abandon(round->ops[i]);
            round->ops[i] = NULL;
        }

        if (round->pushes != NULL && round->pushes[i] != NULL) {
            ngx_mdm_apns_abandon(round->pushes[i]);
            round->pushes[i] = NULL;
        }

        if (round->https != NULL && round->https[i] != NULL) {
            ngx_mdm_http_abandon(round->https[i]);
            round->https[i] = NULL;
        }
    }

    round->nops = 0;
    round->pending = round->working;
}


static void
ngx_mdm_round_reply(mdm_call_t *call, void *data)
{
    ngx_mdm_round_t *round = data;

    ngx_log_debug4(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm round reply: \"%V\" on \"%V\", rc %d, %ui pending",
                   (ngx_str_t *) &call->script->name, (ngx_str_t *) &call->key,
                   (int) call->rc, round->pending);

    round->ops[call - round->exchange->calls] = NULL;

    mdm_exchange_keep(round->exchange, call);

    if (--round->pending == 0) {
        round->done(round->data);
    }
}


static void
ngx_mdm_round_pushed(mdm_call_t *call, void *data)
{
    ngx_mdm_round_t *round = data;

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm round pushed: outcome %d, status %ui, %ui pending",
                   (int) call->push->outcome,
                   (ngx_uint_t) call->push->status, round->pending);

    round->pushes[call - round->exchange->calls] = NULL;

    mdm_exchange_keep(round->exchange, call);

    if (--round->pending == 0) {
        round->done(round->data);
    }
}


static void
ngx_mdm_round_answered(mdm_call_t *call, void *data)
{
    ngx_mdm_round_t *round = data;

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm round answered: outcome %d, status %ui, %ui pending",
                   (int) call->http->outcome,
                   (ngx_uint_t) call->http->status, round->pending);

    round->https[call - round->exchange->calls] = NULL;

    mdm_exchange_keep(round->exchange, call);

    if (--round->pending == 0) {
        round->done(round->data);
    }
}


static void
ngx_mdm_round_worked(mdm_call_t *call, void *data)
{
    ngx_mdm_round_t *round = data;

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm round worked: rc %d, %ui pending, %ui of work",
                   (int) call->rc, round->pending, round->working);

    round->working--;

    if (--round->pending == 0) {
        round->done(round->data);
    }
}


void
ngx_mdm_round_log(mdm_exchange_t *x, ngx_log_t *log)
{
    mdm_log_t  *line;

    static const ngx_uint_t  levels[] = {
        NGX_LOG_INFO, NGX_LOG_NOTICE, NGX_LOG_WARN, NGX_LOG_ERR,
        NGX_LOG_ALERT, NGX_LOG_ALERT
    };

    for (line = x->log; line != NULL; line = line->next) {
        ngx_log_error(levels[line->level], log, 0, "%V",
                      (ngx_str_t *) &line->text);
    }
}
