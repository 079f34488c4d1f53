
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The certificate that is pinned to a device: what may take its place, and
 * whether the secrets that are kept go over to it.
 */


#ifndef _MDM_PIN_H_INCLUDED_
#define _MDM_PIN_H_INCLUDED_


#include "mdm_binding.h"
#include "mdm_block.h"
#include "mdm_enrollment.h"
#include "mdm_exchange.h"


/* the kind of work that looks when a pin is to be renewed, see mdm_renew.h */
#define MDM_PIN_JOB           "renew"

/* seconds after which it looks, once there is a pin */
#define MDM_PIN_LOOK          600


/* what Redis knows of a device, as authenticate_check.lua answers it */

typedef struct {
    mdm_uint_t                known;       /* 1: there is such a device */
    mdm_uint_t                enabled;     /* 1: it can be pushed to, and gets
                                              commands */
    mdm_uint_t                migrated;    /* 1: from another server, and
                                              without a pin so far */
    mdm_str_t                 digest;      /* of the pinned certificate, 32
                                              bytes, or empty */
    mdm_str_t                 serial;      /* the stored serial number */
    mdm_str_t                 subject;     /* digest of the subject that is
                                              or was pinned last, or empty */
    mdm_str_t                 next;        /* digest of the certificate of a
                                              renewal, or empty */
    mdm_block_e               blocked;     /* how it is refused */
    mdm_str_t                 marks;       /* of what is left of one that is
                                              being forgotten, or empty */
} mdm_pin_t;


/*
 * Fills in "pin", whose strings are of the reply.  Where the digest of the
 * subject is not kept, it is that of the certificate, if that is.  MDM_OK or
 * MDM_ERROR.
 */
mdm_int_t mdm_pin_read(mdm_exchange_t *x, const mdm_reply_t *reply,
    mdm_pin_t *pin);

/*
 * Does mdm_reenroll let the request's certificate be pinned to this device?
 * The serial number that counts is the stored one: what a message says of
 * itself proves nothing.  1 or 0.
 */
mdm_uint_t mdm_pin_allowed(mdm_exchange_t *x, const mdm_enrollment_t *en,
    const mdm_pin_t *pin);

/* the certificate names this serial number; 1 or 0 */
mdm_uint_t mdm_pin_names_serial(mdm_exchange_t *x, const mdm_str_t *serial);

/*
 * Are the device's secrets withheld from the request's certificate?  1 if a
 * certificate is replaced, now or after a reset, by one that does not name
 * the device and has another subject; else 0.
 */
mdm_uint_t mdm_pin_withholds(mdm_exchange_t *x, const mdm_enrollment_t *en,
    const mdm_pin_t *pin, const mdm_str_t *subject);

/*
 * Of the request's certificate: the digest of its subject, or empty, and when
 * its claim ends as an argument of claim.lua.  Either may be NULL.  MDM_OK or
 * MDM_ERROR.
 */
mdm_int_t mdm_pin_certificate(mdm_exchange_t *x, mdm_str_t *subject,
    mdm_str_t *expires);


/* arguments of a script that pins a certificate: see _certificate.lua */

typedef struct {
    mdm_str_t                 ca;
    mdm_str_t                 sn;
    mdm_str_t                 ends;
    mdm_str_t                 renew;
} mdm_pin_dates_t;

/*
 * Those of the request's certificate; "b" is what the ledger has of it.  MDM_OK
 * or MDM_ERROR.
 */
mdm_int_t mdm_pin_dates(mdm_exchange_t *x, const mdm_binding_t *b,
    mdm_pin_dates_t *dates);


#endif /* _MDM_PIN_H_INCLUDED_ */
