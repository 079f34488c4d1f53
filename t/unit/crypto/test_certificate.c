
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/crypto/mdm_certificate.c: digests, names, headers.
 */


#include "pki.h"

#include <stdlib.h>

#include <openssl/err.h>

#include "mdm_certificate.h"


#define UDID    "00008110-001A2B3C4D5E6F70"
#define SERIAL  "C02ABC123DEF"


static pki_t  ca;


static void test_digest(void **state);
static void test_names_subject(void **state);
static void test_names_alternative(void **state);
static void test_names_types(void **state);
static void test_names_hostile(void **state);
static void test_header_forms(void **state);
static void test_header_refused(void **state);
static void test_header_hostile(void **state);

static mdm_str_t str(const char *text);
static mdm_str_t encode(X509 *cert);
static mdm_uint_t names(X509 *cert, const char *udid, const char *serial);
static mdm_uint_t names_with_san(const char *san);
static mdm_uint_t names_with_entry(int nid, int type, const void *data,
    int len);
static mdm_int_t header(const char *data, size_t len, X509 *expected);
static mdm_str_t pem(X509 *cert);


static mdm_str_t
str(const char *text)
{
    mdm_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    return s;
}


/* the DER in memory of its exact size, so that ASan sees an overread */

static mdm_str_t
encode(X509 *cert)
{
    mdm_str_t     der, copy;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(256);
    assert_non_null(arena);
    assert_int_equal(mdm_certificate_der(arena, cert, &der), MDM_OK);

    copy.len = der.len;
    copy.data = malloc(der.len);
    assert_non_null(copy.data);
    memcpy(copy.data, der.data, der.len);

    mdm_arena_destroy(arena);

    return copy;
}


static void
test_digest(void **state)
{
    u_char     digest[MDM_SHA256], hex[65];
    mdm_str_t  s;

    (void) state;

    hex[64] = 'x';
    s = str("abc");
    assert_int_equal(mdm_certificate_sha256(&s, digest, hex), MDM_OK);
    assert_memory_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
                             "b00361a396177a9cb410ff61f20015ad", 64);
    assert_int_equal(hex[64], 'x');

    s.data = NULL;
    s.len = 0;
    assert_int_equal(mdm_certificate_sha256(&s, digest, hex), MDM_OK);
    assert_memory_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
                             "27ae41e4649b934ca495991b7852b855", 64);
}


static mdm_uint_t
names(X509 *cert, const char *udid, const char *serial)
{
    mdm_str_t   der, u, s;
    mdm_uint_t  found;

    der = encode(cert);
    u = str(udid);
    s = str(serial);

    found = mdm_certificate_names(&der, &u, &s);

    assert_int_equal(ERR_peek_error(), 0);
    free(der.data);

    return found;
}


static mdm_uint_t
names_with_entry(int nid, int type, const void *data, int len)
{
    pki_t       pki;
    mdm_uint_t  found;
    pki_spec_t  spec;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.issuer = &ca;

    pki = pki_prepare(&spec);
    assert_int_equal(X509_NAME_add_entry_by_NID(
                                X509_get_subject_name(pki.cert), nid, type,
                                data, len, -1, 0),
                     1);
    pki_sign(&pki, &spec);

    found = names(pki.cert, UDID, SERIAL);

    pki_free(&pki);

    return found;
}


static mdm_uint_t
names_with_san(const char *san)
{
    pki_t       pki;
    mdm_uint_t  found;
    pki_spec_t  spec;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "some device";
    spec.issuer = &ca;
    spec.san = san;

    pki = pki_issue(&spec);
    found = names(pki.cert, UDID, SERIAL);
    pki_free(&pki);

    return found;
}


