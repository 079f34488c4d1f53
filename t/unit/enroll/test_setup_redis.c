
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Setups with a real redis-server: the way out of Setup Assistant, whatever
 * becomes of its command, and the job that sees to what is late.
 */


#include "admin.h"

#include "mdm_secret.h"
#include "mdm_setup.h"


#define T     "mdm:{default/0}"
#define W     T ":w:" UDID


#define PROFILES                                                              \
    "{\"steps\":[{\"command\":{\"RequestType\":\"ProfileList\"}}]}"


static mdm_secret_keys_t  keys, others;

static const char        *faulty;      /* the script whose calls fail, */
static mdm_unit_fault_e   fault_kind;  /* and how */
static mdm_uint_t         lists;       /* how often setups were read, then */


static mdm_uint_t
put(void **state, const char *name, const char *setup)
{
    char  path[64];

    (void) snprintf(path, sizeof(path), "/v1/setups/%s", name);

    return api(state, MDM_PUT, path, "", setup);
}


static mdm_unit_fault_e
fault(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    lists += mdm_str_is(&call->script->name, "setup_list");

    return mdm_str_is(&call->script->name, faulty) ? fault_kind
                                                   : MDM_UNIT_FAULT_NONE;
}


static void
fails(void **state, mdm_unit_fault_e kind, const char *script)
{
    faulty = script;
    fault_kind = kind;
    ((mdm_unit_redis_t *) *state)->fault = script ? fault : NULL;
}


/* it enrolls, and waits in Setup Assistant */

#define waits_as(state, cert, id)                                             \
    (authenticate(state, cert, id_is(id)) == 200                              \
     && checkin(state, cert, "TokenUpdate", id_is(id),                        \
                TOKEN "<key>AwaitingConfiguration</key><true/>") == 200)

#define waits(state)  assert_true(waits_as(state, CERT_A, UDID))


static void
job_begin(void)
{
    mdm_arena_destroy(x->arena);
    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_JOB;
    x->now = 1700000000;
    x->step = mdm_setup_jobs[0].step;
    mdm_str_set(&x->tenant, "default");
}


/* a run of the job */

static mdm_uint_t
job(void **state)
{
    job_begin();
    mdm_unit_redis_run(*state, x);

    return x->status;
}


/* somebody must look at all that waits; over: 1: its time is over, too */

static void
all_due(void **state, int over)
{
    (void) redis_int("EVAL %s 0 %d", "for _, id in ipairs(redis.call("
                     "'ZRANGE', '" T ":wait', 0, -1)) do "
                     "redis.call('ZADD', '" T ":wait', 0, id) "
                     "if ARGV[1] == '1' and redis.call('HEXISTS', '" T ":w:' "
                     ".. id, 'until') == 1 then redis.call('HSET', '" T ":w:' "
                     ".. id, 'until', 0) end end return 0", over);
}


/* with all that waits being due */

static mdm_uint_t
due(void **state)
{
    all_due(state, 1);

    return job(state);
}


/* one that ends in its midst, right behind this script */

static void
dies(void **state, const char *script)
{
    mdm_uint_t  i, last;

    all_due(state, 0);
    job_begin();

    last = 0;

    while (!last) {
        assert_int_equal(mdm_exchange_run(x), MDM_CALL);

        for (i = 0; i < x->ncalls; i++) {
            last |= mdm_str_is(&x->calls[i].script->name, script);
            (void) mdm_unit_redis_eval(*state, x->arena, &x->calls[i]);
        }
    }
}


/* the RequestType of the first command in its queue, "" without one */

static const char *
head(void **state)
{
    const char  *uuid;

    uuid = redis_str("HGET " E " q");

    return (*uuid == '\0') ? "" : redis_str("HGET " T ":c:%s type", uuid);
}


static long long
events(void **state, const char *name)
{
    return redis_int("EVAL %s 1 " T ":events %s",
        "local n = 0;"
        "for _, e in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do "
        "if e[2][2] == ARGV[1] then n = n + 1 end end return n", name);
}


