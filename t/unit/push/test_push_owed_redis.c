
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Owed pushes, with a real redis-server: who owes them, who takes them away,
 * how they are leased, and what comes of answers.
 */


#include "admin.h"

#include <stdlib.h>
#include <unistd.h>


#define T        "mdm:{default/0}"
#define RETRIES  "120000,900000,7200000,86400000"

#define MOST     8

/* the token that token_update() brings */
#define BROUGHT  "\1\2\3"

#define COMMAND(type, uuid)                                                   \
    "<plist version=\"1.0\"><dict><key>Command</key><dict>"                   \
    "<key>RequestType</key><string>" type "</string></dict>"                  \
    "<key>CommandUUID</key><string>" uuid "</string></dict></plist>"

#define answer(state, id, status, uuid)                                       \
    assert_int_equal(sendf(state, MDM_KIND_CONNECT, CERT_A, id                \
                           "<key>Status</key><string>" status "</string>"     \
                           "<key>CommandUUID</key><string>" uuid "</string>") \
                     , 200)

/* what T:push has: 0: nothing */
#define score(id)    number(redis_str("ZSCORE " T ":push " id))

#define field(name)  redis_str("HGET " E " " name)


/* what push_take has leased */

static struct {
    char                      id[64];
    char                      token[64];
    char                      magic[64];
    char                      stamp[64];
} taken[MOST];

static int64_t                next;


static double
number(const char *text)
{
    return strtod(text, NULL);
}


/* Redis' clock, ms */

static double
now(void **state)
{
    double       ms;
    redisReply  *reply;

    reply = mdm_unit_redis_command(*state, "TIME");

    ms = strtod(reply->element[0]->str, NULL) * 1000
         + strtod(reply->element[1]->str, NULL) / 1000;

    freeReplyObject(reply);

    return ms;
}


#define is_about(value, wanted, off)                                          \
    do {                                                                      \
        double  is = (value), was = (wanted);                                 \
                                                                              \
        if (is < was - (off) || is > was + (off)) {                           \
            fail_msg("%.2f is not %.2f, by %.2f", is, was, is - was);         \
        }                                                                     \
    } while (0)

static void
push_on(void)
{
    settings.push = 1;
    settings.push_window = 10000;
    settings.push_ids = 0;
}


static void
arg(mdm_str_t *s, const char *text)
{
    s->data = (u_char *) text;
    s->len = strlen(text);
}


/* one script; the reply stays until the next exchange */

static const mdm_reply_t *
script(void **state, const mdm_script_t *of, const char *key, mdm_uint_t n,
    const char **args)
{
    mdm_uint_t   i;
    mdm_call_t   call;

    memset(&call, 0, sizeof(call));

    call.script = of;
    arg(&call.key, key);
    call.nargs = n;
    call.args = mdm_arena_zalloc(x->arena, (n + 1) * sizeof(mdm_str_t));

    for (i = 0; i < n; i++) {
        arg(&call.args[i], args[i]);
    }

    assert_int_equal(mdm_unit_redis_eval(*state, x->arena, &call),
                     MDM_CALL_OK);

    return call.reply;
}


static void
copy(char *to, const mdm_reply_t *reply, size_t i)
{
    mdm_str_t  s;

    s = mdm_reply_str(reply, i);
    (void) snprintf(to, 64, "%.*s", mdm_fmt(&s));
}


