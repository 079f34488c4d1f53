
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a SCEP server says of itself, read as Apple's client reads it: lines
 * and content types are compared byte by byte, and where there is an RA it is
 * found by key usage.
 */


#include "mdmsim_ca.h"
#include "mdmsim_scep.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>


static int sim_scep_cap(const char *text, size_t len, const char *name);
static int sim_scep_one(sim_scep_t *s, const uint8_t *der, size_t len);
static int sim_scep_many(sim_scep_t *s, const uint8_t *der, size_t len);
static X509 *sim_scep_issuer(STACK_OF(X509) *certs, X509 *cert);
static int sim_scep_chain(sim_scep_t *s);
static int sim_scep_fingerprint(sim_scep_t *s, X509 *last);
static int sim_scep_usable(sim_scep_t *s, X509 *cert, const char *what);


/* whole lines; blanks belong to them */

static int
sim_scep_cap(const char *text, size_t len, const char *name)
{
    size_t       n;
    const char  *p, *end;

    end = text + len;

    for (p = text; p < end; p += n + 1) {
        for (n = 0; p + n < end && p[n] != '\r' && p[n] != '\n'; n++) {
            /* void */
        }

        if (n == strlen(name) && memcmp(p, name, n) == 0) {
            return 1;
        }
    }

    return 0;
}


int
sim_scep_caps(sim_scep_t *s, const char *text, size_t len)
{
    size_t                    i;
    sim_scep_server_t        *sv;
    const sim_scep_option_t  *o;

    static const struct {
        const char           *cap;
        const char           *digest;
        const char           *cipher;
    } caps[] = {
        { "SHA-256", "sha256", NULL },
        { "SHA-512", "sha512", NULL },
        { "SHA-1", "sha1", NULL },
        { "AES", NULL, "aes128" },
        { "DES3", NULL, "des3" }
    };

    o = &s->opt->scep;
    sv = &s->server;
    sv->digest = NULL;
    sv->cipher = NULL;

    for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        if (!sim_scep_cap(text, len, caps[i].cap)) {
            continue;
        }

        if (sv->digest == NULL) {
            sv->digest = caps[i].digest;
        }

        if (sv->cipher == NULL) {
            sv->cipher = caps[i].cipher;
        }
    }

    sv->post = sim_scep_cap(text, len, "POSTPKIOperation") && !o->get;
    sv->renewal = sim_scep_cap(text, len, "Renewal");

    if (o->legacy) {
        sv->digest = "sha1";
        sv->cipher = "des";
    }

    if (o->digest != NULL) {
        sv->digest = o->digest;
    }

    if (o->cipher != NULL) {
        sv->cipher = o->cipher;
    }

    if (sv->digest == NULL || sv->cipher == NULL) {
        return sim_scep_fail(s, SIM_SCEP_SERVER, "GetCACaps offers neither"
                             " %s", sv->cipher == NULL
                             ? "AES nor DES3" : "SHA-1, SHA-256 nor SHA-512");
    }

    return SIM_OK;
}


int
sim_scep_certs(sim_scep_t *s, const char *type, const char *body, size_t len)
{
    int                 rc;
    sim_scep_server_t  *sv;

    sv = &s->server;
    sk_X509_pop_free(sv->certs, X509_free);
    sv->certs = NULL;
    sv->recipient = NULL;
    sv->signer = NULL;

    if (strcmp(type, "application/x-x509-ca-cert") == 0) {
        rc = sim_scep_one(s, (const uint8_t *) body, len);

    } else if (strcmp(type, "application/x-x509-ca-ra-cert") == 0) {
        rc = sim_scep_many(s, (const uint8_t *) body, len);

    } else {
        rc = sim_scep_fail(s, SIM_SCEP_SERVER, "GetCACert answers with the"
                           " content type \"%s\"", type);
    }

    ERR_clear_error();

    if (rc != SIM_OK
        || sim_scep_usable(s, sv->recipient, "that reads requests") != SIM_OK
        || sim_scep_usable(s, sv->signer, "that signs replies") != SIM_OK)
    {
        return SIM_ERROR;
    }

    return SIM_OK;
}


/* the CA itself, and nothing behind it */

static int
sim_scep_one(sim_scep_t *s, const uint8_t *der, size_t len)
{
    X509                *cert;
    const uint8_t       *p;
    sim_scep_server_t   *sv;

    sv = &s->server;
    p = der;
    cert = d2i_X509(NULL, &p, (long) len);
    sv->certs = sk_X509_new_null();

    if (sv->certs == NULL || (cert != NULL && !sk_X509_push(sv->certs, cert)))
    {
        sim_ssl_die("cannot keep a certificate");
    }

    if (cert == NULL || p != der + len) {
        return sim_scep_fail(s, SIM_SCEP_SERVER,
                             "GetCACert is not one certificate in DER");
    }

    sv->recipient = cert;
    sv->signer = cert;
    sv->issuer = cert;

    return sim_scep_fingerprint(s, cert);
}


/* an RA, or two, with the chain to the root */

