
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Turns the JSON form of a command into an XML plist.
 */


#include <stdio.h>
#include <stdlib.h>

#include "mdm_command_json.h"
#include "mdm_date.h"
#include "mdm_json.h"
#include "mdm_number.h"
#include "mdm_schema.h"
#include "mdm_schema_table.h"


/* the XML so far */

typedef struct {
    mdm_arena_t              *arena;
    u_char                   *data;
    size_t                    len;
    size_t                    size;
    mdm_str_t                *error;
} mdm_json_t;


static mdm_int_t mdm_json_root(mdm_json_t *out, json_t *root);
static mdm_int_t mdm_json_value(mdm_json_t *out, json_t *value,
    const mdm_schema_node_t *node, const mdm_schema_path_t *path);
static mdm_int_t mdm_json_object(mdm_json_t *out, json_t *object,
    const mdm_schema_node_t *node, const mdm_schema_path_t *path);
static mdm_int_t mdm_json_member(mdm_json_t *out, const char *key,
    json_t *value, const mdm_schema_node_t *node,
    const mdm_schema_path_t *parent);
static mdm_int_t mdm_json_array(mdm_json_t *out, json_t *array,
    const mdm_schema_node_t *node, const mdm_schema_path_t *path);
static mdm_int_t mdm_json_data(mdm_json_t *out, json_t *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_json_date(mdm_json_t *out, json_t *value,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_json_real(mdm_json_t *out, double n);
static mdm_int_t mdm_json_text(mdm_json_t *out, const char *s, size_t len,
    const mdm_schema_path_t *path);
static mdm_int_t mdm_json_write(mdm_json_t *out, const char *s, size_t len);
static mdm_int_t mdm_json_refuse(mdm_json_t *out,
    const mdm_schema_path_t *path, const char *what);


#define mdm_json_put(out, text)                                               \
    mdm_json_write(out, text, sizeof(text) - 1)


static const char  mdm_json_head[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
    "<plist version=\"1.0\">\n"
    "<dict>\n";

static const char  mdm_json_tail[] = "</dict>\n</plist>\n";


mdm_int_t
mdm_command_json(mdm_arena_t *arena, const mdm_str_t *json,
    const mdm_limits_t *limits, mdm_str_t *xml, mdm_str_t *error)
{
    json_t      *root;
    mdm_int_t    rc;
    mdm_json_t   out;

    rc = mdm_json_load(arena, json, limits, &root, error);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!json_is_object(root)) {
        mdm_str_set(error, "JSON: object expected");
        return MDM_DECLINED;
    }

    out.arena = arena;
    out.error = error;
    out.len = 0;
    out.size = json->len + json->len / 2 + 1024;

    out.data = mdm_arena_alloc(arena, out.size);
    if (out.data == NULL) {
        return MDM_ERROR;
    }

    rc = mdm_json_root(&out, root);

    if (rc == MDM_OK) {
        xml->data = out.data;
        xml->len = out.len;
    }

    return rc;
}


/*
 * {"Command": {…}} has what a plist has; else the object is the command
 * itself, and its CommandUUID moves out of it
 */

static mdm_int_t
mdm_json_root(mdm_json_t *out, json_t *root)
{
    json_t                   *command, *type, *uuid, *value;
    mdm_str_t                 name;
    mdm_int_t                 rc;
    const char               *key;
    mdm_schema_path_t         path;
    const mdm_schema_node_t  *node;

    command = json_object_get(root, "Command");

    if (command == NULL) {
        command = root;
    }

    node = NULL;
    type = json_object_get(command, "RequestType");

    if (json_is_string(type)) {
        name.data = (u_char *) json_string_value(type);
        name.len = json_string_length(type);
        node = mdm_schema_find(&mdm_schema_commands, &name);
    }

    if (mdm_json_put(out, mdm_json_head) != MDM_OK) {
        return MDM_ERROR;
    }

    uuid = json_object_get(root, "CommandUUID");

    if (uuid != NULL) {
        rc = mdm_json_member(out, "CommandUUID", uuid, NULL, NULL);

    } else {
        rc = mdm_uuid(out->arena, &name);

        if (rc == MDM_OK
            && (mdm_json_put(out, "<key>CommandUUID</key>\n<string>")
                != MDM_OK
                || mdm_json_write(out, (char *) name.data, name.len) != MDM_OK
                || mdm_json_put(out, "</string>\n") != MDM_OK))
        {
            rc = MDM_ERROR;
        }
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (command != root) {

        json_object_foreach(root, key, value) {

            if (strcmp(key, "CommandUUID") == 0) {
                continue;
            }

            rc = mdm_json_member(out, key, value,
                                 (value == command) ? node : NULL, NULL);
            if (rc != MDM_OK) {
                return rc;
            }
        }

        return mdm_json_put(out, mdm_json_tail);
    }

    path.parent = NULL;
    path.key = "Command";
    path.len = sizeof("Command") - 1;
    path.index = 0;

    if (mdm_json_put(out, "<key>Command</key>\n<dict>\n") != MDM_OK) {
        return MDM_ERROR;
    }

    json_object_foreach(root, key, value) {

        if (strcmp(key, "CommandUUID") == 0) {
            continue;
        }

        name.data = (u_char *) key;
        name.len = strlen(key);

        rc = mdm_json_member(out, key, value,
                             mdm_schema_member(&mdm_schema_commands, node,
                                               &name),
                             &path);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    if (mdm_json_put(out, "</dict>\n") != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_json_put(out, mdm_json_tail);
}


static mdm_int_t
mdm_json_value(mdm_json_t *out, json_t *value, const mdm_schema_node_t *node,
    const mdm_schema_path_t *path)
{
    int        n, type;
    char       number[64];
    mdm_int_t  rc;

    type = mdm_schema_type(node);

    switch (json_typeof(value)) {

    case JSON_OBJECT:
        return mdm_json_object(out, value, node, path);

    case JSON_ARRAY:
        return mdm_json_array(out, value, node, path);

    case JSON_STRING:

        if (type == 'd') {
            return mdm_json_data(out, value, path);
        }

        if (type == 't') {
            return mdm_json_date(out, value, path);
        }

        if (mdm_json_put(out, "<string>") != MDM_OK) {
            return MDM_ERROR;
        }

        rc = mdm_json_text(out, json_string_value(value),
                           json_string_length(value), path);

        if (rc != MDM_OK) {
            return rc;
        }

        return mdm_json_put(out, "</string>\n");

    case JSON_INTEGER:
        n = snprintf(number, sizeof(number),
                     (type == 'r') ? "<real>%lld</real>\n"
                                   : "<integer>%lld</integer>\n",
                     (long long) json_integer_value(value));

        return mdm_json_write(out, number, (size_t) n);

    case JSON_REAL:
        return mdm_json_real(out, json_real_value(value));

    case JSON_TRUE:
        return mdm_json_put(out, "<true/>\n");

    case JSON_FALSE:
        return mdm_json_put(out, "<false/>\n");

    default: /* JSON_NULL */
        return mdm_json_refuse(out, path, "null is not allowed");
    }
}


static mdm_int_t
mdm_json_object(mdm_json_t *out, json_t *object,
    const mdm_schema_node_t *node, const mdm_schema_path_t *path)
{
    json_t      *value;
    mdm_int_t    rc;
    mdm_str_t    name;
    const char  *key;

    if (json_object_size(object) == 1) {

        value = json_object_get(object, "$data");

        if (value != NULL) {
            return mdm_json_data(out, value, path);
        }

        value = json_object_get(object, "$date");

        if (value != NULL) {
            return mdm_json_date(out, value, path);
        }
    }

    if (mdm_json_put(out, "<dict>\n") != MDM_OK) {
        return MDM_ERROR;
    }

    json_object_foreach(object, key, value) {

        name.data = (u_char *) key;
        name.len = strlen(key);

        rc = mdm_json_member(out, key, value,
                             mdm_schema_member(&mdm_schema_commands, node,
                                               &name),
                             path);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return mdm_json_put(out, "</dict>\n");
}


static mdm_int_t
mdm_json_member(mdm_json_t *out, const char *key, json_t *value,
    const mdm_schema_node_t *node, const mdm_schema_path_t *parent)
{
    mdm_int_t          rc;
    mdm_schema_path_t  path;

    path.parent = parent;
    path.key = key;
    path.len = strlen(key);
    path.index = 0;

    if (mdm_json_put(out, "<key>") != MDM_OK) {
        return MDM_ERROR;
    }

    rc = mdm_json_text(out, key, path.len, &path);

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_json_put(out, "</key>\n") != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_json_value(out, value, node, &path);
}


static mdm_int_t
mdm_json_array(mdm_json_t *out, json_t *array, const mdm_schema_node_t *node,
    const mdm_schema_path_t *path)
{
    json_t             *value, *item;
    size_t              i;
    mdm_int_t           rc;
    mdm_str_t           name, *shape;
    mdm_schema_path_t   step;

    if (mdm_json_put(out, "<array>\n") != MDM_OK) {
        return MDM_ERROR;
    }

    step.parent = path;
    step.key = NULL;
    step.len = 0;

    json_array_foreach(array, i, value) {

        step.index = i;
        shape = NULL;
        item = json_object_get(value, "Item");

        if (json_is_string(item)) {
            name.data = (u_char *) json_string_value(item);
            name.len = json_string_length(item);
            shape = &name;
        }

        rc = mdm_json_value(out, value,
                            mdm_schema_element(&mdm_schema_commands, node,
                                               shape),
                            &step);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return mdm_json_put(out, "</array>\n");
}


static mdm_int_t
mdm_json_data(mdm_json_t *out, json_t *value, const mdm_schema_path_t *path)
{
    mdm_int_t  rc;
    mdm_str_t  text, data;

    if (!json_is_string(value)) {
        return mdm_json_refuse(out, path, "base64 string expected");
    }

    text.data = (u_char *) json_string_value(value);
    text.len = json_string_length(value);

    rc = mdm_unbase64(out->arena, &data, &text);

    if (rc == MDM_DECLINED) {
        return mdm_json_refuse(out, path, "not base64");
    }

    if (rc != MDM_OK
        || mdm_base64(out->arena, &text, &data) != MDM_OK
        || mdm_json_put(out, "<data>") != MDM_OK
        || mdm_json_write(out, (char *) text.data, text.len) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_json_put(out, "</data>\n");
}


static mdm_int_t
mdm_json_date(mdm_json_t *out, json_t *value, const mdm_schema_path_t *path)
{
    u_char     utc[MDM_DATE_LEN];
    mdm_str_t  text;

    if (!json_is_string(value)) {
        return mdm_json_refuse(out, path, "RFC 3339 date expected");
    }

    text.data = (u_char *) json_string_value(value);
    text.len = json_string_length(value);

    if (mdm_date_utc(utc, &text) != MDM_OK) {
        return mdm_json_refuse(out, path, "RFC 3339 date expected");
    }

    if (mdm_json_put(out, "<date>") != MDM_OK
        || mdm_json_write(out, (char *) utc, MDM_DATE_LEN) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_json_put(out, "</date>\n");
}


/* the shortest decimal that reads back as the same number */

static mdm_int_t
mdm_json_real(mdm_json_t *out, double n)
{
    char    text[MDM_REAL_LEN];
    size_t  len;

    len = mdm_real(text, n);

    if (mdm_json_put(out, "<real>") != MDM_OK
        || mdm_json_write(out, text, len) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_json_put(out, "</real>\n");
}


/* jansson has seen to it that the text is UTF-8 and has no NUL */

static mdm_int_t
mdm_json_text(mdm_json_t *out, const char *s, size_t len,
    const mdm_schema_path_t *path)
{
    u_char       c;
    size_t       i, start;
    mdm_str_t    entity;

    start = 0;

    for (i = 0; i < len; i++) {
        c = (u_char) s[i];

        switch (c) {

        case '&':
            mdm_str_set(&entity, "&amp;");
            break;

        case '<':
            mdm_str_set(&entity, "&lt;");
            break;

        case '>':
            mdm_str_set(&entity, "&gt;");
            break;

        case '\r':
            mdm_str_set(&entity, "&#13;");
            break;

        case '\t':
        case '\n':
            continue;

        case 0xef:

            /* U+FFFE and U+FFFF are not in XML */

            if (len - i < 3 || (u_char) s[i + 1] != 0xbf
                || (u_char) s[i + 2] < 0xbe)
            {
                continue;
            }

            return mdm_json_refuse(out, path, "a character that no plist "
                                   "can hold");

        default:
            if (c >= 0x20) {
                continue;
            }

            return mdm_json_refuse(out, path, "a control character");
        }

        if (mdm_json_write(out, s + start, i - start) != MDM_OK
            || mdm_json_write(out, (char *) entity.data, entity.len) != MDM_OK)
        {
            return MDM_ERROR;
        }

        start = i + 1;
    }

    return mdm_json_write(out, s + start, len - start);
}


static mdm_int_t
mdm_json_write(mdm_json_t *out, const char *s, size_t len)
{
    u_char  *data;
    size_t   size;

    if (len > out->size - out->len) {

        if (len > SIZE_MAX / 4 || out->size > SIZE_MAX / 4) {
            return MDM_ERROR;
        }

        size = out->size * 2 + len;

        data = mdm_arena_alloc(out->arena, size);
        if (data == NULL) {
            return MDM_ERROR;
        }

        memcpy(data, out->data, out->len);

        out->data = data;
        out->size = size;
    }

    memcpy(out->data + out->len, s, len);
    out->len += len;

    return MDM_OK;
}


static mdm_int_t
mdm_json_refuse(mdm_json_t *out, const mdm_schema_path_t *path,
    const char *what)
{
    mdm_str_t  place;

    if (mdm_schema_path(out->arena, &place, path) != MDM_OK
        || mdm_printf(out->arena, out->error, "%.*s: %s", mdm_fmt(&place),
                      what)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_DECLINED;
}
