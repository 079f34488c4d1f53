
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * /v1/version, and the calls that are not there yet.
 */


#include "mdm_api.h"


mdm_int_t
mdm_api_version_step(mdm_exchange_t *x)
{
    static const mdm_str_t  body =
        mdm_string("{\"version\":\"" MDM_VERSION "\"}");

    return mdm_exchange_body(x, 200, "application/json", &body);
}


mdm_int_t
mdm_api_later_step(mdm_exchange_t *x)
{
    return mdm_exchange_refuse(x, 501, "not available in this version");
}
