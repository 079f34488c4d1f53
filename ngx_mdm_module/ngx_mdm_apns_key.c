
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


ngx_mdm_apns_key_t *
ngx_mdm_apns_key_copy(const ngx_mdm_apns_key_t *key, ngx_log_t *log)
{
    ngx_mdm_apns_key_t  *copy;

    copy = ngx_calloc(sizeof(ngx_mdm_apns_key_t), log);
    if (copy == NULL) {
        return NULL;
    }

    copy->refs = 1;
    copy->peer.chain = X509_chain_up_ref(key->peer.chain);

    if (copy->peer.chain == NULL) {
        ngx_free(copy);
        return NULL;
    }

    copy->peer.cert = key->peer.cert;
    copy->peer.key = key->peer.key;

    (void) X509_up_ref(copy->peer.cert);
    (void) EVP_PKEY_up_ref(copy->peer.key);

    return copy;
}


void
ngx_mdm_apns_key_release(ngx_mdm_apns_key_t *key)
{
    if (key == NULL || --key->refs != 0) {
        return;
    }

    if (key->arena != NULL) {
        mdm_arena_destroy(key->arena);

    } else {
        X509_free(key->peer.cert);
        sk_X509_pop_free(key->peer.chain, X509_free);
        EVP_PKEY_free(key->peer.key);
    }

    ngx_free(key);
}
