
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The identity of a device.  A certificate is pinned at Authenticate, so it
 * has to be the same bytes in every run, and a million of them must not take
 * room on disk: keys, contents and even the nonce of the CA's signature are
 * derived from the CA's key, the seed and the number of the device.  What a
 * server has given to devices is kept in files, though.
 */


#include "mdmsim_ca.h"
#include "mdmsim_signal.h"
#include "mdmsim_store.h"

#include <openssl/cms.h>
#include <openssl/sha.h>


#define SIM_CERT_CACHE  20000      /* devices; more are made when needed */


static const uint8_t *sim_cert_algorithm(const sim_ca_t *ca, size_t *len);
static void sim_device_scalar(sim_ca_t *ca, const sim_fleet_t *f,
    uint32_t number, BIGNUM *d);
static void sim_cert_make(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    sim_buf_t *der);
static void sim_cert_stored(sim_ca_t *ca, const sim_fleet_t *f,
    uint32_t number, X509 **cert, EVP_PKEY **key);
static void sim_cert_made(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    X509 **cert, EVP_PKEY **key);


static void
sim_device_scalar(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    BIGNUM *d)
{
    uint64_t  hash;

    hash = sim_hash(f->seed, number, 8000);
    sim_scalar(ca, "device", &hash, sizeof(hash), d);
}


void
sim_cert_der(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    sim_buf_t *der)
{
    int        n;
    X509      *cert;
    uint8_t   *p;
    EVP_PKEY  *key;

    if (ca->identities == NULL) {
        sim_cert_make(ca, f, number, der);
        return;
    }

    sim_cert_get(ca, f, number, &cert, &key);

    p = NULL;
    n = i2d_X509(cert, &p);
    if (n <= 0) {
        sim_ssl_die("cannot write a certificate");
    }

    der->len = 0;
    sim_buf_add(der, p, (size_t) n);

    OPENSSL_free(p);
    X509_free(cert);
    EVP_PKEY_free(key);
}


/* one that was given to the device by a server */

static void
sim_cert_stored(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    X509 **cert, EVP_PKEY **key)
{
    sim_stored_t  s;

    if (sim_store_get(ca->identities, f->seed, number, ca->previous, &s)
        != SIM_OK)
    {
        sim_die("device %u has no%s certificate in \"%s\"",
                (unsigned) number, ca->previous ? " previous" : "",
                ca->identities);
    }

    *cert = s.cert;
    *key = s.key;
}


