
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Profiles encrypted to a device, and signed.
 */


#include <openssl/cms.h>
#include <openssl/err.h>

#include "mdm_certificate.h"
#include "mdm_profile.h"


static CMS_ContentInfo *mdm_profile_signed(const mdm_enroll_block_t *block,
    const mdm_str_t *xml);
static CMS_ContentInfo *mdm_profile_sealed(X509 *recipient,
    const mdm_str_t *xml);
static mdm_int_t mdm_profile_der(mdm_arena_t *arena, CMS_ContentInfo *cms,
    const char *what, int mark, mdm_str_t *der);


mdm_int_t
mdm_profile_sign(mdm_arena_t *arena, const mdm_enroll_block_t *block,
    const mdm_str_t *xml, mdm_str_t *der)
{
    int  mark;

    mark = ERR_set_mark();

    return mdm_profile_der(arena, mdm_profile_signed(block, xml), "CMS_sign",
                           mark, der);
}


static CMS_ContentInfo *
mdm_profile_signed(const mdm_enroll_block_t *block, const mdm_str_t *xml)
{
    BIO              *bio;
    unsigned int      flags;
    CMS_ContentInfo  *cms;

    flags = CMS_BINARY|CMS_NOSMIMECAP|CMS_PARTIAL;

    bio = BIO_new_mem_buf(xml->data, (int) xml->len);
    if (bio == NULL) {
        return NULL;
    }

    cms = CMS_sign(NULL, NULL, block->sign_chain, NULL, flags);

    if (cms != NULL
        && (CMS_add1_signer(cms, block->sign, block->sign_key, EVP_sha256(),
                            flags)
            == NULL
            || CMS_final(cms, bio, NULL, CMS_BINARY) != 1))
    {
        CMS_ContentInfo_free(cms);
        cms = NULL;
    }

    BIO_free(bio);

    return cms;
}


mdm_int_t
mdm_profile_encrypt(mdm_arena_t *arena, const mdm_profile_t *p,
    plist_t profile)
{
    int        mark;
    plist_t    content;
    mdm_str_t  xml, der;

    mdm_str_null(&xml);
    mdm_str_null(&der);

    /* a key that only signs takes none */

    if (p->recipient == NULL
        || EVP_PKEY_get_base_id(X509_get0_pubkey(p->recipient))
           != EVP_PKEY_RSA)
    {
        return MDM_OK;
    }

    content = plist_dict_get_item(profile, "PayloadContent");

    if (mdm_plist_xml(arena, content, &xml) != MDM_OK) {
        return MDM_ERROR;
    }

    mark = ERR_set_mark();

    if (mdm_profile_der(arena, mdm_profile_sealed(p->recipient, &xml),
                        "CMS_encrypt", mark, &der)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    plist_dict_remove_item(profile, "PayloadContent");
    plist_dict_set_item(profile, "IsEncrypted", plist_new_bool(1));
    plist_dict_set_item(profile, "EncryptedPayloadContent",
                        plist_new_data((char *) der.data, der.len));

    return MDM_OK;
}


static CMS_ContentInfo *
mdm_profile_sealed(X509 *recipient, const mdm_str_t *xml)
{
    BIO              *bio;
    CMS_ContentInfo  *cms;
    STACK_OF(X509)   *recipients;

    bio = BIO_new_mem_buf(xml->data, (int) xml->len);
    recipients = sk_X509_new_null();
    cms = NULL;

    if (bio != NULL && recipients != NULL
        && sk_X509_push(recipients, recipient) > 0)
    {
        cms = CMS_encrypt(recipients, bio, EVP_aes_256_cbc(), CMS_BINARY);
    }

    sk_X509_free(recipients);
    BIO_free(bio);

    return cms;
}


/* takes "cms" over; NULL: it has failed */

static mdm_int_t
mdm_profile_der(mdm_arena_t *arena, CMS_ContentInfo *cms, const char *what,
    int mark, mdm_str_t *der)
{
    mdm_int_t  rc;

    rc = (cms != NULL)
         ? mdm_certificate_encode(arena, cms, ASN1_ITEM_rptr(CMS_ContentInfo),
                                  der)
         : MDM_ERROR;

    if (rc != MDM_OK) {
        rc = mdm_certificate_memory(mark) ? mdm_arena_no_memory(arena)
                                          : mdm_arena_failed(arena, what);
    }

    CMS_ContentInfo_free(cms);

    ERR_pop_to_mark();

    return rc;
}


mdm_int_t
mdm_profile_fingerprint(mdm_arena_t *arena, const mdm_ca_t *ca,
    mdm_str_t *digest)
{
    int            n;
    X509          *last;
    unsigned int   len;

    /* what mdm_scep_prepare() puts last */

    last = ca->cert;
    n = sk_X509_num(ca->chain);

    if (ca->ra != NULL && n > 0) {
        last = sk_X509_value(ca->chain, n - 1);
    }

    digest->data = mdm_arena_alloc(arena, EVP_MAX_MD_SIZE);
    if (digest->data == NULL) {
        return MDM_ERROR;
    }

    if (X509_digest(last, EVP_sha1(), digest->data, &len) != 1) {
        return mdm_arena_failed(arena, "X509_digest");
    }

    digest->len = len;

    return MDM_OK;
}
