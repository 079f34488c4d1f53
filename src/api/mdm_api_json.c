
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Answers of the API as JSON.
 */


#include "mdm_api_json.h"


void
mdm_api_json_not_now(mdm_json_out_t *j, const mdm_str_t *value)
{
    u_char     *colon;
    int64_t     n;
    mdm_str_t   first, tally;

    colon = (value->len != 0) ? memchr(value->data, ':', value->len) : NULL;

    if (colon == NULL) {
        return;
    }

    first.data = value->data;
    first.len = (size_t) (colon - value->data);

    tally.data = colon + 1;
    tally.len = value->len - first.len - 1;

    mdm_json_open(j, "not_now", '{');
    mdm_json_opt_time(j, "first", &first);

    if (mdm_atoi(&tally, &n) == MDM_OK) {
        mdm_json_int(j, "tally", n);
    }

    mdm_json_close(j, '}');
}


mdm_int_t
mdm_api_json_answer(mdm_json_out_t *j, mdm_exchange_t *x, mdm_uint_t status)
{
    mdm_str_t  body;

    if (mdm_json_end(j, &body) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_exchange_body(x, status, "application/json", &body);
}
