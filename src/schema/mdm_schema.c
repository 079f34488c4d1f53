
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A command against the table of commands.
 */


#include "mdm_schema_table.h"
#include "mdm_schema_walk.h"


mdm_int_t
mdm_schema_command(mdm_arena_t *arena, plist_t command, mdm_uint_t strict,
    mdm_schema_result_t *result)
{
    return mdm_schema_check(arena, &mdm_schema_commands, command, strict,
                            result);
}


mdm_int_t
mdm_schema_check(mdm_arena_t *arena, const mdm_schema_table_t *table,
    plist_t command, mdm_uint_t strict, mdm_schema_result_t *result)
{
    mdm_str_t                 name, text;
    const void               *type;
    mdm_quote_t               quote;
    mdm_schema_path_t         path, key;
    mdm_schema_walk_t         walk;
    const mdm_schema_node_t  *node;

    memset(result, 0, sizeof(mdm_schema_result_t));

    walk.arena = arena;
    walk.table = table;
    walk.reader = &mdm_schema_plist;
    walk.result = result;
    walk.strict = strict;
    walk.depth = 0;
    walk.lenient = 0;

    path.parent = NULL;
    path.key = "Command";
    path.len = sizeof("Command") - 1;
    path.index = 0;

    if (walk.reader->type(command) != 'D') {
        mdm_str_set(&text, "dictionary expected");
        return mdm_schema_refuse(&walk, &path, &text);
    }

    type = walk.reader->member(command, "RequestType");

    if (type == NULL) {
        return mdm_schema_key(&walk, &path, "RequestType",
                              "required key is missing", 1);
    }

    mdm_str_null(&name);

    if (walk.reader->type(type) == 's') {
        walk.reader->string(type, &name);
    }

    if (name.data == NULL) {
        return mdm_schema_key(&walk, &path, "RequestType", "string expected",
                              1);
    }

    node = mdm_schema_find(table, &name);

    if (node == NULL) {
        key.parent = &path;
        key.key = "RequestType";
        key.len = sizeof("RequestType") - 1;
        key.index = 0;

        if (mdm_printf(arena, &text, "unknown command \"%s\"",
                       mdm_quote(&quote, (char *) name.data, name.len))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        return mdm_schema_unknown(&walk, &key, &text);
    }

    return mdm_schema_walk(&walk, node, command, &path);
}
