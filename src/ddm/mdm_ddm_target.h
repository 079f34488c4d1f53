
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A system and its version, and what of declarations it does not have by
 * Apple's schema.
 */


#ifndef _MDM_DDM_TARGET_H_INCLUDED_
#define _MDM_DDM_TARGET_H_INCLUDED_


#include "mdm_ddm_system.h"


typedef struct {
    mdm_uint_t                system;      /* MDM_DDM_SYSTEMS: not known */
    mdm_str_t                 version;     /* empty: not known */
} mdm_ddm_target_t;


/*
 * Why a target does not have a type, the first key of a payload (JSON; may be
 * empty) that it has not, or a status item, as text of the arena; empty: it has
 * all of it, or nothing is known of it.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_target_type(mdm_arena_t *arena,
    const mdm_ddm_target_t *target, const mdm_str_t *type, mdm_str_t *reason);
mdm_int_t mdm_ddm_target_keys(mdm_arena_t *arena,
    const mdm_ddm_target_t *target, const mdm_str_t *type,
    const mdm_str_t *payload, mdm_str_t *reason);
mdm_int_t mdm_ddm_target_item(mdm_arena_t *arena,
    const mdm_ddm_target_t *target, const mdm_str_t *item, mdm_str_t *reason);


#endif /* _MDM_DDM_TARGET_H_INCLUDED_ */
