
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Pushes to Apple's push service (APNs): a call and its outcome, and what is
 * configured of them.  How they get there does not show here.
 */


#ifndef _NGX_MDM_APNS_H_INCLUDED_
#define _NGX_MDM_APNS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "mdm_exchange.h"
#include "mdm_key.h"
#include "mdm_push_certificate.h"
#include "ngx_mdm.h"
#include "ngx_mdm_peer.h"
#include "ngx_mdm_place.h"


typedef struct ngx_mdm_apns_op_s  ngx_mdm_apns_op_t;

typedef void (*ngx_mdm_apns_handler_pt)(mdm_call_t *call, void *data);


/* a certificate, which is looked up by tenant and topic */

typedef struct {
    ngx_str_t                 tenant;
    ngx_str_t                 topic;
    time_t                    not_after;
    ngx_mdm_peer_cert_t       peer;
} ngx_mdm_apns_cert_t;


/* what "mdm_push…" say; made while the configuration is read */

struct ngx_mdm_apns_conf_s {
    ngx_flag_t                on;
    ngx_msec_t                wait;        /* that the API waits */
    ngx_msec_t                ping;        /* of silence, until a PING */
    ngx_str_t                 trusted_certificate;
    ngx_array_t               certs;       /* of ngx_mdm_apns_cert_t * */

    ngx_str_t                 server;      /* host:port, without brackets: */
    ngx_str_t                 host;
    in_port_t                 port;

    ngx_flag_t                proxied;     /* 1: by way of a proxy, */
    ngx_str_t                 proxy_host;  /* which is there */
    in_port_t                 proxy_port;
    ngx_str_t                 proxy_user;  /* "name:password", or empty */

    ngx_mdm_place_t           place;       /* of mdm_push, … */
    ngx_mdm_place_t           server_place;
    ngx_mdm_place_t           proxy_place;
    ngx_mdm_place_t           trusted_place;

    ngx_mdm_peer_conf_t       peer;
};


/*
 * Pushes for a tenant.  What call->push has is copied.  NGX_OK: *op is set, and
 * the handler will be called, never from within this function.  NGX_DONE:
 * call->push has its outcome already, and the handler is not called.  With the
 * outcome rc of the call is set, and call->reply_arena, unless it is NULL,
 * holds what the outcome points to.
 */
ngx_int_t ngx_mdm_apns_push(mdm_str_t *tenant, mdm_call_t *call,
    ngx_mdm_apns_handler_pt handler, void *data, ngx_mdm_apns_op_t **op);

/* the caller goes away: the push goes on */
void ngx_mdm_apns_abandon(ngx_mdm_apns_op_t *op);

ngx_int_t ngx_mdm_apns_init_process(ngx_cycle_t *cycle,
    ngx_mdm_apns_conf_t *conf);
void ngx_mdm_apns_exit_process(void);


/* ngx_mdm_apns_conf.c */

/* NULL: no memory */
ngx_mdm_apns_conf_t *ngx_mdm_apns_create_conf(ngx_conf_t *cf);

/* to be called when http has been read: what is not said gets its default */
void ngx_mdm_apns_init_conf(ngx_mdm_apns_conf_t *conf);

/* to be called in postconfiguration; NGX_OK, NGX_ERROR: it has said why */
ngx_int_t ngx_mdm_apns_init(ngx_conf_t *cf, ngx_mdm_apns_conf_t *conf);

/* NULL: there is none */
ngx_mdm_apns_cert_t *ngx_mdm_apns_cert(ngx_mdm_apns_conf_t *conf,
    ngx_str_t *tenant, ngx_str_t *topic);

/* setters */
char *ngx_mdm_apns_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_apns_msec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_apns_server(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_apns_trusted_certificate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_mdm_apns_certificate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_mdm_apns_proxy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_MDM_APNS_H_INCLUDED_ */
