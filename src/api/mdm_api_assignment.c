
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The calls that read and change what is assigned to an enrollment.
 */


#include "mdm_api_assignment.h"
#include "mdm_api_ddm.h"
#include "mdm_ddm_declaration.h"
#include "mdm_ddm_rollout.h"
#include "mdm_ddm_token.h"
#include "mdm_key.h"


enum {
    MDM_API_ASSIGN_BEGIN = 0,
    MDM_API_ASSIGN_SYNCED,
    MDM_API_ASSIGN_MADE
};


static mdm_int_t mdm_api_assign_step(mdm_exchange_t *x);
static mdm_int_t mdm_api_assign_make(mdm_exchange_t *x,
    mdm_api_assign_t *assign);
static mdm_uint_t mdm_api_assign_variables(const mdm_api_assign_t *assign,
    mdm_str_t *names);


mdm_int_t
mdm_api_assign_arg(mdm_exchange_t *x, const char *name, const char *prefix,
    mdm_str_t *field)
{
    mdm_int_t  rc;
    mdm_str_t  key;

    rc = mdm_api_arg_name(x, name, MDM_API_SET, &key);
    if (rc != MDM_OK) {
        return rc;
    }

    return mdm_printf(x->arena, field, "%s%.*s", prefix, mdm_fmt(&key));
}


mdm_api_assign_t *
mdm_api_assign_create(mdm_exchange_t *x, const mdm_enrollment_t *en,
    const char *event, mdm_uint_t n)
{
    mdm_api_assign_t  *assign;

    assign = mdm_arena_zalloc(x->arena, sizeof(mdm_api_assign_t));
    if (assign == NULL) {
        return NULL;
    }

    assign->en = *en;
    assign->event = event;
    assign->ops = mdm_arena_zalloc(x->arena, n * 3 * sizeof(mdm_str_t));

    return (assign->ops == NULL) ? NULL : assign;
}


void
mdm_api_assign_add(mdm_api_assign_t *assign, const char *op,
    const mdm_str_t *field, const mdm_str_t *value)
{
    mdm_str_t  *ops;

    ops = &assign->ops[assign->nops];

    ops[0].data = (u_char *) op;
    ops[0].len = strlen(op);
    ops[1] = *field;

    if (value != NULL) {
        ops[2] = *value;
    }

    assign->nops += 3;
}


mdm_int_t
mdm_api_assign_call(mdm_exchange_t *x, mdm_api_assign_t *assign,
    mdm_int_t state)
{
    mdm_int_t  rc;

    rc = mdm_api_arg_flag(x, "nonotify", &assign->quiet);
    if (rc != MDM_OK) {
        return rc;
    }

    assign->sync.tag = assign->en.tag;

    return mdm_exchange_enter(x, mdm_api_assign_step, assign, state);
}


static mdm_int_t
mdm_api_assign_step(mdm_exchange_t *x)
{
    int64_t            code;
    mdm_api_assign_t  *assign;

    assign = x->ctx;

    switch (x->state) {

    case MDM_API_ASSIGN_BEGIN:
        return mdm_exchange_enter(x, mdm_ddm_sync, &assign->sync,
                                  MDM_API_ASSIGN_SYNCED);

    case MDM_API_ASSIGN_SYNCED:

        if (!assign->sync.done) {
            x->kick = MDM_DDM_ROLLOUT;
            return mdm_exchange_unavailable(x);
        }

        return mdm_api_assign_make(x, assign);

    default: /* MDM_API_ASSIGN_MADE */
        break;
    }

    code = (x->calls[0].rc == MDM_CALL_OK)
           ? mdm_reply_code(x->calls[0].reply, -1) : 0;

    if (code == MDM_DDM_EVICTED) {
        mdm_ddm_evicted(x);
        return mdm_exchange_unavailable(x);
    }

    if (code != 1 && code != 2) {
        return mdm_exchange_leave(x);
    }

    if (++assign->calls == MDM_DDM_SLICES) {
        return mdm_exchange_unavailable(x);
    }

    /* a manifest that is large is made bit by bit */

    if (code == 1) {
        return mdm_api_assign_make(x, assign);
    }

    mdm_ddm_sync_again(&assign->sync);

    return mdm_exchange_enter(x, mdm_ddm_sync, &assign->sync,
                              MDM_API_ASSIGN_SYNCED);
}


