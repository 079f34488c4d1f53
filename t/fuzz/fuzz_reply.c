
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes what Redis answers: every step (check-in messages, connect, the API,
 * mdm_auth, jobs) gets replies of random shapes, and true ones with something
 * changed in them.  Nothing but an answer, or 500, may come of it, within a
 * bounded number of rounds.  The input chooses; where it ends, a generator
 * that it has seeded goes on.
 *
 * t/unit/test_reply.c includes this file, and runs it without libFuzzer.
 */


#include <stdio.h>
#include <stdlib.h>

#include "enroll.h"
#include "http.h"
#include "mdm_auth.h"
#include "mdm_ddm_rollout.h"
#include "mdm_hook.h"
#include "mdm_hook_job.h"
#include "mdm_api.h"
#include "mdm_checkin.h"
#include "mdm_endpoint.h"
#include "mdm_gauges.h"


#define FUZZ_ROUNDS           25000
#define FUZZ_CALLS            256
#define FUZZ_LENGTH           64
#define FUZZ_DEPTH            4


typedef struct fuzz_block_s  fuzz_block_t;

struct fuzz_block_s {
    fuzz_block_t             *next;
};


typedef struct {
    const uint8_t            *data;
    const uint8_t            *last;
    uint64_t                  seed;
    fuzz_block_t             *blocks;      /* of the replies */
    mdm_uint_t                stubborn;    /* 1: every call is answered the
                                              same, so that what goes on until
                                              a reply ends it does not end */
    mdm_reply_t              *same;
} fuzz_t;


typedef struct {
    const char               *script;
    const char               *reply;       /* i: integer, F: MDM_SCRIPT_FULL,
                                              s: string, K: FUZZ_ENROLL_KEY,
                                              "[…]": array, "*": what stands
                                              before it some times more */
} fuzz_shape_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static uint64_t fuzz_next(fuzz_t *f, uint64_t n);
static void *fuzz_alloc(fuzz_t *f, size_t size);
static mdm_reply_t *fuzz_new(fuzz_t *f, mdm_reply_e type);
static void fuzz_string(fuzz_t *f, mdm_reply_t *reply, mdm_call_t *call);
static mdm_reply_t *fuzz_any(fuzz_t *f, mdm_call_t *call, int depth);
static mdm_reply_t *fuzz_true(fuzz_t *f, mdm_call_t *call, const char **p);
static void fuzz_reader(const mdm_reply_t *reply);
static void fuzz_args(const mdm_call_t *call);
static void fuzz_answer(fuzz_t *f, mdm_call_t *call);
static void fuzz_push(fuzz_t *f, mdm_call_t *call);
static void fuzz_run(fuzz_t *f, mdm_exchange_t *x);
static void fuzz_device(fuzz_t *f, mdm_exchange_t *x);
static void fuzz_api(fuzz_t *f, mdm_exchange_t *x);
static void fuzz_enroll(fuzz_t *f, mdm_exchange_t *x);
static void fuzz_other(fuzz_t *f, mdm_exchange_t *x);


/* replies since the start, and the step that has a bug to be found */

static unsigned long  fuzz_replies;
static mdm_step_pt    fuzz_planted;


static const mdm_str_t  fuzz_index[] = { mdm_string("device.model.family") };

static mdm_store_settings_t  fuzz_store = {
    .partitions = 4,
    .status_index = fuzz_index,
    .nstatus_index = 1
};

static mdm_webhook_t  fuzz_webhook = {
    .name = mdm_string("hook"),
    .url = mdm_string("https://hook.example/"),
    .topics = UINT64_MAX,
    .payload = 1
};

static mdm_settings_t  fuzz_settings = {
    .store = &fuzz_store,
    .queue_limit = 1000,
    .result_ttl = 3600,
    .event_limit = 1000,
    .webhooks = &fuzz_webhook,
    .nwebhooks = 1,
    .event_hold = 1000,
    .keep_certificate = 1,
    .api_ids = 100,
    .status_reports = 10,
    .status_errors = 10,
    .push = 1,
    .push_wait = 1000,
    .push_expiration = 3600,
    .push_window = 10000,
    .push_ids = 100,
    .push_rate = 1000,
    .push_burst = 2000,
    .push_retry = { 120, 900 },
    .npush_retry = 2,
    .plist_depth = 32,
    .plist_nodes = 5000,
    .challenge_ttl = 3600,
    .challenge_limit = 1000,
    .enrollments = enrollments,
    .nenrollments = 1
};


