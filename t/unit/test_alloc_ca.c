
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lack of memory in what a CA does, each with every allocation failing in
 * turn.
 */


#include "alloc.h"
#include "scep.h"

#include "mdm_ca.h"
#include "mdm_ca_request.h"
#include "mdm_cms.h"
#include "mdm_envelope.h"
#include "mdm_machine_info.h"
#include "mdm_scep_message.h"


static pki_t      ca_pki, leaf;
static mdm_ca_t   ca;
static mdm_str_t  request, leaf_der;
static mdm_scep_t  scep;

static const mdm_str_t  template =
                     mdm_string("CN=${id},serialNumber=${serial},O=Example");


static alloc_rc_e
result(mdm_int_t rc)
{
    switch (rc) {

    case MDM_OK:
        return ALLOC_OK;

    case MDM_ERROR:
        return ALLOC_FAILED;

    default:
        alloc_bytes(&rc, sizeof(rc));

        return ALLOC_REFUSED;
    }
}


static alloc_rc_e
op_issue(void *data)
{
    mdm_int_t       rc;
    X509           *made;
    mdm_str_t       der;
    mdm_arena_t    *arena;
    mdm_ca_issue_t  is;

    static const mdm_str_t  id = mdm_string("00008110-001A2B3C4D5E6F70");
    static const mdm_str_t  serial = mdm_string("C02ABCDEFGH1");

    (void) data;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    memset(&is, 0, sizeof(is));
    is.key = leaf.key;
    is.id = id;
    is.device_serial = serial;

    rc = mdm_ca_serial(is.serial);

    if (rc == MDM_OK) {
        rc = mdm_ca_dates(&ca, PKI_NOW, &is.from, &is.until);
    }

    if (rc == MDM_OK) {
        rc = mdm_ca_issue(arena, &ca, &is, &der, &made);
    }

    if (rc == MDM_OK) {

        /* an RSA signature is always the same */

        alloc_str(&der);
    }

    mdm_arena_destroy(arena);

    return result(rc);
}


static alloc_rc_e
op_subject(void *data)
{
    size_t             at;
    mdm_int_t          rc;
    const char        *why;
    mdm_arena_t       *arena;
    mdm_ca_subject_t  *subject;

    (void) data;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    rc = mdm_ca_subject_parse(arena, &template, &subject, &why, &at);

    mdm_arena_destroy(arena);

    return result(rc);
}


static alloc_rc_e
op_request(void *data)
{
    mdm_int_t          rc;
    const char        *why;
    mdm_arena_t       *arena;
    mdm_ca_request_t   r;

    (void) data;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    rc = mdm_ca_request_read(arena, &request, 2048, &r, &why);

    if (rc == MDM_OK) {
        alloc_bytes(r.spki, MDM_SHA256);
        alloc_str(&r.challenge);
    }

    mdm_arena_destroy(arena);

    return result(rc);
}


static alloc_rc_e
op_envelope(void *data)
{
    mdm_int_t             rc;
    mdm_str_t             object;
    mdm_uint_t            padded;
    const char           *why;
    mdm_arena_t          *arena;
    mdm_envelope_t        e;
    mdm_envelope_keys_t   keys;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    memset(&keys, 0, sizeof(keys));
    keys.cert[0] = leaf.cert;
    keys.key[0] = leaf.key;

    rc = mdm_envelope_open(arena, data, &keys, &e, &why);

    /* what has no memory may bring nonsense */

    if (rc == MDM_OK
        && (mdm_envelope_object(&e, &object, &padded) != MDM_OK || !padded))
    {
        rc = MDM_ERROR;
    }

    if (rc == MDM_OK) {
        alloc_str(&object);
    }

    mdm_arena_destroy(arena);

    return result(rc);
}


static alloc_rc_e
op_seal(void *data)
{
    mdm_int_t     rc;
    mdm_str_t     der;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    /* its key is padded with other octets each time */

    rc = mdm_envelope_seal(arena, data, leaf.cert, NID_aes_128_cbc, NULL,
                           &der);

    if (rc == MDM_OK) {
        alloc_bytes(&der.len, sizeof(der.len));
    }

    mdm_arena_destroy(arena);

    return result(rc);
}


