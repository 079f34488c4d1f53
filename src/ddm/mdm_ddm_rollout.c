
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The job that carries changed declarations to partitions and channels.
 */


#include "mdm_ddm_rollout.h"
#include "mdm_ddm_token.h"
#include "mdm_key.h"


/* partitions asked in one round */
#define MDM_DDM_PROBE         128

/*
 * Partitions worked on at a time and channels a call: together what Redis
 * is kept from other clients for, a few milliseconds.
 */
#define MDM_DDM_WIDTH         4
#define MDM_DDM_SCAN          100

/* rounds between two heartbeats, and of one exchange */
#define MDM_DDM_HEARTBEAT     8
#define MDM_DDM_STEPS         20000


enum {
    MDM_DDM_ENSURE_BEGIN = 0,
    MDM_DDM_ENSURE_ASKED,
    MDM_DDM_ENSURE_LISTED
};


enum {
    MDM_DDM_BEGIN = 0,
    MDM_DDM_BEGUN,
    MDM_DDM_PROBED,
    MDM_DDM_CHANGES,
    MDM_DDM_SCANNED,
    MDM_DDM_ENDED,
    MDM_DDM_STOPPED
};


struct mdm_ddm_partition_s {
    mdm_str_t                 tag;         /* KEYS[1] */
    int64_t                   rev;         /* it has; -1: none yet */
    unsigned                  behind:1;
    unsigned                  applied:1;   /* it has the sets */
};


static mdm_str_t *mdm_ddm_rollout_job(mdm_exchange_t *x, mdm_uint_t i,
    const char *mode, mdm_uint_t more);
