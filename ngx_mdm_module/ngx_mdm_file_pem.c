
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Files of a block, such as mdm_ca: certificates, keys and their passwords.
 */


#include "ngx_mdm_file_pem.h"
#include "ngx_mdm_file.h"

#include <openssl/err.h>
#include <openssl/pem.h>


/* bytes of a file with passwords */
#define NGX_MDM_FILE_PASSWORDS  4096


/* what the callback of OpenSSL is given */

typedef struct {
    ngx_str_t                 password;    /* data is NULL: there is none */
    ngx_uint_t                asked;
} ngx_mdm_file_password_t;


static BIO *ngx_mdm_file_bio(ngx_conf_t *cf, const char *what, ngx_str_t *file,
    u_char *buf, ngx_uint_t secret);
static void ngx_mdm_file_key_refuse(ngx_conf_t *cf, ngx_mdm_pem_t *pem,
    const char *what, ngx_str_t *file, ngx_uint_t asked);
static EVP_PKEY *ngx_mdm_file_key_pem(ngx_conf_t *cf, ngx_mdm_pem_t *pem,
    BIO *bio, ngx_uint_t *asked, ngx_uint_t *told);
static EVP_PKEY *ngx_mdm_file_key_try(BIO *bio, ngx_mdm_file_password_t *pass);
static int ngx_mdm_file_password(char *buf, int size, int rwflag, void *data);


ngx_int_t
ngx_mdm_file_certificates(ngx_conf_t *cf, ngx_mdm_pem_t *pem, const char *what,
    ngx_str_t *file, X509 **cert, STACK_OF(X509) **chain)
{
    BIO           *bio;
    X509          *next;
    u_char        *buf;
    unsigned long  err;

    *cert = NULL;
    *chain = NULL;

    buf = ngx_alloc(NGX_MDM_FILE_PEM + 1, cf->log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    bio = ngx_mdm_file_bio(cf, what, file, buf, 0);
    if (bio == NULL) {
        ngx_free(buf);
        return NGX_ERROR;
    }

    *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    *chain = sk_X509_new_null();

    if (*cert == NULL || *chain == NULL) {
        goto failed;
    }

    for ( ;; ) {
        next = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        if (next == NULL) {
            break;
        }

        if (sk_X509_push(*chain, next) <= 0) {
            X509_free(next);
            goto failed;
        }
    }

    err = ERR_peek_last_error();

    if (ERR_GET_LIB(err) != ERR_LIB_PEM
        || ERR_GET_REASON(err) != PEM_R_NO_START_LINE)
    {
        goto failed;
    }

    ERR_clear_error();
    BIO_free(bio);
    ngx_free(buf);

    return NGX_OK;

failed:

    ERR_clear_error();
    BIO_free(bio);
    ngx_free(buf);

    X509_free(*cert);
    *cert = NULL;

    sk_X509_pop_free(*chain, X509_free);
    *chain = NULL;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "%s \"%V\": no certificates in PEM can be read "
                       "from %s \"%V\"", pem->kind, pem->name, what, file);

    return NGX_ERROR;
}


EVP_PKEY *
ngx_mdm_file_key(ngx_conf_t *cf, ngx_mdm_pem_t *pem, const char *what,
    ngx_str_t *file)
{
    BIO         *bio;
    u_char      *buf;
    EVP_PKEY    *key;
    ngx_uint_t   asked, told;

    buf = ngx_alloc(NGX_MDM_FILE_PEM + 1, cf->log);
    if (buf == NULL) {
        return NULL;
    }

    bio = ngx_mdm_file_bio(cf, what, file, buf, 1);
    key = NULL;

    if (bio != NULL) {
        told = 0;
        asked = 0;
        key = ngx_mdm_file_key_pem(cf, pem, bio, &asked, &told);

        if (key == NULL && !told) {
            ngx_mdm_file_key_refuse(cf, pem, what, file, asked);
        }

        BIO_free(bio);
    }

    OPENSSL_cleanse(buf, NGX_MDM_FILE_PEM + 1);
    ngx_free(buf);

    ERR_clear_error();

    return key;
}


