
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lack of memory in the steps of enrolment: a link, the Profile Service,
 * Automated Device Enrolment with its login, and what a new device is to have
 * first, by a worker and by the job.  Each request is carried out once with a
 * real redis-server, whose replies are kept; then it is repeated with every
 * allocation failing in turn.  It must make the same calls as far as it comes,
 * and be answered alike, or by 500 or 503.  What verifies a message fails in
 * test_alloc_ca.c.
 */


#include "alloc.h"
#include "../fuzz/enroll.h"

#include "mdm_certificate.h"
#include "mdm_endpoint.h"
#include "mdm_enroll_device.h"
#include "mdm_setup.h"
#include "mdm_unit_redis.h"


#define CALLS    32

#define T        "mdm:{default/0}"
#define UDID     "UDID-1"

#define PLIST(type, more)                                                     \
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>"                    \
    "<key>MessageType</key><string>" type "</string>"                         \
    "<key>UDID</key><string>" UDID "</string>"                                \
    "<key>Topic</key><string>t</string>" more "</dict></plist>"

#define AUTHENTICATE  PLIST("Authenticate", "")

#define TOKEN_UPDATE                                                          \
    PLIST("TokenUpdate", "<key>PushMagic</key><string>m</string>"             \
          "<key>Token</key><data>AQID</data>"                                 \
          "<key>AwaitingConfiguration</key><true/>")

#define SETUP                                                                 \
    "{\"set\":\"office\",\"hold\":\"acknowledged\",\"steps\":[{\"command\":"  \
    "{\"RequestType\":\"DeviceInformation\",\"Queries\":[\"${serial}\"]}}]}"


typedef void (*begin_pt)(mdm_exchange_t *x);


typedef struct {
    const char               *name;
    begin_pt                  begin;
    mdm_uint_t                status;
} request_t;


typedef struct {
    const request_t          *request;

    mdm_reply_t              *replies[CALLS];
    mdm_call_e                rc[CALLS];
    size_t                    ncalls;
    size_t                    rounds[CALLS + 1];
    size_t                    nrounds;
} run_t;


static mdm_unit_redis_t      *redis;
static mdm_arena_t           *kept;
static mdm_cache_t           *cache;
static char                   signer[65];

/* 1: between a look for the key of the store and a new one somebody else makes
   one: what this test has for random bytes is no key */
static mdm_uint_t             faster;

static mdm_store_settings_t  store_settings = { .partitions = 1 };

static mdm_settings_t  settings = {
    .store = &store_settings,
    .queue_limit = 20,
    .event_limit = 1000,
    .plist_depth = 32,
    .plist_nodes = 5000,
    .challenge_ttl = 3600,
    .challenge_limit = 1000,
    .enrollments = enrollments,
    .nenrollments = 1
};


static mdm_exchange_t *
start(const request_t *r)
{
    mdm_exchange_t  *x;

    x = mdm_exchange_create(&fuzz_enroll_settings);
    if (x == NULL) {
        return NULL;
    }

    x->now = FUZZ_ENROLL_NOW;
    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->remote_addr, "127.0.0.1");

    r->begin(x);

    if (x->step == NULL) {
        mdm_endpoint_find(x);
    }

    return x;
}


/* memory is there for it, and OpenSSL keeps what it wants to keep */

static void
work(mdm_call_t *call)
{
    alloc_paused = (call->work == mdm_enroll_device_work);
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

static mdm_exchange_t *
record(run_t *r, const char *until)
{
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    x = start(r->request);
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

            if (until != NULL
                && mdm_str_is(&x->calls[i].script->name, until))
            {
                return x;
            }

            assert_true(r->ncalls < CALLS);

            r->rc[r->ncalls] = mdm_unit_redis_eval(redis, kept, &x->calls[i]);
            r->replies[r->ncalls++] = x->calls[i].reply;

            if (faster && x->calls[i].script == &mdm_script_meta_seal_get) {
                (void) mdm_unit_redis_int(redis, "HSET mdm:meta seal %s",
                                          FUZZ_ENROLL_KEY);
            }
        }
    }

    assert_null(until);

    memcpy(alloc_good, alloc_trace, alloc_len);

    if (x->status != r->request->status) {
        fail_msg("%s: %lu, %.*s", r->request->name, (unsigned long) x->status,
                 mdm_fmt(&x->error));
    }

    return x;
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

    x = start(r->request);
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
                     r->request->name, alloc_fail, round + 1);
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
    alloc_str(&x->response);
    alloc_str(&x->enroll_state);

    if (x->status == r->request->status) {
        end = ALLOC_OK;

        /* refused as it should be, perhaps without saying why */

        if (x->status >= 400 && alloc_failures != 0) {
            end = ALLOC_FAILED;
        }

    } else if (x->status == 500 || x->status == 503) {

        if (alloc_failures == 0 || (x->status == 503 && x->retry_after == 0)) {
            fail_msg("%s: allocation %ld fails: %lu", r->request->name,
                     alloc_fail, (unsigned long) x->status);
        }

        end = ALLOC_FAILED;

    } else {
        end = ALLOC_REFUSED;
    }

    mdm_arena_destroy(x->arena);

    return end;
}


