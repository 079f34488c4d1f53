
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Sets, tags and variables that wait for a device.
 */


#include "mdm_gives.h"
#include "mdm_key.h"
#include "mdm_quote.h"


/* bytes of a name, of a value */
#define MDM_GIVES_NAME        128
#define MDM_GIVES_VALUE       1024


static mdm_int_t mdm_gives_names(mdm_exchange_t *x, const json_t *root,
    const char *member, size_t most, json_t *out);
static mdm_int_t mdm_gives_name(mdm_exchange_t *x, const char *member,
    const json_t *value);
static mdm_int_t mdm_gives_variables(mdm_exchange_t *x, const json_t *root,
    json_t *out);
static mdm_int_t mdm_gives_dump(mdm_exchange_t *x, json_t *out,
    mdm_str_t *gives);
static mdm_int_t mdm_gives_fields(mdm_arena_t *arena, const json_t *list,
    const char *prefix, mdm_str_t *pairs, mdm_uint_t *n);
static mdm_int_t mdm_gives_values(mdm_arena_t *arena, const json_t *variables,
    mdm_str_t *pairs, mdm_uint_t *n);
static void mdm_gives_str(const json_t *value, mdm_str_t *s);


mdm_int_t
mdm_gives_read(mdm_exchange_t *x, const json_t *root, mdm_str_t *gives)
{
    json_t     *out;
    mdm_int_t   rc;

    mdm_str_null(gives);

    out = json_object();
    if (out == NULL) {
        return mdm_arena_no_memory(x->arena);
    }

    rc = mdm_gives_names(x, root, "sets", MDM_GIVES_SETS, out);

    if (rc == MDM_OK) {
        rc = mdm_gives_names(x, root, "tags", MDM_GIVES_TAGS, out);
    }

    if (rc == MDM_OK) {
        rc = mdm_gives_variables(x, root, out);
    }

    if (rc == MDM_OK && json_object_size(out) != 0) {
        rc = mdm_gives_dump(x, out, gives);
    }

    json_decref(out);

    return rc;
}


static mdm_int_t
mdm_gives_dump(mdm_exchange_t *x, json_t *out, mdm_str_t *gives)
{
    if (mdm_json_dump(x->arena, out, 0, gives) != MDM_OK) {
        return MDM_ERROR;
    }

    if (gives->len > MDM_GIVES_SIZE) {
        return mdm_exchange_refuse(x, 400, "\"sets\", \"tags\" and "
                                   "\"variables\" are more than %d bytes",
                                   MDM_GIVES_SIZE);
    }

    return MDM_OK;
}


