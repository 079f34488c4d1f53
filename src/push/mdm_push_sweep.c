
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Looks through the partitions of a tenant for pushes that are due, sends them
 * and stores what became of them.
 */


#include "mdm_push_sweep.h"

#include "mdm_key.h"
#include "mdm_push_lease.h"


/* partitions asked in a round, and channels of each at the first look */
#define MDM_PUSH_LOOKS        128
#define MDM_PUSH_FIRST        8

/* pushes of a round, and of one exchange, whose memory they take */
#define MDM_PUSH_BATCH        1024
#define MDM_PUSH_TOTAL        8192

/* rounds of one exchange */
#define MDM_PUSH_ROUNDS       1000

/* topics that are known to take no pushes at present */
#define MDM_PUSH_TOPICS       16

/*
 * Milliseconds.  A look costs Redis some 8 microseconds: looks at so many
 * partitions a millisecond take 1 % of it.
 */
#define MDM_PUSH_LOOK_RATE    1.25
#define MDM_PUSH_SOONEST      100
#define MDM_PUSH_LATEST       60000
#define MDM_PUSH_FAILED       5000


typedef struct {
    mdm_str_t                 tag;         /* KEYS[1] */
    int64_t                   next;        /* ms until something is due; -1:
                                              nothing is owed */
    unsigned                  due:1;       /* to be asked */
    unsigned                  asked:1;     /* it was, at least once */
    unsigned                  walk:1;      /* push was switched on */
} mdm_push_partition_t;


typedef struct {
    mdm_str_t                 topic;
    int64_t                   first;       /* ms until the next try */
    unsigned                  taken:1;     /* which was well */
} mdm_push_wait_t;


typedef struct {
    mdm_push_partition_t     *partitions;
    mdm_uint_t                npartitions;
    mdm_uint_t                batch;       /* leases of a round, */
    mdm_uint_t                most;        /* and of the exchange */
    mdm_uint_t                cursor;      /* the next one to be asked */
    mdm_push_partition_t     *asked[MDM_PUSH_LOOKS];
    mdm_uint_t                nasked;      /* in this round, behind … */
    mdm_uint_t                nstored;     /* … calls that store */

    mdm_push_lease_t         *leases;
    mdm_uint_t                nleases;
    mdm_uint_t                granted;     /* of them, to be sent */

    mdm_uint_t                room;        /* leases that the rate allows */

    mdm_push_wait_t           waits[MDM_PUSH_TOPICS];
    mdm_uint_t                nwaits;
    int64_t                   down;        /* ms until there may be a connection
                                              again, 0: none is missing */

    mdm_uint_t                total;       /* leases so far */
    mdm_uint_t                rounds;
    int64_t                   again;       /* ms until the rate, or a topic,
                                              allows more; 0: they do */
    unsigned                  away:1;      /* Redis is, for some of it */
    unsigned                  found:1;     /* and was there for some */
} mdm_push_sweep_t;

/*
 * Leases of a round.  The first ones show whether APNs is there: what is taken
 * in vain is given back, which costs as much as if it were sent.
 */
