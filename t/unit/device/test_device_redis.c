
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Check-in and connect through a real redis-server: every message, status
 * and refusal, the order of the queue, and a random run against a model.
 */


#include "device.h"

#include <stdlib.h>

#include "mdm_key.h"


/* what the device got is this command */

static void
got(const char *uuid)
{
    char  body[64];

    assert_int_equal(x->status, 200);

    if (uuid == NULL) {
        assert_int_equal(x->response.len, 0);
        return;
    }

    (void) snprintf(body, sizeof(body), "body of %s", uuid);

    assert_true(mdm_str_is(&x->response, body));
    assert_true(mdm_str_is(&x->response_type,
                           "application/xml; charset=UTF-8"));
}


static void
contains(const char *text)
{
    assert_non_null(memmem(x->response.data, x->response.len, text,
                           strlen(text)));
}


/* everything that is kept, as one string */

static char *
snapshot(void **state)
{
    char        *out;
    redisReply  *keys;

    keys = mdm_unit_redis_command(*state, "EVAL %s 0",
        "local k = redis.call('KEYS', '*') table.sort(k) local o = {} "
        "for _, key in ipairs(k) do "
        "o[#o + 1] = key .. '=' .. redis.sha1hex(redis.call('DUMP', key)) "
        "end return table.concat(o, ' ')");

    out = strdup(keys->str);
    assert_non_null(out);

    freeReplyObject(keys);

    return out;
}


static void
unchanged(void **state, char *before)
{
    char  *after;

    after = snapshot(state);
    assert_string_equal(before, after);

    free(before);
    free(after);
}


static void
test_enroll(void **state)
{
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(x->response.len, 0);
    assert_int_equal(redis_int("HGET " E " enabled"), 0);
    assert_int_equal(redis_int("HGET " E " tally"), 0);
    assert_string_equal(redis_str("HGET " E " cert"), CERT_A);
    assert_string_equal(redis_str("HGET " E " serial"), "C02ABC");
    assert_string_equal(redis_str("GET mdm:{default/cert:" CERT_A "}"), UDID);

    /* no command before the TokenUpdate */

    assert_true(enqueue(state, UDID, "u1"));
    assert_int_equal(idle(state, CERT_A, id_is(UDID)), 200);
    got(NULL);

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis_int("HGET " E " enabled"), 1);
    assert_int_equal(redis_int("HGET " E " tally"), 1);

    idle(state, CERT_A, id_is(UDID));
    got("u1");

    assert_int_equal(redis_int("XLEN mdm:{default/0}:events"), 3);
}


static void
test_refused(void **state)
{
    char  *before;

    enroll(state, CERT_A);
    assert_true(enqueue(state, UDID, "u1"));

    before = snapshot(state);

    /* no certificate, another one, one of another device, one unknown */

    assert_int_equal(idle(state, NULL, id_is(UDID)), 403);
    assert_int_equal(idle(state, CERT_B, id_is(UDID)), 403);
    assert_int_equal(report(state, CERT_B, id_is(UDID), "Acknowledged", "u1"),
                     403);
    assert_int_equal(token_update(state, CERT_B, id_is(UDID)), 403);
    assert_int_equal(checkin(state, CERT_B, "CheckOut", id_is(UDID), ""),
                     403);
    assert_int_equal(checkin(state, CERT_B, "SetBootstrapToken", id_is(UDID),
                     "<key>BootstrapToken</key><data>AQID</data>"), 403);
    assert_int_equal(checkin(state, CERT_B, "GetBootstrapToken", id_is(UDID),
                     ""), 403);
    assert_int_equal(authenticate(state, CERT_A, id_is(OTHER)), 403);
    assert_int_equal(token_update(state, CERT_B, id_is(OTHER)), 403);

    settings.reenroll = MDM_REENROLL_DENY;
    assert_int_equal(authenticate(state, CERT_B, id_is(UDID)), 403);

    settings.reenroll = MDM_REENROLL_BOUND;
    assert_int_equal(authenticate(state, CERT_B, id_is(UDID)), 403);

    /* what cannot be used */

    assert_int_equal(checkin(state, CERT_A, "Unknown", id_is(UDID), ""), 400);
    assert_int_equal(checkin(state, CERT_A, "TokenUpdate", id_is(UDID), ""),
                     400);
    assert_int_equal(checkin(state, CERT_A, "Authenticate", "", ""), 400);
    assert_int_equal(checkin(state, CERT_A, "Authenticate", id_is(UDID)
                     "<key>EnrollmentID</key><string>x</string>", ""), 400);
    assert_int_equal(report(state, CERT_A, id_is(UDID), "Done", ""), 400);
    assert_int_equal(sendf(state, MDM_KIND_CONNECT, CERT_A, id_is(UDID)),
                     400);
    assert_int_equal(send_raw(state, MDM_KIND_CONNECT, CERT_A, "garbage"),
                     400);

    unchanged(state, before);
}


