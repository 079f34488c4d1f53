
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lack of memory in an exchange: check-in, connect and the API.  Each request
 * is carried out once with a real redis-server, whose replies are kept; then
 * it is repeated with every allocation failing in turn and with these replies.
 * The calls it makes must be the same as far as it comes, and the answer the
 * same, or 500, or 503.
 */


#include "alloc.h"

#include "enrollment.h"
#include "mdm_auth.h"
#include "mdm_endpoint.h"
#include "mdm_profile.h"
#include "mdm_push_sweep.h"
#include "mdm_renew.h"
#include "mdm_unit_redis.h"


#define NOW       1700000000
#define CALLS     64

#define CERT_A    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                          \
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CERT_B    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"                          \
                  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define CHECKIN   MDM_KIND_CHECKIN
#define CONNECT   MDM_KIND_CONNECT

#define PLIST(keys)                                                           \
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>" keys               \
    "</dict></plist>"

#define MESSAGE(type, keys)                                                   \
    PLIST("<key>MessageType</key><string>" type "</string>" keys)

#define STRING(key, value)                                                    \
    "<key>" key "</key><string>" value "</string>"

#define UDID      STRING("UDID", "UDID-{1}")
#define USER      UDID STRING("UserID", "USER/1")                             \
                  STRING("UserShortName", "joe")

#define TOKEN     STRING("Topic", "com.apple.mgmt.X")                         \
                  STRING("PushMagic", "magic")                                \
                  "<key>Token</key><data>AQID</data>"                         \
                  "<key>UnlockToken</key><data>BAUG</data>"

#define REPORT(id, status, uuid)                                              \
    PLIST(id STRING("Status", status) STRING("CommandUUID", uuid))

#define COMMAND(uuid)                                                         \
    PLIST("<key>Command</key><dict>"                                          \
          STRING("RequestType", "DeviceInformation")                          \
          "<key>Queries</key><array><string>UDID</string>"                    \
          "<string>Nothing</string></array></dict>"                           \
          STRING("CommandUUID", uuid))


typedef struct {
    const char               *name;
    mdm_kind_e                kind;
    mdm_uint_t                method;
    const char               *path;
    const char               *query;
    const char               *type;
    const char               *body;
    const char               *cert;
} request_t;


typedef struct {
    const request_t          *request;
    mdm_call_e                rc[CALLS];
    mdm_reply_t              *replies[CALLS];
    size_t                    ncalls;

    size_t                    rounds[CALLS + 1];   /* where each one ends in
                                                      the trace */
    size_t                    nrounds;
    mdm_uint_t                status;
    char                      error[512];
} run_t;


static const mdm_str_t  status_item = mdm_string("device.model.family");

static mdm_store_settings_t  store_settings = {
    .partitions = 4,
    .status_index = &status_item,
    .nstatus_index = 1
};

static mdm_settings_t  settings = {
    .store = &store_settings,
    .validate = MDM_VALIDATE_WARN,
    .user_authenticate = MDM_USER_AUTHENTICATE_ACCEPT,
    .queue_limit = 20,
    .result_ttl = 3600,
    .event_limit = 1000,
    .event_payload = 1,
    .keep_certificate = 1,
    .api_ids = 100,
    .status_reports = 10,
    .status_errors = 10,
    .push = 1,
    .push_window = 10000,
    .challenge_ttl = 3600,
    .challenge_limit = 100000,
    .push_rate = 1000,
    .push_burst = 1000,
    .push_retry = { 120, 900 },
    .npush_retry = 2,
    .plist_depth = 32,
    .plist_nodes = 100000,
    .enrollments = enrollments,
    .nenrollments = 1
};

static mdm_unit_redis_t  *redis;
static mdm_arena_t       *kept;            /* replies */
static run_t              run;


static void
text(mdm_str_t *s, const char *value)
{
    s->data = (u_char *) value;
    s->len = (value != NULL) ? strlen(value) : 0;
}


