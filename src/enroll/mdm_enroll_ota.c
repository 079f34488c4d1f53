
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Enrolment over the air, the Profile Service: a first profile asks the device
 * who it is; what it says, signed with Apple's certificate, is answered with an
 * identity for an hour; what it says again, signed with that one, with the
 * profile.  Nothing is stored in between but the challenge of that identity:
 * what the first profile has is sealed.
 */


#include "mdm_certificates.h"
#include "mdm_enroll_device.h"
#include "mdm_enroll_seal.h"
#include "mdm_json.h"


typedef struct {
    mdm_enroll_device_t      *device;
    mdm_link_fetch_t          link;
    mdm_str_t                 person;
    mdm_str_t                 digest;      /* of the link that it began with,
                                              SHA-256, hex, or empty */
    mdm_challenge_new_t       challenge;   /* of the identity for an hour */
    mdm_certificates_entry_t  entry;       /* of that one */
    mdm_enroll_grant_t        grant;

    /* what the work has */

    mdm_profile_t             p;
    mdm_str_t                 url;         /* empty: it is the identity */
    mdm_str_t                 token;
    mdm_str_t                 out;
} mdm_enroll_ota_t;


enum {
    MDM_ENROLL_OTA_BEGIN = 0,
    MDM_ENROLL_OTA_LINKED,
    MDM_ENROLL_OTA_VERIFIED,
    MDM_ENROLL_OTA_KNOWN,
    MDM_ENROLL_OTA_CHALLENGED,
    MDM_ENROLL_OTA_MADE
};


