
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lists what a payload names, and says what is wrong with it.
 */


#include "mdm_ddm_check.h"
#include "mdm_ddm_reference.h"
#include "mdm_schema_declarations.h"


static mdm_int_t mdm_ddm_reference_add(mdm_arena_t *arena,
    mdm_ddm_references_t *refs, const mdm_ddm_reference_t *ref,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_ddm_reference_types(mdm_arena_t *arena,
    const mdm_schema_node_t *node, mdm_str_t *types);
static const char *mdm_ddm_reference_shown(mdm_arena_t *arena,
    const mdm_str_t *key, mdm_quote_t *quote);


static const char  mdm_ddm_configuration[] = "com.apple.configuration.";
static const char  mdm_ddm_asset[] = "com.apple.asset.";


mdm_int_t
mdm_ddm_reference(mdm_arena_t *arena, mdm_ddm_references_t *refs,
    const mdm_str_t *key, const mdm_schema_node_t *node,
    mdm_uint_t activation, const mdm_schema_path_t *path)
{
    mdm_ddm_reference_t  ref;

    memset(&ref, 0, sizeof(mdm_ddm_reference_t));

    ref.key = *key;

    if (activation) {
        ref.types.data = (u_char *) mdm_ddm_configuration;
        ref.types.len = sizeof(mdm_ddm_configuration) - 1;

    } else if (mdm_ddm_reference_types(arena, node, &ref.types) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_ddm_reference_add(arena, refs, &ref, path);
}


mdm_int_t
mdm_ddm_variable(mdm_arena_t *arena, mdm_ddm_references_t *vars,
    const mdm_str_t *key, const mdm_schema_path_t *path)
{
    mdm_ddm_reference_t  var;

    if (mdm_ddm_variable_own(key)) {
        return MDM_OK;
    }

    memset(&var, 0, sizeof(mdm_ddm_reference_t));

    var.key = *key;

    return mdm_ddm_reference_add(arena, vars, &var, path);
}


mdm_uint_t
mdm_ddm_variable_own(const mdm_str_t *key)
{
    size_t  i;

    /* those of ddm_facts() */

    static const char  *own[] = {
        "serial", "model", "product", "name", "os", "short_name", "long_name",
        "enrollment_id", "device_id"
    };

    for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {

        if (mdm_str_is(key, own[i])) {
            return 1;
        }
    }

    return 0;
}


static mdm_int_t
mdm_ddm_reference_add(mdm_arena_t *arena, mdm_ddm_references_t *refs,
    const mdm_ddm_reference_t *ref, const mdm_schema_path_t *path)
{
    mdm_uint_t            i;
    mdm_ddm_reference_t  *same, *new;

    for (i = 0; i < refs->n; i++) {
        same = &refs->list[i];

        if (!mdm_str_eq(&same->key, &ref->key)
            || !mdm_str_eq(&same->types, &ref->types))
        {
            continue;
        }

        if (path->key == NULL && same->parent == path->parent) {
            same->twice = 1;
        }

        return MDM_OK;
    }

    if (refs->n == MDM_DDM_REFERENCES) {
        refs->full = 1;
        return MDM_OK;
    }

    if (refs->list == NULL) {
        refs->list = mdm_arena_alloc(arena, MDM_DDM_REFERENCES
                                            * sizeof(mdm_ddm_reference_t));
        if (refs->list == NULL) {
            return MDM_ERROR;
        }
    }

    new = &refs->list[refs->n];

    *new = *ref;
    new->parent = path->parent;

    if (mdm_schema_path(arena, &new->path, path) != MDM_OK) {
        return MDM_ERROR;
    }

    refs->n++;

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_reference_types(mdm_arena_t *arena, const mdm_schema_node_t *node,
    mdm_str_t *types)
{
    u_char                      *p;
    size_t                       len;
    const char                  *name;
    mdm_uint_t                   i;
    const mdm_schema_table_t    *table;
    const mdm_schema_support_t  *support;

    table = &mdm_schema_declarations;
    support = mdm_schema_support(table, node);

    if (support == NULL || support->nassets == 0) {
        types->data = (u_char *) mdm_ddm_asset;
        types->len = sizeof(mdm_ddm_asset) - 1;

        return MDM_OK;
    }

    len = 0;

    for (i = 0; i < support->nassets; i++) {
        len += strlen(table->pool + table->values[support->asset + i]) + 1;
    }

    p = mdm_arena_alloc(arena, len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    types->data = p;
    types->len = len - 1;

    for (i = 0; i < support->nassets; i++) {

        if (i != 0) {
            *p++ = '|';
        }

        name = table->pool + table->values[support->asset + i];
        len = strlen(name);

        memcpy(p, name, len);
        p += len;
    }

    return MDM_OK;
}


mdm_int_t
mdm_ddm_references_join(mdm_arena_t *arena, const mdm_ddm_references_t *refs,
    mdm_str_t *dst)
{
    u_char               *p;
    size_t                len;
    mdm_uint_t            i;
    mdm_ddm_reference_t  *ref;

    mdm_str_null(dst);

    if (refs->n == 0) {
        return MDM_OK;
    }

    len = 0;

    for (i = 0; i < refs->n; i++) {
        len += refs->list[i].key.len + refs->list[i].types.len + 2;
    }

    p = mdm_arena_alloc(arena, len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    dst->data = p;

    for (i = 0; i < refs->n; i++) {
        ref = &refs->list[i];

        if (i != 0) {
            *p++ = ',';
        }

        memcpy(p, ref->key.data, ref->key.len);
        p += ref->key.len;

        if (ref->types.len != 0) {
            *p++ = ' ';
            memcpy(p, ref->types.data, ref->types.len);
            p += ref->types.len;
        }
    }

    dst->len = (size_t) (p - dst->data);

    return MDM_OK;
}


mdm_int_t
mdm_ddm_references_twice(mdm_arena_t *arena, const mdm_ddm_references_t *refs,
    mdm_uint_t strict, mdm_schema_result_t *result)
{
    mdm_int_t    rc;
    mdm_str_t    text, place;
    mdm_uint_t   i;
    mdm_quote_t  quote;

    for (i = 0; i < refs->n; i++) {

        if (!refs->list[i].twice) {
            continue;
        }

        if (mdm_printf(arena, &place, "%.*s", mdm_fmt(&refs->list[i].path))
            != MDM_OK
            || mdm_printf(arena, &text, "\"%s\" is there twice",
                          mdm_ddm_reference_shown(arena, &refs->list[i].key,
                                                  &quote))
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        rc = mdm_ddm_unknown(arena, (char *) place.data, (char *) text.data,
                             strict, result);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


mdm_int_t
mdm_ddm_reference_wrong(mdm_arena_t *arena, mdm_str_t *text,
    const mdm_ddm_reference_t *ref, const mdm_str_t *type)
{
    size_t        i;
    mdm_str_t     types;
    const char   *name;
    mdm_quote_t   quote, of;

    name = mdm_ddm_reference_shown(arena, &ref->key, &quote);

    if (ref->types.len == 0) {
        return mdm_printf(arena, text, "%.*s: no enrollment has a variable "
                          "\"%s\"", mdm_fmt(&ref->path), name);
    }

    if (type->len == 0) {
        return mdm_printf(arena, text, "%.*s: there is no declaration \"%s\"",
                          mdm_fmt(&ref->path), name);
    }

    if (mdm_str_is(&ref->types, mdm_ddm_configuration)) {
        mdm_str_set(&types, "a configuration");

    } else if (mdm_str_is(&ref->types, mdm_ddm_asset)) {
        mdm_str_set(&types, "an asset");

    } else {

        if (mdm_str_dup(arena, &types, &ref->types) != MDM_OK) {
            return MDM_ERROR;
        }

        for (i = 0; i < types.len; i++) {

            if (types.data[i] == '|') {
                types.data[i] = '/';
            }
        }
    }

    return mdm_printf(arena, text, "%.*s: %.*s expected, \"%s\" is of type %s",
                      mdm_fmt(&ref->path), mdm_fmt(&types), name,
                      mdm_quote(&of, (const char *) type->data, type->len));
}


static const char *
mdm_ddm_reference_shown(mdm_arena_t *arena, const mdm_str_t *key,
    mdm_quote_t *quote)
{
    mdm_str_t  raw;

    if (mdm_unescape(arena, &raw, key) != MDM_OK) {
        raw = *key;
    }

    return mdm_quote(quote, (const char *) raw.data, raw.len);
}
