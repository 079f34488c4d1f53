
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Opens and seals envelopes.  OpenSSL's structures of PKCS #7 are those of CMS
 * where recipients are named by issuer and serial number, as SCEP does; what
 * it would do with them is done here: in one time, whatever the key is, and
 * with a cipher of another library context.
 */


#include <limits.h>

#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "mdm_certificate.h"
#include "mdm_der.h"
#include "mdm_envelope.h"


/* bytes of the longest key of a cipher, and of an RSA key */
#define MDM_ENVELOPE_KEY      EVP_MAX_KEY_LENGTH
#define MDM_ENVELOPE_RSA      1024


struct mdm_envelope_des_s {
    OSSL_LIB_CTX             *ctx;
    OSSL_PROVIDER            *legacy;
    OSSL_PROVIDER            *base;
    EVP_CIPHER               *cipher;
};


static mdm_int_t mdm_envelope_read(mdm_arena_t *arena, PKCS7_ENVELOPE *ed,
    const mdm_envelope_keys_t *keys, mdm_envelope_t *envelope,
    const char **why);
static const EVP_CIPHER *mdm_envelope_cipher(int nid,
    const mdm_envelope_des_t *des);
static PKCS7_RECIP_INFO *mdm_envelope_recipient(PKCS7_ENVELOPE *ed,
    const mdm_envelope_keys_t *keys, EVP_PKEY **key);
static mdm_int_t mdm_envelope_key(PKCS7_RECIP_INFO *ri, EVP_PKEY *key,
    u_char *cek, size_t len, const char **why);
static mdm_uint_t mdm_envelope_pkcs1(EVP_PKEY *key, const u_char *data,
    size_t n, u_char *cek, size_t len);
static mdm_uint_t mdm_envelope_oaep(EVP_PKEY *key, const X509_ALGOR *alg,
    const u_char *data, size_t n, u_char *cek, size_t len);
static const EVP_MD *mdm_envelope_md(const X509_ALGOR *alg);
static const EVP_MD *mdm_envelope_mgf(const X509_ALGOR *alg);
static mdm_int_t mdm_envelope_crypt(mdm_arena_t *arena,
    const EVP_CIPHER *cipher, const u_char *cek, const u_char *iv,
    mdm_uint_t encrypt, const mdm_str_t *in, mdm_str_t *out);
static PKCS7 *mdm_envelope_new(X509 *recipient, const u_char *cek,
    size_t len);
static mdm_int_t mdm_envelope_wrap(PKCS7_RECIP_INFO *ri, EVP_PKEY *key,
    const u_char *cek, size_t len);
static mdm_int_t mdm_envelope_fill(PKCS7 *p7, int cipher, const u_char *iv,
    size_t ivlen, const mdm_str_t *data);


mdm_envelope_des_t *
mdm_envelope_des_create(void)
{
    mdm_envelope_des_t  *des;

    des = OPENSSL_zalloc(sizeof(mdm_envelope_des_t));
    if (des == NULL) {
        return NULL;
    }

    ERR_set_mark();

    des->ctx = OSSL_LIB_CTX_new();

    if (des->ctx != NULL) {
        des->legacy = OSSL_PROVIDER_load(des->ctx, "legacy");
        des->base = OSSL_PROVIDER_load(des->ctx, "default");
        des->cipher = EVP_CIPHER_fetch(des->ctx, "DES-CBC", NULL);
    }

    ERR_pop_to_mark();

    if (des->cipher == NULL) {
        mdm_envelope_des_free(des);
        return NULL;
    }

    return des;
}


void
mdm_envelope_des_free(mdm_envelope_des_t *des)
{
    if (des == NULL) {
        return;
    }

    EVP_CIPHER_free(des->cipher);

    if (des->legacy != NULL) {
        (void) OSSL_PROVIDER_unload(des->legacy);
    }

    if (des->base != NULL) {
        (void) OSSL_PROVIDER_unload(des->base);
    }

    OSSL_LIB_CTX_free(des->ctx);
    OPENSSL_free(des);
}


