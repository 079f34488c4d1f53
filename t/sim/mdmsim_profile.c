
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads the profile that a device enrolls with, and is as strict as the
 * strictest of them.
 */


#include "mdmsim_way.h"

#include <plist/plist.h>

#include <stdlib.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>


#define SIM_PROFILE_PAYLOADS  64


/* the one that is read, for messages */

typedef struct {
    const char               *who;
    plist_t                   root;
    plist_t                   mdm;
    plist_t                   scep;
    char                     *ids[SIM_PROFILE_PAYLOADS];
    uint32_t                  nids;
} sim_reader_t;


static void sim_profile_begin(const sim_option_t *opt, const char *who,
    const char *data, size_t len, const char *type, sim_reader_t *r);
static void sim_profile_end(sim_reader_t *r);
static void sim_profile_decrypt(sim_reader_t *r,
    const sim_identity_t *identity);
static void sim_profile_open(const sim_option_t *opt, const char *who,
    const char *data, size_t len, sim_buf_t *xml);
static X509_STORE *sim_profile_store(const sim_option_t *opt);
static void sim_profile_payloads(sim_reader_t *r);
static void sim_profile_common(sim_reader_t *r, plist_t dict);
static void sim_profile_mdm(const sim_reader_t *r, sim_profile_t *p);
static void sim_profile_pins(const sim_reader_t *r, const char *key);
static void sim_profile_scep(const sim_reader_t *r, sim_profile_t *p);
static void sim_profile_subject(const sim_reader_t *r, plist_t scep);
static char *sim_profile_fingerprint(const sim_reader_t *r, plist_t scep);
static char *sim_profile_text(const sim_reader_t *r, plist_t dict,
    const char *key, int must);
static uint32_t sim_profile_number(const sim_reader_t *r, plist_t dict,
    const char *key);
static int sim_profile_flag(const sim_reader_t *r, plist_t dict,
    const char *key);
static int sim_profile_uuid(const char *uuid);


void
sim_profile_read(const sim_option_t *opt, const char *who, const char *data,
    size_t len, const sim_identity_t *identity, sim_profile_t *p)
{
    sim_reader_t  r;

    sim_profile_begin(opt, who, data, len, "Configuration", &r);
    sim_profile_decrypt(&r, identity);
    sim_profile_common(&r, r.root);
    sim_profile_payloads(&r);

    if (r.mdm == NULL || r.scep == NULL) {
        sim_die("%s: the profile has no %s payload", who,
                r.mdm == NULL ? "MDM" : "SCEP");
    }

    memset(p, 0, sizeof(sim_profile_t));
    sim_profile_mdm(&r, p);
    sim_profile_scep(&r, p);
    sim_profile_end(&r);
}


void
sim_profile_identity(const sim_option_t *opt, const char *who,
    const char *data, size_t len, sim_profile_t *p)
{
    sim_reader_t  r;

    sim_profile_begin(opt, who, data, len, "Configuration", &r);
    sim_profile_common(&r, r.root);
    sim_profile_payloads(&r);

    if (r.mdm != NULL || r.scep == NULL) {
        sim_die("%s: the profile is not of an identity alone", who);
    }

    memset(p, 0, sizeof(sim_profile_t));
    sim_profile_scep(&r, p);
    sim_profile_end(&r);
}


void
sim_profile_service(const sim_option_t *opt, const char *who,
    const char *data, size_t len, char **url, char **challenge)
{
    plist_t       content, list;
    sim_reader_t  r;

    sim_profile_begin(opt, who, data, len, "Profile Service", &r);
    sim_profile_common(&r, r.root);

    content = plist_dict_get_item(r.root, "PayloadContent");

    if (content == NULL || plist_get_node_type(content) != PLIST_DICT) {
        sim_die("%s: the Profile Service has no dictionary PayloadContent",
                who);
    }

    list = plist_dict_get_item(content, "DeviceAttributes");

    if (list == NULL || plist_get_node_type(list) != PLIST_ARRAY
        || plist_array_get_size(list) == 0)
    {
        sim_die("%s: the Profile Service asks for no attributes", who);
    }

    *url = sim_profile_text(&r, content, "URL", 1);
    *challenge = sim_profile_text(&r, content, "Challenge", 0);

    sim_profile_end(&r);
}


static void
sim_profile_begin(const sim_option_t *opt, const char *who, const char *data,
    size_t len, const char *type, sim_reader_t *r)
{
    char       *found;
    sim_buf_t   xml;

    memset(r, 0, sizeof(sim_reader_t));
    memset(&xml, 0, sizeof(sim_buf_t));

    r->who = who;

    sim_profile_open(opt, who, data, len, &xml);

    plist_from_xml(xml.data, (uint32_t) xml.len, &r->root);

    if (r->root == NULL || plist_get_node_type(r->root) != PLIST_DICT) {
        sim_die("%s: the profile is no XML plist of a dictionary", who);
    }

    found = sim_profile_text(r, r->root, "PayloadType", 1);

    if (strcmp(found, type) != 0) {
        sim_die("%s: the profile is of the type \"%s\"", who, found);
    }

    free(found);
    sim_buf_free(&xml);
}


