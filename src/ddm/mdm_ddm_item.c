
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "mdm_ddm_item.h"


/* in the order of their bytes */

static const mdm_ddm_item_t  mdm_ddm_items[] = {
    { mdm_string("account.list.caldav") },
    { mdm_string("account.list.carddav") },
    { mdm_string("account.list.exchange") },
    { mdm_string("account.list.google") },
    { mdm_string("account.list.ldap") },
    { mdm_string("account.list.mail.incoming") },
    { mdm_string("account.list.mail.outgoing") },
    { mdm_string("account.list.subscribed-calendar") },
    { mdm_string("app.managed.list") },
    { mdm_string("content-cache.info") },
    { mdm_string("content-cache.parents") },
    { mdm_string("content-cache.peers") },
    { mdm_string("content-cache.status") },
    { mdm_string("device.identifier.serial-number") },
    { mdm_string("device.identifier.udid") },
    { mdm_string("device.model.family") },
    { mdm_string("device.model.identifier") },
    { mdm_string("device.model.marketing-name") },
    { mdm_string("device.model.number") },
    { mdm_string("device.operating-system.build-version") },
    { mdm_string("device.operating-system.family") },
    { mdm_string("device.operating-system.marketing-name") },
    { mdm_string("device.operating-system.supplemental.build-version") },
    { mdm_string("device.operating-system.supplemental.extra-version") },
    { mdm_string("device.operating-system.version") },
    { mdm_string("device.power.battery-health") },
    { mdm_string("device.system.health") },
    { mdm_string("diskmanagement.filevault.enabled") },
    { mdm_string("enhanced-logging.applecare-token") },
    { mdm_string("enhanced-logging.status") },
    { mdm_string("enhanced-logging.timestamp") },
    { mdm_string("management.client-capabilities") },
    { mdm_string("management.declarations") },
    { mdm_string("mdm.app") },
    { mdm_string("mdm.enrollment-type") },
    { mdm_string("mdm.is-awaiting-configuration") },
    { mdm_string("mdm.is-return-to-service") },
    { mdm_string("mdm.is-shared-ipad") },
    { mdm_string("mdm.push-magic") },
    { mdm_string("mdm.push-token") },
    { mdm_string("migration-assistant.report") },
    { mdm_string("migration-assistant.state") },
    { mdm_string("package.list") },
    { mdm_string("passcode.is-compliant") },
    { mdm_string("passcode.is-present") },
    { mdm_string("screensharing.connection.group.unresolved-connection") },
    { mdm_string("security.certificate.list") },
    { mdm_string("security.lockdown-mode") },
    { mdm_string("services.background-task") },
    { mdm_string("softwareupdate.beta-enrollment") },
    { mdm_string("softwareupdate.device-id") },
    { mdm_string("softwareupdate.failure-reason") },
    { mdm_string("softwareupdate.install-reason") },
    { mdm_string("softwareupdate.install-state") },
    { mdm_string("softwareupdate.pending-version") },
    { mdm_string("test.array-value") },
    { mdm_string("test.boolean-value") },
    { mdm_string("test.dictionary-value") },
    { mdm_string("test.error-value") },
    { mdm_string("test.integer-value") },
    { mdm_string("test.real-value") },
    { mdm_string("test.string-value") }
};

#define MDM_DDM_ITEMS  (sizeof(mdm_ddm_items) / sizeof(mdm_ddm_items[0]))


static int mdm_ddm_item_compare(const mdm_str_t *a, const mdm_str_t *b);
static size_t mdm_ddm_item_place(const mdm_str_t *name);


static int
mdm_ddm_item_compare(const mdm_str_t *a, const mdm_str_t *b)
{
    int     rc;
    size_t  n;

    n = (a->len < b->len) ? a->len : b->len;

    rc = (n != 0) ? memcmp(a->data, b->data, n) : 0;

    if (rc != 0) {
        return rc;
    }

    return (a->len > b->len) - (a->len < b->len);
}


/* of the first item that is not before the name */

static size_t
mdm_ddm_item_place(const mdm_str_t *name)
{
    size_t  from, to, i;

    from = 0;
    to = MDM_DDM_ITEMS;

    while (from < to) {
        i = (from + to) / 2;

        if (mdm_ddm_item_compare(&mdm_ddm_items[i].name, name) < 0) {
            from = i + 1;

        } else {
            to = i;
        }
    }

    return from;
}


const mdm_ddm_item_t *
mdm_ddm_item_find(const mdm_str_t *name)
{
    size_t  i;

    i = mdm_ddm_item_place(name);

    return (i < MDM_DDM_ITEMS && mdm_str_eq(&mdm_ddm_items[i].name, name))
           ? &mdm_ddm_items[i] : NULL;
}


mdm_uint_t
mdm_ddm_item_prefix(const mdm_str_t *name)
{
    size_t            i;
    const mdm_str_t  *item;

    for (i = mdm_ddm_item_place(name); i < MDM_DDM_ITEMS; i++) {
        item = &mdm_ddm_items[i].name;

        if (item->len < name->len
            || memcmp(item->data, name->data, name->len) != 0)
        {
            break;
        }

        if (item->len > name->len && item->data[name->len] == '.') {
            return 1;
        }
    }

    return 0;
}
