
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Secrets of an exchange: sealed on their way to Redis, opened on their way
 * back.  A value that was kept under an older key, or plain although there is a
 * key, is written back under the newest key, by one more round of calls after
 * the step has filled in the response.  The response does not depend on how
 * these calls end.
 */


#ifndef _MDM_EXCHANGE_SECRET_H_INCLUDED_
#define _MDM_EXCHANGE_SECRET_H_INCLUDED_


#include "mdm_exchange.h"
#include "mdm_secret.h"


/* values that one exchange writes back, and bytes of them, at most */

#define MDM_REWRITES          32
#define MDM_REWRITE_BYTES     ((size_t) 1024 * 1024)


/* where a secret stands; see docs/keyspace.md */

typedef struct {
    mdm_str_t                 tag;         /* "mdm:{tenant/p}" */
    const char               *kind;        /* ":u:" … */
    mdm_str_t                 id;          /* key form */
    mdm_str_t                 uuid;        /* of a result, or empty */
    const char               *field;
    mdm_str_t                 form;        /* what else binds the value */
} mdm_secret_where_t;


/* these fill in "where" */

void mdm_where_token(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id, const char *field);
void mdm_where_command(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *uuid);
void mdm_where_result(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id, const mdm_str_t *uuid, mdm_uint_t compressed);
void mdm_where_status(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id, const char *digest, mdm_uint_t compressed);
void mdm_where_push(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *topic);
/* bindings of a challenge, "mdm:{tenant/chal:…}"; of one in the list, by its
   id, "mdm:{tenant/ca}"; of a certificate, "mdm:{tenant/cert:…}" */
void mdm_where_challenge(mdm_secret_where_t *where, const mdm_str_t *tag);
void mdm_where_challenge_listed(mdm_secret_where_t *where,
    const mdm_str_t *tag, const mdm_str_t *id);
void mdm_where_certificate(mdm_secret_where_t *where, const mdm_str_t *tag);
/* bindings of a link, "mdm:{tenant/link:…}"; of one in the list, by its id,
   "mdm:{tenant/prof}" */
void mdm_where_link(mdm_secret_where_t *where, const mdm_str_t *tag);
void mdm_where_link_listed(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id);

void mdm_where_event(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id);

/* the key and the field that the value is bound to; MDM_OK or MDM_ERROR */
mdm_int_t mdm_where_place(mdm_arena_t *arena, const mdm_secret_where_t *where,
    mdm_secret_place_t *place);


/*
 * Seals a value under the keys, in place; NULL: there are none.  For work, with
 * keys of its own.  "names", if not NULL, is for a script that compares.
 * MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_where_seal(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_secret_where_t *where, mdm_str_t *value, mdm_str_t *names);

/*
 * Seals a value, in place.  "names", if not NULL, is for a script that
 * compares.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_exchange_seal(mdm_exchange_t *x, mdm_arena_t *arena,
    const mdm_secret_where_t *where, mdm_str_t *value, mdm_str_t *names);

/*
 * Opens what a script answered, in place.  MDM_OK; MDM_DONE: it cannot be
 * opened, the response (503 to a device, 500 to an administrator) is filled
 * in; MDM_ERROR.
 *
 * With store->encryption_required a plain value is not trusted.  A token is
 * then empty, as if it were absent, with an alert in the log.  For a command to
 * a device the result is MDM_DECLINED, and the caller drops it.  A read by an
 * administrator is refused with 500, MDM_DONE.
 */
mdm_int_t mdm_exchange_open(mdm_exchange_t *x,
    const mdm_secret_where_t *where, mdm_str_t *value);

/*
 * Fills in call i, which replaces the plain value "kept", as a script answered
 * it, by the sealed one, so that the script can be called again and compare.
 * The reply is {1}, or {0} if the value was changed meanwhile.  There must be
 * keys.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_exchange_swap(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_secret_where_t *where, const mdm_str_t *kept);

#endif /* _MDM_EXCHANGE_SECRET_H_INCLUDED_ */
