
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Torture: connections, phases and the report.
 */


#include "mdmsim.h"
#include "mdmsim_signal.h"
#include "mdmsim_torture.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>


#define SIM_MAX_NOTES     20
#define SIM_TURN          (5 * SIM_MSEC)
#define SIM_LOOK          (20 * SIM_MSEC)
#define SIM_STUCK         (40 * SIM_SEC)
#define SIM_PHASE_LIMIT   (180 * SIM_SEC)
#define SIM_MAX_WRONG     500              /* nothing fits any more */
#define SIM_STEP          (5 * SIM_SEC)      /* between lines of progress */


static void sim_torture_init(sim_torture_t *t);
static void sim_torture_start(sim_torture_t *t, sim_conn_t *c);
static void sim_torture_turn(sim_torture_t *t);
static void sim_torture_phase(sim_torture_t *t);
static void sim_torture_next_phase(sim_torture_t *t);
static int sim_torture_pending(const sim_torture_t *t);
static void sim_torture_progress(sim_torture_t *t);
static void sim_torture_ready(sim_loop_t *loop, sim_conn_t *c);
static void sim_torture_response(sim_loop_t *loop, sim_conn_t *c);
static void sim_torture_failed(sim_loop_t *loop, sim_conn_t *c,
    sim_error_e e);
static void sim_torture_gone(sim_loop_t *loop, sim_conn_t *c);
static int sim_torture_report(sim_torture_t *t);


static const char  *sim_phases[] = {
    "load", "drain", "empty", "read", "end"
};


int
sim_torture(const sim_option_t *opt)
{
    int             rc;
    uint32_t        i;
    uint64_t        next;
    sim_torture_t   t;

    memset(&t, 0, sizeof(sim_torture_t));
    t.opt = opt;
    sim_torture_init(&t);

    next = t.begin + SIM_STEP;

    while (t.phase != SIM_END_PHASE) {
        sim_loop_turn(&t.loop, SIM_TURN);
        sim_torture_turn(&t);
        sim_torture_phase(&t);

        if (t.loop.now >= next) {
            sim_torture_progress(&t);
            next = t.loop.now + SIM_STEP;
        }
    }

    sim_ledger_lost(&t);
    sim_ledger_write(&t);
    rc = sim_torture_report(&t);

    sim_asleep_free(&t);
    sim_loop_free(&t.loop);

    for (i = 0; i < t.loop.nconns; i++) {
        sim_buf_free(&t.actors[i].request);
    }

    free(t.actors);
    sim_ledger_free(&t);
    sim_command_free(&t.command);
    sim_plist_free(&t.plist);
    sim_buf_free(&t.body);
    sim_ca_free(t.ca);

    return rc;
}


static void
sim_torture_init(sim_torture_t *t)
{
    uint32_t             i, n, devices, api, impostors, churn;
    sim_conn_t          *c;
    sim_actor_t         *a;
    const sim_option_t  *opt;

    opt = t->opt;

    sim_target_parse(opt, opt->urls[0], &t->device);
    sim_target_parse(opt, opt->api_url, &t->api);

    t->workers = opt->fleet.count - opt->churn;
    t->random = sim_mix(opt->fleet.seed ^ 14000);

    devices = opt->connections;
    api = opt->api_connections;
    impostors = opt->churn != 0 ? 2 : 0;
    churn = opt->churn != 0 ? 2 : 0;
    n = devices + api + impostors + churn;

    t->ca = sim_ca_load(opt);
    sim_cert_prepare(t->ca, &opt->fleet, opt->quiet);
    sim_ledger_init(t);

    t->loop.ca = t->ca;
    t->loop.stat = &t->stat;
    t->loop.data = t;
    t->loop.ready = sim_torture_ready;
    t->loop.response = sim_torture_response;
    t->loop.failed = sim_torture_failed;
    t->loop.gone = sim_torture_gone;

    sim_loop_init(&t->loop, opt, n);
    sim_asleep_init(t);

    t->actors = sim_alloc(n * sizeof(sim_actor_t));
    t->begin = t->loop.now;
    t->phase_begin = t->begin;

    for (i = 0; i < n; i++) {
        c = &t->loop.conns[i];
        a = &t->actors[i];
        c->data = a;

        a->role = i < devices ? SIM_ROLE_DEVICE
                  : i < devices + api ? SIM_ROLE_API
                  : i < devices + api + impostors ? SIM_ROLE_IMPOSTOR
                  : SIM_ROLE_CHURN;
        a->channel = SIM_NONE;
        a->group = SIM_NONE;

        sim_torture_wait(t, c, (uint64_t) (i % 50) * 4 * SIM_MSEC);
    }
}


/* from 0 to n - 1 */

