
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One pipelined connection to one redis server, on a peer: it greets, sends
 * calls in order and hands their replies to its owner.
 */


#ifndef _NGX_MDM_REDIS_CONN_H_INCLUDED_
#define _NGX_MDM_REDIS_CONN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_mdm_peer.h"
#include "ngx_mdm_redis_error.h"
#include "ngx_mdm_redis_op.h"
#include "ngx_mdm_redis_resp.h"
#include "ngx_mdm_store.h"


typedef struct ngx_mdm_redis_conn_s  ngx_mdm_redis_conn_t;


typedef enum {
    NGX_MDM_REDIS_OP_WAITING = 0,    /* not written yet */
    NGX_MDM_REDIS_OP_SENT,           /* written, a reply is due */
    NGX_MDM_REDIS_OP_UNACKED,           /* replied, that of WAIT is due */
    NGX_MDM_REDIS_OP_PARKED,         /* with its owner, to be sent later */
    NGX_MDM_REDIS_OP_OFF             /* none of them */
} ngx_mdm_redis_op_state_e;


/* a call on its way; it outlives the request that made it */

struct ngx_mdm_redis_op_s {
    ngx_queue_t                queue;
    mdm_call_t                *call;       /* NULL: abandoned */
    ngx_mdm_redis_handler_pt   handler;
    void                      *data;
    void                      *redis;      /* the owner's, of its store */
    ngx_mdm_redis_conn_t      *conn;       /* if on one, or it was */
    ngx_mdm_redis_kind_e       kind;
    size_t                     size;       /* of key and arguments */
    ngx_msec_t                 called;
    ngx_msec_t                 deadline;   /* of the caller */
    ngx_msec_t                 left;       /* when its last byte left; before
                                              that, when it was written */
    off_t                      end;        /* where that is in the output */
    ngx_mdm_redis_op_state_e   state;
    mdm_reply_t               *reply;      /* while it is unacked */
    mdm_arena_t               *arena;
    unsigned                   eval:1;     /* send the script's body */
    unsigned                   retried:1;
    unsigned                   write:1;    /* the script may write */
    unsigned                   durable:1;  /* WAIT follows it */
    unsigned                   bulk:1;     /* for the second connection */
    unsigned                   renew:1;    /* the deadline begins when it
                                              has left */
    unsigned                   leaving:1;  /* its last byte has not left */
    unsigned                   pair:1;     /* send two keys */
    unsigned                   asking:1;   /* ASKING goes ahead of it */
    unsigned                   hops:4;     /* redirects so far */
};


/* what a connection tells its owner, who may call it in turn */

typedef struct {
    /* the op is off the connection, with its reply */
    void (*reply)(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op,
        mdm_reply_t *reply, mdm_arena_t *arena);

    /* the op is off the connection and could not be carried out */
    void (*drop)(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op);

    /* the caller cannot wait any more, but the op stays: its reply is due */
    void (*expire)(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op);

    /* calls are taken from now on */
    void (*up)(ngx_mdm_redis_conn_t *conn);

    /* no server of the round could be used, or a call was not answered in
       time */
    void (*down)(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);

    /* the replicas did not confirm what was written, or do again */
    void (*replicated)(ngx_mdm_redis_conn_t *conn, ngx_uint_t enough,
        ngx_int_t replicas);

    /*
     * Sets conn->peer.target before an attempt to connect.  NGX_OK; NGX_AGAIN:
     * ngx_mdm_peer_resolve_done() follows; NGX_ERROR with *reason.
     */
    ngx_int_t (*resolve_start)(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);

    /* NGX_OK: there is another target to try in this round; may be NULL */
    ngx_int_t (*next)(ngx_mdm_redis_conn_t *conn);

    /* writes the handshake, and takes the replies to it one by one */
    ngx_int_t (*handshake_send)(ngx_mdm_redis_conn_t *conn);
    ngx_int_t (*handshake_recv)(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
        ngx_str_t *reason);
} ngx_mdm_redis_owner_t;


/* connections that are written to together */

typedef struct {
    ngx_queue_t                conns;      /* connections with calls kept
                                              back */
    ngx_uint_t                *pending;    /* calls on their way */
    ngx_event_t                event;
    ngx_uint_t                 added;      /* how many calls these are */
    ngx_uint_t                 previous;   /* how many they were a turn ago */
    ngx_uint_t                 ticks;      /* turns that they have waited */
} ngx_mdm_redis_gather_t;


#define NGX_MDM_REDIS_REASON  NGX_MDM_PEER_REASON


