
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * SCEP, RFC 8894, as steps of an exchange: GetCACaps, GetCACert and
 * PKIOperation.
 */


#ifndef _MDM_SCEP_H_INCLUDED_
#define _MDM_SCEP_H_INCLUDED_


#include "mdm_exchange.h"
#include "mdm_scep_message.h"


/* the endpoints of this folder */
extern const mdm_endpoint_t  mdm_enroll_endpoints[];

/* the step of MDM_KIND_SCEP, by x->settings->scep; finds the operation */
mdm_int_t mdm_scep(mdm_exchange_t *x);


#endif /* _MDM_SCEP_H_INCLUDED_ */
