
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Secrets at rest: AES-256-GCM under a key of the operator's.  What is kept
 * in Redis is
 *
 *     EE 'M' 'K'  version  key id     nonce     ciphertext  tag
 *     3 bytes     1        8          12        as long     16
 *                                               as the value
 *
 * The key's id and three subkeys are derived from the key file by HKDF.  The
 * nonce is made from the value and its place by HMAC: equal values in one
 * place are equal ciphertexts, so that a script sees a repetition, and the
 * first 24 bytes name the value.  The place (Redis key and field) is
 * authenticated: a ciphertext opens nowhere else.
 *
 * A value that begins with the three bytes by chance and is kept without a
 * key gets them put in front once more, with version 0.
 */


#ifndef _MDM_SECRET_H_INCLUDED_
#define _MDM_SECRET_H_INCLUDED_


#include <openssl/evp.h>

#include "mdm_base.h"


#define MDM_SECRET_KEYS       8       /* at most, of one store */

#define MDM_SECRET_RAW        32      /* bytes of a key */
#define MDM_SECRET_FILE       256     /* bytes of a key file at most */
#define MDM_SECRET_HEAD       4       /* magic and version */
#define MDM_SECRET_ID         8
#define MDM_SECRET_NONCE      12
#define MDM_SECRET_TAG        16
#define MDM_SECRET_CHECK      16

#define MDM_SECRET_NAME       (MDM_SECRET_HEAD + MDM_SECRET_ID                \
                               + MDM_SECRET_NONCE)
#define MDM_SECRET_OVERHEAD   (MDM_SECRET_NAME + MDM_SECRET_TAG)


typedef struct {
    u_char                    id[MDM_SECRET_ID];
    u_char                    check[MDM_SECRET_CHECK];
    EVP_CIPHER_CTX           *seal;        /* keyed, without a nonce */
    EVP_CIPHER_CTX           *open;
    EVP_MAC_CTX              *nonce;       /* keyed, to be copied */
} mdm_secret_key_t;


/* newest first; values are sealed with the first one */

typedef struct {
    mdm_uint_t                n;
    mdm_secret_key_t          keys[MDM_SECRET_KEYS];
} mdm_secret_keys_t;


/* where a value stands */

typedef struct {
    mdm_str_t                 key;         /* of Redis, in full */
    mdm_str_t                 field;
} mdm_secret_place_t;


/* what a value was kept under: the index of a key, or one of these */

#define MDM_SECRET_PLAIN      -1
#define MDM_SECRET_EMPTY      -2      /* there is none */


/*
 * The key that a key file holds: 32 bytes, or 64 hex digits or the base64 of
 * 32 bytes on one line.  MDM_DECLINED: *why says what is wrong.
 */
mdm_int_t mdm_secret_key_read(u_char *raw, const mdm_str_t *file,
    const char **why);

/*
 * Adds a key behind the others.  MDM_DECLINED: it is there already, or there
 * are MDM_SECRET_KEYS; MDM_ERROR.
 */
mdm_int_t mdm_secret_key_add(mdm_secret_keys_t *keys, const u_char *raw);

/*
 * Keys with this one only; *keys is the arena's.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_secret_keys_create(mdm_arena_t *arena, const u_char *raw,
    const mdm_secret_keys_t **keys);

/*
 * The same keys with contexts of their own, for a thread: what they came from
 * is in use elsewhere meanwhile (but not during this call).  *copy is the
 * arena's; NULL where "keys" is.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_secret_keys_copy(mdm_arena_t *arena,
    const mdm_secret_keys_t *keys, const mdm_secret_keys_t **copy);

/* frees them, and wipes what they hold */
void mdm_secret_keys_clear(mdm_secret_keys_t *keys);

/*
 * The value as it is kept: under the first key, or plain where "keys" is
 * NULL.  An empty one stays empty.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_secret_seal(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_secret_place_t *place, const mdm_str_t *value, mdm_str_t *kept);

/*
 * The value itself; *under says what it was kept under.  MDM_DECLINED: *why
 * says why it cannot be opened; MDM_ERROR.
 */
mdm_int_t mdm_secret_open(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_secret_place_t *place, const mdm_str_t *kept, mdm_str_t *value,
    mdm_int_t *under, mdm_str_t *why);

/*
 * Lets a script find out that the same value is kept under an older key: the
 * MDM_SECRET_NAME bytes that it would begin with, under each key.  They do not
 * tell whether a plain value is the same: whatever did must not be given to
 * Redis, so a script leaves that to its caller.  Empty where "keys" is NULL:
 * then only equal bytes are the same value.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_secret_names(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_secret_place_t *place, const mdm_str_t *value,
    mdm_str_t *names);

/*
 * Names of a value that scripts find by a digest: under each key, the newest
 * first, "len" bytes, at most 32, in hex, without a separator.  "place" must
 * not be one that a value is sealed for.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_secret_digests(mdm_arena_t *arena,
    const mdm_secret_keys_t *keys, const mdm_secret_place_t *place,
    const mdm_str_t *value, size_t len, mdm_str_t *digests);

/*
 * a name of that kind which is of no value: 32 digits and a NUL; MDM_OK or
 * MDM_ERROR
 */
mdm_int_t mdm_secret_random(mdm_arena_t *arena, mdm_str_t *digest);

/* what a value is kept under, without opening it: 1 and its id, or 0: plain */
mdm_uint_t mdm_secret_sealed(const mdm_str_t *kept, u_char *id);


/*
 * The cipher: one message, "tag" is written or checked, "src" and "dst" may
 * be the same.  Pieces of "aad" follow each other.  MDM_DECLINED: the tag is
 * another one; MDM_ERROR.
 */
mdm_int_t mdm_secret_gcm(EVP_CIPHER_CTX *ctx, const u_char *nonce,
    const mdm_str_t *aad, mdm_uint_t naad, const mdm_str_t *src, u_char *dst,
    u_char *tag);

/* a context of it for one key and direction (1: seal), or NULL */
EVP_CIPHER_CTX *mdm_secret_gcm_create(const u_char *raw, mdm_uint_t seal);


#endif /* _MDM_SECRET_H_INCLUDED_ */
