
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lack of memory, below the exchange: plists, commands, certificates and
 * signatures, each with every allocation failing in turn.
 */


#include "alloc.h"
#include "instance.h"
#include "pki.h"

#include <openssl/cms.h>

#include "mdm_certificate.h"
#include "mdm_cms.h"
#include "mdm_command.h"
#include "mdm_enrollment.h"
#include "mdm_exchange.h"
#include "mdm_key.h"


#define PLIST(root)                                                           \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">"     \
    root "</plist>\n"


typedef struct {
    mdm_str_t                 in;
    mdm_str_t                 body;
    mdm_uint_t                json;
    mdm_uint_t                validate;
} input_t;


static mdm_limits_t  limits = { MDM_PLIST_DEPTH, MDM_PLIST_NODES };

static pki_t        ca, leaf;
static X509_STORE  *store;


/* the result of a function as an operation's; "why" may be missing */

static alloc_rc_e
result(mdm_int_t rc, const mdm_str_t *why)
{
    switch (rc) {

    case MDM_OK:
        return ALLOC_OK;

    case MDM_ERROR:
        return ALLOC_FAILED;

    default:
        alloc_bytes(&rc, sizeof(rc));

        if (why != NULL) {
            alloc_str(why);
        }

        return ALLOC_REFUSED;
    }
}


static void
input(input_t *p, const char *text)
{
    memset(p, 0, sizeof(input_t));

    p->in.data = (u_char *) text;
    p->in.len = strlen(text);
}


static alloc_rc_e
op_plist(void *data)
{
    char         *xml;
    input_t      *p;
    plist_t       root;
    uint32_t      len;
    mdm_int_t     rc;
    mdm_str_t     s;
    const char   *why;
    mdm_arena_t  *arena;

    p = data;
    why = NULL;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    rc = mdm_plist_parse(arena, &p->in, &limits, &root, &why);

    if (rc == MDM_OK) {
        xml = NULL;
        len = 0;

        (void) __real_plist_to_xml(root, &xml, &len);
        assert_non_null(xml);
        alloc_bytes(xml, len);
        __real_free(xml);

        rc = mdm_plist_xml(arena, root, &s);

        if (rc == MDM_OK) {
            alloc_str(&s);
        }
    }

    s.data = (u_char *) why;
    s.len = (why != NULL) ? strlen(why) : 0;

    mdm_arena_destroy(arena);

    return result(rc, &s);
}


static alloc_rc_e
op_check(void *data)
{
    input_t     *p;
    mdm_int_t    rc;
    const char  *why;

    p = data;
    why = NULL;

    rc = mdm_plist_check(&p->in, &limits, &why);

    return result(rc, NULL);
}


static void
test_plist(void **state)
{
    char      *bin;
    plist_t    dict, list;
    input_t    p;
    uint32_t   len, i;

    (void) state;

    input(&p, PLIST("<dict><key>a</key><string>x&amp;y</string><key>b</key>"
                    "<array><integer>1</integer><real>0.5</real><true/>"
                    "<data>AAEC</data><date>2025-01-07T04:04:46Z</date>"
                    "<dict><key>c</key><string/></dict></array></dict>"));
    alloc_each("XML plist", ALLOC_OK, op_plist, &p);
    alloc_each("XML plist, check", ALLOC_OK, op_check, &p);

    dict = plist_new_dict();
    list = plist_new_array();

    for (i = 0; i < 40; i++) {
        plist_array_append_item(list, plist_new_uint(i));
    }

    plist_dict_set_item(dict, "list", list);
    plist_dict_set_item(dict, "text", plist_new_string("h\xc3\xa9"));
    plist_dict_set_item(dict, "data", plist_new_data("\0\1", 2));

    bin = NULL;
    plist_to_bin(dict, &bin, &len);
    plist_free(dict);

    p.in.data = (u_char *) bin;
    p.in.len = len;

    alloc_each("binary plist", ALLOC_OK, op_plist, &p);
    alloc_each("binary plist, check", ALLOC_OK, op_check, &p);

    p.in.len -= 1;
    alloc_each("binary plist, cut", ALLOC_REFUSED, op_plist, &p);

    free(bin);

    input(&p, PLIST("<dict><key>a</key><true/><key>a</key><true/></dict>"));
    alloc_each("a key twice", ALLOC_REFUSED, op_plist, &p);

    input(&p, PLIST("<array/>"));
    alloc_each("no dictionary", ALLOC_REFUSED, op_plist, &p);
}


