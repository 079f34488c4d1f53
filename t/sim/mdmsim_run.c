
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * enroll, poll, session, run and checkout: when visits are made.
 *
 * Closed loop: every connection makes one visit after the other.  Open loop
 * (--rate, --interval): visits fall due by the clock whether or not earlier
 * ones are done, and latency counts from then on.  With --wake it counts from
 * the push that a device comes for.
 *
 * Bound: visits go to the devices in order, each its turn.  Otherwise a
 * connection stays with a device until it is reopened.
 */


#include "mdmsim.h"
#include "mdmsim_run.h"
#include "mdmsim_scep.h"
#include "mdmsim_signal.h"

#include <errno.h>
#include <stdlib.h>


#define SIM_RAMP         128                  /* connecting at a time */
#define SIM_PROGRESS     (2 * SIM_SEC)
#define SIM_PASS         (120 * SIM_SEC)      /* at most */
#define SIM_PASSES       20


static int sim_run_issue(sim_run_t *run, const sim_option_t *opt);
static int sim_run_report(const sim_run_t *run, const sim_option_t *opt,
    uint64_t elapsed);
static void sim_run_init(sim_run_t *run, const sim_option_t *opt);
static void sim_run_free(sim_run_t *run);
static void sim_run_loop(sim_run_t *run);
static void sim_run_settle(sim_run_t *run);
static void sim_run_pass(sim_run_t *run);
static void sim_run_ramp(sim_run_t *run);
static uint64_t sim_run_due(const sim_run_t *run, uint64_t n);
static void sim_run_arrivals(sim_run_t *run);
static int sim_run_arrival(sim_run_t *run, uint64_t scheduled);
static void sim_run_start(sim_run_t *run, sim_conn_t *c, uint32_t device,
    uint32_t channel, uint64_t scheduled);
static void sim_run_woken(sim_run_t *run);
static void sim_run_pushes(sim_loop_t *loop);
static void sim_run_wake(sim_run_t *run);
static uint64_t sim_run_wait(const sim_run_t *run);
static void sim_run_progress(sim_run_t *run, uint64_t *last, uint64_t *seen);


int
sim_run(const sim_option_t *opt)
{
    int        rc;
    uint64_t   elapsed;
    sim_run_t *run;

    run = sim_alloc(sizeof(sim_run_t));

    if (opt->scep.url != NULL && sim_run_issue(run, opt) != SIM_OK) {
        rc = sim_run_report(run, opt,
                            run->stat.scep.keys + run->stat.scep.elapsed);
        free(run);
        return rc;
    }

    sim_run_init(run, opt);

    run->begin = sim_now();
    if (opt->duration != 0) {
        run->end = run->begin + opt->duration;
    }

    sim_run_loop(run);

    if (opt->check && !sim_stopped()) {
        sim_run_settle(run);
        sim_ddm_check(run);
    }

    elapsed = sim_now() - run->begin;

    run->stat.pushes = run->wake.pushes;
    run->stat.wrong_pushes = run->wake.wrong;
    run->stat.errors[SIM_E_PROTOCOL] += run->wake.wrong;

    if (run->ledger != NULL && fclose(run->ledger) != 0) {
        sim_die("cannot write the ledger: %s", strerror(errno));
    }

    rc = sim_run_report(run, opt, elapsed);

    if (rc == 0 && opt->check
        && (run->stat.ddm.checked == 0 || run->stat.ddm.inconsistent != 0
            || run->stat.ddm.missing != 0 || run->stat.ddm.mismatched != 0
            || run->stat.ddm.backwards != 0))
    {
        fprintf(stderr, "mdmsim: devices do not have what the server says\n");
        rc = 1;
    }

    sim_run_free(run);

    return rc;
}


/* certificates first; SIM_OK: all have one, and there is more to do */

static int
sim_run_issue(sim_run_t *run, const sim_option_t *opt)
{
    sim_scep(opt, &run->stat.scep);

    return opt->nurls == 0 || run->stat.scep.failed != 0 || sim_stopped()
           ? SIM_ERROR : SIM_OK;
}


