
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The kinds of work of this folder: what is owed is pushed, and that push
 * certificates end is said in time.
 */


#include "mdm_push_job.h"

#include "mdm_key.h"
#include "mdm_pin.h"
#include "mdm_push_expiry.h"
#include "mdm_push_sweep.h"


/* seconds between two looks at the certificates of a tenant */
#define MDM_PUSH_CERT_POLL    3600


typedef struct {
    mdm_str_t                 key;         /* "mdm:{tenant/push}" */
    mdm_str_t                *lines;       /* of each call */
} mdm_push_cert_t;


enum {
    MDM_PUSH_CERT_BEGIN = 0,
    MDM_PUSH_CERT_READ,
    MDM_PUSH_CERT_TOLD
};


static mdm_int_t mdm_push_cert_begin(mdm_exchange_t *x);
static mdm_int_t mdm_push_cert_look(mdm_exchange_t *x, mdm_push_cert_t *job);
static mdm_int_t mdm_push_cert_call(mdm_exchange_t *x, mdm_push_cert_t *job,
    mdm_uint_t i, const mdm_reply_t *reply, size_t row, const mdm_str_t *told);
static mdm_int_t mdm_push_cert_said(mdm_exchange_t *x, mdm_push_cert_t *job);


const mdm_job_kind_t  mdm_push_jobs[] = {

    { mdm_string(MDM_PUSH_CERT_JOB), mdm_push_cert_step, MDM_PUSH_CERT_POLL,
      MDM_JOB_LEASE, 0, 0 },

    { mdm_string(MDM_PUSH_JOB), mdm_push_sweep_step, MDM_PUSH_POLL,
      MDM_JOB_LEASE, MDM_PUSH_OFTEN, 1 },

    mdm_job_null
};


mdm_int_t
mdm_push_cert_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_PUSH_CERT_BEGIN:
        return mdm_push_cert_begin(x);

    case MDM_PUSH_CERT_READ:
        return mdm_push_cert_look(x, x->ctx);

    default: /* MDM_PUSH_CERT_TOLD */
        return mdm_push_cert_said(x, x->ctx);
    }
}


static mdm_int_t
mdm_push_cert_begin(mdm_exchange_t *x)
{
    mdm_push_cert_t  *job;

    job = mdm_arena_zalloc(x->arena, sizeof(mdm_push_cert_t));

    if (job == NULL
        || mdm_key_push(x->arena, &job->key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_PUSH_CERT_READ) != MDM_CALL
        || mdm_exchange_call(x, 0, &mdm_script_push_cert_get, &job->key, 0)
           == NULL)
    {
        return MDM_ERROR;
    }

    x->ctx = job;

    return MDM_CALL;
}


/* what is to be said now, one call each */

static mdm_int_t
mdm_push_cert_look(mdm_exchange_t *x, mdm_push_cert_t *job)
{
    size_t              i, row, *rows;
    int64_t             not_after;
    u_char              told[MDM_PUSH_TOLD];
    mdm_str_t           now, before;
    mdm_uint_t          n;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    rows = mdm_arena_alloc(x->arena, (mdm_reply_size(reply) + 1)
                                     * sizeof(size_t));
    if (rows == NULL) {
        return MDM_ERROR;
    }

    n = 0;
    now.data = told;

    for (row = MDM_RET_PUSH_CERT_GET_CERTS;
         mdm_reply_row(reply, row, MDM_NRET_PUSH_CERT_GET_CERTS);
         row += MDM_NRET_PUSH_CERT_GET_CERTS)
    {
        before = mdm_reply_str(reply,
                               row + MDM_RET_PUSH_CERT_GET_CERTS_NOT_AFTER);

        if (mdm_atoi(&before, &not_after) != MDM_OK) {
            continue;
        }

        now.len = mdm_push_expiry(not_after, x->now, told);
        before = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_TOLD);

        if (now.len != 0 && !mdm_str_eq(&now, &before)) {
            rows[n++] = row;
        }
    }

    /* who has a certificate may be owed something: when push is switched on
       nobody else says so */

    x->owed = (x->settings->push
               && mdm_reply_row(reply, MDM_RET_PUSH_CERT_GET_CERTS,
                                MDM_NRET_PUSH_CERT_GET_CERTS));

    /* nor that its devices are to be renewed, since before there was that */

    x->kick = MDM_PIN_JOB;

    if (n == 0) {
        return mdm_exchange_empty(x, 200);
    }

    job->lines = mdm_arena_alloc(x->arena, n * sizeof(mdm_str_t));

    if (job->lines == NULL
        || mdm_exchange_calls(x, n, MDM_PUSH_CERT_TOLD) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        before = mdm_reply_str(reply,
                               rows[i] + MDM_RET_PUSH_CERT_GET_CERTS_NOT_AFTER);

        (void) mdm_atoi(&before, &not_after);

        now.len = mdm_push_expiry(not_after, x->now, told);

        if (mdm_push_cert_call(x, job, i, reply, rows[i], &now) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_push_cert_call(mdm_exchange_t *x, mdm_push_cert_t *job, mdm_uint_t i,
    const mdm_reply_t *reply, size_t row, const mdm_str_t *told)
{
    int64_t    not_after;
    mdm_str_t  topic, raw, value, before, *args;

    topic = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_TOPIC);
    value = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_NOT_AFTER);
    before = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_TOLD);

    (void) mdm_atoi(&value, &not_after);

    args = mdm_exchange_call(x, i, &mdm_script_push_cert_told, &job->key, 0);

    if (args == NULL
        || mdm_str_dup(x->arena, &args[MDM_ARG_PUSH_CERT_TOLD_TOLD], told)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_PUSH_CERT_TOLD_TOPIC] = topic;
    args[MDM_ARG_PUSH_CERT_TOLD_SHA256]
        = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_SHA256);

    if (mdm_push_expiry_event(told, &before)
        && mdm_printf(x->arena, &args[MDM_ARG_PUSH_CERT_TOLD_DATA],
                      "{\"not_after\":%lld,\"left\":%lld}",
                      (long long) not_after, (long long) (not_after - x->now))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (mdm_unescape(x->arena, &raw, &topic) != MDM_OK) {
        raw = topic;
    }

    return mdm_push_expiry_line(x->arena, &x->tenant, &raw, not_after, x->now,
                                &job->lines[i]);
}


/* by this worker, unless another one was faster */

static mdm_int_t
mdm_push_cert_said(mdm_exchange_t *x, mdm_push_cert_t *job)
{
    mdm_uint_t  i;

    for (i = 0; i < x->ncalls; i++) {

        if (mdm_reply_code(x->calls[i].reply, 0) == 1) {
            mdm_exchange_log(x, MDM_LOG_WARN, "mdm %.*s",
                             mdm_fmt(&job->lines[i]));
        }
    }

    return mdm_exchange_empty(x, 200);
}
