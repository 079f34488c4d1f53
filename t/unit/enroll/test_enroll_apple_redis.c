
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Automated Device Enrolment and the Profile Service as exchanges, with a real
 * redis-server: what a login brings back and when, lost calls, and replies that
 * are none.
 */


#include "admin.h"
#include "enrollment.h"
#include "pki.h"

#include <stdlib.h>

#include <openssl/cms.h>

#include "mdm_enroll.h"


#define INFO                                                                  \
    "<plist version=\"1.0\"><dict>"                                           \
    "<key>UDID</key><string>UDID-1</string>"                                  \
    "<key>SERIAL</key><string>C02X</string>"                                  \
    "<key>PRODUCT</key><string>iPad16,3</string>"                             \
    "<key>OS_VERSION</key><string>%s</string>"                                \
    "<key>MDM_CAN_REQUEST_SOFTWARE_UPDATE</key><true/>"                       \
    "<key>CHALLENGE</key><string>%s</string>"                                 \
    "</dict></plist>"

#define NOW   1700000000


static pki_t               apple, device;
static mdm_secret_keys_t   keys;
static mdm_enroll_block_t  block;

static mdm_enroll_minimum_t  minimum[] = {
    { mdm_string("iOS"), mdm_string("18.1"), mdm_string("22B83"),
      mdm_string("TOKEN"), mdm_string("Beta") }
};


/* what the device says, signed; to be freed */

static mdm_str_t
info(const char *os, const char *challenge)
{
    BIO              *bio;
    int               len;
    char              text[4096];
    mdm_str_t         der;
    CMS_ContentInfo  *cms;

    (void) snprintf(text, sizeof(text), INFO, os, challenge);

    bio = BIO_new_mem_buf(text, (int) strlen(text));
    cms = CMS_sign(device.cert, device.key, NULL, bio, CMS_BINARY);
    assert_non_null(cms);

    der.data = NULL;
    len = i2d_CMS_ContentInfo(cms, &der.data);
    assert_true(len > 0);
    der.len = (size_t) len;

    CMS_ContentInfo_free(cms);
    BIO_free(bio);

    return der;
}


static void
begin(mdm_uint_t method, mdm_uint_t ways, int64_t now)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_ENROLL;
    x->method = method;
    x->now = now;
    x->enrollment = &block;
    x->ways = ways;
    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->url, "https://mdm.example/x");
    mdm_str_set(&x->remote_addr, "127.0.0.1");
}


/* it is opened, or only looked at */

static mdm_uint_t
look(void **state, mdm_uint_t head, const char *person, const char *query)
{
    mdm_str_t     der, text;
    mdm_uint_t    status;
    mdm_arena_t  *arena;

    der = info("18.1", "");
    arena = mdm_arena_create(1024);
    assert_int_equal(mdm_base64(arena, &text, &der), MDM_OK);

    begin(MDM_GET, MDM_ENROLL_ADE, NOW);
    x->head = head & 1;

    if (person != NULL) {
        x->asked = 1;
        x->person.data = (u_char *) person;
        x->person.len = strlen(person);
        x->query.data = (u_char *) query;
        x->query.len = strlen(query);

    } else {
        x->deviceinfo = text;
    }

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    status = x->status;

    mdm_arena_destroy(arena);
    OPENSSL_free(der.data);

    return status;
}


static mdm_uint_t
post(void **state, mdm_uint_t ways, const char *os, const char *challenge)
{
    mdm_str_t   der;
    mdm_uint_t  status;

    der = info(os, challenge);

    begin(MDM_POST, ways, NOW);
    x->body = der;

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    status = x->status;
    OPENSSL_free(der.data);

    return status;
}


/* the first page; where it leads to a login, "token" is the state */

static mdm_uint_t
page(void **state, const char *os, char *token, size_t size)
{
    mdm_str_t     der, text;
    mdm_arena_t  *arena;

    der = info(os, "");
    arena = mdm_arena_create(1024);
    assert_int_equal(mdm_base64(arena, &text, &der), MDM_OK);

    begin(MDM_GET, MDM_ENROLL_ADE, NOW);
    x->deviceinfo = text;
    x->login = 1;
    x->asked = 1;

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    (void) snprintf(token, size, "state=%.*s", mdm_fmt(&x->enroll_state));

    mdm_arena_destroy(arena);
    OPENSSL_free(der.data);

    return x->status;
}


