
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Profiles for enrolling: built, encrypted, signed.
 */


#ifndef _MDM_PROFILE_H_INCLUDED_
#define _MDM_PROFILE_H_INCLUDED_


#include "mdm_enroll_block.h"
#include "mdm_plist.h"


/* as the Content-Type of a profile, signed or not */
#define MDM_PROFILE_TYPE      "application/x-apple-aspen-config"

/* bytes of a UUID */
#define MDM_PROFILE_UUID      36


/* what is in a profile beside what its block says */

typedef struct {
    const mdm_enroll_block_t *block;
    mdm_str_t                 tenant;
    mdm_str_t                 topic;       /* of pushes; of the block, or the
                                              tenant's */
    mdm_str_t                 challenge;
    X509                     *recipient;   /* whom the payloads are encrypted
                                              to; NULL: they are not.  One whose
                                              key is not RSA counts as NULL */
    mdm_uint_t                plain;       /* 1: it is not signed */
} mdm_profile_t;


/*
 * Writes all of the block's enrolment profile that is the same for everybody,
 * once all else of the block is there; block->form is owned by the arena.  Only
 * how fast mdm_profile_enrollment() is depends on it.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_profile_prepare(mdm_arena_t *arena, mdm_enroll_block_t *block);

/*
 * The enrolment profile: the MDM payload, an identity that is a new one each
 * time, and the certificates to be trusted; else it is the same each time.
 * XML.  MDM_OK: *xml is owned by the arena; MDM_ERROR.
 */
mdm_int_t mdm_profile_enrollment(mdm_arena_t *arena, const mdm_profile_t *p,
    mdm_str_t *xml);

/*
 * The same with the roots of trust_certificate alone, for a device that is to
 * trust the server before it enrolls.
 */
mdm_int_t mdm_profile_trust(mdm_arena_t *arena, const mdm_profile_t *p,
    mdm_str_t *xml);

/*
 * Signs with the block's certificate: CMS SignedData, DER, with the content and
 * the chain inside.  Takes a signature: work.  MDM_OK: *der is owned by the
 * arena; MDM_ERROR.
 */
mdm_int_t mdm_profile_sign(mdm_arena_t *arena, const mdm_enroll_block_t *block,
    const mdm_str_t *xml, mdm_str_t *der);

/* builds the enrolment profile and signs it, if it is to be; the same */
mdm_int_t mdm_profile_make(mdm_arena_t *arena, const mdm_profile_t *p,
    mdm_str_t *out);


/* for those who make parts of it */

/*
 * The profile by block->form.  MDM_OK: *xml is owned by the arena;
 * MDM_DECLINED: there is no form, or a value that it does not take; MDM_ERROR.
 */
mdm_int_t mdm_profile_fill(mdm_arena_t *arena, const mdm_profile_t *p,
    mdm_str_t *xml);

/*
 * The profile as a plist, which is the caller's, not encrypted, and the UUID of
 * its identity.  NULL: failed.
 */
plist_t mdm_profile_tree(mdm_arena_t *arena, const mdm_profile_t *p,
    mdm_str_t *identity);

/* what a certificate's payload is called; MDM_OK or MDM_ERROR */
mdm_int_t mdm_profile_trusted(mdm_arena_t *arena,
    const mdm_enroll_trust_t *trust, mdm_str_t *what);


/* for profiles of other kinds; a plist that is returned is the caller's */

/*
 * A profile, or a payload, with all that each must have.  "what" tells it from
 * others of the block: its identifier is that of the block with ".what" behind
 * it (the same, where it is empty), its UUID follows from tenant, block and
 * "what", or is a new one.  NULL: failed.
 */
plist_t mdm_profile_payload(mdm_arena_t *arena, const mdm_profile_t *p,
    const char *type, const char *what, mdm_uint_t fresh,
    const mdm_str_t *name);

/* the payload com.apple.security.scep with the challenge; its UUID is new */
plist_t mdm_profile_scep(mdm_arena_t *arena, const mdm_profile_t *p);

/* puts it behind the payloads of a profile, whose it is from then on */
void mdm_profile_add(plist_t profile, plist_t payload);

/* the UUID that follows from tenant, block and "what"; MDM_OK or MDM_ERROR */
mdm_int_t mdm_profile_uuid(mdm_arena_t *arena, const mdm_profile_t *p,
    const char *what, mdm_str_t *uuid);

/*
 * A digest of what a device does not let a renewed profile change: its topic,
 * its URLs, whether users have channels.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_profile_keys(mdm_arena_t *arena, const mdm_profile_t *p,
    mdm_str_t *hex);

/* sets a text, which is copied, where it is not empty; MDM_OK or MDM_ERROR */
mdm_int_t mdm_profile_string(mdm_arena_t *arena, plist_t dict,
    const char *key, const mdm_str_t *value);

/* the same at the end of an array, "" as well */
mdm_int_t mdm_profile_append(mdm_arena_t *arena, plist_t array,
    const mdm_str_t *value);

/*
 * Encrypts the payloads of a profile to p->recipient, if there is one.  MDM_OK
 * or MDM_ERROR.
 */
mdm_int_t mdm_profile_encrypt(mdm_arena_t *arena, const mdm_profile_t *p,
    plist_t profile);

/*
 * CAFingerprint: SHA-1 of the last certificate that GetCACert answers for this
 * CA.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_profile_fingerprint(mdm_arena_t *arena, const mdm_ca_t *ca,
    mdm_str_t *digest);


#endif /* _MDM_PROFILE_H_INCLUDED_ */
