
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a block mdm_enrollment says and names is checked, as far as "nginx -t"
 * can tell.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_enrollment.h"
#include "ngx_mdm_file_pem.h"

#include <openssl/err.h>

#include "mdm_certificate.h"


#define NGX_MDM_ENROLLMENT_ALL      8191
#define NGX_MDM_ENROLLMENT_KEY      2048
#define NGX_MDM_ENROLLMENT_RETRIES  3
#define NGX_MDM_ENROLLMENT_DELAY    10

/* bytes of a URL, of a text */
#define NGX_MDM_ENROLLMENT_URL      2048
#define NGX_MDM_ENROLLMENT_TEXT     1024


static char *ngx_mdm_enrollment_texts(ngx_conf_t *cf,
    ngx_mdm_enrollment_t *en);
static char *ngx_mdm_enrollment_url(ngx_conf_t *cf, ngx_mdm_enrollment_t *en,
    const char *what, ngx_str_t *url, ngx_uint_t plain);
static char *ngx_mdm_enrollment_urls(ngx_conf_t *cf,
    ngx_mdm_enrollment_t *en);
static char *ngx_mdm_enrollment_numbers(ngx_conf_t *cf,
    ngx_mdm_enrollment_t *en);
static char *ngx_mdm_enrollment_trust(ngx_conf_t *cf,
    ngx_mdm_enrollment_t *en, ngx_mdm_pem_t *pem);
static ngx_int_t ngx_mdm_enrollment_trust_add(ngx_mdm_enrollment_t *en,
    X509 *cert);
static char *ngx_mdm_enrollment_apple(ngx_conf_t *cf,
    ngx_mdm_enrollment_t *en, ngx_mdm_pem_t *pem);
static char *ngx_mdm_enrollment_signer(ngx_conf_t *cf,
    ngx_mdm_enrollment_t *en, ngx_mdm_pem_t *pem);
static const char *ngx_mdm_enrollment_signs(mdm_enroll_block_t *core);
static void ngx_mdm_enrollment_unroot(STACK_OF(X509) *chain);


char *
ngx_mdm_enrollment_finish(ngx_conf_t *cf, ngx_mdm_enrollment_t *en)
{
    char           *rv;
    ngx_mdm_pem_t   pem;

    pem.kind = "mdm enrollment";
    pem.name = &en->name;
    pem.password_file = en->sign_password;

    ngx_mdm_str_copy(&en->core.name, &en->name);

    rv = ngx_mdm_enrollment_texts(cf, en);

    if (rv == NGX_CONF_OK) {
        rv = ngx_mdm_enrollment_urls(cf, en);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_mdm_enrollment_numbers(cf, en);
    }

    if (rv == NGX_CONF_OK && en->trust != NULL) {
        rv = ngx_mdm_enrollment_trust(cf, en, &pem);
    }

    if (rv == NGX_CONF_OK && en->apple != NULL) {
        rv = ngx_mdm_enrollment_apple(cf, en, &pem);
    }

    if (rv == NGX_CONF_OK && en->sign.data != NULL) {
        rv = ngx_mdm_enrollment_signer(cf, en, &pem);
    }

#if (NGX_THREADS)

    /* whether a signature needs them, the worker finds out */

    if (rv == NGX_CONF_OK && (en->apple != NULL || en->sign.data != NULL)) {
        en->threads = ngx_mdm_work_threads(cf, NULL);

        if (en->threads == NULL) {
            return NGX_CONF_ERROR;
        }
    }

#endif

    return rv;
}


