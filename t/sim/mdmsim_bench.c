
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * bench: what a request costs an nginx worker, one URL compared with
 * another.  Conditions drift, so one process holds connections to all URLs
 * and gives each in turn a short slice of closed-loop load; CPU time comes
 * from the kernel's account of the worker, not from a clock.
 */


#include "mdmsim.h"
#include "mdmsim_bench.h"
#include "mdmsim_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>


#define SIM_WARM_UP   2                      /* slices of each URL */
#define SIM_SETTLE    2                      /* milliseconds */


static void sim_bench_init(sim_bench_t *b, const sim_option_t *opt);
static void sim_bench_free(sim_bench_t *b);
static void sim_bench_what(sim_bench_t *b, uint32_t url);
static int sim_schedstat(uint32_t pid);
static double sim_cpu(int fd);
static uint32_t sim_rotations(const sim_option_t *opt);
static int sim_bench_open(sim_bench_t *b, uint32_t url);
static void sim_bench_slice(sim_bench_t *b, uint32_t url, int measured);
static void sim_bench_turn(sim_bench_t *b);
static void sim_bench_start(sim_bench_t *b, sim_conn_t *c);
static void sim_bench_send(sim_bench_t *b, sim_conn_t *c, int result);
static void sim_bench_unit(sim_bench_t *b, sim_conn_t *c);
static int sim_bench_session(sim_bench_t *b, sim_conn_t *c);
static void sim_bench_ddm(sim_bench_t *b, const sim_url_t *u,
    const sim_device_t *d);
static void sim_bench_command(sim_bench_t *b, sim_conn_t *c);
static void sim_bench_ready(sim_loop_t *loop, sim_conn_t *c);
static void sim_bench_response(sim_loop_t *loop, sim_conn_t *c);
static void sim_bench_failed(sim_loop_t *loop, sim_conn_t *c, sim_error_e e);
static void sim_bench_gone(sim_loop_t *loop, sim_conn_t *c);


int
sim_bench(const sim_option_t *opt)
{
    int           rc;
    double        seconds;
    uint32_t      r, rotations, u;
    uint64_t      begin, now, last;
    sim_bench_t  *b;

    b = sim_alloc(sizeof(sim_bench_t));
    sim_bench_init(b, opt);

    rotations = sim_rotations(opt);
    begin = sim_now();
    last = begin;

    for (r = 0; r < rotations && !sim_stopped() && !b->exhausted; r++) {

        for (u = 0; u < opt->nurls && !sim_stopped() && !b->exhausted; u++) {
            if (!opt->session && sim_bench_open(b, u) != SIM_OK) {
                sim_die("cannot open the connections to \"%s\"",
                        b->urls[u].target.url);
            }

            sim_bench_slice(b, u, r >= SIM_WARM_UP);
        }

        now = sim_now();
        if (!opt->quiet && now - last >= 2 * SIM_SEC) {
            last = now;
            fprintf(stderr, "mdmsim: %.0f s, rotation %u of %u,"
                    " %llu responses, %llu errors\n",
                    (double) (now - begin) / 1e9, (unsigned) r + 1,
                    (unsigned) rotations,
                    (unsigned long long) b->stat.responses,
                    (unsigned long long) sim_stat_errors(&b->stat));
        }

        if (sim_stat_errors(&b->stat) > opt->max_errors) {
            fprintf(stderr, "mdmsim: too many errors, given up\n");
            break;
        }
    }

    seconds = (double) (sim_now() - begin) / 1e9;
    sim_bench_report(b, seconds);

    rc = sim_stat_errors(&b->stat) > opt->max_errors;

    for (u = 0; u < opt->nurls; u++) {
        if (b->urls[u].slices == 0) {
            fprintf(stderr, "mdmsim: nothing was measured of \"%s\"\n",
                    b->urls[u].target.url);
            rc = 1;
        }

        if (!opt->session && !b->urls[u].answers && b->urls[u].commands != 0) {
            fprintf(stderr, "mdmsim: \"%s\" sent commands: empty the queues"
                    " to measure polls\n", b->urls[u].target.url);
            rc = 1;
        }
    }

    sim_bench_free(b);

    return rc;
}


