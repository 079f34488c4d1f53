
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Profiles for enrolling: what is in them, what stays the same, how they are
 * encrypted and signed.
 */


#include "pki.h"

#include <stdlib.h>

#include <openssl/cms.h>

#include "enrollment.h"
#include "mdm_certificate.h"
#include "mdm_profile.h"


static mdm_arena_t         *arena;
static mdm_enroll_block_t   block;
static mdm_profile_t        p;


static int
setup(void **state)
{
    (void) state;

    arena = mdm_arena_create(4096);
    assert_non_null(arena);

    block = enrollment_main;

    memset(&p, 0, sizeof(p));
    p.block = &block;
    p.topic = block.topic;
    mdm_str_set(&p.tenant, "default");
    mdm_str_set(&p.challenge, "s3cret");

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_arena_destroy(arena);

    return 0;
}


static plist_t
parse(const mdm_str_t *xml)
{
    plist_t  root;

    root = NULL;
    plist_from_xml((char *) xml->data, (uint32_t) xml->len, &root);
    assert_non_null(root);

    return root;
}


static plist_t
build(void)
{
    mdm_str_t  xml;

    assert_int_equal(mdm_profile_enrollment(arena, &p, &xml), MDM_OK);

    return parse(&xml);
}


/* text of a member; valid as long as the plist */

static const char *
text(plist_t dict, const char *key)
{
    plist_t  node;

    node = plist_dict_get_item(dict, key);

    return (node != NULL) ? plist_get_string_ptr(node, NULL) : "";
}


static uint64_t
number(plist_t dict, const char *key)
{
    uint64_t  n;

    n = 0;
    plist_get_uint_val(plist_dict_get_item(dict, key), &n);

    return n;
}


static plist_t
payload(plist_t root, const char *type)
{
    plist_t   list, one;
    uint32_t  i;

    list = plist_dict_get_item(root, "PayloadContent");
    assert_non_null(list);

    for (i = 0; i < plist_array_get_size(list); i++) {
        one = plist_array_get_item(list, i);

        if (strcmp(text(one, "PayloadType"), type) == 0) {
            return one;
        }
    }

    return NULL;
}


static void
test_same(void **state)
{
    plist_t  a, b, mdm, scep, other;

    (void) state;

    a = build();
    b = build();
    mdm = payload(a, "com.apple.mdm");
    scep = payload(a, "com.apple.security.scep");

    assert_string_equal(text(a, "PayloadIdentifier"), "com.example.mdm");
    assert_string_equal(text(a, "PayloadUUID"), text(b, "PayloadUUID"));
    assert_string_equal(text(mdm, "PayloadUUID"),
                        text(payload(b, "com.apple.mdm"), "PayloadUUID"));
    assert_string_not_equal(text(scep, "PayloadUUID"),
                            text(payload(b, "com.apple.security.scep"),
                                 "PayloadUUID"));
    assert_string_equal(text(mdm, "IdentityCertificateUUID"),
                        text(scep, "PayloadUUID"));
    assert_string_equal(text(scep, "PayloadIdentifier"),
                        "com.example.mdm.identity");

    assert_int_equal(number(mdm, "AccessRights"), 8191);

    scep = plist_dict_get_item(scep, "PayloadContent");

    assert_int_equal(number(scep, "Keysize"), 2048);
    assert_int_equal(number(scep, "Key Usage"), 5);
    assert_string_equal(text(scep, "Key Type"), "RSA");
    assert_string_equal(text(scep, "Challenge"), "s3cret");

    /* another tenant, another block */

    mdm_str_set(&p.tenant, "other");
    other = build();

    assert_string_not_equal(text(other, "PayloadUUID"),
                            text(a, "PayloadUUID"));
    assert_string_equal(text(other, "PayloadIdentifier"), "com.example.mdm");

    plist_free(a);
    plist_free(b);
    plist_free(other);
}


/* what is ready at start says the same as what is made anew */

static void
prepared(void)
{
    plist_t                    a, b;
    mdm_str_t                  xml, ready;
    mdm_uint_t                 i, other;
    const char                *was, *is;
    const mdm_profile_form_t  *form;

    form = block.form;
    block.form = NULL;
    assert_int_equal(mdm_profile_fill(arena, &p, &xml), MDM_DECLINED);
    assert_int_equal(mdm_profile_enrollment(arena, &p, &xml), MDM_OK);

    block.form = form;
    assert_int_equal(mdm_profile_fill(arena, &p, &ready), MDM_OK);
    assert_int_equal(ready.len, xml.len);

    /* two UUIDs of the identity are the only difference */

    a = parse(&xml);
    b = parse(&ready);
    was = text(payload(a, "com.apple.security.scep"), "PayloadUUID");
    is = text(payload(b, "com.apple.security.scep"), "PayloadUUID");
    assert_string_not_equal(was, is);

    other = 0;

    for (i = 0; i < xml.len; i++) {

        if (i + MDM_PROFILE_UUID <= xml.len
            && memcmp(&xml.data[i], was, MDM_PROFILE_UUID) == 0)
        {
            assert_memory_equal(&ready.data[i], is, MDM_PROFILE_UUID);
            other++;
            i += MDM_PROFILE_UUID - 1;
            continue;
        }

        assert_int_equal(xml.data[i], ready.data[i]);
    }

    assert_int_equal(other, 2);

    plist_free(a);
    plist_free(b);
}


