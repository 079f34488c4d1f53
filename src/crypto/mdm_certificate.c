
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads certificates, finds the names in them, and verifies them.
 */


#include <limits.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "mdm_certificate.h"


/* OpenSSL's level 1: no MD5 and SHA-1 in certificates, RSA from 1024 bits */
#define MDM_CERTIFICATE_LEVEL  1

/* CAs between a device's certificate and the trusted one */
#define MDM_CERTIFICATE_DEPTH  10


/* bits of a stranger's key that is verified with */
#define MDM_CERTIFICATE_RSA        8192
#define MDM_CERTIFICATE_EXPONENT   256
#define MDM_CERTIFICATE_EC         521


/* what a certificate is compared with */

typedef struct {
    const mdm_str_t          *udid;
    const mdm_str_t          *serial;
} mdm_certificate_device_t;


static void mdm_certificate_free(void *data);
static mdm_int_t mdm_certificate_pem(mdm_arena_t *arena,
    const mdm_str_t *pem, mdm_str_t *der);
static int mdm_certificate_skew(int ok, X509_STORE_CTX *ctx);

static mdm_uint_t mdm_certificate_subject(
    const mdm_certificate_device_t *device, const X509_NAME *name);
static mdm_uint_t mdm_certificate_alternative(
    const mdm_certificate_device_t *device, const GENERAL_NAME *name);
static mdm_uint_t mdm_certificate_uri(const mdm_certificate_device_t *device,
    const ASN1_STRING *string);
static mdm_uint_t mdm_certificate_email(
    const mdm_certificate_device_t *device, const ASN1_STRING *string);
static mdm_uint_t mdm_certificate_permanent(
    const mdm_certificate_device_t *device, const OTHERNAME *name);
static mdm_uint_t mdm_certificate_string(
    const mdm_certificate_device_t *device, const ASN1_STRING *string);
static mdm_uint_t mdm_certificate_value(
    const mdm_certificate_device_t *device, const u_char *data, size_t len);
static mdm_uint_t mdm_certificate_equal(const mdm_str_t *id,
    const u_char *data, size_t len);


mdm_int_t
mdm_certificate_sha256(const mdm_str_t *der, u_char *digest, u_char *hex)
{
    if (EVP_Digest(der->data, der->len, digest, NULL, EVP_sha256(), NULL)
        != 1)
    {
        return MDM_ERROR;
    }

    mdm_hex(hex, digest, MDM_SHA256);

    return MDM_OK;
}


mdm_int_t
mdm_certificate_der(mdm_arena_t *arena, X509 *cert, mdm_str_t *der)
{
    return mdm_certificate_encode(arena, cert, ASN1_ITEM_rptr(X509), der);
}


mdm_int_t
mdm_certificate_encode(mdm_arena_t *arena, const void *value,
    const ASN1_ITEM *type, mdm_str_t *der)
{
    int      len;
    u_char  *p;

    len = ASN1_item_i2d(value, NULL, type);
    if (len <= 0) {
        return MDM_ERROR;
    }

    p = mdm_arena_alloc(arena, (size_t) len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    der->data = p;
    der->len = (size_t) len;

    return (ASN1_item_i2d(value, &p, type) == len) ? MDM_OK : MDM_ERROR;
}


mdm_int_t
mdm_certificate_time(const ASN1_TIME *time, int64_t *seconds)
{
    struct tm  tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1) {
        return MDM_DECLINED;
    }

    *seconds = (int64_t) timegm(&tm);

    return MDM_OK;
}


