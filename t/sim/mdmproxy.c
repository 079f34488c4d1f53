
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdmproxy PORT UPSTREAM SEED: a TCP proxy on loopback that does what a bad
 * network does.  UPSTREAM is a port on loopback or a path of a Unix socket.
 * It ends with its standard input, from which it reads lines:
 *
 *     cut reply N      some connection is reset behind N more bytes of reply
 *     cut request N    the same, of requests
 *     half             some connection's replies end, as if shut down
 *     stall MS         nothing is passed on for so long
 *     delay MS FOR     each piece comes so much later, for so long
 *     chop MS          pieces of 1 to 7 bytes, for so long
 *     count            prints "cuts N halves N stalls N delays N chops N
 *                      connections N"
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>


#define PROXY_PAIRS       256
#define PROXY_BUFFER      65536
#define PROXY_CONTROL     1024


enum {
    PROXY_REQUEST = 0,
    PROXY_REPLY
};


/* one direction */

typedef struct {
    char                      data[PROXY_BUFFER];
    size_t                    len;
    size_t                    pos;
    uint64_t                  ready;       /* ms; not before */
    int64_t                   left;        /* bytes until it is cut, -1 */
    int                       eof;         /* the sender has ended */
    int                       shut;        /* and the receiver was told */
} proxy_pipe_t;


typedef struct {
    int                       used;
    int                       fd[2];       /* client, server */
    proxy_pipe_t              pipe[2];     /* request, reply */
} proxy_pair_t;


static void proxy_die(const char *what) __attribute__((noreturn));
static uint64_t proxy_now(void);
static uint64_t proxy_random(uint64_t n);
static int proxy_listen(int port);
static int proxy_connect(const char *upstream);
static void proxy_accept(int listener, const char *upstream);
static void proxy_close(proxy_pair_t *p, int reset);
static proxy_pair_t *proxy_some(void);
static void proxy_control(char *line);
static int proxy_read_control(void);
static void proxy_read(proxy_pair_t *p, int side);
static int proxy_write(proxy_pair_t *p, int side);
static void proxy_events(proxy_pair_t *p, struct pollfd *fds, int *wait);


static proxy_pair_t  proxy_pairs[PROXY_PAIRS];
static uint64_t      proxy_seed;
static uint64_t      proxy_stalled;        /* until then */
static uint64_t      proxy_delayed;
static uint64_t      proxy_chopped;
static uint64_t      proxy_delay;

static struct {
    unsigned long             cuts;
    unsigned long             halves;
    unsigned long             stalls;
    unsigned long             delays;
    unsigned long             chops;
    unsigned long             connections;
} proxy_count;


int
main(int argc, char **argv)
{
    int             i, k, n, wait, listener;
    uint64_t        now;
    proxy_pair_t   *p;

    static struct pollfd  fds[2 + 2 * PROXY_PAIRS];

    if (argc != 4) {
        fprintf(stderr, "usage: mdmproxy PORT UPSTREAM SEED\n");
        return 2;
    }

    signal(SIGPIPE, SIG_IGN);
    proxy_seed = strtoull(argv[3], NULL, 10);
    listener = proxy_listen(atoi(argv[1]));

    for ( ;; ) {
        now = proxy_now();
        wait = 1000;

        if (proxy_stalled > now) {
            wait = (int) (proxy_stalled - now);
        }

        fds[0].fd = 0;
        fds[0].events = POLLIN;
        fds[1].fd = listener;
        fds[1].events = POLLIN;

        for (i = 0, n = 2; i < PROXY_PAIRS; i++, n += 2) {
            proxy_events(&proxy_pairs[i], &fds[n], &wait);
        }

        if (poll(fds, (nfds_t) n, wait) == -1 && errno != EINTR) {
            proxy_die("poll");
        }

        if (fds[0].revents != 0 && proxy_read_control() == -1) {
            return 0;
        }

        for (i = 0; i < PROXY_PAIRS; i++) {
            p = &proxy_pairs[i];

            for (k = 0; k < 2 && p->used; k++) {

                /* fds[k] is read from by pipe k, and written to by the other */

                if (fds[2 + 2 * i + k].revents & (POLLIN|POLLHUP|POLLERR)) {
                    proxy_read(p, k);
                }
            }

            for (k = 0; k < 2 && p->used; k++) {
                if (proxy_write(p, k) == -1) {
                    break;
                }
            }
        }

        if (fds[1].revents & POLLIN) {
            proxy_accept(listener, argv[2]);
        }
    }
}


static void
proxy_die(const char *what)
{
    fprintf(stderr, "mdmproxy: %s: %s\n", what, strerror(errno));
    exit(1);
}


static uint64_t
proxy_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


