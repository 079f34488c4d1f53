
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The outbox and webhooks with a real redis-server: what is kept, delivered
 * and taken away, and what becomes of events that a webhook does not take.
 */


#include "hook.h"


#define CALLS    64


static mdm_webhook_t  webhooks[2];
static mdm_str_t      groups[1];

static mdm_http_e     outcome;
static mdm_uint_t     status;
static mdm_uint_t     took;                /* ms */
static int64_t        retry_after;
static char          *bodies[CALLS];
static mdm_uint_t     nbodies;
static const mdm_script_t  *lost;          /* its calls never arrive */
static const mdm_script_t  *unanswered;    /* they do, and nobody knows */


static void
receive(mdm_http_t *http, void *data)
{
    (void) data;

    hook_headers(http);

    assert_true(nbodies < CALLS);

    bodies[nbodies] = malloc(http->body.len + 1);
    assert_non_null(bodies[nbodies]);
    memcpy(bodies[nbodies], http->body.data, http->body.len);
    bodies[nbodies++][http->body.len] = '\0';

    http->outcome = outcome;
    http->status = status;
    http->ms = took;
    http->retry_after = retry_after;

    if (outcome != MDM_HTTP_ANSWERED) {
        mdm_str_set(&http->reason, "connection refused");
    }
}


static mdm_unit_fault_e
fault(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    if (call->script == unanswered) {
        return MDM_UNIT_FAULT_AFTER;
    }

    return (call->script == lost) ? MDM_UNIT_FAULT_BEFORE
                                  : MDM_UNIT_FAULT_NONE;
}


static void
forget(void)
{
    while (nbodies != 0) {
        free(bodies[--nbodies]);
    }
}


static int
begin(void **state)
{
    mdm_unit_redis_t  *redis = *state;
    mdm_uint_t         i;

    clean(state);
    forget();

    redis->http = receive;
    redis->fault = fault;

    lost = unanswered = NULL;
    outcome = MDM_HTTP_ANSWERED;
    status = 200;
    took = 10;
    retry_after = 0;

    for (i = 0; i < 2; i++) {
        hook_webhook(&webhooks[i], (i == 0) ? "one" : "two");
        webhooks[i].payload = 1;
        webhooks[i].secrets = 1;
    }

    mdm_str_set(&groups[0], "readers");

    hook_settings(webhooks, 1);
    settings.event_groups = groups;

    return 0;
}


static mdm_hook_e
deliver_to(void **state, mdm_uint_t i, const char *runner)
{
    return hook_run(state, &webhooks[i], runner, hook.force, 0);
}


#define deliver(state)  deliver_to(state, 0, "r1")


#define has(i, text)  assert_non_null(strstr(bodies[i], text))


/* all that a device does, in its order, and then nothing is left */

static void
test_delivered(void **state)
{
    char       *id;
    mdm_str_t   key, body, hmac;

    mdm_str_set(&key, "secret");
    webhooks[0].hmac = mdm_event_hmac_create(&key);
    assert_non_null(webhooks[0].hmac);

    enroll(state, CERT_A);
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 200);
    assert_int_equal(report(state, CERT_A, id_is(UDID), "NotNow", "u1"), 200);
    assert_int_equal(report(state, CERT_A, id_is(UDID), "Acknowledged", "u1"),
                     200);

    /* a poll is not told to anybody */

    assert_int_equal(idle(state, CERT_A, id_is(UDID)), 200);
    assert_null(x->event_tags);

    assert_int_equal(checkin(state, CERT_A, "CheckOut", id_is(UDID), ""), 200);
    assert_non_null(x->event_tags);
    assert_true(mdm_str_is(&x->event_tags->tag, T));

    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(hook.delivered, 5);
    assert_int_equal(nbodies, 5);
    assert_true(hook.last);

    has(0, "\"topic\":\"mdm.Authenticate\"");
    has(0, "\"checkin_event\":{\"udid\":\"" UDID "\",\"ids\":{\"id\":\"" UDID
        "\",\"type\":\"Device\"},\"raw_payload\":\"PD94");
    has(1, "\"topic\":\"mdm.TokenUpdate\"");
    has(1, "\"token_update_tally\":1");
    has(2, "\"acknowledge_event\":{\"udid\":\"" UDID "\"");
    has(2, "\"status\":\"NotNow\",\"command_uuid\":\"u1\",\"raw_payload\":"
        "\"PD94");
    has(3, "\"status\":\"Acknowledged\",\"command_uuid\":\"u1\","
        "\"raw_payload\":\"PD94");
    has(4, "\"topic\":\"mdm.CheckOut\"");
    has(0, "\"created_at\":\"20");

    id = strstr(bodies[4], "\"event_id\":\"default.0.");
    assert_non_null(id);

    /* the last one is signed */

    body.data = (u_char *) bodies[4];
    body.len = strlen(bodies[4]);
    assert_int_equal(mdm_event_hmac(x->arena, webhooks[0].hmac, &body, &hmac),
                     MDM_OK);
    assert_true(mdm_str_is(&hmac, signature));
    assert_string_equal(attempt, "1");

    assert_int_equal(deliver(state), MDM_HOOK_IDLE);
    assert_int_equal(nbodies, 5);
    assert_int_equal(redis_int("HEXISTS " T ":out l:one"), 0);

    EVP_MAC_CTX_free(webhooks[0].hmac);
    webhooks[0].hmac = NULL;
}


