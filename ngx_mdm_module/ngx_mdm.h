
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What every room of the nginx side knows: the module, its settings of http.
 */


#ifndef _NGX_MDM_H_INCLUDED_
#define _NGX_MDM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_cache.h"


/* between mdm_str_t and ngx_str_t, which are alike, in both directions */

#define ngx_mdm_str_copy(dst, src)                                            \
    (dst)->len = (src)->len; (dst)->data = (src)->data


/* the tenant, where there is no "mdm_tenant" */
#define NGX_MDM_TENANT  "default"


typedef struct ngx_mdm_apns_conf_s  ngx_mdm_apns_conf_t;
typedef struct ngx_mdm_http_conf_s  ngx_mdm_http_conf_t;
typedef struct ngx_mdm_push_conf_s  ngx_mdm_push_conf_t;
typedef struct ngx_mdm_hook_conf_s  ngx_mdm_hook_conf_t;


typedef struct {
    ngx_array_t               stores;      /* of ngx_mdm_store_t * */
    ngx_array_t               cas;         /* of ngx_mdm_ca_t * */
    ngx_array_t               enrollments; /* of ngx_mdm_enrollment_t * */
    size_t                    cache_size;  /* mdm_declaration_cache */
    ngx_array_t              *status_index; /* of mdm_str_t, or NULL */
    ngx_mdm_apns_conf_t      *apns;        /* mdm_push…: how to APNs, */
    ngx_mdm_push_conf_t      *push;        /* and when */
    ngx_mdm_http_conf_t      *http;        /* clients of other servers */
    ngx_mdm_hook_conf_t      *hooks;       /* mdm_webhook…: who gets events */
    size_t                    metrics_size; /* mdm_metrics_zone; 0: not said */
    ngx_uint_t                metrics_on;  /* 1: a location has mdm_metrics */
    ngx_shm_zone_t           *metrics;     /* NULL: nothing is counted */
    ngx_array_t               said;        /* of ngx_str_t: warnings given, see
                                              ngx_mdm_place.h */
} ngx_mdm_main_conf_t;


extern ngx_module_t  ngx_mdm_module;

/* of this worker: texts of declarations; NULL: none */
extern mdm_cache_t  *ngx_mdm_cache;


#endif /* _NGX_MDM_H_INCLUDED_ */
