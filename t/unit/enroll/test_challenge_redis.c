
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One-time challenges, with a real redis-server: who is first, who comes
 * again, what expires, what is sealed, and what a lost reply does.
 */


#include "admin.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mdm_challenge.h"


#define KEYS     64

#define C        "mdm:{default/ca}"

#define LATER    2000000000


static mdm_secret_keys_t        keys;

static mdm_challenge_take_t     took;


/* what the API has answered with: a member of the response */

static const char *
member(const char *name)
{
    char        *p, *end;
    char         what[64];
    static char  value[256];

    (void) snprintf(what, sizeof(what), "\"%s\":\"", name);

    p = memmem(x->response.data, x->response.len, what, strlen(what));
    if (p == NULL) {
        return "";
    }

    p += strlen(what);
    end = memchr(p, '"', x->response.len);

    (void) snprintf(value, sizeof(value), "%.*s", (int) (end - p), p);

    return value;
}


static const char *
create(void **state, const char *body)
{
    static char  value[64];

    assert_int_equal(api(state, MDM_POST, "/v1/challenge", "", body), 200);

    (void) snprintf(value, sizeof(value), "%s", member("challenge"));
    assert_int_equal(strlen(value), MDM_CHALLENGE_TEXT);

    return value;
}


/* the outer step of a take: it ends with 200 */

static mdm_int_t
take_step(mdm_exchange_t *x_)
{
    return (x_->state == 0)
           ? mdm_exchange_enter(x_, mdm_challenge_take, &took, 1)
           : mdm_exchange_empty(x_, 200);
}


static int64_t
take_key(void **state, const char *value, const char *spki, const char *sn)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    memset(&took, 0, sizeof(took));

    x->kind = MDM_KIND_API;
    mdm_str_set(&x->tenant, "default");
    x->now = 1700000000;
    x->step = take_step;

    took.value.data = (u_char *) value;
    took.value.len = strlen(value);
    took.spki.data = (u_char *) spki;
    took.spki.len = strlen(spki);
    took.sn.data = (u_char *) sn;
    took.sn.len = strlen(sn);
    took.from = LATER - 100;
    took.ends = LATER;
    mdm_str_set(&took.ca, "devices x");

    mdm_unit_redis_run(*state, x);

    return (x->status == 200) ? took.code : 1000 + (int64_t) x->status;
}


/* its certificate is stored, and is the one that is there then */

static const char *
finish(void **state, const char *spki, const char *der, int64_t code)
{
    mdm_str_t    s, args[MDM_NARGS_CHALLENGE_DONE];
    mdm_call_t   call;
    static char  text[64];

    memset(&call, 0, sizeof(call));

    call.script = &mdm_script_challenge_done;
    call.key = took.key;
    call.args = args;
    call.nargs = MDM_NARGS_CHALLENGE_DONE;

    args[MDM_ARG_CHALLENGE_DONE_NAME].data = (u_char *) spki;
    args[MDM_ARG_CHALLENGE_DONE_NAME].len = strlen(spki);
    args[MDM_ARG_CHALLENGE_DONE_DER].data = (u_char *) der;
    args[MDM_ARG_CHALLENGE_DONE_DER].len = strlen(der);

    assert_int_equal(mdm_unit_redis_eval(*state, x->arena, &call),
                     MDM_CALL_OK);
    assert_int_equal(mdm_reply_code(call.reply, -9), code);

    s = mdm_reply_str(call.reply, MDM_RET_CHALLENGE_DONE_DER);
    (void) snprintf(text, sizeof(text), "%.*s", mdm_fmt(&s));

    return text;
}


/* EXPIRETIME of a key, which Redis 6.2 does not have */

static int
ends_at(void **state, const char *key, size_t len, long long when)
{
    long long    ttl, now;
    redisReply  *reply;

    reply = mdm_unit_redis_command(*state, "TIME");
    now = strtoll(reply->element[0]->str, NULL, 10);
    freeReplyObject(reply);

    ttl = mdm_unit_redis_int(*state, "TTL %b", key, len);

    return ttl + now >= when - 2 && ttl + now <= when + 2;
}


#define is(s, text)  assert_true(mdm_str_is(&(s), text))


/* the same key again gets the same certificate (openxpki#126, core#1834) */

