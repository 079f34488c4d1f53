
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdm_auth: does this certificate belong to an enrolled device?
 */


#ifndef _MDM_AUTH_H_INCLUDED_
#define _MDM_AUTH_H_INCLUDED_


#include "mdm_exchange.h"


/*
 * The response is 200 (let it pass; x->enrollment_id is the device's), 403 or
 * 503.  A certificate counts if it is the one pinned to a device that is
 * enabled.
 */
mdm_int_t mdm_auth(mdm_exchange_t *x);


#endif /* _MDM_AUTH_H_INCLUDED_ */
