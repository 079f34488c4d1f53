
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Stores the status report of a channel.
 */


#include <openssl/evp.h>

#include "mdm_ddm_client.h"
#include "mdm_ddm_status.h"
#include "mdm_ddm_store.h"
#include "mdm_ddm_token.h"
#include "mdm_deflate.h"
#include "mdm_exchange_secret.h"
#include "mdm_quote.h"

static mdm_int_t mdm_ddm_status_begin(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_status_read(mdm_exchange_t *x, const mdm_str_t *data,
    mdm_ddm_report_t *report);
static void mdm_ddm_status_odd(mdm_exchange_t *x,
    const mdm_ddm_report_t *report);
static mdm_uint_t mdm_ddm_status_facts(const mdm_ddm_report_t *report);
static mdm_int_t mdm_ddm_status_token(mdm_arena_t *arena,
    const mdm_ddm_report_t *report, mdm_str_t *token);
static mdm_int_t mdm_ddm_status_raw(mdm_exchange_t *x, const mdm_str_t *data,
    mdm_ddm_store_t *store);
static mdm_int_t mdm_ddm_status_names(mdm_exchange_t *x,
    const mdm_str_t *data, mdm_str_t *names);


mdm_int_t
mdm_ddm_status_step(mdm_exchange_t *x)
{
    return (x->state == 0) ? mdm_ddm_status_begin(x) : mdm_ddm_store_step(x);
}


static mdm_int_t
mdm_ddm_status_begin(mdm_exchange_t *x)
{
    mdm_str_t           data;
    mdm_message_t      *m;
    mdm_ddm_store_t    *store;
    mdm_ddm_client_t    client;
    mdm_ddm_report_t   *report;

    m = x->ctx;

    if (mdm_plist_data(m->plist, "Data", &data) != MDM_OK) {
        return mdm_exchange_refuse(x, 400, "Data is missing");
    }

    store = mdm_arena_zalloc(x->arena, sizeof(mdm_ddm_store_t));
    if (store == NULL) {
        return MDM_ERROR;
    }

    report = &store->report;

    if (mdm_ddm_status_read(x, &data, report) != MDM_OK
        || mdm_ddm_client_read(x->arena, &report->client, &client) != MDM_OK
        || mdm_ddm_client_digest(x->arena, &client, &store->client) != MDM_OK
        || mdm_ddm_status_token(x->arena, report, &store->token) != MDM_OK)
    {
        return MDM_ERROR;
    }

    if ((mdm_ddm_status_facts(report)
         || (x->settings->ddm_withhold && report->client.len != 0))
        && mdm_ddm_notify_args(x, &m->en.tag, &store->uuid, &store->body)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (mdm_ddm_status_raw(x, &data, store) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_ddm_store_begin(x, store);
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


/* the item mdm.push-token: data, so base64; what is none says nothing */

static mdm_int_t
mdm_ddm_status_token(mdm_arena_t *arena, const mdm_ddm_report_t *report,
    mdm_str_t *token)
{
    mdm_int_t   rc;
    mdm_str_t   text;
    mdm_uint_t  i;

    for (i = 0; i < report->nvalues; i++) {

        if (mdm_str_is(&report->values[i].place, "mdm.push-token")) {
            break;
        }
    }

    if (i == report->nvalues) {
        return MDM_OK;
    }

    text = report->values[i].json;

    if (text.len < 2 || text.data[0] != '"') {
        return MDM_OK;
    }

    text.data++;
    text.len -= 2;

    rc = mdm_unbase64(arena, token, &text);

    if (rc == MDM_DECLINED) {
        token->len = 0;
    }

    return (rc == MDM_ERROR) ? MDM_ERROR : MDM_OK;
}


/* the report itself, named, compressed, sealed */

static mdm_int_t
mdm_ddm_status_raw(mdm_exchange_t *x, const mdm_str_t *data,
    mdm_ddm_store_t *store)
{
    mdm_str_t            name, *digests, *kept;
    mdm_uint_t           z;
    mdm_message_t       *m;
    mdm_secret_where_t   where;

    m = x->ctx;

    digests = &store->digests;
    kept = &store->kept;

    if (mdm_ddm_status_names(x, data, digests) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_str_set(&store->z, "0");

    /* what is not kept is not sent either */

    if (x->settings->status_reports == 0) {
        return MDM_OK;
    }

    if (mdm_deflate(x->arena, data, kept, &z) != MDM_OK) {
        return MDM_ERROR;
    }

    if (z) {
        mdm_str_set(&store->z, "1");
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
