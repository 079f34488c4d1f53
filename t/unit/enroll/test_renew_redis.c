
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Renewals with a real redis-server: who is asked for one, how often, and what
 * becomes of it on its way to the device.
 */


#include "issued.h"
#include "enrollment.h"

#include "mdm_profile.h"
#include "mdm_renew.h"


#define EXP   T ":exp"
#define REN   T ":ren:" UDID
#define DAY   86400


static mdm_enroll_block_t               block;
static const mdm_enroll_block_t *const  blocks[] = { &block };


/* a run of the job */

static mdm_uint_t
job(void **state)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_JOB;
    x->now = FROM;
    x->step = mdm_renew_jobs[0].step;
    mdm_str_set(&x->tenant, "default");

    mdm_unit_redis_run(*state, x);

    return x->status;
}


/* it is to be renewed by now */

static void
due(void **state)
{
    (void) redis_int("ZADD " EXP " 0 " UDID);
    assert_int_equal(job(state), 200);
}


/* seconds until it is looked at again; -1: it is not */

static long long
wait(void **state)
{
    return redis_int("EVAL %s 1 " EXP " " UDID,
        "local s = redis.call('ZSCORE', KEYS[1], ARGV[1]) "
        "return s and tonumber(s) - redis.call('TIME')[1] or -1");
}


#define waits(n)  assert_in_range(wait(state), (n) - 5, n)


/* a device by the block, whose certificate ends in some days */

static issued_t *
device(void **state, long days)
{
    issued_t       *a;
    mdm_str_t       keys;
    mdm_profile_t   p;

    a = certificate();

    assert_int_equal(issue(state, a, "", MDM_PURPOSE_DEVICE, UDID, ""), 200);
    assert_int_equal(authenticates(state, a, id_is(UDID), SERIAL("S1")), 200);
    assert_int_equal(updates(state, a, id_is(UDID)), 200);
    assert_int_equal(updates(state, a, user_id("U1")), 200);

    memset(&p, 0, sizeof(p));
    p.block = &enrollment_main;
    p.topic = enrollment_main.topic;
    assert_int_equal(mdm_profile_keys(x->arena, &p, &keys), MDM_OK);

    (void) redis_int("EVAL %s 1 " E " %b %s",
        "return redis.call('HSET', KEYS[1], 'enrollment', 'main', 'keys', "
        "ARGV[1], 'cert_end', string.format('%.0f', "
        "redis.call('TIME')[1] + ARGV[2]))", keys.data, keys.len,
        days < 0 ? "-5" : days == 0 ? "7200" : "2592000");

    return a;
}


static long long
queued(void **state)
{
    return redis_int("HEXISTS " E " q") + redis_int("LLEN " T ":q:" UDID);
}


static const char *
uuid(void **state)
{
    return redis_str("HGET " REN " uuid");
}


/* the challenge in a command that was delivered */

static const char *
delivered(void)
{
    char         *p, *end;
    mdm_str_t     text, profile;
    static char   challenge[64];

    assert_non_null(memmem(x->response.data, x->response.len,
                           "<string>InstallProfile</string>", 31));

    p = memmem(x->response.data, x->response.len, "<data>", 6);
    assert_non_null(p);
    text.data = (u_char *) p + 6;
    end = memmem(text.data, x->response.len
                            - (size_t) (text.data - x->response.data),
                 "</data>", 7);
    assert_non_null(end);
    text.len = (size_t) ((u_char *) end - text.data);

    assert_int_equal(mdm_unbase64(x->arena, &profile, &text), MDM_OK);

    p = memmem(profile.data, profile.len, "<key>Challenge</key>", 20);
    assert_non_null(p);
    p = memmem(p, 100, "<string>", 8);
    assert_non_null(p);

    (void) snprintf(challenge, sizeof(challenge), "%.*s", MDM_CHALLENGE_TEXT,
                    p + 8);

    return challenge;
}


/* what the device answers to it */

static mdm_uint_t
answers(void **state, const issued_t *c, const char *status)
{
    char  inner[512];

    (void) snprintf(inner, sizeof(inner), id_is(UDID)
                    "<key>Status</key><string>%s</string>"
                    "<key>CommandUUID</key><string>%s</string>", status,
                    uuid(state));

    return with(state, MDM_KIND_CONNECT, c, inner);
}


