
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/certificates: what its parts share.
 */


#ifndef _MDM_API_CERTIFICATES_H_INCLUDED_
#define _MDM_API_CERTIFICATES_H_INCLUDED_


#include "mdm_api_certificate.h"
#include "mdm_api_scan.h"


enum {
    MDM_API_CERTIFICATES_BEGIN = 0,
    MDM_API_CERTIFICATES_FOUND,
    MDM_API_CERTIFICATES_SCANNED,
    MDM_API_CERTIFICATES_READ,
    MDM_API_CERTIFICATES_PAGED,
    MDM_API_CERTIFICATES_ISSUED,
    MDM_API_CERTIFICATES_CHECKED
};


/* one that was found at a device */

typedef struct {
    mdm_str_t                 id;          /* key form */
    mdm_str_t                 digest;      /* SHA-256, raw */
    mdm_str_t                 sha256;      /* hex */
    mdm_str_t                 sn;          /* of one that is pinned */
    mdm_str_t                 ends;
} mdm_api_certificate_t;


/* one of all that were issued */

typedef struct {
    mdm_str_t                 place;
    mdm_uint_t                wanted;
    mdm_uint_t                claimed;     /* 1: for "en" */
    mdm_enrollment_t          en;
    mdm_certificates_entry_t  entry;
} mdm_api_certificates_issued_t;


/* one of the answer */

typedef struct {
    mdm_str_t                 id;          /* key form, or empty */
    mdm_certificates_entry_t  entry;
} mdm_api_certificates_row_t;


typedef struct {
    mdm_str_t                 only;        /* key form, or empty */
    mdm_str_t                 serial;      /* of devices, upper case */
    mdm_str_t                 sn;
    mdm_str_t                 ca;
    mdm_str_t                 state;
    int64_t                   before;      /* Unix seconds; 0: any */
    int64_t                   limit;

    mdm_api_scan_t            scan;        /* behind the last partition: of all
                                              that were issued */
    mdm_api_certificate_t    *found;
    mdm_uint_t                n;

    mdm_api_certificates_issued_t  *page;
    mdm_uint_t                npage;
    mdm_uint_t                looks;

    mdm_api_certificates_row_t     *rows;
    mdm_uint_t                nrows;
} mdm_api_certificates_t;


/* mdm_api_certificates_issued.c */

/*
 * The step behind the partitions, from scan.after on: those of all that were
 * issued which no device has.
 */
mdm_int_t mdm_api_certificates_issued(mdm_exchange_t *x,
    mdm_api_certificates_t *p);


/* mdm_api_certificate.c */

/*
 * Reads a reply of certificate_get.lua.  MDM_OK; MDM_DECLINED: it cannot be
 * read, and is left out of the list; MDM_DONE; MDM_ERROR.
 */
mdm_int_t mdm_api_certificates_entry(mdm_exchange_t *x,
    const mdm_reply_t *reply, const mdm_str_t *sha256,
    mdm_certificates_entry_t *entry);

/*
 * The device that a certificate is claimed for.  MDM_OK; MDM_DECLINED: there is
 * none, or its id is none; MDM_ERROR.
 */
mdm_int_t mdm_api_certificates_owner(mdm_exchange_t *x,
    const mdm_certificates_entry_t *entry, mdm_enrollment_t *en);

/* call i of the round: what has this device?  MDM_OK or MDM_ERROR */
mdm_int_t mdm_api_certificates_ask(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_enrollment_t *en);

/*
 * Is it this one?  "slot" of the reply to that: MDM_RET_AUTHENTICATE_CHECK_CERT
 * or _NEXT.  MDM_OK; MDM_DECLINED: another one, or none; MDM_ERROR.
 */
mdm_int_t mdm_api_certificates_is(mdm_exchange_t *x,
    const mdm_certificates_entry_t *entry, const mdm_reply_t *reply,
    size_t slot);

/* is it asked for?  1 or 0 */
mdm_uint_t mdm_api_certificates_fit(const mdm_api_certificates_t *p,
    const mdm_certificates_entry_t *entry);

/* the rows, and the cursor where there are more */
mdm_int_t mdm_api_certificates_answer(mdm_exchange_t *x,
    mdm_api_certificates_t *p);


#endif /* _MDM_API_CERTIFICATES_H_INCLUDED_ */