static const fuzz_shape_t  fuzz_shapes[] = {
    { "adopt_look", "[issss]" },
    { "auth", "[is]" },
    { "authenticate_check", "[ississsis]" },
    { "block_get", "[sss]" },
    { "bootstrap_get", "[is]" },
    { "certificate_find", "[s]" },
    { "certificate_get", "[isssssssssssss]" },
    { "certificate_halves", "[i(sssssssssss)*]" },
    { "certificate_number", "[is]" },
    { "certificate_store", "[is]" },
    { "certificates_index", "[(s)*]" },
    { "certificates_list", "[si(ssss)*]" },
    { "challenge_done", "[is]" },
    { "challenge_get", "[ii]" },
    { "challenge_index", "[is]" },
    { "challenge_list", "[s(ssssssss)*]" },
    { "challenge_look", "[iss]" },
    { "challenge_look", "[issssssss]" },
    { "challenge_made", "[issss]" },
    { "challenge_take", "[iss]" },
    { "challenge_take", "[issssssss]" },
    { "claim", "[isssss]" },
    { "claim_get", "[ssssss]" },
    { "command_get", "[isss]" },
    { "command_get", "[issssis]" },
    { "ddm_assign", "[Fsi]" },
    { "ddm_assign", "[iiii]" },
    { "ddm_assignment", "[i(ss)*]" },
    { "ddm_body", "[iss]" },
    { "ddm_changes", "[iiis(sssss)*]" },
    { "ddm_client", "[isssssss]" },
    { "ddm_declaration_get", "[isss]" },
    { "ddm_device", "[iss]" },
    { "ddm_facts", "[iss]" },
    { "ddm_get", "[issssi]" },
    { "ddm_items", "[issss(s)*]" },
    { "ddm_job", "[iiiii]" },
    { "ddm_job_get", "[isssissssss]" },
    { "ddm_list", "[(s)*]" },
    { "ddm_manifest", "[isssis(ss)*]" },
    { "ddm_rev", "[iii]" },
    { "ddm_scan", "[iiiii]" },
    { "ddm_set_get", "[is]" },
    { "ddm_sets_of", "[ii(s)*]" },
    { "ddm_state", "[iiii]" },
    { "ddm_status", "[iisisiii]" },
    { "ddm_tokens", "[isss]" },
    { "ddm_types", "[(ss)*]" },
    { "ddm_watcher_get", "[(ss)*]" },
    { "ddm_watchers", "[ss]" },
    { "ddm_declaration_put", "[Fsi]" },
    { "ddm_notify", "[Fsi]" },
    { "enqueue", "[Fsi]" },
    { "enqueue", "[iii[(iissss)*](ii)*]" },
    { "enrollment_block", "[is]" },
    { "enrollment_get",
      "[i[ssssssssssssss][sssssssssssssssssss][iiiii][(s)*]ss[ssssssi]]" },
    { "forget_start", "[iss]" },
    { "hook_ack", "[iii[(s)*]i]" },
    { "hook_info", "[(sisssssssss)*]" },
    { "hook_look", "[ii[(s)*][(s)*]iii]" },
    { "hook_replay", "[ii]" },
    { "hook_start", "[(s)*]" },
    { "hook_take", "[iiiii[(ssssssssssssi)*]]" },
    { "forget_start", "[isssss]" },
    { "enrollment_query", "[iis([sssssssssss])*]" },
    { "gauges_get", "[siisii[(s)*]iis[(sss)*](sss)*]" },
    { "gauges_read", "[isiiiisi[(sis)*]]" },
    { "idle", "[isss]" },
    { "idle", "[isssssss]" },
    { "link_fetch", "[isss]" },
    { "link_index", "[is]" },
    { "link_list", "[s(ssssssss)*]" },
    { "link_state", "[iii]" },
    { "listed_find", "[s]" },
    { "meta_seal", "[si]" },
    { "meta_seal_get", "[Ki]" },
    { "migrate", "[Fsi]" },
    { "migrate", "[isiiii]" },
    { "owned_get", "[isss]" },
    { "owned_list", "[(s)*]" },
    { "push_cert_get", "[(ssssssss)*]" },
    { "push_cert_read", "[(sssssss)*]" },
    { "push_done", "[(i)*]" },
    { "push_ask", "[(iissss)*]" },
    { "push_grant", "[iii]" },
    { "push_probe", "[i]" },
    { "push_stop", "[i]" },
    { "push_take", "[i(ssssss)*]" },
    { "push_topics", "[(s)*]" },
    { "queue_clear", "[ii(i)*]" },
    { "queue_list", "[is(sssss)*]" },
    { "renewal_built", "[is]" },
    { "renewal_due", "[iii]" },
    { "report", "[issssssisi]" },
    { "serial_get", "[i(s)*]" },
    { "status_get", "[is[s(ss)*]]" },
    { "status_get", "[is[s(ss)*][s(ss)*]]" },
    { "status_get", "[is[sssss]]" },
    { "status_get", "[is[i]]" },
    { "status_get", "[is[(s)*]]" },
    { "status_get", "[is[s(s)*]]" },
    { "status_query", "[is(ss)*]" },
    { "status_report", "[ississ]" },
    { "status_scan", "[s(s)*]" },
    { "setup_due", "[ii(s)*]" },
    { "setup_facts", "[sisssss(s)*]" },
    { "setup_get", "[s]" },
    { "setup_list", "[(ss)*]" },
    { "setup_names", "[(s)*]" },
    { "setup_start", "[iii]" },
    { "token_update", "[iiiiiii]" },
    { "token_update", "[iiiiiii[sisssss(s)*]]" },
    { "transaction_get", "[s]" },
    { "work_take", "[i[(i)*][(s)*]]" },
    { "", "[i]" },
    { "", "[ii]" },
    { "", "[is]" }
};


