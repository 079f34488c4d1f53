
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The check of a binary plist.  libplist expands every reference into a node
 * of its own, so the cost of an object is that of its members each time they
 * are referenced.  Costs are computed once an object, and the walk stops as
 * soon as one of them is over a limit.
 */


#include <stdlib.h>

#include "mdm_plist_guard.h"


#define MDM_BPLIST_HEADER     8            /* "bplist00" */
#define MDM_BPLIST_TRAILER    32

/* memory that shared references may take, beside 16 times the input */

#define MDM_BPLIST_REPEAT     (16 * 1024 * 1024)


typedef enum {
    MDM_BPLIST_NEW = 0,
    MDM_BPLIST_OPEN,             /* on the way from the root */
    MDM_BPLIST_STRING,
    MDM_BPLIST_SCALAR,
    MDM_BPLIST_CONTAINER
} mdm_bplist_kind_e;


/* what is known of an object */

typedef struct {
    uint64_t                  cost;        /* memory in libplist */
    uint64_t                  hash;        /* of a string */
    uint32_t                  nodes;       /* expanded */
    uint16_t                  height;      /* containers, itself included */
    uint16_t                  kind;
} mdm_bplist_object_t;


/* a container on the way from the root */

typedef struct {
    mdm_bplist_object_t      *object;
    const u_char             *refs;
    uint32_t                  next;
    uint32_t                  count;       /* references: dict has keys, too */
    uint32_t                  keys;        /* of these */
} mdm_bplist_frame_t;


typedef struct {
    const u_char             *data;
    uint64_t                  table;       /* offset of the offset table */
    uint64_t                  nobjects;
    uint64_t                  root;
    uint64_t                  max_cost;
    uint64_t                  max_nodes;
    uint64_t                  max_depth;
    uint64_t                  refs;        /* references seen so far */
    uint64_t                  scanned;     /* bytes of strings so far */
    size_t                    offset_size;
    size_t                    ref_size;
    mdm_bplist_object_t      *objects;
    mdm_bplist_frame_t       *frames;
    mdm_uint_t                depth;
    const char               *why;
} mdm_bplist_t;


static mdm_int_t mdm_bplist_trailer(mdm_bplist_t *b, const mdm_str_t *in);
static mdm_int_t mdm_bplist_walk(mdm_bplist_t *b);
static mdm_int_t mdm_bplist_member(mdm_bplist_t *b, mdm_bplist_frame_t *f,
    uint64_t *index);
static mdm_int_t mdm_bplist_add(mdm_bplist_t *b, mdm_bplist_frame_t *f,
    const mdm_bplist_object_t *child);
static mdm_int_t mdm_bplist_object(mdm_bplist_t *b, uint64_t index);
static mdm_int_t mdm_bplist_number(mdm_bplist_t *b, mdm_bplist_object_t *o,
    const u_char *p, uint64_t left);
static mdm_int_t mdm_bplist_date(mdm_bplist_t *b, const u_char *p);
static mdm_int_t mdm_bplist_text(mdm_bplist_t *b, mdm_bplist_object_t *o,
    u_char type, const u_char *p, uint64_t count, uint64_t left);
static mdm_int_t mdm_bplist_utf16(mdm_bplist_t *b, mdm_bplist_object_t *o,
    const u_char *p, uint64_t count);
static mdm_int_t mdm_bplist_open(mdm_bplist_t *b, mdm_bplist_object_t *o,
    u_char type, const u_char *p, uint64_t count, uint64_t left);
static mdm_int_t mdm_bplist_keys(mdm_bplist_t *b, mdm_bplist_frame_t *f);
static uint64_t mdm_bplist_offset(const mdm_bplist_t *b, uint64_t index);
static uint64_t mdm_bplist_uint(const u_char *p, size_t n);
static mdm_int_t mdm_bplist_refuse(mdm_bplist_t *b, const char *why);