/* how often each URL gets a slice */

static uint32_t
sim_rotations(const sim_option_t *opt)
{
    double  n;

    n = (double) opt->duration / (double) opt->slice / opt->nurls;

    if (n < SIM_WARM_UP + 1) {
        sim_die("\"--duration\" has no room for %d slices of each URL",
                SIM_WARM_UP + 1);
    }

    return (uint32_t) n;
}


static void
sim_bench_init(sim_bench_t *b, const sim_option_t *opt)
{
    int          tls;
    uint32_t     i, n;
    sim_peer_t  *p;

    if (opt->slice == 0 || opt->slice > opt->duration) {
        sim_die("\"--slice\" must be above 0 and below \"--duration\"");
    }

    if (opt->nworkers > 1 && opt->nworkers != opt->nurls) {
        sim_die("\"--worker-pid\" is given once, or once for each URL");
    }

    b->opt = opt;
    b->urls = sim_alloc(opt->nurls * sizeof(sim_url_t));
    tls = 0;

    n = sim_rotations(opt);

    for (i = 0; i < opt->nurls; i++) {
        sim_target_parse(opt, opt->urls[i], &b->urls[i].target);
        tls |= b->urls[i].target.tls;
        sim_bench_what(b, i);
        b->urls[i].next_device = opt->fleet.first;
        b->urls[i].costs = sim_alloc(n * sizeof(double));
        b->urls[i].worker = opt->nworkers == 0 ? -1
                            : sim_schedstat(opt->worker_pids[
                                            opt->nworkers == 1 ? 0 : i]);
    }

    b->redis = opt->redis_pid == 0 ? -1 : sim_schedstat(opt->redis_pid);

    if (tls || opt->sign || opt->header_cert != NULL) {
        b->ca = sim_ca_load(opt);
        sim_cert_prepare(b->ca, &opt->fleet, opt->quiet);
    }

    n = opt->session ? opt->connections : opt->connections * opt->nurls;

    sim_loop_init(&b->loop, opt, n);
    b->loop.ca = tls ? b->ca : NULL;
    b->loop.stat = &b->stat;
    b->loop.ready = sim_bench_ready;
    b->loop.response = sim_bench_response;
    b->loop.failed = sim_bench_failed;
    b->loop.gone = sim_bench_gone;
    b->loop.data = b;

    b->peers = sim_alloc(n * sizeof(sim_peer_t));

    for (i = 0; i < n; i++) {
        p = &b->peers[i];
        p->url = i / opt->connections;
        p->device = opt->fleet.first
                    + i % opt->connections % opt->fleet.count;
        b->loop.conns[i].data = p;
    }
}


/*
 * "result", "tokens", "declaration-items", "declaration/...", "status:FILE"
 */

static void
sim_bench_what(sim_bench_t *b, uint32_t url)
{
    sim_url_t   *u;
    const char  *send;

    u = &b->urls[url];
    send = b->opt->sends[url];

    if (send == NULL || strcmp(send, "idle") == 0) {
        return;
    }

    if (b->opt->session) {
        sim_die("\"--send\" is not for sessions");
    }

    if (strcmp(send, "result") == 0) {
        u->answers = 1;
        return;
    }

    u->endpoint = send;

    if (strncmp(send, "status:", 7) == 0) {
        u->endpoint = "status";
        sim_read_file(send + 7, &u->data);
    }
}


static void
sim_bench_free(sim_bench_t *b)
{
    uint32_t  i;

    for (i = 0; i < b->loop.nconns; i++) {
        sim_buf_free(&b->peers[i].request);
        sim_command_free(&b->peers[i].command);
    }

    for (i = 0; i < b->opt->nurls; i++) {
        free(b->urls[i].costs);
        sim_buf_free(&b->urls[i].data);
        if (b->urls[i].worker != -1) {
            close(b->urls[i].worker);
        }
    }

    if (b->redis != -1) {
        close(b->redis);
    }

    sim_loop_free(&b->loop);
    sim_ca_free(b->ca);
    sim_plist_free(&b->plist);
    sim_command_free(&b->command);
    sim_buf_free(&b->body);
    sim_buf_free(&b->sample);
    free(b->peers);
    free(b->urls);
    free(b);
}


