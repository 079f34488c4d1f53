
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Issues certificates.
 */


#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "mdm_ca.h"
#include "mdm_ca_spki.h"
#include "mdm_certificate.h"


static void mdm_ca_free(void *cert);
static mdm_int_t mdm_ca_build(mdm_arena_t *arena, const mdm_ca_t *ca,
    const mdm_ca_issue_t *issue, X509 *cert);
static mdm_int_t mdm_ca_validity(const mdm_ca_t *ca,
    const mdm_ca_issue_t *issue, X509 *cert);
static mdm_int_t mdm_ca_number(const mdm_ca_issue_t *issue, X509 *cert);
static mdm_int_t mdm_ca_constraints(X509 *cert);
static mdm_int_t mdm_ca_usage(const mdm_ca_issue_t *issue, X509 *cert);
static mdm_int_t mdm_ca_purpose(X509 *cert);
static mdm_int_t mdm_ca_key_ids(const mdm_ca_t *ca, X509 *cert);
static ASN1_OCTET_STRING *mdm_ca_key_id(X509 *cert);
static mdm_int_t mdm_ca_alternative(const mdm_ca_issue_t *issue, X509 *cert);
static ASN1_STRING *mdm_ca_permanent(const mdm_str_t *serial);


mdm_int_t
mdm_ca_serial(u_char *serial)
{
    if (RAND_bytes(serial, MDM_CA_SERIAL) != 1) {
        return MDM_ERROR;
    }

    /* neither negative nor with zeros in front */

    serial[0] = (u_char) ((serial[0] & 0x7f) | 0x40);

    return MDM_OK;
}


int64_t
mdm_ca_ends(X509 *cert)
{
    int64_t  end;

    return (mdm_certificate_time(X509_get0_notAfter(cert), &end) == MDM_OK)
           ? end : 0;
}


mdm_int_t
mdm_ca_dates(const mdm_ca_t *ca, int64_t now, int64_t *from, int64_t *until)
{
    int64_t  end, start;

    *from = now - ca->backdate;
    *until = now + ca->lifetime;

    end = mdm_ca_ends(ca->cert);

    if (*until > end) {
        *until = end;
    }

    if (mdm_certificate_time(X509_get0_notBefore(ca->cert), &start) == MDM_OK
        && *from < start)
    {
        *from = start;
    }

    return (*until > now) ? MDM_OK : MDM_DECLINED;
}


mdm_int_t
mdm_ca_issue(mdm_arena_t *arena, const mdm_ca_t *ca,
    const mdm_ca_issue_t *issue, mdm_str_t *der, X509 **made)
{
    int         mark;
    X509       *cert;
    mdm_int_t   rc;

    mark = ERR_set_mark();

    cert = X509_new();
    if (cert == NULL) {
        ERR_pop_to_mark();
        return mdm_arena_no_memory(arena);
    }

    rc = mdm_ca_build(arena, ca, issue, cert);

    /* what has gone wrong within OpenSSL nobody would find before a device */

    if (rc == MDM_OK) {
        rc = (X509_sign(cert, ca->key, ca->digest) > 0
              && X509_verify(cert, ca->key) == 1)
             ? MDM_OK : MDM_ERROR;
    }

    if (rc == MDM_OK) {
        rc = mdm_certificate_der(arena, cert, der);
    }

    if (rc != MDM_OK) {
        rc = mdm_certificate_memory(mark)
             ? mdm_arena_no_memory(arena)
             : mdm_arena_failed(arena, "X509_sign");
    }

    if (rc == MDM_OK) {
        rc = mdm_arena_defer(arena, mdm_ca_free, cert);
    }

    if (rc == MDM_OK) {
        *made = cert;

    } else {
        X509_free(cert);
    }

    ERR_pop_to_mark();

    return rc;
}


static void
mdm_ca_free(void *cert)
{
    X509_free(cert);
}


