
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * "mode cluster": which node has a slot, and what to do when it has not.
 */


#ifndef _NGX_MDM_REDIS_CLUSTER_H_INCLUDED_
#define _NGX_MDM_REDIS_CLUSTER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_mdm_redis_node.h"


/* NULL: no memory */
ngx_mdm_redis_cluster_t *ngx_mdm_redis_cluster_create(ngx_mdm_redis_t *redis,
    ngx_pool_t *pool);

void ngx_mdm_redis_cluster_destroy(ngx_mdm_redis_cluster_t *cluster);

/*
 * The node of a key.  NGX_OK; NGX_AGAIN: that is not known yet, the call
 * waits; NGX_DECLINED: nobody has it, or the cluster cannot be used.
 */
ngx_int_t ngx_mdm_redis_cluster_route(ngx_mdm_redis_cluster_t *cluster,
    mdm_str_t *key, ngx_mdm_redis_node_t **node);

/*
 * A call was answered with this error.  NGX_OK: the call is on its way
 * again; NGX_ERROR: a redirect that leads nowhere, for now; NGX_DECLINED: it is
 * no error of a cluster.
 */
ngx_int_t ngx_mdm_redis_cluster_error(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_op_t *op, mdm_str_t *error);

/* it may be another one: nothing is sent until it has been compared again */
void ngx_mdm_redis_cluster_doubt(ngx_mdm_redis_cluster_t *cluster);

/*
 * Writes a key that is in a slot of the node, by a format with the number of
 * its hash tag; where the node has none by now, any key.  Its length.
 */
size_t ngx_mdm_redis_cluster_key(ngx_mdm_redis_node_t *node, u_char *buf,
    const char *fmt);

/* a connection of a node has come up, or could not */
void ngx_mdm_redis_cluster_up(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t *conn);
void ngx_mdm_redis_cluster_down(ngx_mdm_redis_node_t *node);


/* ngx_mdm_redis_slots.c */

/* the owner of slots "first" to "last" */
typedef ngx_int_t (*ngx_mdm_redis_slots_pt)(void *data, ngx_uint_t first,
    ngx_uint_t last, ngx_str_t *host, in_port_t port);

/*
 * Reads a reply to CLUSTER SLOTS, and hands out each range.  An owner whose
 * host is not told is the one that was asked: the host is empty.
 * NGX_OK; NGX_ERROR: it is none, or the handler said so.
 */
ngx_int_t ngx_mdm_redis_slots_read(mdm_reply_t *reply,
    ngx_mdm_redis_slots_pt handler, void *data);

/*
 * Takes "MOVED 3999 127.0.0.1:6381" or "ASK …" apart.  NGX_OK or
 * NGX_ERROR; the host may be empty: it is the one that said so.
 */
ngx_int_t ngx_mdm_redis_slots_redirect(mdm_str_t *error, ngx_uint_t *slot,
    ngx_str_t *host, in_port_t *port);


#endif /* _NGX_MDM_REDIS_CLUSTER_H_INCLUDED_ */