static mdm_exchange_t *
start(const request_t *r)
{
    mdm_exchange_t  *x;

    static u_char    digest[32];

    x = mdm_exchange_create(&settings);

    if (x == NULL) {
        return NULL;
    }

    x->kind = r->kind;
    x->method = r->method;
    x->now = NOW;

    text(&x->tenant, "default");
    text(&x->path, r->path);
    text(&x->query, r->query);
    text(&x->content_type, r->type);
    text(&x->body, r->body);
    text(&x->remote_user, "admin");
    text(&x->remote_addr, "127.0.0.1");

    if (r->cert != NULL) {
        x->identity.source = MDM_IDENTITY_TLS;
        text(&x->identity.sha256, r->cert);
        text(&x->identity.der, "not a real one");

        /* of 64 times the same digit */

        memset(digest, (r->cert[0] - 'a' + 10) * 0x11, sizeof(digest));
        x->identity.digest.data = digest;
        x->identity.digest.len = sizeof(digest);
    }

    if (r->kind == MDM_KIND_AUTH) {
        x->step = mdm_auth;

    } else if (r->kind == MDM_KIND_JOB) {
        x->step = (r->path != NULL) ? mdm_renew_jobs[0].step
                                    : mdm_push_sweep_step;

    } else {
        mdm_endpoint_find(x);
    }

    return x;
}


/* the calls of a round into the trace */

static void
trace_calls(mdm_exchange_t *x)
{
    mdm_uint_t   i, k;
    mdm_call_t  *call;

    for (i = 0; i < x->ncalls; i++) {
        call = &x->calls[i];

        if (call->kind != MDM_CALL_KIND_REDIS) {
            continue;
        }

        alloc_str(&call->script->name);
        alloc_str(&call->key);

        for (k = 0; k < call->nargs; k++) {
            alloc_str(&call->args[k]);
        }
    }
}


static void
taken(mdm_call_t *call)
{
    call->rc = MDM_CALL_OK;
    call->push->outcome = MDM_PUSH_ANSWERED;
    call->push->status = 200;
}


/* a work's own lack of memory is no concern of this test */

static void
work(mdm_call_t *call)
{
    mdm_uint_t  armed;

    armed = alloc_armed;
    alloc_armed = 0;

    mdm_call_work(call);

    alloc_armed = armed;
}


static mdm_uint_t
is_json(const mdm_str_t *s)
{
    json_t      *root;
    mdm_uint_t   armed;

    armed = alloc_armed;
    alloc_armed = 0;

    root = json_loadb((char *) s->data, s->len, JSON_ALLOW_NUL, NULL);
    json_decref(root);

    alloc_armed = armed;

    return root != NULL;
}


/* carries it out with Redis, and keeps the replies */

static void
record(run_t *r)
{
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    x = start(r->request);
    assert_non_null(x);

    alloc_len = 0;
    r->ncalls = 0;
    r->nrounds = 0;

    while (mdm_exchange_run(x) == MDM_CALL) {

        trace_calls(x);
        r->rounds[r->nrounds++] = alloc_len;

        for (i = 0; i < x->ncalls; i++) {
            assert_true(r->ncalls < CALLS);

            if (x->calls[i].kind == MDM_CALL_KIND_PUSH) {
                taken(&x->calls[i]);
                r->rc[r->ncalls++] = MDM_CALL_OK;
                continue;
            }

            if (x->calls[i].kind == MDM_CALL_KIND_WORK) {
                mdm_call_work(&x->calls[i]);
                r->rc[r->ncalls++] = x->calls[i].rc;
                continue;
            }

            r->rc[r->ncalls] = mdm_unit_redis_eval(redis, kept, &x->calls[i]);
            r->replies[r->ncalls++] = x->calls[i].reply;
        }
    }

    memcpy(alloc_good, alloc_trace, alloc_len);

    r->status = x->status;

    (void) snprintf(r->error, sizeof(r->error), "%.*s", mdm_fmt(&x->error));

    mdm_arena_destroy(x->arena);
}