static void
test_reenroll(void **state)
{
    enroll(state, CERT_A);
    assert_true(enqueue(state, UDID, "u1"));
    assert_true(enqueue(state, UDID, "u2"));

    /* the same certificate: allowed whatever the setting */

    settings.reenroll = MDM_REENROLL_DENY;
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis_int("HGET " E " tally"), 0);
    assert_int_equal(redis_int("HEXISTS " E " q"), 0);
    assert_int_equal(redis_int("EXISTS mdm:{default/0}:q:" UDID), 0);
    assert_int_equal(redis_int("EXISTS mdm:{default/0}:c:u1"), 0);

    /* another: it takes the pin, the old one stops working */

    settings.reenroll = MDM_REENROLL_ANY;
    enroll(state, CERT_B);
    assert_int_equal(idle(state, CERT_A, id_is(UDID)), 403);
    assert_int_equal(idle(state, CERT_B, id_is(UDID)), 200);

    /* and is still tied to the device */

    assert_int_equal(authenticate(state, CERT_A, id_is(OTHER)), 403);

    /* an ack of the time before: 200, the queue as it was */

    assert_true(enqueue(state, UDID, "u3"));
    report(state, CERT_B, id_is(UDID), "Acknowledged", "u1");
    got("u3");
}


/* two Authenticates with two certificates: the pin changes in between */

static mdm_unit_fault_e
steal(mdm_call_t *call, mdm_uint_t n, void *data)
{
    void **state = data;

    (void) n;

    if (call->script == &mdm_script_claim) {
        redis_int("HSET " E " cert " CERT_C " type Device");
    }

    return MDM_UNIT_FAULT_NONE;
}


static void
test_race(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    enroll(state, CERT_A);

    settings.reenroll = MDM_REENROLL_ANY;
    redis->fault = steal;
    redis->fault_data = state;

    /* allowed at the second look as well */

    redis_int("HSET " E " cert " CERT_B);
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);

    redis->fault = NULL;
    assert_string_equal(redis_str("HGET " E " cert"), CERT_A);

    /* refused at the second look: the claim does not stay */

    mdm_unit_redis_clean(redis);
    redis->fault = steal;
    redis->fault_data = state;
    settings.reenroll = MDM_REENROLL_DENY;

    assert_int_equal(authenticate(state, CERT_B, id_is(UDID)), 403);
    assert_int_equal(redis_int("EXISTS mdm:{default/cert:" CERT_B "}"), 0);
    redis->fault = NULL;
}


static void
test_queue(void **state)
{
    enroll(state, CERT_A);

    assert_true(enqueue(state, UDID, "u1"));
    assert_true(enqueue(state, UDID, "u2"));
    assert_true(enqueue(state, UDID, "u3"));

    idle(state, CERT_A, id_is(UDID));
    got("u1");

    /* not answered: sent again */

    idle(state, CERT_A, id_is(UDID));
    got("u1");

    report(state, CERT_A, id_is(UDID), "Acknowledged", "u1");
    got("u2");

    /* twice, and unknown: nothing changes */

    report(state, CERT_A, id_is(UDID), "Acknowledged", "u1");
    got("u2");
    report(state, CERT_A, id_is(UDID), "Acknowledged", "never-queued");
    got("u2");

    report(state, CERT_A, id_is(UDID), "Error", "u2");
    got("u3");
    report(state, CERT_A, id_is(UDID), "CommandFormatError", "u3");
    got(NULL);

    assert_string_equal(redis_str("HGET mdm:{default/0}:r:" UDID ":u2 status"),
                        "Error");
    assert_string_equal(redis_str("HGET mdm:{default/0}:r:" UDID ":u2 type"),
                        "ProfileList");
    assert_int_equal(redis_int("EXISTS mdm:{default/0}:c:u1"), 0);
    assert_in_range(redis_int("TTL mdm:{default/0}:r:" UDID ":u1"), 3500,
                    3600);

    /* what was done is not queued again */

    assert_true(enqueue(state, UDID, "u1"));
    idle(state, CERT_A, id_is(UDID));
    got(NULL);

    /* an answer out of order takes out the right one */

    assert_true(enqueue(state, UDID, "v1"));
    assert_true(enqueue(state, UDID, "v2"));
    assert_true(enqueue(state, UDID, "v3"));
    report(state, CERT_A, id_is(UDID), "Acknowledged", "v2");
    got("v1");
    report(state, CERT_A, id_is(UDID), "Acknowledged", "v1");
    got("v3");
}