static void
sim_profile_end(sim_reader_t *r)
{
    while (r->nids > 0) {
        free(r->ids[--r->nids]);
    }

    plist_free(r->root);
}


/* payloads that are encrypted to the device: then nobody else reads them */

static void
sim_profile_decrypt(sim_reader_t *r, const sim_identity_t *identity)
{
    BIO              *in, *out;
    char             *data;
    long              n;
    plist_t           node, list;
    uint64_t          len;
    CMS_ContentInfo  *cms;

    node = plist_dict_get_item(r->root, "EncryptedPayloadContent");

    if (node == NULL) {
        return;
    }

    if (identity == NULL || !sim_profile_flag(r, r->root, "IsEncrypted")
        || plist_dict_get_item(r->root, "PayloadContent") != NULL)
    {
        sim_die("%s: the profile is encrypted, to whom is not clear", r->who);
    }

    data = NULL;
    len = 0;
    plist_get_data_val(node, &data, &len);

    in = BIO_new_mem_buf(data, (int) len);
    out = BIO_new(BIO_s_mem());
    cms = d2i_CMS_bio(in, NULL);

    if (cms == NULL
        || CMS_decrypt(cms, identity->key, identity->cert, NULL, out,
                       CMS_BINARY)
           != 1)
    {
        sim_die("%s: the payloads cannot be decrypted", r->who);
    }

    n = BIO_get_mem_data(out, &data);
    list = NULL;
    plist_from_xml(data, (uint32_t) n, &list);

    if (list == NULL || plist_get_node_type(list) != PLIST_ARRAY) {
        sim_die("%s: the payloads that are encrypted are no array", r->who);
    }

    plist_dict_set_item(r->root, "PayloadContent", list);

    CMS_ContentInfo_free(cms);
    BIO_free(in);
    BIO_free(out);
}


/* signed: by whom "--profile-ca" says, if it is given */

static void
sim_profile_open(const sim_option_t *opt, const char *who, const char *data,
    size_t len, sim_buf_t *xml)
{
    BIO              *in, *out;
    long              n;
    char             *p;
    X509_STORE       *store;
    unsigned int      flags;
    CMS_ContentInfo  *cms;

    if (len > 5 && memcmp(data, "<?xml", 5) == 0) {

        if (opt->profile_ca != NULL) {
            sim_die("%s: the profile is not signed", who);
        }

        sim_buf_add(xml, data, len);
        return;
    }

    in = BIO_new_mem_buf(data, (int) len);
    out = BIO_new(BIO_s_mem());
    cms = d2i_CMS_bio(in, NULL);

    if (cms == NULL || BIO_pending(in) != 0) {
        sim_die("%s: the profile is neither XML nor CMS in DER", who);
    }

    store = sim_profile_store(opt);
    flags = CMS_BINARY;

    if (opt->profile_ca == NULL) {
        flags |= CMS_NO_SIGNER_CERT_VERIFY;
    }

    if (sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms)) != 1
        || CMS_verify(cms, NULL, store, NULL, out, flags) != 1)
    {
        sim_die("%s: the profile's signature does not verify: %s", who,
                ERR_reason_error_string(ERR_peek_last_error()));
    }

    n = BIO_get_mem_data(out, &p);
    sim_buf_add(xml, p, (size_t) n);

    X509_STORE_free(store);
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    BIO_free(out);
}


static X509_STORE *
sim_profile_store(const sim_option_t *opt)
{
    X509_STORE  *store;

    store = X509_STORE_new();

    /* the certificate of a web server will do */

    if (store == NULL
        || X509_STORE_set_purpose(store, X509_PURPOSE_ANY) != 1
        || (opt->profile_ca != NULL
            && X509_STORE_load_locations(store, opt->profile_ca, NULL) != 1))
    {
        sim_die("no certificates in \"%s\"", opt->profile_ca);
    }

    return store;
}


