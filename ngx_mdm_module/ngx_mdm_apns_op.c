
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A push on its way, which outlives who asked for it; and how he is told.
 */


#include "ngx_mdm_apns_conn.h"
#include "ngx_mdm_count.h"


static u_char *ngx_mdm_apns_op_copy(mdm_str_t *to, mdm_str_t *from,
    u_char *p);
static void ngx_mdm_apns_op_count(ngx_mdm_apns_op_t *op, mdm_push_e outcome);
static void ngx_mdm_apns_op_wait_handler(ngx_event_t *ev);
static void ngx_mdm_apns_op_over(ngx_mdm_apns_op_t *op, ngx_str_t *reason);
static void ngx_mdm_apns_op_fill(ngx_mdm_apns_op_t *op, mdm_call_t *call,
    ngx_str_t *reason);
static mdm_int_t ngx_mdm_apns_op_answer(ngx_mdm_apns_op_t *op,
    mdm_arena_t *arena, mdm_push_t *push);


ngx_mdm_apns_op_t *
ngx_mdm_apns_op_create(ngx_mdm_apns_t *apns, mdm_push_t *push)
{
    u_char             *p;
    ngx_mdm_apns_op_t  *op;

    op = ngx_alloc(sizeof(ngx_mdm_apns_op_t)
                   + sizeof("/3/device/") + 2 * push->token.len
                   + push->apns_id.len + NGX_INT64_LEN + push->payload.len
                   + push->topic.len + push->tag.len + push->id.len
                   + push->token.len + push->stamp.len,
                   &apns->log);
    if (op == NULL) {
        return NULL;
    }

    ngx_memzero(op, sizeof(ngx_mdm_apns_op_t));

    op->fd = (ngx_socket_t) -1;
    op->apns = apns;
    op->called = ngx_current_msec;
    op->owed = push->owed;
    op->stream = -1;

    p = (u_char *) op + sizeof(ngx_mdm_apns_op_t);

    op->path.data = p;
    p = ngx_cpymem(p, "/3/device/", sizeof("/3/device/") - 1);
    p = ngx_hex_dump(p, push->token.data, push->token.len);
    op->path.len = p - op->path.data;

    op->apns_id.data = p;
    op->apns_id.len = push->apns_id.len;
    p = ngx_cpymem(p, push->apns_id.data, push->apns_id.len);

    op->expiration.data = p;
    p = ngx_sprintf(p, "%L", push->expiration);
    op->expiration.len = p - op->expiration.data;

    op->payload.data = p;
    op->payload.len = push->payload.len;
    p = ngx_cpymem(p, push->payload.data, push->payload.len);

    op->name.data = p;
    op->name.len = push->topic.len;
    p = ngx_cpymem(p, push->topic.data, push->topic.len);

    p = ngx_mdm_apns_op_copy(&op->tag, &push->tag, p);
    p = ngx_mdm_apns_op_copy(&op->id, &push->id, p);
    p = ngx_mdm_apns_op_copy(&op->token, &push->token, p);
    (void) ngx_mdm_apns_op_copy(&op->stamp, &push->stamp, p);

    op->wait.handler = ngx_mdm_apns_op_wait_handler;
    op->wait.data = op;
    op->wait.log = &apns->log;

    apns->pending++;

    return op;
}


static u_char *
ngx_mdm_apns_op_copy(mdm_str_t *to, mdm_str_t *from, u_char *p)
{
    to->data = p;
    to->len = from->len;

    return (from->len != 0) ? ngx_cpymem(p, from->data, from->len) : p;
}


void
ngx_mdm_apns_op_start(ngx_mdm_apns_op_t *op, ngx_mdm_apns_topic_t *topic)
{
    op->topic = topic;
    topic->pending++;

    ngx_queue_insert_tail(&topic->waiting, &op->queue);
}


void
ngx_mdm_apns_op_free(ngx_mdm_apns_op_t *op)
{
    if (op->wait.timer_set) {
        ngx_del_timer(&op->wait);
    }

    if (op->body != NULL) {
        ngx_free(op->body);
    }

    if (op->topic != NULL) {
        op->topic->pending--;
    }

    op->apns->pending--;

    ngx_free(op);
}


