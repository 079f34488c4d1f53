
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "mdm_json.h"
#include "mdm_schema.h"


/* most values are small: one call writes them */
#define MDM_JSON_BUF          512


static void mdm_json_free(void *data);


/*
 * Depth and number of values before jansson sees them: it spends about a
 * hundred bytes for each, and a nested value costs stack
 */

mdm_json_scan_e
mdm_json_scan(const mdm_str_t *json, const mdm_plist_limits_t *limits)
{
    size_t      i;
    mdm_uint_t  depth, nodes, string;

    depth = 0;
    nodes = 0;
    string = 0;

    for (i = 0; i < json->len; i++) {

        if (string) {
            if (json->data[i] == '\\') {
                i++;

            } else if (json->data[i] == '"') {
                string = 0;
            }

            continue;
        }

        switch (json->data[i]) {

        case '"':
            string = 1;
            break;

        case '{':
        case '[':
            depth++;

            if (depth > limits->depth) {
                return MDM_JSON_DEEP;
            }

            nodes++;
            break;

        case '}':
        case ']':
            depth -= (depth != 0);
            break;

        case ',':
        case ':':
            nodes++;
            break;
        }

        if (nodes > limits->nodes) {
            return MDM_JSON_MANY;
        }
    }

    return MDM_JSON_OK;
}


mdm_int_t
mdm_json_read(mdm_arena_t *arena, const mdm_str_t *json, size_t flags,
    json_t **root, json_error_t *error)
{
    *root = json_loadb((const char *) json->data, json->len, flags, error);

    if (*root == NULL) {

        /* jansson has no words for a lack of memory */

        return (error->text[0] == '\0') ? MDM_ERROR : MDM_DECLINED;
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
    const mdm_plist_limits_t *limits, json_t **root, mdm_str_t *error)
{
    mdm_int_t            rc;
    json_error_t         je;
    mdm_schema_quote_t   quote;

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

    rc = mdm_json_read(arena, json, JSON_REJECT_DUPLICATES, root, &je);

    if (rc == MDM_DECLINED
        && mdm_printf(arena, error, "JSON: line %d, column %d: %s", je.line,
                      je.column, mdm_schema_quote(&quote, je.text,
                                                  strlen(je.text)))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return rc;
}


/*
 * Into a buffer that is large enough: where jansson has to find memory for a
 * text on its way, it may lose a key and say nothing.
 */

mdm_int_t
mdm_json_dump(mdm_arena_t *arena, const json_t *value, size_t flags,
    mdm_str_t *dst)
{
    char    buf[MDM_JSON_BUF], *p;
    size_t  len;

    flags |= JSON_COMPACT|JSON_SORT_KEYS|JSON_ENCODE_ANY;

    len = json_dumpb(value, buf, sizeof(buf), flags);
    if (len == 0) {
        return MDM_ERROR;
    }

    p = mdm_arena_alloc(arena, len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    if (len <= sizeof(buf)) {
        memcpy(p, buf, len);

    } else if (json_dumpb(value, p, len, flags) != len) {
        return MDM_ERROR;
    }

    dst->data = (u_char *) p;
    dst->len = len;

    return MDM_OK;
}
