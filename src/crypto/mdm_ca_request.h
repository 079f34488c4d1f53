
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A certificate request (PKCS #10): the key, the proof that its owner has it,
 * and the challenge password.  Nothing else of it is wanted.
 */


#ifndef _MDM_CA_REQUEST_H_INCLUDED_
#define _MDM_CA_REQUEST_H_INCLUDED_


#include <openssl/x509.h>

#include "mdm_base.h"
#include "mdm_certificate.h"


/* bytes of a request, and of a challenge password */
#define MDM_CA_REQUEST_SIZE   65536
#define MDM_CA_CHALLENGE      1024

/* bits of an RSA key that is certified, at most, and of its exponent */
#define MDM_CA_KEY_MAX        8192
#define MDM_CA_EXPONENT_MAX   256

/* whoever asks has the key, but it is of a kind that is not certified */
#define MDM_CA_KEY            -6


typedef struct {
    EVP_PKEY                 *key;         /* freed with the arena */
    u_char                    spki[MDM_SHA256]; /* SHA-256 of the public key
                                              as SubjectPublicKeyInfo, one for
                                              all ways to encode it */
    mdm_str_t                 challenge;   /* empty: there is none */
    mdm_str_t                 subject;     /* DER, to name the request by */
    mdm_uint_t                verified;    /* 1: its signature was looked at,
                                              whatever came of it */
    mdm_uint_t                ignored;     /* 1: it has a subject or asks for
                                              extensions, which is ignored */
} mdm_ca_request_t;


/*
 * Reads a request, which must be all of "der", and verifies its signature.
 * The signature comes before all that is said of the key, so that who has
 * changed a request of somebody else learns nothing.  RSA from "minimum" bits
 * with an odd exponent from 65537 on, P-256, P-384 and P-521 are certified.
 * MDM_OK; MDM_DECLINED or MDM_CA_KEY with *why, a constant; MDM_ERROR.
 */
mdm_int_t mdm_ca_request_read(mdm_arena_t *arena, const mdm_str_t *der,
    mdm_uint_t minimum, mdm_ca_request_t *request, const char **why);

/*
 * The same rules for a key alone.  MDM_OK, or MDM_CA_KEY with *why.
 */
mdm_int_t mdm_ca_key_check(EVP_PKEY *key, mdm_uint_t minimum,
    const char **why);


#endif /* _MDM_CA_REQUEST_H_INCLUDED_ */
