
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The top level of a binary plist: the offsets of one dictionary, its keys,
 * and the objects that are asked for.  No other object is looked at.
 */


#include "mdm_plist_top_read.h"


#define MDM_TOP_HEADER        8            /* "bplist00" */
#define MDM_TOP_TRAILER       32


typedef struct {
    const u_char             *data;
    uint64_t                  table;       /* offset of the offset table */
    uint64_t                  nobjects;
    uint64_t                  root;
    size_t                    offset_size;
    size_t                    ref_size;
} mdm_top_plist_t;


/* an object with a count: text, data or a container */

typedef struct {
    u_char                    type;        /* the upper half of its marker */
    const u_char             *start;       /* the marker */
    const u_char             *p;           /* what follows the count */
    uint64_t                  count;
    uint64_t                  left;        /* bytes from p on */
} mdm_top_object_t;


static const char *mdm_top_trailer(mdm_top_plist_t *b, const mdm_str_t *in);
static mdm_int_t mdm_top_dict(mdm_top_read_t *r, const mdm_top_plist_t *b,
    const mdm_top_object_t *dict);
static mdm_int_t mdm_top_dict_members(mdm_top_read_t *r,
    const mdm_top_plist_t *b, const mdm_top_object_t *dict, mdm_uint_t key);
static mdm_uint_t mdm_top_is_dict(const mdm_top_plist_t *b,
    const mdm_top_object_t *o);
static uint64_t mdm_top_ref(const mdm_top_plist_t *b,
    const mdm_top_object_t *dict, uint64_t i);
static mdm_int_t mdm_top_object(const mdm_top_plist_t *b, uint64_t index,
    mdm_top_object_t *o);
static mdm_int_t mdm_top_read_object(mdm_top_read_t *r,
    const mdm_top_object_t *o, size_t max, mdm_top_value_t *value);
static mdm_int_t mdm_top_figure(mdm_top_read_t *r, const mdm_top_object_t *o,
    mdm_top_value_t *value);
static mdm_int_t mdm_top_text(mdm_arena_t *arena, const mdm_top_object_t *o,
    size_t max, mdm_str_t *text);
static mdm_int_t mdm_top_utf16(mdm_arena_t *arena, const mdm_top_object_t *o,
    mdm_str_t *text);
static mdm_uint_t mdm_top_key_find(const mdm_top_read_t *r,
    const mdm_top_object_t *o);
static uint64_t mdm_top_bytes(const u_char *p, size_t n);
static u_char *mdm_top_put(u_char *p, uint64_t value, size_t n);


mdm_int_t
mdm_top_binary(mdm_top_read_t *r)
{
    const char        *why;
    mdm_top_object_t   dict;
    mdm_top_plist_t    b;

    why = mdm_top_trailer(&b, r->in);

    if (why != NULL) {
        return mdm_top_broken(r, why);
    }

    if (mdm_top_object(&b, b.root, &dict) != MDM_OK
        || !mdm_top_is_dict(&b, &dict))
    {
        return mdm_top_broken(r, "the plist is not a dictionary");
    }

    return mdm_top_dict(r, &b, &dict);
}


/* NULL: it is well */

static const char *
mdm_top_trailer(mdm_top_plist_t *b, const mdm_str_t *in)
{
    const u_char  *t;

    if (in->len < MDM_TOP_HEADER + 1 + 1 + MDM_TOP_TRAILER) {
        return "binary plist too short";
    }

    if (memcmp(in->data, "bplist00", MDM_TOP_HEADER) != 0) {
        return "unknown version of binary plist";
    }

    t = in->data + in->len - MDM_TOP_TRAILER;

    b->data = in->data;
    b->offset_size = t[6];
    b->ref_size = t[7];
    b->nobjects = mdm_top_bytes(&t[8], 8);
    b->root = mdm_top_bytes(&t[16], 8);
    b->table = mdm_top_bytes(&t[24], 8);

    if (b->offset_size < 1 || b->offset_size > 8
        || b->ref_size < 1 || b->ref_size > 8)
    {
        return "bad sizes in the binary plist's trailer";
    }

    if (b->table <= MDM_TOP_HEADER || b->table >= in->len - MDM_TOP_TRAILER) {
        return "bad offset table in the binary plist";
    }

    if (b->nobjects > (in->len - MDM_TOP_TRAILER - b->table)
                      / b->offset_size)
    {
        return "bad object count in the binary plist";
    }

    return NULL;
}


