
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The scanner of XML plists: tags, what may stand between them, and how the
 * objects that are read get written.
 */


#include "mdm_plist_xml.h"


static mdm_int_t mdm_xml_name(const u_char *p, size_t n,
    mdm_xml_name_e *name);
static mdm_int_t mdm_xml_attributes(mdm_xml_t *x, mdm_xml_tag_t *tag);


void
mdm_xml_space(mdm_xml_t *x)
{
    while (x->p < x->last && mdm_xml_is_space(*x->p)) {
        x->p++;
    }
}


mdm_int_t
mdm_xml_skip(mdm_xml_t *x)
{
    const u_char  *p;

    for ( ;; ) {
        mdm_xml_space(x);

        if (x->last - x->p < 2 || x->p[0] != '<') {
            return MDM_OK;
        }

        if (x->p[1] == '?') {
            p = mdm_xml_find(x->p + 2, x->last, "?>", 2);

            if (p == NULL) {
                return mdm_xml_refuse(x, "the XML ends within an instruction");
            }

            x->p = p + 2;

        } else if (x->last - x->p >= 4 && memcmp(x->p, "<!--", 4) == 0) {
            p = mdm_xml_find(x->p + 4, x->last, "-->", 3);

            if (p == NULL) {
                return mdm_xml_refuse(x, "the XML ends within a comment");
            }

            x->p = p + 3;

        } else {
            return MDM_OK;
        }
    }
}


mdm_int_t
mdm_xml_next(mdm_xml_t *x, mdm_xml_tag_t *tag)
{
    mdm_int_t  rc;

    rc = mdm_xml_skip(x);
    if (rc != MDM_OK) {
        return rc;
    }

    return mdm_xml_tag(x, tag);
}


mdm_int_t
mdm_xml_tag(mdm_xml_t *x, mdm_xml_tag_t *tag)
{
    const u_char  *p, *name;

    p = x->p;

    if (p == x->last) {
        return mdm_xml_refuse(x, "the XML is cut off");
    }

    if (*p++ != '<') {
        return mdm_xml_refuse(x, "text where a tag is due");
    }

    tag->kind = MDM_XML_OPEN;

    if (p < x->last && *p == '/') {
        tag->kind = MDM_XML_CLOSE;
        p++;
    }

    name = p;

    while (p < x->last && *p >= 'a' && *p <= 'z') {
        p++;
    }

    x->p = p;

    if (p == x->last) {
        return mdm_xml_refuse(x, "the XML ends within a tag");
    }

    if (mdm_xml_name(name, (size_t) (p - name), &tag->name) != MDM_OK) {
        return mdm_xml_refuse(x, "an element that plists do not have");
    }

    if (*p == '>') {
        x->p = p + 1;
        return MDM_OK;
    }

    if (*p == '/' && x->last - p >= 2 && p[1] == '>'
        && tag->kind == MDM_XML_OPEN)
    {
        tag->kind = MDM_XML_EMPTY;
        x->p = p + 2;
        return MDM_OK;
    }

    return mdm_xml_attributes(x, tag);
}


static mdm_int_t
mdm_xml_name(const u_char *p, size_t n, mdm_xml_name_e *name)
{
    mdm_xml_name_e  i, last;

    static const char  names[][8] = {
        "key", "dict", "data", "date", "real", "true", "array", "false",
        "plist", "string", "integer"
    };

    switch (n) {

    case 3:
        i = last = MDM_XML_KEY;
        break;

    case 4:
        i = MDM_XML_DICT;
        last = MDM_XML_TRUE;
        break;

    case 5:
        i = MDM_XML_ARRAY;
        last = MDM_XML_PLIST;
        break;

    case 6:
        i = last = MDM_XML_STRING;
        break;

    case 7:
        i = last = MDM_XML_INTEGER;
        break;

    default:
        return MDM_DECLINED;
    }

    for ( /* void */ ; i <= last; i++) {
        if (memcmp(p, names[i], n) == 0) {
            *name = i;
            return MDM_OK;
        }
    }

    return MDM_DECLINED;
}


/* attributes are of no interest, but the end of the tag is behind them */

static mdm_int_t
mdm_xml_attributes(mdm_xml_t *x, mdm_xml_tag_t *tag)
{
    const u_char  *p;

    p = x->p;

    if (!mdm_xml_is_space(*p)) {
        return mdm_xml_refuse(x, "an element that plists do not have");
    }

    for ( /* void */ ; p < x->last; p++) {

        switch (*p) {

        case '>':
            x->p = p + 1;

            if (p[-1] != '/') {
                return MDM_OK;
            }

            if (tag->kind != MDM_XML_OPEN) {
                return mdm_xml_refuse(x, "a bad tag");
            }

            tag->kind = MDM_XML_EMPTY;
            return MDM_OK;

        case '"':
        case '\'':
            p = memchr(p + 1, *p, (size_t) (x->last - p - 1));

            if (p == NULL) {
                return mdm_xml_refuse(x, "the XML ends within a tag");
            }

            break;

        case '<':
            return mdm_xml_refuse(x, "a bad tag");

        default:
            break;
        }
    }

    return mdm_xml_refuse(x, "the XML ends within a tag");
}


/*
 * Looks for the last byte of the text, in a loop over bytes: a call of memchr()
 * for each byte that may begin it would be slow on hostile input.
 */

const u_char *
mdm_xml_find(const u_char *p, const u_char *last, const char *text, size_t n)
{
    u_char  c, before;

    if (last - p < (ptrdiff_t) n) {
        return NULL;
    }

    c = (u_char) text[n - 1];
    before = (u_char) text[n - 2];

    for (p += n - 1; p < last; p++) {
        if (*p == c && p[-1] == before
            && memcmp(p - (n - 1), text, n) == 0)
        {
            return p - (n - 1);
        }
    }

    return NULL;
}


/* a new object begins here; its reference goes to the open container */

void
mdm_xml_object(mdm_xml_t *x)
{
    x->offsets[x->nobjects] = (uint32_t) (x->out - x->start);
    x->refs[x->nrefs++] = x->nobjects++;
}


/* the marker with a count: 1 or 6 bytes */

void
mdm_xml_count(mdm_xml_t *x, u_char type, size_t n)
{
    if (n < 15) {
        *x->out++ = (u_char) (type | n);
        return;
    }

    *x->out++ = (u_char) (type | 0x0f);
    *x->out++ = 0x12;
    mdm_xml_uint32(x, (uint32_t) n);
}


void
mdm_xml_uint32(mdm_xml_t *x, uint32_t n)
{
    *x->out++ = (u_char) (n >> 24);
    *x->out++ = (u_char) (n >> 16);
    *x->out++ = (u_char) (n >> 8);
    *x->out++ = (u_char) n;
}