static int
sim_scep_many(sim_scep_t *s, const uint8_t *der, size_t len)
{
    int                         i;
    X509                       *cert;
    uint32_t                    usage;
    const uint8_t              *p;
    CMS_ContentInfo            *cms;
    sim_scep_server_t          *sv;
    STACK_OF(CMS_SignerInfo)   *signers;

    sv = &s->server;
    p = der;
    cms = d2i_CMS_ContentInfo(NULL, &p, (long) len);

    if (cms != NULL && p == der + len
        && OBJ_obj2nid(CMS_get0_type(cms)) == NID_pkcs7_signed)
    {
        signers = CMS_get0_SignerInfos(cms);

        if (signers == NULL || sk_CMS_SignerInfo_num(signers) == 0) {
            sv->certs = CMS_get1_certs(cms);
        }
    }

    CMS_ContentInfo_free(cms);

    if (sv->certs == NULL) {
        return sim_scep_fail(s, SIM_SCEP_SERVER,
                             "GetCACert is not a PKCS #7 with certificates"
                             " only");
    }

    for (i = 0; i < sk_X509_num(sv->certs); i++) {
        cert = sk_X509_value(sv->certs, i);

        if (X509_check_ca(cert) != 0
            || (X509_get_extension_flags(cert) & EXFLAG_KUSAGE) == 0)
        {
            continue;
        }

        usage = X509_get_key_usage(cert);

        if (sv->recipient == NULL && (usage & KU_KEY_ENCIPHERMENT)) {
            sv->recipient = cert;
        }

        if (sv->signer == NULL && (usage & KU_DIGITAL_SIGNATURE)) {
            sv->signer = cert;
        }
    }

    if (sv->recipient == NULL || sv->signer == NULL) {
        return sim_scep_fail(s, SIM_SCEP_SERVER,
                             "GetCACert has no RA with key usage %s",
                             sv->recipient == NULL ? "keyEncipherment"
                                                   : "digitalSignature");
    }

    return sim_scep_chain(s);
}


static X509 *
sim_scep_issuer(STACK_OF(X509) *certs, X509 *cert)
{
    int    i;
    X509  *issuer;

    for (i = 0; i < sk_X509_num(certs); i++) {
        issuer = sk_X509_value(certs, i);

        if (X509_NAME_cmp(X509_get_subject_name(issuer),
                          X509_get_issuer_name(cert))
            == 0
            && X509_check_ca(issuer) != 0
            && X509_verify(cert, X509_get0_pubkey(issuer)) == 1)
        {
            return issuer;
        }
    }

    return NULL;
}


/* from the RA to the root, all of it there */

static int
sim_scep_chain(sim_scep_t *s)
{
    int                 i;
    X509               *cert, *issuer;
    sim_scep_server_t  *sv;

    sv = &s->server;
    cert = sv->recipient;
    sv->issuer = sim_scep_issuer(sv->certs, cert);

    for (i = 0; i <= sk_X509_num(sv->certs); i++) {
        issuer = sim_scep_issuer(sv->certs, cert);

        if (issuer == NULL) {
            return sim_scep_fail(s, SIM_SCEP_SERVER, "GetCACert does not have"
                                 " the chain from the RA to a root");
        }

        if (issuer == cert) {
            break;
        }

        cert = issuer;
    }

    if (sim_scep_issuer(sv->certs, sv->signer) == NULL) {
        return sim_scep_fail(s, SIM_SCEP_SERVER, "GetCACert does not have the"
                             " CA of the RA that signs");
    }

    return sim_scep_fingerprint(s, cert);
}


/* MD5, SHA-1 or SHA-256, by its length, of the end of the chain */

static int
sim_scep_fingerprint(sim_scep_t *s, X509 *last)
{
    char           hex[2 * EVP_MAX_MD_SIZE + 1];
    size_t         n;
    uint8_t        hash[EVP_MAX_MD_SIZE];
    unsigned       i, len;
    const char    *want;
    const EVP_MD  *md;

    want = s->opt->scep.fingerprint;
    if (want == NULL) {
        return SIM_OK;
    }

    n = strlen(want);
    md = n == 32 ? EVP_md5() : n == 40 ? EVP_sha1() : EVP_sha256();

    if (X509_digest(last, md, hash, &len) != 1) {
        sim_ssl_die("cannot digest a certificate");
    }

    for (i = 0; i < len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }

    if (strcasecmp(hex, want) != 0) {
        return sim_scep_fail(s, SIM_SCEP_SERVER, "the CA's fingerprint is %s",
                             hex);
    }

    return SIM_OK;
}


static int
sim_scep_usable(sim_scep_t *s, X509 *cert, const char *what)
{
    if (!EVP_PKEY_is_a(X509_get0_pubkey(cert), "RSA")) {
        return sim_scep_fail(s, SIM_SCEP_SERVER,
                             "the certificate %s has no RSA key", what);
    }

    if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0
        || X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
    {
        return sim_scep_fail(s, SIM_SCEP_SERVER,
                             "the certificate %s is not valid now", what);
    }

    return SIM_OK;
}
