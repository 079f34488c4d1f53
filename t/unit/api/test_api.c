
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The API's steps without Redis: scripted replies, failed calls, hostile
 * requests and hostile replies.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_api_ids.h"
#include "mdm_api_json.h"
#include "mdm_endpoint.h"
#include "mdm_key.h"
#include "mdm_unit_api.h"


static mdm_settings_t  settings;


static int
setup(void **state)
{
    (void) state;

    settings = mdm_unit_api_settings();

    return 0;
}


static mdm_exchange_t *
request(mdm_uint_t method, const char *uri, const char *body)
{
    return mdm_unit_api_request(&settings, method, uri, NULL, body,
                                strlen(body));
}


static mdm_exchange_t *
enqueue(const char *ids)
{
    char             uri[4096];
    mdm_exchange_t  *x;

    (void) snprintf(uri, sizeof(uri), "/v1/enqueue/%s", ids);

    x = request(MDM_PUT, uri, "");

    x->body.data = (u_char *) mdm_unit_api_command(x->arena, "U1",
                                                   "ProfileList");
    x->body.len = strlen((char *) x->body.data);

    return x;
}


static mdm_reply_t *
integers(mdm_exchange_t *x, size_t n, ...)
{
    size_t        i;
    va_list       args;
    mdm_reply_t  *reply;

    reply = mdm_arena_zalloc(x->arena, sizeof(mdm_reply_t));
    assert_non_null(reply);

    reply->type = MDM_REPLY_ARRAY;
    reply->nelements = n;
    reply->elements = mdm_arena_zalloc(x->arena, n * sizeof(mdm_reply_t *));
    assert_non_null(reply->elements);

    va_start(args, n);

    for (i = 0; i < n; i++) {
        reply->elements[i] = mdm_arena_zalloc(x->arena, sizeof(mdm_reply_t));
        assert_non_null(reply->elements[i]);

        reply->elements[i]->type = MDM_REPLY_INTEGER;
        reply->elements[i]->integer = va_arg(args, int);
    }

    va_end(args);

    return reply;
}


static void
done(mdm_exchange_t *x)
{
    mdm_arena_destroy(x->arena);
}


static void
test_json_writer(void **state)
{
    size_t           i;
    u_char           all[256];
    json_t          *root, *value;
    mdm_str_t        s;
    mdm_json_out_t   j;
    mdm_exchange_t  *x;

    (void) state;

    for (i = 0; i < 256; i++) {
        all[i] = (u_char) i;
    }

    x = mdm_exchange_create(&settings);

    mdm_json_init(&j, x->arena, 0);
    mdm_json_open(&j, NULL, '{');

    s.data = all;
    s.len = 128;
    mdm_json_str(&j, "ascii", &s);

    s.len = 256;
    mdm_json_str(&j, "all", &s);

    mdm_str_set(&s, "h\xc3\xa9\xf0\x9f\x98\x80\"\\");
    mdm_json_str(&j, "utf8", &s);

    mdm_str_null(&s);
    mdm_json_str(&j, "empty", &s);
    mdm_json_base64(&j, "none", &s);
    mdm_json_opt_str(&j, "absent", &s);
    mdm_json_opt_time(&j, "absent", &s);
    mdm_api_json_not_now(&j, &s);

    s.data = all + 1;                      /* jansson takes no NUL in a key */
    s.len = 255;
    mdm_json_key(&j, &s);
    mdm_json_int(&j, NULL, INT64_MIN);

    mdm_str_set(&s, "1736222686");
    mdm_json_opt_time(&j, "time", &s);

    mdm_str_set(&s, "999999999999999999");
    mdm_json_opt_time(&j, "far", &s);

    mdm_str_set(&s, "12x");
    mdm_json_opt_time(&j, "far", &s);

    mdm_str_set(&s, "1736222686:3");
    mdm_api_json_not_now(&j, &s);

    mdm_json_open(&j, "list", '[');

    for (i = 0; i < 1000; i++) {
        mdm_json_bool(&j, NULL, i & 1);
    }

    mdm_json_close(&j, ']');
    mdm_json_close(&j, '}');

    assert_int_equal(mdm_api_json_answer(&j, x, 200), MDM_DONE);

    root = mdm_unit_api_json(x);
    assert_non_null(root);

    value = json_object_get(root, "ascii");
    assert_int_equal(json_string_length(value), 128);
    assert_memory_equal(json_string_value(value), all, 128);

    value = json_object_get(root, "all");
    assert_int_equal(json_string_length(value), 128 + 3 * 128);

    assert_string_equal(mdm_unit_api_text(x, "utf8"),
                        "h\xc3\xa9\xf0\x9f\x98\x80\"\\");
    assert_string_equal(mdm_unit_api_text(x, "time"), "2025-01-07T04:04:46Z");
    assert_string_equal(mdm_unit_api_text(x, "not_now/first"),
                        "2025-01-07T04:04:46Z");
    assert_int_equal(json_integer_value(mdm_unit_api_at(root,
                                                        "not_now/tally")), 3);
    assert_null(json_object_get(root, "far"));
    assert_null(json_object_get(root, "absent"));
    assert_true(json_is_string(json_object_get(root, "none")));
    assert_int_equal(json_array_size(json_object_get(root, "list")), 1000);
    assert_true(json_is_true(mdm_unit_api_at(root, "list/999")));

    done(x);
}


