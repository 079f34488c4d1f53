
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads and checks a declaration that an administrator sent.
 */


#include <stdlib.h>

#include "mdm_ddm_check.h"
#include "mdm_ddm_declaration.h"
#include "mdm_ddm_item.h"
#include "mdm_ddm_predicate.h"
#include "mdm_exchange.h"
#include "mdm_json_real.h"
#include "mdm_key.h"
#include "mdm_schema_declarations.h"


/* names in a list: variables, references */
#define MDM_DDM_NAMES         256
#define MDM_DDM_NAME          64


typedef struct {
    mdm_arena_t              *arena;
    mdm_str_t                 names[MDM_DDM_NAMES];
    mdm_uint_t                n;
    mdm_uint_t                failed;      /* no memory */
    mdm_uint_t                full;
} mdm_ddm_names_t;


typedef struct {
    mdm_ddm_names_t           vars;
    mdm_ddm_names_t           refs;
    mdm_ddm_declaration_t    *d;
    mdm_uint_t                activation;
    const char               *bad;         /* a variable's name, or NULL */
    size_t                    bad_len;
    mdm_uint_t                in_key;      /* a variable in a key */
} mdm_ddm_scan_t;


static mdm_int_t mdm_ddm_head(mdm_arena_t *arena, json_t *root,
    mdm_ddm_declaration_t *d, json_t **payload);
static mdm_int_t mdm_ddm_refuse(mdm_arena_t *arena, mdm_str_t *error,
    const char *path, const char *why);
static const char *mdm_ddm_kind(const mdm_str_t *type);
static mdm_int_t mdm_ddm_validate(mdm_arena_t *arena, const json_t *payload,
    mdm_uint_t strict, mdm_ddm_declaration_t *d);
static mdm_int_t mdm_ddm_subscription(mdm_arena_t *arena,
    const json_t *payload, mdm_uint_t strict, mdm_ddm_declaration_t *d);
static void mdm_ddm_scan(mdm_ddm_scan_t *scan, const json_t *value,
    const char *key, const mdm_schema_node_t *node,
    const mdm_schema_path_t *path);
static mdm_uint_t mdm_ddm_is_reference(const char *key);
static void mdm_ddm_scan_text(mdm_ddm_scan_t *scan, const json_t *value,
    mdm_uint_t reference, const mdm_schema_node_t *node,
    const mdm_schema_path_t *path);
static void mdm_ddm_name(mdm_ddm_names_t *names, const char *text,
    size_t len, mdm_str_t *key);
static mdm_int_t mdm_ddm_join(mdm_arena_t *arena, mdm_ddm_names_t *names,
    mdm_str_t *dst);


static const struct {
    const char  *prefix;
    const char  *kind;
} mdm_ddm_kinds[] = {
    { "com.apple.activation.", "a" },
    { "com.apple.asset.", "s" },
    { "com.apple.configuration.", "c" },
    { "com.apple.management.", "m" }
};


