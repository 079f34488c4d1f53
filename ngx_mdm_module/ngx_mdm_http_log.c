
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the error log is told of other servers: where requests go that have no
 * answer, once, and when there are answers again.
 */


#include "ngx_mdm_http_pool.h"


/* servers that a worker remembers */
#define NGX_MDM_HTTP_SITES    64


static ngx_mdm_http_site_t *ngx_mdm_http_log_site(ngx_mdm_http_op_t *op,
    ngx_uint_t create);


void
ngx_mdm_http_log(ngx_mdm_http_op_t *op)
{
    ngx_str_t             reason;
    ngx_uint_t            up;
    ngx_mdm_http_t       *http;
    ngx_mdm_http_site_t  *site;

    http = op->pool->http;

    /* nothing was asked */

    if (op->outcome == MDM_HTTP_BUSY || http->quitting) {
        return;
    }

    /* one that is too large is an answer, too */

    up = (op->outcome == MDM_HTTP_ANSWERED
          || op->outcome == MDM_HTTP_TOO_LARGE);

    site = ngx_mdm_http_log_site(op, !up);

    if (site == NULL) {
        return;
    }

    if (up) {

        if (site->down) {
            site->down = 0;

            ngx_log_error(NGX_LOG_NOTICE, &http->log, 0,
                          "mdm http: %V answers again, after %T s in which "
                          "%ui requests had no answer", &op->site,
                          ngx_time() - site->since, site->failed);
        }

        return;
    }

    site->failed++;

    reason.data = op->text;
    reason.len = op->reason;

    if (site->down) {
        ngx_log_error(NGX_LOG_INFO, &http->log, 0,
                      "mdm http: %V still has no answer: %V", &op->site,
                      &reason);
        return;
    }

    site->down = 1;
    site->since = ngx_time();
    site->failed = 1;

    if (op->pool->client->proxy_host.len != 0) {
        ngx_log_error(NGX_LOG_ERR, &http->log, 0,
                      "mdm http: no answer of %V, by way of the proxy %V:%ui: "
                      "%V", &op->site, &op->host, (ngx_uint_t) op->port,
                      &reason);

    } else {
        ngx_log_error(NGX_LOG_ERR, &http->log, 0,
                      "mdm http: no answer of %V: %V", &op->site, &reason);
    }
}


static ngx_mdm_http_site_t *
ngx_mdm_http_log_site(ngx_mdm_http_op_t *op, ngx_uint_t create)
{
    size_t                len;
    ngx_queue_t          *q;
    ngx_mdm_http_t       *http;
    ngx_mdm_http_site_t  *site;

    http = op->pool->http;
    len = ngx_min(op->site.len, NGX_MDM_HTTP_TEXT);

    for (q = ngx_queue_head(&http->sites);
         q != ngx_queue_sentinel(&http->sites);
         q = ngx_queue_next(q))
    {
        site = ngx_queue_data(q, ngx_mdm_http_site_t, queue);

        if (site->client == op->pool->client->index && site->len == len
            && ngx_memcmp(site->name, op->site.data, len) == 0)
        {
            ngx_queue_remove(q);
            ngx_queue_insert_head(&http->sites, q);

            return site;
        }
    }

    if (!create) {
        return NULL;
    }

    if (http->nsites < NGX_MDM_HTTP_SITES) {
        site = ngx_alloc(sizeof(ngx_mdm_http_site_t), &http->log);
        if (site == NULL) {
            return NULL;
        }

        http->nsites++;

    } else {
        q = ngx_queue_last(&http->sites);
        ngx_queue_remove(q);

        site = ngx_queue_data(q, ngx_mdm_http_site_t, queue);
    }

    ngx_memzero(site, sizeof(ngx_mdm_http_site_t));

    site->client = op->pool->client->index;
    site->len = len;
    ngx_memcpy(site->name, op->site.data, len);

    ngx_queue_insert_head(&http->sites, &site->queue);

    return site;
}


void
ngx_mdm_http_log_free(ngx_mdm_http_t *http)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&http->sites)) {
        q = ngx_queue_head(&http->sites);
        ngx_queue_remove(q);

        ngx_free(ngx_queue_data(q, ngx_mdm_http_site_t, queue));
    }

    http->nsites = 0;
}
