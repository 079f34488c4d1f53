
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a query for enrollments asks for.
 */


#ifndef _MDM_API_QUERY_H_INCLUDED_
#define _MDM_API_QUERY_H_INCLUDED_


#include "mdm_api_ids.h"
#include "mdm_api_json.h"
#include "mdm_key.h"


typedef struct {
    mdm_uint_t                by_id;       /* the filter names ids */
    mdm_api_ids_t             ids;
    mdm_uint_t                next;        /* chunk of them */
    mdm_str_t                *filter;      /* the other lists, as the script
                                              takes them */
    mdm_uint_t                nfilter;
    mdm_str_t                 enabled;     /* "", "0" or "1" */
    mdm_uint_t                include_cert;
    mdm_uint_t                include_unlock;

    mdm_uint_t                limit;       /* rows a page */
    mdm_uint_t                offset;      /* rows to skip, at first */
    mdm_uint_t                skip;        /* and still */
    uint32_t                  partition;   /* where the scan stands */
    mdm_str_t                 after;       /* and behind which id */

    mdm_uint_t                rows;        /* written */
    mdm_uint_t                cost;
    mdm_uint_t                width;       /* calls in the next round */
    mdm_uint_t                large;       /* 1: a partition took more than
                                              one call */
    mdm_uint_t                more;        /* 1: there is a next page */
    mdm_api_json_t            json;
} mdm_api_query_t;


/*
 * Reads the body, which may be empty.  What is of a wrong type or unknown is
 * refused with its path.  MDM_OK, MDM_DONE or MDM_ERROR.
 */
mdm_int_t mdm_api_query_read(mdm_exchange_t *x, mdm_api_query_t *q);


#endif /* _MDM_API_QUERY_H_INCLUDED_ */