static void
sim_cert_make(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    sim_buf_t *der)
{
    size_t                end, cert_end, n, alg_len;
    BIGNUM               *d;
    uint8_t               sig[1024], point[65], serial[16];
    uint64_t              hash;
    sim_der_t             w;
    const uint8_t        *alg;
    sim_device_t          dev;

    static const uint8_t  zero[] = { 0 };
    static const uint8_t  v3[] = { 0xa0, 0x03, 0x02, 0x01, 0x02 };
    static const uint8_t  cn[] = { 0x04, 0x03 };
    static const uint8_t  sn[] = { 0x04, 0x05 };
    static const uint8_t  p256[] = {
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
        0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
        0x07, 0x03, 0x42, 0x00
    };
    static const uint8_t  constraints[] = { 0x30, 0x00 };
    static const uint8_t  usage[] = { 0x03, 0x02, 0x07, 0x80 };
    static const uint8_t  client[] = {
        0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03,
        0x02
    };

    alg = sim_cert_algorithm(ca, &alg_len);

    sim_device(f, number, &dev);

    /* the part that is signed */

    w.pos = sizeof(w.data);

    end = w.pos;
    sim_der_extension(&w, 0x25, 0, client, sizeof(client));
    sim_der_extension(&w, 0x0f, 1, usage, sizeof(usage));
    sim_der_extension(&w, 0x13, 1, constraints, sizeof(constraints));
    sim_der_put(&w, ca->aki.data, ca->aki.len);
    sim_der_head(&w, 0x30, end);
    sim_der_head(&w, 0xa3, end);

    if (ca->shared_key) {
        sim_der_put(&w, ca->shared_point, 65);

    } else {
        d = BN_new();
        if (d == NULL) {
            sim_ssl_die("cannot make a key");
        }

        sim_device_scalar(ca, f, number, d);
        sim_point(ca, d, point);
        sim_der_put(&w, point, 65);
        BN_clear_free(d);
    }

    sim_der_put(&w, p256, sizeof(p256));

    end = w.pos;
    if (dev.kind != SIM_BYOD && dev.kind != SIM_MACBYOD) {
        sim_der_name(&w, sn, 0x13, dev.serial);
    }
    sim_der_name(&w, cn, 0x0c, dev.id);
    sim_der_head(&w, 0x30, end);

    sim_der_put(&w, ca->validity.data, ca->validity.len);
    sim_der_put(&w, ca->issuer.data, ca->issuer.len);
    sim_der_put(&w, alg, alg_len);

    hash = sim_hash(f->seed, number, 9000);
    sim_fill(hash, serial, sizeof(serial));
    serial[0] = (uint8_t) ((serial[0] & 0x3f) | 0x40);
    end = w.pos;
    sim_der_put(&w, serial, sizeof(serial));
    sim_der_head(&w, 0x02, end);

    sim_der_put(&w, v3, sizeof(v3));
    sim_der_head(&w, 0x30, sizeof(w.data));

    /* the whole: that, the algorithm, the signature */

    n = sim_ca_sign(ca, w.data + w.pos, sizeof(w.data) - w.pos, sig,
                    sizeof(sig));

    der->len = 0;
    sim_buf_add(der, w.data + w.pos, sizeof(w.data) - w.pos);
    sim_buf_add(der, alg, alg_len);

    w.pos = sizeof(w.data);
    cert_end = w.pos;
    sim_der_put(&w, sig, n);
    sim_der_put(&w, zero, 1);
    sim_der_head(&w, 0x03, cert_end);
    sim_buf_add(der, w.data + w.pos, sizeof(w.data) - w.pos);

    w.pos = sizeof(w.data);
    sim_der_put(&w, der->data, der->len);
    sim_der_head(&w, 0x30, sizeof(w.data));
    der->len = 0;
    sim_buf_add(der, w.data + w.pos, sizeof(w.data) - w.pos);
}


/* the AlgorithmIdentifier of the CA's signatures */

static const uint8_t *
sim_cert_algorithm(const sim_ca_t *ca, size_t *len)
{
    const uint8_t  *alg;

    static const uint8_t  ecdsa[] = {
        0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03,
        0x02
    };
    static const uint8_t  rsa[] = {
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
        0x01, 0x0b, 0x05, 0x00
    };
    static const uint8_t  ed25519[] = {
        0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70
    };

    switch (ca->type) {

    case SIM_CA_P256:
        alg = ecdsa;
        *len = sizeof(ecdsa);
        break;

    case SIM_CA_RSA:
        alg = rsa;
        *len = sizeof(rsa);
        break;

    default:
        alg = ed25519;
        *len = sizeof(ed25519);
        break;
    }

    return alg;
}


void
sim_cert_get(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    X509 **cert, EVP_PKEY **key)
{
    sim_identity_t  *id;

    id = NULL;

    if (ca->cache != NULL && number - ca->first < ca->count) {
        id = &ca->cache[number - ca->first];

        if (id->cert != NULL) {
            if (X509_up_ref(id->cert) != 1 || EVP_PKEY_up_ref(id->key) != 1) {
                sim_ssl_die("cannot keep a certificate");
            }

            *cert = id->cert;
            *key = id->key;
            return;
        }
    }

    if (ca->identities != NULL) {
        sim_cert_stored(ca, f, number, cert, key);

    } else {
        sim_cert_made(ca, f, number, cert, key);
    }

    if (id != NULL) {
        if (X509_up_ref(*cert) != 1 || EVP_PKEY_up_ref(*key) != 1) {
            sim_ssl_die("cannot keep a certificate");
        }

        id->cert = *cert;
        id->key = *key;
    }
}


