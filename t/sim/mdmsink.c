
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdmsink: a server on loopback that takes HTTP requests, such as webhooks,
 * well or badly.
 *
 *     mdmsink --port N --control PATH [--ledger FILE [--brief 1]]
 *             [--hmac-key FILE] [--cert FILE --key FILE [--ca FILE]]
 *
 * HTTP/1.1 at 127.0.0.1:N, with TLS if there is a certificate; a client has to
 * have one of the CA then, if there is a CA.  Each request is answered 200
 * unless a rule says otherwise, and is a line of the ledger, JSON, in the order
 * in which they came:
 *
 *     n                    1, 2, …
 *     ms conn              Unix time; the connection
 *     method path length
 *     event_id topic       of the body, or ""
 *     id answer uuid       the first "id", "status" and "command_uuid" in it
 *     digest               the SHA-256 of the body, hex
 *     tenant attempt       X-Mdm-Tenant, X-Mdm-Attempt
 *     signature            X-Hmac-Signature
 *     hmac                 "ok", "bad" or "none": base64 of the HMAC-SHA256 of
 *                          the body with the key; "" without a key
 *     status action        what it is answered
 *     headers body         all of the head; the body, up to 64 kB; not in a
 *                          brief one
 *
 * The control socket is a Unix socket; it takes lines, each of which is
 * answered "ok" or "error":
 *
 *     rule PATH|* STATUS [times=N] [every=N] [delay=MS] [retry=S|+S]
 *          [head=MS] [body=MS] [size=BYTES] [chunked=1] [close=1]
 *          [action=answer|none|close|middle|reset|garbage|headers]
 *                          the first rule that fits a request counts.  delay:
 *                          before the answer; head, body: it takes so long;
 *                          retry=+S is a date; close: no keep-alive; middle:
 *                          the body ends early; headers: without end
 *     clear                forgets rules, and what "stat" counts
 *     drop                 all connections are closed
 *     certificate CERT KEY another one, for new connections
 *     listen on|off
 *     stat                 "accepted N open N requests N bad N"
 *
 * It ends with its parent.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mdmsink.h"


sink_t  sink;


static void sink_drain(sink_conn_t *c);
static void *sink_client(void *data);
static void sink_accept(void);
static void *sink_control(void *data);
static int sink_control_listen(const char *path);
static void sink_hmac_key(const char *path);
static void sink_loop(int control);


void
die(const char *what)
{
    fprintf(stderr, "mdmsink: %s: %s\n", what, strerror(errno));
    exit(1);
}


/* what has been said is read first: bytes that nobody reads reset it */

static void
sink_drain(sink_conn_t *c)
{
    char            buf[4096];
    struct timeval  tv;

    tv.tv_sec = 0;
    tv.tv_usec = 200000;

    (void) setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void) shutdown(c->fd, SHUT_WR);

    while (read(c->fd, buf, sizeof(buf)) > 0) {
        /* void */
    }
}


static void *
sink_client(void *data)
{
    int           i;
    SSL_CTX      *ctx;
    sink_conn_t  *c = data;

    ctx = NULL;

    (void) pthread_mutex_lock(&sink.lock);

    if (sink.ctx != NULL) {
        ctx = sink.ctx;
        (void) SSL_CTX_up_ref(ctx);
    }

    (void) pthread_mutex_unlock(&sink.lock);

    if (ctx != NULL) {
        c->ssl = SSL_new(ctx);
        SSL_CTX_free(ctx);
    }

    if (ctx != NULL
        && (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1
            || SSL_accept(c->ssl) != 1))
    {
        sink_drain(c);

    } else {
        while (sink_request(c) && sink_answer(c) == 0) {
            sink_shift(c);
        }
    }

    if (c->ssl != NULL) {
        SSL_free(c->ssl);
    }

    (void) pthread_mutex_lock(&sink.lock);

    for (i = 0; i < SINK_CONNS; i++) {

        if (sink.open[i] == c->fd) {
            sink.open[i] = -1;
        }
    }

    (void) close(c->fd);
    (void) pthread_mutex_unlock(&sink.lock);

    free(c->body);
    free(c);

    return NULL;
}


static void
sink_accept(void)
{
    int           i, fd, one = 1;
    pthread_t     thread;
    sink_conn_t  *c;

    fd = accept4(sink.listening, NULL, NULL, SOCK_CLOEXEC);

    if (fd == -1) {
        return;
    }

    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    c = calloc(1, sizeof(sink_conn_t));

    (void) pthread_mutex_lock(&sink.lock);

    for (i = 0; i < SINK_CONNS && sink.open[i] != -1; i++) { /* void */ }

    if (c == NULL || i == SINK_CONNS) {
        (void) pthread_mutex_unlock(&sink.lock);
        (void) close(fd);
        free(c);
        return;
    }

    sink.open[i] = fd;
    c->fd = fd;
    c->number = ++sink.accepted;

    (void) pthread_mutex_unlock(&sink.lock);

    if (pthread_create(&thread, NULL, sink_client, c) != 0) {
        die("pthread_create");
    }

    (void) pthread_detach(thread);
}


