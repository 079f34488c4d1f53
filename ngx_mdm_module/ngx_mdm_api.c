
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A request of the admin API: what it asks for, and who asks.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_module.h"


static ngx_uint_t ngx_mdm_api_same(ngx_str_t *raw, ngx_str_t *uri);
static ngx_uint_t ngx_mdm_api_root(ngx_str_t *path);
static void ngx_mdm_api_actor(ngx_http_request_t *r, mdm_exchange_t *x);


void
ngx_mdm_api_request(ngx_http_request_t *r, mdm_exchange_t *x)
{
    ngx_mdm_str_copy(&x->query, &r->args);

    ngx_mdm_api_path(r, &x->path);
    ngx_mdm_api_actor(r, x);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mdm api request: \"%V\" by \"%V\"",
                   (ngx_str_t *) &x->path, (ngx_str_t *) &x->remote_user);
}


void
ngx_mdm_api_refuse_body(ngx_mdm_ctx_t *ctx)
{
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_mdm_module);

    (void) mdm_exchange_refuse(ctx->exchange, 413, "the body is larger than "
                               "\"mdm_api_body\" allows, %lu bytes",
                               (unsigned long) mlcf->api_body);
    ctx->done = 1;
}


/*
 * The API's path begins at "/v1/", "/version" or "/migration", in the root or
 * under the location's prefix.  Ids are split before they are decoded, so the
 * path is taken as it came, if it means what nginx has chosen the location
 * by: what a "../" or a rewrite has changed there must not lead past the
 * access control of another location.
 */

void
ngx_mdm_api_path(ngx_http_request_t *r, mdm_str_t *api)
{
    u_char                    *p;
    ngx_str_t                  path, rest;
    ngx_mdm_loc_conf_t        *mlcf;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    path = r->uri;

    if (r->valid_unparsed_uri) {
        rest = r->unparsed_uri;

        p = ngx_strlchr(rest.data, rest.data + rest.len, '?');
        if (p != NULL) {
            rest.len = p - rest.data;
        }

        if (ngx_mdm_api_same(&rest, &r->uri)) {
            path = rest;
        }
    }

    ngx_mdm_str_copy(api, &path);

    if (ngx_mdm_api_root(&path)) {
        return;
    }

    rest = clcf->name;

    if (rest.len != 0 && rest.data[rest.len - 1] == '/') {
        rest.len--;
    }

    if (path.len > rest.len
        && ngx_strncmp(path.data, rest.data, rest.len) == 0)
    {
        rest.data = path.data + rest.len;
        rest.len = path.len - rest.len;

        if (ngx_mdm_api_root(&rest)) {
            ngx_mdm_str_copy(api, &rest);
            return;
        }
    }

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (!mlcf->unprefixed) {
        return;
    }

    /* the name is no prefix: look for the root in the path */

    for (p = path.data + 1; p < path.data + path.len; p++) {

        if (*p != '/') {
            continue;
        }

        rest.data = p;
        rest.len = path.data + path.len - p;

        if (ngx_mdm_api_root(&rest)) {
            ngx_mdm_str_copy(api, &rest);
            return;
        }
    }
}


/* is the path, as it came, the one that nginx has made of it? */

static ngx_uint_t
ngx_mdm_api_same(ngx_str_t *raw, ngx_str_t *uri)
{
    u_char     *p, *end;
    size_t      i;
    ngx_int_t   c;

    p = raw->data;
    end = p + raw->len;

    for (i = 0; i < uri->len && p < end; i++) {

        c = *p++;

        if (c == '%' && end - p >= 2) {
            c = ngx_hextoi(p, 2);
            p += 2;
        }

        if (c != uri->data[i]) {
            return 0;
        }
    }

    return (i == uri->len && p == end);
}


static ngx_uint_t
ngx_mdm_api_root(ngx_str_t *path)
{
    return mdm_str_is((mdm_str_t *) path, "/version")
           || mdm_str_is((mdm_str_t *) path, "/migration")
           || (path->len > 4 && ngx_strncmp(path->data, "/v1/", 4) == 0);
}


/*
 * Who: the subject of a verified certificate, or else the user of basic
 * authentication.  The latter is only as good as the location's auth_basic:
 * a name that nobody has checked must not stand before one that TLS has.
 */

static void
ngx_mdm_api_actor(ngx_http_request_t *r, mdm_exchange_t *x)
{
    ngx_str_t                   name;
    ngx_uint_t                  key;
    ngx_http_variable_value_t  *vv;

    ngx_str_set(&name, "ssl_client_verify");
    key = ngx_hash_key(name.data, name.len);

    vv = ngx_http_get_variable(r, &name, key);

    if (vv != NULL && !vv->not_found && vv->len == 7
        && ngx_strncmp(vv->data, "SUCCESS", 7) == 0)
    {
        ngx_str_set(&name, "ssl_client_s_dn");
        key = ngx_hash_key(name.data, name.len);

        vv = ngx_http_get_variable(r, &name, key);

        if (vv != NULL && !vv->not_found && vv->len != 0) {
            x->remote_user.data = vv->data;
            x->remote_user.len = vv->len;
            return;
        }
    }

    if (ngx_http_auth_basic_user(r) == NGX_OK
        && r->headers_in.user.len != 0)
    {
        ngx_mdm_str_copy(&x->remote_user, &r->headers_in.user);
    }
}
