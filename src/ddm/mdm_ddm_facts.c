
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Tells the channels of a device that has said something new of itself, where
 * that is too much for one script.
 */


#include "mdm_ddm_facts.h"
#include "mdm_ddm_token.h"


enum {
    MDM_DDM_FACTS_BEGIN = 0,
    MDM_DDM_FACTS_SYNCED,
    MDM_DDM_FACTS_TOLD
};


static mdm_int_t mdm_ddm_facts_call(mdm_exchange_t *x,
    mdm_ddm_facts_t *facts);


mdm_int_t
mdm_ddm_facts(mdm_exchange_t *x)
{
    int64_t             code;
    mdm_ddm_facts_t    *facts;
    const mdm_reply_t  *reply;

    facts = x->ctx;

    switch (x->state) {

    case MDM_DDM_FACTS_BEGIN:
        facts->sync.tag = facts->tag;

        return mdm_ddm_facts_call(x, facts);

    case MDM_DDM_FACTS_SYNCED:

        if (!facts->sync.done) {
            return mdm_exchange_leave(x);
        }

        return mdm_ddm_facts_call(x, facts);

    default: /* MDM_DDM_FACTS_TOLD */

        break;
    }

    reply = x->calls[0].reply;

    code = (x->calls[0].rc == MDM_CALL_OK) ? mdm_reply_code(reply, 0) : 0;

    if (code == MDM_DDM_EVICTED) {
        mdm_ddm_evicted(x);
    }

    if ((code != 1 && code != 2) || ++facts->calls == MDM_DDM_SLICES) {
        return mdm_exchange_leave(x);
    }

    facts->told = 1;
    facts->mark = mdm_reply_str(reply, MDM_RET_DDM_FACTS_MARK);
    facts->after = mdm_reply_str(reply, MDM_RET_DDM_FACTS_AFTER);

    if (code == 1) {
        return mdm_ddm_facts_call(x, facts);
    }

    mdm_ddm_sync_again(&facts->sync);

    return mdm_exchange_enter(x, mdm_ddm_sync, &facts->sync,
                              MDM_DDM_FACTS_SYNCED);
}


static mdm_int_t
mdm_ddm_facts_call(mdm_exchange_t *x, mdm_ddm_facts_t *facts)
{
    mdm_str_t  *args;

    if (mdm_exchange_calls(x, 1, MDM_DDM_FACTS_TOLD) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_facts, &facts->tag, 0);

    if (args == NULL
        || mdm_ddm_notify_args(x, &facts->tag, &args[MDM_ARG_DDM_FACTS_UUID],
                               &args[MDM_ARG_DDM_FACTS_BODY])
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_FACTS_DEVICE] = facts->device;
    args[MDM_ARG_DDM_FACTS_MARK] = facts->mark;
    args[MDM_ARG_DDM_FACTS_AFTER] = facts->after;

    x->own_failures = 1;

    return MDM_CALL;
}