static mdm_uint_t
back(void **state, const char *query, const char *person, int64_t now)
{
    begin(MDM_GET, MDM_ENROLL_ADE, now);
    x->login = 1;
    x->asked = 1;
    x->query.data = (u_char *) query;
    x->query.len = strlen(query);
    x->person.data = (u_char *) person;
    x->person.len = strlen(person);

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    return x->status;
}


#define put(state)                                                            \
    assert_int_equal(api(state, MDM_PUT, "/v1/serials/C02X", "",              \
                         "{\"sets\":[\"office\"]}"), 204)


static void
test_ade(void **state)
{
    assert_int_equal(post(state, MDM_ENROLL_ADE, "18.1", ""), 403);
    assert_true(says("{\"code\":\"com.apple.unrecognized.device\"}"));
    assert_int_equal(redis_int("XLEN mdm:{default/prof}:events"), 1);
    assert_int_equal(post(state, MDM_ENROLL_ADE, "18.1", ""), 403);
    assert_int_equal(redis_int("XLEN mdm:{default/prof}:events"), 1);

    put(state);

    assert_int_equal(post(state, MDM_ENROLL_ADE, "18.1", ""), 200);
    assert_true(mdm_str_is(&x->response_type, MDM_PROFILE_TYPE));
    assert_true(says("<string>com.apple.mdm</string>"));

    /* what an iPad has to have follows from iOS */

    assert_int_equal(post(state, MDM_ENROLL_ADE, "18.0", ""), 403);
    assert_true(says("\"details\":{\"OSVersion\":\"18.1\","
                     "\"BuildVersion\":\"22B83\",\"RequireBetaProgram\":"
                     "{\"Description\":\"Beta\",\"Token\":\"TOKEN\"}}"));

    settings.enroll_allow = MDM_ENROLL_ALLOW_ANY;
    redis_int("UNLINK mdm:{default/dev:C02X}");
    assert_int_equal(post(state, MDM_ENROLL_ADE, "18.1", ""), 200);

    /* it is for somebody, but nobody is there */

    begin(MDM_POST, MDM_ENROLL_ADE, NOW);
    x->asked = 1;
    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);
    assert_int_equal(x->status, 403);
}


/* HEAD is answered as GET is, and spends nothing: no challenge, no event */

static void
test_head(void **state)
{
    char  token[2048];

    assert_int_equal(look(state, 1, NULL, NULL), 403);
    assert_int_equal(redis_int("DBSIZE"), 0);
    assert_int_equal(look(state, 0, NULL, NULL), 403);
    assert_int_equal(redis_int("XLEN mdm:{default/prof}:events"), 1);

    put(state);
    assert_int_equal(page(state, "18.1", token, sizeof(token)), 302);
    assert_int_equal(redis_int("EXISTS mdm:{default/ca}:ids"), 0);

    assert_int_equal(look(state, 1, NULL, NULL), 200);
    assert_true(mdm_str_is(&x->response_type, MDM_PROFILE_TYPE));
    assert_int_equal(x->response.len, 0);
    assert_int_equal(look(state, 1, "ann", token), 200);
    assert_int_equal(x->response.len, 0);
    assert_int_equal(redis_int("EXISTS mdm:{default/ca}:ids"), 0);
    assert_int_equal(redis_int("EXISTS mdm:{default/ca}:events"), 0);

    assert_int_equal(look(state, 0, "ann", token), 200);
    assert_int_equal(redis_int("ZCARD mdm:{default/ca}:ids"), 1);
    assert_int_equal(redis_int("XLEN mdm:{default/ca}:events"), 1);
}


/* whoever has kept what a device said holds up that device, and no other */

static void
test_often(void **state)
{
    mdm_uint_t  i;

    put(state);

    for (i = 0; i < 20; i++) {
        assert_int_equal(post(state, MDM_ENROLL_ADE, "18.1", ""), 200);
    }

    assert_int_equal(post(state, MDM_ENROLL_ADE, "18.1", ""), 503);
    assert_int_equal(x->retry_after, 600);
    assert_int_equal(redis_int("ZCARD mdm:{default/ca}:ids"), 20);
    assert_int_equal(redis_int("EVAL %s 0", "local keys = redis.call('KEYS', "
                               "'mdm:{default/ca}:n:*') return #keys * "
                               "redis.call('TTL', keys[1])") > 3500, 1);
}