static void
test_once(void **state)
{
    char  id[64], value[64];

    (void) snprintf(value, sizeof(value), "%s", create(state, ""));

    assert_int_equal(take_key(state, value, "aa", "01"), MDM_CHALLENGE_TAKEN);
    is(took.sn, "01");
    assert_int_equal(took.c.purpose, MDM_PURPOSE_DEVICE);
    assert_int_equal(took.der.len, 0);

    /* the answer was lost, before the certificate was made: with another
       number, which does not count */

    assert_int_equal(take_key(state, value, "aa", "02"), MDM_CHALLENGE_AGAIN);
    is(took.sn, "01");
    is(took.ca, "devices x");
    assert_int_equal(took.from, LATER - 100);
    assert_int_equal(took.ends, LATER);
    assert_int_equal(took.der.len, 0);

    /* two workers sign: the first one counts, for both */

    assert_string_equal(finish(state, "aa", "DER one", 1), "DER one");
    assert_string_equal(finish(state, "aa", "DER two", 0), "DER one");
    assert_string_equal(finish(state, "bb", "DER", -1), "");

    assert_int_equal(take_key(state, value, "aa", "03"), MDM_CHALLENGE_AGAIN);
    is(took.der, "DER one");
    is(took.sn, "01");
    (void) snprintf(id, sizeof(id), "%.*s", mdm_fmt(&took.c.id));
    assert_int_equal(strlen(id), 36);

    /* others are told none of that; which one it is the log is to know */

    assert_int_equal(take_key(state, value, "bb", "04"), MDM_CHALLENGE_USED);
    is(took.c.id, id);
    assert_int_equal(took.c.purpose, MDM_PURPOSE_DEVICE);
    is(took.sn, "04");
    assert_int_equal(took.der.len, 0);

    /* as long as the certificate */

    assert_true(ends_at(state, (char *) took.key.data, took.key.len, LATER));
}


static void
test_none(void **state)
{
    char  value[64];

    assert_int_equal(take_key(state, "", "aa", "01"), MDM_CHALLENGE_UNKNOWN);
    assert_int_equal(took.c.id.len, 0);
    assert_int_equal(take_key(state, "x} y", "aa", "01"),
                     MDM_CHALLENGE_UNKNOWN);
    assert_int_equal(redis_int("DBSIZE"), 0);

    (void) snprintf(value, sizeof(value), "%s", create(state, "{}"));

    /* what Redis has is not the challenge */

    assert_int_equal(take_key(state, value, "aa", "01"), MDM_CHALLENGE_TAKEN);
    assert_null(memmem(took.key.data, took.key.len, value, strlen(value)));
    assert_int_equal(redis_int("DBSIZE"), 5);
    assert_int_equal(redis_int("XLEN " C ":events"), 1);
}


/* many keys at once: each script is one step of Redis, so their order is all
   that there is */

static void
test_many(void **state)
{
    char        spki[8], sn[8], value[64];
    mdm_uint_t  i, n, uses;

    for (uses = 1; uses <= 3; uses++) {
        char  body[32];

        (void) snprintf(body, sizeof(body), "{\"uses\":%u}", (unsigned) uses);
        (void) snprintf(value, sizeof(value), "%s", create(state, body));

        n = 0;

        for (i = 0; i < KEYS; i++) {
            (void) snprintf(spki, sizeof(spki), "k%u", (unsigned) i);
            (void) snprintf(sn, sizeof(sn), "%02x", (unsigned) i + 1);

            n += take_key(state, value, spki, sn) == MDM_CHALLENGE_TAKEN;
        }

        assert_int_equal(n, uses);

        for (i = 0; i < KEYS; i++) {
            (void) snprintf(spki, sizeof(spki), "k%u", (unsigned) i);

            assert_int_equal(take_key(state, value, spki, "ff"),
                             (i < uses) ? MDM_CHALLENGE_AGAIN
                                        : MDM_CHALLENGE_USED);
        }
    }
}


/* the same by processes of their own, each with a connection: one of 64 keys
   takes it (core#1968) */