static long long
commands(void **state)
{
    return redis_int("EVAL %s 0", "return #redis.call('KEYS', '" T ":c:*')");
}


/* it answers what is first in its queue */

static void
answers(void **state, const char *status)
{
    char  uuid[64];

    (void) snprintf(uuid, sizeof(uuid), "%s", redis_str("HGET " E " q"));
    assert_int_equal(report(state, CERT_A, id_is(UDID), status, uuid), 200);
}


/* an administrator takes the way out away: it is queued again */

static void
test_cleared(void **state)
{
    char        path[128];
    mdm_uint_t  i, held;

    for (held = 0; held < 2; held++) {
        mdm_unit_redis_clean(*state);

        assert_int_equal(put(state, "a", held
                             ? "{\"hold\":\"acknowledged\",\"steps\":["
                               "{\"command\":{\"RequestType\":"
                               "\"ProfileList\"}}]}" : "{}"), 204);
        waits(state);
        assert_string_equal(head(state), held ? "ProfileList"
                                              : "DeviceConfigured");

        if (held) {
            answers(state, "Acknowledged");
        }

        for (i = 0; i < 4; i++) {
            assert_string_equal(head(state), "DeviceConfigured");
            assert_int_equal(events(state, "mdm.Released"), 1);

            if (i & 1) {
                (void) snprintf(path, sizeof(path), "/v1/queue/" UDID "/%s",
                                redis_str("HGET " E " q"));
                assert_int_equal(api(state, MDM_DELETE, path, "", ""), 204);

            } else {
                assert_int_equal(api(state, MDM_DELETE, "/v1/queue/" UDID, "",
                                     ""), 204);
            }

            assert_string_equal(head(state), "");
            assert_int_equal(due(state), 200);
        }

        /* not once more, where it is still queued */

        assert_int_equal(due(state), 200);
        assert_true(enqueue(state, UDID, "c1"));
        assert_int_equal(due(state), 200);
        assert_int_equal(redis_int("LLEN " T ":q:" UDID), 1);

        answers(state, "Acknowledged");
        assert_int_equal(redis_int("EXISTS " W), 0);
        assert_int_equal(redis_int("EXISTS " T ":wait"), 0);
        assert_int_equal(commands(state), 1);
    }
}


/* it looks again soon, however far away the next time is */

static void
test_polls(void **state)
{
    assert_int_equal(put(state, "a", "{\"timeout\":\"1d\"}"), 204);
    waits(state);
    assert_int_equal(job(state), 200);
    assert_int_equal(x->again, 0);

    assert_int_equal(put(state, "a", "{\"timeout\":\"20s\"}"), 204);
    waits(state);
    assert_int_equal(job(state), 200);
    assert_in_range(x->again, 10000, 20100);
}


/* a setup with a set, which has a declaration */

static void
with_set(void **state)
{
    assert_int_equal(put(state, "a", "{\"set\":\"office\"}"), 204);
    assert_int_equal(api(state, MDM_PUT, "/v1/declarations", "nonotify=1",
                         "{\"Identifier\":\"x\",\"Type\":"
                         "\"com.apple.configuration.management.test\","
                         "\"Payload\":{\"Echo\":\"x\"}}"), 204);
    assert_int_equal(api(state, MDM_PUT, "/v1/set-declarations/office",
                         "declaration=x&nonotify=1", ""), 204);
}


/* a script that fails is not a Redis that is away */

static void
test_script(void **state)
{
    fails(state, MDM_UNIT_FAULT_BEFORE, "setup_due");
    assert_int_equal(job(state), 503);
    fails(state, MDM_UNIT_FAULT_SCRIPT, "setup_due");
    assert_int_equal(job(state), 500);
    assert_true(mdm_str_is(&x->error, "the script \"setup_due\" failed"));
    fails(state, MDM_UNIT_FAULT_NONE, NULL);
    assert_int_equal(job(state), 200);
}


