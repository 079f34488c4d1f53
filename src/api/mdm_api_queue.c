
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET and DELETE /v1/queue/ID: what is queued, and getting rid of it.
 */


#include "mdm_api.h"
#include "mdm_api_audit.h"
#include "mdm_api_ids.h"
#include "mdm_api_json.h"
#include "mdm_exchange_secret.h"


#define MDM_API_QUEUE_LIMIT      100    /* entries a page */
#define MDM_API_QUEUE_LIMIT_MAX  1000
#define MDM_API_QUEUE_BYTES      "4194304"
#define MDM_API_QUEUE_ANCHORS    5      /* UUIDs in a cursor */
#define MDM_API_QUEUE_OFFSET     1000000

#define MDM_API_CLEAR_IDS        50     /* a call */
#define MDM_API_CLEAR_BUDGET     "2500" /* commands a call */


static mdm_int_t mdm_api_queue_list_call(mdm_exchange_t *x);
static mdm_int_t mdm_api_queue_list_answer(mdm_exchange_t *x);
static mdm_int_t mdm_api_queue_cursor_read(mdm_exchange_t *x,
    const mdm_str_t *cursor, mdm_str_t *anchors, mdm_uint_t *n);
static mdm_int_t mdm_api_queue_cursor_write(mdm_exchange_t *x,
    const mdm_reply_t *reply, mdm_str_t *cursor);
static mdm_int_t mdm_api_queue_clear_round(mdm_exchange_t *x,
    mdm_api_ids_t *list);
static void mdm_api_queue_clear_replies(mdm_exchange_t *x,
    mdm_api_ids_t *list);


mdm_int_t
mdm_api_queue_list_step(mdm_exchange_t *x)
{
    return (x->state == 0) ? mdm_api_queue_list_call(x)
                           : mdm_api_queue_list_answer(x);
}