static void
test_concurrent(void **state)
{
    int                fds[2];
    char               value[64], spki[8], c;
    pid_t              pids[KEYS];
    mdm_uint_t         i, n;
    mdm_unit_redis_t  *redis, own;

    redis = *state;

    (void) snprintf(value, sizeof(value), "%s", create(state, ""));

    assert_int_equal(pipe(fds), 0);

    for (i = 0; i < KEYS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);

        if (pids[i] == 0) {
            void  *mine = &own;

            own = *redis;
            own.context = redisConnectUnix(redis->socket);

            if (own.context == NULL || own.context->err) {
                _exit(2);
            }

            (void) snprintf(spki, sizeof(spki), "k%u", (unsigned) i);
            c = (take_key(&mine, value, spki, "01") == MDM_CHALLENGE_TAKEN);

            _exit(write(fds[1], &c, 1) != 1);
        }
    }

    n = 0;

    for (i = 0; i < KEYS; i++) {
        assert_int_equal(read(fds[0], &c, 1), 1);
        n += (mdm_uint_t) c;
    }

    for (i = 0; i < KEYS; i++) {
        (void) waitpid(pids[i], NULL, 0);
    }

    (void) close(fds[0]);
    (void) close(fds[1]);

    assert_int_equal(n, 1);
}


static void
test_expired(void **state)
{
    char  value[64], other[64];

    (void) snprintf(value, sizeof(value), "%s",
                    create(state, "{\"ttl\":\"1s\"}"));
    (void) snprintf(other, sizeof(other), "%s",
                    create(state, "{\"ttl\":1,\"uses\":2}"));

    assert_int_equal(take_key(state, other, "aa", "01"), MDM_CHALLENGE_TAKEN);

    (void) usleep(2100 * 1000);

    assert_int_equal(take_key(state, value, "aa", "01"),
                     MDM_CHALLENGE_UNKNOWN);

    /* nobody takes it any more, but who has it gets what he had */

    assert_int_equal(take_key(state, other, "bb", "01"),
                     MDM_CHALLENGE_UNKNOWN);
    assert_int_equal(take_key(state, other, "aa", "02"), MDM_CHALLENGE_AGAIN);
    is(took.sn, "01");

    /* the list forgets both, and with the next one the index */

    assert_int_equal(api(state, MDM_GET, "/v1/challenges", "", ""), 200);
    is(x->response, "{\"challenges\":[]}");
    assert_int_equal(redis_int("ZCARD " C ":ids"), 2);

    (void) create(state, "");
    assert_int_equal(redis_int("ZCARD " C ":ids"), 1);
    assert_int_equal(redis_int("ZCARD " C ":due"), 1);
}


static void
test_limit(void **state)
{
    settings.challenge_limit = 2;

    (void) create(state, "");
    (void) create(state, "");

    assert_int_equal(api(state, MDM_POST, "/v1/challenge", "", ""), 409);
    assert_true(says("mdm_challenge_limit"));
    assert_int_equal(redis_int("ZCARD " C ":ids"), 2);
    assert_int_equal(redis_int("XLEN " C ":events"), 2);
}


static void
test_list(void **state)
{
    char  value[64], id[64], path[96];

    (void) snprintf(value, sizeof(value), "%s", create(state,
        "{\"udid\":\"U-1\",\"serial\":\"S\\\"1\",\"person\":\"anna@example\","
        "\"purpose\":\"renew\",\"uses\":2,\"ttl\":\"30d\"}"));
    (void) snprintf(id, sizeof(id), "%s", member("challenge_id"));

    assert_int_equal(api(state, MDM_GET, "/v1/challenges", "", ""), 200);
    assert_string_equal(member("challenge_id"), id);
    assert_true(says("\"purpose\":\"renew\",\"state\":\"open\",\"uses\":2,"
                     "\"used\":0,\"udid\":\"U-1\",\"serial\":\"S\\\"1\","
                     "\"person\":\"anna@example\",\"time\":\""));
    assert_true(says("\"by\":\"admin\""));
    assert_false(says(value));

    assert_int_equal(take_key(state, value, "aa", "01"), 0);
    is(took.c.udid, "U-1");
    is(took.c.serial, "S\"1");
    is(took.c.person, "anna@example");
    is(took.c.id, id);
    assert_int_equal(took.c.purpose, MDM_PURPOSE_RENEW);

    assert_int_equal(take_key(state, value, "bb", "02"), 0);
    assert_int_equal(api(state, MDM_GET, "/v1/challenges", "", ""), 200);
    assert_true(says("\"state\":\"used\",\"uses\":2,\"used\":2"));

    (void) snprintf(path, sizeof(path), "/v1/challenges/%s", id);

    assert_int_equal(api(state, MDM_DELETE, path, "", ""), 204);
    assert_int_equal(api(state, MDM_DELETE, path, "", ""), 404);
    assert_int_equal(take_key(state, value, "aa", "01"),
                     MDM_CHALLENGE_UNKNOWN);
    assert_int_equal(api(state, MDM_GET, "/v1/challenges", "", ""), 200);
    is(x->response, "{\"challenges\":[]}");

    assert_int_equal(redis_int("XLEN " C ":events"), 2);
    assert_int_equal(redis_int("DBSIZE"), 1);
}