static void
test_prepared(void **state)
{
    mdm_str_t           xml;
    mdm_enroll_trust_t  trust[2];

    static mdm_str_t  capability = mdm_string("com.apple.mdm.token");

    (void) state;

    assert_int_equal(mdm_profile_prepare(arena, &block), MDM_OK);
    prepared();

    memset(trust, 0, sizeof(trust));
    mdm_str_set(&trust[0].der, "middle");
    mdm_str_set(&trust[0].name, "<middle>");
    mdm_str_set(&trust[0].sha256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    mdm_str_set(&trust[1].der, "root");
    mdm_str_set(&trust[1].sha256, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    trust[1].root = 1;

    block.trust = trust;
    block.ntrust = 2;
    block.pin = 1;
    block.capabilities = &capability;
    block.ncapabilities = 1;
    mdm_str_set(&block.display_name, "<A & B> \xc3\xa4");
    mdm_str_set(&block.description, "\"d\"");

    assert_int_equal(mdm_profile_prepare(arena, &block), MDM_OK);
    prepared();

    /* it is for all tenants, and for what is given to each */

    mdm_str_set(&p.tenant, "other");
    mdm_str_set(&p.topic, "com.apple.mgmt.External.a-longer-one");
    mdm_str_set(&p.challenge, "x");
    prepared();

    /* what would have to be written in another way, or not at all */

    mdm_str_set(&p.topic, "a&b");
    assert_int_equal(mdm_profile_fill(arena, &p, &xml), MDM_DECLINED);
    assert_int_equal(mdm_profile_enrollment(arena, &p, &xml), MDM_OK);
    plist_free(parse(&xml));

    mdm_str_set(&p.topic, "");
    assert_int_equal(mdm_profile_fill(arena, &p, &xml), MDM_DECLINED);
}


/* "<", "&" and letters beyond ASCII */

static void
test_texts(void **state)
{
    plist_t  root;

    (void) state;

    mdm_str_set(&block.display_name, "<A & B> \xc3\xa4");
    mdm_str_set(&block.description, "\"d\"");

    root = build();

    assert_string_equal(text(root, "PayloadDisplayName"),
                        "<A & B> \xc3\xa4");
    assert_string_equal(text(root, "PayloadDescription"), "\"d\"");

    plist_free(root);
}


static void
test_keys(void **state)
{
    mdm_str_t  a, b;

    (void) state;

    assert_int_equal(mdm_profile_keys(arena, &p, &a), MDM_OK);

    /* its check-in URL is the same */

    block.checkin_url = block.server_url;
    assert_int_equal(mdm_profile_keys(arena, &p, &b), MDM_OK);
    assert_true(mdm_str_eq(&a, &b));

    mdm_str_set(&block.checkin_url, "https://mdm.example/checkin");
    assert_int_equal(mdm_profile_keys(arena, &p, &b), MDM_OK);
    assert_false(mdm_str_eq(&a, &b));

    mdm_str_null(&block.checkin_url);
    mdm_str_set(&block.display_name, "Another");
    block.access_rights = 1;
    assert_int_equal(mdm_profile_keys(arena, &p, &b), MDM_OK);
    assert_true(mdm_str_eq(&a, &b));
}


static CMS_ContentInfo *
cms(const mdm_str_t *der)
{
    const u_char     *at;
    CMS_ContentInfo  *info;

    at = der->data;
    info = d2i_CMS_ContentInfo(NULL, &at, (long) der->len);
    assert_non_null(info);
    assert_ptr_equal(at, der->data + der->len);

    return info;
}


static void
sign_with(int bits)
{
    BIO              *out;
    char             *data;
    long              n;
    pki_t             root, middle, leaf;
    mdm_str_t         der, xml;
    X509_STORE       *store;
    pki_spec_t        spec;
    CMS_ContentInfo  *info;
    STACK_OF(X509)   *certs;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "root";
    spec.ca = 1;
    root = pki_issue(&spec);

    spec.cn = "middle";
    spec.issuer = &root;
    middle = pki_issue(&spec);

    memset(&spec, 0, sizeof(spec));
    spec.cn = "mdm.example";
    spec.issuer = &middle;
    spec.eku = "serverAuth";
    spec.bits = bits;
    leaf = pki_issue(&spec);

    block.sign = leaf.cert;
    block.sign_key = leaf.key;
    block.sign_chain = sk_X509_new_null();
    assert_true(sk_X509_push(block.sign_chain, middle.cert) > 0);

    assert_int_equal(mdm_profile_make(arena, &p, &der), MDM_OK);

    info = cms(&der);

    certs = CMS_get1_certs(info);
    assert_int_equal(sk_X509_num(certs), 2);
    sk_X509_pop_free(certs, X509_free);

    store = pki_store(&root);
    X509_STORE_set_purpose(store, X509_PURPOSE_ANY);
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), PKI_NOW);

    out = BIO_new(BIO_s_mem());
    assert_int_equal(CMS_verify(info, NULL, store, NULL, out, CMS_BINARY), 1);

    n = BIO_get_mem_data(out, &data);
    xml.data = (u_char *) data;
    xml.len = (size_t) n;
    plist_free(parse(&xml));

    BIO_free(out);
    CMS_ContentInfo_free(info);

    /* plain, where it is asked for */

    p.plain = 1;
    assert_int_equal(mdm_profile_make(arena, &p, &der), MDM_OK);
    assert_memory_equal(der.data, "<?xml", 5);

    X509_STORE_free(store);
    sk_X509_free(block.sign_chain);
    pki_free(&leaf);
    pki_free(&middle);
    pki_free(&root);
}


