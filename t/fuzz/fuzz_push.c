
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes src/push/mdm_push.c: the body of an answer and the data of a GOAWAY,
 * a Retry-After, and a PushMagic, which devices choose; and mdm_push_memory.c,
 * what any sequence of answers leads to.
 */


#include <stdlib.h>

#include "mdm_json.h"
#include "mdm_push.h"
#include "mdm_push_memory.h"


#define NOW  1700000000


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* an answer a byte, and the time between them */

static void
fuzz_memory(mdm_arena_t *arena, const uint8_t *data, size_t size,
    const mdm_push_answer_t *answer)
{
    size_t              i;
    int64_t             now;
    mdm_push_t          push;
    mdm_uint_t          notes, hold;
    mdm_exchange_t      x;
    mdm_settings_t      settings;
    mdm_push_judged_t   judged;
    mdm_push_memory_t   memory;

    memset(&memory, 0, sizeof(mdm_push_memory_t));
    memset(&settings, 0, sizeof(mdm_settings_t));
    memset(&x, 0, sizeof(mdm_exchange_t));

    settings.push_retry[0] = 120;
    settings.npush_retry = 1;

    x.arena = arena;
    x.settings = &settings;

    now = NOW;

    for (i = 0; i < size && i < 256; i++) {
        memset(&push, 0, sizeof(mdm_push_t));

        push.outcome = (data[i] & 0x40) ? MDM_PUSH_ANSWERED
                       : (mdm_push_e) (data[i] % (MDM_PUSH_BUSY + 1));
        push.status = 200 + 100 * (data[i] % 4) + (data[i] % 32);
        push.reason = answer->reason;
        push.timestamp = answer->timestamp;

        hold = mdm_push_hold(&memory, now);
        notes = mdm_push_note(&memory, &push, now);

        if (hold > MDM_PUSH_PROBE * 1000 || push.believed > 1
            || ((notes & MDM_PUSH_NOTE_PAUSE)
                && memory.errors < MDM_PUSH_ERRORS)
            || ((notes & MDM_PUSH_NOTE_TOKENS)
                && (push.believed || !(notes & MDM_PUSH_NOTE_STOP))))
        {
            abort();
        }

        if (mdm_push_judge(&x, &push, &judged) != MDM_OK
            || judged.word == NULL || judged.first < 0
            || judged.last < judged.first)
        {
            abort();
        }

        now += (data[i] & 0x80) ? data[i] : 1;
    }
}


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

    fuzz_memory(arena, data, size, &answer);

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
