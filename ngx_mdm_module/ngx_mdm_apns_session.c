
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * HTTP/2 to APNs by libnghttp2: streams, and what is told of them.  Nothing is
 * run from within its callbacks but what moves pushes between lists.
 */


#include "ngx_mdm_apns_conn.h"
#include "ngx_mdm_count.h"

#include <nghttp2/nghttp2.h>


/*
 * From 1.60 on calls have a type of their own for signed sizes, and the ones
 * before are on their way out.
 */

#if (NGHTTP2_VERSION_NUM >= 0x013c00)

typedef nghttp2_ssize               ngx_mdm_apns_ssize_t;
typedef nghttp2_data_provider2      ngx_mdm_apns_provider_t;

#define ngx_mdm_nghttp2_recv        nghttp2_session_mem_recv2
#define ngx_mdm_nghttp2_send        nghttp2_session_mem_send2
#define ngx_mdm_nghttp2_request     nghttp2_submit_request2

#else

typedef ssize_t                     ngx_mdm_apns_ssize_t;
typedef nghttp2_data_provider       ngx_mdm_apns_provider_t;

#define ngx_mdm_nghttp2_recv        nghttp2_session_mem_recv
#define ngx_mdm_nghttp2_send        nghttp2_session_mem_send
#define ngx_mdm_nghttp2_request     nghttp2_submit_request

#endif


/* bytes that are gathered for one write */
#define NGX_MDM_APNS_GATHER     16384

/* of an answer's body, at first: those of APNs are shorter */
#define NGX_MDM_APNS_BODY       256

#define NGX_MDM_APNS_HEADERS    11


static nghttp2_session_callbacks *ngx_mdm_apns_callbacks(void);
static void ngx_mdm_apns_nv(nghttp2_nv *nv, const char *name,
    const u_char *value, size_t len, uint8_t flags);
static ngx_mdm_apns_ssize_t ngx_mdm_apns_payload(nghttp2_session *session,
    int32_t stream, uint8_t *buf, size_t size, uint32_t *flags,
    nghttp2_data_source *source, void *data);
static int ngx_mdm_apns_on_header(nghttp2_session *session,
    const nghttp2_frame *frame, const uint8_t *name, size_t len,
    const uint8_t *value, size_t size, uint8_t flags, void *data);
static int ngx_mdm_apns_on_data(nghttp2_session *session, uint8_t flags,
    int32_t stream, const uint8_t *bytes, size_t len, void *data);
static int ngx_mdm_apns_on_frame(nghttp2_session *session,
    const nghttp2_frame *frame, void *data);
static void ngx_mdm_apns_on_goaway(ngx_mdm_apns_conn_t *conn,
    const nghttp2_goaway *goaway);
static int ngx_mdm_apns_on_not_sent(nghttp2_session *session,
    const nghttp2_frame *frame, int error, void *data);
static int ngx_mdm_apns_on_close(nghttp2_session *session, int32_t stream,
    uint32_t error, void *data);
static void ngx_mdm_apns_answered(ngx_mdm_apns_conn_t *conn,
    ngx_mdm_apns_op_t *op);
static ngx_int_t ngx_mdm_apns_grow(ngx_mdm_apns_op_t *op, size_t size);


ngx_int_t
ngx_mdm_apns_session_create(ngx_mdm_apns_conn_t *conn)
{
    int                         rc;
    nghttp2_option             *option;
    nghttp2_settings_entry      entry;
    nghttp2_session_callbacks  *callbacks;

    callbacks = ngx_mdm_apns_callbacks();
    if (callbacks == NULL) {
        return NGX_ERROR;
    }

    rc = nghttp2_option_new(&option);

    if (rc == 0) {

        /* until its SETTINGS come; closed streams are not kept */

        nghttp2_option_set_peer_max_concurrent_streams(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);

        rc = nghttp2_session_client_new2(&conn->session, callbacks, conn,
                                         option);

        nghttp2_option_del(option);
    }

    nghttp2_session_callbacks_del(callbacks);

    if (rc != 0) {
        conn->session = NULL;
        return NGX_ERROR;
    }

    entry.settings_id = NGHTTP2_SETTINGS_ENABLE_PUSH;
    entry.value = 0;

    if (nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, &entry, 1)
        != 0)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static nghttp2_session_callbacks *
