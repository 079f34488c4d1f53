
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Pushes that a worker sends behind an answer, since what it has just queued
 * owes them.
 */


#ifndef _NGX_MDM_JOB_OWN_H_INCLUDED_
#define _NGX_MDM_JOB_OWN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_exchange.h"
#include "ngx_mdm_store.h"


/*
 * Looks at the partition x->owed_tag.  It waits for no lease but those of the
 * pushes: others may be at the tenant.  NGX_OK, or NGX_DECLINED: too much of
 * that is under way, or there is no memory.
 */
ngx_int_t ngx_mdm_job_own(ngx_mdm_store_t *store, mdm_exchange_t *x);

/* the worker ends */
void ngx_mdm_job_own_exit(void);


#endif /* _NGX_MDM_JOB_OWN_H_INCLUDED_ */