mdm_int_t
mdm_envelope_open(mdm_arena_t *arena, const mdm_str_t *der,
    const mdm_envelope_keys_t *keys, mdm_envelope_t *envelope,
    const char **why)
{
    int            mark;
    PKCS7         *p7;
    mdm_int_t      rc;
    const u_char  *p;

    memset(envelope, 0, sizeof(mdm_envelope_t));

    *why = "envelope cannot be read";

    if (der->len == 0 || der->len > INT_MAX
        || mdm_der_check(der, why) != MDM_OK)
    {
        return MDM_DECLINED;
    }

    mark = ERR_set_mark();

    p = der->data;
    p7 = d2i_PKCS7(NULL, &p, (long) der->len);

    rc = MDM_DECLINED;

    if (p7 != NULL
        && p == der->data + der->len
        && OBJ_obj2nid(p7->type) == NID_pkcs7_enveloped
        && p7->d.enveloped != NULL)
    {
        rc = mdm_envelope_read(arena, p7->d.enveloped, keys, envelope, why);
    }

    PKCS7_free(p7);

    if (rc != MDM_OK && mdm_certificate_memory(mark)) {
        rc = mdm_arena_no_memory(arena);
    }

    ERR_pop_to_mark();

    return rc;
}


static mdm_int_t
mdm_envelope_read(mdm_arena_t *arena, PKCS7_ENVELOPE *ed,
    const mdm_envelope_keys_t *keys, mdm_envelope_t *envelope,
    const char **why)
{
    u_char               cek[MDM_ENVELOPE_KEY];
    EVP_PKEY            *key;
    mdm_int_t            rc;
    mdm_str_t            in;
    ASN1_STRING         *iv;
    PKCS7_ENC_CONTENT   *ec;
    const EVP_CIPHER    *cipher;
    PKCS7_RECIP_INFO    *ri;

    ec = ed->enc_data;

    if (ec->enc_data == NULL
        || OBJ_obj2nid(ec->content_type) != NID_pkcs7_data)
    {
        *why = "envelope has no encrypted data";
        return MDM_DECLINED;
    }

    ri = mdm_envelope_recipient(ed, keys, &key);

    if (ri == NULL) {
        *why = "envelope is not for this CA";
        return MDM_DECLINED;
    }

    envelope->cipher = OBJ_obj2nid(ec->algorithm->algorithm);

    cipher = mdm_envelope_cipher(envelope->cipher, keys->des);

    if (cipher == NULL
        || (envelope->cipher == NID_des_ede3_cbc && !keys->des3))
    {
        *why = "cipher of the envelope is not accepted";
        return MDM_ENVELOPE_CIPHER;
    }

    in.data = ec->enc_data->data;
    in.len = (size_t) ec->enc_data->length;

    if (in.len == 0
        || in.len % (size_t) EVP_CIPHER_get_block_size(cipher) != 0
        || ec->algorithm->parameter == NULL
        || ec->algorithm->parameter->type != V_ASN1_OCTET_STRING)
    {
        *why = "envelope has no whole blocks, or no initial vector";
        return MDM_DECLINED;
    }

    iv = ec->algorithm->parameter->value.octet_string;

    if (iv->length != EVP_CIPHER_get_iv_length(cipher)) {
        *why = "envelope has no initial vector";
        return MDM_DECLINED;
    }

    rc = mdm_envelope_key(ri, key, cek,
                          (size_t) EVP_CIPHER_get_key_length(cipher), why);

    if (rc == MDM_OK) {
        rc = mdm_envelope_crypt(arena, cipher, cek, iv->data, 0, &in,
                                &envelope->content);
    }

    OPENSSL_cleanse(cek, sizeof(cek));

    return rc;
}


