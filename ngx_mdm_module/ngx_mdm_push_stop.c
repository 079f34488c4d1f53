
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A topic whose pushes APNs does not take is stopped, by all hosts; one whose
 * pushes it cannot take is paused, by this worker.
 */


#include "ngx_mdm_push_stop.h"
#include "ngx_mdm_redis_resp.h"


static void ngx_mdm_push_note(ngx_mdm_push_cert_t *cert, mdm_push_t *push,
    ngx_uint_t notes);
static void ngx_mdm_push_why(ngx_mdm_push_cert_t *cert, mdm_push_t *push,
    ngx_uint_t notes);
static void ngx_mdm_push_say(ngx_mdm_push_cert_t *cert);
static void ngx_mdm_push_say_run(ngx_mdm_push_cert_t *cert);
static void ngx_mdm_push_say_handler(mdm_call_t *call, void *data);
static void ngx_mdm_push_said(ngx_mdm_push_cert_t *cert);


void
ngx_mdm_push_ended(ngx_mdm_apns_cert_t *c, mdm_push_t *push, ngx_uint_t old)
{
    ngx_uint_t            notes;
    mdm_push_memory_t     memory;
    ngx_mdm_push_cert_t  *cert;

    cert = (ngx_mdm_push_cert_t *) c;

    if (old) {

        /* says nothing of the certificate that is used now */

        memory = cert->memory;

        notes = mdm_push_note(&memory, push, ngx_time());
        cert->memory.bug = memory.bug;

        ngx_mdm_push_note(cert, push, notes & MDM_PUSH_NOTE_BUG);
        return;
    }

    notes = mdm_push_note(&cert->memory, push, ngx_time());

    if (notes != 0) {
        ngx_mdm_push_note(cert, push, notes);
    }

    if ((notes & MDM_PUSH_NOTE_STOP) && !cert->stopped) {
        ngx_mdm_push_why(cert, push, notes);
        ngx_mdm_push_say(cert);

    } else if ((notes & MDM_PUSH_NOTE_TAKEN) && cert->stopped) {
        cert->stopped = 0;
        ngx_mdm_push_say(cert);
    }
}


static void
ngx_mdm_push_note(ngx_mdm_push_cert_t *cert, mdm_push_t *push,
    ngx_uint_t notes)
{
    ngx_log_t  *log;

    log = cert->tenant->log;

    if (notes & MDM_PUSH_NOTE_BUG) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "mdm push: APNs refuses a push of topic \"%V\" as a "
                      "wrong request: %ui %V; it is not tried again",
                      &cert->cert.topic, push->status,
                      (ngx_str_t *) &push->reason);
    }

    if (notes & MDM_PUSH_NOTE_PAUSE) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "mdm push: topic \"%V\" is paused, APNs has answered %d "
                      "pushes in a row with 5xx, now %ui %V; one is tried "
                      "every %d s", &cert->cert.topic, MDM_PUSH_ERRORS,
                      push->status, (ngx_str_t *) &push->reason,
                      MDM_PUSH_PROBE);
    }

    if (notes & MDM_PUSH_NOTE_RESUME) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "mdm push: topic \"%V\" is not paused any more, after "
                      "%T s in which %ui pushes were held back",
                      &cert->cert.topic,
                      ngx_time() - (time_t) cert->memory.paused,
                      cert->memory.held);
    }
}


/* stopped, and why */

static void
ngx_mdm_push_why(ngx_mdm_push_cert_t *cert, mdm_push_t *push, ngx_uint_t notes)
{
    u_char     *p, text[NGX_MDM_PEER_REASON];
    mdm_str_t   reason;

    if (notes & MDM_PUSH_NOTE_TOKENS) {
        p = ngx_snprintf(text, sizeof(text), "%d pushes in a row were answered "
                         "by %ui %V: wrong gateway or certificate?",
                         MDM_PUSH_BAD_TOKENS, push->status,
                         (ngx_str_t *) &push->reason);

    } else if (push->outcome == MDM_PUSH_ANSWERED) {
        p = ngx_snprintf(text, sizeof(text), "%ui %V", push->status,
                         (ngx_str_t *) &push->reason);

    } else {
        p = ngx_snprintf(text, sizeof(text), "%V",
                         (ngx_str_t *) &push->reason);
    }

    reason.data = text;
    reason.len = (size_t) (p - text);

    ngx_mdm_push_stopped(cert, &reason);
}


void
ngx_mdm_push_stopped(ngx_mdm_push_cert_t *cert, mdm_str_t *reason)
{
    cert->stopped = 1;
    cert->reason = ngx_min(reason->len, NGX_MDM_PEER_REASON);

    ngx_memcpy(cert->text, reason->data, cert->reason);
}


