
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The message or the result that goes out with an event, as Redis keeps it.
 */


#include "mdm_deflate.h"
#include "mdm_exchange_secret.h"
#include "mdm_hook_payload.h"
#include "mdm_json.h"
#include "mdm_topic.h"


/* bytes of a compressed payload that a thread is to expand */
#define MDM_HOOK_LARGE        4096


static mdm_int_t mdm_hook_open(mdm_exchange_t *x,
    const mdm_secret_where_t *where, mdm_str_t *value);


mdm_uint_t
mdm_hook_large(const mdm_webhook_t *webhook, const mdm_reply_t *rows,
    size_t row)
{
    mdm_str_t  name, raw, body, z;

    if (!webhook->payload) {
        return 0;
    }

    for ( /* void */ ; mdm_reply_row(rows, row, MDM_NRET_HOOK_TAKE_ROWS);
         row += MDM_NRET_HOOK_TAKE_ROWS)
    {
        name = mdm_reply_str(rows, row + MDM_RET_HOOK_TAKE_ROWS_EVENT);

        if (!(mdm_topic(&name) & webhook->topics)) {
            continue;
        }

        raw = mdm_reply_str(rows, row + MDM_RET_HOOK_TAKE_ROWS_RAW);

        if (raw.len != 0) {
            return (raw.len > MDM_EXCHANGE_LARGE);
        }

        body = mdm_reply_str(rows, row + MDM_RET_HOOK_TAKE_ROWS_BODY);
        z = mdm_reply_str(rows, row + MDM_RET_HOOK_TAKE_ROWS_Z);

        return (body.len > (mdm_str_is(&z, "1") ? MDM_HOOK_LARGE
                                                : MDM_EXCHANGE_LARGE));
    }

    return 0;
}


mdm_int_t
mdm_hook_payload(mdm_exchange_t *x, const mdm_hook_t *hook,
    const mdm_reply_t *rows, size_t row, mdm_event_t *event)
{
    json_t              *data;
    mdm_int_t            rc;
    mdm_str_t            body, uuid, z;
    const char          *what;
    json_error_t         error;
    mdm_secret_where_t   where;

    if (!hook->webhook->payload) {
        return MDM_OK;
    }

    event->lost = (mdm_reply_int(rows, row + MDM_RET_HOOK_TAKE_ROWS_LOST, 0)
                   == 1);

    body = mdm_reply_str(rows, row + MDM_RET_HOOK_TAKE_ROWS_RAW);

    if (body.len != 0) {
        mdm_where_event(&where, &hook->tag, &event->id);

        rc = mdm_hook_open(x, &where, &body);

    } else {
        body = mdm_reply_str(rows, row + MDM_RET_HOOK_TAKE_ROWS_BODY);
        z = mdm_reply_str(rows, row + MDM_RET_HOOK_TAKE_ROWS_Z);

        if (body.len == 0) {
            return MDM_OK;
        }

        if (mdm_json_read(x->arena, &event->data, 0, &event->parsed, &error)
            == MDM_ERROR)
        {
            return MDM_ERROR;
        }

        mdm_str_set(&uuid, "");

        data = json_object_get(event->parsed, "command_uuid");

        if (json_is_string(data)) {
            uuid.data = (u_char *) (uintptr_t) json_string_value(data);
            uuid.len = json_string_length(data);
        }

        mdm_where_result(&where, &hook->tag, &event->id, &uuid,
                         mdm_str_is(&z, "1"));

        rc = mdm_hook_open(x, &where, &body);

        if (rc == MDM_OK && mdm_str_is(&z, "1")
            && mdm_inflate(x->arena, &body, &body) != MDM_OK)
        {
            /* what is broken is lost, what finds no memory is not */

            rc = (mdm_arena_failure(x->arena, &what) == MDM_FAILURE_MEMORY)
                 ? MDM_ERROR : MDM_DECLINED;
        }
    }

    if (rc == MDM_DECLINED) {
        event->lost = 1;
        return MDM_OK;
    }

    event->payload = body;

    return rc;
}


/* what cannot be opened holds back nothing */

static mdm_int_t
mdm_hook_open(mdm_exchange_t *x, const mdm_secret_where_t *where,
    mdm_str_t *value)
{
    mdm_int_t           rc, under;
    mdm_str_t           kept, why;
    mdm_secret_place_t  place;

    kept = *value;

    if (mdm_where_place(x->arena, where, &place) != MDM_OK) {
        return MDM_ERROR;
    }

    rc = mdm_secret_open(x->arena, mdm_exchange_secrets(x), &place, &kept,
                         value, &under, &why);

    if (rc == MDM_OK && under == MDM_SECRET_PLAIN
        && x->settings->store->encryption_required)
    {
        mdm_str_set(&why, "it is not encrypted");
        rc = MDM_DECLINED;
    }

    if (rc == MDM_DECLINED) {
        mdm_exchange_log(x, MDM_LOG_ERROR, "%s of %.*s in redis cannot be "
                         "opened for a webhook: %.*s", where->field,
                         mdm_fmt(&place.key), mdm_fmt(&why));
    }

    return rc;
}
