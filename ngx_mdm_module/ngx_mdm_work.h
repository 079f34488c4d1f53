
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Functions of the core that take long, on a thread pool of nginx's.
 */


#ifndef _NGX_MDM_WORK_H_INCLUDED_
#define _NGX_MDM_WORK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_exchange.h"


/* nginx's own type; NULL: work is done in place */

typedef struct ngx_thread_pool_s  ngx_mdm_threads_t;

typedef void (*ngx_mdm_work_done_pt)(mdm_call_t *call, void *data);


/*
 * Runs a call of work.  NGX_OK: it is under way, and done(call, data) will be
 * called, always: until then the call, "arena" it is kept in, and what the
 * work reads must stay.  NGX_DONE: it was done in place, or there was no
 * memory, and call->rc is set; NGX_ERROR: too many wait already.
 */
ngx_int_t ngx_mdm_work_call(ngx_mdm_threads_t *threads, mdm_arena_t *arena,
    mdm_call_t *call, ngx_mdm_work_done_pt done, void *data);

/*
 * Destroys an arena.  What it has of large blocks, such as the body of a large
 * request, a thread gives back to the system.
 */
void ngx_mdm_work_destroy(ngx_mdm_threads_t *threads, mdm_arena_t *arena);

/*
 * The pool of this name, which nginx refuses behind the configuration if it is
 * not defined; NULL as the name: the one that is always there.  NULL: no
 * memory, or nginx has no threads.
 */
ngx_mdm_threads_t *ngx_mdm_work_threads(ngx_conf_t *cf, ngx_str_t *name);

/*
 * In the master: what threads need to give way to the event loop.  NGX_OK.
 */
ngx_int_t ngx_mdm_work_init_module(ngx_cycle_t *cycle);

/*
 * Waits, for a second at most, until the threads of nginx's pools have ended:
 * nginx tells them to, and does not.  What OpenSSL frees when a thread ends
 * LeakSanitizer would call leaked.  For builds with sanitizers.
 */
void ngx_mdm_work_ended(void);


#endif /* _NGX_MDM_WORK_H_INCLUDED_ */
