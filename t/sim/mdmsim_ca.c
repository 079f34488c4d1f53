
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The CA: made, loaded, and signing the same way every time.
 */


#include "mdmsim_ca.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>


static size_t sim_ca_sign_p256(sim_ca_t *ca, const uint8_t *tbs, size_t len,
    uint8_t *sig, size_t size);
static void sim_ca_open(sim_ca_t *ca, const char *cert, const char *key);
static void sim_ca_parts(sim_ca_t *ca);
static X509 *sim_x509(EVP_PKEY *key, const char *cn, X509 *issuer,
    EVP_PKEY *issuer_key, const char *const *extensions);
static void sim_pem(const char *dir, const char *name, X509 *cert,
    EVP_PKEY *key, int force);


void
sim_ssl_die(const char *what)
{
    char           text[256];
    unsigned long  e;

    e = ERR_get_error();
    ERR_error_string_n(e, text, sizeof(text));
    sim_die("%s: %s", what, e != 0 ? text : "failed");
}


/* a number below the order of P-256 that only the owner of the CA can know */

void
sim_scalar(sim_ca_t *ca, const char *label, const void *data, size_t len,
    BIGNUM *n)
{
    uint8_t      hash[SHA512_DIGEST_LENGTH];
    EVP_MD_CTX  *md;

    md = EVP_MD_CTX_new();

    if (md == NULL
        || EVP_DigestInit_ex(md, EVP_sha512(), NULL) != 1
        || EVP_DigestUpdate(md, ca->secret, sizeof(ca->secret)) != 1
        || EVP_DigestUpdate(md, label, strlen(label)) != 1
        || EVP_DigestUpdate(md, data, len) != 1
        || EVP_DigestFinal_ex(md, hash, NULL) != 1
        || BN_bin2bn(hash, sizeof(hash), n) == NULL
        || BN_mod(n, n, EC_GROUP_get0_order(ca->group), ca->ctx) != 1)
    {
        sim_ssl_die("cannot derive a key");
    }

    if (BN_is_zero(n)) {
        BN_one(n);
    }

    EVP_MD_CTX_free(md);
}


void
sim_point(sim_ca_t *ca, const BIGNUM *d, uint8_t *point)
{
    EC_POINT  *p;

    p = EC_POINT_new(ca->group);

    if (p == NULL
        || EC_POINT_mul(ca->group, p, d, NULL, NULL, ca->ctx) != 1
        || EC_POINT_point2oct(ca->group, p, POINT_CONVERSION_UNCOMPRESSED,
                              point, 65, ca->ctx)
           != 65)
    {
        sim_ssl_die("cannot make a public key");
    }

    EC_POINT_free(p);
}


EVP_PKEY *
sim_pkey(const BIGNUM *d, const uint8_t *point)
{
    EVP_PKEY        *key;
    OSSL_PARAM      *params;
    EVP_PKEY_CTX    *ctx;
    OSSL_PARAM_BLD  *bld;

    key = NULL;
    params = NULL;
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    bld = OSSL_PARAM_BLD_new();

    if (ctx == NULL || bld == NULL
        || OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                           "prime256v1", 0)
           != 1
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d) != 1
        || OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
                                            point, 65)
           != 1
        || (params = OSSL_PARAM_BLD_to_param(bld)) == NULL
        || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
    {
        sim_ssl_die("cannot make a key");
    }

    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);

    return key;
}


/*
 * ECDSA with a nonce derived from the key and the message in the spirit of
 * RFC 6979: OpenSSL 3.0 can only take a random one.
 */

static size_t
sim_ca_sign_p256(sim_ca_t *ca, const uint8_t *tbs, size_t len, uint8_t *sig,
    size_t size)
{
    int              n;
    BIGNUM          *k, *r, *s, *z;
    uint8_t          hash[SHA256_DIGEST_LENGTH], point[65], *p;
    ECDSA_SIG       *ecdsa;
    const BIGNUM    *order;

    order = EC_GROUP_get0_order(ca->group);
    k = BN_new();
    r = BN_new();
    s = BN_new();
    z = BN_new();
    ecdsa = ECDSA_SIG_new();

    if (k == NULL || r == NULL || s == NULL || z == NULL || ecdsa == NULL
        || EVP_Digest(tbs, len, hash, NULL, EVP_sha256(), NULL) != 1)
    {
        sim_ssl_die("cannot sign");
    }

    sim_scalar(ca, "nonce", hash, sizeof(hash), k);
    sim_point(ca, k, point);

    /* r = x mod n, s = (z + r d) / k mod n; neither is 0 but by a miracle */

    if (BN_bin2bn(point + 1, 32, r) == NULL
        || BN_nnmod(r, r, order, ca->ctx) != 1
        || BN_bin2bn(hash, sizeof(hash), z) == NULL
        || BN_mod_mul(s, r, ca->d, order, ca->ctx) != 1
        || BN_mod_add(s, s, z, order, ca->ctx) != 1
        || BN_mod_inverse(k, k, order, ca->ctx) == NULL
        || BN_mod_mul(s, s, k, order, ca->ctx) != 1
        || BN_is_zero(r) || BN_is_zero(s)
        || ECDSA_SIG_set0(ecdsa, r, s) != 1)
    {
        sim_ssl_die("cannot sign");
    }

    p = sig;
    n = i2d_ECDSA_SIG(ecdsa, NULL);
    if (n <= 0 || (size_t) n > size || i2d_ECDSA_SIG(ecdsa, &p) != n) {
        sim_ssl_die("cannot sign");
    }

    ECDSA_SIG_free(ecdsa);
    BN_clear_free(k);
    BN_free(z);

    return (size_t) n;
}


