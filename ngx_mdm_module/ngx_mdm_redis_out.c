
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Calls and commands, as they are written to the output of a connection.
 */


#include "ngx_mdm_redis_resp.h"


/* an argument of a large call that is not copied, from here on */
#define NGX_MDM_REDIS_REFER       4096

/* "$", a length and two line ends */
#define NGX_MDM_REDIS_BULK        (1 + NGX_SIZE_T_LEN + 4)


static size_t ngx_mdm_redis_out_size(mdm_call_t *call, ngx_uint_t flags);
static u_char *ngx_mdm_redis_out_head(u_char *p, mdm_call_t *call,
    ngx_uint_t flags);
static ngx_int_t ngx_mdm_redis_out_refer(ngx_mdm_peer_out_t *out,
    mdm_str_t *arg, void *owner);
static u_char *ngx_mdm_redis_number(u_char *p, size_t n);
static u_char *ngx_mdm_redis_bulk(u_char *p, const u_char *data, size_t len);


ngx_int_t
ngx_mdm_redis_out_call(ngx_mdm_peer_out_t *out, mdm_call_t *call,
    ngx_uint_t flags)
{
    size_t       size;
    u_char      *p;
    mdm_uint_t   i;

    size = ngx_mdm_redis_out_size(call, flags);

    for (i = 0; i < call->nargs; i++) {
        size += NGX_MDM_REDIS_BULK + call->args[i].len;
    }

    p = ngx_mdm_peer_out_reserve(out, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p = ngx_mdm_redis_out_head(p, call, flags);

    for (i = 0; i < call->nargs; i++) {
        p = ngx_mdm_redis_bulk(p, call->args[i].data, call->args[i].len);
    }

    ngx_mdm_peer_out_end(out, p);

    return NGX_OK;
}


ngx_int_t
ngx_mdm_redis_out_large(ngx_mdm_peer_out_t *out, mdm_call_t *call,
    ngx_uint_t flags, void *owner)
{
    u_char               *p;
    mdm_str_t            *arg;
    mdm_uint_t            i;
    ngx_mdm_peer_out_t   large;

    /* in an output of its own, so that half a call is never written */

    ngx_memzero(&large, sizeof(ngx_mdm_peer_out_t));

    p = ngx_mdm_peer_out_reserve(&large,
                                  ngx_mdm_redis_out_size(call, flags));
    if (p == NULL) {
        goto failed;
    }

    ngx_mdm_peer_out_end(&large, ngx_mdm_redis_out_head(p, call, flags));

    for (i = 0; i < call->nargs; i++) {

        arg = &call->args[i];

        if (arg->len < NGX_MDM_REDIS_REFER) {
            p = ngx_mdm_peer_out_reserve(&large,
                                          NGX_MDM_REDIS_BULK + arg->len);
            if (p == NULL) {
                goto failed;
            }

            p = ngx_mdm_redis_bulk(p, arg->data, arg->len);
            ngx_mdm_peer_out_end(&large, p);
            continue;
        }

        if (ngx_mdm_redis_out_refer(&large, arg, owner) != NGX_OK) {
            goto failed;
        }
    }

    ngx_mdm_peer_out_join(out, &large);

    return NGX_OK;

failed:

    ngx_mdm_peer_out_free(&large);

    return NGX_ERROR;
}


/* "$N", the bytes where they are, and the line end */

static ngx_int_t
ngx_mdm_redis_out_refer(ngx_mdm_peer_out_t *out, mdm_str_t *arg, void *owner)
{
    u_char  *p;

    p = ngx_mdm_peer_out_reserve(out, NGX_MDM_REDIS_BULK);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p++ = '$';
    p = ngx_mdm_redis_number(p, arg->len);
    ngx_mdm_peer_out_end(out, p);

    if (ngx_mdm_peer_out_refer(out, arg->data, arg->len, owner) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_mdm_peer_out_reserve(out, 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p++ = CR; *p++ = LF;
    ngx_mdm_peer_out_end(out, p);

    return NGX_OK;
}


/* of all but the arguments, at most */

static size_t
ngx_mdm_redis_out_size(mdm_call_t *call, ngx_uint_t flags)
{
    return NGX_MDM_REDIS_BULK                       /* "*N" */
           + sizeof("$7\r\nEVALSHA\r\n") - 1
           + NGX_MDM_REDIS_BULK
           + ((flags & NGX_MDM_REDIS_EVAL) ? call->script->body.len
                                           : call->script->sha1.len)
           + sizeof("$1\r\n1\r\n") - 1
           + (NGX_MDM_REDIS_BULK + call->key.len + 1) * 2
           + sizeof("*1\r\n$6\r\nASKING\r\n") - 1;
}


static u_char *
ngx_mdm_redis_out_head(u_char *p, mdm_call_t *call, ngx_uint_t flags)
{
    ngx_uint_t           pair;
    const mdm_script_t  *script;

    script = call->script;
    pair = (flags & NGX_MDM_REDIS_PAIR) ? 1 : 0;

    if (flags & NGX_MDM_REDIS_ASKING) {
        p = ngx_cpymem(p, "*1\r\n$6\r\nASKING\r\n",
                       sizeof("*1\r\n$6\r\nASKING\r\n") - 1);
    }

    *p++ = '*';
    p = ngx_mdm_redis_number(p, call->nargs + 4 + pair);

    if (flags & NGX_MDM_REDIS_EVAL) {
        p = ngx_cpymem(p, "$4\r\nEVAL\r\n", sizeof("$4\r\nEVAL\r\n") - 1);
        p = ngx_mdm_redis_bulk(p, script->body.data, script->body.len);

    } else {
        p = ngx_cpymem(p, "$7\r\nEVALSHA\r\n$40\r\n",
                       sizeof("$7\r\nEVALSHA\r\n$40\r\n") - 1);
        p = ngx_cpymem(p, script->sha1.data, 40);
        *p++ = CR; *p++ = LF;
    }

    p = ngx_cpymem(p, pair ? "$1\r\n2\r\n" : "$1\r\n1\r\n",
                   sizeof("$1\r\n1\r\n") - 1);
    p = ngx_mdm_redis_bulk(p, call->key.data, call->key.len);

    if (pair) {
        *p++ = '$';
        p = ngx_mdm_redis_number(p, call->key.len + 1);
        p = ngx_cpymem(p, call->key.data, call->key.len);
        *p++ = ':';
        *p++ = CR; *p++ = LF;
    }

    return p;
}


ngx_int_t
ngx_mdm_redis_out_command(ngx_mdm_peer_out_t *out, const ngx_str_t *argv,
    ngx_uint_t argc)
{
    size_t       size;
    u_char      *p;
    ngx_uint_t   i;

    size = NGX_MDM_REDIS_BULK;

    for (i = 0; i < argc; i++) {
        size += NGX_MDM_REDIS_BULK + argv[i].len;
    }

    p = ngx_mdm_peer_out_reserve(out, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p++ = '*';
    p = ngx_mdm_redis_number(p, argc);

    for (i = 0; i < argc; i++) {
        p = ngx_mdm_redis_bulk(p, argv[i].data, argv[i].len);
    }

    ngx_mdm_peer_out_end(out, p);

    return NGX_OK;
}


ngx_int_t
ngx_mdm_redis_out_auth(ngx_mdm_peer_out_t *out, ngx_str_t *user,
    ngx_str_t *password)
{
    ngx_str_t   argv[3];
    ngx_uint_t  n;

    if (password->len == 0) {
        return NGX_OK;
    }

    n = 0;

    ngx_str_set(&argv[n], "AUTH");
    n++;

    if (user->len != 0) {
        argv[n++] = *user;
    }

    argv[n++] = *password;

    return ngx_mdm_redis_out_command(out, argv, n);
}


/* a decimal number and the line end */

static u_char *
ngx_mdm_redis_number(u_char *p, size_t n)
{
    if (n < 10) {
        *p++ = (u_char) ('0' + n);

    } else if (n < 100) {
        *p++ = (u_char) ('0' + n / 10);
        *p++ = (u_char) ('0' + n % 10);

    } else {
        p = ngx_sprintf(p, "%uz", n);
    }

    *p++ = CR; *p++ = LF;

    return p;
}


static u_char *
ngx_mdm_redis_bulk(u_char *p, const u_char *data, size_t len)
{
    *p++ = '$';
    p = ngx_mdm_redis_number(p, len);

    if (len != 0) {
        p = ngx_cpymem(p, data, len);
    }

    *p++ = CR; *p++ = LF;

    return p;
}