/* from the due certificate to the first message under the new one */

static void
test_renewal(void **state)
{
    char               challenge[64], key[128];
    issued_t          *a, *b;
    mdm_uint_t         sealed, calls;
    mdm_unit_redis_t  *redis;

    redis = *state;

    for (sealed = 0; sealed < 2; sealed++) {
        mdm_unit_redis_clean(*state);
        store_settings.secrets = sealed ? &keys : NULL;

        a = device(state, 30);
        due(state);
        waits(DAY);
        assert_int_equal(queued(state), 1);
        assert_int_equal(x->owed, 1);

        (void) snprintf(key, sizeof(key), T ":c:%s", uuid(state));
        assert_int_equal(redis_int("HEXISTS %s body", key), 0);

        assert_int_equal(api(state, MDM_GET, "/v1/queue/" UDID, "", ""), 200);
        assert_true(says("\"request_type\":\"InstallProfile\""));
        assert_true(says("\"enrollment\":\"main\""));
        assert_false(says("\"command\":"));

        /* made now, and the same each time */

        assert_int_equal(polls(state, a, id_is(UDID)), 200);
        (void) snprintf(challenge, sizeof(challenge), "%s", delivered());
        assert_true(redis->rounds > 1);
        assert_int_equal(polls(state, a, id_is(UDID)), 200);
        assert_int_equal(redis->rounds, 1);
        assert_string_equal(delivered(), challenge);
        assert_int_equal(redis_int("EVAL %s 1 %s",
            "return string.byte(redis.call('HGET', KEYS[1], 'body')) == 238 "
            "and 1 or 0", key), sealed);

        /* nobody else sees it */

        assert_int_equal(api(state, MDM_GET, "/v1/queue/" UDID, "", ""), 200);
        assert_true(says("\"enrollment\":\"main\""));
        assert_false(says("\"command\":"));

        assert_int_equal(answers(state, a, "Acknowledged"), 200);
        assert_int_equal(queued(state), 0);
        waits(DAY);

        /* an empty poll is one call, as ever */

        calls = redis->calls;
        assert_int_equal(polls(state, a, id_is(UDID)), 200);
        assert_int_equal(redis->calls - calls, 1);

        b = certificate();
        assert_int_equal(issue(state, b, challenge, 0, "", ""), 200);
        assert_string_equal(ledger(b, "purpose"), "renew");
        is_pin(state, a);

        assert_int_equal(polls(state, b, id_is(UDID)), 200);
        is_pin(state, b);
        assert_int_equal(events(state, T ":events", "mdm.CertificateRenewed"),
                         1);
        assert_string_equal(field("enabled"), "1");
        assert_string_equal(field("enrollment"), "main");
        assert_int_equal(redis_int("EXISTS " REN), 0);
        assert_int_equal(polls(state, b, user_id("U1")), 200);
        assert_int_equal(redis_int("EXISTS %s", key), 0);
    }
}


/* check-in begins with an Authenticate under the new one */

static void
test_authenticate(void **state)
{
    char       challenge[64];
    issued_t  *a, *b;

    a = device(state, 30);
    (void) redis_int("HSET " E " way link person ann");
    due(state);

    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    (void) snprintf(challenge, sizeof(challenge), "%s", delivered());

    b = certificate();
    assert_int_equal(issue(state, b, challenge, 0, "", ""), 200);
    assert_int_equal(authenticates(state, b, id_is(UDID), SERIAL("S1")), 200);
    is_pin(state, b);
    assert_string_equal(field("way"), "link");
    assert_string_equal(field("person"), "ann");
    assert_string_equal(field("enrollment"), "main");
    assert_string_equal(field("enabled"), "1");

    /* whose answer is still to come; it is not sent once more */

    assert_int_equal(queued(state), 1);
    assert_int_equal(polls(state, b, id_is(UDID)), 200);
    assert_int_equal(x->response.len, 0);
    assert_int_equal(queued(state), 0);
    assert_int_equal(redis_int("EXISTS " REN), 0);
}


/* its answer comes under the new one */

