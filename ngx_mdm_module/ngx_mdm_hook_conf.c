
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Who gets events: mdm_webhook, mdm_event_group and mdm_event_hold.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_key.h"
#include "mdm_topic.h"
#include "ngx_mdm_hook.h"


#define NGX_MDM_HOOK_CONNECTIONS      8
#define NGX_MDM_HOOK_CONNECTIONS_MAX  1000
#define NGX_MDM_HOOK_TIMEOUT          10000
#define NGX_MDM_HOOK_TIMEOUT_MAX      600000
#define NGX_MDM_HOOK_RETRY            (24 * 60 * 60)
#define NGX_MDM_HOOK_HOLD             (3 * 24 * 60 * 60)

/* bytes of a parameter that is none, which the log shows */
#define NGX_MDM_HOOK_SHOWN            32


/* what stands behind the URL, while it is read */

typedef struct {
    ngx_conf_t               *cf;
    mdm_webhook_t            *core;
    ngx_mdm_http_client_t    *client;
    ngx_str_t                 topics;
    ngx_uint_t                given;       /* a bit of each parameter */
} ngx_mdm_hook_read_t;

/* NULL, or what is wrong, "" where the log says so already */
typedef const char *(*ngx_mdm_hook_set_pt)(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);

typedef struct {
    ngx_str_t                 name;        /* with "=" */
    ngx_mdm_hook_set_pt       set;
} ngx_mdm_hook_param_t;


static ngx_int_t ngx_mdm_hook_url(ngx_conf_t *cf, ngx_str_t *url,
    mdm_str_t *name);
static void ngx_mdm_hook_name(ngx_conf_t *cf, ngx_str_t *rest,
    mdm_str_t *name);
static ngx_int_t ngx_mdm_hook_param(ngx_mdm_hook_read_t *read,
    ngx_str_t *arg);
