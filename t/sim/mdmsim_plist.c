
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Writes a property list, XML at once or binary (bplist00) at the end.
 */


#include "mdmsim_plist.h"

#include <stdlib.h>
#include <time.h>


#define SIM_APPLE_EPOCH  978307200     /* 2001-01-01 in Unix seconds */
#define SIM_NO_NODE      UINT32_MAX


typedef enum {
    SIM_N_DICT = 0,
    SIM_N_ARRAY,
    SIM_N_STRING,
    SIM_N_DATA,
    SIM_N_INT,
    SIM_N_REAL,
    SIM_N_BOOL,
    SIM_N_DATE
} sim_node_e;


static uint32_t sim_node(sim_plist_t *w, sim_node_e type);
static void sim_node_text(sim_plist_t *w, uint32_t n, const void *s,
    size_t len);
static void sim_container(sim_plist_t *w, sim_node_e type, const char *tag);
static void sim_indent(sim_plist_t *w);
static void sim_escape(sim_buf_t *b, const char *s, size_t len);
static void sim_put_be(sim_buf_t *b, uint64_t n, unsigned bytes);
static void sim_put_head(sim_buf_t *b, unsigned type, size_t count);
static void sim_put_int(sim_buf_t *b, int64_t n);
static void sim_put_real(sim_buf_t *b, unsigned type, double n);
static void sim_put_string(sim_buf_t *b, const char *s, size_t len);
static unsigned sim_width(uint64_t n);
static void sim_binary(sim_plist_t *w);


void
sim_plist_begin(sim_plist_t *w, sim_buf_t *out, int binary)
{
    out->len = 0;

    w->out = out;
    w->binary = binary;
    w->depth = 0;
    w->nnodes = 0;
    w->text.len = 0;

    if (!binary) {
        sim_buf_str(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\""
            " \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
            "<plist version=\"1.0\">\n");
    }

    sim_plist_dict(w);
}


void
sim_plist_finish(sim_plist_t *w)
{
    while (w->depth != 0) {
        sim_plist_end(w);
    }

    if (w->binary) {
        sim_binary(w);
        return;
    }

    sim_buf_str(w->out, "</plist>\n");
}


void
sim_plist_free(sim_plist_t *w)
{
    free(w->nodes);
    w->nodes = NULL;
    w->size = 0;
    sim_buf_free(&w->text);
}


/* adds a node, in the order of the document, to the open container */

static uint32_t
sim_node(sim_plist_t *w, sim_node_e type)
{
    uint32_t     n;
    sim_node_t  *parent;

    if (w->nnodes == w->size) {
        w->size = w->size == 0 ? 64 : w->size * 2;
        w->nodes = sim_realloc(w->nodes, w->size * sizeof(sim_node_t));
    }

    n = w->nnodes++;

    memset(&w->nodes[n], 0, sizeof(sim_node_t));
    w->nodes[n].type = (uint8_t) type;
    w->nodes[n].next = SIM_NO_NODE;
    w->nodes[n].first = SIM_NO_NODE;
    w->nodes[n].last = SIM_NO_NODE;

    if (w->depth != 0) {
        parent = &w->nodes[w->stack[w->depth - 1]];

        if (parent->first == SIM_NO_NODE) {
            parent->first = n;

        } else {
            w->nodes[parent->last].next = n;
        }

        parent->last = n;
        parent->count++;
    }

    return n;
}


static void
sim_node_text(sim_plist_t *w, uint32_t n, const void *s, size_t len)
{
    w->nodes[n].off = w->text.len;
    w->nodes[n].len = len;
    sim_buf_add(&w->text, s, len);
}


static void
sim_container(sim_plist_t *w, sim_node_e type, const char *tag)
{
    if (w->depth == sizeof(w->stack) / sizeof(w->stack[0])) {
        sim_die("plist too deep");
    }

    if (w->binary) {
        w->stack[w->depth] = sim_node(w, type);
        w->depth++;
        return;
    }

    sim_indent(w);
    sim_buf_str(w->out, tag);
    w->stack[w->depth++] = type;
}


void
sim_plist_dict(sim_plist_t *w)
{
    sim_container(w, SIM_N_DICT, "<dict>\n");
}


void
sim_plist_array(sim_plist_t *w)
{
    sim_container(w, SIM_N_ARRAY, "<array>\n");
}


void
sim_plist_end(sim_plist_t *w)
{
    if (w->depth == 0) {
        sim_die("plist not balanced");
    }

    w->depth--;

    if (!w->binary) {
        sim_indent(w);
        sim_buf_str(w->out, w->stack[w->depth] == SIM_N_DICT
                            ? "</dict>\n" : "</array>\n");
    }
}


static void
sim_indent(sim_plist_t *w)
{
    sim_buf_add(w->out, "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t", w->depth);
}


