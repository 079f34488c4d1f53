
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a push says, and what APNs' answers mean.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mdm_push.h"
#include "mdm_push_late.h"
#include "mdm_unit_arena.h"


static mdm_str_t
text(const char *s)
{
    mdm_str_t  str;

    str.data = (u_char *) s;
    str.len = strlen(s);

    return str;
}


static void
test_payload(void **state)
{
    char       large[MDM_PUSH_PAYLOAD + 1];
    mdm_str_t  magic, payload;

    (void) state;

    magic = text("A1B2");
    assert_int_equal(mdm_push_payload(arena, &payload, &magic), MDM_OK);
    assert_true(mdm_str_is(&payload, "{\"mdm\":\"A1B2\"}"));

    magic = text("a\"b\\c\n\x01h\xc3\xa9");
    assert_int_equal(mdm_push_payload(arena, &payload, &magic), MDM_OK);
    assert_true(mdm_str_is(&payload, "{\"mdm\":\"a\\\"b\\\\c\\u000a\\u0001h"
                           "\xc3\xa9\"}"));

    magic = text("\xff");
    assert_int_equal(mdm_push_payload(arena, &payload, &magic), MDM_DECLINED);

    magic.len = 0;
    assert_int_equal(mdm_push_payload(arena, &payload, &magic), MDM_DECLINED);

    magic.data = (u_char *) "a\0b";
    magic.len = 3;
    assert_int_equal(mdm_push_payload(arena, &payload, &magic), MDM_DECLINED);

    /* {"mdm":""} are 10 */

    memset(large, 'x', sizeof(large));
    magic.data = (u_char *) large;
    magic.len = MDM_PUSH_PAYLOAD - 10;
    assert_int_equal(mdm_push_payload(arena, &payload, &magic), MDM_OK);
    assert_int_equal(payload.len, MDM_PUSH_PAYLOAD);

    magic.len++;
    assert_int_equal(mdm_push_payload(arena, &payload, &magic), MDM_DECLINED);
}


static void
test_answer(void **state)
{
    size_t             i;
    mdm_str_t          body;
    mdm_push_answer_t  a;

    static const char  *none[] = {
        "", "x", "{", "[]", "null", "{}", "{\"reason\":1}", "{\"reason\":null}",
        "{\"reason\":\"a b\"}", "{\"reason\":\"a\\nb\"}",
        "{\"reason\":\"<script>\"}", "{\"reason\":\"\xff\"}",
        "{\"reason\":\"a\",\"reason\":\"b\"}",
        "{\"reason\":\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
        "ffffffffffggggg\"}",
        "[[[[[[[[{\"reason\":\"a\"}]]]]]]]]", NULL
    };

    (void) state;

    body = text("{\"reason\":\"Unregistered\",\"timestamp\":1700000000123}");
    assert_int_equal(mdm_push_answer(arena, &body, &a), MDM_OK);
    assert_true(mdm_str_is(&a.reason, "Unregistered"));
    assert_int_equal(a.timestamp, 1700000000123);

    body = text(" {\"timestamp\":-1,\"other\":[{}],\"reason\":\"BadTopic\"} ");
    assert_int_equal(mdm_push_answer(arena, &body, &a), MDM_OK);
    assert_true(mdm_str_is(&a.reason, "BadTopic"));
    assert_int_equal(a.timestamp, 0);

    body = text("{\"reason\":\"\",\"timestamp\":\"1\"}");
    assert_int_equal(mdm_push_answer(arena, &body, &a), MDM_OK);
    assert_int_equal(a.reason.len, 0);
    assert_int_equal(a.timestamp, 0);

    for (i = 0; none[i] != NULL; i++) {
        body = text(none[i]);
        assert_int_equal(mdm_push_answer(arena, &body, &a), MDM_OK);
        assert_int_equal(a.reason.len, 0);
        assert_int_equal(a.timestamp, 0);
    }
}


