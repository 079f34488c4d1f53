
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * SCEP with a real redis-server: what a refused request leaves behind, and what
 * a client is told that asks again.
 */


#include "admin.h"
#include "scep.h"

#include <time.h>

#include "mdm_ca_spki.h"
#include "mdm_challenge.h"
#include "mdm_scep.h"


static pki_t        ca_pki, clients[2];
static mdm_ca_t     ca;
static mdm_scep_t   scep;
static mdm_arena_t *kept;


/* what the client is told: "success", or a failure */

static const char *
ask(void **state, scep_spec_t *spec, const pki_t *client)
{
    mdm_str_t    der;
    static char  status[32];

    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    spec->time = (int64_t) time(NULL);
    der = scep_message(spec, client, ca.cert);

    x->kind = MDM_KIND_SCEP;
    x->method = MDM_POST;
    x->now = spec->time;
    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->query, "operation=PKIOperation");
    x->body = der;

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    free(der.data);

    if (x->status != 200) {
        (void) snprintf(status, sizeof(status), "%lu",
                        (unsigned long) x->status);

    } else {
        (void) snprintf(status, sizeof(status), "%.*s",
                        mdm_fmt(&x->scep_status));
    }

    return status;
}


static const char *
challenge(void **state, const char *body)
{
    char        *p;
    static char  values[8][64];
    static int   n;

    assert_int_equal(api(state, MDM_POST, "/v1/challenge", "", body), 200);

    p = memmem(x->response.data, x->response.len, "\"challenge\":\"", 13);
    assert_non_null(p);

    n = (n + 1) % 8;
    (void) snprintf(values[n], sizeof(values[n]), "%.*s", MDM_CHALLENGE_TEXT,
                    p + 13);

    return values[n];
}


/* of the only challenge that there is */

static long long
used(void **state)
{
    return mdm_unit_redis_int(*state, "EVAL %s 0", "local n = 0; for _, k in "
        "ipairs(redis.call('KEYS', 'mdm:{default/chal:*')) do n = n + "
        "tonumber(redis.call('HGET', k, 'used') or '0') end return n");
}


/* the line of the log that has this, and none has the challenge */

static void
logged(const char *value, const char *text)
{
    mdm_log_t   *line;
    mdm_uint_t   found;

    found = 0;

    for (line = x->log; line != NULL; line = line->next) {
        found |= (memmem(line->text.data, line->text.len, text, strlen(text))
                  != NULL);
        assert_null(memmem(line->text.data, line->text.len, value,
                           strlen(value)));
    }

    assert_int_equal(found, 1);
}


/* how many refusals of this challenge are told, the last one for this reason */

static long long
told(void **state, const char *id, const char *why)
{
    return mdm_unit_redis_int(*state, "EVAL %s 0 %s %s", "local n, d = 0, {} "
        "for _, e in ipairs(redis.call('XRANGE', 'mdm:{default/ca}:events', "
        "'-', '+')) do local v = {} for i = 1, #e[2], 2 do v[e[2][i]] = "
        "e[2][i + 1] end if v.event == 'mdm.CertificateRefused' and v.id == "
        "ARGV[1] then n = n + 1; d = cjson.decode(v.data) end end "
        "return d.why == ARGV[2] and d.purpose == 'device' and "
        "d.ca == 'devices' and not d.cert and n or -1", id, why);
}


/* of the challenge that was made last */

static const char *
challenge_id(void)
{
    char        *p;
    static char  id[64];

    p = memmem(x->response.data, x->response.len, "_id\":\"", 6);
    assert_non_null(p);
    (void) snprintf(id, sizeof(id), "%.36s", p + 6);

    return id;
}


static void
test_not_spent(void **state)
{
    char         id[64], line[256];
    mdm_uint_t   i;
    scep_spec_t  spec;
    const char  *first, *second;

    memset(&spec, 0, sizeof(spec));

    first = challenge(state, "{\"udid\":\"" UDID "\"}");
    second = challenge(state, "{\"udid\":\"" OTHER "\"}");
    (void) snprintf(id, sizeof(id), "%s", challenge_id());

    spec.challenge = first;
    assert_string_equal(ask(state, &spec, &clients[0]), "success");
    assert_int_equal(used(state), 1);
    logged(first, "issued, transaction \"TRANSACTION-1\", challenge \"");
    logged(first, ", device \"" UDID "\"");

    /* the key is another device's: the challenge is good still */

    spec.challenge = second;
    assert_string_equal(ask(state, &spec, &clients[0]), "badRequest");
    assert_int_equal(used(state), 1);
    (void) snprintf(line, sizeof(line), "mdm scep: badRequest: the public key "
                    "is another device's, transaction \"TRANSACTION-1\", "
                    "challenge \"%s\", device \"" OTHER "\"", id);
    logged(second, line);
    assert_int_equal(told(state, id, "the public key is another device's"), 1);

    assert_string_equal(ask(state, &spec, &clients[1]), "success");
    assert_int_equal(used(state), 2);

    /* and then it is not: somebody has what another one was given */

    assert_string_equal(ask(state, &spec, &clients[0]), "badRequest");
    (void) snprintf(line, sizeof(line), "mdm scep: badRequest: the challenge "
                    "is used up, transaction \"TRANSACTION-1\", challenge "
                    "\"%s\"", id);
    logged(second, line);
    assert_int_equal(told(state, id, "the challenge is used up"), 2);

    /* who repeats that drives out no events of others */

    for (i = 0; i < 12; i++) {
        assert_string_equal(ask(state, &spec, &clients[0]), "badRequest");
    }

    assert_int_equal(told(state, id, "the challenge is used up"), 10);

    assert_string_equal(ask(state, &spec, &clients[1]), "success");
    assert_int_equal(used(state), 2);
}