static mdm_int_t
mdm_api_assign_make(mdm_exchange_t *x, mdm_api_assign_t *assign)
{
    mdm_str_t   key, *args, *names;
    mdm_uint_t  n;

    n = mdm_api_assign_variables(assign, NULL);

    if (mdm_exchange_calls(x, (n == 0) ? 1 : 2, MDM_API_ASSIGN_MADE)
        != MDM_CALL
        || mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK)
    {
        return MDM_ERROR;
    }

    /* what declarations may use; should this one fail, they are warned of */

    if (n != 0) {
        names = mdm_exchange_call(x, 1, &mdm_script_ddm_variables, &key, n);

        if (names == NULL
            || mdm_api_number(x, &names[MDM_ARG_DDM_VARIABLES_MOST],
                              MDM_DDM_VARIABLES)
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        (void) mdm_api_assign_variables(assign,
                                        &names[MDM_ARG_DDM_VARIABLES_NAMES]);
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_assign, &assign->en.tag,
                             assign->nops);
    if (args == NULL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    args[MDM_ARG_DDM_ASSIGN_ID] = assign->en.id_key;
    args[MDM_ARG_DDM_ASSIGN_NOTIFY] = mdm_api_flag(!assign->quiet);
    args[MDM_ARG_DDM_ASSIGN_WHAT].data = (u_char *) assign->event;
    args[MDM_ARG_DDM_ASSIGN_WHAT].len = strlen(assign->event);

    if (mdm_ddm_notify_args(x, &assign->en.tag, &args[MDM_ARG_DDM_ASSIGN_UUID],
                            &args[MDM_ARG_DDM_ASSIGN_BODY])
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    memcpy(&args[MDM_ARG_DDM_ASSIGN_OPS], assign->ops,
           assign->nops * sizeof(mdm_str_t));

    return MDM_CALL;
}


/* how many variables are given, and their names where they are asked for */

static mdm_uint_t
mdm_api_assign_variables(const mdm_api_assign_t *assign, mdm_str_t *names)
{
    mdm_str_t   *ops;
    mdm_uint_t   i, n;

    n = 0;

    for (i = 0; i < assign->nops; i += 3) {
        ops = &assign->ops[i];

        if (!mdm_str_is(&ops[0], "set") || ops[1].len < 2
            || memcmp(ops[1].data, "v:", 2) != 0)
        {
            continue;
        }

        if (names != NULL) {
            names[n].data = ops[1].data + 2;
            names[n].len = ops[1].len - 2;
        }

        n++;
    }

    return n;
}


mdm_int_t
mdm_api_assign_answer(mdm_exchange_t *x)
{
    mdm_str_t           prefix;
    const char         *what;
    const mdm_reply_t  *reply;

    if (x->calls[0].rc == MDM_CALL_UNAVAILABLE) {
        return mdm_exchange_unavailable(x);
    }

    if (x->calls[0].rc != MDM_CALL_OK) {
        return MDM_ERROR;
    }

    if (mdm_exchange_is_full(&x->calls[0])) {
        return mdm_exchange_full(x, &x->calls[0]);
    }

    reply = x->calls[0].reply;

    if (mdm_reply_code(reply, -1) != 0) {
        prefix = mdm_reply_str(reply, MDM_RET_DDM_ASSIGN_PREFIX);

        what = mdm_str_is(&prefix, "s:") ? "100 sets"
               : mdm_str_is(&prefix, "t:") ? "64 tags"
               : "64 variables";

        return mdm_exchange_refuse(x, 409, "an enrollment has at most %s",
                                   what);
    }

    x->owed = mdm_reply_int(reply, MDM_RET_DDM_ASSIGN_QUEUED, 0) == 1;
    x->owed_tag = x->calls[0].key;

    return mdm_exchange_empty(x, mdm_reply_int(reply,
                                               MDM_RET_DDM_ASSIGN_CHANGED, 0)
                                 ? 204 : 304);
}


mdm_int_t
mdm_api_assignment_call(mdm_exchange_t *x, const mdm_enrollment_t *en,
    mdm_int_t state)
{
    mdm_str_t  *args;

    if (mdm_exchange_calls(x, 1, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_assignment, &en->tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_ASSIGNMENT_ID] = en->id_key;

    return MDM_CALL;
}
