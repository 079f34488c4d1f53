
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The configuration of locations where devices come for a certificate.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_enroll.h"
#include "ngx_mdm_file.h"


#define NGX_MDM_SCEP_SHA1     0x01
#define NGX_MDM_SCEP_DES3     0x02
#define NGX_MDM_SCEP_DES      0x04
#define NGX_MDM_SCEP_NO       0x08         /* "off" */

#define NGX_MDM_SCEP_LEGACY   (NGX_MDM_SCEP_SHA1|NGX_MDM_SCEP_DES3)

/* bytes of a static challenge, and of the line of a GET */
#define NGX_MDM_SCEP_SECRET   MDM_CA_CHALLENGE
#define NGX_MDM_SCEP_HEADER   16384

/* lists that "allow" and "deny" fill: of IPv4, IPv6 and Unix sockets */
#if (NGX_HAVE_INET6 && NGX_HAVE_UNIX_DOMAIN)
#define NGX_MDM_SCEP_RULES    3
#else
#define NGX_MDM_SCEP_RULES    1
#endif


static char *ngx_mdm_enroll_prepare(ngx_conf_t *cf,
    ngx_mdm_enroll_conf_t *conf);
static ngx_uint_t ngx_mdm_enroll_access(void **loc_conf);
static ngx_uint_t ngx_mdm_enroll_denies(const ngx_array_t *rules);
static ngx_uint_t ngx_mdm_enroll_asks(void **loc_conf);
static void **ngx_mdm_enroll_private(void **loc_conf, ngx_module_t *module);
static void ngx_mdm_enroll_des_free(void *data);
static void ngx_mdm_enroll_arena_free(void *data);
static void ngx_mdm_enroll_wipe(void *data);


/* which of these nginx was built with, is not known */

extern ngx_module_t  ngx_http_access_module __attribute__((weak));
extern ngx_module_t  ngx_http_auth_basic_module __attribute__((weak));
extern ngx_module_t  ngx_http_auth_request_module __attribute__((weak));


static ngx_conf_bitmask_t  ngx_mdm_scep_words[] = {
    { ngx_string("sha1"), NGX_MDM_SCEP_SHA1 },
    { ngx_string("des3"), NGX_MDM_SCEP_DES3 },
    { ngx_string("des"), NGX_MDM_SCEP_DES },
    { ngx_string("off"), NGX_MDM_SCEP_NO },
    { ngx_null_string, 0 }
};


void
ngx_mdm_enroll_create_conf(ngx_mdm_enroll_conf_t *conf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     conf->name = { 0, NULL };
     *     conf->ca = NULL;
     *     conf->legacy = 0;
     *     conf->des = NULL;
     *     conf->secret = { 0, NULL };
     */

    conf->challenge = NGX_CONF_UNSET_UINT;
}


char *
ngx_mdm_enroll_merge_conf(ngx_conf_t *cf, ngx_array_t *cas,
    ngx_mdm_enroll_conf_t *prev, ngx_mdm_enroll_conf_t *conf, ngx_uint_t same)
{
    if (same && conf->name.data == NULL) {
        conf->name = prev->name;
        conf->place = prev->place;
    }

    if (conf->legacy == 0) {
        conf->legacy = (prev->legacy != 0) ? prev->legacy
                                           : NGX_MDM_SCEP_LEGACY;
        conf->des = prev->des;
    }

    if (conf->challenge == NGX_CONF_UNSET_UINT) {
        conf->challenge_place = prev->challenge_place;
        conf->secret = prev->secret;
    }

    ngx_conf_merge_uint_value(conf->challenge, prev->challenge,
                              MDM_SCEP_CHALLENGE_ONCE);

    if (conf->name.len == 0) {
        return NGX_CONF_OK;
    }

    conf->ca = ngx_mdm_ca_find(cas, &conf->name);

    if (conf->ca == NULL) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->place,
                          "mdm ca \"%V\" is not defined", &conf->name);
        return NGX_CONF_ERROR;
    }

    if (conf->ca->core.ra == NULL
        && EVP_PKEY_get_base_id(conf->ca->core.key) != EVP_PKEY_RSA)
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->place,
                          "\"mdm_scep\" needs an \"ra_certificate\" of mdm ca "
                          "\"%V\", whose own key is not RSA", &conf->name);
        return NGX_CONF_ERROR;
    }

    return ngx_mdm_enroll_prepare(cf, conf);
}


