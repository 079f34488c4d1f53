
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What an enrollment says of its device stays true, with a real redis-server;
 * and how results are shown.
 */


#include "admin.h"

#include <stdlib.h>


#define T   "mdm:{default/0}"
#define EU  T ":e:" UDID ":U1"

#define OLD                                                                   \
    "<key>Topic</key><string>com.apple.mgmt.X</string>"                       \
    "<key>SerialNumber</key><string>C02ABC</string>"                          \
    "<key>OSVersion</key><string>18.1</string>"                               \
    "<key>BuildVersion</key><string>22B83</string>"                           \
    "<key>ProductName</key><string>iPhone14,5</string>"                       \
    "<key>ModelName</key><string>iPhone</string>"                             \
    "<key>DeviceName</key><string>old name</string>"

#define INFORMATION                                                           \
    "<key>QueryResponses</key><dict>"                                         \
    "<key>UDID</key><string>other</string>"                                   \
    "<key>SerialNumber</key><string>FORGED</string>"                          \
    "<key>IMEI</key><string>35</string>"                                      \
    "<key>OSVersion</key><string>26.1</string>"                               \
    "<key>BuildVersion</key><string>23B85</string>"                           \
    "<key>DeviceName</key><string>new &amp; name</string>"                    \
    "<key>Model</key><string>MLPF3LL</string>"                                \
    "<key>IsSupervised</key><true/></dict>"


static void
start(void **state)
{
    assert_int_equal(checkin(state, CERT_A, "Authenticate", id_is(UDID), OLD),
                     200);
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
}


static void
queue(void **state, const char *id, const char *uuid, const char *type)
{
    char  body[512], path[128];

    (void) snprintf(path, sizeof(path), "/v1/enqueue/%s", id);
    (void) snprintf(body, sizeof(body), "<plist version=\"1.0\"><dict>"
                    "<key>Command</key><dict><key>RequestType</key>"
                    "<string>%s</string></dict><key>CommandUUID</key>"
                    "<string>%s</string></dict></plist>", type, uuid);

    assert_int_equal(api(state, MDM_PUT, path, "validate=0", body), 200);
}


#define answer(state, id, status, uuid, more)                                 \
    assert_int_equal(sendf(state, MDM_KIND_CONNECT, CERT_A, id                \
                           "<key>Status</key><string>" status "</string>"     \
                           "<key>CommandUUID</key><string>" uuid "</string>"  \
                           more), 200)

#define field(name)  redis_str("HGET " E " " name)


static void
test_information(void **state)
{
    start(state);

    /* no answer to that command: nothing of it is believed */

    queue(state, UDID, "list", "ProfileList");
    answer(state, id_is(UDID), "Acknowledged", "list", INFORMATION);
    answer(state, id_is(UDID), "Acknowledged", "none", INFORMATION);
    queue(state, UDID, "i1", "DeviceInformation");
    answer(state, id_is(UDID), "Error", "i1", INFORMATION);
    queue(state, UDID, "s1", "SecurityInfo");
    answer(state, id_is(UDID), "Acknowledged", "s1", INFORMATION);

    assert_string_equal(field("os"), "18.1");
    assert_string_equal(field("supervised"), "");

    queue(state, UDID, "i2", "DeviceInformation");
    answer(state, id_is(UDID), "Acknowledged", "i2", INFORMATION);

    assert_string_equal(field("os"), "26.1");
    assert_string_equal(field("build"), "23B85");
    assert_string_equal(field("name"), "new & name");
    assert_string_equal(field("model"), "MLPF3LL");
    assert_string_equal(field("model_name"), "iPhone");
    assert_string_equal(field("product"), "iPhone14,5");
    assert_string_equal(field("supervised"), "1");
    assert_string_equal(field("serial"), "C02ABC");
    assert_string_equal(field("imei"), "");

    queue(state, UDID, "s2", "SecurityInfo");
    answer(state, id_is(UDID), "Acknowledged", "s2",
           "<key>SecurityInfo</key><dict><key>IsSupervised</key><false/>"
           "<key>OSVersion</key><string>1</string></dict>");
    assert_string_equal(field("supervised"), "0");
    assert_string_equal(field("os"), "26.1");

    /* a repetition of an old answer is none */

    answer(state, id_is(UDID), "Acknowledged", "i2", INFORMATION);
    assert_string_equal(field("supervised"), "0");

    assert_int_equal(api(state, MDM_GET, "/v1/enrollments/" UDID, "", ""),
                     200);
    assert_true(says("\"os_version\":\"26.1\""));
    assert_true(says("\"supervised\":false"));

    /* a new enrolment says it anew */

    start(state);
    assert_string_equal(field("os"), "18.1");
    assert_string_equal(field("supervised"), "");
}


