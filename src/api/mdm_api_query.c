
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST /v1/enrollments/query, GET /v1/enrollments?serial=…
 *
 * Partitions are gone through in order, each by its index.  A script looks
 * at some hundred enrollments, a request at some thousand: then it answers
 * with what it has and a cursor, however few rows that are.
 */


#include "mdm_api.h"
#include "mdm_api_audit.h"
#include "mdm_api_query.h"
#include "mdm_exchange_secret.h"


#define MDM_API_QUERY_LIMIT      100      /* rows a page */
#define MDM_API_QUERY_LIMIT_MAX  1000
#define MDM_API_QUERY_OFFSET     1000000000

#define MDM_API_QUERY_IDS        "500"    /* looked at by a script */
#define MDM_API_QUERY_WIDTH      16       /* calls in a round */
#define MDM_API_QUERY_CHUNK      500      /* ids in a call, if they are
                                             named */


#define MDM_API_STATE_SCAN    1
#define MDM_API_STATE_IDS     2


static mdm_int_t mdm_api_query_start(mdm_exchange_t *x);
static mdm_int_t mdm_api_query_cursor_read(mdm_exchange_t *x,
    mdm_api_query_t *q, const mdm_str_t *cursor);
static mdm_int_t mdm_api_query_cursor_write(mdm_exchange_t *x,
    mdm_api_query_t *q);
static mdm_int_t mdm_api_query_scan(mdm_exchange_t *x, mdm_api_query_t *q);
static mdm_int_t mdm_api_query_scanned(mdm_exchange_t *x, mdm_api_query_t *q);
static mdm_int_t mdm_api_query_ids(mdm_exchange_t *x, mdm_api_query_t *q);
static mdm_int_t mdm_api_query_found(mdm_exchange_t *x, mdm_api_query_t *q);
static void mdm_api_query_device(mdm_json_out_t *j, const mdm_reply_t *row,
    const mdm_str_t *unlock);


/* in the order of the script; "supervised" follows */

static const char  *mdm_api_query_facts[] = {
    "os_version", "build", "model", "model_name", "product", NULL
};


mdm_int_t
mdm_api_enrollment_query_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case 0:
        return mdm_api_query_start(x);

    case MDM_API_STATE_SCAN:
        return mdm_api_query_scanned(x, x->ctx);

    case MDM_API_STATE_IDS:
        return mdm_api_query_found(x, x->ctx);

    default:
        return mdm_api_serial_step(x, x->ctx);
    }
}


