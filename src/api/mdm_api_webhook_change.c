
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * /v1/webhooks/NAME: events once more, and the end of one.
 */


#include <stdio.h>
#include <time.h>

#include "mdm_api.h"
#include "mdm_api_webhook.h"
#include "mdm_date.h"
#include "mdm_key.h"


/* of those that were put aside, in a call */
#define MDM_API_WEBHOOK_DEAD  "100"


typedef struct {
    mdm_api_streams_t         streams;
    mdm_str_t                 name;
    mdm_str_t                 since;       /* an entry's id, or empty */
    mdm_str_t                 dead;        /* "0", or how many */
    mdm_uint_t                found;       /* streams that know of it */
} mdm_api_change_t;


enum {
    MDM_API_CHANGE_BEGIN = 0,
    MDM_API_CHANGE_ROUND,
    MDM_API_CHANGE_STARTED
};


static mdm_int_t mdm_api_change_begin(mdm_exchange_t *x,
    mdm_api_change_t **change);
static mdm_int_t mdm_api_change_read(mdm_exchange_t *x,
    mdm_api_change_t *change);
static mdm_int_t mdm_api_change_since(mdm_exchange_t *x,
    mdm_api_change_t *change, const json_t *value);
static mdm_int_t mdm_api_replay_fill(mdm_exchange_t *x,
    mdm_api_streams_t *streams, mdm_str_t *args);
static mdm_int_t mdm_api_replay_reply(mdm_exchange_t *x,
    mdm_api_streams_t *streams, const mdm_call_t *call);
static mdm_uint_t mdm_api_drop_group(const mdm_settings_t *settings,
    const mdm_str_t *name);
static mdm_int_t mdm_api_drop_fill(mdm_exchange_t *x,
    mdm_api_streams_t *streams, mdm_str_t *args);
static mdm_int_t mdm_api_drop_reply(mdm_exchange_t *x,
    mdm_api_streams_t *streams, const mdm_call_t *call);
static mdm_int_t mdm_api_drop_start(mdm_exchange_t *x,
    mdm_api_change_t *change);


mdm_int_t
mdm_api_webhook_replay_step(mdm_exchange_t *x)
{
    mdm_int_t          rc;
    mdm_api_change_t  *change;

    if (x->state == MDM_API_CHANGE_BEGIN) {
        rc = mdm_api_change_begin(x, &change);

        if (rc == MDM_OK) {
            rc = (mdm_webhook_find(x->settings, &x->tenant, &change->name)
                  != NULL)
                 ? mdm_api_change_read(x, change)
                 : mdm_exchange_refuse(x, 404, "there is no such webhook");
        }

        if (rc != MDM_OK) {
            return rc;
        }

        change->streams.script = &mdm_script_hook_replay;
        change->streams.fill = mdm_api_replay_fill;
        change->streams.reply = mdm_api_replay_reply;
    }

    change = x->ctx;

    rc = mdm_api_streams(x, &change->streams, MDM_API_CHANGE_ROUND);

    return (rc == MDM_OK) ? mdm_exchange_empty(x, 204) : rc;
}


static mdm_int_t
mdm_api_change_begin(mdm_exchange_t *x, mdm_api_change_t **change)
{
    mdm_int_t  rc;

    *change = mdm_arena_zalloc(x->arena, sizeof(mdm_api_change_t));
    if (*change == NULL) {
        return MDM_ERROR;
    }

    mdm_str_set(&(*change)->since, "");
    mdm_str_set(&(*change)->dead, "0");

    (*change)->streams.data = *change;

    x->ctx = *change;

    rc = mdm_api_param(x, 0, &(*change)->name);

    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    return (rc == MDM_OK && mdm_tenant_check(&(*change)->name) == MDM_OK)
           ? MDM_OK
           : mdm_exchange_refuse(x, 404, "there is no such webhook");
}


/* {"since": "RFC 3339"} or {"dead": true} */

static mdm_int_t
mdm_api_change_read(mdm_exchange_t *x, mdm_api_change_t *change)
{
    json_t     *root, *since, *dead;
    mdm_int_t   rc;

    rc = mdm_api_body(x, "a JSON object", &root);
    if (rc != MDM_OK) {
        return rc;
    }

    since = json_object_get(root, "since");
    dead = json_object_get(root, "dead");

    if (json_object_size(root) != 1
        || (since == NULL && !json_is_true(dead)))
    {
        return mdm_exchange_refuse(x, 400, "one of \"since\", a time, and "
                                   "\"dead\": true expected");
    }

    if (since != NULL) {
        return mdm_api_change_since(x, change, since);
    }

    mdm_str_set(&change->dead, MDM_API_WEBHOOK_DEAD);

    return MDM_OK;
}


