
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The kind of work "release": looks through the partitions of a tenant for
 * channels that have been in Setup Assistant for too long, and for setups that
 * nobody has begun.
 */


#include "mdm_key.h"
#include "mdm_setup.h"


/* seconds between two looks, where nothing is known to be due */
#define MDM_SETUP_POLL        600

/* partitions asked in a round, channels of each, and those of them to whom a
   setup is owed: commands are made in memory, of which a round takes some MB
   for each */
#define MDM_SETUP_LOOKS       16
#define MDM_SETUP_MOST        "20"
#define MDM_SETUP_OWED        "1"

/* seconds until a setup that was begun in vain is tried again */
#define MDM_SETUP_GRACE       "10"


typedef struct {
    mdm_str_t                 tag;
    mdm_str_t                 id;
} mdm_setup_late_t;


typedef struct {
    uint32_t                  asked;       /* partitions */
    int64_t                   next;        /* seconds; -1: nothing waits */
    mdm_setup_late_t         *late;        /* of this round */
    mdm_uint_t                nlate;
    mdm_uint_t                begun;       /* of them */
    mdm_setup_t              *setup;
    mdm_uint_t                away;        /* 1: Redis was, for some of it */
    mdm_uint_t                failed;      /* 1: the script has, for some */
} mdm_setup_sweep_t;


enum {
    MDM_SETUP_SWEEP_BEGIN = 0,
    MDM_SETUP_SWEEP_LOOKED,
    MDM_SETUP_SWEEP_RUN,
    MDM_SETUP_SWEEP_FOLLOWED
};


static mdm_int_t mdm_setup_sweep_step(mdm_exchange_t *x);
static mdm_int_t mdm_setup_sweep_look(mdm_exchange_t *x,
    mdm_setup_sweep_t *sweep);
static mdm_int_t mdm_setup_sweep_looked(mdm_exchange_t *x,
    mdm_setup_sweep_t *sweep);
static mdm_int_t mdm_setup_sweep_next(mdm_exchange_t *x,
    mdm_setup_sweep_t *sweep);
static mdm_int_t mdm_setup_sweep_ran(mdm_exchange_t *x,
    mdm_setup_sweep_t *sweep);
static mdm_int_t mdm_setup_sweep_end(mdm_exchange_t *x,
    mdm_setup_sweep_t *sweep);


const mdm_job_kind_t  mdm_setup_jobs[] = {

    { mdm_string(MDM_SETUP_JOB), mdm_setup_sweep_step, MDM_SETUP_POLL,
      MDM_JOB_LEASE, 0, 0 },

    mdm_job_null
};


static mdm_int_t
mdm_setup_sweep_step(mdm_exchange_t *x)
{
    mdm_setup_sweep_t  *sweep;

    switch (x->state) {

    case MDM_SETUP_SWEEP_LOOKED:
        return mdm_setup_sweep_looked(x, x->ctx);

    case MDM_SETUP_SWEEP_RUN:
        return mdm_setup_sweep_ran(x, x->ctx);

    case MDM_SETUP_SWEEP_FOLLOWED:
        return mdm_setup_sweep_next(x, x->ctx);

    default: /* MDM_SETUP_SWEEP_BEGIN */
        break;
    }

    sweep = mdm_arena_zalloc(x->arena, sizeof(mdm_setup_sweep_t));
    if (sweep == NULL) {
        return MDM_ERROR;
    }

    x->ctx = sweep;
    sweep->next = -1;

    return mdm_setup_sweep_look(x, sweep);
}


