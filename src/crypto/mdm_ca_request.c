
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads certificate requests.
 */


#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "mdm_ca_request.h"
#include "mdm_ca_spki.h"


static mdm_int_t mdm_ca_request_parsed(mdm_arena_t *arena, X509_REQ *req,
    mdm_uint_t minimum, mdm_ca_request_t *request, const char **why);
static mdm_int_t mdm_ca_request_verify(X509_REQ *req, EVP_PKEY *key,
    const char **why);
static mdm_int_t mdm_ca_request_challenge(mdm_arena_t *arena, X509_REQ *req,
    mdm_str_t *challenge, const char **why);
static mdm_int_t mdm_ca_request_subject(mdm_arena_t *arena, X509_REQ *req,
    mdm_str_t *subject);
static mdm_int_t mdm_ca_key_rsa(EVP_PKEY *key, mdm_uint_t minimum,
    const char **why);
static mdm_int_t mdm_ca_key_ec(EVP_PKEY *key, const char **why);
static void mdm_ca_key_free(void *data);


mdm_int_t
mdm_ca_request_read(mdm_arena_t *arena, const mdm_str_t *der,
    mdm_uint_t minimum, mdm_ca_request_t *request, const char **why)
{
    int            mark;
    X509_REQ      *req;
    mdm_int_t      rc;
    const u_char  *p;

    memset(request, 0, sizeof(mdm_ca_request_t));

    *why = "certificate request cannot be read";

    if (der->len == 0 || der->len > MDM_CA_REQUEST_SIZE) {
        return MDM_DECLINED;
    }

    mark = ERR_set_mark();

    p = der->data;
    req = d2i_X509_REQ(NULL, &p, (long) der->len);

    rc = MDM_DECLINED;

    if (req != NULL && p == der->data + der->len) {
        rc = mdm_ca_request_parsed(arena, req, minimum, request, why);
    }

    X509_REQ_free(req);

    if (rc != MDM_OK && mdm_certificate_memory(mark)) {
        rc = mdm_arena_no_memory(arena);
    }

    ERR_pop_to_mark();

    return rc;
}


static mdm_int_t
mdm_ca_request_parsed(mdm_arena_t *arena, X509_REQ *req, mdm_uint_t minimum,
    mdm_ca_request_t *request, const char **why)
{
    EVP_PKEY                   *key;
    mdm_int_t                   rc;
    STACK_OF(X509_EXTENSION)   *extensions;

    key = X509_REQ_get_pubkey(req);

    if (key == NULL) {
        *why = "key of the certificate request cannot be read";
        return MDM_DECLINED;
    }

    if (mdm_arena_defer(arena, mdm_ca_key_free, key) != MDM_OK) {
        return MDM_ERROR;
    }

    /*
     * Not MDM_CA_KEY: nobody has shown that he has this key.  The request comes
     * out of an envelope that can be changed without being opened, and who has
     * done that must not learn what it has become.
     */

    if (!mdm_certificate_bearable(key)) {
        *why = "key of the certificate request is of a kind that is not taken";
        return MDM_DECLINED;
    }

    request->verified = 1;

    rc = mdm_ca_request_verify(req, key, why);
    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_ca_key_check(key, minimum, why);
    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_ca_request_challenge(arena, req, &request->challenge, why);
    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_ca_request_subject(arena, req, &request->subject);
    if (rc != MDM_OK) {
        return rc;
    }

    extensions = X509_REQ_get_extensions(req);

    request->key = key;
    request->ignored = sk_X509_EXTENSION_num(extensions) > 0
                       || X509_NAME_entry_count(
                                             X509_REQ_get_subject_name(req))
                          != 0;

    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);

    return mdm_ca_spki(arena, key, request->spki);
}


/*
 * A digest that is broken proves nothing; but it is the signature that says
 * that the request is as its owner has made it, digest included.
 */

