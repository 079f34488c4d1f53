
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * May the user of a server call what the scripts call?
 */


#ifndef _NGX_MDM_REDIS_PROBE_H_INCLUDED_
#define _NGX_MDM_REDIS_PROBE_H_INCLUDED_


#include "ngx_mdm_redis_node.h"


/* asks; NGX_OK or NGX_ERROR: no memory */
ngx_int_t ngx_mdm_redis_probe_write(ngx_mdm_redis_conn_t *conn);

/*
 * Takes the reply.  NGX_OK: it may, or this node cannot be asked now;
 * NGX_ERROR: *reason names what it may not.
 */
ngx_int_t ngx_mdm_redis_probe_reply(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, ngx_str_t *reason);


#endif /* _NGX_MDM_REDIS_PROBE_H_INCLUDED_ */
