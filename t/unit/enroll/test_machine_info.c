
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * MachineInfo: whose signature counts, what is read of it, and which release is
 * lower than another.
 */


#include "pki.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "mdm_json.h"
#include "mdm_machine_info.h"
#include "mdm_os.h"


#define INFO                                                                  \
    "<plist version=\"1.0\"><dict>"                                           \
    "<key>UDID</key><string>00008101-000123456789001E</string>"               \
    "<key>SERIAL</key><string>C02XK1ZGJGH5</string>"                          \
    "<key>PRODUCT</key><string>iPhone17,2</string>"                           \
    "<key>VERSION</key><string>22B83</string>"                                \
    "<key>OS_VERSION</key><string>18.1</string>"                              \
    "<key>LANGUAGE</key><string>de</string>"                                  \
    "<key>MDM_CAN_REQUEST_SOFTWARE_UPDATE</key><true/>"                       \
    "</dict></plist>"

#define OLD      (PKI_NOW - 3000 * (int64_t) PKI_DAY)


/* an Apple of our own: root, an intermediate that is SHA-1 and has expired */

static pki_t         root, device_ca, device, ipad, stranger, other;
static mdm_arena_t  *arena;


static void
issue(pki_t *pki, const char *cn, const pki_t *issuer, int ca, int bits,
    const EVP_MD *md)
{
    pki_spec_t  spec;

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = cn;
    spec.issuer = issuer;
    spec.ca = ca;
    spec.bits = bits;
    spec.md = md;
    spec.from = OLD;
    spec.to = OLD + 365 * PKI_DAY;
    spec.eku = "";

    *pki = pki_issue(&spec);
}


static int
setup(void **state)
{
    (void) state;

    issue(&root, "Test Root CA", NULL, 1, 2048, EVP_sha1());
    issue(&device_ca, "Test iPhone Device CA", &root, 1, 1024, EVP_sha1());
    issue(&device, "device", &device_ca, 0, 1024, EVP_sha1());
    issue(&ipad, "ipad", &device_ca, 0, 0, EVP_sha256());
    issue(&other, "Test iPhone Device CA", NULL, 1, 1024, EVP_sha1());
    issue(&stranger, "device", &other, 0, 1024, EVP_sha1());

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    pki_free(&root);
    pki_free(&device_ca);
    pki_free(&device);
    pki_free(&ipad);
    pki_free(&other);
    pki_free(&stranger);

    return 0;
}


static int
begin(void **state)
{
    (void) state;

    arena = mdm_arena_create(4096);
    assert_non_null(arena);

    return 0;
}


static int
end(void **state)
{
    (void) state;

    mdm_arena_destroy(arena);

    assert_int_equal(ERR_peek_error(), 0);

    return 0;
}


static mdm_str_t
take(CMS_ContentInfo *cms)
{
    int        len;
    mdm_str_t  der;
    u_char    *p;

    p = NULL;
    len = i2d_CMS_ContentInfo(cms, &p);
    assert_true(len > 0);

    der.len = (size_t) len;
    der.data = mdm_arena_alloc(arena, der.len);
    memcpy(der.data, p, der.len);

    OPENSSL_free(p);
    CMS_ContentInfo_free(cms);

    return der;
}


static CMS_ContentInfo *
sign(const pki_t *signer, const pki_t *ca, const EVP_MD *md,
    unsigned int flags, const char *content)
{
    BIO              *bio;
    CMS_ContentInfo  *cms;

    flags |= CMS_BINARY;

    bio = BIO_new_mem_buf(content, (int) strlen(content));
    cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);

    assert_non_null(CMS_add1_signer(cms, signer->cert, signer->key, md,
                                    flags));

    if (ca != NULL) {
        assert_int_equal(CMS_add1_cert(cms, ca->cert), 1);
    }

    assert_int_equal(CMS_final(cms, bio, NULL, flags), 1);
    BIO_free(bio);

    return cms;
}


static mdm_int_t
verify(const mdm_str_t *der, const pki_t *ca, const char **why)
{
    mdm_int_t           rc;
    X509_STORE         *store;
    mdm_cms_message_t   message;

    store = pki_store(ca);

    rc = mdm_machine_info_verify(arena, der, store, &message, why);

    if (rc == MDM_OK) {
        assert_non_null(message.signer);
        assert_true(message.content.len != 0);

    } else {
        assert_null(message.signer);
        assert_non_null(*why);
    }

    X509_STORE_free(store);

    return rc;
}


