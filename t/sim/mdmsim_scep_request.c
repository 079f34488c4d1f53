
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * SCEP requests: the CSR, its envelope, the signature around both, and what
 * may be wrong with them on purpose.
 */


#include "mdmsim_ca.h"
#include "mdmsim_scep.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>


static X509_NAME *sim_scep_subject(const sim_scep_t *s);
static void sim_scep_rdn(const sim_scep_t *s, X509_NAME *name,
    const char *type, size_t type_len, const char *value, size_t len);
static const char *sim_scep_usage(const sim_scep_t *s);
static void sim_scep_id(sim_scep_t *s);
static X509 *sim_scep_self(const sim_scep_t *s, EVP_PKEY *key);
static void sim_scep_csr(const sim_scep_t *s, sim_buf_t *out);
static void sim_scep_challenge(const sim_scep_t *s, X509_REQ *req);
static void sim_scep_what(const sim_scep_t *s, sim_buf_t *out);
static void sim_scep_seal(const sim_scep_t *s, const sim_buf_t *text,
    sim_buf_t *out);
static void sim_scep_recipients(const sim_scep_t *s, STACK_OF(X509) *list);
static void sim_scep_sign(const sim_scep_t *s, CMS_ContentInfo *cms,
    X509 *cert, EVP_PKEY *key, int type);
static void sim_scep_der(CMS_ContentInfo *cms, sim_buf_t *out);


void
sim_scep_begin(sim_scep_t *s)
{
    EVP_PKEY  *key;

    s->subject = sim_scep_subject(s);
    sim_scep_id(s);

    /* a renewal is signed by what the device has, a first request by itself */

    if (s->present.cert != NULL) {
        s->signer = s->present.cert;
        s->signer_key = s->present.key;

        if (X509_up_ref(s->signer) != 1
            || EVP_PKEY_up_ref(s->signer_key) != 1)
        {
            sim_ssl_die("cannot keep a key");
        }

        return;
    }

    key = s->key;

    if (s->opt->scep.fault == SIM_FAULT_SIGNER) {
        key = EVP_RSA_gen(2048);

    } else if (EVP_PKEY_up_ref(key) != 1) {
        key = NULL;
    }

    if (key == NULL) {
        sim_ssl_die("cannot make a key");
    }

    s->signer_key = key;
    s->signer = sim_scep_self(s, key);

    return;
}


/* "CN=${id},O=Example"; that is all there is of a syntax */

static X509_NAME *
sim_scep_subject(const sim_scep_t *s)
{
    size_t       n;
    X509_NAME   *name;
    const char  *p, *eq;

    name = X509_NAME_new();
    if (name == NULL) {
        sim_ssl_die("cannot make a subject");
    }

    p = s->opt->scep.subject;
    if (p == NULL) {
        p = "O=mdmsim,CN=${id}";
    }

    for ( ;; ) {
        n = strcspn(p, ",");
        eq = memchr(p, '=', n);

        if (eq == NULL || eq - p > 63) {
            sim_die("\"--scep-subject\" is not like \"CN=${id},O=Example\"");
        }

        sim_scep_rdn(s, name, p, (size_t) (eq - p), eq + 1,
                     n - (size_t) (eq + 1 - p));

        if (p[n] == '\0') {
            return name;
        }

        p += n + 1;
    }
}


static void
sim_scep_rdn(const sim_scep_t *s, X509_NAME *name, const char *type,
    size_t type_len, const char *value, size_t len)
{
    char       text[64];
    size_t     i;
    sim_buf_t  v;

    snprintf(text, sizeof(text), "%.*s", (int) type_len, type);
    memset(&v, 0, sizeof(sim_buf_t));

    for (i = 0; i < len; i++) {

        if (len - i >= 5 && memcmp(value + i, "${id}", 5) == 0) {
            sim_buf_str(&v, s->device.id);
            i += 4;

        } else if (len - i >= 9 && memcmp(value + i, "${serial}", 9) == 0) {
            sim_buf_str(&v, s->device.serial);
            i += 8;

        } else {
            sim_buf_add(&v, value + i, 1);
        }
    }

    if (X509_NAME_add_entry_by_txt(name, text, MBSTRING_UTF8,
                                   (const uint8_t *) v.data, (int) v.len, -1,
                                   0)
        != 1)
    {
        sim_ssl_die("\"--scep-subject\"");
    }

    sim_buf_free(&v);
}