static size_t
take(void **state, const char *n)
{
    size_t              i, k;
    const char         *args[] = { n, "15000", "120000", "900000" };
    const mdm_reply_t  *reply;

    reply = script(state, &mdm_script_push_take, T, 4, args);

    next = mdm_reply_int(reply, MDM_RET_PUSH_TAKE_NEXT, -9);
    i = 0;

    for (k = MDM_RET_PUSH_TAKE_ROWS;
         mdm_reply_row(reply, k, MDM_NRET_PUSH_TAKE_ROWS);
         k += MDM_NRET_PUSH_TAKE_ROWS)
    {
        assert_in_range(i, 0, MOST - 1);
        copy(taken[i].id, reply, k + MDM_RET_PUSH_TAKE_ROWS_ID);
        copy(taken[i].token, reply, k + MDM_RET_PUSH_TAKE_ROWS_TOKEN);
        copy(taken[i].magic, reply, k + MDM_RET_PUSH_TAKE_ROWS_MAGIC);
        copy(taken[i].stamp, reply, k + MDM_RET_PUSH_TAKE_ROWS_STAMP);
        i++;
    }

    return i;
}


static int64_t
done_at(void **state, const char *token, const char *stamp,
    const char *verdict, const char *first, const char *last,
    const char *reason, const char *timestamp)
{
    size_t       n;
    const char  *args[] = { "", "", "1000", RETRIES, UDID, token, stamp,
                            verdict, first, last, reason, timestamp };

    /* where it was taken, nothing follows */

    n = (strcmp(verdict, "taken") == 0) ? 8 : 12;

    return mdm_reply_int(script(state, &mdm_script_push_done, T, n, args), 0,
                         -9);
}


/* of the first one that was leased */

static int64_t
done(void **state, const char *verdict, const char *first, const char *last,
    const char *reason, const char *timestamp)
{
    return done_at(state, taken[0].token, taken[0].stamp, verdict, first, last,
                   reason, timestamp);
}


static int64_t
took(void **state)
{
    return done(state, "taken", "", "", "", "");
}


/* the entry is due now, as what it is; so much for what was long ago */

static void
due(void **state, double point)
{
    char  text[64];

    (void) snprintf(text, sizeof(text), "%.0f", now(state) - 1000);
    (void) snprintf(text, sizeof(text), "%.2f", number(text) + point);
    redis_int("ZADD " T ":push %s " UDID, text);
}


static void
ago(void **state, const char *name, double seconds)
{
    char  text[64];

    (void) snprintf(text, sizeof(text), "%.0f", now(state) / 1000 - seconds);
    redis_int("HSET " E " %s %s", name, text);
}


/* the last push was so long ago, and so many tries */

static void
was(void **state, double seconds, const char *rest)
{
    char  text[128];

    (void) snprintf(text, sizeof(text), "%.0f %s",
                    now(state) / 1000 - seconds, rest);
    redis_int("HSET " E " push %s", text);
}


static void
queue(void **state, const char *uuid)
{
    char  body[512];

    (void) snprintf(body, sizeof(body), COMMAND("%s", "%s"), "ProfileList",
                    uuid);
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         body), 200);
}


static void
start(void **state)
{
    push_on();

    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
}


/* with a command, and pushed to for the first time */

static void
pushed(void **state)
{
    start(state);
    queue(state, "u1");

    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(took(state), 1);
}


static void
test_owed(void **state)
{
    double  at;

    start(state);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);

    queue(state, "u1");
    is_about(score(UDID), now(state), 1000);
    at = score(UDID);

    /* one entry is what coalesces */

    queue(state, "u2");
    assert_int_equal(redis_int("ZCARD " T ":push"), 1);
    is_about(score(UDID), at, 0);

    /* it goes with the last command, and not before */

    answer(state, id_is(UDID), "Acknowledged", "u1");
    is_about(score(UDID), at, 0);
    answer(state, id_is(UDID), "Error", "u2");
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);

    queue(state, "u3");
    assert_int_equal(api(state, MDM_DELETE, "/v1/queue/" UDID, "", ""), 204);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);

    queue(state, "u4");
    assert_int_equal(api(state, MDM_DELETE, "/v1/queue/" UDID "/u4", "", ""),
                     204);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);

    queue(state, "u5");
    assert_int_equal(checkin(state, CERT_A, "CheckOut", id_is(UDID), ""), 200);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);

    start(state);
    queue(state, "u6");
    assert_int_equal(authenticate(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);
}


