
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Writes push certificates and their keys as PEM.
 */


#include <openssl/pem.h>

#include "mdm_push_pem.h"


static mdm_int_t mdm_push_pem_copy(mdm_arena_t *arena, BIO *bio,
    mdm_uint_t secret, mdm_str_t *pem);
static void mdm_push_pem_wipe(void *data);


mdm_int_t
mdm_push_pem_cert(mdm_arena_t *arena, const mdm_push_certificate_t *cert,
    mdm_str_t *pem)
{
    int        i, ok;
    BIO       *bio;
    mdm_int_t  rc;

    bio = BIO_new(BIO_s_mem());
    if (bio == NULL) {
        return mdm_arena_no_memory(arena);
    }

    ok = PEM_write_bio_X509(bio, cert->cert);

    for (i = 0; ok == 1 && i < sk_X509_num(cert->chain); i++) {
        ok = PEM_write_bio_X509(bio, sk_X509_value(cert->chain, i));
    }

    rc = (ok == 1) ? mdm_push_pem_copy(arena, bio, 0, pem)
                   : mdm_arena_failed(arena, "PEM_write_bio_X509");

    BIO_free(bio);

    return rc;
}


mdm_int_t
mdm_push_pem_key(mdm_arena_t *arena, const mdm_push_certificate_t *cert,
    mdm_str_t *pem)
{
    BIO        *bio;
    mdm_int_t   rc;

    /* its memory is wiped when it is freed */

    bio = BIO_new(BIO_s_secmem());
    if (bio == NULL) {
        return mdm_arena_no_memory(arena);
    }

    if (PEM_write_bio_PKCS8PrivateKey(bio, cert->key, NULL, NULL, 0, NULL,
                                      NULL)
        == 1)
    {
        rc = mdm_push_pem_copy(arena, bio, 1, pem);

    } else {
        rc = mdm_arena_failed(arena, "PEM_write_bio_PKCS8PrivateKey");
    }

    BIO_free(bio);

    return rc;
}


static mdm_int_t
mdm_push_pem_copy(mdm_arena_t *arena, BIO *bio, mdm_uint_t secret,
    mdm_str_t *pem)
{
    char       *data;
    mdm_str_t   text, *wipe;

    text.len = (size_t) BIO_get_mem_data(bio, &data);
    text.data = (u_char *) data;

    if (mdm_str_dup(arena, pem, &text) != MDM_OK) {
        return MDM_ERROR;
    }

    if (!secret) {
        return MDM_OK;
    }

    wipe = mdm_arena_alloc(arena, sizeof(mdm_str_t));
    if (wipe == NULL) {
        OPENSSL_cleanse(pem->data, pem->len);
        return MDM_ERROR;
    }

    *wipe = *pem;

    return mdm_arena_defer(arena, mdm_push_pem_wipe, wipe);
}


static void
mdm_push_pem_wipe(void *data)
{
    mdm_str_t *pem = data;

    OPENSSL_cleanse(pem->data, pem->len);
}


mdm_int_t
mdm_push_pem_read(mdm_arena_t *arena, const mdm_str_t *cert,
    const mdm_str_t *key, mdm_push_certificate_t *read, const char **why)
{
    mdm_int_t  rc;
    mdm_str_t  all;

    all.len = cert->len + key->len;
    all.data = mdm_arena_alloc(arena, all.len);

    if (all.data == NULL) {
        return MDM_ERROR;
    }

    if (cert->len != 0) {
        memcpy(all.data, cert->data, cert->len);
    }

    if (key->len != 0) {
        memcpy(all.data + cert->len, key->data, key->len);
    }

    rc = mdm_push_certificate_read(arena, &all, read, why);

    OPENSSL_cleanse(all.data, all.len);

    return rc;
}
