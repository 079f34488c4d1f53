
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The configuration: created, merged, and what directives set in it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_plist.h"
#include "ngx_mdm_conf.h"
#include "ngx_mdm_module.h"
#include "ngx_mdm_tenant.h"


#define NGX_MDM_QUEUE_LIMIT   1000
#define NGX_MDM_EVENT_LIMIT   1000
#define NGX_MDM_API_IDS       10000
#define NGX_MDM_API_BODY      (16 * 1024 * 1024)
#define NGX_MDM_REPORTS       10
#define NGX_MDM_ERRORS        100
#define NGX_MDM_STATUS_INDEX  32
#define NGX_MDM_RESULT_TTL    (7 * 24 * 60 * 60)
#define NGX_MDM_RESULT_BYTES  (64 * 1024 * 1024)
#define NGX_MDM_CACHE_SIZE    (8 * 1024 * 1024)


static void ngx_mdm_merge_handlers(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf);
static ngx_uint_t ngx_mdm_active(ngx_mdm_loc_conf_t *conf);
static char *ngx_mdm_merge_store(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf);


/* indexed unless "mdm_status_index" says otherwise */

static const mdm_str_t  ngx_mdm_status_items[] = {
    mdm_string("device.operating-system.version"),
    mdm_string("device.model.family"),
    mdm_string("device.operating-system.family")
};


void *
ngx_mdm_create_main_conf(ngx_conf_t *cf)
{
    ngx_mdm_main_conf_t  *mmcf;

    mmcf = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_main_conf_t));
    if (mmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mmcf->stores, cf->pool, 2, sizeof(ngx_mdm_store_t *))
        != NGX_OK)
    {
        return NULL;
    }

    mmcf->cache_size = NGX_CONF_UNSET_SIZE;

    return mmcf;
}


char *
ngx_mdm_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_mdm_main_conf_t  *mmcf = conf;

    ngx_conf_init_size_value(mmcf->cache_size, NGX_MDM_CACHE_SIZE);

    return NGX_CONF_OK;
}


void *
ngx_mdm_create_loc_conf(ngx_conf_t *cf)
{
    ngx_mdm_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->store = NULL;
     *     conf->store_name = { 0, NULL };
     *     conf->settings = { 0 };
     */

    ngx_mdm_identity_create_conf(&conf->identity);

    conf->tenant = NGX_CONF_UNSET_PTR;
    conf->tenants = NGX_CONF_UNSET_PTR;
    conf->origins = NGX_CONF_UNSET_PTR;
    conf->checkin = NGX_CONF_UNSET;
    conf->connect = NGX_CONF_UNSET;
    conf->api = NGX_CONF_UNSET;
    conf->auth = NGX_CONF_UNSET;
    conf->validate = NGX_CONF_UNSET_UINT;
    conf->reenroll = NGX_CONF_UNSET_UINT;
    conf->user_authenticate = NGX_CONF_UNSET_UINT;
    conf->queue_limit = NGX_CONF_UNSET_UINT;
    conf->event_limit = NGX_CONF_UNSET_UINT;
    conf->api_ids = NGX_CONF_UNSET_UINT;
    conf->api_body = NGX_CONF_UNSET_SIZE;
    conf->status_reports = NGX_CONF_UNSET_UINT;
    conf->status_errors = NGX_CONF_UNSET_UINT;
    conf->plist_depth = NGX_CONF_UNSET_UINT;
    conf->plist_nodes = NGX_CONF_UNSET_UINT;
    conf->event_payload = NGX_CONF_UNSET;
    conf->audit_reads = NGX_CONF_UNSET;
    conf->keep_certificate = NGX_CONF_UNSET;
    conf->withhold_secrets = NGX_CONF_UNSET;
    conf->result_ttl = NGX_CONF_UNSET;
    conf->result_bytes = NGX_CONF_UNSET_SIZE;

    return conf;
}


