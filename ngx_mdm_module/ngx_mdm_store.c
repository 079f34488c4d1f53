
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * nginx's parser knows a directive either with a block or without one, in
 * one context.  So the block stands in http, the reference in server and
 * location, and http's default is the store that is written first.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_block.h"
#include "ngx_mdm_store.h"


#define NGX_MDM_PARTITIONS      256
#define NGX_MDM_PARTITIONS_MAX  16384
#define NGX_MDM_PASSWORD_MAX    4096
#define NGX_MDM_REPLICAS_MAX    100

/* milliseconds; a call to a stalled redis is answered within a second */
#define NGX_MDM_TIMEOUT         900


static char *ngx_mdm_store_resolver(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_store_mode(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_store_password_file(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_store_durability(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_store_read_password(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *password);
static char *ngx_mdm_store_check(ngx_conf_t *cf, ngx_mdm_store_t *store);
static char *ngx_mdm_store_clear(ngx_conf_t *cf, ngx_mdm_store_t *store);


static ngx_mdm_block_command_t  ngx_mdm_store_commands[] = {
    { ngx_string("server"), 1, 1, ngx_mdm_store_server, 0, 0, 0 },
    { ngx_string("mode"), 1, 2, ngx_mdm_store_mode, 0, 0, 0 },
    { ngx_string("resolver"), 1, 16, ngx_mdm_store_resolver, 0, 0, 0 },
    { ngx_string("sentinel_user"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_store_t, sentinel_user), 0, 0 },
    { ngx_string("sentinel_password_file"), 1, 1, ngx_mdm_store_password_file,
      offsetof(ngx_mdm_store_t, sentinel_password_file), 0, 0 },
    { ngx_string("user"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_store_t, user), 0, 0 },
    { ngx_string("password_file"), 1, 1, ngx_mdm_store_password_file,
      offsetof(ngx_mdm_store_t, password_file), 0, 0 },
    { ngx_string("database"), 1, 1, ngx_mdm_block_number,
      offsetof(ngx_mdm_store_t, database), 0, NGX_MAX_INT32_VALUE },
    { ngx_string("connect_timeout"), 1, 1, ngx_mdm_block_msec,
      offsetof(ngx_mdm_store_t, peer.connect_timeout), 0, 0 },
    { ngx_string("timeout"), 1, 1, ngx_mdm_block_msec,
      offsetof(ngx_mdm_store_t, timeout), 0, 0 },
    { ngx_string("max_pending"), 1, 1, ngx_mdm_block_number,
      offsetof(ngx_mdm_store_t, max_pending), 1, NGX_MAX_INT32_VALUE },
    { ngx_string("partitions"), 1, 1, ngx_mdm_block_number,
      offsetof(ngx_mdm_store_t, partitions), 1, NGX_MDM_PARTITIONS_MAX },
    { ngx_string("queue_limit"), 1, 1, ngx_mdm_block_number,
      offsetof(ngx_mdm_store_t, queue_limit), 1, NGX_MAX_INT32_VALUE },
    { ngx_string("event_limit"), 1, 1, ngx_mdm_block_number,
      offsetof(ngx_mdm_store_t, event_limit), 0, NGX_MAX_INT32_VALUE },
    { ngx_string("result_ttl"), 1, 1, ngx_mdm_block_sec,
      offsetof(ngx_mdm_store_t, result_ttl), 0, 0 },
    { ngx_string("status_index"), 1, NGX_CONF_MAX_ARGS - 1,
      ngx_mdm_store_status_index, 0, 0, 0 },
    { ngx_string("store_id"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_store_t, store_id), 0, 0 },
    { ngx_string("tls"), 1, 1, ngx_mdm_block_flag,
      offsetof(ngx_mdm_store_t, tls_on), 0, 0 },
    { ngx_string("tls_trusted_certificate"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_store_t, tls.trusted_certificate), 0, 0 },
    { ngx_string("tls_certificate"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_store_t, tls.certificate), 0, 0 },
    { ngx_string("tls_certificate_key"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_store_t, tls.certificate_key), 0, 0 },
    { ngx_string("tls_name"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_store_t, tls.name), 0, 0 },
    { ngx_string("durability"), 1, 3, ngx_mdm_store_durability, 0, 0, 0 },
    { ngx_string("encryption_key"), 1, MDM_SECRET_KEYS,
      ngx_mdm_store_encryption_key, 0, 0, 0 },
    { ngx_string("encryption_required"), 1, 1, ngx_mdm_block_flag,
      offsetof(ngx_mdm_store_t, encryption_required), 0, 0 },
    ngx_mdm_block_null_command
};


/* mdm_store NAME { … } */

char *
ngx_mdm_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    char              *rv;
    ngx_str_t         *value, *name;
    ngx_mdm_store_t   *store, **p;

    (void) cmd;

    value = cf->args->elts;
    name = &value[1];

    rv = ngx_mdm_block_check_name(cf, "mdm store", name);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    store = ngx_mdm_store_find(&mmcf->stores, name);

    if (store != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm store \"%V\" is already defined in %s:%ui",
                           name, store->place.file, store->place.line);
        return NGX_CONF_ERROR;
    }

    store = ngx_pcalloc(cf->pool, sizeof(ngx_mdm_store_t));
    if (store == NULL) {
        return NGX_CONF_ERROR;
    }

    store->name = *name;
    store->index = mmcf->stores.nelts;
    ngx_mdm_place_set(cf, &store->place);
    store->mode = NGX_CONF_UNSET_UINT;
    store->database = NGX_CONF_UNSET_UINT;
    store->peer.connect_timeout = NGX_CONF_UNSET_MSEC;
    store->timeout = NGX_CONF_UNSET_MSEC;
    store->max_pending = NGX_CONF_UNSET_UINT;
    store->partitions = NGX_CONF_UNSET_UINT;
    store->tls_on = NGX_CONF_UNSET_UINT;
    store->durability = NGX_CONF_UNSET_UINT;
    store->encryption_required = NGX_CONF_UNSET_UINT;
    store->queue_limit = NGX_CONF_UNSET_UINT;
    store->event_limit = NGX_CONF_UNSET_UINT;
    store->result_ttl = NGX_CONF_UNSET_UINT;

    if (ngx_array_init(&store->servers, cf->pool, 1,
                       sizeof(ngx_mdm_store_server_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    rv = ngx_mdm_block_parse(cf, "mdm_store", ngx_mdm_store_commands, store);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_mdm_store_check(cf, store);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    p = ngx_array_push(&mmcf->stores);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = store;

    return NGX_CONF_OK;
}


ngx_mdm_store_t *
ngx_mdm_store_find(ngx_array_t *stores, ngx_str_t *name)
{
    ngx_uint_t         i;
    ngx_mdm_store_t  **store;

    store = stores->elts;

    for (i = 0; i < stores->nelts; i++) {

        if (store[i]->name.len == name->len
            && ngx_memcmp(store[i]->name.data, name->data, name->len) == 0)
        {
            return store[i];
        }
    }

    return NULL;
}


static char *
ngx_mdm_store_resolver(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_store_t *store = block;

    ngx_str_t  *value;

    (void) cmd;

    if (store->peer.resolver != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ngx_mdm_place_set(cf, &store->resolver_place);

    store->peer.resolver = ngx_resolver_create(cf, &value[1],
                                               cf->args->nelts - 1);

    return (store->peer.resolver == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;
}


static char *
ngx_mdm_store_mode(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_store_t *store = block;

    ngx_str_t  *value;

    (void) cmd;

    if (store->mode != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "single") == 0) {
        store->mode = NGX_MDM_STORE_SINGLE;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "cluster") == 0) {
        store->mode = NGX_MDM_STORE_CLUSTER;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts == 3 && ngx_strcmp(value[1].data, "sentinel") == 0
        && value[2].len != 0)
    {
        store->mode = NGX_MDM_STORE_SENTINEL;
        store->master = value[2];
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid mode \"%V\", it is \"single\", "
                       "\"sentinel MASTER\" or \"cluster\"", &value[1]);

    return NGX_CONF_ERROR;
}


static char *
ngx_mdm_store_password_file(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_store_t *store = block;

    char  *rv;

    ngx_str_t  *file;

    rv = ngx_mdm_block_text(cf, store, cmd);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    file = (ngx_str_t *) ((u_char *) store + cmd->offset);

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_mdm_store_read_password(cf, file,
                                       (file == &store->password_file)
                                       ? &store->password
                                       : &store->sentinel_password);
}


static char *
ngx_mdm_store_durability(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_store_t *store = block;

    ngx_int_t   n, time;
    ngx_str_t  *value;

    (void) cmd;

    if (store->durability != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "none") == 0) {
        store->durability = NGX_MDM_DURABILITY_NONE;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts != 4 || ngx_strcmp(value[1].data, "wait") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid durability \"%V\", it is \"none\" or "
                           "\"wait REPLICAS TIME\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    n = ngx_atoi(value[2].data, value[2].len);

    if (n == NGX_ERROR || n > NGX_MDM_REPLICAS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of replicas \"%V\" in "
                           "\"durability\", it must be from 0 to %d",
                           &value[2], NGX_MDM_REPLICAS_MAX);
        return NGX_CONF_ERROR;
    }

    time = ngx_parse_time(&value[3], 0);

    /* WAIT takes 0 for "for ever" */

    if (time == NGX_ERROR || time == 0 || time > NGX_MAX_INT32_VALUE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"durability\"",
                           &value[3]);
        return NGX_CONF_ERROR;
    }

    store->durability = NGX_MDM_DURABILITY_WAIT;
    store->wait_replicas = (ngx_uint_t) n;
    store->wait_time = (ngx_msec_t) time;

    return NGX_CONF_OK;
}


static char *
ngx_mdm_store_read_password(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *password)
{
    u_char   *buf;
    size_t    len;
    ssize_t   n;

    buf = ngx_pnalloc(cf->pool, NGX_MDM_PASSWORD_MAX + 1);
    if (buf == NULL) {
        return NGX_CONF_ERROR;
    }

    n = ngx_mdm_store_read_file(cf, "password file", name, buf,
                                NGX_MDM_PASSWORD_MAX + 1);

    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    len = (size_t) n;

    if (len > NGX_MDM_PASSWORD_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "password file \"%V\" is longer than %d bytes",
                           name, NGX_MDM_PASSWORD_MAX);
        return NGX_CONF_ERROR;
    }

    if (len != 0 && buf[len - 1] == LF) {
        len--;

        if (len != 0 && buf[len - 1] == CR) {
            len--;
        }
    }

    if (len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "password file \"%V\" is empty", name);
        return NGX_CONF_ERROR;
    }

    if (ngx_strlchr(buf, buf + len, LF) != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "password file \"%V\" has more than one line",
                           name);
        return NGX_CONF_ERROR;
    }

    password->data = buf;
    password->len = len;

    return NGX_CONF_OK;
}


