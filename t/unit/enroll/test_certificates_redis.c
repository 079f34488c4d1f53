
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The ledger, bindings and renewal, with a real redis-server: certificates are
 * issued by the steps that SCEP uses, and devices come with them.
 */


#include "admin.h"
#include "pki.h"

#include <stdlib.h>

#include "mdm_certificate.h"
#include "mdm_certificates_job.h"


#define T       "mdm:{default/0}"
#define C       "mdm:{default/ca}"

#define FROM    1700000000
#define ENDS    4000000000

#define LEDGERS  64


/* a certificate, its digests as the server has them */

typedef struct {
    mdm_str_t                 der;
    char                      sha256[65];
    u_char                    digest[32];
    char                      spki[16];
    char                      sn[16];
} issued_t;


static mdm_secret_keys_t         keys;

static mdm_arena_t              *arena;     /* of certificates */

static mdm_challenge_new_t       made;
static mdm_challenge_take_t      took;
static mdm_certificates_owner_t  owns;
static mdm_certificates_issued_t stored;

static mdm_uint_t                serials;


/* what SCEP does, from a challenge to the answer */

enum {
    ISSUE_BEGIN = 0,
    ISSUE_MADE,
    ISSUE_TAKEN,
    ISSUE_OWNED,
    ISSUE_STORED
};


static issued_t  *want;
static char       value[64];
static int64_t    asked;     /* when, 0: unknown */


static mdm_int_t
issue_step(mdm_exchange_t *y)
{
    switch (y->state) {

    case ISSUE_BEGIN:

        if (value[0] == '\0') {
            made.uses = 1;
            made.ttl = 3600;

            return mdm_exchange_enter(y, mdm_challenge_create, &made,
                                      ISSUE_MADE);
        }

        /* fall through */

    case ISSUE_MADE:

        if (value[0] == '\0') {
            (void) snprintf(value, sizeof(value), "%.*s",
                            mdm_fmt(&made.value));
        }

        mdm_str_set(&took.ca, "devices");
        took.value.data = (u_char *) value;
        took.value.len = strlen(value);
        took.spki.data = (u_char *) want->spki;
        took.spki.len = strlen(want->spki);
        took.sn.data = (u_char *) want->sn;
        took.sn.len = strlen(want->sn);
        took.from = FROM;
        took.ends = ENDS;

        return mdm_exchange_enter(y, mdm_challenge_take, &took, ISSUE_TAKEN);

    case ISSUE_TAKEN:

        if (took.code < 0) {
            return mdm_exchange_empty(y, 409);
        }

        owns.spki = took.spki;
        owns.c = took.c;
        owns.ends = took.ends;

        return mdm_exchange_enter(y, mdm_certificates_owner, &owns,
                                  ISSUE_OWNED);

    case ISSUE_OWNED:

        if (owns.refused) {
            return mdm_exchange_empty(y, 403);
        }

        stored.key = took.key;
        stored.name = took.spki;
        stored.der = took.der.len ? took.der : want->der;
        stored.spki = took.spki;
        stored.sn = took.sn;
        stored.from = took.from;
        stored.ends = took.ends;
        stored.ca = took.ca;
        stored.c = took.c;
        stored.owner = owns.owner;
        stored.at = asked;

        return mdm_exchange_enter(y, mdm_certificates_finish, &stored,
                                  ISSUE_STORED);

    default: /* ISSUE_STORED */
        return mdm_exchange_empty(y, stored.refused ? 409 : 200);
    }
}


/* "v": a challenge that is there, or "": a new one with these bindings */

static mdm_uint_t
issue(void **state, issued_t *c, const char *v, mdm_uint_t purpose,
    const char *udid, const char *serial)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    memset(&made, 0, sizeof(made));
    memset(&took, 0, sizeof(took));
    memset(&owns, 0, sizeof(owns));
    memset(&stored, 0, sizeof(stored));

    x->kind = MDM_KIND_API;
    mdm_str_set(&x->tenant, "default");
    x->now = FROM;
    x->step = issue_step;

    want = c;

    if (v != value) {
        (void) snprintf(value, sizeof(value), "%s", v);
    }

    made.c.purpose = purpose;
    made.c.udid.data = (u_char *) udid;
    made.c.udid.len = strlen(udid);
    made.c.serial.data = (u_char *) serial;
    made.c.serial.len = strlen(serial);

    mdm_unit_redis_run(*state, x);

    if (x->status == 200) {
        (void) snprintf(c->sha256, sizeof(c->sha256), "%.*s",
                        mdm_fmt(&stored.sha256));
    }

    return x->status;
}


/* one that is not issued yet; each is another one */

