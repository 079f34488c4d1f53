
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Looks for events that nobody is at.
 */


#include "mdm_hook.h"
#include "mdm_hook_job.h"
#include "mdm_key.h"
#include "mdm_number.h"


/* streams that are looked at in a round */
#define MDM_HOOK_LOOKS        64

/* ms until somebody looks again */
#define MDM_HOOK_AGAIN        30000

/* the same where nobody has a place: who has kicked it may know a webhook */
#define MDM_HOOK_LATER        600000


enum {
    MDM_HOOK_JOB_BEGIN = 0,
    MDM_HOOK_JOB_LOOKED
};


typedef struct {
    mdm_str_t                *consumers;   /* pairs */
    mdm_uint_t                nconsumers;
    mdm_str_t                 most;
    mdm_str_t                 hold;
    mdm_uint_t                next;        /* stream */
    mdm_uint_t                found;       /* 1: Redis has answered */
    mdm_uint_t                held;        /* 1: somebody has a place, also one
                                              that this host does not know */
    mdm_uint_t                more;        /* 1: a stream had more than a script
                                              takes away */
} mdm_hook_job_t;


static mdm_int_t mdm_hook_job_begin(mdm_exchange_t *x);
static mdm_int_t mdm_hook_job_look(mdm_exchange_t *x, mdm_hook_job_t *job);
static mdm_int_t mdm_hook_job_looked(mdm_exchange_t *x, mdm_hook_job_t *job);


const mdm_job_kind_t  mdm_hook_jobs[] = {

    { mdm_string(MDM_HOOK_JOB), mdm_hook_job_step, 0, MDM_JOB_LEASE, 0, 0 },

    mdm_job_null
};


/* work that brings another one adds it here */

const char *const  mdm_hook_streams[] = {
    "ddm", "push", "ca", "prof", NULL
};

#define MDM_HOOK_STREAMS                                                      \
    (sizeof(mdm_hook_streams) / sizeof(char *) - 1)


mdm_int_t
mdm_hook_job_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_HOOK_JOB_BEGIN:
        return mdm_hook_job_begin(x);

    default: /* MDM_HOOK_JOB_LOOKED */
        return mdm_hook_job_looked(x, x->ctx);
    }
}


static mdm_int_t
mdm_hook_job_begin(mdm_exchange_t *x)
{
    mdm_int_t        rc;
    mdm_str_t       *consumers;
    mdm_uint_t       n;
    mdm_hook_job_t  *job;

    if (x->ncalls != 0 && x->calls[0].rc != MDM_CALL_OK) {
        return mdm_exchange_unavailable(x);
    }

    rc = mdm_hook_consumers(x, MDM_HOOK_JOB_BEGIN, &consumers, &n);
    if (rc != MDM_OK) {
        return rc;
    }

    job = mdm_arena_zalloc(x->arena, sizeof(mdm_hook_job_t));

    if (job == NULL
        || mdm_itoa(x->arena, &job->most, (int64_t) x->settings->event_limit)
           != MDM_OK
        || mdm_itoa(x->arena, &job->hold,
                    (int64_t) x->settings->event_hold * 1000)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    job->consumers = consumers;
    job->nconsumers = n;
    job->held = (n != 0);

    x->ctx = job;

    return mdm_hook_job_look(x, job);
}


static mdm_int_t
mdm_hook_job_look(mdm_exchange_t *x, mdm_hook_job_t *job)
{
    mdm_int_t   rc;
    mdm_str_t   tag, *args;
    mdm_uint_t  i, n;

    n = x->settings->store->partitions + MDM_HOOK_STREAMS - job->next;

    if (x->stop) {
        return mdm_exchange_empty(x, 202);
    }

    if (n == 0) {
        x->again = job->held ? MDM_HOOK_AGAIN : MDM_HOOK_LATER;

        if (!job->found) {
            return mdm_exchange_unavailable(x);
        }

        /* who reads a stream himself trims nothing: only looks do, in bits */

        return mdm_exchange_empty(x, job->more ? 202 : 200);
    }

    if (n > MDM_HOOK_LOOKS) {
        n = MDM_HOOK_LOOKS;
    }

    if (mdm_exchange_calls(x, n, MDM_HOOK_JOB_LOOKED) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    for (i = 0; i < n; i++) {
        rc = mdm_hook_tag(x, job->next + i, &tag);
        if (rc != MDM_OK) {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, i, &mdm_script_hook_look, &tag,
                                 job->nconsumers);
        if (args == NULL) {
            return MDM_ERROR;
        }

        args[MDM_ARG_HOOK_LOOK_MOST] = job->most;
        args[MDM_ARG_HOOK_LOOK_HOLD] = job->hold;

        memcpy(&args[MDM_ARG_HOOK_LOOK_CONSUMERS], job->consumers,
               job->nconsumers * sizeof(mdm_str_t));
    }

    job->next += n;

    return MDM_CALL;
}


static mdm_int_t
mdm_hook_job_looked(mdm_exchange_t *x, mdm_hook_job_t *job)
{
    mdm_uint_t         i;
    const mdm_call_t  *call;

    for (i = 0; i < x->ncalls; i++) {
        call = &x->calls[i];

        if (call->rc != MDM_CALL_OK) {
            job->held = 1;
            continue;
        }

        job->found = 1;
        job->held |= (mdm_reply_int(call->reply, MDM_RET_HOOK_LOOK_HELD, 0)
                      == 1);
        job->more |= (mdm_reply_int(call->reply, MDM_RET_HOOK_LOOK_MORE, 0)
                      == 1);

        mdm_hook_say(x, &call->key,
                     mdm_reply_int(call->reply, MDM_RET_HOOK_LOOK_LENGTH, 0),
                     mdm_reply_int(call->reply, MDM_RET_HOOK_LOOK_LIMIT, 0),
                     mdm_reply_int(call->reply, MDM_RET_HOOK_LOOK_WARN, 0),
                     mdm_reply_at(call->reply, MDM_RET_HOOK_LOOK_LEFT));

        if (mdm_reply_size(mdm_reply_at(call->reply,
                                        MDM_RET_HOOK_LOOK_BEHIND))
            != 0
            && mdm_exchange_event_tag(x, &call->key) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return mdm_hook_job_look(x, job);
}


mdm_int_t
mdm_hook_tag(mdm_exchange_t *x, mdm_uint_t i, mdm_str_t *tag)
{
    mdm_uint_t  partitions;

    partitions = x->settings->store->partitions;

    if (i < partitions) {
        return mdm_key_partition(x->arena, tag, &x->tenant, (uint32_t) i);
    }

    if (i - partitions >= MDM_HOOK_STREAMS) {
        return MDM_DECLINED;
    }

    return mdm_printf(x->arena, tag, "mdm:{%.*s/%s}", mdm_fmt(&x->tenant),
                      mdm_hook_streams[i - partitions]);
}
