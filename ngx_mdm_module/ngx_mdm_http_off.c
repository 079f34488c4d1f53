
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * In the place of all other ngx_mdm_http*.c where the module is built without
 * libcurl: nothing can be configured, so nobody is called.
 */


#include "ngx_mdm_http.h"


static void ngx_mdm_http_off(ngx_conf_t *cf);


ngx_int_t
ngx_mdm_http_call(mdm_call_t *call, ngx_mdm_http_handler_pt handler,
    void *data, ngx_mdm_http_op_t **op)
{
    (void) handler;
    (void) data;

    *op = NULL;

    call->rc = MDM_CALL_OK;
    call->http->outcome = MDM_HTTP_OFF;

    mdm_str_set(&call->http->reason, "this module was built without HTTP");

    return NGX_DONE;
}


void
ngx_mdm_http_abandon(ngx_mdm_http_op_t *op)
{
    (void) op;
}


ngx_int_t
ngx_mdm_http_init_process(ngx_cycle_t *cycle, ngx_mdm_http_conf_t *conf)
{
    (void) cycle;
    (void) conf;

    return NGX_OK;
}


void
ngx_mdm_http_exit_process(void)
{
}


ngx_mdm_http_conf_t *
ngx_mdm_http_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_mdm_http_conf_t));
}


ngx_mdm_http_client_t *
ngx_mdm_http_client_create(ngx_conf_t *cf)
{
    ngx_mdm_http_off(cf);

    return NULL;
}


char *
ngx_mdm_http_client_init(ngx_conf_t *cf, ngx_mdm_http_client_t *client,
    ngx_mdm_http_client_t *parent)
{
    (void) cf;
    (void) client;
    (void) parent;

    return NGX_CONF_ERROR;
}


ngx_mdm_http_client_t *
ngx_mdm_http_client_default(ngx_conf_t *cf)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "HTTP requests need libcurl, without which this "
                  "ngx_mdm_module was built (NGX_MDM_HTTP=NO)");

    return NULL;
}


ngx_int_t
ngx_mdm_http_init(ngx_conf_t *cf, ngx_mdm_http_conf_t *conf)
{
    (void) cf;
    (void) conf;

    return NGX_OK;
}


char *
ngx_mdm_http_client(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    (void) cmd;
    (void) conf;

    ngx_mdm_http_off(cf);

    return NGX_CONF_ERROR;
}


static void
ngx_mdm_http_off(ngx_conf_t *cf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" needs libcurl, without which this "
                       "ngx_mdm_module was built (NGX_MDM_HTTP=NO)",
                       &value[0]);
}