static char *
ngx_mdm_enrollment_texts(ngx_conf_t *cf, ngx_mdm_enrollment_t *en)
{
    ngx_uint_t           i;
    mdm_enroll_block_t  *core;

    struct {
        const char          *what;
        ngx_str_t           *text;
        mdm_str_t           *value;
    } texts[5];

    core = &en->core;

    texts[0].what = "identifier";
    texts[0].text = &en->identifier;
    texts[0].value = &core->identifier;

    texts[1].what = "display_name";
    texts[1].text = &en->display_name;
    texts[1].value = &core->display_name;

    texts[2].what = "organization";
    texts[2].text = &en->organization;
    texts[2].value = &core->organization;

    texts[3].what = "description";
    texts[3].text = &en->description;
    texts[3].value = &core->description;

    texts[4].what = "topic";
    texts[4].text = &en->topic;
    texts[4].value = &core->topic;

    if (en->identifier.data == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm enrollment \"%V\" has no \"identifier\"",
                           &en->name);
        return NGX_CONF_ERROR;
    }

    if (en->display_name.data == NULL) {
        en->display_name = en->identifier;
    }

    for (i = 0; i < 5; i++) {
        ngx_mdm_str_copy(texts[i].value, texts[i].text);

        if (texts[i].value->len <= NGX_MDM_ENROLLMENT_TEXT
            && mdm_utf8_valid(texts[i].value)
            && !mdm_utf8_control(texts[i].value))
        {
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm enrollment \"%V\": \"%s\" is longer than %d "
                           "bytes, not UTF-8, or has control characters",
                           &en->name, texts[i].what, NGX_MDM_ENROLLMENT_TEXT);
        return NGX_CONF_ERROR;
    }

    if (core->topic.len != 0
        && !mdm_str_begins_i(&core->topic, "com.apple.mgmt."))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm enrollment \"%V\": \"topic\" \"%V\" does not "
                           "begin with \"com.apple.mgmt.\"", &en->name,
                           &en->topic);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_enrollment_urls(ngx_conf_t *cf, ngx_mdm_enrollment_t *en)
{
    ngx_str_t           *url;
    mdm_enroll_block_t  *core;

    core = &en->core;

    if (en->server_url.data == NULL || en->ca_name.data == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm enrollment \"%V\" has no \"%s\"", &en->name,
                           (en->server_url.data == NULL) ? "server_url"
                                                         : "identity");
        return NGX_CONF_ERROR;
    }

    if (ngx_mdm_enrollment_url(cf, en, "server_url", &en->server_url, 0)
        != NGX_CONF_OK
        || ngx_mdm_enrollment_url(cf, en, "checkin_url", &en->checkin_url, 0)
           != NGX_CONF_OK
        || ngx_mdm_enrollment_url(cf, en, "enroll_url", &en->enroll_url, 0)
           != NGX_CONF_OK
        || ngx_mdm_enrollment_url(cf, en, "identity", &en->scep_url, 1)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    url = &en->enroll_url;

    if (url->len != 0 && ngx_strlchr(url->data, url->data + url->len, '?')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm enrollment \"%V\": \"enroll_url\" \"%V\" has "
                           "arguments", &en->name, url);
        return NGX_CONF_ERROR;
    }

    while (url->len != 0 && url->data[url->len - 1] == '/') {
        url->len--;
    }

    ngx_mdm_str_copy(&core->server_url, &en->server_url);
    ngx_mdm_str_copy(&core->checkin_url, &en->checkin_url);
    ngx_mdm_str_copy(&core->enroll_url, url);
    ngx_mdm_str_copy(&core->scep.url, &en->scep_url);

    return NGX_CONF_OK;
}


/* SCEP encrypts its messages itself, so that its URL need not be https */

static char *
ngx_mdm_enrollment_url(ngx_conf_t *cf, ngx_mdm_enrollment_t *en,
    const char *what, ngx_str_t *url, ngx_uint_t plain)
{
    size_t  i, n;

    if (url->data == NULL) {
        return NGX_CONF_OK;
    }

    n = (url->len > 8 && ngx_strncmp(url->data, "https://", 8) == 0) ? 8 : 0;

    if (n == 0 && plain && url->len > 7
        && ngx_strncmp(url->data, "http://", 7) == 0)
    {
        n = 7;
    }

    if (n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm enrollment \"%V\": \"%s\" \"%V\" must begin "
                           "with \"https://\"%s", &en->name, what, url,
                           plain ? " or \"http://\"" : "");
        return NGX_CONF_ERROR;
    }

    if (url->data[n] == '/' || url->data[n] == '?'
        || url->len > NGX_MDM_ENROLLMENT_URL)
    {
        goto invalid;
    }

    for (i = n; i < url->len; i++) {
        if (url->data[i] <= ' ' || url->data[i] >= 0x7f
            || ngx_strchr("\"<>\\^`{|}#", url->data[i]) != NULL)
        {
            goto invalid;
        }
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "mdm enrollment \"%V\": \"%s\" \"%V\" is not a URL",
                       &en->name, what, url);

    return NGX_CONF_ERROR;
}


