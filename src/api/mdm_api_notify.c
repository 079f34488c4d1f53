
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST /v1/notify?declaration=&set=&id=: who has these declarations or sets,
 * or is named, is told, changed or not.
 */


#include "mdm_api.h"
#include "mdm_api_ddm.h"
#include "mdm_api_ids.h"
#include "mdm_ddm_declaration.h"
#include "mdm_ddm_rollout.h"
#include "mdm_ddm_token.h"
#include "mdm_key.h"


/*
 * Names in one call; those that a script looks up, and sets that it finds;
 * sets, and channels, that it tells.
 */
#define MDM_API_NOTIFY         1000
#define MDM_API_NOTIFY_NAMES   100
#define MDM_API_NOTIFY_BUDGET  "1000"
#define MDM_API_NOTIFY_SETS    200
#define MDM_API_NOTIFY_IDS     50


enum {
    MDM_API_NOTIFY_BEGIN = 0,
    MDM_API_NOTIFY_FOUND,
    MDM_API_NOTIFY_FORCED,
    MDM_API_NOTIFY_TOLD
};


typedef struct {
    mdm_str_t                *sets;        /* key forms */
    mdm_uint_t                nsets;
    mdm_str_t                *declarations;
    mdm_uint_t                ndeclarations;
    mdm_uint_t                asked;       /* of all these */
    mdm_str_t                *all;         /* each once, sorted: the sets, and
                                              those with the declarations */
    mdm_uint_t                nall;
    mdm_uint_t                room;
    mdm_uint_t                told;        /* of them */
    mdm_api_ids_t             ids;
    mdm_uint_t                next;        /* chunk of them */
} mdm_api_notify_t;


static mdm_int_t mdm_api_notify_read(mdm_exchange_t *x, mdm_api_notify_t *no);
static mdm_int_t mdm_api_notify_none(mdm_exchange_t *x);
static mdm_int_t mdm_api_notify_arg(mdm_exchange_t *x, mdm_api_notify_t *no,
    const mdm_str_t *name, const mdm_str_t *value);
static mdm_int_t mdm_api_notify_find(mdm_exchange_t *x, mdm_api_notify_t *no);
static mdm_int_t mdm_api_notify_found(mdm_exchange_t *x, mdm_api_notify_t *no);
static mdm_int_t mdm_api_notify_add(mdm_exchange_t *x, mdm_api_notify_t *no,
    const mdm_str_t *name);
static mdm_int_t mdm_api_notify_force(mdm_exchange_t *x,
    mdm_api_notify_t *no);
static mdm_int_t mdm_api_notify_none_such(mdm_exchange_t *x,
    const mdm_reply_t *reply);
static mdm_int_t mdm_api_notify_forced(mdm_exchange_t *x,
    mdm_api_notify_t *no);
static mdm_int_t mdm_api_notify_chunks(mdm_exchange_t *x, mdm_api_notify_t *no);


mdm_int_t
mdm_api_notify_step(mdm_exchange_t *x)
{
    mdm_int_t          rc;
    mdm_api_notify_t  *no;

    switch (x->state) {

    case MDM_API_NOTIFY_BEGIN:
        no = mdm_arena_zalloc(x->arena, sizeof(mdm_api_notify_t));
        if (no == NULL) {
            return MDM_ERROR;
        }

        x->ctx = no;

        rc = mdm_api_notify_read(x, no);
        if (rc != MDM_OK) {
            return rc;
        }

        return (no->nsets + no->ndeclarations != 0)
               ? mdm_api_notify_find(x, no) : mdm_api_notify_chunks(x, no);

    case MDM_API_NOTIFY_FOUND:
        return mdm_api_notify_found(x, x->ctx);

    case MDM_API_NOTIFY_FORCED:
        return mdm_api_notify_forced(x, x->ctx);

    default: /* MDM_API_NOTIFY_TOLD */
        return mdm_api_notify_chunks(x, x->ctx);
    }
}


