
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a worker knows of webhooks at work: a place is a stream of which a
 * webhook may have to get something.  There may be thousands of each: whoever
 * looks for one finds it in a tree.
 */


#ifndef _NGX_MDM_HOOK_PLACE_H_INCLUDED_
#define _NGX_MDM_HOOK_PLACE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_hook.h"
#include "ngx_mdm_count.h"
#include "ngx_mdm_hook.h"
#include "ngx_mdm_round.h"


typedef enum {
    NGX_MDM_HOOK_IDLE = 0,
    NGX_MDM_HOOK_READY,
    NGX_MDM_HOOK_WAITING,
    NGX_MDM_HOOK_RUNNING
} ngx_mdm_hook_state_e;


/* a webhook for a tenant of a store */

typedef struct {
    ngx_str_node_t            sn;          /* "store webhook tenant" */
    ngx_queue_t               queue;       /* of all */
    ngx_queue_t               busy;        /* of those that may start some, if
                                              "listed" */
    ngx_mdm_store_t          *store;
    const mdm_webhook_t      *webhook;
    mdm_str_t                 tenant;      /* the end of the key */
    ngx_queue_t               ready;       /* places, by their state */
    ngx_queue_t               waiting;
    ngx_queue_t               under_way;
    ngx_uint_t                running;
    ngx_uint_t                failed;      /* attempts since the last success */
    ngx_msec_t                success;
    mdm_metrics_webhook_t    *counts;      /* NULL: nothing is counted */
    unsigned                  listed:1;
    unsigned                  failing:1;   /* see ngx_mdm_hook_note() */
} ngx_mdm_hook_t;


typedef struct {
    ngx_str_node_t            sn;          /* "store webhook tag" */
    ngx_queue_t               queue;       /* of its webhook */
    ngx_mdm_hook_t           *hook;
    ngx_mdm_hook_state_e      state;
    ngx_rbtree_node_t         due;         /* of one that waits */

    mdm_exchange_t           *exchange;    /* of one that runs */
    ngx_mdm_round_t           round;
    mdm_hook_t                run;
    ngx_uint_t                number;      /* of the run */

    unsigned                  again:1;     /* events have come meanwhile */
    unsigned                  force:1;
    unsigned                  silent:1;    /* the last attempt that failed had
                                              no answer */
} ngx_mdm_hook_place_t;


void ngx_mdm_hook_place_init_process(ngx_log_t *log);

/* frees webhooks and tenants, once their places are free */
void ngx_mdm_hook_place_exit_process(void);

/*
 * The place of the i-th webhook of a store in the stream of this tag, idle if
 * it is new; NULL: no memory.
 */
ngx_mdm_hook_place_t *ngx_mdm_hook_place(ngx_mdm_store_t *store, mdm_uint_t i,
    mdm_str_t *tenant, mdm_str_t *tag);

/* it is in a queue, if only its own, and does not wait */
void ngx_mdm_hook_place_free(ngx_mdm_hook_place_t *place);

/* 1: this worker has not heard of the tenant before, or there is no memory */
ngx_uint_t ngx_mdm_hook_place_tenant(ngx_mdm_store_t *store, mdm_str_t *name);


/* ngx_mdm_hook_count.c */

/* what a run has to be counted of, once */
void ngx_mdm_hook_count_run(ngx_mdm_hook_t *hook, mdm_hook_t *run);

/* a run of it has ended */
void ngx_mdm_hook_note(ngx_mdm_hook_t *hook);


/* all webhooks that have or had a place */
extern ngx_queue_t  ngx_mdm_hook_all;


#endif /* _NGX_MDM_HOOK_PLACE_H_INCLUDED_ */
