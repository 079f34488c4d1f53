
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Directives that make a location's content handler.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_ca.h"
#include "ngx_mdm_conf.h"
#include "ngx_mdm_enrollment.h"
#include "ngx_mdm_module.h"


static void ngx_mdm_handler_set(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_mdm_loc_conf_t *mlcf);


char *
ngx_mdm_handler_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    char        *rv;
    ngx_flag_t  *flag;

    rv = ngx_conf_set_flag_slot(cf, cmd, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    flag = (ngx_flag_t *) ((char *) conf + cmd->offset);

    if (*flag) {
        ngx_mdm_handler_set(cf, cmd, mlcf);
    }

    return NGX_CONF_OK;
}


char *
ngx_mdm_handler_alone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    char                      *rv;
    ngx_mdm_main_conf_t       *mmcf;
    ngx_http_core_loc_conf_t  *clcf;

    rv = ngx_conf_set_flag_slot(cf, cmd, conf);

    if (rv != NGX_CONF_OK || !*(ngx_flag_t *) ((char *) conf + cmd->offset)) {
        return rv;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != NULL && clcf->handler != ngx_mdm_handler) {
        return "cannot be in one location with another handler, such as "
               "\"proxy_pass\"";
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_mdm_module);
    mmcf->metrics_on |= (mlcf->metrics == 1);

    ngx_mdm_handler_set(cf, cmd, mlcf);

    return NGX_CONF_OK;
}


char *
ngx_mdm_handler_scep(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    char  *rv;

    rv = ngx_mdm_scep(cf, cmd, conf);

    if (rv == NGX_CONF_OK && mlcf->enroll.name.len != 0) {
        ngx_mdm_handler_set(cf, cmd, mlcf);
    }

    return rv;
}


char *
ngx_mdm_handler_way(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    char  *rv;

    rv = ngx_mdm_way(cf, cmd, conf);

    if (rv == NGX_CONF_OK && mlcf->way.name.len != 0) {
        ngx_mdm_handler_set(cf, cmd, mlcf);
    }

    return rv;
}


static void
ngx_mdm_handler_set(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_mdm_loc_conf_t *mlcf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != NULL && clcf->handler != ngx_mdm_handler) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" takes the place of another handler of "
                           "the location, such as \"proxy_pass\", which "
                           "has no effect", &cmd->name);
    }

    clcf->handler = ngx_mdm_handler;

    ngx_mdm_place_set(cf, &mlcf->handler);
}
