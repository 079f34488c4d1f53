
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A visit is one exchange of one channel of one device: what a device does
 * from the first request until it has nothing more to say.
 */


#ifndef _MDMSIM_RUN_H_INCLUDED_
#define _MDMSIM_RUN_H_INCLUDED_


#include "mdmsim_wake.h"


#define SIM_NO_CHANNEL  UINT32_MAX

/* bits of a device's state */
#define SIM_ENROLLED    1
#define SIM_BUSY        2      /* a visit is under way */


typedef enum {
    SIM_STEP_AUTHENTICATE = 0,
    SIM_STEP_TOKEN,
    SIM_STEP_BOOTSTRAP_SET,
    SIM_STEP_BOOTSTRAP_GET,
    SIM_STEP_CHECKOUT,
    SIM_STEP_DDM,
    SIM_STEP_IDLE,
    SIM_STEP_RESULT
} sim_step_e;


/* a table of what a device has to remember from one visit to the next */

typedef struct sim_entry_s  sim_entry_t;

struct sim_entry_s {
    sim_entry_t              *next;
    uint64_t                  key;
    uint64_t                  visit;       /* in which it was refused */
    uint64_t                  progress;
    sim_answer_e              answer;
    sim_buf_t                 body;        /* a result to send again */
    sim_buf_t                 uuid;
};


typedef struct sim_ddm_s  sim_ddm_t;


typedef struct {
    sim_entry_t             **slots;
    uint32_t                  size;
    uint32_t                  count;
} sim_table_t;


typedef struct {
    sim_step_e                step;
    sim_device_t              device;
    uint32_t                  channel;     /* 0: the device's, else a user */
    uint32_t                  speaker;     /* the channel of this message */
    uint32_t                  attempts;
    uint32_t                  commands;
    int                       unsent;      /* not even its first request */
    int                       again;       /* after the pause */
    uint64_t                  scheduled;   /* open loop, 0: when sent */
    uint64_t                  id;
    uint64_t                  progress;    /* answers but NotNow so far */
    uint64_t                  answered;    /* when the last one was sent, 0:
                                              none was */
    uint64_t                  wake;
    sim_command_t             command;
    sim_answer_e              answer;
    sim_buf_t                 body;
    sim_buf_t                 request;
} sim_visit_t;


typedef struct {
    const sim_option_t       *opt;
    sim_loop_t                loop;
    sim_stat_t                stat;
    sim_ca_t                 *ca;
    sim_target_t              connect;
    sim_target_t              checkin;
    sim_plist_t               plist;
    sim_table_t               pending;
    sim_table_t               refused;
    FILE                     *ledger;
    uint8_t                  *state;       /* a device */
    uint32_t                 *owner;       /* connection + 1 of a device */
    sim_ddm_t               **ddm;         /* a channel; NULL: off */
    sim_wake_t                wake;
    sim_visit_t              *visits;      /* a connection */
    uint64_t                  ids;
    uint64_t                  random;
    uint32_t                  notes;

    int                       identity;    /* is that of the connection */
    int                       bound;       /* visits go to given devices */
    int                       open;        /* open loop */
    int                       stopping;
    int                       settling;    /* only passes are made now */
    int                       exhausted;
    uint64_t                  units;       /* left, if bound */
    uint32_t                  next_device;
    uint32_t                  next_channel;
    uint32_t                  active;      /* connections at work */
    uint32_t                  started;
    uint64_t                  unsent;      /* visits */

    double                    rate;
    uint64_t                  begin;
    uint64_t                  end;         /* 0: none */
    uint64_t                  arrivals;    /* taken so far */
    sim_link_t                idle;
    sim_link_t                paused;
} sim_run_t;


/* mdmsim_table.c */

sim_entry_t *sim_table_get(const sim_table_t *t, uint64_t key);
/* the entry with that key, made if there is none */
sim_entry_t *sim_table_add(sim_table_t *t, uint64_t key);
void sim_table_del(sim_table_t *t, uint64_t key);
void sim_table_free(sim_table_t *t);

/* mdmsim_visit.c */

void sim_visit_begin(sim_run_t *run, sim_visit_t *v, uint32_t device,
    uint32_t channel);
sim_target_t *sim_visit_target(sim_run_t *run, const sim_visit_t *v);
/* fills in v->request */
void sim_visit_request(sim_run_t *run, sim_visit_t *v);
/* SIM_AGAIN: the next request; SIM_OK: done; SIM_ERROR: failed, counted */
int sim_visit_response(sim_run_t *run, sim_conn_t *c, sim_visit_t *v);
/* what a device keeps when an exchange breaks off */
void sim_visit_failed(sim_run_t *run, sim_visit_t *v);
const char *sim_visit_what(const sim_visit_t *v);
/* a word on stderr about what went wrong, the first ten times */
void sim_note(sim_run_t *run, const sim_visit_t *v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* mdmsim_ddm.c */

/* an acknowledged command DeclarativeManagement */
void sim_ddm_command(sim_run_t *run, sim_visit_t *v);
/* when no command is left: SIM_AGAIN, there is something to sync; SIM_OK */
int sim_ddm_next(sim_run_t *run, sim_visit_t *v);
/* writes the message */
void sim_ddm_request(sim_run_t *run, sim_visit_t *v);
/* as sim_visit_response(), of any status */
int sim_ddm_response(sim_run_t *run, sim_conn_t *c, sim_visit_t *v);
/* a device enrolls: all that it had is gone */
void sim_ddm_forget(sim_run_t *run, uint32_t device);
uint32_t sim_ddm_index(const sim_run_t *run, uint32_t device,
    uint32_t channel);
void sim_ddm_free(sim_run_t *run);

/* mdmsim_ddm_check.c: each channel has what the API says */

void sim_ddm_check(sim_run_t *run);

/* mdmsim_run.c: sets "stopping" when the time or the requests are over */

void sim_run_check(sim_run_t *run);

/* mdmsim_work.c */

uint64_t sim_run_units(const sim_run_t *run);
int sim_run_choose(sim_run_t *run, sim_conn_t *c, uint32_t *device,
    uint32_t *channel);
void sim_run_next(sim_run_t *run, sim_conn_t *c);
void sim_run_visit(sim_run_t *run, sim_conn_t *c, uint32_t device,
    uint32_t channel, uint64_t scheduled);
void sim_run_advance(sim_run_t *run, sim_conn_t *c);
void sim_run_idle(sim_run_t *run, sim_conn_t *c);
void sim_run_ready(sim_loop_t *loop, sim_conn_t *c);
void sim_run_response(sim_loop_t *loop, sim_conn_t *c);
void sim_run_failed(sim_loop_t *loop, sim_conn_t *c, sim_error_e e);
void sim_run_gone(sim_loop_t *loop, sim_conn_t *c);


#endif /* _MDMSIM_RUN_H_INCLUDED_ */
