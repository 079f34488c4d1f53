
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lack of memory in the steps of SCEP, from a message to its answer: what
 * decides, challenges and the API's list of them, and the ledger with the job
 * that finishes what was left there.  Each request is carried out once with a
 * real redis-server, whose replies are kept; then it is repeated with every
 * allocation of a step failing in turn.  It must make the same calls as far as
 * it comes, and be answered alike, or by 500 or 503.  What the work between the
 * steps allocates fails in test_alloc_ca.c.
 */


#include "alloc.h"
#include "scep.h"

#include "mdm_certificate.h"
#include "mdm_certificates_job.h"
#include "mdm_challenge.h"
#include "mdm_endpoint.h"
#include "mdm_scep.h"
#include "mdm_unit_redis.h"


#define CALLS    32

/* Redis knows what day it is */
#define DECADES  (30LL * 365 * PKI_DAY)


#define UDID     "UDID-1"
#define SERIAL   "C02ABC"

#define AUTHENTICATE                                                          \
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>"                    \
    "<key>MessageType</key><string>Authenticate</string>"                     \
    "<key>UDID</key><string>" UDID "</string>"                                \
    "<key>SerialNumber</key><string>" SERIAL "</string>"                      \
    "<key>Topic</key><string>t</string></dict></plist>"


typedef void (*begin_pt)(mdm_exchange_t *x);

/* what others do behind a call */
typedef void (*behind_pt)(const mdm_call_t *call);


typedef struct {
    const char               *name;
    begin_pt                  begin;       /* NULL: SCEP, with the body */
    mdm_str_t                 body;
    mdm_uint_t                status;
    const char               *logged;      /* of a refusal */
    behind_pt                 behind;      /* or NULL */

    mdm_reply_t              *replies[CALLS];
    mdm_call_e                rc[CALLS];
    size_t                    ncalls;
    size_t                    rounds[CALLS + 1];
    size_t                    nrounds;
} run_t;


static pki_t                 ca_pki, client, other, third, pinned;
static mdm_ca_t              ca;
static mdm_scep_t            scep;
static mdm_arena_t          *kept;
static mdm_unit_redis_t     *redis;
static mdm_challenge_new_t   made;
static char                  challenge[64], path[128];

static mdm_store_settings_t  store = { .partitions = 4 };

static mdm_settings_t  settings = {
    .store = &store,
    .scep = &scep,
    .queue_limit = 20,
    .plist_depth = 32,
    .plist_nodes = 5000,
    .challenge_ttl = 3600,
    .challenge_limit = 1000,
    .event_limit = 1000
};


static mdm_exchange_t *
start(const run_t *r)
{
    mdm_exchange_t  *x;

    x = mdm_exchange_create(&settings);
    if (x == NULL) {
        return NULL;
    }

    x->now = PKI_NOW;
    x->step = mdm_endpoint_step;
    mdm_str_set(&x->tenant, "default");

    if (r->begin != NULL) {
        r->begin(x);
        return x;
    }

    x->kind = MDM_KIND_SCEP;
    x->method = MDM_POST;
    x->body = r->body;
    mdm_str_set(&x->query, "operation=PKIOperation");

    return x;
}


/* memory is there for it, and OpenSSL keeps what it wants to keep */

static void
work(mdm_call_t *call)
{
    alloc_paused = 1;
    mdm_call_work(call);
    alloc_paused = 0;
}


static void
trace_calls(mdm_exchange_t *x)
{
    mdm_uint_t   i, k;
    mdm_call_t  *call;

    for (i = 0; i < x->ncalls; i++) {
        call = &x->calls[i];

        if (call->kind != MDM_CALL_KIND_REDIS) {
            continue;
        }

        alloc_str(&call->script->name);
        alloc_str(&call->key);

        for (k = 0; k < call->nargs; k++) {
            alloc_str(&call->args[k]);
        }
    }
}


/* until it is done, or would call this script */

static void
record(run_t *r, const mdm_script_t *until)
{
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    x = start(r);
    assert_non_null(x);

    alloc_len = 0;
    r->ncalls = 0;
    r->nrounds = 0;