static void
test_notnow(void **state)
{
    enroll(state, CERT_A);

    assert_true(enqueue(state, UDID, "u1"));
    assert_true(enqueue(state, UDID, "u2"));
    assert_true(enqueue(state, UDID, "u3"));

    report(state, CERT_A, id_is(UDID), "NotNow", "u1");
    got("u2");
    report(state, CERT_A, id_is(UDID), "NotNow", "u2");
    got("u3");
    report(state, CERT_A, id_is(UDID), "NotNow", "u3");
    got(NULL);

    /* the next poll starts with the oldest again */

    idle(state, CERT_A, id_is(UDID));
    got("u1");
    report(state, CERT_A, id_is(UDID), "NotNow", "u1");
    got(NULL);
    assert_string_equal(strchr(redis_str("HGET mdm:{default/0}:nn:" UDID
                                         " u1"), ':'), ":2");

    /* another status: the oldest, refused or not */

    report(state, CERT_A, id_is(UDID), "Acknowledged", "u2");
    got("u1");
    report(state, CERT_A, id_is(UDID), "Acknowledged", "u1");
    got("u3");

    /* NotNow does not bring a finished one back */

    report(state, CERT_A, id_is(UDID), "NotNow", "u1");
    got(NULL);
    idle(state, CERT_A, id_is(UDID));
    got("u3");
    report(state, CERT_A, id_is(UDID), "Acknowledged", "u3");
    got(NULL);
    assert_int_equal(redis_int("EXISTS mdm:{default/0}:nn:" UDID), 0);
}


#define user_is(name)  id_is(UDID) "<key>UserID</key><string>" name          \
                       "</string><key>UserShortName</key><string>anna"        \
                       "</string>"

#define EU  "mdm:{default/0}:e:" UDID ":U1"


static void
test_users(void **state)
{
    enroll(state, CERT_A);

    /* unknown so far: nothing for it, and no harm */

    assert_int_equal(idle(state, CERT_A, user_is("U1")), 200);
    assert_int_equal(report(state, CERT_A, user_is("U1"), "Acknowledged",
                            "u1"), 200);
    assert_int_equal(redis_int("EXISTS " EU), 0);

    assert_int_equal(token_update(state, CERT_B, user_is("U1")), 403);
    assert_int_equal(authenticate(state, CERT_A, user_is("U1")), 400);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);

    assert_string_equal(redis_str("HGET " EU " type"), "User");
    assert_string_equal(redis_str("HGET " EU " parent"), UDID);

    assert_true(enqueue(state, UDID ":U1", "for-user"));
    assert_true(enqueue(state, UDID, "for-device"));

    idle(state, CERT_A, user_is("U1"));
    got("for-user");
    idle(state, CERT_A, id_is(UDID));
    got("for-device");

    /* CheckOut of the user is the user's only */

    assert_int_equal(checkin(state, CERT_A, "CheckOut", user_is("U1"), ""),
                     200);
    assert_int_equal(redis_int("HGET " EU " enabled"), 0);
    assert_int_equal(redis_int("HGET " E " enabled"), 1);

    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);
    assert_int_equal(redis_int("HGET " EU " tally"), 2);

    /* bootstrap calls of a user must not fail */

    assert_int_equal(checkin(state, CERT_A, "SetBootstrapToken",
                     user_is("U1"),
                     "<key>BootstrapToken</key><data>AQID</data>"), 200);
    assert_int_equal(checkin(state, CERT_A, "GetBootstrapToken",
                     user_is("U1"), ""), 200);

    /* the device starts afresh: so do its users */

    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis_int("HGET " EU " enabled"), 0);
    assert_int_equal(redis_int("HGET " EU " tally"), 0);
    assert_int_equal(redis_int("HEXISTS " EU " q"), 0);
    assert_int_equal(redis_int("EXISTS mdm:{default/0}:c:for-user"), 0);

    /* Shared iPad: by the short name */

    enroll(state, CERT_A);
    assert_int_equal(token_update(state, CERT_A,
                     user_is(MDM_SHARED_IPAD_USER)), 200);
    assert_string_equal(redis_str("HGET mdm:{default/0}:e:" UDID ":anna "
                                  "type"), "Shared iPad");

    /* CheckOut of the device takes all along */

    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);
    assert_int_equal(checkin(state, CERT_A, "CheckOut", id_is(UDID), ""),
                     200);
    assert_int_equal(redis_int("HGET " EU " enabled"), 0);
    assert_int_equal(redis_int("HGET " E " enabled"), 0);
}


