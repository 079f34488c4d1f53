
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is counted of webhooks, and what this worker knows of how they are.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_mdm_hook_place.h"


/* of each webhook, tenants for whom it fails */
static ngx_uint_t           *ngx_mdm_hook_failing;
static ngx_uint_t            ngx_mdm_hook_nfailing;
static const mdm_webhook_t  *ngx_mdm_hook_first;


ngx_int_t
ngx_mdm_hook_count_init_process(ngx_cycle_t *cycle, ngx_mdm_hook_conf_t *conf)
{
    ngx_uint_t      i;
    mdm_webhook_t  *webhooks;

    webhooks = conf->webhooks.elts;

    ngx_mdm_hook_failing = ngx_pcalloc(cycle->pool,
                                       (conf->webhooks.nelts + 1)
                                       * sizeof(ngx_uint_t));
    if (ngx_mdm_hook_failing == NULL) {
        return NGX_ERROR;
    }

    ngx_mdm_hook_nfailing = conf->webhooks.nelts;
    ngx_mdm_hook_first = webhooks;

    /* the first ones have a name in metrics, and are there before they send */

    for (i = 0; i < conf->webhooks.nelts; i++) {
        (void) ngx_mdm_count_webhook((ngx_str_t *) &webhooks[i].name);
    }

    return NGX_OK;
}


void
ngx_mdm_hook_count(mdm_metrics_webhook_t *counts, const mdm_http_t *http)
{
    if (counts == NULL) {
        return;
    }

    ngx_mdm_count_add(&counts->deliveries[mdm_metrics_delivery(http)], 1);

    if (http->outcome != MDM_HTTP_BUSY) {
        ngx_mdm_count_time(&counts->duration, MDM_METRICS_SHORT, http->ms);
    }
}


void
ngx_mdm_hook_count_run(ngx_mdm_hook_t *hook, mdm_hook_t *run)
{
    if (run->attempt != NULL) {
        ngx_mdm_hook_count(hook->counts, run->attempt);
        run->attempt = NULL;
    }

    if (hook->counts == NULL) {
        return;
    }

    if (run->dead != 0) {
        ngx_mdm_count_add(&hook->counts->deliveries[MDM_METRICS_DEAD],
                          run->dead);
        run->dead = 0;
    }

    if (run->lost != 0) {
        ngx_mdm_count_add(&hook->counts->lost, run->lost);
        run->lost = 0;
    }
}


/* one of which nothing waits here may be served by another worker */

void
ngx_mdm_hook_note(ngx_mdm_hook_t *hook)
{
    ngx_uint_t  failing;

    failing = (hook->failed != 0
               && (hook->running != 0 || !ngx_queue_empty(&hook->ready)
                   || !ngx_queue_empty(&hook->waiting)));

    if (failing == hook->failing) {
        return;
    }

    hook->failing = (failing != 0);

    if (failing) {
        ngx_mdm_hook_failing[hook->webhook - ngx_mdm_hook_first]++;

    } else {
        ngx_mdm_hook_failing[hook->webhook - ngx_mdm_hook_first]--;
    }
}


ngx_int_t
ngx_mdm_hook_state(ngx_uint_t *configured, ngx_uint_t *failing)
{
    ngx_uint_t  i;

    *configured = ngx_mdm_hook_nfailing;
    *failing = 0;

    for (i = 0; i < ngx_mdm_hook_nfailing; i++) {
        *failing += (ngx_mdm_hook_failing[i] != 0);
    }

    return (ngx_mdm_hook_nfailing != 0) ? NGX_OK : NGX_DECLINED;
}
