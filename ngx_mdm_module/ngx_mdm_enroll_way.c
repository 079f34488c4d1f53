
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The configuration of locations where devices come for a profile.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_enroll_way.h"


/* bytes of the line of x-apple-aspen-deviceinfo */
#define NGX_MDM_WAY_HEADER    16384


static char *ngx_mdm_way_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv);


static ngx_conf_bitmask_t  ngx_mdm_way_words[] = {
    { ngx_string("link"), MDM_ENROLL_LINK },
    { ngx_string("ota"), MDM_ENROLL_OTA },
    { ngx_string("ade"), MDM_ENROLL_ADE },
    { ngx_string("config"), MDM_ENROLL_CONFIG },
    { ngx_null_string, 0 }
};


void
ngx_mdm_way_create_conf(ngx_mdm_way_conf_t *conf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     conf->name = { 0, NULL };
     *     conf->enrollment = NULL;
     *     conf->ways = 0;
     *     conf->named = 0;
     */

    conf->person = NGX_CONF_UNSET_PTR;
    conf->login = NGX_CONF_UNSET_PTR;
}


char *
ngx_mdm_way_merge_conf(ngx_conf_t *cf, ngx_array_t *enrollments,
    ngx_mdm_way_conf_t *prev, ngx_mdm_way_conf_t *conf, ngx_uint_t same)
{
    mdm_enroll_block_t  *core;

    if (same && conf->name.data == NULL) {
        conf->name = prev->name;
        conf->place = prev->place;
        conf->ways = prev->ways;
    }

    if (conf->person == NGX_CONF_UNSET_PTR) {
        conf->named = prev->named;
    }

    ngx_conf_merge_ptr_value(conf->person, prev->person, NULL);

    if (conf->login == NGX_CONF_UNSET_PTR) {
        conf->login_place = prev->login_place;
    }

    ngx_conf_merge_ptr_value(conf->login, prev->login, NULL);

    if (conf->name.len == 0) {
        return NGX_CONF_OK;
    }

    conf->enrollment = ngx_mdm_enrollment_find(enrollments, &conf->name);

    if (conf->enrollment == NULL) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->place,
                          "mdm enrollment \"%V\" is not defined", &conf->name);
        return NGX_CONF_ERROR;
    }

    core = &conf->enrollment->core;

    if ((conf->ways & MDM_ENROLL_ADE) && core->apple == NULL) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->place,
                          "\"ade\" needs \"apple_ca\" in mdm enrollment "
                          "\"%V\"", &conf->name);
        return NGX_CONF_ERROR;
    }

    if ((conf->ways & MDM_ENROLL_OTA) && core->apple == NULL) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->place,
                          "\"ota\" needs \"apple_ca\" in mdm enrollment "
                          "\"%V\"", &conf->name);
        return NGX_CONF_ERROR;
    }

    if ((conf->ways & MDM_ENROLL_LINK) && core->enroll_url.len == 0
        && conf->person == NULL)
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->place,
                          "\"link\" needs \"enroll_url\" in mdm enrollment "
                          "\"%V\", or \"mdm_enroll_person\"", &conf->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_mdm_way_check_conf(ngx_conf_t *cf, ngx_mdm_way_conf_t *conf,
    ngx_uint_t sealed)
{
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;

    if (conf->enrollment == NULL) {
        return NGX_CONF_OK;
    }

    if ((conf->ways & MDM_ENROLL_OTA) && !sealed) {
        ngx_mdm_place_log(NGX_LOG_WARN, cf, &conf->place,
                          "without \"encryption_key\" in the \"mdm_store\" "
                          "who reads its Redis can make a challenge of "
                          "\"ota\", for any person");
    }

    if (!(conf->ways & MDM_ENROLL_ADE)) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    if (cscf->large_client_header_buffers.size < NGX_MDM_WAY_HEADER) {
        ngx_mdm_place_log(NGX_LOG_WARN, cf, &conf->place,
                          "\"large_client_header_buffers\" has buffers of %uz "
                          "bytes for location \"%V\" of \"mdm_enroll\": what "
                          "a device says of itself in a header may need 16k",
                          cscf->large_client_header_buffers.size, &clcf->name);
    }

    if (conf->login == NULL) {
        return NGX_CONF_OK;
    }

    if (conf->person == NULL) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->login_place,
                          "\"mdm_enroll_login\" needs \"mdm_enroll_person\": "
                          "else nobody has to log in");
        return NGX_CONF_ERROR;
    }

    if (!sealed) {
        ngx_mdm_place_log(NGX_LOG_WARN, cf, &conf->login_place,
                          "without \"encryption_key\" in the \"mdm_store\" "
                          "who reads its Redis can make a state of "
                          "\"mdm_enroll_login\", for any device");
    }

    return NGX_CONF_OK;
}


