
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Who watches which status values: a tenant's watchers, compiled to one string
 * that a worker's cache can hold, and the few of them that a report needs.
 */


#ifndef _MDM_DDM_WATCH_H_INCLUDED_
#define _MDM_DDM_WATCH_H_INCLUDED_


#include "mdm_ddm_report.h"


/* up to this size all watchers go with each report */
#define MDM_DDM_WATCH_SMALL   4096


/*
 * "watchers": {name: {"items": [prefixes], "set": name}, …}, as a partition
 * has them.  *dst is the arena's.  MDM_OK; MDM_DECLINED: they are none;
 * MDM_ERROR: no memory.
 */
mdm_int_t mdm_ddm_watch_compile(mdm_arena_t *arena, const mdm_str_t *watchers,
    mdm_str_t *dst);

/*
 * The watchers of some values, as the script takes them (see
 * src/lua/_status_watch.lua), and with what the prefixes of all others begin,
 * a line each; empty where none is left out.  Both are the arena's.  MDM_OK;
 * MDM_DECLINED: "compiled" is nothing of that kind; MDM_ERROR: no memory.
 */
mdm_int_t mdm_ddm_watch_find(mdm_arena_t *arena, const mdm_str_t *compiled,
    const mdm_ddm_value_t *values, mdm_uint_t n, mdm_str_t *json,
    mdm_str_t *heads);


#endif /* _MDM_DDM_WATCH_H_INCLUDED_ */
