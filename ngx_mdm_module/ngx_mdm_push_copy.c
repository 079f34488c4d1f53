
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads a tenant's push certificates out of Redis, by one call.
 */


#include "ngx_mdm_push_copy.h"
#include "ngx_mdm_push_late.h"
#include "ngx_mdm_push_stop.h"
#include "ngx_mdm_redis_resp.h"


/* milliseconds that a copy is good for, and after a failure */
#define NGX_MDM_PUSH_FRESH    10000
#define NGX_MDM_PUSH_RETRY    1000

/* topics that one call asks for */
#define NGX_MDM_PUSH_KNOWN    256

/* seconds between two lines about the same trouble */
#define NGX_MDM_PUSH_QUIET    3600


static ngx_int_t ngx_mdm_push_read_create(ngx_mdm_push_tenant_t *tenant);
static ngx_int_t ngx_mdm_push_read_ask(ngx_mdm_push_tenant_t *tenant,
    ngx_str_t *topic, ngx_uint_t wanted);
static void ngx_mdm_push_read_run(ngx_mdm_push_tenant_t *tenant);
static void ngx_mdm_push_read_handler(mdm_call_t *call, void *data);
static void ngx_mdm_push_read_done(ngx_mdm_push_tenant_t *tenant);
static void ngx_mdm_push_read_log(ngx_mdm_push_tenant_t *tenant);
static ngx_int_t ngx_mdm_push_read_topics(ngx_mdm_push_tenant_t *tenant);
static ngx_int_t ngx_mdm_push_read_topic(ngx_mdm_push_tenant_t *tenant,
    mdm_push_topic_t *t);
static void ngx_mdm_push_read_stops(ngx_mdm_push_tenant_t *tenant);
static void ngx_mdm_push_read_gone(ngx_mdm_push_tenant_t *tenant);
static ngx_mdm_push_cert_t *ngx_mdm_push_cert_create(
    ngx_mdm_push_tenant_t *tenant, mdm_str_t *topic);


static ngx_mdm_push_read_pt  ngx_mdm_push_read_told;


ngx_uint_t
ngx_mdm_push_fresh(ngx_mdm_push_tenant_t *tenant)
{
    return (ngx_msec_int_t) (tenant->until - ngx_current_msec) > 0;
}


