
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Is this worker alive, and can it serve devices?
 */


#ifndef _NGX_MDM_HEALTH_H_INCLUDED_
#define _NGX_MDM_HEALTH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The content handler of mdm_health: the location and /live below it, 200;
 * /ready, 200 or 503, from what the worker knows; anything else, 404.
 */
ngx_int_t ngx_mdm_health_handler(ngx_http_request_t *r);


#endif /* _NGX_MDM_HEALTH_H_INCLUDED_ */
