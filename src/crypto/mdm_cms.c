
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Verifies CMS signatures: Mdm-Signature, detached from the body, and messages
 * with their content inside.
 */


#include <openssl/cms.h>
#include <openssl/err.h>

#include "mdm_certificate.h"
#include "mdm_cms.h"
#include "mdm_der.h"


static CMS_ContentInfo *mdm_cms_parse(const mdm_str_t *der);
static mdm_int_t mdm_cms_attached(mdm_arena_t *arena, CMS_ContentInfo *cms,
    const mdm_cms_options_t *options, int64_t now, mdm_cms_message_t *message,
    const char **why);
static mdm_int_t mdm_cms_signed_data(CMS_ContentInfo *cms,
    const mdm_str_t *body, const mdm_cms_options_t *options, int64_t now,
    X509 **signer, const char **why);
static X509 *mdm_cms_signer(CMS_SignerInfo *si, STACK_OF(X509) *certs);
static const EVP_MD *mdm_cms_digest(CMS_SignerInfo *si);
static mdm_uint_t mdm_cms_content_type(CMS_ContentInfo *cms,
    CMS_SignerInfo *si);
static mdm_int_t mdm_cms_signature(CMS_ContentInfo *cms, CMS_SignerInfo *si,
    const EVP_MD *md, const mdm_str_t *body, const char **why);
static void mdm_cms_free_signer(void *data);
static void mdm_cms_free(void *data);


mdm_int_t
mdm_cms_verify(mdm_arena_t *arena, const mdm_str_t *signature,
    const mdm_str_t *body, X509_STORE *trusted, int64_t now, X509 **signer,
    const char **why)
{
    int                mark;
    mdm_int_t          rc;
    mdm_str_t          der;
    CMS_ContentInfo   *cms;
    mdm_cms_options_t  options;

    *signer = NULL;
    *why = NULL;

    if (signature->len > MDM_CMS_SIZE) {
        *why = "signature is too long";
        return MDM_CMS_MALFORMED;
    }

    rc = mdm_unbase64(arena, &der, signature);

    if (rc == MDM_DECLINED) {
        *why = "signature is not base64";
        return MDM_CMS_MALFORMED;
    }

    if (rc != MDM_OK) {
        return MDM_ERROR;
    }

    /* whatever fails leaves no trace in the caller's error queue */

    mark = ERR_set_mark();

    cms = mdm_cms_parse(&der);

    if (cms == NULL) {
        *why = "signature is not CMS SignedData";
        rc = MDM_CMS_MALFORMED;

    } else if (CMS_is_detached(cms) != 1) {
        *why = "signature is not detached";
        rc = MDM_DECLINED;

    } else {
        memset(&options, 0, sizeof(mdm_cms_options_t));
        options.trusted = trusted;

        rc = mdm_cms_signed_data(cms, body, &options, now, signer, why);
    }

    CMS_ContentInfo_free(cms);

    if (rc != MDM_OK && mdm_certificate_memory(mark)) {
        rc = MDM_ERROR;
    }

    ERR_pop_to_mark();

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_arena_defer(arena, mdm_cms_free_signer, *signer) != MDM_OK) {
        *signer = NULL;
        return MDM_ERROR;
    }

    return MDM_OK;
}


mdm_int_t
mdm_cms_read(mdm_arena_t *arena, const mdm_str_t *der,
    const mdm_cms_options_t *options, int64_t now, mdm_cms_message_t *message,
    const char **why)
{
    int               mark;
    mdm_int_t         rc;
    CMS_ContentInfo  *cms;

    memset(message, 0, sizeof(mdm_cms_message_t));

    *why = NULL;

    mark = ERR_set_mark();

    cms = mdm_cms_parse(der);

    if (cms == NULL) {
        *why = "message is not CMS SignedData";
        rc = MDM_CMS_MALFORMED;

    } else {
        rc = mdm_cms_attached(arena, cms, options, now, message, why);
    }

    if (rc != MDM_OK) {
        memset(message, 0, sizeof(mdm_cms_message_t));

        if (mdm_certificate_memory(mark)) {
            rc = mdm_arena_no_memory(arena);
        }
    }

    ERR_pop_to_mark();

    return rc;
}


/* the arena takes "cms" over */

