
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Runs an exchange.  That somebody is to look for owed pushes is said before
 * commands are queued.  A call that the outbox has no room for is refused.
 */


#include <stdio.h>

#include "mdm_exchange.h"


/* seconds for which a worker need not say it again */
#define MDM_OWE_KICK          30

/* a kick: seconds until the first look, and until the last one */
#define MDM_OWE_FIRST         "5"
#define MDM_OWE_LAST          "60"

#define MDM_OWE_KEY           "push kick"


static mdm_int_t mdm_exchange_owe(mdm_exchange_t *x);
static mdm_int_t mdm_exchange_owed(mdm_exchange_t *x);
static mdm_uint_t mdm_exchange_owe_known(mdm_exchange_t *x,
    const mdm_str_t *key);
static mdm_int_t mdm_exchange_owe_key(mdm_exchange_t *x, mdm_str_t *key);


mdm_int_t
mdm_exchange_run(mdm_exchange_t *x)
{
    mdm_int_t   rc;
    mdm_uint_t  i;

    if (x->held != NULL) {
        return mdm_exchange_owed(x);
    }

    for (i = 0; i < x->ncalls && !x->own_failures; i++) {
        if (mdm_exchange_is_full(&x->calls[i])) {
            return mdm_exchange_full(x, &x->calls[i]);
        }
    }

    rc = mdm_exchange_step(x);

    return (rc == MDM_CALL && x->owes && !x->announced && !x->nopush
            && x->settings->push)
           ? mdm_exchange_owe(x) : rc;
}


static mdm_int_t
mdm_exchange_owe(mdm_exchange_t *x)
{
    mdm_str_t    key, *args;
    mdm_call_t  *held;
    mdm_uint_t   nheld;

    x->announced = 1;

    if (mdm_exchange_owe_key(x, &key) != MDM_OK) {
        return mdm_exchange_unavailable(x);
    }

    if (mdm_exchange_owe_known(x, &key)) {
        return MDM_CALL;
    }

    held = x->calls;
    nheld = x->ncalls;
    x->held_failures = x->own_failures;

    mdm_str_set(&key, "mdm:{work}");

    if (mdm_exchange_calls(x, 1, x->state) != MDM_CALL) {
        return mdm_exchange_unavailable(x);
    }

    args = mdm_exchange_call(x, 0, &mdm_script_work_kick, &key, 0);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_WORK_KICK_WORK],
                      MDM_PUSH_JOB " %.*s", mdm_fmt(&x->tenant))
           != MDM_OK)
    {
        return mdm_exchange_unavailable(x);
    }

    mdm_str_set(&args[MDM_ARG_WORK_KICK_DELAY], MDM_OWE_LAST);
    mdm_str_set(&args[MDM_ARG_WORK_KICK_FIRST], MDM_OWE_FIRST);

    x->held = held;
    x->nheld = nheld;

    return MDM_CALL;
}


/* the kick has its reply */

static mdm_int_t
mdm_exchange_owed(mdm_exchange_t *x)
{
    mdm_str_t   key, value;
    mdm_call_e  rc;

    rc = x->calls[0].rc;

    x->calls = x->held;
    x->ncalls = x->nheld;
    x->own_failures = x->held_failures;
    x->held = NULL;

    if (rc != MDM_CALL_OK) {
        return mdm_exchange_unavailable(x);
    }

    x->kicked = 1;

    if (mdm_exchange_owe_key(x, &key) == MDM_OK
        && mdm_printf(x->arena, &value, "%lld", (long long) x->now) == MDM_OK)
    {
        mdm_exchange_cache_put(x, &key, &value);
    }

    return MDM_CALL;
}


static mdm_uint_t
mdm_exchange_owe_known(mdm_exchange_t *x, const mdm_str_t *key)
{
    int64_t    last;
    mdm_str_t  value;

    return mdm_exchange_cache_get(x, key, &value) == MDM_OK
           && mdm_atoi(&value, &last) == MDM_OK
           && x->now >= last && x->now - last < MDM_OWE_KICK;
}


/* a worker has one cache for all stores */

static mdm_int_t
mdm_exchange_owe_key(mdm_exchange_t *x, mdm_str_t *key)
{
    return mdm_printf(x->arena, key, MDM_OWE_KEY " %p %.*s",
                      (const void *) x->settings->store, mdm_fmt(&x->tenant));
}


mdm_uint_t
mdm_exchange_is_full(const mdm_call_t *call)
{
    return call->kind == MDM_CALL_KIND_REDIS
           && call->script->refuses
           && call->rc == MDM_CALL_OK
           && mdm_reply_code(call->reply, 0) == MDM_SCRIPT_FULL;
}


mdm_int_t
mdm_exchange_full_error(mdm_exchange_t *x, const mdm_call_t *call,
    mdm_str_t *error)
{
    mdm_str_t  who;

    /* where all scripts have it that say so */

    who = mdm_reply_str(call->reply, MDM_RET_ENQUEUE_WHO);

    return mdm_printf(x->arena, error, "the outbox is full: %.*s is %lld "
                      "events behind", mdm_fmt(&who),
                      (long long) mdm_reply_count(call->reply,
                                                  MDM_RET_ENQUEUE_BEHIND,
                                                  INT32_MAX));
}


mdm_int_t
mdm_exchange_full(mdm_exchange_t *x, const mdm_call_t *call)
{
    mdm_int_t  rc;
    mdm_str_t  error;

    /* Retry-After */

    rc = mdm_exchange_busy(x);

    if (mdm_exchange_full_error(x, call, &error) != MDM_OK) {
        return rc;
    }

    return mdm_exchange_refuse(x, 503, "%.*s", mdm_fmt(&error));
}