static int
sim_run_report(const sim_run_t *run, const sim_option_t *opt,
    uint64_t elapsed)
{
    uint64_t  errors;

    sim_stat_report(&run->stat, opt, elapsed, sim_stopped());

    errors = sim_stat_errors(&run->stat);

    if (errors > opt->max_errors) {
        fprintf(stderr, "mdmsim: %llu errors, %llu allowed\n",
                (unsigned long long) errors,
                (unsigned long long) opt->max_errors);
        return 1;
    }

    return 0;
}


static void
sim_run_init(sim_run_t *run, const sim_option_t *opt)
{
    uint32_t     i;
    sim_loop_t  *loop;

    run->opt = opt;
    run->random = sim_mix(opt->fleet.seed);

    sim_target_parse(opt, opt->urls[0], &run->connect);
    sim_target_parse(opt, opt->checkin_url != NULL ? opt->checkin_url
                                                   : opt->urls[0],
                     &run->checkin);

    run->identity = run->connect.tls || run->checkin.tls;

    if (run->identity || opt->header_cert != NULL || opt->sign) {
        run->ca = sim_ca_load(opt);
        sim_cert_prepare(run->ca, &opt->fleet, opt->quiet);
    }

    run->open = opt->rate > 0 || opt->interval != 0 || opt->wake != NULL;
    run->bound = (opt->cmd & (SIM_ISSUE|SIM_CMD_CHECKOUT)) != 0
                 || opt->interval != 0
                 || (opt->requests == 0 && opt->duration == 0);

    run->next_device = opt->fleet.first;

    run->units = sim_run_units(run);
    if (run->units == 0) {
        sim_die("no device has the channel that --channels asks for");
    }

    if (opt->interval != 0) {
        run->rate = (double) run->units / ((double) opt->interval / 1e9);
        run->units = UINT64_MAX;

    } else {
        run->rate = opt->rate;
    }

    if (run->identity && (opt->interval != 0 || opt->wake != NULL)) {
        run->owner = sim_alloc(opt->fleet.count * sizeof(uint32_t));
    }

    run->state = sim_alloc(opt->fleet.count);

    if (opt->ddm) {
        run->ddm = sim_alloc((size_t) opt->fleet.count
                             * (opt->fleet.users + 1) * sizeof(sim_ddm_t *));
    }

    if (opt->ledger != NULL) {
        run->ledger = fopen(opt->ledger, "ae");
        if (run->ledger == NULL) {
            sim_die("cannot open \"%s\": %s", opt->ledger, strerror(errno));
        }
    }

    sim_link_init(&run->idle);
    sim_link_init(&run->paused);

    loop = &run->loop;
    sim_loop_init(loop, opt, opt->connections);
    loop->ca = run->identity ? run->ca : NULL;
    loop->stat = &run->stat;
    loop->ready = sim_run_ready;
    loop->response = sim_run_response;
    loop->failed = sim_run_failed;
    loop->gone = sim_run_gone;
    loop->watched = sim_run_pushes;
    loop->data = run;

    if (opt->wake != NULL) {
        sim_wake_init(&run->wake, opt, loop);

        for (i = 0; opt->enroll && i < opt->fleet.count; i++) {
            sim_wake_put(&run->wake, opt->fleet.first + i, 0, loop->now);
        }
    }

    run->visits = sim_alloc(loop->nconns * sizeof(sim_visit_t));

    for (i = 0; i < loop->nconns; i++) {
        loop->conns[i].data = &run->visits[i];

        if (run->open) {
            sim_link_add(&run->idle, &loop->conns[i].free);
        }
    }
}


static void
sim_run_free(sim_run_t *run)
{
    uint32_t      i;
    sim_visit_t  *v;

    for (i = 0; i < run->loop.nconns; i++) {
        v = &run->visits[i];
        sim_command_free(&v->command);
        sim_buf_free(&v->body);
        sim_buf_free(&v->request);
    }

    sim_wake_free(&run->wake);
    sim_loop_free(&run->loop);
    sim_ca_free(run->ca);
    sim_plist_free(&run->plist);
    sim_table_free(&run->pending);
    sim_table_free(&run->refused);
    if (run->ddm != NULL) {
        sim_ddm_free(run);
    }

    free(run->visits);
    free(run->state);
    free(run->owner);
    free(run);
}


