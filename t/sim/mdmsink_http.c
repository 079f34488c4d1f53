
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What mdmsink is asked, and what it answers.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "mdmsink.h"


static void pause_ms(long ms);
static ssize_t sink_read(sink_conn_t *c, void *buf, size_t size);
static int sink_write(sink_conn_t *c, const char *buf, size_t len);
static size_t sink_header(sink_conn_t *c, const char *name,
    const char **value);
static void sink_json(FILE *f, const char *name, const void *data, size_t len);
static const char *sink_hmac(sink_conn_t *c);
static void sink_member(FILE *f, const char *name, sink_conn_t *c,
    const char *key);
static void sink_digest(FILE *f, sink_conn_t *c);
static int sink_slowly(sink_conn_t *c, const char *data, size_t len, long ms);
static size_t sink_head(const sink_rule_t *rule, size_t len, char *head,
    size_t size);
static int sink_body(sink_conn_t *c, const sink_rule_t *rule,
    const char *data, size_t len);
static void sink_reset(sink_conn_t *c);
static int sink_endless(sink_conn_t *c);


static void
pause_ms(long ms)
{
    struct timespec  ts;

    ts.tv_sec = ms / 1000;
    ts.tv_nsec = ms % 1000 * 1000000;

    (void) nanosleep(&ts, NULL);
}


static ssize_t
sink_read(sink_conn_t *c, void *buf, size_t size)
{
    return (c->ssl != NULL) ? SSL_read(c->ssl, buf, (int) size)
                            : read(c->fd, buf, size);
}


/* 0, or -1: the client is gone */

static int
sink_write(sink_conn_t *c, const char *buf, size_t len)
{
    ssize_t  n;

    while (len != 0) {
        n = (c->ssl != NULL) ? SSL_write(c->ssl, buf, (int) len)
                             : send(c->fd, buf, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return -1;
        }

        buf += n;
        len -= (size_t) n;
    }

    return 0;
}


/* the value of a header; its length, 0: there is none */

static size_t
sink_header(sink_conn_t *c, const char *name, const char **value)
{
    char    *p, *line;
    size_t   len;

    len = strlen(name);

    for (p = c->head; p < c->head + c->end; p = line + 2) {
        line = strstr(p, "\r\n");

        if (line == NULL) {
            break;
        }

        if (strncasecmp(p, name, len) == 0 && p[len] == ':') {
            p += len + 1;

            while (*p == ' ') {
                p++;
            }

            *value = p;

            return (size_t) (line - p);
        }
    }

    *value = "";

    return 0;
}


/* 1: a request is there; 0: the client is gone */

int
sink_request(sink_conn_t *c)
{
    char        *end;
    size_t       n, rest;
    ssize_t      k;
    const char  *length;

    free(c->body);
    c->body = NULL;
    c->len = 0;

    for ( ;; ) {
        c->head[c->have] = '\0';
        end = strstr(c->head, "\r\n\r\n");

        if (end != NULL) {
            break;
        }

        k = (c->have < SINK_HEAD)
            ? sink_read(c, c->head + c->have, SINK_HEAD - c->have) : 0;

        if (k <= 0) {
            return 0;
        }

        c->have += (size_t) k;
    }

    c->end = (size_t) (end + 4 - c->head);

    if (sscanf(c->head, "%31s %255s", c->method, c->path) != 2) {
        return 0;
    }

    n = (sink_header(c, "Content-Length", &length) != 0)
        ? strtoul(length, NULL, 10) : 0;

    if (n > SINK_BODY) {
        return 0;
    }

    c->body = malloc(n + 1);
    if (c->body == NULL) {
        return 0;
    }

    rest = c->have - c->end;
    c->len = (rest < n) ? rest : n;
    memcpy(c->body, c->head + c->end, c->len);

    while (c->len < n) {
        k = sink_read(c, c->body + c->len, n - c->len);

        if (k <= 0) {
            return 0;
        }

        c->len += (size_t) k;
    }

    c->body[n] = '\0';

    return 1;
}


/* what is behind it in the buffer is the next one */

void
sink_shift(sink_conn_t *c)
{
    size_t  used;

    used = c->end + c->len;

    if (used > c->have) {
        used = c->have;
    }

    memmove(c->head, c->head + used, c->have - used);
    c->have -= used;
}


static void
sink_json(FILE *f, const char *name, const void *data, size_t len)
{
    size_t                i;
    const unsigned char  *p = data;

    fprintf(f, ",\"%s\":\"", name);

    for (i = 0; i < len; i++) {

        if (p[i] == '"' || p[i] == '\\') {
            fprintf(f, "\\%c", p[i]);

        } else if (p[i] < 0x20 || p[i] >= 0x7f) {
            fprintf(f, "\\u%04x", p[i]);

        } else {
            fputc(p[i], f);
        }
    }

    fputc('"', f);
}


