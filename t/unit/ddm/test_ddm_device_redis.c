
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Devices whose declarations are more than a script makes, through a real
 * redis-server: they enroll, and say something new of themselves.
 */


#include "device.h"
#include "ddm_copy.h"
#include "mdm_ddm_facts.h"
#include "mdm_ddm_rollout.h"


#define T  "mdm:{default/0}"


static mdm_unit_redis_t  *redis;


static int
begin(void **state)
{
    (void) mdm_unit_redis_setup(state);

    redis = *state;
    measure(redis);

    return clean(state);
}


static mdm_uint_t
facts(void **state, const char *uuid, const char *version)
{
    return sendf(state, MDM_KIND_CONNECT, CERT_A, id_is(UDID)
                 "<key>Status</key><string>Acknowledged</string>"
                 "<key>CommandUUID</key><string>%s</string>"
                 "<key>QueryResponses</key><dict><key>OSVersion</key>"
                 "<string>%s</string></dict>", uuid, version);
}


/* the same in a status report */

static mdm_uint_t
status(void **state, const char *version)
{
    char          json[128];
    mdm_str_t     s, data;
    mdm_uint_t    rc;
    mdm_arena_t  *arena;

    s.data = (u_char *) json;
    s.len = (size_t) snprintf(json, sizeof(json), "{\"StatusItems\":{"
                              "\"device\":{\"operating-system\":{"
                              "\"version\":\"%s\"}}}}", version);
    arena = mdm_arena_create(4096);
    assert_int_equal(mdm_base64(arena, &data, &s), MDM_OK);

    rc = sendf(state, MDM_KIND_CHECKIN, CERT_A, id_is(UDID)
               "<key>MessageType</key><string>DeclarativeManagement</string>"
               "<key>Endpoint</key><string>status</string>"
               "<key>Data</key><data>%.*s</data>", (int) data.len,
               (char *) data.data);
    mdm_arena_destroy(arena);

    return rc;
}


/* a command that asks for facts */

static void
ask(void **state, const char *uuid)
{
    assert_true(enqueue(state, UDID, uuid));
    (void) redis_int("HSET " T ":c:%s type DeviceInformation", uuid);
}


static char *
token(void **state, const char *id)
{
    return redis_str("HGET " T ":e:%s dt", id);
}


/* a thousand declarations, one of them with the version of the system */

static void
give(const char *id)
{
    copy(redis, 3, 400, 300, 0, 0);
    (void) mdm_unit_redis_int(redis, "EVAL %s 0", "local key, field = '" T
        ":dk', 'configuration/' .. string.format('%064d', 7) "
        "return redis.call('HSET', key, field, redis.call('HGET', key, field) "
        ".. ' os')");
    (void) mdm_unit_redis_int(redis, "HSET " T ":d:%s s:s0 1 s:s1 1 s:s2 1",
                              id);
}


static mdm_unit_fault_e
no_facts(mdm_call_t *call, mdm_uint_t n, void *data)
{
    mdm_uint_t  *left = data;

    (void) n;

    return (call->script == &mdm_script_ddm_facts && (*left)-- == 0)
           ? MDM_UNIT_FAULT_BEFORE : MDM_UNIT_FAULT_NONE;
}


static void
test_facts(void **state)
{
    char        *before, *body;
    mdm_uint_t   left;

    enroll(state, CERT_A);
    ask(state, "Q0");
    assert_int_equal(facts(state, "Q0", "17.0"), 200);
    give(UDID);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    before = strdup(token(state, UDID));
    assert_int_equal(strlen(before), 40);
    assert_int_equal(idle(state, CERT_A, id_is(UDID)), 200);

    /* what follows is more than a script does, and is there at once */

    ask(state, "Q1");
    freeReplyObject(mdm_unit_redis_command(redis, "SLOWLOG RESET"));
    assert_int_equal(facts(state, "Q1", "17.1"), 200);
    (void) measured(redis, "facts of 1,000, report", &mdm_script_report);
    assert_in_range(measured(redis, "facts of 1,000, ddm_facts",
                             &mdm_script_ddm_facts), 6, 60);

    assert_string_not_equal(token(state, UDID), before);
    assert_int_equal(redis_int("HEXISTS " E " df"), 0);
    assert_int_equal(redis_int("EXISTS " E " " T ":dm:%s", before), 2);

    body = strndup((char *) x->response.data, x->response.len);
    assert_non_null(strstr(body, "DeclarativeManagement"));
    free(body);
    free(before);

    /* half-way Redis is away: the device is not refused, it goes on later */

    ask(state, "Q2");
    before = strdup(token(state, UDID));
    left = 2;
    redis->fault = no_facts;
    redis->fault_data = &left;
    assert_int_equal(facts(state, "Q2", "17.2"), 200);
    redis->fault = NULL;
    assert_string_equal(token(state, UDID), before);
    assert_int_equal(redis_int("HEXISTS " E " df"), 1);

    ask(state, "Q3");
    assert_int_equal(facts(state, "Q3", "17.2"), 200);
    assert_string_not_equal(token(state, UDID), before);
    assert_int_equal(redis_int("HEXISTS " E " df"), 0);

    /* the same once more needs no call */

    ask(state, "Q4");
    freeReplyObject(mdm_unit_redis_command(redis, "SLOWLOG RESET"));
    assert_int_equal(facts(state, "Q4", "17.2"), 200);
    assert_int_equal(measured(redis, "the same facts", &mdm_script_ddm_facts),
                     0);
    free(before);
}


