
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Work in the background that has to do with pushes.
 */


#ifndef _MDM_PUSH_JOB_H_INCLUDED_
#define _MDM_PUSH_JOB_H_INCLUDED_


#include "mdm_job.h"


/* the kind that says when push certificates end, see mdm_job.h */
#define MDM_PUSH_CERT_JOB     "pushcert"


/*
 * Looks at the certificates of x->tenant, says in the log which of them end
 * soon, and writes events.
 */
mdm_int_t mdm_push_cert_step(mdm_exchange_t *x);


/* the kinds of work of this folder */
extern const mdm_job_kind_t  mdm_push_jobs[];


#endif /* _MDM_PUSH_JOB_H_INCLUDED_ */
