
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a device is given when it enrolls: sets, tags and variables, as JSON
 * that stays the same wherever it is kept until then.
 */


#ifndef _MDM_GIVES_H_INCLUDED_
#define _MDM_GIVES_H_INCLUDED_


#include "mdm_exchange.h"
#include "mdm_json.h"
#include "mdm_json_write.h"


/* of one device; ddm_assign.lua has the same */
#define MDM_GIVES_SETS        100
#define MDM_GIVES_TAGS        64
#define MDM_GIVES_VARIABLES   64

/* bytes of all of it */
#define MDM_GIVES_SIZE        16384


/*
 * Reads the members "sets", "tags" (arrays of names) and "variables" (an object
 * of texts) of an object from outside, each of which may be missing or null.
 * *gives is empty if there is nothing in them.  MDM_OK; MDM_DONE: it is
 * refused, 400; MDM_ERROR.
 */
mdm_int_t mdm_gives_read(mdm_exchange_t *x, const json_t *root,
    mdm_str_t *gives);

/*
 * As fields of T:d:<id>, key form, and their values, 2 * *n of them; names of
 * variables are those that begin with "v:".  What Redis has lost is left out.
 * MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_gives_pairs(mdm_arena_t *arena, const mdm_str_t *gives,
    mdm_str_t **pairs, mdm_uint_t *n);

/* writes these members into an object; MDM_OK or MDM_ERROR */
mdm_int_t mdm_gives_show(mdm_arena_t *arena, const mdm_str_t *gives,
    mdm_json_out_t *j);


#endif /* _MDM_GIVES_H_INCLUDED_ */
