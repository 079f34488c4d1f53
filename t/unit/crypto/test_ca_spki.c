
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/crypto/mdm_ca_spki.c: the same as OpenSSL's encoders.
 */


#include "pki.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "mdm_ca_spki.h"
#include "mdm_certificate.h"
#include "mdm_unit_arena.h"


static EVP_PKEY *
rsa(int bits, BN_ULONG e)
{
    BIGNUM        *bn;
    EVP_PKEY      *key;
    EVP_PKEY_CTX  *ctx;

    bn = BN_new();
    BN_set_word(bn, e);

    key = NULL;
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits), 1);
    assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, bn), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);

    EVP_PKEY_CTX_free(ctx);
    BN_free(bn);

    return key;
}


/* a key as OpenSSL writes it */

static void
expect(EVP_PKEY *key, u_char *der, size_t size, int *len)
{
    u_char  *p;

    p = der;
    *len = i2d_PUBKEY(key, NULL);
    assert_in_range(*len, 1, size);
    assert_int_equal(i2d_PUBKEY(key, &p), *len);
}


static void
same(EVP_PKEY *key, const u_char *der, int len)
{
    X509    *cert;
    u_char   digest[MDM_SHA256], expected[MDM_SHA256], *got;

    assert_int_equal(EVP_Digest(der, (size_t) len, expected, NULL,
                                EVP_sha256(), NULL), 1);
    assert_int_equal(mdm_ca_spki(arena, key, digest), MDM_OK);
    assert_memory_equal(digest, expected, MDM_SHA256);

    cert = X509_new();
    got = NULL;

    assert_int_equal(mdm_ca_spki_set(X509_get_X509_PUBKEY(cert), key), MDM_OK);
    assert_int_equal(i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &got), len);
    assert_memory_equal(got, der, len);

    OPENSSL_free(got);
    X509_free(cert);

    assert_int_equal(ERR_peek_error(), 0);
}


static void
test_rsa(void **state)
{
    int        len;
    size_t     i;
    u_char     der[2048];
    EVP_PKEY  *key;

    /* with and without an octet for the sign; lengths of one to three octets */

    static const struct {
        int       bits;
        BN_ULONG  e;
    } rows[] = {
        { 512, 65537 }, { 1024, 3 }, { 1025, 65537 }, { 1031, 0x80000001 },
        { 2048, 65537 }, { 2048, 0xc001 }, { 2047, 65539 }, { 4096, 65537 }
    };

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        key = rsa(rows[i].bits, rows[i].e);

        expect(key, der, sizeof(der), &len);
        same(key, der, len);

        EVP_PKEY_free(key);
    }
}


static void
test_ec(void **state)
{
    int        len;
    size_t     i;
    u_char     der[2048];
    EVP_PKEY  *key;

    static const char *const  curves[] = { "P-256", "P-384", "P-521" };

    (void) state;

    for (i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        key = EVP_EC_gen(curves[i]);

        expect(key, der, sizeof(der), &len);
        same(key, der, len);

        /* a point that came compressed is written in full */

        assert_int_equal(EVP_PKEY_set_utf8_string_param(key,
                             OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                             "compressed"), 1);
        same(key, der, len);

        EVP_PKEY_free(key);
    }
}


static void
test_others(void **state)
{
    X509      *cert;
    EVP_PKEY  *key;

    (void) state;

    key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    cert = X509_new();

    ERR_set_mark();
    assert_int_equal(mdm_ca_spki_set(X509_get_X509_PUBKEY(cert), key),
                     MDM_ERROR);
    ERR_pop_to_mark();

    X509_free(cert);
    EVP_PKEY_free(key);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_rsa, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ec, setup, teardown),
        cmocka_unit_test_setup_teardown(test_others, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
