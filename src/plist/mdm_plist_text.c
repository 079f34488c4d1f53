
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Texts of XML plists: strings, data, numbers, dates.
 */


#include <stdlib.h>

#include "mdm_plist_xml.h"


#define MDM_XML_NUMBER        40           /* longer than any number */

#define MDM_XML_SPACE         64           /* white space, in the table of
                                              base64 */
#define MDM_XML_PAD           65
#define MDM_XML_BAD           66


static mdm_int_t mdm_xml_end(mdm_xml_t *x, const mdm_xml_tag_t *tag);
static mdm_int_t mdm_xml_section(mdm_xml_t *x, u_char **dst);
static mdm_int_t mdm_xml_plain(mdm_xml_t *x, u_char **dst,
    const u_char *last);
static mdm_int_t mdm_xml_entity(mdm_xml_t *x, u_char **dst,
    const u_char *last);
static mdm_int_t mdm_xml_character(const u_char *p, const u_char *last,
    uint32_t *value);
static void mdm_xml_finish(mdm_xml_t *x, u_char type, size_t n);
static mdm_int_t mdm_xml_scalar(mdm_xml_t *x, const mdm_xml_tag_t *tag,
    mdm_str_t *text);
static void mdm_xml_number(mdm_xml_t *x, u_char type, uint64_t bits);
static mdm_int_t mdm_xml_digits(const u_char *p, const u_char *last,
    uint64_t *value);
static mdm_int_t mdm_xml_field(const u_char *p, size_t n, int32_t *value);


/* value of a character in base64 */

static const u_char  mdm_xml_base64[256] = {
    66, 66, 66, 66, 66, 66, 66, 66, 66, 64, 64, 66, 66, 64, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    64, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 62, 66, 66, 66, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 66, 66, 66, 65, 66, 66,
    66,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 66, 66, 66, 66, 66,
    66, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66
};


/* the end tag of a text */

static mdm_int_t
mdm_xml_end(mdm_xml_t *x, const mdm_xml_tag_t *tag)
{
    mdm_int_t      rc;
    mdm_xml_tag_t  end;

    rc = mdm_xml_tag(x, &end);
    if (rc != MDM_OK) {
        return rc;
    }

    if (end.kind != MDM_XML_CLOSE || end.name != tag->name) {
        return mdm_xml_refuse(x, "an element within a text");
    }

    return MDM_OK;
}


/* text is decoded behind the room for the longest marker */