ngx_mdm_apns_callbacks(void)
{
    nghttp2_session_callbacks  *cb;

    if (nghttp2_session_callbacks_new(&cb) != 0) {
        return NULL;
    }

    nghttp2_session_callbacks_set_on_header_callback(cb,
                                                     ngx_mdm_apns_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb,
                                                     ngx_mdm_apns_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb,
                                                     ngx_mdm_apns_on_frame);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb,
                                                     ngx_mdm_apns_on_not_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb,
                                                     ngx_mdm_apns_on_close);

    return cb;
}


void
ngx_mdm_apns_session_free(ngx_mdm_apns_conn_t *conn)
{
    /* it tells nothing of its streams */

    nghttp2_session_del(conn->session);

    conn->session = NULL;
    conn->nstreams = 0;
}


ngx_int_t
ngx_mdm_apns_session_read(ngx_mdm_apns_conn_t *conn, u_char *data, size_t len,
    const char **why)
{
    ngx_mdm_apns_ssize_t  n;

    n = ngx_mdm_nghttp2_recv(conn->session, data, len);

    if (n < 0) {
        *why = nghttp2_strerror((int) n);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_mdm_apns_session_write(ngx_mdm_apns_conn_t *conn)
{
    u_char                *p;
    size_t                 size;
    const uint8_t         *data;
    ngx_mdm_apns_ssize_t   n;

    for (size = 0; size < NGX_MDM_APNS_GATHER; size += (size_t) n) {

        /* one frame, which is there until the next call */

        n = ngx_mdm_nghttp2_send(conn->session, &data);

        if (n < 0) {
            return NGX_ERROR;
        }

        if (n == 0) {
            break;
        }

        p = ngx_mdm_peer_out_reserve(&conn->peer.out, (size_t) n);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_mdm_peer_out_end(&conn->peer.out, ngx_cpymem(p, data, n));
    }

    return NGX_OK;
}


ngx_uint_t
ngx_mdm_apns_session_wants(ngx_mdm_apns_conn_t *conn)
{
    return nghttp2_session_want_write(conn->session) != 0;
}


ngx_uint_t
ngx_mdm_apns_session_over(ngx_mdm_apns_conn_t *conn)
{
    return nghttp2_session_want_read(conn->session) == 0
           && nghttp2_session_want_write(conn->session) == 0;
}


static void
ngx_mdm_apns_nv(nghttp2_nv *nv, const char *name, const u_char *value,
    size_t len, uint8_t flags)
{
    nv->name = (uint8_t *) name;
    nv->namelen = ngx_strlen(name);
    nv->value = (uint8_t *) value;
    nv->valuelen = len;
    nv->flags = flags;
}


ngx_int_t
ngx_mdm_apns_session_submit(ngx_mdm_apns_conn_t *conn, ngx_mdm_apns_op_t *op)
{
    int32_t                   stream;
    ngx_str_t                *host, *topic;
    nghttp2_nv                nva[NGX_MDM_APNS_HEADERS], *nv;
    ngx_mdm_apns_provider_t   provider;

    host = &op->topic->apns->conf->server;
    topic = &op->topic->cert->topic;
    nv = nva;

#define ngx_mdm_apns_text(name, text)                                         \
    ngx_mdm_apns_nv(nv++, name, (u_char *) text, sizeof(text) - 1,            \
                    NGHTTP2_NV_FLAG_NONE)

    /* what no other push has stays out of HPACK's table */

    ngx_mdm_apns_text(":method", "POST");
    ngx_mdm_apns_text(":scheme", "https");
    ngx_mdm_apns_nv(nv++, ":authority", host->data, host->len,
                    NGHTTP2_NV_FLAG_NONE);
    ngx_mdm_apns_nv(nv++, ":path", op->path.data, op->path.len,
                    NGHTTP2_NV_FLAG_NO_INDEX);
    ngx_mdm_apns_text("content-type", "application/json");
    ngx_mdm_apns_nv(nv++, "apns-topic", topic->data, topic->len,
                    NGHTTP2_NV_FLAG_NONE);
    ngx_mdm_apns_text("apns-push-type", "mdm");
    ngx_mdm_apns_text("apns-priority", "10");
    ngx_mdm_apns_nv(nv++, "apns-expiration", op->expiration.data,
                    op->expiration.len, NGHTTP2_NV_FLAG_NONE);
    ngx_mdm_apns_nv(nv++, "apns-id", op->apns_id.data, op->apns_id.len,
                    NGHTTP2_NV_FLAG_NO_INDEX);

    provider.source.ptr = op;
    provider.read_callback = ngx_mdm_apns_payload;

    stream = ngx_mdm_nghttp2_request(conn->session, NULL, nva,
                                     (size_t) (nv - nva), &provider, op);

    if (stream < 0) {
        return (stream == NGHTTP2_ERR_NOMEM) ? NGX_ERROR : NGX_DECLINED;
    }

    op->conn = conn;
    op->stream = stream;
    op->sent = ngx_current_msec;
    op->tries++;

    conn->nstreams++;
    conn->used = ngx_current_msec;

    ngx_queue_insert_tail(&conn->streams, &op->queue);

    return NGX_OK;
}


static ngx_mdm_apns_ssize_t
ngx_mdm_apns_payload(nghttp2_session *session, int32_t stream, uint8_t *buf,
    size_t size, uint32_t *flags, nghttp2_data_source *source, void *data)
{
    size_t              n;
    ngx_mdm_apns_op_t  *op;

    (void) source;
    (void) data;

    /* one that was cancelled is gone */

    op = nghttp2_session_get_stream_user_data(session, stream);

    if (op == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }

    n = ngx_min(size, op->payload.len - op->offset);

    ngx_memcpy(buf, op->payload.data + op->offset, n);
    op->offset += n;

    if (op->offset == op->payload.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }

    return (ngx_mdm_apns_ssize_t) n;
}


void
ngx_mdm_apns_session_cancel(ngx_mdm_apns_conn_t *conn, ngx_mdm_apns_op_t *op)
{
    (void) nghttp2_session_set_stream_user_data(conn->session, op->stream,
                                                NULL);

    /* no memory: the stream stays, and PING finds out about the connection */

    (void) nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE,
                                     op->stream, NGHTTP2_CANCEL);

    ngx_queue_remove(&op->queue);
}


ngx_int_t
ngx_mdm_apns_session_ping(ngx_mdm_apns_conn_t *conn)
{
    return (nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, NULL) == 0)
           ? NGX_OK : NGX_ERROR;
}