static mdm_int_t
mdm_gives_names(mdm_exchange_t *x, const json_t *root, const char *member,
    size_t most, json_t *out)
{
    size_t      i;
    json_t     *list, *value;
    mdm_int_t   rc;

    list = json_object_get(root, member);

    if (list == NULL || json_is_null(list)
        || (json_is_array(list) && json_array_size(list) == 0))
    {
        return MDM_OK;
    }

    if (!json_is_array(list) || json_array_size(list) > most) {
        return mdm_exchange_refuse(x, 400, "\"%s\" is not an array of at most "
                                   "%lu names", member, (unsigned long) most);
    }

    json_array_foreach(list, i, value) {
        rc = mdm_gives_name(x, member, value);

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return (json_object_set(out, member, list) == 0)
           ? MDM_OK : mdm_arena_no_memory(x->arena);
}


static mdm_int_t
mdm_gives_name(mdm_exchange_t *x, const char *member, const json_t *value)
{
    mdm_str_t  s;

    mdm_gives_str(value, &s);

    if (s.len == 0 || s.len > MDM_GIVES_NAME || mdm_utf8_control(&s)) {
        return mdm_exchange_refuse(x, 400, "\"%s\" has a name that is not a "
                                   "string of 1 to %d octets without control "
                                   "characters", member, MDM_GIVES_NAME);
    }

    return MDM_OK;
}


static mdm_int_t
mdm_gives_variables(mdm_exchange_t *x, const json_t *root, json_t *out)
{
    json_t       *variables, *value;
    mdm_str_t     s;
    mdm_quote_t   quote;
    const char   *name;

    variables = json_object_get(root, "variables");

    if (variables == NULL || json_is_null(variables)
        || (json_is_object(variables) && json_object_size(variables) == 0))
    {
        return MDM_OK;
    }

    if (!json_is_object(variables)
        || json_object_size(variables) > MDM_GIVES_VARIABLES)
    {
        return mdm_exchange_refuse(x, 400, "\"variables\" is not an object of "
                                   "at most %d texts", MDM_GIVES_VARIABLES);
    }

    json_object_foreach(variables, name, value) {

        s.data = (u_char *) (uintptr_t) name;
        s.len = strlen(name);

        if (mdm_tenant_check(&s) != MDM_OK) {
            return mdm_exchange_refuse(x, 400, "the variable \"%s\" is not 1 "
                                       "to %d letters, digits, \"-\", \".\" "
                                       "or \"_\"",
                                       mdm_quote(&quote, name, s.len),
                                       MDM_TENANT_MAX);
        }

        mdm_gives_str(value, &s);

        if (s.data == NULL || s.len > MDM_GIVES_VALUE) {
            return mdm_exchange_refuse(x, 400, "the variable \"%s\" is not a "
                                       "string of at most %d octets", name,
                                       MDM_GIVES_VALUE);
        }
    }

    return (json_object_set(out, "variables", variables) == 0)
           ? MDM_OK : mdm_arena_no_memory(x->arena);
}


mdm_int_t
mdm_gives_pairs(mdm_arena_t *arena, const mdm_str_t *gives, mdm_str_t **pairs,
    mdm_uint_t *n)
{
    json_t        *root;
    mdm_int_t      rc;
    json_error_t   error;

    *n = 0;
    *pairs = NULL;

    if (gives->len == 0) {
        return MDM_OK;
    }

    rc = mdm_json_read(arena, gives, 0, &root, &error);

    if (rc != MDM_OK) {
        return (rc == MDM_ERROR) ? MDM_ERROR : MDM_OK;
    }

    *pairs = mdm_arena_alloc(arena, 2 * sizeof(mdm_str_t)
                                    * (MDM_GIVES_SETS + MDM_GIVES_TAGS
                                       + MDM_GIVES_VARIABLES));
    if (*pairs == NULL) {
        return MDM_ERROR;
    }

    return (mdm_gives_fields(arena, json_object_get(root, "sets"), "s:",
                             *pairs, n)
            == MDM_OK
            && mdm_gives_fields(arena, json_object_get(root, "tags"), "t:",
                                *pairs, n)
               == MDM_OK
            && mdm_gives_values(arena, json_object_get(root, "variables"),
                                *pairs, n)
               == MDM_OK)
           ? MDM_OK : MDM_ERROR;
}


static mdm_int_t
mdm_gives_fields(mdm_arena_t *arena, const json_t *list, const char *prefix,
    mdm_str_t *pairs, mdm_uint_t *n)
{
    size_t       i, most;
    json_t      *value;
    mdm_str_t    s;
    mdm_uint_t   k;

    most = (*prefix == 's') ? MDM_GIVES_SETS : MDM_GIVES_TAGS;

    json_array_foreach(list, i, value) {

        if (i == most) {
            break;
        }

        mdm_gives_str(value, &s);

        if (s.len == 0) {
            continue;
        }

        k = 2 * (*n)++;

        if (mdm_key_id(arena, &s, &s) != MDM_OK
            || mdm_printf(arena, &pairs[k], "%s%.*s", prefix, mdm_fmt(&s))
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        mdm_str_set(&pairs[k + 1], "1");
    }

    return MDM_OK;
}


static mdm_int_t
mdm_gives_values(mdm_arena_t *arena, const json_t *variables,
    mdm_str_t *pairs, mdm_uint_t *n)
{
    json_t      *value;
    mdm_str_t    s;
    mdm_uint_t   k, count;
    const char  *name;

    count = 0;

    json_object_foreach((json_t *) (uintptr_t) variables, name, value) {

        mdm_gives_str(value, &s);

        if (s.data == NULL || count++ == MDM_GIVES_VARIABLES) {
            continue;
        }

        k = 2 * (*n)++;

        if (mdm_printf(arena, &pairs[k], "v:%s", name) != MDM_OK) {
            return MDM_ERROR;
        }

        pairs[k + 1] = s;
    }

    return MDM_OK;
}


mdm_int_t
mdm_gives_show(mdm_arena_t *arena, const mdm_str_t *gives, mdm_json_out_t *j)
{
    json_t        *root, *value;
    mdm_int_t      rc;
    mdm_str_t      text;
    const char    *name;
    json_error_t   error;

    if (gives->len == 0) {
        return MDM_OK;
    }

    rc = mdm_json_read(arena, gives, 0, &root, &error);

    if (rc != MDM_OK) {
        return (rc == MDM_ERROR) ? MDM_ERROR : MDM_OK;
    }

    json_object_foreach(root, name, value) {

        if (mdm_json_dump(arena, value, JSON_ENCODE_ANY, &text) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_json_value(j, name, &text);
    }

    return MDM_OK;
}


static void
mdm_gives_str(const json_t *value, mdm_str_t *s)
{
    s->data = (u_char *) (uintptr_t) json_string_value(value);
    s->len = json_string_length(value);
}
