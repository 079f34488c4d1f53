
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a table asks of keys that go together, and of the format of values.
 */


#include "mdm_plist.h"
#include "mdm_schema_walk.h"


static mdm_int_t mdm_schema_rule(mdm_schema_walk_t *walk,
    const mdm_schema_rule_t *rule, const void *dict,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_names(mdm_schema_walk_t *walk,
    const mdm_schema_rule_t *rule, const char *before, const char *after,
    mdm_str_t *text);
static mdm_uint_t mdm_schema_is_url(const mdm_str_t *s);
static mdm_uint_t mdm_schema_is_uuid(const mdm_str_t *s);
static mdm_uint_t mdm_schema_is_digits(const mdm_str_t *s);
static mdm_int_t mdm_schema_profile(mdm_schema_walk_t *walk,
    const mdm_str_t *value, const mdm_schema_path_t *path);
static mdm_uint_t mdm_schema_is_der(const mdm_str_t *s);


mdm_int_t
mdm_schema_rules(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *dict, const mdm_schema_path_t *path)
{
    mdm_int_t                 rc;
    mdm_uint_t                i;
    const mdm_schema_rule_t  *rule;

    for (i = 0; i < walk->table->nrules; i++) {
        rule = &walk->table->rules[i];

        if (walk->table->nodes + rule->node != node) {
            continue;
        }

        rc = mdm_schema_rule(walk, rule, dict, path);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_schema_rule(mdm_schema_walk_t *walk, const mdm_schema_rule_t *rule,
    const void *dict, const mdm_schema_path_t *path)
{
    mdm_int_t        rc;
    mdm_str_t        text;
    mdm_uint_t       i, n;
    const uint16_t  *values;

    n = 0;
    values = walk->table->values + rule->value;

    for (i = 0; i < rule->nvalues; i++) {
        n += (walk->reader->member(dict, walk->table->pool + values[i])
              != NULL);
    }

    if (rule->kind == MDM_SCHEMA_TOGETHER) {

        if (n == 0 || n == rule->nvalues) {
            return MDM_OK;
        }

        rc = mdm_schema_names(walk, rule, "", " belong together", &text);

    } else if (n == 0) {
        rc = mdm_schema_names(walk, rule, "one of ", " expected", &text);

    } else if (n > 1 && rule->kind == MDM_SCHEMA_ONE) {
        rc = mdm_schema_names(walk, rule, "only one of ", " expected", &text);

    } else {
        return MDM_OK;
    }

    return (rc == MDM_OK) ? mdm_schema_unknown(walk, path, &text) : rc;
}


static mdm_int_t
mdm_schema_names(mdm_schema_walk_t *walk, const mdm_schema_rule_t *rule,
    const char *before, const char *after, mdm_str_t *text)
{
    mdm_uint_t       i;
    const uint16_t  *values;

    values = walk->table->values + rule->value;

    if (mdm_printf(walk->arena, text, "%s", before) != MDM_OK) {
        return MDM_ERROR;
    }

    for (i = 0; i < rule->nvalues; i++) {

        if (mdm_printf(walk->arena, text, "%.*s%s%s", mdm_fmt(text),
                       (i == 0) ? "" : ", ", walk->table->pool + values[i])
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return mdm_printf(walk->arena, text, "%.*s%s", mdm_fmt(text), after);
}


mdm_int_t
mdm_schema_format(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const mdm_str_t *value, const mdm_schema_path_t *path)
{
    mdm_str_t                    text;
    const mdm_schema_support_t  *support;

    support = mdm_schema_support(walk->table, node);

    if (support == NULL || support->format == 0) {
        return MDM_OK;
    }

    switch (support->format) {

    case MDM_SCHEMA_PROFILE:
        return mdm_schema_profile(walk, value, path);

    case MDM_SCHEMA_URL:
        if (mdm_schema_is_url(value)) {
            return MDM_OK;
        }

        mdm_str_set(&text, "URL expected");
        break;

    case MDM_SCHEMA_UUID:
        if (mdm_schema_is_uuid(value)) {
            return MDM_OK;
        }

        mdm_str_set(&text, "UUID expected");
        break;

    default: /* MDM_SCHEMA_DIGITS */
        if (value->len >= support->min && value->len <= support->max
            && mdm_schema_is_digits(value))
        {
            return MDM_OK;
        }

        if (mdm_printf(walk->arena, &text, "%d digits expected",
                       (int) support->max)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return mdm_schema_unknown(walk, path, &text);
}


/* an absolute one: "scheme:" and something, with "//" a host */

static mdm_uint_t
mdm_schema_is_url(const mdm_str_t *s)
{
    size_t  i, scheme;
    u_char  c;

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c) != NULL) {
            return 0;
        }
    }

    for (scheme = 0; scheme < s->len && s->data[scheme] != ':'; scheme++) {
        c = s->data[scheme] | 0x20;

        if (!(c >= 'a' && c <= 'z')
            && (scheme == 0 || strchr("0123456789+-.", s->data[scheme])
                               == NULL))
        {
            return 0;
        }
    }

    i = scheme + 1;

    if (scheme == 0 || i >= s->len) {
        return 0;
    }

    if (s->len - i >= 2 && s->data[i] == '/' && s->data[i + 1] == '/') {
        i += 2;

        return i < s->len && strchr("/?#:", s->data[i]) == NULL;
    }

    /* http:host and the like are none */

    return scheme < 4 || memcmp(s->data, "http", 4) != 0;
}


static mdm_uint_t
mdm_schema_is_uuid(const mdm_str_t *s)
{
    size_t  i;
    u_char  c;

    if (s->len != 36) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-') {
                return 0;
            }

            continue;
        }

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')
            && !(c >= 'A' && c <= 'F'))
        {
            return 0;
        }
    }

    return 1;
}


