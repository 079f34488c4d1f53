
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Finishes what whoever asked for a certificate has left: he went away, and so
 * did the worker that served him.  One after the other, each with the steps
 * that a retry would take: where one of them ends the run, the next run goes on
 * behind it.
 */


#include "mdm_certificates_job.h"
#include "mdm_key.h"
#include "mdm_number.h"


/* certificates of one run */
#define MDM_CERTIFICATES_MOST  50


typedef struct {
    mdm_str_t                 key;         /* "mdm:{tenant/ca}" */
    mdm_reply_t              *reply;
    mdm_uint_t                taken;       /* so far */

    mdm_certificates_issued_t issued;
    mdm_certificates_entry_t  before;
} mdm_certificates_job_t;


enum {
    MDM_CERTIFICATES_JOB_BEGIN = 0,
    MDM_CERTIFICATES_JOB_LISTED,
    MDM_CERTIFICATES_JOB_MADE,
    MDM_CERTIFICATES_JOB_BEFORE,
    MDM_CERTIFICATES_JOB_FINISHED,
    MDM_CERTIFICATES_JOB_DROPPED
};


static mdm_int_t mdm_certificates_job_begin(mdm_exchange_t *x);
static mdm_int_t mdm_certificates_job_next(mdm_exchange_t *x,
    mdm_certificates_job_t *job);
static mdm_int_t mdm_certificates_job_listed(mdm_exchange_t *x,
    mdm_certificates_job_t *job);
static mdm_int_t mdm_certificates_job_key(mdm_exchange_t *x,
    const mdm_str_t *key);
static mdm_int_t mdm_certificates_job_made(mdm_exchange_t *x,
    mdm_certificates_job_t *job);
static mdm_int_t mdm_certificates_job_left(mdm_exchange_t *x,
    mdm_certificates_job_t *job);
static mdm_int_t mdm_certificates_job_before(mdm_exchange_t *x,
    mdm_certificates_job_t *job);
static mdm_int_t mdm_certificates_job_finished(mdm_exchange_t *x,
    mdm_certificates_job_t *job);
static mdm_int_t mdm_certificates_job_drop(mdm_exchange_t *x,
    mdm_certificates_job_t *job);


const mdm_job_kind_t  mdm_enroll_jobs[] = {

    { mdm_string(MDM_CERTIFICATES_JOB), mdm_certificates_job_step, 0,
      MDM_JOB_LEASE, 0, 0 },

    mdm_job_null
};


mdm_int_t
mdm_certificates_job_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_CERTIFICATES_JOB_BEGIN:
        return mdm_certificates_job_begin(x);

    case MDM_CERTIFICATES_JOB_LISTED:
        return mdm_certificates_job_listed(x, x->ctx);

    case MDM_CERTIFICATES_JOB_MADE:
        return mdm_certificates_job_made(x, x->ctx);

    case MDM_CERTIFICATES_JOB_BEFORE:
        return mdm_certificates_job_before(x, x->ctx);

    case MDM_CERTIFICATES_JOB_FINISHED:
        return mdm_certificates_job_finished(x, x->ctx);

    default: /* MDM_CERTIFICATES_JOB_DROPPED */
        return mdm_certificates_job_next(x, x->ctx);
    }
}


