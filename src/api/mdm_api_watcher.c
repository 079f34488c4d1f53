
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * /v1/status-watchers: status values of which a change is an event.
 */


#include <stdlib.h>

#include "mdm_api.h"
#include "mdm_api_ddm.h"
#include "mdm_ddm_declaration.h"
#include "mdm_key.h"


#define MDM_API_WATCHERS      100     /* a tenant */
#define MDM_API_WATCHER       128     /* octets of a name */
#define MDM_API_PREFIXES      100     /* a watcher */
#define MDM_API_PREFIX        255     /* octets of one */


static mdm_int_t mdm_api_watcher_read(mdm_exchange_t *x, mdm_str_t *json);
static mdm_int_t mdm_api_watcher_check(mdm_exchange_t *x, json_t *root,
    mdm_str_t *json);
static mdm_int_t mdm_api_watcher_items(mdm_exchange_t *x, json_t *list,
    mdm_json_out_t *j);
static int mdm_api_watcher_compare(const void *one, const void *two);
static mdm_int_t mdm_api_watcher_change(mdm_exchange_t *x,
    const mdm_str_t *json);
static mdm_int_t mdm_api_watcher_write(mdm_json_out_t *j,
    const mdm_str_t *name, const mdm_str_t *json);


mdm_int_t
mdm_api_watcher_put_step(mdm_exchange_t *x)
{
    mdm_int_t  rc;
    mdm_str_t  json;

    mdm_str_null(&json);

    if (x->state == 0) {
        rc = mdm_api_watcher_read(x, &json);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return mdm_api_watcher_change(x, &json);
}


mdm_int_t
mdm_api_watcher_delete_step(mdm_exchange_t *x)
{
    mdm_str_t  none;

    mdm_str_null(&none);

    return mdm_api_watcher_change(x, &none);
}


static mdm_int_t
mdm_api_watcher_read(mdm_exchange_t *x, mdm_str_t *json)
{
    json_t     *root;
    mdm_int_t   rc;

    rc = mdm_api_body_load(x, &root);

    return (rc == MDM_OK) ? mdm_api_watcher_check(x, root, json) : rc;
}


/* {"items": [beginnings of paths], "set": "name"}; the latter may be missing */

static mdm_int_t
mdm_api_watcher_check(mdm_exchange_t *x, json_t *root, mdm_str_t *json)
{
    json_t          *value;
    mdm_int_t        rc;
    mdm_str_t        set, key;
    const char      *name;
    mdm_json_out_t   j;

    if (!json_is_object(root)) {
        return mdm_exchange_refuse(x, 400, "JSON: object expected");
    }

    json_object_foreach(root, name, value) {

        if (strcmp(name, "items") != 0 && strcmp(name, "set") != 0) {
            return mdm_exchange_refuse(x, 400, "a watcher has items and set "
                                       "only");
        }
    }

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');

    rc = mdm_api_watcher_items(x, json_object_get(root, "items"), &j);
    if (rc != MDM_OK) {
        return rc;
    }

    value = json_object_get(root, "set");

    if (value == NULL) {
        mdm_json_close(&j, '}');

        return mdm_json_end(&j, json);
    }

    if (!json_is_string(value) || json_string_length(value) == 0
        || json_string_length(value) > MDM_API_SET)
    {
        return mdm_exchange_refuse(x, 400, "set: a string of 1 to %d octets "
                                   "expected", MDM_API_SET);
    }

    set.data = (u_char *) json_string_value(value);
    set.len = json_string_length(value);

    if (mdm_api_name_plain(x, "set", &set) != MDM_OK) {
        return MDM_DONE;
    }

    if (mdm_key_id(x->arena, &key, &set) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_json_str(&j, "set", &key);
    mdm_json_close(&j, '}');

    return mdm_json_end(&j, json);
}


/* sorted, each once: the same list is the same text */

static mdm_int_t
mdm_api_watcher_items(mdm_exchange_t *x, json_t *list, mdm_json_out_t *j)
{
    json_t       *one;
    size_t        i, k, n;
    mdm_str_t     s;
    const char  **names;

    n = json_array_size(list);

    if (!json_is_array(list) || n == 0 || n > MDM_API_PREFIXES) {
        return mdm_exchange_refuse(x, 400, "items: an array of 1 to %d "
                                   "strings expected", MDM_API_PREFIXES);
    }

    names = mdm_arena_alloc(x->arena, n * sizeof(char *));
    if (names == NULL) {
        return MDM_ERROR;
    }

    json_array_foreach(list, i, one) {

        if (!json_is_string(one) || json_string_length(one) == 0
            || json_string_length(one) > MDM_API_PREFIX)
        {
            return mdm_exchange_refuse(x, 400, "items[%zu]: a string of 1 to "
                                       "%d octets expected", i,
                                       MDM_API_PREFIX);
        }

        s.data = (u_char *) json_string_value(one);
        s.len = json_string_length(one);

        for (k = 0; k < s.len; k++) {

            if (s.data[k] < ' ' || s.data[k] == 0x7f) {
                return mdm_exchange_refuse(x, 400, "items[%zu]: a control "
                                           "character", i);
            }
        }

        names[i] = json_string_value(one);
    }

    qsort(names, n, sizeof(char *), mdm_api_watcher_compare);

    mdm_json_open(j, "items", '[');

    for (i = 0; i < n; i++) {

        if (i == 0 || strcmp(names[i], names[i - 1]) != 0) {
            mdm_json_text(j, NULL, names[i]);
        }
    }

    mdm_json_close(j, ']');

    return MDM_OK;
}


static int
mdm_api_watcher_compare(const void *one, const void *two)
{
    const char *const  *a, *const *b;

    a = one;
    b = two;

    return strcmp(*a, *b);
}


static mdm_int_t
mdm_api_watcher_change(mdm_exchange_t *x, const mdm_str_t *json)
{
    mdm_int_t   rc;
    mdm_str_t   name, *args;

    if (x->state != 0) {

        if (mdm_reply_code(x->calls[0].reply, 0) == -2) {
            return mdm_exchange_refuse(x, 409, "there are %d watchers "
                                       "already, the most that a tenant has",
                                       MDM_API_WATCHERS);
        }

        return mdm_api_changed(x, mdm_reply_code(x->calls[0].reply, 0)
                                  == 1);
    }

    args = NULL;

    rc = mdm_api_name(x, 0, MDM_API_WATCHER, &name);

    if (rc == MDM_OK) {
        rc = mdm_api_change(x, &mdm_script_ddm_watcher_put, &args);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_WATCHER_PUT_NAME] = name;
    args[MDM_ARG_DDM_WATCHER_PUT_VALUE] = *json;

    return (mdm_api_number(x, &args[MDM_ARG_DDM_WATCHER_PUT_MOST],
                           MDM_API_WATCHERS)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


mdm_int_t
mdm_api_watcher_get_step(mdm_exchange_t *x)
{
    mdm_int_t           rc;
    mdm_str_t           name, json, *args;
    mdm_json_out_t      j;
    const mdm_reply_t  *reply;

    if (x->state != 0) {
        reply = x->calls[0].reply;

        if (mdm_reply_size(reply) == 0) {
            return mdm_exchange_refuse(x, 404, "there is no such watcher");
        }

        json = mdm_reply_str(reply, MDM_RET_DDM_WATCHER_GET_WATCHERS
                                    + MDM_RET_DDM_WATCHER_GET_WATCHERS_VALUE);

        mdm_json_init(&j, x->arena, 256);

        rc = mdm_api_watcher_write(&j, NULL, &json);

        return (rc == MDM_OK) ? mdm_api_json_answer(&j, x, 200) : rc;
    }

    args = NULL;

    rc = mdm_api_name(x, 0, MDM_API_WATCHER, &name);

    if (rc == MDM_OK) {
        rc = mdm_api_ddm_read(x, &mdm_script_ddm_watcher_get, &args);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_WATCHER_GET_WATCHER] = name;

    return MDM_CALL;
}


mdm_int_t
mdm_api_watcher_list_step(mdm_exchange_t *x)
{
    size_t              i;
    mdm_int_t           rc;
    mdm_str_t           name, json, *args;
    mdm_json_out_t      j;
    const mdm_reply_t  *reply;

    if (x->state == 0) {
        rc = mdm_api_ddm_read(x, &mdm_script_ddm_watcher_get, &args);

        return (rc == MDM_OK) ? MDM_CALL : rc;
    }

    reply = x->calls[0].reply;

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '[');

    for (i = MDM_RET_DDM_WATCHER_GET_WATCHERS;
         mdm_reply_row(reply, i, MDM_NRET_DDM_WATCHER_GET_WATCHERS);
         i += MDM_NRET_DDM_WATCHER_GET_WATCHERS)
    {
        name = mdm_reply_str(reply, i + MDM_RET_DDM_WATCHER_GET_WATCHERS_NAME);
        json = mdm_reply_str(reply, i + MDM_RET_DDM_WATCHER_GET_WATCHERS_VALUE);

        rc = mdm_api_watcher_write(&j, &name, &json);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    mdm_json_close(&j, ']');

    return mdm_api_json_answer(&j, x, 200);
}


/* as it is kept, but for the set's name, which is in key form there */

static mdm_int_t
mdm_api_watcher_write(mdm_json_out_t *j, const mdm_str_t *name,
    const mdm_str_t *json)
{
    json_t        *root, *one;
    size_t         i;
    mdm_str_t      s;
    json_error_t   je;

    if (mdm_json_read(j->arena, json, 0, &root, &je) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_json_open(j, NULL, '{');

    if (name != NULL) {
        mdm_json_id(j, "name", name);
    }

    mdm_json_open(j, "items", '[');

    json_array_foreach(json_object_get(root, "items"), i, one) {
        s.data = (u_char *) json_string_value(one);
        s.len = json_string_length(one);

        mdm_json_str(j, NULL, &s);
    }

    mdm_json_close(j, ']');

    one = json_object_get(root, "set");

    if (json_is_string(one)) {
        s.data = (u_char *) json_string_value(one);
        s.len = json_string_length(one);

        mdm_json_id(j, "set", &s);
    }

    mdm_json_close(j, '}');

    return MDM_OK;
}
