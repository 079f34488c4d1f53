
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Verifies Mdm-Signature, a detached CMS signature of the body.
 */


#include <openssl/cms.h>
#include <openssl/err.h>

#include "mdm_certificate.h"
#include "mdm_cms.h"


static CMS_ContentInfo *mdm_cms_parse(const mdm_str_t *der);
static mdm_int_t mdm_cms_signed_data(CMS_ContentInfo *cms,
    const mdm_str_t *body, X509_STORE *trusted, int64_t now, X509 **signer,
    const char **why);
static X509 *mdm_cms_signer(CMS_SignerInfo *si, STACK_OF(X509) *certs);
static const EVP_MD *mdm_cms_digest(CMS_SignerInfo *si);
static mdm_uint_t mdm_cms_content_type(CMS_ContentInfo *cms,
    CMS_SignerInfo *si);
static mdm_int_t mdm_cms_signature(CMS_ContentInfo *cms, CMS_SignerInfo *si,
    const EVP_MD *md, const mdm_str_t *body, const char **why);
static void mdm_cms_free_signer(void *data);


mdm_int_t
mdm_cms_verify(mdm_arena_t *arena, const mdm_str_t *signature,
    const mdm_str_t *body, X509_STORE *trusted, int64_t now, X509 **signer,
    const char **why)
{
    int               mark;
    mdm_int_t         rc;
    mdm_str_t         der;
    CMS_ContentInfo  *cms;

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

    } else {
        rc = mdm_cms_signed_data(cms, body, trusted, now, signer, why);
        CMS_ContentInfo_free(cms);
    }

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


static CMS_ContentInfo *
mdm_cms_parse(const mdm_str_t *der)
{
    const u_char     *p;
    CMS_ContentInfo  *cms;

    if (der->len == 0) {
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
    X509_STORE *trusted, int64_t now, X509 **signer, const char **why)
{
    X509                      *cert;
    mdm_int_t                  rc;
    const EVP_MD              *md;
    CMS_SignerInfo            *si;
    STACK_OF(X509)            *certs;
    STACK_OF(CMS_SignerInfo)  *signers;

    if (CMS_is_detached(cms) != 1) {
        *why = "signature is not detached";
        return MDM_DECLINED;
    }

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

    rc = mdm_certificate_verify(cert, certs, trusted, now, why);
    if (rc != MDM_OK) {
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
