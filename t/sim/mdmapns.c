
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdmapns: a stand-in for Apple's push service on loopback.
 *
 *     mdmapns --port N --control PATH --cert FILE --key FILE --ca FILE
 *             [--ledger FILE]
 *
 * HTTP/2 over TLS at 127.0.0.1:N; a client certificate of the CA is asked for.
 * Each request is answered 200 unless a rule says otherwise, and is a line of
 * the ledger: time, connection, stream, token, headers, body, and what is
 * answered.  The control socket is a Unix socket; it takes lines, each of which
 * is answered "ok" or "error":
 *
 *     rule TOKEN|* STATUS [REASON] [times=N] [share=PERCENT] [every=N]
 *          [retry=S] [timestamp=MS] [delay=MS]
 *          [action=answer|none|refuse|reset|large]
 *                          the first rule that fits a request counts
 *     clear                forgets rules, and what "stat" counts
 *     delay MS             all answers come so much later
 *     early 1|0            a device has its push before it is answered
 *     stall 1|0            no request is answered
 *     deaf 1|0             no PING is answered
 *     streams N            SETTINGS of new connections (500), …
 *     streams-taken N      … after the first 200 of a connection, 0: the same
 *     streams-bad N        … after a BadDeviceToken
 *     streams-now N        … at once, of those that are open
 *     goaway [reason=R] [last=none|middle]
 *                          on all connections, now
 *     goaway-as …, goaway-after N, goaway-times N
 *                          the same on each of the next connections after so
 *                          many requests
 *     reset-after BYTES, reset-times N
 *                          each of the next N connections is reset when so
 *                          many bytes have come
 *     drop                 connections are reset
 *     freeze               those that are open are never read again
 *     alpn h2|http/1.1|none
 *     client ok|expired|revoked [MS]
 *                          how the client's certificate is taken, and after
 *                          how long it is refused
 *     certificate CERT KEY another one of our own
 *     listen on|off
 *     stat                 "accepted N open N requests N pings N goaways N most
 *                          N span N": streams open at a time, at most, and
 *                          microseconds from the first request to the last
 *     device TOKEN         this control connection is a device: each push to it
 *                          is a line "push TOKEN BODY"; the last one is kept
 *                          while it is away
 *
 * It ends with its parent.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "mdmapns.h"


#define APNS_CONNS     1024
#define APNS_CONTROLS  64
#define APNS_WAITING   (16 * 1024 * 1024)


apns_t  apns;


static apns_control_t  apns_controls[APNS_CONTROLS];


static void apns_die(const char *what);
static void apns_tls(const char *cert, const char *key);
static int apns_verify(int ok, X509_STORE_CTX *store);
static int apns_alpn(SSL *ssl, const unsigned char **out,
    unsigned char *outlen, const unsigned char *in, unsigned int inlen,
    void *data);
static int apns_control_listen(const char *path);
static void apns_accept(void);
static void apns_client(apns_conn_t *conn);
static void apns_conn_event(apns_conn_t *conn);
static void apns_conn_drain(apns_conn_t *conn);
static int apns_conn_read(apns_conn_t *conn);
static int apns_conn_write(apns_conn_t *conn);
static void apns_conn_reset(apns_conn_t *conn);
static void apns_sweep(void);
static void apns_control_accept(int listening);
static void apns_control_read(apns_control_t *c);
static void apns_control_lines(apns_control_t *c);
static void apns_control_flush(apns_control_t *c);
static void apns_loop(int control);


