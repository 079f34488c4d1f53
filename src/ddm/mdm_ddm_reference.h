
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a payload names: other declarations, and variables.
 */


#ifndef _MDM_DDM_REFERENCE_H_INCLUDED_
#define _MDM_DDM_REFERENCE_H_INCLUDED_


#include "mdm_schema.h"


#define MDM_DDM_REFERENCES    256            /* of one declaration */


typedef struct {
    mdm_str_t                 key;         /* key form of what is named */
    mdm_str_t                 types;       /* of a declaration: those that it
                                              may have, parted by "|"; one that
                                              ends in "." is a beginning.  Of
                                              a variable: empty */
    mdm_str_t                 path;        /* "Payload.Predicate" */
    const mdm_schema_path_t  *parent;      /* of the path; no more valid when
                                              all are read */
    mdm_uint_t                twice;       /* the array names it already */
} mdm_ddm_reference_t;


typedef struct {
    mdm_ddm_reference_t      *list;        /* each as often as it names another
                                              one, or asks for other types */
    mdm_uint_t                n;
    mdm_uint_t                full;        /* there are more */
} mdm_ddm_references_t;


/*
 * One more.  "node" is what the table of declarations knows of the key, or
 * NULL; "activation" 1 if the declaration is one.  MDM_OK, MDM_ERROR.
 */
mdm_int_t mdm_ddm_reference(mdm_arena_t *arena, mdm_ddm_references_t *refs,
    const mdm_str_t *key, const mdm_schema_node_t *node,
    mdm_uint_t activation, const mdm_schema_path_t *path);

/* the same for a variable that the module does not have itself */
mdm_int_t mdm_ddm_variable(mdm_arena_t *arena, mdm_ddm_references_t *vars,
    const mdm_str_t *key, const mdm_schema_path_t *path);

/* 1 if each channel has a variable of this name (key form), else 0 */
mdm_uint_t mdm_ddm_variable_own(const mdm_str_t *key);

/* as a script takes them, "key types,key types" or "key,key" */
mdm_int_t mdm_ddm_references_join(mdm_arena_t *arena,
    const mdm_ddm_references_t *refs, mdm_str_t *dst);

/* warnings, or where it is strict a refusal, of what is named twice */
mdm_int_t mdm_ddm_references_twice(mdm_arena_t *arena,
    const mdm_ddm_references_t *refs, mdm_uint_t strict,
    mdm_schema_result_t *result);

/*
 * What is wrong with the one that a script found so: its type is "type",
 * empty where there is no such declaration; of a variable, that there is none.
 */
mdm_int_t mdm_ddm_reference_wrong(mdm_arena_t *arena, mdm_str_t *text,
    const mdm_ddm_reference_t *ref, const mdm_str_t *type);


#endif /* _MDM_DDM_REFERENCE_H_INCLUDED_ */
