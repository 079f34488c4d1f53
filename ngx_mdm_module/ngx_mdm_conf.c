
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The configuration: created, merged, and what directives set in it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_plist.h"
#include "ngx_mdm_apns.h"
#include "ngx_mdm_ca.h"
#include "ngx_mdm_conf.h"
#include "ngx_mdm_enrollment.h"
#include "ngx_mdm_hook.h"
#include "ngx_mdm_http.h"
#include "ngx_mdm_module.h"
#include "ngx_mdm_push_conf.h"


#define NGX_MDM_QUEUE_LIMIT   1000
#define NGX_MDM_EVENT_LIMIT   1000
#define NGX_MDM_EVENT_LIMIT_HOOK  10000    /* where somebody is to get all */
#define NGX_MDM_API_IDS       10000
#define NGX_MDM_API_BODY      (16 * 1024 * 1024)
#define NGX_MDM_REPORTS       2
#define NGX_MDM_ERRORS        100
#define NGX_MDM_CHALLENGE_TTL    (60 * 60)
#define NGX_MDM_CHALLENGE_LIMIT  100000
#define NGX_MDM_RENEW_GRACE      (60 * 60)
#define NGX_MDM_RESULT_TTL    (7 * 24 * 60 * 60)
#define NGX_MDM_RESULT_BYTES  (64 * 1024 * 1024)
#define NGX_MDM_CACHE_SIZE    (8 * 1024 * 1024)


/*
 * A number, a flag or one of several values in the configuration of a
 * location, as wide as ngx_uint_t; what it is where nothing says so.
 */

typedef struct {
    size_t                    offset;      /* in ngx_mdm_loc_conf_t */
    ngx_uint_t                initial;
} ngx_mdm_setting_t;


static void ngx_mdm_conf_push(ngx_mdm_main_conf_t *mmcf,
    mdm_settings_t *settings);
static ngx_uint_t *ngx_mdm_setting_value(ngx_mdm_loc_conf_t *conf,
    const ngx_mdm_setting_t *setting);
static void ngx_mdm_unset_settings(ngx_mdm_loc_conf_t *conf);
static void ngx_mdm_merge_settings(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf);
static void ngx_mdm_merge_handlers(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf);
static char *ngx_mdm_merge_enroll(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf);
static char *ngx_mdm_merge_store(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf);
static char *ngx_mdm_merge_threads(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf);


#define ngx_mdm_setting(name)                                                 \
    offsetof(ngx_mdm_loc_conf_t, settings.name)

static const ngx_mdm_setting_t  ngx_mdm_settings[] = {
    { ngx_mdm_setting(validate), MDM_VALIDATE_WARN },
    { ngx_mdm_setting(reenroll), MDM_REENROLL_ANY },
    { ngx_mdm_setting(user_authenticate), MDM_USER_AUTHENTICATE_REFUSE },
    { ngx_mdm_setting(release), MDM_RELEASE_SETUP },
    { ngx_mdm_setting(queue_limit), NGX_MDM_QUEUE_LIMIT },
    { ngx_mdm_setting(event_limit), NGX_MDM_EVENT_LIMIT },
    { ngx_mdm_setting(event_payload), 0 },
    { ngx_mdm_setting(audit_reads), 0 },
    { ngx_mdm_setting(keep_certificate), 1 },
    { ngx_mdm_setting(withhold_secrets), 1 },
    { ngx_mdm_setting(result_ttl), NGX_MDM_RESULT_TTL },
    { ngx_mdm_setting(result_bytes), NGX_MDM_RESULT_BYTES },
    { ngx_mdm_setting(challenge_ttl), NGX_MDM_CHALLENGE_TTL },
    { ngx_mdm_setting(challenge_limit), NGX_MDM_CHALLENGE_LIMIT },
    { ngx_mdm_setting(renew_grace), NGX_MDM_RENEW_GRACE },
    { ngx_mdm_setting(enroll_allow), MDM_ENROLL_ALLOW_LIST },
    { ngx_mdm_setting(enroll_replace), MDM_ENROLL_REPLACE_ANY },
    { ngx_mdm_setting(api_ids), NGX_MDM_API_IDS },
    { offsetof(ngx_mdm_loc_conf_t, api_body), NGX_MDM_API_BODY },
    { ngx_mdm_setting(status_reports), NGX_MDM_REPORTS },
    { ngx_mdm_setting(status_errors), NGX_MDM_ERRORS },
    { ngx_mdm_setting(ddm_withhold), 0 },
    { ngx_mdm_setting(plist_depth), MDM_PLIST_DEPTH },
    { ngx_mdm_setting(plist_nodes), MDM_PLIST_NODES }
};