/* a status report that is repeated does what was left of it */

static void
test_repeated(void **state)
{
    char        *before;
    mdm_uint_t   left;

    enroll(state, CERT_A);
    give(UDID);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    before = strdup(token(state, UDID));

    left = 0;
    redis->fault = no_facts;
    redis->fault_data = &left;
    assert_int_equal(status(state, "17.1"), 200);
    redis->fault = NULL;
    assert_string_equal(token(state, UDID), before);
    assert_int_equal(redis_int("HEXISTS " E " df"), 1);

    assert_int_equal(status(state, "17.1"), 200);
    assert_string_not_equal(token(state, UDID), before);
    assert_int_equal(redis_int("HEXISTS " E " df"), 0);
    free(before);
}


/* the rollout of another set comes by, before all that facts change is told */

static void
test_scanned(void **state)
{
    char            *before;
    mdm_uint_t       left;
    mdm_exchange_t  *job;

    enroll(state, CERT_A);
    give(UDID);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(idle(state, CERT_A, id_is(UDID)), 200);
    before = strdup(token(state, UDID));

    ask(state, "Q1");
    left = 0;
    redis->fault = no_facts;
    redis->fault_data = &left;
    assert_int_equal(facts(state, "Q1", "17.2"), 200);
    redis->fault = NULL;
    assert_int_equal(redis_int("HEXISTS " E " df"), 1);

    (void) redis_int("HSET mdm:{default/ddm}:meta rev 6");
    (void) redis_int("HSET " T ":ddm to 6");

    job = mdm_exchange_create(&settings);
    assert_non_null(job);

    job->kind = MDM_KIND_JOB;
    job->step = mdm_ddm_rollout_step;
    mdm_str_set(&job->tenant, "default");
    mdm_unit_redis_run(redis, job);
    assert_int_equal(job->status, 200);
    mdm_arena_destroy(job->arena);

    assert_string_equal(redis_str("HGET " T ":ddm rev"), "6");
    assert_string_not_equal(token(state, UDID), before);
    assert_int_equal(redis_int("HEXISTS " E " dc"), 1);

    /* whoever was first: it hears of it once */

    ask(state, "Q2");
    assert_int_equal(facts(state, "Q2", "17.2"), 200);
    assert_int_equal(redis_int("HEXISTS " E " df"), 0);
    free(before);
}


/* user channels are all told, however many there are */

static void
test_users(void **state)
{
    int  i;

    enroll(state, CERT_A);
    give(UDID);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);

    for (i = 0; i < 250; i++) {
        (void) redis_int("SADD " T ":users:" UDID " " UDID ":u%d", i);
        (void) redis_int("ZADD " T ":ids 0 " UDID ":u%d", i);
        (void) redis_int("HSET " E ":u%d type User parent " UDID " enabled 1 "
                         "era 1", i);
        (void) redis_int("HSET " T ":d:" UDID ":u%d s:s0 1", i);
    }

    (void) redis_int("HSET " E ":u7 dx 1");

    ask(state, "Q1");
    freeReplyObject(mdm_unit_redis_command(redis, "SLOWLOG RESET"));
    assert_int_equal(facts(state, "Q1", "17.1"), 200);
    assert_in_range(measured(redis, "facts, 250 users", &mdm_script_ddm_facts),
                    8, 120);

    assert_int_equal(redis_int("EVAL %s 0", "local n = 0 for i = 0, 249 do "
        "n = n + redis.call('HEXISTS', '" E ":u' .. i, 'dt') "
        "+ redis.call('HEXISTS', '" E ":u' .. i, 'dc') end return n"), 500);
    assert_int_equal(redis_int("HEXISTS " E " df"), 0);
    assert_int_equal(redis_int("HEXISTS " E ":u7 dx"), 0);

    /* each of them counts as one who has its manifest, and its command */

    assert_int_equal(redis_int("EVAL %s 0", "local have = {} "
        "for _, k in ipairs(redis.call('KEYS', '" T ":e:*')) do "
        "local v = redis.call('HMGET', k, 'dt', 'q') "
        "local rest = redis.call('LRANGE', '" T ":q:' .. string.sub(k, "
        "#'" T ":e:' + 1), 0, -1) "
        "if v[1] then rest[#rest + 1] = 'dm:' .. v[1] end "
        "if v[2] then rest[#rest + 1] = v[2] end "
        "for _, name in ipairs(rest) do "
        "have[name] = (have[name] or 0) + 1 end end "
        "local wrong = 0 for name, n in pairs(have) do "
        "local key = string.sub(name, 1, 3) == 'dm:' and '" T ":' .. name "
        "or '" T ":c:' .. name "
        "if redis.call('HGET', key, 'refs') ~= tostring(n) then "
        "wrong = wrong + 1 end end return wrong"), 0);
}