/* mdm_enroll NAME link | ota | ade | config ... ; mdm_enroll off */

char *
ngx_mdm_way(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_way_conf_t *wcf;

    ngx_str_t           *value;
    ngx_uint_t           i;
    ngx_conf_bitmask_t  *word;

    wcf = (ngx_mdm_way_conf_t *) ((u_char *) conf + cmd->offset);

    if (wcf->name.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    wcf->name = value[1];
    ngx_mdm_place_set(cf, &wcf->place);

    if (cf->args->nelts == 2) {

        if (ngx_strcmp(value[1].data, "off") != 0) {
            return "names no way: \"link\", \"ota\", \"ade\" or \"config\"";
        }

        wcf->name.len = 0;

        return NGX_CONF_OK;
    }

    if (value[1].len == 0) {
        return "has no name of a block";
    }

    for (i = 2; i < cf->args->nelts; i++) {

        for (word = ngx_mdm_way_words; word->name.len != 0; word++) {
            if (ngx_strcmp(word->name.data, value[i].data) == 0) {
                break;
            }
        }

        if (word->name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\" in \"%V\" directive, it "
                               "must be \"link\", \"ota\", \"ade\" or "
                               "\"config\"", &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        if (wcf->ways & word->mask) {
            return "names a way twice";
        }

        wcf->ways |= word->mask;
    }

    if ((wcf->ways & MDM_ENROLL_CONFIG) && wcf->ways != MDM_ENROLL_CONFIG) {
        return "has \"config\" beside others";
    }

    return NGX_CONF_OK;
}


char *
ngx_mdm_way_person(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_way_conf_t *wcf;

    ngx_str_t  *value;

    wcf = (ngx_mdm_way_conf_t *) ((u_char *) conf + cmd->offset);

    if (wcf->person != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        wcf->person = NULL;
        return NGX_CONF_OK;
    }

    if (ngx_http_script_variables_count(&value[1]) == 0) {
        return "has no variable: everybody would be the same person";
    }

    wcf->named = (ngx_strstr(value[1].data, "remote_user") != NULL);

    return ngx_mdm_way_value(cf, &value[1], &wcf->person);
}


/* mdm_enroll_login URL | off */

char *
ngx_mdm_way_login(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_way_conf_t *wcf;

    ngx_str_t  *value;

    wcf = (ngx_mdm_way_conf_t *) ((u_char *) conf + cmd->offset);

    if (wcf->login != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        wcf->login = NULL;
        return NGX_CONF_OK;
    }

    if (ngx_http_script_variables_count(&value[1]) == 0) {
        return "has no variable: nothing of the device would come back, see "
               "$mdm_enroll_state";
    }

    ngx_mdm_place_set(cf, &wcf->login_place);

    return ngx_mdm_way_value(cf, &value[1], &wcf->login);
}


static char *
ngx_mdm_way_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv)
{
    ngx_http_compile_complex_value_t  ccv;

    *cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = *cv;

    return (ngx_http_compile_complex_value(&ccv) == NGX_OK) ? NGX_CONF_OK
                                                            : NGX_CONF_ERROR;
}
