
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The topics that a worker has pushed to of late.
 */


#include "ngx_mdm_apns_conn.h"


/* that have a connection at the same time */
#define NGX_MDM_APNS_TOPICS     64


static ngx_int_t ngx_mdm_apns_topic_drop(ngx_mdm_apns_t *apns);


ngx_mdm_apns_topic_t *
ngx_mdm_apns_topic_find(ngx_mdm_apns_t *apns, ngx_mdm_apns_cert_t *cert)
{
    ngx_queue_t           *q;
    ngx_mdm_apns_topic_t  *topic;

    for (q = ngx_queue_last(&apns->topics);
         q != ngx_queue_sentinel(&apns->topics);
         q = ngx_queue_prev(q))
    {
        topic = ngx_queue_data(q, ngx_mdm_apns_topic_t, queue);

        if (topic->cert == cert) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&apns->topics, q);

            return topic;
        }
    }

    return NULL;
}


ngx_mdm_apns_topic_t *
ngx_mdm_apns_topic_create(ngx_mdm_apns_t *apns, ngx_mdm_apns_cert_t *cert,
    const ngx_mdm_apns_owner_t *owner, ngx_event_handler_pt handler)
{
    ngx_mdm_apns_topic_t  *topic;

    if (apns->ntopics >= NGX_MDM_APNS_TOPICS
        && ngx_mdm_apns_topic_drop(apns) != NGX_OK)
    {
        return NULL;
    }

    topic = ngx_calloc(sizeof(ngx_mdm_apns_topic_t), &apns->log);
    if (topic == NULL) {
        return NULL;
    }

    topic->apns = apns;
    topic->cert = cert;
    topic->owner = owner;
    topic->fd = (ngx_socket_t) -1;

    ngx_queue_init(&topic->waiting);
    ngx_queue_init(&topic->conns);

    topic->timer.handler = handler;
    topic->timer.data = topic;
    topic->timer.log = &apns->log;

    ngx_queue_insert_tail(&apns->topics, &topic->queue);
    apns->ntopics++;

    return topic;
}


/* of those without pushes, the one that was used longest ago, goes */

static ngx_int_t
ngx_mdm_apns_topic_drop(ngx_mdm_apns_t *apns)
{
    ngx_queue_t           *q;
    ngx_mdm_apns_topic_t  *topic;

    for (q = ngx_queue_head(&apns->topics);
         q != ngx_queue_sentinel(&apns->topics);
         q = ngx_queue_next(q))
    {
        topic = ngx_queue_data(q, ngx_mdm_apns_topic_t, queue);

        if (topic->pending == 0) {
            ngx_mdm_apns_topic_free(topic);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


void
ngx_mdm_apns_topic_free(ngx_mdm_apns_topic_t *topic)
{
    ngx_queue_t  *q;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &topic->apns->log, 0,
                   "mdm apns topic \"%V\" is dropped", &topic->cert->topic);

    while (!ngx_queue_empty(&topic->conns)) {
        q = ngx_queue_head(&topic->conns);

        ngx_mdm_apns_conn_close(ngx_queue_data(q, ngx_mdm_apns_conn_t,
                                               queue));
    }

    if (topic->timer.timer_set) {
        ngx_del_timer(&topic->timer);
    }

    if (topic->timer.posted) {
        ngx_delete_posted_event(&topic->timer);
    }

    while (!ngx_queue_empty(&topic->waiting)) {
        q = ngx_queue_head(&topic->waiting);
        ngx_queue_remove(q);

        ngx_mdm_apns_op_free(ngx_queue_data(q, ngx_mdm_apns_op_t, queue));
    }

    ngx_queue_remove(&topic->queue);
    topic->apns->ntopics--;

    ngx_free(topic);
}
