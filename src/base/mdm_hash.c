
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * SipHash-2-4.
 */


#include <openssl/rand.h>

#include "mdm_hash.h"


static void mdm_hash_round(uint64_t *v);


#define mdm_hash_left(n, bits)  ((n) << (bits) | (n) >> (64 - (bits)))


mdm_int_t
mdm_hash_key(mdm_hash_key_t *key)
{
    return (RAND_bytes((u_char *) key, sizeof(mdm_hash_key_t)) == 1)
           ? MDM_OK : MDM_ERROR;
}


uint64_t
mdm_hash(const mdm_hash_key_t *key, const mdm_str_t *s)
{
    size_t    i, n;
    uint64_t  v[4], word;

    v[0] = key->k0 ^ 0x736f6d6570736575;
    v[1] = key->k1 ^ 0x646f72616e646f6d;
    v[2] = key->k0 ^ 0x6c7967656e657261;
    v[3] = key->k1 ^ 0x7465646279746573;

    word = 0;

    for (i = 0; i < s->len; i++) {
        n = i % 8;
        word |= (uint64_t) s->data[i] << (8 * n);

        if (n == 7) {
            v[3] ^= word;
            mdm_hash_round(v);
            mdm_hash_round(v);
            v[0] ^= word;
            word = 0;
        }
    }

    word |= (uint64_t) s->len << 56;

    v[3] ^= word;
    mdm_hash_round(v);
    mdm_hash_round(v);
    v[0] ^= word;

    v[2] ^= 0xff;

    for (i = 0; i < 4; i++) {
        mdm_hash_round(v);
    }

    return v[0] ^ v[1] ^ v[2] ^ v[3];
}


static void
mdm_hash_round(uint64_t *v)
{
    v[0] += v[1];
    v[1] = mdm_hash_left(v[1], 13) ^ v[0];
    v[0] = mdm_hash_left(v[0], 32);

    v[2] += v[3];
    v[3] = mdm_hash_left(v[3], 16) ^ v[2];

    v[0] += v[3];
    v[3] = mdm_hash_left(v[3], 21) ^ v[0];

    v[2] += v[1];
    v[1] = mdm_hash_left(v[1], 17) ^ v[2];
    v[2] = mdm_hash_left(v[2], 32);
}