/* without a consumer as ever; with one until it has all */

static void
test_kept(void **state)
{
    mdm_uint_t  i;

    settings.event_limit = 100;
    settings.nwebhooks = 0;

    for (i = 0; i < 320; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    assert_in_range(redis_int("XLEN " T ":events"), 100, 220);
    assert_int_equal(redis_int("EXISTS " T ":out"), 0);

    begin(state);

    for (i = 0; i < 320; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    assert_int_equal(redis_int("XLEN " T ":events"), 320);

    settings.event_limit = 500;

    for (i = 0; i < 5; i++) {
        assert_int_equal(deliver(state), MDM_HOOK_MORE);
        assert_int_equal(nbodies, 64);
        assert_int_equal(hook.last, i == 4);
        forget();
    }

    assert_int_equal(deliver(state), MDM_HOOK_IDLE);
    assert_in_range(redis_int("XLEN " T ":events"), 1, 120);

    /* a host that knows of no webhook keeps them for one that does */

    settings.nwebhooks = 0;

    for (i = 0; i < 320; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    assert_true(redis_int("XLEN " T ":events") >= 320);
}


/* at twice the limit the oldest go, which is told */

static void
test_dropped(void **state)
{
    char        *sum;
    mdm_uint_t   i, n;

    settings.event_limit = 20;
    assert_int_equal(deliver(state), MDM_HOOK_IDLE);

    for (i = 0; i < 100; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    assert_in_range(redis_int("XLEN " T ":events"), 36, 41);

    sum = redis_str("HGET " T ":out dropped");
    n = (mdm_uint_t) atoi(sum);
    assert_true(n >= 59);

    webhooks[0].topics |= mdm_topic(&(mdm_str_t)
                                    mdm_string("mdm.EventsDropped"));

    /* the first delivery says that it fills */

    assert_int_equal(deliver(state), MDM_HOOK_MORE);

    for (i = 0; i < nbodies; i++) {
        if (strstr(bodies[i], "\"topic\":\"mdm.EventsDropped\"")) {
            has(i, "\"event\":{\"id\":\"\",\"data\":{");
            break;
        }
    }

    assert_true(i < nbodies);
}


/* what an administrator wants can wait */

static void
test_full(void **state)
{
    mdm_uint_t  i;

    settings.event_limit = 20;

    enroll(state, CERT_A);
    outcome = MDM_HTTP_UNREACHABLE;

    for (i = 0; i < 13; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_false(log_says("fills"));

    for (i = 0; i < 5; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    hook.force = 1;
    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_true(log_says("fills"));

    hook.force = 1;
    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_false(log_says("fills"));

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 503);
    assert_true(says("\"command_error\":\"the outbox is full: webhook "
                     "\\\"one\\\" is 21 events behind\""));
    assert_true(x->retry_after != 0);

    outcome = MDM_HTTP_ANSWERED;
    hook.force = 1;
    assert_int_equal(deliver(state), MDM_HOOK_MORE);

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 200);
}


/* the same event, again and again, the same id, until it is taken */

static void
test_retried(void **state)
{
    char        *id, *end;
    mdm_uint_t   i, wait;

    enroll(state, CERT_A);

    outcome = MDM_HTTP_UNREACHABLE;
    wait = 0;

    for (i = 1; i <= 4; i++) {
        hook.force = 1;
        assert_int_equal(deliver(state), MDM_HOOK_WAIT);
        assert_int_equal(hook.failed, 1);
        assert_true(hook.silent);
        assert_true(hook.wait > wait);
        assert_in_range(hook.wait, 1000U << (i - 1), 1300U << (i - 1));
        assert_int_equal(atoi(attempt), i);
        wait = hook.wait;

        id = strstr(bodies[i - 1], "\"event_id\"");
        end = strstr(id, "\",");
        assert_non_null(strncmp(id, strstr(bodies[0], "\"event_id\""),
                                (size_t) (end - id)) == 0 ? id : NULL);
    }

    /* it is not due yet */

    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_int_equal(nbodies, 4);
    assert_in_range(hook.wait, 1, wait + 1);

    outcome = MDM_HTTP_ANSWERED;
    status = 503;
    retry_after = 120;
    hook.force = 1;
    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_int_equal(hook.wait, 120000);
    assert_false(hook.silent);

    status = 204;
    hook.force = 1;
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(nbodies, 7);
    has(5, "mdm.Authenticate");
    has(6, "mdm.TokenUpdate");
    assert_string_equal(attempt, "1");
    assert_true(log_says("at attempt 6"));
    assert_int_equal(redis_int("HEXISTS " T ":out f:one"), 0);
}


/* what it answers is too long to be looked at: its status says enough */

static void
test_large_answer(void **state)
{
    enroll(state, CERT_A);

    outcome = MDM_HTTP_TOO_LARGE;
    status = 503;
    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_int_equal(hook.failed, 1);
    assert_false(hook.silent);
    assert_true(log_says("attempt 1: status 503"));
    assert_int_equal(redis_int("HEXISTS " T ":out f:one"), 1);

    status = 200;
    hook.force = 1;
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(hook.delivered, 2);
    assert_int_equal(hook.failed, 0);

    /* without a status it is none */

    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    status = 0;
    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_true(hook.silent);
}


/* a result that zlib makes small */

static void
result(void **state, const char *uuid, size_t len)
{
    int    n;
    char  *body;

    body = malloc(len + 512);
    assert_non_null(body);

    n = snprintf(body, 512, "<plist version=\"1.0\"><dict>" id_is(UDID)
                 "<key>Status</key><string>Acknowledged</string>"
                 "<key>CommandUUID</key><string>%s</string>"
                 "<key>Long</key><string>", uuid);

    memset(body + n, 'x', len);
    strcpy(body + n + len, "</string></dict></plist>");

    assert_int_equal(send_raw(state, MDM_KIND_CONNECT, CERT_A, body), 200);

    free(body);
}


/* small in Redis, and large here: a run ends before it takes much memory */

static void
test_room(void **state)
{
    char        uuid[32];
    mdm_uint_t  i, runs;

    enroll(state, CERT_A);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    forget();

    for (i = 0; i < 8; i++) {
        snprintf(uuid, sizeof(uuid), "u%d", (int) i);
        result(state, uuid, 1 << 20);
    }

    runs = 0;

    while (deliver(state) == MDM_HOOK_MORE) {
        assert_in_range(hook.delivered, 1, 4);
        assert_in_range(mdm_arena_used(x->arena), 1, 16 << 20);
        runs++;
    }

    assert_true(runs >= 2);
    assert_int_equal(nbodies, 8);

    for (i = 0; i < 8; i++) {
        snprintf(uuid, sizeof(uuid), "\"command_uuid\":\"u%d\"", (int) i);
        has(i, uuid);
        assert_true(strlen(bodies[i]) > 1 << 20);
    }
}


/* a thread makes what is large, and only that */

static void
test_thread(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    enroll(state, CERT_A);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(redis->threads, 0);

    /* the second of three */

    result(state, "u1", 2000);
    result(state, "u2", 2 << 20);
    result(state, "u3", 2000);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(redis->threads, 1);

    while (deliver(state) == MDM_HOOK_MORE) { /* void */ }

    /* the first one, behind one that is not wanted */

    webhooks[0].topics = mdm_topic(&(mdm_str_t) mdm_string("mdm.Connect"));
    assert_int_equal(checkin(state, CERT_A, "SetBootstrapToken", id_is(UDID),
                             "<key>BootstrapToken</key><data>AQID</data>"),
                     200);
    result(state, "u4", 2 << 20);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(hook.delivered, 1);
    assert_int_equal(redis->threads, 1);

    /* nor where it is not sent */

    webhooks[0].payload = 0;
    result(state, "u5", 2 << 20);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(hook.delivered, 1);
    assert_int_equal(redis->threads, 0);
}


/* three times where the body is the trouble, then it is put aside */

static void
test_dead(void **state)
{
    mdm_uint_t  i;

    enroll(state, CERT_A);
    status = 422;

    for (i = 0; i < 2; i++) {
        hook.force = 1;
        assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    }

    /* it is one only where Redis knows it */

    hook.force = 1;
    lost = &mdm_script_hook_ack;
    (void) deliver(state);
    assert_int_equal(hook.dead, 0);
    assert_int_equal(redis_int("EXISTS " T ":dead:one"), 0);

    lost = NULL;
    (void) redis_int("HDEL " T ":out l:one");
    hook.force = 1;
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(hook.dead, 1);
    assert_true(log_says("put aside: status 422"));
    assert_int_equal(redis_int("XLEN " T ":dead:one"), 1);

    status = 200;
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    has(4, "mdm.TokenUpdate");

    /* or when the time is over */

    webhooks[0].retry = 0;
    status = 404;
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    hook.force = 1;
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(redis_int("XLEN " T ":dead:one"), 2);
}


/* who has it lets nobody else, until his lease is over */

static void
test_lease(void **state)
{
    enroll(state, CERT_A);

    /* the worker ends between delivery and acknowledgement */

    lost = &mdm_script_hook_ack;
    (void) deliver(state);
    assert_int_equal(nbodies, 2);

    lost = NULL;
    assert_int_equal(deliver_to(state, 0, "r2"), MDM_HOOK_WAIT);
    assert_true(hook.held);
    assert_in_range(hook.wait, 1, 6001);
    assert_int_equal(nbodies, 2);

    (void) redis_int("HDEL " T ":out l:one");
    assert_int_equal(deliver_to(state, 0, "r2"), MDM_HOOK_MORE);
    assert_int_equal(nbodies, 4);
    assert_string_equal(bodies[0], bodies[2]);
    assert_string_equal(bodies[1], bodies[3]);
}


/* who may hold a lease and does not know it says so, and gets on by the name */

static void
test_unknown(void **state)
{
    enroll(state, CERT_A);

    unanswered = &mdm_script_hook_take;
    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_int_equal(hook.leased, 1);
    assert_int_equal(nbodies, 0);

    unanswered = NULL;
    assert_int_equal(deliver_to(state, 0, "r2"), MDM_HOOK_WAIT);
    assert_int_equal(hook.held, 1);
    assert_int_equal(hook.leased, 0);

    unanswered = &mdm_script_hook_ack;
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(hook.leased, 1);
    assert_int_equal(nbodies, 2);

    unanswered = NULL;
    assert_int_equal(deliver(state), MDM_HOOK_IDLE);
    assert_int_equal(hook.leased, 0);
}


/* one that has lost its lease meanwhile delivers nothing more */

static void
steal(mdm_http_t *http, void *data)
{
    mdm_unit_redis_t  *redis = data;

    receive(http, NULL);

    if (nbodies == 2) {
        freeReplyObject(mdm_unit_redis_command(redis, "HSET %s l:one %s",
                                               T ":out",
                                               "r9 9999999999999"));
    }
}


static void
test_stolen(void **state)
{
    mdm_unit_redis_t  *redis = *state;
    mdm_uint_t         i;

    for (i = 0; i < 5; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    redis->http = steal;
    redis->http_data = redis;
    took = 300;

    assert_int_equal(deliver(state), MDM_HOOK_WAIT);
    assert_int_equal(nbodies, 2);
}


/* each webhook has its own place, and nothing goes before the last has it */

static void
test_several(void **state)
{
    mdm_uint_t  i;

    settings.nwebhooks = 2;

    for (i = 0; i < 120; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    for (i = 0; i < 2; i++) {
        assert_int_equal(deliver(state), MDM_HOOK_MORE);
        forget();
    }

    assert_int_equal(deliver(state), MDM_HOOK_IDLE);
    assert_int_equal(redis_int("XLEN " T ":events"), 120);

    settings.event_limit = 130;

    assert_int_equal(deliver_to(state, 1, "r1"), MDM_HOOK_MORE);
    assert_int_equal(nbodies, 64);
    assert_in_range(redis_int("XLEN " T ":events"), 57, 66);
    forget();

    assert_int_equal(deliver_to(state, 1, "r1"), MDM_HOOK_MORE);
    assert_int_equal(nbodies, 56);
}


/* who reads the stream himself is waited for, too */

static void
test_group(void **state)
{
    mdm_uint_t         i;
    mdm_unit_redis_t  *redis = *state;

    settings.nevent_groups = 1;
    settings.event_limit = 30;

    for (i = 0; i < 20; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(redis_int("XLEN " T ":events"), 20);

    freeReplyObject(mdm_unit_redis_command(redis, "XGROUP CREATE " T
                                           ":events readers 0"));
    freeReplyObject(mdm_unit_redis_command(redis, "XREADGROUP GROUP readers "
                                           "me COUNT 15 STREAMS " T
                                           ":events >"));

    look(state);
    assert_int_equal(x->status, 200);
    assert_int_equal(redis_int("XLEN " T ":events"), 20);

    freeReplyObject(mdm_unit_redis_command(redis, "XGROUP SETID " T
                                           ":events readers $"));
    freeReplyObject(mdm_unit_redis_command(redis, "XGROUP DELCONSUMER " T
                                           ":events readers me"));

    look(state);
    assert_int_equal(redis_int("XLEN " T ":events"), 1);
}


/* who is silent for too long holds back nothing, which is said */

static void
test_stale(void **state)
{
    mdm_uint_t  i;

    settings.nwebhooks = 2;
    settings.event_limit = 30;

    for (i = 0; i < 20; i++) {
        assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    }

    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(redis_int("XLEN " T ":events"), 20);

    settings.event_hold = 0;
    (void) redis_int("HSET " T ":out h:two %s", "0-0 1");

    look(state);
    assert_true(log_says("\"two\" has acknowledged nothing"));
    assert_int_equal(redis_int("XLEN " T ":events"), 1);

    look(state);
    assert_false(log_says("acknowledged nothing"));
}


/* the job finds what somebody has to get, and begins a new one where it is */

static void
test_job(void **state)
{
    enroll(state, CERT_A);

    look(state);
    assert_int_equal(x->status, 200);
    assert_true(x->again > 0);
    assert_non_null(x->event_tags);
    assert_true(mdm_str_is(&x->event_tags->tag, T));
    assert_null(x->event_tags->next);
    assert_int_equal(redis_int("HEXISTS mdm:{work}:hooks one"), 1);

    assert_int_equal(deliver(state), MDM_HOOK_MORE);

    look(state);
    assert_null(x->event_tags);

    /* one that is new gets nothing that was long before */

    (void) redis_int("HSET mdm:{work}:hooks two 99999999999999");
    settings.nwebhooks = 2;

    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(deliver_to(state, 1, "r1"), MDM_HOOK_IDLE);

    webhooks[1].all = 1;
    (void) redis_int("HDEL " T ":out h:two");
    assert_int_equal(deliver_to(state, 1, "r1"), MDM_HOOK_MORE);

    /* goes on while there is a place, more slowly where there is none */

    settings.nwebhooks = 0;
    look(state);
    assert_int_equal(x->status, 200);
    assert_int_equal(x->again, 30000);

    clean(state);
    look(state);
    assert_int_equal(x->status, 200);
    assert_int_equal(x->again, 600000);
    assert_int_equal(redis_int("EXISTS " T ":out"), 0);

    /* a webhook has a place before there is an event */

    settings.nwebhooks = 1;
    look(state);
    assert_int_equal(redis_int("HEXISTS " T ":out h:one"), 1);
}


/* what is gone is said to be, and what is secret stays here */

static void
test_payload(void **state)
{
    char  *plain;

    enroll(state, CERT_A);
    assert_int_equal(report(state, CERT_A, id_is(UDID), "Acknowledged", "u9"),
                     200);
    (void) redis_int("DEL " T ":r:" UDID ":u9");

    webhooks[0].secrets = 0;

    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(nbodies, 3);
    has(2, "\"raw_payload\":\"\",\"result_lost\":true");

    /* "magic" in base64, wherever it begins */

    plain = bodies[1];
    has(1, "\"raw_payload\":\"PD94");
    assert_null(strstr(plain, "bWFnaW"));
    assert_null(strstr(plain, "1hZ2lj"));
    assert_null(strstr(plain, "tYWdpY"));

    webhooks[0].payload = 0;
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    has(3, "\"raw_payload\":\"\"}");
}


/* one message of each kind; returns how many events carry theirs */

static mdm_uint_t
carried(void **state)
{
    enroll(state, CERT_A);
    assert_int_equal(checkin(state, CERT_A, "SetBootstrapToken", id_is(UDID),
                             "<key>BootstrapToken</key><data>AQID</data>"),
                     200);
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 200);
    assert_int_equal(report(state, CERT_A, id_is(UDID), "NotNow", "u1"), 200);
    assert_int_equal(report(state, CERT_A, id_is(UDID), "Acknowledged", ""),
                     200);
    assert_int_equal(checkin(state, CERT_A, "CheckOut", id_is(UDID), ""), 200);
    assert_int_equal(api(state, MDM_PUT, "/migration", "",
                         "<plist version=\"1.0\"><dict>" id_is(OTHER)
                         "<key>MessageType</key><string>Authenticate</string>"
                         "</dict></plist>"), 200);

    return (mdm_uint_t) redis_int("EVAL %s 0",
        "local n = 0 "
        "for _, e in ipairs(redis.call('XRANGE', '" T ":events', '-', '+')) do "
        "for i = 1, #e[2], 2 do n = n + (e[2][i] == 'raw' and 1 or 0) end "
        "end return n");
}


/* events carry messages only for a webhook that gets them with the event */

static void
test_carried(void **state)
{
    mdm_uint_t  i;
    mdm_str_t   topics, bad;

    static const struct {
        const char  *topics;
        mdm_uint_t   payload;              /* of the webhook */
        mdm_uint_t   secrets;
        mdm_uint_t   all;                  /* mdm_event_payload */
        mdm_uint_t   n;
    } t[] = {
        { "api.*", 1, 1, 0, 0 },
        { "mdm.CheckOut", 1, 1, 0, 1 },
        { "mdm.SetBootstrapToken", 1, 1, 0, 1 },
        { "mdm.SetBootstrapToken", 1, 0, 0, 0 },
        { "mdm.Connect", 1, 0, 0, 2 },
        { MDM_TOPICS_DEFAULT, 1, 1, 0, 6 },
        { MDM_TOPICS_DEFAULT, 1, 0, 0, 5 },
        { MDM_TOPICS_DEFAULT, 0, 1, 0, 0 },
        { "api.*", 1, 1, 1, 6 }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        begin(state);

        topics.data = (u_char *) (uintptr_t) t[i].topics;
        topics.len = strlen(t[i].topics);
        assert_int_equal(mdm_topics_read(&topics, &webhooks[0].topics, &bad),
                         MDM_OK);

        webhooks[0].payload = t[i].payload;
        webhooks[0].secrets = t[i].secrets;
        settings.event_payload = t[i].all;

        assert_int_equal(carried(state), t[i].n);

        /* what is of another tenant is not wanted here */

        begin(state);
        mdm_str_set(&webhooks[0].tenant, "other");
        assert_int_equal(carried(state), 0);
    }
}


/* a result that names no command goes with its event: the next replaces it */

static void
test_nameless(void **state)
{
    u_char      sent[2][2048];
    mdm_uint_t  i;

    enroll(state, CERT_A);
    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    forget();

    for (i = 0; i < 2; i++) {
        assert_int_equal(sendf(state, MDM_KIND_CONNECT, CERT_A, id_is(UDID)
                               "<key>Status</key><string>Acknowledged</string>"
                               "<key>Answer</key><string>answer %d</string>",
                               (int) i), 200);
        assert_in_range(x->body.len, 1, 1500);
        EVP_EncodeBlock(sent[i], x->body.data, (int) x->body.len);
    }

    assert_int_equal(deliver(state), MDM_HOOK_MORE);
    assert_int_equal(nbodies, 2);
    has(0, (char *) sent[0]);
    has(1, (char *) sent[1]);
    assert_null(strstr(bodies[1], "result_lost"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_delivered, begin),
        cmocka_unit_test_setup(test_kept, begin),
        cmocka_unit_test_setup(test_dropped, begin),
        cmocka_unit_test_setup(test_full, begin),
        cmocka_unit_test_setup(test_retried, begin),
        cmocka_unit_test_setup(test_large_answer, begin),
        cmocka_unit_test_setup(test_room, begin),
        cmocka_unit_test_setup(test_thread, begin),
        cmocka_unit_test_setup(test_dead, begin),
        cmocka_unit_test_setup(test_lease, begin),
        cmocka_unit_test_setup(test_unknown, begin),
        cmocka_unit_test_setup(test_stolen, begin),
        cmocka_unit_test_setup(test_several, begin),
        cmocka_unit_test_setup(test_group, begin),
        cmocka_unit_test_setup(test_stale, begin),
        cmocka_unit_test_setup(test_job, begin),
        cmocka_unit_test_setup(test_payload, begin),
        cmocka_unit_test_setup(test_carried, begin),
        cmocka_unit_test_setup(test_nameless, begin)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
