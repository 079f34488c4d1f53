
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Which partitions of a tenant are asked next for pushes that are due.
 */


#include "mdm_push_look.h"


/*
 * Leases that show if APNs is there: what is taken in vain is given back, at
 * the cost of a push.
 */
#define MDM_PUSH_TRIES        32

/* rounds of one exchange */
#define MDM_PUSH_ROUNDS       1000

/*
 * A look costs Redis some 8 microseconds: looks at so many partitions a
 * millisecond take 1 % of it.
 */
#define MDM_PUSH_LOOK_RATE    1.25


static void mdm_push_look_find(mdm_push_sweep_t *sw, mdm_uint_t most,
    mdm_uint_t sending, mdm_uint_t again);


void
mdm_push_look_choose(mdm_exchange_t *x, mdm_push_sweep_t *sw,
    mdm_uint_t sending)
{
    mdm_uint_t  few, most, room;

    sw->nasked = 0;

    if (x->stop || sw->total >= sw->most || sw->rounds >= MDM_PUSH_ROUNDS) {
        return;
    }

    if (sw->again != 0 && sw->again <= mdm_push_look_soonest(sw)) {
        return;
    }

    most = MDM_PUSH_LOOKS;
    room = mdm_push_look_room(sw);

    /* rather few for some channels than many for one */

    few = ((room + MDM_PUSH_FIRST - 1) / MDM_PUSH_FIRST) << 2 * sw->wider;

    if (few > room) {
        few = room;
    }

    /* where little may be sent, many are only asked if they have anything */

    if (sw->again == 0 && few < most && sw->wider < MDM_PUSH_WIDER) {
        most = few;
    }

    mdm_push_look_find(sw, most, sending, 0);

    if (sw->nasked != 0 || sw->again != 0) {
        return;
    }

    /* of those that have more, few are asked for much: that is fewer calls */

    most = (sw->room + MDM_PUSH_CHANNELS - 1) / MDM_PUSH_CHANNELS;

    mdm_push_look_find(sw, most, sending, 1);
}


mdm_uint_t
mdm_push_look_room(const mdm_push_sweep_t *sw)
{
    mdm_uint_t  tries;

    tries = MDM_PUSH_TRIES;
    tries <<= 2 * sw->wider;

    return (sw->total == 0 && tries < sw->room) ? tries : sw->room;
}


int64_t
mdm_push_look_soonest(const mdm_push_sweep_t *sw)
{
    int64_t  soonest;

    soonest = (int64_t) ((double) sw->npartitions / MDM_PUSH_LOOK_RATE);

    return (soonest < MDM_PUSH_SOONEST) ? MDM_PUSH_SOONEST : soonest;
}


/* the next partitions to be asked, for the first time or again */

static void
mdm_push_look_find(mdm_push_sweep_t *sw, mdm_uint_t most, mdm_uint_t sending,
    mdm_uint_t again)
{
    mdm_uint_t             k;
    mdm_push_partition_t  *partition;

    for (k = 0; k < sw->npartitions && sw->nasked < most; k++) {
        partition = &sw->partitions[sw->cursor];
        sw->cursor = (sw->cursor + 1) % sw->npartitions;

        if (!partition->due || (partition->asked && !again)) {
            continue;
        }

        /* all that was due there is under way */

        if (sending && partition->batch == sw->nbatch
            && partition->next != 0)
        {
            continue;
        }

        sw->asked[sw->nasked++] = partition;
    }
}
