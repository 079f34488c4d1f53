
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The calls of an exchange on their way to whoever runs their kind: all of a
 * round at once, of a request or of a job.
 */


#ifndef _NGX_MDM_ROUND_H_INCLUDED_
#define _NGX_MDM_ROUND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_exchange.h"
#include "ngx_mdm_redis.h"
#include "ngx_mdm_store.h"
#include "ngx_mdm_work.h"


typedef struct {
    mdm_exchange_t           *exchange;
    ngx_mdm_store_t          *store;
    ngx_mdm_threads_t        *threads;     /* NULL: work is done in place */

    void                    (*done)(void *data);   /* the last reply has come:
                                              the exchange may run again */
    void                     *data;

    ngx_mdm_redis_op_t      **ops;
    ngx_uint_t                nops;
    ngx_uint_t                pending;
    ngx_uint_t                working;     /* of them those of work */
    ngx_uint_t                nredis;      /* that went to Redis */
} ngx_mdm_round_t;


/*
 * Sends the calls of round->exchange; what is above ops has been set.  The
 * number that will be answered; 0: done() is not called, and the exchange may
 * run again at once.
 */
ngx_uint_t ngx_mdm_round_send(ngx_mdm_round_t *round);

/*
 * Lets those go that Redis has not answered.  Work goes on: if there is some,
 * round->working, done() is called when it has ended, and the exchange must
 * stay until then; else done() is not called any more.
 */
void ngx_mdm_round_abandon(ngx_mdm_round_t *round);


#endif /* _NGX_MDM_ROUND_H_INCLUDED_ */