static void
test_sign_rsa(void **state)
{
    (void) state;

    sign_with(2048);
}


static void
test_sign_ec(void **state)
{
    (void) state;

    sign_with(0);
}


static void
test_encrypt(void **state)
{
    BIO              *out;
    char             *data;
    long              n;
    pki_t             rsa, ec;
    plist_t           root, list;
    uint64_t          len;
    mdm_str_t         s;
    pki_spec_t        spec;
    CMS_ContentInfo  *info;

    (void) state;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "device";
    ec = pki_issue(&spec);
    spec.bits = 2048;
    rsa = pki_issue(&spec);

    /* one that can only sign gets it as it is */

    p.recipient = ec.cert;
    root = build();
    assert_non_null(payload(root, "com.apple.mdm"));
    plist_free(root);

    p.recipient = rsa.cert;
    assert_int_equal(mdm_profile_prepare(arena, &block), MDM_OK);
    root = build();
    assert_null(plist_dict_get_item(root, "PayloadContent"));
    assert_non_null(plist_dict_get_item(root, "IsEncrypted"));
    assert_string_equal(text(root, "PayloadType"), "Configuration");

    data = NULL;
    len = 0;
    plist_get_data_val(plist_dict_get_item(root, "EncryptedPayloadContent"),
                       &data, &len);
    s.data = (u_char *) data;
    s.len = (size_t) len;
    info = cms(&s);

    out = BIO_new(BIO_s_mem());
    assert_int_equal(CMS_decrypt(info, rsa.key, rsa.cert, NULL, out, 0), 1);
    free(data);

    n = BIO_get_mem_data(out, &data);
    s.data = (u_char *) data;
    s.len = (size_t) n;
    list = parse(&s);

    assert_int_equal(plist_get_node_type(list), PLIST_ARRAY);
    assert_int_equal(plist_array_get_size(list), 2);

    plist_free(list);
    plist_free(root);
    BIO_free(out);
    CMS_ContentInfo_free(info);
    pki_free(&rsa);
    pki_free(&ec);
}


static void
test_trust(void **state)
{
    plist_t              root, pins;
    mdm_str_t            xml;
    mdm_enroll_trust_t   trust[2];

    (void) state;

    memset(trust, 0, sizeof(trust));
    mdm_str_set(&trust[0].der, "middle");
    mdm_str_set(&trust[0].sha256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    mdm_str_set(&trust[1].der, "root");
    mdm_str_set(&trust[1].sha256, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    trust[1].root = 1;

    block.trust = trust;
    block.ntrust = 2;
    block.pin = 1;

    root = build();

    assert_string_equal(text(payload(root, "com.apple.security.pkcs1"),
                             "PayloadIdentifier"),
                        "com.example.mdm.certificate.aaaaaaaaaaaaaaaa");
    assert_non_null(payload(root, "com.apple.security.root"));

    pins = plist_dict_get_item(payload(root, "com.apple.mdm"),
                               "ServerURLPinningCertificateUUIDs");
    assert_int_equal(plist_array_get_size(pins), 2);

    plist_free(root);

    assert_int_equal(mdm_profile_trust(arena, &p, &xml), MDM_OK);
    root = parse(&xml);

    assert_null(payload(root, "com.apple.mdm"));
    assert_null(payload(root, "com.apple.security.pkcs1"));
    assert_non_null(payload(root, "com.apple.security.root"));
    assert_string_equal(text(root, "PayloadIdentifier"),
                        "com.example.mdm.trust");

    plist_free(root);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prepared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sign_rsa, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sign_ec, setup, teardown),
        cmocka_unit_test_setup_teardown(test_encrypt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trust, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
