
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The API through a real redis-server.
 */


#define _GNU_SOURCE                    /* memmem() */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "api_redis.h"


static void
test_enqueue(void **state)
{
    char     uri[128];
    json_t  *data;

    (void) state;

    mdm_unit_store.partitions = 1;

    enroll("A");
    enroll("B");

    assert_int_equal(enqueue("A,B,A", "U1"), 200);
    assert_true(mdm_str_is(&x->response, "{\"no_push\":true,\"command_uuid\":"
                           "\"U1\",\"request_type\":\"ProfileList\"}"));

    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:c:U1 refs",
                                        tag("A")), 2);
    assert_string_equal(mdm_unit_redis_str(redis, x->arena,
                                           "HGET %s:e:A q", tag("A")), "U1");
    assert_int_equal(count("*:q:*"), 0);

    data = last_event("A", "api.Enqueue", "A,B");
    assert_string_equal(json_string_value(json_object_get(data,
                                                          "command_uuid")),
                        "U1");
    assert_null(json_object_get(data, "failed"));
    json_decref(data);

    /* trap 4: again changes nothing; one bad id fails alone */

    assert_int_equal(enqueue("A,B", "U1"), 200);
    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:c:U1 refs",
                                        tag("A")), 2);
    assert_int_equal(mdm_unit_redis_int(redis, "XLEN %s:events", tag("A")), 5);

    assert_int_equal(enqueue("A,nobody,%zz,B", "U2"), 207);
    assert_int_equal(json_object_size(mdm_unit_api_at(mdm_unit_api_json(x),
                                                      "status")), 2);
    assert_string_equal(mdm_unit_api_text(x, "status/nobody/command_error"),
                        "not enrolled");
    assert_int_equal(mdm_unit_redis_int(redis, "LLEN %s:q:B", tag("B")), 1);
    assert_int_equal(mdm_unit_redis_int(redis, "EXISTS %s:e:nobody",
                                        tag("nobody")), 0);

    data = last_event("A", "api.Enqueue", "A,B");
    assert_int_equal(json_integer_value(json_object_get(data, "failed")), 1);
    json_decref(data);

    assert_int_equal(enqueue("nobody", "U3"), 500);
    assert_int_equal(count("*:c:U3"), 0);

    /* the same UUID with another body */

    (void) snprintf(uri, sizeof(uri), "/v1/enqueue/A,B");

    assert_int_equal(run_typed(MDM_POST, uri, "application/json",
                               "{\"CommandUUID\":\"U1\",\"RequestType\":"
                               "\"ProfileList\"}"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/B/command_error"),
                        "CommandUUID is already used by another command");
    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:c:U1 refs",
                                        tag("A")), 2);

    /* a queue has its limit; what is in it already still succeeds */

    settings.queue_limit = 2;

    assert_int_equal(enqueue("A", "U4"), 500);
    assert_string_equal(mdm_unit_api_text(x, "status/A/command_error"),
                        "the queue is full");
    assert_int_equal(enqueue("A", "U2"), 200);
    assert_int_equal(count("*:c:U4"), 0);
}


/* bytes go out as they came in, whatever is in them */

static void
test_bytes(void **state)
{
    char         uuid[64];
    mdm_str_t    body, back;

    static const char  plist[] =
        "<?xml version=\"1.0\"?>\n\n<plist><dict>\t<key>CommandUUID</key>"
        "<string>a/b:c,d%\xc3\xa9</string><!-- \xf0\x9f\x98\x80 -->"
        "<key>Command</key><dict><key>RequestType</key>"
        "<string>ProfileList</string></dict></dict></plist>\r\n";

    (void) state;

    enroll("a%7Bb%7D,c");
    enroll("D");

    assert_int_equal(run(MDM_PUT, "/v1/enqueue/D,a%257Bb%257D%2Cc", plist),
                     200);
    assert_string_equal(mdm_unit_api_text(x, "command_uuid"),
                        "a/b:c,d%\xc3\xa9");

    assert_int_equal(run(MDM_GET, "/v1/queue/a%257Bb%257D%2cc", ""), 200);

    strcpy(uuid, mdm_unit_api_text(x, "commands/0/command_uuid"));
    assert_string_equal(uuid, "a/b:c,d%\xc3\xa9");

    body.data = (u_char *) mdm_unit_api_text(x, "commands/0/command");
    body.len = strlen((char *) body.data);
    assert_int_equal(mdm_unbase64(x->arena, &back, &body), MDM_OK);
    assert_int_equal(back.len, sizeof(plist) - 1);
    assert_memory_equal(back.data, plist, back.len);

    assert_int_equal(run(MDM_GET, "/v1/queue/D/a%2Fb%3ac,d%25%C3%A9", ""),
                     200);
    assert_string_equal(mdm_unit_api_text(x, "state"), "pending");
    assert_string_equal(mdm_unit_api_text(x, "command_uuid"), uuid);

    assert_int_equal(run(MDM_DELETE, "/v1/queue/D/a%2Fb%3Ac,d%25%C3%A9", ""),
                     204);
    assert_int_equal(count("*:c:*"), 1);
}


