
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Status reports of devices.
 */


#ifndef _MDM_DDM_STATUS_H_INCLUDED_
#define _MDM_DDM_STATUS_H_INCLUDED_


#include "mdm_exchange.h"


/* DeclarativeManagement, Endpoint "status"; x->ctx is the mdm_message_t */
mdm_int_t mdm_ddm_status_step(mdm_exchange_t *x);


#endif /* _MDM_DDM_STATUS_H_INCLUDED_ */
