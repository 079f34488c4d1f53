
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Calls of kind work: handed to a thread pool of nginx's, or done in place.
 */


#include "ngx_mdm_work.h"

#include <dirent.h>

#if (NGX_THREADS)

#include <sys/syscall.h>

#include <openssl/err.h>

#include <ngx_event.h>
#include <ngx_thread_pool.h>


/* bytes of a block that it takes long to give back: to unmap a page, 2 us */
#define NGX_MDM_WORK_LARGE    (512 * 1024)

/* milliseconds; a worker that is told to quit stays for as long as it is set */
#define NGX_MDM_WORK_TIMER    10000

/* nanoseconds: the least that Linux takes */
#define NGX_MDM_WORK_SLICE    100000


typedef struct {
    ngx_thread_task_t         task;
    mdm_call_t               *call;
    ngx_mdm_work_done_pt      done;
    void                     *data;
} ngx_mdm_work_t;


typedef struct {
    /* a timer's debug line prints the fourth field of its data as a socket */
    ngx_event_t              *timer;
    ngx_uint_t                pending;
    void                     *unused;
    ngx_socket_t              fd;
} ngx_mdm_work_wait_t;


typedef struct {
    ngx_thread_task_t         task;
    mdm_block_t              *blocks;
} ngx_mdm_work_free_t;


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


static void ngx_mdm_work_task(ngx_thread_task_t *task, void *data,
    void (*thread)(void *data, ngx_log_t *log), ngx_event_handler_pt done);
static void ngx_mdm_work_free_thread(void *data, ngx_log_t *log);
static void ngx_mdm_work_free_handler(ngx_event_t *ev);
static void ngx_mdm_work_thread(void *data, ngx_log_t *log);
static void ngx_mdm_work_give_way(ngx_log_t *log);
static void ngx_mdm_work_handler(ngx_event_t *ev);
static void ngx_mdm_work_timer_handler(ngx_event_t *ev);


static ngx_event_t          ngx_mdm_work_timer;
static ngx_mdm_work_wait_t  ngx_mdm_work_wait;

/* of a thread of a pool: it gives way to the event loop */
static __thread ngx_uint_t  ngx_mdm_work_gives_way;


ngx_int_t
ngx_mdm_work_call(ngx_mdm_threads_t *threads, mdm_arena_t *arena,
    mdm_call_t *call, ngx_mdm_work_done_pt done, void *data)
{
    ngx_mdm_work_t  *work;

    if (threads == NULL) {
        ngx_log_debug0(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                       "mdm work in place");

        mdm_call_work(call);

        return NGX_DONE;
    }

    work = mdm_arena_zalloc(arena, sizeof(ngx_mdm_work_t));
    if (work == NULL) {
        call->rc = MDM_CALL_UNAVAILABLE;
        return NGX_DONE;
    }

    work->call = call;
    work->done = done;
    work->data = data;

    ngx_mdm_work_task(&work->task, work, ngx_mdm_work_thread,
                      ngx_mdm_work_handler);

    ngx_log_debug2(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm work post: call %p, %ui pending", call,
                   ngx_mdm_work_wait.pending);

    if (ngx_thread_task_post(threads, &work->task) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_mdm_work_wait.pending++ == 0) {
        ngx_mdm_work_wait.timer = &ngx_mdm_work_timer;
        ngx_mdm_work_wait.fd = (ngx_socket_t) -1;

        ngx_mdm_work_timer.handler = ngx_mdm_work_timer_handler;
        ngx_mdm_work_timer.data = &ngx_mdm_work_wait;
        ngx_mdm_work_timer.log = ngx_cycle->log;

        ngx_add_timer(&ngx_mdm_work_timer, NGX_MDM_WORK_TIMER);
    }

    return NGX_OK;
}


static void
ngx_mdm_work_task(ngx_thread_task_t *task, void *data,
    void (*thread)(void *data, ngx_log_t *log), ngx_event_handler_pt done)
{
    task->ctx = data;
    task->handler = thread;
    task->event.handler = done;
    task->event.data = data;
    task->event.log = ngx_cycle->log;
}


/* in the thread: touches the call, its arena and its data only */

static void
ngx_mdm_work_thread(void *data, ngx_log_t *log)
{
    ngx_mdm_work_t *work = data;

    if (!ngx_mdm_work_gives_way) {
        ngx_mdm_work_gives_way = 1;
        ngx_mdm_work_give_way(log);
    }

    mdm_call_work(work->call);

    ERR_clear_error();
}