mdm_int_t
mdm_certificate_header(mdm_arena_t *arena, const mdm_str_t *value,
    X509 **cert)
{
    mdm_int_t  rc;
    mdm_str_t  text, der;

    *cert = NULL;

    if (value->len != 0 && value->data[0] == ':') {

        /* a byte sequence of RFC 8941 */

        if (value->len < 2 || value->data[value->len - 1] != ':') {
            return MDM_DECLINED;
        }

        text.data = value->data + 1;
        text.len = value->len - 2;

        rc = mdm_unbase64(arena, &der, &text);

    } else {
        rc = mdm_unescape(arena, &text, value);

        if (rc == MDM_OK) {
            rc = mdm_certificate_pem(arena, &text, &der);
        }
    }

    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_certificate_parse(&der, cert);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_arena_defer(arena, mdm_certificate_free, *cert) != MDM_OK) {
        *cert = NULL;
        return MDM_ERROR;
    }

    return MDM_OK;
}


/* exactly one PEM block and nothing but white space around it */

static mdm_int_t
mdm_certificate_pem(mdm_arena_t *arena, const mdm_str_t *pem, mdm_str_t *der)
{
    u_char     *start, *end;
    mdm_str_t   text;

    static const mdm_str_t  begin =
                                   mdm_string("-----BEGIN CERTIFICATE-----");
    static const mdm_str_t  finish = mdm_string("-----END CERTIFICATE-----");

    start = pem->data;
    end = pem->data + pem->len;

    while (start < end && strchr(" \t\r\n", *start) != NULL && *start != 0) {
        start++;
    }

    while (end > start && strchr(" \t\r\n", end[-1]) != NULL && end[-1] != 0) {
        end--;
    }

    if ((size_t) (end - start) < begin.len + finish.len
        || memcmp(start, begin.data, begin.len) != 0
        || memcmp(end - finish.len, finish.data, finish.len) != 0)
    {
        return MDM_DECLINED;
    }

    /* a second block would bring a "-", which is not base64 */

    text.data = start + begin.len;
    text.len = (size_t) (end - start) - begin.len - finish.len;

    return mdm_unbase64(arena, der, &text);
}


mdm_int_t
mdm_certificate_parse(const mdm_str_t *der, X509 **cert)
{
    int            mark;
    mdm_int_t      rc;
    const u_char  *p;

    *cert = NULL;

    if (der->len == 0 || der->len > LONG_MAX) {
        return MDM_DECLINED;
    }

    /* whatever fails leaves no trace in the caller's error queue */

    mark = ERR_set_mark();
    rc = MDM_OK;

    p = der->data;
    *cert = d2i_X509(NULL, &p, (long) der->len);

    if (*cert == NULL) {
        rc = mdm_certificate_memory(mark) ? MDM_ERROR : MDM_DECLINED;
    }

    ERR_pop_to_mark();

    if (rc == MDM_OK && p != der->data + der->len) {
        X509_free(*cert);
        *cert = NULL;
        return MDM_DECLINED;
    }

    return rc;
}


mdm_uint_t
mdm_certificate_memory(int mark)
{
    mdm_uint_t     found;
    unsigned long  err;

    if (mark) {

        /*
         * errors of somebody else come before ours, so only the last one is
         * looked at
         */

        return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
    }

    found = 0;

    for ( ;; ) {
        err = ERR_get_error();

        if (err == 0) {
            return found;
        }

        if (ERR_GET_REASON(err) == ERR_R_MALLOC_FAILURE) {
            found = 1;
        }
    }
}


static void
mdm_certificate_free(void *data)
{
    X509_free(data);
}


mdm_int_t
mdm_certificate_verify(X509 *cert, STACK_OF(X509) *chain,
    X509_STORE *trusted, int64_t now, const char **why)
{
    return mdm_certificate_verify_as(cert, chain, trusted, now, NULL, why);
}