static void
apns_die(const char *what)
{
    fprintf(stderr, "mdmapns: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}


long long
apns_now(void)
{
    return apns_now_usec() / 1000;
}


long long
apns_now_usec(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return (long long) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


int
main(int argc, char *argv[])
{
    int          i, control;
    const char  *cert, *key, *path, *ledger;

    cert = key = path = ledger = NULL;

    /* who started it may have it ignored */

    (void) signal(SIGTERM, SIG_DFL);
    (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void) signal(SIGPIPE, SIG_IGN);

    for (i = 1; i + 1 < argc; i += 2) {

        if (strcmp(argv[i], "--port") == 0) {
            apns.port = atoi(argv[i + 1]);

        } else if (strcmp(argv[i], "--control") == 0) {
            path = argv[i + 1];

        } else if (strcmp(argv[i], "--cert") == 0) {
            cert = argv[i + 1];

        } else if (strcmp(argv[i], "--key") == 0) {
            key = argv[i + 1];

        } else if (strcmp(argv[i], "--ca") == 0) {
            apns.ca = argv[i + 1];

        } else if (strcmp(argv[i], "--ledger") == 0) {
            ledger = argv[i + 1];

        } else {
            break;
        }
    }

    if (i != argc || apns.port == 0 || path == NULL || cert == NULL
        || key == NULL || apns.ca == NULL)
    {
        fprintf(stderr, "usage: mdmapns --port N --control PATH --cert FILE "
                "--key FILE --ca FILE [--ledger FILE]\n");
        return 2;
    }

    if (ledger != NULL) {
        apns.ledger = fopen(ledger, "a");

        if (apns.ledger == NULL) {
            apns_die(ledger);
        }
    }

    for (i = 0; i < APNS_CONTROLS; i++) {
        apns_controls[i].fd = -1;
    }

    apns.streams = 500;
    apns.listening = -1;

    apns_tls(cert, key);

    if (apns_listen(1) != 0) {
        apns_die("listen");
    }

    control = apns_control_listen(path);

    for ( ;; ) {
        apns_loop(control);
    }
}


static void
apns_tls(const char *cert, const char *key)
{
    apns.ctx = SSL_CTX_new(TLS_server_method());

    if (apns.ctx == NULL
        || SSL_CTX_set_min_proto_version(apns.ctx, TLS1_2_VERSION) != 1
        || SSL_CTX_load_verify_locations(apns.ctx, apns.ca, NULL) != 1
        || apns_certificate(cert, key) != 0)
    {
        apns_die("TLS");
    }

    SSL_CTX_set_verify(apns.ctx,
                       SSL_VERIFY_PEER|SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       apns_verify);
    SSL_CTX_set_alpn_select_cb(apns.ctx, apns_alpn, NULL);
    (void) SSL_CTX_set_session_cache_mode(apns.ctx, SSL_SESS_CACHE_OFF);
    (void) SSL_CTX_set_mode(apns.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                                      |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}


int
apns_certificate(const char *cert, const char *key)
{
    return (SSL_CTX_use_certificate_chain_file(apns.ctx, cert) == 1
            && SSL_CTX_use_PrivateKey_file(apns.ctx, key, SSL_FILETYPE_PEM)
               == 1) ? 0 : -1;
}


static int
apns_verify(int ok, X509_STORE_CTX *store)
{
    if (apns.verdict != 0) {

        /* a client that is far away has gone on meanwhile */

        (void) usleep((useconds_t) apns.verdict_delay * 1000);

        X509_STORE_CTX_set_error(store, apns.verdict);
        return 0;
    }

    return ok;
}


static int
apns_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned int inlen, void *data)
{
    (void) ssl;
    (void) in;
    (void) inlen;
    (void) data;

    if (apns.alpn == 2) {
        return SSL_TLSEXT_ERR_NOACK;
    }

    *out = (const unsigned char *) ((apns.alpn == 1) ? "http/1.1" : "h2");
    *outlen = (apns.alpn == 1) ? 8 : 2;

    return SSL_TLSEXT_ERR_OK;
}


int
apns_listen(int on)
{
    int                 one = 1;
    struct sockaddr_in  sin;

    if (!on) {

        if (apns.listening != -1) {
            (void) close(apns.listening);
            apns.listening = -1;
        }

        return 0;
    }

    if (apns.listening != -1) {
        return 0;
    }

    apns.listening = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC,
                            0);

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) apns.port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (apns.listening == -1
        || setsockopt(apns.listening, SOL_SOCKET, SO_REUSEADDR, &one,
                      sizeof(one)) == -1
        || bind(apns.listening, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(apns.listening, 128) == -1)
    {
        return -1;
    }

    return 0;
}


static int
apns_control_listen(const char *path)
{
    int                 fd;
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;
    (void) snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
    (void) unlink(path);

    fd = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);

    if (fd == -1 || bind(fd, (struct sockaddr *) &sun, sizeof(sun)) == -1
        || listen(fd, 16) == -1)
    {
        apns_die(path);
    }

    return fd;
}


static void
apns_loop(int control)
{
    int             i, n;
    long            due, next;
    nfds_t          nfds;
    apns_conn_t    *conn, *conns[APNS_CONNS];
    struct pollfd   fds[APNS_CONNS + APNS_CONTROLS + 2];

    apns_sweep();

    next = -1;
    nfds = 0;

    fds[nfds].fd = apns.listening;
    fds[nfds++].events = POLLIN;
    fds[nfds].fd = control;
    fds[nfds++].events = POLLIN;

    for (i = 0; i < APNS_CONTROLS; i++) {
        fds[nfds].fd = apns_controls[i].fd;
        fds[nfds++].events = (short)
            (POLLIN | ((apns_controls[i].out_len != 0) ? POLLOUT : 0));
    }

    n = 0;

    for (conn = apns.conns; conn != NULL && n < APNS_CONNS;
         conn = conn->next)
    {
        if (conn->frozen) {
            continue;
        }

        if (conn->session != NULL) {
            due = apns_http_due(conn);

            if (due >= 0 && (next < 0 || due < next)) {
                next = due;
            }

            if (apns_http_write(conn) != 0 || apns_conn_write(conn) != 0) {
                conn->dead = 1;
                continue;
            }
        }

        conns[n++] = conn;

        fds[nfds].fd = conn->fd;
        fds[nfds++].events = (short)
            (POLLIN | ((conn->out_sent != conn->out_len) ? POLLOUT : 0));
    }

    if (poll(fds, nfds, (next < 0) ? 1000 : (int) next) < 0) {
        return;
    }

    if (fds[0].revents != 0 && apns.listening != -1) {
        apns_accept();
    }

    if (fds[1].revents != 0) {
        apns_control_accept(control);
    }

    for (i = 0; i < n; i++) {
        if (fds[2 + APNS_CONTROLS + i].revents != 0) {
            apns_conn_event(conns[i]);
        }
    }

    for (i = 0; i < APNS_CONTROLS; i++) {
        if (fds[2 + i].fd != -1 && fds[2 + i].revents != 0) {
            apns_control_read(&apns_controls[i]);
            apns_control_flush(&apns_controls[i]);
        }
    }
}


static void
apns_accept(void)
{
    int           fd, one = 1;
    apns_conn_t  *conn;

    fd = accept4(apns.listening, NULL, NULL, SOCK_NONBLOCK|SOCK_CLOEXEC);

    if (fd == -1) {
        return;
    }

    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    conn = calloc(1, sizeof(apns_conn_t));

    if (conn == NULL || (conn->ssl = SSL_new(apns.ctx)) == NULL
        || SSL_set_fd(conn->ssl, fd) != 1)
    {
        apns_die("accept");
    }

    conn->fd = fd;
    conn->number = ++apns.accepted;

    if (apns.goaway_after != 0 && apns.goaway_times != 0) {
        conn->goaway_after = apns.goaway_after;
        apns.goaway_times--;
    }

    if (apns.reset_after != 0 && apns.reset_times != 0) {
        conn->reset_after = apns.reset_after;
        apns.reset_times--;
    }

    conn->next = apns.conns;
    apns.conns = conn;
}


/* who is there, for the ledger */

static void
apns_client(apns_conn_t *conn)
{
    X509           *cert;
    unsigned int    i, len;
    unsigned char   digest[EVP_MAX_MD_SIZE];

    cert = SSL_get_peer_certificate(conn->ssl);

    if (cert != NULL && X509_digest(cert, EVP_sha256(), digest, &len) == 1) {

        for (i = 0; i < len && i < 32; i++) {
            (void) snprintf(conn->client + 2 * i, 3, "%02x", digest[i]);
        }
    }

    X509_free(cert);
}


static void
apns_conn_event(apns_conn_t *conn)
{
    int  rc;

    if (conn->dead || conn->frozen) {
        return;
    }

    if (conn->draining) {
        apns_conn_drain(conn);
        return;
    }

    if (conn->session == NULL) {
        rc = SSL_accept(conn->ssl);

        if (rc != 1) {
            rc = SSL_get_error(conn->ssl, rc);

            if (rc != SSL_ERROR_WANT_READ && rc != SSL_ERROR_WANT_WRITE) {
                conn->draining = 1;
                (void) shutdown(conn->fd, SHUT_WR);
            }

            ERR_clear_error();
            return;
        }

        apns_client(conn);

        if (apns_http_start(conn) != 0) {
            conn->dead = 1;
            return;
        }
    }

    if (apns_conn_read(conn) != 0) {
        conn->dead = 1;
    }
}


/* bytes that are not read would have the kernel reset, and lose an alert */

static void
apns_conn_drain(apns_conn_t *conn)
{
    char     buf[4096];
    ssize_t  n;

    n = read(conn->fd, buf, sizeof(buf));

    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        conn->dead = 1;
    }
}