static void
test_answered(void **state)
{
    char       challenge[64], id[64];
    issued_t  *a, *b;

    a = device(state, 30);
    due(state);
    (void) snprintf(id, sizeof(id), "%s", uuid(state));

    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    (void) snprintf(challenge, sizeof(challenge), "%s", delivered());

    b = certificate();
    assert_int_equal(issue(state, b, challenge, 0, "", ""), 200);
    assert_int_equal(answers(state, b, "Acknowledged"), 200);
    is_pin(state, b);
    assert_string_equal(redis_str("HGET " T ":r:" UDID ":%s known", id), "1");
    assert_string_equal(redis_str("HGET " T ":r:" UDID ":%s type", id),
                        "InstallProfile");
}


/* until the new certificate has spoken */

static void
test_repeated(void **state)
{
    char        first[64];
    issued_t   *a;
    mdm_uint_t  i;

    static const long  days[] = { 1, 2, 4, 7, 7 };

    a = device(state, 30);

    for (i = 0; i < 5; i++) {
        due(state);
        waits(days[i] * DAY);
        assert_int_equal(queued(state), 1);

        /* it does not fetch it, or says that all is well */

        if (i == 1) {
            (void) snprintf(first, sizeof(first), "%s", uuid(state));

        } else if (i == 2) {
            assert_string_equal(uuid(state), first);

        } else if (i == 3) {
            assert_int_equal(polls(state, a, id_is(UDID)), 200);
            assert_int_equal(answers(state, a, "Acknowledged"), 200);
            assert_int_equal(queued(state), 0);
        }
    }

    /* and not behind its end */

    (void) redis_int("EVAL %s 1 " E, "return redis.call('HSET', KEYS[1], "
                     "'cert_end', redis.call('TIME')[1] + 100)");
    due(state);
    waits(100);
}


static void
test_refused(void **state)
{
    char        challenge[64];
    issued_t   *a;
    mdm_uint_t  i;

    a = device(state, 30);
    due(state);

    /* NotNow: the same in the next exchange, as long as it is good */

    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    (void) snprintf(challenge, sizeof(challenge), "%s", delivered());
    assert_int_equal(answers(state, a, "NotNow"), 200);
    assert_int_equal(x->response.len, 0);
    waits(DAY);
    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    assert_string_equal(delivered(), challenge);

    /* nor is one delivered whose challenge ends on the way */

    (void) redis_int("EVAL %s 1 " T ":c:%s", "return redis.call('HSET', "
                     "KEYS[1], 'until', redis.call('TIME')[1] + 30)",
                     uuid(state));
    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    assert_string_not_equal(delivered(), challenge);
    (void) snprintf(challenge, sizeof(challenge), "%s", delivered());

    /* as it is, too, when the job looks again */

    due(state);
    waits(2 * DAY);
    assert_int_equal(queued(state), 1);
    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    assert_string_not_equal(delivered(), challenge);

    /* an error: soon, and then later */

    assert_int_equal(answers(state, a, "Error"), 200);
    assert_int_equal(queued(state), 0);
    waits(2 * 3600);

    for (i = 0; i < 2; i++) {
        due(state);
        assert_int_equal(queued(state), 1);
        assert_int_equal(answers(state, a, "CommandFormatError"), 200);
        waits((4 << i) * 3600);
    }

    assert_int_equal(events(state, T ":events", "mdm.CertificateDue"), 0);
}


/* whom there can be none for */

static long long
told(void **state, const char *reason)
{
    return redis_int("EVAL %s 1 " T ":events %s",
        "local n = 0;"
        "for _, e in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do "
        "if e[2][2] == 'mdm.CertificateDue' and string.find(e[2][6], "
        "'\"reason\":\"' .. ARGV[1] .. '\"', 1, true) then n = n + 1 end end "
        "return n", reason);
}


