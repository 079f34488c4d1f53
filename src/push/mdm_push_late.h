
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Pushes that have ended when nobody waited for them any more: what became of
 * them is stored all the same.
 */


#ifndef _MDM_PUSH_LATE_H_INCLUDED_
#define _MDM_PUSH_LATE_H_INCLUDED_


#include "mdm_push_lease.h"


/* calls of a round, at most */
#define MDM_PUSH_LATE_CALLS   64

/*
 * Leases that wait to be stored, at most, of under 1 kB each: Redis may hang,
 * and what is left out is pushed again when its lease is over.
 */
#define MDM_PUSH_LATE_MAX     4096


/* x->ctx of the step, in the arena or outliving the exchange; zeroed first */

typedef struct {
    mdm_push_lease_t         *leases;
    mdm_uint_t                n;
    mdm_uint_t                size;        /* room in "leases" */
    mdm_uint_t                stored;
} mdm_push_late_t;


/*
 * Adds a push that has ended, and whose stamp says which lease it was; before
 * the first run.  All that is kept of it is copied.  MDM_OK;
 * MDM_DECLINED: there are too many; MDM_ERROR.
 */
mdm_int_t mdm_push_late_add(mdm_exchange_t *x, mdm_push_late_t *late,
    const mdm_push_t *push);

/*
 * A step: stores what was added.  200, whatever came of it: what could not be
 * stored is pushed again when its lease is over.
 */
mdm_int_t mdm_push_late_step(mdm_exchange_t *x);


#endif /* _MDM_PUSH_LATE_H_INCLUDED_ */
