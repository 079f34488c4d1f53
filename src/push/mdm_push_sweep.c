
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Looks through the partitions of a tenant for pushes that are due, sends them
 * and stores what became of them.
 */


#include "mdm_push_sweep.h"

#include "mdm_key.h"
#include "mdm_push_look.h"


/* pushes of a round, and of one exchange, whose memory they take */
#define MDM_PUSH_BATCH        1024
#define MDM_PUSH_TOTAL        8192

/* partitions between where looks of two seconds begin: a prime number */
#define MDM_PUSH_SPREAD       40507

/* milliseconds */
#define MDM_PUSH_LATEST       60000
#define MDM_PUSH_FAILED       5000


enum {
    MDM_PUSH_SWEEP_BEGIN = 0,
    MDM_PUSH_SWEEP_ROOM,
    MDM_PUSH_SWEEP_TAKEN,
    MDM_PUSH_SWEEP_GRANTED,
    MDM_PUSH_SWEEP_SENT
};


static mdm_int_t mdm_push_sweep_begin(mdm_exchange_t *x);
static mdm_int_t mdm_push_sweep_tags(mdm_exchange_t *x, mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_look(mdm_exchange_t *x, mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_round(mdm_exchange_t *x, mdm_push_sweep_t *sw,
    mdm_uint_t pushes, mdm_int_t state);
static mdm_int_t mdm_push_sweep_ask(mdm_exchange_t *x, mdm_uint_t i,
    mdm_push_partition_t *partition, mdm_uint_t n);
static mdm_int_t mdm_push_sweep_taken(mdm_exchange_t *x,
    mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_replies(mdm_exchange_t *x,
    mdm_push_sweep_t *sw, mdm_push_batch_t *batch);
static mdm_int_t mdm_push_sweep_leased(mdm_exchange_t *x,
    mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_rows(mdm_exchange_t *x, mdm_push_sweep_t *sw,
    mdm_push_batch_t *batch, mdm_push_partition_t *partition,
    const mdm_reply_t *reply);
static mdm_uint_t mdm_push_sweep_failed(mdm_exchange_t *x,
    mdm_push_sweep_t *sw, const mdm_call_t *call);
static mdm_uint_t mdm_push_sweep_grant(mdm_exchange_t *x,
    mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_granted(mdm_exchange_t *x,
    mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_send(mdm_exchange_t *x, mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_sent(mdm_exchange_t *x, mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_end(mdm_exchange_t *x, mdm_push_sweep_t *sw);


mdm_int_t
mdm_push_sweep_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_PUSH_SWEEP_BEGIN:
        return mdm_push_sweep_begin(x);

    case MDM_PUSH_SWEEP_ROOM:
        (void) mdm_push_sweep_grant(x, x->ctx);

        return mdm_push_sweep_look(x, x->ctx);

    case MDM_PUSH_SWEEP_TAKEN:
        return mdm_push_sweep_taken(x, x->ctx);

    case MDM_PUSH_SWEEP_GRANTED:
        return mdm_push_sweep_granted(x, x->ctx);

    default: /* MDM_PUSH_SWEEP_SENT */
        return mdm_push_sweep_sent(x, x->ctx);
    }
}


static mdm_int_t
mdm_push_sweep_begin(mdm_exchange_t *x)
{
    mdm_push_sweep_t  *sw;

    /* nothing is owed then, but it may be switched on again */

    if (!x->settings->push) {
        return mdm_exchange_empty(x, 200);
    }

    sw = mdm_arena_zalloc(x->arena, sizeof(mdm_push_sweep_t));
    if (sw == NULL) {
        return MDM_ERROR;
    }

    sw->npartitions = x->settings->store->partitions;
    sw->size = MDM_PUSH_BATCH;
    sw->most = MDM_PUSH_TOTAL;

    if (x->owed_tag.len != 0) {
        sw->npartitions = 1;
        sw->size = sw->most = MDM_PUSH_FIRST;
    }

    sw->batch.leases = mdm_arena_alloc(x->arena,
                                       sw->size * sizeof(mdm_push_lease_t));
    sw->sent.leases = mdm_arena_alloc(x->arena,
                                      sw->size * sizeof(mdm_push_lease_t));

    if (sw->batch.leases == NULL || sw->sent.leases == NULL
        || mdm_push_sweep_tags(x, sw) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->ctx = sw;

    /* whoever comes after one that had to stop begins elsewhere */

    sw->cursor = (mdm_uint_t) x->now * MDM_PUSH_SPREAD % sw->npartitions;
    sw->room = sw->size;

    if (x->settings->push_rate == 0 || x->owed_tag.len != 0) {
        return mdm_push_sweep_look(x, sw);
    }

    /* nothing is to be leased that the rate would not let go */

    if (mdm_exchange_calls(x, 1, MDM_PUSH_SWEEP_ROOM) != MDM_CALL
        || mdm_push_lease_grant(x, 0, 0) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    return MDM_CALL;
}


static mdm_int_t
mdm_push_sweep_tags(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    uint32_t  p;

    sw->partitions = mdm_arena_zalloc(x->arena,
                                      sw->npartitions
                                      * sizeof(mdm_push_partition_t));
    if (sw->partitions == NULL) {
        return MDM_ERROR;
    }

    for (p = 0; p < sw->npartitions; p++) {
        sw->partitions[p].due = 1;

        if (x->owed_tag.len != 0) {
            sw->partitions[p].tag = x->owed_tag;

        } else if (mdm_key_partition(x->arena, &sw->partitions[p].tag,
                                     &x->tenant, p)
                   != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


/* stores what became of the last pushes, and asks for the next ones */

static mdm_int_t
mdm_push_sweep_look(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    mdm_push_look_choose(x, sw, 0);

    if (sw->sent.n + sw->batch.n + sw->nasked == 0) {
        return mdm_push_sweep_end(x, sw);
    }

    return mdm_push_sweep_round(x, sw, 0, MDM_PUSH_SWEEP_TAKEN);
}


/*
 * The calls of a round: what became of pushes is stored, and partitions are
 * asked; behind them the caller puts so many pushes of the batch.
 */

static mdm_int_t
mdm_push_sweep_round(mdm_exchange_t *x, mdm_push_sweep_t *sw,
    mdm_uint_t pushes, mdm_int_t state)
{
    mdm_uint_t  i, n, sent;

    sent = mdm_push_lease_ncalls(sw->sent.leases, sw->sent.n);

    /* a batch that is not to be sent is given back */

    n = (pushes == 0) ? sw->batch.n : 0;

    sw->nstored = sent + mdm_push_lease_ncalls(sw->batch.leases, n);

    if (mdm_exchange_calls(x, sw->nstored + sw->nasked + pushes, state)
        != MDM_CALL
        || mdm_push_lease_calls(x, 0, sw->sent.leases, sw->sent.n) != MDM_OK
        || mdm_push_lease_calls(x, sent, sw->batch.leases, n) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;
    sw->sent.n = 0;
    sw->batch.n -= n;

    n = (sw->nasked != 0 && sw->again == 0)
        ? mdm_push_look_room(sw) / sw->nasked : 0;

    if (n > MDM_PUSH_CHANNELS) {
        n = MDM_PUSH_CHANNELS;
    }

    sw->rounds++;

    for (i = 0; i < sw->nasked; i++) {

        if (mdm_push_sweep_ask(x, sw->nstored + i, sw->asked[i], n)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_push_sweep_ask(mdm_exchange_t *x, mdm_uint_t i,
    mdm_push_partition_t *partition, mdm_uint_t n)
{
    mdm_str_t  *args;

    if (!partition->walk) {
        return mdm_push_lease_take(x, i, &partition->tag,
                                   (partition->asked || n < MDM_PUSH_FIRST)
                                   ? n : MDM_PUSH_FIRST);
    }

    args = mdm_exchange_call(x, i, &mdm_script_push_walk, &partition->tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    return mdm_printf(x->arena, &args[MDM_ARG_PUSH_WALK_MOST], "%d",
                      MDM_PUSH_CHANNELS);
}


static mdm_int_t
mdm_push_sweep_taken(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    if (mdm_push_sweep_replies(x, sw, &sw->batch) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_push_sweep_leased(x, sw);
}


/* what Redis has answered in a round; leases go to a batch, which is empty */

static mdm_int_t
mdm_push_sweep_replies(mdm_exchange_t *x, mdm_push_sweep_t *sw,
    mdm_push_batch_t *batch)
{
    mdm_uint_t             i;
    mdm_push_partition_t  *partition;

    /* what could not be stored is pushed again, when its lease is over */

    for (i = 0; i < sw->nstored; i++) {
        (void) mdm_push_sweep_failed(x, sw, &x->calls[i]);
    }

    for (i = 0; i < sw->nasked; i++) {
        partition = sw->asked[i];

        if (mdm_push_sweep_failed(x, sw, &x->calls[sw->nstored + i])) {
            partition->due = 0;
            partition->next = MDM_PUSH_FAILED;
            continue;
        }

        if (mdm_push_sweep_rows(x, sw, batch, partition,
                                x->calls[sw->nstored + i].reply)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


/* a batch is there: what does the rate grant? */

static mdm_int_t
mdm_push_sweep_leased(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    if (sw->batch.n == 0) {
        sw->wider += (sw->wider < MDM_PUSH_WIDER);
        return mdm_push_sweep_look(x, sw);
    }

    sw->total += sw->batch.n;
    sw->nbatch++;
    sw->wider = 0;

    sw->granted = x->stop ? 0 : sw->batch.n;

    if (x->stop || x->settings->push_rate == 0) {
        return mdm_push_sweep_send(x, sw);
    }

    if (mdm_exchange_calls(x, 1, MDM_PUSH_SWEEP_GRANTED) != MDM_CALL
        || mdm_push_lease_grant(x, 0, sw->batch.n) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    return MDM_CALL;
}


static mdm_int_t
mdm_push_sweep_rows(mdm_exchange_t *x, mdm_push_sweep_t *sw,
    mdm_push_batch_t *batch, mdm_push_partition_t *partition,
    const mdm_reply_t *reply)
{
    size_t             k;
    mdm_str_t          magic, owed;
    mdm_push_lease_t  *lease;

    if (partition->walk) {
        partition->walk = (mdm_reply_int(reply, MDM_RET_PUSH_WALK_MORE, 0)
                           == 1);
        return MDM_OK;
    }

    partition->asked = 1;
    partition->next = mdm_reply_int(reply, MDM_RET_PUSH_TAKE_NEXT, -1);
    partition->walk = (partition->next == -2 && x->owed_tag.len == 0);
    partition->due = (partition->next == 0 || partition->walk);

    /* what it has in the batch that is sent meanwhile is not stored yet */

    if (batch == &sw->sent && partition->batch == sw->nbatch) {
        partition->due = 1;
    }

    for (k = MDM_RET_PUSH_TAKE_ROWS;
         mdm_reply_row(reply, k, MDM_NRET_PUSH_TAKE_ROWS)
         && batch->n < sw->size;
         k += MDM_NRET_PUSH_TAKE_ROWS)
    {
        lease = &batch->leases[batch->n++];

        memset(lease, 0, sizeof(mdm_push_lease_t));

        lease->tag = partition->tag;
        lease->id = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_ID);
        lease->topic = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_TOPIC);
        lease->token = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_TOKEN);
        lease->stamp = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_STAMP);
        magic = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_MAGIC);
        owed = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_OWED);

        if (mdm_atoi(&owed, &lease->owed) != MDM_OK) {
            lease->owed = 0;
        }

        if (mdm_push_lease_init(x, lease, &magic) != MDM_OK) {
            return MDM_ERROR;
        }

        /* when it is due next will be known once its outcome is stored */

        partition->due = 1;
        partition->batch = sw->nbatch + 1;
    }

    return MDM_OK;
}


static mdm_uint_t
mdm_push_sweep_failed(mdm_exchange_t *x, mdm_push_sweep_t *sw,
    const mdm_call_t *call)
{
    if (call->rc == MDM_CALL_OK) {
        sw->found = 1;
        return 0;
    }

    if (call->rc == MDM_CALL_UNAVAILABLE) {
        sw->away = 1;
        return 1;
    }

    mdm_exchange_log(x, MDM_LOG_ERROR, "the script \"%.*s\" failed",
                     mdm_fmt(&call->script->name));

    return 1;
}


/* what the rate says: how many it grants.  Who has no answer of it waits. */

static mdm_uint_t
mdm_push_sweep_grant(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    const mdm_reply_t  *reply;

    sw->room = 0;
    sw->again = MDM_PUSH_FAILED;

    if (mdm_push_sweep_failed(x, sw, &x->calls[0])) {
        return 0;
    }

    reply = x->calls[0].reply;

    sw->room = (mdm_uint_t) mdm_reply_count(reply, MDM_RET_PUSH_GRANT_LEFT,
                                            (int64_t) sw->size);
    sw->again = 0;

    if (sw->room == 0) {
        sw->again = mdm_reply_count(reply, MDM_RET_PUSH_GRANT_WAIT,
                                    MDM_PUSH_LATEST);

        if (sw->again < MDM_PUSH_SOONEST) {
            sw->again = MDM_PUSH_SOONEST;
        }
    }

    return (mdm_uint_t) mdm_reply_count(reply, MDM_RET_PUSH_GRANT_GRANTED,
                                        (int64_t) sw->batch.n);
}


static mdm_int_t
mdm_push_sweep_granted(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    sw->granted = mdm_push_sweep_grant(x, sw);

    if (x->stop) {
        sw->granted = 0;
    }

    return mdm_push_sweep_send(x, sw);
}


static mdm_int_t
mdm_push_sweep_send(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    mdm_uint_t         i, n;
    mdm_push_lease_t  *lease;

    n = mdm_push_waits_ready(&sw->waits, sw->batch.leases, sw->batch.n,
                             sw->granted);

    if (n == 0) {

        /* where a connection is missing, it is for all that would be taken */

        if (sw->again == 0) {
            sw->again = sw->waits.down;
        }

        return mdm_push_sweep_look(x, sw);
    }

    sw->nasked = 0;

    if (sw->flows && sw->again == 0) {
        mdm_push_look_choose(x, sw, 1);
    }

    if (mdm_push_sweep_round(x, sw, n, MDM_PUSH_SWEEP_SENT) != MDM_CALL) {
        return MDM_ERROR;
    }

    n = sw->nstored + sw->nasked;

    for (i = 0; i < sw->batch.n; i++) {
        lease = &sw->batch.leases[i];

        if (lease->judged.word == NULL
            && mdm_push_lease_send(x, n++, lease, 0) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_push_sweep_sent(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    mdm_uint_t         i, sent;
    mdm_push_batch_t   batch;
    mdm_push_lease_t  *lease;

    if (mdm_push_sweep_replies(x, sw, &sw->sent) != MDM_OK) {
        return MDM_ERROR;
    }

    sent = 0;

    for (i = 0; i < sw->batch.n; i++) {
        lease = &sw->batch.leases[i];

        if (lease->push == NULL) {
            continue;
        }

        if (mdm_push_lease_judge(x, lease) != MDM_OK) {
            return MDM_ERROR;
        }

        if (lease->judged.waits) {
            mdm_push_waits_add(&sw->waits, lease);

        } else {
            sent++;
        }
    }

    if (sw->waits.n != 0) {
        mdm_push_waits_end(&sw->waits, sw->batch.leases, sw->batch.n);
    }

    if (sent == 0 && sw->again == 0) {
        sw->again = sw->waits.down;
    }

    /* while a topic waits, what is taken may be in vain */

    sw->flows = (sent != 0 && sw->waits.n == 0);

    batch = sw->batch;
    sw->batch = sw->sent;
    sw->sent = batch;

    return mdm_push_sweep_leased(x, sw);
}


/* when is the next look? */

static mdm_int_t
mdm_push_sweep_end(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    int64_t                soonest;
    mdm_uint_t             i, more;
    mdm_push_partition_t  *partition;

    if (sw->away && !sw->found) {
        return mdm_exchange_unavailable(x);
    }

    more = x->stop;
    x->again = sw->again;

    for (i = 0; i < sw->npartitions; i++) {
        partition = &sw->partitions[i];

        if (partition->due) {
            more |= (sw->again == 0);
            continue;
        }

        if (partition->next >= 0
            && (x->again == 0 || partition->next < x->again))
        {
            x->again = partition->next;
        }
    }

    if (more) {
        return mdm_exchange_empty(x, 202);
    }

    if (x->again != 0) {
        soonest = mdm_push_look_soonest(sw);
        x->again = (x->again < soonest) ? soonest : x->again;

        if (x->again > MDM_PUSH_LATEST) {
            x->again = MDM_PUSH_LATEST;
        }
    }

    return mdm_exchange_empty(x, 200);
}
