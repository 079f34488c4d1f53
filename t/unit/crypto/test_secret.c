
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/crypto/mdm_secret.c.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include "mdm_secret.h"


static mdm_arena_t        *arena;
static mdm_secret_keys_t   one, two, both, other;   /* two: a newer one */
static mdm_secret_place_t  place = {
    mdm_string("mdm:{default/17}:u:UDID-1"), mdm_string("unlock")
};

static const u_char  raw_one[] = "0123456789abcdef0123456789abcde\x01";
static const u_char  raw_two[] = "0123456789abcdef0123456789abcde\x02";
static const u_char  raw_other[] = "0123456789abcdef0123456789abcde\x03";


static int
setup(void **state)
{
    (void) state;

    arena = mdm_arena_create(4096);
    assert_non_null(arena);

    assert_int_equal(mdm_secret_key_add(&one, raw_one), MDM_OK);
    assert_int_equal(mdm_secret_key_add(&two, raw_two), MDM_OK);
    assert_int_equal(mdm_secret_key_add(&both, raw_two), MDM_OK);
    assert_int_equal(mdm_secret_key_add(&both, raw_one), MDM_OK);
    assert_int_equal(mdm_secret_key_add(&other, raw_other), MDM_OK);

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_secret_keys_clear(&one);
    mdm_secret_keys_clear(&two);
    mdm_secret_keys_clear(&both);
    mdm_secret_keys_clear(&other);
    mdm_arena_destroy(arena);

    assert_int_equal(one.n, 0);

    return 0;
}


static mdm_str_t
str(const char *text)
{
    mdm_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    return s;
}


static mdm_str_t
unhex(const char *text)
{
    size_t        i;
    unsigned int  byte;
    mdm_str_t     s;

    s.len = strlen(text) / 2;
    s.data = mdm_arena_alloc(arena, s.len);
    assert_non_null(s.data);

    for (i = 0; i < s.len; i++) {
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        s.data[i] = (u_char) byte;
    }

    return s;
}


static mdm_str_t
seal(const mdm_secret_keys_t *keys, const mdm_str_t *value)
{
    mdm_str_t  kept;

    assert_int_equal(mdm_secret_seal(arena, keys, &place, value, &kept),
                     MDM_OK);

    return kept;
}


static void
opens(const mdm_secret_keys_t *keys, const mdm_str_t *kept,
    const mdm_str_t *value, mdm_int_t under)
{
    mdm_int_t  by;
    mdm_str_t  got, why;

    assert_int_equal(mdm_secret_open(arena, keys, &place, kept, &got, &by,
                                     &why), MDM_OK);
    assert_int_equal(got.len, value->len);
    assert_true(mdm_str_eq(&got, value));
    assert_int_equal(by, under);
}


static void
refused(const mdm_secret_keys_t *keys, const mdm_str_t *kept,
    const char *expected)
{
    mdm_int_t  by;
    mdm_str_t  got, why;

    mdm_str_null(&why);

    assert_int_equal(mdm_secret_open(arena, keys, &place, kept, &got, &by,
                                     &why), MDM_DECLINED);
    assert_true(why.len != 0);

    if (expected != NULL) {
        assert_non_null(memmem(why.data, why.len, expected,
                               strlen(expected)));
    }
}


/* test cases 13 to 16 of McGrew and Viega's specification of GCM */

