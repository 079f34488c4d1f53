
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET, POST /v1/push/ID[,ID…]: wakes channels, whatever their queues hold.
 */


#include "mdm_api.h"
#include "mdm_api_ids.h"
#include "mdm_api_json.h"
#include "mdm_push.h"


#define MDM_API_PUSH_IDS      100          /* a call */

/* of the script */

#define MDM_API_PUSH_NOT_ENROLLED  0
#define MDM_API_PUSH_FOUND         1
#define MDM_API_PUSH_DISABLED      2
#define MDM_API_PUSH_NO_TOKEN      3


/* a channel that can be pushed to */

typedef struct {
    mdm_api_id_t             *id;
    mdm_str_t                 topic;
    mdm_str_t                 token;
    mdm_str_t                 payload;
    mdm_push_t               *push;
} mdm_api_push_channel_t;


typedef struct {
    mdm_api_ids_t             list;
    mdm_uint_t                next;        /* chunk */
    mdm_api_push_channel_t   *channels;
    mdm_uint_t                n;
} mdm_api_push_t;


enum {
    MDM_API_PUSH_BEGIN = 0,
    MDM_API_PUSH_READ,
    MDM_API_PUSH_SENT
};


static mdm_int_t mdm_api_push_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_push_off(mdm_exchange_t *x, mdm_api_push_t *p);
static mdm_int_t mdm_api_push_read(mdm_exchange_t *x, mdm_api_push_t *p);
static mdm_int_t mdm_api_push_replies(mdm_exchange_t *x, mdm_api_push_t *p);
static mdm_int_t mdm_api_push_channels(mdm_exchange_t *x, mdm_api_push_t *p,
    mdm_api_chunk_t *chunk, const mdm_reply_t *reply);
static mdm_int_t mdm_api_push_channel(mdm_exchange_t *x, mdm_api_push_t *p,
    mdm_api_chunk_t *chunk, mdm_uint_t i, const mdm_reply_t *reply, size_t k);
static mdm_int_t mdm_api_push_send(mdm_exchange_t *x, mdm_api_push_t *p);
static mdm_int_t mdm_api_push_outcomes(mdm_exchange_t *x, mdm_api_push_t *p);
static mdm_int_t mdm_api_push_result(mdm_exchange_t *x, mdm_api_push_t *p);


