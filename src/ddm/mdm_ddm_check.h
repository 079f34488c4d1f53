
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A declaration against Apple's schema.
 */


#ifndef _MDM_DDM_CHECK_H_INCLUDED_
#define _MDM_DDM_CHECK_H_INCLUDED_


#include <jansson.h>

#include "mdm_schema.h"


/*
 * Checks Type and Payload.  In a Type that the table knows, a missing
 * required key, a wrong type, an integer that is not one of the allowed ones
 * and a number out of its range are refused.  What the table does not know
 * (Type, key, a string that is not one of the listed ones) is a warning, or
 * refused where strict is 1.  A string that has variables in it may become
 * anything: it is a string, no more is asked of it.  Paths begin with
 * "Payload".  MDM_OK; MDM_DECLINED: result->error; MDM_ERROR: no memory.
 */
mdm_int_t mdm_ddm_check(mdm_arena_t *arena, const mdm_str_t *type,
    const json_t *payload, mdm_uint_t strict, mdm_schema_result_t *result);

/* the same against any table */
mdm_int_t mdm_ddm_check_table(mdm_arena_t *arena,
    const mdm_schema_table_t *table, const mdm_str_t *type,
    const json_t *payload, mdm_uint_t strict, mdm_schema_result_t *result);

/*
 * Where strict is 0, one warning more, else the refusal: "place: what".
 * MDM_OK; MDM_DECLINED; MDM_ERROR.
 */
mdm_int_t mdm_ddm_unknown(mdm_arena_t *arena, const char *place,
    const char *what, mdm_uint_t strict, mdm_schema_result_t *result);


#endif /* _MDM_DDM_CHECK_H_INCLUDED_ */
