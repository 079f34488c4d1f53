
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Topics that take no pushes at present, in one look at what is owed.
 */


#ifndef _MDM_PUSH_WAIT_H_INCLUDED_
#define _MDM_PUSH_WAIT_H_INCLUDED_


#include "mdm_push_lease.h"


/* topics that are known to take no pushes at present */
#define MDM_PUSH_TOPICS       16

/* milliseconds until a push is tried again, at least */
#define MDM_PUSH_SOONEST      100


typedef struct {
    mdm_str_t                 topic;
    int64_t                   first;       /* ms until the next try */
    unsigned                  taken:1;     /* which was well */
} mdm_push_wait_t;


typedef struct {
    mdm_push_wait_t           topics[MDM_PUSH_TOPICS];
    mdm_uint_t                n;
    int64_t                   down;        /* ms until there may be a connection
                                              again, 0: none is missing */
} mdm_push_waits_t;


/* NULL: pushes of the topic can be sent */
mdm_push_wait_t *mdm_push_waits_find(mdm_push_waits_t *waits,
    const mdm_str_t *topic);

/* the topic of a push that has judged.waits waits from now on */
void mdm_push_waits_add(mdm_push_waits_t *waits,
    const mdm_push_lease_t *lease);

/*
 * How many of n leases can be sent: those that the rate grants, which come
 * first, and whose topic does not wait.  The others are given back.
 */
mdm_uint_t mdm_push_waits_ready(mdm_push_waits_t *waits,
    mdm_push_lease_t *leases, mdm_uint_t n, mdm_uint_t granted);

/*
 * Where one push of a topic was taken it waits no more: those of the n leases
 * that would have waited are given back.
 */
void mdm_push_waits_end(mdm_push_waits_t *waits, mdm_push_lease_t *leases,
    mdm_uint_t n);


#endif /* _MDM_PUSH_WAIT_H_INCLUDED_ */
