
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The types of a manifest's declarations, which the manifest does not tell,
 * and which of them a client does not support.
 */


#ifndef _MDM_DDM_TYPES_H_INCLUDED_
#define _MDM_DDM_TYPES_H_INCLUDED_


#include "mdm_ddm_client.h"
#include "mdm_ddm_target.h"
#include "mdm_exchange.h"


typedef struct {
    mdm_str_t                 id;          /* key form */
    mdm_str_t                 type;        /* empty: there is none */
    mdm_str_t                 payload;     /* JSON; empty if it is not wanted,
                                              or large */
} mdm_ddm_typed_t;


typedef struct {
    mdm_ddm_typed_t          *list;
    size_t                    n;
    size_t                    taken;       /* of these the type is known */
    mdm_uint_t                payloads;    /* 1: they are wanted */
} mdm_ddm_types_t;


/*
 * Asks for the types of the next of them, and takes the replies of the round
 * before, if there was one: call it until it returns MDM_OK.  MDM_CALL; MDM_OK:
 * all are known; MDM_ERROR.
 */
mdm_int_t mdm_ddm_types_next(mdm_exchange_t *x, mdm_ddm_types_t *types,
    mdm_int_t state);

/*
 * Why a client does not support a declaration, as text of the arena; empty: it
 * does, or nothing is known.  What it has not said of itself follows from its
 * system, its channel and how its device is managed.  *type is 1 if it has not
 * said that it supports the type, else 0: it is for the latter, a key, or a
 * status item that it subscribes to.  "subs" are
 * those items (JSON) of the module's own subscription.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_types_reason(mdm_arena_t *arena,
    const mdm_ddm_client_t *client, const mdm_ddm_target_t *target,
    const mdm_ddm_typed_t *declaration, const mdm_str_t *subs,
    mdm_str_t *reason, mdm_uint_t *type);


#endif /* _MDM_DDM_TYPES_H_INCLUDED_ */
