
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
 * Channels a call, at most: it ends sooner by the work that it is, see
 * ddm_scan.  One call is under way at a time, so that it alone is what a device
 * may have to wait for.
 */
#define MDM_DDM_SCAN          100

/* rounds between two heartbeats, and of one exchange */
#define MDM_DDM_HEARTBEAT     8
#define MDM_DDM_STEPS         500


enum {
    MDM_DDM_BEGIN = 0,
    MDM_DDM_BEGUN,
    MDM_DDM_PROBED,
    MDM_DDM_READ,
    MDM_DDM_APPLIED,
    MDM_DDM_SCANNED,
    MDM_DDM_ENDED,
    MDM_DDM_STOPPED
};


struct mdm_ddm_partition_s {
    mdm_str_t                 tag;         /* KEYS[1] */
    int64_t                   cursor;      /* revision that its copy has had
                                              pages up to */
    unsigned                  behind:1;
    unsigned                  applied:1;   /* its copy is complete */
};


static mdm_str_t *mdm_ddm_rollout_job(mdm_exchange_t *x, mdm_uint_t i,
    const char *mode, mdm_uint_t more);
static mdm_int_t mdm_ddm_rollout_begun(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_probe(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_probed(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_pages(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_page_call(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_page(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_apply(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_applied(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_scan(mdm_exchange_t *x);
static void mdm_ddm_rollout_count(mdm_exchange_t *x);
static mdm_uint_t mdm_ddm_rollout_beat(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_rollout_go(mdm_exchange_t *x, mdm_uint_t beat);
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

    /* what was told is counted, also by one that goes no farther */

    if (x->state == MDM_DDM_SCANNED) {
        mdm_ddm_rollout_count(x);
    }

    /*
     * What is called again and again takes memory until the exchange ends,
     * and replies may never come to an end: another one goes on.
     */

    if (++ro->steps > MDM_DDM_STEPS || ro->bytes > MDM_DDM_BYTES) {
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

    case MDM_DDM_READ:
        return mdm_ddm_rollout_page(x);

    case MDM_DDM_APPLIED:
        return mdm_ddm_rollout_applied(x);

    case MDM_DDM_SCANNED:
        return mdm_ddm_rollout_scan(x);

    case MDM_DDM_ENDED:
        return mdm_ddm_rollout_ended(x);

    default: /* MDM_DDM_STOPPED */
        x->owed = (ro->queued != 0);
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
    ro->seen = mdm_reply_count(x->calls[0].reply, MDM_RET_DDM_JOB_SEEN,
                               INT64_MAX / 2);
    ro->changed = mdm_reply_count(x->calls[0].reply, MDM_RET_DDM_JOB_CHANGED,
                                  INT64_MAX / 2);
    ro->queued = mdm_reply_count(x->calls[0].reply, MDM_RET_DDM_JOB_QUEUED,
                                 INT64_MAX / 2);

    ro->partitions = mdm_arena_zalloc(x->arena, x->settings->store->partitions
                                                * sizeof(mdm_ddm_partition_t));

    if (ro->partitions == NULL) {
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
        return mdm_ddm_rollout_pages(x);
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
    int64_t               rev, to, in, enrollments;
    mdm_uint_t            i;
    mdm_ddm_partition_t  *partition;
    mdm_ddm_rollout_t    *ro;
    const mdm_reply_t    *reply;

    ro = x->ctx;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;
        partition = &ro->partitions[ro->probed + i];

        rev = mdm_reply_int(reply, MDM_RET_DDM_STATE_REV, -1);
        to = mdm_reply_int(reply, MDM_RET_DDM_STATE_REPLICA, -1);
        in = mdm_reply_int(reply, MDM_RET_DDM_STATE_CURSOR, -1);
        enrollments = mdm_reply_int(reply, MDM_RET_DDM_STATE_ENROLLMENTS, 0);

        /* one without channels gets its copy when the first one comes */

        partition->behind = (rev != ro->rev || to != rev || in >= 0)
                            && (rev >= 0 || enrollments > 0);
        partition->applied = (to == ro->rev && in < 0);
        partition->cursor = (in >= 0) ? in : (to >= 0) ? to : 0;

        if (!partition->behind) {
            ro->done++;
        }
    }

    ro->probed += x->ncalls;

    return mdm_ddm_rollout_probe(x);
}


/*
 * What changed comes in pages to those whose copies are the farthest behind,
 * each page to all that are at the same revision; then channels are scanned.
 */

static mdm_int_t
mdm_ddm_rollout_pages(mdm_exchange_t *x)
{
    mdm_uint_t            i;
    mdm_ddm_partition_t  *partition, *first;
    mdm_ddm_rollout_t    *ro;

    ro = x->ctx;

    first = NULL;

    for (i = 0; i < x->settings->store->partitions; i++) {
        partition = &ro->partitions[i];

        if (partition->behind && !partition->applied
            && (first == NULL || partition->cursor < first->cursor))
        {
            first = partition;
        }
    }

    ro->next = 0;

    if (first == NULL) {
        return mdm_ddm_rollout_scan(x);
    }

    ro->cursor = first->cursor;
    ro->reset = 0;

    return mdm_ddm_rollout_page_call(x);
}


static mdm_int_t
mdm_ddm_rollout_page_call(mdm_exchange_t *x)
{
    mdm_uint_t          beat;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    beat = mdm_ddm_rollout_beat(x);

    if (mdm_exchange_calls(x, 1 + beat, MDM_DDM_READ) != MDM_CALL
        || mdm_ddm_page_call(x, 0, &ro->key, ro->reset ? 0 : ro->cursor)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_ddm_rollout_go(x, beat);
}


static mdm_int_t
mdm_ddm_rollout_page(mdm_exchange_t *x)
{
    mdm_int_t           rc;
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    rc = mdm_ddm_page_read(x, 0, &ro->page);

    if (rc != MDM_OK) {
        return (rc == MDM_DECLINED) ? mdm_exchange_odd(x, 0) : MDM_ERROR;
    }

    ro->bytes += ro->page.bytes;

    /* see mdm_ddm_sync_apply() */

    if (!ro->reset && ro->page.rev < ro->cursor) {
        ro->reset = 1;
        return mdm_ddm_rollout_page_call(x);
    }

    return mdm_ddm_rollout_apply(x);
}


/* the next partition that is to have the page */

static mdm_int_t
mdm_ddm_rollout_apply(mdm_exchange_t *x)
{
    mdm_uint_t            beat;
    mdm_ddm_partition_t  *partition;
    mdm_ddm_rollout_t    *ro;

    ro = x->ctx;

    while (ro->next < x->settings->store->partitions) {
        partition = &ro->partitions[ro->next++];

        if (!partition->behind || partition->applied
            || partition->cursor != ro->cursor)
        {
            continue;
        }

        ro->active = partition;

        beat = mdm_ddm_rollout_beat(x);

        if (mdm_exchange_calls(x, 1 + beat, MDM_DDM_APPLIED) != MDM_CALL
            || mdm_ddm_page_apply(x, 0, &partition->tag, ro->cursor, ro->reset,
                                  &ro->page) != MDM_OK)
        {
            return MDM_ERROR;
        }

        return mdm_ddm_rollout_go(x, beat);
    }

    return mdm_ddm_rollout_pages(x);
}


static mdm_int_t
mdm_ddm_rollout_applied(mdm_exchange_t *x)
{
    mdm_ddm_rollout_t  *ro;
    const mdm_reply_t  *reply;

    ro = x->ctx;
    reply = x->calls[0].reply;

    ro->active->cursor = mdm_reply_int(reply, MDM_RET_DDM_APPLY_CURSOR, 0);
    ro->active->applied = (mdm_reply_code(reply, 0) == 1 && ro->page.last);

    return mdm_ddm_rollout_apply(x);
}


static mdm_int_t
mdm_ddm_rollout_scan(mdm_exchange_t *x)
{
    mdm_str_t            *args;
    mdm_uint_t            beat;
    mdm_ddm_partition_t  *partition;
    mdm_ddm_rollout_t    *ro;

    ro = x->ctx;

    while (ro->next < x->settings->store->partitions
           && !ro->partitions[ro->next].behind)
    {
        ro->next++;
    }

    if (ro->next == x->settings->store->partitions) {
        return mdm_ddm_rollout_end(x, "end", MDM_DDM_ENDED);
    }

    partition = &ro->partitions[ro->next];
    ro->active = partition;

    beat = mdm_ddm_rollout_beat(x);

    if (mdm_exchange_calls(x, 1 + beat, MDM_DDM_SCANNED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_scan, &partition->tag, 0);

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

    return mdm_ddm_rollout_go(x, beat);
}


/* the reply of ddm_scan */

static void
mdm_ddm_rollout_count(mdm_exchange_t *x)
{
    mdm_ddm_rollout_t  *ro;
    const mdm_reply_t  *reply;

    ro = x->ctx;
    reply = x->calls[0].reply;

    ro->seen += mdm_reply_count(reply, MDM_RET_DDM_SCAN_SEEN, MDM_DDM_SCAN);
    ro->changed += mdm_reply_count(reply, MDM_RET_DDM_SCAN_CHANGED,
                                   MDM_DDM_SCAN);
    ro->queued += mdm_reply_count(reply, MDM_RET_DDM_SCAN_QUEUED,
                                  MDM_DDM_SCAN);

    if (mdm_reply_int(reply, MDM_RET_DDM_SCAN_LOST, 0) != 0) {
        mdm_ddm_evicted(x);
    }

    if (mdm_reply_int(reply, MDM_RET_DDM_SCAN_MORE, 0) == 0) {
        ro->active->behind = 0;
        ro->done++;
    }
}


/* is this round to say how far it is? */

static mdm_uint_t
mdm_ddm_rollout_beat(mdm_exchange_t *x)
{
    mdm_ddm_rollout_t  *ro;

    ro = x->ctx;

    if (++ro->rounds < MDM_DDM_HEARTBEAT) {
        return 0;
    }

    ro->rounds = 0;

    return 1;
}


/* sends the round; where it is to say how far it is, by call 1 */

static mdm_int_t
mdm_ddm_rollout_go(mdm_exchange_t *x, mdm_uint_t beat)
{
    mdm_str_t  *args;

    if (!beat) {
        return MDM_CALL;
    }

    args = mdm_ddm_rollout_job(x, 1, "go", MDM_DDM_PROGRESS);

    return (args != NULL && mdm_ddm_rollout_progress(x, args) == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
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

    x->owed = (ro->queued != 0);

    if (mdm_reply_code(reply, 0) != 2) {
        return mdm_exchange_empty(x, 200);
    }

    /* more was changed meanwhile, or a partition has got its first channel */

    ro->rev = mdm_reply_int(reply, MDM_RET_DDM_JOB_REV, 0);
    ro->probed = 0;
    ro->done = 0;

    return mdm_ddm_rollout_probe(x);
}
