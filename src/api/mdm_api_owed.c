
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A call of the API that queues commands to a few channels wakes them itself:
 * what it has leased is sent, and what came of it stored.
 */


#include "mdm_api_owed.h"
#include "mdm_api_json.h"
#include "mdm_metrics.h"


/* of the script, see push_bar() */

#define MDM_API_OWED_LEASED   0
#define MDM_API_OWED_DISABLED 1
#define MDM_API_OWED_NO_TOKEN 2
#define MDM_API_OWED_DEAD     3
#define MDM_API_OWED_ERASED   4
#define MDM_API_OWED_JOINED   5
#define MDM_API_OWED_UNKNOWN  6


enum {
    MDM_API_OWED_BEGIN = 0,
    MDM_API_OWED_SENT,
    MDM_API_OWED_STORED
};


static mdm_int_t mdm_api_owed_step(mdm_exchange_t *x);
static mdm_int_t mdm_api_owed_row(mdm_exchange_t *x, mdm_api_owed_t *owed,
    const mdm_api_chunk_t *chunk, mdm_uint_t i, const mdm_reply_t *rows,
    size_t k);
static mdm_int_t mdm_api_owed_dead(mdm_exchange_t *x, mdm_api_owed_id_t *id,
    const mdm_str_t *dead);
static mdm_int_t mdm_api_owed_send(mdm_exchange_t *x, mdm_api_owed_t *owed);
static mdm_int_t mdm_api_owed_sent(mdm_exchange_t *x, mdm_api_owed_t *owed);
static mdm_int_t mdm_api_owed_store(mdm_exchange_t *x, mdm_api_owed_t *owed);
static mdm_int_t mdm_api_owed_outcomes(mdm_exchange_t *x,
    mdm_api_owed_t *owed);
static void mdm_api_owed_status(mdm_exchange_t *x,
    const mdm_push_lease_t *lease);
static mdm_uint_t mdm_api_owed_left(const mdm_push_lease_t *lease);


mdm_int_t
mdm_api_owed_init(mdm_exchange_t *x, mdm_api_owed_t *owed, mdm_api_ids_t *list)
{
    owed->wakes = (list->n <= x->settings->push_ids);
    owed->grants = (owed->wakes && x->settings->push_rate != 0);
    owed->list = list;
    owed->ids = mdm_arena_zalloc(x->arena, list->n
                                           * sizeof(mdm_api_owed_id_t));
    if (owed->wakes) {
        owed->leases = mdm_arena_zalloc(x->arena,
                                        list->n * sizeof(mdm_push_lease_t));
    }

    return (owed->ids != NULL && (!owed->wakes || owed->leases != NULL))
           ? MDM_OK : MDM_ERROR;
}


