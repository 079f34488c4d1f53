
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a device answers to a command besides the status.
 */


#include "mdmsim_message.h"


typedef enum {
    SIM_V_TEXT = 0,
    SIM_V_TRUE,
    SIM_V_FALSE,
    SIM_V_INT,
    SIM_V_REAL,
    SIM_V_MAC,             /* an address; the number tells them apart */
    SIM_V_EMPTY,           /* an empty array */
    SIM_V_DICT             /* an empty dictionary */
} sim_value_e;


typedef struct {
    const char               *name;
    sim_value_e               type;
    double                    number;
    const char               *text;
} sim_value_t;


static int sim_is_mac(const sim_device_t *d);
static void sim_values(sim_plist_t *w, const sim_device_t *d,
    const sim_value_t *v);
static void sim_value(sim_plist_t *w, const sim_device_t *d,
    const sim_value_t *v);
static int sim_device_value(sim_plist_t *w, const sim_device_t *d,
    const char *name);
static void sim_device_information(sim_plist_t *w, const sim_device_t *d,
    const sim_command_t *cmd);
static void sim_security_info(sim_plist_t *w, const sim_device_t *d);
static void sim_profile_list(sim_plist_t *w, const sim_device_t *d);
static void sim_application_list(sim_plist_t *w, const sim_device_t *d);
static void sim_user_list(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d);


/* what does not depend on the device */

static const sim_value_t  sim_device_values[] = {
    { "AccessibilitySettings", SIM_V_DICT, 0, NULL },
    { "ActiveManagedUsers", SIM_V_EMPTY, 0, NULL },
    { "AppAnalyticsEnabled", SIM_V_FALSE, 0, NULL },
    { "AutoSetupAdminAccounts", SIM_V_EMPTY, 0, NULL },
    { "AvailableDeviceCapacity", SIM_V_REAL, 87.5, NULL },
    { "AwaitingConfiguration", SIM_V_FALSE, 0, NULL },
    { "BatteryLevel", SIM_V_REAL, 0.8125, NULL },
    { "BluetoothMAC", SIM_V_MAC, 1, NULL },
    { "CarrierSettingsVersion", SIM_V_TEXT, 0, "61.0" },
    { "CellularTechnology", SIM_V_INT, 3, NULL },
    { "CurrentCarrierNetwork", SIM_V_TEXT, 0, "Example Mobile" },
    { "CurrentMCC", SIM_V_TEXT, 0, "262" },
    { "CurrentMNC", SIM_V_TEXT, 0, "01" },
    { "DataRoamingEnabled", SIM_V_FALSE, 0, NULL },
    { "DeviceCapacity", SIM_V_REAL, 128, NULL },
    { "DiagnosticSubmissionEnabled", SIM_V_FALSE, 0, NULL },
    { "EstimatedResidentUsers", SIM_V_INT, 5, NULL },
    { "EthernetMAC", SIM_V_MAC, 3, NULL },
    { "HasBattery", SIM_V_TRUE, 0, NULL },
    { "IsActivationLockEnabled", SIM_V_FALSE, 0, NULL },
    { "IsActivationLockSupported", SIM_V_TRUE, 0, NULL },
    { "IsAppleSilicon", SIM_V_TRUE, 0, NULL },
    { "IsCloudBackupEnabled", SIM_V_FALSE, 0, NULL },
    { "IsDeviceLocatorServiceEnabled", SIM_V_FALSE, 0, NULL },
    { "IsDoNotDisturbInEffect", SIM_V_FALSE, 0, NULL },
    { "IsMDMLostModeEnabled", SIM_V_FALSE, 0, NULL },
    { "IsNetworkTethered", SIM_V_FALSE, 0, NULL },
    { "IsRoaming", SIM_V_FALSE, 0, NULL },
    { "IsSupervised", SIM_V_TRUE, 0, NULL },
    { "iTunesStoreAccountIsActive", SIM_V_FALSE, 0, NULL },
    { "MaximumResidentUsers", SIM_V_INT, 5, NULL },
    { "MDMOptions", SIM_V_DICT, 0, NULL },
    { "ModemFirmwareVersion", SIM_V_TEXT, 0, "2.20.01" },
    { "OnlineAuthenticationGracePeriod", SIM_V_INT, 0, NULL },
    { "OrganizationInfo", SIM_V_DICT, 0, NULL },
    { "OSUpdateSettings", SIM_V_DICT, 0, NULL },
    { "PersonalHotspotEnabled", SIM_V_FALSE, 0, NULL },
    { "PhoneNumber", SIM_V_TEXT, 0, "+15550100" },
    { "PINRequiredForDeviceLock", SIM_V_FALSE, 0, NULL },
    { "PINRequiredForEraseDevice", SIM_V_FALSE, 0, NULL },
    { "QuotaSize", SIM_V_INT, 2048, NULL },
    { "ResidentUsers", SIM_V_INT, 2, NULL },
    { "ServiceSubscriptions", SIM_V_EMPTY, 0, NULL },
    { "SubscriberCarrierNetwork", SIM_V_TEXT, 0, "Example Mobile" },
    { "SubscriberMCC", SIM_V_TEXT, 0, "262" },
    { "SubscriberMNC", SIM_V_TEXT, 0, "01" },
    { "SupportsiOSAppInstalls", SIM_V_TRUE, 0, NULL },
    { "SupportsLOMDevice", SIM_V_FALSE, 0, NULL },
    { "SystemIntegrityProtectionEnabled", SIM_V_TRUE, 0, NULL },
    { "TemporarySessionOnly", SIM_V_FALSE, 0, NULL },
    { "TemporarySessionTimeout", SIM_V_INT, 0, NULL },
    { "TimeZone", SIM_V_TEXT, 0, "Europe/Berlin" },
    { "UserSessionTimeout", SIM_V_INT, 0, NULL },
    { "VoiceRoamingEnabled", SIM_V_FALSE, 0, NULL },
    { "WiFiMAC", SIM_V_MAC, 2, NULL },
    { NULL, SIM_V_TEXT, 0, NULL }
};

