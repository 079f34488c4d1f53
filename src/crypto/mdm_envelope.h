
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Envelopes: CMS EnvelopedData for a recipient with an RSA key, as SCEP has
 * them: opened without telling why they do not open, and sealed.
 */


#ifndef _MDM_ENVELOPE_H_INCLUDED_
#define _MDM_ENVELOPE_H_INCLUDED_


#include <openssl/evp.h>
#include <openssl/x509.h>

#include "mdm_base.h"


/* recipients of an envelope that are looked at */
#define MDM_ENVELOPE_RECIPIENTS  16

/* it is for us, but its cipher is not accepted */
#define MDM_ENVELOPE_CIPHER   -6


/* single DES, which OpenSSL has in a provider that TLS must not see */

typedef struct mdm_envelope_des_s  mdm_envelope_des_t;


/* who opens, and what */

typedef struct {
    X509                     *cert[2];     /* NULL: there is none */
    EVP_PKEY                 *key[2];
    mdm_uint_t                des3;        /* 1: 3DES is accepted */
    const mdm_envelope_des_t *des;         /* NULL: single DES is not */
} mdm_envelope_keys_t;


/* what was in it */

typedef struct {
    mdm_str_t                 content;     /* with its padding */
    int                       cipher;      /* NID */
} mdm_envelope_t;


/*
 * Loads OpenSSL's legacy provider for itself.  NULL: it is not installed.
 */
mdm_envelope_des_t *mdm_envelope_des_create(void);

/* NULL is allowed */
void mdm_envelope_des_free(mdm_envelope_des_t *des);

/*
 * Opens an envelope, DER or BER, with the key of whichever recipient is ours:
 * RSA PKCS #1 v1.5 or OAEP, AES-CBC, 3DES or DES.
 *
 * A key that does not come out well is replaced by a random one, in the same
 * time, so that MDM_OK may bring nonsense.  The padding stays, and the caller
 * looks at it last, by mdm_envelope_object(): an oracle would need to hear of
 * it before.  MDM_OK; MDM_DECLINED, or MDM_ENVELOPE_CIPHER, with *why, a
 * constant, which only says what any reader of the message can see; MDM_ERROR.
 */
mdm_int_t mdm_envelope_open(mdm_arena_t *arena, const mdm_str_t *der,
    const mdm_envelope_keys_t *keys, mdm_envelope_t *envelope,
    const char **why);

/*
 * The DER object that content begins with; *padded is 1 if nothing but a right
 * padding follows it.  MDM_OK; MDM_DECLINED: it begins with no object.
 */
mdm_int_t mdm_envelope_object(const mdm_envelope_t *envelope, mdm_str_t *object,
    mdm_uint_t *padded);

/*
 * Seals for a certificate with an RSA key, with a cipher that an envelope was
 * opened with.  MDM_OK: *der is owned by the arena; MDM_DECLINED: the key is
 * not RSA, or the cipher cannot be had; MDM_ERROR.
 */
mdm_int_t mdm_envelope_seal(mdm_arena_t *arena, const mdm_str_t *content,
    X509 *recipient, int cipher, const mdm_envelope_des_t *des,
    mdm_str_t *der);


#endif /* _MDM_ENVELOPE_H_INCLUDED_ */
