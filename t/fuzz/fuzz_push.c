
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes src/push/mdm_push.c: the body of an answer and the data of a GOAWAY,
 * a Retry-After, and a PushMagic, which devices choose.
 */


#include <stdlib.h>

#include "mdm_json.h"
#include "mdm_push.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              i;
    json_t             *root;
    mdm_str_t           in, payload;
    mdm_push_t          push;
    const char         *text;
    mdm_arena_t        *arena;
    json_error_t        error;
    mdm_push_answer_t   answer;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return 0;
    }

    in.data = (u_char *) data;
    in.len = size;

    if (mdm_push_answer(arena, &in, &answer) != MDM_OK
        || answer.timestamp < 0 || answer.reason.len > MDM_PUSH_REASON)
    {
        abort();
    }

    /* what goes into a log line and an answer */

    for (i = 0; i < answer.reason.len; i++) {

        if (answer.reason.data[i] < '0' || answer.reason.data[i] > 'z') {
            abort();
        }
    }

    memset(&push, 0, sizeof(mdm_push_t));

    push.outcome = MDM_PUSH_ANSWERED;
    push.status = (size != 0) ? 200 + 100 * (data[0] % 5) : 400;
    push.reason = answer.reason;

    (void) mdm_push_goaway(&answer.reason);
    (void) mdm_push_outcome(&push);

    text = mdm_push_error(arena, &push);

    if (text == NULL || strlen(text) > MDM_PUSH_REASON + 16) {
        abort();
    }

    if (mdm_push_retry_after(&in) < 0) {
        abort();
    }

    /* a payload is JSON that gives the magic back */

    if (mdm_push_payload(arena, &payload, &in) == MDM_OK) {
        root = json_loadb((char *) payload.data, payload.len, 0, &error);
        text = json_string_value(json_object_get(root, "mdm"));

        if (text == NULL || json_object_size(root) != 1
            || strlen(text) != size || memcmp(text, data, size) != 0)
        {
            abort();
        }

        json_decref(root);
    }

    mdm_arena_destroy(arena);

    return 0;
}
