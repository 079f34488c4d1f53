
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Strings with a length, the arena, and hex, base64 and percent-encoding.
 */


#include <stdarg.h>
#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "mdm_base.h"


#define mdm_lower(c)                                                          \
    (u_char) (((c) >= 'A' && (c) <= 'Z') ? ((c) | 0x20) : (c))

#define mdm_upper(c)                                                          \
    (u_char) (((c) >= 'a' && (c) <= 'z') ? ((c) & ~0x20) : (c))


static int mdm_unhex(u_char c);
static int mdm_base64_digit(u_char c);
static mdm_uint_t mdm_plain(u_char c, const char *keep);
static mdm_uint_t mdm_ascii(const u_char *p);


mdm_int_t
mdm_str_dup(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *src)
{
    u_char  *p;
    size_t   len;

    len = src->len;

    p = mdm_arena_alloc(arena, len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    if (len != 0) {
        memcpy(p, src->data, len);
    }

    dst->data = p;
    dst->len = len;

    return MDM_OK;
}


mdm_uint_t
mdm_str_eq(const mdm_str_t *a, const mdm_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


int
mdm_str_cmp(const mdm_str_t *a, const mdm_str_t *b)
{
    int     rc;
    size_t  n;

    n = (a->len < b->len) ? a->len : b->len;

    rc = (n != 0) ? memcmp(a->data, b->data, n) : 0;

    return (rc != 0) ? rc : (a->len > b->len) - (a->len < b->len);
}


int
mdm_str_order(const void *one, const void *two)
{
    return mdm_str_cmp(one, two);
}


mdm_uint_t
mdm_str_is(const mdm_str_t *s, const char *text)
{
    size_t  len;

    len = strlen(text);

    return s->len == len && (len == 0 || memcmp(s->data, text, len) == 0);
}


mdm_uint_t
mdm_str_eq_i(const mdm_str_t *a, const mdm_str_t *b)
{
    size_t  i;

    if (a->len != b->len) {
        return 0;
    }

    for (i = 0; i < a->len; i++) {
        if (a->data[i] != b->data[i]
            && mdm_lower(a->data[i]) != mdm_lower(b->data[i]))
        {
            return 0;
        }
    }

    return 1;
}


mdm_uint_t
mdm_str_begins_i(const mdm_str_t *s, const char *text)
{
    mdm_str_t  head, begin;

    begin.data = (u_char *) text;
    begin.len = strlen(text);

    if (s->len < begin.len) {
        return 0;
    }

    head.data = s->data;
    head.len = begin.len;

    return mdm_str_eq_i(&head, &begin);
}


mdm_int_t
mdm_printf(mdm_arena_t *arena, mdm_str_t *dst, const char *fmt, ...)
{
    int       n;
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    if (n < 0) {
        return MDM_ERROR;
    }

    p = mdm_arena_alloc(arena, (size_t) n + 1);
    if (p == NULL) {
        return MDM_ERROR;
    }

    va_start(args, fmt);
    (void) vsnprintf((char *) p, (size_t) n + 1, fmt, args);
    va_end(args);

    dst->data = p;
    dst->len = (size_t) n;

    return MDM_OK;
}


mdm_int_t
mdm_atoi(const mdm_str_t *s, int64_t *value)
{
    size_t   i;
    int64_t  n;

    if (s->len == 0 || s->len > 18) {
        return MDM_DECLINED;
    }

    n = 0;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < '0' || s->data[i] > '9') {
            return MDM_DECLINED;
        }

        n = n * 10 + (s->data[i] - '0');
    }

    *value = n;

    return MDM_OK;
}


void
mdm_hex(u_char *dst, const u_char *src, size_t n)
{
    size_t             i;
    static const char  hex[] = "0123456789abcdef";

    for (i = 0; i < n; i++) {
        *dst++ = (u_char) hex[src[i] >> 4];
        *dst++ = (u_char) hex[src[i] & 0xf];
    }
}


void
mdm_str_lower(mdm_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        s->data[i] = mdm_lower(s->data[i]);
    }
}


void
mdm_str_upper(mdm_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        s->data[i] = mdm_upper(s->data[i]);
    }
}


mdm_int_t
mdm_hex_str(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *src)
{
    if (src->len > INT32_MAX / 2) {
        return MDM_ERROR;
    }

    dst->len = 2 * src->len;
    dst->data = mdm_arena_alloc(arena, dst->len);

    if (dst->data == NULL) {
        return MDM_ERROR;
    }

    mdm_hex(dst->data, src->data, src->len);

    return MDM_OK;
}


