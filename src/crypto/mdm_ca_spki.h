
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Public keys as certificates have them.
 */


#ifndef _MDM_CA_SPKI_H_INCLUDED_
#define _MDM_CA_SPKI_H_INCLUDED_


#include <openssl/x509.h>

#include "mdm_base.h"


/* bytes of the name of a curve */
#define MDM_CA_CURVE          64


/*
 * Writes a key of RSA or EC, as X509_PUBKEY_set() would.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ca_spki_set(X509_PUBKEY *spki, EVP_PKEY *key);

/*
 * SHA-256 of a key as it is certified: MDM_SHA256 bytes.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ca_spki(mdm_arena_t *arena, EVP_PKEY *key, u_char *digest);


#endif /* _MDM_CA_SPKI_H_INCLUDED_ */
