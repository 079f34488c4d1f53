
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads a report by its top level: the status, the command, what it brings.
 */


#include "mdm_certificate.h"
#include "mdm_command.h"
#include "mdm_report.h"


/* above the longest word of Status */

#define MDM_REPORT_STATUS_MAX  32


enum {
    MDM_REPORT_KEY_UDID = 0,
    MDM_REPORT_KEY_ENROLLMENT,
    MDM_REPORT_KEY_USER,
    MDM_REPORT_KEY_ENROLLMENT_USER,
    MDM_REPORT_KEY_SHORT_NAME,
    MDM_REPORT_KEY_STATUS,
    MDM_REPORT_KEY_UUID,

    /* those before decide who speaks, and of what: they may not come twice */

    MDM_REPORT_KEY_LONG_NAME,
    MDM_REPORT_KEY_CHAIN,
    MDM_REPORT_KEY_CONSOLE,
    MDM_REPORT_KEY_QUERY_RESPONSES,
    MDM_REPORT_KEY_SECURITY_INFO,
    MDM_REPORT_KEYS
};


static void mdm_report_name(const mdm_top_value_t *value,
    mdm_enrollment_name_t *name);
static mdm_report_status_e mdm_report_known(const mdm_top_value_t *value);


/* in the order of the enum */

static const mdm_top_key_t  mdm_report_keys[] = {
    mdm_top_key("UDID", MDM_ID_MAX),
    mdm_top_key("EnrollmentID", MDM_ID_MAX),
    mdm_top_key("UserID", MDM_ID_MAX),
    mdm_top_key("EnrollmentUserID", MDM_ID_MAX),
    mdm_top_key("UserShortName", MDM_ID_MAX),
    mdm_top_key("Status", MDM_REPORT_STATUS_MAX),
    mdm_top_key("CommandUUID", MDM_COMMAND_UUID_MAX),
    mdm_top_key("UserLongName", MDM_TOP_TEXT_MAX),
    mdm_top_key("ErrorChain", 0),
    mdm_top_key("NotOnConsole", 0),
    mdm_top_key_members("QueryResponses"),
    mdm_top_key_members("SecurityInfo")
};


/* in the order of mdm_report_status_e */

static const mdm_str_t  mdm_report_statuses[] = {
    mdm_string("unreadable"),
    mdm_string("Idle"),
    mdm_string("Acknowledged"),
    mdm_string("Error"),
    mdm_string("CommandFormatError"),
    mdm_string("NotNow")
};


