
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Is the store behind a connection still the one that it was?
 */


#ifndef _NGX_MDM_REDIS_ID_H_INCLUDED_
#define _NGX_MDM_REDIS_ID_H_INCLUDED_


#include "ngx_mdm_redis_node.h"


/* of a store in this worker: one question at a time, for all that wait */

struct ngx_mdm_redis_id_s {
    ngx_mdm_redis_t           *redis;

    ngx_queue_t                waiting;    /* for the next question */
    ngx_queue_t                asked;      /* for the answer of this one */
    ngx_msec_t                 last;       /* when it was asked */
    ngx_event_t                timer;      /* the next one */

    mdm_call_t                 call;
    ngx_mdm_redis_op_t        *op;         /* NULL: none is under way */
};


/* NULL: no memory */
ngx_mdm_redis_id_t *ngx_mdm_redis_id_create(ngx_mdm_redis_t *redis,
    ngx_pool_t *pool);

/* the worker ends: nobody is told any more */
void ngx_mdm_redis_id_destroy(ngx_mdm_redis_id_t *rid);

/*
 * Takes the list that the meta script has replied with.  NGX_OK; NGX_ERROR:
 * it is not the store that it must be, *reason says so, and an alert what to
 * do.
 */
ngx_int_t ngx_mdm_redis_id_reply(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, ngx_str_t *reason);


#endif /* _NGX_MDM_REDIS_ID_H_INCLUDED_ */
