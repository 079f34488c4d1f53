
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A SCEP client for unit tests, made of OpenSSL alone.
 */


#ifndef _SCEP_H_INCLUDED_
#define _SCEP_H_INCLUDED_


#include "pki.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>

#include "mdm_base.h"


#define SCEP_OID          "2.16.840.1.113733.1.9."


/* what is NULL or zero gets a default that is right */

typedef struct {
    const char               *challenge;   /* "": none */
    EVP_PKEY                 *key;         /* of the request; the signer's */
    const char               *inner;       /* instead of a request */
    size_t                    ninner;
    const EVP_CIPHER         *cipher;
    const EVP_MD             *md;          /* of the signature */
    const char               *type;        /* messageType; "": none */
    const char               *transaction; /* "": none */
    const char               *nonce;       /* "": none */
    int64_t                   time;        /* signingTime */
    unsigned                  noattr:1;
    unsigned                  nocerts:1;
    unsigned                  detached:1;
    unsigned                  twice:1;     /* two signers */
    unsigned                  broken:1;    /* the request's signature */
    unsigned                  ber:1;       /* all of it: lengths are not known
                                              ahead, and strings in pieces */
} scep_spec_t;


static inline mdm_str_t
scep_take(CMS_ContentInfo *cms)
{
    int        len;
    u_char    *p;
    mdm_str_t  der;

    len = i2d_CMS_ContentInfo(cms, NULL);
    assert_true(len > 0);

    der.len = (size_t) len;
    der.data = malloc(der.len);
    assert_non_null(der.data);

    p = der.data;
    assert_int_equal(i2d_CMS_ContentInfo(cms, &p), len);

    CMS_ContentInfo_free(cms);

    return der;
}


/* what is in "bio" goes through it as a stream */

static inline mdm_str_t
scep_stream(CMS_ContentInfo *cms, BIO *bio)
{
    BIO        *out;
    char       *data;
    long        n;
    mdm_str_t   ber;

    out = BIO_new(BIO_s_mem());
    assert_int_equal(i2d_CMS_bio_stream(out, cms, bio, CMS_BINARY|CMS_STREAM),
                     1);

    n = BIO_get_mem_data(out, &data);
    assert_true(n > 0);

    ber.len = (size_t) n;
    ber.data = malloc(ber.len);
    assert_non_null(ber.data);
    memcpy(ber.data, data, ber.len);

    BIO_free(out);
    CMS_ContentInfo_free(cms);

    return ber;
}


static inline mdm_str_t
scep_csr(const scep_spec_t *spec, EVP_PKEY *key)
{
    int          len;
    X509_REQ    *req;
    mdm_str_t    der;
    const char  *challenge;

    challenge = spec->challenge ? spec->challenge : "secret";

    req = X509_REQ_new();
    assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN",
                               MBSTRING_UTF8,
                               (const unsigned char *) "client", -1, -1, 0);

    if (challenge[0] != '\0') {
        assert_int_equal(X509_REQ_add1_attr_by_NID(req,
                                     NID_pkcs9_challengePassword,
                                     V_ASN1_PRINTABLESTRING,
                                     (const unsigned char *) challenge,
                                     (int) strlen(challenge)), 1);
    }

    assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);

    der.data = NULL;
    len = i2d_X509_REQ(req, &der.data);
    assert_true(len > 0);
    der.len = (size_t) len;

    if (spec->broken) {
        der.data[der.len - 1] ^= 0x01;
    }

    X509_REQ_free(req);

    return der;
}


static inline void
scep_text(CMS_SignerInfo *si, const char *oid, const char *value,
    const char *initial)
{
    value = value ? value : initial;

    if (value[0] != '\0') {
        assert_int_equal(CMS_signed_add1_attr_by_txt(si, oid,
                                              V_ASN1_PRINTABLESTRING, value,
                                              (int) strlen(value)), 1);
    }
}


static inline mdm_str_t
scep_outer(const scep_spec_t *spec, const pki_t *client,
    const mdm_str_t *content)
{
    BIO              *bio;
    mdm_str_t         der;
    ASN1_TIME        *time;
    const char       *nonce;
    unsigned int      flags;
    const EVP_MD     *md;
    CMS_SignerInfo   *si;
    CMS_ContentInfo  *cms;

    flags = CMS_BINARY | CMS_PARTIAL | (spec->noattr ? CMS_NOATTR : 0)
            | (spec->nocerts ? CMS_NOCERTS : 0)
            | (spec->detached ? CMS_DETACHED : 0)
            | (spec->ber ? CMS_STREAM : 0);

    md = spec->md ? spec->md : EVP_sha256();

    bio = BIO_new_mem_buf(content->data, (int) content->len);
    cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
    si = CMS_add1_signer(cms, client->cert, client->key, md, flags);
    assert_non_null(si);

    if (spec->twice) {
        assert_non_null(CMS_add1_signer(cms, client->cert, client->key,
                                        EVP_sha384(),
                                        flags | CMS_NOCERTS));
    }

    if (!spec->noattr) {
        scep_text(si, SCEP_OID "2", spec->type, "19");
        scep_text(si, SCEP_OID "7", spec->transaction, "TRANSACTION-1");

        nonce = spec->nonce ? spec->nonce : "0123456789abcdef";

        if (nonce[0] != '\0') {
            assert_int_equal(CMS_signed_add1_attr_by_txt(si, SCEP_OID "5",
                                              V_ASN1_OCTET_STRING, nonce,
                                              (int) strlen(nonce)), 1);
        }

        time = ASN1_TIME_set(NULL, spec->time ? spec->time : PKI_NOW);
        assert_int_equal(CMS_signed_add1_attr_by_NID(si, NID_pkcs9_signingTime,
                                               time->type, time, -1), 1);
        ASN1_TIME_free(time);
    }

    if (spec->ber) {
        der = scep_stream(cms, bio);

    } else {
        assert_int_equal(CMS_final(cms, bio, NULL, flags & ~CMS_PARTIAL), 1);
        der = scep_take(cms);
    }

    BIO_free(bio);

    return der;
}


/* a message for "ca" (an RA or a CA), to be freed */

static inline mdm_str_t
scep_message(const scep_spec_t *spec, const pki_t *client, X509 *ca)
{
    BIO              *bio;
    mdm_str_t         inner, sealed, der;
    CMS_ContentInfo  *cms;
    STACK_OF(X509)   *to;

    if (spec->inner != NULL) {
        inner.len = spec->ninner;
        inner.data = OPENSSL_memdup(spec->inner, inner.len);

    } else {
        inner = scep_csr(spec, spec->key ? spec->key : client->key);
    }

    to = sk_X509_new_null();
    sk_X509_push(to, ca);

    bio = BIO_new_mem_buf(inner.data, (int) inner.len);
    cms = CMS_encrypt(to, bio, spec->cipher ? spec->cipher : EVP_aes_128_cbc(),
                      CMS_BINARY | (spec->ber ? CMS_STREAM : 0));
    assert_non_null(cms);

    sealed = spec->ber ? scep_stream(cms, bio) : scep_take(cms);
    der = scep_outer(spec, client, &sealed);

    BIO_free(bio);
    sk_X509_free(to);
    free(sealed.data);
    OPENSSL_free(inner.data);

    return der;
}


/* a certificate that a client makes for itself */

static inline pki_t
scep_client(int bits)
{
    pki_spec_t  spec;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "client";
    spec.bits = bits;

    return pki_issue(&spec);
}


#endif /* _SCEP_H_INCLUDED_ */
