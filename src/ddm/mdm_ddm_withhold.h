
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A manifest without what its client does not support.  It has a token of its
 * own, which changes with what the client says that it supports.
 */


#ifndef _MDM_DDM_WITHHOLD_H_INCLUDED_
#define _MDM_DDM_WITHHOLD_H_INCLUDED_


#include <jansson.h>

#include "mdm_ddm_types.h"


typedef struct {
    mdm_ddm_client_t          client;
    mdm_ddm_types_t           types;       /* of the manifest's declarations */
    json_t                   *root;        /* the manifest */
    mdm_str_t                 digest;      /* of the client */
} mdm_ddm_withhold_t;


/*
 * The DeclarationsToken of a channel, where "token" is that of all its
 * declarations (empty: there are none) and "client" what
 * mdm_ddm_client_digest() made: the same one if nothing is withheld.  MDM_OK
 * or MDM_ERROR.
 */
mdm_int_t mdm_ddm_withhold_token(mdm_exchange_t *x, const mdm_str_t *client,
    mdm_str_t *token);

/*
 * Reads a manifest (declaration-items, as JSON), so that its types can be
 * asked for.  "said" are the client's capabilities, "client" is their digest.
 * MDM_OK; MDM_DECLINED: it is no manifest; MDM_ERROR.
 */
mdm_int_t mdm_ddm_withhold_read(mdm_exchange_t *x, const mdm_str_t *items,
    const mdm_str_t *said, const mdm_str_t *client, mdm_ddm_withhold_t *w);

/* the manifest without them; MDM_OK or MDM_ERROR */
mdm_int_t mdm_ddm_withhold_items(mdm_exchange_t *x, mdm_ddm_withhold_t *w,
    mdm_str_t *items);


#endif /* _MDM_DDM_WITHHOLD_H_INCLUDED_ */
