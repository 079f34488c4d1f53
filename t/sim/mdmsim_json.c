
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * JSON that a server sends: a tree in one array.  The server may be hostile:
 * what is not strictly JSON, or too deep, is an error.
 */


#include "mdmsim_json.h"
#include "mdmsim_plist.h"

#include <stdlib.h>


#define SIM_JSON_DEPTH  32


typedef struct {
    sim_json_t               *json;
    const char               *p;
    const char               *end;
    uint32_t                  depth;
} sim_jread_t;


static uint32_t sim_json_node(sim_json_t *j, sim_json_e type);
static void sim_json_space(sim_jread_t *r);
static uint32_t sim_json_value(sim_jread_t *r);
static uint32_t sim_json_container(sim_jread_t *r, sim_json_e type);
static int sim_json_text(sim_jread_t *r, size_t *off, size_t *len);
static int sim_json_escape(sim_jread_t *r);
static int sim_json_hex(sim_jread_t *r, uint32_t *c);
static uint32_t sim_json_number(sim_jread_t *r);
static uint32_t sim_json_word(sim_jread_t *r, const char *word,
    sim_json_e type);


static uint32_t
sim_json_node(sim_json_t *j, sim_json_e type)
{
    uint32_t  n;

    /* 0 is no node */

    if (j->nnodes == 0) {
        j->nnodes = 1;
    }

    if (j->nnodes >= j->size) {
        j->size = j->size == 0 ? 64 : j->size * 2;
        j->nodes = sim_realloc(j->nodes, j->size * sizeof(sim_jnode_t));
    }

    n = j->nnodes++;
    memset(&j->nodes[n], 0, sizeof(sim_jnode_t));
    j->nodes[n].type = type;

    return n;
}


static void
sim_json_space(sim_jread_t *r)
{
    while (r->p < r->end
           && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n'
               || *r->p == '\r'))
    {
        r->p++;
    }
}


int
sim_json_parse(sim_json_t *j, const char *data, size_t len)
{
    sim_jread_t  r;

    j->nnodes = 0;
    j->text.len = 0;

    r.json = j;
    r.p = data;
    r.end = data + len;
    r.depth = 0;

    j->root = sim_json_value(&r);
    sim_json_space(&r);

    if (j->root == 0 || r.p != r.end) {
        j->root = 0;
        return SIM_ERROR;
    }

    return SIM_OK;
}


void
sim_json_free(sim_json_t *j)
{
    sim_buf_free(&j->text);
    free(j->nodes);
    memset(j, 0, sizeof(sim_json_t));
}


/* 0: an error */

static uint32_t
sim_json_value(sim_jread_t *r)
{
    size_t    off, len;
    uint32_t  n;

    sim_json_space(r);

    if (r->p == r->end) {
        return 0;
    }

    switch (*r->p) {

    case '{':
        return sim_json_container(r, SIM_J_OBJECT);

    case '[':
        return sim_json_container(r, SIM_J_ARRAY);

    case '"':
        if (sim_json_text(r, &off, &len) != SIM_OK) {
            return 0;
        }

        n = sim_json_node(r->json, SIM_J_STRING);
        r->json->nodes[n].off = off;
        r->json->nodes[n].len = len;

        return n;

    case 't':
        return sim_json_word(r, "true", SIM_J_TRUE);

    case 'f':
        return sim_json_word(r, "false", SIM_J_FALSE);

    case 'n':
        return sim_json_word(r, "null", SIM_J_NULL);

    default:
        return sim_json_number(r);
    }
}


static uint32_t
sim_json_container(sim_jread_t *r, sim_json_e type)
{
    char      close;
    size_t    off, len;
    uint32_t  n, child, last;

    if (++r->depth > SIM_JSON_DEPTH) {
        return 0;
    }

    close = type == SIM_J_OBJECT ? '}' : ']';
    n = sim_json_node(r->json, type);
    last = 0;
    r->p++;

    sim_json_space(r);

    if (r->p < r->end && *r->p == close) {
        r->p++;
        r->depth--;
        return n;
    }

    for ( ;; ) {
        off = 0;
        len = 0;

        if (type == SIM_J_OBJECT) {
            sim_json_space(r);

            if (r->p == r->end || *r->p != '"'
                || sim_json_text(r, &off, &len) != SIM_OK)
            {
                return 0;
            }

            sim_json_space(r);

            if (r->p == r->end || *r->p++ != ':') {
                return 0;
            }
        }

        child = sim_json_value(r);
        if (child == 0) {
            return 0;
        }

        r->json->nodes[child].key = off;
        r->json->nodes[child].key_len = len;

        if (last == 0) {
            r->json->nodes[n].first = child;

        } else {
            r->json->nodes[last].next = child;
        }

        last = child;
        r->json->nodes[n].count++;

        sim_json_space(r);

        if (r->p == r->end) {
            return 0;
        }

        if (*r->p == close) {
            r->p++;
            r->depth--;
            return n;
        }

        if (*r->p++ != ',') {
            return 0;
        }
    }
}


