
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Torture: devices that sleep until a push comes, and then do what waits for
 * them.  They get one command at a time, so that a push that is lost is not
 * made good by the one for the next command.
 */


#include "mdmsim_torture.h"

#include <stdlib.h>


/* a channel whose commands wait is pushed to within that time */
#define SIM_UNPUSHED     (30 * SIM_SEC)


static void sim_asleep_woken(void *data, uint32_t device, uint32_t user);
static void sim_asleep_pushes(sim_loop_t *loop);


void
sim_asleep_init(sim_torture_t *t)
{
    uint32_t              i;
    const sim_fleet_t    *f;
    const sim_channel_t  *ch;

    if (t->opt->wake == NULL) {
        return;
    }

    f = &t->opt->fleet;
    t->places = sim_alloc(f->count * (f->users + 1) * sizeof(uint32_t));

    for (i = 0; i < t->nchannels; i++) {
        ch = &t->channels[i];
        t->places[(ch->device - f->first) * (f->users + 1) + ch->user] = i + 1;
    }

    for (i = 0; i < t->ngroups; i++) {
        t->groups[i].asleep = (i % t->opt->asleep == t->opt->asleep - 1);
    }

    t->wake.woken = sim_asleep_woken;
    t->wake.data = t;
    t->loop.watched = sim_asleep_pushes;

    sim_wake_init(&t->wake, t->opt, &t->loop);
}


void
sim_asleep_free(sim_torture_t *t)
{
    sim_wake_free(&t->wake);
    free(t->places);
}


static void
sim_asleep_pushes(sim_loop_t *loop)
{
    sim_torture_t  *t;

    t = loop->data;
    sim_wake_read(&t->wake);
}


static void
sim_asleep_woken(void *data, uint32_t device, uint32_t user)
{
    uint32_t              place;
    sim_channel_t        *ch;
    sim_torture_t        *t;
    const sim_fleet_t    *f;

    t = data;
    f = &t->opt->fleet;
    place = t->places[(device - f->first) * (f->users + 1) + user];

    if (place == 0) {
        return;
    }

    ch = &t->channels[place - 1];
    ch->pushed = sim_now();
    ch->woken = 1;
}


/* at the end they all wake up, so that what is lost can be told */

int
sim_asleep(const sim_torture_t *t, const sim_channel_t *ch)
{
    return t->groups[ch->group].asleep && !t->judged;
}


void
sim_asleep_judge(sim_torture_t *t)
{
    uint32_t        i, left;
    uint64_t        since;
    sim_channel_t  *ch;

    if (t->judged) {
        return;
    }

    if (t->opt->wake == NULL) {
        t->judged = 1;
        return;
    }

    left = 0;

    for (i = 0; i < t->nchannels; i++) {
        ch = &t->channels[i];
        left += (sim_asleep(t, ch) && ch->backlog != 0
                 && ch->pushed < ch->sent);
    }

    since = t->last_call > t->phase_begin ? t->last_call : t->phase_begin;

    if (left != 0 && t->loop.now - since < SIM_UNPUSHED) {
        return;
    }

    for (i = 0; i < t->nchannels; i++) {
        ch = &t->channels[i];

        if (sim_asleep(t, ch) && ch->backlog != 0 && ch->pushed < ch->sent) {
            t->count.unpushed++;
            sim_torture_note(t, "%s: unpushed: a command waits for %.1f s",
                             ch->id, (double) (t->loop.now - ch->sent) / 1e9);
        }
    }

    t->judged = 1;
}
