
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Requests for the unit tests of the API through a real redis-server.
 */


#ifndef _MDM_UNIT_API_REDIS_H_INCLUDED_
#define _MDM_UNIT_API_REDIS_H_INCLUDED_


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mdm_endpoint.h"
#include "mdm_key.h"
#include "mdm_unit_call.h"


#define PLIST(text)  "<plist version=\"1.0\"><dict>" text "</dict></plist>"

#define AUTHENTICATE(id)                                                      \
    PLIST("<key>MessageType</key><string>Authenticate</string>"               \
          "<key>UDID</key><string>" id "</string>"                            \
          "<key>Topic</key><string>com.apple.mgmt.t</string>"                 \
          "<key>SerialNumber</key><string>S-" id "</string>"                  \
          "<key>OSVersion</key><string>26.1</string>")

#define TOKEN_UPDATE(id, more, token)                                         \
    PLIST("<key>MessageType</key><string>TokenUpdate</string>"                \
          "<key>UDID</key><string>" id "</string>" more                       \
          "<key>Topic</key><string>com.apple.mgmt.t</string>"                 \
          "<key>PushMagic</key><string>magic</string>"                        \
          "<key>Token</key><data>" token "</data>")

#define UNLOCK  "<key>UnlockToken</key><data>c2VjcmV0</data>"

#define USER                                                                  \
    "<key>UserID</key><string>U1</string>"                                    \
    "<key>UserShortName</key><string>bob</string>"                            \
    "<key>UserLongName</key><string>Bob B</string>"


/* one request; the exchange stays in x until the next */

static inline mdm_uint_t
run_typed(mdm_uint_t method, const char *uri, const char *type,
    const char *body)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_unit_api_request(&settings, method, uri, type, body,
                             strlen(body));

    mdm_unit_redis_run(redis, x);

    if (x->response.len != 0
        && mdm_str_is(&x->response_type, "application/json"))
    {
        assert_non_null(mdm_unit_api_json(x));
    }

    return x->status;
}


static inline mdm_uint_t
run(mdm_uint_t method, const char *uri, const char *body)
{
    return run_typed(method, uri, NULL, body);
}


static inline mdm_uint_t
enqueue(const char *ids, const char *uuid)
{
    char         uri[8192], *body;
    mdm_uint_t   status;
    mdm_arena_t  *arena;

    (void) snprintf(uri, sizeof(uri), "/v1/enqueue/%s", ids);

    arena = mdm_arena_create(1024);
    body = mdm_unit_api_command(arena, uuid, "ProfileList");

    status = run(MDM_PUT, uri, body);

    mdm_arena_destroy(arena);

    return status;
}


static inline void
enroll(const char *id)
{
    char  body[1024];

    (void) snprintf(body, sizeof(body),
                    AUTHENTICATE("%s"), id, id);

    assert_int_equal(run(MDM_PUT, "/migration", body), 200);

    (void) snprintf(body, sizeof(body), TOKEN_UPDATE("%s", "", "dG9rZW4="),
                    id);

    assert_int_equal(run(MDM_PUT, "/migration", body), 200);
}


static inline const char *
tag(const char *id)
{
    mdm_str_t    s;
    static char  buf[64];

    s.data = (u_char *) id;
    s.len = strcspn(id, ":");

    (void) snprintf(buf, sizeof(buf), "mdm:{default/%lu}",
                    (unsigned long) mdm_partition(&s,
                                                  mdm_unit_store.partitions));

    return buf;
}


static inline long long
count(const char *pattern)
{
    long long    n;
    redisReply  *reply;

    reply = mdm_unit_redis_command(redis, "KEYS %s", pattern);
    n = (long long) reply->elements;
    freeReplyObject(reply);

    return n;
}


/* the fields of the last event of a partition: name, id, data */

static inline json_t *
last_event(const char *id, const char *name, const char *ids)
{
    json_t      *data;
    redisReply  *reply, *fields;

    reply = mdm_unit_redis_command(redis,
                                   "XREVRANGE %s:events + - COUNT 1",
                                   tag(id));
    assert_int_equal(reply->elements, 1);

    fields = reply->element[0]->element[1];

    assert_int_equal(fields->elements, 6);
    assert_string_equal(fields->element[0]->str, "event");
    assert_string_equal(fields->element[1]->str, name);
    assert_string_equal(fields->element[2]->str, "id");
    assert_string_equal(fields->element[3]->str, ids);
    assert_string_equal(fields->element[4]->str, "data");

    data = json_loads(fields->element[5]->str, 0, NULL);
    assert_non_null(data);

    assert_string_equal(json_string_value(json_object_get(data, "by")),
                        "admin");
    assert_string_equal(json_string_value(json_object_get(data, "address")),
                        "127.0.0.1");

    freeReplyObject(reply);

    return data;
}


static inline long long
tally(const char *id)
{
    return mdm_unit_redis_int(redis, "HGET %s:e:%s tally", tag(id), id);
}


#endif /* _MDM_UNIT_API_REDIS_H_INCLUDED_ */
