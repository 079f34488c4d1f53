
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Check-in and connect through a real redis-server: every message, status
 * and refusal, the order of the queue, and a random run against a model.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_endpoint.h"
#include "mdm_key.h"
#include "mdm_message.h"
#include "mdm_unit_redis.h"


#define CERT_A  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                            \
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CERT_B  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"                            \
                "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CERT_C  "cccccccccccccccccccccccccccccccc"                            \
                "cccccccccccccccccccccccccccccccc"

#define UDID    "11111111-2222-3333-4444-555555555555"
#define OTHER   "99999999-2222-3333-4444-555555555555"

#define id_is(name)  "<key>UDID</key><string>" name "</string>"


static mdm_settings_t  settings = {
    .partitions = 1,
    .queue_limit = 20,
    .result_ttl = 3600,
    .event_limit = 1000,
    .keep_certificate = 1,
    .api_ids = 100,
    .plist_depth = 32,
    .plist_nodes = 100000
};


static mdm_exchange_t  *x;


/* one message; the exchange stays in x until the next */

static mdm_uint_t
send_raw(void **state, mdm_kind_e kind, const char *cert, const char *body)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = kind;
    x->method = MDM_PUT;
    x->now = 1700000000;
    mdm_str_set(&x->tenant, "default");
    x->body.data = (u_char *) body;
    x->body.len = strlen(body);

    if (cert != NULL) {
        x->identity.source = MDM_IDENTITY_TLS;
        x->identity.digest.data = (u_char *) cert;
        x->identity.digest.len = strlen(cert);
        x->identity.sha256 = x->identity.digest;
        mdm_str_set(&x->identity.der, "not a real one");
    }

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    return x->status;
}


static mdm_uint_t
sendf(void **state, mdm_kind_e kind, const char *cert, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static mdm_uint_t
sendf(void **state, mdm_kind_e kind, const char *cert, const char *fmt, ...)
{
    va_list      args;
    static char  keys[8192], body[8400];

    va_start(args, fmt);
    (void) vsnprintf(keys, sizeof(keys), fmt, args);
    va_end(args);

    (void) snprintf(body, sizeof(body),
                    "<?xml version=\"1.0\"?><plist version=\"1.0\">"
                    "<dict>%s</dict></plist>", keys);

    return send_raw(state, kind, cert, body);
}


#define checkin(state, cert, type, id, more)                                  \
    sendf(state, MDM_KIND_CHECKIN, cert,                                      \
          "<key>MessageType</key><string>" type "</string>" id more)

#define authenticate(state, cert, id)                                         \
    checkin(state, cert, "Authenticate", id,                                  \
            "<key>Topic</key><string>com.apple.mgmt.X</string>"               \
            "<key>SerialNumber</key><string>C02ABC</string>")

#define TOKEN                                                                 \
    "<key>Topic</key><string>com.apple.mgmt.X</string>"                       \
    "<key>PushMagic</key><string>magic</string>"                              \
    "<key>Token</key><data>AQID</data>"

#define token_update(state, cert, id)                                         \
    checkin(state, cert, "TokenUpdate", id, TOKEN)

#define report(state, cert, id, status, uuid)                                 \
    sendf(state, MDM_KIND_CONNECT, cert, id                                   \
          "<key>Status</key><string>%s</string>"                              \
          "<key>CommandUUID</key><string>%s</string>", status, uuid)

#define idle(state, cert, id)                                                 \
    sendf(state, MDM_KIND_CONNECT, cert, id                                   \
          "<key>Status</key><string>Idle</string>")


static void
enroll(void **state, const char *cert)
{
    assert_int_equal(authenticate(state, cert, id_is(UDID)), 200);
    assert_int_equal(token_update(state, cert, id_is(UDID)), 200);
}


/* by the script itself: the API has tests of its own */

static int
enqueue(void **state, const char *id, const char *uuid)
{
    int           rc;
    char          body[64];
    mdm_str_t     args[9];
    mdm_call_t    call;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(4096);

    (void) snprintf(body, sizeof(body), "body of %s", uuid);

    memset(&call, 0, sizeof(call));
    call.script = &mdm_script_enqueue;
    mdm_str_set(&call.key, "mdm:{default/0}");
    call.args = args;
    call.nargs = 9;

    args[0].data = (u_char *) uuid;
    args[0].len = strlen(uuid);
    mdm_str_set(&args[1], "ProfileList");
    args[2].data = (u_char *) body;
    args[2].len = strlen(body);
    mdm_str_set(&args[3], "20");
    mdm_str_set(&args[4], "1000");
    mdm_str_set(&args[5], "admin");
    mdm_str_set(&args[6], "127.0.0.1");
    mdm_str_set(&args[7], "");
    args[8].data = (u_char *) id;
    args[8].len = strlen(id);

    rc = mdm_unit_redis_eval(*state, arena, &call) == MDM_CALL_OK;

    mdm_arena_destroy(arena);

    return rc;
}


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


#define redis_int(...)  mdm_unit_redis_int(*state, __VA_ARGS__)
#define redis_str(...)  mdm_unit_redis_str(*state, x->arena, __VA_ARGS__)

#define E  "mdm:{default/0}:e:" UDID


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


static int
clean(void **state)
{
    mdm_unit_redis_clean(*state);
    settings.reenroll = MDM_REENROLL_ANY;
    settings.user_authenticate = MDM_USER_AUTHENTICATE_REFUSE;

    return 0;
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
    assert_int_equal(report(state, CERT_A, id_is(UDID), "Done", "u1"), 400);
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
    assert_non_null(x->notes);
    assert_int_equal(x->notes->level, MDM_NOTE_ERROR);
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


static int
teardown(void **state)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
        x = NULL;
    }

    return mdm_unit_redis_teardown(state);
}