static void
test_reasons(void **state)
{
    issued_t   *a;
    mdm_uint_t  i;

    a = device(state, 30);

    /* what a device would not install any more is not delivered either */

    due(state);
    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    (void) delivered();
    assert_int_equal(queued(state), 1);

    for (i = 0; i < 2; i++) {
        mdm_str_set(&block.server_url, "https://other.example/mdm");
        due(state);
        waits(DAY);
        assert_int_equal(told(state, "changed"), 1);
    }

    mdm_str_null(&block.topic);
    due(state);
    assert_int_equal(told(state, "no_topic"), 1);

    settings.nenrollments = 0;
    due(state);
    assert_int_equal(told(state, "unknown_enrollment"), 1);

    (void) redis_int("HDEL " E " enrollment");
    due(state);
    assert_int_equal(told(state, "no_enrollment"), 1);

    assert_int_equal(queued(state), 0);
    assert_int_equal(events(state, T ":events", "mdm.CertificateDue"), 4);

    /* who is not managed, or is blocked, is left alone */

    (void) redis_int("HSET " E " enabled 0");
    (void) redis_int("HDEL " REN " told");
    due(state);
    waits(3600);
    (void) redis_int("HSET " E " enabled 1");

    assert_int_equal(api(state, MDM_POST, "/v1/enrollments/" UDID "/block",
                         "", ""), 204);
    due(state);
    waits(DAY);
    assert_int_equal(events(state, T ":events", "mdm.CertificateDue"), 4);

    /* who has no certificate */

    assert_int_equal(api(state, MDM_DELETE, "/v1/enrollments/" UDID "/block",
                         "", ""), 204);
    (void) redis_int("ZADD " EXP " 0 " UDID);
    assert_int_equal(api(state, MDM_DELETE,
                         "/v1/enrollments/" UDID "/certificate", "", ""), 204);
    assert_int_equal(redis_int("EXISTS " EXP), 0);
    assert_int_equal(redis_int("EXISTS " REN), 0);
}


/* it could be made when it was queued, and cannot be now */

static void
test_cannot(void **state)
{
    issued_t   *a;
    mdm_uint_t  i;

    for (i = 0; i < 4; i++) {
        mdm_unit_redis_clean(*state);
        settings.challenge_limit = 1000;
        block = enrollment_main;

        a = device(state, 30);
        due(state);
        assert_true(enqueue(state, UDID, "c1"));
        assert_int_equal(queued(state), 2);

        switch (i) {

        case 0:
            settings.nenrollments = 0;
            break;

        case 1:
            mdm_str_set(&block.server_url, "https://other.example/mdm");
            break;

        case 2:
            mdm_str_null(&block.topic);
            break;

        default:
            settings.challenge_limit = 0;
        }

        /* what is behind it is not held up */

        assert_int_equal(polls(state, a, id_is(UDID)), 200);
        assert_true(says("body of c1"));
        assert_int_equal(queued(state), 1);
        waits(3600);
        settings.nenrollments = 1;
    }
}


/* nor is what was refused just before handed out in its place */

static void
test_cannot_not_now(void **state)
{
    issued_t  *a;

    a = device(state, 30);
    assert_true(enqueue(state, UDID, "c1"));
    due(state);
    settings.challenge_limit = 0;

    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    assert_true(says("body of c1"));
    assert_int_equal(with(state, MDM_KIND_CONNECT, a, id_is(UDID)
                          "<key>Status</key><string>NotNow</string>"
                          "<key>CommandUUID</key><string>c1</string>"), 200);
    assert_int_equal(x->response.len, 0);
    assert_int_equal(queued(state), 1);

    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    assert_true(says("body of c1"));
}


static void
test_lapsed(void **state)
{
    issued_t  *a;

    a = device(state, 0);
    due(state);
    assert_int_equal(queued(state), 1);
    waits(7200);

    (void) redis_int("HSET " E " cert_end 1000");
    due(state);
    assert_int_equal(wait(state), -1);
    assert_int_equal(queued(state), 0);
    assert_int_equal(events(state, T ":events", "mdm.CertificateLapsed"), 1);
    assert_int_equal(redis_int("EXISTS " REN), 0);
    assert_int_equal(redis_int("EVAL %s 0", "return #redis.call('KEYS', '"
                               T ":c:*')"), 0);

    assert_int_equal(api(state, MDM_GET, "/v1/enrollments/" UDID, "", ""),
                     200);
    assert_true(says("\"certificate_lapsed\":\"2"));
    assert_int_equal(api(state, MDM_POST, "/v1/enrollments/query", "", ""),
                     200);
    assert_true(says("\"certificate_lapsed\":\"2"));

    /* it enrolls anew */

    assert_int_equal(authenticates(state, a, id_is(UDID), SERIAL("S1")), 200);
    assert_int_equal(redis_int("HEXISTS " E " lapsed"), 0);

    /* of who is not managed any more nothing is said */

    (void) device(state, -1);
    (void) redis_int("HSET " E " enabled 0");
    due(state);
    assert_int_equal(wait(state), -1);
    assert_int_equal(events(state, T ":events", "mdm.CertificateLapsed"), 1);
}


