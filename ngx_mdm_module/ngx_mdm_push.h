
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What pushes are sent with: certificates of files, and those that a store
 * has, of which a worker that pushes keeps a copy for some seconds.
 */


#ifndef _NGX_MDM_PUSH_H_INCLUDED_
#define _NGX_MDM_PUSH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_exchange.h"
#include "ngx_mdm_apns.h"
#include "ngx_mdm_store.h"


/*
 * A push for a tenant, as ngx_mdm_apns_push(): with the certificate of a file,
 * or with that of the store, which may have to be read first.
 */
ngx_int_t ngx_mdm_push_send(ngx_mdm_store_t *store, mdm_str_t *tenant,
    mdm_call_t *call, ngx_mdm_apns_handler_pt handler, void *data,
    ngx_mdm_apns_op_t **op);

/*
 * A channel of the tenant was enabled with this topic.  Those that nobody can
 * push to, for want of a certificate, are counted, and told of once an hour.
 */
void ngx_mdm_push_seen(ngx_mdm_store_t *store, mdm_str_t *tenant,
    mdm_str_t *topic);

ngx_int_t ngx_mdm_push_init_process(ngx_cycle_t *cycle,
    ngx_mdm_apns_conf_t *conf);
void ngx_mdm_push_exit_process(void);


#endif /* _NGX_MDM_PUSH_H_INCLUDED_ */