static mdm_int_t
mdm_cms_attached(mdm_arena_t *arena, CMS_ContentInfo *cms,
    const mdm_cms_options_t *options, int64_t now, mdm_cms_message_t *message,
    const char **why)
{
    X509                *signer;
    mdm_int_t            rc;
    ASN1_OCTET_STRING  **content;

    if (mdm_arena_defer(arena, mdm_cms_free, cms) != MDM_OK) {
        return MDM_ERROR;
    }

    content = CMS_get0_content(cms);

    if (content == NULL || *content == NULL) {
        *why = "message has no content";
        return MDM_DECLINED;
    }

    message->content.data = (*content)->data;
    message->content.len = (size_t) (*content)->length;

    rc = mdm_cms_signed_data(cms, &message->content, options, now, &signer,
                             why);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_arena_defer(arena, mdm_cms_free_signer, signer) != MDM_OK) {
        return MDM_ERROR;
    }

    message->cms = cms;
    message->signer = signer;
    message->info = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    message->digest = EVP_MD_get_type(mdm_cms_digest(message->info));

    return MDM_OK;
}


mdm_int_t
mdm_cms_attribute(const mdm_cms_message_t *message, const char *oid,
    mdm_str_t *value)
{
    int              i, type;
    ASN1_TYPE       *any;
    ASN1_OBJECT     *object;
    X509_ATTRIBUTE  *attr;

    object = OBJ_txt2obj(oid, 1);
    if (object == NULL) {
        return MDM_ERROR;
    }

    i = CMS_signed_get_attr_by_OBJ(message->info, object, -1);

    if (i < 0
        || CMS_signed_get_attr_by_OBJ(message->info, object, i) >= 0)
    {
        ASN1_OBJECT_free(object);
        return MDM_DECLINED;
    }

    ASN1_OBJECT_free(object);

    attr = CMS_signed_get_attr(message->info, i);

    if (X509_ATTRIBUTE_count(attr) != 1) {
        return MDM_DECLINED;
    }

    any = X509_ATTRIBUTE_get0_type(attr, 0);
    type = ASN1_TYPE_get(any);

    if (type != V_ASN1_PRINTABLESTRING && type != V_ASN1_UTF8STRING
        && type != V_ASN1_IA5STRING && type != V_ASN1_T61STRING
        && type != V_ASN1_OCTET_STRING)
    {
        return MDM_DECLINED;
    }

    value->data = any->value.asn1_string->data;
    value->len = (size_t) any->value.asn1_string->length;

    return MDM_OK;
}


mdm_int_t
mdm_cms_signing_time(const mdm_cms_message_t *message, int64_t *time)
{
    int              i;
    mdm_int_t        rc;
    ASN1_TYPE       *any;
    X509_ATTRIBUTE  *attr;

    i = CMS_signed_get_attr_by_NID(message->info, NID_pkcs9_signingTime, -1);

    if (i < 0) {
        return MDM_DECLINED;
    }

    attr = CMS_signed_get_attr(message->info, i);
    any = X509_ATTRIBUTE_get0_type(attr, 0);

    if (any == NULL
        || (ASN1_TYPE_get(any) != V_ASN1_UTCTIME
            && ASN1_TYPE_get(any) != V_ASN1_GENERALIZEDTIME))
    {
        return MDM_DECLINED;
    }

    ERR_set_mark();

    rc = mdm_certificate_time((ASN1_TIME *) any->value.asn1_string, time);

    ERR_pop_to_mark();

    return rc;
}


static CMS_ContentInfo *
mdm_cms_parse(const mdm_str_t *der)
{
    const char       *why;
    const u_char     *p;
    CMS_ContentInfo  *cms;

    if (der->len == 0 || mdm_der_check(der, &why) != MDM_OK) {
        return NULL;
    }

    p = der->data;

    cms = d2i_CMS_ContentInfo(NULL, &p, (long) der->len);
    if (cms == NULL) {
        return NULL;
    }

    if (p != der->data + der->len
        || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed)
    {
        CMS_ContentInfo_free(cms);
        return NULL;
    }

    return cms;
}


/*
 * CMS_verify() is not used: it would compute every digest that the message
 * lists, and that list is the sender's.  The certificate comes first, so
 * that nothing is computed for a stranger.  On MDM_OK *signer is the
 * caller's to free.
 */

