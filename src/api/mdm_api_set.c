
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Sets of declarations: /v1/sets, /v1/set-declarations, /v1/declaration-sets
 * and /v1/set-filters.
 */


#include "mdm_api.h"
#include "mdm_api_ddm.h"
#include "mdm_ddm_declaration.h"


/* strings in one list of a filter, and bytes of one */
#define MDM_API_FILTER        100
#define MDM_API_FILTER_TEXT   128


static mdm_int_t mdm_api_set_change(mdm_exchange_t *x, mdm_uint_t in);
static mdm_int_t mdm_api_set_filter_read(mdm_exchange_t *x, mdm_str_t *json);
static mdm_int_t mdm_api_set_filter_check(mdm_exchange_t *x, json_t *root);
static mdm_int_t mdm_api_set_filter_change(mdm_exchange_t *x,
    const mdm_str_t *json);


mdm_int_t
mdm_api_set_list_step(mdm_exchange_t *x)
{
    return mdm_api_ddm_list(x, "sets", 0);
}


mdm_int_t
mdm_api_set_declarations_step(mdm_exchange_t *x)
{
    return mdm_api_ddm_list(x, "set", MDM_API_SET);
}


mdm_int_t
mdm_api_declaration_sets_step(mdm_exchange_t *x)
{
    return mdm_api_ddm_list(x, "in", MDM_DDM_ID);
}


mdm_int_t
mdm_api_set_put_step(mdm_exchange_t *x)
{
    return mdm_api_set_change(x, 1);
}


mdm_int_t
mdm_api_set_delete_step(mdm_exchange_t *x)
{
    return mdm_api_set_change(x, 0);
}


