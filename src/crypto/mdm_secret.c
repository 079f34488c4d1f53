
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Seals and opens what is secret in Redis, by AES-256-GCM.
 */


#include <limits.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include "mdm_secret.h"


#define MDM_SECRET_MAGIC      3
#define MDM_SECRET_ESCAPED    0       /* the two versions */
#define MDM_SECRET_SEALED     1

#define MDM_SECRET_AAD        5


static mdm_int_t mdm_secret_key_text(u_char *raw, const mdm_str_t *text);
static mdm_int_t mdm_secret_unhex(u_char *dst, const mdm_str_t *text);
static mdm_int_t mdm_secret_key_init(mdm_secret_key_t *key,
    const u_char *raw);
static void mdm_secret_key_clear(mdm_secret_key_t *key);
static mdm_int_t mdm_secret_derive(u_char *dst, size_t len, const u_char *raw,
    const char *label);
static mdm_int_t mdm_secret_name(const mdm_secret_key_t *key,
    const mdm_secret_place_t *place, const mdm_str_t *value, u_char *name);
static mdm_int_t mdm_secret_mac(const mdm_secret_key_t *key,
    const mdm_secret_place_t *place, const mdm_str_t *value, u_char *head,
    u_char *out);
static void mdm_secret_aad(mdm_str_t *aad, u_char *sizes, const u_char *name,
    const mdm_secret_place_t *place);
static mdm_int_t mdm_secret_plain(mdm_arena_t *arena, const mdm_str_t *value,
    mdm_str_t *kept);
static mdm_int_t mdm_secret_find(mdm_arena_t *arena,
    const mdm_secret_keys_t *keys, const mdm_str_t *kept, mdm_int_t *under,
    mdm_str_t *why);


static const u_char  mdm_secret_magic[MDM_SECRET_MAGIC] = { 0xee, 'M', 'K' };


