
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Encodes public keys.  OpenSSL 3 looks for an encoder anew each time, and
 * X509_PUBKEY_set() for a decoder as well, which takes as long as a signature.
 */


#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "mdm_ca_spki.h"
#include "mdm_certificate.h"


/* octets of an INTEGER: a bit is there for the sign */
#define mdm_ca_spki_octets(bn)  (BN_num_bits(bn) / 8 + 1)


static int mdm_ca_spki_rsa(EVP_PKEY *key, u_char **bits);
static int mdm_ca_spki_sequence(const BIGNUM *n, const BIGNUM *e,
    u_char **bits);
static mdm_int_t mdm_ca_spki_integer(u_char **p, const BIGNUM *bn);


mdm_int_t
mdm_ca_spki_set(X509_PUBKEY *spki, EVP_PKEY *key)
{
    int      type, size, rsa;
    char     curve[MDM_CA_CURVE];
    void    *parameters;
    size_t   len;
    u_char  *bits;

    rsa = (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA);
    type = rsa ? V_ASN1_NULL : V_ASN1_OBJECT;
    bits = NULL;
    parameters = NULL;

    size = rsa ? mdm_ca_spki_rsa(key, &bits)
               : (int) EVP_PKEY_get1_encoded_public_key(key, &bits);

    if (size <= 0) {
        return MDM_ERROR;
    }

    if (!rsa
        && EVP_PKEY_get_group_name(key, curve, sizeof(curve), &len) == 1)
    {
        parameters = OBJ_txt2obj(curve, 0);
    }

    /* where it succeeds, all is the other one's */

    if ((!rsa && parameters == NULL)
        || X509_PUBKEY_set0_param(spki,
                                  OBJ_nid2obj(EVP_PKEY_get_base_id(key)),
                                  type, parameters, bits, size) != 1)
    {
        ASN1_OBJECT_free(parameters);
        OPENSSL_free(bits);
        return MDM_ERROR;
    }

    return MDM_OK;
}


/* RFC 8017, A.1.1: SEQUENCE { modulus, publicExponent } */

static int
mdm_ca_spki_rsa(EVP_PKEY *key, u_char **bits)
{
    int      len;
    BIGNUM  *n, *e;

    n = NULL;
    e = NULL;
    len = 0;

    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1
        && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1)
    {
        len = mdm_ca_spki_sequence(n, e, bits);
    }

    BN_free(n);
    BN_free(e);

    return len;
}


static int
mdm_ca_spki_sequence(const BIGNUM *n, const BIGNUM *e, u_char **bits)
{
    int      inner, len;
    u_char  *p, *start;

    inner = ASN1_object_size(0, mdm_ca_spki_octets(n), V_ASN1_INTEGER)
            + ASN1_object_size(0, mdm_ca_spki_octets(e), V_ASN1_INTEGER);
    len = ASN1_object_size(1, inner, V_ASN1_SEQUENCE);

    start = OPENSSL_malloc((size_t) len);
    if (start == NULL) {
        return 0;
    }

    p = start;

    ASN1_put_object(&p, 1, inner, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);

    if (mdm_ca_spki_integer(&p, n) != MDM_OK
        || mdm_ca_spki_integer(&p, e) != MDM_OK)
    {
        OPENSSL_free(start);
        return 0;
    }

    *bits = start;

    return len;
}


static mdm_int_t
mdm_ca_spki_integer(u_char **p, const BIGNUM *bn)
{
    int  len;

    len = mdm_ca_spki_octets(bn);

    ASN1_put_object(p, 0, len, V_ASN1_INTEGER, V_ASN1_UNIVERSAL);

    if (BN_bn2binpad(bn, *p, len) != len) {
        return MDM_ERROR;
    }

    *p += len;

    return MDM_OK;
}


mdm_int_t
mdm_ca_spki(mdm_arena_t *arena, EVP_PKEY *key, u_char *digest)
{
    int           len;
    u_char       *der;
    mdm_int_t     rc;
    X509_PUBKEY  *spki;

    spki = X509_PUBKEY_new();

    if (spki == NULL || mdm_ca_spki_set(spki, key) != MDM_OK) {
        X509_PUBKEY_free(spki);
        return mdm_arena_failed(arena, "X509_PUBKEY_set0_param");
    }

    der = NULL;
    len = i2d_X509_PUBKEY(spki, &der);

    X509_PUBKEY_free(spki);

    if (len <= 0) {
        return mdm_arena_failed(arena, "i2d_X509_PUBKEY");
    }

    rc = (EVP_Digest(der, (size_t) len, digest, NULL, EVP_sha256(), NULL) == 1)
         ? MDM_OK : mdm_arena_failed(arena, "EVP_Digest");

    OPENSSL_free(der);

    return rc;
}
