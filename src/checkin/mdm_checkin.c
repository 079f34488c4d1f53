
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What several check-in messages need: the pin check, their end, and fields to
 * keep.
 */


#include "mdm_checkin.h"


mdm_int_t
mdm_checkin_auth(mdm_exchange_t *x)
{
    int64_t  code;

    if (x->state == 0) {
        return (mdm_message_call(x, &mdm_script_auth, 0, 1) == NULL)
               ? MDM_ERROR : MDM_CALL;
    }

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_LOST);

    return (code == MDM_CODE_NONE) ? MDM_OK : mdm_message_refused(x, code);
}


mdm_int_t
mdm_checkin_end(mdm_exchange_t *x)
{
    int64_t  code;

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_LOST);

    if (code != MDM_CODE_NONE) {
        return mdm_message_refused(x, code);
    }

    return mdm_exchange_empty(x, 200);
}


mdm_int_t
mdm_checkin_fields(mdm_arena_t *arena, plist_t message,
    const mdm_checkin_field_t *field, mdm_str_t **pairs, mdm_uint_t *n)
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