mdm_int_t
mdm_secret_key_read(u_char *raw, const mdm_str_t *file, const char **why)
{
    size_t      i;
    mdm_str_t   text;
    mdm_uint_t  printable, same;

    text = *file;

    /* 32 bytes are the key itself, even if the last one is a line end */

    if (text.len == MDM_SECRET_RAW) {
        memcpy(raw, text.data, MDM_SECRET_RAW);

        printable = 1;

        for (i = 0; i < MDM_SECRET_RAW; i++) {
            if (raw[i] < 0x20 || raw[i] > 0x7e) {
                printable = 0;
            }
        }

        if (printable) {
            OPENSSL_cleanse(raw, MDM_SECRET_RAW);
            *why = "is a text of 32 characters, not a key of 32 random bytes";
            return MDM_DECLINED;
        }

    } else {

        if (text.len != 0 && text.data[text.len - 1] == '\n') {
            text.len--;

            if (text.len != 0 && text.data[text.len - 1] == '\r') {
                text.len--;
            }
        }

        if (mdm_secret_key_text(raw, &text) != MDM_OK) {
            *why = "holds neither 32 bytes nor one line with 64 hex digits "
                   "or the base64 of 32 bytes";
            return MDM_DECLINED;
        }
    }

    same = 1;

    for (i = 1; i < MDM_SECRET_RAW; i++) {
        if (raw[i] != raw[0]) {
            same = 0;
        }
    }

    if (same) {
        *why = "holds one byte 32 times, not a key of 32 random bytes";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_secret_key_text(u_char *raw, const mdm_str_t *text)
{
    int        n;
    u_char     buf[MDM_SECRET_RAW + 4];
    size_t     i;
    mdm_int_t  rc;

    if (text->len == 2 * MDM_SECRET_RAW) {
        return mdm_secret_unhex(raw, text);
    }

    /* 32 bytes are 43 digits and one "="; the decoder would accept others */

    if (text->len != 44 || text->data[43] != '=') {
        return MDM_DECLINED;
    }

    for (i = 0; i < 43; i++) {
        if (text->data[i] <= ' ' || text->data[i] == '=') {
            return MDM_DECLINED;
        }
    }

    n = EVP_DecodeBlock(buf, text->data, 44);

    rc = MDM_DECLINED;

    if (n == MDM_SECRET_RAW + 1) {
        memcpy(raw, buf, MDM_SECRET_RAW);
        rc = MDM_OK;
    }

    OPENSSL_cleanse(buf, sizeof(buf));

    return rc;
}


static mdm_int_t
mdm_secret_unhex(u_char *dst, const mdm_str_t *text)
{
    u_char  c, digit;
    size_t  i;

    for (i = 0; i < text->len; i++) {
        c = text->data[i];

        if (c >= '0' && c <= '9') {
            digit = (u_char) (c - '0');

        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (u_char) ((c | 0x20) - 'a' + 10);

        } else {
            return MDM_DECLINED;
        }

        dst[i / 2] = (i & 1) ? (u_char) (dst[i / 2] | digit)
                             : (u_char) (digit << 4);
    }

    return MDM_OK;
}


mdm_int_t
mdm_secret_key_add(mdm_secret_keys_t *keys, const u_char *raw)
{
    mdm_int_t          rc;
    mdm_uint_t         i;
    mdm_secret_key_t   key;

    memset(&key, 0, sizeof(mdm_secret_key_t));

    rc = mdm_secret_key_init(&key, raw);

    if (rc == MDM_OK && keys->n == MDM_SECRET_KEYS) {
        rc = MDM_DECLINED;
    }

    for (i = 0; rc == MDM_OK && i < keys->n; i++) {
        if (memcmp(keys->keys[i].id, key.id, MDM_SECRET_ID) == 0) {
            rc = MDM_DECLINED;
        }
    }

    if (rc != MDM_OK) {
        mdm_secret_key_clear(&key);
        return rc;
    }

    keys->keys[keys->n++] = key;

    return MDM_OK;
}


static mdm_int_t
mdm_secret_key_init(mdm_secret_key_t *key, const u_char *raw)
{
    u_char       sub[MDM_SECRET_RAW];
    EVP_MAC     *mac;
    mdm_int_t    rc;
    OSSL_PARAM   params[2];

    rc = MDM_ERROR;

    if (mdm_secret_derive(key->id, MDM_SECRET_ID, raw, "id") != MDM_OK
        || mdm_secret_derive(key->check, MDM_SECRET_CHECK, raw, "check")
           != MDM_OK
        || mdm_secret_derive(sub, sizeof(sub), raw, "seal") != MDM_OK)
    {
        goto done;
    }

    key->seal = mdm_secret_gcm_create(sub, 1);
    key->open = mdm_secret_gcm_create(sub, 0);

    if (key->seal == NULL || key->open == NULL
        || mdm_secret_derive(sub, sizeof(sub), raw, "nonce") != MDM_OK)
    {
        goto done;
    }

    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (mac == NULL) {
        goto done;
    }

    key->nonce = EVP_MAC_CTX_new(mac);

    EVP_MAC_free(mac);

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char *) "SHA256", 0);
    params[1] = OSSL_PARAM_construct_end();

    if (key->nonce != NULL
        && EVP_MAC_init(key->nonce, sub, sizeof(sub), params) == 1)
    {
        rc = MDM_OK;
    }

done:

    OPENSSL_cleanse(sub, sizeof(sub));

    return rc;
}


static void
mdm_secret_key_clear(mdm_secret_key_t *key)
{
    /* these functions wipe the keys that the contexts hold */

    EVP_CIPHER_CTX_free(key->seal);
    EVP_CIPHER_CTX_free(key->open);
    EVP_MAC_CTX_free(key->nonce);

    OPENSSL_cleanse(key, sizeof(mdm_secret_key_t));
}


void
mdm_secret_keys_clear(mdm_secret_keys_t *keys)
{
    while (keys->n != 0) {
        mdm_secret_key_clear(&keys->keys[--keys->n]);
    }
}


/* HKDF without a salt, as the key is random */

static mdm_int_t
mdm_secret_derive(u_char *dst, size_t len, const u_char *raw,
    const char *label)
{
    char          info[32];
    size_t        n;
    EVP_KDF      *kdf;
    mdm_int_t     rc;
    OSSL_PARAM    params[4];
    EVP_KDF_CTX  *ctx;

    n = strlen(label);

    memcpy(info, "mdm secret 1 ", 13);
    memcpy(info + 13, label, n);

    kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    if (kdf == NULL) {
        return MDM_ERROR;
    }

    ctx = EVP_KDF_CTX_new(kdf);

    EVP_KDF_free(kdf);

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                                 (char *) "SHA256", 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                                  (void *) (uintptr_t) raw,
                                                  MDM_SECRET_RAW);
    params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info,
                                                  13 + n);
    params[3] = OSSL_PARAM_construct_end();

    rc = (ctx != NULL && EVP_KDF_derive(ctx, dst, len, params) == 1)
         ? MDM_OK : MDM_ERROR;

    EVP_KDF_CTX_free(ctx);

    return rc;
}


