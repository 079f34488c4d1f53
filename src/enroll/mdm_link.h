
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Links to enroll by: whoever opens one is given a profile; what spends it is a
 * certificate.  Redis has only the SHA-256 of its token.  Steps that are
 * entered, as those of mdm_challenge.h.
 */


#ifndef _MDM_LINK_H_INCLUDED_
#define _MDM_LINK_H_INCLUDED_


#include "mdm_challenge.h"


/* devices that may enroll by one */
#define MDM_LINK_USES         1000

/* seconds */
#define MDM_LINK_TTL          (7 * 24 * 60 * 60)
#define MDM_LINK_TTL_MAX      (365 * 24 * 60 * 60)


/* a new one: of c only whom it is for, the block, and what the device gets */

typedef struct {
    mdm_challenge_t           c;           /* id is filled in */
    mdm_uint_t                uses;
    int64_t                   ttl;         /* seconds */

    int64_t                   code;        /* MDM_CHALLENGE_TAKEN: it is made;
                                              MDM_CHALLENGE_LIMIT */
    mdm_str_t                 value;       /* the token */
    int64_t                   ends;        /* Unix seconds */

    mdm_str_t                 digest;
} mdm_link_new_t;

mdm_int_t mdm_link_create(mdm_exchange_t *x);


/* what becomes of one that is opened */

#define MDM_LINK_GOOD         1
#define MDM_LINK_UNKNOWN      0
#define MDM_LINK_EXPIRED      -1
#define MDM_LINK_USED         -2
#define MDM_LINK_OPENED       -3   /* too often */

typedef struct {
    mdm_str_t                 value;       /* the token, as it came */
    mdm_str_t                 enrollment;  /* the block that it must be for */
    mdm_uint_t                count;       /* 1: a profile is to be made */

    int64_t                   code;        /* MDM_LINK_GOOD … _OPENED */
    mdm_challenge_t           c;           /* of a good one, with c.link */
    int64_t                   ends;
} mdm_link_fetch_t;

mdm_int_t mdm_link_fetch(mdm_exchange_t *x);


/* a public key spends a use of one; what it is named by: c.link */

typedef struct {
    mdm_str_t                 digest;
    mdm_str_t                 spki;        /* SHA-256 of the key, hex */

    int64_t                   code;        /* 0: now, 1: it had spent it;
                                              MDM_LINK_EXPIRED: it is gone;
                                              MDM_LINK_USED */
} mdm_link_spend_t;

mdm_int_t mdm_link_spend(mdm_exchange_t *x);


/* where they are listed, for mdm_listed_delete() */
extern const mdm_listed_kind_t  mdm_links_listed;


#endif /* _MDM_LINK_H_INCLUDED_ */
