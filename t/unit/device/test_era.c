
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What must not go by a clock, and what a device's enrolment does to a
 * thousand users at once, with a real redis-server.
 */


#include "admin.h"

#include <stdlib.h>


#define T        "mdm:{default/0}"
#define AHEAD    100000000     /* seconds: a clock that was wrong */

#define EU  T ":e:" UDID ":U1"


/* commands that Redis has carried out, those of scripts, too */

static long long
commands(void **state)
{
    char       *p;
    long long   n;
    redisReply *info;

    info = mdm_unit_redis_command(*state, "INFO commandstats");
    n = 0;

    for (p = info->str; (p = strstr(p, "calls=")) != NULL; p++) {
        n += strtoll(p + 6, NULL, 10);
    }

    freeReplyObject(info);

    return n;
}


/* microseconds that scripts took, so far */

static long long
usec(void **state)
{
    char       *p;
    long long   n;
    redisReply *info;

    info = mdm_unit_redis_command(*state, "INFO commandstats");
    n = 0;

    for (p = info->str; (p = strstr(p, "cmdstat_eval")) != NULL; p++) {
        n += strtoll(strstr(p, "usec=") + 5, NULL, 10);
    }

    freeReplyObject(info);

    return n;
}


#define script(state, name, ...)                                              \
    script_call(state, &mdm_script_##name,                                    \
                (const char *[]) { __VA_ARGS__, NULL })

static long long
script_call(void **state, const mdm_script_t *script, const char **arg)
{
    long long    code;
    mdm_str_t    args[16];
    mdm_call_t   call;
    mdm_arena_t *arena;

    arena = mdm_arena_create(4096);

    memset(&call, 0, sizeof(call));
    call.script = script;
    call.key.data = (u_char *) arg[0];
    call.key.len = strlen(arg[0]);
    call.args = args;

    for (arg++; *arg != NULL; arg++, call.nargs++) {
        args[call.nargs].data = (u_char *) *arg;
        args[call.nargs].len = strlen(*arg);
    }

    assert_int_equal(mdm_unit_redis_eval(*state, arena, &call), MDM_CALL_OK);

    code = mdm_reply_int(call.reply, 0, -99);

    mdm_arena_destroy(arena);

    return code;
}


/* tombstones are full and TIME is behind: the newest result stays */

static void
test_tombstones(void **state)
{
    int   i;
    char  uuid[16];

    settings.queue_limit = 5;

    enroll(state, CERT_A);

    for (i = 0; i < 5; i++) {
        (void) snprintf(uuid, sizeof(uuid), "u%d", i);
        report(state, CERT_A, id_is(UDID), "Acknowledged", uuid);
        redis_int("ZINCRBY " T ":done:" UDID " %d %s", AHEAD, uuid);
    }

    for (i = 5; i < 9; i++) {
        (void) snprintf(uuid, sizeof(uuid), "u%d", i);
        assert_int_equal(report(state, CERT_A, id_is(UDID), "Acknowledged",
                                uuid), 200);

        assert_int_equal(redis_int("EXISTS " T ":r:" UDID ":%s", uuid), 1);
        assert_int_equal(redis_int("EXISTS " T ":r:" UDID ":u%d", i - 5), 0);
        assert_int_equal(redis_int("ZRANK " T ":done:" UDID " %s", uuid), 4);
    }

    assert_int_equal(redis_int("ZCARD " T ":done:" UDID), 5);

    settings.queue_limit = 20;
}


static void
test_last_seen(void **state)
{
    long long  now;

    enroll(state, CERT_A);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);

    now = redis_int("EVAL %s 0", "return tonumber(redis.call('TIME')[1])");

    redis_int("HSET " E " last_seen %lld", now + AHEAD);
    redis_int("HSET " EU " last_seen %lld", now + AHEAD);

    idle(state, CERT_A, id_is(UDID));
    idle(state, CERT_A, user_is("U1"));
    assert_in_range(redis_int("HGET " E " last_seen"), now, now + 60);
    assert_in_range(redis_int("HGET " EU " last_seen"), now, now + 60);

    redis_int("HSET " E " last_seen %lld", now + AHEAD);
    report(state, CERT_A, id_is(UDID), "Acknowledged", "u");
    assert_in_range(redis_int("HGET " E " last_seen"), now, now + 60);
}


