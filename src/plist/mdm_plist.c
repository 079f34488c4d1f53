
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The guarded plist reader: checks a plist, then has libplist read it.
 */


#include <stdlib.h>

#include "mdm_plist_guard.h"


static mdm_uint_t mdm_plist_is_binary(const mdm_str_t *in);
static void mdm_plist_cleanup(void *data);


mdm_int_t
mdm_plist_parse(mdm_arena_t *arena, const mdm_str_t *in,
    const mdm_limits_t *limits, plist_t *root, const char **why)
{
    plist_t    plist;
    mdm_int_t  rc;
    mdm_str_t  bin;

    plist = NULL;

    if (mdm_plist_is_binary(in)) {
        rc = mdm_plist_binary(in, limits, why);
        if (rc != MDM_OK) {
            return rc;
        }

        /* returns nothing in libplist 2.2, an error code later */

        (void) plist_from_bin((char *) in->data, (uint32_t) in->len, &plist);

    } else {
        rc = mdm_plist_convert(in, limits, &bin, why);
        if (rc != MDM_OK) {
            return (rc == MDM_ERROR) ? mdm_arena_no_memory(arena) : rc;
        }

        (void) plist_from_bin((char *) bin.data, (uint32_t) bin.len, &plist);

        free(bin.data);
    }

    /* libplist reads all that has passed the check, unless it lacks memory */

    if (plist == NULL) {
        *why = "no memory for the plist";
        return mdm_arena_no_memory(arena);
    }

    if (mdm_arena_defer(arena, mdm_plist_cleanup, plist) != MDM_OK) {
        *why = "no memory for the plist";
        return MDM_ERROR;
    }

    *root = plist;

    return MDM_OK;
}


mdm_int_t
mdm_plist_check(const mdm_str_t *in, const mdm_limits_t *limits,
    const char **why)
{
    mdm_int_t  rc;
    mdm_str_t  bin;

    if (mdm_plist_is_binary(in)) {
        return mdm_plist_binary(in, limits, why);
    }

    rc = mdm_plist_convert(in, limits, &bin, why);

    if (rc == MDM_OK) {
        free(bin.data);
    }

    return rc;
}


static mdm_uint_t
mdm_plist_is_binary(const mdm_str_t *in)
{
    return in->len >= 6 && memcmp(in->data, "bplist", 6) == 0;
}


static void
mdm_plist_cleanup(void *data)
{
    plist_free(data);
}


mdm_int_t
mdm_plist_string(plist_t dict, const char *key, mdm_str_t *value)
{
    plist_t      node;
    uint64_t     len;
    const char  *p;

    node = plist_dict_get_item(dict, key);

    if (node == NULL) {
        return MDM_DECLINED;
    }

    if (plist_get_node_type(node) != PLIST_STRING) {
        return MDM_ERROR;
    }

    len = 0;
    p = plist_get_string_ptr(node, &len);

    value->len = (p != NULL) ? (size_t) len : 0;
    value->data = (u_char *) ((p != NULL) ? p : "");

    return MDM_OK;
}


mdm_int_t
mdm_plist_data(plist_t dict, const char *key, mdm_str_t *value)
{
    plist_t      node;
    uint64_t     len;
    const char  *p;

    node = plist_dict_get_item(dict, key);

    if (node == NULL) {
        return MDM_DECLINED;
    }

    if (plist_get_node_type(node) != PLIST_DATA) {
        return MDM_ERROR;
    }

    len = 0;
    p = plist_get_data_ptr(node, &len);

    /* libplist gives NULL for <data/> that its own XML parser has read */

    value->len = (p != NULL) ? (size_t) len : 0;
    value->data = (u_char *) ((p != NULL) ? p : "");

    return MDM_OK;
}


mdm_int_t
mdm_plist_bool(plist_t dict, const char *key, mdm_uint_t *value)
{
    uint8_t  flag;
    plist_t  node;

    node = plist_dict_get_item(dict, key);

    if (node == NULL) {
        return MDM_DECLINED;
    }

    if (plist_get_node_type(node) != PLIST_BOOLEAN) {
        return MDM_ERROR;
    }

    flag = 0;
    plist_get_bool_val(node, &flag);

    *value = (flag != 0);

    return MDM_OK;
}


mdm_int_t
mdm_plist_xml(mdm_arena_t *arena, plist_t root, mdm_str_t *out)
{
    char      *xml;
    uint32_t   len;

    xml = NULL;
    len = 0;

    (void) plist_to_xml(root, &xml, &len);

    if (xml == NULL) {
        return mdm_arena_failed(arena, "plist_to_xml");
    }

    /*
     * plist_to_xml_free() is gone in libplist 2.3, plist_mem_free() is not
     * there before; both are free()
     */

    if (mdm_arena_defer(arena, free, xml) != MDM_OK) {
        return MDM_ERROR;
    }

    out->len = len;
    out->data = (u_char *) xml;

    return MDM_OK;
}
