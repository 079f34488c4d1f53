
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


#include "mdm_exchange.h"


/* seconds that a runner may be silent before another one takes over */
#define MDM_DDM_LEASE         15


/* the list of tenants that may have work, its key */
#define MDM_DDM_JOBS          "mdm:jobs"


typedef struct mdm_ddm_part_s  mdm_ddm_part_t;


/* x->ctx of both steps, made by mdm_ddm_rollout_create() */

typedef struct {
    mdm_str_t                 runner;      /* names this worker */
    mdm_uint_t                look;        /* 1: there is work, even if the
                                              last rollout was complete */
    mdm_uint_t                stop;        /* set by the runner between rounds:
                                              give it up, the worker quits */
    mdm_uint_t                elsewhere;   /* another worker is at it */

    mdm_str_t                 key;         /* "mdm:{tenant/ddm}" */
    int64_t                   rev;         /* to be rolled out */
    mdm_ddm_part_t           *parts;
    mdm_uint_t                asked;       /* partitions that were looked at */
    mdm_uint_t                done;        /* that are up to date */
    mdm_uint_t                group;       /* those that get the same sets */
    mdm_uint_t                next;        /* of parts, to be begun */
    mdm_uint_t                rounds;      /* since the last word */
    mdm_uint_t                steps;       /* since the start */
    mdm_ddm_part_t          **active;      /* of the round, in its order */
    mdm_uint_t                nactive;
    const mdm_reply_t        *since;       /* the sets, as D gave them */

    int64_t                   seen;        /* channels looked at */
    int64_t                   changed;     /* that have other declarations */
    int64_t                   queued;      /* that got a command */
} mdm_ddm_rollout_t;


/* the context, in x->arena; NULL: no memory */
mdm_ddm_rollout_t *mdm_ddm_rollout_create(mdm_exchange_t *x,
    const mdm_str_t *runner);

/*
 * The step of a rollout of x->tenant; x->kind is MDM_KIND_JOB.  It ends with
 * 200: all is rolled out, or another worker is at it; 202: it was told to
 * stop; 503: Redis was away, go on later; 500: a script failed.
 */
mdm_int_t mdm_ddm_rollout_step(mdm_exchange_t *x);

/*
 * Step of a look at the list of tenants that may have work: 200 and
 * x->calls[0].reply, an array of tenant and time.
 */
mdm_int_t mdm_ddm_jobs_step(mdm_exchange_t *x);

/*
 * Call i of a round, on the list of tenants that may have work: jobs_add
 * enters this one, jobs_done takes it off.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_jobs_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_script_t *script);

/*
 * A step to be entered where a script said that the partition has no sets yet:
 * sees to it that it gets those of the tenant, whatever happens to this worker
 * once it has answered (where Redis was away, this worker alone knows).
 */
mdm_int_t mdm_ddm_kick(mdm_exchange_t *x);


/* mdm_ddm_endpoint.c */
extern const mdm_endpoint_t  mdm_ddm_endpoints[];


#endif /* _MDM_DDM_ROLLOUT_H_INCLUDED_ */
