
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The systems of Apple's schema, and which one a device has.
 */


#include "mdm_ddm_system.h"


static uint64_t mdm_ddm_version_part(mdm_str_t *version);


static const char  *mdm_ddm_system_names[] = {
    "iOS", "macOS", "tvOS", "visionOS", "watchOS"
};


mdm_uint_t
mdm_ddm_system(const mdm_str_t *product)
{
    size_t      i, len;
    mdm_uint_t  k;

    static const struct {
        const char             *prefix;
        mdm_uint_t              system;
    } products[] = {
        { "iPhone", MDM_DDM_IOS },
        { "iPad", MDM_DDM_IOS },
        { "iPod", MDM_DDM_IOS },
        { "AppleTV", MDM_DDM_TVOS },
        { "RealityDevice", MDM_DDM_VISIONOS },
        { "Watch", MDM_DDM_WATCHOS }
    };

    for (k = 0; k < sizeof(products) / sizeof(products[0]); k++) {
        len = strlen(products[k].prefix);

        if (product->len >= len
            && memcmp(product->data, products[k].prefix, len) == 0)
        {
            return products[k].system;
        }
    }

    /* Mac14,2, MacBookPro18,1, iMac21,1, VirtualMac2,1 */

    for (i = 0; i + 3 <= product->len; i++) {

        if (memcmp(&product->data[i], "Mac", 3) == 0) {
            return MDM_DDM_MACOS;
        }
    }

    return MDM_DDM_SYSTEMS;
}


mdm_uint_t
mdm_ddm_system_named(const mdm_str_t *name)
{
    mdm_uint_t  k;

    if (mdm_str_is(name, "iPadOS")) {
        return MDM_DDM_IOS;
    }

    for (k = 0; k < MDM_DDM_SYSTEMS; k++) {

        if (mdm_str_is(name, mdm_ddm_system_names[k])) {
            break;
        }
    }

    return k;
}


const char *
mdm_ddm_system_name(mdm_uint_t system)
{
    return mdm_ddm_system_names[system];
}


/* takes the first part off; 0 at the end */

static uint64_t
mdm_ddm_version_part(mdm_str_t *version)
{
    uint64_t    value;
    mdm_uint_t  digits;

    value = 0;
    digits = 1;

    while (version->len != 0) {
        u_char  c = *version->data++;

        version->len--;

        if (c == '.') {
            break;
        }

        digits = digits && c >= '0' && c <= '9';

        if (digits && value < UINT32_MAX) {
            value = value * 10 + (uint64_t) (c - '0');
        }
    }

    return value;
}


mdm_int_t
mdm_ddm_version_cmp(const mdm_str_t *a, const mdm_str_t *b)
{
    uint64_t   left, right;
    mdm_str_t  x, y;

    x = *a;
    y = *b;

    while (x.len != 0 || y.len != 0) {
        left = mdm_ddm_version_part(&x);
        right = mdm_ddm_version_part(&y);

        if (left != right) {
            return (left < right) ? -1 : 1;
        }
    }

    return 0;
}
