
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Topics that take no pushes at present.
 */


#include "mdm_push_wait.h"


mdm_push_wait_t *
mdm_push_waits_find(mdm_push_waits_t *waits, const mdm_str_t *topic)
{
    mdm_uint_t  i;

    for (i = 0; i < waits->n; i++) {

        if (mdm_str_eq(&waits->topics[i].topic, topic)) {
            return &waits->topics[i];
        }
    }

    return NULL;
}


void
mdm_push_waits_add(mdm_push_waits_t *waits, const mdm_push_lease_t *lease)
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
        if (waits->down == 0 || first < waits->down) {
            waits->down = first;
        }
    }

    if (waits->n == MDM_PUSH_TOPICS
        || mdm_push_waits_find(waits, &lease->topic) != NULL)
    {
        return;
    }

    wait = &waits->topics[waits->n++];

    wait->topic = lease->topic;
    wait->first = first;
    wait->taken = 0;
}


mdm_uint_t
mdm_push_waits_ready(mdm_push_waits_t *waits, mdm_push_lease_t *leases,
    mdm_uint_t n, mdm_uint_t granted)
{
    mdm_uint_t        i, ready;
    mdm_push_wait_t  *wait;

    ready = 0;

    for (i = 0; i < n; i++) {

        if (leases[i].judged.word != NULL) {
            continue;
        }

        if (i >= granted) {
            mdm_push_lease_back(&leases[i], 0);
            continue;
        }

        wait = mdm_push_waits_find(waits, &leases[i].topic);

        if (wait != NULL) {
            mdm_push_lease_back(&leases[i], wait->first);
            continue;
        }

        ready++;
    }

    return ready;
}


void
mdm_push_waits_end(mdm_push_waits_t *waits, mdm_push_lease_t *leases,
    mdm_uint_t n)
{
    mdm_uint_t        i, k;
    mdm_push_wait_t  *wait;

    for (i = 0; i < n; i++) {

        if (leases[i].push == NULL
            || mdm_push_outcome(leases[i].push) != MDM_PUSH_VERDICT_TAKEN)
        {
            continue;
        }

        wait = mdm_push_waits_find(waits, &leases[i].topic);

        if (wait != NULL) {
            wait->taken = 1;
        }
    }

    for (i = 0; i < n; i++) {

        if (leases[i].push == NULL || !leases[i].judged.waits) {
            continue;
        }

        wait = mdm_push_waits_find(waits, &leases[i].topic);

        if (wait != NULL && wait->taken) {
            mdm_push_lease_back(&leases[i], 0);
        }
    }

    for (i = 0, k = 0; i < waits->n; i++) {

        if (!waits->topics[i].taken) {
            waits->topics[k++] = waits->topics[i];
        }
    }

    waits->n = k;
}
