
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The top level of an XML plist.  What opens is counted up and what closes
 * down, whatever its name: there is no stack, so no depth is too deep.  Only
 * the elements of the dictionaries that are read must close by their own
 * name.
 */


#include <stdlib.h>

#include "mdm_plist_top_read.h"
#include "mdm_plist_xml.h"


/* a key that needs decoding is put here, unless it is longer */

#define MDM_TOP_SCRATCH       256

/* what mdm_xml_string() may write besides the text */

#define MDM_TOP_MARKER        16


typedef struct {
    mdm_xml_kind_e            kind;
    const u_char             *start;       /* its "<" */
    mdm_str_t                 name;
} mdm_top_tag_t;


#define mdm_top_is_lower(c)   ((c) >= 'a' && (c) <= 'z')

/* what a name begins with; other bytes are beyond ASCII, and so letters */

#define mdm_top_is_name(c)                                                    \
    (mdm_top_is_lower(c) || ((c) >= 'A' && (c) <= 'Z') || (c) == '_'          \
     || (c) == ':' || (c) >= 0x80)


static mdm_int_t mdm_top_prolog(mdm_top_read_t *r);
static mdm_int_t mdm_top_doctype(mdm_top_read_t *r);
static mdm_int_t mdm_top_pair(mdm_top_read_t *r, mdm_str_t *key,
    mdm_top_tag_t *tag);
static mdm_int_t mdm_top_value(mdm_top_read_t *r, mdm_top_tag_t *tag,
    mdm_uint_t i);
static mdm_int_t mdm_top_members(mdm_top_read_t *r, mdm_uint_t key);
static mdm_int_t mdm_top_member_read(mdm_top_read_t *r, mdm_uint_t key,
    const mdm_str_t *name, const mdm_top_tag_t *tag, mdm_str_t *contents);
static mdm_int_t mdm_top_tag(mdm_top_read_t *r, mdm_top_tag_t *tag);
static mdm_int_t mdm_top_attributes(mdm_top_read_t *r, const u_char *p,
    mdm_top_tag_t *tag);
static mdm_int_t mdm_top_skip(mdm_top_read_t *r, const u_char *p);
static mdm_int_t mdm_top_end(mdm_top_read_t *r, const mdm_top_tag_t *tag,
    mdm_str_t *contents);
static mdm_uint_t mdm_top_lookup(mdm_top_read_t *r, const mdm_str_t *raw);
static mdm_int_t mdm_top_scalar(mdm_top_read_t *r, const mdm_top_tag_t *tag,
    const mdm_str_t *contents, size_t max, mdm_top_value_t *value);
static mdm_int_t mdm_top_text(mdm_top_read_t *r, const mdm_str_t *raw,
    mdm_str_t *text);
static mdm_int_t mdm_top_decode(u_char *buf, const mdm_str_t *raw,
    mdm_str_t *text);
static mdm_int_t mdm_top_figure(mdm_top_read_t *r, const mdm_top_tag_t *tag,
    const mdm_str_t *contents, mdm_top_value_t *value);
static mdm_top_type_e mdm_top_type(const mdm_str_t *name);


