
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a table asks of a value: keys, types, lists of values, ranges.
 */


#include "mdm_date.h"
#include "mdm_schema_walk.h"


static mdm_int_t mdm_schema_members(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *dict,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_required(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *dict,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_elements(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *array,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_shape(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_value(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_typed(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_container(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_string(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_integer(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_real(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_mismatch(mdm_schema_walk_t *walk, u_char type,
    const void *value, const mdm_schema_path_t *path);


static const mdm_str_t  mdm_schema_empty =
    mdm_string("at least one element expected");
static const mdm_str_t  mdm_schema_deep = mdm_string("nested too deep");
static const mdm_str_t  mdm_schema_range = mdm_string("out of range");
static const mdm_str_t  mdm_schema_date =
    mdm_string("RFC 3339 date expected");
static const mdm_str_t  mdm_schema_base64 = mdm_string("base64 expected");


mdm_int_t
mdm_schema_walk(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *dict, const mdm_schema_path_t *path)
{
    mdm_int_t  rc;

    if (node->flags & MDM_SCHEMA_BETA) {
        walk->lenient = 1;
    }

    rc = mdm_schema_members(walk, node, dict, path);

    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_schema_required(walk, node, dict, path);

    return (rc == MDM_OK) ? mdm_schema_rules(walk, node, dict, path) : rc;
}


static mdm_int_t
mdm_schema_members(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *dict, const mdm_schema_path_t *path)
{
    mdm_int_t                 rc;
    mdm_str_t                 name;
    const void               *value;
    mdm_schema_iter_t         iter;
    mdm_schema_path_t         step;
    const mdm_schema_node_t  *child;

    if (walk->reader->begin_members(&iter, dict) != MDM_OK) {
        return MDM_ERROR;
    }

    for ( ;; ) {
        rc = walk->reader->next_member(&iter, &name, &value);

        if (rc != MDM_OK) {
            rc = (rc == MDM_DECLINED) ? MDM_OK : rc;
            break;
        }

        child = mdm_schema_member(walk->table, node, &name);

        if (child == NULL) {
            rc = mdm_schema_key(walk, path, (char *) name.data, "unknown key",
                                0);

        } else {
            step.parent = path;
            step.key = (char *) name.data;
            step.len = name.len;
            step.index = 0;

            rc = mdm_schema_value(walk, child, value, &step);
        }

        if (rc != MDM_OK) {
            break;
        }
    }

    walk->reader->end(&iter);

    return rc;
}


static mdm_int_t
mdm_schema_required(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *dict, const mdm_schema_path_t *path)
{
    mdm_int_t                 rc;
    mdm_uint_t                lenient;
    const char               *name;
    const mdm_schema_node_t  *child, *last;

    child = walk->table->nodes + node->child;
    last = child + node->nchildren;

    for ( /* void */ ; child < last; child++) {

        if ((child->flags & MDM_SCHEMA_REQUIRED) == 0) {
            continue;
        }

        name = walk->table->pool + child->name;

        if (walk->reader->member(dict, name) != NULL) {
            continue;
        }

        lenient = walk->lenient;

        if (child->flags & MDM_SCHEMA_BETA) {
            walk->lenient = 1;
        }

        rc = mdm_schema_key(walk, path, name, "required key is missing", 0);

        walk->lenient = lenient;

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_schema_elements(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *array, const mdm_schema_path_t *path)
{
    mdm_int_t                 rc;
    const void               *value;
    mdm_schema_iter_t         iter;
    mdm_schema_path_t         step;
    const mdm_schema_node_t  *child;

    if (node->nchildren == 0) {
        return MDM_OK;
    }

    child = walk->table->nodes + node->child;

    if (walk->reader->begin_elements(&iter, array) != MDM_OK) {
        return MDM_ERROR;
    }

    step.parent = path;
    step.key = NULL;
    step.len = 0;

    for (step.index = 0; /* void */ ; step.index++) {

        rc = walk->reader->next_element(&iter, &value);

        if (rc != MDM_OK) {
            rc = (rc == MDM_DECLINED) ? MDM_OK : rc;
            break;
        }

        if (node->flags & MDM_SCHEMA_SHAPES) {
            rc = mdm_schema_shape(walk, node, value, &step);

        } else {
            rc = mdm_schema_value(walk, child, value, &step);
        }

        if (rc != MDM_OK) {
            break;
        }
    }

    walk->reader->end(&iter);

    if (rc == MDM_OK && step.index == 0
        && ((child->flags | node->flags) & MDM_SCHEMA_REQUIRED))
    {
        return mdm_schema_unknown(walk, path, &mdm_schema_empty);
    }

    return rc;
}


/* an element whose key Item says what else is in it */

static mdm_int_t
mdm_schema_shape(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *value, const mdm_schema_path_t *path)
{
    mdm_str_t                 name, text;
    const void               *item;
    mdm_quote_t               quote;
    mdm_schema_path_t         step;
    const mdm_schema_node_t  *shape;

    if (!walk->reader->fits('D', value)) {
        return mdm_schema_mismatch(walk, 'D', value, path);
    }

    item = walk->reader->member(value, "Item");

    if (item == NULL) {
        return mdm_schema_key(walk, path, "Item", "required key is missing",
                              0);
    }

    mdm_str_null(&name);

    if (walk->reader->fits('s', item)) {
        walk->reader->string(item, &name);
    }

    if (name.data == NULL) {
        return mdm_schema_key(walk, path, "Item", "string expected", 1);
    }

    shape = mdm_schema_element(walk->table, node, &name);

    if (shape == NULL) {
        step.parent = path;
        step.key = "Item";
        step.len = sizeof("Item") - 1;
        step.index = 0;

        if (mdm_printf(walk->arena, &text, "unknown item \"%s\"",
                       mdm_quote(&quote, (char *) name.data, name.len))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        return mdm_schema_unknown(walk, &step, &text);
    }

    return mdm_schema_value(walk, shape, value, path);
}


static mdm_int_t
mdm_schema_value(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *value, const mdm_schema_path_t *path)
{
    mdm_int_t   rc;
    mdm_uint_t  lenient;

    lenient = walk->lenient;

    if (node->flags & MDM_SCHEMA_BETA) {
        walk->lenient = 1;
    }

    rc = mdm_schema_typed(walk, node, value, path);

    walk->lenient = lenient;

    return rc;
}


static mdm_int_t
mdm_schema_typed(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *value, const mdm_schema_path_t *path)
{
    mdm_str_t  s;

    if (node->type == 0) {
        return MDM_OK;
    }

    if (!walk->reader->fits(node->type, value)) {
        return mdm_schema_mismatch(walk, node->type, value, path);
    }

    switch (walk->reader->type(value)) {

    case 's':
        return mdm_schema_string(walk, node, value, path);

    case 'i':
        return mdm_schema_integer(walk, node, value, path);

    case 'r':
        return mdm_schema_real(walk, node, value, path);

    case 'd':
        walk->reader->data(value, &s);
        return mdm_schema_format(walk, node, &s, path);

    case 'A':
    case 'D':
        return mdm_schema_container(walk, node, value, path);

    default:
        return MDM_OK;
    }
}


static mdm_int_t
mdm_schema_container(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *value, const mdm_schema_path_t *path)
{
    mdm_int_t  rc;

    /* a path has only so many steps, and a shape may repeat itself */

    if (walk->depth == MDM_SCHEMA_DEPTH) {
        return mdm_schema_refuse(walk, path, &mdm_schema_deep);
    }

    walk->depth++;

    if (node->type == 'A') {
        rc = mdm_schema_elements(walk, node, value, path);

    } else {
        rc = mdm_schema_walk(walk, node, value, path);
    }

    walk->depth--;

    return rc;
}


static mdm_int_t
mdm_schema_string(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *value, const mdm_schema_path_t *path)
{
    u_char       utc[MDM_DATE_LEN];
    mdm_int_t    rc;
    mdm_str_t    s, text;
    mdm_quote_t  quote;

    if (walk->reader->variable != NULL && walk->reader->variable(value)) {
        return MDM_OK;
    }

    walk->reader->string(value, &s);

    if (walk->reader->coded && node->type == 't') {
        return (mdm_date_utc(utc, &s) == MDM_OK)
               ? MDM_OK : mdm_schema_refuse(walk, path, &mdm_schema_date);
    }

    if (walk->reader->coded && node->type == 'd') {
        rc = mdm_unbase64(walk->arena, &text, &s);

        return (rc != MDM_DECLINED)
               ? rc : mdm_schema_refuse(walk, path, &mdm_schema_base64);
    }

    if (node->nvalues == 0 || mdm_schema_listed(walk->table, node, &s)) {
        return mdm_schema_format(walk, node, &s, path);
    }

    if (mdm_printf(walk->arena, &text, "unknown value \"%s\"",
                   mdm_quote(&quote, (char *) s.data, s.len))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_schema_unknown(walk, path, &text);
}


static mdm_int_t
mdm_schema_integer(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *value, const mdm_schema_path_t *path)
{
    int64_t         n;
    mdm_str_t       text;
    mdm_uint_t      i;
    const int64_t  *allowed;

    if (node->nvalues == 0) {
        return MDM_OK;
    }

    /* what a plist has over INT64_MAX is negative: no such number is listed */

    n = walk->reader->integer(value);

    allowed = walk->table->integers + node->value;

    if (node->flags & MDM_SCHEMA_RANGE) {
        if (n >= allowed[0] && n <= allowed[1]) {
            return MDM_OK;
        }

        return mdm_schema_unknown(walk, path, &mdm_schema_range);
    }

    if ((node->flags & MDM_SCHEMA_BITS) && (n & ~allowed[0]) == 0) {
        return MDM_OK;
    }

    for (i = 0; i < node->nvalues; i++) {
        if (n == allowed[i]) {
            return MDM_OK;
        }
    }

    if (mdm_printf(walk->arena, &text, (node->flags & MDM_SCHEMA_BITS)
                                       ? "%lld has unknown bits"
                                       : "%lld is not an allowed value",
                   (long long) n)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_schema_unknown(walk, path, &text);
}


static mdm_int_t
mdm_schema_real(mdm_schema_walk_t *walk, const mdm_schema_node_t *node,
    const void *value, const mdm_schema_path_t *path)
{
    double          n;
    const int64_t  *range;

    if ((node->flags & MDM_SCHEMA_RANGE) == 0) {
        return MDM_OK;
    }

    n = walk->reader->real(value);

    range = walk->table->integers + node->value;

    /* NaN is in no range */

    if (n >= (double) range[0] && n <= (double) range[1]) {
        return MDM_OK;
    }

    return mdm_schema_unknown(walk, path, &mdm_schema_range);
}


static mdm_int_t
mdm_schema_mismatch(mdm_schema_walk_t *walk, u_char type, const void *value,
    const mdm_schema_path_t *path)
{
    mdm_str_t  text;

    if (mdm_printf(walk->arena, &text, "%s expected, %s found",
                   walk->reader->expected(type), walk->reader->found(value))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_schema_refuse(walk, path, &text);
}