/* a report that comes again soon is a repetition, by TIME alone */

static void
test_reports(void **state)
{
    long long  now;

#define REPORT                                                                \
    "<key>Endpoint</key><string>status</string><key>Data</key><data>"         \
    "eyJTdGF0dXNJdGVtcyI6eyJhIjp7ImIiOjF9fX0=</data>"
#define SR  T ":sr:" UDID
#define REPORTS  "EVAL %s 0", "local l = redis.call('HGET', '" SR "', 'l') "  \
                 "return #l"

    settings.status_reports = 5;

    enroll(state, CERT_A);

    now = redis_int("EVAL %s 0", "return tonumber(redis.call('TIME')[1])");

    assert_int_equal(checkin(state, CERT_A, "DeclarativeManagement",
                             id_is(UDID), REPORT), 200);
    assert_int_equal(checkin(state, CERT_A, "DeclarativeManagement",
                             id_is(UDID), REPORT), 200);
    assert_int_equal(redis_int(REPORTS), 51);

    redis_int("HSET " SR " at %lld", now + AHEAD);
    assert_int_equal(checkin(state, CERT_A, "DeclarativeManagement",
                             id_is(UDID), REPORT), 200);
    assert_int_equal(redis_int(REPORTS), 103);
    assert_int_equal(redis_int("HEXISTS " SR " at"), 0);

    assert_int_equal(checkin(state, CERT_A, "DeclarativeManagement",
                             id_is(UDID), REPORT), 200);
    assert_int_equal(redis_int(REPORTS), 103);

    settings.status_reports = 0;
}


/* a thousand users, each with as many commands of its own */

static void
users(void **state, int n, int queued)
{
    assert_int_equal(redis_int("EVAL %s 0 %d %d",
        "local T, d = '" T "', '" UDID "' "
        "local era = redis.call('HGET', T .. ':e:' .. d, 'era') "
        "for i = 1, ARGV[1] do "
        "local id = d .. ':V' .. i "
        "redis.call('SADD', T .. ':users:' .. d, id) "
        "redis.call('ZADD', T .. ':ids', 0, id) "
        "redis.call('HSET', T .. ':e:' .. id, 'type', 'User', 'parent', d, "
        "'enabled', 1, 'tally', 3, 'token', 't', 'magic', 'm', 'topic', 'x') "
        "if era then redis.call('HSET', T .. ':e:' .. id, 'era', era) end "
        "for k = 1, ARGV[2] do "
        "local u = 'c' .. k "
        "if k == 1 then redis.call('HSET', T .. ':e:' .. id, 'q', u) "
        "else redis.call('RPUSH', T .. ':q:' .. id, u) end "
        "redis.call('HSET', T .. ':c:' .. u, 'body', 'b', 'type', 'X') "
        "redis.call('HINCRBY', T .. ':c:' .. u, 'refs', 1) "
        "end "
        "redis.call('SADD', T .. ':si', 'a.b') "
        "redis.call('HSET', T .. ':s:' .. id, 'a.b', "
        "'1234567890123456 7') "
        "redis.call('ZADD', T .. ':si:a.b', 0, "
        "'nc01c000000000000\\0' .. id) "
        "redis.call('HSET', T .. ':dm:m', 'items', '{}') "
        "redis.call('HINCRBY', T .. ':dm:m', 'refs', 1) "
        "redis.call('HSET', T .. ':e:' .. id, 'dt', 'm') "
        "end return 0", n, queued), 0);
}


/* how a user of a former era looks, from wherever one looks */

