
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Certificates and keys in memory: connections that were made with an old one
 * may outlive it.
 */


#include "ngx_mdm_apns.h"


ngx_mdm_apns_key_t *
ngx_mdm_apns_key_create(mdm_push_certificate_t *read, mdm_arena_t *arena,
    ngx_log_t *log)
{
    ngx_mdm_apns_key_t  *key;

    key = ngx_alloc(sizeof(ngx_mdm_apns_key_t), log);
    if (key == NULL) {
        return NULL;
    }

    key->peer.cert = read->cert;
    key->peer.chain = read->chain;
    key->peer.key = read->key;
    key->arena = arena;
    key->refs = 1;

    return key;
}


void
ngx_mdm_apns_key_release(ngx_mdm_apns_key_t *key)
{
    if (key == NULL || --key->refs != 0) {
        return;
    }

    mdm_arena_destroy(key->arena);
    ngx_free(key);
}