/* carried out, no more */

static void
does(const char *name, begin_pt begin, mdm_uint_t status, const char *until)
{
    request_t     request;
    static run_t  run;

    request.name = name;
    request.begin = begin;
    request.status = status;
    run.request = &request;
    alloc_random++;

    mdm_arena_destroy(record(&run, until)->arena);
}


static void
each(const char *name, begin_pt begin, mdm_uint_t status)
{
    request_t     request;
    static run_t  run;

    request.name = name;
    request.begin = begin;
    request.status = status;
    run.request = &request;
    alloc_random++;

    mdm_arena_destroy(record(&run, NULL)->arena);

    alloc_each(name, ALLOC_OK, op_exchange, &run);
}


static void
link_get(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 0);
}


static void
link_look(mdm_exchange_t *x)
{
    x->head = 1;
    fuzz_enroll_request(x, 0);
}


static void
link_unknown(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 0);
    mdm_str_set(&x->path, "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB");
}


static void
link_person(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 0);
    mdm_str_null(&x->path);
    mdm_str_set(&x->person, "P");
}


static void
ota_by_link(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 1);
}


static void
ota_by_person(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 2);
}


static void
ota_first(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 3);
}


static void
ota_first_by_link(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 4);
}


static void
ota_last(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 5);
}


static void
ade(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 6);
}


static void
ade_page(mdm_exchange_t *x)
{
    x->head = 1;
    fuzz_enroll_request(x, 7);
}


static void
ade_back(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 7);
}


static void
config(mdm_exchange_t *x)
{
    fuzz_enroll_request(x, 0);
    x->ways = MDM_ENROLL_CONFIG;
    mdm_str_null(&x->path);
}


/* a field that is kept as the server keeps it */

static void
plant(void (*place)(mdm_secret_where_t *where, const mdm_str_t *key),
    const char *key, const char *hash, const char *text)
{
    mdm_str_t            name, value;
    mdm_exchange_t      *x;
    mdm_secret_where_t   where;

    x = mdm_exchange_create(&fuzz_enroll_settings);
    assert_non_null(x);

    name.data = (u_char *) key;
    name.len = strlen(key);
    value.data = (u_char *) text;
    value.len = strlen(text);

    place(&where, &name);
    assert_int_equal(mdm_exchange_seal(x, x->arena, &where, &value, NULL),
                     MDM_OK);

    (void) mdm_unit_redis_int(redis, "HSET %s bind %b", hash, value.data,
                              value.len);
    mdm_arena_destroy(x->arena);
}


static void
test_ways(void **state)
{
    char  key[128], hash[140];

    (void) state;

    each("a link", link_get, 200);
    each("a link, a look", link_look, 200);
    each("a link, of nobody", link_unknown, 403);
    each("a person", link_person, 200);

    each("ota, a link", ota_by_link, 200);
    each("ota, a person", ota_by_person, 200);
    each("ota, who it is", ota_first, 200);
    each("ota, who it is, by a link", ota_first_by_link, 200);

    each("ota, a certificate of nobody", ota_last, 403);

    (void) snprintf(key, sizeof(key), "mdm:{default/cert:%s}", signer);
    (void) snprintf(hash, sizeof(hash), "%s:x", key);
    (void) mdm_unit_redis_int(redis, "HSET %s ca devices purpose ota", hash);
    plant(mdm_where_certificate, key, hash, "{\"udid\":\"A\",\"serial\":"
          "\"C02A\",\"enrollment\":\"main\",\"way\":\"ota\"}");

    each("ota, the profile", ota_last, 200);

    each("ade, of nobody", ade, 403);

    plant(mdm_where_challenge, "mdm:{default/dev:C02A}",
          "mdm:{default/dev:C02A}", "{\"asset\":\"A\"}");

    each("ade", ade, 200);
    each("ade, the page", ade_page, 302);
    each("ade, back from the login", ade_back, 200);
    each("config", config, 200);
}


