
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The job that reads what metrics say of Redis, and who reads its sums, with a
 * real redis-server.
 */


#include "admin.h"

#include <stdlib.h>
#include <unistd.h>

#include "mdm_gauges.h"
#include "mdm_webhook.h"


#define T      "mdm:{default/0}"
#define W      "mdm:{work}"
#define TOPIC  "com.apple.mgmt.t"

#define COMMAND(uuid)                                                         \
    "<plist version=\"1.0\"><dict><key>Command</key><dict>"                   \
    "<key>RequestType</key><string>ProfileList</string></dict>"               \
    "<key>CommandUUID</key><string>" uuid "</string></dict></plist>"


static mdm_gauges_t  gauges;
static mdm_uint_t    pages;


static int
begin(void **state)
{
    clean(state);

    settings.push = 1;
    settings.push_window = 10000;
    settings.nwebhooks = 0;

    return 0;
}


static mdm_uint_t
job(void **state, const char *tenant)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_JOB;
    x->now = 1700000000;
    x->tenant.data = (u_char *) (uintptr_t) tenant;
    x->tenant.len = strlen(tenant);
    x->step = mdm_gauges_step;

    mdm_unit_redis_run(*state, x);

    return x->status;
}


static mdm_uint_t
get(void **state, const char *tenant)
{
    mdm_str_t         kinds[2], name;
    mdm_gauges_get_t  ask;

    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    mdm_str_set(&kinds[0], "push");
    mdm_str_set(&kinds[1], "gauges");

    name.data = (u_char *) (uintptr_t) tenant;
    name.len = strlen(tenant);

    memset(&ask, 0, sizeof(mdm_gauges_get_t));

    ask.kinds = kinds;
    ask.nkinds = 2;
    ask.tenants = &name;
    ask.ntenants = (name.len != 0);

    x->kind = MDM_KIND_JOB;
    x->now = 1700000000;
    x->step = mdm_gauges_get;
    x->ctx = &ask;

    mdm_unit_redis_run(*state, x);

    memset(&gauges, 0, sizeof(mdm_gauges_t));

    if (x->status == 200) {
        gauges = *ask.gauges;
        pages = ask.pages;
    }

    return x->status;
}


static void
test_gauges_none(void **state)
{
    assert_int_equal(get(state, ""), 200);
    assert_int_equal(gauges.read, 0);
    assert_int_equal(gauges.ntopics, 0);
    assert_memory_equal(gauges.works[0].data, "push", 4);
    assert_int_equal(gauges.works[1].late, 0);
    assert_int_equal(gauges.works[2].len, 0);

    /* whom it is told of is read soon, and not sooner when told again */

    assert_int_equal(get(state, "default"), 200);
    assert_int_equal(redis_int("ZCARD " W ":due:gauges"), 1);
    redis_int("ZADD " W ":due:gauges 9999999999 default");
    assert_int_equal(get(state, "default"), 200);
    assert_string_equal(redis_str("ZSCORE " W ":due:gauges default"),
                        "9999999999");
}


/* who reads metrics may not be who knows the tenant: it stays */

static void
test_gauges_forgotten(void **state)
{
    assert_int_equal(get(state, "default"), 200);
    redis_int("DEL " W ":gauges");
    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(x->again, 15000);
    assert_int_equal(get(state, ""), 200);
    assert_true(gauges.read > 0);
}


