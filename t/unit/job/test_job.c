
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/job/mdm_job.c with a real redis-server: leases, kicks,
 * and a thousand tenants.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mdm_endpoint.h"
#include "mdm_job.h"
#include "mdm_unit_redis.h"


#define MOST   32                /* in one look */
#define W      "mdm:{work}"
#define AHEAD  100000000         /* seconds: a clock that was wrong */

#define redis_int(...)  mdm_unit_redis_int(*state, __VA_ARGS__)


static mdm_int_t never(mdm_exchange_t *x);


static const mdm_store_settings_t  store_settings = {
    .partitions = 1
};

static const mdm_settings_t  settings = { .store = &store_settings };

static const mdm_job_kind_t  kind_a = { mdm_string("a"), never, 0, 15, 0, 0 };
static const mdm_job_kind_t  kind_b = { mdm_string("b"), never, 0, 40, 0, 0 };

static mdm_exchange_t  *x;
static mdm_job_look_t   look;
static mdm_job_want_t   wants[2];
static mdm_job_done_t   done[MOST];
static mdm_job_held_t   held[MOST];
static mdm_str_t        kicks[MOST];
static char             text[2 * MOST][64];
static int              ntext;


static mdm_int_t
never(mdm_exchange_t *exchange)
{
    (void) exchange;

    return MDM_ERROR;
}


/* a look that asks for nothing yet */

static void
begin(const char *runner, mdm_uint_t most)
{
    memset(&look, 0, sizeof(look));

    look.runner.data = (u_char *) runner;
    look.runner.len = strlen(runner);
    look.most = most;
    look.done = done;
    look.held = held;
    look.kicks = kicks;
    look.wants = wants;
    look.nwants = 2;

    wants[0].kind = &kind_a;
    wants[0].most = most;
    wants[1].kind = &kind_b;
    wants[1].most = most;

    ntext = 0;
}


static mdm_str_t
keep(const char *s)
{
    mdm_str_t  str;

    (void) snprintf(text[ntext], sizeof(text[0]), "%s", s);
    str.data = (u_char *) text[ntext++];
    str.len = strlen(s);

    return str;
}


static mdm_uint_t
run(void **state)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_JOB;
    x->step = mdm_job_look_step;
    x->ctx = &look;

    mdm_unit_redis_run(*state, x);

    return x->status;
}


static void
kick(void **state, const char *work)
{
    begin("kicker", 0);
    kicks[look.nkicks++] = keep(work);
    assert_int_equal(run(state), 200);
}


static mdm_uint_t
take(void **state, const char *runner, mdm_uint_t most)
{
    begin(runner, most);
    assert_int_equal(run(state), 200);

    return look.ntaken;
}


static void
end(void **state, const char *runner, const char *work, int64_t again)
{
    begin(runner, 0);
    done[0].work = keep(work);
    done[0].again = (again > 0) ? again * 1000 : again;
    look.ndone = 1;
    assert_int_equal(run(state), 200);
}


/* milliseconds until somebody must look, -1: nobody need */

static long long
due(void **state, const char *kind, const char *tenant)
{
    return redis_int("EVAL %s 0 %s %s",
        "local t = redis.call('TIME') "
        "local s = redis.call('ZSCORE', '" W ":due:' .. ARGV[1], ARGV[2]) "
        "return s and math.max(0, math.floor((tonumber(s) - tonumber(t[1]) "
        "- tonumber(t[2]) / 1000000) * 1000)) or -1", kind, tenant);
}


static void
overdue(void **state, const char *kind, const char *tenant)
{
    redis_int("ZADD " W ":due:%s 1 %s", kind, tenant);
}


