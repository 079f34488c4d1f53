
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What opens a door, a challenge or a link, lies in a slot of its own, named by
 * its digest; a list of the tenant tells of it.  See src/lua/_listed.lua.
 */


#ifndef _MDM_LISTED_H_INCLUDED_
#define _MDM_LISTED_H_INCLUDED_


#include "mdm_exchange.h"


typedef struct {
    /* the key of the list, of an item by its digest; MDM_OK or MDM_ERROR */
    mdm_int_t               (*list)(mdm_arena_t *arena, mdm_str_t *key,
                                    const mdm_str_t *tenant);
    mdm_int_t               (*item)(mdm_arena_t *arena, mdm_str_t *key,
                                    const mdm_str_t *tenant,
                                    const mdm_str_t *digest);

    /* what comes behind the key of the list: zsets, hashes before their id */
    mdm_str_t                 ids;
    mdm_str_t                 due;
    mdm_str_t                 hash;

    mdm_str_t                 event;       /* that tells of a change */
} mdm_listed_kind_t;


/* the id of one that opens nothing any more */

typedef struct {
    const mdm_listed_kind_t  *kind;
    mdm_str_t                 id;

    mdm_uint_t                found;       /* 1: it was there */
} mdm_listed_delete_t;


/* a step, see mdm_exchange_enter(), with a mdm_listed_delete_t */
mdm_int_t mdm_listed_delete(mdm_exchange_t *x);


#endif /* _MDM_LISTED_H_INCLUDED_ */
