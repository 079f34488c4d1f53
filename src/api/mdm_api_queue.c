
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

#define MDM_API_CLEAR_IDS        20     /* a call */
#define MDM_API_CLEAR_BUDGET     "256"  /* steps a call */


static mdm_int_t mdm_api_queue_list_call(mdm_exchange_t *x);
static mdm_int_t mdm_api_queue_list_answer(mdm_exchange_t *x);
static mdm_int_t mdm_api_queue_cursor_read(mdm_exchange_t *x,
    const mdm_str_t *cursor, mdm_str_t *anchors, mdm_uint_t *n);
static mdm_int_t mdm_api_queue_cursor_write(mdm_exchange_t *x,
    const mdm_reply_t *reply, mdm_str_t *cursor);
static mdm_str_t *mdm_api_queue_clear_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_str_t *tag, mdm_uint_t nids);
static int64_t mdm_api_queue_clear_reply(mdm_api_ids_t *list,
    mdm_api_chunk_t *chunk, const mdm_reply_t *reply);


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
    mdm_str_t            s, body, cursor, enrollment;
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

        /* of a renewal there are no bytes before it is delivered */

        enrollment = mdm_reply_str(reply,
                              i + MDM_RET_QUEUE_LIST_COMMANDS_ENROLLMENT);

        if (enrollment.len != 0) {
            mdm_json_str(&j, "enrollment", &enrollment);

        } else {
            mdm_json_base64(&j, "command", &body);
        }

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
    static const mdm_api_ids_calls_t  calls = {
        MDM_API_CLEAR_IDS, mdm_api_queue_clear_call, mdm_api_queue_clear_reply
    };

    return mdm_api_ids_step(x, 0, &calls);
}


static mdm_str_t *
mdm_api_queue_clear_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_str_t *tag, mdm_uint_t nids)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, &mdm_script_queue_clear, tag, nids);
    if (args == NULL) {
        return NULL;
    }

    mdm_str_set(&args[MDM_ARG_QUEUE_CLEAR_BUDGET], MDM_API_CLEAR_BUDGET);

    return args + MDM_ARG_QUEUE_CLEAR_IDS;
}


/* a script stops when its budget is spent, and says how far it came */

static int64_t
mdm_api_queue_clear_reply(mdm_api_ids_t *list, mdm_api_chunk_t *chunk,
    const mdm_reply_t *reply)
{
    size_t   k;
    int64_t  n;

    for (k = MDM_RET_QUEUE_CLEAR_UNKNOWN; k < mdm_reply_size(reply); k++) {
        n = mdm_reply_int(reply, k, 0);
        mdm_api_ids_fail(list, chunk, chunk->done + (mdm_uint_t) n,
                         MDM_API_NOT_ENROLLED);
    }

    return mdm_reply_int(reply, MDM_RET_QUEUE_CLEAR_HANDLED, 0);
}