/* base64 of {"StatusItems":{"device":{…}}} */

#define status(state, id, data)                                               \
    assert_int_equal(checkin(state, CERT_A, "DeclarativeManagement", id,      \
                     "<key>Endpoint</key><string>status</string>"             \
                     "<key>Data</key><data>" data "</data>"), 200)

/* version 26.2, build-version 23C1, serial-number FORGED, udid other */

#define STATUS                                                                \
    "eyJTdGF0dXNJdGVtcyI6eyJkZXZpY2UiOnsib3BlcmF0aW5nLXN5c3RlbSI6eyJ2ZX"      \
    "JzaW9uIjoiMjYuMiIsImJ1aWxkLXZlcnNpb24iOiIyM0MxIn0sIm1vZGVsIjp7Imlk"      \
    "ZW50aWZpZXIiOiJpUGhvbmUxNCw1IiwibWFya2V0aW5nLW5hbWUiOiJpUGhvbmUgMT"      \
    "MifSwiaWRlbnRpZmllciI6eyJzZXJpYWwtbnVtYmVyIjoiRk9SR0VEIiwidWRpZCI6"      \
    "Im90aGVyIn19fX0="


static void
test_status(void **state)
{
    start(state);

    status(state, id_is(UDID), STATUS);
    assert_string_equal(field("os"), "26.2");
    assert_string_equal(field("build"), "23C1");
    assert_string_equal(field("product"), "iPhone14,5");
    assert_string_equal(field("model_name"), "iPhone");
    assert_string_equal(field("serial"), "C02ABC");

    /* that of a user is of the device, too */

    start(state);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);
    status(state, user_is("U1"), STATUS);
    assert_string_equal(field("os"), "26.2");
    assert_string_equal(redis_str("HGET " EU " os"), "");
}


/* declarations that go by a fact are told of */

static void
test_declarations(void **state)
{
    start(state);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);

    redis_int("HSET " T ":ddm rev 1 to 1");
    redis_int("EVAL %s 0",
        "redis.call('HSET', '" T ":dd', 'all', '0 1 0 0 1', '#0', 'all') "
        "redis.call('HSET', '" T ":ds', 'd:all', 'configuration/conf') "
        "redis.call('HSET', '" T ":dk', 'configuration/conf', "
        "'0123456789012345678901234567890123456789 os') "
        "redis.call('HSET', '" T ":d:" UDID "', 's:all', 1) "
        "redis.call('HSET', '" T ":d:" UDID ":U1', 's:all', 1) return 0");
    assert_int_equal(token_update(state, CERT_A, id_is(UDID)), 200);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);
    idle(state, CERT_A, id_is(UDID));
    assert_true(says("DeclarativeManagement"));
    assert_int_equal(api(state, MDM_DELETE, "/v1/queue/" UDID "," UDID ":U1",
                         "", ""), 204);

    status(state, id_is(UDID), STATUS);
    assert_string_equal(field("os"), "26.2");
    idle(state, CERT_A, id_is(UDID));
    assert_true(says("DeclarativeManagement"));
    idle(state, CERT_A, user_is("U1"));
    assert_true(says("DeclarativeManagement"));
    assert_string_equal(redis_str("EVAL %s 0", "return redis.call('HGET', '"
                        T ":dm:' .. redis.call('HGET', '" E "', 'dt'), "
                        "'vars')"), "{\"os\":\"26.2\"}");

    /* the same again changes nothing */

    assert_int_equal(api(state, MDM_DELETE, "/v1/queue/" UDID "," UDID ":U1",
                         "", ""), 204);
    queue(state, UDID, "i1", "DeviceInformation");
    answer(state, id_is(UDID), "Acknowledged", "i1",
           "<key>QueryResponses</key><dict><key>OSVersion</key>"
           "<string>26.2</string></dict>");
    assert_int_equal(x->response.len, 0);

    /* by an answer: in the same exchange */

    queue(state, UDID, "i2", "DeviceInformation");
    answer(state, id_is(UDID), "Acknowledged", "i2", INFORMATION);
    assert_true(says("DeclarativeManagement"));
}