static alloc_rc_e
op_command(void *data)
{
    input_t               *p;
    mdm_int_t              rc;
    alloc_rc_e             end;
    mdm_arena_t           *arena;
    mdm_command_t          c;
    mdm_schema_warning_t  *w;

    p = data;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    rc = mdm_command_read(arena, &p->in, p->json, p->validate, &limits, &c);

    if (rc == MDM_OK) {
        alloc_str(&c.uuid);
        alloc_str(&c.request_type);
        alloc_str(&c.body);

        for (w = c.schema.warnings; w != NULL; w = w->next) {
            alloc_str(&w->text);
        }
    }

    end = result(rc, &c.error);

    mdm_arena_destroy(arena);

    return end;
}


static const struct {
    const char           *name;
    alloc_rc_e            rc;
    mdm_uint_t            json;
    mdm_uint_t            validate;
    const char           *text;
} command_cases[] = {

    { "command", ALLOC_OK, 0, MDM_VALIDATE_WARN,
      PLIST("<dict><key>Command</key><dict><key>RequestType</key>"
            "<string>ProfileList</string></dict><key>CommandUUID</key>"
            "<string>C-1</string></dict>") },

    { "command, UUID made", ALLOC_OK, 0, MDM_VALIDATE_WARN,
      PLIST("<dict><key>Command</key><dict><key>RequestType</key>"
            "<string>ProfileList</string></dict></dict>") },

    { "command, warnings", ALLOC_OK, 0, MDM_VALIDATE_WARN,
      PLIST("<dict><key>Command</key><dict><key>RequestType</key>"
            "<string>DeviceInformation</string><key>Queries</key><array>"
            "<string>Nothing</string><string>UDID</string></array>"
            "<key>New</key><array><dict/></array></dict><key>More</key>"
            "<true/><key>CommandUUID</key><string>C-1</string></dict>") },

    { "command, strict", ALLOC_REFUSED, 0, MDM_VALIDATE_STRICT,
      PLIST("<dict><key>Command</key><dict><key>RequestType</key>"
            "<string>Nothing</string></dict><key>CommandUUID</key>"
            "<string>C-1</string></dict>") },

    { "command, beside, strict", ALLOC_REFUSED, 0, MDM_VALIDATE_STRICT,
      PLIST("<dict><key>Command</key><dict><key>RequestType</key>"
            "<string>ProfileList</string></dict><key>More</key><true/>"
            "<key>CommandUUID</key><string>C-1</string></dict>") },

    { "command, a key missing", ALLOC_REFUSED, 0, MDM_VALIDATE_STRICT,
      PLIST("<dict><key>Command</key><dict><key>RequestType</key>"
            "<string>InstallProfile</string></dict><key>CommandUUID</key>"
            "<string>C-1</string></dict>") },

    { "command, no RequestType", ALLOC_REFUSED, 0, MDM_VALIDATE_WARN,
      PLIST("<dict><key>Command</key><dict/></dict>") },

    { "command, no plist", ALLOC_REFUSED, 0, MDM_VALIDATE_WARN, "x" },

    { "JSON", ALLOC_OK, 1, MDM_VALIDATE_WARN,
      "{\"RequestType\":\"DeviceInformation\",\"Queries\":[\"UDID\","
      "\"Nothing\"]}" },

    { "JSON, UUID", ALLOC_OK, 1, MDM_VALIDATE_WARN,
      "{\"CommandUUID\":\"C-1\",\"Command\":{\"RequestType\":"
      "\"InstallProfile\",\"Payload\":\"AAEC\"},\"More\":[1,2.5,true,"
      "{\"a\":{\"$date\":\"2025-01-07T04:04:46Z\"}}]}" },

    { "JSON, null", ALLOC_REFUSED, 1, MDM_VALIDATE_WARN,
      "{\"RequestType\":\"X\",\"a\":[{\"b\":null}]}" },

    { "JSON, broken", ALLOC_REFUSED, 1, MDM_VALIDATE_WARN,
      "{\"RequestType\":\"X\",\"a\":[{\"b\":1}" },

    { "JSON, twice", ALLOC_REFUSED, 1, MDM_VALIDATE_WARN,
      "{\"RequestType\":\"X\",\"RequestType\":\"Y\"}" },

    { "JSON, no object", ALLOC_REFUSED, 1, MDM_VALIDATE_WARN, "[1]" }
};


static void
test_command(void **state)
{
    char         *xml;
    size_t        i;
    input_t       p;
    plist_t       root;
    uint32_t      len;
    mdm_uint_t    n;
    mdm_str_t     type;

    (void) state;

    for (i = 0; i < sizeof(command_cases) / sizeof(command_cases[0]); i++) {
        input(&p, command_cases[i].text);
        p.json = command_cases[i].json;
        p.validate = command_cases[i].validate;

        alloc_each(command_cases[i].name, command_cases[i].rc, op_command, &p);
    }

    /* the largest that the schema knows: Settings with all it may hold */

    mdm_str_set(&type, "Settings");

    n = (mdm_uint_t) (mdm_schema_find(&mdm_schema_commands, &type)
                      - mdm_schema_commands.nodes);

    root = plist_new_dict();
    plist_dict_set_item(root, "Command", command_instance(n, 1));
    plist_dict_set_item(root, "CommandUUID", plist_new_string("C-1"));

    xml = NULL;
    plist_to_xml(root, &xml, &len);
    plist_free(root);

    input(&p, xml);
    p.validate = MDM_VALIDATE_WARN;

    alloc_each("Settings, all of it", ALLOC_OK, op_command, &p);

    free(xml);
}


