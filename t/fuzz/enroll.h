
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What devices send to enroll, signed as it has to be: made once, with keys
 * that live as long as the program.  For fuzzers of what is behind that.
 */


#ifndef _FUZZ_ENROLL_H_INCLUDED_
#define _FUZZ_ENROLL_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "../unit/enrollment.h"
#include "mdm_challenge.h"
#include "mdm_enroll_seal.h"
#include "mdm_machine_info.h"


#define FUZZ_ENROLL_NOW   1700000000

/* a link's token */
#define FUZZ_ENROLL_LINK  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* what the messages are sealed with: of the store, or as Redis has it */
#define FUZZ_ENROLL_KEY   "000102030405060708090a0b0c0d0e0f"                  \
                          "101112131415161718191a1b1c1d1e1f"


/* besides one of MDM_ENROLL_ALLOW_*: the store has no "encryption_key" */
#define FUZZ_ENROLL_PLAIN  2


/* messages to be posted */

enum {
    FUZZ_ENROLL_ADE = 0,         /* a MachineInfo */
    FUZZ_ENROLL_OTA,             /* the first one of the Profile Service */
    FUZZ_ENROLL_OTA_LINK,        /* the same, begun by the link */
    FUZZ_ENROLL_OTA_LAST,        /* the last one, signed by one of ours */
    FUZZ_ENROLL_MESSAGES
};


typedef struct {
    X509                     *cert;
    EVP_PKEY                 *key;
} fuzz_enroll_pki_t;


static fuzz_enroll_pki_t     fuzz_enroll_apple, fuzz_enroll_device;
static fuzz_enroll_pki_t     fuzz_enroll_ours;
static fuzz_enroll_pki_t     fuzz_enroll_signer;   /* of the last message */
static mdm_ca_t              fuzz_enroll_ca;
static mdm_enroll_block_t    fuzz_enroll_block;
static mdm_secret_keys_t     fuzz_enroll_keys;
static mdm_store_settings_t  fuzz_enroll_store;
static mdm_settings_t        fuzz_enroll_settings;
static mdm_str_t             fuzz_enroll_messages[FUZZ_ENROLL_MESSAGES];
static mdm_str_t             fuzz_enroll_page;     /* MachineInfo, base64 */
static mdm_str_t             fuzz_enroll_back;     /* "state=…" */


static inline void
fuzz_enroll_must(int ok)
{
    if (!ok) {
        abort();
    }
}


static inline fuzz_enroll_pki_t
fuzz_enroll_issue(const char *cn, const fuzz_enroll_pki_t *ca)
{
    X509_EXTENSION     *ext;
    fuzz_enroll_pki_t   p;

    p.key = EVP_EC_gen("P-256");
    p.cert = X509_new();
    fuzz_enroll_must(p.key != NULL && p.cert != NULL);

    X509_set_version(p.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(p.cert), 1);
    X509_set_pubkey(p.cert, p.key);
    ASN1_TIME_set(X509_getm_notBefore(p.cert), FUZZ_ENROLL_NOW - 86400);
    ASN1_TIME_set(X509_getm_notAfter(p.cert), FUZZ_ENROLL_NOW + 86400);

    X509_NAME_add_entry_by_txt(X509_get_subject_name(p.cert), "CN",
                               MBSTRING_UTF8, (const u_char *) cn, -1, -1, 0);
    X509_set_issuer_name(p.cert, X509_get_subject_name(ca ? ca->cert
                                                          : p.cert));

    if (ca == NULL) {
        ext = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                                  "critical,CA:TRUE");
        fuzz_enroll_must(ext != NULL && X509_add_ext(p.cert, ext, -1) == 1);
        X509_EXTENSION_free(ext);
    }

    fuzz_enroll_must(X509_sign(p.cert, ca ? ca->key : p.key, EVP_sha256())
                     > 0);

    return p;
}


