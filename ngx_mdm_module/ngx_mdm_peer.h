
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * An outgoing connection that knows no protocol.  It finds the addresses of
 * its target, connects to one after the other, secures the connection by TLS,
 * sends what is written to its output once a turn of the event loop, and
 * hands over what comes in.  Where no address can be used it tries again,
 * later and later.  What the bytes mean is for its handlers.
 *
 * CLOSED -> LOCATING -> CONNECTING -> (PROXYING ->) (SECURING ->) GREETING
 *     -> READY
 */


#ifndef _NGX_MDM_PEER_H_INCLUDED_
#define _NGX_MDM_PEER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_mdm_peer_out.h"
#include "ngx_mdm_peer_target.h"


typedef struct ngx_mdm_peer_s  ngx_mdm_peer_t;


/* of what kind a failure is, beside its reason */

typedef enum {
    NGX_MDM_PEER_FAULT_NONE = 0,     /* any other: no address, no answer … */
    NGX_MDM_PEER_FAULT_PROXY_AUTH,   /* the proxy answers 407, */
    NGX_MDM_PEER_FAULT_PROXY_STATUS, /* another status than 2xx, */
    NGX_MDM_PEER_FAULT_PROXY_ODD,    /* no HTTP, or more than a head */
    NGX_MDM_PEER_FAULT_UNTRUSTED,    /* the server's certificate is not that of
                                        whom we want */
    NGX_MDM_PEER_FAULT_ALPN,         /* it does not speak our protocol */
    NGX_MDM_PEER_FAULT_REFUSED       /* it does not take our certificate */
} ngx_mdm_peer_fault_e;


/*
 * Settings of TLS as a configuration has them.  A certificate and its key are
 * what ngx_ssl_certificate() takes: a file, or "data:" and PEM text in memory.
 */

typedef struct {
    ngx_str_t                 trusted_certificate; /* a file of CAs */
    ngx_str_t                 certificate; /* our own, and */
    ngx_str_t                 certificate_key; /* its key; empty: none */
    ngx_str_t                 name;        /* of the server's certificate;
                                              empty: the target's host */
    ngx_str_t                 alpn;        /* each protocol behind a byte with
                                              its length; empty: none.  The
                                              server has to choose the first
                                              one */
} ngx_mdm_peer_tls_conf_t;


/* made of them while the configuration is read, read-only afterwards */

typedef struct {
    ngx_ssl_t                 ssl;
    ngx_str_t                 name;        /* closed by NUL */
    ngx_str_t                 alpn;
} ngx_mdm_peer_tls_t;


/*
 * Our certificate and its key in memory, in the place of those of the context;
 * somebody else's, who outlives the peer.
 */

typedef struct {
    X509                     *cert;
    STACK_OF(X509)           *chain;       /* NULL: none */
    EVP_PKEY                 *key;
} ngx_mdm_peer_cert_t;


/*
 * An HTTP proxy, which peer->target leads to: it is asked to CONNECT to whom we
 * want, whose name has to be in tls->name.
 */

typedef struct {
    ngx_str_t                 request;     /* the whole of it */
} ngx_mdm_peer_proxy_t;


/* a "resolver off" has none; Angie keeps a list where nginx has an array */

#if (defined angie_version && angie_version >= 1012000)
#define ngx_mdm_resolver_has_servers(r)  ((r)->connections != NULL)
#else
#define ngx_mdm_resolver_has_servers(r)  ((r)->connections.nelts != 0)
#endif


/* the peer's TLS, or the proxy, is up, or with a reason: it is not */
typedef void (*ngx_mdm_peer_tls_pt)(ngx_connection_t *c, ngx_str_t *reason);


/*
 * Settings, which several peers may share; they are only read, and outlive
 * the peers.
 */

typedef struct {
    ngx_resolver_t                  *resolver; /* NULL: names are resolved at
                                                  start only */
    ngx_msec_t                       connect_timeout; /* of each step up to
                                                  GREETING, and of that */
    ngx_mdm_peer_tls_t              *tls;      /* NULL: without */
    ngx_mdm_peer_proxy_t            *proxy;    /* NULL: without */
} ngx_mdm_peer_conf_t;


/*
 * The protocol above a peer.  None of them is called from within
 * ngx_mdm_peer_init(); "reason" is valid during the call, and may be in
 * peer->reason, peer->fault says of what kind it is.  A handler that closes the
 * peer, or has it closed, may do so at any time but in closed().
 */

