
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
 * Checks Type and Payload.  A wrong type of a key that the table knows is
 * refused, a date that is none and data that are not base64, too.  All else
 * that the table objects to is a warning, or refused where strict is 1: see
 * mdm_schema_command().  A string that has variables in it may become
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
