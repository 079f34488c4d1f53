
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reports: who speaks, and what becomes of it, in whatever order the keys come
 * and wherever the nesting breaks.  No Redis: the first step says it all.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_endpoint.h"
#include "mdm_report.h"


#define UDID          "<key>UDID</key><string>DEVICE</string>"
#define UUID          "<key>CommandUUID</key><string>C-1</string>"
#define STATUS(s)     "<key>Status</key><string>" s "</string>"

#define count(a)      (sizeof(a) / sizeof((a)[0]))


static const mdm_limits_t  limits = { MDM_PLIST_DEPTH,
                                            MDM_PLIST_NODES };

static const mdm_store_settings_t  store_settings = { .partitions = 1 };

static mdm_settings_t   settings;
static mdm_exchange_t  *x;


/* a connect up to the call of Redis; what the step returns */

static mdm_int_t
connect_raw(const void *body, size_t len)
{
    mdm_int_t  rc;

    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    memset(&settings, 0, sizeof(mdm_settings_t));
    settings.store = &store_settings;
    settings.plist_depth = MDM_PLIST_DEPTH;
    settings.plist_nodes = MDM_PLIST_NODES;

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_CONNECT;
    x->method = MDM_PUT;
    x->identity.source = MDM_IDENTITY_TLS;
    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->identity.digest, "0123456789abcdef0123456789abcdef");

    x->body.data = (u_char *) body;
    x->body.len = len;

    mdm_endpoint_find(x);

    rc = mdm_exchange_run(x);

    if (rc == MDM_CALL && x->calls[0].kind == MDM_CALL_KIND_WORK) {
        mdm_call_work(&x->calls[0]);

        rc = mdm_exchange_run(x);
    }

    return rc;
}


static mdm_int_t
connect_xml(const char *body)
{
    return connect_raw(body, strlen(body));
}


static int
teardown(void **state)
{
    (void) state;

    if (x != NULL) {
        mdm_arena_destroy(x->arena);
        x = NULL;
    }

    return 0;
}


/* NULL: 400; "Idle": the poll; else what report.lua is given as the status */

static void
expect(const char *body, mdm_int_t rc, const char *status)
{
    const mdm_call_t  *call;

    if (status == NULL) {

        if (rc != MDM_DONE || x->status != 400) {
            fail_msg("%s: not 400", body);
        }

        assert_non_null(memmem(x->error.data, x->error.len, "certificate",
                               11));

        return;
    }

    if (rc != MDM_CALL) {
        fail_msg("%s: %d %.*s", body, (int) x->status, mdm_fmt(&x->error));
    }

    call = &x->calls[0];

    assert_true(mdm_str_is(&x->mdm_status, status));

    if (strcmp(status, "Idle") == 0) {
        assert_ptr_equal(call->script, &mdm_script_idle);
        assert_true(mdm_str_is(&call->args[MDM_ARG_IDLE_ID], "DEVICE"));
        return;
    }

    assert_ptr_equal(call->script, &mdm_script_report);
    assert_true(mdm_str_is(&call->args[MDM_ARG_REPORT_ID], "DEVICE"));

    if (!mdm_str_is(&call->args[MDM_ARG_REPORT_STATUS], status)) {
        fail_msg("%s: \"%.*s\"", body,
                 mdm_fmt(&call->args[MDM_ARG_REPORT_STATUS]));
    }
}


/* every order of every choice of pieces, by the rules */