static void
test_login(void **state)
{
    char  token[2048], other[4096];

    put(state);

    assert_int_equal(page(state, "18.0", token, sizeof(token)), 403);
    assert_int_equal(page(state, "18.1", token, sizeof(token)), 302);
    assert_true(strlen(token) > 100);

    assert_int_equal(back(state, token, "ann", NOW + 15 * 60), 200);
    assert_true(says("<string>com.apple.mdm</string>"));

    /* too late, by nobody, after it was taken off the list */

    assert_int_equal(back(state, token, "ann", NOW + 15 * 60 + 1), 403);
    assert_true(says("expired"));
    assert_int_equal(back(state, token, "", NOW), 403);

    (void) snprintf(other, sizeof(other), "code=1&%s&x=2", token);
    assert_int_equal(back(state, other, "ann", NOW), 200);

    redis_int("UNLINK mdm:{default/dev:C02X}");
    assert_int_equal(back(state, token, "ann", NOW), 403);

    /* another block */

    mdm_str_set(&block.name, "other");
    assert_int_equal(back(state, token, "ann", NOW), 403);
    mdm_str_set(&block.name, "main");
}


/* the challenge of a Profile Service */

static const char *
offer(void **state, const char *person, int64_t now)
{
    char        *p, *end;
    static char  challenge[2048];

    begin(MDM_GET, MDM_ENROLL_OTA, now);
    x->person.data = (u_char *) person;
    x->person.len = strlen(person);

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    assert_int_equal(x->status, 200);
    assert_true(says("<string>Profile Service</string>"));
    assert_true(says("<string>https://mdm.example/x</string>"));

    p = memmem(x->response.data, x->response.len, "<key>Challenge</key>", 20);
    assert_non_null(p);
    p = strstr(p, "<string>") + 8;
    end = strstr(p, "</string>");

    (void) snprintf(challenge, sizeof(challenge), "%.*s", (int) (end - p), p);

    return challenge;
}


static void
test_ota(void **state)
{
    char  challenge[2048];

    begin(MDM_GET, MDM_ENROLL_OTA, NOW);
    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);
    assert_int_equal(x->status, 403);

    (void) snprintf(challenge, sizeof(challenge), "%s",
                    offer(state, "ann", NOW));
    assert_int_equal(redis_int("DBSIZE"), 0);

    assert_int_equal(post(state, MDM_ENROLL_OTA, "18.1", challenge), 200);
    assert_true(says("com.apple.security.scep"));
    assert_false(says("com.apple.mdm<"));

    /* too old, and none */

    (void) snprintf(challenge, sizeof(challenge), "%s",
                    offer(state, "ann", NOW - 15 * 60 - 1));
    assert_int_equal(post(state, MDM_ENROLL_OTA, "18.1", challenge), 403);
    assert_true(says("expired"));
    assert_int_equal(post(state, MDM_ENROLL_OTA, "18.1", ""), 403);

    /* with both ways a message without one is a MachineInfo */

    put(state);
    assert_int_equal(post(state, MDM_ENROLL_OTA|MDM_ENROLL_ADE, "18.1", ""),
                     200);
    assert_true(says("<string>com.apple.mdm</string>"));
}


/* a store that has no "encryption_key" makes a key of its own, once */

static void
test_seal(void **state)
{
    char  token[2048], other[2048];

    store_settings.secrets = NULL;
    put(state);

    assert_int_equal(page(state, "18.1", token, sizeof(token)), 302);
    assert_int_equal(redis_int("HSTRLEN mdm:meta seal"), 64);
    assert_int_equal(back(state, token, "ann", NOW), 200);
    assert_int_equal(back(state, token, "ann", NOW + 15 * 60 + 1), 403);

    (void) snprintf(other, sizeof(other), "%s", offer(state, "ann", NOW));
    assert_int_equal(post(state, MDM_ENROLL_OTA, "18.1", other), 200);

    /* what was sealed with it is good for nothing where there is another one */

    store_settings.secrets = &keys;
    assert_int_equal(back(state, token, "ann", NOW), 403);
    store_settings.secrets = NULL;
    assert_int_equal(back(state, token, "ann", NOW), 200);

    redis_int("HDEL mdm:meta seal");
    assert_int_equal(back(state, token, "ann", NOW), 403);
    assert_int_equal(redis_int("HSTRLEN mdm:meta seal"), 64);

    /* this host lacks a key that others have */

    redis_int("HSET mdm:meta keys 0011223344556677:00");
    assert_int_equal(page(state, "18.1", token, sizeof(token)), 503);
    redis_int("HDEL mdm:meta seal");
    assert_int_equal(page(state, "18.1", token, sizeof(token)), 503);
    assert_int_equal(redis_int("HEXISTS mdm:meta seal"), 0);
    redis_int("HDEL mdm:meta keys");

    /* what is no key is not used */

    redis_int("HSET mdm:meta seal 00");
    assert_int_equal(page(state, "18.1", token, sizeof(token)), 500);
    assert_int_equal(post(state, MDM_ENROLL_OTA, "18.1", other), 500);
}


