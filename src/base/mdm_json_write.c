
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Whatever the core writes as JSON.
 */


#include <stdio.h>

#include <openssl/evp.h>

#include "mdm_date.h"
#include "mdm_json_write.h"


#define MDM_JSON_MIN          256

#define MDM_JSON_PEM_LINE     48      /* bytes: 64 characters */

/* most values are small: one call writes them */
#define MDM_JSON_BUF          512


static u_char *mdm_json_room(mdm_json_out_t *j, size_t n);
static void mdm_json_raw(mdm_json_out_t *j, const char *data, size_t n);
static void mdm_json_name(mdm_json_out_t *j, const char *name);
static void mdm_json_quote(mdm_json_out_t *j, const mdm_str_t *value);


/* what is escaped in a JSON string: 0x00-0x1f, '"', '\', DEL */

static const uint32_t  mdm_json_special[] = {
    0xffffffff,

                /* ?>=< ;:98 7654 3210  /.-, +*)( '&%$ #"!  */
    0x00000004, /* 0000 0000 0000 0000  0000 0000 0000 0100 */

                /* _^]\ [ZYX WVUT SRQP  ONML KJIH GFED CBA@ */
    0x10000000, /* 0001 0000 0000 0000  0000 0000 0000 0000 */

                /*  ~}| {zyx wvut srqp  onml kjih gfed cba` */
    0x80000000, /* 1000 0000 0000 0000  0000 0000 0000 0000 */

    0x00000000, 0x00000000, 0x00000000, 0x00000000
};


void
mdm_json_init(mdm_json_out_t *j, mdm_arena_t *arena, size_t size)
{
    memset(j, 0, sizeof(mdm_json_out_t));

    j->arena = arena;

    (void) mdm_json_room(j, size);
}


/* the place for n more bytes, or NULL: no memory */

static u_char *
mdm_json_room(mdm_json_out_t *j, size_t n)
{
    u_char  *p;
    size_t   used, size;

    if (j->failed) {
        return NULL;
    }

    if (j->start != NULL && (size_t) (j->end - j->pos) >= n) {
        return j->pos;
    }

    if (n > SIZE_MAX / 8) {
        j->failed = 1;
        return NULL;
    }

    used = (j->start != NULL) ? (size_t) (j->pos - j->start) : 0;

    size = used + n;
    size = (size < MDM_JSON_MIN) ? MDM_JSON_MIN
                                     : size + ((used != 0) ? size / 2 : 0);

    p = mdm_arena_alloc(j->arena, size);
    if (p == NULL) {
        j->failed = 1;
        return NULL;
    }

    if (used != 0) {
        memcpy(p, j->start, used);
    }

    j->start = p;
    j->pos = p + used;
    j->end = p + size;

    return j->pos;
}


static void
mdm_json_raw(mdm_json_out_t *j, const char *data, size_t n)
{
    u_char  *p;

    p = mdm_json_room(j, n);

    if (p != NULL) {
        memcpy(p, data, n);
        j->pos = p + n;
    }
}


/* the comma before an element, and its name */

static void
mdm_json_name(mdm_json_out_t *j, const char *name)
{
    if (j->start != NULL && j->pos != j->start
        && j->pos[-1] != '{' && j->pos[-1] != '[' && j->pos[-1] != ':')
    {
        mdm_json_raw(j, ",", 1);
    }

    if (name != NULL) {
        mdm_json_raw(j, "\"", 1);
        mdm_json_raw(j, name, strlen(name));
        mdm_json_raw(j, "\":", 2);
    }
}


void
mdm_json_key(mdm_json_out_t *j, const mdm_str_t *name)
{
    mdm_json_name(j, NULL);
    mdm_json_quote(j, name);
    mdm_json_raw(j, ":", 1);
}


void
mdm_json_open(mdm_json_out_t *j, const char *name, char bracket)
{
    mdm_json_name(j, name);
    mdm_json_raw(j, &bracket, 1);
}


