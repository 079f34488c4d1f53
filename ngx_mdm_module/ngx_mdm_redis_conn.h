
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One pipelined connection to one redis server: it connects, greets,
 * reconnects, sends calls in order and hands their replies to its owner.
 */


#ifndef _NGX_MDM_REDIS_CONN_H_INCLUDED_
#define _NGX_MDM_REDIS_CONN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_mdm_redis.h"
#include "ngx_mdm_redis_resp.h"
#include "ngx_mdm_store.h"


typedef struct ngx_mdm_redis_conn_s  ngx_mdm_redis_conn_t;


typedef enum {
    NGX_MDM_REDIS_OP_WAITING = 0,    /* not written yet */
    NGX_MDM_REDIS_OP_SENT,           /* written, a reply is due */
    NGX_MDM_REDIS_OP_OFF             /* not on a connection */
} ngx_mdm_redis_op_state_e;


/* a call on its way; it outlives the request that made it */

struct ngx_mdm_redis_op_s {
    ngx_queue_t                queue;
    mdm_call_t                *call;       /* NULL: abandoned */
    ngx_mdm_redis_handler_pt   handler;
    void                      *data;
    ngx_mdm_redis_conn_t      *conn;
    ngx_msec_t                 deadline;
    ngx_mdm_redis_op_state_e   state;
    unsigned                   eval:1;     /* send the script's body */
    unsigned                   retried:1;
    unsigned                   write:1;    /* the script may write */
};


/* what a connection tells its owner, who may call it in turn */

typedef struct {
    /* the op is off the connection, with its reply */
    void (*reply)(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op,
        mdm_reply_t *reply, mdm_arena_t *arena);

    /* the op is off the connection and could not be carried out */
    void (*drop)(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op);

    /* calls are taken from now on */
    void (*up)(ngx_mdm_redis_conn_t *conn);

    /* an attempt to connect has failed, or a call was not answered in time */
    void (*down)(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);
} ngx_mdm_redis_owner_t;


typedef enum {
    NGX_MDM_REDIS_CONN_CLOSED = 0,
    NGX_MDM_REDIS_CONN_CONNECTING,
    NGX_MDM_REDIS_CONN_SECURING,     /* so is that of TLS */
    NGX_MDM_REDIS_CONN_GREETING,     /* the handshake is under way */
    NGX_MDM_REDIS_CONN_READY
} ngx_mdm_redis_conn_state_e;


#define NGX_MDM_REDIS_REASON  256


struct ngx_mdm_redis_conn_s {
    /* as in ngx_connection_t: a timer's debug line prints the fourth field */
    void                            *data;     /* the owner's */
    ngx_mdm_store_t                 *store;
    const ngx_mdm_redis_owner_t     *owner;
    ngx_socket_t                     fd;

    ngx_addr_t                      *addrs;    /* of one server, */
    ngx_uint_t                       naddrs;   /* tried in turn */
    ngx_uint_t                       addr;
    ngx_uint_t                       tried;

    ngx_connection_t                *connection;
    ngx_uint_t                       generation;  /* grows with each close */
    ngx_log_t                        log;
    ngx_mdm_redis_conn_state_e       state;
    ngx_uint_t                       step;     /* of the handshake */

    ngx_mdm_redis_out_t              out;
    ngx_mdm_redis_reader_t           reader;

    ngx_queue_t                      waiting;  /* ops not written yet */
    ngx_queue_t                      sent;     /* ops whose reply is due */

    ngx_event_t                      flush;
    ngx_event_t                      timeout;  /* of ops; keeps a worker that
                                                  quits until they ended */
    ngx_event_t                      timer;    /* connect timeout, the next
                                                  attempt, or the last idle
                                                  moment before exit */
    ngx_msec_t                       delay;    /* before the next attempt */
    ngx_msec_t                       since;    /* when it became ready */

    ngx_mdm_redis_stats_t           *stats;

    unsigned                         down:1;   /* calls are refused */
    unsigned                         noload:1; /* SCRIPT LOAD is refused */

    u_char                           reason[NGX_MDM_REDIS_REASON];
};


/*
 * Fills in a zeroed connection and starts to connect.  addrs, store and
 * stats must outlive it.
 */
ngx_int_t ngx_mdm_redis_conn_open(ngx_mdm_redis_conn_t *conn);

/* closes it for good and frees all ops without a word to their callers */
void ngx_mdm_redis_conn_destroy(ngx_mdm_redis_conn_t *conn);

/*
 * Takes an op: writes it, or lets it wait while the connection comes up.
 * NGX_OK; NGX_DECLINED: the server is down; NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_redis_conn_send(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);

/* takes back an op that waits */
void ngx_mdm_redis_conn_remove(ngx_mdm_redis_op_t *op);

/* gives the connection up and makes a new one: it is of no use any more */
void ngx_mdm_redis_conn_reset(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);


/* for ngx_mdm_redis_io.c */

/* the handshake is done: what waits is written */
void ngx_mdm_redis_conn_ready(ngx_mdm_redis_conn_t *conn);

/* a connection that was ready is gone */
void ngx_mdm_redis_conn_lost(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason,
    ngx_uint_t timedout);

/* an attempt to connect has failed */
void ngx_mdm_redis_conn_failed(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);

/* writes why, into conn->reason */
void ngx_mdm_redis_conn_reason(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason,
    const char *fmt, ...);

/* the worker quits; now: without waiting for replies */
void ngx_mdm_redis_conn_quit(ngx_mdm_redis_conn_t *conn, ngx_uint_t now);

/* to be called when calls may have ended */
void ngx_mdm_redis_conn_settle(ngx_mdm_redis_conn_t *conn);


/* ngx_mdm_redis_io.c */

/* begins to connect; NGX_OK, or NGX_ERROR with *reason */
ngx_int_t ngx_mdm_redis_conn_connect(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);

/* closes the socket and forgets what was to be sent */
void ngx_mdm_redis_conn_close(ngx_mdm_redis_conn_t *conn);

/* TLS is up */
void ngx_mdm_redis_conn_secured(ngx_mdm_redis_conn_t *conn);

void ngx_mdm_redis_conn_flush_handler(ngx_event_t *ev);
u_char *ngx_mdm_redis_conn_log_error(ngx_log_t *log, u_char *buf, size_t len);


/* ngx_mdm_redis_handshake.c */

/* writes AUTH, SELECT, CLIENT SETNAME, SCRIPT LOAD … and the meta script */
ngx_int_t ngx_mdm_redis_handshake(ngx_mdm_redis_conn_t *conn);

/*
 * Takes the next reply of it.  NGX_AGAIN: more are due; NGX_OK: that was the
 * last one; NGX_ERROR: the server is not usable, *reason says why.
 */
ngx_int_t ngx_mdm_redis_handshake_reply(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, ngx_str_t *reason);

/*
 * Is this error of the kind that goes away (LOADING, READONLY, OOM …)?  1
 * or 0; *code is its name.
 */
ngx_uint_t ngx_mdm_redis_unavailable(mdm_str_t *error, ngx_str_t *code);

/* a server's text for the log, without control bytes; buf has "size" */
void ngx_mdm_redis_text(ngx_str_t *text, mdm_str_t *from, u_char *buf,
    size_t size);


#endif /* _NGX_MDM_REDIS_CONN_H_INCLUDED_ */