#define NGX_MDM_SETTINGS                                                      \
    (sizeof(ngx_mdm_settings) / sizeof(ngx_mdm_setting_t))


void *
ngx_mdm_create_main_conf(ngx_conf_t *cf)
{
    ngx_mdm_main_conf_t  *mmcf;

    mmcf = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_main_conf_t));
    if (mmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mmcf->stores, cf->pool, 2, sizeof(ngx_mdm_store_t *))
        != NGX_OK
        || ngx_array_init(&mmcf->cas, cf->pool, 2, sizeof(ngx_mdm_ca_t *))
           != NGX_OK
        || ngx_array_init(&mmcf->enrollments, cf->pool, 2,
                          sizeof(ngx_mdm_enrollment_t *))
           != NGX_OK
        || ngx_array_init(&mmcf->said, cf->pool, 4, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NULL;
    }

    mmcf->apns = ngx_mdm_apns_create_conf(cf);
    if (mmcf->apns == NULL) {
        return NULL;
    }

    mmcf->push = ngx_mdm_push_create_conf(cf);
    if (mmcf->push == NULL) {
        return NULL;
    }

    mmcf->http = ngx_mdm_http_create_conf(cf);
    if (mmcf->http == NULL) {
        return NULL;
    }

    mmcf->hooks = ngx_mdm_hook_create_conf(cf);
    if (mmcf->hooks == NULL) {
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

    ngx_mdm_apns_init_conf(mmcf->apns);
    ngx_mdm_push_init_conf(mmcf->push);
    ngx_mdm_hook_init_conf(mmcf->hooks);

    ngx_mdm_store_index_init(&mmcf->stores, mmcf->status_index);

    return ngx_mdm_enrollment_resolve(cf, &mmcf->enrollments, &mmcf->cas);
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
     *     conf->settings.store = NULL;
     */

    ngx_mdm_identity_create_conf(&conf->identity);
    ngx_mdm_enroll_create_conf(&conf->enroll);
    ngx_mdm_way_create_conf(&conf->way);

    conf->threads = NGX_CONF_UNSET_PTR;
    conf->tenant = NGX_CONF_UNSET_PTR;
    conf->tenants = NGX_CONF_UNSET_PTR;
    conf->origins = NGX_CONF_UNSET_PTR;
    conf->checkin = NGX_CONF_UNSET;
    conf->connect = NGX_CONF_UNSET;
    conf->api = NGX_CONF_UNSET;
    conf->metrics = NGX_CONF_UNSET;
    conf->health = NGX_CONF_UNSET;
    conf->auth = NGX_CONF_UNSET;
    conf->auth_request = NGX_CONF_UNSET;

    ngx_mdm_unset_settings(conf);

    return conf;
}


char *
ngx_mdm_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_mdm_loc_conf_t *prev = parent;
    ngx_mdm_loc_conf_t *conf = child;

    char                 *rv;
    ngx_mdm_main_conf_t  *mmcf;

    ngx_mdm_merge_handlers(cf, prev, conf);

    if (conf->auth == NGX_CONF_UNSET) {
        conf->auth_place = prev->auth_place;
    }

    ngx_conf_merge_value(conf->auth, prev->auth, 0);
    ngx_conf_merge_ptr_value(conf->tenant, prev->tenant, NULL);

    if (conf->tenants == NGX_CONF_UNSET_PTR) {
        conf->tenants_place = prev->tenants_place;
    }

    ngx_conf_merge_ptr_value(conf->tenants, prev->tenants, NULL);
    ngx_conf_merge_ptr_value(conf->origins, prev->origins, NULL);

    ngx_mdm_merge_settings(cf, prev, conf);

    rv = ngx_mdm_merge_enroll(cf, prev, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_mdm_merge_store(cf, prev, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_mdm_merge_threads(cf, prev, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_mdm_identity_merge_conf(cf, &prev->identity, &conf->identity);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_mdm_conf_check(cf, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_mdm_module);

    ngx_mdm_conf_push(mmcf, &conf->settings);

    if (ngx_mdm_active(conf)) {
        rv = ngx_mdm_hook_check_conf(cf, mmcf->hooks, &conf->settings);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    /* the core's part is the first of each */

    conf->settings.cas = mmcf->cas.elts;
    conf->settings.ncas = (mdm_uint_t) mmcf->cas.nelts;
    conf->settings.enrollments = mmcf->enrollments.elts;
    conf->settings.nenrollments = (mdm_uint_t) mmcf->enrollments.nelts;

    if (conf->store != NULL) {
        conf->settings.store = &conf->store->core;
        conf->store->used |= conf->checkin || conf->connect || conf->api
                             || conf->enroll.ca != NULL
                             || conf->way.enrollment != NULL;
    }

    return NGX_CONF_OK;
}


/* http has been read */

static void
ngx_mdm_conf_push(ngx_mdm_main_conf_t *mmcf, mdm_settings_t *settings)
{
    ngx_mdm_apns_conf_t  *apns;

    apns = mmcf->apns;

    settings->push = (mdm_uint_t) apns->on;
    settings->push_wait = (mdm_uint_t) apns->wait;
    settings->push_plain = (mdm_uint_t) apns->plain;
    settings->push_files = apns->files.elts;
    settings->npush_files = apns->files.nelts;

    ngx_mdm_push_settings(mmcf->push, settings);
    ngx_mdm_hook_settings(mmcf->hooks, settings);
}


static ngx_uint_t *
ngx_mdm_setting_value(ngx_mdm_loc_conf_t *conf,
    const ngx_mdm_setting_t *setting)
{
    return (ngx_uint_t *) ((u_char *) conf + setting->offset);
}


static void
ngx_mdm_unset_settings(ngx_mdm_loc_conf_t *conf)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_MDM_SETTINGS; i++) {
        *ngx_mdm_setting_value(conf, &ngx_mdm_settings[i])
            = NGX_CONF_UNSET_UINT;
    }
}


static void
ngx_mdm_merge_settings(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf)
{
    ngx_uint_t            i, *value;
    ngx_mdm_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_mdm_module);

    if (mmcf->hooks->webhooks.nelts + mmcf->hooks->groups.nelts != 0) {
        ngx_conf_merge_uint_value(conf->settings.event_limit,
                                  prev->settings.event_limit,
                                  NGX_MDM_EVENT_LIMIT_HOOK);
    }

    for (i = 0; i < NGX_MDM_SETTINGS; i++) {
        value = ngx_mdm_setting_value(conf, &ngx_mdm_settings[i]);

        ngx_conf_merge_uint_value(*value,
                            *ngx_mdm_setting_value(prev, &ngx_mdm_settings[i]),
                            ngx_mdm_settings[i].initial);
    }
}


