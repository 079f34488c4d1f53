
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Torture: devices.  A result is sent again until it is acknowledged, before
 * anything else is said on its channel.
 */


#include "mdmsim_torture.h"


#define SIM_PAUSE          (100 * SIM_MSEC)
#define SIM_NOTHING        (10 * SIM_MSEC)
#define SIM_EMPTY_POLL     (20 * SIM_MSEC)
#define SIM_VISIT          40              /* commands at a time */

/* one in so many */

#define SIM_RENEW          40
#define SIM_FORGET         100
#define SIM_AGAIN_RATE     30
#define SIM_LEAVE          8


static uint32_t sim_device_choose(sim_torture_t *t);
static int sim_device_wants(const sim_torture_t *t, const sim_channel_t *ch);
static void sim_device_ask(sim_torture_t *t, sim_conn_t *c, sim_ask_e ask);
static void sim_device_finish(sim_torture_t *t, sim_conn_t *c,
    uint64_t pause);
static void sim_device_command(sim_torture_t *t, sim_conn_t *c);
static sim_answer_e sim_device_answer(sim_torture_t *t,
    const sim_channel_t *ch);


static int
sim_device_wants(const sim_torture_t *t, const sim_channel_t *ch)
{
    if (ch->busy) {
        return 0;
    }

    if (t->phase <= SIM_DRAIN_PHASE && sim_asleep(t, ch)) {
        return ch->woken || ch->held != SIM_NONE;
    }

    switch (t->phase) {

    case SIM_LOAD_PHASE:

        /* a visit costs a handshake, so it should be worth it */

        return ch->backlog >= t->opt->depth * 2 / 3 || ch->held != SIM_NONE;

    case SIM_DRAIN_PHASE:
        return (ch->backlog != 0 && ch->missed < SIM_MISSED)
               || ch->held != SIM_NONE;

    case SIM_EMPTY_PHASE:
        return !ch->empty || ch->held != SIM_NONE;

    default:
        return 0;
    }
}


static uint32_t
sim_device_choose(sim_torture_t *t)
{
    uint32_t  i, k;

    for (i = 0; i < t->nchannels; i++) {
        k = (t->next_channel + i) % t->nchannels;

        if (sim_device_wants(t, &t->channels[k])) {
            t->next_channel = k + 1;
            return k;
        }
    }

    if (t->phase != SIM_LOAD_PHASE || t->next_idle > t->loop.now) {
        return SIM_NONE;
    }

    /* whatever there is, perhaps nothing */

    t->next_idle = t->loop.now + SIM_EMPTY_POLL;
    k = (uint32_t) sim_torture_random(t, t->nchannels);

    return (t->channels[k].busy || sim_asleep(t, &t->channels[k]))
           ? SIM_NONE : k;
}


void
sim_device_start(sim_torture_t *t, sim_conn_t *c)
{
    uint32_t        k;
    sim_actor_t    *a;
    sim_channel_t  *ch;

    a = c->data;
    a->again = 0;

    if (a->channel == SIM_NONE) {
        k = sim_device_choose(t);

        if (k == SIM_NONE) {
            sim_torture_wait(t, c, SIM_NOTHING);
            return;
        }

        t->channels[k].busy = 1;
        t->channels[k].woken = 0;
        a->channel = k;
        a->visit = 0;
    }

    ch = &t->channels[a->channel];

    if (ch->held != SIM_NONE) {
        sim_device_ask(t, c, SIM_ASK_RESULT);

    } else if (sim_torture_random(t, SIM_RENEW) == 0) {
        sim_device_ask(t, c, SIM_ASK_TOKEN);

    } else {
        sim_device_ask(t, c, SIM_ASK_IDLE);
    }
}


static void
sim_device_ask(sim_torture_t *t, sim_conn_t *c, sim_ask_e ask)
{
    char                 text[80];
    sim_plist_t         *w;
    sim_actor_t         *a;
    sim_device_t         d;
    sim_channel_t       *ch;
    const sim_fleet_t   *f;

    a = c->data;
    ch = &t->channels[a->channel];
    f = &t->opt->fleet;
    w = &t->plist;
    a->ask = ask;

    sim_device(f, ch->device, &d);
    t->body.len = 0;
    sim_plist_begin(w, &t->body, 0);

    switch (ask) {

    case SIM_ASK_TOKEN:
        sim_message_token(w, t->opt, &d, ch->user);
        break;

    case SIM_ASK_RESULT:
        t->command.uuid.len = 0;
        t->command.type.len = 0;
        t->command.queries.len = 0;
        t->command.nqueries = 0;

        sim_ledger_uuid(t, ch->group, ch->held, text, sizeof(text));
        sim_buf_str(&t->command.uuid, text);
        sim_buf_str(&t->command.type, "DeviceInformation");
        sim_message_result(w, t->opt, &d, ch->user, ch->answer, &t->command);

        sim_ledger_token(t, ch, ch->held, text, sizeof(text));
        sim_plist_kstr(w, "Token", text);
        break;

    default:
        ch->after_notnow = 0;
        sim_message_idle(w, f, &d, ch->user);
        break;
    }

    sim_plist_finish(w);

    sim_http_request(t->opt, &t->device, t->ca, ch->device,
                     ask == SIM_ASK_TOKEN, &t->body, 0, &a->request);
    sim_torture_send(t, c, ch->device, &t->device);
}