static mdm_unit_fault_e
no_changes(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return (call->script == &mdm_script_ddm_changes) ? MDM_UNIT_FAULT_BEFORE
                                                     : MDM_UNIT_FAULT_NONE;
}


/* a copy that begins anew is no reason to take all from a device */

static void
test_half(void **state)
{
    char  *before;

    enroll(state, CERT_A);
    give(UDID);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    before = strdup(token(state, UDID));

    (void) redis_int("EVAL %s 0", "redis.call('DEL', '" T ":dd', '" T ":ds', '"
        T ":dk', '" T ":df') redis.call('HDEL', '" T ":ddm', 'rev', 'to') "
        "return redis.call('HSET', '" T ":ddm', 'in', 1, 'gen', 1)");

    redis->fault = no_changes;
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 503);
    assert_string_equal(token(state, UDID), before);

    ask(state, "Q1");
    freeReplyObject(mdm_unit_redis_command(redis, "SLOWLOG RESET"));
    assert_int_equal(facts(state, "Q1", "17.1"), 200);
    assert_in_range(measured(redis, "no copy", &mdm_script_ddm_facts), 1, 4);
    assert_string_equal(token(state, UDID), before);
    redis->fault = NULL;

    /* with the last page it is what the tenant has: here, nothing */

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_string_equal(token(state, UDID), "");
    free(before);
}


/* nor is anything computed between two pages of what changed */

static void
test_between(void **state)
{
    char  *before;

    enroll(state, CERT_A);
    give(UDID);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    before = strdup(token(state, UDID));

    (void) redis_int("HSET mdm:{default/ddm}:meta rev 7");
    (void) redis_int("HSET " T ":ddm in 6");
    (void) redis_int("EVAL %s 0", "return redis.call('HDEL', '" T ":dk', "
        "'configuration/' .. string.format('%064d', 9))");

    redis->fault = no_changes;
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 503);
    assert_string_equal(token(state, UDID), before);

    ask(state, "Q1");
    assert_int_equal(facts(state, "Q1", "17.1"), 200);
    assert_string_equal(token(state, UDID), before);
    assert_int_equal(redis_int("HEXISTS " E " df"), 1);
    redis->fault = NULL;

    /* with the last of them it is */

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_string_not_equal(token(state, UDID), before);
    assert_int_equal(redis_int("HEXISTS " T ":ddm in"), 0);
    free(before);
}


/* half a copy of what the tenant has lost altogether begins anew, too */

static void
test_lost(void **state)
{
    mdm_uint_t  status;

    enroll(state, CERT_A);
    give(UDID);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);

    (void) redis_int("HDEL " T ":ddm rev to");
    (void) redis_int("HSET " T ":ddm in 5");
    (void) redis_int("DEL mdm:{default/ddm}:meta");

    freeReplyObject(mdm_unit_redis_command(redis, "SLOWLOG RESET"));
    status = token_update(state, CERT_A, id_is(UDID));
    assert_in_range(measured(redis, "half of nothing",
                             &mdm_script_ddm_channel), 1, 4);
    assert_int_equal(status, 200);
    assert_string_equal(token(state, UDID), "");
    assert_int_equal(redis_int("HEXISTS " T ":ddm in"), 0);
}


/* what a page brings to a channel may be a large manifest, too */