void
ngx_mdm_apns_session_end(ngx_mdm_apns_conn_t *conn)
{
    (void) nghttp2_session_terminate_session(conn->session, NGHTTP2_NO_ERROR);
}


static int
ngx_mdm_apns_on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t len, const uint8_t *value, size_t size,
    uint8_t flags, void *data)
{
    mdm_str_t           s;
    ngx_int_t           n;
    ngx_mdm_apns_op_t  *op;

    (void) flags;
    (void) data;

    if (frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }

    op = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    if (op == NULL) {
        return 0;
    }

    if (len == 7 && ngx_memcmp(name, ":status", 7) == 0) {
        n = ngx_atoi((u_char *) value, size);

        /* 1xx come before it */

        op->status = (n >= 200 && n <= 999) ? (ngx_uint_t) n : 0;

    } else if (len == 7 && ngx_memcmp(name, "apns-id", 7) == 0) {

        if (size == op->apns_id.len) {
            ngx_strlow(op->apns_id.data, (u_char *) value, size);
        }

    } else if (len == 11 && ngx_memcmp(name, "retry-after", 11) == 0) {
        s.data = (u_char *) value;
        s.len = size;

        op->retry_after = mdm_push_retry_after(&s);
    }

    return 0;
}


static int
ngx_mdm_apns_on_data(nghttp2_session *session, uint8_t flags, int32_t stream,
    const uint8_t *bytes, size_t len, void *data)
{
    ngx_mdm_apns_op_t  *op;

    (void) flags;
    (void) data;

    op = nghttp2_session_get_stream_user_data(session, stream);

    if (op == NULL || op->large) {
        return 0;
    }

    if (len > MDM_PUSH_BODY - op->len
        || ngx_mdm_apns_grow(op, op->len + len) != NGX_OK)
    {
        op->large = 1;

        return (nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream,
                                          NGHTTP2_CANCEL)
                == 0) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    }

    ngx_memcpy(op->body + op->len, bytes, len);
    op->len += len;

    return 0;
}


