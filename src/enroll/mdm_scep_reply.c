
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Makes what SCEP clients are answered.
 */


#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>

#include "mdm_scep_message.h"


/* octets of our own nonce */
#define MDM_SCEP_OUR_NONCE    16

#define MDM_SCEP_OID          "2.16.840.1.113733.1.9."
#define MDM_SCEP_FAIL_TEXT    "1.3.6.1.5.5.7.24.1"


/* a signed attribute */

typedef struct {
    const char               *oid;
    int                       type;
    mdm_str_t                 value;
} mdm_scep_attribute_t;


static mdm_int_t mdm_scep_certs(mdm_arena_t *arena, STACK_OF(X509) *certs,
    mdm_str_t *der);
static mdm_int_t mdm_scep_ca_certs(mdm_arena_t *arena, const mdm_scep_t *scep,
    mdm_str_t *der);
static mdm_int_t mdm_scep_issued(mdm_arena_t *arena, const mdm_scep_t *scep,
    const mdm_str_t *cert, X509 *made, mdm_str_t *der);
static mdm_int_t mdm_scep_sign(mdm_arena_t *arena, const mdm_scep_t *scep,
    const mdm_scep_message_t *message, const char *status, const char *fail,
    const char *text, const mdm_str_t *content, mdm_str_t *der);
static mdm_int_t mdm_scep_signed(mdm_arena_t *arena, const mdm_scep_t *scep,
    const mdm_scep_message_t *message, const mdm_scep_attribute_t *attrs,
    size_t nattrs, const mdm_str_t *content, mdm_str_t *der);
static int mdm_scep_text_type(const mdm_str_t *s);


const char *
mdm_scep_fail_name(mdm_scep_fail_e fail)
{
    static const char *const  names[] = {
        "badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"
    };

    return names[fail];
}


const char *
mdm_scep_fail_text(mdm_scep_fail_e fail)
{
    static const char *const  texts[] = {
        "an algorithm, or the type or size of a key, is not supported",
        "the message or the request in it cannot be read or verified",
        "the request is refused",
        "the signing time of the message is too far from the server's",
        "the transaction is not known"
    };

    return texts[fail];
}


