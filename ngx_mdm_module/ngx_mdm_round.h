
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Runs the calls of an exchange, of a request or of a job: all calls of a round
 * at the same time, each by what its kind needs.
 */


#ifndef _NGX_MDM_ROUND_H_INCLUDED_
#define _NGX_MDM_ROUND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_exchange.h"
#include "ngx_mdm_apns.h"
#include "ngx_mdm_http.h"
#include "ngx_mdm_push.h"
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

    ngx_mdm_redis_op_t      **ops;         /* of calls that are under way, */
    ngx_mdm_apns_op_t       **pushes;      /* by their kind; NULL: there are
                                              no pushes, */
    ngx_mdm_http_op_t       **https;       /* no HTTP requests */
    ngx_uint_t                nops;
    ngx_uint_t                pending;
    ngx_uint_t                working;     /* of them those of work */
    ngx_uint_t                nredis;      /* that went to Redis */

    mdm_call_t                step;        /* the step, run in a thread */
    mdm_int_t                 rc;          /* what it has returned */
    ngx_uint_t                stepped;     /* 1: rc was not looked at yet */
} ngx_mdm_round_t;


/*
 * Runs the step of round->exchange: here, or in a thread if it takes long.
 * NGX_OK: *rc is what mdm_exchange_run() has returned.  NGX_DONE: a thread is
 * at it, and done() will be called: call this once more then.  NGX_ERROR: too
 * much waits for a thread already, and nothing was done.
 */
ngx_int_t ngx_mdm_round_step(ngx_mdm_round_t *round, mdm_int_t *rc);


/*
 * Sends the calls of round->exchange; the caller has set the members above
 * "ops".  Returns how many calls are under way; 0: done() is not called, and
 * the exchange can be run again at once.
 */
ngx_uint_t ngx_mdm_round_send(ngx_mdm_round_t *round);

/*
 * Abandons the calls that Redis has not answered, and pushes, which go on, but
 * nobody sees what becomes of them; HTTP requests are given up.  Work cannot be
 * abandoned: if
 * there is some (round->working), done() is called when it has ended, and the
 * exchange must stay until then.  Otherwise done() is not called any more.
 */
void ngx_mdm_round_abandon(ngx_mdm_round_t *round);

/* writes what an exchange has to say that no request stands for */
void ngx_mdm_round_log(mdm_exchange_t *x, ngx_log_t *log);


#endif /* _NGX_MDM_ROUND_H_INCLUDED_ */
