
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/enroll/mdm_scep_message.c and mdm_scep_reply.c, with
 * messages made and replies read by OpenSSL.
 */


#include "scep.h"

#include <openssl/err.h>
#include <openssl/pkcs7.h>

#include "mdm_scep_message.h"
#include "mdm_unit_arena.h"


static pki_t       ca_pki, ra, client;
static mdm_ca_t    ca;
static mdm_scep_t  scep;


static void
text(mdm_str_t *s, const char *value)
{
    s->data = (u_char *) value;
    s->len = strlen(value);
}


static void
defaults(void)
{
    memset(&scep, 0, sizeof(scep));

    scep.ca = &ca;
    scep.sha1 = 1;
    scep.des3 = 1;
}


/* reads and opens; "fail" is as it is answered */

static mdm_int_t
receive(const scep_spec_t *spec, mdm_scep_message_t *m, const char **why)
{
    mdm_int_t  rc;
    mdm_str_t  der, copy;

    der = scep_message(spec, &client, ca.ra ? ca.ra : ca.cert);

    assert_int_equal(mdm_str_dup(arena, &copy, &der), MDM_OK);
    free(der.data);

    rc = mdm_scep_read(arena, &copy, PKI_NOW, m, why);
    assert_int_equal(ERR_peek_error(), 0);

    if (rc != MDM_OK) {
        return MDM_CMS_MALFORMED;
    }

    rc = mdm_scep_open(arena, &scep, PKI_NOW, m, why);
    assert_int_equal(ERR_peek_error(), 0);

    return rc;
}


static void
refused(const scep_spec_t *spec, mdm_scep_fail_e fail, const char *reason)
{
    mdm_int_t           rc;
    const char         *why;
    mdm_scep_message_t  m;

    why = "";
    rc = receive(spec, &m, &why);

    if (rc != MDM_DECLINED || m.fail != fail || strstr(why, reason) == NULL) {
        fail_msg("%d, %s: \"%s\" instead of \"%s\"", (int) rc,
                 mdm_scep_fail_name(m.fail), why, reason);
    }
}


static void
unreadable(const scep_spec_t *spec, const char *reason)
{
    mdm_int_t           rc;
    const char         *why;
    mdm_scep_message_t  m;

    why = "";
    rc = receive(spec, &m, &why);

    if (rc != MDM_CMS_MALFORMED || strstr(why, reason) == NULL) {
        fail_msg("%d: \"%s\" instead of \"%s\"", (int) rc, why, reason);
    }
}


static void
test_accepted(void **state)
{
    size_t              i, j, k;
    const char         *why;
    scep_spec_t         spec;
    mdm_scep_message_t  m;

    static const EVP_CIPHER *(*const  ciphers[])(void) = {
        EVP_aes_128_cbc, EVP_aes_192_cbc, EVP_aes_256_cbc, EVP_des_ede3_cbc
    };

    static const EVP_MD *(*const  digests[])(void) = {
        EVP_sha1, EVP_sha256, EVP_sha384, EVP_sha512
    };

    static const char *const  types[] = { "17", "19" };

    (void) state;

    for (i = 0; i < 4; i++) {
        for (j = 0; j < 4; j++) {
            for (k = 0; k < 2; k++) {
                memset(&spec, 0, sizeof(spec));
                spec.cipher = ciphers[i]();
                spec.md = digests[j]();
                spec.type = types[k];

                assert_int_equal(receive(&spec, &m, &why), MDM_OK);
                assert_true(mdm_str_is(&m.request.challenge, "secret"));
                assert_true(mdm_str_is(&m.transaction, "TRANSACTION-1"));
                assert_int_equal(m.nonce.len, 16);
                assert_int_equal(m.type, atoi(types[k]));
                assert_int_equal(EVP_PKEY_eq(m.request.key, client.key), 1);
                assert_int_equal(m.request.ignored, 1);
            }
        }
    }

    /* for the CA though there is an RA; the request has a key of its own */

    memset(&spec, 0, sizeof(spec));
    spec.key = EVP_EC_gen("P-256");
    assert_int_equal(receive(&spec, &m, &why), MDM_OK);
    assert_int_equal(EVP_PKEY_eq(m.request.key, spec.key), 1);
    EVP_PKEY_free(spec.key);
}


/* as clients make it that do not know how long it will be */

