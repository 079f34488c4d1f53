
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A declaration as an administrator gives it: {"Identifier", "Type",
 * "Payload"}.
 */


#ifndef _MDM_DDM_DECLARATION_H_INCLUDED_
#define _MDM_DDM_DECLARATION_H_INCLUDED_


#include "mdm_base.h"
#include "mdm_ddm_reference.h"
#include "mdm_plist.h"
#include "mdm_schema.h"


/* Apple: Identifier and ServerToken have 64 octets at most */
#define MDM_DDM_ID            64

#define MDM_DDM_DECLARATION   (1024 * 1024)  /* bytes of one */
#define MDM_DDM_MOST          10000          /* a tenant */
#define MDM_DDM_SETS          1000
#define MDM_DDM_SET           1000           /* declarations a set */
#define MDM_DDM_VARIABLES     10000          /* names that are remembered */

/* identifiers that begin like this are made by the module itself */
#define MDM_DDM_RESERVED      "ngx_mdm."


typedef struct {
    mdm_str_t                 id;          /* raw */
    mdm_str_t                 key;         /* key form */
    mdm_str_t                 kind;        /* "a" activation, "s" asset, "c"
                                              configuration, "m" management */
    mdm_str_t                 type;
    mdm_str_t                 payload;     /* JSON, compact, members sorted,
                                              reals as they were written: the
                                              same for the same content */
    mdm_str_t                 vars;        /* variables it uses, sorted, parted
                                              by commas */
    mdm_str_t                 refs;        /* key forms of what it refers to,
                                              likewise: configurations of an
                                              activation, else assets */
    mdm_ddm_references_t      references;  /* where these are named */
    mdm_ddm_references_t      variables;   /* the same, but for those that
                                              each channel has */
    mdm_str_t                 wants;       /* both as a script takes them */
    mdm_str_t                 unknown;
    mdm_schema_result_t       schema;      /* its warnings */
    mdm_str_t                 error;       /* why it was refused, begins with
                                              the key path */
} mdm_ddm_declaration_t;


/*
 * Reads one; all of it lives in the arena or in "json".  A ServerToken in it
 * is ignored, what else it holds is refused.  "validate" is an
 * mdm_validate_e: whether it is held against Apple's schema, see
 * mdm_ddm_check.h.  MDM_OK; MDM_DECLINED: d->error; MDM_ERROR: no memory.
 */
mdm_int_t mdm_ddm_declaration_read(mdm_arena_t *arena, const mdm_str_t *json,
    const mdm_limits_t *limits, mdm_uint_t validate,
    mdm_ddm_declaration_t *d);


#endif /* _MDM_DDM_DECLARATION_H_INCLUDED_ */
