
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Messages that change nothing, such as Idle: they are in no stream, so that a
 * poll writes nothing.  A webhook that wants them gets them out of the memory
 * of the worker, once.
 */


#ifndef _MDM_HOOK_ONCE_H_INCLUDED_
#define _MDM_HOOK_ONCE_H_INCLUDED_


#include "mdm_hook.h"


/* x->ctx of mdm_hook_once_step(), in the arena or outliving the exchange */

typedef struct {
    const mdm_webhook_t      *webhook;
    mdm_str_t                 name;        /* its topic */
    mdm_str_t                 body;        /* the message */
    mdm_str_t                 params;      /* the query */
    int64_t                   ms;          /* Unix time */

    const mdm_http_t         *attempt;     /* once it has ended, for who
                                              counts; NULL: none was made */
} mdm_hook_once_t;


/*
 * The topic of the message that an exchange has carried out; 0: it is none of
 * these.  *name has the life of the program.
 */
uint64_t mdm_hook_once_topic(const mdm_exchange_t *x, mdm_str_t *name);

/*
 * A step, with x->kind MDM_KIND_JOB and x->tenant set: sends the message.  It
 * ends with 200, or with 502 if it was not taken: x->error says why.
 */
mdm_int_t mdm_hook_once_step(mdm_exchange_t *x);


#endif /* _MDM_HOOK_ONCE_H_INCLUDED_ */
