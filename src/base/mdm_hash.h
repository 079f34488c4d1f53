
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A keyed hash (SipHash-2-4) for tables whose keys come from outside: who does
 * not know the key cannot choose what falls into one place.
 */


#ifndef _MDM_HASH_H_INCLUDED_
#define _MDM_HASH_H_INCLUDED_


#include "mdm_base.h"


typedef struct {
    uint64_t                  k0;
    uint64_t                  k1;
} mdm_hash_key_t;


/* a random one; MDM_OK or MDM_ERROR */
mdm_int_t mdm_hash_key(mdm_hash_key_t *key);

uint64_t mdm_hash(const mdm_hash_key_t *key, const mdm_str_t *s);


#endif /* _MDM_HASH_H_INCLUDED_ */