static void
test_vectors(void **state)
{
    u_char           tag[MDM_SECRET_TAG], *out;
    mdm_str_t        key, nonce, plain, aad[2], sealed, expected;
    mdm_uint_t       i;
    EVP_CIPHER_CTX  *ctx, *back;

    static const struct {
        const char  *key;
        const char  *nonce;
        const char  *aad;
        const char  *plain;
        const char  *sealed;
        const char  *tag;
    } tests[] = {
        { "00000000000000000000000000000000"
          "00000000000000000000000000000000", "000000000000000000000000",
          "", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },

        { "00000000000000000000000000000000"
          "00000000000000000000000000000000", "000000000000000000000000",
          "", "00000000000000000000000000000000",
          "cea7403d4d606b6e074ec5d3baf39d18",
          "d0d1c8a799996bf0265b98b5d48ab919" },

        { "feffe9928665731c6d6a8f9467308308"
          "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
          "",
          "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
          "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
          "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
          "b094dac5d93471bdec1a502270e3cc6c" },

        { "feffe9928665731c6d6a8f9467308308"
          "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
          "feedfacedeadbeeffeedfacedeadbeefabaddad2",
          "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
          "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
          "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
          "76fc6ece0f4e1768cddf8853bb2d551b" },
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        key = unhex(tests[i].key);
        nonce = unhex(tests[i].nonce);
        plain = unhex(tests[i].plain);
        sealed = unhex(tests[i].sealed);
        expected = unhex(tests[i].tag);

        /* the pieces follow each other */

        aad[0] = unhex(tests[i].aad);
        aad[1] = aad[0];
        aad[0].len /= 3;
        aad[1].data += aad[0].len;
        aad[1].len -= aad[0].len;

        out = mdm_arena_alloc(arena, plain.len + 1);
        ctx = mdm_secret_gcm_create(key.data, 1);
        back = mdm_secret_gcm_create(key.data, 0);
        assert_non_null(ctx);
        assert_non_null(back);

        assert_int_equal(mdm_secret_gcm(ctx, nonce.data, aad, 2, &plain, out,
                                        tag), MDM_OK);
        assert_memory_equal(out, sealed.data, sealed.len);
        assert_memory_equal(tag, expected.data, MDM_SECRET_TAG);

        assert_int_equal(mdm_secret_gcm(back, nonce.data, aad, 2, &sealed,
                                        out, tag), MDM_OK);
        assert_memory_equal(out, plain.data, plain.len);

        tag[3] ^= 4;
        assert_int_equal(mdm_secret_gcm(back, nonce.data, aad, 2, &sealed,
                                        out, tag), MDM_DECLINED);

        /* and once more, with what the context went through */

        tag[3] ^= 4;
        assert_int_equal(mdm_secret_gcm(back, nonce.data, aad, 2, &sealed,
                                        out, tag), MDM_OK);

        EVP_CIPHER_CTX_free(ctx);
        EVP_CIPHER_CTX_free(back);
    }
}


/* the format, made anew of HMAC and the cipher alone */

static void
hkdf(const char *label, u_char *dst)
{
    char          info[64];
    u_char        prk[32], zero[32];
    unsigned int  n;

    memset(zero, 0, sizeof(zero));
    assert_non_null(HMAC(EVP_sha256(), zero, 32, raw_one, 32, prk, &n));

    n = (unsigned int) snprintf(info, sizeof(info), "mdm secret 1 %s%c",
                                label, 1);
    assert_non_null(HMAC(EVP_sha256(), prk, 32, (u_char *) info, n, dst, &n));
}