mdm_int_t
mdm_scep_prepare(mdm_arena_t *arena, mdm_scep_t *scep)
{
    mdm_int_t  rc;

    if (mdm_printf(arena, &scep->caps, "AES\n%sPOSTPKIOperation\nRenewal\n"
                   "SCEPStandard\n%sSHA-256\nSHA-512\n",
                   scep->des3 ? "DES3\n" : "", scep->sha1 ? "SHA-1\n" : "")
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    /*
     * Apple's client looks for an RA by its key usage in what is of the second
     * type, and gives up where there is none
     */

    ERR_set_mark();

    if (scep->ca->ra == NULL) {
        mdm_str_set(&scep->certs_type, "application/x-x509-ca-cert");
        rc = mdm_certificate_der(arena, scep->ca->cert, &scep->certs);

    } else {
        mdm_str_set(&scep->certs_type, "application/x-x509-ca-ra-cert");
        rc = mdm_scep_ca_certs(arena, scep, &scep->certs);
    }

    ERR_pop_to_mark();

    return rc;
}


static mdm_int_t
mdm_scep_ca_certs(mdm_arena_t *arena, const mdm_scep_t *scep, mdm_str_t *der)
{
    int               i;
    mdm_int_t         rc;
    STACK_OF(X509)   *certs;

    certs = sk_X509_new_null();
    if (certs == NULL) {
        return mdm_arena_no_memory(arena);
    }

    rc = (sk_X509_push(certs, scep->ca->ra) > 0
          && sk_X509_push(certs, scep->ca->cert) > 0)
         ? MDM_OK : MDM_ERROR;

    for (i = 0; rc == MDM_OK && i < sk_X509_num(scep->ca->chain); i++) {
        if (sk_X509_push(certs, sk_X509_value(scep->ca->chain, i)) <= 0) {
            rc = MDM_ERROR;
        }
    }

    rc = (rc == MDM_OK) ? mdm_scep_certs(arena, certs, der)
                        : mdm_arena_no_memory(arena);

    sk_X509_free(certs);

    return rc;
}


/* certificates only, in this order: SignedData that nobody has signed */

static mdm_int_t
mdm_scep_certs(mdm_arena_t *arena, STACK_OF(X509) *certs, mdm_str_t *der)
{
    int         i;
    PKCS7      *p7;
    mdm_int_t   rc;

    rc = MDM_ERROR;
    p7 = PKCS7_new();

    if (p7 == NULL
        || PKCS7_set_type(p7, NID_pkcs7_signed) != 1
        || PKCS7_content_new(p7, NID_pkcs7_data) != 1
        || PKCS7_set_detached(p7, 1) != 1)
    {
        goto done;
    }

    for (i = 0; i < sk_X509_num(certs); i++) {
        if (PKCS7_add_certificate(p7, sk_X509_value(certs, i)) != 1) {
            goto done;
        }
    }

    rc = mdm_certificate_encode(arena, p7, ASN1_ITEM_rptr(PKCS7), der);

done:

    PKCS7_free(p7);

    return (rc == MDM_OK) ? MDM_OK : mdm_arena_failed(arena, "i2d_PKCS7");
}


mdm_int_t
mdm_scep_success(mdm_arena_t *arena, const mdm_scep_t *scep,
    const mdm_scep_message_t *message, const mdm_str_t *cert, X509 *made,
    mdm_str_t *der)
{
    mdm_int_t  rc;
    mdm_str_t  certs, sealed;

    ERR_set_mark();

    rc = mdm_scep_issued(arena, scep, cert, made, &certs);

    if (rc == MDM_OK) {
        rc = mdm_envelope_seal(arena, &certs, message->outer.signer,
                               message->envelope.cipher, scep->des, &sealed);
    }

    if (rc == MDM_DECLINED) {

        /* its key was looked at when the message was opened */

        rc = mdm_arena_failed(arena, "mdm_envelope_seal");
    }

    if (rc == MDM_OK) {
        rc = mdm_scep_sign(arena, scep, message, "0", NULL, NULL, &sealed,
                           der);
    }

    ERR_pop_to_mark();

    return rc;
}


/* the leaf first, then the CA */

static mdm_int_t
mdm_scep_issued(mdm_arena_t *arena, const mdm_scep_t *scep,
    const mdm_str_t *cert, X509 *made, mdm_str_t *der)
{
    X509            *leaf;
    mdm_int_t        rc;
    STACK_OF(X509)  *certs;

    certs = sk_X509_new_null();
    leaf = NULL;

    /* to read one takes OpenSSL as long as a signature with P-256, or longer */

    rc = ((made != NULL || mdm_certificate_parse(cert, &leaf) == MDM_OK)
          && certs != NULL
          && sk_X509_push(certs, (made != NULL) ? made : leaf) > 0
          && sk_X509_push(certs, scep->ca->cert) > 0)
         ? mdm_scep_certs(arena, certs, der)
         : mdm_arena_failed(arena, "d2i_X509");

    sk_X509_free(certs);
    X509_free(leaf);

    return rc;
}


mdm_int_t
mdm_scep_failure(mdm_arena_t *arena, const mdm_scep_t *scep,
    const mdm_scep_message_t *message, mdm_scep_fail_e fail, const char *text,
    mdm_str_t *der)
{
    char       code[2];
    mdm_int_t  rc;
    mdm_str_t  content;

    code[0] = (char) ('0' + fail);
    code[1] = '\0';

    mdm_str_set(&content, "");

    ERR_set_mark();

    rc = mdm_scep_sign(arena, scep, message, "2", code, text, &content, der);

    ERR_pop_to_mark();

    return rc;
}


static mdm_int_t
mdm_scep_sign(mdm_arena_t *arena, const mdm_scep_t *scep,
    const mdm_scep_message_t *message, const char *status, const char *fail,
    const char *text, const mdm_str_t *content, mdm_str_t *der)
{
    size_t                 i, n;
    u_char                 nonce[MDM_SCEP_OUR_NONCE];
    mdm_scep_attribute_t   attrs[7];

    if (RAND_bytes(nonce, sizeof(nonce)) != 1) {
        return mdm_arena_failed(arena, "RAND_bytes");
    }

    memset(attrs, 0, sizeof(attrs));
    n = 0;

    attrs[n].oid = MDM_SCEP_OID "2";
    mdm_str_set(&attrs[n].value, "3");
    n++;

    attrs[n].oid = MDM_SCEP_OID "3";
    attrs[n].value.data = (u_char *) status;
    attrs[n].value.len = 1;
    n++;

    if (fail != NULL) {
        attrs[n].oid = MDM_SCEP_OID "4";
        attrs[n].value.data = (u_char *) fail;
        attrs[n].value.len = 1;
        n++;
    }

    for (i = 0; i < n; i++) {
        attrs[i].type = V_ASN1_PRINTABLESTRING;
    }

    attrs[n].oid = MDM_SCEP_OID "5";
    attrs[n].type = V_ASN1_OCTET_STRING;
    attrs[n].value.data = nonce;
    attrs[n].value.len = sizeof(nonce);
    n++;

    if (message->nonce.len != 0) {
        attrs[n].oid = MDM_SCEP_OID "6";
        attrs[n].type = V_ASN1_OCTET_STRING;
        attrs[n].value = message->nonce;
        n++;
    }

    attrs[n].oid = MDM_SCEP_OID "7";
    attrs[n].type = mdm_scep_text_type(&message->transaction);
    attrs[n].value = message->transaction;
    n++;

    if (text != NULL) {
        attrs[n].oid = MDM_SCEP_FAIL_TEXT;
        attrs[n].type = V_ASN1_UTF8STRING;
        attrs[n].value.data = (u_char *) text;
        attrs[n].value.len = strlen(text);
        n++;
    }

    return mdm_scep_signed(arena, scep, message, attrs, n, content, der);
}


/* PrintableString, as Apple wants it, if it can be one */

static int
mdm_scep_text_type(const mdm_str_t *s)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < s->len; i++) {
        ch = s->data[i];

        if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z')
            && !(ch >= '0' && ch <= '9')
            && (ch == 0 || strchr(" '()+,-./:=?", ch) == NULL))
        {
            return V_ASN1_UTF8STRING;
        }
    }

    return V_ASN1_PRINTABLESTRING;
}