static int
apns_conn_read(apns_conn_t *conn)
{
    int            n;
    unsigned char  buf[16384];

    for ( ;; ) {
        n = SSL_read(conn->ssl, buf, sizeof(buf));

        if (n <= 0) {
            n = SSL_get_error(conn->ssl, n);
            ERR_clear_error();

            return (n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE)
                   ? 0 : -1;
        }

        if (apns_http_read(conn, buf, (size_t) n) != 0) {
            apns_conn_reset(conn);
            return -1;
        }
    }
}


static int
apns_conn_write(apns_conn_t *conn)
{
    int  n;

    while (conn->out_sent != conn->out_len) {
        n = SSL_write(conn->ssl, conn->out + conn->out_sent,
                      (int) (conn->out_len - conn->out_sent));

        if (n <= 0) {
            n = SSL_get_error(conn->ssl, n);
            ERR_clear_error();

            return (n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE)
                   ? 0 : -1;
        }

        conn->out_sent += (size_t) n;
    }

    return 0;
}


/* RST rather than FIN */

static void
apns_conn_reset(apns_conn_t *conn)
{
    struct linger  linger = { 1, 0 };

    (void) setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger,
                      sizeof(linger));
}


static void
apns_sweep(void)
{
    apns_conn_t  *conn, **p;

    for (p = &apns.conns; *p != NULL; /* void */) {
        conn = *p;

        if (!conn->dead) {
            p = &conn->next;
            continue;
        }

        *p = conn->next;

        apns_http_free(conn);

        SSL_free(conn->ssl);
        (void) close(conn->fd);
        free(conn);
    }
}


