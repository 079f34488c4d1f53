
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is behind ngx_mdm_apns.h: pushes on their way, the topics that they
 * belong to, and their connections.
 */


#ifndef _NGX_MDM_APNS_CONN_H_INCLUDED_
#define _NGX_MDM_APNS_CONN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "mdm_push.h"
#include "ngx_mdm_apns.h"


/* streams of a connection at most, whatever APNs allows */
#define NGX_MDM_APNS_STREAMS    500

/* times that a push is given to a connection, at most */
#define NGX_MDM_APNS_TRIES      3

/* milliseconds: within which a push is to be answered, */
#define NGX_MDM_APNS_TIMEOUT    10000

/* may wait before it is sent, */
#define NGX_MDM_APNS_PATIENCE   30000

/* and a PING is to be answered */
#define NGX_MDM_APNS_PONG       5000

/* answers of 5xx in a row that make a connection suspect */
#define NGX_MDM_APNS_ERRORS     3


typedef struct ngx_mdm_apns_s        ngx_mdm_apns_t;
typedef struct ngx_mdm_apns_topic_s  ngx_mdm_apns_topic_t;
typedef struct ngx_mdm_apns_conn_s   ngx_mdm_apns_conn_t;
typedef struct nghttp2_session       ngx_mdm_apns_session_t;


/*
 * A push on its way: it waits for a stream, has one, or has ended and is among
 * apns->done until its caller is told.
 */

struct ngx_mdm_apns_op_s {
    /* the fourth field is a socket for a timer's debug line */
    ngx_queue_t               queue;
    mdm_call_t               *call;        /* NULL: nobody waits for it */
    ngx_socket_t              fd;

    ngx_mdm_apns_handler_pt   handler;
    void                     *data;
    ngx_mdm_apns_t           *apns;
    ngx_mdm_apns_topic_t     *topic;       /* NULL: it is parked, and */
    ngx_mdm_apns_lost_pt      lost;        /* who is told of its end there */
    void                     *owner;
    ngx_mdm_apns_conn_t      *conn;        /* if it has a stream */
    int32_t                   stream;

    ngx_event_t               wait;        /* ends the caller's patience */
    ngx_msec_t                called;
    int64_t                   owed;        /* since when, see mdm_push_t */
    ngx_msec_t                sent;        /* when it got its stream */
    ngx_uint_t                tries;       /* streams so far */

    ngx_str_t                 name;        /* of its topic */
    ngx_str_t                 path;
    ngx_str_t                 apns_id;
    ngx_str_t                 expiration;
    ngx_str_t                 payload;
    mdm_str_t                 tag;         /* of a lease, see mdm_push_t */
    mdm_str_t                 id;
    mdm_str_t                 token;
    mdm_str_t                 stamp;
    size_t                    offset;      /* how much of it is sent */

    mdm_push_e                outcome;
    ngx_uint_t                again;       /* ms until one may be sent */
    ngx_uint_t                status;      /* 0: no answer yet */
    int64_t                   retry_after;
    u_char                   *body;        /* NULL: none */
    size_t                    len;
    size_t                    size;        /* of body */
    size_t                    reason;      /* its length */
    u_char                    text[NGX_MDM_PEER_REASON];

    unsigned                  complete:1;  /* all of the answer has come */
    unsigned                  large:1;     /* it is too large */
    unsigned                  unsent:1;    /* its stream was never begun */
    unsigned                  ended:1;
    unsigned                  old:1;       /* with the certificate of before */
};


/* an APNs connection of a topic */

struct ngx_mdm_apns_conn_s {
    /* first, since a timer's debug line takes it for a connection */
    ngx_mdm_peer_t            peer;

    ngx_queue_t               queue;       /* among topic->conns */
    ngx_mdm_apns_topic_t     *topic;
    ngx_mdm_apns_key_t       *key;         /* it was made with */
    ngx_mdm_apns_session_t   *session;

    ngx_queue_t               streams;     /* pushes that have one, in the order
                                              in which they got it */
    ngx_uint_t                nstreams;    /* that are open, also those that
                                              were reset a moment ago */
    ngx_uint_t                limit;       /* of them, that APNs allows */

