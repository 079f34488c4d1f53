
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Enters all devices of a store in the index of serial numbers: runs the step
 * of src/api/mdm_api_reindex.c for each tenant, one call at a time, so nginx
 * may serve meanwhile.
 */


#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mdm_api_reindex.h"
#include "mdm_key.h"
#include "mdm_store.h"


#define MDM_REINDEX_SCAN      "1000"  /* keys that a SCAN looks at */
#define MDM_REINDEX_LEFT      1       /* exit code: not all was done */
#define MDM_REINDEX_TENANTS   1000000 /* at most */


typedef struct {
    mdm_nodes_t              *nodes;
    mdm_settings_t            settings;
    mdm_store_settings_t      store;
    useconds_t                wait;
    mdm_str_t                *tenants;     /* in order */
    size_t                    ntenants;
    size_t                    room;
    uint64_t                  devices;
    uint64_t                  added;
} mdm_reindex_t;


static void mdm_reindex_meta(mdm_reindex_t *r);
static void mdm_reindex_master(mdm_reindex_t *r, mdm_uint_t i);
static void mdm_reindex_key(mdm_reindex_t *r, const redisReply *reply);
static void mdm_reindex_name(mdm_reindex_t *r, const mdm_str_t *tenant);
static void mdm_reindex_tenant(mdm_reindex_t *r, const mdm_str_t *tenant);
static mdm_exchange_t *mdm_reindex_slice(mdm_reindex_t *r,
    const mdm_str_t *tenant, const mdm_api_reindex_t *from);
static mdm_uint_t mdm_reindex_on(const mdm_api_reindex_t *from,
    const mdm_api_reindex_t *to);
static void mdm_reindex_round(mdm_reindex_t *r, mdm_exchange_t *x);
static mdm_reply_t *mdm_reindex_reply(mdm_exchange_t *x,
    const redisReply *from);
static void mdm_reindex_stop(int signo);


static volatile sig_atomic_t  mdm_reindex_stopped;


int
mdm_store_reindex(mdm_store_t *s)
{
    size_t         i;
    mdm_str_t      tenant;
    mdm_uint_t     k;
    mdm_reindex_t  r;

    if (s->argc != 0) {
        mdm_store_usage(MDM_EXIT_TROUBLE);
    }

    memset(&r, 0, sizeof(mdm_reindex_t));

    if (s->wait != NULL) {
        r.wait = (useconds_t) strtoul(s->wait, NULL, 10) * 1000;
    }

    if (s->tenant != NULL) {
        tenant.data = (u_char *) (uintptr_t) s->tenant;
        tenant.len = strlen(s->tenant);

        if (mdm_tenant_check(&tenant) != MDM_OK) {
            mdm_trouble("\"%s\" is no name of a tenant", s->tenant);
        }

        mdm_reindex_name(&r, &tenant);
    }

    mdm_server_connect(&s->server);

    r.nodes = mdm_nodes_create(s);

    mdm_reindex_meta(&r);

    (void) signal(SIGINT, mdm_reindex_stop);
    (void) signal(SIGTERM, mdm_reindex_stop);

    if (s->tenant == NULL) {
        for (k = 0; k < mdm_nodes_count(r.nodes); k++) {
            mdm_reindex_master(&r, k);
        }
    }

    for (i = 0; i < r.ntenants && !mdm_reindex_stopped; i++) {
        mdm_reindex_tenant(&r, &r.tenants[i]);
    }

    printf("devices %lu\nentered %lu\ncomplete %s\n",
           (unsigned long) r.devices, (unsigned long) r.added,
           mdm_reindex_stopped ? "no" : "yes");

    for (i = 0; i < r.ntenants; i++) {
        free(r.tenants[i].data);
    }

    free(r.tenants);
    mdm_nodes_destroy(r.nodes);

    return mdm_reindex_stopped ? MDM_REINDEX_LEFT : 0;
}


static void
mdm_reindex_meta(mdm_reindex_t *r)
{
    long                 partitions;
    mdm_str_t            key;
    redisReply          *reply, *version;
    const mdm_script_t   script = {
        .name = mdm_string("meta"),
        .body = mdm_string("return redis.call('HMGET', KEYS[1], 'partitions',"
                           " 'version')\n")
    };

    mdm_str_set(&key, "mdm:meta");

    reply = mdm_nodes_eval(r->nodes, &script, &key, 0, NULL);

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        mdm_trouble("there is no mdm:meta, so no store");
    }

    version = reply->element[1];

    if (version->type == REDIS_REPLY_STRING
        && strcmp(version->str, MDM_STORE_VERSION) != 0)
    {
        mdm_trouble("its keyspace is of version %s, which this release does "
                    "not know; see docs/upgrade.md", version->str);
    }

    partitions = strtol(reply->element[0]->str, NULL, 10);

    if (partitions < 1 || partitions > MDM_PARTITIONS_MAX) {
        mdm_trouble("mdm:meta has \"%s\" for partitions",
                    reply->element[0]->str);
    }

    r->store.partitions = (uint32_t) partitions;
    r->settings.store = &r->store;

    freeReplyObject(reply);
}