static mdm_int_t
mdm_ca_build(mdm_arena_t *arena, const mdm_ca_t *ca,
    const mdm_ca_issue_t *issue, X509 *cert)
{
    X509_NAME  *name;
    mdm_int_t   rc;

    name = mdm_ca_subject_name(arena, ca->subject, issue);
    if (name == NULL) {
        return MDM_ERROR;
    }

    rc = (X509_set_version(cert, X509_VERSION_3) == 1
          && X509_set_subject_name(cert, name) == 1
          && X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) == 1)
         ? MDM_OK : MDM_ERROR;

    X509_NAME_free(name);

    if (rc != MDM_OK
        || mdm_ca_spki_set(X509_get_X509_PUBKEY(cert), issue->key) != MDM_OK
        || mdm_ca_number(issue, cert) != MDM_OK
        || mdm_ca_validity(ca, issue, cert) != MDM_OK
        || mdm_ca_constraints(cert) != MDM_OK
        || mdm_ca_usage(issue, cert) != MDM_OK
        || mdm_ca_purpose(cert) != MDM_OK
        || mdm_ca_key_ids(ca, cert) != MDM_OK
        || mdm_ca_alternative(issue, cert) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ca_number(const mdm_ca_issue_t *issue, X509 *cert)
{
    BIGNUM        *bn;
    ASN1_INTEGER  *number;

    bn = BN_bin2bn(issue->serial, MDM_CA_SERIAL, NULL);
    if (bn == NULL) {
        return MDM_ERROR;
    }

    number = BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));

    BN_free(bn);

    return (number != NULL) ? MDM_OK : MDM_ERROR;
}


