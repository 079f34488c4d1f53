
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * "mdm:meta", which a new connection asks for: is this the store that it must
 * be, with as many partitions and the same keys?
 */


#ifndef _NGX_MDM_REDIS_META_H_INCLUDED_
#define _NGX_MDM_REDIS_META_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_mdm_redis_node.h"


/* writes the meta script; NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_redis_meta_write(ngx_mdm_redis_conn_t *conn);

/*
 * Takes its reply.  NGX_OK: it fits, or another node has been asked;
 * NGX_ERROR: the server is not usable, *reason says why, and an alert says
 * what to do where it is not the store that it must be.
 */
ngx_int_t ngx_mdm_redis_meta_reply(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, ngx_str_t *reason);

/*
 * Writes why a server with this id is not the store, NGX_MDM_REDIS_REASON
 * bytes at most, into "buf", to which *reason then points, and logs the alert
 * of it.
 */
void ngx_mdm_redis_meta_other(ngx_mdm_store_t *store, ngx_str_t *name,
    mdm_str_t *id, mdm_str_t *expected, u_char *buf, ngx_str_t *reason);

/* 1 if it looks like the id of a store, so that it may go into the log */
ngx_uint_t ngx_mdm_redis_meta_id(mdm_str_t *id);


#endif /* _NGX_MDM_REDIS_META_H_INCLUDED_ */
