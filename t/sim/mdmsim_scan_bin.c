
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The same for a command that comes as a binary property list.
 */


#include "mdmsim_plist.h"


#define SIM_SCAN_OBJECTS  1000000


typedef struct {
    const uint8_t            *data;
    uint64_t                  table;
    uint64_t                  count;
    unsigned                  width;
    unsigned                  ref;
} sim_bplist_t;


typedef struct {
    unsigned                  type;
    uint64_t                  count;
    uint64_t                  pos;             /* of the content */
} sim_object_t;


static uint64_t sim_be(const uint8_t *p, unsigned n);
static int sim_object(const sim_bplist_t *b, uint64_t n, sim_object_t *o);
static int sim_lookup(const sim_bplist_t *b, const sim_object_t *dict,
    const char *key, sim_object_t *value);
static int sim_object_string(const sim_bplist_t *b, const sim_object_t *o,
    sim_buf_t *text);


static uint64_t
sim_be(const uint8_t *p, unsigned n)
{
    uint64_t  x;

    for (x = 0; n != 0; n--) {
        x = x << 8 | *p++;
    }

    return x;
}


/* object "n": its type, how much it holds, and where; all within the file */

static int
sim_object(const sim_bplist_t *b, uint64_t n, sim_object_t *o)
{
    unsigned  width, low;
    uint64_t  pos, bytes, unit;

    if (n >= b->count) {
        return SIM_ERROR;
    }

    pos = sim_be(b->data + b->table + n * b->width, b->width);
    if (pos < 8 || pos >= b->table) {
        return SIM_ERROR;
    }

    o->type = b->data[pos] >> 4;
    low = b->data[pos] & 15;
    pos++;

    o->count = low;

    switch (o->type) {

    case 0x4:
    case 0x5:
    case 0x7:
        unit = 1;
        break;

    case 0x6:
        unit = 2;
        break;

    case 0xa:
        unit = b->ref;
        break;

    case 0xd:
        unit = 2 * b->ref;
        break;

    default:
        o->pos = pos;
        o->count = 0;
        return SIM_OK;
    }

    if (low == 15) {
        if (pos >= b->table || b->data[pos] >> 4 != 1
            || (b->data[pos] & 15) > 3)
        {
            return SIM_ERROR;
        }

        width = 1U << (b->data[pos] & 15);
        pos++;

        if (width > b->table - pos) {
            return SIM_ERROR;
        }

        o->count = sim_be(b->data + pos, width);
        pos += width;
    }

    if (o->count > b->table) {
        return SIM_ERROR;
    }

    bytes = o->count * unit;
    if (bytes > b->table - pos) {
        return SIM_ERROR;
    }

    o->pos = pos;

    return SIM_OK;
}


/* SIM_AGAIN: the dictionary has no such key */

static int
sim_lookup(const sim_bplist_t *b, const sim_object_t *dict, const char *key,
    sim_object_t *value)
{
    uint64_t       i, n;
    sim_object_t   o;

    if (dict->type != 0xd) {
        return SIM_ERROR;
    }

    for (i = 0; i < dict->count; i++) {
        n = sim_be(b->data + dict->pos + i * b->ref, b->ref);

        if (sim_object(b, n, &o) != SIM_OK) {
            return SIM_ERROR;
        }

        if (o.type == 0x5 && o.count == strlen(key)
            && memcmp(b->data + o.pos, key, o.count) == 0)
        {
            n = sim_be(b->data + dict->pos + (dict->count + i) * b->ref,
                       b->ref);
            return sim_object(b, n, value);
        }
    }

    return SIM_AGAIN;
}


static int
sim_object_string(const sim_bplist_t *b, const sim_object_t *o,
    sim_buf_t *text)
{
    uint64_t  i;
    uint32_t  c, d;

    text->len = 0;
    sim_buf_add(text, "", 0);

    if (o->count > SIM_MAX_UUID) {
        return SIM_ERROR;
    }

    if (o->type == 0x5) {
        sim_buf_add(text, b->data + o->pos, o->count);
        return memchr(text->data, '\0', text->len) == NULL ? SIM_OK
                                                           : SIM_ERROR;
    }

    if (o->type != 0x6) {
        return SIM_ERROR;
    }

    for (i = 0; i < o->count; i++) {
        c = (uint32_t) sim_be(b->data + o->pos + 2 * i, 2);

        if (c >= 0xd800 && c <= 0xdbff && i + 1 < o->count) {
            i++;
            d = (uint32_t) sim_be(b->data + o->pos + 2 * i, 2);
            if (d < 0xdc00 || d > 0xdfff) {
                return SIM_ERROR;
            }

            c = 0x10000 + ((c - 0xd800) << 10) + (d - 0xdc00);
        }

        if (sim_scan_utf8(text, c) != SIM_OK) {
            return SIM_ERROR;
        }
    }

    return SIM_OK;
}


int
sim_scan_binary(const char *data, size_t len, sim_command_t *cmd)
{
    int             rc;
    uint64_t        i, n, top;
    sim_buf_t       text;
    sim_object_t    root, command, o, item;
    sim_bplist_t    b;
    const uint8_t  *trailer;

    if (len < 8 + 32) {
        return SIM_ERROR;
    }

    b.data = (const uint8_t *) data;
    trailer = b.data + len - 32;
    b.width = trailer[6];
    b.ref = trailer[7];
    b.count = sim_be(trailer + 8, 8);
    top = sim_be(trailer + 16, 8);
    b.table = sim_be(trailer + 24, 8);

    if (b.width < 1 || b.width > 8 || b.ref < 1 || b.ref > 8
        || b.count > SIM_SCAN_OBJECTS || b.table < 9 || b.table > len - 32
        || b.count * b.width > len - 32 - b.table)
    {
        return SIM_ERROR;
    }

    memset(&text, 0, sizeof(sim_buf_t));
    rc = SIM_ERROR;

    if (sim_object(&b, top, &root) != SIM_OK
        || sim_lookup(&b, &root, "CommandUUID", &o) != SIM_OK
        || sim_object_string(&b, &o, &text) != SIM_OK
        || sim_scan_keep(&cmd->uuid, &text) != SIM_OK
        || sim_lookup(&b, &root, "Command", &command) != SIM_OK
        || sim_lookup(&b, &command, "RequestType", &o) != SIM_OK
        || sim_object_string(&b, &o, &text) != SIM_OK
        || sim_scan_keep(&cmd->type, &text) != SIM_OK)
    {
        goto done;
    }

    rc = sim_lookup(&b, &command, "Data", &o);
    if (rc == SIM_OK && o.type == 0x4) {
        sim_buf_add(&cmd->data, b.data + o.pos, o.count);

    } else if (rc != SIM_AGAIN) {
        rc = SIM_ERROR;
        goto done;
    }

    rc = sim_lookup(&b, &command, "Queries", &o);
    if (rc == SIM_AGAIN) {
        rc = SIM_OK;
        goto done;
    }

    if (rc != SIM_OK || o.type != 0xa) {
        rc = SIM_ERROR;
        goto done;
    }

    for (i = 0; i < o.count; i++) {
        n = sim_be(b.data + o.pos + i * b.ref, b.ref);

        if (sim_object(&b, n, &item) != SIM_OK
            || sim_object_string(&b, &item, &text) != SIM_OK
            || sim_scan_query(cmd, &text) != SIM_OK)
        {
            rc = SIM_ERROR;
            goto done;
        }
    }

done:

    sim_buf_free(&text);

    return rc;
}
