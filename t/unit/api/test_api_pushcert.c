
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Push certificates through a real redis-server: the calls of the API, what a
 * worker reads of them, and what is said of those that end.
 */


#include <stdlib.h>

#include "api_redis.h"
#include "mdm_push_job.h"
#include "mdm_push_refresh.h"
#include "mdm_push_stop.h"
#include "push_pem.h"


#define NOW    MDM_UNIT_NOW
#define DAY    86400
#define P      "mdm:{default/push}"
#define T      "com.apple.mgmt.t"
#define OTHER  "com.apple.mgmt.External.other"


static mdm_secret_keys_t  keys;
static char              *pem, *pem2;


static int
begin(void **state)
{
    (void) setup(state);

    mdm_unit_store.secrets = &keys;

    return 0;
}


static int
end(void **state)
{
    (void) teardown(state);

    mdm_unit_store.secrets = NULL;
    free(pem);
    free(pem2);
    pem = pem2 = NULL;

    return 0;
}


static mdm_uint_t
put(const char *body)
{
    return run(MDM_PUT, "/v1/pushcert", body);
}


static void
says(const char *place, const char *text)
{
    assert_string_equal(mdm_unit_api_text(x, place), text);
}


static void
error_has(const char *part)
{
    const char  *error;

    error = mdm_unit_api_text(x, "error");

    if (strstr(error, part) == NULL) {
        fail_msg("\"%s\", not \"%s\"", error, part);
    }
}


static char *
field(const char *topic, const char *name)
{
    return mdm_unit_redis_str(redis, x->arena, "HGET " P ":c:%s %s", topic,
                              name);
}


/* the newest event of the tenant: its name; "data" is its JSON */

static json_t *
newest(const char *name)
{
    json_t      *data;
    redisReply  *reply, *fields;

    reply = mdm_unit_redis_command(redis, "XREVRANGE " P ":events + - "
                                   "COUNT 1");
    assert_int_equal(reply->elements, 1);

    fields = reply->element[0]->element[1];
    assert_string_equal(fields->element[1]->str, name);
    assert_string_equal(fields->element[3]->str, T);

    data = json_loads(fields->element[5]->str, 0, NULL);
    assert_non_null(data);

    freeReplyObject(reply);

    return data;
}


static long long
events(void)
{
    return mdm_unit_redis_int(redis, "XLEN " P ":events");
}


static void
test_put(void **state)
{
    char        *kept;
    json_t      *data;
    const char  *first;

    (void) state;

    pem = push_pem(T, NOW - DAY, NOW + 365 * DAY);
    pem2 = push_pem(T, NOW - DAY, NOW + 366 * DAY);

    assert_int_equal(put(pem), 200);

    says("topic", T);
    says("not_after", "2024-11-13T22:13:20Z");
    assert_null(mdm_unit_api_at(mdm_unit_api_json(x), "warnings"));

    /* sealed: nothing of the key is there */

    kept = field(T, "key");
    assert_memory_equal(kept, "\356MK\1", 4);
    assert_memory_equal(field(T, "cert"), "-----BEGIN CERTIFICATE-----", 27);
    assert_string_equal(field(T, "not_after"), "1731536000");
    assert_int_equal(mdm_unit_redis_int(redis, "ZCARD " P ":topics"), 1);

    data = newest("api.PushCertificate");
    assert_string_equal(json_string_value(json_object_get(data, "change")),
                        "new");
    assert_string_equal(json_string_value(json_object_get(data, "by")),
                        "admin");
    json_decref(data);

    /* somebody looks when it ends */

    assert_string_equal(x->kick, MDM_PUSH_CERT_JOB);
    assert_int_equal(mdm_unit_redis_int(redis,
                                        "ZCARD mdm:{work}:due:pushcert"), 1);

    /* the same once more */

    assert_int_equal(put(pem), 200);
    assert_int_equal(events(), 1);

    first = strdup(field(T, "sha256"));

    /* a renewed one, though the topic was stopped */

    freeReplyObject(mdm_unit_redis_command(redis, "HSET " P ":c:" T
                        " stop BadCertificate since 1699999000 told 30"));

    assert_int_equal(put(pem2), 200);

    data = newest("api.PushCertificate");
    assert_string_equal(json_string_value(json_object_get(data, "change")),
                        "changed");
    assert_string_equal(json_string_value(json_object_get(data, "replaced")),
                        first);
    json_decref(data);
    free((char *) first);

    assert_string_equal(field(T, "stop"), "");
    assert_string_equal(field(T, "told"), "");
    assert_int_equal(mdm_unit_redis_int(redis, "ZCARD " P ":topics"), 1);
}


