
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What main() runs.
 */


#ifndef _MDMSIM_H_INCLUDED_
#define _MDMSIM_H_INCLUDED_


#include "mdmsim_option.h"


/* mdmsim_run.c, mdmsim_bench.c, mdmsim_torture.c: 0 or an exit code */

int sim_run(const sim_option_t *opt);
int sim_bench(const sim_option_t *opt);
int sim_torture(const sim_option_t *opt);


#endif /* _MDMSIM_H_INCLUDED_ */
