
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST /v1/enrollments/ID[,ID…]/secrets/release, and with a filter
 * POST /v1/enrollments/secrets/release: what was escrowed by an identity that
 * another one has taken the place of is given out again.
 */


#include "mdm_api.h"
#include "mdm_api_query.h"


#define MDM_API_RELEASE_IDS    500      /* ids in a call, and rows of one */
#define MDM_API_RELEASE_WIDTH  16       /* partitions in a round */


enum {
    MDM_API_RELEASE_BEGIN = 0,
    MDM_API_RELEASE_FOUND,
    MDM_API_RELEASE_DONE
};


/* x->ctx where a filter says who */

typedef struct {
    mdm_api_query_t           query;
    int64_t                   released;
} mdm_api_release_t;


static int64_t mdm_api_release_reply(mdm_api_ids_t *list,
    mdm_api_chunk_t *chunk, const mdm_reply_t *reply);
static mdm_str_t *mdm_api_release_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_str_t *tag, mdm_uint_t nids);

static mdm_int_t mdm_api_release_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_release_find(mdm_exchange_t *x,
    mdm_api_release_t *release);
static mdm_str_t *mdm_api_release_find_call(mdm_exchange_t *x,
    mdm_api_query_t *q, mdm_uint_t i, const mdm_str_t *tag,
    mdm_uint_t nids);
static mdm_int_t mdm_api_release_found(mdm_exchange_t *x,
    mdm_api_release_t *release);
static mdm_int_t mdm_api_release_rows(mdm_exchange_t *x,
    const mdm_call_t *found, mdm_uint_t n);
static mdm_int_t mdm_api_release_answer(mdm_exchange_t *x,
    mdm_api_release_t *release);
static mdm_int_t mdm_api_release_cursor(mdm_exchange_t *x,
    mdm_api_query_t *q);


mdm_int_t
mdm_api_secrets_release_step(mdm_exchange_t *x)
{
    static const mdm_api_ids_calls_t  calls = {
        MDM_API_RELEASE_IDS, mdm_api_release_call, mdm_api_release_reply
    };

    return mdm_api_ids_step(x, 0, &calls);
}


/* whatever was not enrolled, all of the chunk is done with */

static int64_t
mdm_api_release_reply(mdm_api_ids_t *list, mdm_api_chunk_t *chunk,
    const mdm_reply_t *reply)
{
    size_t   k;
    int64_t  n;

    for (k = MDM_RET_SECRETS_RELEASE_UNKNOWN;
         mdm_reply_at(reply, k) != NULL;
         k++)
    {
        n = mdm_reply_int(reply, k, -1);

        if (n >= 0 && n < (int64_t) chunk->n) {
            mdm_api_ids_fail(list, chunk, (mdm_uint_t) n,
                             MDM_API_NOT_ENROLLED);
        }
    }

    return (int64_t) (chunk->n - chunk->done);
}


/* returns the place for the ids */

static mdm_str_t *
mdm_api_release_call(mdm_exchange_t *x, mdm_uint_t i, const mdm_str_t *tag,
    mdm_uint_t nids)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, &mdm_script_secrets_release, tag,
                             nids);

    return (args == NULL) ? NULL : args + MDM_ARG_SECRETS_RELEASE_IDS;
}


mdm_int_t
mdm_api_secrets_release_filter_step(mdm_exchange_t *x)
{
    mdm_uint_t          i;
    mdm_api_release_t  *release;

    release = x->ctx;

    switch (x->state) {

    case MDM_API_RELEASE_BEGIN:
        return mdm_api_release_begin(x);

    case MDM_API_RELEASE_FOUND:
        return mdm_api_release_found(x, release);

    default: /* MDM_API_RELEASE_DONE */

        for (i = 0; i < x->ncalls; i++) {
            release->released +=
                mdm_reply_count(x->calls[i].reply,
                                MDM_RET_SECRETS_RELEASE_RELEASED,
                                MDM_API_SCAN_COST);
        }

        return mdm_api_release_find(x, release);
    }
}