static const char *
sim_scep_usage(const sim_scep_t *s)
{
    switch (s->opt->scep.usage) {

    case 1:
        return "critical,digitalSignature";

    case 4:
        return "critical,keyEncipherment";

    case 5:
        return "critical,digitalSignature,keyEncipherment";

    default:
        return NULL;
    }
}


/* follows from the key, so that a request that is repeated is the same one */

static void
sim_scep_id(sim_scep_t *s)
{
    int             i, n;
    uint8_t        *der, hash[SHA_DIGEST_LENGTH];
    const uint8_t  *from;

    der = NULL;
    n = i2d_PUBKEY(s->key, &der);
    if (n <= 0) {
        sim_ssl_die("cannot write a key");
    }

    from = der;

    if (s->opt->scep.fault == SIM_FAULT_POLL) {
        from = s->nonce;
        n = SIM_SCEP_NONCE;

        if (RAND_bytes(s->nonce, SIM_SCEP_NONCE) != 1) {
            sim_ssl_die("no random numbers");
        }
    }

    if (EVP_Digest(from, (size_t) n, hash, NULL, EVP_sha1(), NULL) != 1) {
        sim_ssl_die("cannot digest a key");
    }

    for (i = 0; i < SHA_DIGEST_LENGTH; i++) {
        snprintf(s->id + 2 * i, 3, "%02X", hash[i]);
    }

    OPENSSL_free(der);
}


static X509 *
sim_scep_self(const sim_scep_t *s, EVP_PKEY *key)
{
    X509            *cert;
    const char      *usage;
    X509_EXTENSION  *ext;

    cert = X509_new();

    if (cert == NULL
        || X509_set_version(cert, X509_VERSION_3) != 1
        || ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) != 1
        || X509_gmtime_adj(X509_getm_notBefore(cert), -86400) == NULL
        || X509_gmtime_adj(X509_getm_notAfter(cert), 86400 * 365) == NULL
        || X509_set_subject_name(cert, s->subject) != 1
        || X509_set_issuer_name(cert, s->subject) != 1
        || X509_set_pubkey(cert, key) != 1)
    {
        sim_ssl_die("cannot make a certificate");
    }

    usage = sim_scep_usage(s);

    if (usage != NULL) {
        ext = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, usage);

        if (ext == NULL || X509_add_ext(cert, ext, -1) != 1) {
            sim_ssl_die("cannot make a certificate");
        }

        X509_EXTENSION_free(ext);
    }

    if (X509_sign(cert, key, s->opt->scep.legacy ? EVP_sha1() : EVP_sha256())
        == 0)
    {
        sim_ssl_die("cannot sign a certificate");
    }

    return cert;
}


static void
sim_scep_challenge(const sim_scep_t *s, X509_REQ *req)
{
    char    text[256];
    size_t  len;

    if (s->challenge == NULL) {
        return;
    }

    len = strlen(s->challenge);
    snprintf(text, sizeof(text), "%s", s->challenge);

    if (s->opt->scep.fault == SIM_FAULT_CHALLENGE) {
        text[len - 1] = text[len - 1] == 'A' ? 'B' : 'A';
    }

    if (X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword,
                                  MBSTRING_UTF8, (const uint8_t *) text,
                                  (int) len)
        != 1)
    {
        sim_ssl_die("bad challenge");
    }
}


