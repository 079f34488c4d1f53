
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is known of the one device that a call is for.
 */


#ifndef _MDM_API_TARGET_H_INCLUDED_
#define _MDM_API_TARGET_H_INCLUDED_


#include "mdm_exchange.h"
#include "mdm_schema_target.h"


/*
 * Starts a round with one call, which asks for it; "id" is the key form of a
 * channel.  MDM_CALL or MDM_ERROR.
 */
mdm_int_t mdm_api_target_call(mdm_exchange_t *x, const mdm_str_t *tag,
    const mdm_str_t *id, mdm_int_t state);

/* what came of it; a target of which nothing is known if the call failed */
void mdm_api_target_read(const mdm_call_t *call, mdm_schema_target_t *target);

/*
 * The same from what redis keeps: ProductName and OSVersion of the device, the
 * type of the channel, and "1", "0" or "" (not known) of supervision.
 */
void mdm_api_target_set(mdm_schema_target_t *target, const mdm_str_t *product,
    const mdm_str_t *version, const mdm_str_t *type,
    const mdm_str_t *supervised);


#endif /* _MDM_API_TARGET_H_INCLUDED_ */
