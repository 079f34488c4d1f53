
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Enrollments by serial number: an index has the devices that came with it,
 * which are looked at one partition by the other.  Those that have another
 * one meanwhile, or are gone, are left out and taken off the index.
 */


#include <stdlib.h>

#include "mdm_api_query.h"


#define MDM_API_SERIAL_MAX    255     /* bytes; a longer one is nobody's */
#define MDM_API_SERIAL_CHUNK  100     /* devices a call */
#define MDM_API_SERIAL_WIDTH  64      /* such calls a round */
#define MDM_API_SERIAL_STALE  64      /* taken off by one request */


static mdm_int_t mdm_api_serial_round(mdm_exchange_t *x, mdm_api_query_t *q);
static mdm_int_t mdm_api_serial_replies(mdm_exchange_t *x,
    mdm_api_query_t *q);
static mdm_int_t mdm_api_serial_add(mdm_exchange_t *x, mdm_api_query_t *q,
    const mdm_str_t *key, const mdm_str_t *serial);
static mdm_int_t mdm_api_serial_devices(mdm_exchange_t *x,
    mdm_api_query_t *q);
static mdm_int_t mdm_api_serial_found(mdm_exchange_t *x, mdm_api_query_t *q);
static mdm_int_t mdm_api_serial_row(mdm_exchange_t *x, mdm_api_query_t *q,
    const mdm_api_chunk_t *chunk, const mdm_reply_t *row);
static void mdm_api_serial_stale(mdm_api_query_t *q,
    const mdm_api_chunk_t *chunk, const mdm_str_t *key);
static mdm_int_t mdm_api_serial_drop(mdm_exchange_t *x, mdm_api_query_t *q);


mdm_int_t
mdm_api_serial_start(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_uint_t  i, n;

    qsort(q->serials, q->nserials, sizeof(mdm_str_t), mdm_str_order);

    n = 0;

    for (i = 0; i < q->nserials; i++) {

        if (q->serials[i].len > MDM_API_SERIAL_MAX
            || (n != 0 && mdm_str_eq(&q->serials[i], &q->serials[n - 1])))
        {
            continue;
        }

        q->serials[n++] = q->serials[i];
    }

    if (n == 0) {
        return mdm_api_query_answer(x, q);
    }

    q->nserials = n;

    q->stale = mdm_arena_alloc(x->arena, MDM_API_SERIAL_STALE
                                         * sizeof(mdm_api_id_t *));
    if (q->stale == NULL) {
        return MDM_ERROR;
    }

    return mdm_api_serial_round(x, q);
}


mdm_int_t
mdm_api_serial_step(mdm_exchange_t *x, mdm_api_query_t *q)
{
    switch (x->state) {

    case MDM_API_STATE_SERIAL:
        return mdm_api_serial_replies(x, q);

    case MDM_API_STATE_DEVICE:
        return mdm_api_serial_found(x, q);

    default: /* MDM_API_STATE_STALE: it is tried again by the next request */
        return mdm_api_query_answer(x, q);
    }
}


/* who came with these serial numbers? */