/* two hosts, or one after the other: a second look changes nothing */

static void
test_once(void **state)
{
    (void) device(state, 30);
    due(state);
    assert_int_equal(job(state), 200);
    assert_int_equal(queued(state), 1);
    assert_string_equal(redis_str("HGET " REN " n"), "1");
    assert_int_equal(x->again, 0);

    /* it looks when the next one is due */

    (void) redis_int("EVAL %s 1 " EXP " " UDID, "return redis.call('ZADD', "
                     "KEYS[1], redis.call('TIME')[1] + 20, ARGV[1])");
    assert_int_equal(job(state), 200);
    assert_in_range(x->again, 15000, 20100);
}


/* its UUID is no other command's */

static void
test_uuid(void **state)
{
    char        id[48];
    issued_t   *a;
    mdm_uint_t  i;

    a = device(state, 30);
    due(state);
    (void) snprintf(id, sizeof(id), "%s", uuid(state));

    for (i = 0; i < 2; i++) {
        (void) enqueue(state, UDID, id);
        (void) enqueue(state, UDID ":U1", id);
        assert_string_equal(redis_str("HGET " T ":c:%s type", id),
                            "InstallProfile");
        assert_string_equal(redis_str("HGET " T ":c:%s refs", id), "1");
        assert_int_equal(redis_int("HEXISTS " E ":U1 q"), 0);
        assert_int_equal(polls(state, a, id_is(UDID)), 200);
        (void) delivered();
    }
}


/* a few of a partition in each round */

static void
test_many(void **state)
{
    mdm_uint_t  runs;

    (void) device(state, 30);
    (void) redis_int("EVAL %s 1 " E, "for i = 1, 49 do local e = "
        "'" T ":e:D' .. i; redis.call('COPY', KEYS[1], e) "
        "redis.call('ZADD', '" EXP "', 0, 'D' .. i) end return 0");
    (void) redis_int("ZADD " EXP " 0 " UDID);

    /* what is more than that waits a minute: they all come for a profile */

    for (runs = 1; job(state) == 200 && x->again == 60000; runs++) {
        assert_in_range(runs, 1, 5);
    }

    assert_int_equal(x->status, 200);

    assert_int_equal(runs, 3);
    assert_int_equal(redis_int("EVAL %s 0", "return #redis.call('KEYS', '"
                               T ":c:*')"), 50);
}


/*
 * Each call fails once, before it ran and after: the device comes again, or the
 * renewal waits until it is made where another shard is away.
 */

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
test_killed(void **state)
{
    char               challenge[64];
    issued_t          *a, *b;
    mdm_uint_t         i, kind, status, hit, moved;
    mdm_unit_redis_t  *redis;

    redis = *state;
    moved = 0;

    for (kind = MDM_UNIT_FAULT_BEFORE; kind <= MDM_UNIT_FAULT_AFTER; kind++) {
        for (i = 0; i < 32; i++) {

            mdm_unit_redis_clean(redis);
            a = device(state, 30);

            (void) redis_int("ZADD " EXP " 0 " UDID);
            fault_kind = (mdm_unit_fault_e) kind;
            fault_at = redis->calls + i;
            redis->fault = fault;
            status = job(state);
            redis->fault = NULL;

            if (status != 200) {
                assert_int_equal(job(state), 200);
            }

            assert_int_equal(queued(state), 1);
            assert_string_equal(redis_str("HGET " REN " n"), "1");

            fault_at = redis->calls + i;
            redis->fault = fault;
            status = polls(state, a, id_is(UDID));
            redis->fault = NULL;

            hit = (redis->calls > fault_at);

            if (status != 200) {
                assert_int_equal(status, 503);
                assert_int_equal(polls(state, a, id_is(UDID)), 200);

            } else if (x->response.len == 0) {
                assert_true(hit);
                moved++;
                assert_int_equal(queued(state), 0);
                waits(3600);
                due(state);
                assert_int_equal(polls(state, a, id_is(UDID)), 200);
            }

            (void) snprintf(challenge, sizeof(challenge), "%s", delivered());
            assert_int_equal(polls(state, a, id_is(UDID)), 200);
            assert_string_equal(delivered(), challenge);

            b = certificate();
            assert_int_equal(issue(state, b, challenge, 0, "", ""), 200);
            assert_int_equal(polls(state, b, id_is(UDID)), 200);
            is_pin(state, b);

            if (!hit) {
                break;
            }
        }

        assert_int_equal(moved, 3 + 3 * (kind == MDM_UNIT_FAULT_AFTER));

        assert_true(i >= 4 && i < 32);
    }
}