/* NUL follows it in "text" */

static int
sim_json_text(sim_jread_t *r, size_t *off, size_t *len)
{
    sim_buf_t  *text;

    text = &r->json->text;
    *off = text->len;

    for (r->p++; r->p < r->end; /* void */ ) {

        if (*r->p == '"') {
            r->p++;
            *len = text->len - *off;
            sim_buf_add(text, "", 1);
            return SIM_OK;
        }

        if ((unsigned char) *r->p < 0x20) {
            return SIM_ERROR;
        }

        if (*r->p != '\\') {
            sim_buf_add(text, r->p++, 1);
            continue;
        }

        if (sim_json_escape(r) != SIM_OK) {
            return SIM_ERROR;
        }
    }

    return SIM_ERROR;
}


static int
sim_json_escape(sim_jread_t *r)
{
    uint32_t     c, low;
    const char  *at;

    static const char  from[] = "\"\\/bfnrt";
    static const char  to[] = "\"\\/\b\f\n\r\t";

    if (r->end - r->p < 2) {
        return SIM_ERROR;
    }

    r->p++;

    if (*r->p != 'u') {
        at = *r->p == '\0' ? NULL : strchr(from, *r->p);
        if (at == NULL) {
            return SIM_ERROR;
        }

        r->p++;
        sim_buf_add(&r->json->text, &to[at - from], 1);

        return SIM_OK;
    }

    if (sim_json_hex(r, &c) != SIM_OK) {
        return SIM_ERROR;
    }

    if (c >= 0xd800 && c < 0xdc00) {
        if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u') {
            return SIM_ERROR;
        }

        r->p++;

        if (sim_json_hex(r, &low) != SIM_OK || low < 0xdc00
            || low > 0xdfff)
        {
            return SIM_ERROR;
        }

        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }

    return c == 0 ? SIM_ERROR : sim_scan_utf8(&r->json->text, c);
}


/* r->p is at the "u" */

static int
sim_json_hex(sim_jread_t *r, uint32_t *c)
{
    int  i;

    r->p++;

    if (r->end - r->p < 4) {
        return SIM_ERROR;
    }

    *c = 0;

    for (i = 0; i < 4; i++, r->p++) {
        *c <<= 4;

        if (*r->p >= '0' && *r->p <= '9') {
            *c += (uint32_t) (*r->p - '0');

        } else if ((*r->p | 32) >= 'a' && (*r->p | 32) <= 'f') {
            *c += (uint32_t) ((*r->p | 32) - 'a' + 10);

        } else {
            return SIM_ERROR;
        }
    }

    return SIM_OK;
}


static uint32_t
sim_json_number(sim_jread_t *r)
{
    char      text[64], *stop;
    size_t    len;
    uint32_t  n;

    for (len = 0; r->p + len < r->end && len < sizeof(text) - 1; len++) {
        if (strchr("+-.0123456789eE", r->p[len]) == NULL
            || r->p[len] == '\0')
        {
            break;
        }

        text[len] = r->p[len];
    }

    text[len] = '\0';

    if (len == 0 || text[0] == '+' || text[0] == '.') {
        return 0;
    }

    n = sim_json_node(r->json, SIM_J_NUMBER);
    r->json->nodes[n].number = strtod(text, &stop);
    r->p += len;

    return *stop == '\0' ? n : 0;
}


static uint32_t
sim_json_word(sim_jread_t *r, const char *word, sim_json_e type)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (r->end - r->p) < len || memcmp(r->p, word, len) != 0) {
        return 0;
    }

    r->p += len;

    return sim_json_node(r->json, type);
}


uint32_t
sim_json_get(const sim_json_t *j, uint32_t node, const char *key)
{
    uint32_t  n;

    if (node == 0 || j->nodes[node].type != SIM_J_OBJECT) {
        return 0;
    }

    for (n = j->nodes[node].first; n != 0; n = j->nodes[n].next) {
        if (strcmp(j->text.data + j->nodes[n].key, key) == 0) {
            return n;
        }
    }

    return 0;
}


const char *
sim_json_string(const sim_json_t *j, uint32_t node)
{
    if (node == 0 || j->nodes[node].type != SIM_J_STRING) {
        return NULL;
    }

    return j->text.data + j->nodes[node].off;
}


void
sim_json_quote(sim_buf_t *b, const char *s)
{
    sim_buf_str(b, "\"");

    for ( /* void */ ; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\') {
            sim_buf_printf(b, "\\%c", *s);

        } else if ((unsigned char) *s < 0x20) {
            sim_buf_printf(b, "\\u%04x", (unsigned) *s);

        } else {
            sim_buf_add(b, s, 1);
        }
    }

    sim_buf_str(b, "\"");
}
