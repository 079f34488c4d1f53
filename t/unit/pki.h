
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Certificates for the unit tests, made by OpenSSL while the test runs.
 */


#ifndef _PKI_H_INCLUDED_
#define _PKI_H_INCLUDED_


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>


#define PKI_NOW   1795478400             /* 2026-11-24, 00:00 UTC */
#define PKI_DAY   86400


typedef struct {
    X509                     *cert;
    EVP_PKEY                 *key;
} pki_t;


/* what is zero or NULL gets a default that verifies */

typedef struct {
    const char               *cn;
    const pki_t              *issuer;      /* NULL: signed by itself */
    int                       ca;
    int                       bits;        /* RSA; 0: EC P-256 */
    long                      number;      /* serial number */
    int64_t                   from;
    int64_t                   to;
    const char               *eku;         /* "": none */
    const char               *san;
    const EVP_MD             *md;
} pki_spec_t;


static inline EVP_PKEY *
pki_key(int bits)
{
    EVP_PKEY  *key;

    key = bits ? EVP_RSA_gen((unsigned int) bits) : EVP_EC_gen("P-256");
    assert_non_null(key);

    return key;
}


static inline void
pki_extension(X509 *cert, const pki_t *issuer, int nid, const char *value)
{
    X509V3_CTX       ctx;
    X509_EXTENSION  *ext;

    X509V3_set_ctx(&ctx, issuer ? issuer->cert : cert, cert, NULL, NULL, 0);

    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);

    X509_EXTENSION_free(ext);
}


/* everything but the signature, for tests that add something */

static inline pki_t
pki_prepare(const pki_spec_t *spec)
{
    long         number;
    pki_t        pki;
    X509_NAME   *name;

    static long  next = 1000;

    pki.key = pki_key(spec->bits);
    pki.cert = X509_new();
    assert_non_null(pki.cert);

    number = spec->number ? spec->number : next++;

    X509_set_version(pki.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(pki.cert), number);
    X509_set_pubkey(pki.cert, pki.key);

    ASN1_TIME_set(X509_getm_notBefore(pki.cert),
                  spec->from ? spec->from : PKI_NOW - 30 * PKI_DAY);
    ASN1_TIME_set(X509_getm_notAfter(pki.cert),
                  spec->to ? spec->to : PKI_NOW + 365 * PKI_DAY);

    name = X509_get_subject_name(pki.cert);

    if (spec->cn != NULL) {
        assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                     (const unsigned char *) spec->cn, -1, -1,
                                     0),
                         1);
    }

    X509_set_issuer_name(pki.cert, spec->issuer
                                   ? X509_get_subject_name(spec->issuer->cert)
                                   : name);

    if (spec->ca) {
        pki_extension(pki.cert, spec->issuer, NID_basic_constraints,
                      "critical,CA:TRUE");
        pki_extension(pki.cert, spec->issuer, NID_key_usage,
                      "critical,keyCertSign,cRLSign");

    } else {
        pki_extension(pki.cert, spec->issuer, NID_key_usage,
                      "critical,digitalSignature");

        if (spec->eku == NULL || spec->eku[0] != '\0') {
            pki_extension(pki.cert, spec->issuer, NID_ext_key_usage,
                          spec->eku ? spec->eku : "clientAuth");
        }
    }

    pki_extension(pki.cert, spec->issuer, NID_subject_key_identifier, "hash");

    if (spec->san != NULL) {
        pki_extension(pki.cert, spec->issuer, NID_subject_alt_name,
                      spec->san);
    }

    return pki;
}


static inline void
pki_sign(pki_t *pki, const pki_spec_t *spec)
{
    assert_true(X509_sign(pki->cert,
                          spec->issuer ? spec->issuer->key : pki->key,
                          spec->md ? spec->md : EVP_sha256())
                > 0);
}


static inline pki_t
pki_issue(const pki_spec_t *spec)
{
    pki_t  pki;

    pki = pki_prepare(spec);
    pki_sign(&pki, spec);

    return pki;
}


static inline void
pki_free(pki_t *pki)
{
    X509_free(pki->cert);
    EVP_PKEY_free(pki->key);
}


static inline X509_STORE *
pki_store(const pki_t *ca)
{
    X509_STORE  *store;

    store = X509_STORE_new();
    assert_non_null(store);
    assert_int_equal(X509_STORE_add_cert(store, ca->cert), 1);

    return store;
}


#endif /* _PKI_H_INCLUDED_ */