size_t
sim_ca_sign(sim_ca_t *ca, const uint8_t *tbs, size_t len, uint8_t *sig,
    size_t size)
{
    EVP_MD_CTX  *md;

    if (ca->type == SIM_CA_P256) {
        return sim_ca_sign_p256(ca, tbs, len, sig, size);
    }

    /* RSA with PKCS #1 1.5 and Ed25519 need no nonce */

    md = EVP_MD_CTX_new();

    if (md == NULL
        || EVP_DigestSignInit(md, NULL,
                              ca->type == SIM_CA_RSA ? EVP_sha256() : NULL,
                              NULL, ca->key)
           != 1
        || EVP_DigestSign(md, sig, &size, tbs, len) != 1)
    {
        sim_ssl_die("cannot sign");
    }

    EVP_MD_CTX_free(md);

    return size;
}


static void
sim_ca_open(sim_ca_t *ca, const char *cert, const char *key)
{
    BIO        *bio;
    sim_buf_t   text;

    memset(&text, 0, sizeof(sim_buf_t));

    sim_read_file(cert, &text);
    bio = BIO_new_mem_buf(text.data, (int) text.len);
    ca->cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (ca->cert == NULL) {
        sim_die("no certificate in \"%s\"", cert);
    }
    BIO_free(bio);

    text.len = 0;
    sim_read_file(key, &text);
    bio = BIO_new_mem_buf(text.data, (int) text.len);
    ca->key = bio == NULL ? NULL
                          : PEM_read_bio_PrivateKey(bio, NULL, NULL,
                                                    (void *) "");
    if (ca->key == NULL) {
        sim_die("no private key without a password in \"%s\"", key);
    }
    BIO_free(bio);

    OPENSSL_cleanse(text.data, text.len);
    sim_buf_free(&text);

    if (X509_check_private_key(ca->cert, ca->key) != 1) {
        sim_die("\"%s\" is not the key of \"%s\"", key, cert);
    }

    if (X509_check_ca(ca->cert) == 0) {
        sim_die("\"%s\" is not the certificate of a CA", cert);
    }
}


/* what every certificate takes from the CA's, and the secret of its key */

static void
sim_ca_parts(sim_ca_t *ca)
{
    int                       i, n;
    uint8_t                  *der;
    sim_der_t                 w;
    const ASN1_TIME          *times[2];
    const ASN1_OCTET_STRING  *id;

    der = NULL;
    n = i2d_PrivateKey(ca->key, &der);
    if (n <= 0
        || EVP_Digest(der, (size_t) n, ca->secret, NULL, EVP_sha256(), NULL)
           != 1)
    {
        sim_ssl_die("cannot read the CA's key");
    }
    OPENSSL_clear_free(der, (size_t) n);

    der = NULL;
    n = i2d_X509_NAME(X509_get_subject_name(ca->cert), &der);
    if (n <= 0) {
        sim_ssl_die("cannot read the CA's subject");
    }
    sim_buf_add(&ca->issuer, der, (size_t) n);
    OPENSSL_free(der);

    times[0] = X509_get0_notBefore(ca->cert);
    times[1] = X509_get0_notAfter(ca->cert);
    w.pos = sizeof(w.data);

    for (i = 1; i >= 0; i--) {
        der = NULL;
        n = i2d_ASN1_TIME(times[i], &der);
        if (n <= 0) {
            sim_ssl_die("cannot read the CA's validity");
        }
        sim_der_put(&w, der, (size_t) n);
        OPENSSL_free(der);
    }

    sim_der_head(&w, 0x30, sizeof(w.data));
    sim_buf_add(&ca->validity, w.data + w.pos, sizeof(w.data) - w.pos);

    id = X509_get0_subject_key_id(ca->cert);
    if (id != NULL) {
        w.pos = sizeof(w.data);
        sim_der_put(&w, ASN1_STRING_get0_data(id),
                    (size_t) ASN1_STRING_length(id));
        sim_der_head(&w, 0x80, sizeof(w.data));
        sim_der_head(&w, 0x30, sizeof(w.data));
        sim_buf_add(&ca->aki, w.data + w.pos, sizeof(w.data) - w.pos);

        w.pos = sizeof(w.data);
        sim_der_extension(&w, 0x23, 0, (uint8_t *) ca->aki.data,
                          ca->aki.len);
        ca->aki.len = 0;
        sim_buf_add(&ca->aki, w.data + w.pos, sizeof(w.data) - w.pos);
    }
}


