
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The module: its directives, and the life of a worker.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_plist.h"
#include "mdm_challenge.h"
#include "ngx_mdm_apns.h"
#include "ngx_mdm_ca.h"
#include "ngx_mdm_conf.h"
#include "ngx_mdm_count.h"
#include "ngx_mdm_enrollment.h"
#include "ngx_mdm_hook.h"
#include "ngx_mdm_http.h"
#include "ngx_mdm_job.h"
#include "ngx_mdm_log.h"
#include "ngx_mdm_metrics.h"
#include "ngx_mdm_module.h"
#include "ngx_mdm_origin.h"
#include "ngx_mdm_push.h"
#include "ngx_mdm_push_conf.h"
#include "ngx_mdm_redis.h"
#include "ngx_mdm_tenant.h"
#include "ngx_mdm_work.h"


static ngx_int_t ngx_mdm_init(ngx_conf_t *cf);
static ngx_int_t ngx_mdm_init_process(ngx_cycle_t *cycle);
static void ngx_mdm_exit_process(ngx_cycle_t *cycle);
static char *ngx_mdm_check_positive(ngx_conf_t *cf, void *post, void *data);


static ngx_conf_enum_t  ngx_mdm_validate_modes[] = {
    { ngx_string("off"), MDM_VALIDATE_OFF },
    { ngx_string("warn"), MDM_VALIDATE_WARN },
    { ngx_string("strict"), MDM_VALIDATE_STRICT },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_mdm_reenroll_modes[] = {
    { ngx_string("any"), MDM_REENROLL_ANY },
    { ngx_string("bound"), MDM_REENROLL_BOUND },
    { ngx_string("deny"), MDM_REENROLL_DENY },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_mdm_user_authenticate_modes[] = {
    { ngx_string("refuse"), MDM_USER_AUTHENTICATE_REFUSE },
    { ngx_string("accept"), MDM_USER_AUTHENTICATE_ACCEPT },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_mdm_enroll_allow_modes[] = {
    { ngx_string("list"), MDM_ENROLL_ALLOW_LIST },
    { ngx_string("any"), MDM_ENROLL_ALLOW_ANY },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_mdm_enroll_replace_modes[] = {
    { ngx_string("any"), MDM_ENROLL_REPLACE_ANY },
    { ngx_string("none"), MDM_ENROLL_REPLACE_NONE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_mdm_release_modes[] = {
    { ngx_string("always"), MDM_RELEASE_ALWAYS },
    { ngx_string("setup"), MDM_RELEASE_SETUP },
    { ngx_string("off"), MDM_RELEASE_OFF },
    { ngx_null_string, 0 }
};


mdm_cache_t  *ngx_mdm_cache;


static ngx_conf_post_t  ngx_mdm_positive = { ngx_mdm_check_positive };


static ngx_conf_num_bounds_t  ngx_mdm_plist_depth = {
    ngx_conf_check_num_bounds, 1, MDM_PLIST_DEPTH_MAX
};


static ngx_conf_num_bounds_t  ngx_mdm_status_reports = {
    ngx_conf_check_num_bounds, 0, 1000
};


static ngx_conf_num_bounds_t  ngx_mdm_status_errors = {
    ngx_conf_check_num_bounds, 0, 10000
};


static ngx_conf_num_bounds_t  ngx_mdm_challenge_ttl = {
    ngx_conf_check_num_bounds, 1, MDM_CHALLENGE_TTL_MAX
};


static ngx_conf_num_bounds_t  ngx_mdm_challenge_limit = {
    ngx_conf_check_num_bounds, 1, 1000000
};


static ngx_conf_num_bounds_t  ngx_mdm_renew_grace = {
    ngx_conf_check_num_bounds, 0, 30 * 24 * 60 * 60
};


static ngx_conf_num_bounds_t  ngx_mdm_push_ids = {
    ngx_conf_check_num_bounds, 1, 1000
};


#define NGX_MDM_ANY_CONF                                                      \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF)


/* where proxy_pass may stand, too */

#define NGX_MDM_HANDLER_CONF                                                  \
    (NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF)


static ngx_command_t  ngx_mdm_commands[] = {

    { ngx_string("mdm_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_mdm_store,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_store"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_mdm_store_named,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, store_name),
      NULL },

    { ngx_string("mdm_ca"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_mdm_ca,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_tenant"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_tenant,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_tenants"),
      NGX_MDM_ANY_CONF|NGX_CONF_1MORE,
      ngx_mdm_tenants,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_checkin"),
      NGX_MDM_HANDLER_CONF|NGX_CONF_FLAG,
      ngx_mdm_handler_flag,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, checkin),
      NULL },

    { ngx_string("mdm_connect"),
      NGX_MDM_HANDLER_CONF|NGX_CONF_FLAG,
      ngx_mdm_handler_flag,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, connect),
      NULL },

    { ngx_string("mdm_scep"),
      NGX_MDM_HANDLER_CONF|NGX_CONF_TAKE1,
      ngx_mdm_handler_scep,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, enroll),
      NULL },

    { ngx_string("mdm_scep_legacy"),
      NGX_MDM_ANY_CONF|NGX_CONF_1MORE,
      ngx_mdm_scep_legacy,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, enroll),
      NULL },

    { ngx_string("mdm_scep_challenge"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE12,
      ngx_mdm_scep_challenge,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, enroll),
      NULL },

    { ngx_string("mdm_enrollment"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_mdm_enrollment,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_mdm_main_conf_t, enrollments),
      NULL },

    { ngx_string("mdm_enroll"),
      NGX_MDM_HANDLER_CONF|NGX_CONF_1MORE,
      ngx_mdm_handler_way,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, way),
      NULL },

    { ngx_string("mdm_enroll_person"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_way_person,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, way),
      NULL },

    { ngx_string("mdm_enroll_login"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_way_login,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, way),
      NULL },

    { ngx_string("mdm_enroll_allow"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.enroll_allow),
      &ngx_mdm_enroll_allow_modes },

    { ngx_string("mdm_enroll_replace"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.enroll_replace),
      &ngx_mdm_enroll_replace_modes },

    { ngx_string("mdm_api"),
      NGX_MDM_HANDLER_CONF|NGX_CONF_FLAG,
      ngx_mdm_handler_flag,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, api),
      NULL },

    { ngx_string("mdm_metrics_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_mdm_metrics_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_metrics"),
      NGX_MDM_HANDLER_CONF|NGX_CONF_FLAG,
      ngx_mdm_handler_alone,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, metrics),
      NULL },

    { ngx_string("mdm_health"),
      NGX_MDM_HANDLER_CONF|NGX_CONF_FLAG,
      ngx_mdm_handler_alone,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, health),
      NULL },

    { ngx_string("mdm_api_origin"),
      NGX_MDM_ANY_CONF|NGX_CONF_1MORE,
      ngx_mdm_api_origin,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_auth"),
      NGX_MDM_ANY_CONF|NGX_CONF_FLAG,
      ngx_mdm_auth_flag,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, auth),
      NULL },

    { ngx_string("mdm_auth_request"),
      NGX_MDM_HANDLER_CONF|NGX_CONF_FLAG,
      ngx_mdm_handler_flag,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, auth_request),
      NULL },

    { ngx_string("mdm_certificate"),
      NGX_MDM_ANY_CONF|NGX_CONF_1MORE,
      ngx_mdm_identity_certificate,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_trusted_certificate"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_identity_trusted_certificate,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_crl"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_identity_crl,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_trusted_proxy"),
      NGX_MDM_ANY_CONF|NGX_CONF_1MORE,
      ngx_mdm_identity_trusted_proxy,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_validate"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.validate),
      &ngx_mdm_validate_modes },

    { ngx_string("mdm_reenroll"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.reenroll),
      &ngx_mdm_reenroll_modes },

    { ngx_string("mdm_user_authenticate"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.user_authenticate),
      &ngx_mdm_user_authenticate_modes },

    { ngx_string("mdm_release"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.release),
      &ngx_mdm_release_modes },

    { ngx_string("mdm_threads"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_threads,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_queue_limit"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.queue_limit),
      &ngx_mdm_positive },

    { ngx_string("mdm_result_ttl"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_conf_sec,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.result_ttl),
      &ngx_mdm_positive },

    { ngx_string("mdm_result_bytes"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.result_bytes),
      NULL },

    { ngx_string("mdm_challenge_ttl"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_conf_sec,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.challenge_ttl),
      &ngx_mdm_challenge_ttl },

    { ngx_string("mdm_challenge_limit"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.challenge_limit),
      &ngx_mdm_challenge_limit },

    { ngx_string("mdm_renew_grace"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_mdm_conf_sec,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.renew_grace),
      &ngx_mdm_renew_grace },

    { ngx_string("mdm_event_limit"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.event_limit),
      NULL },

    { ngx_string("mdm_event_payload"),
      NGX_MDM_ANY_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.event_payload),
      NULL },

    { ngx_string("mdm_audit_reads"),
      NGX_MDM_ANY_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.audit_reads),
      NULL },

    { ngx_string("mdm_keep_certificate"),
      NGX_MDM_ANY_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.keep_certificate),
      NULL },

    { ngx_string("mdm_withhold_secrets"),
      NGX_MDM_ANY_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.withhold_secrets),
      NULL },

    { ngx_string("mdm_ddm_withhold"),
      NGX_MDM_ANY_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.ddm_withhold),
      NULL },

    { ngx_string("mdm_api_ids"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.api_ids),
      &ngx_mdm_positive },

    { ngx_string("mdm_api_body"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, api_body),
      &ngx_mdm_positive },

    { ngx_string("mdm_status_reports"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.status_reports),
      &ngx_mdm_status_reports },

    { ngx_string("mdm_status_errors"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.status_errors),
      &ngx_mdm_status_errors },

    { ngx_string("mdm_status_index"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_mdm_status_index,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_plist_depth"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.plist_depth),
      &ngx_mdm_plist_depth },

    { ngx_string("mdm_plist_nodes"),
      NGX_MDM_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_mdm_loc_conf_t, settings.plist_nodes),
      &ngx_mdm_positive },

    { ngx_string("mdm_push"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_FLAG,
      ngx_mdm_apns_flag,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_mdm_apns_conf_t, on),
      NULL },

    { ngx_string("mdm_push_server"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_mdm_apns_server,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_push_trusted_certificate"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_mdm_apns_trusted_certificate,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_push_certificate"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE123,
      ngx_mdm_apns_certificate,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_push_plain"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_FLAG,
      ngx_mdm_apns_plain,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_mdm_apns_conf_t, plain),
      NULL },

    { ngx_string("mdm_push_proxy"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_mdm_apns_proxy,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_push_wait"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_mdm_apns_msec,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_mdm_apns_conf_t, wait),
      &ngx_mdm_positive },

    { ngx_string("mdm_push_ping"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_mdm_apns_msec,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_mdm_apns_conf_t, ping),
      &ngx_mdm_positive },

    { ngx_string("mdm_push_expiration"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_mdm_push_sec,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_mdm_push_conf_t, expiration),
      NULL },

    { ngx_string("mdm_push_retry"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_mdm_push_retry,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_push_window"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_mdm_push_msec,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_mdm_push_conf_t, window),
      &ngx_mdm_positive },

    { ngx_string("mdm_push_rate"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_mdm_push_rate,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_push_ids"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_mdm_push_num,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_mdm_push_conf_t, ids),
      &ngx_mdm_push_ids },

    { ngx_string("mdm_http_client"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_NOARGS,
      ngx_mdm_http_client,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_webhook"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_mdm_hook_webhook,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_event_group"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_mdm_hook_group,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_event_hold"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_mdm_hook_sec,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mdm_declaration_cache"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_mdm_main_conf_t, cache_size),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_mdm_module_ctx = {
    ngx_mdm_add_variables,         /* preconfiguration */
    ngx_mdm_init,                  /* postconfiguration */

    ngx_mdm_create_main_conf,      /* create main configuration */
    ngx_mdm_init_main_conf,        /* init main configuration */

    NULL,                          /* create server configuration */
    NULL,                          /* merge server configuration */

    ngx_mdm_create_loc_conf,       /* create location configuration */
    ngx_mdm_merge_loc_conf         /* merge location configuration */
};


ngx_module_t  ngx_mdm_module = {
    NGX_MODULE_V1,
    &ngx_mdm_module_ctx,           /* module context */
    ngx_mdm_commands,              /* module directives */
    NGX_HTTP_MODULE,               /* module type */
    NULL,                          /* init master */
    ngx_mdm_work_init_module,      /* init module */
    ngx_mdm_init_process,          /* init process */
    NULL,                          /* init thread */
    NULL,                          /* exit thread */
    ngx_mdm_exit_process,          /* exit process */
    NULL,                          /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_mdm_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_mdm_main_conf_t        *mmcf;
    ngx_http_core_main_conf_t  *cmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_mdm_module);

    if (ngx_mdm_store_resolve(cf, &mmcf->stores) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_mdm_apns_init(cf, mmcf->apns) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_mdm_http_init(cf, mmcf->http) != NGX_OK
        || ngx_mdm_hook_init(cf, mmcf->hooks) != NGX_OK
        || ngx_mdm_conf_jobs(cf, mmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_mdm_access_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_mdm_origin_handler;

    if (ngx_mdm_metrics_init(cf, mmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (mmcf->metrics != NULL) {

        h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = ngx_mdm_log_metrics;
    }

    return ngx_mdm_log_init(cf);
}


static ngx_int_t
ngx_mdm_init_process(ngx_cycle_t *cycle)
{
    ngx_mdm_main_conf_t  *mmcf;

    mmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_mdm_module);

    if (mmcf == NULL) {
        return NGX_OK;
    }

    ngx_mdm_count_init_process(mmcf->metrics);

    if (mmcf->stores.nelts == 0) {
        return NGX_OK;
    }

    if (mmcf->cache_size != 0) {

        ngx_mdm_cache = mdm_cache_create(mmcf->cache_size);
        if (ngx_mdm_cache == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_mdm_ca_init_process(cycle, &mmcf->cas) != NGX_OK
        || ngx_mdm_enrollment_init_process(cycle, &mmcf->enrollments)
           != NGX_OK
        || ngx_mdm_redis_init_process(cycle, &mmcf->stores) != NGX_OK
        || ngx_mdm_apns_init_process(cycle, mmcf->apns) != NGX_OK
        || ngx_mdm_push_init_process(cycle, mmcf->apns) != NGX_OK
        || ngx_mdm_http_init_process(cycle, mmcf->http) != NGX_OK
        || ngx_mdm_metrics_init_process(mmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_mdm_hook_init_process(cycle, mmcf->hooks) != NGX_OK
        || ngx_mdm_hook_once_init_process(cycle, mmcf->hooks) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_mdm_job_init_process(cycle, &mmcf->stores);
}


static void
ngx_mdm_exit_process(ngx_cycle_t *cycle)
{
    ngx_mdm_log_exit_process(cycle);
    ngx_mdm_metrics_exit_process();
    ngx_mdm_job_exit_process(cycle);
    ngx_mdm_hook_exit_process();
    ngx_mdm_hook_once_exit_process();
    ngx_mdm_push_exit_process();
    ngx_mdm_apns_exit_process();
    ngx_mdm_http_exit_process();
    ngx_mdm_redis_exit_process(cycle);

    mdm_cache_destroy(ngx_mdm_cache);
    ngx_mdm_cache = NULL;

    ngx_mdm_count_exit_process();

    if (!MDM_RECYCLE) {
        ngx_mdm_work_ended();
    }
}


static char *
ngx_mdm_check_positive(ngx_conf_t *cf, void *post, void *data)
{
    ngx_int_t *np = data;

    if (*np <= 0) {
        return "must be above 0";
    }

    return NGX_CONF_OK;
}
