
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/crypto/mdm_certificate.c: verification.
 */


#include "pki.h"

#include <openssl/err.h>

#include "mdm_certificate.h"


#define UDID  "00008110-001A2B3C4D5E6F70"


static pki_t        ca;
static X509_STORE  *store;


static void test_verify(void **state);
static void test_verify_dates(void **state);
static void test_verify_chain(void **state);
static void test_verify_strength(void **state);

static mdm_int_t verify(const pki_spec_t *spec, STACK_OF(X509) *chain,
    int64_t now, const char **why);


static mdm_int_t
verify(const pki_spec_t *spec, STACK_OF(X509) *chain, int64_t now,
    const char **why)
{
    pki_t      pki;
    mdm_int_t  rc;

    pki = pki_issue(spec);
    rc = mdm_certificate_verify(pki.cert, chain, store, now, why);
    pki_free(&pki);

    if (rc == MDM_OK) {
        assert_null(*why);

    } else {
        assert_non_null(*why);
    }

    assert_int_equal(ERR_peek_error(), 0);

    return rc;
}


static void
test_verify(void **state)
{
    pki_t            other, leaf;
    pki_spec_t       spec;
    const char      *why;
    STACK_OF(X509)  *chain;

    (void) state;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &ca;

    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_OK);

    spec.bits = 2048;
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_OK);
    spec.bits = 0;

    /* purposes, as TLS judges them: no list of purposes means all of them */

    spec.eku = "serverAuth,clientAuth";
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_OK);
    spec.eku = "";
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_OK);

    spec.eku = "serverAuth";
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_DECLINED);
    assert_string_equal(why, X509_verify_cert_error_string(
                                                  X509_V_ERR_INVALID_PURPOSE));
    spec.eku = "emailProtection,codeSigning";
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_DECLINED);
    spec.eku = NULL;

    /* signed by itself, by a foreign CA, by a CA of the same name */

    spec.issuer = NULL;
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_DECLINED);

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "Foreign CA";
    spec.ca = 1;
    other = pki_issue(&spec);

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &other;
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_DECLINED);
    pki_free(&other);

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "Test CA";
    spec.ca = 1;
    other = pki_issue(&spec);

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &other;
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_DECLINED);
    pki_free(&other);

    /* a device is no CA */

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "device";
    spec.issuer = &ca;
    leaf = pki_issue(&spec);

    spec.cn = UDID;
    spec.issuer = &leaf;

    chain = sk_X509_new_null();
    sk_X509_push(chain, leaf.cert);
    assert_int_equal(verify(&spec, chain, PKI_NOW, &why), MDM_DECLINED);
    sk_X509_free(chain);
    pki_free(&leaf);
}


static void
test_verify_dates(void **state)
{
    pki_t        old;
    pki_spec_t   spec;
    const char  *why;
    X509_STORE  *saved;

    (void) state;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &ca;
    spec.from = PKI_NOW;
    spec.to = PKI_NOW + PKI_DAY;

    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_OK);
    assert_int_equal(verify(&spec, NULL, PKI_NOW - 1, &why), MDM_OK);
    assert_int_equal(verify(&spec, NULL, PKI_NOW - MDM_CERTIFICATE_SKEW, &why),
                     MDM_OK);
    assert_int_equal(verify(&spec, NULL, PKI_NOW - MDM_CERTIFICATE_SKEW - 1,
                            &why), MDM_DECLINED);

    /* OpenSSL 3.6 says more than "certificate is not yet valid" */

    assert_string_equal(why, X509_verify_cert_error_string(
                                            X509_V_ERR_CERT_NOT_YET_VALID));

    assert_int_equal(verify(&spec, NULL, PKI_NOW + PKI_DAY - 1, &why), MDM_OK);
    assert_int_equal(verify(&spec, NULL, PKI_NOW + PKI_DAY + 1, &why),
                     MDM_DECLINED);
    assert_string_equal(why, "certificate has expired");

    /* skew forgives a date and nothing else */

    spec.eku = "serverAuth";
    assert_int_equal(verify(&spec, NULL, PKI_NOW - 1, &why), MDM_DECLINED);
    spec.eku = NULL;
    spec.issuer = NULL;
    assert_int_equal(verify(&spec, NULL, PKI_NOW - 1, &why), MDM_DECLINED);

    /* not valid yet and expired too */

    spec.issuer = &ca;
    spec.to = PKI_NOW - PKI_DAY;
    assert_int_equal(verify(&spec, NULL, PKI_NOW - 1, &why), MDM_DECLINED);

    /* an expired CA */

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "Old CA";
    spec.ca = 1;
    spec.to = PKI_NOW - 1;
    old = pki_issue(&spec);

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &old;

    saved = store;
    store = pki_store(&old);
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_DECLINED);
    assert_int_equal(verify(&spec, NULL, PKI_NOW - 60, &why), MDM_OK);
    X509_STORE_free(store);
    store = saved;

    pki_free(&old);
}


