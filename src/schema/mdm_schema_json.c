
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The reader of JSON, for a walk over a table.
 */


#include <jansson.h>

#include "mdm_schema_walk.h"


static u_char mdm_schema_json_type(const void *value);
static mdm_uint_t mdm_schema_json_fits(u_char type, const void *value);
static const char *mdm_schema_json_expected(u_char type);
static const char *mdm_schema_json_found(const void *value);
static const void *mdm_schema_json_member(const void *dict, const char *name);
static mdm_int_t mdm_schema_json_begin_members(mdm_schema_iter_t *iter,
    const void *dict);
static mdm_int_t mdm_schema_json_next_member(mdm_schema_iter_t *iter,
    mdm_str_t *key, const void **value);
static mdm_int_t mdm_schema_json_begin_elements(mdm_schema_iter_t *iter,
    const void *array);
static mdm_int_t mdm_schema_json_next_element(mdm_schema_iter_t *iter,
    const void **value);
static void mdm_schema_json_end(mdm_schema_iter_t *iter);
static void mdm_schema_json_string(const void *value, mdm_str_t *s);
static int64_t mdm_schema_json_integer(const void *value);
static double mdm_schema_json_real(const void *value);
static mdm_uint_t mdm_schema_json_variable(const void *value);


const mdm_schema_reader_t  mdm_schema_json = {
    mdm_schema_json_type,
    mdm_schema_json_fits,
    mdm_schema_json_expected,
    mdm_schema_json_found,
    mdm_schema_json_member,
    mdm_schema_json_begin_members,
    mdm_schema_json_next_member,
    mdm_schema_json_begin_elements,
    mdm_schema_json_next_element,
    mdm_schema_json_end,
    mdm_schema_json_string,
    mdm_schema_json_integer,
    mdm_schema_json_real,
    NULL,
    mdm_schema_json_variable,
    1
};


static u_char
mdm_schema_json_type(const void *value)
{
    switch (json_typeof((const json_t *) value)) {

    case JSON_OBJECT:
        return 'D';

    case JSON_ARRAY:
        return 'A';

    case JSON_STRING:
        return 's';

    case JSON_INTEGER:
        return 'i';

    case JSON_REAL:
        return 'r';

    case JSON_TRUE:
    case JSON_FALSE:
        return 'b';

    default:
        return 0;
    }
}


/* an integer is welcome where a real is asked for */

static mdm_uint_t
mdm_schema_json_fits(u_char type, const void *value)
{
    u_char  own;

    own = mdm_schema_json_type(value);

    switch (type) {

    case 'd':
    case 't':
        return own == 's';

    case 'r':
        return own == 'r' || own == 'i';

    default:
        return own == type;
    }
}


static const char *
mdm_schema_json_expected(u_char type)
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
mdm_schema_json_found(const void *value)
{
    switch (json_typeof((const json_t *) value)) {

    case JSON_OBJECT:
        return "object";

    case JSON_ARRAY:
        return "array";

    case JSON_STRING:
        return mdm_schema_json_variable(value) ? "string with variables"
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


static const void *
mdm_schema_json_member(const void *dict, const char *name)
{
    return json_object_get(dict, name);
}


static mdm_int_t
mdm_schema_json_begin_members(mdm_schema_iter_t *iter, const void *dict)
{
    iter->container = dict;
    iter->iter = json_object_iter((json_t *) dict);

    return MDM_OK;
}


static mdm_int_t
mdm_schema_json_next_member(mdm_schema_iter_t *iter, mdm_str_t *key,
    const void **value)
{
    if (iter->iter == NULL) {
        return MDM_DECLINED;
    }

    key->data = (u_char *) json_object_iter_key(iter->iter);
    key->len = strlen((char *) key->data);

    *value = json_object_iter_value(iter->iter);

    iter->iter = json_object_iter_next((json_t *) iter->container,
                                       iter->iter);

    return MDM_OK;
}


static mdm_int_t
mdm_schema_json_begin_elements(mdm_schema_iter_t *iter, const void *array)
{
    iter->container = array;
    iter->index = 0;

    return MDM_OK;
}


static mdm_int_t
mdm_schema_json_next_element(mdm_schema_iter_t *iter, const void **value)
{
    *value = json_array_get(iter->container, iter->index++);

    return (*value == NULL) ? MDM_DECLINED : MDM_OK;
}


static void
mdm_schema_json_end(mdm_schema_iter_t *iter)
{
    (void) iter;
}


static void
mdm_schema_json_string(const void *value, mdm_str_t *s)
{
    s->data = (u_char *) json_string_value(value);
    s->len = json_string_length(value);
}


static int64_t
mdm_schema_json_integer(const void *value)
{
    return json_integer_value(value);
}


static double
mdm_schema_json_real(const void *value)
{
    return json_real_value(value);
}


static mdm_uint_t
mdm_schema_json_variable(const void *value)
{
    return strstr(json_string_value(value), "${") != NULL;
}
