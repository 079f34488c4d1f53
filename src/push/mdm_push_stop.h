
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A topic that APNs takes no push of is stopped for all hosts.
 */


#ifndef _MDM_PUSH_STOP_H_INCLUDED_
#define _MDM_PUSH_STOP_H_INCLUDED_


#include "mdm_exchange.h"


/* seconds between two pushes of a topic that is stopped, over all hosts */
#define MDM_PUSH_STOP_PROBE   300


/* x->ctx of the step, in the arena or outliving the exchange */

typedef struct {
    mdm_str_t                 topic;       /* as it is */
    mdm_str_t                 sha256;      /* the certificate, hex */
    mdm_uint_t                file;        /* 1: it comes from a file */
    mdm_str_t                 reason;      /* empty: it goes on */

    mdm_uint_t                news;        /* 1: nobody else had said it */
} mdm_push_stop_t;


/*
 * A step: says of a topic of x->tenant that it is stopped, or goes on.  200;
 * 503: Redis is away; 500: the script failed.
 */
mdm_int_t mdm_push_stop_step(mdm_exchange_t *x);

/* makes call i ask whether one push may be tried; MDM_OK or MDM_ERROR */
mdm_int_t mdm_push_probe_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_str_t *topic, const mdm_str_t *sha256, mdm_uint_t file);


#endif /* _MDM_PUSH_STOP_H_INCLUDED_ */
