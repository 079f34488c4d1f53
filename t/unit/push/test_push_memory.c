
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The table of answers: what becomes of a channel, and of its topic.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mdm_push_memory.h"
#include "mdm_unit_arena.h"


#define NOW     1700000000

#define MINUTE  60000
#define HOUR    (60 * MINUTE)


typedef struct {
    mdm_push_e                outcome;
    mdm_uint_t                status;
    const char               *reason;
    int64_t                   retry_after;
    mdm_uint_t                believed;

    const char               *word;
    int64_t                   first;
    int64_t                   last;
    const char               *said;
    mdm_uint_t                waits;
} row_t;


static mdm_settings_t  settings = {
    .push_retry = { 120, 900, 7200 },
    .npush_retry = 3,
};


static const row_t  rows[] = {
    { MDM_PUSH_ANSWERED, 200, "", 0, 0, "taken", 0, 0, "200", 0 },
    { MDM_PUSH_ANSWERED, 410, "Unregistered", 0, 0, "dead", HOUR, HOUR,
      "410 Unregistered", 0 },
    { MDM_PUSH_ANSWERED, 410, "ExpiredToken", 0, 0, "dead", HOUR, HOUR,
      "410 ExpiredToken", 0 },
    { MDM_PUSH_ANSWERED, 410, "", 0, 0, "dead", HOUR, HOUR, "410", 0 },

    { MDM_PUSH_ANSWERED, 400, "BadDeviceToken", 0, 1, "dead", 2 * MINUTE,
      2 * HOUR, "400 BadDeviceToken", 0 },
    { MDM_PUSH_ANSWERED, 400, "DeviceTokenNotForTopic", 0, 1, "dead",
      2 * MINUTE, 2 * HOUR, "400 DeviceTokenNotForTopic", 0 },
    { MDM_PUSH_ANSWERED, 400, "BadDeviceToken", 0, 0, "later", 2 * MINUTE,
      2 * HOUR, "400 BadDeviceToken", 0 },

    { MDM_PUSH_ANSWERED, 403, "BadCertificate", 0, 1, "back", MINUTE / 2,
      MINUTE / 2, "403 BadCertificate", 1 },
    { MDM_PUSH_ANSWERED, 400, "TopicDisallowed", 0, 1, "back", MINUTE / 2,
      MINUTE / 2, "400 TopicDisallowed", 1 },
    { MDM_PUSH_ANSWERED, 400, "BadTopic", 0, 1, "back", MINUTE / 2,
      MINUTE / 2, "400 BadTopic", 1 },
    { MDM_PUSH_REFUSED, 0, "alert", 0, 0, "back", MINUTE / 2, MINUTE / 2,
      "alert", 1 },

    { MDM_PUSH_ANSWERED, 429, "TooManyRequests", 0, 0, "later", MINUTE,
      30 * MINUTE, "429 TooManyRequests", 0 },
    { MDM_PUSH_ANSWERED, 429, "", 100, 0, "later", 125000, 30 * MINUTE,
      "429", 0 },
    { MDM_PUSH_ANSWERED, 429, "", 7200, 0, "later", 9000000, 9000000, "429",
      0 },

    { MDM_PUSH_ANSWERED, 500, "InternalServerError", 0, 0, "later",
      15 * MINUTE, 15 * MINUTE, "500 InternalServerError", 0 },
    { MDM_PUSH_ANSWERED, 503, "ServiceUnavailable", 40, 0, "later", 50000,
      50000, "503 ServiceUnavailable", 0 },
    { MDM_PUSH_ANSWERED, 599, "", 0, 0, "later", 15 * MINUTE, 15 * MINUTE,
      "599", 0 },

    { MDM_PUSH_ANSWERED, 400, "IdleTimeout", 0, 0, "again", 5000,
      15 * MINUTE, "400 IdleTimeout", 0 },
    { MDM_PUSH_ANSWERED, 404, "BadPath", 0, 0, "never", 0, 0, "404 BadPath",
      0 },
    { MDM_PUSH_ANSWERED, 405, "MethodNotAllowed", 0, 0, "never", 0, 0,
      "405 MethodNotAllowed", 0 },
    { MDM_PUSH_ANSWERED, 413, "PayloadTooLarge", 0, 0, "never", 0, 0,
      "413 PayloadTooLarge", 0 },
    { MDM_PUSH_ANSWERED, 400, "BadPriority", 0, 0, "never", 0, 0,
      "400 BadPriority", 0 },
    { MDM_PUSH_ANSWERED, 302, "", 0, 0, "never", 0, 0, "302", 0 },

    { MDM_PUSH_TIMEOUT, 0, "late", 0, 0, "again", 5000, 15 * MINUTE, "late",
      0 },
    { MDM_PUSH_RESET, 0, "reset", 0, 0, "again", 5000, 15 * MINUTE, "reset",
      0 },
    { MDM_PUSH_PENDING, 0, "", 0, 0, "again", 5000, 15 * MINUTE, "", 0 },

    { MDM_PUSH_NO_CERTIFICATE, 0, "none", 0, 0, "back", MINUTE, MINUTE,
      "none", 1 },
    { MDM_PUSH_EXPIRED, 0, "old", 0, 0, "back", MINUTE, MINUTE, "old", 1 },
    { MDM_PUSH_UNREACHABLE, 0, "away", 0, 0, "back", 1000, 1000, "away", 1 },
    { MDM_PUSH_PROXY_AUTH, 0, "407", 0, 0, "back", 1000, 1000, "407", 1 },
    { MDM_PUSH_PROXY_STATUS, 0, "502", 0, 0, "back", 1000, 1000, "502", 1 },
    { MDM_PUSH_PROXY_ODD, 0, "odd", 0, 0, "back", 1000, 1000, "odd", 1 },
    { MDM_PUSH_INTERCEPTED, 0, "who", 0, 0, "back", 1000, 1000, "who", 1 },
    { MDM_PUSH_NO_HTTP2, 0, "h2", 0, 0, "back", 1000, 1000, "h2", 1 },
    { MDM_PUSH_PAUSED, 0, "5xx", 0, 0, "back", 1000, 1000, "5xx", 1 },
    { MDM_PUSH_BUSY, 0, "busy", 0, 0, "back", 1000, 1000, "busy", 1 },
    { MDM_PUSH_OFF, 0, "off", 0, 0, "back", 1000, 1000, "off", 1 }
};


