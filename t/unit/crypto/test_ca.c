
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/crypto/mdm_ca*.c: what is issued, the template of
 * subjects, the checks of CAs, and certificate requests.
 */


#include "pki.h"

#include <stdlib.h>

#include <openssl/err.h>

#include "mdm_ca.h"
#include "mdm_ca_request.h"
#include "mdm_certificate.h"
#include "mdm_unit_arena.h"


static pki_t  rsa2048, rsa3072, rsa4096, p256, p384;


static void
text(mdm_str_t *s, const char *value)
{
    s->data = (u_char *) value;
    s->len = strlen(value);
}


static EVP_PKEY *
ec(const char *curve)
{
    EVP_PKEY  *key;

    key = EVP_EC_gen(curve);
    assert_non_null(key);

    return key;
}


/* takes an extension away, for another one */

static void
drop(X509 *cert, int nid)
{
    X509_EXTENSION_free(X509_delete_ext(cert,
                                        X509_get_ext_by_NID(cert, nid, -1)));
}


/* a root with a key of its own */

static pki_t
root(EVP_PKEY *key, int64_t to)
{
    pki_t       pki;
    pki_spec_t  spec;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "Device CA";
    spec.ca = 1;
    spec.to = to;

    pki = pki_prepare(&spec);

    EVP_PKEY_free(pki.key);
    pki.key = key;

    assert_int_equal(X509_set_pubkey(pki.cert, key), 1);
    drop(pki.cert, NID_subject_key_identifier);
    pki_extension(pki.cert, NULL, NID_subject_key_identifier, "hash");
    pki_sign(&pki, &spec);

    /* as a file that is read */

    X509_check_purpose(pki.cert, -1, 0);

    return pki;
}


static mdm_ca_subject_t *
subject(const char *template)
{
    size_t             at;
    mdm_str_t          s;
    const char        *why;
    mdm_ca_subject_t  *parsed;

    text(&s, template);

    assert_int_equal(mdm_ca_subject_parse(arena, &s, &parsed, &why, &at),
                     MDM_OK);

    return parsed;
}


static void
configure(mdm_ca_t *ca, const pki_t *pki, const char *template)
{
    memset(ca, 0, sizeof(mdm_ca_t));

    ca->cert = pki->cert;
    ca->key = pki->key;
    ca->subject = subject(template);
    ca->digest = EVP_sha256();
    ca->lifetime = 365 * PKI_DAY;
    ca->backdate = 300;
    ca->key_minimum = 2048;
}


static X509 *
parse(const mdm_str_t *der)
{
    X509          *cert;
    const u_char  *p;

    p = der->data;
    cert = d2i_X509(NULL, &p, (long) der->len);
    assert_non_null(cert);
    assert_ptr_equal(p, der->data + der->len);

    return cert;
}


static X509 *
issue(const mdm_ca_t *ca, mdm_ca_issue_t *is)
{
    int        len;
    X509      *made, *cert;
    u_char    *key, *certified;
    mdm_str_t  der, again;

    assert_int_equal(mdm_ca_issue(arena, ca, is, &der, &made), MDM_OK);
    assert_int_equal(ERR_peek_error(), 0);

    assert_int_equal(mdm_certificate_der(arena, made, &again), MDM_OK);
    assert_true(mdm_str_eq(&der, &again));

    /* the key is encoded as OpenSSL does it */

    cert = parse(&der);
    key = NULL;
    certified = NULL;

    len = i2d_PUBKEY(is->key, &key);
    assert_true(len > 0);
    assert_int_equal(i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &certified),
                     len);
    assert_memory_equal(key, certified, len);

    OPENSSL_free(key);
    OPENSSL_free(certified);

    return cert;
}


static void
printed(X509 *cert, const char *expected)
{
    size_t  n;
    u_char  line[MDM_SUBJECT_MAX];

    n = mdm_certificate_print(cert, line, sizeof(line));

    if (n != strlen(expected) || memcmp(line, expected, n) != 0) {
        fail_msg("\"%.*s\" is not \"%s\"", (int) n, line, expected);
    }
}


