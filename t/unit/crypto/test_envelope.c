
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/crypto/mdm_envelope.c, against OpenSSL's CMS.
 */


#include "pki.h"

#include <stdlib.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "mdm_envelope.h"
#include "mdm_unit_arena.h"


static pki_t                ca, ra, stranger, ec;
static mdm_envelope_des_t  *des;

/* an object of some length, as a request is */
static u_char  object[300];


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
    p = der.data;
    assert_int_equal(i2d_CMS_ContentInfo(cms, &p), len);

    CMS_ContentInfo_free(cms);

    return der;
}


static mdm_str_t
seal(const EVP_CIPHER *cipher, const EVP_MD *oaep, const pki_t *one,
    const pki_t *two)
{
    BIO                 *in;
    EVP_PKEY_CTX        *ctx;
    CMS_ContentInfo     *cms;
    CMS_RecipientInfo   *ri;

    in = BIO_new_mem_buf(object, sizeof(object));
    cms = CMS_encrypt(NULL, NULL, cipher, CMS_BINARY | CMS_PARTIAL);
    assert_non_null(cms);

    ri = CMS_add1_recipient_cert(cms, one->cert,
                                 oaep ? CMS_KEY_PARAM : 0);
    assert_non_null(ri);

    if (oaep != NULL) {
        ctx = CMS_RecipientInfo_get0_pkey_ctx(ri);
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING);
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, oaep);
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, oaep);
    }

    if (two != NULL) {
        assert_non_null(CMS_add1_recipient_cert(cms, two->cert, 0));
    }

    assert_int_equal(CMS_final(cms, in, NULL, CMS_BINARY), 1);
    BIO_free(in);

    return take(cms);
}


/* the same as a stream: BER, whose lengths are not known ahead */

static mdm_str_t
seal_ber(const EVP_CIPHER *cipher)
{
    BIO              *in, *out;
    char             *data;
    long              n;
    mdm_str_t         ber;
    CMS_ContentInfo  *cms;
    STACK_OF(X509)   *to;

    to = sk_X509_new_null();
    sk_X509_push(to, ra.cert);

    in = BIO_new_mem_buf(object, sizeof(object));
    out = BIO_new(BIO_s_mem());
    cms = CMS_encrypt(to, NULL, cipher, CMS_BINARY|CMS_STREAM);
    assert_non_null(cms);
    assert_int_equal(i2d_CMS_bio_stream(out, cms, in, CMS_BINARY|CMS_STREAM),
                     1);

    n = BIO_get_mem_data(out, &data);
    assert_true(n > 0);

    ber.len = (size_t) n;
    ber.data = malloc(ber.len);
    memcpy(ber.data, data, ber.len);

    CMS_ContentInfo_free(cms);
    BIO_free(out);
    BIO_free(in);
    sk_X509_free(to);

    return ber;
}


static mdm_int_t
open_der(const mdm_str_t *der, mdm_uint_t des3, mdm_envelope_t *e,
    const char **why)
{
    mdm_int_t            rc;
    mdm_envelope_keys_t  keys;

    memset(&keys, 0, sizeof(keys));
    keys.cert[0] = ra.cert;
    keys.key[0] = ra.key;
    keys.cert[1] = ca.cert;
    keys.key[1] = ca.key;
    keys.des3 = des3;
    keys.des = des;

    rc = mdm_envelope_open(arena, der, &keys, e, why);
    assert_int_equal(ERR_peek_error(), 0);

    return rc;
}


static mdm_uint_t
opens(const mdm_str_t *der)
{
    mdm_int_t       rc;
    mdm_str_t       found;
    mdm_uint_t      padded;
    const char     *why;
    mdm_envelope_t  e;

    rc = open_der(der, 1, &e, &why);

    return rc == MDM_OK
           && mdm_envelope_object(&e, &found, &padded) == MDM_OK
           && padded
           && found.len == sizeof(object)
           && memcmp(found.data, object, found.len) == 0;
}


