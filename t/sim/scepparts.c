
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * scepparts rsa|ec COUNT: what OpenSSL takes for the operations that a SCEP
 * server cannot do without, of one PKCSReq with an RSA-2048 key: with a CA of
 * RSA-2048, or of P-256 that has an RA of RSA-2048.  Prints microseconds of CPU
 * a request.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>


#define PARTS_FLAGS  (CMS_BINARY|CMS_NO_SIGNER_CERT_VERIFY)

typedef struct {
    EVP_PKEY  *key;
    X509      *cert;
} parts_id_t;


static void parts_check(int ok, const char *what);
static X509 *parts_cert(EVP_PKEY *subject, X509 *issuer, EVP_PKEY *by,
    const char *cn);
static parts_id_t parts_id(int rsa, const parts_id_t *by, const char *cn);
static unsigned char *parts_der(CMS_ContentInfo *cms, int *len);
static unsigned char *parts_seal(unsigned char *what, int len, X509 *to,
    const parts_id_t *from, int *size);
static void parts_once(const unsigned char *message, int len,
    const parts_id_t *ca, const parts_id_t *ra);
static double parts_cpu(void);


static void
parts_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "scepparts: %s failed\n", what);
        ERR_print_errors_fp(stderr);
        exit(1);
    }
}


static X509 *
parts_cert(EVP_PKEY *subject, X509 *issuer, EVP_PKEY *by, const char *cn)
{
    X509       *cert;
    X509_NAME  *name;

    cert = X509_new();
    name = X509_get_subject_name(cert);

    parts_check(cert != NULL
                && X509_set_version(cert, 2) == 1
                && ASN1_INTEGER_set(X509_get_serialNumber(cert), 7) == 1
                && X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL
                && X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL
                && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                              (const unsigned char *) cn, -1,
                                              -1, 0)
                   == 1
                && X509_set_issuer_name(cert, issuer != NULL
                                              ? X509_get_subject_name(issuer)
                                              : name)
                   == 1
                && X509_set_pubkey(cert, subject) == 1
                && X509_sign(cert, by, EVP_sha256()) > 0,
                "a certificate");

    return cert;
}


static parts_id_t
parts_id(int rsa, const parts_id_t *by, const char *cn)
{
    parts_id_t  id;

    id.key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    parts_check(id.key != NULL, "a key");

    id.cert = parts_cert(id.key, by != NULL ? by->cert : NULL,
                         by != NULL ? by->key : id.key, cn);

    return id;
}


static unsigned char *
parts_der(CMS_ContentInfo *cms, int *len)
{
    unsigned char  *der;

    der = NULL;
    *len = i2d_CMS_ContentInfo(cms, &der);
    parts_check(*len > 0, "encoding");
    CMS_ContentInfo_free(cms);

    return der;
}


/* "what", encrypted for one and signed by another one */

static unsigned char *
parts_seal(unsigned char *what, int len, X509 *to, const parts_id_t *from,
    int *size)
{
    BIO              *bio;
    unsigned char    *der;
    STACK_OF(X509)   *certs;
    CMS_ContentInfo  *cms;

    certs = sk_X509_new_null();
    bio = BIO_new_mem_buf(what, len);

    parts_check(sk_X509_push(certs, to) > 0, "a list");

    cms = CMS_encrypt(certs, bio, EVP_aes_128_cbc(), CMS_BINARY);
    parts_check(cms != NULL, "CMS_encrypt");
    der = parts_der(cms, size);
    BIO_free(bio);
    sk_X509_free(certs);

    bio = BIO_new_mem_buf(der, *size);
    cms = CMS_sign(from->cert, from->key, NULL, bio, CMS_BINARY);
    parts_check(cms != NULL, "CMS_sign");
    BIO_free(bio);
    OPENSSL_free(der);

    return parts_der(cms, size);
}


static void
parts_once(const unsigned char *message, int len, const parts_id_t *ca,
    const parts_id_t *ra)
{
    int                   n;
    BIO                  *enveloped, *plain;
    char                 *text;
    X509                 *signer, *cert;
    X509_REQ             *request;
    EVP_PKEY             *key;
    unsigned char        *der, *reply;
    STACK_OF(X509)       *signers;
    CMS_ContentInfo      *outer, *inner;
    const unsigned char  *p;

    p = message;
    outer = d2i_CMS_ContentInfo(NULL, &p, len);
    enveloped = BIO_new(BIO_s_mem());
    parts_check(CMS_verify(outer, NULL, NULL, NULL, enveloped, PARTS_FLAGS)
                == 1, "CMS_verify");
    signers = CMS_get0_signers(outer);
    signer = sk_X509_value(signers, 0);

    inner = d2i_CMS_bio(enveloped, NULL);
    plain = BIO_new(BIO_s_mem());
    parts_check(CMS_decrypt(inner, ra->key, ra->cert, NULL, plain, CMS_BINARY)
                == 1, "CMS_decrypt");

    n = (int) BIO_get_mem_data(plain, &text);
    p = (const unsigned char *) text;
    request = d2i_X509_REQ(NULL, &p, n);
    key = X509_REQ_get0_pubkey(request);
    parts_check(X509_REQ_verify(request, key) == 1, "X509_REQ_verify");

    cert = parts_cert(key, ca->cert, ca->key, "device");

    der = NULL;
    n = i2d_X509(cert, &der);
    reply = parts_seal(der, n, signer, ra, &n);

    OPENSSL_free(reply);
    OPENSSL_free(der);
    X509_free(cert);
    X509_REQ_free(request);
    BIO_free(plain);
    BIO_free(enveloped);
    CMS_ContentInfo_free(inner);
    sk_X509_free(signers);
    CMS_ContentInfo_free(outer);
}


static double
parts_cpu(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}


int
main(int argc, char **argv)
{
    int             i, n, len, rsa;
    double          begin;
    X509_REQ       *request;
    parts_id_t      ca, ra, client;
    unsigned char  *der, *message;

    n = argc == 3 ? atoi(argv[2]) : 0;
    rsa = argc == 3 && strcmp(argv[1], "rsa") == 0;

    if (n <= 0 || (!rsa && strcmp(argv[1], "ec") != 0)) {
        fprintf(stderr, "usage: scepparts rsa|ec COUNT\n");
        return 2;
    }

    ca = parts_id(rsa, NULL, "CA");
    ra = rsa ? ca : parts_id(1, &ca, "RA");
    client = parts_id(1, NULL, "client");

    request = X509_REQ_new();
    parts_check(X509_REQ_set_pubkey(request, client.key) == 1
                && X509_REQ_sign(request, client.key, EVP_sha256()) > 0,
                "a request");

    der = NULL;
    len = i2d_X509_REQ(request, &der);
    message = parts_seal(der, len, ra.cert, &client, &len);

    /* the first one has more to do */

    parts_once(message, len, &ca, &ra);

    begin = parts_cpu();

    for (i = 0; i < n; i++) {
        parts_once(message, len, &ca, &ra);
    }

    printf("%.1f\n", (parts_cpu() - begin) / n);

    OPENSSL_free(message);
    OPENSSL_free(der);
    X509_REQ_free(request);

    return 0;
}