static mdm_int_t
mdm_certificates_job_begin(mdm_exchange_t *x)
{
    mdm_certificates_job_t  *job;

    job = mdm_arena_zalloc(x->arena, sizeof(mdm_certificates_job_t));

    if (job == NULL || mdm_key_ca(x->arena, &job->key, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    x->ctx = job;

    return mdm_certificates_job_next(x, job);
}


/* one is taken at a time: what keeps it for later keeps no other */

static mdm_int_t
mdm_certificates_job_next(mdm_exchange_t *x, mdm_certificates_job_t *job)
{
    mdm_str_t  *args;

    if (x->stop || job->taken++ == MDM_CERTIFICATES_MOST) {
        return mdm_exchange_empty(x, 202);
    }

    if (mdm_exchange_calls(x, 1, MDM_CERTIFICATES_JOB_LISTED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_certificate_halves, &job->key,
                             0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    mdm_str_set(&args[MDM_ARG_CERTIFICATE_HALVES_MOST], "1");

    return MDM_CALL;
}


#define mdm_certificates_job_value(name)                                      \
    mdm_reply_str(job->reply, MDM_RET_CERTIFICATE_HALVES_HALVES              \
                              + MDM_RET_CERTIFICATE_HALVES_HALVES_##name)


static mdm_int_t
mdm_certificates_job_listed(mdm_exchange_t *x, mdm_certificates_job_t *job)
{
    size_t                      i;
    int64_t                     again;
    mdm_int_t                   rc;
    mdm_str_t                   value[4], *args;
    mdm_certificates_issued_t  *c;

    job->reply = x->calls[0].reply;

    if (!mdm_reply_row(job->reply, MDM_RET_CERTIFICATE_HALVES_HALVES,
                       MDM_NRET_CERTIFICATE_HALVES_HALVES))
    {
        /* what is not done by now is not before some minutes are over */

        again = mdm_reply_int(job->reply, MDM_RET_CERTIFICATE_HALVES_AGAIN,
                              -1);

        if (again >= 0) {
            x->again = again + 1000;
        }

        return mdm_exchange_empty(x, 200);
    }

    c = &job->issued;

    int64_t  *const  numbers[] = { &c->from, &c->ends, &c->renew, &c->at };

    memset(c, 0, sizeof(mdm_certificates_issued_t));

    c->noted = 1;
    c->sn = mdm_certificates_job_value(SN);
    c->key = mdm_certificates_job_value(KEY);
    c->name = mdm_certificates_job_value(NAME);
    c->spki = mdm_certificates_job_value(SPKI);
    c->ca = mdm_certificates_job_value(CA);
    c->owner = mdm_certificates_job_value(OWNER);
    c->before = mdm_certificates_job_value(BEFORE);

    value[0] = mdm_certificates_job_value(FROM);
    value[1] = mdm_certificates_job_value(ENDS);
    value[2] = mdm_certificates_job_value(RENEW);
    value[3] = mdm_certificates_job_value(AT);

    for (i = 0; i < 4; i++) {
        if (mdm_atoi(&value[i], numbers[i]) != MDM_OK) {
            return mdm_certificates_job_drop(x, job);
        }
    }

    rc = mdm_certificates_job_key(x, &c->key);

    if (rc == MDM_DECLINED) {
        return mdm_certificates_job_drop(x, job);
    }

    if (rc != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_CERTIFICATES_JOB_MADE) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_challenge_made, &c->key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CHALLENGE_MADE_NAME] = c->name;

    return MDM_CALL;
}


/* a challenge's or a public key's of this tenant: MDM_OK, or MDM_DECLINED */

static mdm_int_t
mdm_certificates_job_key(mdm_exchange_t *x, const mdm_str_t *key)
{
    size_t       i;
    mdm_str_t    prefix;

    static const char *const  kinds[] = { "chal", "spki" };

    for (i = 0; i < 2; i++) {

        if (mdm_printf(x->arena, &prefix, "mdm:{%.*s/%s:",
                       mdm_fmt(&x->tenant), kinds[i])
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        if (key->len > prefix.len
            && memcmp(key->data, prefix.data, prefix.len) == 0)
        {
            return MDM_OK;
        }
    }

    return MDM_DECLINED;
}


static mdm_int_t
mdm_certificates_job_made(mdm_exchange_t *x, mdm_certificates_job_t *job)
{
    mdm_int_t                   rc;
    mdm_str_t                   bind, purpose;
    const mdm_reply_t          *reply;
    mdm_secret_where_t          where;
    mdm_certificates_issued_t  *c;

    c = &job->issued;
    reply = x->calls[0].reply;

    /* it was not signed, or what took it is gone */

    if (mdm_reply_code(reply, 0) != 1) {
        return mdm_certificates_job_drop(x, job);
    }

    c->der = mdm_reply_str(reply, MDM_RET_CHALLENGE_MADE_DER);
    purpose = mdm_reply_str(reply, MDM_RET_CHALLENGE_MADE_PURPOSE);
    bind = mdm_reply_str(reply, MDM_RET_CHALLENGE_MADE_BIND);
    c->c.id = mdm_reply_str(reply, MDM_RET_CHALLENGE_MADE_ID);

    if (purpose.len != 0
        && mdm_purpose_read(&purpose, &c->c.purpose) != MDM_OK)
    {
        return mdm_certificates_job_drop(x, job);
    }

    mdm_where_challenge(&where, &c->key);

    rc = mdm_challenge_bound(x, &where, &bind, &c->c);

    if (rc == MDM_DONE) {
        return mdm_certificates_job_left(x, job);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (c->before.len == 0) {
        return mdm_exchange_enter(x, mdm_certificates_finish, c,
                                  MDM_CERTIFICATES_JOB_FINISHED);
    }

    memset(&job->before, 0, sizeof(mdm_certificates_entry_t));

    if (mdm_hex_str(x->arena, &job->before.sha256, &c->before) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_exchange_enter(x, mdm_certificates_get, &job->before,
                              MDM_CERTIFICATES_JOB_BEFORE);
}


/* its key may come back */

static mdm_int_t
mdm_certificates_job_left(mdm_exchange_t *x, mdm_certificates_job_t *job)
{
    mdm_exchange_log(x, MDM_LOG_ERROR, "mdm certificate %.*s is not stored "
                     "yet: %.*s", mdm_fmt(&job->issued.sn),
                     mdm_fmt(&x->error));

    mdm_str_null(&x->error);
    x->retry_after = 0;

    return mdm_certificates_job_next(x, job);
}


static mdm_int_t
mdm_certificates_job_before(mdm_exchange_t *x, mdm_certificates_job_t *job)
{
    mdm_int_t                   rc;
    mdm_certificates_issued_t  *c;

    c = &job->issued;

    rc = mdm_unescape(x->arena, &c->device, &job->before.claimed);

    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    if (rc != MDM_OK || c->device.len == 0) {
        return mdm_certificates_job_drop(x, job);
    }

    mdm_certificates_bind(&c->c, &c->device, &job->before.c);

    return mdm_exchange_enter(x, mdm_certificates_finish, c,
                              MDM_CERTIFICATES_JOB_FINISHED);
}


static mdm_int_t
mdm_certificates_job_finished(mdm_exchange_t *x, mdm_certificates_job_t *job)
{
    if (job->issued.refused) {
        return mdm_certificates_job_drop(x, job);
    }

    mdm_exchange_log(x, MDM_LOG_NOTICE, "mdm certificate %.*s is stored, "
                     "though whoever asked for it did not come again",
                     mdm_fmt(&job->issued.sn));

    return mdm_certificates_job_next(x, job);
}


static mdm_int_t
mdm_certificates_job_drop(mdm_exchange_t *x, mdm_certificates_job_t *job)
{
    mdm_str_t  *args;

    if (mdm_exchange_calls(x, 1, MDM_CERTIFICATES_JOB_DROPPED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_certificate_whole, &job->key,
                             0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CERTIFICATE_WHOLE_SN] = mdm_certificates_job_value(SN);

    return MDM_CALL;
}
