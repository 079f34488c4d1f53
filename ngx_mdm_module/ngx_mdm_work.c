
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Calls of kind work: handed to a thread pool of nginx's, or done in place.
 */


#include "ngx_mdm_work.h"

#include <dirent.h>

#if (NGX_THREADS)

#include <openssl/err.h>

#include <ngx_event.h>
#include <ngx_thread_pool.h>

#include "ngx_mdm_work_sched.h"


/* bytes of a block that it takes long to give back: to unmap a page, 2 us */
#define NGX_MDM_WORK_LARGE    (512 * 1024)

/* milliseconds; a worker that is told to quit stays for as long as it is set */
#define NGX_MDM_WORK_TIMER    50


typedef struct {
    ngx_thread_task_t         task;
    mdm_call_t               *call;
    ngx_mdm_work_done_pt      done;
    void                     *data;
    ngx_queue_t               queue;       /* of those under way */
    ngx_uint_t                seen;        /* 1: by the timer, in a thread */
    ngx_atomic_t              thread;      /* its number, while it may have
                                              to be raised */
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


static void ngx_mdm_work_task(ngx_thread_task_t *task, void *data,
    void (*thread)(void *data, ngx_log_t *log), ngx_event_handler_pt done);
static void ngx_mdm_work_free_thread(void *data, ngx_log_t *log);
static void ngx_mdm_work_free_handler(ngx_event_t *ev);
static void ngx_mdm_work_thread(void *data, ngx_log_t *log);
static void ngx_mdm_work_handler(ngx_event_t *ev);
static void ngx_mdm_work_timer_handler(ngx_event_t *ev);


static ngx_event_t          ngx_mdm_work_timer;
static ngx_mdm_work_wait_t  ngx_mdm_work_wait;
static ngx_queue_t          ngx_mdm_work_queue;
static ngx_uint_t           ngx_mdm_work_pools;


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
        ngx_queue_init(&ngx_mdm_work_queue);

        ngx_mdm_work_wait.timer = &ngx_mdm_work_timer;
        ngx_mdm_work_wait.fd = (ngx_socket_t) -1;

        ngx_mdm_work_timer.handler = ngx_mdm_work_timer_handler;
        ngx_mdm_work_timer.data = &ngx_mdm_work_wait;
        ngx_mdm_work_timer.log = ngx_cycle->log;

        ngx_add_timer(&ngx_mdm_work_timer, NGX_MDM_WORK_TIMER);
    }

    ngx_queue_insert_tail(&ngx_mdm_work_queue, &work->queue);

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

    ngx_mdm_work_sched_begin(&work->thread, log);

    mdm_call_work(work->call);

    ERR_clear_error();

    ngx_mdm_work_sched_end(&work->thread);
}


static void
ngx_mdm_work_handler(ngx_event_t *ev)
{
    ngx_mdm_work_t  *work;

    work = ev->data;

    ngx_queue_remove(&work->queue);

    if (--ngx_mdm_work_wait.pending == 0 && ngx_mdm_work_timer.timer_set) {
        ngx_del_timer(&ngx_mdm_work_timer);
    }

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm work done: call %p, rc %d, %ui pending", work->call,
                   (int) work->call->rc, ngx_mdm_work_wait.pending);

    work->done(work->call, work->data);
}


/* a thread that has not ended since the last time has waited long enough */

static void
ngx_mdm_work_timer_handler(ngx_event_t *ev)
{
    ngx_queue_t        *q;
    ngx_mdm_work_t     *work;
    ngx_atomic_uint_t   thread;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "mdm work timer: %ui pending", ngx_mdm_work_wait.pending);

    if (ngx_mdm_work_wait.pending == 0) {
        return;
    }

    for (q = ngx_queue_head(&ngx_mdm_work_queue);
         q != ngx_queue_sentinel(&ngx_mdm_work_queue);
         q = ngx_queue_next(q))
    {
        work = ngx_queue_data(q, ngx_mdm_work_t, queue);
        thread = work->thread;

        if (thread == 0) {
            continue;
        }

        if (work->seen) {
            ngx_mdm_work_sched_raise((int) thread);
        }

        work->seen = 1;
    }

    ngx_add_timer(ev, NGX_MDM_WORK_TIMER);
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
    ngx_mdm_work_pools = 1;

    return ngx_thread_pool_add(cf, name);
}


ngx_int_t
ngx_mdm_work_init_module(ngx_cycle_t *cycle)
{
    if (ngx_mdm_work_pools) {
        ngx_mdm_work_sched_init(cycle);
    }

    return NGX_OK;
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


ngx_int_t
ngx_mdm_work_init_module(ngx_cycle_t *cycle)
{
    (void) cycle;

    return NGX_OK;
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
