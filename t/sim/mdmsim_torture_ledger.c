
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The ledger: what was acknowledged, and what must follow from it.
 */


#include "mdmsim_torture.h"

#include <errno.h>
#include <stdlib.h>


#define SIM_CHECKS        65536
#define SIM_CHECK_AGE     (3 * SIM_SEC)
#define SIM_LAST          5              /* results of a channel, at the end */


static void sim_ledger_group(sim_torture_t *t, uint32_t first, uint32_t n);
static uint32_t sim_ledger_parse(sim_torture_t *t, const sim_channel_t *ch,
    const sim_command_t *cmd);


void
sim_ledger_init(sim_torture_t *t)
{
    uint32_t             i, n, user, size;
    sim_user_t           u;
    sim_device_t         d;
    sim_channel_t       *ch;
    const sim_fleet_t   *f;

    f = &t->opt->fleet;
    n = 0;

    for (i = 0; i < t->workers; i++) {
        n += 1 + sim_device_users(f, f->first + i);
    }

    t->channels = sim_alloc(n * sizeof(sim_channel_t));
    t->groups = sim_alloc(n * sizeof(sim_group_t));
    t->checks = sim_alloc(SIM_CHECKS * sizeof(sim_check_t));

    for (i = 0; i < t->workers; i++) {
        sim_device(f, f->first + i, &d);

        for (user = 0; user <= sim_device_users(f, d.number); user++) {
            ch = &t->channels[t->nchannels++];
            ch->device = d.number;
            ch->user = user;
            ch->held = SIM_NONE;

            if (user == 0) {
                snprintf(ch->id, sizeof(ch->id), "%s", d.id);

            } else {
                sim_device_user(f, &d, user, &u);
                snprintf(ch->id, sizeof(ch->id), "%s", u.enrollment);
            }
        }
    }

    /* large ones, small ones, and some of one channel */

    for (i = 0; i < n; i += size) {

        switch (t->ngroups % 4) {

        case 1:
            size = t->opt->group / 3;
            break;

        case 2:
            size = t->opt->group / 10;
            break;

        case 3:
            size = 1;
            break;

        default:
            size = t->opt->group;
            break;
        }

        if (size == 0) {
            size = 1;
        }

        if (size > n - i) {
            size = n - i;
        }

        sim_ledger_group(t, i, size);
    }
}


static void
sim_ledger_group(sim_torture_t *t, uint32_t first, uint32_t n)
{
    uint32_t      i;
    sim_group_t  *g;

    g = &t->groups[t->ngroups];
    g->first = first;
    g->n = n;

    for (i = first; i < first + n; i++) {
        t->channels[i].group = t->ngroups;
    }

    t->ngroups++;
}


void
sim_ledger_free(sim_torture_t *t)
{
    uint32_t  i;

    for (i = 0; i < t->nchannels; i++) {
        free(t->channels[i].entries);
    }

    free(t->channels);
    free(t->groups);
    free(t->checks);
}


uint8_t *
sim_ledger_entry(sim_torture_t *t, sim_channel_t *ch, uint32_t seq)
{
    uint32_t  size;

    (void) t;

    if (seq >= ch->size) {
        size = ch->size == 0 ? 64 : ch->size * 2;

        while (size <= seq) {
            size *= 2;
        }

        ch->entries = sim_realloc(ch->entries, size);
        memset(ch->entries + ch->size, 0, size - ch->size);
        ch->size = size;
    }

    if (seq >= ch->count) {
        ch->count = seq + 1;
    }

    return &ch->entries[seq];
}


void
sim_ledger_uuid(sim_torture_t *t, uint32_t group, uint32_t seq, char *dst,
    size_t size)
{
    snprintf(dst, size, "torture-%u-%u-%016llx", (unsigned) group,
             (unsigned) seq,
             (unsigned long long) sim_hash(t->opt->fleet.seed ^ 12000, group,
                                           seq));
}


/* stands in the result, and in no other */

void
sim_ledger_token(sim_torture_t *t, const sim_channel_t *ch, uint32_t seq,
    char *dst, size_t size)
{
    snprintf(dst, size, "token-%016llx",
             (unsigned long long)
                 sim_hash(t->opt->fleet.seed ^ 13000,
                          (uint64_t) (ch - t->channels), seq));
}


