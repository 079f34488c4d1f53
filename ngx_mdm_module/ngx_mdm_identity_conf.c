
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Setters of mdm_certificate, mdm_trusted_certificate, mdm_trusted_proxy.
 */


#include "ngx_mdm_module.h"

#include <openssl/pem.h>


static char *ngx_mdm_identity_header_name(ngx_conf_t *cf, ngx_str_t *name);
static X509_STORE *ngx_mdm_identity_load(ngx_conf_t *cf, ngx_str_t *file,
    ngx_mdm_place_t *place);
static ngx_uint_t ngx_mdm_identity_wide(ngx_cidr_t *cidr);
static void ngx_mdm_identity_cleanup_store(void *data);


char *
ngx_mdm_identity_certificate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    ngx_str_t                *value;
    ngx_uint_t                i, n, source;
    ngx_mdm_identity_conf_t  *icf;

    icf = &mlcf->identity;

    if (icf->sources != 0) {
        return "is duplicate";
    }

    ngx_mdm_place_set(cf, &icf->certificate_place);

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        n = i;

        if (ngx_strcmp(value[i].data, "tls") == 0) {
            source = NGX_MDM_CERTIFICATE_TLS;

        } else if (ngx_strcmp(value[i].data, "signature") == 0) {
            source = NGX_MDM_CERTIFICATE_SIGNATURE;

        } else if (ngx_strcmp(value[i].data, "header") == 0) {
            source = NGX_MDM_CERTIFICATE_HEADER;

            if (++i == cf->args->nelts) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "no name of a header in \"%V header\"",
                                   &cmd->name);
                return NGX_CONF_ERROR;
            }

            if (ngx_mdm_identity_header_name(cf, &value[i]) != NGX_CONF_OK) {
                return NGX_CONF_ERROR;
            }

            icf->header = value[i];

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid source \"%V\" in \"%V\", it must be "
                               "\"tls\", \"header\" or \"signature\"",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        if (icf->sources & source) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate source \"%V\" in \"%V\"",
                               &value[n], &cmd->name);
            return NGX_CONF_ERROR;
        }

        icf->sources |= source;
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_identity_header_name(ngx_conf_t *cf, ngx_str_t *name)
{
    u_char      c;
    ngx_uint_t  i;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || c == '-' || c == '_')
        {
            continue;
        }

        break;
    }

    if (name->len == 0 || i != name->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name of a header \"%V\"", name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_mdm_identity_trusted_certificate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    ngx_str_t                *value, file;
    ngx_mdm_identity_conf_t  *icf;

    icf = &mlcf->identity;

    if (icf->trusted != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    file = value[1];

    if (file.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no file in \"%V\"",
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_mdm_place_set(cf, &icf->trusted_place);

    icf->trusted_certificate = file;
    icf->trusted = ngx_mdm_identity_store(cf, icf);

    return (icf->trusted != NULL) ? NGX_CONF_OK : NGX_CONF_ERROR;
}


X509_STORE *
ngx_mdm_identity_store(ngx_conf_t *cf, ngx_mdm_identity_conf_t *conf)
{
    X509_STORE          *store;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    store = ngx_mdm_identity_load(cf, &conf->trusted_certificate,
                                  &conf->trusted_place);
    if (store == NULL) {
        return NULL;
    }

    cln->handler = ngx_mdm_identity_cleanup_store;
    cln->data = store;

    return store;
}


static X509_STORE *
ngx_mdm_identity_load(ngx_conf_t *cf, ngx_str_t *file,
    ngx_mdm_place_t *place)
{
    BIO            *bio;
    X509           *cert;
    ngx_uint_t      n;
    X509_STORE     *store;
    unsigned long   err;

    store = NULL;

    bio = BIO_new_file((char *) file->data, "r");
    if (bio == NULL) {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "BIO_new_file(\"%V\") failed in %s:%ui", file,
                      place->file, place->line);
        return NULL;
    }

    store = X509_STORE_new();
    if (store == NULL) {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0, "X509_STORE_new() failed");
        goto failed;
    }

    for (n = 0; /* void */ ; n++) {

        cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        if (cert == NULL) {
            err = ERR_peek_last_error();

            if (n != 0
                && ERR_GET_LIB(err) == ERR_LIB_PEM
                && ERR_GET_REASON(err) == PEM_R_NO_START_LINE)
            {
                /* the end of the file */

                ERR_clear_error();
                break;
            }

            ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                          "PEM_read_bio_X509(\"%V\") failed in %s:%ui", file,
                          place->file, place->line);
            goto failed;
        }

        if (X509_STORE_add_cert(store, cert) != 1) {
            ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                          "X509_STORE_add_cert(\"%V\") failed in %s:%ui", file,
                          place->file, place->line);
            X509_free(cert);
            goto failed;
        }

        X509_free(cert);
    }

    BIO_free(bio);

    return store;

failed:

    X509_STORE_free(store);
    BIO_free(bio);

    return NULL;
}


static void
ngx_mdm_identity_cleanup_store(void *data)
{
    X509_STORE_free(data);
}


char *
ngx_mdm_identity_trusted_proxy(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    ngx_int_t                 rc;
    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_cidr_t               *cidr;
    ngx_mdm_identity_conf_t  *icf;

    icf = &mlcf->identity;

    if (icf->trusted_proxies == NGX_CONF_UNSET_PTR) {
        icf->trusted_proxies = ngx_array_create(cf->pool, 2,
                                                sizeof(ngx_cidr_t));
        if (icf->trusted_proxies == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        cidr = ngx_array_push(icf->trusted_proxies);
        if (cidr == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(cidr, sizeof(ngx_cidr_t));

        if (ngx_strcmp(value[i].data, "unix:") == 0) {
            cidr->family = AF_UNIX;
            continue;
        }

        rc = ngx_ptocidr(&value[i], cidr);

        if (rc == NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid address \"%V\" in \"%V\"",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DONE) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "low address bits of %V are meaningless",
                               &value[i]);
        }

        if (ngx_mdm_identity_wide(cidr)) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "\"%V %V\" is no network of proxies: whoever "
                               "is in it can claim the certificate of any "
                               "device", &cmd->name, &value[i]);
        }
    }

    return NGX_CONF_OK;
}


/* wider than /8, the widest private network */

static ngx_uint_t
ngx_mdm_identity_wide(ngx_cidr_t *cidr)
{
    switch (cidr->family) {

    case AF_INET:
        return (cidr->u.in.mask & htonl(0xff000000)) != htonl(0xff000000);

#if (NGX_HAVE_INET6)
    case AF_INET6:
        return cidr->u.in6.mask.s6_addr[0] != 0xff;
#endif

    default: /* AF_UNIX */
        return 0;
    }
}