static ngx_int_t
ngx_mdm_apns_grow(ngx_mdm_apns_op_t *op, size_t size)
{
    u_char  *body;

    if (size <= op->size) {
        return NGX_OK;
    }

    size = (size <= NGX_MDM_APNS_BODY) ? NGX_MDM_APNS_BODY : MDM_PUSH_BODY;

    body = ngx_alloc(size, &op->topic->apns->log);
    if (body == NULL) {
        return NGX_ERROR;
    }

    if (op->body != NULL) {
        ngx_memcpy(body, op->body, op->len);
        ngx_free(op->body);
    }

    op->body = body;
    op->size = size;

    return NGX_OK;
}


static int
ngx_mdm_apns_on_frame(nghttp2_session *session, const nghttp2_frame *frame,
    void *data)
{
    uint32_t              n;
    ngx_mdm_apns_op_t    *op;
    ngx_mdm_apns_conn_t  *conn = data;

    switch (frame->hd.type) {

    case NGHTTP2_SETTINGS:

        if (frame->hd.flags & NGHTTP2_FLAG_ACK) {
            break;
        }

        n = nghttp2_session_get_remote_settings(session,
                                      NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

        conn->limit = ngx_min(n, NGX_MDM_APNS_STREAMS);
        conn->settled = 1;

        ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                       "mdm apns settings, streams:%uD", n);
        break;

    case NGHTTP2_PING:

        if (frame->hd.flags & NGHTTP2_FLAG_ACK) {
            conn->pinging = 0;
        }

        break;

    case NGHTTP2_GOAWAY:
        ngx_mdm_apns_on_goaway(conn, &frame->goaway);
        break;

    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:

        if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
            break;
        }

        op = nghttp2_session_get_stream_user_data(session,
                                                  frame->hd.stream_id);
        if (op == NULL || op->status == 0) {
            break;
        }

        op->complete = 1;

        /* answered before all of it was asked */

        if (op->offset < op->payload.len
            && nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE,
                                         frame->hd.stream_id, NGHTTP2_CANCEL)
               != 0)
        {
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }

        break;
    }

    return 0;
}


/* streams above its last id are closed behind it, as refused ones */