/* the block has been read */

static char *
ngx_mdm_store_check(ngx_conf_t *cf, ngx_mdm_store_t *store)
{
    if (store->servers.nelts == 0) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\" has no \"server\"", &store->name);
        return NGX_CONF_ERROR;
    }

    if (store->user.len != 0 && store->password.len == 0) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\" has \"user\" but no "
                          "\"password_file\"", &store->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_mdm_store_encryption_check(cf, store) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_uint_value(store->mode, NGX_MDM_STORE_SINGLE);
    ngx_conf_init_uint_value(store->database, 0);
    ngx_conf_init_msec_value(store->peer.connect_timeout, 1000);
    ngx_conf_init_msec_value(store->timeout, NGX_MDM_TIMEOUT);
    ngx_conf_init_uint_value(store->max_pending, 4096);
    ngx_conf_init_uint_value(store->partitions, NGX_MDM_PARTITIONS);

    if (store->mode == NGX_MDM_STORE_SINGLE && store->servers.nelts > 1) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\" has %ui servers, \"mode "
                          "single\" takes one",
                          &store->name, store->servers.nelts);
        return NGX_CONF_ERROR;
    }

    if (store->mode == NGX_MDM_STORE_CLUSTER && store->database != 0) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\" has \"database\", a cluster "
                          "has only 0", &store->name);
        return NGX_CONF_ERROR;
    }

    if (store->mode != NGX_MDM_STORE_SENTINEL
        && (store->sentinel_user.len != 0
            || store->sentinel_password.len != 0))
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\" has \"sentinel_user\" or "
                          "\"sentinel_password_file\" without \"mode "
                          "sentinel\"", &store->name);
        return NGX_CONF_ERROR;
    }

    if (store->sentinel_user.len != 0 && store->sentinel_password.len == 0) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\" has \"sentinel_user\" but no "
                          "\"sentinel_password_file\"", &store->name);
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_uint_value(store->durability, NGX_MDM_DURABILITY_NONE);

    /* a call may have to wait for the batch before its own, too */

    if (store->durability == NGX_MDM_DURABILITY_WAIT
        && store->wait_time * 2 > store->timeout)
    {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\": the time of \"durability "
                          "wait\" must not be more than half of "
                          "\"timeout\", which is %Mms",
                          &store->name, store->timeout);
        return NGX_CONF_ERROR;
    }

    ngx_mdm_store_check_servers(cf, store);

    if (ngx_mdm_store_id_zone(cf, store) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_uint_value(store->tls_on, 0);

    return store->tls_on ? ngx_mdm_store_tls_init(cf, store)
                         : ngx_mdm_store_clear(cf, store);
}


/*
 * settings of TLS without "tls on" are a mistake: nobody meant to do without it
 */

static char *
ngx_mdm_store_clear(ngx_conf_t *cf, ngx_mdm_store_t *store)
{
    ngx_uint_t   i;
    const char  *what;

    static const struct {
        const char  *name;
        size_t       offset;
    } tls[] = {
        { "tls_trusted_certificate",
          offsetof(ngx_mdm_store_t, tls.trusted_certificate) },
        { "tls_certificate", offsetof(ngx_mdm_store_t, tls.certificate) },
        { "tls_certificate_key",
          offsetof(ngx_mdm_store_t, tls.certificate_key) },
        { "tls_name", offsetof(ngx_mdm_store_t, tls.name) }
    };

    for (i = 0; i < sizeof(tls) / sizeof(tls[0]); i++) {

        if (((ngx_str_t *) ((u_char *) store + tls[i].offset))->len == 0) {
            continue;
        }

        what = (store->password.len != 0)
               ? ", and so would the password of \"password_file\"" : "";

        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\" has \"%s\" but no \"tls on\": "
                          "everything would go in the clear%s",
                          &store->name, tls[i].name, what);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
