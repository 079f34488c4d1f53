
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A store in a worker: its nodes, what is waiting for one, and what the log
 * has been told.  Nothing here is configuration memory.
 */


#ifndef _NGX_MDM_REDIS_NODE_H_INCLUDED_
#define _NGX_MDM_REDIS_NODE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_mdm_redis_conn.h"


typedef struct ngx_mdm_redis_s     ngx_mdm_redis_t;
typedef struct ngx_mdm_redis_id_s  ngx_mdm_redis_id_t;


/* states whose beginning and end are logged once each */

typedef struct {
    ngx_mdm_redis_t           *redis;

    time_t                     since;      /* when it went down */
    ngx_uint_t                 refused;    /* calls that were refused up to
                                              then */
    ngx_str_t                  reason;

    ngx_str_t                  code;       /* of the errors it answers */
    const mdm_script_t        *script;     /* the first script that was answered
                                              so */
    time_t                     last;       /* when that was last */
    ngx_uint_t                 answered;   /* such answers since then */

    ngx_uint_t                 unconfirmed; /* batches that replicas have
                                               not got */
    uint32_t                   settings;   /* a hash of the last warning */

    unsigned                   unknown:1;  /* settings that INFO lacks */
    unsigned                   down:1;
    unsigned                   trouble:1;
    unsigned                   write:1;    /* only scripts that write are
                                              answered so */

    u_char                     buffer[NGX_MDM_REDIS_REASON];
} ngx_mdm_redis_health_t;


/* settings of a server, while the replies with them come in */

#define NGX_MDM_REDIS_VALUE    32

typedef struct {
    ngx_int_t                  memory;     /* maxmemory, -1: unknown */
    ngx_str_t                  policy;     /* maxmemory-policy; empty:
                                              unknown */
    ngx_int_t                  aof;        /* 1: on, -1: unknown */
    ngx_int_t                  replicas;   /* connected replicas, -1: unknown */
    ngx_int_t                  good;       /* 1: it wants some of them to
                                              write, -1: unknown */
    u_char                     buffer[NGX_MDM_REDIS_VALUE];
} ngx_mdm_redis_settings_t;


/* a server that holds keys */

typedef struct {
    ngx_queue_t                queue;      /* among redis->nodes */
    ngx_mdm_redis_t           *redis;
    ngx_mdm_peer_target_t      target;

    ngx_mdm_redis_conn_t       conn;
    ngx_mdm_redis_conn_t       durable;    /* "durability wait": what must
                                              not be lost goes here, so that
                                              polls wait for no replica */
    ngx_mdm_redis_conn_t       bulk;       /* large calls, those of the API
                                              and of jobs */

    ngx_msec_t                 alive;      /* when bytes came at last */
    ngx_mdm_redis_conn_t      *teller;     /* which logged that it is down */

    ngx_mdm_redis_health_t     health;
    ngx_mdm_redis_settings_t   settings;

    unsigned                   listed:1;   /* in the last slot map */
} ngx_mdm_redis_node_t;


/*
 * What "mode" says: where keys are, and how their servers are found.  Whatever
 * may be NULL is done by none but those that have it.
 */