static void
test_format(void **state)
{
    u_char           sub[32], mac[32], aad[256], text[512];
    size_t           len;
    mdm_str_t        value, kept, s;
    unsigned int     n;
    EVP_CIPHER_CTX  *ctx;

    (void) state;

    value = str("a secret");
    kept = seal(&one, &value);

    assert_int_equal(kept.len, value.len + 40);
    assert_memory_equal(kept.data, "\xeeMK\x01", 4);

    hkdf("id", sub);
    assert_memory_equal(kept.data + 4, sub, 8);
    assert_memory_equal(one.keys[0].id, sub, 8);

    hkdf("check", sub);
    assert_memory_equal(one.keys[0].check, sub, 16);

    memcpy(aad, kept.data, 12);
    len = 12;
    memcpy(aad + len, "\0\0\0\x19", 4);
    len += 4;
    memcpy(aad + len, place.key.data, 25);
    len += 25;
    memcpy(aad + len, "\0\0\0\6unlock", 10);
    len += 10;

    memcpy(text, aad, len);
    memcpy(text + len, value.data, value.len);

    hkdf("nonce", sub);
    assert_non_null(HMAC(EVP_sha256(), sub, 32, text, len + value.len, mac,
                         &n));
    assert_memory_equal(kept.data + 12, mac, 12);

    hkdf("seal", sub);
    ctx = mdm_secret_gcm_create(sub, 1);
    s.data = aad;
    s.len = len;
    assert_int_equal(mdm_secret_gcm(ctx, mac, &s, 1, &value, text,
                                    text + value.len), MDM_OK);
    EVP_CIPHER_CTX_free(ctx);
    assert_memory_equal(kept.data + 24, text, value.len + 16);

    /* what a release wrote must open for ever */

    kept = unhex("ee4d4b01f989926e2ceb1d7567f3d8bd97d5b8f3a9e3d324"
                 "cd6b6ef517a634d037eecebfb66d64d7ea0afe5f0f6b5d20");
    opens(&one, &kept, &value, 0);
}


static void
test_round_trip(void **state)
{
    size_t      len;
    mdm_str_t   value, kept, again, large;

    (void) state;

    large.len = 100000;
    large.data = mdm_arena_alloc(arena, large.len);
    memset(large.data, 'x', large.len);

    for (len = 1; len <= large.len; len = len * 3 + (len & 1)) {
        value.data = large.data;
        value.len = len;

        kept = seal(&one, &value);
        assert_int_equal(kept.len, len + MDM_SECRET_OVERHEAD);
        assert_null(memmem(kept.data, kept.len, "xxxxxxxx", 8));
        opens(&one, &kept, &value, 0);

        again = seal(&one, &value);
        assert_true(mdm_str_eq(&kept, &again));
    }

    mdm_str_null(&value);
    kept = seal(&one, &value);
    assert_int_equal(kept.len, 0);
    opens(&one, &kept, &value, MDM_SECRET_EMPTY);
    opens(NULL, &kept, &value, MDM_SECRET_EMPTY);
}


/* equal values in one place are equal; anything else differs all over */

static void
test_nonce(void **state)
{
    mdm_str_t           a, b, c, d, e, value;
    mdm_secret_place_t  save;

    (void) state;

    save = place;

    value = str("value");
    a = seal(&one, &value);
    b = seal(&two, &value);
    c = seal(&both, &value);
    assert_true(mdm_str_eq(&b, &c));

    value = str("Value");
    c = seal(&one, &value);

    value = str("value");
    place.field = str("bootstrap");
    d = seal(&one, &value);
    place = save;
    place.key = str("mdm:{default/17}:u:UDID-2");
    e = seal(&one, &value);
    place = save;

    assert_memory_equal(a.data, c.data, 12);
    assert_memory_not_equal(a.data + 4, b.data + 4, 8);
    assert_memory_not_equal(a.data + 12, b.data + 12, 12);
    assert_memory_not_equal(a.data + 12, c.data + 12, 12);
    assert_memory_not_equal(a.data + 12, d.data + 12, 12);
    assert_memory_not_equal(a.data + 12, e.data + 12, 12);
    assert_memory_not_equal(a.data + 24, c.data + 24, 5);
    assert_memory_not_equal(a.data + 24, d.data + 24, 5);
    assert_memory_not_equal(a.data + 24, e.data + 24, 5);

    /* the border between key and field counts */

    place.key = str("ab");
    place.field = str("c");
    a = seal(&one, &value);
    place.key = str("a");
    place.field = str("bc");
    b = seal(&one, &value);
    refused(&one, &a, "it was changed, or belongs to another place");
    place = save;

    assert_memory_not_equal(a.data + 12, b.data + 12, 12);
}