static mdm_int_t
mdm_api_query_start(mdm_exchange_t *x)
{
    int64_t           limit, offset;
    mdm_int_t         rc;
    mdm_str_t         cursor;
    mdm_api_query_t  *q;

    q = mdm_arena_zalloc(x->arena, sizeof(mdm_api_query_t));
    if (q == NULL) {
        return MDM_ERROR;
    }

    x->ctx = q;

    limit = MDM_API_QUERY_LIMIT;
    offset = 0;

    rc = (x->method == MDM_GET) ? mdm_api_query_read_args(x, q)
                                : mdm_api_query_read(x, q);

    if (rc == MDM_OK) {
        rc = mdm_api_arg_number(x, "limit", 1, MDM_API_QUERY_LIMIT_MAX,
                                &limit);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg_number(x, "offset", 0, MDM_API_QUERY_OFFSET,
                                &offset);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg(x, "cursor", &cursor);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    q->limit = (mdm_uint_t) limit;
    q->skip = (mdm_uint_t) offset;
    q->scan.width = 1;

    if (cursor.len != 0) {
        rc = mdm_api_query_cursor_read(x, q, &cursor);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    q->offset = q->skip;

    mdm_json_init(&q->json, x->arena, 4096);
    mdm_json_open(&q->json, NULL, '{');
    mdm_json_open(&q->json, "enrollments", '[');

    if (q->nserials != 0) {
        return mdm_api_serial_start(x, q);
    }

    if (!q->by_id) {
        return mdm_api_query_scan(x, q);
    }

    if (mdm_api_ids_group(x, &q->ids, MDM_API_QUERY_CHUNK) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_api_query_ids(x, q);
}


/*
 * A cursor is "partition,rows to skip,id": the id is the last that was looked
 * at in the partition, or empty.  Where the filter names ids, "rows to skip"
 * alone says it.
 */

static mdm_int_t
mdm_api_query_cursor_write(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_str_t  s, cursor;

    if (mdm_printf(x->arena, &s, "%lu,%lu,%.*s",
                   (unsigned long) q->scan.partition, (unsigned long) q->skip,
                   mdm_fmt(&q->scan.after))
        != MDM_OK
        || mdm_api_cursor_write(x->arena, &cursor, &s) != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_json_str(&q->json, "next_cursor", &cursor);

    return MDM_OK;
}


static mdm_int_t
mdm_api_query_cursor_read(mdm_exchange_t *x, mdm_api_query_t *q,
    const mdm_str_t *cursor)
{
    u_char     *comma;
    int64_t     skip;
    mdm_int_t   rc;
    mdm_str_t  *after, number;

    rc = mdm_api_scan_read(x, &q->scan, cursor);
    if (rc != MDM_OK) {
        return rc;
    }

    after = &q->scan.after;

    comma = (after->len != 0) ? memchr(after->data, ',', after->len) : NULL;

    if (comma == NULL) {
        return mdm_api_cursor_refuse(x);
    }

    number.data = after->data;
    number.len = (size_t) (comma - after->data);

    if (mdm_atoi(&number, &skip) != MDM_OK || skip > MDM_API_QUERY_OFFSET) {
        return mdm_api_cursor_refuse(x);
    }

    q->skip = (mdm_uint_t) skip;

    after->data = comma + 1;
    after->len -= number.len + 1;

    return MDM_OK;
}


static mdm_int_t
mdm_api_query_scan(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_str_t   tag, *args;
    mdm_uint_t  i, n;

    n = mdm_api_scan_round(x, &q->scan, q->rows == q->limit);

    if (n == 0) {
        return mdm_api_query_answer(x, q);
    }

    n = mdm_api_query_width(q, n);

    if (mdm_exchange_calls(x, n, MDM_API_STATE_SCAN) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (mdm_api_scan_tag(x, &q->scan, i, &tag) != MDM_OK) {
            return MDM_ERROR;
        }

        args = mdm_api_query_args(x, q, i, &tag, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        if (i == 0) {
            x->calls[0].args[MDM_ARG_ENROLLMENT_QUERY_AFTER] = q->scan.after;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_query_scanned(mdm_exchange_t *x, mdm_api_query_t *q)
{
    size_t              k;
    mdm_int_t           rc;
    mdm_str_t           last;
    mdm_uint_t          i;
    const mdm_reply_t  *reply, *row;

    for (i = 0; i < x->ncalls; i++) {
        mdm_api_scan_count(&q->scan,
                           mdm_reply_count(x->calls[i].reply,
                                           MDM_RET_ENROLLMENT_QUERY_LOOKED,
                                           MDM_API_SCAN_COST));
    }

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;

        for (k = MDM_RET_ENROLLMENT_QUERY_ROWS;
             (row = mdm_reply_at(reply, k)) != NULL;
             k++)
        {
            if (q->rows == q->limit) {
                return mdm_api_query_scan(x, q);
            }

            q->scan.after = mdm_reply_str(row,
                                          MDM_RET_ENROLLMENT_QUERY_ROWS_ID);

            rc = mdm_api_query_row(x, q, &x->calls[i].key, row);
            if (rc != MDM_OK) {
                return rc;
            }
        }

        if (mdm_reply_int(reply, MDM_RET_ENROLLMENT_QUERY_MORE, 0) != 0) {

            last = mdm_reply_str(reply, MDM_RET_ENROLLMENT_QUERY_LAST);
            mdm_api_scan_stay(&q->scan, &last);

            return mdm_api_query_scan(x, q);
        }

        mdm_api_scan_leave(&q->scan);
    }

    mdm_api_scan_widen(&q->scan, MDM_API_QUERY_WIDTH);

    return mdm_api_query_scan(x, q);
}


/* rows come in the order of the partitions; a page counts from the first */

static mdm_int_t
mdm_api_query_ids(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_str_t        *args;
    mdm_uint_t        i, k, n;
    mdm_api_chunk_t  *chunk;

    n = q->ids.nchunks - q->next;

    if (n == 0 || q->scan.more) {
        return mdm_api_query_answer(x, q);
    }

    if (n > MDM_API_ROUND) {
        n = MDM_API_ROUND;
    }

    n = mdm_api_query_width(q, n);

    if (mdm_exchange_calls(x, n, MDM_API_STATE_IDS) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        chunk = &q->ids.chunks[q->next++];

        args = mdm_api_query_args(x, q, i, &chunk->tag, chunk->n);
        if (args == NULL) {
            return MDM_ERROR;
        }

        for (k = 0; k < chunk->n; k++) {
            args[k] = chunk->ids[k]->key;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_query_found(mdm_exchange_t *x, mdm_api_query_t *q)
{
    size_t              k;
    mdm_int_t           rc;
    mdm_uint_t          i;
    const mdm_reply_t  *row;

    for (i = 0; i < x->ncalls; i++) {

        for (k = MDM_RET_ENROLLMENT_QUERY_ROWS;
             (row = mdm_reply_at(x->calls[i].reply, k)) != NULL;
             k++)
        {
            if (q->rows == q->limit) {
                q->scan.more = 1;
                q->skip = q->offset + q->limit;

                return mdm_api_query_answer(x, q);
            }

            rc = mdm_api_query_row(x, q, &x->calls[i].key, row);
            if (rc != MDM_OK) {
                return rc;
            }
        }
    }

    return mdm_api_query_ids(x, q);
}


/* each call carries the lists of the filter */

mdm_uint_t
mdm_api_query_width(const mdm_api_query_t *q, mdm_uint_t n)
{
    size_t      bytes;
    mdm_uint_t  i, most;

    bytes = 1;

    for (i = 0; i < q->nfilter; i++) {
        bytes += q->filter[i].len + MDM_API_ARG_BYTES;
    }

    most = MDM_API_ROUND_BYTES / bytes + 1;

    return (n < most) ? n : most;
}


mdm_str_t *
mdm_api_query_args(mdm_exchange_t *x, mdm_api_query_t *q, mdm_uint_t i,
    const mdm_str_t *tag, mdm_uint_t nids)
{
    mdm_str_t   *args;
    mdm_uint_t   rows;

    args = mdm_exchange_call(x, i, &mdm_script_enrollment_query, tag,
                             q->nfilter + nids);
    if (args == NULL) {
        return NULL;
    }

    if (q->nserials != 0) {
        mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_BY], "serials");
        rows = MDM_API_QUERY_OFFSET;

    } else if (q->by_id) {
        mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_BY], "ids");
        rows = nids + 1;

    } else {
        mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_BY], "scan");
        rows = q->limit - q->rows + q->skip;
    }

    mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_MOST], MDM_API_QUERY_IDS);

    if (mdm_api_number(x, &args[MDM_ARG_ENROLLMENT_QUERY_ROWS], (int64_t) rows)
        != MDM_OK)
    {
        return NULL;
    }

    args[MDM_ARG_ENROLLMENT_QUERY_ENABLED] = q->enabled;
    args[MDM_ARG_ENROLLMENT_QUERY_CERTIFICATE] = mdm_api_flag(q->include_cert);
    args[MDM_ARG_ENROLLMENT_QUERY_TOKEN] = mdm_api_flag(q->include_unlock);

    args[MDM_ARG_ENROLLMENT_QUERY_SUPERVISED] = q->supervised;

    args += MDM_ARG_ENROLLMENT_QUERY_FILTERS;

    memcpy(args, q->filter, q->nfilter * sizeof(mdm_str_t));

    return args + q->nfilter;
}


mdm_int_t
mdm_api_query_row(mdm_exchange_t *x, mdm_api_query_t *q, const mdm_str_t *tag,
    const mdm_reply_t *row)
{
    int64_t              tally;
    mdm_int_t            rc;
    mdm_str_t            s, unlock, name;
    mdm_json_out_t      *j;
    mdm_secret_where_t   where;

    if (q->skip != 0) {
        q->skip--;
        return MDM_OK;
    }

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ID);
    unlock = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_UNLOCK);

    mdm_where_token(&where, tag, &s, "unlock");

    rc = mdm_exchange_open(x, &where, &unlock);
    if (rc != MDM_OK) {
        return rc;
    }

    if (unlock.len != 0
        && mdm_api_audit(x, tag, "unlock_token", &s, NULL) != MDM_OK)
    {
        return MDM_ERROR;
    }

    q->rows++;

    j = &q->json;

    mdm_json_open(j, NULL, '{');

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ID);
    mdm_json_id(j, "id", &s);

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_TYPE);
    mdm_json_str(j, "type", &s);

    mdm_api_query_device(j, row, &unlock);

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_SHORT_NAME);
    name = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_LONG_NAME);

    if (s.len != 0 || name.len != 0) {
        mdm_json_open(j, "user", '{');
        mdm_json_opt_str(j, "user_short_name", &s);
        mdm_json_opt_str(j, "user_long_name", &name);
        mdm_json_close(j, '}');
    }

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ENABLED);
    mdm_json_bool(j, "enabled", mdm_str_is(&s, "1"));

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_TALLY);

    if (mdm_atoi(&s, &tally) != MDM_OK) {
        tally = 0;
    }

    mdm_json_int(j, "token_update_tally", tally);

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_LAST_SEEN);
    mdm_json_opt_time(j, "last_seen", &s);

    mdm_json_close(j, '}');

    return MDM_OK;
}


