
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Work in the background that has to do with the outbox.
 */


#ifndef _MDM_HOOK_JOB_H_INCLUDED_
#define _MDM_HOOK_JOB_H_INCLUDED_


#include "mdm_job.h"


/*
 * Looks at all streams of x->tenant: those that somebody has to get something
 * of are in x->event_tags afterwards, and what nobody needs any more is taken
 * away.  Whoever writes events sees to them at once; this is for what got lost,
 * and for places of webhooks that this host does not know.  It is never over:
 * x->again is set.
 */
mdm_int_t mdm_hook_job_step(mdm_exchange_t *x);

/* the streams of a tenant beside its partitions; closed by NULL */
extern const char *const  mdm_hook_streams[];

/*
 * The tag of stream i of x->tenant: its partitions, and then those.  MDM_OK;
 * MDM_DECLINED: there are no more; MDM_ERROR.
 */
mdm_int_t mdm_hook_tag(mdm_exchange_t *x, mdm_uint_t i, mdm_str_t *tag);


/* the kinds of work of this folder */
extern const mdm_job_kind_t  mdm_hook_jobs[];


#endif /* _MDM_HOOK_JOB_H_INCLUDED_ */
