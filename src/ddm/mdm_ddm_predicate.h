
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A look at the predicate of an activation.  Only a device can tell whether
 * it is one; what is found here is what an administrator gets wrong: brackets
 * and quotes that do not fit, what stands behind "@", status items that do
 * not exist.
 */


#ifndef _MDM_DDM_PREDICATE_H_INCLUDED_
#define _MDM_DDM_PREDICATE_H_INCLUDED_


#include "mdm_schema.h"


#define MDM_DDM_BRACKETS      64      /* within each other */


/*
 * A status item that is not known is a warning, or refused where strict is 1;
 * one whose name has variables in it is not looked up.  Texts begin with
 * "place".  MDM_OK; MDM_DECLINED: result->error; MDM_ERROR: no memory.
 */
mdm_int_t mdm_ddm_predicate(mdm_arena_t *arena, const mdm_str_t *predicate,
    const char *place, mdm_uint_t strict, mdm_schema_result_t *result);


#endif /* _MDM_DDM_PREDICATE_H_INCLUDED_ */
