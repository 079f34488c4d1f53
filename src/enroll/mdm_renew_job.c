
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The kind of work "renew": looks through the partitions of a tenant for
 * certificates that are to be renewed.
 */


#include "mdm_key.h"
#include "mdm_renew.h"


/* seconds between two looks */
#define MDM_RENEW_POLL        3600

/* where more is due: each that is asked comes for a challenge */
#define MDM_RENEW_MORE        60

/* partitions asked in a round, and devices of each */
#define MDM_RENEW_LOOKS       16
#define MDM_RENEW_MOST        "20"


typedef struct {
    mdm_str_t                *blocks;      /* name, digest, … */
    mdm_uint_t                nblocks;     /* of both */
    uint32_t                  asked;       /* partitions */
    int64_t                   next;        /* seconds; -1: nothing is known */
    mdm_uint_t                full;        /* 1: more is due */
    mdm_uint_t                away;        /* 1: Redis was, for some of it */
    mdm_uint_t                failed;      /* 1: the script has, for some */
} mdm_renew_sweep_t;


enum {
    MDM_RENEW_SWEEP_BEGIN = 0,
    MDM_RENEW_SWEEP_TOPICS,
    MDM_RENEW_SWEEP_LOOKED
};


static mdm_int_t mdm_renew_sweep_step(mdm_exchange_t *x);
static mdm_int_t mdm_renew_sweep_begin(mdm_exchange_t *x);
static mdm_int_t mdm_renew_sweep_topics(mdm_exchange_t *x,
    mdm_renew_sweep_t *sweep);
static mdm_int_t mdm_renew_sweep_look(mdm_exchange_t *x,
    mdm_renew_sweep_t *sweep);
static mdm_int_t mdm_renew_sweep_call(mdm_exchange_t *x,
    mdm_renew_sweep_t *sweep, mdm_uint_t i);
static mdm_int_t mdm_renew_sweep_looked(mdm_exchange_t *x,
    mdm_renew_sweep_t *sweep);
static mdm_int_t mdm_renew_sweep_end(mdm_exchange_t *x,
    mdm_renew_sweep_t *sweep);


const mdm_job_kind_t  mdm_renew_jobs[] = {

    { mdm_string(MDM_RENEW_JOB), mdm_renew_sweep_step, MDM_RENEW_POLL,
      MDM_JOB_LEASE, 0, 0 },

    mdm_job_null
};


static mdm_int_t
mdm_renew_sweep_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_RENEW_SWEEP_BEGIN:
        return mdm_renew_sweep_begin(x);

    case MDM_RENEW_SWEEP_TOPICS:
        return mdm_renew_sweep_topics(x, x->ctx);

    default: /* MDM_RENEW_SWEEP_LOOKED */
        return mdm_renew_sweep_looked(x, x->ctx);
    }
}


/* the topic of a block may be that of the tenant's push certificate */