void
ngx_mdm_apns_op_end(ngx_mdm_apns_op_t *op, mdm_push_e outcome,
    ngx_str_t *reason)
{
    ngx_mdm_apns_t  *apns;

    apns = op->apns;

    ngx_log_debug4(NGX_LOG_DEBUG_EVENT, &apns->log, 0,
                   "mdm apns push ended: outcome:%d status:%ui \"%V\" ms:%M",
                   (int) outcome, op->status, reason,
                   ngx_current_msec - op->called);

    ngx_mdm_apns_op_count(op, outcome);

    op->outcome = outcome;
    op->old = (op->conn != NULL && op->conn->key != op->topic->cert->key);
    op->conn = NULL;
    op->ended = 1;

    op->reason = ngx_min(reason->len, NGX_MDM_PEER_REASON);
    ngx_memcpy(op->text, reason->data, op->reason);

    ngx_queue_insert_tail(&apns->done, &op->queue);

    ngx_post_event(&apns->deliver, &ngx_posted_events);

    /* a worker that quits ends without a look at what is posted */

    if (ngx_exiting && !apns->deliver.timer_set) {
        ngx_add_timer(&apns->deliver, 1);
    }
}


static void
ngx_mdm_apns_op_count(ngx_mdm_apns_op_t *op, mdm_push_e outcome)
{
    int64_t      ms, owed;
    ngx_time_t  *tp;

    if (ngx_mdm_count_row == NULL) {
        return;
    }

    ngx_mdm_count(pushes[mdm_metrics_push(outcome, op->status)], 1);

    if (outcome != MDM_PUSH_ANSWERED) {
        return;
    }

    ms = (int64_t) (ngx_current_msec - op->called);

    ngx_mdm_count_time(&ngx_mdm_count_row->push_duration, MDM_METRICS_SHORT,
                       (uint64_t) ms);

    if (op->status != NGX_HTTP_OK) {
        return;
    }

    /* Redis' clock and this one may differ */

    if (op->owed != 0) {
        tp = ngx_timeofday();
        owed = (int64_t) tp->sec * 1000 + (int64_t) tp->msec - op->owed;
        ms = ngx_max(ms, owed);
    }

    ngx_mdm_count_time(&ngx_mdm_count_row->push_delay, MDM_METRICS_LONG,
                       (uint64_t) ms);
}


void
ngx_mdm_apns_op_again(ngx_mdm_apns_op_t *op, const char *reason)
{
    ngx_str_t  text;

    text.data = (u_char *) reason;
    text.len = ngx_strlen(reason);

    op->conn = NULL;
    op->stream = -1;
    op->offset = 0;
    op->status = 0;
    op->len = 0;
    op->retry_after = 0;
    op->complete = 0;
    op->unsent = 0;

    if (op->tries >= NGX_MDM_APNS_TRIES) {
        ngx_mdm_apns_op_end(op, MDM_PUSH_RESET, &text);
        return;
    }

    if (ngx_exiting || ngx_terminate) {
        ngx_mdm_apns_op_end(op, MDM_PUSH_BUSY, &text);
        return;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &op->topic->apns->log, 0,
                   "mdm apns push again: %V, tries:%ui", &text, op->tries);

    ngx_queue_insert_head(&op->topic->waiting, &op->queue);

    /* the topic looks when whatever runs now is over */

    ngx_post_event(&op->topic->timer, &ngx_posted_events);
}


void
ngx_mdm_apns_op_refuse(ngx_mdm_apns_topic_t *topic, mdm_push_e outcome,
    ngx_str_t *reason)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&topic->waiting)) {
        q = ngx_queue_head(&topic->waiting);
        ngx_queue_remove(q);

        topic->refused++;

        ngx_mdm_apns_op_end(ngx_queue_data(q, ngx_mdm_apns_op_t, queue),
                            outcome, reason);
    }
}


void
ngx_mdm_apns_op_deliver_handler(ngx_event_t *ev)
{
    ngx_str_t           reason;
    ngx_queue_t        *q;
    ngx_mdm_apns_t     *apns;
    ngx_mdm_apns_op_t  *op;

    apns = ev->data;

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, ev->log, 0, "mdm apns deliver");

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    while (!ngx_queue_empty(&apns->done)) {
        q = ngx_queue_head(&apns->done);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_apns_op_t, queue);

        reason.data = op->text;
        reason.len = op->reason;

        ngx_mdm_apns_op_over(op, &reason);
        ngx_mdm_apns_op_free(op);
    }
}


/* who has the certificate is told first, whether or not anybody waits */