static void
test_retry_after(void **state)
{
    size_t     i;
    mdm_str_t  s;

    static const struct {
        const char  *text;
        int64_t      seconds;
    } cases[] = {
        { "0", 0 }, { "1", 1 }, { "3600", 3600 }, { "86400", 86400 },
        { "86401", 86400 }, { "999999999999999999", 86400 },
        { "9999999999999999999999", 0 }, { "", 0 }, { "-1", 0 }, { "1s", 0 },
        { "Wed, 21 Oct 2026 07:28:00 GMT", 0 }, { NULL, 0 }
    };

    (void) state;

    for (i = 0; cases[i].text != NULL; i++) {
        s = text(cases[i].text);
        assert_int_equal(mdm_push_retry_after(&s), cases[i].seconds);
    }
}


/* the table of what an answer does */

static void
test_verdict(void **state)
{
    size_t     i;
    mdm_str_t  reason;

    static const struct {
        mdm_uint_t           status;
        const char          *reason;
        mdm_push_verdict_e   verdict;
    } cases[] = {
        { 200, "", MDM_PUSH_VERDICT_TAKEN },
        { 410, "Unregistered", MDM_PUSH_VERDICT_DEAD },
        { 410, "ExpiredToken", MDM_PUSH_VERDICT_DEAD },
        { 400, "BadDeviceToken", MDM_PUSH_VERDICT_BAD_TOKEN },
        { 400, "DeviceTokenNotForTopic", MDM_PUSH_VERDICT_BAD_TOKEN },
        { 403, "BadCertificate", MDM_PUSH_VERDICT_STOP },
        { 403, "BadCertificateEnvironment", MDM_PUSH_VERDICT_STOP },
        { 403, "Forbidden", MDM_PUSH_VERDICT_STOP },
        { 403, "", MDM_PUSH_VERDICT_STOP },
        { 400, "TopicDisallowed", MDM_PUSH_VERDICT_STOP },
        { 400, "BadTopic", MDM_PUSH_VERDICT_STOP },
        { 429, "TooManyRequests", MDM_PUSH_VERDICT_SLOW },
        { 500, "InternalServerError", MDM_PUSH_VERDICT_LATER },
        { 503, "ServiceUnavailable", MDM_PUSH_VERDICT_LATER },
        { 503, "Shutdown", MDM_PUSH_VERDICT_LATER },
        { 502, "", MDM_PUSH_VERDICT_LATER },
        { 400, "IdleTimeout", MDM_PUSH_VERDICT_RECONNECT },
        { 404, "BadPath", MDM_PUSH_VERDICT_BUG },
        { 405, "MethodNotAllowed", MDM_PUSH_VERDICT_BUG },
        { 413, "PayloadTooLarge", MDM_PUSH_VERDICT_BUG },
        { 400, "PayloadEmpty", MDM_PUSH_VERDICT_BUG },
        { 400, "", MDM_PUSH_VERDICT_BUG },
        { 301, "", MDM_PUSH_VERDICT_BUG },
        { 201, "", MDM_PUSH_VERDICT_BUG },
        { 0, NULL, MDM_PUSH_VERDICT_BUG }
    };

    (void) state;

    for (i = 0; cases[i].status != 0; i++) {
        reason = text(cases[i].reason);

        if (mdm_push_verdict(cases[i].status, &reason) != cases[i].verdict) {
            fail_msg("%lu %s", (unsigned long) cases[i].status,
                     cases[i].reason);
        }
    }

    reason = text("BadCertificate");
    assert_int_equal(mdm_push_goaway(&reason), MDM_PUSH_VERDICT_STOP);
    reason = text("IdleTimeout");
    assert_int_equal(mdm_push_goaway(&reason), MDM_PUSH_VERDICT_RECONNECT);
    reason = text("");
    assert_int_equal(mdm_push_goaway(&reason), MDM_PUSH_VERDICT_RECONNECT);
}


