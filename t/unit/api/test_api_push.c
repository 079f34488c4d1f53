
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET and POST /v1/push/ID through a real redis-server, with an APNs of the
 * test's own.
 */


#include <stdlib.h>

#include "api_redis.h"
#include "mdm_push.h"


#define MAGIC(id, magic, token)                                               \
    PLIST("<key>MessageType</key><string>TokenUpdate</string>"                \
          "<key>UDID</key><string>" id "</string>"                            \
          "<key>Topic</key><string>com.apple.mgmt.t</string>"                 \
          "<key>PushMagic</key><string>" magic "</string>"                    \
          "<key>Token</key><data>" token "</data>")


static mdm_push_t  last;
static char        payload[MDM_PUSH_PAYLOAD + 1];
static char        token[MDM_PUSH_TOKEN + 1];


static void
keep(mdm_push_t *push)
{
    last = *push;

    (void) snprintf(payload, sizeof(payload), "%.*s",
                    mdm_fmt(&push->payload));
    (void) snprintf(token, sizeof(token), "%.*s", mdm_fmt(&push->token));
}


static void
takes(mdm_push_t *push, void *data)
{
    (void) data;

    keep(push);

    push->outcome = MDM_PUSH_ANSWERED;
    push->status = 200;
}


/* every second one, beginning with the first */

static void
takes_some(mdm_push_t *push, void *data)
{
    int  *n = data;

    takes(push, NULL);

    if ((*n)++ % 2 == 0) {
        push->status = 410;
        mdm_str_set(&push->reason, "Unregistered");
    }
}


static void
push_on(void)
{
    settings.push = 1;
    settings.push_ids = 1000;
    settings.push_window = 10000;
    settings.push_expiration = 7 * 24 * 60 * 60;
}


/* a call whose channels were not pushed to for long, and are owed none */

static mdm_uint_t
wake(mdm_uint_t method, const char *uri)
{
    freeReplyObject(mdm_unit_redis_command(redis, "EVAL %s 0",
        "for _, key in ipairs(redis.call('KEYS', '*')) do "
        "if string.find(key, ':e:', 1, true) then "
        "redis.call('HDEL', key, 'taken', 'push', 'dead', 'pf', 'hold') "
        "elseif string.sub(key, -5) == ':push' then "
        "redis.call('UNLINK', key) end end"));

    return run(method, uri, "");
}


static void
is_away(mdm_push_t *push, void *data)
{
    keep(push);

    push->outcome = *(mdm_push_e *) data;
    mdm_str_set(&push->reason, "connection refused");
}


static void
test_taken(void **state)
{
    size_t       i;
    const char  *id;

    (void) state;

    push_on();
    settings.push_wait = 1234;
    redis->push = takes;

    enroll("A");

    assert_int_equal(wake(MDM_GET, "/v1/push/A"), 200);
    assert_int_equal(redis->pushes, 1);
    assert_int_equal(redis->rounds, 4);    /* kick, ask, push, store */

    assert_string_equal(payload, "{\"mdm\":\"magic\"}");
    assert_string_equal(token, "token");
    assert_true(mdm_str_is(&last.topic, "com.apple.mgmt.t"));
    assert_int_equal(last.wait, 1234);
    assert_int_equal(last.expiration, MDM_UNIT_NOW + 7 * 24 * 60 * 60);

    /* ours, in lower case */

    id = mdm_unit_api_text(x, "status/A/push_result");
    assert_int_equal(strlen(id), 36);

    for (i = 0; i < 36; i++) {
        assert_true(strchr("0123456789abcdef-", id[i]) != NULL);
    }

    assert_null(mdm_unit_api_at(mdm_unit_api_json(x), "status/A/push_error"));

    assert_int_equal(wake(MDM_POST, "/v1/push/A,A"), 200);
    assert_int_equal(redis->pushes, 2);
}


