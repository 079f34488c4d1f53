
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Calls of kind push: each goes to the connection of its topic, which is there
 * when there is something to push.
 */


#include "ngx_mdm_apns_conn.h"


/* pushes of a worker that have not ended */
#define NGX_MDM_APNS_PENDING    16384

/* milliseconds between attempts to connect: at first, and at most */
#define NGX_MDM_APNS_DELAY      100
#define NGX_MDM_APNS_DELAY_MAX  4000

/* a look at those that wait, at the latest */
#define NGX_MDM_APNS_TICK       1000


static const char *ngx_mdm_apns_unusable(ngx_mdm_apns_t *apns,
    ngx_mdm_apns_cert_t *cert, mdm_push_e *outcome);
static ngx_uint_t ngx_mdm_apns_is_down(ngx_mdm_apns_topic_t *topic);
static ngx_mdm_apns_op_t *ngx_mdm_apns_wait(ngx_mdm_apns_t *apns,
    mdm_call_t *call, ngx_mdm_apns_handler_pt handler, void *data);
static ngx_mdm_apns_topic_t *ngx_mdm_apns_topic(ngx_mdm_apns_t *apns,
    ngx_mdm_apns_cert_t *cert);
static ngx_int_t ngx_mdm_apns_refused(mdm_call_t *call, mdm_push_e outcome,
    const char *text);
static void ngx_mdm_apns_run(ngx_mdm_apns_topic_t *topic);
static void ngx_mdm_apns_timer_handler(ngx_event_t *ev);
static void ngx_mdm_apns_up(ngx_mdm_apns_conn_t *conn);
static void ngx_mdm_apns_down(ngx_mdm_apns_conn_t *conn, ngx_str_t *reason);
static void ngx_mdm_apns_stopped(ngx_mdm_apns_topic_t *topic,
    ngx_str_t *reason);
static void ngx_mdm_apns_retired(ngx_mdm_apns_conn_t *conn);
static void ngx_mdm_apns_back_off(ngx_mdm_apns_topic_t *topic);


static const ngx_mdm_apns_owner_t  ngx_mdm_apns_owner = {
    ngx_mdm_apns_up,
    ngx_mdm_apns_down,
    ngx_mdm_apns_retired
};


/* that of this worker; NULL: "mdm_push" is off, or this process serves none */
static ngx_mdm_apns_t  *ngx_mdm_apns;


ngx_int_t
ngx_mdm_apns_push(ngx_mdm_apns_cert_t *cert, mdm_call_t *call,
    ngx_mdm_apns_handler_pt handler, void *data, ngx_mdm_apns_op_t **op)
{
    ngx_str_t              reason;
    const char            *text;
    mdm_push_e             outcome;
    ngx_mdm_apns_t        *apns;
    ngx_mdm_apns_op_t     *o;
    ngx_mdm_apns_topic_t  *topic;

    apns = ngx_mdm_apns;

    text = ngx_mdm_apns_unusable(apns, cert, &outcome);

    if (text == NULL && apns->pending >= NGX_MDM_APNS_PENDING) {
        outcome = MDM_PUSH_BUSY;
        text = "too many pushes wait";
    }

    if (text != NULL) {
        return ngx_mdm_apns_refused(call, outcome, text);
    }

    topic = ngx_mdm_apns_topic(apns, cert);

    if (topic == NULL) {
        return ngx_mdm_apns_refused(call, MDM_PUSH_BUSY,
                                    "too many topics have pushes");
    }

    if (ngx_mdm_apns_is_down(topic)) {
        topic->refused++;

        reason.data = topic->text;
        reason.len = topic->reason;

        ngx_mdm_apns_refuse(call, topic->outcome, &reason,
                            topic->next - ngx_current_msec);

        return NGX_DONE;
    }

    o = ngx_mdm_apns_wait(apns, call, handler, data);
    if (o == NULL) {
        return ngx_mdm_apns_refused(call, MDM_PUSH_BUSY, "no memory");
    }

    ngx_mdm_apns_op_start(o, topic);

    *op = o;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &apns->log, 0,
                   "mdm apns push: topic \"%V\" pending:%ui of %ui",
                   &cert->topic, topic->pending, apns->pending);

    ngx_mdm_apns_run(topic);

    return NGX_OK;
}


/* why a certificate cannot be used now; NULL: it can be */

