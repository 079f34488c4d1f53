
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


/* counters of a store in this worker, since it started */

typedef struct {
    ngx_uint_t                calls;       /* accepted */
    ngx_uint_t                replies;
    ngx_uint_t                flushes;     /* turns with something to send */
    ngx_uint_t                sends;       /* writes to a socket */
    ngx_uint_t                evals;       /* calls sent again by EVAL */
    ngx_uint_t                retries;     /* calls sent again on a new
                                              connection */
    ngx_uint_t                refused;     /* calls refused at once, or when the
                                              server went down */
    ngx_uint_t                timeouts;
    ngx_uint_t                redirects;   /* MOVED and ASK */
    ngx_uint_t                tryagain;    /* calls that met a slot on its way
                                              from one node to another */
    ngx_uint_t                unconfirmed; /* batches too few replicas have */
    ngx_uint_t                unavailable; /* LOADING, READONLY, OOM … */
    ngx_uint_t                errors;      /* other errors of a script */
    ngx_uint_t                connects;    /* connections that came up */
    ngx_uint_t                pending;     /* calls on their way now */
    ngx_uint_t                bulk;        /* how many of these are on the
                                              second connection */
} ngx_mdm_redis_stats_t;

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