#define mdm_push_sweep_room(sw)                                               \
    (((sw)->total == 0 && (sw)->room > MDM_PUSH_LOOKS) ? MDM_PUSH_LOOKS       \
                                                       : (sw)->room)


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
static void mdm_push_sweep_choose(mdm_exchange_t *x, mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_ask(mdm_exchange_t *x, mdm_uint_t i,
    mdm_push_partition_t *partition, mdm_uint_t n);
static mdm_int_t mdm_push_sweep_taken(mdm_exchange_t *x,
    mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_rows(mdm_exchange_t *x, mdm_push_sweep_t *sw,
    mdm_push_partition_t *partition, const mdm_reply_t *reply);
static mdm_uint_t mdm_push_sweep_failed(mdm_exchange_t *x,
    mdm_push_sweep_t *sw, const mdm_call_t *call);
static mdm_uint_t mdm_push_sweep_grant(mdm_exchange_t *x,
    mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_granted(mdm_exchange_t *x,
    mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_send(mdm_exchange_t *x, mdm_push_sweep_t *sw);
static mdm_int_t mdm_push_sweep_sent(mdm_exchange_t *x, mdm_push_sweep_t *sw);
static mdm_push_wait_t *mdm_push_sweep_waits(mdm_push_sweep_t *sw,
    const mdm_str_t *topic);
static void mdm_push_sweep_recovered(mdm_push_sweep_t *sw);
static void mdm_push_sweep_wait(mdm_push_sweep_t *sw,
    const mdm_push_lease_t *lease);
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
    sw->batch = MDM_PUSH_BATCH;
    sw->most = MDM_PUSH_TOTAL;

    if (x->owed_tag.len != 0) {
        sw->npartitions = 1;
        sw->batch = sw->most = MDM_PUSH_FIRST;
    }

    sw->leases = mdm_arena_alloc(x->arena,
                                 sw->batch * sizeof(mdm_push_lease_t));

    if (sw->leases == NULL || mdm_push_sweep_tags(x, sw) != MDM_OK) {
        return MDM_ERROR;
    }

    x->ctx = sw;

    /* whoever comes after one that had to stop begins elsewhere */

    sw->cursor = (mdm_uint_t) x->now % sw->npartitions;
    sw->room = sw->batch;

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
    mdm_uint_t  i, n;

    mdm_push_sweep_choose(x, sw);

    sw->nstored = mdm_push_lease_ncalls(sw->leases, sw->nleases);

    if (sw->nstored + sw->nasked == 0) {
        return mdm_push_sweep_end(x, sw);
    }

    sw->rounds++;

    if (mdm_exchange_calls(x, sw->nstored + sw->nasked, MDM_PUSH_SWEEP_TAKEN)
        != MDM_CALL
        || mdm_push_lease_calls(x, 0, sw->leases, sw->nleases) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;
    sw->nleases = 0;

    n = 0;

    if (sw->nasked != 0 && sw->again == 0) {
        n = mdm_push_sweep_room(sw) / sw->nasked;
    }

    if (n > MDM_PUSH_CHANNELS) {
        n = MDM_PUSH_CHANNELS;
    }

    for (i = 0; i < sw->nasked; i++) {

        if (mdm_push_sweep_ask(x, sw->nstored + i, sw->asked[i], n)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


/*
 * The partitions that are asked in the next round, if it may be so.  Where
 * nothing can be sent now, each is asked once all the same: when is its next
 * push due?
 */

static void
mdm_push_sweep_choose(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    mdm_uint_t             k, n, most;
    mdm_push_partition_t  *partition;

    sw->nasked = 0;

    if (x->stop || sw->total >= sw->most || sw->rounds >= MDM_PUSH_ROUNDS) {
        return;
    }

    n = sw->npartitions;
    most = MDM_PUSH_LOOKS;

    if (sw->again == 0 && mdm_push_sweep_room(sw) < most) {
        most = mdm_push_sweep_room(sw);
    }

    for (k = 0; k < n && sw->nasked < most; k++) {
        partition = &sw->partitions[sw->cursor];
        sw->cursor = (sw->cursor + 1) % n;

        if (partition->due && !partition->asked) {
            sw->asked[sw->nasked++] = partition;
        }
    }

    if (sw->nasked != 0 || sw->again != 0) {
        return;
    }

    /* of those that have more, few are asked for much: that is fewer calls */

    most = (sw->room + MDM_PUSH_CHANNELS - 1) / MDM_PUSH_CHANNELS;

    for (k = 0; k < n && sw->nasked < most; k++) {
        partition = &sw->partitions[sw->cursor];
        sw->cursor = (sw->cursor + 1) % n;

        if (partition->due) {
            sw->asked[sw->nasked++] = partition;
        }
    }
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

        if (mdm_push_sweep_rows(x, sw, partition,
                                x->calls[sw->nstored + i].reply)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    sw->total += sw->nleases;

    if (sw->nleases == 0) {
        return mdm_push_sweep_look(x, sw);
    }

    sw->granted = x->stop ? 0 : sw->nleases;

    if (x->stop || x->settings->push_rate == 0) {
        return mdm_push_sweep_send(x, sw);
    }

    if (mdm_exchange_calls(x, 1, MDM_PUSH_SWEEP_GRANTED) != MDM_CALL
        || mdm_push_lease_grant(x, 0, sw->nleases) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    return MDM_CALL;
}


static mdm_int_t
mdm_push_sweep_rows(mdm_exchange_t *x, mdm_push_sweep_t *sw,
    mdm_push_partition_t *partition, const mdm_reply_t *reply)
{
    size_t             k;
    mdm_str_t          magic;
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

    for (k = MDM_RET_PUSH_TAKE_ROWS;
         mdm_reply_row(reply, k, MDM_NRET_PUSH_TAKE_ROWS)
         && sw->nleases < sw->batch;
         k += MDM_NRET_PUSH_TAKE_ROWS)
    {
        lease = &sw->leases[sw->nleases++];

        memset(lease, 0, sizeof(mdm_push_lease_t));

        lease->tag = partition->tag;
        lease->id = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_ID);
        lease->topic = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_TOPIC);
        lease->token = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_TOKEN);
        lease->stamp = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_STAMP);
        magic = mdm_reply_str(reply, k + MDM_RET_PUSH_TAKE_ROWS_MAGIC);

        if (mdm_push_lease_init(x, lease, &magic) != MDM_OK) {
            return MDM_ERROR;
        }

        /* when it is due next will be known once its outcome is stored */

        partition->due = 1;
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
                                            (int64_t) sw->batch);
    sw->again = 0;

    if (sw->room == 0) {
        sw->again = mdm_reply_count(reply, MDM_RET_PUSH_GRANT_WAIT,
                                    MDM_PUSH_LATEST);

        if (sw->again < MDM_PUSH_SOONEST) {
            sw->again = MDM_PUSH_SOONEST;
        }
    }

    return (mdm_uint_t) mdm_reply_count(reply, MDM_RET_PUSH_GRANT_GRANTED,
                                        (int64_t) sw->nleases);
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
    mdm_push_wait_t   *wait;
    mdm_push_lease_t  *lease;

    n = 0;

    for (i = 0; i < sw->nleases; i++) {
        lease = &sw->leases[i];

        if (lease->judged.word != NULL) {
            continue;
        }

        if (i >= sw->granted) {
            mdm_push_lease_back(lease, 0);
            continue;
        }

        wait = mdm_push_sweep_waits(sw, &lease->topic);

        if (wait != NULL) {
            mdm_push_lease_back(lease, wait->first);
            continue;
        }

        n++;
    }

    if (n == 0) {

        /* where a connection is missing, it is for all that would be taken */

        if (sw->again == 0) {
            sw->again = sw->down;
        }

        return mdm_push_sweep_look(x, sw);
    }

    if (mdm_exchange_calls(x, n, MDM_PUSH_SWEEP_SENT) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    n = 0;

    for (i = 0; i < sw->nleases; i++) {

        if (sw->leases[i].judged.word == NULL
            && mdm_push_lease_send(x, n++, &sw->leases[i], 0) != MDM_OK)
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
    mdm_push_lease_t  *lease;

    sent = 0;

    for (i = 0; i < sw->nleases; i++) {
        lease = &sw->leases[i];

        if (lease->push == NULL) {
            continue;
        }

        if (mdm_push_lease_judge(x, lease) != MDM_OK) {
            return MDM_ERROR;
        }

        if (lease->judged.waits) {
            mdm_push_sweep_wait(sw, lease);

        } else {
            sent++;
        }
    }

    if (sw->nwaits != 0) {
        mdm_push_sweep_recovered(sw);
    }

    if (sent == 0 && sw->again == 0) {
        sw->again = sw->down;
    }

    return mdm_push_sweep_look(x, sw);
}


/* one push of a topic was taken: it waits no more, nor do those beside it */

static void
mdm_push_sweep_recovered(mdm_push_sweep_t *sw)
{
    mdm_uint_t         i, k;
    mdm_push_wait_t   *wait;
    mdm_push_lease_t  *lease;

    for (i = 0; i < sw->nleases; i++) {
        lease = &sw->leases[i];

        if (lease->push == NULL
            || mdm_push_outcome(lease->push) != MDM_PUSH_VERDICT_TAKEN)
        {
            continue;
        }

        wait = mdm_push_sweep_waits(sw, &lease->topic);

        if (wait != NULL) {
            wait->taken = 1;
        }
    }

    for (i = 0; i < sw->nleases; i++) {
        lease = &sw->leases[i];

        if (lease->push == NULL || !lease->judged.waits) {
            continue;
        }

        wait = mdm_push_sweep_waits(sw, &lease->topic);

        if (wait != NULL && wait->taken) {
            mdm_push_lease_back(lease, 0);
        }
    }

    for (i = 0, k = 0; i < sw->nwaits; i++) {

        if (!sw->waits[i].taken) {
            sw->waits[k++] = sw->waits[i];
        }
    }

    sw->nwaits = k;
}


static mdm_push_wait_t *
mdm_push_sweep_waits(mdm_push_sweep_t *sw, const mdm_str_t *topic)
{
    mdm_uint_t  i;

    for (i = 0; i < sw->nwaits; i++) {

        if (mdm_str_eq(&sw->waits[i].topic, topic)) {
            return &sw->waits[i];
        }
    }

    return NULL;
}


static void
mdm_push_sweep_wait(mdm_push_sweep_t *sw, const mdm_push_lease_t *lease)
{
    int64_t           first;
    mdm_push_wait_t  *wait;

    first = lease->judged.first;

    if (first < MDM_PUSH_SOONEST) {
        first = MDM_PUSH_SOONEST;
    }

    switch (lease->push->outcome) {

    /* of this topic alone: pushes of others go on */

    case MDM_PUSH_NO_CERTIFICATE:
    case MDM_PUSH_EXPIRED:
    case MDM_PUSH_REFUSED:
        break;

    default:
        if (sw->down == 0 || first < sw->down) {
            sw->down = first;
        }
    }

    if (sw->nwaits == MDM_PUSH_TOPICS
        || mdm_push_sweep_waits(sw, &lease->topic) != NULL)
    {
        return;
    }

    wait = &sw->waits[sw->nwaits++];

    wait->topic = lease->topic;
    wait->first = first;
    wait->taken = 0;
}


/* when is the next look? */

static mdm_int_t
mdm_push_sweep_end(mdm_exchange_t *x, mdm_push_sweep_t *sw)
{
    int64_t                soonest;
    mdm_uint_t             i, n, more;
    mdm_push_partition_t  *partition;

    if (sw->away && !sw->found) {
        return mdm_exchange_unavailable(x);
    }

    more = x->stop;
    n = sw->npartitions;

    x->again = sw->again;

    for (i = 0; i < n; i++) {
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
        soonest = (int64_t) ((double) n / MDM_PUSH_LOOK_RATE);

        if (soonest < MDM_PUSH_SOONEST) {
            soonest = MDM_PUSH_SOONEST;
        }

        if (x->again < soonest) {
            x->again = soonest;

        } else if (x->again > MDM_PUSH_LATEST) {
            x->again = MDM_PUSH_LATEST;
        }
    }

    return mdm_exchange_empty(x, 200);
}
