
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Metrics that live in Redis: a job reads them, tenant by tenant, and stores
 * what it has read where each host finds all of it, page by page.
 */


#ifndef _MDM_GAUGES_H_INCLUDED_
#define _MDM_GAUGES_H_INCLUDED_


#include "mdm_job.h"
#include "mdm_metrics.h"


/* seconds between two readings of a tenant, and of what was stored, at least */
#define MDM_GAUGES_EVERY      15

/* tenants that one call of mdm_gauges_get() tells of */
#define MDM_GAUGES_TENANTS    64


/* x->ctx of mdm_gauges_get() */

typedef struct {
    const mdm_str_t          *kinds;       /* names of the kinds of work, */
    mdm_uint_t                nkinds;      /* MDM_METRICS_WORKS at most */
    const mdm_str_t          *tenants;     /* that there are, too */
    mdm_uint_t                ntenants;

    mdm_gauges_t             *gauges;      /* filled in with 200 */
    mdm_uint_t                pages;       /* its own: that were read */
} mdm_gauges_get_t;


/* the table of kinds of work of this folder */
extern const mdm_job_kind_t  mdm_gauges_jobs[];

/* a step: reads x->tenant, and stores it */
mdm_int_t mdm_gauges_step(mdm_exchange_t *x);

/* a step: what was stored of all tenants; 200, 503 or 500 */
mdm_int_t mdm_gauges_get(mdm_exchange_t *x);


#endif /* _MDM_GAUGES_H_INCLUDED_ */
