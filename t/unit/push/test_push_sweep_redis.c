
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The job that sends owed pushes, and what says that it has to look, with a
 * real redis-server and an APNs of the test's own.
 */


#include "admin.h"

#include <stdlib.h>
#include <unistd.h>

#include "mdm_push.h"
#include "mdm_push_sweep.h"


#define T        "mdm:{default/0}"
#define W        "mdm:{work}"
#define LACKING  "com.apple.mgmt.External.none"
#define THIRD    "33333333-2222-3333-4444-555555555555"

#define COMMAND(uuid)                                                         \
    "<plist version=\"1.0\"><dict><key>Command</key><dict>"                   \
    "<key>RequestType</key><string>ProfileList</string></dict>"               \
    "<key>CommandUUID</key><string>" uuid "</string></dict></plist>"


static mdm_push_e    outcome;
static mdm_uint_t    status;
static mdm_uint_t    nlacking;       /* pushes without a certificate */
static mdm_uint_t    stop_at;        /* the call that finds it so, from 1 */
static mdm_uint_t    gone_at;        /* pushes behind which APNs is away */
static mdm_uint_t    ntakes;         /* calls that lease, or would do so */


static void
answers(mdm_push_t *push, void *data)
{
    mdm_unit_redis_t  *redis = data;

    mdm_str_set(&push->reason, "");

    if (mdm_str_is(&push->topic, LACKING)) {
        push->outcome = MDM_PUSH_NO_CERTIFICATE;
        nlacking++;
        return;
    }

    if (gone_at != 0 && redis->pushes >= gone_at) {
        push->outcome = MDM_PUSH_UNREACHABLE;
        mdm_str_set(&push->reason, "connection refused");
        return;
    }

    push->outcome = outcome;
    push->status = (outcome == MDM_PUSH_ANSWERED) ? status : 0;

    if (outcome != MDM_PUSH_ANSWERED) {
        mdm_str_set(&push->reason, "connection refused");
    }
}


static mdm_unit_fault_e
stops(mdm_call_t *call, mdm_uint_t n, void *data)
{
    mdm_unit_fault_e  *fault = data;

    (void) n;

    if (call->script == &mdm_script_push_take && stop_at != 0
        && --stop_at == 0)
    {
        if (fault == NULL) {
            x->stop = 1;
            return MDM_UNIT_FAULT_NONE;
        }

        return *fault;
    }

    return MDM_UNIT_FAULT_NONE;
}


static mdm_unit_fault_e
takes(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    ntakes += (call->script == &mdm_script_push_take);

    return MDM_UNIT_FAULT_NONE;
}


static int
begin(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    clean(state);

    store_settings.partitions = 1;
    settings.push = 1;
    settings.push_window = 10000;
    settings.push_wait = 1000;
    settings.push_ids = 0;
    settings.push_rate = 0;
    settings.push_burst = 2;
    settings.npush_retry = 2;
    settings.push_retry[0] = 120;
    settings.push_retry[1] = 900;

    redis->push = answers;
    redis->push_data = redis;
    redis->pushes = 0;
    redis->fault = NULL;
    outcome = MDM_PUSH_ANSWERED;
    status = 200;
    stop_at = 0;
    gone_at = 0;

    return 0;
}


static mdm_uint_t
sweep(void **state)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_JOB;
    x->now = 1700000000;
    mdm_str_set(&x->tenant, "default");
    x->step = mdm_push_sweep_step;

    mdm_unit_redis_run(*state, x);

    return x->status;
}


static void
owe(void **state)
{
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(authenticate(state, CERT_B, id_is(OTHER)), 200);
    assert_int_equal(token_update(state, CERT_B, id_is(OTHER)), 200);
    assert_int_equal(authenticate(state, CERT_C, id_is(THIRD)), 200);
    assert_int_equal(token_update(state, CERT_C, id_is(THIRD)), 200);

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID "," OTHER ","
                         THIRD, "validate=0", COMMAND("u1")), 200);
    assert_true(says("\"push_owed\":3"));
    assert_true(x->owed);
    assert_int_equal(redis_int("ZCARD " T ":push"), 3);
}


