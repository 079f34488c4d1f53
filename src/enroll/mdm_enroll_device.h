
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the ways have in common in which a device says who it is, by a signature
 * of Apple's certificate: Automated Device Enrolment and the Profile Service.
 */


#ifndef _MDM_ENROLL_DEVICE_H_INCLUDED_
#define _MDM_ENROLL_DEVICE_H_INCLUDED_


#include "mdm_enroll.h"
#include "mdm_machine_info.h"


/* seconds in which it is told once that a device was not let in */
#define MDM_ENROLL_TOLD       600


/* a signed message; what a call of work touches is in here */

typedef struct {
    mdm_str_t                 der;
    X509_STORE               *apple;
    mdm_limits_t              limits;
    int64_t                   now;
    mdm_cms_message_t         message;
    mdm_machine_info_t        info;
    mdm_int_t                 rc;          /* MDM_OK: all of it is filled in */
    const char               *why;

    /* the Profile Service: it may also be signed by one of our own */

    const mdm_ca_t *const    *cas;
    mdm_uint_t                ncas;
    mdm_uint_t                ours;        /* 1: it is */
    mdm_str_t                 signer;      /* SHA-256 of that one, hex */
} mdm_enroll_device_t;


/*
 * Prepares a message of this exchange to be read.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_enroll_device(mdm_exchange_t *x, const mdm_str_t *der,
    mdm_enroll_device_t **device);

/*
 * Automated Device Enrolment with a message that was read already: "device" is
 * one of a POST, and is verified.  Returns what a step returns, and is the last
 * thing that another step does.
 */
mdm_int_t mdm_enroll_ade_device(mdm_exchange_t *x,
    mdm_enroll_device_t *device);

/* verifies and reads it; "data" is an mdm_enroll_device_t */
mdm_int_t mdm_enroll_device_work(mdm_arena_t *arena, void *data);

/*
 * Fills in call i of the round, which writes the event mdm.EnrollRefused, once
 * in MDM_ENROLL_TOLD.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_enroll_told(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_machine_info_t *info, const char *way, const char *why);


#endif /* _MDM_ENROLL_DEVICE_H_INCLUDED_ */