static void
cleared(void **state, const char *user, int queued)
{
    char  path[128], body[256], id[64];

    (void) snprintf(id, sizeof(id), UDID ":%s", user);

    (void) snprintf(path, sizeof(path), "/v1/enrollments/%s", id);
    assert_int_equal(api(state, MDM_GET, path, "", ""), 200);
    assert_true(says("\"enabled\":false"));
    assert_true(says(queued ? "\"queue_length\":3" : "\"queue_length\":0"));

    (void) snprintf(body, sizeof(body),
                    "{\"filter\":{\"ids\":[\"%s\"],\"enabled\":true}}", id);
    assert_int_equal(api(state, MDM_POST, "/v1/enrollments/query", "", body),
                     200);
    assert_true(says("{\"enrollments\":[]}"));

    (void) snprintf(path, sizeof(path), "/v1/queue/%s", id);
    assert_int_equal(api(state, MDM_GET, path, "", ""), 200);
    assert_int_equal(says("\"command_uuid\""), queued);

    (void) snprintf(path, sizeof(path), "/v1/queue/%s/c1", id);
    assert_int_equal(api(state, MDM_GET, path, "", ""), queued ? 200 : 404);

    if (!queued) {
        assert_int_equal(api(state, MDM_DELETE, path, "", ""), 404);
    }

    (void) snprintf(path, sizeof(path), "/v1/status-values/%s", id);
    assert_int_equal(api(state, MDM_GET, path, "", ""), 200);
    assert_false(says("\"value\""));

    (void) snprintf(path, sizeof(path), "/v1/declaration-status/%s", id);
    assert_int_equal(api(state, MDM_GET, path, "", ""), 200);

    assert_int_equal(sendf(state, MDM_KIND_CONNECT, CERT_A, id_is(UDID)
                           "<key>UserID</key><string>%s</string>"
                           "<key>Status</key><string>Idle</string>", user),
                     200);
    assert_int_equal(x->response.len, 0);

    assert_int_equal(sendf(state, MDM_KIND_CHECKIN, CERT_A, id_is(UDID)
                           "<key>UserID</key><string>%s</string>"
                           "<key>MessageType</key><string>"
                           "DeclarativeManagement</string><key>Endpoint</key>"
                           "<string>declaration-items</string>", user), 200);
    assert_true(says("\"Configurations\":[]"));

    assert_int_equal(script(state, auth, T, id, UDID, CERT_A), 0);
}


#define LEFT  "EVAL %s 0",                                                    \
              "return #redis.call('KEYS', '" T ":c:*') + "                    \
              "#redis.call('KEYS', '" T ":q:*') + "                           \
              "#redis.call('KEYS', '" T ":s:*') + "                           \
              "#redis.call('KEYS', '" T ":old*') + "                          \
              "redis.call('EXISTS', '" T ":si:a.b')"


static void
test_thousand(void **state)
{
    int        i;
    long long  n, time, most;

    store_settings.status_index = &(mdm_str_t) mdm_string("a.b");
    store_settings.nstatus_index = 1;

    enroll(state, CERT_A);
    users(state, 1000, 1000);

    time = usec(state);
    n = commands(state);
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    n = commands(state) - n;
    print_message("Authenticate, 1,000 users with 1,000 commands: %lld "
                  "commands of redis, %lld us\n", n, usec(state) - time);
    assert_in_range(n, 10, 2500);

    /* all at once, from outside */

    for (i = 1; i <= 1000; i += 111) {
        char  user[16];

        (void) snprintf(user, sizeof(user), "V%d", i);
        cleared(state, user, 0);
    }

    assert_int_equal(api(state, MDM_POST, "/v1/status/query", "",
                         "{\"item\":\"a.b\",\"predicate\":{\"op\":\"=\","
                         "\"value\":7}}"), 200);
    assert_false(says("V"));

    /* the next scripts take away what is left, none of them much of it */

    most = 0;

    for (i = 0; redis_int("EXISTS " T ":old") == 1; i++) {
        time = usec(state);
        n = commands(state);
        assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
        assert_in_range(commands(state) - n, 1, 2500);
        assert_in_range(i, 0, 5000);

        time = usec(state) - time;
        most = (time > most) ? time : most;
    }

    print_message("cleared by %d scripts, the longest took %lld us\n", i,
                  most);
    assert_int_equal(redis_int(LEFT), 0);
    assert_int_equal(redis_int("HGET " T ":dm:m refs"), 0);
    assert_int_equal(redis_int("HGET " T ":e:" UDID ":V777 tally"), 0);

    store_settings.nstatus_index = 0;
}


/* those that are cleared last; Authenticate takes the first of SMEMBERS, whose
   order is another one with each server */