typedef struct {
    /* makes redis->data and the first nodes; NGX_OK or NGX_ERROR */
    ngx_int_t (*create)(ngx_mdm_redis_t *redis, ngx_pool_t *pool);

    /*
     * The node of a key.  NGX_OK; NGX_AGAIN: that is not known yet, the call
     * waits; NGX_DECLINED: nobody has it, or none can be used.
     */
    ngx_int_t (*route)(ngx_mdm_redis_t *redis, mdm_str_t *key,
        ngx_mdm_redis_node_t **node);

    /*
     * A call was answered with this error.  NGX_OK: the call is on its way
     * again; NGX_ERROR: it cannot be for now; NGX_ABORT: as any other, but
     * the server is of no use any more; NGX_DECLINED: as any other.  May be
     * NULL.
     */
    ngx_int_t (*error)(ngx_mdm_redis_node_t *node, ngx_mdm_redis_op_t *op,
        mdm_str_t *error);

    /* a connection of a node has come up, or could not; may be NULL */
    void (*up)(ngx_mdm_redis_node_t *node, ngx_mdm_redis_conn_t *conn);
    void (*down)(ngx_mdm_redis_node_t *node);

    /* that of ngx_mdm_redis_owner_t, for a node's connections */
    ngx_int_t (*locate)(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);

    /* the server of this connection has to be found, or told, anew */
    void (*reset)(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);

    /*
     * It may be another store: nothing is sent until it has been compared
     * again.  May be NULL: a new connection does.
     */
    void (*doubt)(ngx_mdm_redis_t *redis);

    /*
     * Writes a key that is in a slot of the node, by a format with the number
     * of its hash tag; where the node has none by now, any key.  Its length.
     * NULL: any key will do.
     */
    size_t (*key)(ngx_mdm_redis_node_t *node, u_char *buf, const char *fmt);

    /* frees what is not of the pool; may be NULL */
    void (*destroy)(ngx_mdm_redis_t *redis);

    unsigned                   slots:1;    /* keys are spread over nodes */
    unsigned                   role:1;     /* a server may be no master */
} ngx_mdm_redis_mode_t;


typedef void (*ngx_mdm_redis_resend_pt)(ngx_mdm_redis_t *redis,
    ngx_mdm_redis_op_t *op);


struct ngx_mdm_redis_s {
    ngx_mdm_store_t           *store;
    ngx_mdm_redis_stats_t     *stats;      /* in shared memory, or own */
    ngx_mdm_redis_stats_t      own;
    ngx_uint_t                 place;      /* among the stores of metrics */
    ngx_uint_t                 pending;    /* calls on their way now */
    ngx_uint_t                 bulk;       /* how many of these are on the
                                              second connection */

    ngx_queue_t                nodes;      /* one, unless a cluster */
    ngx_mdm_redis_gather_t     gather;     /* of a cluster's */

    const ngx_mdm_redis_owner_t *owner;    /* of the nodes' connections */
    const ngx_mdm_redis_mode_t *mode;
    void                      *data;       /* of the mode */

    ngx_mdm_redis_id_t        *id;         /* is it the same store? */

    ngx_queue_t                parked;     /* ops that are sent later */
    ngx_mdm_redis_resend_pt    resend;     /* sends them */
    ngx_event_t                retry;      /* when they are sent */
    ngx_log_t                  log;
    ngx_socket_t               fd;         /* -1, for debug lines */

    time_t                     failed;     /* when a script last failed */
    ngx_uint_t                 failures;   /* not logged since then */
    ngx_uint_t                 full[2];    /* of devices, and of bulk */

    unsigned                   meta_checked:1; /* "partitions" of a cluster
                                               was compared: no other node
                                               has to be asked */
};


/* the only node of a store that is no cluster */
#define ngx_mdm_redis_node(redis)                                             \
    ngx_queue_data(ngx_queue_head(&(redis)->nodes), ngx_mdm_redis_node_t,     \
                   queue)

#define ngx_mdm_redis_has_durable(redis)                                      \
    ((redis)->store->durability == NGX_MDM_DURABILITY_WAIT)


/* ngx_mdm_redis_node.c */

/*
 * A new node, which starts to connect; its target is zeroed unless one is
 * given, which is taken over.  NULL: no memory.
 */
ngx_mdm_redis_node_t *ngx_mdm_redis_node_create(ngx_mdm_redis_t *redis,
    ngx_mdm_peer_target_t *target);

/* frees it with its connections; calls on it are freed without a word */
void ngx_mdm_redis_node_free(ngx_mdm_redis_node_t *node);

/* makes its connections anew */
void ngx_mdm_redis_node_reset(ngx_mdm_redis_node_t *node, ngx_str_t *reason);

/* 1 if there are calls on it */
ngx_uint_t ngx_mdm_redis_node_busy(ngx_mdm_redis_node_t *node);

/* its connections, the first one first; how many there are */
#define NGX_MDM_REDIS_CONNS  3

ngx_uint_t ngx_mdm_redis_node_conns(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_conn_t **conns);

