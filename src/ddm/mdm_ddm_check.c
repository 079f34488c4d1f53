
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A declaration against the table of declarations.
 */


#include "mdm_ddm_check.h"
#include "mdm_schema_declarations.h"
#include "mdm_schema_walk.h"


mdm_int_t
mdm_ddm_check(mdm_arena_t *arena, const mdm_str_t *type,
    const json_t *payload, mdm_uint_t strict, mdm_schema_result_t *result)
{
    return mdm_ddm_check_table(arena, &mdm_schema_declarations, type, payload,
                               strict, result);
}


mdm_int_t
mdm_ddm_check_table(mdm_arena_t *arena, const mdm_schema_table_t *table,
    const mdm_str_t *type, const json_t *payload, mdm_uint_t strict,
    mdm_schema_result_t *result)
{
    mdm_str_t                 text;
    mdm_quote_t               quote;
    mdm_schema_path_t         path;
    mdm_schema_walk_t         walk;
    const mdm_schema_node_t  *node;

    walk.arena = arena;
    walk.table = table;
    walk.reader = &mdm_schema_json;
    walk.result = result;
    walk.strict = strict;
    walk.depth = 0;
    walk.lenient = 0;

    node = mdm_schema_find(table, type);

    if (node == NULL) {
        if (mdm_printf(arena, &text, "unknown type \"%s\"",
                       mdm_quote(&quote, (char *) type->data, type->len))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        return mdm_ddm_unknown(arena, "Type", (char *) text.data, strict,
                               result);
    }

    path.parent = NULL;
    path.key = "Payload";
    path.len = sizeof("Payload") - 1;
    path.index = 0;

    return mdm_schema_walk(&walk, node, payload, &path);
}


mdm_int_t
mdm_ddm_unknown(mdm_arena_t *arena, const char *place, const char *what,
    mdm_uint_t strict, mdm_schema_result_t *result)
{
    mdm_str_t  text;

    if (!strict && result->nwarnings == MDM_SCHEMA_WARNINGS) {
        return MDM_OK;
    }

    if (mdm_printf(arena, &text, "%s: %s", place, what) != MDM_OK) {
        return MDM_ERROR;
    }

    if (strict) {
        result->error = text;
        return MDM_DECLINED;
    }

    return mdm_schema_warn(arena, result, &text);
}
