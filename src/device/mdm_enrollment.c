
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Resolves the identity keys of a message to an enrollment.
 */


#include "mdm_enrollment.h"
#include "mdm_key.h"


static void mdm_enrollment_name(plist_t message, const char *key,
    mdm_enrollment_name_t *name);
static mdm_int_t mdm_enrollment_by_udid(const mdm_enrollment_names_t *names,
    mdm_enrollment_t *en, mdm_str_t *user, mdm_str_t **channel,
    const char **why);
static mdm_int_t mdm_enrollment_by_enrollment(mdm_enrollment_t *en,
    mdm_str_t *user, mdm_str_t **channel, const char **why);
static mdm_int_t mdm_enrollment_key(const mdm_enrollment_name_t *name,
    mdm_str_t *value, const char **why);
static mdm_uint_t mdm_enrollment_id_valid(const mdm_str_t *id);
static mdm_int_t mdm_enrollment_keys(mdm_arena_t *arena,
    const mdm_str_t *tenant, uint32_t partitions, mdm_enrollment_t *en);


static const mdm_str_t  mdm_type_names[] = {
    mdm_string("Device"),
    mdm_string("User"),
    mdm_string("Shared iPad"),
    mdm_string("User Enrollment (Device)"),
    mdm_string("User Enrollment")
};


mdm_str_t
mdm_type_name(mdm_type_e type)
{
    return mdm_type_names[type];
}


mdm_int_t
mdm_enrollment_resolve(mdm_arena_t *arena, plist_t message,
    const mdm_str_t *tenant, uint32_t partitions, mdm_enrollment_t *en,
    const char **why)
{
    mdm_enrollment_names_t  names;

    mdm_enrollment_name(message, "UDID", &names.udid);
    mdm_enrollment_name(message, "EnrollmentID", &names.enrollment);
    mdm_enrollment_name(message, "UserID", &names.user);
    mdm_enrollment_name(message, "EnrollmentUserID", &names.enrollment_user);
    mdm_enrollment_name(message, "UserShortName", &names.short_name);

    return mdm_enrollment_resolve_names(arena, &names, tenant, partitions, en,
                                        why);
}


static void
mdm_enrollment_name(plist_t message, const char *key,
    mdm_enrollment_name_t *name)
{
    mdm_str_null(&name->value);

    name->rc = mdm_plist_string(message, key, &name->value);
}


mdm_int_t
mdm_enrollment_resolve_names(mdm_arena_t *arena,
    const mdm_enrollment_names_t *names, const mdm_str_t *tenant,
    uint32_t partitions, mdm_enrollment_t *en, const char **why)
{
    mdm_int_t   rc;
    mdm_str_t   user, euser, *channel;

    memset(en, 0, sizeof(mdm_enrollment_t));
    mdm_str_null(&user);
    mdm_str_null(&euser);

    if (mdm_enrollment_key(&names->udid, &en->udid, why) != MDM_OK
        || mdm_enrollment_key(&names->enrollment, &en->enrollment, why)
           != MDM_OK
        || mdm_enrollment_key(&names->user, &user, why) != MDM_OK
        || mdm_enrollment_key(&names->enrollment_user, &euser, why) != MDM_OK)
    {
        return MDM_DECLINED;
    }

    channel = NULL;

    if (en->udid.len != 0) {

        if (en->enrollment.len != 0) {
            *why = "UDID and EnrollmentID came together";
            return MDM_DECLINED;
        }

        if (euser.data != NULL) {
            *why = "EnrollmentUserID came with UDID";
            return MDM_DECLINED;
        }

        rc = mdm_enrollment_by_udid(names, en, &user, &channel, why);

    } else if (en->enrollment.len != 0) {

        if (user.data != NULL) {
            *why = "UserID came with EnrollmentID";
            return MDM_DECLINED;
        }

        rc = mdm_enrollment_by_enrollment(en, &euser, &channel, why);

    } else {
        *why = "neither UDID nor EnrollmentID";
        return MDM_DECLINED;
    }

    if (rc != MDM_OK) {
        return rc;
    }

    /* the device's part of "device:user" must be unambiguous */

    if (memchr(en->device.data, ':', en->device.len) != NULL) {
        *why = "a colon in UDID or EnrollmentID";
        return MDM_DECLINED;
    }

    en->id = en->device;

    if (channel != NULL) {
        en->id.len = en->device.len + 1 + channel->len;
        en->id.data = mdm_arena_alloc(arena, en->id.len);

        if (en->id.data == NULL) {
            return MDM_ERROR;
        }

        memcpy(en->id.data, en->device.data, en->device.len);
        en->id.data[en->device.len] = ':';
        memcpy(en->id.data + en->device.len + 1, channel->data, channel->len);
    }

    return mdm_enrollment_keys(arena, tenant, partitions, en);
}


