
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


/* names in one call */
#define MDM_API_NOTIFY        1000


typedef struct {
    mdm_str_t                *sets;        /* key forms */
    mdm_uint_t                nsets;
    mdm_str_t                *declarations;
    mdm_uint_t                ndeclarations;
    mdm_api_ids_t             ids;
    mdm_uint_t                next;        /* chunk of them */
} mdm_api_notify_t;


static mdm_int_t mdm_api_notify_read(mdm_exchange_t *x, mdm_api_notify_t *no);
static mdm_int_t mdm_api_notify_none(mdm_exchange_t *x);
static mdm_int_t mdm_api_notify_arg(mdm_exchange_t *x, mdm_api_notify_t *no,
    const mdm_str_t *name, const mdm_str_t *value);
static mdm_int_t mdm_api_notify_force(mdm_exchange_t *x,
    mdm_api_notify_t *no);
static mdm_int_t mdm_api_notify_forced(mdm_exchange_t *x);
static mdm_int_t mdm_api_notify_chunks(mdm_exchange_t *x, mdm_api_notify_t *no);


mdm_int_t
mdm_api_notify_step(mdm_exchange_t *x)
{
    mdm_int_t          rc;
    mdm_api_notify_t  *no;

    switch (x->state) {

    case 0:
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
               ? mdm_api_notify_force(x, no) : mdm_api_notify_chunks(x, no);

    case 1:
        rc = mdm_api_notify_forced(x);

        return (rc == MDM_OK) ? mdm_api_notify_chunks(x, x->ctx) : rc;

    default:
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

    return mdm_api_ids_group(x, &no->ids, 100);
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


static mdm_int_t
mdm_api_notify_force(mdm_exchange_t *x, mdm_api_notify_t *no)
{
    mdm_str_t  key, *args;

    if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 2, 1) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_force, &key,
                             no->nsets + no->ndeclarations);

    if (args == NULL
        || mdm_api_number(x, &args[MDM_ARG_DDM_FORCE_NSETS],
                          (int64_t) no->nsets)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args += MDM_ARG_DDM_FORCE_NAMES;

    memcpy(args, no->sets, no->nsets * sizeof(mdm_str_t));
    memcpy(args + no->nsets, no->declarations,
           no->ndeclarations * sizeof(mdm_str_t));

    return (mdm_job_kick_call(x, 1, MDM_DDM_ROLLOUT, MDM_JOB_ANNOUNCE)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_notify_forced(mdm_exchange_t *x)
{
    mdm_str_t  name;

    name = mdm_reply_str(x->calls[0].reply, MDM_RET_DDM_FORCE_NAME);

    switch (mdm_reply_code(x->calls[0].reply, 0)) {

    case -1:
        return mdm_exchange_refuse(x, 404, "there is no set \"%.*s\"",
                                   mdm_fmt(&name));

    case -2:
        return mdm_exchange_refuse(x, 404, "there is no declaration "
                                   "\"%.*s\"", mdm_fmt(&name));

    case 1:
        x->kick = MDM_DDM_ROLLOUT;
        break;

    default:
        break;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_notify_chunks(mdm_exchange_t *x, mdm_api_notify_t *no)
{
    mdm_str_t        *args;
    mdm_uint_t        i, k, n;
    mdm_api_chunk_t  *chunk;

    n = no->ids.nchunks - no->next;

    if (n == 0) {
        return mdm_exchange_empty(x, 204);
    }

    if (n > MDM_API_ROUND) {
        n = MDM_API_ROUND;
    }

    if (mdm_exchange_calls(x, n, 2) != MDM_CALL) {
        return MDM_ERROR;
    }

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
