
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A question to one of several servers: the next one is asked when one
 * fails, and all of them again until one has answered.  The connection lasts
 * as long as the question.
 */


#ifndef _NGX_MDM_REDIS_QUERY_H_INCLUDED_
#define _NGX_MDM_REDIS_QUERY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_mdm_redis_conn.h"


typedef struct ngx_mdm_redis_query_s  ngx_mdm_redis_query_t;

struct ngx_mdm_redis_query_s {
    ngx_mdm_redis_conn_t       conn;
    ngx_mdm_redis_stats_t      stats;
    void                      *data;       /* the asker's */

    ngx_array_t                targets;    /* of ngx_mdm_peer_target_t *:
                                              the servers of the store, and
                                              what the asker adds */
    ngx_uint_t                 index;      /* the one that is asked */
    ngx_uint_t                 asked;      /* in this round */

    ngx_str_t                 *user;
    ngx_str_t                 *password;   /* empty: without AUTH */
    const ngx_str_t           *argv;
    ngx_uint_t                 argc;

    /*
     * Keeps of the reply what it needs.  NGX_OK; NGX_ERROR with *reason:
     * the next server is asked.
     */
    ngx_int_t                (*answer)(ngx_mdm_redis_query_t *ask,
                                       mdm_reply_t *reply, ngx_str_t *reason);

    /* the question is over, with an answer */
    void                     (*done)(ngx_mdm_redis_query_t *ask);

    /* no server has answered, for now */
    void                     (*failed)(ngx_mdm_redis_query_t *ask,
                                       ngx_str_t *reason);

    unsigned                   asking:1;
};


/*
 * Fills in a zeroed one, whose targets are the servers of the store; all from
 * "user" on is for the asker to set.  NGX_OK, or NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_redis_query_init(ngx_mdm_redis_query_t *ask,
    ngx_mdm_store_t *store, ngx_pool_t *pool);

/* asks, unless it does so already; targets must stay until it is over */
void ngx_mdm_redis_query(ngx_mdm_redis_query_t *ask);

void ngx_mdm_redis_query_destroy(ngx_mdm_redis_query_t *ask);


#endif /* _NGX_MDM_REDIS_QUERY_H_INCLUDED_ */