static const char *
ngx_mdm_apns_unusable(ngx_mdm_apns_t *apns, ngx_mdm_apns_cert_t *cert,
    mdm_push_e *outcome)
{
    if (apns == NULL) {
        *outcome = MDM_PUSH_OFF;
        return "push is off";
    }

    if (cert == NULL || cert->key == NULL) {
        *outcome = MDM_PUSH_NO_CERTIFICATE;
        return "no push certificate";
    }

    if (cert->not_after <= ngx_time()) {
        *outcome = MDM_PUSH_EXPIRED;
        return "the push certificate has expired";
    }

    if (ngx_exiting || ngx_terminate) {
        *outcome = MDM_PUSH_BUSY;
        return "the worker ends";
    }

    return NULL;
}


static ngx_uint_t
ngx_mdm_apns_is_down(ngx_mdm_apns_topic_t *topic)
{
    return topic->down && topic->conn == NULL
           && (ngx_msec_int_t) (topic->next - ngx_current_msec) > 0;
}


static ngx_mdm_apns_op_t *
ngx_mdm_apns_wait(ngx_mdm_apns_t *apns, mdm_call_t *call,
    ngx_mdm_apns_handler_pt handler, void *data)
{
    ngx_mdm_apns_op_t  *op;

    op = ngx_mdm_apns_op_create(apns, call->push);
    if (op == NULL) {
        return NULL;
    }

    op->call = call;
    op->handler = handler;
    op->data = data;

    if (call->push->wait != 0) {
        ngx_add_timer(&op->wait, (ngx_msec_t) call->push->wait);
    }

    return op;
}


ngx_int_t
ngx_mdm_apns_park(ngx_queue_t *queue, ngx_mdm_apns_lost_pt lost, void *owner,
    mdm_call_t *call, ngx_mdm_apns_handler_pt handler, void *data,
    ngx_mdm_apns_op_t **op)
{
    ngx_mdm_apns_t     *apns;
    ngx_mdm_apns_op_t  *o;

    apns = ngx_mdm_apns;

    if (apns == NULL) {
        return ngx_mdm_apns_refused(call, MDM_PUSH_OFF, "push is off");
    }

    if (ngx_exiting || ngx_terminate) {
        return ngx_mdm_apns_refused(call, MDM_PUSH_BUSY, "the worker ends");
    }

    o = (apns->pending < NGX_MDM_APNS_PENDING)
        ? ngx_mdm_apns_wait(apns, call, handler, data) : NULL;

    if (o == NULL) {
        return ngx_mdm_apns_refused(call, MDM_PUSH_BUSY,
                                    "too many pushes wait");
    }

    o->lost = lost;
    o->owner = owner;

    ngx_queue_insert_tail(queue, &o->queue);

    *op = o;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &apns->log, 0,
                   "mdm apns park: topic \"%V\" pending:%ui", &o->name,
                   apns->pending);

    return NGX_OK;
}


ngx_str_t *
ngx_mdm_apns_parked_topic(ngx_queue_t *q)
{
    ngx_mdm_apns_op_t  *op;

    op = ngx_queue_data(q, ngx_mdm_apns_op_t, queue);

    return &op->name;
}


void
ngx_mdm_apns_parked_free(ngx_queue_t *q)
{
    ngx_queue_remove(q);

    ngx_mdm_apns_op_free(ngx_queue_data(q, ngx_mdm_apns_op_t, queue));
}


void
ngx_mdm_apns_parked_refuse(ngx_queue_t *q, mdm_push_e outcome,
    ngx_str_t *reason, ngx_uint_t again)
{
    ngx_mdm_apns_op_t  *op;

    op = ngx_queue_data(q, ngx_mdm_apns_op_t, queue);
    op->again = again;

    ngx_queue_remove(q);

    ngx_mdm_apns_op_end(op, outcome, reason);
}


void
ngx_mdm_apns_resume(ngx_queue_t *q, ngx_mdm_apns_cert_t *cert,
    const char *text)
{
    ngx_str_t              reason;
    mdm_push_e             outcome;
    ngx_mdm_apns_op_t     *op;
    ngx_mdm_apns_topic_t  *topic;

    op = ngx_queue_data(q, ngx_mdm_apns_op_t, queue);

    ngx_queue_remove(q);

    topic = NULL;
    outcome = MDM_PUSH_BUSY;

    if (text == NULL) {
        text = ngx_mdm_apns_unusable(op->apns, cert, &outcome);
    }

    if (text == NULL) {
        topic = ngx_mdm_apns_topic(op->apns, cert);

        if (topic == NULL) {
            outcome = MDM_PUSH_BUSY;
            text = "too many topics have pushes";
        }
    }

    if (topic == NULL) {
        reason.data = (u_char *) text;
        reason.len = ngx_strlen(text);

        ngx_mdm_apns_op_end(op, outcome, &reason);

    } else if (ngx_mdm_apns_is_down(topic)) {
        topic->refused++;

        reason.data = topic->text;
        reason.len = topic->reason;

        op->again = topic->next - ngx_current_msec;

        ngx_mdm_apns_op_end(op, topic->outcome, &reason);

    } else {
        ngx_mdm_apns_op_start(op, topic);
        ngx_mdm_apns_run(topic);
    }
}


