
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Work that no request waits for.  It runs kinds of work (mdm_job.h) and names
 * none: each worker has a runner for each store, which asks Redis what is due
 * and does several of it at a time.
 */


#ifndef _NGX_MDM_JOB_H_INCLUDED_
#define _NGX_MDM_JOB_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_mdm_store.h"


/*
 * "stores" is an array of ngx_mdm_store_t *; those that serve no location get
 * no runner.  To be called behind ngx_mdm_redis_init_process() and before
 * ngx_mdm_redis_exit_process().
 */
ngx_int_t ngx_mdm_job_init_process(ngx_cycle_t *cycle, ngx_array_t *stores);
void ngx_mdm_job_exit_process(ngx_cycle_t *cycle);

/*
 * The tenant of the exchange has work: of kind x->kick, or pushes that are owed
 * (x->owed).  This or another worker begins it after the current event.
 */
void ngx_mdm_job_kicks(ngx_mdm_store_t *store, mdm_exchange_t *x);


#endif /* _NGX_MDM_JOB_H_INCLUDED_ */
