
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "mdm_date.h"
#include "mdm_ddm_check.h"
#include "mdm_schema_declarations.h"


typedef struct {
    mdm_arena_t               *arena;
    const mdm_schema_table_t  *table;
    mdm_schema_result_t       *result;
    mdm_uint_t                 strict;
    mdm_uint_t                 depth;
} mdm_ddm_check_t;


static mdm_int_t mdm_ddm_check_object(mdm_ddm_check_t *check,
    const mdm_schema_node_t *node, const json_t *object,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_ddm_check_array(mdm_ddm_check_t *check,
    const mdm_schema_node_t *node, const json_t *array,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_ddm_check_value(mdm_ddm_check_t *check,
    const mdm_schema_node_t *node, const json_t *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_ddm_check_string(mdm_ddm_check_t *check,
    const mdm_schema_node_t *node, const json_t *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_ddm_check_number(mdm_ddm_check_t *check,
    const mdm_schema_node_t *node, const json_t *value,
    const mdm_schema_path_t *path);
static mdm_uint_t mdm_ddm_check_fits(const mdm_schema_node_t *node,
    const json_t *value);
static mdm_uint_t mdm_ddm_has_variable(const json_t *value);
static const char *mdm_ddm_check_wants(int type);
static const char *mdm_ddm_check_is(const json_t *value);
static mdm_int_t mdm_ddm_check_tell(mdm_ddm_check_t *check,
    const mdm_schema_path_t *path, const char *what, mdm_uint_t refuse);


mdm_int_t
mdm_ddm_check(mdm_arena_t *arena, const mdm_str_t *type,
    const json_t *payload, mdm_uint_t strict, mdm_schema_result_t *result)
{
    return mdm_ddm_check_table(arena, &mdm_schema_declarations, type, payload,
                               strict, result);
}


mdm_int_t
mdm_ddm_check_table(mdm_arena_t *arena, const mdm_schema_table_t *table,
    const mdm_str_t *type, const json_t *payload, mdm_uint_t strict,
    mdm_schema_result_t *result)
{
    mdm_str_t                 text;
    mdm_ddm_check_t           check;
    mdm_schema_path_t         path;
    mdm_quote_t        quote;
    const mdm_schema_node_t  *node;

    check.arena = arena;
    check.table = table;
    check.result = result;
    check.strict = strict;
    check.depth = 0;

    node = mdm_schema_find(table, type);

    if (node == NULL) {
        if (mdm_printf(arena, &text, "unknown type \"%s\"",
                       mdm_quote(&quote, (char *) type->data,
                                        type->len))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        return mdm_ddm_unknown(arena, "Type", (char *) text.data, strict,
                               result);
    }

    path.parent = NULL;
    path.key = "Payload";
    path.len = sizeof("Payload") - 1;
    path.index = 0;

    return mdm_ddm_check_object(&check, node, payload, &path);
}


static mdm_int_t
mdm_ddm_check_object(mdm_ddm_check_t *check, const mdm_schema_node_t *node,
    const json_t *object, const mdm_schema_path_t *path)
{
    json_t                   *value;
    mdm_int_t                 rc;
    mdm_str_t                 name;
    const char               *key;
    mdm_schema_path_t         step;
    const mdm_schema_node_t  *child, *last;

    step.parent = path;
    step.index = 0;

    json_object_foreach((json_t *) object, key, value) {
        name.data = (u_char *) key;
        name.len = strlen(key);

        step.key = key;
        step.len = name.len;

        child = mdm_schema_member(check->table, node, &name);

        if (child == NULL) {
            rc = mdm_ddm_check_tell(check, &step, "unknown key", 0);

        } else {
            rc = mdm_ddm_check_value(check, child, value, &step);
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    child = check->table->nodes + node->child;
    last = child + node->nchildren;

    for ( /* void */ ; child < last; child++) {

        if ((child->flags & MDM_SCHEMA_REQUIRED) == 0) {
            continue;
        }

        key = check->table->pool + child->name;

        if (json_object_get(object, key) == NULL) {
            step.key = key;
            step.len = strlen(key);

            return mdm_ddm_check_tell(check, &step, "required key is missing",
                                      1);
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_check_array(mdm_ddm_check_t *check, const mdm_schema_node_t *node,
    const json_t *array, const mdm_schema_path_t *path)
{
    json_t                   *value;
    mdm_int_t                 rc;
    mdm_schema_path_t         step;
    const mdm_schema_node_t  *child;

    /* declarations have no shapes that go by a key Item */

    child = mdm_schema_element(check->table, node, NULL);

    if (child == NULL) {
        return MDM_OK;
    }

    step.parent = path;
    step.key = NULL;
    step.len = 0;
    step.index = 0;

    json_array_foreach(array, step.index, value) {
        rc = mdm_ddm_check_value(check, child, value, &step);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    if (step.index == 0 && (child->flags & MDM_SCHEMA_REQUIRED)) {
        return mdm_ddm_check_tell(check, path,
                                  "at least one element expected", 0);
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_check_value(mdm_ddm_check_t *check, const mdm_schema_node_t *node,
    const json_t *value, const mdm_schema_path_t *path)
{
    mdm_int_t   rc;
    mdm_str_t   text;

    if (node->type == 0) {
        return MDM_OK;
    }

    if (!mdm_ddm_check_fits(node, value)) {

        if (mdm_printf(check->arena, &text, "%s expected, %s found",
                       mdm_ddm_check_wants(node->type),
                       mdm_ddm_check_is(value))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        return mdm_ddm_check_tell(check, path, (char *) text.data, 1);
    }

    switch (node->type) {

    case 's':
    case 'd':
    case 't':
        return mdm_ddm_check_string(check, node, value, path);

    case 'i':
    case 'r':
        return mdm_ddm_check_number(check, node, value, path);

    case 'A':
    case 'D':

        /* a path has only so many steps, and a shape may repeat itself */

        if (check->depth == MDM_SCHEMA_DEPTH) {
            return mdm_ddm_check_tell(check, path, "nested too deep", 1);
        }

        check->depth++;

        rc = (node->type == 'A')
             ? mdm_ddm_check_array(check, node, value, path)
             : mdm_ddm_check_object(check, node, value, path);

        check->depth--;

        return rc;

    default:
        return MDM_OK;
    }
}


static mdm_int_t
mdm_ddm_check_string(mdm_ddm_check_t *check, const mdm_schema_node_t *node,
    const json_t *value, const mdm_schema_path_t *path)
{
    u_char              utc[MDM_DATE_LEN];
    mdm_int_t           rc;
    mdm_str_t           s, text;
    mdm_quote_t  quote;

    if (mdm_ddm_has_variable(value)) {
        return MDM_OK;
    }

    s.data = (u_char *) json_string_value(value);
    s.len = json_string_length(value);

    if (node->type == 't') {
        return (mdm_date_utc(utc, &s) == MDM_OK)
               ? MDM_OK
               : mdm_ddm_check_tell(check, path, "RFC 3339 date expected", 1);
    }

    if (node->type == 'd') {
        rc = mdm_unbase64(check->arena, &text, &s);

        return (rc != MDM_DECLINED)
               ? rc : mdm_ddm_check_tell(check, path, "base64 expected", 1);
    }

    if (node->nvalues == 0 || mdm_schema_listed(check->table, node, &s)) {
        return MDM_OK;
    }

    if (mdm_printf(check->arena, &text, "unknown value \"%s\"",
                   mdm_quote(&quote, (char *) s.data, s.len))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_ddm_check_tell(check, path, (char *) text.data, 0);
}


static mdm_int_t
mdm_ddm_check_number(mdm_ddm_check_t *check, const mdm_schema_node_t *node,
    const json_t *value, const mdm_schema_path_t *path)
{
    double          d;
    int64_t         n;
    mdm_str_t       text;
    mdm_uint_t      i, in;
    const int64_t  *allowed;

    if (node->nvalues == 0) {
        return MDM_OK;
    }

    allowed = check->table->integers + node->value;

    if (node->flags & MDM_SCHEMA_RANGE) {

        if (json_is_integer(value)) {
            n = json_integer_value(value);
            in = (n >= allowed[0] && n <= allowed[1]);

        } else {
            d = json_real_value(value);
            in = (d >= (double) allowed[0] && d <= (double) allowed[1]);
        }

        return in ? MDM_OK : mdm_ddm_check_tell(check, path, "out of range",
                                                1);
    }

    n = json_integer_value(value);

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

    return mdm_ddm_check_tell(check, path, (char *) text.data, 1);
}


/* an integer is welcome where a real is asked for */

static mdm_uint_t
mdm_ddm_check_fits(const mdm_schema_node_t *node, const json_t *value)
{
    switch (node->type) {

    case 's':
    case 'd':
    case 't':
        return json_is_string(value);

    case 'i':
        return json_is_integer(value);

    case 'r':
        return json_is_number(value);

    case 'b':
        return json_is_boolean(value);

    case 'A':
        return json_is_array(value);

    case 'D':
        return json_is_object(value);

    default:
        return 1;
    }
}


static mdm_uint_t
mdm_ddm_has_variable(const json_t *value)
{
    return strstr(json_string_value(value), "${") != NULL;
}


static const char *
mdm_ddm_check_wants(int type)
{
    switch (type) {

    case 'i':
        return "integer";

    case 'r':
        return "number";

    case 'b':
        return "boolean";

    case 'A':
        return "array";

    case 'D':
        return "object";

    default:
        return "string";
    }
}


static const char *
mdm_ddm_check_is(const json_t *value)
{
    switch (json_typeof(value)) {

    case JSON_OBJECT:
        return "object";

    case JSON_ARRAY:
        return "array";

    case JSON_STRING:
        return mdm_ddm_has_variable(value) ? "string with variables"
                                           : "string";

    case JSON_INTEGER:
        return "integer";

    case JSON_REAL:
        return "real";

    case JSON_NULL:
        return "null";

    default:
        return "boolean";
    }
}


static mdm_int_t
mdm_ddm_check_tell(mdm_ddm_check_t *check, const mdm_schema_path_t *path,
    const char *what, mdm_uint_t refuse)
{
    mdm_str_t  place;

    if (mdm_schema_path(check->arena, &place, path) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_ddm_unknown(check->arena, (char *) place.data, what,
                           refuse || check->strict, check->result);
}


mdm_int_t
mdm_ddm_unknown(mdm_arena_t *arena, const char *place, const char *what,
    mdm_uint_t strict, mdm_schema_result_t *result)
{
    mdm_str_t  text;

    if (!strict && result->nwarnings == MDM_SCHEMA_WARNINGS) {
        return MDM_OK;
    }

    if (mdm_printf(arena, &text, "%s: %s", place, what) != MDM_OK) {
        return MDM_ERROR;
    }

    if (strict) {
        result->error = text;
        return MDM_DECLINED;
    }

    return mdm_schema_warn(arena, result, &text);
}