static void
test_orders(void **state)
{
    int          used[4], order[4];
    char         body[1024], *p;
    size_t       s, b, n, i, code;
    mdm_uint_t   device, uuid, known, broken;
    const char  *status;

    static const char  *const  statuses[] = {
        "Acknowledged", "Error", "CommandFormatError", "NotNow", "Idle",
        "Done", "Drop", "unreadable", "idle", ""
    };

    static const char  *const  breaks[] = {
        "<key>List</key><array><dict></array>",
        "<key>List</key><array>",
        "<key>List</key>",
        "<true/>",
        "</array>",
        "<key>A</key><string <"
    };

    (void) state;

    for (s = 0; s < count(statuses); s++) {
        for (b = 0; b < count(breaks); b++) {

            /* four digits of base 5: which piece comes, 4: none */

            for (code = 0; code < 625; code++) {

                memset(used, 0, sizeof(used));

                for (i = 0, n = code; i < 4; i++, n /= 5) {
                    order[i] = (int) (n % 5);

                    if (order[i] < 4 && used[order[i]]++ != 0) {
                        break;
                    }
                }

                if (i < 4) {
                    continue;
                }

                p = body + sprintf(body, "<plist><dict>");
                device = uuid = known = broken = 0;

                for (i = 0; i < 4; i++) {

                    switch (order[i]) {

                    case 0:
                        p += sprintf(p, "%s", UDID);
                        device |= !broken;
                        break;

                    case 1:
                        p += sprintf(p, "<key>Status</key><string>%s</string>",
                                     statuses[s]);
                        known |= (!broken && s < 5);
                        break;

                    case 2:
                        p += sprintf(p, "%s", UUID);
                        uuid |= !broken;
                        break;

                    case 3:
                        p += sprintf(p, "%s", breaks[b]);
                        broken = 1;
                        break;

                    default:
                        break;
                    }
                }

                /* a key that waits for its value breaks at the next key */

                (void) sprintf(p, "</dict></plist>");

                status = !device ? NULL
                         : known ? statuses[s]
                         : uuid ? "unreadable" : NULL;

                expect(body, connect_xml(body), status);

                assert_int_equal(x->enrollment_id.len != 0, device);
            }
        }
    }
}


static void
test_twice(void **state)
{
    size_t  i;
    char    body[1024];

    static const struct {
        const char  *key;
        const char  *status;     /* NULL: 400 */
    } keys[] = {
        { "<key>UDID</key><string>OTHER</string>", NULL },
        { "<key>UDID</key><true/>", NULL },
        { UDID, NULL },
        { STATUS("Error"), NULL },
        { UUID, NULL },
        { "<key>EnrollmentID</key><string/>"
          "<key>EnrollmentID</key><string/>", NULL },
        { "<key>UserID</key><string>U</string>"
          "<key>UserID</key><string>U</string>", NULL },
        { "<key>UserShortName</key><string>U</string>"
          "<key>UserShortName</key><string>U</string>", NULL },
        { "<key>EnrollmentUserID</key><string>U</string>", NULL },
        { "<key>EnrollmentID</key><string>E</string>", NULL },
        { "<key>UserID</key><string>\xe4</string>", NULL },
        { "<key>UserID</key><integer>1</integer>", NULL },
        { "<key>ErrorChain</key><array/><key>ErrorChain</key><array/>",
          "Acknowledged" },
        { "<key>NotOnConsole</key><true/><key>NotOnConsole</key><false/>",
          "Acknowledged" },
        { "<key>A</key><true/><key>A</key><true/>", "Acknowledged" },
        { "<key>UserShortName</key><integer>1</integer>", "Acknowledged" },
        { "<key>A</key><dict>" UDID STATUS("Idle") "</dict>", "Acknowledged" }
    };

    (void) state;

    for (i = 0; i < count(keys); i++) {
        (void) snprintf(body, sizeof(body), "<plist><dict>%s%s</dict></plist>",
                        keys[i].key, STATUS("Acknowledged") UDID UUID);
        expect(body, connect_xml(body), keys[i].status);

        (void) snprintf(body, sizeof(body), "<plist><dict>%s%s</dict></plist>",
                        STATUS("Acknowledged") UDID UUID, keys[i].key);
        expect(body, connect_xml(body), keys[i].status);
    }
}


