
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the calls about status share.
 */


#ifndef _MDM_API_STATUS_H_INCLUDED_
#define _MDM_API_STATUS_H_INCLUDED_


#include "mdm_api_json.h"


/* KMFDDM's paths begin with it, ours do not */
#define MDM_API_STATUS_ITEMS  ".StatusItems."


/* a value, or an error, as it is kept */

typedef struct {
    mdm_str_t                 place;       /* see mdm_ddm_report.h */
    mdm_str_t                 path;        /* of the place, */
    mdm_str_t                 identifier;  /* and the element's */
    mdm_uint_t                element;     /* 1: of an array of elements;
                                              without an identifier it is the
                                              array itself */
    mdm_str_t                 id;          /* of the report: microseconds */
    mdm_str_t                 seconds;     /* the same, in seconds */
    mdm_str_t                 json;
} mdm_api_status_t;


/* takes a place and what is kept there apart */
void mdm_api_status_split(mdm_api_status_t *s, const mdm_str_t *place,
    const mdm_str_t *kept);


struct mdm_api_status_list_s;

/*
 * The values of id i behind list->behind, in the order of their places; *n of
 * them.  NULL: no memory.
 */
mdm_api_status_t *mdm_api_status_sorted(mdm_exchange_t *x,
    const struct mdm_api_status_list_s *list, mdm_uint_t i, size_t *n);


#endif /* _MDM_API_STATUS_H_INCLUDED_ */