static int
sim_schedstat(uint32_t pid)
{
    int   fd;
    char  name[64];

    snprintf(name, sizeof(name), "/proc/%u/schedstat", (unsigned) pid);

    fd = open(name, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        sim_die("cannot open \"%s\": %s", name, strerror(errno));
    }

    (void) sim_cpu(fd);

    return fd;
}


/* nanoseconds on a CPU so far, of the main thread */

static double
sim_cpu(int fd)
{
    char     text[128], *end;
    double   ns;
    ssize_t  n;

    if (fd == -1) {
        return 0;
    }

    n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0) {
        sim_die("cannot read schedstat, has the process ended?");
    }

    text[n] = '\0';
    ns = strtod(text, &end);
    if (end == text || *end != ' ') {
        sim_die("cannot understand schedstat");
    }

    return ns;
}


/* all connections of a URL that are not open */

static int
sim_bench_open(sim_bench_t *b, uint32_t url)
{
    uint32_t     i, waiting;
    uint64_t     errors;
    sim_conn_t  *c;
    sim_peer_t  *p;

    errors = sim_stat_errors(&b->stat);

    for ( ;; ) {
        waiting = 0;

        for (i = 0; i < b->opt->connections; i++) {
            c = &b->loop.conns[url * b->opt->connections + i];
            p = c->data;

            if (c->state == SIM_CLOSED) {
                if (b->loop.connecting < 128) {
                    sim_conn_open(&b->loop, c, &b->urls[url].target,
                                  p->device);
                }
            }

            waiting += c->state != SIM_OPEN;
        }

        if (waiting == 0) {
            return SIM_OK;
        }

        if (sim_stopped() || sim_stat_errors(&b->stat) != errors) {
            return sim_stopped() ? SIM_OK : SIM_ERROR;
        }

        sim_loop_turn(&b->loop, SIM_SEC / 10);
    }
}


static void
sim_bench_turn(sim_bench_t *b)
{
    uint64_t  now, wait;

    now = sim_now();
    wait = SIM_SEC / 10;

    if (now < b->end && b->end - now < wait) {
        wait = b->end - now;
    }

    sim_loop_turn(&b->loop, wait);
}


static void
sim_bench_slice(sim_bench_t *b, uint32_t url, int measured)
{
    double            worker, redis, client;
    uint32_t          i;
    uint64_t          start;
    sim_url_t        *u;
    struct timespec   settle;

    u = &b->urls[url];
    settle.tv_sec = 0;
    settle.tv_nsec = SIM_SETTLE * (long) SIM_MSEC;

    b->url = url;
    b->measured = measured;
    b->units = 0;
    b->requests = 0;
    u->empty = 0;

    worker = sim_cpu(u->worker);
    redis = sim_cpu(b->redis);
    client = sim_cpu_self();

    start = sim_now();
    b->loop.now = start;
    b->end = start + b->opt->slice;
    b->last = start;
    b->running = 1;

    for (i = 0; i < b->opt->connections; i++) {
        sim_bench_start(b, b->opt->session
                           ? &b->loop.conns[i]
                           : &b->loop.conns[url * b->opt->connections + i]);
    }

    while (b->busy != 0) {
        sim_bench_turn(b);

        if (sim_stopped()) {
            b->running = 0;
            return;
        }
    }

    b->running = 0;
    client = sim_cpu_self() - client;

    /* what the worker does after the last answer counts as well */

    (void) nanosleep(&settle, NULL);

    if (u->empty != 0) {
        fprintf(stderr, "mdmsim: %llu %s of \"%s\" got no command:"
                " this slice does not count, and the work ends\n",
                (unsigned long long) u->empty,
                b->opt->session ? "sessions" : "results", u->target.url);
        b->exhausted = 1;
        return;
    }

    if (!measured || b->units == 0) {
        return;
    }

    worker = sim_cpu(u->worker) - worker;
    redis = sim_cpu(b->redis) - redis;

    u->worker_cpu += worker;
    u->redis_cpu += redis;
    u->client_cpu += client;
    u->wall += (double) (b->last - start);
    u->units += b->units;
    u->requests += b->requests;
    u->costs[u->ncosts++] = worker / (double) b->units;
    u->slices++;
}


