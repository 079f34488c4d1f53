
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Checks a value against what its device supports.
 */


#include "mdm_schema_table.h"
#include "mdm_schema_target.h"


static mdm_int_t mdm_schema_target_value(mdm_schema_walk_t *walk,
    const mdm_schema_target_t *target, const mdm_schema_node_t *node,
    const void *value, const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_target_members(mdm_schema_walk_t *walk,
    const mdm_schema_target_t *target, const mdm_schema_node_t *node,
    const void *dict, const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_target_elements(mdm_schema_walk_t *walk,
    const mdm_schema_target_t *target, const mdm_schema_node_t *node,
    const void *array, const mdm_schema_path_t *path);
static mdm_int_t mdm_schema_target_node(mdm_schema_walk_t *walk,
    const mdm_schema_target_t *target, const mdm_schema_node_t *node,
    mdm_str_t *text);
static mdm_int_t mdm_schema_target_version(mdm_arena_t *arena,
    uint32_t version, mdm_str_t *text);


static const char  *mdm_schema_systems[] = {
    "iOS", "macOS", "tvOS", "visionOS", "watchOS"
};


mdm_int_t
mdm_schema_command_target(mdm_arena_t *arena,
    const mdm_schema_target_t *target, plist_t command, mdm_uint_t strict,
    mdm_schema_result_t *result)
{
    mdm_str_t          name;
    const void        *type;
    mdm_schema_path_t  path;
    mdm_schema_walk_t  walk;

    walk.arena = arena;
    walk.table = &mdm_schema_commands;
    walk.reader = &mdm_schema_plist;
    walk.result = result;
    walk.strict = strict;
    walk.depth = 0;
    walk.lenient = 0;

    path.parent = NULL;
    path.key = "Command";
    path.len = sizeof("Command") - 1;
    path.index = 0;

    type = walk.reader->member(command, "RequestType");

    if (type == NULL || walk.reader->type(type) != 's') {
        return MDM_OK;
    }

    walk.reader->string(type, &name);

    return mdm_schema_target(&walk, target, mdm_schema_find(walk.table, &name),
                             command, &path);
}


mdm_int_t
mdm_schema_target(mdm_schema_walk_t *walk, const mdm_schema_target_t *target,
    const mdm_schema_node_t *node, const void *dict,
    const mdm_schema_path_t *path)
{
    if (node == NULL || target->system >= MDM_SCHEMA_SYSTEMS) {
        return MDM_OK;
    }

    return mdm_schema_target_value(walk, target, node, dict, path);
}


static mdm_int_t
mdm_schema_target_value(mdm_schema_walk_t *walk,
    const mdm_schema_target_t *target, const mdm_schema_node_t *node,
    const void *value, const mdm_schema_path_t *path)
{
    mdm_int_t   rc;
    mdm_str_t   text;
    mdm_uint_t  lenient;

    lenient = walk->lenient;

    if (node->flags & MDM_SCHEMA_BETA) {
        walk->lenient = 1;
    }

    rc = mdm_schema_target_node(walk, target, node, &text);

    if (rc == MDM_OK && text.len != 0) {
        rc = mdm_schema_unknown(walk, path, &text);

    } else if (rc == MDM_OK && walk->depth < MDM_SCHEMA_DEPTH
               && node->type == walk->reader->type(value))
    {
        walk->depth++;

        if (node->type == 'D') {
            rc = mdm_schema_target_members(walk, target, node, value, path);

        } else if (node->type == 'A') {
            rc = mdm_schema_target_elements(walk, target, node, value, path);
        }

        walk->depth--;
    }

    walk->lenient = lenient;

    return rc;
}


static mdm_int_t
mdm_schema_target_members(mdm_schema_walk_t *walk,
    const mdm_schema_target_t *target, const mdm_schema_node_t *node,
    const void *dict, const mdm_schema_path_t *path)
{
    mdm_int_t                 rc;
    mdm_str_t                 name;
    const void               *value;
    mdm_schema_iter_t         iter;
    mdm_schema_path_t         step;
    const mdm_schema_node_t  *child;

    if (walk->reader->begin_members(&iter, dict) != MDM_OK) {
        return MDM_ERROR;
    }

    for ( ;; ) {
        rc = walk->reader->next_member(&iter, &name, &value);

        if (rc != MDM_OK) {
            rc = (rc == MDM_DECLINED) ? MDM_OK : rc;
            break;
        }

        child = mdm_schema_member(walk->table, node, &name);

        if (child == NULL) {
            continue;
        }

        step.parent = path;
        step.key = (char *) name.data;
        step.len = name.len;
        step.index = 0;

        rc = mdm_schema_target_value(walk, target, child, value, &step);

        if (rc != MDM_OK) {
            break;
        }
    }

    walk->reader->end(&iter);

    return rc;
}


static mdm_int_t
mdm_schema_target_elements(mdm_schema_walk_t *walk,
    const mdm_schema_target_t *target, const mdm_schema_node_t *node,
    const void *array, const mdm_schema_path_t *path)
{
    mdm_int_t                 rc;
    mdm_str_t                 name;
    const void               *value, *item;
    mdm_schema_iter_t         iter;
    mdm_schema_path_t         step;
    const mdm_schema_node_t  *child;

    if (walk->reader->begin_elements(&iter, array) != MDM_OK) {
        return MDM_ERROR;
    }

    step.parent = path;
    step.key = NULL;
    step.len = 0;

    for (step.index = 0; /* void */ ; step.index++) {

        rc = walk->reader->next_element(&iter, &value);

        if (rc != MDM_OK) {
            rc = (rc == MDM_DECLINED) ? MDM_OK : rc;
            break;
        }

        mdm_str_null(&name);

        if ((node->flags & MDM_SCHEMA_SHAPES)
            && walk->reader->type(value) == 'D')
        {
            item = walk->reader->member(value, "Item");

            if (item != NULL && walk->reader->type(item) == 's') {
                walk->reader->string(item, &name);
            }
        }

        child = mdm_schema_element(walk->table, node,
                                   (name.data == NULL) ? NULL : &name);
        if (child == NULL) {
            continue;
        }

        rc = mdm_schema_target_value(walk, target, child, value, &step);

        if (rc != MDM_OK) {
            break;
        }
    }

    walk->reader->end(&iter);

    return rc;
}


/* what is wrong with the node itself; an empty text: nothing */

static mdm_int_t
mdm_schema_target_node(mdm_schema_walk_t *walk,
    const mdm_schema_target_t *target, const mdm_schema_node_t *node,
    mdm_str_t *text)
{
    uint32_t                     since;
    mdm_str_t                    needs, has;
    const char                  *limit, *system;
    const mdm_schema_support_t  *support;

    mdm_str_null(text);

    support = mdm_schema_support(walk->table, node);

    if (support == NULL) {
        return MDM_OK;
    }

    since = support->since[target->system];
    system = mdm_schema_systems[target->system];

    if (since == MDM_SCHEMA_NEVER) {
        return mdm_printf(walk->arena, text, "not on %s", system);
    }

    if (target->version != 0 && since > target->version) {
        return (mdm_schema_target_version(walk->arena, since, &needs)
                == MDM_OK
                && mdm_schema_target_version(walk->arena, target->version,
                                             &has)
                   == MDM_OK)
               ? mdm_printf(walk->arena, text, "needs %s %.*s, the device has "
                            "%.*s", system, mdm_fmt(&needs), mdm_fmt(&has))
               : MDM_ERROR;
    }

    limit = mdm_schema_target_managed(target, support);

    if (limit == NULL) {
        limit = mdm_schema_target_channel(target, support);
    }

    if (limit != NULL) {
        text->data = (u_char *) limit;
        text->len = strlen(limit);
    }

    return MDM_OK;
}


const char *
mdm_schema_target_managed(const mdm_schema_target_t *target,
    const mdm_schema_support_t *support)
{
    u_char  mask;

    mask = (u_char) (1 << target->system);

    if (target->unsupervised && (support->supervised & mask)) {
        return "needs a supervised device";
    }

    if (target->enrollment && (support->no_enrollment & mask)) {
        return "not with User Enrollment";
    }

    return (target->shared && (support->shared & MDM_SCHEMA_SHARED_FORBIDDEN))
           ? "not on Shared iPad" : NULL;
}


const char *
mdm_schema_target_channel(const mdm_schema_target_t *target,
    const mdm_schema_support_t *support)
{
    u_char  mask;

    mask = (u_char) (1 << target->system);

    if (target->user) {
        return ((support->no_user & mask)
                || (target->shared
                    && (support->shared & MDM_SCHEMA_SHARED_NO_USER)))
               ? "not on the user channel" : NULL;
    }

    return (support->no_device & mask) ? "only on the user channel" : NULL;
}


static mdm_int_t
mdm_schema_target_version(mdm_arena_t *arena, uint32_t version,
    mdm_str_t *text)
{
    int  major, minor, patch;

    major = (int) (version / 10000);
    minor = (int) (version / 100 % 100);
    patch = (int) (version % 100);

    return (patch == 0)
           ? mdm_printf(arena, text, "%d.%d", major, minor)
           : mdm_printf(arena, text, "%d.%d.%d", major, minor, patch);
}


uint32_t
mdm_schema_version(const mdm_str_t *text)
{
    size_t    i;
    uint32_t  part, version, weight;

    version = 0;
    i = 0;

    for (weight = 10000; weight != 0; weight /= 100) {
        part = 0;

        for ( /* void */ ; i < text->len && text->data[i] >= '0'
                           && text->data[i] <= '9'; i++)
        {
            part = part * 10 + (uint32_t) (text->data[i] - '0');

            if (part > 999) {
                return 0;
            }
        }

        if (weight != 10000 && part > 99) {
            part = 99;
        }

        version += part * weight;

        if (i == text->len || text->data[i] != '.') {
            break;
        }

        i++;
    }

    return version;
}