static void
test_tamper(void **state)
{
    size_t      i;
    u_char      bit;
    mdm_str_t   value, kept, s;

    (void) state;

    value = str("some secret of a device");
    kept = seal(&one, &value);

    s.data = mdm_arena_alloc(arena, kept.len + 1);

    for (i = MDM_SECRET_HEAD - 1; i < kept.len; i++) {

        for (bit = 1; bit != 0; bit = (u_char) (bit << 1)) {
            s.len = kept.len;
            memcpy(s.data, kept.data, kept.len);
            s.data[i] ^= bit;

            /* version 0 says that it is plain, and then it is what is there */

            if (i == MDM_SECRET_HEAD - 1 && bit == 1) {
                continue;
            }

            refused(&one, &s, NULL);
            refused(&both, &s, NULL);
        }
    }

    memcpy(s.data, kept.data, kept.len);
    s.data[kept.len] = 0;
    s.len = kept.len + 1;
    refused(&one, &s, "it was changed");

    /* cut off: never what is left of it */

    for (i = 3; i < kept.len; i++) {

        /* from memory of just this size, for the sanitizer */

        s.len = i;
        s.data = malloc(i);
        memcpy(s.data, kept.data, i);
        refused(&one, &s, (i < MDM_SECRET_OVERHEAD) ? "it is cut off"
                                                    : "it was changed");
        free(s.data);
    }
}


static void
test_other_place(void **state)
{
    mdm_str_t           value, kept;
    mdm_uint_t          i;
    mdm_secret_place_t  save;

    static const char  *places[][2] = {
        { "mdm:{default/17}:u:UDID-2", "unlock" },
        { "mdm:{default/18}:u:UDID-1", "unlock" },
        { "mdm:{another/17}:u:UDID-1", "unlock" },
        { "mdm:{default/17}:c:UDID-1", "unlock" },
        { "mdm:{default/17}:u:UDID-1", "bootstrap" },
        { "mdm:{default/17}:u:UDID-1", "" },
        { "", "unlock" },
        { "", "" },
    };

    (void) state;

    save = place;

    value = str("value");
    kept = seal(&one, &value);

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        place.key = str(places[i][0]);
        place.field = str(places[i][1]);
        refused(&one, &kept, "it was changed, or belongs to another place");
    }

    place = save;
    opens(&one, &kept, &value, 0);
}


static void
test_rotation(void **state)
{
    u_char      id[MDM_SECRET_ID];
    mdm_str_t   value, old, new, plain, names, hex, s;

    (void) state;

    value = str("<plist>value</plist>");

    old = seal(&one, &value);
    new = seal(&both, &value);

    opens(&both, &new, &value, 0);
    opens(&both, &old, &value, 1);
    opens(&both, &value, &value, MDM_SECRET_PLAIN);
    opens(&two, &new, &value, 0);

    s.data = one.keys[0].id;
    s.len = MDM_SECRET_ID;
    assert_int_equal(mdm_hex_str(arena, &hex, &s), MDM_OK);
    assert_int_equal(mdm_printf(arena, &s, "it is encrypted with key %.*s, "
                                "which is in no file", mdm_fmt(&hex)),
                     MDM_OK);

    refused(&two, &old, (char *) s.data);
    refused(&other, &old, (char *) s.data);
    refused(NULL, &old, (char *) s.data);
    refused(&one, &new, "which is in no file");

    /* how a script knows what it has already */

    assert_int_equal(mdm_secret_names(arena, &both, &place, &value, &names),
                     MDM_OK);
    assert_int_equal(names.len, 2 * MDM_SECRET_NAME);
    assert_memory_equal(names.data, new.data, MDM_SECRET_NAME);
    assert_memory_equal(names.data + MDM_SECRET_NAME, old.data,
                        MDM_SECRET_NAME);

    assert_int_equal(mdm_secret_names(arena, &one, &place, &value, &names),
                     MDM_OK);
    assert_int_equal(names.len, MDM_SECRET_NAME);

    assert_int_equal(mdm_secret_names(arena, NULL, &place, &value, &names),
                     MDM_OK);
    assert_int_equal(names.len, 0);

    mdm_str_null(&s);
    assert_int_equal(mdm_secret_names(arena, &both, &place, &s, &names),
                     MDM_OK);
    assert_int_equal(names.len, 0);

    assert_int_equal(mdm_secret_sealed(&old, id), 1);
    assert_memory_equal(id, one.keys[0].id, MDM_SECRET_ID);
    plain = seal(NULL, &value);
    assert_int_equal(mdm_secret_sealed(&plain, id), 0);
    old.len = MDM_SECRET_OVERHEAD - 1;
    assert_int_equal(mdm_secret_sealed(&old, id), 0);
}


