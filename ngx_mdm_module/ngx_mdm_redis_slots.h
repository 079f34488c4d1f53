
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a cluster says about slots.
 */


#ifndef _NGX_MDM_REDIS_SLOTS_H_INCLUDED_
#define _NGX_MDM_REDIS_SLOTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_exchange.h"


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


#endif /* _NGX_MDM_REDIS_SLOTS_H_INCLUDED_ */
