
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Takes away a challenge, or a link, by its id.
 */


#include "mdm_listed.h"


enum {
    MDM_LISTED_BEGIN = 0,
    MDM_LISTED_FOUND,
    MDM_LISTED_DROPPED,
    MDM_LISTED_DELETED
};


static mdm_str_t *mdm_listed_call(mdm_exchange_t *x, mdm_listed_delete_t *d,
    const mdm_script_t *script, mdm_int_t state);
static mdm_int_t mdm_listed_find(mdm_exchange_t *x, mdm_listed_delete_t *d);
static mdm_int_t mdm_listed_drop(mdm_exchange_t *x, mdm_listed_delete_t *d);
static mdm_int_t mdm_listed_unlist(mdm_exchange_t *x, mdm_listed_delete_t *d);


mdm_int_t
mdm_listed_delete(mdm_exchange_t *x)
{
    mdm_listed_delete_t  *d;

    d = x->ctx;

    switch (x->state) {

    case MDM_LISTED_BEGIN:
        return mdm_listed_find(x, d);

    case MDM_LISTED_FOUND:
        return mdm_listed_drop(x, d);

    case MDM_LISTED_DROPPED:
        return mdm_listed_unlist(x, d);

    default: /* MDM_LISTED_DELETED */
        d->found = (mdm_reply_code(x->calls[0].reply, 0) == 1);

        return mdm_exchange_leave(x);
    }
}


/* one call to the list */

static mdm_str_t *
mdm_listed_call(mdm_exchange_t *x, mdm_listed_delete_t *d,
    const mdm_script_t *script, mdm_int_t state)
{
    mdm_str_t  key;

    if (d->kind->list(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, state) != MDM_CALL)
    {
        return NULL;
    }

    return mdm_exchange_call(x, 0, script, &key, 0);
}


static mdm_int_t
mdm_listed_find(mdm_exchange_t *x, mdm_listed_delete_t *d)
{
    mdm_str_t  *args;

    args = mdm_listed_call(x, d, &mdm_script_listed_find, MDM_LISTED_FOUND);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_LISTED_FIND_ITEM] = d->kind->hash;
    args[MDM_ARG_LISTED_FIND_ID] = d->id;

    return MDM_CALL;
}


/* first what opens a door, then what tells of it */

static mdm_int_t
mdm_listed_drop(mdm_exchange_t *x, mdm_listed_delete_t *d)
{
    mdm_str_t  digest, key, *args;

    digest = mdm_reply_str(x->calls[0].reply, MDM_RET_LISTED_FIND_DIGEST);

    d->found = 0;

    if (digest.len == 0) {
        return mdm_exchange_leave(x);
    }

    if (d->kind->item(x->arena, &key, &x->tenant, &digest) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_LISTED_DROPPED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_listed_drop, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_LISTED_DROP_ID] = d->id;

    return MDM_CALL;
}


static mdm_int_t
mdm_listed_unlist(mdm_exchange_t *x, mdm_listed_delete_t *d)
{
    mdm_str_t  *args;

    args = mdm_listed_call(x, d, &mdm_script_listed_delete,
                           MDM_LISTED_DELETED);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_LISTED_DELETE_IDS] = d->kind->ids;
    args[MDM_ARG_LISTED_DELETE_DUE] = d->kind->due;
    args[MDM_ARG_LISTED_DELETE_ITEM] = d->kind->hash;
    args[MDM_ARG_LISTED_DELETE_ID] = d->id;
    args[MDM_ARG_LISTED_DELETE_NAME] = d->kind->event;

    return MDM_CALL;
}
