
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a push says, and what came back means.
 */


#include "mdm_push.h"

#include "mdm_json.h"
#include "mdm_json_write.h"


/* of an answer: it is flat */
#define MDM_PUSH_DEPTH        4
#define MDM_PUSH_NODES        32

#define MDM_PUSH_RETRY_MAX    (24 * 60 * 60)


typedef struct {
    mdm_uint_t                status;
    const char               *reason;      /* NULL: any */
    mdm_push_verdict_e        verdict;
} mdm_push_row_t;


static mdm_uint_t mdm_push_reason_plain(const char *text, size_t len);


/* the first row that fits */

static const mdm_push_row_t  mdm_push_rows[] = {
    { 200, NULL, MDM_PUSH_VERDICT_TAKEN },
    { 410, NULL, MDM_PUSH_VERDICT_DEAD },
    { 400, "BadDeviceToken", MDM_PUSH_VERDICT_BAD_TOKEN },
    { 400, "DeviceTokenNotForTopic", MDM_PUSH_VERDICT_BAD_TOKEN },
    { 400, "TopicDisallowed", MDM_PUSH_VERDICT_STOP },
    { 400, "BadTopic", MDM_PUSH_VERDICT_STOP },
    { 400, "IdleTimeout", MDM_PUSH_VERDICT_RECONNECT },
    { 403, NULL, MDM_PUSH_VERDICT_STOP },
    { 429, NULL, MDM_PUSH_VERDICT_SLOW },
    { 0, NULL, MDM_PUSH_VERDICT_BUG }
};


/* reasons of a GOAWAY that no other connection would help against */

static const char  *mdm_push_stops[] = {
    "BadCertificate",
    "BadCertificateEnvironment",
    "ExpiredCertificate",
    "RevokedCertificate",
    "Forbidden",
    "TopicDisallowed",
    "BadTopic",
    NULL
};


