
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Builds profiles for enrolling.
 */


#include <openssl/sha.h>

#include "mdm_certificate.h"
#include "mdm_profile.h"


/* SCEP: sign and encrypt */
#define MDM_PROFILE_USAGE     5


static mdm_int_t mdm_profile_uuid_of(mdm_arena_t *arena, plist_t payload,
    mdm_str_t *uuid);
static plist_t mdm_profile_mdm(mdm_arena_t *arena, const mdm_profile_t *p,
    plist_t identity);
static mdm_int_t mdm_profile_pins(mdm_arena_t *arena, const mdm_profile_t *p,
    plist_t mdm);
static plist_t mdm_profile_certificate(mdm_arena_t *arena,
    const mdm_profile_t *p, const mdm_enroll_trust_t *trust);
static mdm_int_t mdm_profile_certificates(mdm_arena_t *arena,
    const mdm_profile_t *p, mdm_uint_t all, plist_t profile);
static plist_t mdm_profile_subject(mdm_arena_t *arena,
    const mdm_profile_t *p);
static mdm_int_t mdm_profile_rdn(mdm_arena_t *arena, plist_t subject,
    const mdm_str_t *type, const mdm_str_t *value);
static char *mdm_profile_text(mdm_arena_t *arena, const mdm_str_t *value);
static mdm_int_t mdm_profile_word(mdm_arena_t *arena, plist_t dict,
    const char *key, const char *word);
static mdm_int_t mdm_profile_identifier(mdm_arena_t *arena,
    const mdm_profile_t *p, const char *what, plist_t dict);


plist_t
mdm_profile_tree(mdm_arena_t *arena, const mdm_profile_t *p,
    mdm_str_t *identity)
{
    plist_t  profile, scep, mdm;

    profile = mdm_profile_payload(arena, p, "Configuration", "", 0,
                                  &p->block->display_name);
    if (profile == NULL) {
        return NULL;
    }

    scep = mdm_profile_scep(arena, p);
    if (scep == NULL) {
        plist_free(profile);
        return NULL;
    }

    mdm = mdm_profile_mdm(arena, p, scep);

    /* what is trusted comes in front of what needs it */

    if (mdm == NULL
        || mdm_profile_uuid_of(arena, scep, identity) != MDM_OK
        || mdm_profile_certificates(arena, p, 1, profile) != MDM_OK)
    {
        plist_free(mdm);
        plist_free(scep);
        plist_free(profile);
        return NULL;
    }

    mdm_profile_add(profile, scep);
    mdm_profile_add(profile, mdm);

    if (mdm_profile_string(arena, profile, "PayloadDescription",
                           &p->block->description)
        != MDM_OK
        || mdm_profile_word(arena, profile, "PayloadScope", "System")
           != MDM_OK)
    {
        plist_free(profile);
        return NULL;
    }

    return profile;
}


static mdm_int_t
mdm_profile_uuid_of(mdm_arena_t *arena, plist_t payload, mdm_str_t *uuid)
{
    plist_t      node;
    uint64_t     len;
    const char  *text;

    len = 0;
    node = plist_dict_get_item(payload, "PayloadUUID");
    text = plist_get_string_ptr(node, &len);

    return (text != NULL) ? mdm_printf(arena, uuid, "%s", text)
                          : mdm_arena_failed(arena, "plist_get_string_ptr");
}


mdm_int_t
mdm_profile_trust(mdm_arena_t *arena, const mdm_profile_t *p, mdm_str_t *xml)
{
    plist_t    profile;
    mdm_int_t  rc;

    profile = mdm_profile_payload(arena, p, "Configuration", "trust", 0,
                                  &p->block->display_name);
    if (profile == NULL) {
        return MDM_ERROR;
    }

    rc = mdm_profile_word(arena, profile, "PayloadScope", "System");

    if (rc == MDM_OK) {
        rc = mdm_profile_certificates(arena, p, 0, profile);
    }

    if (rc == MDM_OK) {
        rc = mdm_plist_xml(arena, profile, xml);
    }

    plist_free(profile);

    return rc;
}