static mdm_int_t
mdm_api_notify_read(mdm_exchange_t *x, mdm_api_notify_t *no)
{
    u_char      *p, *end, *amp, *eq;
    mdm_int_t    rc;
    mdm_str_t    name, value, raw;
    mdm_uint_t   n;

    if (x->query.len == 0) {
        return mdm_api_notify_none(x);
    }

    n = 1;
    end = x->query.data + x->query.len;

    for (p = x->query.data; p < end; p++) {
        n += (*p == '&');
    }

    if (n > MDM_API_NOTIFY) {
        return mdm_exchange_refuse(x, 400, "%d names at most in one call",
                                   MDM_API_NOTIFY);
    }

    no->sets = mdm_arena_alloc(x->arena, n * sizeof(mdm_str_t));
    no->declarations = mdm_arena_alloc(x->arena, n * sizeof(mdm_str_t));

    if (no->sets == NULL || no->declarations == NULL
        || mdm_api_ids_init(x, &no->ids, n) != MDM_OK)
    {
        return MDM_ERROR;
    }

    for (p = x->query.data; p < end; p = amp + 1) {

        amp = memchr(p, '&', (size_t) (end - p));
        amp = (amp != NULL) ? amp : end;

        eq = memchr(p, '=', (size_t) (amp - p));
        eq = (eq != NULL) ? eq : amp;

        name.data = p;
        name.len = (size_t) (eq - p);
        raw.data = (eq < amp) ? eq + 1 : amp;
        raw.len = (size_t) (amp - raw.data);

        rc = mdm_unescape(x->arena, &value, &raw);

        if (rc == MDM_DECLINED) {
            return mdm_exchange_refuse(x, 400, "\"%.*s\" is no "
                                       "percent-encoding", mdm_fmt(&name));
        }

        if (rc == MDM_OK) {
            rc = mdm_api_notify_arg(x, no, &name, &value);
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    if (no->nsets + no->ndeclarations + no->ids.n == 0) {
        return mdm_api_notify_none(x);
    }

    return mdm_api_ids_group(x, &no->ids, MDM_API_NOTIFY_IDS);
}


static mdm_int_t
mdm_api_notify_none(mdm_exchange_t *x)
{
    return mdm_exchange_refuse(x, 400, "none of the arguments "
                               "\"declaration\", \"set\" and \"id\" is "
                               "there");
}


static mdm_int_t
mdm_api_notify_arg(mdm_exchange_t *x, mdm_api_notify_t *no,
    const mdm_str_t *name, const mdm_str_t *value)
{
    mdm_int_t  rc;

    if (mdm_str_is(name, "set")) {
        return mdm_key_id(x->arena, &no->sets[no->nsets++], value);
    }

    if (mdm_str_is(name, "declaration")) {
        return mdm_key_id(x->arena, &no->declarations[no->ndeclarations++],
                          value);
    }

    if (mdm_str_is(name, "id")) {
        rc = mdm_api_ids_add(x, &no->ids, value);

        return (rc == MDM_DECLINED)
               ? mdm_exchange_refuse(x, 400, "id: " MDM_API_NO_ID) : rc;
    }

    return MDM_OK;
}


/*
 * All names are looked up before anything is changed, some in a script, since a
 * declaration may be in as many sets as the tenant has.
 */

static mdm_int_t
mdm_api_notify_find(mdm_exchange_t *x, mdm_api_notify_t *no)
{
    mdm_str_t   key, *args;
    mdm_uint_t  i, k, n, left;

    if (no->asked == 0) {

        for (i = 0; i < no->nsets; i++) {
            if (mdm_api_notify_add(x, no, &no->sets[i]) != MDM_OK) {
                return MDM_ERROR;
            }
        }
    }

    n = no->nsets + no->ndeclarations - no->asked;

    if (n == 0) {
        return mdm_api_notify_chunks(x, no);
    }

    if (n > MDM_API_NOTIFY_NAMES) {
        n = MDM_API_NOTIFY_NAMES;
    }

    if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_NOTIFY_FOUND) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_sets_of, &key, n);
    if (args == NULL) {
        return MDM_ERROR;
    }

    left = (no->asked < no->nsets) ? no->nsets - no->asked : 0;

    mdm_str_set(&args[MDM_ARG_DDM_SETS_OF_BUDGET], MDM_API_NOTIFY_BUDGET);

    if (mdm_api_number(x, &args[MDM_ARG_DDM_SETS_OF_NSETS], (int64_t) left)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        k = no->asked + i;

        args[MDM_ARG_DDM_SETS_OF_NAMES + i] =
            (k < no->nsets) ? no->sets[k] : no->declarations[k - no->nsets];
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_notify_found(mdm_exchange_t *x, mdm_api_notify_t *no)
{
    size_t              i;
    int64_t             handled;
    mdm_str_t           name;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    if (mdm_reply_code(reply, 0) != 1) {
        return mdm_api_notify_none_such(x, reply);
    }

    handled = mdm_reply_int(reply, MDM_RET_DDM_SETS_OF_HANDLED, 0);

    if (handled < 1
        || handled > (int64_t) (no->nsets + no->ndeclarations - no->asked))
    {
        return MDM_ERROR;
    }

    no->asked += (mdm_uint_t) handled;

    for (i = MDM_RET_DDM_SETS_OF_SETS; i < mdm_reply_size(reply); i++) {
        name = mdm_reply_str(reply, i);

        if (mdm_api_notify_add(x, no, &name) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return mdm_api_notify_find(x, no);
}


/* MDM_OK, or MDM_ERROR: no memory */

static mdm_int_t
mdm_api_notify_add(mdm_exchange_t *x, mdm_api_notify_t *no,
    const mdm_str_t *name)
{
    int          rc;
    mdm_str_t   *all;
    mdm_uint_t   low, high, i;

    low = 0;
    high = no->nall;

    while (low < high) {
        i = (low + high) / 2;
        rc = mdm_str_cmp(name, &no->all[i]);

        if (rc == 0) {
            return MDM_OK;
        }

        if (rc < 0) {
            high = i;

        } else {
            low = i + 1;
        }
    }

    if (no->nall == no->room) {
        no->room = 2 * no->room + 64;

        all = mdm_arena_alloc(x->arena, no->room * sizeof(mdm_str_t));
        if (all == NULL) {
            return MDM_ERROR;
        }

        if (no->nall != 0) {
            memcpy(all, no->all, no->nall * sizeof(mdm_str_t));
        }

        no->all = all;
    }

    memmove(&no->all[low + 1], &no->all[low],
            (no->nall - low) * sizeof(mdm_str_t));

    no->all[low] = *name;
    no->nall++;

    return MDM_OK;
}


/* the next of the sets */

static mdm_int_t
mdm_api_notify_force(mdm_exchange_t *x, mdm_api_notify_t *no)
{
    mdm_str_t   key, *args;
    mdm_uint_t  n;

    n = no->nall - no->told;

    if (n == 0) {
        return mdm_exchange_empty(x, 204);
    }

    if (n > MDM_API_NOTIFY_SETS) {
        n = MDM_API_NOTIFY_SETS;
    }

    if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 2, MDM_API_NOTIFY_FORCED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_force, &key, n);
    if (args == NULL) {
        return MDM_ERROR;
    }

    memcpy(&args[MDM_ARG_DDM_FORCE_SETS], &no->all[no->told],
           n * sizeof(mdm_str_t));

    no->told += n;

    return (mdm_job_kick_call(x, 1, MDM_DDM_ROLLOUT, MDM_JOB_ANNOUNCE)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_notify_forced(mdm_exchange_t *x, mdm_api_notify_t *no)
{
    if (mdm_reply_code(x->calls[0].reply, 0) == 1) {
        x->kick = MDM_DDM_ROLLOUT;
    }

    return mdm_api_notify_force(x, no);
}


static mdm_int_t
mdm_api_notify_none_such(mdm_exchange_t *x, const mdm_reply_t *reply)
{
    mdm_str_t  name;

    name = mdm_reply_str(reply, MDM_RET_DDM_SETS_OF_NAME);

    return mdm_exchange_refuse(x, 404, "there is no %s \"%.*s\"",
                               (mdm_reply_code(reply, 0) == -2)
                               ? "declaration" : "set", mdm_fmt(&name));
}


/*
 * The ids: before the sets, as a partition may refuse, and what is repeated
 * then shall not tell all devices of the sets each time.
 */

static mdm_int_t
mdm_api_notify_chunks(mdm_exchange_t *x, mdm_api_notify_t *no)
{
    mdm_str_t        *args;
    mdm_uint_t        i, k, n;
    mdm_api_chunk_t  *chunk;

    n = no->ids.nchunks - no->next;

    if (n == 0) {
        return mdm_api_notify_force(x, no);
    }

    if (n > MDM_API_ROUND) {
        n = MDM_API_ROUND;
    }

    if (mdm_exchange_calls(x, n, MDM_API_NOTIFY_TOLD) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->owed = 1;

    for (i = 0; i < n; i++) {
        chunk = &no->ids.chunks[no->next++];

        args = mdm_exchange_call(x, i, &mdm_script_ddm_notify, &chunk->tag,
                                 chunk->n);

        if (args == NULL
            || mdm_ddm_notify_args(x, &chunk->tag,
                                   &args[MDM_ARG_DDM_NOTIFY_UUID],
                                   &args[MDM_ARG_DDM_NOTIFY_BODY])
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        for (k = 0; k < chunk->n; k++) {
            args[MDM_ARG_DDM_NOTIFY_IDS + k] = chunk->ids[k]->key;
        }
    }

    return MDM_CALL;
}