/* words that something is looked for in */

static const char  *fuzz_words[] = {
    "", "0", "1", "-1", "A", "B", "A:B", "9223372036854775807",
    "-9223372036854775808", "18446744073709551616", "1700000000",
    "1700000000000000", "1700000000000000 \"x\"", "1700000000 {",
    "1700000000000000 z", " ", "/", "-", "%", "%2", "%zz", "created", "kept",
    "Device", "first:1", "1700000000:1", ":", "s:A", "t:A", "v:A", "sub",
    "set", "configuration/A", "management/A", "activation/", "asset/B",
    "owed", ("{\"steps\":[{\"command\":{\"RequestType\":\"${A}\"}},1,"
             "{\"command_plist\":\"AAAA\"}],\"set\":\"A\",\"timeout\":5}"),
    "[]", "{}", "[\"a\",1,{}]", "{\"a\":\"b\"}", "null", "[[[[[[[[[[",
    "{\"w\":{\"items\":[\"a\",1],\"set\":\"b\"}}", "s17", "16,,17",
    "{\"Declarations\":{\"Assets\":[{\"Identifier\":\"A\"},1]}}",
    "{\"items\":[\"a\",1],\"set\":\"b\"}", "{\"items\":{},\"set\":[]}",
    "{\"identifier\":\"A\",\"active\":true,\"server-token\":\"x\"}",
    "[{\"identifier\":\"A\",\"valid\":\"valid\",\"server-token\":\"t\"}]",
    "com.apple.configuration.passcode.settings",
    "com.apple.activation.simple", "x\xff\xfe", "\xc3", "a.b.c", "${udid}",
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict></dict></plist>",
    "{\"StandardConfigurations\":[\"${A}\"]}", "Acknowledged", "1 A", "ota",
    "{\"udid\":\"A\",\"serial\":\"C02A\",\"enrollment\":\"main\"}",
    "{\"gives\":\"s:A\",\"asset\":\"A\"}", "lost", "follow", FUZZ_ENROLL_KEY
};


static const char  *fuzz_ids[] = {
    "A", "A,B,C,D,E,F", "A:B", "A%20b", "A,A,%00,,", "sets", "main"
};


