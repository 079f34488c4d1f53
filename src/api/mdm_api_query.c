
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
#include "mdm_api_query.h"


#define MDM_API_QUERY_LIMIT      100      /* rows a page */
#define MDM_API_QUERY_LIMIT_MAX  1000

#define MDM_API_QUERY_WIDTH      16       /* calls in a round */
#define MDM_API_QUERY_CHUNK      500      /* ids in a call, if they are
                                             named */


#define MDM_API_STATE_SCAN    1
#define MDM_API_STATE_IDS     2


static mdm_int_t mdm_api_query_start(mdm_exchange_t *x);
static mdm_int_t mdm_api_query_cursor_read(mdm_exchange_t *x,
    mdm_api_query_t *q, const mdm_str_t *cursor);
static mdm_int_t mdm_api_query_scan(mdm_exchange_t *x, mdm_api_query_t *q);
static mdm_int_t mdm_api_query_scanned(mdm_exchange_t *x, mdm_api_query_t *q);
static mdm_int_t mdm_api_query_ids(mdm_exchange_t *x, mdm_api_query_t *q);
static mdm_int_t mdm_api_query_found(mdm_exchange_t *x, mdm_api_query_t *q);


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