/* the first request of a unit: a poll, or a session */

static void
sim_bench_start(sim_bench_t *b, sim_conn_t *c)
{
    sim_url_t          *u;
    sim_peer_t         *p;
    const sim_fleet_t  *f;

    p = c->data;
    u = &b->urls[b->url];
    f = &b->opt->fleet;

    b->busy++;

    if (!b->opt->session) {
        sim_bench_send(b, c, 0);
        return;
    }

    p->puts = 0;
    p->url = b->url;
    p->device = u->next_device++;

    if (u->next_device - f->first == f->count) {
        u->next_device = f->first;
    }

    p->request.len = 0;
    sim_conn_open(&b->loop, c, &b->urls[p->url].target, p->device);
}


/* Idle stays the same for a connection and is built only once */

static void
sim_bench_send(sim_bench_t *b, sim_conn_t *c, int result)
{
    sim_url_t           *u;
    sim_peer_t          *p;
    sim_device_t         d;
    sim_command_t       *command;
    const sim_option_t  *opt;

    p = c->data;
    opt = b->opt;

    p->puts++;

    u = &b->urls[p->url];
    command = &b->command;

    if (u->answers) {
        command = &p->command;
        result = command->uuid.len != 0;
    }

    if (opt->session || p->request.len == 0 || u->data.len != 0 || u->answers)
    {
        sim_device(&opt->fleet, p->device, &d);

        if (result) {
            sim_plist_begin(&b->plist, &b->sample, opt->binary);
            sim_message_result(&b->plist, opt, &d, 0, SIM_ACKNOWLEDGED,
                               command);
            sim_plist_finish(&b->plist);

        } else if (u->endpoint != NULL) {
            sim_bench_ddm(b, u, &d);

        } else {
            sim_plist_begin(&b->plist, &b->body, opt->binary);
            sim_message_idle(&b->plist, &opt->fleet, &d, 0);
            sim_plist_finish(&b->plist);
        }

        sim_http_request(opt, &b->urls[p->url].target, b->ca, p->device,
                         u->endpoint != NULL,
                         result ? &b->sample : &b->body, 0, &p->request);
    }

    sim_conn_send(&b->loop, c, p->request.data, p->request.len);
}


/* "@n@" in a report stands for a number that is new each time */

static void
sim_bench_ddm(sim_bench_t *b, const sim_url_t *u, const sim_device_t *d)
{
    char        *p, *at;
    sim_buf_t    text;

    memset(&text, 0, sizeof(sim_buf_t));

    if (u->data.len != 0) {
        b->reports++;

        for (p = u->data.data; (at = strstr(p, "@n@")) != NULL; p = at + 3) {
            sim_buf_add(&text, p, (size_t) (at - p));
            sim_buf_printf(&text, "%llu", (unsigned long long) b->reports);
        }

        sim_buf_str(&text, p);
    }

    sim_plist_begin(&b->plist, &b->body, b->opt->binary);
    sim_message_ddm(&b->plist, &b->opt->fleet, d, 0, u->endpoint,
                    text.len == 0 ? NULL : &text);
    sim_plist_finish(&b->plist);
    sim_buf_free(&text);
}


static void
sim_bench_ready(sim_loop_t *loop, sim_conn_t *c)
{
    sim_bench_t  *b;

    b = loop->data;

    if (b->opt->session) {
        sim_bench_send(b, c, 0);
    }
}