static void
test_awaiting(void **state)
{
#define AWAITING  TOKEN "<key>AwaitingConfiguration</key><true/>"

    start(state);
    assert_int_equal(checkin(state, CERT_A, "TokenUpdate", id_is(UDID),
                             AWAITING), 200);
    assert_int_equal(checkin(state, CERT_A, "TokenUpdate", user_is("U1"),
                             AWAITING), 200);

    queue(state, UDID, "d1", "DeviceConfigured");
    answer(state, id_is(UDID), "Error", "d1", "");
    queue(state, UDID, "d2", "UserConfigured");
    answer(state, id_is(UDID), "Acknowledged", "d2", "");
    answer(state, id_is(UDID), "Acknowledged", "d4", "");
    assert_string_equal(field("awaiting"), "1");

    queue(state, UDID, "d3", "DeviceConfigured");
    answer(state, id_is(UDID), "Acknowledged", "d3", "");
    assert_string_equal(field("awaiting"), "");
    assert_string_equal(redis_str("HGET " EU " awaiting"), "1");

    queue(state, UDID ":U1", "u1", "UserConfigured");
    answer(state, user_is("U1"), "Acknowledged", "u1", "");
    assert_string_equal(redis_str("HGET " EU " awaiting"), "");

    /* CheckOut */

    assert_int_equal(checkin(state, CERT_A, "TokenUpdate", id_is(UDID),
                             AWAITING), 200);
    assert_int_equal(checkin(state, CERT_A, "TokenUpdate", user_is("U1"),
                             AWAITING), 200);
    assert_int_equal(checkin(state, CERT_A, "CheckOut", id_is(UDID), ""),
                     200);
    assert_string_equal(field("awaiting"), "");
    assert_int_equal(api(state, MDM_GET, "/v1/enrollments/" UDID ":U1", "",
                         ""), 200);
    assert_true(says("\"awaiting_configuration\":false"));
}


static void
test_console(void **state)
{
#define AWAY  "<key>NotOnConsole</key><true/>"
#define SHOWN()                                                               \
    (api(state, MDM_GET, "/v1/enrollments/" UDID ":U1", "", ""),              \
     says("\"not_on_console\":true"))

    start(state);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);
    assert_false(SHOWN());

    queue(state, UDID ":U1", "p1", "ProfileList");
    answer(state, user_is("U1"), "NotNow", "p1", AWAY);
    assert_true(SHOWN());
    answer(state, user_is("U1"), "Acknowledged", "p1", "");
    assert_false(SHOWN());

    assert_int_equal(idle(state, CERT_A, user_is("U1") AWAY), 200);
    assert_true(SHOWN());
    assert_int_equal(idle(state, CERT_A, user_is("U1")), 200);
    assert_false(SHOWN());

    queue(state, UDID ":U1", "p2", "ProfileList");
    answer(state, user_is("U1"), "Error", "p2", AWAY);
    assert_int_equal(api(state, MDM_GET, "/v1/queue/" UDID ":U1/p2", "", ""),
                     200);
    assert_true(says("\"not_on_console\":true"));
    assert_int_equal(api(state, MDM_GET, "/v1/queue/" UDID ":U1/p1", "", ""),
                     200);
    assert_false(says("\"not_on_console\""));
}


