
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a client says it can do: the status item management.client-capabilities.
 */


#ifndef _MDM_DDM_CLIENT_H_INCLUDED_
#define _MDM_DDM_CLIENT_H_INCLUDED_


#include "mdm_base.h"


/* a list that is not there says nothing, one that is says all */

typedef struct {
    mdm_str_t                *types;       /* of declarations, sorted */
    mdm_uint_t                ntypes;
    mdm_str_t                *items;       /* names of status items, sorted */
    mdm_uint_t                nitems;
    mdm_uint_t                declarations;  /* 1: it has said which types */
    mdm_uint_t                status;        /* 1: and which items */
} mdm_ddm_client_t;


/*
 * Reads the value of the item; what is no such list says nothing.  All of it
 * lives in the arena.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_client_read(mdm_arena_t *arena, const mdm_str_t *json,
    mdm_ddm_client_t *client);

/*
 * What tells the types that one client supports from those of another: 40 hex
 * digits, or an empty string if it has not said which.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_client_digest(mdm_arena_t *arena,
    const mdm_ddm_client_t *client, mdm_str_t *digest);

/* 1 if it takes declarations of the type, or has not said which, else 0 */
mdm_uint_t mdm_ddm_client_takes(const mdm_ddm_client_t *client,
    const mdm_str_t *type);

/* 1 if it has the status item, or has not said which, else 0 */
mdm_uint_t mdm_ddm_client_has(const mdm_ddm_client_t *client,
    const mdm_str_t *item);


#endif /* _MDM_DDM_CLIENT_H_INCLUDED_ */
