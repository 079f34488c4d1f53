
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Random runs of administrators and devices, with lost replies, against a
 * model: the order of every queue, what is skipped after NotNow, references,
 * tombstones, and that no command outlives its last reference.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_endpoint.h"
#include "mdm_key.h"
#include "mdm_unit_api.h"
#include "mdm_unit_redis.h"


#define RUNS        8
#define STEPS       500           /* a run */
#define CHECK       50            /* steps between looks at the whole */
#define PARTITIONS  2
#define CHANNELS    8             /* 0-5 devices, 6 and 7 users of 0 and 1 */
#define DEVICES     6
#define COMMANDS    96
#define LIMIT       5             /* of a queue */

#define CERT  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


typedef struct {
    char                      id[16];
    mdm_uint_t                partition;
    int                       queue[LIMIT];
    mdm_uint_t                n;
    int                       refused[COMMANDS];   /* NotNow: how often */
    int                       done[COMMANDS];
} channel_t;


static mdm_settings_t      admin, device;
static mdm_unit_redis_t   *redis;
static channel_t           channels[CHANNELS];
static char               *bodies[COMMANDS];
static mdm_arena_t        *arena;
static uint32_t            seed;
static mdm_unit_fault_e    fault;


static uint32_t
rnd(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;

    return (seed >> 8) % n;
}


static mdm_unit_fault_e
lose(mdm_call_t *call, mdm_uint_t n, void *data)
{
    (void) call;
    (void) n;
    (void) data;

    return fault;
}


/* a request of the administrator; a lost reply is followed by a retry */

static mdm_exchange_t *
api(mdm_uint_t method, const char *uri, const char *body, mdm_uint_t *retried)
{
    mdm_exchange_t  *x;

    *retried = 0;

    for ( ;; ) {
        x = mdm_unit_api_request(&admin, method, uri, NULL, body,
                                 strlen(body));

        fault = (!*retried && rnd(8) == 0)
                ? (rnd(2) ? MDM_UNIT_FAULT_AFTER : MDM_UNIT_FAULT_BEFORE)
                : MDM_UNIT_FAULT_NONE;

        if (fault == MDM_UNIT_FAULT_AFTER) {
            *retried = 1;
        }

        redis->fault = lose;
        mdm_unit_redis_run(redis, x);
        redis->fault = NULL;

        if (x->status != 503) {
            return x;
        }

        assert_int_not_equal(fault, MDM_UNIT_FAULT_NONE);

        mdm_arena_destroy(x->arena);
    }
}


static int
find(channel_t *ch, int command)
{
    mdm_uint_t  i;

    for (i = 0; i < ch->n; i++) {
        if (ch->queue[i] == command) {
            return (int) i;
        }
    }

    return -1;
}


static void
take(channel_t *ch, int command)
{
    int  i;

    i = find(ch, command);

    if (i == -1) {
        return;
    }

    ch->n--;
    memmove(&ch->queue[i], &ch->queue[i + 1],
            (ch->n - (mdm_uint_t) i) * sizeof(int));
    ch->refused[command] = 0;
}


/* a list of some channels, some of them twice, maybe one that is none */

static char *
some_ids(int *chosen, int *stranger)
{
    mdm_uint_t   i;
    static char  list[1024];

    memset(chosen, 0, CHANNELS * sizeof(int));
    *stranger = 0;
    list[0] = '\0';

    for (i = 1 + rnd(CHANNELS + 2); i != 0; i--) {

        if (list[0] != '\0') {
            strcat(list, ",");
        }

        if (rnd(12) == 0) {
            strcat(list, "stranger");
            *stranger = 1;
            continue;
        }

        uint32_t  c = rnd(CHANNELS);

        strcat(list, channels[c].id);
        chosen[c] = 1;
    }

    return list;
}


