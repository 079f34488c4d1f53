
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Computes partitions and builds the keys of Redis.
 */


#include "mdm_key.h"


/* CRC-16/XMODEM, as Redis Cluster has it for its slots */

static const uint16_t  mdm_crc16_table[256] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    0x1231, 0x0210, 0x3273, 0x2252, 0x52b5, 0x4294, 0x72f7, 0x62d6,
    0x9339, 0x8318, 0xb37b, 0xa35a, 0xd3bd, 0xc39c, 0xf3ff, 0xe3de,
    0x2462, 0x3443, 0x0420, 0x1401, 0x64e6, 0x74c7, 0x44a4, 0x5485,
    0xa56a, 0xb54b, 0x8528, 0x9509, 0xe5ee, 0xf5cf, 0xc5ac, 0xd58d,
    0x3653, 0x2672, 0x1611, 0x0630, 0x76d7, 0x66f6, 0x5695, 0x46b4,
    0xb75b, 0xa77a, 0x9719, 0x8738, 0xf7df, 0xe7fe, 0xd79d, 0xc7bc,
    0x48c4, 0x58e5, 0x6886, 0x78a7, 0x0840, 0x1861, 0x2802, 0x3823,
    0xc9cc, 0xd9ed, 0xe98e, 0xf9af, 0x8948, 0x9969, 0xa90a, 0xb92b,
    0x5af5, 0x4ad4, 0x7ab7, 0x6a96, 0x1a71, 0x0a50, 0x3a33, 0x2a12,
    0xdbfd, 0xcbdc, 0xfbbf, 0xeb9e, 0x9b79, 0x8b58, 0xbb3b, 0xab1a,
    0x6ca6, 0x7c87, 0x4ce4, 0x5cc5, 0x2c22, 0x3c03, 0x0c60, 0x1c41,
    0xedae, 0xfd8f, 0xcdec, 0xddcd, 0xad2a, 0xbd0b, 0x8d68, 0x9d49,
    0x7e97, 0x6eb6, 0x5ed5, 0x4ef4, 0x3e13, 0x2e32, 0x1e51, 0x0e70,
    0xff9f, 0xefbe, 0xdfdd, 0xcffc, 0xbf1b, 0xaf3a, 0x9f59, 0x8f78,
    0x9188, 0x81a9, 0xb1ca, 0xa1eb, 0xd10c, 0xc12d, 0xf14e, 0xe16f,
    0x1080, 0x00a1, 0x30c2, 0x20e3, 0x5004, 0x4025, 0x7046, 0x6067,
    0x83b9, 0x9398, 0xa3fb, 0xb3da, 0xc33d, 0xd31c, 0xe37f, 0xf35e,
    0x02b1, 0x1290, 0x22f3, 0x32d2, 0x4235, 0x5214, 0x6277, 0x7256,
    0xb5ea, 0xa5cb, 0x95a8, 0x8589, 0xf56e, 0xe54f, 0xd52c, 0xc50d,
    0x34e2, 0x24c3, 0x14a0, 0x0481, 0x7466, 0x6447, 0x5424, 0x4405,
    0xa7db, 0xb7fa, 0x8799, 0x97b8, 0xe75f, 0xf77e, 0xc71d, 0xd73c,
    0x26d3, 0x36f2, 0x0691, 0x16b0, 0x6657, 0x7676, 0x4615, 0x5634,
    0xd94c, 0xc96d, 0xf90e, 0xe92f, 0x99c8, 0x89e9, 0xb98a, 0xa9ab,
    0x5844, 0x4865, 0x7806, 0x6827, 0x18c0, 0x08e1, 0x3882, 0x28a3,
    0xcb7d, 0xdb5c, 0xeb3f, 0xfb1e, 0x8bf9, 0x9bd8, 0xabbb, 0xbb9a,
    0x4a75, 0x5a54, 0x6a37, 0x7a16, 0x0af1, 0x1ad0, 0x2ab3, 0x3a92,
    0xfd2e, 0xed0f, 0xdd6c, 0xcd4d, 0xbdaa, 0xad8b, 0x9de8, 0x8dc9,
    0x7c26, 0x6c07, 0x5c64, 0x4c45, 0x3ca2, 0x2c83, 0x1ce0, 0x0cc1,
    0xef1f, 0xff3e, 0xcf5d, 0xdf7c, 0xaf9b, 0xbfba, 0x8fd9, 0x9ff8,
    0x6e17, 0x7e36, 0x4e55, 0x5e74, 0x2e93, 0x3eb2, 0x0ed1, 0x1ef0
};


uint16_t
mdm_crc16(const u_char *data, size_t len)
{
    uint16_t       crc;
    const u_char  *last;

    crc = 0;

    for (last = data + len; data < last; data++) {
        crc = (uint16_t) (crc << 8 ^ mdm_crc16_table[(crc >> 8 ^ *data) & 255]);
    }

    return crc;
}


uint32_t
mdm_key_slot(const mdm_str_t *key)
{
    size_t         len;
    const u_char  *open, *close;

    open = memchr(key->data, '{', key->len);

    if (open != NULL) {
        open++;
        len = key->len - (size_t) (open - key->data);
        close = memchr(open, '}', len);

        /* an empty tag is none */

        if (close != NULL && close != open) {
            return mdm_crc16(open, (size_t) (close - open)) % MDM_SLOTS;
        }
    }

    return mdm_crc16(key->data, key->len) % MDM_SLOTS;
}