static void
sim_scep_csr(const sim_scep_t *s, sim_buf_t *out)
{
    int                        n;
    uint8_t                   *der;
    X509_REQ                  *req;
    const char                *usage;
    X509_EXTENSION            *ext;
    STACK_OF(X509_EXTENSION)  *exts;

    req = X509_REQ_new();

    if (req == NULL
        || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1
        || X509_REQ_set_subject_name(req, s->subject) != 1
        || X509_REQ_set_pubkey(req, s->key) != 1)
    {
        sim_ssl_die("cannot make a CSR");
    }

    sim_scep_challenge(s, req);

    usage = sim_scep_usage(s);

    if (usage != NULL) {
        ext = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, usage);
        exts = sk_X509_EXTENSION_new_null();

        if (ext == NULL || exts == NULL || !sk_X509_EXTENSION_push(exts, ext)
            || X509_REQ_add_extensions(req, exts) != 1)
        {
            sim_ssl_die("cannot make a CSR");
        }

        sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    }

    der = NULL;

    if (X509_REQ_sign(req, s->key,
                      s->opt->scep.legacy ? EVP_sha1() : EVP_sha256())
        == 0
        || (n = i2d_X509_REQ(req, &der)) <= 0)
    {
        sim_ssl_die("cannot sign a CSR");
    }

    if (s->opt->scep.fault == SIM_FAULT_CSR) {
        der[n - 1] ^= 1;
    }

    sim_buf_add(out, der, (size_t) n);

    OPENSSL_free(der);
    X509_REQ_free(req);
}


/* IssuerAndSubject: what a CertPoll asks for */

static void
sim_scep_what(const sim_scep_t *s, sim_buf_t *out)
{
    int         i, n;
    uint8_t    *der;
    sim_der_t   w;
    X509_NAME  *names[2];

    names[0] = X509_get_subject_name(s->server.issuer);
    names[1] = s->subject;
    w.pos = sizeof(w.data);

    for (i = 1; i >= 0; i--) {
        der = NULL;
        n = i2d_X509_NAME(names[i], &der);

        if (n <= 0 || (size_t) n > SIM_DER_MAX / 4) {
            sim_ssl_die("cannot write a name");
        }

        sim_der_put(&w, der, (size_t) n);
        OPENSSL_free(der);
    }

    sim_der_head(&w, 0x30, sizeof(w.data));
    sim_buf_add(out, w.data + w.pos, sizeof(w.data) - w.pos);
}


/* clients of old encrypt to all that GetCACert has, if only it is RSA */

static void
sim_scep_recipients(const sim_scep_t *s, STACK_OF(X509) *list)
{
    int    i;
    X509  *cert;

    if (!s->opt->scep.legacy) {
        if (!sk_X509_push(list, s->server.recipient)) {
            sim_ssl_die("no list");
        }

        return;
    }

    for (i = 0; i < sk_X509_num(s->server.certs); i++) {
        cert = sk_X509_value(s->server.certs, i);

        if (EVP_PKEY_is_a(X509_get0_pubkey(cert), "RSA")
            && !sk_X509_push(list, cert))
        {
            sim_ssl_die("no list");
        }
    }
}


static void
sim_scep_seal(const sim_scep_t *s, const sim_buf_t *text, sim_buf_t *out)
{
    BIO              *bio;
    size_t            i;
    EVP_CIPHER       *cipher;
    STACK_OF(X509)   *to;
    CMS_ContentInfo  *cms;

    static const struct {
        const char   *name;
        const char   *openssl;
    } ciphers[] = {
        { "aes128", "AES-128-CBC" }, { "aes192", "AES-192-CBC" },
        { "aes256", "AES-256-CBC" }, { "des3", "DES-EDE3-CBC" },
        { "des", "DES-CBC" }
    };

    for (i = 0; strcmp(ciphers[i].name, s->server.cipher) != 0; i++) {
        /* void */
    }

    cipher = EVP_CIPHER_fetch(s->lib, ciphers[i].openssl, NULL);
    bio = BIO_new_mem_buf(text->data, (int) text->len);
    to = sk_X509_new_null();

    if (cipher == NULL || bio == NULL || to == NULL) {
        sim_ssl_die("cannot encrypt");
    }

    sim_scep_recipients(s, to);
    cms = CMS_encrypt_ex(to, bio, cipher, CMS_BINARY, s->lib, NULL);
    if (cms == NULL) {
        sim_ssl_die("cannot encrypt");
    }

    sim_scep_der(cms, out);

    /* the end of what is encrypted: the padding is wrong, or the text */

    if (s->opt->scep.fault == SIM_FAULT_ENVELOPE) {
        out->data[out->len - 1] ^= 1;
    }

    CMS_ContentInfo_free(cms);
    sk_X509_free(to);
    BIO_free(bio);
    EVP_CIPHER_free(cipher);
}


