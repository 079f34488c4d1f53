
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


#endif /* _NGX_MDM_REDIS_ID_H_INCLUDED_ */