static void
do_enqueue(void)
{
    int              c, k, chosen[CHANNELS], stranger, total, failed;
    char             uri[1200], place[64];
    channel_t       *ch;
    mdm_uint_t       retried;
    const char      *want, *got;
    mdm_exchange_t  *x;

    (void) snprintf(uri, sizeof(uri), "/v1/enqueue/%s",
                    some_ids(chosen, &stranger));

    k = (int) rnd(COMMANDS);
    x = api(MDM_PUT, uri, bodies[k], &retried);

    failed = stranger;
    total = stranger;

    for (c = 0; c < CHANNELS; c++) {

        if (!chosen[c]) {
            continue;
        }

        ch = &channels[c];
        total++;
        want = "";

        if (find(ch, k) == -1 && !ch->done[k]) {

            if (ch->n == LIMIT) {
                want = "the queue is full";
                failed++;

            } else {
                ch->queue[ch->n++] = k;
            }
        }

        (void) snprintf(place, sizeof(place), "status/%.15s/command_error",
                        ch->id);

        got = mdm_unit_api_text(x, place);
        assert_string_equal(got, want);
    }

    assert_int_equal(x->status, (failed == 0) ? 200
                                : (failed == total) ? 500 : 207);

    mdm_arena_destroy(x->arena);
}


static void
do_clear(void)
{
    int              c, chosen[CHANNELS], stranger, total;
    char             uri[1200];
    mdm_uint_t       retried;
    mdm_exchange_t  *x;

    (void) snprintf(uri, sizeof(uri), "/v1/queue/%s",
                    some_ids(chosen, &stranger));

    x = api(MDM_DELETE, uri, "", &retried);

    total = stranger;

    for (c = 0; c < CHANNELS; c++) {
        if (chosen[c]) {
            total++;
            channels[c].n = 0;
            memset(channels[c].refused, 0, sizeof(channels[c].refused));
        }
    }

    assert_int_equal(x->status, !stranger ? 204 : (total == 1) ? 500 : 207);

    mdm_arena_destroy(x->arena);
}


static void
do_delete(void)
{
    int              k;
    char             uri[128];
    channel_t       *ch;
    mdm_uint_t       retried;
    mdm_exchange_t  *x;

    ch = &channels[rnd(CHANNELS)];
    k = (ch->n != 0 && rnd(4) != 0) ? ch->queue[rnd((uint32_t) ch->n)]
                                    : (int) rnd(COMMANDS);

    (void) snprintf(uri, sizeof(uri), "/v1/queue/%.15s/U%d", ch->id, k);

    x = api(MDM_DELETE, uri, "", &retried);

    if (retried) {

        /* the one whose reply was lost has done it */

        assert_int_equal(x->status, 404);

    } else {
        assert_int_equal(x->status, (find(ch, k) != -1) ? 204 : 404);
    }

    take(ch, k);

    mdm_arena_destroy(x->arena);
}


/* a message of a device; what it is given is what the model says */

static void
do_device(void)
{
    int              k, want, want2;
    char             body[1024], *user, expect[64];
    channel_t       *ch;
    mdm_uint_t       i, c, s, n;
    mdm_str_t        name;
    mdm_exchange_t  *x;

    static const char  *statuses[] = {
        "Idle", "Acknowledged", "Error", "CommandFormatError", "NotNow"
    };

    c = rnd(CHANNELS);
    ch = &channels[c];
    s = rnd(5);

    k = (ch->n != 0 && rnd(8) != 0) ? ch->queue[rnd(3) ? 0
                                                : rnd((uint32_t) ch->n)]
                                    : (int) rnd(COMMANDS);

    user = strchr(ch->id, ':');
    n = (user != NULL) ? (mdm_uint_t) (user - ch->id) : strlen(ch->id);

    (void) snprintf(body, sizeof(body), "<plist version=\"1.0\"><dict>"
                    "<key>UDID</key><string>%.*s</string>%s%s%s"
                    "<key>Status</key><string>%s</string>"
                    "<key>CommandUUID</key><string>U%d</string>"
                    "</dict></plist>", (int) n, ch->id,
                    user ? "<key>UserID</key><string>" : "",
                    user ? user + 1 : "", user ? "</string>" : "",
                    statuses[s], k);

    x = mdm_exchange_create(&device);
    assert_non_null(x);

    x->kind = MDM_KIND_CONNECT;
    x->method = MDM_PUT;
    x->now = MDM_UNIT_NOW;
    mdm_str_set(&x->tenant, "default");
    x->body.data = (u_char *) body;
    x->body.len = strlen(body);
    x->identity.source = MDM_IDENTITY_TLS;
    mdm_str_set(&x->identity.digest, CERT);

    mdm_endpoint_find(x);
    mdm_unit_redis_run(redis, x);

    want = -1;

    if (s == 4) {

        if (find(ch, k) != -1) {
            ch->refused[k]++;
        }

        for (i = 0; i < ch->n; i++) {
            if (!ch->refused[ch->queue[i]]) {
                want = ch->queue[i];
                break;
            }
        }

    } else {

        if (s != 0 && !ch->done[k]) {
            take(ch, k);
            ch->done[k] = 1;
        }

        if (ch->n != 0) {
            want = ch->queue[0];
        }
    }

    assert_int_equal(x->status, 200);

    if (want == -1) {
        assert_int_equal(x->response.len, 0);

    } else {
        want2 = want;
        (void) snprintf(expect, sizeof(expect), "<string>U%d</string>",
                        want2);

        name.data = (u_char *) bodies[want];
        name.len = strlen(bodies[want]);

        assert_true(mdm_str_eq(&x->response, &name));
        assert_non_null(strstr(bodies[want], expect));
    }

    mdm_arena_destroy(x->arena);
}