static void
test_open(void **state)
{
    static const EVP_CIPHER *(*const  ciphers[])(void) = {
        EVP_aes_128_cbc, EVP_aes_192_cbc, EVP_aes_256_cbc, EVP_des_ede3_cbc
    };

    static const EVP_MD *(*const  digests[])(void) = {
        EVP_sha1, EVP_sha256, EVP_sha384, EVP_sha512
    };

    size_t     i;
    mdm_str_t  der;

    (void) state;

    for (i = 0; i < 4; i++) {
        der = seal(ciphers[i](), NULL, &ra, NULL);
        assert_true(opens(&der));
        free(der.data);

        der = seal(ciphers[i](), NULL, &ca, NULL);
        assert_true(opens(&der));
        free(der.data);

        der = seal(ciphers[i](), digests[i](), &ra, NULL);
        assert_true(opens(&der));
        free(der.data);
    }

    /*
     * BER: [0], constructed, of which the octet strings are the pieces, and the
     * ends of what is open
     */

    for (i = 0; i < 4; i++) {
        der = seal_ber(ciphers[i]());
        assert_memory_equal(der.data, "\x30\x80", 2);
        assert_non_null(memmem(der.data, der.len, "\xa0\x80\x04", 3));
        assert_memory_equal(der.data + der.len - 8, "\0\0\0\0\0\0\0\0", 8);
        assert_true(opens(&der));

        der.len -= 2;
        assert_false(opens(&der));
        free(der.data);
    }

    /* for several, of whom one is ours */

    der = seal(EVP_aes_128_cbc(), NULL, &stranger, &ca);
    assert_true(opens(&der));
    free(der.data);
}


static void
test_refused(void **state)
{
    size_t          i;
    mdm_str_t       der, s;
    const char     *why;
    mdm_envelope_t  e;

    (void) state;

    der = seal(EVP_aes_128_cbc(), NULL, &stranger, NULL);
    assert_int_equal(open_der(&der, 1, &e, &why), MDM_DECLINED);
    assert_non_null(strstr(why, "not for this CA"));
    free(der.data);

    der = seal(EVP_des_ede3_cbc(), NULL, &ra, NULL);
    assert_int_equal(open_der(&der, 0, &e, &why), MDM_ENVELOPE_CIPHER);
    free(der.data);

    der = seal(EVP_camellia_128_cbc(), NULL, &ra, NULL);
    assert_int_equal(open_der(&der, 1, &e, &why), MDM_ENVELOPE_CIPHER);
    free(der.data);

    der = seal(EVP_aes_128_cbc(), NULL, &ra, NULL);

    for (i = 0; i < der.len; i += 7) {
        s.len = i;
        s.data = malloc(i + 1);
        memcpy(s.data, der.data, i);
        assert_int_equal(open_der(&s, 1, &e, &why), MDM_DECLINED);
        free(s.data);
    }

    free(der.data);
}


/* whatever is changed, nothing tells the key from the content */

static void
test_oracle(void **state)
{
    size_t          i, start, nonsense;
    u_char         *p;
    mdm_str_t       der, plain, first;
    mdm_uint_t      padded;
    const char     *why;
    mdm_envelope_t  e;

    (void) state;

    plain = seal(EVP_aes_128_cbc(), NULL, &ra, NULL);

    /* an OCTET STRING of 256 octets is the key */

    for (start = 0; memcmp(plain.data + start, "\x04\x82\x01\x00", 4) != 0;
         start++)
    {
        /* void */
    }

    start += 4;
    nonsense = 0;

    p = malloc(plain.len);
    der.data = p;
    der.len = plain.len;

    for (i = start; i < start + 256; i++) {
        memcpy(p, plain.data, plain.len);
        p[i] ^= 0x01;

        assert_int_equal(open_der(&der, 1, &e, &why), MDM_OK);
        nonsense += (mdm_envelope_object(&e, &first, &padded) != MDM_OK
                     || !padded);
    }

    assert_int_equal(nonsense, 256);

    /* a random key each time */

    memset(p + start, 0, 256);
    assert_int_equal(open_der(&der, 1, &e, &why), MDM_OK);
    first = e.content;
    assert_int_equal(open_der(&der, 1, &e, &why), MDM_OK);
    assert_int_equal(first.len, e.content.len);
    assert_memory_not_equal(first.data, e.content.data, first.len);

    /* larger than the modulus */

    memset(p + start, 0xff, 256);
    assert_int_equal(open_der(&der, 1, &e, &why), MDM_OK);

    /* the padding is the last thing that is looked at */

    memcpy(p, plain.data, plain.len);
    p[plain.len - 17] ^= 0x01;
    assert_int_equal(open_der(&der, 1, &e, &why), MDM_OK);
    assert_int_equal(mdm_envelope_object(&e, &first, &padded), MDM_OK);
    assert_int_equal(padded, 0);

    free(p);
    free(plain.data);
}


