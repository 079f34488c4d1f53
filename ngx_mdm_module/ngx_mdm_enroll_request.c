
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A request of somebody who wants to enroll: what the core is to know of it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_binding.h"
#include "ngx_mdm_module.h"


static void ngx_mdm_enroll_path(ngx_http_request_t *r,
    ngx_mdm_loc_conf_t *mlcf, mdm_str_t *rest);
static void ngx_mdm_enroll_header(ngx_http_request_t *r, const char *name,
    mdm_str_t *value);
static ngx_int_t ngx_mdm_enroll_url(ngx_http_request_t *r, mdm_exchange_t *x);


ngx_int_t
ngx_mdm_enroll_request(ngx_mdm_ctx_t *ctx)
{
    ngx_str_t            person;
    mdm_exchange_t      *x;
    ngx_http_request_t  *r;
    ngx_mdm_loc_conf_t  *mlcf;

    r = ctx->request;
    x = ctx->exchange;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    /* the threads that sign are the block's */

    ctx->round.threads = mlcf->way.enrollment->threads;

    x->enrollment = &mlcf->way.enrollment->core;
    x->ways = mlcf->way.ways;
    x->head = (r->method == NGX_HTTP_HEAD);

    ngx_mdm_str_copy(&x->query, &r->args);

    if (r->headers_in.user_agent != NULL) {
        ngx_mdm_str_copy(&x->user_agent, &r->headers_in.user_agent->value);
    }

    ngx_mdm_enroll_header(r, "x-apple-aspen-deviceinfo", &x->deviceinfo);

    ngx_mdm_enroll_path(r, mlcf, &x->path);

    if (ngx_mdm_enroll_url(r, x) != NGX_OK) {
        return NGX_ERROR;
    }

    x->asked = (mlcf->way.person != NULL);
    x->login = (mlcf->way.login != NULL);

    if (mlcf->way.person != NULL) {

        if (ngx_http_complex_value(r, mlcf->way.person, &person) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_mdm_str_copy(&x->person, &person);

        if (mlcf->way.named && !ngx_mdm_enroll_named(r)) {
            mdm_str_null(&x->person);
        }
    }

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mdm enroll request: ways %xi, %uz bytes of path, "
                   "deviceinfo:%d, person:%d", x->ways, x->path.len,
                   x->deviceinfo.len != 0, x->person.len != 0);

    if (x->person.len > MDM_CHALLENGE_NAME
        || !mdm_utf8_valid(&x->person) || mdm_utf8_control(&x->person))
    {
        (void) mdm_exchange_refuse(x, NGX_HTTP_FORBIDDEN,
                                   "mdm_enroll_person is longer than %d "
                                   "octets, not UTF-8, or has control "
                                   "characters", MDM_CHALLENGE_NAME);
        ctx->done = 1;

        return NGX_OK;
    }

    if (ngx_mdm_ca_serves(mlcf->way.enrollment->ca,
                          (ngx_str_t *) &x->tenant))
    {
        return NGX_OK;
    }

    (void) mdm_exchange_refuse(x, NGX_HTTP_FORBIDDEN,
                               "mdm ca \"%.*s\" does not serve tenant "
                               "\"%.*s\"",
                               mdm_fmt(&x->enrollment->scep.ca->name),
                               mdm_fmt(&x->tenant));
    ctx->done = 1;

    return NGX_OK;
}


/* what is behind the location, without slashes around */

static void
ngx_mdm_enroll_path(ngx_http_request_t *r, ngx_mdm_loc_conf_t *mlcf,
    mdm_str_t *rest)
{
    u_char                    *p;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    rest->data = r->uri.data + r->uri.len;
    rest->len = 0;

    if (mlcf->unprefixed) {

        /* the name is no prefix: the last segment may be a token */

        for (p = rest->data; p > r->uri.data && p[-1] != '/'; p--) {
            /* void */
        }

        rest->len = rest->data - p;
        rest->data = p;

    } else if (r->uri.len > clcf->name.len
               && ngx_strncmp(r->uri.data, clcf->name.data, clcf->name.len)
                  == 0)
    {
        rest->data = r->uri.data + clcf->name.len;
        rest->len = r->uri.len - clcf->name.len;
    }

    while (rest->len != 0 && rest->data[0] == '/') {
        rest->data++;
        rest->len--;
    }

    while (rest->len != 0 && rest->data[rest->len - 1] == '/') {
        rest->len--;
    }
}


static void
ngx_mdm_enroll_header(ngx_http_request_t *r, const char *name,
    mdm_str_t *value)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                ngx_mdm_str_copy(value, &h[i].value);
                return;
            }
        }
    }
}


/*
 * x->url.  Its scheme is that of the URLs in the block, whatever this
 * connection is: devices come by TLS, which a proxy in front may end.
 */

static ngx_int_t
ngx_mdm_enroll_url(ngx_http_request_t *r, mdm_exchange_t *x)
{
    mdm_str_t   path;
    ngx_str_t  *host;

    /* with the port, if it is given */

    host = (r->headers_in.host != NULL) ? &r->headers_in.host->value
                                        : &r->headers_in.server;

    return (mdm_escape(x->arena, &path, (mdm_str_t *) &r->uri, "/") == MDM_OK
            && mdm_printf(x->arena, &x->url, "https://%.*s%.*s",
                          mdm_fmt((mdm_str_t *) host), mdm_fmt(&path))
               == MDM_OK)
           ? NGX_OK : NGX_ERROR;
}