static char *
ngx_mdm_enrollment_numbers(ngx_conf_t *cf, ngx_mdm_enrollment_t *en)
{
    ngx_uint_t           rights;
    mdm_enroll_block_t  *core;

    core = &en->core;

    ngx_conf_init_uint_value(en->access_rights, NGX_MDM_ENROLLMENT_ALL);
    ngx_conf_init_uint_value(en->sign_message, 0);
    ngx_conf_init_uint_value(en->checkout, 1);
    ngx_conf_init_uint_value(en->pin, 0);
    ngx_conf_init_uint_value(en->keysize, NGX_MDM_ENROLLMENT_KEY);
    ngx_conf_init_uint_value(en->retries, NGX_MDM_ENROLLMENT_RETRIES);
    ngx_conf_init_uint_value(en->retry_delay, NGX_MDM_ENROLLMENT_DELAY);
    ngx_conf_init_uint_value(en->fingerprint, 1);

    rights = en->access_rights;

    /* devices refuse what changes without what shows */

    if (((rights & 2) && !(rights & 1)) || ((rights & 128) && !(rights & 64)))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm enrollment \"%V\": \"access_rights\" %ui has "
                           "%s", &en->name, rights,
                           ((rights & 2) && !(rights & 1))
                           ? "2 without 1" : "128 without 64");
        return NGX_CONF_ERROR;
    }

    if (en->pin && en->trust == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm enrollment \"%V\": \"pin\" needs "
                           "\"trust_certificate\"", &en->name);
        return NGX_CONF_ERROR;
    }

    core->access_rights = rights;
    core->sign_message = en->sign_message;
    core->checkout = en->checkout;
    core->pin = en->pin;
    core->scep.keysize = en->keysize;
    core->scep.retries = en->retries;
    core->scep.retry_delay = en->retry_delay;

    if (en->capabilities != NULL) {
        core->capabilities = en->capabilities->elts;
        core->ncapabilities = en->capabilities->nelts;
    }

    if (en->minimum != NULL) {
        core->minimum = en->minimum->elts;
        core->nminimum = en->minimum->nelts;
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_enrollment_trust(ngx_conf_t *cf, ngx_mdm_enrollment_t *en,
    ngx_mdm_pem_t *pem)
{
    int               k;
    X509             *cert;
    ngx_int_t         rc;
    ngx_str_t        *file;
    ngx_uint_t        i;
    STACK_OF(X509)   *chain;

    file = en->trust->elts;

    for (i = 0; i < en->trust->nelts; i++) {

        if (ngx_mdm_file_certificates(cf, pem, "trust_certificate", &file[i],
                                      &cert, &chain)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        rc = ngx_mdm_enrollment_trust_add(en, cert);

        for (k = 0; rc == NGX_OK && k < sk_X509_num(chain); k++) {
            rc = ngx_mdm_enrollment_trust_add(en, sk_X509_value(chain, k));
        }

        X509_free(cert);
        sk_X509_pop_free(chain, X509_free);

        ERR_clear_error();

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_mdm_enrollment_trust_add(ngx_mdm_enrollment_t *en, X509 *cert)
{
    u_char               digest[MDM_SHA256], *hex;
    mdm_uint_t           i;
    mdm_enroll_trust_t  *trust, one;
    mdm_enroll_block_t  *core;

    core = &en->core;

    ngx_memzero(&one, sizeof(mdm_enroll_trust_t));

    hex = mdm_arena_alloc(en->arena, 2 * MDM_SHA256);

    if (hex == NULL
        || mdm_certificate_der(en->arena, cert, &one.der) != MDM_OK
        || mdm_certificate_sha256(&one.der, digest, hex) != MDM_OK)
    {
        return NGX_ERROR;
    }

    one.sha256.data = hex;
    one.sha256.len = 2 * MDM_SHA256;
    one.root = (X509_self_signed(cert, 0) == 1);

    mdm_certificate_title(en->arena, &one.der, &one.name);

    for (i = 0; i < core->ntrust; i++) {
        if (mdm_str_eq(&core->trust[i].sha256, &one.sha256)) {
            return NGX_OK;
        }
    }

    trust = mdm_arena_alloc(en->arena,
                            (core->ntrust + 1) * sizeof(mdm_enroll_trust_t));
    if (trust == NULL) {
        return NGX_ERROR;
    }

    if (core->ntrust != 0) {
        ngx_memcpy(trust, core->trust,
                   core->ntrust * sizeof(mdm_enroll_trust_t));
    }

    trust[core->ntrust++] = one;
    core->trust = trust;

    return NGX_OK;
}


static char *
ngx_mdm_enrollment_apple(ngx_conf_t *cf, ngx_mdm_enrollment_t *en,
    ngx_mdm_pem_t *pem)
{
    int               k, ok;
    X509             *cert;
    ngx_str_t        *file;
    ngx_uint_t        i;
    STACK_OF(X509)   *chain;

    en->core.apple = X509_STORE_new();
    if (en->core.apple == NULL) {
        return NGX_CONF_ERROR;
    }

    file = en->apple->elts;

    for (i = 0; i < en->apple->nelts; i++) {

        if (ngx_mdm_file_certificates(cf, pem, "apple_ca", &file[i], &cert,
                                      &chain)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        ok = X509_STORE_add_cert(en->core.apple, cert);

        for (k = 0; ok == 1 && k < sk_X509_num(chain); k++) {
            ok = X509_STORE_add_cert(en->core.apple, sk_X509_value(chain, k));
        }

        X509_free(cert);
        sk_X509_pop_free(chain, X509_free);

        ERR_clear_error();

        if (ok != 1) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_enrollment_signer(ngx_conf_t *cf, ngx_mdm_enrollment_t *en,
    ngx_mdm_pem_t *pem)
{
    const char          *why;
    mdm_enroll_block_t  *core;

    core = &en->core;

    if (ngx_mdm_file_certificates(cf, pem, "sign", &en->sign, &core->sign,
                                  &core->sign_chain)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    core->sign_key = ngx_mdm_file_key(cf, pem, "sign", &en->sign_key);

    if (core->sign_key == NULL) {
        return NGX_CONF_ERROR;
    }

    why = ngx_mdm_enrollment_signs(core);

    ERR_clear_error();

    if (why != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm enrollment \"%V\": certificate \"%V\" of "
                           "\"sign\" %s", &en->name, &en->sign, why);
        return NGX_CONF_ERROR;
    }

    if (X509_self_signed(core->sign, 0) == 1) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "mdm enrollment \"%V\": certificate \"%V\" of "
                           "\"sign\" is self-signed: devices will show "
                           "profiles as not verified", &en->name, &en->sign);
    }

    ngx_mdm_enrollment_unroot(core->sign_chain);

    ERR_clear_error();

    ngx_mdm_enrollment_expiry(en, cf->log, ngx_time());

    return NGX_CONF_OK;
}


/* NULL, or why it does not */

static const char *
ngx_mdm_enrollment_signs(mdm_enroll_block_t *core)
{
    int      type;
    int64_t  from;

    if (X509_check_private_key(core->sign, core->sign_key) != 1) {
        return "does not fit its key";
    }

    type = EVP_PKEY_get_base_id(core->sign_key);

    if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC) {
        return "has a key that is neither RSA nor EC";
    }

    if (mdm_ca_ends(core->sign) <= (int64_t) ngx_time()) {
        return "has expired";
    }

    if (mdm_certificate_time(X509_get0_notBefore(core->sign), &from) == MDM_OK
        && from > (int64_t) ngx_time())
    {
        return "is not valid yet";
    }

    return NULL;
}


/* a root that does not stand on the device already is not trusted so, too */

static void
ngx_mdm_enrollment_unroot(STACK_OF(X509) *chain)
{
    int  i;

    for (i = sk_X509_num(chain) - 1; i >= 0; i--) {
        if (X509_self_signed(sk_X509_value(chain, i), 0) == 1) {
            X509_free(sk_X509_delete(chain, i));
        }
    }
}
