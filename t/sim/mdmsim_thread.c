
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Threads, for what computes or waits.
 */


#include "mdmsim_thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>


typedef struct {
    sim_thread_pt             run;
    void                     *data;
} sim_thread_t;


static void *sim_thread(void *arg);


static void *
sim_thread(void *arg)
{
    sim_thread_t  *t;

    t = arg;
    t->run(t->data);

    return NULL;
}


void
sim_threads(uint32_t n, sim_thread_pt run, void *data)
{
    int            rc;
    uint32_t       i;
    pthread_t     *threads;
    sim_thread_t   t;

    t.run = run;
    t.data = data;
    threads = sim_alloc(n * sizeof(pthread_t));

    for (i = 0; i < n; i++) {
        rc = pthread_create(&threads[i], NULL, sim_thread, &t);
        if (rc != 0) {
            sim_die("cannot create a thread: %s", strerror(rc));
        }
    }

    for (i = 0; i < n; i++) {
        (void) pthread_join(threads[i], NULL);
    }

    free(threads);
}


uint32_t
sim_processors(void)
{
    int        n;
    cpu_set_t  set;

    if (sched_getaffinity(0, sizeof(set), &set) == -1) {
        return 1;
    }

    n = CPU_COUNT(&set);

    return n > 0 ? (uint32_t) n : 1;
}