static issued_t *
certificate(void)
{
    char       hex[80];
    issued_t  *c;

    c = mdm_arena_zalloc(arena, sizeof(issued_t));
    assert_non_null(c);

    serials++;

    (void) snprintf(c->spki, sizeof(c->spki), "ab%04lx",
                    (unsigned long) serials);
    (void) snprintf(c->sn, sizeof(c->sn), "cd%04lx", (unsigned long) serials);
    (void) snprintf(hex, sizeof(hex), "no real certificate, number %lu",
                    (unsigned long) serials);

    c->der.len = strlen(hex);
    c->der.data = mdm_arena_alloc(arena, c->der.len);
    memcpy(c->der.data, hex, c->der.len);

    assert_int_equal(mdm_certificate_sha256(&c->der, c->digest,
                                            (u_char *) c->sha256),
                     MDM_OK);

    return c;
}


/* a message under it */

static mdm_uint_t
with(void **state, mdm_kind_e kind, const issued_t *c, const char *inner)
{
    static char  body[4096];

    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    (void) snprintf(body, sizeof(body), "<?xml version=\"1.0\"?>"
                    "<plist version=\"1.0\"><dict>%s</dict></plist>", inner);

    x->kind = kind;
    x->method = MDM_PUT;
    x->now = FROM;
    mdm_str_set(&x->tenant, "default");
    x->body.data = (u_char *) body;
    x->body.len = strlen(body);
    x->identity.source = MDM_IDENTITY_TLS;
    x->identity.digest.data = (u_char *) c->digest;
    x->identity.digest.len = 32;
    x->identity.sha256.data = (u_char *) c->sha256;
    x->identity.sha256.len = 64;
    x->identity.der = c->der;

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    return x->status;
}


#define SERIAL(s)  "<key>SerialNumber</key><string>" s "</string>"

#define authenticates(state, c, id, more)                                     \
    with(state, MDM_KIND_CHECKIN, c, "<key>MessageType</key>"                 \
         "<string>Authenticate</string><key>Topic</key><string>t</string>"    \
         id more)

#define updates(state, c, id)                                                 \
    with(state, MDM_KIND_CHECKIN, c, "<key>MessageType</key>"                 \
         "<string>TokenUpdate</string>" id TOKEN)

#define polls(state, c, id)                                                   \
    with(state, MDM_KIND_CONNECT, c, id                                       \
         "<key>Status</key><string>Idle</string>")

#define user_id(u)  id_is(UDID) "<key>UserID</key><string>" u "</string>"     \
                    "<key>UserShortName</key><string>anna</string>"

#define enrollment_is(id)  "<key>EnrollmentID</key><string>" id "</string>"

#define ledger(c, field)                                                      \
    redis_str("HGET mdm:{default/cert:%s}:x " field, (c)->sha256)

#define field(name)  redis_str("HGET " E " " name)


static void
is_pin(void **state, const issued_t *c)
{
    redisReply  *reply;

    reply = mdm_unit_redis_command(*state, "HGET " E " cert");

    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_memory_equal(reply->str, c->digest, 32);

    freeReplyObject(reply);
}


/* how many events of a stream have this name */

static long long
events(void **state, const char *stream, const char *name)
{
    return mdm_unit_redis_int(*state, "EVAL %s 1 %s %s",
        "local n = 0;"
        "for _, e in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do "
        "if e[2][2] == ARGV[1] then n = n + 1 end end return n", stream, name);
}


static void
test_ledger(void **state)
{
    char       first[65];
    issued_t  *a, *b;

    a = certificate();

    assert_int_equal(issue(state, a, "", MDM_PURPOSE_DEVICE, "", ""), 200);
    assert_string_equal(ledger(a, "state"), "issued");
    assert_string_equal(ledger(a, "ca"), "devices");
    assert_string_equal(ledger(a, "purpose"), "device");
    assert_string_equal(ledger(a, "serial"), a->sn);
    assert_string_equal(ledger(a, "key"), a->spki);
    assert_string_equal(ledger(a, "until"), "4000000000");
    assert_string_equal(redis_str("GET mdm:{default/sn:devices:%s}", a->sn),
                        a->sha256);
    assert_int_equal(events(state, C ":events", "mdm.CertificateIssued"), 1);
    assert_int_equal(redis_int("EXISTS mdm:{default/cert:%s}", a->sha256), 0);

    /* the same key again, with other bytes: what was stored is answered */

    (void) snprintf(first, sizeof(first), "%s", a->sha256);
    b = certificate();
    memcpy(b->spki, a->spki, sizeof(b->spki));

    assert_int_equal(issue(state, b, value, 0, "", ""), 200);
    assert_string_equal(b->sha256, first);
    assert_int_equal(events(state, C ":events", "mdm.CertificateIssued"), 1);

    /* another key */

    assert_int_equal(issue(state, certificate(), value, 0, "", ""), 409);

    /* it is pinned to whoever comes first, and to nobody else */

    assert_int_equal(authenticates(state, a, id_is(UDID), ""), 200);
    assert_string_equal(ledger(a, "state"), "pinned");
    assert_string_equal(ledger(a, "device"), UDID);
    assert_int_equal(authenticates(state, a, id_is(OTHER), ""), 403);
}