static void
test_verify_chain(void **state)
{
    char             cn[16];
    pki_t            sub, deep[12];
    size_t           i;
    pki_spec_t       spec;
    const char      *why;
    STACK_OF(X509)  *chain;

    (void) state;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "Sub CA";
    spec.issuer = &ca;
    spec.ca = 1;
    sub = pki_issue(&spec);

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &sub;

    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_DECLINED);

    chain = sk_X509_new_null();
    sk_X509_push(chain, sub.cert);
    assert_int_equal(verify(&spec, chain, PKI_NOW, &why), MDM_OK);
    sk_X509_free(chain);
    pki_free(&sub);

    /* what comes with the message is never trusted by itself */

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "Foreign CA";
    spec.ca = 1;
    sub = pki_issue(&spec);

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &sub;

    chain = sk_X509_new_null();
    sk_X509_push(chain, sub.cert);
    assert_int_equal(verify(&spec, chain, PKI_NOW, &why), MDM_DECLINED);
    sk_X509_free(chain);
    pki_free(&sub);

    /* a long chain ends at the limit: ten, and one too many */

    chain = sk_X509_new_null();

    for (i = 0; i < 12; i++) {
        memset(&spec, 0, sizeof(pki_spec_t));
        snprintf(cn, sizeof(cn), "Deep CA %zu", i);
        spec.cn = cn;
        spec.issuer = i ? &deep[i - 1] : &ca;
        spec.ca = 1;
        deep[i] = pki_issue(&spec);
        sk_X509_push(chain, deep[i].cert);
    }

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &deep[9];
    assert_int_equal(verify(&spec, chain, PKI_NOW, &why), MDM_OK);
    spec.issuer = &deep[10];
    assert_int_equal(verify(&spec, chain, PKI_NOW, &why), MDM_DECLINED);

    sk_X509_free(chain);

    for (i = 0; i < 12; i++) {
        pki_free(&deep[i]);
    }
}


static void
test_verify_strength(void **state)
{
    pki_spec_t   spec;
    const char  *why;

    (void) state;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &ca;

    spec.bits = 1024;                      /* SCEP's default */
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_OK);

    spec.bits = 512;
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_DECLINED);
    spec.bits = 0;

    spec.md = EVP_sha1();
    assert_int_equal(verify(&spec, NULL, PKI_NOW, &why), MDM_DECLINED);
}


int
main(void)
{
    int         rc;
    pki_spec_t  spec;

    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_verify_dates),
        cmocka_unit_test(test_verify_chain),
        cmocka_unit_test(test_verify_strength),
    };

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "Test CA";
    spec.ca = 1;
    ca = pki_issue(&spec);
    store = pki_store(&ca);

    rc = cmocka_run_group_tests(tests, NULL, NULL);

    X509_STORE_free(store);
    pki_free(&ca);

    return rc;
}