mdm_int_t
mdm_api_push_step(mdm_exchange_t *x)
{
    mdm_int_t        rc;
    mdm_api_push_t  *p;

    p = x->ctx;

    switch (x->state) {

    case MDM_API_PUSH_BEGIN:
        return mdm_api_push_begin(x);

    case MDM_API_PUSH_READ:
        rc = mdm_api_push_replies(x, p);

        return (rc == MDM_OK) ? mdm_api_push_read(x, p) : rc;

    default: /* MDM_API_PUSH_SENT */
        return mdm_api_push_outcomes(x, p);
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

    p->channels = mdm_arena_zalloc(x->arena, p->list.n
                                             * sizeof(mdm_api_push_channel_t));

    if (p->channels == NULL
        || mdm_api_ids_group(x, &p->list, MDM_API_PUSH_IDS) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_api_push_read(x, p);
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

    return mdm_api_push_result(x, p);
}


/* what Redis knows of the channels, and then the pushes */

static mdm_int_t
mdm_api_push_read(mdm_exchange_t *x, mdm_api_push_t *p)
{
    mdm_str_t        *args;
    mdm_uint_t        i, k, n;
    mdm_api_chunk_t  *chunk;

    n = p->list.nchunks - p->next;

    if (n == 0) {
        return mdm_api_push_send(x, p);
    }

    if (n > MDM_API_ROUND) {
        n = MDM_API_ROUND;
    }

    if (mdm_exchange_calls(x, n, MDM_API_PUSH_READ) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    for (i = 0; i < n; i++) {
        chunk = &p->list.chunks[p->next++];

        args = mdm_exchange_call(x, i, &mdm_script_push_get, &chunk->tag,
                                 chunk->n);
        if (args == NULL) {
            return MDM_ERROR;
        }

        for (k = 0; k < chunk->n; k++) {
            args[MDM_ARG_PUSH_GET_IDS + k] = chunk->ids[k]->key;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_push_replies(mdm_exchange_t *x, mdm_api_push_t *p)
{
    mdm_uint_t        i;
    mdm_api_chunk_t  *chunk;

    for (i = 0; i < x->ncalls; i++) {
        chunk = &p->list.chunks[p->next - x->ncalls + i];

        if (mdm_api_ids_call(x, &p->list, chunk, &x->calls[i]) != MDM_OK) {
            continue;
        }

        if (mdm_api_push_channels(x, p, chunk, x->calls[i].reply) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_push_channels(mdm_exchange_t *x, mdm_api_push_t *p,
    mdm_api_chunk_t *chunk, const mdm_reply_t *reply)
{
    size_t      k;
    mdm_uint_t  i;

    for (i = 0; i < chunk->n; i++) {
        k = i * MDM_NRET_PUSH_GET_CHANNELS;

        if (!mdm_reply_row(reply, k, MDM_NRET_PUSH_GET_CHANNELS)) {
            mdm_api_ids_fail(&p->list, chunk, i, MDM_API_FAILED);
            continue;
        }

        if (mdm_api_push_channel(x, p, chunk, i, reply, k) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_push_channel(mdm_exchange_t *x, mdm_api_push_t *p,
    mdm_api_chunk_t *chunk, mdm_uint_t i, const mdm_reply_t *reply, size_t k)
{
    mdm_int_t                rc;
    mdm_str_t                magic;
    const char              *error;
    mdm_api_push_channel_t  *c;

    c = &p->channels[p->n];

    switch (mdm_reply_int(reply, k + MDM_RET_PUSH_GET_CHANNELS_CODE, -1)) {

    case MDM_API_PUSH_FOUND:
        break;

    case MDM_API_PUSH_NOT_ENROLLED:
        mdm_api_ids_fail(&p->list, chunk, i, MDM_API_NOT_ENROLLED);
        return MDM_OK;

    case MDM_API_PUSH_DISABLED:
        mdm_api_ids_fail(&p->list, chunk, i, "disabled");
        return MDM_OK;

    case MDM_API_PUSH_NO_TOKEN:
        mdm_api_ids_fail(&p->list, chunk, i, "no push token");
        return MDM_OK;

    default:
        mdm_api_ids_fail(&p->list, chunk, i, MDM_API_FAILED);
        return MDM_OK;
    }

    c->id = chunk->ids[i];
    c->topic = mdm_reply_str(reply, k + MDM_RET_PUSH_GET_CHANNELS_TOPIC);
    c->token = mdm_reply_str(reply, k + MDM_RET_PUSH_GET_CHANNELS_TOKEN);
    magic = mdm_reply_str(reply, k + MDM_RET_PUSH_GET_CHANNELS_MAGIC);

    error = NULL;

    if (c->token.len == 0 || c->token.len > MDM_PUSH_TOKEN) {
        error = "the push token is empty or longer than 128 bytes";

    } else {
        rc = mdm_push_payload(x->arena, &c->payload, &magic);

        if (rc == MDM_ERROR) {
            return MDM_ERROR;
        }

        if (rc != MDM_OK) {
            error = "the PushMagic is no UTF-8, or too long";
        }
    }

    if (error != NULL) {
        mdm_api_ids_fail(&p->list, chunk, i, error);
        return MDM_OK;
    }

    p->n++;

    return MDM_OK;
}


static mdm_int_t
mdm_api_push_send(mdm_exchange_t *x, mdm_api_push_t *p)
{
    mdm_uint_t               i;
    mdm_push_t              *push;
    mdm_api_push_channel_t  *c;

    if (p->n == 0) {
        return mdm_api_push_result(x, p);
    }

    if (mdm_exchange_calls(x, p->n, MDM_API_PUSH_SENT) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    for (i = 0; i < p->n; i++) {
        c = &p->channels[i];

        push = mdm_exchange_push(x, i);

        if (push == NULL || mdm_push_id(x->arena, &push->apns_id) != MDM_OK) {
            return MDM_ERROR;
        }

        push->topic = c->topic;
        push->token = c->token;
        push->payload = c->payload;
        push->expiration = mdm_push_expiration(x);
        push->wait = x->settings->push_wait;

        c->push = push;
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_push_outcomes(mdm_exchange_t *x, mdm_api_push_t *p)
{
    mdm_uint_t               i;
    mdm_api_push_channel_t  *c;

    for (i = 0; i < p->n; i++) {
        c = &p->channels[i];

        if (x->calls[i].rc != MDM_CALL_OK) {
            c->id->error = MDM_API_FAILED;

        } else if (mdm_push_outcome(c->push) != MDM_PUSH_VERDICT_TAKEN) {

            c->id->error = mdm_push_error(x->arena, c->push);

            if (c->id->error == NULL) {
                return MDM_ERROR;
            }

        } else {
            continue;
        }

        p->list.failed++;
    }

    return mdm_api_push_result(x, p);
}


static mdm_int_t
mdm_api_push_result(mdm_exchange_t *x, mdm_api_push_t *p)
{
    mdm_uint_t               i, status;
    mdm_api_id_t            *id;
    mdm_json_out_t           j;
    mdm_api_push_channel_t  *c;

    status = mdm_api_ids_status(&p->list);

    if (status == 503) {
        return mdm_exchange_unavailable(x);
    }

    mdm_json_init(&j, x->arena, 64 + 128 * p->list.n);
    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "status", '{');

    for (i = 0; i < p->list.n; i++) {
        id = &p->list.ids[i];

        if (id->error != NULL) {
            mdm_json_key(&j, &id->name);
            mdm_json_open(&j, NULL, '{');
            mdm_json_text(&j, "push_error", id->error);
            mdm_json_close(&j, '}');
        }
    }

    for (i = 0; i < p->n; i++) {
        c = &p->channels[i];

        if (c->id->error == NULL) {
            mdm_json_key(&j, &c->id->name);
            mdm_json_open(&j, NULL, '{');
            mdm_json_str(&j, "push_result", &c->push->apns_id);
            mdm_json_close(&j, '}');
        }
    }

    mdm_json_close(&j, '}');
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, status);
}