static void
test_ids(void **state)
{
    char             uri[65536], *p;
    mdm_str_t        tag, device;
    mdm_uint_t       i, k, n;
    mdm_api_ids_t    list;
    mdm_exchange_t  *x;

    (void) state;

    mdm_unit_store.partitions = 7;

    x = request(MDM_PUT, "/v1/enqueue/A,B,A,a%2cb,,%zz,%2,:u,u:,D:U,D%3AU,%41,"
                "h%C3%A9,%00,A", "");

    assert_int_equal(mdm_api_ids_read(x, 0, &list), MDM_OK);

    /* A B a,b (empty) %zz %2 :u u: D:U hé NUL */

    assert_int_equal(list.n, 11);
    assert_int_equal(list.failed, 5);
    assert_true(mdm_str_is(&list.ids[2].name, "a,b"));
    assert_true(mdm_str_is(&list.ids[2].key, "a%2Cb"));
    assert_non_null(list.ids[3].error);
    assert_true(mdm_str_is(&list.ids[4].name, "%zz"));
    assert_non_null(list.ids[4].error);
    assert_non_null(list.ids[5].error);
    assert_non_null(list.ids[6].error);
    assert_non_null(list.ids[7].error);
    assert_true(mdm_str_is(&list.ids[8].key, "D:U"));
    assert_null(list.ids[8].error);
    assert_true(mdm_str_is(&list.ids[9].key, "h%C3%A9"));
    assert_true(mdm_str_is(&list.ids[10].key, "%00"));
    assert_int_equal(mdm_api_ids_status(&list), 207);

    /* a user's partition is that of the device */

    mdm_str_set(&device, "D");
    assert_int_equal(list.ids[8].partition, mdm_partition(&device, 7));

    done(x);

    /* chunks: all of them, each id once, in the right partition */

    p = uri + sprintf(uri, "/v1/enqueue/x");

    for (i = 0; i < 2000; i++) {
        p += sprintf(p, ",%lu-%lu", (unsigned long) i,
                     (unsigned long) (i * 7919));
    }

    x = request(MDM_PUT, uri, "");

    assert_int_equal(mdm_api_ids_read(x, 0, &list), MDM_OK);
    assert_int_equal(list.n, 2001);
    assert_int_equal(mdm_api_ids_group(x, &list, 100), MDM_OK);

    n = 0;

    for (i = 0; i < list.nchunks; i++) {
        assert_in_range(list.chunks[i].n, 1, 100);

        for (k = 0; k < list.chunks[i].n; k++) {
            assert_int_equal(mdm_key_partition(x->arena, &tag, &x->tenant,
                                 mdm_partition(&list.chunks[i].ids[k]->name,
                                               7)),
                             MDM_OK);
            assert_true(mdm_str_eq(&tag, &list.chunks[i].tag));
            assert_ptr_equal(list.chunks[i].ids[k]->error, NULL);

            list.chunks[i].ids[k]->error = "seen";
            n++;
        }
    }

    assert_int_equal(n, 2001);

    /* as few chunks as can be */

    assert_true(list.nchunks <= 2001 / 100 + 7);

    done(x);

    settings.api_ids = 3;

    x = request(MDM_PUT, "/v1/enqueue/A,B,C,D", "");
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_string_equal(mdm_unit_api_text(x, "error"),
                        "4 ids in one call: at most 3 are allowed");
    done(x);
}


