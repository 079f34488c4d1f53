
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a block mdm_ca names is read, and checked as far as "nginx -t" can tell.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_ca.h"
#include "ngx_mdm_file_pem.h"

#include <openssl/err.h>


#define NGX_MDM_CA_LIFETIME   (365 * 24 * 3600)
#define NGX_MDM_CA_RENEW      (30 * 24 * 3600)
#define NGX_MDM_CA_BACKDATE   300
#define NGX_MDM_CA_KEY        2048
#define NGX_MDM_CA_SUBJECT    "CN=${id},serialNumber=${serial}"
#define NGX_MDM_CA_POOL       "default"


static char *ngx_mdm_ca_defaults(ngx_conf_t *cf, ngx_mdm_ca_t *ca);
static char *ngx_mdm_ca_load(ngx_conf_t *cf, ngx_mdm_ca_t *ca,
    ngx_mdm_pem_t *pem);
static char *ngx_mdm_ca_load_ra(ngx_conf_t *cf, ngx_mdm_ca_t *ca,
    ngx_mdm_pem_t *pem);
static char *ngx_mdm_ca_load_previous(ngx_conf_t *cf, ngx_mdm_ca_t *ca,
    ngx_mdm_pem_t *pem);
static char *ngx_mdm_ca_pool(ngx_conf_t *cf, ngx_mdm_ca_t *ca);
static void ngx_mdm_ca_arena_free(void *data);


char *
ngx_mdm_ca_parse_subject(ngx_conf_t *cf, ngx_mdm_ca_t *ca)
{
    size_t               at;
    mdm_int_t            rc;
    mdm_str_t            text;
    const char          *why;
    mdm_arena_t         *arena;
    mdm_ca_subject_t    *subject;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_mdm_ca_arena_free;
    cln->data = arena;

    ngx_mdm_str_copy(&text, &ca->subject);

    rc = mdm_ca_subject_parse(arena, &text, &subject, &why, &at);

    if (rc == MDM_OK) {
        ca->core.subject = subject;
        return NGX_CONF_OK;
    }

    if (rc == MDM_DECLINED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"subject\" \"%V\" %s, at character %uz",
                           &ca->subject, why, at + 1);
    }

    return NGX_CONF_ERROR;
}


char *
ngx_mdm_ca_finish(ngx_conf_t *cf, ngx_mdm_ca_t *ca)
{
    char           *rv;
    ngx_mdm_pem_t   pem;

    if (ca->certificate.data == NULL || ca->certificate_key.data == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm ca \"%V\" has no \"%s\"", &ca->name,
                           (ca->certificate.data == NULL)
                           ? "certificate" : "certificate_key");
        return NGX_CONF_ERROR;
    }

    if ((ca->ra_certificate.data == NULL)
        != (ca->ra_certificate_key.data == NULL))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm ca \"%V\" has no \"%s\"", &ca->name,
                           (ca->ra_certificate.data == NULL)
                           ? "ra_certificate" : "ra_certificate_key");
        return NGX_CONF_ERROR;
    }

    pem.kind = "mdm ca";
    pem.name = &ca->name;
    pem.password_file = ca->password_file;

    rv = ngx_mdm_ca_defaults(cf, ca);

    if (rv == NGX_CONF_OK) {
        rv = ngx_mdm_ca_load(cf, ca, &pem);
    }

    if (rv == NGX_CONF_OK && ca->ra_certificate.data != NULL) {
        rv = ngx_mdm_ca_load_ra(cf, ca, &pem);
    }

    if (rv == NGX_CONF_OK && ca->previous != NULL) {
        rv = ngx_mdm_ca_load_previous(cf, ca, &pem);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ngx_mdm_ca_expiry(ca, cf->log, ngx_time());

    return ngx_mdm_ca_pool(cf, ca);
}