static plist_t
mdm_profile_mdm(mdm_arena_t *arena, const mdm_profile_t *p, plist_t identity)
{
    plist_t                    mdm, list, uuid;
    mdm_str_t                  name;
    mdm_uint_t                 i;
    const mdm_enroll_block_t  *b;

    b = p->block;

    mdm_str_set(&name, "Mobile Device Management");

    mdm = mdm_profile_payload(arena, p, "com.apple.mdm", "mdm", 0, &name);
    if (mdm == NULL) {
        return NULL;
    }

    uuid = plist_dict_get_item(identity, "PayloadUUID");

    plist_dict_set_item(mdm, "IdentityCertificateUUID", plist_copy(uuid));
    plist_dict_set_item(mdm, "AccessRights",
                        plist_new_uint((uint64_t) b->access_rights));
    plist_dict_set_item(mdm, "SignMessage",
                        plist_new_bool((uint8_t) b->sign_message));
    plist_dict_set_item(mdm, "CheckOutWhenRemoved",
                        plist_new_bool((uint8_t) b->checkout));

    if (mdm_profile_string(arena, mdm, "Topic", &p->topic) != MDM_OK
        || mdm_profile_string(arena, mdm, "ServerURL", &b->server_url)
           != MDM_OK
        || mdm_profile_string(arena, mdm, "CheckInURL", &b->checkin_url)
           != MDM_OK
        || mdm_profile_pins(arena, p, mdm) != MDM_OK)
    {
        plist_free(mdm);
        return NULL;
    }

    if (b->ncapabilities == 0) {
        return mdm;
    }

    list = plist_new_array();

    for (i = 0; i < b->ncapabilities; i++) {

        if (mdm_profile_append(arena, list, &b->capabilities[i]) != MDM_OK) {
            plist_free(list);
            plist_free(mdm);
            return NULL;
        }
    }

    plist_dict_set_item(mdm, "ServerCapabilities", list);

    return mdm;
}


/* both URLs by all certificates of trust_certificate */

static mdm_int_t
mdm_profile_pins(mdm_arena_t *arena, const mdm_profile_t *p, plist_t mdm)
{
    plist_t     list;
    mdm_int_t   rc;
    mdm_str_t   what, uuid;
    mdm_uint_t  i;

    if (!p->block->pin) {
        return MDM_OK;
    }

    rc = MDM_OK;
    mdm_str_null(&uuid);
    list = plist_new_array();

    for (i = 0; rc == MDM_OK && i < p->block->ntrust; i++) {

        rc = (mdm_profile_trusted(arena, &p->block->trust[i], &what) == MDM_OK
              && mdm_profile_uuid(arena, p, (char *) what.data, &uuid)
                 == MDM_OK
              && mdm_profile_append(arena, list, &uuid) == MDM_OK)
             ? MDM_OK : MDM_ERROR;
    }

    if (rc != MDM_OK) {
        plist_free(list);
        return MDM_ERROR;
    }

    plist_dict_set_item(mdm, "CheckInURLPinningCertificateUUIDs",
                        plist_copy(list));
    plist_dict_set_item(mdm, "ServerURLPinningCertificateUUIDs", list);

    return MDM_OK;
}


/* all of trust_certificate, or the roots alone */

static mdm_int_t
mdm_profile_certificates(mdm_arena_t *arena, const mdm_profile_t *p,
    mdm_uint_t all, plist_t profile)
{
    plist_t                    payload;
    mdm_uint_t                 i;
    const mdm_enroll_block_t  *b;

    b = p->block;

    for (i = 0; i < b->ntrust; i++) {

        if (!all && !b->trust[i].root) {
            continue;
        }

        payload = mdm_profile_certificate(arena, p, &b->trust[i]);
        if (payload == NULL) {
            return MDM_ERROR;
        }

        mdm_profile_add(profile, payload);
    }

    return MDM_OK;
}


static plist_t
mdm_profile_certificate(mdm_arena_t *arena, const mdm_profile_t *p,
    const mdm_enroll_trust_t *trust)
{
    plist_t    payload;
    mdm_str_t  what;

    if (mdm_profile_trusted(arena, trust, &what) != MDM_OK) {
        return NULL;
    }

    payload = mdm_profile_payload(arena, p,
                                  trust->root ? "com.apple.security.root"
                                              : "com.apple.security.pkcs1",
                                  (char *) what.data, 0, &trust->name);

    if (payload != NULL) {
        plist_dict_set_item(payload, "PayloadContent",
                            plist_new_data((char *) trust->der.data,
                                           trust->der.len));
    }

    return payload;
}


/* one that takes the place of another is another payload */

mdm_int_t
mdm_profile_trusted(mdm_arena_t *arena, const mdm_enroll_trust_t *trust,
    mdm_str_t *what)
{
    return mdm_printf(arena, what, "certificate.%.16s", trust->sha256.data);
}