/* splitmix64, from 0 to n - 1 */

static uint64_t
proxy_random(uint64_t n)
{
    uint64_t  x;

    proxy_seed += UINT64_C(0x9e3779b97f4a7c15);
    x = proxy_seed;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);

    return (x ^ (x >> 31)) % n;
}


static int
proxy_listen(int port)
{
    int                 fd, one;
    struct sockaddr_in  sin;

    one = 1;
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);

    if (fd == -1
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1
        || bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 128) == -1)
    {
        proxy_die("listen");
    }

    return fd;
}


static int
proxy_connect(const char *upstream)
{
    int                  fd, rc;
    struct sockaddr_in   sin;
    struct sockaddr_un   sun;

    if (upstream[0] == '/') {
        memset(&sun, 0, sizeof(sun));
        sun.sun_family = AF_UNIX;
        snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", upstream);

        fd = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);
        if (fd == -1) {
            return -1;
        }

        rc = connect(fd, (struct sockaddr *) &sun, sizeof(sun));

    } else {
        memset(&sin, 0, sizeof(sin));
        sin.sin_family = AF_INET;
        sin.sin_port = htons((uint16_t) atoi(upstream));
        sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

        fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);
        if (fd == -1) {
            return -1;
        }

        rc = connect(fd, (struct sockaddr *) &sin, sizeof(sin));
    }

    if (rc == -1 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }

    return fd;
}


static void
proxy_accept(int listener, const char *upstream)
{
    int            i, fd, server, one;
    proxy_pair_t  *p;

    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC|SOCK_NONBLOCK);
    if (fd == -1) {
        return;
    }

    for (i = 0; i < PROXY_PAIRS; i++) {
        if (!proxy_pairs[i].used) {
            break;
        }
    }

    server = i < PROXY_PAIRS ? proxy_connect(upstream) : -1;

    if (server == -1) {
        close(fd);
        return;
    }

    one = 1;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void) setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    p = &proxy_pairs[i];

    for (i = 0; i < 2; i++) {
        p->pipe[i].len = 0;
        p->pipe[i].pos = 0;
        p->pipe[i].ready = 0;
        p->pipe[i].left = -1;
        p->pipe[i].eof = 0;
        p->pipe[i].shut = 0;
    }

    p->used = 1;
    p->fd[PROXY_REQUEST] = fd;
    p->fd[PROXY_REPLY] = server;
    proxy_count.connections++;
}


static void
proxy_close(proxy_pair_t *p, int reset)
{
    int            i;
    struct linger  linger;

    linger.l_onoff = 1;
    linger.l_linger = 0;

    for (i = 0; i < 2; i++) {
        if (reset) {
            (void) setsockopt(p->fd[i], SOL_SOCKET, SO_LINGER, &linger,
                              sizeof(linger));
        }

        close(p->fd[i]);
    }

    p->used = 0;
}


/* any of those that are open, or NULL */

static proxy_pair_t *
proxy_some(void)
{
    int       i;
    uint64_t  n;

    for (i = 0, n = 0; i < PROXY_PAIRS; i++) {
        n += proxy_pairs[i].used != 0;
    }

    if (n == 0) {
        return NULL;
    }

    n = proxy_random(n);

    for (i = 0; i < PROXY_PAIRS; i++) {
        if (proxy_pairs[i].used && n-- == 0) {
            return &proxy_pairs[i];
        }
    }

    return NULL;
}


static void
proxy_control(char *line)
{
    long           n, m;
    char           what[16];
    uint64_t       now;
    proxy_pair_t  *p;

    now = proxy_now();

    if (sscanf(line, "cut %15s %ld", what, &n) == 2) {
        p = proxy_some();

        if (p != NULL) {
            p->pipe[what[2] == 'p' ? PROXY_REPLY : PROXY_REQUEST].left = n;
        }

    } else if (strcmp(line, "half") == 0) {
        p = proxy_some();

        if (p != NULL && !p->pipe[PROXY_REPLY].shut) {
            (void) shutdown(p->fd[PROXY_REQUEST], SHUT_WR);
            p->pipe[PROXY_REPLY].shut = 1;
            p->pipe[PROXY_REPLY].eof = 1;
            proxy_count.halves++;
        }

    } else if (sscanf(line, "stall %ld", &n) == 1) {
        proxy_stalled = now + (uint64_t) n;
        proxy_count.stalls++;

    } else if (sscanf(line, "delay %ld %ld", &n, &m) == 2) {
        proxy_delay = (uint64_t) n;
        proxy_delayed = now + (uint64_t) m;
        proxy_count.delays++;

    } else if (sscanf(line, "chop %ld", &n) == 1) {
        proxy_chopped = now + (uint64_t) n;
        proxy_count.chops++;

    } else if (strcmp(line, "count") == 0) {
        printf("cuts %lu halves %lu stalls %lu delays %lu chops %lu"
               " connections %lu\n",
               proxy_count.cuts, proxy_count.halves, proxy_count.stalls,
               proxy_count.delays, proxy_count.chops,
               proxy_count.connections);
        fflush(stdout);

    } else {
        fprintf(stderr, "mdmproxy: what is \"%s\"?\n", line);
    }
}


