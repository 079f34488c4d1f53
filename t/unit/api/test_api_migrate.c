
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * PUT /migration through a real redis-server.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api_redis.h"


static void
test_migrate(void **state)
{
    json_t  *data;

    (void) state;

    mdm_unit_store.partitions = 1;

    /* a user before its device */

    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("A", USER, "dXNlcg==")), 409);
    assert_int_equal(count("mdm:*"), 0);

    assert_int_equal(run(MDM_PUT, "/migration", AUTHENTICATE("A")), 200);
    assert_int_equal(x->response.len, 0);

    data = last_event("A", "api.Migrate", "A");
    assert_string_equal(json_string_value(json_object_get(data, "outcome")),
                        "created");
    json_decref(data);

    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:e:A enabled",
                                        tag("A")), 0);
    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:e:A migrated",
                                        tag("A")), 1);

    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("A", UNLOCK, "dG9rZW4=")), 200);
    assert_int_equal(tally("A"), 1);
    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:e:A enabled",
                                        tag("A")), 1);

    /* the very same once more is a retry, a new token is not */

    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("A", "", "dG9rZW4=")), 200);
    assert_int_equal(tally("A"), 1);
    assert_string_equal(mdm_unit_redis_str(redis, x->arena,
                                           "HGET %s:u:A unlock", tag("A")),
                        "secret");

    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("A", "", "bmV3")), 200);
    assert_int_equal(tally("A"), 2);

    /* a replay of the whole leaves pin and queue alone */

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:e:A cert abcd",
                                           tag("A")));
    assert_int_equal(enqueue("A", "U1"), 200);

    assert_int_equal(run(MDM_PUT, "/migration", AUTHENTICATE("A")), 200);
    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("A", "", "bmV3ZXI=")), 200);

    assert_string_equal(mdm_unit_redis_str(redis, x->arena,
                                           "HGET %s:e:A token", tag("A")),
                        "newer");
    assert_string_equal(mdm_unit_redis_str(redis, x->arena,
                                           "HGET %s:e:A cert", tag("A")),
                        "abcd");
    assert_string_equal(mdm_unit_redis_str(redis, x->arena,
                                           "HGET %s:e:A q", tag("A")), "U1");

    /* what the device has said here itself is newer than any replay */

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:e:A token own",
                                           tag("A")));

    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("A", UNLOCK, "b2xk")), 200);
    assert_non_null(x->log);
    assert_string_equal(mdm_unit_redis_str(redis, x->arena,
                                           "HGET %s:e:A token", tag("A")),
                        "own");
    assert_int_equal(tally("A"), 3);

    /* user channels */

    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("A", USER, "dXNlcg==")), 200);
    assert_int_equal(mdm_unit_redis_int(redis, "SISMEMBER %s:users:A A:U1",
                                        tag("A")), 1);
    assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS %s:e:A:U1 migrated",
                                        tag("A")), 0);

    /* a TokenUpdate alone makes a device too */

    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("B", "", "dG9rZW4=")), 200);
    assert_int_equal(tally("B"), 1);
    assert_int_equal(mdm_unit_redis_int(redis, "ZCARD %s:ids", tag("B")), 3);
}


#define BOOTSTRAP(token)                                                      \
    "<plist><dict><key>MessageType</key><string>SetBootstrapToken</string>"   \
    "<key>UDID</key><string>A</string><key>BootstrapToken</key><data>"        \
    token "</data></dict></plist>"


static void
bootstrap_is(const char *want)
{
    redisReply  *reply;

    reply = mdm_unit_redis_command(redis, "HGET %s:u:A bootstrap", tag("A"));
    assert_string_equal((reply->str != NULL) ? reply->str : "", want);
    freeReplyObject(reply);
}


static void
test_migration_bootstrap(void **state)
{
    json_t  *data;

    (void) state;

    assert_int_equal(run(MDM_PUT, "/migration", BOOTSTRAP("b25l")), 409);

    enroll("A");

    /* it can be found by its serial number */

    assert_int_equal(count("mdm:{default/serial:S-A}"), 1);

    assert_int_equal(run(MDM_PUT, "/migration", BOOTSTRAP("b25l")), 200);
    bootstrap_is("one");

    data = last_event("A", "api.Migrate", "A");
    assert_string_equal(json_string_value(json_object_get(data, "message")),
                        "SetBootstrapToken");
    json_decref(data);

    assert_int_equal(run(MDM_GET, "/v1/enrollments/A", ""), 200);
    assert_true(json_is_true(json_object_get(mdm_unit_api_json(x),
                                             "has_bootstrap_token")));

    /* once more, and a newer one of the old server */

    assert_int_equal(run(MDM_PUT, "/migration", BOOTSTRAP("b25l")), 200);
    assert_int_equal(run(MDM_PUT, "/migration", BOOTSTRAP("dHdv")), 200);
    bootstrap_is("two");

    /* the device has been here: it may be its own */

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:e:A cert abcd",
                                           tag("A")));
    assert_int_equal(run(MDM_PUT, "/migration", BOOTSTRAP("b25l")), 200);
    bootstrap_is("two");

    /* it was here before the old server's token came */

    freeReplyObject(mdm_unit_redis_command(redis, "HDEL %s:u:A bootstrap",
                                           tag("A")));
    assert_int_equal(run(MDM_PUT, "/migration", BOOTSTRAP("b25l")), 200);
    bootstrap_is("one");

    /* one that has enrolled here escrows another one */

    freeReplyObject(mdm_unit_redis_command(redis, "HDEL %s:e:A mtoken",
                                           tag("A")));
    freeReplyObject(mdm_unit_redis_command(redis, "HDEL %s:u:A bootstrap",
                                           tag("A")));
    assert_int_equal(run(MDM_PUT, "/migration", BOOTSTRAP("b25l")), 200);
    bootstrap_is("");

    assert_int_equal(run(MDM_PUT, "/migration", BOOTSTRAP("")), 400);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_migrate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_migration_bootstrap, setup,
                                        teardown)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  mdm_unit_redis_teardown);
}
