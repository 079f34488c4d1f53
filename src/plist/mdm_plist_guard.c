
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What both readers of a plist need: UTF-8, and finding keys that occur twice.
 */


#include <stdlib.h>

#include "mdm_plist_guard.h"


static int mdm_plist_compare(const void *one, const void *two);


size_t
mdm_plist_utf8(u_char *dst, uint32_t c)
{
    if (c < 0x80) {
        dst[0] = (u_char) c;
        return 1;
    }

    if (c < 0x800) {
        dst[0] = (u_char) (0xc0 | c >> 6);
        dst[1] = (u_char) (0x80 | (c & 0x3f));
        return 2;
    }

    if (c < 0x10000) {
        dst[0] = (u_char) (0xe0 | c >> 12);
        dst[1] = (u_char) (0x80 | (c >> 6 & 0x3f));
        dst[2] = (u_char) (0x80 | (c & 0x3f));
        return 3;
    }

    dst[0] = (u_char) (0xf0 | c >> 18);
    dst[1] = (u_char) (0x80 | (c >> 12 & 0x3f));
    dst[2] = (u_char) (0x80 | (c >> 6 & 0x3f));
    dst[3] = (u_char) (0x80 | (c & 0x3f));

    return 4;
}


/* FNV-1a: a key in UTF-16 comes character by character */

uint64_t
mdm_plist_hash(uint64_t hash, const u_char *p, size_t n)
{
    while (n-- != 0) {
        hash = (hash ^ *p++) * 0x100000001b3;
    }

    return hash;
}


mdm_int_t
mdm_plist_unique(uint64_t *hash, size_t n)
{
    size_t  i, k;

    if (n <= 16) {

        for (i = 1; i < n; i++) {
            for (k = 0; k < i; k++) {
                if (hash[i] == hash[k]) {
                    return MDM_DECLINED;
                }
            }
        }

        return MDM_OK;
    }

    qsort(hash, n, sizeof(uint64_t), mdm_plist_compare);

    for (i = 1; i < n; i++) {
        if (hash[i] == hash[i - 1]) {
            return MDM_DECLINED;
        }
    }

    return MDM_OK;
}


static int
mdm_plist_compare(const void *one, const void *two)
{
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

    return (a > b) - (a < b);
}
