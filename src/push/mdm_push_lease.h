
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Owed pushes that are leased: sent, and what became of them stored.  See
 * src/lua/push_take.lua.
 */


#ifndef _MDM_PUSH_LEASE_H_INCLUDED_
#define _MDM_PUSH_LEASE_H_INCLUDED_


#include "mdm_push.h"
#include "mdm_push_memory.h"


/* ms until another one may send a push that was leased */
#define MDM_PUSH_LEASE        "15000"

/* channels that one script handles */
#define MDM_PUSH_CHANNELS     100


typedef struct {
    mdm_str_t                 tag;         /* its partition, KEYS[1] */
    mdm_str_t                 id;          /* key form */
    mdm_str_t                 topic;
    mdm_str_t                 token;
    mdm_str_t                 stamp;
    int64_t                   owed;        /* as that of mdm_push_t */
    mdm_str_t                 payload;     /* empty: there can be none */
    mdm_push_t               *push;        /* NULL: it was not sent */
    mdm_push_judged_t         judged;      /* word NULL: nothing is stored, so
                                              that the lease runs out */
} mdm_push_lease_t;


/*
 * Makes lease->payload from the magic.  Where token or magic are none that APNs
 * would take, lease->judged says so.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_push_lease_init(mdm_exchange_t *x, mdm_push_lease_t *lease,
    const mdm_str_t *magic);

/*
 * Makes call i the push of a lease; wait: as that of mdm_push_t.  MDM_OK or
 * MDM_ERROR.
 */
mdm_int_t mdm_push_lease_send(mdm_exchange_t *x, mdm_uint_t i,
    mdm_push_lease_t *lease, mdm_uint_t wait);

/* what became of it, once its call has ended; MDM_OK or MDM_ERROR */
mdm_int_t mdm_push_lease_judge(mdm_exchange_t *x, mdm_push_lease_t *lease);

/* it is not sent now, and due again after "first" ms */
void mdm_push_lease_back(mdm_push_lease_t *lease, int64_t first);

/* how many calls store what became of n leases, sorted by partition */
mdm_uint_t mdm_push_lease_ncalls(const mdm_push_lease_t *leases, mdm_uint_t n);

/* makes these calls, from call i on; MDM_OK or MDM_ERROR */
mdm_int_t mdm_push_lease_calls(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_push_lease_t *leases, mdm_uint_t n);

/* makes call i push_take, of n channels; MDM_OK or MDM_ERROR */
mdm_int_t mdm_push_lease_take(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_str_t *tag, mdm_uint_t n);

/* makes call i push_grant, of n pushes; MDM_OK or MDM_ERROR */
mdm_int_t mdm_push_lease_grant(mdm_exchange_t *x, mdm_uint_t i, mdm_uint_t n);


#endif /* _MDM_PUSH_LEASE_H_INCLUDED_ */