static alloc_rc_e
op_exchange(void *data)
{
    run_t           *r;
    size_t           n, round;
    alloc_rc_e       end;
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    r = data;

    x = start(r->request);

    if (x == NULL) {
        return ALLOC_FAILED;
    }

    n = 0;
    round = 0;

    while (mdm_exchange_run(x) == MDM_CALL) {

        trace_calls(x);

        /* no other call than without the failure */

        if (round == r->nrounds || alloc_len != r->rounds[round]
            || memcmp(alloc_good, alloc_trace, alloc_len) != 0)
        {
            fail_msg("%s: allocation %ld fails: round %zu makes other calls",
                     r->request->name, alloc_fail, round + 1);
        }

        round++;

        for (i = 0; i < x->ncalls; i++) {
            if (x->calls[i].kind == MDM_CALL_KIND_PUSH) {
                taken(&x->calls[i]);
            }

            if (x->calls[i].kind == MDM_CALL_KIND_WORK) {
                work(&x->calls[i]);
                n++;
                continue;
            }

            x->calls[i].rc = r->rc[n];
            x->calls[i].reply = r->replies[n++];
        }
    }

    alloc_bytes(&x->status, sizeof(x->status));
    alloc_str(&x->response_type);
    alloc_str(&x->response);
    alloc_bytes(&x->retry_after, sizeof(x->retry_after));

    if (alloc_failures == 0) {
        end = (x->status < 300) ? ALLOC_OK : ALLOC_REFUSED;

    } else if (x->status == 500 || x->status == 503) {

        if (x->status == 503 && x->retry_after == 0) {
            fail_msg("%s: 503 without Retry-After", r->request->name);
        }

        /* a device gets no body, the API an error or none */

        if (x->response.len != 0
            && (r->request->kind != MDM_KIND_API || !is_json(&x->response)))
        {
            fail_msg("%s: %lu with a body", r->request->name,
                     (unsigned long) x->status);
        }

        end = ALLOC_FAILED;

    } else if (x->status == r->status && x->status >= 400
               && (x->response.len == 0 || is_json(&x->response)))
    {
        /* refused as it should be, perhaps without saying why */

        end = ALLOC_FAILED;

    } else if (x->status >= 300) {

        if (x->status != r->status) {
            fail_msg("%s: allocation %ld fails: %lu instead of %lu",
                     r->request->name, alloc_fail, (unsigned long) x->status,
                     (unsigned long) r->status);
        }

        end = ALLOC_REFUSED;

    } else {

        /* success: alloc_each() sees whether it is all there */

        end = ALLOC_OK;
    }

    mdm_arena_destroy(x->arena);

    return end;
}


static void
each(const request_t *requests, size_t n, mdm_uint_t status)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        run.request = &requests[i];
        alloc_random++;

        kept = mdm_arena_create(4096);
        assert_non_null(kept);

        record(&run);

        if (run.status != status
            && (status != 200
                || (run.status != 201 && run.status != 204)))
        {
            fail_msg("%s: %lu, %s", requests[i].name,
                     (unsigned long) run.status, run.error);
        }

        alloc_each(requests[i].name, (status < 300) ? ALLOC_OK : ALLOC_REFUSED,
                   op_exchange, &run);

        mdm_arena_destroy(kept);
    }
}


#define count(a)  (sizeof(a) / sizeof((a)[0]))

#define device(name, kind, body)                                              \
    { name, kind, MDM_PUT, NULL, NULL, NULL, body, CERT_A }

#define stranger(name, kind, body)                                            \
    { name, kind, MDM_PUT, NULL, NULL, NULL, body, CERT_B }

#define api(name, method, path, query, type, body)                            \
    { name, MDM_KIND_API, method, path, query, type, body, NULL }

#define AUTHENTICATE(id)                                                      \
    MESSAGE("Authenticate", id STRING("Topic", "com.apple.mgmt.X")            \
            STRING("SerialNumber", "C02ABC") STRING("DeviceName", "a name")   \
            STRING("Model", "Mac14,2") STRING("OSVersion", "15.1"))


