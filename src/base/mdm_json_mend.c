
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Mends odd values in a text that is JSON but for them.
 */


#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "mdm_json_mend.h"


/* digits that any 64-bit number holds, and the longest number that is one */
#define MDM_JSON_MEND_DIGITS  18
#define MDM_JSON_MEND_NUMBER  511


/* an object or array that is open */

typedef struct {
    const u_char             *key;         /* of an object; NULL: none yet */
    size_t                    len;
    mdm_uint_t                index;       /* of an array */
    mdm_uint_t                object;
} mdm_json_mend_level_t;


typedef struct {
    mdm_arena_t              *arena;
    mdm_json_mend_t          *mend;
    u_char                   *dst;         /* NULL: lengths are counted only */
    size_t                    len;
    mdm_uint_t                odd;         /* this value is */
    mdm_uint_t                failed;      /* no memory */
    mdm_uint_t                key;         /* 1: a key is next */
    mdm_uint_t                depth;       /* levels that are open, */
    mdm_uint_t                most;        /* and that there are */
    mdm_json_mend_level_t    *levels;
} mdm_json_mender_t;


static void mdm_json_mend_text(mdm_json_mender_t *m, const mdm_str_t *json);
static void mdm_json_mend_mark(mdm_json_mender_t *m, u_char c);
static const u_char *mdm_json_mend_string(mdm_json_mender_t *m,
    const u_char *p, const u_char *last);
static const u_char *mdm_json_mend_escape(mdm_json_mender_t *m,
    const u_char *p, const u_char *last, mdm_uint_t key);
static const u_char *mdm_json_mend_byte(mdm_json_mender_t *m,
    const u_char *p, const u_char *last);
static size_t mdm_json_mend_utf8(const u_char *p, const u_char *last);
static int mdm_json_mend_unit(const u_char *p, const u_char *last);
static const u_char *mdm_json_mend_bare(mdm_json_mender_t *m,
    const u_char *p, const u_char *last);
static mdm_uint_t mdm_json_mend_known(const mdm_str_t *token);
static mdm_uint_t mdm_json_mend_number(const mdm_str_t *token);
static void mdm_json_mend_put(mdm_json_mender_t *m, const void *data,
    size_t len);
static void mdm_json_mend_found(mdm_json_mender_t *m);
static size_t mdm_json_mend_name(u_char *dst, size_t len, const u_char *data,
    size_t n);


mdm_int_t
mdm_json_mend(mdm_arena_t *arena, const mdm_str_t *json, mdm_uint_t depth,
    mdm_json_mend_t *mend)
{
    mdm_json_mender_t  m;

    memset(&m, 0, sizeof(mdm_json_mender_t));
    memset(mend, 0, sizeof(mdm_json_mend_t));

    m.arena = arena;
    m.mend = mend;
    m.most = depth;

    m.levels = mdm_arena_alloc(arena, (depth + 1)
                                      * sizeof(mdm_json_mend_level_t));
    if (m.levels == NULL) {
        return MDM_ERROR;
    }

    mdm_json_mend_text(&m, json);

    m.dst = mdm_arena_alloc(arena, m.len);
    if (m.dst == NULL) {
        return MDM_ERROR;
    }

    m.len = 0;
    mdm_json_mend_text(&m, json);

    mend->json.data = m.dst;
    mend->json.len = m.len;

    return m.failed ? MDM_ERROR : MDM_OK;
}


static void
mdm_json_mend_text(mdm_json_mender_t *m, const mdm_str_t *json)
{
    const u_char  *p, *last;

    m->depth = 0;
    m->key = 0;

    if (json->len == 0) {
        return;
    }

    p = json->data;
    last = p + json->len;

    while (p != last) {

        switch (*p) {

        case '"':
            p = mdm_json_mend_string(m, p, last);
            break;

        case '{':
        case '[':
        case '}':
        case ']':
        case ',':
        case ':':
            mdm_json_mend_mark(m, *p);
            mdm_json_mend_put(m, p++, 1);
            break;

        case ' ':
        case '\t':
        case '\r':
        case '\n':
            mdm_json_mend_put(m, p++, 1);
            break;

        default:
            p = mdm_json_mend_bare(m, p, last);
        }
    }
}