static mdm_unit_fault_e
brought(mdm_call_t *call, mdm_uint_t n, void *data)
{
    mdm_uint_t  *calls = data;

    (void) n;

    if (call->script != &mdm_script_ddm_channel) {
        return MDM_UNIT_FAULT_NONE;
    }

    if ((*calls)++ == 0) {
        give(UDID);
        (void) mdm_unit_redis_int(redis, "HSET mdm:{default/ddm}:meta rev 6");
        (void) mdm_unit_redis_int(redis, "HSET " T ":ddm rev 6 to 6");
        return MDM_UNIT_FAULT_NONE;
    }

    return MDM_UNIT_FAULT_BEFORE;
}


static void
test_brought(void **state)
{
    mdm_uint_t  calls;

    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    (void) redis_int("HSET " T ":ddm rev 5 to 5");
    (void) redis_int("HSET mdm:{default/ddm}:meta rev 6");

    calls = 0;
    redis->fault = brought;
    redis->fault_data = &calls;
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 503);
    redis->fault = NULL;
    assert_int_equal(calls, 2);
    assert_string_equal(token(state, UDID), "");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(strlen(token(state, UDID)), 40);
    assert_int_equal(redis_int("HEXISTS " E " dc"), 1);
}


/* many that enroll at once make a manifest together */

static mdm_unit_fault_e
half_way(mdm_call_t *call, mdm_uint_t n, void *data)
{
    mdm_uint_t  *left = data;

    (void) n;

    return (call->script == &mdm_script_ddm_channel && (*left)-- == 0)
           ? MDM_UNIT_FAULT_BEFORE : MDM_UNIT_FAULT_NONE;
}


#define checkin_of(type, more)                                                \
    sendf(state, MDM_KIND_CHECKIN, cert, "<key>MessageType</key><string>"     \
          type "</string>%s" more, id)


static void
test_many(void **state)
{
    int         i;
    char        id[128], cert[65];
    mdm_uint_t  left, rc, made;

    made = 0;

    copy(redis, 3, 1000, 1000, 0, 0);
    redis->fault = half_way;
    redis->fault_data = &left;

    for (i = 0; i < 60; i++) {
        (void) snprintf(cert, sizeof(cert), "%064d", i);
        (void) snprintf(id, sizeof(id), "<key>UDID</key><string>D%d</string>",
                        i);
        (void) redis_int("HSET " T ":d:D%d s:s0 1 s:s1 1 s:s2 1", i);
        left = 1;

        assert_int_equal(checkin_of("Authenticate", "<key>Topic</key><string>"
                                    "com.apple.mgmt.X</string>"), 200);
        left = 1;
        rc = checkin_of("TokenUpdate", TOKEN);
        assert_true(rc == 503 || rc == 200);
        made += (rc == 200);
    }

    assert_in_range(made, 1, 50);

    /* the last ones found it made, and nothing else is left */

    assert_int_equal(redis_int("EVAL %s 0", "return #redis.call('KEYS', '" T
                               ":dw:*')"), 0);
    assert_int_equal(redis_int("EVAL %s 0", "return #redis.call('KEYS', '" T
                               ":dm:*')"), 1);
    redis->fault = NULL;
}


/*
 * What lies between two slices may be evicted, each part of it for itself: it
 * begins anew, and the manifest is whole.
 */

typedef struct {
    const char               *part;
    mdm_uint_t                calls;
    long long                 evicted;
} evict_t;


static mdm_unit_fault_e
evict(mdm_call_t *call, mdm_uint_t n, void *data)
{
    evict_t  *e = data;

    (void) n;

    if (call->script == &mdm_script_ddm_channel && e->calls-- == 0) {
        e->evicted = mdm_unit_redis_int(redis, "EVAL %s 0 %s", "local n = 0 "
            "for _, key in ipairs(redis.call('KEYS', '" T ":dw:*')) do "
            "local part = string.match(key, '^.-:dw:%x+(.*)$') "
            "if part == ARGV[1] then n = n + redis.call('DEL', key) end "
            "end return n", e->part);
    }

    return MDM_UNIT_FAULT_NONE;
}