mdm_int_t
mdm_push_payload(mdm_arena_t *arena, mdm_str_t *payload,
    const mdm_str_t *magic)
{
    mdm_str_t  text;

    if (magic->len == 0 || !mdm_utf8_valid(magic)) {
        return MDM_DECLINED;
    }

    if (mdm_json_escape(arena, &text, magic) != MDM_OK
        || mdm_printf(arena, payload, "{\"mdm\":\"%.*s\"}", mdm_fmt(&text))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return (payload->len <= MDM_PUSH_PAYLOAD) ? MDM_OK : MDM_DECLINED;
}


mdm_int_t
mdm_push_id(mdm_arena_t *arena, mdm_str_t *id)
{
    if (mdm_uuid(arena, id) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_str_lower(id);

    return MDM_OK;
}


int64_t
mdm_push_expiration(const mdm_exchange_t *x)
{
    mdm_uint_t  seconds;

    seconds = x->settings->push_expiration;

    return (seconds != 0) ? x->now + (int64_t) seconds : 0;
}


mdm_int_t
mdm_push_answer(mdm_arena_t *arena, const mdm_str_t *body,
    mdm_push_answer_t *answer)
{
    size_t         len;
    json_t        *root, *value;
    mdm_int_t      rc;
    mdm_str_t      error, reason;
    const char    *text;
    mdm_limits_t   limits;

    memset(answer, 0, sizeof(mdm_push_answer_t));

    if (body->len == 0 || body->len > MDM_PUSH_BODY) {
        return MDM_OK;
    }

    limits.depth = MDM_PUSH_DEPTH;
    limits.nodes = MDM_PUSH_NODES;

    rc = mdm_json_load(arena, body, &limits, &root, &error);

    if (rc != MDM_OK) {
        return (rc == MDM_DECLINED) ? MDM_OK : MDM_ERROR;
    }

    value = json_object_get(root, "reason");
    text = json_string_value(value);
    len = json_string_length(value);

    if (text != NULL && mdm_push_reason_plain(text, len)) {
        reason.data = (u_char *) text;
        reason.len = len;

        if (mdm_str_dup(arena, &answer->reason, &reason) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    value = json_object_get(root, "timestamp");

    if (json_is_integer(value) && json_integer_value(value) > 0) {
        answer->timestamp = (int64_t) json_integer_value(value);
    }

    return MDM_OK;
}


/* it goes into logs and answers */

static mdm_uint_t
mdm_push_reason_plain(const char *text, size_t len)
{
    size_t  i;

    if (len > MDM_PUSH_REASON) {
        return 0;
    }

    for (i = 0; i < len; i++) {

        if (!((text[i] >= 'a' && text[i] <= 'z')
              || (text[i] >= 'A' && text[i] <= 'Z')
              || (text[i] >= '0' && text[i] <= '9')))
        {
            return 0;
        }
    }

    return 1;
}


int64_t
mdm_push_retry_after(const mdm_str_t *value)
{
    int64_t  n;

    if (mdm_atoi(value, &n) != MDM_OK) {
        return 0;
    }

    return (n < MDM_PUSH_RETRY_MAX) ? n : MDM_PUSH_RETRY_MAX;
}


mdm_push_verdict_e
mdm_push_verdict(mdm_uint_t status, const mdm_str_t *reason)
{
    const mdm_push_row_t  *row;

    if (status >= 500) {
        return MDM_PUSH_VERDICT_LATER;
    }

    for (row = mdm_push_rows; row->status != 0; row++) {

        if (row->status == status
            && (row->reason == NULL || mdm_str_is(reason, row->reason)))
        {
            break;
        }
    }

    return row->verdict;
}


mdm_push_verdict_e
mdm_push_goaway(const mdm_str_t *reason)
{
    const char  **stop;

    for (stop = mdm_push_stops; *stop != NULL; stop++) {

        if (mdm_str_is(reason, *stop)) {
            return MDM_PUSH_VERDICT_STOP;
        }
    }

    return MDM_PUSH_VERDICT_RECONNECT;
}


mdm_push_verdict_e
mdm_push_outcome(const mdm_push_t *push)
{
    switch (push->outcome) {

    case MDM_PUSH_ANSWERED:
        return mdm_push_verdict(push->status, &push->reason);

    case MDM_PUSH_TIMEOUT:
    case MDM_PUSH_RESET:
    case MDM_PUSH_PENDING:
        return MDM_PUSH_VERDICT_AGAIN;

    case MDM_PUSH_REFUSED:
        return MDM_PUSH_VERDICT_STOP;

    default:
        return MDM_PUSH_VERDICT_WAIT;
    }
}


const char *
mdm_push_error(mdm_arena_t *arena, const mdm_push_t *push)
{
    mdm_int_t   rc;
    mdm_str_t   text;

    switch (push->outcome) {

    case MDM_PUSH_OFF:
        return "push is off";

    case MDM_PUSH_ANSWERED:
        rc = mdm_printf(arena, &text, "APNs: %lu%s%.*s",
                        (unsigned long) push->status,
                        (push->reason.len != 0) ? " " : "",
                        mdm_fmt(&push->reason));
        break;

    case MDM_PUSH_NO_CERTIFICATE:
        rc = mdm_printf(arena, &text, "no push certificate for topic \"%.*s\"",
                        mdm_fmt(&push->topic));
        break;

    case MDM_PUSH_EXPIRED:
        rc = mdm_printf(arena, &text, "the push certificate of topic \"%.*s\" "
                        "has expired", mdm_fmt(&push->topic));
        break;

    case MDM_PUSH_REFUSED:
        rc = mdm_printf(arena, &text, "topic \"%.*s\" is stopped: %.*s",
                        mdm_fmt(&push->topic), mdm_fmt(&push->reason));
        break;

    default:
        rc = mdm_printf(arena, &text, "not sent yet, it will be tried again: "
                        "%.*s", mdm_fmt(&push->reason));
    }

    return (rc == MDM_OK) ? (const char *) text.data : NULL;
}