static void
test_names_subject(void **state)
{
    pki_t       pki;
    pki_spec_t  spec;

    (void) state;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &ca;
    pki = pki_issue(&spec);

    assert_int_equal(names(pki.cert, UDID, SERIAL), 1);
    assert_int_equal(names(pki.cert, UDID, ""), 1);
    assert_int_equal(names(pki.cert, "", UDID), 1);
    assert_int_equal(names(pki.cert, "00008110-001a2b3c4d5e6f70", ""), 1);
    assert_int_equal(names(pki.cert, "", ""), 0);
    assert_int_equal(names(pki.cert, "00008110-001A2B3C4D5E6F71", ""), 0);
    assert_int_equal(names(pki.cert, "00008110", ""), 0);
    assert_int_equal(names(pki.cert, UDID "0", ""), 0);
    assert_int_equal(names(pki.cert, "", SERIAL), 0);

    pki_free(&pki);

    assert_int_equal(names_with_entry(NID_commonName, MBSTRING_ASC, SERIAL,
                                      -1), 1);
    assert_int_equal(names_with_entry(NID_userId, MBSTRING_ASC, UDID, -1), 1);
    assert_int_equal(names_with_entry(NID_serialNumber, MBSTRING_ASC, SERIAL,
                                      -1), 1);
    assert_int_equal(names_with_entry(NID_serialNumber, MBSTRING_ASC,
                                      "c02abc123def", -1), 1);
    assert_int_equal(names_with_entry(NID_organizationName, MBSTRING_ASC,
                                      UDID, -1), 0);
    assert_int_equal(names_with_entry(NID_givenName, MBSTRING_ASC, UDID, -1),
                     0);
}


static void
test_names_alternative(void **state)
{
    static const char *const  good[] = {
        "DNS:" UDID,
        "DNS:other.example,DNS:" UDID,
        "URI:" UDID,
        "URI:urn:uuid:" UDID,
        "URI:mdm://devices/" UDID,
        "URI:https://mdm.example/d/" SERIAL,
        "email:" SERIAL "@example.com",
        "email:c02abc123DEF@example.com"
    };

    static const char *const  bad[] = {
        "DNS:" UDID ".example.com",
        "DNS:x" UDID,
        "URI:mdm://" UDID "/device",
        "URI:mdm://devices/" UDID "?x",
        "URI:mdm://devices/" UDID "/",
        "URI:mdm://devices/x" UDID,
        "email:x@" UDID,
        "email:x" SERIAL "@example.com",
        "IP:127.0.0.1",
        "RID:1.2.3.4",
        "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:" UDID,
        "otherName:1.3.6.1.5.5.7.8.3;UTF8:" UDID
    };

    size_t  i;

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!names_with_san(good[i])) {
            fail_msg("%s does not match", good[i]);
        }
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (names_with_san(bad[i])) {
            fail_msg("%s matches", bad[i]);
        }
    }
}


/* SANs that OpenSSL's text form cannot write */

