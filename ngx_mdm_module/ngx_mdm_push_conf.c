
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * When and how often is pushed, as it is configured on the level of http.
 */


#include "ngx_mdm_push_conf.h"


#define NGX_MDM_PUSH_EXPIRATION  (7 * 24 * 60 * 60)
#define NGX_MDM_PUSH_WINDOW      10000
#define NGX_MDM_PUSH_IDS         100
#define NGX_MDM_PUSH_RATE        1000
#define NGX_MDM_PUSH_RATE_MAX    1000000


static ngx_uint_t  ngx_mdm_push_retries[] = {
    2 * 60, 15 * 60, 2 * 60 * 60, 24 * 60 * 60
};

#define NGX_MDM_PUSH_RETRIES                                                  \
    (sizeof(ngx_mdm_push_retries) / sizeof(ngx_uint_t))


ngx_mdm_push_conf_t *
ngx_mdm_push_create_conf(ngx_conf_t *cf)
{
    ngx_mdm_push_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_push_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->expiration = NGX_CONF_UNSET;
    conf->window = NGX_CONF_UNSET_MSEC;
    conf->ids = NGX_CONF_UNSET_UINT;

    return conf;
}


void
ngx_mdm_push_init_conf(ngx_mdm_push_conf_t *conf)
{
    ngx_conf_init_value(conf->expiration, NGX_MDM_PUSH_EXPIRATION);
    ngx_conf_init_msec_value(conf->window, NGX_MDM_PUSH_WINDOW);
    ngx_conf_init_uint_value(conf->ids, NGX_MDM_PUSH_IDS);

    if (conf->rate == 0) {
        conf->rate = NGX_MDM_PUSH_RATE;
        conf->burst = 2 * NGX_MDM_PUSH_RATE;
    }

    if (conf->nretry == 0) {
        ngx_memcpy(conf->retry, ngx_mdm_push_retries,
                   sizeof(ngx_mdm_push_retries));
        conf->nretry = NGX_MDM_PUSH_RETRIES;
    }
}


void
ngx_mdm_push_settings(ngx_mdm_push_conf_t *conf, mdm_settings_t *settings)
{
    ngx_uint_t  i;

    settings->push_expiration = (mdm_uint_t) conf->expiration;
    settings->push_window = (mdm_uint_t) conf->window;
    settings->push_ids = conf->ids;
    settings->push_rate = conf->rate;
    settings->push_burst = conf->burst;
    settings->npush_retry = conf->nretry;

    for (i = 0; i < conf->nretry; i++) {
        settings->push_retry[i] = conf->retry[i];
    }
}


char *
ngx_mdm_push_sec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    return ngx_conf_set_sec_slot(cf, cmd, mmcf->push);
}


char *
ngx_mdm_push_msec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    return ngx_conf_set_msec_slot(cf, cmd, mmcf->push);
}


char *
ngx_mdm_push_num(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    return ngx_conf_set_num_slot(cf, cmd, mmcf->push);
}


/* mdm_push_retry time ...: each as long as the one before it, or longer */

char *
ngx_mdm_push_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    time_t                seconds;
    ngx_str_t            *value;
    ngx_uint_t            i;
    ngx_mdm_push_conf_t  *push;

    (void) cmd;

    push = mmcf->push;

    if (push->nretry != 0) {
        return "is duplicate";
    }

    if (cf->args->nelts - 1 > MDM_PUSH_RETRIES) {
        return "has more than 8 times";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        seconds = ngx_parse_time(&value[i], 1);

        if (seconds == (time_t) NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid time \"%V\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        if (seconds == 0) {
            return "must be above 0";
        }

        if (i > 1 && (ngx_uint_t) seconds < push->retry[i - 2]) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" is shorter than the time before it",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        push->retry[i - 1] = (ngx_uint_t) seconds;
    }

    push->nretry = cf->args->nelts - 1;

    return NGX_CONF_OK;
}


/* mdm_push_rate NUMBERr/s [burst=NUMBER] */

char *
ngx_mdm_push_rate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    ngx_int_t             rate, burst;
    ngx_str_t            *value;
    ngx_mdm_push_conf_t  *push;

    (void) cmd;

    push = mmcf->push;

    if (push->rate != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;
    rate = NGX_ERROR;

    if (value[1].len > 3
        && ngx_strcmp(value[1].data + value[1].len - 3, "r/s") == 0)
    {
        rate = ngx_atoi(value[1].data, value[1].len - 3);
    }

    if (rate <= 0 || rate > NGX_MDM_PUSH_RATE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid rate \"%V\", it is \"1r/s\" to "
                           "\"%dr/s\"", &value[1], NGX_MDM_PUSH_RATE_MAX);
        return NGX_CONF_ERROR;
    }

    burst = 2 * rate;

    if (cf->args->nelts == 3) {

        if (ngx_strncmp(value[2].data, "burst=", 6) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        burst = ngx_atoi(value[2].data + 6, value[2].len - 6);

        if (burst <= 0 || burst > 2 * NGX_MDM_PUSH_RATE_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid burst \"%V\", it is 1 to %d",
                               &value[2], 2 * NGX_MDM_PUSH_RATE_MAX);
            return NGX_CONF_ERROR;
        }
    }

    push->rate = (ngx_uint_t) rate;
    push->burst = (ngx_uint_t) burst;

    return NGX_CONF_OK;
}