typedef struct {
    const char  *name;                     /* of the server in the log */

    /* actions for the log */
    const char  *locating;
    const char  *connecting;
    const char  *securing;

    /*
     * Sets peer->target before an attempt to connect.  NGX_OK; NGX_AGAIN:
     * ngx_mdm_peer_resolve_done() follows; NGX_ERROR with *reason.
     * ngx_mdm_peer_resolve() where peer->target does not change.
     */
    ngx_int_t  (*resolve_start)(ngx_mdm_peer_t *peer, ngx_str_t *reason);

    /*
     * The addresses of the target have failed.  NGX_OK: resolve_start() has
     * another target to try in this round; NGX_DECLINED: there is none.
     */
    ngx_int_t  (*next)(ngx_mdm_peer_t *peer);

    /*
     * The connection is there, and secured: writes to peer->out what the
     * protocol begins with.  It is GREETING until ngx_mdm_peer_ready().
     * NGX_OK; NGX_ERROR: no memory.
     */
    ngx_int_t  (*connected)(ngx_mdm_peer_t *peer);

    /*
     * Bytes have come, and must be read now: the buffer is used again.
     * NGX_OK; NGX_DONE: the peer was closed meanwhile, or is gone.
     */
    ngx_int_t  (*read)(ngx_mdm_peer_t *peer, u_char *data, size_t len);

    /*
     * All that had come has been read.  NGX_OK; NGX_ERROR: no memory.
     */
    ngx_int_t  (*drained)(ngx_mdm_peer_t *peer);

    /*
     * The output is about to be sent: the last moment to write to it.
     * NGX_OK; NGX_ERROR: no memory.
     */
    ngx_int_t  (*flush)(ngx_mdm_peer_t *peer);

    /* bytes were sent, if "progress": "all" of them, or up to c->sent */
    void       (*sent)(ngx_mdm_peer_t *peer, ngx_uint_t all,
                       ngx_uint_t progress);

    /*
     * The socket is closed, or an attempt was given up, for whatever reason:
     * what belongs to the connection is freed.
     */
    void       (*closed)(ngx_mdm_peer_t *peer);

    /*
     * A peer that was READY can be used no more, *reason says why.  The
     * handler ends by ngx_mdm_peer_lost(), or by ngx_mdm_peer_close().
     */
    void       (*lost)(ngx_mdm_peer_t *peer, ngx_str_t *reason);

    /*
     * No address of any target could be used in this round, *reason says why
     * the last one could not.  peer->down is set until it is READY again.
     */
    void       (*down)(ngx_mdm_peer_t *peer, ngx_str_t *reason);

    /* behind it, when the next round has its time: ends what waits */
    void       (*refuse)(ngx_mdm_peer_t *peer);

    /* a round has failed, and all of the above were called */
    void       (*failed)(ngx_mdm_peer_t *peer);

    /*
     * The worker quits, or the timer of a peer that is READY has expired:
     * closes it unless it is in use; "now": even then.
     */
    void       (*quit)(ngx_mdm_peer_t *peer, ngx_uint_t now);

    /* appends whose connection it is to a line of the log; may be NULL */
    u_char    *(*log)(ngx_mdm_peer_t *peer, u_char *buf, size_t len);
} ngx_mdm_peer_handlers_t;


typedef enum {
    NGX_MDM_PEER_CLOSED = 0,
    NGX_MDM_PEER_LOCATING,           /* its address is asked for */
    NGX_MDM_PEER_CONNECTING,
    NGX_MDM_PEER_PROXYING,           /* the proxy's answer is due */
    NGX_MDM_PEER_SECURING,           /* so is that of TLS */
    NGX_MDM_PEER_GREETING,           /* the protocol's handshake */
    NGX_MDM_PEER_READY
} ngx_mdm_peer_state_e;


#define NGX_MDM_PEER_REASON  256

/* milliseconds within which a proxy has to answer */
#define NGX_MDM_PEER_PROXY_TIMEOUT  5000


struct ngx_mdm_peer_s {
    /* as in ngx_connection_t: a timer's debug line prints the fourth field */
    void                            *data;     /* the protocol's */
    const ngx_mdm_peer_conf_t       *conf;
    const ngx_mdm_peer_handlers_t   *handlers;
    ngx_socket_t                     fd;

    ngx_mdm_peer_target_t           *target;   /* its addresses are tried */
    ngx_uint_t                       addr;     /* in turn */
    ngx_uint_t                       tried;
    ngx_resolver_ctx_t              *resolving;

    ngx_connection_t                *connection;
    ngx_uint_t                       generation;  /* grows with each close */
    ngx_log_t                        log;
    ngx_mdm_peer_state_e             state;

    ngx_mdm_peer_out_t               out;
    ngx_atomic_t                    *sends;    /* grows by writes to a socket;
                                                  not NULL */
    ngx_mdm_peer_tls_pt              secured;  /* when TLS is up, or is not */
    ngx_mdm_peer_tls_pt              proxied;  /* the same of the proxy */
    const ngx_mdm_peer_cert_t       *cert;     /* shown by TLS; NULL: that of
                                                  the context, if any */
    void                            *proxying; /* see ngx_mdm_peer_proxy.c */
    ngx_uint_t                       alert;    /* of TLS, that has come */
    ngx_mdm_peer_fault_e             fault;    /* of the present attempt, or of
                                                  the last one */

    ngx_event_t                      flush;    /* to be posted when something
                                                  was written */
    ngx_event_t                      timer;    /* connect timeout, the next
                                                  attempt, or the last idle
                                                  moment before exit */
    ngx_msec_t                       delay;    /* before the next attempt */
    ngx_msec_t                       since;    /* when it became ready */

    unsigned                         down:1;   /* no server can be used */
    unsigned                         pending_address:1; /* what
                                                  resolve_start() did not
                                                  know yet */