static void
test_gauges_sums(void **state)
{
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(authenticate(state, CERT_B, id_is(OTHER)), 200);
    assert_int_equal(token_update(state, CERT_B, id_is(OTHER)), 200);

    assert_int_equal(get(state, "default"), 200);
    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(x->again, 15000);
    assert_int_equal(get(state, ""), 200);

    assert_in_range(gauges.read, 1700000000 - 5, 1700000000);
    assert_int_equal(gauges.enrollments, 2);
    assert_int_equal(gauges.owed, 0);
    assert_int_equal(gauges.oldest, 0);
    assert_int_equal(gauges.dead, 0);

    /* a push is owed since the command was queued, whatever its entry says */

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 200);
    redis_int("EVAL %s 0", "local t = redis.call('TIME')[1] "
              "return redis.call('HSET', 'mdm:{default/0}:c:u1', 'time', "
              "t - 700)");
    redis_int("EVAL %s 0", "local t = redis.call('TIME')[1] "
              "redis.call('ZADD', 'mdm:{default/0}:push', (t + 30) * 1000, "
              "redis.call('ZRANGE', 'mdm:{default/0}:push', 0, 0)[1]) "
              "return 1");

    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(get(state, ""), 200);
    assert_int_equal(gauges.owed, 1);
    assert_in_range(gauges.oldest, 699000, 710000);

    /* once one was taken, nothing is owed for long, though commands wait */

    redis_int("EVAL %s 0", "local t = redis.call('TIME')[1] "
              "redis.call('ZADD', 'mdm:{default/0}:push', (t + 30) * 1000 "
              "+ 0.5, redis.call('ZRANGE', 'mdm:{default/0}:push', 0, 0)[1]) "
              "return 1");

    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(get(state, ""), 200);
    assert_int_equal(gauges.owed, 1);
    assert_int_equal(gauges.oldest, 0);

    /* tenants are added up; what waits longest, and was read first, is told */

    redis_int("HSET " W ":gauges %s %s", "v other", "1000 7 1000 3 9 50");
    assert_int_equal(get(state, ""), 200);
    assert_int_equal(gauges.owed, 8);
    assert_int_equal(gauges.dead, 3);
    assert_int_equal(gauges.enrollments, 11);
    assert_int_equal(gauges.oldest, 1000);
    assert_true(gauges.read < 1000000000);

    /* what is none is left out */

    redis_int("HSET " W ":gauges %s %s %s %s", "v other", "x", "v third",
              "1 2 3");
    assert_int_equal(get(state, ""), 200);
    assert_int_equal(gauges.enrollments, 2);
}


static void
test_gauges_topics(void **state)
{
    int        i;
    char       text[16384];
    size_t     n;

    redis_int("ZADD mdm:{default/push}:topics 2000000000 " TOPIC);
    redis_int("HSET mdm:{default/push}:c:" TOPIC " not_after 2000000000 "
              "sha256 ab cert x");

    assert_int_equal(get(state, "default"), 200);
    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(get(state, ""), 200);
    assert_int_equal(gauges.ntopics, 1);
    assert_memory_equal(gauges.topics[0].data, TOPIC, sizeof(TOPIC) - 1);
    assert_int_equal(gauges.topics[0].not_after, 2000000000);
    assert_int_equal(gauges.topics[0].stopped, 0);

    /* of another tenant: the one that ends first, and any that is stopped */

    redis_int("HSET " W ":gauges %s %s", "t other", TOPIC " 1900000000 1");
    assert_int_equal(get(state, ""), 200);
    assert_int_equal(gauges.ntopics, 1);
    assert_int_equal(gauges.topics[0].not_after, 1900000000);
    assert_int_equal(gauges.topics[0].stopped, 1);

    /* so many have names, all others are one */

    n = 0;

    for (i = 0; i < 150; i++) {
        n += (size_t) sprintf(text + n, "topic.%03d %d 0 ", i, 2000 + i);
    }

    redis_int("HSET " W ":gauges %s %s", "t other", text);
    assert_int_equal(get(state, ""), 200);
    assert_int_equal(gauges.ntopics, 100);
    assert_memory_equal(gauges.topics[99].data, "other", 5);
    assert_int_equal(gauges.topics[99].not_after, 2098);
}


static mdm_gauges_hook_t *
behind(const char *name)
{
    mdm_uint_t  i;

    for (i = 0; i < gauges.nhooks; i++) {
        if (gauges.hooks[i].len == strlen(name)
            && memcmp(gauges.hooks[i].data, name, strlen(name)) == 0)
        {
            return &gauges.hooks[i];
        }
    }

    return NULL;
}


/* entries of a stream: so many, the first of which are so many ms old */

static void
events(void **state, const char *tag, int n, int age)
{
    redis_int("EVAL %s 1 %s %d %d",
              "local t = redis.call('TIME') local ms = t[1] * 1000 - ARGV[2] "
              "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1] .. ':events', "
              "string.format('%.0f-%d', ms, i), 'event', 'mdm.Connect') end "
              "return 1", tag, n, age);
}


static int64_t
read_twice(void **state)
{
    assert_int_equal(get(state, "default"), 200);
    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(get(state, ""), 200);

    return (int64_t) gauges.events;
}


/* how far webhooks are behind, and how full the outbox is */