static void
test_names_types(void **state)
{
    static u_char  sequence[] = "\x30\x1b\x0c\x19" UDID;
    static u_char  assigner[] = "\x30\x20\x0c\x19" UDID "\x06\x03\x2a\x03\x04";
    static u_char  printable[] = "\x30\x1b\x13\x19" UDID;
    static u_char  empty[] = "\x30\x00";
    static u_char  only[] = "\x30\x05\x06\x03\x2a\x03\x04";
    static u_char  broken[] = "\x30\x05\x0c\x19" "000";

    static struct {
        u_char      *der;
        size_t       len;
        mdm_uint_t   match;
    } cases[] = {
        { sequence, sizeof(sequence) - 1, 1 },
        { assigner, sizeof(assigner) - 1, 1 },
        { printable, sizeof(printable) - 1, 0 },
        { empty, sizeof(empty) - 1, 0 },
        { only, sizeof(only) - 1, 0 },
        { broken, sizeof(broken) - 1, 0 }
    };

    size_t         i;
    pki_t          pki;
    ASN1_TYPE     *type;
    X509_NAME     *dirname;
    pki_spec_t     spec;
    ASN1_STRING   *string;
    GENERAL_NAME  *name;
    GENERAL_NAMES *list;

    (void) state;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "some device";
    spec.issuer = &ca;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        string = ASN1_STRING_type_new(V_ASN1_SEQUENCE);
        assert_non_null(string);
        ASN1_STRING_set(string, cases[i].der, (int) cases[i].len);

        type = ASN1_TYPE_new();
        assert_non_null(type);
        ASN1_TYPE_set(type, V_ASN1_SEQUENCE, string);

        name = GENERAL_NAME_new();
        list = sk_GENERAL_NAME_new_null();
        assert_non_null(name);
        assert_non_null(list);
        assert_int_equal(GENERAL_NAME_set0_othername(name,
                                   OBJ_nid2obj(NID_id_on_permanentIdentifier),
                                   type), 1);
        sk_GENERAL_NAME_push(list, name);

        pki = pki_prepare(&spec);
        assert_int_equal(X509_add1_ext_i2d(pki.cert, NID_subject_alt_name,
                                           list, 0, 0), 1);
        pki_sign(&pki, &spec);

        if (names(pki.cert, UDID, SERIAL) != cases[i].match) {
            fail_msg("permanentIdentifier %zu", i);
        }

        pki_free(&pki);
        GENERAL_NAMES_free(list);
    }

    /* directoryName */

    dirname = X509_NAME_new();
    X509_NAME_add_entry_by_NID(dirname, NID_organizationName, MBSTRING_ASC,
                               (const u_char *) "Example", -1, -1, 0);
    X509_NAME_add_entry_by_NID(dirname, NID_serialNumber, MBSTRING_ASC,
                               (const u_char *) SERIAL, -1, -1, 0);

    name = GENERAL_NAME_new();
    list = sk_GENERAL_NAME_new_null();
    GENERAL_NAME_set0_value(name, GEN_DIRNAME, dirname);
    sk_GENERAL_NAME_push(list, name);

    pki = pki_prepare(&spec);
    assert_int_equal(X509_add1_ext_i2d(pki.cert, NID_subject_alt_name, list,
                                       0, 0), 1);
    pki_sign(&pki, &spec);

    assert_int_equal(names(pki.cert, UDID, SERIAL), 1);
    assert_int_equal(names(pki.cert, UDID, ""), 0);

    pki_free(&pki);
    GENERAL_NAMES_free(list);

    /* string types are compared by what they mean */

    assert_int_equal(names_with_entry(NID_commonName, V_ASN1_BMPSTRING,
                             "\0C\0000\0002\0A\0B\0C\0001\0002\0003\0D\0E\0F",
                             24), 1);
    assert_int_equal(names_with_entry(NID_commonName, V_ASN1_T61STRING, SERIAL,
                                      -1), 1);
}


static void
test_names_hostile(void **state)
{
    size_t      n;
    pki_t       pki;
    u_char     *p;
    mdm_str_t   der, udid, serial, part;
    pki_spec_t  spec;

    static const char  nul[] = UDID "\0.example";
    static const char  inner[] = "C02\0ABC";

    (void) state;

    assert_int_equal(names_with_entry(NID_commonName, V_ASN1_UTF8STRING, nul,
                                      sizeof(nul) - 1), 0);
    assert_int_equal(names_with_entry(NID_commonName, V_ASN1_UTF8STRING, nul,
                                      sizeof(UDID)), 0);

    /* a NUL never matches, not even itself */

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.issuer = &ca;
    pki = pki_prepare(&spec);
    X509_NAME_add_entry_by_NID(X509_get_subject_name(pki.cert),
                               NID_commonName, V_ASN1_UTF8STRING,
                               (const u_char *) inner, sizeof(inner) - 1, -1,
                               0);
    pki_sign(&pki, &spec);

    der = encode(pki.cert);
    udid.data = (u_char *) inner;
    udid.len = sizeof(inner) - 1;
    serial = str("");
    assert_int_equal(mdm_certificate_names(&der, &udid, &serial), 0);

    /* no certificate, a part of one, one and more */

    udid = str("C02");

    for (n = 0; n < der.len; n++) {
        p = malloc(n);
        memcpy(p, der.data, n);
        part.data = p;
        part.len = n;
        assert_int_equal(mdm_certificate_names(&part, &udid, &serial), 0);
        free(p);
    }

    free(der.data);
    pki_free(&pki);

    spec.cn = UDID;
    pki = pki_issue(&spec);
    der = encode(pki.cert);
    udid = str(UDID);
    assert_int_equal(mdm_certificate_names(&der, &udid, &serial), 1);

    /* an id is not read past its length, where the rest would match */

    udid.len = 8;
    assert_int_equal(mdm_certificate_names(&der, &udid, &serial), 0);
    udid = str(UDID);

    p = malloc(der.len + 1);
    memcpy(p, der.data, der.len);
    p[der.len] = 0;
    part.data = p;
    part.len = der.len + 1;
    assert_int_equal(mdm_certificate_names(&part, &udid, &serial), 0);
    free(p);

    free(der.data);
    pki_free(&pki);

    assert_int_equal(ERR_peek_error(), 0);
}


