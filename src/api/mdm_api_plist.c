
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Writes a device's plist as JSON.
 */


#include <math.h>

#include "mdm_api_plist.h"
#include "mdm_date.h"


/* Unix seconds of 2001-01-01, where dates of a plist begin */
#define MDM_API_PLIST_EPOCH   978307200


static mdm_int_t mdm_api_plist_array(mdm_json_out_t *j, plist_t array);
static mdm_int_t mdm_api_plist_dict(mdm_json_out_t *j, plist_t dict);
static void mdm_api_plist_string(mdm_json_out_t *j, plist_t value);
static void mdm_api_plist_data(mdm_json_out_t *j, plist_t value);
static void mdm_api_plist_number(mdm_json_out_t *j, plist_t value);
static void mdm_api_plist_date(mdm_json_out_t *j, plist_t value);


mdm_int_t
mdm_api_plist(mdm_json_out_t *j, const char *name, plist_t value)
{
    mdm_int_t  rc;
    mdm_str_t  key;

    if (name != NULL) {
        key.data = (u_char *) name;
        key.len = strlen(name);

        mdm_json_key(j, &key);
    }

    rc = MDM_OK;

    switch (plist_get_node_type(value)) {

    case PLIST_DICT:
        rc = mdm_api_plist_dict(j, value);
        break;

    case PLIST_ARRAY:
        rc = mdm_api_plist_array(j, value);
        break;

    case PLIST_STRING:
        mdm_api_plist_string(j, value);
        break;

    case PLIST_DATA:
        mdm_api_plist_data(j, value);
        break;

    case PLIST_DATE:
        mdm_api_plist_date(j, value);
        break;

    default:
        mdm_api_plist_number(j, value);
    }

    if (rc == MDM_OK
        && j->start != NULL
        && (size_t) (j->pos - j->start) > MDM_API_PLIST_OUT)
    {
        return MDM_DECLINED;
    }

    return rc;
}


static mdm_int_t
mdm_api_plist_array(mdm_json_out_t *j, plist_t array)
{
    plist_t           item;
    mdm_int_t         rc;
    plist_array_iter  it;

    it = NULL;
    plist_array_new_iter(array, &it);

    if (it == NULL) {
        j->failed = 1;
        return MDM_OK;
    }

    mdm_json_open(j, NULL, '[');

    rc = MDM_OK;

    for ( ;; ) {
        item = NULL;
        plist_array_next_item(array, it, &item);

        if (item == NULL) {
            break;
        }

        rc = mdm_api_plist(j, NULL, item);
        if (rc != MDM_OK) {
            break;
        }
    }

    free(it);
    mdm_json_close(j, ']');

    return rc;
}


static mdm_int_t
mdm_api_plist_dict(mdm_json_out_t *j, plist_t dict)
{
    char             *name;
    plist_t           item;
    mdm_int_t         rc;
    mdm_str_t         key;
    plist_dict_iter   it;

    it = NULL;
    plist_dict_new_iter(dict, &it);

    if (it == NULL) {
        j->failed = 1;
        return MDM_OK;
    }

    mdm_json_open(j, NULL, '{');

    rc = MDM_OK;

    for ( ;; ) {
        name = NULL;
        item = NULL;

        plist_dict_next_item(dict, it, &name, &item);

        if (item == NULL) {
            break;
        }

        key.data = (u_char *) name;
        key.len = (name != NULL) ? strlen(name) : 0;

        mdm_json_key(j, &key);
        free(name);

        rc = mdm_api_plist(j, NULL, item);
        if (rc != MDM_OK) {
            break;
        }
    }

    free(it);
    mdm_json_close(j, '}');

    return rc;
}


static void
mdm_api_plist_string(mdm_json_out_t *j, plist_t value)
{
    uint64_t     len;
    mdm_str_t    s;
    const char  *text;

    len = 0;
    text = plist_get_string_ptr(value, &len);

    s.data = (u_char *) text;
    s.len = (text != NULL) ? (size_t) len : 0;

    mdm_json_str(j, NULL, &s);
}


static void
mdm_api_plist_data(mdm_json_out_t *j, plist_t value)
{
    uint64_t     len;
    mdm_str_t    s;
    const char  *data;

    len = 0;
    data = plist_get_data_ptr(value, &len);

    s.data = (u_char *) data;
    s.len = (data != NULL) ? (size_t) len : 0;

    mdm_json_base64(j, NULL, &s);
}


static void
mdm_api_plist_number(mdm_json_out_t *j, plist_t value)
{
    double      real;
    uint8_t     yes;
    uint64_t    n;
    mdm_str_t   s;

    n = 0;

    switch (plist_get_node_type(value)) {

    case PLIST_BOOLEAN:
        yes = 0;
        plist_get_bool_val(value, &yes);
        mdm_json_bool(j, NULL, yes);
        return;

    case PLIST_UINT:
        plist_get_uint_val(value, &n);
        mdm_json_int(j, NULL, (int64_t) n);
        return;

    case PLIST_UID:
        plist_get_uid_val(value, &n);
        mdm_json_open(j, NULL, '{');
        mdm_json_int(j, "CF$UID", (int64_t) n);
        mdm_json_close(j, '}');
        return;

    case PLIST_REAL:
        real = 0;
        plist_get_real_val(value, &real);

        if (isfinite(real)) {

            if (mdm_printf(j->arena, &s, "%.17g", real) != MDM_OK) {
                j->failed = 1;
                return;
            }

            mdm_json_value(j, NULL, &s);
            return;
        }

        break;

    default:
        break;
    }

    mdm_str_set(&s, "null");
    mdm_json_value(j, NULL, &s);
}


/*
 * libplist 2.2 has this function only, later ones call it deprecated: their
 * other one is not there yet.
 */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void
mdm_api_plist_date(mdm_json_out_t *j, plist_t value)
{
    u_char     utc[MDM_DATE_LEN];
    int32_t    seconds, micro;
    mdm_str_t  s;

    seconds = 0;
    micro = 0;
    plist_get_date_val(value, &seconds, &micro);

    if (mdm_date_unix(utc, (int64_t) seconds + MDM_API_PLIST_EPOCH)
        != MDM_OK)
    {
        mdm_str_set(&s, "null");
        mdm_json_value(j, NULL, &s);
        return;
    }

    s.data = utc;
    s.len = MDM_DATE_LEN;

    mdm_json_str(j, NULL, &s);
}


#pragma GCC diagnostic pop
