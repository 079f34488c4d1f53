
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Webhooks, for unit tests with a real redis-server: see admin.h.
 */


#ifndef _MDM_UNIT_HOOK_H_INCLUDED_
#define _MDM_UNIT_HOOK_H_INCLUDED_


#include "admin.h"

#include <stdlib.h>
#include <time.h>

#include "mdm_hook.h"
#include "mdm_hook_job.h"
#include "mdm_topic.h"


#define T        "mdm:{default/0}"

#define COMMAND(uuid)                                                         \
    "<plist version=\"1.0\"><dict><key>Command</key><dict>"                   \
    "<key>RequestType</key><string>ProfileList</string></dict>"               \
    "<key>CommandUUID</key><string>" uuid "</string></dict></plist>"


static mdm_hook_t  hook;                   /* the last run */
static char        attempt[16];            /* headers of the last request */
static char        signature[64];


static inline void
hook_headers(const mdm_http_t *http)
{
    mdm_uint_t                i;
    const mdm_http_header_t  *h;

    signature[0] = '\0';

    for (i = 0; i < http->nheaders; i++) {
        h = &http->headers[i];

        if (mdm_str_is(&h->name, "X-Mdm-Attempt")) {
            snprintf(attempt, sizeof(attempt), "%.*s", mdm_fmt(&h->value));
        }

        if (mdm_str_is(&h->name, "X-Hmac-Signature")) {
            snprintf(signature, sizeof(signature), "%.*s",
                     mdm_fmt(&h->value));
        }
    }
}


static inline void
hook_webhook(mdm_webhook_t *webhook, const char *name)
{
    mdm_str_t  topics, bad;

    memset(webhook, 0, sizeof(mdm_webhook_t));

    webhook->name.data = (u_char *) name;
    webhook->name.len = strlen(name);
    webhook->timeout = 1000;
    webhook->retry = 60;

    mdm_str_set(&webhook->url, "https://hook.example/");
    mdm_str_set(&webhook->tenant, "default");
    mdm_str_set(&topics, MDM_TOPICS_DEFAULT);

    assert_int_equal(mdm_topics_read(&topics, &webhook->topics, &bad), MDM_OK);
}


static inline void
hook_settings(mdm_webhook_t *list, mdm_uint_t n)
{
    settings.webhooks = list;
    settings.nwebhooks = n;
    settings.event_groups = NULL;
    settings.nevent_groups = 0;
    settings.event_hold = 3600;
    settings.event_limit = 1000;
    settings.event_payload = 0;
}


/* a step of work in the background, by a worker's clock that is ahead */

static inline void
job(void **state, mdm_step_pt step, void *ctx, int64_t ahead)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_JOB;
    x->now = time(NULL) + ahead;
    mdm_str_set(&x->tenant, "default");
    x->step = step;
    x->ctx = ctx;

    mdm_unit_redis_run(*state, x);
}


#define look(state)  job(state, mdm_hook_job_step, NULL, 0)


static inline mdm_hook_e
hook_run(void **state, const mdm_webhook_t *webhook, const char *runner,
    mdm_uint_t force, int64_t ahead)
{
    memset(&hook, 0, sizeof(hook));

    hook.webhook = webhook;
    hook.force = force;
    mdm_str_set(&hook.tag, T);
    hook.runner.data = (u_char *) runner;
    hook.runner.len = strlen(runner);

    job(state, mdm_hook_step, &hook, ahead);
    assert_int_equal(x->status, 200);

    hook.force = 0;

    return hook.end;
}


static inline int
log_says(const char *text)
{
    mdm_log_t  *line;

    for (line = x->log; line != NULL; line = line->next) {
        if (memmem(line->text.data, line->text.len, text, strlen(text))) {
            return 1;
        }
    }

    return 0;
}


#endif /* _MDM_UNIT_HOOK_H_INCLUDED_ */