static void
sim_cert_made(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    X509 **cert, EVP_PKEY **key)
{
    BIGNUM         *d;
    uint8_t         point[65];
    sim_buf_t       der;
    const uint8_t  *p;

    memset(&der, 0, sizeof(sim_buf_t));
    sim_cert_make(ca, f, number, &der);

    p = (const uint8_t *) der.data;
    *cert = d2i_X509(NULL, &p, (long) der.len);
    if (*cert == NULL) {
        sim_ssl_die("cannot read a certificate back");
    }

    sim_buf_free(&der);

    if (ca->shared_key) {
        *key = ca->shared;
        if (EVP_PKEY_up_ref(*key) != 1) {
            sim_ssl_die("cannot keep a key");
        }

        return;
    }

    d = BN_new();
    if (d == NULL) {
        sim_ssl_die("cannot make a key");
    }

    sim_device_scalar(ca, f, number, d);
    sim_point(ca, d, point);
    *key = sim_pkey(d, point);
    BN_clear_free(d);
}


/* makes what the cache has room for, so that it costs nothing later */

void
sim_cert_prepare(sim_ca_t *ca, const sim_fleet_t *f, int quiet)
{
    X509      *cert;
    uint32_t   i;
    uint64_t   start, last, now;
    EVP_PKEY  *key;

    if (f->count > SIM_CERT_CACHE) {
        return;
    }

    ca->first = f->first;
    ca->count = f->count;
    ca->cache = sim_alloc(f->count * sizeof(sim_identity_t));

    start = sim_now();
    last = start;

    for (i = 0; i < f->count && !sim_stopped(); i++) {
        sim_cert_get(ca, f, f->first + i, &cert, &key);
        X509_free(cert);
        EVP_PKEY_free(key);

        if ((i & 63) == 0 && !quiet) {
            now = sim_now();
            if (now - last >= 2 * SIM_SEC) {
                fprintf(stderr, "mdmsim: %u of %u certificates\n",
                        (unsigned) i, (unsigned) f->count);
                last = now;
            }
        }
    }
}


/* the certificate as a proxy passes it on in a header */

void
sim_cert_header(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    int rfc9440, sim_buf_t *out)
{
    char       line[65];
    size_t     i, n;
    sim_buf_t  der, b64;

    memset(&der, 0, sizeof(sim_buf_t));
    memset(&b64, 0, sizeof(sim_buf_t));

    sim_cert_der(ca, f, number, &der);
    sim_buf_base64(&b64, der.data, der.len);

    if (rfc9440) {
        sim_buf_printf(out, ":%s:", b64.data);

    } else {
        sim_buf_str(out, "-----BEGIN%20CERTIFICATE-----%0A");

        for (i = 0; i < b64.len; i += n) {
            n = b64.len - i < 64 ? b64.len - i : 64;
            memcpy(line, b64.data + i, n);
            line[n] = '\n';
            sim_buf_percent(out, line, n + 1);
        }

        sim_buf_str(out, "-----END%20CERTIFICATE-----%0A");
    }

    sim_buf_free(&der);
    sim_buf_free(&b64);
}


/* Mdm-Signature of a body: detached CMS, base64 on one line */

void
sim_cert_sign(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    const sim_option_t *opt, const sim_buf_t *body, sim_buf_t *out)
{
    BIO               *bio;
    int                n;
    X509              *cert;
    uint8_t           *der;
    unsigned           flags;
    EVP_PKEY          *key;
    const EVP_MD      *md;
    CMS_SignerInfo    *signer;
    CMS_ContentInfo   *cms;

    flags = CMS_DETACHED|CMS_BINARY|CMS_NOSMIMECAP;
    if (opt->sign_noattr) {
        flags |= CMS_NOATTR;
    }

    md = opt->sign_sha1 ? EVP_sha1() : EVP_sha256();
    der = NULL;

    sim_cert_get(ca, f, number, &cert, &key);

    bio = BIO_new_mem_buf(body->data, (int) body->len);
    cms = CMS_sign(NULL, NULL, NULL, bio, flags|CMS_PARTIAL);
    signer = NULL;

    if (bio != NULL && cms != NULL) {
        signer = CMS_add1_signer(cms, cert, key, md, flags);
    }

    if (signer == NULL || CMS_final(cms, bio, NULL, flags) != 1) {
        sim_ssl_die("cannot sign a message");
    }

    n = i2d_CMS_ContentInfo(cms, &der);
    if (n <= 0) {
        sim_ssl_die("cannot sign a message");
    }

    sim_buf_base64(out, der, (size_t) n);

    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    BIO_free(bio);
    X509_free(cert);
    EVP_PKEY_free(key);
}