void
sim_ledger_sent(sim_torture_t *t, sim_channel_t *ch, uint32_t seq)
{
    uint8_t  *e;

    e = sim_ledger_entry(t, ch, seq);

    if ((*e & SIM_SENT) == 0) {
        *e |= SIM_SENT;
        ch->backlog++;
        ch->sent = t->loop.now;
    }
}


void
sim_ledger_queued(sim_torture_t *t, sim_channel_t *ch, uint32_t seq)
{
    uint8_t  *e;

    e = sim_ledger_entry(t, ch, seq);

    if ((*e & SIM_QUEUED) == 0) {
        *e |= SIM_QUEUED;
        t->count.commands++;
    }
}


/* the number must be that of the group and of the query in the command */

static uint32_t
sim_ledger_parse(sim_torture_t *t, const sim_channel_t *ch,
    const sim_command_t *cmd)
{
    char         uuid[80], query[32];
    unsigned     group, seq;
    const char  *last;
    uint32_t     i;

    if (sscanf(cmd->uuid.data, "torture-%u-%u-", &group, &seq) != 2
        || group != ch->group)
    {
        return SIM_NONE;
    }

    sim_ledger_uuid(t, group, seq, uuid, sizeof(uuid));

    if (strcmp(uuid, cmd->uuid.data) != 0) {
        return SIM_NONE;
    }

    last = cmd->queries.data;

    for (i = 1; i < cmd->nqueries; i++) {
        last += strlen(last) + 1;
    }

    snprintf(query, sizeof(query), "Sequence%u", seq);

    if (cmd->nqueries == 0 || strcmp(last, query) != 0) {
        return SIM_NONE;
    }

    return seq;
}


uint32_t
sim_ledger_delivered(sim_torture_t *t, sim_channel_t *ch,
    const sim_command_t *cmd)
{
    uint8_t   *e;
    uint32_t   i, seq;

    seq = sim_ledger_parse(t, ch, cmd);

    if (seq == SIM_NONE || seq >= ch->count
        || (ch->entries[seq] & SIM_SENT) == 0)
    {
        t->count.wrong++;
        sim_torture_note(t, "%s: a command that was not sent to it: %s",
                         ch->id, cmd->uuid.data);
        return SIM_NONE;
    }

    t->count.deliveries++;
    ch->missed = 0;
    e = &ch->entries[seq];

    if (*e & SIM_DONE) {
        t->count.doubled++;
        sim_torture_note(t, "%s: doubled: %s after its result was taken",
                         ch->id, cmd->uuid.data);
        return seq;
    }

    /* none that was acknowledged may stand before it */

    for (i = ch->low; i < seq; i++) {

        if ((ch->entries[i] & (SIM_QUEUED|SIM_DONE)) != SIM_QUEUED
            || (ch->after_notnow && (ch->entries[i] & SIM_REFUSED)))
        {
            continue;
        }

        t->count.reordered++;
        sim_torture_note(t, "%s: reordered: %s before %u", ch->id,
                         cmd->uuid.data, (unsigned) i);
        break;
    }

    *e |= SIM_DELIVERED;

    return seq;
}


/* "nothing for you" */

void
sim_ledger_empty(sim_torture_t *t, sim_channel_t *ch)
{
    uint32_t  i;

    ch->empty = (t->phase == SIM_EMPTY_PHASE
                 || (t->phase == SIM_DRAIN_PHASE && ch->backlog == 0
                     && !t->groups[ch->group].pending));

    for (i = ch->low; i < ch->count; i++) {

        if ((ch->entries[i] & (SIM_QUEUED|SIM_DONE)) == SIM_QUEUED
            && !(ch->after_notnow && (ch->entries[i] & SIM_REFUSED)))
        {
            t->count.missed++;
            ch->missed++;
            return;
        }
    }
}


void
sim_ledger_answered(sim_torture_t *t, sim_channel_t *ch, uint32_t seq,
    sim_answer_e answer)
{
    uint8_t  *e;

    e = &ch->entries[seq];

    ch->after_notnow = (answer == SIM_NOTNOW);

    if (answer == SIM_NOTNOW) {
        t->count.notnow++;
        *e |= SIM_REFUSED;
        return;
    }

    if (*e & SIM_DONE) {
        return;
    }

    *e |= SIM_DONE;
    *e |= (uint8_t) (answer << SIM_ANSWER_SHIFT);
    ch->backlog--;
    t->count.results++;

    while (ch->low < ch->count
           && ((ch->entries[ch->low] & SIM_SENT) == 0
               || (ch->entries[ch->low] & SIM_DONE)))
    {
        ch->low++;
    }

    if (sim_torture_random(t, 20) == 0) {
        sim_ledger_check_add(t, (uint32_t) (ch - t->channels), seq);
    }
}


