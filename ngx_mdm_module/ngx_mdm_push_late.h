
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Stores what became of pushes that nobody waits for any more.
 */


#ifndef _NGX_MDM_PUSH_LATE_H_INCLUDED_
#define _NGX_MDM_PUSH_LATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_mdm_push_copy.h"


/* cert->left of ngx_mdm_push_cert_t */
void ngx_mdm_push_left(ngx_mdm_apns_cert_t *cert, mdm_push_t *push);

/* the same of one that has ended before it had a certificate */
void ngx_mdm_push_late_add(ngx_mdm_push_tenant_t *tenant, mdm_push_t *push);

/* what is being stored is not waited for any more, the rest is forgotten */
void ngx_mdm_push_late_abandon(ngx_mdm_push_tenant_t *tenant);


#endif /* _NGX_MDM_PUSH_LATE_H_INCLUDED_ */
