
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Work in the background: certificates that were signed, and stored in a part
 * of their places only, are stored in all.
 */


#ifndef _MDM_CERTIFICATES_JOB_H_INCLUDED_
#define _MDM_CERTIFICATES_JOB_H_INCLUDED_


#include "mdm_certificates.h"
#include "mdm_job.h"


/* the kind, see mdm_job.h */
#define MDM_CERTIFICATES_JOB  "certificate"


/* its step */
mdm_int_t mdm_certificates_job_step(mdm_exchange_t *x);


/* the kinds of work of this folder */
extern const mdm_job_kind_t  mdm_enroll_jobs[];


#endif /* _MDM_CERTIFICATES_JOB_H_INCLUDED_ */
