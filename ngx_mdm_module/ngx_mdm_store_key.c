
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * encryption_key of the mdm_store block: the keys that secrets in Redis are
 * encrypted with.  They are read when the configuration is, and are in memory
 * only in the form that the ciphers need.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_store.h"

#include <openssl/crypto.h>


static char *ngx_mdm_store_read_key(ngx_conf_t *cf, ngx_mdm_store_t *store,
    ngx_str_t *name);
static char *ngx_mdm_store_add_key(ngx_conf_t *cf, ngx_mdm_store_t *store,
    ngx_str_t *name, u_char *raw);
static void ngx_mdm_store_forget_keys(void *data);


char *
ngx_mdm_store_encryption_key(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_store_t *store = block;

    char                *rv;
    ngx_str_t           *value;
    ngx_uint_t           i;
    ngx_pool_cleanup_t  *cln;

    (void) cmd;

    if (store->secrets != NULL) {
        return "is duplicate";
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(mdm_secret_keys_t));
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(cln->data, sizeof(mdm_secret_keys_t));

    cln->handler = ngx_mdm_store_forget_keys;
    store->secrets = cln->data;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_mdm_store_read_key(cf, store, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_store_read_key(ngx_conf_t *cf, ngx_mdm_store_t *store,
    ngx_str_t *name)
{
    char        *rv;
    u_char       buf[MDM_SECRET_FILE + 1], raw[MDM_SECRET_RAW];
    ssize_t      n;
    mdm_str_t    text;
    const char  *why;

    if (name->len == 0) {
        return "has an empty file name";
    }

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    n = ngx_mdm_store_read_file(cf, "encryption key file", name, buf,
                                sizeof(buf));

    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    text.data = buf;
    text.len = (size_t) n;

    if (mdm_secret_key_read(raw, &text, &why) == MDM_OK) {
        rv = ngx_mdm_store_add_key(cf, store, name, raw);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "encryption key file \"%V\" %s", name, why);
        rv = NGX_CONF_ERROR;
    }

    OPENSSL_cleanse(buf, sizeof(buf));
    OPENSSL_cleanse(raw, sizeof(raw));

    return rv;
}


static char *
ngx_mdm_store_add_key(ngx_conf_t *cf, ngx_mdm_store_t *store,
    ngx_str_t *name, u_char *raw)
{
    u_char      id[2 * MDM_SECRET_ID];
    mdm_int_t   rc;
    mdm_uint_t  n;

    rc = mdm_secret_key_add(store->secrets, raw);

    if (rc == MDM_DECLINED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "encryption key file \"%V\" holds the same key as "
                           "another one", name);
        return NGX_CONF_ERROR;
    }

    if (rc != MDM_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the key of \"%V\" cannot be set up: no memory, or "
                           "OpenSSL lacks AES-256-GCM, HMAC or HKDF", name);
        return NGX_CONF_ERROR;
    }

    /* messages and scripts/mdm-reencrypt name a key by its id */

    n = store->secrets->n - 1;

    mdm_hex(id, store->secrets->keys[n].id, MDM_SECRET_ID);

    ngx_conf_log_error(ngx_test_config ? NGX_LOG_NOTICE : NGX_LOG_INFO, cf, 0,
                       "mdm store \"%V\": encryption key %*s is in \"%V\"",
                       &store->name, sizeof(id), id, name);

    return NGX_CONF_OK;
}


char *
ngx_mdm_store_encryption_check(ngx_conf_t *cf, ngx_mdm_store_t *store)
{
    if (store->encryption_required == NGX_CONF_UNSET_UINT) {
        store->encryption_required = 0;
    }

    if (store->encryption_required && store->secrets == NULL) {
        ngx_mdm_place_log(NGX_LOG_EMERG, cf, &store->place,
                          "mdm store \"%V\": \"encryption_required\" needs "
                          "an \"encryption_key\"", &store->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void
ngx_mdm_store_forget_keys(void *data)
{
    mdm_secret_keys_clear(data);
}


ngx_uint_t
ngx_mdm_store_keys(ngx_mdm_store_t *store, mdm_str_t *args, u_char *buf)
{
    ngx_uint_t         i;
    mdm_secret_key_t  *key;

    if (store->secrets == NULL) {
        return 0;
    }

    for (i = 0; i < store->secrets->n; i++) {
        key = &store->secrets->keys[i];

        args[i].data = buf;
        args[i].len = NGX_MDM_STORE_KEY;

        mdm_hex(buf, key->id, MDM_SECRET_ID);
        buf += 2 * MDM_SECRET_ID;
        *buf++ = ':';
        mdm_hex(buf, key->check, MDM_SECRET_CHECK);
        buf += 2 * MDM_SECRET_CHECK;
    }

    return store->secrets->n;
}