static void
test_values(void **state)
{
    size_t                   len;
    plist_t                  chain;
    mdm_str_t                body, s;
    mdm_arena_t             *arena;
    mdm_report_t             report;
    const mdm_top_member_t  *m;

    static const char  text[] =
        "<plist><dict><key>CommandUUID</key><string>C-1</string>"
        "<key>ErrorChain</key><array><dict><key>ErrorDomain</key>"
        "<string>MCMDMErrorDomain</string></dict></array>"
        "<key>NotOnConsole</key><true/>"
        "<key>QueryResponses</key><dict><key>OSVersion</key>"
        "<string>26.1</string></dict>"
        "<key>SecurityInfo</key><dict><key>OSVersion</key><string>no</string>"
        "<key>IsSupervised</key><true/></dict>"
        "<key>Status</key><string>Error</string>"
        "<key>UDID</key><string>U</string><key>UserID</key><string>V</string>"
        "<key>UserLongName</key><string>Long</string>"
        "<key>UserShortName</key><string>Short</string></dict></plist>";

    (void) state;

    arena = mdm_arena_create(1024);
    assert_non_null(arena);

    body.data = (u_char *) text;
    body.len = sizeof(text) - 1;

    assert_int_equal(mdm_report_read(arena, &body, &report), MDM_OK);

    assert_int_equal(report.status, MDM_REPORT_ERROR);
    assert_true(mdm_str_is(&report.uuid, "C-1"));
    assert_true(mdm_str_is(&report.names.udid.value, "U"));
    assert_true(mdm_str_is(&report.names.user.value, "V"));
    assert_true(mdm_str_is(&report.names.short_name.value, "Short"));
    assert_int_equal(report.names.enrollment.rc, MDM_DECLINED);
    assert_true(mdm_str_is(&report.long_name, "Long"));
    assert_int_equal(report.not_on_console, 1);
    assert_null(report.twice);
    assert_null(report.broken);

    m = mdm_report_member(&report, MDM_REPORT_QUERY_RESPONSES, "OSVersion");
    assert_non_null(m);
    assert_true(mdm_str_is(&m->text, "26.1"));

    m = mdm_report_member(&report, MDM_REPORT_SECURITY_INFO, "IsSupervised");
    assert_non_null(m);
    assert_true(mdm_str_is(&m->text, "true"));
    assert_null(mdm_report_member(&report, MDM_REPORT_QUERY_RESPONSES,
                                  "IsSupervised"));

    assert_int_equal(mdm_report_chain(arena, &body, &report, &limits, &chain),
                     MDM_OK);
    assert_int_equal(mdm_plist_string(plist_array_get_item(chain, 0),
                                      "ErrorDomain", &s), MDM_OK);
    assert_true(mdm_str_is(&s, "MCMDMErrorDomain"));

    /* what is not there is empty, wherever it is cut off */

    for (len = 0; len < body.len; len++) {
        body.len = len;
        body.data = malloc(len + 1);
        assert_non_null(body.data);
        memcpy(body.data, text, len);

        assert_int_equal(mdm_report_read(arena, &body, &report), MDM_OK);
        (void) mdm_report_chain(arena, &body, &report, &limits, &chain);

        free(body.data);
        body.len = sizeof(text) - 1;
    }

    mdm_arena_destroy(arena);
}


/* a NUL, a long name, 15 MB of a Status: nothing of it is kept */

static void
test_status(void **state)
{
    char    *body, *p;
    size_t   len;

    (void) state;

    len = 15 * 1024 * 1024;
    body = malloc(len + 1024);
    assert_non_null(body);

    p = body + sprintf(body, "<dict>" UDID UUID "<key>Status</key><string>");
    memset(p, 1, len);
    p += len;
    p += sprintf(p, "</string></dict>");

    assert_int_equal(connect_raw(body, (size_t) (p - body)), MDM_CALL);
    assert_true(mdm_str_is(&x->calls[0].args[MDM_ARG_REPORT_STATUS],
                           "unreadable"));
    assert_true(mdm_str_is(&x->mdm_status, "unreadable"));

    p = body + sprintf(body, "<dict>" UDID "<key>Status</key><string>");
    memset(p, 1, len);
    p += len;
    p += sprintf(p, "</string></dict>");

    assert_int_equal(connect_raw(body, (size_t) (p - body)), MDM_DONE);
    assert_int_equal(x->status, 400);
    assert_int_equal(x->mdm_status.len, 0);
    assert_true(x->error.len < 512);

    free(body);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_teardown(test_orders, teardown),
        cmocka_unit_test_teardown(test_twice, teardown),
        cmocka_unit_test_teardown(test_values, teardown),
        cmocka_unit_test_teardown(test_status, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
