
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a turn of the event loop has for a cluster goes to several nodes, a
 * little to each, and each little costs a write here and a wake-up for its
 * replies.  So it is kept back for as long as turns that follow at once bring
 * more, and then goes to all nodes together, so that their replies come
 * together.
 */


#include "ngx_mdm_redis_conn.h"


/* turns that a call may be kept back for, and calls that are enough */
#define NGX_MDM_REDIS_TURNS   16
#define NGX_MDM_REDIS_ENOUGH  24


static void ngx_mdm_redis_gather_handler(ngx_event_t *ev);


void
ngx_mdm_redis_gather_init(ngx_mdm_redis_gather_t *gather,
    ngx_uint_t *pending, ngx_log_t *log)
{
    gather->pending = pending;

    ngx_queue_init(&gather->conns);

    gather->event.handler = ngx_mdm_redis_gather_handler;
    gather->event.data = gather;
    gather->event.log = log;
}


void
ngx_mdm_redis_gather(ngx_mdm_redis_conn_t *conn)
{
    ngx_mdm_redis_gather_t  *gather;

    gather = conn->gather;
    gather->added++;

    if (!conn->gathering) {
        conn->gathering = 1;
        ngx_queue_insert_tail(&gather->conns, &conn->gathered);
    }

    ngx_post_event(&gather->event, &ngx_posted_events);
}


void
ngx_mdm_redis_gather_forget(ngx_mdm_redis_conn_t *conn)
{
    if (conn->gathering) {
        conn->gathering = 0;
        ngx_queue_remove(&conn->gathered);
    }
}


static void
ngx_mdm_redis_gather_handler(ngx_event_t *ev)
{
    ngx_queue_t             *q;
    ngx_mdm_redis_conn_t    *conn;
    ngx_mdm_redis_gather_t  *gather;

    gather = ev->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "mdm redis gather, calls:%ui turns:%ui",
                   gather->added, gather->ticks);

    /* a call that is alone has nothing to wait for */

    if (gather->added != gather->previous
        && gather->added < NGX_MDM_REDIS_ENOUGH
        && gather->ticks++ < NGX_MDM_REDIS_TURNS
        && *gather->pending > 1)
    {
        gather->previous = gather->added;
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    gather->added = 0;
    gather->previous = 0;
    gather->ticks = 0;

    while (!ngx_queue_empty(&gather->conns)) {

        q = ngx_queue_head(&gather->conns);
        conn = ngx_queue_data(q, ngx_mdm_redis_conn_t, gathered);

        ngx_mdm_redis_gather_forget(conn);

        ngx_post_event(&conn->peer.flush, &ngx_posted_events);
    }
}
