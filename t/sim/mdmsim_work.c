
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One connection at work: which device it visits, its requests, its end.
 */


#include "mdmsim_run.h"
#include "mdmsim_signal.h"


#define SIM_PAUSE        (100 * SIM_MSEC)     /* after a failure */


static uint32_t sim_run_channel(const sim_run_t *run, uint32_t device,
    uint32_t channel);
static int sim_run_unit(sim_run_t *run, uint32_t *device,
    uint32_t *channel);
static int sim_run_next_device(sim_run_t *run);
static uint8_t *sim_run_state(sim_run_t *run, uint32_t device);
static void sim_run_sent(sim_run_t *run, sim_visit_t *v);
static void sim_run_send(sim_run_t *run, sim_conn_t *c);
static void sim_run_finish(sim_run_t *run, sim_conn_t *c);
static void sim_run_pause(sim_run_t *run, sim_conn_t *c, uint64_t pause);
static void sim_run_fail(sim_run_t *run, sim_conn_t *c, int aborted);


/* the channel to visit after "channel", SIM_NO_CHANNEL being before all */

static uint32_t
sim_run_channel(const sim_run_t *run, uint32_t device, uint32_t channel)
{
    const sim_option_t  *opt;

    opt = run->opt;

    channel = channel == SIM_NO_CHANNEL ? 0 : channel + 1;

    if (channel == 0) {
        if ((opt->cmd & SIM_ISSUE) || (opt->channels & SIM_CHANNEL_DEVICE)) {
            return 0;
        }

        channel = 1;
    }

    if ((opt->cmd & SIM_ISSUE) || !(opt->channels & SIM_CHANNEL_USER)
        || channel > sim_device_users(&opt->fleet, device))
    {
        return SIM_NO_CHANNEL;
    }

    return channel;
}


uint64_t
sim_run_units(const sim_run_t *run)
{
    uint32_t             i;
    uint64_t             n;
    const sim_fleet_t   *f;

    f = &run->opt->fleet;
    n = 0;

    if ((run->opt->cmd & SIM_ISSUE)
        || !(run->opt->channels & SIM_CHANNEL_USER))
    {
        return f->count;
    }

    for (i = 0; i < f->count; i++) {
        n += sim_device_users(f, f->first + i);
        if (run->opt->channels & SIM_CHANNEL_DEVICE) {
            n++;
        }
    }

    return n;
}


/* round and round: the devices in order, then their users */

static int
sim_run_unit(sim_run_t *run, uint32_t *device, uint32_t *channel)
{
    uint32_t  users;

    if (run->bound) {
        if (run->units == 0) {
            return SIM_ERROR;
        }

        if (run->units != UINT64_MAX) {
            run->units--;
        }
    }

    users = run->opt->channels & SIM_CHANNEL_USER ? run->opt->fleet.users : 0;

    for ( ;; ) {
        *device = run->next_device;
        *channel = run->next_channel;

        if (sim_run_next_device(run)) {
            run->next_channel++;

            if ((run->opt->cmd & SIM_ISSUE) || run->next_channel > users)
            {
                run->next_channel = 0;
            }
        }

        if (sim_run_channel(run, *device, *channel == 0 ? SIM_NO_CHANNEL
                                                        : *channel - 1)
            == *channel)
        {
            return SIM_OK;
        }
    }
}


/* 1 after the last one */

static int
sim_run_next_device(sim_run_t *run)
{
    const sim_fleet_t  *f;

    f = &run->opt->fleet;

    if (++run->next_device - f->first == f->count) {
        run->next_device = f->first;
        return 1;
    }

    return 0;
}


static uint8_t *
sim_run_state(sim_run_t *run, uint32_t device)
{
    return &run->state[device - run->opt->fleet.first];
}


/*
 * Which device the connection visits next.  SIM_ERROR: none is left;
 * SIM_AGAIN: the device is just being visited.
 */

