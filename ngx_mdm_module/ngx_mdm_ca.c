
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Blocks mdm_ca { }: what may stand in them.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_block.h"
#include "ngx_mdm_ca.h"

#include "mdm_key.h"


/* previous CAs, and tenants */
#define NGX_MDM_CA_LIST       64


static char *ngx_mdm_ca_file(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_ca_previous(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_ca_subject(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_ca_backdate(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_ca_digest(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_ca_tenant(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_ca_ledger(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_ca_threads(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static void ngx_mdm_ca_unset(ngx_mdm_ca_t *ca);
static void ngx_mdm_ca_free(void *data);


static ngx_mdm_block_command_t  ngx_mdm_ca_commands[] = {
    { ngx_string("certificate"), 1, 1, ngx_mdm_ca_file,
      offsetof(ngx_mdm_ca_t, certificate), 0, 0 },
    { ngx_string("certificate_key"), 1, 1, ngx_mdm_ca_file,
      offsetof(ngx_mdm_ca_t, certificate_key), 0, 0 },
    { ngx_string("password_file"), 1, 1, ngx_mdm_ca_file,
      offsetof(ngx_mdm_ca_t, password_file), 0, 0 },
    { ngx_string("ra_certificate"), 1, 1, ngx_mdm_ca_file,
      offsetof(ngx_mdm_ca_t, ra_certificate), 0, 0 },
    { ngx_string("ra_certificate_key"), 1, 1, ngx_mdm_ca_file,
      offsetof(ngx_mdm_ca_t, ra_certificate_key), 0, 0 },
    { ngx_string("previous"), 1, NGX_MDM_CA_LIST, ngx_mdm_ca_previous,
      0, 0, 0 },
    { ngx_string("subject"), 1, 1, ngx_mdm_ca_subject, 0, 0, 0 },
    { ngx_string("lifetime"), 1, 1, ngx_mdm_block_sec,
      offsetof(ngx_mdm_ca_t, lifetime), 0, 0 },
    { ngx_string("renew"), 1, 1, ngx_mdm_block_sec,
      offsetof(ngx_mdm_ca_t, renew), 0, 0 },
    { ngx_string("backdate"), 1, 1, ngx_mdm_ca_backdate, 0, 0, 0 },
    { ngx_string("digest"), 1, 1, ngx_mdm_ca_digest, 0, 0, 0 },
    { ngx_string("key_minimum"), 1, 1, ngx_mdm_block_number,
      offsetof(ngx_mdm_ca_t, key_minimum), 1024, 8192 },
    { ngx_string("tenant"), 1, NGX_MDM_CA_LIST, ngx_mdm_ca_tenant, 0, 0, 0 },
    { ngx_string("ledger"), 1, 1, ngx_mdm_ca_ledger, 0, 0, 0 },
    { ngx_string("threads"), 1, 1, ngx_mdm_ca_threads, 0, 0, 0 },
    ngx_mdm_block_null_command
};


/* mdm_ca NAME { … } */

char *
ngx_mdm_ca(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    char                *rv;
    ngx_str_t           *value, *name;
    ngx_mdm_ca_t        *ca, **p;
    ngx_pool_cleanup_t  *cln;

    (void) cmd;

    value = cf->args->elts;
    name = &value[1];

    rv = ngx_mdm_block_check_name(cf, "mdm ca", name);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ca = ngx_mdm_ca_find(&mmcf->cas, name);

    if (ca != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm ca \"%V\" is already defined in %s:%ui",
                           name, ca->place.file, ca->place.line);
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_mdm_ca_t));
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    ca = cln->data;
    ngx_memzero(ca, sizeof(ngx_mdm_ca_t));

    /* the keys are wiped when the configuration goes */

    cln->handler = ngx_mdm_ca_free;

    ca->name = *name;
    ngx_mdm_place_set(cf, &ca->place);
    ngx_mdm_ca_unset(ca);

    rv = ngx_mdm_block_parse(cf, "mdm_ca", ngx_mdm_ca_commands, ca);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_mdm_ca_finish(cf, ca);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    p = ngx_array_push(&mmcf->cas);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = ca;

    return NGX_CONF_OK;
}


ngx_mdm_ca_t *
ngx_mdm_ca_find(ngx_array_t *cas, ngx_str_t *name)
{
    ngx_uint_t      i;
    ngx_mdm_ca_t  **ca;

    ca = cas->elts;

    for (i = 0; i < cas->nelts; i++) {

        if (ca[i]->name.len == name->len
            && ngx_memcmp(ca[i]->name.data, name->data, name->len) == 0)
        {
            return ca[i];
        }
    }

    return NULL;
}


ngx_uint_t
ngx_mdm_ca_serves(ngx_mdm_ca_t *ca, ngx_str_t *tenant)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    name = ca->tenants->elts;

    for (i = 0; i < ca->tenants->nelts; i++) {

        if (name[i].len == tenant->len
            && ngx_memcmp(name[i].data, tenant->data, tenant->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_mdm_ca_unset(ngx_mdm_ca_t *ca)
{
    ca->lifetime = NGX_CONF_UNSET_UINT;
    ca->renew = NGX_CONF_UNSET_UINT;
    ca->backdate = NGX_CONF_UNSET_UINT;
    ca->key_minimum = NGX_CONF_UNSET_UINT;
    ca->ledger_optional = NGX_CONF_UNSET_UINT;
}


static char *
ngx_mdm_ca_file(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    char       *rv;
    ngx_str_t  *file;

    rv = ngx_mdm_block_text(cf, block, cmd);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    file = (ngx_str_t *) ((u_char *) block + cmd->offset);

    return (ngx_conf_full_name(cf->cycle, file, 1) == NGX_OK)
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_mdm_ca_previous(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_ca_t *ca = block;

    ngx_str_t   *value, *file;
    ngx_uint_t   i;

    (void) cmd;

    if (ca->previous != NULL) {
        return "is duplicate";
    }

    ca->previous = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    if (ca->previous == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 0) {
            return "is empty";
        }

        file = ngx_array_push(ca->previous);
        if (file == NULL) {
            return NGX_CONF_ERROR;
        }

        *file = value[i];

        if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_ca_subject(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_ca_t *ca = block;

    ngx_str_t  *value;

    (void) cmd;

    if (ca->subject.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    ca->subject = value[1];

    return ngx_mdm_ca_parse_subject(cf, ca);
}


/* as ngx_mdm_block_sec(), but 0 is a value */

static char *
ngx_mdm_ca_backdate(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_ca_t *ca = block;

    ngx_int_t   n;
    ngx_str_t  *value;

    (void) cmd;

    if (ca->backdate != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_parse_time(&value[1], 1);

    if (n == NGX_ERROR || n > NGX_MAX_INT32_VALUE) {
        return "has an invalid value";
    }

    ca->backdate = (ngx_uint_t) n;

    return NGX_CONF_OK;
}


static char *
ngx_mdm_ca_digest(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_ca_t *ca = block;

    ngx_str_t  *value;

    (void) cmd;

    if (ca->core.digest != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "sha256") == 0) {
        ca->core.digest = EVP_sha256();

    } else if (ngx_strcmp(value[1].data, "sha384") == 0) {
        ca->core.digest = EVP_sha384();

    } else if (ngx_strcmp(value[1].data, "sha512") == 0) {
        ca->core.digest = EVP_sha512();

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"digest\" directive, it "
                           "must be \"sha256\", \"sha384\" or \"sha512\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_ca_tenant(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_ca_t *ca = block;

    mdm_str_t    name;
    ngx_str_t   *value, *tenant;
    ngx_uint_t   i;

    (void) cmd;

    if (ca->tenants != NULL) {
        return "is duplicate";
    }

    ca->tenants = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    if (ca->tenants == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        ngx_mdm_str_copy(&name, &value[i]);

        if (mdm_tenant_check(&name) != MDM_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "tenant \"%V\" must be 1 "
                               "to 64 letters, digits, \"-\", \".\" or \"_\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        if (ngx_mdm_ca_serves(ca, &value[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "tenant \"%V\" is named twice", &value[i]);
            return NGX_CONF_ERROR;
        }

        tenant = ngx_array_push(ca->tenants);
        if (tenant == NULL) {
            return NGX_CONF_ERROR;
        }

        *tenant = value[i];
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_ca_ledger(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_ca_t *ca = block;

    ngx_str_t  *value;

    (void) cmd;

    if (ca->ledger_optional != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "optional") == 0) {
        ca->ledger_optional = 1;

    } else if (ngx_strcmp(value[1].data, "required") == 0) {
        ca->ledger_optional = 0;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"ledger\" directive, it "
                           "must be \"required\" or \"optional\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_ca_threads(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_ca_t *ca = block;

    ngx_str_t  *value;

    (void) cmd;

    if (ca->pool.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "is empty";
    }

    ca->pool = value[1];

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

#if (NGX_THREADS)

    ca->threads = ngx_mdm_work_threads(cf, &ca->pool);

    return (ca->threads != NULL) ? NGX_CONF_OK : NGX_CONF_ERROR;

#else

    return "needs an nginx that was built with threads";

#endif
}


static void
ngx_mdm_ca_free(void *data)
{
    ngx_mdm_ca_t *ca = data;

    X509_free(ca->core.cert);
    EVP_PKEY_free(ca->core.key);
    sk_X509_pop_free(ca->core.chain, X509_free);

    X509_free(ca->core.ra);
    EVP_PKEY_free(ca->core.ra_key);
    sk_X509_pop_free(ca->core.previous, X509_free);
}