static void
test_cursor(void **state)
{
    size_t           i;
    u_char           raw[64];
    mdm_str_t        s, text, back;
    mdm_exchange_t  *x;

    (void) state;

    x = mdm_exchange_create(&settings);

    for (i = 0; i < sizeof(raw); i++) {
        raw[i] = (u_char) (i * 37 + 201);
        s.data = raw;
        s.len = i;

        assert_int_equal(mdm_api_cursor_write(x->arena, &text, &s), MDM_OK);
        assert_null(memchr(text.data, '+', text.len));
        assert_null(memchr(text.data, '/', text.len));
        assert_null(memchr(text.data, '=', text.len));
        assert_int_equal(mdm_api_cursor_read(x, &back, &text), MDM_OK);
        assert_true(mdm_str_eq(&back, &s));
    }

    mdm_str_set(&text, "a");
    assert_int_equal(mdm_api_cursor_read(x, &back, &text), MDM_DONE);
    assert_int_equal(x->status, 400);

    done(x);
}


static void
test_enqueue_codes(void **state)
{
    mdm_exchange_t  *x;

    (void) state;

    mdm_unit_store.partitions = 1;

    /* all is well: no status, the fields in NanoMDM's order */

    x = enqueue("A,B,A");
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    assert_int_equal(x->ncalls, 1);
    assert_ptr_equal(x->calls[0].script, &mdm_script_enqueue);
    assert_true(mdm_str_is(&x->calls[0].key, "mdm:{default/0}"));
    assert_int_equal(x->calls[0].nargs, MDM_NARGS_ENQUEUE + 2);
    assert_true(mdm_str_is(&x->calls[0].args[MDM_ARG_ENQUEUE_WHO], "admin"));
    assert_true(mdm_str_is(&x->calls[0].args[MDM_ARG_ENQUEUE_IDS], "A"));
    assert_true(mdm_str_is(&x->calls[0].args[MDM_ARG_ENQUEUE_IDS + 1], "B"));

    x->calls[0].rc = MDM_CALL_OK;
    x->calls[0].reply = integers(x, 4, 2, 0, 2, 0);

    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 200);
    assert_true(mdm_str_is(&x->response, "{\"no_push\":true,\"command_uuid\":"
                           "\"U1\",\"request_type\":\"ProfileList\"}"));
    assert_true(mdm_str_is(&x->command_uuid, "U1"));
    done(x);

    /* some failed, all failed */

    x = enqueue("A,B,%zz");
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    x->calls[0].rc = MDM_CALL_OK;
    x->calls[0].reply = integers(x, 6, 1, 0, 2, 0, 1, 2);
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 207);
    assert_string_equal(mdm_unit_api_text(x, "status/B/command_error"),
                        "the queue is full");
    assert_true(*mdm_unit_api_text(x, "status/%zz/command_error") != '\0');
    assert_int_equal(json_object_size(mdm_unit_api_at(mdm_unit_api_json(x),
                                                      "status")), 2);
    done(x);

    x = enqueue("A,B");
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    x->calls[0].rc = MDM_CALL_OK;
    x->calls[0].reply = integers(x, 1, -1);
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 500);
    assert_string_equal(mdm_unit_api_text(x, "status/A/command_error"),
                        "CommandUUID is already used by another command");
    done(x);

    /* broken ids alone need no Redis */

    x = enqueue("%zz,%");
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 500);
    done(x);
}