static void
test_outcome(void **state)
{
    size_t      i;
    mdm_push_t  push;

    static const struct {
        mdm_push_e           outcome;
        mdm_push_verdict_e   verdict;
        const char          *error;
    } cases[] = {
        { MDM_PUSH_OFF, MDM_PUSH_VERDICT_WAIT, "push is off" },
        { MDM_PUSH_ANSWERED, MDM_PUSH_VERDICT_DEAD,
          "APNs: 410 Unregistered" },
        { MDM_PUSH_NO_CERTIFICATE, MDM_PUSH_VERDICT_WAIT,
          "no push certificate for topic \"t\"" },
        { MDM_PUSH_EXPIRED, MDM_PUSH_VERDICT_WAIT,
          "the push certificate of topic \"t\" has expired" },
        { MDM_PUSH_REFUSED, MDM_PUSH_VERDICT_STOP,
          "topic \"t\" is stopped: Unregistered" },
        { MDM_PUSH_PENDING, MDM_PUSH_VERDICT_AGAIN,
          "not sent yet, it will be tried again: Unregistered" },
        { MDM_PUSH_TIMEOUT, MDM_PUSH_VERDICT_AGAIN,
          "not sent yet, it will be tried again: Unregistered" },
        { MDM_PUSH_RESET, MDM_PUSH_VERDICT_AGAIN,
          "not sent yet, it will be tried again: Unregistered" },
        { MDM_PUSH_UNREACHABLE, MDM_PUSH_VERDICT_WAIT,
          "not sent yet, it will be tried again: Unregistered" },
        { MDM_PUSH_PROXY_AUTH, MDM_PUSH_VERDICT_WAIT,
          "not sent yet, it will be tried again: Unregistered" },
        { MDM_PUSH_INTERCEPTED, MDM_PUSH_VERDICT_WAIT,
          "not sent yet, it will be tried again: Unregistered" },
        { MDM_PUSH_NO_HTTP2, MDM_PUSH_VERDICT_WAIT,
          "not sent yet, it will be tried again: Unregistered" },
        { MDM_PUSH_BUSY, MDM_PUSH_VERDICT_WAIT,
          "not sent yet, it will be tried again: Unregistered" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&push, 0, sizeof(mdm_push_t));

        push.outcome = cases[i].outcome;
        push.status = 410;
        push.topic = text("t");
        push.reason = text("Unregistered");

        assert_int_equal(mdm_push_outcome(&push), cases[i].verdict);
        assert_string_equal(mdm_push_error(arena, &push), cases[i].error);
    }

    push.outcome = MDM_PUSH_ANSWERED;
    push.status = 503;
    push.reason.len = 0;
    assert_string_equal(mdm_push_error(arena, &push), "APNs: 503");
}


/* Redis may hang while pushes end */

static void
test_late(void **state)
{
    mdm_uint_t        i;
    mdm_push_t        push;
    mdm_exchange_t   *x;
    mdm_push_late_t   late;

    static const mdm_settings_t  settings = { .npush_retry = 1,
                                              .push_retry = { 120 } };

    (void) state;

    memset(&push, 0, sizeof(mdm_push_t));
    memset(&late, 0, sizeof(mdm_push_late_t));

    push.outcome = MDM_PUSH_ANSWERED;
    push.status = 200;
    push.tag = push.id = push.token = push.stamp = text("t");

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    for (i = 0; i < MDM_PUSH_LATE_MAX; i++) {
        assert_int_equal(mdm_push_late_add(x, &late, &push), MDM_OK);
    }

    assert_int_equal(mdm_push_late_add(x, &late, &push), MDM_DECLINED);
    assert_int_equal(late.n, MDM_PUSH_LATE_MAX);

    mdm_arena_destroy(x->arena);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_payload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_late),
        cmocka_unit_test_setup_teardown(test_outcome, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
