
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A push that ends after whoever asked for it has gone, or has lost patience:
 * what became of it is stored by an exchange of its own.  What ends meanwhile
 * is gathered for the next one.
 */


#include "ngx_mdm_push_late.h"
#include "ngx_mdm_redis_resp.h"

#include "mdm_push_late.h"


/* in the arena of its exchange */

struct ngx_mdm_push_late_s {
    ngx_mdm_push_tenant_t    *tenant;
    mdm_exchange_t           *exchange;
    mdm_push_late_t           late;
    ngx_mdm_redis_op_t       *ops[MDM_PUSH_LATE_CALLS];
    ngx_uint_t                pending;
};


static ngx_mdm_push_late_t *ngx_mdm_push_late(ngx_mdm_push_tenant_t *tenant);
static void ngx_mdm_push_late_begin(ngx_mdm_push_tenant_t *tenant);
static void ngx_mdm_push_late_run(ngx_mdm_push_late_t *l);
static void ngx_mdm_push_late_handler(mdm_call_t *call, void *data);
static void ngx_mdm_push_late_free(ngx_mdm_push_late_t *l);


void
ngx_mdm_push_left(ngx_mdm_apns_cert_t *c, mdm_push_t *push)
{
    ngx_mdm_push_late_add(((ngx_mdm_push_cert_t *) c)->tenant, push);
}


void
ngx_mdm_push_late_add(ngx_mdm_push_tenant_t *tenant, mdm_push_t *push)
{
    ngx_mdm_push_late_t  *l;

    l = ngx_mdm_push_late(tenant);

    /* what is not taken is pushed again when its lease is over */

    if (l == NULL
        || mdm_push_late_add(l->exchange, &l->late, push) != MDM_OK)
    {
        return;
    }

    if (tenant->storing == NULL) {
        ngx_mdm_push_late_begin(tenant);
    }
}


/* that which gathers */

static ngx_mdm_push_late_t *
ngx_mdm_push_late(ngx_mdm_push_tenant_t *tenant)
{
    mdm_exchange_t       *x;
    ngx_mdm_push_late_t  *l;

    if (tenant->late != NULL) {
        return tenant->late;
    }

    x = mdm_exchange_create_from(&ngx_mdm_redis_arenas,
                                 &tenant->store->settings);
    if (x == NULL) {
        return NULL;
    }

    l = mdm_arena_zalloc(x->arena, sizeof(ngx_mdm_push_late_t));
    if (l == NULL) {
        mdm_arena_destroy(x->arena);
        return NULL;
    }

    l->tenant = tenant;
    l->exchange = x;

    x->kind = MDM_KIND_JOB;
    x->now = ngx_time();
    x->step = mdm_push_late_step;
    x->ctx = &l->late;
    ngx_mdm_str_copy(&x->tenant, &tenant->name);

    tenant->late = l;

    return l;
}


static void
ngx_mdm_push_late_begin(ngx_mdm_push_tenant_t *tenant)
{
    tenant->storing = tenant->late;
    tenant->late = NULL;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, tenant->log, 0,
                   "mdm push late: tenant \"%V\" %ui", &tenant->name,
                   (ngx_uint_t) tenant->storing->late.n);

    ngx_mdm_push_late_run(tenant->storing);
}


static void
ngx_mdm_push_late_run(ngx_mdm_push_late_t *l)
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    mdm_exchange_t         *x;
    ngx_mdm_push_tenant_t  *tenant;

    x = l->exchange;

    while (mdm_exchange_run(x) != MDM_DONE) {

        l->pending = 0;

        for (i = 0; i < x->ncalls; i++) {

            rc = ngx_mdm_redis_call(l->tenant->store, &x->calls[i],
                                    NGX_MDM_REDIS_JOB,
                                    ngx_mdm_push_late_handler, l, &l->ops[i]);

            if (rc == NGX_OK) {
                l->pending++;
                continue;
            }

            l->ops[i] = NULL;

            if (rc == NGX_ERROR) {
                x->calls[i].rc = MDM_CALL_UNAVAILABLE;
            }
        }

        if (l->pending != 0) {
            return;
        }
    }

    tenant = l->tenant;
    tenant->storing = NULL;

    ngx_mdm_push_late_free(l);

    if (tenant->late != NULL) {
        ngx_mdm_push_late_begin(tenant);
    }
}


static void
ngx_mdm_push_late_handler(mdm_call_t *call, void *data)
{
    ngx_mdm_push_late_t *l = data;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, l->tenant->log, 0,
                   "mdm push late stored: tenant \"%V\" rc:%d pending:%ui",
                   &l->tenant->name, (int) call->rc, l->pending);

    l->ops[call - l->exchange->calls] = NULL;

    mdm_exchange_keep(l->exchange, call);

    if (--l->pending == 0) {
        ngx_mdm_push_late_run(l);
    }
}


void
ngx_mdm_push_late_abandon(ngx_mdm_push_tenant_t *tenant)
{
    if (tenant->storing != NULL) {
        ngx_mdm_push_late_free(tenant->storing);
        tenant->storing = NULL;
    }

    if (tenant->late != NULL) {
        ngx_mdm_push_late_free(tenant->late);
        tenant->late = NULL;
    }
}


static void
ngx_mdm_push_late_free(ngx_mdm_push_late_t *l)
{
    ngx_uint_t  i;

    for (i = 0; i < MDM_PUSH_LATE_CALLS; i++) {

        if (l->ops[i] != NULL) {
            ngx_mdm_redis_abandon(l->ops[i]);
        }
    }

    mdm_arena_destroy(l->exchange->arena);
}
