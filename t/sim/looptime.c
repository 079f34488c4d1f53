
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Preloaded into nginx: how long the event loop is held by what nginx calls in
 * a module that was built with -finstrument-functions (scripts/build loop).  A
 * handler is a function that is entered from outside of the module; its time
 * is CPU time of its thread.  Each process writes FILE.PID when it ends, FILE
 * being what MDM_LOOPTIME says, a line a handler: its place in the module, the
 * longest time in us, and how many took longer than 1, 2, 5, 10 ms.
 */


#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>


#define LOOPTIME_NAMES  16


typedef struct {
    void                     *function;
    unsigned long             place;       /* in the module's file */
    uint64_t                  longest;     /* ns */
    uint64_t                  over[4];
} looptime_t;


void __cyg_profile_func_enter(void *function, void *site);
void __cyg_profile_func_exit(void *function, void *site);

static uint64_t looptime_now(void);
static void looptime_add(void *function, uint64_t took);
static void looptime_init(void) __attribute__((constructor));
static void looptime_end(void) __attribute__((destructor));


static const uint64_t  looptime_limits[4] = {
    1000000, 2000000, 5000000, 10000000
};

static char                looptime_file[256];
static looptime_t          looptime_all[LOOPTIME_NAMES];
static _Thread_local int   looptime_depth;
static _Thread_local uint64_t  looptime_start;


static void
looptime_init(void)
{
    const char  *file;

    /* workers of nginx have no environment */

    file = getenv("MDM_LOOPTIME");

    if (file != NULL) {
        (void) snprintf(looptime_file, sizeof(looptime_file), "%s", file);
    }
}


static uint64_t
looptime_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}


void
__cyg_profile_func_enter(void *function, void *site)
{
    (void) function;
    (void) site;

    if (looptime_depth++ == 0) {
        looptime_start = looptime_now();
    }
}


void
__cyg_profile_func_exit(void *function, void *site)
{
    (void) site;

    /* the loop's thread only: the others are what it is relieved by */

    if (--looptime_depth == 0 && syscall(SYS_gettid) == getpid()) {
        looptime_add(function, looptime_now() - looptime_start);
    }
}


static void
looptime_add(void *function, uint64_t took)
{
    int          i, k;
    Dl_info      info;
    looptime_t  *t;

    if (took < looptime_limits[0] / 10) {
        return;
    }

    for (i = 0; i < LOOPTIME_NAMES; i++) {
        t = &looptime_all[i];

        if (t->function == NULL) {

            /* at the end the module has gone */

            if (dladdr(function, &info) == 0) {
                return;
            }

            t->function = function;
            t->place = (unsigned long) ((char *) function
                                        - (char *) info.dli_fbase);
        }

        if (t->function != function) {
            continue;
        }

        if (took > t->longest) {
            t->longest = took;
        }

        for (k = 0; k < 4; k++) {
            t->over[k] += (took > looptime_limits[k]);
        }

        return;
    }
}


static void
looptime_end(void)
{
    int          i;
    char         name[300];
    FILE        *f;
    looptime_t  *t;

    if (looptime_file[0] == '\0') {
        return;
    }

    (void) snprintf(name, sizeof(name), "%s.%d", looptime_file,
                    (int) getpid());

    f = fopen(name, "w");
    if (f == NULL) {
        return;
    }

    for (i = 0; i < LOOPTIME_NAMES && looptime_all[i].function != NULL; i++) {
        t = &looptime_all[i];

        fprintf(f, "%lx %lu %lu %lu %lu %lu\n", t->place,
                (unsigned long) (t->longest / 1000),
                (unsigned long) t->over[0], (unsigned long) t->over[1],
                (unsigned long) t->over[2], (unsigned long) t->over[3]);
    }

    (void) fclose(f);
}