mdm_int_t
mdm_certificate_verify_as(X509 *cert, STACK_OF(X509) *chain,
    X509_STORE *trusted, int64_t now, const mdm_certificate_options_t *options,
    const char **why)
{
    int                 err, mark;
    mdm_int_t           rc;
    X509_STORE_CTX     *ctx;
    X509_VERIFY_PARAM  *param;

    static const mdm_certificate_options_t  device = {
        X509_PURPOSE_SSL_CLIENT, MDM_CERTIFICATE_LEVEL, 0
    };

    if (options == NULL) {
        options = &device;
    }

    rc = MDM_ERROR;
    *why = "no memory";

    mark = ERR_set_mark();

    ctx = X509_STORE_CTX_new();
    if (ctx == NULL) {
        goto done;
    }

    if (X509_STORE_CTX_init(ctx, trusted, cert, chain) != 1
        || (options->purpose != 0
            && X509_STORE_CTX_set_purpose(ctx, options->purpose) != 1))
    {
        goto done;
    }

    param = X509_STORE_CTX_get0_param(ctx);

    X509_VERIFY_PARAM_set_time(param, (time_t) now);
    X509_VERIFY_PARAM_set_depth(param, MDM_CERTIFICATE_DEPTH);
    X509_VERIFY_PARAM_set_auth_level(param, options->level);

    if (options->signatures) {
        (void) X509_VERIFY_PARAM_clear_flags(param, X509_V_FLAG_USE_CHECK_TIME);
        (void) X509_VERIFY_PARAM_set_flags(param,
                           X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN
                           | X509_V_FLAG_IGNORE_CRITICAL);
    }

    X509_STORE_CTX_set_verify_cb(ctx, mdm_certificate_skew);

    if (X509_verify_cert(ctx) == 1) {
        *why = NULL;
        rc = MDM_OK;
        goto done;
    }

    err = X509_STORE_CTX_get_error(ctx);

    if (err == X509_V_ERR_OUT_OF_MEM || mdm_certificate_memory(mark)) {
        goto done;
    }

    if (err == X509_V_OK) {
        err = X509_V_ERR_UNSPECIFIED;
    }

    *why = X509_verify_cert_error_string(err);
    rc = MDM_DECLINED;

done:

    X509_STORE_CTX_free(ctx);

    ERR_pop_to_mark();

    return rc;
}


/* OpenSSL's verify callback: forgives a clock that is a little late */

static int
mdm_certificate_skew(int ok, X509_STORE_CTX *ctx)
{
    X509                *cert;
    time_t               time;
    X509_VERIFY_PARAM   *param;

    if (ok || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_CERT_NOT_YET_VALID)
    {
        return ok;
    }

    cert = X509_STORE_CTX_get_current_cert(ctx);
    if (cert == NULL) {
        return 0;
    }

    param = X509_STORE_CTX_get0_param(ctx);
    time = X509_VERIFY_PARAM_get_time(param) + MDM_CERTIFICATE_SKEW;

    /* -1: it is not after "time"; 0: an error */

    if (X509_cmp_time(X509_get0_notBefore(cert), &time) != -1) {
        return 0;
    }

    X509_STORE_CTX_set_error(ctx, X509_V_OK);

    return 1;
}


mdm_uint_t
mdm_certificate_names(const mdm_str_t *der, const mdm_str_t *udid,
    const mdm_str_t *serial)
{
    int                       i;
    X509                     *cert;
    mdm_uint_t                found;
    GENERAL_NAMES            *names;
    mdm_certificate_device_t  device;

    if (mdm_certificate_parse(der, &cert) != MDM_OK) {
        return 0;
    }

    device.udid = udid;
    device.serial = serial;

    ERR_set_mark();

    found = mdm_certificate_subject(&device, X509_get_subject_name(cert));

    if (!found) {
        names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

        for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
            found = mdm_certificate_alternative(&device,
                                            sk_GENERAL_NAME_value(names, i));
            if (found) {
                break;
            }
        }

        GENERAL_NAMES_free(names);
    }

    ERR_pop_to_mark();

    X509_free(cert);

    return found;
}


size_t
mdm_certificate_print(X509 *cert, u_char *dst, size_t n)
{
    BIO     *bio;
    char    *text;
    long     len;

    ERR_set_mark();

    len = 0;
    bio = BIO_new(BIO_s_mem());

    if (bio != NULL
        && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0,
                              XN_FLAG_RFC2253)
           >= 0)
    {
        len = BIO_get_mem_data(bio, &text);

        if (len > (long) n) {
            len = (long) n;
        }

        if (len > 0) {
            memcpy(dst, text, (size_t) len);
        }
    }

    BIO_free(bio);

    ERR_pop_to_mark();

    return (len > 0) ? (size_t) len : 0;
}