uint32_t
mdm_partition(const mdm_str_t *device, uint32_t partitions)
{
    return mdm_crc16(device->data, device->len) % partitions;
}


mdm_int_t
mdm_key_partition(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant,
    uint32_t partition)
{
    u_char    *p, digits[10];
    size_t     n;

    /* on the way of every poll, so without printf() */

    n = 0;

    do {
        digits[n++] = (u_char) ('0' + partition % 10);
        partition /= 10;
    } while (partition != 0);

    key->len = sizeof("mdm:{/}") - 1 + tenant->len + n;

    p = mdm_arena_alloc(arena, key->len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    key->data = p;

    memcpy(p, "mdm:{", 5);
    p += 5;

    memcpy(p, tenant->data, tenant->len);
    p += tenant->len;

    *p++ = '/';

    while (n != 0) {
        *p++ = digits[--n];
    }

    *p = '}';

    return MDM_OK;
}


mdm_int_t
mdm_key_certificate(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant, const mdm_str_t *sha256)
{
    return mdm_printf(arena, key, "mdm:{%.*s/cert:%.*s}", mdm_fmt(tenant),
                      mdm_fmt(sha256));
}


mdm_int_t
mdm_key_serial(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant,
    const mdm_str_t *serial)
{
    mdm_str_t  number;

    if (mdm_key_serial_number(arena, &number, serial) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_printf(arena, key, "mdm:{%.*s/serial:%.*s}", mdm_fmt(tenant),
                      mdm_fmt(&number));
}


mdm_int_t
mdm_key_serial_number(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *serial)
{
    mdm_str_t  upper;

    if (mdm_str_dup(arena, &upper, serial) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_str_upper(&upper);

    return mdm_escape(arena, dst, &upper, "");
}


mdm_int_t
mdm_key_block(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant)
{
    return mdm_printf(arena, key, "mdm:{%.*s/block}", mdm_fmt(tenant));
}


mdm_int_t
mdm_key_declarations(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant)
{
    return mdm_printf(arena, key, "mdm:{%.*s/ddm}", mdm_fmt(tenant));
}


mdm_int_t
mdm_key_push(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant)
{
    return mdm_printf(arena, key, "mdm:{%.*s/push}", mdm_fmt(tenant));
}


mdm_int_t
mdm_key_ca(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant)
{
    return mdm_printf(arena, key, "mdm:{%.*s/ca}", mdm_fmt(tenant));
}


mdm_int_t
mdm_key_profiles(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant)
{
    return mdm_printf(arena, key, "mdm:{%.*s/prof}", mdm_fmt(tenant));
}


mdm_int_t
mdm_key_link(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant,
    const mdm_str_t *sha256)
{
    return mdm_printf(arena, key, "mdm:{%.*s/link:%.*s}", mdm_fmt(tenant),
                      mdm_fmt(sha256));
}


mdm_int_t
mdm_key_owned(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant,
    const mdm_str_t *name)
{
    return mdm_printf(arena, key, "mdm:{%.*s/dev:%.*s}", mdm_fmt(tenant),
                      mdm_fmt(name));
}


mdm_int_t
mdm_key_challenge(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant,
    const mdm_str_t *sha256)
{
    return mdm_printf(arena, key, "mdm:{%.*s/chal:%.*s}", mdm_fmt(tenant),
                      mdm_fmt(sha256));
}


mdm_int_t
mdm_key_spki(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant,
    const mdm_str_t *sha256)
{
    return mdm_printf(arena, key, "mdm:{%.*s/spki:%.*s}", mdm_fmt(tenant),
                      mdm_fmt(sha256));
}


mdm_int_t
mdm_key_issued(mdm_arena_t *arena, mdm_str_t *key, const mdm_str_t *tenant,
    const mdm_str_t *ca, const mdm_str_t *serial)
{
    mdm_str_t  name, number;

    if (mdm_escape(arena, &name, ca, "") != MDM_OK
        || mdm_str_dup(arena, &number, serial) != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_str_lower(&number);

    if (mdm_escape(arena, &number, &number, "") != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_printf(arena, key, "mdm:{%.*s/sn:%.*s:%.*s}", mdm_fmt(tenant),
                      mdm_fmt(&name), mdm_fmt(&number));
}


mdm_int_t
mdm_key_id(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *id)
{
    return mdm_escape(arena, dst, id, ":");
}


mdm_int_t
mdm_key_uuid(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *uuid)
{
    return mdm_escape(arena, dst, uuid, "");
}


mdm_int_t
mdm_tenant_check(const mdm_str_t *tenant)
{
    u_char  c;
    size_t  i;

    if (tenant->len == 0 || tenant->len > MDM_TENANT_MAX) {
        return MDM_DECLINED;
    }

    for (i = 0; i < tenant->len; i++) {
        c = tenant->data[i];

        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
            || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_')
        {
            continue;
        }

        return MDM_DECLINED;
    }

    return MDM_OK;
}