static const request_t  enroll[] = {
    device("Authenticate", CHECKIN, AUTHENTICATE(UDID)),
    device("TokenUpdate", CHECKIN, MESSAGE("TokenUpdate", UDID TOKEN)),
    device("TokenUpdate, again", CHECKIN, MESSAGE("TokenUpdate", UDID TOKEN)),
    device("Authenticate, again", CHECKIN, AUTHENTICATE(UDID)),
    device("TokenUpdate, at last", CHECKIN,
           MESSAGE("TokenUpdate", UDID TOKEN)),
    device("TokenUpdate, user", CHECKIN, MESSAGE("TokenUpdate", USER TOKEN)),
    device("UserAuthenticate", CHECKIN, MESSAGE("UserAuthenticate", USER)),
    device("SetBootstrapToken", CHECKIN,
           MESSAGE("SetBootstrapToken", UDID
                   "<key>BootstrapToken</key><data>AAEC</data>")),
    device("GetBootstrapToken", CHECKIN, MESSAGE("GetBootstrapToken", UDID))
};


static const request_t  enqueue[] = {
    api("enqueue, one", MDM_PUT, "/v1/enqueue/UDID-%7B1%7D", "nopush=1", NULL,
        COMMAND("C-1")),
    api("enqueue, more", MDM_PUT,
        "/v1/enqueue/UDID-%7B1%7D,UDID-%7B1%7D:USER%2F1", "nopush=1", NULL,
        COMMAND("C-2")),
    api("enqueue, JSON", MDM_POST, "/v1/enqueue/UDID-%7B1%7D", NULL,
        "application/json",
        "{\"CommandUUID\":\"C-3\",\"Command\":{\"RequestType\":"
        "\"ProfileList\"}}"),
    api("enqueue, a UUID made", MDM_POST, "/v1/enqueue/UDID-%7B1%7D", NULL,
        "application/json", "{\"RequestType\":\"ProfileList\"}")
};


/* by the job, and by the call itself */

static const request_t  sweep[] = {
    device("pushes", MDM_KIND_JOB, ""),
    device("pushes, none", MDM_KIND_JOB, "")
};


static const request_t  wake[] = {
    api("enqueue, and wake", MDM_PUT,
        "/v1/enqueue/UDID-%7B2%7D,UDID-%7B1%7D:USER%2F1,UDID-%7B1%7D", NULL,
        "application/json", "{\"RequestType\":\"ProfileList\"}")
};


static const request_t  connect[] = {
    device("Idle", CONNECT, PLIST(UDID STRING("Status", "Idle"))),
    device("NotNow", CONNECT, REPORT(UDID, "NotNow", "C-1")),
    device("Acknowledged", CONNECT, REPORT(UDID, "Acknowledged", "C-1")),
    device("Acknowledged, again", CONNECT,
           REPORT(UDID, "Acknowledged", "C-1")),
    device("Error", CONNECT, REPORT(UDID, "Error", "C-2")),
    device("CommandFormatError", CONNECT,
           REPORT(UDID, "CommandFormatError", "C-3")),
    device("Idle, user", CONNECT, PLIST(USER STRING("Status", "Idle"))),
    device("Acknowledged, user", CONNECT, REPORT(USER, "Acknowledged", "C-2")),
    device("mdm_auth", MDM_KIND_AUTH, ""),
    device("Idle, user, empty", CONNECT, PLIST(USER STRING("Status", "Idle")))
};


