
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Finds the certificate of a push, and tells of those that are missing or end.
 */


#include "ngx_mdm_push_copy.h"
#include "ngx_mdm_push_late.h"
#include "ngx_mdm_push_stop.h"

#include "mdm_push_expiry.h"


/* tenants that a worker has a copy of, unless their certificates are in use */
#define NGX_MDM_PUSH_TENANTS  1024

/* milliseconds between two lines, and two looks at certificates of files */
#define NGX_MDM_PUSH_HOUR     3600000


/* of this worker */

typedef struct {
    ngx_mdm_apns_conf_t      *conf;
    ngx_log_t                 log;
    ngx_queue_t               tenants;     /* of ngx_mdm_push_tenant_t */
    ngx_uint_t                ntenants;

    ngx_event_t               files;       /* the next look at those */
    u_char                  (*told)[MDM_PUSH_TOLD];   /* of each, zeroes behind
                                              it */
    ngx_connection_t          dumb;        /* for the timer's debug line */
} ngx_mdm_push_t;


static ngx_mdm_push_tenant_t *ngx_mdm_push_tenant(ngx_mdm_store_t *store,
    mdm_str_t *name);
static ngx_mdm_push_tenant_t *ngx_mdm_push_tenant_create(
    ngx_mdm_store_t *store, mdm_str_t *name);
static void ngx_mdm_push_tenant_drop(void);
static void ngx_mdm_push_tenant_free(ngx_mdm_push_tenant_t *tenant);
static ngx_int_t ngx_mdm_push_from_file(ngx_mdm_push_tenant_t *tenant,
    ngx_str_t *topic);
static void ngx_mdm_push_lost(void *owner, mdm_push_t *push);
static ngx_uint_t ngx_mdm_push_wants(ngx_mdm_push_tenant_t *tenant,
    ngx_str_t *topic);
static void ngx_mdm_push_read_end(ngx_mdm_push_tenant_t *tenant,
    ngx_uint_t ok);
static void ngx_mdm_push_judge(ngx_mdm_push_tenant_t *tenant,
    ngx_str_t *topic);
static void ngx_mdm_push_missing(ngx_mdm_push_tenant_t *tenant);
static void ngx_mdm_push_missing_handler(ngx_event_t *ev);
static void ngx_mdm_push_files_handler(ngx_event_t *ev);
static void ngx_mdm_push_file(ngx_uint_t i);


static ngx_mdm_push_t  ngx_mdm_push;


ngx_int_t
ngx_mdm_push_send(ngx_mdm_store_t *store, mdm_str_t *tenant, mdm_call_t *call,
    ngx_mdm_apns_handler_pt handler, void *data, ngx_mdm_apns_op_t **op)
{
    ngx_int_t               rc;
    ngx_str_t              *topic, reason;
    mdm_push_e              outcome;
    ngx_uint_t              again;
    ngx_mdm_push_cert_t    *cert;
    ngx_mdm_push_tenant_t  *t;

    topic = (ngx_str_t *) &call->push->topic;

    if (ngx_mdm_push.conf == NULL) {
        return ngx_mdm_apns_push(NULL, call, handler, data, op);
    }

    t = ngx_mdm_push_tenant(store, tenant);

    if (t == NULL || ngx_mdm_push_from_file(t, topic) != NGX_OK) {
        return NGX_ERROR;
    }

    cert = ngx_mdm_push_cert(t, topic);

    if (!ngx_mdm_push_wants(t, topic) && cert != NULL && cert->cert.key != NULL)
    {
        if (ngx_mdm_push_holds(cert, &outcome, &reason, &again)) {
            ngx_mdm_apns_refuse(call, outcome, &reason, again);
            return NGX_DONE;
        }

        return ngx_mdm_apns_push(&cert->cert, call, handler, data, op);
    }

    rc = ngx_mdm_apns_park(&t->waiting, ngx_mdm_push_lost, store, call, handler,
                           data, op);

    if (rc != NGX_OK) {
        return rc;
    }

    if (t->exchange != NULL) {
        return NGX_OK;
    }

    if (ngx_mdm_push_wants(t, topic)) {
        ngx_mdm_push_read(t, ngx_mdm_push_read_end);

    } else {
        ngx_mdm_push_read_end(t, t->known);
    }

    return NGX_OK;
}


/* the worker's own copy of a certificate that comes from a file */

