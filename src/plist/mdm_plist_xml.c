
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * XML into a binary plist, in one pass and linear time.  The root is written
 * last, each container after its members.  Strings are written as UTF-8
 * behind the marker of ASCII strings: libplist takes them as they are.
 */


#include <stdlib.h>
#include <strings.h>

#include "mdm_plist_xml.h"


static mdm_int_t mdm_xml_start(mdm_xml_t *x, const mdm_str_t *in,
    const mdm_limits_t *limits);
static mdm_int_t mdm_xml_encoding(mdm_xml_t *x);
static mdm_int_t mdm_xml_declaration(mdm_xml_t *x);
static mdm_int_t mdm_xml_doctype(mdm_xml_t *x);
static mdm_int_t mdm_xml_root(mdm_xml_t *x);
static mdm_int_t mdm_xml_value(mdm_xml_t *x, const mdm_xml_tag_t *tag);
static mdm_int_t mdm_xml_bool(mdm_xml_t *x, const mdm_xml_tag_t *tag);
static mdm_int_t mdm_xml_open(mdm_xml_t *x, mdm_xml_name_e name);
static mdm_int_t mdm_xml_close(mdm_xml_t *x, mdm_xml_name_e name);
static mdm_int_t mdm_xml_keys(mdm_xml_t *x, uint32_t base, uint32_t n);
static void mdm_xml_reference(mdm_xml_t *x, uint32_t index);
static void mdm_xml_trailer(mdm_xml_t *x);


mdm_int_t
mdm_plist_convert(const mdm_str_t *in, const mdm_limits_t *limits,
    mdm_str_t *bin, const char **why)
{
    mdm_int_t  rc;
    mdm_xml_t  x;

    rc = mdm_xml_start(&x, in, limits);

    if (rc == MDM_OK) {
        rc = mdm_xml_root(&x);
    }

    if (rc != MDM_OK) {
        free(x.start);
        *why = x.why;
        return rc;
    }

    mdm_xml_trailer(&x);

    bin->len = (size_t) (x.out - x.start);
    bin->data = x.start;

    return MDM_OK;
}


static mdm_int_t
mdm_xml_start(mdm_xml_t *x, const mdm_str_t *in,
    const mdm_limits_t *limits)
{
    size_t      n, size;
    uint32_t   *words;
    mdm_int_t   rc;

    x->start = NULL;
    x->why = NULL;

    if (in->len == 0) {
        return mdm_xml_refuse(x, "the XML is cut off");
    }

    x->p = in->data;
    x->last = in->data + in->len;

    if (in->len > INT32_MAX) {
        return mdm_xml_refuse(x, "plist too large");
    }

    rc = mdm_xml_encoding(x);
    if (rc != MDM_OK) {
        return rc;
    }

    /*
     * A value is at least 7 bytes long ("<true/>"), a key 6, and a real, which
     * counts twice, 14.  No object gets longer than its XML: a string, say,
     * grows by 6 bytes of count and 4 of reference, but loses 17 of tags.
     */

    n = in->len / 6 + 1;

    if (n > limits->nodes) {
        n = limits->nodes;
    }

    n += 2;

    size = MDM_XML_HEADER + in->len + n * sizeof(uint32_t) + MDM_XML_TRAILER;

    x->max_nodes = (uint32_t) (n - 2);
    x->max_depth = (limits->depth < MDM_PLIST_DEPTH_MAX)
                   ? (uint32_t) limits->depth : MDM_PLIST_DEPTH_MAX;
    x->max_cost = 16 * (uint64_t) in->len + MDM_PLIST_SPARE;

    x->cost = size + 2 * n * sizeof(uint32_t);
    x->nodes = 0;
    x->nrefs = 0;
    x->depth = 0;
    x->ref_size = (n <= 256) ? 1 : (n <= 65536) ? 2 : 4;

    size = (size + sizeof(uint32_t) - 1) & ~(sizeof(uint32_t) - 1);

    words = malloc(size + 2 * n * sizeof(uint32_t));

    if (words == NULL) {
        x->why = "no memory to read the plist";
        return MDM_ERROR;
    }

    x->start = (u_char *) words;
    x->offsets = words + size / sizeof(uint32_t);
    x->refs = x->offsets + n;

    memcpy(x->start, "bplist00\x09\x08", MDM_XML_HEADER);

    x->out = x->start + MDM_XML_HEADER;
    x->offsets[MDM_XML_OBJECT_TRUE] = 8;
    x->offsets[MDM_XML_OBJECT_FALSE] = 9;
    x->nobjects = 2;

    return MDM_OK;
}


