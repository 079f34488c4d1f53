
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Mdm-Signature: a detached CMS SignedData over the exact body bytes, base64
 * in a header (payload key SignMessage).
 */


#ifndef _MDM_CMS_H_INCLUDED_
#define _MDM_CMS_H_INCLUDED_


#include <openssl/x509.h>

#include "mdm_base.h"


/* longer values of the header are refused; devices send about 2 kB */
#define MDM_CMS_SIZE       65536

/* the value cannot be decoded at all, as against one that is not accepted */
#define MDM_CMS_MALFORMED  -6


/*
 * Verifies: detached, exactly one signer, the signer's own certificate
 * inside, its chain to "trusted" with client authentication, the digest of
 * the body.  BER, SHA-1 and a signature without signed attributes are what
 * devices send and are fine; MD5 and older digests are not.  MDM_OK: *signer
 * is freed with the arena.  MDM_DECLINED or MDM_CMS_MALFORMED with *why, a
 * constant; MDM_ERROR: no memory.
 */
mdm_int_t mdm_cms_verify(mdm_arena_t *arena, const mdm_str_t *signature,
    const mdm_str_t *body, X509_STORE *trusted, int64_t now, X509 **signer,
    const char **why);


#endif /* _MDM_CMS_H_INCLUDED_ */