static void
test_evicted(void **state)
{
    char       *whole, *items;
    evict_t     e;
    long long   hits;
    mdm_uint_t  i, at;

    static const char  *parts[] = { "", "s", "z", "m" };

    enroll(state, CERT_A);
    give(UDID);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    whole = strdup(token(state, UDID));
    items = "local dt = redis.call('HGET', '" E "', 'dt') local n = 0 "
            "for _, key in ipairs(redis.call('HKEYS', '" T ":dm:' .. dt)) do "
            "n = n + (string.find(key, '/', 1, true) and 1 or 0) end return n";
    assert_int_equal(redis_int("EVAL %s 0", items), 1000);

    redis->fault = evict;
    redis->fault_data = &e;

    for (i = 0; i < 4; i++) {
        hits = 0;

        for (at = 0; at < 30; at++) {
            (void) redis_int("EVAL %s 0", "local n = 0 "
                "for _, kind in ipairs({'db', 'dm', 'dw'}) do "
                "for _, key in ipairs(redis.call('KEYS', '" T ":' .. kind .. "
                "':*')) do n = n + redis.call('DEL', key) end end "
                "return redis.call('HDEL', '" T ":ddm', 'begun')");
            assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);

            e.part = parts[i];
            e.calls = at;
            e.evicted = 0;
            assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
            assert_string_equal(token(state, UDID), whole);
            assert_int_equal(redis_int("EVAL %s 0", items), 1000);
            hits += e.evicted;
        }

        assert_true(hits > 0);
    }

    redis->fault = NULL;
    free(whole);
}


/* all of it each time: what cannot be made is given up */

static mdm_unit_fault_e
evict_all(mdm_call_t *call, mdm_uint_t n, void *data)
{
    mdm_uint_t  *calls = data;

    (void) n;

    if (call->kind == MDM_CALL_KIND_REDIS
        && (call->script == &mdm_script_ddm_channel
            || call->script == &mdm_script_ddm_scan))
    {
        (*calls)++;

        (void) mdm_unit_redis_int(redis, "EVAL %s 0", "local n = 0 "
            "for _, key in ipairs(redis.call('KEYS', '" T ":dw:*')) do "
            "n = n + redis.call('DEL', key) end return n");
    }

    return MDM_UNIT_FAULT_NONE;
}


static int
logged(const char *text)
{
    mdm_log_t  *line;

    for (line = x->log; line != NULL; line = line->next) {
        if (memmem(line->text.data, line->text.len, text, strlen(text))
            != NULL)
        {
            return 1;
        }
    }

    return 0;
}


static void
test_evicted_always(void **state)
{
    mdm_uint_t       calls;
    mdm_exchange_t  *job;

    enroll(state, CERT_A);
    give(UDID);

    calls = 0;
    redis->fault = evict_all;
    redis->fault_data = &calls;

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 503);
    assert_true(logged("maxmemory-policy"));
    assert_in_range(calls, 8, 12);
    assert_string_equal(token(state, UDID), "");

    /* soon */

    calls = 0;
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 503);
    assert_int_equal(calls, 1);

    /* a rollout goes on with the others */

    (void) redis_int("HSET mdm:{default/ddm}:meta rev 6");
    (void) redis_int("HSET " T ":ddm to 6");

    job = mdm_exchange_create(&settings);
    job->kind = MDM_KIND_JOB;
    job->step = mdm_ddm_rollout_step;
    mdm_str_set(&job->tenant, "default");
    calls = 0;
    mdm_unit_redis_run(redis, job);
    assert_in_range(calls, 1, 3);
    mdm_arena_destroy(job->arena);

    /* it is made when that is over */

    redis->fault = NULL;
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 503);
    (void) redis_int("HDEL " T ":ddm begun");
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(strlen(token(state, UDID)), 40);
}


/* one that has none any more is told so, whatever befalls its TokenUpdate */

static void
test_told(void **state)
{
    mdm_uint_t  i;

    enroll(state, CERT_A);
    give(UDID);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_string_not_equal(token(state, UDID), "");
    assert_string_equal(redis_str("HGET " E " fresh"), "");

    (void) redis_int("DEL " T ":d:" UDID);
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);

    (void) redis_int("EVAL %s 0", "redis.call('HDEL', '" T ":ddm', 'rev', "
        "'to') return redis.call('HSET', '" T ":ddm', 'in', 1, 'gen', 1)");

    redis->fault = no_changes;

    for (i = 0; i < 2; i++) {
        assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 503);
        assert_int_equal(redis_int("HEXISTS " E " dc"), 0);
    }

    redis->fault = NULL;

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_string_equal(token(state, UDID), "");
    assert_int_equal(redis_int("HEXISTS " E " dc"), 1);
    assert_string_equal(redis_str("HGET " E " fresh"), "");

    /* once */

    assert_int_equal(idle(state, CERT_A, id_is(UDID)), 200);
    (void) redis_int("HDEL " E " dc q");
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis_int("HEXISTS " E " dc"), 0);
}


#define test(name)                                                            \
    cmocka_unit_test_setup_teardown(name, begin, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        test(test_facts),
        test(test_repeated),
        test(test_scanned),
        test(test_users),
        test(test_half),
        test(test_between),
        test(test_lost),
        test(test_brought),
        test(test_many),
        test(test_evicted),
        test(test_evicted_always),
        test(test_told)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