/* gives the op to that of them which it is for; as ..._conn_send() */
ngx_int_t ngx_mdm_redis_node_send(ngx_mdm_redis_node_t *node,
    ngx_mdm_redis_op_t *op);

/* what a node's connections tell it: see ngx_mdm_redis_owner_t */
void ngx_mdm_redis_node_up(ngx_mdm_redis_conn_t *conn);
void ngx_mdm_redis_node_down(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason);
void ngx_mdm_redis_node_replicated(ngx_mdm_redis_conn_t *conn,
    ngx_uint_t enough, ngx_int_t replicas);
ngx_int_t ngx_mdm_redis_node_resolve_start(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);


/* ngx_mdm_redis.c */

/* the store in this worker, or NULL if this process does not serve */
ngx_mdm_redis_t *ngx_mdm_redis_get(ngx_mdm_store_t *store);

/*
 * Opens a store, whose *redis is zeroed, and closes it again: calls on it are
 * freed without a word.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_mdm_redis_open(ngx_mdm_redis_t *redis, ngx_mdm_store_t *store,
    ngx_pool_t *pool);
void ngx_mdm_redis_close(ngx_mdm_redis_t *redis);

/* all of them in this worker, by store->index */
extern ngx_mdm_redis_t  *ngx_mdm_redis_stores;
extern ngx_uint_t        ngx_mdm_redis_nstores;


/* ngx_mdm_redis_park.c */

/* "resend" sends a call again, or ends it */
void ngx_mdm_redis_park_init(ngx_mdm_redis_t *redis,
    ngx_mdm_redis_resend_pt resend);

/* frees what is parked without a word to the callers */
void ngx_mdm_redis_park_destroy(ngx_mdm_redis_t *redis);

/* has the op sent again when a moment has passed */
void ngx_mdm_redis_park(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op);

/* tries all that is parked now */
void ngx_mdm_redis_unpark(ngx_mdm_redis_t *redis);


/*
 * ngx_mdm_redis_log.c: error log lines, one a change of state.  "what" says
 * of whom, such as "redis 127.0.0.1:6379".
 */

void ngx_mdm_redis_log_up(ngx_mdm_redis_health_t *health, const char *what,
    ngx_str_t *name);
void ngx_mdm_redis_log_down(ngx_mdm_redis_health_t *health, const char *what,
    ngx_str_t *name, ngx_str_t *reason);

/* it answers an error that goes away, such as LOADING */
void ngx_mdm_redis_log_trouble(ngx_mdm_redis_health_t *health, ngx_str_t *name,
    ngx_mdm_redis_op_t *op, ngx_str_t *code, mdm_str_t *error);

/* it has answered a call well, which may be the end of that */
void ngx_mdm_redis_log_recovered(ngx_mdm_redis_health_t *health,
    ngx_str_t *name, ngx_mdm_redis_op_t *op);

/* replicas have confirmed a batch, or too few have */
void ngx_mdm_redis_log_replicated(ngx_mdm_redis_health_t *health,
    ngx_str_t *name, ngx_uint_t enough, ngx_int_t replicas);

void ngx_mdm_redis_log_full(ngx_mdm_redis_t *redis, ngx_uint_t bulk,
    ngx_uint_t pending);
void ngx_mdm_redis_log_failure(ngx_mdm_redis_t *redis,
    ngx_mdm_redis_op_t *op, mdm_str_t *error);


/* ngx_mdm_redis_settings.c */

/* asks the server for its settings behind the handshake; NGX_OK, NGX_ERROR */
ngx_int_t ngx_mdm_redis_settings_write(ngx_mdm_redis_conn_t *conn);

/* how many replies there will be */
ngx_uint_t ngx_mdm_redis_settings_count(ngx_mdm_redis_conn_t *conn);

/* takes reply i of them; the last one may end in a warning */
void ngx_mdm_redis_settings_reply(ngx_mdm_redis_conn_t *conn, ngx_uint_t i,
    mdm_reply_t *reply);


#endif /* _NGX_MDM_REDIS_NODE_H_INCLUDED_ */
