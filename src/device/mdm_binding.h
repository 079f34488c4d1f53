
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a certificate of ours was issued for, and whom it is bound to: a device
 * to which it may not be pinned is refused, whatever mdm_reenroll says.
 */


#ifndef _MDM_BINDING_H_INCLUDED_
#define _MDM_BINDING_H_INCLUDED_


#include "mdm_enrollment.h"
#include "mdm_exchange_secret.h"


/* bytes of a UDID, a serial number, a person */
#define MDM_CHALLENGE_NAME    256


/* what a certificate may be used for */

typedef enum {
    MDM_PURPOSE_DEVICE = 0,
    MDM_PURPOSE_USER,            /* User Enrollment: an EnrollmentID */
    MDM_PURPOSE_RENEW,           /* in the place of a device's certificate */
    MDM_PURPOSE_OTA,             /* between two profiles; never pinned */
    MDM_PURPOSES
} mdm_purpose_e;

/* "device", "user", "renew", "ota" */
mdm_str_t mdm_purpose_name(mdm_uint_t purpose);

/* MDM_OK; MDM_DECLINED: it is none of them */
mdm_int_t mdm_purpose_read(const mdm_str_t *name, mdm_uint_t *purpose);


/* whom a challenge, and what it gives, is for; what is empty is not bound */

typedef struct {
    mdm_str_t                 id;          /* challenge_id */
    mdm_str_t                 udid;        /* or EnrollmentID */
    mdm_str_t                 serial;
    mdm_str_t                 person;

    /* of one in an enrolment profile */

    mdm_str_t                 enrollment;  /* name of the block */
    mdm_str_t                 way;         /* "link", "ota" … */
    mdm_str_t                 keys;        /* see mdm_profile_keys() */
    mdm_str_t                 replace;     /* "none": it does not take the
                                              place of an enabled device's */
    mdm_str_t                 link;        /* SHA-256 of its link, hex */
    mdm_str_t                 gives;       /* what the device is given when it
                                              enrolls, see mdm_gives.h */

    mdm_uint_t                purpose;     /* mdm_purpose_e */
} mdm_challenge_t;

/*
 * All of it but id and purpose as it is kept, "" where there is none of it,
 * sealed for this place; and the reverse, into what is opened.  MDM_OK;
 * to read also MDM_DONE: the exchange is answered (500, 503); MDM_ERROR.
 */
mdm_int_t mdm_challenge_bind(mdm_exchange_t *x,
    const mdm_secret_where_t *where, const mdm_challenge_t *c,
    mdm_str_t *bind);
mdm_int_t mdm_challenge_bound(mdm_exchange_t *x,
    const mdm_secret_where_t *where, const mdm_str_t *bind,
    mdm_challenge_t *c);

/*
 * The same for a list, of a "challenge" or "link": one whose bindings cannot be
 * read has none, which the log says, so that it is seen and can be taken back.
 */
mdm_int_t mdm_challenge_bound_listed(mdm_exchange_t *x,
    const mdm_secret_where_t *where, const char *what, const mdm_str_t *bind,
    mdm_challenge_t *c);


/* what claim_get.lua and claim.lua say of a certificate */

typedef struct {
    mdm_uint_t                ledger;      /* 1: it is one of ours, and what
                                              follows is filled in */
    mdm_str_t                 ca;
    mdm_str_t                 renew;       /* Unix seconds */
    mdm_challenge_t           c;           /* but for its id */
} mdm_binding_t;

/*
 * Reads a reply from slot "ca" on, which both scripts have alike; "key" is that
 * of the certificate.  MDM_OK; MDM_DONE: the exchange is answered; MDM_ERROR.
 */
mdm_int_t mdm_binding_read(mdm_exchange_t *x, const mdm_reply_t *reply,
    size_t slot, const mdm_str_t *key, mdm_binding_t *b);

/*
 * Why the certificate of this exchange may not be pinned to this device, or
 * NULL: it is bound to another one, or for something else; or it is in no
 * ledger though it should be.  "stored" is the serial number of the device, if
 * it is known and has one; "said" that of the message: both must fit a
 * certificate that is bound to one.
 */
const char *mdm_binding_refuses(const mdm_exchange_t *x,
    const mdm_binding_t *b, const mdm_enrollment_t *en,
    const mdm_str_t *stored, const mdm_str_t *said);

/*
 * Does it stand for this device by what it is bound to, as one does that names
 * it?  It was not refused before; "known": the device's serial number is.  1 or
 * 0.
 */
mdm_uint_t mdm_binding_names(const mdm_binding_t *b, mdm_uint_t known);

/*
 * The device alone vouches for itself, by a message of Apple's certificate that
 * has no nonce, and that somebody may have kept; 1 or 0.
 */
mdm_uint_t mdm_binding_kept(const mdm_binding_t *b);

/* one of ours that is bound to nobody; 1 or 0 */
mdm_uint_t mdm_binding_open(const mdm_binding_t *b);


#endif /* _MDM_BINDING_H_INCLUDED_ */
