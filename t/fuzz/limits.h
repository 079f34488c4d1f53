
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What an input may take: 50 ms of CPU, and 16 times its size in memory, with
 * a floor for what a library takes for the smallest one.  libFuzzer's own
 * limits are for the process, and for the clock.
 */


#ifndef _FUZZ_LIMITS_H_INCLUDED_
#define _FUZZ_LIMITS_H_INCLUDED_


#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sanitizer/allocator_interface.h>


#define FUZZ_CPU_NS    50000000
#define FUZZ_MEMORY    16
#define FUZZ_FLOOR     (512 * 1024)

/* others use the machine as well: what counts is the least of so many runs */
#define FUZZ_RUNS      3


typedef void (*fuzz_one_pt)(const uint8_t *data, size_t size);


/* bytes that this thread holds, and held at most; libFuzzer has another one */

static __thread int      fuzz_counts;
static __thread int64_t  fuzz_held, fuzz_most;


static void
fuzz_malloc(const volatile void *p, size_t size)
{
    (void) p;

    if (fuzz_counts) {
        fuzz_held += (int64_t) size;

        if (fuzz_held > fuzz_most) {
            fuzz_most = fuzz_held;
        }
    }
}


static void
fuzz_free(const volatile void *p)
{
    if (fuzz_counts && p != NULL) {
        fuzz_held -= (int64_t) __sanitizer_get_allocated_size(p);
    }
}


static inline int64_t
fuzz_cpu(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


/* runs "one", and aborts where each run takes too much */

static inline void
fuzz_limits(fuzz_one_pt one, const uint8_t *data, size_t size)
{
    int         i;
    int64_t     cpu, most;
    static int  hooked;

    if (!hooked) {
        hooked = 1;

        if (__sanitizer_install_malloc_and_free_hooks(fuzz_malloc, fuzz_free)
            == 0)
        {
            abort();
        }
    }

    most = (int64_t) size * FUZZ_MEMORY;

    if (most < FUZZ_FLOOR) {
        most = FUZZ_FLOOR;
    }

    for (i = 0; i < FUZZ_RUNS; i++) {
        fuzz_held = 0;
        fuzz_most = 0;
        fuzz_counts = 1;
        cpu = fuzz_cpu();

        one(data, size);

        cpu = fuzz_cpu() - cpu;
        fuzz_counts = 0;

        if (cpu <= FUZZ_CPU_NS && fuzz_most <= most) {

            if (getenv("MDM_FUZZ_TELL") != NULL) {
                fprintf(stderr, "limits: %zu bytes: %.1f ms, %lld bytes\n",
                        size, (double) cpu / 1e6, (long long) fuzz_most);
            }

            return;
        }
    }

    fprintf(stderr, "ERROR: limits: %zu bytes took %.1f ms and %lld bytes\n",
            size, (double) cpu / 1e6, (long long) fuzz_most);
    abort();
}


#endif /* _FUZZ_LIMITS_H_INCLUDED_ */