/* UTF-8, with or without a byte order mark */

static mdm_int_t
mdm_xml_encoding(mdm_xml_t *x)
{
    size_t         n;
    uint64_t       high, word;
    mdm_str_t      s;
    const u_char  *p;

    p = x->p;
    n = (size_t) (x->last - p);

    if (n >= 2
        && ((p[0] == 0xfe && p[1] == 0xff) || (p[0] == 0xff && p[1] == 0xfe)
            || (p[0] == '\0' && p[1] == '<') || (p[0] == '<' && p[1] == '\0')))
    {
        return mdm_xml_refuse(x, "XML in UTF-16, only UTF-8 is read");
    }

    if (n >= 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf) {
        x->p = p + 3;
    }

    s.len = n;
    s.data = (u_char *) p;

    for (high = 0; n >= sizeof(uint64_t); n -= sizeof(uint64_t)) {
        memcpy(&word, p, sizeof(uint64_t));
        high |= word;
        p += sizeof(uint64_t);
    }

    while (n-- != 0) {
        high |= (uint64_t) *p++ << 56;
    }

    /*
     * all of it is checked at once: no tag or entity can cut a character in two
     */

    if ((high & 0x8080808080808080) != 0) {

        if (mdm_utf8_valid(&s) == 0) {
            return mdm_xml_refuse(x, "XML that is not valid UTF-8");
        }

    } else if (s.len != 0 && memchr(s.data, '\0', s.len) != NULL) {
        return mdm_xml_refuse(x, "XML with a NUL");
    }

    return MDM_OK;
}


/* the root and what is around it */