static void
test_ber(void **state)
{
    size_t               i;
    mdm_str_t            ber;
    const char          *why;
    scep_spec_t          spec;
    mdm_scep_message_t   m;

    static const EVP_CIPHER *(*const  ciphers[])(void) = {
        EVP_aes_128_cbc, EVP_aes_256_cbc, EVP_des_ede3_cbc
    };

    (void) state;

    memset(&spec, 0, sizeof(spec));
    spec.ber = 1;

    for (i = 0; i < 3; i++) {
        spec.cipher = ciphers[i]();

        ber = scep_message(&spec, &client, ca.ra);

        /* the message, its content in pieces, and the envelope in them */

        assert_memory_equal(ber.data, "\x30\x80", 2);
        assert_non_null(memmem(ber.data, ber.len, "\xa0\x80\x24\x80\x04", 5));
        assert_non_null(memmem(ber.data + 2, ber.len - 2, "\x30\x80\x06\x09"
                               "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03",
                               13));
        free(ber.data);

        assert_int_equal(receive(&spec, &m, &why), MDM_OK);
        assert_true(mdm_str_is(&m.request.challenge, "secret"));
        assert_true(mdm_str_is(&m.transaction, "TRANSACTION-1"));
        assert_int_equal(EVP_PKEY_eq(m.request.key, client.key), 1);
    }

    spec.broken = 1;
    refused(&spec, MDM_SCEP_BAD_MESSAGE_CHECK, "does not verify");
}


static void
test_refused(void **state)
{
    scep_spec_t  spec, good;

    (void) state;

    memset(&good, 0, sizeof(good));

    spec = good;
    spec.type = "18";
    refused(&spec, MDM_SCEP_BAD_REQUEST, "type");
    spec.type = "21";
    refused(&spec, MDM_SCEP_BAD_REQUEST, "type");
    spec.type = "";
    refused(&spec, MDM_SCEP_BAD_REQUEST, "type");
    spec.type = "PKCSReq";
    refused(&spec, MDM_SCEP_BAD_REQUEST, "type");

    spec = good;
    spec.md = EVP_sha224();
    refused(&spec, MDM_SCEP_BAD_ALG, "digest");

    spec.md = EVP_sha1();
    scep.sha1 = 0;
    refused(&spec, MDM_SCEP_BAD_ALG, "digest");
    scep.sha1 = 1;

    spec = good;
    spec.cipher = EVP_des_ede3_cbc();
    scep.des3 = 0;
    refused(&spec, MDM_SCEP_BAD_ALG, "cipher");
    scep.des3 = 1;

    spec = good;
    spec.time = PKI_NOW - 2 * PKI_DAY;
    refused(&spec, MDM_SCEP_BAD_TIME, "signingTime");
    spec.time = PKI_NOW + 2 * PKI_DAY;
    refused(&spec, MDM_SCEP_BAD_TIME, "signingTime");

    spec = good;
    spec.key = pki_key(1024);
    refused(&spec, MDM_SCEP_BAD_ALG, "RSA key");
    EVP_PKEY_free(spec.key);

    /* none that can be sent back */

    spec = good;
    spec.nonce = "";
    refused(&spec, MDM_SCEP_BAD_MESSAGE_CHECK, "senderNonce");
    spec.nonce = "0123456789abcdef0123456789abcdef"
                 "0123456789abcdef0123456789abcdef0";
    refused(&spec, MDM_SCEP_BAD_MESSAGE_CHECK, "senderNonce");

    /* one answer for all that is encrypted */

    spec = good;
    spec.broken = 1;
    refused(&spec, MDM_SCEP_BAD_MESSAGE_CHECK, "does not verify");

    spec = good;
    spec.inner = "nonsense";
    spec.ninner = 8;
    refused(&spec, MDM_SCEP_BAD_MESSAGE_CHECK, "certificate request");
    spec.inner = "\x30\x02\x05\x00";
    spec.ninner = 4;
    refused(&spec, MDM_SCEP_BAD_MESSAGE_CHECK, "certificate request");
}


static void
test_unreadable(void **state)
{
    scep_spec_t  spec, good;

    (void) state;

    memset(&good, 0, sizeof(good));

    spec = good;
    spec.noattr = 1;
    unreadable(&spec, "no signed attributes");

    spec = good;
    spec.nocerts = 1;
    unreadable(&spec, "certificate of the signer");

    spec = good;
    spec.detached = 1;
    unreadable(&spec, "no content");

    spec = good;
    spec.twice = 1;
    unreadable(&spec, "exactly one signer");

    spec = good;
    spec.md = EVP_md5();
    unreadable(&spec, "digest");

    spec = good;
    spec.transaction = "";
    unreadable(&spec, "transactionID");
    spec.transaction = "a\nb";
    unreadable(&spec, "transactionID");
}