static const EVP_CIPHER *
mdm_envelope_cipher(int nid, const mdm_envelope_des_t *des)
{
    switch (nid) {

    case NID_aes_128_cbc:
        return EVP_aes_128_cbc();

    case NID_aes_192_cbc:
        return EVP_aes_192_cbc();

    case NID_aes_256_cbc:
        return EVP_aes_256_cbc();

    case NID_des_ede3_cbc:
        return EVP_des_ede3_cbc();

    case NID_des_cbc:
        return (des != NULL) ? des->cipher : NULL;

    default:
        return NULL;
    }
}


static PKCS7_RECIP_INFO *
mdm_envelope_recipient(PKCS7_ENVELOPE *ed, const mdm_envelope_keys_t *keys,
    EVP_PKEY **key)
{
    int                i, k, n;
    PKCS7_RECIP_INFO  *ri;

    n = sk_PKCS7_RECIP_INFO_num(ed->recipientinfo);

    if (n > MDM_ENVELOPE_RECIPIENTS) {
        n = MDM_ENVELOPE_RECIPIENTS;
    }

    for (i = 0; i < n; i++) {
        ri = sk_PKCS7_RECIP_INFO_value(ed->recipientinfo, i);

        for (k = 0; k < 2; k++) {

            if (keys->cert[k] != NULL
                && EVP_PKEY_get_base_id(keys->key[k]) == EVP_PKEY_RSA
                && ASN1_INTEGER_cmp(ri->issuer_and_serial->serial,
                                    X509_get0_serialNumber(keys->cert[k]))
                   == 0
                && X509_NAME_cmp(ri->issuer_and_serial->issuer,
                                 X509_get_issuer_name(keys->cert[k]))
                   == 0)
            {
                *key = keys->key[k];
                return ri;
            }
        }
    }

    return NULL;
}


/* "cek" is a random key where there is none that is well */

static mdm_int_t
mdm_envelope_key(PKCS7_RECIP_INFO *ri, EVP_PKEY *key, u_char *cek, size_t len,
    const char **why)
{
    int          nid;
    size_t       i, n;
    u_char       found[MDM_ENVELOPE_KEY], mask;
    mdm_uint_t   good;

    nid = OBJ_obj2nid(ri->key_enc_algor->algorithm);
    n = (size_t) ri->enc_key->length;

    if (nid != NID_rsaEncryption && nid != NID_rsaesOaep) {
        *why = "envelope has no key encrypted by RSA";
        return MDM_DECLINED;
    }

    if (RAND_bytes(cek, (int) len) != 1) {
        return MDM_ERROR;
    }

    memset(found, 0, sizeof(found));

    good = (nid == NID_rsaEncryption)
           ? mdm_envelope_pkcs1(key, ri->enc_key->data, n, found, len)
           : mdm_envelope_oaep(key, ri->key_enc_algor, ri->enc_key->data, n,
                               found, len);

    mask = (u_char) (0 - good);

    for (i = 0; i < len; i++) {
        cek[i] = (u_char) ((found[i] & mask) | (cek[i] & (u_char) ~mask));
    }

    OPENSSL_cleanse(found, sizeof(found));

    return MDM_OK;
}


/*
 * 00 02, nonzero octets, 00, the key: its length is known, so that each octet
 * has its place, and no branch and no memory access depends on one.
 */