static ngx_int_t
ngx_mdm_apns_refused(mdm_call_t *call, mdm_push_e outcome, const char *text)
{
    ngx_str_t  reason;

    reason.data = (u_char *) text;
    reason.len = ngx_strlen(text);

    ngx_mdm_apns_refuse(call, outcome, &reason, 0);

    return NGX_DONE;
}


void
ngx_mdm_apns_abandon(ngx_mdm_apns_op_t *op)
{
    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &op->apns->log, 0,
                   "mdm apns abandon, stream:%D ms:%M", op->stream,
                   ngx_current_msec - op->called);

    op->call = NULL;

    if (op->wait.timer_set) {
        ngx_del_timer(&op->wait);
    }
}


/* the topic, which is the one that was used last now; NULL: there is no room */

static ngx_mdm_apns_topic_t *
ngx_mdm_apns_topic(ngx_mdm_apns_t *apns, ngx_mdm_apns_cert_t *cert)
{
    ngx_mdm_apns_topic_t  *topic;

    topic = ngx_mdm_apns_topic_find(apns, cert);

    if (topic == NULL) {
        topic = ngx_mdm_apns_topic_create(apns, cert, &ngx_mdm_apns_owner,
                                          ngx_mdm_apns_timer_handler);
    }

    return topic;
}


/* sends what waits, as far as it can be */

static void
ngx_mdm_apns_run(ngx_mdm_apns_topic_t *topic)
{
    ngx_str_t  reason;

    if (topic->apns->closing) {
        return;
    }

    if (!ngx_queue_empty(&topic->waiting) && (ngx_exiting || ngx_terminate)) {
        ngx_str_set(&reason, "the worker ends");
        ngx_mdm_apns_op_refuse(topic, MDM_PUSH_BUSY, &reason);
    }

    if (ngx_queue_empty(&topic->waiting)) {

        if (topic->timer.timer_set) {
            ngx_del_timer(&topic->timer);
        }

        return;
    }

    if (topic->cert->key == NULL) {
        ngx_str_set(&reason, "no push certificate");
        ngx_mdm_apns_op_refuse(topic, MDM_PUSH_NO_CERTIFICATE, &reason);
        return;
    }

    /* what comes back from a connection that APNs does not want */

    if (topic->outcome == MDM_PUSH_REFUSED && ngx_mdm_apns_is_down(topic)) {
        reason.data = topic->text;
        reason.len = topic->reason;

        ngx_mdm_apns_op_refuse(topic, MDM_PUSH_REFUSED, &reason);
        return;
    }

    if (topic->conn != NULL) {
        ngx_mdm_apns_conn_wake(topic->conn);

    } else if (topic->delay == 0
               || (ngx_msec_int_t) (topic->next - ngx_current_msec) <= 0)
    {
        if (ngx_mdm_apns_conn_open(topic) != NGX_OK) {
            ngx_str_set(&reason, "no memory");
            ngx_mdm_apns_op_refuse(topic, MDM_PUSH_BUSY, &reason);
            return;
        }

    } else if (!topic->timer.timer_set) {
        ngx_add_timer(&topic->timer,
                      ngx_min(topic->next - ngx_current_msec,
                              NGX_MDM_APNS_TICK));
        return;
    }

    if (!topic->timer.timer_set && !ngx_queue_empty(&topic->waiting)) {
        ngx_add_timer(&topic->timer, NGX_MDM_APNS_TICK);
    }
}


static void
ngx_mdm_apns_timer_handler(ngx_event_t *ev)
{
    ngx_queue_t           *q;
    ngx_mdm_apns_op_t     *op;
    ngx_mdm_apns_topic_t  *topic;

    topic = ev->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "mdm apns topic timer: \"%V\" pending:%ui",
                   &topic->cert->topic, topic->pending);

    while (!ngx_queue_empty(&topic->waiting)) {
        q = ngx_queue_head(&topic->waiting);
        op = ngx_queue_data(q, ngx_mdm_apns_op_t, queue);

        if ((ngx_msec_int_t) (op->called + NGX_MDM_APNS_PATIENCE
                              - ngx_current_msec)
            > 0)
        {
            break;
        }

        ngx_queue_remove(q);

        ngx_mdm_apns_op_fail(op, MDM_PUSH_BUSY,
                             "APNs takes no more pushes for now");
    }

    ngx_mdm_apns_run(topic);
}


