
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET, POST /v1/push/ID[,ID…]: wakes channels, whatever their queues hold.
 */


#include "mdm_api.h"
#include "mdm_api_ids.h"
#include "mdm_api_json.h"
#include "mdm_api_owed.h"


typedef struct {
    mdm_api_ids_t             list;
    mdm_uint_t                next;        /* chunk */
    mdm_api_owed_t            owed;
    mdm_uint_t                asked;       /* those that the job sends */
} mdm_api_push_t;


enum {
    MDM_API_PUSH_BEGIN = 0,
    MDM_API_PUSH_ASKED,
    MDM_API_PUSH_WOKEN
};


static mdm_int_t mdm_api_push_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_push_off(mdm_exchange_t *x, mdm_api_push_t *p);
static mdm_int_t mdm_api_push_round(mdm_exchange_t *x, mdm_api_push_t *p);
static mdm_int_t mdm_api_push_replies(mdm_exchange_t *x, mdm_api_push_t *p);
static mdm_int_t mdm_api_push_wake(mdm_exchange_t *x, mdm_api_push_t *p);
static mdm_int_t mdm_api_push_answer(mdm_exchange_t *x, mdm_api_push_t *p);
static void mdm_api_push_status(mdm_json_out_t *j, const mdm_api_push_t *p,
    mdm_uint_t i);


mdm_int_t
mdm_api_push_step(mdm_exchange_t *x)
{
    mdm_api_push_t  *p;

    p = x->ctx;

    switch (x->state) {

    case MDM_API_PUSH_BEGIN:
        return mdm_api_push_begin(x);

    case MDM_API_PUSH_ASKED:
        return mdm_api_push_replies(x, p);

    default: /* MDM_API_PUSH_WOKEN */
        return mdm_api_push_answer(x, p);
    }
}


static mdm_int_t
mdm_api_push_begin(mdm_exchange_t *x)
{
    mdm_int_t        rc;
    mdm_api_push_t  *p;

    p = mdm_arena_zalloc(x->arena, sizeof(mdm_api_push_t));
    if (p == NULL) {
        return MDM_ERROR;
    }

    x->ctx = p;

    rc = mdm_api_ids_read(x, 0, &p->list);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!x->settings->push) {
        return mdm_api_push_off(x, p);
    }

    if (mdm_api_owed_init(x, &p->owed, &p->list) != MDM_OK
        || mdm_api_ids_group(x, &p->list, MDM_PUSH_CHANNELS) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_api_push_round(x, p);
}


static mdm_int_t
mdm_api_push_off(mdm_exchange_t *x, mdm_api_push_t *p)
{
    mdm_uint_t  i;

    for (i = 0; i < p->list.n; i++) {

        if (p->list.ids[i].error == NULL) {
            p->list.ids[i].error = "push is off";
            p->list.failed++;
        }
    }

    return mdm_api_push_answer(x, p);
}


static mdm_int_t
mdm_api_push_round(mdm_exchange_t *x, mdm_api_push_t *p)
{
    mdm_str_t        *args;
    mdm_uint_t        i, k, n, nids;
    mdm_api_chunk_t  *chunk;

    n = p->list.nchunks - p->next;

    if (n == 0) {
        return mdm_api_push_wake(x, p);
    }

    if (n > MDM_API_ROUND) {
        n = MDM_API_ROUND;
    }

    if (mdm_exchange_calls(x, n + p->owed.grants, MDM_API_PUSH_ASKED)
        != MDM_CALL)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    nids = 0;

    for (i = 0; i < n; i++) {
        chunk = &p->list.chunks[p->next++];

        args = mdm_exchange_call(x, i, &mdm_script_push_ask, &chunk->tag,
                                 chunk->n);
        if (args == NULL) {
            return MDM_ERROR;
        }

        if (p->owed.wakes) {
            mdm_str_set(&args[MDM_ARG_PUSH_ASK_LEASE], MDM_PUSH_LEASE);
        }

        for (k = 0; k < chunk->n; k++) {
            args[MDM_ARG_PUSH_ASK_IDS + k] = chunk->ids[k]->key;
        }

        nids += chunk->n;
    }

    return mdm_api_owed_grant(x, &p->owed, n, nids);
}


static mdm_int_t
mdm_api_push_replies(mdm_exchange_t *x, mdm_api_push_t *p)
{
    mdm_uint_t        i, k, n;
    mdm_api_chunk_t  *chunk;

    n = mdm_api_owed_granted(x, &p->owed);

    for (i = 0; i < n; i++) {
        chunk = &p->list.chunks[p->next - n + i];

        if (mdm_api_ids_call(x, &p->list, chunk, &x->calls[i]) != MDM_OK) {
            continue;
        }

        if (mdm_api_owed_rows(x, &p->owed, chunk, x->calls[i].reply)
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        for (k = 0; k < chunk->n; k++) {

            if (!mdm_api_owed_has(&p->owed, (mdm_uint_t) (chunk->ids[k]
                                                          - p->list.ids)))
            {
                mdm_api_ids_fail(&p->list, chunk, k, MDM_API_FAILED);
            }
        }
    }

    return mdm_api_push_round(x, p);
}


static mdm_int_t
mdm_api_push_wake(mdm_exchange_t *x, mdm_api_push_t *p)
{
    mdm_uint_t  i;

    if (p->owed.wakes) {
        return mdm_api_owed_wake(x, &p->owed, MDM_API_PUSH_WOKEN);
    }

    /* too many to wait for: the job has them, at once */

    for (i = 0; i < p->list.n; i++) {
        p->asked += p->owed.ids[i].joined;
        p->owed.ids[i].joined = 0;
    }

    x->owed = (p->asked != 0);

    return mdm_api_push_answer(x, p);
}


static mdm_int_t
mdm_api_push_answer(mdm_exchange_t *x, mdm_api_push_t *p)
{
    mdm_uint_t      i, status;
    mdm_json_out_t  j;

    /* here a push is all that could be done */

    for (i = 0; i < p->list.n && p->owed.ids != NULL; i++) {

        if (p->list.ids[i].error == NULL && p->owed.ids[i].error != NULL) {
            p->list.ids[i].error = p->owed.ids[i].error;
            p->list.failed++;
        }
    }

    status = mdm_api_ids_status(&p->list);

    if (status == 503) {
        return mdm_exchange_unavailable(x);
    }

    mdm_json_init(&j, x->arena, 64 + 128 * (p->list.failed + p->owed.n));
    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "status", '{');

    for (i = 0; i < p->list.n; i++) {
        mdm_api_push_status(&j, p, i);
    }

    mdm_json_close(&j, '}');

    if (p->asked != 0) {
        mdm_json_int(&j, "push_owed", (int64_t) p->asked);

        if (mdm_api_owed_note(x, p->asked) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, status);
}


static void
mdm_api_push_status(mdm_json_out_t *j, const mdm_api_push_t *p, mdm_uint_t i)
{
    const mdm_api_id_t  *id;

    id = &p->list.ids[i];

    if (id->error == NULL && !mdm_api_owed_has(&p->owed, i)) {
        return;
    }

    mdm_json_key(j, &id->name);
    mdm_json_open(j, NULL, '{');

    if (id->error != NULL) {
        mdm_json_text(j, "push_error", id->error);

    } else {
        mdm_api_owed_json(j, &p->owed, i);
    }

    mdm_json_close(j, '}');
}
