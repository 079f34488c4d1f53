
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The output of a peer.  What is small is written into blocks, so that all of
 * a turn leaves in one write; what is large is sent from where it lies, in
 * pieces.
 */


#include "ngx_mdm_peer_out.h"


#define NGX_MDM_PEER_BLOCK  16384

/* what a connection sends in a turn before others get theirs */
#define NGX_MDM_PEER_PIECE  (256 * 1024)


typedef struct {
    ngx_chain_t               link;
    ngx_buf_t                 buf;
    void                     *owner;       /* of the bytes, NULL: they are in
                                              the block */
} ngx_mdm_peer_block_t;


static ngx_mdm_peer_block_t *ngx_mdm_peer_out_block(size_t room);
static void ngx_mdm_peer_out_add(ngx_mdm_peer_out_t *out, ngx_chain_t *cl);
static void ngx_mdm_peer_out_sent(ngx_mdm_peer_out_t *out);


u_char *
ngx_mdm_peer_out_reserve(ngx_mdm_peer_out_t *out, size_t size)
{
    ngx_buf_t              *b;
    ngx_chain_t            *cl;
    ngx_mdm_peer_block_t  *block;

    if (out->last != NULL) {
        b = out->last->buf;

        if ((size_t) (b->end - b->last) >= size) {
            return b->last;
        }
    }

    if (out->spare != NULL && size <= NGX_MDM_PEER_BLOCK) {
        cl = out->spare;
        out->spare = NULL;

    } else {
        block = ngx_mdm_peer_out_block(ngx_max(size, NGX_MDM_PEER_BLOCK));
        if (block == NULL) {
            return NULL;
        }

        cl = &block->link;
    }

    ngx_mdm_peer_out_add(out, cl);

    return cl->buf->last;
}


ngx_int_t
ngx_mdm_peer_out_refer(ngx_mdm_peer_out_t *out, u_char *data, size_t len,
    void *owner)
{
    ngx_buf_t              *b;
    ngx_mdm_peer_block_t  *block;

    block = ngx_mdm_peer_out_block(0);
    if (block == NULL) {
        return NGX_ERROR;
    }

    block->owner = owner;

    b = &block->buf;
    b->start = data;
    b->pos = data;
    b->last = data + len;
    b->end = b->last;

    ngx_mdm_peer_out_add(out, &block->link);

    out->queued += (off_t) len;

    return NGX_OK;
}


void
ngx_mdm_peer_out_join(ngx_mdm_peer_out_t *out, ngx_mdm_peer_out_t *from)
{
    if (out->last != NULL) {
        out->last->next = from->first;

    } else {
        out->first = from->first;
    }

    out->last = from->last;
    out->queued += from->queued;
}


/* with room for so many bytes behind it */

static ngx_mdm_peer_block_t *
ngx_mdm_peer_out_block(size_t room)
{
    ngx_buf_t              *b;
    ngx_mdm_peer_block_t  *block;

    block = ngx_alloc(sizeof(ngx_mdm_peer_block_t) + room, ngx_cycle->log);
    if (block == NULL) {
        return NULL;
    }

    ngx_memzero(block, sizeof(ngx_mdm_peer_block_t));

    b = &block->buf;
    b->start = (u_char *) block + sizeof(ngx_mdm_peer_block_t);
    b->pos = b->start;
    b->last = b->start;
    b->end = b->start + room;
    b->temporary = 1;

    block->link.buf = b;

    return block;
}


static void
ngx_mdm_peer_out_add(ngx_mdm_peer_out_t *out, ngx_chain_t *cl)
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
ngx_mdm_peer_out_detach(ngx_mdm_peer_out_t *out, void *owner)
{
    size_t                   size;
    ngx_buf_t               *b;
    ngx_chain_t             *cl, **p;
    ngx_mdm_peer_block_t   *block;

    for (p = &out->first; *p != NULL; p = &(*p)->next) {

        cl = *p;

        if (((ngx_mdm_peer_block_t *) cl)->owner != owner) {
            continue;
        }

        b = cl->buf;
        size = b->last - b->pos;

        block = ngx_mdm_peer_out_block(size);
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
ngx_mdm_peer_out_send(ngx_mdm_peer_out_t *out, ngx_connection_t *c,
    ngx_atomic_t *sends)
{
    off_t         end;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *rest;

    end = c->sent + NGX_MDM_PEER_PIECE;

    while (out->first != NULL) {

        if (!c->write->ready) {
            return NGX_AGAIN;
        }

        if (c->sent >= end) {
            return NGX_BUSY;
        }

        (void) ngx_atomic_fetch_add(sends, 1);

        /* TLS would take a chain as a whole, whatever its limit is */

        if (out->first->next == NULL || c->ssl != NULL) {
            b = out->first->buf;

            n = c->send(c, b->pos, ngx_min((size_t) (b->last - b->pos),
                                           NGX_MDM_PEER_PIECE));

            if (n == NGX_ERROR) {
                return NGX_ERROR;
            }

            if (n == NGX_AGAIN) {
                return NGX_AGAIN;
            }

            b->pos += n;

        } else {
            rest = c->send_chain(c, out->first, NGX_MDM_PEER_PIECE);

            if (rest == NGX_CHAIN_ERROR) {
                return NGX_ERROR;
            }
        }

        ngx_mdm_peer_out_sent(out);
    }

    return NGX_OK;
}


/* frees blocks that have been sent */

static void
ngx_mdm_peer_out_sent(ngx_mdm_peer_out_t *out)
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
            && ((ngx_mdm_peer_block_t *) cl)->owner == NULL
            && b->end - b->start == NGX_MDM_PEER_BLOCK)
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
ngx_mdm_peer_out_free(ngx_mdm_peer_out_t *out)
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
