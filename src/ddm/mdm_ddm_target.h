
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A channel and the system of its device, and what of declarations is not for
 * it by Apple's schema.
 */


#ifndef _MDM_DDM_TARGET_H_INCLUDED_
#define _MDM_DDM_TARGET_H_INCLUDED_


#include "mdm_ddm_system.h"
#include "mdm_schema_target.h"


typedef struct {
    mdm_schema_target_t       known;       /* where its system is
                                              MDM_SCHEMA_SYSTEMS, nothing is
                                              said; its version is not used */
    mdm_str_t                 version;     /* empty: not known */
} mdm_ddm_target_t;


/*
 * Why a type, the first key of a payload (JSON; may be empty), or a status item
 * is not for a target, as text of the arena; empty: all of it is, or nothing is
 * known of it.  "said" is 1 if the client says that it takes the type: then
 * only how the device is managed is looked at.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_target_type(mdm_arena_t *arena,
    const mdm_ddm_target_t *target, const mdm_str_t *type, mdm_uint_t said,
    mdm_str_t *reason);
mdm_int_t mdm_ddm_target_keys(mdm_arena_t *arena,
    const mdm_ddm_target_t *target, const mdm_str_t *type,
    const mdm_str_t *payload, mdm_str_t *reason);
mdm_int_t mdm_ddm_target_item(mdm_arena_t *arena,
    const mdm_ddm_target_t *target, const mdm_str_t *item, mdm_str_t *reason);


#endif /* _MDM_DDM_TARGET_H_INCLUDED_ */
