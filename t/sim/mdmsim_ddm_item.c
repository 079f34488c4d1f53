
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Status items: what a device says of itself.
 */


#include "mdmsim_ddm.h"


static int sim_ddm_is_mac(const sim_device_t *d);
static const char *sim_ddm_text(const sim_device_t *d, const char *name);


/* items that are the same everywhere */

static const struct {
    const char               *name;
    const char               *value;
} sim_ddm_plain[] = {
    { "device.operating-system.supplemental.extra-version", "\"\"" },
    { "device.power.battery-health", "\"normal\"" },
    { "passcode.is-compliant", "true" },
    { "passcode.is-present", "true" },
    { "softwareupdate.failure-reason", "{\"count\":0}" },
    { "softwareupdate.install-state", "\"none\"" },
    { "test.array-value",
      "[{\"key1\":\"one\",\"key2\":1},{\"key1\":\"two\",\"key2\":2}]" },
    { "test.boolean-value", "true" },
    { "test.dictionary-value", "{\"key1\":\"one\",\"key2\":1}" },
    { "test.integer-value", "42" },
    { "test.real-value", "1.5" },
    { "test.string-value", "\"some text\"" }
};


/* items that differ */

static const char  *sim_ddm_own[] = {
    "device.identifier.serial-number", "device.identifier.udid",
    "device.model.family", "device.model.identifier",
    "device.model.marketing-name", "device.model.number",
    "device.operating-system.build-version",
    "device.operating-system.family",
    "device.operating-system.marketing-name",
    "device.operating-system.supplemental.build-version",
    "device.operating-system.version", "softwareupdate.device-id"
};


static int
sim_ddm_is_mac(const sim_device_t *d)
{
    return d->kind == SIM_MAC || d->kind == SIM_MACBYOD;
}


static const char *
sim_ddm_text(const sim_device_t *d, const char *name)
{
    const char  *family, *os;

    family = d->kind == SIM_IPHONE || d->kind == SIM_BYOD ? "iPhone"
             : sim_ddm_is_mac(d) ? "Mac"
             : d->kind == SIM_TV ? "AppleTV" : "iPad";
    os = sim_ddm_is_mac(d) ? "macOS"
         : d->kind == SIM_TV ? "tvOS"
         : d->kind == SIM_IPHONE || d->kind == SIM_BYOD ? "iOS" : "iPadOS";

    if (strncmp(name, "device.identifier.", 18) == 0) {

        /* User Enrollment does not tell */

        if (d->kind == SIM_BYOD || d->kind == SIM_MACBYOD) {
            return NULL;
        }

        return strcmp(name + 18, "serial-number") == 0 ? d->serial : d->id;
    }

    if (strcmp(name, "device.model.family") == 0) {
        return family;
    }

    if (strcmp(name, "device.model.marketing-name") == 0) {
        return d->model_name;
    }

    if (strcmp(name, "device.model.number") == 0) {
        return d->model;
    }

    if (strcmp(name, "device.operating-system.family") == 0
        || strcmp(name, "device.operating-system.marketing-name") == 0)
    {
        return os;
    }

    if (strcmp(name, "device.operating-system.version") == 0) {
        return d->os;
    }

    if (strstr(name, "build-version") != NULL) {
        return d->build;
    }

    return d->product;
}


int
sim_ddm_item(const sim_view_t *view, const char *name, sim_buf_t *out)
{
    unsigned     i;
    const char  *text;

    for (i = 0; i < sizeof(sim_ddm_own) / sizeof(sim_ddm_own[0]); i++) {
        if (strcmp(sim_ddm_own[i], name) != 0) {
            continue;
        }

        text = sim_ddm_text(view->device, name);
        if (text == NULL) {
            return SIM_ERROR;
        }

        sim_json_quote(out, text);
        return SIM_OK;
    }

    if (strcmp(name, "diskmanagement.filevault.enabled") == 0) {
        if (!sim_ddm_is_mac(view->device)) {
            return SIM_ERROR;
        }

        sim_buf_str(out, "true");
        return SIM_OK;
    }

    for (i = 0; i < sizeof(sim_ddm_plain) / sizeof(sim_ddm_plain[0]); i++) {
        if (strcmp(sim_ddm_plain[i].name, name) == 0) {
            sim_buf_str(out, sim_ddm_plain[i].value);
            return SIM_OK;
        }
    }

    return SIM_ERROR;
}


void
sim_ddm_capabilities(sim_buf_t *out)
{
    unsigned  i;

    sim_buf_str(out,
        "{\"supported-versions\":[\"1.0.0\"],\"supported-features\":{},"
        "\"supported-payloads\":{\"declarations\":{"
        "\"activations\":[\"com.apple.activation.simple\"],"
        "\"assets\":[\"com.apple.asset.credential.userpassword\","
        "\"com.apple.asset.data\",\"com.apple.asset.useridentity\"],"
        "\"configurations\":[\"com.apple.configuration.account.caldav\","
        "\"com.apple.configuration.account.mail\","
        "\"com.apple.configuration.legacy\","
        "\"com.apple.configuration.management.status-subscriptions\","
        "\"com.apple.configuration.management.test\","
        "\"com.apple.configuration.passcode.settings\","
        "\"com.apple.configuration.softwareupdate.enforcement.specific\"],"
        "\"management\":[\"com.apple.management.organization-info\","
        "\"com.apple.management.properties\","
        "\"com.apple.management.server-capabilities\"]},"
        "\"status-items\":[\"management.client-capabilities\","
        "\"management.declarations\"");

    for (i = 0; i < sizeof(sim_ddm_own) / sizeof(sim_ddm_own[0]); i++) {
        sim_buf_printf(out, ",\"%s\"", sim_ddm_own[i]);
    }

    for (i = 0; i < sizeof(sim_ddm_plain) / sizeof(sim_ddm_plain[0]); i++) {
        sim_buf_printf(out, ",\"%s\"", sim_ddm_plain[i].name);
    }

    sim_buf_str(out, "]}}");
}
