
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The outbox with a real redis-server: what it holds, for whom and for how
 * long, and that it comes out of trouble by itself.
 */


#include "hook.h"

#include <unistd.h>


static mdm_webhook_t  webhook;
static mdm_str_t      group = mdm_string("readers");
static mdm_uint_t     status;              /* of answers */
static mdm_uint_t     deaf;                /* 1: no acknowledgement arrives */
static int64_t        skew;                /* s, of a worker's clock */
static mdm_uint_t     received;
static char           event_id[64];        /* of the last one */


static void
receive(mdm_http_t *http, void *data)
{
    char  *p, *end, *last;

    static const char  member[] = "\"event_id\":\"";

    (void) data;

    hook_headers(http);

    p = memmem(http->body.data, http->body.len, member, sizeof(member) - 1);
    assert_non_null(p);

    p += sizeof(member) - 1;
    last = (char *) http->body.data + http->body.len;
    end = memchr(p, '"', (size_t) (last - p));
    assert_non_null(end);

    snprintf(event_id, sizeof(event_id), "%.*s", (int) (end - p), p);
    received++;

    http->outcome = MDM_HTTP_ANSWERED;
    http->status = status;
    http->ms = 10;
}


static mdm_unit_fault_e
fault(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return (deaf && call->script == &mdm_script_hook_ack)
           ? MDM_UNIT_FAULT_BEFORE : MDM_UNIT_FAULT_NONE;
}


static int
begin(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    clean(state);

    redis->http = receive;
    redis->fault = fault;

    deaf = 0;
    skew = 0;
    status = 200;
    received = 0;

    hook_webhook(&webhook, "one");
    hook_settings(&webhook, 1);

    return 0;
}


/* also if the last attempt was a moment ago */

static mdm_hook_e
deliver(void **state)
{
    return hook_run(state, &webhook, "r1", 1, skew);
}


/* a webhook that no host knows any more refuses nothing for ever */

static void
test_removed(void **state)
{
    mdm_uint_t  i;

    settings.event_limit = 20;

    enroll(state, CERT_A);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);

    for (i = 0; i < 25; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);

    settings.nwebhooks = 0;
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 503);

    settings.event_hold = 0;
    (void) redis_int("HSET " T ":out h:one %s", "0-0 1");
    usleep(20000);
    look(state);
    assert_true(x->again > 0);
    assert_int_equal(redis_int("HEXISTS " T ":out x:h:one"), 1);

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 200);
}


/* a host that keeps less goes by what those with a webhook keep */

static void
test_limits(void **state)
{
    mdm_uint_t  i;

    settings.event_limit = 100;

    enroll(state, CERT_A);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(redis_int("HGET " T ":out limit"), 100);

    settings.nwebhooks = 0;
    settings.event_limit = 10;

    for (i = 0; i < 50; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_true(redis_int("XLEN " T ":events") >= 51);

    look(state);
    assert_false(log_says("fills"));
    assert_true(redis_int("XLEN " T ":events") >= 51);

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 200);
}


/* what is put aside says nothing of a receiver that is dead */

static void
test_dead_hold(void **state)
{
    mdm_uint_t  i;
    char       *place;

    enroll(state, CERT_A);
    (void) redis_int("HSET " T ":out h:one %s", "0-0 77");

    webhook.retry = 0;
    status = 404;

    for (i = 0; i < 2; i++) {
        (void) deliver(state);
    }

    assert_int_equal(redis_int("XLEN " T ":dead:one"), 1);
    assert_in_range(redis_int("TTL " T ":dead:one"), 2591990, 2592000);

    place = redis_str("HGET " T ":out h:one");
    assert_non_null(strstr(place, " 77"));
    assert_int_not_equal(strncmp(place, "0-0 ", 4), 0);

    status = 200;
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_null(strstr(redis_str("HGET " T ":out h:one"), " 77"));
}


/* three times of these answers, and of this event, by Redis' clock */

