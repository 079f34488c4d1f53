
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One-time challenges: whoever brings one is given a certificate.  Redis has
 * only the SHA-256 of it, and decides whose public key was first.
 *
 * What waits for Redis is a step that is entered, with its own type as x->ctx,
 * by mdm_exchange_enter(x, mdm_challenge_take, take, …); its results stand
 * there when the outer step is called again.
 */


#ifndef _MDM_CHALLENGE_H_INCLUDED_
#define _MDM_CHALLENGE_H_INCLUDED_


#include "mdm_binding.h"
#include "mdm_listed.h"


/* bytes of a challenge, and of its text: base64url */
#define MDM_CHALLENGE         32
#define MDM_CHALLENGE_TEXT    43

/* seconds, at most */
#define MDM_CHALLENGE_TTL_MAX (30 * 24 * 60 * 60)

/* of one with MDM_PURPOSE_OTA, and of the certificate that it gives */
#define MDM_CHALLENGE_OTA     3600

/* public keys that may take one */
#define MDM_CHALLENGE_USES    1000

/* what became of it */

#define MDM_CHALLENGE_TAKEN   0   /* taken now */
#define MDM_CHALLENGE_AGAIN   1   /* the same key had taken it */
#define MDM_CHALLENGE_UNKNOWN -1  /* there is none, or it has expired */
#define MDM_CHALLENGE_USED    -2  /* other keys have taken it */
#define MDM_CHALLENGE_LIMIT   -3  /* there are too many */
#define MDM_CHALLENGE_OFTEN   -4  /* so are there of this device */
#define MDM_CHALLENGE_AWAY    -5  /* where they are kept it failed */


/* a new one */

typedef struct {
    mdm_challenge_t           c;           /* id is filled in */
    mdm_uint_t                uses;
    int64_t                   ttl;         /* seconds */
    mdm_str_t                 product;     /* of the device, for the event of
                                              one with c.way */

    mdm_uint_t                quiet;       /* 1: a call that failed is
                                              MDM_CHALLENGE_AWAY, and does not
                                              end the exchange */

    int64_t                   code;        /* MDM_CHALLENGE_TAKEN: it is made;
                                              MDM_CHALLENGE_LIMIT,
                                              MDM_CHALLENGE_OFTEN or
                                              MDM_CHALLENGE_AWAY */
    mdm_str_t                 value;       /* the challenge */
    int64_t                   ends;        /* Unix seconds */

    mdm_str_t                 digest;
} mdm_challenge_new_t;

mdm_int_t mdm_challenge_create(mdm_exchange_t *x);


/* one is taken */

typedef struct {
    mdm_uint_t                look;        /* 1: nothing is taken, and what
                                              follows is how that would end */
    mdm_str_t                 value;       /* as it came */
    mdm_str_t                 spki;        /* SHA-256 of the public key, hex */

    /* what the certificate is to have, if it is taken now; else what it has */

    mdm_str_t                 sn;          /* serial number, hex */
    int64_t                   from;        /* Unix seconds */
    int64_t                   ends;
    mdm_str_t                 ca;          /* the name of the CA */

    int64_t                   code;        /* MDM_CHALLENGE_TAKEN … _USED */
    mdm_challenge_t           c;           /* with _USED: id and purpose alone;
                                              with _UNKNOWN: empty */
    mdm_str_t                 der;         /* with _AGAIN: the certificate, or
                                              empty: it is not stored yet */
    mdm_str_t                 key;         /* of the challenge in Redis */
} mdm_challenge_take_t;

mdm_int_t mdm_challenge_take(mdm_exchange_t *x);

/*
 * The same key gives it back, since its owner may not have the certificate;
 * x->ctx is that of the take.
 */
mdm_int_t mdm_challenge_back(mdm_exchange_t *x);


/* where they are listed, for mdm_listed_delete() */
extern const mdm_listed_kind_t  mdm_challenges_listed;


/*
 * A secret of MDM_CHALLENGE_TEXT bytes that nobody can guess, its SHA-256 as
 * hex, and an id to call it by, all owned by the arena.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_challenge_random(mdm_exchange_t *x, mdm_str_t *value,
    mdm_str_t *digest, mdm_str_t *id);

/* SHA-256 as hex, owned by the arena; MDM_OK or MDM_ERROR */
mdm_int_t mdm_challenge_sha256(mdm_arena_t *arena, const mdm_str_t *data,
    mdm_str_t *hex);


#endif /* _MDM_CHALLENGE_H_INCLUDED_ */
