
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads and checks a command that an administrator sends.
 */


#include <stdlib.h>

#include "mdm_command.h"
#include "mdm_command_json.h"
#include "mdm_exchange.h"


static mdm_int_t mdm_command_root(mdm_arena_t *arena, plist_t root,
    mdm_uint_t validate, mdm_command_t *command);
static mdm_int_t mdm_command_text(mdm_arena_t *arena, plist_t dict,
    const char *key, const char *place, mdm_str_t *value, mdm_str_t *error);
static mdm_int_t mdm_command_beside(mdm_arena_t *arena, plist_t root,
    mdm_uint_t validate, mdm_command_t *command);
static mdm_int_t mdm_command_name(mdm_arena_t *arena, plist_t root,
    mdm_command_t *command);
static mdm_int_t mdm_command_well(mdm_command_t *command);


mdm_int_t
mdm_command_read(mdm_arena_t *arena, const mdm_str_t *body, mdm_uint_t json,
    mdm_uint_t validate, const mdm_limits_t *limits,
    mdm_command_t *command)
{
    plist_t      root;
    mdm_int_t    rc;
    const char  *why;

    memset(command, 0, sizeof(mdm_command_t));

    if (body->len == 0) {
        mdm_str_set(&command->error, "the body is empty");
        return MDM_DECLINED;
    }

    if (json) {
        rc = mdm_command_json(arena, body, limits, &command->body,
                              &command->error);
        if (rc != MDM_OK) {
            return rc;
        }

    } else {
        command->body = *body;
    }

    root = NULL;
    why = NULL;

    rc = mdm_plist_parse(arena, &command->body, limits, &root, &why);

    if (rc == MDM_DECLINED) {
        return (mdm_printf(arena, &command->error, "%s: %s",
                           json ? "JSON" : "plist", why)
                == MDM_OK)
               ? MDM_DECLINED : MDM_ERROR;
    }

    if (rc != MDM_OK) {
        return rc;
    }

    return mdm_command_root(arena, root, validate, command);
}