static mdm_uint_t
mdm_envelope_pkcs1(EVP_PKEY *key, const u_char *data, size_t n, u_char *cek,
    size_t len)
{
    u_char         em[MDM_ENVELOPE_RSA];
    size_t         i, size, got;
    mdm_uint_t     bad, ok;
    EVP_PKEY_CTX  *ctx;

    size = (size_t) EVP_PKEY_get_size(key);

    if (size > sizeof(em) || size < len + 11) {
        return 0;
    }

    memset(em, 0, sizeof(em));

    ctx = EVP_PKEY_CTX_new(key, NULL);
    got = size;

    /* a number above the modulus fails: whoever has the certificate sees it */

    ok = (ctx != NULL
          && EVP_PKEY_decrypt_init(ctx) == 1
          && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1
          && EVP_PKEY_decrypt(ctx, em, &got, data, n) == 1
          && got == size);

    EVP_PKEY_CTX_free(ctx);

    bad = em[0] | (mdm_uint_t) (em[1] ^ 2);

    for (i = 2; i < size - len - 1; i++) {

        /* 1 if the octet is 0 */

        bad |= (((mdm_uint_t) em[i] - 1) >> 8) & 1;
    }

    bad |= em[size - len - 1];

    memcpy(cek, em + size - len, len);
    OPENSSL_cleanse(em, sizeof(em));

    /* bad is at most 255: 1 if it is 0 */

    return ok & (((bad - 1) >> 8) & 1);
}


static mdm_uint_t
mdm_envelope_oaep(EVP_PKEY *key, const X509_ALGOR *alg, const u_char *data,
    size_t n, u_char *cek, size_t len)
{
    u_char            em[MDM_ENVELOPE_RSA];
    size_t            got;
    mdm_uint_t        ok;
    EVP_PKEY_CTX     *ctx;
    const EVP_MD     *md, *mgf;
    RSA_OAEP_PARAMS  *params;

    params = NULL;

    if (alg->parameter != NULL && alg->parameter->type == V_ASN1_SEQUENCE) {
        params = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_OAEP_PARAMS),
                                           alg->parameter);
    }

    md = EVP_sha1();
    mgf = EVP_sha1();

    if (params != NULL) {
        md = mdm_envelope_md(params->hashFunc);
        mgf = mdm_envelope_mgf(params->maskGenFunc);

        if (params->pSourceFunc != NULL) {

            /* a label: nobody sends one */

            md = NULL;
        }
    }

    RSA_OAEP_PARAMS_free(params);

    if (md == NULL || mgf == NULL
        || (size_t) EVP_PKEY_get_size(key) > sizeof(em))
    {
        return 0;
    }

    ctx = EVP_PKEY_CTX_new(key, NULL);
    got = sizeof(em);

    ok = (ctx != NULL
          && EVP_PKEY_decrypt_init(ctx) == 1
          && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1
          && EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1
          && EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, mgf) == 1
          && EVP_PKEY_decrypt(ctx, em, &got, data, n) == 1
          && got == len);

    EVP_PKEY_CTX_free(ctx);

    if (ok) {
        memcpy(cek, em, len);
        OPENSSL_cleanse(em, sizeof(em));
    }

    return ok;
}


/* NULL: not accepted; nothing is SHA-1 */

static const EVP_MD *
mdm_envelope_md(const X509_ALGOR *alg)
{
    if (alg == NULL) {
        return EVP_sha1();
    }

    switch (OBJ_obj2nid(alg->algorithm)) {

    case NID_sha1:
        return EVP_sha1();

    case NID_sha256:
        return EVP_sha256();

    case NID_sha384:
        return EVP_sha384();

    case NID_sha512:
        return EVP_sha512();

    default:
        return NULL;
    }
}


static const EVP_MD *
mdm_envelope_mgf(const X509_ALGOR *alg)
{
    X509_ALGOR    *inner;
    const EVP_MD  *md;

    if (alg == NULL) {
        return EVP_sha1();
    }

    if (OBJ_obj2nid(alg->algorithm) != NID_mgf1 || alg->parameter == NULL) {
        return NULL;
    }

    inner = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR),
                                      alg->parameter);
    if (inner == NULL) {
        return NULL;
    }

    md = mdm_envelope_md(inner);

    X509_ALGOR_free(inner);

    return md;
}


/* whole blocks, without padding */

