
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * How threads that compute give way to the event loop.
 *
 * What computes for milliseconds may have the CPU that the event loop, or
 * Redis, is on.  Who wakes up there waits for the end of the thread's slice
 * (Linux from 6.6 on, whatever the thread's nice value is), but not for a
 * thread that is SCHED_IDLE.  Such a thread could get nothing for long where
 * the CPU is busy, so the worker looks after it: what has not ended within a
 * tenth of a second goes on as SCHED_BATCH, in slices of 0.1 ms (Linux from
 * 6.12 on), with as much of the CPU as any.  To come back from SCHED_IDLE
 * takes RLIMIT_NICE, which the master sets, or a capability; where there is
 * neither, threads are SCHED_BATCH from the first; also before Linux 6.6, which
 * lets nobody wait for a slice, and would not forget what a thread got while it
 * was idle.
 *
 * A thread is idle only while it computes, not while it holds the lock of the
 * pool.  A lock of malloc() or OpenSSL that it holds just then lets the worker
 * wait, which frees a CPU.  Only where all of them are busy with others the
 * loop may then stand until the kernel comes back to the thread, at worst about
 * a second.
 */


#include "ngx_mdm_work_sched.h"

#if (NGX_LINUX)
#include <sys/syscall.h>
#include <sys/utsname.h>
#endif


#if (NGX_THREADS && NGX_LINUX && defined SYS_sched_setattr                    \
     && defined SCHED_BATCH && defined SCHED_IDLE && defined RLIMIT_NICE)


/* nanoseconds: the least that Linux takes */
#define NGX_MDM_WORK_SLICE    100000

/* RLIMIT_NICE counts down from it */
#define NGX_MDM_WORK_NICE     20


/* the kernel's sched_attr, which glibc has from 2.41 on */

typedef struct {
    uint32_t                  size;
    uint32_t                  policy;
    uint64_t                  flags;
    int32_t                   nice;
    uint32_t                  priority;
    uint64_t                  runtime;     /* the slice */
    uint64_t                  deadline;
    uint64_t                  period;
} ngx_mdm_work_sched_t;


typedef enum {
    NGX_MDM_WORK_SCHED_NEW = 0,
    NGX_MDM_WORK_SCHED_LEFT,     /* as it is: another policy, or refused */
    NGX_MDM_WORK_SCHED_BATCH,
    NGX_MDM_WORK_SCHED_IDLE      /* it can be, and come back */
} ngx_mdm_work_sched_e;


static ngx_mdm_work_sched_e ngx_mdm_work_sched_first(ngx_log_t *log);
static ngx_uint_t ngx_mdm_work_sched_kernel(void);
static ngx_uint_t ngx_mdm_work_sched_returns(void);
static void *ngx_mdm_work_sched_try(void *data);
static ngx_int_t ngx_mdm_work_sched_set(int thread, uint32_t policy);
static ngx_int_t ngx_mdm_work_sched_get(int thread,
    ngx_mdm_work_sched_t *attr);


/* of a thread of a pool */
static __thread ngx_mdm_work_sched_e  ngx_mdm_work_sched;


void
ngx_mdm_work_sched_init(ngx_cycle_t *cycle)
{
    int               nice;
    rlim_t            need;
    struct rlimit     limit;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    /* what workers will have: "worker_priority", or the master's own */

    nice = (ccf->priority != 0) ? ccf->priority : getpriority(PRIO_PROCESS, 0);
    nice = ngx_max(ngx_min(nice, 19), -20);

    need = (rlim_t) (NGX_MDM_WORK_NICE - nice);

    if (getrlimit(RLIMIT_NICE, &limit) == -1 || limit.rlim_cur >= need) {
        return;
    }

    limit.rlim_cur = need;

    if (limit.rlim_max < need) {
        limit.rlim_max = need;
    }

    if (setrlimit(RLIMIT_NICE, &limit) == -1) {
        ngx_log_debug1(NGX_LOG_DEBUG_CORE, cycle->log, ngx_errno,
                       "mdm work: setrlimit(RLIMIT_NICE, %uL) failed",
                       (uint64_t) need);
    }
}


void
ngx_mdm_work_sched_begin(ngx_atomic_t *thread, ngx_log_t *log)
{
    if (ngx_mdm_work_sched == NGX_MDM_WORK_SCHED_NEW) {
        ngx_mdm_work_sched = ngx_mdm_work_sched_first(log);
    }

    if (ngx_mdm_work_sched != NGX_MDM_WORK_SCHED_IDLE) {
        return;
    }

    /* from now on it may wait for the CPU */

    *thread = (ngx_atomic_uint_t) syscall(SYS_gettid);

    if (ngx_mdm_work_sched_set(0, SCHED_IDLE) != NGX_OK) {
        *thread = 0;
    }
}