/* by the very certificate of GetCACert */

static mdm_int_t
mdm_scep_signed(mdm_arena_t *arena, const mdm_scep_t *scep,
    const mdm_scep_message_t *message, const mdm_scep_attribute_t *attrs,
    size_t nattrs, const mdm_str_t *content, mdm_str_t *der)
{
    BIO              *bio;
    size_t            i;
    mdm_int_t         rc;
    const mdm_ca_t   *ca;
    CMS_SignerInfo   *si;
    CMS_ContentInfo  *cms;

    ca = scep->ca;
    rc = MDM_ERROR;

    bio = BIO_new_mem_buf(content->data, (int) content->len);
    cms = CMS_sign(NULL, NULL, NULL, NULL, CMS_BINARY | CMS_PARTIAL);

    if (bio == NULL || cms == NULL) {
        goto done;
    }

    si = CMS_add1_signer(cms, (ca->ra != NULL) ? ca->ra : ca->cert,
                         (ca->ra != NULL) ? ca->ra_key : ca->key,
                         EVP_get_digestbynid(message->outer.digest),
                         CMS_BINARY | CMS_NOSMIMECAP);
    if (si == NULL) {
        goto done;
    }

    for (i = 0; i < nattrs; i++) {
        if (CMS_signed_add1_attr_by_txt(si, attrs[i].oid, attrs[i].type,
                                        attrs[i].value.data,
                                        (int) attrs[i].value.len)
            != 1)
        {
            goto done;
        }
    }

    if (CMS_final(cms, bio, NULL, CMS_BINARY) == 1) {
        rc = mdm_certificate_encode(arena, cms,
                                    ASN1_ITEM_rptr(CMS_ContentInfo), der);
    }

done:

    CMS_ContentInfo_free(cms);
    BIO_free(bio);

    return (rc == MDM_OK) ? MDM_OK : mdm_arena_failed(arena, "CMS_final");
}