sim_ca_t *
sim_ca_load(const sim_option_t *opt)
{
    char       cert[4096], key[4096], group[64];
    BIGNUM    *d;
    sim_ca_t  *ca;

    ca = sim_alloc(sizeof(sim_ca_t));

    if (opt->identities != NULL) {
        ca->identities = opt->identities;
        ca->previous = opt->previous;
        return ca;
    }

    if (opt->ca_cert != NULL) {
        snprintf(cert, sizeof(cert), "%s", opt->ca_cert);
        snprintf(key, sizeof(key), "%s", opt->ca_key);

    } else {
        snprintf(cert, sizeof(cert), "%s/ca.pem", opt->dir);
        snprintf(key, sizeof(key), "%s/ca.key", opt->dir);
    }

    sim_ca_open(ca, cert, key);

    ca->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    ca->ctx = BN_CTX_new();
    if (ca->group == NULL || ca->ctx == NULL) {
        sim_ssl_die("no P-256");
    }

    if (EVP_PKEY_is_a(ca->key, "EC")
        && EVP_PKEY_get_group_name(ca->key, group, sizeof(group), NULL) == 1
        && strcmp(group, "prime256v1") == 0
        && EVP_PKEY_get_bn_param(ca->key, OSSL_PKEY_PARAM_PRIV_KEY, &ca->d)
           == 1)
    {
        ca->type = SIM_CA_P256;

    } else if (EVP_PKEY_is_a(ca->key, "RSA")
               && EVP_PKEY_get_size(ca->key) <= 1024)
    {
        ca->type = SIM_CA_RSA;

    } else if (EVP_PKEY_is_a(ca->key, "ED25519")) {
        ca->type = SIM_CA_ED25519;

    } else {
        sim_die("\"%s\" is neither a P-256, an RSA nor an Ed25519 key", key);
    }

    sim_ca_parts(ca);

    ca->shared_key = opt->shared_key;

    if (ca->shared_key) {
        d = BN_new();
        if (d == NULL) {
            sim_ssl_die("cannot make a key");
        }

        sim_scalar(ca, "shared", "", 0, d);
        sim_point(ca, d, ca->shared_point);
        ca->shared = sim_pkey(d, ca->shared_point);
        BN_clear_free(d);
    }

    return ca;
}


void
sim_ca_free(sim_ca_t *ca)
{
    uint32_t  i;

    if (ca == NULL) {
        return;
    }

    for (i = 0; ca->cache != NULL && i < ca->count; i++) {
        X509_free(ca->cache[i].cert);
        EVP_PKEY_free(ca->cache[i].key);
    }

    free(ca->cache);
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    EVP_PKEY_free(ca->shared);
    EC_GROUP_free(ca->group);
    BN_CTX_free(ca->ctx);
    BN_clear_free(ca->d);
    sim_buf_free(&ca->issuer);
    sim_buf_free(&ca->validity);
    sim_buf_free(&ca->aki);
    OPENSSL_cleanse(ca->secret, sizeof(ca->secret));
    free(ca);
}


/* "extensions" are pairs of a name and a value, ended by NULL */

static X509 *
sim_x509(EVP_PKEY *key, const char *cn, X509 *issuer, EVP_PKEY *issuer_key,
    const char *const *extensions)
{
    X509            *cert;
    BIGNUM          *serial;
    uint8_t          bytes[16];
    X509V3_CTX       ctx;
    X509_NAME       *name;
    X509_EXTENSION  *ext;

    cert = X509_new();
    serial = BN_new();

    if (cert == NULL || serial == NULL || RAND_bytes(bytes, 16) != 1) {
        sim_ssl_die("cannot make a certificate");
    }

    bytes[0] = (uint8_t) ((bytes[0] & 0x3f) | 0x40);
    name = X509_get_subject_name(cert);

    /* ten years; a day of room for clocks that are behind */

    if (X509_set_version(cert, X509_VERSION_3) != 1
        || BN_bin2bn(bytes, 16, serial) == NULL
        || BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) == NULL
        || X509_gmtime_adj(X509_getm_notBefore(cert), -86400) == NULL
        || X509_gmtime_adj(X509_getm_notAfter(cert), 315360000) == NULL
        || X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                      (const uint8_t *) cn, -1, -1, 0)
           != 1
        || X509_set_issuer_name(cert, issuer != NULL
                                      ? X509_get_subject_name(issuer) : name)
           != 1
        || X509_set_pubkey(cert, key) != 1)
    {
        sim_ssl_die("cannot make a certificate");
    }

    X509V3_set_ctx(&ctx, issuer != NULL ? issuer : cert, cert, NULL, NULL, 0);

    for ( /* void */ ; *extensions != NULL; extensions += 2) {
        ext = X509V3_EXT_conf(NULL, &ctx, extensions[0], extensions[1]);
        if (ext == NULL || X509_add_ext(cert, ext, -1) != 1) {
            sim_ssl_die(extensions[0]);
        }

        X509_EXTENSION_free(ext);
    }

    if (X509_sign(cert, issuer_key, EVP_sha256()) == 0) {
        sim_ssl_die("cannot sign a certificate");
    }

    BN_free(serial);

    return cert;
}