static void
sim_profile_payloads(sim_reader_t *r)
{
    char      *type;
    plist_t    list, one;
    uint32_t   i, n;

    list = plist_dict_get_item(r->root, "PayloadContent");

    if (list == NULL || plist_get_node_type(list) != PLIST_ARRAY) {
        sim_die("%s: the profile has no array PayloadContent", r->who);
    }

    n = plist_array_get_size(list);

    if (n == 0 || n >= SIM_PROFILE_PAYLOADS) {
        sim_die("%s: the profile has %u payloads", r->who, (unsigned) n);
    }

    for (i = 0; i < n; i++) {
        one = plist_array_get_item(list, i);

        if (plist_get_node_type(one) != PLIST_DICT) {
            sim_die("%s: a payload is no dictionary", r->who);
        }

        sim_profile_common(r, one);

        type = sim_profile_text(r, one, "PayloadType", 1);

        if (strcmp(type, "com.apple.mdm") == 0) {

            if (r->mdm != NULL) {
                sim_die("%s: two MDM payloads", r->who);
            }

            r->mdm = one;

        } else if (strcmp(type, "com.apple.security.scep") == 0) {
            r->scep = one;

        } else if (strcmp(type, "com.apple.security.root") != 0
                   && strcmp(type, "com.apple.security.pkcs1") != 0)
        {
            sim_die("%s: a payload of the type \"%s\"", r->who, type);
        }

        free(type);
    }
}


/* what the profile, and each of its payloads, must have */

static void
sim_profile_common(sim_reader_t *r, plist_t dict)
{
    char      *id, *uuid;
    uint32_t   i;

    id = sim_profile_text(r, dict, "PayloadIdentifier", 1);
    uuid = sim_profile_text(r, dict, "PayloadUUID", 1);

    if (!sim_profile_uuid(uuid)) {
        sim_die("%s: \"%s\" is no UUID", r->who, uuid);
    }

    if (sim_profile_number(r, dict, "PayloadVersion") != 1) {
        sim_die("%s: a PayloadVersion is not 1", r->who);
    }

    for (i = 0; i < r->nids; i++) {
        if (strcmp(r->ids[i], id) == 0) {
            sim_die("%s: two payloads are \"%s\"", r->who, id);
        }
    }

    r->ids[r->nids++] = id;
    free(uuid);
}


static void
sim_profile_mdm(const sim_reader_t *r, sim_profile_t *p)
{
    char      *identity, *uuid;
    uint32_t   rights;

    identity = sim_profile_text(r, r->mdm, "IdentityCertificateUUID", 1);
    uuid = sim_profile_text(r, r->scep, "PayloadUUID", 1);

    if (strcmp(identity, uuid) != 0) {
        sim_die("%s: IdentityCertificateUUID is that of no identity", r->who);
    }

    free(identity);
    free(uuid);

    p->topic = sim_profile_text(r, r->mdm, "Topic", 1);
    p->server_url = sim_profile_text(r, r->mdm, "ServerURL", 1);
    p->checkin_url = sim_profile_text(r, r->mdm, "CheckInURL", 0);
    p->sign_message = sim_profile_flag(r, r->mdm, "SignMessage");

    if (strncmp(p->topic, "com.apple.mgmt.", 15) != 0
        || strncmp(p->server_url, "https://", 8) != 0
        || (p->checkin_url != NULL
            && strncmp(p->checkin_url, "https://", 8) != 0))
    {
        sim_die("%s: Topic, ServerURL or CheckInURL is none", r->who);
    }

    rights = sim_profile_number(r, r->mdm, "AccessRights");

    if (rights == 0 || rights > 8191 || ((rights & 2) && !(rights & 1))
        || ((rights & 128) && !(rights & 64)))
    {
        sim_die("%s: AccessRights %u", r->who, (unsigned) rights);
    }

    sim_profile_pins(r, "ServerURLPinningCertificateUUIDs");
    sim_profile_pins(r, "CheckInURLPinningCertificateUUIDs");
}


/* each is the UUID of a payload */

static void
sim_profile_pins(const sim_reader_t *r, const char *key)
{
    char      *pin, *uuid;
    int        found;
    plist_t    list, payloads;
    uint32_t   i, k;

    list = plist_dict_get_item(r->mdm, key);

    if (list == NULL) {
        return;
    }

    payloads = plist_dict_get_item(r->root, "PayloadContent");

    for (i = 0; i < plist_array_get_size(list); i++) {
        pin = NULL;
        found = 0;
        plist_get_string_val(plist_array_get_item(list, i), &pin);

        for (k = 0; pin != NULL && k < plist_array_get_size(payloads); k++) {
            uuid = sim_profile_text(r, plist_array_get_item(payloads, k),
                                    "PayloadUUID", 1);
            found |= strcmp(uuid, pin) == 0;
            free(uuid);
        }

        if (!found) {
            sim_die("%s: \"%s\" names no payload", r->who, key);
        }

        free(pin);
    }
}