static const sim_value_t  sim_security_ios[] = {
    { "HardwareEncryptionCaps", SIM_V_INT, 3, NULL },
    { "PasscodePresent", SIM_V_TRUE, 0, NULL },
    { "PasscodeCompliant", SIM_V_TRUE, 0, NULL },
    { "PasscodeCompliantWithProfiles", SIM_V_TRUE, 0, NULL },
    { "PasscodeLockGracePeriod", SIM_V_INT, 0, NULL },
    { "PasscodeLockGracePeriodEnforced", SIM_V_INT, 0, NULL },
    { NULL, SIM_V_TEXT, 0, NULL }
};

static const sim_value_t  sim_security_mac[] = {
    { "FDE_Enabled", SIM_V_TRUE, 0, NULL },
    { "FDE_HasPersonalRecoveryKey", SIM_V_TRUE, 0, NULL },
    { "FDE_HasInstitutionalRecoveryKey", SIM_V_FALSE, 0, NULL },
    { "SystemIntegrityProtectionEnabled", SIM_V_TRUE, 0, NULL },
    { "RemoteDesktopEnabled", SIM_V_FALSE, 0, NULL },
    { "AuthenticatedRootVolumeEnabled", SIM_V_TRUE, 0, NULL },
    { "BootstrapTokenAllowedForAuthentication", SIM_V_TEXT, 0, "allowed" },
    { "BootstrapTokenRequiredForSoftwareUpdate", SIM_V_TRUE, 0, NULL },
    { "IsRecoveryLockEnabled", SIM_V_FALSE, 0, NULL },
    { NULL, SIM_V_TEXT, 0, NULL }
};


static int
sim_is_mac(const sim_device_t *d)
{
    return d->kind == SIM_MAC || d->kind == SIM_MACBYOD;
}


static void
sim_value(sim_plist_t *w, const sim_device_t *d, const sim_value_t *v)
{
    char      text[24];
    uint64_t  x;

    switch (v->type) {

    case SIM_V_TEXT:
        sim_plist_string(w, v->text, strlen(v->text));
        break;

    case SIM_V_TRUE:
    case SIM_V_FALSE:
        sim_plist_bool(w, v->type == SIM_V_TRUE);
        break;

    case SIM_V_INT:
        sim_plist_int(w, (int64_t) v->number);
        break;

    case SIM_V_REAL:
        sim_plist_real(w, v->number);
        break;

    case SIM_V_MAC:
        x = sim_mix(d->hash ^ (5000 + (uint64_t) v->number));
        snprintf(text, sizeof(text), "a4:83:e7:%02x:%02x:%02x",
                 (unsigned) (x & 0xff), (unsigned) (x >> 8 & 0xff),
                 (unsigned) (x >> 16 & 0xff));
        sim_plist_string(w, text, strlen(text));
        break;

    case SIM_V_EMPTY:
        sim_plist_array(w);
        sim_plist_end(w);
        break;

    case SIM_V_DICT:
        sim_plist_dict(w);
        sim_plist_end(w);
        break;
    }
}


