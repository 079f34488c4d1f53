
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * How threads that compute give way to the event loop.
 */


#ifndef _NGX_MDM_WORK_SCHED_H_INCLUDED_
#define _NGX_MDM_WORK_SCHED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * In the master, before it makes workers: lets threads come back from
 * SCHED_IDLE, which takes no less than RLIMIT_NICE of what nginx's own nice
 * value is.  Where that is refused they keep SCHED_BATCH.
 */
void ngx_mdm_work_sched_init(ngx_cycle_t *cycle);

/*
 * In the thread, before and behind what it computes.  While it gets what CPU
 * others leave, *thread is its number; 0: it shares the CPU as others do.
 */
void ngx_mdm_work_sched_begin(ngx_atomic_t *thread, ngx_log_t *log);
void ngx_mdm_work_sched_end(ngx_atomic_t *thread);

/*
 * In the worker: a thread of this number has had to wait for too long, and is
 * what others are from now on, until it begins again.
 */
void ngx_mdm_work_sched_raise(int thread);


#endif /* _NGX_MDM_WORK_SCHED_H_INCLUDED_ */