    while (mdm_exchange_run(x) == MDM_CALL) {

        trace_calls(x);
        r->rounds[r->nrounds++] = alloc_len;

        for (i = 0; i < x->ncalls; i++) {
            if (x->calls[i].kind == MDM_CALL_KIND_WORK) {
                mdm_call_work(&x->calls[i]);
                continue;
            }

            if (x->calls[i].script == until) {
                mdm_arena_destroy(x->arena);
                return;
            }

            assert_true(r->ncalls < CALLS);

            r->rc[r->ncalls] = mdm_unit_redis_eval(redis, kept, &x->calls[i]);
            r->replies[r->ncalls++] = x->calls[i].reply;

            if (r->behind != NULL) {
                r->behind(&x->calls[i]);
            }
        }
    }

    assert_null(until);

    memcpy(alloc_good, alloc_trace, alloc_len);

    if (x->status != r->status
        || (r->begin == NULL
            && !mdm_str_is(&x->scep_status,
                           r->logged ? r->logged : "success")))
    {
        fail_msg("%s: %lu, \"%.*s\", %.*s", r->name, (unsigned long) x->status,
                 mdm_fmt(&x->scep_status), mdm_fmt(&x->error));
    }

    mdm_arena_destroy(x->arena);
}


static alloc_rc_e
op_exchange(void *data)
{
    run_t           *r;
    size_t           n, round;
    alloc_rc_e       end;
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    r = data;

    x = start(r);
    if (x == NULL) {
        return ALLOC_FAILED;
    }

    n = 0;
    round = 0;

    while (mdm_exchange_run(x) == MDM_CALL) {

        trace_calls(x);

        /* no other call than without the failure */

        if (round == r->nrounds || alloc_len != r->rounds[round]
            || memcmp(alloc_good, alloc_trace, alloc_len) != 0)
        {
            fail_msg("%s: allocation %ld fails: round %zu makes other calls",
                     r->name, alloc_fail, round + 1);
        }

        round++;

        for (i = 0; i < x->ncalls; i++) {
            if (x->calls[i].kind == MDM_CALL_KIND_WORK) {
                work(&x->calls[i]);
                continue;
            }

            x->calls[i].rc = r->rc[n];
            x->calls[i].reply = r->replies[n++];
        }
    }

    alloc_bytes(&x->status, sizeof(x->status));
    alloc_str(&x->response_type);
    alloc_str(&x->scep_status);
    alloc_str(&x->ca_serial);

    /* each answer of SCEP has another nonce, and another key */

    if (r->begin != NULL) {
        alloc_str(&x->response);
    }

    if (x->status == r->status) {
        end = ALLOC_OK;

    } else {
        if (alloc_failures == 0 || (x->status != 500 && x->status != 503)
            || (x->status == 503 && x->retry_after == 0)
            || (r->begin == NULL && x->response.len != 0))
        {
            fail_msg("%s: allocation %ld fails: %lu", r->name, alloc_fail,
                     (unsigned long) x->status);
        }

        end = ALLOC_FAILED;
    }

    mdm_arena_destroy(x->arena);

    return end;
}


static void
each_from(const char *name, const scep_spec_t *spec, const pki_t *from,
    behind_pt behind, const char *logged)
{
    static run_t  run;

    run.name = name;
    run.status = 200;
    run.logged = logged;
    run.behind = behind;
    run.body = scep_message(spec, from, ca.cert);
    alloc_random++;

    record(&run, NULL);
    alloc_each(name, ALLOC_OK, op_exchange, &run);

    free(run.body.data);
}


static void
each(const char *name, const scep_spec_t *spec, const char *logged)
{
    each_from(name, spec, &client, NULL, logged);
}


/* what is no message of SCEP */

static void
each_other(const char *name, begin_pt begin, mdm_uint_t status)
{
    static run_t  run;

    run.name = name;
    run.begin = begin;
    run.status = status;
    alloc_random++;

    record(&run, NULL);
    alloc_each(name, ALLOC_OK, op_exchange, &run);
}


/* the worker ends before the certificate is stored */

static void
left(const scep_spec_t *spec, const pki_t *from)
{
    static run_t  run;

    run.name = "cut short";
    run.status = 200;
    run.body = scep_message(spec, from, ca.cert);
    alloc_random++;

    record(&run, &mdm_script_certificate_store);

    free(run.body.data);
}


