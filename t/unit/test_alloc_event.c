
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lack of memory in src/event: bodies of webhooks, each with every allocation
 * failing in turn.
 */


#include "alloc.h"

#include "mdm_event_body.h"


#define MESSAGE                                                               \
    "<plist version=\"1.0\"><dict><key>MessageType</key>"                     \
    "<string>TokenUpdate</string><key>Token</key><data>AQID</data>"           \
    "<key>PushMagic</key><string>magic</string></dict></plist>"


static alloc_rc_e
op_body(void *data)
{
    mdm_str_t       body, hmac, tenant;
    mdm_event_t    *event = data;
    mdm_arena_t    *arena;
    alloc_rc_e      end;
    mdm_webhook_t   webhook;

    memset(&webhook, 0, sizeof(mdm_webhook_t));
    mdm_str_set(&webhook.key, "secret");
    mdm_str_set(&tenant, "default");

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    end = ALLOC_FAILED;

    if (mdm_event_body(arena, &webhook, &tenant, event, &body) == MDM_OK
        && mdm_event_hmac(arena, &webhook.key, &body, &hmac) == MDM_OK)
    {
        alloc_str(&body);
        alloc_str(&hmac);
        end = ALLOC_OK;
    }

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
        cmocka_unit_test(test_body)
    };

    alloc_init();

    return cmocka_run_group_tests(tests, NULL, teardown);
}