/* the profile cannot be signed: what is behind it is not held up */

static void
test_unsigned(void **state)
{
    issued_t  *a;

    a = device(state, 30);
    due(state);
    assert_true(enqueue(state, UDID, "c1"));

    /* the key is another one's */

    block.sign = X509_new();
    block.sign_key = EVP_EC_gen("P-256");
    assert_non_null(block.sign);
    assert_non_null(block.sign_key);

    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    assert_true(says("body of c1"));
    assert_int_equal(queued(state), 1);
    waits(3600);

    X509_free(block.sign);
    EVP_PKEY_free(block.sign_key);
}


/* a script that fails is not a Redis that is away */

static mdm_unit_fault_e
script(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return (call->script == &mdm_script_renewal_due) ? fault_kind
                                                     : MDM_UNIT_FAULT_NONE;
}


static void
test_script(void **state)
{
    ((mdm_unit_redis_t *) *state)->fault = script;

    fault_kind = MDM_UNIT_FAULT_BEFORE;
    assert_int_equal(job(state), 503);
    fault_kind = MDM_UNIT_FAULT_SCRIPT;
    assert_int_equal(job(state), 500);
    assert_true(mdm_str_is(&x->error, "the script \"renewal_due\" failed"));
    fault_kind = MDM_UNIT_FAULT_NONE;
    assert_int_equal(job(state), 200);
}


/* one that enrolled by other means, and has our profile */

static void
profiles(void **state, const issued_t *c, const char *identifier)
{
    char         inner[3072];
    static char  id[16];
    static int   n;

    (void) snprintf(id, sizeof(id), "p%d", ++n);
    assert_true(enqueue(state, UDID, id));

    (void) snprintf(inner, sizeof(inner), id_is(UDID)
                    "<key>Status</key><string>Acknowledged</string>"
                    "<key>CommandUUID</key><string>%s</string>"
                    "<key>ProfileList</key><array><dict>"
                    "<key>PayloadIdentifier</key><string>x%01500d</string>"
                    "</dict><dict>"
                    "<key>PayloadIdentifier</key><string>%s</string>"
                    "</dict></array>", id, 0, identifier);

    assert_int_equal(with(state, MDM_KIND_CONNECT, c, inner), 200);
}


#define adopts(query)                                                         \
    api(state, MDM_PUT, "/v1/enrollments/" UDID "/enrollment", query, "")


