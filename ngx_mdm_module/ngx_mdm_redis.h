
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A call and its reply.  What runs underneath (one connection, Sentinel,
 * Cluster) does not show here.
 */


#ifndef _NGX_MDM_REDIS_H_INCLUDED_
#define _NGX_MDM_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "mdm_exchange.h"
#include "ngx_mdm_redis_op.h"
#include "ngx_mdm_store.h"


/*
 * Sends a script call.  "call" and all that it points to must stay valid
 * until the handler ran or the op was abandoned.
 * NGX_OK: *op is set and the handler will be called.  NGX_DECLINED: refused
 * at once (Redis is away, too many pending); call->rc is set, no handler.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_redis_call(ngx_mdm_store_t *store, mdm_call_t *call,
    ngx_mdm_redis_kind_e kind, ngx_mdm_redis_handler_pt handler, void *data,
    ngx_mdm_redis_op_t **op);

/* the caller goes away: the reply is still read, and dropped */
void ngx_mdm_redis_abandon(ngx_mdm_redis_op_t *op);


/*
 * A request for a device that the store does not know waits for the answer
 * whether this is still the same store.  The handler is never called from
 * within ngx_mdm_redis_check().  "lost" is 1 if the store is another one, or if
 * it cannot be asked.
 */
typedef struct {
    ngx_queue_t                queue;
    void                     (*handler)(void *data, ngx_uint_t lost);
    void                      *data;
    ngx_uint_t                 waits;      /* 1: the handler will be called */
} ngx_mdm_redis_check_t;

void ngx_mdm_redis_check(ngx_mdm_store_t *store,
    ngx_mdm_redis_check_t *check);

/* the handler is not called any more */
void ngx_mdm_redis_check_abandon(ngx_mdm_redis_check_t *check);


/* the counters of a store, or NULL if this process does not serve */
ngx_mdm_redis_stats_t *ngx_mdm_redis_stats(ngx_mdm_store_t *store);

/* calls of it that are on their way now */
ngx_uint_t ngx_mdm_redis_pending(ngx_mdm_store_t *store);


/* ngx_mdm_redis_state.c */

/*
 * 1: it can be called, as far as this worker knows; 0: it cannot.  *state says
 * so: "up"; "down", "connecting", or the code of what it answers, such as
 * "LOADING", or "OOM", which devices can live with; "unconfirmed": it can be
 * called, but too few replicas have confirmed what was last written.  A
 * constant.
 */
ngx_uint_t ngx_mdm_redis_state(ngx_mdm_store_t *store, ngx_str_t *state);


/* ngx_mdm_redis_process.c */

/* "stores" is an array of ngx_mdm_store_t * */
ngx_int_t ngx_mdm_redis_init_process(ngx_cycle_t *cycle, ngx_array_t *stores);
void ngx_mdm_redis_exit_process(ngx_cycle_t *cycle);


#endif /* _NGX_MDM_REDIS_H_INCLUDED_ */
