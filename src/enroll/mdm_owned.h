
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Owned devices: those that may enroll by their serial number alone.
 */


#ifndef _MDM_OWNED_H_INCLUDED_
#define _MDM_OWNED_H_INCLUDED_


#include "mdm_exchange_secret.h"
#include "mdm_json.h"
#include "mdm_machine_info.h"


/*
 * The key form of a serial number: letters are upper case, as certificates are
 * compared without case, too.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_owned_name(mdm_arena_t *arena, mdm_str_t *name,
    const mdm_str_t *serial);

/* what is kept of one; either may be empty */

typedef struct {
    mdm_str_t                 asset;
    mdm_str_t                 gives;       /* see mdm_gives.h */
} mdm_owned_t;

/*
 * Reads that; "bind" is what owned_get.lua has answered for the key.  MDM_OK;
 * MDM_DONE: it cannot be opened or read, the exchange is answered; MDM_ERROR.
 */
mdm_int_t mdm_owned_read(mdm_exchange_t *x, const mdm_str_t *key,
    const mdm_str_t *bind, mdm_owned_t *owned);


#endif /* _MDM_OWNED_H_INCLUDED_ */
