
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Copies of keys, for threads.
 */


#include "mdm_secret.h"


static EVP_CIPHER_CTX *mdm_secret_gcm_copy(const EVP_CIPHER_CTX *from);
static void mdm_secret_keys_free(void *data);


mdm_int_t
mdm_secret_keys_create(mdm_arena_t *arena, const u_char *raw,
    const mdm_secret_keys_t **keys)
{
    mdm_secret_keys_t  *own;

    own = mdm_arena_zalloc(arena, sizeof(mdm_secret_keys_t));

    if (own == NULL
        || mdm_arena_defer(arena, mdm_secret_keys_free, own) != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (mdm_secret_key_add(own, raw) != MDM_OK) {
        return mdm_arena_failed(arena, "EVP_KDF_derive");
    }

    *keys = own;

    return MDM_OK;
}


mdm_int_t
mdm_secret_keys_copy(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_secret_keys_t **copy)
{
    mdm_uint_t               i;
    mdm_secret_key_t        *to;
    mdm_secret_keys_t       *own;
    const mdm_secret_key_t  *from;

    *copy = NULL;

    if (keys == NULL) {
        return MDM_OK;
    }

    own = mdm_arena_zalloc(arena, sizeof(mdm_secret_keys_t));

    if (own == NULL
        || mdm_arena_defer(arena, mdm_secret_keys_free, own) != MDM_OK)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < keys->n; i++) {
        from = &keys->keys[i];
        to = &own->keys[i];

        *to = *from;

        to->seal = mdm_secret_gcm_copy(from->seal);
        to->open = mdm_secret_gcm_copy(from->open);
        to->nonce = EVP_MAC_CTX_dup(from->nonce);

        own->n++;

        if (to->seal == NULL || to->open == NULL || to->nonce == NULL) {
            return mdm_arena_failed(arena, "EVP_CIPHER_CTX_copy");
        }
    }

    *copy = own;

    return MDM_OK;
}


static EVP_CIPHER_CTX *
mdm_secret_gcm_copy(const EVP_CIPHER_CTX *from)
{
    EVP_CIPHER_CTX  *ctx;

    ctx = EVP_CIPHER_CTX_new();

    if (ctx != NULL && EVP_CIPHER_CTX_copy(ctx, from) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }

    return ctx;
}


static void
mdm_secret_keys_free(void *data)
{
    mdm_secret_keys_clear(data);
}
