
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdmconnect PORT [UPSTREAM]: an HTTP proxy on loopback that knows CONNECT.
 * Whatever a client asks for, it is led to the port UPSTREAM on loopback; 0: to
 * the port that it names.  The lines that it reads from its standard input say
 * how the clients that come from then on are treated; each is answered "ok":
 *
 *     well             200
 *     auth USER:PASS   407 without this name and password, else 200
 *     status N         this status
 *     extra            200, and bytes behind the head
 *     split            200, a byte at a time
 *     large            a head of 10 kB
 *     silent           no answer at all
 *     slow MS          200, so much later
 *     garbage          what is no HTTP
 *     upstream PORT    another one: with a server of our own this is a proxy
 *                      that looks into TLS
 *     black            what is open passes nothing any more, and stays open
 *     count            "connections N requests N last REQUEST-LINE"
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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


#define CONNECT_PAIRS   64
#define CONNECT_HEAD    4096


typedef enum {
    CONNECT_WELL = 0,
    CONNECT_AUTH,
    CONNECT_STATUS,
    CONNECT_EXTRA,
    CONNECT_SPLIT,
    CONNECT_LARGE,
    CONNECT_SILENT,
    CONNECT_SLOW,
    CONNECT_GARBAGE
} connect_mode_e;


typedef struct {
    int                       client;      /* -1: free */
    int                       server;      /* -1: not connected yet */
    int                       passing;     /* the head was answered */
    int                       black;
    int64_t                   due;         /* ms, of a slow answer; 0: none */
    char                      head[CONNECT_HEAD];
    size_t                    len;
} connect_pair_t;


static connect_pair_t  pairs[CONNECT_PAIRS];
static connect_mode_e  mode;
static long            number;
static char            word[256];
static char            last[256];
static int             upstream;
static int             connections;
static int             requests;


static int64_t now(void);
static int listen_on(int port);
static void accept_client(int fd);
static void command(char *line);
static void client_read(connect_pair_t *p);
static void answer(connect_pair_t *p);
static void pass(connect_pair_t *p, int from, int to);
static void drop(connect_pair_t *p);
static int authorized(const connect_pair_t *p);
static int connect_to(int port);
static void say(connect_pair_t *p, const char *text, size_t len);


static int64_t
now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static int
listen_on(int port)
{
    int                 fd, one = 1;
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0);

    if (fd == -1
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1
        || bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 64) == -1)
    {
        perror("mdmconnect");
        exit(1);
    }

    return fd;
}


static void
accept_client(int fd)
{
    int  i, client;

    client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

    if (client == -1) {
        return;
    }

    connections++;

    for (i = 0; i < CONNECT_PAIRS; i++) {

        if (pairs[i].client == -1) {
            memset(&pairs[i], 0, sizeof(connect_pair_t));
            pairs[i].client = client;
            pairs[i].server = -1;
            return;
        }
    }

    (void) close(client);
}


int
main(int argc, char *argv[])
{
    int            i, fd, timeout;
    char           line[512];
    nfds_t         n;
    struct pollfd  fds[2 + 2 * CONNECT_PAIRS];

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: mdmconnect PORT [UPSTREAM]\n");
        return 2;
    }

    (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void) signal(SIGPIPE, SIG_IGN);

    upstream = (argc == 3) ? atoi(argv[2]) : 0;
    fd = listen_on(atoi(argv[1]));

    for (i = 0; i < CONNECT_PAIRS; i++) {
        pairs[i].client = pairs[i].server = -1;
    }

    (void) setvbuf(stdin, NULL, _IONBF, 0);
    (void) setvbuf(stdout, NULL, _IOLBF, 0);

    for ( ;; ) {
        n = 0;
        timeout = 1000;

        fds[n].fd = fd;
        fds[n++].events = POLLIN;
        fds[n].fd = 0;
        fds[n++].events = POLLIN;

        for (i = 0; i < CONNECT_PAIRS; i++) {

            if (pairs[i].client != -1 && pairs[i].due != 0) {

                if (pairs[i].due <= now()) {
                    answer(&pairs[i]);

                } else {
                    timeout = 10;
                }
            }

            fds[n].fd = pairs[i].black ? -1 : pairs[i].client;
            fds[n++].events = POLLIN;
            fds[n].fd = pairs[i].black ? -1 : pairs[i].server;
            fds[n++].events = POLLIN;
        }

        if (poll(fds, n, timeout) < 0) {
            continue;
        }

        if (fds[0].revents != 0) {
            accept_client(fd);
        }

        if (fds[1].revents != 0) {

            if (fgets(line, sizeof(line), stdin) == NULL) {
                return 0;
            }

            command(line);
        }

        for (i = 0; i < CONNECT_PAIRS; i++) {

            if (fds[2 + 2 * i].fd != -1 && fds[2 + 2 * i].revents != 0
                && pairs[i].client != -1)
            {
                client_read(&pairs[i]);
            }

            if (fds[3 + 2 * i].fd != -1 && fds[3 + 2 * i].revents != 0
                && pairs[i].server != -1)
            {
                pass(&pairs[i], pairs[i].server, pairs[i].client);
            }
        }
    }
}