/* how many are due at once */

static long long
due(void **state)
{
    return redis_int("EVAL %s 1 " T ":push",
                     "local t = redis.call('TIME') return #redis.call("
                     "'ZRANGEBYSCORE', KEYS[1], '-inf', t[1] * 1000 + 999)");
}


static void
test_nothing(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    /* it is walked first, which is noted; then a look is one round */

    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->rounds, 3);
    assert_int_equal(x->again, 0);
    assert_int_equal(redis_int("HEXISTS " T ":meta push"), 1);
    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->rounds, 1);
    assert_int_equal(redis->pushes, 0);

    settings.push = 0;
    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->rounds, 0);
}


static void
test_sent(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    owe(state);

    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->pushes, 3);
    assert_int_equal(due(state), 0);
    assert_int_equal(x->again, 60000);
    assert_non_null(strstr(redis_str("HGET " E " push"), " 1 200"));

    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->pushes, 3);
}


static void
test_rate(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    owe(state);
    settings.push_rate = 1;

    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->pushes, 2);
    assert_int_equal(due(state), 1);
    assert_in_range(x->again, 100, 1000);

    settings.push_rate = 1000;
    assert_int_equal(sweep(state), 200);
    usleep(10000);
    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->pushes, 3);
    assert_int_equal(due(state), 0);
}


/* while no push of a topic can be sent, all of it is given back */

static void
test_waits(void **state)
{
    mdm_uint_t         n;
    mdm_unit_redis_t  *redis = *state;

    owe(state);
    outcome = MDM_PUSH_UNREACHABLE;

    assert_int_equal(sweep(state), 200);
    n = redis->pushes;
    assert_in_range(n, 1, 3);
    assert_in_range(x->again, 100, 60000);
    assert_int_equal(redis_int("ZCARD " T ":push"), 3);
    assert_string_equal(redis_str("HGET " E " push"), "");
    assert_string_equal(redis_str("HGET " E " taken"), "");

    outcome = MDM_PUSH_ANSWERED;
    redis_int("EVAL %s 1 " T ":push", "for _, id in ipairs(redis.call('ZRANGE',"
              " KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 1, id) end "
              "return 1");
    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->pushes, n + 3);
}


/* a topic without a certificate keeps nothing from the others of its
   partition, though all of it was due before them */

static void
test_lacking(void **state)
{
    mdm_uint_t  i;

    owe(state);

    redis_int("EVAL %s 2 " E " " T ":push",
              "local fields = redis.call('HGETALL', KEYS[1]) "
              "for i = 1, 250 do local id = 'LACKING-' .. i "
              "local e = '" T ":e:' .. id "
              "redis.call('HSET', e, unpack(fields)) "
              "redis.call('HSET', e, 'topic', '" LACKING "') "
              "redis.call('ZADD', KEYS[2], i, id) end return 1");

    nlacking = 0;

    for (i = 0; i < 3 && due(state) != 0; i++) {
        (void) sweep(state);
    }

    assert_non_null(strstr(redis_str("HGET " E " push"), " 1 200"));
    assert_non_null(strstr(redis_str("HGET " T ":e:" THIRD " push"), " 1 200"));

    /* it is not tried by each of them, and once a minute */

    assert_in_range(nlacking, 1, 100);
    assert_in_range(x->again, 55000, 60000);
    assert_int_equal(redis_int("ZCARD " T ":push"), 253);
    nlacking = 0;
    (void) sweep(state);
    assert_int_equal(nlacking, 0);
}


/* while pushes of a batch are sent, the next one is leased: each push once */

