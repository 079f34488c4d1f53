
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Enters all devices of a tenant in the index of serial numbers, in rounds.
 */


#include "mdm_api_query.h"
#include "mdm_api_reindex.h"


#define MDM_API_REINDEX_IDS     "200"   /* looked at by a script */
#define MDM_API_REINDEX_ROUNDS  64      /* of an exchange: some MB */

enum {
    MDM_API_REINDEX_BEGIN = 0,
    MDM_API_REINDEX_SCANNED,
    MDM_API_REINDEX_ADDED
};


static mdm_int_t mdm_api_reindex_scan(mdm_exchange_t *x);
static mdm_int_t mdm_api_reindex_scanned(mdm_exchange_t *x);
static mdm_int_t mdm_api_reindex_add(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_reply_t *row);


mdm_int_t
mdm_api_reindex_step(mdm_exchange_t *x)
{
    mdm_uint_t          i;
    mdm_api_reindex_t  *re;

    re = x->ctx;

    switch (x->state) {

    case MDM_API_REINDEX_BEGIN:
        return mdm_api_reindex_scan(x);

    case MDM_API_REINDEX_SCANNED:
        return mdm_api_reindex_scanned(x);

    default: /* MDM_API_REINDEX_ADDED */

        for (i = 0; i < x->ncalls; i++) {
            re->added += (uint64_t) mdm_reply_count(x->calls[i].reply,
                                                    MDM_RET_SERIAL_CLAIM_CODE,
                                                    1);
        }

        return mdm_api_reindex_scan(x);
    }
}


static mdm_int_t
mdm_api_reindex_scan(mdm_exchange_t *x)
{
    mdm_str_t           tag, *args;
    mdm_uint_t          i;
    mdm_api_reindex_t  *re;

    re = x->ctx;

    if (re->partition >= x->settings->store->partitions) {
        return mdm_exchange_empty(x, 200);
    }

    if (++re->rounds > MDM_API_REINDEX_ROUNDS) {
        re->more = 1;
        return mdm_exchange_empty(x, 200);
    }

    if (mdm_key_partition(x->arena, &tag, &x->tenant, re->partition) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_REINDEX_SCANNED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_enrollment_query, &tag,
                             MDM_API_QUERY_LISTS);
    if (args == NULL) {
        return MDM_ERROR;
    }

    mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_BY], "scan");
    args[MDM_ARG_ENROLLMENT_QUERY_AFTER] = re->after;
    mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_MOST], MDM_API_REINDEX_IDS);
    mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_ROWS], MDM_API_REINDEX_IDS);

    /* enabled or not, supervised or not: any */

    mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_CERTIFICATE], "0");
    mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_TOKEN], "0");

    args += MDM_ARG_ENROLLMENT_QUERY_FILTERS;

    for (i = 0; i < MDM_API_QUERY_LISTS; i++) {
        mdm_str_set(&args[i], "0");
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_reindex_scanned(mdm_exchange_t *x)
{
    size_t              k, n;
    mdm_str_t           id, serial;
    mdm_api_reindex_t  *re;
    const mdm_reply_t  *reply, *row;

    re = x->ctx;
    reply = x->calls[0].reply;

    re->seen += (uint64_t) mdm_reply_count(reply,
                                           MDM_RET_ENROLLMENT_QUERY_LOOKED,
                                           MDM_API_ROUND);

    if (mdm_reply_int(reply, MDM_RET_ENROLLMENT_QUERY_MORE, 0) != 0) {
        re->after = mdm_reply_str(reply, MDM_RET_ENROLLMENT_QUERY_LAST);

    } else {
        re->partition++;
        mdm_str_null(&re->after);
    }

    /* users have the number of their device */

    n = 0;

    for (k = MDM_RET_ENROLLMENT_QUERY_ROWS;
         n < MDM_API_ROUND && (row = mdm_reply_at(reply, k)) != NULL;
         k++)
    {
        id = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ID);
        serial = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_SERIAL);

        n += (id.len != 0 && memchr(id.data, ':', id.len) == NULL
              && serial.len != 0);
    }

    if (n == 0) {
        return mdm_api_reindex_scan(x);
    }

    re->devices += n;

    if (mdm_exchange_calls(x, n, MDM_API_REINDEX_ADDED) != MDM_CALL) {
        return MDM_ERROR;
    }

    n = 0;

    for (k = MDM_RET_ENROLLMENT_QUERY_ROWS; n < x->ncalls; k++) {
        row = mdm_reply_at(reply, k);
        id = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ID);
        serial = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_SERIAL);

        if (id.len != 0 && memchr(id.data, ':', id.len) == NULL
            && serial.len != 0
            && mdm_api_reindex_add(x, n++, row) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_reindex_add(mdm_exchange_t *x, mdm_uint_t i, const mdm_reply_t *row)
{
    mdm_str_t  key, serial, *args;

    serial = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_SERIAL);

    if (mdm_key_serial(x->arena, &key, &x->tenant, &serial) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_serial_claim, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_SERIAL_CLAIM_DEVICE] =
        mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ID);

    return MDM_OK;
}