/*
 * What computes for milliseconds may have the CPU that the event loop is on.
 * As SCHED_BATCH it does not take it from the loop when it gets something to
 * do.  The loop, when it wakes up, waits for the end of the thread's slice
 * (Linux from 6.6 on), which is some milliseconds unless it is set (from 6.12
 * on).  The thread's share of the CPU stays the same: it is never starved, as
 * it could be with SCHED_IDLE, perhaps with a lock that the loop wants.
 */

static void
ngx_mdm_work_give_way(ngx_log_t *log)
{
#if (NGX_LINUX && defined SYS_sched_setattr && defined SCHED_BATCH)

    ngx_mdm_work_sched_t  attr;

    ngx_memzero(&attr, sizeof(ngx_mdm_work_sched_t));

    /* an administrator may have chosen another policy for all of nginx */

    if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) == -1
        || attr.policy != SCHED_OTHER)
    {
        return;
    }

    attr.size = sizeof(ngx_mdm_work_sched_t);
    attr.policy = SCHED_BATCH;
    attr.runtime = NGX_MDM_WORK_SLICE;

    if (syscall(SYS_sched_setattr, 0, &attr, 0) == -1) {
        ngx_log_error(NGX_LOG_INFO, log, ngx_errno,
                      "sched_setattr(SCHED_BATCH) failed");
    }

#else

    (void) log;

#endif
}


static void
ngx_mdm_work_handler(ngx_event_t *ev)
{
    ngx_mdm_work_t  *work;

    work = ev->data;

    if (--ngx_mdm_work_wait.pending == 0 && ngx_mdm_work_timer.timer_set) {
        ngx_del_timer(&ngx_mdm_work_timer);
    }

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm work done: call %p, rc %d, %ui pending", work->call,
                   (int) work->call->rc, ngx_mdm_work_wait.pending);

    work->done(work->call, work->data);
}


static void
ngx_mdm_work_timer_handler(ngx_event_t *ev)
{
    ngx_log_debug1(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm work timer: %ui pending", ngx_mdm_work_wait.pending);

    if (ngx_mdm_work_wait.pending != 0) {
        ngx_add_timer(ev, NGX_MDM_WORK_TIMER);
    }
}


void
ngx_mdm_work_destroy(ngx_mdm_threads_t *threads, mdm_arena_t *arena)
{
    mdm_block_t          *blocks;
    ngx_mdm_work_free_t  *work;

    if (threads == NULL) {
        mdm_arena_destroy(arena);
        return;
    }

    blocks = mdm_arena_destroy_small(arena, NGX_MDM_WORK_LARGE);

    if (blocks == NULL) {
        return;
    }

    work = ngx_calloc(sizeof(ngx_mdm_work_free_t), ngx_cycle->log);

    if (work != NULL) {
        work->blocks = blocks;

        ngx_mdm_work_task(&work->task, work, ngx_mdm_work_free_thread,
                          ngx_mdm_work_free_handler);

        if (ngx_thread_task_post(threads, &work->task) == NGX_OK) {
            return;
        }

        ngx_free(work);
    }

    mdm_blocks_free(blocks);
}


static void
ngx_mdm_work_free_thread(void *data, ngx_log_t *log)
{
    ngx_mdm_work_free_t *work = data;

    (void) log;

    mdm_blocks_free(work->blocks);
}


static void
ngx_mdm_work_free_handler(ngx_event_t *ev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm work free handler");

    ngx_free(ev->data);
}


ngx_mdm_threads_t *
ngx_mdm_work_threads(ngx_conf_t *cf, ngx_str_t *name)
{
    return ngx_thread_pool_add(cf, name);
}


#else


ngx_int_t
ngx_mdm_work_call(ngx_mdm_threads_t *threads, mdm_arena_t *arena,
    mdm_call_t *call, ngx_mdm_work_done_pt done, void *data)
{
    (void) threads;
    (void) arena;
    (void) done;
    (void) data;

    ngx_log_debug0(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm work in place");

    mdm_call_work(call);

    return NGX_DONE;
}


void
ngx_mdm_work_destroy(ngx_mdm_threads_t *threads, mdm_arena_t *arena)
{
    (void) threads;

    mdm_arena_destroy(arena);
}


ngx_mdm_threads_t *
ngx_mdm_work_threads(ngx_conf_t *cf, ngx_str_t *name)
{
    (void) cf;
    (void) name;

    return NULL;
}

#endif


void
ngx_mdm_work_ended(void)
{
    DIR         *dir;
    ngx_uint_t   i, n;

    for (i = 0; i < 100; i++) {

        dir = opendir("/proc/self/task");
        if (dir == NULL) {
            return;
        }

        for (n = 0; readdir(dir) != NULL; n++) { /* void */ }

        closedir(dir);

        /* ".", ".." and this one */

        if (n <= 3) {
            return;
        }

        ngx_msleep(10);
    }
}