static void
test_user_enrollment(void **state)
{
#define EN  "<key>EnrollmentID</key><string>e-1</string>"

    assert_int_equal(authenticate(state, CERT_A, EN), 200);
    assert_int_equal(token_update(state, CERT_A, EN), 200);
    assert_int_equal(token_update(state, CERT_A, EN
                     "<key>EnrollmentUserID</key><string>u</string>"), 200);

    assert_string_equal(redis_str("HGET mdm:{default/0}:e:e-1 type"),
                        "User Enrollment (Device)");
    assert_string_equal(redis_str("HGET mdm:{default/0}:e:e-1:u type"),
                        "User Enrollment");
}


static void
test_ids(void **state)
{
    char  *before;

    /* any byte is only a name */

    assert_int_equal(authenticate(state, CERT_A,
                     id_is("a b}{%%\"\\*?[\xc3\xa9")), 200);
    assert_int_equal(redis_int("EXISTS mdm:{default/0}:e:"
                     "a%%20b%%7D%%7B%%25%%22%%5C%%2A%%3F%%5B%%C3%%A9"), 1);

    before = snapshot(state);

    assert_int_equal(authenticate(state, CERT_B, id_is("a:b")), 400);
    assert_int_equal(authenticate(state, CERT_B, id_is("")), 400);
    assert_int_equal(authenticate(state, CERT_B, id_is("a&#10;b")), 400);
    assert_int_equal(authenticate(state, CERT_B, id_is("\xff")), 400);

    unchanged(state, before);
}


static void
test_bootstrap(void **state)
{
#define SET(data)  "<key>BootstrapToken</key><data>" data "</data>"
#define U  "mdm:{default/0}:u:" UDID

    enroll(state, CERT_A);

    /* none is kept: 200, no body */

    assert_int_equal(checkin(state, CERT_A, "GetBootstrapToken", id_is(UDID),
                     ""), 200);
    assert_int_equal(x->response.len, 0);

    assert_int_equal(checkin(state, CERT_A, "SetBootstrapToken", id_is(UDID),
                     SET("AQID")), 200);
    assert_int_equal(checkin(state, CERT_A, "GetBootstrapToken", id_is(UDID),
                     ""), 200);
    contains("AQID");

    /* a renewal keeps it */

    enroll(state, CERT_B);
    assert_int_equal(redis_int("HEXISTS " U " bootstrap"), 1);

    /* a new start in Setup Assistant does not */

    assert_int_equal(authenticate(state, CERT_B, id_is(UDID)), 200);
    assert_int_equal(checkin(state, CERT_B, "TokenUpdate", id_is(UDID), TOKEN
                     "<key>AwaitingConfiguration</key><true/>"), 200);
    assert_int_equal(redis_int("HEXISTS " U " bootstrap"), 0);

    /* but what was set since the Authenticate stays */

    assert_int_equal(authenticate(state, CERT_B, id_is(UDID)), 200);
    assert_int_equal(checkin(state, CERT_B, "SetBootstrapToken", id_is(UDID),
                     SET("BAUG")), 200);
    assert_int_equal(checkin(state, CERT_B, "TokenUpdate", id_is(UDID), TOKEN
                     "<key>AwaitingConfiguration</key><true/>"), 200);
    assert_int_equal(redis_int("HEXISTS " U " bootstrap"), 1);

    /* absent or empty: deleted */

    assert_int_equal(checkin(state, CERT_B, "SetBootstrapToken", id_is(UDID),
                     ""), 200);
    assert_int_equal(redis_int("HEXISTS " U " bootstrap"), 0);

    /* an unlock token that is absent is not cleared */

    assert_int_equal(checkin(state, CERT_B, "TokenUpdate", id_is(UDID), TOKEN
                     "<key>UnlockToken</key><data>AQID</data>"), 200);
    assert_int_equal(token_update(state, CERT_B, id_is(UDID)), 200);
    assert_int_equal(redis_int("HEXISTS " U " unlock"), 1);
}