static void
test_seal(void **state)
{
    static const int  ciphers[] = {
        NID_aes_128_cbc, NID_aes_192_cbc, NID_aes_256_cbc, NID_des_ede3_cbc
    };

    BIO              *out;
    char             *data;
    long              n;
    size_t            i, len;
    mdm_str_t         content, der;
    const u_char     *p;
    CMS_ContentInfo  *cms;

    (void) state;

    for (i = 0; i < 4; i++) {

        for (len = 0; len < sizeof(object); len += 13) {
            content.data = object;
            content.len = len;

            assert_int_equal(mdm_envelope_seal(arena, &content, ra.cert,
                                               ciphers[i], NULL, &der),
                             MDM_OK);

            p = der.data;
            cms = d2i_CMS_ContentInfo(NULL, &p, (long) der.len);
            assert_non_null(cms);

            out = BIO_new(BIO_s_mem());
            assert_int_equal(CMS_decrypt(cms, ra.key, ra.cert, NULL, out,
                                         CMS_BINARY), 1);
            n = BIO_get_mem_data(out, &data);
            assert_int_equal(n, len);
            assert_memory_equal(data, object, len);

            BIO_free(out);
            CMS_ContentInfo_free(cms);
        }
    }

    content.len = sizeof(object);
    assert_int_equal(mdm_envelope_seal(arena, &content, ra.cert,
                                       NID_aes_128_cbc, NULL, &der),
                     MDM_OK);
    assert_true(opens(&der));

    assert_int_equal(mdm_envelope_seal(arena, &content, ec.cert,
                                       NID_aes_128_cbc, NULL, &der),
                     MDM_DECLINED);
    assert_int_equal(mdm_envelope_seal(arena, &content, ra.cert, NID_des_cbc,
                                       NULL, &der),
                     MDM_DECLINED);
}


/* single DES, which no TLS of this process gets to see (scep#253,
   certificates#2100) */

static void
test_des(void **state)
{
    mdm_str_t             content, der;
    const char           *why;
    mdm_envelope_t        e;
    mdm_envelope_keys_t   keys;

    (void) state;

    if (des == NULL) {
        print_message("no legacy provider\n");
        skip();
    }

    content.data = object;
    content.len = sizeof(object);

    assert_int_equal(mdm_envelope_seal(arena, &content, ra.cert, NID_des_cbc,
                                       des, &der),
                     MDM_OK);
    assert_true(opens(&der));

    memset(&keys, 0, sizeof(keys));
    keys.cert[0] = ra.cert;
    keys.key[0] = ra.key;
    assert_int_equal(mdm_envelope_open(arena, &der, &keys, &e, &why),
                     MDM_ENVELOPE_CIPHER);

    assert_null(EVP_CIPHER_fetch(NULL, "DES-CBC", NULL));
    ERR_clear_error();
}


static void
test_object(void **state)
{
    mdm_str_t       found;
    mdm_uint_t      padded;
    mdm_envelope_t  e;

    static u_char  good[] = "\x30\x01\x05\x05\x05\x05\x05\x05";
    static u_char  bad[] = "\x30\x01\x05\x04\x05\x05\x05\x05";
    static u_char  bare[] = "\x30\x06\x05\x04\x05\x05\x05\x05";
    static u_char  beyond[] = "\x30\x07\x05\x04\x05\x05\x05\x05";
    static u_char  indefinite[] = "\x30\x80\x00\x00\x04\x04\x04\x04";

    (void) state;

    memset(&e, 0, sizeof(e));
    assert_int_equal(mdm_envelope_object(&e, &found, &padded), MDM_DECLINED);

    e.content.len = 8;

    e.content.data = good;
    assert_int_equal(mdm_envelope_object(&e, &found, &padded), MDM_OK);
    assert_int_equal(padded, 1);
    assert_int_equal(found.len, 3);

    e.content.data = bad;
    assert_int_equal(mdm_envelope_object(&e, &found, &padded), MDM_OK);
    assert_int_equal(padded, 0);

    e.content.data = bare;
    assert_int_equal(mdm_envelope_object(&e, &found, &padded), MDM_OK);
    assert_int_equal(padded, 0);

    e.content.data = beyond;
    assert_int_equal(mdm_envelope_object(&e, &found, &padded), MDM_DECLINED);

    e.content.data = indefinite;
    assert_int_equal(mdm_envelope_object(&e, &found, &padded), MDM_DECLINED);

    assert_int_equal(ERR_peek_error(), 0);
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
    ca = pki_issue(&spec);
    stranger = pki_issue(&spec);

    spec.ca = 0;
    spec.cn = "RA";
    spec.issuer = &ca;
    ra = pki_issue(&spec);

    spec.bits = 0;
    ec = pki_issue(&spec);

    des = mdm_envelope_des_create();

    memset(object, 'x', sizeof(object));
    memcpy(object, "\x30\x82\x01\x28", 4);

    return 0;
}


static int
teardown_group(void **state)
{
    (void) state;

    mdm_envelope_des_free(des);

    pki_free(&ca);
    pki_free(&ra);
    pki_free(&stranger);
    pki_free(&ec);

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oracle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_des, setup, teardown),
        cmocka_unit_test_setup_teardown(test_object, setup, teardown)
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
