
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Sends pushes that are leased, and stores what became of them.
 */


#include <stdio.h>

#include "mdm_push_lease.h"

#include "mdm_key.h"


/* arguments of push_done for each: most are taken */
#define MDM_PUSH_ANSWER       8
#define MDM_PUSH_ANSWER_TAKEN 4


static mdm_uint_t mdm_push_lease_nargs(const mdm_push_lease_t *lease);
static mdm_uint_t mdm_push_lease_fit(const mdm_push_lease_t *leases,
    mdm_uint_t n);
static mdm_int_t mdm_push_lease_answer(mdm_exchange_t *x,
    const mdm_push_lease_t *lease, mdm_str_t *args);
static mdm_int_t mdm_push_lease_retries(mdm_exchange_t *x, mdm_str_t *list);


mdm_int_t
mdm_push_lease_init(mdm_exchange_t *x, mdm_push_lease_t *lease,
    const mdm_str_t *magic)
{
    mdm_int_t  rc;

    if (lease->token.len == 0 || lease->token.len > MDM_PUSH_TOKEN) {
        lease->judged.word = "never";
        mdm_str_set(&lease->judged.reason,
                    "the push token is empty or longer than 128 bytes");
        return MDM_OK;
    }

    rc = mdm_push_payload(x->arena, &lease->payload, magic);

    if (rc == MDM_DECLINED) {
        mdm_str_null(&lease->payload);
        lease->judged.word = "never";
        mdm_str_set(&lease->judged.reason,
                    "the PushMagic is no UTF-8, or too long");
        return MDM_OK;
    }

    return rc;
}


mdm_int_t
mdm_push_lease_send(mdm_exchange_t *x, mdm_uint_t i, mdm_push_lease_t *lease,
    mdm_uint_t wait)
{
    mdm_push_t  *push;

    push = mdm_exchange_push(x, i);

    if (push == NULL || mdm_push_id(x->arena, &push->apns_id) != MDM_OK) {
        return MDM_ERROR;
    }

    push->topic = lease->topic;
    push->token = lease->token;
    push->payload = lease->payload;
    push->expiration = mdm_push_expiration(x);
    push->wait = wait;
    push->tag = lease->tag;
    push->id = lease->id;
    push->stamp = lease->stamp;
    push->owed = lease->owed;

    lease->push = push;

    return MDM_OK;
}


mdm_int_t
mdm_push_lease_judge(mdm_exchange_t *x, mdm_push_lease_t *lease)
{
    /* it goes on by itself: who runs it stores how it ends */

    if (lease->push->outcome == MDM_PUSH_PENDING) {
        return MDM_OK;
    }

    return mdm_push_judge(x, lease->push, &lease->judged);
}


void
mdm_push_lease_back(mdm_push_lease_t *lease, int64_t first)
{
    lease->judged.word = "back";
    lease->judged.first = first;
}


mdm_uint_t
mdm_push_lease_ncalls(const mdm_push_lease_t *leases, mdm_uint_t n)
{
    mdm_uint_t  calls, fit;

    for (calls = 0; n != 0; calls++) {
        fit = mdm_push_lease_fit(leases, n);

        leases += fit;
        n -= fit;
    }

    return calls;
}


/* how many of them one call takes: those of one partition */

static mdm_uint_t
mdm_push_lease_fit(const mdm_push_lease_t *leases, mdm_uint_t n)
{
    mdm_uint_t  i;

    for (i = 1; i < n && i < MDM_PUSH_CHANNELS; i++) {

        if (!mdm_str_eq(&leases[i].tag, &leases[0].tag)) {
            break;
        }
    }

    return i;
}


