
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


/* a certificate and its key in memory; whoever uses it holds a reference */

typedef struct {
    ngx_mdm_peer_cert_t       peer;
    mdm_arena_t              *arena;       /* that all of it is freed with;
                                              NULL: one by one */
    ngx_uint_t                refs;
} ngx_mdm_apns_key_t;


/*
 * What a topic of a tenant is pushed to with.  It stays where it is as long as
 * the worker runs, while its certificate may become another one.
 */

typedef struct ngx_mdm_apns_cert_s  ngx_mdm_apns_cert_t;

/*
 * Tells who has the certificate how a push has ended, before anybody else is
 * told; or, with MDM_PUSH_REFUSED, that APNs takes no connection with it.
 * "old": that was with the certificate of before.
 */
typedef void (*ngx_mdm_apns_ended_pt)(ngx_mdm_apns_cert_t *cert,
    mdm_push_t *push, ngx_uint_t old);

/*
 * Tells him behind that how a push has ended that nobody waits for any more;
 * its tag, id, token and stamp are those that it was asked for with.
 */
typedef void (*ngx_mdm_apns_left_pt)(ngx_mdm_apns_cert_t *cert,
    mdm_push_t *push);

/* the same of one that has ended without a certificate, where it was parked */
typedef void (*ngx_mdm_apns_lost_pt)(void *owner, mdm_push_t *push);

struct ngx_mdm_apns_cert_s {
    ngx_str_t                 tenant;
    ngx_str_t                 topic;
    time_t                    not_after;
    ngx_mdm_apns_key_t       *key;         /* NULL: there is none any more */
    ngx_mdm_apns_ended_pt     ended;
    ngx_mdm_apns_left_pt      left;
};


/* what "mdm_push…" say; made while the configuration is read */

struct ngx_mdm_apns_conf_s {
    ngx_flag_t                on;
    ngx_flag_t                plain;       /* keys in Redis may be plain */
    ngx_msec_t                wait;        /* that the API waits */
    ngx_msec_t                ping;        /* of silence, until a PING */
    ngx_str_t                 trusted_certificate;
    ngx_array_t               certs;       /* of ngx_mdm_apns_cert_t * */
    ngx_array_t               files;       /* of mdm_push_file_t: the same as
                                              the core knows them */

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
 * A push; "cert" is that of its tenant and topic, NULL: there is none.  What
 * call->push has is copied.  NGX_OK: *op is set, and the handler will be
 * called, never from within this function.  NGX_DONE: call->push has its
 * outcome already, and the handler is not called.  With the outcome rc of the
 * call is set, and call->reply_arena, unless it is NULL, holds what the outcome
 * points to.
 */
ngx_int_t ngx_mdm_apns_push(ngx_mdm_apns_cert_t *cert, mdm_call_t *call,
    ngx_mdm_apns_handler_pt handler, void *data, ngx_mdm_apns_op_t **op);

/*
 * The same of a push whose certificate is not known yet: it goes to the end of
 * the queue, and stays there until whoever owns the queue resumes it.  If
 * nobody waits for it when it ends there, "lost" is told.
 */
ngx_int_t ngx_mdm_apns_park(ngx_queue_t *queue, ngx_mdm_apns_lost_pt lost,
    void *owner, mdm_call_t *call, ngx_mdm_apns_handler_pt handler,
    void *data, ngx_mdm_apns_op_t **op);

/* a push that is parked in such a queue: its topic */
ngx_str_t *ngx_mdm_apns_parked_topic(ngx_queue_t *q);

/*
 * It goes on, as ngx_mdm_apns_push() would.  With "text", a constant, it ends:
 * it could not be found out whether there is a certificate.
 */
void ngx_mdm_apns_resume(ngx_queue_t *q, ngx_mdm_apns_cert_t *cert,
    const char *text);

/* it ends, as ngx_mdm_apns_refuse() has it */
void ngx_mdm_apns_parked_refuse(ngx_queue_t *q, mdm_push_e outcome,
    ngx_str_t *reason, ngx_uint_t again);

/*
 * A push that is not to be sent has this outcome, at once; "again":
 * milliseconds until one may be, 0: that is not known.
 */
void ngx_mdm_apns_refuse(mdm_call_t *call, mdm_push_e outcome,
    ngx_str_t *reason, ngx_uint_t again);

/* frees it without a word: the worker ends */
void ngx_mdm_apns_parked_free(ngx_queue_t *q);

/* the caller goes away: the push goes on */
void ngx_mdm_apns_abandon(ngx_mdm_apns_op_t *op);

/*
 * cert->key is another one, or NULL: pushes from now on take a new connection,
 * the one that is there finishes what is on it.
 */
void ngx_mdm_apns_renewed(ngx_mdm_apns_cert_t *cert);

/*
 * A key with one reference, which takes the arena that all of "read" is in, or
 * NULL: no memory, and the arena is the caller's still.
 */
ngx_mdm_apns_key_t *ngx_mdm_apns_key_create(mdm_push_certificate_t *read,
    mdm_arena_t *arena, ngx_log_t *log);

/* the same certificate for somebody else; NULL: no memory */
ngx_mdm_apns_key_t *ngx_mdm_apns_key_copy(const ngx_mdm_apns_key_t *key,
    ngx_log_t *log);

/* lets go of a reference; NULL is allowed */
void ngx_mdm_apns_key_release(ngx_mdm_apns_key_t *key);

/* what is so now in this worker */

typedef struct {
    ngx_uint_t                connections; /* that pushes can be sent on */
    ngx_uint_t                streams;     /* pushes that wait for an answer */
    ngx_uint_t                down;        /* topics that cannot be pushed to */
} ngx_mdm_apns_state_t;

/* NGX_OK; NGX_DECLINED: "mdm_push" is off, and all are 0 */
ngx_int_t ngx_mdm_apns_state(ngx_mdm_apns_state_t *state);

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

/* that of a file; NULL: there is none */
ngx_mdm_apns_cert_t *ngx_mdm_apns_cert(ngx_mdm_apns_conf_t *conf,
    ngx_str_t *tenant, ngx_str_t *topic);

/* setters */
char *ngx_mdm_apns_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_apns_plain(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_apns_msec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_apns_server(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_apns_trusted_certificate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_mdm_apns_certificate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_mdm_apns_proxy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_MDM_APNS_H_INCLUDED_ */
