
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The simulator's CA, shared by mdmsim_ca.c, mdmsim_der.c and mdmsim_cert.c.
 */


#ifndef _MDMSIM_CA_H_INCLUDED_
#define _MDMSIM_CA_H_INCLUDED_


#include "mdmsim_cert.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>


#define SIM_DER_MAX     8192


typedef enum {
    SIM_CA_P256 = 0,
    SIM_CA_RSA,
    SIM_CA_ED25519
} sim_ca_e;


typedef struct {
    X509                     *cert;
    EVP_PKEY                 *key;
} sim_identity_t;


struct sim_ca_s {
    X509                     *cert;
    EVP_PKEY                 *key;
    sim_ca_e                  type;
    uint8_t                   secret[32];
    int                       shared_key;

    EC_GROUP                 *group;       /* P-256, for CA and devices */
    BN_CTX                   *ctx;
    BIGNUM                   *d;           /* the CA's, of type P256 */

    sim_buf_t                 issuer;      /* DER of its subject */
    sim_buf_t                 validity;
    sim_buf_t                 aki;         /* DER of an extension, or empty */

    EVP_PKEY                 *shared;
    uint8_t                   shared_point[65];

    const char               *identities;  /* then there is no CA, */
    int                       previous;    /*  but mdmsim_store.c */

    sim_identity_t           *cache;
    uint32_t                  first;
    uint32_t                  count;
};


/* DER is written from its end to its start, so lengths are known in time */

typedef struct {
    uint8_t                   data[SIM_DER_MAX];
    size_t                    pos;
} sim_der_t;


/* ends the program with the last error of OpenSSL */
void sim_ssl_die(const char *what) __attribute__((noreturn));

void sim_der_put(sim_der_t *d, const void *data, size_t len);
void sim_der_head(sim_der_t *d, uint8_t tag, size_t end);
void sim_der_name(sim_der_t *d, const uint8_t *oid, uint8_t tag,
    const char *value);
void sim_der_extension(sim_der_t *d, uint8_t last, int critical,
    const uint8_t *value, size_t len);

void sim_scalar(sim_ca_t *ca, const char *label, const void *data, size_t len,
    BIGNUM *n);
void sim_point(sim_ca_t *ca, const BIGNUM *d, uint8_t *point);
EVP_PKEY *sim_pkey(const BIGNUM *d, const uint8_t *point);
size_t sim_ca_sign(sim_ca_t *ca, const uint8_t *tbs, size_t len,
    uint8_t *sig, size_t size);


#endif /* _MDMSIM_CA_H_INCLUDED_ */