static void
test_gauges_outbox(void **state)
{
    static mdm_webhook_t  webhooks[2];

    mdm_str_set(&webhooks[0].name, "one");
    mdm_str_set(&webhooks[1].name, "two");

    settings.webhooks = webhooks;
    settings.nwebhooks = 2;

    assert_int_equal(read_twice(state), 0);
    assert_int_equal(gauges.full, 0);
    assert_int_equal(gauges.nhooks, 2);
    assert_int_equal(behind("one")->lag, 0);
    assert_int_equal(behind("two")->oldest, 0);

    /* nobody has a place: what is kept is no outbox that fills */

    events(state, T, 50, 60000);
    assert_int_equal(read_twice(state), 50);
    assert_int_equal(gauges.full, 0);

    /* of a partition, and of what concerns none */

    redis_int("HSET " T ":out limit 100 h:one %s h:two %s x:h:two 1 dropped 0",
              "0-0 1", "9999999999999-0 1");
    events(state, "mdm:{default/prof}", 7, 5000);
    redis_int("HSET mdm:{default/prof}:out limit 10 h:one %s", "0-0 1");

    assert_int_equal(read_twice(state), 57);
    assert_int_equal(gauges.full, 700);
    assert_int_equal(behind("one")->lag, 57);
    assert_in_range(behind("one")->oldest, 60000, 70000);
    assert_int_equal(behind("two")->lag, 0);
    assert_int_equal(behind("two")->oldest, 0);

    /* of more than are counted: all but what was acknowledged */

    events(state, T, 400, 4000);
    redis_int("EVAL %s 1 " T, "local e = redis.call('XRANGE', KEYS[1] .. "
              "':events', '-', '+', 'COUNT', 21) redis.call('HSET', KEYS[1] .. "
              "':out', 'h:one', e[20][1] .. ' 1') return 1");

    assert_int_equal(read_twice(state), 457);
    assert_int_equal(gauges.full, 4500);
    assert_int_equal(behind("one")->lag, 437);

    /* one that is not configured, or is no name, is "other" */

    redis_int("HSET " T ":out h:gone %s %s %s", "0-0 1", "h:a b", "0-0 1");
    redis_int("HSET mdm:{default/ca}:out h:bad x");
    assert_int_equal(read_twice(state), 457);
    assert_int_equal(gauges.nhooks, 3);
    assert_true(behind("other")->lag >= 450);
    assert_int_equal(behind("one")->lag, 437);

    /* and of a tenant that somebody else has read; what is none is left out */

    redis_int("HSET " W ":gauges %s %s %s x", "o other",
              "3 9000 two 3 1000 new 1 0 half 1", "o third");
    assert_int_equal(get(state, ""), 200);
    assert_int_equal(gauges.events, 460);
    assert_int_equal(gauges.full, 9000);
    assert_int_equal(behind("two")->lag, 3);
    assert_int_equal(behind("two")->oldest, 1000);
}


/* how long something waits is of when it was read, which may be long ago */

static void
test_gauges_waits(void **state)
{
    uint64_t  owed, late;

    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("u1")), 200);
    redis_int("HSET " T ":out h:one %s", "0-0 1");

    (void) read_twice(state);
    owed = gauges.oldest;
    late = behind("other")->oldest;

    assert_int_equal(gauges.owed, 1);
    assert_in_range(late, 0, 10000);

    usleep(2100000);
    assert_int_equal(get(state, ""), 200);
    assert_int_equal(gauges.oldest, owed);
    assert_int_equal(behind("other")->oldest, late);
}


/* entries that count for much are not counted one by one */

static void
test_gauges_large(void **state)
{
    static mdm_webhook_t  webhooks[1];

    mdm_str_set(&webhooks[0].name, "one");
    settings.webhooks = webhooks;
    settings.nwebhooks = 1;

    redis_int("EVAL %s 1 " T, "for i = 1, 60 do redis.call('XADD', KEYS[1] .. "
              "':events', i .. '-1', 'raw', string.rep('x', 20000)) end "
              "for i = 1, 60 do redis.call('HSET', KEYS[1] .. ':out', "
              "'h:w' .. i, i .. '-1 1') end redis.call('HSET', KEYS[1] .. "
              "':out', 'h:one', '10-1 1', 'limit', 1000) return 1");

    assert_int_equal(read_twice(state), 60);
    assert_in_range(behind("one")->lag, 50, 60);
    assert_int_equal(redis_int("EVAL %s 0", "return 1"), 1);
}


/* what had to go is added up, whatever becomes of where it was counted */

