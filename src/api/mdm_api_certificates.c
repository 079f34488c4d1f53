
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/certificates: first those that devices have, by their partitions,
 * then all others that were issued, by when they expire.
 */


#include <stdio.h>
#include <time.h>

#include "mdm_api.h"
#include "mdm_api_certificates.h"
#include "mdm_api_json.h"
#include "mdm_api_util.h"
#include "mdm_date.h"
#include "mdm_key.h"
#include "mdm_number.h"


#define MDM_API_CERTIFICATES      100
#define MDM_API_CERTIFICATES_MAX  500

/* partitions that are asked at once, and ids that are looked at in each */
#define MDM_API_CERTIFICATES_WIDTH   16
#define MDM_API_CERTIFICATES_BUDGET  500


static mdm_int_t mdm_api_certificates_args(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_int_t mdm_api_certificates_id(mdm_exchange_t *x,
    mdm_api_certificates_t *p, const mdm_str_t *id);
static mdm_int_t mdm_api_certificates_before(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_int_t mdm_api_certificates_find(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_int_t mdm_api_certificates_found(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_int_t mdm_api_certificates_scan(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_int_t mdm_api_certificates_scanned(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_uint_t mdm_api_certificates_take(mdm_api_certificates_t *p,
    const mdm_reply_t *reply);
static mdm_int_t mdm_api_certificates_read(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_int_t mdm_api_certificates_had(mdm_exchange_t *x,
    mdm_api_certificates_t *p);


mdm_int_t
mdm_api_certificates_step(mdm_exchange_t *x)
{
    mdm_int_t                rc;
    mdm_api_certificates_t  *p;

    switch (x->state) {

    case MDM_API_CERTIFICATES_BEGIN:

        p = mdm_arena_zalloc(x->arena, sizeof(mdm_api_certificates_t));
        if (p == NULL) {
            return MDM_ERROR;
        }

        x->ctx = p;

        rc = mdm_api_certificates_args(x, p);

        if (rc != MDM_OK) {
            return rc;
        }

        /* a serial number is that of a CA */

        if (p->sn.len != 0 && p->ca.len != 0 && p->only.len == 0) {
            return mdm_api_certificates_find(x, p);
        }

        return (p->scan.partition == x->settings->store->partitions)
               ? mdm_api_certificates_issued(x, p)
               : mdm_api_certificates_scan(x, p);

    case MDM_API_CERTIFICATES_FOUND:
        return mdm_api_certificates_found(x, x->ctx);

    case MDM_API_CERTIFICATES_SCANNED:
        return mdm_api_certificates_scanned(x, x->ctx);

    case MDM_API_CERTIFICATES_READ:
        return mdm_api_certificates_had(x, x->ctx);

    default:
        return mdm_api_certificates_issued(x, x->ctx);
    }
}


/* MDM_OK, MDM_DONE, MDM_ERROR */

static mdm_int_t
mdm_api_certificates_args(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_int_t   rc;
    uint32_t    end;
    mdm_str_t   id, cursor;
    mdm_uint_t  k;

    const struct {
        const char  *name;
        mdm_str_t   *value;
    } list[] = {
        { "id", &id }, { "cursor", &cursor }, { "ca", &p->ca },
        { "state", &p->state }, { "device_serial", &p->serial },
        { "certificate_serial", &p->sn }
    };

    for (k = 0; k < sizeof(list) / sizeof(list[0]); k++) {
        rc = mdm_api_arg(x, list[k].name, list[k].value);

        if (rc != MDM_OK) {
            return rc;
        }
    }

    /* an argument may be a part of the request */

    if (mdm_str_dup(x->arena, &p->serial, &p->serial) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_str_upper(&p->serial);

    if (p->state.len != 0 && !mdm_str_is(&p->state, "issued")
        && !mdm_str_is(&p->state, "pinned")
        && !mdm_str_is(&p->state, "replaced"))
    {
        return mdm_exchange_refuse(x, 400, "the argument \"state\" is none of "
                                   "\"issued\", \"pinned\" and "
                                   "\"replaced\"");
    }

    p->limit = MDM_API_CERTIFICATES;
    p->scan.width = MDM_API_CERTIFICATES_WIDTH;

    rc = mdm_api_arg_number(x, "limit", 1, MDM_API_CERTIFICATES_MAX,
                            &p->limit);

    if (rc == MDM_OK) {
        rc = mdm_api_certificates_before(x, p);
    }

    /* none of a device's was replaced */

    end = x->settings->store->partitions;

    if (rc == MDM_OK && mdm_str_is(&p->state, "replaced")) {
        p->scan.partition = end;
    }

    if (rc == MDM_OK && cursor.len != 0) {
        rc = mdm_api_cursor_place_read(x, &cursor, end + 1, &k,
                                       &p->scan.after);
        p->scan.partition = (uint32_t) k;
    }

    if (rc == MDM_OK && id.len != 0) {
        rc = mdm_api_certificates_id(x, p, &id);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    /* a device may have two, so one more than asked for */

    p->found = mdm_arena_alloc(x->arena, (size_t) (p->limit + 1)
                                         * sizeof(mdm_api_certificate_t));
    p->rows = mdm_arena_alloc(x->arena, (size_t) (p->limit + 1)
                                        * sizeof(mdm_api_certificates_row_t));

    return (p->found != NULL && p->rows != NULL) ? MDM_OK : MDM_ERROR;
}


static mdm_int_t
mdm_api_certificates_id(mdm_exchange_t *x, mdm_api_certificates_t *p,
    const mdm_str_t *id)
{
    mdm_int_t         rc;
    mdm_enrollment_t  en;

    rc = mdm_enrollment_from_id(x->arena, id, &x->tenant,
                                x->settings->store->partitions, &en);

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 400, MDM_API_NO_ID);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    p->only = en.device_key;
    p->scan.width = 1;

    if (p->scan.partition < x->settings->store->partitions) {
        p->scan.partition = en.partition;
    }

    return MDM_OK;
}


/* RFC 3339, as the answer has it */

static mdm_int_t
mdm_api_certificates_before(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    u_char      utc[MDM_DATE_LEN + 1];
    mdm_int_t   rc;
    mdm_str_t   date;
    struct tm   tm;

    rc = mdm_api_arg(x, "expires_before", &date);

    if (rc != MDM_OK || date.len == 0) {
        return rc;
    }

    memset(&tm, 0, sizeof(struct tm));
    utc[MDM_DATE_LEN] = '\0';

    if (mdm_date_utc(utc, &date) != MDM_OK
        || sscanf((const char *) utc, "%d-%d-%dT%d:%d:%dZ", &tm.tm_year,
                  &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                  &tm.tm_sec)
           != 6)
    {
        return mdm_exchange_refuse(x, 400, "the argument \"expires_before\" "
                                   "is not a date, such as "
                                   "2026-01-07T04:04:46Z");
    }

    tm.tm_year -= 1900;
    tm.tm_mon--;

    p->before = (int64_t) timegm(&tm);

    return MDM_OK;
}


static mdm_int_t
mdm_api_certificates_find(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_str_t  key;

    return (mdm_key_issued(x->arena, &key, &x->tenant, &p->ca, &p->sn)
            == MDM_OK
            && mdm_exchange_calls(x, 1, MDM_API_CERTIFICATES_FOUND)
               == MDM_CALL
            && mdm_exchange_call(x, 0, &mdm_script_certificate_find, &key, 0)
               != NULL)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_certificates_found(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_str_t  sha256;

    sha256 = mdm_reply_str(x->calls[0].reply, MDM_RET_CERTIFICATE_FIND_DIGEST);

    if (sha256.len != 0) {
        memset(p->found, 0, sizeof(mdm_api_certificate_t));
        p->found[0].sha256 = sha256;
        p->n = 1;
    }

    return mdm_api_certificates_read(x, p);
}


static mdm_int_t
mdm_api_certificates_scan(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_str_t   tag, *args;
    mdm_uint_t  i, n;

    n = mdm_api_scan_round(x, &p->scan, (int64_t) p->n >= p->limit);

    if (n == 0) {
        return mdm_api_certificates_read(x, p);
    }

    if (mdm_exchange_calls(x, n, MDM_API_CERTIFICATES_SCANNED) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (mdm_api_scan_tag(x, &p->scan, i, &tag) != MDM_OK) {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, i, &mdm_script_certificates_list, &tag, 0);

        if (args == NULL
            || mdm_api_number(x, &args[MDM_ARG_CERTIFICATES_LIST_MOST],
                              p->limit - (int64_t) p->n)
               != MDM_OK
            || mdm_api_number(x, &args[MDM_ARG_CERTIFICATES_LIST_BUDGET],
                              MDM_API_CERTIFICATES_BUDGET)
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        args[MDM_ARG_CERTIFICATES_LIST_ONLY] = p->only;
        args[MDM_ARG_CERTIFICATES_LIST_SERIAL] = p->serial;

        if (i == 0) {
            args[MDM_ARG_CERTIFICATES_LIST_AFTER] = p->scan.after;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_certificates_scanned(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_str_t           next;
    mdm_uint_t          i;
    const mdm_reply_t  *reply;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;

        mdm_api_scan_count(&p->scan,
                           mdm_reply_count(reply,
                                           MDM_RET_CERTIFICATES_LIST_LOOKED,
                                           MDM_API_CERTIFICATES_BUDGET));

        /* it has more than there is room for: it is asked again */

        if (!mdm_api_certificates_take(p, reply)) {
            p->scan.more = 1;
            return mdm_api_certificates_read(x, p);
        }

        next = mdm_reply_str(reply, MDM_RET_CERTIFICATES_LIST_NEXT);

        if (next.len != 0) {
            mdm_api_scan_stay(&p->scan, &next);
            return mdm_api_certificates_scan(x, p);
        }

        mdm_api_scan_leave(&p->scan);
    }

    return (p->only.len != 0) ? mdm_api_certificates_read(x, p)
                              : mdm_api_certificates_scan(x, p);
}


/* all rows of a reply, or none: 0 */

static mdm_uint_t
mdm_api_certificates_take(mdm_api_certificates_t *p, const mdm_reply_t *reply)
{
    size_t                  row;
    mdm_uint_t              n;
    mdm_api_certificate_t  *c;

    n = p->n;

    for (row = MDM_RET_CERTIFICATES_LIST_CERTIFICATES;
         mdm_reply_row(reply, row, MDM_NRET_CERTIFICATES_LIST_CERTIFICATES);
         row += MDM_NRET_CERTIFICATES_LIST_CERTIFICATES)
    {
        if ((int64_t) n > p->limit) {
            return 0;
        }

        c = &p->found[n++];
        mdm_str_null(&c->sha256);

        c->id = mdm_reply_str(reply,
                              row + MDM_RET_CERTIFICATES_LIST_CERTIFICATES_ID);
        c->digest = mdm_reply_str(reply, row
                              + MDM_RET_CERTIFICATES_LIST_CERTIFICATES_DIGEST);
        c->sn = mdm_reply_str(reply, row
                              + MDM_RET_CERTIFICATES_LIST_CERTIFICATES_SERIAL);
        c->ends = mdm_reply_str(reply, row
                              + MDM_RET_CERTIFICATES_LIST_CERTIFICATES_ENDS);
    }

    p->n = n;

    return 1;
}


/* what the ledger has of each */

static mdm_int_t
mdm_api_certificates_read(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_str_t               key;
    mdm_uint_t              i;
    mdm_api_certificate_t  *c;

    if (p->n == 0) {
        x->ncalls = 0;
        return mdm_api_certificates_had(x, p);
    }

    if (mdm_exchange_calls(x, p->n, MDM_API_CERTIFICATES_READ) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < p->n; i++) {

        c = &p->found[i];

        if ((c->sha256.len == 0
             && mdm_hex_str(x->arena, &c->sha256, &c->digest) != MDM_OK)
            || mdm_key_certificate(x->arena, &key, &x->tenant, &c->sha256)
               != MDM_OK
            || mdm_exchange_call(x, i, &mdm_script_certificate_get, &key, 0)
               == NULL)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_certificates_had(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_int_t                    rc;
    mdm_uint_t                   i;
    mdm_api_certificates_row_t  *row;

    for (i = 0; i < x->ncalls; i++) {
        row = &p->rows[p->nrows];

        rc = mdm_api_certificates_entry(x, x->calls[i].reply,
                                        &p->found[i].sha256, &row->entry);

        if (rc == MDM_DECLINED) {
            continue;
        }

        if (rc != MDM_OK) {
            return rc;
        }

        if (!row->entry.found) {
            row->entry.sn = p->found[i].sn;
            row->entry.ends = p->found[i].ends;
            mdm_str_set(&row->entry.state, "pinned");
        }

        row->id = (p->found[i].id.len != 0) ? p->found[i].id
                                            : row->entry.claimed;

        p->nrows += mdm_api_certificates_fit(p, &row->entry);
    }

    /* one that was asked for by its number is all that there is */

    if (p->scan.more || (p->sn.len != 0 && p->ca.len != 0 && p->only.len == 0))
    {
        return mdm_api_certificates_answer(x, p);
    }

    p->scan.partition = x->settings->store->partitions;
    mdm_str_null(&p->scan.after);

    return mdm_api_certificates_issued(x, p);
}