static inline mdm_str_t
fuzz_enroll_sign(const fuzz_enroll_pki_t *p, const mdm_str_t *challenge)
{
    BIO              *bio;
    int               len;
    char              text[8192];
    mdm_str_t         der;
    CMS_ContentInfo  *cms;

    len = snprintf(text, sizeof(text), "<plist version=\"1.0\"><dict>"
                   "<key>UDID</key><string>A</string>"
                   "<key>SERIAL</key><string>C02A</string>"
                   "<key>PRODUCT</key><string>iPad16,3</string>"
                   "<key>OS_VERSION</key><string>18.1</string>"
                   "<key>CHALLENGE</key><string>%.*s</string>"
                   "</dict></plist>", mdm_fmt(challenge));

    bio = BIO_new_mem_buf(text, len);
    cms = CMS_sign(p->cert, p->key, NULL, bio, CMS_BINARY);
    fuzz_enroll_must(cms != NULL);

    der.data = NULL;
    len = i2d_CMS_ContentInfo(cms, &der.data);
    fuzz_enroll_must(len > 0);
    der.len = (size_t) len;

    CMS_ContentInfo_free(cms);
    BIO_free(bio);

    return der;
}


/* a text of the arena that lives as long as the program */

static inline mdm_str_t
fuzz_enroll_keep(const mdm_str_t *s)
{
    mdm_str_t  kept;

    kept.len = s->len;
    kept.data = malloc(s->len);
    fuzz_enroll_must(kept.data != NULL);
    memcpy(kept.data, s->data, s->len);

    return kept;
}


/* the challenge of a Profile Service, begun by the link or without one */

static inline mdm_str_t
fuzz_enroll_challenge(mdm_exchange_t *x, int link)
{
    mdm_str_t  text, value, digest, token;

    mdm_str_set(&text, "{\"person\":\"P\"}");

    if (link) {
        mdm_str_set(&value, FUZZ_ENROLL_LINK);
        fuzz_enroll_must(mdm_challenge_sha256(x->arena, &value, &digest)
                         == MDM_OK
                         && mdm_printf(x->arena, &text, "{\"link\":\"%.*s\"}",
                                       mdm_fmt(&digest))
                            == MDM_OK);
    }

    fuzz_enroll_must(mdm_enroll_seal(x, MDM_ENROLL_CHALLENGE,
                                     &fuzz_enroll_block.name, &text, &token)
                     == MDM_OK);
    return token;
}


/* x: its settings are those below */

static inline void
fuzz_enroll_init(mdm_exchange_t *x)
{
    u_char              raw[MDM_SECRET_RAW];
    mdm_str_t           text, token;
    const char         *why;
    mdm_json_out_t      j;
    mdm_machine_info_t  info;

    mdm_str_set(&text, FUZZ_ENROLL_KEY);
    fuzz_enroll_must(mdm_secret_key_read(raw, &text, &why) == MDM_OK
                     && mdm_secret_key_add(&fuzz_enroll_keys, raw) == MDM_OK);

    fuzz_enroll_apple = fuzz_enroll_issue("Apple", NULL);
    fuzz_enroll_device = fuzz_enroll_issue("device", &fuzz_enroll_apple);
    fuzz_enroll_ours = fuzz_enroll_issue("devices", NULL);
    fuzz_enroll_signer = fuzz_enroll_issue("signer", &fuzz_enroll_ours);

    fuzz_enroll_ca = enrollment_ca;
    fuzz_enroll_ca.cert = fuzz_enroll_ours.cert;
    fuzz_enroll_block = enrollment_main;
    fuzz_enroll_block.scep.ca = &fuzz_enroll_ca;
    fuzz_enroll_block.apple = X509_STORE_new();
    fuzz_enroll_must(X509_STORE_add_cert(fuzz_enroll_block.apple,
                                         fuzz_enroll_apple.cert)
                     == 1);

    mdm_str_null(&token);
    fuzz_enroll_messages[FUZZ_ENROLL_ADE] =
                               fuzz_enroll_sign(&fuzz_enroll_device, &token);
    fuzz_enroll_messages[FUZZ_ENROLL_OTA_LAST] =
                               fuzz_enroll_sign(&fuzz_enroll_signer, &token);
    token = fuzz_enroll_challenge(x, 0);
    fuzz_enroll_messages[FUZZ_ENROLL_OTA] =
                               fuzz_enroll_sign(&fuzz_enroll_device, &token);
    token = fuzz_enroll_challenge(x, 1);
    fuzz_enroll_messages[FUZZ_ENROLL_OTA_LINK] =
                               fuzz_enroll_sign(&fuzz_enroll_device, &token);

    fuzz_enroll_must(mdm_base64(x->arena, &text,
                                &fuzz_enroll_messages[FUZZ_ENROLL_ADE])
                     == MDM_OK);
    fuzz_enroll_page = fuzz_enroll_keep(&text);

    memset(&info, 0, sizeof(mdm_machine_info_t));
    mdm_str_set(&info.udid, "A");
    mdm_str_set(&info.serial, "C02A");

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_machine_info_write(&j, &info);
    mdm_json_close(&j, '}');

    fuzz_enroll_must(mdm_json_end(&j, &text) == MDM_OK
                     && mdm_enroll_seal(x, MDM_ENROLL_STATE,
                                        &fuzz_enroll_block.name, &text,
                                        &token)
                        == MDM_OK
                     && mdm_printf(x->arena, &text, "state=%.*s",
                                   mdm_fmt(&token))
                        == MDM_OK);
    fuzz_enroll_back = fuzz_enroll_keep(&text);
}


