
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What answers of APNs mean for a topic: whether it can be pushed to.
 */


#ifndef _NGX_MDM_PUSH_STOP_H_INCLUDED_
#define _NGX_MDM_PUSH_STOP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_mdm_push_copy.h"


/* a push has ended: cert->ended of ngx_mdm_push_cert_t */
void ngx_mdm_push_ended(ngx_mdm_apns_cert_t *cert, mdm_push_t *push,
    ngx_uint_t old);

/* Redis says that it is stopped */
void ngx_mdm_push_stopped(ngx_mdm_push_cert_t *cert, mdm_str_t *reason);

/*
 * 1 if no push of the topic may be sent now: how such a push ends, and in how
 * many milliseconds one may be, 0: that is not known.
 */
ngx_uint_t ngx_mdm_push_holds(ngx_mdm_push_cert_t *cert, mdm_push_e *outcome,
    ngx_str_t *reason, ngx_uint_t *again);

/* what is being said is not waited for any more, nor is anything noted */
void ngx_mdm_push_stop_abandon(ngx_mdm_push_cert_t *cert);


#endif /* _NGX_MDM_PUSH_STOP_H_INCLUDED_ */