static void
test_enqueue_slices(void **state)
{
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    (void) state;

    mdm_unit_store.partitions = 1;

    /* a script that stops early goes on where it was; its places count from
       there */

    x = enqueue("A,B,C,D");
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    x->calls[0].rc = MDM_CALL_OK;
    x->calls[0].reply = integers(x, 6, 0, 0, 1, 0, 0, 1);
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    assert_int_equal(x->ncalls, 1);
    assert_int_equal(x->calls[0].nargs, MDM_NARGS_ENQUEUE + 3);
    assert_true(mdm_str_is(&x->calls[0].args[MDM_ARG_ENQUEUE_IDS], "B"));
    x->calls[0].rc = MDM_CALL_OK;
    x->calls[0].reply = integers(x, 8, 0, 1, 2, 0, 0, 3, 1, 2);
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    assert_int_equal(x->calls[0].nargs, MDM_NARGS_ENQUEUE + 1);
    assert_true(mdm_str_is(&x->calls[0].args[MDM_ARG_ENQUEUE_IDS], "D"));
    x->calls[0].rc = MDM_CALL_UNAVAILABLE;
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 207);
    assert_true(mdm_unit_api_at(mdm_unit_api_json(x), "status/B") == NULL);
    assert_string_equal(mdm_unit_api_text(x, "already/0"), "B");
    assert_string_equal(mdm_unit_api_text(x, "status/A/command_error"),
                        "not enrolled");
    assert_string_equal(mdm_unit_api_text(x, "status/C/command_error"),
                        "the queue is full");
    assert_string_equal(mdm_unit_api_text(x, "status/D/command_error"),
                        "redis is unavailable, try again");
    done(x);

    /* one that says it did nothing, or more than there is, does not go on for
       ever */

    for (i = 0; i < 3; i++) {
        x = enqueue("A,B");
        assert_int_equal(mdm_exchange_run(x), MDM_CALL);
        x->calls[0].rc = MDM_CALL_OK;
        x->calls[0].reply = (i == 2) ? integers(x, 2, 2, 0)
                                     : integers(x, 4, 2, 0, 3 * i, 0);
        assert_int_equal(mdm_exchange_run(x), MDM_DONE);
        assert_int_equal(x->status, 500);
        done(x);
    }
}


/* Redis away: for all 503, for some 207 */

static void
test_enqueue_away(void **state)
{
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    (void) state;

    mdm_unit_store.partitions = 16;

    x = enqueue("A,B,C,D,E,F");
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    assert_true(x->ncalls > 1);

    for (i = 0; i < x->ncalls; i++) {
        x->calls[i].rc = MDM_CALL_UNAVAILABLE;
    }

    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 503);
    assert_true(x->retry_after != 0);
    done(x);

    x = enqueue("A,B,C,D,E,F");
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);

    for (i = 0; i < x->ncalls; i++) {
        x->calls[i].rc = (i == 0) ? MDM_CALL_UNAVAILABLE : MDM_CALL_OK;
        x->calls[i].reply = integers(x, 4, 1, 0, (int) (x->calls[i].nargs
                                                  - MDM_NARGS_ENQUEUE), 0);
    }

    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 207);
    assert_non_null(strstr((char *) x->response.data,
                           "redis is unavailable, try again"));
    done(x);

    x = enqueue("A,B,C,D,E,F");
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);

    for (i = 0; i < x->ncalls; i++) {
        x->calls[i].rc = MDM_CALL_FAILED;
    }

    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 500);
    assert_non_null(x->log);
    done(x);
}