static void
ngx_mdm_apns_on_goaway(ngx_mdm_apns_conn_t *conn, const nghttp2_goaway *goaway)
{
    u_char             *p;
    mdm_str_t           text;
    mdm_arena_t        *arena;
    mdm_push_answer_t   answer;

    ngx_memzero(&answer, sizeof(mdm_push_answer_t));

    text.data = goaway->opaque_data;
    text.len = goaway->opaque_data_len;

    arena = mdm_arena_create(1024);

    if (arena != NULL) {
        (void) mdm_push_answer(arena, &text, &answer);
    }

    p = ngx_snprintf(conn->text, NGX_MDM_PEER_REASON,
                     "APNs closes the connection (GOAWAY %ui",
                     (ngx_uint_t) goaway->error_code);

    if (answer.reason.len != 0) {
        p = ngx_snprintf(p, MDM_PUSH_REASON + 1, " %V",
                         (ngx_str_t *) &answer.reason);
    }

    *p++ = ')';

    conn->reason = p - conn->text;
    conn->goaway = 1;

    ngx_mdm_count(goaways[mdm_metrics_goaway(&answer.reason)], 1);

    conn->stop |= (mdm_push_goaway(&answer.reason) == MDM_PUSH_VERDICT_STOP);

    mdm_arena_destroy(arena);

    ngx_log_error(NGX_LOG_INFO, &conn->peer.log, 0, "%*s, last stream %D of "
                  "%ui open ones", conn->reason, conn->text,
                  goaway->last_stream_id, conn->nstreams);
}


static int
ngx_mdm_apns_on_not_sent(nghttp2_session *session, const nghttp2_frame *frame,
    int error, void *data)
{
    ngx_mdm_apns_op_t  *op;

    (void) error;
    (void) data;

    if (frame->hd.type == NGHTTP2_HEADERS) {
        op = nghttp2_session_get_stream_user_data(session,
                                                  frame->hd.stream_id);

        if (op != NULL) {
            op->unsent = 1;
        }
    }

    return 0;
}


static int
ngx_mdm_apns_on_close(nghttp2_session *session, int32_t stream,
    uint32_t error, void *data)
{
    u_char               *p, text[64];
    ngx_str_t             reason;
    ngx_mdm_apns_op_t    *op;
    ngx_mdm_apns_conn_t  *conn = data;

    conn->nstreams--;

    op = nghttp2_session_get_stream_user_data(session, stream);

    if (op == NULL) {
        return 0;
    }

    ngx_queue_remove(&op->queue);

    if (op->large) {
        ngx_mdm_apns_op_fail(op, MDM_PUSH_RESET,
                             "the body of APNs' answer is too large");

    } else if (op->status != 0 && (op->complete || error == NGHTTP2_NO_ERROR))
    {
        ngx_mdm_apns_answered(conn, op);

    } else if (op->unsent || error == NGHTTP2_REFUSED_STREAM) {
        ngx_mdm_apns_op_again(op, "APNs refused the stream");

    } else {
        p = ngx_snprintf(text, sizeof(text), "APNs reset the stream (%s)",
                         nghttp2_http2_strerror(error));

        reason.data = text;
        reason.len = p - text;

        ngx_mdm_apns_op_end(op, MDM_PUSH_RESET, &reason);
    }

    return 0;
}


static void
ngx_mdm_apns_answered(ngx_mdm_apns_conn_t *conn, ngx_mdm_apns_op_t *op)
{
    ngx_str_t          reason;
    mdm_str_t          body;
    mdm_arena_t       *arena;
    mdm_push_answer_t  answer;

    conn->answers++;
    conn->errors = (op->status >= 500) ? conn->errors + 1 : 0;

    /* the connection is meant, not the push */

    if (op->status == 400) {
        ngx_memzero(&answer, sizeof(mdm_push_answer_t));

        body.data = op->body;
        body.len = op->len;

        arena = mdm_arena_create(1024);

        if (arena != NULL
            && mdm_push_answer(arena, &body, &answer) == MDM_OK
            && mdm_push_verdict(400, &answer.reason)
               == MDM_PUSH_VERDICT_RECONNECT)
        {
            mdm_arena_destroy(arena);

            conn->goaway = 1;
            conn->reason = ngx_sprintf(conn->text, "APNs said IdleTimeout")
                           - conn->text;

            ngx_mdm_apns_op_again(op, "APNs said IdleTimeout");
            return;
        }

        mdm_arena_destroy(arena);
    }

    ngx_str_set(&reason, "");
    ngx_mdm_apns_op_end(op, MDM_PUSH_ANSWERED, &reason);
}