/* whatever mdm_reenroll says */

static void
test_bound(void **state)
{
    issued_t    *c;
    mdm_uint_t   i;

    static const mdm_uint_t  modes[] = {
        MDM_REENROLL_ANY, MDM_REENROLL_DENY
    };

    for (i = 0; i < 2; i++) {
        mdm_unit_redis_clean(*state);
        settings.reenroll = modes[i];

        /* to a UDID */

        c = certificate();
        assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, UDID, ""),
                         200);
        assert_int_equal(authenticates(state, c, id_is(OTHER), ""), 403);
        assert_int_equal(authenticates(state, c, enrollment_is(OTHER), ""),
                         403);
        assert_int_equal(redis_int("EXISTS mdm:{default/cert:%s}", c->sha256),
                         0);
        assert_int_equal(redis_int("EXISTS " T ":e:" OTHER), 0);
        assert_int_equal(events(state, T ":events", "mdm.CertificateRefused"),
                         2);
        assert_int_equal(authenticates(state, c, id_is(UDID), ""), 200);

        /* to a serial number: that of the message, and the one that is
           stored */

        c = certificate();
        assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, "", "S1"),
                         200);
        assert_int_equal(authenticates(state, c, id_is("D1"), ""), 403);
        assert_int_equal(authenticates(state, c, id_is("D1"), SERIAL("S2")),
                         403);
        assert_int_equal(authenticates(state, c, id_is("D1"), SERIAL("s1")),
                         200);

        c = certificate();
        assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, "", "S9"),
                         200);
        assert_int_equal(authenticates(state, c, id_is("D1"), SERIAL("S9")),
                         403);

        /* for User Enrollment */

        c = certificate();
        assert_int_equal(issue(state, c, "", MDM_PURPOSE_USER, "", ""), 200);
        assert_int_equal(authenticates(state, c, id_is("D2"), ""), 403);
        assert_int_equal(authenticates(state, c, enrollment_is("E1"), ""),
                         200);

        /* never pinned */

        c = certificate();
        assert_int_equal(issue(state, c, "", MDM_PURPOSE_OTA, "", ""), 200);
        assert_int_equal(authenticates(state, c, id_is("D3"), ""), 403);
    }
}


static issued_t *
enrolled(void **state)
{
    issued_t  *a;

    a = certificate();

    assert_int_equal(issue(state, a, "", MDM_PURPOSE_DEVICE, UDID, ""), 200);
    assert_int_equal(authenticates(state, a, id_is(UDID), SERIAL("S1")), 200);
    assert_int_equal(updates(state, a, id_is(UDID)), 200);
    assert_int_equal(updates(state, a, user_id("U1")), 200);
    assert_true(enqueue(state, UDID, "c1"));
    (void) mdm_unit_redis_int(*state, "HSET " T ":u:" UDID
                              " bootstrap b bootstrap_gen 1 unlock u"
                              " unlock_gen 1");

    return a;
}


/* nothing is lost by a renewal */

static void
kept(void **state, const issued_t *c)
{
    is_pin(state, c);
    assert_string_equal(field("q"), "c1");
    assert_string_equal(field("enabled"), "1");
    assert_string_equal(field("next"), "");
    assert_int_equal(redis_int("HEXISTS " T ":u:" UDID " bootstrap"), 1);
    assert_int_equal(redis_int("HEXISTS " T ":u:" UDID " unlock"), 1);
    assert_int_equal(redis_int("HEXISTS " T ":u:" UDID " bootstrap_held"), 0);
    assert_int_equal(polls(state, c, user_id("U1")), 200);
    assert_int_equal(polls(state, c, id_is(UDID)), 200);
    assert_non_null(memmem(x->response.data, x->response.len, "body of c1",
                           10));
}


/* the first message under the new certificate, whichever it is */

