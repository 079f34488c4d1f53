
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What TokenUpdate does for the declarations of a channel, through a real
 * redis-server.
 */


#include "device.h"


static mdm_unit_fault_e
no_rev(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return (call->script == &mdm_script_ddm_rev) ? MDM_UNIT_FAULT_BEFORE
                                                 : MDM_UNIT_FAULT_NONE;
}


static mdm_unit_fault_e
no_changes(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return (call->script == &mdm_script_ddm_changes) ? MDM_UNIT_FAULT_BEFORE
                                                     : MDM_UNIT_FAULT_NONE;
}


static mdm_unit_fault_e
no_channel(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) n;
    (void) data;

    return (call->script == &mdm_script_ddm_channel) ? MDM_UNIT_FAULT_BEFORE
                                                     : MDM_UNIT_FAULT_NONE;
}


/* the first channel of a partition: it has no sets yet, the tenant has */

static void
test_first_channel(void **state)
{
    mdm_unit_redis_t  *redis;

    redis = *state;

    /* a tenant without sets keeps nothing; has it setups? */

    enroll(state, CERT_A);
    assert_int_equal(redis->rounds, 3);
    assert_null(x->kick);
    assert_int_equal(redis_int("EXISTS mdm:{default/ddm}:job"), 0);
    assert_int_equal(redis_int("EXISTS mdm:{work}:due:rollout"), 0);

    /* it gets them before the device is answered */

    redis_int("HSET mdm:{default/ddm}:meta rev 7");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis->rounds, 5);
    assert_string_equal(x->kick, "rollout");
    assert_string_equal(redis_str("HGET mdm:{default/0}:ddm to"), "7");

    /* it has them now */

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis->rounds, 1);
    assert_null(x->kick);

    /*
     * The node of the sets is away: that is no reason to refuse a device.  But
     * what the copy lacks may be nothing that a rollout tells of, so one that
     * enrolls has to come again.
     */

    redis_int("HSET mdm:{default/ddm}:meta rev 8");
    redis->fault = no_rev;

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_string_equal(x->kick, "rollout");

    redis_int("HSET " E " enabled 0");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 503);
    assert_string_equal(x->kick, "rollout");

    redis->fault = NULL;

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_string_equal(redis_str("HGET mdm:{default/0}:ddm to"), "8");

    /* it goes away in between: then, or when the channel is to be told */

    redis_int("HSET mdm:{default/ddm}:meta rev 9");
    redis->fault = no_changes;

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_string_equal(x->kick, "rollout");

    redis_int("HSET " E " enabled 0");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 503);
    assert_string_equal(x->kick, "rollout");

    redis->fault = no_channel;
    redis_int("HSET " E " enabled 0");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 503);

    /* who has no copy yet tells all when the first one comes */

    redis_int("DEL mdm:{default/0}:ddm");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_string_equal(x->kick, "rollout");

    redis->fault = no_rev;
    redis_int("DEL mdm:{default/0}:ddm");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_string_equal(x->kick, "rollout");

    redis->fault = NULL;
}


/* a full queue must not keep a channel from its declarations */

static void
test_full_queue(void **state)
{
    int   i;
    char  uuid[16];

    enroll(state, CERT_A);

    for (i = 0; i < 20; i++) {
        (void) snprintf(uuid, sizeof(uuid), "u%d", i);
        assert_true(enqueue(state, UDID, uuid));
    }

    redis_int("HSET mdm:{default/0}:ddm rev 1 to 1");
    redis_int("HSET mdm:{default/0}:dd s %s #0 s", "0 1 1 0 1");
    redis_int("HSET mdm:{default/0}:ds d:s configuration/i");
    redis_int("HSET mdm:{default/0}:dk configuration/i "
              "0123456789012345678901234567890123456789");
    redis_int("HSET mdm:{default/0}:d:" UDID " s:s 1");

    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(redis_int("HEXISTS " E " dc"), 1);
    assert_int_equal(redis_int("LLEN mdm:{default/0}:q:" UDID), 20);

    /* it enrolls again, has none now, and may have kept the old ones */

    redis_int("DEL mdm:{default/0}:d:" UDID);

    enroll(state, CERT_A);
    assert_int_equal(redis_int("HEXISTS " E " dt"), 0);
    assert_int_equal(redis_int("HEXISTS " E " dc"), 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_first_channel, clean),
        cmocka_unit_test_setup(test_full_queue, clean)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