/* a byte anywhere, and nothing of it is believed */

static void
test_changed(void **state)
{
    size_t               i, opened;
    mdm_str_t            der;
    const char          *why;
    scep_spec_t          spec;
    mdm_scep_message_t   m;

    (void) state;

    memset(&spec, 0, sizeof(spec));
    der = scep_message(&spec, &client, ca.ra);
    opened = 0;

    for (i = 0; i < der.len; i += 3) {
        der.data[i] ^= 0x04;

        if (mdm_scep_read(arena, &der, PKI_NOW, &m, &why) == MDM_OK
            && mdm_scep_open(arena, &scep, PKI_NOW, &m, &why) == MDM_OK
            && (!mdm_str_is(&m.request.challenge, "secret")
                || EVP_PKEY_eq(m.request.key, client.key) != 1))
        {
            opened++;
        }

        assert_int_equal(ERR_peek_error(), 0);

        der.data[i] ^= 0x04;
    }

    assert_int_equal(opened, 0);

    /* cut */

    for (i = 0; i < der.len; i += 11) {
        mdm_str_t  s = { i, der.data };

        assert_int_equal(mdm_scep_read(arena, &s, PKI_NOW, &m, &why),
                         MDM_DECLINED);
    }

    free(der.data);
}


static void
attribute(const mdm_cms_message_t *m, const char *oid, const char *expected)
{
    mdm_str_t  value;

    assert_int_equal(mdm_cms_attribute(m, oid, &value), MDM_OK);
    assert_true(mdm_str_is(&value, expected));
}


/* the reply as a client reads it: signer, attributes, certificates */

static void
reply(const mdm_str_t *der, const mdm_str_t *leaf)
{
    BIO                 *out;
    X509                *first;
    char                *data;
    long                 n;
    PKCS7               *p7;
    mdm_str_t            nonce;
    const char          *why;
    const u_char        *p;
    CMS_ContentInfo     *cms;
    mdm_cms_message_t    m;

    static const mdm_cms_options_t  options = { 1, NULL, NULL, 1 };

    assert_int_equal(mdm_cms_read(arena, der, &options, PKI_NOW, &m, &why),
                     MDM_OK);
    assert_int_equal(X509_cmp(m.signer, ca.ra ? ca.ra : ca.cert), 0);

    attribute(&m, SCEP_OID "2", "3");
    attribute(&m, SCEP_OID "6", "0123456789abcdef");
    attribute(&m, SCEP_OID "7", "TRANSACTION-1");
    assert_int_equal(mdm_cms_attribute(&m, SCEP_OID "5", &nonce), MDM_OK);
    assert_int_equal(nonce.len, 16);

    if (leaf == NULL) {
        attribute(&m, SCEP_OID "3", "2");
        assert_int_equal(m.content.len, 0);
        return;
    }

    attribute(&m, SCEP_OID "3", "0");
    assert_int_equal(mdm_cms_attribute(&m, SCEP_OID "4", &nonce),
                     MDM_DECLINED);

    p = m.content.data;
    cms = d2i_CMS_ContentInfo(NULL, &p, (long) m.content.len);
    out = BIO_new(BIO_s_mem());
    assert_int_equal(CMS_decrypt(cms, client.key, client.cert, NULL, out,
                                 CMS_BINARY), 1);
    n = BIO_get_mem_data(out, &data);

    p = (const u_char *) data;
    p7 = d2i_PKCS7(NULL, &p, n);
    assert_non_null(p7);
    assert_int_equal(sk_X509_num(p7->d.sign->cert), 2);
    assert_int_equal(sk_PKCS7_SIGNER_INFO_num(p7->d.sign->signer_info), 0);

    p = leaf->data;
    first = d2i_X509(NULL, &p, (long) leaf->len);
    assert_int_equal(X509_cmp(sk_X509_value(p7->d.sign->cert, 0), first), 0);
    assert_int_equal(X509_cmp(sk_X509_value(p7->d.sign->cert, 1), ca.cert),
                     0);

    X509_free(first);
    PKCS7_free(p7);
    BIO_free(out);
    CMS_ContentInfo_free(cms);
}


/* a client opens it without OpenSSL's legacy provider (scep#218, scep#244) */

