
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The endpoints of this folder: connect, and the access check.
 */


#include "mdm_auth.h"
#include "mdm_connect.h"


const mdm_endpoint_t  mdm_connect_endpoints[] = {

    { MDM_KIND_CONNECT, MDM_PUT, mdm_string("Connect"), mdm_connect, 0, 0 },
    { MDM_KIND_AUTH, 0, mdm_string("auth"), mdm_auth, 0, 0 },

    mdm_endpoint_null
};