static void
test_gauges_dropped(void **state)
{
    /* but not what went before somebody read it: that is nothing new */

    redis_int("HSET " T ":out dropped 30");
    redis_int("HSET mdm:{default/push}:out dropped 5");
    (void) read_twice(state);
    assert_int_equal(gauges.dropped, 0);

    redis_int("HSET " T ":out dropped 65");
    (void) read_twice(state);
    assert_int_equal(gauges.dropped, 35);

    (void) read_twice(state);
    assert_int_equal(gauges.dropped, 35);

    redis_int("DEL " T ":out");
    (void) read_twice(state);
    assert_int_equal(gauges.dropped, 35);

    redis_int("HSET " T ":out dropped 2");
    (void) read_twice(state);
    assert_int_equal(gauges.dropped, 37);

    /* also when nobody has asked for a while */

    redis_int("HSET " W ":gauges read 1000");
    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(redis_int("HEXISTS " W ":gauges %s", "o default"), 0);
    redis_int("HSET " T ":out dropped 4");
    (void) read_twice(state);
    assert_int_equal(gauges.dropped, 39);

    redis_int("DEL " T ":out mdm:{default/push}:out");
    (void) read_twice(state);
    assert_int_equal(gauges.dropped, 39);

    redis_int("HSET " T ":out dropped 3");
    (void) read_twice(state);
    assert_int_equal(gauges.dropped, 42);

    /* Redis has forgotten what was read, and not what it counts */

    redis_int("DEL " W ":gauges");
    (void) read_twice(state);
    assert_int_equal(gauges.dropped, 0);
}


/* where there was nothing, the first ones that go are counted */

static void
test_gauges_dropped_first(void **state)
{
    (void) read_twice(state);
    redis_int("HSET " T ":out dropped 3");
    (void) read_twice(state);
    assert_int_equal(gauges.dropped, 3);
}


/* the more there are, the less often each is read */

static void
test_gauges_share(void **state)
{
    assert_int_equal(get(state, "default"), 200);

    redis_int("EVAL %s 0", "for i = 1, 20000 do redis.call('ZADD', "
              "'mdm:{work}:due:gauges', 1, 't' .. i) end return 1");

    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(x->again, 20001 * 3);

    /* one that costs much does not stand for all the others */

    events(state, T, 4000, 1000);
    redis_int("EVAL %s 1 " T, "for i = 1, 90 do redis.call('HSET', KEYS[1] .. "
              "':out', 'h:w' .. i, redis.call('TIME')[1] * 1000 - 1000 .. '-' "
              ".. i .. ' 1') end return 1");
    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(x->again, 20001 * 3);

    /* but what all of them cost together does */

    redis_int("HSET " W ":gauges cost 20000000");
    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(x->again, 2000000);

    redis_int("HINCRBY " W ":gauges cost -1000000");
    redis_int("DEL " T ":out " T ":events");
    assert_int_equal(job(state, "default"), 200);
    assert_in_range(x->again, 1800000, 1900000);

    /* where nobody asks, it ends */

    redis_int("HSET " W ":gauges read 1000 cost 1");
    assert_int_equal(job(state, "default"), 200);
    assert_int_equal(x->again, 0);

    /* and leaves nothing that would be old for ever */

    assert_int_equal(redis_int("HLEN " W ":gauges"), 2);
    assert_int_equal(redis_int("HEXISTS " W ":gauges read"), 1);
    assert_int_equal(redis_int("HEXISTS " W ":gauges %s", "d default"), 1);
}


/* many tenants are read page by page, each of them once */

static void
test_gauges_pages(void **state)
{
    redis_int("EVAL %s 0", "for i = 1, 3000 do redis.call('HSET', "
              "'mdm:{work}:gauges', 'v t' .. i, (2000 + i) .. ' 2 0 1 3 90', "
              "'t t' .. i, 'topic.' .. (i % 90) .. ' ' .. (9000 + i) .. ' 0', "
              "'o t' .. i, '2 ' .. i .. ' h 3 0') "
              "end return 1");

    assert_int_equal(get(state, "default"), 200);
    assert_in_range(pages, 20, 40);
    assert_int_equal(gauges.owed, 6000);
    assert_int_equal(gauges.dead, 3000);
    assert_int_equal(gauges.enrollments, 9000);
    assert_int_equal(gauges.events, 6000);
    assert_int_equal(gauges.full, 3000);
    assert_int_equal(behind("other")->lag, 9000);
    assert_int_equal(gauges.ntopics, 90);
    assert_memory_equal(gauges.works[1].data, "gauges", 6);
    assert_int_equal(redis_int("ZCARD " W ":due:gauges"), 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_gauges_none, begin),
        cmocka_unit_test_setup(test_gauges_forgotten, begin),
        cmocka_unit_test_setup(test_gauges_sums, begin),
        cmocka_unit_test_setup(test_gauges_topics, begin),
        cmocka_unit_test_setup(test_gauges_outbox, begin),
        cmocka_unit_test_setup(test_gauges_waits, begin),
        cmocka_unit_test_setup(test_gauges_large, begin),
        cmocka_unit_test_setup(test_gauges_dropped, begin),
        cmocka_unit_test_setup(test_gauges_dropped_first, begin),
        cmocka_unit_test_setup(test_gauges_share, begin),
        cmocka_unit_test_setup(test_gauges_pages, begin)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  teardown);
}
