
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The stand-in for APNs: HTTP/2 of a connection, requests and answers.
 */


#include <stdlib.h>
#include <string.h>

#include "mdmapns.h"


#define APNS_OUT  65536


static ssize_t apns_body(nghttp2_session *session, int32_t id, uint8_t *buf,
    size_t size, uint32_t *flags, nghttp2_data_source *source, void *data);
static int apns_on_begin(nghttp2_session *session,
    const nghttp2_frame *frame, void *data);
static int apns_on_header(nghttp2_session *session,
    const nghttp2_frame *frame, const uint8_t *name, size_t len,
    const uint8_t *value, size_t size, uint8_t flags, void *data);
static int apns_on_data(nghttp2_session *session, uint8_t flags, int32_t id,
    const uint8_t *bytes, size_t len, void *data);
static int apns_on_frame(nghttp2_session *session,
    const nghttp2_frame *frame, void *data);
static int apns_on_close(nghttp2_session *session, int32_t id, uint32_t error,
    void *data);
static void apns_request(apns_stream_t *s);
static void apns_nv(nghttp2_nv *nv, const char *name, const char *value);
static void apns_answer(apns_stream_t *s);
static void apns_ledger(const apns_stream_t *s);
static void apns_escape(char *dst, size_t size, const char *src, size_t len);


int
apns_http_start(apns_conn_t *conn)
{
    int                         rc;
    nghttp2_option             *option;
    nghttp2_session_callbacks  *cb;

    if (nghttp2_session_callbacks_new(&cb) != 0
        || nghttp2_option_new(&option) != 0)
    {
        return -1;
    }

    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, apns_on_begin);
    nghttp2_session_callbacks_set_on_header_callback(cb, apns_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb,
                                                              apns_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, apns_on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, apns_on_close);

    nghttp2_option_set_no_auto_ping_ack(option, 1);

    rc = nghttp2_session_server_new2(&conn->session, cb, conn, option);

    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);

    if (rc != 0) {
        return -1;
    }

    apns_http_streams(conn, apns.streams);

    return 0;
}


void
apns_http_free(apns_conn_t *conn)
{
    apns_stream_t  *s;

    nghttp2_session_del(conn->session);
    free(conn->out);

    while (conn->streams != NULL) {
        s = conn->streams;
        conn->streams = s->next;
        free(s);
    }
}


int
apns_http_read(apns_conn_t *conn, const unsigned char *data, size_t len)
{
    if (conn->reset_after != 0 && conn->bytes + (long) len > conn->reset_after)
    {
        return -1;
    }

    conn->bytes += (long) len;

    return (nghttp2_session_mem_recv(conn->session, data, len)
            == (ssize_t) len) ? 0 : -1;
}


/* moves what is to be sent into conn->out */

int
apns_http_write(apns_conn_t *conn)
{
    ssize_t         n;
    const uint8_t  *data;

    if (conn->out == NULL) {
        conn->out = malloc(APNS_OUT);
        if (conn->out == NULL) {
            return -1;
        }
    }

    if (conn->out_sent == conn->out_len) {
        conn->out_sent = 0;
        conn->out_len = 0;
    }

    while (conn->out_len + 20000 < APNS_OUT) {
        n = nghttp2_session_mem_send(conn->session, &data);

        if (n < 0) {
            return -1;
        }

        if (n == 0) {
            break;
        }

        memcpy(conn->out + conn->out_len, data, (size_t) n);
        conn->out_len += (size_t) n;
    }

    return 0;
}


void
apns_http_streams(apns_conn_t *conn, long n)
{
    nghttp2_settings_entry  entry;

    entry.settings_id = NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS;
    entry.value = (uint32_t) n;

    (void) nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, &entry,
                                   1);
}


void
apns_http_goaway(apns_conn_t *conn, const char *reason, int last)
{
    int32_t          id;
    char             text[APNS_TEXT + 32];
    apns_stream_t   *s;

    id = nghttp2_session_get_last_proc_stream_id(conn->session);

    if (last == 1) {
        id = 0;

    } else if (last == 2) {

        /* half of those that are open */

        int32_t  low = id;

        for (s = conn->streams; s != NULL; s = s->next) {
            low = (s->id < low) ? s->id : low;
        }

        id = low + (((id - low) / 4) * 2);
    }

    text[0] = '\0';

    if (reason != NULL && reason[0] != '\0') {
        (void) snprintf(text, sizeof(text), "{\"reason\":\"%s\"}", reason);
    }

    (void) nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, id,
                                 NGHTTP2_NO_ERROR, (uint8_t *) text,
                                 strlen(text));

    conn->said_goaway = 1;

    /* what is above it is never looked at */

    for (s = conn->streams; s != NULL; s = s->next) {

        if (s->id > id) {
            s->ready = -1;
        }
    }
}


