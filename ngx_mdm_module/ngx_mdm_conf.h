
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The configuration: created, merged, and the setters of directives that need
 * more than a slot.
 */


#ifndef _NGX_MDM_CONF_H_INCLUDED_
#define _NGX_MDM_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* of the module context; what they return is nginx's convention */

void *ngx_mdm_create_main_conf(ngx_conf_t *cf);
char *ngx_mdm_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_mdm_create_loc_conf(ngx_conf_t *cf);
char *ngx_mdm_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);


/* setters */

/* mdm_checkin, mdm_connect, mdm_api: a flag that makes a content handler */
char *ngx_mdm_handler_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_status_index(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_MDM_CONF_H_INCLUDED_ */