/* the reply of setup_start is lost: it has its set, and declarations */

static void
test_lost(void **state)
{
    mdm_uint_t  i;

    for (i = 0; i < 2; i++) {
        mdm_unit_redis_clean(*state);
        with_set(state);

        if (i) {
            fails(state, MDM_UNIT_FAULT_BEFORE, "setup_start");
            waits(state);
            assert_string_equal(redis_str("HGET " W " state"), "owed");
        }

        fails(state, MDM_UNIT_FAULT_AFTER, "setup_start");

        if (i) {
            assert_int_equal(due(state), 503);

        } else {
            waits(state);
        }

        fails(state, MDM_UNIT_FAULT_NONE, NULL);

        assert_string_equal(head(state), "DeviceConfigured");
        assert_int_equal(redis_int("HEXISTS " T ":d:" UDID " s:office"), 1);
        assert_int_equal(redis_int("HEXISTS " E " dt"), 1);
        assert_int_equal(redis_int("HEXISTS " E " dc"), 1);
    }
}


/*
 * A job ends behind setup_start, before the declarations of what was given are
 * made: another one makes them, and lets nobody out before its time.
 */

static void
test_dies(void **state)
{
    mdm_uint_t  i;

    for (i = 0; i < 3; i++) {
        mdm_unit_redis_clean(*state);
        with_set(state);

        fails(state, MDM_UNIT_FAULT_BEFORE, "setup_start");

        if (i == 0) {
            enroll(state, CERT_A);

        } else {
            waits(state);
        }

        fails(state, MDM_UNIT_FAULT_NONE, NULL);
        dies(state, "setup_start");
        assert_int_equal(redis_int("HEXISTS " T ":d:" UDID " s:office"), 1);
        assert_int_equal(redis_int("HEXISTS " E " dt"), 0);

        if (i == 2) {

            /* it has come out meanwhile */

            assert_string_equal(head(state), "DeviceConfigured");
            answers(state, "Acknowledged");
            assert_int_equal(redis_int("HEXISTS " E " dt"), 0);
        }

        /* the next one is not there either when it ends */

        dies(state, "setup_due");
        all_due(state, 0);
        assert_int_equal(job(state), 202);

        assert_int_equal(redis_int("HEXISTS " E " dt"), 1);
        assert_int_equal(redis_int("HEXISTS " E " dc"), 1);
        assert_int_equal(redis_int("EXISTS " W), i == 1);
        assert_int_equal(redis_int("EXISTS " T ":wait"), i == 1);

        if (i == 1) {
            assert_string_equal(head(state), "DeviceConfigured");
            assert_true(redis_int("ZSCORE " T ":wait " UDID)
                        > redis_int("EVAL %s 0", "return redis.call('TIME')[1]"
                                    " + 800"));
            answers(state, "Acknowledged");
            assert_int_equal(redis_int("EXISTS " W), 0);
        }

        assert_string_equal(head(state), "DeclarativeManagement");
        assert_int_equal(job(state), 200);
    }
}


/* Redis evicts the way out: another one is made, as often as it has to be */