static void
test_lease(void **state)
{
    assert_int_equal(take(state, "one", 4), 0);
    assert_int_equal(look.next, -1);

    kick(state, "a t1");
    kick(state, "b t1");

    assert_int_equal(take(state, "one", 1), 1);
    assert_true(mdm_str_is(&look.taken[0], "a t1"));
    assert_in_range(due(state, "a", "t1"), 14000, 15000);

    /* one has it, the other kind is left; its lease is its own */

    assert_int_equal(take(state, "two", 4), 1);
    assert_true(mdm_str_is(&look.taken[0], "b t1"));
    assert_in_range(due(state, "b", "t1"), 39000, 40000);
    assert_in_range(look.next, 13000, 15000);
    assert_int_equal(take(state, "two", 4), 0);

    /* renewed by who has it only */

    redis_int("ZINCRBY " W ":due:a -10 t1");

    begin("two", 0);
    held[0].work = keep("a t1");
    held[0].lease = 15;
    look.nheld = 1;
    assert_int_equal(run(state), 200);
    assert_int_equal(look.lost[0], 1);
    assert_in_range(due(state, "a", "t1"), 3000, 5000);

    begin("one", 0);
    held[0].work = keep("a t1");
    held[0].lease = 15;
    look.nheld = 1;
    assert_int_equal(run(state), 200);
    assert_int_equal(look.lost[0], 0);
    assert_in_range(due(state, "a", "t1"), 14000, 15000);

    /* a crash costs a lease; who was silent has lost it, and ends nothing */

    overdue(state, "a", "t1");
    assert_int_equal(take(state, "two", 4), 1);

    end(state, "one", "a t1", -1);
    assert_in_range(due(state, "a", "t1"), 14000, 15000);

    end(state, "two", "a t1", -1);
    assert_int_equal(due(state, "a", "t1"), -1);

    /* told once more, as the reply was lost */

    end(state, "two", "a t1", -1);
    end(state, "two", "b t1", 100);
    assert_in_range(due(state, "b", "t1"), 99000, 100000);

    end(state, "two", "b t1", -1);
    assert_in_range(due(state, "b", "t1"), 99000, 100000);

    /* nothing is left of what ended */

    overdue(state, "b", "t1");
    assert_int_equal(take(state, "two", 4), 1);
    end(state, "two", "b t1", -1);
    assert_int_equal(redis_int("EXISTS " W ":due:a " W ":due:b " W ":state"),
                     0);
}


static void
test_kick(void **state)
{
    /* while it is under way: once more, at once */

    kick(state, "a t1");
    assert_int_equal(take(state, "one", 4), 1);
    kick(state, "a t1");
    assert_int_equal(take(state, "two", 4), 0);

    begin("one", 4);
    done[0].work = keep("a t1");
    done[0].again = -1;
    look.ndone = 1;
    assert_int_equal(run(state), 200);
    assert_int_equal(look.ntaken, 1);

    end(state, "one", "a t1", -1);
    assert_int_equal(due(state, "a", "t1"), -1);

    /* a change was announced, and is looked for a minute later, too */

    x->tenant = keep("t1");
    x->ctx = NULL;
    assert_int_equal(mdm_exchange_calls(x, 1, 1), MDM_CALL);
    assert_int_equal(mdm_job_kick_call(x, 0, "a", MDM_JOB_ANNOUNCE), MDM_OK);
    assert_int_equal(mdm_unit_redis_eval(*state, x->arena, &x->calls[0]),
                     MDM_CALL_OK);
    assert_in_range(due(state, "a", "t1"), 59000, 60000);

    kick(state, "a t1");
    assert_int_equal(take(state, "one", 4), 1);
    end(state, "one", "a t1", -1);
    assert_in_range(due(state, "a", "t1"), 55000, 60000);

    /* of some kinds more often, but not when there is more to do anyway */

    kick(state, "a t1");
    assert_int_equal(take(state, "one", 4), 1);
    begin("one", 0);
    done[0].work = keep("a t1");
    done[0].again = 21600000;
    done[0].often = 5;
    look.ndone = 1;
    assert_int_equal(run(state), 200);
    assert_in_range(due(state, "a", "t1"), 4000, 5000);

    kick(state, "a t1");
    assert_int_equal(take(state, "one", 4), 1);
    begin("one", 0);
    done[0].work = keep("a t1");
    done[0].again = 1500;
    done[0].often = 5;
    look.ndone = 1;
    assert_int_equal(run(state), 200);
    assert_in_range(due(state, "a", "t1"), 1000, 1500);
    done[0].often = 0;

    redis_int("HSET " W ":state %s 1", "n a t1");
    overdue(state, "a", "t1");
    assert_int_equal(take(state, "one", 4), 1);
    end(state, "one", "a t1", -1);
    assert_int_equal(redis_int("EXISTS " W ":due:a " W ":due:b " W ":state"),
                     0);

    /* a change that must be made by a time when the job runs: it may have been
       made behind the job's look */

    kick(state, "a t1");
    assert_int_equal(take(state, "one", 4), 1);
    redis_int("EVAL %s 1 " W ":state",
              "local since = redis.call('HGET', KEYS[1], 'h a t1') "
              "return redis.call('HSET', KEYS[1], 'n a t1', "
              "string.match(since, '^%S+'))");
    end(state, "one", "a t1", 21600);
    assert_int_equal(due(state, "a", "t1"), 0);
    assert_int_equal(take(state, "one", 4), 1);
    end(state, "one", "a t1", -1);
    assert_int_equal(redis_int("EXISTS " W ":due:a " W ":state"), 0);

    /* of a kind that others know: left to them */

    kick(state, "c t1");
    assert_int_equal(take(state, "one", 4), 0);
}


