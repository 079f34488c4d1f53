
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


mdm_int_t
mdm_api_scan_write(mdm_exchange_t *x, const mdm_api_scan_t *scan,
    mdm_str_t *dst)
{
    return mdm_api_cursor_place_write(x, dst, scan->partition, &scan->after);
}


mdm_int_t
mdm_api_scan_read(mdm_exchange_t *x, mdm_api_scan_t *scan,
    const mdm_str_t *cursor)
{
    mdm_int_t   rc;
    mdm_uint_t  partition;

    rc = mdm_api_cursor_place_read(x, cursor, x->settings->store->partitions,
                                   &partition, &scan->after);

    if (rc == MDM_OK) {
        scan->partition = (uint32_t) partition;
    }

    return rc;
}