static const request_t  look[] = {
    api("queue", MDM_GET, "/v1/queue/UDID-%7B1%7D", "limit=1", NULL, ""),
    api("result", MDM_GET, "/v1/queue/UDID-%7B1%7D/C-1", NULL, NULL, ""),
    api("result, plist", MDM_GET, "/v1/queue/UDID-%7B1%7D/C-1",
        "format=plist", NULL, ""),
    api("enrollment", MDM_GET, "/v1/enrollments/UDID-%7B1%7D", NULL, NULL,
        ""),
    api("push", MDM_POST, "/v1/push/UDID-%7B1%7D", NULL, NULL, ""),
    api("query, all", MDM_POST, "/v1/enrollments/query", NULL, NULL, ""),
    api("query, ids", MDM_POST, "/v1/enrollments/query", "limit=1",
        "application/json",
        "{\"filter\":{\"ids\":[\"UDID-{1}\",\"x\"],\"enabled\":true},"
        "\"options\":{\"include_device_cert\":true,"
        "\"include_unlock_token\":true}}"),
    api("query, serials", MDM_POST, "/v1/enrollments/query", "limit=1",
        "application/json",
        "{\"filter\":{\"serials\":[\"C02ABC\"],\"types\":[\"Device\"]}}"),
    api("version", MDM_GET, "/version", NULL, NULL, ""),
    api("enqueue, to delete", MDM_PUT, "/v1/enqueue/UDID-%7B1%7D", NULL, NULL,
        COMMAND("C-9")),
    api("queue, a command", MDM_GET, "/v1/queue/UDID-%7B1%7D", NULL, NULL,
        ""),
    api("delete a command", MDM_DELETE, "/v1/queue/UDID-%7B1%7D/C-9", NULL,
        NULL, ""),
    api("clear a queue", MDM_DELETE, "/v1/queue/UDID-%7B1%7D", NULL, NULL,
        ""),
    api("migration", MDM_PUT, "/migration", NULL, NULL,
        MESSAGE("Authenticate", STRING("UDID", "OLD")
                STRING("Topic", "com.apple.mgmt.X"))),
    api("migration, token", MDM_PUT, "/migration", NULL, NULL,
        MESSAGE("TokenUpdate", STRING("UDID", "OLD") TOKEN))
};


#define STATUS(id, data)                                                      \
    MESSAGE("DeclarativeManagement", id STRING("Endpoint", "status")          \
            "<key>Data</key><data>" data "</data>")


/*
 * {"StatusItems":{"device":{"model":{"family":"Mac"}},"x":{"y":0.1}},
 * "Errors":[{"a":1}]}; {"StatusItems":{"app":{"managed":{"list":
 * [{"identifier":"a"}]}},"management":{"declarations":{"assets":
 * [{"identifier":"a","server-token":"t","reasons":[{"code":"x"}]}]}}}}; x
 */

static const request_t  report[] = {
    device("status", CHECKIN,
           STATUS(UDID, "eyJTdGF0dXNJdGVtcyI6eyJkZXZpY2UiOnsibW9kZWwiOnsiZmFt"
                  "aWx5IjoiTWFjIn19LCJ4Ijp7InkiOjAuMX19LCJFcnJvcnMiOlt7ImEi"
                  "OjF9XX0=")),
    device("status, lists", CHECKIN,
           STATUS(UDID, "eyJTdGF0dXNJdGVtcyI6eyJhcHAiOnsibWFuYWdlZCI6eyJsaX"
                  "N0IjpbeyJpZGVudGlmaWVyIjoiYSJ9XX19LCJtYW5hZ2VtZW50Ijp7"
                  "ImRlY2xhcmF0aW9ucyI6eyJhc3NldHMiOlt7ImlkZW50aWZpZXIiOi"
                  "JhIiwic2VydmVyLXRva2VuIjoidCIsInJlYXNvbnMiOlt7ImNvZGUi"
                  "OiJ4In1dfV19fX19")),
    device("status, no sense", CHECKIN, STATUS(UDID, "eA==")),
    device("status, user", CHECKIN, STATUS(USER, "eA==")),
    api("status", MDM_GET, "/v1/status/UDID-%7B1%7D", NULL, NULL, ""),
    api("status values", MDM_GET, "/v1/status-values/UDID-%7B1%7D,NONE",
        "prefix=d", NULL, ""),
    api("status errors", MDM_GET, "/v1/status-errors/UDID-%7B1%7D", NULL,
        NULL, ""),
    api("declaration status", MDM_GET,
        "/v1/declaration-status/UDID-%7B1%7D,UDID-%7B1%7D:USER%2F1", NULL,
        NULL, ""),
    api("status report", MDM_GET, "/v1/status-report/UDID-%7B1%7D",
        "index=1", NULL, ""),
    api("status query", MDM_POST, "/v1/status/query", NULL, NULL,
        "{\"item\":\"device.model.family\",\"predicate\":{\"op\":"
        "\"=\",\"value\":\"Mac\"},\"limit\":1}")
};