void
mdm_certificate_title(mdm_arena_t *arena, const mdm_str_t *der,
    mdm_str_t *title)
{
    X509  *cert;

    mdm_str_null(title);

    if (mdm_certificate_parse(der, &cert) != MDM_OK) {
        return;
    }

    title->data = mdm_arena_alloc(arena, MDM_SUBJECT_MAX);

    if (title->data != NULL) {
        title->len = mdm_certificate_print(cert, title->data,
                                           MDM_SUBJECT_MAX);
    }

    X509_free(cert);
}


mdm_int_t
mdm_certificate_facts(const mdm_str_t *der, u_char *subject, size_t *len,
    int64_t *not_after)
{
    int                     i, filled;
    X509                   *cert;
    size_t                  n;
    mdm_int_t               rc;
    const u_char           *p;
    const X509_NAME        *name;
    const X509_NAME_ENTRY  *entry;

    *len = 0;
    *not_after = 0;

    rc = mdm_certificate_parse(der, &cert);
    if (rc != MDM_OK) {
        return (rc == MDM_DECLINED) ? MDM_OK : MDM_ERROR;
    }

    ERR_set_mark();

    name = X509_get_subject_name(cert);
    filled = 0;

    for (i = 0; i < X509_NAME_entry_count(name); i++) {
        entry = X509_NAME_get_entry(name, i);
        filled |= ASN1_STRING_length(X509_NAME_ENTRY_get_data(entry));
    }

    if (filled) {

        rc = MDM_ERROR;

        if (X509_NAME_get0_der(name, &p, &n) == 1
            && EVP_Digest(p, n, subject, NULL, EVP_sha256(), NULL) == 1)
        {
            *len = MDM_SHA256;
            rc = MDM_OK;
        }
    }

    (void) mdm_certificate_time(X509_get0_notAfter(cert), not_after);

    ERR_pop_to_mark();

    X509_free(cert);

    return rc;
}


static mdm_uint_t
mdm_certificate_subject(const mdm_certificate_device_t *device,
    const X509_NAME *name)
{
    int               i;
    X509_NAME_ENTRY  *entry;

    for (i = 0; i < X509_NAME_entry_count(name); i++) {
        entry = X509_NAME_get_entry(name, i);

        switch (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry))) {

        case NID_commonName:
        case NID_userId:
        case NID_serialNumber:

            if (mdm_certificate_string(device,
                                       X509_NAME_ENTRY_get_data(entry)))
            {
                return 1;
            }

            break;

        default:
            break;
        }
    }

    return 0;
}


static mdm_uint_t
mdm_certificate_alternative(const mdm_certificate_device_t *device,
    const GENERAL_NAME *name)
{
    switch (name->type) {

    case GEN_DNS:
        return mdm_certificate_string(device, name->d.dNSName);

    case GEN_URI:
        return mdm_certificate_uri(device,
                                   name->d.uniformResourceIdentifier);

    case GEN_EMAIL:
        return mdm_certificate_email(device, name->d.rfc822Name);

    case GEN_DIRNAME:
        return mdm_certificate_subject(device, name->d.directoryName);

    case GEN_OTHERNAME:
        return mdm_certificate_permanent(device, name->d.otherName);

    default:
        return 0;
    }
}


static mdm_uint_t
mdm_certificate_uri(const mdm_certificate_device_t *device,
    const ASN1_STRING *string)
{
    size_t         len, n;
    const u_char  *data;

    data = ASN1_STRING_get0_data(string);
    len = (size_t) ASN1_STRING_length(string);

    if (len == 0 || memchr(data, 0, len) != NULL) {
        return 0;
    }

    if (mdm_certificate_value(device, data, len)) {
        return 1;
    }

    /* the last part, also of "urn:uuid:…" */

    for (n = len; n > 0; n--) {
        if (data[n - 1] == '/' || data[n - 1] == ':') {
            break;
        }
    }

    return mdm_certificate_value(device, data + n, len - n);
}