static void
test_issue(void **state)
{
    static pki_t *const  cas[] = {
        &rsa2048, &rsa3072, &rsa4096, &p256, &p384
    };

    int                i, crit;
    X509              *cert;
    size_t             k, j;
    mdm_ca_t           ca;
    mdm_str_t          der, udid, serial, none;
    const char        *why;
    X509_STORE        *trusted;
    mdm_ca_issue_t     is;
    EVP_PKEY          *keys[4];
    EXTENDED_KEY_USAGE *eku;

    (void) state;

    keys[0] = pki_key(2048);
    keys[1] = ec("P-256");
    keys[2] = ec("P-384");
    keys[3] = ec("P-521");

    text(&udid, "00008110-001A2B3C4D5E6F70");
    text(&serial, "C02ABCDEFGH1");
    text(&none, "");

    for (k = 0; k < sizeof(cas) / sizeof(cas[0]); k++) {
        configure(&ca, cas[k], "CN=${id},serialNumber=${serial},O=Example");
        trusted = pki_store(cas[k]);

        for (j = 0; j < 4; j++) {
            memset(&is, 0, sizeof(is));
            is.key = keys[j];
            is.id = udid;
            is.device_serial = serial;
            assert_int_equal(mdm_ca_serial(is.serial), MDM_OK);
            assert_int_equal(mdm_ca_dates(&ca, PKI_NOW, &is.from, &is.until),
                             MDM_OK);

            cert = issue(&ca, &is);

            assert_int_equal(X509_get_version(cert), X509_VERSION_3);
            assert_int_equal(X509_get_extension_flags(cert) & EXFLAG_CA, 0);
            assert_int_equal(X509_get_extension_flags(cert) & EXFLAG_INVALID,
                             0);
            assert_int_equal(X509_get_key_usage(cert),
                             KU_DIGITAL_SIGNATURE
                             | ((j == 0) ? KU_KEY_ENCIPHERMENT : 0));
            assert_int_equal(X509_get_extended_key_usage(cert),
                             XKU_SSL_CLIENT);

            eku = X509_get_ext_d2i(cert, NID_ext_key_usage, &crit, NULL);
            assert_int_equal(sk_ASN1_OBJECT_num(eku), 1);
            EXTENDED_KEY_USAGE_free(eku);

            /* 16 octets, and these */

            assert_int_equal(ASN1_STRING_length(
                                        X509_get0_serialNumber(cert)),
                             MDM_CA_SERIAL);
            assert_memory_equal(ASN1_STRING_get0_data(
                                        X509_get0_serialNumber(cert)),
                                is.serial, MDM_CA_SERIAL);

            assert_int_equal(ASN1_OCTET_STRING_cmp(
                                 X509_get0_authority_key_id(cert),
                                 X509_get0_subject_key_id(cas[k]->cert)),
                             0);
            assert_non_null(X509_get0_subject_key_id(cert));

            i = X509_get_ext_by_NID(cert, NID_key_usage, -1);
            assert_int_equal(X509_EXTENSION_get_critical(
                                        X509_get_ext(cert, i)), 1);

            printed(cert, "O=Example,serialNumber=C02ABCDEFGH1,"
                          "CN=00008110-001A2B3C4D5E6F70");

            /* the same, read as a stranger's */

            assert_int_equal(mdm_certificate_der(arena, cert, &der), MDM_OK);
            assert_int_equal(mdm_certificate_names(&der, &udid, &none), 1);
            assert_int_equal(mdm_certificate_names(&der, &none, &serial), 1);

            assert_int_equal(mdm_certificate_verify(cert, NULL, trusted,
                                                    PKI_NOW, &why),
                             MDM_OK);

            assert_int_equal(mdm_ca_ends(cert), PKI_NOW + 365 * PKI_DAY);
            assert_int_equal(mdm_ca_issued(cert, cas[k]->cert), 1);
            assert_int_equal(mdm_ca_issued(cert, cas[(k + 1) % 5]->cert), 0);

            X509_free(cert);
        }

        X509_STORE_free(trusted);
    }

    for (j = 0; j < 4; j++) {
        EVP_PKEY_free(keys[j]);
    }
}


/* the serial number in the SAN alone names the device */

static void
test_permanent(void **state)
{
    X509            *cert;
    mdm_ca_t         ca;
    mdm_str_t        der, serial, none;
    mdm_ca_issue_t   is;

    (void) state;

    configure(&ca, &p256, "CN=${person}");

    memset(&is, 0, sizeof(is));
    is.key = p384.key;
    is.until = PKI_NOW;
    text(&is.person, "j\xc3\xb6rg");
    text(&is.device_serial, "S-1");
    text(&none, "");
    serial = is.device_serial;

    cert = issue(&ca, &is);
    assert_int_equal(mdm_certificate_der(arena, cert, &der), MDM_OK);
    assert_int_equal(mdm_certificate_names(&der, &none, &serial), 1);
    X509_free(cert);

    mdm_str_null(&is.device_serial);

    cert = issue(&ca, &is);
    assert_int_equal(X509_get_ext_by_NID(cert, NID_subject_alt_name, -1), -1);
    X509_free(cert);
}