static int
apns_on_begin(nghttp2_session *session, const nghttp2_frame *frame,
    void *data)
{
    apns_conn_t    *conn = data;
    apns_stream_t  *s;

    if (frame->hd.type != NGHTTP2_HEADERS
        || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
    {
        return 0;
    }

    s = malloc(sizeof(apns_stream_t));
    if (s == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }

    memset(s, 0, offsetof(apns_stream_t, headers));

    s->headers[0] = '\0';
    s->conn = conn;
    s->id = frame->hd.stream_id;
    s->next = conn->streams;
    conn->streams = s;

    if (s->next != NULL) {
        s->next->prev = s;
    }

    if (++conn->nstreams > apns.most) {
        apns.most = conn->nstreams;
    }

    return nghttp2_session_set_stream_user_data(session, s->id, s);
}


static int
apns_on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t len, const uint8_t *value, size_t size,
    uint8_t flags, void *data)
{
    char            key[APNS_TEXT], text[1024];
    size_t          at;
    apns_stream_t  *s;

    (void) data;

    s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    if (s == NULL) {
        return 0;
    }

    if (len == 5 && memcmp(name, ":path", 5) == 0 && size > 10
        && memcmp(value, "/3/device/", 10) == 0
        && size - 10 < sizeof(s->token))
    {
        memcpy(s->token, value + 10, size - 10);
    }

    if (apns.ledger == NULL) {
        return 0;
    }

    apns_escape(key, sizeof(key), (const char *) name, len);
    apns_escape(text, sizeof(text), (const char *) value, size);

    /* whether it may be put into a table is seen by the flag */

    at = strlen(s->headers);

    (void) snprintf(s->headers + at, sizeof(s->headers) - at,
                    "%s\"%s%s\":\"%s\"", (at == 0) ? "" : ",", key,
                    (flags & NGHTTP2_NV_FLAG_NO_INDEX) ? "!" : "", text);

    return 0;
}


static int
apns_on_data(nghttp2_session *session, uint8_t flags, int32_t id,
    const uint8_t *bytes, size_t len, void *data)
{
    apns_stream_t  *s;

    (void) flags;
    (void) data;

    s = nghttp2_session_get_stream_user_data(session, id);

    if (s != NULL && len <= sizeof(s->body) - s->len) {
        memcpy(s->body + s->len, bytes, len);
        s->len += len;
    }

    return 0;
}


static int
apns_on_frame(nghttp2_session *session, const nghttp2_frame *frame,
    void *data)
{
    apns_conn_t    *conn = data;
    apns_stream_t  *s;

    (void) conn;

    switch (frame->hd.type) {

    case NGHTTP2_PING:

        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
            apns.pings++;

            if (!apns.deaf) {
                (void) nghttp2_submit_ping(session, NGHTTP2_FLAG_ACK,
                                           frame->ping.opaque_data);
            }
        }

        break;

    case NGHTTP2_GOAWAY:
        apns.goaways++;
        break;

    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:

        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
            s = nghttp2_session_get_stream_user_data(session,
                                                     frame->hd.stream_id);
            if (s != NULL) {
                apns_request(s);
            }
        }

        break;

    default:
        break;
    }

    return 0;
}


static int
apns_on_close(nghttp2_session *session, int32_t id, uint32_t error,
    void *data)
{
    apns_conn_t    *conn = data;
    apns_stream_t  *s;

    (void) error;

    s = nghttp2_session_get_stream_user_data(session, id);

    if (s == NULL) {
        return 0;
    }

    if (s->prev != NULL) {
        s->prev->next = s->next;

    } else {
        conn->streams = s->next;
    }

    if (s->next != NULL) {
        s->next->prev = s->prev;
    }

    conn->nstreams--;
    free(s);

    return 0;
}


static void
apns_request(apns_stream_t *s)
{
    apns.last = apns_now_usec();

    if (apns.requests++ == 0) {
        apns.first = apns.last;
    }

    s->conn->requests++;

    apns_rule(s->token, &s->rule);

    if (s->ready >= 0) {
        s->ready = (s->rule.action != APNS_NONE && !apns.stall) ? 1 : 0;
    }

    if (s->ready == 0) {
        s->rule.status = 0;
    }

    s->due = apns_now() + apns.delay + s->rule.delay;

    if (s->conn->goaway_after != 0
        && s->conn->requests == s->conn->goaway_after)
    {
        apns_http_goaway(s->conn, apns.goaway_reason, apns.goaway_last);
    }

    apns_ledger(s);

    if (s->ready == 1 && apns.early && s->rule.status == 200) {
        apns_device_push(s->token, s->body, s->len);
    }

    if (s->ready == 1 && s->due <= apns_now()) {
        apns_answer(s);
    }
}


