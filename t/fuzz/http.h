
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What any server makes of an HTTP request, by two bytes that choose.
 */


#ifndef _FUZZ_HTTP_H_INCLUDED_
#define _FUZZ_HTTP_H_INCLUDED_


#include <stdint.h>
#include <stdlib.h>

#include "mdm_exchange.h"


static void
fuzz_http(mdm_call_t *call, uint64_t a, uint64_t b)
{
    mdm_http_t  *http;

    static const mdm_uint_t  statuses[] = {
        200, 204, 302, 400, 404, 422, 503, 999
    };

    http = call->http;

    if (http->method.len == 0 || http->url.len == 0
        || http->limit > MDM_HTTP_LIMIT_MAX)
    {
        abort();
    }

    call->rc = MDM_CALL_OK;

    http->outcome = (mdm_http_e) (a % (MDM_HTTP_BUSY + 1));
    http->ms = b * 100;

    if (http->outcome != MDM_HTTP_ANSWERED) {
        mdm_str_set(&http->reason, "connection refused");
        return;
    }

    http->status = statuses[b % 8];
    http->retry_after = (b & 0x80) ? 86400 : 0;

    if (b & 0x40) {
        mdm_str_set(&http->answer, "{\"a\":[null]}");
    }
}


#endif /* _FUZZ_HTTP_H_INCLUDED_ */