/* "A" with the commands U00 to U24 */

static void
fill_queue(void)
{
    char        uuid[32];
    mdm_uint_t  i;

    for (i = 0; i < 25; i++) {
        (void) snprintf(uuid, sizeof(uuid), "U%02lu", (unsigned long) i);
        assert_int_equal(enqueue("A", uuid), 200);
    }
}


static void
test_queue_list(void **state)
{
    (void) state;

    assert_int_equal(run(MDM_GET, "/v1/queue/A", ""), 404);

    enroll("A");

    assert_int_equal(run(MDM_GET, "/v1/queue/A", ""), 200);
    assert_true(mdm_str_is(&x->response, "{\"commands\":[]}"));

    fill_queue();

    assert_int_equal(run(MDM_GET, "/v1/queue/A?limit=25", ""), 200);
    assert_null(json_object_get(mdm_unit_api_json(x), "next_cursor"));
    assert_int_equal(run(MDM_GET, "/v1/queue/A?limit=24", ""), 200);
    assert_non_null(json_object_get(mdm_unit_api_json(x), "next_cursor"));
    assert_int_equal(run(MDM_GET, "/v1/queue/A?offset=23", ""), 200);
    assert_string_equal(mdm_unit_api_text(x, "commands/0/command_uuid"),
                        "U23");
    assert_int_equal(run(MDM_GET, "/v1/queue/A?offset=25", ""), 200);
    assert_true(mdm_str_is(&x->response, "{\"commands\":[]}"));

    /* a NotNow shows */

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:nn:A U15 "
                                           "1736222686:2", tag("A")));
    assert_int_equal(run(MDM_GET, "/v1/queue/A?limit=2&offset=14", ""), 200);
    assert_string_equal(mdm_unit_api_text(x, "commands/1/not_now/first"),
                        "2025-01-07T04:04:46Z");
    assert_int_equal(run(MDM_GET, "/v1/queue/A/U15", ""), 200);
    assert_string_equal(mdm_unit_api_text(x, "state"), "not_now");
    assert_int_equal(json_integer_value(mdm_unit_api_at(mdm_unit_api_json(x),
                                        "not_now/tally")), 2);
}


/*
 * Pages of 4 while the queue moves under them: what was there at the first
 * page and is still there at the last was shown.
 */

static void
test_queue_list_moves(void **state)
{
    char         uri[1024], cursor[512];
    mdm_uint_t   i, n, page;
    mdm_uint_t   seen[40];
    json_t      *root, *commands;

    (void) state;

    enroll("A");
    fill_queue();

    memset(seen, 0, sizeof(seen));
    strcpy(uri, "/v1/queue/A?limit=4");

    for (page = 0; page < 40; page++) {
        assert_int_equal(run(MDM_GET, uri, ""), 200);

        root = mdm_unit_api_json(x);
        commands = json_object_get(root, "commands");

        for (i = 0; i < json_array_size(commands); i++) {
            n = (mdm_uint_t) atoi(json_string_value(json_object_get(
                         json_array_get(commands, i), "command_uuid")) + 1);
            seen[n]++;
        }

        if (json_object_get(root, "next_cursor") == NULL) {
            break;
        }

        strcpy(cursor, json_string_value(json_object_get(root,
                                                         "next_cursor")));

        switch (page) {

        case 0:                      /* the next one goes away */
            assert_int_equal(run(MDM_DELETE, "/v1/queue/A/U04", ""), 204);
            break;

        case 1:                      /* all that was shown so far, but one */
            for (i = 0; i < 8; i++) {
                (void) snprintf(uri, sizeof(uri), "/v1/queue/A/U%02lu",
                                (unsigned long) i);
                assert_int_equal(run(MDM_DELETE, uri, ""),
                                 i == 4 ? 404 : 204);
            }
            assert_int_equal(enqueue("A", "U30"), 200);
            break;

        case 2:                      /* all anchors, and the next */
            for (i = 8; i < 14; i++) {
                (void) snprintf(uri, sizeof(uri), "/v1/queue/A/U%02lu",
                                (unsigned long) i);
                assert_int_equal(run(MDM_DELETE, uri, ""), 204);
            }
            break;
        }

        (void) snprintf(uri, sizeof(uri), "/v1/queue/A?limit=4&cursor=%s",
                        cursor);
    }

    assert_true(page < 40);

    for (i = 0; i < 4; i++) {
        assert_int_equal(seen[i], 1);
    }

    assert_int_equal(seen[4], 0);

    for (i = 5; i < 13; i++) {
        assert_int_equal(seen[i], 1);
    }

    for (i = 14; i < 25; i++) {
        assert_int_equal(seen[i], 1);
    }

    assert_int_equal(seen[30], 1);
}


