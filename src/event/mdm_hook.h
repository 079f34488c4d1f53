
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Delivers events of one stream to one webhook, in their order.  Redis leases
 * the stream to whoever does so, so that one does at a time; see
 * src/lua/_outbox.lua.
 */


#ifndef _MDM_HOOK_H_INCLUDED_
#define _MDM_HOOK_H_INCLUDED_


#include "mdm_event_body.h"
#include "mdm_job.h"


/* how it ended */

typedef enum {
    MDM_HOOK_IDLE = 0,           /* there is nothing left */
    MDM_HOOK_MORE,               /* there may be more at once, unless "last" */
    MDM_HOOK_WAIT                /* in hook->wait ms */
} mdm_hook_e;


/* x->ctx of mdm_hook_step(), in the arena or outliving the exchange */

typedef struct {
    const mdm_webhook_t      *webhook;
    mdm_str_t                 tag;         /* of the stream, KEYS[1] */
    mdm_str_t                 runner;      /* names this run among all: neither
                                              blank nor control character */
    mdm_uint_t                force;       /* 1: also if the last attempt was
                                              a moment ago */
    mdm_uint_t                quiet;       /* 1: that it fails was said */

    mdm_hook_e                end;
    mdm_uint_t                wait;        /* ms */
    mdm_uint_t                held;        /* 1: another one is at it */
    mdm_uint_t                leased;      /* 1: Redis may go on holding the
                                              stream for this runner */
    mdm_uint_t                last;        /* 1: nothing was behind what it has
                                              got done */
    mdm_uint_t                delivered;   /* events */
    mdm_uint_t                failed;      /* attempts */
    mdm_uint_t                silent;      /* 1: to the last of them there was
                                              no answer at all */

    /* for who counts: an attempt that has ended, until he takes it away, and
       events */

    const mdm_http_t         *attempt;
    mdm_uint_t                dead;        /* that were put aside */
    mdm_uint_t                lost;        /* that were taken, with a result
                                              that is lost */
} mdm_hook_t;


/*
 * A step, with x->kind MDM_KIND_JOB and x->tenant set.  It delivers some events
 * and ends with 200; hook->end says what is to be done next, whatever has
 * happened.  When x->stop is set between two rounds, it ends soon.
 */
mdm_int_t mdm_hook_step(mdm_exchange_t *x);

/*
 * Makes call i the request that delivers a body.  What it is made of lives in
 * the arena or as long.  attempt: from 1.  NULL: no memory.
 */
mdm_http_t *mdm_hook_request(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_webhook_t *webhook, const mdm_str_t *body, mdm_uint_t attempt);

/*
 * The status that came, also where what came with it is too large to be looked
 * at; 0: there is no answer.
 */
mdm_uint_t mdm_hook_status(const mdm_http_t *http);

/*
 * What came of it: MDM_OK if it was taken, else MDM_DECLINED and why it was
 * not, in printable ASCII; MDM_ERROR.
 */
mdm_int_t mdm_hook_outcome(mdm_exchange_t *x, const mdm_http_t *http,
    mdm_str_t *why);


/*
 * Who gets events of x->tenant, as scripts are told: name and place, pairs of
 * arguments of the arena.  Where it is not known yet since when a webhook is
 * there, MDM_CALL: run the round, which is made for "state", and call this once
 * more.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_hook_consumers(mdm_exchange_t *x, mdm_int_t state,
    mdm_str_t **args, mdm_uint_t *n);

/* in the reply of a script: what is to be said of the stream of this tag */
void mdm_hook_say(mdm_exchange_t *x, const mdm_str_t *tag, int64_t length,
    int64_t limit, int64_t warn, const mdm_reply_t *left);

/* "partition" or name of a tag, behind the tenant's */
mdm_str_t mdm_hook_stream(const mdm_str_t *tag);


#endif /* _MDM_HOOK_H_INCLUDED_ */
