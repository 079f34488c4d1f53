
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Signals set a flag; whoever works asks for it.
 */


#include "mdmsim_signal.h"
#include "mdmsim_util.h"

#include <errno.h>
#include <signal.h>


static void sim_signal(int signo);
static void sim_signal_end(int signo);


static volatile sig_atomic_t  sim_signalled;
static volatile sig_atomic_t  sim_end;


static void
sim_signal(int signo)
{
    if (sim_signalled) {
        _exit(128 + signo);
    }

    sim_signalled = 1;
}


static void
sim_signal_end(int signo)
{
    (void) signo;

    sim_end = 1;
}


void
sim_signal_init(void)
{
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sigemptyset(&sa.sa_mask);
    sa.sa_handler = sim_signal;

    if (sigaction(SIGINT, &sa, NULL) == -1
        || sigaction(SIGTERM, &sa, NULL) == -1)
    {
        sim_die("sigaction() failed: %s", strerror(errno));
    }

    sa.sa_handler = sim_signal_end;

    if (sigaction(SIGUSR1, &sa, NULL) == -1) {
        sim_die("sigaction() failed: %s", strerror(errno));
    }

    sa.sa_handler = SIG_IGN;

    if (sigaction(SIGPIPE, &sa, NULL) == -1) {
        sim_die("sigaction() failed: %s", strerror(errno));
    }
}


int
sim_stopped(void)
{
    return sim_signalled;
}


int
sim_ended(void)
{
    return sim_end;
}
