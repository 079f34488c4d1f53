
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Enters all devices of a tenant in the index of serial numbers: those that
 * enrolled before there was one, or while it was lost.
 */


#ifndef _MDM_API_REINDEX_H_INCLUDED_
#define _MDM_API_REINDEX_H_INCLUDED_


#include "mdm_exchange.h"


/* x->ctx of the step; zeroed by whoever makes it, in x->arena */

typedef struct {
    uint32_t                  partition;   /* where it stands */
    mdm_str_t                 after;       /* and behind which id */
    mdm_uint_t                rounds;
    uint64_t                  seen;        /* enrollments looked at */
    uint64_t                  devices;     /* of these, with a number */
    uint64_t                  added;       /* devices that were not there */
    mdm_uint_t                more;        /* 1: begin again from there */
} mdm_api_reindex_t;


/*
 * The step; x->kind is MDM_KIND_JOB.  It ends with 200: all partitions are
 * done, or "more" is set: memory is kept until an exchange ends, so go on in
 * another one from the same partition and id (copied).  503: Redis was away;
 * 500: a script failed.  It may be run again, and while devices enroll.
 */
mdm_int_t mdm_api_reindex_step(mdm_exchange_t *x);


#endif /* _MDM_API_REINDEX_H_INCLUDED_ */