static void
test_chain(void **state)
{
    mdm_str_t    der;
    const char  *why;

    (void) state;

    /* to the root by an intermediate that is sent, to the intermediate */

    der = take(sign(&device, &device_ca, EVP_sha1(), 0, INFO));
    assert_int_equal(verify(&der, &root, &why), MDM_OK);
    assert_int_equal(verify(&der, &device_ca, &why), MDM_OK);

    /* a Mac sends the leaf alone; so the file has to have what is missing */

    der = take(sign(&device, NULL, EVP_sha256(), 0, INFO));
    assert_int_equal(verify(&der, &device_ca, &why), MDM_OK);
    assert_int_equal(verify(&der, &root, &why), MDM_DECLINED);

    /* no signed attributes; another kind of key */

    der = take(sign(&device, NULL, EVP_sha1(), CMS_NOATTR, INFO));
    assert_int_equal(verify(&der, &device_ca, &why), MDM_OK);

    der = take(sign(&ipad, NULL, EVP_sha256(), 0, INFO));
    assert_int_equal(verify(&der, &device_ca, &why), MDM_OK);
}


static void
test_ber(void **state)
{
    BIO              *in, *out;
    long              len;
    char             *p;
    mdm_str_t         der;
    const char       *why;
    CMS_ContentInfo  *cms;

    (void) state;

    in = BIO_new_mem_buf(INFO, sizeof(INFO) - 1);
    out = BIO_new(BIO_s_mem());

    cms = CMS_sign(device.cert, device.key, NULL, in,
                   CMS_BINARY | CMS_STREAM);
    assert_non_null(cms);
    assert_int_equal(i2d_CMS_bio_stream(out, cms, in, CMS_BINARY | CMS_STREAM),
                     1);

    len = BIO_get_mem_data(out, &p);
    der.data = (u_char *) p;
    der.len = (size_t) len;

    assert_int_equal(der.data[1], 0x80);   /* of indefinite length */
    assert_int_equal(verify(&der, &device_ca, &why), MDM_OK);

    BIO_free(in);
    BIO_free(out);
    CMS_ContentInfo_free(cms);
}


static void
test_spoofs(void **state)
{
    mdm_str_t             der;
    const char           *why;
    CMS_SignerInfo       *si;
    CMS_ContentInfo      *cms;
    ASN1_OCTET_STRING   **content;

    (void) state;

    /* another CA of the same name */

    der = take(sign(&stranger, &other, EVP_sha256(), 0, INFO));
    assert_int_equal(verify(&der, &device_ca, &why), MDM_DECLINED);
    assert_int_equal(verify(&der, &root, &why), MDM_DECLINED);

    /* a device is no CA */

    {
        pki_t  below;

        issue(&below, "below", &device, 0, 1024, EVP_sha256());
        der = take(sign(&below, &device, EVP_sha256(), 0, INFO));
        assert_int_equal(verify(&der, &device_ca, &why), MDM_DECLINED);
        pki_free(&below);
    }

    /* another content, with and without attributes */

    cms = sign(&device, NULL, EVP_sha256(), 0, INFO);
    content = CMS_get0_content(cms);
    (*content)->data[100] ^= 0x01;
    der = take(cms);
    assert_int_equal(verify(&der, &device_ca, &why), MDM_DECLINED);

    cms = sign(&device, NULL, EVP_sha256(), CMS_NOATTR, INFO);
    content = CMS_get0_content(cms);
    (*content)->data[100] ^= 0x01;
    der = take(cms);
    assert_int_equal(verify(&der, &device_ca, &why), MDM_DECLINED);

    /* its attributes are taken away */

    cms = sign(&device, NULL, EVP_sha256(), 0, INFO);
    si = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);

    while (CMS_signed_get_attr_count(si) > 0) {
        X509_ATTRIBUTE_free(CMS_signed_delete_attr(si, 0));
    }

    der = take(cms);
    assert_int_equal(verify(&der, &device_ca, &why), MDM_DECLINED);

    /* nothing inside, and what is no message at all */

    der = take(sign(&device, NULL, EVP_sha256(), CMS_DETACHED, INFO));
    assert_int_equal(verify(&der, &device_ca, &why), MDM_DECLINED);

    mdm_str_set(&der, INFO);
    assert_int_equal(verify(&der, &device_ca, &why), MDM_CMS_MALFORMED);

    mdm_str_set(&der, "");
    assert_int_equal(verify(&der, &device_ca, &why), MDM_CMS_MALFORMED);
}


static void
test_two_signers(void **state)
{
    BIO              *bio;
    mdm_str_t         der;
    const char       *why;
    CMS_ContentInfo  *cms;

    (void) state;

    bio = BIO_new_mem_buf(INFO, sizeof(INFO) - 1);
    cms = CMS_sign(NULL, NULL, NULL, NULL, CMS_BINARY | CMS_PARTIAL);

    assert_non_null(CMS_add1_signer(cms, device.cert, device.key, EVP_sha256(),
                                    CMS_BINARY));
    assert_non_null(CMS_add1_signer(cms, ipad.cert, ipad.key, EVP_sha256(),
                                    CMS_BINARY));
    assert_int_equal(CMS_final(cms, bio, NULL, CMS_BINARY), 1);
    BIO_free(bio);

    der = take(cms);
    assert_int_equal(verify(&der, &device_ca, &why), MDM_DECLINED);
    assert_string_equal(why, "signature has not exactly one signer");
}