static mdm_int_t
mdm_api_serial_round(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_str_t    key, *args;
    mdm_uint_t   i, n;

    n = q->nserials - q->looked;

    if (n > MDM_API_ROUND) {
        n = MDM_API_ROUND;
    }

    if (mdm_exchange_calls(x, n, MDM_API_STATE_SERIAL) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (mdm_key_serial(x->arena, &key, &x->tenant,
                           &q->serials[q->looked + i])
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, i, &mdm_script_serial_get, &key, 0);

        if (args == NULL
            || mdm_api_number(x, &args[MDM_ARG_SERIAL_GET_MOST],
                              MDM_API_SERIAL_IDS)
               != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_serial_replies(mdm_exchange_t *x, mdm_api_query_t *q)
{
    size_t              k;
    mdm_str_t           key, *serial;
    mdm_uint_t          i;
    const mdm_reply_t  *reply;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;
        serial = &q->serials[q->looked + i];

        if (mdm_reply_int(reply, MDM_RET_SERIAL_GET_NUMBER, 0)
            > MDM_API_SERIAL_IDS)
        {
            mdm_exchange_log(x, MDM_LOG_WARN, "serial number \"%.*s\" has "
                             "more than %d devices: some are not found",
                             mdm_fmt(serial), MDM_API_SERIAL_IDS);
        }

        for (k = MDM_RET_SERIAL_GET_IDS; mdm_reply_at(reply, k) != NULL; k++) {
            key = mdm_reply_str(reply, k);

            if (mdm_api_serial_add(x, q, &key, serial) != MDM_OK) {
                return MDM_ERROR;
            }
        }
    }

    q->looked += x->ncalls;

    if (q->looked != q->nserials) {
        return mdm_api_serial_round(x, q);
    }

    if (mdm_api_ids_group(x, &q->devices, MDM_API_SERIAL_CHUNK) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_api_serial_devices(x, q);
}


/* a device may stand at two serial numbers, one of which is not its own */

static mdm_int_t
mdm_api_serial_add(mdm_exchange_t *x, mdm_api_query_t *q,
    const mdm_str_t *key, const mdm_str_t *serial)
{
    mdm_int_t      rc;
    mdm_str_t      raw;
    mdm_uint_t     room;
    mdm_api_id_t  *ids;

    if (key->len == 0 || memchr(key->data, ':', key->len) != NULL) {
        return MDM_OK;
    }

    rc = mdm_unescape(x->arena, &raw, key);

    if (rc != MDM_OK) {
        return (rc == MDM_DECLINED) ? MDM_OK : MDM_ERROR;
    }

    if (q->devices.n == q->room) {
        room = (q->room == 0) ? 64 : 2 * q->room;

        ids = mdm_arena_alloc(x->arena, room * sizeof(mdm_api_id_t));
        if (ids == NULL) {
            return MDM_ERROR;
        }

        if (q->devices.n != 0) {
            memcpy(ids, q->devices.ids, q->devices.n * sizeof(mdm_api_id_t));
        }

        q->devices.ids = ids;
        q->room = room;
    }

    ids = &q->devices.ids[q->devices.n++];

    ids->name = *serial;
    ids->key = *key;
    ids->error = NULL;
    ids->partition = mdm_partition(&raw, x->settings->store->partitions);

    return MDM_OK;
}


static mdm_int_t
mdm_api_serial_devices(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_str_t        *args;
    mdm_uint_t        i, k, n;
    mdm_api_chunk_t  *chunk;

    n = q->devices.nchunks - q->next;

    if (n == 0 || q->scan.more) {
        return mdm_api_serial_drop(x, q);
    }

    if (n > MDM_API_SERIAL_WIDTH) {
        n = MDM_API_SERIAL_WIDTH;
    }

    n = mdm_api_query_width(q, n);

    if (mdm_exchange_calls(x, n, MDM_API_STATE_DEVICE) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        chunk = &q->devices.chunks[q->next + i];

        args = mdm_api_query_args(x, q, i, &chunk->tag,
                                  2 * (chunk->n - chunk->done));
        if (args == NULL) {
            return MDM_ERROR;
        }

        for (k = chunk->done; k < chunk->n; k++) {
            *args++ = chunk->ids[k]->key;
            *args++ = chunk->ids[k]->name;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_serial_found(mdm_exchange_t *x, mdm_api_query_t *q)
{
    size_t              k;
    int64_t             next;
    mdm_int_t           rc;
    mdm_uint_t          i;
    mdm_api_chunk_t    *chunk;
    const mdm_reply_t  *reply, *row;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;
        chunk = &q->devices.chunks[q->next];

        for (k = MDM_RET_ENROLLMENT_QUERY_ROWS;
             (row = mdm_reply_at(reply, k)) != NULL;
             k++)
        {
            rc = mdm_api_serial_row(x, q, chunk, row);
            if (rc != MDM_OK) {
                return rc;
            }

            if (q->scan.more) {
                return mdm_api_serial_drop(x, q);
            }
        }

        next = mdm_reply_int(reply, MDM_RET_ENROLLMENT_QUERY_MORE, 0);

        if (next != 0) {

            /* many users: the rest of its devices, then the further ones */

            if (next < 2 || next > (int64_t) (chunk->n - chunk->done)) {
                return mdm_exchange_odd(x, i);
            }

            chunk->done += (mdm_uint_t) next - 1;

            return mdm_api_serial_devices(x, q);
        }

        q->next++;
    }

    return mdm_api_serial_devices(x, q);
}


static mdm_int_t
mdm_api_serial_row(mdm_exchange_t *x, mdm_api_query_t *q,
    const mdm_api_chunk_t *chunk, const mdm_reply_t *row)
{
    mdm_str_t  id;

    id = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ID);

    if (mdm_reply_at(row, MDM_RET_ENROLLMENT_QUERY_ROWS_TYPE) == NULL) {
        mdm_api_serial_stale(q, chunk, &id);
        return MDM_OK;
    }

    if (q->by_id && !mdm_api_ids_has(&q->ids, &id)) {
        return MDM_OK;
    }

    if (q->rows == q->limit) {
        q->scan.more = 1;
        q->skip = q->offset + q->limit;

        return MDM_OK;
    }

    return mdm_api_query_row(x, q, &chunk->tag, row);
}


static void
mdm_api_serial_stale(mdm_api_query_t *q, const mdm_api_chunk_t *chunk,
    const mdm_str_t *key)
{
    mdm_uint_t  k;

    for (k = chunk->done; k < chunk->n; k++) {

        if (mdm_str_eq(&chunk->ids[k]->key, key)
            && q->nstale < MDM_API_SERIAL_STALE)
        {
            q->stale[q->nstale++] = chunk->ids[k];
        }
    }
}


static mdm_int_t
mdm_api_serial_drop(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_str_t   key, *args;
    mdm_uint_t  i;

    if (q->nstale == 0) {
        return mdm_api_query_answer(x, q);
    }

    if (mdm_exchange_calls(x, q->nstale, MDM_API_STATE_STALE) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    for (i = 0; i < q->nstale; i++) {

        if (mdm_key_serial(x->arena, &key, &x->tenant, &q->stale[i]->name)
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, i, &mdm_script_serial_drop, &key, 1);
        if (args == NULL) {
            return MDM_ERROR;
        }

        args[MDM_ARG_SERIAL_DROP_DEVICES] = q->stale[i]->key;
    }

    return MDM_CALL;
}