struct ngx_mdm_redis_conn_s {
    /* first, since a timer's debug line takes it for a connection */
    ngx_mdm_peer_t                   peer;

    void                            *data;     /* the owner's */
    ngx_mdm_store_t                 *store;
    const ngx_mdm_redis_owner_t     *owner;

    ngx_uint_t                       step;     /* of the handshake */
    ngx_mdm_redis_reader_t           reader;

    ngx_queue_t                      waiting;  /* ops not written yet */
    ngx_queue_t                      sent;     /* ops whose reply is due */
    ngx_queue_t                      unacked;  /* ops that have it, while the
                                                  replicas have not */
    ngx_uint_t                       nsent;    /* how many are sent */
    ngx_uint_t                       limit;    /* of them, 0: none */
    ngx_msec_t                       heard;    /* when bytes came, and left, */
    ngx_msec_t                       moved;    /* at last */
    ngx_msec_t                      *alive;    /* when any connection to the
                                                  server heard of it; may be
                                                  NULL */
    ngx_msec_t                       waited;   /* when WAIT was written */
    ngx_uint_t                       acks;     /* replies of WAIT due */
    ngx_int_t                        replicas; /* that confirmed, -1: short */

    ngx_mdm_redis_gather_t          *gather;   /* NULL: each turn is
                                                  written at its end */
    ngx_queue_t                      gathered; /* among gather->conns */

    ngx_event_t                      timeout;  /* of ops; keeps a worker that
                                                  quits until they ended */

    ngx_mdm_redis_stats_t           *stats;

    unsigned                         noload:1; /* SCRIPT LOAD is refused */
    unsigned                         durable:1; /* WAIT may follow a batch;
                                                  another one of the node
                                                  asks for its settings */
    unsigned                         waitaof:1; /* so does WAITAOF */
    unsigned                         batch:1;  /* no WAIT was sent yet */
    unsigned                         behind:1; /* a call has not left */
    unsigned                         gathering:1;
    unsigned                         early_deadline:1; /* deadlines do not
                                                  follow each other in
                                                  order */
    unsigned                         meta:1;   /* "partitions" was compared */
};


/*
 * Fills in a zeroed connection; data, owner, store and stats have been set,
 * and must outlive it.
 */
void ngx_mdm_redis_conn_init(ngx_mdm_redis_conn_t *conn);

/* starts to connect a connection that is closed */
#define ngx_mdm_redis_conn_open(conn)  ngx_mdm_peer_open(&(conn)->peer)

/* the server, for the log */
#define ngx_mdm_redis_conn_name(conn)  ngx_mdm_peer_name(&(conn)->peer)

/*
 * For resolve_start(): has the target's name resolved, if it is one.  NGX_OK;
 * NGX_AGAIN: ngx_mdm_peer_resolve_done() will be called; NGX_ERROR.
 */
ngx_int_t ngx_mdm_redis_resolve(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);

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

/* the call of an op that was sent goes away: what has not left is copied */
void ngx_mdm_redis_conn_detach(ngx_mdm_redis_op_t *op);

/* gives the connection up and makes a new one: it is of no use any more */
void ngx_mdm_redis_conn_reset(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);


/* 1 if no call is on it */
#define ngx_mdm_redis_idle(conn)                                              \
    (ngx_queue_empty(&(conn)->sent) && ngx_queue_empty(&(conn)->waiting)      \
     && ngx_queue_empty(&(conn)->unacked))


/* calls that share a WAIT, for each that the limit allows without */
#define NGX_MDM_REDIS_SHARE  4

/* 1 if a call could be written now */
#define ngx_mdm_redis_conn_room(conn)                                         \
    ((conn)->acks == 0                                                        \
     && ((conn)->limit == 0                                                   \
         || (conn)->nsent < (conn)->limit                                     \
                            * (ngx_mdm_redis_waits(conn)                      \
                               ? NGX_MDM_REDIS_SHARE : 1)))


/* ngx_mdm_redis_queue.c */

/* a call of more bytes than this is sent from where it lies */
#define NGX_MDM_REDIS_LARGE  16384

/* writes a call to the output; NGX_OK, or NGX_ERROR: no memory */
ngx_int_t ngx_mdm_redis_conn_write(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);

/* lets a call wait; among those that wait, devices go first */
void ngx_mdm_redis_conn_wait(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);

/*
 * A connection that was ready is gone, or a call was not answered in time.
 * Calls whose reply had not begun wait once more, as the scripts may be
 * repeated; those that cannot be repeated are appended to "dead".
 */
