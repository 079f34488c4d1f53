
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The reader of plists, for a walk over a table.
 */


#include <stdlib.h>

#include "mdm_schema_walk.h"


static u_char mdm_schema_plist_type(const void *value);
static mdm_uint_t mdm_schema_plist_fits(u_char type, const void *value);
static const char *mdm_schema_plist_expected(u_char type);
static const char *mdm_schema_plist_found(const void *value);
static const void *mdm_schema_plist_member(const void *dict,
    const char *name);
static mdm_int_t mdm_schema_plist_begin_members(mdm_schema_iter_t *iter,
    const void *dict);
static mdm_int_t mdm_schema_plist_next_member(mdm_schema_iter_t *iter,
    mdm_str_t *key, const void **value);
static mdm_int_t mdm_schema_plist_begin_elements(mdm_schema_iter_t *iter,
    const void *array);
static mdm_int_t mdm_schema_plist_next_element(mdm_schema_iter_t *iter,
    const void **value);
static void mdm_schema_plist_end(mdm_schema_iter_t *iter);
static void mdm_schema_plist_string(const void *value, mdm_str_t *s);
static int64_t mdm_schema_plist_integer(const void *value);
static double mdm_schema_plist_real(const void *value);
static void mdm_schema_plist_data(const void *value, mdm_str_t *s);


const mdm_schema_reader_t  mdm_schema_plist = {
    mdm_schema_plist_type,
    mdm_schema_plist_fits,
    mdm_schema_plist_expected,
    mdm_schema_plist_found,
    mdm_schema_plist_member,
    mdm_schema_plist_begin_members,
    mdm_schema_plist_next_member,
    mdm_schema_plist_begin_elements,
    mdm_schema_plist_next_element,
    mdm_schema_plist_end,
    mdm_schema_plist_string,
    mdm_schema_plist_integer,
    mdm_schema_plist_real,
    mdm_schema_plist_data,
    NULL,
    0
};


static u_char
mdm_schema_plist_type(const void *value)
{
    switch (plist_get_node_type((plist_t) value)) {

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


static mdm_uint_t
mdm_schema_plist_fits(u_char type, const void *value)
{
    u_char  own;

    own = mdm_schema_plist_type(value);

    return own == type || (type == 'r' && own == 'i');
}


static const char *
mdm_schema_plist_expected(u_char type)
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


static const char *
mdm_schema_plist_found(const void *value)
{
    return mdm_schema_plist_expected(mdm_schema_plist_type(value));
}


static const void *
mdm_schema_plist_member(const void *dict, const char *name)
{
    return plist_dict_get_item((plist_t) dict, name);
}


static mdm_int_t
mdm_schema_plist_begin_members(mdm_schema_iter_t *iter, const void *dict)
{
    plist_dict_iter  i;

    i = NULL;
    plist_dict_new_iter((plist_t) dict, &i);

    iter->container = dict;
    iter->iter = i;
    iter->key = NULL;

    return (i == NULL) ? MDM_ERROR : MDM_OK;
}


static mdm_int_t
mdm_schema_plist_next_member(mdm_schema_iter_t *iter, mdm_str_t *key,
    const void **value)
{
    char     *name;
    plist_t   v;

    free(iter->key);
    iter->key = NULL;

    name = NULL;
    v = NULL;

    plist_dict_next_item((plist_t) iter->container, iter->iter, &name, &v);

    iter->key = name;
    *value = v;

    if (v == NULL) {
        return MDM_DECLINED;
    }

    if (name == NULL) {
        return MDM_ERROR;
    }

    key->data = (u_char *) name;
    key->len = strlen(name);

    return MDM_OK;
}


static mdm_int_t
mdm_schema_plist_begin_elements(mdm_schema_iter_t *iter, const void *array)
{
    plist_array_iter  i;

    i = NULL;
    plist_array_new_iter((plist_t) array, &i);

    iter->container = array;
    iter->iter = i;
    iter->key = NULL;

    return (i == NULL) ? MDM_ERROR : MDM_OK;
}


static mdm_int_t
mdm_schema_plist_next_element(mdm_schema_iter_t *iter, const void **value)
{
    plist_t  v;

    v = NULL;
    plist_array_next_item((plist_t) iter->container, iter->iter, &v);

    *value = v;

    return (v == NULL) ? MDM_DECLINED : MDM_OK;
}


static void
mdm_schema_plist_end(mdm_schema_iter_t *iter)
{
    free(iter->key);
    free(iter->iter);
}


static void
mdm_schema_plist_string(const void *value, mdm_str_t *s)
{
    uint64_t     len;
    const char  *p;

    len = 0;
    p = plist_get_string_ptr((plist_t) value, &len);

    s->data = (u_char *) p;
    s->len = (p == NULL) ? 0 : (size_t) len;
}


static int64_t
mdm_schema_plist_integer(const void *value)
{
    uint64_t  n;

    n = 0;
    plist_get_uint_val((plist_t) value, &n);

    return (int64_t) n;
}


static double
mdm_schema_plist_real(const void *value)
{
    double  n;

    n = 0;
    plist_get_real_val((plist_t) value, &n);

    return n;
}


static void
mdm_schema_plist_data(const void *value, mdm_str_t *s)
{
    uint64_t     len;
    const char  *p;

    len = 0;
    p = plist_get_data_ptr((plist_t) value, &len);

    s->data = (u_char *) p;
    s->len = (p == NULL) ? 0 : (size_t) len;
}
