
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Apple's push service (APNs) as far as it is text: what a push says, what an
 * answer means.  Who sends it is above.
 */


#ifndef _MDM_PUSH_H_INCLUDED_
#define _MDM_PUSH_H_INCLUDED_


#include "mdm_exchange.h"


/* bytes of an answer's body; APNs' have about 60 */
#define MDM_PUSH_BODY         4096

/* bytes of a reason: what is longer is none of APNs' */
#define MDM_PUSH_REASON       64


/* what to do after a push */

typedef enum {
    MDM_PUSH_VERDICT_TAKEN = 0,  /* APNs has it */
    MDM_PUSH_VERDICT_DEAD,       /* the token is not valid any more */
    MDM_PUSH_VERDICT_BAD_TOKEN,  /* it is none of this topic or gateway */
    MDM_PUSH_VERDICT_STOP,       /* none of the topic is taken any more */
    MDM_PUSH_VERDICT_SLOW,       /* too many to this token */
    MDM_PUSH_VERDICT_LATER,      /* APNs is in trouble */
    MDM_PUSH_VERDICT_RECONNECT,  /* the connection is of no use any more */
    MDM_PUSH_VERDICT_BUG,        /* the request was wrong: our fault */
    MDM_PUSH_VERDICT_AGAIN,      /* this push got lost */
    MDM_PUSH_VERDICT_WAIT        /* no push of the topic can be sent now */
} mdm_push_verdict_e;


/* what the body of an answer, or the data of a GOAWAY, says */

typedef struct {
    mdm_str_t                 reason;      /* letters, digits; empty: none */
    int64_t                   timestamp;   /* Unix milliseconds; 0: none */
} mdm_push_answer_t;


/*
 * The body of a push.  MDM_OK; MDM_DECLINED: the magic is not UTF-8, or too
 * long; MDM_ERROR.
 */
mdm_int_t mdm_push_payload(mdm_arena_t *arena, mdm_str_t *payload,
    const mdm_str_t *magic);

/* a new apns-id; MDM_OK or MDM_ERROR */
mdm_int_t mdm_push_id(mdm_arena_t *arena, mdm_str_t *id);

/* what is said of how long APNs keeps one that is sent now */
int64_t mdm_push_expiration(const mdm_exchange_t *x);

/*
 * Reads what came with an answer or a GOAWAY.  Whatever is no JSON of APNs'
 * says nothing: *answer is zeroed then.  MDM_OK, or MDM_ERROR: no memory.
 */
mdm_int_t mdm_push_answer(mdm_arena_t *arena, const mdm_str_t *body,
    mdm_push_answer_t *answer);

/* seconds of a Retry-After, 0: it is none; a day at most */
int64_t mdm_push_retry_after(const mdm_str_t *value);

/* of an answer */
mdm_push_verdict_e mdm_push_verdict(mdm_uint_t status,
    const mdm_str_t *reason);

/* of a GOAWAY's reason: MDM_PUSH_VERDICT_STOP or _RECONNECT */
mdm_push_verdict_e mdm_push_goaway(const mdm_str_t *reason);

/* of a push that has ended, by its outcome and what was answered */
mdm_push_verdict_e mdm_push_outcome(const mdm_push_t *push);

/*
 * What the API says of a push that was not taken, closed by NUL.  NULL: no
 * memory.
 */
const char *mdm_push_error(mdm_arena_t *arena, const mdm_push_t *push);


#endif /* _MDM_PUSH_H_INCLUDED_ */
