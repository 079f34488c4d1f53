
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Threads, for what computes or waits.
 */


#ifndef _MDMSIM_THREAD_H_INCLUDED_
#define _MDMSIM_THREAD_H_INCLUDED_


#include "mdmsim_util.h"


typedef void (*sim_thread_pt)(void *data);


/* runs the function in "n" threads, until the last one has returned */
void sim_threads(uint32_t n, sim_thread_pt run, void *data);
/* a thread for each processor that this program may use */
uint32_t sim_processors(void);


#endif /* _MDMSIM_THREAD_H_INCLUDED_ */