int
sim_run_choose(sim_run_t *run, sim_conn_t *c, uint32_t *device,
    uint32_t *channel)
{
    uint32_t             tries;
    sim_visit_t         *v;
    const sim_option_t  *opt;

    opt = run->opt;
    v = c->data;

    if (run->bound) {
        if (sim_run_unit(run, device, channel) != SIM_OK) {
            return SIM_ERROR;
        }

        /* where every visit is made once, no two are of one channel */

        return run->units == UINT64_MAX
               && (*sim_run_state(run, *device) & SIM_BUSY)
               ? SIM_AGAIN : SIM_OK;
    }

    if (!run->identity) {
        for (tries = 0; tries <= run->loop.nconns; tries++) {
            (void) sim_run_unit(run, device, channel);

            if ((*sim_run_state(run, *device) & SIM_BUSY) == 0) {
                return SIM_OK;
            }
        }

        return SIM_AGAIN;
    }

    if (opt->reopen_every != 0 && c->requests >= opt->reopen_every) {
        sim_conn_close(&run->loop, c);
    }

    if (c->state == SIM_CLOSED) {
        do {
            *device = run->next_device;
            *channel = sim_run_channel(run, *device, SIM_NO_CHANNEL);
            (void) sim_run_next_device(run);
        } while (*channel == SIM_NO_CHANNEL);

        return *sim_run_state(run, *device) & SIM_BUSY ? SIM_AGAIN : SIM_OK;
    }

    *device = v->device.number;
    *channel = sim_run_channel(run, *device, v->channel);

    if (*channel == SIM_NO_CHANNEL) {
        *channel = sim_run_channel(run, *device, SIM_NO_CHANNEL);
    }

    return SIM_OK;
}


void
sim_run_next(sim_run_t *run, sim_conn_t *c)
{
    int           rc;
    uint32_t      device, channel;
    sim_visit_t  *v;

    sim_run_check(run);

    rc = run->stopping || sim_stopped() ? SIM_ERROR
         : sim_run_choose(run, c, &device, &channel);

    switch (rc) {

    case SIM_OK:
        sim_run_visit(run, c, device, channel, 0);
        break;

    case SIM_AGAIN:
        v = c->data;
        v->again = 0;
        sim_conn_close(&run->loop, c);
        sim_run_pause(run, c, SIM_MSEC);
        break;

    default:
        sim_conn_close(&run->loop, c);
        run->active--;
        break;
    }
}


/* the list is in the order of waking up, but for short pauses */

static void
sim_run_pause(sim_run_t *run, sim_conn_t *c, uint64_t pause)
{
    sim_visit_t  *v;

    v = c->data;
    v->wake = run->loop.now + pause;

    if (pause < SIM_PAUSE) {
        sim_link_first(&run->paused, &c->free);

    } else {
        sim_link_add(&run->paused, &c->free);
    }
}


void
sim_run_visit(sim_run_t *run, sim_conn_t *c, uint32_t device,
    uint32_t channel, uint64_t scheduled)
{
    sim_visit_t  *v;

    v = c->data;
    v->scheduled = scheduled;
    v->attempts = 0;
    v->unsent = 1;
    run->unsent++;
    *sim_run_state(run, device) |= SIM_BUSY;

    sim_visit_begin(run, v, device, channel);
    sim_run_advance(run, c);
}


/* sends the request of the step, over a new connection if need be */

void
sim_run_advance(sim_run_t *run, sim_conn_t *c)
{
    sim_visit_t   *v;
    sim_target_t  *t;

    v = c->data;
    t = sim_visit_target(run, v);

    if (c->state != SIM_CLOSED
        && (c->target->tls != t->tls
            || c->target->addrlen != t->addrlen
            || memcmp(&c->target->addr, &t->addr, t->addrlen) != 0
            || (t->tls && c->tls_device != v->device.number)))
    {
        sim_conn_close(&run->loop, c);
    }

    if (c->state == SIM_CLOSED) {
        sim_conn_open(&run->loop, c, t, v->device.number);
        return;
    }

    c->target = t;
    sim_run_send(run, c);
}


/* the first request of a visit counts from its beginning */

