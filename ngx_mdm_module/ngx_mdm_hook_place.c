
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Finds places, webhooks and tenants of a worker, and makes them.
 */


#include "ngx_mdm_hook_place.h"


/* bytes of "store webhook tag", the longest of the keys */
#define NGX_MDM_HOOK_KEY      (NGX_INT_T_LEN * 2 + MDM_TENANT_MAX + 32)


static ngx_mdm_hook_place_t *ngx_mdm_hook_place_new(ngx_mdm_hook_t *hook,
    ngx_str_t *key, uint32_t hash, mdm_str_t *tag);
static ngx_mdm_hook_t *ngx_mdm_hook_place_of(ngx_mdm_store_t *store,
    mdm_uint_t i, mdm_str_t *tenant);


ngx_queue_t                ngx_mdm_hook_all;

static ngx_rbtree_t        ngx_mdm_hook_places;
static ngx_rbtree_t        ngx_mdm_hook_known;
static ngx_rbtree_t        ngx_mdm_hook_tenants;
static ngx_rbtree_node_t   ngx_mdm_hook_sentinel;
static ngx_log_t          *ngx_mdm_hook_place_log;


void
ngx_mdm_hook_place_init_process(ngx_log_t *log)
{
    ngx_mdm_hook_place_log = log;

    ngx_queue_init(&ngx_mdm_hook_all);

    ngx_rbtree_init(&ngx_mdm_hook_places, &ngx_mdm_hook_sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_init(&ngx_mdm_hook_known, &ngx_mdm_hook_sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_init(&ngx_mdm_hook_tenants, &ngx_mdm_hook_sentinel,
                    ngx_str_rbtree_insert_value);
}


void
ngx_mdm_hook_place_exit_process(void)
{
    ngx_queue_t        *q;
    ngx_mdm_hook_t     *hook;
    ngx_rbtree_node_t  *node;

    while (!ngx_queue_empty(&ngx_mdm_hook_all)) {
        q = ngx_queue_head(&ngx_mdm_hook_all);
        hook = ngx_queue_data(q, ngx_mdm_hook_t, queue);

        ngx_queue_remove(q);
        ngx_rbtree_delete(&ngx_mdm_hook_known, &hook->sn.node);
        ngx_free(hook);
    }

    while (ngx_mdm_hook_tenants.root != ngx_mdm_hook_tenants.sentinel) {
        node = ngx_mdm_hook_tenants.root;

        ngx_rbtree_delete(&ngx_mdm_hook_tenants, node);
        ngx_free(node);
    }
}


ngx_mdm_hook_place_t *
ngx_mdm_hook_place(ngx_mdm_store_t *store, mdm_uint_t i, mdm_str_t *tenant,
    mdm_str_t *tag)
{
    u_char           buf[NGX_MDM_HOOK_KEY];
    uint32_t         hash;
    ngx_str_t        key;
    ngx_str_node_t  *sn;
    ngx_mdm_hook_t  *hook;

    key.data = buf;
    key.len = ngx_snprintf(buf, sizeof(buf), "%ui %ui %*s", store->index,
                           (ngx_uint_t) i, tag->len, tag->data)
              - buf;

    hash = ngx_crc32_short(key.data, key.len);

    sn = ngx_str_rbtree_lookup(&ngx_mdm_hook_places, &key, hash);

    if (sn != NULL) {
        return (ngx_mdm_hook_place_t *) sn;
    }

    hook = ngx_mdm_hook_place_of(store, i, tenant);

    return (hook != NULL) ? ngx_mdm_hook_place_new(hook, &key, hash, tag)
                          : NULL;
}


static ngx_mdm_hook_place_t *
ngx_mdm_hook_place_new(ngx_mdm_hook_t *hook, ngx_str_t *key, uint32_t hash,
    mdm_str_t *tag)
{
    u_char                *p;
    ngx_mdm_hook_place_t  *place;

    place = ngx_calloc(sizeof(ngx_mdm_hook_place_t) + key->len,
                       ngx_mdm_hook_place_log);
    if (place == NULL) {
        return NULL;
    }

    p = (u_char *) place + sizeof(ngx_mdm_hook_place_t);

    ngx_memcpy(p, key->data, key->len);

    place->hook = hook;

    place->sn.node.key = hash;
    place->sn.str.len = key->len;
    place->sn.str.data = p;

    place->run.tag.len = tag->len;
    place->run.tag.data = p + key->len - tag->len;

    ngx_rbtree_insert(&ngx_mdm_hook_places, &place->sn.node);

    return place;
}


static ngx_mdm_hook_t *
ngx_mdm_hook_place_of(ngx_mdm_store_t *store, mdm_uint_t i, mdm_str_t *tenant)
{
    u_char           buf[NGX_MDM_HOOK_KEY];
    uint32_t         hash;
    ngx_str_t        key;
    ngx_str_node_t  *sn;
    ngx_mdm_hook_t  *hook;

    key.data = buf;
    key.len = ngx_snprintf(buf, sizeof(buf), "%ui %ui %*s", store->index,
                           (ngx_uint_t) i, tenant->len, tenant->data)
              - buf;

    hash = ngx_crc32_short(key.data, key.len);

    sn = ngx_str_rbtree_lookup(&ngx_mdm_hook_known, &key, hash);

    if (sn != NULL) {
        return (ngx_mdm_hook_t *) sn;
    }

    hook = ngx_calloc(sizeof(ngx_mdm_hook_t) + key.len,
                      ngx_mdm_hook_place_log);
    if (hook == NULL) {
        return NULL;
    }

    hook->store = store;
    hook->webhook = &store->settings.webhooks[i];
    hook->success = ngx_current_msec;
    hook->counts = ngx_mdm_count_webhook((ngx_str_t *) &hook->webhook->name);

    hook->sn.node.key = hash;
    hook->sn.str.len = key.len;
    hook->sn.str.data = (u_char *) hook + sizeof(ngx_mdm_hook_t);
    ngx_memcpy(hook->sn.str.data, key.data, key.len);

    hook->tenant.len = tenant->len;
    hook->tenant.data = hook->sn.str.data + key.len - tenant->len;

    ngx_queue_init(&hook->ready);
    ngx_queue_init(&hook->waiting);
    ngx_queue_init(&hook->under_way);

    ngx_queue_insert_tail(&ngx_mdm_hook_all, &hook->queue);
    ngx_rbtree_insert(&ngx_mdm_hook_known, &hook->sn.node);

    return hook;
}


void
ngx_mdm_hook_place_free(ngx_mdm_hook_place_t *place)
{
    ngx_queue_remove(&place->queue);
    ngx_rbtree_delete(&ngx_mdm_hook_places, &place->sn.node);
    ngx_free(place);
}


ngx_uint_t
ngx_mdm_hook_place_tenant(ngx_mdm_store_t *store, mdm_str_t *name)
{
    u_char           buf[NGX_MDM_HOOK_KEY];
    uint32_t         hash;
    ngx_str_t        key;
    ngx_str_node_t  *sn;

    key.data = buf;
    key.len = ngx_snprintf(buf, sizeof(buf), "%ui %*s", store->index,
                           name->len, name->data)
              - buf;

    hash = ngx_crc32_short(key.data, key.len);

    if (ngx_str_rbtree_lookup(&ngx_mdm_hook_tenants, &key, hash) != NULL) {
        return 0;
    }

    sn = ngx_alloc(sizeof(ngx_str_node_t) + key.len, ngx_mdm_hook_place_log);
    if (sn == NULL) {
        return 1;
    }

    sn->node.key = hash;
    sn->str.len = key.len;
    sn->str.data = (u_char *) sn + sizeof(ngx_str_node_t);
    ngx_memcpy(sn->str.data, key.data, key.len);

    ngx_rbtree_insert(&ngx_mdm_hook_tenants, &sn->node);

    return 1;
}
