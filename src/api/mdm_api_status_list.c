
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads what channels reported, in slices, and answers by pages.
 */


#include <stdlib.h>

#include "mdm_api_status_list.h"
#include "mdm_api_status_manifest.h"
#include "mdm_key.h"
#include "mdm_number.h"


#define MDM_API_STATUS_CHUNK      20       /* ids a call */
#define MDM_API_STATUS_WIDTH      64       /* ids a round, at first, */
#define MDM_API_STATUS_WIDTH_MAX  1024     /* and at most */

/* manifests a round, of which a call brings 256 kB or a little more */
#define MDM_API_STATUS_MANIFESTS  16

/* a round of less than this may be wider, one of more is narrower */
#define MDM_API_STATUS_LITTLE     ((size_t) 512 * 1024)
#define MDM_API_STATUS_MUCH       ((size_t) 2 * 1024 * 1024)

/* bytes that a request reads, but for the last id */
#define MDM_API_STATUS_READ       ((size_t) 32 * 1024 * 1024)

/* rounds of an id, at most: a reply may say that there is always more */
#define MDM_API_STATUS_ROUNDS     10000


/* a call of a round: for ids, or for a manifest */

typedef struct {
    uint32_t                  partition;
    mdm_uint_t                ids[MDM_API_STATUS_CHUNK];
    mdm_uint_t                n;
    mdm_api_status_manifest_t  *manifest;
} mdm_api_status_call_t;


static mdm_int_t mdm_api_status_page(mdm_exchange_t *x,
    mdm_api_status_list_t *list);
static mdm_uint_t mdm_api_status_place(mdm_api_status_list_t *list,
    mdm_api_status_call_t *calls, mdm_uint_t n, mdm_uint_t i);
static mdm_int_t mdm_api_status_send(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);
static mdm_int_t mdm_api_status_take(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);
static mdm_int_t mdm_api_status_want(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);
static mdm_int_t mdm_api_status_written(mdm_exchange_t *x,
    mdm_api_status_list_t *list);
static mdm_api_status_manifest_t **mdm_api_status_manifest(
    mdm_api_status_list_t *list, uint32_t partition, const mdm_str_t *token);
static mdm_int_t mdm_api_status_answer(mdm_exchange_t *x,
    mdm_api_status_list_t *list);


mdm_int_t
mdm_api_status_start(mdm_exchange_t *x, const char *what,
    const mdm_str_t *id, mdm_api_status_write_pt write,
    mdm_api_status_list_t **plist)
{
    mdm_int_t               rc;
    mdm_uint_t              i;
    mdm_api_status_list_t  *list;

    list = mdm_arena_zalloc(x->arena, sizeof(mdm_api_status_list_t));
    if (list == NULL) {
        return MDM_ERROR;
    }

    x->ctx = list;
    *plist = list;

    list->write = write;
    list->width = MDM_API_STATUS_WIDTH;
    list->args[MDM_ARG_STATUS_GET_WHAT].data = (u_char *) (uintptr_t) what;
    list->args[MDM_ARG_STATUS_GET_WHAT].len = strlen(what);

    if (id == NULL) {
        rc = mdm_api_ids_read(x, 0, &list->ids);

    } else {
        rc = mdm_api_ids_init(x, &list->ids, 1);

        if (rc == MDM_OK) {
            rc = mdm_api_ids_add(x, &list->ids, id);
        }
    }

    if (rc != MDM_OK) {
        return rc;
    }

    for (i = 0; i < list->ids.n; i++) {
        if (list->ids.ids[i].error != NULL) {
            return mdm_exchange_refuse(x, 400, "%s", list->ids.ids[i].error);
        }
    }

    list->ones = mdm_arena_zalloc(x->arena, list->ids.n
                                            * sizeof(mdm_api_status_one_t));
    if (list->ones == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < list->ids.n; i++) {
        list->ones[i].last = &list->ones[i].pieces;
    }

    mdm_json_init(&list->json, x->arena, 4096);

    return mdm_api_status_page(x, list);
}