ngx_int_t
ngx_mdm_conf_jobs(ngx_conf_t *cf, ngx_mdm_main_conf_t *mmcf)
{
    ngx_uint_t            i;
    mdm_settings_t       *s;
    ngx_mdm_store_t     **store;
    ngx_mdm_loc_conf_t   *http, conf;

    http = ngx_http_conf_get_module_loc_conf(cf, ngx_mdm_module);

    ngx_memzero(&conf, sizeof(ngx_mdm_loc_conf_t));

    ngx_mdm_unset_settings(&conf);

    ngx_mdm_merge_settings(cf, http, &conf);

    store = mmcf->stores.elts;

    for (i = 0; i < mmcf->stores.nelts; i++) {
        s = &store[i]->settings;

        *s = conf.settings;
        s->store = &store[i]->core;
        s->enrollments = mmcf->enrollments.elts;
        s->nenrollments = (mdm_uint_t) mmcf->enrollments.nelts;

        ngx_mdm_conf_push(mmcf, s);

        if (store[i]->queue_limit != NGX_CONF_UNSET_UINT) {
            s->queue_limit = store[i]->queue_limit;
        }

        if (store[i]->event_limit != NGX_CONF_UNSET_UINT) {
            s->event_limit = store[i]->event_limit;
        }

        if (store[i]->result_ttl != NGX_CONF_UNSET_UINT) {
            s->result_ttl = store[i]->result_ttl;
        }

        if (ngx_mdm_hook_check_conf(cf, mmcf->hooks, s) != NGX_CONF_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * checkin, connect, api and the like are of the location that has them only,
 * and of the "if" and "limit_except" blocks in it: these are a part of the
 * location, but have a configuration of their own.  In an "if" the location's
 * handler stays, a "limit_except" has none, as with proxy_pass.
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
            ngx_conf_merge_value(conf->metrics, prev->metrics, 0);
            ngx_conf_merge_value(conf->health, prev->health, 0);
            ngx_conf_merge_value(conf->auth_request, prev->auth_request, 0);

            if (conf->handler.file == NULL) {
                conf->handler = prev->handler;
            }
        }
    }

    ngx_conf_init_value(conf->checkin, 0);
    ngx_conf_init_value(conf->connect, 0);
    ngx_conf_init_value(conf->api, 0);
    ngx_conf_init_value(conf->metrics, 0);
    ngx_conf_init_value(conf->health, 0);
    ngx_conf_init_value(conf->auth_request, 0);

    if (clcf->lmt_excpt && clcf->handler == NULL
        && (conf->checkin || conf->connect || conf->api || conf->metrics
            || conf->health || conf->auth_request))
    {
        clcf->handler = ngx_mdm_handler;
    }
}


/* so are "mdm_scep" and "mdm_enroll" */

