
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/crypto/mdm_cms.c, with signatures made by OpenSSL.
 */


#include "pki.h"

#include <stdlib.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "mdm_certificate.h"
#include "mdm_cms.h"


#define DETACHED  (CMS_DETACHED | CMS_BINARY)


static pki_t        ca, sub, ec, rsa, foreign_ca;
static X509_STORE  *store;

/* line ends of both kinds and a NUL: nothing of it may be rewritten */
static const char  body[] = "<?xml version=\"1.0\"?>\r\n<plist>\n\0\r\r\n</";

#define BODY      body, sizeof(body) - 1


static void test_accepted(void **state);
static void test_ber(void **state);
static void test_body(void **state);
static void test_certificates(void **state);
static void test_dates(void **state);
static void test_structure(void **state);
static void test_digests(void **state);
static void test_attributes(void **state);
static void test_stolen_certificate(void **state);
static void test_malformed(void **state);
static void test_hostile(void **state);

static CMS_ContentInfo *sign(const pki_t *signer, const EVP_MD *md,
    unsigned int flags, STACK_OF(X509) *certs, const char *data, size_t len);
static mdm_str_t take(CMS_ContentInfo *cms);
static size_t indefinite(u_char *dst, const u_char *src, size_t n, int depth);
static mdm_int_t verify_at(const mdm_str_t *der, const char *data, size_t len,
    const pki_t *expected, int64_t now, const char **why);
static mdm_int_t verify(const mdm_str_t *der, const char *data, size_t len,
    const pki_t *expected, const char **why);
static mdm_int_t verify_text(const char *text, size_t n, const char **why);
static pki_t issue(const pki_t *issuer, int bits, int64_t from, int64_t to,
    const char *eku);


static CMS_ContentInfo *
sign(const pki_t *signer, const EVP_MD *md, unsigned int flags,
    STACK_OF(X509) *certs, const char *data, size_t len)
{
    BIO              *in;
    CMS_ContentInfo  *cms;

    in = BIO_new_mem_buf(data, (int) len);
    assert_non_null(in);

    cms = CMS_sign(NULL, NULL, certs, NULL, flags | CMS_PARTIAL);
    assert_non_null(cms);
    assert_non_null(CMS_add1_signer(cms, signer->cert, signer->key, md,
                                    flags));
    assert_int_equal(CMS_final(cms, in, NULL, flags), 1);

    BIO_free(in);

    return cms;
}


static mdm_str_t
take(CMS_ContentInfo *cms)
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


/* if it verifies, the signer must be the expected one */

static mdm_int_t
verify_at(const mdm_str_t *der, const char *data, size_t len,
    const pki_t *expected, int64_t now, const char **why)
{
    X509         *signer;
    mdm_int_t     rc;
    mdm_str_t     text, b64, content;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(256);
    assert_non_null(arena);

    /* memory of the exact size, so that ASan sees an overread */

    assert_int_equal(mdm_base64(arena, &text, der), MDM_OK);
    b64.len = text.len;
    b64.data = malloc(text.len);
    memcpy(b64.data, text.data, text.len);

    content.len = len;
    content.data = malloc(len);
    memcpy(content.data, data, len);

    rc = mdm_cms_verify(arena, &b64, &content, store, now, &signer, why);

    if (rc == MDM_OK) {
        assert_null(*why);
        assert_non_null(signer);
        assert_non_null(expected);
        assert_int_equal(X509_cmp(signer, expected->cert), 0);

    } else {
        assert_true(rc == MDM_DECLINED || rc == MDM_CMS_MALFORMED);
        assert_non_null(*why);
        assert_null(signer);
    }

    free(b64.data);
    free(content.data);
    mdm_arena_destroy(arena);

    assert_int_equal(ERR_peek_error(), 0);

    return rc;
}


static mdm_int_t
verify(const mdm_str_t *der, const char *data, size_t len,
    const pki_t *expected, const char **why)
{
    return verify_at(der, data, len, expected, PKI_NOW, why);
}