static void
apns_control_accept(int listening)
{
    int  i, fd;

    fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK|SOCK_CLOEXEC);

    if (fd == -1) {
        return;
    }

    for (i = 0; i < APNS_CONTROLS; i++) {
        if (apns_controls[i].fd == -1) {
            apns_controls[i].fd = fd;
            apns_controls[i].len = 0;
            apns_controls[i].out_len = 0;
            return;
        }
    }

    (void) close(fd);
}


static void
apns_control_read(apns_control_t *c)
{
    ssize_t  n;

    n = read(c->fd, c->line + c->len, sizeof(c->line) - 1 - c->len);

    if (n <= 0) {

        if (n < 0 && errno == EAGAIN) {
            return;
        }

        apns_device_gone(c);
        (void) close(c->fd);
        c->fd = -1;
        return;
    }

    c->len += (size_t) n;
    c->line[c->len] = '\0';

    apns_control_lines(c);

    if (c->len == sizeof(c->line) - 1) {
        c->len = 0;
    }
}


static void
apns_control_lines(apns_control_t *c)
{
    char  *line, *end, out[256];

    line = c->line;

    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';

        apns_command(line, c, out, sizeof(out));
        (void) apns_control_send(c, out, strlen(out));

        line = end + 1;
    }

    c->len -= (size_t) (line - c->line);
    memmove(c->line, line, c->len + 1);
}


int
apns_control_send(apns_control_t *c, const char *data, size_t len)
{
    char    *out;
    size_t   size;

    if (c->out_len + len > APNS_WAITING) {
        return -1;
    }

    if (c->out_len + len > c->out_size) {
        size = 2 * (c->out_len + len);
        out = realloc(c->out, size);

        if (out == NULL) {
            return -1;
        }

        c->out = out;
        c->out_size = size;
    }

    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;

    return 0;
}


static void
apns_control_flush(apns_control_t *c)
{
    ssize_t  n;

    if (c->fd == -1 || c->out_len == 0) {
        return;
    }

    n = write(c->fd, c->out, c->out_len);

    if (n > 0) {
        c->out_len -= (size_t) n;
        memmove(c->out, c->out + n, c->out_len);
    }
}