static void
sim_escape(sim_buf_t *b, const char *s, size_t len)
{
    size_t       i, start;
    const char  *entity;

    start = 0;

    for (i = 0; i < len; i++) {
        switch (s[i]) {

        case '<':
            entity = "&lt;";
            break;

        case '>':
            entity = "&gt;";
            break;

        case '&':
            entity = "&amp;";
            break;

        default:
            continue;
        }

        sim_buf_add(b, s + start, i - start);
        sim_buf_str(b, entity);
        start = i + 1;
    }

    sim_buf_add(b, s + start, len - start);
}


void
sim_plist_key(sim_plist_t *w, const char *key)
{
    if (w->binary) {
        sim_plist_string(w, key, strlen(key));
        return;
    }

    sim_indent(w);
    sim_buf_str(w->out, "<key>");
    sim_escape(w->out, key, strlen(key));
    sim_buf_str(w->out, "</key>\n");
}


void
sim_plist_string(sim_plist_t *w, const char *s, size_t len)
{
    if (w->binary) {
        sim_node_text(w, sim_node(w, SIM_N_STRING), s, len);
        return;
    }

    sim_indent(w);
    sim_buf_str(w->out, "<string>");
    sim_escape(w->out, s, len);
    sim_buf_str(w->out, "</string>\n");
}


void
sim_plist_data(sim_plist_t *w, const void *data, size_t len)
{
    size_t          n;
    const uint8_t  *p;

    if (w->binary) {
        sim_node_text(w, sim_node(w, SIM_N_DATA), data, len);
        return;
    }

    sim_indent(w);
    sim_buf_str(w->out, "<data>\n");

    for (p = data; len != 0; p += n, len -= n) {
        n = len < 48 ? len : 48;
        sim_indent(w);
        sim_buf_base64(w->out, p, n);
        sim_buf_str(w->out, "\n");
    }

    sim_indent(w);
    sim_buf_str(w->out, "</data>\n");
}


void
sim_plist_int(sim_plist_t *w, int64_t n)
{
    uint32_t  i;

    if (w->binary) {
        i = sim_node(w, SIM_N_INT);
        w->nodes[i].number = n;
        return;
    }

    sim_indent(w);
    sim_buf_printf(w->out, "<integer>%lld</integer>\n", (long long) n);
}


void
sim_plist_real(sim_plist_t *w, double n)
{
    uint32_t  i;

    if (w->binary) {
        i = sim_node(w, SIM_N_REAL);
        w->nodes[i].real = n;
        return;
    }

    sim_indent(w);
    sim_buf_printf(w->out, "<real>%.12g</real>\n", n);
}


void
sim_plist_bool(sim_plist_t *w, int n)
{
    uint32_t  i;

    if (w->binary) {
        i = sim_node(w, SIM_N_BOOL);
        w->nodes[i].number = n;
        return;
    }

    sim_indent(w);
    sim_buf_str(w->out, n ? "<true/>\n" : "<false/>\n");
}


void
sim_plist_date(sim_plist_t *w, int64_t unix_time)
{
    char       text[32];
    time_t     t;
    uint32_t   i;
    struct tm  tm;

    if (w->binary) {
        i = sim_node(w, SIM_N_DATE);
        w->nodes[i].real = (double) (unix_time - SIM_APPLE_EPOCH);
        return;
    }

    t = (time_t) unix_time;

    if (gmtime_r(&t, &tm) == NULL
        || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        sim_die("bad date %lld", (long long) unix_time);
    }

    sim_indent(w);
    sim_buf_printf(w->out, "<date>%s</date>\n", text);
}


void
sim_plist_kstr(sim_plist_t *w, const char *key, const char *value)
{
    sim_plist_key(w, key);
    sim_plist_string(w, value, strlen(value));
}


static void
sim_put_be(sim_buf_t *b, uint64_t n, unsigned bytes)
{
    uint8_t   text[8];
    unsigned  i;

    for (i = 0; i < bytes; i++) {
        text[i] = (uint8_t) (n >> (8 * (bytes - 1 - i)));
    }

    sim_buf_add(b, text, bytes);
}


static unsigned
sim_width(uint64_t n)
{
    if (n <= 0xff) {
        return 1;
    }

    if (n <= 0xffff) {
        return 2;
    }

    return n <= UINT32_MAX ? 4 : 8;
}


static void
sim_put_int(sim_buf_t *b, int64_t n)
{
    unsigned  i, width;

    width = n < 0 ? 8 : sim_width((uint64_t) n);

    for (i = 0; (1U << i) < width; i++) { /* void */ }

    sim_put_be(b, 0x10 | i, 1);
    sim_put_be(b, (uint64_t) n, width);
}


