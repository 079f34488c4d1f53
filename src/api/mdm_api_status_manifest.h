
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The ServerTokens of a manifest, to be compared with those that devices
 * report.
 */


#ifndef _MDM_API_STATUS_MANIFEST_H_INCLUDED_
#define _MDM_API_STATUS_MANIFEST_H_INCLUDED_


#include "mdm_api_status_list.h"


/*
 * Takes a reply of status_get "manifests" for one; with the last one the tokens
 * are there, none where the manifest is gone.  MDM_OK; MDM_DECLINED: the reply
 * is none of its script's; MDM_ERROR.
 */
mdm_int_t mdm_api_status_manifest_read(mdm_exchange_t *x,
    mdm_api_status_manifest_t *m, const mdm_reply_t *reply);

/* the ServerToken of a declaration; empty: it is not in the manifest */
mdm_str_t mdm_api_status_manifest_token(const mdm_api_status_manifest_t *m,
    const char *kind, const mdm_str_t *id);


#endif /* _MDM_API_STATUS_MANIFEST_H_INCLUDED_ */
