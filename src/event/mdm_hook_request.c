
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One request to a webhook, and what comes of it.
 */


#include "mdm_hook.h"
#include "mdm_number.h"


/* bytes of an answer that nobody looks at */
#define MDM_HOOK_ANSWER       65536

/* of our own */
#define MDM_HOOK_HEADERS      4


mdm_http_t *
mdm_hook_request(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_webhook_t *webhook, const mdm_str_t *body, mdm_uint_t attempt)
{
    mdm_uint_t          n;
    mdm_http_t         *http;
    mdm_http_header_t  *headers;

    http = mdm_exchange_http(x, i);

    headers = mdm_arena_alloc(x->arena, (MDM_HOOK_HEADERS + webhook->nheaders)
                                        * sizeof(mdm_http_header_t));
    if (http == NULL || headers == NULL) {
        return NULL;
    }

    n = 0;

    mdm_str_set(&headers[n].name, "Content-Type");
    mdm_str_set(&headers[n].value, "application/json; charset=utf-8");
    n++;

    mdm_str_set(&headers[n].name, "X-Mdm-Tenant");
    headers[n++].value = x->tenant;

    mdm_str_set(&headers[n].name, "X-Mdm-Attempt");

    if (mdm_itoa(x->arena, &headers[n++].value, (int64_t) attempt) != MDM_OK) {
        return NULL;
    }

    if (webhook->hmac != NULL) {
        mdm_str_set(&headers[n].name, "X-Hmac-Signature");

        if (mdm_event_hmac(x->arena, webhook->hmac, body, &headers[n++].value)
            != MDM_OK)
        {
            return NULL;
        }
    }

    if (webhook->nheaders != 0) {
        memcpy(&headers[n], webhook->headers,
               webhook->nheaders * sizeof(mdm_http_header_t));
        n += webhook->nheaders;
    }

    mdm_str_set(&http->method, "POST");

    http->client = webhook->client;
    http->url = webhook->url;
    http->headers = headers;
    http->nheaders = n;
    http->body = *body;
    http->timeout = webhook->timeout;
    http->limit = MDM_HOOK_ANSWER;

    return http;
}


mdm_uint_t
mdm_hook_status(const mdm_http_t *http)
{
    return (http->outcome == MDM_HTTP_ANSWERED
            || http->outcome == MDM_HTTP_TOO_LARGE)
           ? http->status : 0;
}


mdm_int_t
mdm_hook_outcome(mdm_exchange_t *x, const mdm_http_t *http, mdm_str_t *why)
{
    mdm_uint_t  status;

    status = mdm_hook_status(http);

    if (status != 0) {

        if (status >= 200 && status <= 299) {
            return MDM_OK;
        }

        return (mdm_printf(x->arena, why, "status %lu",
                           (unsigned long) status)
                == MDM_OK)
               ? MDM_DECLINED : MDM_ERROR;
    }

    *why = http->reason;

    if (http->outcome == MDM_HTTP_OFF) {
        mdm_str_set(why, "this nginx sends no HTTP requests");

    } else if (why->len == 0) {
        mdm_str_set(why, "no answer");
    }

    return MDM_DECLINED;
}