mdm_int_t
mdm_secret_seal(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_secret_place_t *place, const mdm_str_t *value, mdm_str_t *kept)
{
    u_char                   sizes[8], *p;
    size_t                   len;
    mdm_str_t                aad[MDM_SECRET_AAD];
    const mdm_secret_key_t  *key;

    if (keys == NULL || value->len == 0) {
        return mdm_secret_plain(arena, value, kept);
    }

    key = &keys->keys[0];
    len = value->len;

    p = mdm_arena_alloc(arena, len + MDM_SECRET_OVERHEAD);

    if (p == NULL) {
        return MDM_ERROR;
    }

    if (mdm_secret_name(key, place, value, p) != MDM_OK) {
        return mdm_arena_failed(arena, "EVP_MAC_update");
    }

    mdm_secret_aad(aad, sizes, p, place);

    if (mdm_secret_gcm(key->seal, p + MDM_SECRET_HEAD + MDM_SECRET_ID, aad,
                       MDM_SECRET_AAD, value, p + MDM_SECRET_NAME,
                       p + MDM_SECRET_NAME + len)
        != MDM_OK)
    {
        return mdm_arena_failed(arena, "EVP_CipherUpdate");
    }

    kept->data = p;
    kept->len = len + MDM_SECRET_OVERHEAD;

    return MDM_OK;
}


