
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include <stdlib.h>

#include "mdm_schema.h"
#include "mdm_schema_table.h"


typedef struct {
    mdm_arena_t               *arena;
    const mdm_schema_table_t  *table;
    mdm_schema_result_t       *result;
    mdm_uint_t                 strict;
    mdm_uint_t                 depth;
} mdm_schema_check_t;


static mdm_int_t mdm_schema_dict(mdm_schema_check_t *check,
    const mdm_schema_node_t *node, plist_t dict,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_keys(mdm_schema_check_t *check,
    const mdm_schema_node_t *node, plist_t dict,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_required(mdm_schema_check_t *check,
    const mdm_schema_node_t *node, plist_t dict,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_array(mdm_schema_check_t *check,
    const mdm_schema_node_t *node, plist_t array,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_shape(mdm_schema_check_t *check,
    const mdm_schema_node_t *node, plist_t value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_value(mdm_schema_check_t *check,
    const mdm_schema_node_t *node, plist_t value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_string(mdm_schema_check_t *check,
    const mdm_schema_node_t *node, plist_t value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_integer(mdm_schema_check_t *check,
    const mdm_schema_node_t *node, plist_t value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_real(mdm_schema_check_t *check,
    const mdm_schema_node_t *node, plist_t value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_key(mdm_schema_check_t *check,
    const mdm_schema_path_t *path, const char *key, const mdm_str_t *what,
    mdm_uint_t refuse);
static mdm_int_t mdm_schema_unknown(mdm_schema_check_t *check,
    const mdm_schema_path_t *path, const mdm_str_t *what);
static mdm_int_t mdm_schema_refuse(mdm_schema_check_t *check,
    const mdm_schema_path_t *path, const mdm_str_t *what);

static u_char mdm_schema_node_type(plist_t value);
static const char *mdm_schema_type_name(u_char type);


static const mdm_str_t  mdm_schema_missing =
    mdm_string("required key is missing");
static const mdm_str_t  mdm_schema_unknown_key = mdm_string("unknown key");
static const mdm_str_t  mdm_schema_empty =
    mdm_string("at least one element expected");
static const mdm_str_t  mdm_schema_deep = mdm_string("nested too deep");
static const mdm_str_t  mdm_schema_range = mdm_string("out of range");


mdm_int_t
mdm_schema_command(mdm_arena_t *arena, plist_t command, mdm_uint_t strict,
    mdm_schema_result_t *result)
{
    return mdm_schema_check(arena, &mdm_schema_commands, command, strict,
                            result);
}


mdm_int_t
mdm_schema_check(mdm_arena_t *arena, const mdm_schema_table_t *table,
    plist_t command, mdm_uint_t strict, mdm_schema_result_t *result)
{
    plist_t                   type;
    uint64_t                  len;
    mdm_str_t                 name, text;
    const char               *p;
    mdm_schema_path_t         path, key;
    mdm_quote_t        quote;
    mdm_schema_check_t        check;
    const mdm_schema_node_t  *node;

    memset(result, 0, sizeof(mdm_schema_result_t));

    check.arena = arena;
    check.table = table;
    check.result = result;
    check.strict = strict;
    check.depth = 0;

    path.parent = NULL;
    path.key = "Command";
    path.len = sizeof("Command") - 1;
    path.index = 0;

    if (mdm_schema_node_type(command) != 'D') {
        mdm_str_set(&text, "dictionary expected");
        return mdm_schema_refuse(&check, &path, &text);
    }

    type = plist_dict_get_item(command, "RequestType");

    if (type == NULL) {
        return mdm_schema_key(&check, &path, "RequestType",
                              &mdm_schema_missing, 1);
    }

    p = NULL;
    len = 0;

    if (mdm_schema_node_type(type) == 's') {
        p = plist_get_string_ptr(type, &len);
    }

    if (p == NULL) {
        mdm_str_set(&text, "string expected");
        return mdm_schema_key(&check, &path, "RequestType", &text, 1);
    }

    name.data = (u_char *) p;
    name.len = (size_t) len;

    node = mdm_schema_find(table, &name);

    if (node == NULL) {
        key.parent = &path;
        key.key = "RequestType";
        key.len = sizeof("RequestType") - 1;
        key.index = 0;

        if (mdm_printf(arena, &text, "unknown command \"%s\"",
                       mdm_quote(&quote, p, name.len))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        return mdm_schema_unknown(&check, &key, &text);
    }

    return mdm_schema_dict(&check, node, command, &path);
}


static mdm_int_t
mdm_schema_dict(mdm_schema_check_t *check, const mdm_schema_node_t *node,
    plist_t dict, const mdm_schema_path_t *path)
{
    mdm_int_t  rc;

    rc = mdm_schema_keys(check, node, dict, path);

    if (rc != MDM_OK) {
        return rc;
    }

    return mdm_schema_required(check, node, dict, path);
}


static mdm_int_t
mdm_schema_keys(mdm_schema_check_t *check, const mdm_schema_node_t *node,
    plist_t dict, const mdm_schema_path_t *path)
{
    char                     *key;
    plist_t                   value;
    mdm_int_t                 rc;
    mdm_str_t                 name;
    plist_dict_iter           iter;
    mdm_schema_path_t         step;
    const mdm_schema_node_t  *child;

    iter = NULL;
    plist_dict_new_iter(dict, &iter);

    if (iter == NULL) {
        return MDM_ERROR;
    }

    do {
        key = NULL;
        value = NULL;
        rc = MDM_OK;

        plist_dict_next_item(dict, iter, &key, &value);

        if (value == NULL) {
            free(key);
            break;
        }

        if (key == NULL) {
            rc = MDM_ERROR;
            break;
        }

        name.data = (u_char *) key;
        name.len = strlen(key);

        child = mdm_schema_member(check->table, node, &name);

        if (child == NULL) {
            rc = mdm_schema_key(check, path, key, &mdm_schema_unknown_key, 0);

        } else {
            step.parent = path;
            step.key = key;
            step.len = name.len;
            step.index = 0;

            rc = mdm_schema_value(check, child, value, &step);
        }

        free(key);

    } while (rc == MDM_OK);

    free(iter);

    return rc;
}


static mdm_int_t
mdm_schema_required(mdm_schema_check_t *check, const mdm_schema_node_t *node,
    plist_t dict, const mdm_schema_path_t *path)
{
    const char               *name;
    const mdm_schema_node_t  *child, *last;

    child = check->table->nodes + node->child;
    last = child + node->nchildren;

    for ( /* void */ ; child < last; child++) {

        if ((child->flags & MDM_SCHEMA_REQUIRED) == 0) {
            continue;
        }

        name = check->table->pool + child->name;

        if (plist_dict_get_item(dict, name) == NULL) {
            return mdm_schema_key(check, path, name, &mdm_schema_missing, 1);
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_schema_array(mdm_schema_check_t *check, const mdm_schema_node_t *node,
    plist_t array, const mdm_schema_path_t *path)
{
    plist_t                   value;
    mdm_int_t                 rc;
    plist_array_iter          iter;
    mdm_schema_path_t         step;
    const mdm_schema_node_t  *child;

    if (node->nchildren == 0) {
        return MDM_OK;
    }

    child = check->table->nodes + node->child;

    iter = NULL;
    plist_array_new_iter(array, &iter);

    if (iter == NULL) {
        return MDM_ERROR;
    }

    step.parent = path;
    step.key = NULL;
    step.len = 0;

    rc = MDM_OK;

    for (step.index = 0; /* void */ ; step.index++) {
        value = NULL;
        plist_array_next_item(array, iter, &value);

        if (value == NULL) {
            break;
        }

        if (node->flags & MDM_SCHEMA_SHAPES) {
            rc = mdm_schema_shape(check, node, value, &step);

        } else {
            rc = mdm_schema_value(check, child, value, &step);
        }

        if (rc != MDM_OK) {
            break;
        }
    }

    free(iter);

    if (rc == MDM_OK && step.index == 0
        && (child->flags & MDM_SCHEMA_REQUIRED))
    {
        return mdm_schema_unknown(check, path, &mdm_schema_empty);
    }

    return rc;
}


/* an element whose key Item says what else is in it */

static mdm_int_t
mdm_schema_shape(mdm_schema_check_t *check, const mdm_schema_node_t *node,
    plist_t value, const mdm_schema_path_t *path)
{
    plist_t                   item;
    uint64_t                  len;
    mdm_str_t                 name, text;
    const char               *p;
    mdm_schema_path_t         step;
    mdm_quote_t        quote;
    const mdm_schema_node_t  *shape;

    if (mdm_schema_node_type(value) != 'D') {
        if (mdm_printf(check->arena, &text, "dictionary expected, %s found",
                       mdm_schema_type_name(mdm_schema_node_type(value)))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        return mdm_schema_refuse(check, path, &text);
    }

    item = plist_dict_get_item(value, "Item");

    if (item == NULL) {
        return mdm_schema_key(check, path, "Item", &mdm_schema_missing, 1);
    }

    p = NULL;
    len = 0;

    if (mdm_schema_node_type(item) == 's') {
        p = plist_get_string_ptr(item, &len);
    }

    if (p == NULL) {
        mdm_str_set(&text, "string expected");
        return mdm_schema_key(check, path, "Item", &text, 1);
    }

    name.data = (u_char *) p;
    name.len = (size_t) len;

    shape = mdm_schema_element(check->table, node, &name);

    if (shape == NULL) {
        step.parent = path;
        step.key = "Item";
        step.len = sizeof("Item") - 1;
        step.index = 0;

        if (mdm_printf(check->arena, &text, "unknown item \"%s\"",
                       mdm_quote(&quote, p, name.len))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        return mdm_schema_unknown(check, &step, &text);
    }

    return mdm_schema_value(check, shape, value, path);
}


static mdm_int_t
mdm_schema_value(mdm_schema_check_t *check, const mdm_schema_node_t *node,
    plist_t value, const mdm_schema_path_t *path)
{
    u_char     type;
    mdm_int_t  rc;
    mdm_str_t  text;

    if (node->type == 0) {
        return MDM_OK;
    }

    type = mdm_schema_node_type(value);

    if (type != node->type && !(node->type == 'r' && type == 'i')) {

        if (mdm_printf(check->arena, &text, "%s expected, %s found",
                       mdm_schema_type_name(node->type),
                       mdm_schema_type_name(type))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        return mdm_schema_refuse(check, path, &text);
    }

    switch (type) {

    case 's':
        return mdm_schema_string(check, node, value, path);

    case 'i':
        return mdm_schema_integer(check, node, value, path);

    case 'r':
        return mdm_schema_real(check, node, value, path);

    case 'A':
    case 'D':

        /* a shape that repeats itself could go on for ever */

        if (check->depth == MDM_SCHEMA_DEPTH) {
            return mdm_schema_refuse(check, path, &mdm_schema_deep);
        }

        check->depth++;

        if (type == 'A') {
            rc = mdm_schema_array(check, node, value, path);

        } else {
            rc = mdm_schema_dict(check, node, value, path);
        }

        check->depth--;

        return rc;

    default:
        return MDM_OK;
    }
}


static mdm_int_t
mdm_schema_string(mdm_schema_check_t *check, const mdm_schema_node_t *node,
    plist_t value, const mdm_schema_path_t *path)
{
    uint64_t            len;
    mdm_str_t           string, text;
    const char         *p;
    mdm_quote_t  quote;

    if (node->nvalues == 0) {
        return MDM_OK;
    }

    len = 0;
    p = plist_get_string_ptr(value, &len);

    string.data = (u_char *) p;
    string.len = (p == NULL) ? 0 : (size_t) len;

    if (mdm_schema_listed(check->table, node, &string)) {
        return MDM_OK;
    }

    if (mdm_printf(check->arena, &text, "unknown value \"%s\"",
                   mdm_quote(&quote, p, string.len))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_schema_unknown(check, path, &text);
}


static mdm_int_t
mdm_schema_integer(mdm_schema_check_t *check, const mdm_schema_node_t *node,
    plist_t value, const mdm_schema_path_t *path)
{
    int64_t         n;
    uint64_t        u;
    mdm_str_t       text;
    mdm_uint_t      i;
    const int64_t  *allowed;

    if (node->nvalues == 0) {
        return MDM_OK;
    }

    /*
     * libplist hands out the 64 bits as they are; what is over INT64_MAX
     * comes out negative, and no such number is in the table
     */

    u = 0;
    plist_get_uint_val(value, &u);
    n = (int64_t) u;

    allowed = check->table->integers + node->value;

    if (node->flags & MDM_SCHEMA_RANGE) {
        if (n >= allowed[0] && n <= allowed[1]) {
            return MDM_OK;
        }

        return mdm_schema_refuse(check, path, &mdm_schema_range);
    }

    for (i = 0; i < node->nvalues; i++) {
        if (n == allowed[i]) {
            return MDM_OK;
        }
    }

    if (mdm_printf(check->arena, &text, "%lld is not an allowed value",
                   (long long) n)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_schema_refuse(check, path, &text);
}


static mdm_int_t
mdm_schema_real(mdm_schema_check_t *check, const mdm_schema_node_t *node,
    plist_t value, const mdm_schema_path_t *path)
{
    double          n;
    const int64_t  *range;

    if ((node->flags & MDM_SCHEMA_RANGE) == 0) {
        return MDM_OK;
    }

    n = 0;
    plist_get_real_val(value, &n);

    range = check->table->integers + node->value;

    /* NaN is in no range */

    if (n >= (double) range[0] && n <= (double) range[1]) {
        return MDM_OK;
    }

    return mdm_schema_refuse(check, path, &mdm_schema_range);
}


/* what is to be said about a key of the dictionary at the path */

static mdm_int_t
mdm_schema_key(mdm_schema_check_t *check, const mdm_schema_path_t *path,
    const char *key, const mdm_str_t *what, mdm_uint_t refuse)
{
    mdm_schema_path_t  step;

    step.parent = path;
    step.key = key;
    step.len = strlen(key);
    step.index = 0;

    if (refuse) {
        return mdm_schema_refuse(check, &step, what);
    }

    return mdm_schema_unknown(check, &step, what);
}


static mdm_int_t
mdm_schema_unknown(mdm_schema_check_t *check, const mdm_schema_path_t *path,
    const mdm_str_t *what)
{
    mdm_str_t  place, text;

    if (check->strict) {
        return mdm_schema_refuse(check, path, what);
    }

    if (check->result->nwarnings == MDM_SCHEMA_WARNINGS) {
        return MDM_OK;
    }

    if (mdm_schema_path(check->arena, &place, path) != MDM_OK
        || mdm_printf(check->arena, &text, "%.*s: %.*s", mdm_fmt(&place),
                      mdm_fmt(what))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_schema_warn(check->arena, check->result, &text);
}


static mdm_int_t
mdm_schema_refuse(mdm_schema_check_t *check, const mdm_schema_path_t *path,
    const mdm_str_t *what)
{
    mdm_str_t  place;

    if (mdm_schema_path(check->arena, &place, path) != MDM_OK
        || mdm_printf(check->arena, &check->result->error, "%.*s: %.*s",
                      mdm_fmt(&place), mdm_fmt(what))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_DECLINED;
}


mdm_int_t
mdm_schema_warn(mdm_arena_t *arena, mdm_schema_result_t *result,
    const mdm_str_t *text)
{
    mdm_schema_warning_t  *warning, **last;

    if (result->nwarnings >= MDM_SCHEMA_WARNINGS) {
        return MDM_OK;
    }

    warning = mdm_arena_alloc(arena, sizeof(mdm_schema_warning_t));
    if (warning == NULL) {
        return MDM_ERROR;
    }

    warning->text = *text;
    warning->next = NULL;

    for (last = &result->warnings; *last != NULL; last = &(*last)->next) {
        /* void */
    }

    *last = warning;
    result->nwarnings++;

    return MDM_OK;
}


static u_char
mdm_schema_node_type(plist_t value)
{
    switch (plist_get_node_type(value)) {

    case PLIST_STRING:
        return 's';

    case PLIST_UINT:
        return 'i';

    case PLIST_REAL:
        return 'r';

    case PLIST_BOOLEAN:
        return 'b';

    case PLIST_DATE:
        return 't';

    case PLIST_DATA:
        return 'd';

    case PLIST_ARRAY:
        return 'A';

    case PLIST_DICT:
        return 'D';

    default:
        return 0;
    }
}


static const char *
mdm_schema_type_name(u_char type)
{
    switch (type) {

    case 's':
        return "string";

    case 'i':
        return "integer";

    case 'r':
        return "real";

    case 'b':
        return "boolean";

    case 't':
        return "date";

    case 'd':
        return "data";

    case 'A':
        return "array";

    case 'D':
        return "dictionary";

    default:
        return "another type";
    }
}