static const char *
sink_hmac(sink_conn_t *c)
{
    size_t         len;
    unsigned       n;
    const char    *value;
    unsigned char  md[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];

    if (sink.hmac_len < 0) {
        return "";
    }

    len = sink_header(c, "X-Hmac-Signature", &value);

    if (len == 0) {
        return "none";
    }

    if (HMAC(EVP_sha256(), sink.hmac, sink.hmac_len, c->body, c->len, md, &n)
        == NULL)
    {
        return "bad";
    }

    return ((size_t) EVP_EncodeBlock(text, md, (int) n) == len
            && memcmp(text, value, len) == 0) ? "ok" : "bad";
}


/* the first string of the body that is so called, as it stands there */

static void
sink_member(FILE *f, const char *name, sink_conn_t *c, const char *key)
{
    char    quoted[32], *p, *end;
    size_t  len;

    len = (size_t) snprintf(quoted, sizeof(quoted), "\"%s\":", key);

    p = memmem(c->body, c->len, quoted, len);
    end = NULL;

    if (p != NULL) {
        p += len + strspn(p + len, " ");
        end = (*p == '"') ? strchr(p + 1, '"') : NULL;
    }

    sink_json(f, name, (end != NULL) ? p + 1 : "",
              (end != NULL) ? (size_t) (end - p - 1) : 0);
}


static void
sink_digest(FILE *f, sink_conn_t *c)
{
    char           hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned       i, n;
    unsigned char  md[EVP_MAX_MD_SIZE];

    n = 0;

    if (EVP_Digest(c->body, c->len, md, &n, EVP_sha256(), NULL) != 1) {
        die("EVP_Digest");
    }

    for (i = 0; i < n; i++) {
        (void) sprintf(hex + 2 * i, "%02x", md[i]);
    }

    sink_json(f, "digest", hex, 2 * n);
}


/* with the lock held */

void
sink_note(sink_conn_t *c, const sink_rule_t *rule)
{
    FILE             *f;
    size_t            len;
    const char       *value, *hmac;
    struct timespec   ts;

    sink.requests++;
    sink.order++;

    hmac = sink_hmac(c);
    sink.bad += (strcmp(hmac, "bad") == 0);

    f = sink.ledger;

    if (f == NULL) {
        return;
    }

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    fprintf(f, "{\"n\":%ld,\"ms\":%lld,\"conn\":%ld,\"length\":%zu,"
            "\"status\":%d", sink.order,
            (long long) ts.tv_sec * 1000 + ts.tv_nsec / 1000000, c->number,
            c->len, rule->status);

    sink_json(f, "method", c->method, strlen(c->method));
    sink_json(f, "path", c->path, strlen(c->path));
    sink_json(f, "action", rule->action, strlen(rule->action));
    sink_json(f, "hmac", hmac, strlen(hmac));

    len = sink_header(c, "X-Hmac-Signature", &value);
    sink_json(f, "signature", value, len);
    len = sink_header(c, "X-Mdm-Tenant", &value);
    sink_json(f, "tenant", value, len);
    len = sink_header(c, "X-Mdm-Attempt", &value);
    sink_json(f, "attempt", value, len);

    sink_member(f, "event_id", c, "event_id");
    sink_member(f, "topic", c, "topic");
    sink_member(f, "id", c, "id");
    sink_member(f, "answer", c, "status");
    sink_member(f, "uuid", c, "command_uuid");
    sink_digest(f, c);

    if (!sink.brief) {
        sink_json(f, "headers", c->head, c->end);
        sink_json(f, "body", c->body,
                  (c->len < SINK_SHOWN) ? c->len : SINK_SHOWN);
    }

    fprintf(f, "}\n");
    (void) fflush(f);
}


/* in pieces, so that it takes so many milliseconds */

static int
sink_slowly(sink_conn_t *c, const char *data, size_t len, long ms)
{
    size_t  n, piece;

    if (ms == 0) {
        return sink_write(c, data, len);
    }

    piece = (len + SINK_PIECES - 1) / SINK_PIECES;

    while (len != 0) {
        n = (len < piece) ? len : piece;

        if (sink_write(c, data, n) == -1) {
            return -1;
        }

        data += n;
        len -= n;
        pause_ms(ms / SINK_PIECES);
    }

    return 0;
}


