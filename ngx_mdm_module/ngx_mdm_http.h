
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * HTTP requests to other servers: a call and its outcome, and what is
 * configured of them.  libcurl makes them, in nginx's event loop; it does not
 * show here, and may be left out of a build.
 */


#ifndef _NGX_MDM_HTTP_H_INCLUDED_
#define _NGX_MDM_HTTP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "mdm_exchange.h"
#include "ngx_mdm.h"
#include "ngx_mdm_place.h"


typedef struct ngx_mdm_http_op_s  ngx_mdm_http_op_t;

typedef void (*ngx_mdm_http_handler_pt)(mdm_call_t *call, void *data);


/*
 * How requests are made: what stands in mdm_http_client { }, or in the
 * parameters of who has its own.  Made while the configuration is read,
 * read-only afterwards.
 */

typedef struct {
    ngx_str_t                 trusted_certificate; /* a file of CAs */
    ngx_str_t                 certificate; /* our own, with its chain, and */
    ngx_str_t                 certificate_key;     /* its key, where that is in
                                                      another file */
    ngx_str_t                 proxy;       /* http://host:port, or "off" */
    ngx_str_t                 proxy_auth_file;     /* "name:password" */
    ngx_uint_t                max;         /* requests of a worker at a time;
                                              NGX_CONF_UNSET_UINT before */
    ngx_msec_t                timeout;     /* NGX_CONF_UNSET_MSEC before */

    ngx_mdm_place_t           place;       /* of the directive */

    /* made by ngx_mdm_http_client_init() */

    ngx_uint_t                index;       /* in ngx_mdm_http_conf_t */
    ngx_resolver_t           *resolver;    /* NULL: names are resolved by the
                                              system, in threads */
    X509_STORE               *trusted;
    X509                     *cert;        /* NULL: none */
    STACK_OF(X509)           *chain;
    EVP_PKEY                 *key;

    ngx_str_t                 proxy_host;  /* all closed by NUL, and empty */
    in_port_t                 proxy_port;  /* where there is none */
    ngx_str_t                 proxy_user;
    ngx_str_t                 proxy_password;
} ngx_mdm_http_client_t;


struct ngx_mdm_http_conf_s {
    ngx_array_t               clients;     /* of ngx_mdm_http_client_t * */
    ngx_mdm_http_client_t    *client;      /* that of http { }; NULL: there is
                                              none, and nobody has asked */
};


/*
 * Makes call->http.  NGX_OK: *op is set, and the handler will be called, never
 * from within this function.  NGX_DONE: call->http has its outcome already, and
 * the handler is not called.  With the outcome rc of the call is set, and
 * call->reply_arena, unless it is NULL, holds what the outcome points to.
 */
ngx_int_t ngx_mdm_http_call(mdm_call_t *call, ngx_mdm_http_handler_pt handler,
    void *data, ngx_mdm_http_op_t **op);

/* the caller goes away, with all that call->http points to: it is given up */
void ngx_mdm_http_abandon(ngx_mdm_http_op_t *op);

ngx_int_t ngx_mdm_http_init_process(ngx_cycle_t *cycle,
    ngx_mdm_http_conf_t *conf);
void ngx_mdm_http_exit_process(void);


/* ngx_mdm_http_expiry.c */

/* of an ngx_mdm_http_client_t, unless it has another one's certificate: see
   ngx_mdm_expiry_pt */
void ngx_mdm_http_expiry(void *block, ngx_log_t *log, time_t now);

/* has all of them looked at once a day */
void ngx_mdm_http_expiry_watch(ngx_cycle_t *cycle, ngx_mdm_http_conf_t *conf);


/* ngx_mdm_http_conf.c, or ngx_mdm_http_off.c in a build without libcurl */

/* NULL: no memory */
ngx_mdm_http_conf_t *ngx_mdm_http_create_conf(ngx_conf_t *cf);

/*
 * Makes a client of which nothing is set, for the directive that is being read;
 * its owner fills in what he is told.  NULL: no memory, or a build without
 * libcurl, and the log says so.
 */
ngx_mdm_http_client_t *ngx_mdm_http_client_create(ngx_conf_t *cf);

/*
 * To be called when all of http { } has been read: what is not set comes from
 * "parent", NULL: from the client of http { }; reads the files.  NGX_CONF_OK,
 * or NGX_CONF_ERROR: the log says why.
 */
char *ngx_mdm_http_client_init(ngx_conf_t *cf, ngx_mdm_http_client_t *client,
    ngx_mdm_http_client_t *parent);

/*
 * The client of http { }, for who has none of his own; to be called when all of
 * http { } has been read.  NULL: the log says why.
 */
ngx_mdm_http_client_t *ngx_mdm_http_client_default(ngx_conf_t *cf);

/* to be called in postconfiguration; NGX_OK, NGX_ERROR: it has said why */
ngx_int_t ngx_mdm_http_init(ngx_conf_t *cf, ngx_mdm_http_conf_t *conf);

/* the setter of mdm_http_client { } */
char *ngx_mdm_http_client(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_MDM_HTTP_H_INCLUDED_ */