/* a page is bounded in bytes too */

static void
test_queue_list_large(void **state)
{
    char    *body, *p, cursor[512], uri[1024];
    size_t   i;

    (void) state;

    enroll("A");

    settings.validate = MDM_VALIDATE_OFF;

    body = malloc(3 * 1024 * 1024 + 512);
    assert_non_null(body);

    for (i = 0; i < 5; i++) {
        p = body + sprintf(body, "<plist><dict><key>CommandUUID</key><string>"
                           "U%lu</string><key>Command</key><dict><key>"
                           "RequestType</key><string>T</string><key>P</key>"
                           "<string>", (unsigned long) i);
        memset(p, 'x', 3 * 1024 * 1024);
        strcpy(p + 3 * 1024 * 1024, "</string></dict></dict></plist>");

        assert_int_equal(run(MDM_PUT, "/v1/enqueue/A", body), 200);
    }

    free(body);

    strcpy(uri, "/v1/queue/A");

    for (i = 0; i < 5; i += 2) {
        assert_int_equal(run(MDM_GET, uri, ""), 200);
        assert_int_equal(json_array_size(json_object_get(mdm_unit_api_json(x),
                                         "commands")), i == 4 ? 1 : 2);
        strcpy(cursor, mdm_unit_api_text(x, "next_cursor"));
        (void) snprintf(uri, sizeof(uri), "/v1/queue/A?cursor=%s", cursor);
    }

    assert_string_equal(cursor, "");
}


static void
test_queue_clear(void **state)
{
    char     uuid[32], uri[4096], *p;
    json_t  *data;
    int      i;

    (void) state;

    mdm_unit_store.partitions = 1;

    enroll("A");
    enroll("B");
    enroll("C");

    for (i = 0; i < 5; i++) {
        (void) snprintf(uuid, sizeof(uuid), "U%d", i);
        assert_int_equal(enqueue("A,B", uuid), 200);
    }

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:nn:A U3 1:1",
                                           tag("A")));

    assert_int_equal(run(MDM_DELETE, "/v1/queue/A,C", ""), 204);

    data = last_event("A", "api.QueueClear", "A");
    assert_int_equal(json_integer_value(json_object_get(data, "removed")), 5);
    json_decref(data);

    assert_int_equal(count("*:nn:*"), 0);
    assert_int_equal(count("*:q:A"), 0);
    assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS %s:e:A q", tag("A")),
                     0);
    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:c:U0 refs", tag("A")),
                     1);

    assert_int_equal(run(MDM_DELETE, "/v1/queue/nobody", ""), 500);
    assert_true(mdm_str_is(&x->response, "{\"status\":{\"nobody\":"
                           "\"not enrolled\"}}"));
    assert_int_equal(run(MDM_DELETE, "/v1/queue/B,nobody", ""), 207);
    assert_int_equal(count("*:c:*"), 0);

    /* more than one script call may do: it goes on in further rounds */

    for (i = 0; i < 60; i++) {
        (void) snprintf(uuid, sizeof(uuid), "dev%d", i);
        enroll(uuid);
    }

    p = uri + sprintf(uri, "dev0");

    for (i = 1; i < 60; i++) {
        p += sprintf(p, ",dev%d", i);
    }

    for (i = 0; i < 250; i++) {
        (void) snprintf(uuid, sizeof(uuid), "V%d", i);
        assert_int_equal(enqueue(uri, uuid), 200);
    }

    memmove(uri + 10, uri, strlen(uri) + 1);
    memcpy(uri, "/v1/queue/", 10);

    assert_int_equal(run(MDM_DELETE, uri, ""), 204);
    assert_in_range(redis->rounds, 3, 20);
    assert_int_equal(run(MDM_DELETE, "/v1/queue/dev0", ""), 204);
    assert_int_equal(count("*:c:*"), 0);
    assert_int_equal(count("*:q:*"), 0);
}