static const request_t  migrated[] = {
    { "a migrated device's first Idle", CONNECT, MDM_PUT, NULL, NULL, NULL,
      PLIST(STRING("UDID", "OLD") STRING("Status", "Idle")), CERT_B }
};


static const request_t  reenroll[] = {
    { "Authenticate, another certificate", CHECKIN, MDM_PUT, NULL, NULL, NULL,
      AUTHENTICATE(STRING("UDID", "OLD")),
      "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc" },
    api("challenge", MDM_POST, "/v1/challenge", NULL, NULL,
        "{\"udid\":\"UDID-1\",\"serial\":\"S\",\"person\":\"P\","
        "\"purpose\":\"device\",\"uses\":2,\"ttl\":\"1h\"}"),
    api("challenges", MDM_GET, "/v1/challenges", "limit=1", NULL, ""),
    api("a link", MDM_POST, "/v1/enrollment-links", NULL, NULL,
        "{\"enrollment\":\"main\",\"person\":\"P\",\"sets\":[\"s\"],"
        "\"tags\":[\"t\"],\"variables\":{\"v\":\"x\"},\"uses\":2}"),
    api("links", MDM_GET, "/v1/enrollment-links", "limit=1", NULL, ""),
    api("a profile", MDM_POST, "/v1/enrollment-profiles/main",
        "plain=1&serial=S", NULL, ""),
    api("certificates", MDM_GET, "/v1/certificates", "limit=1", NULL, ""),
    api("serial", MDM_PUT, "/v1/serials/C02X", NULL, NULL,
        "{\"sets\":[\"a\"],\"tags\":[\"b\"],\"variables\":{\"c\":\"d\"},"
        "\"asset\":\"e\"}"),
    api("serials", MDM_GET, "/v1/serials", "limit=1", NULL, ""),
    api("one serial", MDM_GET, "/v1/serials/C02X", NULL, NULL, ""),
    api("serial off", MDM_DELETE, "/v1/serials/C02X", NULL, NULL, ""),
    api("certificates, one device", MDM_GET, "/v1/certificates",
        "id=UDID-%7B1%7D&expires_before=2099-01-01T00:00:00Z", NULL, ""),
    api("pin reset", MDM_DELETE, "/v1/enrollments/OLD/certificate", NULL,
        NULL, ""),
    device("CheckOut, user", CHECKIN, MESSAGE("CheckOut", USER)),
    device("CheckOut", CHECKIN, MESSAGE("CheckOut", UDID))
};