static mdm_int_t
mdm_api_queue_list_call(mdm_exchange_t *x)
{
    int64_t            limit, offset;
    mdm_int_t          rc;
    mdm_str_t          cursor, *args, anchors[MDM_API_QUEUE_ANCHORS];
    mdm_uint_t         n;
    mdm_enrollment_t   en;

    limit = MDM_API_QUEUE_LIMIT;
    offset = 0;
    n = 0;

    rc = mdm_api_enrollment(x, 0, &en);

    if (rc == MDM_OK) {
        rc = mdm_api_arg_number(x, "limit", 1, MDM_API_QUEUE_LIMIT_MAX,
                                &limit);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg_number(x, "offset", 0, MDM_API_QUEUE_OFFSET,
                                &offset);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg(x, "cursor", &cursor);
    }

    if (rc == MDM_OK && cursor.len != 0) {
        rc = mdm_api_queue_cursor_read(x, &cursor, anchors, &n);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_exchange_calls(x, 1, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_queue_list, &en.tag, n);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_QUEUE_LIST_ID] = en.id_key;
    mdm_str_set(&args[MDM_ARG_QUEUE_LIST_BYTES], MDM_API_QUEUE_BYTES);

    if (mdm_api_number(x, &args[MDM_ARG_QUEUE_LIST_MOST], limit) != MDM_OK
        || mdm_api_number(x, &args[MDM_ARG_QUEUE_LIST_OFFSET], offset)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    memcpy(&args[MDM_ARG_QUEUE_LIST_CURSOR], anchors, n * sizeof(mdm_str_t));

    return MDM_CALL;
}


static mdm_int_t
mdm_api_queue_list_answer(mdm_exchange_t *x)
{
    size_t               i, size;
    mdm_int_t            rc;
    mdm_str_t            s, body, cursor;
    mdm_json_out_t       j;
    mdm_secret_where_t   where;
    const mdm_reply_t   *reply;

    reply = x->calls[0].reply;

    if (mdm_reply_code(reply, -1) != 0) {
        return mdm_api_not_enrolled(x);
    }

    size = 256;

    for (i = MDM_RET_QUEUE_LIST_COMMANDS;
         mdm_reply_row(reply, i, MDM_NRET_QUEUE_LIST_COMMANDS);
         i += MDM_NRET_QUEUE_LIST_COMMANDS)
    {
        body = mdm_reply_str(reply, i + MDM_RET_QUEUE_LIST_COMMANDS_BODY);
        size += 256 + body.len / 3 * 4;
    }

    mdm_json_init(&j, x->arena, size);

    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "commands", '[');

    for (i = MDM_RET_QUEUE_LIST_COMMANDS;
         mdm_reply_row(reply, i, MDM_NRET_QUEUE_LIST_COMMANDS);
         i += MDM_NRET_QUEUE_LIST_COMMANDS)
    {
        s = mdm_reply_str(reply, i + MDM_RET_QUEUE_LIST_COMMANDS_UUID);
        body = mdm_reply_str(reply, i + MDM_RET_QUEUE_LIST_COMMANDS_BODY);

        mdm_where_command(&where, &x->calls[0].key, &s);

        rc = mdm_exchange_open(x, &where, &body);
        if (rc != MDM_OK) {
            return rc;
        }

        if (x->settings->audit_reads && body.len != 0
            && mdm_api_audit(x, &x->calls[0].key, "command",
                             &x->calls[0].args[MDM_ARG_QUEUE_LIST_ID], &s)
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        mdm_json_open(&j, NULL, '{');
        mdm_json_id(&j, "command_uuid", &s);

        s = mdm_reply_str(reply, i + MDM_RET_QUEUE_LIST_COMMANDS_TYPE);
        mdm_json_str(&j, "request_type", &s);

        mdm_json_base64(&j, "command", &body);

        s = mdm_reply_str(reply, i + MDM_RET_QUEUE_LIST_COMMANDS_REFUSALS);
        mdm_api_json_not_now(&j, &s);

        mdm_json_close(&j, '}');
    }

    mdm_json_close(&j, ']');

    s = mdm_reply_str(reply, MDM_RET_QUEUE_LIST_NEXT);

    if (s.len != 0) {

        if (mdm_api_queue_cursor_write(x, reply, &cursor) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_json_str(&j, "next_cursor", &cursor);
    }

    mdm_json_close(&j, '}');

    return mdm_api_audited(x, mdm_api_json_answer(&j, x, 200));
}


/*
 * A cursor holds the UUID that comes next and the last ones that were shown,
 * newest first, each behind a comma: in key form they hold none.
 */

static mdm_int_t
mdm_api_queue_cursor_write(mdm_exchange_t *x, const mdm_reply_t *reply,
    mdm_str_t *cursor)
{
    u_char      *p;
    size_t       i, n, at[MDM_API_QUEUE_ANCHORS];
    mdm_str_t    s;

    n = 0;
    at[n++] = MDM_RET_QUEUE_LIST_NEXT;

    for (i = mdm_reply_size(reply);
         i >= MDM_RET_QUEUE_LIST_COMMANDS + MDM_NRET_QUEUE_LIST_COMMANDS
         && n < MDM_API_QUEUE_ANCHORS;
         i -= MDM_NRET_QUEUE_LIST_COMMANDS)
    {
        at[n++] = i - MDM_NRET_QUEUE_LIST_COMMANDS
                  + MDM_RET_QUEUE_LIST_COMMANDS_UUID;
    }

    s.len = 0;

    for (i = 0; i < n; i++) {
        s.len += mdm_reply_str(reply, at[i]).len + 1;
    }

    s.data = mdm_arena_alloc(x->arena, s.len);
    if (s.data == NULL) {
        return MDM_ERROR;
    }

    p = s.data;

    for (i = 0; i < n; i++) {
        *cursor = mdm_reply_str(reply, at[i]);

        *p++ = ',';

        if (cursor->len != 0) {
            memcpy(p, cursor->data, cursor->len);
            p += cursor->len;
        }
    }

    return mdm_api_cursor_write(x->arena, cursor, &s);
}


static mdm_int_t
mdm_api_queue_cursor_read(mdm_exchange_t *x, const mdm_str_t *cursor,
    mdm_str_t *anchors, mdm_uint_t *n)
{
    u_char     *p, *end, *comma;
    mdm_int_t   rc;
    mdm_str_t   s;

    rc = mdm_api_cursor_read(x, &s, cursor);
    if (rc != MDM_OK) {
        return rc;
    }

    p = s.data;
    end = p + s.len;

    while (p != end) {

        if (*p++ != ',' || *n == MDM_API_QUEUE_ANCHORS) {
            return mdm_api_cursor_refuse(x);
        }

        comma = (p != end) ? memchr(p, ',', (size_t) (end - p)) : NULL;

        if (comma == NULL) {
            comma = end;
        }

        if (comma == p) {
            return mdm_api_cursor_refuse(x);
        }

        anchors[*n].data = p;
        anchors[*n].len = (size_t) (comma - p);
        (*n)++;

        p = comma;
    }

    return (*n != 0) ? MDM_OK : mdm_api_cursor_refuse(x);
}


mdm_int_t
mdm_api_queue_clear_step(mdm_exchange_t *x)
{
    mdm_int_t       rc;
    mdm_api_ids_t  *list;

    if (x->state != 0) {
        list = x->ctx;

        mdm_api_queue_clear_replies(x, list);

        return mdm_api_queue_clear_round(x, list);
    }

    list = mdm_arena_alloc(x->arena, sizeof(mdm_api_ids_t));
    if (list == NULL) {
        return MDM_ERROR;
    }

    x->ctx = list;

    rc = mdm_api_ids_read(x, 0, list);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_api_ids_group(x, list, MDM_API_CLEAR_IDS) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_api_queue_clear_round(x, list);
}


/*
 * A script stops after some thousand commands and says how far it came; the
 * rest of its ids go into the next round.
 */

static mdm_int_t
mdm_api_queue_clear_round(mdm_exchange_t *x, mdm_api_ids_t *list)
{
    mdm_str_t        *args;
    mdm_uint_t        i, k, n;
    mdm_api_chunk_t  *chunk;

    n = 0;

    for (i = 0; i < list->nchunks && n < MDM_API_ROUND; i++) {
        n += (list->chunks[i].done < list->chunks[i].n);
    }

    if (n == 0) {
        return mdm_api_ids_answer(x, list);
    }

    if (mdm_exchange_calls(x, n, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    chunk = list->chunks;

    for (i = 0; i < n; chunk++) {

        if (chunk->done == chunk->n) {
            continue;
        }

        args = mdm_exchange_call(x, i++, &mdm_script_queue_clear, &chunk->tag,
                                 chunk->n - chunk->done);
        if (args == NULL) {
            return MDM_ERROR;
        }

        mdm_str_set(&args[MDM_ARG_QUEUE_CLEAR_BUDGET], MDM_API_CLEAR_BUDGET);

        args += MDM_ARG_QUEUE_CLEAR_IDS;

        for (k = chunk->done; k < chunk->n; k++) {
            *args++ = chunk->ids[k]->key;
        }
    }

    return MDM_CALL;
}


static void
mdm_api_queue_clear_replies(mdm_exchange_t *x, mdm_api_ids_t *list)
{
    size_t              k;
    int64_t             n, left;
    mdm_uint_t          i;
    mdm_call_t         *call;
    mdm_api_chunk_t    *chunk;
    const mdm_reply_t  *reply;

    chunk = list->chunks;

    for (i = 0; i < x->ncalls; chunk++) {

        if (chunk->done == chunk->n) {
            continue;
        }

        call = &x->calls[i++];

        if (mdm_api_ids_call(x, list, chunk, call) != MDM_OK) {
            continue;
        }

        reply = call->reply;

        for (k = MDM_RET_QUEUE_CLEAR_UNKNOWN; k < mdm_reply_size(reply); k++) {
            n = mdm_reply_int(reply, k, 0);
            mdm_api_ids_fail(list, chunk, chunk->done + (mdm_uint_t) n,
                             MDM_API_NOT_ENROLLED);
        }

        n = mdm_reply_int(reply, MDM_RET_QUEUE_CLEAR_HANDLED, 0);
        left = (int64_t) (chunk->n - chunk->done);

        if (n < 1 || n > left) {
            mdm_api_ids_fail_chunk(list, chunk, MDM_API_FAILED);
            continue;
        }

        chunk->done += (mdm_uint_t) n;
    }
}
