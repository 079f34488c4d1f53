
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GetToken: a device asks for the token of a service, of which there is none.
 */


#include "mdm_checkin.h"


mdm_int_t
mdm_checkin_get_token(mdm_exchange_t *x)
{
    mdm_int_t       rc;
    mdm_str_t       service;
    mdm_message_t  *m;

    m = x->ctx;

    rc = mdm_checkin_auth(x);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_plist_string(m->plist, "TokenServiceType", &service) != MDM_OK) {
        return mdm_exchange_refuse(x, 400, "TokenServiceType is missing");
    }

    return mdm_exchange_refuse(x, 400, "no token for the service \"%.*s\"",
                               mdm_fmt(&service));
}
