
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Pushes that a call of the API has leased: sent, stored, told of.
 */


#ifndef _MDM_API_OWED_H_INCLUDED_
#define _MDM_API_OWED_H_INCLUDED_


#include "mdm_api_ids.h"
#include "mdm_json_write.h"
#include "mdm_push_lease.h"


/* of an id, in the answer */

typedef struct {
    const char               *error;       /* why it was not woken, */
    mdm_uint_t                joined;      /* 1: by a push of just now, */
    mdm_push_lease_t         *lease;       /* or by this one; else NULL */
} mdm_api_owed_id_t;


typedef struct {
    mdm_uint_t                wakes;       /* 1: the call sends them itself, */
    mdm_uint_t                grants;      /* calls that ask for the rate */
    mdm_api_ids_t            *list;
    mdm_api_owed_id_t        *ids;         /* of each in the list */
    mdm_push_lease_t         *leases;
    mdm_uint_t                n;
    int64_t                   granted;     /* pushes that the rate allows */
    mdm_uint_t                failed;      /* ids with an error */
} mdm_api_owed_t;


/*
 * For the ids of a list.  The call wakes them itself, unless they are too many.
 * MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_api_owed_init(mdm_exchange_t *x, mdm_api_owed_t *owed,
    mdm_api_ids_t *list);

/*
 * What the script "enqueue" or "push_ask" says of pushes to a chunk, whose
 * first id without an outcome was the first one of the call.  MDM_OK or
 * MDM_ERROR.
 */
mdm_int_t mdm_api_owed_rows(mdm_exchange_t *x, mdm_api_owed_t *owed,
    const mdm_api_chunk_t *chunk, const mdm_reply_t *rows);

/*
 * Behind n calls for "nids" ids, of a round that has n + owed->grants: asks for
 * the rate; and reads the answer: how many calls are in front of it.  The first
 * one returns what a step returns.
 */
mdm_int_t mdm_api_owed_grant(mdm_exchange_t *x, mdm_api_owed_t *owed,
    mdm_uint_t n, mdm_uint_t nids);
mdm_uint_t mdm_api_owed_granted(mdm_exchange_t *x, mdm_api_owed_t *owed);

/*
 * Sends what was leased, as far as it is granted, and stores what came of it;
 * the step goes on in "state".  Returns what a step returns.
 */
mdm_int_t mdm_api_owed_wake(mdm_exchange_t *x, mdm_api_owed_t *owed,
    mdm_int_t state);

/*
 * For the log: so many channels are owed a push when the call is answered.
 * MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_api_owed_note(mdm_exchange_t *x, mdm_uint_t n);

/* members of the object of id i: 1, or 0: there is nothing to be said */
mdm_uint_t mdm_api_owed_has(const mdm_api_owed_t *owed, mdm_uint_t i);
void mdm_api_owed_json(mdm_json_out_t *j, const mdm_api_owed_t *owed,
    mdm_uint_t i);


#endif /* _MDM_API_OWED_H_INCLUDED_ */
