
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Inside of HTTP requests: what a worker has of a client.  Each client has
 * connections of its own, as it has its own idea of whom to trust.
 */


#ifndef _NGX_MDM_HTTP_POOL_H_INCLUDED_
#define _NGX_MDM_HTTP_POOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>

#include "ngx_mdm_http.h"


/* bytes of a reason, and of the place where a request goes */
#define NGX_MDM_HTTP_TEXT     256

/* milliseconds until there is a connection */
#define NGX_MDM_HTTP_CONNECT  10000

/* bytes of the host of a URL */
#define NGX_MDM_HTTP_HOST     255


typedef struct ngx_mdm_http_s       ngx_mdm_http_t;
typedef struct ngx_mdm_http_pool_s  ngx_mdm_http_pool_t;
typedef struct ngx_mdm_http_site_s  ngx_mdm_http_site_t;

/* libcurl may have ended some transfers */
typedef void (*ngx_mdm_http_ran_pt)(ngx_mdm_http_pool_t *pool);

/* addresses of a name are known, or with a reason: they are not */
typedef void (*ngx_mdm_http_resolved_pt)(ngx_mdm_http_op_t *op,
    ngx_str_t *reason);


/* what libcurl finds in a URL */

typedef struct {
    ngx_str_t                 text;        /* the URL */
    ngx_uint_t                plain;
    in_port_t                 port;
    size_t                    len;         /* of the host */
    u_char                    host[NGX_MDM_HTTP_HOST + 1];  /* IPv6 in
                                              brackets */
} ngx_mdm_http_url_t;


typedef enum {
    NGX_MDM_HTTP_WAITING = 0,        /* for others of the client */
    NGX_MDM_HTTP_RESOLVING,
    NGX_MDM_HTTP_RUNNING,            /* libcurl has it */
    NGX_MDM_HTTP_ENDED               /* its caller is to be told */
} ngx_mdm_http_state_e;


struct ngx_mdm_http_op_s {
    ngx_queue_t               queue;       /* of what its state says */
    ngx_mdm_http_pool_t      *pool;
    ngx_mdm_http_state_e      state;

    mdm_call_t               *call;
    ngx_mdm_http_handler_pt   handler;
    void                     *data;
    ngx_msec_t                called;
    ngx_msec_t                timeout;
    size_t                    limit;

    char                     *url;         /* behind it in memory */
    ngx_str_t                 host;        /* to be resolved, if it is a name */
    in_port_t                 port;
    ngx_uint_t                named;
    ngx_uint_t                plain;       /* http: */
    ngx_str_t                 site;        /* where it goes: "https://a:443" */

    ngx_resolver_ctx_t       *resolving;
    ngx_mdm_http_resolved_pt  resolved;
    CURL                     *easy;
    struct curl_slist        *headers;
    struct curl_slist        *addrs;

    size_t                    heads;       /* bytes of header that have come */
    u_char                   *body;
    size_t                    len;
    size_t                    size;
    size_t                    expected;    /* by Content-Length; 0: unknown */
    unsigned                  large:1;     /* more than "limit" */
    unsigned                  odd:1;       /* too much of a header */
    unsigned                  secured:1;   /* TLS has begun, at least */
    unsigned                  starved:1;   /* nginx has no connection for it */
    unsigned                  connected:1; /* to the proxy, if there is one */

    mdm_http_e                outcome;
    ngx_uint_t                status;
    int64_t                   retry_after;
    size_t                    reason;
    u_char                    text[NGX_MDM_HTTP_TEXT];
    char                      error[CURL_ERROR_SIZE];
};


/* of a client */

struct ngx_mdm_http_pool_s {
    /* a timer's debug line prints the fourth field of its data as a socket */
    ngx_mdm_http_t           *http;
    ngx_mdm_http_client_t    *client;
    CURLM                    *multi;
    ngx_socket_t              fd;

    ngx_mdm_http_ran_pt       ran;
    ngx_event_t               timer;       /* libcurl's */
    ngx_queue_t               waiting;     /* of ngx_mdm_http_op_t */
    ngx_queue_t               running;     /* the same, RESOLVING, too */
    ngx_uint_t                nrunning;
    ngx_queue_t               watches;     /* sockets that libcurl looks at */

