
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a worker that pushes knows of a tenant's push certificates.
 */


#ifndef _MDM_PUSH_REFRESH_H_INCLUDED_
#define _MDM_PUSH_REFRESH_H_INCLUDED_


#include "mdm_exchange.h"
#include "mdm_push_certificate.h"


/* a topic that is pushed to, and what is known of it */

typedef struct {
    mdm_str_t                 topic;       /* as it is */
    mdm_str_t                 sha256;      /* hex; empty: nothing */
    mdm_uint_t                file;        /* 1: it comes from a file */
    mdm_uint_t                wanted;      /* 1: there is something to push */
} mdm_push_known_t;


/* what is there of a topic now */

typedef struct {
    mdm_str_t                 topic;       /* as it is */
    int64_t                   not_after;   /* Unix seconds; 0: of a file */
    mdm_str_t                 sha256;
    mdm_str_t                 stop;        /* why APNs takes no push of it;
                                              empty: it does */
    int64_t                   since;       /* when that was found out */
    mdm_uint_t                probe;       /* 1: one push may be tried */
    mdm_uint_t                changed;     /* 1: it is another one than was
                                              known */
    mdm_push_certificate_t   *cert;        /* then; NULL: it cannot be used */
    mdm_arena_t              *arena;       /* the certificate's own: the taker
                                              sets it to NULL, and destroys it;
                                              else it ends with the exchange */
} mdm_push_topic_t;


/* x->ctx of the step, in the arena or outliving the exchange */

typedef struct {
    mdm_push_known_t         *known;
    mdm_uint_t                nknown;

    mdm_push_topic_t         *topics;      /* filled in with 200 */
    mdm_uint_t                ntopics;
    mdm_push_topic_t        **probes;      /* those that are asked for */
} mdm_push_refresh_t;


/*
 * A step: reads the certificates of x->tenant, each with its key where it is in
 * "known" and has changed.  Of a topic that is stopped, and for which there is
 * something to push, it asks whether one may be tried.  200; 503: Redis is
 * away; 500: a script failed.  That one of them cannot be used is in x->log,
 * and harms no other one.
 */
mdm_int_t mdm_push_refresh_step(mdm_exchange_t *x);


#endif /* _MDM_PUSH_REFRESH_H_INCLUDED_ */
