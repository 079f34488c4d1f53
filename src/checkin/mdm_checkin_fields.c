
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "mdm_checkin.h"


typedef struct {
    const char               *key;         /* Apple's */
    mdm_str_t                 field;       /* of the enrollment hash */
    mdm_uint_t                data;        /* 1: data, 0: a string */
} mdm_field_t;


static mdm_int_t mdm_checkin_fields(mdm_arena_t *arena, plist_t message,
    const mdm_field_t *field, mdm_str_t **pairs, mdm_uint_t *n);


static const mdm_field_t  mdm_authenticate_fields[] = {
    { "Topic", mdm_string("topic"), 0 },
    { "SerialNumber", mdm_string("serial"), 0 },
    { "DeviceName", mdm_string("name"), 0 },
    { "Model", mdm_string("model"), 0 },
    { "ModelName", mdm_string("model_name"), 0 },
    { "ProductName", mdm_string("product"), 0 },
    { "OSVersion", mdm_string("os"), 0 },
    { "BuildVersion", mdm_string("build"), 0 },
    { "IMEI", mdm_string("imei"), 0 },
    { "MEID", mdm_string("meid"), 0 },
    { NULL, mdm_null_string, 0 }
};


static const mdm_field_t  mdm_token_update_fields[] = {
    { "Topic", mdm_string("topic"), 0 },
    { "PushMagic", mdm_string("magic"), 0 },
    { "Token", mdm_string("token"), 1 },
    { "UserShortName", mdm_string("short_name"), 0 },
    { "UserLongName", mdm_string("long_name"), 0 },
    { NULL, mdm_null_string, 0 }
};


mdm_int_t
mdm_checkin_fields_authenticate(mdm_arena_t *arena, plist_t message,
    mdm_str_t **pairs, mdm_uint_t *n)
{
    return mdm_checkin_fields(arena, message, mdm_authenticate_fields, pairs,
                              n);
}


mdm_int_t
mdm_checkin_fields_token_update(mdm_arena_t *arena, plist_t message,
    mdm_str_t **pairs, mdm_uint_t *n)
{
    return mdm_checkin_fields(arena, message, mdm_token_update_fields, pairs,
                              n);
}


static mdm_int_t
mdm_checkin_fields(mdm_arena_t *arena, plist_t message,
    const mdm_field_t *field, mdm_str_t **pairs, mdm_uint_t *n)
{
    mdm_int_t   rc;
    mdm_str_t  *pair, value;

    pair = mdm_arena_alloc(arena, MDM_FIELDS * sizeof(mdm_str_t));
    if (pair == NULL) {
        return MDM_ERROR;
    }

    *pairs = pair;
    *n = 0;

    for ( /* void */ ; field->key != NULL; field++) {

        rc = field->data ? mdm_plist_data(message, field->key, &value)
                         : mdm_plist_string(message, field->key, &value);

        if (rc != MDM_OK || value.len == 0 || value.len > MDM_FIELD_MAX) {
            continue;
        }

        *pair++ = field->field;
        *pair++ = value;
        *n += 2;
    }

    return MDM_OK;
}


const char *
mdm_checkin_token_missing(plist_t message)
{
    mdm_str_t           value;
    const mdm_field_t  *field;

    /* the first three: Topic, PushMagic, Token */

    for (field = mdm_token_update_fields;
         field < &mdm_token_update_fields[3];
         field++)
    {
        if ((field->data ? mdm_plist_data(message, field->key, &value)
                         : mdm_plist_string(message, field->key, &value))
            != MDM_OK
            || value.len == 0 || value.len > MDM_FIELD_MAX)
        {
            return field->key;
        }
    }

    return NULL;
}