static mdm_str_t
pem(X509 *cert)
{
    BIO        *bio;
    char       *data;
    long        len;
    mdm_str_t   s;

    bio = BIO_new(BIO_s_mem());
    assert_non_null(bio);
    assert_int_equal(PEM_write_bio_X509(bio, cert), 1);

    len = BIO_get_mem_data(bio, &data);
    s.len = (size_t) len;
    s.data = malloc(s.len);
    assert_non_null(s.data);
    memcpy(s.data, data, s.len);

    BIO_free(bio);

    return s;
}


/* if a certificate comes out, it must be the expected one */

static mdm_int_t
header(const char *data, size_t len, X509 *expected)
{
    X509         *cert;
    mdm_int_t     rc;
    mdm_str_t     value;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(256);
    assert_non_null(arena);

    value.len = len;
    value.data = malloc(len);
    memcpy(value.data, data, len);

    rc = mdm_certificate_header(arena, &value, &cert);

    if (rc == MDM_OK) {
        assert_non_null(cert);
        assert_non_null(expected);
        assert_int_equal(X509_cmp(cert, expected), 0);

    } else {
        assert_int_equal(rc, MDM_DECLINED);
        assert_null(cert);
    }

    free(value.data);
    mdm_arena_destroy(arena);

    assert_int_equal(ERR_peek_error(), 0);

    return rc;
}


static void
test_header_forms(void **state)
{
    char         *hex;
    size_t        i;
    pki_t         pki;
    mdm_str_t     text, der, s;
    pki_spec_t    spec;
    mdm_arena_t  *arena;

    (void) state;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &ca;

    arena = mdm_arena_create(4096);

    /* "+" and "/" turn up in some of them, all must be the same to us */

    for (i = 0; i < 8; i++) {
        pki = pki_issue(&spec);
        text = pem(pki.cert);

        /* nginx's $ssl_client_escaped_cert; "+" raw */

        mdm_escape(arena, &s, &text, "/");
        assert_int_equal(header((char *) s.data, s.len, pki.cert), MDM_OK);

        mdm_escape(arena, &s, &text, "");
        assert_int_equal(header((char *) s.data, s.len, pki.cert), MDM_OK);

        /* not escaped at all: what has no "%" decodes to itself */

        assert_int_equal(header((char *) text.data, text.len, pki.cert),
                         MDM_OK);

        /* RFC 9440 */

        der = encode(pki.cert);
        mdm_base64(arena, &s, &der);
        mdm_printf(arena, &s, ":%.*s:", mdm_fmt(&s));
        assert_int_equal(header((char *) s.data, s.len, pki.cert), MDM_OK);

        free(der.data);
        free(text.data);
        pki_free(&pki);
    }

    /* every byte percent-encoded, lower and upper case */

    pki = pki_issue(&spec);
    text = pem(pki.cert);
    hex = malloc(text.len * 3 + 1);

    for (i = 0; i < text.len; i++) {
        sprintf(hex + i * 3, (i & 1) ? "%%%02x" : "%%%02X", text.data[i]);
    }

    assert_int_equal(header(hex, text.len * 3, pki.cert), MDM_OK);

    free(hex);
    free(text.data);
    pki_free(&pki);

    mdm_arena_destroy(arena);
}


