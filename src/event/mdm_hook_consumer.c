
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Who gets events of a tenant, and since when.
 */


#include "mdm_hook.h"


/* a new webhook begins so many ms before: clocks differ */
#define MDM_HOOK_BEFORE       60000


static mdm_int_t mdm_hook_start(mdm_exchange_t *x, mdm_int_t state);
static mdm_int_t mdm_hook_key(mdm_exchange_t *x, mdm_str_t *key);
static mdm_int_t mdm_hook_started(mdm_exchange_t *x, mdm_str_t *starts);
static mdm_int_t mdm_hook_begin(mdm_exchange_t *x,
    const mdm_webhook_t *webhook, mdm_str_t *starts, mdm_str_t *place);


mdm_int_t
mdm_hook_consumers(mdm_exchange_t *x, mdm_int_t state, mdm_str_t **args,
    mdm_uint_t *n)
{
    mdm_int_t              rc;
    mdm_str_t              starts, *p, place;
    mdm_uint_t             i;
    const mdm_settings_t  *s;

    s = x->settings;

    mdm_str_set(&starts, "");

    if (s->nwebhooks != 0) {
        rc = mdm_hook_started(x, &starts);

        if (rc == MDM_DECLINED) {
            return mdm_hook_start(x, state);
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    p = mdm_arena_alloc(x->arena, 2 * (s->nwebhooks + s->nevent_groups)
                                  * sizeof(mdm_str_t));
    if (p == NULL) {
        return MDM_ERROR;
    }

    *args = p;

    for (i = 0; i < s->nwebhooks; i++) {

        if (mdm_hook_begin(x, &s->webhooks[i], &starts, &place) != MDM_OK) {
            return MDM_ERROR;
        }

        if (!mdm_webhook_of(&s->webhooks[i], &x->tenant)) {
            continue;
        }

        if (mdm_printf(x->arena, p, "h:%.*s", mdm_fmt(&s->webhooks[i].name))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        p[1] = place;
        p += 2;
    }

    /* a group begins with what there is */

    for (i = 0; i < s->nevent_groups; i++) {

        if (mdm_printf(x->arena, p, "g:%.*s", mdm_fmt(&s->event_groups[i]))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        mdm_str_set(&p[1], "0-0");
        p += 2;
    }

    *n = (mdm_uint_t) (p - *args);

    return MDM_OK;
}


/* what Redis has said once; of all webhooks, in their order */

static mdm_int_t
mdm_hook_started(mdm_exchange_t *x, mdm_str_t *starts)
{
    mdm_str_t           key, start;
    mdm_uint_t          i;
    const mdm_call_t   *call;

    if (mdm_hook_key(x, &key) != MDM_OK) {
        return MDM_ERROR;
    }

    call = (x->ncalls == 1) ? &x->calls[0] : NULL;

    if (call == NULL || call->kind != MDM_CALL_KIND_REDIS
        || call->script != &mdm_script_hook_start
        || call->rc != MDM_CALL_OK)
    {
        return mdm_exchange_cache_get(x, &key, starts);
    }

    for (i = 0; i < x->settings->nwebhooks; i++) {
        start = mdm_reply_str(call->reply, MDM_RET_HOOK_START_STARTS + i);

        if (mdm_printf(x->arena, starts, "%.*s%.*s ", mdm_fmt(starts),
                       mdm_fmt(&start))
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    mdm_exchange_cache_put(x, &key, starts);

    return MDM_OK;
}


static mdm_int_t
mdm_hook_start(mdm_exchange_t *x, mdm_int_t state)
{
    mdm_str_t   key, *args;
    mdm_uint_t  i;

    mdm_str_set(&key, MDM_JOB_KEY);

    if (mdm_exchange_calls(x, 1, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_hook_start, &key,
                             x->settings->nwebhooks);
    if (args == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < x->settings->nwebhooks; i++) {
        args[i] = x->settings->webhooks[i].name;
    }

    x->own_failures = 1;

    return MDM_CALL;
}


/* a worker has one cache for all stores, and for one configuration */

static mdm_int_t
mdm_hook_key(mdm_exchange_t *x, mdm_str_t *key)
{
    return mdm_printf(x->arena, key, "hooks %p %p",
                      (const void *) x->settings->store,
                      (const void *) x->settings->webhooks);
}


/* takes the first of "starts"; what is no number is long ago */

static mdm_int_t
mdm_hook_begin(mdm_exchange_t *x, const mdm_webhook_t *webhook,
    mdm_str_t *starts, mdm_str_t *place)
{
    u_char     *blank;
    int64_t     ms;
    mdm_str_t   start;

    start = *starts;
    blank = (start.len != 0) ? memchr(start.data, ' ', start.len) : NULL;

    if (blank != NULL) {
        start.len = (size_t) (blank - start.data);
        starts->data = blank + 1;
        starts->len -= start.len + 1;
    }

    if (webhook->all || mdm_atoi(&start, &ms) != MDM_OK
        || ms < MDM_HOOK_BEFORE)
    {
        mdm_str_set(place, "0-0");
        return MDM_OK;
    }

    return mdm_printf(x->arena, place, "%lld-0",
                      (long long) (ms - MDM_HOOK_BEFORE));
}


void
mdm_hook_say(mdm_exchange_t *x, const mdm_str_t *tag, int64_t length,
    int64_t limit, int64_t warn, const mdm_reply_t *left)
{
    size_t     i;
    mdm_str_t  name;

    if (warn == 1) {
        mdm_exchange_log(x, MDM_LOG_WARN, "mdm outbox \"%.*s:events\" fills: "
                         "it has %lld events of the %lld that it holds until "
                         "they are delivered", mdm_fmt(tag),
                         (long long) length, (long long) limit);
    }

    for (i = 0; i < mdm_reply_size(left); i++) {
        name = mdm_reply_str(left, i);

        mdm_exchange_log(x, MDM_LOG_ALERT, "mdm outbox \"%.*s:events\": "
                         "%.*s has acknowledged nothing for %lu seconds, "
                         "it holds back nothing any more and will miss "
                         "events", mdm_fmt(tag), mdm_fmt(&name),
                         (unsigned long) x->settings->event_hold);
    }
}


mdm_str_t
mdm_hook_stream(const mdm_str_t *tag)
{
    u_char     *slash;
    mdm_str_t   s;

    mdm_str_set(&s, "");

    slash = (tag->len != 0) ? memchr(tag->data, '/', tag->len) : NULL;

    if (slash != NULL) {
        s.data = slash + 1;
        s.len = (size_t) (tag->data + tag->len - s.data);
        s.len -= (s.len != 0);
    }

    return s;
}
