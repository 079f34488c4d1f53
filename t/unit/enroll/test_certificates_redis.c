
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The ledger, bindings and renewal, with a real redis-server: certificates are
 * issued by the steps that SCEP uses, and devices come with them.
 */


#include "issued.h"

#include <time.h>


static mdm_secret_keys_t  gone;


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

    /* the same key again, with other bytes: what was stored is answered
       (openxpki#126, core#1834) */

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


/* whatever mdm_reenroll says (fleet#8477, fleet#51785) */

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


/* the first message under the new certificate, whichever it is
   (micromdm#557); what the device has stays (fleet#41167) */

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


/* a wipe while a renewal is pending (fleet#40881, fleet#48486, fleet#48661) */

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


static mdm_unit_fault_e
cancelled(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;

    if (call->script == &mdm_script_authenticate) {
        (void) mdm_unit_redis_int(data, "HDEL " E " next");
    }

    return MDM_UNIT_FAULT_NONE;
}


/* it is cancelled between the look at it and the script that renews */

static void
test_cancelled(void **state)
{
    issued_t          *b;
    mdm_unit_redis_t  *redis = *state;

    (void) enrolled(state);
    b = certificate();

    assert_int_equal(issue(state, b, "", MDM_PURPOSE_RENEW, UDID, ""), 200);

    redis->fault = cancelled;
    redis->fault_data = redis;
    assert_int_equal(authenticates(state, b, id_is(UDID), SERIAL("S1")), 200);
    redis->fault = NULL;

    assert_string_equal(field("gen"), "2");
    assert_string_equal(field("q"), "");
    assert_int_equal(events(state, T ":events", "mdm.CertificateRenewed"), 0);
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


#define owner(c)  redis_str("HGET mdm:{default/spki:%s} owner", (c)->spki)

/* its owner was kept before there was an encryption_key */

static void
test_keys_added(void **state)
{
    char         sealed[64];
    issued_t    *c;
    mdm_uint_t   i;

    /* by the UDID, by the serial number that came without one before */

    for (i = 0; i < 2; i++) {
        mdm_unit_redis_clean(*state);
        store_settings.secrets = NULL;

        c = certificate();
        assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE,
                               i ? "" : UDID, "S1"), 200);
        assert_string_equal(owner(c), i ? "serial s1" : "device " UDID);

        store_settings.secrets = &keys;

        assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, OTHER, ""),
                         403);
        assert_string_equal(owner(c), i ? "serial s1" : "device " UDID);

        /* what is plain may be anybody's */

        store_settings.encryption_required = 1;
        assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, UDID, "S1"),
                         403);
        store_settings.encryption_required = 0;

        assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, UDID, "S1"),
                         200);
        (void) snprintf(sealed, sizeof(sealed), "%s", owner(c));
        assert_int_equal(strlen(sealed), 40);

        /* and so it stays, whatever is believed */

        store_settings.encryption_required = 1;
        assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, OTHER, ""),
                         403);
        assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE,
                               i ? OTHER : UDID, "s1"), 200);
        store_settings.encryption_required = 0;
        assert_string_equal(owner(c), sealed);
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


/* its CA ends so soon that each certificate is to be renewed at once */

static void
test_ca_ends(void **state)
{
    int64_t    now, wait;
    issued_t  *a;
    size_t     i;

    static const int64_t  days[][2] = { { 40, 10 * 86400 }, { 10, 86400 },
                                        { 1, 43200 } };

    for (i = 0; i < 3; i++) {
        mdm_unit_redis_clean(*state);

        a = certificate();
        now = (int64_t) time(NULL);
        real(a, 0x1234, now + days[i][0] * 86400);

        assert_int_equal(authenticates(state, a, id_is(UDID), ""), 200);

        wait = atoll(redis_str("ZSCORE " T ":exp " UDID)) - now;
        assert_true(wait >= days[i][1] - 5 && wait <= days[i][1] + 5);
    }

    assert_true(mdm_certificates_due(0, 100, 30) == 70);
    assert_true(mdm_certificates_due(0, 100, 70) == 50);
    assert_true(mdm_certificates_due(0, 100, 200) == 50);
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


/* one that cannot be finished does not keep the job from those behind it */

static mdm_unit_fault_e
fault(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return mdm_str_is(&call->script->name, "certificate_store")
           ? MDM_UNIT_FAULT_BEFORE : MDM_UNIT_FAULT_NONE;
}


static void
test_left(void **state)
{
    issued_t    *c[3];
    mdm_uint_t   i, runs;

    static const u_char  other[MDM_SECRET_RAW] = "another one of 32 bytes";

    for (i = 0; i < 3; i++) {

        /* the first one is sealed under a key that is gone, the second cannot
           be read */

        if (i == 0) {
            store_settings.secrets = &gone;
            assert_int_equal(mdm_secret_key_add(&gone, other), MDM_OK);

        } else {
            store_settings.secrets = &keys;
        }

        c[i] = certificate();
        ((mdm_unit_redis_t *) *state)->fault = fault;
        assert_int_equal(issue(state, c[i], "", MDM_PURPOSE_DEVICE, "",
                               "S1"), 503);
        ((mdm_unit_redis_t *) *state)->fault = NULL;

        if (i == 1) {
            (void) redis_int("HSET %s bind x",
                             redis_str("HGET " C ":h:%s key", c[i]->sn));
        }
    }

    mdm_secret_keys_clear(&gone);
    assert_int_equal(redis_int("ZCARD " C ":half"), 3);

    for (i = 1; i < 4; i++) {
        (void) redis_int("EVAL %s 0", "for _, sn in ipairs("
            "redis.call('ZRANGE', '" C ":half', 0, -1)) do "
            "redis.call('ZADD', '" C ":half', 0, sn) end return 0");

        /* also where a run ends early */

        for (runs = 0; runs < 3; runs++) {
            mdm_arena_destroy(x->arena);
            x = mdm_exchange_create(&settings);
            assert_non_null(x);

            x->kind = MDM_KIND_JOB;
            x->now = FROM;
            x->step = mdm_certificates_job_step;
            mdm_str_set(&x->tenant, "default");

            mdm_unit_redis_run(*state, x);

            if (x->status == 200) {
                break;
            }
        }

        assert_int_equal(runs, 0);
        assert_non_null(x->log);
        assert_int_equal(redis_int("EXISTS mdm:{default/cert:%s}:x",
                                   c[2]->sha256), 1);
        assert_int_equal(redis_int("ZCARD " C ":half"), 2);

        /* later each time */

        assert_in_range(x->again, i * 300000 - 10000, i * 300000 + 2000);
    }
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
        cmocka_unit_test_setup(test_cancelled, fresh),
        cmocka_unit_test_setup(test_foreign, fresh),
        cmocka_unit_test_setup(test_keys, fresh),
        cmocka_unit_test_setup(test_keys_added, fresh),
        cmocka_unit_test_setup(test_dates, fresh),
        cmocka_unit_test_setup(test_ca_ends, fresh),
        cmocka_unit_test_setup(test_cost, fresh),
        cmocka_unit_test_setup(test_left, fresh)
    };

    return cmocka_run_group_tests(tests, setup, ended);
}