static void
sim_run_loop(sim_run_t *run)
{
    uint64_t  last, seen, hard, wait;

    last = run->begin;
    seen = 0;
    hard = 0;

    for ( ;; ) {
        sim_run_check(run);

        if (sim_stopped()) {
            break;
        }

        if (run->stopping) {
            if (run->active == 0) {
                break;
            }

            /* exchanges under way may end, but not go on for ever */

            if (hard == 0) {
                hard = run->loop.now + run->opt->timeout + SIM_SEC;
            }

            if (run->loop.now >= hard) {
                break;
            }

        } else if (!run->open) {
            sim_run_ramp(run);

            if (run->started == run->loop.nconns && run->active == 0) {
                break;
            }

        } else if (run->opt->wake != NULL) {
            sim_run_woken(run);

        } else {
            sim_run_arrivals(run);

            if (run->exhausted && run->active == 0) {
                break;
            }
        }

        wait = sim_run_wait(run);
        sim_loop_turn(&run->loop, wait);
        sim_run_wake(run);

        if (run->loop.now - last >= SIM_PROGRESS) {
            sim_run_progress(run, &last, &seen);
        }
    }
}


/*
 * Passes, until no channel gets a command any more, and none was hindered: what
 * was queued before has arrived then, and each sync that broke off is done.
 */

static void
sim_run_settle(sim_run_t *run)
{
    uint32_t  i;
    uint64_t  before;

    run->settling = 1;

    for (i = 0; i < SIM_PASSES && !sim_stopped(); i++) {
        before = run->stat.commands + run->stat.failed + run->stat.aborted;
        sim_run_pass(run);

        if (run->stat.commands + run->stat.failed + run->stat.aborted
            == before)
        {
            return;
        }
    }
}


/* each channel makes one visit more */

static void
sim_run_pass(sim_run_t *run)
{
    uint32_t     i;
    sim_conn_t  *c;

    for (i = 0; i < run->loop.nconns; i++) {
        c = &run->loop.conns[i];
        sim_link_del(&c->free);
        sim_conn_close(&run->loop, c);
        run->visits[i].again = 0;
        run->visits[i].scheduled = 0;
    }

    for (i = 0; i < run->opt->fleet.count; i++) {
        run->state[i] &= (uint8_t) ~SIM_BUSY;
    }

    run->open = 0;
    run->bound = 1;
    run->stopping = 0;
    run->exhausted = 0;
    run->units = sim_run_units(run);
    run->next_device = run->opt->fleet.first;
    run->next_channel = 0;
    run->started = 0;
    run->active = 0;
    run->unsent = 0;
    run->end = sim_now() + SIM_PASS;

    sim_run_loop(run);
}


void
sim_run_check(sim_run_t *run)
{
    const sim_option_t  *opt;

    opt = run->opt;

    if (!run->settling && sim_ended()) {
        run->stopping = 1;
    }

    if ((run->end != 0 && run->loop.now >= run->end)
        || (opt->requests != 0 && !run->settling
            && run->stat.requests + run->unsent >= opt->requests))
    {
        run->stopping = 1;
    }
}


/* closed loop: opens the connections in small groups */

static void
sim_run_ramp(sim_run_t *run)
{
    sim_conn_t  *c;

    while (run->started < run->loop.nconns
           && run->loop.connecting < SIM_RAMP)
    {
        c = &run->loop.conns[run->started++];
        run->active++;
        sim_run_next(run, c);
    }
}


/* when arrival "n" falls due */

static uint64_t
sim_run_due(const sim_run_t *run, uint64_t n)
{
    return run->begin + (uint64_t) ((double) n / run->rate * 1e9);
}


static void
sim_run_arrivals(sim_run_t *run)
{
    uint64_t  due;

    for ( ;; ) {
        sim_run_check(run);

        if (run->stopping || run->exhausted || sim_link_empty(&run->idle)) {
            return;
        }

        due = sim_run_due(run, run->arrivals);

        if (due > run->loop.now) {
            sim_loop_alarm(&run->loop, due);
            return;
        }

        if (run->loop.connecting >= SIM_RAMP) {
            return;
        }

        if (sim_run_arrival(run, due) != SIM_OK) {
            run->exhausted = 1;
            return;
        }

        run->arrivals++;
    }
}