static void
test_off(void **state)
{
    start(state);
    settings.push = 0;
    queue(state, "u1");
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis_int("EXISTS " T ":push " T ":meta"), 0);

    /* with nopush=1 this command is none that is pushed for */

    push_on();
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "nopush=1",
                         COMMAND("ProfileList", "u2")), 200);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);
    assert_true(says("\"no_push\":true"));
    assert_int_equal(redis_int("LLEN " T ":q:" UDID), 1);
}


static void
test_take(void **state)
{
    start(state);
    assert_int_equal(take(state, "10"), 0);
    assert_int_equal(next, -2);
    redis_int("HSET " T ":meta push 1");
    assert_int_equal(take(state, "10"), 0);
    assert_int_equal(next, -1);

    queue(state, "u1");
    assert_int_equal(take(state, "0"), 0);
    assert_int_equal(next, 0);
    assert_int_equal(take(state, "10"), 1);
    assert_string_equal(taken[0].id, UDID);
    assert_true(strlen(taken[0].token) > 0);
    assert_true(strlen(taken[0].magic) > 0);
    is_about((double) next, 15000, 1000);
    is_about(number(taken[0].stamp), now(state) + 15000, 1000);
    is_about(score(UDID), number(taken[0].stamp), 0);
    is_about(number(field("taken")), now(state), 1000);

    /* nobody else has it, until the lease is over */

    assert_int_equal(take(state, "10"), 0);
    due(state, 0.25);
    assert_int_equal(take(state, "10"), 1);

    /* after a push that was taken the intervals follow, with 10 % */

    assert_int_equal(took(state), 1);
    is_about(score(UDID), now(state) + 120000, 13000);
    assert_true(strstr(field("push"), " 1 200") != NULL);
    assert_true(score(UDID) - (double) (int64_t) score(UDID) == 0.5);

    assert_int_equal(take(state, "10"), 0);
}


/* tries go up to the last interval, which repeats */

static void
test_retries(void **state)
{
    int           i;
    const double  seconds[] = { 120, 900, 7200, 86400, 86400 };

    start(state);
    queue(state, "u1");

    for (i = 0; i < 5; i++) {
        assert_int_equal(take(state, "10"), 1);
        assert_int_equal(took(state), 1);
        is_about(score(UDID) - now(state), 1000 * seconds[i],
                 105 * seconds[i]);

        ago(state, "last_seen", 200000);
        due(state, 0.5);
    }

    /* another command is a new reason */

    queue(state, "u2");
    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(took(state), 1);
    is_about(score(UDID) - now(state), 120000, 12100);
}


/* another command: one push more, behind the window */

static void
test_window(void **state)
{
    double  at;

    pushed(state);

    at = number(field("taken"));
    queue(state, "u2");
    is_about(score(UDID), at + 10000, 0);
    queue(state, "u3");
    is_about(score(UDID), at + 10000, 0);

    /* while a push is under way, so that its end puts nothing off */

    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    at = number(field("taken"));
    queue(state, "u4");
    is_about(score(UDID), at + 10000, 0);
    assert_int_equal(took(state), 1);
    is_about(score(UDID), at + 10000, 0);

    /* a window that is longer than a lease is kept, too */

    settings.push_window = 15000;
    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    at = number(field("taken"));
    queue(state, "u5");
    assert_int_equal(took(state), 1);
    is_about(score(UDID), at + 15000, 0);

    settings.push_window = 60000;
    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    at = number(field("taken"));
    queue(state, "u6");
    assert_int_equal(took(state), 1);
    is_about(score(UDID), at + 60000, 0);
}


/* a command that comes while its channel waits for the sweep to be pushed
   again is no reason to put that off */