static void
test_pages(void **state)
{
    char        cursor[512], seen[8][64];
    mdm_uint_t  i, k, n;

    for (i = 0; i < 7; i++) {
        (void) create(state, "");
    }

    cursor[0] = '\0';
    n = 0;

    for (i = 0; i < 4; i++) {
        char  query[600];

        (void) snprintf(query, sizeof(query), "limit=2%s%s",
                        cursor[0] ? "&cursor=" : "", cursor);

        assert_int_equal(api(state, MDM_GET, "/v1/challenges", query, ""),
                         200);

        (void) snprintf(seen[n++], 64, "%s", member("challenge_id"));
        (void) snprintf(cursor, sizeof(cursor), "%s", member("next_cursor"));
        assert_int_equal(cursor[0] != '\0', i != 3);
    }

    for (i = 1; i < n; i++) {
        for (k = 0; k < i; k++) {
            assert_string_not_equal(seen[i], seen[k]);
        }
    }

    assert_int_equal(api(state, MDM_GET, "/v1/challenges", "cursor=A", ""),
                     400);
    assert_int_equal(api(state, MDM_GET, "/v1/challenges", "limit=501", ""),
                     400);
}


static void
test_refused(void **state)
{
    mdm_uint_t  i;

    static const char *const  bad[] = {
        "x", "[]", "{\"udid\":1}", "{\"udid\":\"\"}", "{\"udid\":\"U:1\"}",
        "{\"serial\":[]}",
        "{\"person\":\"a\\u0007b\"}", "{\"purpose\":\"ota\"}",
        "{\"purpose\":\"none\"}", "{\"purpose\":1}", "{\"purpose\":\"renew\"}",
        "{\"purpose\":\"user\",\"serial\":\"S\"}", "{\"uses\":0}",
        "{\"uses\":1001}", "{\"uses\":\"1\"}", "{\"uses\":1.5}",
        "{\"ttl\":0}", "{\"ttl\":\"\"}", "{\"ttl\":\"h\"}",
        "{\"ttl\":\"31d\"}", "{\"ttl\":\"-1s\"}", "{\"ttl\":2592001}",
        "{\"ttl\":\"999999999999999999d\"}", "{\"ttl\":null}",
        "{\"UDID\":\"U\"}"
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        if (api(state, MDM_POST, "/v1/challenge", "", bad[i]) != 400) {
            fail_msg("%s: %lu", bad[i], (unsigned long) x->status);
        }
    }

    assert_int_equal(redis_int("DBSIZE"), 0);

    (void) create(state, "{\"udid\":null,\"purpose\":\"user\",\"ttl\":\"1d\"}");
}


/* with a key neither Redis nor the outbox knows who is who */

