
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/crypto/mdm_ca_request.c, with requests made by OpenSSL.
 */


#include "pki.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "mdm_ca_request.h"
#include "mdm_unit_arena.h"


static X509_REQ *
prepare(EVP_PKEY *key)
{
    X509_REQ  *req;

    req = X509_REQ_new();
    assert_non_null(req);
    assert_int_equal(X509_REQ_set_pubkey(req, key), 1);

    return req;
}


static void
challenge(X509_REQ *req, int type, const char *value)
{
    assert_int_equal(X509_REQ_add1_attr_by_NID(req,
                                     NID_pkcs9_challengePassword, type,
                                     (const unsigned char *) value,
                                     (int) strlen(value)), 1);
}


static mdm_str_t
finish(X509_REQ *req, EVP_PKEY *key, const EVP_MD *md)
{
    int        len;
    u_char    *p;
    mdm_str_t  der;

    assert_true(X509_REQ_sign(req, key, md) > 0);

    /* of the exact size, so that ASan sees an overread */

    len = i2d_X509_REQ(req, NULL);
    der.len = (size_t) len;
    der.data = malloc(der.len);
    p = der.data;
    assert_int_equal(i2d_X509_REQ(req, &p), len);

    X509_REQ_free(req);

    return der;
}


static mdm_int_t
read_der(const mdm_str_t *der, mdm_ca_request_t *r, const char **why)
{
    mdm_int_t  rc;

    rc = mdm_ca_request_read(arena, der, 2048, r, why);
    assert_int_equal(ERR_peek_error(), 0);

    return rc;
}


static void
refused(EVP_PKEY *key, const EVP_MD *md, mdm_int_t expected, const char *text)
{
    mdm_str_t          der;
    const char        *why;
    mdm_ca_request_t   r;

    der = finish(prepare(key), key, md);

    assert_int_equal(read_der(&der, &r, &why), expected);
    assert_null(r.key);

    if (strstr(why, text) == NULL) {
        fail_msg("\"%s\" instead of \"%s\"", why, text);
    }

    free(der.data);
}


static void
test_keys(void **state)
{
    size_t             i;
    EVP_PKEY          *key;
    mdm_str_t          der;
    const char        *why;
    mdm_ca_request_t   r;

    static const struct {
        int                   bits;
        const char           *curve;
        mdm_int_t             rc;
    } rows[] = {
        { 2048, NULL, MDM_OK },
        { 3072, NULL, MDM_OK },
        { 4096, NULL, MDM_OK },
        { 0, "P-256", MDM_OK },
        { 0, "P-384", MDM_OK },
        { 0, "P-521", MDM_OK },
        { 1024, NULL, MDM_CA_KEY },
        { 2040, NULL, MDM_CA_KEY },
        { 0, "secp256k1", MDM_CA_KEY },
        { 0, "P-224", MDM_CA_KEY }
    };

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        key = rows[i].bits ? pki_key(rows[i].bits) : EVP_EC_gen(rows[i].curve);

        der = finish(prepare(key), key, EVP_sha256());

        assert_int_equal(read_der(&der, &r, &why), rows[i].rc);

        if (rows[i].rc == MDM_OK) {
            assert_int_equal(EVP_PKEY_eq(r.key, key), 1);
            assert_int_equal(r.challenge.len, 0);
            assert_int_equal(r.ignored, 0);
        }

        free(der.data);
        EVP_PKEY_free(key);
    }

    key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    refused(key, NULL, MDM_CA_KEY, "neither RSA nor EC");
    EVP_PKEY_free(key);

    key = pki_key(2048);
    refused(key, EVP_md5(), MDM_CA_KEY, "digest");

    /* nothing is said of one that was changed */

    der = finish(prepare(key), key, EVP_md5());
    der.data[der.len - 1] ^= 0x01;
    assert_int_equal(read_der(&der, &r, &why), MDM_DECLINED);
    assert_non_null(strstr(why, "does not verify"));
    assert_int_equal(r.verified, 1);
    free(der.data);

    EVP_PKEY_free(key);
}


static EVP_PKEY *
exponent(BN_ULONG e)
{
    BIGNUM        *bn;
    EVP_PKEY      *key;
    EVP_PKEY_CTX  *ctx;

    bn = BN_new();
    BN_set_word(bn, e);

    key = NULL;
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
    assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, bn), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);

    EVP_PKEY_CTX_free(ctx);
    BN_free(bn);

    return key;
}


static void
test_exponents(void **state)
{
    EVP_PKEY  *key;

    (void) state;

    key = exponent(3);
    refused(key, EVP_sha256(), MDM_CA_KEY, "exponent");
    EVP_PKEY_free(key);

    key = exponent(65539);
    assert_int_equal(mdm_ca_key_check(key, 2048, &(const char *) { NULL }),
                     MDM_OK);
    EVP_PKEY_free(key);
}


/* one key, however it is encoded */

