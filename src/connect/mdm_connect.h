
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Connect: a device reports what became of a command and fetches the next.
 */


#ifndef _MDM_CONNECT_H_INCLUDED_
#define _MDM_CONNECT_H_INCLUDED_


#include "mdm_message.h"


/* expects that mdm_report_message() has been run */
mdm_int_t mdm_connect(mdm_exchange_t *x);


/* mdm_connect_endpoint.c */
extern const mdm_endpoint_t  mdm_connect_endpoints[];


#endif /* _MDM_CONNECT_H_INCLUDED_ */