static void
test_flows(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    owe(state);

    redis_int("EVAL %s 2 " E " " T ":push",
              "local fields = redis.call('HGETALL', KEYS[1]) "
              "for i = 1, 450 do local id = 'MORE-' .. i "
              "local e = '" T ":e:' .. id "
              "redis.call('HSET', e, unpack(fields)) "
              "redis.call('ZADD', KEYS[2], i, id) end return 1");

    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->pushes, 453);

    /* 8, 100 four times and 45, each sent while the one before is stored */

    assert_in_range(redis->rounds, 8, 10);
    assert_int_equal(x->again, 60000);
    assert_int_equal(redis_int("EVAL %s 1 " T ":push",
                     "local n = 0 local list = redis.call('ZRANGE', KEYS[1], "
                     "0, -1, 'WITHSCORES') for i = 2, #list, 2 do "
                     "if tonumber(list[i]) % 1 == 0.5 then n = n + 1 end end "
                     "return n"), 453);

    /* and where APNs has gone meanwhile, what was leased is due again */

    redis_int("EVAL %s 1 " T ":push", "for _, id in ipairs(redis.call('ZRANGE',"
              " KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 1, id) "
              "redis.call('HDEL', '" T ":e:' .. id, 'taken', 'push') end "
              "return 1");
    gone_at = redis->pushes + 150;
    (void) sweep(state);
    gone_at = 0;
    assert_int_equal(redis_int("ZCARD " T ":push"), 453);
    assert_int_equal(redis_int("EVAL %s 1 " T ":push",
                     "local n = 0 local list = redis.call('ZRANGE', KEYS[1], "
                     "0, -1, 'WITHSCORES') for i = 2, #list, 2 do "
                     "local part = tonumber(list[i]) % 1 "
                     "if part == 0.25 or part == 0.75 then n = n + 1 end end "
                     "return n"), 0);
}


/* 64 partitions with 20 owed pushes each */

static void
owe_much(void **state)
{
    owe(state);
    store_settings.partitions = 64;

    redis_int("EVAL %s 1 " E,
              "local fields = redis.call('HGETALL', KEYS[1]) "
              "for p = 0, 63 do local T = 'mdm:{default/' .. p .. '}' "
              "redis.call('HSET', T .. ':meta', 'push', 1) "
              "redis.call('DEL', T .. ':push') "
              "for i = 1, 20 do local id = 'MANY-' .. p .. '-' .. i "
              "redis.call('HSET', T .. ':e:' .. id, unpack(fields)) "
              "redis.call('ZADD', T .. ':push', i, id) end end return 1");
}


/* what cannot be sent is hardly taken: by the rate, or while APNs is away */

static void
test_few(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    owe_much(state);
    redis->fault = takes;

    settings.push_rate = 1;
    settings.push_burst = 50;
    ntakes = 0;
    assert_int_equal(sweep(state), 200);
    assert_in_range(redis->pushes, 50, 51);
    assert_in_range(x->again, 100, 1000);

    /* 8 of a partition, and each is asked once when its next one is due */

    assert_in_range(ntakes, 7, 12 + 64);

    settings.push_rate = 1000;
    assert_int_equal(sweep(state), 200);
    usleep(60000);
    redis->pushes = 0;
    ntakes = 0;
    assert_int_equal(sweep(state), 200);
    assert_in_range(redis->pushes, 50, 1000);
    assert_in_range(ntakes, redis->pushes / 8, redis->pushes / 2);

    settings.push_rate = 0;
    outcome = MDM_PUSH_UNREACHABLE;
    redis->pushes = 0;
    ntakes = 0;
    assert_int_equal(sweep(state), 200);
    assert_in_range(redis->pushes, 1, 32);
    assert_in_range(ntakes, 4, 4 + 64);

    /* and nothing is left out once it is there again */

    outcome = MDM_PUSH_ANSWERED;
    usleep(120000);

    while (sweep(state) == 202) {
        /* void */
    }

    assert_int_equal(redis_int("EVAL %s 0", "local n = 0 for p = 0, 63 do "
                     "n = n + #redis.call('ZRANGEBYSCORE', 'mdm:{default/' .. "
                     "p .. '}:push', '-inf', '1700000000000') end return n"),
                     0);
}


/* many partitions that owe nothing are looked at in a few rounds */