static const request_t  setups[] = {
    api("a setup", MDM_PUT, "/v1/setups/a", "warnings=1", NULL,
        "{\"filter\":{\"type\":[\"Dev*\"],\"model\":[\"Mac*\"]},"
        "\"set\":\"s\",\"hold\":\"acknowledged\",\"timeout\":\"1h\","
        "\"steps\":[{\"command\":{\"RequestType\":\"New\","
        "\"a\":\"${serial}\"}},{\"command_plist\":"
        "\"PD94bWwgdmVyc2lvbj0iMS4wIj8+PHBsaXN0IHZlcnNpb249IjEuMCI+"
        "PGRpY3Q+PGtleT5Db21tYW5kPC9rZXk+PGRpY3Q+PGtleT5SZXF1ZXN0"
        "VHlwZTwva2V5PjxzdHJpbmc+UHJvZmlsZUxpc3Q8L3N0cmluZz48L2Rp"
        "Y3Q+PC9kaWN0PjwvcGxpc3Q+\"}]}"),
    api("setups", MDM_GET, "/v1/setups", NULL, NULL, ""),
    api("one setup", MDM_GET, "/v1/setups/a", NULL, NULL, ""),
    device("Authenticate, of one with a setup", CHECKIN, AUTHENTICATE(UDID)),
    device("TokenUpdate, of one with a setup", CHECKIN,
           MESSAGE("TokenUpdate", UDID TOKEN
                   "<key>AwaitingConfiguration</key><true/>")),
    api("block", MDM_POST, "/v1/enrollments/UDID-%7B1%7D/block", NULL, NULL,
        "{\"reason\":\"r\",\"unenroll\":true}"),
    api("a blocked one", MDM_GET, "/v1/enrollments/UDID-%7B1%7D", NULL, NULL,
        ""),
    api("unblock", MDM_DELETE, "/v1/enrollments/UDID-%7B1%7D/block", NULL,
        NULL, ""),
    api("unenroll", MDM_POST, "/v1/enrollments/UDID-%7B1%7D/unenroll",
        "profile=x&nopush=1", NULL, ""),
    api("forget", MDM_DELETE, "/v1/enrollments/UDID-%7B1%7D", "force=1", NULL,
        ""),
    api("no setup", MDM_DELETE, "/v1/setups/a", NULL, NULL, "")
};


static const request_t  anew[] = {
    device("Authenticate, once more", CHECKIN, AUTHENTICATE(UDID)),
    device("TokenUpdate, once more", CHECKIN,
           MESSAGE("TokenUpdate", UDID TOKEN))
};


static const request_t  renewals[] = {
    { "renewals", MDM_KIND_JOB, 0, "renew", NULL, NULL, "", NULL },
    { "renewals, none", MDM_KIND_JOB, 0, "renew", NULL, NULL, "", NULL },
    device("Idle, a renewal", CONNECT, PLIST(UDID STRING("Status", "Idle"))),
    device("Idle, the same", CONNECT, PLIST(UDID STRING("Status", "Idle"))),
    api("queue, a renewal", MDM_GET, "/v1/queue/UDID-%7B1%7D", NULL, NULL,
        ""),
    api("enqueue, profiles", MDM_PUT, "/v1/enqueue/UDID-%7B1%7D", "nopush=1",
        "application/json", "{\"CommandUUID\":\"C-9\",\"Command\":"
        "{\"RequestType\":\"ProfileList\"}}"),
    device("Acknowledged, profiles", CONNECT,
           PLIST(UDID STRING("Status", "Acknowledged")
                 STRING("CommandUUID", "C-9")
                 "<key>ProfileList</key><array><dict>"
                 STRING("PayloadIdentifier", "com.example.mdm")
                 "</dict></array>")),
    api("adopt", MDM_PUT, "/v1/enrollments/UDID-%7B1%7D/enrollment",
        "name=main", NULL, "")
};


/* the device is one by the block, and its certificate is due */

static void
make_due(void)
{
    mdm_str_t       keys;
    mdm_arena_t    *arena;
    mdm_profile_t   p;

    arena = mdm_arena_create(4096);
    assert_non_null(arena);

    memset(&p, 0, sizeof(p));
    p.block = &enrollment_main;
    p.topic = enrollment_main.topic;
    assert_int_equal(mdm_profile_keys(arena, &p, &keys), MDM_OK);

    assert_int_equal(mdm_unit_redis_int(redis, "EVAL %s 0 %b %s",
        "for _, e in ipairs(redis.call('KEYS', 'mdm:{default/*}:e:*')) do "
        "local tag, id = string.match(e, '^(.-}):e:(.*)$') "
        "if redis.call('HGET', e, 'cert') then "
        "redis.call('HSET', e, 'enrollment', 'main', 'keys', ARGV[1], "
        "'topic', ARGV[2], 'cert_end', '4000000000') "
        "redis.call('ZADD', tag .. ':exp', 0, id) return 1 end end return 0",
        keys.data, keys.len, "com.apple.mgmt.External.x"), 1);

    mdm_arena_destroy(arena);
}