mdm_int_t
mdm_base64(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *src)
{
    u_char  *p;

    if (src->len > INT32_MAX / 2) {
        return MDM_ERROR;
    }

    p = mdm_arena_alloc(arena, (src->len + 2) / 3 * 4 + 1);
    if (p == NULL) {
        return MDM_ERROR;
    }

    dst->len = (src->len == 0)
               ? 0 : (size_t) EVP_EncodeBlock(p, src->data, (int) src->len);
    dst->data = p;

    return MDM_OK;
}


/* a digit that both alphabets have, or -1 */

static int
mdm_base64_digit(u_char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    return (c >= '0' && c <= '9') ? c - '0' + 52 : -1;
}


mdm_int_t
mdm_unbase64(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *src)
{
    int      v;
    u_char   c, *p;
    size_t   i, n, pad;
    uint32_t bits;

    p = mdm_arena_alloc(arena, src->len / 4 * 3 + 3);
    if (p == NULL) {
        return MDM_ERROR;
    }

    dst->data = p;
    bits = 0;
    pad = 0;
    n = 0;

    for (i = 0; i < src->len; i++) {
        c = src->data[i];

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            continue;
        }

        v = (c == '+') ? 62 : (c == '/') ? 63 : mdm_base64_digit(c);

        if (c == '=') {
            v = 0;

            if (++pad > 2) {
                return MDM_DECLINED;
            }
        }

        if (v < 0) {
            return MDM_DECLINED;
        }

        if (pad != 0 && c != '=') {
            return MDM_DECLINED;
        }

        bits = (bits << 6) | (uint32_t) v;

        if (++n % 4 == 0) {
            *p++ = (u_char) (bits >> 16);
            *p++ = (u_char) (bits >> 8);
            *p++ = (u_char) bits;
            bits = 0;
        }
    }

    if (n % 4 != 0) {
        return MDM_DECLINED;
    }

    dst->len = (size_t) (p - dst->data) - pad;

    return MDM_OK;
}


/* letters, digits and - . _ ~ @ + */

static const u_char  mdm_plain_table[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1,
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
};


static mdm_uint_t
mdm_plain(u_char c, const char *keep)
{
    return mdm_plain_table[c] || (c != '\0' && strchr(keep, c) != NULL);
}


mdm_int_t
mdm_base64url_encode(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *src)
{
    size_t  i;

    if (mdm_base64(arena, dst, src) != MDM_OK) {
        return MDM_ERROR;
    }

    while (dst->len != 0 && dst->data[dst->len - 1] == '=') {
        dst->len--;
    }

    for (i = 0; i < dst->len; i++) {

        if (dst->data[i] == '+') {
            dst->data[i] = '-';

        } else if (dst->data[i] == '/') {
            dst->data[i] = '_';
        }
    }

    return MDM_OK;
}


mdm_int_t
mdm_base64url_decode(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *src)
{
    int       v;
    u_char    c, *p;
    size_t    i, n;
    uint32_t  bits, left;

    p = mdm_arena_alloc(arena, src->len / 4 * 3 + 3);
    if (p == NULL) {
        return MDM_ERROR;
    }

    bits = 0;
    left = 0;
    n = 0;

    for (i = 0; i < src->len; i++) {
        c = src->data[i];

        v = (c == '-') ? 62 : (c == '_') ? 63 : mdm_base64_digit(c);

        if (v < 0) {
            return MDM_DECLINED;
        }

        bits = (bits << 6 | (uint32_t) v) & 0xfff;
        left += 6;

        if (left >= 8) {
            left -= 8;
            p[n++] = (u_char) (bits >> left);
            bits &= (1u << left) - 1;
        }
    }

    /* a digit that ends no byte, or says more than the bytes do */

    if (left == 6 || bits != 0) {
        return MDM_DECLINED;
    }

    dst->data = p;
    dst->len = n;

    return MDM_OK;
}


