
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Who gets events of a tenant.
 */


#include "mdm_webhook.h"


mdm_uint_t
mdm_webhook_of(const mdm_webhook_t *webhook, const mdm_str_t *tenant)
{
    return webhook->tenant.len == 0 || mdm_str_eq(&webhook->tenant, tenant);
}


const mdm_webhook_t *
mdm_webhook_find(const mdm_settings_t *settings, const mdm_str_t *tenant,
    const mdm_str_t *name)
{
    mdm_uint_t            i;
    const mdm_webhook_t  *webhook;

    for (i = 0; i < settings->nwebhooks; i++) {
        webhook = &settings->webhooks[i];

        if (mdm_str_eq(&webhook->name, name)
            && mdm_webhook_of(webhook, tenant))
        {
            return webhook;
        }
    }

    return NULL;
}


mdm_uint_t
mdm_webhook_consumers(const mdm_settings_t *settings, const mdm_str_t *tenant)
{
    mdm_uint_t  i;

    if (settings->nevent_groups != 0) {
        return 1;
    }

    for (i = 0; i < settings->nwebhooks; i++) {
        if (mdm_webhook_of(&settings->webhooks[i], tenant)) {
            return 1;
        }
    }

    return 0;
}


mdm_uint_t
mdm_webhook_payload(const mdm_exchange_t *x, uint64_t topic,
    mdm_uint_t secrets)
{
    mdm_uint_t            i;
    const mdm_webhook_t  *webhook;

    for (i = 0; i < x->settings->nwebhooks; i++) {
        webhook = &x->settings->webhooks[i];

        if ((webhook->topics & topic)
            && webhook->payload && (webhook->secrets || !secrets)
            && mdm_webhook_of(webhook, &x->tenant))
        {
            return 1;
        }
    }

    return 0;
}


mdm_int_t
mdm_exchange_event_tag(mdm_exchange_t *x, const mdm_str_t *tag)
{
    mdm_event_tag_t  *event;

    if (x->event_tags != NULL && mdm_str_eq(&x->event_tags->tag, tag)) {
        return MDM_OK;
    }

    event = mdm_arena_alloc(x->arena, sizeof(mdm_event_tag_t));
    if (event == NULL) {
        return MDM_ERROR;
    }

    event->tag = *tag;
    event->next = x->event_tags;
    x->event_tags = event;

    return MDM_OK;
}