static void
test_many(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    owe(state);
    store_settings.partitions = 2048;

    redis_int("EVAL %s 0", "for p = 0, 2047 do redis.call('HSET', "
              "'mdm:{default/' .. p .. '}:meta', 'push', 1) end "
              "redis.call('DEL', '" T ":push') return 1");

    settings.push_rate = 1;
    settings.push_burst = 1;
    assert_int_equal(sweep(state), 200);
    assert_in_range(redis->rounds, 16, 24);
    assert_int_equal(redis->pushes, 0);

    settings.push_rate = 0;
    assert_int_equal(sweep(state), 200);
    assert_in_range(redis->rounds, 16, 24);

    /* and one that has something is found */

    redis_int("EVAL %s 1 " E, "local fields = redis.call('HGETALL', KEYS[1]) "
              "redis.call('HSET', 'mdm:{default/1500}:e:ONE', unpack(fields)) "
              "redis.call('ZADD', 'mdm:{default/1500}:push', 1, 'ONE') "
              "return 1");

    settings.push_rate = 1;
    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->pushes, 1);
}


/* what was taken is given back when the worker is to end */

static void
test_stop(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    owe(state);
    redis->fault = stops;
    redis->fault_data = NULL;
    stop_at = 1;

    assert_int_equal(sweep(state), 202);
    assert_int_equal(redis->pushes, 0);
    assert_int_equal(due(state), 3);
}


static void
test_faults(void **state)
{
    mdm_unit_fault_e   fault;
    mdm_unit_redis_t  *redis = *state;

    owe(state);
    redis->fault = stops;
    redis->fault_data = &fault;

    fault = MDM_UNIT_FAULT_BEFORE;
    stop_at = 1;
    assert_int_equal(sweep(state), 503);

    /* the answer is lost, and with it a lease */

    fault = MDM_UNIT_FAULT_AFTER;
    stop_at = 1;
    assert_int_equal(sweep(state), 503);
    assert_int_equal(due(state), 0);
    assert_int_equal(sweep(state), 200);
    assert_int_equal(redis->pushes, 0);
    assert_in_range(x->again, 10000, 15001);

    fault = MDM_UNIT_FAULT_SCRIPT;
    stop_at = 1;
    (void) sweep(state);
    assert_non_null(x->log);
    assert_int_equal(redis->pushes, 0);
}


/* behind a TokenUpdate: one look at its partition, and no more */

static void
test_partition(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    owe(state);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_true(x->owed);
    assert_true(mdm_str_is(&x->owed_tag, T));

    mdm_arena_destroy(x->arena);

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_JOB;
    x->step = mdm_push_sweep_step;
    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->owed_tag, T);

    mdm_unit_redis_run(redis, x);

    assert_int_equal(redis->pushes, 3);
    assert_int_equal(due(state), 0);
}


/* what is queued is announced before */

static mdm_unit_fault_e
no_kick(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return (call->script == &mdm_script_work_kick) ? MDM_UNIT_FAULT_BEFORE
                                                   : MDM_UNIT_FAULT_NONE;
}


static mdm_uint_t
queue(void **state, mdm_cache_t *cache, int64_t now, const char *body)
{
    mdm_arena_destroy(x->arena);

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_API;
    x->method = MDM_PUT;
    x->now = now;
    x->cache = cache;
    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->path, "/v1/enqueue/" UDID);
    mdm_str_set(&x->query, "validate=0");
    x->body.data = (u_char *) body;
    x->body.len = strlen(body);

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    return x->status;
}


