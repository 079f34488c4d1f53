
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the calls about push certificates share.
 */


#ifndef _MDM_API_PUSHCERT_H_INCLUDED_
#define _MDM_API_PUSHCERT_H_INCLUDED_


#include "mdm_api_json.h"
#include "mdm_api_util.h"


/* topics with a certificate in Redis, a tenant */
#define MDM_API_PUSHCERTS     100


/* the one of a topic, as it is, that comes from a file; NULL: there is none */
const mdm_push_file_t *mdm_api_pushcert_file(const mdm_exchange_t *x,
    const mdm_str_t *topic);

/* 409: a topic whose certificate comes from a file; MDM_DONE */
mdm_int_t mdm_api_pushcert_fixed(mdm_exchange_t *x, const mdm_str_t *topic);

/* members "topic" and "not_after" */
void mdm_api_pushcert_facts(mdm_json_out_t *j, const mdm_str_t *topic,
    int64_t not_after);


#endif /* _MDM_API_PUSHCERT_H_INCLUDED_ */