static void
test_renewal(void **state)
{
    issued_t    *a, *b;
    mdm_uint_t   first, mode, serial;

    static const mdm_uint_t  modes[] = {
        MDM_REENROLL_ANY, MDM_REENROLL_BOUND, MDM_REENROLL_DENY
    };

    for (first = 0; first < 15; first++) {
        mode = modes[first / 5];
        serial = first & 1;

        mdm_unit_redis_clean(*state);
        settings.reenroll = MDM_REENROLL_ANY;
        a = enrolled(state);
        settings.reenroll = mode;

        b = certificate();
        assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW,
                               serial ? "" : UDID, serial ? "S1" : ""),
                         200);
        assert_string_equal(redis_str("GET mdm:{default/cert:%s}", b->sha256),
                            UDID);
        is_pin(state, a);
        assert_int_equal(polls(state, a, id_is(UDID)), 200);
        is_pin(state, a);

        switch (first % 5) {

        case 0:
            assert_int_equal(authenticates(state, b, id_is(UDID),
                                           SERIAL("S1")), 200);
            break;

        case 1:
            assert_int_equal(updates(state, b, id_is(UDID)), 200);
            break;

        case 2:
            assert_int_equal(polls(state, b, id_is(UDID)), 200);
            break;

        case 3:
            assert_int_equal(updates(state, b, user_id("U1")), 200);
            break;

        default:
            assert_int_equal(polls(state, b, user_id("U1")), 200);
            break;
        }

        kept(state, b);

        assert_string_equal(ledger(a, "state"), "replaced");
        assert_string_equal(ledger(b, "state"), "pinned");
        assert_int_equal(events(state, T ":events", "mdm.CertificateRenewed"),
                         1);

        /* the answer got lost, or it comes with an Authenticate after all */

        assert_int_equal(authenticates(state, b, id_is(UDID), SERIAL("S1")),
                         200);
        kept(state, b);
        assert_int_equal(events(state, T ":events", "mdm.CertificateRenewed"),
                         1);

        /* what was under way with the old one is taken for a while */

        assert_int_equal(polls(state, a, id_is(UDID)), 200);
        is_pin(state, b);
        (void) mdm_unit_redis_int(*state, "HSET " E " was_until 1");
        assert_int_equal(polls(state, a, id_is(UDID)), 403);
        assert_int_equal(updates(state, a, id_is(UDID)), 403);
    }
}


/* who it is for, though the challenge says it with letters of another case, or
   others came with the serial number, too */

#define LETTERS  "ABCDEF00-2222-3333-4444-555555555555"
#define LETTERS_LOWER  "abcdef00-2222-3333-4444-555555555555"

static void
test_found(void **state)
{
    issued_t    *a, *b, *c;
    mdm_uint_t   i;

    for (i = 0; i < 2; i++) {
        mdm_unit_redis_clean(*state);

        a = certificate();
        b = certificate();

        assert_int_equal(issue(state, a, "", MDM_PURPOSE_DEVICE, "", ""), 200);
        assert_int_equal(authenticates(state, a,
                                       id_is(LETTERS), SERIAL("S1")), 200);
        assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW,
                               i ? "AbCdEf00-2222-3333-4444-555555555555"
                                 : LETTERS_LOWER, ""), 200);
        assert_string_equal(redis_str("GET mdm:{default/cert:%s}", b->sha256),
                            LETTERS);
        assert_int_equal(polls(state, b, id_is(LETTERS)), 200);
        assert_int_equal(events(state, T ":events", "mdm.CertificateRenewed"),
                         1);
    }

    /* the index has one that had the number once, or does not exist */

    for (i = 0; i < 3; i++) {
        mdm_unit_redis_clean(*state);
        a = enrolled(state);
        b = certificate();
        c = certificate();

        (void) mdm_unit_redis_int(*state, "SADD mdm:{default/serial:S1} "
                                  "nobody " LETTERS);

        if (i != 0) {
            assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, "", ""),
                             200);
            assert_int_equal(authenticates(state, c, id_is(OTHER),
                                           SERIAL("S1")), 200);
        }

        assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW, "", "S1"),
                         200);

        /* where two have it, whoever comes first renews */

        assert_string_equal(redis_str("GET mdm:{default/cert:%s}", b->sha256),
                            (i == 0) ? UDID : "");

        if (i == 2) {
            assert_int_equal(authenticates(state, b, id_is(UDID),
                                           SERIAL("S1")), 200);
        }

        assert_int_equal(polls(state, b, id_is(UDID)), 200);
        kept(state, b);
        assert_string_equal(ledger(a, "state"), "replaced");

        if (i != 0) {
            assert_int_equal(polls(state, b, id_is(OTHER)), 403);
            assert_int_equal(polls(state, c, id_is(OTHER)), 200);
        }
    }
}


/* a wipe while a renewal is pending */

static void
test_wiped(void **state)
{
    char       old[64];
    issued_t  *a, *b, *c;

    a = enrolled(state);
    b = certificate();
    c = certificate();

    assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW, UDID, ""), 200);
    (void) snprintf(old, sizeof(old), "%s", value);
    assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, UDID, ""), 200);

    assert_int_equal(authenticates(state, c, id_is(UDID), SERIAL("S1")), 200);
    is_pin(state, c);
    assert_string_equal(field("q"), "");
    assert_string_equal(field("enabled"), "0");
    assert_string_equal(field("next"), "");
    assert_string_equal(ledger(a, "state"), "replaced");

    /* the renewal is cancelled */

    assert_int_equal(polls(state, b, id_is(UDID)), 403);
    assert_int_equal(polls(state, a, id_is(UDID)), 403);

    /* and does not come back with its request, made before that */

    asked = (int64_t) time(NULL) - 100;
    assert_int_equal(issue(state, b, old, MDM_PURPOSE_RENEW, UDID, ""), 200);
    asked = 0;
    assert_string_equal(field("next"), "");
    assert_int_equal(polls(state, b, id_is(UDID)), 403);
    is_pin(state, c);
}