static void
test_command(void **state)
{
    char    *text;
    json_t  *data;

    (void) state;

    assert_int_equal(run(MDM_GET, "/v1/queue/A/U1", ""), 404);
    assert_int_equal(run(MDM_DELETE, "/v1/queue/A/U1", ""), 404);

    enroll("A");

    assert_int_equal(run(MDM_GET, "/v1/queue/A/U1", ""), 404);
    assert_int_equal(run(MDM_DELETE, "/v1/queue/A/U1", ""), 404);

    assert_int_equal(enqueue("A", "U1"), 200);
    assert_int_equal(enqueue("A", "U2"), 200);
    assert_int_equal(enqueue("A", "U3"), 200);

    assert_int_equal(run(MDM_GET, "/v1/queue/A/U2", ""), 200);
    assert_string_equal(mdm_unit_api_text(x, "state"), "pending");
    assert_string_equal(mdm_unit_api_text(x, "request_type"), "ProfileList");
    assert_true(*mdm_unit_api_text(x, "queued") != '\0');

    assert_int_equal(run(MDM_GET, "/v1/queue/A/U2?format=plist", ""), 404);

    /* from the middle, then the head */

    assert_int_equal(run(MDM_DELETE, "/v1/queue/A/U2", ""), 204);

    data = last_event("A", "api.CommandDelete", "A");
    assert_string_equal(json_string_value(json_object_get(data,
                                                          "command_uuid")),
                        "U2");
    json_decref(data);

    assert_int_equal(run(MDM_DELETE, "/v1/queue/A/U2", ""), 404);
    assert_int_equal(run(MDM_DELETE, "/v1/queue/A/U1", ""), 204);

    text = mdm_unit_redis_str(redis, x->arena, "HGET %s:e:A q", tag("A"));
    assert_string_equal(text, "U3");
    assert_int_equal(count("*:q:*"), 0);
    assert_int_equal(count("*:c:*"), 1);
}


/* results: plain, compressed, damaged, and a tombstone alone */

static void
test_command_result(void **state)
{
    u_char    *plain, packed[4096];
    size_t     i;
    uLongf     len;
    mdm_str_t  s, back;

    (void) state;

    enroll("A");

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:r:A:U7 status "
        "Acknowledged type ProfileList time 1736222686 body %b z 0 known 1",
        tag("A"), "<plist/>\0", (size_t) 9));

    assert_int_equal(run(MDM_GET, "/v1/queue/A/U7", ""), 200);
    assert_string_equal(mdm_unit_api_text(x, "state"), "acknowledged");
    assert_string_equal(mdm_unit_api_text(x, "finished"),
                        "2025-01-07T04:04:46Z");
    assert_string_equal(mdm_unit_api_text(x, "result"), "PHBsaXN0Lz4A");

    assert_int_equal(run(MDM_GET, "/v1/queue/A/U7?format=plist", ""), 200);
    assert_true(mdm_str_is(&x->response_type, "application/x-plist"));
    assert_int_equal(x->response.len, 9);

    plain = malloc(300000);
    assert_non_null(plain);

    for (i = 0; i < 300000; i++) {
        plain[i] = (u_char) ('a' + (i / 1000) % 26);
    }

    len = sizeof(packed);
    assert_int_equal(compress2(packed, &len, plain, 300000, 1), Z_OK);

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:r:A:U8 status "
        "Error type ProfileList time 1736222686 body %b z 1 known 0",
        tag("A"), packed, (size_t) len));

    assert_int_equal(run(MDM_GET, "/v1/queue/A/U8", ""), 200);
    assert_string_equal(mdm_unit_api_text(x, "state"), "error");
    assert_true(json_is_false(mdm_unit_api_at(mdm_unit_api_json(x),
                                              "was_queued")));

    s.data = (u_char *) mdm_unit_api_text(x, "result");
    s.len = strlen((char *) s.data);
    assert_int_equal(mdm_unbase64(x->arena, &back, &s), MDM_OK);
    assert_int_equal(back.len, 300000);
    assert_memory_equal(back.data, plain, 300000);

    free(plain);

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:r:A:U8 body %b",
                                           tag("A"), packed,
                                           (size_t) len - 5));
    assert_int_equal(run(MDM_GET, "/v1/queue/A/U8", ""), 500);
    assert_non_null(x->log);

    freeReplyObject(mdm_unit_redis_command(redis, "ZADD %s:done:A 1736222686 "
                                           "U9", tag("A")));
    assert_int_equal(run(MDM_GET, "/v1/queue/A/U9", ""), 200);
    assert_string_equal(mdm_unit_api_text(x, "state"), "finished");
    assert_string_equal(mdm_unit_api_text(x, "finished"),
                        "2025-01-07T04:04:46Z");

    /* what is finished is not queued again */

    assert_int_equal(enqueue("A", "U9"), 200);
    assert_int_equal(count("*:c:U9"), 0);
}


