
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What became of several pushes, stored by one call of push_done, with a real
 * redis-server.
 */


#include "admin.h"

#include <math.h>
#include <stdlib.h>


#define T        "mdm:{default/0}"
#define RETRIES  "120000,900000,7200000,86400000"

/* a push that was leased first, and one that was sent before */
#define FIRST    "4102444800000.25"
#define AGAIN    "4102444800000.75"

/* of answers, and how they are told: most were taken */
#define taken(id, stamp)  id, "token", stamp, "taken"
#define failed(id, stamp, verdict, reason)                                    \
    id, "token", stamp, verdict, "5000", "900000", reason, ""


static double
score(void **state, const char *id)
{
    return strtod(redis_str("ZSCORE " T ":push %s", id), NULL);
}


static void
channel(void **state, const char *id, const char *at, const char *push)
{
    redis_int("HSET " T ":e:%s token token q u1 updated 1", id);
    redis_int("ZADD " T ":push %s %s", at, id);

    if (push != NULL) {
        redis_int("HSET " T ":e:%s push %s", id, push);
    }
}


static const mdm_reply_t *
done(void **state, size_t n, const char *const *answers)
{
    size_t       i;
    mdm_call_t   call;

    memset(&call, 0, sizeof(call));

    call.script = &mdm_script_push_done;
    mdm_str_set(&call.key, T);
    call.nargs = MDM_NARGS_PUSH_DONE + n;
    call.args = mdm_arena_zalloc(x->arena, call.nargs * sizeof(mdm_str_t));

    mdm_str_set(&call.args[MDM_ARG_PUSH_DONE_LIMIT], "1000");
    mdm_str_set(&call.args[MDM_ARG_PUSH_DONE_RETRIES], RETRIES);

    for (i = 0; i < n; i++) {
        call.args[MDM_ARG_PUSH_DONE_ANSWERS + i].data = (u_char *) answers[i];
        call.args[MDM_ARG_PUSH_DONE_ANSWERS + i].len = strlen(answers[i]);
    }

    assert_int_equal(mdm_unit_redis_eval(*state, x->arena, &call),
                     MDM_CALL_OK);

    return call.reply;
}


/* ms from now, but for what chance adds: a tenth, or a fifth */

static void
is_in(void **state, const char *id, double ms, double point)
{
    double  at, now;

    at = score(state, id);
    now = strtod(redis_str("EVAL %s 0", "return redis.call('TIME')[1]"), NULL)
          * 1000;

    assert_true(fabs(at - now - ms) < 0.21 * ms + 2000);
    assert_true(at - floor(at) == point);
}


static void
last(void **state, const char *id, const char *end)
{
    const char  *push;

    push = redis_str("HGET " T ":e:%s push", id);
    assert_true(strlen(push) > strlen(end)
                && strcmp(push + strlen(push) - strlen(end), end) == 0);
}


static void
test_several(void **state)
{
    size_t              i;
    const mdm_reply_t  *reply;

    static const int          outcomes[] = { 1, 1, 1, 1, 1, 1, 0, 1, 1, 1 };
    static const char *const  answers[] = {
        taken("a", FIRST), failed("b", FIRST, "again", "reset"),
        taken("c", AGAIN), taken("d", FIRST), taken("e", FIRST),
        failed("f", AGAIN, "never", "400 BadPath"),
        taken("g", FIRST),
        failed("h", AGAIN, "back", ""),

        /* told twice, and with a lease that is somebody else's by now */

        taken("a", FIRST), taken("i", FIRST)
    };

    channel(state, "a", FIRST, "1700000000 3 200");
    channel(state, "b", FIRST, "1700000000 3 200");
    channel(state, "c", AGAIN, "1700000000 1 200");
    channel(state, "d", "1700000000000", NULL);
    channel(state, "e", FIRST, NULL);
    channel(state, "f", AGAIN, NULL);
    channel(state, "g", FIRST, NULL);
    channel(state, "h", AGAIN, NULL);
    channel(state, "i", "4102444800001.25", NULL);
    channel(state, "z", FIRST, NULL);

    redis_int("ZREM " T ":push e");
    redis_int("HSET " T ":e:g token another");

    reply = done(state, sizeof(answers) / sizeof(answers[0]), answers);

    assert_int_equal(mdm_reply_size(reply), 10);

    for (i = 0; i < 10; i++) {
        assert_int_equal(mdm_reply_int(reply, i, -1), outcomes[i]);
    }

    /* the first push for what was queued since begins anew, others go on */

    last(state, "a", " 1 200");
    is_in(state, "a", 120000, 0.5);
    last(state, "b", " 1 reset");
    is_in(state, "b", 5000, 0);
    last(state, "c", " 2 200");
    is_in(state, "c", 900000, 0.5);

    /* a command has come since; the last one has gone */

    last(state, "d", " 1 200");
    assert_true(score(state, "d") == 1700000000000);
    last(state, "e", " 1 200");
    assert_int_equal(redis_int("ZCARD " T ":push"), 8);

    last(state, "f", " 1 400 BadPath");
    assert_int_equal(redis_int("EVAL %s 0", "return redis.call('ZSCORE', '" T
                               ":push', 'f') and 1 or 0"), 0);

    /* another token; given back; not its lease; nothing was said of it */

    assert_int_equal(redis_int("HEXISTS " T ":e:g push"), 0);
    assert_true(score(state, "g") == strtod(FIRST, NULL));
    is_in(state, "h", 5000, 0.5);
    assert_int_equal(redis_int("HEXISTS " T ":e:i push"), 0);
    assert_true(score(state, "i") == 4102444800001.25);
    assert_true(score(state, "z") == strtod(FIRST, NULL));
}


/* as many as there may be, more than a list of Redis' has */

static void
test_many(void **state)
{
    size_t              i;
    char                id[150][8];
    const char         *answers[150 * 4];
    const mdm_reply_t  *reply;

    for (i = 0; i < 150; i++) {
        (void) snprintf(id[i], sizeof(id[i]), "d%zu", i);
        channel(state, id[i], (i % 3 == 0) ? AGAIN : FIRST, NULL);

        answers[4 * i] = id[i];
        answers[4 * i + 1] = "token";
        answers[4 * i + 2] = (i % 3 == 0) ? AGAIN : FIRST;
        answers[4 * i + 3] = "taken";
    }

    reply = done(state, 150 * 4, answers);

    for (i = 0; i < 150; i++) {
        assert_int_equal(mdm_reply_int(reply, i, -1), 1);
        is_in(state, id[i], 120000, 0.5);
    }
}


static int
fresh(void **state)
{
    (void) clean(state);

    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);

    return x == NULL;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_several, fresh),
        cmocka_unit_test_setup(test_many, fresh)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