static void
sim_bench_response(sim_loop_t *loop, sim_conn_t *c)
{
    sim_url_t    *u;
    sim_peer_t   *p;
    sim_bench_t  *b;

    b = loop->data;
    p = c->data;
    u = &b->urls[p->url];

    b->last = sim_now();
    b->requests++;

    if (b->measured) {
        sim_hist_add(&u->latency, (b->last - c->sent) / 1000);
    }

    if (c->http.status < 200 || c->http.status > 299) {
        sim_conn_close(loop, c);
        sim_bench_failed(loop, c, SIM_E_MAX);
        return;
    }

    if (c->http.body_len != 0 && b->measured && u->endpoint == NULL) {
        u->commands++;
    }

    if (b->opt->session && sim_bench_session(b, c) == SIM_AGAIN) {
        return;
    }

    if (u->answers) {
        sim_bench_command(b, c);
    }

    sim_bench_unit(b, c);
}


/* what came with the answer is what is answered next */

static void
sim_bench_command(sim_bench_t *b, sim_conn_t *c)
{
    sim_peer_t  *p;

    p = c->data;

    if (c->http.body_len == 0) {
        b->urls[p->url].empty++;
        p->command.uuid.len = 0;
        return;
    }

    if (sim_command_scan(c->in.data + c->http.body, c->http.body_len,
                         &p->command)
        != SIM_OK)
    {
        b->stat.errors[SIM_E_PROTOCOL]++;
    }
}


/* SIM_AGAIN: the session goes on; the first URL is the baseline */

static int
sim_bench_session(sim_bench_t *b, sim_conn_t *c)
{
    sim_url_t                 *u;
    sim_peer_t                *p;
    static const char          uuid[] =
                                     "00000000-0000-4000-8000-000000000000";

    p = c->data;
    u = &b->urls[p->url];

    if (c->http.close) {
        b->stat.errors[SIM_E_CLOSED]++;
        return SIM_OK;
    }

    if (p->url == 0) {
        if (p->puts >= b->opt->baseline_puts) {
            return SIM_OK;
        }

        /* Idle and Acknowledged take turns, of the sizes of the others */

        if (p->puts % 2 == 0) {
            sim_bench_send(b, c, 0);
            return SIM_AGAIN;
        }

        if (b->command.uuid.len == 0) {
            sim_buf_add(&b->command.uuid, uuid, sizeof(uuid) - 1);
            sim_buf_str(&b->command.type, "ProfileList");
        }

        sim_bench_send(b, c, 1);
        return SIM_AGAIN;
    }

    if (p->puts > 1) {
        if (c->http.body_len != 0 && b->measured) {
            u->more++;
        }

        return SIM_OK;
    }

    if (c->http.body_len == 0) {
        u->empty++;
        return SIM_OK;
    }

    if (sim_command_scan(c->in.data + c->http.body, c->http.body_len,
                         &b->command)
        != SIM_OK)
    {
        b->stat.errors[SIM_E_PROTOCOL]++;
        return SIM_OK;
    }

    sim_bench_send(b, c, 1);

    return SIM_AGAIN;
}


/* a unit is done; another one unless the slice is over */

static void
sim_bench_unit(sim_bench_t *b, sim_conn_t *c)
{
    b->units++;
    b->busy--;

    if (b->opt->session) {
        sim_conn_close(&b->loop, c);

    } else if (c->http.close) {
        /* opened again before the next slice */
        sim_conn_close(&b->loop, c);
        return;
    }

    if (b->last < b->end && !sim_stopped()) {
        sim_bench_start(b, c);
    }
}


static void
sim_bench_failed(sim_loop_t *loop, sim_conn_t *c, sim_error_e e)
{
    sim_peer_t   *p;
    sim_bench_t  *b;

    b = loop->data;
    p = c->data;

    if (e < SIM_E_MAX) {
        b->stat.errors[e]++;
        fprintf(stderr, "mdmsim: %s error of \"%s\"\n", sim_error_name(e),
                b->urls[p->url].target.url);

    } else {
        fprintf(stderr, "mdmsim: HTTP status %d of \"%s\"\n", c->http.status,
                b->urls[p->url].target.url);
    }

    if (b->running) {
        b->busy--;
    }
}


/* opened again before the next slice */

static void
sim_bench_gone(sim_loop_t *loop, sim_conn_t *c)
{
    (void) loop;
    (void) c;
}