    ngx_event_t               timer;
    ngx_msec_t                heard;       /* when bytes came at last */
    ngx_msec_t                used;        /* when a push was sent at last */
    ngx_msec_t                pinged;      /* when PING was sent */
    ngx_msec_t                end;         /* when it is closed at last, if
                                              it is "ending" */
    ngx_uint_t                errors;      /* 5xx in a row */
    ngx_uint_t                answers;

    size_t                    reason;      /* of a GOAWAY: length of its text */
    u_char                    text[NGX_MDM_PEER_REASON];

    unsigned                  settled:1;   /* APNs' SETTINGS have come */
    unsigned                  pinging:1;
    unsigned                  goaway:1;    /* it has come, and was not looked
                                              at yet */
    unsigned                  stop:1;      /* it says that no other connection
                                              helps */
    unsigned                  retired:1;   /* it takes no push any more */
    unsigned                  ending:1;
    unsigned                  dead:1;      /* closed, to be freed */
};


/* what a connection tells its owner */

typedef struct {
    /* pushes may be sent from now on */
    void (*up)(ngx_mdm_apns_conn_t *conn);

    /* it could not be made, or APNs does not take our certificate */
    void (*down)(ngx_mdm_apns_conn_t *conn, ngx_str_t *reason);

    /* it takes no push any more: another one may be made */
    void (*retired)(ngx_mdm_apns_conn_t *conn);
} ngx_mdm_apns_owner_t;


/* pushes of a tenant with the same certificate */

struct ngx_mdm_apns_topic_s {
    /* the fourth field is a socket for a timer's debug line */
    ngx_queue_t                   queue;   /* among apns->topics, those that
                                              were used last at the end */
    ngx_mdm_apns_t               *apns;
    ngx_socket_t                  fd;

    ngx_mdm_apns_cert_t          *cert;
    const ngx_mdm_apns_owner_t   *owner;

    ngx_queue_t                   waiting; /* pushes without a stream */
    ngx_uint_t                    pending; /* all that have not ended */
    ngx_queue_t                   conns;   /* all of it, */
    ngx_mdm_apns_conn_t          *conn;    /* and that which takes pushes */

    ngx_event_t                   timer;   /* of those that wait */
    ngx_uint_t                    addr;    /* that is tried first */
    ngx_msec_t                    delay;   /* before the next attempt; 0: the
                                              last one went well */
    ngx_msec_t                    next;    /* when that is, unless 0 */

    time_t                        since;   /* when it went down */
    ngx_uint_t                    refused; /* pushes that were not sent then */
    mdm_push_e                    outcome; /* theirs */
    size_t                        reason;
    u_char                        text[NGX_MDM_PEER_REASON];

    unsigned                      down:1;
};


/* all that a worker has */

struct ngx_mdm_apns_s {
    ngx_mdm_apns_conf_t      *conf;
    ngx_mdm_peer_target_t     target;      /* APNs, or the proxy */
    ngx_log_t                 log;

    ngx_queue_t               topics;
    ngx_uint_t                ntopics;
    ngx_uint_t                pending;     /* pushes that have not ended */

    ngx_queue_t               done;        /* pushes that have */
    ngx_event_t               deliver;     /* tells their callers */

    ngx_queue_t               dead;        /* connections */
    ngx_event_t               reap;        /* frees them */

    ngx_atomic_t              sends;
    ngx_uint_t                closing;     /* 1: this is the end */
};


/* ngx_mdm_apns_topic.c: topics */

/* which is the one that was used last now; NULL: there is none */
ngx_mdm_apns_topic_t *ngx_mdm_apns_topic_find(ngx_mdm_apns_t *apns,
    ngx_mdm_apns_cert_t *cert);

/* "handler" is that of its timer; NULL: there is no room */
ngx_mdm_apns_topic_t *ngx_mdm_apns_topic_create(ngx_mdm_apns_t *apns,
    ngx_mdm_apns_cert_t *cert, const ngx_mdm_apns_owner_t *owner,
    ngx_event_handler_pt handler);

/* closes its connections, frees its pushes without a word */
void ngx_mdm_apns_topic_free(ngx_mdm_apns_topic_t *topic);


/* ngx_mdm_apns_op.c: a push, whatever carries it */

/* one that is parked; NULL: no memory */
ngx_mdm_apns_op_t *ngx_mdm_apns_op_create(ngx_mdm_apns_t *apns,
    mdm_push_t *push);

/* it waits for a stream of the topic, behind all others */
void ngx_mdm_apns_op_start(ngx_mdm_apns_op_t *op, ngx_mdm_apns_topic_t *topic);