static mdm_int_t
mdm_api_change_since(mdm_exchange_t *x, mdm_api_change_t *change,
    const json_t *value)
{
    u_char     utc[MDM_DATE_LEN + 1];
    time_t     seconds;
    mdm_str_t  text;
    struct tm  tm;

    mdm_str_set(&text, "");

    if (json_is_string(value)) {
        text.data = (u_char *) (uintptr_t) json_string_value(value);
        text.len = json_string_length(value);
    }

    memset(&tm, 0, sizeof(struct tm));
    utc[MDM_DATE_LEN] = '\0';

    if (mdm_date_utc(utc, &text) != MDM_OK
        || sscanf((const char *) utc, "%d-%d-%dT%d:%d:%dZ", &tm.tm_year,
                  &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                  &tm.tm_sec)
           != 6)
    {
        return mdm_exchange_refuse(x, 400, "since: a time such as "
                                   "\"2026-01-31T12:00:00Z\" expected");
    }

    tm.tm_year -= 1900;
    tm.tm_mon--;

    seconds = timegm(&tm);

    if (seconds <= 0) {
        mdm_str_set(&change->since, "0-0");
        return MDM_OK;
    }

    /* what the script repeats is behind it: the last id before this time */

    return mdm_printf(x->arena, &change->since, "%lld-%llu",
                      (long long) seconds * 1000 - 1,
                      (unsigned long long) UINT64_MAX);
}


static mdm_int_t
mdm_api_replay_fill(mdm_exchange_t *x, mdm_api_streams_t *streams,
    mdm_str_t *args)
{
    mdm_api_change_t *change = streams->data;

    (void) x;

    args[MDM_ARG_HOOK_REPLAY_NAME] = change->name;
    args[MDM_ARG_HOOK_REPLAY_SINCE] = change->since;
    args[MDM_ARG_HOOK_REPLAY_DEAD] = change->dead;

    return MDM_OK;
}


static mdm_int_t
mdm_api_replay_reply(mdm_exchange_t *x, mdm_api_streams_t *streams,
    const mdm_call_t *call)
{
    (void) x;
    (void) streams;

    return (mdm_reply_code(call->reply, 0) == 1
            && mdm_reply_int(call->reply, MDM_RET_HOOK_REPLAY_LEFT, 0) > 0)
           ? MDM_DECLINED : MDM_OK;
}


mdm_int_t
mdm_api_webhook_delete_step(mdm_exchange_t *x)
{
    mdm_int_t          rc;
    mdm_api_change_t  *change;

    if (x->state == MDM_API_CHANGE_STARTED) {
        return mdm_exchange_empty(x, 204);
    }

    if (x->state == MDM_API_CHANGE_BEGIN) {
        rc = mdm_api_change_begin(x, &change);
        if (rc != MDM_OK) {
            return rc;
        }

        if (mdm_webhook_find(x->settings, &x->tenant, &change->name) != NULL) {
            return mdm_exchange_refuse(x, 409, "the webhook is configured: "
                                       "take its \"mdm_webhook\" away first");
        }

        if (mdm_api_drop_group(x->settings, &change->name)) {
            return mdm_exchange_refuse(x, 409, "the group is configured: take "
                                       "its \"mdm_event_group\" away first");
        }

        change->streams.script = &mdm_script_hook_forget;
        change->streams.fill = mdm_api_drop_fill;
        change->streams.reply = mdm_api_drop_reply;
    }

    change = x->ctx;

    rc = mdm_api_streams(x, &change->streams, MDM_API_CHANGE_ROUND);
    if (rc != MDM_OK) {
        return rc;
    }

    return (change->found != 0)
           ? mdm_api_drop_start(x, change)
           : mdm_exchange_refuse(x, 404, "there is no such webhook");
}


/* 1: a group of this name is configured, which reads the streams itself */

static mdm_uint_t
mdm_api_drop_group(const mdm_settings_t *settings, const mdm_str_t *name)
{
    mdm_uint_t  i;

    for (i = 0; i < settings->nevent_groups; i++) {
        if (mdm_str_eq(&settings->event_groups[i], name)) {
            return 1;
        }
    }

    return 0;
}


static mdm_int_t
mdm_api_drop_fill(mdm_exchange_t *x, mdm_api_streams_t *streams,
    mdm_str_t *args)
{
    mdm_api_change_t *change = streams->data;

    (void) x;

    args[MDM_ARG_HOOK_FORGET_NAME] = change->name;

    return MDM_OK;
}


static mdm_int_t
mdm_api_drop_reply(mdm_exchange_t *x, mdm_api_streams_t *streams,
    const mdm_call_t *call)
{
    mdm_api_change_t *change = streams->data;

    (void) x;

    change->found += (mdm_reply_code(call->reply, 0) == 1);

    return MDM_OK;
}


/* one of this name that comes later is a new one, unless others have it */

static mdm_int_t
mdm_api_drop_start(mdm_exchange_t *x, mdm_api_change_t *change)
{
    mdm_str_t   key, *args;
    mdm_uint_t  i;

    for (i = 0; i < x->settings->nwebhooks; i++) {
        if (mdm_str_eq(&x->settings->webhooks[i].name, &change->name)) {
            return mdm_exchange_empty(x, 204);
        }
    }

    mdm_str_set(&key, MDM_JOB_KEY);

    if (mdm_exchange_calls(x, 1, MDM_API_CHANGE_STARTED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_hook_unstart, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_HOOK_UNSTART_NAME] = change->name;

    return MDM_CALL;
}