static mdm_int_t
mdm_renew_sweep_begin(mdm_exchange_t *x)
{
    mdm_str_t           key;
    mdm_renew_sweep_t  *sweep;

    sweep = mdm_arena_zalloc(x->arena, sizeof(mdm_renew_sweep_t));
    if (sweep == NULL) {
        return MDM_ERROR;
    }

    x->ctx = sweep;
    sweep->next = -1;

    return (mdm_key_push(x->arena, &key, &x->tenant) == MDM_OK
            && mdm_exchange_calls(x, 1, MDM_RENEW_SWEEP_TOPICS) == MDM_CALL
            && mdm_exchange_call(x, 0, &mdm_script_push_cert_get, &key, 0)
               != NULL)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_renew_sweep_topics(mdm_exchange_t *x, mdm_renew_sweep_t *sweep)
{
    mdm_int_t                  rc;
    mdm_str_t                  topic, *keys;
    mdm_uint_t                 i, n;
    const char                *why;
    const mdm_enroll_block_t  *block;

    n = x->settings->nenrollments;

    sweep->blocks = mdm_arena_zalloc(x->arena,
                                     (2 * n + 1) * sizeof(mdm_str_t));
    if (sweep->blocks == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        block = x->settings->enrollments[i];

        if (mdm_enroll_block_of(x, &block->name) == NULL) {
            continue;
        }

        sweep->blocks[sweep->nblocks++] = block->name;
        keys = &sweep->blocks[sweep->nblocks++];

        rc = mdm_enroll_topic(x, block, x->calls[0].reply, &topic, &why);

        if (rc == MDM_OK) {
            rc = mdm_enroll_keys(x, block, &topic, keys);
        }

        if (rc == MDM_ERROR) {
            return MDM_ERROR;
        }
    }

    return mdm_renew_sweep_look(x, sweep);
}


static mdm_int_t
mdm_renew_sweep_look(mdm_exchange_t *x, mdm_renew_sweep_t *sweep)
{
    mdm_uint_t  i, n;

    n = x->settings->store->partitions - sweep->asked;

    if (n == 0) {
        return mdm_renew_sweep_end(x, sweep);
    }

    if (x->stop) {
        return mdm_exchange_empty(x, 202);
    }

    if (n > MDM_RENEW_LOOKS) {
        n = MDM_RENEW_LOOKS;
    }

    if (mdm_exchange_calls(x, n, MDM_RENEW_SWEEP_LOOKED) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    for (i = 0; i < n; i++) {
        if (mdm_renew_sweep_call(x, sweep, i) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_renew_sweep_call(mdm_exchange_t *x, mdm_renew_sweep_t *sweep,
    mdm_uint_t i)
{
    uint32_t    all, partition;
    mdm_str_t   tag, *args;

    /* not always the same first: some may never be done */

    all = x->settings->store->partitions;
    partition = (uint32_t) (((uint64_t) x->now + sweep->asked++) % all);

    if (mdm_key_partition(x->arena, &tag, &x->tenant, partition) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_renewal_due, &tag,
                             sweep->nblocks);

    if (args == NULL
        || mdm_uuid(x->arena, &args[MDM_ARG_RENEWAL_DUE_SEED]) != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_str_set(&args[MDM_ARG_RENEWAL_DUE_MOST], MDM_RENEW_MOST);

    if (sweep->nblocks != 0) {
        memcpy(&args[MDM_ARG_RENEWAL_DUE_BLOCKS], sweep->blocks,
               sweep->nblocks * sizeof(mdm_str_t));
    }

    return MDM_OK;
}


static mdm_int_t
mdm_renew_sweep_looked(mdm_exchange_t *x, mdm_renew_sweep_t *sweep)
{
    int64_t             next;
    mdm_uint_t          i;
    const mdm_reply_t  *reply;

    for (i = 0; i < x->ncalls; i++) {

        if (x->calls[i].rc != MDM_CALL_OK) {
            sweep->away = 1;
            sweep->failed |= (x->calls[i].rc == MDM_CALL_FAILED);
            continue;
        }

        reply = x->calls[i].reply;
        next = mdm_reply_int(reply, MDM_RET_RENEWAL_DUE_NEXT, -1);

        if (next >= 0 && (sweep->next < 0 || next < sweep->next)) {
            sweep->next = next;
        }

        if (mdm_reply_int(reply, MDM_RET_RENEWAL_DUE_FULL, 0) == 1) {
            sweep->full = 1;
        }

        if (mdm_reply_int(reply, MDM_RET_RENEWAL_DUE_OWED, 0) == 1) {
            x->owed = 1;
        }
    }

    return mdm_renew_sweep_look(x, sweep);
}


static mdm_int_t
mdm_renew_sweep_end(mdm_exchange_t *x, mdm_renew_sweep_t *sweep)
{
    mdm_str_null(&x->owed_tag);

    if (sweep->failed) {
        x->failure = MDM_FAILURE_SCRIPT;

        return mdm_exchange_refuse(x, 500, "the script \"renewal_due\" failed");
    }

    if (sweep->away) {
        return mdm_exchange_unavailable(x);
    }

    if (sweep->full) {
        x->again = MDM_RENEW_MORE * 1000;

    } else if (sweep->next >= 0 && sweep->next < MDM_RENEW_POLL) {
        x->again = sweep->next * 1000 + 100;
    }

    return mdm_exchange_empty(x, 200);
}
