
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Webhooks as they are configured, and who gets events of a tenant: webhooks,
 * and consumer groups that read the streams themselves.
 */


#ifndef _MDM_WEBHOOK_H_INCLUDED_
#define _MDM_WEBHOOK_H_INCLUDED_


#include <openssl/types.h>

#include "mdm_exchange.h"


/* the kind of work that looks for what is to be delivered */
#define MDM_HOOK_JOB          "hook"

/* bytes of a name */
#define MDM_WEBHOOK_NAME_MAX  64

/* bytes of a query that an event keeps */
#define MDM_EVENT_PARAMS_MAX  2048


struct mdm_webhook_s {
    mdm_str_t                 name;
    mdm_str_t                 url;
    mdm_str_t                 tenant;      /* empty: every one */
    uint64_t                  topics;      /* see mdm_topic.h */
    mdm_uint_t                all;         /* 1: a new one begins with all that
                                              is kept */
    mdm_uint_t                payload;     /* 1: with messages and results */
    mdm_uint_t                secrets;     /* 1: with secrets in these */
    EVP_MAC_CTX              *hmac;        /* has its key; NULL: bodies are not
                                              signed */
    const mdm_http_header_t  *headers;     /* further ones */
    mdm_uint_t                nheaders;
    mdm_uint_t                connections; /* at a time */
    mdm_uint_t                timeout;     /* ms */
    mdm_uint_t                retry;       /* seconds */
    const void               *client;      /* see mdm_http_t */
};


/* 1 if the webhook gets events of this tenant */
mdm_uint_t mdm_webhook_of(const mdm_webhook_t *webhook,
    const mdm_str_t *tenant);

/* the one of this name that does, or NULL */
const mdm_webhook_t *mdm_webhook_find(const mdm_settings_t *settings,
    const mdm_str_t *tenant, const mdm_str_t *name);

/* 1 if somebody is configured who gets each event of this tenant */
mdm_uint_t mdm_webhook_consumers(const mdm_settings_t *settings,
    const mdm_str_t *tenant);

/*
 * 1 if a webhook of x->tenant gets this event with the message as it came, for
 * which the event carries it.  "topic": the bit of the event (mdm_topic.h);
 * "secrets": 1: the message has some.
 */
mdm_uint_t mdm_webhook_payload(const mdm_exchange_t *x, uint64_t topic,
    mdm_uint_t secrets);


#endif /* _MDM_WEBHOOK_H_INCLUDED_ */