static void
test_long(void **state)
{
    char        *text;
    mdm_str_t    der;
    const char  *why;

    (void) state;

    text = mdm_arena_alloc(arena, MDM_MACHINE_INFO_SIZE + 1);
    memset(text, 'x', MDM_MACHINE_INFO_SIZE);
    text[MDM_MACHINE_INFO_SIZE] = '\0';

    der = take(sign(&device, NULL, EVP_sha256(), 0, text));
    assert_int_equal(verify(&der, &device_ca, &why), MDM_CMS_MALFORMED);
}


static mdm_int_t
read_info(const char *text, mdm_machine_info_t *info, const char **why)
{
    mdm_str_t     plist;
    mdm_limits_t  limits = { 8, 1000 };

    plist.data = (u_char *) text;
    plist.len = strlen(text);

    return mdm_machine_info_read(arena, &plist, &limits, info, why);
}


static void
test_read(void **state)
{
    json_t              *root;
    mdm_str_t            json;
    const char          *why;
    json_error_t         error;
    mdm_json_out_t       j;
    mdm_machine_info_t   info, again;

    (void) state;

    assert_int_equal(read_info(INFO, &info, &why), MDM_OK);
    assert_true(mdm_str_is(&info.udid, "00008101-000123456789001E"));
    assert_true(mdm_str_is(&info.serial, "C02XK1ZGJGH5"));
    assert_true(mdm_str_is(&info.product, "iPhone17,2"));
    assert_true(mdm_str_is(&info.build, "22B83"));
    assert_true(mdm_str_is(&info.os, "18.1"));
    assert_true(mdm_str_is(&info.language, "de"));
    assert_int_equal(info.imei.len, 0);
    assert_int_equal(info.can_update, 1);

    mdm_json_init(&j, arena, 64);
    mdm_json_open(&j, NULL, '{');
    mdm_machine_info_write(&j, &info);
    mdm_json_close(&j, '}');
    assert_int_equal(mdm_json_end(&j, &json), MDM_OK);
    assert_int_equal(mdm_json_read(arena, &json, 0, &root, &error), MDM_OK);
    assert_int_equal(mdm_machine_info_load(arena, root, &again), MDM_OK);
    assert_true(mdm_str_eq(&again.udid, &info.udid));
    assert_true(mdm_str_eq(&again.serial, &info.serial));
    assert_true(mdm_str_eq(&again.os, &info.os));
    assert_int_equal(again.can_update, 0);

    mdm_str_set(&json, "{\"udid\":\"a\",\"serial\":1}");
    assert_int_equal(mdm_json_read(arena, &json, 0, &root, &error), MDM_OK);
    assert_int_equal(mdm_machine_info_load(arena, root, &again),
                     MDM_DECLINED);
}


static void
test_read_odd(void **state)
{
    char                 text[1024], many[300];
    const char          *why;
    mdm_uint_t           i;
    mdm_machine_info_t   info;

#define DICT(text)  "<plist><dict>" text "</dict></plist>"
#define STR(key, value)  "<key>" key "</key><string>" value "</string>"

    static const char *const  bad[] = {
        "", "<plist><array/></plist>", DICT(""),
        DICT(STR("UDID", "u")),
        DICT(STR("SERIAL", "s")),
        DICT(STR("UDID", "") STR("SERIAL", "s")),
        DICT(STR("UDID", "a:b") STR("SERIAL", "s")),
        DICT(STR("UDID", "u") "<key>SERIAL</key><integer>1</integer>"),
        DICT(STR("UDID", "u&#10;") STR("SERIAL", "s")),
        DICT(STR("UDID", "u") STR("SERIAL", "s")
             "<key>OS_VERSION</key><real>18.1</real>")
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        why = NULL;
        assert_int_equal(read_info(bad[i], &info, &why), MDM_DECLINED);
        assert_non_null(why);
    }

    memset(many, 'x', sizeof(many));
    many[256] = '\0';

    (void) snprintf(text, sizeof(text), DICT(STR("UDID", "u")
                                             STR("SERIAL", "%s")), many);
    assert_int_equal(read_info(text, &info, &why), MDM_DECLINED);

    many[255] = '\0';

    (void) snprintf(text, sizeof(text), DICT(STR("UDID", "u")
                                             STR("SERIAL", "%s")), many);
    assert_int_equal(read_info(text, &info, &why), MDM_OK);

    /* a challenge is longer, and may come back as data */

    assert_int_equal(read_info(DICT(STR("UDID", "u") STR("SERIAL", "s")
                                    "<key>CHALLENGE</key>"
                                    "<data>YWJj</data>"),
                               &info, &why), MDM_OK);
    assert_true(mdm_str_is(&info.challenge, "abc"));
}