/* a clock that was far ahead costs nothing for long */

static void
test_clock(void **state)
{
    kick(state, "a t1");
    assert_int_equal(take(state, "one", 4), 1);
    redis_int("ZINCRBY " W ":due:a %d t1", AHEAD);

    assert_int_equal(take(state, "two", 4), 1);
    end(state, "two", "a t1", -1);
    assert_int_equal(due(state, "a", "t1"), -1);

    redis_int("ZADD " W ":due:a 9999999999 t1");
    kick(state, "a t1");
    assert_int_equal(due(state, "a", "t1"), 0);

    redis_int("HSET " W ":state %s 9999999999", "n a t1");
    assert_int_equal(take(state, "one", 4), 1);
    end(state, "one", "a t1", -1);
    assert_in_range(due(state, "a", "t1"), 1, 600000);
}


/*
 * A thousand tenants, of whom the first ones are kicked all the time, and two
 * workers with a few slots: everybody has a turn, in the order of the kicks.
 */

static void
test_starved(void **state)
{
    int         i, k, turns, seen[1000];
    char        work[32], *runner;
    mdm_uint_t  n;

    for (i = 0; i < 1000; i++) {
        (void) snprintf(work, sizeof(work), "a t%d", i);
        kick(state, work);
        seen[i] = 0;
    }

    turns = 0;

    for (k = 0; k < 400; k++) {
        runner = (k & 1) ? "one" : "two";
        n = take(state, runner, 5);

        for (i = 0; i < (int) n; i++) {
            (void) snprintf(work, sizeof(work), "%.*s",
                            mdm_fmt(&look.taken[i]));
            (void) snprintf(text[MOST + i], sizeof(text[0]), "%s",
                            work);
            seen[atoi(work + 3)]++;
        }

        for (i = 0; i < (int) n; i++) {
            end(state, runner, text[MOST + i], -1);
        }

        /* those in front never have enough */

        for (i = 0; i < 4; i++) {
            (void) snprintf(work, sizeof(work), "a t%d", i);
            kick(state, work);
        }

        turns += (int) n;
    }

    assert_in_range(turns, 1000, 2000);

    for (i = 0; i < 1000; i++) {
        assert_true(seen[i] > 0);
    }
}


/*
 * What a worker has no room for hides nothing: neither a kind whose slots are
 * taken, nor one that no release knows any more, however many tenants are due.
 */

