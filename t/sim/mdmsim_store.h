
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Identities that were given to devices, as files.
 */


#ifndef _MDMSIM_STORE_H_INCLUDED_
#define _MDMSIM_STORE_H_INCLUDED_


#include "mdmsim_option.h"

#include <openssl/x509.h>


/* of a device: the generation counts its keys, from 0 */

typedef struct {
    X509                     *cert;
    EVP_PKEY                 *key;
    uint32_t                  generation;
} sim_stored_t;


/* SIM_OK, or SIM_AGAIN: it has none; "previous": the one before */
int sim_store_get(const char *dir, uint64_t seed, uint32_t number,
    int previous, sim_stored_t *s);
void sim_store_release(sim_stored_t *s);
/* the one that was there is the previous one then */
void sim_store_put(const char *dir, uint64_t seed, uint32_t number,
    const sim_stored_t *s);


#endif /* _MDMSIM_STORE_H_INCLUDED_ */
