
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Stores the status report of a channel.
 */


#include <openssl/evp.h>

#include "mdm_ddm_client.h"
#include "mdm_ddm_report.h"
#include "mdm_ddm_status.h"
#include "mdm_ddm_token.h"
#include "mdm_deflate.h"
#include "mdm_exchange_secret.h"
#include "mdm_message.h"
#include "mdm_quote.h"

static mdm_int_t mdm_ddm_status_call(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_status_read(mdm_exchange_t *x, const mdm_str_t *data,
    mdm_ddm_report_t *report);
static void mdm_ddm_status_odd(mdm_exchange_t *x,
    const mdm_ddm_report_t *report);
static mdm_int_t mdm_ddm_status_client(mdm_exchange_t *x,
    const mdm_ddm_report_t *report, mdm_str_t *args);
static mdm_uint_t mdm_ddm_status_facts(const mdm_ddm_report_t *report);
static mdm_int_t mdm_ddm_status_raw(mdm_exchange_t *x, const mdm_str_t *data,
    mdm_str_t *args);
static mdm_int_t mdm_ddm_status_names(mdm_exchange_t *x,
    const mdm_str_t *data, mdm_str_t *names);
static mdm_int_t mdm_ddm_status_lists(mdm_exchange_t *x, mdm_str_t *args,
    const mdm_ddm_report_t *report);
static mdm_int_t mdm_ddm_status_answer(mdm_exchange_t *x);


mdm_int_t
mdm_ddm_status_step(mdm_exchange_t *x)
{
    return (x->state == 0) ? mdm_ddm_status_call(x)
                           : mdm_ddm_status_answer(x);
}


static mdm_int_t
mdm_ddm_status_call(mdm_exchange_t *x)
{
    mdm_str_t          data, *args;
    mdm_message_t     *m;
    mdm_ddm_report_t   report;

    m = x->ctx;

    if (mdm_plist_data(m->plist, "Data", &data) != MDM_OK) {
        return mdm_exchange_refuse(x, 400, "Data is missing");
    }

    if (mdm_ddm_status_read(x, &data, &report) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_message_call(x, &mdm_script_ddm_status,
                            1 + x->settings->store->nstatus_index
                            + 1 + report.nerrors + 3 * report.nvalues, 1);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_STATUS_FULL].data = (u_char *) (report.full ? "1" : "0");
    args[MDM_ARG_DDM_STATUS_FULL].len = 1;

    if (mdm_ddm_status_client(x, &report, args) != MDM_OK) {
        return MDM_ERROR;
    }

    if ((mdm_ddm_status_facts(&report)
         || (x->settings->ddm_withhold && report.client.len != 0))
        && mdm_ddm_notify_args(x, &m->en.tag, &args[MDM_ARG_DDM_STATUS_UUID],
                               &args[MDM_ARG_DDM_STATUS_BODY])
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (mdm_ddm_status_raw(x, &data, args) != MDM_OK
        || mdm_message_number(x, &args[MDM_ARG_DDM_STATUS_KEPT],
                              x->settings->status_reports)
           != MDM_OK
        || mdm_message_number(x, &args[MDM_ARG_DDM_STATUS_MOST_ERRORS],
                              x->settings->status_errors)
           != MDM_OK
        || mdm_ddm_status_lists(x, args + MDM_ARG_DDM_STATUS_LISTS, &report)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


/* a report that makes no sense is one that says nothing */

static mdm_int_t
mdm_ddm_status_read(mdm_exchange_t *x, const mdm_str_t *data,
    mdm_ddm_report_t *report)
{
    mdm_int_t            rc;
    const char          *why;
    mdm_limits_t         limits;
    mdm_message_t       *m;

    m = x->ctx;

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    rc = mdm_ddm_report_read(x->arena, data, &limits,
                             x->settings->status_errors, report, &why);

    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    if (rc == MDM_DECLINED) {
        mdm_exchange_log(x, MDM_LOG_WARN, "a status report of \"%.*s\" is "
                         "kept but not understood: %s",
                         mdm_fmt(&m->en.id_key), why);

        memset(report, 0, sizeof(mdm_ddm_report_t));

        return MDM_OK;
    }

    mdm_ddm_status_odd(x, report);

    return MDM_OK;
}


/* what of a report is not, or not quite, what the device said */

static void
mdm_ddm_status_odd(mdm_exchange_t *x, const mdm_ddm_report_t *report)
{
    mdm_uint_t      i;
    mdm_quote_t     quote;
    mdm_message_t  *m;

    m = x->ctx;

    for (i = 0; i < report->odd.nnames; i++) {
        mdm_exchange_log(x, MDM_LOG_NOTICE, "\"%s\" in a status report of "
                         "\"%.*s\" is kept as text: it is no value of JSON",
                         mdm_quote(&quote, (char *) report->odd.names[i].data,
                                   report->odd.names[i].len),
                         mdm_fmt(&m->en.id_key));
    }

    if (report->odd.n > report->odd.nnames) {
        mdm_exchange_log(x, MDM_LOG_NOTICE, "%lu more values in a status "
                         "report of \"%.*s\" are kept as text",
                         (unsigned long) (report->odd.n - report->odd.nnames),
                         mdm_fmt(&m->en.id_key));
    }

    if (report->skipped != 0) {
        mdm_exchange_log(x, MDM_LOG_NOTICE, "%lu values in a status report "
                         "of \"%.*s\" are left out, the first at \"%s\": a "
                         "name that is too long, a wrong type, no identifier",
                         (unsigned long) report->skipped,
                         mdm_fmt(&m->en.id_key),
                         mdm_quote(&quote, (char *) report->first.data,
                                   report->first.len));
    }
}


static mdm_int_t
mdm_ddm_status_client(mdm_exchange_t *x, const mdm_ddm_report_t *report,
    mdm_str_t *args)
{
    mdm_ddm_client_t  client;

    args[MDM_ARG_DDM_STATUS_WITHHOLD].data =
        (u_char *) (x->settings->ddm_withhold ? "1" : "0");
    args[MDM_ARG_DDM_STATUS_WITHHOLD].len = 1;

    if (mdm_ddm_client_read(x->arena, &report->client, &client) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_ddm_client_digest(x->arena, &client,
                                 &args[MDM_ARG_DDM_STATUS_CLIENT]);
}


/* does it speak of what an enrollment keeps of its device? */

static mdm_uint_t
mdm_ddm_status_facts(const mdm_ddm_report_t *report)
{
    mdm_uint_t        i, k;
    const mdm_str_t  *place;

    static const mdm_str_t  items[] = {
        mdm_string("device.operating-system."),
        mdm_string("device.model.")
    };

    for (i = 0; i < report->nvalues; i++) {
        place = &report->values[i].place;

        for (k = 0; k < sizeof(items) / sizeof(mdm_str_t); k++) {
            if (place->len > items[k].len
                && memcmp(place->data, items[k].data, items[k].len) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


/* the report itself, named, compressed, sealed */

static mdm_int_t
mdm_ddm_status_raw(mdm_exchange_t *x, const mdm_str_t *data, mdm_str_t *args)
{
    mdm_str_t            name, *digests, *kept;
    mdm_uint_t           z;
    mdm_message_t       *m;
    mdm_secret_where_t   where;

    m = x->ctx;

    digests = &args[MDM_ARG_DDM_STATUS_DIGESTS];
    kept = &args[MDM_ARG_DDM_STATUS_REPORT];

    if (mdm_ddm_status_names(x, data, digests) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_str_set(&args[MDM_ARG_DDM_STATUS_Z], "0");

    /* what is not kept is not sent either */

    if (x->settings->status_reports == 0) {
        return MDM_OK;
    }

    if (mdm_deflate(x->arena, data, kept, &z) != MDM_OK) {
        return MDM_ERROR;
    }

    if (z) {
        mdm_str_set(&args[MDM_ARG_DDM_STATUS_Z], "1");
    }

    /* it is kept under the first; with the NUL that a field's name needs */

    if (mdm_printf(x->arena, &name, "%.*s", MDM_DDM_DIGEST,
                   digests->data)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_where_status(&where, &m->en.tag, &m->en.id_key, (char *) name.data,
                     z);

    return mdm_exchange_seal(x, x->arena, &where, kept, NULL);
}


/*
 * The names that a report may have: MDM_DDM_DIGEST hex digits under each key,
 * so that a repetition is seen across a rotation, or of its SHA-256 where
 * there is no key.
 */

static mdm_int_t
mdm_ddm_status_names(mdm_exchange_t *x, const mdm_str_t *data,
    mdm_str_t *names)
{
    u_char               digest[EVP_MAX_MD_SIZE];
    unsigned int         size;
    mdm_message_t       *m;
    mdm_secret_place_t   place;
    mdm_secret_where_t   where;

    m = x->ctx;

    if (mdm_exchange_secrets(x) != NULL) {

        /* no report has this name, so that nothing is sealed for it */

        mdm_where_status(&where, &m->en.tag, &m->en.id_key, "digest", 0);

        if (mdm_where_place(x->arena, &where, &place) != MDM_OK) {
            return MDM_ERROR;
        }

        return mdm_secret_digests(x->arena, mdm_exchange_secrets(x), &place,
                                  data, MDM_DDM_DIGEST / 2, names);
    }

    if (EVP_Digest(data->data, data->len, digest, &size, EVP_sha256(), NULL)
        != 1)
    {
        return MDM_ERROR;
    }

    names->data = mdm_arena_alloc(x->arena, MDM_DDM_DIGEST);
    if (names->data == NULL) {
        return MDM_ERROR;
    }

    names->len = MDM_DDM_DIGEST;
    mdm_hex(names->data, digest, MDM_DDM_DIGEST / 2);

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_status_lists(mdm_exchange_t *x, mdm_str_t *args,
    const mdm_ddm_report_t *report)
{
    mdm_uint_t              i, n;
    const mdm_ddm_value_t  *v;

    static const char  types[] = "=-@[~";

    n = x->settings->store->nstatus_index;

    if (mdm_message_number(x, args++, n) != MDM_OK) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        *args++ = x->settings->store->status_index[i];
    }

    if (mdm_message_number(x, args++, report->nerrors) != MDM_OK) {
        return MDM_ERROR;
    }

    for (i = 0; i < report->nerrors; i++) {
        *args++ = report->errors[i];
    }

    for (i = 0; i < report->nvalues; i++) {
        v = &report->values[i];

        args->data = (u_char *) strchr(types, (int) v->type);
        args->len = 1;
        args++;

        *args++ = v->place;
        *args++ = v->json;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_status_answer(mdm_exchange_t *x)
{
    int64_t         code, dropped;
    mdm_str_t       unnamed;
    mdm_quote_t     quote;
    mdm_message_t  *m;

    m = x->ctx;

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_LOST);

    if (code != MDM_CODE_NONE) {
        return mdm_message_refused(x, code);
    }

    dropped = mdm_reply_int(x->calls[0].reply, MDM_RET_DDM_STATUS_DROPPED, 0);

    if (dropped != 0) {
        mdm_exchange_log(x, MDM_LOG_WARN, "%lld new values in a status "
                         "report of \"%.*s\" are left out: it has too many",
                         (long long) dropped, mdm_fmt(&m->en.id_key));
    }

    unnamed = mdm_reply_str(x->calls[0].reply, MDM_RET_DDM_STATUS_UNNAMED);

    if (unnamed.len != 0) {
        mdm_exchange_log(x, MDM_LOG_NOTICE, "the array \"%s\" in a status "
                         "report of \"%.*s\" is left out: its elements have "
                         "no identifier, those that are known have one",
                         mdm_quote(&quote, (char *) unnamed.data, unnamed.len),
                         mdm_fmt(&m->en.id_key));
    }

    return mdm_exchange_empty(x, 200);
}
