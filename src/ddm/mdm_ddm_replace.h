
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Which values of a channel a report takes away: of a full one those that are
 * not in it; else those that stand where its own are, or above or below them.
 * The script does this by itself where there are few of them.
 */


#ifndef _MDM_DDM_REPLACE_H_INCLUDED_
#define _MDM_DDM_REPLACE_H_INCLUDED_


#include "mdm_ddm_report.h"


typedef struct mdm_ddm_replace_s  mdm_ddm_replace_t;


/* of a report; the arena's; NULL: no memory */
mdm_ddm_replace_t *mdm_ddm_replace_create(mdm_arena_t *arena,
    const mdm_ddm_report_t *report);

/* 1: it takes away what is at this place, else 0 */
mdm_uint_t mdm_ddm_replace_takes(const mdm_ddm_replace_t *r,
    const mdm_str_t *place);

/*
 * Does a report speak of what a full one may leave out?  "d": of declarations,
 * "c": of what the client can do; 0: neither.
 */
int mdm_ddm_replace_apart(const mdm_str_t *place);


#endif /* _MDM_DDM_REPLACE_H_INCLUDED_ */