static void
test_header_refused(void **state)
{
    u_char       *p;
    size_t        i;
    pki_t         pki;
    mdm_str_t     text, der, b64, s;
    pki_spec_t    spec;
    mdm_arena_t  *arena;

    static const char *const  bad[] = {
        "", " ", ":", "::", ":::", ":=:", ":AAAA:", ":MIIB", "%", "%2", "%zz",
        "%00", "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----%0A-----END CERTIFICATE-----%0A",
        "-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE----------END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----END CERTIFICATE-----",
        "-----BEGIN PRIVATE KEY-----%0AAAAA%0A-----END PRIVATE KEY-----",
        "CN=device", "(null)", "-", ":MIIB:;a=b"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (header(bad[i], strlen(bad[i]), NULL) != MDM_DECLINED) {
            fail_msg("\"%s\" is accepted", bad[i]);
        }
    }

    arena = mdm_arena_create(4096);

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &ca;
    pki = pki_issue(&spec);

    text = pem(pki.cert);
    der = encode(pki.cert);

    /* two of them, text in front and behind, a NUL */

    mdm_printf(arena, &s, "%.*s%.*s", mdm_fmt(&text), mdm_fmt(&text));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    mdm_printf(arena, &s, "x%.*s", mdm_fmt(&text));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    mdm_printf(arena, &s, "%.*sx", mdm_fmt(&text));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    mdm_printf(arena, &s, "%.*s%%00", mdm_fmt(&text));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    mdm_printf(arena, &s, "%%00%.*s", mdm_fmt(&text));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    mdm_printf(arena, &s, "%.*s%%", mdm_fmt(&text));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    /* the two forms do not mix; RFC 9440 takes one item and no more */

    mdm_base64(arena, &b64, &der);

    mdm_printf(arena, &s, "%.*s", mdm_fmt(&b64));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    mdm_printf(arena, &s, ":%.*s", mdm_fmt(&b64));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    mdm_printf(arena, &s, "%.*s:", mdm_fmt(&b64));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    mdm_printf(arena, &s, ":%.*s:, :%.*s:", mdm_fmt(&b64), mdm_fmt(&b64));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    mdm_printf(arena, &s, ":%.*s:", mdm_fmt(&text));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    /* bytes behind the certificate */

    p = mdm_arena_alloc(arena, der.len + 1);
    memcpy(p, der.data, der.len);
    p[der.len] = 0;
    s.data = p;
    s.len = der.len + 1;
    mdm_base64(arena, &b64, &s);
    mdm_printf(arena, &s, ":%.*s:", mdm_fmt(&b64));
    assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);

    free(text.data);
    free(der.data);
    pki_free(&pki);
    mdm_arena_destroy(arena);
}


static void
test_header_hostile(void **state)
{
    size_t        n;
    pki_t         pki;
    mdm_str_t     text, der, b64, s;
    pki_spec_t    spec;
    mdm_arena_t  *arena;

    (void) state;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = UDID;
    spec.issuer = &ca;
    spec.san = "DNS:" UDID ",email:x@example.com";
    pki = pki_issue(&spec);

    arena = mdm_arena_create(4096);

    text = pem(pki.cert);
    mdm_escape(arena, &s, &text, "");

    /* cut everywhere; the last three bytes are the line end, "%0A" */

    for (n = 0; n < s.len; n++) {
        assert_int_equal(header((char *) s.data, n, pki.cert),
                         (n == s.len - 3) ? MDM_OK : MDM_DECLINED);
    }

    der = encode(pki.cert);

    for (n = 0; n < der.len; n++) {
        b64.data = der.data;
        b64.len = n;
        mdm_base64(arena, &s, &b64);
        mdm_printf(arena, &s, ":%.*s:", mdm_fmt(&s));
        assert_int_equal(header((char *) s.data, s.len, NULL), MDM_DECLINED);
    }

    free(text.data);
    free(der.data);
    pki_free(&pki);
    mdm_arena_destroy(arena);
}


int
main(void)
{
    int         rc;
    pki_spec_t  spec;

    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_names_subject),
        cmocka_unit_test(test_names_alternative),
        cmocka_unit_test(test_names_types),
        cmocka_unit_test(test_names_hostile),
        cmocka_unit_test(test_header_forms),
        cmocka_unit_test(test_header_refused),
        cmocka_unit_test(test_header_hostile),
    };

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "Test CA";
    spec.ca = 1;
    ca = pki_issue(&spec);

    rc = cmocka_run_group_tests(tests, NULL, NULL);

    pki_free(&ca);

    return rc;
}
