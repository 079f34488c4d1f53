
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Torture: devices and administrators that write down whatever was answered
 * with 2xx, while somebody else breaks the servers.
 *
 * Channels are divided among groups.  A group is one administrator: it
 * queues command n + 1 only when n has been acknowledged, so the numbers
 * say in which order a channel must see them.
 */


#ifndef _MDMSIM_TORTURE_H_INCLUDED_
#define _MDMSIM_TORTURE_H_INCLUDED_


#include "mdmsim_wake.h"


#define SIM_NONE              UINT32_MAX
#define SIM_MISSED            3        /* times, then it is lost */

/* what is known of one command of one channel */

#define SIM_SENT              0x01     /* its enqueue was sent */
#define SIM_QUEUED            0x02     /* and acknowledged */
#define SIM_DELIVERED         0x04
#define SIM_REFUSED           0x08     /* by NotNow, which was acknowledged */
#define SIM_DONE              0x10     /* its result was acknowledged */
#define SIM_READ              0x20     /* and read back */
#define SIM_ANSWER_SHIFT      6        /* two bits: what was answered */


typedef enum {
    SIM_ROLE_DEVICE = 0,
    SIM_ROLE_API,
    SIM_ROLE_IMPOSTOR,
    SIM_ROLE_CHURN
} sim_role_e;


typedef enum {
    SIM_ASK_IDLE = 0,
    SIM_ASK_RESULT,
    SIM_ASK_TOKEN,
    SIM_ASK_AUTHENTICATE,
    SIM_ASK_ENQUEUE,
    SIM_ASK_READ
} sim_ask_e;


typedef enum {
    SIM_LOAD_PHASE = 0,
    SIM_DRAIN_PHASE,       /* no new commands, until all are answered */
    SIM_EMPTY_PHASE,       /* each channel must say that it is empty */
    SIM_READ_PHASE,        /* results are read back */
    SIM_END_PHASE
} sim_phase_e;


typedef struct {
    uint32_t                  device;
    uint32_t                  user;
    uint32_t                  group;
    uint8_t                  *entries;     /* by number of the command */
    uint32_t                  size;
    uint32_t                  count;
    uint32_t                  low;         /* all below are done */
    uint32_t                  backlog;
    uint32_t                  held;        /* command to answer, SIM_NONE */
    sim_answer_e              answer;
    int                       busy;
    int                       after_notnow;
    int                       empty;       /* and nothing can come */
    uint32_t                  missed;      /* empty where it was not */
    int                       woken;       /* by a push, since its last visit */
    uint64_t                  pushed;      /* last */
    uint64_t                  sent;        /* its newest command */
    char                      id[128];
} sim_channel_t;


typedef struct {
    uint32_t                  first;       /* of its channels */
    uint32_t                  n;
    uint32_t                  seq;
    uint32_t                  only;        /* one channel, or SIM_NONE */
    int                       pending;     /* command "seq" is not done */
    int                       repeat;      /* it is, but is sent once more */
    int                       busy;
    int                       asleep;      /* they come only for pushes */
    uint64_t                  wake;
} sim_group_t;


typedef struct {
    sim_role_e                role;
    sim_ask_e                 ask;
    uint32_t                  channel;
    uint32_t                  group;
    uint32_t                  device;
    uint32_t                  seq;
    uint32_t                  visit;       /* commands of this visit */
    int                       again;       /* an acknowledged result */
    int                       waiting;     /* until "wake" */
    uint64_t                  wake;
    sim_buf_t                 request;
} sim_actor_t;


typedef struct {
    uint32_t                  channel;
    uint32_t                  seq;
    uint64_t                  when;
} sim_check_t;


typedef struct {
    uint64_t                  calls;       /* of the API, answered 2xx */
    uint64_t                  unknown;     /* outcomes */
    uint64_t                  commands;    /* acknowledged enqueues, by id */
    uint64_t                  deliveries;
    uint64_t                  results;     /* acknowledged */
    uint64_t                  notnow;
    uint64_t                  repeated;    /* on purpose */
    uint64_t                  reads;
    uint64_t                  impostors;
    uint64_t                  refused;     /* of them, by 4xx */
    uint64_t                  renewals;
    uint64_t                  missed;      /* "empty" where it was not */

    uint64_t                  lost;
    uint64_t                  lost_results;
    uint64_t                  reordered;
    uint64_t                  doubled;
    uint64_t                  spoofed;
    uint64_t                  unanswered;  /* commands, no server */
    uint64_t                  unpushed;    /* channels */
    uint64_t                  wrong;       /* any other answer */
} sim_count_t;


