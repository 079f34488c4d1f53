
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The status channel: a report comes in.
 */


#ifndef _MDM_DDM_STATUS_H_INCLUDED_
#define _MDM_DDM_STATUS_H_INCLUDED_


#include "mdm_exchange.h"


/* hex digits of SHA-256 that name a report */
#define MDM_DDM_DIGEST        32


/*
 * The step of a DeclarativeManagement whose Endpoint is "status"; x->ctx is
 * its mdm_message_t.  A report is answered 200 without a body, one that makes
 * no sense too: it is kept as it came.  Only without Data there is nothing to
 * keep: 400.
 */
mdm_int_t mdm_ddm_status_step(mdm_exchange_t *x);


#endif /* _MDM_DDM_STATUS_H_INCLUDED_ */