void
mdm_json_close(mdm_json_out_t *j, char bracket)
{
    mdm_json_raw(j, &bracket, 1);
}


static void
mdm_json_quote(mdm_json_out_t *j, const mdm_str_t *value)
{
    u_char      *p, *s, c;
    size_t       i, n;
    mdm_uint_t   valid;

    /* in what is not UTF-8 only the bytes above 0x7f are replaced */

    valid = 1;
    n = 0;

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if (mdm_json_special[c >> 5] & (1U << (c & 0x1f))) {
            n++;

        } else if (c >= 0x80) {
            valid = 0;
        }
    }

    if (!valid) {
        valid = mdm_utf8_valid(value);
    }

    p = mdm_json_room(j, 2 + (valid ? value->len + 5 * n
                                        : 6 * value->len));
    if (p == NULL) {
        return;
    }

    *p++ = '"';

    if (valid && n == 0) {

        if (value->len != 0) {
            memcpy(p, value->data, value->len);
            p += value->len;
        }

    } else {

        s = value->data;

        for (i = 0; i < value->len; i++) {
            c = s[i];

            if (c == '"' || c == '\\') {
                *p++ = '\\';
                *p++ = c;

            } else if (c < 0x20 || c == 0x7f) {
                *p++ = '\\';
                *p++ = 'u';
                *p++ = '0';
                *p++ = '0';
                mdm_hex(p, &c, 1);
                p += 2;

            } else if (c >= 0x80 && !valid) {
                *p++ = 0xef;                   /* U+FFFD */
                *p++ = 0xbf;
                *p++ = 0xbd;

            } else {
                *p++ = c;
            }
        }
    }

    *p++ = '"';

    j->pos = p;
}


void
mdm_json_str(mdm_json_out_t *j, const char *name, const mdm_str_t *value)
{
    mdm_json_name(j, name);
    mdm_json_quote(j, value);
}


void
mdm_json_text(mdm_json_out_t *j, const char *name, const char *value)
{
    mdm_str_t  s;

    s.data = (u_char *) value;
    s.len = strlen(value);

    mdm_json_str(j, name, &s);
}


void
mdm_json_int(mdm_json_out_t *j, const char *name, int64_t value)
{
    int   n;
    char  buf[24];

    n = snprintf(buf, sizeof(buf), "%lld", (long long) value);

    mdm_json_name(j, name);
    mdm_json_raw(j, buf, (size_t) n);
}


void
mdm_json_bool(mdm_json_out_t *j, const char *name, mdm_uint_t value)
{
    mdm_json_name(j, name);

    if (value) {
        mdm_json_raw(j, "true", 4);

    } else {
        mdm_json_raw(j, "false", 5);
    }
}


void
mdm_json_value(mdm_json_out_t *j, const char *name, const mdm_str_t *json)
{
    mdm_json_name(j, name);

    if (json->len == 0) {
        mdm_json_raw(j, "null", 4);

    } else {
        mdm_json_raw(j, (char *) json->data, json->len);
    }
}


void
mdm_json_hex(mdm_json_out_t *j, const char *name, const mdm_str_t *value)
{
    mdm_str_t  hex;

    if (mdm_hex_str(j->arena, &hex, value) != MDM_OK) {
        j->failed = 1;
        return;
    }

    mdm_json_str(j, name, &hex);
}


void
mdm_json_base64(mdm_json_out_t *j, const char *name,
    const mdm_str_t *value)
{
    u_char  *p;
    size_t   n;

    mdm_json_name(j, name);

    if (value->len > INT32_MAX / 2) {
        j->failed = 1;
        return;
    }

    /* two quotes, and the NUL of EVP_EncodeBlock() */

    n = (value->len + 2) / 3 * 4;

    p = mdm_json_room(j, n + 3);
    if (p == NULL) {
        return;
    }

    *p++ = '"';

    if (n != 0) {
        p += EVP_EncodeBlock(p, value->data, (int) value->len);
    }

    *p++ = '"';

    j->pos = p;
}