static mdm_int_t
mdm_api_set_change(mdm_exchange_t *x, mdm_uint_t in)
{
    mdm_int_t   rc;
    mdm_str_t   set, id, *args;

    if (x->state != 0) {

        switch (mdm_reply_code(x->calls[0].reply, 0)) {

        case -1:
            return mdm_exchange_refuse(x, 404, "there is no such "
                                       "declaration");

        case -2:
            return mdm_exchange_refuse(x, 409, "there are %d sets already, "
                                       "the most that a tenant has",
                                       MDM_DDM_SETS);

        case -3:
            return mdm_exchange_refuse(x, 409, "the set has %d declarations "
                                       "already, the most that fit",
                                       MDM_DDM_SET);

        default:
            return mdm_api_changed(x, mdm_reply_code(x->calls[0].reply, 0)
                                      == 1);
        }
    }

    args = NULL;
    mdm_str_null(&id);

    rc = mdm_api_name(x, 0, MDM_API_SET, &set);

    if (rc == MDM_OK) {
        rc = mdm_api_arg_name(x, "declaration", MDM_DDM_ID, &id);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_change(x, &mdm_script_ddm_set, &args);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_SET_SET] = set;
    args[MDM_ARG_DDM_SET_ID] = id;
    args[MDM_ARG_DDM_SET_MEMBER] = mdm_api_flag(in);

    if (mdm_api_number(x, &args[MDM_ARG_DDM_SET_MOST_SETS], MDM_DDM_SETS)
        != MDM_OK
        || mdm_api_number(x, &args[MDM_ARG_DDM_SET_MOST], MDM_DDM_SET)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


mdm_int_t
mdm_api_set_filter_get_step(mdm_exchange_t *x)
{
    mdm_int_t           rc;
    mdm_str_t           set, json, *args;
    const mdm_reply_t  *reply;

    if (x->state != 0) {
        reply = x->calls[0].reply;

        if (mdm_reply_code(reply, 0) != 1) {
            return mdm_exchange_refuse(x, 404, "the set has no filter");
        }

        json = mdm_reply_str(reply, MDM_RET_DDM_SET_GET_VALUE);

        return mdm_exchange_body(x, 200, "application/json", &json);
    }

    args = NULL;

    rc = mdm_api_name(x, 0, MDM_API_SET, &set);

    if (rc == MDM_OK) {
        rc = mdm_api_ddm_read(x, &mdm_script_ddm_set_get, &args);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_SET_GET_SET] = set;
    mdm_str_set(&args[MDM_ARG_DDM_SET_GET_WHICH], "f");

    return MDM_CALL;
}


mdm_int_t
mdm_api_set_filter_put_step(mdm_exchange_t *x)
{
    mdm_int_t  rc;
    mdm_str_t  json;

    mdm_str_null(&json);

    if (x->state == 0) {
        rc = mdm_api_set_filter_read(x, &json);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return mdm_api_set_filter_change(x, &json);
}


mdm_int_t
mdm_api_set_filter_delete_step(mdm_exchange_t *x)
{
    mdm_str_t  none;

    mdm_str_null(&none);

    return mdm_api_set_filter_change(x, &none);
}


static mdm_int_t
mdm_api_set_filter_read(mdm_exchange_t *x, mdm_str_t *json)
{
    json_t     *root;
    mdm_int_t   rc;

    rc = mdm_api_body_load(x, &root);

    if (rc == MDM_OK) {
        rc = mdm_api_set_filter_check(x, root);
    }

    return (rc == MDM_OK) ? mdm_json_dump(x->arena, root, 0, json) : rc;
}


/* {"type": [strings], "model": [strings], "tag": [strings]}, any of them */

static mdm_int_t
mdm_api_set_filter_check(mdm_exchange_t *x, json_t *root)
{
    size_t       i;
    json_t      *list, *one;
    const char  *key;

    if (!json_is_object(root) || json_object_size(root) == 0) {
        return mdm_exchange_refuse(x, 400, "a filter is an object with type, "
                                   "model or tag");
    }

    json_object_foreach(root, key, list) {

        if (strcmp(key, "type") != 0 && strcmp(key, "model") != 0
            && strcmp(key, "tag") != 0)
        {
            return mdm_exchange_refuse(x, 400, "a filter has type, model and "
                                       "tag only");
        }

        if (!json_is_array(list) || json_array_size(list) == 0
            || json_array_size(list) > MDM_API_FILTER)
        {
            return mdm_exchange_refuse(x, 400, "%s: an array of 1 to %d "
                                       "strings expected", key,
                                       MDM_API_FILTER);
        }

        json_array_foreach(list, i, one) {

            if (!json_is_string(one) || json_string_length(one) == 0
                || json_string_length(one) > MDM_API_FILTER_TEXT)
            {
                return mdm_exchange_refuse(x, 400, "%s[%zu]: a string of 1 "
                                           "to %d octets expected", key, i,
                                           MDM_API_FILTER_TEXT);
            }
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_set_filter_change(mdm_exchange_t *x, const mdm_str_t *json)
{
    mdm_int_t   rc;
    mdm_str_t   set, *args;

    if (x->state != 0) {

        if (mdm_reply_code(x->calls[0].reply, 0) == -2) {
            return mdm_exchange_refuse(x, 409, "there are %d sets already, "
                                       "the most that a tenant has",
                                       MDM_DDM_SETS);
        }

        return mdm_api_changed(x, mdm_reply_code(x->calls[0].reply, 0)
                                  == 1);
    }

    args = NULL;

    rc = mdm_api_name(x, 0, MDM_API_SET, &set);

    if (rc == MDM_OK) {
        rc = mdm_api_change(x, &mdm_script_ddm_set_put, &args);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_SET_PUT_SET] = set;
    mdm_str_set(&args[MDM_ARG_DDM_SET_PUT_WHICH], "f");
    args[MDM_ARG_DDM_SET_PUT_VALUE] = *json;

    return (mdm_api_number(x, &args[MDM_ARG_DDM_SET_PUT_MOST], MDM_DDM_SETS)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}