static void
test_get(void **state)
{
    (void) state;

    pem = push_pem(T, NOW - DAY, NOW + 365 * DAY);
    pem2 = push_pem(OTHER, NOW - DAY, NOW + 30 * DAY);

    assert_int_equal(run(MDM_GET, "/v1/pushcert", ""), 400);
    assert_int_equal(run(MDM_GET, "/v1/pushcert?topic=" T, ""), 404);
    assert_int_equal(run(MDM_DELETE, "/v1/pushcert", ""), 400);
    assert_int_equal(run(MDM_DELETE, "/v1/pushcert?topic=" T, ""), 404);
    assert_int_equal(run(MDM_GET, "/v1/pushcerts", ""), 200);
    assert_int_equal(json_array_size(mdm_unit_api_at(mdm_unit_api_json(x),
                                                     "pushcerts")), 0);

    assert_int_equal(put(pem), 200);
    assert_int_equal(put(pem2), 200);

    assert_int_equal(run(MDM_GET, "/v1/pushcert?topic=" T, ""), 200);
    says("topic", T);
    says("not_after", "2024-11-13T22:13:20Z");
    says("state", "ok");
    says("by", "admin");
    assert_int_equal(strlen(mdm_unit_api_text(x, "sha256")), 64);

    /* nothing of the certificate or the key */

    assert_null(memmem(x->response.data, x->response.len, "BEGIN", 5));
    assert_null(memmem(x->response.data, x->response.len, "\"key\"", 5));

    freeReplyObject(mdm_unit_redis_command(redis, "HSET " P ":c:" T
                        " stop BadCertificate since 1699999000"));

    assert_int_equal(run(MDM_GET, "/v1/pushcerts", ""), 200);
    says("pushcerts/0/topic", OTHER);
    says("pushcerts/0/state", "expiring");
    says("pushcerts/1/state", "stopped");
    says("pushcerts/1/stopped/reason", "BadCertificate");
    says("pushcerts/1/stopped/since", "2023-11-14T21:56:40Z");

    freeReplyObject(mdm_unit_redis_command(redis, "HSET " P ":c:" T
                                           " not_after 1700000000"));
    assert_int_equal(run(MDM_GET, "/v1/pushcert?topic=" T, ""), 200);
    says("state", "expired");

    assert_int_equal(run(MDM_DELETE, "/v1/pushcert?topic=" T, ""), 204);
    assert_int_equal(run(MDM_GET, "/v1/pushcert?topic=" T, ""), 404);
    assert_int_equal(mdm_unit_redis_int(redis, "ZCARD " P ":topics"), 1);
    assert_int_equal(count(P ":c:*"), 1);
    json_decref(newest("api.PushCertificate"));
}