static void
test_attempts(void **state)
{
    mdm_uint_t  i;

    enroll(state, CERT_A);

    status = 503;

    for (i = 0; i < 2; i++) {
        assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    }

    status = 413;
    skew = 100000;

    for (i = 0; i < 2; i++) {
        assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    }

    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_string_equal(attempt, "5");
    assert_int_equal(redis_int("XLEN " T ":dead:one"), 1);

    /* the next one is not there any more */

    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_int_equal(redis_int("XTRIM " T ":events MAXLEN 1"), 2);

    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_string_equal(attempt, "1");
}


/* a sender at work does not undo a replay */

static void
test_replayed(void **state)
{
    enroll(state, CERT_A);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);

    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    deaf = 1;
    (void) deliver(state);
    deaf = 0;
    assert_int_equal(redis_int("HEXISTS " T ":out l:one"), 1);

    assert_int_equal(api(state, MDM_POST, "/v1/webhooks/one/replay", "",
                         "{\"since\":\"2001-01-01T00:00:00Z\"}"), 204);
    assert_int_equal(redis_int("HEXISTS " T ":out l:one"), 0);
}


/* events that come again from this time on */

static mdm_uint_t
again_since(void **state, const char *body)
{
    assert_int_equal(api(state, MDM_POST, "/v1/webhooks/one/replay", "", body),
                     204);

    received = 0;
    event_id[0] = '\0';
    assert_int_equal(deliver(state), MDM_HOOK_MORE);

    return received;
}


/* what was at this very time comes again, and nothing of before it */

static void
test_replayed_since(void **state)
{
    mdm_uint_t  i;

    static const char *const  entries[] = {
        "978307199999-7", "978307200000-0"
    };

    webhook.all = 1;

    for (i = 0; i < 2; i++) {
        freeReplyObject(mdm_unit_redis_command(*state, "XADD %s %s event %s "
                                               "id %s data {}", T ":events",
                                               entries[i], "mdm.CheckOut",
                                               UDID));
    }

    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(received, 2);
    assert_string_equal(event_id, "default.0.978307200000-0");

    assert_int_equal(again_since(state, "{\"since\":"
                                 "\"2001-01-01T00:00:00Z\"}"), 1);
    assert_string_equal(event_id, "default.0.978307200000-0");

    /* from the beginning on */

    assert_int_equal(again_since(state, "{\"since\":"
                                 "\"1970-01-01T00:00:00Z\"}"), 2);
}


static void
add(void **state, mdm_uint_t n, size_t bytes)
{
    char  *data;

    data = malloc(bytes + 16);
    assert_non_null(data);
    (void) snprintf(data, bytes + 16, "{\"a\":\"%0*d\"}", (int) bytes, 0);

    while (n-- != 0) {
        freeReplyObject(mdm_unit_redis_command(*state, "XADD %s * event %s "
                                               "id %s data %s", T ":events",
                                               "mdm.CheckOut", UDID, data));
    }

    free(data);
}


/* what is taken at a time is bounded in bytes, too */

static void
test_bytes(void **state)
{
    add(state, 10, 100000);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(hook.delivered, 2);

    assert_int_equal(api(state, MDM_GET, "/v1/webhooks", "", ""), 200);
    assert_true(says("\"lag_events\":8,"));

    add(state, 300, 10);
    assert_int_equal(api(state, MDM_GET, "/v1/webhooks", "", ""), 200);
    assert_true(says("\"lag_events\":308,"));
}


/* a Redis that is full is what somebody has to take something away from */

static void
test_memory(void **state)
{
    mdm_uint_t  delivered;
    mdm_hook_e  end;

    enroll(state, CERT_A);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    (void) redis_int("HSET " T ":out h:one %s", "0-0 1");

    assert_non_null(redis_str("CONFIG SET maxmemory 1"));
    end = deliver(state);
    delivered = hook.delivered;
    assert_non_null(redis_str("CONFIG SET maxmemory 0"));

    assert_int_equal(end, MDM_HOOK_MORE);
    assert_int_equal(delivered, 2);
    assert_int_not_equal(strncmp(redis_str("HGET " T ":out h:one"), "0-0 ", 4),
                         0);
    assert_int_equal(deliver(state), MDM_HOOK_IDLE);
}


/* a backlog goes in bits */

