
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "mdm_ddm_rollout.h"
#include "mdm_ddm_token.h"
#include "mdm_key.h"


/* partitions asked in one round */
#define MDM_DDM_LOOK          128

/*
 * Partitions worked on at a time and channels a call: together what Redis
 * is kept from other clients for, a few milliseconds.
 */
#define MDM_DDM_WIDTH         4
#define MDM_DDM_WALK          100

/* rounds between two words of progress, and of one exchange */
#define MDM_DDM_ROUNDS        8
#define MDM_DDM_STEPS         20000


enum {
    MDM_DDM_KICK_BEGIN = 0,
    MDM_DDM_KICK_ASKED,
    MDM_DDM_KICK_LISTED
};


enum {
    MDM_DDM_BEGIN = 0,
    MDM_DDM_BEGUN,
    MDM_DDM_LOOKED,
    MDM_DDM_SINCE,
    MDM_DDM_WALKED,
    MDM_DDM_ENDED,
    MDM_DDM_STOPPED
};


struct mdm_ddm_part_s {
    mdm_str_t                 tag;         /* KEYS[1] */
    int64_t                   rev;         /* it has; -1: none yet */
    unsigned                  behind:1;
    unsigned                  applied:1;   /* it has the sets */
};


static mdm_str_t *mdm_ddm_rollout_job(mdm_exchange_t *x, mdm_uint_t i,
    const char *mode, mdm_uint_t more);
