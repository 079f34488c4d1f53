
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A certificate of the ledger, as the API shows it.
 */


#ifndef _MDM_API_CERTIFICATE_H_INCLUDED_
#define _MDM_API_CERTIFICATE_H_INCLUDED_


#include "mdm_certificates.h"
#include "mdm_json_write.h"


/* an object; "id": whose it is, key form, or empty */
void mdm_api_certificate_row(mdm_json_out_t *j,
    const mdm_certificates_entry_t *entry, const mdm_str_t *id);


#endif /* _MDM_API_CERTIFICATE_H_INCLUDED_ */