/* somebody else is certified for the key when it has been looked at */

static mdm_unit_fault_e
faster(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;

    if (call->script == &mdm_script_challenge_take) {
        mdm_unit_redis_t  *redis = data;

        freeReplyObject(mdm_unit_redis_command(redis, "EVAL %s 0",
            "local k = redis.call('HGET', 'test', 'key');"
            "redis.call('HSET', k, 'owner', 'device another')"));
    }

    return MDM_UNIT_FAULT_NONE;
}


static void
test_given_back(void **state)
{
    char               key[128];
    u_char             digest[32];
    mdm_str_t          s, hex;
    scep_spec_t        spec;
    const char        *value;
    mdm_unit_redis_t  *redis;

    redis = *state;
    memset(&spec, 0, sizeof(spec));

    value = challenge(state, "{\"udid\":\"" UDID "\"}");
    spec.challenge = value;

    assert_int_equal(mdm_ca_spki(kept, clients[0].key, digest), MDM_OK);
    s.data = digest;
    s.len = sizeof(digest);
    assert_int_equal(mdm_hex_str(kept, &hex, &s), MDM_OK);
    (void) snprintf(key, sizeof(key), "mdm:{default/spki:%.*s}",
                    mdm_fmt(&hex));
    (void) mdm_unit_redis_int(redis, "HSET test key %s", key);

    redis->fault = faster;
    redis->fault_data = redis;
    assert_string_equal(ask(state, &spec, &clients[0]), "badRequest");
    redis->fault = NULL;

    assert_int_equal(used(state), 0);
    assert_string_equal(ask(state, &spec, &clients[1]), "success");
    assert_int_equal(used(state), 1);
}


static void
test_unknown(void **state)
{
    scep_spec_t  spec;

    memset(&spec, 0, sizeof(spec));

    spec.challenge = "nobody made it";
    assert_string_equal(ask(state, &spec, &clients[0]), "badRequest");
    assert_int_equal(mdm_unit_redis_int(*state, "DBSIZE"), 0);
}


/* IssuerAndSubject */

static size_t
names(u_char *dst, const char *issuer, const char *subject)
{
    int          i, len;
    u_char      *p;
    X509_NAME   *name[2];
    const char  *cn[2];

    cn[0] = issuer;
    cn[1] = subject;
    len = 0;

    for (i = 0; i < 2; i++) {
        name[i] = X509_NAME_new();
        assert_int_equal(X509_NAME_add_entry_by_txt(name[i], "CN",
                             MBSTRING_UTF8, (const unsigned char *) cn[i], -1,
                             -1, 0), 1);
        len += i2d_X509_NAME(name[i], NULL);
    }

    p = dst;
    ASN1_put_object(&p, 1, len, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);

    for (i = 0; i < 2; i++) {
        (void) i2d_X509_NAME(name[i], &p);
        X509_NAME_free(name[i]);
    }

    return (size_t) (p - dst);
}


static const char *
poll_for(void **state, const pki_t *client, const char *transaction,
    const char *issuer, const char *subject)
{
    u_char       inner[256];
    scep_spec_t  spec;

    memset(&spec, 0, sizeof(spec));

    spec.type = "20";
    spec.transaction = transaction;
    spec.inner = (char *) inner;
    spec.ninner = names(inner, issuer, subject);

    return ask(state, &spec, client);
}


/* a poll gets what its transaction was issued (core#1834) */