/* the tenants that have an enrollment on master i */

static void
mdm_reindex_master(mdm_reindex_t *r, mdm_uint_t i)
{
    char         cursor[32];
    size_t       k;
    mdm_str_t    argv[6];
    redisReply  *reply, *keys;

    (void) strcpy(cursor, "0");

    mdm_str_set(&argv[0], "SCAN");
    argv[1].data = (u_char *) cursor;
    mdm_str_set(&argv[2], "MATCH");
    mdm_str_set(&argv[3], "mdm:{*/*}:ids");
    mdm_str_set(&argv[4], "COUNT");
    mdm_str_set(&argv[5], MDM_REINDEX_SCAN);

    do {
        argv[1].len = strlen(cursor);

        reply = mdm_node_command(r->nodes, i, 6, argv);

        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
            || reply->element[0]->type != REDIS_REPLY_STRING
            || reply->element[1]->type != REDIS_REPLY_ARRAY)
        {
            mdm_trouble("not a reply to SCAN");
        }

        keys = reply->element[1];

        for (k = 0; k < keys->elements; k++) {
            mdm_reindex_key(r, keys->element[k]);
        }

        (void) snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);

        freeReplyObject(reply);

    } while (strcmp(cursor, "0") != 0 && !mdm_reindex_stopped);
}


/* "mdm:{tenant/p}:ids"; other keys end like this, too */

static void
mdm_reindex_key(mdm_reindex_t *r, const redisReply *reply)
{
    u_char     *slash, *p, *end;
    mdm_str_t   tenant;

    if (reply->type != REDIS_REPLY_STRING
        || reply->len <= sizeof("mdm:{}:ids") - 1)
    {
        return;
    }

    tenant.data = (u_char *) reply->str + sizeof("mdm:{") - 1;
    end = (u_char *) reply->str + reply->len - (sizeof("}:ids") - 1);

    slash = memchr(tenant.data, '/', (size_t) (end - tenant.data));

    if (slash == NULL || slash + 1 == end) {
        return;
    }

    for (p = slash + 1; p != end; p++) {
        if (*p < '0' || *p > '9') {
            return;
        }
    }

    tenant.len = (size_t) (slash - tenant.data);

    if (mdm_tenant_check(&tenant) == MDM_OK) {
        mdm_reindex_name(r, &tenant);
    }
}


static void
mdm_reindex_name(mdm_reindex_t *r, const mdm_str_t *tenant)
{
    int         order;
    size_t      low, high, i;
    mdm_str_t  *copy;

    low = 0;
    high = r->ntenants;

    while (low < high) {
        i = low + (high - low) / 2;
        order = mdm_str_order(&r->tenants[i], tenant);

        if (order == 0) {
            return;
        }

        if (order < 0) {
            low = i + 1;

        } else {
            high = i;
        }
    }

    if (r->ntenants == r->room) {
        r->room = (r->room == 0) ? 64 : 2 * r->room;

        copy = realloc(r->tenants, r->room * sizeof(mdm_str_t));
        if (copy == NULL) {
            mdm_trouble("no memory");
        }

        r->tenants = copy;
    }

    if (r->ntenants == MDM_REINDEX_TENANTS) {
        mdm_trouble("more than %d tenants: call it for each by --tenant",
                    MDM_REINDEX_TENANTS);
    }

    copy = &r->tenants[low];

    memmove(copy + 1, copy, (r->ntenants - low) * sizeof(mdm_str_t));

    copy->len = tenant->len;
    copy->data = malloc(tenant->len);

    if (copy->data == NULL) {
        mdm_trouble("no memory");
    }

    memcpy(copy->data, tenant->data, tenant->len);

    r->ntenants++;
}


