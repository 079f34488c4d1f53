
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The body of a request, in one piece, and the check of its signature.  What is
 * large comes from a temporary file: a thread reads it, and digests it.
 */


#include "ngx_mdm_module.h"


typedef struct {
    ngx_mdm_ctx_t            *ctx;
    ngx_mdm_body_pt           handler;
    ngx_chain_t              *bufs;
    mdm_str_t                 signature;   /* empty: none to check */
    ngx_mdm_identity_conf_t  *conf;
    ngx_err_t                 err;         /* of reading */
    unsigned                  failed:1;
    unsigned                  last:1;      /* nobody reads the file again */
    mdm_call_t                call;
} ngx_mdm_body_t;


static ngx_uint_t ngx_mdm_body_last(ngx_http_request_t *r);
static mdm_int_t ngx_mdm_body_work(mdm_arena_t *arena, void *data);
static void ngx_mdm_body_worked(mdm_call_t *call, void *data);
static mdm_int_t ngx_mdm_body_copy(mdm_arena_t *arena, ngx_mdm_body_t *b,
    mdm_str_t *body);
static ngx_int_t ngx_mdm_body_result(ngx_mdm_body_t *b);


ngx_int_t
ngx_mdm_body(ngx_mdm_ctx_t *ctx, ngx_mdm_body_pt handler)
{
    off_t                 size;
    ngx_int_t             rc;
    ngx_chain_t          *cl;
    mdm_exchange_t       *x;
    ngx_mdm_body_t       *b;
    ngx_http_request_t   *r;
    ngx_mdm_loc_conf_t   *mlcf;

    r = ctx->request;
    x = ctx->exchange;

    mdm_str_null(&x->body);

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    cl = r->request_body->bufs;

    if (cl->next == NULL && !cl->buf->in_file) {
        x->body.data = cl->buf->pos;
        x->body.len = cl->buf->last - cl->buf->pos;

        if (x->body.len <= MDM_EXCHANGE_LARGE) {
            return NGX_OK;
        }
    }

    size = 0;

    for ( /* void */ ; cl != NULL; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    b = mdm_arena_zalloc(x->arena, sizeof(ngx_mdm_body_t));
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    b->ctx = ctx;
    b->handler = handler;
    b->bufs = r->request_body->bufs;
    b->conf = &mlcf->identity;
    b->last = ngx_mdm_body_last(r);

    if (x->kind == MDM_KIND_CHECKIN || x->kind == MDM_KIND_CONNECT) {
        ngx_mdm_identity_signed(r, &mlcf->identity, &b->signature);
    }

    if (x->body.len != 0 && b->signature.len == 0) {
        return NGX_OK;
    }

    if (size <= MDM_EXCHANGE_LARGE || mlcf->threads == NULL) {
        b->signature.len = 0;

        (void) ngx_mdm_body_work(x->arena, b);

        return ngx_mdm_body_result(b);
    }

    b->call.kind = MDM_CALL_KIND_WORK;
    b->call.work = ngx_mdm_body_work;
    b->call.arena = x->arena;
    b->call.data = b;

    /* the thread may begin before this call returns */

    mdm_arena_away(x->arena, 1);

    rc = ngx_mdm_work_call(mlcf->threads, x->arena, &b->call,
                           ngx_mdm_body_worked, b);

    if (rc != NGX_OK) {
        mdm_arena_away(x->arena, 0);

        if (rc == NGX_DONE) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        (void) mdm_exchange_busy(x);
        ctx->done = 1;

        return NGX_OK;
    }

    /* all of it has come: a device that went away need not send it again */

    x->lasting = (x->kind != MDM_KIND_API);

    r->connection->log->action = "waiting for a thread";

    ctx->blocked = 1;
    r->main->blocked++;

    return NGX_DONE;
}


/*
 * Is the temporary file read by nobody but us?  To free its pages, which nginx
 * does when it closes the file, takes milliseconds.
 */

static ngx_uint_t
ngx_mdm_body_last(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return (!r->request_body_in_persistent_file
            && r == r->main
            && r->subrequests == NGX_HTTP_MAX_SUBREQUESTS + 1
            && clcf->post_action.data == NULL);
}


/* may run in a thread */

static mdm_int_t
ngx_mdm_body_work(mdm_arena_t *arena, void *data)
{
    mdm_exchange_t  *x;
    ngx_mdm_body_t  *b = data;

    x = b->ctx->exchange;

    if (x->body.len == 0 && ngx_mdm_body_copy(arena, b, &x->body) != MDM_OK) {
        b->failed = 1;
        return MDM_ERROR;
    }

    if (b->signature.len != 0) {
        ngx_mdm_identity_verify(b->conf, x, &b->signature,
                                &b->ctx->signature);
    }

    return MDM_OK;
}


static mdm_int_t
ngx_mdm_body_copy(mdm_arena_t *arena, ngx_mdm_body_t *b, mdm_str_t *body)
{
    off_t         size, offset;
    size_t        len;
    u_char       *p;
    ssize_t       n;
    ngx_buf_t    *buf;
    ngx_chain_t  *cl;

    size = 0;

    for (cl = b->bufs; cl != NULL; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    p = mdm_arena_alloc(arena, (size_t) size);
    if (p == NULL) {
        b->err = NGX_ENOMEM;
        return MDM_ERROR;
    }

    body->data = p;

    for (cl = b->bufs; cl != NULL; cl = cl->next) {

        buf = cl->buf;
        len = (size_t) ngx_buf_size(buf);

        /* the last one may be empty, and have no memory at all */

        if (!buf->in_file && len != 0) {
            p = ngx_cpymem(p, buf->pos, len);
            continue;
        }

        /* just written, so it comes from the page cache */

        offset = buf->file_pos;

        while (len != 0) {

            n = pread(buf->file->fd, p, len, offset);

            if (n <= 0) {
                b->err = (n == 0) ? 0 : ngx_errno;
                return MDM_ERROR;
            }

            p += n;
            offset += n;
            len -= (size_t) n;
        }
    }

    for (cl = b->bufs; b->last && cl != NULL; cl = cl->next) {

        /* if it fails, it just takes its time later */

        if (cl->buf->in_file && ftruncate(cl->buf->file->fd, 0) != 0) {
            break;
        }
    }

    body->len = (size_t) size;

    return MDM_OK;
}


static void
ngx_mdm_body_worked(mdm_call_t *call, void *data)
{
    ngx_int_t            rc;
    ngx_mdm_ctx_t       *ctx;
    ngx_mdm_body_t      *b = data;
    ngx_connection_t    *c;

    (void) call;

    ctx = b->ctx;
    c = ctx->request->connection;

    ngx_mdm_awake(ctx);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "mdm body worked: %uz bytes, gone:%d",
                   ctx->exchange->body.len, ctx->gone);

    mdm_arena_away(ctx->exchange->arena, 0);

    rc = (ctx->gone && !ctx->exchange->lasting) ? NGX_ERROR
                                                : ngx_mdm_body_result(b);

    b->handler(ctx, rc);

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_mdm_body_result(ngx_mdm_body_t *b)
{
    if (!b->failed) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_CRIT, b->ctx->request->connection->log, b->err,
                  "the body cannot be read back from its temporary file");

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}
