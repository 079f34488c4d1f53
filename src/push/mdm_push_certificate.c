
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads a push certificate and its key.
 */


#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "mdm_push_certificate.h"

#include "mdm_certificate.h"


#define MDM_PUSH_CHAIN        8            /* certificates */

#define MDM_PUSH_PREFIX       "com.apple.mgmt"


static mdm_int_t mdm_push_certificate_items(mdm_arena_t *arena, BIO *bio,
    mdm_push_certificate_t *cert, STACK_OF(X509) *all, const char **why);
static mdm_int_t mdm_push_certificate_key(mdm_push_certificate_t *cert,
    EVP_PKEY *key, const char **why);
static mdm_int_t mdm_push_certificate_leaf(mdm_push_certificate_t *cert,
    STACK_OF(X509) *all, const char **why);
static mdm_int_t mdm_push_certificate_facts(mdm_arena_t *arena,
    mdm_push_certificate_t *cert, const char **why);
static mdm_int_t mdm_push_certificate_topic(mdm_arena_t *arena,
    mdm_push_certificate_t *cert, const char **why);
static int64_t mdm_push_certificate_time(const ASN1_TIME *time);
static void mdm_push_certificate_free(void *data);


mdm_int_t
mdm_push_certificate_read(mdm_arena_t *arena, const mdm_str_t *pem,
    mdm_push_certificate_t *cert, const char **why)
{
    int              mark;
    BIO             *bio;
    mdm_int_t        rc;
    STACK_OF(X509)  *all;

    memset(cert, 0, sizeof(mdm_push_certificate_t));

    if (pem->len == 0 || pem->len > MDM_PUSH_PEM) {
        *why = "it is empty or larger than 64 kB";
        return MDM_DECLINED;
    }

    /* what it holds is freed with the arena */

    if (mdm_arena_defer(arena, mdm_push_certificate_free, cert) != MDM_OK) {
        return MDM_ERROR;
    }

    mark = ERR_set_mark();

    bio = BIO_new_mem_buf(pem->data, (int) pem->len);
    all = sk_X509_new_null();
    cert->chain = sk_X509_new_null();

    if (bio == NULL || all == NULL || cert->chain == NULL) {
        rc = mdm_arena_no_memory(arena);

    } else {
        rc = mdm_push_certificate_items(arena, bio, cert, all, why);
    }

    if (rc == MDM_OK) {
        rc = mdm_push_certificate_leaf(cert, all, why);
    }

    if (rc == MDM_OK) {
        rc = mdm_push_certificate_facts(arena, cert, why);
    }

    BIO_free(bio);
    sk_X509_pop_free(all, X509_free);

    if (mdm_certificate_memory(mark)) {
        return mdm_arena_no_memory(arena);
    }

    return rc;
}


static mdm_int_t
mdm_push_certificate_items(mdm_arena_t *arena, BIO *bio,
    mdm_push_certificate_t *cert, STACK_OF(X509) *all, const char **why)
{
    char           *name, *header;
    long            len;
    X509           *x509;
    u_char         *data;
    mdm_int_t       rc;
    EVP_PKEY       *key;
    const u_char   *p;

    rc = MDM_OK;

    while (rc == MDM_OK
           && PEM_read_bio(bio, &name, &header, &data, &len) == 1)
    {
        p = data;

        if (strcmp(name, PEM_STRING_X509) == 0
            || strcmp(name, PEM_STRING_X509_OLD) == 0)
        {
            x509 = d2i_X509(NULL, &p, len);

            if (x509 == NULL) {
                *why = "a certificate in it cannot be read";
                rc = MDM_DECLINED;

            } else if (sk_X509_num(all) >= MDM_PUSH_CHAIN) {
                *why = "it holds too many certificates";
                X509_free(x509);
                rc = MDM_DECLINED;

            } else if (sk_X509_push(all, x509) == 0) {
                X509_free(x509);
                rc = mdm_arena_no_memory(arena);
            }

        } else if (strcmp(name, PEM_STRING_PKCS8) == 0
                   || strstr(header, "ENCRYPTED") != NULL)
        {
            *why = "the key has a passphrase";
            rc = MDM_DECLINED;

        } else if (strstr(name, "PRIVATE KEY") != NULL) {
            key = d2i_AutoPrivateKey(NULL, &p, len);
            rc = mdm_push_certificate_key(cert, key, why);
        }

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, (size_t) len);
    }

    if (rc == MDM_OK
        && (sk_X509_num(all) == 0 || cert->key == NULL))
    {
        *why = (sk_X509_num(all) == 0) ? "there is no certificate in PEM form"
                                       : "there is no private key in PEM form";
        rc = MDM_DECLINED;
    }

    return rc;
}


