
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What those who make calls and those who send them know of each other.
 */


#ifndef _NGX_MDM_REDIS_OP_H_INCLUDED_
#define _NGX_MDM_REDIS_OP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_exchange.h"
#include "ngx_mdm_count.h"


typedef struct ngx_mdm_redis_op_s  ngx_mdm_redis_op_t;


/*
 * Who waits for a call.  Those of devices have a connection of their own,
 * unless they are large; all others share the second one.
 */

typedef enum {
    NGX_MDM_REDIS_DEVICE = 0,
    NGX_MDM_REDIS_API,
    NGX_MDM_REDIS_JOB
} ngx_mdm_redis_kind_e;


/*
 * Counters of a store in this worker: with a zone of metrics those of its row
 * there, else of its own, since it started.
 */

typedef mdm_metrics_store_t  ngx_mdm_redis_stats_t;

#define ngx_mdm_redis_count(stats, field)                                     \
    ngx_mdm_count_add(&(stats)->field, 1)

/*
 * Called once when the call has ended: call->rc and call->reply are set.
 * Never called from within ngx_mdm_redis_call().  The op is gone when the
 * handler returns.
 */
typedef void (*ngx_mdm_redis_handler_pt)(mdm_call_t *call, void *data);


/* zeroed; NULL: no memory.  Those that are freed are kept for later calls. */
ngx_mdm_redis_op_t *ngx_mdm_redis_op_create(void);
void ngx_mdm_redis_op_free(ngx_mdm_redis_op_t *op);

/* when the worker ends: none is kept */
void ngx_mdm_redis_op_clear(void);


#endif /* _NGX_MDM_REDIS_OP_H_INCLUDED_ */
