
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Connect with a large result: a thread reads and packs it, and what is kept is
 * the same as of a small one.  Runs under ThreadSanitizer, too.
 */


#include <pthread.h>
#include <stdlib.h>

#include "device.h"
#include "mdm_deflate.h"
#include "mdm_endpoint.h"
#include "mdm_exchange_secret.h"


#define R  "mdm:{default/0}:r:" UDID


static mdm_secret_keys_t  keys;


static void
keys_init(void)
{
    u_char  raw[MDM_SECRET_RAW];

    memset(raw, 7, sizeof(raw));
    raw[0] = 1;

    assert_int_equal(mdm_secret_key_add(&keys, raw), MDM_OK);
}


/* a report of this many bytes of text */

static char *
large(const char *uuid, size_t bytes)
{
    char    *body, *p;
    size_t   i;

    body = malloc(bytes + 512);
    assert_non_null(body);

    p = body + sprintf(body, "<?xml version=\"1.0\"?><plist version=\"1.0\">"
                       "<dict><key>CommandUUID</key><string>%s</string>"
                       "<key>Log</key><string>", uuid);

    for (i = 0; i < bytes; i++) {
        *p++ = (char) ('a' + (i * i / 7 + i / 911) % 26);
    }

    (void) sprintf(p, "</string><key>Status</key><string>Acknowledged"
                   "</string>" id_is(UDID) "</dict></plist>");

    return body;
}


/* the result of a command as it was sent */

static void
kept(void **state, const char *uuid, const char *body, mdm_uint_t sealed)
{
    mdm_int_t            under;
    mdm_str_t            value, plain, why;
    mdm_uint_t           z;
    redisReply          *reply;
    mdm_secret_where_t   where;
    mdm_secret_place_t   place;
    mdm_str_t            tag, id, name;

    reply = mdm_unit_redis_command(*state, "HGET " R ":%s body", uuid);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);

    value.data = (u_char *) reply->str;
    value.len = reply->len;

    z = (strcmp(redis_str("HGET " R ":%s z", uuid), "1") == 0);
    assert_int_equal(z, strlen(body) > MDM_DEFLATE_MIN);

    mdm_str_set(&tag, "mdm:{default/0}");
    mdm_str_set(&id, UDID);
    name.data = (u_char *) (uintptr_t) uuid;
    name.len = strlen(uuid);

    mdm_where_result(&where, &tag, &id, &name, z);
    assert_int_equal(mdm_where_place(x->arena, &where, &place), MDM_OK);

    assert_int_equal(mdm_secret_open(x->arena, &keys, &place, &value, &plain,
                                     &under, &why),
                     MDM_OK);
    assert_int_equal(under, sealed ? 0 : MDM_SECRET_PLAIN);

    if (z) {
        assert_int_equal(mdm_inflate(x->arena, &plain, &value), MDM_OK);
        plain = value;
    }

    assert_int_equal(plain.len, strlen(body));
    assert_memory_equal(plain.data, body, plain.len);

    freeReplyObject(reply);
}


static void
test_large(void **state)
{
    char              *body, uuid[16];
    size_t             i;
    mdm_unit_redis_t  *redis;

    static const struct {
        size_t       bytes;
        mdm_uint_t   threads;
        mdm_uint_t   sealed;

    } sizes[] = {
        { 100, 0, 0 },
        { 32000, 0, 0 },
        { 33000, 1, 0 },
        { 1000000, 1, 0 },
        { 100, 0, 1 },
        { 32000, 0, 1 },
        { 33000, 1, 1 },
        { 1000000, 1, 1 }
    };

    redis = *state;

    enroll(state, CERT_A);

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {

        store_settings.secrets = sizes[i].sealed ? &keys : NULL;

        (void) snprintf(uuid, sizeof(uuid), "u-%zu", i);
        assert_true(enqueue(state, UDID, uuid));

        body = large(uuid, sizes[i].bytes);

        assert_int_equal(send_raw(state, MDM_KIND_CONNECT, CERT_A, body),
                         200);
        assert_int_equal(redis->rounds, 1);
        assert_int_equal(redis->threads, sizes[i].threads);
        assert_int_equal(x->lasting, sizes[i].threads);

        kept(state, uuid, body, sizes[i].sealed);

        /* the same once more is the same */

        assert_int_equal(send_raw(state, MDM_KIND_CONNECT, CERT_A, body),
                         200);
        kept(state, uuid, body, sizes[i].sealed);

        free(body);
    }

    store_settings.secrets = NULL;
}