    u_char                           reason[NGX_MDM_PEER_REASON];
};


/*
 * Fills in a zeroed peer; data, conf, handlers and sends have been set, and
 * must outlive it.
 */
void ngx_mdm_peer_init(ngx_mdm_peer_t *peer);

/* starts to connect a peer that is closed */
void ngx_mdm_peer_open(ngx_mdm_peer_t *peer);

/* the same without forgetting what has failed before */
void ngx_mdm_peer_start(ngx_mdm_peer_t *peer);

/* the target is resolved; with a reason: it could not be */
void ngx_mdm_peer_resolve_done(ngx_mdm_peer_t *peer, ngx_str_t *reason);

/* the protocol's handshake is done */
void ngx_mdm_peer_ready(ngx_mdm_peer_t *peer);

/* an attempt to connect has failed: on to the next address, if any */
void ngx_mdm_peer_failed(ngx_mdm_peer_t *peer, ngx_str_t *reason);

/* gives the connection up, by lost() or as a failed attempt */
void ngx_mdm_peer_broken(ngx_mdm_peer_t *peer, const char *text);

/*
 * To be called by lost(): logs the loss at "level", closes the peer, and
 * connects again; a worker that quits does so only if it is "wanted".  If
 * "away", or if it was READY only for a moment, the peer is down and connects
 * later.
 */
void ngx_mdm_peer_lost(ngx_mdm_peer_t *peer, ngx_str_t *reason,
    ngx_uint_t level, ngx_uint_t away, ngx_uint_t wanted);

/* a worker that quits keeps an idle peer for a moment: see quit() */
void ngx_mdm_peer_linger(ngx_mdm_peer_t *peer);

/* closes the socket and forgets what was to be sent; nothing is set up */
void ngx_mdm_peer_close(ngx_mdm_peer_t *peer);


/* ngx_mdm_peer_resolve.c */

/*
 * For resolve_start(): has the target's name resolved, if it is one, without
 * blocking.  NGX_OK; NGX_AGAIN: ngx_mdm_peer_resolve_done() will be called;
 * NGX_ERROR with *reason.
 */
ngx_int_t ngx_mdm_peer_resolve(ngx_mdm_peer_t *peer, ngx_str_t *reason);


/* ngx_mdm_peer_socket.c */

/*
 * A socket for the address, which is not connected yet, with peer->connection
 * around it, and no handlers.  NULL: see *reason; what is there of the
 * connection is closed by ngx_mdm_peer_close().
 */
ngx_connection_t *ngx_mdm_peer_socket(ngx_mdm_peer_t *peer, ngx_addr_t *addr,
    ngx_str_t *reason);


/* ngx_mdm_peer_log.c */

/* the server, for the log: an address of the target, or its name */
ngx_str_t *ngx_mdm_peer_name(ngx_mdm_peer_t *peer);

/* writes why, into peer->reason */
void ngx_mdm_peer_reason(ngx_mdm_peer_t *peer, ngx_str_t *reason,
    const char *fmt, ...);

/* the same of an error of the system: "Broken pipe" as "broken pipe" */
void ngx_mdm_peer_errno(ngx_mdm_peer_t *peer, ngx_err_t err,
    ngx_str_t *reason);

/* what did not come in time, by the state of the peer */
const char *ngx_mdm_peer_phase(ngx_mdm_peer_t *peer);

/* the handler of peer->log, which is its data */
u_char *ngx_mdm_peer_log_error(ngx_log_t *log, u_char *buf, size_t len);


/* ngx_mdm_peer_tls.c */

/*
 * Makes the context: TLS 1.2 and 1.3, and the server is verified by the CAs
 * and by name.  NULL: the log says why.
 */
ngx_mdm_peer_tls_t *ngx_mdm_peer_tls_create(ngx_conf_t *cf,
    ngx_mdm_peer_tls_conf_t *conf);

/*
 * Starts TLS on a connected socket.  peer->secured is called when it is done,
 * now or later.  NGX_OK; NGX_ERROR: no memory, and it is not called.
 */
ngx_int_t ngx_mdm_peer_tls_start(ngx_mdm_peer_t *peer);

/* says goodbye without waiting for an answer, and frees it */
void ngx_mdm_peer_tls_close(ngx_connection_t *c);

/* why the connection has ended, by an alert; NULL: there was none */
const char *ngx_mdm_peer_tls_alert(ngx_mdm_peer_t *peer);


/* ngx_mdm_peer_proxy.c */

/*
 * Makes the request to a proxy: to CONNECT to "host:port", with the name and
 * password as "name:password", or empty.  NULL: no memory.
 */
ngx_mdm_peer_proxy_t *ngx_mdm_peer_proxy_create(ngx_conf_t *cf,
    ngx_str_t *destination, ngx_str_t *user);

/*
 * Sends it on a connected socket.  peer->proxied is called when it is answered,
 * now or later.  NGX_OK; NGX_ERROR: no memory, and it is not called.
 */
ngx_int_t ngx_mdm_peer_proxy_start(ngx_mdm_peer_t *peer);


#endif /* _NGX_MDM_PEER_H_INCLUDED_ */