static pki_t
issue(const pki_t *issuer, int bits, int64_t from, int64_t to,
    const char *eku)
{
    pki_spec_t  spec;

    memset(&spec, 0, sizeof(pki_spec_t));

    spec.cn = "00008110-001A2B3C4D5E6F70";
    spec.issuer = issuer;
    spec.bits = bits;
    spec.from = from;
    spec.to = to;
    spec.eku = eku;

    return pki_issue(&spec);
}


static void
test_accepted(void **state)
{
    static const EVP_MD *(*const  digests[])(void) = {
        EVP_sha1, EVP_sha224, EVP_sha256, EVP_sha384, EVP_sha512
    };

    static const unsigned int  flags[] = {
        0, CMS_NOATTR, CMS_USE_KEYID, CMS_NOATTR | CMS_USE_KEYID,
        CMS_NOSMIMECAP
    };

    size_t        i, j, k;
    mdm_str_t     der;
    const char   *why;
    const pki_t  *signer;

    (void) state;

    for (k = 0; k < 2; k++) {
        signer = k ? &rsa : &ec;

        for (i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
            for (j = 0; j < sizeof(flags) / sizeof(flags[0]); j++) {

                der = take(sign(signer, digests[i](), DETACHED | flags[j],
                                NULL, BODY));

                if (verify(&der, BODY, signer, &why) != MDM_OK) {
                    fail_msg("%zu %zu %zu: %s", i, j, k, why);
                }

                free(der.data);
            }
        }
    }
}


/*
 * Rewrites the outer layers of DER with indefinite lengths, as devices write
 * them: down to SignedData's parts, or to each signer and certificate.
 */

static size_t
indefinite(u_char *dst, const u_char *src, size_t n, int depth)
{
    int            rc, tag, class;
    long           len;
    size_t         used;
    const u_char  *p, *end;

    used = 0;
    end = src + n;

    while (src < end) {
        p = src;
        rc = ASN1_get_object(&p, &len, &tag, &class, end - src);
        assert_true(rc == 0 || rc == V_ASN1_CONSTRUCTED);

        if (rc == V_ASN1_CONSTRUCTED && depth > 0) {
            dst[used++] = *src;
            dst[used++] = 0x80;
            used += indefinite(dst + used, p, (size_t) len, depth - 1);
            dst[used++] = 0;
            dst[used++] = 0;

        } else {
            memcpy(dst + used, src, (size_t) (p + len - src));
            used += (size_t) (p + len - src);
        }

        src = p + len;
    }

    return used;
}


static void
test_ber(void **state)
{
    int           depth;
    size_t        i, n;
    mdm_str_t     der, ber;
    const char   *why;
    const pki_t  *signer;

    static const unsigned int  flags[] = { 0, CMS_NOATTR };

    (void) state;

    for (i = 0; i < 4; i++) {
        signer = (i & 1) ? &rsa : &ec;
        der = take(sign(signer, EVP_sha1(), DETACHED | flags[i / 2], NULL,
                        BODY));

        for (depth = 1; depth <= 5; depth++) {
            ber.data = malloc(der.len * 2);
            assert_non_null(ber.data);
            ber.len = indefinite(ber.data, der.data, der.len, depth);
            assert_memory_equal(ber.data, "\x30\x80", 2);

            if (verify(&ber, BODY, signer, &why) != MDM_OK) {
                fail_msg("%zu, depth %d: %s", i, depth, why);
            }

            assert_int_equal(verify(&ber, body, sizeof(body) - 2, NULL, &why),
                             MDM_DECLINED);

            n = ber.len;

            for (ber.len = 0; ber.len < n; ber.len++) {
                assert_int_equal(verify(&ber, BODY, NULL, &why),
                                 MDM_CMS_MALFORMED);
            }

            free(ber.data);
        }

        free(der.data);
    }
}