static void
test_enrollment(void **state)
{
    json_t  *root;

    (void) state;

    assert_int_equal(run(MDM_GET, "/v1/enrollments/A", ""), 404);

    enroll("A");

    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("A", USER, "dXNlcg==")), 200);
    assert_int_equal(run(MDM_PUT, "/migration",
                         TOKEN_UPDATE("A", UNLOCK, "bmV3")), 200);
    assert_int_equal(enqueue("A", "U1"), 200);

    freeReplyObject(mdm_unit_redis_command(redis, "HSET %s:e:A cert abcd",
                                           tag("A")));
    freeReplyObject(mdm_unit_redis_command(redis, "SET %s:crt:A DER",
                                           tag("A")));

    assert_int_equal(run(MDM_GET, "/v1/enrollments/A", ""), 200);

    root = mdm_unit_api_json(x);

    assert_string_equal(mdm_unit_api_text(x, "id"), "A");
    assert_string_equal(mdm_unit_api_text(x, "type"), "Device");
    assert_string_equal(mdm_unit_api_text(x, "device/serial_number"), "S-A");
    assert_string_equal(mdm_unit_api_text(x, "device/os_version"), "26.1");
    assert_string_equal(mdm_unit_api_text(x, "device/certificate_sha256"),
                        "61626364");
    assert_string_equal(mdm_unit_api_text(x, "topic"), "com.apple.mgmt.t");
    assert_string_equal(mdm_unit_api_text(x, "users/0"), "A:U1");
    assert_true(json_is_true(json_object_get(root, "enabled")));
    assert_true(json_is_true(json_object_get(root, "has_unlock_token")));
    assert_true(json_is_false(json_object_get(root, "has_bootstrap_token")));
    assert_int_equal(json_integer_value(json_object_get(root,
                                                        "queue_length")), 1);
    assert_int_equal(json_integer_value(json_object_get(root,
                                              "token_update_tally")), 2);
    assert_null(mdm_unit_api_at(root, "device/unlock_token"));
    assert_null(mdm_unit_api_at(root, "device/device_cert"));

    /* no secret, whatever it is called */

    assert_null(memmem(x->response.data, x->response.len, "magic", 5));
    assert_null(memmem(x->response.data, x->response.len, "c2VjcmV0", 8));

    assert_int_equal(run(MDM_GET, "/v1/enrollments/A?include_unlock_token=1&"
                         "include_device_cert=true", ""), 200);
    assert_string_equal(mdm_unit_api_text(x, "device/unlock_token"),
                        "c2VjcmV0");
    assert_string_equal(mdm_unit_api_text(x, "device/device_cert"),
                        "-----BEGIN CERTIFICATE-----\nREVS\n"
                        "-----END CERTIFICATE-----\n");

    assert_int_equal(run(MDM_GET, "/v1/enrollments/A%3AU1", ""), 200);
    assert_string_equal(mdm_unit_api_text(x, "type"), "User");
    assert_string_equal(mdm_unit_api_text(x, "parent"), "A");
    assert_string_equal(mdm_unit_api_text(x, "user/user_short_name"), "bob");
    assert_string_equal(mdm_unit_api_text(x, "device/serial_number"), "S-A");

    /* the pin */

    assert_int_equal(run(MDM_DELETE, "/v1/enrollments/A/certificate", ""),
                     204);
    json_decref(last_event("A", "api.PinReset", "A"));
    assert_int_equal(count("*:crt:*"), 0);
    assert_int_equal(run(MDM_DELETE, "/v1/enrollments/A/certificate", ""),
                     404);
    assert_int_equal(run(MDM_DELETE, "/v1/enrollments/B/certificate", ""),
                     404);
    assert_int_equal(run(MDM_GET, "/v1/enrollments/A", ""), 200);
    assert_string_equal(mdm_unit_api_text(x, "device/certificate_sha256"),
                        "");
    assert_int_equal(json_integer_value(json_object_get(mdm_unit_api_json(x),
                                        "queue_length")), 1);
}


