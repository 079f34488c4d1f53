
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Certificates that are issued by the steps that SCEP uses, and devices that
 * come with them, for unit tests.
 */


#ifndef _MDM_UNIT_ISSUED_H_INCLUDED_
#define _MDM_UNIT_ISSUED_H_INCLUDED_


#include "admin.h"
#include "pki.h"

#include <stdlib.h>

#include "mdm_certificate.h"
#include "mdm_certificates_job.h"


#define T       "mdm:{default/0}"
#define C       "mdm:{default/ca}"

#define FROM    1700000000
#define ENDS    4000000000

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


static inline mdm_int_t
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

static inline mdm_uint_t
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

static inline issued_t *
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

static inline mdm_uint_t
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


static inline void
is_pin(void **state, const issued_t *c)
{
    redisReply  *reply;

    reply = mdm_unit_redis_command(*state, "HGET " E " cert");

    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_memory_equal(reply->str, c->digest, 32);

    freeReplyObject(reply);
}


/* how many events of a stream have this name */

static inline long long
events(void **state, const char *stream, const char *name)
{
    return mdm_unit_redis_int(*state, "EVAL %s 1 %s %s",
        "local n = 0;"
        "for _, e in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do "
        "if e[2][2] == ARGV[1] then n = n + 1 end end return n", stream, name);
}


static inline issued_t *
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

static inline void
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


static inline int
fresh(void **state)
{
    settings.challenge_ttl = 3600;
    settings.challenge_limit = 1000;
    settings.renew_grace = 3600;
    store_settings.secrets = NULL;

    return clean(state);
}


static inline int
setup(void **state)
{
    static const u_char  raw[MDM_SECRET_RAW] = "a key of 32 bytes, more or les";

    arena = mdm_arena_create(65536);

    return arena == NULL || mdm_secret_key_add(&keys, raw) != MDM_OK
           || mdm_unit_redis_setup(state);
}


static inline int
ended(void **state)
{
    mdm_secret_keys_clear(&keys);
    mdm_arena_destroy(arena);

    return teardown(state);
}


#endif /* _MDM_UNIT_ISSUED_H_INCLUDED_ */