/* somebody else's renewal opens nothing */

static void
test_foreign(void **state)
{
    issued_t  *a, *b;

    a = enrolled(state);
    b = certificate();

    assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW, OTHER, ""), 200);
    assert_int_equal(polls(state, b, id_is(UDID)), 403);
    assert_int_equal(authenticates(state, b, id_is(UDID), SERIAL("S1")), 403);
    kept(state, a);

    /* who is not enrolled is not renewed: it is a first enrollment */

    assert_int_equal(authenticates(state, b, id_is(OTHER), ""), 200);
}


/* one public key, one device */

static void
test_keys(void **state)
{
    issued_t    *a, *b;
    mdm_uint_t   i;

    for (i = 0; i < 2; i++) {
        mdm_unit_redis_clean(*state);
        store_settings.secrets = i ? &keys : NULL;

        a = certificate();
        b = certificate();
        memcpy(b->spki, a->spki, sizeof(b->spki));

        assert_int_equal(issue(state, a, "", MDM_PURPOSE_DEVICE, UDID, "S1"),
                         200);
        assert_int_equal(issue(state, b, "", MDM_PURPOSE_DEVICE, OTHER, ""),
                         403);
        assert_int_equal(issue(state, b, "", MDM_PURPOSE_DEVICE, "", ""),
                         403);
        assert_int_equal(issue(state, b, "", MDM_PURPOSE_DEVICE, "", "s1"),
                         403);
        assert_int_equal(issue(state, b, "", MDM_PURPOSE_DEVICE, UDID, ""),
                         200);
        assert_string_not_equal(a->sha256, b->sha256);

        assert_int_equal(strstr(redis_str("HGET mdm:{default/spki:%s} owner",
                                          a->spki), "device") == NULL, i);
        assert_int_equal(strstr(ledger(a, "bind"), "S1") == NULL, i);

        /* read, opened, enforced */

        assert_int_equal(authenticates(state, a, id_is(UDID), SERIAL("S2")),
                         403);
        assert_int_equal(authenticates(state, a, id_is(UDID), SERIAL("S1")),
                         200);
    }
}


/* each call fails once, before and after: the retry finishes all of it */

static mdm_uint_t             fault_at;
static mdm_unit_fault_e       fault_kind;


static mdm_unit_fault_e
fault(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) call;
    (void) data;

    return (n == fault_at) ? fault_kind : MDM_UNIT_FAULT_NONE;
}


static void
test_faults(void **state)
{
    char               v[64];
    issued_t          *a, *b;
    mdm_uint_t         i, kind, status;
    mdm_unit_redis_t  *redis;

    redis = *state;

    for (kind = MDM_UNIT_FAULT_BEFORE; kind <= MDM_UNIT_FAULT_AFTER; kind++) {
        for (i = 0; i < LEDGERS; i++) {

            mdm_unit_redis_clean(redis);
            a = enrolled(state);

            assert_int_equal(api(state, MDM_POST, "/v1/challenge", "",
                                 "{\"purpose\":\"renew\",\"udid\":\"" UDID
                                 "\"}"), 200);
            (void) snprintf(v, sizeof(v), "%.*s", MDM_CHALLENGE_TEXT,
                            (char *) memmem(x->response.data, x->response.len,
                                            "\":\"", 3) + 3);

            b = certificate();

            fault_kind = (mdm_unit_fault_e) kind;
            fault_at = redis->calls + i;
            redis->fault = fault;

            status = issue(state, b, v, 0, "", "");
            redis->fault = NULL;

            if (status == 200) {
                break;
            }

            assert_int_equal(status, 503);

            /* nothing of it is the pin yet, and the retry gets one */

            is_pin(state, a);
            assert_int_equal(issue(state, b, v, 0, "", ""), 200);
            assert_int_equal(redis_int("EVAL %s 0", "return #redis.call("
                             "'KEYS', 'mdm:{default/cert:*}:x')"), 2);
            assert_string_equal(ledger(b, "purpose"), "renew");
            assert_int_equal(events(state, T ":events",
                                    "mdm.CertificateIssued"), 1);

            /* and so it is when the device comes with it */

            fault_at = redis->calls + i;
            redis->fault = fault;
            status = polls(state, b, id_is(UDID));
            redis->fault = NULL;

            assert_true(status == 503 || status == 200);
            assert_int_equal(polls(state, b, id_is(UDID)), 200);
            kept(state, b);
            assert_int_equal(events(state, T ":events",
                                    "mdm.CertificateRenewed"), 1);
        }

        assert_true(i >= 6 && i < LEDGERS);
    }
}


/* each call fails once, and nobody comes again: a job finishes all of it */