/* the settings that it has are those of x from now on, but for keys */

static inline void
fuzz_enroll_begin(mdm_exchange_t *x, mdm_uint_t flags)
{
    if (fuzz_enroll_settings.store == NULL) {
        fuzz_enroll_store = *x->settings->store;
        fuzz_enroll_store.secrets = &fuzz_enroll_keys;
        fuzz_enroll_settings = *x->settings;
        fuzz_enroll_settings.store = &fuzz_enroll_store;
        x->settings = &fuzz_enroll_settings;

        fuzz_enroll_init(x);
    }

    x->settings = &fuzz_enroll_settings;
    fuzz_enroll_settings.enroll_allow = flags & ~(mdm_uint_t) FUZZ_ENROLL_PLAIN;
    fuzz_enroll_store.secrets = (flags & FUZZ_ENROLL_PLAIN)
                                ? NULL : &fuzz_enroll_keys;
}


/* POST, by these ways */

static inline void
fuzz_enroll_post(mdm_exchange_t *x, mdm_uint_t ways, mdm_uint_t message)
{
    x->method = MDM_POST;
    x->ways = ways;
    x->body = fuzz_enroll_messages[message];
}


/* of the eight kinds of requests there are */

static inline void
fuzz_enroll_request(mdm_exchange_t *x, mdm_uint_t kind)
{
    x->kind = MDM_KIND_ENROLL;
    x->method = MDM_GET;
    x->enrollment = &fuzz_enroll_block;
    x->ways = MDM_ENROLL_LINK;

    mdm_str_set(&x->url, "https://mdm.example/enroll");
    mdm_str_set(&x->path, FUZZ_ENROLL_LINK);

    switch (kind) {

    case 0:
        break;

    case 1:
        x->ways = MDM_ENROLL_OTA|MDM_ENROLL_LINK;
        break;

    case 2:
        x->ways = MDM_ENROLL_OTA;
        mdm_str_set(&x->person, "P");
        break;

    case 3:
        fuzz_enroll_post(x, MDM_ENROLL_OTA, FUZZ_ENROLL_OTA);
        break;

    case 4:
        fuzz_enroll_post(x, MDM_ENROLL_OTA|MDM_ENROLL_LINK,
                         FUZZ_ENROLL_OTA_LINK);
        break;

    case 5:
        fuzz_enroll_post(x, MDM_ENROLL_OTA|MDM_ENROLL_LINK,
                         FUZZ_ENROLL_OTA_LAST);
        break;

    case 6:
        fuzz_enroll_post(x, MDM_ENROLL_ADE|MDM_ENROLL_OTA, FUZZ_ENROLL_ADE);
        break;

    default:
        x->ways = MDM_ENROLL_ADE;
        x->login = 1;
        mdm_str_null(&x->path);

        if (x->head) {

            /* the first page; else it is back from the login */

            x->head = 0;
            x->deviceinfo = fuzz_enroll_page;
            break;
        }

        x->asked = 1;
        x->query = fuzz_enroll_back;
        mdm_str_set(&x->person, "P");
    }
}


#endif /* _FUZZ_ENROLL_H_INCLUDED_ */
