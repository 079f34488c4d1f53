
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The endpoints of this folder: check-in messages by their MessageType.
 */


#include "mdm_checkin.h"


#define mdm_checkin(name, step, secret)                                       \
    { MDM_KIND_CHECKIN, MDM_PUT, mdm_string(name), step, secret, 0 }


const mdm_endpoint_t  mdm_checkin_endpoints[] = {

    mdm_checkin("Authenticate", mdm_checkin_authenticate, 0),
    mdm_checkin("TokenUpdate", mdm_checkin_token_update, 0),
    mdm_checkin("CheckOut", mdm_checkin_checkout, 0),
    mdm_checkin("UserAuthenticate", mdm_checkin_user_authenticate, 0),
    mdm_checkin("SetBootstrapToken", mdm_checkin_set_bootstrap_token, 0),
    mdm_checkin("GetBootstrapToken", mdm_checkin_get_bootstrap_token, 1),
    mdm_checkin("GetToken", mdm_checkin_get_token, 1),
    mdm_checkin("ReturnToService", mdm_checkin_return_to_service, 0),
    mdm_checkin("DeclarativeManagement", mdm_checkin_declarative_management,
                0),

    mdm_endpoint_null
};