uint64_t
sim_torture_random(sim_torture_t *t, uint64_t n)
{
    t->random = sim_mix(t->random);

    return (t->random >> 16) % n;
}


void
sim_torture_note(sim_torture_t *t, const char *fmt, ...)
{
    va_list  args;

    if (t->notes == SIM_MAX_NOTES) {
        return;
    }

    fprintf(stderr, "mdmsim: %.3f s: ",
            (double) (t->loop.now - t->begin) / 1e9);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);

    if (++t->notes == SIM_MAX_NOTES) {
        fprintf(stderr, "mdmsim: further notes are left out\n");
    }
}


void
sim_torture_send(sim_torture_t *t, sim_conn_t *c, uint32_t device,
    sim_target_t *target)
{
    sim_actor_t  *a;

    a = c->data;
    a->waiting = 0;

    if (c->state == SIM_OPEN
        && (c->target != target || c->http.close
            || (target->tls && c->tls_device != device)))
    {
        sim_conn_close(&t->loop, c);
    }

    if (c->state == SIM_OPEN) {
        sim_conn_send(&t->loop, c, a->request.data, a->request.len);
        return;
    }

    sim_conn_open(&t->loop, c, target, device);
}


void
sim_torture_wait(sim_torture_t *t, sim_conn_t *c, uint64_t time)
{
    sim_actor_t  *a;

    a = c->data;
    a->waiting = 1;
    a->wake = t->loop.now + time;
}


static void
sim_torture_start(sim_torture_t *t, sim_conn_t *c)
{
    sim_actor_t  *a;

    a = c->data;

    switch (a->role) {

    case SIM_ROLE_DEVICE:
        sim_device_start(t, c);
        break;

    case SIM_ROLE_API:
        sim_api_start(t, c);
        break;

    case SIM_ROLE_IMPOSTOR:
        sim_impostor_start(t, c);
        break;

    case SIM_ROLE_CHURN:
        sim_churn_start(t, c);
        break;
    }
}


static void
sim_torture_turn(sim_torture_t *t)
{
    uint32_t     i;
    sim_actor_t *a;

    for (i = 0; i < t->loop.nconns; i++) {
        a = &t->actors[i];

        if (a->waiting && a->wake <= t->loop.now) {
            sim_torture_start(t, &t->loop.conns[i]);
        }
    }
}


static void
sim_torture_ready(sim_loop_t *loop, sim_conn_t *c)
{
    sim_actor_t  *a;

    a = c->data;
    sim_conn_send(loop, c, a->request.data, a->request.len);
}


static void
sim_torture_response(sim_loop_t *loop, sim_conn_t *c)
{
    sim_actor_t    *a;
    sim_torture_t  *t;

    a = c->data;
    t = loop->data;

    if (c->http.status == 503) {
        t->count.unknown++;
    }

    switch (a->role) {

    case SIM_ROLE_DEVICE:
        sim_device_response(t, c);
        break;

    case SIM_ROLE_API:
        sim_api_response(t, c);
        break;

    case SIM_ROLE_IMPOSTOR:
        sim_impostor_response(t, c);
        break;

    case SIM_ROLE_CHURN:
        sim_churn_response(t, c);
        break;
    }
}


static void
sim_torture_failed(sim_loop_t *loop, sim_conn_t *c, sim_error_e e)
{
    sim_actor_t    *a;
    sim_torture_t  *t;

    a = c->data;
    t = loop->data;

    t->count.unknown++;
    t->stat.errors[e]++;

    switch (a->role) {

    case SIM_ROLE_DEVICE:
        sim_device_failed(t, c);
        break;

    case SIM_ROLE_API:
        sim_api_failed(t, c);
        break;

    case SIM_ROLE_IMPOSTOR:
        sim_torture_wait(t, c, SIM_SEC / 5);
        break;

    case SIM_ROLE_CHURN:
        sim_churn_failed(t, c);
        break;
    }
}


static void
sim_torture_gone(sim_loop_t *loop, sim_conn_t *c)
{
    /* the next request opens another one */

    (void) loop;
    (void) c;
}


static int
sim_torture_pending(const sim_torture_t *t)
{
    uint32_t  i;

    for (i = 0; i < t->ngroups; i++) {
        if (t->groups[i].pending || t->groups[i].busy) {
            return 1;
        }
    }

    return 0;
}


static void
sim_torture_next_phase(sim_torture_t *t)
{
    sim_torture_progress(t);

    t->phase++;
    t->phase_begin = t->loop.now;

    if (t->phase == SIM_READ_PHASE) {
        sim_ledger_check_last(t);
    }
}