mdm_int_t
mdm_ddm_declaration_read(mdm_arena_t *arena, const mdm_str_t *json,
    const mdm_limits_t *limits, mdm_uint_t validate,
    mdm_ddm_declaration_t *d)
{
    json_t              *root, *payload;
    mdm_int_t            rc;
    mdm_ddm_scan_t      *scan;
    mdm_quote_t   quote;
    mdm_schema_path_t    path;

    memset(d, 0, sizeof(mdm_ddm_declaration_t));

    if (json->len > MDM_DDM_DECLARATION) {
        mdm_str_set(&d->error, "a declaration has 1 MiB at most");
        return MDM_DECLINED;
    }

    payload = NULL;

    rc = mdm_json_load(arena, json, limits, &root, &d->error);

    if (rc == MDM_OK) {
        rc = mdm_ddm_head(arena, root, d, &payload);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    scan = mdm_arena_zalloc(arena, sizeof(mdm_ddm_scan_t));
    if (scan == NULL) {
        return MDM_ERROR;
    }

    scan->vars.arena = arena;
    scan->refs.arena = arena;

    scan->d = d;
    scan->activation = (d->kind.data[0] == 'a');

    path.parent = NULL;
    path.key = "Payload";
    path.len = sizeof("Payload") - 1;
    path.index = 0;

    mdm_ddm_scan(scan, payload, "",
                 mdm_schema_find(&mdm_schema_declarations, &d->type), &path);

    if (scan->vars.failed || scan->refs.failed) {
        return MDM_ERROR;
    }

    if (scan->vars.full || scan->refs.full || d->references.full) {
        return mdm_ddm_refuse(arena, &d->error, "Payload", "too many "
                              "variables or references");
    }

    if (scan->bad != NULL) {
        rc = mdm_printf(arena, &d->error, "Payload: \"${%s\" names no "
                        "variable", mdm_quote(&quote, scan->bad,
                                                     scan->bad_len));

        return (rc == MDM_OK) ? MDM_DECLINED : MDM_ERROR;
    }

    if (scan->in_key) {
        return mdm_ddm_refuse(arena, &d->error, "Payload",
                              "a key has no variables");
    }

    if (validate != MDM_VALIDATE_OFF) {
        rc = mdm_ddm_validate(arena, payload,
                              validate == MDM_VALIDATE_STRICT, d);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    if (mdm_ddm_join(arena, &scan->vars, &d->vars) != MDM_OK
        || mdm_ddm_join(arena, &scan->refs, &d->refs) != MDM_OK
        || mdm_ddm_references_join(arena, &d->references, &d->wants) != MDM_OK
        || mdm_ddm_references_join(arena, &d->variables, &d->unknown)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_json_dump_written(arena, json, root, payload, &d->payload);
}


static mdm_int_t
mdm_ddm_head(mdm_arena_t *arena, json_t *root, mdm_ddm_declaration_t *d,
    json_t **payload)
{
    json_t              *value;
    mdm_str_t            id, type;
    const char          *key, *kind;
    mdm_quote_t   quote;

    if (!json_is_object(root)) {
        return mdm_ddm_refuse(arena, &d->error, "JSON", "object expected");
    }

    json_object_foreach(root, key, value) {

        if (strcmp(key, "Identifier") != 0 && strcmp(key, "Type") != 0
            && strcmp(key, "Payload") != 0 && strcmp(key, "ServerToken") != 0)
        {
            return mdm_ddm_refuse(arena, &d->error,
                                  mdm_quote(&quote, key, strlen(key)),
                                  "not a key of a declaration");
        }
    }

    value = json_object_get(root, "Identifier");

    if (!json_is_string(value)) {
        return mdm_ddm_refuse(arena, &d->error, "Identifier",
                              value ? "string expected" : "missing");
    }

    id.data = (u_char *) json_string_value(value);
    id.len = json_string_length(value);

    if (id.len == 0 || id.len > MDM_DDM_ID) {
        return mdm_ddm_refuse(arena, &d->error, "Identifier",
                              "has 1 to 64 octets");
    }

    if (mdm_utf8_control(&id)) {
        return mdm_ddm_refuse(arena, &d->error, "Identifier",
                              "must not hold line ends or other control "
                              "characters");
    }

    if (mdm_str_begins_i(&id, MDM_DDM_RESERVED)) {
        return mdm_ddm_refuse(arena, &d->error, "Identifier",
                              "\"" MDM_DDM_RESERVED "\" is reserved");
    }

    value = json_object_get(root, "Type");

    if (!json_is_string(value)) {
        return mdm_ddm_refuse(arena, &d->error, "Type",
                              value ? "string expected" : "missing");
    }

    type.data = (u_char *) json_string_value(value);
    type.len = json_string_length(value);

    kind = mdm_ddm_kind(&type);

    if (kind == NULL) {
        return mdm_ddm_refuse(arena, &d->error, "Type", "not of the form "
                              "com.apple.{activation,asset,configuration,"
                              "management}.NAME");
    }

    *payload = json_object_get(root, "Payload");

    if (!json_is_object(*payload)) {
        return mdm_ddm_refuse(arena, &d->error, "Payload",
                              *payload ? "object expected" : "missing");
    }

    d->id = id;
    d->type = type;
    d->kind.data = (u_char *) kind;
    d->kind.len = 1;

    return mdm_key_id(arena, &d->key, &d->id);
}


static mdm_int_t
mdm_ddm_refuse(mdm_arena_t *arena, mdm_str_t *error, const char *path,
    const char *why)
{
    return (mdm_printf(arena, error, "%s: %s", path, why) == MDM_OK)
           ? MDM_DECLINED : MDM_ERROR;
}


static const char *
mdm_ddm_kind(const mdm_str_t *type)
{
    size_t      i, n;
    mdm_uint_t  k;

    for (i = 0; i < type->len; i++) {

        if (type->data[i] <= ' ' || type->data[i] > '~'
            || type->data[i] == '"' || type->data[i] == '\\')
        {
            return NULL;
        }
    }

    for (k = 0; k < sizeof(mdm_ddm_kinds) / sizeof(mdm_ddm_kinds[0]); k++) {
        n = strlen(mdm_ddm_kinds[k].prefix);

        if (type->len > n && type->len <= 255
            && memcmp(type->data, mdm_ddm_kinds[k].prefix, n) == 0)
        {
            return mdm_ddm_kinds[k].kind;
        }
    }

    return NULL;
}


static mdm_int_t
mdm_ddm_validate(mdm_arena_t *arena, const json_t *payload,
    mdm_uint_t strict, mdm_ddm_declaration_t *d)
{
    json_t     *value;
    mdm_int_t   rc;
    mdm_str_t   s;

    rc = mdm_ddm_check(arena, &d->type, payload, strict, &d->schema);

    value = json_object_get(payload, "Predicate");

    if (rc == MDM_OK && d->kind.data[0] == 'a' && json_is_string(value)) {
        s.data = (u_char *) json_string_value(value);
        s.len = json_string_length(value);

        rc = mdm_ddm_predicate(arena, &s, "Payload.Predicate", strict,
                               &d->schema);
    }

    if (rc == MDM_OK
        && mdm_str_is(&d->type, "com.apple.configuration.management"
                                ".status-subscriptions"))
    {
        rc = mdm_ddm_subscription(arena, payload, strict, d);
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_references_twice(arena, &d->references, strict,
                                      &d->schema);
    }

    if (rc == MDM_DECLINED) {
        d->error = d->schema.error;
    }

    return rc;
}


static mdm_int_t
mdm_ddm_subscription(mdm_arena_t *arena, const json_t *payload,
    mdm_uint_t strict, mdm_ddm_declaration_t *d)
{
    json_t              *item, *value;
    size_t               i;
    mdm_int_t            rc;
    mdm_str_t            name, place, text;
    mdm_quote_t   quote;

    json_array_foreach(json_object_get(payload, "StatusItems"), i, item) {
        value = json_object_get(item, "Name");

        if (!json_is_string(value)) {
            continue;
        }

        name.data = (u_char *) json_string_value(value);
        name.len = json_string_length(value);

        if (mdm_ddm_item_find(&name) != NULL
            || memchr(name.data, '$', name.len) != NULL)
        {
            continue;
        }

        if (mdm_printf(arena, &place, "Payload.StatusItems[%zu].Name", i)
            != MDM_OK
            || mdm_printf(arena, &text, "unknown status item \"%s\"",
                          mdm_quote(&quote, (char *) name.data,
                                           name.len))
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        rc = mdm_ddm_unknown(arena, (char *) place.data, (char *) text.data,
                             strict, &d->schema);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


/* all strings of a payload; its depth is bounded already */

static void
mdm_ddm_scan(mdm_ddm_scan_t *scan, const json_t *value, const char *key,
    const mdm_schema_node_t *node, const mdm_schema_path_t *path)
{
    json_t                    *member;
    mdm_str_t                  s;
    const char                *name;
    mdm_schema_path_t          step;
    const mdm_schema_table_t  *table;

    table = &mdm_schema_declarations;
    step.parent = path;
    step.index = 0;

    switch (json_typeof(value)) {

    case JSON_OBJECT:
        json_object_foreach((json_t *) value, name, member) {

            /* they are filled in in the text, where a key looks the same */

            if (strstr(name, "${") != NULL) {
                scan->in_key = 1;
            }

            s.data = (u_char *) name;
            s.len = strlen(name);

            step.key = name;
            step.len = s.len;

            mdm_ddm_scan(scan, member, name,
                         mdm_schema_member(table, node, &s), &step);
        }
        break;

    case JSON_ARRAY:
        step.key = NULL;
        step.len = 0;

        json_array_foreach(value, step.index, member) {
            mdm_ddm_scan(scan, member, key,
                         mdm_schema_element(table, node, NULL), &step);
        }
        break;

    case JSON_STRING:
        mdm_ddm_scan_text(scan, value, mdm_ddm_is_reference(key), node, path);
        break;

    default:
        break;
    }
}


/*
 * Apple's keys for them: StandardConfigurations of an activation, and names
 * that end in AssetReference or AssetReferences.
 */

static mdm_uint_t
mdm_ddm_is_reference(const char *key)
{
    size_t  len;

    if (strcmp(key, "StandardConfigurations") == 0) {
        return 1;
    }

    len = strlen(key);

    return (len >= 14 && strcmp(key + len - 14, "AssetReference") == 0)
           || (len >= 15 && strcmp(key + len - 15, "AssetReferences") == 0);
}


static void
mdm_ddm_scan_text(mdm_ddm_scan_t *scan, const json_t *value,
    mdm_uint_t reference, const mdm_schema_node_t *node,
    const mdm_schema_path_t *path)
{
    size_t                  i, len, end;
    mdm_str_t               name;
    const char             *text;
    mdm_ddm_declaration_t  *d;

    d = scan->d;

    text = json_string_value(value);
    len = json_string_length(value);

    /* one with variables is another declaration on each device */

    if (reference && strstr(text, "${") == NULL) {
        mdm_ddm_name(&scan->refs, text, len, &name);

        if (!scan->refs.failed
            && mdm_ddm_reference(scan->refs.arena, &d->references, &name, node,
                                 scan->activation, path)
               != MDM_OK)
        {
            scan->refs.failed = 1;
        }
    }

    for (i = 0; i + 1 < len; i++) {

        if (text[i] != '$' || text[i + 1] != '{') {
            continue;
        }

        /* "$${" is a literal "${" */

        if (i > 0 && text[i - 1] == '$') {
            continue;
        }

        for (end = i + 2; end < len && text[end] != '}'; end++) {

            if (!(text[end] >= 'a' && text[end] <= 'z')
                && !(text[end] >= 'A' && text[end] <= 'Z')
                && !(text[end] >= '0' && text[end] <= '9')
                && text[end] != '_' && text[end] != '-' && text[end] != '.')
            {
                break;
            }
        }

        if (end == len || text[end] != '}' || end == i + 2
            || end - i - 2 > MDM_DDM_NAME)
        {
            scan->bad = text + i + 2;
            scan->bad_len = len - i - 2;
            return;
        }

        mdm_ddm_name(&scan->vars, text + i + 2, end - i - 2, &name);

        if (!scan->vars.failed
            && mdm_ddm_variable(scan->vars.arena, &d->variables, &name, path)
               != MDM_OK)
        {
            scan->vars.failed = 1;
        }
    }
}


static void
mdm_ddm_name(mdm_ddm_names_t *names, const char *text, size_t len,
    mdm_str_t *key)
{
    mdm_str_t   raw;
    mdm_uint_t  i;

    raw.data = (u_char *) text;
    raw.len = len;

    if (mdm_key_id(names->arena, key, &raw) != MDM_OK) {
        names->failed = 1;
        return;
    }

    for (i = 0; i < names->n; i++) {

        if (mdm_str_eq(&names->names[i], key)) {
            return;
        }
    }

    if (names->n == MDM_DDM_NAMES) {
        names->full = 1;
        return;
    }

    names->names[names->n++] = *key;
}


static mdm_int_t
mdm_ddm_join(mdm_arena_t *arena, mdm_ddm_names_t *names, mdm_str_t *dst)
{
    u_char      *p;
    size_t       len;
    mdm_uint_t   i;

    mdm_str_null(dst);

    if (names->n == 0) {
        return MDM_OK;
    }

    qsort(names->names, names->n, sizeof(mdm_str_t), mdm_str_order);

    len = 0;

    for (i = 0; i < names->n; i++) {
        len += names->names[i].len + 1;
    }

    p = mdm_arena_alloc(arena, len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    dst->data = p;
    dst->len = len - 1;

    for (i = 0; i < names->n; i++) {

        if (i != 0) {
            *p++ = ',';
        }

        memcpy(p, names->names[i].data, names->names[i].len);
        p += names->names[i].len;
    }

    return MDM_OK;
}
