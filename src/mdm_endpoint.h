
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The one table of endpoints: check-in messages, connect, the API.
 */


#ifndef _MDM_ENDPOINT_H_INCLUDED_
#define _MDM_ENDPOINT_H_INCLUDED_


#include "mdm_exchange.h"


struct mdm_endpoint_s {
    mdm_kind_e                kind;
    mdm_uint_t                methods;     /* MDM_GET | … */
    mdm_str_t                 name;        /* check-in: MessageType; API: the
                                              path, "*" for one segment */
    mdm_step_pt               step;
    mdm_uint_t                secret;      /* 1: answers a secret, so a
                                              signature alone is refused */
    mdm_uint_t                acts;        /* 1: a GET does something, too */
};


/*
 * Finds the endpoint of an exchange whose request is filled in, and sets
 * x->endpoint and x->step.  What does not fit gets a step that answers
 * the error (404, 405 with Allow, 400): always leaves a step to run.
 */
void mdm_endpoint_find(mdm_exchange_t *x);

/*
 * 1 if GET (and HEAD) of this path of the API does nothing but read, or there
 * is no such call; 0 if it does something.
 */
mdm_uint_t mdm_endpoint_get_is_safe(const mdm_str_t *path);

/* the table, for the documentation's test; closed by a NULL step */
extern const mdm_endpoint_t  mdm_endpoints[];


/* 1 if this Content-Type is a check-in's, 0: a connect's (trap 15) */
mdm_uint_t mdm_endpoint_is_checkin(const mdm_str_t *content_type);


#endif /* _MDM_ENDPOINT_H_INCLUDED_ */