/* without a key a value is kept as it is, and cannot pass for a sealed one */

static void
test_plain(void **state)
{
    mdm_str_t   value, kept, sealed;
    mdm_uint_t  i;

    static const mdm_str_t  values[] = {
        mdm_string("x"),
        mdm_string("<?xml version=\"1.0\"?><plist/>"),
        mdm_string("bplist00"),
        mdm_string("\xeeM"),
        mdm_string("\xeeML\1 not ours"),
        mdm_string("\0\0\0"),
    };

    (void) state;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        kept = seal(NULL, &values[i]);
        assert_ptr_equal(kept.data, values[i].data);
        assert_int_equal(kept.len, values[i].len);
        opens(NULL, &kept, &values[i], MDM_SECRET_PLAIN);
        opens(&one, &kept, &values[i], MDM_SECRET_PLAIN);
    }

    value = str("\xeeMK");
    kept = seal(NULL, &value);
    assert_int_equal(kept.len, 7);
    assert_memory_equal(kept.data, "\xeeMK\0\xeeMK", 7);
    opens(NULL, &kept, &value, MDM_SECRET_PLAIN);
    opens(&one, &kept, &value, MDM_SECRET_PLAIN);

    /* a device that sends what looks sealed */

    value = str("token");
    sealed = seal(&one, &value);

    kept = seal(NULL, &sealed);
    opens(NULL, &kept, &sealed, MDM_SECRET_PLAIN);
    value = kept;
    kept = seal(NULL, &value);
    opens(&one, &kept, &value, MDM_SECRET_PLAIN);
}