static mdm_int_t mdm_ddm_rollout_begun(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_look(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_looked(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_since(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_round(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_apply(mdm_exchange_t *x, mdm_uint_t i,
    mdm_ddm_part_t *part);
static mdm_int_t mdm_ddm_rollout_walk(mdm_exchange_t *x, mdm_uint_t i,
    mdm_ddm_part_t *part);
static mdm_int_t mdm_ddm_rollout_walked(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_progress(mdm_exchange_t *x, mdm_str_t *args);
static mdm_int_t mdm_ddm_rollout_end(mdm_exchange_t *x, const char *mode,
    mdm_int_t state);
static mdm_int_t mdm_ddm_rollout_ended(mdm_exchange_t *x);


/* names and values of the progress */
#define MDM_DDM_PROGRESS      10


mdm_int_t
mdm_ddm_rollout_step(mdm_exchange_t *x)
{
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    if (x->state == MDM_DDM_BEGIN) {
        ro = mdm_arena_zalloc(x->arena, sizeof(mdm_ddm_rollout_t));
        if (ro == NULL) {
            return MDM_ERROR;
        }

        x->ctx = ro;
    }

    /*
     * What is called again and again takes memory until the exchange ends,
     * and replies may never come to an end: another one goes on.
     */

    if (++ro->steps > MDM_DDM_STEPS) {
        x->stop = 1;
    }

    if (x->stop && x->state != MDM_DDM_BEGIN && x->state != MDM_DDM_STOPPED) {

        /* whoever comes next need not wait for the end of the lease */

        return mdm_ddm_rollout_end(x, "quit", MDM_DDM_STOPPED);
    }

    switch (x->state) {

    case MDM_DDM_BEGIN:

        if (mdm_key_declarations(x->arena, &ro->key, &x->tenant) != MDM_OK
            || mdm_exchange_calls(x, 1, MDM_DDM_BEGUN) != MDM_CALL
            || mdm_ddm_rollout_job(x, 0, "begin", 0) == NULL)
        {
            return MDM_ERROR;
        }

        return MDM_CALL;

    case MDM_DDM_BEGUN:
        return mdm_ddm_rollout_begun(x);

    case MDM_DDM_LOOKED:
        return mdm_ddm_rollout_looked(x);

    case MDM_DDM_SINCE:
        ro->since = x->calls[0].reply;

        return (mdm_reply_at(ro->since, MDM_RET_DDM_SINCE_REV) != NULL)
               ? mdm_ddm_rollout_round(x) : mdm_exchange_odd(x, 0);

    case MDM_DDM_WALKED:
        return mdm_ddm_rollout_walked(x);

    case MDM_DDM_ENDED:
        return mdm_ddm_rollout_ended(x);

    default: /* MDM_DDM_STOPPED */
        return mdm_exchange_empty(x, 202);
    }
}


static mdm_str_t *
mdm_ddm_rollout_job(mdm_exchange_t *x, mdm_uint_t i, const char *mode,
    mdm_uint_t more)
{
    mdm_str_t          *args;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    args = mdm_exchange_call(x, i, &mdm_script_ddm_job, &ro->key, more);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_JOB_MODE], "%s", mode)
           != MDM_OK
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_JOB_UPTO], "%lld",
                      (long long) ro->rev)
           != MDM_OK)
    {
        return NULL;
    }

    return args;
}


static mdm_int_t
mdm_ddm_rollout_begun(mdm_exchange_t *x)
{
    uint32_t            p;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    if (mdm_reply_code(x->calls[0].reply, 0) != 1) {
        return mdm_exchange_empty(x, 200);
    }

    ro->rev = mdm_reply_int(x->calls[0].reply, MDM_RET_DDM_JOB_REV, 0);

    ro->parts = mdm_arena_zalloc(x->arena, x->settings->partitions
                                           * sizeof(mdm_ddm_part_t));
    ro->active = mdm_arena_alloc(x->arena,
                                 MDM_DDM_WIDTH * sizeof(mdm_ddm_part_t *));

    if (ro->parts == NULL || ro->active == NULL) {
        return MDM_ERROR;
    }

    for (p = 0; p < x->settings->partitions; p++) {

        if (mdm_key_partition(x->arena, &ro->parts[p].tag, &x->tenant, p)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    ro->asked = 0;
    ro->done = 0;

    return mdm_ddm_rollout_look(x);
}


/* which partitions are behind? */

static mdm_int_t
mdm_ddm_rollout_look(mdm_exchange_t *x)
{
    mdm_uint_t          i, n;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    n = x->settings->partitions - ro->asked;

    if (n == 0) {
        return mdm_ddm_rollout_since(x);
    }

    if (n > MDM_DDM_LOOK) {
        n = MDM_DDM_LOOK;
    }

    if (mdm_exchange_calls(x, n, MDM_DDM_LOOKED) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (mdm_exchange_call(x, i, &mdm_script_ddm_state,
                              &ro->parts[ro->asked + i].tag, 0)
            == NULL)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_ddm_rollout_looked(mdm_exchange_t *x)
{
    int64_t             to, enrollments;
    mdm_uint_t          i;
    mdm_ddm_part_t     *part;
    mdm_ddm_rollout_t  *ro;
    const mdm_reply_t  *reply;

    ro = x->ctx;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;
        part = &ro->parts[ro->asked + i];

        part->rev = mdm_reply_int(reply, MDM_RET_DDM_STATE_REV, -1);
        to = mdm_reply_int(reply, MDM_RET_DDM_STATE_REPLICA, -1);
        enrollments = mdm_reply_int(reply, MDM_RET_DDM_STATE_ENROLLMENTS, 0);

        /* one without channels gets its copy when the first one comes */

        part->behind = (part->rev < ro->rev || to > part->rev)
                       && (part->rev >= 0 || enrollments > 0);
        part->applied = 0;

        if (!part->behind) {
            ro->done++;
        }
    }

    ro->asked += x->ncalls;

    return mdm_ddm_rollout_look(x);
}


/*
 * The sets that changed since the revision of those which are the farthest
 * behind; these are brought up to date, then the next ones.
 */

static mdm_int_t
mdm_ddm_rollout_since(mdm_exchange_t *x)
{
    int64_t             rev;
    mdm_str_t          *args;
    mdm_uint_t          i, n;
    mdm_ddm_part_t     *part;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    part = NULL;
    n = x->settings->partitions;

    for (i = 0; i < n; i++) {

        if (ro->parts[i].behind
            && (part == NULL || ro->parts[i].rev < part->rev))
        {
            part = &ro->parts[i];
        }
    }

    if (part == NULL) {
        return mdm_ddm_rollout_end(x, "end", MDM_DDM_ENDED);
    }

    rev = part->rev;

    ro->group = (mdm_uint_t) (part - ro->parts);
    ro->next = ro->group;
    ro->nactive = 0;

    if (mdm_exchange_calls(x, 1, MDM_DDM_SINCE) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_since, &ro->key, 0);

    if (args == NULL) {
        return MDM_ERROR;
    }

    return mdm_printf(x->arena, &args[MDM_ARG_DDM_SINCE_SINCE], "%lld",
                      (long long) (rev < 0 ? 0 : rev)) == MDM_OK
           ? MDM_CALL : MDM_ERROR;
}


/* a few partitions of the group at a time, each of which gets one call */

static mdm_int_t
mdm_ddm_rollout_round(mdm_exchange_t *x)
{
    mdm_str_t          *args;
    mdm_int_t           rc;
    mdm_uint_t          i, word;
    mdm_ddm_part_t     *part;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    while (ro->nactive < MDM_DDM_WIDTH
           && ro->next < x->settings->partitions)
    {
        part = &ro->parts[ro->next++];

        if (part->behind && part->rev == ro->parts[ro->group].rev) {
            ro->active[ro->nactive++] = part;
        }
    }

    if (ro->nactive == 0) {
        return mdm_ddm_rollout_since(x);
    }

    word = (++ro->rounds >= MDM_DDM_ROUNDS);

    if (mdm_exchange_calls(x, ro->nactive + word, MDM_DDM_WALKED)
        != MDM_CALL)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < ro->nactive; i++) {
        part = ro->active[i];

        rc = part->applied ? mdm_ddm_rollout_walk(x, i, part)
                           : mdm_ddm_rollout_apply(x, i, part);

        if (rc != MDM_OK) {
            return MDM_ERROR;
        }
    }

    if (word) {
        ro->rounds = 0;

        args = mdm_ddm_rollout_job(x, i, "go", MDM_DDM_PROGRESS);

        if (args == NULL || mdm_ddm_rollout_progress(x, args) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_ddm_rollout_apply(mdm_exchange_t *x, mdm_uint_t i, mdm_ddm_part_t *part)
{
    size_t              k, n;
    int64_t             rev;
    mdm_str_t          *args;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    rev = mdm_reply_int(ro->since, MDM_RET_DDM_SINCE_REV, 0);
    n = mdm_reply_size(ro->since);
    n = (n > MDM_RET_DDM_SINCE_SETS) ? n - MDM_RET_DDM_SINCE_SETS : 0;

    args = mdm_exchange_call(x, i, &mdm_script_ddm_apply, &part->tag, n);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_APPLY_REV], "%lld",
                      (long long) rev)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_APPLY_WATCHERS] = mdm_reply_str(ro->since,
                                                 MDM_RET_DDM_SINCE_WATCHERS);

    args += MDM_ARG_DDM_APPLY_SETS;

    for (k = 0; k < n; k++) {
        args[k] = mdm_reply_str(ro->since, MDM_RET_DDM_SINCE_SETS + k);
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_rollout_walk(mdm_exchange_t *x, mdm_uint_t i, mdm_ddm_part_t *part)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, &mdm_script_ddm_walk, &part->tag, 0);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_WALK_MOST], "%d",
                      MDM_DDM_WALK)
           != MDM_OK
        || mdm_ddm_notify_args(x, &part->tag, &args[MDM_ARG_DDM_WALK_UUID],
                               &args[MDM_ARG_DDM_WALK_BODY])
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_rollout_walked(mdm_exchange_t *x)
{
    mdm_uint_t          i, k;
    mdm_ddm_part_t     *part;
    mdm_ddm_rollout_t  *ro;
    const mdm_reply_t  *reply;

    ro = x->ctx;

    k = 0;

    for (i = 0; i < ro->nactive; i++) {
        part = ro->active[i];
        reply = x->calls[i].reply;

        if (!part->applied) {
            part->applied = 1;
            ro->active[k++] = part;
            continue;
        }

        ro->seen += mdm_reply_count(reply, MDM_RET_DDM_WALK_SEEN,
                                    MDM_DDM_WALK);
        ro->changed += mdm_reply_count(reply, MDM_RET_DDM_WALK_CHANGED,
                                       MDM_DDM_WALK);
        ro->queued += mdm_reply_count(reply, MDM_RET_DDM_WALK_QUEUED,
                                      MDM_DDM_WALK);

        if (mdm_reply_int(reply, MDM_RET_DDM_WALK_MORE, 0)) {
            ro->active[k++] = part;
            continue;
        }

        part->behind = 0;
        ro->done++;
    }

    ro->nactive = k;

    return mdm_ddm_rollout_round(x);
}


static mdm_int_t
mdm_ddm_rollout_progress(mdm_exchange_t *x, mdm_str_t *args)
{
    mdm_uint_t          i;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    const struct {
        const char  *name;
        int64_t      value;
    } fields[MDM_DDM_PROGRESS / 2] = {
        { "partitions", x->settings->partitions },
        { "done", (int64_t) ro->done },
        { "seen", ro->seen },
        { "changed", ro->changed },
        { "queued", ro->queued }
    };

    args += MDM_ARG_DDM_JOB_FIELDS;

    for (i = 0; i < MDM_DDM_PROGRESS / 2; i++) {

        if (mdm_printf(x->arena, &args[2 * i], "%s", fields[i].name) != MDM_OK
            || mdm_printf(x->arena, &args[2 * i + 1], "%lld",
                          (long long) fields[i].value) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_rollout_end(mdm_exchange_t *x, const char *mode, mdm_int_t state)
{
    mdm_str_t  *args;

    if (mdm_exchange_calls(x, 1, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_ddm_rollout_job(x, 0, mode, MDM_DDM_PROGRESS);

    if (args == NULL || mdm_ddm_rollout_progress(x, args) != MDM_OK) {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_ddm_rollout_ended(mdm_exchange_t *x)
{
    mdm_ddm_rollout_t  *ro;
    const mdm_reply_t  *reply;

    ro = x->ctx;
    reply = x->calls[0].reply;

    if (mdm_reply_code(reply, 0) != 2) {
        return mdm_exchange_empty(x, 200);
    }

    /* more was changed meanwhile, or a partition has got its first channel */

    ro->rev = mdm_reply_int(reply, MDM_RET_DDM_JOB_REV, 0);
    ro->asked = 0;
    ro->done = 0;

    return mdm_ddm_rollout_look(x);
}


mdm_int_t
mdm_ddm_kick(mdm_exchange_t *x)
{
    mdm_str_t  key;

    switch (x->state) {

    case MDM_DDM_KICK_BEGIN:

        if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
            || mdm_exchange_calls(x, 1, MDM_DDM_KICK_ASKED) != MDM_CALL)
        {
            return MDM_ERROR;
        }

        if (mdm_exchange_call(x, 0, &mdm_script_ddm_rev, &key, 0) == NULL) {
            return MDM_ERROR;
        }

        x->own_failures = 1;

        return MDM_CALL;

    case MDM_DDM_KICK_ASKED:

        if (x->calls[0].rc != MDM_CALL_OK) {
            break;
        }

        /* a tenant that has no sets */

        if (mdm_reply_int(x->calls[0].reply, MDM_RET_DDM_REV_REV, 0) <= 0) {
            return mdm_exchange_leave(x);
        }

        if (mdm_exchange_calls(x, 1, MDM_DDM_KICK_LISTED) != MDM_CALL
            || mdm_job_kick_call(x, 0, MDM_DDM_ROLLOUT, 0) != MDM_OK)
        {
            return MDM_ERROR;
        }

        x->own_failures = 1;

        return MDM_CALL;

    default: /* MDM_DDM_KICK_LISTED */
        break;
    }

    x->kick = MDM_DDM_ROLLOUT;

    return mdm_exchange_leave(x);
}