static void
test_dates(void **state)
{
    X509            *cert;
    pki_t            young;
    int64_t          from, until;
    mdm_ca_t         ca;
    mdm_ca_issue_t   is;

    (void) state;

    young = root(ec("P-256"), PKI_NOW + 10 * PKI_DAY);
    configure(&ca, &young, "CN=x");

    assert_int_equal(mdm_ca_dates(&ca, PKI_NOW, &from, &until), MDM_OK);
    assert_int_equal(from, PKI_NOW - 300);
    assert_int_equal(until, PKI_NOW + 10 * PKI_DAY);

    /* who does not ask gets no more either */

    memset(&is, 0, sizeof(is));
    is.key = p384.key;
    is.from = PKI_NOW;
    is.until = PKI_NOW + 100 * PKI_DAY;

    cert = issue(&ca, &is);
    assert_int_equal(mdm_ca_ends(cert), PKI_NOW + 10 * PKI_DAY);
    X509_free(cert);

    /* a CA that was made a moment ago, and one that is gone */

    ca.backdate = 90 * PKI_DAY;
    assert_int_equal(mdm_ca_dates(&ca, PKI_NOW, &from, &until), MDM_OK);
    assert_int_equal(from, PKI_NOW - 30 * PKI_DAY);

    assert_int_equal(mdm_ca_dates(&ca, PKI_NOW + 10 * PKI_DAY, &from, &until),
                     MDM_DECLINED);

    pki_free(&young);
}


static void
test_subject(void **state)
{
    static const struct {
        const char           *template;
        const char           *expected;
    } rows[] = {
        { "CN=${id},serialNumber=${serial},O=Example",
          "O=Example,CN=I-1" },
        { "CN=${person}", "CN=c-9" },
        { "OU=${person}", "CN=c-9" },
        { "O=Example,OU=${person}", "O=Example" },
        { "CN=device ${id}\\, ours, O=A\\+B",
          "O=A\\+B,CN=device I-1\\, ours" },
        { "CN=$x{id}${challenge_id}", "CN=$x{id}c-9" },
        { "2.5.4.3=${id}", "CN=I-1" },
        { "C=DE,DC=test,emailAddress=a@b.test,commonName=${id}",
          "CN=I-1,emailAddress=a@b.test,DC=test,C=DE" },
        { "CN=\\${id}", "CN=${id}" }
    };

    static const struct {
        const char           *template;
        const char           *why;
        size_t                at;
    } wrong[] = {
        { "", "without \"=\"", 0 },
        { "CN", "without \"=\"", 0 },
        { "CN=a,", "without \"=\"", 5 },
        { "CN=a,b,O=c", "without \"=\"", 5 },
        { "XY=a", "not known", 0 },
        { "=a", "not known", 0 },
        { "CN=", "without a value", 3 },
        { "CN=,O=a", "without a value", 3 },
        { "CN=${udid}", "none of", 3 },
        { "CN=a${id", "without \"}\"", 4 },
        { "CN=a+O=b", "several values", 4 },
        { "CN=a\\", "ends with", 4 },
        { "CN=\x01", "control", 0 },
        { "CN=\xff", "UTF-8", 0 },
        { "O=1,O=2,O=3,O=4,O=5,O=6,O=7,O=8,O=9,O=a,O=b,O=c,O=d,O=e,O=f,O=g,"
          "O=h", "too many", 64 }
    };

    X509              *cert;
    size_t             i, at;
    mdm_ca_t           ca;
    mdm_str_t          s;
    const char        *why;
    mdm_ca_issue_t     is;
    mdm_ca_subject_t  *parsed;

    (void) state;

    memset(&is, 0, sizeof(is));
    is.key = p384.key;
    is.until = PKI_NOW;
    text(&is.id, "I-1");
    text(&is.challenge_id, "c-9");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        configure(&ca, &p256, rows[i].template);
        cert = issue(&ca, &is);
        printed(cert, rows[i].expected);
        X509_free(cert);
    }

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        text(&s, wrong[i].template);
        why = NULL;

        assert_int_equal(mdm_ca_subject_parse(arena, &s, &parsed, &why, &at),
                         MDM_DECLINED);

        if (strstr(why, wrong[i].why) == NULL || at != wrong[i].at) {
            fail_msg("\"%s\": %s at %zu", wrong[i].template, why, at);
        }
    }
}