static mdm_int_t
mdm_top_dict(mdm_top_read_t *r, const mdm_top_plist_t *b,
    const mdm_top_object_t *dict)
{
    uint64_t           i;
    mdm_int_t          rc;
    mdm_uint_t         k;
    mdm_top_value_t   *value;
    mdm_top_object_t   o;

    for (i = 0; i < dict->count; i++) {

        if (mdm_top_object(b, mdm_top_ref(b, dict, i), &o) != MDM_OK) {
            continue;
        }

        k = mdm_top_key_find(r, &o);

        if (k == r->n || r->values[k].count++ != 0) {
            continue;
        }

        value = &r->values[k];
        value->object = mdm_top_ref(b, dict, dict->count + i);
        value->type = MDM_TOP_OTHER;

        if (mdm_top_object(b, value->object, &o) != MDM_OK) {
            continue;
        }

        rc = mdm_top_read_object(r, &o, r->keys[k].max, value);

        if (rc == MDM_OK && r->keys[k].members && mdm_top_is_dict(b, &o)) {
            rc = mdm_top_dict_members(r, b, &o, k);
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_top_dict_members(mdm_top_read_t *r, const mdm_top_plist_t *b,
    const mdm_top_object_t *dict, mdm_uint_t key)
{
    uint64_t          i;
    mdm_int_t         rc;
    mdm_str_t         name;
    mdm_top_value_t   value;
    mdm_top_object_t  o;

    for (i = 0; i < dict->count && mdm_top_more(r); i++) {

        if (mdm_top_object(b, mdm_top_ref(b, dict, i), &o) != MDM_OK) {
            continue;
        }

        rc = mdm_top_text(r->arena, &o, MDM_TOP_NAME_MAX, &name);

        if (rc == MDM_OK
            && mdm_top_object(b, mdm_top_ref(b, dict, dict->count + i), &o)
               == MDM_OK)
        {
            memset(&value, 0, sizeof(mdm_top_value_t));

            rc = mdm_top_read_object(r, &o, MDM_TOP_TEXT_MAX, &value);

            if (rc == MDM_OK) {
                rc = mdm_top_add(r, key, &name, &value);
            }
        }

        if (rc == MDM_ERROR) {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


/* is it a dictionary whose references are all there? */

static mdm_uint_t
mdm_top_is_dict(const mdm_top_plist_t *b, const mdm_top_object_t *o)
{
    return o->type == 0xd0 && o->count <= o->left / b->ref_size / 2;
}


static uint64_t
mdm_top_ref(const mdm_top_plist_t *b, const mdm_top_object_t *dict,
    uint64_t i)
{
    return mdm_top_bytes(dict->p + i * b->ref_size, b->ref_size);
}


/* MDM_DECLINED: there is none, or its count is not whole */

static mdm_int_t
mdm_top_object(const mdm_top_plist_t *b, uint64_t index, mdm_top_object_t *o)
{
    size_t         n;
    uint64_t       offset;
    const u_char  *p;

    if (index >= b->nobjects) {
        return MDM_DECLINED;
    }

    offset = mdm_top_bytes(b->data + b->table + index * b->offset_size,
                           b->offset_size);

    if (offset < MDM_TOP_HEADER || offset >= b->table) {
        return MDM_DECLINED;
    }

    p = b->data + offset;

    o->start = p;
    o->type = *p & 0xf0;
    o->count = *p & 0x0f;
    o->left = b->table - offset - 1;

    p++;

    if (o->type >= 0x40 && o->type != 0x80 && o->count == 0x0f) {

        if (o->left == 0 || *p < 0x10 || *p > 0x13) {
            return MDM_DECLINED;
        }

        n = (size_t) 1 << (*p & 0x0f);

        if (o->left < 1 + n) {
            return MDM_DECLINED;
        }

        o->count = mdm_top_bytes(p + 1, n);
        o->left -= 1 + n;
        p += 1 + n;
    }

    o->p = p;

    return MDM_OK;
}


static mdm_int_t
mdm_top_read_object(mdm_top_read_t *r, const mdm_top_object_t *o, size_t max,
    mdm_top_value_t *value)
{
    mdm_int_t  rc;

    value->type = MDM_TOP_OTHER;

    switch (o->type) {

    case 0x00:

        if (o->count == 8 || o->count == 9) {
            value->type = MDM_TOP_BOOL;

            if (o->count == 9) {
                mdm_str_set(&value->text, "true");

            } else {
                mdm_str_set(&value->text, "false");
            }
        }

        return MDM_OK;

    case 0x10:
    case 0x20:
        return mdm_top_figure(r, o, value);

    case 0x30:
        value->type = MDM_TOP_DATE;
        return MDM_OK;

    case 0x40:
        value->type = MDM_TOP_DATA;
        return MDM_OK;

    case 0x50:
    case 0x60:
        value->type = MDM_TOP_STRING;

        rc = mdm_top_text(r->arena, o, max, &value->text);

        if (rc == MDM_DECLINED) {
            value->type = MDM_TOP_BAD;
            rc = MDM_OK;
        }

        return rc;

    case 0xa0:
        value->type = MDM_TOP_ARRAY;
        return MDM_OK;

    case 0xd0:
        value->type = MDM_TOP_DICT;
        return MDM_OK;

    default:
        return MDM_OK;
    }
}


static mdm_int_t
mdm_top_figure(mdm_top_read_t *r, const mdm_top_object_t *o,
    mdm_top_value_t *value)
{
    size_t  n;

    n = (size_t) 1 << o->count;

    if (n > o->left || n > 16 || (o->type == 0x20 && n != 4 && n != 8)) {
        value->type = MDM_TOP_BAD;
        return MDM_OK;
    }

    return mdm_top_number(r->arena, o->start, value);
}


/* MDM_DECLINED: not a string, not readable, or longer than "max" */

static mdm_int_t
mdm_top_text(mdm_arena_t *arena, const mdm_top_object_t *o, size_t max,
    mdm_str_t *text)
{
    /* a unit of UTF-16 is at least a byte of UTF-8 */

    if (o->count > max) {
        return MDM_DECLINED;
    }

    switch (o->type) {

    case 0x50:

        if (o->count > o->left) {
            return MDM_DECLINED;
        }

        text->data = (u_char *) o->p;
        text->len = (size_t) o->count;

        return mdm_utf8_valid(text) ? MDM_OK : MDM_DECLINED;

    case 0x60:

        if (o->count > o->left / 2
            || mdm_top_utf16(arena, o, text) == MDM_DECLINED)
        {
            return MDM_DECLINED;
        }

        if (text->data == NULL) {
            return MDM_ERROR;
        }

        return (text->len <= max) ? MDM_OK : MDM_DECLINED;

    default:
        return MDM_DECLINED;
    }
}


/* MDM_OK, with data NULL for lack of memory, or MDM_DECLINED */

static mdm_int_t
mdm_top_utf16(mdm_arena_t *arena, const mdm_top_object_t *o, mdm_str_t *text)
{
    u_char        *dst;
    uint32_t       c, low;
    const u_char  *p, *last;

    dst = mdm_arena_alloc(arena, 3 * (size_t) o->count);

    text->data = dst;
    text->len = 0;

    if (dst == NULL) {
        return MDM_OK;
    }

    p = o->p;
    last = p + 2 * o->count;

    while (p < last) {
        c = (uint32_t) (p[0] << 8 | p[1]);
        p += 2;

        if (c >= 0xd800 && c <= 0xdfff) {

            low = (p < last) ? (uint32_t) (p[0] << 8 | p[1]) : 0;

            if (c >= 0xdc00 || low < 0xdc00 || low > 0xdfff) {
                return MDM_DECLINED;
            }

            c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
            p += 2;
        }

        if (c == 0) {
            return MDM_DECLINED;
        }

        dst += mdm_plist_utf8(dst, c);
    }

    text->len = (size_t) (dst - text->data);

    return MDM_OK;
}


/* the keys that are asked for are ASCII, in whatever way they are written */

static mdm_uint_t
mdm_top_key_find(const mdm_top_read_t *r, const mdm_top_object_t *o)
{
    size_t  i;
    u_char  name[MDM_TOP_NAME_MAX];

    if (o->type == 0x50) {
        return (o->count <= o->left)
               ? mdm_top_find(r, o->p, (size_t) o->count) : r->n;
    }

    if (o->type != 0x60 || o->count == 0 || o->count > o->left / 2
        || o->count > MDM_TOP_NAME_MAX)
    {
        return r->n;
    }

    for (i = 0; i < o->count; i++) {

        if (o->p[2 * i] != 0 || o->p[2 * i + 1] >= 0x80) {
            return r->n;
        }

        name[i] = o->p[2 * i + 1];
    }

    return mdm_top_find(r, name, i);
}


static uint64_t
mdm_top_bytes(const u_char *p, size_t n)
{
    uint64_t  value;

    value = 0;

    while (n-- != 0) {
        value = value << 8 | *p++;
    }

    return value;
}


/*
 * All objects as they are, and behind them a key, "v", and the dictionary;
 * the table is written anew.
 */

mdm_int_t
mdm_top_binary_one(mdm_arena_t *arena, const mdm_str_t *in, uint64_t object,
    mdm_str_t *out, const char **why)
{
    size_t            objects;
    u_char           *p, *table;
    uint64_t          i, n, offset;
    mdm_top_plist_t   b;

    *why = mdm_top_trailer(&b, in);

    if (*why != NULL) {
        return MDM_DECLINED;
    }

    n = b.nobjects + 2;

    if (object >= b.nobjects
        || (b.ref_size < 8 && n > (uint64_t) 1 << (8 * b.ref_size)))
    {
        *why = "too many objects in the binary plist";
        return MDM_DECLINED;
    }

    objects = (size_t) b.table + 3 + 2 * b.ref_size;

    out->len = objects + (size_t) n * 8 + MDM_TOP_TRAILER;
    out->data = mdm_arena_alloc(arena, out->len);

    if (out->data == NULL) {
        *why = "no memory to read the value";
        return MDM_ERROR;
    }

    memcpy(out->data, b.data, (size_t) b.table);

    p = out->data + b.table;

    *p++ = 0x51;
    *p++ = 'v';
    *p++ = 0xd1;
    p = mdm_top_put(p, n - 2, b.ref_size);
    p = mdm_top_put(p, object, b.ref_size);

    table = p;

    for (i = 0; i < b.nobjects; i++) {
        offset = mdm_top_bytes(b.data + b.table + i * b.offset_size,
                               b.offset_size);

        /* an offset that leads to no object must not lead to one now */

        if (offset >= b.table) {
            offset = 0;
        }

        p = mdm_top_put(p, offset, 8);
    }

    p = mdm_top_put(p, b.table, 8);
    p = mdm_top_put(p, b.table + 2, 8);

    memset(p, 0, 6);
    p += 6;

    *p++ = 8;
    *p++ = (u_char) b.ref_size;
    p = mdm_top_put(p, n, 8);
    p = mdm_top_put(p, n - 1, 8);
    (void) mdm_top_put(p, (uint64_t) (table - out->data), 8);

    return MDM_OK;
}


static u_char *
mdm_top_put(u_char *p, uint64_t value, size_t n)
{
    size_t  i;

    for (i = n; i != 0; i--) {
        p[i - 1] = (u_char) value;
        value >>= 8;
    }

    return p + n;
}