mdm_int_t
mdm_xml_string(mdm_xml_t *x, const mdm_xml_tag_t *tag)
{
    u_char        *dst, *text;
    mdm_int_t      rc;
    const u_char  *p;

    text = x->out + 6;
    dst = text;

    if (tag->kind == MDM_XML_EMPTY) {
        mdm_xml_finish(x, 0x50, 0);
        return MDM_OK;
    }

    for ( ;; ) {
        p = memchr(x->p, '<', (size_t) (x->last - x->p));

        if (p == NULL) {
            return mdm_xml_refuse(x, "the XML ends within a text");
        }

        rc = mdm_xml_plain(x, &dst, p);
        if (rc != MDM_OK) {
            return rc;
        }

        if (x->last - p < 2 || p[1] != '!') {
            break;
        }

        rc = mdm_xml_section(x, &dst);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    mdm_xml_finish(x, 0x50, (size_t) (dst - text));

    return mdm_xml_end(x, tag);
}


/* a comment or a CDATA section within a text */

static mdm_int_t
mdm_xml_section(mdm_xml_t *x, u_char **dst)
{
    size_t         n;
    const u_char  *p;

    if (x->last - x->p >= 4 && memcmp(x->p, "<!--", 4) == 0) {
        p = mdm_xml_find(x->p + 4, x->last, "-->", 3);

        if (p == NULL) {
            return mdm_xml_refuse(x, "the XML ends within a comment");
        }

        x->p = p + 3;

        return MDM_OK;
    }

    if (x->last - x->p >= 9 && memcmp(x->p, "<![CDATA[", 9) == 0) {
        x->p += 9;
        p = mdm_xml_find(x->p, x->last, "]]>", 3);

        if (p == NULL) {
            return mdm_xml_refuse(x, "the XML ends within a CDATA section");
        }

        n = (size_t) (p - x->p);
        memcpy(*dst, x->p, n);

        *dst += n;
        x->p = p + 3;

        return MDM_OK;
    }

    return mdm_xml_refuse(x, "a declaration within a text");
}


/* text up to "last" */

static mdm_int_t
mdm_xml_plain(mdm_xml_t *x, u_char **dst, const u_char *last)
{
    size_t         n;
    mdm_int_t      rc;
    const u_char  *p;

    for ( ;; ) {
        p = memchr(x->p, '&', (size_t) (last - x->p));

        n = (size_t) (((p != NULL) ? p : last) - x->p);
        memcpy(*dst, x->p, n);

        *dst += n;
        x->p += n;

        if (p == NULL) {
            return MDM_OK;
        }

        rc = mdm_xml_entity(x, dst, last);
        if (rc != MDM_OK) {
            return rc;
        }
    }
}


static mdm_int_t
mdm_xml_entity(mdm_xml_t *x, u_char **dst, const u_char *last)
{
    size_t         i, n;
    uint32_t       value;
    const u_char  *p;

    static const struct {
        const char  *name;
        size_t       len;
        u_char       value;
    } entities[] = {
        { "amp", 3, '&' },
        { "lt", 2, '<' },
        { "gt", 2, '>' },
        { "quot", 4, '"' },
        { "apos", 4, '\'' }
    };

    p = x->p + 1;

    /* the longest is "#x10FFFF", but zeros may lead */

    for (n = 0; n < 16 && p + n < last && p[n] != ';'; n++) {
        /* void */
    }

    if (n == 16 || p + n == last) {
        return mdm_xml_refuse(x, "an \"&\" without a \";\"");
    }

    x->p = p + n + 1;

    for (i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {

        if (entities[i].len == n && memcmp(p, entities[i].name, n) == 0) {
            *(*dst)++ = entities[i].value;
            return MDM_OK;
        }
    }

    if (n < 2 || *p != '#') {
        return mdm_xml_refuse(x, "an unknown entity");
    }

    if (mdm_xml_character(p + 1, p + n, &value) != MDM_OK) {
        return mdm_xml_refuse(x, "a bad character reference");
    }

    *dst += mdm_plist_utf8(*dst, value);

    return MDM_OK;
}


/* a number in decimal, or in hex behind "x" */

static mdm_int_t
mdm_xml_character(const u_char *p, const u_char *last, uint32_t *value)
{
    u_char    c;
    uint32_t  base, digit, v;

    base = 10;

    if (*p == 'x') {
        base = 16;
        p++;
    }

    if (p == last) {
        return MDM_DECLINED;
    }

    for (v = 0; p < last; p++) {
        c = *p;

        if (c >= '0' && c <= '9') {
            digit = (uint32_t) (c - '0');

        } else {
            c |= 0x20;

            if (base == 10 || c < 'a' || c > 'f') {
                return MDM_DECLINED;
            }

            digit = (uint32_t) (c - 'a' + 10);
        }

        v = v * base + digit;

        if (v > 0x10ffff) {
            return MDM_DECLINED;
        }
    }

    if (v == 0 || (v >= 0xd800 && v <= 0xdfff)) {
        return MDM_DECLINED;
    }

    *value = v;

    return MDM_OK;
}


/* the n bytes are there, behind the room for the longest marker */

static void
mdm_xml_finish(mdm_xml_t *x, u_char type, size_t n)
{
    u_char  *text;

    text = x->out + 6;

    mdm_xml_count(x, type, n);

    if (x->out != text) {
        memmove(x->out, text, n);
    }

    x->out += n;
    x->cost += mdm_plist_chunk(n);
}


mdm_int_t
mdm_xml_data(mdm_xml_t *x, const mdm_xml_tag_t *tag)
{
    u_char        *dst, *text, a, b, c, d;
    uint32_t       bits, n, pads;
    const u_char  *p, *last;

    text = x->out + 6;

    if (tag->kind == MDM_XML_EMPTY) {
        mdm_xml_finish(x, 0x40, 0);
        return MDM_OK;
    }

    p = x->p;
    last = memchr(p, '<', (size_t) (x->last - p));

    if (last == NULL) {
        return mdm_xml_refuse(x, "the XML ends within data");
    }

    dst = text;
    bits = 0;
    pads = 0;
    n = 0;

    while (p < last) {

        /* four digits at once, where nothing is between them */

        while (n == 0 && last - p >= 4) {
            a = mdm_xml_base64[p[0]];
            b = mdm_xml_base64[p[1]];
            c = mdm_xml_base64[p[2]];
            d = mdm_xml_base64[p[3]];

            if (((a | b | c | d) & 0x40) != 0 || pads != 0) {
                break;
            }

            *dst++ = (u_char) (a << 2 | b >> 4);
            *dst++ = (u_char) (b << 4 | c >> 2);
            *dst++ = (u_char) (c << 6 | d);

            p += 4;
        }

        if (p == last) {
            break;
        }

        a = mdm_xml_base64[*p++];

        if (a == MDM_XML_SPACE) {
            continue;
        }

        if (a == MDM_XML_PAD && n + pads >= 2 && n + pads < 4) {
            pads++;
            continue;
        }

        if (a >= MDM_XML_SPACE || pads != 0) {
            return mdm_xml_refuse(x, "data that is not base64");
        }

        bits = bits << 6 | a;

        if (++n == 4) {
            *dst++ = (u_char) (bits >> 16);
            *dst++ = (u_char) (bits >> 8);
            *dst++ = (u_char) bits;
            n = 0;
        }
    }

    if (n != 0 && n + pads != 4) {
        return mdm_xml_refuse(x, "data that is not base64");
    }

    if (n == 3) {
        *dst++ = (u_char) (bits >> 10);
        *dst++ = (u_char) (bits >> 2);

    } else if (n == 2) {
        *dst++ = (u_char) (bits >> 4);
    }

    mdm_xml_finish(x, 0x40, (size_t) (dst - text));

    x->p = last;

    return mdm_xml_end(x, tag);
}


/* the text of a number or date, without white space around it */

static mdm_int_t
mdm_xml_scalar(mdm_xml_t *x, const mdm_xml_tag_t *tag, mdm_str_t *text)
{
    const u_char  *p, *last;

    if (tag->kind == MDM_XML_EMPTY) {
        return mdm_xml_refuse(x, "an empty number or date");
    }

    mdm_xml_space(x);

    p = x->p;
    last = memchr(p, '<', (size_t) (x->last - p));

    if (last == NULL) {
        return mdm_xml_refuse(x, "the XML ends within a number or date");
    }

    x->p = last;

    while (last > p && mdm_xml_is_space(last[-1])) {
        last--;
    }

    text->len = (size_t) (last - p);
    text->data = (u_char *) p;

    if (text->len == 0 || text->len >= MDM_XML_NUMBER) {
        return mdm_xml_refuse(x, "a number or date that is none");
    }

    return mdm_xml_end(x, tag);
}


mdm_int_t
mdm_xml_integer(mdm_xml_t *x, const mdm_xml_tag_t *tag)
{
    uint64_t       value;
    mdm_int_t      rc;
    mdm_str_t      text;
    mdm_uint_t     negative;
    const u_char  *p, *last;

    rc = mdm_xml_scalar(x, tag, &text);
    if (rc != MDM_OK) {
        return rc;
    }

    p = text.data;
    last = p + text.len;

    negative = (*p == '-');

    if (*p == '-' || *p == '+') {
        p++;
    }

    if (mdm_xml_digits(p, last, &value) != MDM_OK
        || (negative && value > (uint64_t) INT64_MAX + 1))
    {
        return mdm_xml_refuse(x, "an integer that is none or out of range");
    }

    if (value > INT64_MAX && !negative) {

        /* it takes 16 bytes: in 8 it would be negative */

        *x->out++ = 0x14;
        memset(x->out, 0, 8);
        x->out += 8;

        mdm_xml_uint32(x, (uint32_t) (value >> 32));
        mdm_xml_uint32(x, (uint32_t) value);

        return MDM_OK;
    }

    mdm_xml_number(x, 0x13, negative ? -value : value);

    return MDM_OK;
}


static mdm_int_t
mdm_xml_digits(const u_char *p, const u_char *last, uint64_t *value)
{
    u_char    c;
    uint64_t  base, digit, v;

    base = 10;

    if (last - p > 2 && p[0] == '0' && (p[1] | 0x20) == 'x') {
        base = 16;
        p += 2;
    }

    if (p == last) {
        return MDM_DECLINED;
    }

    for (v = 0; p < last; p++) {
        c = *p;

        if (c >= '0' && c <= '9') {
            digit = (uint64_t) (c - '0');

        } else {
            c |= 0x20;

            if (base == 10 || c < 'a' || c > 'f') {
                return MDM_DECLINED;
            }

            digit = (uint64_t) c - 'a' + 10;
        }

        if (v > (UINT64_MAX - digit) / base) {
            return MDM_DECLINED;
        }

        v = v * base + digit;
    }

    *value = v;

    return MDM_OK;
}


mdm_int_t
mdm_xml_real(mdm_xml_t *x, const mdm_xml_tag_t *tag)
{
    char        buf[MDM_XML_NUMBER], *end;
    double      value;
    size_t      i;
    uint64_t    bits;
    mdm_int_t   rc;
    mdm_str_t   text;

    rc = mdm_xml_scalar(x, tag, &text);
    if (rc != MDM_OK) {
        return rc;
    }

    /* strtod() knows hex and "nan(…)", too: plists do not */

    for (i = 0; i < text.len; i++) {
        if (text.data[i] == 'x' || text.data[i] == 'X'
            || text.data[i] == '(' || mdm_xml_is_space(text.data[i]))
        {
            return mdm_xml_refuse(x, "a real that is none");
        }
    }

    /* strtod() may take longer than all the rest: it counts twice */

    if (x->nodes == x->max_nodes) {
        return mdm_xml_refuse(x, "too many values in the plist");
    }

    x->nodes++;

    memcpy(buf, text.data, text.len);
    buf[text.len] = '\0';

    value = strtod(buf, &end);

    if (end != buf + text.len) {
        return mdm_xml_refuse(x, "a real that is none");
    }

    memcpy(&bits, &value, sizeof(double));

    mdm_xml_number(x, 0x23, bits);

    return MDM_OK;
}


/* YYYY-MM-DDTHH:MM:SSZ */

mdm_int_t
mdm_xml_date(mdm_xml_t *x, const mdm_xml_tag_t *tag)
{
    double        seconds;
    int32_t       year, month, day, hour, minute, second;
    int64_t       days;
    uint64_t      bits;
    mdm_int_t     rc;
    mdm_str_t     text;
    const u_char  *p;

    rc = mdm_xml_scalar(x, tag, &text);
    if (rc != MDM_OK) {
        return rc;
    }

    p = text.data;

    if (text.len != 20
        || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':'
        || p[16] != ':' || p[19] != 'Z'
        || mdm_xml_field(p, 4, &year) != MDM_OK
        || mdm_xml_field(p + 5, 2, &month) != MDM_OK
        || mdm_xml_field(p + 8, 2, &day) != MDM_OK
        || mdm_xml_field(p + 11, 2, &hour) != MDM_OK
        || mdm_xml_field(p + 14, 2, &minute) != MDM_OK
        || mdm_xml_field(p + 17, 2, &second) != MDM_OK
        || year < 1 || month < 1 || month > 12 || day < 1 || day > 31
        || hour > 23 || minute > 59 || second > 60)
    {
        return mdm_xml_refuse(x, "a date that is none");
    }

    /* years begin in March: the leap day is the last; 730791: 2001-01-01 */

    if (month <= 2) {
        year--;
        month += 12;
    }

    days = (int64_t) year * 365 + year / 4 - year / 100 + year / 400
           + (153 * (month - 3) + 2) / 5 + day - 1 - 730791;

    seconds = (double) (days * 86400 + hour * 3600 + minute * 60 + second);

    memcpy(&bits, &seconds, sizeof(double));

    mdm_xml_number(x, 0x33, bits);

    return MDM_OK;
}


static mdm_int_t
mdm_xml_field(const u_char *p, size_t n, int32_t *value)
{
    int32_t  v;

    for (v = 0; n != 0; n--, p++) {

        if (*p < '0' || *p > '9') {
            return MDM_DECLINED;
        }

        v = v * 10 + (*p - '0');
    }

    *value = v;

    return MDM_OK;
}


static void
mdm_xml_number(mdm_xml_t *x, u_char type, uint64_t bits)
{
    *x->out++ = type;

    mdm_xml_uint32(x, (uint32_t) (bits >> 32));
    mdm_xml_uint32(x, (uint32_t) bits);
}