static void
job(void **state)
{
    (void) mdm_unit_redis_int(*state, "EVAL %s 0", "for _, sn in ipairs("
        "redis.call('ZRANGE', '" C ":half', 0, -1)) do "
        "redis.call('ZADD', '" C ":half', 0, sn) end return 0");

    mdm_arena_destroy(x->arena);
    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_JOB;
    x->now = FROM;
    x->step = mdm_certificates_job_step;
    mdm_str_set(&x->tenant, "default");

    mdm_unit_redis_run(*state, x);
    assert_int_equal(x->status, 200);

    assert_int_equal(redis_int("ZCARD " C ":half"), 0);
    assert_int_equal(redis_int("EVAL %s 0", "return #redis.call('KEYS', '"
                               C ":h:*')"), 0);
}


static void
test_half(void **state)
{
    char               v[64], first[65];
    issued_t          *a, *b;
    mdm_uint_t         i, kind, status, made, finished;
    mdm_unit_redis_t  *redis;

    redis = *state;

    for (kind = MDM_UNIT_FAULT_BEFORE; kind <= MDM_UNIT_FAULT_AFTER; kind++) {

        finished = 0;

        for (i = 0; i < LEDGERS; i++) {

            mdm_unit_redis_clean(redis);
            store_settings.secrets = (i & 1) ? &keys : NULL;
            a = enrolled(state);

            assert_int_equal(api(state, MDM_POST, "/v1/challenge", "",
                                 "{\"purpose\":\"renew\",\"udid\":\"" UDID
                                 "\",\"person\":\"anna\"}"), 200);
            (void) snprintf(v, sizeof(v), "%.*s", MDM_CHALLENGE_TEXT,
                            (char *) memmem(x->response.data, x->response.len,
                                            "\":\"", 3) + 3);

            b = certificate();

            fault_kind = (mdm_unit_fault_e) kind;
            fault_at = redis->calls + i;
            redis->fault = fault;

            status = issue(state, b, v, 0, "", "");
            redis->fault = NULL;

            if (status == 200) {
                assert_int_equal(redis_int("ZCARD " C ":half"), 0);
                break;
            }

            assert_int_equal(status, 503);

            made = (mdm_uint_t) redis_int("EVAL %s 0", "local n = 0; "
                "for _, k in ipairs(redis.call('KEYS', "
                "'mdm:{default/chal:*')) do "
                "for _, f in ipairs(redis.call('HKEYS', k)) do "
                "if string.sub(f, 1, 2) == 'd:' and "
                "redis.call('HGET', k, 'purpose') == 'renew' then "
                "n = n + 1 end end end return n");

            job(state);

            assert_int_equal(redis_int("EXISTS mdm:{default/cert:%s}:x",
                                       b->sha256), made);
            assert_int_equal(redis_int("EVAL %s 0", "return #redis.call("
                "'KEYS', 'mdm:{default/cert:*}:x')"), 1 + made);
            assert_int_equal(redis_int("ZCARD " C ":certs"), 1 + made);
            assert_int_equal(redis_int("HEXISTS " E " next"), made);
            finished += made;

            if (made) {
                (void) snprintf(first, sizeof(first), "%s", b->sha256);
                assert_int_equal(api(state, MDM_GET, "/v1/certificates",
                                     "state=issued", ""), 200);
                assert_true(says("\"person\":\"anna\""));
            }

            /* whoever comes after all gets that one */

            assert_int_equal(issue(state, b, v, 0, "", ""), 200);

            if (made) {
                assert_string_equal(b->sha256, first);
            }

            assert_int_equal(events(state, T ":events",
                                    "mdm.CertificateIssued"), 1);
            assert_int_equal(polls(state, b, id_is(UDID)), 200);
            kept(state, b);
            assert_string_equal(ledger(a, "state"), "replaced");
        }

        assert_in_range(finished, 4, LEDGERS);
    }
}


/* when it is to be renewed, also of one that we did not issue */

static void
real(issued_t *c, long number, int64_t to)
{
    pki_t        pki;
    pki_spec_t   spec;

    memset(&spec, 0, sizeof(spec));

    spec.cn = UDID;
    spec.number = number;
    spec.to = to;

    pki = pki_issue(&spec);

    assert_int_equal(mdm_certificate_der(arena, pki.cert, &c->der), MDM_OK);
    assert_int_equal(mdm_certificate_sha256(&c->der, c->digest,
                                            (u_char *) c->sha256),
                     MDM_OK);
    pki_free(&pki);
}