static void
test_backlog(void **state)
{
    char       *last;
    mdm_int_t   n;

    add(state, 3000, 10);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);

    freeReplyObject(mdm_unit_redis_command(*state, "XADD %s 99999999999999-0 "
                                           "event x id y data {}",
                                           T ":events"));
    last = "99999999999998-0 99999999999998";
    (void) redis_int("HSET " T ":out h:one %s", last);

    n = redis_int("XLEN " T ":events");
    look(state);
    assert_in_range(n - redis_int("XLEN " T ":events"), 800, 1000);

    /* it comes again at once while there is more */

    assert_int_equal(x->status, 202);

    for (n = 0; n < 3; n++) {
        look(state);
    }

    assert_int_equal(x->status, 200);
    assert_int_equal(x->again, 30000);
    assert_in_range(redis_int("XLEN " T ":events"), 1, 100);
}


/* who reads himself acknowledges without us: looks trim all of it, in bits */

static void
test_group_backlog(void **state)
{
    mdm_int_t   n, left;
    mdm_uint_t  looks;

    settings.nwebhooks = 0;
    settings.event_groups = &group;
    settings.nevent_groups = 1;

    add(state, 3000, 10);
    freeReplyObject(mdm_unit_redis_command(*state, "XGROUP CREATE " T
                                           ":events readers $"));

    looks = 0;
    left = 3000;

    do {
        look(state);

        n = redis_int("XLEN " T ":events");
        assert_true(n >= left - 1000);
        left = n;

        assert_true(++looks <= 5);

    } while (x->status == 202);

    assert_int_equal(x->status, 200);
    assert_int_equal(x->again, 30000);
    assert_in_range(looks, 3, 5);
    assert_in_range(left, 1, 100);

    /* where nobody has a place for long, the limit is what is kept */

    settings.nevent_groups = 0;
    settings.event_limit = 10;
    settings.event_hold = 0;
    (void) redis_int("HSET " T ":out limit %s", "10");
    (void) redis_int("HSET " T ":out g:readers %s", "0-0 1");
    (void) redis_int("XGROUP DESTROY " T ":events readers");
    add(state, 1500, 10);
    usleep(20000);

    look(state);
    assert_int_equal(x->status, 202);

    look(state);
    assert_int_equal(x->status, 200);
    assert_in_range(redis_int("XLEN " T ":events"), 10, 120);
}


/* the warning names the limit in force, which may be that of other hosts */

static void
test_limit_named(void **state)
{
    settings.event_limit = 100;

    enroll(state, CERT_A);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);

    settings.nwebhooks = 0;
    settings.event_limit = 10;

    add(state, 85, 10);
    look(state);
    assert_true(log_says("fills"));
    assert_true(log_says(" of the 100 that it holds"));
    assert_false(log_says(" of the 10 that"));

    /* a higher one of its own is in force, too */

    settings.event_limit = 1000;
    look(state);
    settings.event_limit = 90;
    (void) redis_int("HSET " T ":out limit %s", "50");
    add(state, 5, 10);
    look(state);
    assert_true(log_says(" of the 90 that it holds"));
}


/* a sender says the same */

static void
test_limit_sender(void **state)
{
    settings.event_limit = 100;
    add(state, 90, 10);
    status = 500;

    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_true(log_says("it has 90 events of the 100 that it holds"));
}


/* who reads himself, and does not come any more, is left behind, too */

static void
test_group_hold(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    settings.nwebhooks = 0;
    settings.event_groups = &group;
    settings.nevent_groups = 1;
    settings.event_limit = 100;
    settings.event_hold = 1;

    /* it has never been there */

    add(state, 20, 10);
    look(state);
    assert_false(log_says("has acknowledged nothing"));
    (void) redis_int("HSET " T ":out g:readers %s", "0-0 1");
    usleep(1100000);
    look(state);
    assert_true(log_says("group \"readers\" has acknowledged nothing for 1 "
                         "seconds"));
    assert_int_equal(redis_int("HEXISTS " T ":out x:g:readers"), 1);

    look(state);
    assert_false(log_says("has acknowledged nothing"));

    /* it holds back nothing, so nobody is refused */

    add(state, 90, 10);
    enroll(state, CERT_A);
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 200);

    /* it comes, and what it has read it has to acknowledge */

    freeReplyObject(mdm_unit_redis_command(redis, "XGROUP CREATE " T
                                           ":events readers 0"));
    freeReplyObject(mdm_unit_redis_command(redis, "XREADGROUP GROUP readers "
                                           "me COUNT 5 STREAMS " T
                                           ":events >"));
    look(state);
    assert_int_equal(redis_int("HEXISTS " T ":out x:g:readers"), 0);
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u2")), 503);
    assert_true(says("the outbox is full: group \\\"readers\\\" is"));

    usleep(1100000);
    look(state);
    assert_true(log_says("group \"readers\" has acknowledged nothing"));
}


