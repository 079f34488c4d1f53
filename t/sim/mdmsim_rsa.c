
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * RSA keys of devices.  Making one takes a tenth of a second, so thousands
 * are made of few primes: device N has the N-th pair, and 5,000 keys need 101
 * primes.  All moduli differ, but they share factors, so whoever has two of
 * them may have the keys: for tests only, as all that the simulator makes.
 * A prime follows from the seed, the generation and its index.
 */


#include "mdmsim_ca.h"
#include "mdmsim_rsa.h"
#include "mdmsim_signal.h"
#include "mdmsim_thread.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/param_build.h>


#define SIM_RSA_E      65537
#define SIM_RSA_BYTES  256           /* of the largest prime */


typedef struct {
    uint32_t                  generation;
    uint32_t                  index;
    BIGNUM                   *prime;
} sim_prime_t;


struct sim_rsa_s {
    uint64_t                  seed;
    uint32_t                  bits;
    int                       quiet;
    sim_prime_t              *primes;      /* in order, after it was made */
    uint32_t                  nprimes;
    uint32_t                  size;
    atomic_uint               next;
};


static void sim_rsa_pair(uint32_t number, uint32_t *i, uint32_t *j);
static void sim_rsa_add(sim_rsa_t *rsa, uint32_t generation, uint32_t index);
static int sim_rsa_compare(const void *a, const void *b);
static void sim_rsa_work(void *data);
static BIGNUM *sim_rsa_prime(const sim_rsa_t *rsa, const sim_prime_t *p);
static const BIGNUM *sim_rsa_find(const sim_rsa_t *rsa, uint32_t generation,
    uint32_t index);
static EVP_PKEY *sim_rsa_key(const BIGNUM *p, const BIGNUM *q);


sim_rsa_t *
sim_rsa_create(uint64_t seed, uint32_t bits)
{
    sim_rsa_t  *rsa;

    rsa = sim_alloc(sizeof(sim_rsa_t));
    rsa->seed = seed;
    rsa->bits = bits;

    return rsa;
}


void
sim_rsa_free(sim_rsa_t *rsa)
{
    uint32_t  i;

    if (rsa == NULL) {
        return;
    }

    for (i = 0; i < rsa->nprimes; i++) {
        BN_clear_free(rsa->primes[i].prime);
    }

    free(rsa->primes);
    free(rsa);
}


/* the pairs in order: 0 1, 0 2, 1 2, 0 3, ... */

static void
sim_rsa_pair(uint32_t number, uint32_t *i, uint32_t *j)
{
    uint64_t  n;

    n = (uint64_t) ((1 + sqrt(1 + 8.0 * number)) / 2);

    while (n * (n - 1) / 2 > number) {
        n--;
    }

    while (n * (n + 1) / 2 <= number) {
        n++;
    }

    *j = (uint32_t) n;
    *i = (uint32_t) (number - n * (n - 1) / 2);
}


static void
sim_rsa_add(sim_rsa_t *rsa, uint32_t generation, uint32_t index)
{
    sim_prime_t  *p;

    if (rsa->nprimes == rsa->size) {
        rsa->size = rsa->size * 2 + 64;
        rsa->primes = sim_realloc(rsa->primes,
                                  rsa->size * sizeof(sim_prime_t));
    }

    p = &rsa->primes[rsa->nprimes++];
    p->generation = generation;
    p->index = index;
    p->prime = NULL;
}


void
sim_rsa_want(sim_rsa_t *rsa, uint32_t generation, uint32_t number)
{
    uint32_t  i, j;

    sim_rsa_pair(number, &i, &j);
    sim_rsa_add(rsa, generation, i);
    sim_rsa_add(rsa, generation, j);
}


static int
sim_rsa_compare(const void *a, const void *b)
{
    const sim_prime_t  *one, *two;

    one = a;
    two = b;

    if (one->generation != two->generation) {
        return one->generation < two->generation ? -1 : 1;
    }

    return one->index < two->index ? -1 : one->index > two->index;
}


void
sim_rsa_make(sim_rsa_t *rsa, int quiet)
{
    uint32_t  i, n;

    if (rsa->nprimes == 0) {
        return;
    }

    qsort(rsa->primes, rsa->nprimes, sizeof(sim_prime_t), sim_rsa_compare);

    for (i = 1, n = 1; i < rsa->nprimes; i++) {
        if (sim_rsa_compare(&rsa->primes[i], &rsa->primes[n - 1]) != 0) {
            rsa->primes[n++] = rsa->primes[i];
        }
    }

    rsa->nprimes = n;
    rsa->quiet = quiet;
    atomic_store(&rsa->next, 0);
    sim_threads(sim_processors(), sim_rsa_work, rsa);
}