static mdm_uint_t
mdm_schema_is_digits(const mdm_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {

        if (s->data[i] < '0' || s->data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


/* a plist, or one that is signed: of that only the outermost bytes are read */

static mdm_int_t
mdm_schema_profile(mdm_schema_walk_t *walk, const mdm_str_t *value,
    const mdm_schema_path_t *path)
{
    plist_t       root, type;
    mdm_int_t     rc;
    mdm_str_t     s, text;
    const char   *why;
    mdm_limits_t  limits;

    if (value->len != 0 && value->data[0] == 0x30) {

        if (mdm_schema_is_der(value)) {
            return MDM_OK;
        }

        mdm_str_set(&text, "profile expected: a signature that is cut");

        return mdm_schema_unknown(walk, path, &text);
    }

    limits.depth = MDM_PLIST_DEPTH;
    limits.nodes = MDM_PLIST_NODES;

    why = "it is empty";
    root = NULL;

    rc = (value->len == 0) ? MDM_DECLINED
                           : mdm_plist_parse(walk->arena, value, &limits,
                                             &root, &why);
    if (rc == MDM_OK) {
        type = plist_dict_get_item(root, "PayloadType");

        if (type != NULL && plist_get_node_type(type) == PLIST_STRING) {
            walk->reader->string(type, &s);

            if (mdm_str_is(&s, "Configuration")) {
                return MDM_OK;
            }
        }

        why = "its PayloadType is not Configuration";
        rc = MDM_DECLINED;
    }

    if (rc != MDM_DECLINED
        || mdm_printf(walk->arena, &text, "profile expected: %s", why)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_schema_unknown(walk, path, &text);
}


/* a SEQUENCE as long as the data; BER leaves that to its end */

static mdm_uint_t
mdm_schema_is_der(const mdm_str_t *s)
{
    size_t  i, n, len;

    if (s->len < 2) {
        return 0;
    }

    len = s->data[1];

    if (len == 0x80) {
        return s->len >= 4 && s->data[s->len - 1] == 0
               && s->data[s->len - 2] == 0;
    }

    n = 0;

    if (len > 0x80) {
        n = len & 0x7f;
        len = 0;

        if (n > 4 || s->len < 2 + n) {
            return 0;
        }

        for (i = 0; i < n; i++) {
            len = len << 8 | s->data[2 + i];
        }
    }

    return len == s->len - 2 - n;
}