plist_t
mdm_profile_scep(mdm_arena_t *arena, const mdm_profile_t *p)
{
    plist_t                   payload, scep, subject;
    mdm_str_t                 name;
    const mdm_enroll_scep_t  *s;

    s = &p->block->scep;

    mdm_str_set(&name, "Device Identity");

    payload = mdm_profile_payload(arena, p, "com.apple.security.scep",
                                  "identity", 1, &name);
    if (payload == NULL) {
        return NULL;
    }

    scep = plist_new_dict();

    plist_dict_set_item(payload, "PayloadContent", scep);

    subject = mdm_profile_subject(arena, p);

    if (subject == NULL
        || mdm_profile_word(arena, scep, "Key Type", "RSA") != MDM_OK
        || mdm_profile_string(arena, scep, "URL", &s->url) != MDM_OK
        || mdm_profile_string(arena, scep, "Name", &s->ca->name) != MDM_OK
        || mdm_profile_string(arena, scep, "Challenge", &p->challenge)
           != MDM_OK)
    {
        plist_free(subject);
        plist_free(payload);
        return NULL;
    }

    plist_dict_set_item(scep, "Subject", subject);

    /* names have blanks; without Keysize it would be 1024 */

    plist_dict_set_item(scep, "Key Usage", plist_new_uint(MDM_PROFILE_USAGE));
    plist_dict_set_item(scep, "Keysize", plist_new_uint(s->keysize));
    plist_dict_set_item(scep, "KeyIsExtractable", plist_new_bool(0));
    plist_dict_set_item(scep, "Retries", plist_new_uint(s->retries));
    plist_dict_set_item(scep, "RetryDelay", plist_new_uint(s->retry_delay));

    if (s->fingerprint.len != 0) {
        plist_dict_set_item(scep, "CAFingerprint",
                            plist_new_data((char *) s->fingerprint.data,
                                           s->fingerprint.len));
    }

    return payload;
}


/*
 * Three arrays deep: RDNs of attributes of type and value.  What the
 * certificate says the CA decides.
 */

static plist_t
mdm_profile_subject(mdm_arena_t *arena, const mdm_profile_t *p)
{
    plist_t           subject;
    const mdm_str_t  *organization;

    static const mdm_str_t  o = mdm_string("O");
    static const mdm_str_t  cn = mdm_string("CN");
    static const mdm_str_t  name = mdm_string("Device Identity");

    subject = plist_new_array();
    organization = &p->block->organization;

    if ((organization->len != 0
         && mdm_profile_rdn(arena, subject, &o, organization) != MDM_OK)
        || mdm_profile_rdn(arena, subject, &cn, &name) != MDM_OK)
    {
        plist_free(subject);
        return NULL;
    }

    return subject;
}


static mdm_int_t
mdm_profile_rdn(mdm_arena_t *arena, plist_t subject, const mdm_str_t *type,
    const mdm_str_t *value)
{
    plist_t  rdn, attribute;

    rdn = plist_new_array();
    attribute = plist_new_array();

    plist_array_append_item(rdn, attribute);
    plist_array_append_item(subject, rdn);

    return (mdm_profile_append(arena, attribute, type) == MDM_OK
            && mdm_profile_append(arena, attribute, value) == MDM_OK)
           ? MDM_OK : MDM_ERROR;
}


plist_t
mdm_profile_payload(mdm_arena_t *arena, const mdm_profile_t *p,
    const char *type, const char *what, mdm_uint_t fresh,
    const mdm_str_t *name)
{
    plist_t    dict;
    mdm_int_t  rc;
    mdm_str_t  uuid;

    mdm_str_null(&uuid);

    rc = fresh ? mdm_uuid(arena, &uuid)
               : mdm_profile_uuid(arena, p, what, &uuid);

    if (rc != MDM_OK) {
        return NULL;
    }

    dict = plist_new_dict();
    if (dict == NULL) {
        return NULL;
    }

    plist_dict_set_item(dict, "PayloadVersion", plist_new_uint(1));

    if (mdm_profile_word(arena, dict, "PayloadType", type) != MDM_OK
        || mdm_profile_identifier(arena, p, what, dict) != MDM_OK
        || mdm_profile_string(arena, dict, "PayloadUUID", &uuid) != MDM_OK
        || mdm_profile_string(arena, dict, "PayloadDisplayName", name)
           != MDM_OK
        || mdm_profile_string(arena, dict, "PayloadOrganization",
                              &p->block->organization)
           != MDM_OK)
    {
        plist_free(dict);
        return NULL;
    }

    return dict;
}