static void
test_dates(void **state)
{
    issued_t  *a, *b;

    a = certificate();
    real(a, 0x1234, ENDS);

    assert_int_equal(authenticates(state, a, id_is(UDID), ""), 200);
    assert_string_equal(field("cert_ca"), "");
    assert_string_equal(field("cert_serial"), "1234");
    assert_string_equal(field("cert_end"), "4000000000");
    assert_string_equal(redis_str("ZSCORE " T ":exp " UDID), "3997408000");

    b = certificate();
    real(b, 0x80, ENDS - 100);

    assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW, UDID, ""), 200);
    assert_int_equal(polls(state, b, id_is(UDID)), 200);
    is_pin(state, b);
    assert_string_equal(field("cert_ca"), "devices");
    assert_string_equal(field("cert_serial"), "80");
    assert_string_equal(field("cert_end"), "3999999900");

    /* the ledger says when */

    assert_string_equal(redis_str("ZSCORE " T ":exp " UDID), "3997408000");
    assert_int_equal(redis_int("ZCARD " T ":exp"), 1);

    assert_int_equal(api(state, MDM_DELETE, "/v1/enrollments/" UDID
                         "/certificate", "", ""), 204);
    assert_int_equal(redis_int("ZCARD " T ":exp"), 0);
    assert_string_equal(field("cert_end"), "");
    assert_int_equal(polls(state, a, id_is(UDID)), 403);
}


static int
says_times(const char *text)
{
    int          n;
    const char  *p, *end;

    n = 0;
    p = (const char *) x->response.data;
    end = p + x->response.len;

    while ((p = memmem(p, (size_t) (end - p), text, strlen(text))) != NULL) {
        p++;
        n++;
    }

    return n;
}


/* rows of all pages */

static mdm_uint_t
all_pages(void **state, const char *args, mdm_uint_t *pages)
{
    char        query[512], *p;
    mdm_uint_t  rows;

    rows = 0;
    *pages = 0;
    (void) snprintf(query, sizeof(query), "%s", args);

    do {
        assert_int_equal(api(state, MDM_GET, "/v1/certificates", query, ""),
                         200);
        rows += (mdm_uint_t) says_times("\"sha256\"");
        (*pages)++;

        p = memmem(x->response.data, x->response.len, "\"next_cursor\":\"",
                   15);

        if (p != NULL) {
            (void) snprintf(query, sizeof(query), "%s&cursor=%.*s", args,
                            (int) strcspn(p + 15, "\""), p + 15);
        }

    } while (p != NULL && *pages < 100);

    return rows;
}


/* what the API has of them */

static void
test_listed(void **state)
{
    char         path[128], query[512];
    issued_t    *a, *b, *c;
    mdm_uint_t   i, pages;

    a = enrolled(state);
    b = certificate();
    c = certificate();

    assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW, UDID, ""), 200);
    assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, "", "S7"), 200);

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "", ""), 200);
    assert_int_equal(says_times("\"sha256\""), 3);
    assert_true(says(a->sha256) && says(b->sha256) && says(c->sha256));
    assert_true(says("\"id\":\"" UDID "\",\"state\":\"pinned\",\"ca\":"
                     "\"devices\""));
    assert_true(says("\"purpose\":\"renew\""));

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "state=issued",
                         ""), 200);
    assert_int_equal(says_times("\"sha256\""), 2);
    assert_true(says(b->sha256) && says(c->sha256));

    static const struct {
        const char  *query;
        int          rows;
    } cases[] = {
        { "id=" UDID, 2 }, { "id=" OTHER, 0 }, { "device_serial=s1", 2 },
        { "device_serial=S2", 0 }, { "device_serial=s7", 1 },
        { "ca=devices", 3 }, { "ca=other", 0 }, { "state=pinned", 1 },
        { "state=replaced", 0 }, { "expires_before=2096-10-02T07:06:40Z", 0 },
        { "expires_before=2096-10-02T07:06:41Z", 3 }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(api(state, MDM_GET, "/v1/certificates",
                             cases[i].query, ""), 200);

        if (says_times("\"sha256\"") != cases[i].rows) {
            fail_msg("%s: %.*s", cases[i].query, mdm_fmt(&x->response));
        }
    }

    /* one of a device that has not come yet */

    (void) snprintf(query, sizeof(query), "ca=devices&certificate_serial=%s",
                    c->sn);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates", query, ""), 200);
    assert_int_equal(says_times("\"sha256\""), 1);
    assert_true(says(c->sha256) && says("\"serial\":\"S7\""));

    (void) snprintf(query, sizeof(query), "ca=devices&certificate_serial=CD%s",
                    c->sn + 2);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates", query, ""), 200);
    assert_int_equal(says_times("\"sha256\""), 1);
    assert_non_null(strstr(query, "=CD"));

    (void) snprintf(path, sizeof(path), "/v1/certificates/%s", c->sha256);
    assert_int_equal(api(state, MDM_GET, path, "", ""), 200);
    assert_true(says("\"state\":\"issued\""));
    assert_int_equal(api(state, MDM_GET, path, "format=pem", ""), 200);
    assert_true(says("-----BEGIN CERTIFICATE-----\nbm8gcmVhbCBjZXJ0"));
    assert_int_equal(api(state, MDM_GET, path, "format=der", ""), 400);

    path[20]++;
    assert_int_equal(api(state, MDM_GET, path, "", ""), 404);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates/XYZ", "", ""),
                     400);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates",
                         "expires_before=soon", ""), 400);

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "state=gone",
                         ""), 400);

    /* page by page, each once, also of a device that has two */

    a = certificate();
    assert_int_equal(issue(state, a, "", 0, "", ""), 200);
    assert_int_equal(authenticates(state, a, id_is(OTHER), ""), 200);
    assert_int_equal(all_pages(state, "limit=1", &pages), 4);
    assert_in_range(pages, 3, 6);
}


