
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lines that nginx itself writes of a request before this module has seen it:
 * that a body is too large, that one did not come in time.  In a location for
 * devices they name the client certificate: nothing else says whose result that
 * was.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_certificate.h"
#include "ngx_mdm_module.h"


static ngx_int_t ngx_mdm_log_post_read(ngx_http_request_t *r);
static u_char *ngx_mdm_log_handler(ngx_http_request_t *r,
    ngx_http_request_t *sr, u_char *buf, size_t len);


/*
 * nginx's own handler, which requests have without us.  It is taken from the
 * first request; before that nothing is logged here.
 */

static ngx_http_log_handler_pt  ngx_mdm_log_next;


ngx_int_t
ngx_mdm_log_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    /*
     * if the body is too large the request ends as soon as its location is
     * found
     */

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_mdm_log_post_read;

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_log_post_read(ngx_http_request_t *r)
{
    if (r->connection->ssl == NULL || r->log_handler == ngx_mdm_log_handler) {
        return NGX_DECLINED;
    }

    if (ngx_mdm_log_next == NULL) {
        ngx_mdm_log_next = r->log_handler;
    }

    /* whoever has set another one keeps it */

    if (r->log_handler == ngx_mdm_log_next) {
        r->log_handler = ngx_mdm_log_handler;
    }

    return NGX_DECLINED;
}


/* ours goes first: a long request line may fill what room there is */

static u_char *
ngx_mdm_log_handler(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    SSL                 *ssl;
    X509                *cert;
    u_char              *p, subject[MDM_SUBJECT_MAX];
    size_t               n;
    ngx_mdm_ctx_t       *ctx;
    ngx_mdm_loc_conf_t  *mlcf;

    p = buf;
    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    ctx = ngx_http_get_module_ctx(r, ngx_mdm_module);

    /* behind the body we write lines of our own, which name the device */

    if ((mlcf->checkin == 1 || mlcf->connect == 1)
        && (ctx == NULL || ctx->reading))
    {
        ssl = r->connection->ssl->connection;
        cert = SSL_get0_peer_certificate(ssl);

        if (cert != NULL && SSL_get_verify_result(ssl) == X509_V_OK) {
            n = mdm_certificate_print(cert, subject, sizeof(subject));

            p = ngx_snprintf(buf, len, ", certificate: \"%*s\"", n, subject);
        }
    }

    return ngx_mdm_log_next(r, sr, p, len - (p - buf));
}