static void
test_body(void **state)
{
    char         changed[sizeof(body)];
    size_t       i, j, n;
    mdm_str_t    der;
    const char  *why;

    static const unsigned int  flags[] = { 0, CMS_NOATTR };

    (void) state;

    for (j = 0; j < 2; j++) {
        der = take(sign(&ec, EVP_sha1(), DETACHED | flags[j], NULL, BODY));

        n = sizeof(body) - 1;

        for (i = 0; i < n; i++) {
            memcpy(changed, body, sizeof(body));
            changed[i] ^= 1;
            assert_int_equal(verify(&der, changed, n, NULL, &why),
                             MDM_DECLINED);
            assert_string_equal(why,
                                "signature does not verify over the body");
        }

        /* one byte less, one more, nothing */

        assert_int_equal(verify(&der, body, n - 1, NULL, &why), MDM_DECLINED);
        assert_int_equal(verify(&der, body, n + 1, NULL, &why), MDM_DECLINED);
        assert_int_equal(verify(&der, body, 0, NULL, &why), MDM_DECLINED);

        free(der.data);

        der = take(sign(&ec, EVP_sha1(), DETACHED | flags[j], NULL, "", 0));
        assert_int_equal(verify(&der, "", 0, &ec, &why), MDM_OK);
        assert_int_equal(verify(&der, "x", 1, NULL, &why), MDM_DECLINED);
        free(der.data);
    }
}