/* those that no device has, whatever became of them */

static void
test_listed_all(void **state)
{
    issued_t    *a, *b, *c;
    mdm_uint_t   i, pages;

    a = enrolled(state);
    b = certificate();
    c = certificate();

    assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW, UDID, ""), 200);
    assert_int_equal(polls(state, b, id_is(UDID)), 200);
    assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, OTHER, ""), 200);

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "state=replaced",
                         ""), 200);
    assert_int_equal(says_times("\"sha256\""), 1);
    assert_true(says(a->sha256));
    assert_true(says("\"id\":\"" UDID "\",\"state\":\"replaced\""));

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "id=" UDID, ""),
                     200);
    assert_int_equal(says_times("\"sha256\""), 2);
    assert_true(says(a->sha256) && says(b->sha256));

    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "id=" OTHER, ""),
                     200);
    assert_int_equal(says_times("\"sha256\""), 1);
    assert_true(says(c->sha256));

    /* a pin that was taken away */

    assert_int_equal(api(state, MDM_DELETE, "/v1/enrollments/" UDID
                         "/certificate", "", ""), 204);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "state=replaced",
                         ""), 200);
    assert_int_equal(says_times("\"sha256\""), 2);

    /* one that cannot be read does not hide the others */

    (void) mdm_unit_redis_int(*state, "HSET mdm:{default/cert:%s}:x purpose x",
                              c->sha256);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "", ""), 200);
    assert_int_equal(says_times("\"sha256\""), 2);
    assert_false(says("error"));
    assert_non_null(x->log);

    b = enrolled(state);
    (void) mdm_unit_redis_int(*state, "HSET mdm:{default/cert:%s}:x bind x",
                              b->sha256);
    assert_int_equal(api(state, MDM_GET, "/v1/certificates", "", ""), 200);
    assert_int_equal(says_times("\"sha256\""), 2);

    /* many, most of which expire at once */

    for (i = 0; i < 250; i++) {
        assert_int_equal(issue(state, certificate(), "", 0, "", ""), 200);
    }

    assert_int_equal(all_pages(state, "limit=7", &pages), 252);
    assert_in_range(pages, 36, 38);
    assert_int_equal(all_pages(state, "limit=7&state=issued", &pages), 250);
    assert_int_equal(all_pages(state, "limit=500", &pages), 252);
    assert_int_equal(pages, 1);
}


/* a poll that matches asks for nothing more than before */

static void
test_cost(void **state)
{
    issued_t          *a;
    mdm_unit_redis_t  *redis;

    redis = *state;
    a = enrolled(state);

    assert_int_equal(issue(state, certificate(), "", MDM_PURPOSE_RENEW, UDID,
                           ""), 200);

    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    assert_int_equal(redis->rounds, 1);
    assert_int_equal(redis->round_calls, 1);
}


static int
fresh(void **state)
{
    settings.challenge_ttl = 3600;
    settings.challenge_limit = 1000;
    settings.renew_grace = 3600;
    store_settings.secrets = NULL;

    return clean(state);
}


static int
setup(void **state)
{
    static const u_char  raw[MDM_SECRET_RAW] = "a key of 32 bytes, more or les";

    arena = mdm_arena_create(65536);

    return arena == NULL || mdm_secret_key_add(&keys, raw) != MDM_OK
           || mdm_unit_redis_setup(state);
}


static int
ended(void **state)
{
    mdm_secret_keys_clear(&keys);
    mdm_arena_destroy(arena);

    return teardown(state);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_ledger, fresh),
        cmocka_unit_test_setup(test_bound, fresh),
        cmocka_unit_test_setup(test_renewal, fresh),
        cmocka_unit_test_setup(test_found, fresh),
        cmocka_unit_test_setup(test_wiped, fresh),
        cmocka_unit_test_setup(test_foreign, fresh),
        cmocka_unit_test_setup(test_keys, fresh),
        cmocka_unit_test_setup(test_faults, fresh),
        cmocka_unit_test_setup(test_half, fresh),
        cmocka_unit_test_setup(test_dates, fresh),
        cmocka_unit_test_setup(test_listed, fresh),
        cmocka_unit_test_setup(test_listed_all, fresh),
        cmocka_unit_test_setup(test_cost, fresh)
    };

    return cmocka_run_group_tests(tests, setup, ended);
}