static char *
ngx_mdm_enroll_prepare(ngx_conf_t *cf, ngx_mdm_enroll_conf_t *conf)
{
    mdm_scep_t          *scep;
    mdm_arena_t         *arena;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    arena = mdm_arena_create(4096);
    if (arena == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_mdm_enroll_arena_free;
    cln->data = arena;

    scep = &conf->scep;
    scep->ca = &conf->ca->core;
    scep->sha1 = (conf->legacy & NGX_MDM_SCEP_SHA1) != 0;
    scep->des3 = (conf->legacy & NGX_MDM_SCEP_DES3) != 0;
    scep->des = conf->des;
    scep->challenge = conf->challenge;
    ngx_mdm_str_copy(&scep->secret, &conf->secret);

    return (mdm_scep_prepare(arena, scep) == MDM_OK) ? NGX_CONF_OK
                                                     : NGX_CONF_ERROR;
}


char *
ngx_mdm_enroll_check_conf(ngx_conf_t *cf, ngx_mdm_enroll_conf_t *conf,
    ngx_uint_t guarded)
{
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->challenge == MDM_SCEP_CHALLENGE_NONE && !guarded
        && !ngx_mdm_enroll_access(((ngx_http_conf_ctx_t *) cf->ctx)->loc_conf))
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->challenge_place,
                          "\"mdm_scep_challenge none\" gives a certificate to "
                          "everybody: location \"%V\" has no \"deny\", "
                          "\"auth_basic\", \"auth_request\" or "
                          "\"mdm_auth\" that keeps anybody out",
                          &clcf->name);
        return NGX_CONF_ERROR;
    }

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    if (cscf->large_client_header_buffers.size < NGX_MDM_SCEP_HEADER) {
        ngx_mdm_place_log(NGX_LOG_WARN, cf, &conf->place,
                          "\"large_client_header_buffers\" has buffers of %uz "
                          "bytes for location \"%V\" of \"mdm_scep\": a "
                          "message in a GET may need 16k",
                          cscf->large_client_header_buffers.size, &clcf->name);
    }

    return NGX_CONF_OK;
}


/* 1 if anything of nginx's own may keep a client out: "allow" alone does not */

static ngx_uint_t
ngx_mdm_enroll_access(void **loc_conf)
{
    void        **rules;
    ngx_uint_t    i;

    /*
     * the settings of nginx's own modules are private, but begin with what is
     * NULL, or empty, if nothing is set: here arrays of rules
     */

    rules = ngx_mdm_enroll_private(loc_conf, &ngx_http_access_module);

    for (i = 0; rules != NULL && i < NGX_MDM_SCEP_RULES; i++) {

        if (ngx_mdm_enroll_denies(rules[i])) {
            return 1;
        }
    }

    return ngx_mdm_enroll_asks(loc_conf);
}


static ngx_uint_t
ngx_mdm_enroll_denies(const ngx_array_t *rules)
{
    u_char      *end;
    ngx_uint_t   i, deny;

    /* a rule of any kind ends with what is 1 for "deny" */

    for (i = 0; rules != NULL && i < rules->nelts; i++) {
        end = (u_char *) rules->elts + (i + 1) * rules->size;

        ngx_memcpy(&deny, end - sizeof(ngx_uint_t), sizeof(ngx_uint_t));

        if (deny) {
            return 1;
        }
    }

    return 0;
}


/* 1 if auth_basic or auth_request looks at whoever comes */

static ngx_uint_t
ngx_mdm_enroll_asks(void **loc_conf)
{
    void                     **field;
    ngx_http_complex_value_t  *realm;

    /* the URI stands first, and its length first in that */

    field = ngx_mdm_enroll_private(loc_conf, &ngx_http_auth_request_module);

    if (field != NULL && field[0] != NULL) {
        return 1;
    }

    /* the realm, and the file, without which nginx asks for no password */

    field = ngx_mdm_enroll_private(loc_conf, &ngx_http_auth_basic_module);

    if (field == NULL || field[0] == NULL || field[1] == NULL) {
        return 0;
    }

    /* what a realm with variables comes to, is not known before a request */

    realm = field[0];

    return realm->value.len != 3
           || ngx_strncmp(realm->value.data, "off", 3) != 0;
}


/* the settings of a module in a location; NULL: there is no such module */

static void **
ngx_mdm_enroll_private(void **loc_conf, ngx_module_t *module)
{
    return (module == NULL || module->ctx_index == NGX_MODULE_UNSET_INDEX)
           ? NULL : loc_conf[module->ctx_index];
}


ngx_uint_t
ngx_mdm_enroll_named(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* who has passed another check need not have passed that one */

    return clcf->satisfy != NGX_HTTP_SATISFY_ANY
           && ngx_mdm_enroll_asks(r->loc_conf);
}