static void
test_enqueue_input(void **state)
{
    mdm_exchange_t  *x;

    (void) state;

    x = request(MDM_PUT, "/v1/enqueue/A", "");
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_non_null(strstr(mdm_unit_api_text(x, "command_error"), "push"));
    done(x);

    x = request(MDM_PUT, "/v1/enqueue/A", "<plist><dict>");
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_true(*mdm_unit_api_text(x, "command_error") != '\0');
    assert_true(x->error.len != 0);
    done(x);

    x = request(MDM_PUT, "/v1/enqueue/A?validate=2", "x");
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_true(*mdm_unit_api_text(x, "error") != '\0');
    done(x);

    /* a wrong type in a known key is refused, unless validation is off */

    x = mdm_unit_api_request(&settings, MDM_POST, "/v1/enqueue/A",
                             "application/json; charset=utf-8",
                             "{\"RequestType\":\"InstallProfile\","
                             "\"Payload\":1}", 44);
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_non_null(strstr(mdm_unit_api_text(x, "command_error"),
                           "Command.Payload"));
    done(x);

    x = mdm_unit_api_request(&settings, MDM_POST, "/v1/enqueue/A?validate=0",
                             "application/json",
                             "{\"RequestType\":\"InstallProfile\"}", 32);
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    assert_true(mdm_str_is(&x->request_type, "InstallProfile"));
    assert_int_equal(x->command_uuid.len, 36);
    done(x);

    /* an unknown RequestType is a warning in the answer */

    x = mdm_unit_api_request(&settings, MDM_POST, "/v1/enqueue/A",
                             "application/json",
                             "{\"RequestType\":\"Next\"}", 22);
    assert_int_equal(mdm_exchange_run(x), MDM_CALL);

    /* what is known of the one device is asked for first */

    assert_ptr_equal(x->calls[0].script, &mdm_script_ddm_device);
    x->calls[0].rc = MDM_CALL_UNAVAILABLE;

    assert_int_equal(mdm_exchange_run(x), MDM_CALL);
    assert_ptr_equal(x->calls[0].script, &mdm_script_enqueue);
    x->calls[0].rc = MDM_CALL_OK;
    x->calls[0].reply = integers(x, 4, 1, 0, 1, 0);
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 200);
    assert_true(*mdm_unit_api_text(x, "warnings/0") != '\0');
    done(x);
}


/* a body of 8 MB to 64 partitions does not go out 64 times at once */

static void
test_enqueue_large(void **state)
{
    char            *body, *p, uri[4096];
    size_t           len, total;
    mdm_uint_t       i, rounds;
    mdm_exchange_t  *x;

    (void) state;

    mdm_unit_store.partitions = 64;
    settings.validate = MDM_VALIDATE_OFF;

    p = uri + sprintf(uri, "/v1/enqueue/0");

    for (i = 1; i < 300; i++) {
        p += sprintf(p, ",%lu", (unsigned long) i);
    }

    len = 8 * 1024 * 1024;
    body = malloc(len + 512);
    assert_non_null(body);

    p = body + sprintf(body, "<plist><dict><key>CommandUUID</key><string>U"
                       "</string><key>Command</key><dict><key>RequestType"
                       "</key><string>T</string><key>P</key><string>");
    memset(p, 'x', len);
    p += len;
    strcpy(p, "</string></dict></dict></plist>");

    x = request(MDM_PUT, uri, body);

    rounds = 0;
    total = 0;

    while (mdm_exchange_run(x) == MDM_CALL) {
        assert_in_range(x->ncalls, 1, 3);

        for (i = 0; i < x->ncalls; i++) {
            total += x->calls[i].nargs - MDM_NARGS_ENQUEUE;

            if (rounds == 5) {
                x->calls[i].rc = MDM_CALL_UNAVAILABLE;
                continue;
            }

            x->calls[i].rc = MDM_CALL_OK;
            x->calls[i].reply = integers(x, 4, 1, 0, (int) (x->calls[i].nargs
                                                      - MDM_NARGS_ENQUEUE), 0);
        }

        rounds++;
    }

    assert_int_equal(x->status, 207);
    assert_int_equal(total, 300);
    assert_true(rounds > 20);

    done(x);
    free(body);
}