static const request_t  refused_403[] = {
    stranger("Authenticate of a stranger", CHECKIN, AUTHENTICATE(UDID)),
    stranger("TokenUpdate of a stranger", CHECKIN,
             MESSAGE("TokenUpdate", UDID TOKEN)),
    stranger("Idle of a stranger", CONNECT,
             PLIST(UDID STRING("Status", "Idle"))),
    stranger("GetBootstrapToken of a stranger", CHECKIN,
             MESSAGE("GetBootstrapToken", UDID)),
    stranger("mdm_auth of a stranger", MDM_KIND_AUTH, ""),
    { "Idle without a certificate", CONNECT, MDM_PUT, NULL, NULL, NULL,
      PLIST(UDID STRING("Status", "Idle")), NULL },
    device("Idle of an unknown device", CONNECT,
           PLIST(STRING("UDID", "NONE") STRING("Status", "Idle")))
};


static const request_t  refused_400[] = {
    device("no plist", CHECKIN, "x"),
    device("no id", CHECKIN, MESSAGE("TokenUpdate", TOKEN)),
    device("no such message", CHECKIN, MESSAGE("Nothing", UDID)),
    device("no MessageType", CHECKIN, PLIST(UDID)),
    device("TokenUpdate without a token", CHECKIN,
           MESSAGE("TokenUpdate", UDID)),
    api("enqueue, no command", MDM_PUT, "/v1/enqueue/UDID-%7B1%7D", NULL,
        NULL, "x"),
    api("query, no JSON", MDM_POST, "/v1/enrollments/query", NULL, NULL,
        "{\"filter\""),
    api("query, an unknown key", MDM_POST, "/v1/enrollments/query", NULL,
        NULL, "{\"filter\":{\"nothing\":1}}"),
    api("query, a cursor", MDM_POST, "/v1/enrollments/query", "cursor=%%",
        NULL, "")
};


static const request_t  refused_404[] = {
    api("no such call", MDM_GET, "/v1/nothing", NULL, NULL, ""),
    api("no such enrollment", MDM_GET, "/v1/enrollments/NONE", NULL, NULL,
        ""),
    api("no such command", MDM_GET, "/v1/queue/UDID-%7B1%7D/NONE", NULL, NULL,
        "")
};


static const request_t  refused_405[] = {
    api("no such method", MDM_POST, "/version", NULL, NULL, ""),
    { "a device's GET", CONNECT, MDM_GET, NULL, NULL, NULL, "", CERT_A }
};


static void
test_exchanges(void **state)
{
    (void) state;

    each(enroll, count(enroll), 200);
    each(enqueue, count(enqueue), 200);
    each(sweep, count(sweep), 200);

    settings.push_ids = 10;
    each(wake, count(wake), 207);
    settings.push_ids = 0;

    settings.reenroll = MDM_REENROLL_DENY;
    each(refused_403, count(refused_403), 403);
    settings.reenroll = MDM_REENROLL_ANY;

    each(refused_400, count(refused_400), 400);
    each(refused_404, count(refused_404), 404);
    each(refused_405, count(refused_405), 405);
    each(connect, count(connect), 200);
    each(look, count(look), 200);
    each(report, count(report), 200);
    each(migrated, count(migrated), 200);
    each(reenroll, count(reenroll), 200);
    each(setups, count(setups), 200);

    each(anew, count(anew), 200);
    make_due();
    each(renewals, count(renewals), 200);
}


static int
setup(void **state)
{
    (void) state;

    redis = mdm_unit_redis_start();

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_unit_redis_stop(redis);
    alloc_done();

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_exchanges)
    };

    alloc_init();

    return cmocka_run_group_tests(tests, setup, teardown);
}
