
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The ledger of certificates that were issued.  Steps that are entered, as
 * those of mdm_challenge.h.
 */


#ifndef _MDM_CERTIFICATES_H_INCLUDED_
#define _MDM_CERTIFICATES_H_INCLUDED_


#include "mdm_challenge.h"


/* a public key that is to be certified: may whoever wants it have it? */

typedef struct {
    mdm_uint_t                look;        /* 1: nothing is written */
    mdm_str_t                 spki;        /* SHA-256 of it, hex */
    mdm_challenge_t           c;           /* whom it is for */
    mdm_str_t                 device;      /* enrollment id, or empty */
    mdm_str_t                 before;      /* owner of the certificate that is
                                              renewed, or empty */
    int64_t                   ends;        /* of the certificate, Unix
                                              seconds */

    mdm_uint_t                refused;     /* 1: it is another device's */
    mdm_str_t                 owner;       /* as it is kept now */
    mdm_str_t                 plain;       /* as it was found, of before there
                                              was an encryption_key */
} mdm_certificates_owner_t;

/* before anything is signed; idempotent */
mdm_int_t mdm_certificates_owner(mdm_exchange_t *x);


/*
 * A device renews with a public key and without a challenge; the key was
 * claimed before.  What the certificate is to have, or had the first time.
 */

typedef struct {
    mdm_str_t                 spki;
    mdm_str_t                 renews;      /* SHA-256 of the certificate that is
                                              renewed, hex */
    mdm_str_t                 sn;          /* serial number, hex */
    int64_t                   from;        /* Unix seconds */
    int64_t                   ends;
    mdm_str_t                 ca;

    int64_t                   code;        /* MDM_CHALLENGE_TAKEN, _AGAIN;
                                              _UNKNOWN: it was not claimed */
    mdm_str_t                 der;         /* with _AGAIN, or empty */
    mdm_str_t                 key;         /* of the public key in Redis */
} mdm_certificates_renew_t;

mdm_int_t mdm_certificates_renew(mdm_exchange_t *x);


/*
 * A certificate is signed: it is stored in the order that a retry can finish,
 * each part in its own slot and idempotent.  Where another worker was first,
 * "der" is that one's afterwards.
 */

typedef struct {
    mdm_str_t                 key;         /* of the challenge, or of the
                                              public key, by which it was
                                              taken */
    mdm_str_t                 name;        /* spki, or "renews" */

    mdm_str_t                 der;
    mdm_str_t                 spki;
    mdm_str_t                 sn;
    int64_t                   from;
    int64_t                   ends;
    int64_t                   renew;       /* Unix seconds: when it is to be
                                              renewed; 0: 30 days before its
                                              end */
    mdm_str_t                 ca;
    mdm_challenge_t           c;
    mdm_str_t                 device;      /* enrollment id, or empty: that of
                                              c.udid, whatever the case of its
                                              letters, or for a renewal all that
                                              have c.serial */
    mdm_str_t                 owner;       /* of the public key */
    mdm_str_t                 before;      /* SHA-256 of the certificate that
                                              its holder renews, raw, or
                                              empty */
    int64_t                   at;          /* when it was asked for, Unix
                                              seconds; 0: unknown */
    mdm_uint_t                noted;       /* 1: a job knows of it */

    mdm_enrollment_t         *en;          /* those that are enrolled of the
                                              devices that it is for */
    mdm_uint_t                nen;
    mdm_uint_t                refused;     /* 1: what took it is gone, or the
                                              certificate is another device's */
    mdm_str_t                 sha256;      /* of the certificate, hex */
} mdm_certificates_issued_t;

/*
 * Who begins is noted before: what is not finished half a minute later, a job
 * finishes (mdm_certificates_job.h).
 */
mdm_int_t mdm_certificates_finish(mdm_exchange_t *x);

/*
 * When a certificate is to be renewed, "before" seconds ahead of its end; where
 * its CA ends so soon that it lives shorter, or hardly longer, after half of
 * its life.  Unix seconds
 */
int64_t mdm_certificates_due(int64_t from, int64_t ends, int64_t before);

/* one for a renewal is for this device, and for whom the one before was */
void mdm_certificates_bind(mdm_challenge_t *c, const mdm_str_t *device,
    const mdm_challenge_t *was);


/* one of the ledger, by its SHA-256 */

typedef struct {
    mdm_str_t                 sha256;      /* hex */

    mdm_uint_t                found;
    mdm_str_t                 claimed;     /* for this device, key form */
    mdm_str_t                 ca;
    mdm_str_t                 sn;
    mdm_str_t                 spki;
    mdm_str_t                 from;        /* Unix seconds */
    mdm_str_t                 ends;
    mdm_str_t                 renew;
    mdm_str_t                 state;       /* issued, pinned, replaced */
    mdm_str_t                 owner;
    mdm_str_t                 der;
    mdm_challenge_t           c;
} mdm_certificates_entry_t;

mdm_int_t mdm_certificates_get(mdm_exchange_t *x);

/* reads a reply of certificate_get.lua; MDM_OK, MDM_DONE, MDM_ERROR */
mdm_int_t mdm_certificates_read(mdm_exchange_t *x, const mdm_reply_t *reply,
    mdm_certificates_entry_t *entry);


#endif /* _MDM_CERTIFICATES_H_INCLUDED_ */
