
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Signals, and what they ask for.
 */


#ifndef _MDMSIM_SIGNAL_H_INCLUDED_
#define _MDMSIM_SIGNAL_H_INCLUDED_


/* of SIGINT, SIGTERM and SIGUSR1; SIGPIPE is ignored */
void sim_signal_init(void);

/* 1 after SIGINT or SIGTERM */
int sim_stopped(void);

/* 1 after SIGUSR1: the load is over, its check begins */
int sim_ended(void);


#endif /* _MDMSIM_SIGNAL_H_INCLUDED_ */
