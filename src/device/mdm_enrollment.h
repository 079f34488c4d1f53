
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Who speaks: the identity keys of a message resolved to an enrollment
 * (Apple's UDID, UserID, EnrollmentID, EnrollmentUserID).
 */


#ifndef _MDM_ENROLLMENT_H_INCLUDED_
#define _MDM_ENROLLMENT_H_INCLUDED_


#include "mdm_base.h"
#include "mdm_plist.h"


#define MDM_ID_MAX            255     /* bytes of one identifier */

#define MDM_SHARED_IPAD_USER  "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"


typedef enum {
    MDM_TYPE_DEVICE = 0,
    MDM_TYPE_USER,
    MDM_TYPE_SHARED_IPAD,
    MDM_TYPE_USER_ENROLLMENT_DEVICE,
    MDM_TYPE_USER_ENROLLMENT
} mdm_type_e;


typedef struct {
    mdm_type_e                type;
    mdm_str_t                 id;          /* raw */
    mdm_str_t                 device;      /* the device channel's id; is
                                              "id" on that channel */
    mdm_str_t                 id_key;      /* key form of both */
    mdm_str_t                 device_key;
    uint32_t                  partition;
    mdm_str_t                 tag;         /* "mdm:{tenant/p}" */
    mdm_str_t                 udid;        /* raw, empty in User Enrollment */
    mdm_str_t                 enrollment;  /* EnrollmentID, or empty */
} mdm_enrollment_t;


/* an identity key of a message, as it came */

typedef struct {
    mdm_int_t                 rc;          /* MDM_OK; MDM_DECLINED: there is
                                              none; MDM_ERROR: not a string, or
                                              one that cannot be read */
    mdm_str_t                 value;
} mdm_enrollment_name_t;


typedef struct {
    mdm_enrollment_name_t     udid;
    mdm_enrollment_name_t     enrollment;
    mdm_enrollment_name_t     user;
    mdm_enrollment_name_t     enrollment_user;
    mdm_enrollment_name_t     short_name;
} mdm_enrollment_names_t;


/* 1 if this is a user channel, else 0 */
#define mdm_enrollment_user(en)                                               \
    ((en)->type != MDM_TYPE_DEVICE                                            \
     && (en)->type != MDM_TYPE_USER_ENROLLMENT_DEVICE)


/* the name of a type in the API and in Redis, e.g. "Shared iPad" */
mdm_str_t mdm_type_name(mdm_type_e type);

/*
 * Resolves a message.  MDM_DECLINED: *why says which key is missing, too
 * long, not UTF-8, or that UDID and EnrollmentID came together.
 */
mdm_int_t mdm_enrollment_resolve(mdm_arena_t *arena, plist_t message,
    const mdm_str_t *tenant, uint32_t partitions, mdm_enrollment_t *en,
    const char **why);

/*
 * The same from identity keys that were read in another way.
 */
mdm_int_t mdm_enrollment_resolve_names(mdm_arena_t *arena,
    const mdm_enrollment_names_t *names, const mdm_str_t *tenant,
    uint32_t partitions, mdm_enrollment_t *en, const char **why);

/*
 * The same from an id as an administrator writes it ("UDID" or
 * "UDID:UserID"); only id, device, keys, partition and tag are filled in.
 * The device id ends at the first ":".
 */
mdm_int_t mdm_enrollment_from_id(mdm_arena_t *arena, const mdm_str_t *id,
    const mdm_str_t *tenant, uint32_t partitions, mdm_enrollment_t *en);


#endif /* _MDM_ENROLLMENT_H_INCLUDED_ */