static const char  *fuzz_queries[] = {
    "", "", "", "set=A", "tag=A", "variable=A&value=b", "set=A&nonotify=1",
    "declaration=A", "declaration=A&set=B&id=C&id=D", "limit=1",
    "include_device_cert=1&include_unlock_token=1", "prefix=a&offset=1",
    "limit=3&offset=2", "id=A", "index=1", "cursor=MCwwLA", "serial=C02A",
    "format=json", "raw=1", "validate=0"
};


static const char  *fuzz_bodies[] = {
    "",
    "{}",
    "{\"filter\":{\"serials\":[\"A\",\"B\",\"C\"]}}",
    "{\"filter\":{\"ids\":[\"A\",\"B\",\"C\",\"D\"],\"enabled\":true},"
    "\"options\":{\"include_device_cert\":true}}",
    "{\"filter\":{\"serials\":[\"A\"],\"ids\":[\"A\"]}}",
    "{\"filter\":{\"types\":[\"Device\"]}}",
    "{\"item\":\"device.model.family\",\"op\":\"=\",\"value\":\"Mac\"}",
    "{\"item\":\"device.model.family\",\"value\":\"Mac\"}",
    "{\"items\":[\"device.model.family\"],\"set\":\"A\"}",
    "[\"device.model.family\"]",
    "{\"a\":\"b\",\"c\":null}",
    "{\"platform\":[\"iPhone\"]}",
    "{\"Type\":\"com.apple.configuration.passcode.settings\","
    "\"Identifier\":\"A\",\"Payload\":{\"RequirePasscode\":true}}",
    "{\"Type\":\"com.apple.activation.simple\",\"Identifier\":\"A\","
    "\"Payload\":{\"StandardConfigurations\":[\"B\"]}}",
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>"
    "<key>CommandUUID</key><string>U</string><key>Command</key><dict>"
    "<key>RequestType</key><string>DeviceLock</string></dict></dict></plist>",
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>"
    "<key>MessageType</key><string>Authenticate</string>"
    "<key>UDID</key><string>A</string><key>Topic</key><string>T</string>"
    "<key>SerialNumber</key><string>C02A</string></dict></plist>",
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>"
    "<key>MessageType</key><string>TokenUpdate</string>"
    "<key>UDID</key><string>A</string><key>Topic</key><string>T</string>"
    "<key>PushMagic</key><string>M</string><key>Token</key><data>AQID</data>"
    "</dict></plist>",
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>"
    "<key>MessageType</key><string>SetBootstrapToken</string>"
    "<key>UDID</key><string>A</string>"
    "<key>BootstrapToken</key><data>AQID</data></dict></plist>"
};


static const char  *fuzz_messages[] = {
    "<key>Topic</key><string>T</string>"
    "<key>SerialNumber</key><string>C02A</string>",
    "<key>Topic</key><string>T</string><key>PushMagic</key>"
    "<string>M</string><key>Token</key><data>AQID</data>"
    "<key>UnlockToken</key><data>AQID</data>",
    "<key>BootstrapToken</key><data>AQID</data>",
    "<key>Endpoint</key><string>tokens</string>",
    "<key>Endpoint</key><string>declaration-items</string>",
    "<key>Endpoint</key><string>declaration/configuration/A</string>",
    "<key>Endpoint</key><string>declaration/activation/A/B</string>",
    "<key>Endpoint</key><string>declaration/management/A.properties</string>",
    "<key>Endpoint</key><string>declaration/configuration/"
    "com.github.ngx-mdm.subscriptions</string>",
    "<key>Endpoint</key><string>status</string><key>Data</key><data>"
    "eyJTdGF0dXNJdGVtcyI6eyJkZXZpY2UiOnsibW9kZWwiOnsiZmFtaWx5IjoiTWFjIn19fX0="
    "</data>",
    "<key>TokenServiceType</key><string>com.apple.maid</string>",
    ""
};


static const char  *fuzz_results[] = {
    "<key>Status</key><string>Idle</string>",
    "<key>Status</key><string>Acknowledged</string>"
    "<key>CommandUUID</key><string>U</string>",
    "<key>Status</key><string>NotNow</string>"
    "<key>CommandUUID</key><string>U</string>",
    "<key>Status</key><string>Error</string>"
    "<key>CommandUUID</key><string>U</string>",
    "<key>Status</key><string>Acknowledged</string>"
    "<key>CommandUUID</key><string>U</string><key>QueryResponses</key><dict>"
    "<key>OSVersion</key><string>26.1</string></dict>",
    "<key>Status</key><string>Strange</string>"
    "<key>CommandUUID</key><string>U</string>"
};