static void
test_reply(void **state)
{
    size_t               i;
    mdm_str_t            der, cert;
    const char          *why;
    scep_spec_t          spec;
    mdm_cms_message_t    answer;
    mdm_scep_message_t   m;

    static const EVP_CIPHER *(*const  ciphers[])(void) = {
        EVP_aes_128_cbc, EVP_aes_256_cbc, EVP_des_ede3_cbc
    };

    static const mdm_cms_options_t  options = { 1, NULL, NULL, 1 };

    (void) state;

    assert_int_equal(mdm_certificate_der(arena, client.cert, &cert), MDM_OK);

    for (i = 0; i < 6; i++) {
        ca.ra = (i < 3) ? ra.cert : NULL;
        ca.ra_key = (i < 3) ? ra.key : NULL;

        memset(&spec, 0, sizeof(spec));
        spec.cipher = ciphers[i % 3]();
        spec.md = (i == 2) ? EVP_sha1() : EVP_sha512();

        assert_int_equal(receive(&spec, &m, &why), MDM_OK);
        assert_int_equal(m.envelope.cipher,
                         EVP_CIPHER_get_type(ciphers[i % 3]()));

        assert_int_equal(mdm_scep_success(arena, &scep, &m, &cert,
                                          (i % 2) ? client.cert : NULL,
                                          &der),
                         MDM_OK);
        reply(&der, &cert);

        assert_int_equal(mdm_scep_failure(arena, &scep, &m,
                                          MDM_SCEP_BAD_REQUEST,
                                          "the challenge is not known", &der),
                         MDM_OK);
        reply(&der, NULL);

        assert_int_equal(mdm_cms_read(arena, &der, &options, PKI_NOW, &answer,
                                      &why),
                         MDM_OK);
        attribute(&answer, SCEP_OID "4", "2");
        attribute(&answer, "1.3.6.1.5.5.7.24.1", "the challenge is not known");
        assert_int_equal(answer.digest, m.outer.digest);
        assert_int_equal(ERR_peek_error(), 0);
    }

    ca.ra = ra.cert;
    ca.ra_key = ra.key;
}


/* lines that Apple takes (scep#23); the second type only where there is an RA
   (ultimate-ca-manager#101, jscep#35) */

static void
test_prepare(void **state)
{
    PKCS7         *p7;
    mdm_str_t      der;
    const u_char  *p;

    (void) state;

    assert_int_equal(mdm_scep_prepare(arena, &scep), MDM_OK);
    assert_true(mdm_str_is(&scep.caps, "AES\nDES3\nPOSTPKIOperation\nRenewal\n"
                           "SCEPStandard\nSHA-1\nSHA-256\nSHA-512\n"));
    assert_true(mdm_str_is(&scep.certs_type, "application/x-x509-ca-ra-cert"));

    p = scep.certs.data;
    p7 = d2i_PKCS7(NULL, &p, (long) scep.certs.len);
    assert_non_null(p7);
    assert_int_equal(sk_X509_num(p7->d.sign->cert), 2);
    assert_int_equal(X509_cmp(sk_X509_value(p7->d.sign->cert, 0), ra.cert),
                     0);
    assert_int_equal(X509_cmp(sk_X509_value(p7->d.sign->cert, 1), ca.cert),
                     0);
    PKCS7_free(p7);

    scep.sha1 = 0;
    scep.des3 = 0;
    ca.ra = NULL;

    assert_int_equal(mdm_scep_prepare(arena, &scep), MDM_OK);
    assert_true(mdm_str_is(&scep.caps, "AES\nPOSTPKIOperation\nRenewal\n"
                           "SCEPStandard\nSHA-256\nSHA-512\n"));
    assert_true(mdm_str_is(&scep.certs_type, "application/x-x509-ca-cert"));
    assert_int_equal(mdm_certificate_der(arena, ca.cert, &der), MDM_OK);
    assert_true(mdm_str_eq(&der, &scep.certs));

    ca.ra = ra.cert;
}


static void
test_query(void **state)
{
    mdm_str_t  query, message;

    (void) state;

    text(&query, "operation=GetCACaps&message=x");
    assert_int_equal(mdm_scep_query(&query, &message), MDM_SCEP_GET_CA_CAPS);
    assert_true(mdm_str_is(&message, "x"));

    text(&query, "message=MII+/a==&operation=PKIOperation");
    assert_int_equal(mdm_scep_query(&query, &message),
                     MDM_SCEP_PKI_OPERATION);
    assert_true(mdm_str_is(&message, "MII+/a=="));

    text(&query, "a&operation=GetCACert");
    assert_int_equal(mdm_scep_query(&query, &message), MDM_SCEP_GET_CA_CERT);
    assert_int_equal(message.len, 0);

    text(&query, "operation=GetNextCACert");
    assert_int_equal(mdm_scep_query(&query, &message), MDM_SCEP_UNKNOWN);

    text(&query, "");
    assert_int_equal(mdm_scep_query(&query, &message), MDM_SCEP_UNKNOWN);
}


