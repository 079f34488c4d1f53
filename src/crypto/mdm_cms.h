
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * CMS SignedData: Mdm-Signature, which is detached, over the exact body bytes,
 * and base64 in a header (payload key SignMessage); and messages with their
 * content inside, such as those of SCEP.
 */


#ifndef _MDM_CMS_H_INCLUDED_
#define _MDM_CMS_H_INCLUDED_


#include <openssl/cms.h>
#include <openssl/x509.h>

#include "mdm_base.h"
#include "mdm_certificate.h"


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

/* what a message with its content inside must be */

typedef struct {
    mdm_uint_t                anybody;     /* 1: the signer may be anybody */
    X509_STORE               *trusted;     /* else whom it comes from */
    const mdm_certificate_options_t  *verify;  /* how; NULL: as a device's */
    mdm_uint_t                attributes;  /* 1: signed ones must be there */
} mdm_cms_options_t;


/* all of it lives as long as the arena */

typedef struct {
    CMS_ContentInfo          *cms;
    CMS_SignerInfo           *info;
    X509                     *signer;
    mdm_str_t                 content;
    int                       digest;      /* NID */
} mdm_cms_message_t;


/*
 * Verifies a message, which must be all of "der", DER or BER: exactly one
 * signer, whose certificate is inside, and the content, too.  MD5 and older
 * digests are refused; what else is too weak the caller decides.  MDM_OK;
 * MDM_DECLINED or MDM_CMS_MALFORMED with *why, a constant; MDM_ERROR.
 */
mdm_int_t mdm_cms_read(mdm_arena_t *arena, const mdm_str_t *der,
    const mdm_cms_options_t *options, int64_t now, mdm_cms_message_t *message,
    const char **why);

/*
 * The one value of a signed attribute, a text or an OCTET STRING, in the
 * message's memory; "oid" has dots.  MDM_OK; MDM_DECLINED: it is not there,
 * not alone, or another type; MDM_ERROR: no memory.
 */
mdm_int_t mdm_cms_attribute(const mdm_cms_message_t *message, const char *oid,
    mdm_str_t *value);

/* the signed signingTime, Unix seconds; MDM_OK or MDM_DECLINED: none */
mdm_int_t mdm_cms_signing_time(const mdm_cms_message_t *message,
    int64_t *time);


#endif /* _MDM_CMS_H_INCLUDED_ */
