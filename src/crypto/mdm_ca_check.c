
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Checks of the certificates that an mdm_ca is given.
 */


#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "mdm_ca.h"
#include "mdm_ca_spki.h"
#include "mdm_certificate.h"


#define MDM_CA_RSA_MIN        2048
#define MDM_CA_RSA_MAX        4096


static mdm_int_t mdm_ca_check_dates(X509 *cert, int64_t now,
    const char **why);
static mdm_int_t mdm_ca_check_rsa(EVP_PKEY *key, const char **why);
static mdm_int_t mdm_ca_check_key(X509 *cert, EVP_PKEY *key,
    const char **why);
static mdm_uint_t mdm_ca_maybe(X509 *cert, X509 *ca, mdm_uint_t *verified);


mdm_int_t
mdm_ca_check(X509 *cert, EVP_PKEY *key, STACK_OF(X509) *chain, int64_t now,
    const char **why)
{
    int    i;
    X509  *next;

    if (mdm_ca_check_previous(cert, why) != MDM_OK
        || mdm_ca_check_key(cert, key, why) != MDM_OK
        || mdm_ca_check_dates(cert, now, why) != MDM_OK)
    {
        return MDM_DECLINED;
    }

    for (i = 0; i < sk_X509_num(chain); i++) {
        next = sk_X509_value(chain, i);

        if (!mdm_ca_issued(cert, next)) {
            *why = "is not followed by its chain: each certificate must be "
                   "issued by the next one";
            return MDM_DECLINED;
        }

        if (mdm_ca_check_previous(next, why) != MDM_OK) {
            *why = "has a certificate in its chain that is no CA";
            return MDM_DECLINED;
        }

        if (mdm_ca_check_dates(next, now, why) != MDM_OK) {
            *why = "has a certificate in its chain that has expired, or is "
                   "not valid yet";
            return MDM_DECLINED;
        }

        cert = next;
    }

    return MDM_OK;
}


mdm_int_t
mdm_ca_check_ra(X509 *ra, EVP_PKEY *key, X509 *ca, int64_t now,
    const char **why)
{
    uint32_t  usage;

    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        *why = "has a key that is not RSA";
        return MDM_DECLINED;
    }

    if (mdm_ca_check_key(ra, key, why) != MDM_OK
        || mdm_ca_check_dates(ra, now, why) != MDM_OK)
    {
        return MDM_DECLINED;
    }

    usage = X509_get_key_usage(ra);

    if (usage == UINT32_MAX
        || (usage & (KU_DIGITAL_SIGNATURE|KU_KEY_ENCIPHERMENT))
           != (KU_DIGITAL_SIGNATURE|KU_KEY_ENCIPHERMENT))
    {
        *why = "lacks keyUsage digitalSignature and keyEncipherment";
        return MDM_DECLINED;
    }

    if (!mdm_ca_issued(ra, ca)) {
        *why = "is not issued by the CA";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


mdm_int_t
mdm_ca_check_previous(X509 *cert, const char **why)
{
    uint32_t  usage;

    if ((X509_get_extension_flags(cert) & EXFLAG_INVALID) != 0) {
        *why = "has extensions that cannot be read";
        return MDM_DECLINED;
    }

    if ((X509_get_extension_flags(cert) & EXFLAG_CA) == 0) {
        *why = "is no CA: basicConstraints is not CA:TRUE";
        return MDM_DECLINED;
    }

    usage = X509_get_key_usage(cert);

    if (usage == UINT32_MAX || (usage & KU_KEY_CERT_SIGN) == 0) {
        *why = "lacks keyUsage keyCertSign";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ca_check_key(X509 *cert, EVP_PKEY *key, const char **why)
{
    char    curve[MDM_CA_CURVE];
    size_t  len;

    ERR_set_mark();

    if (X509_check_private_key(cert, key) != 1) {
        ERR_pop_to_mark();

        *why = "does not fit the key";
        return MDM_DECLINED;
    }

    ERR_pop_to_mark();

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
        return mdm_ca_check_rsa(key, why);
    }

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC
        && EVP_PKEY_get_group_name(key, curve, sizeof(curve), &len) == 1
        && (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "P-256") == 0
            || strcmp(curve, "secp384r1") == 0 || strcmp(curve, "P-384") == 0))
    {
        return MDM_OK;
    }

    *why = "has a key that is neither RSA nor EC P-256 or P-384";

    return MDM_DECLINED;
}


