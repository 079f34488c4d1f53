
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * "mode sentinel": before each attempt to connect a Sentinel is asked where
 * the master is.
 */


#ifndef _NGX_MDM_REDIS_SENTINEL_H_INCLUDED_
#define _NGX_MDM_REDIS_SENTINEL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_mdm_redis_node.h"


/* NULL: no memory */
ngx_mdm_redis_sentinel_t *ngx_mdm_redis_sentinel_create(
    ngx_mdm_redis_t *redis, ngx_pool_t *pool);

void ngx_mdm_redis_sentinel_destroy(ngx_mdm_redis_sentinel_t *sentinel);

/* locate() of the master's connections: asks a Sentinel; NGX_AGAIN */
ngx_int_t ngx_mdm_redis_sentinel_locate(ngx_mdm_redis_sentinel_t *sentinel,
    ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);


#endif /* _NGX_MDM_REDIS_SENTINEL_H_INCLUDED_ */
