
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Compares releases of Apple's systems.
 */


#include "mdm_os.h"


#define MDM_OS_NUMBERS        4
#define MDM_OS_DIGITS         6


typedef struct {
    uint32_t                  numbers[MDM_OS_NUMBERS];
    u_char                    extra;       /* 0, or the letter of an rsr */
} mdm_os_version_t;


typedef struct {
    mdm_str_t                 product;     /* begins so */
    const char               *name;
} mdm_os_product_t;


static mdm_int_t mdm_os_read(const mdm_str_t *text, mdm_os_version_t *version);
static mdm_int_t mdm_os_extra(const u_char *p, const u_char *end,
    u_char *extra);


static const mdm_os_product_t  mdm_os_products[] = {
    { mdm_string("iPhone"), "iOS" },
    { mdm_string("iPod"), "iOS" },
    { mdm_string("iPad"), "iPadOS" },
    { mdm_string("AppleTV"), "tvOS" },
    { mdm_string("Watch"), "watchOS" },
    { mdm_string("RealityDevice"), "visionOS" },
    { mdm_string("Mac"), "macOS" },
    { mdm_string("iMac"), "macOS" },
    { mdm_string("VirtualMac"), "macOS" }
};


const char *
mdm_os_name(const mdm_str_t *product)
{
    mdm_uint_t               i;
    const mdm_os_product_t  *p;

    for (i = 0; i < sizeof(mdm_os_products) / sizeof(mdm_os_product_t); i++) {
        p = &mdm_os_products[i];

        if (product->len >= p->product.len
            && memcmp(product->data, p->product.data, p->product.len) == 0)
        {
            return p->name;
        }
    }

    return NULL;
}


mdm_uint_t
mdm_os_lower(const mdm_str_t *have, const mdm_str_t *extra,
    const mdm_str_t *want)
{
    mdm_uint_t        i;
    mdm_os_version_t  a, b;

    if (mdm_os_read(have, &a) != MDM_OK || mdm_os_read(want, &b) != MDM_OK) {
        return 0;
    }

    if (extra->len != 0
        && mdm_os_extra(extra->data, extra->data + extra->len, &a.extra)
           != MDM_OK)
    {
        return 0;
    }

    for (i = 0; i < MDM_OS_NUMBERS; i++) {

        if (a.numbers[i] != b.numbers[i]) {
            return a.numbers[i] < b.numbers[i];
        }
    }

    return a.extra < b.extra;
}


mdm_uint_t
mdm_os_valid(const mdm_str_t *version)
{
    mdm_os_version_t  v;

    return mdm_os_read(version, &v) == MDM_OK;
}


static mdm_int_t
mdm_os_read(const mdm_str_t *text, mdm_os_version_t *version)
{
    mdm_uint_t     digits, n;
    const u_char  *p, *end;

    memset(version, 0, sizeof(mdm_os_version_t));

    if (text->len == 0) {
        return MDM_DECLINED;
    }

    p = text->data;
    end = p + text->len;
    digits = 0;
    n = 0;

    for ( /* void */ ; p != end && *p != ' '; p++) {

        if (*p == '.' && digits != 0 && ++n != MDM_OS_NUMBERS) {
            digits = 0;
            continue;
        }

        if (*p < '0' || *p > '9' || ++digits > MDM_OS_DIGITS) {
            return MDM_DECLINED;
        }

        version->numbers[n] = version->numbers[n] * 10 + (uint32_t) (*p - '0');
    }

    if (digits == 0) {
        return MDM_DECLINED;
    }

    return (p == end) ? MDM_OK : mdm_os_extra(p + 1, end, &version->extra);
}


/* "(a)" */

static mdm_int_t
mdm_os_extra(const u_char *p, const u_char *end, u_char *extra)
{
    if (end - p != 3 || p[0] != '(' || p[2] != ')' || p[1] < 'a'
        || p[1] > 'z')
    {
        return MDM_DECLINED;
    }

    *extra = p[1];

    return MDM_OK;
}