static mdm_uint_t        fault_at;
static mdm_unit_fault_e  fault_kind;


static mdm_unit_fault_e
fault(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) call;
    (void) data;

    return (n == fault_at) ? fault_kind : MDM_UNIT_FAULT_NONE;
}


/* whatever call is lost, that of the key, too: 503, and the next one is good */

static void
test_seal_faults(void **state)
{
    char               token[2048];
    mdm_uint_t         i, kind;
    mdm_unit_redis_t  *redis = *state;

    store_settings.secrets = NULL;
    put(state);

    for (i = 0; i < 4; i++) {
        kind = (i & 1) ? MDM_UNIT_FAULT_BEFORE : MDM_UNIT_FAULT_AFTER;
        fault_kind = (mdm_unit_fault_e) kind;
        fault_at = redis->calls + i / 2;

        redis->fault = fault;
        assert_int_equal(page(state, "18.1", token, sizeof(token)), 503);
        redis->fault = NULL;

        assert_int_equal(page(state, "18.1", token, sizeof(token)), 302);
        assert_int_equal(back(state, token, "ann", NOW), 200);
        redis_int("HDEL mdm:meta seal");
    }
}


/* whatever call is lost: 503, and the next attempt is given a profile */

static void
test_faults(void **state)
{
    char               challenge[2048];
    mdm_uint_t         i, kind, ways;
    mdm_unit_redis_t  *redis;

    redis = *state;

    put(state);
    (void) snprintf(challenge, sizeof(challenge), "%s",
                    offer(state, "ann", NOW));

    for (ways = MDM_ENROLL_OTA; ways <= MDM_ENROLL_ADE; ways <<= 1) {

        for (kind = MDM_UNIT_FAULT_BEFORE; kind <= MDM_UNIT_FAULT_AFTER;
             kind++)
        {
            fault_kind = (mdm_unit_fault_e) kind;

            for (i = 0; i < (ways == MDM_ENROLL_ADE ? 3U : 2U); i++) {
                fault_at = redis->calls + i;
                redis->fault = fault;
                assert_int_equal(post(state, ways, "18.1", challenge), 503);
                redis->fault = NULL;

                assert_int_equal(post(state, ways, "18.1", challenge), 200);
            }
        }
    }
}


static int
fresh(void **state)
{
    settings.challenge_ttl = 3600;
    settings.challenge_limit = 100;
    settings.enroll_allow = MDM_ENROLL_ALLOW_LIST;
    store_settings.secrets = &keys;

    return clean(state);
}


static int
setup(void **state)
{
    pki_spec_t           spec;

    static const u_char  raw[MDM_SECRET_RAW] = "a key of 32 bytes, more or les";

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "Test iPhone Device CA";
    spec.ca = 1;
    spec.bits = 1024;
    spec.md = EVP_sha1();
    apple = pki_issue(&spec);

    memset(&spec, 0, sizeof(pki_spec_t));
    spec.cn = "device";
    spec.issuer = &apple;
    spec.bits = 1024;
    device = pki_issue(&spec);

    block = enrollment_main;
    block.apple = pki_store(&apple);
    block.minimum = minimum;
    block.nminimum = 1;

    return mdm_secret_key_add(&keys, raw) != MDM_OK
           || mdm_unit_redis_setup(state);
}


static int
ended(void **state)
{
    X509_STORE_free(block.apple);
    pki_free(&apple);
    pki_free(&device);
    mdm_secret_keys_clear(&keys);

    return teardown(state);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_ade, fresh),
        cmocka_unit_test_setup(test_head, fresh),
        cmocka_unit_test_setup(test_often, fresh),
        cmocka_unit_test_setup(test_login, fresh),
        cmocka_unit_test_setup(test_ota, fresh),
        cmocka_unit_test_setup(test_seal, fresh),
        cmocka_unit_test_setup(test_seal_faults, fresh),
        cmocka_unit_test_setup(test_faults, fresh)
    };

    return cmocka_run_group_tests(tests, setup, ended);
}