static mdm_int_t
mdm_envelope_crypt(mdm_arena_t *arena, const EVP_CIPHER *cipher,
    const u_char *cek, const u_char *iv, mdm_uint_t encrypt,
    const mdm_str_t *in, mdm_str_t *out)
{
    int              n, last;
    mdm_int_t        rc;
    EVP_CIPHER_CTX  *ctx;

    out->data = mdm_arena_alloc(arena, in->len + EVP_MAX_BLOCK_LENGTH);
    if (out->data == NULL) {
        return MDM_ERROR;
    }

    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return mdm_arena_no_memory(arena);
    }

    n = 0;
    last = 0;

    if (EVP_CipherInit_ex(ctx, cipher, NULL, cek, iv, encrypt ? 1 : 0) == 1
        && EVP_CIPHER_CTX_set_padding(ctx, 0) == 1
        && EVP_CipherUpdate(ctx, out->data, &n, in->data, (int) in->len) == 1
        && EVP_CipherFinal_ex(ctx, out->data + n, &last) == 1)
    {
        out->len = (size_t) n + (size_t) last;
        rc = MDM_OK;

    } else {
        rc = mdm_arena_failed(arena, "EVP_CipherUpdate");
    }

    EVP_CIPHER_CTX_free(ctx);

    return rc;
}


mdm_int_t
mdm_envelope_object(const mdm_envelope_t *envelope, mdm_str_t *object,
    mdm_uint_t *padded)
{
    int            tag, class, form;
    long           len;
    size_t         n, i, left;
    const u_char  *p;

    *padded = 0;

    n = envelope->content.len;
    p = envelope->content.data;

    ERR_set_mark();

    /* bit 0 is set by an indefinite length, 0x80 is an error */

    form = ASN1_get_object(&p, &len, &tag, &class, (long) n);

    ERR_pop_to_mark();

    if ((form & 0x81) != 0 || tag != V_ASN1_SEQUENCE || len < 0) {
        return MDM_DECLINED;
    }

    object->data = envelope->content.data;
    object->len = (size_t) (p - envelope->content.data) + (size_t) len;

    if (object->len > n) {
        return MDM_DECLINED;
    }

    left = n - object->len;

    if (left == 0 || left > EVP_MAX_BLOCK_LENGTH) {
        return MDM_OK;
    }

    for (i = object->len; i < n; i++) {
        if (envelope->content.data[i] != left) {
            return MDM_OK;
        }
    }

    *padded = 1;

    return MDM_OK;
}


mdm_int_t
mdm_envelope_seal(mdm_arena_t *arena, const mdm_str_t *content,
    X509 *recipient, int cipher, const mdm_envelope_des_t *des, mdm_str_t *der)
{
    int                mark;
    PKCS7             *p7;
    size_t             pad, len, ivlen;
    u_char             cek[MDM_ENVELOPE_KEY], iv[EVP_MAX_IV_LENGTH];
    EVP_PKEY          *key;
    mdm_int_t          rc;
    mdm_str_t          padded, data;
    const EVP_CIPHER  *type;

    key = X509_get0_pubkey(recipient);
    type = mdm_envelope_cipher(cipher, des);

    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA
        || type == NULL || content->len > INT_MAX - EVP_MAX_BLOCK_LENGTH)
    {
        return MDM_DECLINED;
    }

    len = (size_t) EVP_CIPHER_get_key_length(type);
    ivlen = (size_t) EVP_CIPHER_get_iv_length(type);

    if ((size_t) EVP_PKEY_get_size(key) < len + 11) {
        return MDM_DECLINED;
    }

    pad = (size_t) EVP_CIPHER_get_block_size(type);
    pad -= content->len % pad;

    padded.len = content->len + pad;
    padded.data = mdm_arena_alloc(arena, padded.len);

    if (padded.data == NULL) {
        return MDM_ERROR;
    }

    memcpy(padded.data, content->data, content->len);
    memset(padded.data + content->len, (int) pad, pad);

    if (RAND_bytes(cek, (int) len) != 1
        || RAND_bytes(iv, (int) ivlen) != 1)
    {
        return mdm_arena_failed(arena, "RAND_bytes");
    }

    mark = ERR_set_mark();

    p7 = NULL;
    mdm_str_null(&data);

    rc = mdm_envelope_crypt(arena, type, cek, iv, 1, &padded, &data);

    if (rc == MDM_OK) {
        p7 = mdm_envelope_new(recipient, cek, len);

        if (p7 == NULL
            || mdm_envelope_fill(p7, cipher, iv, ivlen, &data) != MDM_OK)
        {
            rc = MDM_ERROR;
        }
    }

    if (rc == MDM_OK) {
        rc = mdm_certificate_encode(arena, p7, ASN1_ITEM_rptr(PKCS7), der);
    }

    OPENSSL_cleanse(cek, sizeof(cek));
    PKCS7_free(p7);

    if (rc == MDM_ERROR) {
        rc = mdm_certificate_memory(mark)
             ? mdm_arena_no_memory(arena)
             : mdm_arena_failed(arena, "PKCS7_new");
    }

    ERR_pop_to_mark();

    return rc;
}


