
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Certificates: digests, the names that tie one to a device, certificates
 * passed by a header, and verification against the trusted CAs.
 */


#ifndef _MDM_CERTIFICATE_H_INCLUDED_
#define _MDM_CERTIFICATE_H_INCLUDED_


#include <openssl/x509.h>

#include "mdm_base.h"


/* a device whose clock is wrong by this much is still believed, seconds */
#define MDM_CERTIFICATE_SKEW  300

/* bytes of a subject in a log */
#define MDM_SUBJECT_MAX       256

/* bytes of a digest */
#define MDM_SHA256            32


/*
 * SHA-256 of the DER: MDM_SHA256 bytes to "digest", twice as many lower-case
 * hex digits to "hex".  MDM_OK; MDM_ERROR: no memory, neither is to be used.
 */
mdm_int_t mdm_certificate_sha256(const mdm_str_t *der, u_char *digest,
    u_char *hex);

/* the DER of a certificate, owned by the arena; MDM_OK or MDM_ERROR */
mdm_int_t mdm_certificate_der(mdm_arena_t *arena, X509 *cert,
    mdm_str_t *der);

/*
 * The same of any structure of OpenSSL's, such as PKCS7 with
 * ASN1_ITEM_rptr(PKCS7).
 */
mdm_int_t mdm_certificate_encode(mdm_arena_t *arena, const void *value,
    const ASN1_ITEM *type, mdm_str_t *der);

/*
 * Reads a certificate that is all of "der"; the caller frees it.  MDM_OK;
 * MDM_DECLINED: it is none; MDM_ERROR: no memory.
 */
mdm_int_t mdm_certificate_parse(const mdm_str_t *der, X509 **cert);

/* a date of a certificate in Unix seconds; MDM_OK or MDM_DECLINED */
mdm_int_t mdm_certificate_time(const ASN1_TIME *time, int64_t *seconds);

/*
 * Does the certificate name the device?  1 if the subject's CN, UID or
 * serialNumber, a SAN (dNSName, URI or its last part, rfc822Name before "@",
 * directoryName's, or permanentIdentifier) equals the UDID or the serial,
 * letters compared without case; else 0.  Either may be empty.
 */
mdm_uint_t mdm_certificate_names(const mdm_str_t *der, const mdm_str_t *udid,
    const mdm_str_t *serial);

/*
 * The subject as one line for a log, as RFC 2253 writes it: printable ASCII,
 * at most n bytes, which are MDM_SUBJECT_MAX for a whole one.  Returns how
 * many; 0 if it cannot be told.
 */
size_t mdm_certificate_print(X509 *cert, u_char *dst, size_t n);

/* the same of a DER, owned by the arena; empty if it cannot be told */
void mdm_certificate_title(mdm_arena_t *arena, const mdm_str_t *der,
    mdm_str_t *title);

/*
 * Of a certificate: SHA-256 of its subject's DER to "subject" (MDM_SHA256
 * bytes, *len; 0 if it is empty or says nothing: then it tells nobody apart)
 * and its notAfter in Unix seconds, 0 if there is none that can be read.  What
 * is no certificate has neither.  MDM_OK or MDM_ERROR: no memory.
 */
mdm_int_t mdm_certificate_facts(const mdm_str_t *der, u_char *subject,
    size_t *len, int64_t *not_after);

/*
 * Its serial number in lower-case hex, whole octets, owned by the arena; empty
 * if it is no certificate.  MDM_OK or MDM_ERROR: no memory.
 */
mdm_int_t mdm_certificate_number(mdm_arena_t *arena, const mdm_str_t *der,
    mdm_str_t *hex);

/*
 * A certificate passed by a header: RFC 9440 when it begins with ":", else a
 * percent-encoded PEM as of $ssl_client_escaped_cert (percent-decoding only:
 * "+" stays "+").  MDM_OK: *cert is freed with the arena.  MDM_DECLINED: not
 * exactly one certificate.  MDM_ERROR: no memory.
 */
mdm_int_t mdm_certificate_header(mdm_arena_t *arena, const mdm_str_t *value,
    X509 **cert);

/*
 * Verifies against the trusted store at Unix time "now" with the purpose
 * client authentication, as TLS does; a certificate that is not valid yet
 * passes within MDM_CERTIFICATE_SKEW.  "chain" holds intermediate CAs, not
 * trusted ones, and may be NULL.  Certificates signed with MD5 or SHA-1 and
 * RSA keys under 1024 bits are refused (OpenSSL's security level 1).
 * MDM_OK; MDM_DECLINED with *why, a constant; MDM_ERROR: no memory.
 */
mdm_int_t mdm_certificate_verify(X509 *cert, STACK_OF(X509) *chain,
    X509_STORE *trusted, int64_t now, const char **why);

/* otherwise than that */

typedef struct {
    int                       purpose;     /* X509_PURPOSE_…; 0: any */
    int                       level;       /* OpenSSL's security level */
    mdm_uint_t                signatures;  /* 1: only these and CA:TRUE count:
                                              no dates, no critical extensions,
                                              and any trusted one is an end */
} mdm_certificate_options_t;

/* the same; NULL as the options: as above */
mdm_int_t mdm_certificate_verify_as(X509 *cert, STACK_OF(X509) *chain,
    X509_STORE *trusted, int64_t now, const mdm_certificate_options_t *options,
    const char **why);

/*
 * A stranger's key: 1 if it does not take long to verify a signature by it,
 * whatever its owner has made of it: RSA to 8192 bits with an exponent to 256,
 * EC to 521, Ed25519, Ed448.  Else 0.
 */
mdm_uint_t mdm_certificate_bearable(EVP_PKEY *key);

/*
 * What OpenSSL has just failed at: 1 if it was for lack of memory, which looks
 * like a broken input else.  "mark" is what ERR_set_mark() returned before; an
 * error queue that was empty then is so afterwards.
 */
mdm_uint_t mdm_certificate_memory(int mark);


#endif /* _MDM_CERTIFICATE_H_INCLUDED_ */