static void
test_evicted(void **state)
{
    char        last[64];
    mdm_uint_t  i, held;

    for (held = 0; held < 2; held++) {
        mdm_unit_redis_clean(*state);

        assert_int_equal(put(state, "a", held
                             ? "{\"hold\":\"acknowledged\",\"steps\":["
                               "{\"command\":{\"RequestType\":"
                               "\"ProfileList\"}}]}" : "{}"), 204);
        waits(state);

        if (held) {
            assert_int_equal(redis_int("UNLINK " T ":c:%s",
                                       redis_str("HGET " W " done")), 1);
            assert_string_equal(head(state), "ProfileList");
            answers(state, "Acknowledged");
            assert_string_equal(redis_str("HGET " W " state"), "lost");
            assert_int_equal(due(state), 202);
        }

        for (i = 0; i < 3; i++) {
            assert_string_equal(head(state), "DeviceConfigured");
            (void) snprintf(last, sizeof(last), "%s",
                            redis_str("HGET " E " q"));

            assert_int_equal(redis_int("UNLINK " T ":c:%s", last), 1);
            assert_int_equal(idle(state, CERT_A, id_is(UDID)), 200);
            assert_int_equal(x->response.len, 0);
            assert_string_equal(x->kick, MDM_SETUP_JOB);
            assert_string_equal(head(state), "");
            assert_int_equal(events(state, "mdm.CommandLost"), i + 1);

            assert_int_equal(due(state), 202);
            assert_string_not_equal(last, redis_str("HGET " E " q"));
        }

        assert_int_equal(events(state, "mdm.Released"), 1);
        assert_int_equal(idle(state, CERT_A, id_is(UDID)), 200);
        assert_true(x->response.len != 0);
        answers(state, "Acknowledged");
        assert_int_equal(redis_int("EXISTS " W), 0);
        assert_int_equal(redis_int("EXISTS " T ":wait"), 0);
        assert_int_equal(commands(state), 0);

        /* before its time is over, and once it has come out by itself */

        waits(state);

        if (held) {
            answers(state, "Acknowledged");
        }

        assert_int_equal(redis_int("UNLINK " T ":c:%s",
                                   redis_str("HGET " E " q")), 1);
        assert_int_equal(due(state), 200);
        assert_int_equal(job(state), 202);
        assert_string_equal(head(state), "DeviceConfigured");
        assert_int_equal(redis_int("LLEN " T ":q:" UDID), 0);
        assert_int_equal(redis_int("UNLINK " T ":c:%s",
                                   redis_str("HGET " E " q")), 1);
        assert_int_equal(idle(state, CERT_A, id_is(UDID)), 200);
        assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
        assert_int_equal(redis_int("EXISTS " W), 0);
        assert_int_equal(commands(state), 0);
    }
}


/* under a key that is gone: who waits in Setup Assistant is let out */

static void
test_sealed(void **state)
{
    store_settings.secrets = &keys;
    assert_int_equal(put(state, "a", "{\"steps\":[{\"command\":"
                         "{\"RequestType\":\"UserList\"}}]}"), 204);

    store_settings.secrets = &others;
    assert_int_equal(put(state, "b", "{\"steps\":[{\"command\":"
                         "{\"RequestType\":\"ProfileList\"}}]}"), 204);

    waits(state);
    assert_non_null(x->log);
    assert_string_equal(head(state), "ProfileList");
    answers(state, "Acknowledged");
    assert_string_equal(head(state), "DeviceConfigured");
    answers(state, "Acknowledged");
    assert_int_equal(redis_int("EXISTS " W), 0);

    /* there is no other */

    assert_int_equal(api(state, MDM_DELETE, "/v1/setups/b", "", ""), 204);
    waits(state);
    assert_int_equal(x->retry_after, 0);
    assert_string_equal(head(state), "DeviceConfigured");

    /* who does not wait there gets it once it can be opened */

    enroll(state, CERT_A);
    assert_string_equal(head(state), "");
    assert_string_equal(redis_str("HGET " W " state"), "owed");
    assert_int_equal(due(state), 503);
    store_settings.secrets = &keys;
    assert_int_equal(due(state), 202);
    assert_string_equal(head(state), "UserList");
    assert_int_equal(redis_int("EXISTS " W), 0);
}


/* what is of no use once it has come out goes */