#define fuzz_choose(f, list)                                                  \
    (list)[fuzz_next(f, sizeof(list) / sizeof((list)[0]))]


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t           i;
    fuzz_t           f;
    fuzz_block_t    *block;
    mdm_exchange_t  *x;

    f.data = data;
    f.last = data + size;
    f.seed = 0x9e3779b97f4a7c15;
    f.blocks = NULL;
    f.same = NULL;

    for (i = 0; i < size; i++) {
        f.seed = (f.seed ^ data[i]) * 0x100000001b3;
    }

    x = mdm_exchange_create(&fuzz_settings);
    if (x == NULL) {
        abort();
    }

    x->now = 1700000000;
    mdm_str_set(&x->tenant, "default");

    f.stubborn = (fuzz_next(&f, 48) == 0);

    if (fuzz_planted != NULL) {
        x->kind = MDM_KIND_JOB;
        x->step = fuzz_planted;

    } else {

        switch (fuzz_next(&f, 8)) {

        case 0:
        case 1:
        case 2:
            fuzz_device(&f, x);
            break;

        case 3:
            fuzz_other(&f, x);
            break;

        default:
            fuzz_api(&f, x);
        }
    }

    fuzz_run(&f, x);

    mdm_arena_destroy(x->arena);

    while (f.blocks != NULL) {
        block = f.blocks;
        f.blocks = block->next;
        free(block);
    }

    return 0;
}


/* 0 to n - 1 */

static uint64_t
fuzz_next(fuzz_t *f, uint64_t n)
{
    if (f->data != f->last && n <= 256) {
        return *f->data++ % n;
    }

    /* xorshift64* */

    f->seed += (f->seed == 0);
    f->seed ^= f->seed >> 12;
    f->seed ^= f->seed << 25;
    f->seed ^= f->seed >> 27;

    return ((f->seed * 0x2545f4914f6cdd1d) >> 11) % n;
}


/* each by itself, so that what lies behind it is nobody's */

static void *
fuzz_alloc(fuzz_t *f, size_t size)
{
    fuzz_block_t  *block;

    block = calloc(1, sizeof(fuzz_block_t) + size);
    if (block == NULL) {
        abort();
    }

    block->next = f->blocks;
    f->blocks = block;

    return block + 1;
}


static mdm_reply_t *
fuzz_new(fuzz_t *f, mdm_reply_e type)
{
    mdm_reply_t  *reply;

    reply = fuzz_alloc(f, sizeof(mdm_reply_t));
    reply->type = type;

    return reply;
}


static void
fuzz_string(fuzz_t *f, mdm_reply_t *reply, mdm_call_t *call)
{
    size_t      i, len;
    u_char     *p;
    mdm_str_t   s;

    switch (fuzz_next(f, 6)) {

    case 0:
        len = fuzz_next(f, FUZZ_LENGTH);
        break;

    case 1:
        len = fuzz_next(f, 40) ? 0 : 70000;
        break;

    case 2:

        /* what the script was asked about comes back */

        if (call->nargs != 0) {
            s = call->args[fuzz_next(f, call->nargs)];

            if (s.len != 0 && s.len < 4096) {
                p = fuzz_alloc(f, s.len);
                memcpy(p, s.data, s.len);

                reply->str.data = p;
                reply->str.len = s.len;

                return;
            }
        }

        /* fall through */

    default:
        s.data = (u_char *) fuzz_choose(f, fuzz_words);
        s.len = strlen((char *) s.data);

        p = fuzz_alloc(f, s.len);
        memcpy(p, s.data, s.len);

        reply->str.data = p;
        reply->str.len = s.len;

        return;
    }

    p = fuzz_alloc(f, len);

    for (i = 0; i < len; i++) {
        p[i] = (u_char) (i < FUZZ_LENGTH ? fuzz_next(f, 256) : 'x');
    }

    reply->str.data = p;
    reply->str.len = len;
}