static void
test_refused(void **state)
{
    mdm_push_file_t  file;

    (void) state;

    assert_int_equal(put("no PEM"), 400);
    error_has("there is no certificate");

    pem = push_pem("com.example.app", NOW - DAY, NOW + DAY);
    assert_int_equal(put(pem), 400);
    error_has("com.apple.mgmt");
    free(pem);

    pem = push_pem(T, NOW - 2 * DAY, NOW - DAY);
    assert_int_equal(put(pem), 400);
    error_has("has expired on 2023-11-13T22:13:20Z");
    free(pem);

    pem = push_pem(T, NOW - DAY, NOW + 60 * DAY);
    pem2 = push_pem(T, NOW - DAY, NOW + 60 * DAY);
    *strstr(pem2, "-----BEGIN EC") = '\0';
    pem2 = realloc(pem2, strlen(pem2) + strlen(pem) + 1);
    strcat(pem2, pem);
    assert_int_equal(put(pem2), 400);
    error_has("several certificates");

    strcpy(strstr(pem2, "-----END CERT"), strstr(pem, "-----END CERT"));
    assert_int_equal(put(pem2), 400);
    error_has("does not belong");

    /* nothing in the clear unless it is wanted so */

    mdm_unit_store.secrets = NULL;
    assert_int_equal(put(pem), 409);
    error_has("encryption_key");

    settings.push_plain = 1;
    assert_int_equal(put(pem), 200);
    assert_memory_equal(field(T, "key"), "-----BEGIN PRIVATE KEY-----", 27);

    /* one of a file */

    memset(&file, 0, sizeof(file));
    mdm_str_set(&file.tenant, "default");
    mdm_str_set(&file.topic, T);
    mdm_str_set(&file.sha256, "00");
    file.not_after = NOW + DAY;

    settings.push_files = &file;
    settings.npush_files = 1;

    assert_int_equal(put(pem), 409);
    error_has("comes from a file");
    assert_int_equal(run(MDM_DELETE, "/v1/pushcert?topic=" T, ""), 409);
    assert_int_equal(run(MDM_GET, "/v1/pushcert?topic=" T, ""), 200);
    says("state", "expiring");
    assert_true(json_is_true(mdm_unit_api_at(mdm_unit_api_json(x), "file")));

    mdm_str_set(&file.tenant, "another");
    assert_int_equal(run(MDM_GET, "/v1/pushcert?topic=" T, ""), 200);
    assert_null(mdm_unit_api_at(mdm_unit_api_json(x), "file"));
}


static void
test_many(void **state)
{
    int  i;

    (void) state;

    for (i = 0; i < 100; i++) {
        freeReplyObject(mdm_unit_redis_command(redis, "ZADD " P ":topics %d "
                                               "com.apple.mgmt.%d", i, i));
    }

    pem = push_pem(T, NOW - DAY, NOW + 60 * DAY);
    assert_int_equal(put(pem), 409);
    error_has("100 topics already");
    assert_int_equal(count(P ":c:*"), 0);
}


static void
test_warnings(void **state)
{
    (void) state;

    enroll("A");

    pem = push_pem(OTHER, NOW - DAY, NOW + 365 * DAY);
    assert_int_equal(put(pem), 200);
    assert_non_null(strstr(mdm_unit_api_text(x, "warnings/0"),
                           "but some have \"" T "\": was a new certificate "
                           "made instead of a renewal?"));
    free(pem);

    pem = push_pem(T, NOW - DAY, NOW + 365 * DAY);
    assert_int_equal(put(pem), 200);
    assert_null(mdm_unit_api_at(mdm_unit_api_json(x), "warnings"));

    pem2 = push_pem(T, NOW + 60, NOW + 30 * DAY);
    assert_int_equal(put(pem2), 200);
    assert_non_null(strstr(mdm_unit_api_text(x, "warnings/0"),
                           "that was there is newer: it ends on 2024-11-13"));
    assert_non_null(strstr(mdm_unit_api_text(x, "warnings/1"),
                           "it ends within 30 days: on 2023-12-14"));
    assert_non_null(strstr(mdm_unit_api_text(x, "warnings/2"),
                           "not valid before 2023-11-14"));
    assert_int_equal(json_array_size(mdm_unit_api_at(mdm_unit_api_json(x),
                                                     "warnings")), 3);

    /* one that has checked out tells nothing */

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:e:A enabled 0",
                                           tag("A")));
    free(pem);
    pem = push_pem(OTHER, NOW - DAY, NOW + 365 * DAY);
    assert_int_equal(put(pem), 200);
    assert_null(mdm_unit_api_at(mdm_unit_api_json(x), "warnings"));
}


/* a job's exchange, run to its end */

static void
job(mdm_step_pt step, void *ctx, int64_t now)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_JOB;
    x->now = now;
    x->step = step;
    x->ctx = ctx;
    mdm_str_set(&x->tenant, "default");

    mdm_unit_redis_run(redis, x);
}


static void
refresh(mdm_push_refresh_t *r, mdm_push_known_t *known, const char *sha256)
{
    memset(known, 0, 2 * sizeof(mdm_push_known_t));

    mdm_str_set(&known[0].topic, T);
    known[0].sha256.data = (u_char *) sha256;
    known[0].sha256.len = strlen(sha256);
    mdm_str_set(&known[1].topic, "com.apple.mgmt.none");
    mdm_str_set(&known[1].sha256, "");

    memset(r, 0, sizeof(*r));
    r->known = known;
    r->nknown = 2;

    job(mdm_push_refresh_step, r, NOW);

    assert_int_equal(x->status, 200);
}


