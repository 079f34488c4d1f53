
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Files of a block, such as mdm_ca: certificates and keys in PEM.
 */


#ifndef _NGX_MDM_FILE_PEM_H_INCLUDED_
#define _NGX_MDM_FILE_PEM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/x509.h>


/* bytes of a file with certificates or a key */
#define NGX_MDM_FILE_PEM      65536


/* whose files they are, for messages, and what opens them */

typedef struct {
    const char               *kind;        /* "mdm ca" */
    ngx_str_t                *name;
    ngx_str_t                 password_file;   /* empty: there is none */
} ngx_mdm_pem_t;


/* both log what is wrong; "what" is the directive */

/*
 * Reads the certificates of a file, the first into *cert, the others into
 * *chain; both are freed by the caller, and NULL on an error.  NGX_OK or
 * NGX_ERROR.
 */
ngx_int_t ngx_mdm_file_certificates(ngx_conf_t *cf, ngx_mdm_pem_t *pem,
    const char *what, ngx_str_t *file, X509 **cert, STACK_OF(X509) **chain);

/*
 * Reads a private key, with the passwords of the block's file, which are tried
 * one behind the other.  It is freed by the caller; NULL on an error.
 */
EVP_PKEY *ngx_mdm_file_key(ngx_conf_t *cf, ngx_mdm_pem_t *pem,
    const char *what, ngx_str_t *file);


#endif /* _NGX_MDM_FILE_PEM_H_INCLUDED_ */