static mdm_int_t
mdm_ca_check_rsa(EVP_PKEY *key, const char **why)
{
    int  bits;

    bits = EVP_PKEY_get_bits(key);

    if (bits < MDM_CA_RSA_MIN || bits > MDM_CA_RSA_MAX) {
        *why = "has an RSA key that is not of 2048 to 4096 bits";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ca_check_dates(X509 *cert, int64_t now, const char **why)
{
    time_t  time;

    time = (time_t) now;

    if (X509_cmp_time(X509_get0_notAfter(cert), &time) <= 0) {
        *why = "has expired";
        return MDM_DECLINED;
    }

    if (X509_cmp_time(X509_get0_notBefore(cert), &time) >= 0) {
        *why = "is not valid yet";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


mdm_uint_t
mdm_ca_rooted(X509 *cert, STACK_OF(X509) *chain)
{
    if (sk_X509_num(chain) > 0) {
        cert = sk_X509_value(chain, sk_X509_num(chain) - 1);
    }

    return (X509_get_extension_flags(cert) & EXFLAG_SI) != 0;
}


mdm_uint_t
mdm_ca_issued(X509 *cert, X509 *ca)
{
    EVP_PKEY    *key;
    mdm_uint_t   issued;

    key = X509_get0_pubkey(ca);

    if (key == NULL
        || X509_NAME_cmp(X509_get_issuer_name(cert),
                         X509_get_subject_name(ca))
           != 0)
    {
        return 0;
    }

    ERR_set_mark();

    issued = X509_verify(cert, key) == 1;

    ERR_pop_to_mark();

    return issued;
}


const char *
mdm_ca_ledger(const mdm_ca_t *const *cas, mdm_uint_t n, const mdm_str_t *der)
{
    int          k;
    X509        *cert;
    mdm_uint_t   i, own, ours, verified;

    if (n == 0 || der->len == 0) {
        return NULL;
    }

    if (mdm_certificate_parse(der, &cert) != MDM_OK) {
        return "the certificate cannot be read";
    }

    own = 0;
    ours = 0;
    verified = 0;

    for (i = 0; i < n; i++) {

        if (mdm_ca_maybe(cert, cas[i]->cert, &verified)) {
            own = 1;
            ours |= !cas[i]->ledger_optional;
        }
    }

    /* what its own block says goes before what its successor's does */

    for (i = 0; !own && i < n; i++) {

        for (k = 0; k < sk_X509_num(cas[i]->previous); k++) {
            ours |= !cas[i]->ledger_optional
                    && mdm_ca_maybe(cert, sk_X509_value(cas[i]->previous, k),
                                    &verified);
        }
    }

    X509_free(cert);

    return ours ? "the certificate is of a CA of ours, but in no ledger of "
                  "this tenant" : NULL;
}


/*
 * The same as mdm_ca_issued(), on the event loop: TLS has verified who signed
 * it, so that the identifiers of keys tell CAs of one name apart.  Where there
 * are none, a signature is verified, but not a second one.
 */

static mdm_uint_t
mdm_ca_maybe(X509 *cert, X509 *ca, mdm_uint_t *verified)
{
    const ASN1_OCTET_STRING  *issuer, *subject;

    if (X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(ca))
        != 0)
    {
        return 0;
    }

    issuer = X509_get0_authority_key_id(cert);
    subject = X509_get0_subject_key_id(ca);

    if (issuer != NULL && subject != NULL) {
        return ASN1_OCTET_STRING_cmp(issuer, subject) == 0;
    }

    if (*verified) {
        return 1;
    }

    *verified = 1;

    return mdm_ca_issued(cert, ca);
}
