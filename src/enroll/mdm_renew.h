
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Renewal of devices' certificates: whose is due gets its enrolment profile
 * anew, with a challenge of its own in it.  That is made when it is delivered,
 * so that the challenge is fresh, and nobody sees it in a queue.
 */


#ifndef _MDM_RENEW_H_INCLUDED_
#define _MDM_RENEW_H_INCLUDED_


#include "mdm_enroll.h"
#include "mdm_job.h"
#include "mdm_pin.h"


/* the kind of work that queues them */
#define MDM_RENEW_JOB         MDM_PIN_JOB

/* seconds after which it looks, once a device has enrolled */
#define MDM_RENEW_LOOK        MDM_PIN_LOOK


/* x->ctx of mdm_renew_build(), in the arena; zeroed but for what comes first */

typedef struct {
    mdm_str_t                 tag;         /* of the partition */
    mdm_str_t                 id;          /* the device (key form) */
    mdm_str_t                 device;      /* the same, raw */
    mdm_str_t                 uuid;        /* the command (key form) */
    mdm_str_t                 name;        /* of the block; empty: it is of no
                                              use any more */
    mdm_str_t                 serial;
    mdm_str_t                 person;
    mdm_str_t                 keys;        /* see mdm_profile_keys() */

    /* the command afterwards; empty: there is none, it has left the queue */

    mdm_str_t                 body;

    mdm_enroll_grant_t        grant;       /* the step's own */
    mdm_str_t                 made;
} mdm_renew_t;

/*
 * A step that is entered: makes a renewal that is about to be delivered, and
 * keeps it for as long as it is not answered.  Where none can be made it is
 * taken out of the queue, for the job to see what is wrong.
 */
mdm_int_t mdm_renew_build(mdm_exchange_t *x);


/* mdm_renew_job.c */
extern const mdm_job_kind_t  mdm_renew_jobs[];


#endif /* _MDM_RENEW_H_INCLUDED_ */
