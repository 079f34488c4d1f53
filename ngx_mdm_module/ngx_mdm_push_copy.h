
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A worker's copy of a tenant's push certificates, and how it is renewed.
 */


#ifndef _NGX_MDM_PUSH_COPY_H_INCLUDED_
#define _NGX_MDM_PUSH_COPY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_exchange_secret.h"
#include "mdm_push_memory.h"
#include "mdm_push_refresh.h"
#include "mdm_push_stop.h"
#include "mdm_quote.h"
#include "ngx_mdm_push.h"
#include "ngx_mdm_redis.h"


/* topics of TokenUpdates that wait for a first copy, at most */
#define NGX_MDM_PUSH_SEEN  16

/* bytes of a topic in a line of the log */
#define NGX_MDM_PUSH_TOPIC  MDM_QUOTE_LEN


typedef struct ngx_mdm_push_tenant_s  ngx_mdm_push_tenant_t;
typedef struct ngx_mdm_push_late_s    ngx_mdm_push_late_t;


/* a topic that this worker has pushed to */

typedef struct {
    /* first, to be found by it */
    ngx_mdm_apns_cert_t       cert;

    ngx_queue_t               queue;
    ngx_mdm_push_tenant_t    *tenant;
    u_char                    sha256[64];  /* of cert.key */
    mdm_push_memory_t         memory;

    size_t                    reason;      /* of "stopped" */
    u_char                    text[NGX_MDM_PEER_REASON];

    mdm_exchange_t           *exchange;    /* it is being said in Redis */
    ngx_mdm_redis_op_t       *op;
    mdm_push_stop_t           saying;
    ngx_msec_t                said;        /* when that had ended */

    unsigned                  broken:1;    /* there is one that cannot be
                                              used */
    unsigned                  file:1;      /* it comes from a file */
    unsigned                  stopped:1;   /* APNs takes no push of it */
    unsigned                  probe:1;     /* one may be tried all the same */
    unsigned                  wanted:1;    /* there is one to be tried */

    u_char                    topic[1];
} ngx_mdm_push_cert_t;


struct ngx_mdm_push_tenant_s {
    /* the fourth field is a socket for a timer's debug line */
    ngx_queue_t               queue;       /* among all, those that were used
                                              last at the end */
    ngx_mdm_store_t          *store;
    ngx_socket_t              fd;

    ngx_log_t                *log;
    ngx_str_t                 name;        /* the tenant */

    ngx_queue_t               certs;       /* of ngx_mdm_push_cert_t */
    ngx_queue_t               waiting;     /* pushes that are parked */

    /* see ngx_mdm_push_late.h; NULL: there are none */
    ngx_mdm_push_late_t      *storing;     /* outcomes that are being stored */
    ngx_mdm_push_late_t      *late;        /* and those that come behind them */

    mdm_arena_t              *arena;       /* of topics */
    mdm_str_t                *topics;      /* all that have a certificate in
                                              Redis */
    ngx_uint_t                ntopics;
    ngx_msec_t                until;       /* when it is to be read again */

    mdm_exchange_t           *exchange;    /* it is being read */
    mdm_push_refresh_t        refresh;
    ngx_msec_t                begun;
    ngx_mdm_redis_op_t       *ops[MDM_REWRITES];
    ngx_uint_t                pending;

    time_t                    logged;      /* trouble */

    mdm_str_t                 seen[NGX_MDM_PUSH_SEEN];
    ngx_uint_t                nseen;

    ngx_event_t               timer;       /* the next line about "missing" */
    ngx_uint_t                missing;     /* channels without a certificate */
    ngx_str_t                 last;        /* topic of the last one */

    unsigned                  known:1;     /* it could be read the last time */
};


/* it was read, or could not be */
typedef void (*ngx_mdm_push_read_pt)(ngx_mdm_push_tenant_t *tenant,
    ngx_uint_t ok);


/* 1 if the copy is not older than some seconds, or just could not be read */
ngx_uint_t ngx_mdm_push_fresh(ngx_mdm_push_tenant_t *tenant);

/* reads it, unless it is being read; done() may be called at once */
void ngx_mdm_push_read(ngx_mdm_push_tenant_t *tenant,
    ngx_mdm_push_read_pt done);

/* what is being read is not waited for any more */
void ngx_mdm_push_read_abandon(ngx_mdm_push_tenant_t *tenant);

/* that of a topic that was read with its key; NULL: there is none */
ngx_mdm_push_cert_t *ngx_mdm_push_cert(ngx_mdm_push_tenant_t *tenant,
    ngx_str_t *topic);

/*
 * That of a file, which is copied, with what "ended" is to be told; NULL: no
 * memory.
 */
ngx_mdm_push_cert_t *ngx_mdm_push_cert_file(ngx_mdm_push_tenant_t *tenant,
    const ngx_mdm_apns_cert_t *file, const mdm_str_t *sha256);

/* 1 if there is one in Redis */
ngx_uint_t ngx_mdm_push_has(ngx_mdm_push_tenant_t *tenant, ngx_str_t *topic);


#endif /* _NGX_MDM_PUSH_COPY_H_INCLUDED_ */
