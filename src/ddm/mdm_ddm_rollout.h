
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The rollout: brings the changes of a tenant's declarations to its
 * partitions, each of which has a copy of the sets, and from there to its
 * channels, which get a DeclarativeManagement command each.  It goes by
 * revisions, not by a list of what is to be done: what a crash leaves
 * unfinished is seen and finished by whoever runs it next.
 */


#ifndef _MDM_DDM_ROLLOUT_H_INCLUDED_
#define _MDM_DDM_ROLLOUT_H_INCLUDED_


#include "mdm_ddm_replica.h"
#include "mdm_job.h"


/* the kind of work, see mdm_job.h */
#define MDM_DDM_ROLLOUT       "rollout"


typedef struct mdm_ddm_partition_s  mdm_ddm_partition_t;


/* x->ctx of the step, which makes it */

typedef struct {
    mdm_str_t                 key;         /* "mdm:{tenant/ddm}" */
    int64_t                   rev;         /* to be rolled out */
    mdm_ddm_partition_t      *partitions;
    mdm_uint_t                probed;      /* partitions that were asked */
    mdm_uint_t                done;        /* that are up to date */
    mdm_uint_t                next;        /* of partitions, to be looked at */
    mdm_ddm_partition_t      *active;      /* that got the call of the round */
    int64_t                   cursor;      /* of those that get the page */
    mdm_uint_t                reset;
    mdm_ddm_page_t            page;

    mdm_uint_t                rounds;      /* since the last heartbeat */
    mdm_uint_t                steps;       /* since the start */
    size_t                    bytes;       /* of pages, since the start */

    int64_t                   seen;        /* channels looked at */
    int64_t                   changed;     /* that have other declarations */
    int64_t                   queued;      /* that got a command */
} mdm_ddm_rollout_t;


/*
 * The step of a rollout of x->tenant, a kind of work: its results are those of
 * mdm_job.h.
 */
mdm_int_t mdm_ddm_rollout_step(mdm_exchange_t *x);

/* mdm_ddm_jobs.c: the kinds of work of this folder, closed by a NULL step */
extern const mdm_job_kind_t  mdm_ddm_jobs[];


#endif /* _MDM_DDM_ROLLOUT_H_INCLUDED_ */