static void
sim_run_sent(sim_run_t *run, sim_visit_t *v)
{
    if (v->unsent) {
        v->unsent = 0;
        run->unsent--;
    }
}


static void
sim_run_send(sim_run_t *run, sim_conn_t *c)
{
    sim_visit_t  *v;

    v = c->data;

    sim_run_sent(run, v);
    sim_visit_request(run, v);
    sim_conn_send(&run->loop, c, v->request.data, v->request.len);

    if (run->opt->abort > 0 && c->state == SIM_RECEIVING) {
        run->random = sim_mix(run->random);

        if ((double) (run->random >> 11) / 9007199254740992.0 * 100.0
            < run->opt->abort)
        {
            run->stat.aborted++;
            sim_conn_close(&run->loop, c);
            sim_run_fail(run, c, 1);
        }
    }
}


void
sim_run_ready(sim_loop_t *loop, sim_conn_t *c)
{
    sim_run_send(loop->data, c);
}


void
sim_run_response(sim_loop_t *loop, sim_conn_t *c)
{
    int           rc;
    uint64_t      now;
    sim_run_t    *run;
    sim_visit_t  *v;

    run = loop->data;
    v = c->data;

    now = sim_now();
    sim_hist_add(&run->stat.latency,
                 (now - (v->scheduled != 0 ? v->scheduled : c->sent)) / 1000);
    v->scheduled = 0;

    rc = sim_visit_response(run, c, v);

    if (c->http.close || run->opt->new_connection || rc == SIM_ERROR) {
        sim_conn_close(loop, c);
    }

    switch (rc) {

    case SIM_AGAIN:
        sim_run_advance(run, c);
        break;

    case SIM_OK:
        run->stat.visits++;
        sim_run_finish(run, c);
        break;

    default:
        sim_run_fail(run, c, 0);
        break;
    }
}


void
sim_run_failed(sim_loop_t *loop, sim_conn_t *c, sim_error_e e)
{
    sim_run_t    *run;
    sim_visit_t  *v;

    run = loop->data;
    v = c->data;

    run->stat.errors[e]++;
    sim_note(run, v, "%s error", sim_error_name(e));
    sim_run_fail(run, c, 0);
}


/* an idle connection was closed by the server: it is taken first */

void
sim_run_gone(sim_loop_t *loop, sim_conn_t *c)
{
    sim_run_t  *run;

    run = loop->data;

    if (run->open && c->free.next != NULL) {
        sim_link_del(&c->free);
        sim_link_first(&run->idle, &c->free);
    }
}


static void
sim_run_finish(sim_run_t *run, sim_conn_t *c)
{
    sim_visit_t  *v;

    v = c->data;
    *sim_run_state(run, v->device.number) &= (uint8_t) ~SIM_BUSY;

    if (run->opt->cmd == SIM_CMD_SESSION) {
        sim_conn_close(&run->loop, c);
    }

    if (run->open) {
        sim_run_idle(run, c);

    } else {
        sim_run_next(run, c);
    }
}


/* the connection is closed already */

static void
sim_run_fail(sim_run_t *run, sim_conn_t *c, int aborted)
{
    sim_visit_t  *v;

    v = c->data;

    sim_run_sent(run, v);
    sim_visit_failed(run, v);
    v->scheduled = 0;
    v->again = 0;

    if (!aborted) {
        if (v->attempts < run->opt->retries) {
            v->attempts++;
            v->again = 1;
            run->stat.retries++;

        } else {
            run->stat.failed++;
        }
    }

    if (!v->again) {
        *sim_run_state(run, v->device.number) &= (uint8_t) ~SIM_BUSY;
    }

    sim_run_pause(run, c, aborted ? SIM_MSEC : SIM_PAUSE);
}


void
sim_run_idle(sim_run_t *run, sim_conn_t *c)
{
    run->active--;

    if (c->state == SIM_CLOSED) {
        sim_link_first(&run->idle, &c->free);

    } else {
        sim_link_add(&run->idle, &c->free);
    }
}
