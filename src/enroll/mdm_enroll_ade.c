
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Automated Device Enrolment: Setup Assistant posts its MachineInfo, or opens
 * a page of ours with it in a header, the first one only; what that page is
 * for, a login, ends with the state that it was given.
 */


#include "mdm_enroll_device.h"
#include "mdm_enroll_seal.h"
#include "mdm_key.h"
#include "mdm_os.h"
#include "mdm_owned.h"


#define MDM_ENROLL_ADE_UNKNOWN                                                \
    "its serial number is not in the list"


typedef struct {
    mdm_enroll_device_t      *device;
    mdm_enroll_grant_t        grant;
    mdm_uint_t                setup;       /* 1: it is what comes first, and
                                              may be told to update */
    mdm_uint_t                page;        /* 1: that is a page */
    mdm_str_t                 key;         /* of the owned device */
} mdm_enroll_ade_t;


enum {
    MDM_ENROLL_ADE_BEGIN = 0,
    MDM_ENROLL_ADE_VERIFIED,
    MDM_ENROLL_ADE_LOOKED,
    MDM_ENROLL_ADE_REFUSED
};


static mdm_int_t mdm_enroll_ade_begin(mdm_exchange_t *x);
static mdm_int_t mdm_enroll_ade_signed(mdm_exchange_t *x,
    const mdm_str_t *der, mdm_uint_t page);
static mdm_uint_t mdm_enroll_ade_arg(const mdm_str_t *query, mdm_str_t *token);
static mdm_int_t mdm_enroll_ade_back(mdm_exchange_t *x,
    const mdm_str_t *token);
static mdm_int_t mdm_enroll_ade_verified(mdm_exchange_t *x,
    mdm_enroll_ade_t *ade);
static mdm_int_t mdm_enroll_ade_look(mdm_exchange_t *x,
    mdm_enroll_ade_t *ade);
static mdm_int_t mdm_enroll_ade_looked(mdm_exchange_t *x,
    mdm_enroll_ade_t *ade);
static mdm_int_t mdm_enroll_ade_unknown(mdm_exchange_t *x,
    mdm_enroll_ade_t *ade);
static const mdm_enroll_minimum_t *mdm_enroll_ade_os(const mdm_exchange_t *x,
    const mdm_machine_info_t *info);
static mdm_int_t mdm_enroll_ade_update(mdm_exchange_t *x,
    const mdm_enroll_minimum_t *os);
static mdm_int_t mdm_enroll_ade_login(mdm_exchange_t *x,
    mdm_enroll_ade_t *ade);
static mdm_int_t mdm_enroll_ade_give(mdm_exchange_t *x,
    mdm_enroll_ade_t *ade);
static mdm_uint_t mdm_enroll_ade_nobody(const mdm_exchange_t *x);


mdm_int_t
mdm_enroll_ade(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_ENROLL_ADE_VERIFIED:
        return mdm_enroll_ade_verified(x, x->ctx);

    case MDM_ENROLL_ADE_LOOKED:
        return mdm_enroll_ade_looked(x, x->ctx);

    case MDM_ENROLL_ADE_REFUSED:
        return mdm_enroll_ade_unknown(x, x->ctx);

    default: /* MDM_ENROLL_ADE_BEGIN */
        return mdm_enroll_ade_begin(x);
    }
}


static mdm_int_t
mdm_enroll_ade_begin(mdm_exchange_t *x)
{
    mdm_int_t  rc;
    mdm_str_t  der, token;

    if (x->method == MDM_POST) {
        return mdm_enroll_ade_signed(x, &x->body, 0);
    }

    if (mdm_enroll_ade_arg(&x->query, &token)) {
        return mdm_enroll_ade_back(x, &token);
    }

    if (x->deviceinfo.len == 0) {
        return mdm_exchange_refuse(x, 403, "this page is for the setup of a "
                                 "device");
    }

    rc = mdm_unbase64(x->arena, &der, &x->deviceinfo);

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 403, "x-apple-aspen-deviceinfo is not "
                                 "base64");
    }

    return (rc == MDM_OK) ? mdm_enroll_ade_signed(x, &der, 1) : MDM_ERROR;
}


/* "state" of a query: base64url, which nobody has to encode */

static mdm_uint_t
mdm_enroll_ade_arg(const mdm_str_t *query, mdm_str_t *token)
{
    u_char  *p, *end, *next;

    if (query->len == 0) {
        return 0;
    }

    end = query->data + query->len;

    for (p = query->data; p < end; p = next + 1) {
        next = memchr(p, '&', (size_t) (end - p));

        if (next == NULL) {
            next = end;
        }

        if (next - p >= 6 && memcmp(p, "state=", 6) == 0) {
            token->data = p + 6;
            token->len = (size_t) (next - p) - 6;

            return 1;
        }
    }

    return 0;
}