static void
test_others(void **state)
{
    enroll(state, CERT_A);

    assert_int_equal(checkin(state, CERT_A, "UserAuthenticate",
                     user_is("U1"), ""), 410);
    assert_int_equal(checkin(state, CERT_B, "UserAuthenticate",
                     user_is("U1"), ""), 403);

    settings.user_authenticate = MDM_USER_AUTHENTICATE_ACCEPT;
    assert_int_equal(checkin(state, CERT_A, "UserAuthenticate",
                     user_is("U1"), ""), 200);
    contains("<key>DigestChallenge</key>\n\t<string></string>");
    assert_int_equal(checkin(state, CERT_A, "UserAuthenticate",
                     user_is("U1"),
                     "<key>DigestResponse</key><string>x</string>"), 200);
    assert_int_equal(x->response.len, 0);

    assert_int_equal(checkin(state, CERT_A, "GetToken", id_is(UDID),
                     "<key>TokenServiceType</key><string>x</string>"), 400);
    assert_int_equal(checkin(state, CERT_A, "GetToken", id_is(UDID), ""),
                     400);

    assert_int_equal(checkin(state, CERT_A, "ReturnToService", id_is(UDID),
                     ""), 200);
    contains("<key>Enabled</key>\n\t\t<false/>");
    assert_int_equal(checkin(state, CERT_B, "ReturnToService", id_is(UDID),
                     ""), 403);

    assert_int_equal(checkin(state, CERT_A, "DeclarativeManagement",
                     id_is(UDID),
                     "<key>Endpoint</key><string>tokens</string>"), 200);
    assert_int_equal(checkin(state, CERT_B, "DeclarativeManagement",
                     id_is(UDID),
                     "<key>Endpoint</key><string>tokens</string>"), 403);
}


static mdm_unit_fault_e
lose_reply(mdm_call_t *call, mdm_uint_t n, void *data)
{
    mdm_uint_t *nth = data;

    (void) call;
    (void) n;

    return ((*nth)-- == 1) ? MDM_UNIT_FAULT_AFTER : MDM_UNIT_FAULT_NONE;
}


/* Redis away, and a reply that was lost */

static void
test_unavailable(void **state)
{
    mdm_uint_t         nth;
    mdm_unit_redis_t  *redis = *state;

    enroll(state, CERT_A);
    assert_true(enqueue(state, UDID, "u1"));
    assert_true(enqueue(state, UDID, "u2"));

    nth = 1;
    redis->fault = lose_reply;
    redis->fault_data = &nth;

    assert_int_equal(report(state, CERT_A, id_is(UDID), "Acknowledged",
                            "u1"), 503);
    assert_in_range(x->retry_after, 1, 60);
    redis->fault = NULL;

    /* the device repeats it: taken once */

    report(state, CERT_A, id_is(UDID), "Acknowledged", "u1");
    got("u2");
    assert_int_equal(redis_int("ZCARD mdm:{default/0}:done:" UDID), 1);
}


static void
test_lost_body(void **state)
{
    enroll(state, CERT_A);
    assert_true(enqueue(state, UDID, "u1"));
    assert_true(enqueue(state, UDID, "u2"));
    redis_int("DEL mdm:{default/0}:c:u1");

    idle(state, CERT_A, id_is(UDID));
    got("u2");
    assert_non_null(x->log);
    assert_int_equal(x->log->level, MDM_LOG_ERROR);
}


static void
test_without_uuid(void **state)
{
    enroll(state, CERT_A);
    assert_true(enqueue(state, UDID, "u1"));

    assert_int_equal(sendf(state, MDM_KIND_CONNECT, CERT_A, id_is(UDID)
                     "<key>Status</key><string>Error</string>"), 200);
    got("u1");
    assert_int_equal(redis_int("EXISTS mdm:{default/0}:r:" UDID ":"), 1);
}