static void
test_shown(void **state)
{
    char    *body;
    size_t   i;

    start(state);

    queue(state, UDID, "e1", "ProfileList");
    answer(state, id_is(UDID), "Error", "e1",
           "<key>ErrorChain</key><array><dict><key>ErrorCode</key>"
           "<integer>-12021</integer><key>ErrorDomain</key>"
           "<string>MC\"MDM</string><key>Real</key><real>0.5</real>"
           "<key>Date</key><date>2026-01-07T04:04:46Z</date>"
           "<key>Data</key><data>AQID</data><key>No</key><false/>"
           "</dict></array>");

    assert_int_equal(api(state, MDM_GET, "/v1/queue/" UDID "/e1", "", ""),
                     200);
    assert_true(says("\"error_chain\":[{\"ErrorCode\":-12021,"
                     "\"ErrorDomain\":\"MC\\\"MDM\",\"Real\":0.5,"
                     "\"Date\":\"2026-01-07T04:04:46Z\",\"Data\":\"AQID\","
                     "\"No\":false}]"));
    assert_true(says("\"result\":\"PD94"));

    assert_int_equal(api(state, MDM_GET, "/v1/queue/" UDID "/e1",
                         "format=json", ""), 200);
    assert_true(says("\"result\":{\"UDID\":\"" UDID "\",\"Status\":\"Error\","
                     "\"CommandUUID\":\"e1\",\"ErrorChain\":[{\"ErrorCode\":"));
    assert_true(says("\"state\":\"error\""));

    /* what cannot be shown so is said, and stays to be had */

    answer(state, id_is(UDID), "Acknowledged", "bad",
           "<key>a</key><date>not a date</date>");
    assert_int_equal(api(state, MDM_GET, "/v1/queue/" UDID "/bad",
                         "format=json", ""), 406);
    assert_true(says("cannot be shown as JSON"));
    assert_int_equal(api(state, MDM_GET, "/v1/queue/" UDID "/bad", "", ""),
                     200);
    assert_int_equal(api(state, MDM_GET, "/v1/queue/" UDID "/bad",
                         "format=plist", ""), 200);

    body = malloc(5 * 1024 * 1024);
    assert_non_null(body);

    i = (size_t) sprintf(body, "<plist version=\"1.0\"><dict>" id_is(UDID)
                         "<key>Status</key><string>Acknowledged</string>"
                         "<key>CommandUUID</key><string>big</string>"
                         "<key>a</key><string>");
    memset(body + i, 'a', 4500000);
    (void) strcpy(body + i + 4500000, "</string></dict></plist>");

    assert_int_equal(send_raw(state, MDM_KIND_CONNECT, CERT_A, body), 200);
    assert_int_equal(api(state, MDM_GET, "/v1/queue/" UDID "/big",
                         "format=json", ""), 406);
    assert_true(says("it is too large"));

    free(body);
}


static void
test_query(void **state)
{
#define find(filter)                                                          \
    (assert_int_equal(api(state, MDM_POST, "/v1/enrollments/query", "",       \
                          "{\"filter\":{" filter "}}"), 200),                 \
     says("\"id\":\"" UDID "\"") + 2 * says("\"id\":\"" UDID ":U1\"")         \
     + 4 * says("\"id\":\"" OTHER "\""))

    start(state);
    assert_int_equal(token_update(state, CERT_A, user_is("U1")), 200);
    assert_int_equal(checkin(state, CERT_B, "Authenticate", id_is(OTHER),
                             "<key>Topic</key><string>com.apple.mgmt.X"
                             "</string><key>OSVersion</key><string>26.10"
                             "</string><key>Model</key><string>Mac14,2"
                             "</string>"), 200);
    queue(state, UDID, "i2", "DeviceInformation");
    answer(state, id_is(UDID), "Acknowledged", "i2", INFORMATION);

    assert_int_equal(find(""), 7);
    assert_true(says("\"os_version\":\"26.1\",\"build\":\"23B85\","
                     "\"model\":\"MLPF3LL\",\"model_name\":\"iPhone\","
                     "\"product\":\"iPhone14,5\",\"supervised\":true"));

    assert_int_equal(find("\"os_versions\":[\"26.1\"]"), 3);
    assert_int_equal(find("\"os_versions\":[\"26.1*\"]"), 7);
    assert_int_equal(find("\"os_versions\":[\"18.1\",\"26.10\"]"), 4);
    assert_int_equal(find("\"models\":[\"iPhone*\"]"), 3);
    assert_int_equal(find("\"models\":[\"Mac14,2\",\"iPhone14,5\"]"), 7);
    assert_int_equal(find("\"models\":[\"MLPF3LL\"],\"supervised\":true"), 3);
    assert_int_equal(find("\"supervised\":true"), 3);
    assert_int_equal(find("\"supervised\":false"), 0);
    assert_int_equal(find("\"ids\":[\"" OTHER "\",\"" UDID "\"],"
                          "\"os_versions\":[\"26*\"]"), 5);

    assert_int_equal(api(state, MDM_POST, "/v1/enrollments/query", "",
                         "{\"filter\":{\"models\":\"x\"}}"), 400);
    assert_int_equal(api(state, MDM_POST, "/v1/enrollments/query", "",
                         "{\"filter\":{\"supervised\":1}}"), 400);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_information, clean),
        cmocka_unit_test_setup(test_status, clean),
        cmocka_unit_test_setup(test_declarations, clean),
        cmocka_unit_test_setup(test_awaiting, clean),
        cmocka_unit_test_setup(test_console, clean),
        cmocka_unit_test_setup(test_shown, clean),
        cmocka_unit_test_setup(test_query, clean)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup, teardown);
}