static void
sim_pem(const char *dir, const char *name, X509 *cert, EVP_PKEY *key,
    int force)
{
    BIO        *bio;
    int         rc;
    char        path[4096], *data;
    long        len;
    sim_buf_t   text;

    bio = BIO_new(BIO_s_mem());
    if (bio == NULL) {
        sim_ssl_die("cannot write PEM");
    }

    rc = cert != NULL ? PEM_write_bio_X509(bio, cert)
                      : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0,
                                                 NULL, NULL);
    len = BIO_get_mem_data(bio, &data);

    if (rc != 1 || len <= 0) {
        sim_ssl_die("cannot write PEM");
    }

    snprintf(path, sizeof(path), "%s%s", dir, name);

    memset(&text, 0, sizeof(sim_buf_t));
    sim_buf_add(&text, data, (size_t) len);
    sim_write_file(path, &text, cert != NULL ? 0644 : 0600, force);
    OPENSSL_cleanse(text.data, text.len);
    sim_buf_free(&text);
    BIO_free(bio);
}


/* ca.pem, ca.key for the devices; server.pem, server.key for nginx */

void
sim_ca_create(const sim_option_t *opt)
{
    X509       *ca, *server;
    char        dir[3072];
    EVP_PKEY   *ca_key, *server_key;
    sim_buf_t   names;

    static const char  *ca_ext[] = {
        "basicConstraints", "critical,CA:TRUE,pathlen:0",
        "keyUsage", "critical,keyCertSign,cRLSign",
        "subjectKeyIdentifier", "hash",
        NULL
    };

    const char  *server_ext[] = {
        "basicConstraints", "critical,CA:FALSE",
        "keyUsage", "critical,digitalSignature",
        "extendedKeyUsage", "serverAuth",
        "subjectKeyIdentifier", "hash",
        "authorityKeyIdentifier", "keyid",
        "subjectAltName", NULL,
        NULL
    };

    if (mkdir(opt->dir, 0755) == -1 && errno != EEXIST) {
        sim_die("cannot create \"%s\": %s", opt->dir, strerror(errno));
    }

    snprintf(dir, sizeof(dir), "%s/", opt->dir);

    memset(&names, 0, sizeof(sim_buf_t));
    sim_buf_str(&names, "DNS:localhost,IP:127.0.0.1,IP:::1");
    if (opt->server_name != NULL) {
        sim_buf_printf(&names, ",DNS:%s", opt->server_name);
    }
    server_ext[11] = names.data;

    ca_key = EVP_EC_gen("P-256");
    server_key = EVP_EC_gen("P-256");
    if (ca_key == NULL || server_key == NULL) {
        sim_ssl_die("cannot make a key");
    }

    ca = sim_x509(ca_key, "mdmsim device CA", NULL, ca_key, ca_ext);
    server = sim_x509(server_key, "localhost", ca, ca_key, server_ext);

    sim_pem(dir, "ca.pem", ca, NULL, opt->force);
    sim_pem(dir, "ca.key", NULL, ca_key, opt->force);
    sim_pem(dir, "server.pem", server, NULL, opt->force);
    sim_pem(dir, "server.key", NULL, server_key, opt->force);

    X509_free(ca);
    X509_free(server);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(server_key);
    sim_buf_free(&names);
}


/* a device's identity for curl: prefix.pem, prefix.key */

void
sim_cert_write(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    const char *prefix, int force)
{
    X509      *cert;
    EVP_PKEY  *key;

    if (strlen(prefix) > 3000) {
        sim_die("\"%s\" is too long", prefix);
    }

    sim_cert_get(ca, f, number, &cert, &key);
    sim_pem(prefix, ".pem", cert, NULL, force);
    sim_pem(prefix, ".key", NULL, key, force);

    X509_free(cert);
    EVP_PKEY_free(key);
}
