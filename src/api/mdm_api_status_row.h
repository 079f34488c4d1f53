
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Rows of GET /v1/status-values, flat down to leaves as KMFDDM has them.
 */


#ifndef _MDM_API_STATUS_ROW_H_INCLUDED_
#define _MDM_API_STATUS_ROW_H_INCLUDED_


#include "mdm_api_status.h"


#define MDM_API_STATUS_LIKE   255     /* octets of a pattern */


/* the argument "prefix" */

typedef struct {
    mdm_str_t                 text;        /* as it was given */
    mdm_str_t                 head;        /* with what each path begins that it
                                              fits, but for ".StatusItems." */
    mdm_uint_t                like;        /* 1: a pattern as that of SQL's
                                              LIKE, 0: just a prefix */
} mdm_api_status_prefix_t;


/*
 * Reads the argument.  MDM_OK; MDM_DECLINED: a pattern is longer than
 * MDM_API_STATUS_LIKE.
 */
mdm_int_t mdm_api_status_prefix(mdm_api_status_prefix_t *prefix,
    const mdm_str_t *text);

/*
 * Writes a row for each leaf of a value that the prefix fits: of an array for
 * each of its elements, all under the path of the array.  Null, {} and [] have
 * none.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_api_status_rows(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_api_status_t *s, const mdm_api_status_prefix_t *prefix);

/* writes a time, and the id of the report that a value is from */
void mdm_api_status_when(mdm_json_out_t *j, const char *name,
    const mdm_api_status_t *s);


#endif /* _MDM_API_STATUS_ROW_H_INCLUDED_ */
