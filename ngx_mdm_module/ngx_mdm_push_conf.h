
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * When and how often is pushed: those "mdm_push…" that the core is told of.
 */


#ifndef _NGX_MDM_PUSH_CONF_H_INCLUDED_
#define _NGX_MDM_PUSH_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_exchange.h"
#include "ngx_mdm.h"


struct ngx_mdm_push_conf_s {
    time_t                    expiration;
    ngx_msec_t                window;
    ngx_uint_t                ids;         /* of an API call that waits */
    ngx_uint_t                rate;        /* pushes a second */
    ngx_uint_t                burst;
    ngx_uint_t                retry[MDM_PUSH_RETRIES];  /* seconds */
    ngx_uint_t                nretry;
};


/* NULL: no memory */
ngx_mdm_push_conf_t *ngx_mdm_push_create_conf(ngx_conf_t *cf);

/* to be called when http has been read: what is not said gets its default */
void ngx_mdm_push_init_conf(ngx_mdm_push_conf_t *conf);

/* what the core knows of it */
void ngx_mdm_push_settings(ngx_mdm_push_conf_t *conf,
    mdm_settings_t *settings);

/* setters */
char *ngx_mdm_push_sec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_push_msec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_push_num(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_push_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_push_rate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_MDM_PUSH_CONF_H_INCLUDED_ */