ngx_int_t
ngx_mdm_apns_state(ngx_mdm_apns_state_t *state)
{
    ngx_queue_t           *q, *c;
    ngx_mdm_apns_conn_t   *conn;
    ngx_mdm_apns_topic_t  *topic;

    ngx_memzero(state, sizeof(ngx_mdm_apns_state_t));

    if (ngx_mdm_apns == NULL) {
        return NGX_DECLINED;
    }

    for (q = ngx_queue_head(&ngx_mdm_apns->topics);
         q != ngx_queue_sentinel(&ngx_mdm_apns->topics);
         q = ngx_queue_next(q))
    {
        topic = ngx_queue_data(q, ngx_mdm_apns_topic_t, queue);

        state->down += topic->down;

        for (c = ngx_queue_head(&topic->conns);
             c != ngx_queue_sentinel(&topic->conns);
             c = ngx_queue_next(c))
        {
            conn = ngx_queue_data(c, ngx_mdm_apns_conn_t, queue);

            state->connections += (conn->peer.state == NGX_MDM_PEER_READY);
            state->streams += conn->nstreams;
        }
    }

    return NGX_OK;
}


static void
ngx_mdm_apns_up(ngx_mdm_apns_conn_t *conn)
{
    ngx_mdm_apns_topic_t  *topic;

    topic = conn->topic;

    if (!topic->down || conn->key != topic->cert->key) {
        return;
    }

    topic->down = 0;

    ngx_log_error(NGX_LOG_NOTICE, &topic->apns->log, 0,
                  "mdm push: topic \"%V\" can be pushed to again, by %V, "
                  "after %T s in which %ui pushes were not sent",
                  &topic->cert->topic, ngx_mdm_peer_name(&conn->peer),
                  ngx_time() - topic->since, topic->refused);
}


static void
ngx_mdm_apns_down(ngx_mdm_apns_conn_t *conn, ngx_str_t *reason)
{
    mdm_push_e             outcome;
    ngx_mdm_apns_topic_t  *topic;

    topic = conn->topic;

    if (conn->key != topic->cert->key) {

        /* what becomes of the certificate of before says nothing of this one */

        return;
    }

    outcome = ngx_mdm_apns_outcome(conn->peer.fault);

    ngx_mdm_apns_back_off(topic);

    topic->reason = ngx_min(reason->len, NGX_MDM_PEER_REASON);
    ngx_memmove(topic->text, reason->data, topic->reason);

    if (!topic->down) {
        topic->since = ngx_time();
        topic->refused = 0;
    }

    if (!topic->down || topic->outcome != outcome) {
        topic->down = 1;
        topic->outcome = outcome;

        ngx_log_error(NGX_LOG_ERR, &topic->apns->log, 0,
                      "mdm push: topic \"%V\" cannot be pushed to, %V %s "
                      "%V%s: %V",
                      &topic->cert->topic, &topic->apns->conf->server,
                      topic->apns->conf->proxied ? "by way of the proxy" : "at",
                      ngx_mdm_peer_name(&conn->peer),
                      (outcome == MDM_PUSH_INTERCEPTED)
                      ? " (does a proxy or a firewall look into TLS?)" : "",
                      reason);
    }

    if (outcome == MDM_PUSH_REFUSED) {
        ngx_mdm_apns_stopped(topic, reason);
    }

    ngx_mdm_apns_op_refuse(topic, outcome, reason);
}


/* this concerns all pushes with the certificate, if there are none, too */

static void
ngx_mdm_apns_stopped(ngx_mdm_apns_topic_t *topic, ngx_str_t *reason)
{
    mdm_push_t  push;

    ngx_memzero(&push, sizeof(mdm_push_t));

    push.outcome = MDM_PUSH_REFUSED;
    ngx_mdm_str_copy(&push.reason, reason);

    if (topic->cert->ended != NULL) {
        topic->cert->ended(topic->cert, &push, 0);
    }
}


/* one that had no answer at all must not be made again and again at once */