mdm_int_t
mdm_plist_binary(const mdm_str_t *in, const mdm_limits_t *limits,
    const char **why)
{
    mdm_int_t     rc;
    mdm_uint_t    depth;
    mdm_bplist_t  b;

    memset(&b, 0, sizeof(mdm_bplist_t));

    depth = (limits->depth < MDM_PLIST_DEPTH_MAX) ? limits->depth
                                                  : MDM_PLIST_DEPTH_MAX;

    b.max_depth = depth;
    b.max_nodes = (limits->nodes < UINT32_MAX / 2) ? limits->nodes
                                                   : UINT32_MAX / 2;

    /* no more than 16 times the input, nor more than can be copied fast */

    b.max_cost = 2 * (uint64_t) in->len + b.max_nodes * 2 * MDM_PLIST_NODE
                 + MDM_BPLIST_REPEAT;

    if (b.max_cost > 16 * (uint64_t) in->len + MDM_PLIST_SPARE) {
        b.max_cost = 16 * (uint64_t) in->len + MDM_PLIST_SPARE;
    }

    rc = mdm_bplist_trailer(&b, in);

    if (rc == MDM_OK) {
        b.objects = calloc(b.nobjects, sizeof(mdm_bplist_object_t));
        b.frames = malloc((depth + 1) * sizeof(mdm_bplist_frame_t));

        if (b.objects == NULL || b.frames == NULL) {
            b.why = "no memory to check the plist";
            rc = MDM_ERROR;

        } else {
            rc = mdm_bplist_walk(&b);
        }

        free(b.frames);
        free(b.objects);
    }

    if (rc != MDM_OK) {
        *why = b.why;
    }

    return rc;
}


static mdm_int_t
mdm_bplist_trailer(mdm_bplist_t *b, const mdm_str_t *in)
{
    const u_char  *t;

    if (in->len > INT32_MAX) {
        return mdm_bplist_refuse(b, "plist too large");
    }

    if (in->len < MDM_BPLIST_HEADER + 1 + 1 + MDM_BPLIST_TRAILER) {
        return mdm_bplist_refuse(b, "binary plist too short");
    }

    if (memcmp(in->data, "bplist00", MDM_BPLIST_HEADER) != 0) {
        return mdm_bplist_refuse(b, "unknown version of binary plist");
    }

    t = in->data + in->len - MDM_BPLIST_TRAILER;

    b->data = in->data;
    b->offset_size = t[6];
    b->ref_size = t[7];
    b->nobjects = mdm_bplist_uint(&t[8], 8);
    b->root = mdm_bplist_uint(&t[16], 8);
    b->table = mdm_bplist_uint(&t[24], 8);

    if (b->offset_size < 1 || b->offset_size > 8
        || b->ref_size < 1 || b->ref_size > 8)
    {
        return mdm_bplist_refuse(b, "bad sizes in the binary plist's trailer");
    }

    if (b->table <= MDM_BPLIST_HEADER
        || b->table >= in->len - MDM_BPLIST_TRAILER)
    {
        return mdm_bplist_refuse(b, "bad offset table in the binary plist");
    }

    if (b->nobjects == 0
        || b->nobjects > (in->len - MDM_BPLIST_TRAILER - b->table)
                         / b->offset_size)
    {
        return mdm_bplist_refuse(b, "bad object count in the binary plist");
    }

    if (b->nobjects > b->max_nodes
        || b->nobjects * sizeof(mdm_bplist_object_t) > b->max_cost)
    {
        return mdm_bplist_refuse(b, "too many objects in the binary plist");
    }

    if (b->root >= b->nobjects) {
        return mdm_bplist_refuse(b, "bad root object in the binary plist");
    }

    return MDM_OK;
}


/* goes depth first, without recursion, and looks into an object only once */