long
apns_http_due(apns_conn_t *conn)
{
    long            next;
    long long       now;
    apns_stream_t  *s;

    next = -1;
    now = apns_now();

    for (s = conn->streams; s != NULL; s = s->next) {

        if (s->ready != 1) {
            continue;
        }

        if (s->due <= now) {
            apns_answer(s);

        } else if (next == -1 || s->due - now < next) {
            next = (long) (s->due - now);
        }
    }

    return next;
}


static void
apns_nv(nghttp2_nv *nv, const char *name, const char *value)
{
    nv->name = (uint8_t *) name;
    nv->namelen = strlen(name);
    nv->value = (uint8_t *) value;
    nv->valuelen = strlen(value);
    nv->flags = NGHTTP2_NV_FLAG_NONE;
}


static void
apns_answer(apns_stream_t *s)
{
    int                     n;
    char                    status[8], retry[16], stamp[64];
    apns_conn_t            *conn;
    nghttp2_nv              nv[3];
    nghttp2_data_provider   provider;

    conn = s->conn;
    s->ready = 2;

    if (s->rule.action == APNS_REFUSE || s->rule.action == APNS_RESET) {
        (void) nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE,
                                         s->id,
                                         (s->rule.action == APNS_REFUSE)
                                         ? NGHTTP2_REFUSED_STREAM
                                         : NGHTTP2_INTERNAL_ERROR);
        return;
    }

    conn->answers++;
    n = 0;

    (void) snprintf(status, sizeof(status), "%d", s->rule.status);
    apns_nv(&nv[n++], ":status", status);

    if (s->rule.retry_after != 0) {
        (void) snprintf(retry, sizeof(retry), "%ld", s->rule.retry_after);
        apns_nv(&nv[n++], "retry-after", retry);
    }

    if (s->rule.action == APNS_LARGE) {
        s->size = APNS_LINE;

    } else if (s->rule.reason[0] != '\0') {
        stamp[0] = '\0';

        if (s->rule.timestamp != 0) {
            (void) snprintf(stamp, sizeof(stamp), ",\"timestamp\":%lld",
                            s->rule.timestamp);
        }

        s->size = (size_t) snprintf(s->answer, sizeof(s->answer),
                                    "{\"reason\":\"%s\"%s}", s->rule.reason,
                                    stamp);
    }

    provider.source.ptr = s;
    provider.read_callback = apns_body;

    (void) nghttp2_submit_response(conn->session, s->id, nv, (size_t) n,
                                   (s->size != 0) ? &provider : NULL);

    if (s->rule.status == 200) {

        if (!apns.early) {
            apns_device_push(s->token, s->body, s->len);
        }

        if (!conn->taken) {
            conn->taken = 1;

            if (apns.streams_taken != 0) {
                apns_http_streams(conn, apns.streams_taken);
            }
        }
    }

    if (apns.streams_bad != 0
        && strcmp(s->rule.reason, "BadDeviceToken") == 0)
    {
        apns_http_streams(conn, apns.streams_bad);
        conn->taken = 0;
    }
}


static ssize_t
apns_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t size,
    uint32_t *flags, nghttp2_data_source *source, void *data)
{
    size_t          n;
    apns_stream_t  *s = source->ptr;

    (void) session;
    (void) id;
    (void) data;

    n = s->size - s->sent;

    if (n > size) {
        n = size;
    }

    memset(buf, ' ', n);

    if (s->sent == 0) {
        memcpy(buf, s->answer, strnlen(s->answer, n));
    }

    s->sent += n;

    if (s->sent == s->size) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }

    return (ssize_t) n;
}


/* a line a request, as JSON; "!" behind a header: it is not to be indexed */

static void
apns_ledger(const apns_stream_t *s)
{
    char  body[3 * sizeof(s->body)];

    if (apns.ledger == NULL) {
        return;
    }

    apns_escape(body, sizeof(body), s->body, s->len);

    fprintf(apns.ledger, "{\"time\":%lld,\"connection\":%ld,"
            "\"client\":\"%s\",\"stream\":%d,\"token\":\"%s\","
            "\"headers\":{%s},\"body\":\"%s\",\"answer\":%d,"
            "\"refused\":%d}\n", apns_now(), s->conn->number,
            s->conn->client, (int) s->id, s->token, s->headers, body,
            s->rule.status,
            s->ready < 0 || s->rule.action == APNS_REFUSE);

    fflush(apns.ledger);
}


static void
apns_escape(char *dst, size_t size, const char *src, size_t len)
{
    size_t         i, n;
    unsigned char  c;

    n = 0;

    for (i = 0; i < len && n + 8 < size; i++) {
        c = (unsigned char) src[i];

        if (c == '"' || c == '\\') {
            dst[n++] = '\\';
            dst[n++] = (char) c;

        } else if (c < 0x20 || c == 0x7f) {
            n += (size_t) snprintf(dst + n, size - n, "\\u%04x", c);

        } else {
            dst[n++] = (char) c;
        }
    }

    dst[n] = '\0';
}
