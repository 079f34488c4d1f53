
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What declarations refer to, through a real redis-server: other declarations
 * and variables.
 */


#include "ddm_redis.h"


/* a warning, and no other; strict refuses it and keeps nothing */

static void
warns(const char *body, const char *text)
{
    char  answer[512];

    settings.validate = MDM_VALIDATE_STRICT;
    fails(400, MDM_PUT, "/v1/declarations", body, text);
    settings.validate = MDM_VALIDATE_WARN;

    assert_int_equal(run(MDM_PUT, "/v1/declarations?warnings=1", body), 200);
    assert_true(json_is_true(mdm_unit_api_at(mdm_unit_api_json(x),
                                             "changed")));

    /* also where nothing changes */

    assert_int_equal(run(MDM_PUT, "/v1/declarations?warnings=1", body), 200);
    assert_true(json_is_false(mdm_unit_api_at(mdm_unit_api_json(x),
                                              "changed")));

    assert_int_equal(json_array_size(mdm_unit_api_at(mdm_unit_api_json(x),
                                                     "warnings")), 1);
    (void) snprintf(answer, sizeof(answer), "%s",
                    mdm_unit_api_text(x, "warnings/0"));
    assert_string_equal(answer, text);
}


static void
assign(const char *uri, const char *body)
{
    mdm_arena_destroy(x->arena);

    x = mdm_unit_api_request(&settings, MDM_PUT, uri, NULL, body,
                             strlen(body));
    mdm_unit_redis_run(redis, x);

    assert_int_equal(x->status, 204);
}


static void
test_references(void **state)
{
    (void) state;

    warns(ACTIVATION("act", "c/1"), "Payload.StandardConfigurations[0]: there "
          "is no declaration \"c/1\"");

    /* it is there nevertheless, and so what it refers to is in its care */

    assert_int_equal(put(ACTIVATION("act", "c/1")), 304);
    assert_int_equal(run(MDM_DELETE, "/v1/declarations/act", ""), 204);

    assert_int_equal(put(BODY("c/1", "asset.useridentity", "{}")), 204);

    warns(ACTIVATION("act", "c/1"), "Payload.StandardConfigurations[0]: a "
          "configuration expected, \"c/1\" is of type "
          "com.apple.asset.useridentity");
    warns(ACTIVATION("act", "act"), "Payload.StandardConfigurations[0]: a "
          "configuration expected, \"act\" is of type "
          "com.apple.activation.simple");

    assert_int_equal(run(MDM_DELETE, "/v1/declarations/act", ""), 204);
    assert_int_equal(run(MDM_DELETE, "/v1/declarations/c%2F1", ""), 204);
    assert_int_equal(put(TEST("c/1", "x")), 204);
    assert_int_equal(put(ACTIVATION("act", "c/1")), 204);

    fails(409, MDM_DELETE, "/v1/declarations/c%2F1", "",
          "the declaration \"act\" refers to it");

    /* it lets go of one and takes another */

    assert_int_equal(put(TEST("c2", "x")), 204);
    assert_int_equal(put(ACTIVATION("act", "c2")), 204);
    assert_int_equal(run(MDM_DELETE, "/v1/declarations/c%2F1", ""), 204);
    fails(409, MDM_DELETE, "/v1/declarations/c2", "",
          "the declaration \"act\" refers to it");

    assert_int_equal(run(MDM_DELETE, "/v1/declarations/act", ""), 204);
    assert_int_equal(run(MDM_DELETE, "/v1/declarations/c2", ""), 204);

    assert_int_equal(run(MDM_PUT, "/v1/declarations?validate=0",
                         ACTIVATION("act", "gone")), 204);

    /* nothing is left of them */

    assert_int_equal(run(MDM_DELETE, "/v1/declarations/act", ""), 204);
    assert_int_equal(mdm_unit_redis_int(redis, "EVAL %s 0", "return #redis."
                                        "call('KEYS', '" D ":d:*') + #redis."
                                        "call('KEYS', '" D ":by:*')"), 0);
}


/* the facts say which assets a key may name */

static void
test_assets(void **state)
{
    (void) state;

    assert_int_equal(put(BODY("pw", "asset.credential.userpassword",
                              "{\"Reference\":{\"ContentType\":\"application/"
                              "json\",\"DataURL\":\"https://a/b\"}}")), 204);
    assert_int_equal(put(BODY("user", "asset.useridentity", "{}")), 204);

    warns(BODY("cal", "configuration.account.caldav",
               "{\"HostName\":\"h\","
               "\"AuthenticationCredentialsAssetReference\":\"user\"}"),
          "Payload.AuthenticationCredentialsAssetReference: "
          "com.apple.asset.credential.userpassword expected, \"user\" is of "
          "type com.apple.asset.useridentity");

    warns(BODY("id", "configuration.security.identity",
               "{\"CredentialAssetReference\":\"pw\"}"),
          "Payload.CredentialAssetReference: "
          "com.apple.asset.credential.identity/com.apple.asset.credential.scep"
          "/com.apple.asset.credential.acme expected, \"pw\" is of type "
          "com.apple.asset.credential.userpassword");

    warns(BODY("cert", "configuration.watch.enrollment",
               "{\"EnrollmentProfileURL\":\"https://a\","
               "\"AnchorCertificateAssetReferences\":[\"user\"]}"),
          "Payload.AnchorCertificateAssetReferences[0]: "
          "com.apple.asset.credential.certificate expected, \"user\" is of "
          "type com.apple.asset.useridentity");

    /* one of which nothing is known */

    warns(BODY("legacy", "configuration.legacy",
               "{\"ProfileAssetReference\":\"id\"}"),
          "Payload.ProfileAssetReference: an asset expected, \"id\" is of "
          "type com.apple.configuration.security.identity");

    settings.validate = MDM_VALIDATE_STRICT;

    assert_int_equal(put(BODY("cal", "configuration.account.caldav",
                              "{\"HostName\":\"h\",\"Authentication"
                              "CredentialsAssetReference\":\"pw\"}")), 204);
    settings.validate = MDM_VALIDATE_WARN;
}


static void
test_unknown_variables(void **state)
{
    (void) state;

    assert_int_equal(put(TEST("a", "${serial} ${os} ${enrollment_id}")), 204);
    assert_null(x->log);

    warns(TEST("a", "${serial} ${site}"),
          "Payload.Echo: no enrollment has a variable \"site\"");

    assign("/v1/enrollment-variables/E-1?variable=site&value=north", "");

    settings.validate = MDM_VALIDATE_STRICT;
    assert_int_equal(put(TEST("b", "${serial} ${site}")), 204);

    assign("/v1/enrollment-variables/E-1", "{\"a.b\":\"1\",\"c\":\"2\"}");
    assert_int_equal(put(TEST("c", "${c} ${a.b}")), 204);
    settings.validate = MDM_VALIDATE_WARN;

    assert_int_equal(run(MDM_PUT, "/v1/declarations?validate=0",
                         TEST("a", "${none}")), 204);
    assert_null(x->log);
}


#define test(name)                                                            \
    cmocka_unit_test_setup_teardown(name, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        test(test_references),
        test(test_assets),
        test(test_unknown_variables)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  mdm_unit_redis_teardown);
}