mdm_int_t
mdm_top_xml(mdm_top_read_t *r)
{
    mdm_int_t      rc;
    mdm_str_t      key;
    mdm_top_tag_t  tag;

    if (r->in->len == 0) {
        return mdm_top_broken(r, "no XML");
    }

    r->p = r->in->data;
    r->last = r->p + r->in->len;

    rc = mdm_top_prolog(r);

    if (rc == MDM_OK) {
        rc = mdm_top_tag(r, &tag);
    }

    if (rc == MDM_OK && tag.kind == MDM_XML_OPEN
        && mdm_str_is(&tag.name, "plist"))
    {
        rc = mdm_top_tag(r, &tag);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (!mdm_str_is(&tag.name, "dict") || tag.kind == MDM_XML_CLOSE) {
        return mdm_top_broken(r, "the plist is not a dictionary");
    }

    if (tag.kind == MDM_XML_EMPTY) {
        return MDM_OK;
    }

    for ( ;; ) {
        rc = mdm_top_pair(r, &key, &tag);

        if (rc == MDM_OK && tag.kind == MDM_XML_CLOSE) {
            return MDM_OK;
        }

        if (rc == MDM_OK) {
            rc = mdm_top_value(r, &tag, mdm_top_lookup(r, &key));
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }
}


/* goes to the first tag of the plist itself */

static mdm_int_t
mdm_top_prolog(mdm_top_read_t *r)
{
    size_t         n;
    mdm_int_t      rc;
    const u_char  *p;

    p = r->p;
    n = r->in->len;

    /*
     * Whatever other encoding is declared: where tags are ASCII they can be
     * followed, and what is asked for must be UTF-8.
     */

    if (n >= 2
        && ((p[0] == 0xfe && p[1] == 0xff) || (p[0] == 0xff && p[1] == 0xfe)
            || (p[0] == '\0' && p[1] == '<') || (p[0] == '<' && p[1] == '\0')))
    {
        return mdm_top_broken(r, "XML in UTF-16, only UTF-8 is read");
    }

    for ( ;; ) {
        p = (r->p == r->last) ? NULL
                              : memchr(r->p, '<', (size_t) (r->last - r->p));

        if (p == NULL || r->last - p < 3) {
            return mdm_top_broken(r, "no XML");
        }

        r->p = p;

        if (r->last - p >= 9 && memcmp(p, "<!DOCTYPE", 9) == 0) {
            return mdm_top_doctype(r);
        }

        if (p[1] != '!' && p[1] != '?') {
            return MDM_OK;
        }

        rc = mdm_top_skip(r, p);
        if (rc != MDM_OK) {
            return rc;
        }
    }
}


static mdm_int_t
mdm_top_doctype(mdm_top_read_t *r)
{
    const u_char  *p;

    for (p = r->p + 9; p < r->last; p++) {

        switch (*p) {

        case '>':
            r->p = p + 1;
            return MDM_OK;

        case '"':
        case '\'':
            p = memchr(p + 1, *p, (size_t) (r->last - p - 1));

            if (p == NULL) {
                return mdm_top_broken(r, "the XML ends within its DOCTYPE");
            }

            break;

        case '[':
            return mdm_top_broken(r, "a DOCTYPE with an internal subset");

        case '<':
            return mdm_top_broken(r, "a bad DOCTYPE");

        default:
            break;
        }
    }

    return mdm_top_broken(r, "the XML ends within its DOCTYPE");
}


/*
 * The next key of a dictionary, its text as it came, and the start of its
 * value; at the end of the dictionary the tag is that end.
 */

static mdm_int_t
mdm_top_pair(mdm_top_read_t *r, mdm_str_t *key, mdm_top_tag_t *tag)
{
    mdm_int_t  rc;

    rc = mdm_top_tag(r, tag);
    if (rc != MDM_OK) {
        return rc;
    }

    if (tag->kind == MDM_XML_CLOSE) {

        if (mdm_str_is(&tag->name, "dict")) {
            return MDM_OK;
        }

        return mdm_top_broken(r, "an end tag without its start tag");
    }

    if (!mdm_str_is(&tag->name, "key")) {
        return mdm_top_broken(r, "a value without a key");
    }

    rc = mdm_top_end(r, tag, key);

    if (rc == MDM_OK) {
        rc = mdm_top_tag(r, tag);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (tag->kind == MDM_XML_CLOSE) {
        return mdm_top_broken(r, "a key without a value");
    }

    if (mdm_str_is(&tag->name, "key")) {
        return mdm_top_broken(r, "a key where a value is due");
    }

    return MDM_OK;
}


/* the value of key i, or of one that nobody asks for: i is r->n */

static mdm_int_t
mdm_top_value(mdm_top_read_t *r, mdm_top_tag_t *tag, mdm_uint_t i)
{
    mdm_int_t         rc;
    mdm_str_t         contents;
    mdm_top_type_e    type;
    mdm_top_value_t  *value;

    if (i == r->n || r->values[i].count++ != 0) {
        return mdm_top_end(r, tag, &contents);
    }

    value = &r->values[i];
    type = mdm_top_type(&tag->name);

    if (type == MDM_TOP_DICT && r->keys[i].members
        && tag->kind == MDM_XML_OPEN)
    {
        rc = mdm_top_members(r, i);

    } else {
        rc = mdm_top_end(r, tag, &contents);

        if (rc == MDM_OK) {
            rc = mdm_top_scalar(r, tag, &contents, r->keys[i].max, value);
        }
    }

    if (rc == MDM_OK) {

        if (value->type == MDM_TOP_NONE) {
            value->type = type;
        }

        value->slice.data = (u_char *) tag->start;
        value->slice.len = (size_t) (r->p - tag->start);
    }

    return rc;
}


static mdm_int_t
mdm_top_members(mdm_top_read_t *r, mdm_uint_t key)
{
    mdm_int_t      rc;
    mdm_str_t      name, contents;
    mdm_top_tag_t  tag;

    for ( ;; ) {
        rc = mdm_top_pair(r, &name, &tag);

        if (rc != MDM_OK || tag.kind == MDM_XML_CLOSE) {
            return rc;
        }

        rc = mdm_top_end(r, &tag, &contents);

        if (rc == MDM_OK && mdm_top_more(r)) {
            rc = mdm_top_member_read(r, key, &name, &tag, &contents);
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }
}


static mdm_int_t
mdm_top_member_read(mdm_top_read_t *r, mdm_uint_t key, const mdm_str_t *name,
    const mdm_top_tag_t *tag, mdm_str_t *contents)
{
    mdm_int_t        rc;
    mdm_str_t        text;
    mdm_top_value_t  value;

    memset(&value, 0, sizeof(mdm_top_value_t));

    /* too long in any case: an entity has ten bytes, and makes a character */

    if (name->len > 10 * MDM_TOP_NAME_MAX
        || contents->len > 10 * MDM_TOP_TEXT_MAX)
    {
        return MDM_OK;
    }

    rc = mdm_top_text(r, name, &text);

    if (rc == MDM_OK && text.len <= MDM_TOP_NAME_MAX) {
        rc = mdm_top_scalar(r, tag, contents, MDM_TOP_TEXT_MAX, &value);
    }

    if (rc == MDM_OK) {
        rc = mdm_top_add(r, key, &text, &value);
    }

    return (rc == MDM_ERROR) ? MDM_ERROR : MDM_OK;
}


/*
 * The next tag; text before it, comments and the like are passed over.  Tags
 * are short, so their bytes are looked at one by one.
 */

static mdm_int_t
mdm_top_tag(mdm_top_read_t *r, mdm_top_tag_t *tag)
{
    u_char         c;
    mdm_int_t      rc;
    const u_char  *p, *last;

    last = r->last;

    for ( ;; ) {
        p = (r->p == last) ? NULL : memchr(r->p, '<', (size_t) (last - r->p));

        if (p == NULL || last - p < 3) {
            return mdm_top_broken(r, "the XML is cut off");
        }

        tag->start = p;
        tag->kind = MDM_XML_OPEN;

        c = *++p;

        if (c == '!' || c == '?') {
            rc = mdm_top_skip(r, tag->start);
            if (rc != MDM_OK) {
                return rc;
            }

            continue;
        }

        if (c == '/') {
            tag->kind = MDM_XML_CLOSE;
            c = *++p;
        }

        if (mdm_top_is_name(c)) {
            break;
        }

        /* a "<" in a text that should have been escaped */

        r->p = p;
    }

    tag->name.data = (u_char *) p;

    while (p < last && mdm_top_is_lower(*p)) {
        p++;
    }

    tag->name.len = (size_t) (p - tag->name.data);

    if (p < last && *p == '>') {
        r->p = p + 1;
        return MDM_OK;
    }

    if (last - p >= 2 && p[0] == '/' && p[1] == '>'
        && tag->kind == MDM_XML_OPEN)
    {
        tag->kind = MDM_XML_EMPTY;
        r->p = p + 2;
        return MDM_OK;
    }

    return mdm_top_attributes(r, p, tag);
}


/* goes to the end of a tag */

static mdm_int_t
mdm_top_attributes(mdm_top_read_t *r, const u_char *p, mdm_top_tag_t *tag)
{
    for ( /* void */ ; p < r->last; p++) {

        switch (*p) {

        case '>':
            r->p = p + 1;

            if (p[-1] == '/' && tag->kind == MDM_XML_OPEN) {
                tag->kind = MDM_XML_EMPTY;
            }

            /* the name of another element may begin with one of ours */

            if (!mdm_xml_is_space(tag->name.data[tag->name.len])) {
                tag->name.len = 0;
            }

            return MDM_OK;

        case '"':
        case '\'':
            p = memchr(p + 1, *p, (size_t) (r->last - p - 1));

            if (p == NULL) {
                return mdm_top_broken(r, "the XML ends within a tag");
            }

            break;

        case '<':
            return mdm_top_broken(r, "a bad tag");

        default:
            break;
        }
    }

    return mdm_top_broken(r, "the XML ends within a tag");
}


/* a comment, a CDATA section or an instruction */

static mdm_int_t
mdm_top_skip(mdm_top_read_t *r, const u_char *p)
{
    size_t         n;
    const char    *end;
    const u_char  *last;

    last = r->last;

    if (p[1] == '?') {
        p += 2;
        end = "?>";
        n = 2;

    } else if (last - p >= 4 && memcmp(p, "<!--", 4) == 0) {
        p += 4;
        end = "-->";
        n = 3;

    } else if (last - p >= 9 && memcmp(p, "<![CDATA[", 9) == 0) {
        p += 9;
        end = "]]>";
        n = 3;

    } else {
        return mdm_top_broken(r, "a declaration within the XML");
    }

    p = mdm_xml_find(p, last, end, n);

    if (p == NULL) {
        return mdm_top_broken(r, "the XML ends within a comment, a CDATA "
                              "section or an instruction");
    }

    r->p = p + n;

    return MDM_OK;
}


/* passes over an element with its end tag; usual tags are told at sight */

static mdm_int_t
mdm_top_end(mdm_top_read_t *r, const mdm_top_tag_t *tag, mdm_str_t *contents)
{
    size_t          depth;
    mdm_int_t       rc;
    const u_char   *p, *q, *last;
    mdm_top_tag_t   next;

    contents->data = (u_char *) r->p;
    contents->len = 0;

    if (tag->kind == MDM_XML_EMPTY) {
        return MDM_OK;
    }

    last = r->last;

    for (depth = 1; depth != 0; /* void */ ) {
        p = (r->p == last) ? NULL : memchr(r->p, '<', (size_t) (last - r->p));

        if (p == NULL || last - p < 3) {
            return mdm_top_broken(r, "the XML is cut off");
        }

        r->p = p;

        q = p + 1 + (p[1] == '/');

        if (mdm_top_is_lower(*q) && (p[1] != '/' || depth > 1)) {

            while (q < last && mdm_top_is_lower(*q)) {
                q++;
            }

            if (q < last && *q == '>') {
                r->p = q + 1;
                depth = (p[1] == '/') ? depth - 1 : depth + 1;
                continue;
            }

            if (last - q >= 2 && q[0] == '/' && q[1] == '>' && p[1] != '/') {
                r->p = q + 2;
                continue;
            }
        }

        rc = mdm_top_tag(r, &next);
        if (rc != MDM_OK) {
            return rc;
        }

        if (next.kind == MDM_XML_OPEN) {
            depth++;

        } else if (next.kind == MDM_XML_CLOSE) {
            depth--;
        }
    }

    if (!mdm_str_eq(&next.name, &tag->name)) {
        return mdm_top_broken(r, "an end tag without its start tag");
    }

    contents->len = (size_t) (next.start - contents->data);

    return MDM_OK;
}


/* the index of a key that is asked for; what cannot be read is none */

static mdm_uint_t
mdm_top_lookup(mdm_top_read_t *r, const mdm_str_t *raw)
{
    u_char      scratch[MDM_TOP_SCRATCH + MDM_TOP_MARKER], *buf;
    mdm_str_t   text;
    mdm_uint_t  i;

    if (memchr(raw->data, '&', raw->len) == NULL
        && memchr(raw->data, '<', raw->len) == NULL)
    {
        return mdm_top_find(r, raw->data, raw->len);
    }

    buf = scratch;

    if (raw->len > MDM_TOP_SCRATCH) {
        buf = malloc(raw->len + MDM_TOP_MARKER);

        if (buf == NULL) {
            return r->n;
        }
    }

    i = r->n;

    if (mdm_top_decode(buf, raw, &text) == MDM_OK) {
        i = mdm_top_find(r, text.data, text.len);
    }

    if (buf != scratch) {
        free(buf);
    }

    return i;
}


/* sets the type and the text of what is a scalar; else the type stays NONE */

static mdm_int_t
mdm_top_scalar(mdm_top_read_t *r, const mdm_top_tag_t *tag,
    const mdm_str_t *contents, size_t max, mdm_top_value_t *value)
{
    mdm_int_t  rc;

    switch (mdm_top_type(&tag->name)) {

    case MDM_TOP_STRING:
        rc = mdm_top_text(r, contents, &value->text);

        if (rc == MDM_ERROR) {
            return MDM_ERROR;
        }

        value->type = MDM_TOP_STRING;

        if (rc == MDM_DECLINED || value->text.len > max) {
            value->type = MDM_TOP_BAD;
            mdm_str_null(&value->text);
        }

        return MDM_OK;

    case MDM_TOP_BOOL:
        value->type = MDM_TOP_BOOL;
        value->text = tag->name;
        return MDM_OK;

    case MDM_TOP_INTEGER:
    case MDM_TOP_REAL:
        return mdm_top_figure(r, tag, contents, value);

    default:
        return MDM_OK;
    }
}


/* decoded, without a copy if there is nothing to decode */

static mdm_int_t
mdm_top_text(mdm_top_read_t *r, const mdm_str_t *raw, mdm_str_t *text)
{
    u_char  *buf;

    if (raw->len == 0
        || (memchr(raw->data, '&', raw->len) == NULL
            && memchr(raw->data, '<', raw->len) == NULL))
    {
        *text = *raw;
        return mdm_utf8_valid(text) ? MDM_OK : MDM_DECLINED;
    }

    buf = mdm_arena_alloc(r->arena, raw->len + MDM_TOP_MARKER);
    if (buf == NULL) {
        return MDM_ERROR;
    }

    return mdm_top_decode(buf, raw, text);
}


/* the guarded reader decodes it; an end tag follows "raw" */

static mdm_int_t
mdm_top_decode(u_char *buf, const mdm_str_t *raw, mdm_str_t *text)
{
    mdm_xml_t      x;
    mdm_xml_tag_t  tag;

    tag.name = MDM_XML_STRING;
    tag.kind = MDM_XML_OPEN;

    x.p = raw->data;
    x.last = raw->data + raw->len + 1;     /* the "<" of the end tag */
    x.out = buf;
    x.cost = 0;
    x.why = NULL;

    /* this fails behind the text, as the rest of the end tag is not given */

    (void) mdm_xml_string(&x, &tag);

    if (x.out == buf || x.p != raw->data + raw->len + 1) {
        return MDM_DECLINED;
    }

    text->data = buf + (((buf[0] & 0x0f) == 0x0f) ? 6 : 1);
    text->len = (size_t) (x.out - text->data);

    return mdm_utf8_valid(text) ? MDM_OK : MDM_DECLINED;
}


static mdm_int_t
mdm_top_figure(mdm_top_read_t *r, const mdm_top_tag_t *tag,
    const mdm_str_t *contents, mdm_top_value_t *value)
{
    u_char         object[32];
    mdm_int_t      rc;
    mdm_xml_t      x;
    mdm_xml_tag_t  xml;

    xml.kind = tag->kind;

    x.p = contents->data;
    x.last = r->p;
    x.out = object;
    x.nodes = 0;
    x.max_nodes = 1;

    if (tag->name.data[0] == 'i') {
        xml.name = MDM_XML_INTEGER;
        rc = mdm_xml_integer(&x, &xml);

    } else {
        xml.name = MDM_XML_REAL;
        rc = mdm_xml_real(&x, &xml);
    }

    if (rc != MDM_OK) {
        value->type = MDM_TOP_BAD;
        return MDM_OK;
    }

    return mdm_top_number(r->arena, object, value);
}


static mdm_top_type_e
mdm_top_type(const mdm_str_t *name)
{
    size_t  i;

    static const struct {
        const char      *name;
        mdm_top_type_e   type;
    } types[] = {
        { "string", MDM_TOP_STRING },
        { "dict", MDM_TOP_DICT },
        { "array", MDM_TOP_ARRAY },
        { "true", MDM_TOP_BOOL },
        { "false", MDM_TOP_BOOL },
        { "integer", MDM_TOP_INTEGER },
        { "real", MDM_TOP_REAL },
        { "data", MDM_TOP_DATA },
        { "date", MDM_TOP_DATE }
    };

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (mdm_str_is(name, types[i].name)) {
            return types[i].type;
        }
    }

    return MDM_TOP_OTHER;
}
