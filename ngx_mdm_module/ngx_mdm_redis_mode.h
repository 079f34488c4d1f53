
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The values of "mode", each in a file of its own.
 */


#ifndef _NGX_MDM_REDIS_MODE_H_INCLUDED_
#define _NGX_MDM_REDIS_MODE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_mdm_redis_node.h"


/* one server, which may have several addresses */
extern const ngx_mdm_redis_mode_t  ngx_mdm_redis_single;

/* before each attempt to connect a Sentinel is asked where the master is */
extern const ngx_mdm_redis_mode_t  ngx_mdm_redis_sentinel;

/* the nodes come with the slot map */
extern const ngx_mdm_redis_mode_t  ngx_mdm_redis_cluster;


#endif /* _NGX_MDM_REDIS_MODE_H_INCLUDED_ */