static void
sim_values(sim_plist_t *w, const sim_device_t *d, const sim_value_t *v)
{
    for ( /* void */ ; v->name != NULL; v++) {
        sim_plist_key(w, v->name);
        sim_value(w, d, v);
    }
}


/* SIM_ERROR: the device does not know this query and leaves it out */

static int
sim_device_value(sim_plist_t *w, const sim_device_t *d, const char *name)
{
    int                 byod;
    unsigned            i;
    const sim_value_t  *v;

    const struct {
        const char  *name;
        const char  *value;
        int          hidden;       /* in User Enrollment */
    } own[] = {
        { "UDID", d->id, 1 },
        { "ProvisioningUDID", d->id, 1 },
        { "DeviceID", d->id, 1 },
        { "SoftwareUpdateDeviceID", d->product, 0 },
        { "SerialNumber", d->serial, 1 },
        { "EASDeviceIdentifier", d->serial, 0 },
        { "IMEI", d->kind == SIM_IPHONE ? d->imei : NULL, 1 },
        { "DeviceName", d->name, 0 },
        { "HostName", d->serial, 0 },
        { "LocalHostName", d->serial, 0 },
        { "ModelName", d->model_name, 0 },
        { "Model", d->model, 0 },
        { "ModelNumber", d->model, 0 },
        { "ProductName", d->product, 0 },
        { "OSVersion", d->os, 0 },
        { "BuildVersion", d->build, 0 },
        { "SupplementalBuildVersion", d->build, 0 },
    };

    byod = d->kind == SIM_BYOD || d->kind == SIM_MACBYOD;

    for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strcmp(own[i].name, name) != 0) {
            continue;
        }

        if (own[i].value == NULL || (byod && own[i].hidden)) {
            return SIM_ERROR;
        }

        sim_plist_kstr(w, name, own[i].value);
        return SIM_OK;
    }

    if (strcmp(name, "IsMultiUser") == 0) {
        sim_plist_key(w, name);
        sim_plist_bool(w, d->kind == SIM_SHARED);
        return SIM_OK;
    }

    for (v = sim_device_values; v->name != NULL; v++) {
        if (strcmp(v->name, name) == 0) {
            sim_plist_key(w, name);
            sim_value(w, d, v);
            return SIM_OK;
        }
    }

    return SIM_ERROR;
}


static void
sim_device_information(sim_plist_t *w, const sim_device_t *d,
    const sim_command_t *cmd)
{
    uint32_t     i;
    const char  *p, *q;

    sim_plist_key(w, "QueryResponses");
    sim_plist_dict(w);

    for (p = cmd->queries.data, i = 0; i < cmd->nqueries; i++) {

        /* a query that is asked twice is answered once */

        for (q = cmd->queries.data; q != p && strcmp(q, p) != 0;
             q += strlen(q) + 1)
        { /* void */ }

        if (q == p) {
            (void) sim_device_value(w, d, p);
        }

        p += strlen(p) + 1;
    }

    sim_plist_end(w);
}


static void
sim_security_info(sim_plist_t *w, const sim_device_t *d)
{
    sim_plist_key(w, "SecurityInfo");
    sim_plist_dict(w);
    sim_values(w, d, sim_is_mac(d) ? sim_security_mac : sim_security_ios);

    sim_plist_key(w, "ManagementStatus");
    sim_plist_dict(w);
    sim_plist_key(w, "IsUserEnrollment");
    sim_plist_bool(w, d->kind == SIM_BYOD || d->kind == SIM_MACBYOD);

    if (sim_is_mac(d)) {
        sim_plist_key(w, "EnrolledViaDEP");
        sim_plist_bool(w, d->kind == SIM_MAC);
        sim_plist_key(w, "UserApprovedEnrollment");
        sim_plist_bool(w, 1);
    }

    sim_plist_end(w);
    sim_plist_end(w);
}


static void
sim_profile_list(sim_plist_t *w, const sim_device_t *d)
{
    char      text[64];
    uint64_t  i, n;

    sim_plist_key(w, "ProfileList");
    sim_plist_array(w);

    n = 1 + d->hash % 4;

    for (i = 0; i < n; i++) {
        sim_plist_dict(w);
        sim_uuid(d->hash + 6000 + i, text);
        sim_plist_kstr(w, "PayloadUUID", text);
        snprintf(text, sizeof(text), "com.example.profile.%u", (unsigned) i);
        sim_plist_kstr(w, "PayloadIdentifier", text);
        sim_plist_kstr(w, "PayloadDisplayName",
                       i == 0 ? "Management" : "Settings");
        sim_plist_key(w, "PayloadVersion");
        sim_plist_int(w, 1);
        sim_plist_key(w, "IsManaged");
        sim_plist_bool(w, 1);
        sim_plist_key(w, "IsEncrypted");
        sim_plist_bool(w, 0);
        sim_plist_end(w);
    }

    sim_plist_end(w);
}