static void
test_late(void **state)
{
    double  at;

    pushed(state);
    ago(state, "last_seen", 10);
    was(state, 120, "1 200");
    freeReplyObject(mdm_unit_redis_command(*state, "HDEL " E " taken"));
    due(state, 0.5);
    queue(state, "u2");
    assert_int_equal(take(state, "10"), 1);

    /* APNs has asked for patience: it goes for new commands, too */

    assert_int_equal(done(state, "later", "60000", "1800000", "429 x", ""), 1);
    at = number(field("hold"));
    is_about(at, now(state) + 60000, 13000);
    is_about(score(UDID), at, 1);
    queue(state, "u3");
    is_about(score(UDID), at, 1);

    /* and for one that comes while the push is under way */

    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    queue(state, "u4");
    assert_int_equal(done(state, "later", "60000", "1800000", "429 x", ""), 1);
    is_about(score(UDID), number(field("hold")), 1);

    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(took(state), 1);
    assert_int_equal(redis_int("HEXISTS " E " hold"), 0);

    /* a lease of a clock that was wrong */

    freeReplyObject(mdm_unit_redis_command(*state, "ZADD " T ":push "
                                           "99999999999999.25 " UDID));
    assert_int_equal(take(state, "10"), 1);

    /* somebody else has the lease: it stays his */

    at = number(field("taken"));
    assert_int_equal(done_at(state, taken[0].token, "1.25", "back", "0", "",
                             "", ""), 1);
    is_about(number(field("taken")), at, 0);
}


/* who has spoken since the push is there already */

static void
test_seen(void **state)
{
    pushed(state);

    ago(state, "last_seen", 10);
    was(state, 120, "3 200");
    due(state, 0.5);
    assert_int_equal(take(state, "10"), 0);
    is_about(score(UDID), now(state) + 110000, 2000);
    assert_true(strstr(field("push"), " 0 200") != NULL);

    /* and if it says nothing more, it is pushed to */

    ago(state, "last_seen", 125);
    due(state, 0.5);
    assert_int_equal(take(state, "10"), 1);
}


static void
test_not_now(void **state)
{
    pushed(state);
    answer(state, id_is(UDID), "NotNow", "u1");

    /* 15 minutes at least */

    ago(state, "last_seen", 200);
    was(state, 210, "1 200");
    due(state, 0.5);
    assert_int_equal(take(state, "10"), 0);
    is_about(score(UDID), now(state) + 700000, 2000);

    due(state, 0.5);
    ago(state, "last_seen", 905);
    was(state, 901, "1 200");
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(took(state), 1);

    /* a new command behind it is pushed at once */

    queue(state, "u2");
    redis_int("HDEL " E " taken");
    queue(state, "u3");
    is_about(score(UDID), now(state), 1000);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(took(state), 1);

    /* as long as one of them waits that was not refused */

    answer(state, id_is(UDID), "NotNow", "u2");
    ago(state, "last_seen", 200);
    was(state, 210, "1 200");
    due(state, 0.5);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(took(state), 1);
    answer(state, id_is(UDID), "NotNow", "u3");
    due(state, 0.5);
    ago(state, "last_seen", 200);
    was(state, 210, "1 200");
    assert_int_equal(take(state, "10"), 0);

    /* a new token is pushed to whatever was answered */

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    is_about(score(UDID), now(state), 1000);
    assert_true(x->owed);
    assert_int_equal(take(state, "10"), 1);

    /* also if the rate does not allow it at first */

    assert_int_equal(done(state, "back", "", "", "", ""), 1);
    is_about(score(UDID), now(state), 1000);
    assert_int_equal(take(state, "10"), 1);
}