    CURL                    **idle;        /* handles to be used again */
    ngx_uint_t                nidle;

    ngx_mdm_http_url_t        url;         /* of the last request */
};


/* where requests go, so that a failure is one line in the log */

struct ngx_mdm_http_site_s {
    ngx_queue_t               queue;
    ngx_uint_t                client;      /* its index */
    ngx_uint_t                down;
    time_t                    since;
    ngx_uint_t                failed;
    size_t                    len;
    u_char                    name[NGX_MDM_HTTP_TEXT];
};


/* of a worker */

struct ngx_mdm_http_s {
    ngx_mdm_http_conf_t      *conf;
    ngx_mdm_http_pool_t     **pools;       /* by a client's index; NULL: it was
                                              not used yet */
    ngx_uint_t                npools;
    ngx_socket_t              fd;

    ngx_log_t                 log;
    ngx_queue_t               done;        /* of ngx_mdm_http_op_t */
    ngx_event_t               deliver;
    ngx_event_t               tick;        /* while there are requests */
    ngx_uint_t                pending;     /* that have not been delivered */
    ngx_msec_t                quit;        /* since then the worker ends */
    unsigned                  quitting:1;
    unsigned                  hurry:1;     /* nothing is waited for any more */
    ngx_queue_t               sites;       /* the one used last is first */
    ngx_uint_t                nsites;
};


/* ngx_mdm_http_op.c */

/*
 * NULL: the request is none, *reason, or no memory, then it is empty.  It is
 * WAITING, in no queue.
 */
ngx_mdm_http_op_t *ngx_mdm_http_op_create(ngx_mdm_http_pool_t *pool,
    mdm_call_t *call, ngx_str_t *reason);
void ngx_mdm_http_op_free(ngx_mdm_http_op_t *op);

/* frees what is known of the URL of the last request */
void ngx_mdm_http_op_forget_url(ngx_mdm_http_pool_t *pool);

/* it has this outcome, which it is still to be told */
void ngx_mdm_http_op_end(ngx_mdm_http_op_t *op, mdm_http_e outcome,
    ngx_str_t *reason);

/* tells it the caller, and frees it */
void ngx_mdm_http_op_deliver(ngx_mdm_http_op_t *op);

/* ngx_mdm_http_easy.c */

/* a handle in op->easy that is ready to go; NGX_OK, NGX_ERROR: no memory */
ngx_int_t ngx_mdm_http_easy_create(ngx_mdm_http_op_t *op);

/* the transfer is over: the outcome, and why, if there is no answer */
mdm_http_e ngx_mdm_http_easy_outcome(ngx_mdm_http_op_t *op, CURLcode code,
    ngx_str_t *reason);

/* 1: it may have reached the server */
ngx_uint_t ngx_mdm_http_easy_sent(ngx_mdm_http_op_t *op);

/* the handle, which is in no multi any more, may be used again */
void ngx_mdm_http_easy_release(ngx_mdm_http_op_t *op);

/* ngx_mdm_http_socket.c */

/* the multi of a pool; NGX_OK, NGX_ERROR: no memory */
ngx_int_t ngx_mdm_http_multi_create(ngx_mdm_http_pool_t *pool);
void ngx_mdm_http_multi_destroy(ngx_mdm_http_pool_t *pool);

/* so that both agree on who closes: sets how sockets are made, and closed */
CURLcode ngx_mdm_http_multi_sockets(ngx_mdm_http_pool_t *pool, CURL *easy);

/* ngx_mdm_http_resolve.c */

/*
 * NGX_OK: nothing has to be resolved.  NGX_AGAIN: resolved() will be called,
 * maybe from within this function.
 */
ngx_int_t ngx_mdm_http_resolve(ngx_mdm_http_op_t *op,
    ngx_mdm_http_resolved_pt resolved);
void ngx_mdm_http_resolve_cancel(ngx_mdm_http_op_t *op);

/* ngx_mdm_http_log.c */

/* says once that a server cannot be asked, and when it can be again */
void ngx_mdm_http_log(ngx_mdm_http_op_t *op);
void ngx_mdm_http_log_free(ngx_mdm_http_t *http);


#endif /* _NGX_MDM_HTTP_POOL_H_INCLUDED_ */