static mdm_int_t
mdm_enroll_ade_signed(mdm_exchange_t *x, const mdm_str_t *der,
    mdm_uint_t page)
{
    mdm_enroll_ade_t  *ade;

    /* who is logged in at a page is not known before it is open */

    if (!page && mdm_enroll_ade_nobody(x)) {
        return mdm_exchange_refuse(x, 403, "it is not known who this device is "
                                 "for");
    }

    ade = mdm_arena_zalloc(x->arena, sizeof(mdm_enroll_ade_t));
    if (ade == NULL) {
        return MDM_ERROR;
    }

    if (mdm_enroll_device(x, der, &ade->device) != MDM_OK) {
        return MDM_ERROR;
    }

    ade->setup = 1;
    ade->page = page;
    x->ctx = ade;

    return mdm_exchange_work_alone(x, MDM_ENROLL_ADE_VERIFIED,
                                   mdm_enroll_device_work, ade->device);
}


mdm_int_t
mdm_enroll_ade_device(mdm_exchange_t *x, mdm_enroll_device_t *device)
{
    mdm_enroll_ade_t  *ade;

    ade = mdm_arena_zalloc(x->arena, sizeof(mdm_enroll_ade_t));
    if (ade == NULL) {
        return MDM_ERROR;
    }

    ade->device = device;
    ade->setup = 1;

    x->ctx = ade;
    x->step = mdm_enroll_ade;

    if (mdm_enroll_ade_nobody(x)) {
        return mdm_exchange_refuse(x, 403, "it is not known who this device "
                                   "is for");
    }

    return mdm_enroll_ade_look(x, ade);
}


/* from the login, with what it was given */

static mdm_int_t
mdm_enroll_ade_back(mdm_exchange_t *x, const mdm_str_t *token)
{
    json_t            *root;
    mdm_int_t          rc;
    mdm_str_t          text;
    const char        *why;
    json_error_t       error;
    mdm_enroll_ade_t  *ade;

    if (mdm_enroll_ade_nobody(x)) {
        return mdm_exchange_refuse(x, 403, "nobody is logged in");
    }

    rc = mdm_enroll_open(x, MDM_ENROLL_STATE, &x->enrollment->name, token,
                         &text, &why);

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 403, "the state of this login is not "
                                 "accepted: %s", why);
    }

    if (rc != MDM_OK) {
        return MDM_ERROR;
    }

    ade = mdm_arena_zalloc(x->arena, sizeof(mdm_enroll_ade_t));
    if (ade == NULL || mdm_enroll_device(x, &text, &ade->device) != MDM_OK) {
        return MDM_ERROR;
    }

    x->ctx = ade;

    rc = mdm_json_read(x->arena, &text, 0, &root, &error);

    if (rc == MDM_OK) {
        rc = mdm_machine_info_load(x->arena, root, &ade->device->info);
    }

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 403, "the state of this login is of "
                                 "another release");
    }

    return (rc == MDM_OK) ? mdm_enroll_ade_look(x, ade) : MDM_ERROR;
}


static mdm_int_t
mdm_enroll_ade_verified(mdm_exchange_t *x, mdm_enroll_ade_t *ade)
{
    if (ade->device->rc != MDM_OK) {
        return mdm_exchange_refuse(x, 403, "MachineInfo is not accepted: %s",
                                 ade->device->why);
    }

    return mdm_enroll_ade_look(x, ade);
}