static void
test_useless(void **state)
{
    assert_int_equal(put(state, "a", "{\"steps\":["
                         "{\"command\":{\"RequestType\":"
                         "\"AccountConfiguration\"}},"
                         "{\"command\":{\"RequestType\":"
                         "\"ProfileList\"}}]}"), 204);
    waits(state);
    assert_string_equal(head(state), "AccountConfiguration");
    answers(state, "NotNow");
    assert_int_equal(report(state, CERT_A, id_is(UDID), "Acknowledged",
                            redis_str("LINDEX " T ":q:" UDID " 1")), 200);

    assert_string_equal(head(state), "ProfileList");
    assert_int_equal(redis_int("LLEN " T ":q:" UDID), 0);
    assert_int_equal(commands(state), 1);
    assert_int_equal(redis_int("EXISTS " W), 0);
}


/* a few in each exchange, so that it keeps little */

static void
test_storm(void **state)
{
    char        udid[16], cert[65];
    mdm_uint_t  i, runs;

    assert_int_equal(put(state, "a", "{\"set\":\"office\"}"), 204);
    fails(state, MDM_UNIT_FAULT_BEFORE, "setup_start");

    for (i = 0; i < 25; i++) {
        (void) snprintf(udid, sizeof(udid), "D%d", (int) i);
        (void) snprintf(cert, sizeof(cert), "%064d", (int) i);

        assert_int_equal(sendf(state, MDM_KIND_CHECKIN, cert,
                               "<key>MessageType</key>"
                               "<string>Authenticate</string>"
                               "<key>UDID</key><string>%s</string>"
                               "<key>Topic</key><string>t</string>", udid),
                         200);
        assert_int_equal(sendf(state, MDM_KIND_CHECKIN, cert,
                               "<key>MessageType</key>"
                               "<string>TokenUpdate</string>"
                               "<key>UDID</key><string>%s</string>" TOKEN
                               "<key>AwaitingConfiguration</key><true/>",
                               udid),
                         200);
    }

    fails(state, MDM_UNIT_FAULT_NONE, NULL);
    assert_int_equal(due(state), 202);
    assert_in_range(events(state, "mdm.Released"), 1, 2);

    /* pushes are owed in any partition */

    assert_int_equal(x->owed, 1);
    assert_int_equal(x->owed_tag.len, 0);

    for (runs = 0; job(state) == 202; runs++) {
        assert_in_range(runs, 0, 30);
    }

    assert_int_equal(x->status, 200);
    assert_int_equal(events(state, "mdm.Released"), 25);
}


/* rounds of a TokenUpdate, and whether it has read all setups */

#define ROUNDS(n, reads)                                                      \
    lists = 0;                                                                \
    waits(state);                                                             \
    assert_int_equal(((mdm_unit_redis_t *) *state)->rounds, n);               \
    assert_int_equal(lists, reads)


/* a worker reads setups once, until they have changed */

static void
test_copy(void **state)
{
    fails(state, MDM_UNIT_FAULT_BEFORE, "none");

    worker_cache = mdm_cache_create(1024 * 1024);
    assert_non_null(worker_cache);

    ROUNDS(3, 1);
    assert_string_equal(head(state), "");
    ROUNDS(2, 0);
    assert_string_equal(head(state), "");

    /* that there are some now is seen at once */

    assert_int_equal(put(state, "b", PROFILES), 204);
    ROUNDS(3, 1);
    assert_string_equal(head(state), "ProfileList");
    ROUNDS(2, 0);
    assert_string_equal(head(state), "ProfileList");
    assert_int_equal(redis_int("LLEN " T ":q:" UDID), 1);

    assert_int_equal(put(state, "a", "{\"steps\":[{\"command\":"
                         "{\"RequestType\":\"UserList\"}}]}"), 204);
    ROUNDS(3, 1);
    assert_string_equal(head(state), "UserList");

    assert_int_equal(api(state, MDM_DELETE, "/v1/setups/a", "", ""), 204);
    ROUNDS(3, 1);
    assert_string_equal(head(state), "ProfileList");

    /* whoever changes one ends before it is told: for some seconds only */

    fails(state, MDM_UNIT_FAULT_BEFORE, "setup_changed");
    assert_int_equal(api(state, MDM_DELETE, "/v1/setups/b", "", ""), 204);
    ROUNDS(2, 0);
    assert_string_equal(head(state), "ProfileList");

    worker_now += MDM_SETUP_COPY - 1;
    ROUNDS(2, 0);
    worker_now++;
    ROUNDS(3, 1);
    assert_string_equal(head(state), "");

    /* a clock that is set back, and a revision that is not known */

    worker_now--;
    ROUNDS(3, 1);
    fails(state, MDM_UNIT_FAULT_BEFORE, "ddm_rev");
    lists = 0;
    assert_int_equal(waits_as(state, CERT_A, UDID), 1);
    assert_int_equal(lists, 1);

    fails(state, MDM_UNIT_FAULT_BEFORE, "none");
    ROUNDS(2, 0);
    mdm_cache_destroy(worker_cache);

    /* one that is too small for it keeps none */

    worker_cache = mdm_cache_create(1024);
    assert_int_equal(put(state, "b", PROFILES), 204);
    ROUNDS(3, 1);
    ROUNDS(3, 1);
    assert_string_equal(head(state), "ProfileList");
}