static char *
ngx_mdm_ca_defaults(ngx_conf_t *cf, ngx_mdm_ca_t *ca)
{
    ngx_str_t  *tenant;
    mdm_ca_t   *core;

    core = &ca->core;

    ngx_conf_init_uint_value(ca->lifetime, NGX_MDM_CA_LIFETIME);
    ngx_conf_init_uint_value(ca->renew, ngx_min(NGX_MDM_CA_RENEW,
                                                ca->lifetime / 2));
    ngx_conf_init_uint_value(ca->backdate, NGX_MDM_CA_BACKDATE);
    ngx_conf_init_uint_value(ca->key_minimum, NGX_MDM_CA_KEY);
    ngx_conf_init_uint_value(ca->ledger_optional, 0);

    if (ca->renew >= ca->lifetime) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm ca \"%V\": \"renew\" must be less than "
                           "\"lifetime\"", &ca->name);
        return NGX_CONF_ERROR;
    }

    if (ca->tenants == NULL) {
        ca->tenants = ngx_array_create(cf->pool, 1, sizeof(ngx_str_t));
        if (ca->tenants == NULL) {
            return NGX_CONF_ERROR;
        }

        tenant = ngx_array_push(ca->tenants);
        if (tenant == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_str_set(tenant, NGX_MDM_TENANT);
    }

    ngx_mdm_str_copy(&core->name, &ca->name);
    core->lifetime = (int64_t) ca->lifetime;
    core->renew = (int64_t) ca->renew;
    core->backdate = (int64_t) ca->backdate;
    core->key_minimum = ca->key_minimum;
    core->ledger_optional = ca->ledger_optional;

    if (core->digest == NULL) {
        core->digest = EVP_sha256();
    }

    if (ca->subject.data == NULL) {
        ngx_str_set(&ca->subject, NGX_MDM_CA_SUBJECT);

        return ngx_mdm_ca_parse_subject(cf, ca);
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_ca_load(ngx_conf_t *cf, ngx_mdm_ca_t *ca, ngx_mdm_pem_t *pem)
{
    mdm_int_t    rc;
    mdm_ca_t    *core;
    const char  *why;

    core = &ca->core;

    if (ngx_mdm_file_certificates(cf, pem, "certificate", &ca->certificate,
                                  &core->cert, &core->chain)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    core->key = ngx_mdm_file_key(cf, pem, "certificate_key",
                                 &ca->certificate_key);
    if (core->key == NULL) {
        return NGX_CONF_ERROR;
    }

    rc = mdm_ca_check(core->cert, core->key, core->chain, ngx_time(), &why);

    ERR_clear_error();

    if (rc != MDM_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm ca \"%V\": certificate \"%V\" %s", &ca->name,
                           &ca->certificate, why);
        return NGX_CONF_ERROR;
    }

    if (!mdm_ca_rooted(core->cert, core->chain)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "mdm ca \"%V\": the chain in certificate \"%V\" "
                           "does not lead to a root, which devices look for",
                           &ca->name, &ca->certificate);
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_ca_load_ra(ngx_conf_t *cf, ngx_mdm_ca_t *ca, ngx_mdm_pem_t *pem)
{
    mdm_int_t         rc;
    mdm_ca_t         *core;
    const char       *why;
    STACK_OF(X509)   *chain;

    core = &ca->core;

    if (ngx_mdm_file_certificates(cf, pem, "ra_certificate",
                                  &ca->ra_certificate, &core->ra, &chain)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* what stands behind it is that of the CA */

    sk_X509_pop_free(chain, X509_free);

    core->ra_key = ngx_mdm_file_key(cf, pem, "ra_certificate_key",
                                    &ca->ra_certificate_key);
    if (core->ra_key == NULL) {
        return NGX_CONF_ERROR;
    }

    rc = mdm_ca_check_ra(core->ra, core->ra_key, core->cert, ngx_time(),
                         &why);

    ERR_clear_error();

    if (rc != MDM_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm ca \"%V\": ra_certificate \"%V\" %s",
                           &ca->name, &ca->ra_certificate, why);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_ca_load_previous(ngx_conf_t *cf, ngx_mdm_ca_t *ca, ngx_mdm_pem_t *pem)
{
    X509             *cert;
    mdm_ca_t         *core;
    ngx_str_t        *file;
    ngx_uint_t        i;
    const char       *why;
    STACK_OF(X509)   *chain;

    core = &ca->core;

    core->previous = sk_X509_new_null();
    if (core->previous == NULL) {
        return NGX_CONF_ERROR;
    }

    file = ca->previous->elts;

    for (i = 0; i < ca->previous->nelts; i++) {

        if (ngx_mdm_file_certificates(cf, pem, "previous", &file[i], &cert,
                                      &chain)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        sk_X509_pop_free(chain, X509_free);

        if (sk_X509_push(core->previous, cert) <= 0) {
            X509_free(cert);
            return NGX_CONF_ERROR;
        }

        if (mdm_ca_check_previous(cert, &why) != MDM_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "mdm ca \"%V\": previous \"%V\" %s", &ca->name,
                               &file[i], why);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* without "threads" the worker decides; the pool must be there then */

static char *
ngx_mdm_ca_pool(ngx_conf_t *cf, ngx_mdm_ca_t *ca)
{
    if (ca->pool.data != NULL) {
        return NGX_CONF_OK;
    }

    ca->measured = 1;
    ngx_str_set(&ca->pool, NGX_MDM_CA_POOL);

#if (NGX_THREADS)

    ca->threads = ngx_mdm_work_threads(cf, NULL);

    if (ca->threads == NULL) {
        return NGX_CONF_ERROR;
    }

#else

    (void) cf;

#endif

    return NGX_CONF_OK;
}


static void
ngx_mdm_ca_arena_free(void *data)
{
    mdm_arena_destroy(data);
}