static void
ngx_mdm_apns_retired(ngx_mdm_apns_conn_t *conn)
{
    ngx_mdm_apns_topic_t  *topic;

    topic = conn->topic;

    if (topic->down) {

        /* when to try again was said when it went down */

    } else if (conn->answers != 0 && conn->errors < NGX_MDM_APNS_ERRORS) {
        topic->delay = 0;

    } else {
        ngx_mdm_apns_back_off(topic);
    }

    ngx_mdm_apns_run(topic);
}


static void
ngx_mdm_apns_back_off(ngx_mdm_apns_topic_t *topic)
{
    topic->delay = (topic->delay == 0) ? NGX_MDM_APNS_DELAY
                                       : ngx_min(topic->delay * 2,
                                                 NGX_MDM_APNS_DELAY_MAX);

    topic->next = ngx_current_msec + topic->delay
                  - (ngx_msec_t) ngx_random() % (topic->delay / 4);
}


void
ngx_mdm_apns_renewed(ngx_mdm_apns_cert_t *cert)
{
    ngx_queue_t           *q;
    ngx_mdm_apns_topic_t  *topic;

    for (q = ngx_queue_head(&ngx_mdm_apns->topics);
         q != ngx_queue_sentinel(&ngx_mdm_apns->topics);
         q = ngx_queue_next(q))
    {
        topic = ngx_queue_data(q, ngx_mdm_apns_topic_t, queue);

        if (topic->cert != cert) {
            continue;
        }

        if (topic->conn != NULL) {
            ngx_mdm_apns_conn_replace(topic->conn);
        }

        /* what the old one met does not count any more */

        topic->delay = 0;
        topic->next = ngx_current_msec;

        ngx_mdm_apns_run(topic);
        return;
    }
}


ngx_int_t
ngx_mdm_apns_init_process(ngx_cycle_t *cycle, ngx_mdm_apns_conf_t *conf)
{
    ngx_int_t        rc;
    ngx_mdm_apns_t  *apns;

    if (!conf->on
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    apns = ngx_pcalloc(cycle->pool, sizeof(ngx_mdm_apns_t));
    if (apns == NULL) {
        return NGX_ERROR;
    }

    apns->conf = conf;
    apns->log = *cycle->log;

    ngx_queue_init(&apns->topics);
    ngx_queue_init(&apns->done);
    ngx_queue_init(&apns->dead);

    apns->deliver.handler = ngx_mdm_apns_op_deliver_handler;
    apns->deliver.data = apns;
    apns->deliver.log = &apns->log;

    apns->reap.handler = ngx_mdm_apns_conn_reap_handler;
    apns->reap.data = apns;
    apns->reap.log = &apns->log;

    rc = conf->proxied
         ? ngx_mdm_peer_target_host(&apns->target, &conf->proxy_host,
                                    conf->proxy_port)
         : ngx_mdm_peer_target_host(&apns->target, &conf->host, conf->port);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_mdm_apns = apns;

    return NGX_OK;
}


void
ngx_mdm_apns_exit_process(void)
{
    ngx_queue_t     *q;
    ngx_mdm_apns_t  *apns;

    apns = ngx_mdm_apns;

    if (apns == NULL) {
        return;
    }

    ngx_mdm_apns = NULL;
    apns->closing = 1;

    for (q = ngx_queue_head(&apns->topics);
         q != ngx_queue_sentinel(&apns->topics);
         q = ngx_queue_next(q))
    {
        ngx_mdm_apns_topic_t  *topic;

        topic = ngx_queue_data(q, ngx_mdm_apns_topic_t, queue);

        while (!ngx_queue_empty(&topic->conns)) {
            ngx_mdm_apns_conn_close(
                ngx_queue_data(ngx_queue_head(&topic->conns),
                               ngx_mdm_apns_conn_t, queue));
        }
    }

    /* nobody is there any more who could be told */

    while (!ngx_queue_empty(&apns->done)) {
        q = ngx_queue_head(&apns->done);
        ngx_queue_remove(q);

        ngx_mdm_apns_op_free(ngx_queue_data(q, ngx_mdm_apns_op_t, queue));
    }

    while (!ngx_queue_empty(&apns->topics)) {
        ngx_mdm_apns_topic_free(ngx_queue_data(ngx_queue_head(&apns->topics),
                                               ngx_mdm_apns_topic_t, queue));
    }

    ngx_mdm_apns_conn_reap(apns);

    if (apns->deliver.posted) {
        ngx_delete_posted_event(&apns->deliver);
    }

    if (apns->deliver.timer_set) {
        ngx_del_timer(&apns->deliver);
    }

    if (apns->reap.posted) {
        ngx_delete_posted_event(&apns->reap);
    }

    ngx_mdm_peer_target_free(&apns->target);
}
