
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Connections: non-blocking, driven by epoll, one request at a time.
 */


#include "mdmsim_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <openssl/err.h>


#define SIM_EVENTS       256
#define SIM_SCRATCH      65536
#define SIM_TIMER        UINT64_MAX
#define SIM_WATCHED      (UINT64_MAX - 1)


static void sim_loop_expire(sim_loop_t *loop);
static void sim_conn_wait(sim_loop_t *loop, sim_conn_t *c);
static void sim_conn_events(sim_loop_t *loop, sim_conn_t *c,
    uint32_t events);
static void sim_conn_fail(sim_loop_t *loop, sim_conn_t *c, sim_error_e e);
static void sim_conn_event(sim_loop_t *loop, sim_conn_t *c,
    uint32_t events);
static void sim_conn_connected(sim_loop_t *loop, sim_conn_t *c);
static void sim_conn_handshake(sim_loop_t *loop, sim_conn_t *c);
static void sim_conn_is_open(sim_loop_t *loop, sim_conn_t *c);
static void sim_conn_write(sim_loop_t *loop, sim_conn_t *c);
static ssize_t sim_conn_recv(sim_loop_t *loop, sim_conn_t *c, char *data,
    size_t size, sim_error_e *e);
static void sim_conn_read(sim_loop_t *loop, sim_conn_t *c);
static void sim_conn_idle(sim_loop_t *loop, sim_conn_t *c);
static void sim_conn_done(sim_loop_t *loop, sim_conn_t *c);


void
sim_loop_init(sim_loop_t *loop, const sim_option_t *opt, uint32_t n)
{
    uint32_t            i;
    struct rlimit       rl;
    struct epoll_event  ev;

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &rl);

        if (rl.rlim_cur < (rlim_t) n + 32) {
            sim_die("%u connections need more than the %llu files that"
                    " \"ulimit -n\" allows", (unsigned) n,
                    (unsigned long long) rl.rlim_cur);
        }
    }

    loop->timeout = opt->timeout;
    loop->max_body = opt->max_body;
    loop->resume = opt->resume;
    loop->no_retry = opt->no_retry;
    loop->verify = opt->server_ca != NULL;
    loop->fleet = &opt->fleet;
    loop->nconns = n;
    loop->conns = sim_alloc(n * sizeof(sim_conn_t));
    loop->now = sim_now();
    sim_link_init(&loop->active);

    for (i = 0; i < n; i++) {
        loop->conns[i].fd = -1;
    }

    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC|TFD_NONBLOCK);

    ev.events = EPOLLIN;
    ev.data.u64 = SIM_TIMER;

    if (loop->epoll == -1 || loop->timer == -1
        || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->timer, &ev) == -1)
    {
        sim_die("cannot set up epoll: %s", strerror(errno));
    }

    if (opt->resume) {
        loop->sessions = sim_alloc(opt->fleet.count * sizeof(SSL_SESSION *));
    }

    sim_tls_ctx(loop, opt);
}


void
sim_loop_free(sim_loop_t *loop)
{
    uint32_t  i;

    for (i = 0; i < loop->nconns; i++) {
        sim_conn_close(loop, &loop->conns[i]);
        sim_buf_free(&loop->conns[i].in);
    }

    for (i = 0; loop->sessions != NULL && i < loop->fleet->count; i++) {
        SSL_SESSION_free(loop->sessions[i]);
    }

    free(loop->sessions);
    free(loop->conns);
    SSL_CTX_free(loop->ctx);
    close(loop->timer);
    close(loop->epoll);
}


/* wakes the loop up at "when"; 0: not */

void
sim_loop_alarm(sim_loop_t *loop, uint64_t when)
{
    struct itimerspec  its;

    memset(&its, 0, sizeof(its));
    its.it_value.tv_sec = (time_t) (when / SIM_SEC);
    its.it_value.tv_nsec = (long) (when % SIM_SEC);

    (void) timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &its, NULL);
}


void
sim_loop_watch(sim_loop_t *loop, int fd)
{
    struct epoll_event  ev;

    ev.events = EPOLLIN;
    ev.data.u64 = SIM_WATCHED;

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &ev) == -1) {
        sim_die("epoll_ctl() failed: %s", strerror(errno));
    }
}