static int
sim_run_arrival(sim_run_t *run, uint64_t scheduled)
{
    uint32_t     device, channel;
    sim_conn_t  *c;

    c = sim_link_data(run->idle.next, free);

    switch (sim_run_choose(run, c, &device, &channel)) {

    case SIM_OK:
        break;

    case SIM_AGAIN:
        run->stat.skipped++;
        return SIM_OK;

    default:
        return SIM_ERROR;
    }

    sim_run_start(run, c, device, channel, scheduled);

    return SIM_OK;
}


/* over "c", or over a connection that the device has already */

static void
sim_run_start(sim_run_t *run, sim_conn_t *c, uint32_t device,
    uint32_t channel, uint64_t scheduled)
{
    uint32_t     *owner;
    sim_conn_t   *own;
    sim_visit_t  *v;

    if (run->owner != NULL) {
        owner = &run->owner[device - run->opt->fleet.first];

        if (*owner != 0) {
            own = &run->loop.conns[*owner - 1];
            v = own->data;

            if (v->device.number == device && own->state == SIM_OPEN
                && own->free.next != NULL)
            {
                c = own;
            }
        }

        *owner = (uint32_t) (c - run->loop.conns) + 1;
    }

    sim_link_del(&c->free);
    run->active++;
    sim_run_visit(run, c, device, channel, scheduled);
}


static void
sim_run_pushes(sim_loop_t *loop)
{
    sim_run_t  *run;

    run = loop->data;
    sim_wake_read(&run->wake);
}


/* a device that is just being visited is visited once more */

static void
sim_run_woken(sim_run_t *run)
{
    uint32_t     n, device, channel;
    uint64_t     since;
    sim_conn_t  *c;

    for (n = run->wake.awake; n > 0; n--) {
        sim_run_check(run);

        if (run->stopping || sim_link_empty(&run->idle)
            || run->loop.connecting >= SIM_RAMP)
        {
            return;
        }

        (void) sim_wake_take(&run->wake, &device, &channel, &since);

        if (run->state[device - run->opt->fleet.first] & SIM_BUSY) {
            sim_wake_put(&run->wake, device, channel, since);
            continue;
        }

        c = sim_link_data(run->idle.next, free);
        sim_run_start(run, c, device, channel, since);
    }
}


/* connections whose pause is over */

static void
sim_run_wake(sim_run_t *run)
{
    uint32_t      device, channel;
    sim_conn_t   *c;
    sim_visit_t  *v;

    while (!sim_link_empty(&run->paused)) {
        c = sim_link_data(run->paused.next, free);
        v = c->data;

        if (v->wake > run->loop.now && !run->stopping) {
            break;
        }

        sim_link_del(&c->free);

        if (v->again && !run->stopping) {
            device = v->device.number;
            channel = v->channel;
            sim_visit_begin(run, v, device, channel);
            sim_run_advance(run, c);
            continue;
        }

        if (v->again) {
            v->again = 0;
            run->stat.failed++;
        }

        if (run->open) {
            sim_run_idle(run, c);

        } else {
            sim_run_next(run, c);
        }
    }
}


static uint64_t
sim_run_wait(const sim_run_t *run)
{
    uint64_t            wait, now;
    const sim_visit_t  *v;

    now = sim_now();
    wait = SIM_SEC / 5;

    if (run->end > now && run->end - now < wait) {
        wait = run->end - now;
    }

    if (!sim_link_empty(&run->paused)) {
        v = sim_link_data(run->paused.next, free)->data;

        if (v->wake <= now) {
            return 0;
        }

        if (v->wake - now < wait) {
            wait = v->wake - now;
        }
    }

    return wait;
}


static void
sim_run_progress(sim_run_t *run, uint64_t *last, uint64_t *seen)
{
    double  seconds;

    seconds = (double) (run->loop.now - *last) / 1e9;

    if (run->ledger != NULL) {
        fflush(run->ledger);
    }

    if (!run->opt->quiet) {
        fprintf(stderr, "mdmsim: %.0f s, %llu responses (%.0f/s),"
                " %llu visits, %llu errors\n",
                (double) (run->loop.now - run->begin) / 1e9,
                (unsigned long long) run->stat.responses,
                (double) (run->stat.responses - *seen) / seconds,
                (unsigned long long) run->stat.visits,
                (unsigned long long) sim_stat_errors(&run->stat));
    }

    *last = run->loop.now;
    *seen = run->stat.responses;
}