static void
test_hidden(void **state)
{
    int   i;
    char  work[32];

    for (i = 0; i < 300; i++) {
        (void) snprintf(work, sizeof(work), "a t%d", i);
        kick(state, work);
        (void) snprintf(work, sizeof(work), "gone t%d", i);
        kick(state, work);
    }

    kick(state, "b t1");
    kick(state, "b t2");

    begin("one", 4);
    wants[0].most = 0;
    assert_int_equal(run(state), 200);
    assert_int_equal(look.ntaken, 2);
    assert_true(mdm_str_is(&look.taken[0], "b t1"));
    assert_true(mdm_str_is(&look.taken[1], "b t2"));

    /* nothing else is its to do: it need not look again at once */

    assert_in_range(look.next, 30000, 40000);

    /* one that has room for both begins with what is due for longer */

    overdue(state, "b", "t1");
    begin("two", 3);
    wants[0].most = 2;
    assert_int_equal(run(state), 200);
    assert_int_equal(look.ntaken, 3);
    assert_true(mdm_str_is(&look.taken[0], "b t1"));
    assert_true(mdm_str_is(&look.taken[1], "a t0"));
    assert_true(mdm_str_is(&look.taken[2], "a t1"));
    assert_in_range(look.next, 25000, 40000);

    /* the same when a kind has less room than there is in all */

    begin("two", 4);
    wants[0].most = 1;
    assert_int_equal(run(state), 200);
    assert_int_equal(look.ntaken, 1);
    assert_true(mdm_str_is(&look.taken[0], "a t2"));
}


static void
test_parse(void **state)
{
    mdm_str_t              work, tenant;
    mdm_uint_t             kind;
    const mdm_job_kind_t  *kinds[2] = { &kind_a, &kind_b };

    (void) state;

    mdm_str_set(&work, "b some.tenant");
    assert_int_equal(mdm_job_parse(&work, kinds, 2, &kind, &tenant), MDM_OK);
    assert_int_equal(kind, 1);
    assert_true(mdm_str_is(&tenant, "some.tenant"));

    mdm_str_set(&work, "c some.tenant");
    assert_int_equal(mdm_job_parse(&work, kinds, 2, &kind, &tenant),
                     MDM_DECLINED);
    mdm_str_set(&work, "a ");
    assert_int_equal(mdm_job_parse(&work, kinds, 2, &kind, &tenant),
                     MDM_DECLINED);
    mdm_str_set(&work, "a t{x}");
    assert_int_equal(mdm_job_parse(&work, kinds, 2, &kind, &tenant),
                     MDM_DECLINED);
    mdm_str_set(&work, "a");
    assert_int_equal(mdm_job_parse(&work, kinds, 2, &kind, &tenant),
                     MDM_DECLINED);
    mdm_str_set(&work, "");
    assert_int_equal(mdm_job_parse(&work, kinds, 2, &kind, &tenant),
                     MDM_DECLINED);
}


/* the rows of all folders */

static void
test_kinds(void **state)
{
    mdm_uint_t             i, k, n;
    const mdm_job_kind_t  *kinds[MDM_ENDPOINT_JOBS];

    (void) state;

    n = mdm_endpoint_job_kinds(kinds);
    assert_in_range(n, 1, MDM_ENDPOINT_JOBS - 1);

    for (i = 0; i < n; i++) {
        assert_in_range(kinds[i]->name.len, 1, MDM_JOB_NAME_MAX);
        assert_null(memchr(kinds[i]->name.data, ' ', kinds[i]->name.len));
        assert_in_range(kinds[i]->lease, 2 * MDM_JOB_RENEW, 600);
        assert_non_null(kinds[i]->step);

        for (k = 0; k < i; k++) {
            assert_false(mdm_str_eq(&kinds[i]->name, &kinds[k]->name));
        }
    }
}


static int
clean(void **state)
{
    mdm_unit_redis_clean(*state);

    return 0;
}


static int
teardown(void **state)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    return mdm_unit_redis_teardown(state);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_lease, clean),
        cmocka_unit_test_setup(test_kick, clean),
        cmocka_unit_test_setup(test_clock, clean),
        cmocka_unit_test_setup(test_starved, clean),
        cmocka_unit_test_setup(test_hidden, clean),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_kinds)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