static void
sim_scep_der(CMS_ContentInfo *cms, sim_buf_t *out)
{
    int       n;
    uint8_t  *der;

    der = NULL;
    n = i2d_CMS_ContentInfo(cms, &der);
    if (n <= 0) {
        sim_ssl_die("cannot write a message");
    }

    sim_buf_add(out, der, (size_t) n);
    OPENSSL_free(der);
}


static void
sim_scep_sign(const sim_scep_t *s, CMS_ContentInfo *cms, X509 *cert,
    EVP_PKEY *key, int type)
{
    int              rc;
    char             text[8];
    unsigned         flags;
    sim_fault_e      fault;
    const EVP_MD    *md;
    CMS_SignerInfo  *si;

    fault = s->opt->scep.fault;
    md = EVP_get_digestbyname(s->server.digest);
    flags = CMS_BINARY|CMS_NOSMIMECAP;

    if (fault == SIM_FAULT_NOATTR) {
        flags |= CMS_NOATTR;
    }

    si = md == NULL ? NULL : CMS_add1_signer(cms, cert, key, md, flags);
    if (si == NULL) {
        sim_ssl_die("cannot sign a message");
    }

    if (fault == SIM_FAULT_NOATTR) {
        return;
    }

    snprintf(text, sizeof(text), "%d", fault == SIM_FAULT_TYPE ? 99 : type);

    rc = sim_scep_attr_add(si, SIM_OID_TYPE, V_ASN1_PRINTABLESTRING, text,
                           strlen(text));

    if (rc == SIM_OK && fault != SIM_FAULT_TRANSACTION) {
        rc = sim_scep_attr_add(si, SIM_OID_ID, V_ASN1_PRINTABLESTRING, s->id,
                               strlen(s->id));
    }

    if (rc == SIM_OK && fault != SIM_FAULT_NONCE) {
        rc = sim_scep_attr_add(si, SIM_OID_NONCE, V_ASN1_OCTET_STRING,
                               s->nonce, sizeof(s->nonce));
    }

    if (rc != SIM_OK) {
        sim_ssl_die("cannot sign a message");
    }
}


void
sim_scep_request(sim_scep_t *s, int type)
{
    BIO              *bio;
    X509             *other;
    EVP_PKEY         *key;
    sim_buf_t         text, envelope;
    CMS_ContentInfo  *cms;

    memset(&text, 0, sizeof(sim_buf_t));
    memset(&envelope, 0, sizeof(sim_buf_t));

    if (RAND_bytes(s->nonce, SIM_SCEP_NONCE) != 1) {
        sim_ssl_die("no random numbers");
    }

    if (type == SIM_SCEP_POLL) {
        sim_scep_what(s, &text);

    } else {
        sim_scep_csr(s, &text);
    }

    sim_scep_seal(s, &text, &envelope);

    bio = BIO_new_mem_buf(envelope.data, (int) envelope.len);
    cms = CMS_sign(NULL, NULL, NULL, bio,
                   CMS_PARTIAL|CMS_BINARY|CMS_NOSMIMECAP);

    if (bio == NULL || cms == NULL) {
        sim_ssl_die("cannot sign a message");
    }

    sim_scep_sign(s, cms, s->signer, s->signer_key, type);

    if (s->opt->scep.fault == SIM_FAULT_SIGNERS) {
        key = EVP_RSA_gen(2048);
        if (key == NULL) {
            sim_ssl_die("cannot make a key");
        }

        other = sim_scep_self(s, key);
        sim_scep_sign(s, cms, other, key, type);
        X509_free(other);
        EVP_PKEY_free(key);
    }

    if (CMS_final(cms, bio, NULL, CMS_BINARY) != 1) {
        sim_ssl_die("cannot sign a message");
    }

    s->message.len = 0;
    sim_scep_der(cms, &s->message);

    /* the signature ends the message */

    if (s->opt->scep.fault == SIM_FAULT_SIGNATURE) {
        s->message.data[s->message.len - 1] ^= 1;
    }

    CMS_ContentInfo_free(cms);
    BIO_free(bio);
    sim_buf_free(&text);
    sim_buf_free(&envelope);
}
