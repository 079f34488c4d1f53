
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The output of a connection.  What is small is written into blocks, so that
 * the calls of a turn leave in one write; a large argument is sent from where
 * it lies, in pieces.
 */


#include "ngx_mdm_redis_resp.h"


#define NGX_MDM_REDIS_BLOCK       16384

/* an argument of a large call that is not copied, from here on */
#define NGX_MDM_REDIS_REFER       4096

/* what a connection sends in a turn before others get theirs */
#define NGX_MDM_REDIS_PIECE       (256 * 1024)

/* "$", a length and two line ends */
#define NGX_MDM_REDIS_BULK        (1 + NGX_SIZE_T_LEN + 4)


typedef struct {
    ngx_chain_t               link;
    ngx_buf_t                 buf;
    void                     *owner;       /* of the bytes, NULL: they are in
                                              the block */
} ngx_mdm_redis_block_t;


static size_t ngx_mdm_redis_out_size(mdm_call_t *call, ngx_uint_t flags);
static u_char *ngx_mdm_redis_out_head(u_char *p, mdm_call_t *call,
    ngx_uint_t flags);
static u_char *ngx_mdm_redis_out_reserve(ngx_mdm_redis_out_t *out,
    size_t size);
static void ngx_mdm_redis_out_end(ngx_mdm_redis_out_t *out, u_char *p);
static ngx_int_t ngx_mdm_redis_out_refer(ngx_mdm_redis_out_t *out,
    mdm_str_t *arg, void *owner);
static ngx_mdm_redis_block_t *ngx_mdm_redis_out_block(size_t room);
static void ngx_mdm_redis_out_add(ngx_mdm_redis_out_t *out, ngx_chain_t *cl);
static void ngx_mdm_redis_out_sent(ngx_mdm_redis_out_t *out);
static u_char *ngx_mdm_redis_number(u_char *p, size_t n);
static u_char *ngx_mdm_redis_bulk(u_char *p, const u_char *data, size_t len);