ngx_mdm_push_cert_t *
ngx_mdm_push_cert(ngx_mdm_push_tenant_t *tenant, ngx_str_t *topic)
{
    ngx_queue_t          *q;
    ngx_mdm_push_cert_t  *cert;

    for (q = ngx_queue_head(&tenant->certs);
         q != ngx_queue_sentinel(&tenant->certs);
         q = ngx_queue_next(q))
    {
        cert = ngx_queue_data(q, ngx_mdm_push_cert_t, queue);

        if (cert->cert.topic.len == topic->len
            && ngx_memcmp(cert->topic, topic->data, topic->len) == 0)
        {
            return cert;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_mdm_push_has(ngx_mdm_push_tenant_t *tenant, ngx_str_t *topic)
{
    ngx_uint_t  i;

    for (i = 0; i < tenant->ntopics; i++) {

        if (mdm_str_eq(&tenant->topics[i], (mdm_str_t *) topic)) {
            return 1;
        }
    }

    return 0;
}


void
ngx_mdm_push_read(ngx_mdm_push_tenant_t *tenant, ngx_mdm_push_read_pt done)
{
    if (tenant->exchange != NULL) {
        return;
    }

    ngx_mdm_push_read_told = done;

    tenant->begun = ngx_current_msec;

    if (ngx_mdm_push_read_create(tenant) == NGX_OK) {
        ngx_mdm_push_read_run(tenant);
        return;
    }

    if (tenant->exchange != NULL) {
        mdm_arena_destroy(tenant->exchange->arena);
        tenant->exchange = NULL;
    }

    tenant->until = ngx_current_msec + NGX_MDM_PUSH_RETRY;
    tenant->known = 0;

    done(tenant, 0);
}


static ngx_int_t
ngx_mdm_push_read_create(ngx_mdm_push_tenant_t *tenant)
{
    ngx_queue_t          *q;
    mdm_exchange_t       *x;
    mdm_push_refresh_t   *refresh;
    ngx_mdm_push_cert_t  *cert;

    x = mdm_exchange_create_from(&ngx_mdm_redis_arenas,
                                 &tenant->store->settings);
    if (x == NULL) {
        return NGX_ERROR;
    }

    tenant->exchange = x;

    refresh = &tenant->refresh;
    ngx_memzero(refresh, sizeof(mdm_push_refresh_t));

    x->kind = MDM_KIND_JOB;
    x->now = ngx_time();
    x->step = mdm_push_refresh_step;
    x->ctx = refresh;
    ngx_mdm_str_copy(&x->tenant, &tenant->name);

    refresh->known = mdm_arena_zalloc(x->arena, NGX_MDM_PUSH_KNOWN
                                                * sizeof(mdm_push_known_t));
    if (refresh->known == NULL) {
        return NGX_ERROR;
    }

    /* those that are waited for first, so that each read brings them on */

    for (q = ngx_queue_head(&tenant->waiting);
         q != ngx_queue_sentinel(&tenant->waiting);
         q = ngx_queue_next(q))
    {
        if (ngx_mdm_push_read_ask(tenant, ngx_mdm_apns_parked_topic(q), 1)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    for (q = ngx_queue_head(&tenant->certs);
         q != ngx_queue_sentinel(&tenant->certs);
         q = ngx_queue_next(q))
    {
        cert = ngx_queue_data(q, ngx_mdm_push_cert_t, queue);

        if (ngx_mdm_push_read_ask(tenant, &cert->cert.topic, 0) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* each topic once, and not too many */

static ngx_int_t
ngx_mdm_push_read_ask(ngx_mdm_push_tenant_t *tenant, ngx_str_t *topic,
    ngx_uint_t wanted)
{
    ngx_uint_t            i;
    mdm_push_known_t     *known;
    mdm_push_refresh_t   *refresh;
    ngx_mdm_push_cert_t  *cert;

    refresh = &tenant->refresh;

    for (i = 0; i < refresh->nknown; i++) {

        if (mdm_str_eq(&refresh->known[i].topic, (mdm_str_t *) topic)) {
            return NGX_OK;
        }
    }

    if (refresh->nknown == NGX_MDM_PUSH_KNOWN) {
        return NGX_OK;
    }

    known = &refresh->known[refresh->nknown++];

    known->wanted = wanted;

    cert = ngx_mdm_push_cert(tenant, topic);

    if (cert != NULL && cert->cert.key != NULL) {
        known->sha256.data = cert->sha256;
        known->sha256.len = sizeof(cert->sha256);
        known->file = cert->file;
        known->wanted |= cert->wanted;

        cert->wanted = 0;
    }

    /* who is parked may be told meanwhile, and be freed */

    return (mdm_str_dup(tenant->exchange->arena, &known->topic,
                        (mdm_str_t *) topic)
            == MDM_OK)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_mdm_push_read_run(ngx_mdm_push_tenant_t *tenant)
{
    ngx_int_t        rc;
    ngx_uint_t       i;
    mdm_exchange_t  *x;

    x = tenant->exchange;

    while (mdm_exchange_run(x) != MDM_DONE) {

        tenant->pending = 0;

        for (i = 0; i < x->ncalls; i++) {

            if (i >= MDM_REWRITES) {
                x->calls[i].rc = MDM_CALL_UNAVAILABLE;
                continue;
            }

            rc = ngx_mdm_redis_call(tenant->store, &x->calls[i],
                                    NGX_MDM_REDIS_API,
                                    ngx_mdm_push_read_handler, tenant,
                                    &tenant->ops[i]);

            if (rc == NGX_OK) {
                tenant->pending++;
                continue;
            }

            tenant->ops[i] = NULL;

            if (rc == NGX_ERROR) {
                x->calls[i].rc = MDM_CALL_UNAVAILABLE;
            }
        }

        if (tenant->pending != 0) {
            return;
        }
    }

    ngx_mdm_push_read_done(tenant);
}


static void
ngx_mdm_push_read_handler(mdm_call_t *call, void *data)
{
    ngx_mdm_push_tenant_t *tenant = data;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, tenant->log, 0,
                   "mdm push read: tenant \"%V\" rc:%d pending:%ui",
                   &tenant->name, (int) call->rc, tenant->pending);

    tenant->ops[call - tenant->exchange->calls] = NULL;

    mdm_exchange_keep(tenant->exchange, call);

    if (--tenant->pending == 0) {
        ngx_mdm_push_read_run(tenant);
    }
}


void
ngx_mdm_push_read_abandon(ngx_mdm_push_tenant_t *tenant)
{
    ngx_uint_t  i;

    if (tenant->exchange == NULL) {
        return;
    }

    for (i = 0; i < MDM_REWRITES; i++) {

        if (tenant->ops[i] != NULL) {
            ngx_mdm_redis_abandon(tenant->ops[i]);
            tenant->ops[i] = NULL;
        }
    }

    mdm_arena_destroy(tenant->exchange->arena);
    tenant->exchange = NULL;
}


static void
ngx_mdm_push_read_done(ngx_mdm_push_tenant_t *tenant)
{
    ngx_uint_t       ok;
    mdm_exchange_t  *x;

    x = tenant->exchange;
    ok = (x->status == 200);

    ngx_mdm_push_read_log(tenant);

    if (ok && ngx_mdm_push_read_topics(tenant) != NGX_OK) {
        ok = 0;
    }

    if (ok) {
        tenant->until = tenant->begun + NGX_MDM_PUSH_FRESH;
        tenant->known = 1;

    } else {
        tenant->until = ngx_current_msec + NGX_MDM_PUSH_RETRY;
        tenant->known = 0;
    }

    tenant->exchange = NULL;

    mdm_arena_destroy(x->arena);

    ngx_mdm_push_read_told(tenant, ok);
}


/* trouble, which would be met again and again, is told once an hour */

static void
ngx_mdm_push_read_log(ngx_mdm_push_tenant_t *tenant)
{
    ngx_uint_t       level;
    mdm_log_t       *line;
    mdm_exchange_t  *x;

    x = tenant->exchange;

    level = (ngx_time() - tenant->logged >= NGX_MDM_PUSH_QUIET)
            ? NGX_LOG_ERR : NGX_LOG_INFO;

    for (line = x->log; line != NULL; line = line->next) {
        ngx_log_error(level, tenant->log, 0, "mdm push: %V",
                      (ngx_str_t *) &line->text);
    }

    if (x->status == 500) {
        ngx_log_error(level, tenant->log, 0, "mdm push: certificates of "
                      "tenant \"%V\" cannot be read: %V", &tenant->name,
                      (ngx_str_t *) &x->error);
    }

    if (level == NGX_LOG_ERR && (x->log != NULL || x->status == 500)) {
        tenant->logged = ngx_time();
    }
}


static ngx_int_t
ngx_mdm_push_read_topics(ngx_mdm_push_tenant_t *tenant)
{
    ngx_uint_t           i;
    mdm_str_t           *topics;
    mdm_arena_t         *arena;
    mdm_push_refresh_t  *refresh;

    refresh = &tenant->refresh;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return NGX_ERROR;
    }

    topics = mdm_arena_alloc(arena, refresh->ntopics * sizeof(mdm_str_t));

    for (i = 0; topics != NULL && i < refresh->ntopics; i++) {

        if (mdm_str_dup(arena, &topics[i], &refresh->topics[i].topic)
            != MDM_OK
            || ngx_mdm_push_read_topic(tenant, &refresh->topics[i]) != NGX_OK)
        {
            topics = NULL;
        }
    }

    if (topics == NULL) {
        mdm_arena_destroy(arena);
        return NGX_ERROR;
    }

    mdm_arena_destroy(tenant->arena);

    tenant->arena = arena;
    tenant->topics = topics;
    tenant->ntopics = refresh->ntopics;

    ngx_mdm_push_read_gone(tenant);
    ngx_mdm_push_read_stops(tenant);

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_push_read_topic(ngx_mdm_push_tenant_t *tenant, mdm_push_topic_t *t)
{
    ngx_mdm_apns_key_t   *key, *old;
    ngx_mdm_push_cert_t  *cert;

    if (!t->changed) {
        return NGX_OK;
    }

    cert = ngx_mdm_push_cert(tenant, (ngx_str_t *) &t->topic);

    if (cert == NULL) {
        cert = ngx_mdm_push_cert_create(tenant, &t->topic);
        if (cert == NULL) {
            return NGX_ERROR;
        }
    }

    cert->broken = (t->cert == NULL);

    /* the one before, if any, may do for some time yet */

    if (cert->broken || t->sha256.len != sizeof(cert->sha256)) {
        return NGX_OK;
    }

    key = ngx_mdm_apns_key_create(t->cert, t->arena, tenant->log);
    if (key == NULL) {
        return NGX_ERROR;
    }

    t->arena = NULL;

    old = cert->cert.key;

    cert->cert.key = key;
    cert->cert.not_after = (time_t) t->not_after;
    ngx_memcpy(cert->sha256, t->sha256.data, sizeof(cert->sha256));

    /* what the old one met says nothing of this one */

    ngx_memzero(&cert->memory, sizeof(mdm_push_memory_t));

    if (old != NULL) {
        ngx_log_error(NGX_LOG_NOTICE, tenant->log, 0,
                      "mdm push: topic \"%V\" of tenant \"%V\" has another "
                      "certificate now", &cert->cert.topic, &tenant->name);
    }

    ngx_mdm_apns_renewed(&cert->cert);
    ngx_mdm_apns_key_release(old);

    return NGX_OK;
}


/* what is said since it was asked for is newer */

static void
ngx_mdm_push_read_stops(ngx_mdm_push_tenant_t *tenant)
{
    ngx_uint_t            i;
    ngx_queue_t          *q;
    mdm_push_topic_t     *t;
    ngx_mdm_push_cert_t  *cert;

    for (q = ngx_queue_head(&tenant->certs);
         q != ngx_queue_sentinel(&tenant->certs);
         q = ngx_queue_next(q))
    {
        cert = ngx_queue_data(q, ngx_mdm_push_cert_t, queue);

        if (cert->exchange != NULL
            || (ngx_msec_int_t) (tenant->begun - cert->said) < 0)
        {
            continue;
        }

        cert->stopped = 0;
        cert->probe = 0;

        for (i = 0; i < tenant->refresh.ntopics; i++) {
            t = &tenant->refresh.topics[i];

            if (t->stop.len != 0
                && mdm_str_eq(&t->topic, (mdm_str_t *) &cert->cert.topic))
            {
                ngx_mdm_push_stopped(cert, &t->stop);
                cert->probe = (t->probe != 0);
            }
        }
    }
}


/* those that were deleted */

static void
ngx_mdm_push_read_gone(ngx_mdm_push_tenant_t *tenant)
{
    ngx_queue_t          *q;
    ngx_mdm_apns_key_t   *old;
    ngx_mdm_push_cert_t  *cert;

    for (q = ngx_queue_head(&tenant->certs);
         q != ngx_queue_sentinel(&tenant->certs);
         q = ngx_queue_next(q))
    {
        cert = ngx_queue_data(q, ngx_mdm_push_cert_t, queue);

        if (cert->file || ngx_mdm_push_has(tenant, &cert->cert.topic)) {
            continue;
        }

        cert->broken = 0;
        old = cert->cert.key;

        if (old != NULL) {
            cert->cert.key = NULL;
            ngx_mdm_apns_renewed(&cert->cert);
            ngx_mdm_apns_key_release(old);
        }
    }
}


static ngx_mdm_push_cert_t *
ngx_mdm_push_cert_create(ngx_mdm_push_tenant_t *tenant, mdm_str_t *topic)
{
    ngx_mdm_push_cert_t  *cert;

    cert = ngx_calloc(sizeof(ngx_mdm_push_cert_t) + topic->len, tenant->log);
    if (cert == NULL) {
        return NULL;
    }

    cert->cert.tenant = tenant->name;
    cert->cert.topic.data = cert->topic;
    cert->cert.topic.len = topic->len;
    ngx_memcpy(cert->topic, topic->data, topic->len);

    cert->tenant = tenant;
    cert->cert.ended = ngx_mdm_push_ended;
    cert->cert.left = ngx_mdm_push_left;
    cert->said = tenant->begun;

    ngx_queue_insert_tail(&tenant->certs, &cert->queue);

    return cert;
}


/* what is in the configuration stays as it is */

ngx_mdm_push_cert_t *
ngx_mdm_push_cert_file(ngx_mdm_push_tenant_t *tenant,
    const ngx_mdm_apns_cert_t *file, const mdm_str_t *sha256)
{
    mdm_str_t             topic;
    ngx_mdm_apns_key_t   *key;
    ngx_mdm_push_cert_t  *cert;

    key = ngx_mdm_apns_key_copy(file->key, tenant->log);
    if (key == NULL) {
        return NULL;
    }

    ngx_mdm_str_copy(&topic, &file->topic);

    cert = ngx_mdm_push_cert_create(tenant, &topic);
    if (cert == NULL) {
        ngx_mdm_apns_key_release(key);
        return NULL;
    }

    cert->file = 1;
    cert->cert.key = key;
    cert->cert.not_after = file->not_after;
    ngx_memcpy(cert->sha256, sha256->data, sizeof(cert->sha256));

    return cert;
}
