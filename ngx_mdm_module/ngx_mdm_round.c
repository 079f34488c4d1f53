
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "ngx_mdm_round.h"


static ngx_mdm_redis_kind_e ngx_mdm_round_kind(mdm_exchange_t *x);
static void ngx_mdm_round_reply(mdm_call_t *call, void *data);
static void ngx_mdm_round_keep(ngx_mdm_round_t *round, mdm_call_t *call);
static void ngx_mdm_round_destroy(void *data);


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
    round->nops = x->ncalls;

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

        rc = ngx_mdm_redis_call(round->store, &x->calls[i], kind,
                                ngx_mdm_round_reply, round, &round->ops[i]);

        if (rc == NGX_OK) {
            round->pending++;
            continue;
        }

        round->ops[i] = NULL;

        if (rc == NGX_ERROR) {
            x->calls[i].rc = MDM_CALL_UNAVAILABLE;
        }
    }

    return round->pending;
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

    for (i = 0; i < round->nops; i++) {

        if (round->ops[i] != NULL) {
            ngx_mdm_redis_abandon(round->ops[i]);
            round->ops[i] = NULL;
        }
    }

    round->nops = 0;
}


static void
ngx_mdm_round_reply(mdm_call_t *call, void *data)
{
    ngx_mdm_round_t *round = data;

    round->ops[call - round->exchange->calls] = NULL;

    ngx_mdm_round_keep(round, call);

    if (--round->pending == 0) {
        round->done(round->data);
    }
}


/* a reply lives as long as the exchange: the response may point into it */

static void
ngx_mdm_round_keep(ngx_mdm_round_t *round, mdm_call_t *call)
{
    if (call->reply_arena == NULL) {
        return;
    }

    if (mdm_arena_defer(round->exchange->arena, ngx_mdm_round_destroy,
                        call->reply_arena)
        != MDM_OK)
    {
        call->reply = NULL;
        call->rc = MDM_CALL_UNAVAILABLE;
    }

    call->reply_arena = NULL;
}


static void
ngx_mdm_round_destroy(void *data)
{
    mdm_arena_destroy(data);
}
