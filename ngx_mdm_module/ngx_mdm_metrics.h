
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The scrape, and the zone of what is counted.
 */


#ifndef _NGX_MDM_METRICS_H_INCLUDED_
#define _NGX_MDM_METRICS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm.h"


/* the content handler of mdm_metrics; takes no lock, asks nobody */
ngx_int_t ngx_mdm_metrics_handler(ngx_http_request_t *r);

/*
 * To be called in postconfiguration: makes the zone, where one is wanted.
 * NGX_OK; NGX_ERROR: it has said why.
 */
ngx_int_t ngx_mdm_metrics_init(ngx_conf_t *cf, ngx_mdm_main_conf_t *mmcf);

/* notes every second what is so now; NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_metrics_init_process(ngx_mdm_main_conf_t *mmcf);
void ngx_mdm_metrics_exit_process(void);

/* setter of mdm_metrics_zone, in the main configuration */
char *ngx_mdm_metrics_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_MDM_METRICS_H_INCLUDED_ */
