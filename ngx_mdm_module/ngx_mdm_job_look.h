
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A runner of jobs, and its look at what is due.
 */


#ifndef _NGX_MDM_JOB_LOOK_H_INCLUDED_
#define _NGX_MDM_JOB_LOOK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_endpoint.h"
#include "mdm_key.h"
#include "ngx_mdm_round.h"
#include "ngx_mdm_store.h"


/* pieces of work at a time: one of each kind, and these of any */
#define NGX_MDM_JOB_SPARE     4
#define NGX_MDM_JOB_SLOTS     (MDM_ENDPOINT_JOBS + NGX_MDM_JOB_SPARE)

/*
 * kicks that wait; for one that is lost Redis has the announcement of the
 * change
 */
#define NGX_MDM_JOB_KICKS     64

#define NGX_MDM_JOB_WORK      (MDM_JOB_NAME_MAX + 1 + MDM_TENANT_MAX)


typedef struct {
    size_t                    len;
    u_char                    data[NGX_MDM_JOB_WORK];
} ngx_mdm_job_work_t;


typedef struct ngx_mdm_runner_s  ngx_mdm_runner_t;

/* a piece of work, or room for one */

typedef struct {
    /* a timer's debug line prints the fourth field of its data as a socket */
    ngx_mdm_runner_t         *runner;
    mdm_exchange_t           *exchange;    /* NULL: it does not run */
    const mdm_job_kind_t     *kind;        /* NULL: the slot is free */
    ngx_socket_t              fd;

    ngx_event_t               pause;       /* when its next round may go */
    ngx_mdm_round_t           round;
    uint64_t                  sent;        /* microseconds */

    ngx_mdm_job_work_t        work;
    int64_t                   again;       /* milliseconds, with ended */

    unsigned                  ended:1;     /* Redis is to be told */
    unsigned                  lost:1;      /* another one may have it */
} ngx_mdm_job_t;


struct ngx_mdm_runner_s {
    /* the order of the first four is as above */
    ngx_mdm_store_t          *store;
    mdm_exchange_t           *exchange;    /* the look under way, or NULL */
    mdm_job_look_t           *look;        /* of it */
    ngx_socket_t              fd;

    const mdm_job_kind_t    **kinds;
    ngx_uint_t                nkinds;
    mdm_str_t                 name;        /* among all that share the Redis */

    ngx_log_t                 log;
    ngx_event_t               start;       /* posted: look at what is due */
    ngx_event_t               timer;       /* when to look by itself */
    ngx_mdm_round_t           round;

    ngx_mdm_job_t             jobs[NGX_MDM_JOB_SLOTS];
    ngx_mdm_job_t            *looked[NGX_MDM_JOB_SLOTS];  /* of look->held */
    ngx_mdm_job_t            *told[NGX_MDM_JOB_SLOTS];    /* of look->done */

    ngx_mdm_job_work_t        kicks[NGX_MDM_JOB_KICKS];
    ngx_uint_t                nkicks;

    unsigned                  again:1;     /* look again behind this one */
    unsigned                  failed:1;    /* its failure was logged */
};


/*
 * Makes runner->exchange and runner->look; what was told of kicks is in it.
 * NGX_OK, or NGX_ERROR: the exchange, if there is one, is to be destroyed.
 */
ngx_int_t ngx_mdm_job_look_create(ngx_mdm_runner_t *runner);

/* a kick for the next look, "kind tenant", if there is room */
void ngx_mdm_job_kick_add(ngx_mdm_runner_t *runner, u_char *work, size_t len);
void ngx_mdm_job_kick_tenant(ngx_mdm_runner_t *runner, const char *kind,
    const mdm_str_t *tenant);


#endif /* _NGX_MDM_JOB_LOOK_H_INCLUDED_ */