static mdm_push_t
push_of(mdm_push_e outcome, mdm_uint_t status, const char *reason)
{
    mdm_push_t  push;

    memset(&push, 0, sizeof(mdm_push_t));

    push.outcome = outcome;
    push.status = status;
    push.reason.data = (u_char *) reason;
    push.reason.len = strlen(reason);

    return push;
}


static void
test_judge(void **state)
{
    size_t              i;
    mdm_push_t          push;
    mdm_exchange_t      x;
    const row_t        *row;
    mdm_push_judged_t   judged;

    (void) state;

    memset(&x, 0, sizeof(mdm_exchange_t));

    x.arena = arena;
    x.settings = &settings;

    for (i = 0; i < sizeof(rows) / sizeof(row_t); i++) {
        row = &rows[i];

        push = push_of(row->outcome, row->status, row->reason);
        push.retry_after = row->retry_after;
        push.believed = row->believed;

        assert_int_equal(mdm_push_judge(&x, &push, &judged), MDM_OK);
        assert_string_equal(judged.word, row->word);
        assert_int_equal(judged.first, row->first);
        assert_int_equal(judged.last, row->last);
        assert_true(mdm_str_is(&judged.reason, row->said));
        assert_int_equal(judged.waits, row->waits);

        /* what APNs says of 410 is to be compared with the token's age */

        assert_int_equal(judged.timestamp.len != 0, row->status == 410);
    }

    /* whoever has not sent it may know when it can be */

    push = push_of(MDM_PUSH_PAUSED, 0, "5xx");
    push.again = 12345;

    assert_int_equal(mdm_push_judge(&x, &push, &judged), MDM_OK);
    assert_int_equal(judged.first, 12345);

    push = push_of(MDM_PUSH_ANSWERED, 410, "Unregistered");
    push.timestamp = 1700000000123;

    assert_int_equal(mdm_push_judge(&x, &push, &judged), MDM_OK);
    assert_true(mdm_str_is(&judged.timestamp, "1700000000123"));
}