static mdm_int_t
mdm_api_release_begin(mdm_exchange_t *x)
{
    mdm_int_t           rc;
    mdm_api_query_t    *q;
    mdm_api_release_t  *release;

    release = mdm_arena_zalloc(x->arena, sizeof(mdm_api_release_t));
    if (release == NULL) {
        return MDM_ERROR;
    }

    x->ctx = release;
    q = &release->query;

    if (x->body.len == 0) {

        /* nothing would be everything */

        return mdm_exchange_refuse(x, 400, "the body: {\"filter\":{…}} "
                                   "expected");
    }

    q->in_filter = 1;

    rc = mdm_api_query_read(x, q);

    if (rc == MDM_OK) {
        rc = mdm_api_release_cursor(x, q);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    q->scan.width = 1;

    if (q->by_id
        && mdm_api_ids_group(x, &q->ids, MDM_API_RELEASE_IDS) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_api_release_find(x, release);
}


/* the next round of enrollments that fit */

static mdm_int_t
mdm_api_release_find(mdm_exchange_t *x, mdm_api_release_t *release)
{
    mdm_str_t         tag, *args;
    mdm_uint_t        i, k, n;
    mdm_api_chunk_t  *chunk;
    mdm_api_query_t  *q;

    q = &release->query;

    if (q->by_id) {
        n = q->ids.nchunks - q->next;
        n = (n < MDM_API_ROUND) ? n : MDM_API_ROUND;

    } else {
        n = mdm_api_scan_round(x, &q->scan, 0);
    }

    if (n == 0) {
        return mdm_api_release_answer(x, release);
    }

    n = mdm_api_query_width(q, n);

    if (mdm_exchange_calls(x, n, MDM_API_RELEASE_FOUND) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (!q->by_id) {

            if (mdm_api_scan_tag(x, &q->scan, i, &tag) != MDM_OK
                || mdm_api_release_find_call(x, q, i, &tag, 0) == NULL)
            {
                return MDM_ERROR;
            }

            if (i == 0) {
                x->calls[0].args[MDM_ARG_ENROLLMENT_QUERY_AFTER] =
                    q->scan.after;
            }

            continue;
        }

        chunk = &q->ids.chunks[q->next++];

        args = mdm_api_release_find_call(x, q, i, &chunk->tag, chunk->n);
        if (args == NULL) {
            return MDM_ERROR;
        }

        for (k = 0; k < chunk->n; k++) {
            args[k] = chunk->ids[k]->key;
        }
    }

    return MDM_CALL;
}


static mdm_str_t *
mdm_api_release_find_call(mdm_exchange_t *x, mdm_api_query_t *q,
    mdm_uint_t i, const mdm_str_t *tag, mdm_uint_t nids)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, &mdm_script_enrollment_query, tag,
                             q->nfilter + nids);

    if (args == NULL
        || mdm_api_number(x, &args[MDM_ARG_ENROLLMENT_QUERY_MOST],
                          MDM_API_RELEASE_IDS)
           != MDM_OK)
    {
        return NULL;
    }

    if (q->by_id) {
        mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_BY], "ids");

    } else {
        mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_BY], "scan");
    }

    /* as many rows as are looked at */

    args[MDM_ARG_ENROLLMENT_QUERY_ROWS] = args[MDM_ARG_ENROLLMENT_QUERY_MOST];
    args[MDM_ARG_ENROLLMENT_QUERY_ENABLED] = q->enabled;
    args[MDM_ARG_ENROLLMENT_QUERY_CERTIFICATE] = mdm_api_flag(0);
    args[MDM_ARG_ENROLLMENT_QUERY_TOKEN] = mdm_api_flag(0);

    args[MDM_ARG_ENROLLMENT_QUERY_SUPERVISED] = q->supervised;
    args[MDM_ARG_ENROLLMENT_QUERY_PUSH_DEAD] = q->push_dead;

    args += MDM_ARG_ENROLLMENT_QUERY_FILTERS;

    memcpy(args, q->filter, q->nfilter * sizeof(mdm_str_t));

    return args + q->nfilter;
}