mdm_int_t
mdm_escape(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *src,
    const char *keep)
{
    u_char             *p;
    size_t              i, n;
    mdm_str_t           in;
    static const char   hex[] = "0123456789ABCDEF";

    n = 0;

    for (i = 0; i < src->len; i++) {
        if (!mdm_plain(src->data[i], keep)) {
            n++;
        }
    }

    if (n == 0) {

        /* the usual case: no copy */

        *dst = *src;
        return MDM_OK;
    }

    p = mdm_arena_alloc(arena, src->len + 2 * n);
    if (p == NULL) {
        return MDM_ERROR;
    }

    in = *src;                             /* may be dst as well */

    dst->len = in.len + 2 * n;
    dst->data = p;

    for (i = 0; i < in.len; i++) {

        if (mdm_plain(in.data[i], keep)) {
            *p++ = in.data[i];
            continue;
        }

        *p++ = '%';
        *p++ = (u_char) hex[in.data[i] >> 4];
        *p++ = (u_char) hex[in.data[i] & 0xf];
    }

    return MDM_OK;
}


static int
mdm_unhex(u_char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return -1;
}


mdm_int_t
mdm_unescape(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *src)
{
    int      hi, lo;
    u_char  *p, *out;
    size_t   i;

    if (src->len == 0 || memchr(src->data, '%', src->len) == NULL) {
        *dst = *src;
        return MDM_OK;
    }

    out = mdm_arena_alloc(arena, src->len);
    if (out == NULL) {
        return MDM_ERROR;
    }

    p = out;

    for (i = 0; i < src->len; i++) {

        if (src->data[i] != '%') {
            *p++ = src->data[i];
            continue;
        }

        if (src->len - i < 3) {
            return MDM_DECLINED;
        }

        hi = mdm_unhex(src->data[i + 1]);
        lo = mdm_unhex(src->data[i + 2]);

        if (hi < 0 || lo < 0) {
            return MDM_DECLINED;
        }

        *p++ = (u_char) (hi << 4 | lo);
        i += 2;
    }

    dst->data = out;
    dst->len = (size_t) (p - out);

    return MDM_OK;
}


/* are eight bytes ASCII and none of them zero? */

static mdm_uint_t
mdm_ascii(const u_char *p)
{
    uint64_t  v;

    memcpy(&v, p, 8);

    return (((v - UINT64_C(0x0101010101010101)) | v)
            & UINT64_C(0x8080808080808080)) == 0;
}


mdm_uint_t
mdm_utf8_valid(const mdm_str_t *s)
{
    u_char         c;
    size_t         i, n;
    uint32_t       cp, min;
    const u_char  *p;

    p = s->data;

    for (i = 0; i < s->len; /* void */) {

        while (s->len - i >= 8 && mdm_ascii(p + i)) {
            i += 8;
        }

        if (i == s->len) {
            break;
        }

        c = p[i++];

        if (c < 0x80) {
            if (c == '\0') {
                return 0;
            }

            continue;
        }

        if (c >= 0xc2 && c <= 0xdf) {
            n = 1;
            cp = c & 0x1f;
            min = 0x80;

        } else if ((c & 0xf0) == 0xe0) {
            n = 2;
            cp = c & 0x0f;
            min = 0x800;

        } else if (c >= 0xf0 && c <= 0xf4) {
            n = 3;
            cp = c & 0x07;
            min = 0x10000;

        } else {
            return 0;
        }

        if (s->len - i < n) {
            return 0;
        }

        while (n-- != 0) {
            c = p[i++];

            if ((c & 0xc0) != 0x80) {
                return 0;
            }

            cp = (cp << 6) | (c & 0x3f);
        }

        if (cp < min || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) {
            return 0;
        }
    }

    return 1;
}


mdm_uint_t
mdm_utf8_control(const mdm_str_t *s)
{
    size_t         i, left;
    const u_char  *p;

    for (i = 0; i < s->len; i++) {
        p = s->data + i;
        left = s->len - i;

        if (*p < 0x20 || *p == 0x7f
            || (*p == 0xc2 && left > 1 && p[1] < 0xa0)
            || (*p == 0xe2 && left > 2 && p[1] == 0x80
                && (p[2] == 0xa8 || p[2] == 0xa9)))
        {
            return 1;
        }
    }

    return 0;
}


mdm_int_t
mdm_uuid(mdm_arena_t *arena, mdm_str_t *dst)
{
    u_char  b[16];

    if (RAND_bytes(b, sizeof(b)) != 1) {
        return mdm_arena_failed(arena, "RAND_bytes");
    }

    b[6] = (u_char) ((b[6] & 0x0f) | 0x40);
    b[8] = (u_char) ((b[8] & 0x3f) | 0x80);

    return mdm_printf(arena, dst, "%02X%02X%02X%02X-%02X%02X-%02X%02X-"
                      "%02X%02X-%02X%02X%02X%02X%02X%02X",
                      b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
                      b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}