static mdm_exchange_t *
exchange(const char *body)
{
    mdm_exchange_t  *new;

    new = mdm_exchange_create(&settings);
    assert_non_null(new);

    new->kind = MDM_KIND_CONNECT;
    new->method = MDM_PUT;
    mdm_str_set(&new->tenant, "default");
    new->body.data = (u_char *) (uintptr_t) body;
    new->body.len = strlen(body);
    new->identity.source = MDM_IDENTITY_TLS;
    mdm_str_set(&new->identity.digest, CERT_A);
    new->identity.sha256 = new->identity.digest;
    new->step = mdm_endpoint_step;

    return new;
}


static void *
run(void *data)
{
    return (void *) (intptr_t) mdm_exchange_run(data);
}


/* four at once, while the keys that they share are in use elsewhere */

static void
test_threads(void **state)
{
    char            *body;
    void            *rc;
    size_t           i;
    pthread_t        threads[4];
    mdm_str_t       *args, *first;
    mdm_exchange_t  *xs[5];

    (void) state;

    body = large("u-1", 300000);
    store_settings.secrets = &keys;

    for (i = 0; i < 5; i++) {
        xs[i] = exchange(body);
        assert_true(mdm_exchange_heavy(xs[i]));
    }

    for (i = 0; i < 4; i++) {
        assert_int_equal(mdm_exchange_away(xs[i]), MDM_OK);
        assert_int_equal(pthread_create(&threads[i], NULL, run, xs[i]), 0);
    }

    assert_int_equal(mdm_exchange_run(xs[4]), MDM_CALL);

    first = &xs[4]->calls[0].args[MDM_ARG_REPORT_RESULT];
    assert_true(first->len > 100);

    for (i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &rc), 0);
        assert_int_equal((intptr_t) rc, MDM_CALL);
        mdm_exchange_back(xs[i]);

        /* in the same place, the same is sealed alike */

        args = xs[i]->calls[0].args;
        assert_true(mdm_str_eq(&args[MDM_ARG_REPORT_RESULT], first));
        assert_false(mdm_exchange_heavy(xs[i]));

        mdm_arena_destroy(xs[i]->arena);
    }

    mdm_arena_destroy(xs[4]->arena);

    store_settings.secrets = NULL;

    free(body);
}


/* there is no thread for it, or it is as large by what it has said itself */

static void
test_trouble(void **state)
{
    char            *body;
    mdm_exchange_t  *one;

    (void) state;

    body = large("u-1", 100000);
    one = exchange(body);

    assert_true(mdm_exchange_heavy(one));
    assert_int_equal(mdm_exchange_busy(one), MDM_DONE);
    assert_int_equal(one->status, 503);
    assert_true(one->retry_after != 0);
    assert_int_equal(one->failure, MDM_FAILURE_NONE);

    one->body.len = 100;
    assert_false(mdm_exchange_heavy(one));
    one->heavy = 1;
    assert_true(mdm_exchange_heavy(one));
    assert_int_equal(mdm_exchange_run(one), MDM_DONE);
    assert_false(one->heavy);

    mdm_arena_destroy(one->arena);
    free(body);
}


int
main(void)
{
    int  rc;

    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_large, clean),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_trouble),
    };

    keys_init();

    rc = cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);

    mdm_secret_keys_clear(&keys);

    return rc;
}
