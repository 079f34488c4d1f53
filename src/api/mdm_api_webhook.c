
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * /v1/webhooks: how far each is, and a test of one.
 */


#include "mdm_api.h"
#include "mdm_api_json.h"
#include "mdm_api_webhook.h"
#include "mdm_date.h"


/* a slot of the row at k of a reply, and as a number */

#define mdm_api_webhook_str(field)                                            \
    mdm_reply_str(call->reply, k + MDM_RET_HOOK_INFO_ROWS_##field)
#define mdm_api_webhook_number(field)                                         \
    mdm_api_webhook_int(call->reply, k + MDM_RET_HOOK_INFO_ROWS_##field)

/* webhooks that an answer shows */
#define MDM_API_WEBHOOKS      256


typedef struct {
    mdm_str_t                 name;
    const mdm_webhook_t      *webhook;     /* NULL: none of this name is
                                              configured any more */
    int64_t                   lag;
    int64_t                   oldest;      /* Unix ms; 0: there is none */
    mdm_str_t                 status;
    int64_t                   at;
    int64_t                   success;
    int64_t                   failed;
    int64_t                   skipped;
    int64_t                   error_at;
    mdm_str_t                 error;
} mdm_api_webhook_t;

typedef struct {
    mdm_api_streams_t         streams;
    mdm_api_webhook_t         list[MDM_API_WEBHOOKS];
    mdm_uint_t                n;
} mdm_api_webhooks_t;


static mdm_int_t mdm_api_webhooks_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_webhooks_fill(mdm_exchange_t *x,
    mdm_api_streams_t *streams, mdm_str_t *args);
static mdm_int_t mdm_api_webhooks_reply(mdm_exchange_t *x,
    mdm_api_streams_t *streams, const mdm_call_t *call);
static mdm_api_webhook_t *mdm_api_webhooks_find(mdm_exchange_t *x,
    mdm_api_webhooks_t *list, const mdm_str_t *name);
static int64_t mdm_api_webhook_int(const mdm_reply_t *reply, size_t i);
static mdm_int_t mdm_api_webhooks_answer(mdm_exchange_t *x,
    mdm_api_webhooks_t *list);
static void mdm_api_webhook_time(mdm_json_out_t *j, const char *name,
    int64_t ms);
static mdm_int_t mdm_api_webhook_send(mdm_exchange_t *x,
    const mdm_webhook_t *webhook);


mdm_int_t
mdm_api_webhook_list_step(mdm_exchange_t *x)
{
    mdm_int_t            rc;
    mdm_api_webhooks_t  *list;

    if (x->state == 0 && mdm_api_webhooks_begin(x) != MDM_OK) {
        return MDM_ERROR;
    }

    list = x->ctx;

    rc = mdm_api_streams(x, &list->streams, 1);

    return (rc == MDM_OK) ? mdm_api_webhooks_answer(x, list) : rc;
}


static mdm_int_t
mdm_api_webhooks_begin(mdm_exchange_t *x)
{
    mdm_uint_t            i;
    mdm_api_webhooks_t   *list;
    const mdm_webhook_t  *webhook;

    list = mdm_arena_zalloc(x->arena, sizeof(mdm_api_webhooks_t));
    if (list == NULL) {
        return MDM_ERROR;
    }

    list->streams.script = &mdm_script_hook_info;
    list->streams.fill = mdm_api_webhooks_fill;
    list->streams.reply = mdm_api_webhooks_reply;
    list->streams.data = list;

    for (i = 0; i < x->settings->nwebhooks; i++) {
        webhook = &x->settings->webhooks[i];

        if (mdm_webhook_of(webhook, &x->tenant)
            && list->n < MDM_API_WEBHOOKS)
        {
            list->list[list->n].name = webhook->name;
            list->list[list->n++].webhook = webhook;
        }
    }

    x->ctx = list;

    return MDM_OK;
}


static mdm_int_t
mdm_api_webhooks_fill(mdm_exchange_t *x, mdm_api_streams_t *streams,
    mdm_str_t *args)
{
    (void) x;
    (void) streams;
    (void) args;

    return MDM_OK;
}


static mdm_int_t
mdm_api_webhooks_reply(mdm_exchange_t *x, mdm_api_streams_t *streams,
    const mdm_call_t *call)
{
    size_t              k;
    int64_t             n;
    mdm_str_t           s;
    mdm_api_webhook_t  *hook;

    for (k = MDM_RET_HOOK_INFO_ROWS;
         mdm_reply_row(call->reply, k, MDM_NRET_HOOK_INFO_ROWS);
         k += MDM_NRET_HOOK_INFO_ROWS)
    {
        s = mdm_api_webhook_str(NAME);

        hook = mdm_api_webhooks_find(x, streams->data, &s);
        if (hook == NULL) {
            continue;
        }

        hook->lag += mdm_reply_count(call->reply,
                                     k + MDM_RET_HOOK_INFO_ROWS_LAG,
                                     INT32_MAX);

        n = mdm_api_webhook_number(OLDEST);

        if (n != 0 && (hook->oldest == 0 || n < hook->oldest)) {
            hook->oldest = n;
        }

        n = mdm_api_webhook_number(AT);

        if (n > hook->at) {
            hook->at = n;
            hook->status = mdm_api_webhook_str(STATUS);
        }

        n = mdm_api_webhook_number(SUCCESS);

        if (n > hook->success) {
            hook->success = n;
        }

        hook->failed += mdm_api_webhook_number(FAILED);
        hook->skipped += mdm_api_webhook_number(SKIPPED);

        n = mdm_api_webhook_number(ERROR_AT);

        if (n > hook->error_at) {
            hook->error_at = n;
            hook->error = mdm_api_webhook_str(ERROR);
        }
    }

    return MDM_OK;
}


/* digits, as Lua keeps large numbers exact; else 0 */

static int64_t
mdm_api_webhook_int(const mdm_reply_t *reply, size_t i)
{
    int64_t    n;
    mdm_str_t  s;

    s = mdm_reply_str(reply, i);

    return (mdm_atoi(&s, &n) == MDM_OK) ? n : 0;
}


static mdm_api_webhook_t *
mdm_api_webhooks_find(mdm_exchange_t *x, mdm_api_webhooks_t *list,
    const mdm_str_t *name)
{
    mdm_uint_t  i;

    (void) x;

    for (i = 0; i < list->n; i++) {
        if (mdm_str_eq(&list->list[i].name, name)) {
            return &list->list[i];
        }
    }

    if (list->n == MDM_API_WEBHOOKS) {
        return NULL;
    }

    list->list[list->n].name = *name;

    return &list->list[list->n++];
}


static mdm_int_t
mdm_api_webhooks_answer(mdm_exchange_t *x, mdm_api_webhooks_t *list)
{
    int64_t             n;
    mdm_uint_t          i;
    mdm_json_out_t      j;
    mdm_api_webhook_t  *hook;

    mdm_json_init(&j, x->arena, 256 * (list->n + 1));
    mdm_json_open(&j, NULL, '[');

    for (i = 0; i < list->n; i++) {
        hook = &list->list[i];

        mdm_json_open(&j, NULL, '{');
        mdm_json_str(&j, "name", &hook->name);

        if (hook->webhook != NULL) {
            mdm_json_str(&j, "url", &hook->webhook->url);
        }

        n = (hook->oldest != 0) ? x->now - hook->oldest / 1000 : 0;

        mdm_json_int(&j, "lag_events", hook->lag);
        mdm_json_int(&j, "lag_seconds", (n > 0) ? n : 0);

        if (mdm_atoi(&hook->status, &n) == MDM_OK && n != 0) {
            mdm_json_int(&j, "last_status", n);
        }

        if (hook->error.len != 0) {
            mdm_json_str(&j, "last_error", &hook->error);
        }

        mdm_api_webhook_time(&j, "last_success", hook->success);
        mdm_json_int(&j, "failed", hook->failed);
        mdm_json_int(&j, "skipped", hook->skipped);
        mdm_json_close(&j, '}');
    }

    mdm_json_close(&j, ']');

    return mdm_api_json_answer(&j, x, 200);
}


static void
mdm_api_webhook_time(mdm_json_out_t *j, const char *name, int64_t ms)
{
    u_char     date[MDM_DATE_LEN];
    mdm_str_t  text;

    if (ms != 0 && mdm_date_unix(date, ms / 1000) == MDM_OK) {
        text.data = date;
        text.len = MDM_DATE_LEN;

        mdm_json_str(j, name, &text);
    }
}


mdm_int_t
mdm_api_webhook_test_step(mdm_exchange_t *x)
{
    mdm_int_t             rc;
    mdm_str_t             name, why;
    mdm_json_out_t        j;
    const mdm_http_t     *http;
    const mdm_webhook_t  *webhook;

    if (x->state == 0) {
        rc = mdm_api_param(x, 0, &name);
        if (rc == MDM_ERROR) {
            return MDM_ERROR;
        }

        webhook = (rc == MDM_OK)
                  ? mdm_webhook_find(x->settings, &x->tenant, &name) : NULL;

        return (webhook != NULL)
               ? mdm_api_webhook_send(x, webhook)
               : mdm_exchange_refuse(x, 404, "there is no such webhook");
    }

    http = x->calls[0].http;

    rc = mdm_hook_outcome(x, http, &why);
    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');

    if (mdm_hook_status(http) != 0) {
        mdm_json_int(&j, "status", (int64_t) http->status);

    } else {
        mdm_json_str(&j, "error", &why);
    }

    mdm_json_int(&j, "ms", (int64_t) http->ms);
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, (mdm_hook_status(http) != 0)
                                      ? 200 : 502);
}


static mdm_int_t
mdm_api_webhook_send(mdm_exchange_t *x, const mdm_webhook_t *webhook)
{
    mdm_str_t    body;
    mdm_event_t  event;

    memset(&event, 0, sizeof(mdm_event_t));

    mdm_str_set(&event.stream, "test");
    mdm_str_set(&event.name, "mdm.Test");
    mdm_str_set(&event.data, "{}");

    if (mdm_printf(x->arena, &event.entry, "%lld-0", (long long) x->now * 1000)
        != MDM_OK
        || mdm_event_body(x->arena, webhook, &x->tenant, &event, &body)
           != MDM_OK
        || mdm_exchange_calls(x, 1, 1) != MDM_CALL
        || mdm_hook_request(x, 0, webhook, &body, 1) == NULL)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}