static void
test_adopted(void **state)
{
    issued_t  *a;

    assert_int_equal(adopts("name=main"), 404);

    a = device(state, 30);
    (void) redis_int("HDEL " E " enrollment keys");
    due(state);
    assert_int_equal(told(state, "no_enrollment"), 1);

    assert_int_equal(adopts(""), 400);
    assert_int_equal(adopts("name=none"), 404);
    assert_int_equal(api(state, MDM_PUT, "/v1/enrollments/" UDID
                         ":U1/enrollment", "name=main", ""), 400);
    assert_int_equal(adopts("name=main"), 409);
    assert_true(says("ProfileList"));

    profiles(state, a, "com.example.mdm");
    assert_int_equal(adopts("name=main"), 409);
    assert_true(says("topic"));

    (void) redis_int("HSET " E " topic com.apple.mgmt.External.x");
    profiles(state, a, "com.example.mdm.other");
    assert_int_equal(adopts("name=main"), 409);
    assert_true(says("does not list"));
    assert_int_equal(redis_int("HEXISTS " E " enrollment"), 0);

    profiles(state, a, "com.example.mdm");
    assert_int_equal(adopts("name=main"), 204);
    assert_string_equal(x->kick, "renew");
    assert_string_equal(field("enrollment"), "main");
    assert_int_equal(adopts("name=main"), 204);
    assert_int_equal(events(state, T ":events", "api.EnrollmentAdopt"), 1);

    /* it was due */

    assert_int_equal(job(state), 200);
    assert_int_equal(queued(state), 1);
    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    (void) delivered();

    /* what is kept sealed is read, too */

    store_settings.secrets = &keys;
    (void) redis_int("HDEL " E " enrollment");
    profiles(state, a, "com.example.mdm");
    assert_int_equal(adopts("name=main"), 204);
}


/* renewals leave room for those who enroll */

static void
test_room(void **state)
{
    issued_t    *a;
    mdm_uint_t   made;

    a = device(state, 30);
    due(state);
    made = (mdm_uint_t) redis_int("ZCARD " C ":ids");

    for (settings.challenge_limit = 10; made < 8; made++) {
        assert_int_equal(api(state, MDM_POST, "/v1/challenge", "", "{}"), 200);
    }

    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    assert_int_equal(x->response.len, 0);
    assert_int_equal(queued(state), 0);
    waits(3600);
    assert_int_equal(api(state, MDM_POST, "/v1/challenge", "", "{}"), 200);

    settings.challenge_limit = 12;
    due(state);
    assert_int_equal(polls(state, a, id_is(UDID)), 200);
    (void) delivered();
}


static int
begin(void **state)
{
    block = enrollment_main;
    settings.enrollments = blocks;
    settings.nenrollments = 1;

    return fresh(state);
}


/* wiped while its renewal waits in the queue: it is set up (fleet#40881) */

static void
test_wiped(void **state)
{
    issued_t  *a, *c;

    assert_int_equal(api(state, MDM_PUT, "/v1/setups/a", "", "{}"), 204);

    a = device(state, 30);
    due(state);
    assert_int_equal(queued(state), 1);

    c = certificate();
    assert_int_equal(issue(state, c, "", MDM_PURPOSE_DEVICE, UDID, ""), 200);
    assert_int_equal(authenticates(state, c, id_is(UDID), SERIAL("S1")), 200);
    assert_int_equal(queued(state), 0);
    assert_int_equal(redis_int("EXISTS " REN), 0);

    assert_int_equal(updates(state, c, id_is(UDID)
                             "<key>AwaitingConfiguration</key><true/>"), 200);
    assert_int_equal(polls(state, c, id_is(UDID)), 200);
    assert_non_null(memmem(x->response.data, x->response.len,
                           "DeviceConfigured", 16));
    assert_int_equal(polls(state, a, id_is(UDID)), 403);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_renewal, begin),
        cmocka_unit_test_setup(test_authenticate, begin),
        cmocka_unit_test_setup(test_answered, begin),
        cmocka_unit_test_setup(test_repeated, begin),
        cmocka_unit_test_setup(test_refused, begin),
        cmocka_unit_test_setup(test_reasons, begin),
        cmocka_unit_test_setup(test_cannot, begin),
        cmocka_unit_test_setup(test_cannot_not_now, begin),
        cmocka_unit_test_setup(test_lapsed, begin),
        cmocka_unit_test_setup(test_once, begin),
        cmocka_unit_test_setup(test_uuid, begin),
        cmocka_unit_test_setup(test_many, begin),
        cmocka_unit_test_setup(test_killed, begin),
        cmocka_unit_test_setup(test_script, begin),
        cmocka_unit_test_setup(test_unsigned, begin),
        cmocka_unit_test_setup(test_adopted, begin),
        cmocka_unit_test_setup(test_room, begin),
        cmocka_unit_test_setup(test_wiped, begin)
    };

    return cmocka_run_group_tests(tests, setup, ended);
}