/*
 * A reply is lost after the script ran, and the request is made again: the
 * state is that of one.
 */

static mdm_unit_fault_e
lose_all(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) call;
    (void) n;

    return *(mdm_unit_fault_e *) data;
}


static void
test_lost_replies(void **state)
{
    char               *body;
    mdm_uint_t          i, k;
    mdm_arena_t        *arena;
    mdm_unit_fault_e    fault;

    static const struct {
        mdm_uint_t   method;
        const char  *uri;
        const char  *body;
        mdm_uint_t   status;             /* of the second try */
    } t[] = {
        { MDM_PUT, "/migration", AUTHENTICATE("A"), 200 },
        { MDM_PUT, "/migration", TOKEN_UPDATE("A", UNLOCK, "eA=="), 200 },
        { MDM_PUT, "/migration", TOKEN_UPDATE("A", USER, "eA=="), 200 },
        { MDM_PUT, "/migration", TOKEN_UPDATE("B", "", "eA=="), 200 },
        { MDM_PUT, "/v1/enqueue/A,B,A:U1", "U1", 200 },
        { MDM_PUT, "/v1/enqueue/A,B,A:U1", "U2", 200 },
        { MDM_PUT, "/v1/enqueue/A", "U3", 200 },
        { MDM_DELETE, "/v1/queue/A/U2", "", 404 },
        { MDM_DELETE, "/v1/queue/A:U1,B", "", 204 },
        { MDM_DELETE, "/v1/enrollments/A/certificate", "", 404 }
    };

    static const mdm_unit_fault_e  faults[] = {
        MDM_UNIT_FAULT_BEFORE, MDM_UNIT_FAULT_AFTER, MDM_UNIT_FAULT_AFTER,
        MDM_UNIT_FAULT_NONE
    };

    (void) state;

    arena = mdm_arena_create(1024);

    redis->fault = lose_all;
    redis->fault_data = &fault;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        body = (char *) t[i].body;

        if (*body == 'U') {
            body = mdm_unit_api_command(arena, body, "ProfileList");
        }

        for (k = 0; k < 4; k++) {
            fault = faults[k];

            assert_int_equal(run(t[i].method, t[i].uri, body),
                             (k == 3) ? t[i].status : 503);
            assert_true(k == 3 || x->retry_after != 0);
        }
    }

    redis->fault = NULL;

    assert_int_equal(tally("A"), 1);
    assert_int_equal(tally("A:U1"), 1);
    assert_int_equal(mdm_unit_redis_int(redis, "LLEN %s:q:A", tag("A")), 1);
    assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:c:U1 refs", tag("A")),
                     1);
    assert_int_equal(count("*:c:*"), 2);

    mdm_arena_destroy(arena);
}


/* audit: one event a change, and none where nothing changed */

static void
test_events(void **state)
{
    (void) state;

    mdm_unit_store.partitions = 1;
    settings.event_payload = 0;

    enroll("A");
    assert_int_equal(mdm_unit_redis_int(redis, "XLEN %s:events", tag("A")), 2);

    assert_int_equal(run(MDM_DELETE, "/v1/queue/A", ""), 204);
    assert_int_equal(run(MDM_DELETE, "/v1/queue/A/U", ""), 404);
    assert_int_equal(run(MDM_DELETE, "/v1/enrollments/A/certificate", ""),
                     404);
    assert_int_equal(enqueue("B", "U"), 500);
    assert_int_equal(mdm_unit_redis_int(redis, "XLEN %s:events", tag("A")), 2);

    settings.event_limit = 0;
    assert_int_equal(enqueue("A", "U"), 200);
    assert_int_equal(mdm_unit_redis_int(redis, "XLEN %s:events", tag("A")), 2);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_enqueue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_list_moves, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_queue_list_large, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_queue_clear, setup, teardown),
        cmocka_unit_test_setup_teardown(test_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_command_result, setup, teardown),
        cmocka_unit_test_setup_teardown(test_enrollment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_replies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events, setup, teardown)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  mdm_unit_redis_teardown);
}
