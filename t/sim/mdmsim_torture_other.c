
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Torture: impostors, who speak for a device with the certificate of
 * another, and must never be answered with 2xx; and devices that enroll
 * again and again.
 */


#include "mdmsim_torture.h"


#define SIM_IMPOSTOR_PAUSE  (40 * SIM_MSEC)
#define SIM_CHURN_PAUSE     (30 * SIM_MSEC)
#define SIM_FAILED_PAUSE    (150 * SIM_MSEC)


void
sim_impostor_start(sim_torture_t *t, sim_conn_t *c)
{
    char                 uuid[80];
    uint64_t             what;
    uint32_t             own;
    sim_plist_t         *w;
    sim_actor_t         *a;
    sim_device_t         d;
    sim_channel_t       *ch;
    const sim_fleet_t   *f;

    a = c->data;
    f = &t->opt->fleet;
    w = &t->plist;

    /* the device channel of another device */

    ch = &t->channels[sim_torture_random(t, t->nchannels)];
    own = f->first + t->workers
          + (uint32_t) sim_torture_random(t, t->opt->churn);
    a->device = ch->device;

    sim_device(f, ch->device, &d);
    what = sim_torture_random(t, 5);

    t->body.len = 0;
    sim_plist_begin(w, &t->body, 0);

    switch (what) {

    case 0:
    case 1:
        sim_message_idle(w, f, &d, ch->user);
        break;

    case 2:
        t->command.uuid.len = 0;
        t->command.queries.len = 0;
        t->command.nqueries = 0;
        t->command.type.len = 0;

        sim_ledger_uuid(t, ch->group, ch->low, uuid, sizeof(uuid));
        sim_buf_str(&t->command.uuid, uuid);
        sim_buf_str(&t->command.type, "DeviceInformation");
        sim_message_result(w, t->opt, &d, ch->user, SIM_ACKNOWLEDGED,
                           &t->command);
        break;

    case 3:
        sim_message_token(w, t->opt, &d, ch->user);
        break;

    default:
        sim_message_authenticate(w, f, &d);
        break;
    }

    sim_plist_finish(w);

    sim_http_request(t->opt, &t->device, t->ca, own, what >= 3, &t->body, 0,
                     &a->request);
    t->count.impostors++;
    sim_torture_send(t, c, own, &t->device);
}


void
sim_impostor_response(sim_torture_t *t, sim_conn_t *c)
{
    sim_actor_t  *a;

    a = c->data;

    if (c->http.status >= 200 && c->http.status <= 299) {
        t->count.spoofed++;
        sim_torture_note(t, "spoofed: an impostor of device %u was answered"
                         " with %d", (unsigned) a->device, c->http.status);

    } else if (c->http.status >= 400 && c->http.status <= 499) {
        t->count.refused++;
    }

    sim_torture_wait(t, c, SIM_IMPOSTOR_PAUSE);
}


/* Authenticate, TokenUpdate, Idle, and the next device */

void
sim_churn_start(sim_torture_t *t, sim_conn_t *c)
{
    sim_plist_t         *w;
    sim_actor_t         *a;
    sim_device_t         d;
    const sim_fleet_t   *f;

    a = c->data;
    f = &t->opt->fleet;
    w = &t->plist;

    if (a->visit == 0) {
        a->device = f->first + t->workers
                    + (t->next_churn++ % t->opt->churn);
        a->ask = SIM_ASK_AUTHENTICATE;
        a->visit = 1;
    }

    sim_device(f, a->device, &d);
    t->body.len = 0;
    sim_plist_begin(w, &t->body, 0);

    switch (a->ask) {

    case SIM_ASK_AUTHENTICATE:
        sim_message_authenticate(w, f, &d);
        break;

    case SIM_ASK_TOKEN:
        sim_message_token(w, t->opt, &d, 0);
        break;

    default:
        sim_message_idle(w, f, &d, 0);
        break;
    }

    sim_plist_finish(w);

    sim_http_request(t->opt, &t->device, t->ca, a->device,
                     a->ask != SIM_ASK_IDLE, &t->body, 0, &a->request);
    sim_torture_send(t, c, a->device, &t->device);
}


void
sim_churn_response(sim_torture_t *t, sim_conn_t *c)
{
    sim_actor_t  *a;

    a = c->data;

    if (c->http.status == 503) {
        sim_churn_failed(t, c);
        return;
    }

    if (c->http.status != 200 || c->http.body_len != 0) {
        t->count.wrong++;
        sim_torture_note(t, "device %u enrolls again: step %d: HTTP status"
                         " %d", (unsigned) a->device, (int) a->ask,
                         c->http.status);
        a->visit = 0;

    } else if (a->ask == SIM_ASK_AUTHENTICATE) {
        a->ask = SIM_ASK_TOKEN;

    } else if (a->ask == SIM_ASK_TOKEN) {
        a->ask = SIM_ASK_IDLE;

    } else {
        t->count.renewals++;
        a->visit = 0;
    }

    sim_torture_wait(t, c, SIM_CHURN_PAUSE);
}


void
sim_churn_failed(sim_torture_t *t, sim_conn_t *c)
{
    sim_torture_wait(t, c, SIM_FAILED_PAUSE);
}
