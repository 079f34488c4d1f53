
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Connect with a large result: it is packed by a call of work, and what is
 * kept is the same as of a small one.
 */


#include <stdlib.h>

#include "device.h"
#include "mdm_deflate.h"
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
        mdm_uint_t   rounds;
        mdm_uint_t   sealed;

    } sizes[] = {
        { 100, 1, 0 },
        { 64000, 1, 0 },
        { 66000, 2, 0 },
        { 1000000, 2, 0 },
        { 100, 1, 1 },
        { 64000, 1, 1 },
        { 66000, 2, 1 },
        { 1000000, 2, 1 }
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
        assert_int_equal(redis->rounds, sizes[i].rounds);
        assert_int_equal(x->lasting, sizes[i].rounds == 2);

        kept(state, uuid, body, sizes[i].sealed);

        /* the same once more is the same */

        assert_int_equal(send_raw(state, MDM_KIND_CONNECT, CERT_A, body),
                         200);
        kept(state, uuid, body, sizes[i].sealed);

        free(body);
    }

    store_settings.secrets = NULL;
}


/* the work does not get its turn, or fails */

static void
test_trouble(void **state)
{
    char  *body;

    (void) state;

    body = large("u-1", 100000);

    /* enrolled or not is not asked yet */

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_CONNECT;
    x->method = MDM_PUT;
    mdm_str_set(&x->tenant, "default");
    x->body.data = (u_char *) body;
    x->body.len = strlen(body);
    x->identity.source = MDM_IDENTITY_TLS;
    mdm_str_set(&x->identity.digest, CERT_A);
    x->identity.sha256 = x->identity.digest;

    mdm_endpoint_find(x);

    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    assert_int_equal(x->ncalls, 1);
    assert_int_equal(x->calls[0].kind, MDM_CALL_KIND_WORK);

    x->calls[0].rc = MDM_CALL_UNAVAILABLE;

    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 503);
    assert_true(x->retry_after != 0);
    assert_int_equal(x->failure, MDM_FAILURE_NONE);

    /* the same exchange, as if it were new */

    x->state = 0;
    x->ncalls = 0;

    assert_int_equal(mdm_exchange_run(x), MDM_CALL);

    (void) mdm_arena_failed(x->calls[0].arena, "compress2");
    x->calls[0].rc = MDM_CALL_FAILED;

    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 500);
    assert_int_equal(x->failure, MDM_FAILURE_LIBRARY);
    assert_true(mdm_str_is(&x->error, "a library failed: compress2()"));

    mdm_arena_destroy(x->arena);
    x = NULL;

    free(body);
}


int
main(void)
{
    int  rc;

    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_large, clean),
        cmocka_unit_test(test_trouble),
    };

    keys_init();

    rc = cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);

    mdm_secret_keys_clear(&keys);

    return rc;
}