static alloc_rc_e
op_message(void *data)
{
    int64_t             when;
    mdm_int_t           rc;
    mdm_str_t           value;
    const char         *why;
    mdm_arena_t        *arena;
    mdm_cms_message_t   message;

    static const mdm_cms_options_t  options = { 1, NULL, NULL, 1 };

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    rc = mdm_cms_read(arena, data, &options, PKI_NOW, &message, &why);

    if (rc == MDM_OK) {
        alloc_str(&message.content);
        rc = mdm_cms_attribute(&message, "1.2.840.113549.1.9.4", &value);
    }

    if (rc == MDM_OK) {
        alloc_str(&value);
        rc = mdm_cms_signing_time(&message, &when);
    }

    mdm_arena_destroy(arena);

    return result(rc);
}


static alloc_rc_e
op_machine_info(void *data)
{
    mdm_int_t            rc;
    const char          *why;
    X509_STORE          *store;
    mdm_arena_t         *arena;
    mdm_limits_t         limits = { 8, 1000 };
    mdm_cms_message_t    message;
    mdm_machine_info_t   info;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    alloc_paused = 1;
    store = pki_store(&ca_pki);
    alloc_paused = 0;

    rc = mdm_machine_info_verify(arena, data, store, &message, &why);

    if (rc == MDM_OK) {
        rc = mdm_machine_info_read(arena, &message.content, &limits, &info,
                                   &why);
    }

    if (rc == MDM_OK) {
        alloc_str(&info.udid);
        alloc_str(&info.os);
    }

    mdm_arena_destroy(arena);
    X509_STORE_free(store);

    return result(rc);
}


/*
 * Reads a message and answers it; the reply has other octets each time.  So has
 * the key: where it lacked memory once, OpenSSL blinds wrongly for a while.
 */

static alloc_rc_e
op_scep(void *data)
{
    mdm_int_t            rc;
    mdm_str_t            reply;
    const char          *why;
    mdm_arena_t         *arena;
    mdm_scep_message_t   m;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    alloc_paused = 1;
    ca.key = EVP_PKEY_dup(ca_pki.key);
    alloc_paused = 0;

    rc = mdm_scep_read(arena, data, PKI_NOW, &m, &why);

    if (rc == MDM_OK) {
        alloc_str(&m.transaction);

        rc = mdm_scep_open(arena, &scep, PKI_NOW, &m, &why);
    }

    if (rc == MDM_OK) {
        alloc_str(&m.request.challenge);

        rc = mdm_scep_failure(arena, &scep, &m, MDM_SCEP_BAD_REQUEST, "text",
                              &reply);
    }

    if (rc == MDM_OK) {
        rc = mdm_scep_success(arena, &scep, &m, &leaf_der, NULL, &reply);
    }

    mdm_arena_destroy(arena);

    EVP_PKEY_free(ca.key);
    ca.key = ca_pki.key;

    return result(rc);
}


static void
test_scep(void **state)
{
    mdm_str_t     der, other;
    mdm_arena_t  *arena;
    scep_spec_t   spec;

    (void) state;

    arena = mdm_arena_create(4096);
    assert_int_equal(mdm_certificate_der(arena, leaf.cert, &leaf_der), MDM_OK);

    scep.ca = &ca;
    ca.key_minimum = 2048;

    memset(&spec, 0, sizeof(spec));
    der = scep_message(&spec, &leaf, ca.cert);

    spec.type = "18";
    other = scep_message(&spec, &leaf, ca.cert);

    alloc_each("SCEP, another type", ALLOC_REFUSED, op_scep, &other);
    alloc_each("SCEP", ALLOC_OK, op_scep, &der);

    free(der.data);
    free(other.data);
    mdm_arena_destroy(arena);
}


static void
test_envelope(void **state)
{
    mdm_str_t     object, der;
    mdm_arena_t  *arena;

    (void) state;

    object.data = (u_char *) "\x30\x03\x02\x01\x01";
    object.len = 5;

    arena = mdm_arena_create(4096);
    assert_int_equal(mdm_envelope_seal(arena, &object, leaf.cert,
                                       NID_aes_128_cbc, NULL, &der),
                     MDM_OK);

    alloc_each("envelope opened", ALLOC_OK, op_envelope, &der);
    alloc_each("envelope sealed", ALLOC_OK, op_seal, &object);

    der.len--;
    alloc_each("envelope cut", ALLOC_REFUSED, op_envelope, &der);

    mdm_arena_destroy(arena);
}


