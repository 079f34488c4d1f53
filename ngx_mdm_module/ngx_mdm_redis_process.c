
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The stores of a worker, from its start to its end.
 */


#include "ngx_mdm_redis.h"
#include "ngx_mdm_redis_id.h"
#include "ngx_mdm_redis_node.h"


static ngx_pool_t  *ngx_mdm_redis_pool;


ngx_int_t
ngx_mdm_redis_init_process(ngx_cycle_t *cycle, ngx_array_t *stores)
{
    ngx_uint_t         i;
    ngx_mdm_redis_t   *redis;
    ngx_mdm_store_t  **store;

    if ((ngx_process != NGX_PROCESS_WORKER
         && ngx_process != NGX_PROCESS_SINGLE)
        || stores->nelts == 0)
    {
        return NGX_OK;
    }

    /* the cached time is that of the master, timers would be early */

    ngx_time_update();

    ngx_mdm_redis_pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cycle->log);
    if (ngx_mdm_redis_pool == NULL) {
        return NGX_ERROR;
    }

    redis = ngx_pcalloc(ngx_mdm_redis_pool,
                        stores->nelts * sizeof(ngx_mdm_redis_t));
    if (redis == NULL) {
        return NGX_ERROR;
    }

    ngx_mdm_redis_stores = redis;

    store = stores->elts;

    for (i = 0; i < stores->nelts; i++) {

        ngx_mdm_redis_nstores++;

        if (ngx_mdm_redis_open(&redis[i], store[i], ngx_mdm_redis_pool)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        redis[i].id = ngx_mdm_redis_id_create(&redis[i], ngx_mdm_redis_pool);
        if (redis[i].id == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_mdm_redis_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t        i;
    ngx_mdm_redis_t  *redis;

    (void) cycle;

    for (i = 0; i < ngx_mdm_redis_nstores; i++) {

        redis = &ngx_mdm_redis_stores[i];

        ngx_mdm_redis_close(redis);

        if (redis->id != NULL) {
            ngx_mdm_redis_id_destroy(redis->id);
        }
    }

    ngx_mdm_redis_nstores = 0;
    ngx_mdm_redis_stores = NULL;

    if (ngx_mdm_redis_pool != NULL) {
        ngx_destroy_pool(ngx_mdm_redis_pool);
        ngx_mdm_redis_pool = NULL;
    }

    ngx_mdm_redis_op_clear();
    mdm_arena_pool_clear(&ngx_mdm_redis_arenas);
}
