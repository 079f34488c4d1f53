
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The job that sends what is owed: by a crash, a lease that ran out, a retry.
 */


#ifndef _MDM_PUSH_SWEEP_H_INCLUDED_
#define _MDM_PUSH_SWEEP_H_INCLUDED_


#include "mdm_job.h"


/* seconds between two looks at a tenant that nothing is known of */
#define MDM_PUSH_POLL         (6 * 60 * 60)

/* and, for a minute, at one to whom pushes may be owed by now */
#define MDM_PUSH_OFTEN        5


/*
 * The step of the kind MDM_PUSH_JOB, see mdm_job.h.  With x->owed_tag it looks
 * at that partition alone, once, for whoever has just queued something there.
 */
mdm_int_t mdm_push_sweep_step(mdm_exchange_t *x);


#endif /* _MDM_PUSH_SWEEP_H_INCLUDED_ */