mdm_int_t
mdm_report_read(mdm_arena_t *arena, const mdm_str_t *body,
    mdm_report_t *report)
{
    mdm_uint_t       i;
    mdm_top_value_t  v[MDM_REPORT_KEYS];

    memset(report, 0, sizeof(mdm_report_t));

    if (mdm_plist_top(arena, body, mdm_report_keys, MDM_REPORT_KEYS, v,
                      &report->top)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    report->broken = report->top.broken;

    for (i = 0; i <= MDM_REPORT_KEY_UUID; i++) {
        if (v[i].count > 1) {
            report->twice = (const char *) mdm_report_keys[i].name.data;
        }
    }

    mdm_report_name(&v[MDM_REPORT_KEY_UDID], &report->names.udid);
    mdm_report_name(&v[MDM_REPORT_KEY_ENROLLMENT], &report->names.enrollment);
    mdm_report_name(&v[MDM_REPORT_KEY_USER], &report->names.user);
    mdm_report_name(&v[MDM_REPORT_KEY_ENROLLMENT_USER],
                    &report->names.enrollment_user);
    mdm_report_name(&v[MDM_REPORT_KEY_SHORT_NAME], &report->names.short_name);

    report->status = mdm_report_known(&v[MDM_REPORT_KEY_STATUS]);

    if (v[MDM_REPORT_KEY_UUID].type == MDM_TOP_STRING) {
        report->uuid = v[MDM_REPORT_KEY_UUID].text;
    }

    if (v[MDM_REPORT_KEY_LONG_NAME].type == MDM_TOP_STRING) {
        report->long_name = v[MDM_REPORT_KEY_LONG_NAME].text;
    }

    if (v[MDM_REPORT_KEY_CHAIN].type == MDM_TOP_ARRAY) {
        report->error_chain = v[MDM_REPORT_KEY_CHAIN];
    }

    if (v[MDM_REPORT_KEY_CONSOLE].type == MDM_TOP_BOOL) {
        report->not_on_console = mdm_str_is(&v[MDM_REPORT_KEY_CONSOLE].text,
                                            "true");
    }

    return MDM_OK;
}


static void
mdm_report_name(const mdm_top_value_t *value, mdm_enrollment_name_t *name)
{
    name->value = value->text;

    switch (value->type) {

    case MDM_TOP_STRING:
        name->rc = MDM_OK;
        break;

    case MDM_TOP_NONE:
        name->rc = MDM_DECLINED;
        break;

    default:
        name->rc = MDM_ERROR;
        break;
    }
}


static mdm_report_status_e
mdm_report_known(const mdm_top_value_t *value)
{
    mdm_uint_t  i;

    if (value->type == MDM_TOP_STRING) {

        for (i = MDM_REPORT_IDLE; i <= MDM_REPORT_NOT_NOW; i++) {
            if (mdm_str_eq(&value->text, &mdm_report_statuses[i])) {
                return (mdm_report_status_e) i;
            }
        }
    }

    return MDM_REPORT_UNREADABLE;
}


mdm_str_t
mdm_report_status(mdm_report_status_e status)
{
    return mdm_report_statuses[status];
}


const mdm_top_member_t *
mdm_report_member(const mdm_report_t *report, mdm_report_dict_e dict,
    const char *name)
{
    return mdm_top_member(&report->top, (dict == MDM_REPORT_SECURITY_INFO)
                                        ? MDM_REPORT_KEY_SECURITY_INFO
                                        : MDM_REPORT_KEY_QUERY_RESPONSES,
                          name);
}


mdm_int_t
mdm_report_chain(mdm_arena_t *arena, const mdm_str_t *body,
    const mdm_report_t *report, const mdm_limits_t *limits,
    plist_t *chain)
{
    const char  *why;

    if (report->error_chain.type != MDM_TOP_ARRAY) {
        return MDM_DECLINED;
    }

    return mdm_plist_top_parse(arena, body, &report->error_chain, limits,
                               chain, &why);
}


mdm_int_t
mdm_report_message(mdm_exchange_t *x)
{
    mdm_int_t       rc;
    mdm_str_t       twice;
    const char     *why;
    mdm_report_t   *report;
    mdm_message_t  *m;

    rc = mdm_message_create(x);
    if (rc != MDM_OK) {
        return rc;
    }

    m = x->ctx;

    report = mdm_arena_alloc(x->arena, sizeof(mdm_report_t));

    if (report == NULL
        || mdm_report_read(x->arena, &x->body, report) != MDM_OK)
    {
        return MDM_ERROR;
    }

    m->data = report;

    if (report->twice != NULL) {

        if (mdm_printf(x->arena, &twice, "%s comes twice", report->twice)
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        (void) mdm_report_refuse(x, (const char *) twice.data);

        return MDM_DECLINED;
    }

    rc = mdm_enrollment_resolve_names(x->arena, &report->names, &x->tenant,
                                      x->settings->store->partitions, &m->en,
                                      &why);

    if (rc == MDM_DECLINED) {

        /* what is missing may have stood behind it */

        if (report->broken != NULL) {
            why = report->broken;
        }

        (void) mdm_report_refuse(x, why);

        return MDM_DECLINED;
    }

    if (rc == MDM_OK) {
        x->enrollment_id = m->en.id;
    }

    return rc;
}


mdm_int_t
mdm_report_refuse(mdm_exchange_t *x, const char *why)
{
    mdm_str_t  title;

    mdm_certificate_title(x->arena, &x->identity.der, &title);

    return mdm_exchange_refuse(x, 400, "%s, in a message with the certificate "
                               "of \"%.*s\"", why, mdm_fmt(&title));
}