static void
test_refresh(void **state)
{
    char                 sha256[65];
    mdm_arena_t         *own;
    mdm_push_known_t     known[2];
    mdm_push_topic_t    *t;
    mdm_push_refresh_t   r;

    (void) state;

    pem = push_pem(T, NOW - DAY, NOW + 365 * DAY);
    pem2 = push_pem(OTHER, NOW - DAY, NOW + 366 * DAY);

    refresh(&r, known, "");
    assert_int_equal(r.ntopics, 0);

    assert_int_equal(put(pem), 200);
    assert_int_equal(put(pem2), 200);

    /* the key of what is asked for only */

    refresh(&r, known, "");
    assert_int_equal(r.ntopics, 2);

    t = &r.topics[0];
    assert_true(mdm_str_is(&t->topic, T));
    assert_int_equal(t->not_after, NOW + 365 * DAY);
    assert_int_equal(t->changed, 1);
    assert_non_null(t->cert);
    assert_int_equal(X509_check_private_key(t->cert->cert, t->cert->key), 1);
    assert_true(mdm_str_is(&r.topics[1].topic, OTHER));
    assert_int_equal(r.topics[1].changed, 0);
    assert_null(r.topics[1].cert);

    memcpy(sha256, t->sha256.data, 64);
    sha256[64] = '\0';

    /* whoever takes it, has it */

    own = t->arena;
    t->arena = NULL;

    mdm_arena_destroy(x->arena);
    x = NULL;
    mdm_arena_destroy(own);

    /* it does not travel again */

    refresh(&r, known, sha256);
    assert_int_equal(r.ntopics, 2);
    assert_int_equal(r.topics[0].changed, 0);
    assert_null(r.topics[0].cert);
    assert_int_equal(mdm_reply_str(x->calls[0].reply,
                                   MDM_RET_PUSH_CERT_READ_CERTS_KEY).len, 0);

    freeReplyObject(mdm_unit_redis_command(redis, "HSET " P ":c:" T
                                           " stop Forbidden since 7"));
    refresh(&r, known, sha256);
    assert_true(mdm_str_is(&r.topics[0].stop, "Forbidden"));
    assert_int_equal(r.topics[0].since, 7);
}


/* what job says: whether that was news; "" goes on */

static mdm_uint_t
stop(const char *sha256, mdm_uint_t file, const char *reason)
{
    mdm_push_stop_t  s;

    memset(&s, 0, sizeof(mdm_push_stop_t));

    mdm_str_set(&s.topic, T);
    s.sha256.data = (u_char *) sha256;
    s.sha256.len = strlen(sha256);
    s.file = file;
    s.reason.data = (u_char *) reason;
    s.reason.len = strlen(reason);

    job(mdm_push_stop_step, &s, NOW);

    assert_int_equal(x->status, 200);

    return s.news;
}


/* the state of T for a worker that has something to push */

static mdm_push_topic_t
wanted(mdm_push_refresh_t *r, const char *sha256, mdm_uint_t file)
{
    static mdm_push_known_t  known;

    memset(&known, 0, sizeof(mdm_push_known_t));

    mdm_str_set(&known.topic, T);
    known.sha256.data = (u_char *) sha256;
    known.sha256.len = strlen(sha256);
    known.wanted = 1;
    known.file = file;

    memset(r, 0, sizeof(*r));
    r->known = &known;
    r->nknown = 1;

    job(mdm_push_refresh_step, r, NOW);

    assert_int_equal(x->status, 200);

    if (r->ntopics == 0) {
        r->topics = mdm_arena_zalloc(x->arena, sizeof(mdm_push_topic_t));
    }

    return r->topics[0];
}