static void
sim_profile_scep(const sim_reader_t *r, sim_profile_t *p)
{
    char     *type;
    plist_t   scep;

    scep = plist_dict_get_item(r->scep, "PayloadContent");

    if (scep == NULL || plist_get_node_type(scep) != PLIST_DICT) {
        sim_die("%s: the SCEP payload has no dictionary PayloadContent",
                r->who);
    }

    p->scep_url = sim_profile_text(r, scep, "URL", 1);
    p->scep_name = sim_profile_text(r, scep, "Name", 0);
    p->challenge = sim_profile_text(r, scep, "Challenge", 1);
    p->bits = sim_profile_number(r, scep, "Keysize");
    p->usage = sim_profile_number(r, scep, "Key Usage");
    p->retries = sim_profile_number(r, scep, "Retries");
    p->delay = sim_profile_number(r, scep, "RetryDelay");
    p->fingerprint = sim_profile_fingerprint(r, scep);

    type = sim_profile_text(r, scep, "Key Type", 1);

    if (strcmp(type, "RSA") != 0
        || (p->bits != 1024 && p->bits != 2048 && p->bits != 4096)
        || (p->usage != 1 && p->usage != 4 && p->usage != 5))
    {
        sim_die("%s: a key %s of %u bits for %u", r->who, type,
                (unsigned) p->bits, (unsigned) p->usage);
    }

    free(type);

    sim_profile_subject(r, scep);
}


/* RDNs of attributes of a type and a value */

static void
sim_profile_subject(const sim_reader_t *r, plist_t scep)
{
    plist_t   subject, rdn, attr;
    uint32_t  i, k;

    subject = plist_dict_get_item(scep, "Subject");

    if (subject == NULL || plist_get_node_type(subject) != PLIST_ARRAY) {
        sim_die("%s: Subject is no array", r->who);
    }

    for (i = 0; i < plist_array_get_size(subject); i++) {
        rdn = plist_array_get_item(subject, i);

        if (plist_get_node_type(rdn) != PLIST_ARRAY) {
            sim_die("%s: an RDN of Subject is no array", r->who);
        }

        for (k = 0; k < plist_array_get_size(rdn); k++) {
            attr = plist_array_get_item(rdn, k);

            if (plist_get_node_type(attr) != PLIST_ARRAY
                || plist_array_get_size(attr) != 2
                || plist_get_node_type(plist_array_get_item(attr, 0))
                   != PLIST_STRING
                || plist_get_node_type(plist_array_get_item(attr, 1))
                   != PLIST_STRING)
            {
                sim_die("%s: an attribute of Subject is no pair", r->who);
            }
        }
    }
}


static char *
sim_profile_fingerprint(const sim_reader_t *r, plist_t scep)
{
    char      *data, *hex;
    plist_t    node;
    uint64_t   i, len;

    node = plist_dict_get_item(scep, "CAFingerprint");

    if (node == NULL) {
        return NULL;
    }

    data = NULL;
    len = 0;

    if (plist_get_node_type(node) == PLIST_DATA) {
        plist_get_data_val(node, &data, &len);
    }

    /* MD5 or SHA-1: devices know no other */

    if (len != 16 && len != 20) {
        sim_die("%s: CAFingerprint is neither MD5 nor SHA-1", r->who);
    }

    hex = sim_alloc(2 * len + 1);

    for (i = 0; i < len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned) (uint8_t) data[i]);
    }

    free(data);

    return hex;
}


static char *
sim_profile_text(const sim_reader_t *r, plist_t dict, const char *key,
    int must)
{
    char     *text;
    plist_t   node;

    node = plist_dict_get_item(dict, key);

    if (node == NULL && !must) {
        return NULL;
    }

    text = NULL;

    if (node != NULL && plist_get_node_type(node) == PLIST_STRING) {
        plist_get_string_val(node, &text);
    }

    if (text == NULL || *text == '\0') {
        sim_die("%s: \"%s\" is missing in the profile", r->who, key);
    }

    return text;
}


static uint32_t
sim_profile_number(const sim_reader_t *r, plist_t dict, const char *key)
{
    plist_t   node;
    uint64_t  n;

    node = plist_dict_get_item(dict, key);

    if (node == NULL || plist_get_node_type(node) != PLIST_UINT) {
        sim_die("%s: \"%s\" is no number in the profile", r->who, key);
    }

    n = 0;
    plist_get_uint_val(node, &n);

    return (uint32_t) n;
}


static int
sim_profile_flag(const sim_reader_t *r, plist_t dict, const char *key)
{
    plist_t  node;
    uint8_t  flag;

    node = plist_dict_get_item(dict, key);

    if (node == NULL) {
        return 0;
    }

    if (plist_get_node_type(node) != PLIST_BOOLEAN) {
        sim_die("%s: \"%s\" is no flag in the profile", r->who, key);
    }

    flag = 0;
    plist_get_bool_val(node, &flag);

    return flag != 0;
}


static int
sim_profile_uuid(const char *uuid)
{
    size_t  i;

    if (strlen(uuid) != 36) {
        return 0;
    }

    for (i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23
            ? uuid[i] != '-'
            : strchr("0123456789ABCDEFabcdef", uuid[i]) == NULL)
        {
            return 0;
        }
    }

    return 1;
}