static mdm_int_t
mdm_enroll_ade_look(mdm_exchange_t *x, mdm_enroll_ade_t *ade)
{
    mdm_str_t  name;

    if (mdm_owned_name(x->arena, &name, &ade->device->info.serial) != MDM_OK
        || mdm_key_owned(x->arena, &ade->key, &x->tenant, &name) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_ENROLL_ADE_LOOKED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    return (mdm_exchange_call(x, 0, &mdm_script_owned_get, &ade->key, 0)
            != NULL)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_enroll_ade_looked(mdm_exchange_t *x, mdm_enroll_ade_t *ade)
{
    mdm_int_t                    rc;
    mdm_str_t                    bind;
    mdm_owned_t                  owned;
    const mdm_enroll_minimum_t  *os;

    if (mdm_reply_code(x->calls[0].reply, 0) == 1) {
        bind = mdm_reply_str(x->calls[0].reply, MDM_RET_OWNED_GET_BIND);

        rc = mdm_owned_read(x, &ade->key, &bind, &owned);
        if (rc != MDM_OK) {
            return rc;
        }

        ade->grant.c.gives = owned.gives;

    } else if (x->settings->enroll_allow != MDM_ENROLL_ALLOW_ANY) {

        if (x->head) {
            return mdm_enroll_ade_unknown(x, ade);
        }

        if (mdm_exchange_calls(x, 1, MDM_ENROLL_ADE_REFUSED) != MDM_CALL
            || mdm_enroll_told(x, 0, &ade->device->info, "ade",
                               MDM_ENROLL_ADE_UNKNOWN)
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        return MDM_CALL;
    }

    os = ade->setup ? mdm_enroll_ade_os(x, &ade->device->info) : NULL;

    if (os != NULL) {
        return mdm_enroll_ade_update(x, os);
    }

    if (ade->page && x->login) {
        return mdm_enroll_ade_login(x, ade);
    }

    if (mdm_enroll_ade_nobody(x)) {
        return mdm_exchange_refuse(x, 403, "it is not known who this device "
                                   "is for");
    }

    return mdm_enroll_ade_give(x, ade);
}


static mdm_int_t
mdm_enroll_ade_unknown(mdm_exchange_t *x, mdm_enroll_ade_t *ade)
{
    return mdm_exchange_code(x, "com.apple.unrecognized.device", NULL,
                             "device \"%.*s\": %s",
                             mdm_fmt(&ade->device->info.serial),
                             MDM_ENROLL_ADE_UNKNOWN);
}


/* the release that it has to have, if it has a lower one and can be told */

static const mdm_enroll_minimum_t *
mdm_enroll_ade_os(const mdm_exchange_t *x, const mdm_machine_info_t *info)
{
    mdm_uint_t                  i;
    const char                 *name;
    const mdm_enroll_minimum_t  *os, *found;

    name = mdm_os_name(&info->product);

    if (!info->can_update || name == NULL) {
        return NULL;
    }

    found = NULL;

    for (i = 0; i < x->enrollment->nminimum; i++) {
        os = &x->enrollment->minimum[i];

        if (mdm_str_is(&os->system, name)) {
            found = os;
            break;
        }

        /* what is said of iOS holds for an iPad that nothing else is said of */

        if (strcmp(name, "iPadOS") == 0 && mdm_str_is(&os->system, "iOS")) {
            found = os;
        }
    }

    return (found != NULL
            && mdm_os_lower(&info->os, &info->os_extra, &found->version))
           ? found : NULL;
}


static mdm_int_t
mdm_enroll_ade_update(mdm_exchange_t *x, const mdm_enroll_minimum_t *os)
{
    mdm_str_t       details;
    mdm_json_out_t  j;

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_str(&j, "OSVersion", &os->version);
    mdm_json_opt_str(&j, "BuildVersion", &os->build);

    if (os->beta.len != 0) {
        mdm_json_open(&j, "RequireBetaProgram", '{');
        mdm_json_str(&j, "Description", &os->description);
        mdm_json_str(&j, "Token", &os->beta);
        mdm_json_close(&j, '}');
    }

    mdm_json_close(&j, '}');

    if (mdm_json_end(&j, &details) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_exchange_code(x, "com.apple.softwareupdate.required", &details,
                             "the device has to update to %.*s %.*s first",
                             mdm_fmt(&os->system), mdm_fmt(&os->version));
}


static mdm_int_t
mdm_enroll_ade_login(mdm_exchange_t *x, mdm_enroll_ade_t *ade)
{
    mdm_int_t       rc;
    mdm_str_t       text;
    mdm_json_out_t  j;

    mdm_json_init(&j, x->arena, 512);
    mdm_json_open(&j, NULL, '{');
    mdm_machine_info_write(&j, &ade->device->info);
    mdm_json_close(&j, '}');

    if (mdm_json_end(&j, &text) != MDM_OK) {
        return MDM_ERROR;
    }

    rc = mdm_enroll_seal(x, MDM_ENROLL_STATE, &x->enrollment->name, &text,
                         &x->enroll_state);

    /* where to, says "mdm_enroll_login", which may have the state in it */

    return (rc == MDM_OK) ? mdm_exchange_empty(x, 302) : MDM_ERROR;
}


static mdm_int_t
mdm_enroll_ade_give(mdm_exchange_t *x, mdm_enroll_ade_t *ade)
{
    mdm_str_t            none;
    mdm_enroll_grant_t  *g;

    /* whoever only looks spends nothing */

    if (x->head) {
        mdm_str_null(&none);
        return mdm_enroll_answer(x, &none);
    }

    g = &ade->grant;
    g->block = x->enrollment;
    g->product = ade->device->info.product;
    g->c.purpose = MDM_PURPOSE_DEVICE;
    g->c.udid = ade->device->info.udid;
    g->c.serial = ade->device->info.serial;
    g->c.person = x->person;
    mdm_str_set(&g->c.way, "ade");

    if (x->settings->enroll_replace == MDM_ENROLL_REPLACE_NONE) {
        mdm_str_set(&g->c.replace, "none");
    }

    return mdm_enroll_profile(x, g);
}


/* who has to be logged in is not, or has no name */

static mdm_uint_t
mdm_enroll_ade_nobody(const mdm_exchange_t *x)
{
    return x->asked && x->person.len == 0;
}