static void
cleared_last(void **state, char name[3][16])
{
    int         i;
    redisReply *reply;

    reply = mdm_unit_redis_command(*state, "ZREVRANGE " T ":old 0 2");
    assert_int_equal(reply->elements, 3);

    for (i = 0; i < 3; i++) {
        (void) snprintf(name[i], 16, "%s", strrchr(reply->element[i]->str,
                                                   ':') + 1);
        assert_int_equal(redis_int("HGET " T ":e:" UDID ":%s enabled",
                                   name[i]), 1);
    }

    freeReplyObject(reply);
}


#define user_back(state, name)                                                \
    sendf(state, MDM_KIND_CHECKIN, CERT_A,                                    \
          "<key>MessageType</key><string>TokenUpdate</string>"                \
          user_is("%s") TOKEN, name)

#define user_idle(state, name)                                                \
    sendf(state, MDM_KIND_CONNECT, CERT_A, user_is("%s")                      \
          "<key>Status</key><string>Idle</string>", name)


/* one that is touched before it is cleared */

static void
test_touched(void **state)
{
    char  name[3][16], id[64];

    enroll(state, CERT_A);
    users(state, 300, 600);
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    cleared_last(state, name);

    /* it comes back, with an empty queue */

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(user_back(state, name[0]), 200);
    assert_int_equal(redis_int("HGET " T ":e:" UDID ":%s tally", name[0]), 1);
    assert_int_equal(user_idle(state, name[0]), 200);
    assert_int_equal(x->response.len, 0);

    /* a command of before, whose last references are not dropped yet */

    (void) snprintf(id, sizeof(id), UDID ":%s", name[0]);
    assert_true(enqueue(state, id, "new"));
    (void) snprintf(id, sizeof(id), UDID ":%s", name[1]);
    assert_true(enqueue(state, id, "new"));
    assert_int_equal(user_idle(state, name[0]), 200);
    assert_true(says("body of new"));

    assert_int_equal(redis_int("HGET " T ":e:%s enabled", id), 0);
    assert_int_equal(redis_int("LLEN " T ":q:%s", id), 0);
    assert_int_equal(user_back(state, name[1]), 200);
    assert_int_equal(user_idle(state, name[1]), 200);
    assert_true(says("body of new"));

    /* a report of a command of before changes nothing */

    assert_int_equal(sendf(state, MDM_KIND_CONNECT, CERT_A, user_is("%s")
                           "<key>Status</key><string>Acknowledged</string>"
                           "<key>CommandUUID</key><string>c1</string>",
                           name[2]), 200);
    assert_int_equal(x->response.len, 0);
    (void) snprintf(id, sizeof(id), UDID ":%s", name[2]);
    assert_int_equal(redis_int("HGET " T ":r:%s:c1 known", id), 0);
    assert_int_equal(redis_int("HGET " T ":e:%s enabled", id), 0);

    while (redis_int("EXISTS " T ":old") == 1) {
        assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    }

    assert_int_equal(redis_int("EXISTS " T ":c:c1"), 0);
    assert_int_equal(redis_int("HGET " T ":c:new refs"), 2);
}


/* CheckOut of a device: its users are disabled, their queues stay */

static void
test_checkout(void **state)
{
    long long  n;

    enroll(state, CERT_A);
    users(state, 1000, 3);

    n = commands(state);
    assert_int_equal(checkin(state, CERT_A, "CheckOut", id_is(UDID), ""),
                     200);
    assert_in_range(commands(state) - n, 10, 2500);

    cleared(state, "V3", 1);
    cleared(state, "V999", 1);

    assert_int_equal(token_update(state, CERT_A, user_is("V999")), 200);
    assert_int_equal(idle(state, CERT_A, user_is("V999")), 200);
    assert_int_equal(x->response.len, 1);

    assert_int_equal(checkin(state, CERT_A, "CheckOut", id_is(UDID), ""),
                     200);
    enroll(state, CERT_A);
    cleared(state, "V3", 0);
    cleared(state, "V999", 0);
}


/* a fixed CommandUUID: done is done, but not for a new enrolment */