static void
test_migrated(void **state)
{
    /* as /migration leaves it */

    redis_int("HSET " E " type Device enabled 1 tally 1 migrated 1");
    assert_true(enqueue(state, UDID, "u1"));

    idle(state, CERT_A, id_is(UDID));
    got("u1");
    assert_string_equal(redis_str("HGET " E " cert"), CERT_A);
    assert_int_equal(redis_int("HEXISTS " E " migrated"), 0);
    assert_string_not_equal(redis_str("ZSCORE mdm:{work}:due:renew default"),
                            "");
    assert_int_equal(idle(state, CERT_B, id_is(UDID)), 403);

    /* a certificate of another device does not get in */

    redis_int("HSET mdm:{default/0}:e:" OTHER
              " type Device enabled 1 migrated 1");
    assert_int_equal(idle(state, CERT_A, id_is(OTHER)), 403);

    settings.reenroll = MDM_REENROLL_BOUND;
    assert_int_equal(idle(state, CERT_C, id_is(OTHER)), 403);
    assert_int_equal(redis_int("EXISTS mdm:{default/cert:" CERT_C "}"), 0);

    /* reset by an administrator: only by Authenticate */

    settings.reenroll = MDM_REENROLL_ANY;
    redis_int("HDEL " E " cert");
    assert_int_equal(idle(state, CERT_A, id_is(UDID)), 403);
    settings.reenroll = MDM_REENROLL_DENY;
    assert_int_equal(authenticate(state, CERT_B, id_is(UDID)), 200);
}


/* a random run against a list in memory: order, references, nothing left */

#define COMMANDS  12
#define STEPS     4000

static void
test_model(void **state)
{
    int         refused[COMMANDS], n, i, k, op, want;
    char        uuid[16];
    mdm_uint_t  serial[COMMANDS], next;

    enroll(state, CERT_A);

    srandom(20261124);
    n = 0;
    next = 0;

    for (i = 0; i < STEPS; i++) {

        op = (int) (random() % 10);

        if (op < 4 && n < COMMANDS) {
            (void) snprintf(uuid, sizeof(uuid), "m%lu", (unsigned long) next);
            assert_true(enqueue(state, UDID, uuid));
            refused[n] = 0;
            serial[n++] = next++;
            continue;
        }

        want = 0;

        if (op < 6 || n == 0) {
            idle(state, CERT_A, id_is(UDID));

        } else {
            k = (int) (random() % n);
            (void) snprintf(uuid, sizeof(uuid), "m%lu",
                            (unsigned long) serial[k]);

            if (op == 6) {
                report(state, CERT_A, id_is(UDID), "NotNow", uuid);
                refused[k] = 1;

                while (want < n && refused[want]) {
                    want++;
                }

            } else {
                report(state, CERT_A, id_is(UDID), "Acknowledged", uuid);

                for (n--; k < n; k++) {
                    serial[k] = serial[k + 1];
                    refused[k] = refused[k + 1];
                }
            }
        }

        if (want == n) {
            got(NULL);
            continue;
        }

        (void) snprintf(uuid, sizeof(uuid), "m%lu",
                        (unsigned long) serial[want]);
        got(uuid);
    }

    while (n != 0) {
        (void) snprintf(uuid, sizeof(uuid), "m%lu",
                        (unsigned long) serial[--n]);
        report(state, CERT_A, id_is(UDID), "Acknowledged", uuid);
    }

    got(NULL);
    assert_int_equal(redis_int("EXISTS mdm:{default/0}:q:" UDID), 0);
    assert_int_equal(redis_int("EXISTS mdm:{default/0}:nn:" UDID), 0);
    assert_int_equal(redis_int("EVAL %s 0",
        "return #redis.call('KEYS', 'mdm:*:c:*')"), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_enroll, clean),
        cmocka_unit_test_setup(test_refused, clean),
        cmocka_unit_test_setup(test_reenroll, clean),
        cmocka_unit_test_setup(test_race, clean),
        cmocka_unit_test_setup(test_queue, clean),
        cmocka_unit_test_setup(test_notnow, clean),
        cmocka_unit_test_setup(test_users, clean),
        cmocka_unit_test_setup(test_user_enrollment, clean),
        cmocka_unit_test_setup(test_ids, clean),
        cmocka_unit_test_setup(test_bootstrap, clean),
        cmocka_unit_test_setup(test_others, clean),
        cmocka_unit_test_setup(test_unavailable, clean),
        cmocka_unit_test_setup(test_lost_body, clean),
        cmocka_unit_test_setup(test_without_uuid, clean),
        cmocka_unit_test_setup(test_migrated, clean),
        cmocka_unit_test_setup(test_model, clean)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