int
sink_listen(void)
{
    int                 fd, one = 1;
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) sink.port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0);

    if (fd == -1
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1
        || bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 256) == -1)
    {
        die("listen");
    }

    return fd;
}


/* 1, or 0: it cannot be used */

int
sink_certificate(const char *cert, const char *key)
{
    SSL_CTX  *ctx;

    ctx = SSL_CTX_new(TLS_server_method());

    if (ctx == NULL
        || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1
        || SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1
        || (sink.ca != NULL
            && SSL_CTX_load_verify_locations(ctx, sink.ca, NULL) != 1))
    {
        SSL_CTX_free(ctx);
        return 0;
    }

    if (sink.ca != NULL) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER|SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           NULL);
    }

    SSL_CTX_free(sink.ctx);
    sink.ctx = ctx;

    return 1;
}


static void *
sink_control(void *data)
{
    int    fd = *(int *) data;
    char   line[8192];
    FILE  *in, *out;

    free(data);

    in = fdopen(fd, "r");
    out = fdopen(dup(fd), "w");

    if (in == NULL || out == NULL) {
        die("control");
    }

    while (fgets(line, sizeof(line), in) != NULL) {
        sink_command(line, out);
    }

    (void) fclose(in);
    (void) fclose(out);

    return NULL;
}


static int
sink_control_listen(const char *path)
{
    int                 fd;
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;
    (void) snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);

    (void) unlink(path);

    fd = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0);

    if (fd == -1 || bind(fd, (struct sockaddr *) &sun, sizeof(sun)) == -1
        || listen(fd, 8) == -1)
    {
        die(path);
    }

    return fd;
}


static void
sink_hmac_key(const char *path)
{
    FILE  *f;

    f = fopen(path, "r");
    if (f == NULL) {
        die(path);
    }

    sink.hmac_len = (int) fread(sink.hmac, 1, sizeof(sink.hmac), f);
    (void) fclose(f);

    while (sink.hmac_len > 0
           && (sink.hmac[sink.hmac_len - 1] == '\n'
               || sink.hmac[sink.hmac_len - 1] == '\r'))
    {
        sink.hmac_len--;
    }
}


static void
sink_loop(int control)
{
    int            fd, *copy;
    pthread_t      thread;
    struct pollfd  fds[2];

    for ( ;; ) {
        fds[0].fd = control;
        fds[0].events = POLLIN;
        fds[1].fd = sink.listening;
        fds[1].events = POLLIN;

        if (poll(fds, 2, 100) <= 0) {
            continue;
        }

        if (fds[0].revents & POLLIN) {
            fd = accept4(control, NULL, NULL, SOCK_CLOEXEC);
            copy = malloc(sizeof(int));

            if (fd == -1 || copy == NULL) {
                die("accept");
            }

            *copy = fd;

            if (pthread_create(&thread, NULL, sink_control, copy) != 0) {
                die("pthread_create");
            }

            (void) pthread_detach(thread);
        }

        if (fds[1].fd == sink.listening && (fds[1].revents & POLLIN)) {
            sink_accept();
        }
    }
}


int
main(int argc, char *argv[])
{
    int          i;
    const char  *control, *cert, *key;

    control = cert = key = NULL;
    sink.hmac_len = -1;
    sink.listening = -1;

    for (i = 0; i < SINK_CONNS; i++) {
        sink.open[i] = -1;
    }

    (void) pthread_mutex_init(&sink.lock, NULL);
    (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void) signal(SIGPIPE, SIG_IGN);

    for (i = 1; i + 1 < argc; i += 2) {

        if (strcmp(argv[i], "--port") == 0) {
            sink.port = atoi(argv[i + 1]);

        } else if (strcmp(argv[i], "--control") == 0) {
            control = argv[i + 1];

        } else if (strcmp(argv[i], "--cert") == 0) {
            cert = argv[i + 1];

        } else if (strcmp(argv[i], "--key") == 0) {
            key = argv[i + 1];

        } else if (strcmp(argv[i], "--ca") == 0) {
            sink.ca = argv[i + 1];

        } else if (strcmp(argv[i], "--hmac-key") == 0) {
            sink_hmac_key(argv[i + 1]);

        } else if (strcmp(argv[i], "--ledger") == 0) {
            sink.ledger = fopen(argv[i + 1], "ae");

        } else if (strcmp(argv[i], "--brief") == 0) {
            sink.brief = atoi(argv[i + 1]);

        } else {
            break;
        }
    }

    if (i != argc || sink.port == 0 || control == NULL) {
        fprintf(stderr, "usage: mdmsink --port N --control PATH "
                "[--ledger FILE [--brief 1]] [--hmac-key FILE] "
                "[--cert FILE --key FILE [--ca FILE]]\n");
        return 2;
    }

    if (cert != NULL && (key == NULL || !sink_certificate(cert, key))) {
        fprintf(stderr, "mdmsink: the certificate cannot be used\n");
        return 1;
    }

    sink.listening = sink_listen();

    sink_loop(sink_control_listen(control));

    return 0;
}
