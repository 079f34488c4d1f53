
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Which store it is.  A Redis that comes back empty, or another one, must not
 * be taken for the one that the fleet is enrolled in: a store has an id, which
 * is remembered in shared memory.  That survives a reload, and workers of all
 * generations agree by it; "store_id" pins the id over a restart.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_store.h"

#include <openssl/rand.h>


/* of a store, in its zone; changed under the lock of the zone's pool */

typedef struct {
    u_char                    id[NGX_MDM_STORE_ID];
    ngx_uint_t                known;       /* 1: there is an id */
    uint32_t                  told;        /* a hash of the last alert, 0 */
} ngx_mdm_store_id_t;


static ngx_int_t ngx_mdm_store_id_init(ngx_shm_zone_t *zone, void *data);
static ngx_slab_pool_t *ngx_mdm_store_id_lock(ngx_mdm_store_t *store,
    ngx_mdm_store_id_t **sid);


char *
ngx_mdm_store_id_zone(ngx_conf_t *cf, ngx_mdm_store_t *store)
{
    size_t      i;
    u_char      c;
    ngx_str_t   name;

    for (i = 0; i < store->store_id.len; i++) {
        c = store->store_id.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            break;
        }
    }

    if (store->store_id.len != 0
        && (i != store->store_id.len || i != NGX_MDM_STORE_ID))
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\": invalid \"store_id\" \"%V\", it "
                          "is %d lower-case hexadecimal digits",
                          &store->name, &store->store_id, NGX_MDM_STORE_ID);
        return NGX_CONF_ERROR;
    }

    name.len = sizeof("mdm_store:") - 1 + store->name.len;

    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) ngx_sprintf(name.data, "mdm_store:%V", &store->name);

    store->zone = ngx_shared_memory_add(cf, &name, 8 * ngx_pagesize,
                                        &ngx_mdm_module);
    if (store->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    store->zone->init = ngx_mdm_store_id_init;
    store->zone->data = store;

    return NGX_CONF_OK;
}


/* "data" is that of the cycle before: what is remembered stays */

static ngx_int_t
ngx_mdm_store_id_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t     *pool;
    ngx_mdm_store_id_t  *sid;

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (data != NULL || zone->shm.exists) {
        return NGX_OK;
    }

    sid = ngx_slab_calloc(pool, sizeof(ngx_mdm_store_id_t));
    if (sid == NULL) {
        return NGX_ERROR;
    }

    pool->data = sid;

    return NGX_OK;
}


static ngx_slab_pool_t *
ngx_mdm_store_id_lock(ngx_mdm_store_t *store, ngx_mdm_store_id_t **sid)
{
    ngx_slab_pool_t  *pool;

    pool = (ngx_slab_pool_t *) store->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    *sid = pool->data;

    return pool;
}


ngx_int_t
ngx_mdm_store_id_random(u_char *id)
{
    u_char  raw[NGX_MDM_STORE_ID / 2];

    if (RAND_bytes(raw, sizeof(raw)) != 1) {
        return NGX_ERROR;
    }

    mdm_hex(id, raw, sizeof(raw));

    return NGX_OK;
}


size_t
ngx_mdm_store_id_expected(ngx_mdm_store_t *store, u_char *id)
{
    size_t               len;
    ngx_slab_pool_t     *pool;
    ngx_mdm_store_id_t  *sid;

    if (store->store_id.len != 0) {
        ngx_memcpy(id, store->store_id.data, NGX_MDM_STORE_ID);
        return NGX_MDM_STORE_ID;
    }

    pool = ngx_mdm_store_id_lock(store, &sid);

    len = sid->known ? NGX_MDM_STORE_ID : 0;

    ngx_memcpy(id, sid->id, len);

    ngx_shmtx_unlock(&pool->mutex);

    return len;
}


ngx_int_t
ngx_mdm_store_id_learn(ngx_mdm_store_t *store, mdm_str_t *expected,
    mdm_str_t *id)
{
    ngx_int_t            rc;
    ngx_uint_t           changed;
    ngx_slab_pool_t     *pool;
    ngx_mdm_store_id_t  *sid;

    if (id->len != NGX_MDM_STORE_ID) {
        return NGX_DECLINED;
    }

    rc = NGX_OK;
    changed = 0;

    pool = ngx_mdm_store_id_lock(store, &sid);

    /* another worker may have learned of another one meanwhile */

    if (sid->known && store->store_id.len == 0
        && ngx_memcmp(sid->id, id->data, NGX_MDM_STORE_ID) != 0
        && (expected->len != NGX_MDM_STORE_ID
            || ngx_memcmp(sid->id, expected->data, NGX_MDM_STORE_ID) != 0))
    {
        rc = NGX_DECLINED;

    } else {
        changed = (!sid->known
                   || ngx_memcmp(sid->id, id->data, NGX_MDM_STORE_ID) != 0);

        ngx_memcpy(sid->id, id->data, NGX_MDM_STORE_ID);
        sid->known = 1;
        sid->told = 0;
    }

    ngx_shmtx_unlock(&pool->mutex);

    if (changed) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "mdm store \"%V\": its id is %*s",
                      &store->name, id->len, id->data);
    }

    return rc;
}


void
ngx_mdm_store_id_alert(ngx_mdm_store_t *store, ngx_str_t *reason,
    ngx_str_t *text)
{
    uint32_t             hash;
    ngx_uint_t           tell;
    ngx_slab_pool_t     *pool;
    ngx_mdm_store_id_t  *sid;

    hash = ngx_crc32_short(reason->data, reason->len) | 1;

    pool = ngx_mdm_store_id_lock(store, &sid);

    tell = (sid->told != hash);
    sid->told = hash;

    ngx_shmtx_unlock(&pool->mutex);

    if (tell) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "mdm store \"%V\": %V", &store->name, text);
    }
}