static ngx_int_t
ngx_mdm_push_from_file(ngx_mdm_push_tenant_t *tenant, ngx_str_t *topic)
{
    ngx_uint_t             i;
    ngx_mdm_apns_cert_t  **cert;
    mdm_push_file_t       *file;

    cert = ngx_mdm_push.conf->certs.elts;
    file = ngx_mdm_push.conf->files.elts;

    for (i = 0; i < ngx_mdm_push.conf->certs.nelts; i++) {

        if (mdm_str_eq((mdm_str_t *) topic, &file[i].topic)
            && mdm_str_eq((mdm_str_t *) &tenant->name, &file[i].tenant))
        {
            return (ngx_mdm_push_cert(tenant, topic) != NULL
                    || ngx_mdm_push_cert_file(tenant, cert[i],
                                              &file[i].sha256)
                       != NULL)
                   ? NGX_OK : NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the tag is "mdm:{tenant/p}": the tenant may have been dropped meanwhile */

static void
ngx_mdm_push_lost(void *owner, mdm_push_t *push)
{
    mdm_str_t               name;
    ngx_mdm_push_tenant_t  *tenant;

    if (ngx_mdm_push.conf == NULL || push->tag.len <= sizeof("mdm:{") - 1) {
        return;
    }

    name.data = push->tag.data + sizeof("mdm:{") - 1;
    name.len = push->tag.len - (sizeof("mdm:{") - 1);

    while (name.len != 0 && name.data[name.len - 1] != '/') {
        name.len--;
    }

    if (name.len < 2) {
        return;
    }

    name.len--;

    tenant = ngx_mdm_push_tenant(owner, &name);

    if (tenant != NULL) {
        ngx_mdm_push_late_add(tenant, push);
    }
}


/*
 * Must the copy be read for this topic?  It is too old, or has never asked for
 * a certificate that is there.
 */

static ngx_uint_t
ngx_mdm_push_wants(ngx_mdm_push_tenant_t *tenant, ngx_str_t *topic)
{
    return !ngx_mdm_push_fresh(tenant)
           || (ngx_mdm_push_has(tenant, topic)
               && ngx_mdm_push_cert(tenant, topic) == NULL);
}


/* pushes that have waited go on, or end */

static void
ngx_mdm_push_read_end(ngx_mdm_push_tenant_t *tenant, ngx_uint_t ok)
{
    ngx_str_t             text;
    mdm_push_e            outcome;
    ngx_uint_t            i, again, ms;
    ngx_queue_t          *q, *next;
    const char           *why;
    ngx_mdm_push_cert_t  *cert;

    again = 0;

    for (q = ngx_queue_head(&tenant->waiting);
         q != ngx_queue_sentinel(&tenant->waiting);
         q = next)
    {
        next = ngx_queue_next(q);

        cert = ngx_mdm_push_cert(tenant, ngx_mdm_apns_parked_topic(q));
        why = NULL;

        if (cert != NULL && cert->cert.key != NULL) {

            /* it is the one, or was some seconds ago */

            if (ngx_mdm_push_holds(cert, &outcome, &text, &ms)) {
                ngx_mdm_apns_parked_refuse(q, outcome, &text, ms);
                continue;
            }

        } else if (cert != NULL && cert->broken) {
            why = "the push certificate cannot be used, see the error log";

        } else if (!ok) {
            why = "redis is unavailable";

        } else if (cert == NULL
                   && ngx_mdm_push_has(tenant, ngx_mdm_apns_parked_topic(q)))
        {
            /* it came while the others were read */

            again = 1;
            continue;
        }

        ngx_mdm_apns_resume(q, (cert != NULL) ? &cert->cert : NULL, why);
    }

    for (i = 0; i < tenant->nseen; i++) {
        ngx_mdm_str_copy(&text, &tenant->seen[i]);

        if (ok) {
            ngx_mdm_push_judge(tenant, &text);
        }

        ngx_free(text.data);
    }

    tenant->nseen = 0;

    if (again) {
        ngx_mdm_push_read(tenant, ngx_mdm_push_read_end);
    }
}


void
ngx_mdm_push_seen(ngx_mdm_store_t *store, mdm_str_t *tenant, mdm_str_t *topic)
{
    u_char                 *p;
    ngx_mdm_push_tenant_t  *t;

    if (ngx_mdm_push.conf == NULL
        || ngx_mdm_apns_cert(ngx_mdm_push.conf, (ngx_str_t *) tenant,
                             (ngx_str_t *) topic)
           != NULL)
    {
        return;
    }

    t = ngx_mdm_push_tenant(store, tenant);
    if (t == NULL) {
        return;
    }

    if (t->known && ngx_mdm_push_fresh(t)) {
        ngx_mdm_push_judge(t, (ngx_str_t *) topic);
        return;
    }

    /* nobody waits for it: if it cannot be read, this one is not counted */

    if (t->nseen == NGX_MDM_PUSH_SEEN || ngx_mdm_push_fresh(t)) {
        return;
    }

    p = ngx_alloc(topic->len, t->log);
    if (p == NULL) {
        return;
    }

    ngx_memcpy(p, topic->data, topic->len);

    t->seen[t->nseen].data = p;
    t->seen[t->nseen++].len = topic->len;

    ngx_mdm_push_read(t, ngx_mdm_push_read_end);
}


static void
ngx_mdm_push_judge(ngx_mdm_push_tenant_t *tenant, ngx_str_t *topic)
{
    mdm_quote_t   quote;
    const char   *shown;

    if (ngx_mdm_push_has(tenant, topic)) {
        return;
    }

    shown = mdm_quote(&quote, (char *) topic->data, topic->len);

    tenant->missing++;
    tenant->last.len = ngx_min(ngx_strlen(shown), NGX_MDM_PUSH_TOPIC);
    ngx_memcpy(tenant->last.data, shown, tenant->last.len);

    if (!tenant->timer.timer_set) {
        ngx_mdm_push_missing(tenant);
    }
}


/* the device chooses its topic, so that it is no error of ours */

static void
ngx_mdm_push_missing(ngx_mdm_push_tenant_t *tenant)
{
    ngx_log_error(NGX_LOG_WARN, tenant->log, 0,
                  "mdm push: %ui TokenUpdates of tenant \"%V\" came with a "
                  "topic that has no push certificate, the last one with "
                  "\"%V\": those devices are not woken", tenant->missing,
                  &tenant->name, &tenant->last);

    tenant->missing = 0;

    ngx_add_timer(&tenant->timer, NGX_MDM_PUSH_HOUR);
}


static void
ngx_mdm_push_missing_handler(ngx_event_t *ev)
{
    ngx_mdm_push_tenant_t  *tenant;

    tenant = ev->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "mdm push missing: tenant \"%V\" %ui", &tenant->name,
                   tenant->missing);

    if (tenant->missing != 0) {
        ngx_mdm_push_missing(tenant);
    }
}


static ngx_mdm_push_tenant_t *
ngx_mdm_push_tenant(ngx_mdm_store_t *store, mdm_str_t *name)
{
    ngx_queue_t            *q;
    ngx_mdm_push_tenant_t  *tenant;

    for (q = ngx_queue_last(&ngx_mdm_push.tenants);
         q != ngx_queue_sentinel(&ngx_mdm_push.tenants);
         q = ngx_queue_prev(q))
    {
        tenant = ngx_queue_data(q, ngx_mdm_push_tenant_t, queue);

        if (tenant->store == store && tenant->name.len == name->len
            && ngx_memcmp(tenant->name.data, name->data, name->len) == 0)
        {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&ngx_mdm_push.tenants, q);

            return tenant;
        }
    }

    return ngx_mdm_push_tenant_create(store, name);
}


static ngx_mdm_push_tenant_t *
ngx_mdm_push_tenant_create(ngx_mdm_store_t *store, mdm_str_t *name)
{
    u_char                 *p;
    ngx_mdm_push_tenant_t  *tenant;

    if (ngx_mdm_push.ntenants >= NGX_MDM_PUSH_TENANTS) {
        ngx_mdm_push_tenant_drop();
    }

    tenant = ngx_calloc(sizeof(ngx_mdm_push_tenant_t) + name->len
                        + NGX_MDM_PUSH_TOPIC, &ngx_mdm_push.log);
    if (tenant == NULL) {
        return NULL;
    }

    p = (u_char *) tenant + sizeof(ngx_mdm_push_tenant_t);

    tenant->name.data = p;
    tenant->name.len = name->len;
    tenant->last.data = ngx_cpymem(p, name->data, name->len);

    tenant->store = store;
    tenant->fd = (ngx_socket_t) -1;
    tenant->log = &ngx_mdm_push.log;
    tenant->until = ngx_current_msec;

    ngx_queue_init(&tenant->certs);
    ngx_queue_init(&tenant->waiting);

    tenant->timer.handler = ngx_mdm_push_missing_handler;
    tenant->timer.data = tenant;
    tenant->timer.log = &ngx_mdm_push.log;
    tenant->timer.cancelable = 1;

    ngx_queue_insert_tail(&ngx_mdm_push.tenants, &tenant->queue);
    ngx_mdm_push.ntenants++;

    return tenant;
}


/* the one that was used longest ago, of those that are not pushed to */

static void
ngx_mdm_push_tenant_drop(void)
{
    ngx_queue_t            *q;
    ngx_mdm_push_tenant_t  *tenant;

    for (q = ngx_queue_head(&ngx_mdm_push.tenants);
         q != ngx_queue_sentinel(&ngx_mdm_push.tenants);
         q = ngx_queue_next(q))
    {
        tenant = ngx_queue_data(q, ngx_mdm_push_tenant_t, queue);

        if (tenant->exchange == NULL && ngx_queue_empty(&tenant->certs)
            && ngx_queue_empty(&tenant->waiting))
        {
            ngx_mdm_push_tenant_free(tenant);
            return;
        }
    }
}


static void
ngx_mdm_push_tenant_free(ngx_mdm_push_tenant_t *tenant)
{
    if (tenant->timer.timer_set) {
        ngx_del_timer(&tenant->timer);
    }

    ngx_queue_remove(&tenant->queue);
    ngx_mdm_push.ntenants--;

    mdm_arena_destroy(tenant->arena);
    ngx_free(tenant);
}


/* certificates of files: one worker of each host looks at them */

static void
ngx_mdm_push_files_handler(ngx_event_t *ev)
{
    ngx_uint_t  i;

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, ev->log, 0, "mdm push files");

    for (i = 0; i < ngx_mdm_push.conf->files.nelts; i++) {
        ngx_mdm_push_file(i);
    }

    if (!ngx_exiting && !ngx_terminate) {
        ngx_add_timer(ev, NGX_MDM_PUSH_HOUR);
    }
}


