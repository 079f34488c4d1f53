
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What "nginx -t" says of a location of ours: what cannot be, and what can be
 * seen in nginx's own settings to be hardly meant.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_conf.h"
#include "ngx_mdm_module.h"
#include "ngx_mdm_tenant.h"


/* what the body of a device may come to, a Mac's list of applications */
#define NGX_MDM_BODY_SIZE     (16 * 1024 * 1024)


static ngx_int_t ngx_mdm_conf_check_alone(ngx_conf_t *cf,
    ngx_mdm_loc_conf_t *conf);
static void ngx_mdm_conf_check_handler(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_mdm_loc_conf_t *conf);
static void ngx_mdm_conf_check_body(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_mdm_loc_conf_t *conf);
static void ngx_mdm_conf_check_satisfy(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_mdm_loc_conf_t *conf);


char *
ngx_mdm_conf_check(ngx_conf_t *cf, ngx_mdm_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    if ((conf->metrics || conf->health)
        && ngx_mdm_conf_check_alone(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (!ngx_mdm_active(conf)) {
        return NGX_CONF_OK;
    }

    if ((conf->checkin || conf->connect || conf->auth || conf->auth_request)
        && ngx_mdm_identity_check_conf(cf, &conf->identity,
                                       ngx_mdm_active_place(conf))
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->api && (conf->checkin || conf->connect)) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->handler,
                          "\"mdm_api\" cannot be in one location with "
                          "\"mdm_checkin\" or \"mdm_connect\"");
        return NGX_CONF_ERROR;
    }

    if (conf->enroll.ca != NULL
        && (conf->checkin || conf->connect || conf->api
            || conf->auth_request))
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->handler,
                          "\"mdm_scep\" cannot be in one location with "
                          "\"mdm_checkin\", \"mdm_connect\", \"mdm_api\" "
                          "or \"mdm_auth_request\"");
        return NGX_CONF_ERROR;
    }

    if (conf->enroll.ca != NULL
        && ngx_mdm_enroll_check_conf(cf, &conf->enroll,
                                     (ngx_uint_t) conf->auth)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->way.enrollment != NULL
        && (conf->checkin || conf->connect || conf->api
            || conf->auth_request || conf->enroll.ca != NULL || conf->auth))
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->handler,
                          "\"mdm_enroll\" cannot be in one location with "
                          "\"mdm_checkin\", \"mdm_connect\", \"mdm_api\", "
                          "\"mdm_scep\", \"mdm_auth_request\" or "
                          "\"mdm_auth\"");
        return NGX_CONF_ERROR;
    }

    if (conf->way.enrollment != NULL && conf->store != NULL
        && ngx_mdm_way_check_conf(cf, &conf->way,
                                  conf->store->core.secrets != NULL)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->auth_request
        && (conf->checkin || conf->connect || conf->api || conf->auth))
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->handler,
                          "\"mdm_auth_request\" cannot be in one location with "
                          "\"mdm_checkin\", \"mdm_connect\" or \"mdm_api\", "
                          "nor with \"mdm_auth\", which asks the same");
        return NGX_CONF_ERROR;
    }

    if (conf->auth && (conf->checkin || conf->connect)) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->handler,
                          "\"mdm_auth\" has no use in one location with "
                          "\"mdm_checkin\" or \"mdm_connect\", which check "
                          "the certificate themselves");
        return NGX_CONF_ERROR;
    }

    ngx_mdm_tenant_check_conf(cf, conf);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_mdm_conf_check_handler(cf, clcf, conf);
    ngx_mdm_conf_check_body(cf, clcf, conf);
    ngx_mdm_conf_check_satisfy(cf, clcf, conf);

    return NGX_CONF_OK;
}


/* what serves no device stands alone: the other one would be without effect */

static ngx_int_t
ngx_mdm_conf_check_alone(ngx_conf_t *cf, ngx_mdm_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->checkin || conf->connect || conf->api || conf->auth_request
        || conf->enroll.ca != NULL || conf->way.enrollment != NULL
        || (conf->metrics && conf->health)
        || (clcf->handler != ngx_mdm_handler
            && !(clcf->noname && clcf->handler == NULL)))
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->handler,
                          "\"%s\" cannot be in one location with another "
                          "handler, such as \"mdm_api\" or \"proxy_pass\"",
                          conf->metrics ? "mdm_metrics" : "mdm_health");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* one that stands behind ours has taken its place */

static void
ngx_mdm_conf_check_handler(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_mdm_loc_conf_t *conf)
{
    if (conf->handler.file == NULL || clcf->handler == ngx_mdm_handler) {
        return;
    }

    /* in an "if" the location's handler stays */

    if (clcf->noname && clcf->handler == NULL) {
        return;
    }

    ngx_mdm_place_log(NGX_LOG_WARN, cf, &conf->handler,
                      "\"%V\" has no effect in location \"%V\": another "
                      "handler, such as \"proxy_pass\", has taken its place",
                      &conf->handler.name, &clcf->name);
}


/* nginx answers 413, and the device sends the same again and again */

static void
ngx_mdm_conf_check_body(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_mdm_loc_conf_t *conf)
{
    if (!conf->checkin && !conf->connect) {
        return;
    }

    /* 0: any size */

    if (clcf->client_max_body_size == 0
        || clcf->client_max_body_size >= NGX_MDM_BODY_SIZE)
    {
        return;
    }

    ngx_mdm_place_log(NGX_LOG_WARN, cf, &conf->handler,
                      "\"client_max_body_size\" is %O bytes in location "
                      "\"%V\" of \"%V\", and devices send more: 16m is good, "
                      "or they get 413 for ever",
                      clcf->client_max_body_size, &clcf->name,
                      &conf->handler.name);
}


static void
ngx_mdm_conf_check_satisfy(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_mdm_loc_conf_t *conf)
{
    if (clcf->satisfy != NGX_HTTP_SATISFY_ANY) {
        return;
    }

    if (conf->auth) {
        ngx_mdm_place_log(NGX_LOG_WARN, cf, &conf->auth_place,
                          "\"satisfy any\" in location \"%V\" of \"mdm_auth\": "
                          "who passes another check needs no certificate of a "
                          "device", &clcf->name);
    }

    if (conf->api) {
        ngx_mdm_place_log(NGX_LOG_WARN, cf, &conf->handler,
                          "\"satisfy any\" in location \"%V\" of \"mdm_api\": "
                          "the name in audit events may be one that "
                          "\"auth_basic\" has not checked", &clcf->name);
    }
}