static size_t
sink_head(const sink_rule_t *rule, size_t len, char *head, size_t size)
{
    char       date[64];
    size_t     n;
    time_t     when;
    struct tm  tm;

    n = (size_t) snprintf(head, size, "HTTP/1.1 %d X\r\nServer: mdmsink\r\n",
                          rule->status);

    if (rule->chunked) {
        n += (size_t) snprintf(head + n, size - n,
                               "Transfer-Encoding: chunked\r\n");

    } else if (rule->status != 204 && rule->status != 304) {
        n += (size_t) snprintf(head + n, size - n, "Content-Length: %zu\r\n",
                               len);
    }

    if (rule->retry[0] == '+') {
        when = time(NULL) + atol(rule->retry + 1);
        (void) strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT",
                        gmtime_r(&when, &tm));
        n += (size_t) snprintf(head + n, size - n, "Retry-After: %s\r\n",
                               date);

    } else if (rule->retry[0] != '\0') {
        n += (size_t) snprintf(head + n, size - n, "Retry-After: %s\r\n",
                               rule->retry);
    }

    if (rule->status >= 300 && rule->status < 400) {
        n += (size_t) snprintf(head + n, size - n,
                               "Location: /redirected\r\n");
    }

    return n + (size_t) snprintf(head + n, size - n, "%sSet-Cookie: a=b\r\n"
                                 "\r\n",
                                 rule->close ? "Connection: close\r\n" : "");
}


/* 0: the connection goes on */

static int
sink_body(sink_conn_t *c, const sink_rule_t *rule, const char *data,
    size_t len)
{
    char    line[32];
    size_t  n, piece;

    if (!rule->chunked) {
        return sink_slowly(c, data, len, rule->body);
    }

    piece = (len + SINK_PIECES - 1) / SINK_PIECES;

    while (len != 0) {
        n = (len < piece) ? len : piece;
        (void) snprintf(line, sizeof(line), "%zx\r\n", n);

        if (sink_write(c, line, strlen(line)) == -1
            || sink_write(c, data, n) == -1 || sink_write(c, "\r\n", 2) == -1)
        {
            return -1;
        }

        data += n;
        len -= n;
        pause_ms(rule->body / SINK_PIECES);
    }

    return (strcmp(rule->action, "middle") == 0)
           ? -1 : sink_write(c, "0\r\n\r\n", 5);
}


static void
sink_reset(sink_conn_t *c)
{
    struct linger  linger;

    linger.l_onoff = 1;
    linger.l_linger = 0;

    (void) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}


/* headers without end, until the client has had enough */

static int
sink_endless(sink_conn_t *c)
{
    if (sink_write(c, "HTTP/1.1 200 OK\r\n", 17) == -1) {
        return -1;
    }

    while (sink_write(c, "X-Filler: 0123456789abcdef0123456789abcdef\r\n", 44)
           == 0)
    {
        /* void */
    }

    return -1;
}


/* 0: the connection goes on; -1: it is to be closed */

int
sink_answer(sink_conn_t *c)
{
    int          rc;
    char        *data, head[1024], byte;
    size_t       len, n;
    sink_rule_t  rule;

    sink_rule(c, &rule);

    if (rule.delay != 0) {
        pause_ms(rule.delay);
    }

    if (strcmp(rule.action, "close") == 0) {
        return -1;
    }

    if (strcmp(rule.action, "none") == 0) {
        (void) sink_read(c, &byte, 1);
        return -1;
    }

    if (strcmp(rule.action, "reset") == 0) {
        sink_reset(c);
        return -1;
    }

    if (strcmp(rule.action, "garbage") == 0) {
        (void) sink_write(c, "SSH-2.0-x\r\n", 11);
        return -1;
    }

    if (strcmp(rule.action, "headers") == 0) {
        return sink_endless(c);
    }

    len = (rule.size >= 0) ? (size_t) rule.size : 15;
    data = malloc(len + 1);

    if (data == NULL) {
        return -1;
    }

    memset(data, 'x', len);

    if (rule.size < 0) {
        memcpy(data, "{\"taken\": true}", 15);
    }

    n = sink_head(&rule, len, head, sizeof(head));

    if (strcmp(rule.action, "middle") == 0) {
        len /= 2;
    }

    if (rule.status == 204 || rule.status == 304
        || strcmp(c->method, "HEAD") == 0)
    {
        rc = sink_slowly(c, head, n, rule.head);

    } else if (rule.head == 0 && rule.body == 0 && !rule.chunked
               && len <= sizeof(head) - n)
    {
        /* as most servers do it: at once */

        memcpy(head + n, data, len);
        rc = sink_write(c, head, n + len);

    } else {
        rc = sink_slowly(c, head, n, rule.head);

        if (rc == 0) {
            rc = sink_body(c, &rule, data, len);
        }
    }

    free(data);

    return (rc == 0 && !rule.close && strcmp(rule.action, "answer") == 0)
           ? 0 : -1;
}
