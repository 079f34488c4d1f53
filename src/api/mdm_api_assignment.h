
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What an administrator assigns to an enrollment for its declarations: sets,
 * tags, variables, subscriptions.  The calls that read and change it.
 */


#ifndef _MDM_API_ASSIGNMENT_H_INCLUDED_
#define _MDM_API_ASSIGNMENT_H_INCLUDED_


#include "mdm_api_util.h"
#include "mdm_ddm_replica.h"


/* a change; fields are those of T:d:<id>, in key form */

typedef struct {
    mdm_enrollment_t          en;
    const char               *event;
    mdm_str_t                *ops;         /* op, field, value, … */
    mdm_uint_t                nops;        /* counts all three */
    mdm_uint_t                quiet;       /* ?nonotify=1 */
    mdm_ddm_sync_t            sync;
    mdm_uint_t                calls;
} mdm_api_assign_t;


/*
 * The name in an argument of the query: *field is "prefix" and its key form.
 * MDM_OK; MDM_DONE: it is missing or unusable, 400; MDM_ERROR.
 */
mdm_int_t mdm_api_assign_arg(mdm_exchange_t *x, const char *name,
    const char *prefix, mdm_str_t *field);

/* a change of "en", with room for n of them; NULL: no memory */
mdm_api_assign_t *mdm_api_assign_create(mdm_exchange_t *x,
    const mdm_enrollment_t *en, const char *event, mdm_uint_t n);

/* "set", "delete" or "clear" (all fields that begin so) */
void mdm_api_assign_add(mdm_api_assign_t *assign, const char *op,
    const mdm_str_t *field, const mdm_str_t *value);

/*
 * Makes the change; ?nonotify=1 is read here.  What the tenant has said by now
 * is brought to the partition first, so that the channel gets what was put into
 * its sets.  Returns what a step returns; the step is called again in "state",
 * with its own x->ctx, for mdm_api_assign_answer().
 */
mdm_int_t mdm_api_assign_call(mdm_exchange_t *x, mdm_api_assign_t *assign,
    mdm_int_t state);

/* its answer: 204, 304 where nothing changed, 409 where a limit is hit */
mdm_int_t mdm_api_assign_answer(mdm_exchange_t *x);

/* starts the round that reads what is assigned to enrollment "en" */
mdm_int_t mdm_api_assignment_call(mdm_exchange_t *x, const mdm_enrollment_t *en,
    mdm_int_t state);


#endif /* _MDM_API_ASSIGNMENT_H_INCLUDED_ */