static void
sim_put_head(sim_buf_t *b, unsigned type, size_t count)
{
    if (count < 15) {
        sim_put_be(b, type | count, 1);
        return;
    }

    sim_put_be(b, type | 0x0f, 1);
    sim_put_int(b, (int64_t) count);
}


static void
sim_put_real(sim_buf_t *b, unsigned type, double n)
{
    uint64_t  bits;

    memcpy(&bits, &n, sizeof(bits));
    sim_put_be(b, type, 1);
    sim_put_be(b, bits, 8);
}


/* ASCII as it is, anything else as UTF-16; a byte that is not UTF-8 is "?" */

static void
sim_put_string(sim_buf_t *b, const char *s, size_t len)
{
    size_t          i, k, n, units;
    uint32_t        c;
    sim_buf_t       wide;
    const uint8_t  *p;

    p = (const uint8_t *) s;

    for (i = 0; i < len && p[i] < 0x80; i++) { /* void */ }

    if (i == len) {
        sim_put_head(b, 0x50, len);
        sim_buf_add(b, s, len);
        return;
    }

    memset(&wide, 0, sizeof(wide));
    units = 0;

    for (i = 0; i < len; i += n) {
        n = p[i] < 0x80 ? 1
            : p[i] >= 0xf0 ? 4
            : p[i] >= 0xe0 ? 3
            : p[i] >= 0xc0 ? 2 : 0;

        if (n == 0 || n > len - i) {
            c = '?';
            n = 1;

        } else {
            c = n == 1 ? p[i] : p[i] & (0xffU >> (n + 1));
            for (k = 1; k < n; k++) {
                c = c << 6 | (p[i + k] & 0x3f);
            }
        }

        if (c >= 0x10000 && c <= 0x10ffff) {
            c -= 0x10000;
            sim_put_be(&wide, 0xd800 | c >> 10, 2);
            sim_put_be(&wide, 0xdc00 | (c & 0x3ff), 2);
            units += 2;

        } else {
            sim_put_be(&wide, c < 0x10000 ? c : '?', 2);
            units++;
        }
    }

    sim_put_head(b, 0x60, units);
    sim_buf_add(b, wide.data, wide.len);
    sim_buf_free(&wide);
}


/* every node becomes one object with the number it has */

static void
sim_binary(sim_plist_t *w)
{
    size_t            table;
    unsigned          ref, width;
    uint32_t          i, n, pass;
    uint64_t         *offsets;
    sim_buf_t        *b;
    const char       *text;
    const sim_node_t *node;

    b = w->out;
    ref = sim_width(w->nnodes);
    offsets = sim_alloc(w->nnodes * sizeof(uint64_t));

    sim_buf_add(b, "bplist00", 8);

    for (i = 0; i < w->nnodes; i++) {
        node = &w->nodes[i];
        text = w->text.data == NULL ? "" : w->text.data + node->off;
        offsets[i] = b->len;

        switch (node->type) {

        case SIM_N_DICT:
            sim_put_head(b, 0xd0, node->count / 2);

            /* the keys, then the values */

            for (pass = 0; pass < 2; pass++) {
                n = node->first;
                if (pass == 1 && n != SIM_NO_NODE) {
                    n = w->nodes[n].next;
                }

                while (n != SIM_NO_NODE) {
                    sim_put_be(b, n, ref);
                    n = w->nodes[n].next;
                    if (n != SIM_NO_NODE) {
                        n = w->nodes[n].next;
                    }
                }
            }

            break;

        case SIM_N_ARRAY:
            sim_put_head(b, 0xa0, node->count);

            for (n = node->first; n != SIM_NO_NODE; n = w->nodes[n].next) {
                sim_put_be(b, n, ref);
            }

            break;

        case SIM_N_STRING:
            sim_put_string(b, text, node->len);
            break;

        case SIM_N_DATA:
            sim_put_head(b, 0x40, node->len);
            sim_buf_add(b, text, node->len);
            break;

        case SIM_N_INT:
            sim_put_int(b, node->number);
            break;

        case SIM_N_REAL:
            sim_put_real(b, 0x23, node->real);
            break;

        case SIM_N_BOOL:
            sim_put_be(b, node->number ? 9 : 8, 1);
            break;

        default: /* SIM_N_DATE */
            sim_put_real(b, 0x33, node->real);
            break;
        }
    }

    table = b->len;
    width = sim_width(table);

    for (i = 0; i < w->nnodes; i++) {
        sim_put_be(b, offsets[i], width);
    }

    free(offsets);

    /* the trailer; the top object is the first one */

    sim_put_be(b, 0, 6);
    sim_put_be(b, width, 1);
    sim_put_be(b, ref, 1);
    sim_put_be(b, w->nnodes, 8);
    sim_put_be(b, 0, 8);
    sim_put_be(b, table, 8);
}
