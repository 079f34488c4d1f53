
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * HTTP for threads that may wait: blocking, one connection, kept open.
 */


#include "mdmsim_fetch.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>


#define SIM_FETCH_READ  16384


static int sim_fetch_fail(sim_fetch_t *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int sim_fetch_open(sim_fetch_t *f);
static int sim_fetch_tls(sim_fetch_t *f);
static int sim_fetch_write(sim_fetch_t *f);
static int sim_fetch_read(sim_fetch_t *f);
static ssize_t sim_fetch_recv(sim_fetch_t *f, char *data, size_t size);
static void sim_fetch_header(const sim_fetch_t *f, const char *name,
    char *value, size_t size);


SSL_CTX *
sim_fetch_ctx(const sim_option_t *opt, const sim_target_t *target)
{
    SSL_CTX  *ctx;

    if (!target->tls) {
        return NULL;
    }

    ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL
        || SSL_CTX_set_min_proto_version(ctx, opt->tls13 ? TLS1_3_VERSION
                                                         : TLS1_2_VERSION)
           != 1
        || (opt->tls12
            && SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) != 1))
    {
        sim_die("cannot set up TLS");
    }

    if (opt->server_ca != NULL) {
        if (SSL_CTX_load_verify_locations(ctx, opt->server_ca, NULL) != 1) {
            sim_die("no certificates in \"%s\"", opt->server_ca);
        }

        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }

    return ctx;
}


void
sim_fetch_init(sim_fetch_t *f, const sim_option_t *opt,
    const sim_target_t *target, SSL_CTX *ctx)
{
    memset(f, 0, sizeof(sim_fetch_t));
    f->opt = opt;
    f->target = target;
    f->ctx = ctx;
    f->fd = -1;
}


void
sim_fetch_close(sim_fetch_t *f)
{
    if (f->ssl != NULL) {
        (void) SSL_shutdown(f->ssl);
        SSL_free(f->ssl);
        f->ssl = NULL;
    }

    if (f->fd != -1) {
        (void) close(f->fd);
        f->fd = -1;
    }

    ERR_clear_error();
}


void
sim_fetch_free(sim_fetch_t *f)
{
    sim_fetch_close(f);
    sim_buf_free(&f->out);
    sim_buf_free(&f->in);
}


static int
sim_fetch_fail(sim_fetch_t *f, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    vsnprintf(f->why, sizeof(f->why), fmt, args);
    va_end(args);

    sim_fetch_close(f);

    return SIM_ERROR;
}


static int
sim_fetch_open(sim_fetch_t *f)
{
    int             on;
    struct timeval  tv;

    on = 1;
    tv.tv_sec = (time_t) (f->opt->timeout / SIM_SEC);
    tv.tv_usec = (suseconds_t) (f->opt->timeout % SIM_SEC / 1000);

    f->fd = socket(f->target->addr.ss_family, SOCK_STREAM|SOCK_CLOEXEC, 0);

    if (f->fd == -1
        || setsockopt(f->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == -1
        || setsockopt(f->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == -1
        || setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))
           == -1)
    {
        return sim_fetch_fail(f, "no socket: %s", strerror(errno));
    }

    if (connect(f->fd, (const struct sockaddr *) &f->target->addr,
                f->target->addrlen)
        == -1)
    {
        return sim_fetch_fail(f, "cannot connect: %s", strerror(errno));
    }

    return f->ctx == NULL ? SIM_OK : sim_fetch_tls(f);
}


static int
sim_fetch_tls(sim_fetch_t *f)
{
    int  rc;

    f->ssl = SSL_new(f->ctx);

    if (f->ssl == NULL || SSL_set_fd(f->ssl, f->fd) != 1) {
        return sim_fetch_fail(f, "cannot begin TLS");
    }

    rc = 1;

    if (f->target->name[0] != '\0') {
        rc = SSL_set_tlsext_host_name(f->ssl, f->target->name) == 1;
    }

    if (rc && f->opt->server_ca != NULL) {
        rc = f->target->name[0] != '\0'
             ? SSL_set1_host(f->ssl, f->target->name)
             : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(f->ssl),
                                             f->target->address);
    }

    if (rc != 1 || SSL_connect(f->ssl) != 1) {
        return sim_fetch_fail(f, "no TLS");
    }

    return SIM_OK;
}


static int
sim_fetch_write(sim_fetch_t *f)
{
    size_t   done;
    ssize_t  n;

    for (done = 0; done < f->out.len; done += (size_t) n) {

        if (f->ssl != NULL) {
            n = SSL_write(f->ssl, f->out.data + done,
                          (int) (f->out.len - done));

        } else {
            n = send(f->fd, f->out.data + done, f->out.len - done,
                     MSG_NOSIGNAL);
        }

        if (n <= 0) {
            return sim_fetch_fail(f, "cannot send");
        }
    }

    return SIM_OK;
}