ngx_uint_t
ngx_mdm_push_holds(ngx_mdm_push_cert_t *cert, mdm_push_e *outcome,
    ngx_str_t *reason, ngx_uint_t *again)
{
    if (cert->cert.not_after <= ngx_time()) {

        /* this is told by itself */

        return 0;
    }

    if (cert->stopped) {

        if (cert->probe) {
            cert->probe = 0;
            return 0;
        }

        /* to be asked for with the next copy */

        cert->wanted = 1;

        *outcome = MDM_PUSH_REFUSED;
        *again = 0;

        reason->data = cert->text;
        reason->len = cert->reason;

        return 1;
    }

    *again = mdm_push_hold(&cert->memory, ngx_time());
    *outcome = MDM_PUSH_PAUSED;

    ngx_str_set(reason, "APNs answers pushes of the topic with 5xx");

    return *again != 0;
}


/* what holds now; if it changes meanwhile, it is said again */

static void
ngx_mdm_push_say(ngx_mdm_push_cert_t *cert)
{
    mdm_str_t         reason, sha256;
    mdm_exchange_t   *x;
    mdm_push_stop_t  *saying;

    if (cert->exchange != NULL) {
        return;
    }

    x = mdm_exchange_create_from(&ngx_mdm_redis_arenas,
                                 &cert->tenant->store->settings);
    if (x == NULL) {
        return;
    }

    saying = &cert->saying;

    ngx_memzero(saying, sizeof(mdm_push_stop_t));

    ngx_mdm_str_copy(&saying->topic, &cert->cert.topic);
    saying->file = cert->file;

    sha256.data = cert->sha256;
    sha256.len = sizeof(cert->sha256);

    reason.data = cert->text;
    reason.len = cert->stopped ? cert->reason : 0;

    if (mdm_str_dup(x->arena, &saying->sha256, &sha256) != MDM_OK
        || mdm_str_dup(x->arena, &saying->reason, &reason) != MDM_OK)
    {
        mdm_arena_destroy(x->arena);
        return;
    }

    x->kind = MDM_KIND_JOB;
    x->now = ngx_time();
    x->step = mdm_push_stop_step;
    x->ctx = saying;
    ngx_mdm_str_copy(&x->tenant, &cert->tenant->name);

    cert->exchange = x;

    ngx_mdm_push_say_run(cert);
}


static void
ngx_mdm_push_say_run(ngx_mdm_push_cert_t *cert)
{
    ngx_int_t        rc;
    mdm_exchange_t  *x;

    x = cert->exchange;

    while (mdm_exchange_run(x) != MDM_DONE) {

        rc = ngx_mdm_redis_call(cert->tenant->store, &x->calls[0],
                                NGX_MDM_REDIS_API, ngx_mdm_push_say_handler,
                                cert, &cert->op);

        if (rc == NGX_OK) {
            return;
        }

        cert->op = NULL;

        if (rc == NGX_ERROR) {
            x->calls[0].rc = MDM_CALL_UNAVAILABLE;
        }
    }

    ngx_mdm_push_said(cert);
}


static void
ngx_mdm_push_say_handler(mdm_call_t *call, void *data)
{
    ngx_mdm_push_cert_t *cert = data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, cert->tenant->log, 0,
                   "mdm push said: topic \"%V\" rc:%d", &cert->cert.topic,
                   (int) call->rc);

    cert->op = NULL;

    mdm_exchange_keep(cert->exchange, call);

    ngx_mdm_push_say_run(cert);
}


/* one of all workers tells the log */

static void
ngx_mdm_push_said(ngx_mdm_push_cert_t *cert)
{
    ngx_log_t       *log;
    ngx_uint_t       ok, stopped;
    mdm_exchange_t  *x;

    x = cert->exchange;
    log = cert->tenant->log;
    ok = (x->status == 200);
    stopped = (cert->saying.reason.len != 0);

    if (!ok) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "mdm push: redis could not be told that topic \"%V\" of "
                      "tenant \"%V\" is %s", &cert->cert.topic,
                      &cert->tenant->name,
                      stopped ? "stopped" : "not stopped any more");

    } else if (cert->saying.news && stopped) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "mdm push: topic \"%V\" of tenant \"%V\" is stopped on "
                      "all hosts: %V; one push is tried every %d minutes",
                      &cert->cert.topic, &cert->tenant->name,
                      (ngx_str_t *) &cert->saying.reason,
                      MDM_PUSH_STOP_PROBE / 60);

    } else if (cert->saying.news) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "mdm push: topic \"%V\" of tenant \"%V\" is not stopped "
                      "any more: APNs has taken a push", &cert->cert.topic,
                      &cert->tenant->name);
    }

    cert->exchange = NULL;
    cert->said = ngx_current_msec;

    mdm_arena_destroy(x->arena);

    if (ok && stopped != cert->stopped) {
        ngx_mdm_push_say(cert);
    }
}


void
ngx_mdm_push_stop_abandon(ngx_mdm_push_cert_t *cert)
{
    cert->cert.ended = NULL;
    cert->cert.left = NULL;

    if (cert->exchange == NULL) {
        return;
    }

    if (cert->op != NULL) {
        ngx_mdm_redis_abandon(cert->op);
        cert->op = NULL;
    }

    mdm_arena_destroy(cert->exchange->arena);
    cert->exchange = NULL;
}