/* frees it without a word to its caller */
void ngx_mdm_apns_op_free(ngx_mdm_apns_op_t *op);

/*
 * It has ended, and is off all lists: its caller will be told, in an event of
 * its own.  "reason" is copied.
 */
void ngx_mdm_apns_op_end(ngx_mdm_apns_op_t *op, mdm_push_e outcome,
    ngx_str_t *reason);

/* the same with a constant */
#define ngx_mdm_apns_op_fail(op, outcome, text)                               \
    do {                                                                      \
        ngx_str_t  reason_ = ngx_string(text);                                \
        ngx_mdm_apns_op_end(op, outcome, &reason_);                           \
    } while (0)

/*
 * Its stream was not looked at by APNs, or is gone with its connection: it
 * waits once more, before all others, or ends.
 */
void ngx_mdm_apns_op_again(ngx_mdm_apns_op_t *op, const char *reason);

/* what has become of pushes where a connection fails so */
mdm_push_e ngx_mdm_apns_outcome(ngx_mdm_peer_fault_e fault);

/* ends all that waits for a stream */
void ngx_mdm_apns_op_refuse(ngx_mdm_apns_topic_t *topic, mdm_push_e outcome,
    ngx_str_t *reason);

/* the handlers of apns->deliver and of op->wait */
void ngx_mdm_apns_op_deliver_handler(ngx_event_t *ev);


/* ngx_mdm_apns_session.c: HTTP/2; all that knows nghttp2 */

/* begins it: SETTINGS are to be sent; NGX_OK, NGX_ERROR: no memory */
ngx_int_t ngx_mdm_apns_session_create(ngx_mdm_apns_conn_t *conn);
void ngx_mdm_apns_session_free(ngx_mdm_apns_conn_t *conn);

/* takes bytes; NGX_OK; NGX_ERROR: it is of no use any more, *why says so */
ngx_int_t ngx_mdm_apns_session_read(ngx_mdm_apns_conn_t *conn, u_char *data,
    size_t len, const char **why);

/*
 * Writes to the output what is to be sent, about 16 kB at most; NGX_OK,
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_apns_session_write(ngx_mdm_apns_conn_t *conn);

/* 1 if something is to be sent */
ngx_uint_t ngx_mdm_apns_session_wants(ngx_mdm_apns_conn_t *conn);

/* 1 if nothing will come any more */
ngx_uint_t ngx_mdm_apns_session_over(ngx_mdm_apns_conn_t *conn);

/*
 * Gives a push a stream.  NGX_OK; NGX_DECLINED: there is none left on this
 * connection; NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_apns_session_submit(ngx_mdm_apns_conn_t *conn,
    ngx_mdm_apns_op_t *op);

/* lets go of a push: its stream is reset, and tells nothing any more */
void ngx_mdm_apns_session_cancel(ngx_mdm_apns_conn_t *conn,
    ngx_mdm_apns_op_t *op);

/* NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_apns_session_ping(ngx_mdm_apns_conn_t *conn);

/* the last that is sent: GOAWAY */
void ngx_mdm_apns_session_end(ngx_mdm_apns_conn_t *conn);


/* ngx_mdm_apns_peer.c: a connection */

/*
 * Makes topic->conn, and starts to connect, which may have failed already when
 * it returns: owner->down() was called then.  NGX_OK, NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_apns_conn_open(ngx_mdm_apns_topic_t *topic);

/* what waits is sent when the present event is over, if it can be */
void ngx_mdm_apns_conn_wake(ngx_mdm_apns_conn_t *conn);

/* 1 if no push is on it */
#define ngx_mdm_apns_conn_idle(conn)  ngx_queue_empty(&(conn)->streams)

/* says goodbye and closes it; what is on it waits again, or ends */
void ngx_mdm_apns_conn_close(ngx_mdm_apns_conn_t *conn);

/* takes no push any more: closes it when those that are on it have ended */
void ngx_mdm_apns_conn_replace(ngx_mdm_apns_conn_t *conn);

/* frees those that are closed; the handler of apns->reap */
void ngx_mdm_apns_conn_reap(ngx_mdm_apns_t *apns);
void ngx_mdm_apns_conn_reap_handler(ngx_event_t *ev);


#endif /* _NGX_MDM_APNS_CONN_H_INCLUDED_ */
