
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a table says that a device has to be, against a device that is known.
 */


#ifndef _MDM_SCHEMA_TARGET_H_INCLUDED_
#define _MDM_SCHEMA_TARGET_H_INCLUDED_


#include "mdm_schema_walk.h"


typedef struct {
    mdm_uint_t                system;      /* MDM_SCHEMA_IOS and so on;
                                              MDM_SCHEMA_SYSTEMS: not known,
                                              and so nothing is said */
    uint32_t                  version;     /* as in mdm_schema_support_t; 0:
                                              not known */
    mdm_uint_t                unsupervised;  /* 1: it is known not to be */
    mdm_uint_t                user;        /* 1: a user channel */
    mdm_uint_t                enrollment;  /* 1: by User Enrollment */
    mdm_uint_t                shared;      /* 1: a Shared iPad */
} mdm_schema_target_t;


/* a version, "17.4.1", as a number, 170401; 0: it is none */
uint32_t mdm_schema_version(const mdm_str_t *text);

/*
 * Why a node is not for a target whose system is known: by how the device is
 * managed (supervised, User Enrollment, Shared iPad), and by the channel.  A
 * constant; NULL: it may be.
 */
const char *mdm_schema_target_managed(const mdm_schema_target_t *target,
    const mdm_schema_support_t *support);
const char *mdm_schema_target_channel(const mdm_schema_target_t *target,
    const mdm_schema_support_t *support);

/*
 * A dictionary at a path against a node: keys that this target does not
 * support are warnings, or where it is strict a refusal; what is below such a
 * key is not looked at, nor is anything of another type than the table has.
 * MDM_OK; MDM_DECLINED: result->error; MDM_ERROR: no memory.
 */
mdm_int_t mdm_schema_target(mdm_schema_walk_t *walk,
    const mdm_schema_target_t *target, const mdm_schema_node_t *node,
    const void *dict, const mdm_schema_path_t *path);

/* the same for the value of a command's key Command */
mdm_int_t mdm_schema_command_target(mdm_arena_t *arena,
    const mdm_schema_target_t *target, plist_t command, mdm_uint_t strict,
    mdm_schema_result_t *result);


#endif /* _MDM_SCHEMA_TARGET_H_INCLUDED_ */