static void
test_token(void **state)
{
    char  old[64];

    pushed(state);
    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    (void) snprintf(old, sizeof(old), "%s", taken[0].stamp);

    /* another token comes while the push to the old one is under way */

    assert_int_equal(checkin(state, CERT_A, "TokenUpdate", id_is(UDID),
                             "<key>Topic</key><string>com.apple.mgmt.X"
                             "</string><key>PushMagic</key><string>magic2"
                             "</string><key>Token</key><data>BAUG</data>"),
                     200);
    is_about(score(UDID), now(state), 1000);

    assert_int_equal(done_at(state, BROUGHT, old, "dead", "1", "1",
                             "410 Unregistered", "99999999999999"), 0);
    assert_string_equal(field("dead"), "");
    is_about(score(UDID), now(state), 1000);

    assert_int_equal(take(state, "10"), 1);
    assert_string_equal(taken[0].token, "\4\5\6");
    assert_string_equal(taken[0].magic, "magic2");
    assert_int_equal(took(state), 1);
}


static void
test_dead(void **state)
{
    char  ms[32];

    pushed(state);

    /* what APNs knew before the token came again */

    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    (void) snprintf(ms, sizeof(ms), "%.0f", now(state) - 60000);
    assert_int_equal(done(state, "dead", "3600000", "3600000",
                          "410 Unregistered", ms), 1);
    assert_string_equal(field("dead"), "");
    is_about(score(UDID), now(state) + 3600000, 720000);
    assert_true(strstr(field("push"), " 1 410 Unregistered") != NULL);

    /* once more within the hour */

    due(state, 0);
    was(state, 3000, "1 410 Unregistered");
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(done(state, "dead", "3600000", "3600000",
                          "410 Unregistered", "0"), 1);
    assert_string_equal(field("dead"), "");

    /* the time is that of the first one */

    is_about(number(field("push")), now(state) / 1000 - 3000, 2);

    due(state, 0);
    was(state, 3601, "2 410 Unregistered");
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(done(state, "dead", "3600000", "3600000",
                          "410 Unregistered", "0"), 2);
    assert_true(strstr(field("dead"), " 410 Unregistered") != NULL);
    assert_int_equal(redis_int("SCARD " T ":pd"), 1);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);
    assert_true(strstr(redis_str("EVAL %s 1 " T ":events",
                                 "return redis.call('XREVRANGE',KEYS[1],'+',"
                                 "'-','COUNT',1)[1][2][2]"),
                       "push.Unregistered") != NULL);

    /* it is enabled, and served, but not pushed to */

    assert_string_equal(field("enabled"), "1");
    queue(state, "u2");
    assert_int_equal(take(state, "10"), 0);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);
    assert_int_equal(idle(state, CERT_A, id_is(UDID)), 200);
    assert_true(x->response.len != 0);

    /* a TokenUpdate brings it back */

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_string_equal(field("dead"), "");
    assert_int_equal(redis_int("EXISTS " T ":pd"), 0);
    assert_int_equal(take(state, "10"), 1);

    /* what says that it is later than the token; and what says no time at
       all, but is sure */

    ago(state, "updated", 100);
    (void) snprintf(ms, sizeof(ms), "%.0f", now(state) - 60000);
    assert_int_equal(done(state, "dead", "1", "1", "410 ExpiredToken", ms),
                     2);

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(done(state, "dead", "1", "1", "400 BadDeviceToken", ""),
                     2);
}


