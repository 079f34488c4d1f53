
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A look through the partitions of a tenant for pushes that are due: what is
 * known of them, and which of them are asked next.
 */


#ifndef _MDM_PUSH_LOOK_H_INCLUDED_
#define _MDM_PUSH_LOOK_H_INCLUDED_


#include "mdm_push_lease.h"
#include "mdm_push_wait.h"


/* partitions asked in a round, and channels of each at the first look */
#define MDM_PUSH_LOOKS        128
#define MDM_PUSH_FIRST        8

/* rounds without a lease that widen the next one */
#define MDM_PUSH_WIDER        4


typedef struct {
    mdm_str_t                 tag;         /* KEYS[1] */
    int64_t                   next;        /* ms until something is due; -1:
                                              nothing is owed */
    mdm_uint_t                batch;       /* the last one that it has leases
                                              in, from 1 */
    unsigned                  due:1;       /* to be asked */
    unsigned                  asked:1;     /* it was, at least once */
    unsigned                  walk:1;      /* push was switched on */
} mdm_push_partition_t;


/* pushes that were leased together */

typedef struct {
    mdm_push_lease_t         *leases;
    mdm_uint_t                n;
} mdm_push_batch_t;


typedef struct {
    mdm_push_partition_t     *partitions;
    mdm_uint_t                npartitions;
    mdm_uint_t                size;        /* leases of a batch, */
    mdm_uint_t                most;        /* and of the exchange */
    mdm_uint_t                cursor;      /* the next one to be asked */
    mdm_push_partition_t     *asked[MDM_PUSH_LOOKS];
    mdm_uint_t                nasked;      /* in this round, behind … */
    mdm_uint_t                nstored;     /* … calls that store */

    /*
     * While "batch" is sent, what became of "sent" is stored, and the next
     * leases come where that was: Redis need not wait for APNs.
     */

    mdm_push_batch_t          batch;
    mdm_push_batch_t          sent;
    mdm_uint_t                nbatch;      /* batches so far */
    mdm_uint_t                granted;     /* of the batch, to be sent */

    mdm_uint_t                room;        /* leases that the rate allows */

    mdm_push_waits_t          waits;

    mdm_uint_t                total;       /* leases so far */
    mdm_uint_t                rounds;
    mdm_uint_t                wider;       /* of them, in vain, in a row */
    int64_t                   again;       /* ms until the rate, or a topic,
                                              allows more; 0: they do */
    unsigned                  flows:1;     /* APNs has answered the last ones */
    unsigned                  away:1;      /* Redis is, for some of it */
    unsigned                  found:1;     /* and was there for some */
} mdm_push_sweep_t;


/*
 * Sets sw->asked and sw->nasked: the partitions that are asked in the next
 * round, none if it is the end.  Where nothing can be sent for a while, each is
 * asked once all the same: when is its next push due?  sending: the batch is
 * sent meanwhile.
 */
void mdm_push_look_choose(mdm_exchange_t *x, mdm_push_sweep_t *sw,
    mdm_uint_t sending);

/* leases of a round */
mdm_uint_t mdm_push_look_room(const mdm_push_sweep_t *sw);

/* ms until the next look at the tenant, at least */
int64_t mdm_push_look_soonest(const mdm_push_sweep_t *sw);


#endif /* _MDM_PUSH_LOOK_H_INCLUDED_ */
