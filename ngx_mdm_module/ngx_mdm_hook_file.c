
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Files of a webhook: the key that bodies are signed with, and headers that
 * tell the receiver who sends.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_event_body.h"
#include "ngx_mdm_hook.h"


#define NGX_MDM_HOOK_FILE     8192
#define NGX_MDM_HOOK_HEADERS  16


static ngx_int_t ngx_mdm_hook_key(ngx_conf_t *cf, ngx_str_t *name, u_char *buf,
    ssize_t n, EVP_MAC_CTX **hmac);
static void ngx_mdm_hook_hmac_free(void *data);
static ngx_int_t ngx_mdm_hook_header(ngx_conf_t *cf, ngx_str_t *file,
    ngx_uint_t line, ngx_str_t *text, mdm_http_header_t *header);
static ngx_uint_t ngx_mdm_hook_own_header(mdm_str_t *name);


/* those that are made here */

static const char *const  ngx_mdm_hook_own_headers[] = {
    "Connection", "Content-Length", "Content-Type", "Expect", "Host", "TE",
    "Trailer", "Transfer-Encoding", "Upgrade", "X-Hmac-Signature",
    "X-Mdm-Attempt", "X-Mdm-Tenant", NULL
};


ngx_int_t
ngx_mdm_hook_key_file(ngx_conf_t *cf, ngx_str_t *name, EVP_MAC_CTX **hmac)
{
    u_char      buf[NGX_MDM_HOOK_FILE + 1];
    ssize_t     n;
    ngx_int_t   rc;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    n = ngx_mdm_store_read_file(cf, "HMAC key file", name, buf, sizeof(buf));
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    rc = (n <= NGX_MDM_HOOK_FILE)
         ? ngx_mdm_hook_key(cf, name, buf, n, hmac) : NGX_DECLINED;

    OPENSSL_cleanse(buf, sizeof(buf));

    if (rc == NGX_DECLINED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "HMAC key file \"%V\" is larger than %d bytes",
                           name, NGX_MDM_HOOK_FILE);
        return NGX_ERROR;
    }

    return rc;
}


static ngx_int_t
ngx_mdm_hook_key(ngx_conf_t *cf, ngx_str_t *name, u_char *buf, ssize_t n,
    EVP_MAC_CTX **hmac)
{
    mdm_str_t            key;
    ngx_pool_cleanup_t  *cln;

    /* an editor's line end is no part of it */

    if (n > 0 && buf[n - 1] == LF) {
        n--;
    }

    if (n > 0 && buf[n - 1] == CR) {
        n--;
    }

    if (n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "HMAC key file \"%V\" is empty", name);
        return NGX_ERROR;
    }

    key.len = (size_t) n;
    key.data = buf;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    *hmac = mdm_event_hmac_create(&key);

    if (*hmac == NULL) {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0, "HMAC with SHA-256 failed");
        return NGX_ERROR;
    }

    cln->handler = ngx_mdm_hook_hmac_free;
    cln->data = *hmac;

    return NGX_OK;
}


static void
ngx_mdm_hook_hmac_free(void *data)
{
    EVP_MAC_CTX_free(data);
}


ngx_int_t
ngx_mdm_hook_header_file(ngx_conf_t *cf, ngx_str_t *name,
    mdm_webhook_t *webhook)
{
    u_char             *p, *end, *buf;
    ssize_t             n;
    ngx_str_t           text;
    ngx_uint_t          line;
    mdm_http_header_t  *headers;

    buf = ngx_pnalloc(cf->pool, NGX_MDM_HOOK_FILE + 1);
    headers = ngx_pcalloc(cf->pool, NGX_MDM_HOOK_HEADERS
                                    * sizeof(mdm_http_header_t));

    if (buf == NULL || headers == NULL
        || ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = ngx_mdm_store_read_file(cf, "header file", name, buf,
                                NGX_MDM_HOOK_FILE + 1);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (n > NGX_MDM_HOOK_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "header file \"%V\" is larger than %d bytes",
                           name, NGX_MDM_HOOK_FILE);
        return NGX_ERROR;
    }

    webhook->headers = headers;

    line = 0;

    for (p = buf; p < buf + n; p = end + 1) {
        line++;

        end = ngx_strlchr(p, buf + n, LF);
        end = (end != NULL) ? end : buf + n;

        text.data = p;
        text.len = end - p;

        if (text.len != 0 && text.data[text.len - 1] == CR) {
            text.len--;
        }

        if (text.len == 0) {
            continue;
        }

        if (webhook->nheaders == NGX_MDM_HOOK_HEADERS) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "header file \"%V\" has more than %d headers",
                               name, NGX_MDM_HOOK_HEADERS);
            return NGX_ERROR;
        }

        if (ngx_mdm_hook_header(cf, name, line, &text,
                                &headers[webhook->nheaders])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        webhook->nheaders++;
    }

    if (webhook->nheaders == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "header file \"%V\" has no header", name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* "Name: value"; what it says is not for the log */

static ngx_int_t
ngx_mdm_hook_header(ngx_conf_t *cf, ngx_str_t *file, ngx_uint_t line,
    ngx_str_t *text, mdm_http_header_t *header)
{
    u_char       c, *colon, *p, *end;
    const char  *why;

    end = text->data + text->len;
    colon = ngx_strlchr(text->data, end, ':');
    why = "is not \"Name: value\"";

    if (colon == NULL || colon == text->data) {
        goto bad;
    }

    header->name.data = text->data;
    header->name.len = colon - text->data;

    for (p = text->data; p < colon; p++) {
        c = *p;

        if ((c < '0' || c > '9') && ((c | 0x20) < 'a' || (c | 0x20) > 'z')
            && c != '-' && c != '_')
        {
            goto bad;
        }
    }

    for (p = colon + 1; p < end && (*p == ' ' || *p == '\t'); p++) {
        /* void */
    }

    header->value.data = p;
    header->value.len = end - p;

    for ( /* void */ ; p < end; p++) {
        if ((*p < ' ' && *p != '\t') || *p == 0x7f) {
            why = "has a control character";
            goto bad;
        }
    }

    if (header->value.len == 0) {
        why = "has no value";
        goto bad;
    }

    if (ngx_mdm_hook_own_header(&header->name)) {
        why = "is a header that is set already";
        goto bad;
    }

    return NGX_OK;

bad:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "line %ui of the header file \"%V\" %s", line, file,
                       why);
    return NGX_ERROR;
}


static ngx_uint_t
ngx_mdm_hook_own_header(mdm_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; ngx_mdm_hook_own_headers[i] != NULL; i++) {

        if (name->len == ngx_strlen(ngx_mdm_hook_own_headers[i])
            && ngx_strncasecmp(name->data,
                               (u_char *) ngx_mdm_hook_own_headers[i],
                               name->len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}
