
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * "mode single": one server has all keys.
 */


#include "ngx_mdm_redis_mode.h"


static ngx_int_t ngx_mdm_redis_single_create(ngx_mdm_redis_t *redis,
    ngx_pool_t *pool);
static ngx_int_t ngx_mdm_redis_single_route(ngx_mdm_redis_t *redis,
    mdm_str_t *key, ngx_mdm_redis_node_t **node);


const ngx_mdm_redis_mode_t  ngx_mdm_redis_single = {
    ngx_mdm_redis_single_create,
    ngx_mdm_redis_single_route,
    NULL,
    NULL,
    NULL,
    ngx_mdm_redis_resolve,
    ngx_mdm_redis_conn_reset,
    NULL,
    NULL,
    NULL,
    0,
    0
};


static ngx_int_t
ngx_mdm_redis_single_create(ngx_mdm_redis_t *redis, ngx_pool_t *pool)
{
    ngx_mdm_peer_target_t   target;

    (void) pool;

    ngx_mdm_store_target(redis->store->servers.elts, &target);

    return (ngx_mdm_redis_node_create(redis, &target) == NULL) ? NGX_ERROR
                                                               : NGX_OK;
}


static ngx_int_t
ngx_mdm_redis_single_route(ngx_mdm_redis_t *redis, mdm_str_t *key,
    ngx_mdm_redis_node_t **node)
{
    (void) key;

    *node = ngx_mdm_redis_node(redis);

    return NGX_OK;
}