/* what devices and admins send as names */

static void
test_values(void **state)
{
    X509            *cert;
    char             lengthy[300];
    mdm_ca_t         ca;
    mdm_str_t        der, none;
    mdm_ca_issue_t   is;

    (void) state;

    configure(&ca, &p256, "CN=${id},serialNumber=${serial}");

    memset(&is, 0, sizeof(is));
    is.key = p384.key;
    is.until = PKI_NOW;
    memset(is.serial, 0x41, MDM_CA_SERIAL);

    /* nothing is known at all */

    cert = issue(&ca, &is);
    printed(cert, "CN=41414141414141414141414141414141");
    X509_free(cert);

    /* no text, or one that would break a line */

    text(&is.id, "a\xff");
    text(&is.device_serial, "a\nb");
    text(&is.challenge_id, "c-1");

    cert = issue(&ca, &is);
    printed(cert, "CN=c-1");
    X509_free(cert);

    /* longer than X.520 allows, and of other letters */

    memset(lengthy, 'i', sizeof(lengthy));
    is.id.data = (u_char *) lengthy;
    is.id.len = sizeof(lengthy);
    text(&is.device_serial, "S_\xc3\xa9");
    text(&none, "");

    cert = issue(&ca, &is);
    assert_int_equal(mdm_certificate_der(arena, cert, &der), MDM_OK);
    assert_int_equal(mdm_certificate_names(&der, &is.id, &none), 1);
    assert_int_equal(mdm_certificate_names(&der, &none, &is.device_serial),
                     1);
    X509_free(cert);
}


static void
test_serial(void **state)
{
    int     i;
    u_char  serial[MDM_CA_SERIAL];

    (void) state;

    for (i = 0; i < 1000; i++) {
        assert_int_equal(mdm_ca_serial(serial), MDM_OK);
        assert_int_equal(serial[0] & 0xc0, 0x40);
    }
}


static void
declined(mdm_int_t rc, const char *why, const char *expected)
{
    assert_int_equal(rc, MDM_DECLINED);

    if (strstr(why, expected) == NULL) {
        fail_msg("\"%s\" instead of \"%s\"", why, expected);
    }

    assert_int_equal(ERR_peek_error(), 0);
}


#define DECLINED(call, expected)                                              \
    do {                                                                      \
        mdm_int_t  rc_ = (call);                                              \
                                                                              \
        declined(rc_, why, expected);                                         \
    } while (0)


static void
test_check(void **state)
{
    pki_t            short_rsa, p521, sub, leaf, plain;
    pki_spec_t       spec;
    const char      *why;
    STACK_OF(X509)  *chain;

    static pki_t *const  good[] = {
        &rsa2048, &rsa3072, &rsa4096, &p256, &p384
    };

    size_t  i;

    (void) state;

    for (i = 0; i < 5; i++) {
        assert_int_equal(mdm_ca_check(good[i]->cert, good[i]->key, NULL,
                                      PKI_NOW, &why),
                         MDM_OK);
        assert_int_equal(mdm_ca_rooted(good[i]->cert, NULL), 1);
    }

    DECLINED(mdm_ca_check(p256.cert, p384.key, NULL, PKI_NOW, &why),
             "does not fit");
    DECLINED(mdm_ca_check(p256.cert, p256.key, NULL, PKI_NOW + 400 * PKI_DAY,
                          &why),
             "has expired");
    DECLINED(mdm_ca_check(p256.cert, p256.key, NULL, PKI_NOW - 40 * PKI_DAY,
                          &why),
             "not valid yet");

    short_rsa = root(pki_key(1024), 0);
    DECLINED(mdm_ca_check(short_rsa.cert, short_rsa.key, NULL, PKI_NOW, &why),
             "2048 to 4096");

    p521 = root(ec("P-521"), 0);
    DECLINED(mdm_ca_check(p521.cert, p521.key, NULL, PKI_NOW, &why),
             "neither RSA nor EC");

    memset(&spec, 0, sizeof(spec));
    spec.cn = "leaf";
    spec.issuer = &p256;
    leaf = pki_issue(&spec);
    DECLINED(mdm_ca_check(leaf.cert, leaf.key, NULL, PKI_NOW, &why),
             "CA:TRUE");

    /* a CA that may sign lists only */

    spec.ca = 1;
    spec.cn = "plain";
    plain = pki_prepare(&spec);
    drop(plain.cert, NID_key_usage);
    pki_extension(plain.cert, &p256, NID_key_usage, "critical,cRLSign");
    pki_sign(&plain, &spec);
    DECLINED(mdm_ca_check(plain.cert, plain.key, NULL, PKI_NOW, &why),
             "keyCertSign");

    /* its chain */

    spec.cn = "Sub";
    sub = pki_issue(&spec);
    chain = sk_X509_new_null();

    assert_int_equal(mdm_ca_check(sub.cert, sub.key, chain, PKI_NOW, &why),
                     MDM_OK);
    assert_int_equal(mdm_ca_rooted(sub.cert, chain), 0);

    sk_X509_push(chain, p256.cert);
    assert_int_equal(mdm_ca_check(sub.cert, sub.key, chain, PKI_NOW, &why),
                     MDM_OK);
    assert_int_equal(mdm_ca_rooted(sub.cert, chain), 1);

    sk_X509_push(chain, p384.cert);
    DECLINED(mdm_ca_check(sub.cert, sub.key, chain, PKI_NOW, &why),
             "next one");

    sk_X509_free(chain);
    pki_free(&short_rsa);
    pki_free(&p521);
    pki_free(&leaf);
    pki_free(&plain);
    pki_free(&sub);
}