static void
test_spki(void **state)
{
    EVP_PKEY          *key;
    mdm_str_t          der;
    const char        *why;
    mdm_ca_request_t   one, other;

    (void) state;

    key = EVP_EC_gen("P-256");

    der = finish(prepare(key), key, EVP_sha256());
    assert_int_equal(read_der(&der, &one, &why), MDM_OK);
    free(der.data);

    assert_int_equal(EVP_PKEY_set_utf8_string_param(key,
                         OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                         "compressed"), 1);

    der = finish(prepare(key), key, EVP_sha384());
    assert_int_equal(read_der(&der, &other, &why), MDM_OK);
    free(der.data);

    assert_memory_equal(one.spki, other.spki, MDM_SHA256);

    /* a curve that is written out is another thing */

    assert_int_equal(EVP_PKEY_set_utf8_string_param(key,
                         OSSL_PKEY_PARAM_EC_ENCODING, "explicit"), 1);
    refused(key, EVP_sha256(), MDM_CA_KEY, "P-256");

    EVP_PKEY_free(key);
}


static void
test_challenge(void **state)
{
    size_t             i;
    char               lengthy[MDM_CA_CHALLENGE + 2];
    EVP_PKEY          *key;
    X509_REQ          *req;
    mdm_str_t          der;
    const char        *why;
    X509_ATTRIBUTE    *attr;
    mdm_ca_request_t   r;

    static const int  types[] = {
        V_ASN1_PRINTABLESTRING, V_ASN1_UTF8STRING, V_ASN1_IA5STRING,
        V_ASN1_T61STRING
    };

    (void) state;

    key = EVP_EC_gen("P-256");

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        req = prepare(key);
        challenge(req, types[i], "secret-1");
        der = finish(req, key, EVP_sha256());
        assert_int_equal(read_der(&der, &r, &why), MDM_OK);
        assert_true(mdm_str_is(&r.challenge, "secret-1"));
        free(der.data);
    }

    req = prepare(key);
    challenge(req, V_ASN1_OCTET_STRING, "secret-1");
    der = finish(req, key, EVP_sha256());
    assert_int_equal(read_der(&der, &r, &why), MDM_DECLINED);
    free(der.data);

    req = prepare(key);
    attr = X509_ATTRIBUTE_create_by_NID(NULL, NID_pkcs9_challengePassword,
                                        V_ASN1_UTF8STRING, "one", 3);
    assert_int_equal(X509_ATTRIBUTE_set1_data(attr, V_ASN1_UTF8STRING, "two",
                                              3), 1);
    assert_int_equal(X509_REQ_add1_attr(req, attr), 1);
    X509_ATTRIBUTE_free(attr);
    der = finish(req, key, EVP_sha256());
    assert_int_equal(read_der(&der, &r, &why), MDM_DECLINED);
    assert_non_null(strstr(why, "several"));
    free(der.data);

    memset(lengthy, 'a', sizeof(lengthy));
    lengthy[sizeof(lengthy) - 1] = '\0';

    req = prepare(key);
    challenge(req, V_ASN1_UTF8STRING, lengthy);
    der = finish(req, key, EVP_sha256());
    assert_int_equal(read_der(&der, &r, &why), MDM_DECLINED);
    free(der.data);

    /* a subject and extensions are noticed, and no more */

    req = prepare(key);
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN",
                               MBSTRING_UTF8, (const unsigned char *) "root",
                               -1, -1, 0);
    der = finish(req, key, EVP_sha256());
    assert_int_equal(read_der(&der, &r, &why), MDM_OK);
    assert_int_equal(r.ignored, 1);
    free(der.data);

    EVP_PKEY_free(key);
}


static void
test_proof(void **state)
{
    size_t             i, accepted;
    u_char            *copy;
    EVP_PKEY          *key, *other, *odd;
    mdm_str_t          der, s;
    const char        *why;
    mdm_ca_request_t   r;

    (void) state;

    key = EVP_EC_gen("P-256");
    other = EVP_EC_gen("P-256");

    /* signed by another key */

    der = finish(prepare(key), other, EVP_sha256());
    assert_int_equal(read_der(&der, &r, &why), MDM_DECLINED);
    assert_non_null(strstr(why, "does not verify"));
    free(der.data);

    /* by a key of this kind nothing is verified: that is like a wrong one */

    odd = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    der = finish(prepare(odd), other, EVP_sha256());
    assert_int_equal(read_der(&der, &r, &why), MDM_DECLINED);
    assert_non_null(strstr(why, "of a kind"));
    assert_int_equal(r.verified, 0);
    free(der.data);
    EVP_PKEY_free(odd);

    der = finish(prepare(key), key, EVP_sha256());

    /* cut, something behind it, each byte changed */

    for (i = 0; i < der.len; i++) {
        s.len = i;
        s.data = malloc(i + 1);
        memcpy(s.data, der.data, i);
        assert_int_equal(read_der(&s, &r, &why), MDM_DECLINED);
        free(s.data);
    }

    s.len = der.len + 1;
    s.data = malloc(s.len);
    memcpy(s.data, der.data, der.len);
    s.data[der.len] = 0;
    assert_int_equal(read_der(&s, &r, &why), MDM_DECLINED);
    free(s.data);

    copy = malloc(der.len);
    accepted = 0;

    for (i = 0; i < der.len; i++) {
        memcpy(copy, der.data, der.len);
        copy[i] ^= 0x10;
        s.data = copy;
        s.len = der.len;

        accepted += (read_der(&s, &r, &why) == MDM_OK);
    }

    assert_int_equal(accepted, 0);

    free(copy);
    free(der.data);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exponents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spki, setup, teardown),
        cmocka_unit_test_setup_teardown(test_challenge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_proof, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
