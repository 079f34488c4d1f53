
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Push certificates: what Apple gives out for a topic, with its key.
 */


#ifndef _MDM_PUSH_CERTIFICATE_H_INCLUDED_
#define _MDM_PUSH_CERTIFICATE_H_INCLUDED_


#include <openssl/x509.h>

#include "mdm_base.h"


/* bytes of a file or body with a certificate, its chain and its key */
#define MDM_PUSH_PEM          65536

/* bytes of a topic, which is the UID of the certificate's subject */
#define MDM_PUSH_TOPIC        256


typedef struct {
    mdm_str_t                 topic;
    int64_t                   not_before;  /* Unix seconds */
    int64_t                   not_after;
    u_char                    sha256[64];  /* of the certificate, hex */
    X509                     *cert;
    STACK_OF(X509)           *chain;       /* what came besides, may be empty */
    EVP_PKEY                 *key;
} mdm_push_certificate_t;


/*
 * Reads a certificate, what else of its chain is there, and its key: PEM, in
 * any order.  All of it is freed with the arena.  MDM_OK; MDM_DECLINED with
 * *why, a constant: what it is not; MDM_ERROR: no memory.  Whether it has
 * expired is not looked at.
 */
mdm_int_t mdm_push_certificate_read(mdm_arena_t *arena, const mdm_str_t *pem,
    mdm_push_certificate_t *cert, const char **why);


#endif /* _MDM_PUSH_CERTIFICATE_H_INCLUDED_ */