static void
test_poll(void **state)
{
    char         sn[64];
    scep_spec_t  spec;

    memset(&spec, 0, sizeof(spec));

    assert_string_equal(poll_for(state, &clients[0], "T-1", "CA", "client"),
                        "badCertId");
    assert_int_equal(mdm_unit_redis_int(*state, "DBSIZE"), 0);

    spec.challenge = challenge(state, "{\"udid\":\"" UDID "\"}");
    spec.transaction = "T-1";
    assert_string_equal(ask(state, &spec, &clients[0]), "success");
    (void) snprintf(sn, sizeof(sn), "%.*s", mdm_fmt(&x->ca_serial));

    assert_string_equal(poll_for(state, &clients[0], "T-1", "CA", "client"),
                        "success");
    assert_true(mdm_str_is(&x->ca_serial, sn));

    /* of another transaction, request, CA or key */

    assert_string_equal(poll_for(state, &clients[0], "T-2", "CA", "client"),
                        "badCertId");
    assert_string_equal(poll_for(state, &clients[0], "T-1", "CA", "clien"),
                        "badCertId");
    assert_string_equal(poll_for(state, &clients[0], "T-1", "CB", "client"),
                        "badCertId");
    assert_string_equal(poll_for(state, &clients[1], "T-1", "CA", "client"),
                        "badCertId");

    mdm_str_set(&ca.name, "other");
    assert_string_equal(poll_for(state, &clients[0], "T-1", "CA", "client"),
                        "badCertId");
    mdm_str_set(&ca.name, "devices");

    /* nothing that can be read */

    spec.type = "20";
    assert_string_equal(ask(state, &spec, &clients[0]), "badCertId");

    spec.inner = "x";
    spec.ninner = 1;
    assert_string_equal(ask(state, &spec, &clients[0]), "badCertId");

}


/* the same for all: a key gets its certificate again until that has ended
   (openxpki#126) */

static void
test_ended(void **state)
{
    char         sn[64];
    scep_spec_t  spec;

    memset(&spec, 0, sizeof(spec));

    spec.challenge = "for all";
    scep.challenge = MDM_SCEP_CHALLENGE_STATIC;
    mdm_str_set(&scep.secret, "for all");

    assert_string_equal(ask(state, &spec, &clients[0]), "success");
    (void) snprintf(sn, sizeof(sn), "%.*s", mdm_fmt(&x->ca_serial));
    assert_string_equal(ask(state, &spec, &clients[0]), "success");
    assert_true(mdm_str_is(&x->ca_serial, sn));

    assert_int_equal(mdm_unit_redis_int(*state, "EVAL %s 0",
        "for _, k in ipairs(redis.call('KEYS', 'mdm:{default/spki:*')) do "
        "local v = redis.call('HGETALL', k) for i = 1, #v, 2 do "
        "if string.sub(v[i], 1, 2) == 'k:' then redis.call('HSET', k, v[i], "
        "(string.gsub(v[i + 1], ' %d+ %d+ ', ' 1600000000 1600000100 '))) "
        "return 1 end end end return 0"), 1);

    assert_string_equal(ask(state, &spec, &clients[0]), "success");
    assert_false(mdm_str_is(&x->ca_serial, sn));
    (void) snprintf(sn, sizeof(sn), "%.*s", mdm_fmt(&x->ca_serial));
    assert_string_equal(ask(state, &spec, &clients[0]), "success");
    assert_true(mdm_str_is(&x->ca_serial, sn));
}


static int
fresh(void **state)
{
    scep.challenge = MDM_SCEP_CHALLENGE_ONCE;
    settings.challenge_ttl = 3600;
    settings.challenge_limit = 1000;
    settings.scep = &scep;

    return clean(state);
}


static int
setup(void **state)
{
    size_t             at;
    pki_spec_t         spec;
    const char        *why;
    mdm_ca_subject_t  *subject;

    static const mdm_str_t  template = mdm_string("CN=${id}");

    memset(&spec, 0, sizeof(spec));
    spec.cn = "CA";
    spec.ca = 1;
    spec.bits = 2048;
    spec.to = (int64_t) time(NULL) + 3650 * (int64_t) PKI_DAY;
    ca_pki = pki_issue(&spec);

    clients[0] = scep_client(2048);
    clients[1] = scep_client(2048);

    kept = mdm_arena_create(4096);

    if (mdm_ca_subject_parse(kept, &template, &subject, &why, &at) != MDM_OK) {
        return 1;
    }

    mdm_str_set(&ca.name, "devices");
    ca.cert = ca_pki.cert;
    ca.key = ca_pki.key;
    ca.subject = subject;
    ca.digest = EVP_sha256();
    ca.lifetime = 365 * PKI_DAY;
    ca.key_minimum = 2048;

    scep.ca = &ca;

    return mdm_scep_prepare(kept, &scep) != MDM_OK
           || mdm_unit_redis_setup(state);
}


static int
ended(void **state)
{
    mdm_arena_destroy(kept);
    pki_free(&ca_pki);
    pki_free(&clients[0]);
    pki_free(&clients[1]);

    return teardown(state);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_not_spent, fresh),
        cmocka_unit_test_setup(test_given_back, fresh),
        cmocka_unit_test_setup(test_unknown, fresh),
        cmocka_unit_test_setup(test_poll, fresh),
        cmocka_unit_test_setup(test_ended, fresh)
    };

    return cmocka_run_group_tests(tests, setup, ended);
}