void
sim_loop_turn(sim_loop_t *loop, uint64_t wait)
{
    int                  i, n, ms;
    uint64_t             now, ticks, deadline;
    sim_conn_t          *c;
    struct epoll_event   events[SIM_EVENTS];

    if (!sim_link_empty(&loop->active)) {
        now = sim_now();
        deadline = sim_link_data(loop->active.next, active)->deadline;

        if (deadline <= now) {
            wait = 0;

        } else if (deadline - now < wait) {
            wait = deadline - now;
        }
    }

    ms = (int) ((wait + SIM_MSEC - 1) / SIM_MSEC);

    n = epoll_wait(loop->epoll, events, SIM_EVENTS, ms);
    if (n == -1 && errno != EINTR) {
        sim_die("epoll_wait() failed: %s", strerror(errno));
    }

    loop->now = sim_now();

    for (i = 0; i < n; i++) {
        if (events[i].data.u64 == SIM_TIMER) {
            if (read(loop->timer, &ticks, sizeof(ticks)) == -1
                && errno != EAGAIN)
            {
                sim_die("cannot read a timer: %s", strerror(errno));
            }

            continue;
        }

        if (events[i].data.u64 == SIM_WATCHED) {
            loop->watched(loop);
            continue;
        }

        c = &loop->conns[events[i].data.u64 & UINT32_MAX];

        if (c->fd != -1 && c->generation == events[i].data.u64 >> 32) {
            sim_conn_event(loop, c, events[i].events);
        }
    }

    sim_loop_expire(loop);
}


static void
sim_loop_expire(sim_loop_t *loop)
{
    sim_conn_t  *c;

    while (!sim_link_empty(&loop->active)) {
        c = sim_link_data(loop->active.next, active);

        if (c->deadline > loop->now) {
            break;
        }

        sim_conn_fail(loop, c, SIM_E_TIMEOUT);
    }
}


/* every wait has the same length, so the list is in order */

static void
sim_conn_wait(sim_loop_t *loop, sim_conn_t *c)
{
    sim_link_del(&c->active);
    c->deadline = loop->now + loop->timeout;
    sim_link_add(&loop->active, &c->active);
}


static void
sim_conn_events(sim_loop_t *loop, sim_conn_t *c, uint32_t events)
{
    struct epoll_event  ev;

    if (c->events == events) {
        return;
    }

    ev.events = events;
    ev.data.u64 = (uint64_t) c->generation << 32
                  | (uint64_t) (c - loop->conns);

    if (epoll_ctl(loop->epoll, c->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
                  c->fd, &ev)
        == -1)
    {
        sim_die("epoll_ctl() failed: %s", strerror(errno));
    }

    c->events = events;
}


void
sim_conn_close(sim_loop_t *loop, sim_conn_t *c)
{
    sim_link_del(&c->active);

    if (c->state == SIM_CONNECTING || c->state == SIM_HANDSHAKE) {
        loop->connecting--;
    }

    if (c->ssl != NULL) {
        if (c->state >= SIM_OPEN) {
            /* else the session would be dropped */
            (void) SSL_shutdown(c->ssl);
        }

        ERR_clear_error();
        SSL_free(c->ssl);
        c->ssl = NULL;
    }

    if (c->fd != -1) {
        close(c->fd);
        c->fd = -1;
    }

    c->state = SIM_CLOSED;
    c->events = 0;
    c->requests = 0;
    c->resend = 0;
}


static void
sim_conn_fail(sim_loop_t *loop, sim_conn_t *c, sim_error_e e)
{
    uint32_t       device;
    sim_target_t  *target;

    /*
     * A connection that was kept alive may be closed by the server just as
     * the next request is sent; HTTP clients then try once more.
     */

    if (e == SIM_E_CLOSED && c->requests > 1 && c->in.len == 0
        && !c->retried && !loop->no_retry)
    {
        device = c->tls_device;
        target = c->target;

        sim_conn_close(loop, c);
        loop->stat->reconnects++;
        c->retried = 1;
        c->resend = 1;
        sim_conn_open(loop, c, target, device);
        return;
    }

    c->retried = 0;
    sim_conn_close(loop, c);
    loop->failed(loop, c, e);
}


