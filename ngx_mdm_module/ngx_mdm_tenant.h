
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Which tenant a request is for.
 */


#ifndef _NGX_MDM_TENANT_H_INCLUDED_
#define _NGX_MDM_TENANT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_module.h"


/*
 * Evaluates "mdm_tenant" into the exchange, whose kind is known.  A value that
 * cannot be a name (400) or is not one of "mdm_tenants" (404 for the API, 403
 * for a device, whom 404 would tell too much of a queue) ends the exchange:
 * ctx->done.  NGX_OK; NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_tenant_find(ngx_mdm_ctx_t *ctx);

/* setters of directives */
char *ngx_mdm_tenant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_tenants(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* warns of a fixed name that is not one of "mdm_tenants" */
void ngx_mdm_tenant_check_conf(ngx_conf_t *cf, ngx_mdm_loc_conf_t *conf);


#endif /* _NGX_MDM_TENANT_H_INCLUDED_ */
