
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The endpoints of this folder: SCEP, and profiles to enroll with.
 */


#include "mdm_enroll.h"
#include "mdm_scep.h"


const mdm_endpoint_t  mdm_enroll_endpoints[] = {

    { MDM_KIND_SCEP, MDM_GET|MDM_POST, mdm_string("SCEP"), mdm_scep, 0, 0 },
    { MDM_KIND_ENROLL, MDM_GET|MDM_POST, mdm_string("Enroll"), mdm_enroll, 0,
      0 },

    mdm_endpoint_null
};
