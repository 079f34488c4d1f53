
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * RSA keys of devices.
 */


#ifndef _MDMSIM_RSA_H_INCLUDED_
#define _MDMSIM_RSA_H_INCLUDED_


#include "mdmsim_util.h"

#include <openssl/evp.h>


typedef struct sim_rsa_s  sim_rsa_t;


sim_rsa_t *sim_rsa_create(uint64_t seed, uint32_t bits);
void sim_rsa_free(sim_rsa_t *rsa);
/* says that the key of a device will be asked for */
void sim_rsa_want(sim_rsa_t *rsa, uint32_t generation, uint32_t number);
/* makes what is needed for them, on all processors */
void sim_rsa_make(sim_rsa_t *rsa, int quiet);
/* always the same key; any thread may ask; NULL: interrupted meanwhile */
EVP_PKEY *sim_rsa_get(const sim_rsa_t *rsa, uint32_t generation,
    uint32_t number);


#endif /* _MDMSIM_RSA_H_INCLUDED_ */
