
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reports under libFuzzer: the reader of a dictionary's top level takes
 * whatever comes, and where the guarded reader takes it too, both have found
 * the same.
 */


#include <stdlib.h>

#include "mdm_command.h"
#include "mdm_report.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_touch(const mdm_str_t *s);
static void fuzz_name(plist_t root, const char *key,
    const mdm_enrollment_name_t *name);
static void fuzz_status(plist_t root, const mdm_report_t *report);
static void fuzz_members(plist_t root, const mdm_report_t *report,
    mdm_report_dict_e dict, const char *key);
static void fuzz_check(int good);


static const mdm_limits_t  fuzz_limits = { MDM_PLIST_DEPTH,
                                                 MDM_PLIST_NODES };


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    plist_t        root, chain;
    mdm_int_t      rc;
    mdm_str_t      in, s, name;
    mdm_uint_t     i;
    const char    *why;
    mdm_arena_t   *arena;
    mdm_report_t   report;

    in.len = size;
    in.data = (u_char *) data;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return 0;
    }

    fuzz_check(mdm_report_read(arena, &in, &report) == MDM_OK);

    /* whatever it is: all that is found can be read, and is bounded */

    fuzz_touch(&report.uuid);
    fuzz_touch(&report.long_name);
    fuzz_touch(&report.names.udid.value);
    fuzz_touch(&report.error_chain.slice);
    fuzz_check(report.uuid.len <= MDM_COMMAND_UUID_MAX
               && report.names.udid.value.len <= MDM_ID_MAX);
    fuzz_check(report.top.nmembers <= MDM_TOP_MEMBERS
               && report.top.bytes <= MDM_TOP_BYTES);

    for (i = 0; i < report.top.nmembers; i++) {
        name = report.top.members[i].name;
        s = report.top.members[i].text;

        fuzz_check(mdm_utf8_valid(&name) && mdm_utf8_valid(&s));
    }

    rc = mdm_report_chain(arena, &in, &report, &fuzz_limits, &chain);

    fuzz_check(rc == MDM_DECLINED
               || (rc == MDM_OK
                   && plist_get_node_type(chain) == PLIST_ARRAY));

    if (mdm_plist_parse(arena, &in, &fuzz_limits, &root, &why) == MDM_OK) {

        fuzz_check(report.broken == NULL && report.twice == NULL);

        fuzz_name(root, "UDID", &report.names.udid);
        fuzz_name(root, "UserID", &report.names.user);
        fuzz_name(root, "EnrollmentID", &report.names.enrollment);
        fuzz_name(root, "EnrollmentUserID", &report.names.enrollment_user);
        fuzz_name(root, "UserShortName", &report.names.short_name);

        fuzz_status(root, &report);

        fuzz_members(root, &report, MDM_REPORT_QUERY_RESPONSES,
                     "QueryResponses");
        fuzz_members(root, &report, MDM_REPORT_SECURITY_INFO, "SecurityInfo");

        chain = plist_dict_get_item(root, "ErrorChain");

        fuzz_check((chain != NULL
                    && plist_get_node_type(chain) == PLIST_ARRAY)
                   == (report.error_chain.type == MDM_TOP_ARRAY));

        /* of a binary plist the references may have no room for two more */

        fuzz_check(report.error_chain.type != MDM_TOP_ARRAY || rc == MDM_OK
                   || report.error_chain.slice.len == 0);
    }

    mdm_arena_destroy(arena);

    return 0;
}


static void
fuzz_touch(const mdm_str_t *s)
{
    size_t           i;
    volatile u_char  sum;

    sum = 0;

    for (i = 0; i < s->len; i++) {
        sum = (u_char) (sum + s->data[i]);
    }
}


static void
fuzz_name(plist_t root, const char *key, const mdm_enrollment_name_t *name)
{
    mdm_int_t  rc;
    mdm_str_t  s;

    rc = mdm_plist_string(root, key, &s);

    if (rc == MDM_OK && s.len > MDM_ID_MAX) {
        rc = MDM_ERROR;
    }

    fuzz_check(name->rc == rc);
    fuzz_check(rc != MDM_OK || mdm_str_eq(&s, &name->value));
}


static void
fuzz_status(plist_t root, const mdm_report_t *report)
{
    mdm_str_t   s, status;
    mdm_uint_t  console;

    status = mdm_report_status(report->status);

    if (mdm_plist_string(root, "Status", &s) != MDM_OK) {
        fuzz_check(report->status == MDM_REPORT_UNREADABLE);

    } else if (report->status != MDM_REPORT_UNREADABLE) {
        fuzz_check(mdm_str_eq(&s, &status));

    } else {
        fuzz_check(!mdm_str_is(&s, "Acknowledged") && !mdm_str_is(&s, "Idle")
                   && !mdm_str_is(&s, "Error") && !mdm_str_is(&s, "NotNow")
                   && !mdm_str_is(&s, "CommandFormatError"));
    }

    if (mdm_plist_string(root, "CommandUUID", &s) == MDM_OK
        && s.len <= MDM_COMMAND_UUID_MAX)
    {
        fuzz_check(mdm_str_eq(&s, &report->uuid));

    } else {
        fuzz_check(report->uuid.len == 0);
    }

    console = 0;
    (void) mdm_plist_bool(root, "NotOnConsole", &console);

    fuzz_check(report->not_on_console == console);
}


/* what is listed is there; what is there may be over a limit */

static void
fuzz_members(plist_t root, const mdm_report_t *report, mdm_report_dict_e dict,
    const char *key)
{
    char                     name[MDM_TOP_NAME_MAX + 1];
    plist_t                  node;
    mdm_str_t                s;
    mdm_uint_t               i, b;
    const mdm_top_member_t  *m, *all;

    node = plist_dict_get_item(root, key);
    all = report->top.members;

    for (i = 0; i < report->top.nmembers; i++) {
        memcpy(name, all[i].name.data, all[i].name.len);
        name[all[i].name.len] = '\0';

        m = mdm_report_member(report, dict, name);

        if (m == NULL || m != &all[i]) {
            continue;
        }

        fuzz_check(node != NULL && plist_get_node_type(node) == PLIST_DICT);

        switch (m->type) {

        case MDM_TOP_STRING:
            fuzz_check(mdm_plist_string(node, name, &s) == MDM_OK
                       && mdm_str_eq(&s, &m->text));
            break;

        case MDM_TOP_BOOL:
            fuzz_check(mdm_plist_bool(node, name, &b) == MDM_OK
                       && mdm_str_is(&m->text, b ? "true" : "false"));
            break;

        default:
            node = plist_dict_get_item(root, key);
            fuzz_check(plist_dict_get_item(node, name) != NULL);
            break;
        }
    }
}


static void
fuzz_check(int good)
{
    if (!good) {
        abort();
    }
}
