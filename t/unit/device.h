
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Devices for the unit tests of check-in and connect through a real
 * redis-server: one exchange a message.
 */


#ifndef _MDM_UNIT_DEVICE_H_INCLUDED_
#define _MDM_UNIT_DEVICE_H_INCLUDED_


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mdm_endpoint.h"
#include "mdm_message.h"
#include "mdm_unit_redis.h"


#define CERT_A  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                            \
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CERT_B  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"                            \
                "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CERT_C  "cccccccccccccccccccccccccccccccc"                            \
                "cccccccccccccccccccccccccccccccc"

#define UDID    "11111111-2222-3333-4444-555555555555"
#define OTHER   "99999999-2222-3333-4444-555555555555"

#define id_is(name)  "<key>UDID</key><string>" name "</string>"


static mdm_store_settings_t  store_settings = {
    .partitions = 1
};

static mdm_settings_t  settings = {
    .store = &store_settings,
    .queue_limit = 20,
    .result_ttl = 3600,
    .event_limit = 1000,
    .keep_certificate = 1,
    .api_ids = 100,
    .plist_depth = 32,
    .plist_nodes = 100000
};


static mdm_exchange_t  *x;

/* of the worker, or NULL, and its clock */
static mdm_cache_t     *worker_cache;
static int64_t          worker_now = 1700000000;


/* one message; the exchange stays in x until the next */

static mdm_uint_t
send_raw(void **state, mdm_kind_e kind, const char *cert, const char *body)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = kind;
    x->method = MDM_PUT;
    x->now = worker_now;
    x->cache = worker_cache;
    mdm_str_set(&x->tenant, "default");
    x->body.data = (u_char *) body;
    x->body.len = strlen(body);

    if (cert != NULL) {
        x->identity.source = MDM_IDENTITY_TLS;
        x->identity.digest.data = (u_char *) cert;
        x->identity.digest.len = strlen(cert);
        x->identity.sha256 = x->identity.digest;
        mdm_str_set(&x->identity.der, "not a real one");
    }

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    return x->status;
}


static mdm_uint_t
sendf(void **state, mdm_kind_e kind, const char *cert, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static mdm_uint_t
sendf(void **state, mdm_kind_e kind, const char *cert, const char *fmt, ...)
{
    va_list      args;
    static char  keys[8192], body[8400];

    va_start(args, fmt);
    (void) vsnprintf(keys, sizeof(keys), fmt, args);
    va_end(args);

    (void) snprintf(body, sizeof(body),
                    "<?xml version=\"1.0\"?><plist version=\"1.0\">"
                    "<dict>%s</dict></plist>", keys);

    return send_raw(state, kind, cert, body);
}


#define checkin(state, cert, type, id, more)                                  \
    sendf(state, MDM_KIND_CHECKIN, cert,                                      \
          "<key>MessageType</key><string>" type "</string>" id more)

#define authenticate(state, cert, id)                                         \
    checkin(state, cert, "Authenticate", id,                                  \
            "<key>Topic</key><string>com.apple.mgmt.X</string>"               \
            "<key>SerialNumber</key><string>C02ABC</string>")

#define TOKEN                                                                 \
    "<key>Topic</key><string>com.apple.mgmt.X</string>"                       \
    "<key>PushMagic</key><string>magic</string>"                              \
    "<key>Token</key><data>AQID</data>"

#define token_update(state, cert, id)                                         \
    checkin(state, cert, "TokenUpdate", id, TOKEN)

#define report(state, cert, id, status, uuid)                                 \
    sendf(state, MDM_KIND_CONNECT, cert, id                                   \
          "<key>Status</key><string>%s</string>"                              \
          "<key>CommandUUID</key><string>%s</string>", status, uuid)

#define idle(state, cert, id)                                                 \
    sendf(state, MDM_KIND_CONNECT, cert, id                                   \
          "<key>Status</key><string>Idle</string>")


static inline void
enroll(void **state, const char *cert)
{
    assert_int_equal(authenticate(state, cert, id_is(UDID)), 200);
    assert_int_equal(token_update(state, cert, id_is(UDID)), 200);
}


/* by the script itself: the API has tests of its own */

static inline int
enqueue(void **state, const char *id, const char *uuid)
{
    int           rc;
    char          body[64];
    mdm_str_t     args[MDM_NARGS_ENQUEUE + 1];
    mdm_call_t    call;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(4096);

    (void) snprintf(body, sizeof(body), "body of %s", uuid);

    memset(&call, 0, sizeof(call));
    call.script = &mdm_script_enqueue;
    mdm_str_set(&call.key, "mdm:{default/0}");
    call.args = args;
    call.nargs = MDM_NARGS_ENQUEUE + 1;

    mdm_str_set(&args[MDM_ARG_ENQUEUE_WHO], "admin");
    mdm_str_set(&args[MDM_ARG_ENQUEUE_ADDRESS], "127.0.0.1");
    mdm_str_set(&args[MDM_ARG_ENQUEUE_LIMIT], "1000");
    args[MDM_ARG_ENQUEUE_UUID].data = (u_char *) uuid;
    args[MDM_ARG_ENQUEUE_UUID].len = strlen(uuid);
    mdm_str_set(&args[MDM_ARG_ENQUEUE_KIND], "ProfileList");
    args[MDM_ARG_ENQUEUE_BODY].data = (u_char *) body;
    args[MDM_ARG_ENQUEUE_BODY].len = strlen(body);
    mdm_str_set(&args[MDM_ARG_ENQUEUE_ROOM], "20");
    mdm_str_set(&args[MDM_ARG_ENQUEUE_NAMES], "");
    mdm_str_set(&args[MDM_ARG_ENQUEUE_BUDGET], "1");
    mdm_str_set(&args[MDM_ARG_ENQUEUE_LEASE], "");
    args[MDM_ARG_ENQUEUE_IDS].data = (u_char *) id;
    args[MDM_ARG_ENQUEUE_IDS].len = strlen(id);

    rc = mdm_unit_redis_eval(*state, arena, &call) == MDM_CALL_OK;

    mdm_arena_destroy(arena);

    return rc;
}


#define redis_int(...)  mdm_unit_redis_int(*state, __VA_ARGS__)
#define redis_str(...)  mdm_unit_redis_str(*state, x->arena, __VA_ARGS__)

#define E  "mdm:{default/0}:e:" UDID


static int
clean(void **state)
{
    mdm_unit_redis_clean(*state);
    settings.reenroll = MDM_REENROLL_ANY;
    settings.user_authenticate = MDM_USER_AUTHENTICATE_REFUSE;

    return 0;
}


static int
teardown(void **state)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
        x = NULL;
    }

    return mdm_unit_redis_teardown(state);
}


#endif /* _MDM_UNIT_DEVICE_H_INCLUDED_ */