char *
ngx_mdm_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_mdm_loc_conf_t *prev = parent;
    ngx_mdm_loc_conf_t *conf = child;

    char                 *rv;
    mdm_settings_t       *s;
    ngx_mdm_main_conf_t  *mmcf;

    ngx_mdm_merge_handlers(cf, prev, conf);

    ngx_conf_merge_value(conf->auth, prev->auth, 0);
    ngx_conf_merge_ptr_value(conf->tenant, prev->tenant, NULL);
    ngx_conf_merge_ptr_value(conf->tenants, prev->tenants, NULL);
    ngx_conf_merge_ptr_value(conf->origins, prev->origins, NULL);
    ngx_conf_merge_uint_value(conf->validate, prev->validate,
                              MDM_VALIDATE_WARN);
    ngx_conf_merge_uint_value(conf->reenroll, prev->reenroll,
                              MDM_REENROLL_ANY);
    ngx_conf_merge_uint_value(conf->user_authenticate,
                              prev->user_authenticate,
                              MDM_USER_AUTHENTICATE_REFUSE);
    ngx_conf_merge_uint_value(conf->queue_limit, prev->queue_limit,
                              NGX_MDM_QUEUE_LIMIT);
    ngx_conf_merge_uint_value(conf->event_limit, prev->event_limit,
                              NGX_MDM_EVENT_LIMIT);
    ngx_conf_merge_uint_value(conf->api_ids, prev->api_ids, NGX_MDM_API_IDS);
    ngx_conf_merge_size_value(conf->api_body, prev->api_body,
                              NGX_MDM_API_BODY);
    ngx_conf_merge_uint_value(conf->status_reports, prev->status_reports,
                              NGX_MDM_REPORTS);
    ngx_conf_merge_uint_value(conf->status_errors, prev->status_errors,
                              NGX_MDM_ERRORS);
    ngx_conf_merge_uint_value(conf->plist_depth, prev->plist_depth,
                              MDM_PLIST_DEPTH);
    ngx_conf_merge_uint_value(conf->plist_nodes, prev->plist_nodes,
                              MDM_PLIST_NODES);
    ngx_conf_merge_value(conf->event_payload, prev->event_payload, 0);
    ngx_conf_merge_value(conf->audit_reads, prev->audit_reads, 0);
    ngx_conf_merge_value(conf->keep_certificate, prev->keep_certificate, 1);
    ngx_conf_merge_value(conf->withhold_secrets, prev->withhold_secrets, 1);
    ngx_conf_merge_sec_value(conf->result_ttl, prev->result_ttl,
                             NGX_MDM_RESULT_TTL);
    ngx_conf_merge_size_value(conf->result_bytes, prev->result_bytes,
                              NGX_MDM_RESULT_BYTES);

    rv = ngx_mdm_merge_store(cf, prev, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_mdm_identity_merge_conf(cf, &prev->identity, &conf->identity);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (conf->checkin || conf->connect || conf->auth) {
        rv = ngx_mdm_identity_check_conf(cf, &conf->identity);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (conf->api && (conf->checkin || conf->connect)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"mdm_api\" cannot be in one location with "
                           "\"mdm_checkin\" or \"mdm_connect\"");
        return NGX_CONF_ERROR;
    }

    if (conf->auth && (conf->checkin || conf->connect)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"mdm_auth\" has no use in one location with "
                           "\"mdm_checkin\" or \"mdm_connect\", which check "
                           "the certificate themselves");
        return NGX_CONF_ERROR;
    }

    if (ngx_mdm_active(conf)) {
        ngx_mdm_tenant_check_conf(cf, conf);
    }

    s = &conf->settings;

    s->partitions = (conf->store != NULL)
                    ? (uint32_t) conf->store->partitions : 1;
    s->secrets = (conf->store != NULL) ? conf->store->secrets : NULL;
    s->encryption_required = (conf->store != NULL)
                             ? conf->store->encryption_required : 0;
    s->validate = conf->validate;
    s->reenroll = conf->reenroll;
    s->user_authenticate = conf->user_authenticate;
    s->queue_limit = conf->queue_limit;
    s->result_ttl = (mdm_uint_t) conf->result_ttl;
    s->result_bytes = conf->result_bytes;
    s->event_limit = conf->event_limit;
    s->event_payload = conf->event_payload;
    s->audit_reads = conf->audit_reads;
    s->keep_certificate = conf->keep_certificate;
    s->withhold_secrets = conf->withhold_secrets;
    s->api_ids = conf->api_ids;
    s->status_reports = conf->status_reports;
    s->status_errors = conf->status_errors;
    s->plist_depth = conf->plist_depth;
    s->plist_nodes = conf->plist_nodes;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_mdm_module);

    if (mmcf->status_index != NULL) {
        s->status_index = mmcf->status_index->elts;
        s->nstatus_index = mmcf->status_index->nelts;

    } else {
        s->status_index = ngx_mdm_status_items;
        s->nstatus_index = sizeof(ngx_mdm_status_items) / sizeof(mdm_str_t);
    }

    /* jobs go by the settings of the API, or else of where devices come */

    if (conf->store != NULL
        && (conf->api || ((conf->checkin || conf->connect)
                          && conf->store->settings == NULL)))
    {
        conf->store->settings = s;
    }

    return NGX_CONF_OK;
}