static void
ngx_mdm_file_key_refuse(ngx_conf_t *cf, ngx_mdm_pem_t *pem, const char *what,
    ngx_str_t *file, ngx_uint_t asked)
{
    if (!asked) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s \"%V\": no key in PEM can be read from "
                           "%s \"%V\"", pem->kind, pem->name, what, file);
        return;
    }

    if (pem->password_file.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s \"%V\": the key of %s \"%V\" has a "
                           "password, and there is no \"password_file\"",
                           pem->kind, pem->name, what, file);
        return;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "%s \"%V\": no password of \"%V\" opens the key "
                       "of %s \"%V\"", pem->kind, pem->name,
                       &pem->password_file, what, file);
}


/* the file as a BIO over "buf", which has a byte more than a file may have */

static BIO *
ngx_mdm_file_bio(ngx_conf_t *cf, const char *what, ngx_str_t *file,
    u_char *buf, ngx_uint_t secret)
{
    ssize_t     n;
    ngx_uint_t  others;

    others = 0;

    n = ngx_mdm_file_read(cf, what, file, buf, NGX_MDM_FILE_PEM + 1, &others);

    if (n == NGX_ERROR) {
        return NULL;
    }

    if (n > NGX_MDM_FILE_PEM) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s \"%V\" is too large",
                           what, file);
        return NULL;
    }

    if (secret && (others & S_IROTH)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "%s \"%V\" is readable by everybody", what, file);
    }

    return BIO_new_mem_buf(buf, (int) n);
}


/* each line of the password file is tried; *told: the log says why not */

static EVP_PKEY *
ngx_mdm_file_key_pem(ngx_conf_t *cf, ngx_mdm_pem_t *pem, BIO *bio,
    ngx_uint_t *asked, ngx_uint_t *told)
{
    u_char                 *p, *last, *end, buf[NGX_MDM_FILE_PASSWORDS];
    ssize_t                 n;
    EVP_PKEY               *key;
    ngx_uint_t              others;
    ngx_mdm_file_password_t   pass;

    ngx_memzero(&pass, sizeof(ngx_mdm_file_password_t));

    key = ngx_mdm_file_key_try(bio, &pass);

    *asked = pass.asked;

    if (key != NULL || !pass.asked || pem->password_file.len == 0) {
        return key;
    }

    n = ngx_mdm_file_read(cf, "password_file", &pem->password_file, buf,
                          sizeof(buf), &others);

    if (n == NGX_ERROR) {
        *told = 1;
        return NULL;
    }

    if (others & S_IROTH) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "password_file \"%V\" is readable by everybody",
                           &pem->password_file);
    }

    p = buf;
    last = buf + n;

    while (p < last && key == NULL) {

        end = ngx_strlchr(p, last, LF);
        if (end == NULL) {
            end = last;
        }

        pass.password.data = p;
        pass.password.len = end - p;

        if (pass.password.len != 0 && end[-1] == CR) {
            pass.password.len--;
        }

        if (pass.password.len != 0) {
            key = ngx_mdm_file_key_try(bio, &pass);
        }

        p = end + 1;
    }

    OPENSSL_cleanse(buf, sizeof(buf));

    return key;
}


static EVP_PKEY *
ngx_mdm_file_key_try(BIO *bio, ngx_mdm_file_password_t *pass)
{
    (void) BIO_reset(bio);

    return PEM_read_bio_PrivateKey(bio, NULL, ngx_mdm_file_password, pass);
}


static int
ngx_mdm_file_password(char *buf, int size, int rwflag, void *data)
{
    ngx_mdm_file_password_t *pass = data;

    (void) rwflag;

    pass->asked = 1;

    if (pass->password.data == NULL || pass->password.len > (size_t) size) {
        return -1;
    }

    ngx_memcpy(buf, pass->password.data, pass->password.len);

    return (int) pass->password.len;
}