static mdm_int_t
mdm_secret_plain(mdm_arena_t *arena, const mdm_str_t *value, mdm_str_t *kept)
{
    u_char  *p;

    if (value->len < MDM_SECRET_MAGIC
        || memcmp(value->data, mdm_secret_magic, MDM_SECRET_MAGIC) != 0)
    {
        *kept = *value;
        return MDM_OK;
    }

    p = mdm_arena_alloc(arena, MDM_SECRET_HEAD + value->len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    memcpy(p, mdm_secret_magic, MDM_SECRET_MAGIC);
    p[MDM_SECRET_MAGIC] = MDM_SECRET_ESCAPED;
    memcpy(p + MDM_SECRET_HEAD, value->data, value->len);

    kept->data = p;
    kept->len = MDM_SECRET_HEAD + value->len;

    return MDM_OK;
}


mdm_int_t
mdm_secret_open(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_secret_place_t *place, const mdm_str_t *kept, mdm_str_t *value,
    mdm_int_t *under, mdm_str_t *why)
{
    u_char      sizes[8], *p;
    mdm_int_t   rc;
    mdm_str_t   aad[MDM_SECRET_AAD], sealed;

    *under = (kept->len == 0) ? MDM_SECRET_EMPTY : MDM_SECRET_PLAIN;

    if (kept->len < MDM_SECRET_MAGIC
        || memcmp(kept->data, mdm_secret_magic, MDM_SECRET_MAGIC) != 0)
    {
        *value = *kept;
        return MDM_OK;
    }

    if (kept->len >= MDM_SECRET_HEAD
        && kept->data[MDM_SECRET_MAGIC] == MDM_SECRET_ESCAPED)
    {
        value->data = kept->data + MDM_SECRET_HEAD;
        value->len = kept->len - MDM_SECRET_HEAD;
        return MDM_OK;
    }

    rc = mdm_secret_find(arena, keys, kept, under, why);
    if (rc != MDM_OK) {
        return rc;
    }

    sealed.data = kept->data + MDM_SECRET_NAME;
    sealed.len = kept->len - MDM_SECRET_OVERHEAD;

    p = mdm_arena_alloc(arena, sealed.len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    mdm_secret_aad(aad, sizes, kept->data, place);

    rc = mdm_secret_gcm(keys->keys[*under].open,
                        kept->data + MDM_SECRET_HEAD + MDM_SECRET_ID, aad,
                        MDM_SECRET_AAD, &sealed, p,
                        kept->data + kept->len - MDM_SECRET_TAG);

    if (rc == MDM_ERROR) {
        return mdm_arena_failed(arena, "EVP_CipherUpdate");
    }

    if (rc != MDM_OK) {
        mdm_str_set(why, "it was changed, or belongs to another place");
        return rc;
    }

    value->data = p;
    value->len = sealed.len;

    return MDM_OK;
}


static mdm_int_t
mdm_secret_find(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_str_t *kept, mdm_int_t *under, mdm_str_t *why)
{
    u_char      id[MDM_SECRET_ID];
    mdm_str_t   s, hex;
    mdm_uint_t  i;

    if (kept->len < MDM_SECRET_OVERHEAD) {
        mdm_str_set(why, "it is cut off");
        return MDM_DECLINED;
    }

    if (!mdm_secret_sealed(kept, id)) {
        mdm_str_set(why, "its format is of another version");
        return MDM_DECLINED;
    }

    for (i = 0; keys != NULL && i < keys->n; i++) {

        if (memcmp(keys->keys[i].id, id, MDM_SECRET_ID) == 0) {
            *under = (mdm_int_t) i;
            return MDM_OK;
        }
    }

    s.data = id;
    s.len = MDM_SECRET_ID;

    if (mdm_hex_str(arena, &hex, &s) != MDM_OK) {
        return MDM_ERROR;
    }

    if (mdm_printf(arena, why, "it is encrypted with key %.*s, which is "
                   "in no file of \"encryption_key\"", mdm_fmt(&hex))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_DECLINED;
}


mdm_uint_t
mdm_secret_sealed(const mdm_str_t *kept, u_char *id)
{
    if (kept->len < MDM_SECRET_OVERHEAD
        || memcmp(kept->data, mdm_secret_magic, MDM_SECRET_MAGIC) != 0
        || kept->data[MDM_SECRET_MAGIC] != MDM_SECRET_SEALED)
    {
        return 0;
    }

    memcpy(id, kept->data + MDM_SECRET_HEAD, MDM_SECRET_ID);

    return 1;
}


mdm_int_t
mdm_secret_names(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_secret_place_t *place, const mdm_str_t *value,
    mdm_str_t *names)
{
    u_char      *p;
    mdm_uint_t   i;

    mdm_str_null(names);

    if (keys == NULL || value->len == 0) {
        return MDM_OK;
    }

    names->len = keys->n * MDM_SECRET_NAME;
    names->data = mdm_arena_alloc(arena, names->len);

    if (names->data == NULL) {
        return MDM_ERROR;
    }

    p = names->data;

    for (i = 0; i < keys->n; i++) {

        if (mdm_secret_name(&keys->keys[i], place, value, p) != MDM_OK) {
            return MDM_ERROR;
        }

        p += MDM_SECRET_NAME;
    }

    return MDM_OK;
}


mdm_int_t
mdm_secret_digests(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_secret_place_t *place, const mdm_str_t *value, size_t len,
    mdm_str_t *digests)
{
    u_char      head[MDM_SECRET_HEAD + MDM_SECRET_ID], out[EVP_MAX_MD_SIZE];
    u_char     *p;
    mdm_uint_t  i;

    digests->len = keys->n * 2 * len;
    digests->data = mdm_arena_alloc(arena, digests->len);

    if (digests->data == NULL) {
        return MDM_ERROR;
    }

    p = digests->data;

    for (i = 0; i < keys->n; i++) {

        if (mdm_secret_mac(&keys->keys[i], place, value, head, out) != MDM_OK)
        {
            return mdm_arena_failed(arena, "EVP_MAC_update");
        }

        mdm_hex(p, out, len);
        p += 2 * len;
    }

    return MDM_OK;
}


mdm_int_t
mdm_secret_random(mdm_arena_t *arena, mdm_str_t *digest)
{
    u_char  buf[16];

    digest->len = 2 * sizeof(buf);
    digest->data = mdm_arena_zalloc(arena, digest->len + 1);

    if (digest->data == NULL) {
        return MDM_ERROR;
    }

    if (RAND_bytes(buf, sizeof(buf)) != 1) {
        return mdm_arena_failed(arena, "RAND_bytes");
    }

    mdm_hex(digest->data, buf, sizeof(buf));

    return MDM_OK;
}


/* magic, version, id and nonce of what the value would be sealed to */

static mdm_int_t
mdm_secret_name(const mdm_secret_key_t *key, const mdm_secret_place_t *place,
    const mdm_str_t *value, u_char *name)
{
    u_char  out[EVP_MAX_MD_SIZE];

    if (mdm_secret_mac(key, place, value, name, out) != MDM_OK) {
        return MDM_ERROR;
    }

    memcpy(name + MDM_SECRET_HEAD + MDM_SECRET_ID, out, MDM_SECRET_NONCE);

    return MDM_OK;
}


/* fills in "head", magic, version and id; "out" has EVP_MAX_MD_SIZE bytes */

static mdm_int_t
mdm_secret_mac(const mdm_secret_key_t *key, const mdm_secret_place_t *place,
    const mdm_str_t *value, u_char *head, u_char *out)
{
    u_char        sizes[8];
    size_t        len;
    mdm_int_t     rc;
    mdm_str_t     aad[MDM_SECRET_AAD];
    mdm_uint_t    i;
    EVP_MAC_CTX  *mac;

    memcpy(head, mdm_secret_magic, MDM_SECRET_MAGIC);
    head[MDM_SECRET_MAGIC] = MDM_SECRET_SEALED;
    memcpy(head + MDM_SECRET_HEAD, key->id, MDM_SECRET_ID);

    mdm_secret_aad(aad, sizes, head, place);

    mac = EVP_MAC_CTX_dup(key->nonce);
    if (mac == NULL) {
        return MDM_ERROR;
    }

    rc = MDM_ERROR;

    for (i = 0; i < MDM_SECRET_AAD; i++) {

        if (EVP_MAC_update(mac, aad[i].data, aad[i].len) != 1) {
            goto done;
        }
    }

    if (EVP_MAC_update(mac, value->data, value->len) != 1
        || EVP_MAC_final(mac, out, &len, EVP_MAX_MD_SIZE) != 1)
    {
        goto done;
    }

    rc = MDM_OK;

done:

    EVP_MAC_CTX_free(mac);

    return rc;
}


/* the sizes keep "ab" + "c" and "a" + "bc" apart */

static void
mdm_secret_aad(mdm_str_t *aad, u_char *sizes, const u_char *name,
    const mdm_secret_place_t *place)
{
    mdm_uint_t        i;
    const mdm_str_t  *part[2];

    part[0] = &place->key;
    part[1] = &place->field;

    aad->data = (u_char *) (uintptr_t) name;
    aad->len = MDM_SECRET_HEAD + MDM_SECRET_ID;

    for (i = 0; i < 2; i++) {
        sizes[0] = (u_char) (part[i]->len >> 24);
        sizes[1] = (u_char) (part[i]->len >> 16);
        sizes[2] = (u_char) (part[i]->len >> 8);
        sizes[3] = (u_char) part[i]->len;

        aad++;
        aad->data = sizes;
        aad->len = 4;

        *++aad = *part[i];

        sizes += 4;
    }
}


EVP_CIPHER_CTX *
mdm_secret_gcm_create(const u_char *raw, mdm_uint_t seal)
{
    EVP_CIPHER_CTX  *ctx;

    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return NULL;
    }

    /* a nonce of 12 bytes is its default */

    if (EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, raw, NULL, (int) seal)
        != 1)
    {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }

    return ctx;
}


mdm_int_t
mdm_secret_gcm(EVP_CIPHER_CTX *ctx, const u_char *nonce, const mdm_str_t *aad,
    mdm_uint_t naad, const mdm_str_t *src, u_char *dst, u_char *tag)
{
    int         n;
    mdm_uint_t  i, seal;

    seal = (mdm_uint_t) EVP_CIPHER_CTX_is_encrypting(ctx);

    if (src->len > INT_MAX
        || EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, -1) != 1)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < naad; i++) {

        if (aad[i].len > INT_MAX
            || EVP_CipherUpdate(ctx, NULL, &n, aad[i].data, (int) aad[i].len)
               != 1)
        {
            return MDM_ERROR;
        }
    }

    if (src->len != 0
        && EVP_CipherUpdate(ctx, dst, &n, src->data, (int) src->len) != 1)
    {
        return MDM_ERROR;
    }

    if (!seal
        && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, MDM_SECRET_TAG, tag)
           != 1)
    {
        return MDM_ERROR;
    }

    /* nothing is left to be written: GCM is a stream cipher */

    if (EVP_CipherFinal_ex(ctx, dst, &n) != 1) {

        if (seal) {
            return MDM_ERROR;
        }

        OPENSSL_cleanse(dst, src->len);
        return MDM_DECLINED;
    }

    if (seal
        && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, MDM_SECRET_TAG, tag)
           != 1)
    {
        return MDM_ERROR;
    }

    return MDM_OK;
}