static pki_t
authority(const pki_t *issuer, int bits, const char *usage)
{
    pki_t       pki;
    pki_spec_t  spec;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "RA";
    spec.issuer = issuer;
    spec.bits = bits;

    pki = pki_prepare(&spec);
    drop(pki.cert, NID_key_usage);
    pki_extension(pki.cert, issuer, NID_key_usage, usage);
    pki_sign(&pki, &spec);

    return pki;
}


static void
test_check_ra(void **state)
{
    pki_t        ra;
    const char  *why;

    (void) state;

    ra = authority(&p256, 2048, "digitalSignature,keyEncipherment");

    assert_int_equal(mdm_ca_check_ra(ra.cert, ra.key, p256.cert, PKI_NOW,
                                     &why),
                     MDM_OK);

    DECLINED(mdm_ca_check_ra(ra.cert, ra.key, p384.cert, PKI_NOW, &why),
             "not issued by");
    DECLINED(mdm_ca_check_ra(ra.cert, rsa2048.key, p256.cert, PKI_NOW, &why),
             "does not fit");
    DECLINED(mdm_ca_check_ra(ra.cert, ra.key, p256.cert,
                             PKI_NOW + 366 * PKI_DAY, &why),
             "expired");
    pki_free(&ra);

    ra = authority(&p256, 2048, "digitalSignature");
    DECLINED(mdm_ca_check_ra(ra.cert, ra.key, p256.cert, PKI_NOW, &why),
             "keyEncipherment");
    pki_free(&ra);

    ra = authority(&p256, 0, "digitalSignature,keyEncipherment");
    DECLINED(mdm_ca_check_ra(ra.cert, ra.key, p256.cert, PKI_NOW, &why),
             "not RSA");
    pki_free(&ra);
}


static void
test_ledger(void **state)
{
    pki_t            ra;
    mdm_ca_t         ours, other;
    mdm_str_t        der, broken = mdm_string("no certificate");
    mdm_arena_t     *arena;
    const mdm_ca_t  *cas[2];

    (void) state;

    memset(&ours, 0, sizeof(mdm_ca_t));
    memset(&other, 0, sizeof(mdm_ca_t));

    ours.cert = p256.cert;
    other.cert = p384.cert;
    cas[0] = &other;
    cas[1] = &ours;

    ra = authority(&p256, 2048, "digitalSignature");
    arena = mdm_arena_create(4096);

    assert_int_equal(mdm_certificate_der(arena, ra.cert, &der), MDM_OK);
    assert_non_null(mdm_ca_ledger(cas, 2, &der));
    assert_null(mdm_ca_ledger(cas, 1, &der));
    assert_null(mdm_ca_ledger(NULL, 0, &der));
    assert_non_null(mdm_ca_ledger(cas, 1, &broken));

    ours.ledger_optional = 1;
    assert_null(mdm_ca_ledger(cas, 2, &der));

    mdm_arena_destroy(arena);
    pki_free(&ra);
}