static void
sim_device_finish(sim_torture_t *t, sim_conn_t *c, uint64_t pause)
{
    sim_actor_t  *a;

    a = c->data;

    if (a->channel != SIM_NONE) {
        t->channels[a->channel].busy = 0;
        a->channel = SIM_NONE;
    }

    sim_torture_wait(t, c, pause);
}


void
sim_device_response(sim_torture_t *t, sim_conn_t *c)
{
    sim_actor_t    *a;
    sim_channel_t  *ch;

    a = c->data;
    ch = &t->channels[a->channel];

    if (c->http.status != 200) {

        if (c->http.status != 503) {
            t->count.wrong++;
            sim_torture_note(t, "%s: HTTP status %d", ch->id,
                             c->http.status);
        }

        sim_device_failed(t, c);
        return;
    }

    if (a->ask == SIM_ASK_TOKEN) {
        t->count.renewals++;
        sim_device_ask(t, c, SIM_ASK_IDLE);
        return;
    }

    if (a->ask == SIM_ASK_RESULT) {
        sim_ledger_answered(t, ch, ch->held, ch->answer);

        if (!a->again && sim_torture_random(t, SIM_AGAIN_RATE) == 0) {

            /* as if its answer had been lost */

            a->again = 1;
            t->count.repeated++;
            sim_device_ask(t, c, SIM_ASK_RESULT);
            return;
        }

        a->again = 0;
        ch->held = SIM_NONE;
    }

    if (c->http.body_len != 0) {
        sim_device_command(t, c);
        return;
    }

    sim_ledger_empty(t, ch);
    sim_device_finish(t, c, ch->backlog != 0 ? SIM_NOTHING : 0);
}


static void
sim_device_command(sim_torture_t *t, sim_conn_t *c)
{
    uint32_t        seq;
    sim_actor_t    *a;
    sim_channel_t  *ch;

    a = c->data;
    ch = &t->channels[a->channel];

    if (sim_command_scan(c->in.data + c->http.body, c->http.body_len,
                         &t->command)
        != SIM_OK)
    {
        t->count.wrong++;
        sim_torture_note(t, "%s: not a command", ch->id);
        sim_device_finish(t, c, SIM_PAUSE);
        return;
    }

    seq = sim_ledger_delivered(t, ch, &t->command);

    if (seq == SIM_NONE) {
        sim_device_finish(t, c, SIM_PAUSE);
        return;
    }

    if (sim_torture_random(t, SIM_FORGET) == 0 && !sim_asleep(t, ch)) {

        /* it was switched off and knows of nothing */

        sim_device_finish(t, c, SIM_NOTHING);
        return;
    }

    ch->answer = sim_device_answer(t, ch);

    if (ch->entries[seq] & SIM_DONE) {
        ch->answer = (sim_answer_e) (ch->entries[seq] >> SIM_ANSWER_SHIFT);

    } else if ((ch->entries[seq] & SIM_REFUSED) && ch->answer == SIM_NOTNOW) {
        ch->answer = SIM_ACKNOWLEDGED;
    }

    ch->held = seq;

    if (++a->visit >= SIM_VISIT) {

        /* the result comes with the next visit */

        sim_device_finish(t, c, 0);
        return;
    }

    sim_device_ask(t, c, SIM_ASK_RESULT);
}


static sim_answer_e
sim_device_answer(sim_torture_t *t, const sim_channel_t *ch)
{
    double  r;

    r = (double) sim_torture_random(t, 1000000) / 10000;

    if (r < t->opt->notnow) {
        return t->phase == SIM_LOAD_PHASE && !sim_asleep(t, ch)
               ? SIM_NOTNOW : SIM_ACKNOWLEDGED;
    }

    r -= t->opt->notnow;

    if (r < t->opt->error) {
        return SIM_COMMAND_ERROR;
    }

    return r - t->opt->error < t->opt->format_error ? SIM_FORMAT_ERROR
                                                    : SIM_ACKNOWLEDGED;
}


/*
 * What has become of the request is not known: the device tries again, soon,
 * or later by another connection.
 */

void
sim_device_failed(sim_torture_t *t, sim_conn_t *c)
{
    uint64_t  pause;

    pause = SIM_PAUSE + sim_torture_random(t, SIM_PAUSE);

    if (sim_torture_random(t, SIM_LEAVE) == 0) {

        /* it knows that it is wanted */

        t->channels[((sim_actor_t *) c->data)->channel].woken = 1;
        sim_device_finish(t, c, pause);
        return;
    }

    sim_torture_wait(t, c, pause);
}
