
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is due and who does it: the calls on mdm:{work}.
 */


#include "mdm_job.h"
#include "mdm_key.h"


static mdm_int_t mdm_job_look_calls(mdm_exchange_t *x, mdm_job_look_t *look);
static mdm_int_t mdm_job_take_call(mdm_exchange_t *x, mdm_uint_t i,
    mdm_job_look_t *look);
static mdm_int_t mdm_job_number(mdm_exchange_t *x, mdm_str_t *arg,
    mdm_uint_t n);
static mdm_int_t mdm_job_taken(mdm_exchange_t *x, mdm_job_look_t *look);
static mdm_str_t *mdm_job_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_script_t *script, mdm_uint_t more);


mdm_int_t
mdm_job_look_step(mdm_exchange_t *x)
{
    return (x->state == 0) ? mdm_job_look_calls(x, x->ctx)
                           : mdm_job_taken(x, x->ctx);
}


static mdm_int_t
mdm_job_look_calls(mdm_exchange_t *x, mdm_job_look_t *look)
{
    mdm_str_t       *args;
    mdm_uint_t       i, n;
    mdm_job_done_t  *done;

    if (mdm_exchange_calls(x, look->ndone + look->nkicks + 1, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    n = 0;

    for (i = 0; i < look->ndone; i++) {
        done = &look->done[i];

        args = mdm_job_call(x, n++, &mdm_script_work_done, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        args[MDM_ARG_WORK_DONE_RUNNER] = look->runner;
        args[MDM_ARG_WORK_DONE_WORK] = done->work;

        if (done->again >= 0
            && mdm_printf(x->arena, &args[MDM_ARG_WORK_DONE_AGAIN],
                          "%lld.%03d", (long long) (done->again / 1000),
                          (int) (done->again % 1000))
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        if (done->often != 0
            && mdm_job_number(x, &args[MDM_ARG_WORK_DONE_OFTEN], done->often)
               != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    for (i = 0; i < look->nkicks; i++) {

        args = mdm_job_call(x, n++, &mdm_script_work_kick, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        args[MDM_ARG_WORK_KICK_WORK] = look->kicks[i];
        mdm_str_set(&args[MDM_ARG_WORK_KICK_DELAY], "0");
        mdm_str_set(&args[MDM_ARG_WORK_KICK_FIRST], "0");
    }

    return (mdm_job_take_call(x, n, look) == MDM_OK) ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_job_take_call(mdm_exchange_t *x, mdm_uint_t i, mdm_job_look_t *look)
{
    mdm_str_t   *args;
    mdm_uint_t   k;

    args = mdm_job_call(x, i, &mdm_script_work_take,
                        2 * look->nheld + 3 * look->nwants);

    if (args == NULL
        || mdm_job_number(x, &args[MDM_ARG_WORK_TAKE_MOST], look->most)
           != MDM_OK
        || mdm_job_number(x, &args[MDM_ARG_WORK_TAKE_HELD], look->nheld)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_WORK_TAKE_RUNNER] = look->runner;
    args += MDM_ARG_WORK_TAKE_WORK;

    for (k = 0; k < look->nheld; k++) {
        *args++ = look->held[k].work;

        if (mdm_job_number(x, args++, look->held[k].lease) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    for (k = 0; k < look->nwants; k++) {
        *args++ = look->wants[k].kind->name;

        if (mdm_job_number(x, args++, look->wants[k].most) != MDM_OK
            || mdm_job_number(x, args++, look->wants[k].kind->lease) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_job_number(mdm_exchange_t *x, mdm_str_t *arg, mdm_uint_t n)
{
    return mdm_printf(x->arena, arg, "%lu", (unsigned long) n);
}


static mdm_int_t
mdm_job_taken(mdm_exchange_t *x, mdm_job_look_t *look)
{
    size_t              n;
    mdm_uint_t          i;
    const mdm_reply_t  *reply, *kept, *taken;

    reply = x->calls[x->ncalls - 1].reply;

    kept = mdm_reply_at(reply, MDM_RET_WORK_TAKE_KEPT);
    taken = mdm_reply_at(reply, MDM_RET_WORK_TAKE_TAKEN);
    n = mdm_reply_size(taken);

    if (mdm_reply_size(kept) != look->nheld || n > look->most) {
        return mdm_exchange_odd(x, x->ncalls - 1);
    }

    look->next = mdm_reply_int(reply, MDM_RET_WORK_TAKE_NEXT, -1);

    look->lost = mdm_arena_zalloc(x->arena, look->nheld + 1);
    look->taken = mdm_arena_alloc(x->arena, (n + 1) * sizeof(mdm_str_t));

    if (look->lost == NULL || look->taken == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < look->nheld; i++) {
        look->lost[i] = (mdm_reply_int(kept, i, 0) != 1);
    }

    look->ntaken = n;

    for (i = 0; i < n; i++) {
        look->taken[i] = mdm_reply_str(taken, i);
    }

    return mdm_exchange_empty(x, 200);
}


static mdm_str_t *
mdm_job_call(mdm_exchange_t *x, mdm_uint_t i, const mdm_script_t *script,
    mdm_uint_t more)
{
    mdm_str_t  key;

    mdm_str_set(&key, MDM_JOB_KEY);

    return mdm_exchange_call(x, i, script, &key, more);
}


mdm_int_t
mdm_job_kick_call(mdm_exchange_t *x, mdm_uint_t i, const char *kind,
    mdm_uint_t delay)
{
    mdm_str_t  name, *args;

    name.data = (u_char *) kind;
    name.len = strlen(kind);

    args = mdm_job_call(x, i, &mdm_script_work_kick, 0);

    if (args == NULL
        || mdm_job_work(x->arena, &args[MDM_ARG_WORK_KICK_WORK], &name,
                        &x->tenant)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (mdm_job_number(x, &args[MDM_ARG_WORK_KICK_DELAY], delay) != MDM_OK) {
        return MDM_ERROR;
    }

    args[MDM_ARG_WORK_KICK_FIRST] = args[MDM_ARG_WORK_KICK_DELAY];

    return MDM_OK;
}


mdm_int_t
mdm_job_work(mdm_arena_t *arena, mdm_str_t *work, const mdm_str_t *kind,
    const mdm_str_t *tenant)
{
    return mdm_printf(arena, work, "%.*s %.*s", mdm_fmt(kind),
                      mdm_fmt(tenant));
}


mdm_int_t
mdm_job_parse(const mdm_str_t *work, const mdm_job_kind_t *const *kinds,
    mdm_uint_t n, mdm_uint_t *kind, mdm_str_t *tenant)
{
    u_char     *space;
    mdm_str_t   name;

    space = (work->len != 0) ? memchr(work->data, ' ', work->len) : NULL;
    if (space == NULL) {
        return MDM_DECLINED;
    }

    name.data = work->data;
    name.len = (size_t) (space - work->data);

    tenant->data = space + 1;
    tenant->len = work->len - name.len - 1;

    if (mdm_tenant_check(tenant) != MDM_OK) {
        return MDM_DECLINED;
    }

    for (*kind = 0; *kind < n; (*kind)++) {
        if (mdm_str_eq(&kinds[*kind]->name, &name)) {
            return MDM_OK;
        }
    }

    return MDM_DECLINED;
}