/* with its audit and its list, as the API makes it */

static mdm_int_t
new_step(mdm_exchange_t *x)
{
    return (x->state == 0)
           ? mdm_exchange_enter(x, mdm_challenge_create, &made, 1)
           : mdm_exchange_empty(x, 200);
}


static void
new_challenge(void)
{
    mdm_exchange_t  *x;

    alloc_random++;

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    memset(&made, 0, sizeof(made));
    made.uses = 1;
    made.ttl = 3600;
    made.c.purpose = MDM_PURPOSE_DEVICE;
    mdm_str_set(&made.c.udid, UDID);
    mdm_str_set(&made.c.serial, SERIAL);
    mdm_str_set(&made.c.person, "ann");

    x->kind = MDM_KIND_API;
    x->now = PKI_NOW;
    x->step = new_step;
    mdm_str_set(&x->tenant, "default");

    mdm_unit_redis_run(redis, x);
    assert_int_equal(made.code, MDM_CHALLENGE_TAKEN);

    (void) snprintf(challenge, sizeof(challenge), "%.*s",
                    mdm_fmt(&made.value));
    (void) snprintf(path, sizeof(path), "/v1/challenges/%.*s",
                    mdm_fmt(&made.c.id));

    mdm_arena_destroy(x->arena);
}


static void
test_issue(void **state)
{
    scep_spec_t  spec;

    (void) state;

    memset(&spec, 0, sizeof(spec));

    scep.challenge = MDM_SCEP_CHALLENGE_ONCE;
    new_challenge();

    spec.challenge = challenge;
    each("PKCSReq, a challenge", &spec, NULL);

    /* what was answered is answered again */

    each("PKCSReq, once more", &spec, NULL);

    spec.challenge = "nobody's";
    each("PKCSReq, no such challenge", &spec, "badRequest");

    spec.type = "17";
    each("RenewalReq of a stranger", &spec, "badRequest");

    spec.type = "20";
    each("CertPoll", &spec, "badCertId");

    /* the key of one that has a certificate needs its challenge */

    spec.type = NULL;
    spec.key = other.key;
    scep.challenge = MDM_SCEP_CHALLENGE_NONE;
    each("PKCSReq, none needed", &spec, NULL);
}


/* the only one of the ledger: its device enrolls, and comes with it */

static void
pin(void)
{
    u_char           digest[MDM_SHA256], hex[2 * MDM_SHA256];
    mdm_str_t        der;
    redisReply      *reply;
    const u_char    *p;
    mdm_exchange_t  *x;

    reply = mdm_unit_redis_command(redis, "EVAL %s 0",
        "local keys = redis.call('KEYS', 'mdm:{default/cert:*}:x')"
        "return #keys == 1 and redis.call('HGET', keys[1], 'der')");
    assert_int_equal(reply->type, REDIS_REPLY_STRING);

    p = (const u_char *) reply->str;
    pinned.cert = d2i_X509(NULL, &p, (long) reply->len);
    assert_non_null(pinned.cert);
    pinned.key = client.key;

    der.data = (u_char *) reply->str;
    der.len = reply->len;
    assert_int_equal(mdm_certificate_sha256(&der, digest, hex), MDM_OK);

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_CHECKIN;
    x->method = MDM_PUT;
    x->now = PKI_NOW;
    x->step = mdm_endpoint_step;
    x->identity.source = MDM_IDENTITY_TLS;
    x->identity.der = der;
    x->identity.digest.data = digest;
    x->identity.digest.len = sizeof(digest);
    x->identity.sha256.data = hex;
    x->identity.sha256.len = sizeof(hex);
    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->body, AUTHENTICATE);

    mdm_unit_redis_run(redis, x);
    assert_int_equal(x->status, 200);

    mdm_arena_destroy(x->arena);
    freeReplyObject(reply);
}


static void
list(mdm_exchange_t *x)
{
    x->kind = MDM_KIND_API;
    x->method = MDM_GET;
    mdm_str_set(&x->path, "/v1/challenges");
}


static void
delete(mdm_exchange_t *x)
{
    x->kind = MDM_KIND_API;
    x->method = MDM_DELETE;
    x->path.data = (u_char *) path;
    x->path.len = strlen(path);
}