/* the entry that it has not acknowledged may be the last one */

static void
test_group_last(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    settings.nwebhooks = 0;
    settings.event_groups = &group;
    settings.nevent_groups = 1;
    settings.event_hold = 1;

    add(state, 1, 10);
    freeReplyObject(mdm_unit_redis_command(redis, "XGROUP CREATE " T
                                           ":events readers 0"));
    freeReplyObject(mdm_unit_redis_command(redis, "XREADGROUP GROUP readers "
                                           "me COUNT 5 STREAMS " T
                                           ":events >"));
    look(state);
    usleep(1100000);
    look(state);
    assert_true(log_says("group \"readers\" has acknowledged nothing"));
}


/* a group that no host names any more refuses nothing once it is forgotten */

static void
test_group_forgotten(void **state)
{
    settings.nwebhooks = 0;
    settings.event_groups = &group;
    settings.nevent_groups = 1;
    settings.event_limit = 20;

    enroll(state, CERT_A);
    look(state);
    assert_int_equal(redis_int("HEXISTS " T ":out g:readers"), 1);

    assert_int_equal(api(state, MDM_DELETE, "/v1/webhooks/readers", "", ""),
                     409);
    assert_true(says("the group is configured"));

    settings.nevent_groups = 0;
    add(state, 30, 10);

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 503);
    assert_true(says("the outbox is full: group \\\"readers\\\" is"));

    (void) redis_int("HSET " T ":out x:g:readers 1 dropped 7 w 1");

    assert_int_equal(api(state, MDM_DELETE, "/v1/webhooks/readers", "", ""),
                     204);
    assert_int_equal(redis_int("EXISTS " T ":out"), 0);

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 200);
    assert_int_equal(api(state, MDM_DELETE, "/v1/webhooks/readers", "", ""),
                     404);

    /* who else is there stays, and what was counted with him */

    (void) redis_int("HSET " T ":out h:one %s", "0-0 1");
    (void) redis_int("HSET " T ":out g:readers %s", "0-0 1");
    (void) redis_int("HSET " T ":out dropped 7 limit 20");

    assert_int_equal(api(state, MDM_DELETE, "/v1/webhooks/readers", "", ""),
                     204);
    assert_int_equal(redis_int("HEXISTS " T ":out g:readers"), 0);
    assert_int_equal(redis_int("HEXISTS " T ":out h:one"), 1);
    assert_int_equal(redis_int("HGET " T ":out dropped"), 7);

    /* nor does a counter alone, which a worker of before has left */

    (void) redis_int("HDEL " T ":out h:one");
    assert_int_equal(api(state, MDM_DELETE, "/v1/webhooks/readers", "", ""),
                     404);
    assert_int_equal(redis_int("EXISTS " T ":out"), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_removed, begin),
        cmocka_unit_test_setup(test_limits, begin),
        cmocka_unit_test_setup(test_dead_hold, begin),
        cmocka_unit_test_setup(test_attempts, begin),
        cmocka_unit_test_setup(test_replayed, begin),
        cmocka_unit_test_setup(test_replayed_since, begin),
        cmocka_unit_test_setup(test_bytes, begin),
        cmocka_unit_test_setup(test_memory, begin),
        cmocka_unit_test_setup(test_backlog, begin),
        cmocka_unit_test_setup(test_group_backlog, begin),
        cmocka_unit_test_setup(test_group_forgotten, begin),
        cmocka_unit_test_setup(test_limit_named, begin),
        cmocka_unit_test_setup(test_limit_sender, begin),
        cmocka_unit_test_setup(test_group_hold, begin),
        cmocka_unit_test_setup(test_group_last, begin)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