static mdm_int_t mdm_ddm_rollout_begun(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_probe(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_probed(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_changes(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_round(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_apply(mdm_exchange_t *x, mdm_uint_t i,
    mdm_ddm_partition_t *partition);
static mdm_int_t mdm_ddm_rollout_scan(mdm_exchange_t *x, mdm_uint_t i,
    mdm_ddm_partition_t *partition);
static mdm_int_t mdm_ddm_rollout_scanned(mdm_exchange_t *x);
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

    case MDM_DDM_PROBED:
        return mdm_ddm_rollout_probed(x);

    case MDM_DDM_CHANGES:
        ro->changes = x->calls[0].reply;

        return (mdm_reply_at(ro->changes, MDM_RET_DDM_CHANGES_REV) != NULL)
               ? mdm_ddm_rollout_round(x) : mdm_exchange_odd(x, 0);

    case MDM_DDM_SCANNED:
        return mdm_ddm_rollout_scanned(x);

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

    ro->partitions = mdm_arena_zalloc(x->arena, x->settings->store->partitions
                                                * sizeof(mdm_ddm_partition_t));
    ro->active = mdm_arena_alloc(x->arena,
                                 MDM_DDM_WIDTH
                                 * sizeof(mdm_ddm_partition_t *));

    if (ro->partitions == NULL || ro->active == NULL) {
        return MDM_ERROR;
    }

    for (p = 0; p < x->settings->store->partitions; p++) {

        if (mdm_key_partition(x->arena, &ro->partitions[p].tag, &x->tenant, p)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    ro->probed = 0;
    ro->done = 0;

    return mdm_ddm_rollout_probe(x);
}


/* which partitions are behind? */

static mdm_int_t
mdm_ddm_rollout_probe(mdm_exchange_t *x)
{
    mdm_uint_t          i, n;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    n = x->settings->store->partitions - ro->probed;

    if (n == 0) {
        return mdm_ddm_rollout_changes(x);
    }

    if (n > MDM_DDM_PROBE) {
        n = MDM_DDM_PROBE;
    }

    if (mdm_exchange_calls(x, n, MDM_DDM_PROBED) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (mdm_exchange_call(x, i, &mdm_script_ddm_state,
                              &ro->partitions[ro->probed + i].tag, 0)
            == NULL)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_ddm_rollout_probed(mdm_exchange_t *x)
{
    int64_t               to, enrollments;
    mdm_uint_t            i;
    mdm_ddm_partition_t  *partition;
    mdm_ddm_rollout_t    *ro;
    const mdm_reply_t    *reply;

    ro = x->ctx;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;
        partition = &ro->partitions[ro->probed + i];

        partition->rev = mdm_reply_int(reply, MDM_RET_DDM_STATE_REV, -1);
        to = mdm_reply_int(reply, MDM_RET_DDM_STATE_REPLICA, -1);
        enrollments = mdm_reply_int(reply, MDM_RET_DDM_STATE_ENROLLMENTS, 0);

        /* one without channels gets its copy when the first one comes */

        partition->behind = (partition->rev < ro->rev || to > partition->rev)
                            && (partition->rev >= 0 || enrollments > 0);
        partition->applied = 0;

        if (!partition->behind) {
            ro->done++;
        }
    }

    ro->probed += x->ncalls;

    return mdm_ddm_rollout_probe(x);
}


/*
 * The sets that changed since the revision of those which are the farthest
 * behind; these are brought up to date, then the next ones.
 */

static mdm_int_t
mdm_ddm_rollout_changes(mdm_exchange_t *x)
{
    int64_t               rev;
    mdm_str_t            *args;
    mdm_uint_t            i, n;
    mdm_ddm_partition_t  *partition;
    mdm_ddm_rollout_t    *ro;

    ro = x->ctx;

    partition = NULL;
    n = x->settings->store->partitions;

    for (i = 0; i < n; i++) {

        if (ro->partitions[i].behind
            && (partition == NULL || ro->partitions[i].rev < partition->rev))
        {
            partition = &ro->partitions[i];
        }
    }

    if (partition == NULL) {
        return mdm_ddm_rollout_end(x, "end", MDM_DDM_ENDED);
    }

    rev = partition->rev;

    ro->group = (mdm_uint_t) (partition - ro->partitions);
    ro->next = ro->group;
    ro->nactive = 0;

    if (mdm_exchange_calls(x, 1, MDM_DDM_CHANGES) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_changes, &ro->key, 0);

    if (args == NULL) {
        return MDM_ERROR;
    }

    return mdm_printf(x->arena, &args[MDM_ARG_DDM_CHANGES_SINCE], "%lld",
                      (long long) (rev < 0 ? 0 : rev)) == MDM_OK
           ? MDM_CALL : MDM_ERROR;
}


/* a few partitions of the group at a time, each of which gets one call */

static mdm_int_t
mdm_ddm_rollout_round(mdm_exchange_t *x)
{
    mdm_str_t            *args;
    mdm_int_t             rc;
    mdm_uint_t            i, heartbeat;
    mdm_ddm_partition_t  *partition;
    mdm_ddm_rollout_t    *ro;

    ro = x->ctx;

    while (ro->nactive < MDM_DDM_WIDTH
           && ro->next < x->settings->store->partitions)
    {
        partition = &ro->partitions[ro->next++];

        if (partition->behind
            && partition->rev == ro->partitions[ro->group].rev)
        {
            ro->active[ro->nactive++] = partition;
        }
    }

    if (ro->nactive == 0) {
        return mdm_ddm_rollout_changes(x);
    }

    heartbeat = (++ro->rounds >= MDM_DDM_HEARTBEAT);

    if (mdm_exchange_calls(x, ro->nactive + heartbeat, MDM_DDM_SCANNED)
        != MDM_CALL)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < ro->nactive; i++) {
        partition = ro->active[i];

        rc = partition->applied ? mdm_ddm_rollout_scan(x, i, partition)
                                : mdm_ddm_rollout_apply(x, i, partition);

        if (rc != MDM_OK) {
            return MDM_ERROR;
        }
    }

    if (heartbeat) {
        ro->rounds = 0;

        args = mdm_ddm_rollout_job(x, i, "go", MDM_DDM_PROGRESS);

        if (args == NULL || mdm_ddm_rollout_progress(x, args) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_ddm_rollout_apply(mdm_exchange_t *x, mdm_uint_t i,
    mdm_ddm_partition_t *partition)
{
    size_t              k, n;
    int64_t             rev;
    mdm_str_t          *args;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    rev = mdm_reply_int(ro->changes, MDM_RET_DDM_CHANGES_REV, 0);
    n = mdm_reply_size(ro->changes);
    n = (n > MDM_RET_DDM_CHANGES_SETS) ? n - MDM_RET_DDM_CHANGES_SETS : 0;

    args = mdm_exchange_call(x, i, &mdm_script_ddm_apply, &partition->tag, n);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_APPLY_REV], "%lld",
                      (long long) rev)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_APPLY_WATCHERS] = mdm_reply_str(ro->changes,
                                                 MDM_RET_DDM_CHANGES_WATCHERS);

    args += MDM_ARG_DDM_APPLY_SETS;

    for (k = 0; k < n; k++) {
        args[k] = mdm_reply_str(ro->changes, MDM_RET_DDM_CHANGES_SETS + k);
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_rollout_scan(mdm_exchange_t *x, mdm_uint_t i,
    mdm_ddm_partition_t *partition)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, &mdm_script_ddm_scan, &partition->tag, 0);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_SCAN_MOST], "%d",
                      MDM_DDM_SCAN)
           != MDM_OK
        || mdm_ddm_notify_args(x, &partition->tag, &args[MDM_ARG_DDM_SCAN_UUID],
                               &args[MDM_ARG_DDM_SCAN_BODY])
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_rollout_scanned(mdm_exchange_t *x)
{
    mdm_uint_t            i, k;
    mdm_ddm_partition_t  *partition;
    mdm_ddm_rollout_t    *ro;
    const mdm_reply_t    *reply;

    ro = x->ctx;

    k = 0;

    for (i = 0; i < ro->nactive; i++) {
        partition = ro->active[i];
        reply = x->calls[i].reply;

        if (!partition->applied) {
            partition->applied = 1;
            ro->active[k++] = partition;
            continue;
        }

        ro->seen += mdm_reply_count(reply, MDM_RET_DDM_SCAN_SEEN,
                                    MDM_DDM_SCAN);
        ro->changed += mdm_reply_count(reply, MDM_RET_DDM_SCAN_CHANGED,
                                       MDM_DDM_SCAN);
        ro->queued += mdm_reply_count(reply, MDM_RET_DDM_SCAN_QUEUED,
                                      MDM_DDM_SCAN);

        if (mdm_reply_int(reply, MDM_RET_DDM_SCAN_MORE, 0)) {
            ro->active[k++] = partition;
            continue;
        }

        partition->behind = 0;
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
        { "partitions", x->settings->store->partitions },
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
    ro->probed = 0;
    ro->done = 0;

    return mdm_ddm_rollout_probe(x);
}


mdm_int_t
mdm_ddm_ensure_sets(mdm_exchange_t *x)
{
    mdm_str_t  key;

    switch (x->state) {

    case MDM_DDM_ENSURE_BEGIN:

        if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
            || mdm_exchange_calls(x, 1, MDM_DDM_ENSURE_ASKED) != MDM_CALL)
        {
            return MDM_ERROR;
        }

        if (mdm_exchange_call(x, 0, &mdm_script_ddm_rev, &key, 0) == NULL) {
            return MDM_ERROR;
        }

        x->own_failures = 1;

        return MDM_CALL;

    case MDM_DDM_ENSURE_ASKED:

        if (x->calls[0].rc != MDM_CALL_OK) {
            break;
        }

        /* a tenant that has no sets */

        if (mdm_reply_int(x->calls[0].reply, MDM_RET_DDM_REV_REV, 0) <= 0) {
            return mdm_exchange_leave(x);
        }

        if (mdm_exchange_calls(x, 1, MDM_DDM_ENSURE_LISTED) != MDM_CALL
            || mdm_job_kick_call(x, 0, MDM_DDM_ROLLOUT, 0) != MDM_OK)
        {
            return MDM_ERROR;
        }

        x->own_failures = 1;

        return MDM_CALL;

    default: /* MDM_DDM_ENSURE_LISTED */
        break;
    }

    x->kick = MDM_DDM_ROLLOUT;

    return mdm_exchange_leave(x);
}