void
sim_conn_open(sim_loop_t *loop, sim_conn_t *c, sim_target_t *t,
    uint32_t device)
{
    int  rc, one;

    c->target = t;
    c->tls_device = device;
    c->generation++;
    c->opened = sim_now();
    c->state = SIM_CONNECTING;
    loop->stat->connections++;
    loop->connecting++;

    c->fd = socket(t->addr.ss_family, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC,
                   0);
    if (c->fd == -1) {
        sim_conn_fail(loop, c, SIM_E_CONNECT);
        return;
    }

    one = 1;
    (void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    rc = connect(c->fd, (struct sockaddr *) &t->addr, t->addrlen);

    if (rc == -1 && errno != EINPROGRESS) {
        sim_conn_fail(loop, c, SIM_E_CONNECT);
        return;
    }

    sim_conn_wait(loop, c);
    sim_conn_events(loop, c, EPOLLIN|EPOLLOUT);
}


static void
sim_conn_event(sim_loop_t *loop, sim_conn_t *c, uint32_t events)
{
    switch (c->state) {

    case SIM_CONNECTING:
        sim_conn_connected(loop, c);
        break;

    case SIM_HANDSHAKE:
        sim_conn_handshake(loop, c);
        break;

    case SIM_SENDING:
        if (events & (EPOLLIN|EPOLLHUP|EPOLLERR)) {
            /* an answer before all was sent, or the end */
            sim_conn_read(loop, c);
        }

        if (c->state == SIM_SENDING && (events & EPOLLOUT)) {
            sim_conn_write(loop, c);
        }

        break;

    case SIM_RECEIVING:
        sim_conn_read(loop, c);
        break;

    case SIM_OPEN:
        sim_conn_idle(loop, c);
        break;

    default:
        break;
    }
}


static void
sim_conn_connected(sim_loop_t *loop, sim_conn_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(err);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1
        || err != 0)
    {
        sim_conn_fail(loop, c, SIM_E_CONNECT);
        return;
    }

    if (!c->target->tls) {
        sim_conn_is_open(loop, c);
        return;
    }

    if (sim_tls_start(loop, c) != SIM_OK) {
        sim_conn_fail(loop, c, SIM_E_TLS);
        return;
    }

    c->state = SIM_HANDSHAKE;
    sim_conn_handshake(loop, c);
}


static void
sim_conn_handshake(sim_loop_t *loop, sim_conn_t *c)
{
    int  rc;

    rc = SSL_do_handshake(c->ssl);

    if (rc == 1) {
        loop->stat->handshakes++;
        if (SSL_session_reused(c->ssl)) {
            loop->stat->resumed++;
        }

        sim_hist_add(&loop->stat->handshake,
                     (sim_now() - c->opened) / 1000);
        sim_conn_is_open(loop, c);
        return;
    }

    switch (SSL_get_error(c->ssl, rc)) {

    case SSL_ERROR_WANT_READ:
        sim_conn_events(loop, c, EPOLLIN);
        break;

    case SSL_ERROR_WANT_WRITE:
        sim_conn_events(loop, c, EPOLLIN|EPOLLOUT);
        break;

    default:
        ERR_clear_error();
        sim_conn_fail(loop, c, SIM_E_TLS);
        break;
    }
}


static void
sim_conn_is_open(sim_loop_t *loop, sim_conn_t *c)
{
    sim_link_del(&c->active);
    sim_conn_events(loop, c, EPOLLIN);
    c->state = SIM_OPEN;
    loop->connecting--;

    if (c->resend) {
        c->resend = 0;
        sim_conn_send(loop, c, c->out, c->out_len);
        return;
    }

    loop->ready(loop, c);
}


/* "data" has to stay until the answer is there */

void
sim_conn_send(sim_loop_t *loop, sim_conn_t *c, const char *data, size_t len)
{
    c->out = data;
    c->out_len = len;
    c->out_pos = 0;
    c->in.len = 0;
    sim_http_reset(&c->http);

    if (!c->retried) {
        c->sent = sim_now();
        loop->stat->requests++;
    }

    c->requests++;
    c->state = SIM_SENDING;
    sim_conn_wait(loop, c);
    sim_conn_write(loop, c);
}


