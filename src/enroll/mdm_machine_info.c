
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Verifies and reads MachineInfo.
 */


#include <stddef.h>

#include "mdm_json.h"
#include "mdm_machine_info.h"
#include "mdm_plist.h"


typedef struct {
    const char               *key;
    const char               *member;      /* of JSON; NULL: not kept */
    size_t                    offset;
    size_t                    max;
    mdm_uint_t                needed;
    const char               *why;
} mdm_machine_info_field_t;


static mdm_int_t mdm_machine_info_text(mdm_arena_t *arena, plist_t dict,
    const mdm_machine_info_field_t *field, mdm_str_t *value);
static mdm_uint_t mdm_machine_info_fit(const mdm_machine_info_field_t *field,
    const mdm_str_t *value);


#define mdm_machine_info_field(key, member, name, max, needed)                \
    { key, member, offsetof(mdm_machine_info_t, name), max, needed,           \
      key " is missing or not usable" }

#define mdm_machine_info_at(info, field)                                      \
    ((mdm_str_t *) (void *) ((u_char *) (info) + (field)->offset))


static const mdm_machine_info_field_t  mdm_machine_info_fields[] = {
    mdm_machine_info_field("UDID", "udid", udid, MDM_MACHINE_INFO_TEXT, 1),
    mdm_machine_info_field("SERIAL", "serial", serial, MDM_MACHINE_INFO_TEXT,
                           1),
    mdm_machine_info_field("PRODUCT", "product", product,
                           MDM_MACHINE_INFO_TEXT, 0),
    mdm_machine_info_field("VERSION", "build", build, MDM_MACHINE_INFO_TEXT,
                           0),
    mdm_machine_info_field("OS_VERSION", "os", os, MDM_MACHINE_INFO_TEXT, 0),
    mdm_machine_info_field("SUPPLEMENTAL_OS_VERSION_EXTRA", "os_extra",
                           os_extra, MDM_MACHINE_INFO_TEXT, 0),
    mdm_machine_info_field("IMEI", "imei", imei, MDM_MACHINE_INFO_TEXT, 0),
    mdm_machine_info_field("MEID", "meid", meid, MDM_MACHINE_INFO_TEXT, 0),
    mdm_machine_info_field("LANGUAGE", "language", language,
                           MDM_MACHINE_INFO_TEXT, 0),
    mdm_machine_info_field("DEVICE_NAME", NULL, name, MDM_MACHINE_INFO_TEXT,
                           0),
    mdm_machine_info_field("MAC_ADDRESS_EN0", NULL, mac,
                           MDM_MACHINE_INFO_TEXT, 0),
    mdm_machine_info_field("CHALLENGE", NULL, challenge,
                           MDM_MACHINE_INFO_SIZE, 0)
};

#define MDM_MACHINE_INFO_FIELDS                                               \
    (sizeof(mdm_machine_info_fields) / sizeof(mdm_machine_info_fields[0]))


mdm_int_t
mdm_machine_info_verify(mdm_arena_t *arena, const mdm_str_t *der,
    X509_STORE *apple, mdm_cms_message_t *message, const char **why)
{
    mdm_cms_options_t  options;

    /*
     * Intermediates of Apple have expired, some are signed with SHA-1, and
     * devices' certificates are for nothing in particular.
     */

    static const mdm_certificate_options_t  verify = { 0, 0, 1 };

    if (der->len > MDM_MACHINE_INFO_SIZE) {
        memset(message, 0, sizeof(mdm_cms_message_t));
        *why = "message is too long";
        return MDM_CMS_MALFORMED;
    }

    memset(&options, 0, sizeof(mdm_cms_options_t));
    options.trusted = apple;
    options.verify = &verify;

    return mdm_cms_read(arena, der, &options, 0, message, why);
}


mdm_int_t
mdm_machine_info_read(mdm_arena_t *arena, const mdm_str_t *plist,
    const mdm_limits_t *limits, mdm_machine_info_t *info, const char **why)
{
    plist_t                          dict;
    mdm_int_t                        rc;
    mdm_uint_t                       i;
    const mdm_machine_info_field_t  *field;

    memset(info, 0, sizeof(mdm_machine_info_t));

    rc = mdm_plist_parse(arena, plist, limits, &dict, why);
    if (rc != MDM_OK) {
        return rc;
    }

    for (i = 0; i < MDM_MACHINE_INFO_FIELDS; i++) {
        field = &mdm_machine_info_fields[i];

        rc = mdm_machine_info_text(arena, dict, field,
                                   mdm_machine_info_at(info, field));
        if (rc != MDM_OK) {
            *why = field->why;
            return rc;
        }
    }

    /* the id of an enrollment ends at a colon */

    if (memchr(info->udid.data, ':', info->udid.len) != NULL) {
        *why = "UDID has a colon";
        return MDM_DECLINED;
    }

    (void) mdm_plist_bool(dict, "MDM_CAN_REQUEST_SOFTWARE_UPDATE",
                          &info->can_update);

    return MDM_OK;
}


static mdm_int_t
mdm_machine_info_text(mdm_arena_t *arena, plist_t dict,
    const mdm_machine_info_field_t *field, mdm_str_t *value)
{
    mdm_int_t  rc;
    mdm_str_t  text;

    rc = mdm_plist_string(dict, field->key, &text);

    /* a challenge that was given as data comes back as that */

    if (rc == MDM_ERROR && field->max == MDM_MACHINE_INFO_SIZE) {
        rc = mdm_plist_data(dict, field->key, &text);
    }

    if (rc == MDM_DECLINED) {
        return field->needed ? MDM_DECLINED : MDM_OK;
    }

    if (rc != MDM_OK || !mdm_machine_info_fit(field, &text)) {
        return MDM_DECLINED;
    }

    return mdm_str_dup(arena, value, &text);
}


static mdm_uint_t
mdm_machine_info_fit(const mdm_machine_info_field_t *field,
    const mdm_str_t *value)
{
    return value->len <= field->max && (value->len != 0 || !field->needed)
           && mdm_utf8_valid(value) && !mdm_utf8_control(value);
}


void
mdm_machine_info_write(mdm_json_out_t *j, const mdm_machine_info_t *info)
{
    mdm_uint_t                       i;
    const mdm_str_t                 *value;
    const mdm_machine_info_field_t  *field;

    for (i = 0; i < MDM_MACHINE_INFO_FIELDS; i++) {
        field = &mdm_machine_info_fields[i];

        if (field->member == NULL) {
            continue;
        }

        value = (const mdm_str_t *) (const void *)
                ((const u_char *) info + field->offset);

        mdm_json_opt_str(j, field->member, value);
    }
}


mdm_int_t
mdm_machine_info_load(mdm_arena_t *arena, json_t *object,
    mdm_machine_info_t *info)
{
    json_t                          *json;
    mdm_str_t                        text;
    mdm_uint_t                       i;
    const mdm_machine_info_field_t  *field;

    memset(info, 0, sizeof(mdm_machine_info_t));

    for (i = 0; i < MDM_MACHINE_INFO_FIELDS; i++) {
        field = &mdm_machine_info_fields[i];

        json = (field->member != NULL) ? json_object_get(object, field->member)
                                       : NULL;
        if (json == NULL) {

            if (field->needed) {
                return MDM_DECLINED;
            }

            continue;
        }

        text.data = (u_char *) (uintptr_t) json_string_value(json);
        text.len = json_string_length(json);

        if (text.data == NULL || !mdm_machine_info_fit(field, &text)) {
            return MDM_DECLINED;
        }

        if (mdm_str_dup(arena, mdm_machine_info_at(info, field), &text)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}
