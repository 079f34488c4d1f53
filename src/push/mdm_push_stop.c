
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Says in Redis that a topic is stopped, or goes on.
 */


#include "mdm_push_stop.h"

#include "mdm_key.h"


static mdm_int_t mdm_push_stop_begin(mdm_exchange_t *x, mdm_push_stop_t *stop);


mdm_int_t
mdm_push_stop_step(mdm_exchange_t *x)
{
    mdm_push_stop_t  *stop;

    stop = x->ctx;

    if (x->state == 0) {
        return mdm_push_stop_begin(x, stop);
    }

    stop->news = (mdm_reply_code(x->calls[0].reply, 0) == 1);

    return mdm_exchange_empty(x, 200);
}


static mdm_int_t
mdm_push_stop_begin(mdm_exchange_t *x, mdm_push_stop_t *stop)
{
    mdm_str_t  key, *args;

    if (mdm_key_push(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, 1) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_push_stop, &key, 0);

    if (args == NULL
        || mdm_key_id(x->arena, &args[MDM_ARG_PUSH_STOP_TOPIC], &stop->topic)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_PUSH_STOP_SHA256] = stop->sha256;
    args[MDM_ARG_PUSH_STOP_REASON] = stop->reason;

    if (stop->file) {
        mdm_str_set(&args[MDM_ARG_PUSH_STOP_FILE], "1");
    }

    return MDM_CALL;
}


mdm_int_t
mdm_push_probe_call(mdm_exchange_t *x, mdm_uint_t i, const mdm_str_t *topic,
    const mdm_str_t *sha256, mdm_uint_t file)
{
    mdm_str_t  key, *args;

    if (mdm_key_push(x->arena, &key, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_push_probe, &key, 0);

    if (args == NULL
        || mdm_key_id(x->arena, &args[MDM_ARG_PUSH_PROBE_TOPIC], topic)
           != MDM_OK
        || mdm_printf(x->arena, &args[MDM_ARG_PUSH_PROBE_EVERY], "%d",
                      MDM_PUSH_STOP_PROBE)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_PUSH_PROBE_SHA256] = *sha256;

    if (file) {
        mdm_str_set(&args[MDM_ARG_PUSH_PROBE_FILE], "1");
    }

    return MDM_OK;
}