/* mdm_scep CA | off */

char *
ngx_mdm_scep(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_enroll_conf_t *ecf;

    ngx_str_t  *value;

    ecf = (ngx_mdm_enroll_conf_t *) ((u_char *) conf + cmd->offset);

    if (ecf->name.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "has no name of a CA";
    }

    ecf->name = value[1];

    if (ngx_strcmp(value[1].data, "off") == 0) {
        ecf->name.len = 0;
    }

    ngx_mdm_place_set(cf, &ecf->place);

    return NGX_CONF_OK;
}


/* mdm_scep_legacy sha1 | des3 | des ... | off */

char *
ngx_mdm_scep_legacy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_enroll_conf_t *ecf;

    ngx_str_t           *value;
    ngx_uint_t           i, w;
    ngx_pool_cleanup_t  *cln;

    ecf = (ngx_mdm_enroll_conf_t *) ((u_char *) conf + cmd->offset);

    if (ecf->legacy != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        for (w = 0; ngx_mdm_scep_words[w].name.len != 0; w++) {
            if (ngx_strcmp(ngx_mdm_scep_words[w].name.data, value[i].data)
                == 0)
            {
                break;
            }
        }

        if (ngx_mdm_scep_words[w].name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\" in \"%V\" directive, it "
                               "must be \"sha1\", \"des3\", \"des\" or \"off\"",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        ecf->legacy |= ngx_mdm_scep_words[w].mask;
    }

    if ((ecf->legacy & NGX_MDM_SCEP_NO) && cf->args->nelts != 2) {
        return "has \"off\" beside others";
    }

    if (!(ecf->legacy & NGX_MDM_SCEP_DES)) {
        return NGX_CONF_OK;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    ecf->des = mdm_envelope_des_create();

    if (ecf->des == NULL) {
        return "needs OpenSSL's legacy provider for \"des\": on Debian 13 it "
               "is in the package openssl-provider-legacy";
    }

    cln->handler = ngx_mdm_enroll_des_free;
    cln->data = ecf->des;

    return NGX_CONF_OK;
}


/* mdm_scep_challenge once | none | static FILE */

char *
ngx_mdm_scep_challenge(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_enroll_conf_t *ecf;

    u_char              *buf;
    ssize_t              n;
    ngx_str_t           *value;
    ngx_uint_t           others;
    ngx_pool_cleanup_t  *cln;

    ecf = (ngx_mdm_enroll_conf_t *) ((u_char *) conf + cmd->offset);

    if (ecf->challenge != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    ngx_mdm_place_set(cf, &ecf->challenge_place);

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "once") == 0) {
        ecf->challenge = MDM_SCEP_CHALLENGE_ONCE;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "none") == 0) {
        ecf->challenge = MDM_SCEP_CHALLENGE_NONE;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts != 3 || ngx_strcmp(value[1].data, "static") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive, it must "
                           "be \"once\", \"none\" or \"static FILE\"",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    ecf->challenge = MDM_SCEP_CHALLENGE_STATIC;

    if (ngx_conf_full_name(cf->cycle, &value[2], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_str_t));
    buf = ngx_pcalloc(cf->pool, NGX_MDM_SCEP_SECRET + 3);

    if (cln == NULL || buf == NULL) {
        return NGX_CONF_ERROR;
    }

    n = ngx_mdm_file_read(cf, "static challenge", &value[2], buf,
                          NGX_MDM_SCEP_SECRET + 3, &others);
    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    if (others & S_IROTH) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "static challenge \"%V\" is readable by everybody",
                           &value[2]);
    }

    while (n > 0 && (buf[n - 1] == LF || buf[n - 1] == CR)) {
        n--;
    }

    if (n == 0 || n > NGX_MDM_SCEP_SECRET) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "static challenge \"%V\" must have 1 to %d bytes",
                           &value[2], NGX_MDM_SCEP_SECRET);
        return NGX_CONF_ERROR;
    }

    ecf->secret.data = buf;
    ecf->secret.len = n;

    cln->handler = ngx_mdm_enroll_wipe;
    *(ngx_str_t *) cln->data = ecf->secret;

    return NGX_CONF_OK;
}


static void
ngx_mdm_enroll_des_free(void *data)
{
    mdm_envelope_des_free(data);
}


static void
ngx_mdm_enroll_arena_free(void *data)
{
    mdm_arena_destroy(data);
}


static void
ngx_mdm_enroll_wipe(void *data)
{
    ngx_str_t *secret = data;

    OPENSSL_cleanse(secret->data, secret->len);
}
