
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a device signs with the certificate that Apple gave it, before it is
 * enrolled.  Nothing here is shared with the module.
 */


#ifndef _MDMSIM_APPLE_H_INCLUDED_
#define _MDMSIM_APPLE_H_INCLUDED_


#include "mdmsim_option.h"
#include "mdmsim_plist.h"

#include <openssl/x509.h>


/* the keys of MachineInfo */
void sim_apple_info(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d);
/* those of them that a Profile Service asks for; "challenge" NULL: none */
void sim_apple_attributes(sim_plist_t *w, const sim_device_t *d,
    const char *challenge);

/*
 * Signs a content with the certificate of the options ("apple-cert"), or with
 * another one, as DER; a Mac sends no more than its own certificate.
 */
void sim_apple_sign(const sim_option_t *opt, const sim_device_t *d,
    const sim_buf_t *content, sim_buf_t *out);
void sim_apple_sign_as(const sim_option_t *opt, X509 *cert, EVP_PKEY *key,
    X509 *chain, const sim_buf_t *content, sim_buf_t *out);


#endif /* _MDMSIM_APPLE_H_INCLUDED_ */
