
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * For LD_PRELOAD: a disk whose fsync() takes SLOWSYNC_MS milliseconds.
 */


#define _GNU_SOURCE

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>


int fsync(int fd);
int fdatasync(int fd);

static void slowsync_wait(void);


static void
slowsync_wait(void)
{
    long              ms;
    const char       *value;
    struct timespec   ts;

    value = getenv("SLOWSYNC_MS");
    ms = value == NULL ? 0 : strtol(value, NULL, 10);

    ts.tv_sec = ms / 1000;
    ts.tv_nsec = ms % 1000 * 1000000;

    (void) nanosleep(&ts, NULL);
}


int
fsync(int fd)
{
    slowsync_wait();

    return (int) syscall(SYS_fsync, fd);
}


int
fdatasync(int fd)
{
    slowsync_wait();

    return (int) syscall(SYS_fdatasync, fd);
}
