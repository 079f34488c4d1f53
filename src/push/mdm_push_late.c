
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Stores what became of pushes that nobody waited for any more.
 */


#include "mdm_push_late.h"


/* leases that there is room for at first */
#define MDM_PUSH_LATE_FIRST   8


static mdm_int_t mdm_push_late_room(mdm_exchange_t *x, mdm_push_late_t *late);


mdm_int_t
mdm_push_late_add(mdm_exchange_t *x, mdm_push_late_t *late,
    const mdm_push_t *push)
{
    mdm_str_t          reason;
    mdm_push_lease_t  *lease;

    if (late->n == MDM_PUSH_LATE_MAX) {
        return MDM_DECLINED;
    }

    if (mdm_push_late_room(x, late) != MDM_OK) {
        return MDM_ERROR;
    }

    lease = &late->leases[late->n];

    memset(lease, 0, sizeof(mdm_push_lease_t));

    if (mdm_str_dup(x->arena, &lease->tag, &push->tag) != MDM_OK
        || mdm_str_dup(x->arena, &lease->id, &push->id) != MDM_OK
        || mdm_str_dup(x->arena, &lease->token, &push->token) != MDM_OK
        || mdm_str_dup(x->arena, &lease->stamp, &push->stamp) != MDM_OK
        || mdm_push_judge(x, push, &lease->judged) != MDM_OK)
    {
        return MDM_ERROR;
    }

    reason = lease->judged.reason;

    if (mdm_str_dup(x->arena, &lease->judged.reason, &reason) != MDM_OK) {
        return MDM_ERROR;
    }

    late->n++;

    return MDM_OK;
}


static mdm_int_t
mdm_push_late_room(mdm_exchange_t *x, mdm_push_late_t *late)
{
    mdm_uint_t         size;
    mdm_push_lease_t  *leases;

    if (late->n < late->size) {
        return MDM_OK;
    }

    size = (late->size == 0) ? MDM_PUSH_LATE_FIRST : late->size * 2;

    leases = mdm_arena_alloc(x->arena, size * sizeof(mdm_push_lease_t));
    if (leases == NULL) {
        return MDM_ERROR;
    }

    if (late->n != 0) {
        memcpy(leases, late->leases, late->n * sizeof(mdm_push_lease_t));
    }

    late->leases = leases;
    late->size = size;

    return MDM_OK;
}


mdm_int_t
mdm_push_late_step(mdm_exchange_t *x)
{
    mdm_uint_t         n;
    mdm_push_late_t   *late;
    mdm_push_lease_t  *leases;

    late = x->ctx;

    n = late->n - late->stored;

    if (n == 0) {
        return mdm_exchange_empty(x, 200);
    }

    if (n > MDM_PUSH_LATE_CALLS) {
        n = MDM_PUSH_LATE_CALLS;
    }

    leases = &late->leases[late->stored];
    late->stored += n;

    if (mdm_exchange_calls(x, mdm_push_lease_ncalls(leases, n), 0) != MDM_CALL
        || mdm_push_lease_calls(x, 0, leases, n) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    return MDM_CALL;
}