void ngx_mdm_redis_conn_recall(ngx_mdm_redis_conn_t *conn, ngx_queue_t *dead,
    ngx_uint_t timedout);

/*
 * Hands ops that failed to the owner, who frees them.  A caller may abandon
 * another one of them meanwhile, which takes a waiting one off the list.
 */
void ngx_mdm_redis_conn_drop(ngx_mdm_redis_conn_t *conn, ngx_queue_t *ops);


/* ngx_mdm_redis_time.c */

/*
 * What a call is given besides "timeout", in milliseconds: 4 MB a second go
 * to the slowest disk that is of use.
 */
#define NGX_MDM_REDIS_RATE  4096

#define ngx_mdm_redis_allowance(size)                                         \
    ((ngx_msec_t) ((size) / NGX_MDM_REDIS_RATE))

#define ngx_mdm_redis_expired(op)                                             \
    ((ngx_msec_int_t) ((op)->deadline - ngx_current_msec) <= 0)

/*
 * 1: the server has said nothing for as long as the oldest call may take,
 * *reason says so
 */
ngx_uint_t ngx_mdm_redis_conn_silent(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);

/*
 * Tells callers that cannot wait any more: the op stays, since its reply is
 * due.  NGX_OK; NGX_DONE: the connection is gone.
 */
ngx_int_t ngx_mdm_redis_conn_expire(ngx_mdm_redis_conn_t *conn,
    ngx_queue_t *ops);

/* takes calls off that have waited for too long */
void ngx_mdm_redis_conn_overdue(ngx_mdm_redis_conn_t *conn,
    ngx_queue_t *dead);

/* an op has been written */
void ngx_mdm_redis_conn_written(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);

/* an op has to wait for its turn */
void ngx_mdm_redis_conn_queued(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op);

/* brings the time up to date before calls are sent */
void ngx_mdm_redis_conn_clock(ngx_mdm_redis_conn_t *conn);

/* bytes have left: "all" of them, or those up to c->sent */
void ngx_mdm_redis_conn_moved(ngx_mdm_redis_conn_t *conn, ngx_uint_t all,
    ngx_uint_t progress);

/* sets the timer for the first op that cannot wait any more */
void ngx_mdm_redis_conn_set_timeout(ngx_mdm_redis_conn_t *conn);

/* moves it to an earlier time if it has to be */
void ngx_mdm_redis_conn_within(ngx_mdm_redis_conn_t *conn, ngx_msec_t until);


/* ngx_mdm_redis_gather.c */

void ngx_mdm_redis_gather_init(ngx_mdm_redis_gather_t *gather,
    ngx_uint_t *pending, ngx_log_t *log);

/* has the connection flushed soon, after a call was written to it */
void ngx_mdm_redis_gather(ngx_mdm_redis_conn_t *conn);

/* takes it out again */
void ngx_mdm_redis_gather_forget(ngx_mdm_redis_conn_t *conn);


/* ngx_mdm_redis_wait.c */

/* is there something to wait for? */
#define ngx_mdm_redis_waits(conn)                                             \
    ((conn)->durable                                                          \
     && ((conn)->store->wait_replicas != 0 || (conn)->waitaof))

/* ends a batch of calls with WAIT; NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_redis_wait_write(ngx_mdm_redis_conn_t *conn);

/* holds a call back until the replicas have confirmed it */
void ngx_mdm_redis_wait_defer(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_op_t *op, mdm_reply_t *reply, mdm_arena_t *arena);

/*
 * Takes the reply to WAIT, and frees its arena.  NGX_OK: calls may be written
 * again, when those in "dead" have been dropped, which would have been part of
 * the batch; NGX_AGAIN: another reply is due; NGX_DONE: the connection is gone.
 */
ngx_int_t ngx_mdm_redis_wait_reply(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, mdm_arena_t *arena, ngx_queue_t *dead);

/* drops the reply of a call that is unacked */
void ngx_mdm_redis_wait_discard(ngx_mdm_redis_op_t *op);


/* ngx_mdm_redis_handshake.c */

/* writes AUTH, SELECT, CLIENT SETNAME, SCRIPT LOAD … and the meta script */
ngx_int_t ngx_mdm_redis_handshake(ngx_mdm_redis_conn_t *conn);

/*
 * Takes the next reply of it.  NGX_AGAIN: more are due; NGX_OK: that was the
 * last one; NGX_ERROR: the server is not usable, *reason says why.
 */
ngx_int_t ngx_mdm_redis_handshake_reply(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, ngx_str_t *reason);


#endif /* _NGX_MDM_REDIS_CONN_H_INCLUDED_ */
