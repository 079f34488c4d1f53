
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is counted, and how it is printed.
 */


#ifndef _MDMSIM_STAT_H_INCLUDED_
#define _MDMSIM_STAT_H_INCLUDED_


#include "mdmsim_message.h"


#define SIM_HIST_SUB         7             /* bits: error below 1/128 */
#define SIM_HIST_SIZE        ((64 - SIM_HIST_SUB + 1) << SIM_HIST_SUB)


typedef struct {
    uint64_t                  count;
    uint64_t                  max;
    uint32_t                  slot[SIM_HIST_SIZE];
} sim_hist_t;


typedef enum {
    SIM_E_CONNECT = 0,
    SIM_E_TLS,
    SIM_E_TIMEOUT,
    SIM_E_CLOSED,          /* before the whole answer was there */
    SIM_E_PROTOCOL,        /* an answer that is not HTTP or not MDM */
    SIM_E_MAX,
    SIM_E_ABORTED          /* on purpose, not an error */
} sim_error_e;


/* of declarative management */

typedef struct {
    uint64_t                  commands;
    uint64_t                  channels;    /* that it is on for */
    uint64_t                  unchanged;   /* same DeclarationsToken */
    uint64_t                  manifests;
    uint64_t                  fetched;
    uint64_t                  removed;
    uint64_t                  missing;     /* listed, but 404 */
    uint64_t                  mismatched;  /* not what was listed */
    uint64_t                  backwards;   /* Timestamp */
    uint64_t                  reports;
    uint64_t                  full;        /* of the reports */
    uint64_t                  checked;     /* channels */
    uint64_t                  inconsistent;
} sim_ddm_stat_t;


#define SIM_SCEP_FAIL_INFOS  5


/* of SCEP; a device that asks is issued a certificate, or fails */

typedef struct {
    uint64_t                  issued;
    uint64_t                  kept;        /* had one, did not ask */
    uint64_t                  failed;
    uint64_t                  refused[SIM_SCEP_FAIL_INFOS];
    uint64_t                  pending;     /* replies */
    uint64_t                  retries;     /* of requests and of devices */
    uint64_t                  network;     /* why devices failed */
    uint64_t                  status;
    uint64_t                  server;
    uint64_t                  wrong;
    uint64_t                  warnings;
    uint64_t                  elapsed;     /* without the making of keys */
    uint64_t                  keys;        /* that */
    sim_hist_t                latency;     /* of a device, all of it */
} sim_scep_stat_t;


typedef struct {
    uint64_t                  requests;
    uint64_t                  responses;
    uint64_t                  status[1000];
    uint64_t                  errors[SIM_E_MAX];
    uint64_t                  reconnects;
    uint64_t                  connections;
    uint64_t                  handshakes;
    uint64_t                  resumed;
    uint64_t                  visits;
    uint64_t                  failed;      /* visits that were given up */
    uint64_t                  retries;
    uint64_t                  skipped;     /* the device was still busy */
    uint64_t                  aborted;
    uint64_t                  resent;      /* results, after a failure */
    uint64_t                  commands;
    uint64_t                  answers[SIM_ANSWERS];
    uint64_t                  enrolled;
    uint64_t                  released;    /* out of Setup Assistant */
    uint64_t                  pushes;      /* that have woken devices */
    uint64_t                  wrong_pushes;
    uint64_t                  bytes_in;
    uint64_t                  bytes_out;
    sim_ddm_stat_t            ddm;
    sim_scep_stat_t           scep;
    sim_hist_t                latency;
    sim_hist_t                release;     /* since the answer before it */
    sim_hist_t                handshake;
} sim_stat_t;


void sim_hist_add(sim_hist_t *h, uint64_t us);
uint64_t sim_hist_get(const sim_hist_t *h, double percent);
uint64_t sim_stat_errors(const sim_stat_t *st);
const char *sim_error_name(sim_error_e e);
void sim_out_begin(int json);
void sim_out(const char *name, double value, int digits, const char *unit);
void sim_out_end(void);
void sim_stat_report(const sim_stat_t *st, const sim_option_t *opt,
    uint64_t elapsed, int interrupted);
double sim_cpu_self(void);   /* nanoseconds */


#endif /* _MDMSIM_STAT_H_INCLUDED_ */
