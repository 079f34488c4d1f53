
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What somebody carries and brings back, and nothing is stored of: the
 * challenge of a Profile Service, the state of a login.  Sealed with the keys
 * of the store, so that each host opens what another one has made: those of
 * "encryption_key", else one that is derived from 32 random bytes in mdm:meta.
 */


#ifndef _MDM_ENROLL_SEAL_H_INCLUDED_
#define _MDM_ENROLL_SEAL_H_INCLUDED_


#include "mdm_exchange.h"


/* seconds that one is good for */
#define MDM_ENROLL_SEAL_TTL    (15 * 60)

/* bytes of one, at most */
#define MDM_ENROLL_SEAL_MAX    16384


typedef enum {
    MDM_ENROLL_STATE = 0,        /* of a login */
    MDM_ENROLL_CHALLENGE         /* of a Profile Service */
} mdm_enroll_seal_e;


/*
 * Asks for the key of a store that has no "encryption_key", and then goes on
 * with x->step in x->state 0, as it is: returns what a step returns, and is the
 * last thing that a step does.  Before one of the others is called.
 */
mdm_int_t mdm_enroll_seal_key(mdm_exchange_t *x);

/*
 * Seals a text for one block ("name") of this tenant and one use: base64url.
 * MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_enroll_seal(mdm_exchange_t *x, mdm_enroll_seal_e use,
    const mdm_str_t *name, const mdm_str_t *text, mdm_str_t *token);

/*
 * The reverse.  MDM_OK; MDM_DECLINED: *why says why it is not accepted, a
 * constant; MDM_ERROR.
 */
mdm_int_t mdm_enroll_open(mdm_exchange_t *x, mdm_enroll_seal_e use,
    const mdm_str_t *name, const mdm_str_t *token, mdm_str_t *text,
    const char **why);


#endif /* _MDM_ENROLL_SEAL_H_INCLUDED_ */