ngx_int_t
ngx_mdm_redis_out_call(ngx_mdm_redis_out_t *out, mdm_call_t *call,
    ngx_uint_t flags)
{
    size_t       size;
    u_char      *p;
    mdm_uint_t   i;

    size = ngx_mdm_redis_out_size(call, flags);

    for (i = 0; i < call->nargs; i++) {
        size += NGX_MDM_REDIS_BULK + call->args[i].len;
    }

    p = ngx_mdm_redis_out_reserve(out, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p = ngx_mdm_redis_out_head(p, call, flags);

    for (i = 0; i < call->nargs; i++) {
        p = ngx_mdm_redis_bulk(p, call->args[i].data, call->args[i].len);
    }

    ngx_mdm_redis_out_end(out, p);

    return NGX_OK;
}


ngx_int_t
ngx_mdm_redis_out_large(ngx_mdm_redis_out_t *out, mdm_call_t *call,
    ngx_uint_t flags, void *owner)
{
    u_char               *p;
    mdm_str_t            *arg;
    mdm_uint_t            i;
    ngx_mdm_redis_out_t   large;

    /* in an output of its own, so that half a call is never written */

    ngx_memzero(&large, sizeof(ngx_mdm_redis_out_t));

    p = ngx_mdm_redis_out_reserve(&large,
                                  ngx_mdm_redis_out_size(call, flags));
    if (p == NULL) {
        goto failed;
    }

    ngx_mdm_redis_out_end(&large, ngx_mdm_redis_out_head(p, call, flags));

    for (i = 0; i < call->nargs; i++) {

        arg = &call->args[i];

        if (arg->len < NGX_MDM_REDIS_REFER) {
            p = ngx_mdm_redis_out_reserve(&large,
                                          NGX_MDM_REDIS_BULK + arg->len);
            if (p == NULL) {
                goto failed;
            }

            p = ngx_mdm_redis_bulk(p, arg->data, arg->len);
            ngx_mdm_redis_out_end(&large, p);
            continue;
        }

        if (ngx_mdm_redis_out_refer(&large, arg, owner) != NGX_OK) {
            goto failed;
        }
    }

    if (out->last != NULL) {
        out->last->next = large.first;

    } else {
        out->first = large.first;
    }

    out->last = large.last;
    out->queued += large.queued;

    return NGX_OK;

failed:

    ngx_mdm_redis_out_free(&large);

    return NGX_ERROR;
}


/* "$N", the bytes where they are, and the line end */

static ngx_int_t
ngx_mdm_redis_out_refer(ngx_mdm_redis_out_t *out, mdm_str_t *arg, void *owner)
{
    u_char                 *p;
    ngx_buf_t              *b;
    ngx_mdm_redis_block_t  *block;

    p = ngx_mdm_redis_out_reserve(out, NGX_MDM_REDIS_BULK);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p++ = '$';
    p = ngx_mdm_redis_number(p, arg->len);
    ngx_mdm_redis_out_end(out, p);

    block = ngx_mdm_redis_out_block(0);
    if (block == NULL) {
        return NGX_ERROR;
    }

    block->owner = owner;

    b = &block->buf;
    b->start = arg->data;
    b->pos = arg->data;
    b->last = arg->data + arg->len;
    b->end = b->last;

    ngx_mdm_redis_out_add(out, &block->link);

    out->queued += (off_t) arg->len;

    p = ngx_mdm_redis_out_reserve(out, 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p++ = CR; *p++ = LF;
    ngx_mdm_redis_out_end(out, p);

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
ngx_mdm_redis_out_command(ngx_mdm_redis_out_t *out, const ngx_str_t *argv,
    ngx_uint_t argc)
{
    size_t       size;
    u_char      *p;
    ngx_uint_t   i;

    size = NGX_MDM_REDIS_BULK;

    for (i = 0; i < argc; i++) {
        size += NGX_MDM_REDIS_BULK + argv[i].len;
    }

    p = ngx_mdm_redis_out_reserve(out, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p++ = '*';
    p = ngx_mdm_redis_number(p, argc);

    for (i = 0; i < argc; i++) {
        p = ngx_mdm_redis_bulk(p, argv[i].data, argv[i].len);
    }

    ngx_mdm_redis_out_end(out, p);

    return NGX_OK;
}


ngx_int_t
ngx_mdm_redis_out_auth(ngx_mdm_redis_out_t *out, ngx_str_t *user,
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


/* room in one piece; the caller moves the buffer's end */

static u_char *
ngx_mdm_redis_out_reserve(ngx_mdm_redis_out_t *out, size_t size)
{
    ngx_buf_t              *b;
    ngx_chain_t            *cl;
    ngx_mdm_redis_block_t  *block;

    if (out->last != NULL) {
        b = out->last->buf;

        if ((size_t) (b->end - b->last) >= size) {
            return b->last;
        }
    }

    if (out->spare != NULL && size <= NGX_MDM_REDIS_BLOCK) {
        cl = out->spare;
        out->spare = NULL;

    } else {
        block = ngx_mdm_redis_out_block(ngx_max(size, NGX_MDM_REDIS_BLOCK));
        if (block == NULL) {
            return NULL;
        }

        cl = &block->link;
    }

    ngx_mdm_redis_out_add(out, cl);

    return cl->buf->last;
}


static void
ngx_mdm_redis_out_end(ngx_mdm_redis_out_t *out, u_char *p)
{
    ngx_buf_t  *b;

    b = out->last->buf;

    out->queued += p - b->last;
    b->last = p;
}


/* with room for so many bytes behind it */

static ngx_mdm_redis_block_t *
ngx_mdm_redis_out_block(size_t room)
{
    ngx_buf_t              *b;
    ngx_mdm_redis_block_t  *block;

    block = ngx_alloc(sizeof(ngx_mdm_redis_block_t) + room, ngx_cycle->log);
    if (block == NULL) {
        return NULL;
    }

    ngx_memzero(block, sizeof(ngx_mdm_redis_block_t));

    b = &block->buf;
    b->start = (u_char *) block + sizeof(ngx_mdm_redis_block_t);
    b->pos = b->start;
    b->last = b->start;
    b->end = b->start + room;
    b->temporary = 1;

    block->link.buf = b;

    return block;
}


static void
ngx_mdm_redis_out_add(ngx_mdm_redis_out_t *out, ngx_chain_t *cl)
{
    cl->next = NULL;

    if (out->last != NULL) {
        out->last->next = cl;

    } else {
        out->first = cl;
    }

    out->last = cl;
}


ngx_int_t
ngx_mdm_redis_out_detach(ngx_mdm_redis_out_t *out, void *owner)
{
    size_t                   size;
    ngx_buf_t               *b;
    ngx_chain_t             *cl, **p;
    ngx_mdm_redis_block_t   *block;

    for (p = &out->first; *p != NULL; p = &(*p)->next) {

        cl = *p;

        if (((ngx_mdm_redis_block_t *) cl)->owner != owner) {
            continue;
        }

        b = cl->buf;
        size = b->last - b->pos;

        block = ngx_mdm_redis_out_block(size);
        if (block == NULL) {
            return NGX_ERROR;
        }

        block->buf.last = ngx_cpymem(block->buf.pos, b->pos, size);
        block->link.next = cl->next;

        *p = &block->link;

        if (out->last == cl) {
            out->last = &block->link;
        }

        ngx_free(cl);
    }

    return NGX_OK;
}


ngx_int_t
ngx_mdm_redis_out_send(ngx_mdm_redis_out_t *out, ngx_connection_t *c,
    ngx_uint_t *sends)
{
    off_t         end;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *rest;

    end = c->sent + NGX_MDM_REDIS_PIECE;

    while (out->first != NULL) {

        if (!c->write->ready) {
            return NGX_AGAIN;
        }

        if (c->sent >= end) {
            return NGX_BUSY;
        }

        (*sends)++;

        /* TLS would take a chain as a whole, whatever its limit is */

        if (out->first->next == NULL || c->ssl != NULL) {
            b = out->first->buf;

            n = c->send(c, b->pos, ngx_min((size_t) (b->last - b->pos),
                                           NGX_MDM_REDIS_PIECE));

            if (n == NGX_ERROR) {
                return NGX_ERROR;
            }

            if (n == NGX_AGAIN) {
                return NGX_AGAIN;
            }

            b->pos += n;

        } else {
            rest = c->send_chain(c, out->first, NGX_MDM_REDIS_PIECE);

            if (rest == NGX_CHAIN_ERROR) {
                return NGX_ERROR;
            }
        }

        ngx_mdm_redis_out_sent(out);
    }

    return NGX_OK;
}


/* frees blocks that have been sent */

static void
ngx_mdm_redis_out_sent(ngx_mdm_redis_out_t *out)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    while (out->first != NULL) {
        cl = out->first;
        b = cl->buf;

        if (b->pos != b->last) {
            return;
        }

        out->first = cl->next;

        if (out->first == NULL) {
            out->last = NULL;
        }

        if (out->spare == NULL
            && ((ngx_mdm_redis_block_t *) cl)->owner == NULL
            && b->end - b->start == NGX_MDM_REDIS_BLOCK)
        {
            b->pos = b->start;
            b->last = b->start;
            out->spare = cl;

        } else {
            ngx_free(cl);
        }
    }
}


void
ngx_mdm_redis_out_free(ngx_mdm_redis_out_t *out)
{
    ngx_chain_t  *cl;

    while (out->first != NULL) {
        cl = out->first;
        out->first = cl->next;
        ngx_free(cl);
    }

    out->last = NULL;
    out->queued = 0;

    if (out->spare != NULL) {
        ngx_free(out->spare);
        out->spare = NULL;
    }
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