static void
mdm_json_mend_mark(mdm_json_mender_t *m, u_char c)
{
    mdm_json_mend_level_t  *level;

    level = (m->depth != 0) ? &m->levels[m->depth - 1] : NULL;

    switch (c) {

    case '{':
    case '[':

        /* the text was looked at: there are no more */

        if (m->depth == m->most) {
            break;
        }

        level = &m->levels[m->depth++];

        memset(level, 0, sizeof(mdm_json_mend_level_t));
        level->object = (c == '{');

        m->key = level->object;
        break;

    case '}':
    case ']':
        m->depth -= (m->depth != 0);
        m->key = 0;
        break;

    case ',':
        if (level != NULL) {
            level->index++;
            m->key = level->object;
        }

        break;

    default: /* ':' */
        m->key = 0;
    }
}


static const u_char *
mdm_json_mend_string(mdm_json_mender_t *m, const u_char *p,
    const u_char *last)
{
    mdm_uint_t              key;
    const u_char           *start;
    mdm_json_mend_level_t  *level;

    key = m->key;
    m->odd = 0;

    mdm_json_mend_put(m, p++, 1);

    start = p;

    while (p != last && *p != '"') {
        p = (*p == '\\') ? mdm_json_mend_escape(m, p, last, key)
                         : mdm_json_mend_byte(m, p, last);
    }

    if (key && m->depth != 0) {
        level = &m->levels[m->depth - 1];

        level->key = start;
        level->len = (size_t) (p - start);
    }

    if (m->odd) {
        mdm_json_mend_found(m);
    }

    if (p == last) {
        return p;
    }

    mdm_json_mend_put(m, p, 1);

    return p + 1;
}


/* a backslash and what belongs to it */

static const u_char *
mdm_json_mend_escape(mdm_json_mender_t *m, const u_char *p,
    const u_char *last, mdm_uint_t key)
{
    int  unit, low;

    if (last - p >= 2 && p[1] != 'u' && p[1] != '\0'
        && strchr("\"\\/bfnrt", p[1]) != NULL)
    {
        mdm_json_mend_put(m, p, 2);
        return p + 2;
    }

    unit = mdm_json_mend_unit(p, last);

    if (unit == -1) {
        m->odd = 1;
        mdm_json_mend_put(m, "\\\\", 2);

        return p + 1;
    }

    if (unit >= 0xd800 && unit <= 0xdbff) {
        low = mdm_json_mend_unit(p + 6, last);

        if (low >= 0xdc00 && low <= 0xdfff) {
            mdm_json_mend_put(m, p, 12);
            return p + 12;
        }
    }

    if ((unit >= 0xd800 && unit <= 0xdfff) || (unit == 0 && key)) {
        m->odd = 1;
        mdm_json_mend_put(m, "\\ufffd", 6);

    } else {
        mdm_json_mend_put(m, p, 6);
    }

    return p + 6;
}


/* the value of \uXXXX, or -1: it is none */

static int
mdm_json_mend_unit(const u_char *p, const u_char *last)
{
    int     n;
    u_char  c;
    size_t  i;

    if (last - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return -1;
    }

    n = 0;

    for (i = 2; i < 6; i++) {
        c = p[i];

        if (c >= '0' && c <= '9') {
            n = n * 16 + c - '0';

        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            n = n * 16 + (c | 0x20) - 'a' + 10;

        } else {
            return -1;
        }
    }

    return n;
}


/* a character of a string, or a byte that is none */

static const u_char *
mdm_json_mend_byte(mdm_json_mender_t *m, const u_char *p,
    const u_char *last)
{
    size_t  len;
    u_char  text[6] = "\\u00";

    if (*p < 0x20) {
        m->odd = 1;
        mdm_hex(text + 4, p, 1);
        mdm_json_mend_put(m, text, 6);

        return p + 1;
    }

    len = mdm_json_mend_utf8(p, last);

    if (len == 0) {
        m->odd = 1;
        mdm_json_mend_put(m, "\xef\xbf\xbd", 3);

        return p + 1;
    }

    mdm_json_mend_put(m, p, len);

    return p + len;
}


/* the length of a character, or 0: it is none */

static size_t
mdm_json_mend_utf8(const u_char *p, const u_char *last)
{
    size_t     len;
    mdm_str_t  s;

    if (*p < 0x80) {
        return 1;
    }

    len = (*p >= 0xf0) ? 4 : (*p >= 0xe0) ? 3 : 2;

    if ((size_t) (last - p) < len) {
        return 0;
    }

    s.data = (u_char *) p;
    s.len = len;

    return mdm_utf8_valid(&s) ? len : 0;
}


/* a number, a word, or what is neither */

