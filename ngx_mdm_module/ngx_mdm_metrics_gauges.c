
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads from Redis what a job has stored of metrics, and tells it of tenants.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "mdm_endpoint.h"
#include "mdm_gauges.h"
#include "mdm_key.h"
#include "ngx_mdm_count.h"
#include "ngx_mdm_metrics_gauges.h"
#include "ngx_mdm_redis_resp.h"
#include "ngx_mdm_round.h"
#include "ngx_mdm_store.h"


typedef struct {
    size_t                    len;         /* 0: none */
    u_char                    data[MDM_TENANT_MAX];
} ngx_mdm_gauges_tenant_t;


/* of a store */

typedef struct {
    ngx_mdm_store_t          *store;
    ngx_uint_t                place;       /* in the zone */
    mdm_exchange_t           *exchange;    /* it is being read, or NULL */
    ngx_mdm_round_t           round;
    mdm_gauges_get_t          get;

    /* tenants that this worker has served last, each where its name says */
    ngx_mdm_gauges_tenant_t   tenants[MDM_GAUGES_TENANTS];
    mdm_str_t                 names[MDM_GAUGES_TENANTS];
    ngx_mdm_gauges_tenant_t  *last;        /* mostly the next one, too */
    ngx_uint_t                fresh;       /* 1: there is one where none was */
    ngx_uint_t                failed;      /* its failure was logged */
    ngx_uint_t                turn;        /* 1: it is read for the host */
} ngx_mdm_gauges_t;


static ngx_uint_t ngx_mdm_gauges_is(ngx_mdm_gauges_tenant_t *tenant,
    mdm_str_t *name);
static void ngx_mdm_gauges_read(ngx_mdm_gauges_t *gauges);
static void ngx_mdm_gauges_run(void *data);
static void ngx_mdm_gauges_done(ngx_mdm_gauges_t *gauges);


static ngx_mdm_gauges_t      *ngx_mdm_gauges;
static ngx_uint_t             ngx_mdm_ngauges;
static mdm_str_t              ngx_mdm_gauges_kinds[MDM_ENDPOINT_JOBS];
static mdm_uint_t             ngx_mdm_gauges_nkinds;


ngx_int_t
ngx_mdm_gauges_init_process(ngx_mdm_main_conf_t *mmcf)
{
    mdm_uint_t              i;
    ngx_mdm_store_t       **store;
    ngx_mdm_gauges_t       *gauges;
    const mdm_job_kind_t   *kinds[MDM_ENDPOINT_JOBS];

    gauges = ngx_pcalloc(ngx_cycle->pool,
                         mmcf->stores.nelts * sizeof(ngx_mdm_gauges_t));
    if (gauges == NULL) {
        return NGX_ERROR;
    }

    store = mmcf->stores.elts;

    for (i = 0; i < mmcf->stores.nelts; i++) {
        gauges[i].store = store[i];
        gauges[i].round.store = store[i];
        gauges[i].round.done = ngx_mdm_gauges_run;
        gauges[i].round.data = &gauges[i];

        (void) ngx_mdm_count_store(&store[i]->name, &gauges[i].place);
    }

    ngx_mdm_gauges = gauges;
    ngx_mdm_ngauges = mmcf->stores.nelts;

    ngx_mdm_gauges_nkinds = ngx_min(mdm_endpoint_job_kinds(kinds),
                                    MDM_METRICS_WORKS);

    for (i = 0; i < ngx_mdm_gauges_nkinds; i++) {
        ngx_mdm_gauges_kinds[i] = kinds[i]->name;
    }

    return NGX_OK;
}


void
ngx_mdm_gauges_exit_process(void)
{
    ngx_uint_t         i;
    ngx_mdm_gauges_t  *gauges;

    for (i = 0; i < ngx_mdm_ngauges; i++) {
        gauges = &ngx_mdm_gauges[i];

        if (gauges->exchange != NULL) {
            ngx_mdm_round_abandon(&gauges->round);
            mdm_arena_destroy(gauges->exchange->arena);
            gauges->exchange = NULL;
        }
    }

    ngx_mdm_ngauges = 0;
}