typedef struct {
    const sim_option_t       *opt;
    sim_loop_t                loop;
    sim_stat_t                stat;
    sim_ca_t                 *ca;
    sim_target_t              device;
    sim_target_t              api;
    sim_plist_t               plist;
    sim_buf_t                 body;
    sim_command_t             command;

    sim_channel_t            *channels;
    uint32_t                  nchannels;
    sim_group_t              *groups;
    uint32_t                  ngroups;
    sim_actor_t              *actors;      /* a connection */

    sim_wake_t                wake;
    uint32_t                 *places;      /* of channels, by device and user */
    int                       judged;      /* "unpushed" was counted */
    uint64_t                  last_call;   /* that was acknowledged */

    sim_check_t              *checks;      /* a ring */
    uint32_t                  check_first;
    uint32_t                  nchecks;
    uint32_t                  reading;     /* under way */

    uint32_t                  workers;     /* devices that get commands */
    uint32_t                  next_channel;
    uint32_t                  next_group;
    uint32_t                  next_churn;
    uint64_t                  next_idle;   /* a poll for nothing */
    uint64_t                  random;
    uint64_t                  begin;
    uint64_t                  phase_begin;
    sim_phase_e               phase;
    uint32_t                  notes;
    sim_count_t               count;
} sim_torture_t;


/* mdmsim_torture.c */

uint64_t sim_torture_random(sim_torture_t *t, uint64_t n);
void sim_torture_note(sim_torture_t *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* sends a->request on the right connection */
void sim_torture_send(sim_torture_t *t, sim_conn_t *c, uint32_t device,
    sim_target_t *target);
void sim_torture_wait(sim_torture_t *t, sim_conn_t *c, uint64_t time);

/* mdmsim_torture_ledger.c */

void sim_ledger_init(sim_torture_t *t);
void sim_ledger_free(sim_torture_t *t);
uint8_t *sim_ledger_entry(sim_torture_t *t, sim_channel_t *ch, uint32_t seq);
void sim_ledger_uuid(sim_torture_t *t, uint32_t group, uint32_t seq,
    char *dst, size_t size);
void sim_ledger_token(sim_torture_t *t, const sim_channel_t *ch,
    uint32_t seq, char *dst, size_t size);
void sim_ledger_sent(sim_torture_t *t, sim_channel_t *ch, uint32_t seq);
void sim_ledger_queued(sim_torture_t *t, sim_channel_t *ch, uint32_t seq);
/* the number of the command, SIM_NONE if the channel must not get it */
uint32_t sim_ledger_delivered(sim_torture_t *t, sim_channel_t *ch,
    const sim_command_t *cmd);
void sim_ledger_empty(sim_torture_t *t, sim_channel_t *ch);
void sim_ledger_answered(sim_torture_t *t, sim_channel_t *ch, uint32_t seq,
    sim_answer_e answer);
/* the oldest check that is due */
int sim_ledger_check(sim_torture_t *t, uint32_t *channel, uint32_t *seq);
void sim_ledger_check_add(sim_torture_t *t, uint32_t channel, uint32_t seq);
void sim_ledger_check_last(sim_torture_t *t);
/* channels with something left */
uint32_t sim_ledger_open(const sim_torture_t *t);
void sim_ledger_lost(sim_torture_t *t);
void sim_ledger_write(sim_torture_t *t);

/* mdmsim_torture_wake.c */

void sim_asleep_init(sim_torture_t *t);
void sim_asleep_free(sim_torture_t *t);
int sim_asleep(const sim_torture_t *t, const sim_channel_t *ch);
/* when no command is new any more: who was not pushed to? */
void sim_asleep_judge(sim_torture_t *t);

/* mdmsim_torture_device.c */

void sim_device_start(sim_torture_t *t, sim_conn_t *c);
void sim_device_response(sim_torture_t *t, sim_conn_t *c);
void sim_device_failed(sim_torture_t *t, sim_conn_t *c);

/* mdmsim_torture_api.c */

void sim_api_start(sim_torture_t *t, sim_conn_t *c);
void sim_api_response(sim_torture_t *t, sim_conn_t *c);
void sim_api_failed(sim_torture_t *t, sim_conn_t *c);

/* mdmsim_torture_other.c */

void sim_impostor_start(sim_torture_t *t, sim_conn_t *c);
void sim_impostor_response(sim_torture_t *t, sim_conn_t *c);
void sim_churn_start(sim_torture_t *t, sim_conn_t *c);
void sim_churn_response(sim_torture_t *t, sim_conn_t *c);
void sim_churn_failed(sim_torture_t *t, sim_conn_t *c);


#endif /* _MDMSIM_TORTURE_H_INCLUDED_ */