static mdm_int_t
mdm_bplist_walk(mdm_bplist_t *b)
{
    uint64_t              index;
    mdm_int_t             rc;
    mdm_bplist_frame_t   *f;
    mdm_bplist_object_t  *o;

    rc = mdm_bplist_object(b, b->root);
    if (rc != MDM_OK) {
        return rc;
    }

    if ((b->data[mdm_bplist_offset(b, b->root)] & 0xf0) != 0xd0) {
        return mdm_bplist_refuse(b, "the plist is not a dictionary");
    }

    while (b->depth != 0) {
        f = &b->frames[b->depth - 1];

        if (f->next == f->count) {
            rc = mdm_bplist_keys(b, f);
            if (rc != MDM_OK) {
                return rc;
            }

            f->object->kind = MDM_BPLIST_CONTAINER;
            b->depth--;

            if (b->depth != 0) {
                rc = mdm_bplist_add(b, f - 1, f->object);
                if (rc != MDM_OK) {
                    return rc;
                }
            }

            continue;
        }

        rc = mdm_bplist_member(b, f, &index);
        if (rc != MDM_OK) {
            return rc;
        }

        o = &b->objects[index];

        if (o->kind == MDM_BPLIST_NEW) {
            rc = mdm_bplist_object(b, index);
            if (rc != MDM_OK) {
                return rc;
            }
        }

        if (f->next < f->keys && o->kind != MDM_BPLIST_STRING) {
            return mdm_bplist_refuse(b, "a key that is not a string");
        }

        f->next++;

        if (o->kind == MDM_BPLIST_OPEN) {

            if (f == &b->frames[b->depth - 1]) {
                return mdm_bplist_refuse(b, "an object contains itself");
            }

            /* a new frame: f gets its sum when that is done */

            continue;
        }

        rc = mdm_bplist_add(b, f, o);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_bplist_member(mdm_bplist_t *b, mdm_bplist_frame_t *f, uint64_t *index)
{
    *index = mdm_bplist_uint(f->refs + f->next * b->ref_size, b->ref_size);

    if (*index >= b->nobjects) {
        return mdm_bplist_refuse(b, "a reference to no object");
    }

    return MDM_OK;
}


/* adds a finished member to its container */

static mdm_int_t
mdm_bplist_add(mdm_bplist_t *b, mdm_bplist_frame_t *f,
    const mdm_bplist_object_t *child)
{
    mdm_bplist_object_t  *o;

    o = f->object;

    /* none of these can overflow: both sides are within the limits */

    o->nodes += child->nodes;
    o->cost += child->cost;

    if (o->height <= child->height) {
        o->height = (uint16_t) (child->height + 1);
    }

    if (o->nodes > b->max_nodes) {
        return mdm_bplist_refuse(b, "too many values in the plist");
    }

    if (o->cost > b->max_cost) {
        return mdm_bplist_refuse(b, "the plist expands to too many bytes");
    }

    if ((uint64_t) (f - b->frames) + o->height > b->max_depth) {
        return mdm_bplist_refuse(b, "the plist is nested too deep");
    }

    return MDM_OK;
}


/* looks into an object; a container is left open on the way */

static mdm_int_t
mdm_bplist_object(mdm_bplist_t *b, uint64_t index)
{
    u_char                type, low;
    size_t                n;
    uint64_t              offset, left, count;
    const u_char         *p;
    mdm_bplist_object_t  *o;

    o = &b->objects[index];
    o->nodes = 1;
    o->cost = MDM_PLIST_NODE;
    o->kind = MDM_BPLIST_SCALAR;

    offset = mdm_bplist_offset(b, index);

    if (offset < MDM_BPLIST_HEADER || offset >= b->table) {
        return mdm_bplist_refuse(b, "an object outside of the binary plist");
    }

    p = b->data + offset;
    left = b->table - offset - 1;
    type = *p & 0xf0;
    low = *p & 0x0f;

    switch (type) {

    case 0x00:

        if (low == 8 || low == 9) {
            return MDM_OK;
        }

        return mdm_bplist_refuse(b, "an unknown object in the binary plist");

    case 0x10:
    case 0x20:
    case 0x30:
    case 0x80:
        return mdm_bplist_number(b, o, p, left);

    case 0x40:
    case 0x50:
    case 0x60:
    case 0xa0:
    case 0xd0:
        break;

    default:
        return mdm_bplist_refuse(b, "an unknown object in the binary plist");
    }

    p++;
    count = low;

    if (low == 0x0f) {

        if (left == 0 || *p < 0x10 || *p > 0x13) {
            return mdm_bplist_refuse(b, "a bad count in the binary plist");
        }

        n = (size_t) 1 << (*p & 0x0f);

        if (left < 1 + n) {
            return mdm_bplist_refuse(b, "a bad count in the binary plist");
        }

        count = mdm_bplist_uint(p + 1, n);
        p += 1 + n;
        left -= 1 + n;
    }

    if (type == 0xa0 || type == 0xd0) {
        return mdm_bplist_open(b, o, type, p, count, left);
    }

    return mdm_bplist_text(b, o, type, p, count, left);
}


static mdm_int_t
mdm_bplist_number(mdm_bplist_t *b, mdm_bplist_object_t *o, const u_char *p,
    uint64_t left)
{
    u_char  type, low;
    size_t  n;

    type = *p & 0xf0;
    low = *p & 0x0f;
    p++;

    switch (type) {

    case 0x10:
        n = (size_t) 1 << low;

        if (n > 16 || left < n) {
            return mdm_bplist_refuse(b, "a bad integer in the binary plist");
        }

        /* libplist looks at the lower half only */

        if (n == 16 && mdm_bplist_uint(p, 8) != 0) {
            return mdm_bplist_refuse(b, "an integer out of range");
        }

        break;

    case 0x20:
        n = (size_t) 1 << low;

        if ((n != 4 && n != 8) || left < n) {
            return mdm_bplist_refuse(b, "a bad real in the binary plist");
        }

        break;

    case 0x30:

        if (low != 3 || left < 8) {
            return mdm_bplist_refuse(b, "a bad date in the binary plist");
        }

        return mdm_bplist_date(b, p);

    default: /* 0x80, a UID */
        n = (size_t) low + 1;

        if (n > 8 || left < n || mdm_bplist_uint(p, n) > UINT32_MAX) {
            return mdm_bplist_refuse(b, "a bad UID in the binary plist");
        }

        /* becomes a dictionary when written as XML */

        o->nodes = 3;

        break;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_bplist_date(mdm_bplist_t *b, const u_char *p)
{
    double    seconds;
    uint64_t  bits;

    bits = mdm_bplist_uint(p, 8);
    memcpy(&seconds, &bits, sizeof(double));

    /* with a NaN both comparisons are false */

    if (seconds >= (double) MDM_PLIST_DATE_MIN
        && seconds <= (double) MDM_PLIST_DATE_MAX)
    {
        return MDM_OK;
    }

    return mdm_bplist_refuse(b, "a date out of range");
}


static mdm_int_t
mdm_bplist_text(mdm_bplist_t *b, mdm_bplist_object_t *o, u_char type,
    const u_char *p, uint64_t count, uint64_t left)
{
    mdm_str_t  s;

    if (type == 0x60 ? (count > left / 2 || count == 0) : count > left) {
        return mdm_bplist_refuse(b, "bad string or data in the binary plist");
    }

    /* objects may overlap, so what is read of them is limited, too */

    b->scanned += (type == 0x60) ? 2 * count : count;

    if (b->scanned > b->max_cost) {
        return mdm_bplist_refuse(b, "the plist expands to too many bytes");
    }

    if (type == 0x40) {
        o->cost += mdm_plist_chunk(count);
        return MDM_OK;
    }

    o->kind = MDM_BPLIST_STRING;

    if (type == 0x60) {
        return mdm_bplist_utf16(b, o, p, count);
    }

    /* ASCII by its definition, but libplist takes the bytes as they are */

    s.len = (size_t) count;
    s.data = (u_char *) p;

    if (mdm_utf8_valid(&s) == 0) {
        return mdm_bplist_refuse(b, "a string that is not valid UTF-8");
    }

    o->cost += mdm_plist_chunk(count);
    o->hash = mdm_plist_hash(MDM_PLIST_HASH, p, (size_t) count);

    return MDM_OK;
}


static mdm_int_t
mdm_bplist_utf16(mdm_bplist_t *b, mdm_bplist_object_t *o, const u_char *p,
    uint64_t count)
{
    size_t         n;
    u_char         utf8[4];
    uint32_t       c, low;
    const u_char  *last;

    o->cost += mdm_plist_chunk(4 * count);
    o->hash = MDM_PLIST_HASH;

    last = p + 2 * count;

    while (p < last) {
        c = (uint32_t) (p[0] << 8 | p[1]);
        p += 2;

        if (c >= 0xd800 && c <= 0xdfff) {

            low = (p < last) ? (uint32_t) (p[0] << 8 | p[1]) : 0;

            if (c >= 0xdc00 || low < 0xdc00 || low > 0xdfff) {
                return mdm_bplist_refuse(b, "a string that is not valid "
                                            "UTF-16");
            }

            c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
            p += 2;
        }

        if (c == 0) {
            return mdm_bplist_refuse(b, "a string with a NUL");
        }

        n = mdm_plist_utf8(utf8, c);
        o->hash = mdm_plist_hash(o->hash, utf8, n);
    }

    return MDM_OK;
}


static mdm_int_t
mdm_bplist_open(mdm_bplist_t *b, mdm_bplist_object_t *o, u_char type,
    const u_char *p, uint64_t count, uint64_t left)
{
    uint64_t             refs;
    mdm_bplist_frame_t  *f;

    /* the count may be huge: divide, do not multiply */

    refs = left / b->ref_size;

    if (count > refs || (type == 0xd0 && count > refs / 2)) {
        return mdm_bplist_refuse(b, "a bad count in the binary plist");
    }

    refs = (type == 0xd0) ? 2 * count : count;

    /* each makes at least one node; containers may overlap: count them all */

    b->refs += refs;

    if (b->refs > b->max_nodes) {
        return mdm_bplist_refuse(b, "too many values in the plist");
    }

    if (b->depth >= b->max_depth) {
        return mdm_bplist_refuse(b, "the plist is nested too deep");
    }

    f = &b->frames[b->depth++];

    f->object = o;
    f->refs = p;
    f->next = 0;
    f->count = (uint32_t) refs;
    f->keys = (type == 0xd0) ? (uint32_t) count : 0;

    o->kind = MDM_BPLIST_OPEN;
    o->height = 1;

    if (refs != 0) {
        o->cost += MDM_PLIST_LIST;
    }

    return MDM_OK;
}


/* a dictionary's keys must differ */

static mdm_int_t
mdm_bplist_keys(mdm_bplist_t *b, mdm_bplist_frame_t *f)
{
    uint32_t   i, n;
    uint64_t   index, few[32], *hash;
    mdm_int_t  rc;

    n = f->keys;

    if (n < 2) {
        return MDM_OK;
    }

    hash = few;

    if (n > sizeof(few) / sizeof(few[0])) {
        hash = malloc(n * sizeof(uint64_t));

        if (hash == NULL) {
            b->why = "no memory to check the plist";
            return MDM_ERROR;
        }
    }

    for (i = 0; i < n; i++) {
        index = mdm_bplist_uint(f->refs + i * b->ref_size, b->ref_size);
        hash[i] = b->objects[index].hash;
    }

    rc = mdm_plist_unique(hash, n);

    if (hash != few) {
        free(hash);
    }

    if (rc != MDM_OK) {
        return mdm_bplist_refuse(b, "the same key twice in a dictionary");
    }

    return MDM_OK;
}


static uint64_t
mdm_bplist_offset(const mdm_bplist_t *b, uint64_t index)
{
    return mdm_bplist_uint(b->data + b->table + index * b->offset_size,
                           b->offset_size);
}


static uint64_t
mdm_bplist_uint(const u_char *p, size_t n)
{
    uint64_t  value;

    value = 0;

    while (n-- != 0) {
        value = value << 8 | *p++;
    }

    return value;
}


static mdm_int_t
mdm_bplist_refuse(mdm_bplist_t *b, const char *why)
{
    b->why = why;

    return MDM_DECLINED;
}