static void
ngx_mdm_apns_op_over(ngx_mdm_apns_op_t *op, ngx_str_t *reason)
{
    mdm_call_t            own, *call;
    mdm_push_t            push;
    ngx_mdm_apns_cert_t  *cert;

    call = op->call;

    if (call == NULL) {
        ngx_memzero(&own, sizeof(mdm_call_t));
        ngx_memzero(&push, sizeof(mdm_push_t));

        call = &own;
        call->push = &push;

        push.topic.data = op->name.data;
        push.topic.len = op->name.len;
        push.tag = op->tag;
        push.id = op->id;
        push.token = op->token;
        push.stamp = op->stamp;
    }

    ngx_mdm_apns_op_fill(op, call, reason);

    cert = (op->topic != NULL) ? op->topic->cert : NULL;

    if (cert != NULL && cert->ended != NULL && call->rc == MDM_CALL_OK) {
        cert->ended(cert, call->push, op->old);
    }

    if (op->call == NULL) {

        if (op->stamp.len != 0 && call->rc == MDM_CALL_OK) {

            if (cert != NULL && cert->left != NULL) {
                cert->left(cert, &push);

            } else if (cert == NULL && op->lost != NULL) {
                op->lost(op->owner, &push);
            }
        }

        mdm_arena_destroy(call->reply_arena);
        return;
    }

    op->call = NULL;
    op->handler(call, op->data);
}


/* the caller waits no longer, the push goes on */

static void
ngx_mdm_apns_op_wait_handler(ngx_event_t *ev)
{
    u_char             *p, text[64];
    ngx_str_t           reason;
    mdm_call_t         *call;
    ngx_mdm_apns_op_t  *op;

    op = ev->data;
    call = op->call;

    if (op->ended || call == NULL) {
        return;
    }

    p = ngx_snprintf(text, sizeof(text), "no answer of APNs within %M ms",
                     ngx_current_msec - op->called);

    reason.data = text;
    reason.len = p - text;

    op->outcome = MDM_PUSH_PENDING;

    ngx_mdm_apns_op_fill(op, call, &reason);

    op->call = NULL;
    op->handler(call, op->data);
}


static void
ngx_mdm_apns_op_fill(ngx_mdm_apns_op_t *op, mdm_call_t *call,
    ngx_str_t *reason)
{
    ngx_mdm_apns_refuse(call, op->outcome, reason, op->again);

    if (call->rc == MDM_CALL_OK && op->outcome == MDM_PUSH_ANSWERED
        && ngx_mdm_apns_op_answer(op, call->reply_arena, call->push) != MDM_OK)
    {
        mdm_exchange_push_lost(call);
    }
}


static mdm_int_t
ngx_mdm_apns_op_answer(ngx_mdm_apns_op_t *op, mdm_arena_t *arena,
    mdm_push_t *push)
{
    mdm_str_t          body, id;
    mdm_push_answer_t  answer;

    body.data = op->body;
    body.len = op->len;

    ngx_mdm_str_copy(&id, &op->apns_id);

    if (mdm_push_answer(arena, &body, &answer) != MDM_OK
        || mdm_str_dup(arena, &push->apns_id, &id) != MDM_OK)
    {
        return MDM_ERROR;
    }

    push->status = op->status;
    push->reason = answer.reason;
    push->timestamp = answer.timestamp;
    push->retry_after = op->retry_after;

    return MDM_OK;
}


void
ngx_mdm_apns_refuse(mdm_call_t *call, mdm_push_e outcome, ngx_str_t *reason,
    ngx_uint_t again)
{
    mdm_str_t    text;
    mdm_push_t  *push;

    push = call->push;
    push->outcome = outcome;
    push->again = again;

    call->rc = MDM_CALL_OK;
    call->reply = NULL;
    call->reply_arena = mdm_arena_create(1024);

    ngx_mdm_str_copy(&text, reason);

    if (call->reply_arena == NULL
        || mdm_str_dup(call->reply_arena, &push->reason, &text) != MDM_OK)
    {
        mdm_exchange_push_lost(call);
    }
}


mdm_push_e
ngx_mdm_apns_outcome(ngx_mdm_peer_fault_e fault)
{
    switch (fault) {

    case NGX_MDM_PEER_FAULT_PROXY_AUTH:
        return MDM_PUSH_PROXY_AUTH;

    case NGX_MDM_PEER_FAULT_PROXY_STATUS:
        return MDM_PUSH_PROXY_STATUS;

    case NGX_MDM_PEER_FAULT_PROXY_ODD:
        return MDM_PUSH_PROXY_ODD;

    case NGX_MDM_PEER_FAULT_UNTRUSTED:
        return MDM_PUSH_INTERCEPTED;

    case NGX_MDM_PEER_FAULT_ALPN:
        return MDM_PUSH_NO_HTTP2;

    case NGX_MDM_PEER_FAULT_REFUSED:
        return MDM_PUSH_REFUSED;

    default: /* NGX_MDM_PEER_FAULT_NONE */
        return MDM_PUSH_UNREACHABLE;
    }
}