static void
test_verdicts(void **state)
{
    pushed(state);

    /* lost: 5 s, doubled to 15 min, with 20 % */

    due(state, 0.5);
    ago(state, "last_seen", 10000);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(done(state, "again", "5000", "900000", "reset", ""), 1);
    is_about(score(UDID), now(state) + 5000, 1050);

    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(done(state, "again", "5000", "900000", "reset", ""), 1);
    is_about(score(UDID), now(state) + 10000, 2050);

    was(state, 1, "40 reset");
    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(done(state, "later", "5000", "900000", "503", ""), 1);
    is_about(score(UDID), now(state) + 900000, 180100);

    /* one that is taken begins with the first interval */

    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(took(state), 1);
    is_about(score(UDID), now(state) + 120000, 12100);

    /* given back: as it was */

    due(state, 0.5);
    assert_int_equal(take(state, "10"), 1);
    assert_true(strstr(taken[0].stamp, ".75") != NULL);
    assert_int_equal(done(state, "back", "5000", "", "", ""), 1);
    is_about(score(UDID), now(state) + 5000, 1000);
    assert_true(score(UDID) - (double) (int64_t) score(UDID) == 0.5);

    /* our fault: not before the next command */

    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(done(state, "never", "", "", "400 BadPath", ""), 1);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);
    queue(state, "u9");
    assert_int_equal(take(state, "10"), 1);

    /* an answer behind the end of the lease, which another one has */

    due(state, 0.25);
    assert_int_equal(done(state, "taken", "", "", "", ""), 1);
    assert_int_equal(take(state, "10"), 1);

    /* the queue is empty by the time of the answer */

    assert_int_equal(api(state, MDM_DELETE, "/v1/queue/" UDID, "", ""), 204);
    assert_int_equal(took(state), 1);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);
}


/* a push that was asked for, whatever waits */

static void
test_asked(void **state)
{
    start(state);

    ago(state, "pf", -3600);
    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(done(state, "again", "5000", "900000", "reset", ""), 1);
    is_about(score(UDID), now(state) + 5000, 1050);

    /* a command that comes and goes meanwhile */

    queue(state, "u1");
    answer(state, id_is(UDID), "Acknowledged", "u1");
    assert_true(score(UDID) > 0);

    due(state, 0);
    assert_int_equal(take(state, "10"), 1);
    assert_int_equal(took(state), 1);
    assert_string_equal(field("pf"), "");
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);

    ago(state, "pf", 1);
    due(state, 0);
    assert_int_equal(take(state, "10"), 0);
    assert_string_equal(field("pf"), "");
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);
}


static void
test_erased(void **state)
{
    start(state);

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("EraseDevice", "e1")), 200);
    queue(state, "u2");
    queue(state, "u3");

    answer(state, id_is(UDID), "Error", "e1");
    assert_string_equal(field("erased"), "");

    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID, "validate=0",
                         COMMAND("EraseDevice", "e2")), 200);
    answer(state, id_is(UDID), "Acknowledged", "e2");
    assert_string_not_equal(field("erased"), "");
    assert_int_equal(x->response.len, 0);
    assert_int_equal(redis_int("EXISTS " T ":push " T ":q:" UDID " " T ":c:u2 "
                               T ":c:u3"), 0);

    queue(state, "u4");
    assert_int_equal(take(state, "10"), 0);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);

    start(state);
    queue(state, "u5");
    assert_int_equal(take(state, "10"), 1);
}


static void
test_users(void **state)
{
    start(state);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID ":U1",
                         "validate=0", COMMAND("ProfileList", "u1")), 200);
    assert_true(score(UDID ":U1") > 0);

    /* the device goes, and its users with it */

    assert_int_equal(checkin(state, CERT_A, "CheckOut", id_is(UDID), ""), 200);
    assert_int_equal(take(state, "10"), 0);
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);

    start(state);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);
    assert_int_equal(api(state, MDM_PUT, "/v1/enqueue/" UDID ":U1",
                         "validate=0", COMMAND("ProfileList", "u2")), 200);
    assert_int_equal(take(state, "10"), 1);
    assert_string_equal(taken[0].id, UDID ":U1");

    due(state, 0);
    redis_int("ZADD " T ":push 1 " UDID ":U1");
    redis_int("HSET " E " erased 1");
    assert_int_equal(take(state, "10"), 0);
}


static int64_t
walk(void **state, const char *most)
{
    return mdm_reply_int(script(state, &mdm_script_push_walk, T, 1, &most), 0,
                         -9);
}


/* what was queued while push was off is owed when it is on again */

