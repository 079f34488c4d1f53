
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Where a scan of the partitions stands, and its cursor.
 */


#include "mdm_api_scan.h"
#include "mdm_key.h"


mdm_uint_t
mdm_api_scan_round(mdm_exchange_t *x, mdm_api_scan_t *scan, mdm_uint_t full)
{
    uint32_t  left;

    left = x->settings->store->partitions - scan->partition;

    if (left == 0) {
        return 0;
    }

    if (full || scan->cost >= MDM_API_SCAN_COST) {
        scan->more = 1;
        return 0;
    }

    return (scan->width < left) ? scan->width : left;
}


mdm_int_t
mdm_api_scan_tag(mdm_exchange_t *x, const mdm_api_scan_t *scan, mdm_uint_t i,
    mdm_str_t *tag)
{
    return mdm_key_partition(x->arena, tag, &x->tenant,
                             scan->partition + (uint32_t) i);
}


void
mdm_api_scan_count(mdm_api_scan_t *scan, int64_t looked)
{
    scan->cost += MDM_API_SCAN_CALL + (mdm_uint_t) looked;
}


void
mdm_api_scan_leave(mdm_api_scan_t *scan)
{
    scan->partition++;
    mdm_str_null(&scan->after);
}


void
mdm_api_scan_stay(mdm_api_scan_t *scan, const mdm_str_t *after)
{
    scan->after = *after;
    scan->width = 1;
    scan->large = 1;
}


void
mdm_api_scan_widen(mdm_api_scan_t *scan, mdm_uint_t most)
{
    if (!scan->large && scan->width < most) {
        scan->width *= 2;
    }
}


/* no mdm_printf() of "after": it would end at a NUL */

mdm_int_t
mdm_api_scan_write(mdm_exchange_t *x, const mdm_api_scan_t *scan,
    mdm_str_t *dst)
{
    u_char     *p;
    mdm_str_t   s, head;

    if (mdm_printf(x->arena, &head, "%lu,", (unsigned long) scan->partition)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    s.len = head.len + scan->after.len;

    p = mdm_arena_alloc(x->arena, s.len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    s.data = p;

    memcpy(p, head.data, head.len);

    if (scan->after.len != 0) {
        memcpy(p + head.len, scan->after.data, scan->after.len);
    }

    return mdm_api_cursor_write(x->arena, dst, &s);
}


mdm_int_t
mdm_api_scan_read(mdm_exchange_t *x, mdm_api_scan_t *scan,
    const mdm_str_t *cursor)
{
    u_char     *comma;
    int64_t     partition;
    mdm_int_t   rc;
    mdm_str_t   s, number;

    rc = mdm_api_cursor_read(x, &s, cursor);
    if (rc != MDM_OK) {
        return rc;
    }

    comma = (s.len != 0) ? memchr(s.data, ',', s.len) : NULL;

    if (comma == NULL) {
        return mdm_api_cursor_refuse(x);
    }

    number.data = s.data;
    number.len = (size_t) (comma - s.data);

    if (mdm_atoi(&number, &partition) != MDM_OK
        || partition >= (int64_t) x->settings->store->partitions)
    {
        return mdm_api_cursor_refuse(x);
    }

    scan->partition = (uint32_t) partition;
    scan->after.data = comma + 1;
    scan->after.len = s.len - number.len - 1;

    return MDM_OK;
}