/* -1: the end */

static int
proxy_read_control(void)
{
    char           *eol;
    ssize_t         n;

    static char    buf[PROXY_CONTROL];
    static size_t  len;

    n = read(0, buf + len, sizeof(buf) - len);
    if (n <= 0) {
        return -1;
    }

    len += (size_t) n;

    while ((eol = memchr(buf, '\n', len)) != NULL) {
        *eol = '\0';
        proxy_control(buf);
        len -= (size_t) (eol + 1 - buf);
        memmove(buf, eol + 1, len);
    }

    return len == sizeof(buf) ? -1 : 0;
}


static void
proxy_read(proxy_pair_t *p, int side)
{
    ssize_t        n;
    uint64_t       now;
    proxy_pipe_t  *pipe;

    pipe = &p->pipe[side];

    if (pipe->len != 0 || pipe->eof) {
        return;
    }

    n = recv(p->fd[side], pipe->data, sizeof(pipe->data), 0);

    if (n == -1) {
        if (errno != EAGAIN && errno != EINTR) {
            proxy_close(p, 1);
        }

        return;
    }

    if (n == 0) {
        pipe->eof = 1;
        return;
    }

    now = proxy_now();

    pipe->len = (size_t) n;
    pipe->pos = 0;
    pipe->ready = now < proxy_delayed ? now + proxy_delay : 0;
}


/* -1: the connection is gone */

static int
proxy_write(proxy_pair_t *p, int side)
{
    size_t         size;
    ssize_t        n;
    uint64_t       now;
    proxy_pipe_t  *pipe;

    pipe = &p->pipe[side];
    now = proxy_now();

    if (proxy_stalled > now || pipe->ready > now) {
        return 0;
    }

    while (pipe->pos < pipe->len) {
        size = pipe->len - pipe->pos;

        if (proxy_chopped > now) {
            n = 1 + (ssize_t) proxy_random(7);
            size = size > (size_t) n ? (size_t) n : size;
        }

        if (pipe->left >= 0 && size > (size_t) pipe->left) {
            size = (size_t) pipe->left;
        }

        n = size == 0 ? 0 : send(p->fd[!side], pipe->data + pipe->pos, size,
                                 MSG_NOSIGNAL);

        if (n == -1) {
            if (errno == EAGAIN || errno == EINTR) {
                return 0;
            }

            proxy_close(p, 1);
            return -1;
        }

        pipe->pos += (size_t) n;

        if (pipe->left >= 0) {
            pipe->left -= n;

            if (pipe->left == 0) {
                proxy_count.cuts++;
                proxy_close(p, 1);
                return -1;
            }
        }

        if (proxy_chopped > now) {
            break;
        }
    }

    if (pipe->pos == pipe->len) {
        pipe->len = 0;
        pipe->pos = 0;

        if (pipe->eof && !pipe->shut) {
            (void) shutdown(p->fd[!side], SHUT_WR);
            pipe->shut = 1;
        }
    }

    if (p->pipe[0].shut && p->pipe[1].shut) {
        proxy_close(p, 0);
        return -1;
    }

    return 0;
}


static void
proxy_events(proxy_pair_t *p, struct pollfd *fds, int *wait)
{
    int            i, ms;
    uint64_t       now;
    proxy_pipe_t  *pipe;

    for (i = 0; i < 2; i++) {
        fds[i].fd = -1;
        fds[i].events = 0;
        fds[i].revents = 0;
    }

    if (!p->used) {
        return;
    }

    now = proxy_now();

    for (i = 0; i < 2; i++) {
        pipe = &p->pipe[i];

        if (pipe->len == 0) {

            if (!pipe->eof) {
                fds[i].fd = p->fd[i];
                fds[i].events |= POLLIN;

            } else if (!pipe->shut) {
                *wait = 1;
            }

            continue;
        }

        if (proxy_stalled > now || pipe->ready > now) {
            ms = pipe->ready > now ? (int) (pipe->ready - now) : *wait;
            *wait = ms < *wait ? ms : *wait;
            continue;
        }

        if (proxy_chopped > now) {
            *wait = 0;
        }

        fds[!i].fd = p->fd[!i];
        fds[!i].events |= POLLOUT;
    }
}