static void
mdm_reindex_tenant(mdm_reindex_t *r, const mdm_str_t *tenant)
{
    uint64_t            devices, added;
    mdm_exchange_t     *x, *next;
    mdm_api_reindex_t   from, *re;

    memset(&from, 0, sizeof(mdm_api_reindex_t));

    x = mdm_reindex_slice(r, tenant, &from);
    devices = 0;
    added = 0;

    for ( ;; ) {
        re = x->ctx;

        while (mdm_exchange_step(x) == MDM_CALL) {

            /* what was found is still entered before it ends */

            mdm_reindex_round(r, x);
        }

        if (x->status != 200) {
            mdm_trouble("tenant %.*s: %.*s", mdm_fmt(tenant),
                        mdm_fmt(&x->error));
        }

        devices += re->devices;
        added += re->added;

        if (!re->more || mdm_reindex_stopped) {
            break;
        }

        if (!mdm_reindex_on(&from, re)) {
            mdm_trouble("tenant %.*s: its ids have no order",
                        mdm_fmt(tenant));
        }

        /* memory is kept until an exchange ends: "after" is copied */

        next = mdm_reindex_slice(r, tenant, re);

        mdm_arena_destroy(x->arena);

        x = next;
        from = *(mdm_api_reindex_t *) x->ctx;
    }

    mdm_arena_destroy(x->arena);

    printf("tenant %.*s devices %lu entered %lu\n", mdm_fmt(tenant),
           (unsigned long) devices, (unsigned long) added);

    r->devices += devices;
    r->added += added;
}


static mdm_exchange_t *
mdm_reindex_slice(mdm_reindex_t *r, const mdm_str_t *tenant,
    const mdm_api_reindex_t *from)
{
    mdm_exchange_t     *x;
    mdm_api_reindex_t  *re;

    x = mdm_exchange_create(&r->settings);
    if (x == NULL) {
        mdm_trouble("no memory");
    }

    x->kind = MDM_KIND_JOB;
    x->step = mdm_api_reindex_step;
    x->tenant = *tenant;

    re = mdm_arena_zalloc(x->arena, sizeof(mdm_api_reindex_t));

    if (re == NULL
        || mdm_str_dup(x->arena, &re->after, &from->after) != MDM_OK)
    {
        mdm_trouble("no memory");
    }

    re->partition = from->partition;
    x->ctx = re;

    return x;
}


/* cursors that lead in a circle are not followed for ever */

static mdm_uint_t
mdm_reindex_on(const mdm_api_reindex_t *from, const mdm_api_reindex_t *to)
{
    return to->partition != from->partition
           || mdm_str_order(&from->after, &to->after) < 0;
}


static void
mdm_reindex_round(mdm_reindex_t *r, mdm_exchange_t *x)
{
    mdm_uint_t   i;
    mdm_call_t  *call;
    redisReply  *reply;

    for (i = 0; i < x->ncalls; i++) {
        call = &x->calls[i];

        if (call->nargs > MDM_ARGS - 4) {
            mdm_trouble("the script \"%.*s\" has too many arguments",
                        mdm_fmt(&call->script->name));
        }

        reply = mdm_nodes_eval(r->nodes, call->script, &call->key,
                               call->nargs, call->args);

        call->reply = mdm_reindex_reply(x, reply);
        call->rc = MDM_CALL_OK;

        freeReplyObject(reply);
    }

    if (r->wait != 0) {
        (void) usleep(r->wait);
    }
}


static mdm_reply_t *
mdm_reindex_reply(mdm_exchange_t *x, const redisReply *from)
{
    size_t        i;
    mdm_str_t     s;
    mdm_reply_t  *reply;

    reply = mdm_arena_zalloc(x->arena, sizeof(mdm_reply_t));
    if (reply == NULL) {
        mdm_trouble("no memory");
    }

    switch (from->type) {

    case REDIS_REPLY_INTEGER:
        reply->type = MDM_REPLY_INTEGER;
        reply->integer = from->integer;
        break;

    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        reply->type = (from->type == REDIS_REPLY_ERROR) ? MDM_REPLY_ERROR
                                                        : MDM_REPLY_STRING;
        s.data = (u_char *) from->str;
        s.len = from->len;

        if (mdm_str_dup(x->arena, &reply->str, &s) != MDM_OK) {
            mdm_trouble("no memory");
        }

        break;

    case REDIS_REPLY_ARRAY:
        reply->type = MDM_REPLY_ARRAY;
        reply->nelements = from->elements;
        reply->elements = mdm_arena_alloc(x->arena, (from->elements + 1)
                                                    * sizeof(mdm_reply_t *));
        if (reply->elements == NULL) {
            mdm_trouble("no memory");
        }

        for (i = 0; i < from->elements; i++) {
            reply->elements[i] = mdm_reindex_reply(x, from->element[i]);
        }

        break;

    default: /* REDIS_REPLY_NIL */
        break;
    }

    return reply;
}


static void
mdm_reindex_stop(int signo)
{
    (void) signo;

    mdm_reindex_stopped = 1;
}