static mdm_int_t
mdm_xml_root(mdm_xml_t *x)
{
    mdm_int_t      rc;
    mdm_uint_t     plist;
    mdm_xml_tag_t  tag;

    plist = 0;

    mdm_xml_space(x);

    rc = mdm_xml_declaration(x);

    if (rc == MDM_OK) {
        rc = mdm_xml_doctype(x);
    }

    if (rc == MDM_OK) {
        rc = mdm_xml_tag(x, &tag);
    }

    if (rc == MDM_OK && tag.name == MDM_XML_PLIST && tag.kind == MDM_XML_OPEN) {
        plist = 1;
        rc = mdm_xml_next(x, &tag);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (tag.name != MDM_XML_DICT || tag.kind == MDM_XML_CLOSE) {
        return mdm_xml_refuse(x, "the plist is not a dictionary");
    }

    rc = mdm_xml_value(x, &tag);

    while (rc == MDM_OK && x->depth != 0) {

        rc = mdm_xml_next(x, &tag);

        if (rc == MDM_OK) {
            rc = (tag.kind == MDM_XML_CLOSE) ? mdm_xml_close(x, tag.name)
                                             : mdm_xml_value(x, &tag);
        }
    }

    if (rc == MDM_OK && plist) {
        rc = mdm_xml_next(x, &tag);

        if (rc == MDM_OK
            && (tag.name != MDM_XML_PLIST || tag.kind != MDM_XML_CLOSE))
        {
            return mdm_xml_refuse(x, "more than one value in the plist");
        }
    }

    if (rc == MDM_OK) {
        rc = mdm_xml_skip(x);
    }

    if (rc == MDM_OK && x->p != x->last) {
        return mdm_xml_refuse(x, "something behind the plist");
    }

    return rc;
}


/* <?xml … ?>: may name an encoding */

static mdm_int_t
mdm_xml_declaration(mdm_xml_t *x)
{
    size_t         n;
    u_char         quote;
    const u_char  *p, *last, *end;

    if (x->last - x->p < 6 || memcmp(x->p, "<?xml", 5) != 0
        || !mdm_xml_is_space(x->p[5]))
    {
        return MDM_OK;
    }

    p = x->p + 5;

    last = mdm_xml_find(p, x->last, "?>", 2);

    if (last == NULL) {
        return mdm_xml_refuse(x, "the XML ends within its declaration");
    }

    x->p = last + 2;

    p = mdm_xml_find(p, last, "encoding", 8);

    if (p == NULL) {
        return MDM_OK;
    }

    for (p += 8; p < last && (*p == '=' || mdm_xml_is_space(*p)); p++) {
        /* void */
    }

    if (p == last || (*p != '"' && *p != '\'')) {
        return mdm_xml_refuse(x, "a bad XML declaration");
    }

    quote = *p++;
    end = memchr(p, quote, (size_t) (last - p));

    if (end == NULL) {
        return mdm_xml_refuse(x, "a bad XML declaration");
    }

    n = (size_t) (end - p);

    if ((n == 5 && strncasecmp((const char *) p, "utf-8", 5) == 0)
        || (n == 4 && strncasecmp((const char *) p, "utf8", 4) == 0)
        || (n == 8 && strncasecmp((const char *) p, "us-ascii", 8) == 0)
        || (n == 5 && strncasecmp((const char *) p, "ascii", 5) == 0))
    {
        return MDM_OK;
    }

    return mdm_xml_refuse(x, "XML in an encoding other than UTF-8");
}


/* <!DOCTYPE … >, at most one, without an internal subset */

static mdm_int_t
mdm_xml_doctype(mdm_xml_t *x)
{
    mdm_int_t      rc;
    const u_char  *p;

    rc = mdm_xml_skip(x);

    if (rc != MDM_OK || x->last - x->p < 9
        || memcmp(x->p, "<!DOCTYPE", 9) != 0)
    {
        return rc;
    }

    for (p = x->p + 9; p < x->last; p++) {

        switch (*p) {

        case '>':
            x->p = p + 1;
            return mdm_xml_skip(x);

        case '"':
        case '\'':
            p = memchr(p + 1, *p, (size_t) (x->last - p - 1));

            if (p == NULL) {
                return mdm_xml_refuse(x, "the XML ends within its DOCTYPE");
            }

            break;

        case '[':
            return mdm_xml_refuse(x, "a DOCTYPE with an internal subset");

        case '<':
            return mdm_xml_refuse(x, "a bad DOCTYPE");

        default:
            break;
        }
    }

    return mdm_xml_refuse(x, "the XML ends within its DOCTYPE");
}


/* a key, a value, or the start of a container */

static mdm_int_t
mdm_xml_value(mdm_xml_t *x, const mdm_xml_tag_t *tag)
{
    mdm_int_t         rc;
    mdm_xml_frame_t  *f;

    if (x->nodes == x->max_nodes) {
        return mdm_xml_refuse(x, "too many values in the plist");
    }

    x->nodes++;
    x->cost += MDM_PLIST_NODE;

    if (x->cost > x->max_cost) {
        return mdm_xml_refuse(x, "the plist expands to too many bytes");
    }

    if (x->depth != 0) {
        f = &x->frames[x->depth - 1];

        if (f->name == MDM_XML_DICT && ((x->nrefs - f->base) & 1) == 0) {

            if (tag->name != MDM_XML_KEY) {
                return mdm_xml_refuse(x, "a value without a key");
            }

        } else if (tag->name == MDM_XML_KEY) {
            return mdm_xml_refuse(x, "a key where a value is due");
        }
    }

    switch (tag->name) {

    case MDM_XML_DICT:
    case MDM_XML_ARRAY:
        rc = mdm_xml_open(x, tag->name);

        if (rc == MDM_OK && tag->kind == MDM_XML_EMPTY) {
            rc = mdm_xml_close(x, tag->name);
        }

        return rc;

    case MDM_XML_TRUE:
    case MDM_XML_FALSE:
        return mdm_xml_bool(x, tag);

    case MDM_XML_PLIST:
        return mdm_xml_refuse(x, "a plist within a plist");

    default:
        break;
    }

    mdm_xml_object(x);

    switch (tag->name) {

    case MDM_XML_KEY:
    case MDM_XML_STRING:
        return mdm_xml_string(x, tag);

    case MDM_XML_DATA:
        return mdm_xml_data(x, tag);

    case MDM_XML_INTEGER:
        return mdm_xml_integer(x, tag);

    case MDM_XML_REAL:
        return mdm_xml_real(x, tag);

    default: /* MDM_XML_DATE */
        return mdm_xml_date(x, tag);
    }
}


static mdm_int_t
mdm_xml_bool(mdm_xml_t *x, const mdm_xml_tag_t *tag)
{
    mdm_int_t      rc;
    mdm_xml_tag_t  close;

    x->refs[x->nrefs++] = (tag->name == MDM_XML_TRUE) ? MDM_XML_OBJECT_TRUE
                                                      : MDM_XML_OBJECT_FALSE;

    if (tag->kind == MDM_XML_EMPTY) {
        return MDM_OK;
    }

    rc = mdm_xml_next(x, &close);
    if (rc != MDM_OK) {
        return rc;
    }

    if (close.name != tag->name || close.kind != MDM_XML_CLOSE) {
        return mdm_xml_refuse(x, "a boolean with contents");
    }

    return MDM_OK;
}


static mdm_int_t
mdm_xml_open(mdm_xml_t *x, mdm_xml_name_e name)
{
    mdm_xml_frame_t  *f;

    if (x->depth == x->max_depth) {
        return mdm_xml_refuse(x, "the plist is nested too deep");
    }

    f = &x->frames[x->depth++];

    f->name = name;
    f->base = x->nrefs;

    return MDM_OK;
}


static mdm_int_t
mdm_xml_close(mdm_xml_t *x, mdm_xml_name_e name)
{
    u_char            type;
    uint32_t          i, n, base;
    mdm_int_t         rc;
    mdm_xml_frame_t  *f;

    f = &x->frames[x->depth - 1];

    if (name != f->name) {
        return mdm_xml_refuse(x, "an end tag without its start tag");
    }

    base = f->base;
    n = x->nrefs - base;
    type = 0xa0;

    if (name == MDM_XML_DICT) {

        if ((n & 1) != 0) {
            return mdm_xml_refuse(x, "a key without a value");
        }

        rc = mdm_xml_keys(x, base, n);
        if (rc != MDM_OK) {
            return rc;
        }

        type = 0xd0;
    }

    x->depth--;

    if (n != 0) {
        x->cost += MDM_PLIST_LIST;
    }

    x->offsets[x->nobjects] = (uint32_t) (x->out - x->start);
    mdm_xml_count(x, type, (name == MDM_XML_DICT) ? n / 2 : n);

    if (name == MDM_XML_DICT) {

        for (i = 0; i < n; i += 2) {
            mdm_xml_reference(x, x->refs[base + i]);
        }

        for (i = 1; i < n; i += 2) {
            mdm_xml_reference(x, x->refs[base + i]);
        }

    } else {
        for (i = 0; i < n; i++) {
            mdm_xml_reference(x, x->refs[base + i]);
        }
    }

    x->nrefs = base;
    x->refs[x->nrefs++] = x->nobjects++;

    return MDM_OK;
}


/* a dictionary's keys must differ */

static mdm_int_t
mdm_xml_keys(mdm_xml_t *x, uint32_t base, uint32_t n)
{
    size_t         len;
    uint32_t       i;
    uint64_t       few[32], *hash;
    mdm_int_t      rc;
    const u_char  *p;

    if (n < 4) {
        return MDM_OK;
    }

    hash = few;

    if (n / 2 > sizeof(few) / sizeof(few[0])) {
        hash = malloc(n / 2 * sizeof(uint64_t));

        if (hash == NULL) {
            x->why = "no memory to read the plist";
            return MDM_ERROR;
        }
    }

    for (i = 0; i < n; i += 2) {
        p = x->start + x->offsets[x->refs[base + i]];
        len = *p++ & 0x0f;

        if (len == 0x0f) {
            len = (size_t) p[1] << 24 | (size_t) p[2] << 16
                  | (size_t) p[3] << 8 | p[4];
            p += 5;
        }

        hash[i / 2] = mdm_plist_hash(MDM_PLIST_HASH, p, len);
    }

    rc = mdm_plist_unique(hash, n / 2);

    if (hash != few) {
        free(hash);
    }

    if (rc != MDM_OK) {
        return mdm_xml_refuse(x, "the same key twice in a dictionary");
    }

    return MDM_OK;
}


static void
mdm_xml_reference(mdm_xml_t *x, uint32_t index)
{
    switch (x->ref_size) {

    case 1:
        *x->out++ = (u_char) index;
        break;

    case 2:
        *x->out++ = (u_char) (index >> 8);
        *x->out++ = (u_char) index;
        break;

    default:
        mdm_xml_uint32(x, index);
        break;
    }
}


static void
mdm_xml_trailer(mdm_xml_t *x)
{
    uint32_t  i, table;

    table = (uint32_t) (x->out - x->start);

    for (i = 0; i < x->nobjects; i++) {
        mdm_xml_uint32(x, x->offsets[i]);
    }

    memset(x->out, 0, MDM_XML_TRAILER);

    x->out[6] = sizeof(uint32_t);
    x->out[7] = x->ref_size;
    x->out += 12;

    mdm_xml_uint32(x, x->nobjects);
    x->out += 4;

    mdm_xml_uint32(x, x->refs[0]);
    x->out += 4;

    mdm_xml_uint32(x, table);
}
