
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The output of a peer: a chain of blocks.  What is written goes to the last
 * one, and a block is freed once it has been sent; one is kept for the next
 * turn.
 */


#ifndef _NGX_MDM_PEER_OUT_H_INCLUDED_
#define _NGX_MDM_PEER_OUT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/* what "queued" says has left when c->sent of the connection is as much */

typedef struct {
    ngx_chain_t              *first;
    ngx_chain_t              *last;
    ngx_chain_t              *spare;
    off_t                     queued;      /* bytes, sent ones too */
} ngx_mdm_peer_out_t;


/*
 * Room for "size" bytes in one piece, or NULL: no memory.  What was written
 * there ends where ngx_mdm_peer_out_end() says; until then it is not sent.
 */
u_char *ngx_mdm_peer_out_reserve(ngx_mdm_peer_out_t *out, size_t size);


static ngx_inline void
ngx_mdm_peer_out_end(ngx_mdm_peer_out_t *out, u_char *p)
{
    ngx_buf_t  *b;

    b = out->last->buf;

    out->queued += p - b->last;
    b->last = p;
}


/*
 * Has bytes sent from where they are, which is until they have left, or were
 * detached.  "owner" says whose they are, and is not NULL.  NGX_OK or
 * NGX_ERROR.
 */
ngx_int_t ngx_mdm_peer_out_refer(ngx_mdm_peer_out_t *out, u_char *data,
    size_t len, void *owner);

/* appends all of another output, which must have something and is used up */
void ngx_mdm_peer_out_join(ngx_mdm_peer_out_t *out, ngx_mdm_peer_out_t *from);

/*
 * The owner goes away: what of its bytes has not left is copied.  NGX_OK;
 * NGX_ERROR: no memory, the output must not be sent any more.
 */
ngx_int_t ngx_mdm_peer_out_detach(ngx_mdm_peer_out_t *out, void *owner);

/*
 * Sends what there is.  NGX_OK: all of it; NGX_AGAIN: the socket takes no
 * more for now; NGX_BUSY: it would, but others have their turn first;
 * NGX_ERROR.  *sends grows by the writes made.
 */
ngx_int_t ngx_mdm_peer_out_send(ngx_mdm_peer_out_t *out, ngx_connection_t *c,
    ngx_atomic_t *sends);

/* forgets what has not been sent and frees all memory */
void ngx_mdm_peer_out_free(ngx_mdm_peer_out_t *out);


#endif /* _NGX_MDM_PEER_OUT_H_INCLUDED_ */