static ngx_mdm_work_sched_e
ngx_mdm_work_sched_first(ngx_log_t *log)
{
    ngx_mdm_work_sched_t  attr;

    /* an administrator may have chosen another policy for all of nginx */

    if (ngx_mdm_work_sched_get(0, &attr) != NGX_OK
        || attr.policy != SCHED_OTHER)
    {
        return NGX_MDM_WORK_SCHED_LEFT;
    }

    if (ngx_mdm_work_sched_set(0, SCHED_BATCH) != NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, log, ngx_errno,
                      "sched_setattr(SCHED_BATCH) failed");
        return NGX_MDM_WORK_SCHED_LEFT;
    }

    return (ngx_mdm_work_sched_kernel() && ngx_mdm_work_sched_returns())
           ? NGX_MDM_WORK_SCHED_IDLE : NGX_MDM_WORK_SCHED_BATCH;
}


/* is it Linux 6.6 or later? */

static ngx_uint_t
ngx_mdm_work_sched_kernel(void)
{
    int             major, minor;
    struct utsname  u;

    return uname(&u) == 0
           && sscanf(u.release, "%d.%d", &major, &minor) == 2
           && (major > 6 || (major == 6 && minor >= 6));
}


/*
 * Can a thread come back from SCHED_IDLE?  Tried by one that is of no further
 * use, since what capabilities are good for depends on namespaces.
 */

static ngx_uint_t
ngx_mdm_work_sched_returns(void)
{
    void              *failed;
    pthread_t          thread;
    ngx_atomic_uint_t  known;

    static ngx_atomic_t  returns;   /* 0: not known, 1: no, 2: yes */

    known = returns;

    if (known == 0) {

        if (pthread_create(&thread, NULL, ngx_mdm_work_sched_try, NULL) != 0
            || pthread_join(thread, &failed) != 0)
        {
            return 0;
        }

        known = (failed == NULL) ? 2 : 1;
        returns = known;
    }

    return (known == 2);
}


static void *
ngx_mdm_work_sched_try(void *data)
{
    static u_char  failed;

    (void) data;

    return (ngx_mdm_work_sched_set(0, SCHED_IDLE) == NGX_OK
            && ngx_mdm_work_sched_set(0, SCHED_BATCH) == NGX_OK)
           ? NULL : &failed;
}


void
ngx_mdm_work_sched_end(ngx_atomic_t *thread)
{
    if (*thread != 0) {
        (void) ngx_mdm_work_sched_set(0, SCHED_BATCH);
        *thread = 0;
    }
}


void
ngx_mdm_work_sched_raise(int thread)
{
    if (ngx_mdm_work_sched_set(thread, SCHED_BATCH) != NGX_OK) {
        ngx_log_debug1(NGX_LOG_DEBUG_CORE, ngx_cycle->log, ngx_errno,
                       "mdm work: sched_setattr(%d) failed", thread);
    }
}


/* of the thread that calls, if "thread" is 0 */

static ngx_int_t
ngx_mdm_work_sched_set(int thread, uint32_t policy)
{
    ngx_mdm_work_sched_t  attr;

    if (ngx_mdm_work_sched_get(thread, &attr) != NGX_OK) {
        return NGX_ERROR;
    }

    attr.policy = policy;
    attr.runtime = NGX_MDM_WORK_SLICE;

    return (syscall(SYS_sched_setattr, thread, &attr, 0) == -1) ? NGX_ERROR
                                                                : NGX_OK;
}


static ngx_int_t
ngx_mdm_work_sched_get(int thread, ngx_mdm_work_sched_t *attr)
{
    ngx_memzero(attr, sizeof(ngx_mdm_work_sched_t));

    return (syscall(SYS_sched_getattr, thread, attr, sizeof(*attr), 0) == -1)
           ? NGX_ERROR : NGX_OK;
}


#else


void
ngx_mdm_work_sched_init(ngx_cycle_t *cycle)
{
    (void) cycle;
}


void
ngx_mdm_work_sched_begin(ngx_atomic_t *thread, ngx_log_t *log)
{
    (void) thread;
    (void) log;
}


void
ngx_mdm_work_sched_end(ngx_atomic_t *thread)
{
    (void) thread;
}


void
ngx_mdm_work_sched_raise(int thread)
{
    (void) thread;
}

#endif