static void
test_stop(void **state)
{
    char                 sha256[65];
    json_t              *data;
    mdm_push_topic_t     t;
    mdm_push_refresh_t   r;

    (void) state;

    assert_int_equal(stop("aa", 0, "403 BadCertificate"), 0);

    pem = push_pem(T, NOW - DAY, NOW + 365 * DAY);
    assert_int_equal(put(pem), 200);
    strcpy(sha256, field(T, "sha256"));

    /* once, however many find out; another certificate is another matter */

    assert_int_equal(stop("aa", 0, "403 BadCertificate"), 0);
    assert_int_equal(stop(sha256, 0, "403 BadCertificate"), 1);

    data = newest("push.TopicStopped");
    assert_string_equal(json_string_value(json_object_get(data, "reason")),
                        "403 BadCertificate");
    assert_string_equal(json_string_value(json_object_get(data, "cert")),
                        sha256);
    json_decref(data);

    assert_int_equal(stop(sha256, 0, "403 Forbidden"), 0);

    (void) run(MDM_GET, "/v1/pushcert?topic=" T, "");
    says("state", "stopped");
    says("stopped/reason", "403 BadCertificate");

    /* one probe in five minutes */

    t = wanted(&r, sha256, 0);
    assert_true(mdm_str_is(&t.stop, "403 BadCertificate"));
    assert_int_equal(t.probe, 0);

    freeReplyObject(mdm_unit_redis_command(redis, "HINCRBY " P ":c:" T
                                           " probe -300"));
    assert_int_equal(wanted(&r, sha256, 0).probe, 1);
    assert_int_equal(wanted(&r, sha256, 0).probe, 0);

    /* a clock that was ahead */

    freeReplyObject(mdm_unit_redis_command(redis, "HINCRBY " P ":c:" T
                                           " probe 9999"));
    assert_int_equal(wanted(&r, sha256, 0).probe, 1);

    assert_int_equal(stop("aa", 0, ""), 0);
    assert_int_equal(stop(sha256, 0, ""), 1);
    json_decref(newest("push.TopicResumed"));
    assert_int_equal(stop(sha256, 0, ""), 0);

    (void) run(MDM_GET, "/v1/pushcert?topic=" T, "");
    says("state", "ok");

    /* a renewed certificate */

    assert_int_equal(stop(sha256, 0, "403 Forbidden"), 1);
    pem2 = push_pem(T, NOW - DAY, NOW + 366 * DAY);
    assert_int_equal(put(pem2), 200);
    assert_string_equal(field(T, "stop"), "");
    assert_string_equal(field(T, "probe"), "");
    assert_int_equal(stop(sha256, 0, "403 Forbidden"), 0);
}


/* of a certificate that comes from a file, of which Redis has nothing else */

static void
test_stop_file(void **state)
{
    json_t              *data;
    mdm_push_file_t      file;
    mdm_push_topic_t     t;
    mdm_push_refresh_t   r;

    (void) state;

    memset(&file, 0, sizeof(mdm_push_file_t));
    mdm_str_set(&file.tenant, "default");
    mdm_str_set(&file.topic, T);
    mdm_str_set(&file.sha256, "aa");
    file.not_after = NOW + 365 * DAY;

    settings.push_files = &file;
    settings.npush_files = 1;

    (void) run(MDM_GET, "/v1/pushcert?topic=" T, "");
    says("state", "ok");

    assert_int_equal(stop("aa", 1, "400 TopicDisallowed"), 1);
    assert_int_equal(stop("aa", 1, "400 TopicDisallowed"), 0);

    data = newest("push.TopicStopped");
    json_decref(data);

    t = wanted(&r, "aa", 1);
    assert_true(mdm_str_is(&t.stop, "400 TopicDisallowed"));
    assert_int_equal(t.probe, 0);

    (void) run(MDM_GET, "/v1/pushcert?topic=" T, "");
    says("state", "stopped");
    says("stopped/reason", "400 TopicDisallowed");
    (void) run(MDM_GET, "/v1/pushcerts", "");
    says("pushcerts/0/state", "stopped");

    /* a host whose file has another one already */

    assert_int_equal(wanted(&r, "bb", 1).stop.len, 0);
    assert_int_equal(stop("bb", 1, "400 BadTopic"), 1);
    assert_int_equal(wanted(&r, "aa", 1).stop.len, 0);

    assert_int_equal(stop("bb", 1, ""), 1);
    assert_int_equal(wanted(&r, "bb", 1).stop.len, 0);
    assert_int_equal(mdm_unit_redis_int(redis, "EXISTS " P ":s:" T), 0);

    settings.push_files = NULL;
    settings.npush_files = 0;
}


/* one that cannot be used harms no other one */