static void
message(mdm_exchange_t *x, const char *body)
{
    static u_char  digest[32];

    x->kind = MDM_KIND_CHECKIN;
    x->method = MDM_PUT;
    x->identity.source = MDM_IDENTITY_TLS;
    memset(digest, 0xaa, sizeof(digest));
    x->identity.digest.data = digest;
    x->identity.digest.len = sizeof(digest);
    mdm_str_set(&x->identity.sha256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    mdm_str_set(&x->identity.der, "not a real one");
    x->body.data = (u_char *) body;
    x->body.len = strlen(body);
}


static void
authenticate(mdm_exchange_t *x)
{
    message(x, AUTHENTICATE);
}


static void
token_update(mdm_exchange_t *x)
{
    message(x, TOKEN_UPDATE);
}


static void
token_update_copy(mdm_exchange_t *x)
{
    message(x, TOKEN_UPDATE);
    x->cache = cache;
}


static void
put(mdm_exchange_t *x)
{
    x->kind = MDM_KIND_API;
    x->method = MDM_PUT;
    mdm_str_set(&x->path, "/v1/setups/a");
    mdm_str_set(&x->body, SETUP);
}


static void
job(mdm_exchange_t *x)
{
    x->kind = MDM_KIND_JOB;
    x->step = mdm_setup_jobs[0].step;
}


/* somebody must look at it */

static void
due(void)
{
    assert_int_equal(mdm_unit_redis_int(redis, "ZADD " T ":wait XX 0 " UDID),
                     0);
    assert_int_equal(mdm_unit_redis_int(redis, "ZSCORE " T ":wait " UDID), 0);
}


static void
test_setups(void **state)
{
    (void) state;

    does("a setup", put, 204, NULL);

    does("Authenticate", authenticate, 200, NULL);
    each("TokenUpdate", token_update, 200);

    /* the worker has a copy from the first one on */

    does("Authenticate", authenticate, 200, NULL);
    does("TokenUpdate", token_update_copy, 200, NULL);
    does("Authenticate", authenticate, 200, NULL);
    each("TokenUpdate, by the copy", token_update_copy, 200);

    does("Authenticate", authenticate, 200, NULL);
    does("TokenUpdate, cut short", token_update, 200, "setup_start");
    due();
    each("the job", job, 202);

    (void) mdm_unit_redis_int(redis, "DEL " T ":d:" UDID);
    does("Authenticate", authenticate, 200, NULL);
    does("TokenUpdate, cut short", token_update, 200, "setup_start");
    due();
    does("a job, cut short", job, 202, "ddm_channel");
    due();
    each("the job, what follows", job, 202);
}


static void
store_is(mdm_uint_t flags)
{
    mdm_exchange_t  *x;

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    fuzz_enroll_begin(x, MDM_ENROLL_ALLOW_LIST|flags);
    mdm_arena_destroy(x->arena);
}


/* nothing is encrypted: what seals is asked for first, and made if need be */

static void
test_plain(void **state)
{
    (void) state;

    store_is(FUZZ_ENROLL_PLAIN);

    faster = 1;
    each("ota, a link, the first one", ota_by_link, 200);
    faster = 0;

    each("ota, a link, plain", ota_by_link, 200);
    each("ota, who it is, plain", ota_first, 200);

    (void) mdm_unit_redis_int(redis, "DEL mdm:{default/dev:C02A}");
    plant(mdm_where_challenge, "mdm:{default/dev:C02A}",
          "mdm:{default/dev:C02A}", "{\"asset\":\"A\"}");

    each("ade, plain", ade, 200);
    each("ade, the page, plain", ade_page, 302);
    each("ade, back, plain", ade_back, 200);

    /* whoever has a key seals with that */

    (void) mdm_unit_redis_int(redis, "HSET mdm:meta keys x");
    each("ota, a key that is not here", ota_by_link, 503);
    (void) mdm_unit_redis_int(redis, "DEL mdm:meta");

    store_is(0);
}


static int
setup(void **state)
{
    u_char           digest[32];
    mdm_str_t        der, value, hex;
    mdm_exchange_t  *x;

    (void) state;

    redis = mdm_unit_redis_start();
    kept = mdm_arena_create(4096);
    cache = mdm_cache_create(1024 * 1024);
    x = mdm_exchange_create(&settings);

    if (kept == NULL || cache == NULL || x == NULL) {
        return 1;
    }

    x->now = FUZZ_ENROLL_NOW;
    mdm_str_set(&x->tenant, "default");
    fuzz_enroll_begin(x, MDM_ENROLL_ALLOW_LIST);

    mdm_str_set(&value, FUZZ_ENROLL_LINK);

    if (mdm_challenge_sha256(x->arena, &value, &hex) != MDM_OK
        || mdm_certificate_der(x->arena, fuzz_enroll_signer.cert,
                               &der) != MDM_OK
        || mdm_certificate_sha256(&der, digest, (u_char *) signer) != MDM_OK)
    {
        return 1;
    }

    (void) mdm_unit_redis_int(redis, "HSET mdm:{default/link:%b} id I "
                              "enrollment main uses 10 until 4000000000",
                              hex.data, hex.len);

    mdm_arena_destroy(x->arena);

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_unit_redis_stop(redis);
    mdm_arena_destroy(kept);
    mdm_cache_destroy(cache);
    alloc_done();

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_setups),
        cmocka_unit_test(test_plain)
    };

    alloc_init();

    return cmocka_run_group_tests(tests, setup, teardown);
}