static void
command(char *line)
{
    int          i;
    char         name[32] = "";
    static const struct {
        const char      *name;
        connect_mode_e   mode;
    } modes[] = {
        { "well", CONNECT_WELL }, { "auth", CONNECT_AUTH },
        { "status", CONNECT_STATUS }, { "extra", CONNECT_EXTRA },
        { "split", CONNECT_SPLIT }, { "large", CONNECT_LARGE },
        { "silent", CONNECT_SILENT }, { "slow", CONNECT_SLOW },
        { "garbage", CONNECT_GARBAGE }, { NULL, CONNECT_WELL }
    };

    word[0] = '\0';
    (void) sscanf(line, "%31s %255s", name, word);
    number = strtol(word, NULL, 10);

    if (strcmp(name, "count") == 0) {
        printf("connections %d requests %d last %s\n", connections, requests,
               last);
        return;
    }

    if (strcmp(name, "upstream") == 0) {
        upstream = (int) number;
        printf("ok\n");
        return;
    }

    if (strcmp(name, "black") == 0) {

        for (i = 0; i < CONNECT_PAIRS; i++) {
            pairs[i].black = (pairs[i].client != -1);
        }

        printf("ok\n");
        return;
    }

    for (i = 0; modes[i].name != NULL; i++) {

        if (strcmp(modes[i].name, name) == 0) {
            mode = modes[i].mode;
            printf("ok\n");
            return;
        }
    }

    printf("error\n");
}


static void
client_read(connect_pair_t *p)
{
    ssize_t  n;

    if (p->passing) {
        pass(p, p->client, p->server);
        return;
    }

    n = read(p->client, p->head + p->len, CONNECT_HEAD - 1 - p->len);

    if (n <= 0) {
        drop(p);
        return;
    }

    p->len += (size_t) n;
    p->head[p->len] = '\0';

    if (strstr(p->head, "\r\n\r\n") == NULL) {
        return;
    }

    requests++;
    (void) snprintf(last, sizeof(last), "%.*s",
                    (int) strcspn(p->head, "\r\n"), p->head);

    if (mode == CONNECT_SLOW) {
        p->due = now() + number;
        return;
    }

    answer(p);
}


static void
answer(connect_pair_t *p)
{
    int     port;
    char    text[256], *colon;
    size_t  i;

    p->due = 0;

    if (mode == CONNECT_SILENT) {
        return;
    }

    if (mode == CONNECT_GARBAGE) {
        say(p, "SSH-2.0-x\r\n", 11);
        return;
    }

    if (mode == CONNECT_STATUS
        || (mode == CONNECT_AUTH && !authorized(p)))
    {
        (void) snprintf(text, sizeof(text),
                        "HTTP/1.1 %ld No\r\nContent-Length: 0\r\n\r\n",
                        (mode == CONNECT_AUTH) ? 407 : number);
        say(p, text, strlen(text));
        drop(p);
        return;
    }

    port = upstream;

    if (port == 0) {
        colon = strchr(p->head, ':');
        port = (colon != NULL) ? atoi(colon + 1) : 0;
    }

    p->server = connect_to(port);

    if (p->server == -1) {
        say(p, "HTTP/1.1 502 Bad Gateway\r\n\r\n", 28);
        drop(p);
        return;
    }

    p->passing = 1;

    if (mode == CONNECT_LARGE) {
        say(p, "HTTP/1.1 200 OK\r\nX: ", 20);

        for (i = 0; i < 10000; i += 100) {
            memset(text, 'x', 100);
            say(p, text, 100);
        }
    }

    if (mode == CONNECT_SPLIT) {
        const char  *head = "HTTP/1.0 299 Fine\r\nVia: x\r\n\r\n";

        for (i = 0; head[i] != '\0'; i++) {
            say(p, head + i, 1);
            (void) usleep(2000);
        }

        return;
    }

    if (mode == CONNECT_EXTRA) {
        say(p, "HTTP/1.1 200 OK\r\n\r\nhello", 24);
        return;
    }

    say(p, "HTTP/1.1 200 Connection established\r\n\r\n", 39);
}


static int
authorized(const connect_pair_t *p)
{
    size_t                i, n, len;
    char                  value[512], *out;
    const char           *at;
    unsigned              v;
    const unsigned char  *in = (const unsigned char *) word;
    static const char     digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    out = value;
    len = strlen(word);

    for (i = 0; i < len; i += 3) {
        n = len - i;
        v = (unsigned) in[i] << 16 | (unsigned) (n > 1 ? in[i + 1] : 0) << 8
            | (unsigned) (n > 2 ? in[i + 2] : 0);

        *out++ = digits[v >> 18 & 63];
        *out++ = digits[v >> 12 & 63];
        *out++ = (n > 1) ? digits[v >> 6 & 63] : '=';
        *out++ = (n > 2) ? digits[v & 63] : '=';
    }

    *out = '\0';

    at = strstr(p->head, "\r\nProxy-Authorization: Basic ");

    return at != NULL && strncmp(at + 29, value, strlen(value)) == 0
           && at[29 + strlen(value)] == '\r';
}


static int
connect_to(int port)
{
    int                 fd, one = 1;
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0);

    if (fd == -1) {
        return -1;
    }

    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    if (connect(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1) {
        (void) close(fd);
        return -1;
    }

    return fd;
}


static void
say(connect_pair_t *p, const char *text, size_t len)
{
    if (write(p->client, text, len) != (ssize_t) len) {
        fprintf(stderr, "mdmconnect: a client is gone\n");
    }
}


static void
pass(connect_pair_t *p, int from, int to)
{
    char     buf[65536];
    ssize_t  n, k, done;

    n = read(from, buf, sizeof(buf));

    if (n <= 0) {
        drop(p);
        return;
    }

    for (done = 0; done < n; done += k) {
        k = write(to, buf + done, (size_t) (n - done));

        if (k <= 0) {
            drop(p);
            return;
        }
    }
}


static void
drop(connect_pair_t *p)
{
    (void) close(p->client);

    if (p->server != -1) {
        (void) close(p->server);
    }

    p->client = p->server = -1;
}
