
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The audit of what an administrator reads.  A step that shows a secret says
 * so by mdm_api_audit(), and ends by mdm_api_audited(): the answer leaves when
 * the events are written, and is 503 if they cannot be.
 */


#ifndef _MDM_API_AUDIT_H_INCLUDED_
#define _MDM_API_AUDIT_H_INCLUDED_


#include "mdm_exchange.h"


/*
 * The answer shows "what" of the channel "id" (key form) in the partition
 * "tag"; "uuid" is the CommandUUID (key form) that it is of, or NULL.  What
 * is of one kind in one partition becomes one event.  All are used until the
 * exchange ends.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_api_audit(mdm_exchange_t *x, const mdm_str_t *tag,
    const char *what, const mdm_str_t *id, const mdm_str_t *uuid);

/*
 * The end of a step that has filled in the response, and returned "rc" so far:
 * MDM_CALL while the events are written, else "rc"; MDM_ERROR.
 */
mdm_int_t mdm_api_audited(mdm_exchange_t *x, mdm_int_t rc);


#endif /* _MDM_API_AUDIT_H_INCLUDED_ */