void
mdm_json_pem(mdm_json_out_t *j, const char *name, const mdm_str_t *der)
{
    u_char  line[MDM_JSON_PEM_LINE / 3 * 4 + 1];
    size_t  i, n;

    mdm_json_name(j, name);
    mdm_json_raw(j, "\"-----BEGIN CERTIFICATE-----\\n", 30);

    for (i = 0; i < der->len; i += n) {
        n = der->len - i;

        if (n > MDM_JSON_PEM_LINE) {
            n = MDM_JSON_PEM_LINE;
        }

        mdm_json_raw(j, (char *) line,
                         (size_t) EVP_EncodeBlock(line, der->data + i,
                                                  (int) n));
        mdm_json_raw(j, "\\n", 2);
    }

    mdm_json_raw(j, "-----END CERTIFICATE-----\\n\"", 28);
}


void
mdm_json_opt_str(mdm_json_out_t *j, const char *name,
    const mdm_str_t *value)
{
    if (value->len != 0) {
        mdm_json_str(j, name, value);
    }
}


void
mdm_json_opt_time(mdm_json_out_t *j, const char *name,
    const mdm_str_t *value)
{
    u_char     buf[MDM_DATE_LEN];
    int64_t    seconds;
    mdm_str_t  date;

    if (mdm_atoi(value, &seconds) != MDM_OK
        || mdm_date_unix(buf, seconds) != MDM_OK)
    {
        return;
    }

    date.data = buf;
    date.len = MDM_DATE_LEN;

    mdm_json_str(j, name, &date);
}


void
mdm_json_id(mdm_json_out_t *j, const char *name, const mdm_str_t *key)
{
    mdm_str_t  id;

    switch (mdm_unescape(j->arena, &id, key)) {

    case MDM_OK:
        mdm_json_str(j, name, &id);
        return;

    case MDM_DECLINED:
        mdm_json_str(j, name, key);
        return;

    default:
        j->failed = 1;
    }
}


mdm_int_t
mdm_json_end(mdm_json_out_t *j, mdm_str_t *json)
{
    if (j->failed) {
        return MDM_ERROR;
    }

    json->data = j->start;
    json->len = (size_t) (j->pos - j->start);

    return MDM_OK;
}


mdm_int_t
mdm_json_escape(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *src)
{
    u_char     c, *p;
    size_t     i;
    mdm_str_t  s;

    static const u_char  hex[] = "0123456789abcdef";

    p = mdm_arena_alloc(arena, src->len * 6);
    if (p == NULL) {
        return MDM_ERROR;
    }

    s = *src;               /* "dst" may be "src" */
    dst->data = p;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c == '"' || c == '\\') {
            *p++ = '\\';
            *p++ = c;

        } else if (c < 0x20 || c == 0x7f) {
            memcpy(p, "\\u00", 4);
            p += 4;
            *p++ = hex[c >> 4];
            *p++ = hex[c & 15];

        } else {
            *p++ = c;
        }
    }

    dst->len = (size_t) (p - dst->data);

    return MDM_OK;
}


/*
 * Writes into a buffer that is large enough: where jansson must allocate memory
 * for the text itself and finds none, it may leave out a key and report no
 * error.
 */

mdm_int_t
mdm_json_dump(mdm_arena_t *arena, const json_t *value, size_t flags,
    mdm_str_t *dst)
{
    char    buf[MDM_JSON_BUF], *p;
    size_t  len;

    flags |= JSON_COMPACT|JSON_SORT_KEYS|JSON_ENCODE_ANY;

    len = json_dumpb(value, buf, sizeof(buf), flags);
    if (len == 0) {
        return mdm_arena_failed(arena, "json_dumpb");
    }

    p = mdm_arena_alloc(arena, len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    if (len <= sizeof(buf)) {
        memcpy(p, buf, len);

    } else if (json_dumpb(value, p, len, flags) != len) {
        return mdm_arena_failed(arena, "json_dumpb");
    }

    dst->data = (u_char *) p;
    dst->len = len;

    return MDM_OK;
}