static void
test_fixed_uuid(void **state)
{
#define FIXED                                                                 \
    "<plist version=\"1.0\"><dict><key>Command</key><dict>"                   \
    "<key>RequestType</key><string>ProfileList</string></dict>"               \
    "<key>CommandUUID</key><string>fixed</string></dict></plist>"

#define send_fixed(ids)  api(state, MDM_PUT, "/v1/enqueue/" ids, "", FIXED)

    enroll(state, CERT_A);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);

    assert_int_equal(send_fixed(UDID), 200);
    assert_false(says("\"already\""));
    assert_int_equal(send_fixed(UDID "," UDID ":U1"), 200);
    assert_true(says("\"already\":[\"" UDID "\"]"));
    assert_int_equal(send_fixed(UDID "," UDID ":U1"), 200);
    assert_true(says("\"already\":[\"" UDID "\",\"" UDID ":U1\"]"));

    report(state, CERT_A, id_is(UDID), "Acknowledged", "fixed");
    report(state, CERT_A, user_is("U1"), "Acknowledged", "fixed");
    assert_int_equal(send_fixed(UDID "," UDID ":U1"), 200);
    assert_true(says("\"already\":[\"" UDID "\",\"" UDID ":U1\"]"));

    /* with a clock that was wrong, too */

    redis_int("ZINCRBY " T ":done:" UDID " %d fixed", AHEAD);

    enroll(state, CERT_A);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);

    /* a repetition of the answer is one still */

    report(state, CERT_A, id_is(UDID), "Error", "fixed");
    assert_string_equal(redis_str("HGET " T ":r:" UDID ":fixed status"),
                        "Acknowledged");

    assert_int_equal(send_fixed(UDID "," UDID ":U1"), 200);
    assert_false(says("\"already\""));
    assert_int_equal(send_fixed(UDID "," UDID ":U1"), 200);
    assert_true(says("\"already\":[\"" UDID "\",\"" UDID ":U1\"]"));

    assert_int_equal(idle(state, CERT_A, id_is(UDID)), 200);
    assert_true(says("fixed"));

    /* the answer to it counts, and is the last */

    report(state, CERT_A, id_is(UDID), "Error", "fixed");
    assert_int_equal(x->response.len, 0);
    assert_string_equal(redis_str("HGET " T ":r:" UDID ":fixed status"),
                        "Error");
    report(state, CERT_A, id_is(UDID), "Acknowledged", "fixed");
    assert_string_equal(redis_str("HGET " T ":r:" UDID ":fixed status"),
                        "Error");
    report(state, CERT_A, user_is("U1"), "Error", "fixed");
    assert_string_equal(redis_str("HGET " T ":r:" UDID ":U1:fixed status"),
                        "Error");

    assert_int_equal(send_fixed(UDID), 200);
    assert_true(says("\"already\":[\"" UDID "\"]"));
    assert_int_equal(redis_int("EXISTS " T ":c:fixed"), 0);
}


/* queues that are too long to be emptied by one script */

static void
test_long_queues(void **state)
{
    int        i;
    long long  n;

    enroll(state, CERT_A);
    users(state, 3, 20000);

    n = commands(state);
    assert_int_equal(api(state, MDM_DELETE, "/v1/queue/" UDID ":V1,"
                         UDID ":V2," UDID ":V3", "", ""), 204);
    assert_in_range(commands(state) - n, 100, 15000);
    assert_int_equal(redis_int("EXISTS " T ":q:" UDID ":V1"), 0);

    for (i = 0; redis_int("EXISTS " T ":old") == 1; i++) {
        assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    }

    assert_in_range(i, 1, 200);
    assert_int_equal(redis_int("EVAL %s 0", "return #redis.call('KEYS', '"
                               T ":c:*')"), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_tombstones, clean),
        cmocka_unit_test_setup(test_last_seen, clean),
        cmocka_unit_test_setup(test_reports, clean),
        cmocka_unit_test_setup(test_thousand, clean),
        cmocka_unit_test_setup(test_touched, clean),
        cmocka_unit_test_setup(test_checkout, clean),
        cmocka_unit_test_setup(test_fixed_uuid, clean),
        cmocka_unit_test_setup(test_long_queues, clean)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