static mdm_int_t
mdm_ca_validity(const mdm_ca_t *ca, const mdm_ca_issue_t *issue, X509 *cert)
{
    int64_t  end, until;

    until = issue->until;
    end = mdm_ca_ends(ca->cert);

    if (until > end) {
        until = end;
    }

    if (ASN1_TIME_set(X509_getm_notBefore(cert), (time_t) issue->from) == NULL
        || ASN1_TIME_set(X509_getm_notAfter(cert), (time_t) until) == NULL)
    {
        return MDM_ERROR;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ca_constraints(X509 *cert)
{
    mdm_int_t           rc;
    BASIC_CONSTRAINTS  *bc;

    bc = BASIC_CONSTRAINTS_new();
    if (bc == NULL) {
        return MDM_ERROR;
    }

    bc->ca = 0;

    rc = (X509_add1_ext_i2d(cert, NID_basic_constraints, bc, 1, 0) == 1)
         ? MDM_OK : MDM_ERROR;

    BASIC_CONSTRAINTS_free(bc);

    return rc;
}


static mdm_int_t
mdm_ca_usage(const mdm_ca_issue_t *issue, X509 *cert)
{
    mdm_int_t         rc;
    ASN1_BIT_STRING  *usage;

    usage = ASN1_BIT_STRING_new();
    if (usage == NULL) {
        return MDM_ERROR;
    }

    /*
     * bit 0 is digitalSignature, bit 2 keyEncipherment; EVP_PKEY_is_a() says
     * no where it has no memory
     */

    rc = MDM_ERROR;

    if (ASN1_BIT_STRING_set_bit(usage, 0, 1) == 1
        && (EVP_PKEY_get_base_id(issue->key) != EVP_PKEY_RSA
            || ASN1_BIT_STRING_set_bit(usage, 2, 1) == 1)
        && X509_add1_ext_i2d(cert, NID_key_usage, usage, 1, 0) == 1)
    {
        rc = MDM_OK;
    }

    ASN1_BIT_STRING_free(usage);

    return rc;
}


static mdm_int_t
mdm_ca_purpose(X509 *cert)
{
    mdm_int_t            rc;
    EXTENDED_KEY_USAGE  *eku;

    eku = sk_ASN1_OBJECT_new_null();
    if (eku == NULL) {
        return MDM_ERROR;
    }

    rc = (sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(NID_client_auth)) > 0
          && X509_add1_ext_i2d(cert, NID_ext_key_usage, eku, 0, 0) == 1)
         ? MDM_OK : MDM_ERROR;

    /* the object is a constant of the library */

    sk_ASN1_OBJECT_free(eku);

    return rc;
}


static mdm_int_t
mdm_ca_key_ids(const mdm_ca_t *ca, X509 *cert)
{
    mdm_int_t           rc;
    AUTHORITY_KEYID    *authority;
    ASN1_OCTET_STRING  *id;

    id = mdm_ca_key_id(cert);
    if (id == NULL) {
        return MDM_ERROR;
    }

    rc = (X509_add1_ext_i2d(cert, NID_subject_key_identifier, id, 0, 0) == 1)
         ? MDM_OK : MDM_ERROR;

    ASN1_OCTET_STRING_free(id);

    if (rc != MDM_OK) {
        return MDM_ERROR;
    }

    authority = AUTHORITY_KEYID_new();
    if (authority == NULL) {
        return MDM_ERROR;
    }

    if (X509_get0_subject_key_id(ca->cert) != NULL) {
        authority->keyid = ASN1_OCTET_STRING_dup(
                                        X509_get0_subject_key_id(ca->cert));

    } else {
        authority->keyid = mdm_ca_key_id(ca->cert);
    }

    rc = (authority->keyid != NULL
          && X509_add1_ext_i2d(cert, NID_authority_key_identifier, authority,
                               0, 0)
             == 1)
         ? MDM_OK : MDM_ERROR;

    AUTHORITY_KEYID_free(authority);

    return rc;
}


/* RFC 5280, 4.2.1.2, (1): SHA-1 of the key */

static ASN1_OCTET_STRING *
mdm_ca_key_id(X509 *cert)
{
    u_char              digest[EVP_MAX_MD_SIZE];
    unsigned int        len;
    ASN1_OCTET_STRING  *id;

    if (X509_pubkey_digest(cert, EVP_sha1(), digest, &len) != 1) {
        return NULL;
    }

    id = ASN1_OCTET_STRING_new();

    if (id != NULL && ASN1_OCTET_STRING_set(id, digest, (int) len) != 1) {
        ASN1_OCTET_STRING_free(id);
        return NULL;
    }

    return id;
}


static mdm_int_t
mdm_ca_alternative(const mdm_ca_issue_t *issue, X509 *cert)
{
    ASN1_TYPE      *value;
    mdm_int_t       rc;
    ASN1_STRING    *sequence;
    GENERAL_NAME   *name;
    GENERAL_NAMES  *names;

    if (issue->device_serial.len == 0
        || !mdm_utf8_valid(&issue->device_serial))
    {
        return MDM_OK;
    }

    rc = MDM_ERROR;

    names = sk_GENERAL_NAME_new_null();
    name = GENERAL_NAME_new();
    value = ASN1_TYPE_new();
    sequence = mdm_ca_permanent(&issue->device_serial);

    if (names == NULL || name == NULL || value == NULL || sequence == NULL) {
        goto failed;
    }

    ASN1_TYPE_set(value, V_ASN1_SEQUENCE, sequence);
    sequence = NULL;

    if (GENERAL_NAME_set0_othername(name,
                                   OBJ_nid2obj(NID_id_on_permanentIdentifier),
                                   value)
        != 1)
    {
        goto failed;
    }

    value = NULL;

    if (sk_GENERAL_NAME_push(names, name) <= 0) {
        goto failed;
    }

    name = NULL;

    if (X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1) {
        rc = MDM_OK;
    }

failed:

    ASN1_STRING_free(sequence);
    ASN1_TYPE_free(value);
    GENERAL_NAME_free(name);
    GENERAL_NAMES_free(names);

    return rc;
}


/* RFC 4043: SEQUENCE { identifierValue UTF8String }, as DER */

static ASN1_STRING *
mdm_ca_permanent(const mdm_str_t *serial)
{
    int           inner, len;
    u_char       *p, *start;
    ASN1_STRING  *sequence;

    inner = ASN1_object_size(0, (int) serial->len, V_ASN1_UTF8STRING);
    len = ASN1_object_size(1, inner, V_ASN1_SEQUENCE);

    if (inner < 0 || len < 0) {
        return NULL;
    }

    sequence = ASN1_STRING_type_new(V_ASN1_SEQUENCE);
    start = OPENSSL_malloc((size_t) len);

    if (sequence == NULL || start == NULL) {
        ASN1_STRING_free(sequence);
        OPENSSL_free(start);
        return NULL;
    }

    p = start;
    ASN1_put_object(&p, 1, inner, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    ASN1_put_object(&p, 0, (int) serial->len, V_ASN1_UTF8STRING,
                    V_ASN1_UNIVERSAL);
    memcpy(p, serial->data, serial->len);

    ASN1_STRING_set0(sequence, start, len);

    return sequence;
}