void
sim_ledger_check_add(sim_torture_t *t, uint32_t channel, uint32_t seq)
{
    sim_check_t  *check;

    if (t->nchecks == SIM_CHECKS) {
        return;
    }

    check = &t->checks[(t->check_first + t->nchecks++) % SIM_CHECKS];
    check->channel = channel;
    check->seq = seq;
    check->when = t->loop.now;
}


int
sim_ledger_check(sim_torture_t *t, uint32_t *channel, uint32_t *seq)
{
    sim_check_t  *check;

    check = &t->checks[t->check_first];

    if (t->nchecks == 0
        || (t->phase != SIM_READ_PHASE
            && check->when + SIM_CHECK_AGE > t->loop.now))
    {
        return SIM_AGAIN;
    }

    *channel = check->channel;
    *seq = check->seq;

    t->check_first = (t->check_first + 1) % SIM_CHECKS;
    t->nchecks--;

    return SIM_OK;
}


void
sim_ledger_check_last(sim_torture_t *t)
{
    uint32_t        i, k, n;
    sim_channel_t  *ch;

    for (i = 0; i < t->nchannels; i++) {
        ch = &t->channels[i];

        for (k = ch->count, n = 0; k > 0 && n < SIM_LAST; k--) {

            if ((ch->entries[k - 1] & (SIM_DONE|SIM_READ)) == SIM_DONE) {
                sim_ledger_check_add(t, i, k - 1);
                n++;
            }
        }
    }
}


uint32_t
sim_ledger_open(const sim_torture_t *t)
{
    uint32_t              i, n;
    const sim_channel_t  *ch;

    for (i = 0, n = 0; i < t->nchannels; i++) {
        ch = &t->channels[i];

        if (t->phase == SIM_EMPTY_PHASE ? !ch->empty
            : ch->backlog != 0 && ch->missed < SIM_MISSED)
        {
            n++;
        }
    }

    return n;
}


/* acknowledged, and not in the queue at the end */

void
sim_ledger_lost(sim_torture_t *t)
{
    char            uuid[80];
    uint32_t        i, k;
    sim_channel_t  *ch;

    for (i = 0; i < t->nchannels; i++) {
        ch = &t->channels[i];

        for (k = ch->low; k < ch->count; k++) {

            if ((ch->entries[k] & (SIM_QUEUED|SIM_DONE)) != SIM_QUEUED) {
                continue;
            }

            if (!ch->empty) {
                t->count.unanswered++;
                continue;
            }

            t->count.lost++;
            sim_ledger_uuid(t, ch->group, k, uuid, sizeof(uuid));
            sim_torture_note(t, "%s: lost: %s (%s)", ch->id, uuid,
                             ch->entries[k] & SIM_DELIVERED
                             ? "was delivered" : "never delivered");
        }
    }
}


/* id, CommandUUID, status: the results that were acknowledged */

void
sim_ledger_write(sim_torture_t *t)
{
    char            uuid[80];
    FILE           *f;
    uint8_t         e;
    uint32_t        i, k;
    sim_channel_t  *ch;

    if (t->opt->ledger == NULL) {
        return;
    }

    f = fopen(t->opt->ledger, "w");
    if (f == NULL) {
        sim_die("cannot create \"%s\": %s", t->opt->ledger, strerror(errno));
    }

    for (i = 0; i < t->nchannels; i++) {
        ch = &t->channels[i];

        for (k = 0; k < ch->count; k++) {
            e = ch->entries[k];

            if (e & SIM_DONE) {
                sim_ledger_uuid(t, ch->group, k, uuid, sizeof(uuid));
                fprintf(f, "%s\t%s\t%s\n", ch->id, uuid,
                        sim_answer_name((sim_answer_e)
                                        (e >> SIM_ANSWER_SHIFT)));
            }
        }
    }

    if (fclose(f) != 0) {
        sim_die("cannot write \"%s\": %s", t->opt->ledger, strerror(errno));
    }
}