static char *
ngx_mdm_merge_enroll(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf)
{
    char                      *rv;
    ngx_uint_t                 same;
    ngx_mdm_main_conf_t       *mmcf;
    ngx_http_core_loc_conf_t  *clcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_mdm_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    same = clcf->noname
           && (clcf->handler == NULL || clcf->handler == ngx_mdm_handler);

    rv = ngx_mdm_enroll_merge_conf(cf, &mmcf->cas, &prev->enroll,
                                   &conf->enroll, same);

    if (rv == NGX_CONF_OK) {
        rv = ngx_mdm_way_merge_conf(cf, &mmcf->enrollments, &prev->way,
                                    &conf->way, same);
    }

    if (rv != NGX_CONF_OK
        || (conf->enroll.ca == NULL && conf->way.enrollment == NULL))
    {
        return rv;
    }

    if (conf->enroll.ca != NULL) {
        conf->settings.scep = &conf->enroll.scep;
    }

    if (clcf->lmt_excpt && clcf->handler == NULL) {
        clcf->handler = ngx_mdm_handler;
    }

    return NGX_CONF_OK;
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
            ngx_mdm_place_log(NGX_LOG_EMERG, cf, &conf->store_place,
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
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, ngx_mdm_active_place(conf),
                          "no \"mdm_store\" is defined for \"%V\"",
                          &ngx_mdm_active_place(conf)->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* nginx makes the pool "default" by itself, where one is used */

static char *
ngx_mdm_merge_threads(ngx_conf_t *cf, ngx_mdm_loc_conf_t *prev,
    ngx_mdm_loc_conf_t *conf)
{
    if (conf->threads != NGX_CONF_UNSET_PTR) {
        return NGX_CONF_OK;
    }

    conf->threads = prev->threads;

    if (conf->threads != NGX_CONF_UNSET_PTR || !ngx_mdm_active(conf)) {
        return NGX_CONF_OK;
    }

#if (NGX_THREADS)

    conf->threads = ngx_mdm_work_threads(cf, NULL);

    return (conf->threads != NULL) ? NGX_CONF_OK : NGX_CONF_ERROR;

#else

    conf->threads = NULL;

    return NGX_CONF_OK;

#endif
}


char *
ngx_mdm_threads(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    ngx_str_t  *value;

    if (mlcf->threads != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        mlcf->threads = NULL;
        return NGX_CONF_OK;
    }

#if (NGX_THREADS)

    mlcf->threads = ngx_mdm_work_threads(cf, &value[1]);

    return (mlcf->threads != NULL) ? NGX_CONF_OK : NGX_CONF_ERROR;

#else

    return "needs an nginx that was built with threads";

#endif
}


char *
ngx_mdm_auth_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    ngx_mdm_place_set(cf, &mlcf->auth_place);

    return ngx_conf_set_flag_slot(cf, cmd, conf);
}


char *
ngx_mdm_store_named(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    ngx_mdm_place_set(cf, &mlcf->store_place);

    return ngx_conf_set_str_slot(cf, cmd, conf);
}


char *
ngx_mdm_conf_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char           *p, *last, words[NGX_MAX_CONF_ERRSTR / 2];
    ngx_str_t        *value, text;
    ngx_uint_t       *field, i;
    ngx_conf_enum_t  *e;

    field = (ngx_uint_t *) ((u_char *) conf + cmd->offset);

    if (*field != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    e = cmd->post;

    p = words;
    last = words + sizeof(words);

    for (i = 0; e[i].name.len != 0; i++) {

        if (value[1].len == e[i].name.len
            && ngx_strcasecmp(value[1].data, e[i].name.data) == 0)
        {
            *field = e[i].value;

            return NGX_CONF_OK;
        }

        p = ngx_slprintf(p, last, "%s\"%V\"",
                         (i == 0) ? ""
                                  : (e[i + 1].name.len != 0) ? ", " : " or ",
                         &e[i].name);
    }

    text.data = words;
    text.len = p - words;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive, it must be "
                       "%V", &value[1], &cmd->name, &text);

    return NGX_CONF_ERROR;
}


char *
ngx_mdm_conf_sec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t         n;
    ngx_str_t        *args;
    ngx_uint_t       *field;
    ngx_conf_post_t  *post;

    field = (ngx_uint_t *) ((u_char *) conf + cmd->offset);

    if (*field != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    args = cf->args->elts;

    n = ngx_parse_time(&args[1], 1);

    if (n == NGX_ERROR) {
        return "invalid value";
    }

    *field = (ngx_uint_t) n;

    if (cmd->post != NULL) {
        post = cmd->post;

        return post->post_handler(cf, post, field);
    }

    return NGX_CONF_OK;
}
