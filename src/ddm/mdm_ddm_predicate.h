
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The predicate of an activation, in the language of NSPredicate.
 */


#ifndef _MDM_DDM_PREDICATE_H_INCLUDED_
#define _MDM_DDM_PREDICATE_H_INCLUDED_


#include "mdm_schema.h"


#define MDM_DDM_BRACKETS      64      /* within each other that are looked at */


/*
 * Parses it: comparisons with ANY, ALL, NONE, SOME, compound predicates,
 * literals, key paths, SUBQUERY, and Apple's "@status(item)",
 * "@property(key)", "@key(name)".  What does not parse is a warning that says
 * where, as are a status item that is not known and a name that has spaces or
 * quotes; all of them are refused where strict is 1.  What NSPredicate knows
 * beyond that (arithmetic, functions) ends the check: a warning, even
 * where strict is 1.  A status item whose name has variables in it is not
 * looked up.  Texts begin with "place".  MDM_OK; MDM_DECLINED: result->error;
 * MDM_ERROR: no memory.
 */
mdm_int_t mdm_ddm_predicate(mdm_arena_t *arena, const mdm_str_t *predicate,
    const char *place, mdm_uint_t strict, mdm_schema_result_t *result);


#endif /* _MDM_DDM_PREDICATE_H_INCLUDED_ */