static mdm_int_t
mdm_api_release_found(mdm_exchange_t *x, mdm_api_release_t *release)
{
    mdm_str_t           last;
    mdm_call_t         *found;
    mdm_uint_t          i, n, nfound;
    mdm_api_query_t    *q;
    const mdm_reply_t  *reply;

    q = &release->query;
    n = 0;

    found = x->calls;
    nfound = x->ncalls;

    for (i = 0; i < nfound; i++) {
        reply = found[i].reply;

        mdm_api_scan_count(&q->scan,
                           mdm_reply_count(reply,
                                           MDM_RET_ENROLLMENT_QUERY_LOOKED,
                                           MDM_API_SCAN_COST));

        n += (mdm_reply_at(reply, MDM_RET_ENROLLMENT_QUERY_ROWS) != NULL);

        if (q->by_id) {
            continue;
        }

        if (mdm_reply_int(reply, MDM_RET_ENROLLMENT_QUERY_MORE, 0) != 0) {

            last = mdm_reply_str(reply, MDM_RET_ENROLLMENT_QUERY_LAST);
            mdm_api_scan_stay(&q->scan, &last);
            nfound = i + 1;
            break;
        }

        mdm_api_scan_leave(&q->scan);
    }

    mdm_api_scan_widen(&q->scan, MDM_API_RELEASE_WIDTH);

    if (n == 0) {
        return mdm_api_release_find(x, release);
    }

    if (mdm_exchange_calls(x, n, MDM_API_RELEASE_DONE) != MDM_CALL) {
        return MDM_ERROR;
    }

    return mdm_api_release_rows(x, found, nfound);
}


static mdm_int_t
mdm_api_release_rows(mdm_exchange_t *x, const mdm_call_t *found,
    mdm_uint_t n)
{
    size_t              k, rows;
    mdm_str_t          *args;
    mdm_uint_t          i, call;
    const mdm_reply_t  *reply, *row;

    call = 0;

    for (i = 0; i < n; i++) {
        reply = found[i].reply;

        if (mdm_reply_at(reply, MDM_RET_ENROLLMENT_QUERY_ROWS) == NULL) {
            continue;
        }

        rows = mdm_reply_size(reply) - MDM_RET_ENROLLMENT_QUERY_ROWS;

        args = mdm_api_release_call(x, call++, &found[i].key, rows);
        if (args == NULL) {
            return MDM_ERROR;
        }

        for (k = 0; k < rows; k++) {
            row = mdm_reply_at(reply, MDM_RET_ENROLLMENT_QUERY_ROWS + k);

            args[k] = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ID);
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_release_answer(mdm_exchange_t *x, mdm_api_release_t *release)
{
    mdm_str_t         cursor;
    mdm_json_out_t    j;
    mdm_api_query_t  *q;

    q = &release->query;

    mdm_json_init(&j, x->arena, 128);

    mdm_json_open(&j, NULL, '{');
    mdm_json_int(&j, "released", release->released);

    if (q->scan.more) {

        if (mdm_api_scan_write(x, &q->scan, &cursor) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_json_str(&j, "next_cursor", &cursor);
    }

    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


/* "partition,id": where to go on, and behind which id; or none */

static mdm_int_t
mdm_api_release_cursor(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_int_t  rc;
    mdm_str_t  cursor;

    rc = mdm_api_arg(x, "cursor", &cursor);
    if (rc != MDM_OK || cursor.len == 0) {
        return rc;
    }

    return mdm_api_scan_read(x, &q->scan, &cursor);
}