static mdm_uint_t
lower(const char *have, const char *extra, const char *want)
{
    mdm_str_t  a, b, c;

    a.data = (u_char *) have;
    a.len = strlen(have);
    b.data = (u_char *) extra;
    b.len = strlen(extra);
    c.data = (u_char *) want;
    c.len = strlen(want);

    return mdm_os_lower(&a, &b, &c);
}


static void
test_lower(void **state)
{
    mdm_str_t  none, want;

    (void) state;

    assert_int_equal(lower("17.9", "", "17.10"), 1);
    assert_int_equal(lower("17.10", "", "17.9"), 0);
    assert_int_equal(lower("18.1", "", "18.1"), 0);
    assert_int_equal(lower("18", "", "18.0.0"), 0);
    assert_int_equal(lower("18.0.1", "", "18.1"), 1);
    assert_int_equal(lower("18.1.1", "", "18.1"), 0);
    assert_int_equal(lower("9.3", "", "18"), 1);

    /* a Rapid Security Response */

    assert_int_equal(lower("16.1", "", "16.1 (a)"), 1);
    assert_int_equal(lower("16.1", "(a)", "16.1 (a)"), 0);
    assert_int_equal(lower("16.1 (a)", "", "16.1 (a)"), 0);
    assert_int_equal(lower("16.1 (a)", "", "16.1 (b)"), 1);
    assert_int_equal(lower("16.1", "(c)", "16.1 (b)"), 0);
    assert_int_equal(lower("16.1", "(c)", "16.1"), 0);
    assert_int_equal(lower("16.2", "", "16.1 (a)"), 0);

    /* what cannot be told is not lower */

    mdm_str_null(&none);
    mdm_str_set(&want, "18.1");
    assert_int_equal(mdm_os_lower(&none, &none, &want), 0);

    assert_int_equal(lower("", "", "18.1"), 0);
    assert_int_equal(lower("beta", "", "18.1"), 0);
    assert_int_equal(lower("17.", "", "18.1"), 0);
    assert_int_equal(lower("17.1.2.3.4", "", "18.1"), 0);
    assert_int_equal(lower("17.1", "a", "18.1"), 0);
    assert_int_equal(lower("99999999999", "", "18.1"), 0);
}


static void
test_names(void **state)
{
    mdm_uint_t  i;
    mdm_str_t   s;

    static const char *const  products[][2] = {
        { "iPhone17,2", "iOS" }, { "iPod9,1", "iOS" },
        { "iPad16,3", "iPadOS" }, { "Mac16,1", "macOS" },
        { "MacBookPro18,3", "macOS" }, { "iMac21,1", "macOS" },
        { "VirtualMac2,1", "macOS" }, { "AppleTV14,1", "tvOS" },
        { "Watch7,1", "watchOS" }, { "RealityDevice14,1", "visionOS" }
    };

    (void) state;

    for (i = 0; i < sizeof(products) / sizeof(products[0]); i++) {
        s.data = (u_char *) products[i][0];
        s.len = strlen(products[i][0]);

        assert_string_equal(mdm_os_name(&s), products[i][1]);
    }

    mdm_str_set(&s, "Toaster1,1");
    assert_null(mdm_os_name(&s));

    mdm_str_set(&s, "");
    assert_null(mdm_os_name(&s));

    mdm_str_set(&s, "18.1");
    assert_int_equal(mdm_os_valid(&s), 1);
    mdm_str_set(&s, "16.1 (a)");
    assert_int_equal(mdm_os_valid(&s), 1);
    mdm_str_set(&s, "16.1(a)");
    assert_int_equal(mdm_os_valid(&s), 0);
    mdm_str_set(&s, ".1");
    assert_int_equal(mdm_os_valid(&s), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_chain, begin, end),
        cmocka_unit_test_setup_teardown(test_ber, begin, end),
        cmocka_unit_test_setup_teardown(test_spoofs, begin, end),
        cmocka_unit_test_setup_teardown(test_two_signers, begin, end),
        cmocka_unit_test_setup_teardown(test_long, begin, end),
        cmocka_unit_test_setup_teardown(test_read, begin, end),
        cmocka_unit_test_setup_teardown(test_read_odd, begin, end),
        cmocka_unit_test_setup_teardown(test_lower, begin, end),
        cmocka_unit_test_setup_teardown(test_names, begin, end)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
