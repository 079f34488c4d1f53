
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Computes partitions and builds the keys of Redis.
 */


#include "mdm_key.h"


uint16_t
mdm_crc16(const u_char *data, size_t len)
{
    size_t    i;
    uint16_t  crc;

    static const uint16_t  table[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef
    };

    crc = 0;

    for (i = 0; i < len; i++) {
        crc = (uint16_t) (crc << 4 ^ table[(crc >> 12 ^ data[i] >> 4) & 15]);
        crc = (uint16_t) (crc << 4 ^ table[(crc >> 12 ^ data[i]) & 15]);
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
    size_t     i;
    mdm_str_t  upper, escaped;

    if (mdm_str_dup(arena, &upper, serial) != MDM_OK) {
        return MDM_ERROR;
    }

    for (i = 0; i < upper.len; i++) {
        if (upper.data[i] >= 'a' && upper.data[i] <= 'z') {
            upper.data[i] = (u_char) (upper.data[i] - ('a' - 'A'));
        }
    }

    if (mdm_escape(arena, &escaped, &upper, "") != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_printf(arena, key, "mdm:{%.*s/serial:%.*s}", mdm_fmt(tenant),
                      mdm_fmt(&escaped));
}


mdm_int_t
mdm_key_declarations(mdm_arena_t *arena, mdm_str_t *key,
    const mdm_str_t *tenant)
{
    return mdm_printf(arena, key, "mdm:{%.*s/ddm}", mdm_fmt(tenant));
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