/* the whole of what is in Redis against the whole of the model */

static void
check(void)
{
    int              k;
    char             uri[64], tag[64], text[16];
    json_t          *list;
    long long        refs;
    mdm_uint_t       c, i, p, held, commands;
    channel_t       *ch;
    redisReply      *reply;
    mdm_exchange_t  *x;

    for (c = 0; c < CHANNELS; c++) {
        ch = &channels[c];

        (void) snprintf(uri, sizeof(uri), "/v1/queue/%.15s", ch->id);

        x = mdm_unit_api_request(&admin, MDM_GET, uri, NULL, "", 0);
        mdm_unit_redis_run(redis, x);

        assert_int_equal(x->status, 200);

        list = json_object_get(mdm_unit_api_json(x), "commands");
        assert_int_equal(json_array_size(list), ch->n);

        for (i = 0; i < ch->n; i++) {
            (void) snprintf(text, sizeof(text), "U%d", ch->queue[i]);

            assert_string_equal(json_string_value(mdm_unit_api_at(
                                  json_array_get(list, i), "command_uuid")),
                                text);
            assert_int_equal(json_integer_value(mdm_unit_api_at(
                                  json_array_get(list, i), "not_now/tally")),
                             ch->refused[ch->queue[i]]);
        }

        mdm_arena_destroy(x->arena);

        /* nothing is left behind of what is not queued */

        held = 0;

        for (i = 0; i < ch->n; i++) {
            held += (ch->refused[ch->queue[i]] != 0);
        }

        (void) snprintf(tag, sizeof(tag), "mdm:{default/%lu}",
                        (unsigned long) ch->partition);

        assert_int_equal(mdm_unit_redis_int(redis, "HLEN %s:nn:%s", tag,
                                            ch->id), held);
        assert_int_equal(mdm_unit_redis_int(redis, "LLEN %s:q:%s", tag,
                                            ch->id),
                         (ch->n != 0) ? ch->n - 1 : 0);
        assert_int_equal(mdm_unit_redis_int(redis, "HEXISTS %s:e:%s q", tag,
                                            ch->id), ch->n != 0);

        held = 0;

        for (k = 0; k < COMMANDS; k++) {
            held += (mdm_uint_t) ch->done[k];
        }

        assert_int_equal(mdm_unit_redis_int(redis, "ZCARD %s:done:%s", tag,
                                            ch->id), held);
    }

    /* a command lives as long as it has references, and has the right number */

    for (p = 0; p < PARTITIONS; p++) {

        (void) snprintf(tag, sizeof(tag), "mdm:{default/%lu}",
                        (unsigned long) p);

        commands = 0;

        for (k = 0; k < COMMANDS; k++) {
            refs = 0;

            for (c = 0; c < CHANNELS; c++) {
                refs += (channels[c].partition == p
                         && find(&channels[c], k) != -1);
            }

            assert_int_equal(mdm_unit_redis_int(redis, "HGET %s:c:U%d refs",
                                                tag, k), refs);
            commands += (refs != 0);
        }

        reply = mdm_unit_redis_command(redis, "KEYS %s:c:*", tag);
        assert_int_equal(reply->elements, commands);
        freeReplyObject(reply);
    }
}