static void
job(mdm_exchange_t *x)
{
    x->kind = MDM_KIND_JOB;
    x->step = mdm_certificates_job_step;
}


/* another device was faster with this key: the challenge is given back */

static void
faster(const mdm_call_t *call)
{
    const mdm_str_t  *spki;

    if (call->script == &mdm_script_challenge_take) {
        spki = &call->args[MDM_ARG_CHALLENGE_TAKE_SPKI];
        (void) mdm_unit_redis_int(redis, "HSET mdm:{default/spki:%b} owner x",
                                  spki->data, spki->len);
    }
}


static void
test_device(void **state)
{
    scep_spec_t  spec;

    (void) state;

    memset(&spec, 0, sizeof(spec));
    mdm_unit_redis_clean(redis);
    scep.challenge = MDM_SCEP_CHALLENGE_ONCE;

    new_challenge();
    spec.challenge = challenge;
    each("PKCSReq, of a device", &spec, NULL);
    pin();

    spec.type = "17";
    spec.challenge = "";
    spec.key = other.key;
    each_from("RenewalReq", &spec, &pinned, NULL, NULL);
    each_from("RenewalReq, once more", &spec, &pinned, NULL, NULL);

    new_challenge();
    spec.challenge = challenge;
    spec.key = third.key;
    each_from("RenewalReq, with a challenge", &spec, &pinned, NULL, NULL);

    new_challenge();
    spec.type = NULL;
    spec.key = EVP_EC_gen("P-256");
    each_from("PKCSReq, another was faster", &spec, &client, faster,
              "badRequest");
    EVP_PKEY_free(spec.key);

    each_other("GET /v1/challenges", list, 200);
    each_other("DELETE /v1/challenges/ID", delete, 204);
}


static void
test_job(void **state)
{
    scep_spec_t  spec;

    (void) state;

    memset(&spec, 0, sizeof(spec));

    new_challenge();
    spec.challenge = challenge;
    spec.key = EVP_EC_gen("P-256");
    left(&spec, &client);
    EVP_PKEY_free(spec.key);

    spec.type = "17";
    spec.challenge = "";
    spec.key = EVP_EC_gen("P-256");
    left(&spec, &pinned);
    EVP_PKEY_free(spec.key);

    assert_int_equal(mdm_unit_redis_int(redis, "EVAL %s 0",
        "local half = 'mdm:{default/ca}:half' "
        "for _, sn in ipairs(redis.call('ZRANGE', half, 0, -1)) do "
        "redis.call('ZADD', half, 0, sn) end "
        "return redis.call('ZCARD', half)"), 2);

    each_other("the job", job, 200);

    assert_int_equal(mdm_unit_redis_int(redis,
                                        "ZCARD mdm:{default/ca}:half"), 0);
}


static int
setup(void **state)
{
    size_t             at;
    pki_spec_t         spec;
    const char        *why;
    mdm_ca_subject_t  *subject;

    static const mdm_str_t  template = mdm_string("CN=${id}");

    (void) state;

    redis = mdm_unit_redis_start();

    memset(&spec, 0, sizeof(spec));
    spec.cn = "CA";
    spec.ca = 1;
    spec.bits = 2048;
    spec.to = PKI_NOW + DECADES;
    ca_pki = pki_issue(&spec);
    client = scep_client(2048);
    other = scep_client(2048);
    third = scep_client(2048);

    kept = mdm_arena_create(4096);

    if (mdm_ca_subject_parse(kept, &template, &subject, &why, &at) != MDM_OK) {
        return 1;
    }

    mdm_str_set(&ca.name, "devices");
    ca.cert = ca_pki.cert;
    ca.key = ca_pki.key;
    ca.subject = subject;
    ca.digest = EVP_sha256();
    ca.lifetime = DECADES;
    ca.key_minimum = 2048;
    scep.ca = &ca;

    return mdm_scep_prepare(kept, &scep) != MDM_OK;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_unit_redis_stop(redis);
    mdm_arena_destroy(kept);
    pki_free(&ca_pki);
    pki_free(&client);
    pki_free(&other);
    pki_free(&third);
    X509_free(pinned.cert);
    alloc_done();

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_issue),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_job)
    };

    alloc_init();

    return cmocka_run_group_tests(tests, setup, teardown);
}
