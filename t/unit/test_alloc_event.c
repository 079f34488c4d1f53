
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lack of memory in src/event and src/metrics: bodies of webhooks, and the job
 * that reads how far these are, each with every allocation failing in turn.
 */


#include "alloc.h"

#include "mdm_event_body.h"
#include "mdm_gauges.h"


#define MESSAGE                                                               \
    "<plist version=\"1.0\"><dict><key>MessageType</key>"                     \
    "<string>TokenUpdate</string><key>Token</key><data>AQID</data>"           \
    "<key>PushMagic</key><string>magic</string></dict></plist>"


static alloc_rc_e
op_body(void *data)
{
    mdm_str_t       body, key, text, tenant;
    mdm_event_t    *event = data;
    mdm_arena_t    *arena;
    alloc_rc_e      end;
    mdm_webhook_t   webhook;

    memset(&webhook, 0, sizeof(mdm_webhook_t));
    mdm_str_set(&key, "secret");
    mdm_str_set(&tenant, "default");

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    end = ALLOC_FAILED;
    webhook.hmac = mdm_event_hmac_create(&key);

    if (webhook.hmac != NULL
        && mdm_event_body(arena, &webhook, &tenant, event, &body) == MDM_OK
        && mdm_event_hmac(arena, webhook.hmac, &body, &text) == MDM_OK)
    {
        alloc_str(&body);
        alloc_str(&text);
        end = ALLOC_OK;
    }

    EVP_MAC_CTX_free(webhook.hmac);
    mdm_arena_destroy(arena);

    return end;
}


static void
test_body(void **state)
{
    mdm_event_t  event;

    (void) state;

    memset(&event, 0, sizeof(mdm_event_t));

    mdm_str_set(&event.stream, "17");
    mdm_str_set(&event.entry, "1767235200123-0");
    mdm_str_set(&event.name, "mdm.TokenUpdate");
    mdm_str_set(&event.id, "A%2FB:C%2FD");
    mdm_str_set(&event.type, "User");
    mdm_str_set(&event.parent, "A%2FB");
    mdm_str_set(&event.data, "{\"tally\":1}");
    mdm_str_set(&event.params, "a=1&b=%41&a=2&c");
    mdm_str_set(&event.payload, MESSAGE);

    alloc_each("a message", ALLOC_OK, op_body, &event);

    mdm_str_set(&event.name, "mdm.Connect");
    mdm_str_set(&event.data,
                "{\"status\":\"Error\",\"command_uuid\":\"a%20b\"}");
    alloc_each("a result", ALLOC_OK, op_body, &event);

    mdm_str_set(&event.name, "api.Enqueue");
    alloc_each("our own", ALLOC_OK, op_body, &event);
}


/* replies as Redis gives them */

#define REPLY_INT(n)   { .type = MDM_REPLY_INTEGER, .integer = n }
#define REPLY_STR(s)   { .type = MDM_REPLY_STRING, .str = mdm_string(s) }
#define REPLY_LIST     { .type = MDM_REPLY_ARRAY }

#define REPLY_MAX      16

typedef struct {
    mdm_reply_t               list;
    mdm_reply_t               items[REPLY_MAX];
    mdm_reply_t              *elements[REPLY_MAX];
} reply_t;


static reply_t  reply_hooks = {
    .items = { REPLY_STR("one"), REPLY_INT(3), REPLY_STR("1700000000000"),
               REPLY_STR("a b"), REPLY_INT(1), REPLY_STR("0") }
};

static reply_t  reply_read = {
    .items = { REPLY_INT(1), REPLY_STR("1700000000000"), REPLY_INT(1),
               REPLY_INT(1), REPLY_INT(9), REPLY_INT(90), REPLY_STR("2"),
               REPLY_INT(40), REPLY_LIST }
};

static reply_t  reply_topics = { .items = { REPLY_INT(0) } };
static reply_t  reply_put = { .items = { REPLY_INT(1) } };