/*
 * A device that says its UDID, and the user that came with it.  *channel is
 * what names the user channel, or stays NULL.
 */

static mdm_int_t
mdm_enrollment_by_udid(const mdm_enrollment_names_t *names,
    mdm_enrollment_t *en, mdm_str_t *user, mdm_str_t **channel,
    const char **why)
{
    en->device = en->udid;
    en->type = MDM_TYPE_DEVICE;

    if (user->data == NULL) {
        return MDM_OK;
    }

    en->type = MDM_TYPE_USER;
    *channel = user;

    if (mdm_str_is(user, MDM_SHARED_IPAD_USER)) {

        /* all users of a Shared iPad have this one UserID */

        en->type = MDM_TYPE_SHARED_IPAD;
        mdm_str_null(user);

        if (mdm_enrollment_key(&names->short_name, user, why) != MDM_OK) {
            return MDM_DECLINED;
        }

        if (user->len == 0) {
            *why = "UserShortName is missing";
            return MDM_DECLINED;
        }
    }

    if (user->len == 0) {
        *why = "UserID is empty";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


/* the same for a device that says its EnrollmentID instead */

static mdm_int_t
mdm_enrollment_by_enrollment(mdm_enrollment_t *en, mdm_str_t *user,
    mdm_str_t **channel, const char **why)
{
    en->device = en->enrollment;
    en->type = MDM_TYPE_USER_ENROLLMENT_DEVICE;

    if (user->data == NULL) {
        return MDM_OK;
    }

    en->type = MDM_TYPE_USER_ENROLLMENT;
    *channel = user;

    if (user->len == 0) {
        *why = "EnrollmentUserID is empty";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_enrollment_key(const mdm_enrollment_name_t *name, mdm_str_t *value,
    const char **why)
{
    if (name->rc == MDM_DECLINED) {
        return MDM_OK;
    }

    if (name->rc == MDM_ERROR) {
        *why = "an identity key is not a string";
        return MDM_DECLINED;
    }

    *value = name->value;

    if (value->data == NULL) {
        value->data = (u_char *) "";       /* not NULL: it is there, but
                                              empty */
    }

    if (!mdm_enrollment_id_valid(value)) {
        *why = "an identity key is too long, not UTF-8, or holds a control "
               "character";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


static mdm_uint_t
mdm_enrollment_id_valid(const mdm_str_t *id)
{
    size_t      i;
    mdm_uint_t  ascii;

    if (id->len > MDM_ID_MAX) {
        return 0;
    }

    ascii = 1;

    for (i = 0; i < id->len; i++) {

        if (id->data[i] < 0x20 || id->data[i] == 0x7f) {
            return 0;
        }

        if (id->data[i] >= 0x80) {
            ascii = 0;
        }
    }

    return ascii || mdm_utf8_valid(id);
}


static mdm_int_t
mdm_enrollment_keys(mdm_arena_t *arena, const mdm_str_t *tenant,
    uint32_t partitions, mdm_enrollment_t *en)
{
    en->partition = mdm_partition(&en->device, partitions);

    if (mdm_key_partition(arena, &en->tag, tenant, en->partition) != MDM_OK
        || mdm_key_id(arena, &en->device_key, &en->device) != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (en->id.len == en->device.len) {
        en->id_key = en->device_key;
        return MDM_OK;
    }

    return mdm_key_id(arena, &en->id_key, &en->id);
}


mdm_int_t
mdm_enrollment_from_id(mdm_arena_t *arena, const mdm_str_t *id,
    const mdm_str_t *tenant, uint32_t partitions, mdm_enrollment_t *en)
{
    u_char  *colon;

    memset(en, 0, sizeof(mdm_enrollment_t));

    /* two identifiers and the colon between them */

    if (id->len == 0 || id->len > 2 * MDM_ID_MAX + 1) {
        return MDM_DECLINED;
    }

    en->id = *id;
    en->device = *id;

    colon = memchr(id->data, ':', id->len);

    if (colon != NULL) {
        en->device.len = (size_t) (colon - id->data);

        if (en->device.len == 0 || en->device.len + 1 == id->len) {
            return MDM_DECLINED;
        }
    }

    return mdm_enrollment_keys(arena, tenant, partitions, en);
}