static void
test_walk(void **state)
{
    int   i;
    char  id[64];

    start(state);

    for (i = 0; i < 5; i++) {
        (void) snprintf(id, sizeof(id), "<key>UDID</key><string>W%d</string>",
                        i);
        assert_int_equal(sendf(state, MDM_KIND_CHECKIN, CERT_B, "%s%s%s",
                               "<key>MessageType</key><string>Authenticate"
                               "</string><key>Topic</key><string>t</string>",
                               id, ""), i == 0 ? 200 : 403);
    }

    settings.push = 0;
    queue(state, "u1");
    assert_int_equal(redis_int("EXISTS " T ":push"), 0);
    assert_int_equal(take(state, "10"), 0);
    assert_int_equal(next, -2);

    assert_int_equal(walk(state, "1"), 1);
    assert_int_equal(walk(state, "1"), 1);
    assert_int_equal(walk(state, "1"), 0);
    assert_int_equal(walk(state, "1"), 0);
    assert_int_equal(redis_int("ZCARD " T ":push"), 1);
    assert_int_equal(take(state, "10"), 1);
    assert_true(next > 0);

    /* off and on again */

    push_on();
    queue(state, "u2");
    assert_int_equal(redis_int("HEXISTS " T ":meta push"), 1);
    settings.push = 0;
    queue(state, "u3");
    assert_int_equal(redis_int("EXISTS " T ":meta " T ":push"), 0);

    /* and off in the middle of a walk */

    assert_int_equal(walk(state, "1"), 1);
    queue(state, "u4");
    assert_int_equal(redis_int("EXISTS " T ":meta " T ":push"), 0);

    assert_int_equal(walk(state, "100"), 0);
    is_about(score(UDID), now(state), 1000);
}


static int64_t
grant(void **state, const char *n, const char *rate, const char *burst,
    int64_t *wait)
{
    const char         *args[] = { n, rate, burst };
    const mdm_reply_t  *reply;

    reply = script(state, &mdm_script_push_grant, "mdm:{default/push}", 3,
                   args);

    *wait = mdm_reply_int(reply, MDM_RET_PUSH_GRANT_WAIT, -9);

    return mdm_reply_int(reply, MDM_RET_PUSH_GRANT_GRANTED, -9);
}


static void
test_grant(void **state)
{
    int64_t  wait;

    start(state);

    assert_int_equal(grant(state, "60", "1", "100", &wait), 60);
    assert_int_equal(wait, 0);
    assert_int_equal(grant(state, "60", "1", "100", &wait), 40);
    assert_in_range(wait, 1, 1000);
    assert_int_equal(grant(state, "60", "1", "100", &wait), 0);
    assert_in_range(wait, 1, 1000);
    assert_in_range(redis_int("TTL mdm:{default/push}:rate"), 90, 101);

    /* a rate that is higher by now */

    assert_int_equal(grant(state, "60", "1000", "100", &wait), 0);
    usleep(20000);
    assert_in_range(grant(state, "60", "1000", "100", &wait), 15, 60);

    redis_int("DEL mdm:{default/push}:rate");
    assert_int_equal(grant(state, "5", "1000", "0", &wait), 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_owed, clean),
        cmocka_unit_test_setup(test_off, clean),
        cmocka_unit_test_setup(test_take, clean),
        cmocka_unit_test_setup(test_retries, clean),
        cmocka_unit_test_setup(test_window, clean),
        cmocka_unit_test_setup(test_late, clean),
        cmocka_unit_test_setup(test_seen, clean),
        cmocka_unit_test_setup(test_not_now, clean),
        cmocka_unit_test_setup(test_token, clean),
        cmocka_unit_test_setup(test_dead, clean),
        cmocka_unit_test_setup(test_verdicts, clean),
        cmocka_unit_test_setup(test_asked, clean),
        cmocka_unit_test_setup(test_erased, clean),
        cmocka_unit_test_setup(test_users, clean),
        cmocka_unit_test_setup(test_walk, clean),
        cmocka_unit_test_setup(test_grant, clean)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
