
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Takes in a large body piece by piece.  nginx reads a body for as long as the
 * socket has some: by a fast network that is 15 MB and tens of milliseconds in
 * one event.  Here others have their turn in between.
 *
 * Where anybody may come, for a certificate or a profile, no more is taken in
 * than the core reads, whatever client_max_body_size is there.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_machine_info.h"
#include "ngx_mdm_module.h"


/* bytes in a turn of the event loop: about half a millisecond with TLS */

#define NGX_MDM_BODY_PIECE    (256 * 1024)


static off_t ngx_mdm_body_limit(ngx_http_request_t *r);
static ngx_uint_t ngx_mdm_body_over(ngx_http_request_t *r);
static ngx_uint_t ngx_mdm_body_spools(ngx_http_request_t *r);
static void ngx_mdm_body_read_handler(ngx_http_request_t *r);
static void ngx_mdm_body_yield(ngx_http_request_t *r);
static ngx_int_t ngx_mdm_body_write(ngx_http_request_t *r);
static ngx_temp_file_t *ngx_mdm_body_temp_file(ngx_http_request_t *r);
static ngx_int_t ngx_mdm_body_end(ngx_http_request_t *r);


ngx_int_t
ngx_mdm_body_read(ngx_http_request_t *r,
    ngx_http_client_body_handler_pt handler)
{
    if (ngx_mdm_body_over(r)) {

        /* as nginx does it: unread, and no "100 Continue" either */

        r->expect_tested = 1;
        (void) ngx_http_discard_request_body(r);

        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    r->request_body_in_single_buf = 1;
    r->request_body_no_buffering = ngx_mdm_body_spools(r);

    return ngx_http_read_client_request_body(r, handler);
}


/* 0: client_max_body_size alone counts */

static off_t
ngx_mdm_body_limit(ngx_http_request_t *r)
{
    ngx_mdm_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_mdm_module);

    if (mlcf->enroll.ca != NULL) {
        return MDM_SCEP_SIZE;
    }

    return (mlcf->way.enrollment != NULL) ? MDM_MACHINE_INFO_SIZE : 0;
}


/*
 * By what has come, or has been announced: by a header, or a chunk.  It is said
 * in the log, so ask once.
 */

static ngx_uint_t
ngx_mdm_body_over(ngx_http_request_t *r)
{
    off_t  limit, size;

    limit = ngx_mdm_body_limit(r);
    size = r->headers_in.content_length_n;

    if (r->request_body != NULL && r->request_body->received > size) {
        size = r->request_body->received;
    }

    if (limit == 0 || size <= limit) {
        return 0;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "the body is larger than \"%s\" takes, %O bytes",
                  (limit == MDM_SCEP_SIZE) ? "mdm_scep" : "mdm_enroll", limit);

    return 1;
}


/*
 * Would nginx put it into a temporary file?  HTTP/2 is not asked: without
 * buffering its window is as small as the buffer, and padding, which is in no
 * buffer, would close it.
 */

static ngx_uint_t
ngx_mdm_body_spools(ngx_http_request_t *r)
{
    size_t                     size;
    ngx_http_core_loc_conf_t  *clcf;

    if (r != r->main || r->http_version > NGX_HTTP_VERSION_11
        || r->request_body_in_file_only)
    {
        return 0;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    size = clcf->client_body_buffer_size;
    size += size >> 2;

    return r->headers_in.chunked || r->headers_in.content_length_n
                                    >= (off_t) size;
}


ngx_uint_t
ngx_mdm_body_more(ngx_http_request_t *r)
{
    if (!r->request_body_no_buffering) {

        /* perhaps it has come at once, or had to go to a file as a whole */

        if (!ngx_mdm_body_over(r)) {
            return 0;
        }

        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE);

        return 1;
    }

    ngx_mdm_body_read_handler(r);

    return 1;
}