/* what is known of the device of a row, if anything is */

static void
mdm_api_query_device(mdm_json_out_t *j, const mdm_reply_t *row,
    const mdm_str_t *unlock)
{
    size_t      i;
    mdm_str_t   serial, der, s;
    mdm_uint_t  known;

    serial = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_SERIAL);
    der = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_DER);

    known = (serial.len != 0 || der.len != 0 || unlock->len != 0);

    for (i = MDM_RET_ENROLLMENT_QUERY_ROWS_OS; i < mdm_reply_size(row); i++) {
        known = known || mdm_reply_str(row, i).len != 0;
    }

    if (!known) {
        return;
    }

    mdm_json_open(j, "device", '{');
    mdm_json_opt_str(j, "serial_number", &serial);

    for (i = 0; mdm_api_query_facts[i] != NULL; i++) {
        s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_OS + i);
        mdm_json_opt_str(j, mdm_api_query_facts[i], &s);
    }

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_OS + i);

    if (s.len != 0) {
        mdm_json_bool(j, "supervised", mdm_str_is(&s, "1"));
    }

    if (der.len != 0) {
        mdm_json_pem(j, "device_cert", &der);
    }

    if (unlock->len != 0) {
        mdm_json_base64(j, "unlock_token", unlock);

        if (mdm_reply_int(row, MDM_RET_ENROLLMENT_QUERY_ROWS_HELD, 0) == 1) {
            mdm_json_bool(j, "unlock_token_withheld", 1);
        }
    }

    mdm_json_close(j, '}');
}


mdm_int_t
mdm_api_query_answer(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_json_close(&q->json, ']');

    if (q->scan.more && mdm_api_query_cursor_write(x, q) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_json_close(&q->json, '}');

    return mdm_api_audited(x, mdm_api_json_answer(&q->json, x, 200));
}