static mdm_reply_t *
fuzz_any(fuzz_t *f, mdm_call_t *call, int depth)
{
    size_t        i, n;
    mdm_reply_t  *reply;

    static const int64_t  integers[] = {
        0, 1, 2, 3, 4, 5, 404, 1000, -1, -2, -3, -4, -5, -6, -7, INT64_MAX,
        INT64_MIN, UINT32_MAX, INT32_MIN
    };

    reply = fuzz_new(f, MDM_REPLY_NIL);

    switch (fuzz_next(f, depth < FUZZ_DEPTH ? 6 : 4)) {

    case 0:
        reply->type = (mdm_reply_e) (fuzz_next(f, 8) || depth == 0
                                     ? MDM_REPLY_NIL : MDM_REPLY_ERROR);
        break;

    case 1:
        reply->type = MDM_REPLY_INTEGER;
        reply->integer = fuzz_choose(f, integers);
        break;

    case 2:
    case 3:
        reply->type = MDM_REPLY_STRING;
        fuzz_string(f, reply, call);
        break;

    default:
        n = fuzz_next(f, depth == 0 ? 16 : 8);

        reply->type = MDM_REPLY_ARRAY;
        reply->nelements = n;
        reply->elements = fuzz_alloc(f, n * sizeof(mdm_reply_t *));

        for (i = 0; i < n; i++) {
            reply->elements[i] = fuzz_any(f, call, depth + 1);
        }
    }

    return reply;
}


/* what the script says, with a change now and then */

static mdm_reply_t *
fuzz_true(fuzz_t *f, mdm_call_t *call, const char **p)
{
    size_t         n, times;
    const char    *again;
    mdm_reply_t   *reply, *list[256];

    if (fuzz_next(f, 24) == 0) {
        reply = fuzz_any(f, call, 1);

        if (**p != '[') {
            (*p)++;
            return reply;
        }
    }

    reply = fuzz_new(f, MDM_REPLY_ARRAY);

    switch (*(*p)++) {

    case 'i':
        reply->type = MDM_REPLY_INTEGER;
        reply->integer = (int64_t) fuzz_next(f, 4);

        if (fuzz_next(f, 12) == 0) {
            reply->integer = -(int64_t) fuzz_next(f, 8);
        }

        return reply;

    case 'F':
        reply->type = MDM_REPLY_INTEGER;
        reply->integer = MDM_SCRIPT_FULL;

        return reply;

    case 's':
        reply->type = MDM_REPLY_STRING;
        fuzz_string(f, reply, call);

        return reply;

    case 'K':
        reply->type = MDM_REPLY_STRING;
        mdm_str_set(&reply->str, FUZZ_ENROLL_KEY);

        return reply;

    default: /* '[' */
        break;
    }

    n = 0;
    again = NULL;
    times = fuzz_next(f, 9);

    while (**p != ']') {

        if (**p == '(') {
            again = ++*p;
            continue;
        }

        if (**p == ')') {
            *p = (times-- > 1 && n < 200) ? again : *p + 2;
            continue;
        }

        list[n++] = fuzz_true(f, call, p);
    }

    (*p)++;

    /* short of something, at times of all */

    if (fuzz_next(f, 12) == 0) {
        n = fuzz_next(f, n + 1);
    }

    reply->nelements = n;
    reply->elements = fuzz_alloc(f, n * sizeof(mdm_reply_t *));

    if (n != 0) {
        memcpy(reply->elements, list, n * sizeof(mdm_reply_t *));
    }

    return reply;
}


/* the reader: nothing but what is there, whatever is asked for */

static void
fuzz_reader(const mdm_reply_t *reply)
{
    size_t     i, k, n, size;
    mdm_str_t  s;

    static const size_t  slots[] = {
        0, 1, 2, 3, FUZZ_LENGTH, SIZE_MAX / 2, SIZE_MAX - 1, SIZE_MAX
    };

    size = mdm_reply_size(reply);

    for (k = 0; k < sizeof(slots) / sizeof(slots[0]) + 2; k++) {
        i = (k < 2) ? size - k : slots[k - 2];
        n = slots[size % (sizeof(slots) / sizeof(slots[0]))];

        s = mdm_reply_str(reply, i);

        if ((mdm_reply_at(reply, i) != NULL) != (i < size)
            || mdm_reply_row(reply, i, 0) != (i <= size)
            || mdm_reply_row(reply, i, 1) != (i < size)
            || (mdm_reply_row(reply, i, n) && (i > size || n > size))
            || (i >= size && (s.len != 0 || mdm_reply_int(reply, i, 7) != 7))
            || mdm_reply_count(reply, i, 3) < 0
            || mdm_reply_count(reply, i, 3) > 3)
        {
            abort();
        }
    }

    if (mdm_reply_code(reply, -99) != mdm_reply_int(reply, 0, -99)) {
        abort();
    }
}