static void
test_message(void **state)
{
    BIO              *bio;
    int               len;
    mdm_str_t         der;
    CMS_ContentInfo  *cms;

    (void) state;

    bio = BIO_new_mem_buf("content", 7);
    cms = CMS_sign(leaf.cert, leaf.key, NULL, bio, CMS_BINARY);
    assert_non_null(cms);

    der.data = NULL;
    len = i2d_CMS_ContentInfo(cms, &der.data);
    assert_true(len > 0);
    der.len = (size_t) len;

    CMS_ContentInfo_free(cms);
    BIO_free(bio);

    alloc_each("message", ALLOC_OK, op_message, &der);

    der.data[der.len - 1] ^= 1;
    alloc_each("message, another signature", ALLOC_REFUSED, op_message, &der);

    OPENSSL_free(der.data);
}


static void
test_machine_info(void **state)
{
    BIO              *bio;
    int               len;
    mdm_str_t         der;
    CMS_ContentInfo  *cms;

    static const char  plist[] = "<plist version=\"1.0\"><dict>"
        "<key>UDID</key><string>UDID-1</string>"
        "<key>SERIAL</key><string>C02X</string>"
        "<key>OS_VERSION</key><string>18.1</string>"
        "</dict></plist>";

    (void) state;

    bio = BIO_new_mem_buf(plist, sizeof(plist) - 1);
    cms = CMS_sign(leaf.cert, leaf.key, NULL, bio, CMS_BINARY);
    assert_non_null(cms);

    der.data = NULL;
    len = i2d_CMS_ContentInfo(cms, &der.data);
    assert_true(len > 0);
    der.len = (size_t) len;

    CMS_ContentInfo_free(cms);
    BIO_free(bio);

    alloc_each("MachineInfo", ALLOC_OK, op_machine_info, &der);

    der.data[der.len - 1] ^= 1;
    alloc_each("MachineInfo, another signature", ALLOC_REFUSED,
               op_machine_info, &der);

    OPENSSL_free(der.data);
}


static void
test_issue(void **state)
{
    (void) state;

    alloc_each("certificate", ALLOC_OK, op_issue, NULL);
    alloc_each("subject", ALLOC_OK, op_subject, NULL);
}


static void
test_request(void **state)
{
    int        len;
    X509_REQ  *req;

    (void) state;

    req = X509_REQ_new();
    assert_int_equal(X509_REQ_set_pubkey(req, leaf.key), 1);
    assert_int_equal(X509_REQ_add1_attr_by_NID(req,
                                     NID_pkcs9_challengePassword,
                                     V_ASN1_UTF8STRING,
                                     (const unsigned char *) "secret", 6), 1);
    assert_true(X509_REQ_sign(req, leaf.key, EVP_sha256()) > 0);

    len = i2d_X509_REQ(req, &request.data);
    assert_true(len > 0);
    request.len = (size_t) len;
    X509_REQ_free(req);

    alloc_each("request", ALLOC_OK, op_request, NULL);

    request.data[request.len - 1] ^= 1;
    alloc_each("request, another signature", ALLOC_REFUSED, op_request, NULL);

    OPENSSL_free(request.data);
}


static int
setup(void **state)
{
    size_t             at;
    pki_spec_t         spec;
    const char        *why;
    mdm_arena_t       *arena;
    mdm_ca_subject_t  *subject;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "CA";
    spec.ca = 1;
    spec.bits = 2048;
    ca_pki = pki_issue(&spec);

    memset(&spec, 0, sizeof(spec));
    spec.cn = "device";
    spec.issuer = &ca_pki;
    spec.bits = 2048;
    leaf = pki_issue(&spec);

    X509_check_purpose(ca_pki.cert, -1, 0);

    arena = mdm_arena_create(4096);

    if (mdm_ca_subject_parse(arena, &template, &subject, &why, &at) != MDM_OK)
    {
        return 1;
    }

    ca.cert = ca_pki.cert;
    ca.key = ca_pki.key;
    ca.subject = subject;
    ca.digest = EVP_sha256();
    ca.lifetime = PKI_DAY;

    *state = arena;

    return 0;
}


static int
teardown(void **state)
{
    mdm_arena_destroy(*state);
    pki_free(&leaf);
    pki_free(&ca_pki);

    alloc_done();

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_issue),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_machine_info),

        /* the last ones: OpenSSL's blinding of keys is broken afterwards */

        cmocka_unit_test(test_scep),
        cmocka_unit_test(test_envelope)
    };

    alloc_init();

    return cmocka_run_group_tests(tests, setup, teardown);
}