/* the first channel of a partition: it has no sets yet, the tenant has */

static mdm_unit_fault_e
no_kick(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return (call->script == &mdm_script_ddm_job) ? MDM_UNIT_FAULT_BEFORE
                                                 : MDM_UNIT_FAULT_NONE;
}


static void
test_first_channel(void **state)
{
    mdm_unit_redis_t  *redis;

    redis = *state;

    /* a tenant without sets keeps nothing */

    enroll(state, CERT_A);
    assert_int_equal(redis->rounds, 2);
    assert_false(x->job);
    assert_int_equal(redis_int("EXISTS mdm:{default/ddm}:job"), 0);
    assert_int_equal(redis_int("EXISTS mdm:jobs"), 0);

    redis_int("HSET mdm:{default/ddm}:meta rev 7");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis->rounds, 3);
    assert_true(x->job);
    assert_int_equal(redis_int("HGET mdm:{default/ddm}:job kick"), 1);
    assert_true(redis_int("ZSCORE mdm:jobs default") > 0);

    /* a worker that ended before it could say so: the device asks again */

    redis_int("DEL mdm:{default/ddm}:job mdm:jobs");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis_int("HGET mdm:{default/ddm}:job kick"), 1);
    assert_true(redis_int("ZSCORE mdm:jobs default") > 0);

    /* the node of the sets is away: that is no reason to refuse a device */

    redis->fault = no_kick;

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_true(x->job);

    redis->fault = NULL;

    /* it has them now */

    redis_int("DEL mdm:{default/ddm}:job mdm:jobs");
    redis_int("HSET mdm:{default/0}:ddm rev 7");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis->rounds, 1);
    assert_false(x->job);
    assert_int_equal(redis_int("EXISTS mdm:jobs"), 0);
}


/* a full queue must not keep a channel from its declarations */

static void
test_full_queue(void **state)
{
    int   i;
    char  uuid[16];

    enroll(state, CERT_A);

    for (i = 0; i < 20; i++) {
        (void) snprintf(uuid, sizeof(uuid), "u%d", i);
        assert_true(enqueue(state, UDID, uuid));
    }

    redis_int("HSET mdm:{default/0}:ddm rev 1");
    redis_int("HSET mdm:{default/0}:dd s %s",
              "{\"r\":1,\"n\":1,\"x\":0,\"d\":[[\"c\",\"i\",\"t\",\"\"]]}");
    redis_int("HSET mdm:{default/0}:d:" UDID " s:s 1");

    assert_int_equal(checkin(state, CERT_A, "TokenUpdate", id_is(UDID),
                             TOKEN "<key>NotOnConsole</key><false/>"), 200);
    assert_int_equal(redis_int("HEXISTS " E " dc"), 1);
    assert_int_equal(redis_int("LLEN mdm:{default/0}:q:" UDID), 20);
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
        cmocka_unit_test_setup(test_model, clean),
        cmocka_unit_test_setup(test_first_channel, clean),
        cmocka_unit_test_setup(test_full_queue, clean)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