static mdm_uint_t
mdm_certificate_email(const mdm_certificate_device_t *device,
    const ASN1_STRING *string)
{
    size_t         len;
    const u_char  *at, *data;

    data = ASN1_STRING_get0_data(string);
    len = (size_t) ASN1_STRING_length(string);

    if (len == 0 || memchr(data, 0, len) != NULL) {
        return 0;
    }

    at = memchr(data, '@', len);
    if (at == NULL) {
        return 0;
    }

    return mdm_certificate_value(device, data, (size_t) (at - data));
}


/*
 * PermanentIdentifier ::= SEQUENCE {
 *     identifierValue  UTF8String         OPTIONAL,
 *     assigner         OBJECT IDENTIFIER  OPTIONAL }
 */

static mdm_uint_t
mdm_certificate_permanent(const mdm_certificate_device_t *device,
    const OTHERNAME *name)
{
    ASN1_TYPE           *type;
    mdm_uint_t           found;
    const u_char        *p;
    const ASN1_STRING   *sequence;
    ASN1_SEQUENCE_ANY   *items;

    if (OBJ_obj2nid(name->type_id) != NID_id_on_permanentIdentifier
        || ASN1_TYPE_get(name->value) != V_ASN1_SEQUENCE)
    {
        return 0;
    }

    sequence = name->value->value.sequence;
    p = ASN1_STRING_get0_data(sequence);

    items = d2i_ASN1_SEQUENCE_ANY(NULL, &p, ASN1_STRING_length(sequence));
    if (items == NULL) {
        return 0;
    }

    found = 0;

    if (sk_ASN1_TYPE_num(items) > 0) {
        type = sk_ASN1_TYPE_value(items, 0);

        if (ASN1_TYPE_get(type) == V_ASN1_UTF8STRING) {
            found = mdm_certificate_string(device, type->value.utf8string);
        }
    }

    sk_ASN1_TYPE_pop_free(items, ASN1_TYPE_free);

    return found;
}


static mdm_uint_t
mdm_certificate_string(const mdm_certificate_device_t *device,
    const ASN1_STRING *string)
{
    int          len;
    u_char      *utf8;
    mdm_uint_t   found;

    utf8 = NULL;

    len = ASN1_STRING_to_UTF8(&utf8, string);
    if (len < 0) {
        return 0;
    }

    found = mdm_certificate_value(device, utf8, (size_t) len);

    OPENSSL_free(utf8);

    return found;
}


static mdm_uint_t
mdm_certificate_value(const mdm_certificate_device_t *device,
    const u_char *data, size_t len)
{
    if (len == 0 || memchr(data, 0, len) != NULL) {
        return 0;
    }

    return mdm_certificate_equal(device->udid, data, len)
           || mdm_certificate_equal(device->serial, data, len);
}


static mdm_uint_t
mdm_certificate_equal(const mdm_str_t *id, const u_char *data, size_t len)
{
    mdm_str_t  value;

    value.data = (u_char *) data;
    value.len = len;

    return mdm_str_eq_i(id, &value);
}


mdm_uint_t
mdm_certificate_bearable(EVP_PKEY *key)
{
    BIGNUM      *e;
    mdm_uint_t   small;

    switch (EVP_PKEY_get_base_id(key)) {

    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        e = NULL;

        small = EVP_PKEY_get_bits(key) <= MDM_CERTIFICATE_RSA
                && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1
                && BN_num_bits(e) <= MDM_CERTIFICATE_EXPONENT;

        BN_free(e);

        return small;

    case EVP_PKEY_EC:
        return EVP_PKEY_get_bits(key) <= MDM_CERTIFICATE_EC;

    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        return 1;

    default:
        return 0;
    }
}
