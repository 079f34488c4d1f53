
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * All tables of endpoints: check-in messages, connect, the access check, SCEP,
 * the API, jobs.
 */


#ifndef _MDM_ENDPOINT_H_INCLUDED_
#define _MDM_ENDPOINT_H_INCLUDED_


#include "mdm_job.h"


/*
 * Finds the endpoint of an exchange whose request is filled in, and sets
 * x->endpoint, x->step and x->param.  The access check is found by x->message;
 * jobs are kinds of work, see below.  What does not fit gets a step that
 * answers the error (404, 405 with Allow, 400): always leaves a step to run.
 * The ids of an API call are in its path, or those that are left out of it in
 * the arguments "identifier" and "uuid" of the query.
 */
void mdm_endpoint_find(mdm_exchange_t *x);

/*
 * A step that does so and goes on with the step that it has found: to find it
 * means to read the body, which may take long.
 */
mdm_int_t mdm_endpoint_step(mdm_exchange_t *x);

/*
 * 1 if GET (and HEAD) of this path of the API does nothing but read, whatever
 * its query, or there is no such call; 0 if it does something.
 */
mdm_uint_t mdm_endpoint_get_is_safe(const mdm_str_t *path);

/* each is closed by a NULL step, and all of them by NULL */
extern const mdm_endpoint_t *const  mdm_endpoint_tables[];


/* 1 if a body of this Content-Type is a check-in, 0: a report of connect */
mdm_uint_t mdm_endpoint_is_checkin(const mdm_str_t *content_type);

/* as many kinds of work as there may be */
#define MDM_ENDPOINT_JOBS     16

/* the kinds of work of all folders; how many there are */
mdm_uint_t mdm_endpoint_job_kinds(
    const mdm_job_kind_t *kinds[MDM_ENDPOINT_JOBS]);


#endif /* _MDM_ENDPOINT_H_INCLUDED_ */