/*
 * checkin, connect and api are of the location that has them only, and of the
 * "if" and "limit_except" blocks in it: these are a part of the location, but
 * have a configuration of their own.  In an "if" the location's handler stays,
 * a "limit_except" has none, as with proxy_pass.
 */

static void
ngx_mdm_merge_handlers(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (!clcf->noname) {
        conf->unprefixed = clcf->named;

#if (NGX_PCRE)
        conf->unprefixed |= (clcf->regex != NULL);
#endif

    } else {
        conf->unprefixed = prev->unprefixed;

        /* another module's handler may stand in the block */

        if (clcf->handler == NULL || clcf->handler == ngx_mdm_handler) {
            ngx_conf_merge_value(conf->checkin, prev->checkin, 0);
            ngx_conf_merge_value(conf->connect, prev->connect, 0);
            ngx_conf_merge_value(conf->api, prev->api, 0);
        }
    }

    ngx_conf_init_value(conf->checkin, 0);
    ngx_conf_init_value(conf->connect, 0);
    ngx_conf_init_value(conf->api, 0);

    if (clcf->lmt_excpt && clcf->handler == NULL
        && (conf->checkin || conf->connect || conf->api))
    {
        clcf->handler = ngx_mdm_handler;
    }
}


static ngx_uint_t
ngx_mdm_active(ngx_mdm_loc_conf_t *conf)
{
    return conf->checkin || conf->connect || conf->api || conf->auth;
}


/* the store that is named, or the outer one's, or the first of all */

static char *
ngx_mdm_merge_store(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf)
{
    ngx_mdm_store_t      **stores;
    ngx_mdm_main_conf_t   *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_mdm_module);

    if (conf->store_name.data != NULL) {

        conf->store = ngx_mdm_store_find(&mmcf->stores, &conf->store_name);

        if (conf->store == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "mdm store \"%V\" is not defined",
                               &conf->store_name);
            return NGX_CONF_ERROR;
        }

    } else if (prev->store_name.data != NULL) {
        conf->store = ngx_mdm_store_find(&mmcf->stores, &prev->store_name);
        conf->store_name = prev->store_name;

    } else if (mmcf->stores.nelts != 0) {
        stores = mmcf->stores.elts;
        conf->store = stores[0];
    }

    if (conf->store == NULL && ngx_mdm_active(conf)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"mdm_store\" is defined");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_mdm_handler_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                      *rv;
    ngx_flag_t                *flag;
    ngx_http_core_loc_conf_t  *clcf;

    rv = ngx_conf_set_flag_slot(cf, cmd, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    flag = (ngx_flag_t *) ((char *) conf + cmd->offset);

    if (*flag) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
        clcf->handler = ngx_mdm_handler;
    }

    return NGX_CONF_OK;
}


char *
ngx_mdm_status_index(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    u_char       c;
    size_t       k;
    ngx_str_t   *value;
    mdm_str_t   *item;
    ngx_uint_t   i, n;

    if (mmcf->status_index != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts - 1 > NGX_MDM_STATUS_INDEX) {
        return "names too many items";
    }

    mmcf->status_index = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                          sizeof(mdm_str_t));
    if (mmcf->status_index == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        for (k = 0; k < value[i].len; k++) {
            c = value[i].data[k];

            if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')
                && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
            {
                break;
            }
        }

        if (k != value[i].len || k == 0 || k > 255) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" is not the name of a status item",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        item = mmcf->status_index->elts;

        for (n = 0; n < mmcf->status_index->nelts; n++) {
            if (mdm_str_eq(&item[n], (mdm_str_t *) &value[i])) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "status item \"%V\" is named twice",
                                   &value[i]);
                return NGX_CONF_ERROR;
            }
        }

        /* there is room */

        item = ngx_array_push(mmcf->status_index);
        ngx_mdm_str_copy(item, &value[i]);
    }

    return NGX_CONF_OK;
}
