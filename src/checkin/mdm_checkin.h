
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The check-in messages, one step function each.  All expect that
 * mdm_message_read() has been run.
 */


#ifndef _MDM_CHECKIN_H_INCLUDED_
#define _MDM_CHECKIN_H_INCLUDED_


#include "mdm_message.h"


mdm_int_t mdm_checkin_authenticate(mdm_exchange_t *x);
mdm_int_t mdm_checkin_token_update(mdm_exchange_t *x);
mdm_int_t mdm_checkin_checkout(mdm_exchange_t *x);
mdm_int_t mdm_checkin_user_authenticate(mdm_exchange_t *x);
mdm_int_t mdm_checkin_set_bootstrap_token(mdm_exchange_t *x);
mdm_int_t mdm_checkin_get_bootstrap_token(mdm_exchange_t *x);
mdm_int_t mdm_checkin_get_token(mdm_exchange_t *x);
mdm_int_t mdm_checkin_return_to_service(mdm_exchange_t *x);
mdm_int_t mdm_checkin_declarative_management(mdm_exchange_t *x);


/* the beginning of an answer that is always the same */

#define MDM_CHECKIN_PLIST                                                     \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                            \
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "                 \
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"                   \
    "<plist version=\"1.0\">\n"


/* a value of a message that is kept in the enrollment hash */

typedef struct {
    const char               *key;         /* Apple's */
    mdm_str_t                 field;       /* of the enrollment hash */
    mdm_uint_t                data;        /* 1: data, 0: a string */
} mdm_checkin_field_t;


/*
 * The pin check alone, for messages that change nothing.  MDM_OK: the
 * certificate is the device's; else what the step is to return.
 */
mdm_int_t mdm_checkin_auth(mdm_exchange_t *x);

/* ends by the code in the reply of the first call: an empty 200, or refused */
mdm_int_t mdm_checkin_end(mdm_exchange_t *x);

/*
 * What is kept of a message in the enrollment hash, as field, value, field,
 * value …, by a table that a NULL key closes; *n counts both.  Values of
 * another type or longer than MDM_FIELD_MAX are left out.  MDM_OK or MDM_ERROR.
 */

#define MDM_FIELD_MAX         255     /* bytes */
#define MDM_FIELDS            32      /* entries that the arrays hold */

mdm_int_t mdm_checkin_fields(mdm_arena_t *arena, plist_t message,
    const mdm_checkin_field_t *field, mdm_str_t **pairs, mdm_uint_t *n);

/* the same of these two messages */
mdm_int_t mdm_checkin_fields_authenticate(mdm_arena_t *arena,
    plist_t message, mdm_str_t **pairs, mdm_uint_t *n);
mdm_int_t mdm_checkin_fields_token_update(mdm_arena_t *arena,
    plist_t message, mdm_str_t **pairs, mdm_uint_t *n);

/*
 * The same of an Authenticate with what its certificate brings (m->binding).
 * The first *given pairs, of *n names and values, are what the device is
 * assigned.  "renewal": 1: nothing but its certificate is another one.  MDM_OK
 * or MDM_ERROR.
 */
mdm_int_t mdm_checkin_authenticated(mdm_exchange_t *x, mdm_uint_t renewal,
    mdm_str_t **pairs, mdm_uint_t *n, mdm_uint_t *given);

/* Topic, Token and PushMagic are required: NULL, or the name of one missing */
const char *mdm_checkin_token_missing(plist_t message);


/* mdm_checkin_endpoint.c */
extern const mdm_endpoint_t  mdm_checkin_endpoints[];


#endif /* _MDM_CHECKIN_H_INCLUDED_ */