static void
test_decode(void **state)
{
    size_t     i;
    mdm_str_t  s, der;

    static const char *const  good[] = {
        "-_--", "+/++", "%2B%2f%2b+", "+/+%0A+", "-/%2d+"
    };

    static const char *const  bad[] = {
        "", "A", "%2", "a b=", "*AAA", "AAAAA", "%00AAA"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        text(&s, good[i]);
        assert_int_equal(mdm_scep_decode(arena, &s, &der), MDM_OK);
        assert_int_equal(der.len, 3);
        assert_memory_equal(der.data, "\xfb\xff\xbe", 3);
    }

    text(&s, "AAE%3D");
    assert_int_equal(mdm_scep_decode(arena, &s, &der), MDM_OK);
    assert_int_equal(der.len, 2);

    text(&s, "AAE");
    assert_int_equal(mdm_scep_decode(arena, &s, &der), MDM_OK);
    assert_int_equal(der.len, 2);

    text(&s, "AA");
    assert_int_equal(mdm_scep_decode(arena, &s, &der), MDM_OK);
    assert_int_equal(der.len, 1);

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        text(&s, bad[i]);
        assert_int_equal(mdm_scep_decode(arena, &s, &der), MDM_DECLINED);
    }
}


static int
each(void **state)
{
    defaults();

    return setup(state);
}


/* certificates that nobody asked for; the signature is not over them */

static mdm_int_t
with_certificates(mdm_uint_t n, const char **why)
{
    mdm_int_t            rc;
    pki_t                more;
    mdm_str_t            der, copy;
    pki_spec_t           other;
    scep_spec_t          spec;
    const u_char        *p;
    CMS_ContentInfo     *cms;
    mdm_scep_message_t   m;

    memset(&other, 0, sizeof(other));
    memset(&spec, 0, sizeof(spec));
    other.cn = "other";

    der = scep_message(&spec, &client, ca.ra ? ca.ra : ca.cert);
    p = der.data;
    cms = d2i_CMS_ContentInfo(NULL, &p, (long) der.len);
    assert_non_null(cms);
    free(der.data);

    for ( /* void */ ; n != 0; n--) {
        more = pki_issue(&other);
        assert_int_equal(CMS_add1_cert(cms, more.cert), 1);
        pki_free(&more);
    }

    der = scep_take(cms);
    assert_int_equal(mdm_str_dup(arena, &copy, &der), MDM_OK);
    free(der.data);

    rc = mdm_scep_read(arena, &copy, PKI_NOW, &m, why);
    assert_int_equal(ERR_peek_error(), 0);

    return rc;
}


/* each takes OpenSSL's time and memory before anybody looks at it */

static void
test_many(void **state)
{
    const char  *why;

    (void) state;

    assert_int_equal(with_certificates(10, &why), MDM_OK);
    assert_int_equal(with_certificates(300, &why), MDM_DECLINED);
    assert_string_equal(why, "message is not CMS SignedData");
}


static int
setup_group(void **state)
{
    pki_spec_t  spec;

    (void) state;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "CA";
    spec.ca = 1;
    spec.bits = 2048;
    ca_pki = pki_issue(&spec);

    spec.ca = 0;
    spec.cn = "RA";
    spec.issuer = &ca_pki;
    ra = pki_issue(&spec);

    client = scep_client(2048);

    ca.cert = ca_pki.cert;
    ca.key = ca_pki.key;
    ca.ra = ra.cert;
    ca.ra_key = ra.key;
    ca.digest = EVP_sha256();
    ca.key_minimum = 2048;

    return 0;
}


static int
teardown_group(void **state)
{
    (void) state;

    pki_free(&ca_pki);
    pki_free(&ra);
    pki_free(&client);

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_accepted, each, teardown),
        cmocka_unit_test_setup_teardown(test_ber, each, teardown),
        cmocka_unit_test_setup_teardown(test_refused, each, teardown),
        cmocka_unit_test_setup_teardown(test_unreadable, each, teardown),
        cmocka_unit_test_setup_teardown(test_many, each, teardown),
        cmocka_unit_test_setup_teardown(test_changed, each, teardown),
        cmocka_unit_test_setup_teardown(test_reply, each, teardown),
        cmocka_unit_test_setup_teardown(test_prepare, each, teardown),
        cmocka_unit_test_setup_teardown(test_query, each, teardown),
        cmocka_unit_test_setup_teardown(test_decode, each, teardown)
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