static alloc_rc_e
op_header(void *data)
{
    X509         *cert;
    u_char        digest[MDM_SHA256], hex[2 * MDM_SHA256];
    input_t      *p;
    mdm_int_t     rc;
    mdm_str_t     der;
    mdm_arena_t  *arena;

    p = data;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    rc = mdm_certificate_header(arena, &p->in, &cert);
    assert_int_equal(rc == MDM_OK, cert != NULL);

    if (rc == MDM_OK) {
        rc = mdm_certificate_der(arena, cert, &der);
    }

    if (rc == MDM_OK) {
        rc = mdm_certificate_sha256(&der, digest, hex);
    }

    if (rc == MDM_OK) {
        alloc_str(&der);
        alloc_bytes(hex, sizeof(hex));
    }

    mdm_arena_destroy(arena);

    return result(rc, NULL);
}


/* out of memory it names nobody: that is the safe side */

static alloc_rc_e
op_names(void *data)
{
    input_t     *p;
    mdm_str_t    serial;
    mdm_uint_t   found;

    p = data;
    mdm_str_set(&serial, "C02ABC");

    found = mdm_certificate_names(&p->in, &p->body, &serial);

    if (!found && alloc_failures != 0) {
        return ALLOC_FAILED;
    }

    return found ? ALLOC_OK : ALLOC_REFUSED;
}


static alloc_rc_e
op_verify(void *data)
{
    pki_t        *pki;
    mdm_int_t     rc;
    mdm_str_t     s;
    const char   *why;

    pki = data;

    rc = mdm_certificate_verify(pki->cert, NULL, store, PKI_NOW, &why);
    assert_int_equal(rc == MDM_OK, why == NULL);

    s.data = (u_char *) why;
    s.len = (why != NULL) ? strlen(why) : 0;

    return result(rc, &s);
}


static void
test_certificate(void **state)
{
    int           len;
    pki_t         other, foreign;
    u_char       *der, text[4096];
    input_t       p;
    mdm_str_t     s, base64;
    pki_spec_t    spec;
    mdm_arena_t  *arena;

    (void) state;

    arena = mdm_arena_create(4096);
    assert_non_null(arena);

    der = NULL;
    len = i2d_X509(leaf.cert, &der);
    assert_true(len > 0);

    s.data = der;
    s.len = (size_t) len;
    assert_int_equal(mdm_base64(arena, &base64, &s), MDM_OK);

    (void) snprintf((char *) text, sizeof(text), ":%.*s:", mdm_fmt(&base64));
    input(&p, (char *) text);
    alloc_each("header, RFC 9440", ALLOC_OK, op_header, &p);

    (void) snprintf((char *) text, sizeof(text), "-----BEGIN%%20CERTIFICATE"
                    "-----%%0A%.*s%%0A-----END%%20CERTIFICATE-----%%0A",
                    mdm_fmt(&base64));
    input(&p, (char *) text);
    alloc_each("header, PEM", ALLOC_OK, op_header, &p);

    input(&p, ":AAEC:");
    alloc_each("header, no certificate", ALLOC_REFUSED, op_header, &p);

    p.in = s;
    mdm_str_set(&p.body, "UDID-1");
    alloc_each("names", ALLOC_OK, op_names, &p);

    mdm_str_set(&p.body, "UDID-2");
    alloc_each("names another", ALLOC_REFUSED, op_names, &p);

    alloc_each("verify", ALLOC_OK, op_verify, &leaf);

    memset(&spec, 0, sizeof(spec));
    spec.cn = "x";
    spec.issuer = &ca;
    spec.to = PKI_NOW - 1;
    other = pki_issue(&spec);
    alloc_each("verify, expired", ALLOC_REFUSED, op_verify, &other);

    memset(&spec, 0, sizeof(spec));
    spec.cn = "x";
    foreign = pki_issue(&spec);
    alloc_each("verify, foreign", ALLOC_REFUSED, op_verify, &foreign);

    pki_free(&other);
    pki_free(&foreign);
    OPENSSL_free(der);
    mdm_arena_destroy(arena);
}


