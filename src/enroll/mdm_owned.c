
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads what is kept of owned devices.
 */


#include "mdm_owned.h"


static void mdm_owned_text(const json_t *value, mdm_str_t *text);


mdm_int_t
mdm_owned_name(mdm_arena_t *arena, mdm_str_t *name, const mdm_str_t *serial)
{
    mdm_str_t  upper;

    if (mdm_str_dup(arena, &upper, serial) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_str_upper(&upper);

    return mdm_escape(arena, name, &upper, "");
}


mdm_int_t
mdm_owned_read(mdm_exchange_t *x, const mdm_str_t *key, const mdm_str_t *bind,
    mdm_owned_t *owned)
{
    json_t             *root;
    mdm_int_t           rc;
    mdm_str_t           text;
    json_error_t        error;
    mdm_secret_where_t  where;

    text = *bind;

    mdm_where_challenge(&where, key);

    rc = mdm_exchange_open(x, &where, &text);
    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_json_read(x->arena, &text, 0, &root, &error);

    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    if (rc != MDM_OK || !json_is_object(root)) {
        return mdm_exchange_refuse(x, 500, "%.*s in redis cannot be read",
                                   mdm_fmt(key));
    }

    mdm_owned_text(json_object_get(root, "asset"), &owned->asset);
    mdm_owned_text(json_object_get(root, "gives"), &owned->gives);

    return MDM_OK;
}


/* jansson's, which lives as long as the arena */

static void
mdm_owned_text(const json_t *value, mdm_str_t *text)
{
    text->data = (u_char *) (uintptr_t) json_string_value(value);
    text->len = json_string_length(value);
}