static ngx_uint_t ngx_mdm_hook_name_ok(ngx_str_t *name);
static const char *ngx_mdm_hook_flag(ngx_str_t *value, mdm_uint_t *flag);
static const char *ngx_mdm_hook_set_name(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_tenant(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_topics(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_from(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_payload(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_secrets(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_key(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_headers(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_connections(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_timeout(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_retry(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_trusted(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_certificate(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_certificate_key(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);
static const char *ngx_mdm_hook_set_proxy(ngx_mdm_hook_read_t *read,
    ngx_str_t *value);


static const ngx_mdm_hook_param_t  ngx_mdm_hook_params[] = {
    { ngx_string("name="), ngx_mdm_hook_set_name },
    { ngx_string("tenant="), ngx_mdm_hook_set_tenant },
    { ngx_string("topics="), ngx_mdm_hook_set_topics },
    { ngx_string("from="), ngx_mdm_hook_set_from },
    { ngx_string("payload="), ngx_mdm_hook_set_payload },
    { ngx_string("secrets="), ngx_mdm_hook_set_secrets },
    { ngx_string("hmac_key_file="), ngx_mdm_hook_set_key },
    { ngx_string("header_file="), ngx_mdm_hook_set_headers },
    { ngx_string("connections="), ngx_mdm_hook_set_connections },
    { ngx_string("timeout="), ngx_mdm_hook_set_timeout },
    { ngx_string("retry="), ngx_mdm_hook_set_retry },
    { ngx_string("trusted_certificate="), ngx_mdm_hook_set_trusted },
    { ngx_string("certificate="), ngx_mdm_hook_set_certificate },
    { ngx_string("key="), ngx_mdm_hook_set_certificate_key },
    { ngx_string("proxy="), ngx_mdm_hook_set_proxy },
    { ngx_null_string, NULL }
};


ngx_mdm_hook_conf_t *
ngx_mdm_hook_create_conf(ngx_conf_t *cf)
{
    ngx_mdm_hook_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_hook_conf_t));

    if (conf == NULL
        || ngx_array_init(&conf->webhooks, cf->pool, 4, sizeof(mdm_webhook_t))
           != NGX_OK
        || ngx_array_init(&conf->sides, cf->pool, 4,
                          sizeof(ngx_mdm_hook_side_t))
           != NGX_OK
        || ngx_array_init(&conf->groups, cf->pool, 4, sizeof(mdm_str_t))
           != NGX_OK)
    {
        return NULL;
    }

    conf->hold = NGX_CONF_UNSET_UINT;

    return conf;
}


void
ngx_mdm_hook_init_conf(ngx_mdm_hook_conf_t *conf)
{
    ngx_conf_init_uint_value(conf->hold, NGX_MDM_HOOK_HOLD);
}


ngx_int_t
ngx_mdm_hook_init(ngx_conf_t *cf, ngx_mdm_hook_conf_t *conf)
{
    ngx_uint_t            i;
    mdm_webhook_t        *webhooks;
    ngx_mdm_hook_side_t  *sides;

    webhooks = conf->webhooks.elts;
    sides = conf->sides.elts;

    for (i = 0; i < conf->sides.nelts; i++) {

        if (ngx_mdm_http_client_init(cf, sides[i].client, NULL)
            != NGX_CONF_OK)
        {
            return NGX_ERROR;
        }

        webhooks[i].client = sides[i].client;
    }

#if (NGX_THREADS)

    if (conf->sides.nelts != 0) {
        conf->threads = ngx_mdm_work_threads(cf, NULL);

        return (conf->threads != NULL) ? NGX_OK : NGX_ERROR;
    }

#endif

    return NGX_OK;
}


void
ngx_mdm_hook_settings(ngx_mdm_hook_conf_t *conf, mdm_settings_t *settings)
{
    settings->webhooks = conf->webhooks.elts;
    settings->nwebhooks = (mdm_uint_t) conf->webhooks.nelts;
    settings->event_groups = conf->groups.elts;
    settings->nevent_groups = (mdm_uint_t) conf->groups.nelts;
    settings->event_hold = conf->hold;
}


char *
ngx_mdm_hook_check_conf(ngx_conf_t *cf, ngx_mdm_hook_conf_t *conf,
    mdm_settings_t *settings)
{
    ngx_mdm_place_t      *place;
    ngx_mdm_hook_side_t  *sides;

    if (settings->event_limit != 0
        || conf->webhooks.nelts + conf->groups.nelts == 0)
    {
        return NGX_CONF_OK;
    }

    sides = conf->sides.elts;
    place = (conf->sides.nelts != 0) ? &sides[0].place : &conf->group_place;

    ngx_mdm_place_log(NGX_LOG_EMERG, cf, place,
                      "\"%V\" needs events, and \"mdm_event_limit\" is 0",
                      &place->name);

    return NGX_CONF_ERROR;
}


/* mdm_webhook URL [parameter=value ...] */

char *
ngx_mdm_hook_webhook(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    ngx_str_t            *value;
    ngx_uint_t            i;
    mdm_webhook_t        *core, *others;
    ngx_mdm_hook_read_t   read;
    ngx_mdm_hook_side_t  *side;

    (void) cmd;

    value = cf->args->elts;

    core = ngx_array_push(&mmcf->hooks->webhooks);
    side = ngx_array_push(&mmcf->hooks->sides);

    if (core == NULL || side == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(core, sizeof(mdm_webhook_t));
    ngx_memzero(side, sizeof(ngx_mdm_hook_side_t));
    ngx_memzero(&read, sizeof(ngx_mdm_hook_read_t));

    ngx_mdm_place_set(cf, &side->place);

    if (ngx_mdm_hook_url(cf, &value[1], &core->name) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    side->client = ngx_mdm_http_client_create(cf);
    if (side->client == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_mdm_str_copy(&core->url, &value[1]);

    mdm_str_set(&core->tenant, NGX_MDM_TENANT);
    core->payload = 1;
    core->secrets = 1;
    core->connections = NGX_MDM_HOOK_CONNECTIONS;
    core->timeout = NGX_MDM_HOOK_TIMEOUT;
    core->retry = NGX_MDM_HOOK_RETRY;

    read.cf = cf;
    read.core = core;
    read.client = side->client;
    ngx_str_set(&read.topics, MDM_TOPICS_DEFAULT);

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_mdm_hook_param(&read, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (core->topics == 0
        && ngx_mdm_hook_set_topics(&read, &read.topics) != NULL)
    {
        return NGX_CONF_ERROR;
    }

    side->client->max = core->connections;

    /* metrics call those so that have no name of their own */

    if (core->name.len == sizeof("other") - 1
        && ngx_memcmp(core->name.data, "other", sizeof("other") - 1) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a webhook cannot be named \"other\": give another "
                           "\"name\"");
        return NGX_CONF_ERROR;
    }

    others = mmcf->hooks->webhooks.elts;

    for (i = 0; &others[i] < core; i++) {

        if (mdm_str_eq(&others[i].name, &core->name)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "there is a webhook \"%V\" already: give "
                               "another \"name\"", (ngx_str_t *) &core->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* what it is not is not shown: it may hold a password */

static ngx_int_t
ngx_mdm_hook_url(ngx_conf_t *cf, ngx_str_t *url, mdm_str_t *name)
{
    u_char      *p, *end;
    ngx_str_t    rest;
    const char  *why;

    rest = *url;

    if (ngx_strncasecmp(url->data, (u_char *) "https://", 8) == 0) {
        rest.data += 8;
        rest.len -= 8;

    } else if (ngx_strncasecmp(url->data, (u_char *) "http://", 7) == 0) {
        rest.data += 7;
        rest.len -= 7;

    } else {
        why = "does not begin with \"https://\" or \"http://\"";
        goto bad;
    }

    end = rest.data + rest.len;

    for (p = rest.data; p < end; p++) {
        if (*p <= ' ' || *p >= 0x7f) {
            why = "has a blank or a byte that is to be percent-encoded";
            goto bad;
        }

        if (*p == '#') {
            why = "has a fragment";
            goto bad;
        }
    }

    for (p = rest.data; p < end && *p != '/' && *p != '?'; p++) {
        if (*p == '@') {
            why = "holds a name or password: use \"header_file\"";
            goto bad;
        }
    }

    if (p == rest.data || *rest.data == ':') {
        why = "names no host";
        goto bad;
    }

    ngx_mdm_hook_name(cf, &rest, name);

    return (name->data != NULL) ? NGX_OK : NGX_ERROR;

bad:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "the URL of \"mdm_webhook\" %s", why);

    return NGX_ERROR;
}


/* host and path, as far as it is fit for a name */

static void
ngx_mdm_hook_name(ngx_conf_t *cf, ngx_str_t *rest, mdm_str_t *name)
{
    size_t   i, len;
    u_char   c;

    len = ngx_min(rest->len, MDM_WEBHOOK_NAME_MAX);

    name->data = ngx_pnalloc(cf->pool, len);
    if (name->data == NULL) {
        return;
    }

    for (i = 0; i < len && rest->data[i] != '?'; i++) {
        c = rest->data[i];

        name->data[i] = ((c >= '0' && c <= '9')
                         || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
                         || c == '.' || c == '_')
                        ? c : '-';
    }

    while (i > 1 && name->data[i - 1] == '-') {
        i--;
    }

    name->len = i;
}


static ngx_int_t
ngx_mdm_hook_param(ngx_mdm_hook_read_t *read, ngx_str_t *arg)
{
    u_char                      *equals;
    ngx_str_t                    value;
    ngx_uint_t                   i;
    const char                  *why;
    const ngx_mdm_hook_param_t  *param;

    for (i = 0; ngx_mdm_hook_params[i].set != NULL; i++) {
        param = &ngx_mdm_hook_params[i];

        if (ngx_strncmp(arg->data, param->name.data, param->name.len) != 0) {
            continue;
        }

        value.data = arg->data + param->name.len;
        value.len = arg->len - param->name.len;

        if (read->given & (1U << i)) {
            why = "is duplicate";

        } else if (value.len == 0) {
            why = "is empty";

        } else {
            why = param->set(read, &value);
        }

        read->given |= 1U << i;

        if (why == NULL) {
            return NGX_OK;
        }

        if (*why != '\0') {
            ngx_conf_log_error(NGX_LOG_EMERG, read->cf, 0,
                               "\"%*s\" of \"mdm_webhook\" %s",
                               param->name.len - 1, param->name.data, why);
        }

        return NGX_ERROR;
    }

    /* the value may be a secret that is to stand in a file */

    value = *arg;
    equals = ngx_strlchr(arg->data, arg->data + arg->len, '=');

    if (equals != NULL) {
        value.len = equals - arg->data;
    }

    value.len = ngx_min(value.len, NGX_MDM_HOOK_SHOWN);

    ngx_conf_log_error(NGX_LOG_EMERG, read->cf, 0,
                       "invalid parameter \"%V\"", &value);

    return NGX_ERROR;
}


static ngx_uint_t
ngx_mdm_hook_name_ok(ngx_str_t *name)
{
    return name->len <= MDM_WEBHOOK_NAME_MAX
           && mdm_tenant_check((mdm_str_t *) name) == MDM_OK;
}


static const char *
ngx_mdm_hook_flag(ngx_str_t *value, mdm_uint_t *flag)
{
    *flag = (ngx_strcmp(value->data, "on") == 0);

    return (*flag || ngx_strcmp(value->data, "off") == 0)
           ? NULL : "must be \"on\" or \"off\"";
}


static const char *
ngx_mdm_hook_set_name(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    ngx_mdm_str_copy(&read->core->name, value);

    return ngx_mdm_hook_name_ok(value)
           ? NULL : "must be 1 to 64 letters, digits, \"-\", \".\" or \"_\"";
}


static const char *
ngx_mdm_hook_set_tenant(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    if (ngx_strcmp(value->data, "*") == 0) {
        ngx_str_null(&read->core->tenant);
        return NULL;
    }

    ngx_mdm_str_copy(&read->core->tenant, value);

    return (mdm_tenant_check(&read->core->tenant) == MDM_OK)
           ? NULL : "must be \"*\", or 1 to 64 letters, digits, \"-\", \".\" "
                    "or \"_\"";
}


static const char *
ngx_mdm_hook_set_topics(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    mdm_str_t  bad;

    if (mdm_topics_read((mdm_str_t *) value, &read->core->topics, &bad)
        != MDM_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, read->cf, 0,
                           "unknown topic \"%V\" in \"mdm_webhook\"",
                           (ngx_str_t *) &bad);
        return "";
    }

    return NULL;
}


static const char *
ngx_mdm_hook_set_from(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    read->core->all = (ngx_strcmp(value->data, "all") == 0);

    return (read->core->all || ngx_strcmp(value->data, "new") == 0)
           ? NULL : "must be \"new\" or \"all\"";
}


static const char *
ngx_mdm_hook_set_payload(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    return ngx_mdm_hook_flag(value, &read->core->payload);
}


static const char *
ngx_mdm_hook_set_secrets(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    return ngx_mdm_hook_flag(value, &read->core->secrets);
}


static const char *
ngx_mdm_hook_set_key(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    return (ngx_mdm_hook_key_file(read->cf, value, &read->core->hmac)
            == NGX_OK)
           ? NULL : "";
}


static const char *
ngx_mdm_hook_set_headers(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    return (ngx_mdm_hook_header_file(read->cf, value, read->core) == NGX_OK)
           ? NULL : "";
}


static const char *
ngx_mdm_hook_set_connections(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n < 1 || n > NGX_MDM_HOOK_CONNECTIONS_MAX) {
        return "must be 1 to 1000";
    }

    read->core->connections = (mdm_uint_t) n;

    return NULL;
}


static const char *
ngx_mdm_hook_set_timeout(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 0);

    if (n < 1 || n > NGX_MDM_HOOK_TIMEOUT_MAX) {
        return "must be a time of 1ms to 10m";
    }

    read->core->timeout = (mdm_uint_t) n;

    return NULL;
}


static const char *
ngx_mdm_hook_set_retry(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 1);

    if (n < 1) {
        return "must be a time above 0";
    }

    read->core->retry = (mdm_uint_t) n;

    return NULL;
}


static const char *
ngx_mdm_hook_set_trusted(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    read->client->trusted_certificate = *value;

    return NULL;
}


static const char *
ngx_mdm_hook_set_certificate(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    read->client->certificate = *value;

    return NULL;
}


static const char *
ngx_mdm_hook_set_certificate_key(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    read->client->certificate_key = *value;

    return NULL;
}


static const char *
ngx_mdm_hook_set_proxy(ngx_mdm_hook_read_t *read, ngx_str_t *value)
{
    read->client->proxy = *value;

    return NULL;
}


/* mdm_event_group NAME */

char *
ngx_mdm_hook_group(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    ngx_str_t            *value;
    mdm_str_t            *group;
    ngx_uint_t            i;
    ngx_mdm_hook_conf_t  *hooks;

    (void) cmd;

    hooks = mmcf->hooks;
    value = cf->args->elts;
    group = hooks->groups.elts;

    if (!ngx_mdm_hook_name_ok(&value[1])) {
        return "must be 1 to 64 letters, digits, \"-\", \".\" or \"_\"";
    }

    for (i = 0; i < hooks->groups.nelts; i++) {

        if (mdm_str_eq(&group[i], (mdm_str_t *) &value[1])) {
            return "is duplicate";
        }
    }

    group = ngx_array_push(&hooks->groups);
    if (group == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_mdm_str_copy(group, &value[1]);

    if (hooks->group_place.file == NULL) {
        ngx_mdm_place_set(cf, &hooks->group_place);
    }

    return NGX_CONF_OK;
}


/* mdm_event_hold TIME */

char *
ngx_mdm_hook_sec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    (void) cmd;

    if (mmcf->hooks->hold != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = ngx_parse_time(&value[1], 1);

    if (n == NGX_ERROR) {
        return "invalid value";
    }

    if (n == 0) {
        return "must be above 0";
    }

    mmcf->hooks->hold = (ngx_uint_t) n;

    return NGX_CONF_OK;
}
