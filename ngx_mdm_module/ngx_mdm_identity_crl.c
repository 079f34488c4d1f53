
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdm_crl: certificate revocation lists for certificates from a header or a
 * signature, which nginx's own ssl_crl does not see.
 */


#include "ngx_mdm_module.h"

#include <openssl/pem.h>


static ngx_int_t ngx_mdm_identity_crl_load(ngx_conf_t *cf, X509_STORE *store,
    ngx_mdm_identity_conf_t *conf);
static ngx_int_t ngx_mdm_identity_crl_add(ngx_conf_t *cf, X509_STORE *store,
    X509_CRL *crl, ngx_mdm_identity_conf_t *conf);


char *
ngx_mdm_identity_crl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_loc_conf_t *mlcf = conf;

    ngx_str_t                *value;
    ngx_mdm_identity_conf_t  *icf;

    icf = &mlcf->identity;

    if (icf->crl.data != NULL) {
        return "is duplicate";
    }

    ngx_mdm_place_set(cf, &icf->crl_place);

    value = cf->args->elts;
    icf->crl = value[1];

    if (icf->crl.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no file in \"%V\"",
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, &icf->crl, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_mdm_identity_crl_store(ngx_conf_t *cf, ngx_mdm_identity_conf_t *conf)
{
    X509_STORE  *store;

    store = ngx_mdm_identity_store(cf, conf);

    if (store == NULL
        || ngx_mdm_identity_crl_load(cf, store, conf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    conf->trusted = store;
    conf->crl_loaded = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_identity_crl_load(ngx_conf_t *cf, X509_STORE *store,
    ngx_mdm_identity_conf_t *conf)
{
    BIO            *bio;
    X509_CRL       *crl;
    ngx_int_t       rc;
    ngx_uint_t      n;
    unsigned long   err;

    bio = BIO_new_file((char *) conf->crl.data, "r");
    if (bio == NULL) {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "BIO_new_file(\"%V\") failed in %s:%ui",
                      &conf->crl, conf->crl_place.file,
                      conf->crl_place.line);
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    for (n = 0; /* void */ ; n++) {

        crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);

        if (crl == NULL) {
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
                          "PEM_read_bio_X509_CRL(\"%V\") failed in %s:%ui",
                          &conf->crl, conf->crl_place.file,
                          conf->crl_place.line);
            goto done;
        }

        if (ngx_mdm_identity_crl_add(cf, store, crl, conf) != NGX_OK) {
            X509_CRL_free(crl);
            goto done;
        }

        X509_CRL_free(crl);
    }

    /* as ssl_crl does: each CA of the chain must have a list */

    X509_STORE_set_flags(store,
                         X509_V_FLAG_CRL_CHECK|X509_V_FLAG_CRL_CHECK_ALL);

    rc = NGX_OK;

done:

    BIO_free(bio);

    return rc;
}


static ngx_int_t
ngx_mdm_identity_crl_add(ngx_conf_t *cf, X509_STORE *store, X509_CRL *crl,
    ngx_mdm_identity_conf_t *conf)
{
    time_t            now;
    const ASN1_TIME  *next;

    if (X509_STORE_add_crl(store, crl) != 1) {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "X509_STORE_add_crl(\"%V\") failed in %s:%ui",
                      &conf->crl, conf->crl_place.file,
                      conf->crl_place.line);
        return NGX_ERROR;
    }

    now = ngx_time();
    next = X509_CRL_get0_nextUpdate(crl);

    if (next != NULL && X509_cmp_time(next, &now) < 0) {
        ngx_mdm_place_log(NGX_LOG_WARN, cf, &conf->crl_place,
                          "a list in \"mdm_crl %V\" has expired: "
                          "certificates of its CA are refused", &conf->crl);
    }

    return NGX_OK;
}
