
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Holds declarations against the channel that is to have them.
 */


#include "mdm_ddm_item.h"
#include "mdm_ddm_target.h"
#include "mdm_json.h"
#include "mdm_quote.h"
#include "mdm_schema_declarations.h"


typedef struct {
    mdm_arena_t              *arena;
    const mdm_ddm_target_t   *target;
    mdm_uint_t                said;        /* as in mdm_ddm_target_type() */
    mdm_str_t                *reason;
} mdm_ddm_target_walk_t;


static mdm_uint_t mdm_ddm_target_known(const mdm_ddm_target_t *target);
static mdm_int_t mdm_ddm_target_node(mdm_ddm_target_walk_t *w,
    const mdm_schema_node_t *node, const mdm_schema_path_t *path,
    const mdm_str_t *name);
static mdm_int_t mdm_ddm_target_text(mdm_ddm_target_walk_t *w,
    const mdm_schema_path_t *path, const mdm_str_t *name, mdm_str_t *text);
static mdm_int_t mdm_ddm_target_value(mdm_ddm_target_walk_t *w,
    const mdm_schema_node_t *node, json_t *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_ddm_target_elements(mdm_ddm_target_walk_t *w,
    const mdm_schema_node_t *node, json_t *array,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_ddm_target_since(mdm_arena_t *arena,
    const mdm_ddm_target_t *target, const mdm_str_t *what, const char *since,
    mdm_str_t *reason);


mdm_int_t
mdm_ddm_target_type(mdm_arena_t *arena, const mdm_ddm_target_t *target,
    const mdm_str_t *type, mdm_uint_t said, mdm_str_t *reason)
{
    mdm_str_t              name;
    mdm_quote_t            quote;
    mdm_ddm_target_walk_t  w;

    mdm_str_null(reason);

    if (!mdm_ddm_target_known(target)) {
        return MDM_OK;
    }

    if (mdm_printf(arena, &name, "the type \"%s\"",
                   mdm_quote(&quote, (char *) type->data, type->len))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    w.arena = arena;
    w.target = target;
    w.said = said;
    w.reason = reason;

    return mdm_ddm_target_node(&w, mdm_schema_find(&mdm_schema_declarations,
                                                   type), NULL, &name);
}


mdm_int_t
mdm_ddm_target_keys(mdm_arena_t *arena, const mdm_ddm_target_t *target,
    const mdm_str_t *type, const mdm_str_t *payload, mdm_str_t *reason)
{
    json_t                   *root;
    mdm_int_t                 rc;
    json_error_t              error;
    mdm_schema_path_t         path;
    mdm_ddm_target_walk_t     w;
    const mdm_schema_node_t  *node;

    mdm_str_null(reason);

    node = mdm_schema_find(&mdm_schema_declarations, type);

    if (node == NULL || payload->len == 0 || !mdm_ddm_target_known(target)) {
        return MDM_OK;
    }

    rc = mdm_json_read(arena, payload, JSON_ALLOW_NUL, &root, &error);

    if (rc != MDM_OK) {
        return (rc == MDM_DECLINED) ? MDM_OK : MDM_ERROR;
    }

    path.parent = NULL;
    path.key = "Payload";
    path.len = sizeof("Payload") - 1;
    path.index = 0;

    w.arena = arena;
    w.target = target;
    w.said = 0;
    w.reason = reason;

    return mdm_ddm_target_value(&w, node, root, &path);
}


mdm_int_t
mdm_ddm_target_item(mdm_arena_t *arena, const mdm_ddm_target_t *target,
    const mdm_str_t *item, mdm_str_t *reason)
{
    mdm_str_t              name;
    mdm_quote_t            quote;
    const mdm_ddm_item_t  *known;

    mdm_str_null(reason);

    known = mdm_ddm_item_find(item);

    if (known == NULL || !mdm_ddm_target_known(target)
        || target->version.len == 0)
    {
        return MDM_OK;
    }

    if (mdm_printf(arena, &name, "the status item \"%s\"",
                   mdm_quote(&quote, (char *) item->data, item->len))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_ddm_target_since(arena, target, &name,
                                known->since[target->known.system],
                                reason);
}


static mdm_uint_t
mdm_ddm_target_known(const mdm_ddm_target_t *target)
{
    return target->known.system < MDM_SCHEMA_SYSTEMS;
}


/* "name" of what it is; NULL: its path says it */

static mdm_int_t
mdm_ddm_target_node(mdm_ddm_target_walk_t *w, const mdm_schema_node_t *node,
    const mdm_schema_path_t *path, const mdm_str_t *name)
{
    uint32_t                     since;
    mdm_str_t                    text, version;
    const char                  *limit;
    const mdm_schema_support_t  *support;

    support = mdm_schema_support(&mdm_schema_declarations, node);

    if (support == NULL) {
        return MDM_OK;
    }

    /* the table's systems are ours */

    since = support->since[w->target->known.system];

    if (since != 0 && !w->said && w->target->version.len != 0) {

        mdm_str_set(&version, "");

        if (mdm_ddm_target_text(w, path, name, &text) != MDM_OK
            || (since != MDM_SCHEMA_NEVER
                && mdm_printf(w->arena, &version, "%lu.%lu.%lu",
                              (unsigned long) since / 10000,
                              (unsigned long) since / 100 % 100,
                              (unsigned long) since % 100)
                   != MDM_OK))
        {
            return MDM_ERROR;
        }

        /* 17.0 and not 17.0.0 */

        if (version.len > 2 && since % 100 == 0) {
            version.len -= 2;
            version.data[version.len] = '\0';
        }

        if (mdm_ddm_target_since(w->arena, w->target, &text,
                                 (char *) version.data, w->reason)
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        if (w->reason->len != 0) {
            return MDM_OK;
        }
    }

    limit = mdm_schema_target_managed(&w->target->known, support);

    if (limit == NULL && !w->said) {
        limit = mdm_schema_target_channel(&w->target->known, support);
    }

    if (limit == NULL) {
        return MDM_OK;
    }

    return (mdm_ddm_target_text(w, path, name, &text) == MDM_OK)
           ? mdm_printf(w->arena, w->reason, "%.*s: %s", mdm_fmt(&text), limit)
           : MDM_ERROR;
}


static mdm_int_t
mdm_ddm_target_text(mdm_ddm_target_walk_t *w, const mdm_schema_path_t *path,
    const mdm_str_t *name, mdm_str_t *text)
{
    if (name == NULL) {
        return mdm_schema_path(w->arena, text, path);
    }

    *text = *name;

    return MDM_OK;
}


/* as deep as a payload may be; ends at the first that is found */

static mdm_int_t
mdm_ddm_target_value(mdm_ddm_target_walk_t *w, const mdm_schema_node_t *node,
    json_t *value, const mdm_schema_path_t *path)
{
    json_t                   *inner;
    mdm_int_t                 rc;
    mdm_str_t                 name;
    const char               *key;
    mdm_schema_path_t         below;
    const mdm_schema_node_t  *child;

    if (json_is_array(value)) {
        return mdm_ddm_target_elements(w, node, value, path);
    }

    json_object_foreach(value, key, inner) {
        name.data = (u_char *) key;
        name.len = strlen(key);

        child = mdm_schema_member(&mdm_schema_declarations, node, &name);

        if (child == NULL) {
            continue;
        }

        below.parent = path;
        below.key = key;
        below.len = name.len;
        below.index = 0;

        rc = mdm_ddm_target_node(w, child, &below, NULL);

        if (rc == MDM_OK && w->reason->len == 0) {
            rc = mdm_ddm_target_value(w, child, inner, &below);
        }

        if (rc != MDM_OK || w->reason->len != 0) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_target_elements(mdm_ddm_target_walk_t *w,
    const mdm_schema_node_t *node, json_t *array,
    const mdm_schema_path_t *path)
{
    size_t                    i;
    json_t                   *inner, *item;
    mdm_int_t                 rc;
    mdm_str_t                 name;
    mdm_schema_path_t         below;
    const mdm_schema_node_t  *child;

    json_array_foreach(array, i, inner) {
        item = json_object_get(inner, "Item");

        name.data = (u_char *) json_string_value(item);
        name.len = json_string_length(item);

        child = mdm_schema_element(&mdm_schema_declarations, node,
                                   (name.data != NULL) ? &name : NULL);

        if (child == NULL) {
            continue;
        }

        below.parent = path;
        below.key = NULL;
        below.len = 0;
        below.index = i;

        rc = mdm_ddm_target_value(w, child, inner, &below);

        if (rc != MDM_OK || w->reason->len != 0) {
            return rc;
        }
    }

    return MDM_OK;
}


/* "since": the first version; "": the system never has it */

static mdm_int_t
mdm_ddm_target_since(mdm_arena_t *arena, const mdm_ddm_target_t *target,
    const mdm_str_t *what, const char *since, mdm_str_t *reason)
{
    mdm_str_t    first;
    mdm_quote_t  quote;

    first.data = (u_char *) since;
    first.len = strlen(since);

    if (first.len == 0) {
        return mdm_printf(arena, reason, "%.*s is not for %s", mdm_fmt(what),
                          mdm_ddm_system_name(target->known.system));
    }

    if (mdm_ddm_version_cmp(&target->version, &first) >= 0) {
        return MDM_OK;
    }

    return mdm_printf(arena, reason, "%.*s needs %s %s, the device has %s",
                      mdm_fmt(what), mdm_ddm_system_name(target->known.system),
                      since, mdm_quote(&quote, (char *) target->version.data,
                                       target->version.len));
}
