
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is wrong with a value: a warning, or a refusal.
 */


#include "mdm_schema_walk.h"


mdm_int_t
mdm_schema_key(mdm_schema_walk_t *walk, const mdm_schema_path_t *path,
    const char *key, const char *what, mdm_uint_t refuse)
{
    mdm_str_t          text;
    mdm_schema_path_t  step;

    step.parent = path;
    step.key = key;
    step.len = strlen(key);
    step.index = 0;

    text.data = (u_char *) what;
    text.len = strlen(what);

    if (refuse) {
        return mdm_schema_refuse(walk, &step, &text);
    }

    return mdm_schema_unknown(walk, &step, &text);
}


mdm_int_t
mdm_schema_unknown(mdm_schema_walk_t *walk, const mdm_schema_path_t *path,
    const mdm_str_t *what)
{
    mdm_str_t  place, text;

    if (walk->strict && !walk->lenient) {
        return mdm_schema_refuse(walk, path, what);
    }

    if (walk->result->nwarnings == MDM_SCHEMA_WARNINGS) {
        return MDM_OK;
    }

    if (mdm_schema_path(walk->arena, &place, path) != MDM_OK
        || mdm_printf(walk->arena, &text, "%.*s: %.*s", mdm_fmt(&place),
                      mdm_fmt(what))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_schema_warn(walk->arena, walk->result, &text);
}


mdm_int_t
mdm_schema_refuse(mdm_schema_walk_t *walk, const mdm_schema_path_t *path,
    const mdm_str_t *what)
{
    mdm_str_t  place;

    if (walk->lenient) {
        return mdm_schema_unknown(walk, path, what);
    }

    if (mdm_schema_path(walk->arena, &place, path) != MDM_OK
        || mdm_printf(walk->arena, &walk->result->error, "%.*s: %.*s",
                      mdm_fmt(&place), mdm_fmt(what))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_DECLINED;
}


mdm_int_t
mdm_schema_warn(mdm_arena_t *arena, mdm_schema_result_t *result,
    const mdm_str_t *text)
{
    mdm_schema_warning_t  *warning, **last;

    if (result->nwarnings >= MDM_SCHEMA_WARNINGS) {
        return MDM_OK;
    }

    warning = mdm_arena_alloc(arena, sizeof(mdm_schema_warning_t));
    if (warning == NULL) {
        return MDM_ERROR;
    }

    warning->text = *text;
    warning->next = NULL;

    for (last = &result->warnings; *last != NULL; last = &(*last)->next) {
        /* void */
    }

    *last = warning;
    result->nwarnings++;

    return MDM_OK;
}
