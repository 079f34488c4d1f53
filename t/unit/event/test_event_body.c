
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a webhook is sent, and what it can be told of.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mdm_event_body.h"
#include "mdm_hook.h"
#include "mdm_topic.h"


static mdm_arena_t    *arena;
static mdm_webhook_t   webhook;
static mdm_event_t     event;


static int
setup(void **state)
{
    (void) state;

    arena = mdm_arena_create(4096);
    assert_non_null(arena);

    memset(&webhook, 0, sizeof(webhook));
    memset(&event, 0, sizeof(event));

    webhook.secrets = 1;

    mdm_str_set(&event.stream, "17");
    mdm_str_set(&event.entry, "1767235200007-3");
    mdm_str_set(&event.data, "{}");

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_arena_destroy(arena);

    return 0;
}


static void
is_body(const char *expected)
{
    mdm_str_t  tenant, body;

    mdm_str_set(&tenant, "acme");

    assert_int_equal(mdm_event_body(arena, &webhook, &tenant, &event, &body),
                     MDM_OK);
    assert_int_equal(mdm_printf(arena, &body, "%.*s", mdm_fmt(&body)), MDM_OK);
    assert_string_equal((char *) body.data, expected);
}


#define HEAD(topic)                                                           \
    "{\"topic\":\"" topic "\",\"event_id\":\"acme.17.1767235200007-3\","      \
    "\"created_at\":\"2026-01-01T02:40:00.007Z\","


static void
test_message(void **state)
{
    (void) state;

    mdm_str_set(&event.name, "mdm.TokenUpdate");
    mdm_str_set(&event.id, "A%2FB:C");
    mdm_str_set(&event.type, "Shared iPad");
    mdm_str_set(&event.parent, "A%2FB");
    mdm_str_set(&event.data, "{\"tally\":3}");
    mdm_str_set(&event.payload, "abc");
    mdm_str_set(&event.params, "x=1&y=a%20b&x=2&&=z&q=%");

    is_body(HEAD("mdm.TokenUpdate")
            "\"checkin_event\":{\"udid\":\"A/B\",\"ids\":{\"id\":\"A/B:C\","
            "\"type\":\"Shared iPad\",\"parent_id\":\"A/B\"},"
            "\"raw_payload\":\"YWJj\",\"token_update_tally\":3,"
            "\"url_params\":{\"x\":\"1\",\"y\":\"a b\",\"q\":\"%\"}}}");
}


static void
test_answer(void **state)
{
    (void) state;

    mdm_str_set(&event.name, "mdm.Connect");
    mdm_str_set(&event.id, "E1");
    mdm_str_set(&event.type, "User Enrollment (Device)");
    mdm_str_set(&event.data, "{\"status\":\"Error\",\"command_uuid\":"
                "\"a%20b\",\"request_type\":\"ProfileList\"}");
    event.lost = 1;

    is_body(HEAD("mdm.Connect")
            "\"acknowledge_event\":{\"enrollment_id\":\"E1\",\"ids\":"
            "{\"id\":\"E1\",\"type\":\"User Enrollment (Device)\"},"
            "\"status\":\"Error\",\"command_uuid\":\"a b\","
            "\"raw_payload\":\"\",\"result_lost\":true}}");

    /* forgotten meanwhile, and data that are none */

    mdm_str_set(&event.id, "D:U");
    mdm_str_set(&event.type, "");
    mdm_str_set(&event.data, "no JSON");

    is_body(HEAD("mdm.Connect")
            "\"acknowledge_event\":{\"udid\":\"D\",\"ids\":{\"id\":\"D:U\","
            "\"type\":\"User\",\"parent_id\":\"D\"},\"status\":\"\","
            "\"raw_payload\":\"\",\"result_lost\":true}}");
}


