
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A declaration as a device gets it: variables filled in, or made here from
 * the channel's subscriptions.
 */


#ifndef _MDM_DDM_BODY_H_INCLUDED_
#define _MDM_DDM_BODY_H_INCLUDED_


#include "mdm_base.h"


/* identifiers that begin so are the module's own */

#define MDM_DDM_OWN           "ngx_mdm."
#define MDM_DDM_SUBSCRIPTIONS                                                 \
    MDM_DDM_OWN "status-subscriptions"
#define MDM_DDM_ACTIVATION                                                    \
    MDM_DDM_SUBSCRIPTIONS ".activation"


/* what a declaration is made of */

typedef struct {
    mdm_str_t                 type;
    mdm_str_t                 identifier;  /* raw */
    mdm_str_t                 token;       /* ServerToken */
    mdm_str_t                 payload;     /* JSON text; variables in it */
} mdm_ddm_body_t;


/*
 * Fills in ${name} from "vars", a JSON object of strings by the key forms of
 * names (empty: none); a name that is not in it stays as it is, "$${"
 * becomes "${".  MDM_OK; MDM_DECLINED: "vars" is not such an object;
 * MDM_ERROR.
 */
mdm_int_t mdm_ddm_substitute(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *payload, const mdm_str_t *vars);

/* the declaration as JSON, from "body" and "vars"; codes as above */
mdm_int_t mdm_ddm_write(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_ddm_body_t *body, const mdm_str_t *vars);

/*
 * Fills in type and payload of a declaration of the module's own, by its
 * identifier; "subs" is a JSON array of the names of status items.  MDM_OK;
 * MDM_DECLINED: there is none of this name; MDM_ERROR.
 */
mdm_int_t mdm_ddm_own(mdm_arena_t *arena, mdm_ddm_body_t *body,
    const mdm_str_t *subs);


#endif /* _MDM_DDM_BODY_H_INCLUDED_ */