static mdm_int_t
mdm_profile_identifier(mdm_arena_t *arena, const mdm_profile_t *p,
    const char *what, plist_t dict)
{
    mdm_str_t  id;

    if (mdm_printf(arena, &id, "%.*s%s%s", mdm_fmt(&p->block->identifier),
                   (*what != '\0') ? "." : "", what)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_profile_string(arena, dict, "PayloadIdentifier", &id);
}


void
mdm_profile_add(plist_t profile, plist_t payload)
{
    plist_t  content;

    content = plist_dict_get_item(profile, "PayloadContent");

    if (content == NULL) {
        content = plist_new_array();
        plist_dict_set_item(profile, "PayloadContent", content);
    }

    plist_array_append_item(content, payload);
}


/* a name-based UUID as RFC 9562 has it in version 8, by SHA-256 */

mdm_int_t
mdm_profile_uuid(mdm_arena_t *arena, const mdm_profile_t *p, const char *what,
    mdm_str_t *uuid)
{
    u_char     b[SHA256_DIGEST_LENGTH], hex[2 * SHA256_DIGEST_LENGTH];
    mdm_str_t  text;

    /* none of the names in front has a slash */

    if (mdm_printf(arena, &text, "%.*s/%.*s/%s", mdm_fmt(&p->tenant),
                   mdm_fmt(&p->block->name), what)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (mdm_certificate_sha256(&text, b, hex) != MDM_OK) {
        return mdm_arena_failed(arena, "EVP_Digest");
    }

    b[6] = (u_char) ((b[6] & 0x0f) | 0x80);
    b[8] = (u_char) ((b[8] & 0x3f) | 0x80);

    return mdm_printf(arena, uuid, "%02X%02X%02X%02X-%02X%02X-%02X%02X-"
                      "%02X%02X-%02X%02X%02X%02X%02X%02X",
                      b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
                      b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}


mdm_int_t
mdm_profile_keys(mdm_arena_t *arena, const mdm_profile_t *p, mdm_str_t *hex)
{
    u_char                     digest[MDM_SHA256];
    mdm_str_t                  text;
    mdm_uint_t                 i, users;
    const mdm_str_t           *checkin;
    const mdm_enroll_block_t  *b;

    b = p->block;
    users = 0;

    for (i = 0; i < b->ncapabilities; i++) {
        users |= mdm_str_is(&b->capabilities[i],
                            "com.apple.mdm.per-user-connections");
    }

    checkin = (b->checkin_url.len != 0) ? &b->checkin_url : &b->server_url;

    hex->len = 2 * MDM_SHA256;
    hex->data = mdm_arena_alloc(arena, hex->len);

    if (hex->data == NULL
        || mdm_printf(arena, &text, "%.*s\n%.*s\n%.*s\n%d",
                      mdm_fmt(&p->topic), mdm_fmt(&b->server_url),
                      mdm_fmt(checkin), (int) users)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return (mdm_certificate_sha256(&text, digest, hex->data) == MDM_OK)
           ? MDM_OK : mdm_arena_failed(arena, "EVP_Digest");
}


mdm_int_t
mdm_profile_string(mdm_arena_t *arena, plist_t dict, const char *key,
    const mdm_str_t *value)
{
    char  *text;

    if (value->len == 0) {
        return MDM_OK;
    }

    text = mdm_profile_text(arena, value);

    return (text != NULL) ? mdm_profile_word(arena, dict, key, text)
                          : MDM_ERROR;
}


/* libplist wants a NUL at the end */

static char *
mdm_profile_text(mdm_arena_t *arena, const mdm_str_t *value)
{
    char  *text;

    text = mdm_arena_alloc(arena, value->len + 1);

    if (text != NULL) {

        if (value->len != 0) {
            memcpy(text, value->data, value->len);
        }

        text[value->len] = '\0';
    }

    return text;
}


static mdm_int_t
mdm_profile_word(mdm_arena_t *arena, plist_t dict, const char *key,
    const char *word)
{
    plist_t  value;

    value = plist_new_string(word);

    if (value == NULL) {
        return mdm_arena_no_memory(arena);
    }

    plist_dict_set_item(dict, key, value);

    return MDM_OK;
}


mdm_int_t
mdm_profile_append(mdm_arena_t *arena, plist_t array, const mdm_str_t *value)
{
    char     *text;
    plist_t   node;

    text = mdm_profile_text(arena, value);
    if (text == NULL) {
        return MDM_ERROR;
    }

    node = plist_new_string(text);

    if (node == NULL) {
        return mdm_arena_no_memory(arena);
    }

    plist_array_append_item(array, node);

    return MDM_OK;
}