static void
test_sealed(void **state)
{
    char         value[64];
    redisReply  *reply;

    store_settings.secrets = &keys;

    (void) snprintf(value, sizeof(value), "%s", create(state,
        "{\"udid\":\"UDID-1\",\"person\":\"PERSON-1\"}"));

    reply = mdm_unit_redis_command(*state, "EVAL %s 0",
        "local n = 0;"
        "for _, k in ipairs(redis.call('KEYS', '*')) do "
        "local t = redis.call('TYPE', k).ok;"
        "local v = t == 'hash' and redis.call('HGETALL', k)"
        " or t == 'zset' and redis.call('ZRANGE', k, 0, -1)"
        " or t == 'stream' and redis.call('XRANGE', k, '-', '+') or {k};"
        "local s = k .. cjson.encode(v);"
        "if string.find(s, 'UDID-1', 1, true)"
        " or string.find(s, 'PERSON-1', 1, true) then n = n + 1 end end "
        "return n");
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    assert_int_equal(reply->integer, 0);
    freeReplyObject(reply);

    assert_int_equal(take_key(state, value, "aa", "01"), 0);
    is(took.c.udid, "UDID-1");
    is(took.c.person, "PERSON-1");

    /* what cannot be opened binds to nobody: nobody gets it */

    mdm_unit_redis_int(*state, "HSET %b bind x", took.key.data,
                       took.key.len);

    assert_int_equal(api(state, MDM_GET, "/v1/challenges", "", ""), 200);
    assert_true(says("PERSON-1"));

    store_settings.encryption_required = 1;
    assert_int_equal(take_key(state, value, "aa", "01"), 1500);
    store_settings.encryption_required = 0;
    assert_int_equal(take_key(state, value, "aa", "01"), 1500);
}


/* one that cannot be read hides no others, and can be taken back */

static void
test_unreadable(void **state)
{
    char        id[3][64], text[192];
    mdm_uint_t  i, lost;

    store_settings.secrets = &keys;

    for (i = 0; i < 3; i++) {
        (void) snprintf(text, sizeof(text), "{\"person\":\"P-%u\"}",
                        (unsigned) i);
        (void) create(state, text);
        (void) snprintf(id[i], sizeof(id[i]), "%s", member("challenge_id"));
    }

    /* the first one is damaged, then the key of all is gone */

    (void) redis_int("HSET " C ":c:%s bind x", id[0]);

    for (lost = 1; lost <= 3; lost += 2) {

        assert_int_equal(api(state, MDM_GET, "/v1/challenges", "", ""), 200);
        assert_int_equal(x->error.len, 0);

        for (i = 0; i < 3; i++) {
            (void) snprintf(text, sizeof(text), "\"person\":\"P-%u\"",
                            (unsigned) i);
            assert_int_equal(says(text), i >= lost);

            (void) snprintf(text, sizeof(text), "{\"challenge_id\":\"%s\","
                            "\"purpose\":\"device\",\"state\":\"open\","
                            "\"uses\":1,\"used\":0,\"%s\":\"", id[i],
                            (i < lost) ? "time" : "person");
            assert_true(says(text));
        }

        assert_non_null(x->log);
        assert_non_null(memmem(x->log->text.data, x->log->text.len,
                               "without its bindings", 20));

        store_settings.secrets = NULL;
    }

    for (i = 0; i < 3; i++) {
        (void) snprintf(text, sizeof(text), "/v1/challenges/%.63s", id[i]);
        assert_int_equal(api(state, MDM_DELETE, text, "", ""), 204);
    }

    assert_int_equal(api(state, MDM_GET, "/v1/challenges", "", ""), 200);
    is(x->response, "{\"challenges\":[]}");
}


/* a call that never left, or whose reply is lost: nothing is taken twice */

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
test_faults(void **state)
{
    char               value[64];
    mdm_uint_t         i, kind;
    mdm_unit_redis_t  *redis;

    redis = *state;

    for (kind = MDM_UNIT_FAULT_BEFORE; kind <= MDM_UNIT_FAULT_AFTER; kind++) {
        for (i = 0; i < 2; i++) {

            mdm_unit_redis_clean(redis);

            fault_kind = (mdm_unit_fault_e) kind;
            fault_at = redis->calls + i;
            redis->fault = fault;

            assert_int_equal(api(state, MDM_POST, "/v1/challenge", "", ""),
                             503);
            redis->fault = NULL;

            /* it is in the list, or it is not: it is not handed out */

            assert_int_equal(api(state, MDM_GET, "/v1/challenges", "", ""),
                             200);
        }

        mdm_unit_redis_clean(redis);
        (void) snprintf(value, sizeof(value), "%s", create(state, ""));

        fault_at = redis->calls;
        redis->fault = fault;
        assert_int_equal(take_key(state, value, "aa", "01"), 1503);
        redis->fault = NULL;

        assert_int_equal(take_key(state, value, "aa", "02"),
                         (kind == MDM_UNIT_FAULT_BEFORE)
                         ? MDM_CHALLENGE_TAKEN : MDM_CHALLENGE_AGAIN);
        is(took.sn, (kind == MDM_UNIT_FAULT_BEFORE) ? "02" : "01");
        assert_int_equal(take_key(state, value, "bb", "03"),
                         MDM_CHALLENGE_USED);
    }
}