static const u_char *
mdm_json_mend_bare(mdm_json_mender_t *m, const u_char *p, const u_char *last)
{
    mdm_str_t      token;
    const u_char  *end;

    token.data = (u_char *) p;

    while (p != last && (*p == '\0' || strchr(" \t\r\n,:[]{}\"", *p) == NULL))
    {
        p++;
    }

    token.len = (size_t) (p - token.data);

    if (m->key || m->depth == 0 || mdm_json_mend_known(&token)) {
        mdm_json_mend_put(m, token.data, token.len);
        return p;
    }

    mdm_json_mend_put(m, "\"", 1);

    for (end = p, p = token.data; p != end; /* void */ ) {

        if (*p == '\\') {
            mdm_json_mend_put(m, "\\\\", 2);
            p++;

        } else {
            p = mdm_json_mend_byte(m, p, end);
        }
    }

    mdm_json_mend_put(m, "\"", 1);
    mdm_json_mend_found(m);

    return p;
}


static mdm_uint_t
mdm_json_mend_known(const mdm_str_t *token)
{
    return mdm_str_is(token, "true") || mdm_str_is(token, "false")
           || mdm_str_is(token, "null") || mdm_json_mend_number(token);
}


/* is it a number as JSON has it, and one that jansson holds? */

static mdm_uint_t
mdm_json_mend_number(const mdm_str_t *token)
{
    char       buf[MDM_JSON_MEND_NUMBER + 1], *p, *digits, *end;
    double     real;
    long long  integer;

    if (token->len > MDM_JSON_MEND_NUMBER) {
        return 0;
    }

    memcpy(buf, token->data, token->len);
    buf[token->len] = '\0';

    p = buf + (buf[0] == '-');
    digits = p;
    p += strspn(p, "0123456789");

    if (p == digits || (*digits == '0' && p - digits > 1)) {
        return 0;
    }

    if (p == buf + token->len) {

        if (p - digits <= MDM_JSON_MEND_DIGITS) {
            return 1;
        }

        errno = 0;
        integer = strtoll(buf, NULL, 10);
        (void) integer;

        return errno == 0;
    }

    if (*p == '.') {
        digits = ++p;
        p += strspn(p, "0123456789");

        if (p == digits) {
            return 0;
        }
    }

    if (*p == 'e' || *p == 'E') {
        p++;
        p += (*p == '+' || *p == '-');
        digits = p;
        p += strspn(p, "0123456789");

        if (p == digits) {
            return 0;
        }
    }

    if (p != buf + token->len) {
        return 0;
    }

    real = strtod(buf, &end);

    return end == p && isfinite(real);
}


static void
mdm_json_mend_put(mdm_json_mender_t *m, const void *data, size_t len)
{
    if (m->dst != NULL) {
        memcpy(m->dst + m->len, data, len);
    }

    m->len += len;
}


/* a value is odd: where */

static void
mdm_json_mend_found(mdm_json_mender_t *m)
{
    u_char                       *p;
    size_t                        len;
    mdm_uint_t                    i;
    mdm_json_mend_t              *mend;
    const mdm_json_mend_level_t  *level;

    mend = m->mend;

    /* the first time round it is counted only */

    if (m->dst == NULL) {
        return;
    }

    mend->n++;

    if (mend->nnames == MDM_JSON_MEND_NAMES) {
        return;
    }

    p = mdm_arena_alloc(m->arena, MDM_JSON_MEND_NAME);
    if (p == NULL) {
        m->failed = 1;
        return;
    }

    len = 0;

    for (i = 0; i < m->depth; i++) {
        level = &m->levels[i];

        if (level->object) {

            if (len != 0) {
                len = mdm_json_mend_name(p, len, (const u_char *) ".", 1);
            }

            len = mdm_json_mend_name(p, len, level->key, level->len);

        } else {
            char  index[32];

            len = mdm_json_mend_name(p, len, (const u_char *) index, (size_t)
                      snprintf(index, sizeof(index), "[%lu]",
                               (unsigned long) level->index));
        }
    }

    mend->names[mend->nnames].data = p;
    mend->names[mend->nnames].len = len;
    mend->nnames++;
}


static size_t
mdm_json_mend_name(u_char *dst, size_t len, const u_char *data, size_t n)
{
    if (n > MDM_JSON_MEND_NAME - len) {
        n = MDM_JSON_MEND_NAME - len;
    }

    if (n != 0) {
        memcpy(dst + len, data, n);
    }

    return len + n;
}