static void
test_refresh_broken(void **state)
{
    mdm_push_known_t    known[2];
    mdm_push_refresh_t  r;

    (void) state;

    pem = push_pem(T, NOW - DAY, NOW + 365 * DAY);
    pem2 = push_pem(OTHER, NOW - DAY, NOW + 366 * DAY);

    assert_int_equal(put(pem), 200);
    assert_int_equal(put(pem2), 200);

    freeReplyObject(mdm_unit_redis_command(redis, "HSET " P ":c:" T
                        " key %b", "\356MK\1garbage", (size_t) 11));
    refresh(&r, known, "");
    assert_int_equal(r.ntopics, 2);
    assert_int_equal(r.topics[0].changed, 1);
    assert_null(r.topics[0].cert);
    assert_non_null(x->log);

    /* the key of another topic: it opens nowhere else */

    freeReplyObject(mdm_unit_redis_command(redis, "HSET " P ":c:" T
                        " key %s", "no key"));
    refresh(&r, known, "");
    assert_null(r.topics[0].cert);
    assert_non_null(x->log);
    assert_null(memmem(x->log->text.data, x->log->text.len, "no key", 6));
}


/* what job says, and how many events it has written */

static void
looks(int64_t now, const char *line, long long written)
{
    long long  before;

    before = events();

    job(mdm_push_cert_step, NULL, now);

    assert_int_equal(x->status, 200);
    assert_int_equal(events() - before, written);

    if (line == NULL) {
        assert_null(x->log);
        return;
    }

    assert_non_null(x->log);
    assert_int_equal(x->log->level, MDM_LOG_WARN);

    if (memmem(x->log->text.data, x->log->text.len, line, strlen(line))
        == NULL)
    {
        fail_msg("\"%.*s\", not \"%s\"", mdm_fmt(&x->log->text), line);
    }
}


static void
test_expiry(void **state)
{
    json_t  *data;

    (void) state;

    looks(NOW, NULL, 0);

    pem = push_pem(T, NOW - DAY, NOW + 60 * DAY);
    assert_int_equal(put(pem), 200);

    looks(NOW, NULL, 0);
    looks(NOW + 30 * DAY, "within 30 days", 1);

    data = newest("push.CertificateExpires");
    assert_int_equal(json_integer_value(json_object_get(data, "left")),
                     30 * DAY);
    json_decref(data);

    /* once, whoever looks */

    looks(NOW + 30 * DAY + 1, NULL, 0);
    looks(NOW + 46 * DAY, "within 14 days", 1);
    looks(NOW + 59 * DAY, "within 24 hours", 1);
    looks(NOW + 59 * DAY + 3600, "within 23 hours", 0);
    looks(NOW + 59 * DAY + 3601, NULL, 0);
    looks(NOW + 60 * DAY, "has expired", 1);
    looks(NOW + 60 * DAY + 3600, "has expired", 0);
    looks(NOW + 60 * DAY + 3700, NULL, 0);

    /* a renewed one is told of afresh */

    pem2 = push_pem(T, NOW - DAY, NOW + 90 * DAY);
    assert_int_equal(put(pem2), 200);
    looks(NOW + 60 * DAY - 1, NULL, 0);
    looks(NOW + 61 * DAY, "within 29 days", 1);
}


int
main(void)
{
    int                      rc;
    static u_char            raw[MDM_SECRET_RAW] = { 1 };

    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_put, begin, end),
        cmocka_unit_test_setup_teardown(test_get, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_many, begin, end),
        cmocka_unit_test_setup_teardown(test_warnings, begin, end),
        cmocka_unit_test_setup_teardown(test_refresh, begin, end),
        cmocka_unit_test_setup_teardown(test_refresh_broken, begin, end),
        cmocka_unit_test_setup_teardown(test_stop, begin, end),
        cmocka_unit_test_setup_teardown(test_stop_file, begin, end),
        cmocka_unit_test_setup_teardown(test_expiry, begin, end)
    };

    (void) enqueue;
    (void) last_event;
    (void) tally;

    if (mdm_secret_key_add(&keys, raw) != MDM_OK) {
        return 1;
    }

    rc = cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                mdm_unit_redis_teardown);

    mdm_secret_keys_clear(&keys);

    return rc;
}
