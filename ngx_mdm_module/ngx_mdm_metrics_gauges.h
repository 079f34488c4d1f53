
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Metrics that live in Redis: a worker of the host reads them every 15 s, and
 * notes them in the zone.
 */


#ifndef _NGX_MDM_METRICS_GAUGES_H_INCLUDED_
#define _NGX_MDM_METRICS_GAUGES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_base.h"
#include "ngx_mdm.h"
#include "ngx_mdm_store.h"


/* NGX_OK, or NGX_ERROR: no memory */
ngx_int_t ngx_mdm_gauges_init_process(ngx_mdm_main_conf_t *mmcf);
void ngx_mdm_gauges_exit_process(void);

/* this worker serves a tenant: the job that reads is told of it */
void ngx_mdm_gauges_seen(ngx_mdm_store_t *store, mdm_str_t *name);

/* once a second: reads what is due */
void ngx_mdm_gauges_tick(void);


#endif /* _NGX_MDM_METRICS_GAUGES_H_INCLUDED_ */