static mdm_uint_t
note(mdm_push_memory_t *memory, mdm_uint_t status, const char *reason,
    int64_t now, mdm_uint_t *believed)
{
    mdm_uint_t  notes;
    mdm_push_t  push;

    push = push_of(MDM_PUSH_ANSWERED, status, reason);
    notes = mdm_push_note(memory, &push, now);

    if (believed != NULL) {
        *believed = push.believed;
    }

    return notes;
}


/* a bad token is one only where APNs takes others */

static void
test_believed(void **state)
{
    mdm_uint_t         believed;
    mdm_push_memory_t  m;

    (void) state;

    memset(&m, 0, sizeof(mdm_push_memory_t));

    assert_int_equal(note(&m, 400, "BadDeviceToken", NOW, &believed), 0);
    assert_int_equal(believed, 0);

    assert_int_equal(note(&m, 200, "", NOW, NULL), MDM_PUSH_NOTE_TAKEN);

    assert_int_equal(note(&m, 400, "BadDeviceToken", NOW + 3599, &believed),
                     0);
    assert_int_equal(believed, 1);

    assert_int_equal(note(&m, 400, "BadDeviceToken", NOW + 3600, &believed),
                     0);
    assert_int_equal(believed, 0);
}


static void
test_bad_tokens(void **state)
{
    mdm_uint_t         i, believed;
    mdm_push_t         push;
    mdm_push_memory_t  m;

    (void) state;

    memset(&m, 0, sizeof(mdm_push_memory_t));

    for (i = 0; i < 19; i++) {
        assert_int_equal(note(&m, 400, "DeviceTokenNotForTopic", NOW, NULL),
                         0);
    }

    /* a push that got lost is no answer; one that was taken begins anew */

    push = push_of(MDM_PUSH_TIMEOUT, 0, "");
    assert_int_equal(mdm_push_note(&m, &push, NOW), 0);
    assert_int_equal(m.bad, 19);

    assert_int_equal(note(&m, 200, "", NOW, NULL), MDM_PUSH_NOTE_TAKEN);

    for (i = 0; i < 19; i++) {
        assert_int_equal(note(&m, 400, "BadDeviceToken", NOW, &believed), 0);
        assert_int_equal(believed, 1);
    }

    assert_int_equal(note(&m, 400, "BadDeviceToken", NOW, &believed),
                     MDM_PUSH_NOTE_STOP|MDM_PUSH_NOTE_TOKENS);
    assert_int_equal(believed, 0);

    /* those that were under way mark nobody either */

    (void) note(&m, 400, "BadDeviceToken", NOW, &believed);
    assert_int_equal(believed, 0);
}


static void
test_stop(void **state)
{
    size_t             i;
    mdm_push_t         push;
    mdm_push_memory_t  m;

    static const struct {
        mdm_uint_t   status;
        const char  *reason;
    } stops[] = {
        { 403, "BadCertificate" }, { 403, "BadCertificateEnvironment" },
        { 403, "Forbidden" }, { 403, "" }, { 400, "TopicDisallowed" },
        { 400, "BadTopic" }
    };

    (void) state;

    memset(&m, 0, sizeof(mdm_push_memory_t));

    for (i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
        assert_int_equal(note(&m, stops[i].status, stops[i].reason, NOW,
                              NULL),
                         MDM_PUSH_NOTE_STOP);
    }

    push = push_of(MDM_PUSH_REFUSED, 0, "certificate expired");
    assert_int_equal(mdm_push_note(&m, &push, NOW), MDM_PUSH_NOTE_STOP);

    push = push_of(MDM_PUSH_UNREACHABLE, 0, "");
    assert_int_equal(mdm_push_note(&m, &push, NOW), 0);

    assert_int_equal(note(&m, 410, "Unregistered", NOW, NULL), 0);
    assert_int_equal(note(&m, 429, "", NOW, NULL), 0);
}