static void
test_errors(void **state)
{
    int          n;
    mdm_push_e   outcome;

    (void) state;

    push_on();
    redis->push = takes;

    enroll("A");
    enroll("B");

    /* one that is not there fails alone */

    assert_int_equal(wake(MDM_POST, "/v1/push/A,nobody,%zz,B"), 207);
    assert_string_equal(mdm_unit_api_text(x, "status/nobody/push_error"),
                        "not enrolled");
    assert_int_equal(strlen(mdm_unit_api_text(x, "status/B/push_result")), 36);
    assert_int_equal(redis->pushes, 2);

    assert_int_equal(wake(MDM_POST, "/v1/push/nobody"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/nobody/push_error"),
                        "not enrolled");

    /* what APNs says */

    n = 0;
    redis->push = takes_some;
    redis->push_data = &n;

    assert_int_equal(wake(MDM_POST, "/v1/push/A,B"), 207);
    assert_int_equal(n, 2);
    assert_int_equal(wake(MDM_POST, "/v1/push/A"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/A/push_error"),
                        "APNs: 410 Unregistered");

    redis->push = is_away;
    redis->push_data = &outcome;

    outcome = MDM_PUSH_NO_CERTIFICATE;
    assert_int_equal(wake(MDM_POST, "/v1/push/A"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/A/push_error"),
                        "no push certificate for topic "
                        "\"com.apple.mgmt.t\"");

    outcome = MDM_PUSH_UNREACHABLE;
    assert_int_equal(wake(MDM_POST, "/v1/push/A"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/A/push_error"),
                        "not sent yet, it will be tried again: connection "
                        "refused");
}


static void
test_channels(void **state)
{
    char  body[1024];

    (void) state;

    push_on();
    redis->push = takes;

    /* no TokenUpdate yet: nothing is enabled */

    (void) snprintf(body, sizeof(body), AUTHENTICATE("%s"), "N", "N");
    assert_int_equal(run(MDM_PUT, "/migration", body), 200);
    assert_int_equal(wake(MDM_POST, "/v1/push/N"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/N/push_error"),
                        "disabled");

    enroll("A");

    assert_int_equal(run(MDM_PUT, "/migration",
                         MAGIC("A", "q&quot;\\h\xc3\xa9", "AAEC/w==")), 200);
    assert_int_equal(wake(MDM_POST, "/v1/push/A"), 200);
    assert_string_equal(payload, "{\"mdm\":\"q\\\"\\\\h\xc3\xa9\"}");
    assert_int_equal(last.token.len, 4);

    /* what no device sends, but what may be in Redis */

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:e:A magic %b",
                                           tag("A"), "\xff", (size_t) 1));
    assert_int_equal(wake(MDM_POST, "/v1/push/A"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/A/push_error"),
                        "the PushMagic is no UTF-8, or too long");

    memset(body, 'x', MDM_PUSH_TOKEN + 1);
    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:e:A magic m token "
                                           "%b", tag("A"), body,
                                           (size_t) MDM_PUSH_TOKEN + 1));
    assert_int_equal(wake(MDM_POST, "/v1/push/A"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/A/push_error"),
                        "the push token is empty or longer than 128 bytes");

    freeReplyObject(mdm_unit_redis_command(redis, "HDEL %s:e:A token",
                                           tag("A")));
    assert_int_equal(wake(MDM_POST, "/v1/push/A"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/A/push_error"),
                        "no push token");

    assert_int_equal(redis->pushes, 1);
}


/* a user's channel of a device that has checked out */

static void
test_era(void **state)
{
    (void) state;

    push_on();
    redis->push = takes;

    enroll("A");

    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("A", USER, "dXNlcg==")), 200);
    assert_int_equal(wake(MDM_POST, "/v1/push/A:U1"), 200);
    assert_string_equal(token, "user");

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:e:A era 7.1",
                                           tag("A")));
    assert_int_equal(wake(MDM_POST, "/v1/push/A:U1"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/A:U1/push_error"),
                        "disabled");
}


static void
test_off(void **state)
{
    (void) state;

    redis->push = takes;

    enroll("A");

    assert_int_equal(wake(MDM_POST, "/v1/push/A,nobody"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/A/push_error"),
                        "push is off");
    assert_string_equal(mdm_unit_api_text(x, "status/nobody/push_error"),
                        "push is off");
    assert_int_equal(redis->pushes, 0);
}


static mdm_unit_fault_e
away(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) call;
    (void) n;
    (void) data;

    return MDM_UNIT_FAULT_BEFORE;
}


static void
test_redis_away(void **state)
{
    (void) state;

    push_on();
    redis->push = takes;

    enroll("A");

    redis->fault = away;

    assert_int_equal(wake(MDM_POST, "/v1/push/A"), 503);
    assert_int_equal(redis->pushes, 0);
}


/* more than a call of the script takes, and more calls than a round has */

static void
test_many(void **state)
{
    int    i;
    char  *uri, *p;

    (void) state;

    push_on();
    redis->push = takes;

    uri = malloc(250 * 8 + 32);
    assert_non_null(uri);

    p = uri + sprintf(uri, "/v1/push/");

    for (i = 0; i < 250; i++) {
        char  id[16];

        (void) snprintf(id, sizeof(id), "D%d", i);
        enroll(id);

        p += sprintf(p, "%s%s", (i == 0) ? "" : ",", id);
    }

    mdm_unit_store.partitions = 1;

    assert_int_equal(wake(MDM_POST, uri), 207);
    assert_true(redis->round_calls >= 3);

    mdm_unit_store.partitions = 4;
    redis->pushes = 0;

    assert_int_equal(wake(MDM_POST, uri), 200);
    assert_int_equal(redis->pushes, 250);
    assert_int_equal(redis->rounds, 4);    /* kick, ask, push, store */

    free(uri);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_channels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_era, setup, teardown),
        cmocka_unit_test_setup_teardown(test_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redis_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown)
    };

    (void) enqueue;
    (void) count;
    (void) last_event;
    (void) tally;

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  mdm_unit_redis_teardown);
}