/* a certificate that names the key of its issuer, or does not */

static mdm_str_t
leaf(mdm_arena_t *arena, const pki_t *issuer, int named)
{
    pki_t       pki;
    mdm_str_t   der;
    pki_spec_t  spec;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "leaf";
    spec.issuer = issuer;

    pki = pki_prepare(&spec);

    if (named) {
        pki_extension(pki.cert, issuer, NID_authority_key_identifier,
                      "keyid:always");
    }

    pki_sign(&pki, &spec);
    assert_int_equal(mdm_certificate_der(arena, pki.cert, &der), MDM_OK);
    pki_free(&pki);

    return der;
}


/* CAs of one name are told apart, and those before count, too */

static void
test_ledger_names(void **state)
{
    pki_t            one, two, three;
    mdm_ca_t         first, second;
    mdm_str_t        der[2][3];
    mdm_uint_t       i;
    pki_spec_t       spec;
    mdm_arena_t     *arena;
    const mdm_ca_t  *cas[2];

    (void) state;

    memset(&first, 0, sizeof(mdm_ca_t));
    memset(&second, 0, sizeof(mdm_ca_t));
    memset(&spec, 0, sizeof(spec));

    spec.cn = "one name";
    spec.ca = 1;
    one = pki_issue(&spec);
    two = pki_issue(&spec);
    three = pki_issue(&spec);

    first.cert = one.cert;
    second.cert = two.cert;
    cas[0] = &first;
    cas[1] = &second;

    arena = mdm_arena_create(4096);

    for (i = 0; i < 2; i++) {
        der[i][0] = leaf(arena, &one, (int) i);
        der[i][1] = leaf(arena, &two, (int) i);
        der[i][2] = leaf(arena, &three, (int) i);
    }

    assert_non_null(mdm_ca_ledger(cas, 2, &der[1][0]));
    assert_non_null(mdm_ca_ledger(cas, 2, &der[1][1]));
    assert_null(mdm_ca_ledger(cas, 2, &der[1][2]));

    second.ledger_optional = 1;
    assert_non_null(mdm_ca_ledger(cas, 2, &der[1][0]));
    assert_null(mdm_ca_ledger(cas, 2, &der[1][1]));
    second.ledger_optional = 0;

    /* one signature is verified: with one CA that says all, with more of them
       nobody is let in who might be of ours */

    assert_non_null(mdm_ca_ledger(cas, 1, &der[0][0]));
    assert_null(mdm_ca_ledger(cas, 1, &der[0][1]));
    assert_non_null(mdm_ca_ledger(cas, 2, &der[0][0]));
    assert_non_null(mdm_ca_ledger(cas, 2, &der[0][1]));
    assert_non_null(mdm_ca_ledger(cas, 2, &der[0][2]));

    /* a previous one */

    first.previous = sk_X509_new_null();
    assert_true(sk_X509_push(first.previous, three.cert) > 0);
    assert_non_null(mdm_ca_ledger(cas, 1, &der[1][2]));
    assert_null(mdm_ca_ledger(cas, 1, &der[1][1]));

    first.ledger_optional = 1;
    assert_null(mdm_ca_ledger(cas, 1, &der[1][2]));
    first.ledger_optional = 0;

    /* with a block of its own, which decides */

    second.cert = three.cert;
    second.ledger_optional = 1;
    assert_null(mdm_ca_ledger(cas, 2, &der[1][2]));

    sk_X509_free(first.previous);
    mdm_arena_destroy(arena);
    pki_free(&one);
    pki_free(&two);
    pki_free(&three);
}


static int
setup_group(void **state)
{
    (void) state;

    rsa2048 = root(pki_key(2048), 0);
    rsa3072 = root(pki_key(3072), 0);
    rsa4096 = root(pki_key(4096), 0);
    p256 = root(ec("P-256"), 0);
    p384 = root(ec("P-384"), 0);

    /* the longest lifetime that tests ask for */

    assert_true(mdm_ca_ends(p256.cert) >= PKI_NOW + 365 * PKI_DAY);

    return 0;
}


static int
teardown_group(void **state)
{
    (void) state;

    pki_free(&rsa2048);
    pki_free(&rsa3072);
    pki_free(&rsa4096);
    pki_free(&p256);
    pki_free(&p384);

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_issue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_permanent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_subject, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serial, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_ra, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ledger, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ledger_names, setup, teardown)
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