static void
ngx_mdm_body_read_handler(ngx_http_request_t *r)
{
    off_t                     begin;
    ngx_int_t                 rc;
    ngx_http_request_body_t  *rb;

    rb = r->request_body;
    begin = r->request_length;

    r->read_event_handler = ngx_mdm_body_read_handler;

    for ( ;; ) {
        rc = ngx_http_read_unbuffered_request_body(r);

        if ((rc == NGX_OK || rc == NGX_AGAIN) && ngx_mdm_body_over(r)) {
            rc = NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
            break;
        }

        if (rc == NGX_OK) {
            rc = ngx_mdm_body_end(r);
            break;
        }

        if (rc != NGX_AGAIN) {
            break;
        }

        if (rb->bufs == NULL || rb->buf->last != rb->buf->end) {

            /* there is room, so it was the socket that had nothing */

            return;
        }

        if (ngx_mdm_body_write(r) != NGX_OK) {
            rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
            break;
        }

        if (r->request_length - begin >= NGX_MDM_BODY_PIECE) {
            ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                           "mdm body read: %O bytes so far",
                           r->request_length);

            ngx_mdm_body_yield(r);

            return;
        }
    }

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    r->read_event_handler = ngx_http_block_reading;
    rb->post_handler(r);
}


/* a worker that is told to quit exits as soon as no timer is left */

static void
ngx_mdm_body_yield(ngx_http_request_t *r)
{
    ngx_event_t               *rev;
    ngx_http_core_loc_conf_t  *clcf;

    rev = r->connection->read;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_add_timer(rev, clcf->client_body_timeout);
    ngx_post_event(rev, &ngx_posted_next_events);
}


/* as nginx does it */

static ngx_int_t
ngx_mdm_body_write(ngx_http_request_t *r)
{
    ssize_t                   n;
    ngx_chain_t              *cl, *next;
    ngx_http_request_body_t  *rb;

    rb = r->request_body;

    if (rb->temp_file == NULL) {
        rb->temp_file = ngx_mdm_body_temp_file(r);

        if (rb->temp_file == NULL) {
            return NGX_ERROR;
        }
    }

    n = ngx_write_chain_to_temp_file(rb->temp_file, rb->bufs);

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    rb->temp_file->offset += n;

    for (cl = rb->bufs; cl != NULL; cl = next) {
        cl->buf->pos = cl->buf->last;

        next = cl->next;
        ngx_free_chain(r->pool, cl);
    }

    rb->bufs = NULL;

    return NGX_OK;
}


static ngx_temp_file_t *
ngx_mdm_body_temp_file(ngx_http_request_t *r)
{
    ngx_temp_file_t           *tf;
    ngx_http_core_loc_conf_t  *clcf;

    tf = ngx_pcalloc(r->pool, sizeof(ngx_temp_file_t));
    if (tf == NULL) {
        return NULL;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    tf->file.fd = NGX_INVALID_FILE;
    tf->file.log = r->connection->log;
    tf->path = clcf->client_body_temp_path;
    tf->pool = r->pool;
    tf->warn = "a client request body is buffered to a temporary file";
    tf->log_level = r->request_body_file_log_level;
    tf->persistent = r->request_body_in_persistent_file;
    tf->clean = r->request_body_in_clean_file;

    if (r->request_body_file_group_access) {
        tf->access = 0660;
    }

    return tf;
}


/* all of it has come: from now on it looks as nginx would have left it */

static ngx_int_t
ngx_mdm_body_end(ngx_http_request_t *r)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    rb = r->request_body;

    r->request_body_no_buffering = 0;

    if (rb->temp_file == NULL) {
        return NGX_OK;
    }

    if (rb->bufs != NULL && ngx_mdm_body_write(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cl = ngx_alloc_chain_link(r->pool);
    b = ngx_calloc_buf(r->pool);

    if (cl == NULL || b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->in_file = 1;
    b->file_last = rb->temp_file->file.offset;
    b->file = &rb->temp_file->file;

    cl->buf = b;
    cl->next = NULL;

    rb->bufs = cl;

    return NGX_OK;
}