static void
test_plain(void **state)
{
    mdm_exchange_t  *x;

    (void) state;

    x = request(MDM_GET, "/version", "");
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 200);
    assert_true(*mdm_unit_api_text(x, "version") != '\0');
    done(x);

    x = request(MDM_POST, "/v1/push/A,B", "");
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 500);
    assert_string_equal(mdm_unit_api_text(x, "status/B/push_error"),
                        "push is off");
    done(x);

    x = request(MDM_POST, "/v1/queue/A", "");
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 405);
    assert_true(x->allow.len != 0);
    done(x);

    x = request(MDM_GET, "/v1/queue/", "");
    assert_int_equal(mdm_exchange_run(x), MDM_DONE);
    assert_int_equal(x->status, 404);
    done(x);
}


/* requests that are refused before any call */

static void
test_refused(void **state)
{
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    static const struct {
        mdm_uint_t   method;
        const char  *uri;
        const char  *body;
        const char  *error;              /* what it must say */
    } t[] = {
        { MDM_GET, "/v1/queue/%zz", "", "not an enrollment id" },
        { MDM_GET, "/v1/queue/:", "", "not an enrollment id" },
        { MDM_GET, "/v1/queue/A?limit=0", "", "\"limit\"" },
        { MDM_GET, "/v1/queue/A?limit=1001", "", "\"limit\"" },
        { MDM_GET, "/v1/queue/A?limit=-1", "", "\"limit\"" },
        { MDM_GET, "/v1/queue/A?limit=%zz", "", "\"limit\"" },
        { MDM_GET, "/v1/queue/A?offset=x", "", "\"offset\"" },
        { MDM_GET, "/v1/queue/A?cursor=!", "", "cursor" },
        { MDM_GET, "/v1/queue/A?x=1&cursor=YWJj", "", "cursor" },
        { MDM_GET, "/v1/queue/A?cursor=LCw", "", "cursor" },
        { MDM_GET, "/v1/queue/A?cursor=LDEsMiwzLDQsNSw2", "", "cursor" },
        { MDM_GET, "/v1/queue/A/%", "", "CommandUUID" },
        { MDM_GET, "/v1/queue/A/U?format=xml", "", "\"format\"" },
        { MDM_DELETE, "/v1/queue/%zz/U", "", "not an enrollment id" },
        { MDM_GET, "/v1/enrollments/A?include_device_cert=yes", "",
          "\"include_device_cert\"" },
        { MDM_GET, "/v1/enrollments/%", "", "not an enrollment id" },
        { MDM_DELETE, "/v1/enrollments/A:U/certificate", "", "user channel" },

        { MDM_POST, "/v1/enrollments/query", "{", "line 1" },
        { MDM_POST, "/v1/enrollments/query", "[]", "the body: an object" },
        { MDM_POST, "/v1/enrollments/query", "{\"a\":1}", "a: unknown" },
        { MDM_POST, "/v1/enrollments/query", "{\"filter\":1}",
          "filter: an object" },
        { MDM_POST, "/v1/enrollments/query", "{\"filter\":{\"serial\":[]}}",
          "filter.serial: unknown" },
        { MDM_POST, "/v1/enrollments/query", "{\"filter\":{\"ids\":\"A\"}}",
          "filter.ids: an array" },
        { MDM_POST, "/v1/enrollments/query",
          "{\"filter\":{\"ids\":[\"A\",2]}}", "filter.ids[1]: a string" },
        { MDM_POST, "/v1/enrollments/query",
          "{\"filter\":{\"ids\":[\"A\",\":\"]}}", "filter.ids[1]: not" },
        { MDM_POST, "/v1/enrollments/query",
          "{\"filter\":{\"types\":[\"Device\",\"device\"]}}",
          "filter.types[1]: unknown" },
        { MDM_POST, "/v1/enrollments/query",
          "{\"filter\":{\"serials\":[null]}}", "filter.serials[0]" },
        { MDM_POST, "/v1/enrollments/query",
          "{\"filter\":{\"enabled\":\"yes\"}}", "filter.enabled: true" },
        { MDM_POST, "/v1/enrollments/query",
          "{\"options\":{\"include_device_cert\":1}}",
          "options.include_device_cert: true" },
        { MDM_POST, "/v1/enrollments/query?limit=x", "", "\"limit\"" },
        { MDM_POST, "/v1/enrollments/query?cursor=OTksMCw", "", "cursor" },
        { MDM_POST, "/v1/enrollments/query?cursor=MSwt", "", "cursor" },

        { MDM_PUT, "/migration", "", "" },
        { MDM_PUT, "/migration", "<plist><dict></dict></plist>", "UDID" },
        { MDM_PUT, "/migration", "<plist><dict><key>UDID</key><string>U"
          "</string></dict></plist>", "MessageType" },
        { MDM_PUT, "/migration", "<plist><dict><key>UDID</key><string>U"
          "</string><key>MessageType</key><string>CheckOut</string></dict>"
          "</plist>", "neither" },
        { MDM_PUT, "/migration", "<plist><dict><key>UDID</key><string>U"
          "</string><key>MessageType</key><string>TokenUpdate</string></dict>"
          "</plist>", "Topic" },
        { MDM_PUT, "/migration", "<plist><dict><key>UDID</key><string>U"
          "</string><key>UserID</key><string>V</string><key>MessageType</key>"
          "<string>Authenticate</string></dict></plist>", "user channel" }
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        x = request(t[i].method, t[i].uri, t[i].body);

        if (mdm_exchange_run(x) != MDM_DONE || x->status != 400
            || strstr(mdm_unit_api_text(x, "error"), t[i].error) == NULL)
        {
            fail_msg("%s %s: %lu %.*s", t[i].uri, t[i].body,
                     (unsigned long) x->status, mdm_fmt(&x->response));
        }

        done(x);
    }
}


