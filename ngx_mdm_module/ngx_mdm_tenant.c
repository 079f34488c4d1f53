
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Finds the tenant that a request is for.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_key.h"
#include "ngx_mdm_module.h"
#include "ngx_mdm_tenant.h"


static ngx_uint_t ngx_mdm_tenant_known(ngx_array_t *tenants, ngx_str_t *name);
static int ngx_libc_cdecl ngx_mdm_tenant_cmp(const void *one,
    const void *two);


ngx_int_t
ngx_mdm_tenant_find(ngx_mdm_ctx_t *ctx)
{
    ngx_str_t            tenant;
    mdm_exchange_t      *x;
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_mdm_module);

    x = ctx->exchange;

    ngx_str_set(&tenant, NGX_MDM_TENANT);

    if (mlcf->tenant != NULL
        && ngx_http_complex_value(ctx->request, mlcf->tenant, &tenant)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (mdm_tenant_check((mdm_str_t *) &tenant) != MDM_OK) {
        (void) mdm_exchange_refuse(x, NGX_HTTP_BAD_REQUEST,
                                   "mdm_tenant \"%.*s\" is not 1 to 64 "
                                   "letters, digits, \"-\", \".\" or \"_\"",
                                   mdm_fmt(&tenant));
        ctx->done = 1;

        return NGX_OK;
    }

    if (!ngx_mdm_tenant_known(mlcf->tenants, &tenant)) {
        (void) mdm_exchange_refuse(x, (x->kind == MDM_KIND_API)
                                      ? NGX_HTTP_NOT_FOUND
                                      : NGX_HTTP_FORBIDDEN,
                                   "there is no tenant \"%.*s\"",
                                   mdm_fmt(&tenant));
        ctx->done = 1;

        return NGX_OK;
    }

    ngx_mdm_str_copy(&x->tenant, &tenant);

    return NGX_OK;
}


/* the names are sorted; NULL: any */

static ngx_uint_t
ngx_mdm_tenant_known(ngx_array_t *tenants, ngx_str_t *name)
{
    return tenants == NULL
           || bsearch(name, tenants->elts, tenants->nelts, sizeof(ngx_str_t),
                      ngx_mdm_tenant_cmp)
              != NULL;
}


static int ngx_libc_cdecl
ngx_mdm_tenant_cmp(const void *one, const void *two)
{
    const ngx_str_t *a = one;
    const ngx_str_t *b = two;

    return (int) ngx_memn2cmp(a->data, b->data, a->len, b->len);
}


char *
ngx_mdm_tenant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (mlcf->tenant != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_script_variables_count(&value[1]) == 0
        && mdm_tenant_check((mdm_str_t *) &value[1]) != MDM_OK)
    {
        return "must be 1 to 64 letters, digits, \"-\", \".\" or \"_\"";
    }

    mlcf->tenant = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (mlcf->tenant == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = mlcf->tenant;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_mdm_tenants(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    ngx_str_t   *value, *name;
    ngx_uint_t   i;

    if (mlcf->tenants != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "any") == 0) {
        mlcf->tenants = NULL;
        return NGX_CONF_OK;
    }

    ngx_mdm_place_set(cf, &mlcf->tenants_place);

    mlcf->tenants = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                     sizeof(ngx_str_t));
    if (mlcf->tenants == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (mdm_tenant_check((mdm_str_t *) &value[i]) != MDM_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "tenant \"%V\" must be 1 to 64 letters, "
                               "digits, \"-\", \".\" or \"_\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (ngx_strcmp(value[i].data, "any") == 0) {
            return "has \"any\" beside names";
        }

        name = ngx_array_push(mlcf->tenants);
        *name = value[i];
    }

    ngx_qsort(mlcf->tenants->elts, mlcf->tenants->nelts, sizeof(ngx_str_t),
              ngx_mdm_tenant_cmp);

    name = mlcf->tenants->elts;

    for (i = 1; i < mlcf->tenants->nelts; i++) {
        if (ngx_mdm_tenant_cmp(&name[i - 1], &name[i]) == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "tenant \"%V\" is named twice", &name[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


void
ngx_mdm_tenant_check_conf(ngx_conf_t *cf, ngx_mdm_loc_conf_t *conf)
{
    ngx_str_t  tenant;

    ngx_str_set(&tenant, NGX_MDM_TENANT);

    if (conf->tenant != NULL) {
        if (conf->tenant->lengths != NULL) {
            return;
        }

        tenant = conf->tenant->value;
    }

    if (!ngx_mdm_tenant_known(conf->tenants, &tenant)) {
        ngx_mdm_place_log(NGX_LOG_WARN, cf, &conf->tenants_place,
                          "\"mdm_tenant %V\" is none of \"mdm_tenants\": "
                          "every request will be refused", &tenant);
    }
}