static void
test_certificates(void **state)
{
    pki_t            p;
    mdm_str_t        der;
    const char      *why;
    STACK_OF(X509)  *chain;

    (void) state;

    /* not there; only others there */

    der = take(sign(&ec, EVP_sha256(), DETACHED | CMS_NOCERTS, NULL, BODY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    assert_string_equal(why, "certificate of the signer is missing");
    free(der.data);

    chain = sk_X509_new_null();
    sk_X509_push(chain, ca.cert);
    sk_X509_push(chain, rsa.cert);

    der = take(sign(&ec, EVP_sha256(), DETACHED | CMS_NOCERTS, chain, BODY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    assert_string_equal(why, "certificate of the signer is missing");
    free(der.data);

    /* more than needed does no harm */

    der = take(sign(&ec, EVP_sha256(), DETACHED, chain, BODY));
    assert_int_equal(verify(&der, BODY, &ec, &why), MDM_OK);
    free(der.data);
    sk_X509_free(chain);

    /* a foreign CA, also when it comes along */

    p = issue(&foreign_ca, 0, 0, 0, NULL);
    der = take(sign(&p, EVP_sha256(), DETACHED, NULL, BODY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    free(der.data);

    chain = sk_X509_new_null();
    sk_X509_push(chain, foreign_ca.cert);
    der = take(sign(&p, EVP_sha256(), DETACHED, chain, BODY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    free(der.data);
    pki_free(&p);
    sk_X509_free(chain);

    /* signed by itself */

    p = issue(NULL, 0, 0, 0, NULL);
    der = take(sign(&p, EVP_sha256(), DETACHED, NULL, BODY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    free(der.data);
    pki_free(&p);

    /* a CA between: its certificate may come with the signature */

    p = issue(&sub, 0, 0, 0, NULL);
    der = take(sign(&p, EVP_sha256(), DETACHED, NULL, BODY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    free(der.data);

    chain = sk_X509_new_null();
    sk_X509_push(chain, sub.cert);
    der = take(sign(&p, EVP_sha256(), DETACHED, chain, BODY));
    assert_int_equal(verify(&der, BODY, &p, &why), MDM_OK);
    free(der.data);
    pki_free(&p);
    sk_X509_free(chain);

    /* another purpose */

    p = issue(&ca, 0, 0, 0, "serverAuth,emailProtection");
    der = take(sign(&p, EVP_sha256(), DETACHED, NULL, BODY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    assert_string_equal(why, X509_verify_cert_error_string(
                                                  X509_V_ERR_INVALID_PURPOSE));
    free(der.data);
    pki_free(&p);
}


static void
test_dates(void **state)
{
    pki_t        p;
    mdm_str_t    der;
    const char  *why;

    (void) state;

    p = issue(&ca, 0, PKI_NOW, PKI_NOW + PKI_DAY, NULL);
    der = take(sign(&p, EVP_sha1(), DETACHED, NULL, BODY));

    assert_int_equal(verify_at(&der, BODY, &p, PKI_NOW, &why), MDM_OK);
    assert_int_equal(verify_at(&der, BODY, &p, PKI_NOW - MDM_CERTIFICATE_SKEW,
                               &why), MDM_OK);
    assert_int_equal(verify_at(&der, BODY, NULL,
                               PKI_NOW - MDM_CERTIFICATE_SKEW - 1, &why),
                     MDM_DECLINED);
    assert_string_equal(why, X509_verify_cert_error_string(
                                            X509_V_ERR_CERT_NOT_YET_VALID));

    assert_int_equal(verify_at(&der, BODY, NULL, PKI_NOW + PKI_DAY + 1, &why),
                     MDM_DECLINED);
    assert_string_equal(why, "certificate has expired");

    /* skew is no way around the signature */

    assert_int_equal(verify_at(&der, body, 3, NULL, PKI_NOW - 1, &why),
                     MDM_DECLINED);

    free(der.data);
    pki_free(&p);
}


static void
test_structure(void **state)
{
    BIO              *in;
    mdm_str_t         der;
    const char       *why;
    CMS_ContentInfo  *cms;

    (void) state;

    /* content attached, the same as the body or not */

    der = take(sign(&ec, EVP_sha256(), CMS_BINARY, NULL, BODY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    assert_string_equal(why, "signature is not detached");
    free(der.data);

    der = take(sign(&ec, EVP_sha256(), CMS_BINARY, NULL, "", 0));
    assert_int_equal(verify(&der, "", 0, NULL, &why), MDM_DECLINED);
    free(der.data);

    /* two signers, twice the same, none */

    in = BIO_new_mem_buf(BODY);
    cms = CMS_sign(ec.cert, ec.key, NULL, NULL, DETACHED | CMS_PARTIAL);
    assert_non_null(CMS_add1_signer(cms, rsa.cert, rsa.key, NULL, DETACHED));
    assert_int_equal(CMS_final(cms, in, NULL, DETACHED), 1);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    assert_string_equal(why, "signature has not exactly one signer");
    free(der.data);
    BIO_free(in);

    in = BIO_new_mem_buf(BODY);
    cms = CMS_sign(ec.cert, ec.key, NULL, NULL, DETACHED | CMS_PARTIAL);
    assert_non_null(CMS_add1_signer(cms, ec.cert, ec.key, EVP_sha512(),
                                    DETACHED | CMS_NOCERTS));
    assert_int_equal(CMS_final(cms, in, NULL, DETACHED), 1);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    free(der.data);
    BIO_free(in);

    cms = CMS_sign(NULL, NULL, NULL, NULL, DETACHED | CMS_PARTIAL);
    assert_int_equal(CMS_add1_cert(cms, ec.cert), 1);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    assert_string_equal(why, "signature has not exactly one signer");
    free(der.data);

    /* other kinds of CMS */

    in = BIO_new_mem_buf(BODY);
    der = take(CMS_data_create(in, CMS_BINARY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_CMS_MALFORMED);
    free(der.data);
    BIO_free(in);

    in = BIO_new_mem_buf(BODY);
    der = take(CMS_digest_create(in, EVP_sha256(), DETACHED));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_CMS_MALFORMED);
    free(der.data);
    BIO_free(in);
}


static void
test_digests(void **state)
{
    BIO              *in;
    mdm_str_t         der;
    const char       *why;
    EVP_PKEY_CTX     *ctx;
    CMS_SignerInfo   *si;
    CMS_ContentInfo  *cms;

    (void) state;

    der = take(sign(&rsa, EVP_md5(), DETACHED, NULL, BODY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    assert_string_equal(why, "digest of the signature is not accepted");
    free(der.data);

    der = take(sign(&rsa, EVP_md5(), DETACHED | CMS_NOATTR, NULL, BODY));
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    free(der.data);

    /* RSA-PSS */

    in = BIO_new_mem_buf(BODY);
    cms = CMS_sign(NULL, NULL, NULL, NULL, DETACHED | CMS_PARTIAL);
    si = CMS_add1_signer(cms, rsa.cert, rsa.key, EVP_sha256(),
                         DETACHED | CMS_KEY_PARAM);
    assert_non_null(si);
    ctx = CMS_SignerInfo_get0_pkey_ctx(si);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0);
    assert_int_equal(CMS_final(cms, in, NULL, DETACHED), 1);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, &rsa, &why), MDM_OK);
    assert_int_equal(verify(&der, body, 1, NULL, &why), MDM_DECLINED);
    free(der.data);
    BIO_free(in);
}


static void
test_attributes(void **state)
{
    mdm_str_t         der;
    const char       *why;
    X509_ATTRIBUTE   *attr;
    CMS_SignerInfo   *si;
    CMS_ContentInfo  *cms;

    (void) state;

    /* the type of the content is not the one that was signed */

    cms = sign(&ec, EVP_sha256(), DETACHED, NULL, BODY);
    assert_int_equal(CMS_set1_eContentType(cms,
                                    OBJ_nid2obj(NID_pkcs7_enveloped)), 1);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    free(der.data);

    /* one attribute taken away, one added, the digest's taken away */

    cms = sign(&ec, EVP_sha256(), DETACHED, NULL, BODY);
    si = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    attr = CMS_signed_delete_attr(si, CMS_signed_get_attr_by_NID(si,
                                                  NID_pkcs9_signingTime, -1));
    assert_non_null(attr);
    X509_ATTRIBUTE_free(attr);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    assert_string_equal(why, "signature over the attributes does not verify");
    free(der.data);

    cms = sign(&ec, EVP_sha256(), DETACHED, NULL, BODY);
    si = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    assert_int_equal(CMS_signed_add1_attr_by_NID(si, NID_friendlyName,
                                     V_ASN1_UTF8STRING, "x", 1), 1);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    free(der.data);

    cms = sign(&ec, EVP_sha256(), DETACHED, NULL, BODY);
    si = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    attr = CMS_signed_delete_attr(si, CMS_signed_get_attr_by_NID(si,
                                                NID_pkcs9_messageDigest, -1));
    X509_ATTRIBUTE_free(attr);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    free(der.data);

    /* all taken away: what is left does not sign the body */

    cms = sign(&ec, EVP_sha256(), DETACHED, NULL, BODY);
    si = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);

    while (CMS_signed_get_attr_count(si) > 0) {
        X509_ATTRIBUTE_free(CMS_signed_delete_attr(si, 0));
    }

    der = take(cms);
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    free(der.data);

    /* unsigned attributes are nobody's word */

    cms = sign(&ec, EVP_sha256(), DETACHED, NULL, BODY);
    si = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    assert_int_equal(CMS_unsigned_add1_attr_by_NID(si, NID_friendlyName,
                                      V_ASN1_UTF8STRING, "x", 1), 1);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, &ec, &why), MDM_OK);
    free(der.data);
}


/*
 * Anyone may know a device's certificate.  A signature of another key that
 * claims it, by issuer and number or by key identifier, must not pass.
 */

static void
test_stolen_certificate(void **state)
{
    pki_t             fake;
    mdm_str_t         der;
    const char       *why;
    pki_spec_t        spec;
    CMS_ContentInfo  *cms;

    (void) state;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "thief";
    spec.issuer = &ca;
    spec.number = ASN1_INTEGER_get(X509_get0_serialNumber(ec.cert));
    fake = pki_issue(&spec);

    cms = sign(&fake, EVP_sha256(), DETACHED | CMS_NOCERTS, NULL, BODY);
    assert_int_equal(CMS_add1_cert(cms, ec.cert), 1);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    assert_string_equal(why, "signature over the attributes does not verify");
    free(der.data);

    cms = sign(&fake, EVP_sha256(), DETACHED | CMS_NOCERTS | CMS_NOATTR, NULL,
               BODY);
    assert_int_equal(CMS_add1_cert(cms, ec.cert), 1);
    der = take(cms);
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_DECLINED);
    assert_string_equal(why, "signature does not verify over the body");
    free(der.data);

    pki_free(&fake);
}


static mdm_int_t
verify_text(const char *text, size_t n, const char **why)
{
    X509         *signer;
    mdm_int_t     rc;
    mdm_str_t     s, b;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(256);
    assert_non_null(arena);

    s.data = (u_char *) text;
    s.len = n;
    b.data = (u_char *) body;
    b.len = sizeof(body) - 1;

    rc = mdm_cms_verify(arena, &s, &b, store, PKI_NOW, &signer, why);
    assert_null(signer);
    assert_non_null(*why);

    mdm_arena_destroy(arena);

    assert_int_equal(ERR_peek_error(), 0);

    return rc;
}


static void
test_malformed(void **state)
{
    char        *big;
    size_t       i, n;
    u_char      *p;
    mdm_str_t    der;
    const char  *why;

    static const char *const  bad[] = {
        "", "=", "====", "A", "AAAA", "MAA=", "MIAAAA==", "not base64!",
        "MIIB", "-----BEGIN PKCS7-----", "%4D%41%41%3D", "(null)",
        "MAsGCSqGSIb3DQEHAg==",            /* SignedData without any */
        "MA8GCSqGSIb3DQEHAqACMAA=",        /* an empty one */
        "MIAGCSqGSIb3DQEHAqCAMIAAAAAAAAA="
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (verify_text(bad[i], strlen(bad[i]), &why) != MDM_CMS_MALFORMED) {
            fail_msg("\"%s\": %s", bad[i], why);
        }
    }

    n = MDM_CMS_SIZE + 4;
    big = malloc(n);
    memset(big, 'A', n);
    assert_int_equal(verify_text(big, n, &why), MDM_CMS_MALFORMED);
    assert_string_equal(why, "signature is too long");

    /* thousands of nested indefinite SEQUENCEs: "MIAw" "gDCA" … */

    for (i = 0; i < MDM_CMS_SIZE; i += 8) {
        memcpy(big + i, "MIAwgDCA", 8);
    }

    assert_int_equal(verify_text(big, MDM_CMS_SIZE, &why), MDM_CMS_MALFORMED);
    free(big);

    /* something behind it */

    der = take(sign(&ec, EVP_sha256(), DETACHED, NULL, BODY));
    p = realloc(der.data, der.len + 1);
    assert_non_null(p);
    p[der.len++] = 0;
    der.data = p;
    assert_int_equal(verify(&der, BODY, NULL, &why), MDM_CMS_MALFORMED);
    free(der.data);
}


/* cut everywhere, and every byte changed */

static void
test_hostile(void **state)
{
    u_char        c;
    size_t        i, j, n;
    mdm_str_t     der;
    const char   *why;
    const pki_t  *signer;

    static const u_char        change[] = { 0x01, 0x80 };
    static const unsigned int  flags[] = { 0, CMS_NOATTR };

    (void) state;

    for (i = 0; i < 4; i++) {
        signer = (i & 1) ? &rsa : &ec;

        der = take(sign(signer, EVP_sha1(), DETACHED | flags[i / 2], NULL,
                        BODY));
        n = der.len;

        for (der.len = 0; der.len < n; der.len++) {
            assert_int_equal(verify(&der, BODY, NULL, &why),
                             MDM_CMS_MALFORMED);
        }

        for (j = 0; j < n * sizeof(change); j++) {
            c = der.data[j / sizeof(change)];
            der.data[j / sizeof(change)] ^= change[j % sizeof(change)];

            /* what no signature covers may change, the signer may not */

            (void) verify(&der, BODY, signer, &why);

            /* and the wrong body never passes */

            if (j % 8 == 0) {
                assert_int_not_equal(verify(&der, body, 5, NULL, &why),
                                     MDM_OK);
            }

            der.data[j / sizeof(change)] = c;
        }

        assert_int_equal(verify(&der, BODY, signer, &why), MDM_OK);
        free(der.data);
    }
}


int
main(void)
{
    int         rc;
    pki_spec_t  spec;

    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_ber),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_stolen_certificate),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_hostile),
    };

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "Test CA";
    spec.ca = 1;
    ca = pki_issue(&spec);
    foreign_ca = pki_issue(&spec);

    spec.cn = "Sub CA";
    spec.issuer = &ca;
    sub = pki_issue(&spec);

    ec = issue(&ca, 0, 0, 0, NULL);
    rsa = issue(&ca, 2048, 0, 0, NULL);

    store = pki_store(&ca);

    rc = cmocka_run_group_tests(tests, NULL, NULL);

    X509_STORE_free(store);
    pki_free(&ec);
    pki_free(&rsa);
    pki_free(&sub);
    pki_free(&ca);
    pki_free(&foreign_ca);

    return rc;
}