static mdm_int_t mdm_enroll_ota_begin(mdm_exchange_t *x);
static mdm_int_t mdm_enroll_ota_linked(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_offer(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_token(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_fetch(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota, mdm_uint_t count);
static mdm_int_t mdm_enroll_ota_verified(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_begun(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_known(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_same(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_next(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_identity(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_give(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_make(mdm_exchange_t *x,
    mdm_enroll_ota_t *ota);
static mdm_int_t mdm_enroll_ota_work(mdm_arena_t *arena, void *data);
static plist_t mdm_enroll_ota_service(mdm_arena_t *arena,
    mdm_enroll_ota_t *ota);
static plist_t mdm_enroll_ota_config(mdm_arena_t *arena,
    mdm_enroll_ota_t *ota);


static const mdm_str_t  mdm_enroll_ota_attributes[] = {
    mdm_string("UDID"), mdm_string("VERSION"), mdm_string("PRODUCT"),
    mdm_string("SERIAL"), mdm_string("DEVICE_NAME"), mdm_string("IMEI"),
    mdm_string("MEID"), mdm_string("MAC_ADDRESS_EN0"), mdm_string("LANGUAGE")
};

#define MDM_ENROLL_OTA_ATTRIBUTES                                             \
    (sizeof(mdm_enroll_ota_attributes) / sizeof(mdm_enroll_ota_attributes[0]))


mdm_int_t
mdm_enroll_ota(mdm_exchange_t *x)
{
    mdm_enroll_ota_t  *ota;

    ota = x->ctx;

    switch (x->state) {

    case MDM_ENROLL_OTA_LINKED:
        return mdm_enroll_ota_linked(x, ota);

    case MDM_ENROLL_OTA_VERIFIED:
        return mdm_enroll_ota_verified(x, ota);

    case MDM_ENROLL_OTA_KNOWN:
        return mdm_enroll_ota_known(x, ota);

    case MDM_ENROLL_OTA_CHALLENGED:
        return mdm_enroll_ota_identity(x, ota);

    case MDM_ENROLL_OTA_MADE:
        return mdm_enroll_answer(x, &ota->out);

    default: /* MDM_ENROLL_OTA_BEGIN */
        return mdm_enroll_ota_begin(x);
    }
}


static mdm_int_t
mdm_enroll_ota_begin(mdm_exchange_t *x)
{
    mdm_enroll_ota_t  *ota;

    ota = mdm_arena_zalloc(x->arena, sizeof(mdm_enroll_ota_t));
    if (ota == NULL) {
        return MDM_ERROR;
    }

    x->ctx = ota;

    if (x->method == MDM_POST) {

        if (mdm_enroll_device(x, &x->body, &ota->device) != MDM_OK) {
            return MDM_ERROR;
        }

        ota->device->cas = &x->enrollment->scep.ca;
        ota->device->ncas = 1;

        return mdm_exchange_work_alone(x, MDM_ENROLL_OTA_VERIFIED,
                                       mdm_enroll_device_work, ota->device);
    }

    if (x->path.len != 0 && (x->ways & MDM_ENROLL_LINK)) {
        return mdm_enroll_ota_fetch(x, ota, !x->head);
    }

    if (x->person.len == 0
        && (x->asked || x->settings->enroll_allow != MDM_ENROLL_ALLOW_ANY))
    {
        return mdm_exchange_refuse(x, 403, "to enroll here takes a link");
    }

    ota->person = x->person;

    return mdm_enroll_ota_offer(x, ota);
}


static mdm_int_t
mdm_enroll_ota_fetch(mdm_exchange_t *x, mdm_enroll_ota_t *ota,
    mdm_uint_t count)
{
    ota->link.value = x->path;
    ota->link.enrollment = x->enrollment->name;
    ota->link.count = count;

    return mdm_exchange_enter(x, mdm_link_fetch, &ota->link,
                              MDM_ENROLL_OTA_LINKED);
}


/* of each of the three requests */

static mdm_int_t
mdm_enroll_ota_linked(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    mdm_int_t         rc;
    mdm_challenge_t  *c;

    rc = mdm_enroll_link_good(x, &ota->link);
    if (rc != MDM_OK) {
        return rc;
    }

    c = &ota->link.c;

    if (x->method != MDM_POST) {
        ota->person = (c->person.len != 0) ? c->person : x->person;
        ota->digest = c->link;

        return mdm_enroll_ota_offer(x, ota);
    }

    if (!mdm_str_eq(&ota->digest, &c->link)) {
        return mdm_exchange_refuse(x, 403, "the device has begun with another "
                                   "link");
    }

    if ((c->udid.len != 0 && !mdm_str_eq_i(&c->udid, &ota->device->info.udid))
        || (c->serial.len != 0
            && !mdm_str_eq_i(&c->serial, &ota->device->info.serial)))
    {
        return mdm_exchange_refuse(x, 403, "this link is for another device");
    }

    return mdm_enroll_ota_next(x, ota);
}


static mdm_int_t
mdm_enroll_ota_offer(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    if (x->head) {
        return mdm_enroll_answer(x, &ota->out);
    }

    if (mdm_enroll_ota_token(x, ota) != MDM_OK) {
        return MDM_ERROR;
    }

    ota->url = x->url;

    return mdm_enroll_ota_make(x, ota);
}


/* what the device brings back: for whom, and by which link */

static mdm_int_t
mdm_enroll_ota_token(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    mdm_str_t       text;
    mdm_json_out_t  j;

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_opt_str(&j, "person", &ota->person);
    mdm_json_opt_str(&j, "link", &ota->digest);
    mdm_json_close(&j, '}');

    if (mdm_json_end(&j, &text) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_enroll_seal(x, MDM_ENROLL_CHALLENGE, &x->enrollment->name,
                           &text, &ota->token);
}


static mdm_int_t
mdm_enroll_ota_verified(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    mdm_enroll_device_t  *d;

    d = ota->device;

    if (d->rc != MDM_OK) {
        return mdm_exchange_refuse(x, 403, "what the device says of itself is "
                                   "not accepted: %s", d->why);
    }

    if (d->ours) {
        ota->entry.sha256 = d->signer;

        return mdm_exchange_enter(x, mdm_certificates_get, &ota->entry,
                                  MDM_ENROLL_OTA_KNOWN);
    }

    if (d->info.challenge.len == 0 && (x->ways & MDM_ENROLL_ADE)) {
        return mdm_enroll_ade_device(x, d);
    }

    return mdm_enroll_ota_begun(x, ota);
}


/* with the challenge of the first profile */

static mdm_int_t
mdm_enroll_ota_begun(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    json_t        *root, *value;
    mdm_int_t      rc;
    mdm_str_t      text;
    const char    *why;
    json_error_t   error;

    rc = mdm_enroll_open(x, MDM_ENROLL_CHALLENGE, &x->enrollment->name,
                         &ota->device->info.challenge, &text, &why);

    if (rc == MDM_OK) {
        why = "it is of another release";
        rc = mdm_json_read(x->arena, &text, 0, &root, &error);
    }

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 403, "the challenge of the device is not "
                                   "accepted: %s", why);
    }

    if (rc != MDM_OK) {
        return MDM_ERROR;
    }

    value = json_object_get(root, "person");
    ota->person.data = (u_char *) (uintptr_t) json_string_value(value);
    ota->person.len = json_string_length(value);

    value = json_object_get(root, "link");
    ota->digest.data = (u_char *) (uintptr_t) json_string_value(value);
    ota->digest.len = json_string_length(value);

    return mdm_enroll_ota_same(x, ota);
}


/* with the identity that it was given for an hour */

static mdm_int_t
mdm_enroll_ota_known(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    const mdm_challenge_t     *c;
    const mdm_machine_info_t  *info;

    c = &ota->entry.c;
    info = &ota->device->info;

    if (!ota->entry.found || c->purpose != MDM_PURPOSE_OTA
        || !mdm_str_eq(&c->enrollment, &x->enrollment->name))
    {
        return mdm_exchange_refuse(x, 403, "the certificate of the device is "
                                   "not one for enrolling here");
    }

    if (!mdm_str_eq_i(&c->udid, &info->udid)
        || !mdm_str_eq_i(&c->serial, &info->serial))
    {
        return mdm_exchange_refuse(x, 403, "the certificate is another "
                                   "device's");
    }

    ota->person = c->person;
    ota->digest = c->link;

    return mdm_enroll_ota_same(x, ota);
}


/* it comes back to where it has begun, and the link is still good */

static mdm_int_t
mdm_enroll_ota_same(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    if (ota->digest.len == 0) {
        mdm_str_null(&ota->link.c.gives);

        return mdm_enroll_ota_next(x, ota);
    }

    return mdm_enroll_ota_fetch(x, ota, 0);
}


static mdm_int_t
mdm_enroll_ota_next(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    mdm_challenge_new_t  *n;

    if (ota->device->ours) {
        return mdm_enroll_ota_give(x, ota);
    }

    n = &ota->challenge;
    n->uses = 1;
    n->ttl = MDM_CHALLENGE_OTA;
    n->c.purpose = MDM_PURPOSE_OTA;
    n->c.udid = ota->device->info.udid;
    n->c.serial = ota->device->info.serial;
    n->c.person = ota->person;
    n->c.enrollment = x->enrollment->name;
    n->c.link = ota->digest;
    mdm_str_set(&n->c.way, "ota");

    return mdm_exchange_enter(x, mdm_challenge_create, n,
                              MDM_ENROLL_OTA_CHALLENGED);
}


static mdm_int_t
mdm_enroll_ota_identity(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    if (ota->challenge.code < 0) {
        return mdm_enroll_full(x, ota->challenge.code);
    }

    ota->p.challenge = ota->challenge.value;

    return mdm_enroll_ota_make(x, ota);
}


static mdm_int_t
mdm_enroll_ota_give(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    mdm_enroll_grant_t  *g;

    g = &ota->grant;
    g->block = x->enrollment;
    g->product = ota->device->info.product;
    g->recipient = ota->device->message.signer;
    g->c.purpose = MDM_PURPOSE_DEVICE;
    g->c.udid = ota->entry.c.udid;
    g->c.serial = ota->entry.c.serial;
    g->c.person = ota->person;
    g->c.link = ota->digest;
    g->c.gives = ota->link.c.gives;
    mdm_str_set(&g->c.way, "ota");

    if (x->settings->enroll_replace == MDM_ENROLL_REPLACE_NONE) {
        mdm_str_set(&g->c.replace, "none");
    }

    /* clocks differ */

    if (ota->digest.len != 0) {
        g->ttl = (ota->link.ends > x->now) ? ota->link.ends - x->now : 1;
    }

    return mdm_enroll_profile(x, g);
}


static mdm_int_t
mdm_enroll_ota_make(mdm_exchange_t *x, mdm_enroll_ota_t *ota)
{
    ota->p.block = x->enrollment;
    ota->p.tenant = x->tenant;

    return mdm_exchange_work_alone(x, MDM_ENROLL_OTA_MADE,
                                   mdm_enroll_ota_work, ota);
}


static mdm_int_t
mdm_enroll_ota_work(mdm_arena_t *arena, void *data)
{
    mdm_enroll_ota_t *ota = data;

    plist_t    plist;
    mdm_int_t  rc;

    plist = (ota->url.len != 0) ? mdm_enroll_ota_service(arena, ota)
                                : mdm_enroll_ota_config(arena, ota);
    if (plist == NULL) {
        return MDM_ERROR;
    }

    rc = mdm_plist_xml(arena, plist, &ota->out);

    plist_free(plist);

    if (rc == MDM_OK && ota->p.block->sign != NULL) {
        rc = mdm_profile_sign(arena, ota->p.block, &ota->out, &ota->out);
    }

    return rc;
}


/* the first profile, which is a payload alone */

static plist_t
mdm_enroll_ota_service(mdm_arena_t *arena, mdm_enroll_ota_t *ota)
{
    plist_t     payload, content, attributes;
    mdm_int_t   rc;
    mdm_uint_t  i;

    payload = mdm_profile_payload(arena, &ota->p, "Profile Service", "ota", 0,
                                  &ota->p.block->display_name);
    if (payload == NULL) {
        return NULL;
    }

    content = plist_new_dict();
    attributes = plist_new_array();

    plist_dict_set_item(payload, "PayloadContent", content);
    plist_dict_set_item(content, "DeviceAttributes", attributes);

    rc = MDM_OK;

    for (i = 0; rc == MDM_OK && i < MDM_ENROLL_OTA_ATTRIBUTES; i++) {
        rc = mdm_profile_append(arena, attributes,
                                &mdm_enroll_ota_attributes[i]);
    }

    if (rc != MDM_OK
        || mdm_profile_string(arena, content, "URL", &ota->url) != MDM_OK
        || mdm_profile_string(arena, content, "Challenge", &ota->token)
           != MDM_OK)
    {
        plist_free(payload);
        return NULL;
    }

    return payload;
}


/* a profile with an identity alone */

static plist_t
mdm_enroll_ota_config(mdm_arena_t *arena, mdm_enroll_ota_t *ota)
{
    plist_t  profile, scep;

    profile = mdm_profile_payload(arena, &ota->p, "Configuration",
                                  "ota.identity", 0,
                                  &ota->p.block->display_name);
    if (profile == NULL) {
        return NULL;
    }

    scep = mdm_profile_scep(arena, &ota->p);

    if (scep == NULL) {
        plist_free(profile);
        return NULL;
    }

    mdm_profile_add(profile, scep);

    return profile;
}
