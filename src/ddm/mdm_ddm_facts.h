
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A device has said something new of itself, and its declarations may be others
 * by now: what the script that was told of it has left to do.
 */


#ifndef _MDM_DDM_FACTS_H_INCLUDED_
#define _MDM_DDM_FACTS_H_INCLUDED_


#include "mdm_ddm_replica.h"


/* x->ctx of mdm_ddm_facts(), in the arena; zeroed but for what is filled in */

typedef struct {
    mdm_str_t                 tag;         /* filled in by the caller: of the
                                              partition */
    mdm_str_t                 device;      /* key form */

    mdm_uint_t                told;        /* 1: something was left, a channel
                                              may have been told */

    mdm_ddm_sync_t            sync;        /* the step's own */
    mdm_str_t                 mark;
    mdm_str_t                 after;
    mdm_uint_t                calls;
} mdm_ddm_facts_t;


/*
 * A step to be entered once the facts are stored.  Where Redis is away what is
 * left is done when the device next says something of itself.
 */
mdm_int_t mdm_ddm_facts(mdm_exchange_t *x);


#endif /* _MDM_DDM_FACTS_H_INCLUDED_ */