/* many of them are opened by a thread, from the copy too */

static void
test_copy_large(void **state)
{
    char         name[2] = "a";
    size_t       n;
    mdm_uint_t   i;

    static char  setup[60000];

    store_settings.secrets = &keys;
    worker_cache = mdm_cache_create(4 * 1024 * 1024);
    assert_non_null(worker_cache);

    n = (size_t) snprintf(setup, sizeof(setup), "{\"steps\":[{\"command\":"
                          "{\"RequestType\":\"UserList\",\"x\":\"");
    memset(setup + n, 'x', 50000);
    (void) snprintf(setup + n + 50000, 10, "\"}}]}");

    for (i = 0; i < 4; i++, name[0]++) {
        assert_int_equal(put(state, name, setup), 204);
    }

    fails(state, MDM_UNIT_FAULT_BEFORE, "none");

    ROUNDS(3, 1);
    assert_int_equal(((mdm_unit_redis_t *) *state)->threads, 1);
    assert_int_equal(redis_int("LLEN " T ":q:" UDID), 4);

    /* the round of a thread is none of Redis */

    ROUNDS(3, 0);
    assert_int_equal(((mdm_unit_redis_t *) *state)->threads, 1);
    assert_int_equal(redis_int("LLEN " T ":q:" UDID), 4);
    assert_string_equal(head(state), "UserList");
}


static int
fresh(void **state)
{
    fails(state, MDM_UNIT_FAULT_NONE, NULL);
    store_settings.secrets = NULL;
    worker_now = 1700000000;
    mdm_cache_destroy(worker_cache);
    worker_cache = NULL;

    return clean(state);
}


static int
start(void **state)
{
    static const u_char  raw[] = "a key of 32 bytes, more or less, and another";

    return mdm_secret_key_add(&keys, raw) != MDM_OK
           || mdm_secret_key_add(&others, raw + 8) != MDM_OK
           || mdm_unit_redis_setup(state);
}


static int
ended(void **state)
{
    mdm_secret_keys_clear(&keys);
    mdm_secret_keys_clear(&others);
    mdm_cache_destroy(worker_cache);

    return teardown(state);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_cleared, fresh),
        cmocka_unit_test_setup(test_polls, fresh),
        cmocka_unit_test_setup(test_script, fresh),
        cmocka_unit_test_setup(test_lost, fresh),
        cmocka_unit_test_setup(test_dies, fresh),
        cmocka_unit_test_setup(test_evicted, fresh),
        cmocka_unit_test_setup(test_sealed, fresh),
        cmocka_unit_test_setup(test_useless, fresh),
        cmocka_unit_test_setup(test_storm, fresh),
        cmocka_unit_test_setup(test_copy, fresh),
        cmocka_unit_test_setup(test_copy_large, fresh)
    };

    return cmocka_run_group_tests(tests, start, ended);
}