static void
sim_rsa_work(void *data)
{
    uint32_t    i;
    sim_rsa_t  *rsa;

    rsa = data;

    while (!sim_stopped()) {
        i = atomic_fetch_add(&rsa->next, 1);
        if (i >= rsa->nprimes) {
            break;
        }

        rsa->primes[i].prime = sim_rsa_prime(rsa, &rsa->primes[i]);

        if (i % 64 == 63 && !rsa->quiet) {
            fprintf(stderr, "mdmsim: %u of %u primes\n", (unsigned) i + 1,
                    (unsigned) rsa->nprimes);
        }
    }
}


/* the first one from a number on, with its two highest bits set */

static BIGNUM *
sim_rsa_prime(const sim_rsa_t *rsa, const sim_prime_t *p)
{
    size_t     len;
    BIGNUM    *n;
    BN_CTX    *ctx;
    uint8_t    start[SIM_RSA_BYTES];
    uint64_t   hash;

    hash = sim_hash(sim_hash(rsa->seed, rsa->bits, p->generation), p->index,
                    12000);
    len = rsa->bits / 16;

    sim_fill(hash, start, len);
    start[0] |= 0xc0;
    start[len - 1] |= 1;

    ctx = BN_CTX_new();
    n = BN_bin2bn(start, (int) len, NULL);

    if (ctx == NULL || n == NULL) {
        sim_ssl_die("cannot make a prime");
    }

    while (BN_mod_word(n, SIM_RSA_E) == 1
           || BN_check_prime(n, ctx, NULL) != 1)
    {
        if (BN_add_word(n, 2) != 1) {
            sim_ssl_die("cannot make a prime");
        }
    }

    BN_CTX_free(ctx);

    return n;
}


static const BIGNUM *
sim_rsa_find(const sim_rsa_t *rsa, uint32_t generation, uint32_t index)
{
    sim_prime_t         key;
    const sim_prime_t  *p;

    key.generation = generation;
    key.index = index;

    p = bsearch(&key, rsa->primes, rsa->nprimes, sizeof(sim_prime_t),
                sim_rsa_compare);

    return p == NULL ? NULL : p->prime;
}


EVP_PKEY *
sim_rsa_get(const sim_rsa_t *rsa, uint32_t generation, uint32_t number)
{
    uint32_t       i, j;
    const BIGNUM  *p, *q;

    sim_rsa_pair(number, &i, &j);
    p = sim_rsa_find(rsa, generation, i);
    q = sim_rsa_find(rsa, generation, j);

    return p == NULL || q == NULL ? NULL : sim_rsa_key(p, q);
}


static EVP_PKEY *
sim_rsa_key(const BIGNUM *p, const BIGNUM *q)
{
    BIGNUM          *n, *e, *d, *p1, *q1, *phi, *dp, *dq, *qi;
    BN_CTX          *ctx;
    EVP_PKEY        *key;
    OSSL_PARAM      *params;
    EVP_PKEY_CTX    *pctx;
    OSSL_PARAM_BLD  *bld;

    key = NULL;
    params = NULL;
    ctx = BN_CTX_secure_new();
    pctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    bld = OSSL_PARAM_BLD_new();

    if (ctx == NULL || pctx == NULL || bld == NULL) {
        sim_ssl_die("cannot make a key");
    }

    BN_CTX_start(ctx);
    n = BN_CTX_get(ctx);
    e = BN_CTX_get(ctx);
    d = BN_CTX_get(ctx);
    p1 = BN_CTX_get(ctx);
    q1 = BN_CTX_get(ctx);
    phi = BN_CTX_get(ctx);
    dp = BN_CTX_get(ctx);
    dq = BN_CTX_get(ctx);
    qi = BN_CTX_get(ctx);

    if (qi == NULL
        || BN_mul(n, p, q, ctx) != 1
        || BN_set_word(e, SIM_RSA_E) != 1
        || BN_sub(p1, p, BN_value_one()) != 1
        || BN_sub(q1, q, BN_value_one()) != 1
        || BN_mul(phi, p1, q1, ctx) != 1
        || BN_mod_inverse(d, e, phi, ctx) == NULL
        || BN_mod(dp, d, p1, ctx) != 1
        || BN_mod(dq, d, q1, ctx) != 1
        || BN_mod_inverse(qi, q, p, ctx) == NULL
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_D, d) != 1
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_FACTOR1, p) != 1
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_FACTOR2, q) != 1
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_EXPONENT1, dp) != 1
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_EXPONENT2, dq) != 1
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, qi)
           != 1
        || (params = OSSL_PARAM_BLD_to_param(bld)) == NULL
        || EVP_PKEY_fromdata_init(pctx) != 1
        || EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
    {
        sim_ssl_die("cannot make a key");
    }

    BN_CTX_end(ctx);
    BN_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(pctx);

    return key;
}