static mdm_int_t
mdm_setup_sweep_look(mdm_exchange_t *x, mdm_setup_sweep_t *sweep)
{
    mdm_str_t   tag, *args;
    uint32_t    all, partition;
    mdm_uint_t  i, n;

    all = x->settings->store->partitions;
    n = all - sweep->asked;

    if (n == 0) {
        return mdm_setup_sweep_end(x, sweep);
    }

    if (x->stop) {
        return mdm_exchange_empty(x, 202);
    }

    if (n > MDM_SETUP_LOOKS) {
        n = MDM_SETUP_LOOKS;
    }

    if (mdm_exchange_calls(x, n, MDM_SETUP_SWEEP_LOOKED) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    for (i = 0; i < n; i++) {

        /* not always the same first: some may never be done */

        partition = (uint32_t) (((uint64_t) x->now + sweep->asked++) % all);

        if (mdm_key_partition(x->arena, &tag, &x->tenant, partition)
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, i, &mdm_script_setup_due, &tag, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        mdm_str_set(&args[MDM_ARG_SETUP_DUE_GRACE], MDM_SETUP_GRACE);
        mdm_str_set(&args[MDM_ARG_SETUP_DUE_MOST], MDM_SETUP_MOST);
        mdm_str_set(&args[MDM_ARG_SETUP_DUE_OWED], MDM_SETUP_OWED);
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_setup_sweep_looked(mdm_exchange_t *x, mdm_setup_sweep_t *sweep)
{
    size_t              k;
    int64_t             next;
    mdm_uint_t          i, n;
    const mdm_reply_t  *reply;

    n = 0;

    for (i = 0; i < x->ncalls; i++) {

        if (x->calls[i].rc != MDM_CALL_OK) {
            sweep->away = 1;
            sweep->failed |= (x->calls[i].rc == MDM_CALL_FAILED);
            continue;
        }

        reply = x->calls[i].reply;
        n += mdm_reply_size(reply);

        next = mdm_reply_int(reply, MDM_RET_SETUP_DUE_NEXT, -1);

        if (next >= 0 && (sweep->next < 0 || next < sweep->next)) {
            sweep->next = next;
        }

        if (mdm_reply_int(reply, MDM_RET_SETUP_DUE_RELEASED, 0) > 0) {
            x->owed = 1;
        }
    }

    sweep->nlate = 0;
    sweep->begun = 0;
    sweep->late = mdm_arena_alloc(x->arena,
                                  (n + 1) * sizeof(mdm_setup_late_t));
    if (sweep->late == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < x->ncalls; i++) {

        if (x->calls[i].rc != MDM_CALL_OK) {
            continue;
        }

        reply = x->calls[i].reply;

        for (k = MDM_RET_SETUP_DUE_IDS; k < mdm_reply_size(reply); k++) {
            sweep->late[sweep->nlate].tag = x->calls[i].key;
            sweep->late[sweep->nlate++].id = mdm_reply_str(reply, k);
        }
    }

    return mdm_setup_sweep_next(x, sweep);
}


/* one at a time: there are some after a crash only */

static mdm_int_t
mdm_setup_sweep_next(mdm_exchange_t *x, mdm_setup_sweep_t *sweep)
{
    u_char            *colon;
    mdm_setup_t       *setup;
    mdm_setup_late_t  *late;

    if (x->stop) {
        return mdm_exchange_empty(x, 202);
    }

    if (sweep->begun == sweep->nlate) {

        if (sweep->nlate == 0) {
            return mdm_setup_sweep_look(x, sweep);
        }

        return mdm_setup_sweep_end(x, sweep);
    }

    setup = mdm_arena_zalloc(x->arena, sizeof(mdm_setup_t));
    if (setup == NULL) {
        return MDM_ERROR;
    }

    late = &sweep->late[sweep->begun++];
    sweep->setup = setup;

    setup->changes = -1;

    setup->tag = late->tag;
    setup->id = late->id;
    setup->device = late->id;

    colon = (late->id.len != 0) ? memchr(late->id.data, ':', late->id.len)
                                : NULL;

    if (colon != NULL) {
        setup->device.len = (size_t) (colon - late->id.data);
    }

    return mdm_exchange_enter(x, mdm_setup_run, setup, MDM_SETUP_SWEEP_RUN);
}


static mdm_int_t
mdm_setup_sweep_ran(mdm_exchange_t *x, mdm_setup_sweep_t *sweep)
{
    mdm_ddm_follow_t  *follow;

    if (!sweep->setup->done) {
        sweep->away = 1;
    }

    if (sweep->setup->owed) {
        x->owed = 1;
    }

    if (sweep->setup->given == 0) {
        return mdm_setup_sweep_next(x, sweep);
    }

    follow = mdm_arena_zalloc(x->arena, sizeof(mdm_ddm_follow_t));
    if (follow == NULL) {
        return MDM_ERROR;
    }

    follow->tag = sweep->setup->tag;
    follow->id = sweep->setup->id;
    follow->must = 1;

    return mdm_exchange_enter(x, mdm_ddm_follow, follow,
                              MDM_SETUP_SWEEP_FOLLOWED);
}


static mdm_int_t
mdm_setup_sweep_end(mdm_exchange_t *x, mdm_setup_sweep_t *sweep)
{
    mdm_str_null(&x->owed_tag);

    if (sweep->failed) {
        x->failure = MDM_FAILURE_SCRIPT;

        return mdm_exchange_refuse(x, 500, "the script \"setup_due\" failed");
    }

    if (sweep->away) {
        return mdm_exchange_unavailable(x);
    }

    /* there may be more: the next run begins with an empty arena */

    if (sweep->nlate != 0) {
        return mdm_exchange_empty(x, 202);
    }

    /* another worker's announcement may be lost: not later than usual */

    if (sweep->next >= 0 && sweep->next < MDM_SETUP_POLL) {
        x->again = sweep->next * 1000 + 100;
    }

    return mdm_exchange_empty(x, 200);
}