/* as many as the script declares */

static void
fuzz_args(const mdm_call_t *call)
{
    if (call->nargs < call->script->nargs || call->nargs > call->script->most)
    {
        abort();
    }
}


static void
fuzz_answer(fuzz_t *f, mdm_call_t *call)
{
    size_t        i, n, own;
    const char   *p, *name[8];

    fuzz_replies++;

    fuzz_args(call);

    if (f->same != NULL) {
        call->rc = MDM_CALL_OK;
        call->reply = f->same;
        return;
    }

    switch (fuzz_next(f, 40)) {

    case 0:
        call->rc = MDM_CALL_UNAVAILABLE;
        return;

    case 1:
        call->rc = MDM_CALL_FAILED;
        return;
    }

    call->rc = MDM_CALL_OK;

    if (f->stubborn) {
        f->same = fuzz_true(f, call, &(const char *) { "[iiii]" });
        call->reply = f->same;
        return;
    }

    if (fuzz_next(f, 3) == 0) {
        call->reply = fuzz_any(f, call, 0);
        return;
    }

    n = 0;
    own = 0;

    for (i = 0; i < sizeof(fuzz_shapes) / sizeof(fuzz_shapes[0]); i++) {

        if (fuzz_shapes[i].script[0] == '\0'
            ? own == 0 : mdm_str_is(&call->script->name,
                                    fuzz_shapes[i].script))
        {
            own += (fuzz_shapes[i].script[0] != '\0');
            name[n++] = fuzz_shapes[i].reply;
        }
    }

    p = name[fuzz_next(f, n)];

    call->reply = fuzz_true(f, call, &p);
}


/* what APNs, or the way to it, makes of a push */

static void
fuzz_push(fuzz_t *f, mdm_call_t *call)
{
    mdm_push_t  *push;

    static const mdm_uint_t  statuses[] = { 200, 400, 403, 410, 429, 500, 0 };

    push = call->push;

    if (push->token.len == 0 || push->token.len > MDM_PUSH_TOKEN
        || push->payload.len > MDM_PUSH_PAYLOAD || push->apns_id.len != 36)
    {
        abort();
    }

    call->rc = (fuzz_next(f, 8) == 0) ? MDM_CALL_UNAVAILABLE : MDM_CALL_OK;

    push->outcome = (mdm_push_e) fuzz_next(f, MDM_PUSH_BUSY + 1);
    push->status = statuses[fuzz_next(f, 7)];

    if (fuzz_next(f, 2) == 0) {
        mdm_str_set(&push->reason, "Unregistered");
    }
}


static void
fuzz_run(fuzz_t *f, mdm_exchange_t *x)
{
    mdm_uint_t  i, round;

    for (round = 0; mdm_exchange_run(x) == MDM_CALL; round++) {

        if (round == FUZZ_ROUNDS || x->ncalls > FUZZ_CALLS) {
            fprintf(stderr, "%lu rounds, %lu calls: \"%.*s\" \"%.*s\"\n",
                    (unsigned long) round, (unsigned long) x->ncalls,
                    mdm_fmt(&x->calls[0].script->name), mdm_fmt(&x->path));
            abort();
        }

        for (i = 0; i < x->ncalls; i++) {

            if (x->calls[i].kind == MDM_CALL_KIND_WORK) {
                mdm_call_work(&x->calls[i]);
                continue;
            }

            if (x->calls[i].kind == MDM_CALL_KIND_PUSH) {
                fuzz_push(f, &x->calls[i]);
                continue;
            }

            if (x->calls[i].kind == MDM_CALL_KIND_HTTP) {
                fuzz_http(&x->calls[i], fuzz_next(f, 256), fuzz_next(f, 256));
                continue;
            }

            fuzz_answer(f, &x->calls[i]);
            fuzz_reader(x->calls[i].reply);
        }
    }

    if (x->status < 200 || x->status > 599
        || (x->response.len != 0 && x->response.data == NULL))
    {
        fprintf(stderr, "status %lu, %lu bytes: \"%.*s\" \"%.*s\"\n",
                (unsigned long) x->status, (unsigned long) x->response.len,
                mdm_fmt(&x->message), mdm_fmt(&x->path));
        abort();
    }

    /* what is sent, and logged, is there */

    for (i = 0; i < x->response.len; i++) {
        f->seed ^= x->response.data[i];
    }
}


