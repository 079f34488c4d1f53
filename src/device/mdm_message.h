
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What all messages of a device share: the plist, who speaks, the refusals,
 * and the first pin of a migrated device.
 */


#ifndef _MDM_MESSAGE_H_INCLUDED_
#define _MDM_MESSAGE_H_INCLUDED_


#include "mdm_enrollment.h"
#include "mdm_exchange.h"
#include "mdm_pin.h"


/* codes of the scripts, first element of their replies */

#define  MDM_CODE_NONE         0     /* done; of a poll: no command */
#define  MDM_CODE_COMMAND      1
#define  MDM_CODE_RENEWAL      2     /* a command that is made now */
#define  MDM_CODE_UNKNOWN     -1     /* there is no such device */
#define  MDM_CODE_MISMATCH    -2     /* another certificate is pinned */
#define  MDM_CODE_UNPINNED    -3     /* none is pinned */
#define  MDM_CODE_LOST        -5     /* a command without its body */
#define  MDM_CODE_CHANGED     -6     /* the pin changed meanwhile */
#define  MDM_CODE_USERS       -7     /* too many user channels */
#define  MDM_CODE_NEXT         -8    /* a renewal brought this certificate */
#define  MDM_CODE_PLAIN       -20    /* a plain value is kept: seal it */


/* bytes of mdm_message_t.nonce, which are random: no two messages share them */

#define MDM_MESSAGE_NONCE     8


/* x->ctx of every device exchange */

typedef struct {
    plist_t                   plist;       /* NULL: a report of connect */
    mdm_enrollment_t          en;
    mdm_str_t                 nonce;       /* names this very message */

    mdm_uint_t                pinned;      /* 1: a pin was tried */
    mdm_uint_t                renewed;     /* 1: a renewal was carried out */
    mdm_str_t                 claim;       /* key of the certificate */
    mdm_binding_t             binding;     /* what the ledger has of it */
    mdm_uint_t                claimed;     /* 1: this request has claimed it */
    mdm_uint_t                tries;
    mdm_pin_t                 pin;         /* what was pinned when we looked */

    void                     *data;        /* the step's own */
} mdm_message_t;


/*
 * Makes x->ctx for a message of a device.  MDM_OK; MDM_DECLINED: there is no
 * certificate, the response is filled in; MDM_ERROR: no memory.
 */
mdm_int_t mdm_message_create(mdm_exchange_t *x);

/*
 * A check-in: reads x->body and resolves who speaks; x->ctx and
 * x->enrollment_id are set.  MDM_OK; MDM_DECLINED: the response (400, 403)
 * is filled in; MDM_ERROR: no memory.
 */
mdm_int_t mdm_message_read(mdm_exchange_t *x);

/* makes m->nonce if it is not made yet: a repeated call has the same one */
mdm_int_t mdm_message_nonce(mdm_exchange_t *x, mdm_message_t *m);

/*
 * Starts a round of one call on the device's partition, as most messages
 * need it: id, device and certificate come first, or behind those that are
 * for events; the caller fills in what follows.  "more" as that of
 * mdm_exchange_call().  Returns the args, or NULL: no memory.
 */
mdm_str_t *mdm_message_call(mdm_exchange_t *x, const mdm_script_t *script,
    mdm_uint_t more, mdm_int_t state);

/* the same as call i of a round that was started, of several calls */
mdm_str_t *mdm_message_args(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_script_t *script, mdm_uint_t more);

/*
 * Fills in call i: a script on the certificate's own key, with the device as
 * ARGV.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_message_claim_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_script_t *script);

/*
 * Answers a script's code that is not MDM_CODE_NONE: 403 for a device that is
 * not enrolled or comes with another certificate; an unpinned device's
 * certificate is claimed and pinned if the policy allows, one of a renewal
 * takes the place of the one before, and the step starts again.  Returns what a
 * step returns.
 */
mdm_int_t mdm_message_refused(mdm_exchange_t *x, int64_t code);

/*
 * Fills in call i: authenticate_check.lua on the device, whose reply is for
 * mdm_pin_read().  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_message_look_call(mdm_exchange_t *x, mdm_uint_t i);

/*
 * 403, since mdm_binding_refuses() says so: a log line, and a round of one call
 * that writes the event, behind which the step is called in "state".  "why" has
 * the life of the program.  What a step returns.
 */
mdm_int_t mdm_message_unbound(mdm_exchange_t *x, const char *why,
    mdm_int_t state);

/*
 * Fills in call i: the certificate with this digest, which was pinned, is
 * replaced.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_message_replaced_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_str_t *digest);

/*
 * Takes back a claim that this request made and did not use, before it is
 * answered with the response that is filled in.  Returns what a step returns;
 * the step is called again in "state", to end with MDM_DONE.
 */
mdm_int_t mdm_message_unclaim(mdm_exchange_t *x, mdm_int_t state);

/*
 * The message for the event in the outbox, sealed; empty if the setting
 * "event_payload" is off and no webhook gets it with that event.  "id" is the
 * enrollment that the event is about, "topic" its bit (mdm_topic.h); 0: it is
 * one that webhooks get without a message.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_message_payload(mdm_exchange_t *x, const mdm_str_t *tag,
    const mdm_str_t *id, uint64_t topic, mdm_str_t *dst);

/* a setting as a script's argument */
mdm_int_t mdm_message_number(mdm_exchange_t *x, mdm_str_t *dst,
    mdm_uint_t n);


#endif /* _MDM_MESSAGE_H_INCLUDED_ */