mdm_int_t
mdm_push_lease_calls(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_push_lease_t *leases, mdm_uint_t n)
{
    mdm_str_t   *args;
    mdm_uint_t   k, fit, nargs;

    for ( /* void */ ; n != 0; i++) {
        fit = mdm_push_lease_fit(leases, n);

        for (k = 0, nargs = 0; k < fit; k++) {
            nargs += mdm_push_lease_nargs(&leases[k]);
        }

        args = mdm_exchange_call(x, i, &mdm_script_push_done, &leases[0].tag,
                                 nargs);

        if (args == NULL
            || mdm_push_lease_retries(x, &args[MDM_ARG_PUSH_DONE_RETRIES])
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        args += MDM_ARG_PUSH_DONE_ANSWERS;

        for (k = 0; k < fit; k++) {

            if (leases[k].judged.word == NULL) {
                continue;
            }

            if (mdm_push_lease_answer(x, &leases[k], args) != MDM_OK) {
                return MDM_ERROR;
            }

            args += mdm_push_lease_nargs(&leases[k]);
        }

        leases += fit;
        n -= fit;
    }

    return MDM_OK;
}


/* 0: it is not known yet what becomes of it */

static mdm_uint_t
mdm_push_lease_nargs(const mdm_push_lease_t *lease)
{
    if (lease->judged.word == NULL) {
        return 0;
    }

    return (strcmp(lease->judged.word, "taken") == 0) ? MDM_PUSH_ANSWER_TAKEN
                                                      : MDM_PUSH_ANSWER;
}


static mdm_int_t
mdm_push_lease_answer(mdm_exchange_t *x, const mdm_push_lease_t *lease,
    mdm_str_t *args)
{
    const mdm_push_judged_t  *judged;

    judged = &lease->judged;

    *args++ = lease->id;
    *args++ = lease->token;
    *args++ = lease->stamp;

    args->data = (u_char *) judged->word;
    args++->len = strlen(judged->word);

    if (mdm_push_lease_nargs(lease) == MDM_PUSH_ANSWER_TAKEN) {
        return MDM_OK;
    }

    if (mdm_printf(x->arena, args, "%lld", (long long) judged->first)
        != MDM_OK
        || mdm_printf(x->arena, args + 1, "%lld", (long long) judged->last)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args += 2;
    *args++ = judged->reason;
    *args = judged->timestamp;

    return MDM_OK;
}


/* mdm_push_retry, in ms, parted by commas */

static mdm_int_t
mdm_push_lease_retries(mdm_exchange_t *x, mdm_str_t *list)
{
    size_t      len;
    char        buf[MDM_PUSH_RETRIES * 24];
    mdm_str_t   text;
    mdm_uint_t  i;

    len = 0;

    for (i = 0; i < x->settings->npush_retry; i++) {
        len += (size_t) snprintf(buf + len, sizeof(buf) - len, "%s%lu000",
                                 (i == 0) ? "" : ",",
                                 (unsigned long) x->settings->push_retry[i]);
    }

    text.data = (u_char *) buf;
    text.len = len;

    return mdm_str_dup(x->arena, list, &text);
}


mdm_int_t
mdm_push_lease_take(mdm_exchange_t *x, mdm_uint_t i, const mdm_str_t *tag,
    mdm_uint_t n)
{
    mdm_str_t   *args;
    mdm_uint_t   k;

    args = mdm_exchange_call(x, i, &mdm_script_push_take, tag,
                             x->settings->npush_retry);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_PUSH_TAKE_N], "%lu",
                      (unsigned long) n)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_str_set(&args[MDM_ARG_PUSH_TAKE_LEASE], MDM_PUSH_LEASE);

    for (k = 0; k < x->settings->npush_retry; k++) {

        if (mdm_printf(x->arena, &args[MDM_ARG_PUSH_TAKE_RETRIES + k],
                       "%lu000", (unsigned long) x->settings->push_retry[k])
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


mdm_int_t
mdm_push_lease_grant(mdm_exchange_t *x, mdm_uint_t i, mdm_uint_t n)
{
    mdm_str_t  key, *args;

    if (mdm_key_push(x->arena, &key, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_push_grant, &key, 0);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_PUSH_GRANT_N], "%lu",
                      (unsigned long) n)
           != MDM_OK
        || mdm_printf(x->arena, &args[MDM_ARG_PUSH_GRANT_RATE], "%lu",
                      (unsigned long) x->settings->push_rate)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_printf(x->arena, &args[MDM_ARG_PUSH_GRANT_BURST], "%lu",
                      (unsigned long) x->settings->push_burst);
}