static void
prepare(void)
{
    char             body[1024], *user;
    mdm_str_t        id;
    mdm_uint_t       c, n;
    channel_t       *ch;
    mdm_exchange_t  *x;

    mdm_unit_redis_clean(redis);
    memset(channels, 0, sizeof(channels));

    for (c = 0; c < CHANNELS; c++) {
        ch = &channels[c];

        if (c < DEVICES) {
            (void) snprintf(ch->id, sizeof(ch->id), "dev-%lu",
                            (unsigned long) c);

        } else {
            (void) snprintf(ch->id, sizeof(ch->id), "dev-%lu:u",
                            (unsigned long) (c - DEVICES));
        }

        user = strchr(ch->id, ':');
        n = (user != NULL) ? (mdm_uint_t) (user - ch->id) : strlen(ch->id);

        id.data = (u_char *) ch->id;
        id.len = n;
        ch->partition = mdm_partition(&id, PARTITIONS);

        (void) snprintf(body, sizeof(body), "<plist><dict>"
                        "<key>MessageType</key><string>TokenUpdate</string>"
                        "<key>UDID</key><string>%.*s</string>%s"
                        "<key>Topic</key><string>t</string>"
                        "<key>PushMagic</key><string>m</string>"
                        "<key>Token</key><data>eA==</data></dict></plist>",
                        (int) n, ch->id,
                        user ? "<key>UserID</key><string>u</string>" : "");

        x = mdm_unit_api_request(&admin, MDM_PUT, "/migration", NULL, body,
                                 strlen(body));
        mdm_unit_redis_run(redis, x);
        assert_int_equal(x->status, 200);
        mdm_arena_destroy(x->arena);

        if (user == NULL) {
            freeReplyObject(mdm_unit_redis_command(redis, "HSET "
                            "mdm:{default/%lu}:e:%s cert %s",
                            (unsigned long) ch->partition, ch->id, CERT));
        }
    }
}


static void
test_model(void **state)
{
    int          k;
    char         uuid[16];
    mdm_uint_t   i, run;

    redis = *state;

    admin = mdm_unit_api_settings();
    mdm_unit_store.partitions = PARTITIONS;
    admin.queue_limit = LIMIT;

    device = admin;
    device.queue_limit = 1000;             /* tombstones that are kept */

    arena = mdm_arena_create(65536);
    assert_non_null(arena);

    for (k = 0; k < COMMANDS; k++) {
        (void) snprintf(uuid, sizeof(uuid), "U%d", k);
        bodies[k] = mdm_unit_api_command(arena, uuid, "ProfileList");
    }

    for (run = 0; run < RUNS; run++) {

        seed = (uint32_t) run + 1;

        if (getenv("TEST_SEED") != NULL) {
            seed = (uint32_t) strtoul(getenv("TEST_SEED"), NULL, 10)
                   + (uint32_t) run;
        }

        print_message("seed %lu\n", (unsigned long) seed);

        prepare();

        for (i = 0; i < STEPS; i++) {

            switch (rnd(12)) {

            case 0:
                do_clear();
                break;

            case 1:
                do_delete();
                break;

            case 2: case 3: case 4: case 5:
                do_enqueue();
                break;

            default:
                do_device();
            }

            if (i % CHECK == 0) {
                check();
            }
        }

        check();

        /* and when all is cleared, no command is left */

        for (k = 0; k < CHANNELS; k++) {
            mdm_uint_t       retried;
            char             uri[64];
            mdm_exchange_t  *x;

            (void) snprintf(uri, sizeof(uri), "/v1/queue/%.15s",
                            channels[k].id);
            x = api(MDM_DELETE, uri, "", &retried);
            assert_int_equal(x->status, 204);
            mdm_arena_destroy(x->arena);
            channels[k].n = 0;
            memset(channels[k].refused, 0, sizeof(channels[k].refused));
        }

        check();
    }

    mdm_arena_destroy(arena);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_model)
    };

    return cmocka_run_group_tests(tests, mdm_unit_redis_setup,
                                  mdm_unit_redis_teardown);
}