static reply_t  reply_get = {
    .items = { REPLY_STR("0"), REPLY_INT(1), REPLY_INT(1), REPLY_STR("5"),
               REPLY_INT(1), REPLY_INT(1), REPLY_LIST, REPLY_INT(9),
               REPLY_INT(90), REPLY_STR("2"), REPLY_LIST, REPLY_STR("topic"),
               REPLY_STR("2000000000"), REPLY_STR("0") }
};


static const mdm_reply_t *
reply_of(reply_t *r, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        r->elements[i] = &r->items[i];
    }

    r->list.type = MDM_REPLY_ARRAY;
    r->list.nelements = n;
    r->list.elements = r->elements;

    return &r->list;
}


static mdm_reply_t *
reply_to(const mdm_call_t *call)
{
    if (call->script == &mdm_script_gauges_read) {
        reply_read.items[8] = *reply_of(&reply_hooks, 6);
        (void) reply_of(&reply_read, 9);

        return &reply_read.list;
    }

    if (call->script == &mdm_script_gauges_put) {
        (void) reply_of(&reply_put, 1);

        return &reply_put.list;
    }

    if (call->script == &mdm_script_gauges_get) {
        reply_get.items[10] = *reply_of(&reply_hooks, 6);
        (void) reply_of(&reply_get, 14);

        return &reply_get.list;
    }

    (void) reply_of(&reply_topics, 1);

    return &reply_topics.list;
}


static alloc_rc_e
op_gauges(void *data)
{
    alloc_rc_e         end;
    mdm_step_pt       *step = data;
    mdm_uint_t         i, k;
    mdm_exchange_t    *x;
    mdm_gauges_get_t   get;

    static mdm_webhook_t         webhook = { .name = mdm_string("one") };
    static mdm_store_settings_t  store = { .partitions = 2 };

    static mdm_settings_t  settings = {
        .store = &store,
        .webhooks = &webhook,
        .nwebhooks = 1
    };

    static const mdm_str_t  kind = mdm_string("gauges");

    x = mdm_exchange_create(&settings);
    if (x == NULL) {
        return ALLOC_FAILED;
    }

    memset(&get, 0, sizeof(mdm_gauges_get_t));

    get.kinds = &kind;
    get.nkinds = 1;
    get.tenants = &kind;
    get.ntenants = 1;

    x->kind = MDM_KIND_JOB;
    x->now = 1700000000;
    x->step = *step;
    mdm_str_set(&x->tenant, "default");

    if (*step == mdm_gauges_get) {
        x->ctx = &get;
    }

    while (mdm_exchange_run(x) == MDM_CALL) {

        for (i = 0; i < x->ncalls; i++) {
            alloc_str(&x->calls[i].key);

            for (k = 0; k < x->calls[i].nargs; k++) {
                alloc_str(&x->calls[i].args[k]);
            }

            x->calls[i].rc = MDM_CALL_OK;
            x->calls[i].reply = reply_to(&x->calls[i]);
        }
    }

    end = ALLOC_FAILED;

    if (x->status == 200) {
        end = ALLOC_OK;

        if (get.gauges != NULL) {
            alloc_bytes(get.gauges->hooks, sizeof(get.gauges->hooks));
        }

    } else if (x->status != 500) {
        fail_msg("allocation %ld fails: %lu", alloc_fail,
                 (unsigned long) x->status);
    }

    mdm_arena_destroy(x->arena);

    return end;
}


static void
test_gauges(void **state)
{
    mdm_step_pt  step;

    (void) state;

    step = mdm_gauges_step;
    alloc_each("what a job reads", ALLOC_OK, op_gauges, &step);

    step = mdm_gauges_get;
    alloc_each("what it has read", ALLOC_OK, op_gauges, &step);
}


static int
teardown(void **state)
{
    (void) state;

    alloc_done();

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_gauges)
    };

    alloc_init();

    return cmocka_run_group_tests(tests, NULL, teardown);
}
