
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads JSON by jansson, after a check of the text.
 */


#include "mdm_json.h"
#include "mdm_quote.h"


/*
 * What jansson allocates, as malloc() rounds it: a container comes with a
 * table; a table that grows has the old one beside it for a while.
 */

#define MDM_JSON_ARRAY        128
#define MDM_JSON_OBJECT       248
#define MDM_JSON_STRING       72      /* without its bytes */
#define MDM_JSON_NUMBER       32
#define MDM_JSON_ELEMENT      24      /* a further element, or member */
#define MDM_JSON_PAIR         32      /* a member, beside its key */

/* memory that reading may take: so many times the text, and so much more */

#define MDM_JSON_TIMES        16
#define MDM_JSON_FREE         (1024 * 1024)
#define MDM_JSON_ITSELF       4096


/* what a scan of a text has found so far */

typedef struct {
    const mdm_limits_t  *limits;
    mdm_uint_t                 depth;
    mdm_uint_t                 nodes;
    uint64_t                   cost;       /* bytes */
    size_t                     longest;    /* string */
    mdm_uint_t                 scalar;     /* 1: inside a number or a word */
} mdm_json_look_t;


static mdm_json_scan_e mdm_json_mark(mdm_json_look_t *look, u_char c);
static const u_char *mdm_json_skip(mdm_json_look_t *look, const u_char *p,
    const u_char *last);
static mdm_int_t mdm_json_parse(mdm_arena_t *arena, const mdm_str_t *json,
    size_t flags, json_t **root, json_error_t *error);
static void mdm_json_free(void *data);


/*
 * Checks depth, number and cost of values before jansson sees them: it spends
 * some hundred bytes on a value of two bytes, and stack on each level.
 */

mdm_json_scan_e
mdm_json_scan(const mdm_str_t *json, const mdm_limits_t *limits)
{
    uint64_t          most;
    const u_char     *p, *last;
    mdm_json_scan_e   rc;
    mdm_json_look_t   look;

    memset(&look, 0, sizeof(mdm_json_look_t));

    look.limits = limits;
    look.cost = MDM_JSON_ITSELF;

    most = (uint64_t) json->len * MDM_JSON_TIMES + MDM_JSON_FREE;

    if (json->len == 0) {
        return MDM_JSON_OK;
    }

    p = json->data;
    last = p + json->len;

    while (p != last) {

        if (*p == '"') {
            p = mdm_json_skip(&look, p + 1, last);

        } else {
            rc = mdm_json_mark(&look, *p++);
            if (rc != MDM_JSON_OK) {
                return rc;
            }
        }

        /*
         * the buffer of a string grows to twice its size, with the old one
         * beside it
         */

        if (look.nodes > limits->nodes
            || look.cost + 3 * (uint64_t) look.longest > most)
        {
            return MDM_JSON_MANY;
        }
    }

    return MDM_JSON_OK;
}


/* looks at a byte outside of strings */

static mdm_json_scan_e
mdm_json_mark(mdm_json_look_t *look, u_char c)
{
    switch (c) {

    case '{':
    case '[':
        look->depth++;

        if (look->depth > look->limits->depth) {
            return MDM_JSON_DEEP;
        }

        look->nodes++;
        look->cost += (c == '{') ? MDM_JSON_OBJECT : MDM_JSON_ARRAY;
        break;

    case '}':
    case ']':
        look->depth -= (look->depth != 0);
        break;

    case ',':
        look->nodes++;
        look->cost += MDM_JSON_ELEMENT;
        break;

    case ':':
        look->nodes++;
        look->cost += MDM_JSON_PAIR;
        break;

    case ' ':
    case '\t':
    case '\r':
    case '\n':
        break;

    default:

        /* jansson has true, false and null only once */

        if (!look->scalar && (c == '-' || (c >= '0' && c <= '9'))) {
            look->cost += MDM_JSON_NUMBER;
        }

        look->scalar = 1;

        return MDM_JSON_OK;
    }

    look->scalar = 0;

    return MDM_JSON_OK;
}


/* passes over a string; returns what follows it */

static const u_char *
mdm_json_skip(mdm_json_look_t *look, const u_char *p, const u_char *last)
{
    size_t         len;
    const u_char  *start;

    look->scalar = 0;

    for (start = p; p != last && *p != '"'; p++) {

        if (*p != '\\') {
            continue;
        }

        p++;

        if (p == last) {
            break;
        }
    }

    len = (size_t) (p - start);

    look->cost += MDM_JSON_STRING + len;

    if (len > look->longest) {
        look->longest = len;
    }

    return (p != last) ? p + 1 : last;
}


mdm_uint_t
mdm_json_looks(const mdm_str_t *json)
{
    size_t  i;

    for (i = 0; i < json->len; i++) {

        if (json->data[i] != ' ' && json->data[i] != '\t'
            && json->data[i] != '\r' && json->data[i] != '\n')
        {
            return json->data[i] == '{';
        }
    }

    return 0;
}


mdm_int_t
mdm_json_read(mdm_arena_t *arena, const mdm_str_t *json, size_t flags,
    json_t **root, json_error_t *error)
{
    static const mdm_limits_t  most = { MDM_JSON_DEPTH,
                                              (mdm_uint_t) -1 };

    if (mdm_json_scan(json, &most) != MDM_JSON_OK) {
        memset(error, 0, sizeof(json_error_t));
        memcpy(error->text, "too many values", sizeof("too many values"));

        return MDM_DECLINED;
    }

    return mdm_json_parse(arena, json, flags, root, error);
}


/* the one place that calls json_loadb() */

static mdm_int_t
mdm_json_parse(mdm_arena_t *arena, const mdm_str_t *json, size_t flags,
    json_t **root, json_error_t *error)
{
    *root = json_loadb((const char *) json->data, json->len, flags, error);

    if (*root == NULL) {

        /* for lack of memory jansson has no text */

        return (error->text[0] == '\0') ? mdm_arena_no_memory(arena)
                                        : MDM_DECLINED;
    }

    return mdm_arena_defer(arena, mdm_json_free, *root);
}


static void
mdm_json_free(void *data)
{
    json_decref(data);
}


mdm_int_t
mdm_json_load(mdm_arena_t *arena, const mdm_str_t *json,
    const mdm_limits_t *limits, json_t **root, mdm_str_t *error)
{
    mdm_int_t            rc;
    json_error_t         je;
    mdm_quote_t   quote;

    if (json->len == 0) {
        mdm_str_set(error, MDM_JSON_EMPTY);
        return MDM_DECLINED;
    }

    switch (mdm_json_scan(json, limits)) {

    case MDM_JSON_DEEP:
        mdm_str_set(error, "JSON: nested too deep");
        return MDM_DECLINED;

    case MDM_JSON_MANY:
        mdm_str_set(error, "JSON: too many values");
        return MDM_DECLINED;

    default: /* MDM_JSON_OK */
        break;
    }

    rc = mdm_json_parse(arena, json, JSON_REJECT_DUPLICATES, root, &je);

    if (rc == MDM_DECLINED
        && mdm_printf(arena, error, "JSON: line %d, column %d: %s", je.line,
                      je.column, mdm_quote(&quote, je.text,
                                                  strlen(je.text)))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return rc;
}