/* a small generator, so that a failure can be had again */

static uint32_t  seed;

static uint32_t
rnd(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;

    return (seed >> 8) % n;
}


static mdm_reply_t *
random_reply(mdm_exchange_t *x, mdm_uint_t depth)
{
    size_t        i;
    mdm_reply_t  *reply;

    static const char  *texts[] = {
        "", "1", "0", "a", ":", "12:3", "12:", "99999999999999999999", "%",
        "%zz", "\xff\xfe", "Acknowledged", "A:B", "x\nINFO"
    };

    reply = mdm_arena_zalloc(x->arena, sizeof(mdm_reply_t));
    assert_non_null(reply);

    switch (rnd((depth < 3) ? 6 : 3)) {

    case 0:
        reply->type = MDM_REPLY_NIL;
        break;

    case 1:
        reply->type = MDM_REPLY_INTEGER;
        reply->integer = (int64_t) rnd(8) - 3;

        if (rnd(16) == 0) {
            reply->integer = rnd(2) ? INT64_MAX : INT64_MIN;
        }

        break;

    case 2:
        reply->type = MDM_REPLY_STRING;
        reply->str.data = (u_char *) texts[rnd(14)];
        reply->str.len = strlen((char *) reply->str.data);
        break;

    default:
        reply->type = MDM_REPLY_ARRAY;
        reply->nelements = rnd(14);
        reply->elements = mdm_arena_zalloc(x->arena, reply->nelements
                                                     * sizeof(mdm_reply_t *));
        assert_non_null(reply->elements);

        for (i = 0; i < reply->nelements; i++) {
            reply->elements[i] = random_reply(x, depth + 1);
        }
    }

    return reply;
}


/* whatever Redis says, each request ends with a valid answer */