/* a cursor is "index of the id,behind what of it" */

static mdm_int_t
mdm_api_status_page(mdm_exchange_t *x, mdm_api_status_list_t *list)
{
    mdm_int_t  rc;
    mdm_str_t  arg;

    rc = mdm_api_arg(x, "cursor", &arg);

    if (rc != MDM_OK || arg.len == 0) {
        return rc;
    }

    rc = mdm_api_cursor_place_read(x, &arg, list->ids.n, &list->first,
                                   &list->behind);

    list->front = list->first;

    return rc;
}


mdm_int_t
mdm_api_status_round(mdm_exchange_t *x, mdm_api_status_list_t *list)
{
    mdm_uint_t                  i, n, width, manifests;
    mdm_api_status_call_t      *calls;
    mdm_api_status_manifest_t  *m;

    calls = mdm_arena_zalloc(x->arena, MDM_API_ROUND
                                       * sizeof(mdm_api_status_call_t));
    if (calls == NULL) {
        return MDM_ERROR;
    }

    list->calls = calls;
    n = 0;
    width = list->width;

    manifests = 0;

    for (i = list->front;
         i < list->ids.n && width != 0 && n != MDM_API_ROUND;
         i++)
    {
        m = list->ones[i].manifest;

        if (!list->ones[i].done) {
            n = mdm_api_status_place(list, calls, n, i);

        } else if (m == NULL || m->read || m->round == list->rounds + 1) {
            continue;

        } else {

            /* what is behind would be read long before it is written */

            if (manifests++ == MDM_API_STATUS_MANIFESTS) {
                break;
            }

            m->round = list->rounds + 1;
            calls[n].partition = m->partition;
            calls[n++].manifest = m;
        }

        width--;
    }

    if (n == 0 || list->rounds++ == MDM_API_STATUS_ROUNDS + list->ids.n) {
        return mdm_exchange_odd(x, 0);
    }

    if (mdm_exchange_calls(x, n, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (mdm_api_status_send(x, list, i) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    /* what the rounds before have left to be written */

    x->heavy = (list->pending > MDM_EXCHANGE_LARGE);

    return MDM_CALL;
}


/*
 * Puts an id into a call of its partition; returns how many calls there are.
 * One that goes on where a call has ended has to be the first.
 */

static mdm_uint_t
mdm_api_status_place(mdm_api_status_list_t *list, mdm_api_status_call_t *calls,
    mdm_uint_t n, mdm_uint_t i)
{
    uint32_t    partition;
    mdm_uint_t  k;

    partition = list->ids.ids[i].partition;

    if (list->ones[i].cursor.len == 0) {

        for (k = n; k != 0; k--) {
            if (calls[k - 1].partition == partition
                && calls[k - 1].manifest == NULL)
            {
                break;
            }
        }

        if (k != 0 && calls[k - 1].n < MDM_API_STATUS_CHUNK) {
            calls[k - 1].ids[calls[k - 1].n++] = i;
            return n;
        }
    }

    calls[n].partition = partition;
    calls[n].ids[0] = i;
    calls[n].n = 1;

    return n + 1;
}


static mdm_int_t
mdm_api_status_send(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t i)
{
    mdm_str_t               tag, *args;
    mdm_uint_t              k;
    mdm_api_status_call_t  *call;

    call = list->calls;
    call += i;

    if (mdm_key_partition(x->arena, &tag, &x->tenant, call->partition)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_status_get, &tag,
                             (call->manifest != NULL) ? 1 : call->n);
    if (args == NULL) {
        return MDM_ERROR;
    }

    if (call->manifest != NULL) {
        mdm_str_set(&args[MDM_ARG_STATUS_GET_WHAT], "manifests");
        args[MDM_ARG_STATUS_GET_NAMES] = call->manifest->token;
        args[MDM_ARG_STATUS_GET_CURSOR] = call->manifest->cursor;

        return MDM_OK;
    }

    memcpy(args, list->args, sizeof(list->args));

    args[MDM_ARG_STATUS_GET_CURSOR] = list->ones[call->ids[0]].cursor;

    for (k = 0; k < call->n; k++) {
        args[MDM_ARG_STATUS_GET_NAMES + k] = list->ids.ids[call->ids[k]].key;
    }

    return MDM_OK;
}


mdm_int_t
mdm_api_status_replies(mdm_exchange_t *x)
{
    size_t                  bytes;
    mdm_int_t               rc;
    mdm_uint_t              i;
    mdm_api_status_list_t  *list;

    list = x->ctx;
    bytes = 0;

    for (i = 0; i < x->ncalls; i++) {
        bytes += x->calls[i].bytes;

        rc = mdm_api_status_take(x, list, i);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    list->read += bytes;
    list->pending += bytes;

    if (bytes < MDM_API_STATUS_LITTLE) {
        list->width *= (list->width < MDM_API_STATUS_WIDTH_MAX) ? 2 : 1;

    } else if (bytes > MDM_API_STATUS_MUCH) {
        list->width = (list->width + 3) / 4;
    }

    rc = mdm_api_status_written(x, list);
    if (rc != MDM_OK) {
        return rc;
    }

    if (list->full || list->front == list->ids.n) {
        return mdm_api_status_answer(x, list);
    }

    return mdm_api_status_round(x, list);
}


static mdm_int_t
mdm_api_status_take(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t i)
{
    mdm_int_t                rc;
    mdm_str_t                cursor;
    mdm_uint_t               k, n, done;
    const mdm_reply_t       *reply;
    mdm_api_status_one_t    *one;
    mdm_api_status_call_t   *call;
    mdm_api_status_piece_t  *piece;

    reply = x->calls[i].reply;

    call = list->calls;
    call += i;

    if (call->manifest != NULL) {
        rc = mdm_api_status_manifest_read(x, call->manifest, reply);

        return (rc == MDM_DECLINED) ? mdm_exchange_odd(x, i) : rc;
    }

    done = (mdm_uint_t) mdm_reply_count(reply, MDM_RET_STATUS_GET_DONE,
                                        (int64_t) call->n);
    cursor = mdm_reply_str(reply, MDM_RET_STATUS_GET_CURSOR);

    n = done + (done < call->n && cursor.len != 0);

    /* one that makes no progress */

    if (n == 0 || mdm_reply_size(reply) < MDM_RET_STATUS_GET_CHANNELS + n) {
        return mdm_exchange_odd(x, i);
    }

    for (k = 0; k < n; k++) {
        piece = mdm_arena_alloc(x->arena, sizeof(mdm_api_status_piece_t));
        if (piece == NULL) {
            return MDM_ERROR;
        }

        piece->reply = mdm_reply_at(reply, MDM_RET_STATUS_GET_CHANNELS + k);
        piece->next = NULL;

        one = &list->ones[call->ids[k]];
        *one->last = piece;
        one->last = &piece->next;
        one->done = (k < done);

        if (!one->done) {
            one->cursor = cursor;

        } else if (list->declarations
                   && mdm_api_status_want(x, list, call->ids[k]) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


/* the manifest of a channel that has reported declarations is to be read */

static mdm_int_t
mdm_api_status_want(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t i)
{
    mdm_str_t                   token, kept;
    mdm_uint_t                  k;
    const mdm_reply_t          *reply;
    mdm_api_status_manifest_t  *m, **place;

    reply = list->ones[i].pieces->reply;
    token = mdm_reply_str(reply, MDM_RET_STATUS_GET_DECLARATIONS_TOKEN);

    for (k = MDM_RET_STATUS_GET_DECLARATIONS_ACTIVATIONS;
         k < MDM_RET_STATUS_GET_DECLARATIONS_TOKEN;
         k++)
    {
        kept = mdm_reply_str(reply, k);

        if (kept.len != 0) {
            break;
        }
    }

    if (token.len == 0 || k == MDM_RET_STATUS_GET_DECLARATIONS_TOKEN) {
        return MDM_OK;
    }

    place = mdm_api_status_manifest(list, list->ids.ids[i].partition, &token);

    if (*place == NULL) {
        m = mdm_arena_zalloc(x->arena, sizeof(mdm_api_status_manifest_t));
        if (m == NULL) {
            return MDM_ERROR;
        }

        m->partition = list->ids.ids[i].partition;
        m->token = token;
        *place = m;
    }

    list->ones[i].manifest = *place;

    return MDM_OK;
}


/* writes the ids that were read, up to the first that was not */

static mdm_int_t
mdm_api_status_written(mdm_exchange_t *x, mdm_api_status_list_t *list)
{
    mdm_int_t                         rc;
    const mdm_api_status_manifest_t  *m;

    while (list->front < list->ids.n && list->ones[list->front].done) {

        m = list->ones[list->front].manifest;

        if (m != NULL && !m->read) {
            break;
        }

        if (mdm_api_status_full(list) && list->front != list->first) {
            list->full = 1;
            return MDM_OK;
        }

        if (!list->document && list->front == list->first) {
            mdm_json_open(&list->json, NULL, '{');
        }

        list->pending = 0;

        rc = list->write(x, list, list->front);

        if (rc == MDM_DECLINED) {
            list->full = 1;
            return MDM_OK;
        }

        if (rc != MDM_OK) {
            return rc;
        }

        list->front++;
        mdm_str_null(&list->behind);
    }

    if (list->read > MDM_API_STATUS_READ && list->front != list->first
        && list->front != list->ids.n)
    {
        list->full = 1;
    }

    return MDM_OK;
}


/* where the manifest of this token is, or is to be */

static mdm_api_status_manifest_t **
mdm_api_status_manifest(mdm_api_status_list_t *list, uint32_t partition,
    const mdm_str_t *token)
{
    size_t                       i;
    uint32_t                     hash;
    mdm_api_status_manifest_t  **m;

    hash = partition;

    for (i = 0; i < token->len; i++) {
        hash = hash * 31 + token->data[i];
    }

    m = &list->manifests[hash % MDM_API_STATUS_BUCKETS];

    while (*m != NULL
           && ((*m)->partition != partition
               || !mdm_str_eq(&(*m)->token, token)))
    {
        m = &(*m)->next;
    }

    return m;
}


static mdm_int_t
mdm_api_status_answer(mdm_exchange_t *x, mdm_api_status_list_t *list)
{
    mdm_str_t  cursor;

    if (list->full) {

        if (mdm_api_status_cursor(x, list, &cursor) != MDM_OK
            || mdm_exchange_header(x, MDM_API_STATUS_NEXT, &cursor) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    mdm_json_close(&list->json, '}');

    return mdm_api_json_answer(&list->json, x, 200);
}


mdm_uint_t
mdm_api_status_full(const mdm_api_status_list_t *list)
{
    return (size_t) (list->json.pos - list->json.start)
           >= MDM_API_STATUS_BYTES;
}


mdm_uint_t
mdm_api_status_skip(const mdm_api_status_list_t *list)
{
    int64_t  n;

    return (mdm_atoi(&list->behind, &n) == MDM_OK) ? (mdm_uint_t) n : 0;
}


mdm_int_t
mdm_api_status_skipped(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t n)
{
    return mdm_api_number(x, &list->behind, (int64_t) n);
}


mdm_int_t
mdm_api_status_cursor(mdm_exchange_t *x, const mdm_api_status_list_t *list,
    mdm_str_t *dst)
{
    return mdm_api_cursor_place_write(x, dst, list->front, &list->behind);
}