static void
test_announced(void **state)
{
    double             at;
    mdm_cache_t       *cache;
    mdm_unit_redis_t  *redis = *state;

    owe(state);

    at = strtod(redis_str("ZSCORE " W ":due:push default"), NULL);
    assert_true(at > 0);
    assert_in_range(strtod(redis_str("HGET " W ":state %s", "n push default"),
                           NULL) - at, 54, 56);

    cache = mdm_cache_create(65536);
    assert_non_null(cache);

    /* once in half a minute, by the worker's clock */

    assert_int_equal(queue(state, cache, 1700000000, COMMAND("u2")), 200);
    assert_int_equal(redis->rounds, 2);
    assert_int_equal(queue(state, cache, 1700000029, COMMAND("u3")), 200);
    assert_int_equal(redis->rounds, 1);
    assert_int_equal(queue(state, cache, 1700000030, COMMAND("u4")), 200);
    assert_int_equal(redis->rounds, 2);

    /* without it nothing is queued */

    redis->fault = no_kick;
    assert_int_equal(queue(state, cache, 1700000029, COMMAND("u5")), 503);
    assert_int_equal(redis_int("EXISTS " T ":c:u5"), 0);
    assert_int_equal(queue(state, cache, 1700000040, COMMAND("u6")), 200);
    redis->fault = NULL;

    settings.push = 0;
    assert_int_equal(queue(state, NULL, 1700000060, COMMAND("u7")), 200);
    assert_int_equal(redis->rounds, 1);

    mdm_cache_destroy(cache);
}


/* an API call wakes its few channels itself */

static void
test_own(void **state)
{
    mdm_unit_redis_t  *redis = *state;

    owe(state);
    redis_int("DEL " T ":push");
    settings.push_ids = 3;

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID "," OTHER ",none",
                         "validate=0", COMMAND("u2")), 207);
    assert_int_equal(redis->pushes, 2);
    assert_int_equal(redis->rounds, 4);
    assert_true(says("\"push_result\""));
    assert_true(says("{\"command_error\":\"not enrolled\"}"));
    assert_false(x->owed);
    assert_non_null(strstr(redis_str("HGET " E " push"), " 1 200"));
    assert_int_equal(due(state), 0);

    /* one that has just been pushed to */

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u3")), 200);
    assert_true(says("\"" UDID "\":{\"push_joined\":true}"));
    assert_int_equal(redis->pushes, 2);

    /* more than the rate allows: the job has it, at once */

    redis_int("DEL " T ":push");
    settings.push_rate = 1;
    settings.push_burst = 1;
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID "," OTHER,
                         "validate=0", COMMAND("u4")), 207);
    assert_int_equal(redis->pushes, 3);
    assert_true(says("it will be tried again: mdm_push_rate"));
    assert_true(x->owed);
    assert_int_equal(due(state), 1);
    settings.push_rate = 0;

    /* it goes on, and is leased meanwhile */

    redis_int("DEL " T ":push");
    outcome = MDM_PUSH_PENDING;
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u5")), 207);
    assert_true(says("\"push_error\":\"not sent yet"));
    assert_int_equal(due(state), 0);
    outcome = MDM_PUSH_ANSWERED;

    /* a token that is dead */

    redis_int("DEL " T ":push");
    redis_int("HSET " E " dead %s", "1700000000 410 Unregistered");
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u6")), 207);
    assert_true(says("{\"push_error\":\"APNs: 410 Unregistered\"}"));
    assert_int_equal(redis_int("HDEL " E " dead token"), 2);
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u7")), 207);
    assert_true(says("{\"push_error\":\"no push token\"}"));
    redis_int("HSET " E " enabled 0");
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u8")), 207);
    assert_true(says("{\"push_error\":\"disabled\"}"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_nothing, begin),
        cmocka_unit_test_setup(test_sent, begin),
        cmocka_unit_test_setup(test_rate, begin),
        cmocka_unit_test_setup(test_few, begin),
        cmocka_unit_test_setup(test_many, begin),
        cmocka_unit_test_setup(test_waits, begin),
        cmocka_unit_test_setup(test_lacking, begin),
        cmocka_unit_test_setup(test_flows, begin),
        cmocka_unit_test_setup(test_stop, begin),
        cmocka_unit_test_setup(test_faults, begin),
        cmocka_unit_test_setup(test_partition, begin),
        cmocka_unit_test_setup(test_announced, begin),
        cmocka_unit_test_setup(test_own, begin)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