static void
test_hostile_replies(void **state)
{
    mdm_uint_t       i, k, n;
    mdm_exchange_t  *x;

    static const struct {
        mdm_uint_t   method;
        const char  *uri;
        const char  *body;
    } t[] = {
        { MDM_PUT, "/v1/enqueue/A,B,C,D?validate=0",
          "<plist><dict><key>Command</key><dict><key>RequestType</key>"
          "<string>T</string></dict></dict></plist>" },
        { MDM_GET, "/v1/queue/A", "" },
        { MDM_DELETE, "/v1/queue/A,B,C,D,E", "" },
        { MDM_GET, "/v1/queue/A/U", "" },
        { MDM_GET, "/v1/queue/A/U?format=plist", "" },
        { MDM_DELETE, "/v1/queue/A/U", "" },
        { MDM_GET, "/v1/enrollments/A:B", "" },
        { MDM_POST, "/v1/enrollments/query", "" },
        { MDM_POST, "/v1/enrollments/query?limit=2&offset=1",
          "{\"filter\":{\"ids\":[\"A\",\"B\",\"C\"],\"enabled\":null}}" },
        { MDM_DELETE, "/v1/enrollments/A/certificate", "" },
        { MDM_PUT, "/migration", "<plist><dict><key>UDID</key><string>U"
          "</string><key>MessageType</key><string>Authenticate</string>"
          "</dict></plist>" }
    };

    (void) state;

    seed = 1;

    for (n = 0; n < 20000; n++) {
        i = n % (sizeof(t) / sizeof(t[0]));

        x = request(t[i].method, t[i].uri, t[i].body);

        for (k = 0; k < 100 && mdm_exchange_run(x) == MDM_CALL; k++) {

            mdm_uint_t  c;

            for (c = 0; c < x->ncalls; c++) {
                x->calls[c].rc = (rnd(20) == 0) ? 2 + rnd(2) : MDM_CALL_OK;

                if (x->calls[c].rc == MDM_CALL_OK) {
                    x->calls[c].reply = random_reply(x, 0);
                }
            }
        }

        assert_true(k < 100);
        assert_in_range(x->status, 200, 599);

        if (mdm_str_is(&x->response_type, "application/json")) {
            assert_non_null(mdm_unit_api_json(x));
        }

        done(x);
    }
}


/* paths, queries, cursors and bodies of random bytes */

static void
test_hostile_requests(void **state)
{
    char             uri[128], body[64];
    size_t           i, len;
    mdm_uint_t       n;
    mdm_exchange_t  *x;

    static const char  *starts[] = {
        "/v1/enqueue/", "/v1/queue/", "/v1/queue/A/", "/v1/enrollments/",
        "/v1/enrollments/query?cursor=", "/v1/queue/A?cursor=",
        "/v1/queue/A?limit=", "/migration", "/"
    };

    static const char  bytes[] = "/%,:=&?AZaz09-_.~ \"{}[]\\\x01\x7f\xff\xc3";

    (void) state;

    seed = 2;

    for (n = 0; n < 50000; n++) {
        len = (size_t) sprintf(uri, "%s", starts[rnd(9)]);

        for (i = rnd(40); i != 0; i--) {
            uri[len++] = bytes[rnd(sizeof(bytes) - 1)];
        }

        uri[len] = '\0';

        for (i = 0; i < sizeof(body) - 1; i++) {
            body[i] = bytes[rnd(sizeof(bytes) - 1)];
        }

        body[i] = '\0';

        x = request(1U << rnd(4), uri, rnd(2) ? body : "");

        if (mdm_exchange_run(x) == MDM_DONE) {
            assert_in_range(x->status, 200, 599);

            if (x->response.len != 0) {
                assert_non_null(mdm_unit_api_json(x));
            }

        } else {
            for (i = 0; i < x->ncalls; i++) {
                assert_non_null(x->calls[i].script);
                assert_memory_equal(x->calls[i].key.data, "mdm:{default/",
                                    13);
            }
        }

        done(x);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_json_writer, setup),
        cmocka_unit_test_setup(test_ids, setup),
        cmocka_unit_test_setup(test_cursor, setup),
        cmocka_unit_test_setup(test_enqueue_codes, setup),
        cmocka_unit_test_setup(test_enqueue_slices, setup),
        cmocka_unit_test_setup(test_enqueue_away, setup),
        cmocka_unit_test_setup(test_enqueue_input, setup),
        cmocka_unit_test_setup(test_enqueue_large, setup),
        cmocka_unit_test_setup(test_plain, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_hostile_replies, setup),
        cmocka_unit_test_setup(test_hostile_requests, setup)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