static void
ngx_mdm_push_file(ngx_uint_t i)
{
    u_char            told[MDM_PUSH_TOLD];
    mdm_str_t         line;
    mdm_arena_t      *arena;
    mdm_push_file_t  *file;

    file = ngx_mdm_push.conf->files.elts;
    file += i;

    ngx_memzero(told, MDM_PUSH_TOLD);

    if (mdm_push_expiry(file->not_after, ngx_time(), told) == 0
        || ngx_memcmp(told, ngx_mdm_push.told[i], MDM_PUSH_TOLD) == 0)
    {
        return;
    }

    ngx_memcpy(ngx_mdm_push.told[i], told, MDM_PUSH_TOLD);

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return;
    }

    if (mdm_push_expiry_line(arena, &file->tenant, &file->topic,
                             file->not_after, ngx_time(), &line)
        == MDM_OK)
    {
        ngx_log_error(NGX_LOG_WARN, &ngx_mdm_push.log, 0, "mdm %V",
                      (ngx_str_t *) &line);
    }

    mdm_arena_destroy(arena);
}


ngx_int_t
ngx_mdm_push_init_process(ngx_cycle_t *cycle, ngx_mdm_apns_conf_t *conf)
{
    ngx_event_t  *ev;

    if (!conf->on
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    ngx_mdm_push.conf = conf;
    ngx_mdm_push.log = *cycle->log;

    ngx_queue_init(&ngx_mdm_push.tenants);

    if (conf->files.nelts == 0
        || (ngx_process == NGX_PROCESS_WORKER && ngx_worker != 0))
    {
        return NGX_OK;
    }

    ngx_mdm_push.told = ngx_pcalloc(cycle->pool,
                                    conf->files.nelts * MDM_PUSH_TOLD);
    if (ngx_mdm_push.told == NULL) {
        return NGX_ERROR;
    }

    ngx_mdm_push.dumb.fd = (ngx_socket_t) -1;

    ev = &ngx_mdm_push.files;

    ev->handler = ngx_mdm_push_files_handler;
    ev->data = &ngx_mdm_push.dumb;
    ev->log = &ngx_mdm_push.log;
    ev->cancelable = 1;

    ngx_add_timer(ev, 1);

    return NGX_OK;
}


/* certificates stay: connections are about to be closed with them */

void
ngx_mdm_push_exit_process(void)
{
    ngx_uint_t              i;
    ngx_queue_t            *q, *cq;
    ngx_mdm_push_tenant_t  *tenant;

    if (ngx_mdm_push.conf == NULL) {
        return;
    }

    ngx_mdm_push.conf = NULL;

    for (q = ngx_queue_head(&ngx_mdm_push.tenants);
         q != ngx_queue_sentinel(&ngx_mdm_push.tenants);
         q = ngx_queue_next(q))
    {
        tenant = ngx_queue_data(q, ngx_mdm_push_tenant_t, queue);

        ngx_mdm_push_read_abandon(tenant);
        ngx_mdm_push_late_abandon(tenant);

        for (cq = ngx_queue_head(&tenant->certs);
             cq != ngx_queue_sentinel(&tenant->certs);
             cq = ngx_queue_next(cq))
        {
            ngx_mdm_push_stop_abandon(ngx_queue_data(cq, ngx_mdm_push_cert_t,
                                                     queue));
        }

        while (!ngx_queue_empty(&tenant->waiting)) {
            ngx_mdm_apns_parked_free(ngx_queue_head(&tenant->waiting));
        }

        for (i = 0; i < tenant->nseen; i++) {
            ngx_free(tenant->seen[i].data);
        }

        tenant->nseen = 0;

        if (tenant->timer.timer_set) {
            ngx_del_timer(&tenant->timer);
        }
    }

    if (ngx_mdm_push.files.timer_set) {
        ngx_del_timer(&ngx_mdm_push.files);
    }
}