void
ngx_mdm_gauges_seen(ngx_mdm_store_t *store, mdm_str_t *name)
{
    ngx_mdm_gauges_t         *gauges;
    ngx_mdm_gauges_tenant_t  *tenant;

    if (store->index >= ngx_mdm_ngauges || name->len > MDM_TENANT_MAX
        || name->len == 0)
    {
        return;
    }

    gauges = &ngx_mdm_gauges[store->index];

    if (gauges->last != NULL && ngx_mdm_gauges_is(gauges->last, name)) {
        return;
    }

    tenant = &gauges->tenants[ngx_crc32_short(name->data, name->len)
                              % MDM_GAUGES_TENANTS];
    gauges->last = tenant;

    if (ngx_mdm_gauges_is(tenant, name)) {
        return;
    }

    /* those that share a place are told in turns, and bring no extra one */

    if (tenant->len == 0) {
        gauges->fresh = 1;
    }

    tenant->len = name->len;
    ngx_memcpy(tenant->data, name->data, name->len);
}


static ngx_uint_t
ngx_mdm_gauges_is(ngx_mdm_gauges_tenant_t *tenant, mdm_str_t *name)
{
    return tenant->len == name->len
           && ngx_memcmp(tenant->data, name->data, name->len) == 0;
}


void
ngx_mdm_gauges_tick(void)
{
    ngx_uint_t         i;
    ngx_mdm_gauges_t  *gauges;

    for (i = 0; i < ngx_mdm_ngauges; i++) {
        gauges = &ngx_mdm_gauges[i];

        if (!gauges->store->used || gauges->exchange != NULL) {
            continue;
        }

        gauges->turn = ngx_mdm_count_turn(gauges->place, MDM_GAUGES_EVERY);

        if (gauges->fresh || gauges->turn) {
            ngx_mdm_gauges_read(gauges);
        }
    }
}


static void
ngx_mdm_gauges_read(ngx_mdm_gauges_t *gauges)
{
    mdm_str_t                 name;
    ngx_uint_t                i, n;
    mdm_exchange_t           *x;
    ngx_mdm_gauges_tenant_t  *tenant;

    x = mdm_exchange_create_from(&ngx_mdm_redis_arenas,
                                 &gauges->store->settings);
    if (x == NULL) {
        return;
    }

    n = 0;

    for (i = 0; i < MDM_GAUGES_TENANTS; i++) {
        tenant = &gauges->tenants[i];

        name.len = tenant->len;
        name.data = tenant->data;

        if (name.len != 0
            && mdm_str_dup(x->arena, &gauges->names[n], &name) == MDM_OK)
        {
            n++;
        }
    }

    gauges->fresh = 0;

    gauges->get.kinds = ngx_mdm_gauges_kinds;
    gauges->get.nkinds = ngx_mdm_gauges_nkinds;
    gauges->get.tenants = gauges->names;
    gauges->get.ntenants = n;

    x->kind = MDM_KIND_JOB;
    x->now = ngx_time();
    x->step = mdm_gauges_get;
    x->ctx = &gauges->get;

    gauges->exchange = x;
    gauges->round.exchange = x;

    ngx_mdm_gauges_run(gauges);
}


static void
ngx_mdm_gauges_run(void *data)
{
    ngx_mdm_gauges_t *gauges = data;

    do {
        if (mdm_exchange_run(gauges->exchange) == MDM_DONE) {
            ngx_mdm_gauges_done(gauges);
            return;
        }

    } while (ngx_mdm_round_send(&gauges->round) == 0);
}


/* that Redis is away is logged elsewhere, and what was read becomes old */

static void
ngx_mdm_gauges_done(ngx_mdm_gauges_t *gauges)
{
    mdm_exchange_t  *x;

    x = gauges->exchange;

    ngx_log_debug2(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm gauges read: store \"%V\" %ui", &gauges->store->name,
                   (ngx_uint_t) x->status);

    if (x->status == NGX_HTTP_OK) {
        gauges->failed = 0;

        ngx_mdm_count_gauges(gauges->place, gauges->get.gauges,
                             gauges->turn);

    } else if (x->status != NGX_HTTP_SERVICE_UNAVAILABLE && !gauges->failed) {
        gauges->failed = 1;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "mdm store \"%V\": metrics could not be read: %V",
                      &gauges->store->name, (ngx_str_t *) &x->error);
    }

    gauges->exchange = NULL;

    mdm_arena_destroy(x->arena);
}
