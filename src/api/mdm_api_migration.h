
/*
 * Copyright (C) ngx_mdm_module authors
 */


#ifndef _MDM_API_MIGRATION_H_INCLUDED_
#define _MDM_API_MIGRATION_H_INCLUDED_


#include "mdm_api_util.h"
#include "mdm_message.h"
#include "mdm_plist.h"


/*
 * Starts the round that takes a SetBootstrapToken over; "state" as of
 * mdm_exchange_calls().  The second answers it.  Both return what a step
 * returns.
 */
mdm_int_t mdm_api_migration_bootstrap(mdm_exchange_t *x,
    const mdm_enrollment_t *en, plist_t message, mdm_int_t state);
mdm_int_t mdm_api_migration_bootstrap_answer(mdm_exchange_t *x);


#endif /* _MDM_API_MIGRATION_H_INCLUDED_ */
