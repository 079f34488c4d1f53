
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * MachineInfo and the attributes of a Profile Service, signed.
 */


#include "mdmsim_apple.h"
#include "mdmsim_cert.h"
#include "mdmsim_ca.h"

#include <openssl/cms.h>
#include <openssl/pem.h>


static BIO *sim_apple_open(const char *file);
static X509 *sim_apple_cert(const char *file);


void
sim_apple_info(sim_plist_t *w, const sim_option_t *opt, const sim_device_t *d)
{
    sim_plist_kstr(w, "LANGUAGE", "en");

    if (opt->can_update) {
        sim_plist_key(w, "MDM_CAN_REQUEST_SOFTWARE_UPDATE");
        sim_plist_bool(w, 1);
    }

    sim_plist_kstr(w, "OS_VERSION", d->os);
    sim_plist_kstr(w, "PRODUCT", d->product);
    sim_plist_kstr(w, "SERIAL", d->serial);
    sim_plist_kstr(w, "UDID", d->id);
    sim_plist_kstr(w, "VERSION", d->build);
}


void
sim_apple_attributes(sim_plist_t *w, const sim_device_t *d,
    const char *challenge)
{
    if (challenge != NULL) {
        sim_plist_kstr(w, "CHALLENGE", challenge);
    }

    sim_plist_kstr(w, "DEVICE_NAME", d->name);
    sim_plist_kstr(w, "LANGUAGE", "en");
    sim_plist_kstr(w, "PRODUCT", d->product);
    sim_plist_kstr(w, "SERIAL", d->serial);
    sim_plist_kstr(w, "UDID", d->id);
    sim_plist_kstr(w, "VERSION", d->build);
}


static BIO *
sim_apple_open(const char *file)
{
    BIO  *bio;

    bio = BIO_new_file(file, "r");
    if (bio == NULL) {
        sim_die("cannot read \"%s\"", file);
    }

    return bio;
}


static X509 *
sim_apple_cert(const char *file)
{
    BIO   *bio;
    X509  *cert;

    bio = sim_apple_open(file);
    cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);

    if (cert == NULL) {
        sim_die("no certificate in \"%s\"", file);
    }

    return cert;
}


void
sim_apple_sign(const sim_option_t *opt, const sim_device_t *d,
    const sim_buf_t *content, sim_buf_t *out)
{
    BIO       *bio;
    X509      *cert, *chain;
    EVP_PKEY  *key;

    cert = sim_apple_cert(opt->apple_cert);
    chain = NULL;

    if (opt->apple_chain != NULL && d->kind != SIM_MAC) {
        chain = sim_apple_cert(opt->apple_chain);
    }

    bio = sim_apple_open(opt->apple_key);
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);

    if (key == NULL) {
        sim_die("no key in \"%s\"", opt->apple_key);
    }

    sim_apple_sign_as(opt, cert, key, chain, content, out);

    X509_free(cert);
    X509_free(chain);
    EVP_PKEY_free(key);
}


void
sim_apple_sign_as(const sim_option_t *opt, X509 *cert, EVP_PKEY *key,
    X509 *chain, const sim_buf_t *content, sim_buf_t *out)
{
    BIO              *bio;
    int               n;
    uint8_t          *der;
    unsigned          flags;
    CMS_SignerInfo   *signer;
    CMS_ContentInfo  *cms;

    flags = CMS_BINARY|CMS_NOSMIMECAP|CMS_PARTIAL;
    if (opt->sign_noattr) {
        flags |= CMS_NOATTR;
    }

    der = NULL;
    signer = NULL;

    bio = BIO_new_mem_buf(content->data, (int) content->len);
    cms = CMS_sign(NULL, NULL, NULL, bio, flags);

    if (bio != NULL && cms != NULL) {
        signer = CMS_add1_signer(cms, cert, key, opt->sign_sha1 ? EVP_sha1()
                                                        : EVP_sha256(),
                                 flags);
    }

    if (signer == NULL
        || (chain != NULL && CMS_add1_cert(cms, chain) != 1)
        || CMS_final(cms, bio, NULL, flags & ~(unsigned) CMS_PARTIAL) != 1)
    {
        sim_ssl_die("cannot sign what a device says of itself");
    }

    n = i2d_CMS_ContentInfo(cms, &der);
    if (n <= 0) {
        sim_ssl_die("cannot sign what a device says of itself");
    }

    out->len = 0;
    sim_buf_add(out, der, (size_t) n);

    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    BIO_free(bio);
}
