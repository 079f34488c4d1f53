
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Answers of the API as JSON.
 */


#ifndef _MDM_API_JSON_H_INCLUDED_
#define _MDM_API_JSON_H_INCLUDED_


#include "mdm_exchange.h"
#include "mdm_json_write.h"


/* "first:tally" of a NotNow as an object; nothing where it is empty */
void mdm_api_json_not_now(mdm_json_out_t *j, const mdm_str_t *value);

/* answers it; MDM_DONE or MDM_ERROR */
mdm_int_t mdm_api_json_answer(mdm_json_out_t *j, mdm_exchange_t *x,
    mdm_uint_t status);


#endif /* _MDM_API_JSON_H_INCLUDED_ */
