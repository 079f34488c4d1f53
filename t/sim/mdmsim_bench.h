
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What mdmsim_bench.c measures and mdmsim_bench_report.c prints.
 */


#ifndef _MDMSIM_BENCH_H_INCLUDED_
#define _MDMSIM_BENCH_H_INCLUDED_


#include "mdmsim_conn.h"


typedef struct {
    uint32_t                  url;
    uint32_t                  device;
    uint32_t                  puts;          /* of this session, so far */
    sim_command_t             command;       /* to be answered next */
    sim_buf_t                 request;
} sim_peer_t;


typedef struct {
    sim_target_t              target;
    const char               *endpoint;      /* NULL: Idle */
    sim_buf_t                 data;          /* of "status" */
    int                       answers;       /* to one command after another */
    int                       worker;        /* schedstat, -1: none */
    uint32_t                  next_device;   /* of a session */
    uint64_t                  slices;        /* measured */
    uint64_t                  units;
    uint64_t                  requests;
    uint64_t                  commands;
    uint64_t                  empty;         /* sessions without a command,
                                                of this slice */
    uint64_t                  more;          /* with a further one */
    double                    worker_cpu;
    double                    redis_cpu;
    double                    client_cpu;
    double                    wall;
    double                   *costs;         /* CPU a unit, by slice */
    uint32_t                  ncosts;
    sim_hist_t                latency;
} sim_url_t;


typedef struct {
    const sim_option_t       *opt;
    sim_loop_t                loop;
    sim_stat_t                stat;
    sim_ca_t                 *ca;
    sim_url_t                *urls;
    sim_peer_t               *peers;
    sim_plist_t               plist;
    sim_buf_t                 body;
    sim_buf_t                 sample;        /* the last result sent */
    uint64_t                  reports;       /* sent, for "@n@" */
    sim_command_t             command;
    int                       redis;
    int                       exhausted;     /* a queue of commands is */

    uint32_t                  url;           /* whose slice it is */
    int                       measured;
    int                       running;       /* a slice is */
    uint64_t                  end;           /* of the slice */
    uint64_t                  last;          /* answer */
    uint32_t                  busy;
    uint64_t                  units;         /* of this slice */
    uint64_t                  requests;
} sim_bench_t;


/* mdmsim_bench_report.c */

void sim_bench_report(sim_bench_t *b, double seconds);


#endif /* _MDMSIM_BENCH_H_INCLUDED_ */
