
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reals in JSON as they were written: a double does not say whether it was
 * 0.1, 1e-1 or 0.10.
 */


#ifndef _MDM_JSON_REAL_H_INCLUDED_
#define _MDM_JSON_REAL_H_INCLUDED_


#include "mdm_json.h"


/*
 * Writes "value" as mdm_json_dump() does, but each real as it stands in the
 * text that "root" was read from; "value" is root or a part of it.  The text
 * names no key twice, and was within the limits of mdm_json_load().  MDM_OK
 * or MDM_ERROR.
 */
mdm_int_t mdm_json_dump_written(mdm_arena_t *arena, const mdm_str_t *text,
    json_t *root, json_t *value, mdm_str_t *dst);


#endif /* _MDM_JSON_REAL_H_INCLUDED_ */