/* five 5xx in a row: one push each 30 s, until one is answered otherwise */

static void
test_pause(void **state)
{
    mdm_uint_t         i;
    mdm_push_memory_t  m;

    (void) state;

    memset(&m, 0, sizeof(mdm_push_memory_t));

    for (i = 0; i < 4; i++) {
        assert_int_equal(note(&m, 500, "", NOW, NULL), 0);
    }

    assert_int_equal(note(&m, 410, "", NOW, NULL), 0);

    for (i = 0; i < 4; i++) {
        assert_int_equal(note(&m, 503, "", NOW, NULL), 0);
    }

    assert_int_equal(mdm_push_hold(&m, NOW), 0);
    assert_int_equal(note(&m, 500, "", NOW, NULL), MDM_PUSH_NOTE_PAUSE);
    assert_int_equal(note(&m, 500, "", NOW, NULL), 0);

    assert_int_equal(mdm_push_hold(&m, NOW + 1), 29000);
    assert_int_equal(mdm_push_hold(&m, NOW + 29), 1000);
    assert_int_equal(mdm_push_hold(&m, NOW + 30), 0);
    assert_int_equal(mdm_push_hold(&m, NOW + 30), 30000);
    assert_int_equal(m.held, 3);

    assert_int_equal(note(&m, 500, "", NOW + 31, NULL), 0);
    assert_int_equal(mdm_push_hold(&m, NOW + 31), 29000);

    assert_int_equal(note(&m, 200, "", NOW + 61, NULL),
                     MDM_PUSH_NOTE_TAKEN|MDM_PUSH_NOTE_RESUME);
    assert_int_equal(mdm_push_hold(&m, NOW + 61), 0);
}


/* a clock that steps back holds nothing back for longer */

static void
test_clock(void **state)
{
    mdm_uint_t         i;
    mdm_push_memory_t  m;

    (void) state;

    memset(&m, 0, sizeof(mdm_push_memory_t));

    (void) note(&m, 200, "", NOW, NULL);
    (void) note(&m, 413, "", NOW, NULL);

    for (i = 0; i < 5; i++) {
        (void) note(&m, 500, "", NOW, NULL);
    }

    assert_int_equal(mdm_push_hold(&m, NOW - 1), 0);
    assert_int_equal(mdm_push_hold(&m, NOW - 1), 30000);
    assert_int_equal(mdm_push_hold(&m, NOW - 86400), 0);
    assert_int_equal(mdm_push_hold(&m, NOW - 86400), 30000);

    (void) note(&m, 410, "", NOW - 86400, NULL);
    assert_int_equal(m.taken, NOW - 86400);
    assert_int_equal(note(&m, 413, "", NOW - 86400 + 60, NULL),
                     MDM_PUSH_NOTE_BUG);
}


/* a wrong request is told of once a minute */

static void
test_bug(void **state)
{
    mdm_push_memory_t  m;

    (void) state;

    memset(&m, 0, sizeof(mdm_push_memory_t));

    assert_int_equal(note(&m, 413, "PayloadTooLarge", NOW, NULL),
                     MDM_PUSH_NOTE_BUG);
    assert_int_equal(note(&m, 404, "BadPath", NOW + 59, NULL), 0);
    assert_int_equal(note(&m, 404, "BadPath", NOW + 60, NULL),
                     MDM_PUSH_NOTE_BUG);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_judge, setup, teardown),
        cmocka_unit_test(test_believed),
        cmocka_unit_test(test_bad_tokens),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_bug)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