static mdm_int_t
mdm_push_certificate_key(mdm_push_certificate_t *cert, EVP_PKEY *key,
    const char **why)
{
    if (key == NULL) {
        *why = "the private key cannot be read";
        return MDM_DECLINED;
    }

    if (cert->key != NULL) {
        EVP_PKEY_free(key);
        *why = "it holds several private keys";
        return MDM_DECLINED;
    }

    cert->key = key;

    return MDM_OK;
}


/* the one that the key belongs to; the others are its chain */

static mdm_int_t
mdm_push_certificate_leaf(mdm_push_certificate_t *cert, STACK_OF(X509) *all,
    const char **why)
{
    X509  *x509;

    while ((x509 = sk_X509_shift(all)) != NULL) {

        if (X509_check_ca(x509) == 0 && cert->cert != NULL) {
            X509_free(x509);
            *why = "it holds several certificates that are no CA's";
            return MDM_DECLINED;
        }

        if (X509_check_ca(x509) == 0) {
            cert->cert = x509;

        } else if (sk_X509_push(cert->chain, x509) == 0) {
            X509_free(x509);
            return MDM_ERROR;
        }
    }

    if (cert->cert == NULL) {
        *why = "the certificate is a CA's";
        return MDM_DECLINED;
    }

    if (X509_check_private_key(cert->cert, cert->key) != 1) {
        *why = "the key does not belong to the certificate";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_push_certificate_facts(mdm_arena_t *arena, mdm_push_certificate_t *cert,
    const char **why)
{
    u_char     digest[MDM_SHA256];
    mdm_str_t  der;

    cert->not_before
        = mdm_push_certificate_time(X509_get0_notBefore(cert->cert));
    cert->not_after
        = mdm_push_certificate_time(X509_get0_notAfter(cert->cert));

    if (cert->not_after == 0) {
        *why = "the certificate has no date of expiry";
        return MDM_DECLINED;
    }

    if (mdm_certificate_der(arena, cert->cert, &der) != MDM_OK
        || mdm_certificate_sha256(&der, digest, cert->sha256) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_push_certificate_topic(arena, cert, why);
}


/* the UID of the subject */

static mdm_int_t
mdm_push_certificate_topic(mdm_arena_t *arena, mdm_push_certificate_t *cert,
    const char **why)
{
    int           i, len;
    u_char       *text;
    mdm_int_t     rc;
    mdm_str_t     topic;
    X509_NAME    *subject;

    *why = "the certificate is none for MDM: the UID of its subject does not "
           "begin with \"" MDM_PUSH_PREFIX "\"";

    subject = X509_get_subject_name(cert->cert);

    i = X509_NAME_get_index_by_NID(subject, NID_userId, -1);

    if (i < 0) {
        return MDM_DECLINED;
    }

    len = ASN1_STRING_to_UTF8(&text,
                X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));
    if (len < 0) {
        return MDM_DECLINED;
    }

    topic.data = text;
    topic.len = (size_t) len;

    rc = MDM_DECLINED;

    if (topic.len >= sizeof(MDM_PUSH_PREFIX) - 1
        && topic.len <= MDM_PUSH_TOPIC
        && memcmp(text, MDM_PUSH_PREFIX, sizeof(MDM_PUSH_PREFIX) - 1) == 0
        && mdm_utf8_valid(&topic) && !mdm_utf8_control(&topic))
    {
        rc = mdm_str_dup(arena, &cert->topic, &topic);
    }

    OPENSSL_free(text);

    return rc;
}


static int64_t
mdm_push_certificate_time(const ASN1_TIME *time)
{
    int         days, seconds;
    ASN1_TIME  *epoch;
    int64_t     value;

    value = 0;
    epoch = ASN1_TIME_set(NULL, 0);

    if (epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1) {
        value = (int64_t) days * 86400 + seconds;
    }

    ASN1_TIME_free(epoch);

    return value;
}


static void
mdm_push_certificate_free(void *data)
{
    mdm_push_certificate_t *cert = data;

    X509_free(cert->cert);
    sk_X509_pop_free(cert->chain, X509_free);
    EVP_PKEY_free(cert->key);

    memset(cert, 0, sizeof(mdm_push_certificate_t));
}