static void
sim_application_list(sim_plist_t *w, const sim_device_t *d)
{
    char      text[64];
    uint64_t  i, n, x;

    sim_plist_key(w, "InstalledApplicationList");
    sim_plist_array(w);

    n = 5 + d->hash % 30;

    for (i = 0; i < n; i++) {
        x = sim_mix(d->hash + 7000 + i);
        sim_plist_dict(w);
        snprintf(text, sizeof(text), "com.example.app%u",
                 (unsigned) (x & 0xff));
        sim_plist_kstr(w, "Identifier", text);
        snprintf(text, sizeof(text), "App %u", (unsigned) (x & 0xff));
        sim_plist_kstr(w, "Name", text);
        snprintf(text, sizeof(text), "%u.%u", (unsigned) (x >> 8 & 15),
                 (unsigned) (x >> 12 & 31));
        sim_plist_kstr(w, "ShortVersion", text);
        sim_plist_kstr(w, "Version", text);
        sim_plist_key(w, "BundleSize");
        sim_plist_int(w, (int64_t) (x >> 34));
        sim_plist_end(w);
    }

    sim_plist_end(w);
}


static void
sim_user_list(sim_plist_t *w, const sim_option_t *opt, const sim_device_t *d)
{
    uint32_t    i;
    sim_user_t  u;

    sim_plist_key(w, "Users");
    sim_plist_array(w);

    for (i = 1; i <= sim_device_users(&opt->fleet, d->number); i++) {
        sim_device_user(&opt->fleet, d, i, &u);
        sim_plist_dict(w);
        sim_plist_kstr(w, "UserName", u.short_name);
        sim_plist_key(w, "HasDataToSync");
        sim_plist_bool(w, 0);
        sim_plist_key(w, "IsLoggedIn");
        sim_plist_bool(w, i == 1);
        sim_plist_end(w);
    }

    sim_plist_end(w);
}


void
sim_answer_keys(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d, const sim_command_t *cmd)
{
    char         text[40];
    unsigned     i;
    const char  *type;

    /* a list or a dictionary with nothing in it */

    static const struct {
        const char   *type;
        const char   *key;
        sim_value_e   value;
    } plain[] = {
        { "AvailableOSUpdates", "AvailableOSUpdates", SIM_V_EMPTY },
        { "CertificateList", "CertificateList", SIM_V_EMPTY },
        { "ManagedApplicationAttributes", "ApplicationAttributes",
          SIM_V_EMPTY },
        { "ManagedApplicationConfiguration", "ApplicationConfigurations",
          SIM_V_EMPTY },
        { "ManagedApplicationFeedback", "ManagedApplicationFeedback",
          SIM_V_EMPTY },
        { "ManagedApplicationList", "ManagedApplicationList", SIM_V_DICT },
        { "ManagedMediaList", "Books", SIM_V_EMPTY },
        { "OSUpdateStatus", "OSUpdateStatus", SIM_V_EMPTY },
        { "ProvisioningProfileList", "ProvisioningProfileList",
          SIM_V_EMPTY },
        { "Restrictions", "GlobalRestrictions", SIM_V_DICT },
        { "ScheduleOSUpdate", "UpdateResults", SIM_V_EMPTY },
    };

    type = cmd->type.data;

    if (strcmp(type, "DeviceInformation") == 0) {
        sim_device_information(w, d, cmd);

    } else if (strcmp(type, "SecurityInfo") == 0) {
        sim_security_info(w, d);

    } else if (strcmp(type, "ProfileList") == 0) {
        sim_profile_list(w, d);

    } else if (strcmp(type, "InstalledApplicationList") == 0) {
        sim_application_list(w, d);

    } else if (strcmp(type, "UserList") == 0) {
        sim_user_list(w, opt, d);

    } else if (strcmp(type, "ActivationLockBypassCode") == 0) {
        sim_uuid(d->hash ^ 8, text);
        sim_plist_kstr(w, type, text);

    } else {
        for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
            if (strcmp(type, plain[i].type) != 0) {
                continue;
            }

            sim_plist_key(w, plain[i].key);

            if (plain[i].value == SIM_V_DICT) {
                sim_plist_dict(w);

            } else {
                sim_plist_array(w);
            }

            sim_plist_end(w);
        }
    }
}