static mdm_int_t
mdm_ca_request_verify(X509_REQ *req, EVP_PKEY *key, const char **why)
{
    int  digest;

    if (X509_REQ_verify(req, key) != 1) {
        *why = "signature of the certificate request does not verify";
        return MDM_DECLINED;
    }

    if (OBJ_find_sigid_algs(X509_REQ_get_signature_nid(req), &digest, NULL)
        == 1
        && (digest == NID_md5 || digest == NID_md4 || digest == NID_md2))
    {
        *why = "digest of the certificate request is not accepted";
        return MDM_CA_KEY;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ca_request_challenge(mdm_arena_t *arena, X509_REQ *req,
    mdm_str_t *challenge, const char **why)
{
    int                    i, len;
    u_char                *utf8;
    mdm_int_t              rc;
    mdm_str_t              text;
    ASN1_TYPE             *type;
    X509_ATTRIBUTE        *attr;

    i = X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1);

    if (i < 0) {
        return MDM_OK;
    }

    attr = X509_REQ_get_attr(req, i);
    type = X509_ATTRIBUTE_get0_type(attr, 0);

    if (X509_ATTRIBUTE_count(attr) != 1 || type == NULL
        || X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, i) >= 0)
    {
        *why = "certificate request has several challenge passwords";
        return MDM_DECLINED;
    }

    switch (ASN1_TYPE_get(type)) {

    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_UTF8STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_T61STRING:
    case V_ASN1_BMPSTRING:
    case V_ASN1_UNIVERSALSTRING:
        break;

    default:
        *why = "challenge password is no text";
        return MDM_DECLINED;
    }

    *why = "challenge password is no text";

    utf8 = NULL;
    len = ASN1_STRING_to_UTF8(&utf8, type->value.asn1_string);

    if (len < 0) {
        return MDM_DECLINED;
    }

    text.data = utf8;
    text.len = (size_t) len;

    rc = MDM_DECLINED;

    if (text.len <= MDM_CA_CHALLENGE) {
        rc = mdm_str_dup(arena, challenge, &text);
    }

    OPENSSL_clear_free(utf8, text.len);

    return rc;
}


static mdm_int_t
mdm_ca_request_subject(mdm_arena_t *arena, X509_REQ *req, mdm_str_t *subject)
{
    mdm_str_t      der;
    const u_char  *p;

    if (X509_NAME_get0_der(X509_REQ_get_subject_name(req), &p, &der.len)
        != 1)
    {
        return mdm_arena_failed(arena, "X509_NAME_get0_der");
    }

    der.data = (u_char *) (uintptr_t) p;

    return mdm_str_dup(arena, subject, &der);
}


mdm_int_t
mdm_ca_key_check(EVP_PKEY *key, mdm_uint_t minimum, const char **why)
{
    mdm_int_t  rc;

    ERR_set_mark();

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
        rc = mdm_ca_key_rsa(key, minimum, why);

    } else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
        rc = mdm_ca_key_ec(key, why);

    } else {
        *why = "key is neither RSA nor EC";
        rc = MDM_CA_KEY;
    }

    ERR_pop_to_mark();

    return rc;
}


static mdm_int_t
mdm_ca_key_rsa(EVP_PKEY *key, mdm_uint_t minimum, const char **why)
{
    int         bits;
    BIGNUM     *e;
    mdm_int_t   rc;

    bits = EVP_PKEY_get_bits(key);

    if (bits < (int) minimum || bits > MDM_CA_KEY_MAX) {
        *why = "RSA key is too short or too long";
        return MDM_CA_KEY;
    }

    *why = "exponent of the RSA key is not accepted";

    e = NULL;

    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1) {
        return MDM_CA_KEY;
    }

    /* odd numbers of 17 bits or more are 65537 at least */

    rc = (BN_is_odd(e) && BN_num_bits(e) >= 17
          && BN_num_bits(e) <= MDM_CA_EXPONENT_MAX)
         ? MDM_OK : MDM_CA_KEY;

    BN_free(e);

    return rc;
}


static mdm_int_t
mdm_ca_key_ec(EVP_PKEY *key, const char **why)
{
    int     is_explicit;
    char    curve[MDM_CA_CURVE];
    size_t  i, len;

    static const char *const  curves[] = {
        "prime256v1", "P-256", "secp384r1", "P-384", "secp521r1", "P-521"
    };

    *why = "EC key is not of P-256, P-384 or P-521";

    is_explicit = 0;

    if (EVP_PKEY_get_int_param(key,
                               OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                               &is_explicit)
        != 1
        || is_explicit
        || EVP_PKEY_get_group_name(key, curve, sizeof(curve), &len) != 1)
    {
        return MDM_CA_KEY;
    }

    for (i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (strcmp(curve, curves[i]) == 0) {
            return MDM_OK;
        }
    }

    return MDM_CA_KEY;
}


static void
mdm_ca_key_free(void *data)
{
    EVP_PKEY_free(data);
}