static void
sim_torture_phase(sim_torture_t *t)
{
    int       done;
    uint64_t  now;

    static uint64_t  look, moved, results;

    now = t->loop.now;

    if (now < look) {
        return;
    }

    look = now + SIM_LOOK;

    /* time counts from the last result on */

    if (t->count.results + t->count.reads != results
        || moved < t->phase_begin)
    {
        results = t->count.results + t->count.reads;
        moved = now;
    }

    switch (t->phase) {

    case SIM_LOAD_PHASE:
        done = sim_stopped()
               || (t->opt->duration != 0
                   && now - t->begin >= t->opt->duration)
               || (t->opt->commands != 0
                   && t->count.commands >= t->opt->commands
                   && !sim_torture_pending(t));
        break;

    case SIM_DRAIN_PHASE:

        if (!sim_torture_pending(t)) {
            sim_asleep_judge(t);
        }

        done = (!sim_torture_pending(t) && sim_ledger_open(t) == 0)
               || now - moved > SIM_STUCK
               || now - t->phase_begin > SIM_PHASE_LIMIT;
        break;

    case SIM_EMPTY_PHASE:
        done = sim_ledger_open(t) == 0
               || now - t->phase_begin > SIM_PHASE_LIMIT;
        break;

    default:
        done = t->nchecks + t->reading == 0 || now - moved > SIM_STUCK;

        if (done) {
            t->count.unanswered += t->nchecks + t->reading;
        }

        break;
    }

    if (done || t->count.wrong > SIM_MAX_WRONG) {
        if (t->phase == SIM_EMPTY_PHASE && sim_ledger_open(t) != 0) {
            sim_torture_note(t, "%u channels do not answer",
                             (unsigned) sim_ledger_open(t));
            t->count.unanswered++;
        }

        sim_torture_next_phase(t);
    }
}


static void
sim_torture_progress(sim_torture_t *t)
{
    if (t->opt->quiet) {
        return;
    }

    fprintf(stderr, "mdmsim: %.0f s, %s: %llu commands, %llu results,"
            " %llu calls, %llu unknown, %llu spoofs refused; lost %llu,"
            " reordered %llu, doubled %llu, spoofed %llu, wrong %llu\n",
            (double) (t->loop.now - t->begin) / 1e9, sim_phases[t->phase],
            (unsigned long long) t->count.commands,
            (unsigned long long) t->count.results,
            (unsigned long long) t->count.calls,
            (unsigned long long) t->count.unknown,
            (unsigned long long) t->count.refused,
            (unsigned long long) t->count.lost_results,
            (unsigned long long) t->count.reordered,
            (unsigned long long) t->count.doubled,
            (unsigned long long) t->count.spoofed,
            (unsigned long long) t->count.wrong);
}


static int
sim_torture_report(sim_torture_t *t)
{
    size_t              i;
    char                name[64];
    const sim_count_t  *n;

    n = &t->count;

    const struct {
        const char  *name;
        uint64_t     value;
    } figures[] = {
        { "lost", n->lost + n->lost_results },
        { "reordered", n->reordered },
        { "doubled", n->doubled },
        { "spoofed", n->spoofed },
        { "unanswered", n->unanswered },
        { "wrong", n->wrong + t->wake.wrong },
        { "unpushed", n->unpushed },
        { "pushes", t->wake.pushes },
        { "commands", n->commands },
        { "results", n->results },
        { "api_calls", n->calls },
        { "deliveries", n->deliveries },
        { "notnow", n->notnow },
        { "repeated", n->repeated },
        { "unknown", n->unknown },
        { "read", n->reads },
        { "missed", n->missed },
        { "impostors", n->impostors },
        { "impostors_refused", n->refused },
        { "renewals", n->renewals },
        { "channels", t->nchannels },
        { "groups", t->ngroups },
        { "requests", t->stat.requests },
        { "handshakes", t->stat.handshakes }
    };

    sim_out_begin(t->opt->json);
    sim_out("elapsed", (double) (t->loop.now - t->begin) / 1e9, 3, "s");

    for (i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        sim_out(figures[i].name, (double) figures[i].value, 0, "count");
    }

    for (i = 0; i < 1000; i++) {
        if (t->stat.status[i] != 0) {
            snprintf(name, sizeof(name), "status_%zu", i);
            sim_out(name, (double) t->stat.status[i], 0, "count");
        }
    }

    for (i = 0; i < SIM_E_MAX; i++) {
        snprintf(name, sizeof(name), "errors_%s",
                 sim_error_name((sim_error_e) i));
        sim_out(name, (double) t->stat.errors[i], 0, "count");
    }

    sim_out("client_cpu", sim_cpu_self() / 1e9, 1, "s");
    sim_out_end();

    return n->lost + n->lost_results + n->reordered + n->doubled + n->spoofed
           + n->unanswered + n->wrong + n->unpushed + t->wake.wrong == 0
           ? 0 : 1;
}