static void
test_key_file(void **state)
{
    size_t       i;
    u_char       raw[32], buf[64];
    const char  *why;
    mdm_str_t    s;

    static const struct {
        const char  *text;
        size_t       len;
        const char  *why;      /* NULL: it is a key */
    } tests[] = {

#define file(text, why)  { text, sizeof(text) - 1, why }
#define HEX32  "000102030405060708090a0b0c0d0e0f"
#define HEX    HEX32 "101112131415161718191A1B1C1D1E1F"
#define B64    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

        file("\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10\x11\x12\x13\x14"
             "\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f", NULL),
        file(HEX, NULL),
        file(HEX "\n", NULL),
        file(HEX "\r\n", NULL),
        file(B64, NULL),
        file(B64 "\n", NULL),
        file(B64 "\r\n", NULL),

        file("", "neither 32 bytes"),
        file("\n", "neither 32 bytes"),
        file("\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10\x11\x12\x13\x14"
             "\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e", "neither"),
        file("\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10\x11\x12\x13\x14"
             "\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\n", "neither"),
        file(HEX "\n\n", "neither"),
        file(HEX "0", "neither"),
        file(" " HEX, "neither"),
        file(HEX32 "101112131415161718191A1B1C1D1E1g", "neither"),
        file(HEX32, "a text of 32 characters"),
        file(HEX32 "\n", "neither"),
        file("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "neither"),
        file("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh==", "neither"),
        file("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8_", "neither"),
        file("   CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "neither"),
        file("AAECAwQFBgcICQoL=A0ODxAREhMUFRYXGBkaGxwdHh8=", "neither"),
        file("0000000000000000000000000000000000000000000000000000000000000"
             "000", "one byte 32 times"),
        file("correct horse battery staple 123", "a text of 32 characters"),
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        s.data = malloc(tests[i].len + 1);
        s.len = tests[i].len;
        memcpy(s.data, tests[i].text, s.len);

        memset(raw, 0, sizeof(raw));
        why = NULL;

        if (tests[i].why != NULL) {
            assert_int_equal(mdm_secret_key_read(raw, &s, &why),
                             MDM_DECLINED);
            assert_non_null(strstr(why, tests[i].why));

        } else {
            assert_int_equal(mdm_secret_key_read(raw, &s, &why), MDM_OK);
            mdm_hex(buf, raw, 32);
            assert_memory_equal(buf, HEX32 "101112131415161718191a1b1c1d1e1f",
                                64);
        }

        free(s.data);
    }
}


static void
test_key_list(void **state)
{
    u_char             raw[32];
    mdm_str_t          value, kept;
    mdm_uint_t         i;
    mdm_secret_keys_t  keys;

    (void) state;

    memset(&keys, 0, sizeof(keys));
    memcpy(raw, raw_one, 32);

    for (i = 0; i < MDM_SECRET_KEYS; i++) {
        raw[0] = (u_char) i;
        assert_int_equal(mdm_secret_key_add(&keys, raw), MDM_OK);
        assert_int_equal(mdm_secret_key_add(&keys, raw), MDM_DECLINED);
        assert_int_equal(keys.n, i + 1);
    }

    raw[0] = (u_char) i;
    assert_int_equal(mdm_secret_key_add(&keys, raw), MDM_DECLINED);
    assert_int_equal(keys.n, MDM_SECRET_KEYS);

    /* the last one opens as the first one does */

    raw[0] = MDM_SECRET_KEYS - 1;
    mdm_secret_keys_clear(&other);
    assert_int_equal(mdm_secret_key_add(&other, raw), MDM_OK);

    value = str("value");
    kept = seal(&other, &value);
    opens(&keys, &kept, &value, MDM_SECRET_KEYS - 1);

    mdm_secret_keys_clear(&keys);
    assert_int_equal(keys.n, 0);
}


/* what it costs; MDM_BENCH=1 only */

static void
test_cost(void **state)
{
    size_t            len;
    double            ns[3];
    mdm_int_t         under;
    mdm_str_t         value, kept, got, names, why;
    mdm_uint_t        i, k, n;
    mdm_arena_t      *a;
    struct timespec   begin, end;

    (void) state;

    if (getenv("MDM_BENCH") == NULL) {
        return;
    }

    value.data = mdm_arena_alloc(arena, 1 << 20);
    memset(value.data, 'x', 1 << 20);

    for (len = 256; len <= 1 << 20; len *= 4) {
        value.len = len;
        kept = seal(&one, &value);
        n = (1 << 27) / (len + 4096);

        for (k = 0; k < 3; k++) {
            (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);

            for (i = 0; i < n; i++) {
                a = mdm_arena_create(len + 4096);

                if (k == 0) {
                    (void) mdm_secret_seal(a, &one, &place, &value, &got);

                } else if (k == 1) {
                    (void) mdm_secret_open(a, &one, &place, &kept, &got,
                                           &under, &why);

                } else {
                    (void) mdm_secret_names(a, &both, &place, &value,
                                            &names);
                }

                mdm_arena_destroy(a);
            }

            (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);

            ns[k] = ((double) (end.tv_sec - begin.tv_sec) * 1e9
                     + (double) (end.tv_nsec - begin.tv_nsec)) / (double) n;
        }

        print_message("%7lu bytes: seal %.2f us, open %.2f us, names under "
                      "two keys %.2f us\n", (unsigned long) len, ns[0] / 1e3,
                      ns[1] / 1e3, ns[2] / 1e3);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_nonce),
        cmocka_unit_test(test_tamper),
        cmocka_unit_test(test_other_place),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_key_file),
        cmocka_unit_test(test_key_list),
        cmocka_unit_test(test_cost),
    };

    return cmocka_run_group_tests_name("secret", tests, setup, teardown);
}
