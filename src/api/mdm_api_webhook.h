
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Calls of a script for each stream of a tenant.
 */


#ifndef _MDM_API_WEBHOOK_H_INCLUDED_
#define _MDM_API_WEBHOOK_H_INCLUDED_


#include "mdm_api_util.h"
#include "mdm_hook.h"
#include "mdm_hook_job.h"


typedef struct mdm_api_streams_s  mdm_api_streams_t;

struct mdm_api_streams_s {
    const mdm_script_t       *script;

    /* fills in the arguments of a call; MDM_OK or MDM_ERROR */
    mdm_int_t               (*fill)(mdm_exchange_t *x,
                                    mdm_api_streams_t *streams,
                                    mdm_str_t *args);

    /*
     * Looks at a reply.  MDM_OK; MDM_DECLINED: the stream is to be called once
     * more; MDM_ERROR.
     */
    mdm_int_t               (*reply)(mdm_exchange_t *x,
                                     mdm_api_streams_t *streams,
                                     const mdm_call_t *call);
    void                     *data;        /* the caller's */

    mdm_uint_t                next;        /* stream */
    mdm_uint_t                rounds;
    mdm_str_t                *tags;        /* of the round, and */
    mdm_uint_t                ntags;       /* of those to be called again */
};


/*
 * Makes calls for all streams of x->tenant, in rounds for "state", in which it
 * is to be called again with the replies.  MDM_CALL; MDM_OK: all are done;
 * MDM_DONE: Redis is away, and the answer is filled in; MDM_ERROR.
 */
mdm_int_t mdm_api_streams(mdm_exchange_t *x, mdm_api_streams_t *streams,
    mdm_int_t state);


#endif /* _MDM_API_WEBHOOK_H_INCLUDED_ */
