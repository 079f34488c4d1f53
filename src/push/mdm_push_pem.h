
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Push certificates as they are kept: PEM, whatever they came as.
 */


#ifndef _MDM_PUSH_PEM_H_INCLUDED_
#define _MDM_PUSH_PEM_H_INCLUDED_


#include "mdm_push_certificate.h"


/*
 * The certificate, and its chain behind it.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_push_pem_cert(mdm_arena_t *arena,
    const mdm_push_certificate_t *cert, mdm_str_t *pem);

/*
 * The private key, PKCS #8 without a passphrase; it is wiped with the arena.
 * MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_push_pem_key(mdm_arena_t *arena,
    const mdm_push_certificate_t *cert, mdm_str_t *pem);

/*
 * Both again, as
 * mdm_push_certificate_read().
 */
mdm_int_t mdm_push_pem_read(mdm_arena_t *arena, const mdm_str_t *cert,
    const mdm_str_t *key, mdm_push_certificate_t *read, const char **why);


#endif /* _MDM_PUSH_PEM_H_INCLUDED_ */