static void
test_own(void **state)
{
    (void) state;

    mdm_str_set(&event.name, "api.Enqueue");
    mdm_str_set(&event.id, "A,B");
    mdm_str_set(&event.data, "{\"by\":\"anna\"}");

    is_body(HEAD("api.Enqueue")
            "\"event\":{\"id\":\"A,B\",\"data\":{\"by\":\"anna\"}}}");

    mdm_str_set(&event.data, "[");
    is_body(HEAD("api.Enqueue") "\"event\":{\"id\":\"A,B\"}}");
}


/* RFC 4231, test case 2 */

static void
test_hmac(void **state)
{
    mdm_uint_t    i;
    mdm_str_t     key, body, text;
    EVP_MAC_CTX  *hmac;

    (void) state;

    mdm_str_set(&key, "Jefe");
    mdm_str_set(&body, "what do ya want for nothing?");

    hmac = mdm_event_hmac_create(&key);
    assert_non_null(hmac);

    /* it can be used again */

    for (i = 0; i < 2; i++) {
        assert_int_equal(mdm_event_hmac(arena, hmac, &body, &text), MDM_OK);
        assert_true(mdm_str_is(&text,
                               "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="));
    }

    EVP_MAC_CTX_free(hmac);
}


static uint64_t
topics(const char *text)
{
    uint64_t   bits;
    mdm_str_t  list, bad;

    list.data = (u_char *) text;
    list.len = strlen(text);

    return (mdm_topics_read(&list, &bits, &bad) == MDM_OK) ? bits : 0;
}


static void
test_topics(void **state)
{
    uint64_t  idle;

    (void) state;

    idle = topics("mdm.Connect.Idle");

    assert_true(idle != 0);
    assert_true(idle & mdm_topics_once());
    assert_true(topics("nanomdm") & idle);
    assert_true((topics("nanomdm") & topics(MDM_TOPICS_DEFAULT))
                == topics(MDM_TOPICS_DEFAULT));
    assert_false(topics("mdm.*") & mdm_topics_once());
    assert_true(topics("mdm.*") & topics("mdm.Pin"));
    assert_false(topics("mdm.*") & topics("api.*"));
    assert_true(topics("push.*,api.Read")
                == (topics("push.*") | topics("api.Read")));
    assert_int_equal(topics("mdm.Pin,"), 0);
    assert_int_equal(topics(""), 0);
    assert_int_equal(topics(".*"), 0);
    assert_int_equal(topics("mdm.Test"), 0);
    assert_int_equal(topics("mdm."), 0);
}


/* whatever a script writes, 'mdm.Name' and the like, somebody can ask for */

static void
test_scripts(void **state)
{
    size_t        i;
    u_char       *p, *end, *quote;
    mdm_str_t     body, name;
    mdm_uint_t    n, found;

    static const char  *areas[] = { "'mdm.", "'api.", "'push." };

    (void) state;

    found = 0;

    for (n = 0; mdm_scripts[n] != NULL; n++) {
        body = mdm_scripts[n]->body;
        end = body.data + body.len;

        for (i = 0; i < 3; i++) {

            for (p = body.data;
                 (p = memmem(p, (size_t) (end - p), areas[i],
                             strlen(areas[i])))
                 != NULL;
                 p = quote)
            {
                name.data = p + 1;
                quote = memchr(name.data, '\'', (size_t) (end - name.data));
                assert_non_null(quote);
                name.len = (size_t) (quote - name.data);

                /* an area alone is no event */

                if (quote[-1] == '.') {
                    continue;
                }

                if (mdm_topic(&name) == 0) {
                    fail_msg("%.*s of %.*s", mdm_fmt(&name),
                             mdm_fmt(&mdm_scripts[n]->name));
                }

                found++;
            }
        }
    }

    assert_true(found > 40);
}


static void
test_stream(void **state)
{
    mdm_str_t  tag, s;

    (void) state;

    mdm_str_set(&tag, "mdm:{a.b/push}");
    s = mdm_hook_stream(&tag);
    assert_true(mdm_str_is(&s, "push"));

    mdm_str_set(&tag, "odd");
    s = mdm_hook_stream(&tag);
    assert_int_equal(s.len, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hmac, setup, teardown),
        cmocka_unit_test_setup_teardown(test_topics, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scripts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