static void
sim_conn_write(sim_loop_t *loop, sim_conn_t *c)
{
    int      rc;
    size_t   n;
    ssize_t  sent;

    while (c->out_pos < c->out_len) {

        n = c->out_len - c->out_pos;

        if (c->ssl != NULL) {
            rc = SSL_write(c->ssl, c->out + c->out_pos,
                           n > INT32_MAX ? INT32_MAX : (int) n);
            sent = rc;

            if (rc <= 0) {
                rc = SSL_get_error(c->ssl, rc);

                if (rc == SSL_ERROR_WANT_WRITE || rc == SSL_ERROR_WANT_READ) {
                    sim_conn_events(loop, c, EPOLLIN|EPOLLOUT);
                    return;
                }

                ERR_clear_error();
                sent = -1;
            }

        } else {
            sent = send(c->fd, c->out + c->out_pos, n, MSG_NOSIGNAL);

            if (sent == -1 && (errno == EAGAIN || errno == EINTR)) {
                sim_conn_events(loop, c, EPOLLIN|EPOLLOUT);
                return;
            }
        }

        if (sent <= 0) {
            /* there may be an answer that says why, or an event that says
             * it is closed; both come to the reading side */
            c->state = SIM_RECEIVING;
            sim_conn_events(loop, c, EPOLLIN);
            return;
        }

        loop->stat->bytes_out += (uint64_t) sent;
        c->out_pos += (size_t) sent;
    }

    c->state = SIM_RECEIVING;
    sim_conn_events(loop, c, EPOLLIN);
}


/* 0: the end, or an error that "e" names; SIM_AGAIN: nothing there */

static ssize_t
sim_conn_recv(sim_loop_t *loop, sim_conn_t *c, char *data, size_t size,
    sim_error_e *e)
{
    int      rc;
    ssize_t  n;

    *e = SIM_E_CLOSED;

    if (c->ssl == NULL) {
        n = recv(c->fd, data, size, 0);

        if (n == -1) {
            return errno == EAGAIN || errno == EINTR ? SIM_AGAIN : 0;
        }

        loop->stat->bytes_in += (uint64_t) n;
        return n;
    }

    rc = SSL_read(c->ssl, data, (int) size);
    if (rc > 0) {
        loop->stat->bytes_in += (uint64_t) rc;
        return rc;
    }

    switch (SSL_get_error(c->ssl, rc)) {

    case SSL_ERROR_WANT_READ:
        return SIM_AGAIN;

    case SSL_ERROR_WANT_WRITE:
        sim_conn_events(loop, c, EPOLLIN|EPOLLOUT);
        return SIM_AGAIN;

    case SSL_ERROR_SSL:
        if (ERR_GET_REASON(ERR_peek_error())
            != SSL_R_UNEXPECTED_EOF_WHILE_READING)
        {
            *e = SIM_E_TLS;
        }

        /* fall through */

    default:
        ERR_clear_error();
        return 0;
    }
}


static void
sim_conn_read(sim_loop_t *loop, sim_conn_t *c)
{
    int          rc;
    ssize_t      n;
    sim_error_e  e;

    static char  scratch[SIM_SCRATCH];

    for ( ;; ) {
        n = sim_conn_recv(loop, c, scratch, sizeof(scratch), &e);

        if (n == SIM_AGAIN) {
            return;
        }

        if (n == 0) {
            if (e == SIM_E_CLOSED && c->in.len != 0
                && sim_http_eof(&c->http) == SIM_OK)
            {
                sim_conn_done(loop, c);

            } else {
                sim_conn_fail(loop, c, e);
            }

            return;
        }

        sim_buf_add(&c->in, scratch, (size_t) n);

        rc = sim_http_parse(&c->http, &c->in, loop->max_body);

        if (rc == SIM_OK) {
            sim_conn_done(loop, c);
            return;
        }

        if (rc == SIM_ERROR
            || c->in.len > 2 * loop->max_body + 2 * SIM_MAX_HEADER)
        {
            sim_conn_fail(loop, c, SIM_E_PROTOCOL);
            return;
        }

        if (c->ssl == NULL && (size_t) n < sizeof(scratch)) {
            return;
        }
    }
}


static void
sim_conn_done(sim_loop_t *loop, sim_conn_t *c)
{
    if (c->state == SIM_SENDING) {
        /* the server did not wait for the rest */
        c->http.close = 1;
    }

    c->state = SIM_OPEN;
    c->retried = 0;
    sim_link_del(&c->active);

    loop->stat->responses++;
    loop->stat->status[c->http.status]++;

    loop->response(loop, c);
}


/* on an idle connection: session tickets, or the end */

static void
sim_conn_idle(sim_loop_t *loop, sim_conn_t *c)
{
    char         data[64];
    ssize_t      n;
    sim_error_e  e;

    n = sim_conn_recv(loop, c, data, sizeof(data), &e);

    if (n == SIM_AGAIN) {
        return;
    }

    if (n > 0) {
        loop->stat->errors[SIM_E_PROTOCOL]++;
    }

    sim_conn_close(loop, c);
    loop->gone(loop, c);
}