static ssize_t
sim_fetch_recv(sim_fetch_t *f, char *data, size_t size)
{
    ssize_t  n;

    if (f->ssl != NULL) {
        n = SSL_read(f->ssl, data, (int) size);

        if (n <= 0 && SSL_get_error(f->ssl, (int) n) == SSL_ERROR_ZERO_RETURN)
        {
            return 0;
        }

        return n <= 0 ? -1 : n;
    }

    do {
        n = recv(f->fd, data, size, 0);
    } while (n == -1 && errno == EINTR);

    return n;
}


static int
sim_fetch_read(sim_fetch_t *f)
{
    int      rc;
    ssize_t  n;

    f->in.len = 0;
    sim_http_reset(&f->http);

    for ( ;; ) {
        sim_buf_reserve(&f->in, SIM_FETCH_READ);
        n = sim_fetch_recv(f, f->in.data + f->in.len, SIM_FETCH_READ);

        if (n == -1) {
            return sim_fetch_fail(f, "no answer: %s",
                                  errno == EAGAIN ? "timed out"
                                                  : strerror(errno));
        }

        if (n == 0) {
            if (sim_http_eof(&f->http) == SIM_OK) {
                return SIM_OK;
            }

            return sim_fetch_fail(f, "closed before the answer was there");
        }

        f->in.len += (size_t) n;
        f->in.data[f->in.len] = '\0';

        rc = sim_http_parse(&f->http, &f->in, f->opt->max_body);

        if (rc == SIM_ERROR) {
            return sim_fetch_fail(f, "the answer is not HTTP");
        }

        if (rc == SIM_OK) {
            return SIM_OK;
        }
    }
}


/* as it came: devices compare it byte by byte; "name" ends with a colon */

static void
sim_fetch_header(const sim_fetch_t *f, const char *name, char *value,
    size_t size)
{
    size_t       n, len;
    const char  *p, *end;

    value[0] = '\0';
    len = strlen(name);
    end = f->in.data + f->http.body;

    for (p = f->in.data; p < end; p++) {
        p = memchr(p, '\n', (size_t) (end - p));

        if (p == NULL) {
            return;
        }

        if ((size_t) (end - p) > len + 1
            && strncasecmp(p + 1, name, len) == 0)
        {
            p += len + 1;
            while (*p == ' ') {
                p++;
            }

            n = strcspn(p, "\r\n");
            if (n < size) {
                memcpy(value, p, n);
                value[n] = '\0';
            }

            return;
        }
    }
}


int
sim_fetch(sim_fetch_t *f, const char *query, const char *type,
    const sim_buf_t *body)
{
    int  kept;

    f->out.len = 0;
    sim_buf_printf(&f->out, "%s %s", body == NULL ? "GET" : "POST",
                   f->target->path);

    if (query != NULL) {
        sim_buf_printf(&f->out, "%s%s",
                       strchr(f->target->path, '?') == NULL ? "?" : "&",
                       query);
    }

    sim_buf_printf(&f->out, " HTTP/1.1\r\nHost: %s\r\n"
                   "User-Agent: mdmsim\r\nAccept: */*\r\n",
                   f->target->host);

    if (f->opt->new_connection) {
        sim_buf_str(&f->out, "Connection: close\r\n");
    }

    if (f->header != NULL) {
        sim_buf_printf(&f->out, "%s\r\n", f->header);
    }

    if (body != NULL) {
        sim_buf_printf(&f->out, "Content-Type: %s\r\n"
                       "Content-Length: %zu\r\n\r\n", type, body->len);
        sim_buf_add(&f->out, body->data, body->len);

    } else {
        sim_buf_str(&f->out, "\r\n");
    }

    /* a connection that was kept may just have been closed */

    for (kept = f->fd != -1; /* void */ ; kept = 0) {
        f->in.len = 0;

        if ((kept || sim_fetch_open(f) == SIM_OK)
            && sim_fetch_write(f) == SIM_OK
            && sim_fetch_read(f) == SIM_OK)
        {
            break;
        }

        if (!kept || f->in.len != 0) {
            return SIM_ERROR;
        }
    }

    sim_fetch_header(f, "Content-Type:", f->type, sizeof(f->type));
    sim_fetch_header(f, "Location:", f->location, sizeof(f->location));

    if (f->http.close || f->opt->new_connection) {
        sim_fetch_close(f);
    }

    return SIM_OK;
}
