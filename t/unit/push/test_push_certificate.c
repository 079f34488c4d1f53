
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Push certificates: what is one, and what is said of what is none.
 */


#include "pki.h"

#include <stdio.h>

#include "mdm_push_certificate.h"


#define TOPIC  "com.apple.mgmt.External.00000000-0000-0000-0000-000000000000"


static char    pem[MDM_PUSH_PEM + 2];
static pki_t   ca;


static pki_t
push_cert(const char *uid)
{
    pki_t       pki;
    pki_spec_t  spec;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "APSP:x";
    spec.issuer = &ca;

    pki = pki_prepare(&spec);

    if (uid != NULL) {
        assert_int_equal(X509_NAME_add_entry_by_NID(
                             X509_get_subject_name(pki.cert), NID_userId,
                             MBSTRING_UTF8, (const unsigned char *) uid, -1,
                             -1, 0),
                         1);
    }

    pki_sign(&pki, &spec);

    return pki;
}


static void
add_bio(BIO *bio)
{
    char    *data;
    size_t   len, at;

    len = (size_t) BIO_get_mem_data(bio, &data);
    at = strlen(pem);

    assert_true(at + len < sizeof(pem));
    memcpy(pem + at, data, len);
    pem[at + len] = '\0';

    BIO_free(bio);
}


static void
add_cert(const pki_t *pki)
{
    BIO  *bio;

    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, pki->cert), 1);
    add_bio(bio);
}


static void
add_key(const pki_t *pki, int traditional, const char *password)
{
    BIO               *bio;
    const EVP_CIPHER  *cipher;

    cipher = (password != NULL) ? EVP_aes_128_cbc() : NULL;

    bio = BIO_new(BIO_s_mem());

    if (traditional) {
        assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, pki->key,
                             cipher, (unsigned char *) password,
                             password ? (int) strlen(password) : 0, NULL,
                             NULL), 1);

    } else {
        assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pki->key, cipher,
                             password, password ? (int) strlen(password) : 0,
                             NULL, NULL), 1);
    }

    add_bio(bio);
}


/* "why": a part of the reason, or NULL: it is to be read */

static void
reads(const char *why)
{
    mdm_int_t               rc;
    mdm_str_t               text;
    mdm_arena_t            *own;
    const char             *reason;
    mdm_push_certificate_t  c;

    own = mdm_arena_create(256);
    assert_non_null(own);

    reason = "";
    text.data = (u_char *) pem;
    text.len = strlen(pem);

    rc = mdm_push_certificate_read(own, &text, &c, &reason);

    if (why != NULL) {
        assert_int_equal(rc, MDM_DECLINED);

        if (strstr(reason, why) == NULL) {
            fail_msg("\"%s\", not \"%s\"", reason, why);
        }

    } else {
        assert_int_equal(rc, MDM_OK);
        assert_true(mdm_str_is(&c.topic, TOPIC));
        assert_int_equal(c.not_after, PKI_NOW + 365 * PKI_DAY);
        assert_int_equal(c.not_before, PKI_NOW - 30 * PKI_DAY);
        assert_int_equal(X509_check_private_key(c.cert, c.key), 1);
    }

    mdm_arena_destroy(own);

    pem[0] = '\0';
}


static void
test_read(void **state)
{
    pki_t  a, rsa;

    (void) state;

    a = push_cert(TOPIC);

    /* in any order, with what is between, with its chain */

    add_cert(&a);
    add_key(&a, 0, NULL);
    reads(NULL);

    add_key(&a, 1, NULL);
    strcat(pem, "\nBag Attributes: none\n");
    add_cert(&a);
    add_cert(&ca);
    reads(NULL);

    pki_free(&a);

    /* an RSA key, as Apple's are */

    rsa = push_cert(TOPIC);
    EVP_PKEY_free(rsa.key);
    rsa.key = pki_key(2048);
    X509_set_pubkey(rsa.cert, rsa.key);
    assert_true(X509_sign(rsa.cert, ca.key, EVP_sha256()) > 0);

    add_cert(&rsa);
    add_key(&rsa, 1, NULL);
    reads(NULL);

    pki_free(&rsa);
}


static void
test_refused(void **state)
{
    pki_t   a, b, other, none;
    size_t  len;

    (void) state;

    a = push_cert(TOPIC);
    b = push_cert(TOPIC);
    other = push_cert("com.example.app");
    none = push_cert(NULL);

    reads("it is empty");

    add_cert(&a);
    reads("there is no private key");

    add_key(&a, 0, NULL);
    reads("there is no certificate");

    strcpy(pem, "no PEM at all\n");
    reads("there is no certificate");

    add_cert(&a);
    add_key(&b, 0, NULL);
    reads("the key does not belong to the certificate");

    add_cert(&a);
    add_key(&a, 0, NULL);
    add_key(&b, 0, NULL);
    reads("several private keys");

    add_cert(&a);
    add_cert(&b);
    add_key(&a, 0, NULL);
    reads("several certificates that are no CA's");

    add_cert(&a);
    add_key(&a, 0, "secret");
    reads("passphrase");

    add_cert(&a);
    add_key(&a, 1, "secret");
    reads("passphrase");

    add_cert(&other);
    add_key(&other, 0, NULL);
    reads("does not begin with \"com.apple.mgmt\"");

    add_cert(&none);
    add_key(&none, 0, NULL);
    reads("does not begin with \"com.apple.mgmt\"");

    add_cert(&ca);
    add_key(&ca, 0, NULL);
    reads("is a CA's");

    add_cert(&a);
    add_key(&a, 0, NULL);
    len = strlen(pem);
    strcpy(pem, "-----BEGIN CERTIFICATE-----\nAAAA\n"
                "-----END CERTIFICATE-----\n");
    reads("cannot be read");

    strcpy(pem, "-----BEGIN PRIVATE KEY-----\nAAAA\n"
                "-----END PRIVATE KEY-----\n");
    reads("the private key cannot be read");

    assert_true(len < MDM_PUSH_PEM);
    memset(pem, '\n', MDM_PUSH_PEM + 1);
    pem[MDM_PUSH_PEM + 1] = '\0';
    reads("larger than 64 kB");

    for (len = 0; len < 9; len++) {
        add_cert(&ca);
    }

    reads("too many certificates");

    pki_free(&a);
    pki_free(&b);
    pki_free(&other);
    pki_free(&none);
}


int
main(void)
{
    int         rc;
    pki_spec_t  spec;

    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused)
    };

    memset(&spec, 0, sizeof(spec));
    spec.cn = "Push CA";
    spec.ca = 1;
    ca = pki_issue(&spec);

    rc = cmocka_run_group_tests(tests, NULL, NULL);

    pki_free(&ca);

    return rc;
}