static mdm_int_t
mdm_command_root(mdm_arena_t *arena, plist_t root, mdm_uint_t validate,
    mdm_command_t *command)
{
    plist_t    dict;
    mdm_int_t  rc;

    dict = plist_dict_get_item(root, "Command");

    if (dict == NULL) {
        mdm_str_set(&command->error, "Command: required key is missing");
        return MDM_DECLINED;
    }

    if (plist_get_node_type(dict) != PLIST_DICT) {
        mdm_str_set(&command->error, "Command: dictionary expected");
        return MDM_DECLINED;
    }

    command->dict = dict;

    rc = mdm_command_text(arena, dict, "RequestType", "Command.",
                          &command->request_type, &command->error);
    if (rc != MDM_OK) {
        return rc;
    }

    if (command->request_type.len == 0) {
        mdm_str_set(&command->error,
                    "Command.RequestType: required key is missing");
        return MDM_DECLINED;
    }

    rc = mdm_command_text(arena, root, "CommandUUID", "", &command->uuid,
                          &command->error);
    if (rc != MDM_OK) {
        return rc;
    }

    if (validate != MDM_VALIDATE_OFF) {

        rc = mdm_schema_command(arena, dict, validate == MDM_VALIDATE_STRICT,
                                &command->schema);

        if (rc == MDM_OK) {
            rc = mdm_command_beside(arena, root, validate, command);
        }

        if (rc == MDM_DECLINED) {
            command->error = command->schema.error;
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    if (command->uuid.len == 0) {
        return mdm_command_name(arena, root, command);
    }

    return MDM_OK;
}


/* a string that goes into logs, keys and headers; empty: not there */

static mdm_int_t
mdm_command_text(mdm_arena_t *arena, plist_t dict, const char *key,
    const char *place, mdm_str_t *value, mdm_str_t *error)
{
    size_t       i;
    mdm_int_t    rc;
    const char  *why;

    rc = mdm_plist_string(dict, key, value);

    if (rc == MDM_DECLINED) {
        mdm_str_null(value);
        return MDM_OK;
    }

    why = NULL;

    if (rc != MDM_OK) {
        why = "string expected";

    } else if (value->len == 0 || value->len > MDM_COMMAND_UUID_MAX) {
        why = "1 to 255 bytes expected";

    } else if (!mdm_utf8_valid(value)) {
        why = "not UTF-8";

    } else {

        for (i = 0; i < value->len; i++) {
            if (value->data[i] < 0x20 || value->data[i] == 0x7f) {
                why = "a control character";
                break;
            }
        }
    }

    if (why == NULL) {
        return MDM_OK;
    }

    rc = mdm_printf(arena, error, "%s%s: %s", place, key, why);

    return (rc == MDM_OK) ? MDM_DECLINED : MDM_ERROR;
}


/* what stands beside Command and CommandUUID */

static mdm_int_t
mdm_command_beside(mdm_arena_t *arena, plist_t root, mdm_uint_t validate,
    mdm_command_t *command)
{
    char                *key;
    plist_t              value;
    mdm_int_t            rc;
    mdm_str_t            text;
    plist_dict_iter      iter;
    mdm_quote_t   quote;

    iter = NULL;
    plist_dict_new_iter(root, &iter);

    if (iter == NULL) {
        return MDM_ERROR;
    }

    do {
        rc = MDM_OK;
        key = NULL;
        value = NULL;

        plist_dict_next_item(root, iter, &key, &value);

        if (value == NULL) {
            free(key);
            break;
        }

        if (key == NULL) {
            rc = MDM_ERROR;
            break;
        }

        if (strcmp(key, "Command") != 0 && strcmp(key, "CommandUUID") != 0) {

            rc = mdm_printf(arena, &text, "%s: unknown key beside Command",
                            mdm_quote(&quote, key, strlen(key)));

            if (rc == MDM_OK && validate == MDM_VALIDATE_STRICT) {
                command->schema.error = text;
                rc = MDM_DECLINED;

            } else if (rc == MDM_OK) {
                rc = mdm_schema_warn(arena, &command->schema, &text);
            }
        }

        free(key);

    } while (rc == MDM_OK);

    free(iter);

    return rc;
}


/* makes a CommandUUID: the only case in which the plist is written anew */

static mdm_int_t
mdm_command_name(mdm_arena_t *arena, plist_t root, mdm_command_t *command)
{
    plist_t    value;
    mdm_str_t  uuid, text;

    if (mdm_uuid(arena, &uuid) != MDM_OK
        || mdm_printf(arena, &text, "%.*s", mdm_fmt(&uuid)) != MDM_OK)
    {
        return MDM_ERROR;
    }

    value = plist_new_string((char *) text.data);

    if (value == NULL) {
        return MDM_ERROR;
    }

    plist_dict_set_item(root, "CommandUUID", value);

    command->uuid = text;

    if (mdm_plist_xml(arena, root, &command->body) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_command_well(command);
}


/*
 * XML has no way to write some characters that a string may hold: as the JSON
 * form, the plist is refused.
 */

static mdm_int_t
mdm_command_well(mdm_command_t *command)
{
    u_char        *p;
    const u_char  *last;

    p = command->body.data;
    last = p + command->body.len;

    for ( /* void */ ; p < last; p++) {

        if (*p < 0x20 && *p != '\t' && *p != '\n' && *p != '\r') {
            mdm_str_set(&command->error, "plist: a control character");
            return MDM_DECLINED;
        }

        /* U+FFFE and U+FFFF */

        if (*p == 0xef && last - p >= 3 && p[1] == 0xbf && p[2] >= 0xbe) {
            mdm_str_set(&command->error, "plist: a character that no plist "
                        "can hold");
            return MDM_DECLINED;
        }
    }

    return MDM_OK;
}