static void
fuzz_device(fuzz_t *f, mdm_exchange_t *x)
{
    mdm_uint_t             n, connect;
    const char            *more;
    const mdm_endpoint_t  *ep;

    connect = (fuzz_next(f, 3) == 0);

    for (n = 0; mdm_checkin_endpoints[n].step != NULL; n++) {
        /* void */
    }

    ep = &mdm_checkin_endpoints[fuzz_next(f, n)];
    more = connect ? fuzz_choose(f, fuzz_results)
                   : fuzz_choose(f, fuzz_messages);

    if (mdm_printf(x->arena, &x->body, "<?xml version=\"1.0\"?>"
                   "<plist version=\"1.0\"><dict>%s<key>MessageType</key>"
                   "<string>%s</string><key>UDID</key><string>A</string>%s"
                   "</dict></plist>", more,
                   connect ? "x" : (char *) ep->name.data,
                   fuzz_next(f, 3) ? "" : "<key>UserID</key><string>"
                                          "11111111-2222-3333-4444-"
                                          "555555555555</string>")
        != MDM_OK)
    {
        abort();
    }

    x->kind = connect ? MDM_KIND_CONNECT : MDM_KIND_CHECKIN;
    x->method = MDM_PUT;
    x->identity.source = MDM_IDENTITY_TLS;
    mdm_str_set(&x->identity.digest, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    mdm_str_set(&x->identity.sha256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    mdm_str_set(&x->identity.der, "not a real one");

    fuzz_settings.reenroll = fuzz_next(f, 3);

    mdm_endpoint_find(x);
}


static void
fuzz_api(fuzz_t *f, mdm_exchange_t *x)
{
    u_char                *p;
    size_t                 len;
    mdm_uint_t             i, n;
    const char            *id;
    const mdm_endpoint_t  *ep;

    for (n = 0; mdm_api_endpoints[n].step != NULL; n++) {
        /* void */
    }

    ep = &mdm_api_endpoints[fuzz_next(f, n)];

    x->path.data = mdm_arena_alloc(x->arena, 256);
    if (x->path.data == NULL) {
        abort();
    }

    p = x->path.data;

    for (i = 0; i < ep->name.len; i++) {

        if (ep->name.data[i] != '*') {
            *p++ = ep->name.data[i];
            continue;
        }

        id = fuzz_choose(f, fuzz_ids);
        len = strlen(id);
        memcpy(p, id, len);
        p += len;
    }

    x->path.len = (size_t) (p - x->path.data);

    do {
        x->method = (mdm_uint_t) 1 << fuzz_next(f, 4);
    } while (!(ep->methods & x->method) && fuzz_next(f, 30));

    x->kind = MDM_KIND_API;

    x->query.data = (u_char *) fuzz_choose(f, fuzz_queries);
    x->query.len = strlen((char *) x->query.data);

    x->body.data = (u_char *) fuzz_choose(f, fuzz_bodies);
    x->body.len = strlen((char *) x->body.data);

    if (fuzz_next(f, 2)) {
        mdm_str_set(&x->content_type, "application/json");
    }

    mdm_endpoint_find(x);
}


/* somebody wants to enroll, by a link, ota or ade, and says what he should */

static void
fuzz_enroll(fuzz_t *f, mdm_exchange_t *x)
{
    fuzz_enroll_begin(x, fuzz_next(f, 4));

    x->head = fuzz_next(f, 4) == 0;

    fuzz_enroll_request(x, fuzz_next(f, 8));

    x->user_agent.data = (u_char *) fuzz_choose(f, fuzz_bodies);
    x->user_agent.len = strlen((char *) x->user_agent.data);

    mdm_endpoint_find(x);
}


#include "other.h"