mdm_int_t
mdm_api_owed_rows(mdm_exchange_t *x, mdm_api_owed_t *owed,
    const mdm_api_chunk_t *chunk, const mdm_reply_t *rows)
{
    size_t   k;
    int64_t  i;

    for (k = 0;
         mdm_reply_row(rows, k, MDM_NRET_ENQUEUE_PUSHES);
         k += MDM_NRET_ENQUEUE_PUSHES)
    {
        i = mdm_reply_int(rows, k + MDM_RET_ENQUEUE_PUSHES_I, -1);

        if (i < 0 || i >= (int64_t) (chunk->n - chunk->done)) {
            continue;
        }

        if (mdm_api_owed_row(x, owed, chunk, chunk->done + (mdm_uint_t) i,
                             rows, k)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_owed_row(mdm_exchange_t *x, mdm_api_owed_t *owed,
    const mdm_api_chunk_t *chunk, mdm_uint_t i, const mdm_reply_t *rows,
    size_t k)
{
    mdm_str_t           topic, magic;
    mdm_push_lease_t   *lease;
    mdm_api_owed_id_t  *id;

    id = &owed->ids[chunk->ids[i] - owed->list->ids];
    topic = mdm_reply_str(rows, k + MDM_RET_ENQUEUE_PUSHES_TOPIC);

    switch (mdm_reply_int(rows, k + MDM_RET_ENQUEUE_PUSHES_BAR, -1)) {

    case MDM_API_OWED_LEASED:
        break;

    case MDM_API_OWED_NO_TOKEN:
        id->error = "no push token";
        return MDM_OK;

    case MDM_API_OWED_DEAD:
        return mdm_api_owed_dead(x, id, &topic);

    case MDM_API_OWED_JOINED:
        id->joined = 1;
        return MDM_OK;

    case MDM_API_OWED_UNKNOWN:
        id->error = MDM_API_NOT_ENROLLED;
        return MDM_OK;

    default: /* MDM_API_OWED_DISABLED, MDM_API_OWED_ERASED */
        id->error = "disabled";
        return MDM_OK;
    }

    if (!owed->wakes || owed->n == owed->list->n || id->lease != NULL) {
        return MDM_OK;
    }

    lease = &owed->leases[owed->n++];
    id->lease = lease;

    lease->tag = chunk->tag;
    lease->id = chunk->ids[i]->key;
    lease->topic = topic;
    lease->token = mdm_reply_str(rows, k + MDM_RET_ENQUEUE_PUSHES_TOKEN);
    lease->stamp = mdm_reply_str(rows, k + MDM_RET_ENQUEUE_PUSHES_STAMP);
    magic = mdm_reply_str(rows, k + MDM_RET_ENQUEUE_PUSHES_MAGIC);

    return mdm_push_lease_init(x, lease, &magic);
}


/* "time reason" */

static mdm_int_t
mdm_api_owed_dead(mdm_exchange_t *x, mdm_api_owed_id_t *id,
    const mdm_str_t *dead)
{
    mdm_str_t  reason, text;

    reason = *dead;

    while (reason.len != 0 && *reason.data != ' ') {
        reason.data++;
        reason.len--;
    }

    if (mdm_printf(x->arena, &text, "APNs:%.*s", mdm_fmt(&reason)) != MDM_OK) {
        return MDM_ERROR;
    }

    id->error = (const char *) text.data;

    return MDM_OK;
}


mdm_int_t
mdm_api_owed_grant(mdm_exchange_t *x, mdm_api_owed_t *owed, mdm_uint_t n,
    mdm_uint_t nids)
{
    return (owed->grants == 0 || mdm_push_lease_grant(x, n, nids) == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


mdm_uint_t
mdm_api_owed_granted(mdm_exchange_t *x, mdm_api_owed_t *owed)
{
    mdm_uint_t  n;

    n = x->ncalls - owed->grants;

    if (owed->grants != 0 && x->calls[n].rc == MDM_CALL_OK) {
        owed->granted += mdm_reply_count(x->calls[n].reply,
                                         MDM_RET_PUSH_GRANT_GRANTED,
                                         (int64_t) owed->list->n);
    }

    return n;
}


mdm_int_t
mdm_api_owed_wake(mdm_exchange_t *x, mdm_api_owed_t *owed, mdm_int_t state)
{
    if (owed->grants == 0) {
        owed->granted = (int64_t) owed->n;
    }

    return mdm_exchange_enter(x, mdm_api_owed_step, owed, state);
}


static mdm_int_t
mdm_api_owed_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_OWED_BEGIN:
        return mdm_api_owed_send(x, x->ctx);

    case MDM_API_OWED_SENT:
        return mdm_api_owed_sent(x, x->ctx);

    default: /* MDM_API_OWED_STORED */
        return mdm_exchange_leave(x);
    }
}


static mdm_int_t
mdm_api_owed_send(mdm_exchange_t *x, mdm_api_owed_t *owed)
{
    mdm_uint_t  i, n;

    n = 0;

    for (i = 0; i < owed->n; i++) {

        if (owed->leases[i].judged.word != NULL) {
            continue;
        }

        if ((int64_t) n >= owed->granted) {

            /* the rate does not allow it now: the job has it */

            mdm_push_lease_back(&owed->leases[i], 0);
            x->owed = 1;
            continue;
        }

        n++;
    }

    /* what comes of it is stored, even if nobody waits for the answer */

    x->lasting = 1;

    if (n == 0) {
        return mdm_api_owed_store(x, owed);
    }

    if (mdm_exchange_calls(x, n, MDM_API_OWED_SENT) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    n = 0;

    for (i = 0; i < owed->n; i++) {

        if (owed->leases[i].judged.word == NULL
            && mdm_push_lease_send(x, n++, &owed->leases[i],
                                   x->settings->push_wait)
               != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_owed_sent(mdm_exchange_t *x, mdm_api_owed_t *owed)
{
    mdm_uint_t  i;

    for (i = 0; i < owed->n; i++) {

        if (owed->leases[i].push != NULL
            && mdm_push_lease_judge(x, &owed->leases[i]) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return mdm_api_owed_store(x, owed);
}


static mdm_int_t
mdm_api_owed_store(mdm_exchange_t *x, mdm_api_owed_t *owed)
{
    mdm_uint_t  n;

    if (mdm_api_owed_outcomes(x, owed) != MDM_OK) {
        return MDM_ERROR;
    }

    n = mdm_push_lease_ncalls(owed->leases, owed->n);

    if (n == 0) {
        return mdm_exchange_leave(x);
    }

    /* one that fails is pushed again, when its lease is over */

    if (mdm_exchange_calls(x, n, MDM_API_OWED_STORED) != MDM_CALL
        || mdm_push_lease_calls(x, 0, owed->leases, owed->n) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    return MDM_CALL;
}


/* what the answer says */

static mdm_int_t
mdm_api_owed_outcomes(mdm_exchange_t *x, mdm_api_owed_t *owed)
{
    mdm_uint_t          i, left;
    mdm_push_lease_t   *lease;
    mdm_api_owed_id_t  *id;

    left = 0;

    for (i = 0; i < owed->list->n; i++) {
        id = &owed->ids[i];
        lease = id->lease;

        if (lease != NULL) {
            mdm_api_owed_status(x, lease);
            left += mdm_api_owed_left(lease);
        }

        if (lease != NULL && lease->push == NULL) {
            id->error = (lease->payload.len == 0)
                        ? (const char *) lease->judged.reason.data
                        : "not sent yet, it will be tried again: mdm_push_rate";

        } else if (lease != NULL
                   && mdm_push_outcome(lease->push) != MDM_PUSH_VERDICT_TAKEN)
        {
            id->error = mdm_push_error(x->arena, lease->push);

            if (id->error == NULL) {
                return MDM_ERROR;
            }
        }

        owed->failed += (id->error != NULL);
    }

    return mdm_api_owed_note(x, left);
}


/* for the log: the first one that APNs has not taken, or that all were */

static void
mdm_api_owed_status(mdm_exchange_t *x, const mdm_push_lease_t *lease)
{
    if (lease->push == NULL
        || (x->push_status.len != 0 && !mdm_str_is(&x->push_status, "taken")))
    {
        return;
    }

    if (lease->push->outcome == MDM_PUSH_PENDING) {
        mdm_str_set(&x->push_status, "pending");
        return;
    }

    x->push_status = mdm_metrics_value(MDM_METRICS_LIST_OUTCOMES,
                                       mdm_metrics_push(lease->push->outcome,
                                                        lease->push->status));
}


/* 1: a push is owed still */

static mdm_uint_t
mdm_api_owed_left(const mdm_push_lease_t *lease)
{
    const char  *word;

    word = lease->judged.word;

    return word == NULL
           || (strcmp(word, "taken") != 0 && strcmp(word, "never") != 0
               && strcmp(word, "dead") != 0);
}


mdm_int_t
mdm_api_owed_note(mdm_exchange_t *x, mdm_uint_t n)
{
    return mdm_printf(x->arena, &x->push_owed, "%lu", (unsigned long) n);
}


mdm_uint_t
mdm_api_owed_has(const mdm_api_owed_t *owed, mdm_uint_t i)
{
    const mdm_api_owed_id_t  *id;

    if (owed->ids == NULL) {
        return 0;
    }

    id = &owed->ids[i];

    return id->error != NULL || id->joined || id->lease != NULL;
}


void
mdm_api_owed_json(mdm_json_out_t *j, const mdm_api_owed_t *owed, mdm_uint_t i)
{
    const mdm_api_owed_id_t  *id;

    if (!mdm_api_owed_has(owed, i)) {
        return;
    }

    id = &owed->ids[i];

    if (id->error != NULL) {
        mdm_json_text(j, "push_error", id->error);

    } else if (id->joined) {
        mdm_json_bool(j, "push_joined", 1);

    } else {
        mdm_json_str(j, "push_result", &id->lease->push->apns_id);
    }
}
