
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Profiles to enroll with, as steps of an exchange: who is given one, and what
 * it is made of.
 */


#ifndef _MDM_ENROLL_H_INCLUDED_
#define _MDM_ENROLL_H_INCLUDED_


#include "mdm_challenge.h"
#include "mdm_link.h"
#include "mdm_profile.h"


/* the step of MDM_KIND_ENROLL: finds the way by what the request has */
mdm_int_t mdm_enroll(mdm_exchange_t *x);

/* the ways, each a step */
mdm_int_t mdm_enroll_link(mdm_exchange_t *x);
mdm_int_t mdm_enroll_config(mdm_exchange_t *x);
mdm_int_t mdm_enroll_ade(mdm_exchange_t *x);
mdm_int_t mdm_enroll_ota(mdm_exchange_t *x);


/*
 * Is a link that was fetched good?  MDM_OK; MDM_DONE: it is
 * not, and the exchange is answered.
 */
mdm_int_t mdm_enroll_link_good(mdm_exchange_t *x, const mdm_link_fetch_t *f);


/* who is given a profile, and what for */

typedef struct {
    const mdm_enroll_block_t *block;
    mdm_challenge_t           c;           /* udid, serial, person, purpose,
                                              way, link and gives, which may be
                                              empty; the rest is filled in */
    mdm_str_t                 product;     /* for the event, or empty */
    int64_t                   ttl;         /* seconds that the challenge is
                                              good for at most; 0: as
                                              mdm_challenge_ttl says */
    X509                     *recipient;   /* see mdm_profile_t */
    mdm_uint_t                plain;       /* 1: it is not signed */
    mdm_str_t                 keys;        /* only a profile with this digest,
                                              see mdm_profile_keys(), is of any
                                              use; empty: any is */
    mdm_uint_t                quiet;       /* 1: where there can be none,
                                              "why" is set, and nothing
                                              answered */

    const char               *why;
    mdm_str_t                 profile;     /* XML or CMS */
    mdm_challenge_new_t       challenge;
    mdm_str_t                 topic;
} mdm_enroll_grant_t;


/*
 * A step that is entered, with a grant as x->ctx: makes a challenge, and the
 * profile, which is in the grant when the outer step is called again.  Where
 * there can be none it answers for all, unless it is to be quiet.
 */
mdm_int_t mdm_enroll_build(mdm_exchange_t *x);

/*
 * The same, and answers with it: returns what a step returns, and is the last
 * thing that a step does.
 */
mdm_int_t mdm_enroll_profile(mdm_exchange_t *x, mdm_enroll_grant_t *grant);

/*
 * No challenge could be made, for the reason that mdm_challenge_create() has
 * given: answers 503.
 */
mdm_int_t mdm_enroll_full(mdm_exchange_t *x, int64_t code);

/*
 * The topic of a block: its own, or that of the only push certificate of the
 * tenant.  "reply" is that of push_cert_get.lua.  MDM_OK; MDM_DECLINED: there
 * is none, *why says so; MDM_ERROR.
 */
mdm_int_t mdm_enroll_topic(mdm_exchange_t *x, const mdm_enroll_block_t *block,
    const mdm_reply_t *reply, mdm_str_t *topic, const char **why);

/* the digest of a profile of this block, see mdm_profile_keys() */
mdm_int_t mdm_enroll_keys(mdm_exchange_t *x, const mdm_enroll_block_t *block,
    const mdm_str_t *topic, mdm_str_t *keys);

/* answers with a profile that is there, 200; what a step returns */
mdm_int_t mdm_enroll_answer(mdm_exchange_t *x, const mdm_str_t *profile);

/* the block of this name, or NULL */
const mdm_enroll_block_t *mdm_enroll_block(const mdm_settings_t *settings,
    const mdm_str_t *name);

/* the same, if its CA serves the tenant of the exchange */
const mdm_enroll_block_t *mdm_enroll_block_of(const mdm_exchange_t *x,
    const mdm_str_t *name);


#endif /* _MDM_ENROLL_H_INCLUDED_ */