static alloc_rc_e
op_cms(void *data)
{
    X509         *signer;
    input_t      *p;
    mdm_int_t     rc;
    mdm_str_t     der;
    const char   *why;
    mdm_arena_t  *arena;

    p = data;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    rc = mdm_cms_verify(arena, &p->in, &p->body, store, PKI_NOW, &signer,
                        &why);
    assert_int_equal(rc == MDM_OK, signer != NULL);

    if (rc == MDM_OK) {
        rc = mdm_certificate_der(arena, signer, &der);

        if (rc == MDM_OK) {
            alloc_str(&der);
        }
    }

    mdm_arena_destroy(arena);

    return result(rc, NULL);
}


static mdm_str_t
sign(mdm_arena_t *arena, const EVP_MD *md, unsigned int flags,
    const mdm_str_t *body)
{
    int               len;
    BIO              *bio;
    u_char           *der;
    mdm_str_t         s, text;
    CMS_ContentInfo  *cms;

    flags |= CMS_BINARY|CMS_DETACHED;

    bio = BIO_new_mem_buf(body->data, (int) body->len);
    cms = CMS_sign(NULL, NULL, NULL, NULL, flags|CMS_PARTIAL);
    assert_non_null(cms);
    assert_non_null(CMS_add1_signer(cms, leaf.cert, leaf.key, md, flags));
    assert_int_equal(CMS_final(cms, bio, NULL, flags), 1);

    der = NULL;
    len = i2d_CMS_ContentInfo(cms, &der);
    assert_true(len > 0);

    s.data = der;
    s.len = (size_t) len;
    assert_int_equal(mdm_base64(arena, &text, &s), MDM_OK);

    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    BIO_free(bio);

    return text;
}


static void
test_cms(void **state)
{
    input_t       p;
    mdm_arena_t  *arena;

    (void) state;

    arena = mdm_arena_create(4096);
    assert_non_null(arena);

    input(&p, "");
    mdm_str_set(&p.body, "the body");

    p.in = sign(arena, EVP_sha256(), 0, &p.body);
    alloc_each("signature, attributes", ALLOC_OK, op_cms, &p);

    p.body.len--;
    alloc_each("signature, another body", ALLOC_REFUSED, op_cms, &p);
    p.body.len++;

    p.in = sign(arena, EVP_sha1(), CMS_NOATTR, &p.body);
    alloc_each("signature, none", ALLOC_OK, op_cms, &p);

    p.body.len--;
    alloc_each("signature, none, another body", ALLOC_REFUSED, op_cms, &p);
    p.body.len++;

    p.in.len -= 8;
    alloc_each("signature, cut", ALLOC_REFUSED, op_cms, &p);

    mdm_arena_destroy(arena);
}


static alloc_rc_e
op_ids(void *data)
{
    plist_t            message;
    mdm_int_t          rc;
    const char        *why;
    mdm_arena_t       *arena;
    mdm_enrollment_t   en, same;

    static const mdm_str_t  tenant = mdm_string("default");

    message = data;
    why = NULL;

    arena = mdm_arena_create(0);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    rc = mdm_enrollment_resolve(arena, message, &tenant, 16, &en, &why);

    if (rc == MDM_OK) {
        alloc_str(&en.tag);
        alloc_str(&en.id_key);
        alloc_str(&en.device_key);

        rc = mdm_enrollment_from_id(arena, &en.id, &tenant, 16, &same);
    }

    if (rc == MDM_OK) {
        alloc_str(&same.tag);
        alloc_str(&same.id_key);
        alloc_str(&same.device_key);
    }

    mdm_arena_destroy(arena);

    return result(rc, NULL);
}


static void
test_ids(void **state)
{
    char     id[200];
    plist_t  message;

    (void) state;

    memset(id, '{', sizeof(id));
    id[sizeof(id) - 1] = '\0';

    message = plist_new_dict();
    plist_dict_set_item(message, "UDID", plist_new_string(id));
    plist_dict_set_item(message, "UserID", plist_new_string(id));

    alloc_each("ids", ALLOC_OK, op_ids, message);

    plist_dict_set_item(message, "EnrollmentID", plist_new_string(id));
    alloc_each("ids, too many", ALLOC_REFUSED, op_ids, message);

    plist_free(message);
}


static int
setup(void **state)
{
    pki_spec_t  spec;

    (void) state;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "CA";
    spec.ca = 1;
    ca = pki_issue(&spec);
    store = pki_store(&ca);

    memset(&spec, 0, sizeof(spec));
    spec.cn = "device";
    spec.issuer = &ca;
    spec.san = "URI:https://a.test/devices/UDID-1,DNS:x";
    leaf = pki_issue(&spec);

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    X509_STORE_free(store);
    pki_free(&leaf);
    pki_free(&ca);

    alloc_done();

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_plist),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_cms)
    };

    alloc_init();

    return cmocka_run_group_tests(tests, setup, teardown);
}