static PKCS7 *
mdm_envelope_new(X509 *recipient, const u_char *cek, size_t len)
{
    PKCS7             *p7;
    PKCS7_RECIP_INFO  *ri;

    p7 = PKCS7_new();
    ri = PKCS7_RECIP_INFO_new();

    if (p7 == NULL || ri == NULL
        || PKCS7_set_type(p7, NID_pkcs7_enveloped) != 1
        || PKCS7_RECIP_INFO_set(ri, recipient) != 1
        || mdm_envelope_wrap(ri, X509_get0_pubkey(recipient), cek, len)
           != MDM_OK
        || PKCS7_add_recipient_info(p7, ri) != 1)
    {
        PKCS7_RECIP_INFO_free(ri);
        PKCS7_free(p7);
        return NULL;
    }

    return p7;
}


static mdm_int_t
mdm_envelope_wrap(PKCS7_RECIP_INFO *ri, EVP_PKEY *key, const u_char *cek,
    size_t len)
{
    u_char         wrapped[2 * MDM_ENVELOPE_RSA];
    size_t         n;
    mdm_uint_t     ok;
    EVP_PKEY_CTX  *ctx;

    n = sizeof(wrapped);
    ctx = EVP_PKEY_CTX_new(key, NULL);

    ok = (ctx != NULL
          && EVP_PKEY_encrypt_init(ctx) == 1
          && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1
          && EVP_PKEY_encrypt(ctx, wrapped, &n, cek, len) == 1
          && X509_ALGOR_set0(ri->key_enc_algor,
                             OBJ_nid2obj(NID_rsaEncryption), V_ASN1_NULL, NULL)
             == 1
          && ASN1_STRING_set(ri->enc_key, wrapped, (int) n) == 1);

    EVP_PKEY_CTX_free(ctx);

    return ok ? MDM_OK : MDM_ERROR;
}


static mdm_int_t
mdm_envelope_fill(PKCS7 *p7, int cipher, const u_char *iv, size_t ivlen,
    const mdm_str_t *data)
{
    PKCS7_ENC_CONTENT  *ec;
    ASN1_OCTET_STRING  *vector;

    ec = p7->d.enveloped->enc_data;
    ec->content_type = OBJ_nid2obj(NID_pkcs7_data);
    ec->enc_data = ASN1_OCTET_STRING_new();

    if (ec->enc_data == NULL
        || ASN1_OCTET_STRING_set(ec->enc_data, data->data, (int) data->len)
           != 1)
    {
        return MDM_ERROR;
    }

    vector = ASN1_OCTET_STRING_new();

    if (vector == NULL
        || ASN1_OCTET_STRING_set(vector, iv, (int) ivlen) != 1
        || X509_ALGOR_set0(ec->algorithm, OBJ_nid2obj(cipher),
                           V_ASN1_OCTET_STRING, vector)
           != 1)
    {
        ASN1_OCTET_STRING_free(vector);
        return MDM_ERROR;
    }

    return MDM_OK;
}
