
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Work that no request waits for.  A kind of work is a step.  Redis knows what
 * is due and who does it: "mdm:{work}:due:<kind>" has tenants, scored by the
 * time when a worker must look at them.  A worker that takes one leases it by
 * moving this time ahead, so a crash costs one lease; a kick that got lost
 * costs latency only.
 */


#ifndef _MDM_JOB_H_INCLUDED_
#define _MDM_JOB_H_INCLUDED_


#include "mdm_exchange.h"


#define MDM_JOB_KEY           "mdm:{work}"

/* seconds: a lease that suits most kinds, and how often each is renewed */
#define MDM_JOB_LEASE         15
#define MDM_JOB_RENEW         5

/*
 * A change is announced before it is made.  Seconds after which a worker looks
 * again: the change is made by then, and who made it may have crashed.
 */
#define MDM_JOB_ANNOUNCE      60

/* bytes of a kind's name */
#define MDM_JOB_NAME_MAX      16


/*
 * The step of a kind runs with x->kind MDM_KIND_JOB and x->tenant set.  It
 * finds out by itself what there is to do, which may be nothing.  It ends with
 * 200: all is done; 202: there is more to do at once; 503: Redis was away; 500:
 * it failed, and x->error says why.  When x->stop is set between two rounds, it
 * ends soon with 202, and may leave its work as unfinished as a crash would.
 */

typedef struct {
    mdm_str_t                 name;        /* letters, digits, "-" */
    mdm_step_pt               step;
    mdm_uint_t                poll;        /* seconds until somebody must look
                                              again; 0: when it is kicked */
    mdm_uint_t                lease;       /* seconds */
    mdm_uint_t                often;       /* seconds between two looks while a
                                              change is announced; 0: one look
                                              when it must be there */
    mdm_uint_t                rated;       /* 1: a rate of its own bounds it, so
                                              that it makes no pauses */
} mdm_job_kind_t;

#define mdm_job_null  { { 0, NULL }, NULL, 0, 0, 0, 0 }


/* x->ctx of mdm_job_look_step(), in the arena or outliving the exchange */

typedef struct {
    mdm_str_t                 work;        /* "kind tenant" */
    int64_t                   again;       /* milliseconds until somebody must
                                              look again, -1: nobody need */
    mdm_uint_t                often;       /* of its kind */
} mdm_job_done_t;

typedef struct {
    mdm_str_t                 work;        /* "kind tenant" */
    mdm_uint_t                lease;       /* seconds */
} mdm_job_held_t;

typedef struct {
    const mdm_job_kind_t     *kind;
    mdm_uint_t                most;        /* pieces of it */
} mdm_job_want_t;

typedef struct {
    mdm_str_t                 runner;      /* names this one among all */
    mdm_uint_t                most;        /* to be taken, at most */

    mdm_job_done_t           *done;        /* to be ended */
    mdm_uint_t                ndone;
    mdm_str_t                *kicks;       /* "kind tenant", to be kicked */
    mdm_uint_t                nkicks;
    mdm_job_held_t           *held;        /* to be renewed */
    mdm_uint_t                nheld;
    mdm_job_want_t           *wants;
    mdm_uint_t                nwants;

    /* filled in with 200 */

    int64_t                   next;        /* milliseconds until more is due of
                                              what there is room for, -1:
                                              nothing is known of */
    unsigned char            *lost;        /* of each in "held", 1: somebody
                                              else may have it now */
    mdm_str_t                *taken;       /* "kind tenant", valid until the
                                              exchange ends */
    mdm_uint_t                ntaken;
} mdm_job_look_t;


/*
 * A step: ends, kicks, renews and takes, in this order, in one round.  200:
 * done; 503: Redis was away, so each part may have been done or not, and can be
 * repeated; 500: a script failed.
 */
mdm_int_t mdm_job_look_step(mdm_exchange_t *x);

/*
 * Fills in call i: a worker is to look at work of this kind for x->tenant in
 * "delay" seconds at the latest.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_job_kick_call(mdm_exchange_t *x, mdm_uint_t i, const char *kind,
    mdm_uint_t delay);

/* "kind tenant"; MDM_OK or MDM_ERROR */
mdm_int_t mdm_job_work(mdm_arena_t *arena, mdm_str_t *work,
    const mdm_str_t *kind, const mdm_str_t *tenant);

/*
 * Splits "kind tenant" into the index of the kind among n, and the tenant,
 * which points into "work".  MDM_DECLINED: no such kind, or not a tenant.
 */
mdm_int_t mdm_job_parse(const mdm_str_t *work,
    const mdm_job_kind_t *const *kinds, mdm_uint_t n, mdm_uint_t *kind,
    mdm_str_t *tenant);


#endif /* _MDM_JOB_H_INCLUDED_ */