/* keys that were certified: one device each */

static int64_t
claim(void **state, const char *owner, const char *other,
    const char *same)
{
    mdm_str_t   args[MDM_NARGS_SPKI_CLAIM + 2];
    mdm_call_t  call;

    memset(&call, 0, sizeof(call));
    memset(args, 0, sizeof(args));

    call.script = &mdm_script_spki_claim;
    mdm_str_set(&call.key, "mdm:{default/spki:aa}");
    call.args = args;
    call.nargs = MDM_ARG_SPKI_CLAIM_OWNERS + (other ? 2 : 1);

    mdm_str_set(&args[MDM_ARG_SPKI_CLAIM_ENDS], "2000000000");
    args[MDM_ARG_SPKI_CLAIM_SAME].data = (u_char *) same;
    args[MDM_ARG_SPKI_CLAIM_SAME].len = 1;
    args[MDM_ARG_SPKI_CLAIM_OWNERS].data = (u_char *) owner;
    args[MDM_ARG_SPKI_CLAIM_OWNERS].len = strlen(owner);

    if (other) {
        args[MDM_ARG_SPKI_CLAIM_OWNERS + 1].data = (u_char *) other;
        args[MDM_ARG_SPKI_CLAIM_OWNERS + 1].len = strlen(other);
    }

    assert_int_equal(mdm_unit_redis_eval(*state, x->arena, &call),
                     MDM_CALL_OK);

    return mdm_reply_code(call.reply, -9);
}


static void
test_owner(void **state)
{
    (void) create(state, "");

    assert_int_equal(claim(state, "one", NULL, "1"), 1);
    assert_int_equal(claim(state, "one", NULL, "1"), 0);
    assert_int_equal(claim(state, "two", NULL, "1"), -2);
    assert_int_equal(claim(state, "two", "three", "2"), -2);
    assert_true(ends_at(state, "mdm:{default/spki:aa}", 21, LATER + 86400));

    /* the same one under another name, and under that which he has by a newer
       key */

    assert_int_equal(claim(state, "device", "one", "1"), 0);
    assert_string_equal(redis_str("HGET mdm:{default/spki:aa} owner"), "one");

    assert_int_equal(claim(state, "new", "one", "2"), 0);
    assert_string_equal(redis_str("HGET mdm:{default/spki:aa} owner"), "new");
    assert_int_equal(claim(state, "one", NULL, "1"), -2);
}


static int
fresh(void **state)
{
    settings.challenge_ttl = 3600;
    settings.challenge_limit = 100;
    store_settings.secrets = NULL;
    store_settings.encryption_required = 0;

    return clean(state);
}


static int
setup(void **state)
{
    static const u_char  raw[MDM_SECRET_RAW] = "a key of 32 bytes, more or les";

    return mdm_secret_key_add(&keys, raw) != MDM_OK
           || mdm_unit_redis_setup(state);
}


static int
ended(void **state)
{
    mdm_secret_keys_clear(&keys);

    return teardown(state);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_once, fresh),
        cmocka_unit_test_setup(test_none, fresh),
        cmocka_unit_test_setup(test_many, fresh),
        cmocka_unit_test_setup(test_concurrent, fresh),
        cmocka_unit_test_setup(test_expired, fresh),
        cmocka_unit_test_setup(test_limit, fresh),
        cmocka_unit_test_setup(test_list, fresh),
        cmocka_unit_test_setup(test_pages, fresh),
        cmocka_unit_test_setup(test_refused, fresh),
        cmocka_unit_test_setup(test_sealed, fresh),
        cmocka_unit_test_setup(test_unreadable, fresh),
        cmocka_unit_test_setup(test_faults, fresh),
        cmocka_unit_test_setup(test_owner, fresh)
    };

    return cmocka_run_group_tests(tests, setup, ended);
}