static mdm_int_t
mdm_cms_signed_data(CMS_ContentInfo *cms, const mdm_str_t *body,
    const mdm_cms_options_t *options, int64_t now, X509 **signer,
    const char **why)
{
    X509                      *cert;
    mdm_int_t                  rc;
    const EVP_MD              *md;
    CMS_SignerInfo            *si;
    STACK_OF(X509)            *certs;
    STACK_OF(CMS_SignerInfo)  *signers;

    signers = CMS_get0_SignerInfos(cms);

    if (sk_CMS_SignerInfo_num(signers) != 1) {
        *why = "signature has not exactly one signer";
        return MDM_DECLINED;
    }

    si = sk_CMS_SignerInfo_value(signers, 0);

    md = mdm_cms_digest(si);
    if (md == NULL) {
        *why = "digest of the signature is not accepted";
        return MDM_DECLINED;
    }

    certs = CMS_get1_certs(cms);

    cert = mdm_cms_signer(si, certs);

    if (cert == NULL) {
        *why = "certificate of the signer is missing";
        rc = MDM_DECLINED;
        goto done;
    }

    if (!options->anybody) {
        rc = mdm_certificate_verify_as(cert, certs, options->trusted, now,
                                       options->verify, why);
        if (rc != MDM_OK) {
            goto done;
        }
    }

    if (options->anybody
        && (X509_get0_pubkey(cert) == NULL
            || !mdm_certificate_bearable(X509_get0_pubkey(cert))))
    {
        *why = "key of the signer is of a kind that is not taken";
        rc = MDM_DECLINED;
        goto done;
    }

    if (options->attributes && CMS_signed_get_attr_count(si) < 0) {
        *why = "signature has no signed attributes";
        rc = MDM_DECLINED;
        goto done;
    }

    if (X509_get0_pubkey(cert) == NULL) {
        *why = "key of the signer is not usable";
        rc = MDM_DECLINED;
        goto done;
    }

    CMS_SignerInfo_set1_signer_cert(si, cert);

    rc = mdm_cms_signature(cms, si, md, body, why);

    if (rc == MDM_OK && X509_up_ref(cert) != 1) {
        rc = MDM_ERROR;
    }

    if (rc == MDM_OK) {
        *signer = cert;
    }

done:

    sk_X509_pop_free(certs, X509_free);

    return rc;
}


static X509 *
mdm_cms_signer(CMS_SignerInfo *si, STACK_OF(X509) *certs)
{
    int    i;
    X509  *cert;

    for (i = 0; i < sk_X509_num(certs); i++) {
        cert = sk_X509_value(certs, i);

        if (CMS_SignerInfo_cert_cmp(si, cert) == 0) {
            return cert;
        }
    }

    return NULL;
}


static const EVP_MD *
mdm_cms_digest(CMS_SignerInfo *si)
{
    X509_ALGOR         *digest;
    const ASN1_OBJECT  *oid;

    digest = NULL;
    CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, NULL);

    if (digest == NULL) {
        return NULL;
    }

    X509_ALGOR_get0(&oid, NULL, NULL, digest);

    switch (OBJ_obj2nid(oid)) {

    case NID_sha1:
        return EVP_sha1();

    case NID_sha224:
        return EVP_sha224();

    case NID_sha256:
        return EVP_sha256();

    case NID_sha384:
        return EVP_sha384();

    case NID_sha512:
        return EVP_sha512();

    default:
        return NULL;
    }
}


/* RFC 5652, 5.3: the signed attribute equals the type of the content */

static mdm_uint_t
mdm_cms_content_type(CMS_ContentInfo *cms, CMS_SignerInfo *si)
{
    ASN1_OBJECT        *type;
    const ASN1_OBJECT  *content;

    type = CMS_signed_get0_data_by_OBJ(si, OBJ_nid2obj(NID_pkcs9_contentType),
                                       -3, V_ASN1_OBJECT);
    content = CMS_get0_eContentType(cms);

    return type != NULL && content != NULL && OBJ_cmp(type, content) == 0;
}


static mdm_int_t
mdm_cms_signature(CMS_ContentInfo *cms, CMS_SignerInfo *si, const EVP_MD *md,
    const mdm_str_t *body, const char **why)
{
    BIO         *bio;
    mdm_int_t    rc;
    EVP_MD_CTX  *ctx;

    if (CMS_signed_get_attr_count(si) >= 0
        && (!mdm_cms_content_type(cms, si) || CMS_SignerInfo_verify(si) != 1))
    {
        *why = "signature over the attributes does not verify";
        return MDM_DECLINED;
    }

    /* OpenSSL looks for the digest of the content in a chain of filters */

    rc = MDM_ERROR;
    ctx = NULL;

    bio = BIO_new(BIO_f_md());
    if (bio == NULL) {
        return MDM_ERROR;
    }

    if (BIO_set_md(bio, md) != 1
        || BIO_get_md_ctx(bio, &ctx) != 1
        || EVP_DigestUpdate(ctx, body->data, body->len) != 1)
    {
        goto done;
    }

    if (CMS_SignerInfo_verify_content(si, bio) != 1) {
        *why = "signature does not verify over the body";
        rc = MDM_DECLINED;
        goto done;
    }

    rc = MDM_OK;

done:

    BIO_free(bio);

    return rc;
}


static void
mdm_cms_free_signer(void *data)
{
    X509_free(data);
}


static void
mdm_cms_free(void *data)
{
    CMS_ContentInfo_free(data);
}
